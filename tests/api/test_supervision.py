"""Who leads (R.10): named, answered, ended, handed over; one leading officer at a time, whatever the order."""

import itertools
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import fetch, first, value
from tests.builders import (
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_officer,
    codes,
    moment,
    now,
    recorded,
    refused,
    somebody,
)

MINUTE = timedelta(minutes=1)


async def on_shift(app: Litestar, **span: float) -> tuple[Someone, Someone, datetime]:
    """Lin on shift since `span` ago, Zhao near, and that moment."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    since = ago(**(span or {"minutes": 40}))
    recorded(await lin.check_in(at=since))
    return lin, zhao, since


async def row_of(supervision: str) -> Any:
    return await first("SELECT * FROM supervision WHERE id = $1", UUID(supervision))


async def led(lin: Someone) -> list[tuple[UUID, bool, Any, Any]]:
    """Leading as it counts: officer, confirmed, and the ends of each stretch."""
    sql = """SELECT officer, confirmed, lower(x) AS lower, upper(x) AS upper FROM led, unnest(during) AS x
        WHERE auxiliary = $1 ORDER BY lower(x)"""
    return [tuple(row) for row in await fetch(sql, lin.id)]


async def test_naming_and_confirming_says_who_led(app: Litestar) -> None:
    """R.10: a named officer leads, from the naming on."""
    lin, zhao, since = await on_shift(app)
    receipt = recorded(await lin.names(zhao, at=since + MINUTE))
    payload = receipt["supervision"]
    assert (str(lin.id), str(zhao.id), None, None) == (
        payload["auxiliary"], payload["officer"], payload["answer"], payload["leads_from"],
    )  # fmt: skip
    answer = recorded(await zhao.answer("confirm", receipt["id"], at=since + 2 * MINUTE))
    assert ("confirmed", []) == (answer["supervision"]["answer"], answer["findings"])
    assert since + MINUTE == moment(answer["supervision"]["leads_from"])
    assert [(zhao.id, True, since + MINUTE, None)] == await led(lin)


async def test_leading_begins_later_if_the_officer_states_it(app: Litestar) -> None:
    """The officer came ten minutes after being named."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    came = since + 10 * MINUTE
    answer = recorded(await zhao.answer("confirm", naming, at=since + 15 * MINUTE, leads_from=came))
    assert came == moment(answer["supervision"]["leads_from"])
    assert [(zhao.id, True, came, None)] == await led(lin)


async def test_leading_never_begins_before_the_naming(app: Litestar) -> None:
    """Whatever the officer says."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since + MINUTE))["id"]
    answer = recorded(await zhao.answer("confirm", naming, leads_from=since - 60 * MINUTE))
    assert since + MINUTE == moment(answer["supervision"]["leads_from"])


async def test_leading_never_begins_after_the_confirmation(app: Litestar) -> None:
    """An officer cannot confirm the future: their clock is ahead, and the leading begins with the answer."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    answer = recorded(await zhao.answer("confirm", naming, leads_from=now() + 10 * MINUTE))
    assert (await row_of(naming))["leads_from"] <= now()
    assert "clock_doubtful" in codes(answer["findings"])


async def test_an_officer_whose_clock_is_a_second_ahead_may_say_that_they_lead_from_now(app: Litestar) -> None:
    """A second is the network's, not the clock's: `leads_from` equal to `occurred_at` is not ahead of it."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    ahead = now() + timedelta(seconds=1)
    recorded(await zhao.answer("confirm", naming, at=ahead, sent_at=ahead, leads_from=ahead))


async def test_leads_from_is_corrected_with_the_clock(app: Litestar) -> None:
    """The officer's phone is a day behind: both of its times move."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    day, came = timedelta(days=1), since + 10 * MINUTE
    body = {"at": now() - day, "sent_at": now() - day, "leads_from": came - day}
    answer = recorded(await zhao.answer("confirm", naming, **body))
    assert abs(moment(answer["supervision"]["leads_from"]) - came) < timedelta(seconds=2)


@pytest.mark.parametrize("far", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
async def test_a_leads_from_out_of_range_is_never_a_server_error(app: Litestar, far: str) -> None:
    """Too early counts as the naming, too late as the answer."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    behind = ago(hours=9)
    answer = await zhao.answer("confirm", naming, at=behind, sent_at=behind, leads_from=far)
    assert "clock_doubtful" in codes(recorded(answer)["findings"])


async def test_an_officer_declines(app: Litestar) -> None:
    """The record shows that nobody led."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    answer = recorded(await zhao.answer("decline", naming, at=since + MINUTE))["supervision"]
    assert ("declined", None, since + MINUTE) == (answer["answer"], answer["leads_from"], moment(answer["ended_at"]))
    assert [] == await led(lin)
    assert "decline" == (await row_of(naming))["ended_by"]


async def test_an_unanswered_naming_stands_as_unconfirmed(app: Litestar) -> None:
    """Work goes on without the answer, and the record does not call it confirmed."""
    lin, zhao, since = await on_shift(app)
    recorded(await lin.names(zhao, at=since))
    assert [(zhao.id, False, since, None)] == await led(lin)


async def test_an_answer_after_half_an_hour_counts_and_is_a_finding(app: Litestar) -> None:
    """R.10 asks who led, not when it was typed."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    answer = recorded(await zhao.answer("confirm", naming))
    assert ["confirmed_late"] == codes(answer["findings"])
    assert [(zhao.id, True, since, None)] == await led(lin)
    assert zhao.id == await value("SELECT person FROM finding WHERE subject = $1", UUID(naming))


async def test_the_finding_goes_when_the_earlier_answer_arrives(app: Litestar) -> None:
    """The officer had answered in time, on another phone without a network."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    recorded(await zhao.answer("confirm", naming))
    recorded(await zhao.answer("confirm", naming, at=since + MINUTE))
    assert since + MINUTE == (await row_of(naming))["answered_at"]
    assert 0 == await value("SELECT count(*) FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", UUID(naming))


async def test_an_auxiliary_has_one_leading_officer_at_a_time(app: Litestar) -> None:
    """Naming another says that the first no longer leads."""
    lin, zhao, since = await on_shift(app)
    wu = await an_officer(app, name="吴警官")
    one = recorded(await lin.names(zhao, at=since))["id"]
    recorded(await zhao.answer("confirm", one, at=since + MINUTE))
    other = recorded(await lin.names(wu, at=since + 10 * MINUTE))["id"]
    recorded(await wu.answer("confirm", other, at=since + 11 * MINUTE))
    change = since + 10 * MINUTE
    assert [(zhao.id, True, since, change), (wu.id, True, change, None)] == await led(lin)
    assert "next" == (await row_of(one))["ended_by"]


async def test_an_officer_leads_many(app: Litestar) -> None:
    """One officer, a whole patrol."""
    zhao = await an_officer(app)
    for _ in range(3):
        lin = await a_duty_auxiliary(app)
        recorded(await lin.check_in())
        naming = recorded(await lin.names(zhao))["id"]
        recorded(await zhao.answer("confirm", naming))
        assert [True] == [confirmed for _, confirmed, *_ in await led(lin)]


@pytest.mark.parametrize("who", ["officer", "auxiliary"])
async def test_the_officer_or_the_auxiliary_ends_the_leading(app: Litestar, who: str) -> None:
    """The officer leaves, or the auxiliary's task is done."""
    lin, zhao, _, naming = await a_led_patrol(app)
    over = ago(minutes=5)
    by = zhao if who == "officer" else lin
    answer = recorded(await by.answer("end", naming, at=over))["supervision"]
    assert over == moment(answer["ended_at"])
    assert [over] == [upper for *_, upper in await led(lin)]
    refused(await by.answer("end", naming), 409, "already_ended")


async def test_the_earlier_of_two_ends_counts(app: Litestar) -> None:
    """Both report the end; the later one arrives first."""
    lin, zhao, _, naming = await a_led_patrol(app)
    recorded(await zhao.answer("end", naming, at=ago(minutes=2)))
    earlier = ago(minutes=9)
    recorded(await lin.answer("end", naming, at=earlier))
    assert earlier == (await row_of(naming))["ended_at"]


async def test_nothing_ends_before_it_began(app: Litestar) -> None:
    """End, hand-over and answer lie after the naming, late or not: a clock was wrong, and a finding says so."""
    lin, zhao, since = await on_shift(app)
    wu = await an_officer(app)
    naming = recorded(await lin.names(zhao, at=since + MINUTE))["id"]
    before = since - MINUTE
    for answer in (
        await zhao.answer("confirm", naming, at=before),
        await zhao.hand_over(naming, wu, at=before),
        await lin.answer("end", naming, at=before),
        await zhao.answer("decline", (await lin.names(zhao)).json()["id"], at=before),
    ):
        assert "clock_doubtful" in codes(recorded(answer)["findings"])
    row = await row_of(naming)
    assert since + MINUTE == row["started_at"] == row["leads_from"] < row["ended_at"]


async def test_leading_is_handed_over(app: Litestar) -> None:
    """The first leads until then; the other is named and confirms."""
    lin, zhao, _, naming = await a_led_patrol(app)
    wu, change = await an_officer(app, name="吴警官"), ago(minutes=10)
    answer = recorded(await zhao.hand_over(naming, wu, at=change))
    new = answer["supervision"]
    assert (answer["id"], str(wu.id), None, str(lin.id)) == (new["id"], new["officer"], new["answer"], new["auxiliary"])
    recorded(await wu.answer("confirm", new["id"], at=change + MINUTE))
    assert [(zhao.id, change), (wu.id, None)] == [(officer, upper) for officer, _, _, upper in await led(lin)]
    assert UUID(naming) == (await row_of(new["id"]))["handed_over_from"]
    refused(await zhao.hand_over(naming, wu), 409, "already_ended")


async def test_leading_is_handed_to_another_officer_only(app: Litestar) -> None:
    """Not to oneself, not to an auxiliary, not to nobody, and not by the auxiliary."""
    lin, zhao, _, naming = await a_led_patrol(app)
    refused(await zhao.hand_over(naming, zhao), 422, "handed_to_oneself")
    refused(await zhao.hand_over(naming, lin), 422, "not_an_officer")
    refused(await zhao.answer("hand-over", naming, officer=uuid4()), 422, "not_an_officer")
    refused(await lin.hand_over(naming, zhao), 403, "not_for_your_role")
    assert (await row_of(naming))["ended_at"] is None


async def test_only_the_named_officer_answers(app: Litestar) -> None:
    """Confirming for another officer is refused, whatever the reason."""
    lin, zhao, since = await on_shift(app)
    wu, sun = await an_officer(app), await a_commander_of(app, STATION)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    for verb in ("confirm", "decline"):
        refused(await wu.answer(verb, naming), 404, "unknown_supervision")
        refused(await sun.answer(verb, naming), 403, "not_the_named_officer")
        refused(await lin.answer(verb, naming), 403, "not_for_your_role")
    refused(await wu.hand_over(naming, wu), 404, "unknown_supervision")
    refused(await sun.hand_over(naming, wu), 403, "not_the_named_officer")
    refused(await wu.answer("end", naming), 404, "unknown_supervision")
    assert (await row_of(naming))["answer"] is None


@pytest.mark.parametrize("verb", ["confirm", "decline", "end", "hand-over"])
async def test_an_unknown_naming_is_refused_by_name(app: Litestar, verb: str) -> None:
    """It may not have arrived yet: the answer names it."""
    zhao = await an_officer(app)
    result = {"officer": uuid4()} if verb == "hand-over" else {}
    refused(await zhao.answer(verb, uuid4(), **result), 404, "unknown_supervision")


async def test_a_second_live_answer_is_refused(app: Litestar) -> None:
    """Live, a second answer is refused; late, the earlier of two counts."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    recorded(await zhao.answer("confirm", naming, at=since + 5 * MINUTE))
    refused(await zhao.answer("confirm", naming), 409, "already_answered")
    refused(await zhao.answer("decline", naming), 409, "already_answered")
    recorded(await zhao.answer("decline", naming, at=since + 10 * MINUTE))
    assert "confirmed" == (await row_of(naming))["answer"]
    recorded(await zhao.answer("decline", naming, at=since + MINUTE))
    row = await row_of(naming)
    assert ("declined", None, since + MINUTE) == (row["answer"], row["leads_from"], row["ended_at"])


async def test_an_ended_naming_can_be_confirmed_but_not_declined(app: Litestar) -> None:
    """The officer may confirm afterwards; declining an ended naming is refused."""
    lin, zhao, since = await on_shift(app)
    naming = recorded(await lin.names(zhao, at=since))["id"]
    recorded(await lin.answer("end", naming, at=since + 5 * MINUTE))
    refused(await zhao.answer("decline", naming), 409, "already_ended")
    recorded(await zhao.answer("confirm", naming))
    assert [(zhao.id, True, since, since + 5 * MINUTE)] == await led(lin)


@pytest.mark.parametrize("who", [a_duty_auxiliary, a_clerk])
async def test_only_an_officer_in_service_is_named(app: Litestar, who: Any) -> None:
    """R.10: an officer leads; a colleague, a clerk, a stranger, oneself and a retired officer do not."""
    lin, _, since = await on_shift(app)
    other = await who(app)
    for named in (other.id, lin.id, uuid4()):
        refused(await lin.post("/v1/supervisions/name", officer=named), 422, "not_an_officer")
    assert 0 == await value("SELECT count(*) FROM supervision WHERE auxiliary = $1", lin.id)
    assert since


async def test_an_officer_who_has_left_is_not_named(app: Litestar) -> None:
    """Service has a last day."""
    lin, zhao, _ = await on_shift(app)
    from backend.people import roster
    from tests.builders import rows_of

    yesterday = (now() - timedelta(days=1, hours=8)).date()
    await roster.bring_in(rows_of(zhao.badge, zhao.name, "officer", STATION, [], valid_until=yesterday))
    refused(await lin.names(zhao), 422, "not_an_officer")


async def test_officers_and_clerks_name_nobody(app: Litestar) -> None:
    """Only an auxiliary names."""
    zhao, clerk = await an_officer(app), await somebody(app, "staff")
    refused(await zhao.names(zhao), 403, "not_for_your_role")
    refused(await clerk.names(zhao), 403, "not_for_your_role")


async def test_an_auxiliary_off_duty_is_not_led(app: Litestar) -> None:
    """R.7: check in first. With `despite`, or late, the naming is recorded with its finding but does not count."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    refused(await lin.names(zhao), 409, "not_on_shift")
    assert ["not_on_shift"] == codes(recorded(await lin.names(zhao, despite={"why": "终端刚换"}))["findings"])
    assert ["not_on_shift"] == codes(recorded(await lin.names(zhao, at=ago(hours=2)))["findings"])
    assert [] == await led(lin)


async def test_a_naming_counts_once_its_shift_arrives(app: Litestar) -> None:
    """The check-in was still on another phone."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    naming = recorded(await lin.names(zhao, at=ago(hours=1)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=50)))
    recorded(await lin.check_in(at=ago(hours=2)))
    assert [True] == [confirmed for _, confirmed, *_ in await led(lin)]


async def test_check_out_bounds_leading(app: Litestar) -> None:
    """After check-out nobody leads, whether or not the leading was ended."""
    lin, zhao, shift, _ = await a_led_patrol(app)
    left = ago(minutes=5)
    recorded(await lin.check_out(shift, at=left))
    assert [(zhao.id, left)] == [(officer, upper) for officer, _, _, upper in await led(lin)]
    again = ago(minutes=2)
    recorded(await lin.check_in(at=again))
    naming = recorded(await lin.names(zhao))["id"]
    recorded(await zhao.answer("decline", naming))
    assert all(upper is not None for *_, upper in await led(lin))


async def test_leading_does_not_go_on_in_the_next_shift(app: Litestar) -> None:
    """Check-out bounds it: tomorrow's officer is named tomorrow."""
    lin, zhao, shift, _ = await a_led_patrol(app, hours=20)
    left = ago(hours=12)
    recorded(await lin.check_out(shift, at=left))
    recorded(await lin.check_in(at=ago(hours=2)))
    assert [(zhao.id, left)] == [(officer, upper) for officer, _, _, upper in await led(lin)]


async def test_a_contested_shift_is_led_by_nobody(app: Litestar) -> None:
    """A contested shift does not count, so nobody leads in it."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    shift = recorded(await lin.check_in(at=ago(hours=10)))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=8)))
    recorded(await lin.check_in(at=ago(hours=9)))
    naming = recorded(await lin.names(zhao, at=ago(hours=5)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(hours=4)))
    assert [] == await led(lin)


async def test_two_namings_at_one_moment_leave_one_contested(app: Litestar) -> None:
    """The smaller id is in force, and the other is flagged."""
    lin, zhao, since = await on_shift(app)
    wu = await an_officer(app)
    ids = sorted([uuid4(), uuid4()], key=lambda each: each.int)
    recorded(await lin.names(zhao, at=since, id=ids[1]))
    recorded(await lin.names(wu, at=since, id=ids[0]))
    assert (True, False) == ((await row_of(str(ids[0])))["in_force"], (await row_of(str(ids[1])))["in_force"])
    assert "contested" == await value("SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", ids[1])


FACTS = ("confirm", "end", "next", "late answer")


async def _tell(fact: str, lin: Someone, zhao: Someone, wu: Someone, naming: str, since: datetime) -> None:
    if fact == "confirm":
        recorded(await zhao.answer("confirm", naming, at=since + 2 * MINUTE, leads_from=since + MINUTE))
    elif fact == "end":
        recorded(await lin.answer("end", naming, at=since + 9 * MINUTE))
    elif fact == "next":
        recorded(await lin.names(wu, at=since + 5 * MINUTE))
    else:
        recorded(await zhao.answer("decline", naming, at=since + 12 * MINUTE))


KEPT = "SELECT started_at, ended_at, ended_by, in_force, answer, answered_at, leads_from FROM supervision"


async def test_every_order_of_arrival_ends_in_the_same_rows(app: Litestar) -> None:
    """Answer, end, another naming, and a second answer: twenty-four orders, one record."""
    zhao, wu = await an_officer(app), await an_officer(app, name="吴警官")
    since, seen = ago(hours=3), set()
    for order in itertools.permutations(FACTS):
        lin = await a_duty_auxiliary(app)
        recorded(await lin.check_in(at=since))
        naming = recorded(await lin.names(zhao, at=since))["id"]
        for fact in order:
            await _tell(fact, lin, zhao, wu, naming, since)
        rows = await fetch(f"{KEPT} WHERE auxiliary = $1 ORDER BY started_at", lin.id)
        seen.add(tuple(tuple(row) for row in rows))
    assert 1 == len(seen)
    first_naming = next(iter(seen))[0]
    assert (since, since + 5 * MINUTE, "next", True, "confirmed", since + 2 * MINUTE, since + MINUTE) == first_naming


async def test_an_officer_who_both_declines_and_confirms_is_a_finding(app: Litestar) -> None:
    """The earlier answer counts, and the contradiction is a finding."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=2)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=90)))["id"]
    recorded(await zhao.answer("decline", naming, at=ago(minutes=80)))
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=89)))
    found = (await zhao.get("/v1/findings", kind="answered_twice")).json()["items"]
    assert [naming] == [one["subject"] for one in found]
