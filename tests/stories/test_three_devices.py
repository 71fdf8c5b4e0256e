"""A day of three handhelds on a bad network: requests dropped, delayed, doubled and cut, phones and server killed.

At the end the server holds what happened, fact by fact and file by file, each once; every outbox is empty; and no file
was deleted from a phone before its receipt was there.
"""

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
import pytest

from mobile_api.client import read_receipt
from tests.bad_network import BadNetwork, bad_network
from tests.houses import CHEN, LIN, ZHAO, Place, Serving
from tests.phone import Act, Plan, some_bytes

SEED = 20260301
SPACE = UUID("0192f0c1-5d2e-7a31-8a5e-6f0e4f6f00ff")
NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}
NEAR = timedelta(seconds=5)  # the network's delay is taken for a wrong clock
MIB = 1024 * 1024
PATIENCE = 150.0
DEVICES = {LIN: ("HH-0001", 600.0), CHEN: ("HH-0002", -420.0), ZHAO: ("HH-0003", 0.0)}  # how wrong the clock is

OVER = """
SELECT count(*) FROM entry LEFT JOIN file USING (id)
WHERE entry.state = 'recorded' AND (file.id IS NULL OR receipt IS NOT NULL)
"""


def of(name: str) -> UUID:
    """The id that a phone makes for a thing; the same whenever the day is played again."""
    return uuid5(SPACE, name)


@dataclass
class Day:
    """What happens, by true time; `people`: ids by badge."""

    began: datetime
    people: dict[str, str]
    acts: dict[str, list[Act]] = field(default_factory=dict)

    def at(self, hour: float) -> datetime:
        return self.began + timedelta(hours=hour)

    def tell(self, badge: str, name: str, hour: float, verb: str, size: int = 0, **told: Any) -> UUID:
        self.acts.setdefault(badge, []).append(Act(of(name), self.at(hour), verb, told, size))
        return of(name)

    def all(self) -> list[Act]:
        return [act for acts in self.acts.values() for act in acts]


def a_day(people: dict[str, str]) -> Day:
    """Two auxiliaries on patrol, one officer who leads both, and what their recorders took."""
    day = Day(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=14), people)
    for badge, start in ((LIN, 0.0), (CHEN, 0.5)):
        a_duty(day, badge, start)
        day.tell(ZHAO, f"{badge} yes", start + 0.06, "supervisions/confirm", supervision=of(f"{badge} naming"))
    film(day, ZHAO, 1.0, 1.2, 9 * MIB)
    return day


def a_duty(day: Day, badge: str, start: float) -> None:
    """One auxiliary's patrol with a stop, filmed twice, with a gap that is explained."""
    shift = day.tell(
        badge, f"{badge} shift", start, "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=day.people[ZHAO],
    )  # fmt: skip
    day.tell(badge, f"{badge} naming", start + 0.05, "supervisions/name", officer=day.people[ZHAO])
    patrol = day.tell(badge, f"{badge} patrol", start + 0.1, "activities/start", work="9.6")
    stop = day.tell(
        badge, f"{badge} stop", start + 1, "activities/start", work="10.3.question", officers_present=2,
        recording=True, public_notice=NOTICE,
    )  # fmt: skip
    film(day, badge, start + 0.99, start + 1.2, 17 * MIB + 5)
    film(day, badge, start + 1.25, start + 1.5, 3 * MIB + 1)
    day.tell(badge, f"{badge} stopped", start + 1.4, "activities/finish", activity=stop, notes="未发现违禁物品")
    day.tell(
        badge, f"{badge} why", start + 1.45, "recordings/explain", activity=stop, cause="battery", words="更换电池",
    )  # fmt: skip
    day.tell(badge, f"{badge} patrolled", start + 4, "activities/finish", activity=patrol)
    day.tell(badge, f"{badge} out", start + 4.1, "shifts/check-out", shift=shift)


def film(day: Day, badge: str, start: float, end: float, size: int) -> None:
    day.tell(
        badge, f"{badge} film {start}", end, "recordings/declare", size, camera_serial=f"DSJ-{badge}",
        media_type="video/mp4", started_at=day.at(start).isoformat(), ended_at=day.at(end).isoformat(),
    )  # fmt: skip


@dataclass
class Phone:
    """A handheld's process, killed and started again; `home` is what survives."""

    plan: Plan
    process: subprocess.Popen[bytes] | None = None
    there: set[Path] = field(default_factory=set)

    @property
    def home(self) -> Path:
        return Path(self.plan.home)

    def start(self) -> None:
        told = self.home / "plan.json"
        told.write_bytes(msgspec.json.encode(self.plan))
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.phone", str(told)], stdout=log, stderr=log,
                cwd=Path(__file__).parents[2],
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def done(self) -> bool:
        """Ended by itself; anything but 0 is told with its last words."""
        assert self.process is not None
        code = self.process.poll()
        assert code in (None, 0), (self.home / "log").read_text()[-4000:]
        return code == 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.home / 'outbox.db'}?mode=ro", uri=True) as outbox:
            return outbox.execute(sql).fetchall()

    def got_through(self) -> int:
        """How many of its acts are over: recorded, and the file's receipt here."""
        try:
            return self.rows(OVER)[0][0]
        except sqlite3.OperationalError:  # it has made no outbox yet
            return 0

    def watch(self) -> None:
        """Every file that is no longer here has its receipt in the outbox."""
        now = set(self.home.glob("*.mp4"))
        for lost in self.there - now:
            assert [(True,)] == self.rows(f"SELECT receipt IS NOT NULL FROM file WHERE path = '{lost}'")  # noqa: S608
        self.there |= now


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "house")


def port_of(house: Serving) -> int:
    return int(house.url.rsplit(":", 1)[1])


def store_port(place: Place) -> int:
    return int(json.loads((place.data / "s3" / "ports.json").read_text())["s3.port"])


def test_a_day_on_a_bad_network_is_whole_at_its_end(place: Place, tmp_path: Path) -> None:
    """Three devices, seeded mishaps."""
    houses: list[Serving] = []
    ports: list[int] = []
    chance = random.Random(SEED)  # noqa: S311 - a test's dice

    with bad_network(lambda: store_port(place), SEED + 1) as store, bad_network(lambda: ports[-1], SEED) as api:
        place.settings["FUJING_S3_PUBLIC_URL"] = f"http://127.0.0.1:{store.port}"
        houses.append(Serving(place))
        try:
            houses[-1].wait_ready()
            ports.append(port_of(houses[-1]))
            passwords = place.bring_in_people()
            people = asyncio.run(persons(place))
            day = a_day(people)
            phones = [a_phone(place, tmp_path, api, badge, passwords[badge], day) for badge in DEVICES]
            live_through(place, houses, ports, phones, chance)
            assert {"drop", "lose_answer", "duplicate", "cut_request"} <= {*api.done, *store.done}
            asyncio.run(compare(place, day, passwords))
            for phone in phones:
                nothing_left(phone, houses[-1])
        finally:
            houses[-1].end()


def a_phone(place: Place, tmp_path: Path, api: BadNetwork, badge: str, password: str, day: Day) -> Phone:
    serial, ahead = DEVICES[badge]
    home = tmp_path / badge
    home.mkdir()
    plan = Plan(
        url=f"http://127.0.0.1:{api.port}", badge=badge, password=password, home=str(home), acts=day.acts[badge],
        code=place.code_for(serial), ahead=ahead,
    )  # fmt: skip
    return Phone(plan)


def live_through(
    place: Place, houses: list[Serving], ports: list[int], phones: list[Phone], chance: random.Random
) -> None:
    """Start all, kill some now and then, the server after a third and two thirds, until every phone is done."""
    begun, server_kills = time.monotonic(), 0
    next_kill, whole = begun + 2, sum(len(phone.plan.acts) for phone in phones)
    for phone in phones:
        phone.start()
    while server_kills < 2 or not all(phone.done() for phone in phones):
        assert time.monotonic() < begun + PATIENCE, [phone.rows("SELECT verb, state FROM entry") for phone in phones]
        for phone in phones:
            phone.watch()
        if time.monotonic() > next_kill and time.monotonic() < begun + 20:
            victim = chance.choice(phones)
            if not victim.done():
                victim.kill()
                victim.start()
            next_kill = time.monotonic() + chance.uniform(1, 3)
        if server_kills < 2 and sum(phone.got_through() for phone in phones) >= whole * (server_kills + 1) / 3:
            houses[-1].kill()
            again = Serving(place)
            again.wait_ready()
            houses.append(again)
            ports.append(port_of(again))
            server_kills += 1
        time.sleep(0.05)


def nothing_left(phone: Phone, house: Serving) -> None:
    """Every entry recorded, every file gone with a receipt that verifies."""
    import urllib3

    keys = urllib3.request("GET", f"{house.url}/.well-known/jwks.json").json()["keys"]
    assert [] == phone.rows("SELECT verb, state FROM entry WHERE state <> 'recorded'")
    assert [] == list(phone.home.glob("*.mp4"))
    for state, receipt, digest in phone.rows("SELECT state, receipt, sha256 FROM file"):
        assert ("gone", digest) == (state, read_receipt(receipt, keys)["sha256"])


async def persons(place: Place) -> dict[str, str]:
    return {row["badge"]: str(row["id"]) for row in await rows(place, "SELECT badge, id FROM person")}


async def rows(place: Place, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(json.loads((place.data / "services.json").read_text())["database_url"])
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def compare(place: Place, day: Day, passwords: dict[str, str]) -> None:
    """The server's state against what happened."""
    acts = {act.id: act for act in day.all()}
    recorded = await rows(place, "SELECT entry_id FROM journal WHERE outcome = 'recorded'")
    assert sorted(acts) == sorted(row["entry_id"] for row in recorded)
    assert [] == await rows(place, "SELECT id FROM held_entry WHERE state <> 'recorded'")
    await compare_duties(place, day)
    await compare_files(place, acts)


async def compare_duties(place: Place, day: Day) -> None:
    shifts = {row["id"]: row for row in await rows(place, "SELECT * FROM shift")}
    leading = {row["id"]: row for row in await rows(place, "SELECT * FROM supervision")}
    works = {row["id"]: row for row in await rows(place, "SELECT * FROM activity")}
    assert (2, 2, 4) == (len(shifts), len(leading), len(works))
    for badge, start in ((LIN, 0.0), (CHEN, 0.5)):
        shift, led = shifts[of(f"{badge} shift")], leading[of(f"{badge} naming")]
        assert (True, "check_out", UUID(day.people[badge])) == (shift["in_force"], shift["ended_by"], shift["person"])
        near(day, shift, start, start + 4.1)
        assert (True, "confirmed", UUID(day.people[ZHAO])) == (led["in_force"], led["answer"], led["officer"])
        assert abs(led["started_at"] - day.at(start + 0.05)) < NEAR
        near(day, works[of(f"{badge} patrol")], start + 0.1, start + 4)
        near(day, works[of(f"{badge} stop")], start + 1, start + 1.4)
    kinds = await rows(place, "SELECT kind, subject FROM finding WHERE withdrawn_at IS NULL ORDER BY 1")
    stops = {of(f"{badge} stop") for badge in (LIN, CHEN)}
    assert stops == {row["subject"] for row in kinds if row["kind"] == "unrecorded"}
    assert set() == {row["kind"] for row in kinds} & {"contested", "sequence_missing", "sequence_reused", "not_led"}


def near(day: Day, row: asyncpg.Record, start: float, end: float) -> None:
    assert max(abs(row["started_at"] - day.at(start)), abs(row["ended_at"] - day.at(end))) < NEAR, dict(row)


async def compare_files(place: Place, acts: dict[UUID, Act]) -> None:
    films = {act.id: act for act in acts.values() if act.size}
    found = await rows(place, "SELECT id, state, bytes, sha256 FROM upload")
    assert {(act.id, "sealed", act.size, sha256(some_bytes(act)).hexdigest()) for act in films.values()} == {
        tuple(row) for row in found
    }
