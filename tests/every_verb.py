"""Send every verb once, each by a person who may, after everything that it depends on."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from backend.core.database import execute, tx, value
from backend.evidence.retention import category_holds
from backend.registry import VERBS
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_badge,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    a_led_patrol,
    a_treasurer_of,
    a_yes,
    ago,
    an_administrator_of,
    an_inspector_of,
    an_officer,
    now,
    recorded,
)

PATHS = frozenset(f"/v1/{verb.name}" for verb in VERBS)
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
PAPER = {"title": "诊断证明", "file_name": "a.pdf", "media_type": "application/pdf"}


Before = Callable[[Someone, str, dict[str, Any]], Awaitable[None]]


class RolledBack(Exception):
    """Rolls a trial back."""


async def undone(who: Someone, path: str, content: bytes) -> tuple[httpx.Response, bytes | None]:
    """The answer to an entry and its stored content, in a transaction that is rolled back."""
    answer: httpx.Response | None = None
    content_stored: bytes | None = None
    try:
        async with tx():
            answer = await who.ask("POST", path, content=content, headers={"Content-Type": "application/json"})
            if answer.status_code == 201 and path in PATHS:
                content_stored = await value("SELECT content FROM entry WHERE id = $1", UUID(answer.json()["id"]))
            raise RolledBack
    except RolledBack:
        assert answer is not None
        return answer, content_stored


async def answers_after(app: Litestar, before: Before) -> dict[str, httpx.Response]:
    """One answer of every verb; `before` is called first with the sender, the path and the body."""
    send, seen = Someone.send, set[str]()

    async def send_after(self: Someone, path: str, body: Any, **options: Any) -> httpx.Response:
        if path in PATHS - seen:
            seen.add(path)
            await before(self, path, dict(body))
        return await send(self, path, body, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Someone, "send", send_after)
        return await answers(app)


async def answers(app: Litestar) -> dict[str, httpx.Response]:
    """One answer of every verb, by its name."""
    lin, zhao, shift, naming = await a_led_patrol(app)
    qian, chen = await an_officer(app, name="钱敏"), await a_duty_auxiliary(app, name="陈文静")
    responses = {"supervisions/hand-over": await zhao.hand_over(naming, qian)}
    handed = recorded(responses["supervisions/hand-over"])["id"]
    responses["supervisions/confirm"] = await qian.answer("confirm", handed)
    responses["supervisions/end"] = await lin.answer("end", handed)
    responses["supervisions/name"] = await lin.names(zhao)
    responses["supervisions/decline"] = await zhao.answer("decline", recorded(responses["supervisions/name"])["id"])
    responses["supervisions/prove"] = await proved(lin, qian)
    responses["shifts/check-in"] = await chen.check_in(at=ago(minutes=5))
    responses["activities/start"] = await lin.starts("10.4", at=ago(minutes=20))
    activity = recorded(responses["activities/start"])["id"]
    responses["activities/finish"] = await lin.finishes(activity, at=ago(minutes=15))
    responses["activities/amend"] = await lin.amends(activity, notes="补记")
    responses["recordings/explain"] = await lin.explains(activity)
    responses["recordings/cover"] = await lin.covers(activity)
    responses["shifts/check-out"] = await lin.check_out(shift)
    responses["recordings/declare"] = await lin.declare()
    footage = recorded(responses["recordings/declare"])["id"]
    content = [{"from_ms": 0, "to_ms": 1000, "words": "到达现场"}]
    moved = {"recording": footage, "started_at": ago(minutes=9), "why": "时钟慢一分钟"}
    responses["recordings/correct-time"] = await lin.post("/v1/recordings/correct-time", **moved)
    responses["recordings/describe"] = await lin.post("/v1/recordings/describe", recording=footage, content=content)
    responses["documents/declare"] = await lin.post("/v1/documents/declare", **PAPER)
    return (
        responses
        | await on_calls(lin, zhao)
        | await on_decisions(app, chen)
        | await on_recusals(app)
        | await on_holds(app)
        | await on_reviews(app)
        | await on_injuries(app)
        | await on_complaints(app)
        | await on_hours(app)
        | await on_rosters(app)
        | await on_items(app)
        | await on_people(app)
    )


async def on_calls(lin: Someone, zhao: Someone) -> dict[str, httpx.Response]:
    responses = {"assistance/call": await lin.post("/v1/assistance/call", kind="violence", place=PLACE)}
    call = recorded(responses["assistance/call"])["id"]
    for verb, fields in (("acknowledge", {}), ("arrive", {}), ("close", {"words": "已控制"})):
        responses[f"assistance/{verb}"] = await zhao.post(f"/v1/assistance/{verb}", call=call, **fields)
    return responses


async def of_a_revoked_device(chen: Someone) -> dict[str, Any]:
    """An entry that is held for a person; the device was found again meanwhile."""
    waits = chen.item("shifts/check-out", shift=uuid4(), at=ago(minutes=1))
    assert chen.key is not None
    revoked = "UPDATE device d SET revoked_at = {} FROM device_key k WHERE k.device = d.id AND k.jkt = $1"
    await execute(revoked.format("now()"), chen.key.jkt)
    await chen.sync(waits)
    await execute(revoked.format("NULL"), chen.key.jkt)
    return waits


async def on_decisions(app: Litestar, chen: Someone) -> dict[str, httpx.Response]:
    """Decisions of a person: about two contradicting shifts, and about held entries."""
    responses = {}
    sun, zhu, at = await a_commander_of(app, STATION), await a_duty_auxiliary(app), ago(minutes=5)
    _, contested = [recorded(await zhu.check_in(at=at, id=each))["id"] for each in sorted([uuid4(), uuid4()])]
    responses["contests/resolve"] = await sun.post(
        "/v1/contests/resolve", contested=contested, stands="in_force", why="以门岗监控为准"
    )
    for verb in ("admit", "refuse"):
        waits = await of_a_revoked_device(chen)
        responses[f"held/{verb}"] = await sun.post(f"/v1/held/{verb}", held=waits["id"], why="经核实")
    return responses


async def on_injuries(app: Litestar) -> dict[str, httpx.Response]:
    lin, chief, payer = (
        await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), await a_treasurer_of(app, DISTRICT),
    )  # fmt: skip
    what = {"how": "被推倒", "doing": "巡逻", "body_part": "右前臂", "severity": "fatal", "injured_at": now()}
    responses = {"injuries/report": await lin.post("/v1/injuries/report", **what)}
    injury = recorded(responses["injuries/report"])["injury"]
    paper = [recorded(await lin.post("/v1/documents/declare", **PAPER))["id"]]
    responses["injuries/attach"] = await lin.post("/v1/injuries/attach", injury=injury["id"], papers=paper)
    care = {"injury": injury["id"], "item": "orphan_support", "words": "已纳入"}
    responses["injuries/survivors"] = await chief.post("/v1/injuries/survivors", **care)
    for version, step in enumerate(("apply", "accept", "not_recognise"), injury["version"]):
        taken = {"injury": injury["id"], "version": version, "step": step, "on_day": "2026-11-01", "words": "已收"}
        responses["injuries/recognition"] = await chief.post("/v1/injuries/recognition", **taken)
    cost = {"injury": injury["id"], "fen": 1_000_000, "words": "押金"}
    refused = recorded(await lin.post("/v1/advances/request", kind="other", **cost))["item"]
    responses["advances/request"] = await lin.post("/v1/advances/request", kind="medical", **cost)
    item, receipt = (
        recorded(responses["advances/request"])["item"],
        (await payer.post("/v1/documents/declare", **PAPER)),
    )
    steps: list[tuple[Someone, str, dict[str, Any], dict[str, Any]]] = [
        (chief, "refuse", refused, {"why": "无关"}),
        (chief, "approve", item, {"fen": 1_000_000, "why": "同意"}),
        (payer, "pay", item, {"fen": 1_000_000, "receipt": recorded(receipt)["id"], "words": "转账"}),
        (chief, "dispose", item, {"then_what": "employer", "why": "单位承担"}),
        (payer, "settle", item, {"fen": 800_000, "payer": "employer", "words": "列支"}),
    ]
    for who, verb, of, fields in steps:
        version = await value("SELECT version FROM advance_item WHERE id = $1", UUID(of["id"]))
        responses[f"advances/{verb}"] = await who.post(f"/v1/advances/{verb}", item=of["id"], version=version, **fields)
    return responses


async def on_complaints(app: Litestar) -> dict[str, httpx.Response]:
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    what = {
        "channel": "phone",
        "words": "态度粗暴",
        "complainant": "王某",
        "person": lin.id,
        "started_at": ago(hours=2),
    }
    responses = {"complaints/receive": await zhao.post("/v1/complaints/receive", **what)}
    complaint = recorded(responses["complaints/receive"])["complaint"]
    steps: list[tuple[Someone, str, dict[str, Any]]] = [
        (wu, "accept", {"kind": "petition"}),
        (wu, "notify", {"how": "letter"}),
        (wu, "identify", {"person": (await a_duty_auxiliary(app)).id}),
        (wu, "extend", {"until": now() + timedelta(days=80)}),
        (await a_commander_of(app, DISTRICT), "answer-extension", {"approves": True}),
        (wu, "tell-extension", {"how": "message"}),
        (wu, "hear", {"person": lin.id, "substance": "反映态度生硬，请陈述当时情况"}),
        (await an_inspector_of(app, CITY), "step-aside", {}),
        (wu, "conclude", {"outcome": "unfounded"}),
        (wu, "feed-back", {"how": "letter"}),
    ]
    for version, (who, verb, fields) in enumerate(steps, 1):
        body = {"complaint": complaint["id"], "version": version}
        body |= {} if verb == "hear" else {"words": "已办"}
        responses[f"complaints/{verb}"] = await who.post(f"/v1/complaints/{verb}", **body, **fields)
    hearing = recorded(responses["complaints/hear"])["hearing"]["id"]
    responses["hearings/answer"] = await lin.post("/v1/hearings/answer", hearing=hearing, words="语气稍急")
    responses["matters/raise"] = await lin.post("/v1/matters/raise", kind="suggestion", words="增加夜间照明")
    matter = recorded(responses["matters/raise"])["id"]
    footage = recorded(await lin.declare())["id"]
    responses["matters/link"] = await lin.post("/v1/matters/link", matter=matter, recordings=[footage])
    responses["matters/answer"] = await wu.post("/v1/matters/answer", matter=matter, words="已采纳")
    harassed = recorded(await lin.post("/v1/matters/raise", kind="harassment", words="被尾随辱骂"))["id"]
    case = {"matter": harassed, "case_ref": "城公（治）受案字〔2026〕118号", "state": "accepted", "words": "已受案"}
    responses["matters/tell-case"] = await wu.post("/v1/matters/tell-case", **case)
    return responses


async def on_hours(app: Litestar) -> dict[str, httpx.Response]:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    sunday = datetime(2026, 11, 15, 9, tzinfo=timezone(timedelta(hours=8)))
    shift = recorded(await lin.check_in(at=sunday))["id"]
    recorded(await lin.check_out(shift, at=sunday + timedelta(hours=8)))
    off = {"person": lin.id, "month": "2026-11", "on_day": "2026-11-20", "minutes": 60, "words": "补休"}
    responses = {"hours/take-off": await chief.post("/v1/hours/take-off", **off)}
    time_off = recorded(responses["hours/take-off"])["id"]
    return responses | {"hours/withdraw": await chief.post("/v1/hours/withdraw", time_off=time_off, why="未休")}


async def on_rosters(app: Litestar) -> dict[str, httpx.Response]:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    span = {"starts_at": now() + timedelta(hours=1), "ends_at": now() + timedelta(hours=9)}
    shift = {"id": uuid4(), "person": lin.id, "post": "南门", "duty_type": "post", **span}
    responses = {"rosters/plan": await chief.post("/v1/rosters/plan", shifts=[shift])}
    planned = recorded(responses["rosters/plan"])["planned"][0]
    responses["rosters/withdraw"] = await chief.post("/v1/rosters/withdraw", planned=planned, why="人员调整")
    zhao, begins = await an_officer(app), now() + timedelta(days=400)  # far from the other tests' duties
    duty = {"organ": STATION, "starts_at": begins, "ends_at": begins + timedelta(days=1), "leader": zhao.id}
    responses["rosters/duty"] = await chief.post("/v1/rosters/duty", **duty, officers=[zhao.id])
    named = recorded(responses["rosters/duty"])["id"]
    return responses | {"rosters/end-duty": await chief.post("/v1/rosters/end-duty", duty=named, why="换班")}


async def on_items(app: Litestar) -> dict[str, httpx.Response]:
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    thing = {"kind": "recorder", "serial": f"DSJ-{uuid4().hex[:10]}", "person": lin.id}
    responses = {"items/issue": await sun.post("/v1/items/issue", **thing)}
    item = recorded(responses["items/issue"])["id"]
    responses["items/return"] = await sun.post("/v1/items/return", item=item)
    seen = {"person": lin.id, "seen_at": ago(hours=1), "words": "在商场着制服"}
    return responses | {"uniforms/report": await sun.post("/v1/uniforms/report", **seen)}


async def on_people(app: Litestar) -> dict[str, httpx.Response]:
    lin, admin = await a_duty_auxiliary(app), await an_administrator_of(app, STATION)
    today = a_day().isoformat()
    new = {"badge": a_badge(), "name": "杨帆", "kind": "duty_auxiliary", "organ": STATION, "serves_from": today}
    role = {"person": lin.id, "role": "commander", "organ": STATION}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("people/enter", new),
        ("people/move", {"person": lin.id, "organ": STATION, "kind": "civilian_auxiliary", "serves_from": today}),
        ("people/rename", {"person": lin.id, "name": "林晓川", "confirm": True}),
        ("roles/grant", role | {"valid_from": today}),
        ("roles/end", role | {"last_day": today}),
        ("people/end", {"person": lin.id, "last_day": today}),
    ]
    steps.append(
        (
            "devices/enter",
            {"serial": f"HH-{uuid4().hex[:12]}", "name": "手持终端", "kind": "handheld", "organ": STATION},
        )
    )
    return {verb: await admin.post(f"/v1/{verb}", **fields) for verb, fields in steps}


async def on_reviews(app: Litestar) -> dict[str, httpx.Response]:
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    wu, far = await an_inspector_of(app, DISTRICT), await an_inspector_of(app, OTHER_DISTRICT)
    footage = recorded(await lin.declare())["id"]
    request = {"recording": footage, "purpose": "case", "number": "受案〔2026〕1号"}
    responses = {"reviews/open": await wu.post("/v1/reviews/open", **request)}
    review = recorded(responses["reviews/open"])["id"]
    waiting = [recorded(await far.post("/v1/reviews/open", **request))["id"] for _ in range(2)]
    responses["reviews/approve"] = await sun.post("/v1/reviews/approve", review=waiting[0], why="同意")
    responses["reviews/refuse"] = await sun.post("/v1/reviews/refuse", review=waiting[1], why="无关")
    responses["reviews/note"] = await wu.post("/v1/reviews/note", review=review, at_ms=1, words="所见")
    seen = [{"from_ms": 0, "to_ms": 1000}]
    responses["reviews/watched"] = await wu.post("/v1/reviews/watched", review=review, stretches=seen)
    responses["reviews/close"] = await wu.post("/v1/reviews/close", review=review, found=["other"], words="办结")
    responses["recordings/restrict"] = await lin.post("/v1/recordings/restrict", recording=footage, category="home")
    marked = recorded(responses["recordings/restrict"])["id"]
    responses["recordings/lift"] = await sun.post("/v1/recordings/lift", restriction=marked, why="不涉及")
    found = await a_finding_about(lin)
    responses["findings/tell"] = await wu.post("/v1/findings/tell", person=lin.id, findings=[found])
    responses["findings/reply"] = await lin.post("/v1/findings/reply", finding=found, words="说明")
    responses["findings/decide"] = await wu.post("/v1/findings/decide", finding=found, accepted=True, why="属实")
    own = {"recording": recorded(await lin.declare(started_at=ago(minutes=2), ended_at=ago(seconds=30)))["id"]}
    responses["reviews/open-own"] = await lin.post("/v1/reviews/open-own", **own, finding=found)
    return responses | await on_orders(app)


async def on_orders(app: Litestar) -> dict[str, httpx.Response]:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    ordered = await lin.starts("10.4", despite={"why": "带班民警要求先行", "ordered_by": zhao.id})
    order = recorded(ordered)["id"]
    responses = {"orders/dispute": await zhao.post("/v1/orders/dispute", order=order, words="未下达")}
    return responses | {"orders/decline": await lin.post("/v1/orders/decline", officer=zhao.id, work="12.3")}


async def a_finding_about(who: Someone) -> Any:
    recorded(await who.check_in(at=ago(minutes=1), dress="plain", dress_reason="便衣蹲守", id_card_carried=False,
        despite={"why": "证件遗失"}))  # fmt: skip
    return await value("SELECT id FROM finding WHERE person = $1 LIMIT 1", who.id)


async def on_holds(app: Litestar) -> dict[str, httpx.Response]:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    why = {"number": "督〔2026〕17号", "reason": "核查"}
    responses = {"holds/place": await wu.post("/v1/holds/place", **why, person=lin.id, started_at=ago(hours=1))}
    placed = recorded(responses["holds/place"])["id"]
    responses["holds/release"] = await wu.post("/v1/holds/release", hold=placed, why="办结")
    recorded(await lin.declare(key_mark=True))
    await category_holds.judge_moved(now())
    marked = await value("SELECT id FROM hold WHERE placed_by = $1 AND category = 'key_mark'", lin.id)
    recorded(await wu.post("/v1/holds/release", hold=marked, why="误按标记"))
    chief = await a_commander_of(app, DISTRICT)
    answer = {"hold": marked, "agrees": True, "why": "核实属误按"}
    return responses | {"holds/answer-release": await chief.post("/v1/holds/answer-release", **answer)}


async def on_recusals(app: Litestar) -> dict[str, httpx.Response]:
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, CITY)
    case = {"case_ref": "A3301022026030001", "case_kind": "criminal", "ground": "interest", "words": "有利害关系"}
    responses = {"recusals/declare": await lin.post("/v1/recusals/declare", **case)}
    application = {"person": lin.id, "applicant": "王某", "capacity": "party"}
    responses["recusals/apply"] = await zhao.post("/v1/recusals/apply", **case, **application)
    recusal = recorded(responses["recusals/apply"])["id"]
    steps: list[tuple[str, Someone, dict[str, Any]]] = [
        ("pass-on", await a_commander_of(app, DISTRICT), {"why": "本人与当事人相识"}),
        ("stand-aside", chief, {"why": "先行暂停"}),
        ("extend", chief, {"why": "案情复杂"}),
        ("decide", chief, {"outcome": "refused", "why": "关系不影响公正"}),
        ("tell", zhao, {"how": "telephone", "words": "已告知"}),
        ("reconsider", zhao, {"words": "不服"}),
        ("decide", chief, {"outcome": "granted", "why": "复议查明属实"}),
        ("judge", chief, {"acts": [{"activity": await an_act(lin), "stands": True, "why": "仅维持秩序"}]}),
    ]
    for version, (verb, who, fields) in enumerate(steps, 1):
        responses[f"recusals/{verb}"] = await who.post(
            f"/v1/recusals/{verb}", recusal=recusal, version=version, **fields
        )
        recorded(responses[f"recusals/{verb}"])
    return responses


async def an_act(lin: Someone) -> str:
    act = await lin.starts("9.6", at=ago(days=2), case_kind="criminal", case_ref="A3301022026030001")
    return str(recorded(act)["id"])


async def proved(lin: Someone, officer: Someone) -> httpx.Response:
    at = now()
    naming = recorded(await lin.names(officer, at=at))["id"]
    return await lin.post("/v1/supervisions/prove", supervision=naming, signature=a_yes(officer, lin, naming, at))
