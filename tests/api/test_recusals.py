"""Recusals (R.33): who may ask, who decides, and what follows for the work."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from backend.core import findings
from backend.core.database import execute, value
from backend.core.days import until
from backend.core.journal import utc
from backend.law.catalogue import law, use
from backend.recusals import service
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_check_in,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
    trained,
)
from tests.databases import by_owner

WHY = {"ground": "interest", "words": "与对方合伙经营"}
TABLES = "SELECT count(*) FROM finding WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"


def a_case() -> str:
    return f"A{uuid4().int % 10**16:016}"


async def declared(lin: Someone, case: str, **fields: Any) -> str:
    body = {"case_ref": case, "case_kind": "administrative", "ground": "party_or_relative", "words": "当事人是我表弟"}
    return str(recorded(await lin.post("/v1/recusals/declare", **(body | fields)))["id"])


async def applied(officer: Someone, lin: Someone, case: str, **fields: Any) -> str:
    body = {
        "person": lin.id, "case_ref": case, "case_kind": "administrative", "applicant": "王某", "capacity": "party",
        "ground": "interest", "words": "称其与对方合伙经营", "oral": True,
    }  # fmt: skip
    return str(recorded(await officer.post("/v1/recusals/apply", **(body | fields)))["id"])


async def step(who: Someone, verb: str, recusal: str, version: int, **fields: Any) -> httpx.Response:
    return await who.post(f"/v1/recusals/{verb}", recusal=recusal, version=version, **fields)


async def decides(who: Someone, recusal: str, version: int, outcome: str = "granted", **fields: Any) -> httpx.Response:
    return await step(who, "decide", recusal, version, **({"outcome": outcome, "why": "查明属实"} | fields))


async def may_do(lin: Someone, case: str | None) -> tuple[str, list[str], list[str]]:
    """The verdict on a patrol in this case: outcome, unmet, warnings."""
    answer = (await lin.get("/v1/duty/verdict", work="9.6", **({"case_ref": case} if case else {}))).json()
    return answer["outcome"], [one["code"] for one in answer["unmet"]], [one["code"] for one in answer["warnings"]]


async def stands(kind: str, subject: str) -> bool:
    return bool(await value(TABLES, kind, subject))


async def an_act_on(lin: Someone, case: str, **fields: Any) -> httpx.Response:
    return await lin.starts("9.6", case_kind="administrative", case_ref=case, **fields)


# -- what it means for work


async def test_pending_warns_and_granted_refuses(app: Litestar) -> None:
    """In that case only, and until then nothing is refused."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in())
    assert "recusal_pending" not in (await may_do(lin, case))[2]
    recusal = await declared(lin, case)
    outcome, unmet, warnings = await may_do(lin, case)
    assert ("allowed", [], True) == (outcome, unmet, "recusal_pending" in warnings)
    recorded(await decides(chief, recusal, 1))
    assert ("forbidden", ["recused"]) == (await may_do(lin, case))[:2]
    assert ["allowed"] * 2 == [(await may_do(lin, other))[0] for other in (None, a_case())]
    refused(await an_act_on(lin, case), 409, "recused")


async def test_standing_aside_counts_until_it_is_lifted_or_decided(app: Litestar) -> None:
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in())
    recusal = await declared(lin, case)
    receipt = recorded(await step(chief, "stand-aside", recusal, 1, why="关系明确"))["recusal"]
    assert (True, "pending", 2) == (receipt["standing_aside"], receipt["state"], receipt["version"])
    assert ["recused"] == (await may_do(lin, case))[1]
    recorded(await step(chief, "stand-aside", recusal, 2, why="暂无人替", aside=False))
    assert [] == (await may_do(lin, case))[1]
    recorded(await step(chief, "stand-aside", recusal, 3, why="已有人替"))
    recorded(await decides(chief, recusal, 4, "refused"))
    assert ("allowed", []) == (await may_do(lin, case))[:2]


async def test_work_under_way_and_late_entries_on_the_case_are_flagged(app: Litestar) -> None:
    """Both are recorded with a finding; work that ended before, or on another case, has none."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    recorded(await lin.check_in(at=ago(hours=5)))
    before = recorded(await an_act_on(lin, case, at=ago(hours=4)))["id"]
    recorded(await lin.finishes(before, at=ago(hours=3)))
    open_, other = [recorded(await an_act_on(lin, each, at=ago(hours=2)))["id"] for each in (case, a_case())]
    recusal = await declared(lin, case, at=ago(hours=1.5))
    recorded(await decides(chief, recusal, 1, at=ago(hours=1)))
    late = recorded(await an_act_on(lin, case, at=ago(minutes=30)))
    assert "recused" in [one["code"] for one in late["findings"]]
    assert [True, True] == [await stands("recused", each) for each in (open_, late["id"])]
    assert [False, False] == [await stands("recused", each) for each in (before, other)]
    recorded(await lin.amends(late["id"], case_kind="administrative", case_ref=a_case()))
    assert await stands("recused", late["id"])  # no amendment takes it away
    recorded(await lin.amends(other, case_kind="administrative", case_ref=case))
    assert await stands("recused", other)


async def test_the_decision_may_arrive_after_what_it_forbids(app: Litestar) -> None:
    """Decided at ten, recorded at twelve: work done at eleven gets a finding."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    recorded(await lin.check_in(at=ago(hours=5)))
    recusal = await declared(lin, case, at=ago(hours=4))
    act = recorded(await an_act_on(lin, case, at=ago(hours=2)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=1)))
    assert not await stands("recused", act)
    recorded(await decides(chief, recusal, 1, at=ago(hours=3)))
    assert await stands("recused", act)


@pytest.mark.parametrize("spelt", ["{} ", " a{1:}", "Ａ{1:}", "A {1:}"])
async def test_a_case_is_the_same_however_its_number_is_typed(app: Litestar, spelt: str) -> None:
    """Blanks, lower-case and full-width letters do not avoid a recusal."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in())
    other = spelt.replace("{1:}", case[1:]).replace("{}", case)
    assert other != case
    act = recorded(await an_act_on(lin, other, at=ago(minutes=30)))["id"]
    recusal = await declared(lin, case)
    recorded(await decides(chief, recusal, 1))
    refused(await an_act_on(lin, other), 409, "recused")
    assert await stands("recused", act)
    assert [act] == [each["activity"] for each in (await chief.get(f"/v1/recusals/{recusal}")).json()["acts"]]


async def test_of_several_recusals_the_strictest_counts(app: Litestar) -> None:
    """One refused and one pending beside one granted."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in())
    first_, second, _ = [await declared(lin, case) for _ in range(3)]
    recorded(await decides(chief, first_, 1, "refused"))
    assert "allowed" == (await may_do(lin, case))[0]
    recorded(await decides(chief, second, 1))
    assert ["recused"] == (await may_do(lin, case))[1]


async def test_the_footage_of_the_case_is_hidden(app: Litestar) -> None:
    """One's own too, and the leading officer's; in the list, by its id, in the timeline, and the feed begins anew."""
    lin, zhao, shift, _ = await a_led_patrol(app, hours=3)
    chief, case = await a_commander_of(app, DISTRICT), a_case()
    act = recorded(await an_act_on(lin, case, at=ago(hours=2)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=1)))
    times = {"started_at": ago(minutes=100), "ended_at": ago(minutes=80)}
    on_it = recorded(await lin.declare(**times))["id"]
    after = recorded(await lin.declare(started_at=ago(minutes=50), ended_at=ago(minutes=40), file_name="b.mp4"))["id"]
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    recusal = await declared(lin, case)
    recorded(await decides(chief, recusal, 1))
    assert [after] == [row["id"] for row in (await lin.get("/v1/recordings")).json()["items"]]
    refused(await lin.get(f"/v1/recordings/{on_it}"), 404, "unknown_recording")
    assert [after] == [row["id"] for row in (await lin.get(f"/v1/shifts/{shift}")).json()["recordings"]]
    assert {on_it, after} == {row["id"] for row in (await zhao.get(f"/v1/shifts/{shift}")).json()["recordings"]}
    answer = (await lin.get("/v1/changes", after=cursor)).json()
    assert (True, "granted") == (answer["reset"], answer["bundle"]["recusals"][0]["standing"])
    assert 200 == (await lin.get(f"/v1/uploads/{on_it}/receipt")).status_code  # what one films, one still brings home


# -- who decides


async def test_the_county_bureau_decides_and_nobody_else(app: Litestar) -> None:
    """Not the station's head, the inspector, another bureau's head, or the officer who wrote it down."""
    lin, zhao, case = await a_duty_auxiliary(app), await an_officer(app), a_case()
    recusal = await applied(zhao, lin, case)
    assert DISTRICT == (await zhao.get(f"/v1/recusals/{recusal}")).json()["recusal"]["decided_in"]
    for someone in (await a_commander_of(app, STATION), await an_inspector_of(app, DISTRICT), zhao):
        refused(await decides(someone, recusal, 1), 403, "not_the_decider")
    for someone in (await a_commander_of(app, OTHER_DISTRICT), await an_officer(app)):
        refused(await decides(someone, recusal, 1), 404, "unknown_recusal")
    refused(await decides(lin, recusal, 1), 403, "not_for_your_role")
    recorded(await decides(await a_commander_of(app, CITY), recusal, 1))


async def test_nobody_decides_in_their_own_matter(app: Litestar) -> None:
    """Whoever wrote it down, or led the auxiliary on the case, passes it on; then the organ above decides."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    recorded(await lin.check_in(at=ago(hours=3)))
    naming = recorded(await lin.names(chief, at=ago(hours=2.9)))["id"]
    recorded(await chief.answer("confirm", naming, at=ago(hours=2.8)))
    recorded(await an_act_on(lin, case, at=ago(hours=2)))
    led = await declared(lin, case)
    refused(await decides(chief, led, 1), 403, "own_matter")
    taken = await applied(chief, lin, a_case())
    refused(await decides(chief, taken, 1), 403, "own_matter")
    receipt = recorded(await step(chief, "pass-on", led, 1, why="本人带班处理该案"))["recusal"]
    assert (CITY, 2) == (receipt["decided_in"], receipt["version"])
    refused(await decides(await a_commander_of(app, DISTRICT), led, 2), 403, "not_the_decider")
    mayor = await a_commander_of(app, CITY)
    refused(await step(mayor, "pass-on", led, 2, why="无"), 409, "no_higher_organ")
    recorded(await decides(mayor, led, 2))


async def test_a_stale_version_is_refused_with_the_current_state(app: Litestar) -> None:
    """A decision names the version it saw; of two at once, one is recorded."""
    lin, case = await a_duty_auxiliary(app), a_case()
    one, other = await a_commander_of(app, DISTRICT), await a_commander_of(app, CITY)
    recusal = await declared(lin, case)
    answers = await asyncio.gather(decides(one, recusal, 1), decides(other, recusal, 1, "refused"))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    (payload,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert ("stale", 2) == (payload["code"], payload["current"]["version"])
    assert payload["current"]["state"] in ("granted", "refused")
    refused(await decides(one, recusal, 2), 409, "recusal_decided")
    refused(await step(one, "stand-aside", recusal, 2, why="晚了"), 409, "recusal_decided")
    refused(await step(one, "pass-on", recusal, 2, why="晚了"), 409, "recusal_decided")


async def test_the_same_step_sent_again_is_replayed(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recusal = await declared(lin, a_case())
    result = chief.entry(recusal=recusal, version=1, outcome="granted", why="属实")
    recorded(await chief.send("/v1/recusals/decide", result))
    again = await chief.send("/v1/recusals/decide", result)
    assert (200, "replayed") == (again.status_code, again.json()["status"])


# -- the applicant


async def test_the_applicant_is_told_of_the_decision(app: Litestar) -> None:
    """By the decider or the writer; not before the decision, and not for an own declaration."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    recusal, own = await applied(zhao, lin, a_case()), await declared(lin, a_case())
    words = {"how": "telephone", "words": "已告知决定及理由"}
    refused(await step(zhao, "tell", recusal, 1, **words), 409, "recusal_not_decided")
    refused(await step(chief, "tell", own, 1, **words), 409, "nobody_to_tell")
    recorded(await decides(chief, recusal, 1))
    assert [recusal] == await listed(zhao, "untold")
    recorded(await step(zhao, "tell", recusal, 2, **words))
    assert [] == await listed(zhao, "untold")
    assert (await zhao.get(f"/v1/recusals/{recusal}")).json()["recusal"]["told_at"] is not None


async def listed(who: Someone, status: str) -> list[str]:
    return [row["id"] for row in (await who.get("/v1/recusals", status=status)).json()["items"]]


async def test_the_applicant_is_hidden_from_the_person_concerned(app: Litestar) -> None:
    """They see that recusal was asked for, the ground and the decision."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    recusal = await applied(zhao, lin, a_case(), case_kind="criminal")
    recorded(await decides(chief, recusal, 1, "refused"))
    recorded(await step(zhao, "reconsider", recusal, 2, words="王某称另有证人"))
    mine, theirs = [(await who.get(f"/v1/recusals/{recusal}")).json() for who in (lin, chief)]
    assert (None, None, "interest") == tuple(mine["recusal"][name] for name in ("applicant", "words", "ground"))
    assert ("王某", "称其与对方合伙经营") == (theirs["recusal"]["applicant"], theirs["recusal"]["words"])
    for text in ("王某", "合伙"):
        assert text not in str(mine)
        assert text not in (await lin.get("/v1/recusals")).text
        assert text not in str(await value("SELECT string_agg(convert_from(entry, 'UTF8'), '') FROM journal"))


async def test_it_is_reconsidered_once_in_criminal_cases(app: Litestar) -> None:
    """By the applicant, after a refusal, within five days of the notice; later with a reason."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recusal = await declared(lin, a_case(), case_kind="criminal")
    refused(await step(lin, "reconsider", recusal, 1, words="不服"), 409, "recusal_not_refused")
    recorded(await decides(chief, recusal, 1, "refused"))
    refused(await step(chief, "reconsider", recusal, 2, words="不服"), 403, "not_the_applicant")
    receipt = recorded(await step(lin, "reconsider", recusal, 2, words="不服，补充材料"))["recusal"]
    assert ("pending", True) == (receipt["state"], receipt["due_at"] is not None)
    recorded(await decides(chief, recusal, 3, "refused"))
    refused(await step(lin, "reconsider", recusal, 4, words="再次"), 409, "reconsidered_before")
    plain = await declared(lin, a_case())
    recorded(await decides(chief, plain, 1, "refused"))
    refused(await step(lin, "reconsider", plain, 2, words="不服"), 409, "reconsideration_criminal_only")


async def test_a_second_decision_in_time_makes_the_first_one_no_less_late(app: Litestar) -> None:
    """Each has its own term; that the first one passed stays a finding."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    recusal = await applied(zhao, lin, a_case(), case_kind="criminal")
    await by_owner("UPDATE recusal SET due_at = now() - interval '1 day' WHERE id = $1", recusal)
    await findings.find_overdue(now(), service.OVERDUE)
    recorded(await decides(chief, recusal, 1, "refused"))
    recorded(await step(chief, "tell", recusal, 2, how="in_person", words="已告知"))
    recorded(await step(zhao, "reconsider", recusal, 3, words="不服"))
    assert await stands("recusal_overdue", recusal)
    recorded(await decides(chief, recusal, 4))
    assert await stands("recusal_overdue", recusal)


async def test_reconsideration_after_its_term_needs_a_reason(app: Litestar) -> None:
    """The five days run from the notice to the applicant."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    recusal = await applied(zhao, lin, a_case(), case_kind="criminal", at=ago(days=24))
    recorded(await decides(chief, recusal, 1, "refused", at=ago(days=23)))
    told = recorded(await step(zhao, "tell", recusal, 2, how="letter", words="已送达", at=ago(days=22)))["recusal"]
    last = until(law(), "reconsideration_asked", ago(days=22))
    assert [utc(last)] * 2 == [
        each["reconsider_until"] for each in (told, (await zhao.get(f"/v1/recusals/{recusal}")).json()["recusal"])
    ]
    result = zhao.entry(recusal=recusal, version=3, words="王某住院，未能及时提出")
    refused(await zhao.send("/v1/recusals/reconsider", result), 409, "reconsideration_too_late")
    despite = {"why": "申请人住院"}
    receipt = recorded(await zhao.send("/v1/recusals/reconsider", result | {"sent_at": now(), "despite": despite}))
    assert ["reconsideration_too_late"] == [one["code"] for one in receipt["findings"]]


# -- terms, acts, input


async def test_a_complex_criminal_case_takes_five_days_where_the_head_approves(app: Litestar) -> None:
    """刑事程序规定 36: not by itself, once, from the application; no other case, and no reconsideration."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    asked = ago(hours=1)
    recusal, plain = await declared(lin, a_case(), case_kind="criminal", at=asked), await declared(lin, a_case())
    due = (await lin.get(f"/v1/recusals/{recusal}")).json()["recusal"]["due_at"]
    assert utc(until(law(), "recusal_decision_criminal", asked)) == due
    refused(await step(chief, "extend", plain, 1, why="复杂"), 409, "recusal_not_extendable")
    inspector = await an_inspector_of(app, DISTRICT)
    refused(await step(inspector, "extend", recusal, 1, why="复杂"), 403, "not_the_decider")
    receipt = recorded(await step(chief, "extend", recusal, 1, why="案情复杂"))["recusal"]
    assert utc(until(law(), "recusal_decision_complex", asked)) == receipt["due_at"]
    refused(await step(chief, "extend", recusal, 2, why="再延"), 409, "recusal_extended_before")
    recorded(await decides(chief, recusal, 2, "refused"))
    recorded(await step(lin, "reconsider", recusal, 3, words="不服"))
    refused(await step(chief, "extend", recusal, 4, why="再延"), 409, "recusal_not_extendable")


async def test_an_extension_after_the_end_of_the_term_needs_a_reason(app: Litestar) -> None:
    """It is recorded with a finding, and the decision stays overdue."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recusal = await declared(lin, a_case(), case_kind="criminal", at=ago(days=14))
    refused(await step(chief, "extend", recusal, 1, why="复杂"), 409, "recusal_extended_late")
    receipt = recorded(await step(chief, "extend", recusal, 1, why="复杂", despite={"why": "当日未能报批"}))
    assert ["recusal_extended_late"] == [one["code"] for one in receipt["findings"]]


async def test_a_recusal_from_a_shift_counts_until_the_shift_is_over(app: Litestar) -> None:
    """R.33, in performing duties: everything in it, and nothing after it; its acts are judged like those of a case."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    await trained(lin)
    shift = recorded(await lin.check_in(at=ago(hours=5)))["id"]
    act = recorded(await lin.starts("9.6", at=ago(hours=2)))["id"]
    asked = recorded(await lin.post("/v1/recusals/declare", shift=shift, at=ago(hours=1.5), **WHY))
    recorded(await decides(chief, asked["id"], 1, at=ago(hours=1)))
    assert ("forbidden", ["recused"]) == (await may_do(lin, None))[:2]
    assert await stands("recused", act)
    row = (await chief.get(f"/v1/recusals/{asked['id']}")).json()
    assert (None, None, shift, [act]) == (
        row["recusal"]["case_ref"], row["recusal"]["case_kind"], row["recusal"]["shift"],
        [each["activity"] for each in row["acts"]],
    )  # fmt: skip
    (own,) = (await lin.get("/v1/changes")).json()["bundle"]["other_recusals"]
    assert (shift, "granted") == (own["shift"], own["standing"])
    recorded(await lin.finishes(act, at=ago(minutes=40)))
    recorded(await lin.post("/v1/shifts/check-out", shift=shift, at=ago(minutes=30)))
    recorded(await lin.check_in())
    assert "allowed" == (await may_do(lin, None))[0]


async def test_the_footage_of_a_shift_that_was_over_before_the_decision_is_hidden(app: Litestar) -> None:
    """A decision takes two days, a shift twelve hours: the film of its acts is out of reach all the same."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    shift = recorded(await lin.check_in(at=ago(hours=5)))["id"]
    act = recorded(await lin.starts("9.6", at=ago(hours=4)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=3)))
    filmed = recorded(await lin.declare(started_at=ago(minutes=220), ended_at=ago(minutes=200)))["id"]
    recorded(await lin.post("/v1/shifts/check-out", shift=shift, at=ago(hours=2)))
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    asked = recorded(await lin.post("/v1/recusals/declare", shift=shift, **WHY))["id"]
    assert 200 == (await lin.get(f"/v1/recordings/{filmed}")).status_code
    recorded(await decides(chief, asked, 1))
    refused(await lin.get(f"/v1/recordings/{filmed}"), 404, "unknown_recording")
    assert (await lin.get("/v1/changes", after=cursor)).json()["reset"]
    assert not await stands("recused", act)


async def test_a_recusal_from_an_act_concerns_that_act_alone(app: Litestar) -> None:
    """Its rest is a finding once it was granted; another act is none, and nobody names the act of a colleague."""
    lin, chen, chief = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=5)))
    act, other = [recorded(await lin.starts("9.6", at=ago(hours=hours)))["id"] for hours in (3, 2)]
    refused(await chen.post("/v1/recusals/declare", activity=act, **WHY), 404, "unknown_activity")
    asked = recorded(await lin.post("/v1/recusals/declare", activity=act, at=ago(hours=1.5), **WHY))["id"]
    recorded(await decides(chief, asked, 1, at=ago(hours=1)))
    assert [True, False] == [await stands("recused", each) for each in (act, other)]


@pytest.mark.parametrize("about", ["mediation", "incident_ref"])
async def test_a_mediation_or_an_incident_is_known_by_its_number(app: Litestar, about: str) -> None:
    """However it is typed, as the number of a case is."""
    lin, chief, number = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in(at=ago(hours=5)))
    asked = recorded(await lin.post("/v1/recusals/declare", **{about: f"{number} "}, **WHY))["id"]
    recorded(await decides(chief, asked, 1))
    assert ("forbidden", ["recused"]) == (await may_do(lin, number.lower()))[:2]
    in_a_case_too = await lin.get("/v1/duty/verdict", work="9.6", case_ref=a_case(), incident_ref=number)
    assert ["recused"] == [one["code"] for one in in_a_case_too.json()["unmet"]]
    assert "allowed" == (await may_do(lin, a_case()))[0]


async def test_an_act_in_the_incident_is_one_of_the_recusal(app: Litestar) -> None:
    """By the number of the incident alone, long before there is a case: refused live, flagged late, judged, hidden."""
    lin, chief, number = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    await trained(lin)
    recorded(await lin.check_in(at=ago(hours=5)))
    act = recorded(await lin.starts("9.6", at=ago(hours=2), incident_ref=number))["id"]
    other = recorded(await lin.starts("9.6", at=ago(hours=1.8), incident_ref=a_case()))["id"]
    asked = recorded(await lin.post("/v1/recusals/declare", incident_ref=number.lower(), at=ago(hours=1.5), **WHY))[
        "id"
    ]
    recorded(await decides(chief, asked, 1, at=ago(hours=1)))
    assert [True, False] == [await stands("recused", each) for each in (act, other)]
    assert [act] == [each["activity"] for each in (await chief.get(f"/v1/recusals/{asked}")).json()["acts"]]
    refused(await lin.starts("9.6", incident_ref=number), 409, "recused")
    recorded(await lin.starts("9.6", incident_ref=a_case()))
    despite = {"why": "无人替换"}
    act = recorded(await lin.starts("9.6", incident_ref=number, despite=despite))["id"]
    refused(await lin.post("/v1/activities/amend", activity=act, why="选错", work="9.1"), 409, "recused")


@pytest.mark.parametrize(
    ("about", "status", "code"),
    [
        ({}, 422, "recusal_about_one"),
        ({"case_ref": "A1"}, 422, "recusal_about_one"),
        ({"case_kind": "criminal"}, 422, "recusal_about_one"),
        ({"case_ref": "A1", "case_kind": "criminal", "mediation": "调〔2026〕1号"}, 422, "recusal_about_one"),
        ({"mediation": "调〔2026〕1号", "ground": "dislike"}, 422, "unknown_ground"),
        ({"shift": str(uuid4())}, 404, "unknown_shift"),
        ({"activity": str(uuid4())}, 404, "unknown_activity"),
    ],
)
async def test_a_recusal_names_one_thing(app: Litestar, about: dict[str, Any], status: int, code: str) -> None:
    """With its kind where it is a case; an incident may stand beside it."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.post("/v1/recusals/declare", **(WHY | about)), status, code)
    beside = {"case_ref": a_case(), "case_kind": "criminal", "incident_ref": "JJ2026120100017"}
    recorded(await lin.post("/v1/recusals/declare", **(WHY | beside)))


async def test_who_may_apply_is_what_the_law_says(app: Litestar, tmp_path: Path) -> None:
    """R.33 names the party and the legal representative; where a law adds an agent, an agent applies. What a law has no
    recusal from, it refuses."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    body = {"person": lin.id, "applicant": "李律师", "capacity": "agent", "mediation": "调〔2026〕1号", **WHY}
    refused(await zhao.post("/v1/recusals/apply", **body), 422, "unknown_capacity")
    named = 'zh = "委托代理人"\nen = "Agent"\nsource = "its Article 15"\n'
    about = 'zh = "警情"\nen = "Incident"\nsource = "its Article 15"\n'
    (tmp_path / "recusals.toml").write_text(f"[applicants.agent]\n{named}[about.incident]\n{about}")
    use(tmp_path)
    try:
        refused(await zhao.post("/v1/recusals/apply", **body), 422, "recusal_not_from_this")
        incident = {key: value for key, value in body.items() if key != "mediation"} | {"incident_ref": "JJ1"}
        asked = recorded(await zhao.post("/v1/recusals/apply", **incident))["id"]
    finally:
        use(None)
    assert "agent" == (await zhao.get(f"/v1/recusals/{asked}")).json()["recusal"]["capacity"]


async def test_the_database_keeps_a_recusal_whole(app: Litestar) -> None:
    """Neither two things nor none, no case without its kind, nobody else's shift."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    shift = recorded(await chen.check_in())["id"]
    recusal = await declared(lin, a_case())
    for wrong in ("mediation = 'x'", "case_kind = NULL", "case_ref = NULL, case_kind = NULL", "ground = 'Any'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await by_owner(f"UPDATE recusal SET {wrong} WHERE id = $1", recusal)  # noqa: S608
    with pytest.raises(asyncpg.CheckViolationError, match="another person"):
        await by_owner("UPDATE recusal SET case_ref = NULL, case_kind = NULL, shift = $2 WHERE id = $1", recusal, shift)


async def test_an_overdue_recusal_is_listed_and_is_a_finding(app: Litestar) -> None:
    """Two days, in a criminal case too; a late decision leaves the finding; a late entry of one in time does not."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    overdue = await declared(lin, a_case(), at=ago(days=14))
    criminal = await declared(lin, a_case(), case_kind="criminal", at=ago(days=14))
    intime = await declared(lin, a_case(), at=ago(days=14))
    assert {overdue, criminal, intime} == set(await listed(lin, "overdue"))
    assert await findings.find_overdue(now(), service.OVERDUE) >= 3
    assert [True] * 3 == [await stands("recusal_overdue", each) for each in (overdue, criminal, intime)]
    recorded(await decides(chief, overdue, 1))
    recorded(await decides(chief, intime, 1, at=ago(days=13)))
    assert [True, False] == [await stands("recusal_overdue", each) for each in (overdue, intime)]
    recorded(await decides(chief, criminal, 1))
    assert 0 == await findings.find_overdue(now(), service.OVERDUE)


async def test_earlier_acts_stand_or_do_not(app: Litestar) -> None:
    """Decided act by act once the recusal is granted; the latest decision counts, and all are stored."""
    lin, chief, case = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), a_case()
    one, other = [recorded(await an_act_on(lin, case, at=ago(hours=hours)))["id"] for hours in (5, 4)]
    foreign = recorded(await an_act_on(lin, a_case(), at=ago(hours=3)))["id"]
    recusal = await declared(lin, case)

    async def judge(version: int, **acts: bool) -> httpx.Response:
        entries = [{"activity": activity, "stands": stands, "why": "经审查"} for activity, stands in acts.items()]
        return await step(chief, "judge", recusal, version, acts=entries)

    refused(await judge(1, **{one: True}), 409, "recusal_not_granted")
    recorded(await decides(chief, recusal, 1))
    refused(await judge(2, **{foreign: True}), 404, "unknown_activity")
    recorded(await judge(2, **{one: True, other: False}))
    recorded(await judge(3, **{one: False}))
    acts = (await chief.get(f"/v1/recusals/{recusal}")).json()["acts"]
    assert {one: False, other: False} == {act["activity"]: act["stands"] for act in acts}
    assert 3 == await value(
        "SELECT count(*) FROM recusal_act a JOIN recusal_step s ON s.id = a.step WHERE s.recusal = $1", recusal
    )


async def test_only_auxiliaries_can_be_recused_here(app: Litestar) -> None:
    zhao, qian = await an_officer(app), await an_officer(app)
    body = {"person": qian.id, "case_ref": a_case(), "case_kind": "criminal", "applicant": "王某"}
    body |= {"capacity": "party", "ground": "interest", "words": "有利害关系"}
    refused(await zhao.post("/v1/recusals/apply", **body), 422, "not_an_auxiliary")
    refused(await zhao.post("/v1/recusals/apply", **(body | {"person": uuid4()})), 422, "not_an_auxiliary")


async def test_a_recusal_declared_offline_counts_from_its_declaration(app: Litestar) -> None:
    """With later work on the case, in one sync and in any order; entries that refer to it wait for it."""
    lin, case, recusal = await a_duty_auxiliary(app), a_case(), uuid4()
    again = lin.item("recusals/reconsider", recusal=recusal, version=2, words="不服", at=ago(minutes=3))
    assert ["waiting"] == [result["status"] for result in await lin.sync(again)]
    body = {"case_ref": case, "case_kind": "criminal", "ground": "interest", "words": "有利害关系"}
    items = [
        lin.item("activities/start", work="9.6", case_kind="criminal", case_ref=case, at=ago(hours=1)),
        lin.item("recusals/declare", id=recusal, at=ago(hours=2), **body),
        lin.item("shifts/check-in", at=ago(hours=3), **a_check_in()),
    ]
    act, declared_, _ = await lin.sync(*items)
    assert ["recorded"] * 2 == [act["status"], declared_["status"]]
    assert (await lin.get(f"/v1/recusals/{recusal}")).json()["recusal"]["due_at"] is not None


async def test_a_step_never_happens_before_the_one_before(app: Litestar) -> None:
    """A decision from a slow clock counts from the declaration, not before it."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recusal = await declared(lin, a_case(), at=ago(hours=1))
    recorded(await decides(chief, recusal, 1, at=ago(hours=2)))
    requested_at, decided_at = [
        await value(sql, recusal)
        for sql in ("SELECT asked_at FROM recusal WHERE id = $1", "SELECT at FROM recusal_step WHERE recusal = $1")
    ]
    assert timedelta() == decided_at - requested_at


async def test_no_row_is_ever_decided_twice_on_one_version(app: Litestar) -> None:
    """The database itself refuses it."""

    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    recusal = await declared(lin, a_case())
    recorded(await decides(chief, recusal, 1))
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(
            "INSERT INTO recusal_step (id, recusal, version, step, by_person, at, words)"
            " VALUES (gen_random_uuid(), $1, 2, 'refuse', $2, now(), '-')",
            recusal, chief.id,
        )  # fmt: skip
