"""The proof that the store keeps what is locked or held, against a real S3 server that does not do all it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from minio.commonconfig import COMPLIANCE
from minio.objectlockconfig import DAYS, ObjectLockConfig

from storage import lock_proof
from storage.embedded import S3Address
from storage.evidence_store import EvidenceStore, LockNotKept, StoreFull, StoreReadOnly, StoreUnavailable
from storage.lock_proof import LockProof, MayNotDelete, Probe
from tests.api.storage_support import a_store, an_s3, anyio_backend
from tests.stubborn import FAILING, FULL, READ_ONLY, VERSION_REMOVED, Rule, Stubborn, stubborn

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio
SHORT = timedelta(seconds=3)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Address]:
    server = an_s3(tmp_path_factory.mktemp("s3"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
async def store(s3: S3Address) -> AsyncIterator[EvidenceStore]:
    store = a_store(s3)
    await store.prepare()
    yield store
    store.close()


@pytest.fixture
async def proxy(s3: S3Address, store: EvidenceStore) -> AsyncIterator[Stubborn]:
    with stubborn(s3.endpoint) as proxy:
        yield proxy


def through(proxy: Stubborn, s3: S3Address, bucket: str = "evidence") -> EvidenceStore:
    return a_store(S3Address(proxy.endpoint, s3.access_key, s3.secret_key, s3.region), bucket)


def in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


async def left(store: EvidenceStore) -> list[str]:
    return [each.version for each in await store.versions("probe/")]


async def test_keys_that_may_not_delete_prove_nothing(s3: S3Address, proxy: Stubborn) -> None:
    """Every refusal looks like a lock. The sentence names the right."""
    proxy.refuses = [VERSION_REMOVED]
    store = through(proxy, s3)
    with pytest.raises(MayNotDelete, match="s3:DeleteObjectVersion") as refused:
        await store.prove_lock()
    assert "s3:DeleteObjectVersion" in refused.value.zh
    proxy.refuses = []
    assert (await store.prove_lock()).by_default is None
    store.close()


async def test_a_store_that_forgets_a_hold_is_refused(s3: S3Address, proxy: Stubborn) -> None:
    """It says that the version is held, and lets it go: the footage of a case would be gone with its lock."""
    proxy.forgets_holds = True
    store = through(proxy, s3)
    with pytest.raises(LockNotKept, match="held could be deleted"):
        await store.prove_lock()
    store.close()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (("PUT", "retention", 403, "AccessDenied"), "s3:PutObjectRetention"),
        (("PUT", "retention", 501, "NotImplemented"), None),
        (("PUT", "legal-hold", 403, "AccessDenied"), "s3:PutObjectLegalHold"),
        (("PUT", "legal-hold", 400, "InvalidRequest"), "legal hold"),
    ],
)
async def test_a_store_without_lock_or_hold_is_refused(
    s3: S3Address, proxy: Stubborn, rule: Rule, words: str | None
) -> None:
    """With the right that may be missing; one that fails has told nothing."""
    proxy.refuses = [rule]
    store = through(proxy, s3)
    with pytest.raises(LockNotKept if words else StoreUnavailable, match=words or "does not|failed"):
        await store.prove_lock()
    store.close()


async def test_a_default_retention_explains_what_does_not_go(s3: S3Address) -> None:
    """MinIO's own guide sets one: it is told, and a proof leaves one version that nobody can remove yet, not four."""
    store = a_store(s3, "by-default")
    await store.prepare()
    store._client.set_object_lock_config(store.bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    found = [await store.prove_lock() for _ in range(3)]
    assert all(each.by_default and each.by_default > in_days(1) - timedelta(minutes=5) for each in found)
    assert 3 == len(await left(store))
    await store.try_write()
    assert 3 == len(await left(store))
    store.close()


async def test_a_hold_is_proved_again_when_the_lock_is_over(store: EvidenceStore) -> None:
    """Alone it must keep the version then. What was looked at goes, and what is still locked stays."""
    proof = LockProof(store._client, store.bucket, SHORT)
    probes = proof.leave("a-day", in_days(3))
    await asyncio.sleep(SHORT.total_seconds() + 1)
    await store.look_at_probes(probes)
    locked = probes[0]
    await store.tidy_probes({locked.version}, probes[1:])
    there = await left(store)
    assert (True, False, False) == tuple(probe.version in there for probe in probes)
    await store.look_at_probes([locked])


@pytest.mark.parametrize("kind", [1, 2], ids=["held", "both"])
async def test_a_hold_that_is_gone_the_day_after_is_seen(store: EvidenceStore, kind: int) -> None:
    """A store that drops it in the night (versitygw 1.8.0, once the lock is over) or loses the version."""
    probes = LockProof(store._client, store.bucket, SHORT).leave("a-day", in_days(3))
    await asyncio.sleep(SHORT.total_seconds() + 1)
    await store.hold(probes[kind].key, probes[kind].version, on=False)
    with pytest.raises(LockNotKept, match="hold that was set before is gone"):
        await store.look_at_probes(probes)
    await store.remove(probes[kind].key, probes[kind].version)
    with pytest.raises(LockNotKept, match="fujing mark-store"):
        await store.look_at_probes(probes)


async def test_a_lock_that_became_shorter_is_seen(store: EvidenceStore) -> None:
    """What the database says of it is what counts."""
    locked = LockProof(store._client, store.bucket).leave("a-day", in_days(3))[0]
    told = Probe("locked", locked.key, locked.version, in_days(5))
    with pytest.raises(LockNotKept, match="shorter"):
        await store.look_at_probes([told])


async def test_many_prove_at_once(s3: S3Address, store: EvidenceStore) -> None:
    """Two APIs and a worker that start together: each has objects of its own, and tidying takes nobody's."""
    stores = [a_store(s3) for _ in range(4)]
    mine = LockProof(store._client, store.bucket)._put("once/mine")
    for each in stores:
        await asyncio.gather(*(one.prove_lock() for one in stores), *(each.tidy_probes((), ()) for _ in range(8)))
    assert mine.version in await left(store)
    for each in stores:
        each.close()


async def test_what_a_killed_proof_left_is_removed(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held, and named nowhere: after a day nobody can still be proving with it."""
    probes = LockProof(store._client, store.bucket, SHORT).leave("killed", in_days(3))
    await store.tidy_probes((), ())
    assert {probe.version for probe in probes} <= set(await left(store))
    await asyncio.sleep(SHORT.total_seconds() + 1)
    for name in ("DISTURBS_NOBODY", "FORGOTTEN"):
        monkeypatch.setattr(lock_proof, name, timedelta(0))
    await store.tidy_probes((), ())
    there = await left(store)
    assert (True, False, False) == tuple(probe.version in there for probe in probes)


@pytest.mark.parametrize(
    ("rule", "error", "code"),
    [(FULL, StoreFull, "XMinioStorageFull"), (READ_ONLY, StoreReadOnly, "AccessDenied"),
     (FAILING, StoreReadOnly, "500|InternalError")],
    ids=["full", "read only", "failing"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["uploads", "partNumber"], ids=["opening", "sending"])
async def test_a_store_that_takes_no_writes_says_why(
    s3: S3Address, proxy: Stubborn, store: EvidenceStore, rule: Rule, error: type[Exception], code: str, where: str
) -> None:
    """At once, whether it refuses to open the upload or the part; what was opened is dropped."""
    proxy.refuses = [(rule[0], where, rule[2], rule[3])]
    tried, begun = through(proxy, s3), time.monotonic()
    with pytest.raises(error, match=code):
        await tried.try_write()
    assert time.monotonic() - begun < 5
    proxy.refuses = []
    await tried.try_write()
    assert [] == [key for key, _ in await store.open_uploads(in_days(1)) if key.startswith("probe/")]
    assert "probe/write" not in {each.key for each in await store.versions("probe/")}
    tried.close()
