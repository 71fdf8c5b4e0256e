"""Activities: judged at the start, recorded in full, never improved by later entries (R.7 to 12, 32)."""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar

from tests.builders import (
    DISTRICT,
    ELSEWHERE,
    STATION,
    Someone,
    a_civilian_auxiliary,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    codes,
    leaves,
    now,
    recorded,
    refused,
    trained,
)

NOTICE = {"id_shown": True, "told": "告知被盘查人身份、依据", "recusal_right_told": True}
ASKED_OF_A_STOP = {"officers_present": 2, "recording": True}
A_CURSOR_BEFORE_TIME = urlsafe_b64encode(f'{{"at":"0001-01-01T00:00:00+14:00","id":"{uuid4()}"}}'.encode()).decode()
INSURED = ("pre_job_training,,2024-03-01,", "accident_insurance,,2024-03-01,")


async def a_patrol(app: Litestar, **span: float) -> tuple[Someone, Someone, str]:
    """Lin, trained, insured and equipped, on a patrol that Zhao leads since `span` ago."""
    lin, zhao, shift, _ = await a_led_patrol(app, **span)
    await trained(lin, *INSURED)
    return lin, zhao, shift


async def kinds(someone: Someone, activity: str) -> list[str]:
    answer = (await someone.get(f"/v1/activities/{activity}")).json()
    return sorted(found["kind"] for found in answer["findings"])


async def gaps(someone: Someone, activity: str) -> list[tuple[str, bool, int]]:
    """Kind, explained, and length in seconds of each gap."""
    answer = (await someone.get(f"/v1/activities/{activity}")).json()["activity"]["gaps"]
    return [(gap["kind"], gap["explained"], seconds(gap)) for gap in answer]


def seconds(span: dict[str, Any]) -> int:
    return round(
        (datetime.fromisoformat(span["ended_at"]) - datetime.fromisoformat(span["started_at"])).total_seconds()
    )


async def a_late_stop(lin: Someone, minutes: float, lasting: float, **fields: Any) -> str:
    """A stop-and-question that began so many minutes ago, reported now."""
    start = await lin.starts("10.3.question", at=ago(minutes=minutes), **(ASKED_OF_A_STOP | fields))
    activity = recorded(start)["id"]
    recorded(await lin.finishes(activity, at=ago(minutes=minutes - lasting), public_notice=NOTICE))
    return activity


async def test_a_stop_is_refused_with_its_article_and_allowed_once_the_rules_are_met(app: Litestar) -> None:
    """10.3: an officer leads, two are present, the recorder runs."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin, *INSURED)
    recorded(await lin.check_in(equipment=["执法记录仪", "防刺背心"]))
    answer = refused(await lin.starts("10.3.question"), 409, "not_led")
    assert ["not_led", "too_few_officers", "not_recording"] == [unmet["code"] for unmet in answer["unmet"]]
    assert ["10, 11", "程序规定 52", "32"] == [unmet["article"] for unmet in answer["unmet"]]
    recorded(await lin.names(zhao))
    started = recorded(await lin.starts("10.3.question", **ASKED_OF_A_STOP, public_notice=NOTICE))
    assert ([], ["leader_unconfirmed", "yearly_training_expired"]) == (started["findings"], codes(started["warnings"]))
    assert "10.3.question" == started["activity"]["work"]
    finished = recorded(await lin.finishes(started["id"]))
    assert finished["activity"]["ended_at"] is not None


async def test_a_refused_start_stays_refused_unless_somebody_ordered_it(app: Litestar) -> None:
    """The same id gets the same refusal for ever; with `despite` it is recorded, with its findings."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    recorded(await lin.check_in())
    entry = lin.entry(work="10.4", case_kind="administrative")
    first = refused(await lin.send("/v1/activities/start", entry), 409, "not_led")
    recorded(await lin.names(zhao))
    assert first["unmet"] == refused(await lin.send("/v1/activities/start", entry), 409, "not_led")["unmet"]
    despite = {"why": "警情紧急，民警正在赶来", "ordered_by": zhao.id}
    answer = recorded(await lin.send("/v1/activities/start", entry | {"sent_at": now(), "despite": despite}))
    assert "not_recording" in codes(answer["findings"])
    assert "not_recording" in await kinds(lin, answer["id"])


async def test_forbidden_work_reaches_the_inspector_at_once(app: Litestar) -> None:
    """In the transaction that records it."""
    lin, zhao, _ = await a_patrol(app)
    inspector, stranger = await an_inspector_of(app, DISTRICT), await an_inspector_of(app, ELSEWHERE)
    entry = lin.entry(work="12.2")
    refused(await lin.send("/v1/activities/start", entry), 409, "forbidden_work")
    despite = {"why": "民警口头安排做笔录", "ordered_by": zhao.id}
    activity = recorded(await lin.send("/v1/activities/start", entry | {"despite": despite, "sent_at": now()}))["id"]
    found = (await inspector.get("/v1/findings", kind="forbidden_work", person=lin.id)).json()["items"]
    assert [(activity, "12", False)] == [(one["subject"], one["article"], one["explained"]) for one in found]
    assert [] == (await stranger.get("/v1/findings", person=lin.id)).json()["items"]


async def test_late_work_is_never_refused(app: Litestar) -> None:
    """Offline for two days: recorded, with findings for everything that is wrong."""
    lin, elsewhere = await a_duty_auxiliary(app), await a_civilian_auxiliary(app)
    answer = recorded(await lin.starts("10.3.question", at=ago(days=2)))
    assert {"untrained", "not_on_shift", "not_led", "too_few_officers", "not_recording"} <= set(
        codes(answer["findings"])
    )
    unknown = recorded(await lin.starts("77.7", at=ago(days=1)))
    assert "unknown_work" in codes(unknown["findings"])
    assert "not_your_kind" in codes(recorded(await elsewhere.starts("9.6", at=ago(hours=1)))["findings"])


async def test_entries_that_arrive_later_withdraw_findings_about_missing_facts(app: Litestar) -> None:
    """The phone's queue arrives in the wrong order: after the check-in and the naming, no finding stands."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin, *INSURED)
    activity = await a_late_stop(lin, 30, 10)
    assert {"not_on_shift", "not_led", "led_gap", "unrecorded"} <= set(await kinds(lin, activity))
    recorded(await lin.declare(started_at=ago(minutes=31), ended_at=ago(minutes=19)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=40)))["id"]
    equipment = ["执法记录仪", "防刺背心"]
    recorded(await lin.check_in(at=ago(minutes=50), equipment=equipment))
    assert ["led_gap"] == await kinds(lin, activity)
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=39)))
    assert ([], []) == (await gaps(lin, activity), await kinds(lin, activity))


async def test_a_gap_stands_and_an_explanation_stands_beside_it(app: Litestar) -> None:
    """The recorder failed for three minutes of ten: the gap is found, answered for, and still there."""
    lin, zhao, shift = await a_patrol(app, minutes=60)
    activity = await a_late_stop(lin, 30, 10)
    recorded(await lin.declare(started_at=ago(minutes=31), ended_at=ago(minutes=26)))
    recorded(await lin.declare(started_at=ago(minutes=23), ended_at=ago(minutes=19)))
    assert [("recording", False, 180)] == await gaps(lin, activity)
    body = {"started_at": ago(minutes=26), "ended_at": ago(minutes=23)}
    answer = recorded(await lin.explains(activity, spoken=True, reported_to=zhao.id, **body))
    assert ["unequipped", "unrecorded"] == codes(answer["findings"])
    assert [("recording", True, 180)] == await gaps(lin, activity)
    found = (await lin.get("/v1/findings", kind="unrecorded", status="explained")).json()["items"]
    assert [activity] == [one["subject"] for one in found]
    timeline = (await zhao.get(f"/v1/shifts/{shift}")).json()
    assert [activity] == [done["id"] for done in timeline["activities"]]
    assert timeline["activities"][0]["text"] == "盘查"


async def test_another_source_is_a_claim_and_proves_nothing(app: Litestar) -> None:
    """A fixed camera is an answer for the gap, but it is no footage."""
    lin, _, _ = await a_patrol(app, minutes=60)
    activity = await a_late_stop(lin, 30, 10)
    recorded(await lin.covers(activity))
    answer = (await lin.get(f"/v1/activities/{activity}")).json()
    assert ([], []) == (answer["activity"]["claimed"], answer["activity"]["proved"])
    assert [("recording", True, 600)] == await gaps(lin, activity)
    assert ["南门卡口 3 号球机"] == [account["source"] for account in answer["accounts"]]
    assert "unrecorded" in await kinds(lin, activity)


async def test_the_leading_officers_footage_counts_while_they_lead(app: Litestar) -> None:
    """Zhao's recorder ran all the time; before the naming their footage does not count for this work."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin, *INSURED)
    recorded(await lin.check_in(at=ago(minutes=60), equipment=["执法记录仪", "防刺背心"]))
    naming = recorded(await lin.names(zhao, at=ago(minutes=25)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=24)))
    activity = await a_late_stop(lin, 30, 10)
    recorded(await zhao.declare(started_at=ago(minutes=55), ended_at=ago(minutes=5)))
    assert [("leading", False, 300), ("recording", False, 300)] == await gaps(lin, activity)


async def test_no_footage_is_one_gap_and_with_a_single_officer_a_legality_defect(app: Litestar) -> None:
    """程序规定 52: taking a report in an administrative case with one officer must be wholly recorded."""
    lin, _, _ = await a_patrol(app, minutes=60)
    alone = recorded(await lin.starts("10.4", at=ago(minutes=30), case_kind="administrative", recording=True))["id"]
    recorded(await lin.finishes(alone, at=ago(minutes=20), public_notice=NOTICE))
    two = {"case_kind": "administrative", "recording": True, "officers_present": 2}
    both = recorded(await lin.starts("10.4", at=ago(minutes=15), **two))["id"]
    recorded(await lin.finishes(both, at=ago(minutes=10), public_notice=NOTICE))
    assert {"unrecorded", "legality_defect"} == set(await kinds(lin, alone)) - {"unequipped"}
    assert {"unrecorded"} == set(await kinds(lin, both)) - {"unequipped"}


async def test_the_kind_of_case_is_asked_and_not_assumed(app: Litestar) -> None:
    """程序规定 52: a report is taken before a case is opened; only who was asked says that there is none."""
    lin, _, _ = await a_patrol(app, minutes=60)
    untold = recorded(await lin.starts("10.4", at=ago(minutes=30), recording=True, officers_present=1))
    assert "case_kind_not_told" in codes(untold["warnings"])
    recorded(await lin.finishes(untold["id"], at=ago(minutes=20), public_notice=NOTICE))
    assert {"unrecorded", "legality_defect"} <= set(await kinds(lin, untold["id"]))
    told = {"recording": True, "officers_present": 1, "case_asked": True}
    asked = recorded(await lin.starts("10.4", at=ago(minutes=15), **told))
    assert "case_kind_not_told" not in codes(asked["warnings"])
    recorded(await lin.finishes(asked["id"], at=ago(minutes=10), public_notice=NOTICE))
    assert "legality_defect" not in await kinds(lin, asked["id"])
    recorded(await lin.amends(untold["id"], case_kind="none", case_asked=True))
    assert "legality_defect" in await kinds(lin, untold["id"])


async def test_whoever_rescues_is_found_at_fault_for_nothing(app: Litestar) -> None:
    """Not checked in, untrained, of the other kind, recused from the case: recorded, with warnings and no finding."""
    su = await a_civilian_auxiliary(app)
    for work in ("9.4", "9.7"):
        answer = recorded(await su.starts(work))
        assert {"not_your_kind", "untrained", "not_on_shift"} <= set(codes(answer["warnings"]))
        assert {"uninsured"} >= set(codes(answer["findings"]))
        recorded(await su.finishes(answer["id"]))
        assert {"uninsured"} >= set(await kinds(su, answer["id"])), "the organ's alone"
    late = recorded(await su.starts("9.4", at=ago(hours=3)))["id"]
    recorded(await su.finishes(late, at=ago(hours=2)))
    assert {"uninsured"} >= set(await kinds(su, late))
    recorded(await su.amends(late, work="9.6", at=ago(hours=1)))
    assert {"not_your_kind", "not_on_shift"} <= set(await kinds(su, late)), "it was no rescue"


async def test_work_that_an_officer_leads_is_refused_with_the_recorder_off(app: Litestar) -> None:
    """R.32 para 3: correcting a traffic offence waits for the recorder; stopping a crime does not."""
    lin, _, _ = await a_patrol(app)
    refused(await lin.starts("9.3"), 409, "led_not_recording")
    begun = recorded(await lin.starts("9.3", recording=True))
    assert "led_notice_owed" in codes(begun["warnings"])
    noticed = recorded(await lin.starts("9.3", recording=True, public_notice=NOTICE))
    assert "led_notice_owed" not in codes(noticed["warnings"])
    stopped = recorded(await lin.starts("9.7"))
    assert {"led_not_recording", "led_notice_owed"} <= set(codes(stopped["warnings"]))


async def test_who_and_what_was_there_is_kept_and_judged(app: Litestar) -> None:
    """执勤规范 70, 72: one officer and one auxiliary are too few on a main road; and what cannot be is left out."""
    lin, _, _ = await a_patrol(app)
    scene = {"recording": True, "officers_present": 1, "place_kind": "main_road", "light": "night"}
    refused(await lin.starts("10.2", **scene), 409, "too_few_people")
    activity = recorded(await lin.starts("10.2", **scene, auxiliaries_present=3))["id"]
    (told,) = (await lin.get(f"/v1/activities/{activity}")).json()["tellings"]
    assert (3, "main_road", "night") == (told["auxiliaries_present"], told["place_kind"], told["light"])
    strange = recorded(await lin.starts("10.2", **scene | {"place_kind": "moon", "light": 7}))
    assert {"value_doubtful"} <= set(codes(strange["findings"]))
    refused(await lin.amends(activity, work="10.2", auxiliaries_present=1), 409, "too_few_people")
    recorded(await lin.amends(activity, work="10.2", place_kind="other", auxiliaries_present=1))


async def test_an_open_activity_ends_with_its_shift_or_now(app: Litestar) -> None:
    """Nobody finished it: the gap grows until the check-out."""
    lin, _, shift = await a_patrol(app, minutes=60)
    activity = recorded(await lin.starts("10.3.question", at=ago(minutes=30), **ASKED_OF_A_STOP))["id"]
    assert [("recording", False, 1800)] == [(k, e, round(s, -1)) for k, e, s in await gaps(lin, activity)]
    recorded(await lin.check_out(shift, at=ago(minutes=20)))
    assert [("leading", False, 5), ("recording", False, 600)][1:] == await gaps(lin, activity)
    recorded(await lin.finishes(activity, at=ago(minutes=25)))
    assert [("recording", False, 300)] == await gaps(lin, activity)


async def test_an_amendment_removes_no_gap_and_no_finding(app: Litestar) -> None:
    """Shorter, another work, more officers: the gap and the findings of the first entry stand."""
    lin, _, _ = await a_patrol(app, minutes=90)
    here = now()  # all times from one, however slow the machine
    first = recorded(
        await lin.starts("10.4", at=here - timedelta(minutes=30), case_kind="administrative", recording=True)
    )["id"]
    recorded(await lin.finishes(first, at=here - timedelta(minutes=20)))
    before = await kinds(lin, first)
    assert {"legality_defect", "unrecorded", "no_public_notice"} <= set(before)
    recorded(await lin.amends(first, ended_at=here - timedelta(minutes=29), officers_present=3, public_notice=NOTICE))
    recorded(await lin.amends(first, work="9.6", case_kind="none"))
    assert set(before) <= set(await kinds(lin, first))
    assert [("recording", False, 600)] == await gaps(lin, first)
    recorded(await lin.amends(first, started_at=here - timedelta(minutes=40)))
    assert [("recording", False, 1200)] == await gaps(lin, first)
    answer = (await lin.get(f"/v1/activities/{first}")).json()
    assert ["start", "finish", "amend", "amend", "amend"] == [telling["verb"] for telling in answer["tellings"]]
    assert ("9.6", 3, "none") == tuple(answer["activity"][field] for field in ("work", "officers_present", "case_kind"))


async def test_a_second_finish_makes_no_gap_smaller(app: Litestar) -> None:
    """A late entry with an earlier finish changes nothing, nor does its public notice count."""
    lin, _, _ = await a_patrol(app, minutes=60)
    here = now()  # all times from one, however slow the machine
    activity = recorded(await lin.starts("10.3.question", at=here - timedelta(minutes=30), **ASKED_OF_A_STOP))["id"]
    recorded(await lin.finishes(activity, at=here - timedelta(minutes=20)))
    recorded(await lin.finishes(activity, at=here - timedelta(minutes=29)))
    recorded(await lin.finishes(activity, at=here - timedelta(minutes=19), public_notice=NOTICE))
    assert [("recording", False, 660)] == await gaps(lin, activity)
    assert "no_public_notice" in await kinds(lin, activity)


async def test_amending_the_start_removes_no_finding(app: Litestar) -> None:
    """At the amended start Lin was on shift and led; at the first one, neither."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin, *INSURED)
    shift = recorded(await lin.check_in(at=ago(minutes=90), equipment=["执法记录仪", "防刺背心"]))["id"]
    naming = recorded(await lin.names(zhao, at=ago(minutes=89)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=88)))
    recorded(await lin.check_out(shift, at=ago(minutes=60)))
    activity = await a_late_stop(lin, 30, 10)
    before = await kinds(lin, activity)
    assert {"not_on_shift", "not_led"} <= set(before)
    recorded(await lin.amends(activity, started_at=ago(minutes=70)))
    assert set(before) <= set(await kinds(lin, activity))


async def test_an_officer_named_yesterday_does_not_lead_today(app: Litestar) -> None:
    """The check-out was forgotten; the next duty's leader is named anew, or nobody leads."""
    lin, _, _ = await a_patrol(app, hours=24)
    recorded(await lin.check_in(equipment=["执法记录仪"]))
    answer = (await lin.get("/v1/duty/verdict", work="10.2", recording="true")).json()
    assert "not_led" in codes(answer["unmet"])
    refused(await lin.starts("10.2", recording=True), 409, "not_led")


async def test_work_that_assists_enforcement_is_recorded_while_it_is_led(app: Litestar) -> None:
    """R.32 para 3: correcting a traffic offence with an officer is recorded, without one it need not be."""
    lin, _, _ = await a_patrol(app, minutes=60)
    led = recorded(await lin.starts("9.3", at=ago(minutes=30), public_notice=NOTICE))["id"]
    recorded(await lin.finishes(led, at=ago(minutes=20)))
    assert [("recording", False, 600)] == await gaps(lin, led)
    alone = await a_duty_auxiliary(app)
    recorded(await alone.check_in(at=ago(minutes=60)))
    commanded = recorded(await alone.starts("9.3", at=ago(minutes=30)))["id"]
    recorded(await alone.finishes(commanded, at=ago(minutes=20)))
    assert [] == await gaps(alone, commanded)


async def test_an_officer_sees_what_was_done_while_they_led_and_nothing_older(app: Litestar) -> None:
    """An act that nobody finished and footage that has no end do not reach into the next officer's duty."""
    lin, _, shift = await a_patrol(app, hours=60)
    old = recorded(await lin.starts("10.3.question", at=ago(hours=59), **ASKED_OF_A_STOP, notes="私密"))["id"]
    recorded(await lin.check_out(shift, at=ago(hours=50)))
    body = {"camera_serial": "DSJ-0042", "file_name": "open.mp4", "media_type": "video/mp4"}
    footage = recorded(await lin.post("/v1/recordings/declare", **body, started_at=ago(hours=59)))["id"]
    qian = await an_officer(app)
    today = recorded(await lin.check_in(at=ago(hours=2)))["id"]
    recorded(await lin.names(qian, at=ago(hours=1)))
    refused(await qian.get(f"/v1/activities/{old}"), 404, "unknown_activity")
    refused(await qian.get(f"/v1/recordings/{footage}"), 404, "unknown_recording")
    refused(await qian.explains(old), 404, "unknown_activity")
    assert [] == (await qian.get(f"/v1/shifts/{today}")).json()["activities"]


async def test_an_officer_who_left_since_may_have_ordered_it_then(app: Litestar) -> None:
    """A late entry is judged by who served at that moment."""
    lin, zhao, _ = await a_patrol(app, minutes=60)
    await leaves(zhao, days_ago=2)
    bound = {"id": uuid4(), "means": "restraint_belt", "watcher": lin.id, "ordered_by": zhao.id}
    body = {"restraints": [bound | {"started_at": ago(days=5)}], **ASKED_OF_A_STOP}
    recorded(await lin.starts("10.5", at=ago(days=5), **body))


@pytest.mark.parametrize(
    "query",
    [
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"from": "2026-01-01T00:00:00"},
        {"kind": "\x00"},
        {"cursor": A_CURSOR_BEFORE_TIME},
    ],
)
async def test_a_wrong_query_of_findings_is_refused(app: Litestar, query: dict[str, str]) -> None:
    """The refusal names the parameter; it is never a server error."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.get("/v1/findings", **query), 422, "invalid")


async def test_an_amendment_to_forbidden_work_is_judged_too(app: Litestar) -> None:
    """An amendment to Article 12 work is refused live; otherwise it is recorded with its finding."""
    lin, _, _ = await a_patrol(app)
    activity = recorded(await lin.starts("9.6"))["id"]
    refused(await lin.amends(activity, work="12.2"), 409, "forbidden_work")
    late = recorded(await lin.amends(activity, work="12.2", at=ago(minutes=2)))
    assert {"forbidden_work"} == set(codes(late["findings"])) - {"unequipped"}


async def test_public_notice_is_owed_while_led(app: Litestar) -> None:
    """R.32: required while led and assisting enforcement; an incomplete notice does not count."""
    lin, _, _ = await a_patrol(app, minutes=60)
    half = NOTICE | {"recusal_right_told": False}
    partly = recorded(await lin.starts("9.3", at=ago(minutes=30), public_notice=half))["id"]
    recorded(await lin.finishes(partly, at=ago(minutes=29)))
    assert "no_public_notice" in await kinds(lin, partly)
    wholly = recorded(await lin.starts("9.3", at=ago(minutes=20)))["id"]
    recorded(await lin.finishes(wholly, at=ago(minutes=19), public_notice=NOTICE))
    assert "no_public_notice" not in await kinds(lin, wholly)
    alone = await a_duty_auxiliary(app)
    await trained(alone)
    recorded(await alone.check_in(at=ago(minutes=30)))
    commanded = recorded(await alone.starts("9.3", at=ago(minutes=20)))["id"]
    recorded(await alone.finishes(commanded, at=ago(minutes=19)))
    assert "no_public_notice" not in await kinds(alone, commanded)


async def test_public_notice_counts_while_the_work_lasts_and_not_afterwards(app: Litestar) -> None:
    """The phone may send it while the work lasts, not the day after."""
    lin, _, _ = await a_patrol(app, minutes=60)
    meanwhile = recorded(await lin.starts("9.3", at=ago(minutes=2)))["id"]
    recorded(await lin.amends(meanwhile, public_notice=NOTICE))
    recorded(await lin.finishes(meanwhile))
    assert "no_public_notice" not in await kinds(lin, meanwhile)
    afterwards = recorded(await lin.starts("9.3", at=ago(minutes=30)))["id"]
    recorded(await lin.finishes(afterwards, at=ago(minutes=20)))
    recorded(await lin.amends(afterwards, at=ago(minutes=25), public_notice=NOTICE))
    recorded(await lin.finishes(afterwards, at=ago(minutes=24), public_notice=NOTICE))
    assert "no_public_notice" in await kinds(lin, afterwards)


async def test_a_drunk_person_is_bound_by_belt_watched_and_released(app: Litestar) -> None:
    """程序规定 58."""
    lin, zhao, _ = await a_patrol(app, minutes=60)
    bound = {"id": uuid4(), "means": "handcuffs", "ordered_by": zhao.id, "started_at": ago(minutes=5)}
    answer = refused(await lin.starts("10.5", **ASKED_OF_A_STOP, restraints=[bound]), 409, "restraint_not_allowed")
    assert ["no_watcher", "restraint_not_allowed"] == codes(answer["unmet"])
    bound |= {"means": "restraint_belt", "watcher": lin.id}
    activity = recorded(await lin.starts("10.5", **ASKED_OF_A_STOP, restraints=[bound]))["id"]
    refused(await lin.finishes(activity), 409, "not_released")
    finished = recorded(await lin.finishes(activity, restraints=[bound | {"ended_at": now()}]))
    assert "not_released" not in codes(finished["findings"])
    (kept,) = (await lin.get(f"/v1/activities/{activity}")).json()["restraints"]
    assert (str(bound["id"]), "restraint_belt", True) == (kept["id"], kept["means"], kept["ended_at"] is not None)


async def test_restraint_implements_are_for_emergencies(app: Litestar) -> None:
    """R.11."""
    lin, zhao, _ = await a_patrol(app)
    bound = {"id": uuid4(), "means": "handcuffs", "ordered_by": zhao.id, "started_at": now()}
    body = {"recording": True, "officers_present": 1, "restraints": [bound]}
    assert ["no_emergency"] == codes(refused(await lin.starts("11.restraint", **body), 409, "no_emergency")["unmet"])
    receipt = recorded(await lin.starts("11.restraint", emergency=True, **body))
    assert "restrained_not_told" in codes(receipt["warnings"])
    nobody = body | {"emergency": True, "restraints": [bound | {"id": uuid4(), "restrained": "drunkard"}]}
    assert "restrained_not_told" in codes(recorded(await lin.starts("11.restraint", **nobody))["warnings"])
    drunk = body | {"emergency": True, "restraints": [bound | {"id": uuid4(), "restrained": "drunk"}]}
    refused(await lin.starts("11.restraint", **drunk), 409, "not_on_this_person")
    belt = bound | {"id": uuid4(), "restrained": "drunk", "means": "restraint_belt"}
    activity = recorded(await lin.starts("11.restraint", **body | {"emergency": True, "restraints": [belt]}))["id"]
    (kept,) = (await lin.get(f"/v1/activities/{activity}")).json()["restraints"]
    assert ("drunk", False) == (kept["restrained"], kept["self_protection"])


async def test_insurance_and_equipment_are_held_against_the_organ(app: Litestar) -> None:
    """R.24, R.11, R.13: the auxiliary is not blamed, and correcting the roster withdraws the finding."""
    lin, _, _, _ = await a_led_patrol(app, minutes=60)
    await trained(lin)
    inspector = await an_inspector_of(app, STATION)
    activity = await a_late_stop(lin, 30, 10)
    assert {"uninsured", "unequipped"} <= set(await kinds(lin, activity))
    mine = (await lin.get("/v1/findings", person=lin.id)).json()["items"]
    assert not {"uninsured", "unequipped"} & {found["kind"] for found in mine}
    listed = (await inspector.get("/v1/findings", kind="uninsured", limit=200)).json()["items"]
    (found,) = [one for one in listed if one["subject"] == activity]
    assert (None, True, STATION) == (found["person"], found["against_organ"], found["organ"])


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        ("start", {"work": "99.9"}, 422, "unknown_work"),
        ("start", {"work": "patrol"}, 422, "invalid"),
        ("start", {"work": "9.6", "case_kind": "civil"}, 422, "invalid"),
        ("start", {"work": "9.6", "case_ref": "A1"}, 422, "case_ref_without_case"),
        ("start", {"work": "9.2", "case_kind": "criminal"}, 409, "case_kind_unfit"),
        ("start", {"work": "9.6", "emergency": -1}, 422, "invalid"),
        ("start", {"work": "12.2", "despite": {"why": ""}}, 422, "invalid"),
        ("start", {"work": "12.2", "despite": {"why": " \n "}}, 422, "invalid"),
        ("start", {"work": "12.2", "despite": {}}, 422, "invalid"),
        ("start", {"work": "12.2", "despite": {"why": "奉命", "ordered_by": str(uuid4())}}, 422, "not_an_officer"),
        ("finish", {"activity": str(uuid4())}, 404, "unknown_activity"),
        ("amend", {"activity": str(uuid4()), "why": "补正", "notes": "x"}, 404, "unknown_activity"),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_stored(
    app: Litestar, path: str, fields: dict[str, Any], status: int, code: str
) -> None:
    """With its code, in a sentence."""
    lin, _, shift = await a_patrol(app)
    refused(await lin.post(f"/v1/activities/{path}", **fields), status, code)
    assert [] == (await lin.get(f"/v1/shifts/{shift}")).json()["activities"]


async def test_times_that_contradict_are_refused(app: Litestar) -> None:
    """Ending before it began; but a time that only a clock got wrong is taken, with a finding."""
    lin, zhao, _ = await a_patrol(app)
    activity = recorded(await lin.starts("9.6"))["id"]
    refused(await lin.amends(activity, started_at=ago(minutes=1), ended_at=ago(minutes=2)), 422, "end_before_start")
    refused(await lin.amends(activity), 422, "nothing_amended")
    ahead = {"id": uuid4(), "means": "police_rope", "ordered_by": zhao.id}
    ahead |= {"started_at": now() + timedelta(hours=1), "ended_at": now() + timedelta(hours=2)}
    behind = ahead | {"id": uuid4(), "ended_at": now()}
    for doubtful in (
        {"ended_at": datetime(1999, 1, 1).astimezone()}, {"ended_at": now() + timedelta(minutes=1)},
        {"restraints": [ahead], "despite": {"why": "补正"}}, {"restraints": [behind], "despite": {"why": "补正"}},
    ):  # fmt: skip
        assert "clock_doubtful" in codes(recorded(await lin.amends(activity, **doubtful))["findings"])
    stranger = ahead | {"started_at": now(), "watcher": uuid4()}
    refused(await lin.amends(activity, restraints=[stranger]), 404, "unknown_person")
    recorded(await lin.finishes(activity))
    refused(await lin.finishes(activity), 409, "already_finished")


async def test_another_persons_activity_is_unknown(app: Litestar) -> None:
    """It cannot be finished, amended, explained or read; the officer who led may explain and read."""
    lin, zhao, _ = await a_patrol(app, minutes=60)
    wang, qian = await a_duty_auxiliary(app), await an_officer(app)
    activity = await a_late_stop(lin, 30, 10)
    for other in (wang, qian):
        refused(await other.get(f"/v1/activities/{activity}"), 404, "unknown_activity")
        refused(await other.explains(activity), 404, "unknown_activity")
        refused(await other.covers(activity), 404, "unknown_activity")
    refused(await wang.finishes(activity), 404, "unknown_activity")
    refused(await wang.amends(activity, notes="x"), 404, "unknown_activity")
    refused(await qian.starts("9.6"), 403, "not_for_your_role")
    assert 200 == (await zhao.get(f"/v1/activities/{activity}")).status_code
    recorded(await zhao.explains(activity))


async def test_a_live_explanation_without_a_gap_is_refused(app: Litestar) -> None:
    """Live it is refused; late it is recorded, as the entry with the gap may still arrive."""
    lin, _, _ = await a_patrol(app, minutes=60)
    activity = await a_late_stop(lin, 30, 10)
    recorded(await lin.declare(started_at=ago(minutes=31), ended_at=ago(minutes=19)))
    refused(await lin.explains(activity), 409, "no_gap")
    refused(await lin.covers(activity), 409, "no_gap")
    refused(await lin.explains(activity, gap="leading"), 409, "no_gap")
    refused(await lin.explains(activity, started_at=ago(minutes=5), ended_at=ago(minutes=9)), 422, "end_before_start")
    refused(await lin.covers(activity, colleague=lin.id), 422, "colleague_unfit")
    recorded(await lin.explains(activity, at=ago(minutes=3)))
    assert [] == await gaps(lin, activity)


async def test_findings_are_listed_by_kind_person_period_and_state(app: Litestar) -> None:
    """For an organ's subtree, in pages."""
    inspector = await an_inspector_of(app, DISTRICT)
    lin, _, _ = await a_patrol(app, minutes=90)
    stops = [await a_late_stop(lin, minutes, 3) for minutes in (60, 50, 40)]
    recorded(await lin.explains(stops[0]))

    async def listed(**query: Any) -> list[str]:
        answer = await inspector.get("/v1/findings", **({"kind": "unrecorded", "person": lin.id} | query))
        assert 200 == answer.status_code, answer.text
        return [found["subject"] for found in answer.json()["items"]]

    assert set(stops) == set(await listed())
    assert set(stops[1:]) == set(await listed(status="open"))
    assert stops[:1] == await listed(status="explained")
    assert [stops[1]] == await listed(**{"from": ago(minutes=52).isoformat(), "to": ago(minutes=45).isoformat()})
    assert set(stops) == set(await listed(organ=STATION))
    assert [] == await listed(organ=ELSEWHERE)
    page = (await inspector.get("/v1/findings", kind="unrecorded", person=lin.id, limit=2)).json()
    rest = (await inspector.get("/v1/findings", kind="unrecorded", person=lin.id, limit=2, cursor=page["next"])).json()
    assert (set(stops), None) == ({one["subject"] for one in page["items"] + rest["items"]}, rest["next"])
    english = (await inspector.get("/v1/findings", english=True, person=lin.id, kind="unrecorded")).json()["items"][0]
    assert english["message"].startswith("Part of the work")


async def test_confirming_from_far_away_is_a_finding(app: Litestar) -> None:
    """R.10: officers lead in person; places of different datums are not compared."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in())
    here = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
    away = here | {"lat": 30.2941}
    for place, found in ((here, []), (away | {"datum": "GCJ02"}, []), (away, ["led_from_afar"])):
        naming = recorded(await lin.names(zhao, place=here))["id"]
        assert found == codes(recorded(await zhao.answer("confirm", naming, place=place))["findings"])
