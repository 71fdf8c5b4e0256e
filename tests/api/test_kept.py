"""What the law keeps for ever (公通字〔2016〕14号): held from the facts that ask for it, until two people let it go."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, tx, value
from backend.core.days import day_of, until
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Role
from backend.evidence import rules
from backend.evidence.retention import category_holds, disposal, falling_due, legal_holds, terms
from backend.law.catalogue import law, use
from tests.api.test_disposal import past_its_term, short_terms
from tests.api.test_holds import INSPECTS, content, release
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)
from tests.databases import by_owner
from tests.devices import declare, received, row_of, run_seal, sealed

pytestmark = pytest.mark.usefixtures("no_place_of_another_test")
IN_400_DAYS = timedelta(days=400)
COVERING = """
SELECT array_agg(DISTINCT h.category ORDER BY h.category) FROM held k JOIN hold h ON h.id = k.hold
WHERE k.upload = $1 AND h.origin = 'category'
"""
STANDING = "SELECT id FROM hold WHERE about = $1 AND origin = 'category' AND released_at IS NULL ORDER BY placed_at"
CASE = {"case_kind": "criminal", "case_ref": "A3301022026030001", "officers_present": 2}


async def film(app: Litestar, who: Someone, hours: float, **fields: Any) -> str:
    """Sealed footage of six minutes, so many hours ago."""
    return await sealed(app, who, content(), started_at=ago(hours=hours), ended_at=ago(hours=hours - 0.1), **fields)


async def an_act(lin: Someone, hours: float, lasting: float = 0.2, **fields: Any) -> str:
    """Lin took a report so many hours ago."""
    act = recorded(await lin.starts("10.4", at=ago(hours=hours), **(CASE | fields)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=hours - lasting)))
    return str(act)


async def categories(upload: str) -> list[str]:
    """The categories that keep this footage now."""
    await category_holds.judge_moved(now())
    return await value(COVERING, UUID(upload)) or []


async def hold_about(fact: str) -> str:
    await category_holds.judge_moved(now())
    return str(await value(STANDING, UUID(fact)))


async def is_due(upload: str, at: datetime) -> bool:
    return UUID(upload) in {row["id"] for row in await disposal.due(at)}


async def let_go(hold: str, asks: Someone, agrees: Someone) -> None:
    recorded(await release(asks, hold))
    recorded(await agrees.post("/v1/holds/answer-release", hold=hold, agrees=True, why="核实无误，同意解除"))


async def test_nothing_of_a_case_is_disposed_of_after_400_days(app: Litestar) -> None:
    """Work 10.4 in a criminal case, with its number and a key mark: it was disposed of after half a year."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=6)
    marked, of_the_officer = await film(app, lin, 4.95, key_mark=True), await film(app, zhao, 4.95)
    other = await film(app, lin, 2)
    await an_act(lin, 5)
    then = now() + IN_400_DAYS
    assert [False, False, True] == [await is_due(upload, then) for upload in (marked, of_the_officer, other)]
    assert ["case_evidence", "key_mark"] == await categories(marked)
    for kept in (marked, of_the_officer):
        with pytest.raises(Refusal) as held:
            await disposal.require_due(UUID(kept), then)
        assert "still_held" == held.value.code
        async with tx():
            assert not await disposal._set_disposed(UUID(kept), then)
    await legal_holds.update_store(app.state.store)
    for kept in (marked, of_the_officer):
        row = await row_of(kept)
        assert row["legal_hold"]
        assert await app.state.store.is_held(row["object_key"], row["version"])
    assert not (await row_of(other))["legal_hold"]


async def test_the_store_follows_at_the_next_sweep(app: Litestar) -> None:
    """Of what is new alone: the sweep does not read all holds of all years."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    upload = await film(app, lin, 4.95)
    await an_act(lin, 5)
    await legal_holds.update_new(app.state.store, now())
    assert (await row_of(upload))["legal_hold"]


@pytest.mark.parametrize("kind", ["administrative", "criminal", "none"])
async def test_an_act_keeps_its_footage_where_it_is_in_a_case(app: Litestar, kind: str) -> None:
    """Whether its footage came before it or comes long after."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    before, beside = await film(app, lin, 4.95), await film(app, lin, 3)
    await an_act(lin, 5, case_kind=kind, case_ref=None if kind == "none" else CASE["case_ref"])
    assert await categories(before) == ([] if kind == "none" else ["case_evidence"])
    after = await film(app, lin, 4.9)
    assert await categories(after) == await categories(before)
    assert [] == await categories(beside)


async def test_a_case_that_is_known_later_reaches_old_footage(app: Litestar) -> None:
    """By an amendment; and one that takes the case back takes no footage away."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    upload, at_the_end = await film(app, lin, 4.95), await film(app, lin, 4.5)
    act = await an_act(lin, 5, case_kind="none", case_ref=None)
    assert [] == await categories(upload)
    recorded(await lin.amends(act, case_kind="criminal", case_ref="A1"))
    assert ["case_evidence"] == await categories(upload)
    recorded(await lin.amends(act, case_kind="none"))
    assert ["case_evidence"] == await categories(upload)
    assert [] == await categories(at_the_end)
    recorded(await lin.amends(act, ended_at=ago(hours=4.4)))
    await category_holds.judge_all(now())
    assert ["case_evidence"] == await categories(at_the_end)
    assert 1 == len(await fetch(STANDING, UUID(act))), "it is the same hold, and wider"


async def test_an_open_act_keeps_what_is_filmed_until_it_ends(app: Litestar) -> None:
    """Then no more than what it lasted."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    act = recorded(await lin.starts("10.4", at=ago(hours=5), **CASE))["id"]
    inside, later = await film(app, lin, 4.9), await film(app, lin, 1)
    assert [["case_evidence"]] * 2 == [await categories(upload) for upload in (inside, later)]
    recorded(await lin.finishes(act, at=ago(hours=4)))
    assert [["case_evidence"], []] == [await categories(upload) for upload in (inside, later)]


async def test_a_call_because_of_violence_keeps_the_footage_around_it(app: Litestar) -> None:
    """That of the caller and of whoever came to help; another call keeps nothing."""
    lin, zhao, chen = await a_duty_auxiliary(app), await an_officer(app), await a_duty_auxiliary(app)
    mine, far, helper = await film(app, lin, 1), await film(app, lin, 5), await film(app, zhao, 0.5)
    others = await film(app, chen, 1)
    call = recorded(await lin.post("/v1/assistance/call", kind="violence"))["id"]
    recorded(await chen.post("/v1/assistance/call", kind="medical"))
    recorded(await zhao.post("/v1/assistance/acknowledge", call=call))
    assert [["violence"], [], ["violence"], []] == [await categories(one) for one in (mine, far, helper, others)]


async def test_a_harassment_matter_keeps_what_it_links_and_what_was_filmed_then(app: Litestar) -> None:
    """Whom it is against reads of no such hold, nor what it covers; nor can they release it."""
    lin, zhao = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    wu = await an_inspector_of(app, STATION)
    linked, then, other = await film(app, lin, 30), await film(app, lin, 1), await film(app, lin, 10)
    against = {"kind": "harassment", "words": "有人上门威胁", "against": zhao.id}
    matter = recorded(await lin.post("/v1/matters/raise", **against, recordings=[linked]))["id"]
    assert [["harassment"], ["harassment"], []] == [await categories(one) for one in (linked, then, other)]
    hold = await hold_about(matter)
    assert 200 == (await wu.get(f"/v1/holds/{hold}")).status_code
    for who in (zhao, lin):
        assert 404 == (await who.get(f"/v1/holds/{hold}")).status_code
        assert hold not in (await who.get("/v1/holds", limit=200)).text
    refused(await zhao.post("/v1/holds/answer-release", hold=hold, agrees=True, why="-"), 404, "unknown_hold")
    refused(await release(wu, hold), 409, "hold_needed")


async def test_a_description_may_name_a_category(app: Litestar) -> None:
    """One that names none keeps nothing, and a later one does not let go."""
    lin = await a_duty_auxiliary(app)
    upload, words = await film(app, lin, 1), [{"from_ms": 0, "to_ms": 1000, "words": "多人围堵"}]
    recorded(await lin.post("/v1/recordings/describe", recording=upload, content=words))
    assert [] == await categories(upload)
    described = {"recording": upload, "content": words, "category": "major_incident"}
    recorded(await lin.post("/v1/recordings/describe", **described))
    recorded(await lin.post("/v1/recordings/describe", recording=upload, content=words))
    assert ["major_incident"] == await categories(upload)
    listed = (await lin.get(f"/v1/recordings/{upload}/descriptions")).json()["items"]
    assert [None, "major_incident", None] == [one["category"] for one in listed]


async def test_the_same_bytes_with_a_mark_under_another_id_are_kept(app: Litestar) -> None:
    """The phone declared them without; the dock brought them with it."""
    lin, same = await a_duty_auxiliary(app), content()
    upload = await sealed(app, lin, same)
    again = await declare(lin, same, key_mark=True)
    assert upload == again["same_as"]
    assert ["key_mark"] == await categories(upload)


async def test_two_people_let_go_of_what_a_category_keeps(app: Litestar) -> None:
    """One asks with a reason, another agrees; the same person cannot, and neither can whom it is about."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=6)
    wu, li, chief = [await somebody(app, DISTRICT) for somebody in (an_inspector_of, an_inspector_of, a_commander_of)]
    await execute(INSPECTS, zhao.id, DISTRICT)
    await zhao.open()
    upload = await film(app, lin, 4.95)
    hold = await hold_about(await an_act(lin, 5))
    agrees = {"hold": hold, "agrees": True, "why": "同意解除"}
    refused(await chief.post("/v1/holds/answer-release", **agrees), 409, "hold_not_asked")
    refused(await release(chief, hold), 404, "unknown_hold")
    refused(await release(lin, hold), 403, "not_for_your_role")
    refused(await release(zhao, hold), 403, "own_matter")
    entry = wu.entry(hold=hold, why="误录入案件")
    asked = await wu.send("/v1/holds/release", entry)
    assert recorded(asked)["hold"]["release_asked_at"]
    assert recorded(asked)["hold"]["released_at"] is None
    assert ["case_evidence"] == await categories(upload)
    refused(await release(li, hold), 409, "hold_asked")
    refused(await wu.post("/v1/holds/answer-release", **agrees), 403, "four_eyes")
    refused(await zhao.post("/v1/holds/answer-release", **agrees), 403, "own_matter")
    answer = chief.entry(**agrees)
    assert recorded(await chief.send("/v1/holds/answer-release", answer))["hold"]["released_at"]
    assert [] == await categories(upload)
    for who, path, sent in ((wu, "release", entry), (chief, "answer-release", answer)):
        again = await who.send(f"/v1/holds/{path}", sent)
        assert (200, "replayed") == (again.status_code, again.json()["status"])
    row = (await wu.get(f"/v1/holds/{hold}")).json()["hold"]
    assert (str(wu.id), str(chief.id), "误录入案件") == (row["asked_by"], row["released_by"], row["asked_why"])
    refused(await li.post("/v1/holds/answer-release", **agrees), 409, "hold_released")


async def test_who_does_not_agree_keeps_it_and_it_may_be_asked_again(app: Litestar) -> None:
    lin, wu, chief = (
        await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), await a_commander_of(app, DISTRICT),
    )  # fmt: skip
    upload = await film(app, lin, 1, key_mark=True)
    hold = await hold_about(upload)
    recorded(await release(wu, hold))
    recorded(await chief.post("/v1/holds/answer-release", hold=hold, agrees=False, why="案件未结"))
    assert ["key_mark"] == await categories(upload)
    await let_go(hold, wu, chief)
    assert [] == await categories(upload)


async def test_the_database_lets_nobody_go_alone(app: Litestar) -> None:
    """Whatever the program does: a release needs somebody else who asked."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    hold = await hold_about(await film(app, lin, 1, key_mark=True))
    alone = "UPDATE hold SET released_at = now(), released_by = $2, released_why = '-'{} WHERE id = $1"
    for asked in ("", ", asked_by = $2, asked_at = now(), asked_why = '-'"):
        with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
            await execute(alone.format(asked), UUID(hold), wu.id)


async def test_what_was_let_go_stays_so_for_the_same_ground_and_no_other(app: Litestar) -> None:
    """The nightly judging brings nothing back; another case and a longer act are other grounds."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    wu, chief = await an_inspector_of(app, DISTRICT), await a_commander_of(app, DISTRICT)
    upload = await film(app, lin, 4.95, key_mark=True)
    act = await an_act(lin, 5)
    await let_go(await hold_about(act), wu, chief)
    await let_go(await hold_about(upload), wu, chief)
    recorded(await lin.amends(act, notes="补记一句"))
    await category_holds.judge_all(now())
    assert [] == await categories(upload)
    assert await is_due(upload, now() + IN_400_DAYS)
    recorded(await lin.amends(act, case_kind="criminal", case_ref="另案 2026-7"))
    assert ["case_evidence"] == await categories(upload)
    await let_go(await hold_about(act), wu, chief)
    assert [] == await categories(upload)
    recorded(await lin.amends(act, ended_at=ago(hours=4)))
    assert ["case_evidence"] == await categories(upload)


async def test_a_fact_that_comes_between_the_list_and_the_disposal(app: Litestar, tmp_path: Path) -> None:
    """The decision asks again what the facts of this moment keep."""
    lin, _, _, _ = await a_led_patrol(app, hours=6)
    with short_terms(tmp_path):
        upload = await film(app, lin, 4.95)
        await past_its_term(upload)
        assert await is_due(upload, now())
        await an_act(lin, 5)
        assert not await disposal._set_disposed(UUID(upload), now())


async def test_a_category_that_a_deployment_does_not_keep(app: Litestar, tmp_path: Path) -> None:
    """It is data: then nothing new is held, and what stands stays."""
    lin = await a_duty_auxiliary(app)
    before = await film(app, lin, 2, key_mark=True)
    assert ["key_mark"] == await categories(before)
    (tmp_path / "terms.toml").write_text('[kept_key_mark]\npermanent = false\nsource = "a test"\nversion = "1"\n')
    use(tmp_path)
    try:
        after = await film(app, lin, 1, key_mark=True)
        assert [["key_mark"], []] == [await categories(upload) for upload in (before, after)]
    finally:
        use(None)
    await category_holds.judge_all(now())
    assert ["key_mark"] == await categories(after)


async def test_the_day_in_sql_is_the_day_in_python(app: Litestar) -> None:
    """At 04:14 in China, at midnight, and a moment before."""
    for moment in ("2026-11-29T20:14:00Z", "2026-11-29T16:00:00Z", "2026-11-29T15:59:59.999999Z"):
        at = datetime.fromisoformat(moment)
        assert day_of(at) == await value("SELECT day_in_china($1)", at)


# -- the term


@pytest.mark.parametrize("year", [2016, 2099])
async def test_a_reset_camera_clock_changes_no_term(app: Litestar, year: int) -> None:
    """It was locked for thirty days, or for 73 years. A clock of the future is taken, with a finding."""
    lin = await a_duty_auxiliary(app)
    started = datetime(year, 1, 1, tzinfo=UTC)
    upload = await received(lin, content(), started_at=started, ended_at=started + timedelta(minutes=5))
    await run_seal(app, upload)
    row = await row_of(upload)
    ends = until(law(), "footage_retention", row["declared_at"])
    assert timedelta() <= row["locked_until"] - ends <= timedelta(seconds=61)
    doubts = await value("SELECT count(*) FROM finding WHERE subject = $1 AND kind = 'clock_doubtful'", UUID(upload))
    assert (year > 2026) == bool(doubts)


async def test_the_rule_in_sql_is_the_rule_in_python(app: Litestar) -> None:
    """The nightly job lengthens a lock exactly where sealing would have locked it longer."""
    lin = await a_duty_auxiliary(app)
    for hours in (-3, 1, 9000):
        await film(app, lin, hours)
    rows = await fetch(f"SELECT u.*, r.ended_at, r.started_at, {terms.BEGINS} AS begins FROM upload u "  # noqa: S608
                       "LEFT JOIN recording r ON r.id = u.id WHERE u.received_at IS NOT NULL")  # fmt: skip
    assert len(rows) > 3
    for row in rows:
        begins = rules.term_begins(row["declared_at"], row["ended_at"] or row["started_at"], row["received_at"])
        assert row["begins"] == begins


async def test_locks_of_before_are_lengthened_and_never_shortened(app: Litestar) -> None:
    """Footage locked for thirty days by a camera clock of 2016, and some that a clock of 2099 locked for ever."""
    lin, store = await a_duty_auxiliary(app), app.state.store
    short, long = await film(app, lin, 2), await film(app, lin, 1)
    until = (await row_of(short))["locked_until"]
    far = now() + timedelta(days=900)
    await by_owner("UPDATE upload SET locked_until = $2 WHERE id = $1", UUID(short), now() + timedelta(days=30))
    await by_owner("UPDATE upload SET locked_until = $2 WHERE id = $1", UUID(long), far)
    await terms.lengthen(store, now())
    assert (until, far) == tuple([(await row_of(upload))["locked_until"] for upload in (short, long)])
    lines = "SELECT count(*) FROM journal WHERE verb = 'evidence/extend' AND $1 = ANY (subjects)"
    assert [1, 0] == [await value(lines, UUID(upload)) for upload in (short, long)]
    await terms.lengthen(store, now())
    assert 1 == await value(lines, UUID(short))
    row = await row_of(short)
    assert until <= await store.locked_until(row["object_key"], row["version"])


# -- told beforehand


@contextmanager
def due_in(days: int, folder: Path) -> Iterator[None]:
    """Footage that is sealed meanwhile falls due in so many days."""
    folder.mkdir()
    unit = 'seconds = 1\nsource = "a test"\nversion = "1"\n'
    soon = f'days = {days}\ncounts = "plain"\nsource = "a test"\nversion = "1"\n'
    (folder / "terms.toml").write_text(f"[sealed_retention_floor]\n{unit}\n[footage_retention]\n{soon}")
    use(folder)
    try:
        yield
    finally:
        use(None)


async def due_list(who: Someone, **query: Any) -> dict[str, int]:
    answer = await who.get("/v1/recordings/falling-due", limit=200, **query)
    assert 200 == answer.status_code, answer.text
    return {row["id"]: row["days_left"] for row in answer.json()["items"]}


async def test_what_falls_due_is_listed_by_organ_soonest_first(app: Litestar, tmp_path: Path) -> None:
    """For inspector and commander of the organ; what anything holds is not in it."""
    lin = await a_duty_auxiliary(app)
    wu, chief = await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    stranger = await an_inspector_of(app, OTHER_DISTRICT)
    with due_in(10, tmp_path / "ten"):
        later, held = await film(app, lin, 2), await film(app, lin, 1, key_mark=True)
    with due_in(2, tmp_path / "two"):
        soon = await film(app, lin, 3)
    usual = await film(app, lin, 4)
    await category_holds.judge_moved(now())
    for who in (wu, chief):
        found = await due_list(who, organ=STATION)
        assert [soon, later] == [upload for upload in found if upload in {soon, later, held, usual}]
        assert (2, 10) == (found[soon], found[later])
    assert {soon} == {soon, later} & (await due_list(wu, organ=STATION, within=3)).keys()
    for who in (lin, stranger):
        assert not {soon, later} & (await due_list(who)).keys()
    first = (await wu.get("/v1/recordings/falling-due", limit=1)).json()
    more = (await wu.get("/v1/recordings/falling-due", limit=1, cursor=first["next"])).json()
    assert first["items"][0]["locked_until"] <= more["items"][0]["locked_until"]
    assert first["items"][0]["id"] != more["items"][0]["id"]


async def test_footage_held_for_a_secret_matter_falls_due_for_whom_it_is_against(app: Litestar, tmp_path: Path) -> None:
    """That it is missing from the list would tell that there is a matter."""
    lin, chief, wu = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, STATION),
        await an_inspector_of(app, STATION),
    )
    with due_in(5, tmp_path / "five"):
        upload = await film(app, lin, 30)
    raised = {"kind": "harassment", "words": "威胁", "against": chief.id, "recordings": [upload]}
    recorded(await lin.post("/v1/matters/raise", **raised))
    await legal_holds.update_new(app.state.store, now())
    assert upload in await due_list(chief)
    assert upload not in await due_list(wu)
    commands = Actor(
        person=chief.id, badge=chief.badge, kind="officer", organ=STATION, session=uuid4(),
        roles=(Role("commander", STATION),),
    )  # fmt: skip
    for days_on, listed in ((6, True), (8, False)):  # the night after its term it would be disposed of
        due = await falling_due.falling_due(commands, now() + timedelta(days=days_on), None, STATION, None, 200)
        assert listed == (UUID(upload) in {row.id for row in due.items})


async def test_overseers_are_told_two_weeks_and_three_days_ahead(app: Litestar, tmp_path: Path) -> None:
    """Once each, in the feed; nobody else is."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    cursors = {who.id: (await who.get("/v1/changes")).json()["cursor"] for who in (lin, wu)}
    with due_in(20, tmp_path / "twenty"):
        upload = await film(app, lin, 1)
    told = "SELECT due_told FROM upload WHERE id = $1"
    for days_on, level in ((1, None), (7, 14), (8, 14), (18, 3), (18, 3)):
        await falling_due.tell(now() + timedelta(days=days_on))
        assert level == await value(told, UUID(upload))
    for who, expected in ((wu, {14, 3}), (lin, set())):
        items = (await who.get("/v1/changes", after=cursors[who.id])).json()["items"]
        lines = [one["facts"]["subject"]["falling_due"] for one in items if one["verb"] == "evidence/falling-due"]
        assert expected <= {line["days"] for line in lines if line["organ"] == STATION}
        assert bool(expected) == bool(lines)


async def test_metrics_count_what_falls_due(app: Litestar, tmp_path: Path) -> None:
    from backend.oversight import gauges

    before = (await gauges.measure()).waiting
    with due_in(2, tmp_path / "two"):
        await film(app, await a_duty_auxiliary(app), 1)
    after = (await gauges.measure()).waiting
    assert (1, 1) == tuple(after[name] - before[name] for name in ("due_soon", "due_at_last"))
