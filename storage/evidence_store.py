"""The one module that talks S3: footage in parts, one version fixed, read back, locked, only then believed.

Guarantees: no exception of the SDK leaves it; every call has a bound in time; a version locked here cannot be
removed before its date by anybody, this program included, or `prove_lock` says so before we serve. The store
is asked, never trusted: an ETag is never taken for the digest of a file.

Calls block in threads of their own, so that a slow store cannot use up the threads of the application.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError  # nosec B405

import certifi
import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Part as SdkPart
from minio.error import MinioException, S3Error
from minio.retention import Retention

_T = TypeVar("_T")
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 30.0
_BLOCK = 1024 * 1024
_FILE_PART = 64 * 1024 * 1024  # times 10,000 parts: 625 GiB, more than any recorder holds
_PROBE_KEY = "probe/object-lock"
_PROBE_LOCK = timedelta(minutes=1)  # shorter, and a store whose clock runs ahead refuses it as past
_STARTING_SECONDS = 10.0
_NO_LOCK = (
    "The object store does not keep locked footage: {why}. Name a bucket made with object lock, on a server "
    "that enforces COMPLIANCE retention; Fujing does not run without it."
)
# 405 is what S3 answers about a delete marker.
_UNKNOWN_OBJECT = {"NoSuchKey", "NoSuchVersion", "ResourceNotFound", "MethodNotAllowed"}
_NOT_RETAINED = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"}
_REFUSED = {"AccessDenied", "ObjectLocked", "InvalidRequest", "MethodNotAllowed"}
_BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is. `endpoint` is host[:port]; `region` is always given, so that nothing is looked up.

    `public_url` (scheme://host[:port]) is the address devices use, when it differs: URLs for them are signed
    with it; None signs with `endpoint`.
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
    """One part of an upload: its number (1 to 10,000), its size, and the tag the store needs to join it."""

    number: int
    bytes: int
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """One version of one object. `version` is empty on a bucket without versioning."""

    key: str
    version: str
    bytes: int


@dataclass(frozen=True)
class StoredVersion:
    """One version in a list: whether it is the newest of its key, and whether it is a deletion."""

    key: str
    version: str
    newest: bool
    deletion: bool


class StoreUnavailable(Exception):
    """The store did not answer, or answered with a failure of its own: try again later."""


class StoreRefused(StoreUnavailable):
    """The store answered no, and trying again will not help: keys, rights, or the bucket are wrong."""


class UploadUnknown(Exception):
    """The store no longer knows this upload: it was completed, aborted, or swept."""


class ObjectUnknown(Exception):
    """There is no such object, or no such version of it."""


class ObjectLocked(Exception):
    """The version is under retention or hold, and stays."""


class LockNotKept(Exception):
    """The store does not keep what it is told to lock; the text says what to do."""


_NO_ANSWER = (MinioException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ParseError)


class EvidenceStore:
    """One bucket. Safe to use from many tasks; not shared across processes.

    `lanes` is how many calls run at the same time; the ones beyond wait. Every method but the two that sign
    may raise StoreUnavailable; what else it raises stands in its docstring.
    """

    parts_per_page = 1000  # the most S3 allows

    def __init__(self, settings: StoreSettings, lanes: int = 8) -> None:
        self._bucket = settings.bucket
        self._http = _pool(lanes)
        self._client = _client(settings, settings.endpoint, settings.secure, self._http)
        self._signer = self._client
        if settings.public_url is not None:
            public = urlsplit(settings.public_url)
            self._signer = _client(settings, public.netloc, public.scheme == "https", self._http)
        self._lanes = ThreadPoolExecutor(lanes, thread_name_prefix="store")
        self._readers = ThreadPoolExecutor(lanes, thread_name_prefix="digest")  # minutes long: apart

    # -- before serving

    async def prepare(self) -> None:
        """Makes the bucket, with object lock and so with versioning, when it is missing.

        Any number of processes may call it at once and again. Waits up to 10 s for a store that is just
        starting. An existing bucket is left as it is: `prove_lock` tells whether it will do.
        """
        await self._call(self._prepare)

    async def prove_lock(self) -> None:
        """Puts a small object, locks that version for a minute, and tries to remove it.

        Raises LockNotKept when the retention cannot be set or read back, or the removal succeeds. Probes of
        earlier runs are removed once their minute is over.
        """
        await self._call(self._prove_lock)

    async def alive(self) -> None:
        """Returns when the store answers for the bucket; one small request."""
        if not await self._call(lambda: self._client.bucket_exists(self._bucket)):
            raise StoreUnavailable(f"The bucket {self._bucket} does not exist.")

    def close(self) -> None:
        """Lets go of threads and connections. Calls under way end by themselves."""
        self._lanes.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    # -- receiving

    async def open_upload(self, key: str, media_type: str) -> str:
        """Opens an upload in parts; returns its id, which the caller keeps. Opened twice, there are two."""
        return await self._call(
            lambda: self._client._create_multipart_upload(self._bucket, key, {"Content-Type": media_type})
        )

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """All parts the store has, each number once, in order. Raises UploadUnknown.

        A number sent twice counts as sent last; where the store's clock cannot tell which that was and the
        bytes differ, it counts as missing, and is sent again.
        """
        return await self._call(lambda: _each_once(self._parts(key, upload_id)))

    def sign_part(self, key: str, upload_id: str, number: int, expires: timedelta) -> str:
        """A URL a device may PUT this part to, for at most 7 days. Signs only, no I/O.

        The caller sees to it that parts other than the last are 5 MiB or larger, and at most 10,000.
        A Content-MD5 header on the PUT is checked by the store (400); x-amz-checksum-* is refused (403).
        """
        query: dict[str, Any] = {"uploadId": upload_id, "partNumber": str(number)}
        return self._signer.get_presigned_url("PUT", self._bucket, key, expires, extra_query_params=query)

    async def complete_upload(self, key: str, upload_id: str, parts: list[Part]) -> StoredObject:
        """Joins the parts into one version. `parts` is what `parts()` returned, in order.

        Idempotent: where the store no longer knows the upload but its newest object is made of exactly these
        parts, that version is the answer; otherwise raises UploadUnknown.
        """
        return await self._call(lambda: self._complete(key, upload_id, parts))

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Drops the upload and its parts. An upload the store does not know is dropped already."""
        try:
            await self._call(lambda: self._client._abort_multipart_upload(self._bucket, key, upload_id))
        except UploadUnknown:
            return

    async def open_uploads(self, older_than: datetime) -> list[tuple[str, str]]:
        """(key, upload id) of every upload opened before the moment, for the sweep."""
        return await self._call(lambda: list(self._open_uploads(older_than)))

    async def put(self, key: str, content: bytes, media_type: str) -> StoredObject:
        """Stores a small object whole (a checkpoint, a receipt): a new version each time."""
        return await self._call(lambda: self._put(key, content, media_type))

    async def put_file(self, key: str, path: Path, media_type: str) -> StoredObject:
        """Stores a file whole, however large: a new version each time."""
        return await self._call(lambda: self._put_file(key, path, media_type), self._readers)

    # -- reading

    async def find(self, key: str) -> StoredObject:
        """The newest version. Raises ObjectUnknown, also when the newest is a deletion."""
        return await self._call(lambda: self._find(key))

    async def digest(self, key: str, version: str, progress: Callable[[int], None] | None = None) -> tuple[str, int]:
        """SHA-256 (hex) and size of exactly this version, in 1 MiB of memory. Raises ObjectUnknown.

        `progress` is called in the reading thread with the bytes read so far. A cancelled caller stops it.
        """
        given_up = threading.Event()
        try:
            return await self._call(lambda: self._digest(key, version, progress, given_up), self._readers)
        finally:
            given_up.set()

    async def read(self, key: str, version: str) -> bytes:
        """A small object whole. Raises ObjectUnknown."""
        return await self._call(lambda: self._read(key, version))

    async def stream(self, key: str, version: str, offset: int, length: int, block: int) -> AsyncIterator[bytes]:
        """`length` bytes from `offset`, in blocks of at most `block`. Raises ObjectUnknown before the first.

        A reader who stops holds nothing: the connection is let go of when the iterator is closed.
        """
        response = await self._call(lambda: self._open(key, version, offset, length))
        left = length

        def read() -> bytes:
            return bytes(response.read(min(block, left)))

        try:
            while left > 0:
                piece = await self._call(read, self._readers)
                if not piece:
                    raise StoreUnavailable(f"The store ended {key} {left} bytes too early.")
                left -= len(piece)
                yield piece
        finally:
            response.close()
            response.release_conn()

    async def versions(self, prefix: str) -> list[StoredVersion]:
        """Every version of every object whose key begins so, deletions too, in the order of keys."""
        return await self._call(lambda: self._versions(prefix))

    def sign_read(self, key: str, version: str, expires: timedelta) -> str:
        """A URL on the internal address that reads this version; Range works. Signs only, no I/O."""
        return self._client.get_presigned_url("GET", self._bucket, key, expires, version_id=version or None)

    # -- keeping

    async def lock(self, key: str, version: str, until: datetime) -> None:
        """Keeps the version until `until` (aware, in the future, rounded up to whole seconds), in COMPLIANCE.

        Never shortens: a longer lock stays as it is. Raises ObjectUnknown, and LockNotKept when the store
        does not read back what it was told.
        """
        if until.tzinfo is None:
            raise ValueError("until must be aware")
        await self._call(lambda: self._lock(key, version, _whole_seconds(until)))

    async def locked_until(self, key: str, version: str) -> datetime | None:
        """Until when COMPLIANCE keeps the version, past dates too; None when it is not kept."""
        return await self._call(lambda: self._locked_until(key, version))

    async def hold(self, key: str, version: str, on: bool) -> None:
        """Places or lifts the legal hold, which keeps the version whatever the date. Idempotent."""
        change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
        await self._call(lambda: change(self._bucket, key, version))

    async def is_held(self, key: str, version: str) -> bool:
        """Whether the legal hold is on."""
        return await self._call(lambda: self._is_held(key, version))

    async def remove(self, key: str, version: str) -> None:
        """Removes the version for good; idempotent. Raises ObjectLocked while it is locked or held."""
        await self._call(lambda: self._remove(key, version))

    # -- in a thread

    async def _call(self, work: Callable[[], _T], lanes: ThreadPoolExecutor | None = None) -> _T:
        def translated() -> _T:
            with _no_sdk_exceptions():
                return work()

        return await asyncio.get_running_loop().run_in_executor(lanes or self._lanes, translated)

    def _prepare(self) -> None:
        deadline = time.monotonic() + _STARTING_SECONDS
        while True:
            try:
                with _no_sdk_exceptions():
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
            if error.code not in _BUCKET_IS_THERE:  # another process was quicker
                raise

    def _prove_lock(self) -> None:
        self._remove_old_probes()
        probe = self._put(_PROBE_KEY, b"Fujing proves that a locked version stays.", "text/plain")
        if not probe.version:
            raise LockNotKept(_NO_LOCK.format(why="the bucket keeps no versions"))
        try:
            self._lock(probe.key, probe.version, _whole_seconds(datetime.now(UTC) + _PROBE_LOCK))
        except S3Error as error:
            raise LockNotKept(_NO_LOCK.format(why=f"it refused to lock ({error.code})")) from error
        try:
            self._client.remove_object(self._bucket, probe.key, probe.version)
        except S3Error as error:
            if error.code not in _REFUSED:
                raise
        else:
            raise LockNotKept(_NO_LOCK.format(why="a locked version could be deleted"))
        self._client.stat_object(self._bucket, probe.key, version_id=probe.version)

    def _remove_old_probes(self) -> None:
        for old in list(self._client.list_objects(self._bucket, prefix=_PROBE_KEY, include_version=True)):
            try:
                self._client.remove_object(self._bucket, str(old.object_name), old.version_id)
            except S3Error as error:
                if error.code not in _REFUSED:  # refused: its minute is not over
                    raise

    def _put(self, key: str, content: bytes, media_type: str) -> StoredObject:
        put = self._client.put_object(self._bucket, key, io.BytesIO(content), len(content), media_type)
        return StoredObject(key, put.version_id or "", len(content))

    def _put_file(self, key: str, path: Path, media_type: str) -> StoredObject:
        size = path.stat().st_size
        with path.open("rb") as file:
            put = self._client.put_object(self._bucket, key, file, size, media_type, part_size=_FILE_PART)
        return StoredObject(key, put.version_id or "", size)

    def _parts(self, key: str, upload_id: str) -> Iterator[SdkPart]:
        marker: str | None = None
        while True:
            page = self._client._list_parts(self._bucket, key, upload_id, self.parts_per_page, marker)
            yield from page.parts
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
            raise StoreUnavailable(f"The store did not join the parts of {key}.")
        return StoredObject(key, done.version_id, size) if done.version_id else self._find(key)

    def _completed_before(self, key: str, upload_id: str, parts: list[Part]) -> StoredObject:
        """The object these very parts were joined into: its tag is a digest over the tags of the parts."""
        try:
            newest = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            raise UploadUnknown(upload_id) from error
        if newest.etag != _joined_etag(parts):
            raise UploadUnknown(upload_id)
        return StoredObject(key, newest.version_id or "", newest.size or 0)

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

    def _find(self, key: str) -> StoredObject:
        newest = self._client.stat_object(self._bucket, key)
        return StoredObject(key, newest.version_id or "", newest.size or 0)

    def _read(self, key: str, version: str) -> bytes:
        response = self._client.get_object(self._bucket, key, version_id=version or None)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _open(self, key: str, version: str, offset: int, length: int) -> Any:
        return self._client.get_object(self._bucket, key, offset, length, version_id=version or None)

    def _versions(self, prefix: str) -> list[StoredVersion]:
        listed = self._client.list_objects(self._bucket, prefix=prefix, recursive=True, include_version=True)
        return [
            StoredVersion(str(each.object_name), each.version_id or "", bool(each.is_latest), each.is_delete_marker)
            for each in listed
        ]

    def _digest(
        self, key: str, version: str, progress: Callable[[int], None] | None, given_up: threading.Event
    ) -> tuple[str, int]:
        response = self._client.get_object(self._bucket, key, version_id=version or None)
        whole, size = hashlib.sha256(), 0
        try:
            for block in _blocks(response):
                whole.update(block)
                size += len(block)
                if given_up.is_set():
                    break
                if progress is not None:
                    progress(size)
        finally:
            response.close()
            response.release_conn()
        return whole.hexdigest(), size

    def _lock(self, key: str, version: str, until: datetime) -> None:
        kept = self._locked_until(key, version)
        if kept is not None and kept >= until:
            return
        try:
            self._client.set_object_retention(self._bucket, key, Retention(COMPLIANCE, until), version)
        except S3Error:
            kept = self._locked_until(key, version)  # refused, because another call locked it for longer?
            if kept is None or kept < until:
                raise
        kept = self._locked_until(key, version)
        if kept is None or kept < until:
            raise LockNotKept(_NO_LOCK.format(why=f"told to keep {key} until {until}, it says {kept}"))

    def _locked_until(self, key: str, version: str) -> datetime | None:
        try:
            retention = self._client.get_object_retention(self._bucket, key, version)
        except S3Error as error:
            if error.code in _NOT_RETAINED:
                return None
            raise
        return retention.retain_until_date if retention and retention.mode == COMPLIANCE else None

    def _remove(self, key: str, version: str) -> None:
        try:
            self._client.remove_object(self._bucket, key, version)
        except S3Error as error:
            if error.code in _REFUSED and self._is_kept(key, version):
                raise ObjectLocked(f"{key} version {version} is locked or held.") from error
            if error.code not in _UNKNOWN_OBJECT - _REFUSED:
                raise

    def _is_kept(self, key: str, version: str) -> bool:
        kept = self._locked_until(key, version)
        if kept is not None and kept > datetime.now(UTC):
            return True
        return self._is_held(key, version)

    def _is_held(self, key: str, version: str) -> bool:
        try:
            return self._client.is_object_legal_hold_enabled(self._bucket, key, version)
        except S3Error as error:
            if error.code == "NoSuchObjectLegalHold":  # SeaweedFS, of what never had one
                return False
            raise


def _pool(lanes: int) -> urllib3.PoolManager:
    """Connections with bounds; the SDK's own wait five minutes, five times over."""
    # Every call made here may be repeated, POST too: a second opened upload is swept.
    retries = urllib3.Retry(
        total=2, connect=1, read=1, backoff_factor=0.1, allowed_methods=None, status_forcelist=(500, 502, 503, 504)
    )
    timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
    return urllib3.PoolManager(
        maxsize=lanes * 2,
        retries=retries,
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


def _client(settings: StoreSettings, endpoint: str, secure: bool, http: urllib3.PoolManager) -> Minio:
    return Minio(
        endpoint, settings.access_key, settings.secret_key, secure=secure, region=settings.region, http_client=http
    )


def _blocks(response: Any) -> Iterator[bytes]:
    """The body in blocks. Read, not read into: urllib3 copies each block once more into a buffer of ours."""
    while block := response.read(_BLOCK):
        yield block


def _each_once(listed: Iterator[SdkPart]) -> list[Part]:
    """SeaweedFS lists a part sent twice twice, in no order, with times in whole seconds."""
    sendings: dict[int, list[SdkPart]] = {}
    for part in listed:
        sendings.setdefault(part.part_number, []).append(part)
    settled = []
    for number, same in sorted(sendings.items()):
        times = [part.last_modified or datetime.min.replace(tzinfo=UTC) for part in same]
        last = [part for part, sent in zip(same, times, strict=True) if sent == max(times)]
        if len({part.etag for part in last}) == 1:
            settled.append(Part(number, last[0].size or 0, last[0].etag))
    return settled


def _whole_seconds(moment: datetime) -> datetime:
    """Up, never down: nothing is kept for less than was asked."""
    rounded = moment.astimezone(UTC).replace(microsecond=0)
    return rounded if rounded == moment else rounded + timedelta(seconds=1)


def _joined_etag(parts: list[Part]) -> str:
    """Empty where the tags are no digests, as in an encrypting store: then nothing can be recognised."""
    try:
        tags = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{len(parts)}"


@contextmanager
def _no_sdk_exceptions() -> Iterator[None]:
    """Turns what the SDK and the network raise into what this module promises."""
    try:
        yield
    except S3Error as error:
        _translate(error)
    except _NO_ANSWER as error:
        raise StoreUnavailable(f"The object store does not answer: {error}") from error


def _translate(error: S3Error) -> NoReturn:
    if error.code == "NoSuchUpload":
        raise UploadUnknown(str(error.object_name)) from error
    if error.code in _UNKNOWN_OBJECT:
        raise ObjectUnknown(str(error.object_name)) from error
    if error.response.status >= 500:
        raise StoreUnavailable(f"The object store failed: {error.code}") from error
    raise StoreRefused(f"The object store refused: {error.code}, {error.message}") from error
