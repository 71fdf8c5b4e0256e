"""Papers and photos seen again, by whoever declared them and whoever handles their matter; a desk brings its own."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from backend import documents, erasing
from backend.core.database import execute, fetch, value
from backend.evidence.retention import disposal, legal_holds
from storage.evidence_store import ObjectUnknown
from tests.api.test_disposal import short_floor as short_floor
from tests.api.test_injuries import an_injury, asks, item_of, on_item, reports, settles
from tests.api.test_term_ends import LATER, undone
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    a_treasurer_of,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)
from tests.desks import AtDesk, at_desk
from tests.devices import completed, row_of, run_seal, sealed, send_missing, sha256_of

PDF, PNG = b"%PDF-1.4 \xe5\x8f\x91\xe7\xa5\xa8", b"\x89PNG\r\n\x1a\n"
LINES = """
SELECT outcome, actor, convert_from(entry, 'UTF8') AS line FROM journal WHERE verb = $1 AND $2 = ANY (subjects)
ORDER BY seq
"""
EVIDENCE = "SELECT verb FROM journal WHERE $1 = ANY (subjects) AND verb LIKE 'evidence/%' ORDER BY seq"
OVER = """
UPDATE injury SET recognition = 'not_accepted', injured_at = injured_at - interval '2 years',
    reported_at = reported_at - interval '2 years', apply_by = apply_by - interval '2 years',
    window_until = window_until - interval '2 years' WHERE id = $1
"""


def content(start: bytes = PDF) -> bytes:
    """A paper that nobody declared before."""
    return start + uuid4().hex.encode() * 40


def paper_of(file: bytes, **fields: Any) -> dict[str, Any]:
    about = {"title": "急诊发票", "file_name": "发票.pdf", "media_type": "application/pdf"}
    return about | {"bytes": len(file), "sha256": sha256_of(file)} | fields


async def brought(app: Litestar, who: Someone, file: bytes, **fields: Any) -> str:
    """Declared, sent, completed and sealed. Its id."""
    upload = str(recorded(await who.post("/v1/documents/declare", **paper_of(file, **fields)))["id"])
    await send_missing(who, upload, file)
    assert "received" == await completed(who, upload)
    await run_seal(app, upload)
    return upload


async def enters(desk: AtDesk, path: str, **fields: Any) -> httpx.Response:
    """An entry from a desk."""
    return await desk.tell(path, id=uuid4(), occurred_at=now(), device_seq=1, **fields)


async def brought_at(app: Litestar, desk: AtDesk, file: bytes, **fields: Any) -> str:
    """The same from a desk."""
    upload = str(recorded(await enters(desk, "/v1/documents/declare", **paper_of(file, **fields)))["id"])
    await send_missing(desk, upload, file)  # type: ignore[arg-type]
    assert "received" == await completed(desk, upload)  # type: ignore[arg-type]
    await run_seal(app, upload)
    return upload


async def sees(who: Any, document: str) -> bool:
    """Whether they see it: what is known and its bytes, or neither."""
    known, its_bytes = await who.get(f"/v1/documents/{document}"), await who.get(f"/v1/documents/{document}/content")
    assert known.is_success == its_bytes.is_success, (known.text, its_bytes.text)
    if not known.is_success:
        refused(known, 404, "unknown_document")
        refused(its_bytes, 404, "unknown_document")
    return bool(known.is_success)


# -- from a desk


async def test_a_treasurer_at_a_desk_brings_the_invoice_and_pays(app: Litestar) -> None:
    """Declare, send the parts, complete, pay: without a device, a proof or a key."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    desk = await at_desk(app, "staff", organ=DISTRICT, roles=[("treasurer", DISTRICT)])
    item = await asks(lin, (await reports(lin))["id"])
    item = item_of(await on_item(chief, "approve", item))
    invoice = content()
    receipt = await brought_at(app, desk, invoice)
    paying = {"item": item["id"], "version": item["version"], "fen": 100_000, "receipt": receipt, "words": "已付"}
    assert "paid" == recorded(await enters(desk, "/v1/advances/pay", **paying))["item"]["state"]
    row = (await lin.get(f"/v1/documents/{receipt}")).json()
    assert ("急诊发票", "sealed", [{"kind": "payment", "id": item["injury"]}]) == (
        row["title"], row["state"], row["matters"],
    )  # fmt: skip
    assert invoice == (await lin.get(f"/v1/documents/{receipt}/content")).content
    assert (await desk.get(f"/v1/uploads/{receipt}/receipt")).json()["receipt"]


async def test_a_desk_carries_papers_and_no_footage(app: Litestar) -> None:
    """Nor anybody else's paper; and an auxiliary's desk only reads."""
    desk, zhao = await at_desk(app), await an_officer(app)
    others = recorded(await zhao.post("/v1/documents/declare", **paper_of(content())))["id"]
    refused(await desk.get(f"/v1/uploads/{others}/parts"), 404, "unknown_upload")
    refused(await desk.tell(f"/v1/uploads/{others}/complete"), 404, "unknown_upload")
    film = {"camera_serial": "DSJ-1", "file_name": "a.mp4", "media_type": "video/mp4", "started_at": ago(minutes=1)}
    refused(await enters(desk, "/v1/recordings/declare", **film), 403, "device_needed")
    lin = await at_desk(app, "duty_auxiliary")
    refused(await enters(lin, "/v1/documents/declare", **paper_of(content())), 403, "desk_reads_only")
    phone = Someone(app, id=lin.id, badge=lin.badge)
    await phone.open()
    own = recorded(await phone.post("/v1/documents/declare", **paper_of(content())))["id"]
    refused(await lin.get(f"/v1/uploads/{own}/parts"), 403, "device_needed")
    assert await value_of_title(lin, own) == "急诊发票"


async def value_of_title(who: Any, document: str) -> str:
    return str((await who.get(f"/v1/documents/{document}")).json()["title"])


async def test_the_quota_of_a_desk_is_that_of_its_person(app: Litestar) -> None:
    """What they declared on a phone counts too: a second session is no second quota. An id is taken once."""
    desk = await at_desk(app)
    phone = Someone(app, id=desk.id, badge=desk.badge)
    await phone.open()
    whole_day, left = 64 * 2**30, True
    for number in range(200):
        body = paper_of(b"x", bytes=whole_day, sha256=sha256_of(b"%d" % number))
        left = (await phone.post("/v1/documents/declare", **body)).status_code == 201
        if not left:
            break
    assert not left
    refused(
        await enters(desk, "/v1/documents/declare", **paper_of(content(), bytes=whole_day)), 429, "too_many_uploads"
    )
    entry = {"sent_at": now(), "id": uuid4(), "occurred_at": now(), "device_seq": 1}
    other = await at_desk(app)
    recorded(await other.send("/v1/documents/declare", entry | paper_of(content())))
    refused(await other.send("/v1/documents/declare", entry | paper_of(content())), 409, "id_reused")


# -- who sees what


async def test_a_paper_of_nothing_is_its_owners_alone(app: Litestar) -> None:
    """It may be a diagnosis: no commander or inspector sees it, nor does a docking station."""
    lin = await a_duty_auxiliary(app)
    paper = await brought(app, lin, content())
    assert await sees(lin, paper)
    for other in (
        await a_commander_of(app, STATION), await an_inspector_of(app, CITY), await a_treasurer_of(app, STATION),
        await a_duty_auxiliary(app),
    ):  # fmt: skip
        assert not await sees(other, paper)
    refused(await lin.get(f"/v1/documents/{uuid4()}"), 404, "unknown_document")


async def test_papers_of_an_injury_are_for_the_injured_and_who_handles_it(app: Litestar) -> None:
    """An inspector, another organ and the colleague who reported it see none that they did not bring themselves."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    diagnosis, photo = await brought(app, lin, content(), title="诊断证明"), await brought(app, chen, content(PNG))
    injury = await reports(lin, papers=[diagnosis])
    recorded(await chen.post("/v1/injuries/report", **an_injury(person=lin.id, papers=[photo])))
    for who in (lin, await a_commander_of(app, DISTRICT), await a_treasurer_of(app, CITY)):
        assert await sees(who, diagnosis), who.name
        assert await sees(who, photo), who.name
    assert (False, True) == (await sees(chen, diagnosis), await sees(chen, photo))
    for who in (
        await an_inspector_of(app, CITY), await a_commander_of(app, OTHER_DISTRICT), await an_officer(app),
        await a_commander_of(app, SIBLING),
    ):  # fmt: skip
        assert (False, False) == (await sees(who, diagnosis), await sees(who, photo)), who.name
    matters = (await lin.get(f"/v1/documents/{diagnosis}")).json()["matters"]
    assert [{"kind": "injury", "id": injury["id"]}] == matters
    assert [] == (await chen.get(f"/v1/documents/{photo}")).json()["matters"]


async def a_complaint(clerk: Someone, lin: Someone, *papers: str, **about: Any) -> str:
    body = {"channel": "letter", "words": "推搡", "complainant": "王某", "person": lin.id, "papers": papers}
    return str(
        recorded(await clerk.post("/v1/complaints/receive", **(body | {"started_at": ago(minutes=30)} | about)))["id"]
    )


async def test_a_letter_of_complaint_does_not_exist_for_whom_it_is_about(app: Litestar) -> None:
    """Nor for the officer who led them, whatever role they have; the clerk who took it and the inspector see it."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=1)
    clerk, wu = await a_clerk(app), await an_inspector_of(app, DISTRICT)
    letter = await brought(app, clerk, content(), title="王某来信")
    complaint = await a_complaint(clerk, lin, letter)
    await execute(
        "INSERT INTO role_grant (person, role, organ, valid_from, source) "
        "VALUES ($1, 'inspector', $2, '2026-01-01', 'entry')",
        zhao.id, DISTRICT,
    )  # fmt: skip
    assert [True, True] == [await sees(who, letter) for who in (clerk, wu)]
    for who in (lin, zhao, await a_commander_of(app, STATION), await an_inspector_of(app, OTHER_DISTRICT)):
        assert not await sees(who, letter), who.name
    detail = (await wu.get(f"/v1/complaints/{complaint}")).json()
    assert [(letter, "王某来信")] == [(paper["id"], paper["title"]) for paper in detail["papers"]]
    chief = await a_commander_of(app, DISTRICT)
    assert [] == (await chief.get(f"/v1/complaints/{complaint}")).json()["papers"]


async def test_each_step_about_a_complaint_may_bring_papers(app: Litestar) -> None:
    """The answer to the complainant as it was sent; of the inspector who took the step, and of nobody else."""
    lin, clerk, wu = await a_duty_auxiliary(app), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    complaint = await a_complaint(clerk, lin)
    answer, others = await brought(app, wu, content(), title="答复函"), await brought(app, clerk, content())
    step = {"complaint": complaint, "version": 1, "words": "不属实", "outcome": "unfounded"}
    refused(await wu.post("/v1/complaints/conclude", **step, papers=[others]), 404, "unknown_document")
    recorded(await wu.post("/v1/complaints/conclude", **step, papers=[answer]))
    assert [True, True, False] == [await sees(who, answer) for who in (await an_inspector_of(app, CITY), clerk, lin)]
    detail = (await wu.get(f"/v1/complaints/{complaint}")).json()
    assert [(answer, "答复函")] == [(paper["id"], paper["title"]) for paper in detail["papers"]]
    assert [] == (await lin.get(f"/v1/complaints/{complaint}")).json()["papers"]


async def test_an_inspector_who_steps_aside_loses_the_letter(app: Litestar) -> None:
    """And whom it is about does not get it when the complaint is concluded."""
    lin, clerk, wu = await a_duty_auxiliary(app), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    letter = await brought(app, clerk, content())
    complaint = await a_complaint(clerk, lin, letter)
    assert await sees(wu, letter)
    recorded(await wu.post("/v1/complaints/step-aside", complaint=complaint, version=1, words="与其相识"))
    assert not await sees(wu, letter)
    other = await an_inspector_of(app, CITY)
    step = {"complaint": complaint, "version": 2, "words": "不属实", "outcome": "unfounded"}
    recorded(await other.post("/v1/complaints/conclude", **step))
    assert 200 == (await lin.get(f"/v1/complaints/{complaint}")).status_code
    assert not await sees(lin, letter)


async def test_of_two_matters_the_one_that_hides_counts(app: Litestar) -> None:
    """The same photo is a paper of the injury of the one complained of, and came with the complaint about them."""
    lin, clerk = await a_duty_auxiliary(app), await a_clerk(app)
    injury = await reports(await an_officer(app), person=lin.id)
    photo = await brought(app, clerk, content(PNG), media_type="image/png")
    chief = await a_commander_of(app, DISTRICT)
    await execute(
        "INSERT INTO injury_paper (injury, document, entry, by_person, at) VALUES ($1, $2, $2, $3, now())",
        UUID(injury["id"]), UUID(photo), clerk.id,
    )  # fmt: skip
    assert await sees(lin, photo)
    await a_complaint(clerk, lin, photo)
    assert not await sees(lin, photo)
    assert await sees(chief, photo)


async def test_a_complaint_takes_only_papers_of_whoever_writes_it_down(app: Litestar) -> None:
    """Declared before; one that is not known is refused, and what it came with is not received."""
    lin, clerk, other = await a_duty_auxiliary(app), await a_clerk(app), await a_clerk(app)
    theirs = await brought(app, other, content())
    body = {"channel": "letter", "words": "推搡", "person": lin.id, "started_at": ago(minutes=30)}
    for paper in (theirs, str(uuid4())):
        refused(await clerk.post("/v1/complaints/receive", **body, papers=[paper]), 404, "unknown_document")
    own = await brought(app, clerk, content())
    recorded(await clerk.post("/v1/complaints/receive", **body, papers=[own, own]))


async def test_the_same_bytes_under_another_id_are_the_same_paper(app: Litestar) -> None:
    """Whoever declared it twice reads either id, and whoever handles the matter too."""
    lin, chief, file = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), content()
    first = await brought(app, lin, file)
    again = recorded(await lin.post("/v1/documents/declare", **paper_of(file, title="同一份")))
    assert first == again["upload"]["same_as"]
    await reports(lin, papers=[again["id"]])
    for who in (lin, chief):
        for name in (first, again["id"]):
            assert first == (await who.get(f"/v1/documents/{name}")).json()["id"]
            assert file == (await who.get(f"/v1/documents/{name}/content")).content


# -- its bytes, and what the journal says of it


async def test_who_looked_is_in_the_journal_before_the_first_byte(app: Litestar) -> None:
    """With the matter for which, the range, and how much was sent; refusals too. No change tells anybody."""
    lin, chief, far = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), await an_officer(app)
    paper = await brought(app, lin, content())
    injury = await reports(lin, papers=[paper])
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    answer = await chief.ask("GET", f"/v1/documents/{paper}/content", headers={"Range": "bytes=0-9"})
    assert (206, 10) == (answer.status_code, len(answer.content))
    await documents.LATE_WRITES.wait()
    refused(await far.get(f"/v1/documents/{paper}/content"), 404, "unknown_document")
    rows = await fetch(LINES, "documents/view", UUID(paper))
    assert [("done", chief.id), ("denied", far.id)] == [(row["outcome"], row["actor"]) for row in rows]
    assert '"asked":[0,9]' in rows[0]["line"]
    assert injury["id"] in rows[0]["line"]
    (ended,) = await fetch(LINES, "documents/viewed", UUID(paper))
    assert '"served":10' in ended["line"]
    news = (await lin.get("/v1/changes", after=cursor)).json()["items"]
    assert not [line for line in news if line["verb"].startswith("documents/view")]
    assert 200 == (await chief.ask("HEAD", f"/v1/documents/{paper}/content")).status_code
    assert 2 == len(await fetch(LINES, "documents/view", UUID(paper)))


@pytest.mark.parametrize(
    ("media_type", "sent_as", "shown"),
    [
        ("application/pdf", "application/pdf", "inline"),
        ("image/jpeg", "image/jpeg", "inline"),
        ("image/heic", "image/heic", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("text/plain", "text/plain", "inline"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
    ],
)
async def test_a_paper_comes_as_what_it_was_declared(app: Litestar, media_type: str, sent_as: str, shown: str) -> None:
    """And what a browser could run comes as bytes to be saved, under its own name; never guessed, never kept."""
    lin, file = await a_duty_auxiliary(app), content(b"<script>alert(1)</script>")
    paper = await brought(app, lin, file, media_type=media_type, file_name='票据 "1";\u00e9.pdf')
    answer = await lin.get(f"/v1/documents/{paper}/content")
    assert (file, sent_as) == (answer.content, answer.headers["content-type"].partition(";")[0])
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "no-store" == answer.headers["cache-control"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert (
        f"{shown}; filename*=UTF-8''%E7%A5%A8%E6%8D%AE%20%221%22%3B%C3%A9.pdf" == answer.headers["content-disposition"]
    )
    plain = await lin.ask("GET", f"/v1/documents/{paper}/content", headers={"Accept": "application/octet-stream"})
    assert "application/octet-stream" == plain.headers["content-type"]


async def test_a_range_beyond_the_end_is_told_the_size(app: Litestar) -> None:
    lin, file = await a_duty_auxiliary(app), content()
    paper = await brought(app, lin, file)
    beyond = await lin.ask("GET", f"/v1/documents/{paper}/content", headers={"Range": f"bytes={len(file)}-"})
    assert len(file) == refused(beyond, 416, "range_not_satisfiable")["bytes"]
    tag = (await lin.get(f"/v1/documents/{paper}/content")).headers["etag"]
    some = {"Range": "bytes=-4", "If-Range": tag}
    assert file[-4:] == (await lin.ask("GET", f"/v1/documents/{paper}/content", headers=some)).content
    other = await lin.ask("GET", f"/v1/documents/{paper}/content", headers=some | {"If-Range": '"other"'})
    assert (200, file) == (other.status_code, other.content)


async def test_what_is_not_sealed_yet_is_not_given(app: Litestar) -> None:
    """Nobody has read its bytes back."""
    lin = await a_duty_auxiliary(app)
    paper = recorded(await lin.post("/v1/documents/declare", **paper_of(content())))["id"]
    assert "declared" == (await lin.get(f"/v1/documents/{paper}")).json()["state"]
    refused(await lin.get(f"/v1/documents/{paper}/content"), 409, "not_sealed")
    film = recorded(await lin.declare())["id"]
    refused(await lin.get(f"/v1/documents/{film}"), 404, "unknown_document")


async def test_a_paper_is_erased_with_its_last_matter(app: Litestar) -> None:
    """Then nobody is given it, its title and file name are gone, and its receipt stays; one of an open matter stays."""
    lin, clerk, wu = await a_duty_auxiliary(app), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    ended, open_still, of_nothing = [
        await brought(app, clerk, content(), title="王某来信", file_name="王某.pdf") for _ in range(3)
    ]
    complaint = await a_complaint(clerk, lin, ended)
    await a_complaint(clerk, lin, open_still)
    step = {"complaint": complaint, "words": "不属实"}
    recorded(await wu.post("/v1/complaints/conclude", version=1, outcome="unfounded", **step))
    recorded(await wu.post("/v1/complaints/feed-back", version=2, how="telephone", **step))
    async with undone():
        await erasing.erase(now() + LATER)
        row = (await wu.get(f"/v1/documents/{ended}")).json()
        assert (erasing.ERASED, erasing.ERASED) == (row["title"], row["file_name"])
        refused(await wu.get(f"/v1/documents/{ended}/content"), 410, "document_erased")
        refused(await lin.get(f"/v1/documents/{ended}/content"), 404, "unknown_document")
        assert (await clerk.get(f"/v1/uploads/{ended}/receipt")).json()["receipt"]
        assert ("王某来信", erasing.ERASED) == (
            await value_of_title(clerk, open_still), await value_of_title(clerk, of_nothing),
        )  # fmt: skip


async def test_a_paper_that_no_matter_names_goes_after_a_year(app: Litestar) -> None:
    """Whoever declared it may still need it for a matter of these days; later it serves none. An old one of a matter
    that came yesterday stays, and so does one that an entry still waits for."""
    lin, clerk = await a_duty_auxiliary(app), await a_clerk(app)
    of_nothing, named = [await brought(app, clerk, content(), title="王某来信") for _ in range(2)]
    await a_complaint(clerk, lin, named)
    async with undone():
        await erasing.erase(now() + timedelta(days=360))
        assert "王某来信" == await value_of_title(clerk, of_nothing)
        await erasing.erase(now() + timedelta(days=370))
        assert (erasing.ERASED, "王某来信") == (
            await value_of_title(clerk, of_nothing), await value_of_title(clerk, named),
        )  # fmt: skip
        refused(await clerk.get(f"/v1/documents/{of_nothing}/content"), 410, "document_erased")


# -- papers of matters and recusals


async def test_papers_of_a_matter_are_for_who_raised_it_and_who_answers_never_for_whom_it_is_against(
    app: Litestar,
) -> None:
    """Zhao commands the station, and Lin appeals against him: the proof does not exist for him, nor does the answer."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    zhao, sun = await a_commander_of(app, STATION), await a_commander_of(app, STATION)
    proof, letter = await brought(app, lin, content()), await brought(app, sun, content())
    raised = {"kind": "appeal", "words": "处分不当", "against": zhao.id}
    matter = recorded(await lin.post("/v1/matters/raise", **raised, papers=[proof]))["id"]
    assert (True, True, False, False) == tuple([await sees(who, proof) for who in (lin, sun, zhao, chen)])
    recorded(await sun.post("/v1/matters/answer", matter=matter, words="撤销处分", papers=[letter]))
    assert (True, True, False, False) == tuple([await sees(who, letter) for who in (lin, sun, zhao, chen)])
    assert {proof, letter} == set((await lin.get(f"/v1/matters/{matter}")).json()["papers"])
    assert [{"kind": "matter", "id": matter}] == (await sun.get(f"/v1/documents/{proof}")).json()["matters"]
    refused(await lin.post("/v1/matters/raise", **raised, papers=[letter]), 404, "unknown_document")


async def test_papers_of_a_recusal_are_hidden_like_the_applicants_name(app: Litestar) -> None:
    """A party's papers are for who wrote the application down and who decides; the auxiliary's own for them too."""
    lin, zhao, sun = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    case = {"case_ref": "甲55", "case_kind": "criminal", "ground": "interest", "words": "共同经营"}
    own, of_party = await brought(app, lin, content()), await brought(app, zhao, content())
    declared = recorded(await lin.post("/v1/recusals/declare", **case, papers=[own]))["id"]
    party = {"person": lin.id, "applicant": "王某", "capacity": "party", "papers": [of_party]}
    applied = recorded(await zhao.post("/v1/recusals/apply", **case, **party))["id"]
    assert (True, True) == (await sees(lin, own), await sees(sun, own))
    assert (False, True, True) == tuple([await sees(who, of_party) for who in (lin, zhao, sun)])
    for recusal, paper in ((declared, own), (applied, of_party)):
        assert [paper] == [each["id"] for each in (await sun.get(f"/v1/recusals/{recusal}")).json()["papers"]]
    assert [] == (await lin.get(f"/v1/recusals/{applied}")).json()["papers"]
    async with undone():
        await erasing.erase(now() + LATER)
        assert "急诊发票" == await value_of_title(sun, own)
        step = {"recusal": declared, "version": 1, "outcome": "granted", "why": "系近亲属"}
        recorded(await sun.post("/v1/recusals/decide", **step))
        await erasing.erase(now() + LATER)
        assert erasing.ERASED == await value_of_title(sun, own)


async def test_a_hold_covers_the_papers_of_what_it_serves(app: Litestar) -> None:
    """The letter of a complaint while its footage is held, and the papers of a matter whose footage is linked."""
    lin, clerk, wu = await a_duty_auxiliary(app), await a_clerk(app), await an_inspector_of(app, DISTRICT)
    letter, loose = await brought(app, clerk, content()), await brought(app, clerk, content())
    complaint = await a_complaint(clerk, lin, letter)
    proof, film = await brought(app, lin, content()), await sealed(app, lin, content(b"film"))
    matter = {"kind": "harassment", "words": "被尾随", "recordings": [film], "papers": [proof]}
    recorded(await lin.post("/v1/matters/raise", **matter))
    await legal_holds.update_new(app.state.store, now())
    assert (True, True, False) == tuple([(await row_of(paper))["legal_hold"] for paper in (letter, proof, loose)])
    hold = await value("SELECT id FROM hold WHERE about = $1", UUID(complaint))
    covered = (await wu.get(f"/v1/holds/{hold}")).json()["covers"]
    assert (letter, "document") in [(each["id"], each["kind"]) for each in covered]


async def test_the_bytes_of_an_erased_paper_go_when_their_lock_is_over(app: Litestar, short_floor: None) -> None:
    """Receipt, digest and journal stay. One that was not erased stays, and so does one of an injury that is held."""
    lin, clerk = await a_duty_auxiliary(app), await a_clerk(app)
    gone, stays, held = [await brought(app, who, content()) for who in (clerk, clerk, lin)]
    await reports(lin, papers=[held])
    await execute("UPDATE document SET title = $1 WHERE id = ANY ($2)", erasing.ERASED, [UUID(gone), UUID(held)])
    rows = [await row_of(upload) for upload in (gone, stays, held)]
    await asyncio.sleep(max(0.0, (rows[-1]["locked_until"] - now()).total_seconds()) + 1.2)
    await disposal.dispose(app.state.store, now())
    with pytest.raises(ObjectUnknown):
        await app.state.store.digest(rows[0]["object_key"], rows[0]["version"])
    for row in rows[1:]:
        assert row["sha256"] == (await app.state.store.digest(row["object_key"], row["version"]))[0]
    refused(await clerk.get(f"/v1/documents/{gone}/content"), 410, "document_erased")
    assert (await clerk.get(f"/v1/uploads/{gone}/receipt")).json()["receipt"]
    verbs = [row["verb"] for row in await fetch(EVIDENCE, UUID(gone))]
    assert ["evidence/seal", "evidence/dispose", "evidence/remove"] == verbs


async def test_a_paper_of_an_injury_goes_after_the_window_and_a_receipt_of_a_payment_stays(app: Litestar) -> None:
    """A receipt is a voucher: accounts have terms of their own, also where it was a paper of the injury too."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    payer = await a_treasurer_of(app, DISTRICT)
    receipt, diagnosis = await brought(app, lin, content()), await brought(app, lin, content(), title="诊断证明")
    injury = await reports(lin, papers=[receipt, diagnosis])
    item = item_of(await on_item(chief, "approve", await asks(lin, injury["id"])))
    item = item_of(await on_item(payer, "pay", item, fen=100_000, receipt=receipt))
    async with undone():
        await erasing.erase(now() + LATER)
        assert "诊断证明" == await value_of_title(lin, diagnosis)  # the matter is open: nobody settled it
    recorded(await settles(payer, item, "employer", 100_000))
    async with undone():
        await execute(OVER, UUID(injury["id"]))
        await erasing.erase(now() + LATER)
        assert [erasing.ERASED, "急诊发票"] == [await value_of_title(lin, paper) for paper in (diagnosis, receipt)]


async def test_whoever_sees_it_by_a_role_gives_the_second_factor(app: Litestar) -> None:
    """As for footage; whose paper it is needs none."""
    lin = await a_duty_auxiliary(app)
    paper = await brought(app, lin, content())
    await reports(lin, papers=[paper])
    desk = await at_desk(app, organ=DISTRICT, roles=[("commander", DISTRICT)])
    assert 200 == (await desk.get(f"/v1/documents/{paper}")).status_code
    refused(await desk.get(f"/v1/documents/{paper}/content"), 403, "second_factor_needed")
    await desk.sets_up()
    assert 200 == (await desk.get(f"/v1/documents/{paper}/content")).status_code


async def test_two_who_look_at_once_are_two_lines(app: Litestar) -> None:
    lin, file = await a_duty_auxiliary(app), content()
    paper = await brought(app, lin, file)
    answers = await asyncio.gather(*(lin.get(f"/v1/documents/{paper}/content") for _ in range(3)))
    assert {hashlib.sha256(file).digest()} == {hashlib.sha256(answer.content).digest() for answer in answers}
    assert 3 == len(await fetch(LINES, "documents/view", UUID(paper)))
