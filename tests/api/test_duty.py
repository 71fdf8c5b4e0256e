"""May I do this now? Asked through the API, with the facts in the tables (R.7 to R.12, R.30)."""

import gzip

import pytest
from litestar import Litestar

from backend.law.catalogue import law
from tests.builders import Someone, a_duty_auxiliary, ago, an_officer, recorded, trained
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
    ],
)
async def test_a_wrong_question_is_refused(app: Litestar, query: dict[str, str], code: str) -> None:
    """With a code, and never as an allowed."""
    answer = await (await a_duty_auxiliary(app)).get(VERDICT, **query)
    assert (422, code) == (answer.status_code, answer.json()["code"])
