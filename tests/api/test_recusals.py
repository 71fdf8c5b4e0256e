"""Recusals (R.33): who may ask, who decides, and what follows for the work."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from backend.core import findings
from backend.core.database import execute, value
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


async def test_reconsideration_after_its_term_needs_a_reason(app: Litestar) -> None:
    """The five days run from the notice to the applicant."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    recusal = await applied(zhao, lin, a_case(), case_kind="criminal", at=ago(days=9))
    recorded(await decides(chief, recusal, 1, "refused", at=ago(days=8)))
    recorded(await step(zhao, "tell", recusal, 2, how="letter", words="已送达", at=ago(days=6)))
    result = zhao.entry(recusal=recusal, version=3, words="王某住院，未能及时提出")
    refused(await zhao.send("/v1/recusals/reconsider", result), 409, "reconsideration_too_late")
    despite = {"why": "申请人住院"}
    receipt = recorded(await zhao.send("/v1/recusals/reconsider", result | {"sent_at": now(), "despite": despite}))
    assert ["reconsideration_too_late"] == [one["code"] for one in receipt["findings"]]


# -- terms, acts, input


async def test_an_overdue_recusal_is_listed_and_is_a_finding(app: Litestar) -> None:
    """Two days, five in a criminal case; a late decision leaves the finding; a late entry of one in time does not."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    overdue = await declared(lin, a_case(), at=ago(days=3))
    criminal = await declared(lin, a_case(), case_kind="criminal", at=ago(days=3))
    intime = await declared(lin, a_case(), at=ago(days=3))
    assert {overdue, intime} == set(await listed(lin, "overdue"))
    assert criminal in await listed(lin, "pending")
    assert await findings.find_overdue(now(), service.OVERDUE) >= 2
    assert [True, False, True] == [await stands("recusal_overdue", each) for each in (overdue, criminal, intime)]
    recorded(await decides(chief, overdue, 1))
    recorded(await decides(chief, intime, 1, at=ago(days=2)))
    assert [True, False] == [await stands("recusal_overdue", each) for each in (overdue, intime)]
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
