"""A docking station: it signs in by itself, and uploads footage only for the people of the organs it serves."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, first, value
from backend.core.verb import Actor
from backend.evidence import service as evidence
from backend.evidence.schemas import DeclareRecording
from backend.law.catalogue import law
from backend.people import roster
from mobile_api.cli.demo_film import film
from mobile_api.client.api import read_receipt
from tests.builders import (
    CITY,
    DISTRICT,
    ELSEWHERE,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_badge,
    a_civilian_auxiliary,
    a_clerk,
    a_commander_of,
    a_day,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    leaves,
    moves,
    recorded,
    refused,
    rows_of,
    some_footage,
)
from tests.databases import by_owner
from tests.devices import (
    MIB,
    complete,
    completed,
    declare,
    declare_while_recording,
    parts_of,
    piece_of,
    put,
    row_of,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
    some_bytes,
    standing_of,
)

BIG = some_bytes(20 * MIB, "footage from a dock, in three parts")
SMALL = some_bytes(200_000, "footage from a dock, in one part")


async def recording_of(upload: Any) -> Any:
    return await first("SELECT * FROM recording WHERE id = $1", UUID(str(upload)))


# -- a principal of its own


async def test_a_dock_signs_in_like_anybody_and_is_told_what_it_is(app: Litestar) -> None:
    """It has a badge number, an organ, a password and a session; the journal names it as the actor of its entries."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    me = (await dock.get("/v1/me")).json()
    assert ("dock", STATION, []) == (me["kind"], me["organ"]["code"], me["roles"])
    upload = (await declare(dock, SMALL, wearer=lin.id))["id"]
    line = await first("SELECT actor, organ, subjects FROM journal WHERE entry_id = $1", UUID(upload))
    assert (dock.id, lin.organ) == (line["actor"], line["organ"])
    assert {UUID(upload), lin.id} <= set(line["subjects"])


async def test_what_a_dock_brings_is_the_wearers_own(app: Litestar) -> None:
    """Owner and organ are the wearer's, not the station's; the station is only the declarer."""
    dock, lin = await a_dock(app, DISTRICT), await a_duty_auxiliary(app)
    upload = (await declare(dock, SMALL, wearer=lin.id, time_source="metadata"))["id"]
    row, recording = await row_of(upload), await recording_of(upload)
    assert (lin.id, STATION, dock.id) == (row["owner"], row["organ"], row["declared_by"])
    assert (lin.id, STATION, "metadata") == (recording["wearer"], recording["organ"], recording["time_source"])
    assert [upload] == [item["id"] for item in (await lin.get("/v1/recordings")).json()["items"]]
    assert [] == (await dock.get("/v1/recordings")).json()["items"]


async def test_a_phones_own_footage_says_that_the_clock_told_its_start(app: Litestar) -> None:
    """`time_source` is `clock` unless the declaration says otherwise, as with old phones."""
    lin = await a_duty_auxiliary(app)
    assert "clock" == (await recording_of((await declare(lin, SMALL))["id"]))["time_source"]


@pytest.mark.parametrize("serving_in", [STATION, SIBLING], ids=["its-own-organ", "below-it"])
async def test_a_dock_serves_auxiliaries_and_officers_of_its_subtree(app: Litestar, serving_in: str) -> None:
    """Auxiliaries of both kinds and officers may be wearers."""
    dock = await a_dock(app, serving_in if serving_in == STATION else DISTRICT)
    wearers = [await make(app, serving_in) for make in (a_duty_auxiliary, a_civilian_auxiliary, an_officer)]
    for wearer in wearers:
        assert "declared" == (await declare(dock, SMALL, wearer=wearer.id))["state"]


async def a_leaver(app: Litestar) -> Someone:
    """Whose service ended yesterday."""
    lin = await a_duty_auxiliary(app)
    await leaves(lin, days_ago=2)
    return lin


async def somebody_of_a_sibling(app: Litestar) -> Someone:
    return await a_duty_auxiliary(app, SIBLING)


async def somebody_above(app: Litestar) -> Someone:
    return await an_officer(app, DISTRICT)


async def nobody(app: Litestar) -> Someone:
    return Someone(app, id=uuid4())


@pytest.mark.parametrize("whom", [somebody_of_a_sibling, somebody_above, a_leaver, a_clerk, a_dock, nobody])
async def test_a_dock_serves_nobody_else(app: Litestar, whom: Any) -> None:
    """People of another organ or out of service, a clerk, another dock: all are unknown, and nothing is stored."""
    dock, wearer = await a_dock(app), await whom(app)
    answer = await dock.declare(wearer=wearer.id, bytes=len(SMALL), sha256=sha256_of(SMALL))
    refused(answer, 404, "unknown_wearer")
    assert 0 == await value("SELECT count(*) FROM upload WHERE declared_by = $1", dock.id)
    assert 1 == await value("SELECT count(*) FROM journal WHERE actor = $1 AND outcome = 'denied'", dock.id)


async def test_a_dock_wears_no_camera_itself(app: Litestar) -> None:
    """A station must name the wearer, and cannot be the wearer."""
    dock = await a_dock(app)
    refused(await dock.declare(), 422, "wearer_missing")
    refused(await dock.declare(wearer=dock.id), 404, "unknown_wearer")


async def test_nobody_but_a_dock_declares_for_another(app: Litestar) -> None:
    """No colleague, leading officer or commander may declare for them."""
    lin, zhao, *_ = await a_led_patrol(app)
    for other in (await a_duty_auxiliary(app), zhao, await a_commander_of(app, STATION)):
        refused(await other.declare(wearer=lin.id), 403, "not_the_wearer")
    assert recorded(await lin.declare(wearer=lin.id))


async def test_a_dock_makes_no_other_entry(app: Litestar) -> None:
    """It is no auxiliary and no officer."""
    dock, lin, zhao = await a_dock(app), await a_duty_auxiliary(app), await an_officer(app)
    shift = recorded(await lin.check_in())["id"]
    refused(await dock.check_in(), 403, "not_for_your_role")
    refused(await dock.check_out(shift), 403, "not_for_your_role")
    refused(await dock.names(zhao), 403, "not_for_your_role")
    paper = {"title": "诊断证明", "file_name": "a.pdf", "media_type": "application/pdf"}
    refused(await dock.post("/v1/documents/declare", **paper), 403, "not_for_your_role")
    refused(await dock.get(f"/v1/shifts/{shift}"), 404, "unknown_shift")


async def test_a_dock_touches_only_uploads_that_it_declared(app: Litestar) -> None:
    """Neither the wearer's own nor another station's, though it serves the same organ."""
    dock, other, lin = await a_dock(app), await a_dock(app), await a_duty_auxiliary(app)
    of_phone = (await declare(lin, BIG))["id"]
    of_other = (await declare(other, SMALL, wearer=lin.id))["id"]
    for upload in (of_phone, of_other):
        refused(await dock.get(f"/v1/uploads/{upload}/parts"), 404, "unknown_upload")
        refused(await dock.get(f"/v1/uploads/{upload}/receipt"), 404, "unknown_upload")
        refused(await complete(dock, upload), 404, "unknown_upload")
    assert {"declared"} == {(await row_of(upload))["state"] for upload in (of_phone, of_other)}


async def test_the_wearers_quota_holds_whoever_brings_it(app: Litestar) -> None:
    """The limit counts by wearer: a station does not raise it, and one full wearer does not block another."""
    dock, lin, zhu = await a_dock(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    whole_day = law().count("file_ceiling")
    for number in range(law().count("unsealed_bytes_ceiling") // whole_day):
        recorded(await dock.declare(wearer=lin.id, bytes=whole_day, sha256=sha256_of(b"dock day %d" % number)))
    refused(await dock.declare(wearer=lin.id, bytes=1, sha256=sha256_of(b"more")), 429, "too_many_uploads")
    refused(await lin.declare(bytes=1, sha256=sha256_of(b"more")), 429, "too_many_uploads")
    recorded(await dock.declare(wearer=zhu.id, bytes=1, sha256=sha256_of(b"more")))


@pytest.mark.parametrize("source", ["guess", "", None, 1])
async def test_where_a_start_was_read_is_one_of_four(app: Litestar, source: Any) -> None:
    """The source is clock, metadata, file name or file time."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    refused(await dock.declare(wearer=lin.id, time_source=source), 422, "invalid")


async def concerned(who: Someone, kind: str, **fields: Any) -> set[UUID]:
    """The persons that this declaration locks."""
    actor = Actor(person=who.id, badge=who.badge, kind=kind, organ=who.organ, session=uuid4())
    entry = {"id": uuid4(), "occurred_at": ago(seconds=0), "device_seq": 1} | some_footage() | fields
    return set(await evidence.concerned_by_declaring(actor, DeclareRecording(**entry)))


async def test_a_declaration_concerns_the_wearer_and_whom_they_lead_while_the_camera_runs(app: Litestar) -> None:
    """Footage of the officer who leads is footage of the auxiliary's work: what follows for both is settled at once."""
    dock = await a_dock(app)
    lin, zhao, *_ = await a_led_patrol(app, minutes=30)
    assert {dock.id, lin.id} == await concerned(dock, "dock", wearer=lin.id)
    assert {dock.id, zhao.id, lin.id} == await concerned(dock, "dock", wearer=zhao.id)
    assert {zhao.id, lin.id} == await concerned(zhao, "officer")
    assert {zhao.id} == await concerned(zhao, "officer", started_at=ago(hours=3), ended_at=ago(hours=2))
    assert {zhao.id} == await concerned(zhao, "officer", started_at=ago(minutes=5), ended_at=ago(minutes=6))


async def test_nobody_is_held_up_by_a_stranger_who_names_them(app: Litestar) -> None:
    """An auxiliary who names another wearer is refused, and locks nobody but themselves."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    assert {zhu.id} == await concerned(zhu, "duty_auxiliary", wearer=lin.id)


# -- phone and dock meet


async def test_a_phone_declares_the_file_and_the_dock_brings_its_bytes(app: Litestar) -> None:
    """The phone declared the digest first: one recording, as the phone declared it, and one receipt for both."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    phones = (await declare(lin, BIG, file_name="手机申报.mp4"))["id"]
    docks = await declare(dock, BIG, wearer=lin.id, time_source="file_time")
    assert (phones, "declared") == (docks["same_as"], docks["state"])
    assert 3 == await send_missing(dock, docks["id"], BIG)
    assert "received" == await completed(dock, docks["id"])
    await run_seal(app, phones)
    receipts = {(await standing_of(who, of))["receipt"] for who, of in ((lin, phones), (dock, docks["id"]))}
    keys = (await dock.get("/.well-known/jwks.json")).json()["keys"]
    (receipt,) = receipts
    assert (phones, sha256_of(BIG)) == tuple(read_receipt(receipt, keys)[name] for name in ("id", "sha256"))
    assert [phones] == [item["id"] for item in (await lin.get("/v1/recordings")).json()["items"]]
    assert "clock" == (await recording_of(phones))["time_source"]
    assert dock.id == await value(
        "SELECT actor FROM journal WHERE verb = 'uploads/complete' AND $1 = ANY(subjects)", UUID(phones)
    )


async def test_the_dock_goes_on_with_what_the_phone_had_begun(app: Litestar) -> None:
    """The phone sent one part in the street; the station sends the other two."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    phones = (await declare(lin, BIG))["id"]
    part = (await parts_of(lin, phones))["missing"][0]
    assert 200 == await asyncio.to_thread(put, part, piece_of(BIG, part))
    docks = (await declare(dock, BIG, wearer=lin.id))["id"]
    assert [[1, 1]] == (await parts_of(dock, docks))["have"]
    assert 2 == await send_missing(dock, docks, BIG)
    assert "received" == await completed(dock, docks)


async def test_the_dock_was_first_and_the_phone_learns_that_it_is_done(app: Litestar) -> None:
    """The phone need not send a byte."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    docks = await sealed(app, dock, SMALL, wearer=lin.id)
    phones = await declare(lin, SMALL)
    assert ("sealed", docks) == (phones["state"], phones["same_as"])
    assert [] == (await parts_of(lin, phones["id"]))["missing"]
    assert (await standing_of(dock, docks))["receipt"] == (await standing_of(lin, phones["id"]))["receipt"]


async def test_a_phone_that_did_not_know_the_digest_meets_the_dock_at_complete(app: Litestar) -> None:
    """Declared while the camera ran; the dock's bytes are sealed first, and the phone's complete finds them."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    phones = (await declare_while_recording(lin))["id"]
    docks = await sealed(app, dock, SMALL, wearer=lin.id)
    assert docks != phones
    assert 200 == await asyncio.to_thread(put, (await parts_of(lin, phones, bytes=len(SMALL)))["missing"][0], SMALL)
    assert "sealed" == await completed(lin, phones, bytes=len(SMALL), sha256=sha256_of(SMALL), ended_at=ago(minutes=1))
    assert UUID(docks) == (await row_of(phones))["same_as"]
    assert [docks] == [item["id"] for item in (await lin.get("/v1/recordings")).json()["items"]]


async def test_a_phone_that_is_quicker_takes_over_what_the_dock_declared(app: Litestar) -> None:
    """The dock declared and had sent nothing yet; its own id answers with the phone's receipt."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    phones = (await declare_while_recording(lin))["id"]
    docks = (await declare(dock, SMALL, wearer=lin.id))["id"]
    assert 200 == await asyncio.to_thread(put, (await parts_of(lin, phones, bytes=len(SMALL)))["missing"][0], SMALL)
    declared = {"bytes": len(SMALL), "sha256": sha256_of(SMALL), "ended_at": ago(minutes=1)}
    assert "received" == await completed(lin, phones, **declared)
    assert [] == (await parts_of(dock, docks))["missing"]
    await run_seal(app, phones)
    assert "sealed" == await completed(dock, docks)
    assert (await standing_of(lin, phones))["receipt"] == (await standing_of(dock, docks))["receipt"]


async def test_phone_and_docks_declare_the_same_file_at_once(app: Litestar) -> None:
    """Five declare at the same moment: all are answered, and there is one recording."""
    lin, docks = await a_duty_auxiliary(app), [await a_dock(app) for _ in range(4)]
    uploads = await asyncio.gather(declare(lin, BIG), *(declare(dock, BIG, wearer=lin.id) for dock in docks))
    (original,) = [each["id"] for each in uploads if each["same_as"] is None]
    assert {original} == {each["same_as"] for each in uploads} - {None}
    assert 1 == await value("SELECT count(*) FROM recording WHERE wearer = $1", lin.id)


async def test_a_dock_does_not_learn_what_another_wearer_has(app: Litestar) -> None:
    """The same bytes of another wearer are another recording."""
    dock, lin, zhu = await a_dock(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    await sealed(app, lin, SMALL)
    own = await declare(dock, SMALL, wearer=zhu.id)
    assert ("declared", None) == (own["state"], own["same_as"])


# -- who has this badge number


async def looked_up(who: Someone, whom: Someone) -> bool:
    answer = await who.get(f"/v1/people/{whom.badge}")
    if answer.status_code == 404:
        refused(answer, 404, "unknown_person")
        return False
    expected = {"id": str(whom.id), "badge": whom.badge, "name": whom.name, "organ": whom.organ}
    assert expected == {name: text for name, text in answer.json().items() if name != "kind"}
    return True


async def test_everybody_finds_an_officer_by_badge(app: Litestar) -> None:
    """Phones look up the leading officer by badge number, in any organ."""
    zhao = await an_officer(app, ELSEWHERE)
    for who in (await a_duty_auxiliary(app), await a_clerk(app), await a_dock(app), zhao):
        assert await looked_up(who, zhao)
    assert "officer" == (await zhao.get(f"/v1/people/{zhao.badge}")).json()["kind"]


async def test_nobody_looks_up_a_colleague_who_is_no_officer(app: Litestar) -> None:
    """Everybody can look up themselves."""
    lin, zhu, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_officer(app)
    assert await looked_up(lin, lin)
    assert [False, False] == [await looked_up(who, lin) for who in (zhu, zhao)]


async def test_a_dock_looks_up_whoever_serves_under_its_organ(app: Litestar) -> None:
    """A dock of another organ does not find them, and nobody is found who left longer ago than the term."""
    lin, dock, above = await a_duty_auxiliary(app), await a_dock(app), await a_dock(app, DISTRICT)
    sibling, elsewhere = await a_dock(app, SIBLING), await a_dock(app, OTHER_DISTRICT)
    assert [True, True, False, False] == [await looked_up(each, lin) for each in (dock, above, sibling, elsewhere)]
    leaver = await a_leaver(app)
    assert await looked_up(dock, leaver)
    await execute("UPDATE stint SET during = daterange(lower(during), $2) WHERE person = $1", leaver.id, a_day(40))
    assert not await looked_up(dock, leaver)


async def test_an_officer_who_left_is_found_by_nobody(app: Litestar) -> None:
    """An officer out of service is unknown: they can no longer lead."""
    badge = a_badge("P")
    rows = rows_of(badge, "钱退", "officer", STATION, [], valid_until=ago(days=3).date())
    await roster.bring_in(rows)
    refused(await (await a_duty_auxiliary(app)).get(f"/v1/people/{badge}"), 404, "unknown_person")


@pytest.mark.parametrize("badge", ["nobody", "P%00", "%E8%B5%B5", "' OR 1=1 --", "x" * 200, "..%5C", "P1001%0A"])
async def test_what_is_no_badge_number_is_nobodys(app: Litestar, badge: str) -> None:
    """Text that is no badge number is answered as unknown."""
    refused(await (await a_dock(app)).get(f"/v1/people/{badge}"), 404, "unknown_person")


# -- what was handed over


async def handed_over(who: Someone, wearer: Someone, start: datetime, end: datetime) -> dict[str, Any]:
    answer = await who.get("/v1/handovers", **{"wearer": wearer.id, "from": start.isoformat(), "to": end.isoformat()})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def minutes(begun: datetime, row: dict[str, Any]) -> tuple[int, int]:
    """Start and end of this row, in minutes since `begun`."""
    started, ended = (datetime.fromisoformat(row[name]) - begun for name in ("started_at", "ended_at"))
    return round(started / timedelta(minutes=1)), round(ended / timedelta(minutes=1))


async def a_duty_with_footage(app: Litestar, dock: Someone) -> tuple[Someone, datetime, list[str]]:
    """Three hours of duty, begun five hours ago; a quarter before it, two that overlap, and one after a gap."""
    lin, begun = await a_duty_auxiliary(app), ago(hours=5)
    shift = recorded(await lin.check_in(at=begun))["id"]
    recorded(await lin.check_out(shift, at=begun + timedelta(hours=3)))
    spans = [(-60, -45), (0, 60), (50, 90), (150, 180)]
    declared = []
    for first_minute, last_minute in spans:
        times = {
            "started_at": begun + timedelta(minutes=first_minute),
            "ended_at": begun + timedelta(minutes=last_minute),
        }
        file = {"file_name": f"{first_minute}.mp4", "time_source": "file_name"}
        declared.append(recorded(await dock.declare(wearer=lin.id, **times, **file))["id"])
    return lin, begun, declared


async def test_the_handover_shows_what_overlaps_what_is_missing_and_what_lies_outside(app: Litestar) -> None:
    """The report compares the footage with the wearer's shifts, to the minute."""
    dock = await a_dock(app)
    lin, begun, (before, first_hour, second, last) = await a_duty_with_footage(app, dock)
    report = await handed_over(dock, lin, begun - timedelta(hours=2), begun + timedelta(hours=5))
    (duty,) = report["shifts"]
    assert ((0, 180), "patrol", str(lin.id)) == (minutes(begun, duty), duty["duty_type"], report["wearer"])
    assert [before, first_hour, second, last] == [row["id"] for row in report["recordings"]]
    assert {("declared", "file_name")} == {(row["state"], row["time_source"]) for row in report["recordings"]}
    assert [(first_hour, second, (50, 60))] == [
        (row["first"], row["second"], minutes(begun, row)) for row in report["overlaps"]
    ]
    assert [(duty["id"], (90, 150))] == [(row["shift"], minutes(begun, row)) for row in report["missing"]]
    assert [before] == report["outside"]


async def test_a_shift_is_told_whole_though_the_period_ends_within_it(app: Litestar) -> None:
    """A night's duty, requested by its first day, also shows what is missing after midnight."""
    dock = await a_dock(app)
    lin, begun, (_, *within) = await a_duty_with_footage(app, dock)
    report = await handed_over(dock, lin, begun + timedelta(minutes=10), begun + timedelta(minutes=20))
    assert within == [row["id"] for row in report["recordings"]]
    assert [(90, 150)] == [minutes(begun, row) for row in report["missing"]]


async def test_files_that_touch_neither_overlap_nor_leave_a_gap(app: Litestar) -> None:
    """Seconds between two files, or before a key frame, say nothing."""
    dock, lin, begun = await a_dock(app), await a_duty_auxiliary(app), ago(hours=3)
    shift = recorded(await lin.check_in(at=begun))["id"]
    recorded(await lin.check_out(shift, at=begun + timedelta(hours=1)))
    for start, end in ((0, 1000), (997, 2000), (2004, 3600)):
        times = {"started_at": begun + timedelta(seconds=start), "ended_at": begun + timedelta(seconds=end)}
        recorded(await dock.declare(wearer=lin.id, **times))
    report = await handed_over(lin, lin, begun, begun + timedelta(hours=1))
    assert ([], [], []) == (report["overlaps"], report["missing"], report["outside"])


async def test_sealed_footage_counts_for_what_the_file_holds(app: Litestar, tmp_path: Path) -> None:
    """An hour was claimed and the file plays ten seconds: the rest of the hour is missing."""
    dock, lin, begun = await a_dock(app), await a_duty_auxiliary(app), ago(hours=3)
    shift = recorded(await lin.check_in(at=begun))["id"]
    recorded(await lin.check_out(shift, at=begun + timedelta(hours=1)))
    content = film(tmp_path / "ten.mp4", seconds=10, width=160, height=96).path.read_bytes()
    await sealed(app, dock, content, wearer=lin.id, started_at=begun, ended_at=begun + timedelta(hours=1))
    (missing,) = (await handed_over(dock, lin, begun, begun + timedelta(hours=1)))["missing"]
    assert 10 == round((datetime.fromisoformat(missing["started_at"]) - begun).total_seconds())
    assert 60 == minutes(begun, missing)[1]


async def test_a_recording_without_an_end_counts_for_nothing_and_an_open_shift_for_now(app: Litestar) -> None:
    """An open recording has no length yet, and the future is not missing."""
    dock, lin, begun = await a_dock(app), await a_duty_auxiliary(app), ago(hours=1)
    recorded(await lin.check_in(at=begun))
    footage = {name: what for name, what in some_footage().items() if name != "ended_at"}
    open_ended = recorded(await lin.post("/v1/recordings/declare", **footage | {"started_at": ago(minutes=30)}))["id"]
    report = await handed_over(dock, lin, begun - timedelta(hours=1), begun + timedelta(days=1))
    assert ([open_ended], []) == ([row["id"] for row in report["recordings"]], report["outside"])
    assert None is report["shifts"][0]["ended_at"]
    assert [(0, 60)] == [minutes(begun, row) for row in report["missing"]]
    later = await handed_over(dock, lin, begun + timedelta(days=2), begun + timedelta(days=3))
    assert ([], []) == (later["recordings"], later["missing"])


async def test_a_contested_shift_asks_for_no_footage(app: Litestar) -> None:
    """A contested shift does not count until a person resolves it."""
    dock = await a_dock(app)
    lin, begun, _ = await a_duty_with_footage(app, dock)
    recorded(await lin.check_in(at=begun + timedelta(minutes=30)))
    assert 1 == len((await handed_over(dock, lin, begun, begun + timedelta(hours=3)))["shifts"])


async def test_the_same_bytes_twice_are_no_overlap(app: Litestar) -> None:
    """Phone and dock declared one recording."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    recording = (await declare(lin, SMALL))["id"]
    await declare(dock, SMALL, wearer=lin.id)
    report = await handed_over(dock, lin, ago(hours=1), ago(seconds=0))
    assert ([recording], []) == ([row["id"] for row in report["recordings"]], report["overlaps"])


async def test_who_may_read_what_was_handed_over(app: Litestar) -> None:
    """The wearer, the stations and the overseers of their organ; to all others the wearer is unknown."""
    lin, zhao, *_ = await a_led_patrol(app)
    may = [lin, await a_dock(app), await a_dock(app, CITY), await an_inspector_of(app, DISTRICT),
           await a_commander_of(app, STATION)]  # fmt: skip
    may_not = [zhao, await a_duty_auxiliary(app), await a_dock(app, SIBLING), await an_inspector_of(app, SIBLING),
               await an_inspector_of(app, OTHER_DISTRICT), await a_clerk(app)]  # fmt: skip
    period = {"from": ago(hours=1).isoformat(), "to": ago(seconds=0).isoformat()}
    for who in may:
        assert 1 == len((await handed_over(who, lin, ago(hours=1), ago(seconds=0)))["shifts"])
    for who in may_not:
        refused(await who.get("/v1/handovers", wearer=lin.id, **period), 404, "unknown_wearer")
    refused(await may[1].get("/v1/handovers", wearer=uuid4(), **period), 404, "unknown_wearer")


async def test_a_new_organ_does_not_see_the_duty_of_the_old(app: Litestar) -> None:
    """A shift is of the organ it was done for, as everywhere; the wearer sees both."""
    lin, dock = await a_duty_auxiliary(app, SIBLING), await a_dock(app)
    recorded(await lin.check_in(at=ago(minutes=30)))
    recorded(await lin.declare())
    await moves(lin, STATION)
    report = await handed_over(dock, lin, ago(hours=1), ago(seconds=0))
    assert ([], [], [], []) == (report["shifts"], report["recordings"], report["missing"], report["outside"])
    own = await handed_over(lin, lin, ago(hours=1), ago(seconds=0))
    assert (1, 1) == (len(own["shifts"]), len(own["recordings"]))


NOON = "2026-03-01T12:00:00+08:00"


@pytest.mark.parametrize(
    ("start", "end", "pointer"),
    [
        pytest.param(NOON, NOON, "?to", id="no-time-at-all"),
        pytest.param(NOON, "2026-03-01T11:59:59+08:00", "?to", id="backwards"),
        pytest.param(NOON, "2026-04-02T00:00:00+08:00", "?to", id="more-than-a-month"),
        pytest.param("2026-03-01T12:00:00", NOON, "?from", id="naive"),
        pytest.param(NOON, "2026-03-02T12:00:00", "?to", id="naive-end"),
        pytest.param("0001-01-01T00:00:00+14:00", NOON, "?from", id="year-1"),
        pytest.param(NOON, "9999-12-31T23:59:59-12:00", "?to", id="year-9999"),
        pytest.param("yesterday", NOON, "?from", id="a-word"),
        pytest.param(NOON, None, "?to", id="no-end"),
    ],
)
async def test_a_period_must_be_in_order(app: Litestar, start: str, end: str | None, pointer: str) -> None:
    """At most a month, from before to after, with offsets."""
    lin = await a_duty_auxiliary(app)
    query = {"wearer": lin.id, "from": start} | ({} if end is None else {"to": end})
    problem = refused(await lin.get("/v1/handovers", **query), 422, "invalid")
    assert [pointer] == [error["pointer"] for error in problem["errors"]]


async def test_a_month_to_the_second_may_be_asked(app: Litestar) -> None:
    """Thirty-one days."""
    lin = await a_duty_auxiliary(app)
    start = datetime.fromisoformat(NOON)
    assert [] == (await handed_over(lin, lin, start, start + timedelta(days=31)))["shifts"]


COPY_UPLOADS = """
INSERT INTO upload (id, kind, owner, organ, declared_by, file_name, media_type, state, part_size, object_key,
    declared_at, touched_at)
SELECT gen_random_uuid(), kind, owner, organ, declared_by, 'copy.mp4', media_type, state, part_size,
    'copy/' || gen_random_uuid(), declared_at, touched_at
FROM upload, generate_series(1, 59) WHERE id = $1
"""
COPY_RECORDINGS = """
INSERT INTO recording (id, wearer, organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at,
    started_at, ended_at, key_mark)
SELECT u.id, r.wearer, r.organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at, started_at, ended_at,
    key_mark
FROM recording r JOIN upload u ON u.owner = r.wearer AND u.id <> r.id WHERE r.id = $1
"""


async def test_overlaps_are_told_up_to_a_bound(app: Litestar) -> None:
    """A camera whose clock stood still makes millions of pairs; only the first ones are listed."""
    lin = await a_duty_auxiliary(app)
    template = UUID(recorded(await lin.declare())["id"])
    await by_owner(COPY_UPLOADS, template)
    await by_owner(COPY_RECORDINGS, template)
    report = await handed_over(lin, lin, ago(hours=1), ago(seconds=0))
    assert (60, law().count("overlaps_told")) == (len(report["recordings"]), len(report["overlaps"]))


async def test_a_recording_names_nothing_in_the_journal_that_could_not_be_erased(app: Litestar) -> None:
    """The journal holds no file name, whoever declares the file."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    upload = (await declare(dock, SMALL, wearer=lin.id, file_name="张三家门口.mp4"))["id"]
    rows = await fetch("SELECT entry FROM journal WHERE entry_id = $1", UUID(upload))
    assert all("张三".encode() not in bytes(row["entry"]) for row in rows)
