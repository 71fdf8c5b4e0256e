"""Calls to the store: how long they last, and what stores of other makes answer. A proxy stands before a real store."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3
from litestar import Litestar

from backend.core.settings import Settings
from mobile_api.stores import store_of
from storage.calls import CALLS
from storage.embedded import S3Address
from storage.evidence_store import (
    EvidenceStore,
    Part,
    StoreAway,
    StoreNonsense,
    StoreRefused,
    StoreSettings,
    StoreUnavailable,
    UploadUnknown,
)  # fmt: skip
from storage.language import SentenceError
from tests.api.storage_support import a_key, an_s3
from tests.builders import a_duty_auxiliary
from tests.devices import MIB, declare, parts_of, some_bytes
from tests.nonsense import Answer, Nonsense, nonsense

pytestmark = pytest.mark.anyio
LATER = datetime(2100, 1, 1, tzinfo=UTC)
FILM = some_bytes(6 * MIB, "a film in two parts")
JOINED = "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>"
IN_TIME = CALLS.waited_for + 1.5  # the rest is this machine's


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Address]:
    server = an_s3(tmp_path_factory.mktemp("s3"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def between(s3: S3Address) -> Iterator[Nonsense]:
    """A proxy before the store, quiet until it is told something."""
    with nonsense(s3.endpoint) as proxy:
        yield proxy


@pytest.fixture
async def store(s3: S3Address, between: Nonsense) -> AsyncIterator[EvidenceStore]:
    """The store through the proxy, with calls that somebody waits for."""
    store = waited_for(replace(s3, endpoint=between.endpoint))
    await store.prepare()
    yield store
    between.hangs = None
    store.close()


def waited_for(s3: S3Address) -> EvidenceStore:
    settings = StoreSettings(s3.endpoint, s3.access_key, s3.secret_key, "evidence", s3.region, False, None)
    return EvidenceStore(settings, waited_for=True)


async def seconds_of(call: Awaitable[Any], raises: type[Exception] | None = None) -> float:
    began = time.monotonic()
    if raises is None:
        await call
    else:
        with pytest.raises(raises):
            await call
    return time.monotonic() - began


async def an_upload(store: EvidenceStore, key: str) -> tuple[str, list[Part]]:
    upload = await store.open_upload(key, "video/webm")
    for number, piece in enumerate((FILM[: 5 * MIB], FILM[5 * MIB :]), 1):
        url = store.sign_part(key, upload, number, len(piece), timedelta(minutes=1))
        sent = await asyncio.to_thread(urllib3.request, "PUT", url, body=piece, timeout=30)
        assert 200 == sent.status
    return upload, await store.parts(key, upload)


# -- how long


async def test_a_store_that_hangs_costs_five_seconds_once_and_is_back_at_once(tmp_path: Path) -> None:
    """Frozen, not dead: the first calls end in time, later ones at once, and the first ones after it are answered."""
    server = an_s3(tmp_path / "s3")
    store = waited_for(server.start())
    weed = server.process._child
    assert weed is not None
    try:
        await store.prepare()
        weed.send_signal(signal.SIGSTOP)
        asked = [seconds_of(store.parts("a", "b"), StoreAway) for _ in range(20)]
        took = await asyncio.gather(
            *asked, seconds_of(store.find("a"), StoreAway), seconds_of(store.alive(), StoreAway)
        )
        assert CALLS.waited_for - 0.5 < max(took) < IN_TIME
        await asyncio.sleep(CALLS.look + 0.5)
        assert 0.2 > await seconds_of(store.find("a"), StoreAway), "it is known to be away"
        weed.send_signal(signal.SIGCONT)
        await asyncio.sleep(CALLS.look + CALLS.look_again + 0.5)
        assert CALLS.waited_for > await seconds_of(store.alive())
    finally:
        weed.send_signal(signal.SIGCONT)
        store.close()
        server.stop()


async def test_one_kind_of_call_that_hangs_holds_up_no_other(store: EvidenceStore, between: Nonsense) -> None:
    """Lists of parts hang, more than there are threads for them; finding and putting go on, and nothing is away."""
    stored = await store.put(a_key(), b"a patrol", "video/webm")
    between.hangs = "GET .*uploadId="
    waiting = [asyncio.ensure_future(seconds_of(store.parts("a", "b"), StoreAway)) for _ in range(30)]
    await asyncio.sleep(0.3)
    assert 1 > await seconds_of(store.find(stored.key))
    assert 1 > await seconds_of(store.put(a_key(), b"another", "video/webm"))
    assert IN_TIME > max(await asyncio.gather(*waiting))
    assert 1 > await seconds_of(store.find(stored.key)), "the store answers, so it is not taken for away"


async def test_a_call_is_tried_again_within_its_time(store: EvidenceStore, between: Nonsense) -> None:
    """A 503 of the moment is nothing that anybody hears of."""
    stored = await store.put(a_key(), b"a patrol", "video/webm")
    failures = iter([True, True])

    def fails(answer: Answer) -> None:
        if next(failures, False):
            answer.status, answer.body = "HTTP/1.1 503 Slow Down", b""
            answer.fields["content-length"] = "0"

    between.changed = [("HEAD", stored.key.rpartition(" ")[2], fails)]
    assert stored == await store.find(stored.key)


async def test_a_phone_hears_in_time_that_the_store_hangs(app: Litestar, house: Settings) -> None:
    """503 with Retry-After, whatever the store does; a check-in needs no store, and afterwards the upload goes on."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, FILM))["id"]
    usual = app.state.store
    with nonsense(str(house.s3_endpoint)) as proxy:
        app.state.store = store_of(msgspec.structs.replace(house, s3_endpoint=proxy.endpoint), waited_for=True)
        try:
            proxy.hangs = "."
            began = time.monotonic()
            answers = await asyncio.gather(*(lin.get(f"/v1/uploads/{upload}/parts") for _ in range(10)))
            assert IN_TIME > time.monotonic() - began
            assert {(503, "store_unavailable")} == {(each.status_code, each.json()["code"]) for each in answers}
            assert all(int(each.headers["Retry-After"]) > 0 for each in answers)
            assert 201 == (await lin.check_in()).status_code
            proxy.hangs = None
            await asyncio.sleep(CALLS.look + CALLS.look_again)
            assert [] == (await parts_of(lin, upload))["have"]
        finally:
            app.state.store.close()
            app.state.store = usual


# -- what other stores answer


async def test_ceph_tells_the_end_of_a_lock_in_nine_decimals(store: EvidenceStore, between: Nonsense) -> None:
    """The SDK reads six."""
    stored = await store.put(a_key(), b"a patrol", "video/webm")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=2)

    def nine(answer: Answer) -> None:
        answer.body = answer.body.replace(b"Z</RetainUntilDate>", b".000000000Z</RetainUntilDate>")
        answer.fields["content-length"] = str(len(answer.body))

    between.changed = [("GET", "retention", nine)]
    await store.lock(stored.key, stored.version, until)
    assert until == await store.locked_until(stored.key, stored.version)


async def test_rustfs_tells_no_lock_by_an_empty_element(store: EvidenceStore, between: Nonsense) -> None:
    stored = await store.put(a_key(), b"a patrol", "video/webm")
    between.changed = [("GET", "retention", said(b"<Retention></Retention>"))]
    assert await store.locked_until(stored.key, stored.version) is None


@pytest.mark.parametrize("code", ["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"])
async def test_a_hold_that_was_never_set_has_many_names(store: EvidenceStore, between: Nonsense, code: str) -> None:
    stored = await store.put(a_key(), b"a patrol", "video/webm")
    between.changed = [("GET", "legal-hold", an_error(404, code))]
    assert not await store.is_held(stored.key, stored.version)


async def test_ceph_calls_an_upload_that_is_over_an_unknown_key(store: EvidenceStore, between: Nonsense) -> None:
    over = an_error(404, "NoSuchKey")
    between.changed = [("GET", "uploadId", over), ("DELETE", "uploadId", over)]
    with pytest.raises(UploadUnknown):
        await store.parts("a", "b")
    await store.abort_upload("a", "b")


async def test_a_completion_may_be_answered_without_a_tag(store: EvidenceStore, between: Nonsense) -> None:
    """Ceph's is empty in a bucket with versions; the version itself says whether it is there."""
    key = a_key()
    upload, parts = await an_upload(store, key)
    between.changed = [("POST", "uploadId", said(JOINED.format("").encode()))]
    done = await store.complete_upload(key, upload, parts)
    assert (done.bytes, await store.find(key)) == (len(FILM), done)


async def test_a_yes_to_an_upload_that_never_was_is_not_believed(store: EvidenceStore, between: Nonsense) -> None:
    """versitygw says 200 to any upload id where an object is there."""
    key = a_key()
    upload, parts = await an_upload(store, key)
    earlier = await store.complete_upload(key, upload, parts)
    between.changed = [("POST", "uploadId", said(JOINED.format("x").encode()))]
    with pytest.raises(UploadUnknown):
        await store.complete_upload(key, "never-given-out", parts, {earlier.version})
    others = [Part(part.number, part.bytes, "0" * 32) for part in parts]
    with pytest.raises(UploadUnknown):
        await store.complete_upload(key, "never-given-out", others)
    smaller = [replace(part, bytes=part.bytes - 1) for part in parts]
    with pytest.raises(UploadUnknown):
        await store.complete_upload(key, "never-given-out", smaller)
    assert earlier == await store.complete_upload(key, upload, parts)


async def test_tags_that_are_no_digests_say_nothing(store: EvidenceStore, between: Nonsense) -> None:
    """An encrypting store's: size and version decide."""
    key = a_key()
    upload, parts = await an_upload(store, key)
    done = await store.complete_upload(key, upload, parts)

    def encrypted(answer: Answer) -> None:
        answer.fields |= {"etag": f'"{"9" * 32}-2"', "x-amz-server-side-encryption": "AES256"}

    between.changed = [("HEAD", ".", encrypted)]
    assert done == await store.complete_upload(key, upload, parts)


async def test_the_sweep_goes_on_by_the_key_where_an_upload_id_is_no_marker(
    store: EvidenceStore, between: Nonsense
) -> None:
    """versitygw refuses the marker of its own last page."""
    key = a_key()
    upload = await store.open_upload(key, "video/webm")
    asked = []

    def page(answer: Answer) -> None:
        asked.append(answer.status)
        if len(asked) == 1:
            answer.body = answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
            answer.fields["content-length"] = str(len(answer.body))

    between.changed = [("GET", "uploads=", page), ("GET", "upload-id-marker=.", an_error(400, "InvalidArgument"))]
    assert (key, upload) in await store.open_uploads(LATER)
    assert len(asked) > 2, "the second page was asked for twice: with the marker and without"
    await store.abort_upload(key, upload)


@pytest.mark.parametrize("answer", [b"<ListPartsResult><Part/></ListPartsResult>", b"<ListPartsResult>1</Lis", b""])
async def test_whatever_the_sdk_raises_stays_inside(store: EvidenceStore, between: Nonsense, answer: bytes) -> None:
    """A list without the names and numbers that it must have."""
    between.changed = [("GET", "uploadId", said(answer))]
    with pytest.raises(StoreUnavailable):
        await store.parts("a", "b")


@pytest.mark.parametrize("told", ["HTTP/1.1 200 OK", "bytes 4-7/26", ""])
async def test_another_range_is_not_passed_on(store: EvidenceStore, between: Nonsense, told: str) -> None:
    """The whole in place of a range (ministack), or another range, of the right length."""
    stored = await store.put(a_key(), b"abcdefghijklmnopqrstuvwxyz", "video/webm")

    def another(answer: Answer) -> None:
        if told.startswith("HTTP"):
            answer.status = told
        answer.fields["content-range"] = told

    between.changed = [("GET", "versionId", another)]
    with pytest.raises(StoreNonsense):
        async for _ in store.stream(stored.key, stored.version, 2, 4, 10):
            pass
    between.changed = []
    assert b"cdef" == b"".join([each async for each in store.stream(stored.key, stored.version, 2, 4, 10)])


# -- what is set wrongly


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (400, "AuthorizationHeaderMalformed", "FUJING_S3_REGION"),
        (403, "InvalidAccessKeyId", "FUJING_S3_ACCESS_KEY"),
        (403, "SignatureDoesNotMatch", "FUJING_S3_SECRET_KEY"),
        (403, "AccessDenied", "deploy/s3-policy.json"),
        (404, "NoSuchBucket", "FUJING_S3_BUCKET"),
        (403, "RequestTimeTooSkewed", "NTP"),
    ],
)
async def test_a_refusal_names_what_to_change(
    store: EvidenceStore, between: Nonsense, status: int, code: str, setting: str
) -> None:
    between.changed = [("GET", ".", an_error(status, code))]
    with pytest.raises(StoreRefused) as refused:
        await store.parts("a", "b")
    assert setting in refused.value.zh
    assert setting in refused.value.en


@pytest.mark.parametrize(("minutes", "words"), [(20, "20 minutes ahead"), (-20, "20 minutes behind")])
async def test_a_clock_that_differs_is_told_as_that(
    store: EvidenceStore, between: Nonsense, minutes: int, words: str
) -> None:
    """SeaweedFS says AccessDenied then, though each of its answers carries its Date."""

    def skewed(answer: Answer) -> None:
        an_error(403, "AccessDenied")(answer)
        answer.fields["date"] = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

    between.changed = [("GET", ".", skewed)]
    with pytest.raises(StoreRefused, match=words):
        await store.parts("a", "b")


async def test_what_is_no_store_is_told_as_that(store: EvidenceStore, between: Nonsense) -> None:
    """A web page, with 200 or an error, and XML of another kind."""
    for body, kind, status in (
        (b"<html><body>It works!</body></html>", "text/html", "200 OK"),
        (b"<html><body>Not here</body></html>", "text/html", "404 Not Found"),
        (b"<rss><channel/></rss>", "application/xml", "200 OK"),
    ):
        between.changed = [("GET", ".", said(body, kind, status))]
        with pytest.raises(StoreNonsense, match="FUJING_S3_ENDPOINT") as told:
            await store.parts("a", "b")
        assert "S3" in told.value.zh


async def test_tls_spoken_to_a_plain_port_is_told_as_that(s3: S3Address) -> None:
    plain = StoreSettings(s3.endpoint, s3.access_key, s3.secret_key, "evidence", s3.region, True, None)
    await tells(plain, "FUJING_S3_SECURE=false")


async def test_a_plain_call_to_a_port_with_tls_is_told_as_that() -> None:
    """Servers in Go say so in a page of their own."""
    words = b"Client sent an HTTP request to an HTTPS server.\n"
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {len(words)}\r\n\r\n"
    with one_answer(head.encode() + words) as at:
        await tells(StoreSettings(at, "k", "secret12", "evidence", "us-east-1", False, None), "FUJING_S3_SECURE=true")


@pytest.mark.parametrize("host", ["nowhere.invalid:9000", "127.0.0.1:1"])
async def test_an_address_where_nothing_is_is_told_as_that(host: str) -> None:
    await tells(StoreSettings(host, "k", "secret12", "evidence", "us-east-1", False, None), "FUJING_S3_ENDPOINT")


async def tells(settings: StoreSettings, words: str) -> None:
    store = EvidenceStore(settings)
    try:
        with pytest.raises(SentenceError) as told:
            await store.parts("a", "b")
        assert words in told.value.en
        assert words in told.value.zh
    finally:
        store.close()


def said(body: bytes, kind: str = "application/xml", status: str = "200 OK") -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer.status, answer.body = f"HTTP/1.1 {status}", body
        answer.fields |= {"content-type": kind, "content-length": str(len(body))}

    return change


def an_error(status: int, code: str) -> Callable[[Answer], None]:
    xml = f"<Error><Code>{code}</Code><Message>as {code} says</Message></Error>".encode()
    return said(xml, status=f"{status} {code}")


@contextmanager
def one_answer(content: bytes) -> Iterator[str]:
    """A server that answers this to everybody; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_all, args=(listening, content), daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def answer_all(listening: socket.socket, content: bytes) -> None:
    while True:
        try:
            connection = listening.accept()[0]
        except OSError:
            return
        with connection:
            connection.recv(65536)
            connection.sendall(content)
