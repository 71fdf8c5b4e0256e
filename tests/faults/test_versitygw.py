"""A second real S3 server, versitygw 1.8.0: it keeps locks and not every hold, so Fujing keeps no evidence in it.

All other tests of the store's contract hold there, but those named here. See docs/stores.md.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from storage.embedded import S3Address
from storage.lock_proof import LockNotKept, LockProof
from tests.api.storage_support import a_store
from tests.engines import built_by_go, versitygw

pytestmark = pytest.mark.long
PACKAGE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"
LOCK = timedelta(seconds=3)
DIFFERENT = {
    # What it is here for: the hold counts for nothing once the lock is over.
    "test_a_hold_keeps_what_its_lock_no_longer_does",
    # The time of a delete marker in a list has nine decimals, which the SDK does not read.
    "test_one_version_of_a_key_is_the_newest",
}


@pytest.fixture(scope="module")
def gateway(repository: Path) -> Iterator[S3Address]:
    """One that runs, built where Go is."""
    with versitygw(built_by_go(PACKAGE, VERSION, repository / "build" / "engines")) as address:
        yield address


async def test_the_proof_refuses_a_store_that_forgets_a_hold(gateway: S3Address) -> None:
    """A hold counts for nothing there once a lock of the same version is over: the state of all footage of a case."""
    store = a_store(gateway)
    await store.prepare()
    await store.prove_lock()  # at once, nothing shows it
    proof = LockProof(store._client, store._bucket, LOCK)
    left = proof.leave("first", datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5))
    await asyncio.sleep(LOCK.total_seconds() + 1)
    with pytest.raises(LockNotKept, match="past its lock could be deleted"):
        proof.look(left)
    store.close()


def test_the_rest_of_the_contract_holds(gateway: S3Address, repository: Path, tmp_path: Path) -> None:
    """What the contract says of a store is not what one server happens to do."""
    report = tmp_path / "report.xml"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    url = f"http://{gateway.access_key}:{gateway.secret_key}@{gateway.endpoint}"
    done = subprocess.run(
        [*words, "tests/api/test_evidence_store.py"], cwd=repository, env=os.environ | {"TEST_S3": url},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - our own report
    failed = {
        each.attrib["name"] for each in cases if each.find("failure") is not None or each.find("error") is not None
    }
    assert DIFFERENT == failed, done.stdout
    assert len(cases) > 30
