"""Injuries on duty (R.26): reported by anyone who saw them, recognised step by step, every fen accounted for."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some
from litestar import Litestar

from backend.core import findings
from backend.core.database import execute, fetch, value
from backend.core.days import until
from backend.core.journal import utc
from backend.evidence.retention import legal_holds
from backend.injuries import reads as injury_reads
from backend.injuries import rules, service
from backend.law.catalogue import law
from backend.people import roster
from mobile_api.cli.reports import of_advances
from mobile_api.printing import BEIJING
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    a_led_patrol,
    a_treasurer_of,
    ago,
    an_inspector_of,
    an_officer,
    moment,
    now,
    organ_row,
    recorded,
    refused,
)
from tests.devices import row_of, sealed, some_bytes

STANDS = "SELECT count(*) FROM finding WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"
TODAY = a_day()


def an_injury(**fields: Any) -> dict[str, Any]:
    body = {
        "injured_at": ago(minutes=10), "how": "制止斗殴时被推倒", "doing": "巡逻", "body_part": "右前臂",
        "severity": "serious", "hospital": "市第一人民医院", "place": PLACE,
    }  # fmt: skip
    return body | fields


async def reports(who: Someone, **fields: Any) -> dict[str, Any]:
    return dict(recorded(await who.post("/v1/injuries/report", **an_injury(**fields)))["injury"])


async def a_paper(who: Someone, title: str = "发票") -> str:
    name = f"{uuid4().hex}.pdf"
    body = {"title": title, "file_name": name, "media_type": "application/pdf"}
    return str(recorded(await who.post("/v1/documents/declare", **body))["id"])


async def asks(who: Someone, injury: Any, fen: int = 100_000, kind: str = "medical") -> dict[str, Any]:
    answer = await who.post("/v1/advances/request", injury=injury, kind=kind, fen=fen, words="住院押金")
    return dict(recorded(answer)["item"])


async def on_item(who: Someone, verb: str, item: dict[str, Any], **fields: Any) -> httpx.Response:
    body: dict[str, Any] = {"item": item["id"], "version": item["version"]}
    body |= {"approve": {"fen": 100_000, "why": "同意"}, "refuse": {"why": "无关"}}.get(
        verb, {} if verb == "dispose" else {"words": "已办"}
    )
    return await who.post(f"/v1/advances/{verb}", **(body | fields))


async def pays(who: Someone, item: dict[str, Any], fen: int, **fields: Any) -> httpx.Response:
    return await on_item(who, "pay", item, fen=fen, **({"receipt": await a_paper(who)} | fields))


async def settles(who: Someone, item: dict[str, Any], payer: str, fen: int) -> httpx.Response:
    return await on_item(who, "settle", item, payer=payer, fen=fen)


async def recognition(who: Someone, injury: dict[str, Any], step: str, **fields: Any) -> httpx.Response:
    body = {"injury": injury["id"], "version": injury["version"], "step": step, "on_day": TODAY.isoformat()}
    return await who.post("/v1/injuries/recognition", **(body | {"words": "文书已收"} | fields))


async def goes(who: Someone, injury: dict[str, Any], *steps: str) -> dict[str, Any]:
    for step in steps:
        injury = recorded(await recognition(who, injury, step))["injury"]
    return injury


def item_of(answer: httpx.Response) -> dict[str, Any]:
    return dict(recorded(answer)["item"])


# -- reported


async def test_a_report_opens_the_advance_holds_the_footage_and_notifies_the_handlers(app: Litestar) -> None:
    """All in one transaction: items, holds, the term to apply, commander and treasurer."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=1)
    chief, payer, other = (
        await a_commander_of(app, DISTRICT),
        await a_treasurer_of(app, DISTRICT),
        await an_officer(app),
    )
    cursors = {who.badge: (await who.get("/v1/changes")).json()["cursor"] for who in (lin, chief, payer, zhao, other)}
    cost = {"kind": "medical", "fen": 500_000, "words": "急诊押金"}
    injury = await reports(zhao, person=lin.id, costs=[cost])
    assert (str(lin.id), DISTRICT, "reported", False) == (
        injury["person"], injury["handled_in"], injury["recognition"], injury["fatal"],
    )  # fmt: skip
    ledger = (await chief.get(f"/v1/advances/{injury['id']}")).json()
    costs = [(item["kind"], item["state"], item["requested_fen"]) for item in ledger["items"]]
    still_open = [(kind, "open", None) for kind in ("nursing", "other", "transport")]
    assert [("medical", "requested", 500_000), *still_open] == costs
    for who, hears in ((lin, True), (chief, True), (payer, True), (zhao, True), (other, False)):
        news = (await who.get("/v1/changes", after=cursors[who.badge])).json()["items"]
        assert hears == (injury["id"] in [subject for item in news for subject in item.get("subjects", ())]), who.name
    kept = {row["person"] for row in await fetch("SELECT person FROM hold WHERE about = $1", UUID(injury["id"]))}
    assert {lin.id, zhao.id} == kept
    hurt = ago(minutes=10)
    assert utc(until(law(), "recognition_application", hurt)) == utc(moment(injury["apply_by"]))


async def test_footage_declared_a_week_later_is_held(app: Litestar) -> None:
    """Of the injured, of the officer who led, of the witness; and of nobody else."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=1)
    chen, other = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    injury = await reports(lin, witnesses=[chen.id])
    films = [
        await sealed(app, who, some_bytes(20_000, str(uuid4())), started_at=ago(minutes=20), ended_at=ago(minutes=5))
        for who in (lin, zhao, chen, other)
    ]
    await legal_holds.update_store(app.state.store)
    assert [True, True, True] == [(await row_of(film))["legal_hold"] for film in films[:3]]
    covers = "SELECT array_agg(DISTINCT k.upload::text) FROM held k JOIN hold h ON h.id = k.hold WHERE h.about = $1"
    assert {*films[:3]} == {*await value(covers, UUID(injury["id"]))}
    hold = await value("SELECT id FROM hold WHERE about = $1 LIMIT 1", UUID(injury["id"]))
    wu = await an_inspector_of(app, DISTRICT)
    refused(await wu.post("/v1/holds/release", hold=hold, why="不再需要"), 409, "hold_needed")


async def test_one_accident_is_one_case_however_many_report_it(app: Litestar) -> None:
    """In any order, at once, and by sync two days late; another accident is marked as separate."""
    lin, zhao, chen = await a_duty_auxiliary(app), await an_officer(app), await a_duty_auxiliary(app)
    injuries = await asyncio.gather(reports(lin), reports(zhao, person=lin.id), reports(chen, person=lin.id))
    assert 1 == len({injury["id"] for injury in injuries})
    (late,) = await chen.sync(
        chen.item("injuries/report", person=lin.id, at=ago(days=2), **an_injury(injured_at=ago(days=2)))
    )
    assert "recorded" == late["status"]
    assert late["receipt"]["injury"]["id"] != injuries[0]["id"]
    again = await reports(lin, separate=True)
    assert again["id"] != injuries[0]["id"]
    detail = (await lin.get(f"/v1/injuries/{injuries[0]['id']}")).json()
    assert 3 == len(detail["reports"])
    assert 4 == await value("SELECT count(*) FROM advance_item WHERE injury = $1", UUID(injuries[0]["id"]))


async def test_medical_details_are_for_the_handlers_only(app: Litestar) -> None:
    """A colleague reads their own report; inspector, other organ and officer nothing; nor does the journal hold it."""
    lin, chen, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_officer(app)
    chief, payer = await a_commander_of(app, DISTRICT), await a_treasurer_of(app, CITY)
    wu, far = await an_inspector_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT)
    injury = await reports(lin, body_part="左膝韧带")
    await reports(chen, person=lin.id, body_part="膝", hospital="区医院")
    seen = {
        who.badge: await who.get(f"/v1/injuries/{injury['id']}") for who in (lin, chief, payer, chen, wu, far, zhao)
    }
    assert [200, 200, 200, 200, 404, 404, 404] == [answer.status_code for answer in seen.values()]
    parts = [[result["body_part"] for result in seen[who.badge].json()["reports"]] for who in (lin, chief, payer, chen)]
    assert [["左膝韧带", "膝"]] * 3 + [["膝"]] == parts
    refused(await chen.get(f"/v1/advances/{injury['id']}"), 404, "unknown_injury")
    assert "市第一人民医院" not in (await chen.get(f"/v1/advances/{injury['id']}/undertaking")).text
    lines = await fetch(
        "SELECT convert_from(entry, 'UTF8') AS line FROM journal WHERE $1 = ANY (subjects)", UUID(injury["id"])
    )
    assert not [row for row in lines if "膝" in row["line"] or "serious" in row["line"] or "医院" in row["line"]]


async def test_who_may_report_whom(app: Litestar) -> None:
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    refused(await zhao.post("/v1/injuries/report", **an_injury()), 422, "not_an_auxiliary")
    refused(await zhao.post("/v1/injuries/report", **an_injury(person=chief.id)), 422, "not_an_auxiliary")
    refused(await lin.post("/v1/injuries/report", **an_injury(witnesses=[uuid4()])), 404, "unknown_person")
    refused(await lin.post("/v1/injuries/report", **an_injury(papers=[await a_paper(zhao)])), 404, "unknown_document")
    refused(await lin.post("/v1/injuries/report", **an_injury(activity=uuid4())), 404, "unknown_activity")
    ahead = recorded(await lin.post("/v1/injuries/report", **an_injury(injured_at=now() + timedelta(hours=1))))
    assert ["clock_doubtful"] == [finding["code"] for finding in ahead["findings"]]


async def test_papers_come_with_it_and_later_and_are_held(app: Litestar) -> None:
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    injury = await reports(lin, papers=[await a_paper(lin, "现场照片")])
    later = await a_paper(lin, "诊断证明")
    recorded(await lin.post("/v1/injuries/attach", injury=injury["id"], papers=[later]))
    titles = [paper["title"] for paper in (await lin.get(f"/v1/injuries/{injury['id']}")).json()["papers"]]
    assert ["现场照片", "诊断证明"] == titles
    told = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'hold' AND payload = uuid_send($1)"
    assert 1 == await value(told, UUID(later)), "it may be sealed already: then no sealing has the store hold it"
    covers = "SELECT count(*) FROM held k JOIN hold h ON h.id = k.hold WHERE h.about = $1 AND k.upload = $2"
    assert 1 == await value(covers, UUID(injury["id"]), UUID(later))
    refused(await chen.post("/v1/injuries/attach", injury=injury["id"], papers=[later]), 404, "unknown_injury")
    refused(await lin.post("/v1/injuries/attach", injury=injury["id"], papers=[uuid4()]), 404, "unknown_document")


async def test_a_death_opens_the_survivors_list_and_keeps_the_footage_for_ever(app: Litestar) -> None:
    """Also if it was reported as a lesser injury before."""
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    injury = await reports(zhao, person=lin.id)
    care = {"injury": injury["id"], "item": "orphan_support", "words": "子女已纳入"}
    refused(await chief.post("/v1/injuries/survivors", **care), 409, "not_fatal")
    assert (await reports(zhao, person=lin.id, severity="fatal"))["fatal"]
    survivors = (await chief.get(f"/v1/injuries/{injury['id']}")).json()["survivors"]
    assert sorted(rules.SURVIVORS) == [each["item"] for each in survivors]
    recorded(await chief.post("/v1/injuries/survivors", **care))
    refused(await chief.post("/v1/injuries/survivors", **care), 409, "survivor_item_done")
    refused(await zhao.post("/v1/injuries/survivors", **care), 403, "not_the_handler")
    await reports(await a_duty_auxiliary(app), person=lin.id)  # whose footage is held from now on, for ever too
    assert 3 == await value("SELECT count(*) FROM hold WHERE about = $1", UUID(injury["id"]))
    assert [True] == await value("SELECT array_agg(DISTINCT permanent) FROM hold WHERE about = $1", UUID(injury["id"]))


# -- recognised


async def test_recognition_goes_step_by_step(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    injury = await reports(lin)
    refused(await recognition(chief, injury, "recognise"), 409, "recognition_out_of_order")
    done = await goes(chief, injury, "apply", "papers_missing", "accept", "suspend", "resume", "recognise", "review")
    assert "in_review" == done["recognition"]
    stale = refused(await recognition(chief, injury, "accept"), 409, "stale")
    assert ("in_review", 8) == (stale["current"]["recognition"], stale["current"]["version"])
    done = await goes(chief, done, "not_recognise")
    steps = (await lin.get(f"/v1/injuries/{injury['id']}")).json()["steps"]
    assert ["review", "not_recognise"] == [each["step"] for each in steps][-2:]


async def test_who_may_not_take_a_step(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    local, payer = await a_commander_of(app, STATION), await a_treasurer_of(app, DISTRICT)
    injury = await reports(zhao, person=lin.id)
    for who in (zhao, local):
        refused(await recognition(who, injury, "apply"), 403, "not_the_handler")
    refused(await recognition(await a_commander_of(app, OTHER_DISTRICT), injury, "apply"), 404, "unknown_injury")
    refused(await recognition(lin, injury, "apply"), 403, "not_for_your_role")
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    refused(await recognition(payer, injury, "apply", on_day=tomorrow), 422, "time_ahead")
    assert "applied" == (await goes(payer, injury, "apply"))["recognition"]


async def test_the_term_to_apply_can_be_extended_and_passing_it_is_a_finding(app: Litestar) -> None:
    """Against the organ; withdrawn by the extension, or by a late entry about an application in time."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    injury = await reports(lin)
    refused(await recognition(chief, injury, "extend"), 422, "not_an_extension")
    refused(await recognition(chief, injury, "extend", until_day=TODAY.isoformat()), 422, "not_an_extension")
    refused(await recognition(chief, injury, "apply", until_day="2030-01-01"), 422, "not_an_extension")
    over = moment(injury["apply_by"]) + timedelta(minutes=1)
    await findings.find_overdue(over, service.OVERDUE)
    assert 1 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))
    far = (over.date() + timedelta(days=30)).isoformat()
    injury = recorded(await recognition(chief, injury, "extend", until_day=far))["injury"]
    assert 0 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))
    await findings.find_overdue(over, service.OVERDUE)
    assert 0 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))
    await findings.find_overdue(moment(injury["apply_by"]) + timedelta(minutes=1), service.OVERDUE)
    assert 1 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))
    await goes(chief, injury, "apply")
    assert 0 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))


@given(some.lists(some.sampled_from(sorted(rules.TRANSITIONS)), max_size=12))
def test_no_recognition_without_application_and_acceptance(steps: list[str]) -> None:
    """Whatever the steps: nothing is recognised without application and acceptance, and no state is a dead end."""
    state, taken = "reported", []
    for step in steps:
        then = rules.after(state, step)
        if then is not None:
            state, taken = then, [*taken, step]
    if state in ("recognised", "treated_as", "not_recognised"):
        assert "apply" in taken
        assert {"accept", "not_accept"} & set(taken)
    assert any(rules.after(state, step) for step in rules.TRANSITIONS)


# -- advanced


async def test_from_request_to_settlement_the_ledger_adds_up(app: Litestar) -> None:
    lin, chief, payer = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, DISTRICT),
        await a_treasurer_of(app, DISTRICT),
    )
    injury = await reports(lin)
    item = await asks(lin, injury["id"], 150_000)
    nursing = await asks(lin, injury["id"], 30_000, "nursing")
    refused(await on_item(chief, "approve", item, fen=150_001), 422, "beyond_requested")
    approved = item_of(await on_item(chief, "approve", item, fen=120_000))
    assert ("approved", 120_000) == (approved["state"], approved["approved_fen"])
    assert "refused" == item_of(await on_item(chief, "refuse", nursing))["state"]
    paid = item_of(await pays(payer, approved, 100_000))
    refused(await pays(payer, paid, 20_001), 422, "beyond_approved")
    paid = item_of(await pays(payer, paid, 20_000))
    refused(await settles(payer, paid, "fund", 1), 409, "not_recognised_yet")
    await goes(chief, injury, "apply", "accept", "recognise")
    part = item_of(await settles(payer, paid, "fund", 80_000))
    refused(await settles(payer, part, "employer", 40_001), 422, "beyond_paid")
    part = item_of(await settles(payer, part, "third_party", 15_000))
    done = item_of(await settles(payer, part, "employer", 25_000))
    assert "settled" == done["state"]
    sums = (await lin.get(f"/v1/advances/{injury['id']}")).json()["sums"]
    assert {"requested_fen": 180_000, "approved_fen": 120_000, "paid_fen": 120_000, "fund_fen": 80_000,
            "employer_fen": 25_000, "accident_insurer_fen": 0, "third_party_fen": 15_000, "recovered_fen": 0,
            "outstanding_fen": 0} == sums  # fmt: skip


async def test_of_two_payments_at_once_one_is_recorded(app: Litestar) -> None:
    """On one version only one; one receipt serves one payment, on any item."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    payer, other = await a_treasurer_of(app, DISTRICT), await a_treasurer_of(app, CITY)
    injury = await reports(lin)
    item = item_of(await on_item(chief, "approve", await asks(lin, injury["id"])))
    answers = await asyncio.gather(pays(payer, item, 60_000), pays(other, item, 60_000))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    (stale,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert ("stale", 60_000) == (stale["code"], stale["current"]["paid_fen"])
    used = await value("SELECT receipt FROM advance_payment WHERE item = $1", UUID(item["id"]))
    recorded(await lin.post("/v1/injuries/attach", injury=injury["id"], papers=[await a_paper(lin)]))
    holder = payer if answers[0].status_code == 201 else other
    refused(await pays(holder, stale["current"], 1_000, receipt=used), 409, "receipt_used")
    refused(await pays(holder, stale["current"], 1_000, receipt=uuid4()), 404, "unknown_document")


async def test_one_bill_under_two_numbers_is_paid_once(app: Litestar) -> None:
    """Declared again by the same person or another: the bytes are the same."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    chief, payer = await a_commander_of(app, DISTRICT), await a_treasurer_of(app, DISTRICT)
    injury = await reports(lin)
    await reports(chen, person=lin.id)
    item = item_of(await on_item(chief, "approve", await asks(lin, injury["id"])))
    bill = {
        "title": "发票",
        "file_name": "1.pdf",
        "media_type": "application/pdf",
        "bytes": 9,
        "sha256": uuid4().hex * 2,
    }
    papers = []
    for who in (lin, lin, chen):
        papers.append(recorded(await who.post("/v1/documents/declare", **bill))["id"])
        recorded(await who.post("/v1/injuries/attach", injury=injury["id"], papers=papers[-1:]))
    item = item_of(await pays(payer, item, 10_000, receipt=papers[1]))
    for paper in papers:
        refused(await pays(payer, item, 10_000, receipt=paper), 409, "receipt_used")


async def test_nobody_decides_or_pays_in_their_own_matter(app: Litestar) -> None:
    """Not the requester, the approver, the injured or another organ; and not twice."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    boss, payer = await a_commander_of(app, CITY), await a_treasurer_of(app, DISTRICT)
    injury = await reports(lin)
    item = await asks(chief, injury["id"])
    refused(await on_item(chief, "approve", item), 403, "own_matter")
    refused(await on_item(payer, "approve", item), 403, "not_the_handler")
    refused(await on_item(lin, "approve", item), 403, "not_for_your_role")
    refused(await on_item(await a_commander_of(app, OTHER_DISTRICT), "approve", item), 404, "unknown_item")
    refused(await on_item(await a_commander_of(app, STATION), "approve", item), 403, "not_the_handler")
    refused(await pays(payer, item, 1), 409, "not_approved")
    await execute(
        "INSERT INTO role_grant (person, role, organ, valid_from, source) "
        "VALUES ($1, 'treasurer', $2, '2026-01-01', 'import')",
        boss.id,
        CITY,
    )
    await boss.open()
    item = item_of(await on_item(boss, "approve", item))
    refused(await on_item(boss, "approve", item), 409, "item_decided")
    refused(await pays(boss, item, 1), 403, "own_matter")
    for verb in ("approve", "refuse"):
        refused(await on_item(boss, verb, item), 409, "item_decided")


async def test_costs_of_an_injury_not_recognised_need_a_decision(app: Litestar) -> None:
    lin, chief, payer = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, DISTRICT),
        await a_treasurer_of(app, DISTRICT),
    )
    injury = await reports(lin)
    item = item_of(await on_item(chief, "approve", await asks(lin, injury["id"])))
    item = item_of(await pays(payer, item, 100_000))
    what = {"then_what": "recover", "why": "不属于工伤"}
    refused(await on_item(chief, "dispose", item, **what), 409, "not_refused_recognition")
    await goes(chief, injury, "apply", "accept", "not_recognise")
    assert 1 == await value(STANDS, "advance_undecided", UUID(item["id"]))
    refused(await on_item(payer, "dispose", item, **what), 403, "not_the_handler")
    refused(await on_item(chief, "dispose", item | {"version": item["version"] + 1}, **what), 409, "stale")
    disposed = item_of(await on_item(chief, "dispose", item, **what))
    assert item["version"] + 1 == disposed["version"]
    item = disposed
    assert 0 == await value(STANDS, "advance_undecided", UUID(item["id"]))
    assert "settled" == item_of(await settles(payer, item, "recovered", 100_000))["state"]


async def test_a_second_cost_of_a_kind_is_another_item(app: Litestar) -> None:
    """The first fills the open item; a request that arrives before its report waits for it."""
    lin, injury = await a_duty_auxiliary(app), uuid4()
    cost = {"injury": injury, "kind": "transport", "fen": 5_000, "words": "救护车"}
    request, report = lin.item("advances/request", **cost), lin.item("injuries/report", id=injury, **an_injury())
    results = await lin.sync(request, report)
    assert ["waiting", "recorded"] == [result["status"] for result in results]
    second = await asks(lin, injury, 8_000, "transport")
    items = (await lin.get(f"/v1/advances/{injury}")).json()["items"]
    assert [5_000, 8_000] == [each["requested_fen"] for each in items if each["kind"] == "transport"]
    assert 5 == len(items)
    assert second["id"] in [each["id"] for each in items]


async def test_the_database_itself_keeps_every_balance(app: Litestar, owner: asyncpg.Connection) -> None:
    """Whoever writes, even the owner of the tables."""
    lin, chief, payer = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, DISTRICT),
        await a_treasurer_of(app, DISTRICT),
    )
    injury = await reports(lin)
    item = item_of(await on_item(chief, "approve", await asks(lin, injury["id"])))
    await pays(payer, item, 70_000)
    item_id, paper = UUID(item["id"]), UUID(await a_paper(payer))
    pay = """
    INSERT INTO advance_payment (id, item, fen, receipt, by_person, at, words) VALUES ($1, $2, $3, $4, $5, now(), '-')
    """
    wrong: list[tuple[str, list[Any]]] = [
        (pay, [uuid4(), item_id, 30_001, paper, payer.id]),
        ("UPDATE advance_item SET paid_fen = 100001 WHERE id = $1", [item_id]),
        ("UPDATE advance_item SET settled_fen = 70001 WHERE id = $1", [item_id]),
        ("UPDATE advance_item SET approved_fen = 100001 WHERE id = $1", [item_id]),
        ("UPDATE advance_item SET approved_fen = 69999 WHERE id = $1", [item_id]),
        ("UPDATE advance_payment SET fen = 1 WHERE item = $1", [item_id]),
        ("DELETE FROM advance_payment WHERE item = $1", [item_id]),
    ]
    for sql, values in wrong:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(sql, *values)
    await owner.execute(pay, uuid4(), item_id, 30_000, paper, payer.id)
    assert 100_000 == await value("SELECT paid_fen FROM advance_item WHERE id = $1", item_id)


async def test_the_undertaking_promises_what_is_approved(app: Litestar) -> None:
    """Nothing before approval and nothing medical; for the injured, the reporter and the handlers only."""
    lin, zhao, chief = (
        await a_duty_auxiliary(app, name="林<b>川"),
        await an_officer(app),
        await a_commander_of(app, DISTRICT),
    )
    injury = await reports(zhao, person=lin.id)
    page = f"/v1/advances/{injury['id']}/undertaking"
    assert "不构成承诺" in (await zhao.get(page)).text
    await on_item(chief, "approve", await asks(zhao, injury["id"], 123_456), fen=123_456)
    answer = (await zhao.get(page)).text
    assert "1234.56" in answer
    assert "壹仟贰佰叁拾肆元伍角陆分" in answer
    assert injury["id"] not in answer  # a paper has a number, which people can say
    (number,) = re.findall(r"〔(\d{4})〕\d+号", answer)
    assert str(now().astimezone(BEIJING).year) == number
    assert "林&lt;b&gt;川" in answer
    assert "市第一人民医院" in answer
    assert "右前臂" not in answer
    refused(await (await an_officer(app)).get(page), 404, "unknown_injury")


async def test_cases_are_numbered_one_after_the_other_by_organ_and_year(app: Litestar) -> None:
    """Of the organ that handles them: three at once get three numbers; another organ begins with its own first one."""
    organs = [f"33{uuid4().int % 10**10:010}" for _ in range(2)]
    await roster.bring_in([organ_row(organ, "编号分局") for organ in organs])
    people = [await a_duty_auxiliary(app, organ=organ) for organ in (organs[0], organs[0], organs[0], organs[1])]
    await asyncio.gather(*(reports(somebody) for somebody in people))
    rows = await fetch(
        "SELECT handled_in, array_agg(number ORDER BY number) AS n FROM injury WHERE organ = ANY ($1) GROUP BY 1",
        organs,
    )
    assert {organs[0]: [1, 2, 3], organs[1]: [1]} == {row["handled_in"]: row["n"] for row in rows}


async def test_the_report_counts_what_is_open(app: Litestar) -> None:
    """In yuan; nothing medical."""
    organ = f"33{uuid4().int % 10**10:010}"
    await roster.bring_in([organ_row(organ, "报表分局", CITY)])
    lin, chief = await a_duty_auxiliary(app, organ=organ), await a_commander_of(app, CITY)
    injury = await reports(lin)
    await on_item(chief, "approve", await asks(lin, injury["id"], 123_456), fen=123_456)
    result = of_advances(await injury_reads.outstanding(organ))
    (row,) = result.rows
    line = dict(zip(result.columns, row, strict=True))
    assert ("1234.56", "1234.56", "0.00", "已批准\napproved") == tuple(
        line[name] for name in ("requested", "approved", "paid", "state")
    )
    assert "右前臂" not in result.csv()
    assert "1 costs, 0.00 yuan paid, 0.00 not settled yet" == result.sentence


async def test_a_late_application_is_recorded_and_its_finding_stands(app: Litestar) -> None:
    """Late is recorded: the organ bears the costs meanwhile, and a person sees it."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    injury = await reports(lin)
    late = "injured_at = now() - interval '40 days', apply_by = now() - interval '10 days'"
    await execute(f"UPDATE injury SET {late} WHERE id = $1", UUID(injury["id"]))  # noqa: S608
    await findings.find_overdue(now(), service.OVERDUE)
    assert "applied" == (await goes(chief, injury, "apply"))["recognition"]
    assert 1 == await value(STANDS, "recognition_not_applied", UUID(injury["id"]))
