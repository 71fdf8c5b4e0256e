"""Hours from check-ins (R.25): late corrections count, contested and unfinished shifts are marked, time off is granted
once."""

import asyncio
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.core.database import fetch, value
from backend.hours import reads as hours_reads
from backend.hours import service
from backend.law import notices
from backend.people import roster
from mobile_api.cli.reports import of_hours
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_treasurer_of,
    an_inspector_of,
    an_officer,
    organ_row,
    recorded,
    refused,
)
from tests.databases import by_owner

BEIJING = timezone(timedelta(hours=8))
SUNDAY = datetime(2026, 10, 18, 9, tzinfo=BEIJING)  # an ordinary one
MONTH = "2026-10"
MONTHS = ("2026-12", "2027-01")
NEW_YEAR = """
INSERT INTO shift (id, person, organ, duty_type, dress, id_card_carried, equipment, started_at, ended_at, ended_by,
    in_force)
VALUES ($1, $2, $3, 'post', 'uniform', true, '{}', '2026-12-31T20:00+08', '2027-01-01T08:00+08', 'check_out', true)
"""
STANDS = "SELECT count(*) FROM finding WHERE kind = 'overtime_limit' AND subject = $1 AND withdrawn_at IS NULL"


async def works(who: Someone, start: datetime, hours: float, duty_type: str = "patrol") -> str:
    shift = str(recorded(await who.check_in(at=start, duty_type=duty_type))["id"])
    recorded(await who.check_out(shift, at=start + timedelta(hours=hours)))
    return shift


async def month_of(reader: Someone, who: Someone, month: str = MONTH) -> dict[str, Any]:
    answer = await reader.get("/v1/hours", month=month, person=who.id)
    assert 200 == answer.status_code, answer.text
    (payload,) = answer.json()["items"]
    return dict(payload)


async def takes(chief: Someone, who: Someone, minutes: int, day: int = 26, **fields: Any) -> httpx.Response:
    body = {"person": who.id, "month": MONTH, "on_day": f"2026-10-{day}", "minutes": minutes, "words": "补休"}
    return await chief.post("/v1/hours/take-off", **(body | fields))


async def test_a_month_as_it_was_worked(app: Litestar) -> None:
    """A long Monday, a rest day, a night of watch, a night across midnight, National Day; by oneself and by day."""
    lin = await a_duty_auxiliary(app)
    await works(lin, datetime(2026, 10, 1, 8, tzinfo=BEIJING), 6)
    await works(lin, datetime(2026, 10, 12, 8, tzinfo=BEIJING), 11)
    await works(lin, datetime(2026, 10, 14, 20, tzinfo=BEIJING), 8, "watch")
    await works(lin, SUNDAY, 5)
    await works(lin, datetime(2026, 10, 31, 22, tzinfo=BEIJING), 4)
    result = await month_of(lin, lin)
    minutes = {name: result[f"{name}_min"] for name in (*hours_reads.SUMS, "overtime", "owed", "taken")}
    assert {"worked": 24 * 60, "watch": 480, "standby": 0, "beyond_day": 180, "beyond_week": 0, "rest_day": 420,
            "holiday": 360, "overtime": 960, "owed": 420, "taken": 0} == minutes  # fmt: skip
    assert 120 == (await month_of(lin, lin, "2026-11"))["rest_day_min"]  # what is past midnight is November's
    days = {day["day"]: day for day in result["days"]}
    assert 31 == len(days)
    assert ("holiday", 360) == (days["2026-10-01"]["kind"], days["2026-10-01"]["worked_min"])
    assert [240, 240] == [days[f"2026-10-{day}"]["watch_min"] for day in (14, 15)]


async def test_a_late_correction_is_in_the_next_answer(app: Litestar) -> None:
    """A check-out arrives two weeks late and ends a shift that nobody had ended."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=SUNDAY))["id"]
    result = await month_of(lin, lin)
    assert (True, 24 * 60) == (result["unfinished"], result["worked_min"])  # no longer than the ceiling
    await lin.sync(lin.item("shifts/check-out", shift=shift, at=SUNDAY + timedelta(hours=3)))
    result = await month_of(lin, lin)
    assert (False, 180, 180) == (result["unfinished"], result["worked_min"], result["rest_day_min"])


async def test_a_contested_shift_does_not_count_and_is_shown(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    await works(lin, SUNDAY, 5)
    recorded(await lin.check_in(at=SUNDAY + timedelta(hours=1)))
    result = await month_of(lin, lin)
    assert (300, 1) == (result["worked_min"], result["contested_shifts"])


async def test_who_may_read_whose_hours(app: Litestar) -> None:
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    chief, wu = await a_commander_of(app, STATION), await an_inspector_of(app, DISTRICT)
    far = await a_commander_of(app, OTHER_DISTRICT)
    for who in (lin, chief, wu):
        assert str(lin.id) == (await month_of(who, lin))["person"]
    for who in (chen, far, await an_officer(app), await a_treasurer_of(app, DISTRICT)):
        refused(await who.get("/v1/hours", month=MONTH, person=lin.id), 404, "unknown_person")
    refused(await far.get("/v1/hours", month=MONTH, organ=STATION), 404, "unknown_organ")
    assert [] == (await chen.get("/v1/hours", month=MONTH, organ="all")).json()["items"]
    for month in ("2026-13", "26-10", "2026-1"):
        assert 422 == (await lin.get("/v1/hours", month=month)).status_code


async def test_an_organ_page_by_page(app: Litestar) -> None:
    organ = f"33{uuid4().int % 10**10:010}"
    await roster.bring_in([organ_row(organ, "工时分局", CITY)])
    people = [await a_duty_auxiliary(app, organ=organ) for _ in range(3)]
    await works(people[0], SUNDAY, 2)
    chief = await a_commander_of(app, organ)
    first = (await chief.get("/v1/hours", month=MONTH, organ=organ, limit=2)).json()
    rest = (await chief.get("/v1/hours", month=MONTH, organ=organ, limit=2, cursor=first["next"])).json()
    badges = [row["badge"] for page in (first, rest) for row in page["items"]]
    assert sorted(who.badge for who in people) == badges
    assert [] == first["items"][0]["days"]
    assert None is rest["next"]
    refused(await chief.get("/v1/hours", month=MONTH, organ=organ, cursor="§"), 422, "invalid")
    result = of_hours(await hours_reads.report(MONTH, organ), MONTH)
    assert f"{MONTH}: 3 auxiliaries, 0 over the limit" == result.sentence
    line = next(row for row in result.rows if row[1] == people[0].badge)
    assert "2.00" == dict(zip(result.columns, line, strict=True))["rest day"]


async def test_time_off_is_never_more_than_is_owed(app: Litestar) -> None:
    """Twice at once, twice a day, for another month, and after a withdrawal."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    await works(lin, SUNDAY, 5)
    assert 300 == refused(await takes(chief, lin, 301), 409, "time_off_not_owed")["owed_min"]
    refused(await takes(chief, lin, 1, month="2026-09"), 409, "time_off_not_owed")
    answers = await asyncio.gather(takes(chief, lin, 200), takes(chief, lin, 200, 27))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    taken = next(answer.json()["time_off"] for answer in answers if answer.status_code == 201)
    assert 100 == taken["owed_min"]
    day = int(taken["on_day"][-2:])
    refused(await takes(chief, lin, 50, day), 409, "time_off_that_day")
    result = await month_of(lin, lin)
    assert (200, 100, 100) == (result["taken_min"], result["owed_min"], result["overtime_min"])
    gone = recorded(await chief.post("/v1/hours/withdraw", time_off=taken["id"], why="临时任务"))["time_off"]
    assert (True, 300) == (gone["withdrawn"], gone["owed_min"])
    refused(await chief.post("/v1/hours/withdraw", time_off=taken["id"], why="再次"), 409, "time_off_withdrawn")
    recorded(await takes(chief, lin, 300, day))


async def test_who_may_give_time_off(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    await works(lin, SUNDAY, 5)
    refused(await takes(lin, lin, 60), 403, "not_for_your_role")
    for who in (await a_commander_of(app, OTHER_DISTRICT), await an_inspector_of(app, DISTRICT), await an_officer(app)):
        refused(await takes(who, lin, 60), 404, "unknown_person")
    refused(await takes(chief, chief, 60), 403, "own_matter")
    given = recorded(await takes(chief, lin, 60))["id"]
    other = await a_commander_of(app, OTHER_DISTRICT)
    refused(await other.post("/v1/hours/withdraw", time_off=given, why="-"), 404, "unknown_time_off")


async def test_overtime_beyond_the_limit_is_a_finding_against_the_organ(app: Litestar) -> None:
    """When time off brings it below; by the worker, for this month and the one before."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    for day in (11, 17, 18, 24):  # rest days
        await works(lin, datetime(2026, 10, day, 8, tzinfo=BEIJING), 10)
    name = uuid5(service.MONTHS, f"{lin.id}/{MONTH}")
    later = datetime(2026, 11, 24, tzinfo=BEIJING)
    await service.refresh_overtime(later)
    assert 1 == await value(STANDS, name)
    sql = "SELECT against_organ AND person = $2 AND organ = $3 FROM finding WHERE subject = $1"
    assert await value(sql, name, lin.id, lin.organ)
    recorded(await takes(chief, lin, 300))
    await service.refresh_overtime(later)
    assert 0 == await value(STANDS, name)


async def test_a_day_too_long_and_a_week_without_rest_are_findings_against_the_organ(app: Litestar) -> None:
    """Twelve hours a day, and eight days on end; what a correction or a forgotten check-out leaves open is none."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    shifts = [await works(lin, datetime(2026, 10, day, 20, tzinfo=BEIJING), 12) for day in range(12, 20)]
    recorded(await chen.check_in(at=datetime(2026, 10, 12, 8, tzinfo=BEIJING)))
    recorded(await chen.check_in(at=datetime(2026, 10, 14, 8, tzinfo=BEIJING)))
    later = datetime(2026, 11, 24, tzinfo=BEIJING)
    await service.refresh_overtime(later)
    sql = """SELECT kind, started_at FROM finding WHERE person = $1 AND against_organ AND withdrawn_at IS NULL
        AND kind IN ('overtime_day', 'no_weekly_rest') ORDER BY kind, started_at"""
    rows = await fetch(sql, lin.id)
    assert [("no_weekly_rest", 12), *(("overtime_day", day) for day in range(12, 20))] == [
        (row["kind"], row["started_at"].astimezone(BEIJING).day) for row in rows
    ]
    assert [] == await fetch(sql, chen.id)
    await service.refresh_overtime(later)
    assert rows == await fetch(sql, lin.id)
    await by_owner("UPDATE shift SET ended_at = started_at + interval '8 hours' WHERE id = $1", UUID(shifts[0]))
    await by_owner("UPDATE shift SET in_force = false WHERE id = $1", UUID(shifts[3]))
    await service.refresh_overtime(later)
    assert [13, 14, 16, 17, 18, 19] == [row["started_at"].astimezone(BEIJING).day for row in await fetch(sql, lin.id)]


@pytest.mark.parametrize("year", [2000, 2031, 2999])
async def test_no_year_stops_anything(app: Litestar, year: int) -> None:
    """Whatever the State Council announced of it; nobody worked then."""
    await service.refresh_overtime(datetime(year, 5, 4, tzinfo=BEIJING))
    assert {row.worked_min for row in await hours_reads.report(f"{year}-01", STATION)} <= {0}


async def test_a_year_that_is_not_announced_yet_is_told_and_says_so(app: Litestar, tmp_path: Path) -> None:
    """Statutory days and weekends count; the notice that is taken in changes the next answer of the running server."""
    lin = await a_duty_auxiliary(app)
    answer = (await lin.get("/v1/hours", month="2027-10")).json()
    assert (False, True) == (answer["announced"], "尚未公布" in answer["note"])
    kinds = {day["day"]: day["kind"] for day in answer["items"][0]["days"]}
    assert ["holiday", "work", "rest"] == [kinds[f"2027-10-{day}"] for day in ("01", "04", "09")]
    report = of_hours(await hours_reads.report("2027-10", STATION), "2027-10")
    assert "not announced" in report.sentence
    notice = tmp_path / "notice.toml"
    notice.write_text('["2027"]\nrest = [2027-10-04]\nwork = [2027-10-09]\nsource = "test"\n')
    notices.keep_in(tmp_path)
    try:
        notices.take_in(tmp_path, 2027, notice)
        answer = (await lin.get("/v1/hours", month="2027-10")).json()
    finally:
        notices.keep_in(None)
    kinds = {day["day"]: day["kind"] for day in answer["items"][0]["days"]}
    assert ["holiday", "rest", "work"] == [kinds[f"2027-10-{day}"] for day in ("01", "04", "09")]
    assert (True, None) == (answer["announced"], answer["note"])


async def test_new_year_makes_no_december_unanswerable(app: Litestar) -> None:
    """A night over New Year: December 2026 is told as announced, and January by what is known."""
    lin = await a_duty_auxiliary(app)
    await by_owner(NEW_YEAR, uuid4(), lin.id, STATION)
    later = datetime(2027, 1, 2, tzinfo=BEIJING)
    december, january = [
        (await service.months([lin.id], month, later))[lin.id] for month in (date(2026, 12, 1), date(2027, 1, 1))
    ]
    assert [timedelta(hours=4), timedelta()] == [december.total("worked"), december.overtime]
    assert [timedelta(hours=8)] * 2 == [january.total("worked"), january.total("holiday")]
    assert [True, False] == [(await lin.get("/v1/hours", month=month)).json()["announced"] for month in MONTHS]


async def test_a_shift_that_only_the_next_check_in_closed_counts_to_the_ceiling(app: Litestar) -> None:
    """80 hours until the next check-in are no 80 hours of work: the month, the shift and the handover say so."""
    lin = await a_duty_auxiliary(app)
    forgotten = recorded(await lin.check_in(at=SUNDAY))["id"]
    last = recorded(await lin.check_in(at=SUNDAY + timedelta(hours=80)))["id"]
    recorded(await lin.check_out(last, at=SUNDAY + timedelta(hours=81)))
    result = await month_of(lin, lin)
    assert (25 * 60, 1, False) == (result["worked_min"], result["capped_shifts"], result["unfinished"])
    rows = {row["id"]: row for row in (await lin.get("/v1/shifts")).json()["items"]}
    assert (SUNDAY + timedelta(hours=24)) == datetime.fromisoformat(rows[forgotten]["counted_until"])
    assert None is rows[last]["counted_until"]
    timeline = (await lin.get(f"/v1/shifts/{forgotten}")).json()
    assert rows[forgotten]["counted_until"] == timeline["shift"]["counted_until"]
    period = {"from": SUNDAY.isoformat(), "to": (SUNDAY + timedelta(days=6)).isoformat()}
    missing = (await lin.get("/v1/handovers", wearer=lin.id, **period)).json()["missing"]
    spans = [datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(row["started_at"]) for row in missing]
    assert [timedelta(hours=24), timedelta(hours=1)] == spans


async def test_what_nobody_ended_and_what_the_next_one_ended_count_alike(app: Litestar) -> None:
    """The check-out that arrives after all counts in full, however long it was."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=SUNDAY))["id"]
    result = await month_of(lin, lin)
    assert (24 * 60, 1) == (result["worked_min"], result["capped_shifts"])
    recorded(await lin.check_in(at=SUNDAY + timedelta(hours=30)))
    await lin.sync(lin.item("shifts/check-out", shift=shift, at=SUNDAY + timedelta(hours=26)))
    result = await month_of(lin, lin)
    assert 1 == result["capped_shifts"]  # the second one, which is open
    assert (24 + 26) * 60 == result["worked_min"]
    assert "capped: 1" in of_hours([msgspec.convert(result, hours_reads.PersonHours)], MONTH).csv()
