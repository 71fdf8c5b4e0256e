"""Two records that contradict each other: a person decides which is true, and both are kept."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar

from backend.core.database import fetch, value
from tests.builders import (
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    ago,
    an_inspector_of,
    an_officer,
    recorded,
    refused,
)


async def two_stories(app: Litestar) -> tuple[Someone, UUID, UUID]:
    """Lin from 8 to 4 hours ago, and again from 6 to 2 hours ago: (Lin, in force, contested)."""
    lin = await a_duty_auxiliary(app)
    first_, second = [UUID(recorded(await lin.check_in(at=ago(hours=hours)))["id"]) for hours in (8, 6)]
    recorded(await lin.check_out(first_, at=ago(hours=4)))
    recorded(await lin.check_out(second, at=ago(hours=2)))
    assert [True, False] == await in_force(first_, second)
    return lin, first_, second


async def in_force(*ids: UUID) -> list[bool]:
    sql = "SELECT in_force FROM shift WHERE id = $1 UNION ALL SELECT in_force FROM supervision WHERE id = $1"
    return [await value(sql, each) for each in ids]


async def contested(*ids: UUID) -> list[bool]:
    sql = "SELECT count(*) > 0 FROM finding WHERE kind = 'contested' AND subject = $1 AND withdrawn_at IS NULL"
    return [await value(sql, each) for each in ids]


async def resolve(someone: Someone, row: Any, stands: str, **fields: Any) -> Any:
    entry = {"contested": row, "stands": stands, "why": "调取门岗监控"}
    return await someone.post("/v1/contests/resolve", **(entry | fields))


async def test_the_row_in_force_stands(app: Litestar) -> None:
    """The other one is set aside for good: it is kept, and has no finding any more."""
    _, one, other = await two_stories(app)
    sun = await a_commander_of(app, STATION)
    assert [False, True] == await contested(one, other)
    ruling = recorded(await resolve(sun, other, "in_force"))["ruling"]
    assert (False, str(one)) == (ruling["in_force"], ruling["other"])
    assert ([True, False], [False, False]) == (await in_force(one, other), await contested(one, other))


async def test_the_contested_row_stands(app: Litestar) -> None:
    """The first is set aside, whatever arrives about it later; both rows and the ruling are kept."""
    lin, one, other = await two_stories(app)
    inspector = await an_inspector_of(app, STATION)
    assert recorded(await resolve(inspector, other, "contested"))["ruling"]["in_force"]
    assert ([False, True], [False, False]) == (await in_force(one, other), await contested(one, other))
    recorded(await lin.check_out(one, at=ago(hours=7)))
    recorded(await lin.check_in(at=ago(hours=1)))
    recorded(await lin.check_in(at=ago(hours=9)))
    assert [False, True] == await in_force(one, other)
    (ruling,) = (await lin.get(f"/v1/shifts/{other}")).json()["rulings"]
    assert (str(inspector.id), "调取门岗监控", "contested") == (ruling["by_person"], ruling["why"], ruling["stands"])
    assert [ruling] == (await lin.get(f"/v1/shifts/{one}")).json()["rulings"]


async def test_a_later_ruling_supersedes(app: Litestar) -> None:
    """Rulings are only added; the latest by its own time counts, in whatever order they arrive."""
    _, one, other = await two_stories(app)
    sun = await a_commander_of(app, STATION)
    recorded(await resolve(sun, other, "contested", at=ago(minutes=30)))
    recorded(await resolve(sun, other, "in_force", at=ago(minutes=10)))
    assert ([True, False], [False, False]) == (await in_force(one, other), await contested(one, other))
    recorded(await resolve(sun, other, "contested", at=ago(minutes=20)))
    assert [True, False] == await in_force(one, other)
    recorded(await resolve(sun, other, "contested"))
    assert [False, True] == await in_force(one, other)
    assert 4 == await value("SELECT count(*) FROM ruling WHERE contested = $1", other)


async def test_the_shift_that_the_set_aside_one_had_closed_goes_on(app: Litestar) -> None:
    """The open shift before it now runs until the one in force."""
    lin = await a_duty_auxiliary(app)
    before, one, other = [UUID(recorded(await lin.check_in(at=ago(hours=hours)))["id"]) for hours in (20, 8, 6)]
    recorded(await lin.check_out(one, at=ago(hours=4)))
    sql = "SELECT a.ended_at = b.started_at FROM shift a, shift b WHERE a.id = $1 AND b.id = $2"
    assert await value(sql, before, one)
    sun = await a_commander_of(app, STATION)
    recorded(await resolve(sun, other, "contested"))
    assert await value(sql, before, other)
    recorded(await resolve(sun, other, "in_force"))
    assert await value(sql, before, one)


async def test_gaps_follow_the_ruling(app: Litestar) -> None:
    """Work during the contested shift was not on shift until that shift is ruled to be true."""
    lin, _, other = await two_stories(app)
    act = UUID(recorded(await lin.starts("10.4", at=ago(hours=3)))["id"])
    recorded(await lin.finishes(act, at=ago(hours=2, minutes=30)))
    kinds = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL"
    assert "not_on_shift" in {row["kind"] for row in await fetch(kinds, act)}
    withdrawn = "SELECT withdrawn_at IS NOT NULL FROM finding WHERE subject = $1 AND kind = 'not_on_shift'"
    recorded(await resolve(await a_commander_of(app, STATION), other, "contested"))
    assert await value(withdrawn, act)


async def test_a_naming_is_resolved_in_the_same_way(app: Litestar) -> None:
    """Two officers named at one moment."""
    lin, zhao, qian = await a_duty_auxiliary(app), await an_officer(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=5)))
    at = ago(hours=4)
    both = [UUID(recorded(await lin.names(officer, at=at))["id"]) for officer in (zhao, qian)]
    one, other = sorted(both)
    assert [True, False] == await in_force(one, other)
    recorded(await resolve(await a_commander_of(app, STATION), other, "contested"))
    assert ([False, True], [False, False]) == (await in_force(one, other), await contested(one, other))


async def test_who_may_resolve(app: Litestar) -> None:
    """A commander or inspector of the organ, not in their own matter; and there must be a contest."""
    lin, one, other = await two_stories(app)
    refused(await resolve(lin, other, "contested"), 403, "not_for_your_role")
    for someone in (await an_officer(app), await a_commander_of(app, OTHER_DISTRICT)):
        refused(await resolve(someone, other, "contested"), 404, "unknown_contest")
    sun = await a_commander_of(app, STATION)
    refused(await resolve(sun, sun.id, "contested"), 404, "unknown_contest")
    refused(await resolve(sun, one, "contested"), 409, "not_contested")
    at = ago(hours=3)
    for named in ((sun, await an_officer(app)), (await an_officer(app), sun)):
        chen = await a_duty_auxiliary(app)
        low, high = sorted([uuid4(), uuid4()])
        for officer, naming in zip(named, (low, high), strict=True):
            recorded(await chen.names(officer, at=at, id=naming))
        refused(await resolve(sun, high, "contested"), 403, "own_matter")


async def test_a_ruling_cannot_be_changed(app: Litestar, owner: asyncpg.Connection) -> None:
    """Not even by the role that owns the table."""
    _, _, other = await two_stories(app)
    recorded(await resolve(await a_commander_of(app, STATION), other, "contested"))
    for change in ("UPDATE ruling SET why = ''", "DELETE FROM ruling", "TRUNCATE ruling"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(change)


async def test_sent_twice_it_is_one_ruling(app: Litestar) -> None:
    """As any entry."""
    _, _, other = await two_stories(app)
    sun = await a_commander_of(app, STATION)
    entry = sun.entry(contested=other, stands="contested", why="调取门岗监控", at=ago(seconds=1))
    receipt = recorded(await sun.send("/v1/contests/resolve", entry))
    again = await sun.send("/v1/contests/resolve", entry | {"sent_at": entry["sent_at"] + timedelta(seconds=1)})
    assert (200, receipt | {"status": "replayed"}) == (again.status_code, again.json())
