"""Uploads: parts go straight to the store, are joined once, and the device gets a receipt."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar import Litestar
from minio.commonconfig import COMPLIANCE
from minio.objectlockconfig import DAYS, ObjectLockConfig

from backend.core.database import execute, fetch, first, value
from backend.core.settings import Settings
from backend.evidence import excess, multipart, sealing
from backend.law.catalogue import law
from mobile_api.client.api import read_receipt
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, ObjectUnknown
from tests.builders import Someone, a_duty_auxiliary, ago, now, recorded, refused, some_footage
from tests.databases import by_owner, taken_for_ours
from tests.devices import (
    MIB,
    PART,
    complete,
    completed,
    declare,
    declare_while_recording,
    opened_in_store,
    parts_of,
    piece_of,
    put,
    put_past_its_url,
    received,
    row_of,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
    some_bytes,
    standing_of,
)
from tests.endpoint import bucket

BIG = some_bytes(20 * MIB, "a patrol in three parts")
SMALL = some_bytes(300_000, "a patrol in one part")
REFUSED_ROWS = "SELECT removed_at FROM refused_version WHERE upload = $1"
LINES = "SELECT count(*) FROM journal WHERE subjects @> ARRAY[$1::uuid] AND verb = $2"


# -- from the declaration to the receipt


async def test_footage_goes_up_in_parts_and_comes_back_as_a_receipt(app: Litestar) -> None:
    """Declare, send the parts to the store, complete, seal: the device holds a receipt that anybody can verify."""
    lin = await a_duty_auxiliary(app)
    declared = await declare(lin, BIG)
    upload = declared["id"]
    assert ("declared", PART, None) == (declared["state"], declared["part_size"], declared["same_as"])
    parts = await parts_of(lin, upload)
    assert ([], 3) == (parts["have"], parts["parts"])
    assert [(1, 0, PART), (2, PART, PART), (3, 2 * PART, 4 * MIB)] == [
        (part["number"], part["offset"], part["bytes"]) for part in parts["missing"]
    ]
    assert 3 == await send_missing(lin, upload, BIG)
    there = await parts_of(lin, upload)
    assert ([[1, 3]], [], "receiving") == (there["have"], there["missing"], there["state"])
    assert "received" == await completed(lin, upload)
    waiting = await standing_of(lin, upload)
    assert ("received", None) == (waiting["state"], waiting["receipt"])
    await run_seal(app, upload)
    standing = await standing_of(lin, upload)
    keys = (await lin.get("/.well-known/jwks.json")).json()["keys"]
    claims = read_receipt(standing["receipt"], keys)
    assert {"iss", "id", "sha256", "bytes", "sealed_at"} == set(claims)
    assert (upload, sha256_of(BIG), len(BIG)) == (claims["id"], claims["sha256"], claims["bytes"])
    assert timedelta() <= now() - datetime.fromisoformat(claims["sealed_at"]) < timedelta(seconds=30)


async def test_the_stored_version_holds_exactly_the_bytes_that_were_sent(app: Litestar) -> None:
    """Parts are joined in order, whatever the order of arrival."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    for part in reversed((await parts_of(lin, upload))["missing"]):
        assert 200 == put(part, piece_of(BIG, part))
    assert "received" == await completed(lin, upload)
    row = await row_of(upload)
    stored = await app.state.store.find(row["object_key"])
    assert (sha256_of(BIG), len(BIG)) == await app.state.store.digest(stored.key, stored.version)


async def test_a_camera_app_uploads_while_it_records(app: Litestar) -> None:
    """Size, digest and end come at completion; parts are asked for before they are known."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    first_two = await parts_of(lin, upload, limit=2)
    assert (None, [1, 2]) == (first_two["parts"], [part["number"] for part in first_two["missing"]])
    for part in first_two["missing"]:
        assert PART == part["bytes"]
        assert 200 == put(part, piece_of(BIG, part))
    then = await parts_of(lin, upload, bytes=len(BIG))
    assert ([[1, 2]], [3]) == (then["have"], [part["number"] for part in then["missing"]])
    assert 200 == put(then["missing"][0], BIG[2 * PART :])
    ended = ago(minutes=5)
    assert "received" == await completed(lin, upload, bytes=len(BIG), sha256=sha256_of(BIG), ended_at=ended)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    assert ended == await value("SELECT ended_at FROM recording WHERE id = $1", UUID(upload))


async def test_a_recording_that_never_said_when_it_ended_is_sealed_with_a_finding(app: Litestar) -> None:
    """It is not known then how much of the act it shows."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    part = (await parts_of(lin, upload, bytes=len(SMALL)))["missing"][0]
    assert 200 == put(part, SMALL)
    assert "received" == await completed(lin, upload, bytes=len(SMALL), sha256=sha256_of(SMALL))
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    assert {"not_media"} == {row["kind"] for row in await fetch("SELECT kind FROM finding WHERE subject = $1", upload)}


async def test_a_paper_goes_the_same_way(app: Litestar) -> None:
    """A photographed paper is sealed and gets a receipt too; it has no duration to check."""
    lin = await a_duty_auxiliary(app)
    paper = {"title": "现场勘查照片", "file_name": "现场 01.jpg", "media_type": "image/jpeg"}
    known = {"bytes": len(SMALL), "sha256": sha256_of(SMALL)}
    upload = recorded(await lin.post("/v1/documents/declare", **paper, **known))["id"]
    await send_missing(lin, upload, SMALL)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    keys = (await lin.get("/.well-known/jwks.json")).json()["keys"]
    assert sha256_of(SMALL) == read_receipt((await standing_of(lin, upload))["receipt"], keys)["sha256"]
    assert 0 == await value("SELECT count(*) FROM finding WHERE subject = $1", UUID(upload))


# -- what is missing


async def test_asking_again_gives_fresh_urls_and_what_is_there(app: Litestar) -> None:
    """Nothing expires on a device: it asks again, and the new URLs are valid for an hour."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    before = (await parts_of(lin, upload))["missing"]
    assert 200 == put(before[1], piece_of(BIG, before[1]))
    await asyncio.sleep(1.1)  # the time in a signature is in whole seconds
    after = await parts_of(lin, upload)
    assert ([[2, 2]], [1, 3]) == (after["have"], [part["number"] for part in after["missing"]])
    assert before[0]["url"] != after["missing"][0]["url"]
    assert before[0]["url_expires_at"] < after["missing"][0]["url_expires_at"]
    left = datetime.fromisoformat(after["missing"][0]["url_expires_at"]) - now()
    assert timedelta(minutes=59) < left <= law().span("part_url_life")


async def test_another_process_of_the_same_person_goes_on(app: Litestar) -> None:
    """The phone died: the same person's next one asks for the missing parts and sends only these."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    begun = (await parts_of(lin, upload))["missing"]
    assert 200 == put(begun[0], piece_of(BIG, begun[0]))
    another = Someone(app, id=lin.id, badge=lin.badge, name=lin.name)
    await another.open()
    assert 2 == await send_missing(another, upload, BIG)
    assert "received" == await completed(another, upload)


async def test_a_device_sends_parts_of_the_size_it_likes(app: Litestar) -> None:
    """Told in the answer to the declaration; a size that the store cannot take is not taken, and refuses nothing."""
    lin = await a_duty_auxiliary(app)
    upload = await declare(lin, BIG, part_size=6 * MIB)
    assert 6 * MIB == upload["part_size"]
    assert [6 * MIB] * 3 + [2 * MIB] == [part["bytes"] for part in (await parts_of(lin, upload["id"]))["missing"]]
    await send_missing(lin, upload["id"], BIG)
    assert "received" == await completed(lin, upload["id"])
    assert PART == (await declare(lin, SMALL, part_size=1))["part_size"]


async def test_each_part_that_is_there_is_told_with_its_size_and_tag(app: Litestar) -> None:
    """From a number on; and a URL for a part that is there already, whose bytes then take its place."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    first, second, _ = (await parts_of(lin, upload))["missing"]
    for part in (first, second):
        assert 200 == put(part, bytes(part["bytes"]))
    was = (await parts_of(lin, upload))["stored"]
    await asyncio.sleep(1.1)  # of two in one second, the store cannot tell which is the later
    again = (await parts_of(lin, upload, part=1))["part"]
    assert (1, 0, PART) == (again["number"], again["offset"], again["bytes"])
    assert 200 == put(again, piece_of(BIG, again))
    stored = (await parts_of(lin, upload))["stored"]
    assert [(1, PART), (2, PART)] == [(part["number"], part["bytes"]) for part in stored]
    assert was[0]["etag"] != stored[0]["etag"]  # under encryption it is no digest of the bytes
    assert was[1] == stored[1]
    assert [2] == [part["number"] for part in (await parts_of(lin, upload, **{"from": 2}))["stored"]]
    refused(await lin.get(f"/v1/uploads/{upload}/parts", part=4), 422, "part_out_of_range")


async def test_the_device_gives_an_upload_up_and_takes_it_up_again(app: Litestar) -> None:
    """Once in the journal, however often it is told; the parts stay, and asking for them goes on."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, upload))["missing"][0]
    assert 200 == put(part, piece_of(BIG, part))
    for _ in range(2):
        assert "abandoned" == (await lin.tell(f"/v1/uploads/{upload}/abort")).json()["state"]
    assert 1 == await value(LINES, UUID(upload), "uploads/abort")
    assert 1 == len(await opened_in_store(app, upload))
    there = await parts_of(lin, upload)
    assert ("receiving", [[1, 1]]) == (there["state"], there["have"])
    await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload)
    refused(await lin.tell(f"/v1/uploads/{upload}/abort"), 409, "already_received")


async def test_what_was_given_up_is_swept_after_its_term(app: Litestar) -> None:
    """Until then its parts count against the quota of their owner."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, upload))["missing"][0]
    assert 200 == put(part, piece_of(BIG, part))
    await lin.tell(f"/v1/uploads/{upload}/abort")
    await sealing.sweep(app.state.store, now())
    assert 1 == len(await opened_in_store(app, upload))
    await sealing.sweep(app.state.store, now() + timedelta(days=32))
    assert [] == await opened_in_store(app, upload)


async def test_only_the_device_that_declared_it_gives_an_upload_up(app: Litestar) -> None:
    """Another phone of the same person may go on with it; another person knows nothing of it."""
    lin, wang = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    other = Someone(app, id=lin.id, badge=lin.badge, name=lin.name)
    await other.open()
    refused(await other.tell(f"/v1/uploads/{upload}/abort"), 403, "not_its_device")
    refused(await wang.tell(f"/v1/uploads/{upload}/abort"), 404, "unknown_upload")
    assert 200 == (await other.get(f"/v1/uploads/{upload}/parts")).status_code


async def test_a_part_damaged_on_the_way_is_refused_and_still_missing(app: Litestar) -> None:
    """The store checks Content-MD5, so a damaged part is sent again at once, not only after sealing."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, upload))["missing"][0]
    right = piece_of(BIG, part)
    assert 400 == put(part, b"\x00" + right[1:], md5_of=right)
    after = await parts_of(lin, upload)
    assert ([], [1, 2, 3]) == (after["have"], [part["number"] for part in after["missing"]])


async def test_two_parts_that_were_swapped_are_found_at_sealing(app: Litestar) -> None:
    """Each part has its right digest, but the file has not, and is sent again."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    one, two, last = (await parts_of(lin, upload))["missing"]
    for part, piece in ((one, two), (two, one), (last, last)):
        assert 200 == put(part, piece_of(BIG, piece))
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "mismatch" == (await standing_of(lin, upload))["state"]
    assert 3 == await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_a_part_of_the_wrong_size_is_still_missing(app: Litestar) -> None:
    """A part that was cut short, in a store that takes it, does not count; sent again in full, the file is complete."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    first_part, second_part, _ = (await parts_of(lin, upload))["missing"]
    assert 403 == put(first_part, BIG[: 6 * MIB])
    await put_past_its_url(app, upload, 1, BIG[: 6 * MIB])
    assert 200 == put(second_part, piece_of(BIG, second_part))
    after = await parts_of(lin, upload)
    assert ([[2, 2]], [1, 3]) == (after["have"], [part["number"] for part in after["missing"]])
    await asyncio.sleep(1.1)  # the times of parts in the store are whole seconds
    await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_completing_with_parts_missing_lists_them(app: Litestar) -> None:
    """The device learns the numbers and sends these parts; nothing else changed."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    assert [1, 2, 3] == refused(await complete(lin, upload), 409, "parts_missing")["missing"]
    second = (await parts_of(lin, upload))["missing"][1]
    assert 200 == put(second, piece_of(BIG, second))
    assert [1, 3] == refused(await complete(lin, upload), 409, "parts_missing")["missing"]
    assert 2 == await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({"from": 4}, "part_out_of_range", id="beyond-the-file"),
        pytest.param({"from": 10_000}, "part_out_of_range", id="far-beyond"),
        pytest.param({"from": 0}, "invalid", id="before-the-first"),
        pytest.param({"from": 10_001}, "invalid", id="more-than-an-upload-holds"),
        pytest.param({"from": "two"}, "invalid", id="no-number"),
        pytest.param({"limit": 0}, "invalid", id="none-at-all"),
    ],
)
async def test_a_part_number_out_of_range_is_refused(app: Litestar, query: dict[str, object], code: str) -> None:
    """A file of three parts has no fourth."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    refused(await lin.get(f"/v1/uploads/{upload}/parts", **query), 422, code)


async def test_parts_can_be_asked_for_from_a_number_on(app: Litestar) -> None:
    """Several lanes may each send another stretch of the file."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    parts = await parts_of(lin, upload, **{"from": 2, "limit": 1})
    assert [2] == [part["number"] for part in parts["missing"]]


async def test_the_parts_of_a_long_file_come_in_several_answers(app: Litestar) -> None:
    """An hour in 1080p is some 330 parts; no answer carries more URLs than the term allows."""
    lin = await a_duty_auxiliary(app)
    upload = recorded(await lin.declare(bytes=int(2.6e9), sha256=sha256_of(b"an hour")))["id"]
    parts = await parts_of(lin, upload)
    assert (310, law().count("part_urls_at_once")) == (parts["parts"], len(parts["missing"]))
    last = await parts_of(lin, upload, **{"from": 310})
    assert [310] == [part["number"] for part in last["missing"]]


# -- a URL takes exactly its part


async def test_while_the_size_is_not_known_there_are_urls_for_full_parts_only(app: Litestar) -> None:
    """The last part's URL comes once the length is declared, and takes exactly that many bytes."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    one, two = (await parts_of(lin, upload, limit=2))["missing"]
    assert 200 == put(one, piece_of(BIG, one))
    tail = BIG[2 * PART :]
    assert [403, 403] == [put(two, tail), put(two, BIG[: PART + 1])]
    assert 200 == put(two, piece_of(BIG, two))
    answer = await parts_of(lin, upload, bytes=len(BIG))
    assert (3, [[1, 2]]) == (answer["parts"], answer["have"])
    assert [(3, 2 * PART, len(tail))] == [(part["number"], part["offset"], part["bytes"]) for part in answer["missing"]]
    assert [403, 403, 200] == [put(answer["missing"][0], content) for content in (tail[1:], tail + b"x", tail)]
    assert [] == (await parts_of(lin, upload, bytes=len(BIG)))["missing"]
    assert (await parts_of(lin, upload, limit=1))["parts"] is None  # asking binds nobody
    assert "received" == await completed(lin, upload, bytes=len(BIG), sha256=sha256_of(BIG))


async def test_the_size_that_is_told_with_a_question_is_checked(app: Litestar) -> None:
    """It must agree with the declaration and keep to the ceiling; a part beyond it is out of range."""
    lin = await a_duty_auxiliary(app)
    known, unknown = (await declare(lin, BIG))["id"], (await declare_while_recording(lin))["id"]
    assert 3 == (await parts_of(lin, known, bytes=len(BIG)))["parts"]
    refused(await lin.get(f"/v1/uploads/{known}/parts", bytes=len(BIG) + 1), 409, "digest_differs")
    too_large = law().count("file_ceiling") + 1
    refused(await lin.get(f"/v1/uploads/{unknown}/parts", bytes=too_large), 422, "file_too_large")
    refused(await lin.get(f"/v1/uploads/{unknown}/parts", bytes=0), 422, "invalid")
    refused(await lin.get(f"/v1/uploads/{unknown}/parts", bytes=PART, **{"from": 2}), 422, "part_out_of_range")


async def as_an_old_phone(someone: Someone, upload: str, content: bytes) -> int:
    """What phones of 0.1 do with a film whose size they did not declare: they never tell it but at completion.

    After a part that did not arrive they ask for the parts again, give up after eight failures, and complete; where
    parts are missing they ask again. Returns how many PUTs the store refused.
    """
    refusals = 0
    for _ in range(4):
        failures = 0
        while failures <= 8 and (missing := (await parts_of(someone, upload, limit=1))["missing"]):
            piece = piece_of(content, missing[0])
            if not piece:
                break
            failures = 0 if put(missing[0], piece) == 200 else failures + 1
            refusals += failures > 0
        answer = await complete(someone, upload, bytes=len(content), sha256=sha256_of(content))
        if answer.status_code == 200:
            return refusals
        refused(answer, 409, "parts_missing")
    raise AssertionError("the old phone does not get home")


@pytest.mark.parametrize("size", [5, PART, PART + 1, len(BIG)], ids=["tiny", "one-part", "one-and-a-byte", "three"])
async def test_an_old_phone_that_sends_a_shorter_last_part_gets_home(app: Litestar, size: int) -> None:
    """The store refuses it; completion tells the size, and the next question has the URL of the last part."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    refusals = await as_an_old_phone(lin, upload, BIG[:size])
    assert (size % PART > 0) == (refusals > 0)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_a_size_told_at_a_completion_that_was_refused_binds_nobody(app: Litestar) -> None:
    """The camera went on recording: the next completion tells more, and that counts."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    refused(await complete(lin, upload, bytes=5, sha256=sha256_of(BIG[:5])), 409, "parts_missing")
    assert [5] == [part["bytes"] for part in (await parts_of(lin, upload))["missing"]]
    declared = {"bytes": len(BIG), "sha256": sha256_of(BIG)}
    assert [1, 2, 3] == refused(await complete(lin, upload, **declared), 409, "parts_missing")["missing"]
    assert 3 == await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload, **declared)


async def test_of_a_part_sent_twice_the_last_that_its_sender_knows_is_joined(app: Litestar) -> None:
    """Both stand in the store's list with the same second; the device tells the ETag of its last PUT."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await parts_of(lin, upload)
    wrong, right = [await put_past_its_url(app, upload, 1, content) for content in (SMALL[::-1], SMALL)]
    lost = [{"number": 1, "etag": "f" * 32}]  # the store does not have what its sender sent last
    assert [1] == refused(await complete(lin, upload, parts=lost), 409, "parts_missing")["missing"]
    assert "received" == await completed(lin, upload, parts=[{"number": 1, "etag": f'"{right}"'}])
    assert "received" == await completed(lin, upload, parts=[{"number": 1, "etag": wrong}])  # twice is once
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


@pytest.mark.parametrize(
    "parts",
    [
        [{"number": 0, "etag": "a"}], [{"number": 10_001, "etag": "a"}], [{"number": 1, "etag": ""}],
        [{"number": 1, "etag": "a\nb"}], [{"number": 1, "etag": "a" * 101}], [{"number": 1}], "1",
    ],
    ids=["zero", "beyond", "empty", "two-lines", "long", "none", "text"],
)  # fmt: skip
async def test_a_part_that_cannot_be_is_refused(app: Litestar, parts: object) -> None:
    """Numbers as the store has them, and a tag on one line."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    refused(await complete(lin, upload, parts=parts), 422, "invalid")


async def test_the_tags_of_ten_thousand_parts_fit_into_a_completion(app: Litestar) -> None:
    """As many as an upload may have."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL)
    parts = [{"number": number, "etag": "0" * 32} for number in range(2, 10_001)]
    assert "received" == await completed(lin, upload, parts=parts)


# -- whose upload, and which bytes


async def test_an_upload_of_another_person_is_unknown(app: Litestar) -> None:
    """What a person may not see is 404: parts, completion and receipt alike."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="陈文静")
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL)
    refused(await chen.get(f"/v1/uploads/{upload}/parts"), 404, "unknown_upload")
    refused(await complete(chen, upload), 404, "unknown_upload")
    refused(await chen.get(f"/v1/uploads/{upload}/receipt"), 404, "unknown_upload")
    assert "receiving" == (await row_of(upload))["state"]
    refused(await lin.get(f"/v1/uploads/{uuid4()}/parts"), 404, "unknown_upload")


@pytest.mark.parametrize("other", [{"sha256": sha256_of(b"other")}, {"bytes": len(SMALL) + 1}], ids=["digest", "size"])
async def test_the_completion_must_agree_with_the_declaration(app: Litestar, other: dict[str, object]) -> None:
    """A device that contradicts itself is refused before anything is joined."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL)
    refused(await complete(lin, upload, **other), 409, "digest_differs")
    assert "receiving" == (await row_of(upload))["state"]
    assert "received" == await completed(lin, upload)


@pytest.mark.parametrize("fields", [{}, {"bytes": 5}, {"sha256": sha256_of(b"x")}], ids=["neither", "size", "digest"])
async def test_nothing_is_received_without_size_and_digest(app: Litestar, fields: dict[str, object]) -> None:
    """Without a digest it could not be checked whether the right bytes arrived."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin))["id"]
    refused(await complete(lin, upload, **fields), 422, "digest_missing")


@pytest.mark.parametrize("ended", [{"minutes": 11}, {"hours": -2}], ids=["before its start", "ahead"])
async def test_an_end_that_cannot_be_is_none_at_completion(app: Litestar, ended: dict[str, float]) -> None:
    """The camera's clock was set while it filmed: the file's own length counts, and a finding says so once it came."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin, started_at=ago(minutes=10)))["id"]
    known = {"bytes": len(SMALL), "sha256": sha256_of(SMALL)}
    part = (await parts_of(lin, upload, bytes=len(SMALL)))["missing"][0]
    refused(await complete(lin, upload, **known, ended_at=ago(**ended)), 409, "parts_missing")
    assert not await fetch("SELECT 1 FROM finding WHERE subject = $1 AND kind = 'clock_doubtful'", UUID(upload))
    assert 200 == put(part, SMALL)
    assert "received" == await completed(lin, upload, **known, ended_at=ago(**ended))
    row = await first("SELECT ended_at, (SELECT count(*) FROM finding f WHERE f.subject = r.id AND "
                      "f.kind = 'clock_doubtful') AS found FROM recording r WHERE id = $1", UUID(upload))  # fmt: skip
    assert row is not None
    assert (None, 1) == (row["ended_at"], row["found"])


@pytest.mark.parametrize(
    "name",
    ["街面巡逻 01.mp4", ".hidden.mp4", "a" * 251 + ".mp4", "…—·.mp4", "two  spaces.mp4"],
    ids=["chinese", "dot", "255", "punctuation", "spaces"],
)
async def test_a_file_name_may_be_what_a_recorder_or_a_person_gives(app: Litestar, name: str) -> None:
    """It is stored as given, and no file is ever opened by it."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL, file_name=name))["id"]
    assert (name, True) == ((await row_of(upload))["file_name"], (await row_of(upload))["object_key"].isascii())


@pytest.mark.parametrize(
    "name",
    ["../etc/passwd", "a\\b.mp4", "..", ".", "", "a" * 256, "a\x00.mp4", "a\n.mp4", "a\u202e4pm.exe"],
    ids=["path", "backslash", "up", "here", "empty", "256", "nul", "newline", "turned-around"],
)
async def test_a_file_name_is_no_path_and_hides_nothing(app: Litestar, name: str) -> None:
    """Slashes, control characters and marks that reverse the text are refused, and nothing is stored."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.declare(file_name=name), 422, "invalid")
    assert 0 == await value("SELECT count(*) FROM upload WHERE owner = $1", lin.id)


# -- the same again


async def test_completing_twice_gives_the_same_answer(app: Litestar) -> None:
    """The answer was lost: the device sends it again, before and after the sealing."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == await completed(lin, upload)
    assert 1 == await value(
        "SELECT count(*) FROM journal WHERE verb = 'uploads/complete' AND $1 = ANY(subjects)", UUID(upload)
    )


async def test_completing_five_times_at_once_is_completing_once(app: Litestar) -> None:
    """Phone, dock and their retries may all complete it at the same moment."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    await send_missing(lin, upload, BIG)
    answers = await asyncio.gather(*(complete(lin, upload) for _ in range(5)))
    assert [(200, "received")] * 5 == [(answer.status_code, answer.json().get("state")) for answer in answers]
    assert 1 == await value(
        "SELECT count(*) FROM journal WHERE verb = 'uploads/complete' AND $1 = ANY(subjects)", UUID(upload)
    )
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_the_same_bytes_of_the_same_wearer_are_one_recording(app: Litestar) -> None:
    """Phone and dock both bring the file: the second is answered at once with the sealed one."""
    lin = await a_duty_auxiliary(app)
    kept = await sealed(app, lin, SMALL)
    again = await declare(lin, SMALL)
    assert ("sealed", kept) == (again["state"], again["same_as"])
    assert [] == (await parts_of(lin, again["id"]))["missing"]
    assert "sealed" == await completed(lin, again["id"])
    assert (await standing_of(lin, kept))["receipt"] == (await standing_of(lin, again["id"]))["receipt"]
    listed = (await lin.get("/v1/recordings")).json()["items"]
    assert [kept] == [row["id"] for row in listed]


async def test_the_same_bytes_declared_again_before_sealing_share_one_upload(app: Litestar) -> None:
    """Two ids, one upload: parts that one sent, the other need not send."""
    lin = await a_duty_auxiliary(app)
    begun = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, begun))["missing"][0]
    assert 200 == put(part, piece_of(BIG, part))
    again = await declare(lin, BIG)
    assert (begun, "receiving") == (again["same_as"], again["state"])
    assert [[1, 1]] == (await parts_of(lin, again["id"]))["have"]
    assert 2 == await send_missing(lin, again["id"], BIG)
    assert "received" == await completed(lin, again["id"])
    assert "received" == (await standing_of(lin, begun))["state"]


async def _sent_but_undeclared(someone: Someone, content: bytes) -> tuple[str, dict[str, object]]:
    """An upload whose parts were sent but not its size and digest; and the fields of its completion."""
    upload = (await declare_while_recording(someone))["id"]
    assert 200 == put((await parts_of(someone, upload, bytes=len(content)))["missing"][0], content)
    return upload, {"bytes": len(content), "sha256": sha256_of(content), "ended_at": ago(minutes=1)}


async def test_a_digest_that_comes_at_completion_finds_the_same_bytes(app: Litestar) -> None:
    """The answer is the receipt of the bytes that are kept already; the second copy is removed from the store."""
    lin = await a_duty_auxiliary(app)
    kept = await sealed(app, lin, SMALL)
    upload, fields = await _sent_but_undeclared(lin, SMALL)
    key = (await row_of(upload))["object_key"]
    assert "sealed" == await completed(lin, upload, **fields)
    assert (await standing_of(lin, kept))["receipt"] == (await standing_of(lin, upload))["receipt"]
    assert UUID(kept) == (await row_of(upload))["same_as"]
    assert [] == await opened_in_store(app, upload)
    assert len(SMALL) == (await app.state.store.find(key)).bytes, "until it was read"
    await sealing.compare(app.state.store, UUID(upload))
    with pytest.raises(ObjectUnknown):
        await app.state.store.find(key)
    await sealing.compare(app.state.store, UUID(upload))


async def test_a_second_copy_that_is_another_film_is_not_removed(app: Litestar) -> None:
    """A device that tells the digest of another film: its bytes stay for the term of a mismatch, and a line says so."""
    lin = await a_duty_auxiliary(app)
    kept = await sealed(app, lin, SMALL)
    upload, fields = await _sent_but_undeclared(lin, SMALL[:-1] + b"!")
    assert "sealed" == await completed(lin, upload, **fields | {"sha256": sha256_of(SMALL)})
    for _ in range(2):
        await sealing.compare(app.state.store, UUID(upload))
    row = await row_of(upload)
    stored = await app.state.store.find(row["object_key"])
    assert UUID(kept) == row["same_as"]
    assert stored.version in await excess.refused(row["id"])
    line = "SELECT count(*) FROM journal WHERE verb = 'evidence/mismatch' AND $1 = ANY (subjects)"
    assert 1 == await value(line, row["id"])
    assert 0 == await excess.remove_refused(app.state.store, now())


async def test_a_second_copy_stays_until_the_first_was_read(app: Litestar) -> None:
    """Nobody has read the first one yet: the second may be the only good one."""
    lin = await a_duty_auxiliary(app)
    first = (await declare(lin, SMALL))["id"]
    await send_missing(lin, first, SMALL)
    assert "received" == await completed(lin, first)
    upload, fields = await _sent_but_undeclared(lin, SMALL)
    assert "received" == await completed(lin, upload, **fields)
    with pytest.raises(sealing.NotSealedYet):
        await sealing.compare(app.state.store, UUID(upload))
    assert len(SMALL) == (await app.state.store.find((await row_of(upload))["object_key"])).bytes


async def test_the_same_bytes_completed_twice_at_once_under_a_second_id(app: Litestar) -> None:
    """Each call is answered with the recording that is kept."""
    lin = await a_duty_auxiliary(app)
    await sealed(app, lin, SMALL)
    upload, fields = await _sent_but_undeclared(lin, SMALL)
    answers = await asyncio.gather(*(complete(lin, upload, **fields) for _ in range(4)))
    assert [(200, "sealed")] * 4 == [(answer.status_code, answer.json().get("state")) for answer in answers]


async def test_a_digest_that_comes_at_completion_finds_an_unfinished_upload(app: Litestar) -> None:
    """The dock declared the file and sent nothing yet; the phone is quicker, and its bytes count for both."""
    lin = await a_duty_auxiliary(app)
    waiting = (await declare(lin, SMALL))["id"]
    upload, fields = await _sent_but_undeclared(lin, SMALL)
    assert "received" == await completed(lin, upload, **fields)
    assert UUID(upload) == (await row_of(waiting))["same_as"]
    await run_seal(app, upload)
    assert "sealed" == await completed(lin, waiting)
    assert (await standing_of(lin, upload))["receipt"] == (await standing_of(lin, waiting))["receipt"]


async def test_what_was_begun_under_an_id_that_became_anothers_is_aborted_by_its_id(app: Litestar) -> None:
    """The dock had sent a part when the phone was done. A store may forget its list; we know what we opened."""
    lin = await a_duty_auxiliary(app)
    waiting = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, waiting))["missing"][0]
    assert 200 == put(part, piece_of(BIG, part))
    upload = (await declare_while_recording(lin))["id"]
    for part in (await parts_of(lin, upload, bytes=len(BIG)))["missing"]:
        assert 200 == put(part, piece_of(BIG, part))
    fields = {"bytes": len(BIG), "sha256": sha256_of(BIG), "ended_at": ago(minutes=1)}
    assert "received" == await completed(lin, upload, **fields)
    opened = (await row_of(waiting))["store_upload"]
    assert ("same_as", [opened]) == ((await row_of(waiting))["state"], await opened_in_store(app, waiting))
    await sealing.sweep(app.state.store, now())
    assert ([], None) == (await opened_in_store(app, waiting), (await row_of(waiting))["store_upload"])
    assert "received" == (await standing_of(lin, waiting))["state"]


async def test_a_version_that_was_there_before_is_not_what_was_sent(app: Litestar) -> None:
    """Bytes of the same size lie under the key already; the store forgets the upload: the parts are asked for again."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await app.state.store.put((await row_of(upload))["object_key"], SMALL[::-1], "video/webm")
    assert 1 == await send_missing(lin, upload, SMALL)
    row = await row_of(upload)
    await app.state.store.abort_upload(row["object_key"], row["store_upload"])
    assert [] == (await parts_of(lin, upload))["have"]
    answer = await complete(lin, upload)
    assert (409, "parts_missing") == (answer.status_code, answer.json()["code"])
    assert 1 == await send_missing(lin, upload, SMALL)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


# -- a bucket that locks by itself


@pytest.fixture
async def locking(app: Litestar, house: Settings) -> AsyncIterator[EvidenceStore]:
    """The house's store is a bucket that keeps for a day whatever comes in: what MinIO's own guide sets up."""
    usual, settings = app.state.store, msgspec.structs.replace(house, s3_bucket=bucket("locks-by-itself"))
    app.state.store = taken_for_ours(store_of(settings))
    await app.state.store.prepare()
    sdk = app.state.store._client
    await asyncio.to_thread(sdk.set_object_lock_config, settings.s3_bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    yield app.state.store
    app.state.store.close()
    app.state.store = usual


async def test_a_mismatch_is_told_though_what_came_is_locked(app: Litestar, locking: EvidenceStore) -> None:
    """The device sends again; what came first goes when its lock ends, and is taken for nothing until then."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL[::-1])
    assert "received" == await completed(lin, upload)
    wrong = await locking.find((await row_of(upload))["object_key"])
    assert await locking.locked_until(wrong.key, wrong.version) is not None, "the bucket does not lock by itself"
    await run_seal(app, upload)
    assert "mismatch" == (await standing_of(lin, upload))["state"]
    await excess.remove_refused(locking, now() + timedelta(days=400))
    assert [None] == [row["removed_at"] for row in await fetch(REFUSED_ROWS, UUID(upload))]
    assert wrong == await locking.find(wrong.key)
    assert 1 == await send_missing(lin, upload, SMALL)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_bytes_that_are_sealed_already_are_told_so_though_the_second_copy_is_locked(
    app: Litestar, locking: EvidenceStore
) -> None:
    """The job that compares the copies ends, and the sweep tries to remove the second one until its lock is over."""
    lin = await a_duty_auxiliary(app)
    kept = await sealed(app, lin, SMALL)
    upload, fields = await _sent_but_undeclared(lin, SMALL)
    assert "sealed" == await completed(lin, upload, **fields)
    assert UUID(kept) == (await row_of(upload))["same_as"]
    for _ in range(2):
        await sealing.compare(locking, UUID(upload))
    await excess.remove_refused(locking, now() + timedelta(days=400))
    assert [None] == [row["removed_at"] for row in await fetch(REFUSED_ROWS, UUID(upload))]
    assert len(SMALL) == (await locking.find((await row_of(upload))["object_key"])).bytes


async def test_another_persons_same_bytes_are_their_own_recording(app: Litestar) -> None:
    """Nobody learns whether another person has the same bytes."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="陈文静")
    kept = await sealed(app, lin, SMALL)
    own = await declare(chen, SMALL)
    assert ("declared", None) == (own["state"], own["same_as"])
    await send_missing(chen, own["id"], SMALL)
    assert "received" == await completed(chen, own["id"])
    await run_seal(app, own["id"])
    receipts = {(await standing_of(lin, kept))["receipt"], (await standing_of(chen, own["id"]))["receipt"]}
    assert 2 == len(receipts)


# -- two processes at once, or one that was killed


async def test_two_processes_that_open_an_upload_at_once_open_one(app: Litestar) -> None:
    """The second one uses what the first opened, and leaves nothing else open in the store."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    answers = await asyncio.gather(*(parts_of(lin, upload) for _ in range(6)))
    assert [3] * 6 == [len(answer["missing"]) for answer in answers]
    assert [(await row_of(upload))["store_upload"]] == await opened_in_store(app, upload)
    for number, answer in enumerate(answers[:3]):  # the URLs of each answer are of the same upload
        assert 200 == put(answer["missing"][number], piece_of(BIG, answer["missing"][number]))
    assert "received" == await completed(lin, upload)


async def test_an_upload_that_the_store_forgot_starts_over(app: Litestar) -> None:
    """Somebody cleaned up the store: the device sends the parts again, and nothing is stuck."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, upload))["missing"][0]
    assert 200 == put(part, piece_of(BIG, part))
    row = await row_of(upload)
    await app.state.store.abort_upload(row["object_key"], row["store_upload"])
    refused(await complete(lin, upload), 409, "parts_missing")
    after = await parts_of(lin, upload)
    assert ([], [1, 2, 3]) == (after["have"], [part["number"] for part in after["missing"]])
    assert 3 == await send_missing(lin, upload, BIG)
    assert "received" == await completed(lin, upload)


@pytest.mark.parametrize("asks_first", [True, False], ids=["asks-for-parts", "completes-again"])
@pytest.mark.parametrize("known", [True, False], ids=["declared-digest", "digest-at-complete"])
async def test_a_process_killed_after_the_store_joined_the_parts(app: Litestar, asks_first: bool, known: bool) -> None:
    """It died before it recorded that; the next call goes on from there."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, BIG) if known else await declare_while_recording(lin))["id"]
    for part in (await parts_of(lin, upload, bytes=len(BIG)))["missing"]:
        assert 200 == put(part, piece_of(BIG, part))
    row, store = await row_of(upload), app.state.store
    await execute(multipart.SET_SIZE, row["id"], len(BIG))
    await store.complete_upload(
        row["object_key"], row["store_upload"], await store.parts(row["object_key"], row["store_upload"])
    )
    if asks_first:
        there = await parts_of(lin, upload)
        assert ([[1, 3]], []) == (there["have"], there["missing"])
    fields = {} if known else {"bytes": len(BIG), "sha256": sha256_of(BIG), "ended_at": ago(minutes=1)}
    assert "received" == await completed(lin, upload, **fields)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


# -- bounds


async def test_a_person_may_not_have_too_many_open_uploads(app: Litestar) -> None:
    """More files than a handheld collects in weeks offline are a fault or an attack; none of them is locked."""
    lin = await a_duty_auxiliary(app)
    await by_owner(
        """
        INSERT INTO upload (id, kind, owner, organ, declared_by, file_name, media_type, state, part_size, object_key,
            declared_at, touched_at)
        SELECT gen_random_uuid(), 'recording', $1, $2, $1, 'x.mp4', 'video/mp4', 'declared', 8388608,
            'quota/' || gen_random_uuid(), now(), now() FROM generate_series(1, $3)
        """,
        lin.id, lin.organ, law().count("open_uploads_ceiling") - 1,
    )  # fmt: skip
    recorded(await lin.declare(bytes=5, sha256=sha256_of(b"the last one")))
    refused(await lin.declare(bytes=5, sha256=sha256_of(b"one too many")), 429, "too_many_uploads")
    await execute("UPDATE upload SET state = 'abandoned' WHERE owner = $1 AND object_key LIKE 'quota/%'", lin.id)
    recorded(await lin.declare(bytes=5, sha256=sha256_of(b"there is room again")))


async def test_a_person_may_not_have_too_many_unsealed_bytes(app: Litestar) -> None:
    """At most three weeks of footage wait; a file that is known already does not count."""
    lin = await a_duty_auxiliary(app)
    whole_day = law().count("file_ceiling")
    for number in range(law().count("unsealed_bytes_ceiling") // whole_day):
        recorded(await lin.declare(bytes=whole_day, sha256=sha256_of(b"day %d" % number)))
    refused(await lin.declare(bytes=1, sha256=sha256_of(b"one byte more")), 429, "too_many_uploads")
    recorded(await lin.declare(bytes=whole_day, sha256=sha256_of(b"day 0")))


async def test_a_file_larger_than_a_whole_day_is_refused(app: Litestar) -> None:
    """At the declaration, and at completion where the size comes only then."""
    lin = await a_duty_auxiliary(app)
    too_large = law().count("file_ceiling") + 1
    refused(await lin.declare(bytes=too_large), 422, "file_too_large")
    upload = (await declare_while_recording(lin))["id"]
    fields = {"bytes": too_large, "sha256": sha256_of(b"large"), "ended_at": some_footage()["ended_at"]}
    refused(await complete(lin, upload, **fields), 422, "file_too_large")


async def test_the_journal_has_the_upload_but_no_file_name(app: Litestar) -> None:
    """The journal holds ids, codes, times and digests only; a file name is free text."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL, file_name="张三家门口.mp4")
    rows = await fetch("SELECT entry FROM journal WHERE $1 = ANY(subjects)", UUID(upload))
    assert 2 == len(rows)
    assert all("张三".encode() not in bytes(row["entry"]) for row in rows)
    kept = await first("SELECT entry FROM journal WHERE verb = 'uploads/complete' AND $1 = ANY(subjects)", UUID(upload))
    assert sha256_of(SMALL).encode() in bytes(kept["entry"])
