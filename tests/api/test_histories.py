"""A person has a history: every fact belongs to the organ in which they served when it happened."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend.core.columns import FaultyFile
from backend.core.database import execute, fetch, tx, value
from backend.core.days import day_of
from backend.core.settings import Settings
from backend.core.stints import Stint, stint_at, stint_now
from backend.people import roster, standing_records
from backend.people.roster import Unconfirmed
from backend.people.roster_files import RosterFile, read, read_file
from tests.api.test_docks import handed_over
from tests.api.test_roster import fujing
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    ROSTER_HEADER,
    SIBLING,
    STATION,
    Someone,
    a_badge,
    a_commander_of,
    a_day,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    a_row,
    ago,
    an_inspector_of,
    an_officer,
    moves,
    now,
    organ_row,
    recorded,
    refused,
    rows_of,
    somebody,
)
from tests.databases import by_owner
from tests.desks import at_desk

EAST, WEST = STATION, SIBLING
YESTERDAY = timedelta(days=1)


async def a_mover(app: Litestar) -> Someone:
    """Lin has served in West since today, and in East before."""
    lin = await a_duty_auxiliary(app, EAST)
    await moves(lin, WEST)
    return lin


async def organ_in(table: str, id: Any) -> str:
    return str(await value(f"SELECT organ FROM {table} WHERE id = $1", UUID(str(id))))  # noqa: S608 - constants


# -- a fact belongs to the organ of its moment


async def test_yesterdays_shift_belongs_to_the_organ_of_yesterday(app: Litestar) -> None:
    """Moved today, told today: it is East's shift, in the table, in the journal and for the commanders."""
    lin, east, west = await a_mover(app), await a_commander_of(app, EAST), await a_commander_of(app, WEST)
    shift = recorded(await lin.check_in(at=ago(days=1)))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=20)))
    assert EAST == await organ_in("shift", shift)
    assert [EAST] == [row["organ"] for row in await fetch("SELECT organ FROM journal WHERE entry_id = $1", UUID(shift))]
    assert [EAST] == [row["organ"] for row in await fetch("SELECT organ FROM finding WHERE subject = $1", UUID(shift))]
    assert 200 == (await east.get(f"/v1/shifts/{shift}")).status_code
    refused(await west.get(f"/v1/shifts/{shift}"), 404, "unknown_shift")


async def test_todays_shift_belongs_to_the_organ_of_today(app: Litestar) -> None:
    """And the roster may have told it before the day came."""
    lin = await a_duty_auxiliary(app, EAST)
    await moves(lin, WEST, days_ago=-3)
    assert EAST == await organ_in("shift", recorded(await lin.check_in())["id"])
    assert WEST == await organ_in("shift", recorded(await (await a_mover(app)).check_in())["id"])


async def test_what_one_does_follows_the_day_it_was_done(app: Litestar) -> None:
    """Leading, an act, a recusal, a call for help, footage, a paper and a suggestion, all of yesterday."""
    lin, zhao, *_ = await a_led_patrol(app, days=1)
    await moves(lin, WEST)
    at = ago(days=1)  # after the check-in by some milliseconds; the day before at any hour
    naming = recorded(await lin.names(zhao, at=at))["id"]
    act = recorded(await lin.starts("9.6", at=at))["id"]
    case = {"case_ref": "杭公（城）行罚决字〔2026〕77号", "case_kind": "administrative"}
    recusal = recorded(await lin.post("/v1/recusals/declare", at=at, ground="party_or_relative", words="亲属", **case))[
        "id"
    ]
    call = recorded(await lin.post("/v1/assistance/call", at=at, kind="violence"))["id"]
    film = recorded(await lin.declare(started_at=at, ended_at=at + timedelta(minutes=5)))["id"]
    facts = {"supervision": naming, "activity": act, "recusal": recusal, "assistance": call, "recording": film,
             "upload": film}  # fmt: skip
    assert dict.fromkeys(facts, EAST) == {table: await organ_in(table, id) for table, id in facts.items()}


async def test_an_injury_belongs_to_the_organ_in_which_it_happened(app: Litestar) -> None:
    """Whoever reports it: the day counts on which the colleague was hurt."""
    lin, sun = await a_mover(app), await a_duty_auxiliary(app, WEST)
    report = {"how": "追赶时摔倒", "doing": "巡逻", "body_part": "右前臂", "severity": "minor"}
    hurt = recorded(await sun.post("/v1/injuries/report", person=lin.id, injured_at=ago(days=1), **report))
    assert EAST == await organ_in("injury", hurt["injury"]["id"])


async def test_yesterdays_film_is_of_yesterdays_organ_by_whatever_dock(app: Litestar) -> None:
    """East's dock brings in what was filmed in East, and West's where the camera was docked in West."""
    lin, docks = await a_mover(app), [await a_dock(app, EAST), await a_dock(app, WEST)]
    for number, dock in enumerate(docks):
        at = ago(days=1, minutes=number)
        film = recorded(await dock.declare(wearer=lin.id, started_at=at, ended_at=at + timedelta(seconds=30)))["id"]
        assert (EAST, EAST) == (await organ_in("recording", film), await organ_in("upload", film))
    refused(await docks[0].declare(wearer=lin.id, started_at=now(), ended_at=now()), 404, "unknown_wearer")
    elsewhere = await a_dock(app, OTHER_DISTRICT)
    refused(await elsewhere.declare(wearer=lin.id, started_at=ago(days=1), ended_at=ago(days=1)), 404, "unknown_wearer")


async def test_an_organ_is_told_what_its_people_handed_over_before_they_moved(app: Litestar) -> None:
    """East sees its shift of yesterday, and West does not."""
    lin, east, west = await a_mover(app), await a_dock(app, EAST), await a_commander_of(app, WEST)
    shift = recorded(await lin.check_in(at=ago(hours=30)))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=26)))
    period = ago(hours=31), ago(hours=25)
    assert [shift] == [row["id"] for row in (await handed_over(east, lin, *period))["shifts"]]
    assert [] == (await handed_over(west, lin, *period))["shifts"]


async def test_hours_count_for_the_organ_of_each_shift(app: Litestar) -> None:
    """A month in two organs: each sees what was worked there; the person sees all of it."""
    lin, east, west = (
        await a_duty_auxiliary(app, EAST),
        await a_commander_of(app, EAST),
        await a_commander_of(app, WEST),
    )
    for ago_days, hours in ((3, 4), (1, 6)):
        shift = recorded(await lin.check_in(at=ago(days=ago_days, hours=hours)))["id"]
        recorded(await lin.check_out(shift, at=ago(days=ago_days)))
        await moves(lin, WEST, days_ago=2) if ago_days == 3 else None

    async def minutes(who: Someone, **query: Any) -> int:
        """In the months of both shifts."""
        months = sorted({f"{ago(days=days):%Y-%m}" for days in (1, 4)})
        rows, turn = [], {}
        for month in months:
            while True:
                page = (await who.get("/v1/hours", month=month, **query, **turn)).json()
                rows += page["items"]
                if page.get("next") is None:
                    break
                turn = {"cursor": page["next"]}
            turn = {}
        return sum(row["worked_min"] for row in rows if row["person"] == str(lin.id))

    assert (240, 360, 600) == (
        await minutes(east, organ=EAST), await minutes(west, organ="all"), await minutes(lin)
    )  # fmt: skip
    assert (240, 360) == (await minutes(east, person=lin.id), await minutes(west, person=lin.id))


async def test_a_commander_plans_for_whoever_serves_there_on_that_day(app: Litestar) -> None:
    """Lin comes to West next week: West plans that week, and East no longer."""
    lin, east, west = (
        await a_duty_auxiliary(app, EAST),
        await a_commander_of(app, EAST),
        await a_commander_of(app, WEST),
    )
    await moves(lin, WEST, days_ago=-7)

    async def plan(who: Someone, days: int) -> Any:
        starts = now() + timedelta(days=days)
        shift = {"id": who.entry()["id"], "person": lin.id, "post": "南门", "duty_type": "post", "starts_at": starts,
                 "ends_at": starts + timedelta(hours=8)}  # fmt: skip
        return await who.post("/v1/rosters/plan", shifts=[shift])

    assert WEST == await organ_in("planned_shift", recorded(await plan(west, 8))["planned"][0])
    assert EAST == await organ_in("planned_shift", recorded(await plan(east, 2))["planned"][0])
    refused(await plan(east, 9), 404, "unknown_person")
    refused(await plan(west, 3), 404, "unknown_person")


async def test_a_hold_of_somebodys_footage_is_placed_where_it_was_filmed(app: Litestar) -> None:
    """East's inspector holds what was filmed in East, although the wearer serves in West by now."""
    lin, east, west = await a_mover(app), await an_inspector_of(app, EAST), await an_inspector_of(app, WEST)
    order = {"person": lin.id, "started_at": ago(days=2), "ended_at": ago(days=1), "reason": "信访", "number": "2026-9"}
    assert EAST == await organ_in("hold", recorded(await east.post("/v1/holds/place", **order))["hold"]["id"])
    refused(await west.post("/v1/holds/place", **order), 404, "unknown_person")


async def test_who_was_an_auxiliary_yesterday_brings_home_yesterdays_check_out(app: Litestar) -> None:
    """A clerk since today: the check-out of yesterday is taken, and a check-in of today is not theirs any more."""
    lin = await a_duty_auxiliary(app, EAST)
    shift = recorded(await lin.check_in(at=ago(hours=30)))["id"]
    await roster.bring_in(
        [a_row(record="person", code=lin.badge, name=lin.name, kind="staff", organ=EAST, valid_from=a_day())]
    )
    recorded(await lin.check_out(shift, at=ago(hours=26)))
    refused(await lin.check_in(), 403, "not_for_your_role")


async def test_rights_are_those_of_today(app: Litestar) -> None:
    """Who she is, whom the bundle names, and what a session says: West, since today."""
    lin, zhao = await a_mover(app), await an_officer(app, EAST)
    assert WEST == (await lin.get("/v1/me")).json()["organ"]["code"]
    named = [officer["badge"] for officer in (await lin.get("/v1/changes")).json()["bundle"]["officers"]]
    assert zhao.badge not in named


# -- the shape itself


SPANS = [("2024-01-01", "2024-06-30", "330102000000"), ("2024-07-01", "2024-12-31", EAST), ("2025-03-01", None, WEST)]


@pytest.mark.parametrize(
    ("at", "organ"),
    [
        ("2023-05-01T12:00:00+08:00", DISTRICT),
        ("2024-06-30T23:59:59+08:00", DISTRICT),
        ("2024-06-30T16:00:00+00:00", EAST),
        ("2024-12-31T23:59:59+08:00", EAST),
        ("2025-01-10T12:00:00+08:00", EAST),
        ("2025-01-30T00:00:00+08:00", EAST),
        ("2025-01-31T12:00:00+08:00", WEST),
        ("2031-01-01T00:00:00+08:00", WEST),
    ],
    ids=lambda text: text,
)
async def test_a_moment_belongs_to_its_stint_or_the_nearest(app: Litestar, at: str, organ: str) -> None:
    """By the calendar of China; the database and the code agree."""
    person = await value("INSERT INTO person DEFAULT VALUES RETURNING id")
    for since, until, there in SPANS:
        await execute(
            "INSERT INTO stint (person, badge, name, kind, organ, during, source) "
            "VALUES ($1, $2, '林', 'staff', $3, daterange($4, $5, '[]'), 'import')",
            person, f"S{person.hex[:12]}", there, date.fromisoformat(since), until and date.fromisoformat(until),
        )  # fmt: skip
    moment = datetime.fromisoformat(at)
    stints = [Stint(there, "staff", date.fromisoformat(a), b and date.fromisoformat(b)) for a, b, there in SPANS]
    assert (organ, organ) == (await value("SELECT organ_at($1, $2)", person, moment), stint_at(stints, moment).organ)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-400, 400), min_size=2, max_size=8, unique=True), st.integers(-500, 500))
async def test_one_row_a_person_whatever_their_history(app: Litestar, days: list[int], asked: int) -> None:
    """person_now: the stint of today, else the newest past one, else the first to come; stint_now, organ_at agree."""
    bounds = sorted(days)
    spans = [(a_day(-a), a_day(-b)) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    stints = [Stint(code, "staff", a, b) for (a, b), code in zip(spans, [EAST, WEST, EAST, WEST], strict=False)]
    today, at = a_day(), now() + timedelta(days=asked)
    async with tx():
        person = await value("INSERT INTO person DEFAULT VALUES RETURNING id")
        for stint in stints:
            await execute(
                "INSERT INTO stint (person, badge, name, kind, organ, during, source) "
                "VALUES ($1, $2, '林', 'staff', $3, daterange($4, $5, '[]'), 'import')",
                person, f"S{person.hex[:12]}", stint.organ, stint.since, stint.until,
            )  # fmt: skip
        shown = await fetch("SELECT serves_from, organ FROM person_now WHERE id = $1", person)
        found = await value("SELECT organ_at($1, $2)", person, at)
    begun = [stint for stint in stints if stint.since <= today]
    expected = begun[-1] if begun else stints[0]
    assert [(expected.since, expected.organ)] == [tuple(row) for row in shown]
    assert expected == stint_now(stints, today)
    assert stint_at(stints, at).organ == found
    assert day_of(at) == a_day(-asked)


async def test_the_database_itself_gives_a_badge_to_one_person_at_a_time(app: Litestar) -> None:
    """And a person serves in one place at a time, whoever writes it."""
    lin = await a_duty_auxiliary(app)
    put = """INSERT INTO stint (person, badge, name, kind, organ, during, source)
        VALUES ($1, $2, '林', 'staff', '330102010000', daterange($3, NULL), 'test')"""
    other = await value("INSERT INTO person DEFAULT VALUES RETURNING id")
    for person, badge in ((other, lin.badge), (lin.id, "ANOTHER-1")):
        with pytest.raises(Exception, match="conflicting key value violates exclusion constraint"):
            await execute(put, person, badge, a_day())


# -- what the roster tells


def a_line(badge: str, name: str, organ: str, since: str, until: str = "", kind: str = "duty_auxiliary") -> str:
    return f"person,{badge},{name},{kind},{organ},{since},{until}\n"


async def told(*lines: str, confirmed: bool = False) -> dict[str, int]:
    return await roster.bring_in(read(ROSTER_HEADER + "".join(lines)), confirmed=confirmed)


async def stints_under(badge: str) -> list[tuple[Any, ...]]:
    sql = "SELECT name, organ, lower(during)::text, (upper(during) - 1)::text FROM stint WHERE badge = $1 ORDER BY 3"
    return [tuple(row) for row in await fetch(sql, badge)]


async def test_one_file_tells_a_whole_history(app: Litestar) -> None:
    """One line for each stint, in any order; the file again changes nothing."""
    badge = f"FJ{now():%H%M%S%f}"
    lines = a_line(badge, "林", WEST, "2025-07-01"), a_line(badge, "林", EAST, "2025-01-01")
    assert 2 == (await told(*lines))["person"]
    assert [("林", EAST, "2025-01-01", "2025-06-30"), ("林", WEST, "2025-07-01", None)] == await stints_under(badge)
    assert 0 == (await told(*lines))["person"]


async def test_an_old_file_takes_nobody_back(app: Litestar) -> None:
    """A line that knows only the first stint agrees with what is known."""
    badge = f"FJ{now():%H%M%S%f}"
    old = a_line(badge, "林", EAST, "2025-01-01")
    await told(old)
    await told(a_line(badge, "林", WEST, "2025-07-01"))
    assert 0 == (await told(old))["person"]
    assert WEST == await value("SELECT organ FROM person_now WHERE badge = $1", badge)


async def test_leaving_ends_roles(app: Litestar) -> None:
    """They would come back to life with their holder."""
    wu = await a_commander_of(app, EAST)
    await roster.bring_in(
        [a_row(record="person", code=wu.badge, name=wu.name, kind="officer", organ=EAST, valid_until=a_day(1))]
    )
    assert [a_day(1)] == [row["valid_until"] for row in await fetch(
        "SELECT valid_until FROM role_grant WHERE person = $1", wu.id)]  # fmt: skip


async def test_moving_ends_the_roles_for_the_organ_that_is_left(app: Litestar) -> None:
    """One that reaches the new organ goes on, one elsewhere too, and one that the same file names again."""
    held = [("commander", EAST), ("commander", DISTRICT), ("inspector", OTHER_DISTRICT), ("inspector", EAST)]
    wu = await somebody(app, "officer", EAST, roles=held)
    await moves(wu, WEST)
    assert [("commander", DISTRICT), ("inspector", OTHER_DISTRICT)] == await roles_of(wu, a_day())
    assert sorted(held) == await roles_of(wu, a_day(1))
    zhu = await somebody(app, "officer", EAST, roles=held)
    file = rows_of(zhu.badge, zhu.name, "officer", WEST, [("inspector", EAST)])
    await roster.bring_in([msgspec.structs.replace(file[0], valid_from=a_day()), file[1]])
    assert sorted(held[1:]) == await roles_of(zhu, a_day())


async def roles_of(who: Someone, day: date) -> list[tuple[str, str]]:
    sql = "SELECT role, organ FROM role_grant WHERE person = $1 AND coalesce(valid_until >= $2, true) ORDER BY 1, 2"
    return [tuple(row) for row in await fetch(sql, who.id, day)]


async def test_who_left_finds_no_session_at_a_desk(app: Litestar) -> None:
    """A desk holds nothing to bring home."""
    chief = await at_desk(app)
    assert 200 == (await chief.get("/v1/me")).status_code
    await execute("UPDATE stint SET during = daterange(lower(during), $2) WHERE person = $1", chief.id, a_day())
    refused(await chief.get("/v1/me"), 401, "session_ended")


async def test_a_badge_given_on_is_another_person(app: Litestar) -> None:
    """Id, password, roles and shifts stay with the one before, who serves no more."""
    wu = await a_commander_of(app, EAST)
    shift = uuid4()
    await by_owner(
        "INSERT INTO shift (id, person, organ, duty_type, started_at, in_force, dress, id_card_carried, equipment) "
        "VALUES ($1, $2, $3, 'patrol', now() - interval '3 days', true, 'uniform', true, '{}')", shift, wu.id, EAST,
    )  # fmt: skip
    line = a_line(wu.badge, "孙新", WEST, str(a_day()), kind="officer")
    with pytest.raises(Unconfirmed):
        await told(line)
    assert wu.id == await roster.person_id_of(wu.badge)
    assert 1 == (await told(line, confirmed=True))["person"]
    sun = await roster.person_id_of(wu.badge)
    assert sun != wu.id
    assert 0 == await value("SELECT count(*) FROM credential WHERE person = $1", sun)
    ends = await fetch("SELECT person, valid_until FROM role_grant WHERE person = ANY ($1)", [wu.id, sun])
    assert [(wu.id, a_day(1))] == [tuple(row) for row in ends]
    rows = await fetch("SELECT p.name FROM shift s JOIN person_now p ON p.id = s.person WHERE s.id = $1", shift)
    assert [wu.name] == [row["name"] for row in rows]
    assert wu.badge in await roster.without_password()


async def test_roles_and_trainings_of_a_file_are_of_whom_it_means(app: Litestar) -> None:
    """The new holder of a badge, also what the file dates before their first day."""
    wu = await a_commander_of(app, EAST)
    sun = a_line(wu.badge, "孙新", EAST, str(a_day()), kind="officer")
    role = f"role,{wu.badge},,inspector,{EAST},2024-01-01,\n"
    training = f"qualification,{wu.badge},,first_aid,,2024-01-01,\n"
    await told(sun, role, training, confirmed=True)
    holder = await roster.person_id_of(wu.badge)
    for table in ("role_grant WHERE role = 'inspector' AND", "qualification WHERE"):
        assert 1 == await value(f"SELECT count(*) FROM {table} person = $1", holder)  # noqa: S608 - constants
        assert 0 == await value(f"SELECT count(*) FROM {table} person = $1", wu.id)  # noqa: S608


async def test_look_alikes_are_refused_line_by_line(app: Litestar, house: Settings) -> None:
    """Within the file and against what is known; whoever has such a badge already keeps it, and is listed."""
    number = str(now().timestamp()).replace(".", "")[:14].lstrip("0")
    known = f"FJ{number}"
    await told(a_line(known, "林", EAST, "2025-01-01"))
    lines = a_line(known.lower(), "赵", EAST, "2025-01-01"), a_line(f"00{number}", "钱", EAST, "2025-01-01"), a_line(
        number, "周", EAST, "2025-01-01")  # fmt: skip
    with pytest.raises(FaultyFile) as error:
        await told(*lines)
    assert [2, 4] == [line for line, _ in error.value.lines]
    other = await value("INSERT INTO person DEFAULT VALUES RETURNING id")
    await execute(
        "INSERT INTO stint (person, badge, name, kind, organ, during, source) "
        "VALUES ($1, $2, '赵', 'staff', $3, '[2025-01-01,)', 'old data')", other, known.lower(), EAST,
    )  # fmt: skip
    migrated = fujing(house, "migrate")
    assert (0, True) == (migrated.returncode, f"{known} {known.lower()}" in migrated.stdout), migrated.stderr
    assert 0 == (await told(a_line(known, "林", EAST, "2025-01-01")))["person"]


async def an_organ_of_three(app: Litestar) -> tuple[str, list[str], list[str]]:
    """An organ of its own, its people's badges, and the lines that tell of them."""
    code = f"3301020{now():%f}"[:12].ljust(12, "7")
    await roster.bring_in([organ_row(code, "新设派出所", DISTRICT)])
    badges = [a_badge() for _ in range(3)]
    lines = [a_line(badge, "林", code, "2025-01-01") for badge in badges]
    lines += [f"role,{badges[0]},,commander,{code},2025-01-01,\n", f"role,{badges[1]},,inspector,{code},2025-01-01,\n"]
    lines.append(a_line(a_badge("DOCK-"), "采集工作站", code, "2025-01-01", kind="dock"))
    await told(*lines)
    return code, badges, lines


async def test_who_is_no_longer_named_is_listed_and_ended_when_asked(app: Litestar) -> None:
    """People of the organs and kinds that the file names, and roles on the organs of its roles; nobody else."""
    code, badges, lines = await an_organ_of_three(app)
    rows = read(ROSTER_HEADER + lines[0] + lines[3])
    missing = (await roster.preview(RosterFile(good=rows))).missing
    assert badges[1:] == [term.badge for term in missing.people]
    assert [(badges[1], "inspector")] == [(role.badge, role.role) for role in missing.roles]
    assert {0} == set((await roster.bring_in(rows)).values())
    serving = "SELECT badge FROM person_now WHERE organ = $1 AND serves_until IS NULL ORDER BY badge"
    assert 4 == len(await fetch(serving, code))
    changed = await roster.bring_in(rows, end_missing=True)
    assert (2, 1) == (changed["person"], changed["role"])
    assert {badges[0]} == {row["badge"] for row in await fetch(serving, code) if not row["badge"].startswith("DOCK")}
    assert {0} == set((await roster.bring_in(rows, end_missing=True)).values())


# -- the command


def written(folder: Path, *lines: str) -> Path:
    file = folder / "roster.csv"
    file.write_text(ROSTER_HEADER + "".join(lines), encoding="utf-8")
    return file


async def test_a_dry_run_shows_each_change_and_writes_nothing(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """By kind: new, moved, renamed, reissued, and whom the file no longer names."""
    code, badges, _ = await an_organ_of_three(app)
    new = a_badge()
    file = written(
        tmp_path, a_line(badges[0], "林", WEST, "2026-07-01"), a_line(badges[1], "林改", code, "2025-01-01"),
        a_line(new, "钱", code, "2026-07-01"),
    )  # fmt: skip
    before = await stints_under(badges[0])
    done = fujing(house, "import-roster", str(file), "--dry-run")
    assert 0 == done.returncode, done.stderr
    shown = {line.strip() for line in done.stdout.splitlines()}
    assert {
        "new person: 1", f"{new} 钱, duty_auxiliary {code} 新设派出所, from 2026-07-01",
        "moved: 1", f"{badges[0]} 林 {code} 新设派出所 → {WEST} 湖滨派出所, from 2026-07-01",
        "renamed (to confirm): 1", f"{badges[1]} 林 → 林改, from 2025-01-01",
        f"{badges[2]} 林 duty_auxiliary {code} 新设派出所", "dry run: nothing was written",
    } <= shown  # fmt: skip
    assert before == await stints_under(badges[0])
    assert await roster.person_id_of(new) is None


async def test_a_dry_run_shows_every_other_record_in_the_words_of_the_terminal(
    app: Litestar, house: Settings, tmp_path: Path
) -> None:  # fmt: skip
    """Organs, roles, qualifications and devices; and a role that ends with the service of its holder."""
    code, badges, _ = await an_organ_of_three(app)
    phone, below = f"HH-{code}", str(int(code) + 1)
    await told(f"device,{phone},旧名,handheld,{code},,\n")
    lines = [
        f"organ,{code},改名派出所,,{DISTRICT},,\n", f"organ,{below},东湖警务室,,{code},,\n",
        a_line(badges[1], "林", code, "2025-01-01", "2026-06-30"),
        f"role,{badges[0]},,commander,{code},2025-01-01,2027-12-31\n",
        f"role,{badges[2]},,treasurer,{below},2026-01-01,\n",
        f"qualification,{badges[0]},,first_aid,,2026-01-01,2028-01-01\n",
        f"device,{phone},旧名,dock,{below},,\n", f"device,CJ-{code},采集站,dock,{below},,\n",
    ]  # fmt: skip
    file = written(tmp_path, *lines)
    before = await standing_records.read()
    done = fujing(house, "import-roster", str(file), "--dry-run", locale="zh_CN.UTF-8")
    assert 0 == done.returncode, done.stderr
    organ, room = f"{code} 改名派出所", f"{below} 东湖警务室"
    assert [
        "离岗 1", f"  {badges[1]} 林，至 2026-06-30",
        "新增单位 1", f"  {below} 东湖警务室，上级单位 {organ}",
        "变更单位 1", f"  {code} 新设派出所，名称 新设派出所 → 改名派出所",
        "新增角色 1", f"  {badges[2]} 林，警务保障 {room}，自 2026-01-01，至 长期",
        "变更角色 2", f"  {badges[0]} 林，单位负责人 {organ}，自 2025-01-01，至 长期 → 2027-12-31",
        f"  {badges[1]} 林，督察 {organ}，自 2025-01-01，至 长期 → 2026-06-30",
        "新增资质 1", f"  {badges[0]} 林，急救培训，自 2026-01-01，至 2028-01-01",
        "新增设备 1", f"  CJ-{code} 采集站，采集工作站 {room}",
        "变更设备 1", f"  {phone} 旧名，类型 手持终端 → 采集工作站，单位 {organ} → {room}",
    ] == done.stdout.splitlines()[:17]  # fmt: skip
    assert before == await standing_records.read()
    shown = await roster.preview(read_file(file.read_bytes()))
    await told(*lines)
    assert shown.records == standing_records.compare(before, await standing_records.read())
    assert [] == (await roster.preview(read_file(file.read_bytes()))).records


async def test_a_dry_run_with_end_missing_shows_who_would_be_ended(app: Litestar) -> None:
    """As what changes: people, and the roles that nobody has any more."""
    _, badges, lines = await an_organ_of_three(app)
    file = read_file((ROSTER_HEADER + lines[0] + lines[3]).encode())
    shown = await roster.preview(file, end_missing=True)
    assert [("ended", badge) for badge in badges[1:]] == [(each.kind, each.after.badge) for each in shown.changes]
    assert [(badges[1], "inspector", a_day(1))] == [
        (each.after.code, each.after.kind, each.after.valid_until) for each in shown.records
    ]
    assert [] == (await roster.preview(file)).changes


async def test_a_renaming_is_written_when_it_is_confirmed(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """Exit 2 with the list and nothing written; with --confirm it is the same person under a new name."""
    lin = await a_duty_auxiliary(app)
    file = written(tmp_path, a_line(lin.badge, "林晓川", EAST, "2020-01-01"))
    done = fujing(house, "import-roster", str(file))
    assert (2, True) == (done.returncode, "--confirm" in done.stderr)
    assert f"{lin.badge} 林小川 → 林晓川" in done.stdout
    assert "林小川" == await value("SELECT name FROM person_now WHERE id = $1", lin.id)
    done = fujing(house, "import-roster", str(file), "--confirm")
    assert 0 == done.returncode, done.stderr
    assert "林晓川" == await value("SELECT name FROM person_now WHERE id = $1", lin.id)
