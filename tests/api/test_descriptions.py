"""Key content of footage (程序规定 55, 86): who describes it, what is refused, who reads it, and the printed page."""

import hashlib
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from backend.core.database import execute, value
from backend.law.catalogue import law
from tests.builders import (
    SIBLING,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    recorded,
    refused,
)
from tests.databases import by_owner
from tests.devices import completed, declare, declare_while_recording, received, send_missing, sha256_of, some_bytes

ARRIVAL = {"from_ms": 0, "to_ms": 95_000, "words": "到场，表明身份"}
STATEMENT = {"from_ms": 95_000, "to_ms": 240_500, "words": "当事人陈述经过"}
STARTED = datetime(2025, 3, 1, 23, 59, 30, tzinfo=UTC) - timedelta(hours=8)
TOLERANCE_MS = law().span("duration_tolerance") // timedelta(milliseconds=1)


async def describe(who: Someone, recording: Any, *content: dict[str, Any], **fields: Any) -> httpx.Response:
    return await who.post("/v1/recordings/describe", recording=recording, content=list(content), **fields)


async def footage_of(who: Someone, **fields: Any) -> str:
    return recorded(await who.declare(**fields))["upload"]["id"]


async def read(who: Someone, recording: Any, **query: Any) -> dict[str, Any]:
    answer = await who.get(f"/v1/recordings/{recording}/descriptions", **query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def words_of_all(who: Someone, recording: Any) -> list[list[str]]:
    """The words of each description, newest first."""
    return [[piece["words"] for piece in item["content"]] for item in (await read(who, recording))["items"]]


async def printed(who: Someone, recording: Any) -> str:
    answer = await who.get(f"/v1/recordings/{recording}/index")
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"]), answer.text
    return answer.text


# -- describe and read


async def test_the_wearer_describes_and_the_leading_officer_describes_again(app: Litestar) -> None:
    """Every description stays readable, newest first, with its author and time."""
    lin, zhao, *_ = await a_led_patrol(app)
    footage = await footage_of(lin)
    receipt = recorded(await describe(lin, footage, ARRIVAL, STATEMENT, at=ago(seconds=40)))
    assert ({"recording": footage, "stretches": 2}, []) == (receipt["described"], receipt["findings"])
    again = recorded(await describe(zhao, footage, STATEMENT))
    newest, oldest = (await read(zhao, footage))["items"]
    assert (again["id"], str(zhao.id), zhao.badge, zhao.name) == tuple(
        newest[name] for name in ("id", "by_person", "badge", "name")
    )
    assert (receipt["id"], lin.badge, [ARRIVAL, STATEMENT]) == (oldest["id"], oldest["badge"], oldest["content"])
    assert datetime.fromisoformat(oldest["at"]) < datetime.fromisoformat(newest["at"])


async def test_descriptions_are_read_in_pages(app: Litestar) -> None:
    """An answer has a limit, however often somebody corrects a description."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin)
    for words in ("一", "二", "三"):
        recorded(await describe(lin, footage, ARRIVAL | {"words": words}))
    first = await read(lin, footage, limit=2)
    rest = await read(lin, footage, limit=2, cursor=first["next"])
    words = [item["content"][0]["words"] for item in (*first["items"], *rest["items"])]
    assert (["三", "二", "一"], None) == (words, rest["next"])
    refused(await lin.get(f"/v1/recordings/{footage}/descriptions", cursor="nonsense"), 422, "invalid")


async def test_the_same_description_again_is_the_same(app: Litestar) -> None:
    """A phone that got no answer sends it again; other content under the same id is refused."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(recording=await footage_of(lin), content=[ARRIVAL])
    recorded(await lin.send("/v1/recordings/describe", entry))
    again = await lin.send("/v1/recordings/describe", entry)
    assert (200, "replayed") == (again.status_code, again.json()["status"])
    assert [[ARRIVAL["words"]]] == await words_of_all(lin, entry["recording"])
    refused(await lin.send("/v1/recordings/describe", entry | {"content": [STATEMENT]}), 409, "id_reused")


async def test_footage_that_is_still_running_can_be_described(app: Litestar) -> None:
    """Its end is not known yet."""
    lin = await a_duty_auxiliary(app)
    footage = (await declare_while_recording(lin))["id"]
    recorded(await describe(lin, footage, {"from_ms": 0, "to_ms": 36_000_000, "words": "持续看护"}))


async def test_bytes_under_two_ids_have_one_description(app: Litestar) -> None:
    """Described under the second id, read under both."""
    lin = await a_duty_auxiliary(app)
    content = some_bytes(300_000, "described under two ids")
    kept, other = (await declare(lin, content))["id"], uuid4()
    assert (
        kept
        == recorded(await lin.declare(id=other, bytes=len(content), sha256=sha256_of(content)))["upload"]["same_as"]
    )
    assert kept == recorded(await describe(lin, other, ARRIVAL))["described"]["recording"]
    assert [[ARRIVAL["words"]]] == await words_of_all(lin, kept) == await words_of_all(lin, other)


async def test_a_description_of_a_duplicate_is_read_with_the_kept_recording(app: Litestar) -> None:
    """Only the completion shows that the bytes are kept under another id; no description is lost."""
    lin = await a_duty_auxiliary(app)
    content = some_bytes(300_000, "described before it turned out to be known")
    kept = await received(lin, content)
    running = (await declare_while_recording(lin))["id"]
    recorded(await describe(lin, running, ARRIVAL))
    await send_missing_of_unknown_size(lin, running, content)
    await completed(lin, running, bytes=len(content), sha256=sha256_of(content))
    assert UUID(kept) == await value("SELECT same_as FROM upload WHERE id = $1", UUID(running))
    assert [[ARRIVAL["words"]]] == await words_of_all(lin, kept) == await words_of_all(lin, running)
    assert ARRIVAL["words"] in await printed(lin, kept)


async def send_missing_of_unknown_size(who: Someone, upload: str, content: bytes) -> None:
    """All of the content in the first part."""
    await execute("UPDATE upload SET bytes = $2 WHERE id = $1", UUID(upload), len(content))
    assert 1 == await send_missing(who, upload, content)


async def test_words_stay_out_of_the_journal(app: Litestar) -> None:
    """They can be erased when the law requires it; the journal holds ids, a count and a salted digest."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin)
    receipt = recorded(await describe(lin, footage, ARRIVAL))
    line = await value("SELECT entry FROM journal WHERE entry_id = $1", UUID(receipt["id"]))
    assert footage.encode() in line
    assert ARRIVAL["words"].encode() not in line
    assert "words" not in line.decode()


# -- what is refused


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{}],
        [ARRIVAL] * 201,
        [ARRIVAL | {"from_ms": -1}],
        [ARRIVAL | {"to_ms": 2**63}],
        [ARRIVAL | {"to_ms": 1.5}],
        [ARRIVAL | {"from_ms": "0"}],
        [ARRIVAL | {"from_ms": True}],
        [ARRIVAL | {"words": ""}],
        [ARRIVAL | {"words": " \n"}],
        [ARRIVAL | {"words": "a\x00b"}],
        [ARRIVAL | {"words": "字" * 2001}],
        [ARRIVAL | {"colour": "blue"}],
        [ARRIVAL, None],
        {"from_ms": 0},
    ],
    ids=range(15),
)
async def test_content_that_is_invalid_is_refused_with_its_pointer(app: Litestar, content: Any) -> None:
    """And nothing is written."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin)
    problem = refused(await lin.post("/v1/recordings/describe", recording=footage, content=content), 422, "invalid")
    assert problem["errors"][0]["pointer"].startswith("/content")
    assert [] == await words_of_all(lin, footage)


@pytest.mark.parametrize("late", [False, True], ids=["live", "late"])
@pytest.mark.parametrize(
    ("span", "code"),
    [
        ({"from_ms": 1000, "to_ms": 1000}, "end_before_start"),
        ({"from_ms": 1001, "to_ms": 1000}, "end_before_start"),
        ({"from_ms": 0, "to_ms": 300_001 + TOLERANCE_MS}, "beyond_the_footage"),
    ],
)
async def test_an_impossible_span_is_refused_however_late(
    app: Litestar, span: dict[str, int], code: str, late: bool
) -> None:
    """It breaks no rule that `despite` could override: no footage can show it."""
    lin = await a_duty_auxiliary(app)
    footage, at = await footage_of(lin), ago(minutes=4) if late else None
    wrong = ARRIVAL | span
    refused(await describe(lin, footage, ARRIVAL, wrong, at=at), 422, code)
    refused(await describe(lin, footage, wrong, at=at, despite={"why": "仍要提交"}), 422, code)
    assert [] == await words_of_all(lin, footage)


async def test_the_ends_of_a_file_may_move_a_little(app: Litestar) -> None:
    """Pre-recording and key frames: up to the tolerance."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin, started_at=(begun := ago(minutes=10)), ended_at=begun + timedelta(minutes=5))
    recorded(await describe(lin, footage, ARRIVAL | {"to_ms": 300_000 + TOLERANCE_MS}))


async def test_the_probed_duration_counts_more_than_the_declared_one(app: Litestar) -> None:
    """Five minutes were declared, two were probed: nothing after two minutes can be described."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin)
    await by_owner("UPDATE recording SET probed_ms = 120000 WHERE id = $1", UUID(footage))
    recorded(await describe(lin, footage, ARRIVAL))
    refused(await describe(lin, footage, STATEMENT), 422, "beyond_the_footage")


# -- who describes, and who reads


async def test_nobody_describes_who_was_not_there(app: Litestar) -> None:
    """Not a colleague, nor the chief who may see it, nor an officer who led at another time, nor a clerk."""
    lin, zhao, *_ = await a_led_patrol(app, minutes=30)
    footage = await footage_of(lin)
    later = await an_officer(app, name="钱进")
    recorded(await lin.names(later))
    chief, colleague = await a_commander_of(app, STATION), await a_duty_auxiliary(app, name="朱新")
    for who in (later, chief, colleague):
        refused(await describe(who, footage, ARRIVAL), 404, "unknown_recording")
    refused(await describe(await a_clerk(app), footage, ARRIVAL), 403, "not_for_your_role")
    refused(await describe(lin, uuid4(), ARRIVAL), 404, "unknown_recording")
    recorded(await describe(zhao, footage, ARRIVAL))


async def test_a_paper_is_no_footage(app: Litestar) -> None:
    """It has no time spans."""
    lin = await a_duty_auxiliary(app)
    document = {"title": "诊断证明", "file_name": "a.pdf", "media_type": "application/pdf"}
    paper = recorded(await lin.post("/v1/documents/declare", **document))["upload"]["id"]
    refused(await describe(lin, paper, ARRIVAL), 404, "unknown_recording")


@pytest.mark.parametrize("page", ["descriptions", "index"])
async def test_whoever_may_see_the_recording_may_read_its_descriptions(app: Litestar, page: str) -> None:
    """The wearer, the officer who led, those who oversee the organ; nobody else learns that it exists."""
    lin, zhao, *_ = await a_led_patrol(app)
    footage = await footage_of(lin)
    recorded(await describe(lin, footage, ARRIVAL))
    for who in (lin, zhao, await a_commander_of(app, STATION), await an_inspector_of(app, STATION)):
        assert 200 == (await who.get(f"/v1/recordings/{footage}/{page}")).status_code
    for who in (await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, SIBLING)):
        refused(await who.get(f"/v1/recordings/{footage}/{page}"), 404, "unknown_recording")
    lin.token = None
    refused(await lin.get(f"/v1/recordings/{footage}/{page}"), 401, "token_missing")


# -- the page


async def test_the_page_says_whose_footage_it_is_and_what_it_shows_when(app: Litestar) -> None:
    """Clock time of Beijing across midnight, in whole seconds that contain the stretch, in the order of the footage."""
    lin, _zhao, *_ = await a_led_patrol(app)
    footage = await footage_of(lin, started_at=STARTED, ended_at=STARTED + timedelta(minutes=5), bytes=433_586_176)
    recorded(await describe(lin, footage, STATEMENT, ARRIVAL | {"from_ms": 900}))
    page = await printed(lin, footage)
    for text in (
        "城关派出所", STATION, lin.name, lin.badge, "DSJ-0042", "DSJ0042_0001.mp4", footage, "433,586,176",
        "尚未封存", "2025-03-01 23:59:30", "2025-03-02 00:04:30", "尚未检测", "带班民警", "程序规定 55, 86",
    ):  # fmt: skip
        assert text in page
    rows = re.findall(r'<tr><td class="time">(.*?)</td></tr>', page)
    cells = [re.sub(r"</td><td[^>]*>", "|", row) for row in rows]
    assert [
        "1|2025-03-01 23:59:30–2025-03-02 00:01:05|00:00:00–00:01:35|到场，表明身份",
        "2|2025-03-02 00:01:05–00:03:31|00:01:35–00:04:01|当事人陈述经过",
    ] == cells


async def test_the_page_shows_digest_sealing_and_duration_once_they_are_known(app: Litestar) -> None:
    """They prove that this footage is the one described."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin, bytes=5, sha256=(digest := sha256_of(uuid4().bytes)))
    await by_owner("UPDATE recording SET probed_ms = 3725999 WHERE id = $1", UUID(footage))
    await by_owner(
        """UPDATE upload SET state = 'sealed', receipt = 'x', version = 'v', sealed_at = $2, locked_until = $2
        WHERE id = $1""",
        UUID(footage), STARTED + timedelta(hours=1),
    )  # fmt: skip
    page = await printed(lin, footage)
    for text in (digest, "2025-03-02 00:59:30", "01:02:05"):
        assert text in page


async def test_a_page_of_footage_that_nobody_described_says_so(app: Litestar) -> None:
    """A printed page without content must not look like a complete one."""
    lin = await a_duty_auxiliary(app)
    page = await printed(lin, await footage_of(lin))
    assert law().messages["not_described"].zh in page
    assert "<tbody>" not in page


async def test_text_from_people_is_never_markup(app: Litestar) -> None:
    """Descriptions and file names are text on the page, and nothing in them runs."""
    lin = await a_duty_auxiliary(app)
    footage = await footage_of(lin, file_name='<img src=x onerror="alert(1)">.mp4')
    words = "</td><script>alert(\"x\")</script>{title} &amp; '引号'"
    recorded(await describe(lin, footage, ARRIVAL | {"words": words}))
    page = await printed(lin, footage)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;/td&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;{title} &amp;amp; &#x27;引号&#x27;" in page
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;.mp4" in page


async def test_the_page_loads_nothing_from_elsewhere(app: Litestar) -> None:
    """The network is closed: the page's policy allows its own style, by digest, and nothing else."""
    lin = await a_duty_auxiliary(app)
    answer = await lin.get(f"/v1/recordings/{await footage_of(lin)}/index")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert {
        "default-src": "'none'", "style-src": f"'sha256-{digest}'", "base-uri": "'none'", "form-action": "'none'",
        "frame-ancestors": "'none'",
    } == policy  # fmt: skip
    assert "no-store" == answer.headers["cache-control"]
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=|\bstyle=", answer.text)
