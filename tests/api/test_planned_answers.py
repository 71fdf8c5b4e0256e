"""Which shift answers which planned one: the one that fits best by post, start and length, one each (R.29)."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, tx
from backend.rosters import service
from tests.builders import STATION, Someone, a_commander_of, a_duty_auxiliary, ago, codes, now, recorded

FOUND = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL ORDER BY kind"
SOUTH = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
NORTH = SOUTH | {"lat": 30.3741}
HOUR = timedelta(hours=1)


async def planned(chief: Someone, who: Someone, starts: datetime, hours: float, post: str, **fields: Any) -> UUID:
    shift = {"id": uuid4(), "person": who.id, "post": post, "duty_type": "post", "starts_at": starts,
        "ends_at": starts + hours * HOUR}  # fmt: skip
    recorded(await chief.post("/v1/rosters/plan", shifts=[shift | fields]))
    return shift["id"]


async def worked(who: Someone, start: datetime, hours: float | None, post: str | None = None, **fields: Any) -> str:
    """Checked in, and out again after these hours; None: not yet. On any duty of the roster, unless a post is named."""
    answer = await who.check_in(at=start, roster_post=post or "别处", **fields)
    shift = str(recorded(answer)["id"])
    if hours is not None:
        recorded(await who.check_out(shift, at=start + hours * HOUR))
    return shift


async def answers_of(who: Someone) -> dict[str, str | None]:
    """The answers of one's planned shifts, by id."""
    items = (await who.get("/v1/rosters", limit=100)).json()["items"]
    return {row["id"]: row["shift"] for row in items}


async def found(planned_id: UUID) -> list[str]:
    await service.refresh_recent(now())
    return [row["kind"] for row in await fetch(FOUND, planned_id)]


async def test_a_night_answers_its_own_post_and_not_the_next_morning(app: Litestar) -> None:
    """20 to 08 at X was worked 19:55 to 08:05; 08 to 16 at Y was not: absent there, and nobody was off post."""
    lin, chief, evening = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=30)
    night = await planned(chief, lin, evening, 12, "北门", place=SOUTH, radius_m=100)
    morning = await planned(chief, lin, evening + 12 * HOUR, 8, "南门", place=NORTH, radius_m=100)
    shift = await worked(lin, evening - HOUR / 12, 12 + 1 / 6, "北门", place=SOUTH)
    assert {str(night): shift, str(morning): None} == await answers_of(lin)
    assert [[], ["absent"]] == [await found(each) for each in (night, morning)]


async def test_what_only_runs_over_into_a_planned_shift_does_not_answer_it(app: Litestar) -> None:
    """The night was not planned at all; five minutes of it reach into the morning."""
    lin, chief, evening = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=30)
    morning = await planned(chief, lin, evening + 12 * HOUR, 8, "南门")
    await worked(lin, evening - HOUR / 12, 12 + 1 / 6)
    assert {str(morning): None} == await answers_of(lin)
    assert ["absent"] == await found(morning)


async def test_two_posts_and_two_shifts(app: Litestar) -> None:
    """The second check-in is early and reaches back into the first post: each has its own."""
    lin, chief, start = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=20)
    first, second = [await planned(chief, lin, start + hours * HOUR, 4, "南门") for hours in (0, 4)]
    one = await worked(lin, start - HOUR / 6, 3.5)
    two = await worked(lin, start + 3.5 * HOUR, 5)
    assert {str(first): one, str(second): two} == await answers_of(lin)
    assert [[], []] == [await found(each) for each in (first, second)]


async def test_a_check_out_by_mistake_leaves_the_rest_to_the_next_post(app: Litestar) -> None:
    """Checked out after half an hour, in again at once, and on until the end of the next post."""
    lin, chief, start = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=20)
    first, second = [await planned(chief, lin, start + hours * HOUR, 4, "南门") for hours in (0, 4)]
    one = await worked(lin, start - HOUR / 12, 0.5)
    two = await worked(lin, start + HOUR / 2, 7.5)
    assert {str(first): one, str(second): two} == await answers_of(lin)


async def test_the_same_post_comes_before_the_nearer_start(app: Litestar) -> None:
    lin, chief, start = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=20)
    first = await planned(chief, lin, start, 4, "南门")
    second = await planned(chief, lin, start + 4 * HOUR, 4, "北门")
    shift = await worked(lin, start + HOUR, 7, "北门")
    assert {str(first): None, str(second): shift} == await answers_of(lin)
    assert [["absent"], []] == [await found(each) for each in (first, second)]


async def test_a_shift_that_nobody_ended_answers_no_post_of_the_next_days(app: Litestar) -> None:
    """The next check-in, three days later, closed it: what came between was not worked by it."""
    lin, chief, start = await a_duty_auxiliary(app), await a_commander_of(app, STATION), ago(hours=90)
    first, later = [await planned(chief, lin, start + hours * HOUR, 8, "南门") for hours in (0, 48)]
    forgotten = await worked(lin, start, None, "南门")
    assert {str(first): forgotten, str(later): None} == await answers_of(lin)
    await worked(lin, start + 80 * HOUR, 2)
    assert {str(first): forgotten, str(later): None} == await answers_of(lin)
    assert [[], ["absent"]] == [await found(each) for each in (first, later)]


async def test_an_early_check_in_answers_at_once(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    soon = await planned(chief, lin, now() + HOUR / 3, 4, "南门")
    answer = recorded(await lin.check_in(roster_post="南门"))
    assert [] == codes(answer["findings"])
    assert {str(soon): answer["id"]} == await answers_of(lin)


# -- what holds for any plan and any shifts


class Span(NamedTuple):
    """A planned shift or a shift, in minutes from the beginning, at one of a few posts."""

    id: UUID
    start: int
    end: int
    post: str


def some_spans(chance: random.Random, most: int) -> list[Span]:
    """Some that do not overlap, as those of one person."""
    edges = sorted(chance.sample(range(0, 3 * 24 * 60, 5), 2 * chance.randint(1, most)))
    return [
        Span(uuid4(), start, end, chance.choice("南北东"))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]  # fmt: skip


BEGINNING = datetime(2026, 3, 2, tzinfo=UTC)
PLAN = """
INSERT INTO planned_shift (id, person, organ, post, duty_type, starts_at, ends_at)
SELECT id, $5, $6, post, 'post', $7::timestamptz + s * interval '1 minute', $7::timestamptz + e * interval '1 minute'
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[]) AS x(id, s, e, post)
"""
WORK = """
INSERT INTO shift (id, person, organ, duty_type, started_at, ended_at, ended_by, in_force, dress, id_card_carried,
    equipment, roster_post)
SELECT id, $5, $6, 'post', $7::timestamptz + s * interval '1 minute', $7::timestamptz + e * interval '1 minute',
    'check_out', true, 'uniform', true, '{}', post
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[]) AS x(id, s, e, post)
"""
ANSWERS = "SELECT planned, shift FROM planned_answers(ARRAY[$1::uuid], tstzrange($2, $3), '10 min', '24 h')"


class Undone(Exception):
    """Rolls a trial back."""


async def answered(who: Someone, plans: Sequence[Span], shifts: Sequence[Span]) -> dict[UUID, UUID]:
    """Which shift answers which planned one, if these are all there are."""
    answers: dict[UUID, UUID] = {}
    try:
        async with tx():
            for statement, spans in ((PLAN, plans), (WORK, shifts)):
                columns = [list(column) for column in zip(*spans, strict=True)] if spans else [[], [], [], []]
                await execute(statement, *columns, who.id, who.organ, BEGINNING)
            rows = await fetch(ANSWERS, who.id, BEGINNING, BEGINNING + timedelta(days=4))
            answers = {row["planned"]: row["shift"] for row in rows}
            assert len(rows) == len(answers)
            raise Undone
    except Undone:
        return answers


def fit(plan: Span, shift: Span) -> tuple[Any, ...] | None:
    """How badly they fit: less is better; None: not at all."""
    shared = min(plan.end, shift.end) - max(plan.start, shift.start)
    runs_over = shift.end < min(plan.start + 10, plan.end) and shift.start < plan.start - 10
    if shared <= 0 or runs_over:
        return None
    return (plan.post != shift.post, abs(plan.start - shift.start), -shared, plan.id, shift.id)


def fits_of(plans: Iterable[Span], shifts: Iterable[Span]) -> dict[tuple[UUID, UUID], tuple[Any, ...]]:
    pairs = {(plan.id, shift.id): fit(plan, shift) for plan in plans for shift in shifts}
    return {pair: how for pair, how in pairs.items() if how is not None}


@pytest.mark.parametrize("seed", range(25))
async def test_one_answer_each_and_no_pair_that_fits_better(app: Litestar, seed: int) -> None:
    """No shift answers twice; of a pair that fits, one of the two has something that fits at least as well."""
    chance, lin = random.Random(seed), await a_duty_auxiliary(app)  # noqa: S311 - no secret
    plans, shifts = some_spans(chance, 8), some_spans(chance, 8)
    answers, fits = await answered(lin, plans, shifts), fits_of(plans, shifts)
    assert len({*answers.values()}) == len(answers)
    assert {*answers.items()} <= {*fits}
    by_plan = {plan: fits[plan, shift] for plan, shift in answers.items()}
    by_shift = {shift: fits[plan, shift] for plan, shift in answers.items()}
    for (plan, shift), how in fits.items():
        assert min(by_plan.get(plan, (2,)), by_shift.get(shift, (2,))) <= how


@pytest.mark.parametrize("seed", range(25))
async def test_one_shift_more_makes_no_answer_worse(app: Litestar, seed: int) -> None:
    """What comes in late never takes an answer away; without it, no other planned shift is better off."""
    chance, lin = random.Random(1000 + seed), await a_duty_auxiliary(app)  # noqa: S311 - no secret
    plans, shifts = some_spans(chance, 8), some_spans(chance, 8)
    fits = fits_of(plans, shifts)
    everything = await answered(lin, plans, shifts)
    for left_out in shifts:
        fewer = await answered(lin, plans, [shift for shift in shifts if shift is not left_out])
        for plan, shift in fewer.items():
            assert plan in everything
            assert fits[plan, everything[plan]] <= fits[plan, shift]
