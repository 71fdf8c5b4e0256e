"""PostgreSQL and the store go away and come back: who asks is told so and when to ask again, and all recover by
themselves; a full pool, a full disk, a commit that fails and a clock that jumps leave nothing half done."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar

from backend.core import database
from backend.core.database import fetch, pool, value
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.core.write_path import Arrival
from backend.people.proofs import Proof
from backend.people.sessions import actor_of
from backend.people.tables import Organ
from backend.proof import checkpoints
from backend.proof.trust import KeySet
from backend.proof.verifying import verify
from backend.registry import MAY_CHANGE_BY_LINE, VERBS
from backend.shifts.schemas import CheckIn
from backend.sync import take
from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey
from tests.builders import STATION, a_check_in, a_duty_auxiliary, now, recorded, refused, session_of
from tests.faults.pieces import Pieces, in_pieces, soaking
from tests.houses import LIN, Place, Serving
from tests.prepared import Templates

AWAY = 10.0 if soaking() > 12 else 3.0
CHECK_IN = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


def asked(lin: Client, told: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """A check-in, once and without patience: its status and headers, or 0 where nobody answered."""
    try:
        answer = lin._attempt("POST", "/v1/shifts/check-in", told, None, lin._access, False)
        if answer is not None and answer.status == 401:  # a nonce is asked for
            answer = lin._attempt("POST", "/v1/shifts/check-in", told, None, lin._access, False)
    except OSError:
        return 0, {}
    return (answer.status, dict(answer.headers)) if answer is not None else (0, {})


def test_servers_that_go_away_come_back_by_themselves(templates: Templates) -> None:
    """Ready goes false and names which; entries answer 503 with Retry-After; nobody restarts an API."""
    with in_pieces(templates) as (pieces, passwords):
        port, key = pieces.ports[0], DeviceKey()
        lin = Client(f"http://127.0.0.1:{port}", key=key)
        lin.enrol(pieces.place.code_for("HH-0001"))
        lin.sign_in(LIN, passwords[LIN])
        pieces._kill(pieces.postgres.process)
        assert (503, "away", "ok") == told_by(pieces, port)
        began = time.monotonic()
        while time.monotonic() < began + AWAY:
            status, headers = asked(lin, lin.new_entry(**CHECK_IN))
            assert 503 == status
            assert int({name.lower(): text for name, text in headers.items()}["retry-after"]) >= 1
        pieces.apis[1].end()
        pieces.apis[1].start()
        pieces.wait(lambda: b"the database is away" in pieces.apis[1].log.read_bytes(), 15)  # and no stack, as all see
        pieces.postgres.stop()
        pieces.postgres.start()
        pieces.wait(lambda: all(pieces.ready(each) == 200 for each in pieces.ports), 15)
        shift = lin.entry("shifts/check-in", **CHECK_IN)
        pieces._kill(pieces.store.process)
        assert (503, "ok", "away") == told_by(pieces, port)
        assert "recorded" == lin.entry("shifts/check-out", shift=shift["id"])["status"], "an entry needs no store"
        time.sleep(AWAY)
        pieces.store.stop()
        pieces.store.start()
        pieces.wait(lambda: all(pieces.ready(each) == 200 for each in pieces.ports), 15)
        pieces.place.verify()


def told_by(pieces: Pieces, port: int) -> tuple[int, str, str]:
    status, told = pieces.health(port)
    return status, told.get("database", "silent"), told.get("store", "silent")


async def test_a_full_pool_asks_to_come_again(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is out: 503 with Retry-After, no queue without an end; then all is as before."""
    lin = await a_duty_auxiliary(app)
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    taken = [await pool().acquire() for _ in range(pool().get_max_size())]
    try:
        answer = await lin.check_in()
    finally:
        for connection in taken:
            await pool().release(connection)
    refused(answer, 503, "database_unavailable")
    assert "retry-after" in answer.headers
    recorded(await lin.check_in())


async def test_a_query_of_the_builder_waits_no_longer_than_ours(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is out: a query of Piccolo's builder gives up too, and its connection comes back."""
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    taken = [await pool().acquire() for _ in range(pool().get_max_size())]
    try:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await Organ.exists().where(Organ.code == STATION)
        assert time.monotonic() < began + 3
    finally:
        for connection in taken:
            await pool().release(connection)
    for _ in range(pool().get_max_size() + 1):
        assert await Organ.exists().where(Organ.code == STATION)


COMMIT_FAILS = """
CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a commit that fails' USING ERRCODE = 'serialization_failure'; END $$;
CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON shift DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.person = '{person}') EXECUTE FUNCTION fails();
"""


async def test_a_commit_that_fails_leaves_nothing(app: Litestar, owner: Any) -> None:
    """The last word is the database's: no shift, no line, no answer kept, and the same entry is taken afterwards."""
    lin = await a_duty_auxiliary(app)
    told = lin.entry(**a_check_in())
    await owner.execute(COMMIT_FAILS.format(person=lin.id))
    try:
        refused(await lin.send("/v1/shifts/check-in", told), 503, "database_unavailable")
    finally:
        await owner.execute("DROP TRIGGER fails ON shift; DROP FUNCTION fails()")
    assert 0 == await value("SELECT count(*) FROM shift WHERE person = $1", lin.id)
    assert 0 == await value("SELECT count(*) FROM journal WHERE entry_id = $1", told["id"])
    assert 0 == await value("SELECT count(*) FROM entry WHERE id = $1", told["id"])
    recorded(await lin.send("/v1/shifts/check-in", told))
    assert pool().get_size() - pool().get_idle_size() <= 2, "a connection was not returned"


async def test_a_clock_that_jumps_confuses_nobody(app: Litestar, house: Settings) -> None:
    """The server's clock goes back an hour between two entries, and forward a day: each is whole, the proof holds."""
    lin = await a_duty_auxiliary(app)
    assert lin.key is not None
    ring = Keys(house.secrets_dir).evidence
    verb = next(each for each in VERBS if each.name == "shifts/check-in")
    for hours in (0, -1, 24, -2):
        received = now() + timedelta(hours=hours)
        entry = CheckIn(id=uuid4(), occurred_at=received, device_seq=next(lin.seq), **a_check_in())
        proof = Proof(jkt=lin.key.jkt, jti=uuid4().hex, body_sha256=None, aging=False)
        await take(Arrival(verb, await actor_of(session_of(lin), proof), entry, received, received))
        await checkpoints.make(app.state.store, ring, received, at_once=True)
    rows = await fetch("SELECT started_at, ended_at FROM shift WHERE person = $1 ORDER BY started_at", lin.id)
    assert 4 == len(rows)
    assert all(one["ended_at"] <= other["started_at"] for one, other in pairwise(rows))
    known = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    seen = await verify(app.state.store, known, [], MAY_CHANGE_BY_LINE, lambda done, total: None)
    assert not [flaw for flaw in seen.flaws if flaw.code.startswith("checkpoint")]  # other tests forge rows here


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 500 MiB of its own; only root can make one."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500m", "tmpfs", tmp_path], capture_output=True)
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def fill(disk: Path) -> Path:
    """Every byte that is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    return path


def test_a_full_disk_loses_nothing_that_was_answered(small_disk: Path) -> None:
    """Whatever was answered is there when there is room again; whatever was not is not half there, and can be sent."""
    place = Place(small_disk / "house")
    house = Serving(place)
    try:
        house.wait_ready()
        passwords = place.bring_in_people()
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        answered, told, seen = set(), [], set()
        filler, until = fill(small_disk), time.monotonic() + AWAY
        while time.monotonic() < until and len(told) < 60 and house.process.poll() is None:
            told.append(lin.new_entry(**CHECK_IN))
            status, _ = asked(lin, told[-1])
            assert status in (0, 201, 503)
            seen.add(status)
            answered |= {told[-1]["id"]} if status == 201 else set()
        assert {0, 503} & seen, "the disk was not full"
        filler.unlink()
        if house.process.poll() is not None:  # the database ended: a sentence, and begun again it recovers
            assert "Traceback" not in house.said()
            house = Serving(place)
            house.wait_ready()
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        for each in told:
            now = lin._call("POST", "/v1/shifts/check-in", each)["status"]
            assert now == "replayed" if each["id"] in answered else now in ("recorded", "replayed")
        place.verify()
    finally:
        house.end()
