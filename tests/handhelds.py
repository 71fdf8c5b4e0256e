"""Handhelds of the tests, each in its own process, over a day planned beforehand; the comparison at its end.

A `Day` holds what happens, by true time; each device plays its acts with tests/phone.py. At the end the server must
hold every fact and every file exactly once.
"""

import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
import urllib3

from mobile_api.client.api import read_receipt
from tests.phone import Act, Plan, some_bytes

SPACE = UUID("0192f0c1-5d2e-7a31-8a5e-6f0e4f6f00ff")
NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}
NEAR = timedelta(seconds=5)  # tolerance: a network delay shifts times like a wrong clock
MIB = 1024 * 1024
NEVER = {"contested", "sequence_missing", "sequence_reused", "not_led", "not_checked_out", "led_gap"}
OVER = """
SELECT count(*) FROM entry LEFT JOIN file USING (id)
WHERE entry.state = 'recorded' AND (file.id IS NULL OR receipt IS NOT NULL)
"""


def of(name: str) -> UUID:
    """The entry id for this name, the same each time the day is played."""
    return uuid5(SPACE, name)


@dataclass(frozen=True)
class Duty:
    """One auxiliary's duty, led by one officer. `start`: hour of the day; `scale`: its length ÷ four hours."""

    badge: str
    officer: str
    start: float
    scale: float = 1.0
    sizes: tuple[int, int] = (17 * MIB + 5, 3 * MIB + 1)

    @property
    def name(self) -> str:
        return f"{self.badge} {self.start}"

    def hour(self, hours: float) -> float:
        return self.start + self.scale * hours


@dataclass
class Day:
    """All acts of a day by badge, with true times. `people`: ids by badge."""

    began: datetime
    people: dict[str, str]
    acts: dict[str, list[Act]] = field(default_factory=dict)
    duties: list[Duty] = field(default_factory=list)

    def at(self, hour: float) -> datetime:
        return self.began + timedelta(hours=hour)

    def tell(self, badge: str, name: str, hour: float, verb: str, size: int = 0, **fields: Any) -> UUID:
        self.acts.setdefault(badge, []).append(Act(of(name), self.at(hour), verb, fields, size))
        return of(name)

    def all(self) -> list[Act]:
        return [act for acts in self.acts.values() for act in acts]


def a_duty(day: Day, duty: Duty) -> None:
    """Plan one auxiliary's patrol: a stop with two films and a gap between them, which is explained."""
    badge, name, at = duty.badge, duty.name, duty.hour
    shift = day.tell(
        badge, f"{name} shift", at(0), "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=day.people[duty.officer],
    )  # fmt: skip
    naming = day.tell(
        badge, f"{name} naming", at(0.05), "supervisions/name", officer=day.people[duty.officer],
    )  # fmt: skip
    day.tell(duty.officer, f"{name} yes", at(0.06), "supervisions/confirm", supervision=naming)
    patrol = day.tell(badge, f"{name} patrol", at(0.1), "activities/start", work="9.6")
    stop = day.tell(
        badge, f"{name} stop", at(1), "activities/start", work="10.3.question", officers_present=2,
        recording=True, public_notice=NOTICE,
    )  # fmt: skip
    film(day, badge, f"{name} film 1", at(0.99), at(1.2), duty.sizes[0])
    film(day, badge, f"{name} film 2", at(1.25), at(1.5), duty.sizes[1])
    day.tell(badge, f"{name} stopped", at(1.4), "activities/finish", activity=stop, notes="未发现违禁物品")
    day.tell(
        badge, f"{name} why", at(1.45), "recordings/explain", activity=stop, cause="battery", words="更换电池",
    )  # fmt: skip
    day.tell(badge, f"{name} patrolled", at(4), "activities/finish", activity=patrol)
    day.tell(badge, f"{name} out", at(4.1), "shifts/check-out", shift=shift)
    day.duties.append(duty)


def film(day: Day, badge: str, name: str, start: float, end: float, size: int) -> None:
    day.tell(
        badge, name, end, "recordings/declare", size, camera_serial=f"DSJ-{badge}",
        media_type="video/mp4", started_at=day.at(start).isoformat(), ended_at=day.at(end).isoformat(),
    )  # fmt: skip


@dataclass
class Phone:
    """A handheld's process, which may be killed and started again; its folder `home` survives."""

    plan: Plan
    process: subprocess.Popen[bytes] | None = None
    there: set[Path] = field(default_factory=set)

    @property
    def home(self) -> Path:
        return Path(self.plan.home)

    def start(self) -> None:
        plan_file = self.home / "plan.json"
        plan_file.write_bytes(msgspec.json.encode(self.plan))
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.phone", str(plan_file)], stdout=log, stderr=log,
                cwd=Path(__file__).parents[1],
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def done(self) -> bool:
        """Whether the process has ended. Fails with the end of its log where the exit code is not 0."""
        assert self.process is not None
        code = self.process.poll()
        assert code in (None, 0), (self.home / "log").read_text()[-4000:]
        return code == 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.home / 'outbox.db'}?mode=ro", uri=True) as outbox:
            return outbox.execute(sql).fetchall()

    def got_through(self) -> int:
        """Count its finished acts: recorded, and with the file's receipt where there is a file."""
        try:
            return self.rows(OVER)[0][0]
        except sqlite3.OperationalError:  # no outbox yet
            return 0

    def watch(self) -> None:
        """Check that every file deleted since the last call has its receipt in the outbox."""
        now = set(self.home.glob("*.mp4"))
        for deleted in self.there - now:
            assert [(True,)] == self.rows(f"SELECT receipt IS NOT NULL FROM file WHERE path = '{deleted}'")  # noqa: S608
        self.there |= now


def nothing_left(phone: Phone, url: str) -> None:
    """Check that every entry is recorded, and every file deleted with a receipt that verifies."""
    keys = urllib3.request("GET", f"{url}/.well-known/jwks.json").json()["keys"]
    assert [] == phone.rows("SELECT verb, state FROM entry WHERE state <> 'recorded'")
    assert [] == list(phone.home.glob("*.mp4"))
    for state, receipt, digest in phone.rows("SELECT state, receipt, sha256 FROM file"):
        assert ("gone", digest) == (state, read_receipt(receipt, keys)["sha256"])


async def rows(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def people_of(url: str) -> dict[str, str]:
    """Ids by badge."""
    return {row["badge"]: str(row["id"]) for row in await rows(url, "SELECT badge, id FROM person_now")}


async def compare(url: str, day: Day) -> None:
    """Compare the server's state with the plan: nothing lost, nothing doubled, no wrong finding."""
    acts = {act.id: act for act in day.all()}
    recorded = await rows(url, "SELECT entry_id FROM journal WHERE outcome = 'recorded'")
    assert sorted(acts) == sorted(row["entry_id"] for row in recorded)
    assert [] == await rows(url, "SELECT id FROM held_entry WHERE state <> 'recorded'")
    await compare_duties(url, day)
    await compare_files(url, acts)


async def compare_duties(url: str, day: Day) -> None:
    shifts = {row["id"]: row for row in await rows(url, "SELECT * FROM shift")}
    leading = {row["id"]: row for row in await rows(url, "SELECT * FROM supervision")}
    works = {row["id"]: row for row in await rows(url, "SELECT * FROM activity")}
    count = len(day.duties)
    assert (count, count, 2 * count) == (len(shifts), len(leading), len(works))
    for duty in day.duties:
        shift, led = shifts[of(f"{duty.name} shift")], leading[of(f"{duty.name} naming")]
        assert (True, "check_out", UUID(day.people[duty.badge])) == (
            shift["in_force"], shift["ended_by"], shift["person"],
        )  # fmt: skip
        near(day, shift, duty.hour(0), duty.hour(4.1))
        assert (True, "confirmed", UUID(day.people[duty.officer])) == (led["in_force"], led["answer"], led["officer"])
        assert abs(led["started_at"] - day.at(duty.hour(0.05))) < NEAR
        near(day, works[of(f"{duty.name} patrol")], duty.hour(0.1), duty.hour(4))
        near(day, works[of(f"{duty.name} stop")], duty.hour(1), duty.hour(1.4))
    kinds = await rows(url, "SELECT kind, subject FROM finding WHERE withdrawn_at IS NULL ORDER BY 1")
    stops = {of(f"{duty.name} stop") for duty in day.duties}
    assert stops == {row["subject"] for row in kinds if row["kind"] == "unrecorded"}
    assert set() == {row["kind"] for row in kinds} & NEVER


def near(day: Day, row: asyncpg.Record, start: float, end: float) -> None:
    assert max(abs(row["started_at"] - day.at(start)), abs(row["ended_at"] - day.at(end))) < NEAR, dict(row)


async def compare_files(url: str, acts: dict[UUID, Act]) -> None:
    films = {act.id: act for act in acts.values() if act.size}
    uploads = await rows(url, "SELECT id, state, bytes, sha256 FROM upload")
    assert {(act.id, "sealed", act.size, sha256(some_bytes(act)).hexdigest()) for act in films.values()} == {
        tuple(row) for row in uploads
    }
