"""The contract of the evidence store, against a real S3 server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from storage.embedded import S3Address
from storage.evidence_store import (
    EvidenceStore,
    LockNotKept,
    ObjectLocked,
    ObjectUnknown,
    Part,
    StoredObject,
    StoreRefused,
    StoreSettings,
    StoreUnavailable,
    UploadUnknown,
    newest_of_each,
)
from tests.api.storage_support import a_key, a_store, an_s3, anyio_backend, s3
from tests.endpoint import bucket

__all__ = ["anyio_backend", "s3"]
pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)
FIRST = os.urandom(5 * 1024 * 1024)
LAST = b"the last part may be small"


@pytest.fixture
async def store(s3: S3Address) -> AsyncIterator[EvidenceStore]:
    store = a_store(s3)
    await store.prepare()
    yield store
    store.close()


def send(url: str, content: bytes, md5_of: bytes | None = None) -> int:
    """PUT a part to its signed URL, as a device does; the store's status."""
    headers = (
        {}
        if md5_of is None
        else {"Content-MD5": base64.b64encode(hashlib.md5(md5_of, usedforsecurity=False).digest()).decode()}
    )
    return urllib3.request("PUT", url, body=content, headers=headers, timeout=30).status


def in_chunks(url: str, content: bytes) -> int:
    """PUT without a length; the store's status."""
    return urllib3.request("PUT", url, body=iter([content]), timeout=30).status


def etag_of(url: str, content: bytes) -> str:
    """PUT a part; the ETag that the store answers."""
    return urllib3.request("PUT", url, body=content, timeout=30).headers["ETag"].strip('"')


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    answer = urllib3.request("GET", url, headers=headers, timeout=30)
    return answer.status, answer.data


async def an_upload(store: EvidenceStore, key: str, *contents: bytes) -> tuple[str, list[Part]]:
    upload = await store.open_upload(key, "video/webm")
    for number, content in enumerate(contents, 1):
        assert 200 == send(store.sign_part(key, upload, number, len(content), MINUTE), content, content)
    return upload, await store.parts(key, upload)


async def a_recording(store: EvidenceStore, content: bytes = b"a patrol of two hours") -> StoredObject:
    return await store.put(a_key(), content, "video/webm")


async def test_the_bucket_is_made_once_by_many_at_once(s3: S3Address) -> None:
    """Every worker prepares the store when it starts."""
    stores = [a_store(s3, "asked-for-by-many") for _ in range(4)]
    await asyncio.gather(*(store.prepare() for store in stores))
    await stores[0].prepare()
    await stores[0].alive()
    await stores[0].prove_lock()
    for store in stores:
        store.close()


async def test_a_bucket_that_does_not_exist_is_not_alive(s3: S3Address) -> None:
    """The store is ready when the bucket answers, not when the port is open."""
    store = a_store(s3, "never-made")
    with pytest.raises(StoreUnavailable, match="never-made"):
        await store.alive()
    store.close()


async def test_the_lock_is_proved_again_and_again(store: EvidenceStore) -> None:
    """A worker that restarts within a minute finds the probe object of the run before."""
    await store.prove_lock()
    await store.prove_lock()


async def test_a_bucket_without_object_lock_is_refused(s3: S3Address) -> None:
    """Object lock is tested, not trusted."""
    store = a_store(s3, "unlocked")
    store._client.make_bucket(bucket("unlocked"))
    with pytest.raises(LockNotKept, match="object lock"):
        await store.prove_lock()
    store.close()


async def test_a_bucket_with_versions_but_no_lock_is_refused(s3: S3Address) -> None:
    """Versions alone protect nothing."""
    from minio.versioningconfig import ENABLED, VersioningConfig

    store = a_store(s3, "versioned")
    store._client.make_bucket(bucket("versioned"))
    store._client.set_bucket_versioning(bucket("versioned"), VersioningConfig(ENABLED))
    with pytest.raises(LockNotKept, match="object lock"):
        await store.prove_lock()
    store.close()


async def test_an_upload_resumes_with_the_parts_the_store_has(store: EvidenceStore) -> None:
    """The phone's battery died between two parts."""
    key = a_key()
    upload, have = await an_upload(store, key, FIRST)
    assert [(1, len(FIRST))] == [(part.number, part.bytes) for part in have]
    assert 200 == send(store.sign_part(key, upload, 2, len(LAST), MINUTE), LAST)
    done = await store.complete_upload(key, upload, await store.parts(key, upload))
    assert done == await store.find(key)
    whole = FIRST + LAST
    assert (hashlib.sha256(whole).hexdigest(), len(whole)) == await store.digest(key, done.version)
    assert len(FIRST + LAST) == done.bytes


async def test_all_pages_of_parts_are_read(store: EvidenceStore) -> None:
    """A recording of eight hours has more parts than a page."""
    key = a_key()
    store.parts_per_page = 2
    upload, parts = await an_upload(store, key, b"one", b"two", b"three", b"four", b"five")
    assert [(1, 3), (2, 3), (3, 5), (4, 4), (5, 4)] == [(part.number, part.bytes) for part in parts]
    await store.abort_upload(key, upload)


async def test_a_part_sent_twice_counts_once(store: EvidenceStore) -> None:
    """The answer to the first was lost in a tunnel."""
    key = a_key()
    upload, _ = await an_upload(store, key, b"the same bytes")
    assert 200 == send(store.sign_part(key, upload, 1, 14, MINUTE), b"the same bytes")
    listed = await store.parts(key, upload)
    assert {(1, 14)} == {(part.number, part.bytes) for part in listed}
    assert [1] == [part.number for part in newest_of_each(listed)]
    await store.abort_upload(key, upload)


async def test_of_a_part_sent_twice_with_different_bytes_the_last_counts(store: EvidenceStore) -> None:
    """The file changed in between. The times in the store are whole seconds."""
    key = a_key()
    upload, _ = await an_upload(store, key, b"as first sent")
    await asyncio.sleep(1.1)
    assert 200 == send(store.sign_part(key, upload, 1, 13, MINUTE), b"as sent again")
    done = await store.complete_upload(key, upload, newest_of_each(await store.parts(key, upload)))
    assert hashlib.sha256(b"as sent again").hexdigest() == (await store.digest(key, done.version))[0]


async def test_a_part_damaged_on_the_way_is_refused(store: EvidenceStore) -> None:
    """Content-MD5 on the part is checked by the store."""
    key = a_key()
    upload = await store.open_upload(key, "video/webm")
    assert 400 == send(store.sign_part(key, upload, 1, 7, MINUTE), b"damaged", md5_of=b"intact")
    assert [] == await store.parts(key, upload)
    await store.abort_upload(key, upload)


async def test_a_signed_url_opens_nothing_else(store: EvidenceStore) -> None:
    """A device that changes the part or the file in its URL is refused; so is one without a signature."""
    key = a_key()
    upload = await store.open_upload(key, "video/webm")
    url = store.sign_part(key, upload, 1, 1, MINUTE)
    assert 403 == send(url.replace("partNumber=1", "partNumber=2"), b"x")
    assert 403 == send(url.partition("?")[0], b"x")
    await store.abort_upload(key, upload)


async def test_completing_twice_answers_the_same_version(store: EvidenceStore) -> None:
    """The answer to the first was lost; nothing is stored twice."""
    key = a_key()
    upload, parts = await an_upload(store, key, FIRST, LAST)
    once = await store.complete_upload(key, upload, parts)
    assert once == await store.complete_upload(key, upload, parts)
    with pytest.raises(UploadUnknown):
        await store.parts(key, upload)


async def test_an_upload_the_store_does_not_know_cannot_be_completed(store: EvidenceStore) -> None:
    """It was swept or aborted, or the object that is there was made of other parts."""
    key = a_key()
    upload, parts = await an_upload(store, key, b"swept")
    await store.abort_upload(key, upload)
    with pytest.raises(UploadUnknown):
        await store.complete_upload(key, upload, parts)
    await store.put(key, b"something else", "video/webm")
    with pytest.raises(UploadUnknown):
        await store.complete_upload(key, upload, parts)


async def test_aborting_twice_is_aborting_once(store: EvidenceStore) -> None:
    """The sweep and the device may both give up."""
    key = a_key()
    upload, _ = await an_upload(store, key, b"given up")
    await store.abort_upload(key, upload)
    await store.abort_upload(key, upload)
    with pytest.raises(UploadUnknown):
        await store.parts(key, upload)


async def test_the_sweep_finds_uploads_left_open(store: EvidenceStore) -> None:
    """The parts of an upload that nobody completes would take up space for ever."""
    key = a_key()
    upload, _ = await an_upload(store, key, b"forgotten")
    now = datetime.now(UTC)
    assert (key, upload) in await store.open_uploads(older_than=now + MINUTE)
    assert (key, upload) not in await store.open_uploads(older_than=now - MINUTE)
    await store.abort_upload(key, upload)
    assert (key, upload) not in await store.open_uploads(older_than=now + MINUTE)


async def test_a_url_for_devices_names_the_public_host(s3: S3Address) -> None:
    """Devices reach the store under another name than the server does; the server's own URLs keep its name."""
    store = a_store(s3, public_url="https://evidence.example.cn:8443")
    url = store.sign_part("recordings/a", "upload", 3, 5, MINUTE)
    assert url.startswith(f"https://evidence.example.cn:8443/{bucket('evidence')}/recordings/a?")
    assert f"//{s3.endpoint}/{bucket('evidence')}/" in store.sign_read("recordings/a", "v", MINUTE)
    store.close()


async def test_the_digest_is_of_exactly_that_version(store: EvidenceStore) -> None:
    """Somebody wrote over the key: the version that was sealed still reads as it was."""
    old = await a_recording(store, b"as recorded")
    new = await store.put(old.key, b"written over", "video/webm")
    assert new == await store.find(old.key)
    assert (hashlib.sha256(b"as recorded").hexdigest(), 11) == await store.digest(old.key, old.version)


async def test_the_digest_reports_its_progress(store: EvidenceStore) -> None:
    """The number of bytes read rises up to the size."""
    progress: list[int] = []
    recording = await a_recording(store, FIRST)
    await store.digest(recording.key, recording.version, progress.append)
    assert progress == sorted(progress)
    assert len(FIRST) == progress[-1]


async def test_the_signed_read_is_of_that_version_and_takes_ranges(store: EvidenceStore) -> None:
    """The probing child gets a URL and no key."""
    old = await a_recording(store, b"as recorded")
    await store.put(old.key, b"written over", "video/webm")
    url = store.sign_read(old.key, old.version, MINUTE)
    assert (200, b"as recorded") == fetch(url)
    assert (206, b"recorded") == fetch(url, Range="bytes=3-10")


async def test_what_is_not_there_is_unknown(store: EvidenceStore) -> None:
    """Unknown is not the same as unavailable."""
    recording = await a_recording(store)
    with pytest.raises(ObjectUnknown):
        await store.find(a_key())
    for call in (store.digest, store.locked_until):
        with pytest.raises(ObjectUnknown):
            await call(a_key(), recording.version)
    with pytest.raises(ObjectUnknown):
        await store.lock(a_key(), recording.version, datetime.now(UTC) + MINUTE)


async def test_a_locked_version_cannot_be_removed_and_still_reads(store: EvidenceStore) -> None:
    """We cannot either; and writing over the key does not change it."""
    recording = await a_recording(store, b"sealed")
    until = datetime.now(UTC) + timedelta(hours=1)
    await store.lock(recording.key, recording.version, until)
    kept = await store.locked_until(recording.key, recording.version)
    assert kept is not None
    assert timedelta(0) <= kept - until < timedelta(seconds=1)
    with pytest.raises(ObjectLocked):
        await store.remove(recording.key, recording.version)
    await store.put(recording.key, b"written over", "video/webm")
    assert hashlib.sha256(b"sealed").hexdigest() == (await store.digest(recording.key, recording.version))[0]


async def test_a_lock_grows_and_never_shrinks(store: EvidenceStore) -> None:
    """Sealing may run twice; a longer term may follow a shorter one."""
    recording = await a_recording(store)
    hour, day = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours) for hours in (1, 24))
    for asked, kept in ((hour, hour), (day, day), (hour, day)):
        await store.lock(recording.key, recording.version, asked)
        assert kept == await store.locked_until(recording.key, recording.version)


async def test_a_version_that_was_never_locked_has_no_end_of_lock(store: EvidenceStore) -> None:
    """None is the answer, not an error."""
    recording = await a_recording(store)
    assert await store.locked_until(recording.key, recording.version) is None
    with pytest.raises(ValueError, match="aware"):
        await store.lock(recording.key, recording.version, datetime(2999, 1, 1))


async def test_a_held_version_stays_until_the_hold_is_lifted(store: EvidenceStore) -> None:
    """What is kept for ever is under a hold, which a person can correct; a lock has an end."""
    recording = await a_recording(store)
    await store.hold(recording.key, recording.version, on=True)
    await store.hold(recording.key, recording.version, on=True)
    with pytest.raises(ObjectLocked):
        await store.remove(recording.key, recording.version)
    await store.hold(recording.key, recording.version, on=False)
    await store.remove(recording.key, recording.version)
    with pytest.raises(ObjectUnknown):
        await store.find(recording.key)


async def test_a_hold_keeps_what_its_lock_no_longer_does(store: EvidenceStore) -> None:
    """Footage of a case outlives its term: the lock is over, the hold is not."""
    recording = await a_recording(store, b"of a case")
    await store.lock(recording.key, recording.version, datetime.now(UTC) + timedelta(seconds=2))
    await store.hold(recording.key, recording.version, on=True)
    await asyncio.sleep(4)
    with pytest.raises(ObjectLocked):
        await store.remove(recording.key, recording.version)
    assert b"of a case" == await store.read(recording.key, recording.version)
    await store.hold(recording.key, recording.version, on=False)
    await store.remove(recording.key, recording.version)


async def test_a_version_that_was_never_held_is_not_held(store: EvidenceStore) -> None:
    """Each kind of store has an error of its own for it, and it is none."""
    recording = await a_recording(store)
    assert not await store.is_held(recording.key, recording.version)
    await store.remove(recording.key, recording.version)


async def test_removing_removes_that_version_only_and_may_be_repeated(store: EvidenceStore) -> None:
    """Disposal removes one version, and may run again."""
    old = await a_recording(store, b"mismatch")
    new = await store.put(old.key, b"as it should be", "video/webm")
    await store.remove(old.key, old.version)
    await store.remove(old.key, old.version)
    assert new == await store.find(old.key)
    with pytest.raises(ObjectUnknown):
        await store.digest(old.key, old.version)


async def test_a_store_that_does_not_answer_is_unavailable() -> None:
    """The error comes within seconds, and no exception of the SDK leaves the module."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        store = EvidenceStore(StoreSettings(endpoint, "k", "secret12", "evidence", "us-east-1", False, None))
        calls = (store.alive(), store.find("a"), store.digest("a", "v"), store.open_upload("a", "video/webm"))
        for call in calls:
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(call, 8)
        store.close()


async def test_a_wrong_key_is_a_refusal(s3: S3Address) -> None:
    """Trying again will not help, and the error is of another kind."""
    store = a_store(replace(s3, secret_key="another secret"))
    with pytest.raises(StoreRefused):
        await store.prepare()
    with pytest.raises(StoreRefused):
        await store.put("a", b"x", "text/plain")
    store.close()


async def test_bytes_survive_a_restart_under_lock(tmp_path: Path) -> None:
    """What was locked before a stop is locked after the start."""
    server = an_s3(tmp_path)
    store = a_store(server.start())
    await store.prepare()
    recording = await a_recording(store, b"sealed")
    await store.lock(recording.key, recording.version, datetime.now(UTC) + timedelta(hours=1))
    store.close()
    server.stop()
    store = a_store(server.start())
    try:
        await store.prepare()
        read_back, _ = await store.digest(recording.key, recording.version)
        assert hashlib.sha256(b"sealed").hexdigest() == read_back
        with pytest.raises(ObjectLocked):
            await store.remove(recording.key, recording.version)
    finally:
        store.close()
        server.stop()


async def test_a_large_object_is_read_in_bounded_memory(store: EvidenceStore) -> None:
    """Footage is larger than the memory of the machine that seals it."""
    import tracemalloc

    content = bytes(32 * 1024 * 1024)
    key = a_key()
    put = store._client.put_object(bucket("evidence"), key, io.BytesIO(content), len(content), part_size=8 * 2**20)
    tracemalloc.start()
    digest, _ = await store.digest(key, put.version_id or "")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert hashlib.sha256(content).hexdigest() == digest
    assert most < 8 * 1024 * 1024


async def test_one_version_of_a_key_is_the_newest(store: EvidenceStore) -> None:
    """Of versions and delete markers alike, the store says which; "false" is a text, and not true."""
    old = await a_recording(store, b"as recorded")
    await store.remove(old.key, "")
    assert [(True, True), (False, False)] == sorted(
        ((each.newest, each.deletion) for each in await store.versions(old.key)), reverse=True
    )
    new = await store.put(old.key, b"made good", "video/webm")
    (newest,) = [each for each in await store.versions(old.key) if each.newest]
    assert (new.version, False) == (newest.version, newest.deletion)


@pytest.mark.parametrize("size", [FIRST[:1], FIRST[:999], FIRST[:1001], FIRST], ids=["1", "less", "more", "5 MiB"])
async def test_a_url_takes_exactly_its_part(store: EvidenceStore, size: bytes) -> None:
    """A thousand bytes were signed: neither fewer nor more are stored, nor bytes whose number is not told."""
    key = a_key()
    upload = await store.open_upload(key, "video/webm")
    url = store.sign_part(key, upload, 1, 1000, MINUTE)
    assert 403 == send(url, size)
    assert {403, 411} >= {in_chunks(url, size), in_chunks(url, FIRST[:1000])}
    assert [] == await store.parts(key, upload)
    assert 200 == send(url, FIRST[:1000], FIRST[:1000])
    assert [1000] == [part.bytes for part in await store.parts(key, upload)]
    await store.abort_upload(key, upload)


async def test_of_a_part_sent_twice_at_once_the_one_that_its_sender_knows_counts(store: EvidenceStore) -> None:
    """Within one second the list cannot tell; the answer to the last PUT can. What is not there is missing.

    SeaweedFS lists both, other stores the last one.
    """
    key = a_key()
    upload = await store.open_upload(key, "video/webm")
    etags = [etag_of(store.sign_part(key, upload, 1, 5, MINUTE), content) for content in (b"first", b"other")]
    listed = await store.parts(key, upload)
    there = {part.etag for part in listed}
    assert etags[1] in there
    for etag in etags:
        assert [etag] * (etag in there) == [part.etag for part in newest_of_each(listed, {1: etag})]
    assert [] == newest_of_each(listed, {1: "0" * 32})
    done = await store.complete_upload(key, upload, newest_of_each(listed, {1: etags[1]}))
    assert b"other" == await store.read(key, done.version)
