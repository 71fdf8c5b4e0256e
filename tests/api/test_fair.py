"""Fair to the auxiliary, and to whoever complains: hearings, decisions about findings, orders, one's own film, praise,
and the number of an incident."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, value
from backend.reviews import watching
from mobile_api.cli.demo_film import film
from tests.api.test_complaints import INSPECTS, done, received
from tests.api.test_held import decide, revoke, seen_by, state_of
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_administrator_of,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
    trained,
)
from tests.devices import sealed

SECRETS = ("王秀英", "13800001953")


async def about(complaint: dict[str, Any], person: Someone, **fields: Any) -> dict[str, Any]:
    base = {"complaint": complaint["id"], "version": complaint["version"], "person": person.id}
    return base | {"substance": "反映盘查时语言粗暴，请陈述"} | fields


async def a_heard_complaint(app: Litestar) -> tuple[Someone, Someone, Someone, dict[str, Any], str]:
    """Lin, led by Zhao who is an inspector too, complained of by a named person; Wu has told Lin."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=3)
    wu = await an_inspector_of(app, DISTRICT)
    await execute(INSPECTS, zhao.id, STATION)
    await zhao.open()
    complaint = await received(
        await a_clerk(app), person=lin.id, started_at=ago(hours=2), complainant=SECRETS[0], contact=SECRETS[1]
    )
    hearing = recorded(await wu.post("/v1/complaints/hear", **await about(complaint, lin)))["hearing"]
    return lin, zhao, wu, complaint | {"version": 2}, str(hearing["id"])


# -- heard before judged


async def test_the_hearing_is_told_to_its_person_alone(app: Litestar) -> None:
    """Neither the chain nor a colleague learns of it; no line about it names the complainant or the complaint."""
    lin, zhao, wu, complaint, hearing = await a_heard_complaint(app)
    chief, chen = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    (mine,) = (await lin.get("/v1/hearings")).json()["items"]
    assert (hearing, None, []) == (mine["id"], mine["outcome"], mine["statements"])
    for who in (zhao, chief, chen, wu):
        assert hearing not in (await who.get("/v1/hearings")).text
    one = (await chief.get(f"/v1/complaints/{complaint['id']}")).json()
    assert ([], False) == (one["hearings"], one["complaint"]["in_full"])
    refused(await zhao.get(f"/v1/complaints/{complaint['id']}"), 404, "unknown_complaint")
    refused(await chen.post("/v1/hearings/answer", hearing=hearing, words="代答"), 404, "unknown_hearing")
    refused(await lin.get(f"/v1/complaints/{complaint['id']}"), 404, "unknown_complaint")
    recorded(await lin.post("/v1/hearings/answer", hearing=hearing, words="语气稍急"))
    lines = await fetch(
        "SELECT convert_from(entry, 'UTF8') AS line FROM journal WHERE $1 = ANY (subjects)", UUID(hearing)
    )
    assert 2 == len(lines)
    for row in lines:
        assert not [secret for secret in (*SECRETS, complaint["id"], str(wu.id)) if secret in row["line"]]


async def test_a_statement_that_is_held_is_for_inspectors_who_may_handle_the_complaint(app: Litestar) -> None:
    """Her phone is lost with the statement on it: neither the chain nor who led her reads that there is a hearing."""
    lin, zhao, wu, _, hearing = await a_heard_complaint(app)
    early = lin.item("hearings/answer", hearing=str(uuid4()), words="听证记录尚未到达")
    statement = lin.item("hearings/answer", hearing=hearing, words="当时已说明依据")
    await revoke(lin)
    await lin.sync(early, statement)
    for who in (zhao, await a_commander_of(app, STATION), await an_administrator_of(app, DISTRICT)):
        assert [] == [each["id"] for each in (early, statement) if await seen_by(who, each["id"])]
        refused(await decide(who, "admit", statement["id"]), 404, "unknown_held")
    row = await seen_by(wu, statement["id"])
    assert row is not None
    assert "当时已说明依据" == row["content"]["words"]
    recorded(await decide(wu, "admit", statement["id"]))
    assert "recorded" == await state_of(statement["id"])


async def test_a_conclusion_waits_for_the_statement_or_says_why_not(app: Litestar) -> None:
    """And for the person's term, not for their silence after it."""
    lin, _, wu, complaint, hearing = await a_heard_complaint(app)
    judged = {"complaint": complaint["id"], "version": 2, "words": "属实", "outcome": "founded"}
    refused(await wu.post("/v1/complaints/conclude", **judged), 409, "hearing_open")
    await execute("UPDATE hearing SET told_at = told_at - interval '9 days', answer_by = now() - interval '1 day'"
                  " WHERE id = $1", UUID(hearing))  # fmt: skip
    named = judged | {"words": f"{SECRETS[0]}所述属实"}
    refused(await wu.post("/v1/complaints/conclude", **named), 422, "names_complainant")
    refused(await wu.post("/v1/complaints/conclude", **judged, appeal_to="000000000000"), 404, "unknown_organ")
    recorded(await wu.post("/v1/complaints/conclude", **judged))
    (mine,) = (await lin.get("/v1/hearings")).json()["items"]
    assert ("founded", "330100000000", "杭州市公安局") == tuple(
        mine[key] for key in ("outcome", "appeal_to", "appeal_to_name")
    )
    recorded(await lin.post("/v1/hearings/answer", hearing=hearing, words="迟到的陈述也收下"))
    (handled,) = (await wu.get(f"/v1/complaints/{complaint['id']}")).json()["hearings"]
    assert ["迟到的陈述也收下"] == [each["words"] for each in handled["statements"]]


async def test_who_is_heard_is_complained_of_and_heard_once(app: Litestar) -> None:
    """Not by somebody who led them, not twice, not where the complaint is concluded."""
    lin, zhao, wu, complaint, _ = await a_heard_complaint(app)
    again = await about(complaint, lin)
    refused(await wu.post("/v1/complaints/hear", **again), 409, "heard_before")
    refused(await wu.post("/v1/complaints/hear", **again | {"version": 1}), 409, "stale")
    refused(await zhao.post("/v1/complaints/hear", **again), 404, "unknown_complaint")
    other = await about(complaint, await a_duty_auxiliary(app))
    refused(await wu.post("/v1/complaints/hear", **other), 409, "not_complained_of")
    complaint = await done(wu, "identify", complaint, person=other["person"])
    third = other | {"version": complaint["version"], "substance": f"电话 {SECRETS[1]} 反映"}
    refused(await wu.post("/v1/complaints/hear", **third), 422, "names_complainant")
    await done(wu, "conclude", complaint, outcome="unfounded")
    refused(await wu.post("/v1/complaints/hear", **third | {"version": 4}), 409, "complaint_concluded")


# -- findings are told, answered and decided


async def an_unled_act(app: Litestar, **despite: Any) -> tuple[Someone, str, str]:
    """Lin works unled at her own risk: (Lin, the act, the finding `not_led`)."""
    lin = await a_duty_auxiliary(app)
    await trained(lin)
    recorded(await lin.check_in(at=ago(minutes=30)))
    started = await lin.starts("10.1", at=now(), despite={"why": "情况紧急"} | despite)
    act = recorded(started)["id"]
    finding = await value("SELECT id FROM finding WHERE subject = $1 AND kind = 'not_led'", UUID(act))
    return lin, act, str(finding)


async def counting(who: Someone, person: Someone) -> list[str]:
    return [row["kind"] for row in (await who.get("/v1/assessments/findings", person=person.id)).json()["items"]]


async def test_a_finding_counts_once_told_answered_and_decided(app: Litestar) -> None:
    """An accepted reply takes it off the list; a new reply may be decided anew."""
    lin, _, finding = await an_unled_act(app)
    wu = await an_inspector_of(app, DISTRICT)
    decision = {"finding": finding, "accepted": False, "why": "应当等待带班"}
    refused(await wu.post("/v1/findings/decide", **decision), 409, "finding_not_told")
    recorded(await wu.post("/v1/findings/tell", person=lin.id, findings=[finding]))
    refused(await wu.post("/v1/findings/decide", **decision), 409, "finding_unanswered")
    assert [] == await counting(wu, lin)
    recorded(await lin.post("/v1/findings/reply", finding=finding, words="群众受伤，来不及等"))
    recorded(await wu.post("/v1/findings/decide", **decision))
    assert ["not_led"] == await counting(wu, lin) == await counting(lin, lin)
    refused(await wu.post("/v1/findings/decide", **decision), 409, "finding_decided")
    (mine,) = [row for row in (await lin.get("/v1/me/record")).json()["findings"] if row["id"] == finding]
    assert (False, "应当等待带班", []) == (mine["accepted"], mine["decided_why"], mine["excuses"])
    recorded(await lin.post("/v1/findings/reply", finding=finding, words="有群众视频为证"))
    recorded(await wu.post("/v1/findings/decide", **decision | {"accepted": True, "why": "救助在先"}))
    assert [] == await counting(wu, lin)


async def test_nobody_decides_who_led_or_whom_it_is_about(app: Litestar) -> None:
    """Nor another organ; a withdrawn finding is not decided at all."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=1)
    await execute(INSPECTS, zhao.id, STATION)
    await zhao.open()
    act = recorded(await lin.starts("10.3.question", at=ago(minutes=20), despite={"why": "x"}))["id"]
    finding = str(await value("SELECT id FROM finding WHERE subject = $1 AND kind = 'unrecorded'", UUID(act)))
    decision = {"finding": finding, "accepted": True, "why": "属实"}
    refused(await zhao.post("/v1/findings/decide", **decision), 403, "led_then")
    refused(await zhao.post("/v1/findings/tell", person=lin.id, findings=[finding]), 403, "led_then")
    refused(await lin.post("/v1/findings/decide", **decision), 403, "not_for_your_role")
    for who in (await an_officer(app), await an_inspector_of(app, OTHER_DISTRICT)):
        refused(await who.post("/v1/findings/decide", **decision), 404, "unknown_finding")
    wu = await an_inspector_of(app, DISTRICT)
    refused(await wu.post("/v1/findings/tell", person=wu.id, findings=[finding]), 404, "unknown_finding")
    await execute("UPDATE finding SET withdrawn_at = now() WHERE id = $1", UUID(finding))
    refused(await wu.post("/v1/findings/decide", **decision), 409, "finding_withdrawn")


async def decided(wu: Someone, lin: Someone, kind: str) -> None:
    """Whatever is found of this kind about Lin is told, answered, and not accepted."""
    (finding,) = [row["id"] for row in (await lin.get("/v1/me/record")).json()["findings"] if row["kind"] == kind]
    recorded(await lin.post("/v1/findings/reply", finding=finding, words="说明"))
    recorded(await wu.post("/v1/findings/decide", finding=finding, accepted=False, why="不采纳"))


async def test_an_officers_silence_never_counts_against_the_auxiliary(app: Litestar) -> None:
    """The gap in leading stands; it is none of hers."""
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=2)))
    naming = recorded(await lin.names(zhao, at=ago(hours=2)))["id"]
    act = recorded(await lin.starts("10.1", at=ago(minutes=90)))["id"]
    recorded(await lin.finishes(act, at=ago(minutes=30)))
    await decided(wu, lin, "led_gap")
    assert [] == await counting(wu, lin)
    recorded(await zhao.answer("decline", naming, at=ago(hours=2)))
    assert ["led_gap"] == await counting(wu, lin), "an officer who said no did answer"


@pytest.mark.parametrize(("cause", "kinds"), [("battery", []), ("other", ["unrecorded"])])
async def test_an_objective_cause_counts_against_nobody(app: Litestar, cause: str, kinds: list[str]) -> None:
    """公通字〔2016〕14号: fault, damage, weather, battery, storage; anything else is only an explanation."""
    lin, _, _, _ = await a_led_patrol(app, hours=2)
    wu = await an_inspector_of(app, DISTRICT)
    act = recorded(await lin.starts("10.3.question", at=ago(minutes=90), officers_present=2))["id"]
    recorded(await lin.finishes(act, at=ago(minutes=30)))
    recorded(await lin.explains(act, cause=cause))
    await decided(wu, lin, "unrecorded")
    assert kinds == await counting(wu, lin)


@pytest.mark.parametrize(("cause", "kinds"), [("battery", []), ("other", ["not_recording"])])
async def test_a_recorder_that_was_dead_from_the_start_counts_against_nobody(
    app: Litestar, cause: str, kinds: list[str]
) -> None:
    """As the gap that follows from it: the cause is the same."""
    lin, _, _, _ = await a_led_patrol(app, hours=2)
    wu = await an_inspector_of(app, DISTRICT)
    start = await lin.starts(
        "10.3.question", at=ago(minutes=90), officers_present=2, recording=False, despite={"why": "记录仪无法开机"}
    )
    act = recorded(start)["id"]
    recorded(await lin.finishes(act, at=ago(minutes=30)))
    recorded(await lin.explains(act, cause=cause))
    await decided(wu, lin, "not_recording")
    assert kinds == await counting(wu, lin)


async def test_who_led_learns_nothing_of_training_or_insurance(app: Litestar) -> None:
    """Not by the list, the act, the shift or the feed; the person and the overseers do."""
    lin, zhao, shift, _ = await a_led_patrol(app, hours=2)
    cursor = (await zhao.get("/v1/changes")).json()["cursor"]
    act = recorded(await lin.starts("10.3.question", at=ago(minutes=90), officers_present=2))["id"]
    paths = ("/v1/findings", f"/v1/activities/{act}", f"/v1/shifts/{shift}")
    for path in paths:
        assert "unrecorded" in (await zhao.get(path)).text
        assert not [code for code in ("untrained", "uninsured") if code in (await zhao.get(path)).text]
    told = (await zhao.get("/v1/changes", after=cursor)).text
    assert ("unrecorded" in told, "untrained" in told) == (True, False)
    assert "untrained" in (await lin.get(f"/v1/activities/{act}")).text
    chief = await a_commander_of(app, STATION)
    assert "uninsured" in (await chief.get(f"/v1/shifts/{shift}")).text


# -- ordered, not chosen


async def test_what_was_ordered_is_the_officers_until_they_dispute_it(app: Litestar) -> None:
    """The officer is told; undisputed, it counts for the auxiliary in no assessment; disputed, it is decided."""
    zhao, wu = await an_officer(app), await an_inspector_of(app, DISTRICT)
    cursor = (await zhao.get("/v1/changes")).json()["cursor"]
    lin, act, finding = await an_unled_act(app, ordered_by=zhao.id)
    (line,) = (await zhao.get("/v1/changes", after=cursor)).json()["items"]
    assert ("orders/given", act) == (line["verb"], line["facts"]["subject"]["order"]["id"])
    (order,) = (await zhao.get("/v1/orders", status="open")).json()["items"]
    assert (act, "情况紧急", True) == (order["id"], order["why"], "not_led" in str(order["findings"]))
    (found,) = [row for row in (await zhao.get("/v1/findings")).json()["items"] if row["id"] == finding]
    assert str(zhao.id) == found["ordered_by"]
    await decided(wu, lin, "not_led")
    assert [] == await counting(wu, lin)
    refused(await lin.post("/v1/orders/dispute", order=act, words="x"), 403, "not_for_your_role")
    refused(await (await an_officer(app)).post("/v1/orders/dispute", order=act, words="x"), 404, "unknown_order")
    recorded(await zhao.post("/v1/orders/dispute", order=act, words="未下令"))
    refused(await zhao.post("/v1/orders/dispute", order=act, words="未下令"), 409, "order_disputed")
    assert ["not_led"] == await counting(wu, lin)
    (found,) = [row for row in (await wu.get("/v1/findings", person=lin.id)).json()["items"] if row["id"] == finding]
    assert found["ordered_by"] is None


async def test_an_order_is_disputed_within_its_term(app: Litestar) -> None:
    zhao = await an_officer(app)
    _, act, _ = await an_unled_act(app, ordered_by=zhao.id)
    await execute("UPDATE given_order SET told_at = told_at - interval '9 days', dispute_by = now() - interval '6 days'"
                  " WHERE id = $1", UUID(act))  # fmt: skip
    refused(await zhao.post("/v1/orders/dispute", order=act, words="未下令"), 409, "dispute_too_late")
    recorded(await zhao.post("/v1/orders/dispute", order=act, words="当时离线", at=ago(days=7)))


async def test_who_ordered_does_not_decide_about_it(app: Litestar) -> None:
    sun = await a_commander_of(app, STATION)
    lin, _, finding = await an_unled_act(app, ordered_by=sun.id)
    refused(await sun.post("/v1/findings/tell", person=lin.id, findings=[finding]), 403, "own_matter")


async def test_a_declined_order_is_the_inspectors_to_read_and_never_the_orderers(app: Litestar) -> None:
    """Not even where they inspect or command the organ themselves, and not while the entry is held."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    boss, chief = await an_inspector_of(app, STATION), await a_commander_of(app, STATION)
    cursors = {who.badge: (await who.get("/v1/changes")).json()["cursor"] for who in (boss, chief)}
    entry = {"officer": boss.id, "work": "12.3", "words": "要求单独执行拘传"}
    declined = recorded(await lin.post("/v1/orders/decline", **entry))["declined"]["id"]
    for who in (lin, wu):
        assert declined in [row["id"] for row in (await who.get("/v1/orders/declined")).json()["items"]]
    for who in (boss, chief, await an_officer(app)):
        assert declined not in (await who.get("/v1/orders/declined")).text
    for who in (boss, chief):
        news = (await who.get("/v1/changes", after=cursors[who.badge])).json()["items"]
        assert [] == [item for item in news if item["verb"] != "people/import"]  # people of other tests, in the organ
    refused(await lin.post("/v1/orders/decline", **entry | {"work": "10.1"}), 422, "work_not_forbidden")
    refused(await lin.post("/v1/orders/decline", **entry | {"work": "99.9"}), 422, "unknown_work")
    refused(await lin.post("/v1/orders/decline", **entry | {"officer": lin.id}), 422, "not_an_officer")


# -- one's own film


@pytest.fixture
async def filmed(app: Litestar, tmp_path: Any) -> tuple[Someone, str, str]:
    """Lin, her film of four minutes by its clock, and a finding about some of it."""
    lin = await a_duty_auxiliary(app)
    taken = film(tmp_path / "a.mp4", seconds=8, width=160, height=96, rate=5, ago=1200)
    footage = await sealed(app, lin, taken.path.read_bytes(), started_at=taken.started_at, ended_at=taken.ended_at)
    recorded(await lin.check_in(at=taken.started_at, dress="plain", dress_reason="便衣", id_card_carried=False))
    finding = await value("SELECT id FROM finding WHERE person = $1 AND kind = 'plain_without_id_card'", lin.id)
    return lin, footage, str(finding)


async def looks(who: Someone, footage: str, review: str, what: str = "view") -> Any:
    return await who.get(f"/v1/recordings/{footage}/{what}", review=review)


async def test_whom_a_finding_concerns_watches_that_stretch_and_takes_no_copy(
    app: Litestar, filmed: tuple[Someone, str, str]
) -> None:
    """Journalled as any view; neither the bytes nor a package; nobody else's film, and none of another time."""
    lin, footage, finding = filmed
    opened = recorded(await lin.post("/v1/reviews/open-own", recording=footage, finding=finding))["review"]
    assert ("finding", False, True) == (opened["purpose"], opened["needs_approval"], opened["tasked"])
    how = (await lin.get(f"/v1/reviews/{opened['id']}/viewing")).json()
    assert ("remux", 0) == (how["way"], how["may_watch"]["from_ms"])
    page = await lin.get(f"/v1/reviews/{opened['id']}/watch")
    assert (200, True) == (page.status_code, "待说明事项" in page.text)
    answer = await looks(lin, footage, opened["id"])
    assert (200, True) == (answer.status_code, len(answer.content) > 1000)
    assert await value("SELECT count(*) FROM journal WHERE verb = 'recordings/view' AND outcome = 'done' AND actor = $1"
                       " AND $2 = ANY (subjects)", lin.id, UUID(footage))  # fmt: skip
    for what in ("content", "poster"):
        refused(await looks(lin, footage, opened["id"], what), 403, "own_film_view_only")
    refused(await looks(lin, footage, opened["id"], "package"), 403, "own_film_view_only")
    await execute("UPDATE review SET watch_from = watch_from - interval '1 hour', watch_until = watch_from"
                  " WHERE id = $1",
                  UUID(opened["id"]))  # fmt: skip
    refused(await looks(lin, footage, opened["id"]), 409, "own_film_over")
    chen = await a_duty_auxiliary(app)
    refused(await chen.post("/v1/reviews/open-own", recording=footage, finding=finding), 404, "unknown_task")
    theirs, later = recorded(await chen.declare())["id"], recorded(await lin.declare())["id"]
    for other in (theirs, later):
        refused(await lin.post("/v1/reviews/open-own", recording=other, finding=finding), 404, "unknown_recording")
    for given in ({}, {"finding": finding, "hearing": uuid4()}):
        refused(await lin.post("/v1/reviews/open-own", recording=footage, **given), 422, "own_film_of_one")


async def test_ones_own_film_ends_with_the_stretch(app: Litestar, filmed: tuple[Someone, str, str]) -> None:
    """What comes after it is not sent, though the film goes on."""
    lin, footage, finding = filmed
    opened = recorded(await lin.post("/v1/reviews/open-own", recording=footage, finding=finding))["review"]["id"]
    whole = (await looks(lin, footage, opened)).content
    await execute("UPDATE review v SET watch_until = r.started_at + interval '3 seconds' FROM recording r"
                  " WHERE r.id = v.recording AND v.id = $1", UUID(opened))  # fmt: skip
    part = (await looks(lin, footage, opened)).content
    await watching.LATE_WRITES.wait()
    assert 0 < len(part) < len(whole)
    first, second = (await lin.get(f"/v1/reviews/{opened}")).json()["viewings"]
    assert first["to_ms"] > 7000
    assert 3000 == second["to_ms"]


async def test_a_restriction_holds_for_ones_own_film_too(app: Litestar, filmed: tuple[Someone, str, str]) -> None:
    lin, footage, finding = filmed
    recorded(await lin.post("/v1/recordings/restrict", recording=footage, category="minor"))
    opened = recorded(await lin.post("/v1/reviews/open-own", recording=footage, finding=finding))["review"]["id"]
    refused(await looks(lin, footage, opened), 403, "review_unapproved")
    sun = await a_commander_of(app, STATION)
    recorded(await sun.post("/v1/reviews/approve", review=opened, why="说明情况需要"))
    assert 200 == (await looks(lin, footage, opened)).status_code


async def test_watching_for_a_hearing_tells_the_chain_of_no_hearing(app: Litestar) -> None:
    """Not in their list of reviews, not as a review that they could decide, not in the recording's history."""
    lin, zhao, wu, _, hearing = await a_heard_complaint(app)
    await execute("UPDATE role_grant SET role = 'commander' WHERE person = $1", zhao.id)
    await execute(INSPECTS, zhao.id, STATION)
    await zhao.open()
    footage = recorded(await lin.declare(started_at=ago(hours=2.01), ended_at=ago(hours=1.9)))["id"]
    recorded(await lin.post("/v1/recordings/restrict", recording=footage, category="home"))
    opened = recorded(await lin.post("/v1/reviews/open-own", recording=footage, hearing=hearing))["review"]["id"]
    assert opened not in (await zhao.get("/v1/reviews")).text
    refused(await zhao.get(f"/v1/reviews/{opened}"), 404, "unknown_review")
    refused(await zhao.post("/v1/reviews/approve", review=opened, why="x"), 404, "unknown_review")
    assert opened not in (await zhao.get(f"/v1/recordings/{footage}/journal")).text
    assert opened in (await wu.get("/v1/reviews")).text
    chief = await a_commander_of(app, DISTRICT)
    recorded(await chief.post("/v1/reviews/approve", review=opened, why="陈述需要"))


# -- praise


async def test_praise_is_an_outcome_of_a_review_and_its_wearer_reads_it(app: Litestar) -> None:
    """R.6. In a review for a complaint it is read once that is concluded."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint = await received(wu, person=lin.id, started_at=ago(minutes=9))
    footage = recorded(await lin.declare())["id"]
    for purpose, number in (("case", "受案〔2026〕1号"), ("complaint", complaint["id"])):
        opened = {"recording": footage, "purpose": purpose, "number": number}
        review = recorded(await wu.post("/v1/reviews/open", **opened))["id"]
        closed = {"review": review, "found": ["praise"], "words": "办结"}
        refused(await wu.post("/v1/reviews/close", **closed), 422, "praise_in_words")
        refused(
            await wu.post("/v1/reviews/close", **closed | {"found": ["other"]}, praise="好"), 422, "praise_in_words"
        )
        recorded(await wu.post("/v1/reviews/close", **closed, praise="救助及时，用语规范"))
    (praise,) = (await lin.get("/v1/me/record")).json()["praise"]
    assert ("救助及时，用语规范", wu.badge) == (praise["words"], praise["by_badge"])
    await done(wu, "conclude", complaint, outcome="unfounded")
    assert 2 == len((await lin.get("/v1/me/record")).json()["praise"])


# -- the number of an incident


async def test_an_incident_has_a_number_without_any_case(app: Litestar) -> None:
    """On an act, a call, a recording; the latest that is told counts; found however it is typed."""
    lin, _, shift, _ = await a_led_patrol(app, hours=1)
    number = f"J3301022026{uuid4().int % 10**8:08}"
    act = recorded(await lin.starts("9.4", at=ago(minutes=50), incident_ref="J000"))["id"]
    recorded(await lin.amends(act, incident_ref=f" {number[:5]} {number[5:]}".strip()))
    call = recorded(await lin.post("/v1/assistance/call", kind="crowd", incident_ref=number))["id"]
    footage = recorded(await lin.declare(incident_ref=number, started_at=ago(days=9), ended_at=ago(days=8.9)))["id"]
    recusal = {"incident_ref": number, "ground": "interest", "words": "当事人是邻居"}
    stands = recorded(await lin.post("/v1/recusals/declare", **recusal))["id"]
    sun = await a_commander_of(app, STATION)
    for path, wanted in (
        ("activities", act), ("assistance", call), ("recordings", footage), ("shifts", shift), ("recusals", stands),
    ):  # fmt: skip
        found = (await sun.get(f"/v1/{path}", incident=number.lower())).json()["items"]
        assert [wanted] == [row["id"] for row in found], path
        assert [] == (await sun.get(f"/v1/{path}", incident="J000")).json()["items"]
    assert number in (await sun.get(f"/v1/recordings/{footage}/index")).text
    row = (await sun.get(f"/v1/activities/{act}")).json()["activity"]
    assert ("none", None) == (row["case_kind"], row["case_ref"])
    assert number.replace(" ", "") == row["incident_ref"].replace(" ", "")


async def test_a_number_that_cannot_be_refuses_no_act(app: Litestar) -> None:
    lin, _, _, _ = await a_led_patrol(app)
    started = recorded(await lin.starts("9.4", at=ago(minutes=20), incident_ref="x" * 500))
    assert "value_doubtful" in [note["code"] for note in started["findings"]]
