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
import math
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import ParseError  # nosec B405

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Part as SdkPart
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.retention import Retention

from storage import locks, store_errors
from storage.calls import CALLS
from storage.connections import Absence, StorePool, ends_by
from storage.lock_proof import LockFound, LockProof, Probe
from storage.presigning import Signer
from storage.store_errors import (
    LockNotKept,
    ObjectLocked,
    ObjectUnknown,
    ObjectUnreadable,
    StoreAway,
    StoreFull,
    StoreNonsense,
    StoreReadOnly,
    StoreRefused,
    StoreSwapped,
    StoreUnavailable,
    UploadUnknown,
)

__all__ = [
    "EvidenceStore", "KnownObject", "LockFound", "LockNotKept", "ObjectLocked", "ObjectUnknown", "ObjectUnreadable",
    "Part", "Probe", "StoreAway", "StoreFull", "StoreNonsense", "StoreReadOnly", "StoreRefused", "StoreSettings",
    "StoreSwapped", "StoreUnavailable", "StoredObject", "StoredVersion", "UploadUnknown", "newest_of_each",
]  # fmt: skip

_T = TypeVar("_T")
_BLOCK = 1024 * 1024
_NEAR = 8 * 1024 * 1024  # bytes: two breaks within one piece of a file, as stores keep it, are of the file
_FILE_PART = 64 * 1024 * 1024  # times 10,000 parts: 625 GiB, more than any recorder holds
_STREAM_PART = 8 * 1024 * 1024  # times 10,000 parts: 78 GiB
_DIGEST_OF_PARTS = re.compile(r"[0-9a-f]{32}-\d+")
_WRITE_KEY = "probe/write"
_WRITE_BYTES = 4096
_WRITE_SECONDS = timedelta(minutes=5)  # how long the address of the part is good
_FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "StorageQuotaExceeded"}
_OK, _PARTIAL, _BAD_REQUEST, _FAILED, _FULL_STATUS = 200, 206, 400, 500, 507
# MethodNotAllowed (405) is what S3 answers for a delete marker.
_UNKNOWN_OBJECT = {"NoSuchKey", "NoSuchVersion", "ResourceNotFound", "MethodNotAllowed"}
_UPLOAD_OVER = {"NoSuchUpload", "NoSuchKey"}  # the second is Ceph's
_REFUSED = {"AccessDenied", "ObjectLocked", "InvalidRequest", "MethodNotAllowed"}
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


@dataclass(frozen=True)
class KnownObject:
    """The locked object by which a house knows its bucket. `sha256`: of its bytes, in hex."""

    key: str
    version: str
    bytes: int
    sha256: str


_CONCLUDE_NOTHING = (StoreNonsense, StoreRefused)  # of an object: what failed is no damage of it


# ValueError: the SDK read a number, a date or a text where there is none. The last three: it missed a part of it.
_NO_ANSWER = (
    MinioException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ParseError, ValueError,
    AttributeError, LookupError, TypeError,
)  # fmt: skip


class EvidenceStore:
    """One bucket. Safe to use from many tasks; not shared across processes.

    `lanes`: how many calls of a kind run at the same time; others of that kind wait. `waited_for`: somebody waits for
    the answers, so a call ends with all its tries after `waited_for` of calls.toml, and at once while the store is
    known to be away. Every method but `sign_part` and `sign_read` may raise StoreUnavailable; a docstring names what
    else is raised. `anew`: over a new connection, not one that is open.
    """

    parts_per_page = 1000  # the most S3 allows

    def __init__(self, settings: StoreSettings, lanes: int = 8, *, waited_for: bool = False) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._patience = CALLS.waited_for if waited_for else CALLS.unattended
        self._absence = Absence(self._see_there) if waited_for else None
        self._http = StorePool(lanes * 2)
        self._client = _client(settings, self._http)
        inside = f"{'https' if settings.secure else 'http'}://{settings.endpoint}"
        public = urlsplit(settings.public_url or inside)
        address = f"{public.scheme}://{public.netloc}"
        self._signer = Signer(address, settings.access_key, settings.secret_key, settings.region)
        self.known: KnownObject | None = None  # of this house, told once the database is open
        self._lanes = ThreadPoolExecutor(lanes, thread_name_prefix="store")
        self._upload_lanes = ThreadPoolExecutor(lanes, thread_name_prefix="upload")
        self._read_lanes = ThreadPoolExecutor(lanes, thread_name_prefix="read")
        self._long_lanes = ThreadPoolExecutor(lanes, thread_name_prefix="digest")  # for calls that last minutes

    # -- before serving

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self._bucket

    async def prepare(self, *, make: bool = True) -> None:
        """Make the bucket, with object lock and versioning, if it does not exist; where not `make`, none is made.

        Safe to call again, and from several processes at once. Waits up to 10 s for a store that is starting.
        An existing bucket is not changed: `prove_lock` tests it.
        """
        await self._call(lambda: self._prepare(make), self._long_lanes)

    async def prove_lock(self) -> LockFound:
        """Prove by new small objects that what is locked or held stays, and that what is neither goes.

        Raises LockNotKept, whose text says what is not kept, or which right the keys lack. See storage/lock_proof.py.
        """
        return await self._call(LockProof(self._client, self._bucket).prove, self._long_lanes)

    async def look_at_probes(self, left: Sequence[Probe]) -> None:
        """Prove the same by small objects that were left before. Raises LockNotKept."""
        await self._call(lambda: LockProof(self._client, self._bucket).look(left), self._long_lanes)

    async def gone_probes(self, left: Sequence[Probe]) -> set[str]:
        """The versions of these probes that are not there."""
        return await self._call(lambda: LockProof(self._client, self._bucket).gone(left), self._long_lanes)

    async def leave_probes(self, day: str, until: datetime) -> list[Probe]:
        """Leave small objects under lock and hold, which a later proof looks at. `day`: a part of their keys."""
        return await self._call(lambda: LockProof(self._client, self._bucket).leave(day, until), self._long_lanes)

    async def tidy_probes(self, keep: Collection[str], let_go: Sequence[Probe]) -> None:
        """Remove what proofs left, but the versions in `keep`; the holds of `let_go` are lifted first."""
        await self._call(lambda: LockProof(self._client, self._bucket).tidy(keep, let_go), self._long_lanes)

    async def alive(self) -> None:
        """Check that the store answers and that our known object can be read; where none is known, that the bucket
        exists. Raises StoreSwapped where the known object is not there, or is another."""
        if self.known is not None:
            return await self.check_known(self.known)
        if not await self._call(lambda: self._client.bucket_exists(self._bucket)):
            raise StoreUnavailable(f"存储桶 {self._bucket} 不存在。", f"The bucket {self._bucket} does not exist.")

    async def check_known(self, known: KnownObject) -> None:
        """Check that the bucket has this version with these bytes. Raises StoreSwapped."""
        try:
            content = await self._call(lambda: self._known(known))
        except ObjectUnknown as error:
            raise StoreSwapped(self._bucket) from error
        if hashlib.sha256(content).hexdigest() != known.sha256:
            raise StoreSwapped(self._bucket)

    async def size_of(self, key: str, version: str) -> int:
        """The bytes of this version, told by its head. Raises ObjectUnknown, also where there is no such bucket."""

        def told() -> int:
            with _no_bucket_is_no_object(key):
                return self._stat(key, version).bytes

        return await self._call(told)

    async def try_write(self) -> None:
        """Open an upload, send one small part and drop it, as a device would: no version and no lock stays of it.

        Raises StoreFull, StoreReadOnly.
        """
        await self._call(self._try_write)

    def close(self) -> None:
        """Release threads and connections. Calls in progress end by themselves."""
        if self._absence is not None:
            self._absence.end()
        for lanes in (self._lanes, self._upload_lanes, self._read_lanes, self._long_lanes):
            lanes.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    # -- uploading

    async def open_upload(self, key: str, media_type: str) -> str:
        """Open an upload in parts and return its id, which the caller stores. Each call opens another one."""
        headers: Any = {"Content-Type": media_type}
        return await self._call(
            lambda: self._client._create_multipart_upload(self._bucket, key, headers), self._upload_lanes
        )

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """All parts that the store has, in order of their numbers; one sent twice is there twice. Raises UploadUnknown.

        `newest_of_each` says which counts.
        """
        return await self._call(lambda: list(self._parts(key, upload_id)), self._upload_lanes)

    def sign_part(self, key: str, upload_id: str, number: int, size: int, expires: timedelta) -> str:
        """A URL to which a device may PUT exactly `size` bytes, this part, for at most 7 days. Signs only, no I/O.

        The caller ensures that all parts but the last are 5 MiB or larger, and that there are at most 10,000.
        The store refuses a body of another length, or of none that is told (403), checks a Content-MD5 header of the
        PUT (400), and refuses x-amz-checksum-* (403).
        """
        query = {"uploadId": upload_id, "partNumber": str(number)}
        length = {"content-length": str(size)}
        return self._signer.url("PUT", f"/{self._bucket}/{key}", query, length, datetime.now(UTC), expires)

    async def complete_upload(
        self, key: str, upload_id: str, parts: list[Part], not_these: Collection[str] = ()
    ) -> StoredObject:
        """Join the parts into one version. `parts`: each number once, in order. `not_these`: versions of the key that
        cannot be it, for they were there when the upload was opened, or were refused.

        A store's word that they are joined is believed when it then has another version of their size and, where tags
        are digests, of their tags. Idempotent: where the store no longer knows the upload, but has such a version, that
        one is returned; otherwise raises UploadUnknown.
        """
        return await self._call(lambda: self._complete(key, upload_id, parts, not_these), self._upload_lanes)

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Idempotent: an unknown upload is dropped already."""
        try:
            await self._call(lambda: self._abort(key, upload_id), self._upload_lanes)
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
        try:
            return await self._call(lambda: self._put_stream(key, _Source(source), media_type), self._long_lanes)
        except _SourceFailed as failed:
            raise failed.error from None

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
                    raise await self._fault(key, version, at, error, self._ends(self._read_lanes)) from error
                failed_at = at

    async def _stream(
        self, key: str, version: str, offset: int, length: int, block: int, *, anew: bool
    ) -> AsyncGenerator[bytes, None]:
        """One connection's part of `stream`."""
        response, close = await self._call(lambda: self._open(key, version, offset, length, anew), self._read_lanes)
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
        """Do it; where the store fails, once more over a new connection, within the time of one call.

        Raises ObjectUnreadable, StoreUnavailable.
        """
        lanes = lanes or self._read_lanes
        ends = self._ends(lanes)
        try:
            return await self._call(lambda: work(False), lanes, ends)
        except StoreUnavailable as error:
            if isinstance(error, _CONCLUDE_NOTHING) or time.monotonic() >= ends:
                raise
        try:
            return await self._call(lambda: work(True), lanes, ends)
        except StoreUnavailable as error:
            raise await self._fault(key, version, 0 if read is None else read.furthest, error, ends) from error

    async def _fault(
        self, key: str, version: str | None, read_to: int, error: StoreUnavailable, ends: float
    ) -> Exception:  # fmt: skip
        """Whose fault it is that this object was not read: its own, where the store answers otherwise at this moment.

        Raises StoreUnavailable where it does not. A refusal or nonsense is of the store: nothing is concluded.
        """
        if isinstance(error, _CONCLUDE_NOTHING):
            return error
        try:
            async with asyncio.timeout(None if ends == math.inf else max(0, ends - time.monotonic())):
                await self.alive()
        except TimeoutError:
            return error
        return ObjectUnreadable(key, version or "", read_to)

    # -- in a thread

    async def _call(
        self, work: Callable[[], _T], lanes: ThreadPoolExecutor | None = None, ends: float | None = None
    ) -> _T:  # fmt: skip
        """Run it in a thread of these lanes. It ends by `ends`, by default as `_ends` says."""
        if self._absence is not None and self._absence.known:
            raise StoreAway("对象存储暂时没有应答。", "The object store does not answer at the moment.")
        lanes = lanes or self._lanes
        until = self._ends(lanes) if ends is None else ends

        def guarded() -> _T:
            with ends_by(until), _sdk_errors_translated():
                return work()

        running = asyncio.get_running_loop().run_in_executor(lanes, guarded)
        try:
            return await asyncio.wait_for(running, None if until == math.inf else max(0, until - time.monotonic()))
        except TimeoutError as error:
            self._suspect()
            raise store_errors.no_answer(error) from error
        except StoreAway:
            self._suspect()
            raise

    def _ends(self, lanes: ThreadPoolExecutor) -> float:
        """When a call that begins now ends, by the monotonic clock: in the long lanes as long as bytes come."""
        return math.inf if lanes is self._long_lanes else time.monotonic() + self._patience

    def _suspect(self) -> None:
        if self._absence is not None:
            self._absence.suspect()

    def _see_there(self) -> None:
        """Ask the store one small thing. Raises where it has no answer; a refusal is one."""
        with suppress(S3Error, ServerError):
            self._client.bucket_exists(self._bucket)

    def _prepare(self, make: bool) -> None:
        deadline = time.monotonic() + CALLS.start
        while True:
            try:
                with _sdk_errors_translated():
                    return self._make_bucket(make)
            except StoreUnavailable as error:
                if time.monotonic() > deadline or isinstance(error, StoreRefused):
                    raise
            time.sleep(0.2)

    def _make_bucket(self, make: bool) -> None:
        if self._client.bucket_exists(self._bucket) or not make:
            return
        try:
            self._client.make_bucket(self._bucket, object_lock=True)
        except S3Error as error:
            if error.code not in _BUCKET_EXISTS:  # another process was quicker
                raise

    def _known(self, known: KnownObject) -> bytes:
        with _no_bucket_is_no_object(known.key):
            return self._read(known.key, known.version)

    def _try_write(self) -> None:
        try:
            upload = self._client._create_multipart_upload(self._bucket, _WRITE_KEY, {"Content-Type": "text/plain"})
            try:
                self._send_part(upload)
            finally:
                self._client._abort_multipart_upload(self._bucket, _WRITE_KEY, upload)
        except S3Error as error:
            _raise_unwritable(error.code or "", error.response.status, error)
        except (ServerError, InvalidResponseError) as error:
            status = store_errors.status_of(error)
            if status < _FAILED:
                raise
            _raise_unwritable(f"HTTP {status}", status, error)  # it answered each time, that it failed

    def _send_part(self, upload: str) -> None:
        """By an address that is signed, over plain HTTP: the answer is told as it is, and nothing is tried again."""
        query: Any = {"uploadId": upload, "partNumber": "1"}
        url = self._client.get_presigned_url("PUT", self._bucket, _WRITE_KEY, _WRITE_SECONDS, extra_query_params=query)
        answer = self._http.request("PUT", url, body=bytes(_WRITE_BYTES), retries=False)
        if answer.status != _OK:
            code = re.search(rb"<Code>(\w+)</Code>", answer.data[:_BLOCK])
            _raise_unwritable(code[1].decode() if code else str(answer.status), answer.status, None)

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
            with _of_upload(upload_id):
                page = self._client._list_parts(self._bucket, key, upload_id, self.parts_per_page, marker)
            for part in page.parts:
                yield Part(part.part_number, part.size or 0, part.etag, part.last_modified)
            marker = page.next_part_number_marker
            if not page.is_truncated or not marker:
                return

    def _complete(self, key: str, upload_id: str, parts: list[Part], not_these: Collection[str]) -> StoredObject:
        try:
            self._join(key, upload_id, parts)
        except UploadUnknown:
            found = self._joined(key, parts, not_these)
            if found is None:
                raise
            return found
        found = self._joined(key, parts, not_these)
        if found is None:  # S3 may answer 200 and put the error in the body; some do for any upload id
            self._check_open(key, upload_id)
            raise StoreUnavailable(f"存储未能合并 {key} 的分片。", f"The store did not join the parts of {key}.")
        return found

    def _join(self, key: str, upload_id: str, parts: list[Part]) -> None:
        """Ask the store to join them. Raises UploadUnknown, where Ceph answers 500 for ever too."""
        joined: list[Any] = [SdkPart(part.number, part.etag) for part in parts]
        try:
            with _of_upload(upload_id):
                self._client._complete_multipart_upload(self._bucket, key, upload_id, joined)
        except S3Error as error:
            if error.response.status >= 500:
                self._check_open(key, upload_id)
            raise

    def _check_open(self, key: str, upload_id: str) -> None:
        """Raises UploadUnknown where the upload is over, by its list of parts."""
        with _of_upload(upload_id):
            self._client._list_parts(self._bucket, key, upload_id, 1)

    def _joined(self, key: str, parts: list[Part], not_these: Collection[str]) -> StoredObject | None:
        """The version that these parts were joined into, if there is one."""
        try:
            newest = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code not in _UNKNOWN_OBJECT:
                raise
            return None
        version, size = _named(newest.version_id, key), sum(part.bytes for part in parts)
        if newest.size != size or version in not_these or not _may_be_of(newest, parts):
            return None
        return StoredObject(key, version, size)

    def _abort(self, key: str, upload_id: str) -> None:
        with _of_upload(upload_id):
            self._client._abort_multipart_upload(self._bucket, key, upload_id)

    def _open_uploads(self, older_than: datetime) -> Iterator[tuple[str, str]]:
        key_marker: str | None = None
        upload_marker: str | None = None
        while True:
            page = self._uploads_page(key_marker, upload_marker)
            for upload in page.uploads:
                if upload.initiated_time is not None and upload.initiated_time < older_than:
                    yield _decoded(upload.object_name, page.encoding_type), upload.upload_id or ""
            if not page.is_truncated or not page.uploads:
                return
            last = page.uploads[-1]
            key_marker, upload_marker = _decoded(last.object_name, page.encoding_type), last.upload_id

    def _uploads_page(self, key_marker: str | None, upload_marker: str | None) -> Any:
        """A page of open uploads. versitygw takes no marker of its own making: the page goes on by the key then."""
        try:
            return self._client._list_multipart_uploads(
                self._bucket, key_marker=key_marker, upload_id_marker=upload_marker
            )
        except S3Error as error:
            if upload_marker is None or error.response.status != 400:
                raise
            return self._client._list_multipart_uploads(self._bucket, key_marker=key_marker)

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
        http = StorePool(1)
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
            _check_range(response, key, offset, length)
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
        return locks.kept_until(self._client, self._bucket, key, version)

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
        return locks.is_held(self._client, self._bucket, key, version)


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


def _check_range(response: Any, key: str, offset: int, length: int) -> None:
    """That these are the bytes that were asked for: some stores answer a range with the whole, or with another one.

    Raises StoreNonsense.
    """
    told = response.headers.get("content-range", "") if response.status == _PARTIAL else f"bytes 0-{length - 1}/"
    if not told.startswith(f"bytes {offset}-{offset + length - 1}/"):
        raise StoreNonsense(
            f"要的是 {key} 自第 {offset} 字节起的 {length} 字节，存储给的是别的内容。",
            f"Asked for {length} bytes of {key} from byte {offset}, the store gave others.",
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


def _decoded(key: str, encoding: str | None) -> str:
    """A key of a list as it is. Ceph encodes those of open uploads without saying so, and the SDK leaves them."""
    decoded = unquote(key)
    return decoded if not encoding and quote(decoded, safe="/-_.~") == key else key


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
def _no_bucket_is_no_object(key: str) -> Iterator[None]:
    """ObjectUnknown where there is no such bucket, or the version is no name of one in that store."""
    try:
        yield
    except S3Error as error:
        if error.code == "NoSuchBucket" or error.response.status == _BAD_REQUEST:
            raise ObjectUnknown(key) from error
        raise


def _raise_unwritable(code: str, status: int, error: Exception | None) -> NoReturn:
    """Raise what a store is that answers, and does not take what is written."""
    full = code in _FULL or status == _FULL_STATUS
    raise (StoreFull if full else StoreReadOnly)(code or str(status)) from error


def _may_be_of(found: Any, parts: list[Part]) -> bool:
    """Whether the tag of this object can be that of these parts joined. True where tags are no digests."""
    joined, told = _joined_etag(parts), found.etag or ""
    is_digest = joined != "" and _DIGEST_OF_PARTS.fullmatch(told) and not _is_encrypted(found.metadata)
    return told == joined or not is_digest


def _is_encrypted(headers: Any) -> bool:
    return any(name.lower().startswith("x-amz-server-side-encryption") for name in headers or {})


class _SourceFailed(Exception):
    """What was to be stored could not be read; `error` says why."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Source:
    """What is to be stored. Its own errors are told from the store's."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._source.read(size))
        except Exception as error:
            raise _SourceFailed(error) from error


@contextmanager
def _of_upload(upload_id: str) -> Iterator[None]:
    """Raise UploadUnknown where the store says that this upload is over."""
    try:
        yield
    except S3Error as error:
        if error.code not in _UPLOAD_OVER:
            raise
        raise UploadUnknown(upload_id) from error


@contextmanager
def _sdk_errors_translated() -> Iterator[None]:
    """Raise the exceptions of store_errors in place of those of the SDK and the network."""
    try:
        yield
    except S3Error as error:
        if error.code in _UNKNOWN_OBJECT:
            raise ObjectUnknown(str(error.object_name)) from error
        raise store_errors.refused(error) from error
    except _NO_ANSWER as error:
        raise store_errors.no_answer(error) from error
