"""May I do this now? Asked through the API, with the facts in the tables (R.7 to R.12, R.30)."""

import gzip

import pytest
from litestar import Litestar

from backend.law.catalogue import law
from tests.builders import Someone, a_civilian_auxiliary, a_duty_auxiliary, ago, an_officer, recorded, trained
from tests.contract_problems import OPERATIONS

VERDICT = "/v1/duty/verdict"


async def judged(someone: Someone, work: str, **query: object) -> tuple[str, list[str], list[str]]:
    answer = await someone.get(VERDICT, work=work, **{name: str(text).lower() for name, text in query.items()})
    assert 200 == answer.status_code, answer.text
    payload = answer.json()
    return (
        payload["outcome"],
        [note["code"] for note in payload["unmet"]],
        [note["code"] for note in payload["warnings"]],
    )


async def test_a_patrol_needs_a_shift_and_training(app: Litestar) -> None:
    """9.6 is done at the organ's command: an open shift is that command."""
    lin = await a_duty_auxiliary(app)
    assert ("forbidden", ["untrained", "not_on_shift"]) == (await judged(lin, "9.6"))[:2]
    await trained(lin)
    assert ("conditional", ["not_on_shift"]) == (await judged(lin, "9.6"))[:2]
    recorded(await lin.check_in())
    assert ("allowed", []) == (await judged(lin, "9.6"))[:2]


async def test_stop_and_question_asks_for_a_leader_officers_and_a_recorder(app: Litestar) -> None:
    """10.3 needs a leading officer, two officers present and a recording; the confirmation may come after the start."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    recorded(await lin.check_in())
    assert ("conditional", ["not_led", "too_few_officers", "not_recording"]) == (await judged(lin, "10.3"))[:2]
    naming = recorded(await lin.names(zhao))["id"]
    assert ("allowed", [], ["leader_unconfirmed"]) == await judged(lin, "10.3", officers_present=2, recording=True)
    recorded(await zhao.answer("confirm", naming))
    assert ("allowed", [], []) == await judged(lin, "10.3", officers_present=2, recording=True)
    assert ["too_few_officers"] == (await judged(lin, "10.3", recording=True))[1]


async def test_the_old_name_of_officers_present_is_still_understood(app: Litestar) -> None:
    """Phones in the field say `officers`; where both are said, the new name counts."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    recorded(await lin.check_in())
    recorded(await lin.names(zhao))
    assert [] == (await judged(lin, "10.3", officers=2, recording=True))[1]
    both = await judged(lin, "10.3", officers=2, officers_present=1, recording=True)
    assert ["too_few_officers"] == both[1]
    (old,) = [one for one in OPERATIONS["GET /v1/duty/verdict"]["parameters"] if one["name"] == "officers"]
    assert old["deprecated"]


async def test_article_12_work_is_forbidden_with_its_article(app: Litestar) -> None:
    """Article 12."""
    lin = await a_duty_auxiliary(app)
    assert ("forbidden", ["forbidden_work"], []) == await judged(lin, "12.2")
    answer = (await lin.get(VERDICT, work="12.2")).json()
    assert "12" == answer["unmet"][0]["article"]


@pytest.mark.parametrize(
    ("rows", "warned"),
    [
        (["pre_job_training,,2020-01-01,"], True),
        (["pre_job_training,,2020-01-01,", "yearly_training,,2024-01-01,2024-12-31"], True),
        (["pre_job_training,,2020-01-01,", "yearly_training,,2026-01-01,2099-12-31"], False),
    ],
    ids=["never", "run out", "valid"],
)
async def test_a_yearly_training_that_ran_out_warns(app: Litestar, rows: list[str], warned: bool) -> None:
    """R.30: it refuses nothing."""
    lin = await a_duty_auxiliary(app)
    await trained(lin, *rows)
    recorded(await lin.check_in(at=ago(minutes=1)))
    outcome, unmet, warnings = await judged(lin, "9.6")
    assert ("allowed", [], warned) == (outcome, unmet, "yearly_training_expired" in warnings)


async def a_led_one(app: Litestar) -> Someone:
    """Lin, trained, on shift, named Zhao."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    recorded(await lin.check_in())
    recorded(await lin.names(zhao))
    return lin


async def test_a_traffic_post_on_a_main_road_says_who_is_missing(app: Litestar) -> None:
    """执勤规范 70, 72: how many more, each way in words, in both languages; untold, what to tell."""
    lin = await a_led_one(app)
    post = {"work": "10.2", "recording": "true", "officers_present": 1}
    untold = (await lin.get(VERDICT, **post)).json()
    assert ("allowed", True) == (untold["outcome"], "lacking" not in untold)
    assert {"place_not_told", "light_not_told"} <= {note["code"] for note in untold["warnings"]}
    told = post | {"place_kind": "main_road", "light": "day"}
    answer = (await lin.get(VERDICT, **told)).json()
    assert ("conditional", ["too_few_people"]) == (answer["outcome"], [note["code"] for note in answer["unmet"]])
    assert "执勤规范 70, 72 (F)" in answer["unmet"][0]["source"]
    assert ["还差辅警 1 名。", "还差民警 1 名。"] == [way["message"] for way in answer["lacking"]]
    night = (await lin.get(VERDICT, english=True, **told | {"light": "night"})).json()
    assert [(0, 2), (1, 0)] == [(way["officers"], way["auxiliaries"]) for way in night["lacking"]]
    assert "Still missing: auxiliaries: 2." == night["lacking"][0]["message"]
    assert "allowed" == (await judged(lin, **told | {"auxiliaries_present": 2}))[0]


async def test_no_cuffs_on_a_drunk_person_in_an_emergency_either(app: Litestar) -> None:
    """程序规定 58; belt and rope are allowed, and so are both on somebody who is not drunk."""
    lin = await a_led_one(app)
    scene = {"work": "11.restraint", "emergency": True, "recording": True}
    cuffs = await judged(lin, **scene, means="handcuffs", restrained="drunk")
    assert ("conditional", ["not_on_this_person"]) == cuffs[:2]
    assert "allowed" == (await judged(lin, **scene, means="restraint_belt", restrained="drunk"))[0]
    assert "allowed" == (await judged(lin, **scene, means="handcuffs", restrained="other"))[0]
    for nobody in ({}, {"restrained": "drunkard"}):  # a code that the law does not know tells nothing
        assert "restrained_not_told" in (await judged(lin, **scene, means="handcuffs", **nobody))[2]
    both = await lin.get(VERDICT, **scene, means=["restraint_belt", "leg_cuffs"], restrained="drunk")
    assert ["not_on_this_person"] == [note["code"] for note in both.json()["unmet"]]


async def test_each_rule_cites_the_law_that_it_comes_from(app: Litestar) -> None:
    """Two officers by 行政强制法 18; driving by the traffic law; advice on a qualification with its source."""
    lin, su = await a_led_one(app), await a_civilian_auxiliary(app)
    bind = (await lin.get(VERDICT, work="10.5", recording="true")).json()
    assert [("too_few_officers", "行政强制法 18, 程序规定 52")] == [(n["code"], n["article"]) for n in bind["unmet"]]
    assert [(1, 0)] == [(way["officers"], way["auxiliaries"]) for way in bind["lacking"]]
    assert ["assists"] == [manner["code"] for manner in bind["manner"]]
    drive = (await lin.get(VERDICT, work="11.vehicle")).json()["unmet"][0]
    assert ("unlicensed", True) == (drive["code"], drive["article"].startswith("道路交通安全法 19"))
    await trained(su)
    recorded(await su.check_in(duty_type="window"))
    outcome, unmet, warnings = await judged(su, "8.2.translation")
    assert ("allowed", [], True) == (outcome, unmet, "qualification_advised" in warnings)
    notes = (await su.get(VERDICT, work="8.2.translation")).json()["warnings"]
    (advice,) = [note for note in notes if note["code"] == "qualification_advised"]
    assert "no statute known" in advice["source"]


async def test_rescue_is_allowed_to_whoever_comes(app: Litestar) -> None:
    """A civilian auxiliary, untrained, not checked in: warnings, and no refusal."""
    su = await a_civilian_auxiliary(app)
    for work in ("9.4", "9.7"):
        outcome, unmet, warnings = await judged(su, work)
        assert ("allowed", []) == (outcome, unmet)
        assert ["not_your_kind", "untrained", "not_on_shift"] == warnings[:3]


async def test_work_in_which_an_officer_came_to_lead_is_recorded(app: Litestar) -> None:
    """R.32 para 3: 9.3 asks for the recorder and 9.7 warns; both say that public notice is owed."""
    lin = await a_led_one(app)
    assert ("conditional", ["led_not_recording"]) == (await judged(lin, "9.3"))[:2]
    outcome, unmet, warnings = await judged(lin, "9.3", recording=True, notice_given=True)
    assert ("allowed", [], False) == (outcome, unmet, "led_notice_owed" in warnings)
    outcome, unmet, warnings = await judged(lin, "9.7")
    assert ("allowed", []) == (outcome, unmet)
    assert {"led_not_recording", "led_notice_owed"} <= set(warnings)


async def test_the_catalogue_is_fetched_once(app: Litestar) -> None:
    """Phones keep it: 304 until it changes, and small enough for a bad connection."""
    lin = await a_duty_auxiliary(app)
    answer = await lin.ask("GET", "/v1/duty/works", headers={"Accept-Encoding": "identity"})
    assert set(law().works) == set(answer.json()["works"])
    assert len(gzip.compress(answer.content)) < 45_000, "docs/mobile.md says how much it is"
    again = await lin.ask("GET", "/v1/duty/works", headers={"If-None-Match": answer.headers["etag"]})
    assert (304, b"") == (again.status_code, again.content)
    other = await lin.ask("GET", "/v1/duty/works", headers={"If-None-Match": '"another"', "Accept-Encoding": "gzip"})
    assert ("gzip", answer.json()) == (other.headers["content-encoding"], other.json())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"work": "99.9"}, "unknown_work"),
        ({}, "invalid"),
        ({"work": "10.3", "officers": "-1"}, "invalid"),
        ({"work": "10.3", "officers": "51"}, "invalid"),
        ({"work": "10.3", "recording": "perhaps"}, "invalid"),
        ({"work": "10.2", "place_kind": "moon"}, "invalid"),
        ({"work": "10.2", "light": "dusk"}, "invalid"),
        ({"work": "10.2", "auxiliaries_present": "0"}, "invalid"),
        ({"work": "10.4", "case_kind": "civil"}, "invalid"),
        ({"work": "10.4", "case_ref": "A1\0"}, "invalid"),
        ({"work": "10.4", "incident_ref": "1\0"}, "invalid"),
    ],
)
async def test_a_wrong_question_is_refused(app: Litestar, query: dict[str, str], code: str) -> None:
    """With a code, and never as an allowed."""
    answer = await (await a_duty_auxiliary(app)).get(VERDICT, **query)
    assert (422, code) == (answer.status_code, answer.json()["code"])
