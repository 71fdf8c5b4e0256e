"""Reviews: footage is viewed only under a review, and the journal has who, why, when, from where and which bytes."""

import asyncio
import re
from base64 import b64encode
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, first, value
from backend.evidence.retention import legal_holds
from backend.reviews import spot_checks, watching
from mobile_api.cli.demo_film import film
from tests.api.test_holds import INSPECTS, RECUSED, content
from tests.builders import (
    CITY,
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
    codes,
    now,
    organ_row,
    recorded,
    refused,
)
from tests.databases import by_owner
from tests.desks import with_factor
from tests.devices import row_of, sealed

CASE = {"purpose": "case", "number": "杭公受案字〔2026〕118号"}
VIEWS = "SELECT entry FROM journal WHERE verb LIKE 'recordings/view%' AND $1 = ANY (subjects) ORDER BY seq"


async def lines(recording: Any) -> list[dict[str, Any]]:
    """The journal lines about viewings of this footage."""
    await watching.LATE_WRITES.wait()
    return [msgspec.json.decode(row["entry"]) for row in await fetch(VIEWS, UUID(str(recording)))]


async def opened(who: Someone, recording: Any, **fields: Any) -> dict[str, Any]:
    return recorded(await who.post("/v1/reviews/open", recording=recording, **(CASE | fields)))["review"]


async def watch(
    who: Any, recording: Any, review: Any = None, span: str | None = None, what: str = "content"
) -> httpx.Response:
    headers = {} if span is None else {"Range": span}
    params = {} if review is None else {"review": review}
    return await who.ask("GET", f"/v1/recordings/{recording}/{what}", params=params, headers=headers)


async def test_a_range_is_served_and_the_journal_has_it(app: Litestar) -> None:
    """The journal has the request, then what was sent. The review and the wearer's own record show it."""
    lin, wu, whole = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), content()
    footage = await sealed(app, lin, whole)
    review = await opened(wu, footage)
    assert (False, None, False) == (review["needs_approval"], review["allowed"], review["tasked"])
    answer = await watch(wu, footage, review["id"], "bytes=1000-1999")
    assert (206, whole[1000:2000], "bytes 1000-1999/50000") == (
        answer.status_code, answer.content, answer.headers["content-range"],
    )  # fmt: skip
    assert "no-store" == answer.headers["cache-control"]
    request, sent = await lines(footage)
    assert (request["verb"], request["actor"], request["facts"]["asked"]) == (
        "recordings/view",
        str(wu.id),
        [1000, 1999],
    )
    assert (sent["verb"], sent["facts"]["served"]) == ("recordings/viewed", 1000)
    assert request["subjects"] == [review["id"], footage, str(lin.id)]
    (viewing,) = (await wu.get(f"/v1/reviews/{review['id']}")).json()["viewings"]
    assert (1000, 1999, 1000) == (viewing["first_byte"], viewing["last_byte"], viewing["served"])
    assert "127.0.0.1" == request["facts"]["from"]
    whole_answer = await watch(wu, footage, review["id"])
    assert (200, whole) == (whole_answer.status_code, whole_answer.content)
    refused(await watch(wu, footage, review["id"], "bytes=50000-"), 416, "range_not_satisfiable")
    (mine, first_one) = (await lin.get("/v1/me/record")).json()["viewings"]
    assert (wu.badge, "case", 50000) == (mine["reviewer_badge"], mine["purpose"], mine["served"])
    assert (1000, 50000) == (first_one["served"], first_one["of_bytes"])
    assert "number" not in mine


async def test_nothing_is_watched_without_a_review(app: Litestar) -> None:
    """Nor under a review that is somebody else's, of other footage, closed or over. Every refusal is in the journal."""
    lin, wu, li = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
    )
    footage, other = await sealed(app, lin, content()), await sealed(app, lin, content())
    review = (await opened(wu, footage))["id"]
    refused(await watch(wu, footage), 403, "review_needed")
    refused(await watch(li, footage, review), 404, "unknown_review")
    refused(await watch(wu, other, review), 404, "unknown_review")
    refused(await watch(wu, footage, uuid4()), 404, "unknown_review")
    await execute("UPDATE review SET over_at = now() WHERE id = $1", UUID(review))
    refused(await watch(wu, footage, review), 403, "review_over")
    recorded(await wu.post("/v1/reviews/close", review=review, found=["nothing_found"], words="连续完整"))
    refused(await watch(wu, footage, review), 409, "review_closed")
    refused(await wu.post("/v1/reviews/note", review=review, at_ms=1, words="x"), 409, "review_closed")
    denials = [(line["outcome"], line["facts"]["code"]) for line in await lines(footage)]
    assert [("denied", code) for code in ("review_needed", "unknown_review", "unknown_review", "review_over",
        "review_closed")] == denials  # fmt: skip


async def test_beyond_ones_rights_the_commander_of_the_collecting_organ_answers_first(app: Litestar) -> None:
    """An officer who led, an inspector of another district: neither watches before the yes, nor after a no."""
    lin, zhao, _, _ = await a_led_patrol(app)
    footage = await sealed(app, lin, content(), started_at=ago(minutes=3), ended_at=ago(minutes=2))
    sun, far = await a_commander_of(app, STATION), await an_inspector_of(app, OTHER_DISTRICT)
    elsewhere = await a_commander_of(app, OTHER_DISTRICT)
    stranger = await an_officer(app)
    refused(await stranger.post("/v1/reviews/open", recording=footage, **CASE), 404, "unknown_recording")
    for who in (zhao, far):
        review = await opened(who, footage)
        assert review["needs_approval"]
        refused(await watch(who, footage, review["id"]), 403, "review_unapproved")
        refused(await who.post("/v1/reviews/note", review=review["id"], at_ms=1, words="x"), 403, "review_unapproved")
        refused(await who.post("/v1/reviews/approve", review=review["id"], why="x"), 403, "own_matter")
        refused(await elsewhere.post("/v1/reviews/approve", review=review["id"], why="x"), 404, "unknown_review")
        waiting = (await sun.get("/v1/reviews", status="to_decide")).json()["items"]
        assert review["id"] in [each["id"] for each in waiting]
        assert recorded(await sun.post("/v1/reviews/approve", review=review["id"], why="办案需要"))["review"]["allowed"]
        assert 200 == (await watch(who, footage, review["id"])).status_code
        refused(await sun.post("/v1/reviews/refuse", review=review["id"], why="x"), 409, "review_decided")
    review = await opened(far, footage)
    recorded(await sun.post("/v1/reviews/refuse", review=review["id"], why="与案件无关"))
    refused(await watch(far, footage, review["id"]), 403, "review_unapproved")


async def test_two_commanders_answer_at_once(app: Litestar) -> None:
    lin, far = await a_duty_auxiliary(app), await an_inspector_of(app, OTHER_DISTRICT)
    footage = await sealed(app, lin, content())
    review = (await opened(far, footage))["id"]
    sun, mao = await a_commander_of(app, STATION), await a_commander_of(app, DISTRICT)
    answers = await asyncio.gather(
        sun.post("/v1/reviews/approve", review=review, why="同意"),
        mao.post("/v1/reviews/refuse", review=review, why="否"),
    )
    assert [201, 409] == sorted(answer.status_code for answer in answers)


async def test_restricted_footage_always_needs_the_commander(app: Litestar) -> None:
    """Also of an inspector whose right it is, and of one who was watching when it was marked; lifted, no more."""
    lin, wu, sun = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    footage = await sealed(app, lin, content())
    before = await opened(wu, footage)
    marked = recorded(await lin.post("/v1/recordings/restrict", recording=footage, category="minor"))["restriction"]
    refused(await lin.post("/v1/recordings/restrict", recording=footage, category="minor"), 409, "restricted_already")
    refused(await watch(wu, footage, before["id"]), 403, "review_unapproved")
    after = await opened(wu, footage)
    assert after["needs_approval"]
    recorded(await sun.post("/v1/reviews/approve", review=after["id"], why="督察需要"))
    assert 200 == (await watch(wu, footage, after["id"])).status_code
    assert ["minor"] == (await wu.get(f"/v1/reviews/{after['id']}")).json()["review"]["restricted"]
    refused(await wu.post("/v1/recordings/lift", restriction=marked["id"], why="x"), 404, "unknown_restriction")
    recorded(await sun.post("/v1/recordings/lift", restriction=marked["id"], why="不涉及"))
    refused(await sun.post("/v1/recordings/lift", restriction=marked["id"], why="x"), 409, "restriction_lifted")
    assert 200 == (await watch(wu, footage, before["id"])).status_code


async def test_who_lost_the_role_watches_no_more(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content())
    review = (await opened(wu, footage))["id"]
    await execute("UPDATE role_grant SET valid_until = current_date - 2 WHERE person = $1", wu.id)
    refused(await watch(wu, footage, review), 403, "review_unapproved")


async def test_a_recused_person_watches_nothing_of_that_case(app: Litestar) -> None:
    """Not even under a review that was opened before."""
    lin, wu, zhao = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=5)))
    recorded(await lin.names(zhao, at=ago(minutes=5)))
    footage = await sealed(app, lin, content(), started_at=ago(minutes=3), ended_at=ago(minutes=1))
    case = {"case_ref": f"杭公受案字〔2026〕{uuid4().int % 10**6}号", "case_kind": "administrative"}
    recorded(await lin.starts("10.4", at=ago(minutes=2), officers_present=1, **case))
    review = (await opened(wu, footage))["id"]
    assert 200 == (await watch(wu, footage, review)).status_code
    await by_owner(RECUSED, uuid4(), wu.id, STATION, case["case_ref"])
    refused(await watch(wu, footage, review), 404, "unknown_review")
    refused(await wu.post("/v1/reviews/open", recording=footage, **CASE), 404, "unknown_recording")


async def test_a_note_at_a_moment_and_what_was_found(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content())
    review = (await opened(wu, footage))["id"]
    recorded(await wu.post("/v1/reviews/note", review=review, at_ms=92_000, words="画面中断<b>约两分钟</b>"))
    both = {"found": ["nothing_found", "interrupted"], "words": "x"}
    refused(await wu.post("/v1/reviews/close", review=review, **both), 422, "found_alone")
    page = await wu.get(f"/v1/reviews/{review}/watch")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; media-src 'self' blob:;" in policy
    assert page.text.count(wu.badge) >= 6
    assert "&lt;b&gt;约两分钟" in page.text
    (script,) = re.findall(r"<script[^>]*>(.*?)</script", page.text, re.DOTALL)
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}';" in policy
    closed = recorded(
        await wu.post("/v1/reviews/close", review=review, found=["interrupted", "late_start"], words="已核")
    )
    assert ["interrupted", "late_start"] == closed["review"]["found"]
    detail = (await wu.get(f"/v1/reviews/{review}")).json()
    assert (92_000, "已核") == (detail["notes"][0]["at_ms"], detail["review"]["words"])


async def test_the_number_must_name_a_task(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content())
    for purpose in ("complaint", "spot_check", "injury", "matter"):
        for number in (str(uuid4()), "督〔2026〕1号"):
            opening = {"recording": footage, "purpose": purpose, "number": number}
            refused(await wu.post("/v1/reviews/open", **opening), 404, "unknown_task")


async def a_complaint_about(app: Litestar, lin: Someone) -> str:
    zhao = await an_officer(app)
    complaint = {"channel": "phone", "words": "态度粗暴", "complainant": "王某", "person": lin.id}
    return str(recorded(await zhao.post("/v1/complaints/receive", **complaint, started_at=ago(hours=2)))["id"])


async def test_a_viewing_for_a_complaint_is_shown_once_the_complaint_is_concluded(app: Litestar) -> None:
    """Until then the person complained of must not learn that there is one."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content(), started_at=ago(hours=1.5), ended_at=ago(hours=1))
    complaint = await a_complaint_about(app, lin)
    review = await opened(wu, footage, purpose="complaint", number=complaint)
    assert review["tasked"]
    assert 200 == (await watch(wu, footage, review["id"])).status_code
    await watching.LATE_WRITES.wait()
    assert [] == (await lin.get("/v1/me/record")).json()["viewings"]
    ended = {"complaint": complaint, "version": 1, "words": "不属实", "outcome": "unfounded"}
    recorded(await wu.post("/v1/complaints/conclude", **ended))
    (viewing,) = (await lin.get("/v1/me/record")).json()["viewings"]
    assert ("complaint", wu.badge) == (viewing["purpose"], viewing["reviewer_badge"])


async def test_who_keeps_opening_one_persons_footage_without_a_task(app: Litestar) -> None:
    """Three times in a month is a finding about the reviewer; a review with a task does not count."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    wu, footage = await an_inspector_of(app, DISTRICT), await sealed(app, lin, content())
    complaint = await a_complaint_about(app, lin)
    of_task = await sealed(app, lin, content(), started_at=ago(hours=1.5), ended_at=ago(hours=1))
    other = await sealed(app, chen, content())
    receipts = []
    for recording in (footage, footage, other, footage):
        receipts.append(recorded(await wu.post("/v1/reviews/open", recording=recording, **CASE)))
    assert [False, False, False, True] == ["opens_without_task" in codes(each["findings"]) for each in receipts]
    opening = {"recording": of_task, "purpose": "complaint", "number": complaint}
    assert [] == recorded(await wu.post("/v1/reviews/open", **opening))["findings"]
    above = await an_inspector_of(app, CITY)
    findings = (await above.get("/v1/findings", kind="opens_without_task", person=wu.id)).json()["items"]
    assert [receipts[-1]["id"]] == [each["subject"] for each in findings]


async def test_a_case_whose_acts_the_footage_shows_is_a_task(app: Litestar) -> None:
    lin, _, _, _ = await a_led_patrol(app)
    footage = await sealed(app, lin, content(), started_at=ago(minutes=3), ended_at=ago(minutes=1))
    case = "杭公（城）受案字〔2026〕77号"
    recorded(await lin.starts("10.4", at=ago(minutes=2), case_ref=case, case_kind="administrative", officers_present=1,
        recording=True, despite={"why": "补报"}))  # fmt: skip
    review = await opened(await an_inspector_of(app, DISTRICT), footage, number=case)
    assert review["tasked"]


async def test_spot_checks_are_drawn_and_done(app: Litestar) -> None:
    """The server draws as many of an organ's recordings of last week as the term says, and only once. A review that is
    closed without a viewing is refused."""
    from backend.people import roster

    organ = f"3309{uuid4().int % 10**8:08}"
    await roster.bring_in([organ_row(organ, "抽查所", CITY)])
    lin, wu = await a_duty_auxiliary(app, organ), await an_inspector_of(app, CITY)
    footage = [await sealed(app, lin, content()) for _ in range(4)]
    next_week = now() + timedelta(days=7)
    assert 2 <= await spot_checks.draw(next_week)
    drawn = [row for row in (await wu.get("/v1/spot-checks", limit=200)).json()["items"] if row["organ"] == organ]
    assert (2, True) == (len(drawn), {row["recording"] for row in drawn} <= set(footage))
    before = len(drawn)
    await spot_checks.draw(next_week)
    assert before == await value("SELECT count(*) FROM spot_check WHERE organ = $1", organ)
    check = drawn[0]
    review = await opened(wu, check["recording"], purpose="spot_check", number=check["id"])
    assert review["tasked"]
    refused(
        await wu.post("/v1/reviews/close", review=review["id"], found=["late_start"], words="x"), 409, "not_watched"
    )
    assert 200 == (await watch(wu, check["recording"], review["id"])).status_code
    recorded(await wu.post("/v1/reviews/close", review=review["id"], found=["late_start"], words="晚开三分钟"))
    monday = date.fromisoformat(check["week"])
    counts = (await wu.get("/v1/spot-checks/counts", **{"from": monday, "to": monday + timedelta(days=7)})).json()[
        "items"
    ]
    (count,) = [each for each in counts if each["organ"] == organ]
    assert (2, 1, 1) == (count["drawn"], count["done"], count["with_findings"])
    done = (await wu.get("/v1/spot-checks", status="done", limit=200)).json()["items"]
    assert ["late_start"] == next(each["found"] for each in done if each["id"] == check["id"])
    assert [] == [each for each in (await lin.get("/v1/spot-checks")).json()["items"] if each["organ"] == organ]


async def test_the_journal_of_one_recording(app: Litestar) -> None:
    """Inspectors see everything that was done with it, except lines of a complaint that they may not handle."""
    lin, wu, li = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
    )
    footage = await sealed(app, lin, content(), started_at=ago(hours=1.5), ended_at=ago(hours=1))
    complaint = await a_complaint_about(app, lin)
    review = (await opened(wu, footage, purpose="complaint", number=complaint))["id"]
    refused(await watch(wu, footage), 403, "review_needed")
    assert 206 == (await watch(wu, footage, review, "bytes=0-9")).status_code
    await watching.LATE_WRITES.wait()
    page = (await wu.get(f"/v1/recordings/{footage}/journal", limit=3)).json()
    more = (await wu.get(f"/v1/recordings/{footage}/journal", cursor=page["next"])).json()
    verbs = [(line["verb"], line["outcome"]) for line in [*page["items"], *more["items"]]]
    expected = ["recordings/viewed done", "recordings/view done", "recordings/view denied", "reviews/open recorded",
        "evidence/seal done", "uploads/complete done", "recordings/declare recorded"]  # fmt: skip
    assert expected == [" ".join(each) for each in verbs]
    assert ("127.0.0.1", wu.badge) == (page["items"][1]["facts"]["from"], page["items"][1]["actor_badge"])
    aside = {"complaint": complaint, "version": 1, "words": "与当事人相识"}
    recorded(await li.post("/v1/complaints/step-aside", **aside))
    hidden = [line["verb"] for line in (await li.get(f"/v1/recordings/{footage}/journal")).json()["items"]]
    assert "reviews/open" not in hidden
    assert "evidence/seal" in hidden
    recorded(await wu.post("/v1/complaints/step-aside", **(aside | {"version": 2})))
    refused(await watch(wu, footage, review), 404, "unknown_review")
    bad = (await wu.get("/v1/recordings", limit=1)).json()["next"]
    refused(await wu.get(f"/v1/recordings/{footage}/journal", cursor=bad), 422, "invalid")
    for who in (lin, await an_officer(app), await an_inspector_of(app, OTHER_DISTRICT)):
        refused(await who.get(f"/v1/recordings/{footage}/journal"), 404, "unknown_recording")


async def an_appeal(lin: Someone, against: Someone, *recordings: str) -> str:
    raised = {"kind": "appeal", "words": "不服当场处理", "against": against.id, "recordings": recordings}
    return str(recorded(await lin.post("/v1/matters/raise", **raised))["id"])


async def test_whom_a_matter_is_against_reads_of_no_viewing_for_it(app: Litestar) -> None:
    """Nor of a package or of praise: not even once it is answered, as the matter is never theirs to read."""
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    mine, theirs = await sealed(app, lin, content()), await sealed(app, zhao, content())
    before = (await zhao.get("/v1/me/record")).json()
    matter = await an_appeal(lin, zhao, mine)
    for footage in (mine, theirs):
        review = (await opened(wu, footage, purpose="matter", number=matter))["id"]
        assert 200 == (await watch(wu, footage, review)).status_code
        assert 200 == (await wu.get(f"/v1/recordings/{footage}/package", review=review)).status_code
        done = {"review": review, "words": "已看", "found": ["praise"], "praise": "耐心"}
        recorded(await wu.post("/v1/reviews/close", **done))
    await watching.LATE_WRITES.wait()
    assert before == (await zhao.get("/v1/me/record")).json()
    recorded(await wu.post("/v1/matters/answer", matter=matter, words="维持原处理"))
    assert before == (await zhao.get("/v1/me/record")).json()
    record = (await lin.get("/v1/me/record")).json()
    assert {"matter"} == {each["purpose"] for each in record["viewings"]}
    assert (1, 1) == (len(record["exports"]), len(record["praise"]))


async def test_whoever_wore_the_camera_decides_about_no_viewing_for_a_complaint(app: Litestar) -> None:
    """For them there is no such review; of one for a case it is their own matter."""
    lin, wu, sun = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    footage = recorded(await sun.declare(started_at=ago(hours=2.01), ended_at=ago(hours=1.9)))["id"]
    recorded(await sun.post("/v1/recordings/restrict", recording=footage, category="home"))
    complaint = await a_complaint_about(app, lin)
    secret = (await opened(wu, footage, purpose="complaint", number=complaint))["id"]
    of_case = (await opened(wu, footage))["id"]
    for decision in ("approve", "refuse"):
        refused(await sun.post(f"/v1/reviews/{decision}", review=secret, why="x"), 404, "unknown_review")
        refused(await sun.post(f"/v1/reviews/{decision}", review=of_case, why="x"), 403, "own_matter")


async def test_the_journal_of_a_recording_tells_nothing_of_a_matter_against_its_reader(app: Litestar) -> None:
    """Not that the store holds it since, not who watched or took it for the matter, nor that anybody did."""
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    await execute(INSPECTS, zhao.id, STATION)
    await zhao.open()
    footage = await sealed(app, lin, content())
    journal = f"/v1/recordings/{footage}/journal"

    async def shown() -> list[dict[str, Any]]:
        """A package makes a checkpoint at once, over what happened in the whole house."""
        return [line | {"checkpoint": None} for line in (await zhao.get(journal)).json()["items"]]

    before = await shown()
    matter = await an_appeal(lin, zhao, footage)
    await legal_holds.update_new(app.state.store, now())
    assert await app.state.store.is_held((await row_of(footage))["object_key"], (await row_of(footage))["version"])
    review = (await opened(wu, footage, purpose="matter", number=matter))["id"]
    assert 200 == (await watch(wu, footage, review)).status_code
    assert 200 == (await wu.get(f"/v1/recordings/{footage}/package", review=review)).status_code
    assert 200 == (await wu.tell("/v1/packages", kind="matter", number=matter)).status_code
    await watching.LATE_WRITES.wait()
    assert before == await shown()
    verbs = [line["verb"] for line in (await wu.get(journal)).json()["items"]]
    assert {"reviews/open": 1, "recordings/view": 1, "packages/export": 2, "packages/exported": 2} == {
        verb: verbs.count(verb) for verb in ("reviews/open", "recordings/view", "packages/export", "packages/exported")
    }


async def test_what_is_kept_about_me_and_what_i_say_to_it(app: Litestar) -> None:
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    footage = await sealed(app, lin, content())
    record = (await lin.get("/v1/me/record")).json()
    assert 1 == record["kept"]["recordings"]
    (finding,) = [each for each in record["findings"] if each["kind"] == "not_media"]
    recorded(await lin.post("/v1/findings/reply", finding=finding["id"], words="设备故障，已送修"))
    refused(await chen.post("/v1/findings/reply", finding=finding["id"], words="x"), 404, "unknown_finding")
    sun = await a_commander_of(app, STATION)
    refused(await sun.post("/v1/findings/reply", finding=finding["id"], words="x"), 403, "not_about_you")
    record = (await lin.get("/v1/me/record")).json()
    (finding,) = [each for each in record["findings"] if each["kind"] == "not_media"]
    assert ["设备故障，已送修"] == [each["words"] for each in finding["replies"]]
    assert footage


async def test_the_first_frame_is_kept_at_sealing_and_watched_like_the_rest(app: Litestar, tmp_path: Any) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    whole = film(tmp_path / "a.mp4", seconds=3, width=640, height=352).path.read_bytes()
    footage = await sealed(app, lin, whole, media_type="video/mp4")
    row = await first("SELECT * FROM recording WHERE id = $1", UUID(footage))
    assert row["poster_version"]
    assert (await row_of(footage))["locked_until"] == await app.state.store.locked_until(
        f"poster/{footage}", row["poster_version"]
    )
    refused(await watch(wu, footage, what="poster"), 403, "review_needed")
    review = (await opened(wu, footage))["id"]
    answer = await watch(wu, footage, review, what="poster")
    assert (200, "image/jpeg", b"\xff\xd8\xff") == (
        answer.status_code, answer.headers["content-type"], answer.content[:3],
    )  # fmt: skip
    outcomes = [(line["outcome"], line["facts"]["what"]) for line in await lines(footage) if "what" in line["facts"]]
    assert [("denied", "poster"), ("done", "poster")] == outcomes
    none = await sealed(app, lin, f"no film {uuid4()} ".encode() * 2000)  # random bytes are a picture now and then
    refused(await watch(wu, none, (await opened(wu, none))["id"], what="poster"), 404, "no_poster")


async def test_what_claims_to_be_a_page_is_served_as_bytes(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, b"<script>alert(1)</script>" * 300, media_type="video/x-html")
    answer = await watch(wu, footage, (await opened(wu, footage))["id"])
    assert "application/octet-stream" == answer.headers["content-type"]
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_at_a_desk_the_browser_watches_by_its_cookie(app: Litestar) -> None:
    lin, desk = await a_duty_auxiliary(app), await with_factor(app, organ=DISTRICT)
    footage = await sealed(app, lin, content())
    entry = {"sent_at": now(), "id": uuid4(), "occurred_at": now(), "device_seq": 1, "recording": footage, **CASE}
    review = recorded(await desk.send("/v1/reviews/open", entry))["id"]
    answer = await watch(desk, footage, review, "bytes=0-9")
    assert (206, 10) == (answer.status_code, len(answer.content))


async def test_the_database_keeps_reviews_straight(app: Litestar) -> None:
    """Nobody approves their own review, and a result belongs to a closed review."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    review = UUID((await opened(wu, await sealed(app, lin, content())))["id"])
    for change in (
        "decided_by = reviewer, decided_at = now(), allowed = true, decided_why = 'x'", "found = '{other}'",
        "closed_at = now(), found = '{}', words = 'x'",
    ):  # fmt: skip
        with pytest.raises(Exception, match="check constraint"):
            await execute(f"UPDATE review SET {change} WHERE id = $1", review)  # noqa: S608
