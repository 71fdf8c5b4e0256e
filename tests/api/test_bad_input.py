"""Bad input, case by case: a stable code, the right status, a sentence in either language, and nothing written."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar

from backend.core.database import fetch
from mobile_api.faults import MOST, in_language
from tests.builders import (
    PASSWORD,
    STATION,
    Client,
    Someone,
    a_check_in,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    a_phone,
    ago,
    an_officer,
    now,
    recorded,
    some_footage,
)

TABLES = ("shift", "check_out", "supervision", "supervision_answer", "supervision_end", "upload", "recording",
          "document", "entry", "finding", "pgqueuer")  # fmt: skip
CHECK_IN, DECLARE, DOCUMENT = "/v1/shifts/check-in", "/v1/recordings/declare", "/v1/documents/declare"
JSON = {"Content-Type": "application/json"}
BadRequest = tuple[str, str, bytes, dict[str, str]]


async def rows() -> dict[str, int]:
    sql = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS n FROM {table}" for table in TABLES)  # noqa: S608
    return {row["name"]: row["n"] for row in await fetch(sql)}


async def answered(someone: Client, request: BadRequest, status: int, code: str) -> dict[str, Any]:
    """The problem in Chinese. Sent again for English, it is English; nothing was written either time."""
    method, path, body, headers = request
    before = await rows()
    chinese = await someone.ask(method, path, content=body, headers=headers)
    english = await someone.ask(method, path, content=body, headers=headers, english=True)
    assert before == await rows()
    for answer in (chinese, english):
        assert (status, code) == (answer.status_code, answer.json().get("code")), answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
    here, there = chinese.json(), english.json()
    assert ("zh", "en") == (chinese.headers["content-language"], english.headers["content-language"])
    assert here["detail"] != there["detail"]
    assert here["title"] != there["title"]
    assert any("一" <= letter <= "鿿" for letter in here["detail"])
    assert there["detail"].isascii()
    assert (status, f"/problems/{code}", path.partition("?")[0]) == (here["status"], here["type"], here["instance"])
    assert "Traceback" not in chinese.text
    return here


def as_request(path: str, content: Any, **headers: str) -> BadRequest:
    text = json.dumps(content, default=str).encode()
    return "POST", path, text, JSON | headers


# What is no JSON at all

BODIES = {
    "nothing": (b"", 400, "malformed_json"),
    "half an object": (b'{"id": ', 400, "malformed_json"),
    "a word": (b"hello", 400, "malformed_json"),
    "two objects": (b"{}{}", 400, "malformed_json"),
    "bytes that are no UTF-8": (b'{"id": "\xff\xfe"}', 400, "malformed_json"),
    "GB 18030": ('{"vehicle": "浙A"}'.encode("gb18030"), 400, "malformed_json"),
    "a lone surrogate": (rb'{"vehicle": "\ud800"}', 400, "malformed_json"),
    "a NUL between words": (b'{"id":\x00 1}', 400, "malformed_json"),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400, "malformed_json"),
    "deep nesting in an unknown field": (b'{"x":' * 30_000 + b"1" + b"}" * 30_000, 400, "malformed_json"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "a number beyond all numbers": (b"1e9999", 400, "malformed_json"),
    "an object without anything": (b"{}", 422, "invalid"),
    "too much": (b'{"x": "' + b"x" * (300 * 1024) + b'"}', 413, "body_too_large"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [CHECK_IN, DECLARE, "/v1/sessions"])
async def test_a_body_that_is_not_what_was_asked_for(app: Litestar, path: str, name: str) -> None:
    """A broken phone gets a sentence, and the house stands."""
    body, status, code = BODIES[name]
    lin = await a_duty_auxiliary(app)
    if path == "/v1/sessions" and len(body) > 16 * 1024:
        status, code = 413, "body_too_large"
    await answered(lin, ("POST", path, body, JSON), status, code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_a_body_that_does_not_say_that_it_is_json(app: Litestar, kind: str) -> None:
    """A form on somebody's page cannot check a person in."""
    lin = await a_duty_auxiliary(app)
    method, path, body, _ = as_request(CHECK_IN, lin.entry(**a_check_in()))
    await answered(lin, (method, path, body, {"Content-Type": kind}), 415, "not_json")


async def test_json_may_say_its_character_set(app: Litestar) -> None:
    """As many libraries do."""
    lin = await a_duty_auxiliary(app)
    method, path, body, _ = as_request(CHECK_IN, lin.entry(**a_check_in()))
    answer = await lin.ask(method, path, content=body, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    recorded(answer)


# One field of an entry that is otherwise good

GONE = object()
LONG = "长" * 2001
FIELDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no id": (CHECK_IN, {"id": GONE}, "invalid"),
    "no time": (CHECK_IN, {"occurred_at": GONE}, "invalid"),
    "no sending time": (CHECK_IN, {"sent_at": GONE}, "invalid"),
    "no sequence": (CHECK_IN, {"device_seq": GONE}, "invalid"),
    "no dress": (CHECK_IN, {"dress": GONE}, "invalid"),
    "an id that is none": (CHECK_IN, {"id": "shift 1"}, "invalid"),
    "an id that is a number": (CHECK_IN, {"id": 1}, "invalid"),
    "an unknown field": (CHECK_IN, {"colour": "blue"}, "invalid"),
    "an unknown field inside": (CHECK_IN, {"despite": {"why": "x", "who": "y"}}, "invalid"),
    "an unknown duty": (CHECK_IN, {"duty_type": "holiday"}, "invalid"),
    "a word for a truth": (CHECK_IN, {"id_card_carried": "yes"}, "invalid"),
    "a number for a truth": (CHECK_IN, {"id_card_carried": 1}, "invalid"),
    "a naive time": (CHECK_IN, {"occurred_at": "2026-03-01T08:00:00"}, "invalid"),
    "a naive sending time": (CHECK_IN, {"sent_at": "2026-03-01T08:00:00"}, "invalid"),
    "a day that is none": (CHECK_IN, {"occurred_at": "2026-02-30T08:00:00+08:00"}, "invalid"),
    "a time in seconds": (CHECK_IN, {"occurred_at": 1772323200}, "invalid"),
    "a date": (CHECK_IN, {"occurred_at": "2026-03-01"}, "invalid"),
    "a sequence below nothing": (CHECK_IN, {"device_seq": -1}, "invalid"),
    "a sequence of half": (CHECK_IN, {"device_seq": 1.5}, "invalid"),
    "a sequence beyond 64 bits": (CHECK_IN, {"device_seq": 2**63}, "invalid"),
    "a sequence beyond everything": (CHECK_IN, {"device_seq": 10**400}, "invalid"),
    "no word for a reason": (CHECK_IN, {"despite": {"why": ""}}, "invalid"),
    "a reason too long": (CHECK_IN, {"despite": {"why": LONG}}, "invalid"),
    "a NUL in a reason": (CHECK_IN, {"despite": {"why": "a\x00b"}}, "invalid"),
    "an escape in a reason": (CHECK_IN, {"despite": {"why": "\x1b[2J"}}, "invalid"),
    "a number in words": (CHECK_IN, {"device_seq": "17"}, "invalid"),
    "a truth in words": (CHECK_IN, {"id_card_carried": "true"}, "invalid"),
    "plain without a reason": (CHECK_IN, {"dress": "plain"}, "dress_reason_missing"),
    "ordered by nobody": (CHECK_IN, {"ordered_by": uuid4()}, "not_an_officer"),
    "naming a stranger": ("/v1/supervisions/name", {"officer": uuid4()}, "not_an_officer"),
    "no bytes": (DECLARE, {"bytes": 0}, "invalid"),
    "fewer than no bytes": (DECLARE, {"bytes": -1}, "invalid"),
    "more bytes than a file may have": (DECLARE, {"bytes": 2**36 + 1}, "file_too_large"),
    "bytes beyond 64 bits": (DECLARE, {"bytes": 2**64}, "invalid"),
    "a digest that is not hex": (DECLARE, {"sha256": "z" * 64}, "invalid"),
    "a digest too short": (DECLARE, {"sha256": "0" * 63}, "invalid"),
    "a digest in capitals": (DECLARE, {"sha256": "A" * 64}, "invalid"),
    "a digest and a line feed": (DECLARE, {"sha256": "0" * 64 + "\n"}, "invalid"),
    "a path for a name": (DECLARE, {"file_name": "../../etc/passwd"}, "invalid"),
    "a Windows path for a name": (DECLARE, {"file_name": "C:\\video.mp4"}, "invalid"),
    "a name of dots": (DECLARE, {"file_name": ".."}, "invalid"),
    "a NUL in a file name": (DECLARE, {"file_name": "a\x00.mp4"}, "invalid"),
    "a line feed in a file name": (DECLARE, {"file_name": "a\n.mp4"}, "invalid"),
    "a file name that ends in a line feed": (DECLARE, {"file_name": "a.mp4\n"}, "invalid"),
    "a file name that reads backwards": (DECLARE, {"file_name": "gp\u202e4pm.exe"}, "invalid"),
    "no file name": (DECLARE, {"file_name": ""}, "invalid"),
    "a file name too long": (DECLARE, {"file_name": "x" * 256}, "invalid"),
    "a media type of another kind": (DECLARE, {"media_type": "application/x-msdownload"}, "invalid"),
    "a media type with a header in it": (DECLARE, {"media_type": "video/mp4\r\nX: y"}, "invalid"),
    "a serial with a space": (DECLARE, {"camera_serial": "DSJ 42"}, "invalid"),
    "a serial that ends in a line feed": (DECLARE, {"camera_serial": "DSJ-42\n"}, "invalid"),
    "somebody else's camera": (DECLARE, {"wearer": uuid4()}, "not_the_wearer"),
    "a paper that is a programme": (DOCUMENT, {"media_type": "application/zip"}, "invalid"),
    "a paper of no bytes": (DOCUMENT, {"bytes": 0}, "invalid"),
    "a paper too large": (DOCUMENT, {"bytes": 2**40}, "file_too_large"),
    "a paper without a title": (DOCUMENT, {"title": ""}, "invalid"),
}  # fmt: skip
# What refuses nothing: a clock that is wrong, optional data that cannot be. The finding says it.
TAKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "a word for a list": (CHECK_IN, {"equipment": "警棍"}, "value_doubtful"),
    "forty-one things": (CHECK_IN, {"equipment": ["警棍"] * 41}, "value_doubtful"),
    "an uptime beyond 64 bits": (CHECK_IN, {"uptime_ms": 2**64}, "value_doubtful"),
    "a NUL in a name": (CHECK_IN, {"vehicle": "浙A\x00"}, "value_doubtful"),
    "a name that ends in a line feed": (CHECK_IN, {"vehicle": "浙A1234\n"}, "value_doubtful"),
    "a line feed in a name": (CHECK_IN, {"vehicle": "浙A\n1234"}, "value_doubtful"),
    "a name too long": (CHECK_IN, {"vehicle": "x" * 121}, "value_doubtful"),
    "a NUL in a list": (CHECK_IN, {"equipment": ["警棍", "\x00"]}, "value_doubtful"),
    "beyond the pole": (CHECK_IN, {"place": {"lat": 91, "lon": 0, "accuracy_m": 1, "datum": "WGS84"}},
                        "place_doubtful"),
    "another datum": (CHECK_IN, {"place": {"lat": 1, "lon": 0, "accuracy_m": 1, "datum": "BD09"}}, "place_doubtful"),
    "half a place": (CHECK_IN, {"place": {"lat": 1, "lon": 0}}, "place_doubtful"),
    "time ahead": (CHECK_IN, {"occurred_at": now() + timedelta(days=1)}, "clock_doubtful"),
    "the year 1900": (CHECK_IN, {"occurred_at": "1900-01-01T00:00:00Z"}, "clock_doubtful"),
    "the year 1": (CHECK_IN, {"occurred_at": "0001-01-01T00:00:00+14:00"}, "clock_doubtful"),
    "the year 9999": (CHECK_IN, {"occurred_at": "9999-12-31T23:59:59-12:00",
                                 "sent_at": "9999-12-31T23:59:59-12:00"}, "clock_skew"),
    "an end before the start": (DECLARE, {"ended_at": ago(hours=2)}, "clock_doubtful"),
    "a start ahead": (DECLARE, {"started_at": now() + timedelta(hours=1), "ended_at": None}, "clock_doubtful"),
    "a start in the year 1": (DECLARE, {"started_at": "0001-01-01T00:00:00+14:00"}, "clock_doubtful"),
    "a start in the year 9999": (DECLARE, {"started_at": "9999-12-31T23:59:59-12:00"}, "clock_doubtful"),
    "a camera a thousand years off": (DECLARE, {"camera_offset_ms": 10**15}, "value_doubtful"),
}  # fmt: skip
STATUS = {"invalid": 422, "dress_reason_missing": 422, "not_an_officer": 422, "file_too_large": 422,
          "not_the_wearer": 403}  # fmt: skip
GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    CHECK_IN: a_check_in,
    DECLARE: some_footage,
    DOCUMENT: lambda: {"title": "诊断证明", "file_name": "a.pdf", "media_type": "application/pdf"},
    "/v1/supervisions/name": lambda: {"officer": uuid4()},
}


@pytest.fixture(scope="module")
async def lin(app: Litestar) -> Someone:
    """On duty, and about to send nonsense."""
    someone = await a_duty_auxiliary(app)
    recorded(await someone.check_in(at=ago(minutes=5)))
    return someone


@pytest.mark.parametrize("name", FIELDS)
async def test_a_field_that_is_not_as_it_should_be(lin: Someone, name: str) -> None:
    """Everything else of the entry is good, so the code is about that field."""
    path, changes, code = FIELDS[name]
    entry = lin.entry(**GOOD[path]()) | changes
    entry = {key: text for key, text in entry.items() if text is not GONE}
    problem = await answered(lin, as_request(path, entry), STATUS[code], code)
    if code == "invalid":
        assert {error["pointer"][0] for error in problem["errors"]} == {"/"}
        assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize("name", TAKEN)
async def test_a_clock_or_an_optional_field_refuses_nothing(app: Litestar, name: str) -> None:
    """The entry is recorded, and a finding says what is wrong with it."""
    someone = await a_duty_auxiliary(app)
    path, changes, kind = TAKEN[name]
    body = as_request(path, someone.entry(**GOOD[path]()) | changes)
    answer = await someone.ask(body[0], body[1], content=body[2], headers=body[3])
    assert kind in [finding["code"] for finding in recorded(answer)["findings"]]


async def test_an_error_points_at_its_field(lin: Someone) -> None:
    """Deep in the body too, and beside a field that alone refuses nothing."""
    place = {"lat": "x", "lon": 120.1, "accuracy_m": 8, "datum": "WGS84"}
    wrong = {"despite": {"why": 7}}
    for more, pointers in (
        ({}, set()),
        ({"equipment": ["a", 7]}, {"/equipment/1"}),
        ({"place": place}, {"/place/lat"}),
    ):
        entry = lin.entry(**(a_check_in() | wrong | more))
        problem = await answered(lin, as_request(CHECK_IN, entry), 422, "invalid")
        assert {"/despite/why"} | pointers == {error["pointer"] for error in problem["errors"]}


async def test_every_fault_of_a_body_is_told_at_once(lin: Someone) -> None:
    """Whoever builds a client mends a body in one go: missing, unknown and wrong fields, however deep."""
    wrong = {"dress": "suit", "duty_type": GONE, "colour": "blue", "equipment": ["a", 7, "\x00"], "device_seq": -1}
    entry = lin.entry(**a_check_in()) | wrong | {"place": {"lat": 91, "lon": "x", "datum": "BD09"}}
    entry = {key: text for key, text in entry.items() if text is not GONE}
    problem = await answered(lin, as_request(CHECK_IN, entry), 422, "invalid")
    assert {
        "/dress", "/duty_type", "/colour", "/equipment/1", "/equipment/2", "/device_seq", "/place/lat", "/place/lon",
        "/place/accuracy_m", "/place/datum",
    } == {error["pointer"] for error in problem["errors"]}  # fmt: skip


async def test_a_field_is_pointed_at_whatever_its_name(lin: Someone) -> None:
    """A JSON pointer escapes `~` and `/`, and each fault is listed once."""
    entry = lin.entry(**a_check_in()) | {"a/b": 1, "c~d": 2, "e.f": 3, "": 4}
    problem = await answered(lin, as_request(CHECK_IN, entry), 422, "invalid")
    assert ["/", "/a~1b", "/c~0d", "/e.f"] == sorted(error["pointer"] for error in problem["errors"])


async def test_no_more_faults_are_told_than_anybody_reads(lin: Someone) -> None:
    """A body made of faults alone costs no more than another one."""
    entry = lin.entry(**a_check_in()) | {f"field_{number}": 1 for number in range(5000)}
    problem = await answered(lin, as_request(CHECK_IN, entry), 422, "invalid")
    assert MOST == len(problem["errors"])


async def test_a_value_that_is_none_of_those_allowed_is_answered_with_them(lin: Someone) -> None:
    """In the order of the contract, and never with the value itself."""
    entry = lin.entry(**a_check_in() | {"duty_type": "secret"})
    method, path, body, headers = as_request(CHECK_IN, entry)
    chinese = (await lin.ask(method, path, content=body, headers=headers)).json()["errors"]
    english = (await lin.ask(method, path, content=body, headers=headers, english=True)).json()["errors"]
    allowed = "patrol, post, window, watch, standby, event"
    assert [{"pointer": "/duty_type", "message": f"应为下列之一：{allowed}"}] == chinese
    assert [{"pointer": "/duty_type", "message": f"Expected one of: {allowed}"}] == english


async def test_an_entry_of_no_known_verb_is_answered_with_the_verbs(lin: Someone) -> None:
    """In a sync as well, each entry for itself."""
    unknown = lin.item("shifts/check-in", **a_check_in()) | {"verb": "shifts/secret"}
    wrong = lin.item("shifts/check-in", **a_check_in()) | {"dress": "suit", "id_card_carried": "yes"}
    first, second = await lin.sync(unknown, wrong)
    assert ["/verb"] == [error["pointer"] for error in first["problem"]["errors"]]
    assert "shifts/check-in, shifts/check-out" in first["problem"]["errors"][0]["message"]
    assert {"/dress", "/id_card_carried"} == {error["pointer"] for error in second["problem"]["errors"]}


@pytest.mark.parametrize("name", [name for name, (_, _, code) in FIELDS.items() if code == "invalid"])
async def test_what_is_wrong_with_a_field_is_said_in_the_readers_language(lin: Someone, name: str) -> None:
    """Chinese for a reader of Chinese; no value of the sender's is repeated."""
    path, changes, _ = FIELDS[name]
    entry = {key: text for key, text in (lin.entry(**GOOD[path]()) | changes).items() if text is not GONE}
    method, path, body, headers = as_request(path, entry)
    chinese = (await lin.ask(method, path, content=body, headers=headers)).json()["errors"]
    english = (await lin.ask(method, path, content=body, headers=headers, english=True)).json()["errors"]
    assert [each["pointer"] for each in chinese] == [each["pointer"] for each in english]
    for here, there in zip(chinese, english, strict=True):
        assert re.search("[一-鿿]", here["message"]), here
        assert not re.search("Expected|Invalid|Object", here["message"]), here
        assert there["message"].isascii(), there


# The query


async def test_an_unknown_parameter_is_refused_by_name(lin: Someone) -> None:
    """A filter that is misspelt would be answered with everything."""
    for path, names in {
        "/v1/shifts?person=x": {"?person"}, "/v1/me?a=1&b=2": {"?a", "?b"}, "/health/live?verbose": {"?verbose"},
        "/v1/duty/verdict?works=9.6": {"?works", "?work"}, "/v1/supervisions?status=lost&x=1": {"?x", "?status"},
    }.items():  # fmt: skip
        problem = await answered(lin, ("GET", path, b"", {}), 422, "invalid")
        assert names == {error["pointer"] for error in problem["errors"]}
    request = as_request(f"{CHECK_IN}?dry_run=1", lin.entry(**a_check_in()))
    problem = await answered(lin, request, 422, "invalid")
    assert [{"pointer": "?dry_run", "message": "没有这个参数"}] == problem["errors"]


@pytest.mark.parametrize(
    ("path", "pointer", "chinese"),
    [
        (
            "/v1/supervisions?status=lost",
            "?status",
            "应为下列之一：open, unanswered, confirmed, declined, contested, all",
        ),
        ("/v1/shifts?limit=0", "?limit", "不得小于 1"),
        ("/v1/shifts?limit=ten", "?limit", "应为整数，而不是文本"),
        ("/v1/shifts?cursor=none", "?cursor", "不是本系统给出的值"),
        ("/v1/findings?from=2026-03-01T00:00:00", "?from", "必须带时区，例如 +08:00"),
        ("/v1/findings?to=soon", "?to", "不是带时区的时间（RFC 3339）"),
        ("/v1/findings?person=1", "?person", "不是 UUID"),
        ("/v1/duty/verdict", "?work", "缺少这个参数"),
        ("/v1/hours?month=March", "?month", "格式应符合 ^2[0-9]{3}-(0[1-9]|1[0-2])$"),
    ],
)
async def test_a_parameter_at_fault_is_named_as_the_address_spells_it(
    lin: Someone, path: str, pointer: str, chinese: str
) -> None:
    """With what would be right, in the reader's language."""
    problem = await answered(lin, ("GET", path, b"", {}), 422, "invalid")
    assert [{"pointer": pointer, "message": chinese}] == problem["errors"]


def test_every_sentence_about_a_parameter_has_its_chinese(repository: Path) -> None:
    """Those that the reads of the features write themselves."""
    written = {
        text
        for file in [*(repository / "backend").rglob("*.py"), *(repository / "mobile_api").rglob("*.py")]
        for text in re.findall(r'\binvalid_parameter\((?:"\w+"|name), f?"(.+?)"\)', file.read_text())
    }
    assert len(written) >= 4
    for text in written:
        (fault,) = in_language([{"pointer": "", "message": re.sub(r"{.*}", "31", text)}], "zh")
        assert re.search("[一-鿿]", fault["message"]), text


# What is another's, or was before

Situation = Callable[[Litestar], Awaitable[tuple[Client, BadRequest]]]


async def a_reused_id(app: Litestar) -> tuple[Client, BadRequest]:
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    recorded(await lin.send(CHECK_IN, entry))
    return lin, as_request(CHECK_IN, entry | {"duty_type": "post"})


async def somebody_elses_shift(app: Litestar) -> tuple[Client, BadRequest]:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    shift = recorded(await lin.check_in())["id"]
    return zhu, as_request("/v1/shifts/check-out", zhu.entry(shift=shift))


async def confirming_for_another(app: Litestar) -> tuple[Client, BadRequest]:
    *_, naming = await a_led_patrol(app)
    sun = await a_commander_of(app, STATION)
    return sun, as_request("/v1/supervisions/confirm", sun.entry(supervision=naming))


async def naming_a_colleague(app: Litestar) -> tuple[Client, BadRequest]:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    recorded(await lin.check_in())
    return lin, as_request("/v1/supervisions/name", lin.entry(officer=zhu.id))


async def an_officer_who_checks_in(app: Litestar) -> tuple[Client, BadRequest]:
    zhao = await an_officer(app)
    return zhao, as_request(CHECK_IN, zhao.entry(**a_check_in()))


async def an_upload(app: Litestar) -> tuple[Someone, str]:
    lin = await a_duty_auxiliary(app)
    declared = {"bytes": 20 * 1024 * 1024, "sha256": uuid4().hex * 2}
    return lin, recorded(await lin.declare(**declared))["id"]


async def completing_with_everything_missing(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, as_request(f"/v1/uploads/{upload}/complete", {"sent_at": now()})


async def completing_somebody_elses(app: Litestar) -> tuple[Client, BadRequest]:
    _, upload = await an_upload(app)
    zhu = await a_duty_auxiliary(app, name="朱新")
    return zhu, as_request(f"/v1/uploads/{upload}/complete", {"sent_at": now()})


async def completing_what_is_not_there(app: Litestar) -> tuple[Client, BadRequest]:
    lin, _ = await an_upload(app)
    return lin, as_request(f"/v1/uploads/{uuid4()}/complete", {"sent_at": now()})


async def completing_without_a_digest(app: Litestar) -> tuple[Client, BadRequest]:
    lin = await a_duty_auxiliary(app)
    upload = recorded(await lin.declare())["id"]
    return lin, as_request(f"/v1/uploads/{upload}/complete", {"sent_at": now(), "bytes": 5})


async def completing_another_file(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, as_request(f"/v1/uploads/{upload}/complete", {"sent_at": now(), "bytes": 5, "sha256": "0" * 64})


async def completing_with_a_naive_time(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, as_request(f"/v1/uploads/{upload}/complete", {"sent_at": "2026-03-01T08:00:00"})


async def a_part_beyond_the_file(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, ("GET", f"/v1/uploads/{upload}/parts?from=4", b"", {})


async def a_part_below_the_first(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, ("GET", f"/v1/uploads/{upload}/parts?from=0", b"", {})


async def a_part_beyond_what_the_store_takes(app: Litestar) -> tuple[Client, BadRequest]:
    lin, upload = await an_upload(app)
    return lin, ("GET", f"/v1/uploads/{upload}/parts?from=10001", b"", {})


async def a_shift_that_is_no_id(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_duty_auxiliary(app), ("GET", "/v1/shifts/1", b"", {})


async def a_shift_that_is_not_there(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_duty_auxiliary(app), ("GET", f"/v1/shifts/{uuid4()}", b"", {})


async def an_address_that_is_not_there(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_duty_auxiliary(app), ("GET", "/v1/nowhere", b"", {})


async def an_address_that_is_not_there_for_a_stranger(app: Litestar) -> tuple[Client, BadRequest]:
    return Client(app), ("GET", "/nowhere", b"", {})


async def a_method_that_does_not_fit(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_duty_auxiliary(app), ("PUT", CHECK_IN, b"{}", JSON)


async def a_status_nobody_knows(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_duty_auxiliary(app), ("GET", "/v1/supervisions?status=lost", b"", {})


async def nobody_signed_in(app: Litestar) -> tuple[Client, BadRequest]:
    lin = await a_duty_auxiliary(app)
    return Client(app), as_request(CHECK_IN, lin.entry(**a_check_in()))


async def a_password_that_is_a_number(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_phone(app), as_request("/v1/sessions", {"sent_at": now(), "badge": "FJ1", "password": 1})


async def a_password_that_is_a_book(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_phone(app), as_request("/v1/sessions", {"sent_at": now(), "badge": "FJ1", "password": "x" * 257})


async def a_badge_with_an_injection(app: Litestar) -> tuple[Client, BadRequest]:
    return await a_phone(app), as_request(
        "/v1/sessions", {"sent_at": now(), "badge": "' OR 1=1 --", "password": PASSWORD}
    )


SITUATIONS: dict[Situation, tuple[int, str]] = {
    a_reused_id: (409, "id_reused"),
    somebody_elses_shift: (404, "unknown_shift"),
    confirming_for_another: (403, "not_the_named_officer"),
    naming_a_colleague: (422, "not_an_officer"),
    an_officer_who_checks_in: (403, "not_for_your_role"),
    completing_with_everything_missing: (409, "parts_missing"),
    completing_somebody_elses: (404, "unknown_upload"),
    completing_what_is_not_there: (404, "unknown_upload"),
    completing_without_a_digest: (422, "digest_missing"),
    completing_another_file: (409, "digest_differs"),
    completing_with_a_naive_time: (422, "invalid"),
    a_part_beyond_the_file: (422, "part_out_of_range"),
    a_part_below_the_first: (422, "invalid"),
    a_part_beyond_what_the_store_takes: (422, "invalid"),
    a_shift_that_is_no_id: (404, "not_found"),
    a_shift_that_is_not_there: (404, "unknown_shift"),
    an_address_that_is_not_there: (404, "not_found"),
    an_address_that_is_not_there_for_a_stranger: (404, "not_found"),
    a_method_that_does_not_fit: (405, "method_not_allowed"),
    a_status_nobody_knows: (422, "invalid"),
    nobody_signed_in: (401, "token_missing"),
    a_password_that_is_a_number: (422, "invalid"),
    a_password_that_is_a_book: (422, "invalid"),
    a_badge_with_an_injection: (422, "invalid"),
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
async def test_what_cannot_be_done_here(app: Litestar, situation: Situation) -> None:
    """Each is refused in words, and changes nothing."""
    someone, (method, path, body, headers) = await situation(app)
    status, code = SITUATIONS[situation]
    before = await rows()
    chinese = await someone.ask(method, path, content=body, headers=headers)
    english = await someone.ask(method, path, content=body, headers=headers, english=True)
    assert before == await rows()
    assert [(status, code)] * 2 == [(each.status_code, each.json().get("code")) for each in (chinese, english)]
    assert chinese.json()["detail"] != english.json()["detail"]
    assert path.partition("?")[0] == chinese.json()["instance"]
    if status == 405:
        assert "POST" in chinese.headers["allow"]
    if code == "parts_missing":
        assert [1, 2, 3] == chinese.json()["missing"]


async def test_a_refusal_is_never_kept_by_a_cache(lin: Someone) -> None:
    """Somebody else's phone behind the same proxy does not get it."""
    answer = await lin.get(f"/v1/shifts/{uuid4()}")
    assert ("no-store", "nosniff") == (answer.headers["cache-control"], answer.headers["x-content-type-options"])
