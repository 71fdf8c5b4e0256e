"""The client of the S3 store, and the only module that talks to it: upload in parts, read back, lock, remove.

Guarantees: no exception of the SDK leaves this module; every call has a time limit; nobody, this program included, can
remove a locked version before its date: `prove_lock` tests that before we serve. An ETag is never taken for the
digest of a file. An answer that cannot be a store's (a version without a name, a body of another length than told, a
page of some proxy) is StoreNonsense, which is StoreUnavailable: nothing is concluded from it.

Calls run in threads of their own, so a slow store cannot use up the threads of the application.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError, fromstring  # nosec B405

import certifi
import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Part as SdkPart
from minio.error import MinioException, S3Error
from minio.retention import Retention

from storage.language import SentenceError
from storage.presigning import Signer

_T = TypeVar("_T")
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 30.0
_BLOCK = 1024 * 1024
_NEAR = 8 * 1024 * 1024  # bytes: two breaks within one piece of a file, as stores keep it, are of the file
_FILE_PART = 64 * 1024 * 1024  # times 10,000 parts: 625 GiB, more than any recorder holds
_STREAM_PART = 8 * 1024 * 1024  # times 10,000 parts: 78 GiB
_PROBE_KEY = "probe/object-lock"
_PROBE_LOCK = timedelta(minutes=1)  # a shorter one is already past for a store whose clock runs ahead
_START_SECONDS = 10.0
# MethodNotAllowed (405) is what S3 answers for a delete marker.
_UNKNOWN_OBJECT = {"NoSuchKey", "NoSuchVersion", "ResourceNotFound", "MethodNotAllowed"}
_NO_RETENTION = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"}
_REFUSED = {"AccessDenied", "ObjectLocked", "InvalidRequest", "MethodNotAllowed"}
_ANSWERS = {  # what an answer in XML is called; a page of a proxy is called otherwise
    "InitiateMultipartUploadResult", "ListPartsResult", "CompleteMultipartUploadResult", "ListMultipartUploadsResult",
    "ListBucketResult", "ListVersionsResult", "ListAllMyBucketsResult", "LocationConstraint", "Retention", "LegalHold",
    "VersioningConfiguration", "ObjectLockConfiguration", "Error",
}  # fmt: skip
_BUCKET_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}


@dataclass(frozen=True)
class StoreSettings:
    """Address and keys of the store. `endpoint` is host[:port]. `region` is required: without it, signing makes a call.

    `public_url` (scheme://host[:port]): the address for devices, where it differs; URLs for them are signed with it.
    None: devices use `endpoint`.
    """

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str
    secure: bool
    public_url: str | None


@dataclass(frozen=True)
class Part:
    """One part of an upload: its number (1 to 10,000), its size in bytes, the ETag by which it is joined, and when."""

    number: int
    bytes: int
    etag: str
    sent_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class StoredObject:
    """One version of one object. `version` is never empty."""

    key: str
    version: str
    bytes: int


@dataclass(frozen=True)
class StoredVersion:
    """One version in a list. `newest`: of its key; `deletion`: a delete marker."""

    key: str
    version: str
    newest: bool
    deletion: bool


class StoreUnavailable(SentenceError):
    """The store did not answer, or it failed: try again later."""


class StoreNonsense(StoreUnavailable):
    """The answer cannot be a store's, or two answers contradict each other: try again, and conclude nothing."""


class StoreRefused(StoreUnavailable):
    """The store refused, and trying again will not help: keys, rights or the bucket are wrong."""


_CONCLUDE_NOTHING = (StoreNonsense, StoreRefused)  # of an object: what failed is no damage of it


class ObjectUnreadable(SentenceError):
    """The store answers, and does not give this object: its copy is damaged, and waiting does not help.

    `key`, `version` ("": the newest) of the object; `read_to`: the byte up to which it was read.
    """

    def __init__(self, key: str, version: str, read_to: int = 0) -> None:
        super().__init__(
            f"存储应答正常，但读不出 {key}：先后用两个连接读取，均止于第 {read_to} 字节。",
            f"The store answers, but does not give {key}: read twice, over two connections, up to byte {read_to}.",
        )
        self.key, self.version, self.read_to = key, version, read_to


class UploadUnknown(Exception):
    """The store does not know this upload: it was completed, aborted or swept."""


class ObjectUnknown(Exception):
    """There is no such object, or no such version of it."""


class ObjectLocked(Exception):
    """The version is under retention or legal hold, so it cannot be removed."""


class LockNotKept(SentenceError):
    """The store does not enforce locks; the text says what to do."""

    def __init__(self, why_zh: str, why_en: str) -> None:
        super().__init__(
            f"对象存储没有守住已锁定的视音频：{why_zh}。"
            "请指定启用对象锁定的存储桶，且其服务器强制执行 COMPLIANCE 保留；否则 Fujing 不运行。",
            f"The object store does not keep locked footage: {why_en}. Name a bucket made with object lock, on a "
            "server that enforces COMPLIANCE retention; Fujing does not run without it.",
        )


# ValueError: the SDK read a number, a date or a text where there is none.
_NO_ANSWER = (
    MinioException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ParseError, ValueError,
)  # fmt: skip


class EvidenceStore:
    """One bucket. Safe to use from many tasks; not shared across processes.

    `lanes`: how many calls run at the same time; others wait. Every method but `sign_part` and `sign_read` may raise
    StoreUnavailable; a docstring names what else is raised. `anew`: over a new connection, not one that is open.
    """

    parts_per_page = 1000  # the most S3 allows

    def __init__(self, settings: StoreSettings, lanes: int = 8) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._http = _pool(lanes)
        self._client = _client(settings, self._http)
        inside = f"{'https' if settings.secure else 'http'}://{settings.endpoint}"
        public = urlsplit(settings.public_url or inside)
        address = f"{public.scheme}://{public.netloc}"
        self._signer = Signer(address, settings.access_key, settings.secret_key, settings.region)
        self._lanes = ThreadPoolExecutor(lanes, thread_name_prefix="store")
        self._long_lanes = ThreadPoolExecutor(lanes, thread_name_prefix="digest")  # for calls that last minutes

    # -- before serving

    async def prepare(self) -> None:
        """Make the bucket, with object lock and versioning, if it does not exist.

        Safe to call again, and from several processes at once. Waits up to 10 s for a store that is starting.
        An existing bucket is not changed: `prove_lock` tests it.
        """
        await self._call(self._prepare)

    async def prove_lock(self) -> None:
        """Put a small object, lock that version for a minute, and try to remove it.

        Raises LockNotKept where the retention cannot be set or read back, or the removal succeeds. Probe objects of
        earlier runs are removed once their minute is over.
        """
        await self._call(self._prove_lock)

    async def alive(self) -> None:
        """Check with one small request that the store answers and the bucket exists."""
        if not await self._call(lambda: self._client.bucket_exists(self._bucket)):
            raise StoreUnavailable(f"存储桶 {self._bucket} 不存在。", f"The bucket {self._bucket} does not exist.")

    def close(self) -> None:
        """Release threads and connections. Calls in progress end by themselves."""
        self._lanes.shutdown(wait=False, cancel_futures=True)
        self._long_lanes.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    # -- uploading

    async def open_upload(self, key: str, media_type: str) -> str:
        """Open an upload in parts and return its id, which the caller stores. Each call opens another one."""
        return await self._call(
            lambda: self._client._create_multipart_upload(self._bucket, key, {"Content-Type": media_type})
        )

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """All parts that the store has, in order of their numbers; one sent twice is there twice. Raises UploadUnknown.

        `newest_of_each` says which counts.
        """
        return await self._call(lambda: list(self._parts(key, upload_id)))

    def sign_part(self, key: str, upload_id: str, number: int, size: int, expires: timedelta) -> str:
        """A URL to which a device may PUT exactly `size` bytes, this part, for at most 7 days. Signs only, no I/O.

        The caller ensures that all parts but the last are 5 MiB or larger, and that there are at most 10,000.
        The store refuses a body of another length, or of none that is told (403), checks a Content-MD5 header of the
        PUT (400), and refuses x-amz-checksum-* (403).
        """
        query = {"uploadId": upload_id, "partNumber": str(number)}
        length = {"content-length": str(size)}
        return self._signer.url("PUT", f"/{self._bucket}/{key}", query, length, datetime.now(UTC), expires)

    async def complete_upload(self, key: str, upload_id: str, parts: list[Part]) -> StoredObject:
        """Join the parts into one version. `parts`: each number once, in order.

        Idempotent: where the store no longer knows the upload, but the newest version of the key is made of exactly
        these parts, that version is returned; otherwise raises UploadUnknown.
        """
        return await self._call(lambda: self._complete(key, upload_id, parts))

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Idempotent: an unknown upload is dropped already."""
        try:
            await self._call(lambda: self._client._abort_multipart_upload(self._bucket, key, upload_id))
        except UploadUnknown:
            return

    async def open_uploads(self, older_than: datetime) -> list[tuple[str, str]]:
        """(key, upload id) of every open upload that was opened before this time, for the sweep."""
        return await self._call(lambda: list(self._open_uploads(older_than)))

    async def put(self, key: str, content: bytes, media_type: str) -> StoredObject:
        """Store a small object (a checkpoint, a receipt) as a new version."""
        return await self._call(lambda: self._put(key, content, media_type))

    async def put_file(self, key: str, path: Path, media_type: str) -> StoredObject:
        """Store a file of any size as a new version."""
        return await self._call(lambda: self._put_file(key, path, media_type), self._long_lanes)

    async def put_stream(self, key: str, source: Any, media_type: str) -> StoredObject:
        """Store what `source.read(size)` gives, up to its end, as a new version; memory is one part.

        An exception of `source` passes, and nothing is stored.
        """
        return await self._call(lambda: self._put_stream(key, source, media_type), self._long_lanes)

    # -- reading

    async def find(self, key: str, version: str | None = None, *, anew: bool = False) -> StoredObject:
        """This version, by default the newest. Raises ObjectUnknown, also where the newest is a delete marker;
        ObjectUnreadable."""
        return await self._twice(key, version, lambda again: self._stat(key, version, anew or again))

    async def digest(
        self, key: str, version: str, progress: Callable[[int], None] | None = None, *, anew: bool = False
    ) -> tuple[str, int]:
        """SHA-256 (hex) and size in bytes of exactly this version, read in blocks of 1 MiB. Raises ObjectUnknown,
        ObjectUnreadable.

        The size is the same by HEAD, by the head of the body and by the bytes read; otherwise StoreNonsense.
        `progress` is called in the reading thread with the bytes read so far. Cancelling the caller stops the reading.
        """
        cancelled, read = threading.Event(), _ReadTo(progress)
        try:
            return await self._twice(
                key, version, lambda again: self._digest(key, version, read, cancelled, anew or again), read,
                self._long_lanes,
            )  # fmt: skip
        finally:
            cancelled.set()

    async def read(self, key: str, version: str) -> bytes:
        """The bytes of a small object. Raises ObjectUnknown, ObjectUnreadable."""
        return await self._twice(key, version, lambda again: self._read(key, version, again))

    async def stream(self, key: str, version: str, offset: int, length: int, block: int) -> AsyncIterator[bytes]:
        """`length` bytes from `offset`, in blocks of `block` bytes at most. Raises ObjectUnknown before the first, and
        ObjectUnreadable before any of them, with the byte behind the last one that was given as `read_to`.

        Where the store breaks off, it goes on from there over a new connection; where that breaks off near the same
        place, it is the object. SeaweedFS gives a stretch of a damaged piece unchecked: whoever serves all of an object
        compares its digest. Closing the iterator releases the connection.
        """
        at, end, failed_at = offset, offset + length, -_NEAR
        while at < end:
            try:
                async with aclosing(self._stream(key, version, at, end - at, block, anew=failed_at >= 0)) as pieces:
                    async for piece in pieces:
                        at += len(piece)
                        yield piece
            except StoreUnavailable as error:
                if isinstance(error, _CONCLUDE_NOTHING) or at - failed_at < _NEAR:
                    raise await self._fault(key, version, at, error) from error
                failed_at = at

    async def _stream(
        self, key: str, version: str, offset: int, length: int, block: int, *, anew: bool
    ) -> AsyncGenerator[bytes, None]:
        """One connection's part of `stream`."""
        response, close = await self._call(lambda: self._open(key, version, offset, length, anew))
        left = length

        def read() -> bytes:
            return bytes(response.read(min(block, left)))

        try:
            while left > 0:
                piece = await self._call(read, self._long_lanes)
                if not piece:
                    raise StoreUnavailable(
                        f"存储提前 {left} 字节结束了 {key}。", f"The store ended {key} {left} bytes too early."
                    )
                left -= len(piece)
                yield piece
        finally:
            close()

    async def versions(self, prefix: str) -> list[StoredVersion]:
        """Every version of every object whose key begins with `prefix`, delete markers too, in key order.

        A version whose metadata is damaged may be left out, as MinIO does: `find` by its name tells.
        """
        return await self._call(lambda: self._versions(prefix))

    def sign_read(self, key: str, version: str, expires: timedelta) -> str:
        """A URL on the internal address that reads this version; Range works. Signs only, no I/O."""
        return self._client.get_presigned_url("GET", self._bucket, key, expires, version_id=version or None)

    # -- locking and removing

    async def lock(self, key: str, version: str, until: datetime) -> None:
        """Lock the version in COMPLIANCE mode until `until` (aware, in the future, rounded up to whole seconds).

        Never shortens a lock: a longer one stays. Raises ObjectUnknown, and LockNotKept where the lock that is read
        back ends earlier.
        """
        if until.tzinfo is None:
            raise ValueError("until must be aware")
        await self._call(lambda: self._lock(key, version, _round_up_to_second(until)))

    async def locked_until(self, key: str, version: str) -> datetime | None:
        """When the COMPLIANCE lock of the version ends, past dates too; None where it has no lock."""
        return await self._call(lambda: self._locked_until(key, version))

    async def hold(self, key: str, version: str, on: bool) -> None:
        """Place or lift the legal hold, which protects the version without an end date; read it back. Idempotent."""
        await self._call(lambda: self._hold(key, version, on))

    async def is_held(self, key: str, version: str) -> bool:
        """Whether the version is under legal hold."""
        return await self._call(lambda: self._is_held(key, version))

    async def remove(self, key: str, version: str) -> None:
        """Remove the version for good, and see that it is gone. Idempotent. Raises ObjectLocked while it is locked or
        held."""
        await self._call(lambda: self._remove(key, version))

    # -- one object apart from the store

    async def _twice(
        self, key: str, version: str | None, work: Callable[[bool], _T], read: _ReadTo | None = None,
        lanes: ThreadPoolExecutor | None = None,
    ) -> _T:  # fmt: skip
        """Do it; where the store fails, once more over a new connection. Raises ObjectUnreadable, StoreUnavailable."""
        try:
            return await self._call(lambda: work(False), lanes)
        except StoreUnavailable as error:
            if isinstance(error, _CONCLUDE_NOTHING):
                raise
        try:
            return await self._call(lambda: work(True), lanes)
        except StoreUnavailable as error:
            raise await self._fault(key, version, 0 if read is None else read.furthest, error) from error

    async def _fault(self, key: str, version: str | None, read_to: int, error: StoreUnavailable) -> Exception:
        """Whose fault it is that this object was not read: its own, where the store answers otherwise at this moment.

        Raises StoreUnavailable where it does not. A refusal or nonsense is of the store: nothing is concluded.
        """
        if isinstance(error, _CONCLUDE_NOTHING):
            return error
        await self.alive()
        return ObjectUnreadable(key, version or "", read_to)

    # -- in a thread

    async def _call(self, work: Callable[[], _T], lanes: ThreadPoolExecutor | None = None) -> _T:
        def guarded() -> _T:
            with _sdk_errors_translated():
                return work()

        return await asyncio.get_running_loop().run_in_executor(lanes or self._lanes, guarded)

    def _prepare(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with _sdk_errors_translated():
                    return self._make_bucket()
            except StoreUnavailable as error:
                if time.monotonic() > deadline or isinstance(error, StoreRefused):
                    raise
            time.sleep(0.2)

    def _make_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket, object_lock=True)
        except S3Error as error:
            if error.code not in _BUCKET_EXISTS:  # another process was quicker
                raise

    def _prove_lock(self) -> None:
        self._remove_old_probes()
        if self._client.get_bucket_versioning(self._bucket).status != "Enabled":
            raise LockNotKept("存储桶不保留版本", "the bucket keeps no versions")
        probe = self._put(_PROBE_KEY, b"Fujing proves that a locked version stays.", "text/plain")
        try:
            self._lock(probe.key, probe.version, _round_up_to_second(datetime.now(UTC) + _PROBE_LOCK))
        except S3Error as error:
            raise LockNotKept(f"它拒绝锁定（{error.code}）", f"it refused to lock ({error.code})") from error
        try:
            self._client.remove_object(self._bucket, probe.key, probe.version)
        except S3Error as error:
            if error.code not in _REFUSED:
                raise
        else:
            self._see_gone(probe.key, probe.version)
            raise LockNotKept("已锁定的版本可以被删除", "a locked version could be deleted")
        self._stat(probe.key, probe.version)

    def _remove_old_probes(self) -> None:
        for probe in list(self._client.list_objects(self._bucket, prefix=_PROBE_KEY, include_version=True)):
            try:
                self._client.remove_object(self._bucket, str(probe.object_name), probe.version_id)
            except S3Error as error:
                if error.code not in _REFUSED:  # refused: it is still locked
                    raise

    def _put(self, key: str, content: bytes, media_type: str) -> StoredObject:
        put = self._client.put_object(self._bucket, key, io.BytesIO(content), len(content), media_type)
        return StoredObject(key, _named(put.version_id, key), len(content))

    def _put_file(self, key: str, path: Path, media_type: str) -> StoredObject:
        size = path.stat().st_size
        with path.open("rb") as file:
            put = self._client.put_object(self._bucket, key, file, size, media_type, part_size=_FILE_PART)
        return StoredObject(key, _named(put.version_id, key), size)

    def _put_stream(self, key: str, source: Any, media_type: str) -> StoredObject:
        # One part after the other: several would be kept in memory, and a fault told only when the source has ended.
        put = self._client.put_object(
            self._bucket, key, source, -1, media_type, part_size=_STREAM_PART, num_parallel_uploads=1
        )
        return self._stat(key, _named(put.version_id, key))

    def _parts(self, key: str, upload_id: str) -> Iterator[Part]:
        marker: str | None = None
        while True:
            page = self._client._list_parts(self._bucket, key, upload_id, self.parts_per_page, marker)
            for part in page.parts:
                yield Part(part.part_number, part.size or 0, part.etag, part.last_modified)
            marker = page.next_part_number_marker
            if not page.is_truncated or not marker:
                return

    def _complete(self, key: str, upload_id: str, parts: list[Part]) -> StoredObject:
        joined = [SdkPart(part.number, part.etag) for part in parts]
        size = sum(part.bytes for part in parts)
        try:
            done = self._client._complete_multipart_upload(self._bucket, key, upload_id, joined)
        except S3Error as error:
            if error.code != "NoSuchUpload":
                raise
            return self._completed_before(key, upload_id, parts)
        if not done.etag:  # S3 may answer 200 and put the error in the body
            raise StoreUnavailable(f"存储未能合并 {key} 的分片。", f"The store did not join the parts of {key}.")
        return StoredObject(key, done.version_id, size) if done.version_id else self._stat(key, None)

    def _completed_before(self, key: str, upload_id: str, parts: list[Part]) -> StoredObject:
        """The object that exactly these parts were joined into: its ETag is a digest over the ETags of the parts."""
        try:
            newest = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            raise UploadUnknown(upload_id) from error
        if newest.etag != _joined_etag(parts):
            raise UploadUnknown(upload_id)
        return StoredObject(key, _named(newest.version_id, key), newest.size or 0)

    def _open_uploads(self, older_than: datetime) -> Iterator[tuple[str, str]]:
        key_marker: str | None = None
        upload_marker: str | None = None
        while True:
            page = self._client._list_multipart_uploads(
                self._bucket, key_marker=key_marker, upload_id_marker=upload_marker
            )
            for upload in page.uploads:
                if upload.initiated_time is not None and upload.initiated_time < older_than:
                    yield upload.object_name, upload.upload_id or ""
            if not page.is_truncated or not page.uploads:
                return
            key_marker, upload_marker = page.uploads[-1].object_name, page.uploads[-1].upload_id

    def _stat(self, key: str, version: str | None, anew: bool = False) -> StoredObject:
        """A version, by default the newest, with its name and size."""
        with self._connected(anew) as client, _version_parsed(version):
            try:
                found = client.stat_object(self._bucket, key, version_id=version or None)
            except S3Error as error:
                if error.response.status == 400 and version:  # an answer to HEAD has no words: a GET's has
                    client.get_object(self._bucket, key, 0, 1, version_id=version).close()
                raise
        name = _named(found.version_id, key)
        if version and name != version:
            raise StoreNonsense(
                f"要的是 {key} 的版本 {version}，存储答的是 {name}。",
                f"Asked for version {version} of {key}, the store told of {name}.",
            )
        return StoredObject(key, name, _length(found.metadata, key))

    @contextmanager
    def _connected(self, anew: bool) -> Iterator[Minio]:
        """The client; `anew`: one with a connection of its own, which no earlier answer can have disturbed."""
        if not anew:
            yield self._client
            return
        http = _pool(1)
        try:
            yield _client(self._settings, http)
        finally:
            http.clear()

    def _read(self, key: str, version: str, anew: bool = False) -> bytes:
        with self._connected(anew) as client, _version_parsed(version):
            response = client.get_object(self._bucket, key, version_id=version or None)
            try:
                content = bytes(response.read())
                _check_body(response, key, version, len(content))
                return content
            finally:
                response.close()
                response.release_conn()

    def _open(
        self, key: str, version: str, offset: int, length: int, anew: bool = False
    ) -> tuple[Any, Callable[[], None]]:
        """The body of an answer, not read yet, and what releases its connection."""
        connected = ExitStack()
        with ExitStack() as until_checked:
            until_checked.callback(connected.close)
            client = connected.enter_context(self._connected(anew))
            with _version_parsed(version):
                response = client.get_object(self._bucket, key, offset, length, version_id=version or None)
            connected.callback(response.release_conn)
            connected.callback(response.close)
            _check_body(response, key, version, length)
            until_checked.pop_all()
        return response, connected.close

    def _versions(self, prefix: str) -> list[StoredVersion]:
        listed = self._client.list_objects(self._bucket, prefix=prefix, recursive=True, include_version=True)
        return [
            StoredVersion(str(item.object_name), item.version_id or "", item.is_latest == "true", item.is_delete_marker)
            for item in listed
        ]

    def _digest(
        self, key: str, version: str, progress: Callable[[int], None], cancelled: threading.Event, anew: bool
    ) -> tuple[str, int]:
        told = self._stat(key, version, anew)
        sha256, size = hashlib.sha256(), 0
        with self._connected(anew) as client:
            response = client.get_object(self._bucket, key, version_id=version or None)
            try:
                _check_body(response, key, version, told.bytes)
                with ThreadPoolExecutor(1) as beside:  # hashes a block while the next one is read
                    hashed: Future[None] | None = None
                    for block in _blocks(response):
                        if hashed is not None:
                            hashed.result()
                        hashed = beside.submit(sha256.update, block)
                        size += len(block)
                        if cancelled.is_set():
                            break
                        progress(size)
            finally:
                response.close()
                response.release_conn()
        if size != told.bytes and not cancelled.is_set():
            raise StoreNonsense(
                f"存储称 {key} 有 {told.bytes} 字节，给出 {size} 字节。",
                f"The store told of {told.bytes} bytes of {key} and gave {size}.",
            )
        return sha256.hexdigest(), size

    def _lock(self, key: str, version: str, until: datetime) -> None:
        if self._is_locked(key, version, until):
            return
        try:
            self._client.set_object_retention(self._bucket, key, Retention(COMPLIANCE, until), version)
        except S3Error:
            if not self._is_locked(key, version, until):  # another call may have locked it for longer
                raise
        locked_until = self._locked_until(key, version)
        if locked_until is None or locked_until < until:
            raise LockNotKept(
                f"要求把 {key} 保留到 {until}，它却答 {locked_until}",
                f"told to keep {key} until {until}, it says {locked_until}",
            )

    def _is_locked(self, key: str, version: str, until: datetime) -> bool:
        locked_until = self._locked_until(key, version)
        return locked_until is not None and locked_until >= until

    def _locked_until(self, key: str, version: str) -> datetime | None:
        try:
            retention = self._client.get_object_retention(self._bucket, key, version)
        except S3Error as error:
            if error.code in _NO_RETENTION:
                return None
            raise
        return retention.retain_until_date if retention and retention.mode == COMPLIANCE else None

    def _remove(self, key: str, version: str) -> None:
        try:
            self._client.remove_object(self._bucket, key, version)
        except S3Error as error:
            if _is_no_version(error, version):
                raise StoreRefused(
                    f"存储不认识 {key} 的版本号 {version}，没有删除任何内容。",
                    f"The store cannot read {version} as a version of {key}: nothing was removed.",
                ) from error
            if error.code in _REFUSED and self._is_protected(key, version):
                raise ObjectLocked(f"{key} version {version} is locked or held.") from error
            if error.code not in _UNKNOWN_OBJECT - _REFUSED:
                raise
        self._see_gone(key, version)

    def _see_gone(self, key: str, version: str) -> None:
        """That the store no longer has the version which it says it removed. Raises StoreNonsense."""
        try:
            self._client.stat_object(self._bucket, key, version_id=version or None)
        except S3Error as error:
            if error.code not in _UNKNOWN_OBJECT:
                raise
        else:
            if version:
                raise StoreNonsense(
                    f"存储称已删除 {key} 的版本 {version}，而它仍在。",
                    f"The store says that it removed {key} version {version}, and has it.",
                )

    def _hold(self, key: str, version: str, on: bool) -> None:
        change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
        change(self._bucket, key, version)
        if self._is_held(key, version) != on:
            raise StoreNonsense(
                f"存储没有按要求设置或解除 {key} 的冻结。",
                f"Told to set the hold of {key} to {on}, the store has it otherwise.",
            )

    def _is_protected(self, key: str, version: str) -> bool:
        locked_until = self._locked_until(key, version)
        if locked_until is not None and locked_until > datetime.now(UTC):
            return True
        return self._is_held(key, version)

    def _is_held(self, key: str, version: str) -> bool:
        try:
            return self._client.is_object_legal_hold_enabled(self._bucket, key, version)
        except S3Error as error:
            if error.code == "NoSuchObjectLegalHold":  # SeaweedFS answers this for a version that never had a hold
                return False
            raise


def _pool(lanes: int) -> urllib3.PoolManager:
    """A connection pool with short timeouts; the SDK's own waits five minutes, five times."""
    # Every call is safe to repeat, POST too: an upload that was opened twice is swept.
    retries = urllib3.Retry(
        total=2, connect=1, read=1, backoff_factor=0.1, allowed_methods=None, status_forcelist=(500, 502, 503, 504)
    )
    timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
    return _StorePool(
        maxsize=lanes * 2,
        retries=retries,
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


class _StorePool(urllib3.PoolManager):
    """Connections to a store. An answer in XML that is no store's is StoreNonsense before the SDK reads it."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **more: Any) -> Any:  # type: ignore[override]
        response = super().urlopen(method, url, redirect, **more)
        if response.status == 200 and method in ("GET", "POST") and more.get("preload_content", True):
            root = fromstring(response.data.decode()).tag.rpartition("}")[2]  # noqa: S314  # nosec B314
            if root not in _ANSWERS:
                raise StoreNonsense(
                    f"存储答的是网页，不是列表：{root[:40]}",
                    f"The store answered with a page, not with a list: {root[:40]}",
                )
        return response


def _client(settings: StoreSettings, http: urllib3.PoolManager) -> Minio:
    return Minio(
        settings.endpoint, settings.access_key, settings.secret_key, secure=settings.secure, region=settings.region,
        http_client=http,
    )  # fmt: skip


def _is_no_version(error: S3Error, version: str | None) -> bool:
    """Whether the store cannot parse this version's name, which none of its own has: MinIO for what is no UUID,
    versitygw for what is no ULID."""
    return bool(version) and error.code == "InvalidArgument"


@contextmanager
def _version_parsed(version: str | None) -> Iterator[None]:
    """Reading by a name that the store cannot parse is ObjectUnknown: there is no such version."""
    try:
        yield
    except S3Error as error:
        if _is_no_version(error, version):
            raise ObjectUnknown(f"{error.object_name} {version}") from error
        raise


class _ReadTo:
    """How far the readings of an object came, the furthest of them; tells `progress`."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self.furthest, self._progress = 0, progress

    def __call__(self, size: int) -> None:
        self.furthest = max(self.furthest, size)
        if self._progress is not None:
            self._progress(size)


def _named(version: str | None, key: str) -> str:
    """The name of a version, which is never empty. Raises StoreNonsense."""
    if not version:
        raise StoreNonsense(f"存储没有给出 {key} 的版本号。", f"The store named no version of {key}.")
    return version


def _length(headers: Any, key: str) -> int:
    """Content-Length. Raises StoreNonsense where there is none."""
    told = (headers or {}).get("content-length", "")
    if not told.isdigit():
        raise StoreNonsense(f"存储没有给出 {key} 的长度。", f"The store told no length of {key}.")
    return int(told)


def _check_body(response: Any, key: str, version: str, size: int) -> None:
    """That the answer is of this version, and so long. Raises StoreNonsense."""
    if version and response.headers.get("x-amz-version-id") != version:
        raise StoreNonsense(
            f"要的是 {key} 的版本 {version}，存储给的是别的版本，或没有版本。",
            f"Asked for version {version} of {key}, the store gave another, or none.",
        )
    if _length(response.headers, key) != size:
        raise StoreNonsense(
            f"存储给出的 {key} 不是 {size} 字节。", f"The store gave {key} another length than {size} bytes."
        )


def _blocks(response: Any) -> Iterator[bytes]:
    """The body in blocks. By `read`: with `readinto`, urllib3 copies each block once more."""
    while block := response.read(_BLOCK):
        yield block


def newest_of_each(listed: list[Part], sent: Mapping[int, str] | None = None) -> list[Part]:
    """Each part once: the one whose ETag its sender knows by `sent`, else the last one that the store was given.

    A part that its sender sent last and the store does not have counts as missing; so does one sent twice where the
    store's clock cannot tell which is later and the bytes differ. SeaweedFS lists a part that was sent twice as two,
    unordered, with times in whole seconds, and joins whichever is named.
    """
    by_number: dict[int, list[Part]] = {}
    for part in listed:
        by_number.setdefault(part.number, []).append(part)
    known = sent or {}
    chosen = []
    for number, same in sorted(by_number.items()):
        if number in known:
            last = [part for part in same if part.etag == known[number]]
        else:
            times = [part.sent_at or datetime.min.replace(tzinfo=UTC) for part in same]
            last = [part for part, sent_at in zip(same, times, strict=True) if sent_at == max(times)]
        if last and len({part.etag for part in last}) == 1:
            chosen.append(last[0])
    return chosen


def _round_up_to_second(moment: datetime) -> datetime:
    """Round up, never down: no lock is shorter than asked."""
    rounded = moment.astimezone(UTC).replace(microsecond=0)
    return rounded if rounded == moment else rounded + timedelta(seconds=1)


def _joined_etag(parts: list[Part]) -> str:
    """The ETag of these parts joined; empty where their own are no digests, as in an encrypting store."""
    try:
        tags = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{len(parts)}"


@contextmanager
def _sdk_errors_translated() -> Iterator[None]:
    """Raise the exceptions of this module in place of those of the SDK and the network."""
    try:
        yield
    except S3Error as error:
        _translate(error)
    except _NO_ANSWER as error:
        raise StoreUnavailable(f"对象存储没有应答：{error}", f"The object store does not answer: {error}") from error


def _translate(error: S3Error) -> NoReturn:
    if error.code == "NoSuchUpload":
        raise UploadUnknown(str(error.object_name)) from error
    if error.code in _UNKNOWN_OBJECT:
        raise ObjectUnknown(str(error.object_name)) from error
    if error.response.status >= 500:
        raise StoreUnavailable(f"对象存储出错：{error.code}", f"The object store failed: {error.code}") from error
    raise StoreRefused(
        f"对象存储拒绝：{error.code}，{error.message}", f"The object store refused: {error.code}, {error.message}"
    ) from error
