"""People and roles are administered by the API as by a roster: in one's own organs, and each change a journal line."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.core.database import fetch, value
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_badge,
    a_clerk,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    an_administrator_of,
    an_enrolled_key,
    an_officer,
    leaves,
    recorded,
    refused,
)

STINTS = "SELECT organ, kind, name, lower(during) AS since, source FROM stint WHERE person = $1 ORDER BY lower(during)"
LINES = "SELECT entry FROM journal WHERE entry_id = $1"


def a_recruit(badge: str = "", **fields: Any) -> dict[str, Any]:
    new = {"name": "杨帆", "kind": "duty_auxiliary", "organ": STATION, "serves_from": a_day(10).isoformat()}
    return {"badge": badge or a_badge(), **new, **fields}


async def enters(admin: Someone, badge: str = "", **fields: Any) -> httpx.Response:
    return await admin.post("/v1/people/enter", **a_recruit(badge, **fields))


async def roles_of(who: Someone) -> list[tuple[str, str]]:
    return [(role["role"], role["organ"]) for role in (await who.get("/v1/me")).json()["roles"]]


async def test_a_person_is_entered_and_found(app: Litestar) -> None:
    """The id of the entry is the person; the same entry again changes nothing; the list finds them."""
    admin, badge = await an_administrator_of(app, STATION), a_badge()
    body = admin.entry(**a_recruit(badge))
    first, again = [await admin.send("/v1/people/enter", body) for _ in range(2)]
    person = recorded(first)["person"]
    assert (str(body["id"]), "new", None) == (person["id"], person["change"], person["serves_until"])
    assert (200, "replayed") == (again.status_code, again.json()["status"])
    (found,) = (await admin.get("/v1/people", q=badge)).json()["items"]
    assert (person["id"], "杨帆", STATION) == (found["id"], found["name"], found["organ"])
    ((*_, source),) = [tuple(row.values()) for row in await fetch(STINTS, UUID(person["id"]))]
    assert "entry" == source


async def test_the_journal_has_a_line_without_a_name(app: Litestar) -> None:
    """One line for each change: ids, codes and days; no name, no badge number (DESIGN §7)."""
    admin, badge = await an_administrator_of(app, STATION), a_badge()
    entered = recorded(await enters(admin, badge))
    renamed = recorded(
        await admin.post("/v1/people/rename", person=entered["person"]["id"], name="杨一帆", confirm=True)
    )
    for answer, change in ((entered, "new"), (renamed, "renamed")):
        (line,) = [row["entry"] for row in await fetch(LINES, UUID(answer["id"]))]
        assert change == msgspec.json.decode(line)["facts"]["subject"]["person"]["change"]
        assert [] == [word for word in ("杨帆", "杨一帆", badge) if word in str(line)]


async def test_a_move_needs_both_organs(app: Litestar) -> None:
    """Neither station's administrator moves somebody to the other; the county does, and the past stays."""
    east, west = await an_administrator_of(app, STATION), await an_administrator_of(app, SIBLING)
    county, lin = await an_administrator_of(app, DISTRICT), await a_duty_auxiliary(app)
    move = {"person": lin.id, "organ": SIBLING, "serves_from": a_day(0).isoformat()}
    refused(await east.post("/v1/people/move", **move), 404, "unknown_organ")
    refused(await west.post("/v1/people/move", **move), 404, "unknown_person")
    assert "moved" == recorded(await county.post("/v1/people/move", **move))["person"]["change"]
    assert [STATION, SIBLING] == [row["organ"] for row in await fetch(STINTS, lin.id)]
    refused(await county.post("/v1/people/move", **move), 409, "nothing_changes")
    assert SIBLING == (await lin.get("/v1/me")).json()["organ"]["code"]


async def test_a_move_ends_the_role_for_the_organ_that_is_left(app: Litestar) -> None:
    """From the first day in the new one; what is granted there comes after."""
    county, sun = await an_administrator_of(app, DISTRICT), await a_commander_of(app, STATION)
    recorded(await county.post("/v1/people/move", person=sun.id, organ=SIBLING, serves_from=a_day(0).isoformat()))
    assert [a_day(1)] == [row["valid_until"] for row in await fetch(
        "SELECT valid_until FROM role_grant WHERE person = $1", sun.id)]  # fmt: skip


async def test_a_new_name_needs_a_confirmation(app: Litestar) -> None:
    """So does a badge that somebody else had; the one who had it keeps their past."""
    admin, lin = await an_administrator_of(app, STATION), await a_duty_auxiliary(app)
    refused(await admin.post("/v1/people/rename", person=lin.id, name="林晓川"), 409, "confirmation_needed")
    recorded(await admin.post("/v1/people/rename", person=lin.id, name="林晓川", confirm=True))
    assert "林晓川" == (await lin.get("/v1/me")).json()["name"]
    body = {"badge": lin.badge, "name": "周建国", "serves_from": a_day(0).isoformat()}
    refused(await enters(admin, **body), 409, "confirmation_needed")
    reissued = recorded(await enters(admin, **body, confirm=True))["person"]
    assert ("reissued", True) == (reissued["change"], reissued["id"] != str(lin.id))
    assert reissued["id"] == str(
        await value("SELECT person FROM stint WHERE badge = $1 AND name = '周建国'", lin.badge)
    )


async def test_a_badge_that_looks_like_another_is_refused(app: Litestar) -> None:
    """As in a roster: fj3001 is no other number than FJ3001."""
    admin, lin = await an_administrator_of(app, STATION), await a_duty_auxiliary(app)
    refused(await enters(admin, lin.badge.lower()), 409, "badge_looks_alike")
    refused(await enters(admin, lin.badge, name=lin.name), 409, "serves_already")


async def test_a_badge_of_another_station_is_not_taken_away(app: Litestar) -> None:
    """Giving a badge on ends the service of who has it: only where one administers them too."""
    there, here = await a_duty_auxiliary(app, SIBLING), await an_administrator_of(app, STATION)
    refused(await enters(here, there.badge, serves_from=a_day(0).isoformat(), confirm=True), 409, "badge_held")
    assert 1 == len(await fetch(STINTS, there.id))


async def test_somebody_returns_under_another_badge(app: Litestar) -> None:
    """Who left and comes back with a new number is the same person."""
    admin, lin, badge = await an_administrator_of(app, STATION), await a_duty_auxiliary(app), a_badge()
    await leaves(lin, 20)
    refused(await enters(admin, badge, name=lin.name, formerly="NOBODY-1"), 404, "unknown_formerly")
    person = recorded(await enters(admin, badge, name=lin.name, formerly=lin.badge))["person"]
    assert (str(lin.id), "returned") == (person["id"], person["change"])


async def test_the_end_of_service_ends_the_roles(app: Litestar) -> None:
    """From the day after, a commander who left commands nobody."""
    admin, sun = await an_administrator_of(app, DISTRICT), await a_commander_of(app, STATION)
    ended = recorded(await admin.post("/v1/people/end", person=sun.id, last_day=a_day(1).isoformat()))["person"]
    assert ("ended", a_day(1).isoformat()) == (ended["change"], ended["serves_until"])
    assert a_day(1) == await value("SELECT valid_until FROM role_grant WHERE person = $1", sun.id)
    refused(await sun.get("/v1/shifts"), 403, "bring_home_only")
    extended = recorded(await admin.post("/v1/people/end", person=sun.id, last_day=a_day(-5).isoformat()))["person"]
    assert "extended" == extended["change"]
    early = await admin.post("/v1/people/end", person=sun.id, last_day="2019-12-31")
    refused(early, 422, "end_before_start")


async def test_a_role_is_granted_and_ended(app: Litestar) -> None:
    """It counts at once, and no longer after its last day."""
    admin, zhao = await an_administrator_of(app, STATION), await an_officer(app)
    role = {"person": zhao.id, "role": "commander", "organ": STATION}
    granted = recorded(await admin.post("/v1/roles/grant", **role, valid_from=a_day(3).isoformat()))["role"]
    assert (a_day(3).isoformat(), None) == (granted["valid_from"], granted["valid_until"])
    assert [("commander", STATION)] == await roles_of(zhao)
    ended = recorded(await admin.post("/v1/roles/end", **role, last_day=a_day(1).isoformat()))["role"]
    assert a_day(1).isoformat() == ended["valid_until"]
    assert [] == await roles_of(zhao)
    refused(await admin.post("/v1/roles/end", **role, last_day=a_day(1).isoformat()), 404, "unknown_role")


async def test_nobody_administers_themselves(app: Litestar) -> None:
    """No role for oneself, no other organ, no other name: a colleague or the level above does it."""
    admin, today = await an_administrator_of(app, DISTRICT), a_day(0).isoformat()
    role = {"person": admin.id, "role": "inspector", "organ": STATION}
    refused(await admin.post("/v1/roles/grant", **role, valid_from=today), 403, "own_matter")
    refused(await admin.post("/v1/roles/end", **role, last_day=today), 403, "own_matter")
    refused(await admin.post("/v1/people/end", person=admin.id, last_day=today), 403, "own_matter")
    refused(await admin.post("/v1/people/rename", person=admin.id, name="新名", confirm=True), 403, "own_matter")
    move = {"person": admin.id, "organ": STATION, "serves_from": today}
    refused(await admin.post("/v1/people/move", **move), 403, "own_matter")
    again = {"name": admin.name, "kind": "staff", "formerly": admin.badge, "serves_from": today}
    refused(await enters(admin, a_badge(), **again), 403, "own_matter")  # another badge for oneself is no way around


async def test_a_role_stays_within_the_administrators_organs(app: Litestar) -> None:
    """Neither on an organ above or beside, nor for somebody who serves there."""
    admin, zhao, today = await an_administrator_of(app, STATION), await an_officer(app), a_day(0).isoformat()
    above, other = await an_officer(app, DISTRICT), await an_officer(app, OTHER_DISTRICT)
    role = {"role": "commander", "valid_from": today}
    refused(await admin.post("/v1/roles/grant", person=zhao.id, organ=DISTRICT, **role), 404, "unknown_organ")
    for somebody_else in (above.id, other.id, uuid4()):
        refused(await admin.post("/v1/roles/grant", person=somebody_else, organ=STATION, **role), 404, "unknown_person")


async def test_it_needs_the_second_factor(app: Litestar) -> None:
    """On a shared device a password alone administers nobody (ADR 35)."""
    admin, lin = await an_administrator_of(app, STATION), await a_duty_auxiliary(app)
    admin.key = await an_enrolled_key()
    await admin.open()
    refused(await enters(admin), 403, "second_factor_needed")
    refused(
        await admin.post("/v1/people/end", person=lin.id, last_day=a_day(0).isoformat()), 403, "second_factor_needed"
    )


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1949-10-01"])
async def test_a_day_is_one_of_this_age(app: Litestar, day: str) -> None:
    """No service begins before there was a police, or where a calendar ends."""
    admin = await an_administrator_of(app, STATION)
    refused(await enters(admin, serves_from=day), 422, "time_out_of_range")


async def test_who_administers_nobody_enters_nobody(app: Litestar) -> None:
    """For a clerk and a commander there is no such organ."""
    for who in (await a_clerk(app), await a_commander_of(app, STATION)):
        refused(await enters(who), 404, "unknown_organ")
