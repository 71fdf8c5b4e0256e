"""Complaints about auxiliaries (R.34): received, handled without conflict of interest, concluded, fed back; and the
complainant stays hidden from the person complained of."""

import asyncio
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from backend.complaints import matters_service as matters
from backend.complaints import service
from backend.core import findings
from backend.core.database import execute, fetch, value
from backend.core.days import until
from backend.core.journal import utc
from backend.law.catalogue import law
from backend.people import roster
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    moment,
    now,
    organ_row,
    recorded,
    refused,
)

STANDS = "SELECT count(*) FROM finding WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"
INSPECTS = """
INSERT INTO role_grant (person, role, organ, valid_from, source) VALUES ($1, 'inspector', $2, '2026-01-01', 'import')
"""
HELD = "SELECT person, started_at, ended_at, place FROM hold WHERE about = $1 ORDER BY placed_at"


async def received(who: Someone, **about: Any) -> dict[str, Any]:
    body = {"channel": "hotline_12389", "words": "态度粗暴", "complainant": "王某", "contact": "13800000000"}
    return dict(recorded(await who.post("/v1/complaints/receive", **(body | about)))["complaint"])


async def step(who: Someone, verb: str, complaint: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"complaint": complaint["id"], "version": complaint["version"], "words": "已办"}
    how = {"how": "letter"} if verb in ("notify", "feed-back", "tell-extension") else {}
    if verb == "conclude" and fields.get("outcome") in ("founded", "partly"):
        how = {"unheard_why": "本人已离职，无法联系"}  # hearing them has tests of its own
    return await who.post(f"/v1/complaints/{verb}", **(body | how | fields))


async def done(who: Someone, verb: str, complaint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return dict(recorded(await step(who, verb, complaint, **fields))["complaint"])


async def test_from_receipt_to_feedback(app: Litestar) -> None:
    """The footage around it is held at once, and released only when the complainant got the result."""
    lin, zhou, wu = await a_duty_auxiliary(app), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    complaint = await received(zhou, person=lin.id, started_at=ago(hours=5))
    (held,) = await fetch(HELD, UUID(complaint["id"]))
    assert lin.id == held["person"]
    assert held["started_at"] < ago(hours=6.9)
    assert held["ended_at"] > ago(hours=3.1)
    hold = await value("SELECT id FROM hold WHERE about = $1", UUID(complaint["id"]))
    complaint = await done(wu, "notify", complaint)
    refused(await step(wu, "feed-back", complaint), 409, "complaint_not_concluded")
    complaint = await done(wu, "conclude", complaint, outcome="partly")
    refused(await step(wu, "conclude", complaint, outcome="founded"), 409, "complaint_concluded")
    refused(await step(wu, "identify", complaint, person=lin.id), 409, "complaint_concluded")
    refused(await wu.post("/v1/holds/release", hold=hold, why="办结"), 409, "hold_needed")
    complaint = await done(wu, "feed-back", complaint)
    assert complaint["fed_back_at"] is not None
    recorded(await wu.post("/v1/holds/release", hold=hold, why="办结"))
    steps = (await wu.get(f"/v1/complaints/{complaint['id']}")).json()["steps"]
    assert ["notify", "conclude", "feed_back"] == [each["step"] for each in steps]


async def test_the_complainant_is_hidden_from_the_person_and_their_chain(app: Litestar) -> None:
    """Not in their lists, changes or findings, nor the commander's; the journal holds no word of it."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=3)
    chief, zhou, wu = await a_commander_of(app, STATION), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    await execute(INSPECTS, zhao.id, STATION)
    await zhao.open()
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    complaint = await received(zhou, person=lin.id, started_at=ago(hours=2))
    one = f"/v1/complaints/{complaint['id']}"
    refused(await lin.get(one), 404, "unknown_complaint")
    assert [] == (await lin.get("/v1/changes", after=cursor)).json()["items"]
    for who in (chief, zhao):
        row = (await who.get(one)).json()["complaint"]
        assert (False, None, None, None) == (row["in_full"], row["complainant"], row["contact"], row["words"])
    for who in (wu, zhou):
        assert "王某" == (await who.get(one)).json()["complaint"]["complainant"]
    refused(await (await an_officer(app)).get(one), 404, "unknown_complaint")
    await done(wu, "conclude", complaint, outcome="unfounded", words="调取资料核实")
    answer = (await lin.get(one)).json()
    assert ("unfounded", None, None) == tuple(answer["complaint"][key] for key in ("outcome", "complainant", "words"))
    assert ["调取资料核实"] == [each["words"] for each in answer["steps"]]
    lines = await fetch(
        "SELECT convert_from(entry, 'UTF8') AS line FROM journal WHERE $1 = ANY (subjects)", UUID(complaint["id"])
    )
    assert not [
        row for row in lines if "王某" in row["line"] or str(lin.id) in row["line"] or "13800000000" in row["line"]
    ]


async def test_a_person_with_a_conflict_does_not_handle_the_complaint(app: Litestar) -> None:
    """Not the officer who led, one who stepped aside, another organ's inspector or a commander; the one above does."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=3)
    li, boss = await an_inspector_of(app, DISTRICT), await an_inspector_of(app, CITY)
    await execute(INSPECTS, zhao.id, DISTRICT)
    await zhao.open()
    complaint = await received(await a_clerk(app), person=lin.id, started_at=ago(hours=2))
    refused(await step(zhao, "conclude", complaint, outcome="unfounded"), 403, "own_matter")
    refused(await step(lin, "conclude", complaint, outcome="unfounded"), 403, "not_for_your_role")
    for who in (await an_inspector_of(app, OTHER_DISTRICT), await a_commander_of(app, DISTRICT), await an_officer(app)):
        refused(await step(who, "conclude", complaint, outcome="unfounded"), 404, "unknown_complaint")
    complaint = await done(li, "step-aside", complaint)
    refused(await step(li, "conclude", complaint, outcome="unfounded"), 403, "own_matter")
    assert (await li.get(f"/v1/complaints/{complaint['id']}")).json()["complaint"]["complainant"] is None
    await done(boss, "conclude", complaint, outcome="withdrawn")


async def test_an_inspector_who_declined_to_lead_may_handle_the_complaint(app: Litestar) -> None:
    """Otherwise the auxiliary could name every inspector, and nobody could handle the complaint."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=3)))
    complaint = await received(await a_clerk(app), person=lin.id, started_at=ago(hours=2))
    naming = recorded(await lin.names(wu, at=ago(hours=2.5)))["id"]
    refused(await step(wu, "conclude", complaint, outcome="founded"), 403, "own_matter")
    recorded(await wu.answer("decline", naming))
    await done(wu, "conclude", complaint, outcome="founded")


async def test_the_person_complained_of_learns_no_time_and_nothing_of_a_name(app: Litestar) -> None:
    """Of a concluded complaint they read how it ended: not when it came, nor what the complainant was told, nor by the
    order of their list, its cursor or its states. Who oversees the organ reads all that."""
    lin, chen, zhou = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await a_clerk(app)
    wu, chief = await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    first, second = [await received(zhou, person=lin.id, started_at=ago(hours=5)) for _ in range(2)]
    second = await done(wu, "identify", second, person=chen.id)
    for complaint in (second, first):  # the later one is concluded first
        await done(wu, "conclude", await done(wu, "notify", complaint), outcome="unfounded")
    untold = ("anonymous", "received_at", "notice_by", "end_by", "noticed_at", "fed_back_at", "version", "accepted_at")
    mine = (await lin.get("/v1/complaints", status="all", limit=1)).json()
    rows = [*mine["items"], *(await lin.get("/v1/complaints", status="all", cursor=mine["next"])).json()["items"]]
    assert [first["id"], second["id"]] == [row["id"] for row in rows]
    for row in (*rows, (await lin.get(f"/v1/complaints/{second['id']}")).json()["complaint"]):
        assert {None} == {row[name] for name in untold}
        assert ("unfounded", [str(lin.id)]) == (row["outcome"], row["persons"])
        assert row["concluded_at"] is not None
    assert rows[0]["concluded_at"][:19] in urlsafe_b64decode(mine["next"]).decode()
    for status in ("open", "overdue", "untold", "unaccepted", "extension"):
        assert [] == (await lin.get("/v1/complaints", status=status)).json()["items"]
    theirs = (await chief.get(f"/v1/complaints/{second['id']}")).json()["complaint"]
    assert (False, True) == (theirs["anonymous"], all(theirs[name] for name in ("received_at", "noticed_at")))
    assert {str(lin.id), str(chen.id)} == set(theirs["persons"])


async def test_the_person_of_a_complaint_about_a_place_is_identified_later(app: Litestar) -> None:
    """Then their footage is held too, and the officer who led them has a conflict of interest."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=3)
    wu = await an_inspector_of(app, DISTRICT)
    await execute(INSPECTS, zhao.id, DISTRICT)
    await zhao.open()
    apart = f"33{uuid4().int % 10**10:010}"  # its hold covers everybody here of whom nobody knows where they were
    await roster.bring_in([organ_row(apart, "另一所", DISTRICT)])
    zhou = await a_clerk(app, organ=apart)
    complaint = await received(zhou, place=PLACE, radius_m=300, started_at=ago(hours=2), ended_at=ago(hours=1))
    complaint = await done(wu, "identify", complaint, person=lin.id)
    refused(await step(wu, "identify", complaint, person=lin.id), 409, "identified_before")
    refused(await step(wu, "identify", complaint, person=zhao.id), 422, "not_an_auxiliary")
    assert [(None, True), (lin.id, False)] == [
        (row["person"], row["place"] is not None) for row in await fetch(HELD, UUID(complaint["id"]))
    ]
    refused(await step(zhao, "conclude", complaint, outcome="founded"), 403, "own_matter")


async def test_a_complaint_about_a_shift_takes_its_time_and_person(app: Litestar) -> None:
    lin, _, shift, _ = await a_led_patrol(app, hours=3)
    complaint = await received(await a_clerk(app), shift=shift)
    (held,) = await fetch(HELD, UUID(complaint["id"]))
    assert lin.id == held["person"]
    refused(
        await (await a_clerk(app)).post("/v1/complaints/receive", channel="desk", words="-", shift=uuid4()),
        404, "unknown_shift",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({}, "complaint_about_one"),
        ({"person": str(uuid4())}, "complaint_about_one"),
        ({"place": PLACE, "started_at": ago(hours=1)}, "complaint_about_one"),
        ({"shift": str(uuid4()), "started_at": ago(hours=1)}, "complaint_about_one"),
        ({"person": str(uuid4()), "shift": str(uuid4())}, "complaint_about_one"),
        ({"person": str(uuid4()), "started_at": ago(hours=1)}, "not_an_auxiliary"),
        ({"place": PLACE, "radius_m": 9, "started_at": ago(hours=1), "ended_at": ago(hours=2)}, "end_before_start"),
        ({"complainant": None, "contact": "138", "shift": str(uuid4())}, "contact_without_name"),
    ],
)
async def test_a_contradictory_complaint_is_refused(app: Litestar, about: dict[str, Any], code: str) -> None:
    body = {"channel": "desk", "words": "态度粗暴", "complainant": "王某"} | about
    body = {key: each for key, each in body.items() if each is not None}
    refused(await (await a_clerk(app)).post("/v1/complaints/receive", **body), 422, code)


async def test_a_complaint_by_a_clock_that_is_ahead_is_taken(app: Litestar) -> None:
    """What it is about began no later than it was taken down; a finding says so."""
    zhou = await a_clerk(app)
    about = {"place": PLACE, "radius_m": 9, "started_at": ago(hours=-1)}
    answer = await zhou.post("/v1/complaints/receive", channel="desk", words="态度粗暴", complainant="王某", **about)
    assert ["clock_doubtful"] == [finding["code"] for finding in recorded(answer)["findings"]]


async def test_an_anonymous_complaint_is_concluded_without_feedback(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    body = {"channel": "letter", "words": "收受财物", "person": lin.id, "started_at": ago(hours=5)}
    complaint = recorded(await wu.post("/v1/complaints/receive", **body))["complaint"]
    refused(await step(wu, "notify", complaint), 409, "anonymous")
    complaint = await done(wu, "conclude", complaint, outcome="unfounded")
    refused(await step(wu, "feed-back", complaint), 409, "anonymous")
    hold = await value("SELECT id FROM hold WHERE about = $1", UUID(complaint["id"]))
    recorded(await wu.post("/v1/holds/release", hold=hold, why="办结"))


async def standing(complaint: dict[str, Any]) -> set[str]:
    """The findings about this complaint."""
    rows = await fetch("SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", UUID(complaint["id"]))
    return {row["kind"] for row in rows}


async def test_sixty_days_run_from_acceptance_and_only_for_a_petition(app: Litestar) -> None:
    """信访工作条例 30, 31(6), 34: no term before; an accusation has its own, another procedure has none."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint = await received(wu, person=lin.id, started_at=ago(hours=5))
    assert (None, None, None) == (complaint["kind"], complaint["accepted_at"], complaint["end_by"])
    assert utc(until(law(), "complaint_notice", now())) == complaint["notice_by"]
    refused(await step(wu, "accept", complaint, kind="grumble"), 422, "unknown_complaint_kind")
    complaint = await done(wu, "accept", complaint, kind="petition")
    accepted = moment(complaint["accepted_at"])
    assert utc(until(law(), "complaint_end", accepted)) == complaint["end_by"]
    refused(await step(wu, "accept", complaint, kind="accusation"), 409, "complaint_accepted")
    accusation = await received(wu, kind="accusation", person=lin.id, started_at=ago(hours=5))
    accusation = await done(wu, "notify", accusation)
    assert ("accusation", utc(until(law(), "accusation_end", moment(accusation["accepted_at"])))) == (
        accusation["kind"], accusation["end_by"],
    )  # fmt: skip
    other = await received(wu, person=lin.id, started_at=ago(hours=5))
    other = await done(wu, "accept", other, kind="other_procedure")
    for each in (accusation, other):
        later = now() + timedelta(days=70)
        refused(await step(wu, "extend", each, until=later), 409, "extension_not_provided")
    await findings.find_overdue(now() + timedelta(days=400), service.OVERDUE)
    assert "complaint_overdue" not in await standing(other)
    assert "complaint_overdue" in await standing(complaint)


async def test_what_nobody_accepts_in_time_is_a_finding(app: Litestar) -> None:
    """The anonymous one too; telling the complainant that it is taken up accepts it as a petition."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    body = {"channel": "letter", "words": "收受财物", "person": lin.id, "started_at": ago(hours=5)}
    anonymous = recorded(await wu.post("/v1/complaints/receive", **body))["complaint"]
    named = await received(wu, person=lin.id, started_at=ago(hours=5))
    await findings.find_overdue(moment(named["notice_by"]) - timedelta(hours=1), service.OVERDUE)
    assert [set(), set()] == [await standing(each) for each in (anonymous, named)]
    await findings.find_overdue(moment(named["notice_by"]) + timedelta(hours=1), service.OVERDUE)
    assert {"complaint_not_accepted"} == await standing(anonymous)
    assert {"complaint_not_accepted", "complaint_not_noticed"} == await standing(named)
    named = await done(wu, "notify", named)
    assert ("petition", True) == (named["kind"], named["end_by"] is not None)
    anonymous = await done(wu, "accept", anonymous, kind="accusation")
    assert [set(), set()] == [await standing(each) for each in (anonymous, named)]
    assert anonymous["id"] not in [
        row["id"] for row in (await wu.get("/v1/complaints", status="unaccepted")).json()["items"]
    ]


async def test_an_extension_is_approved_by_the_head_and_told_with_its_reason(app: Litestar) -> None:
    """信访工作条例 34: nothing changes before; once; not by who asked; then the complainant hears."""
    lin, wu, chief = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await a_commander_of(app, DISTRICT),
    )
    complaint = await done(wu, "accept", await received(wu, person=lin.id, started_at=ago(hours=5)), kind="petition")
    first_end = complaint["end_by"]
    end = moment(first_end)
    refused(await step(wu, "extend", complaint, until=end), 422, "extension_out_of_range")
    refused(await step(wu, "extend", complaint, until=end + timedelta(days=45)), 422, "extension_out_of_range")
    refused(await step(chief, "answer-extension", complaint, approves=True), 409, "no_extension_asked")
    complaint = await done(wu, "extend", complaint, until=end + timedelta(days=28, hours=-9), words="需调取外省资料")
    assert first_end == complaint["end_by"]
    refused(await step(wu, "extend", complaint, until=end + timedelta(days=29)), 409, "extension_asked_before")
    refused(await step(wu, "answer-extension", complaint, approves=True), 403, "not_the_approver")
    refused(
        await step(await a_commander_of(app, OTHER_DISTRICT), "answer-extension", complaint, approves=True),
        404,
        "unknown_complaint",
    )
    assert [complaint["id"]] == [
        row["id"]
        for row in (await chief.get("/v1/complaints", status="extension")).json()["items"]
        if row["extension_asked"] == utc(end + timedelta(days=28))
    ]
    read = (await chief.get(f"/v1/complaints/{complaint['id']}")).json()
    assert (None, ["需调取外省资料"]) == (read["complaint"]["words"], [each["words"] for each in read["steps"]])
    refused(await step(wu, "tell-extension", complaint), 409, "extension_not_approved")
    complaint = await done(chief, "answer-extension", complaint, approves=True)
    assert (utc(end + timedelta(days=28)), first_end) == (complaint["end_by"], complaint["extended_from"])
    refused(await step(wu, "extend", complaint, until=end + timedelta(days=29)), 409, "extended_before")
    await findings.find_overdue(end + timedelta(days=1), service.OVERDUE)
    assert {"complaint_extension_untold", "complaint_not_noticed"} == await standing(complaint)
    complaint = await done(wu, "tell-extension", complaint)
    assert complaint["extension_told_at"] is not None
    assert {"complaint_not_noticed"} == await standing(complaint)


async def test_an_extension_after_the_term_makes_nothing_timely(app: Litestar) -> None:
    """信访工作条例 34: whoever let the term pass does not have it forgotten by an approval, nor by concluding then."""
    lin, wu, chief = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await a_commander_of(app, DISTRICT),
    )
    complaint = await done(wu, "accept", await received(wu, person=lin.id, started_at=ago(hours=5)), kind="petition")
    over = now() - timedelta(days=1)
    await execute("UPDATE complaint SET end_by = $2 WHERE id = $1", UUID(complaint["id"]), over)
    await findings.find_overdue(now(), service.OVERDUE)
    complaint = await done(wu, "extend", complaint, until=over + timedelta(days=20))
    complaint = await done(chief, "answer-extension", complaint, approves=True)
    assert "complaint_overdue" in await standing(complaint)
    await done(wu, "conclude", complaint, outcome="unfounded")
    assert "complaint_overdue" in await standing(complaint)


async def test_an_extension_that_is_not_approved_may_be_asked_for_again(app: Litestar) -> None:
    """By the inspector who is the head too, somebody else answers."""
    lin, wu, chief = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await a_commander_of(app, DISTRICT),
    )
    complaint = await done(wu, "accept", await received(wu, person=lin.id, started_at=ago(hours=5)), kind="petition")
    end = complaint["end_by"]
    wanted = moment(end) + timedelta(days=20)
    complaint = await done(wu, "extend", complaint, until=wanted)
    complaint = await done(chief, "answer-extension", complaint, approves=False)
    assert end == complaint["end_by"]
    await execute(INSPECTS, chief.id, DISTRICT)
    await chief.open()
    complaint = await done(chief, "extend", complaint, until=wanted)
    refused(await step(chief, "answer-extension", complaint, approves=True), 403, "own_matter")
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(
            "INSERT INTO complaint_step (id, complaint, version, step, by_person, at, words, until_at, asked_by)"
            " VALUES (gen_random_uuid(), $1, 9, 'approve_extension', $2, now(), '-', now(), $2)",
            complaint["id"], chief.id,
        )  # fmt: skip


async def test_notice_is_in_writing(app: Litestar) -> None:
    """信访工作条例 23: what was only spoken is recorded with its reason, and does not count as told."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint = await received(wu, person=lin.id, started_at=ago(hours=5))
    for how in ("telephone", "in_person"):
        refused(await step(wu, "notify", complaint, how=how), 409, "notice_not_written")
    spoken = recorded(await step(wu, "notify", complaint, how="telephone", despite={"why": "地址不详"}))
    assert (["notice_not_written"], None) == (
        [one["code"] for one in spoken["findings"]],
        spoken["complaint"]["noticed_at"],
    )
    assert (await done(wu, "notify", spoken["complaint"], how="message"))["noticed_at"] is not None
    suggestion = await received(wu, kind="suggestion", person=lin.id, started_at=ago(hours=5))
    assert (await done(wu, "notify", suggestion, how="telephone"))["noticed_at"] is not None


async def test_what_was_withdrawn_is_accepted_by_no_notice(app: Litestar) -> None:
    """The complainant may be told that it was withdrawn: no term begins then."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint = await received(wu, person=lin.id, started_at=ago(hours=5))
    complaint = await done(wu, "conclude", complaint, outcome="withdrawn")
    complaint = await done(wu, "notify", complaint)
    assert [None, None, None, True] == [
        *(complaint[name] for name in ("accepted_at", "end_by", "kind")), complaint["noticed_at"] is not None,
    ]  # fmt: skip


async def test_the_database_runs_no_term_before_acceptance(app: Litestar) -> None:
    """Nor concludes what was never accepted, unless it was withdrawn."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint = UUID((await received(wu, person=lin.id, started_at=ago(hours=5)))["id"])
    wrong = (
        "end_by = now()", "accepted_at = now()", "outcome = 'founded', concluded_at = now()", "extended_from = now()",
        "extension_told_at = now()", "kind = 'petition', accepted_at = received_at - interval '1 day'",
    )  # fmt: skip
    for change in wrong:
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(f"UPDATE complaint SET {change} WHERE id = $1", complaint)  # noqa: S608
    await execute("UPDATE complaint SET outcome = 'withdrawn', concluded_at = now() WHERE id = $1", complaint)


async def test_a_stale_version_is_refused_with_the_current_state(app: Litestar) -> None:
    lin, wu, li = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), await an_inspector_of(app, CITY)
    complaint = await received(wu, person=lin.id, started_at=ago(hours=5))
    answers = await asyncio.gather(*(step(who, "conclude", complaint, outcome="founded") for who in (wu, li)))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    (stale,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert ("stale", "founded", 2) == (stale["code"], stale["current"]["outcome"], stale["current"]["version"])


async def test_counts_by_organ_name_nobody(app: Litestar) -> None:
    organ = f"33{uuid4().int % 10**10:010}"
    await roster.bring_in([organ_row(organ, "统计分局", CITY)])
    lin, wu = await a_duty_auxiliary(app, organ=organ), await an_inspector_of(app, organ)
    for outcome in ("founded", "unfounded", None):
        complaint = await received(wu, person=lin.id, started_at=ago(hours=5))
        if outcome:
            await done(wu, "conclude", complaint, outcome=outcome)
    answer = await wu.get("/v1/complaints/counts", **{"from": ago(hours=1).isoformat()})
    (row,) = answer.json()["items"]
    assert (3, 1, 0, 1, 0, 1, 0) == tuple(
        row[key] for key in ("received", "open", "overdue", "founded", "partly", "unfounded", "withdrawn")
    )
    assert str(lin.id) not in answer.text
    assert [] == (await lin.get("/v1/complaints/counts")).json()["items"]


# -- what auxiliaries raise themselves


async def raises(who: Someone, **fields: Any) -> str:
    body = {"kind": "appeal", "words": "考核扣分与事实不符"}
    return str(recorded(await who.post("/v1/matters/raise", **(body | fields)))["id"])


async def test_an_appeal_is_answered_by_somebody_else(app: Litestar) -> None:
    """Not by the one appealed against, who does not even see it; once; the auxiliary hears."""
    lin, chief, other = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, STATION),
        await a_commander_of(app, DISTRICT),
    )
    matter = await raises(lin, against=chief.id)
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    refused(await chief.get(f"/v1/matters/{matter}"), 404, "unknown_matter")
    refused(await chief.post("/v1/matters/answer", matter=matter, words="驳回"), 404, "unknown_matter")
    refused(await lin.post("/v1/matters/answer", matter=matter, words="自答"), 403, "not_for_your_role")
    for who in (await an_officer(app), await a_commander_of(app, OTHER_DISTRICT)):
        refused(await who.post("/v1/matters/answer", matter=matter, words="-"), 404, "unknown_matter")
    answers = await asyncio.gather(*(other.post("/v1/matters/answer", matter=matter, words="已更正") for _ in range(2)))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    assert "已更正" == (await lin.get(f"/v1/matters/{matter}")).json()["answer"]
    assert "matters/answer" in [item["verb"] for item in (await lin.get("/v1/changes", after=cursor)).json()["items"]]


async def test_harassment_is_linked_to_footage_which_is_held(app: Litestar) -> None:
    lin, chen, wu = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    film, later, not_mine = [recorded(await who.declare())["id"] for who in (lin, lin, chen)]
    matter = await raises(lin, kind="harassment", of_relative=True, recordings=[film])
    recorded(await lin.post("/v1/matters/link", matter=matter, recordings=[later, film]))
    held = "SELECT array_agg(upload::text ORDER BY upload) FROM hold WHERE about = $1"
    assert sorted([film, later]) == await value(held, UUID(matter))
    refused(await lin.post("/v1/matters/link", matter=matter, recordings=[not_mine]), 404, "unknown_recording")
    refused(await chen.post("/v1/matters/link", matter=matter, recordings=[not_mine]), 404, "unknown_matter")
    body = {"words": "-", "of_relative": True}
    refused(await lin.post("/v1/matters/raise", kind="appeal", **body), 422, "relative_of_harassment")
    refused(await lin.post("/v1/matters/raise", kind="appeal", words="-", against=lin.id), 403, "own_matter")
    refused(await lin.post("/v1/matters/raise", kind="appeal", words="-", against=uuid4()), 404, "unknown_person")
    assert matter in [row["id"] for row in (await wu.get("/v1/matters")).json()["items"]]


async def tells(who: Someone, matter: str, state: str, **fields: Any) -> httpx.Response:
    body = {"matter": matter, "case_ref": "城公（治）受案字〔2026〕118号", "state": state, "words": "依法办理"}
    return await who.post("/v1/matters/tell-case", **(body | fields))


async def test_harassment_goes_on_to_a_police_case(app: Litestar) -> None:
    """Its number and how far it is; whoever was harassed sees it and hears of it (R.27, 39)."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    matter = await raises(lin, kind="harassment")
    assert None is (await lin.get(f"/v1/matters/{matter}")).json()["case_state"]
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    assert "accepted" == recorded(await tells(wu, matter, "accepted"))["matter"]["case_state"]
    recorded(await tells(wu, matter, "punished", words="行政拘留五日"))
    row = (await lin.get(f"/v1/matters/{matter}")).json()
    assert ("城公（治）受案字〔2026〕118号", "punished", "行政拘留五日") == (
        row["case_ref"], row["case_state"], row["case_words"],
    )  # fmt: skip
    assert "punished" in [each["case_state"] for each in (await wu.get("/v1/matters")).json()["items"]]
    news = [change["verb"] for change in (await lin.get("/v1/changes", after=cursor)).json()["items"]]
    assert ["matters/tell-case"] * 2 == news


async def test_who_tells_of_a_police_case_of_what(app: Litestar) -> None:
    """Who oversees the organ; not whoever was harassed, and not of an appeal."""
    lin, wu, chief = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, STATION),
        await a_commander_of(app, STATION),
    )
    matter = await raises(lin, kind="harassment", against=chief.id)
    for who in (await an_officer(app), await a_commander_of(app, OTHER_DISTRICT), chief):
        refused(await tells(who, matter, "reported"), 404, "unknown_matter")
    refused(await tells(lin, matter, "reported"), 403, "not_for_your_role")
    refused(await tells(wu, await raises(lin), "reported"), 409, "not_harassment")
    refused(await tells(wu, matter, "closed"), 422, "invalid")


async def test_an_unanswered_matter_is_a_finding(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    matter = await raises(lin)
    await findings.find_overdue(until(law(), "matter_answer", now()) + timedelta(minutes=1), matters.OVERDUE)
    assert 1 == await value(STANDS, "matter_overdue", UUID(matter))
    recorded(await wu.post("/v1/matters/answer", matter=matter, words="已答复"))
    assert 0 == await value(STANDS, "matter_overdue", UUID(matter))


async def test_findings_stand_if_the_conclusion_or_answer_is_late(app: Litestar) -> None:
    """The late steps are recorded all the same."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    complaint, matter = await received(wu, person=lin.id, started_at=ago(hours=5)), await raises(lin)
    complaint = await done(wu, "accept", complaint, kind="petition")
    late = "notice_by = now() - interval '55 days', end_by = now() - interval '10 days'"
    await execute(f"UPDATE complaint SET {late} WHERE id = $1", UUID(complaint["id"]))  # noqa: S608
    await execute("UPDATE matter SET answer_by = now() - interval '10 days' WHERE id = $1", UUID(matter))
    await findings.find_overdue(now(), (*service.OVERDUE, *matters.OVERDUE))
    complaint = await done(wu, "notify", complaint)
    await done(wu, "conclude", complaint, outcome="founded")
    recorded(await wu.post("/v1/matters/answer", matter=matter, words="已答复"))
    kinds = [
        ("complaint_overdue", complaint["id"]),
        ("complaint_not_noticed", complaint["id"]),
        ("matter_overdue", matter),
    ]
    assert [1, 1, 1] == [await value(STANDS, kind, UUID(subject)) for kind, subject in kinds]
