"""Check-in and check-out (R.7, R.32): one shift in force at a time, whatever the order of arrival."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend.core.database import fetch, value
from backend.core.findings import MAY_BE_TOUCHED
from backend.core.standing import Claim, Standing, settle
from tests.builders import (
    Someone,
    a_civilian_auxiliary,
    a_clerk,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_officer,
    codes,
    now,
    recorded,
    refused,
)

DAWN = datetime(2026, 3, 1, tzinfo=UTC)


async def standings_of(person: Someone) -> list[Standing]:
    rows = await fetch("SELECT * FROM shift WHERE person = $1 ORDER BY started_at, id", person.id)
    return [Standing(row["id"], row["started_at"], row["ended_at"], row["ended_by"], row["in_force"]) for row in rows]


async def findings_of(person: Someone, kind: str | None = None) -> list[str]:
    """The kinds of findings that stand, without those about late entries."""
    sql = """SELECT kind FROM finding WHERE person = $1 AND withdrawn_at IS NULL AND kind = coalesce($2, kind)
        AND kind <> 'told_late'"""
    return sorted(row["kind"] for row in await fetch(sql, person.id, kind))


async def test_a_shift_runs_from_check_in_to_check_out(app: Litestar) -> None:
    """R.7: the record says when an auxiliary was on duty."""
    lin = await a_duty_auxiliary(app)
    begun, over = ago(hours=8), ago(seconds=5)
    shift = recorded(await lin.check_in(at=begun))["id"]
    receipt = recorded(await lin.check_out(shift, at=over))
    answer = receipt["shift"]
    assert (shift, True, []) == (answer["id"], answer["in_force"], receipt["findings"])
    assert [Standing(UUID(shift), begun, over, "check_out", True)] == await standings_of(lin)


async def test_a_civilian_auxiliary_checks_in_too(app: Litestar) -> None:
    """R.2: two kinds of auxiliary, both under command."""
    chen = await a_civilian_auxiliary(app)
    assert recorded(await chen.check_in(duty_type="window"))["shift"]["in_force"]


@pytest.mark.parametrize("who", [an_officer, a_clerk])
async def test_nobody_else_checks_in(app: Litestar, who: Any) -> None:
    """A shift is an auxiliary's."""
    somebody = await who(app)
    refused(await somebody.check_in(), 403, "not_for_your_role")
    refused(await somebody.check_out(uuid4()), 403, "not_for_your_role")


async def test_every_field_of_a_check_in_is_stored(app: Litestar) -> None:
    """Dress, equipment, vehicle, order and place are facts of the duty."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    place = {"lat": 30.5, "lon": 120.25, "accuracy_m": 5.0, "datum": "GCJ02"}
    body = {"equipment": ["执法记录仪", "警棍"], "vehicle": "浙A·1234警", "ordered_by": zhao.id, "place": place}
    shift = recorded(await lin.check_in(**body, roster_post=None, dress="plain", dress_reason="便衣反扒"))["id"]
    (row,) = await fetch("SELECT *, place->>'datum' AS datum FROM shift WHERE id = $1", UUID(shift))
    assert (["执法记录仪", "警棍"], "浙A·1234警", zhao.id) == (row["equipment"], row["vehicle"], row["ordered_by"])
    assert ("plain", "便衣反扒", "GCJ02") == (row["dress"], row["dress_reason"], row["datum"])


async def test_plain_clothes_need_a_reason(app: Litestar) -> None:
    """R.32: plain clothes only where needed; live or late, that is a matter of form."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.check_in(dress="plain"), 422, "dress_reason_missing")
    refused(await lin.check_in(dress="plain", at=ago(hours=2)), 422, "dress_reason_missing")


async def test_in_plain_clothes_the_work_id_is_carried(app: Litestar) -> None:
    """R.32, and a refusal that names its article."""
    lin = await a_duty_auxiliary(app)
    answer = await lin.check_in(dress="plain", dress_reason="便衣", id_card_carried=False)
    assert "32" == refused(answer, 409, "plain_without_id_card")["article"]


async def test_a_duty_has_somebody_who_ordered_it(app: Litestar) -> None:
    """R.7: an officer or a post of the roster."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    refused(await lin.check_in(roster_post=None), 409, "not_ordered")
    recorded(await lin.check_in(roster_post=None, ordered_by=zhao.id))


@pytest.mark.parametrize("who", [a_duty_auxiliary, a_clerk])
async def test_only_an_officer_orders_a_duty(app: Litestar, who: Any) -> None:
    """A colleague is no officer."""
    lin, other = await a_duty_auxiliary(app), await who(app)
    refused(await lin.check_in(ordered_by=other.id), 422, "not_an_officer")
    refused(await lin.check_in(ordered_by=uuid4()), 422, "not_an_officer")


async def test_a_forgotten_check_out_is_closed_by_the_next_check_in(app: Litestar) -> None:
    """With a finding, which goes away when the check-out arrives after all."""
    lin = await a_duty_auxiliary(app)
    first = recorded(await lin.check_in(at=ago(hours=23)))["id"]
    begun = ago(hours=6)
    second = recorded(await lin.check_in(at=begun))
    assert [] == second["findings"], "the new shift is as it should be"
    assert (begun, "next") == ((await standings_of(lin))[0].end, (await standings_of(lin))[0].ended_by)
    assert ["not_checked_out"] == await findings_of(lin)
    timeline = (await lin.get(f"/v1/shifts/{first}")).json()
    assert ["not_checked_out"] == [found["kind"] for found in timeline["findings"]]

    left = ago(hours=22)
    assert [] == recorded(await lin.check_out(first, at=left))["findings"]
    assert (left, "check_out") == ((await standings_of(lin))[0].end, (await standings_of(lin))[0].ended_by)
    assert [] == await findings_of(lin)
    assert 1 == await value(
        "SELECT count(*) FROM finding WHERE subject = $1 AND withdrawn_at IS NOT NULL", UUID(first)
    ), "withdrawn, never deleted"


async def test_a_check_out_after_the_next_check_in_makes_the_later_one_contested(app: Litestar) -> None:
    """Two shifts overlap: the earlier one is in force, the other waits for a person."""
    lin = await a_duty_auxiliary(app)
    first = recorded(await lin.check_in(at=ago(hours=10)))["id"]
    second = recorded(await lin.check_in(at=ago(hours=6)))["id"]
    receipt = recorded(await lin.check_out(first, at=ago(hours=4)))
    assert receipt["shift"]["in_force"]
    assert [True, False] == [standing.in_force for standing in await standings_of(lin)]
    assert ["contested"] == await findings_of(lin)
    assert ["contested"] == [f["kind"] for f in (await lin.get(f"/v1/shifts/{second}")).json()["findings"]]


async def test_a_late_check_in_inside_another_shift_is_contested(app: Litestar) -> None:
    """Its receipt says so at once."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=ago(hours=10)))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=2)))
    receipt = recorded(await lin.check_in(at=ago(hours=5)))
    assert (False, ["contested"]) == (receipt["shift"]["in_force"], codes(receipt["findings"]))


async def test_a_late_check_in_before_an_open_shift_is_closed_by_it(app: Litestar) -> None:
    """A phone that was offline yesterday sends its queue: today's shift stands."""
    lin = await a_duty_auxiliary(app)
    begun = ago(hours=4)
    recorded(await lin.check_in(at=begun))
    receipt = recorded(await lin.check_in(at=ago(hours=20)))
    assert (True, ["not_checked_out"]) == (receipt["shift"]["in_force"], codes(receipt["findings"]))
    assert [begun, None] == [standing.end for standing in await standings_of(lin)]


@pytest.mark.parametrize(
    ("fact", "kind"), [("act", "not_on_shift"), ("naming", "not_on_shift"), ("footage", "handed_over_late")]
)
async def test_what_came_before_its_shift_is_judged_anew_with_it(app: Litestar, fact: str, kind: str) -> None:
    """A late check-in looks for acts, namings and footage of its time, and for nothing where there is none."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    told = {
        "act": lambda: lin.starts("10.3.question", at=ago(hours=29)),
        "naming": lambda: lin.names(zhao, at=ago(hours=29)),
        "footage": lambda: lin.declare(started_at=ago(hours=29), ended_at=ago(hours=28)),
    }
    subject = recorded(await told[fact]())["id"]
    standing = "SELECT count(*) FROM finding WHERE subject = $1 AND kind = $2 AND withdrawn_at IS NULL"
    assert 1 == await value(standing, UUID(subject), kind)
    recorded(await lin.check_in(at=ago(hours=30)))
    assert 0 == await value(standing, UUID(subject), kind)


async def test_findings_are_looked_for_of_whoever_led_too(app: Litestar) -> None:
    """Who was named, and whom they named; not of somebody who did nothing since."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    asked = f"SELECT {MAY_BE_TOUCHED.format(who='$1::uuid', within='tstzrange($2, NULL)')}"
    others = [await a_duty_auxiliary(app), await an_officer(app)]
    assert [True, True, False, False] == [await value(asked, each.id, ago(hours=1)) for each in (lin, zhao, *others)]


@pytest.mark.parametrize("after", [[], ["check_out"]])
async def test_a_finding_follows_its_shift_when_one_shift_alone_changes(app: Litestar, after: list[str]) -> None:
    """It stands with the new end, or is withdrawn."""
    lin = await a_duty_auxiliary(app)
    first = recorded(await lin.check_in(at=ago(hours=9)))["id"]
    recorded(await lin.check_in(at=ago(hours=3)))
    sooner = ago(hours=6)
    recorded(await lin.check_in(at=sooner))
    if after:
        recorded(await lin.check_out(first, at=ago(hours=7)))
    rows = await fetch("SELECT ended_at, withdrawn_at FROM finding WHERE subject = $1", UUID(first))
    assert [(sooner, bool(after))] == [(row["ended_at"], row["withdrawn_at"] is not None) for row in rows]


async def test_a_second_live_check_out_is_refused(app: Litestar) -> None:
    """Live, a second check-out is a mistake; late, the earlier of two counts."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=ago(hours=8)))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=1)))
    refused(await lin.check_out(shift), 409, "already_checked_out")
    refused(await lin.check_out(shift, despite={"why": "确实现在才走"}), 409, "already_checked_out")
    earlier = ago(hours=2)
    recorded(await lin.check_out(shift, at=earlier))
    assert [earlier] == [standing.end for standing in await standings_of(lin)]


async def test_a_check_out_before_the_check_in_ends_it_when_it_was_received(app: Litestar) -> None:
    """A shift does not end before it begins, late or not: the clock was wrong, and a finding says so."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=ago(hours=1)))["id"]
    answer = recorded(await lin.check_out(shift, at=ago(hours=2)))
    assert ["clock_doubtful"] == codes(answer["findings"])
    assert answer["received_at"] == answer["shift"]["ended_at"]


async def test_another_persons_shift_is_unknown_at_check_out(app: Litestar) -> None:
    """A colleague's shift is unknown, like one that does not exist."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    shift = recorded(await lin.check_in())["id"]
    refused(await zhu.check_out(shift), 404, "unknown_shift")
    refused(await lin.check_out(uuid4()), 404, "unknown_shift")


async def test_a_shift_of_no_length_is_no_harm(app: Litestar) -> None:
    """Checked in by mistake and out again at once."""
    lin = await a_duty_auxiliary(app)
    moment = ago(minutes=3)
    shift = recorded(await lin.check_in(at=moment))["id"]
    recorded(await lin.check_out(shift, at=moment))
    recorded(await lin.check_in(at=moment + timedelta(seconds=1)))
    assert [True, True] == [standing.in_force for standing in await standings_of(lin)]
    assert [] == await findings_of(lin)


async def test_the_organ_of_a_shift_is_the_organ_of_that_day(app: Litestar) -> None:
    """A person who moves to another station leaves old shifts with the old organ."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in())["id"]
    assert lin.organ == (await lin.get(f"/v1/shifts/{shift}")).json()["shift"]["organ"]


# Facts of one night, sent in any order

Night = list[tuple[str, UUID, UUID, datetime]]


def a_night(hours: list[tuple[int, int | None]]) -> Night:
    """Check-ins and check-outs at these hours: (what, its id, the shift, when)."""
    entries: Night = []
    for begin, length in hours:
        shift = uuid4()
        entries.append(("in", shift, shift, DAWN + timedelta(hours=begin)))
        if length is not None:
            entries.append(("out", uuid4(), shift, DAWN + timedelta(hours=begin + length)))
    return entries


def in_any_order(night: Night) -> list[Night]:
    """Every order in which a check-out follows its check-in: a phone sends its queue in order."""
    return [
        list(order)
        for order in itertools.permutations(night)
        if all(order.index(fact) > [each[1] for each in order].index(fact[2]) for fact in order if fact[0] == "out")
    ]


async def tell(lin: Someone, night: Night) -> None:
    for what, fact, shift, at in night:
        moved = {"id": UUID(int=fact.int ^ lin.id.int), "at": at}
        if what == "in":
            recorded(await lin.check_in(**moved))
        else:
            recorded(await lin.check_out(UUID(int=shift.int ^ lin.id.int), **moved))


def settled(night: Night) -> list[tuple[Any, ...]]:
    """The rows that follow from all the facts at once."""
    ends: dict[UUID, datetime] = {}
    for what, _, shift, at in night:
        if what == "out":
            ends[shift] = min(at, ends.get(shift, at))
    claims = [
        Claim(shift, at, ends.get(shift), "check_out" if shift in ends else None)
        for what, _, shift, at in night
        if what == "in"
    ]
    return sorted((s.start, s.end, s.ended_by, s.in_force) for s in settle(claims))


async def stands(lin: Someone) -> list[tuple[Any, ...]]:
    return sorted((s.start, s.end, s.ended_by, s.in_force) for s in await standings_of(lin))


def wrong(standings: list[tuple[Any, ...]]) -> list[str]:
    """The findings that follow from standings."""
    contested = ["contested" for *_, in_force in standings if not in_force]
    forgotten = ["not_checked_out" for *_, ended_by, in_force in standings if in_force and ended_by == "next"]
    return sorted(contested + forgotten)


@pytest.mark.parametrize(
    "hours", [[(0, None), (4, 4), (6, None)], [(0, 8), (4, None), (6, 1)], [(0, None), (2, None), (4, None)]]
)
async def test_every_order_of_arrival_ends_in_the_same_rows(app: Litestar, hours: list[tuple[int, int | None]]) -> None:
    """Which phone found a network first must not change the record of a night."""
    night = a_night(hours)
    for order in in_any_order(night):
        lin = await a_duty_auxiliary(app)
        await tell(lin, order)
        assert settled(night) == await stands(lin)
        assert wrong(settled(night)) == await findings_of(lin)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # shrinking a night through a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    hours=st.lists(
        st.tuples(st.integers(0, 12), st.none() | st.integers(0, 6)), min_size=1, max_size=5, unique_by=lambda x: x[0]
    ),
    seed=st.integers(0, 2**32),
)
async def test_a_random_night_in_any_order_ends_in_the_settled_rows(
    app: Litestar, hours: list[tuple[int, int | None]], seed: int
) -> None:
    """What the database keeps, fact by fact, is what the rule says of all facts together."""
    night = a_night(hours)
    order = list(night)
    random.Random(seed).shuffle(order)  # noqa: S311 - drawn beforehand: nothing is drawn on the loop
    order.sort(key=lambda fact: fact[0])  # check-ins in any order, then check-outs in any order
    lin = await a_duty_auxiliary(app)
    await tell(lin, order)
    assert settled(night) == await stands(lin)
    assert wrong(settled(night)) == await findings_of(lin)


async def test_a_long_history_stays_quick_to_add_to(app: Litestar) -> None:
    """Only shifts around the new one are read, not those of last year."""
    lin = await a_duty_auxiliary(app)
    for days in (30, 20, 10):
        shift = recorded(await lin.check_in(at=ago(days=days)))["id"]
        recorded(await lin.check_out(shift, at=ago(days=days) + timedelta(hours=8)))
    recorded(await lin.check_in(at=now()))
    assert [True] * 4 == [standing.in_force for standing in await standings_of(lin)]
