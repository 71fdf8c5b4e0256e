"""The entries of a night lead to the same rows, in whatever order and by whatever route they arrive.

Hypothesis makes a night of two auxiliaries and two officers, and a way in which its entries arrive: from several phones
with clocks of their own, split into sync calls, reordered, repeated, mixed with single posts that get 404 and are sent
again. The result must be the rows and findings that the same entries leave when each is sent in order.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend.core.database import fetch
from tests.builders import Someone, a_check_in, a_duty_auxiliary, ago, an_officer, now

MINUTE = timedelta(minutes=1)
UNKNOWN = {"unknown_shift", "unknown_supervision", "unknown_activity", "unknown_recording", "not_the_named_officer"}
QUICK = settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@dataclass(frozen=True)
class Act:
    """What somebody did in one minute of the night. `about`: index of the act that it refers to."""

    who: str
    verb: str
    minute: int
    about: int | None = None
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass
class Cast:
    """The people of one night, its start, and the ids of its entries."""

    cast: dict[str, Someone]
    dawn: datetime
    ids: list[UUID] = field(default_factory=list)


def a_night(seed: int, size: int) -> list[Act]:
    """A random but possible night, in the order in which it happened."""
    draw = random.Random(seed)  # noqa: S311 - a story, no secret
    acts: list[Act] = []
    refers = {"shifts/check-in": [], "supervisions/name": [], "activities/start": [], "recordings/declare": []}
    while len(acts) < size:
        who = draw.choice(("lin", "chen"))
        minute = 3 * len(acts) + draw.randrange(3)
        _one(draw, acts, refers, who, minute)
    return acts


KINDS = ("in", "in", "out", "name", "name", "answer", "end", "over", "start", "start", "finish", "amend", "explain",
         "declare", "describe")  # fmt: skip
NEEDED = {"out": "shifts/check-in", "answer": "supervisions/name", "end": "supervisions/name",
          "over": "supervisions/name", "finish": "activities/start", "amend": "activities/start",
          "explain": "activities/start", "describe": "recordings/declare"}  # fmt: skip


def _one(draw: random.Random, acts: list[Act], refers: dict[str, list[int]], who: str, minute: int) -> None:
    """One more act, unless it is about something that has not happened."""
    kind, about = draw.choice(KINDS), None
    if kind in NEEDED:
        known = refers[NEEDED[kind]]
        known = [index for index in known if kind != "over" or acts[index].verb == "supervisions/name"]
        if not known:
            return
        about = draw.choice(known)
        who, verb, fields = _after(draw, kind, acts[about], minute)
    else:
        verb, fields = _begin(draw, kind, minute)
    if verb in refers or verb == "supervisions/hand-over":
        refers["supervisions/name" if verb == "supervisions/hand-over" else verb].append(len(acts))
    acts.append(Act(who, verb, minute, about, tuple(fields.items())))


def _begin(draw: random.Random, kind: str, minute: int) -> tuple[str, dict[str, Any]]:
    """An act that refers to no other: its verb and fields."""
    if kind == "in":
        return "shifts/check-in", a_check_in()
    if kind == "name":
        return "supervisions/name", {"officer": draw.choice(("zhao", "qian"))}
    if kind == "start":
        work = draw.choice(("10.4", "9.4", "10.1"))
        return "activities/start", {"work": work, "case_kind": "none", "officers_present": draw.randrange(3)}
    times = {"started_at": minute - draw.randrange(1, 9), "ended_at": minute}
    return "recordings/declare", {"camera_serial": "C1", "file_name": "a.mp4", "media_type": "video/mp4"} | times


def _after(draw: random.Random, kind: str, act: Act, minute: int) -> tuple[str, str, dict[str, Any]]:
    """An act that refers to an earlier one: who does it, its verb and fields."""
    if kind == "out":
        return act.who, "shifts/check-out", {}
    if kind in ("finish", "amend"):
        return act.who, f"activities/{kind}", {"why": "补正", "notes": f"第{minute}分"} if kind == "amend" else {}
    if kind == "describe":
        return act.who, "recordings/describe", {"content": [{"from_ms": 0, "to_ms": 1000, "words": "到场"}]}
    if kind == "explain":
        times = {"started_at": act.minute, "ended_at": max(minute, act.minute + 1)}
        return act.who, "recordings/explain", {"cause": "battery", "words": "电池"} | times
    officer = dict(act.fields)["officer"]
    if kind == "answer":
        return officer, f"supervisions/{draw.choice(('confirm', 'confirm', 'decline'))}", {}
    if kind == "over":
        return officer, "supervisions/hand-over", {"officer": "qian" if officer == "zhao" else "zhao"}
    return officer, "supervisions/end", {}


TIMES = ("started_at", "ended_at")


def entry_of(night: Cast, acts: list[Act], index: int, off: timedelta) -> dict[str, Any]:
    """The act as an entry of a phone whose clock is off by `off`."""
    act = acts[index]
    at = night.dawn + act.minute * MINUTE
    fields = dict(act.fields)
    if "officer" in fields:
        fields["officer"] = night.cast[fields["officer"]].id
    for name in TIMES:
        if name in fields:
            fields[name] = night.dawn + fields[name] * MINUTE + off
    if act.about is not None:
        fields[REFERS[act.verb]] = night.ids[act.about]
    return {"verb": act.verb, "id": night.ids[index], "occurred_at": at + off, "device_seq": index} | fields


REFERS = {
    "shifts/check-out": "shift", "supervisions/confirm": "supervision", "supervisions/decline": "supervision",
    "supervisions/end": "supervision", "supervisions/hand-over": "supervision", "activities/finish": "activity",
    "activities/amend": "activity", "recordings/explain": "activity", "recordings/describe": "recording",
}  # fmt: skip


async def a_cast(app: Litestar) -> Cast:
    makers = {"lin": a_duty_auxiliary, "chen": a_duty_auxiliary, "zhao": an_officer, "qian": an_officer}
    return Cast({name: await make(app) for name, make in makers.items()}, ago(hours=20).replace(microsecond=0))


async def in_order(night: Cast, acts: list[Act]) -> None:
    """The ideal: each entry is sent once, in the order of the acts."""
    for index, act in enumerate(acts):
        (result,) = await night.cast[act.who].sync(entry_of(night, acts, index, timedelta()))
        assert "recorded" == result["status"], (act, result)


async def as_it_comes(night: Cast, acts: list[Act], seed: int) -> None:
    """Send the entries repeated, reordered, split, mixed with single posts, from phones whose clocks are off."""
    draw = random.Random(seed)  # noqa: S311 - a story, no secret
    clocks = {who: timedelta(seconds=draw.choice((0, -90_000, 7200, 31_536_000))) for who in night.cast}
    left = list(range(len(acts)))
    draw.shuffle(left)
    left += draw.sample(left, len(left) // 3)  # night twice
    while left:
        who = acts[left[0]].who
        if draw.random() < 0.3:
            index = left.pop(0)
            if not await _alone(night, acts, index, clocks[who]):
                left.insert(draw.randrange(len(left)) + 1 if left else 0, index)
            continue
        mine = [index for index in left if acts[index].who == who][: draw.randrange(1, 6)]
        for index in mine:
            left.remove(index)
        entries = [entry_of(night, acts, index, clocks[who]) for index in mine]
        results = await night.cast[who].sync(*entries, sent_at=now() + clocks[who])
        assert {"recorded", "replayed", "waiting"} >= {result["status"] for result in results}, results


async def _alone(night: Cast, acts: list[Act], index: int, off: timedelta) -> bool:
    """Send one entry by its own route. False: it must be sent again."""
    entry = entry_of(night, acts, index, off)
    verb = entry.pop("verb")
    answer = await night.cast[acts[index].who].send(f"/v1/{verb}", entry | {"sent_at": now() + off})
    if answer.status_code in (200, 201):
        return True
    assert answer.json()["code"] in UNKNOWN, answer.text
    return False


STATE = {
    "shift": "SELECT id, started_at, ended_at, ended_by, in_force FROM shift WHERE person = ANY ($1)",
    "check_out": "SELECT c.id, c.shift, c.at FROM check_out c JOIN shift s ON s.id = c.shift WHERE s.person = ANY ($1)",
    "supervision": """SELECT id, officer, started_at, ended_at, ended_by, in_force, answer, answered_at, leads_from,
        handed_over_from FROM supervision WHERE auxiliary = ANY ($1)""",
    "answer": """SELECT a.id, a.supervision, a.answer, a.at, a.leads_from FROM supervision_answer a
        JOIN supervision s ON s.id = a.supervision WHERE s.auxiliary = ANY ($1)""",
    "activity": """SELECT id, work, started_at, ended_at, finished, spans::text, needs_leading, needs_recording
        FROM activity WHERE person = ANY ($1)""",
    "telling": """SELECT t.id, t.verb, t.at, t.notes FROM activity_telling t JOIN activity a ON a.id = t.activity
        WHERE a.person = ANY ($1)""",
    "account": """SELECT g.id, g.activity, g.started_at, g.ended_at FROM gap_account g
        JOIN activity a ON a.id = g.activity WHERE a.person = ANY ($1)""",
    "recording": "SELECT id, started_at, ended_at FROM recording WHERE wearer = ANY ($1)",
    "description": "SELECT id, recording, at FROM recording_description WHERE by_person = ANY ($1)",
    "finding": """SELECT kind, subject, explained FROM finding WHERE person = ANY ($1) AND withdrawn_at IS NULL
        AND kind NOT IN ('clock_skew', 'told_late', 'uninsured', 'unequipped')""",
    "entry": "SELECT id, verb FROM entry WHERE actor = ANY ($1)",
    "waiting": "SELECT id FROM held_entry WHERE actor = ANY ($1) AND state <> 'recorded'",
}  # fmt: skip


def plain(night: Cast, cell: Any) -> Any:
    """A value that can be compared between nights: ids as indexes, persons as names, times in seconds since dawn."""
    if isinstance(cell, UUID):
        names = {person.id: name for name, person in night.cast.items()}
        return names.get(cell) or night.ids.index(cell)
    if isinstance(cell, datetime):
        return round((cell - night.dawn).total_seconds())
    return cell


async def state_of(night: Cast) -> dict[str, list[Any]]:
    """The rows of this night in the database, by table."""
    persons = [person.id for person in night.cast.values()]
    state = {}
    for table, sql in STATE.items():
        rows = await fetch(sql, persons)
        cells = [tuple(plain(night, cell) for name, cell in row.items() if name != "spans") for row in rows]
        state[table] = sorted(cells, key=str)
    return state


@QUICK
@given(seed=st.integers(0, 2**32), size=st.integers(4, 22))
async def test_however_a_night_arrives_it_is_the_same_night(app: Litestar, seed: int, size: int) -> None:
    """Each fact once, the same rows in force, the same findings, no entry waiting."""
    acts = a_night(seed, size)
    states = []
    for tell in (lambda night: in_order(night, acts), lambda night: as_it_comes(night, acts, seed)):
        night = await a_cast(app)
        night.ids = sorted(uuid4() for _ in acts)  # of two that begin at one moment the smaller id is in force
        await tell(night)
        states.append(await state_of(night))
    ideal, came = states
    for table in STATE:
        assert (table, ideal[table]) == (table, came[table]), acts
    assert [] == came["waiting"]
    assert len(acts) == len(came["entry"])
