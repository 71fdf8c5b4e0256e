"""Sealing: every byte is read back, the digest compared, the version locked, the receipt signed; all once."""

import asyncio
import contextlib
import io
import os
import random
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import av
import msgspec
import psutil
import pytest
from litestar import Litestar

from backend.core import days, jobs
from backend.core.database import execute, fetch, first, tx, value
from backend.core.settings import Settings
from backend.evidence import excess, removing, sealing
from backend.law.catalogue import law
from mobile_api.cli.demo_film import film
from mobile_api.cli.serving import environment
from mobile_api.client.api import read_receipt
from storage.evidence_store import ObjectLocked, ObjectUnknown
from tests.builders import DISTRICT, Someone, a_duty_auxiliary, ago, an_inspector_of, now, refused
from tests.databases import by_owner
from tests.devices import (
    MIB,
    complete,
    completed,
    declare,
    declare_while_recording,
    opened_in_store,
    parts_of,
    put,
    received,
    row_of,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
    some_bytes,
    standing_of,
)
from tests.wire import Wire

SMALL = some_bytes(200_000, "sealing")
FINDINGS = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL"
LINES = "SELECT count(*) FROM journal WHERE verb = $2 AND $1 = ANY(subjects)"
JOB = "SELECT id, status::text, attempts FROM pgqueuer WHERE payload = $1"


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def ten_seconds(films: Path) -> bytes:
    """Ten seconds of H.264 in MP4."""
    return film(films / "ten.mp4", seconds=10, width=160, height=96).path.read_bytes()


@pytest.fixture(scope="session")
def ten_seconds_index_first(films: Path, ten_seconds: bytes) -> bytes:
    """The same film with its index before its frames, as some recorders write it."""
    path = films / "index-first.mp4"
    with (
        av.open(io.BytesIO(ten_seconds)) as source,
        av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as sink,
    ):
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return path.read_bytes()


class OneWay(io.RawIOBase):
    """A sink for a live stream: the muxer cannot go back and fill in the duration."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, block: bytes) -> int:
        self.content += block
        return len(block)


@pytest.fixture(scope="session")
def seven_seconds_live() -> bytes:
    """Seven seconds of VP8 in WebM, streamed: its header says no duration."""
    sink = OneWay()
    picture = random.Random("webm").randbytes(96 * 64 * 3)  # noqa: S311 - a picture
    with av.open(sink, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        for number in range(70):
            frame = av.VideoFrame(96, 64, "rgb24")
            frame.planes[0].update(picture)
            frame.pts = number
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return bytes(sink.content)


async def recorded_for(app: Litestar, someone: Someone, content: bytes, seconds: float, **fields: object) -> str:
    """Footage that claims to last so many seconds, sealed; its id."""
    began = ago(minutes=5)
    return await sealed(app, someone, content, started_at=began, ended_at=began + timedelta(seconds=seconds), **fields)


async def findings_of(upload: str) -> list[str]:
    return sorted(row["kind"] for row in await fetch(FINDINGS, UUID(upload)))


async def probed(upload: str) -> float:
    """The probed duration in seconds."""
    return await value("SELECT probed_ms FROM recording WHERE id = $1", UUID(upload)) / 1000


# -- the bytes


async def test_after_other_bytes_than_declared_the_device_must_send_again(app: Litestar) -> None:
    """Nothing was locked, and the wrong version goes when its term is over; the right bytes, sent later, are sealed and
    stay.
    """
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL[::-1])
    assert "received" == await completed(lin, upload)
    key = (await row_of(upload))["object_key"]
    wrong = await app.state.store.find(key)
    await run_seal(app, upload)
    standing = await standing_of(lin, upload, english=True)
    assert ("mismatch", None) == (standing["state"], standing["receipt"])
    assert law().messages["upload_mismatch"].en == standing["advice"]
    assert sha256_of(SMALL[::-1]) == (await app.state.store.digest(key, wrong.version))[0]
    assert 1 == await value(LINES, UUID(upload), "evidence/mismatch")
    refused(await complete(lin, upload), 409, "parts_missing")
    assert 1 == await send_missing(lin, upload, SMALL)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    await excess.remove_refused(app.state.store, now())
    assert len(SMALL) == (await app.state.store.digest(key, wrong.version))[1]
    await excess.remove_refused(app.state.store, now() + timedelta(days=8))
    with pytest.raises(ObjectUnknown):
        await app.state.store.digest(key, wrong.version)
    row = await row_of(upload)
    assert (sha256_of(SMALL), len(SMALL)) == await app.state.store.digest(key, row["version"])


async def test_of_bytes_that_do_not_match_no_poster_is_left(app: Litestar, ten_seconds: bytes) -> None:
    """Nor of an attempt that was killed before it recorded the poster that it had put."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, ten_seconds[:-1] + b"?"))["id"]
    await send_missing(lin, upload, ten_seconds)
    assert "received" == await completed(lin, upload)
    for file in ("another", "none"):
        await app.state.store.put(removing.poster_key(UUID(upload)), b"a poster of a killed worker", "image/jpeg")
        await by_owner("UPDATE upload SET state = 'received' WHERE id = $1", UUID(upload))
        await run_seal(app, upload)  # the second time there is no file
        assert "mismatch" == (await standing_of(lin, upload))["state"], file
        assert [] == await app.state.store.versions(removing.poster_key(UUID(upload))), file


async def test_after_a_file_is_gone_from_the_store_the_device_must_send_again(app: Litestar) -> None:
    """The device still holds it, because it has no receipt yet."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    stored = await app.state.store.find((await row_of(upload))["object_key"])
    await app.state.store.remove(stored.key, stored.version)
    await run_seal(app, upload)
    assert "mismatch" == (await standing_of(lin, upload))["state"]


async def test_sealing_twice_at_once_and_again_seals_once(app: Litestar) -> None:
    """A job may run twice: one line in the journal, one receipt."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    await asyncio.gather(*(run_seal(app, upload) for _ in range(3)))
    receipt = (await standing_of(lin, upload))["receipt"]
    await run_seal(app, upload)
    assert receipt == (await standing_of(lin, upload))["receipt"]
    assert 1 == await value(LINES, UUID(upload), "evidence/seal")


async def test_finding_a_mismatch_twice_at_once_is_finding_it_once(app: Litestar) -> None:
    """No job fails for good."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL[::-1])
    assert "received" == await completed(lin, upload)
    errors = await asyncio.gather(*(run_seal(app, upload) for _ in range(3)), return_exceptions=True)
    assert {None, ObjectUnknown} >= {type(error) if error else None for error in errors}  # the worker would try again
    await run_seal(app, upload)
    assert "mismatch" == (await standing_of(lin, upload))["state"]
    assert 1 == await value(LINES, UUID(upload), "evidence/mismatch")


async def test_a_receipt_says_the_same_as_the_journal(app: Litestar) -> None:
    """The receipt of the device and the line of the journal have the same content."""
    lin = await a_duty_auxiliary(app)
    upload = await sealed(app, lin, SMALL)
    keys = (await lin.get("/.well-known/jwks.json")).json()["keys"]
    claims = read_receipt((await standing_of(lin, upload))["receipt"], keys)
    line = await first(
        "SELECT at, entry FROM journal WHERE verb = 'evidence/seal' AND $1 = ANY(subjects)", UUID(upload)
    )
    facts = msgspec.json.decode(line["entry"])["facts"]
    row = await row_of(upload)
    assert (claims["sha256"], claims["bytes"], row["version"]) == (facts["sha256"], facts["bytes"], facts["version"])
    assert line["at"] == row["sealed_at"] == datetime.fromisoformat(claims["sealed_at"])


# -- the lock


async def test_nobody_can_remove_sealed_footage_before_its_term(app: Litestar) -> None:
    """公通字〔2016〕14号 asks for six months: 184 days from when the server heard of it, and the store refuses."""
    lin = await a_duty_auxiliary(app)
    upload = await sealed(app, lin, SMALL, started_at=ago(minutes=10), ended_at=ago(minutes=5))
    row, store = await row_of(upload), app.state.store
    heard = row["declared_at"]
    with pytest.raises(ObjectLocked):
        await store.remove(row["object_key"], row["version"])
    locked_until = await store.locked_until(row["object_key"], row["version"])
    ends = days.until(law(), "footage_retention", heard)
    assert heard + timedelta(days=184) <= ends <= locked_until <= ends + timedelta(seconds=1)
    assert locked_until == row["locked_until"]


async def test_footage_that_arrives_after_its_term_is_kept_for_a_month(app: Litestar) -> None:
    """It was declared when it was filmed, and its bytes came a year later; a month is long enough for a review."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL, at=ago(days=400), started_at=ago(days=400), ended_at=ago(days=399))
    await by_owner("UPDATE upload SET declared_at = $2 WHERE id = $1", UUID(upload), ago(days=399))
    await run_seal(app, upload)
    row = await row_of(upload)
    locked_until = await app.state.store.locked_until(row["object_key"], row["version"])
    assert timedelta(days=29, hours=23) < locked_until - now() < timedelta(days=31, minutes=1)


# -- the film


async def test_a_film_as_long_as_claimed_has_nothing_wrong(app: Litestar, ten_seconds: bytes) -> None:
    """Ten seconds claimed, ten seconds there."""
    lin = await a_duty_auxiliary(app)
    upload = await recorded_for(app, lin, ten_seconds, 10.5)
    assert [] == await findings_of(upload)
    assert pytest.approx(10, abs=0.2) == await probed(upload)
    assert "h264" == await value("SELECT codec FROM recording WHERE id = $1", UUID(upload))


async def test_what_is_no_media_is_sealed_with_a_finding(app: Litestar) -> None:
    """Random bytes declared as video/mp4 are kept as they were sent, and prove nothing (R.32)."""
    upload = await recorded_for(app, await a_duty_auxiliary(app), SMALL, 10)
    assert ["not_media"] == await findings_of(upload)


async def test_a_film_shorter_than_claimed_gets_a_finding(app: Litestar, ten_seconds: bytes) -> None:
    """A minute claimed, ten seconds there: sealed, with a finding."""
    upload = await recorded_for(app, await a_duty_auxiliary(app), ten_seconds, 60)
    assert ["duration_disagrees"] == await findings_of(upload)
    assert pytest.approx(10, abs=0.2) == await probed(upload)


async def test_a_film_cut_off_lasts_as_long_as_its_frames(app: Litestar, ten_seconds_index_first: bytes) -> None:
    """Its header still says ten seconds; only frames whose bytes are there count."""
    half = ten_seconds_index_first[: len(ten_seconds_index_first) // 2]
    upload = await recorded_for(app, await a_duty_auxiliary(app), half, 10.5)
    assert 3 < await probed(upload) < 7
    upload = await recorded_for(app, await a_duty_auxiliary(app), half, 60)
    assert ["duration_disagrees"] == await findings_of(upload)


async def test_a_film_cut_off_before_its_index_has_lost_it(app: Litestar, ten_seconds: bytes) -> None:
    """The battery of the recorder fell out: nobody can play the file, and it is kept, with what can be done."""
    upload = await recorded_for(app, await a_duty_auxiliary(app), ten_seconds[: len(ten_seconds) // 2], 10)
    assert ["index_lost"] == await findings_of(upload)


async def test_a_stream_without_duration_is_measured_by_its_packets(app: Litestar, seven_seconds_live: bytes) -> None:
    """WebM from a browser says nothing about its length."""
    with av.open(io.BytesIO(seven_seconds_live)) as container:
        assert container.duration is None or container.duration <= 0
    upload = await recorded_for(
        app, await a_duty_auxiliary(app), seven_seconds_live, 7.2, media_type="video/webm", file_name="window.webm"
    )
    assert [] == await findings_of(upload)
    assert pytest.approx(7, abs=0.2) == await probed(upload)


def _box(kind: bytes, *content: bytes, size: int | None = None) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8 if size is None else size, kind) + body


def _hostile() -> dict[str, bytes]:
    ftyp = _box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2mp41")
    huge = _box(b"moov", struct.pack(">Q", 2**62) + bytes(64), size=1)
    sizes = struct.pack(">III", 0, 0, 0x7FFFFFFF)
    header = _box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 1000, 0xFFFFFFFF, 0))
    handler = _box(b"hdlr", bytes(8), b"vide", bytes(13))
    table = _box(b"stbl", _box(b"stsz", sizes), _box(b"stts", struct.pack(">II", 0, 0x7FFFFFFF)))
    media = _box(b"mdia", header, handler, _box(b"minf", table))
    deep = b""
    for _ in range(2000):
        deep = _box(b"moov", deep)
    return {
        "a-box-of-four-exbibytes": ftyp + huge,
        "two-thousand-million-samples": ftyp + _box(b"moov", _box(b"trak", media)),
        "boxes-in-boxes": ftyp + deep,
        "a-webm-of-unknown-size": b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(200),
        "a-playlist-that-reads-files": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "a-script-that-reads-files": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "one-byte": b"\x00",
    }


@pytest.mark.parametrize("name", sorted(_hostile()))
async def test_a_hostile_file_is_only_no_media(app: Litestar, name: str) -> None:
    """Whatever its header says, it is sealed with a finding, and nothing else happens."""
    upload = await recorded_for(app, await a_duty_auxiliary(app), _hostile()[name], 10)
    assert ["not_media"] == await findings_of(upload)


async def _kill_the_probe() -> None:
    while True:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "storage.probe" in child.cmdline():
                    child.kill()
                    return
        await asyncio.sleep(0.005)


async def test_a_probing_server_that_dies_is_replaced(app: Litestar, ten_seconds: bytes) -> None:
    """Whatever killed the probing server, a good file is probed all the same."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, ten_seconds)
    killing = asyncio.create_task(_kill_the_probe())
    await run_seal(app, upload)
    await asyncio.wait_for(killing, 1)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    assert "not_media" not in await findings_of(upload)


@pytest.mark.parametrize(
    "fields",
    [{"bytes": 0}, {"sha256": ""}, {"sha256": "A" * 64}, {"sha256": "0" * 63}, {"sha256": "g" * 64}, {"bytes": -1}],
    ids=["no-bytes", "no-digest", "upper-case", "short", "not-hex", "negative"],
)
async def test_a_digest_is_sixty_four_hex_digits_of_something(app: Litestar, fields: dict[str, object]) -> None:
    """At the declaration and at completion alike."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.declare(**({"bytes": 5, "sha256": sha256_of(b"hello")} | fields)), 422, "invalid")
    upload = (await declare_while_recording(lin))["id"]
    refused(await complete(lin, upload, **({"bytes": 5, "sha256": sha256_of(b"hello")} | fields)), 422, "invalid")
    assert "declared" == (await row_of(upload))["state"]


# -- the sweep


async def _touched(upload: str, **span: float) -> None:
    await execute("UPDATE upload SET touched_at = $2 WHERE id = $1", UUID(upload), ago(**span))


async def test_an_upload_that_nobody_continues_is_abandoned_and_may_be_taken_up_again(app: Litestar) -> None:
    """After thirty days its parts are removed from the store; a phone that is found later can still send its file."""
    lin = await a_duty_auxiliary(app)
    forgotten, recent, silent = [(await declare(lin, some_bytes(9 * MIB, name)))["id"] for name in "abc"]
    for upload in (forgotten, recent):
        part = (await parts_of(lin, upload))["missing"][1]
        assert 200 == put(part, some_bytes(9 * MIB, "a" if upload == forgotten else "b")[-MIB:])
    await _touched(forgotten, days=31)
    await _touched(silent, days=31)
    await _touched(recent, days=29)
    await sealing.sweep(app.state.store, now())
    states = [(await standing_of(lin, upload))["state"] for upload in (forgotten, recent, silent)]
    assert ["abandoned", "receiving", "abandoned"] == states
    assert ([], 1) == (await opened_in_store(app, forgotten), len(await opened_in_store(app, recent)))
    assert 1 == await value(LINES, UUID(forgotten), "evidence/abandon")
    await sealing.sweep(app.state.store, now())
    assert 1 == await value(LINES, UUID(forgotten), "evidence/abandon")
    refused(await complete(lin, forgotten), 409, "parts_missing")
    assert 2 == await send_missing(lin, forgotten, some_bytes(9 * MIB, "a"))
    assert "received" == await completed(lin, forgotten)
    await run_seal(app, forgotten)
    assert "sealed" == (await standing_of(lin, forgotten))["state"]


async def test_a_received_file_without_a_job_gets_one_again(app: Litestar) -> None:
    """Somebody emptied the queue: a quarter of an hour later the sweep enqueues the job again, once."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    await execute("DELETE FROM pgqueuer WHERE payload = $1", UUID(upload).bytes)
    await sealing.sweep(app.state.store, now())
    assert [] == await fetch(JOB, UUID(upload).bytes)
    await _touched(upload, minutes=16)
    await sealing.sweep(app.state.store, now())
    await sealing.sweep(app.state.store, now())
    assert 1 == len(await fetch(JOB, UUID(upload).bytes))


async def test_an_upload_that_no_row_knows_is_dropped_from_the_store(app: Litestar) -> None:
    """A process was killed between opening it and recording it; other open uploads stay."""
    lin = await a_duty_auxiliary(app)
    known = (await declare(lin, SMALL))["id"]
    await parts_of(lin, known)
    nobody = uuid4()
    await app.state.store.open_upload(f"recording/2026/11/{nobody}", "video/mp4")
    await sealing.sweep(app.state.store, now())
    assert 1 == len(await opened_in_store(app, nobody))  # young: a process may be about to record it
    await execute("UPDATE upload SET touched_at = touched_at + interval '40 days' WHERE state <> 'sealed'")
    try:
        swept = await sealing.sweep(app.state.store, now() + timedelta(days=31))
    finally:
        await execute("UPDATE upload SET touched_at = touched_at - interval '40 days' WHERE state <> 'sealed'")
    assert swept["dropped"] >= 1
    assert ([], 1) == (await opened_in_store(app, nobody), len(await opened_in_store(app, known)))


# -- jobs and workers


async def test_a_job_exists_only_if_its_transaction_commits(app: Litestar) -> None:
    """After a rollback there is no job; outside a transaction none can be enqueued."""
    rolled_back, committed = uuid4(), uuid4()
    with contextlib.suppress(ZeroDivisionError):
        async with tx():
            await jobs.enqueue(jobs.SEAL, rolled_back)
            raise ZeroDivisionError
    async with tx():
        await jobs.enqueue(jobs.SEAL, committed)
    assert (0, 1) == (len(await fetch(JOB, rolled_back.bytes)), len(await fetch(JOB, committed.bytes)))
    with pytest.raises(RuntimeError):
        await jobs.enqueue(jobs.SEAL, rolled_back)
    await execute("DELETE FROM pgqueuer WHERE payload = $1", committed.bytes)


QUEUED = "SELECT * FROM pgqueuer WHERE payload = $1 ORDER BY id"
LOGGED = "SELECT * FROM pgqueuer_log WHERE job_id IN (SELECT id FROM pgqueuer WHERE payload = $1) ORDER BY id"


async def test_a_job_is_the_one_that_the_queue_itself_would_enqueue(app: Litestar) -> None:
    """Every column of both rows, in one transaction: the worker reads them, whoever wrote them."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver  # slow to import, and each process collects this file
    from pgqueuer.queries import Queries

    one = uuid4()
    with contextlib.suppress(ZeroDivisionError):
        async with tx() as transaction:
            await Queries(AsyncpgDriver(transaction.connection)).enqueue(jobs.SEAL, one.bytes)
            await jobs.enqueue(jobs.SEAL, one)
            for table in (QUEUED, LOGGED):
                theirs, ours = [dict(row) for row in await fetch(table, one.bytes)]
                assert {"id", "job_id"} >= {name for name in theirs if theirs[name] != ours[name]}, (theirs, ours)
            raise ZeroDivisionError


@pytest.fixture
def wire(house: Settings) -> Iterator[Wire]:
    """The connection of the worker to the store, which a test can cut."""
    with Wire(str(house.s3_endpoint)) as wire:
        yield wire


@asynccontextmanager
async def a_worker(house: Settings, endpoint: str | None = None) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run `fujing worker` as a process; it has no job but the one of this test."""
    settings = msgspec.structs.replace(house, s3_endpoint=endpoint or house.s3_endpoint)
    log = house.data_dir / "worker-of-a-test.log"
    with log.open("ab") as said:
        worker = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
            [sys.executable, "-m", "mobile_api.cli", "worker"], env=environment(settings), stdout=said, stderr=said
        )
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(worker.wait, 3)
        worker.kill()
        worker.wait()


async def a_job(lin: Someone, content: bytes = SMALL) -> str:
    """Received footage whose job is the only one in the queue."""
    await execute("DELETE FROM pgqueuer")
    return await received(lin, content)


async def until(sql: str, *values: object, seconds: float = 20) -> object:
    """Wait until the value of this query is true, and return it."""
    for _ in range(int(seconds / 0.05)):
        if found := await value(sql, *values):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {sql}")


STATE_IS = "SELECT state = $2 FROM upload WHERE id = $1"
PICKED = "SELECT 1 FROM pgqueuer WHERE payload = $1 AND status = 'picked'"


async def test_a_worker_holds_at_its_start_what_facts_of_before_keep(app: Litestar, house: Settings) -> None:
    """A mark from before the upgrade: no trigger noted it, and an inspector looks for its hold on the same day."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    marked = await received(lin, SMALL + b"marked", key_mark=True)
    await execute("DELETE FROM pgqueuer")
    await execute("DELETE FROM moved_ground WHERE about = $1", UUID(marked))
    async with a_worker(house):
        hold = await until("SELECT id FROM hold WHERE about = $1", UUID(marked))
    assert "key_mark" == (await wu.get(f"/v1/holds/{hold}")).json()["hold"]["category"]


async def test_the_worker_seals_what_was_received(app: Litestar, house: Settings) -> None:
    """The transaction that set the state to received enqueued the job."""
    lin = await a_duty_auxiliary(app)
    upload = await a_job(lin)
    async with a_worker(house):
        await until(STATE_IS, UUID(upload), "sealed")
        another = await received(lin, SMALL[::-1])  # and one that comes while it waits
        await until(STATE_IS, UUID(another), "sealed", seconds=5)
        await until("SELECT NOT EXISTS (SELECT FROM pgqueuer)", seconds=5)


async def test_a_worker_killed_in_the_middle_leaves_the_job_to_the_next(
    app: Litestar, house: Settings, wire: Wire
) -> None:
    """kill -9 while it reads: the next worker takes over the stale job and seals the file, once."""
    lin = await a_duty_auxiliary(app)
    upload = await a_job(lin)
    wire.hold()
    async with a_worker(house, wire.endpoint) as worker:
        await until(PICKED, UUID(upload).bytes)
        worker.kill()
        worker.wait()
    wire.mend()
    assert "received" == (await standing_of(lin, upload))["state"]
    await execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 minute'")  # time passes
    async with a_worker(house, wire.endpoint):
        await until(STATE_IS, UUID(upload), "sealed")
    assert 1 == await value(LINES, UUID(upload), "evidence/seal")


async def test_a_store_that_is_away_for_a_while_loses_no_job(app: Litestar, house: Settings, wire: Wire) -> None:
    """The job is tried again, with growing pauses, until the store is back."""
    lin = await a_duty_auxiliary(app)
    upload = await a_job(lin)
    wire.cut()
    async with a_worker(house, wire.endpoint):
        await until("SELECT 1 FROM pgqueuer WHERE payload = $1 AND attempts > 0", UUID(upload).bytes)
        assert "received" == (await standing_of(lin, upload))["state"]
        wire.mend()
        await until(STATE_IS, UUID(upload), "sealed")
    assert 1 == await value(LINES, UUID(upload), "evidence/seal")


async def test_a_store_that_is_away_for_hours_loses_no_job(app: Litestar, house: Settings, wire: Wire) -> None:
    """After a night of attempts the job still waits for the next one; it is given up only after a day."""
    upload = await a_job(await a_duty_auxiliary(app))
    wire.cut()
    await execute("UPDATE pgqueuer SET attempts = 100 WHERE payload = $1", UUID(upload).bytes)
    async with a_worker(house, wire.endpoint):
        await until("SELECT 1 FROM pgqueuer WHERE payload = $1 AND (attempts > 100 OR status = 'failed')",
                    UUID(upload).bytes)  # fmt: skip
        job = await first(JOB, UUID(upload).bytes)
        assert ("queued", 101) == (job["status"], job["attempts"])


NURSERY = """
import os, sys
from pathlib import Path
from backend.core import settings
from mobile_api.cli import serving
full = settings.load()
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.stdin.close()
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        os.dup2(2, 1)  # the log of the worker must not mix with the answers of the nursery
        serving.run_worker(full)
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


class Nursery:
    """Workers forked from a process that has everything imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self) -> int:
        """A new worker; its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        return int(self._said())

    def kill(self, worker: int) -> None:
        os.kill(worker, signal.SIGKILL)
        assert "ended" == self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def a_nursery(house: Settings) -> Iterator[Nursery]:
    with (house.data_dir / "workers-of-a-test.log").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], env=environment(house), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=said, text=True, bufsize=1,
        )  # fmt: skip
    with process:
        yield Nursery(process)


async def test_killed_twenty_times_at_any_moment_every_upload_is_sealed_once(
    app: Litestar, house: Settings, ten_seconds: bytes
) -> None:
    """kill -9 of the worker at any step of sealing: one line of the journal, one receipt."""
    dice, lin = random.Random(20261124), await a_duty_auxiliary(app)  # noqa: S311 - no secret
    await execute("DELETE FROM pgqueuer")
    uploads = [UUID(await received(lin, ten_seconds + bytes([number]) * 40_000)) for number in range(30)]
    with a_nursery(house) as nursery:
        for _ in range(20):
            worker = await asyncio.to_thread(nursery.begin)
            await until("SELECT count(*) FROM pgqueuer WHERE status = 'picked'")
            await asyncio.sleep(dice.uniform(0, 0.35))
            await asyncio.to_thread(nursery.kill, worker)
            await execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 minute'")  # time passes
            if await value("SELECT count(*) < 8 FROM upload WHERE id = ANY ($1) AND state = 'received'", uploads):
                uploads += [UUID(await received(lin, ten_seconds + os.urandom(30_000))) for _ in range(6)]
    async with a_worker(house):
        await until("SELECT NOT EXISTS (SELECT FROM upload WHERE id = ANY ($1) AND state <> 'sealed')", uploads)
    for upload in uploads:
        assert 1 == await value(LINES, upload, "evidence/seal")
        row = await row_of(upload)
        claims = read_receipt(row["receipt"], app.state.key_rings.evidence.public())
        assert (str(upload), row["sha256"], row["bytes"]) == (claims["id"], claims["sha256"], claims["bytes"])
        assert row["locked_until"] <= await app.state.store.locked_until(row["object_key"], row["version"])
