"""The rights of our keys at a store of one's own: deploy/s3-policy.json has those that our calls need, and no others.

Every method of the store's client is called through a proxy that notes what it asks. On a store that judges policies,
keys that have just this one (and may make the buckets of a run) try it for real: `make test-store S3=URL`.
"""

import hashlib
import inspect
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3

from backend.core.settings import Settings
from mobile_api.cli.doctor.rights import RIGHTS
from storage.embedded import S3Address
from storage.evidence_store import EvidenceStore, ObjectLocked
from tests.api.storage_support import a_key, a_store, anyio_backend, s3
from tests.nonsense import Nonsense, nonsense

__all__ = ["anyio_backend", "s3"]
pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)
TRIED_BY_DOCTOR = {action for right in RIGHTS for action in right.split(", ")}
# Doctor alone asks for these: a bucket's own rule may expire footage, or keep what must go.
OF_DOCTOR = {"s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration"}
OF_ADMINISTRATOR = {"s3:CreateBucket"}  # `prepare`, where there is no bucket yet
# What is asked, by method and the word of the query that says what it is about; "" where there is none.
OF_BUCKET = {
    ("HEAD", ""): "s3:ListBucket",
    ("PUT", ""): "s3:CreateBucket",
    ("GET", "list-type"): "s3:ListBucket",
    ("GET", "versions"): "s3:ListBucketVersions",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "versioning"): "s3:GetBucketVersioning",
    ("GET", "object-lock"): "s3:GetBucketObjectLockConfiguration",
    ("GET", "lifecycle"): "s3:GetLifecycleConfiguration",
}
OF_OBJECT = {
    ("PUT", ""): "s3:PutObject",
    ("PUT", "uploadId"): "s3:PutObject",
    ("POST", "uploads"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("GET", ""): "s3:GetObject",
    ("GET", "versionId"): "s3:GetObjectVersion",
    ("GET", "retention"): "s3:GetObjectRetention",
    ("PUT", "retention"): "s3:PutObjectRetention",
    ("GET", "legal-hold"): "s3:GetObjectLegalHold",
    ("PUT", "legal-hold"): "s3:PutObjectLegalHold",
    ("DELETE", ""): "s3:DeleteObject",
    ("DELETE", "versionId"): "s3:DeleteObjectVersion",
}
BESIDES = {"s3:DeleteObjectVersion": "s3:DeleteObject"}  # MinIO asks for the second where S3 asks for the first


@pytest.fixture
def wire(s3: S3Address) -> Iterator[Nonsense]:
    """A proxy before the store, which passes everything on."""
    with nonsense(s3.endpoint) as proxy:
        yield proxy


def allowed(repository: Path, resource: str) -> set[str]:
    """The actions that the policy allows on this resource."""
    policy = json.loads((repository / "deploy" / "s3-policy.json").read_text())
    return {action for each in policy["Statement"] if each["Resource"] == [resource] for action in each["Action"]}


def action(asked: tuple[str, str]) -> str:
    """The right that a call needs."""
    method, address = asked
    parts = urlsplit(address)
    table = OF_OBJECT if parts.path.strip("/").count("/") else OF_BUCKET
    words = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    about = [word for word in words if ("GET", word) in table or (method, word) in table]
    word = next((each for each in about if each != "versionId"), about[0] if about else "")
    return table[("GET" if method == "HEAD" and table is OF_OBJECT else method), word]


def sent(url: str, content: bytes) -> int:
    """PUT a part, as a device does; the store's status."""
    return urllib3.request("PUT", url, body=content, timeout=30).status


async def fresh(store: EvidenceStore, tmp_path: Path) -> dict[str, Any]:
    """What methods are given, by the names of their parameters: an object, an open upload of its key, and the like."""
    key, content = a_key(), b"a patrol of two hours"
    put = await store.put(key, content, "video/webm")
    upload = await store.open_upload(key, "video/webm")
    url = store.sign_part(key, upload, 1, len(content), MINUTE)
    assert 200 == sent(url, content)
    file = tmp_path / "film"
    file.write_bytes(content)
    return {
        "key": key, "version": put.version, "upload_id": upload, "parts": await store.parts(key, upload),
        "content": content, "media_type": "video/webm", "path": file, "source": io.BytesIO(content), "prefix": key,
        "offset": 0, "length": len(content), "block": 1024, "on": False,
        "until": datetime.now(UTC).replace(microsecond=0) + MINUTE, "older_than": datetime.now(UTC) + MINUTE,
        "day": "today", "left": [], "let_go": [], "keep": [],
        "known": SimpleNamespace(
            key=key, version=put.version, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
        ),
    }  # fmt: skip


async def call(store: EvidenceStore, name: str, given: dict[str, Any]) -> None:
    """Call this method with what its parameters are named for."""
    method = getattr(store, name)
    wanted = {each.name: each.default for each in inspect.signature(method).parameters.values()}
    missing = {each for each, default in wanted.items() if default is inspect.Parameter.empty} - set(given)
    assert set() == missing, f"say in `fresh` what {name} is given"
    arguments = {each: given[each] for each in wanted if each in given}
    if inspect.isasyncgenfunction(method):
        async for _ in method(**arguments):
            pass
    else:
        await method(**arguments)
    with suppress(ObjectLocked):
        await store.abort_upload(given["key"], given["upload_id"])
        await store.remove(given["key"], given["version"])


async def test_the_policy_allows_what_our_calls_need_and_no_more(
    wire: Nonsense, s3: S3Address, tmp_path: Path, repository: Path
) -> None:
    """Whoever steals our keys can neither shorten a lock nor make a bucket, nor change its rules."""
    store = a_store(replace(s3, endpoint=wire.endpoint), "rights")
    await store.prepare()
    methods = (each for each in inspect.getmembers(EvidenceStore, callable) if not each[0].startswith("_"))
    for name, method in methods:
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            await call(store, name, await fresh(store, tmp_path))
    store.close()
    needed = {action(asked) for asked in wire.asked}
    needed |= {BESIDES[each] for each in needed if each in BESIDES} | OF_DOCTOR
    of_bucket, name = set(OF_BUCKET.values()), Settings().s3_bucket
    assert allowed(repository, f"arn:aws:s3:::{name}") == (needed & of_bucket) - OF_ADMINISTRATOR
    assert allowed(repository, f"arn:aws:s3:::{name}/*") == needed - of_bucket
    assert TRIED_BY_DOCTOR == needed - OF_ADMINISTRATOR


def test_the_policy_never_lets_a_lock_be_gone_around(repository: Path) -> None:
    """No right to bypass, none by a wildcard, nothing of another bucket."""
    text = (repository / "deploy" / "s3-policy.json").read_text()
    policy = json.loads(text)
    actions = {action for each in policy["Statement"] for action in each["Action"]}
    assert not [each for each in actions if "*" in each or "Bypass" in each or each.startswith("s3:PutBucket")]
    assert {"Allow"} == {each["Effect"] for each in policy["Statement"]}
