"""Clocks and optional data never refuse a fact: it is recorded, with a finding, and what was told is kept."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend import erasing
from backend.core import doubtful
from backend.core.database import fetch, value
from backend.core.days import until
from backend.law.catalogue import law
from backend.registry import VERBS
from tests.api.test_events import listening
from tests.api.test_sync import statuses, with_a_handheld
from tests.builders import (
    PLACE,
    Someone,
    a_check_in,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_officer,
    codes,
    now,
    recorded,
    refused,
    some_footage,
)

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
HEALTH = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


async def kinds_on(subject: Any) -> list[str]:
    rows = await fetch("SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", UUID(str(subject)))
    return sorted(row["kind"] for row in rows)


def by_uptime(booted: datetime, at: datetime, boot: UUID) -> dict[str, Any]:
    """What a device adds to an entry of this moment."""
    return {"boot_id": boot, "uptime_ms": round((at - booted) / timedelta(milliseconds=1))}


# -- clocks


@pytest.mark.parametrize("off", [HOUR, -HOUR, timedelta(days=2), timedelta(days=-2)])
async def test_a_clock_put_right_between_act_and_sending_refuses_nothing(app: Litestar, off: timedelta) -> None:
    """The uptime proves the moment of a check-in and of a call for help, ten seconds ago."""
    lin, zhao = await with_a_handheld(app), await an_officer(app)
    boot, booted, at = uuid4(), ago(hours=5), ago(seconds=10)
    items = [
        lin.item("shifts/check-in", **a_check_in(), at=at + off, **by_uptime(booted, at, boot)),
        lin.item("assistance/call", kind="violence", at=at + SECOND + off, **by_uptime(booted, at + SECOND, boot)),
    ]
    results = await lin.sync(*items, **by_uptime(booted, now(), boot))
    assert ["recorded", "recorded"] == statuses(results)
    shift, call = (result["receipt"] for result in results)
    assert abs(datetime.fromisoformat(shift["shift"]["started_at"]) - at) < SECOND / 2
    assert abs(datetime.fromisoformat(call["call"]["called_at"]) - at - SECOND) < SECOND / 2
    assert ["clock_moved"] == await kinds_on(items[0]["id"])
    assert str(items[1]["id"]) in [row["id"] for row in (await zhao.get("/v1/assistance")).json()["items"]]


async def test_without_an_uptime_it_happened_when_it_was_received(app: Litestar) -> None:
    """On its own route and by sync; the device's time is kept in the journal, and the finding says so."""
    lin = await a_duty_auxiliary(app)
    receipt = recorded(await lin.check_in(at=now() + HOUR))
    assert receipt["received_at"] == receipt["shift"]["started_at"]
    assert ["clock_doubtful"] == codes(receipt["findings"]) == await kinds_on(receipt["id"])
    line = msgspec.json.decode(await value("SELECT entry FROM journal WHERE entry_id = $1", UUID(receipt["id"])))
    assert ("receipt", True) == (line["facts"]["time_by"], line["facts"]["device_time"] > line["facts"]["occurred_at"])
    timeline = (await lin.get(f"/v1/shifts/{receipt['id']}")).json()
    assert "clock_doubtful" in [finding["kind"] for finding in timeline["findings"]]


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_clock_beyond_reason_refuses_no_call_for_help(app: Litestar, clock: str) -> None:
    lin = await a_duty_auxiliary(app)
    receipt = recorded(await lin.post("/v1/assistance/call", kind="injury", occurred_at=clock))
    assert "clock_doubtful" in codes(receipt["findings"])
    (result,) = await lin.sync(lin.item("assistance/call", kind="injury", occurred_at=clock, id=receipt["id"]) | {
        "device_seq": 1})  # fmt: skip
    assert "replayed" == result["status"]


async def test_an_entry_that_was_refused_for_its_clock_is_recorded_when_it_comes_again(app: Litestar) -> None:
    """The old refusal, which the journal lists as denied, is no longer the answer to this id."""
    from backend.core import journal

    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in(), at=now() + HOUR)
    await journal.append(
        journal.Line(at=now(), verb="shifts/check-in", outcome="denied", organ=lin.organ, actor=lin.id, id=entry["id"],
                     facts={"code": "time_ahead"})
    )  # fmt: skip
    assert str(entry["id"]) == recorded(await lin.send("/v1/shifts/check-in", entry))["id"]


async def test_a_shift_by_a_clock_that_ran_ahead_keeps_order_and_length(app: Litestar) -> None:
    """No uptime at all: every act lies before the next, as far as it was told, and ends when it was received."""
    lin, zhao = await with_a_handheld(app), await an_officer(app)
    ahead = now() + timedelta(hours=20)
    shift, naming, activity = uuid4(), uuid4(), uuid4()
    items = [
        lin.item("shifts/check-in", **a_check_in(), id=shift, at=ahead),
        lin.item("supervisions/name", officer=zhao.id, id=naming, at=ahead + HOUR / 6),
        lin.item("activities/start", work="10.4", id=activity, at=ahead + HOUR / 3),
        lin.item("activities/finish", activity=activity, at=ahead + HOUR / 2),
        lin.item("shifts/check-out", shift=shift, at=ahead + HOUR),
    ]
    results = await lin.sync(*items)
    assert ["recorded"] * 5 == statuses(results)
    done = results[4]["receipt"]
    started, ended = (datetime.fromisoformat(done["shift"][name]) for name in ("started_at", "ended_at"))
    assert (HOUR, done["received_at"]) == (ended - started, done["shift"]["ended_at"])
    assert "not_on_shift" not in codes(results[1]["receipt"]["findings"])


@given(
    skews=st.lists(st.timedeltas(timedelta(days=-2), timedelta(days=2)), min_size=4, max_size=4),
    one=st.booleans(), uptime=st.booleans(),
)  # fmt: skip
@HEALTH
async def test_for_any_skew_entries_are_taken_and_keep_their_order(
    app: Litestar, skews: list[timedelta], one: bool, uptime: bool
) -> None:
    """A clock off by up to two days the whole time, or set anew before each act, and put right before the sync.

    Where the clock is set anew and there is no uptime, nobody knows the order: they are taken all the same."""
    lin, zhao, boot, booted = await a_duty_auxiliary(app), await an_officer(app), uuid4(), ago(days=4)
    shift, naming = uuid4(), uuid4()
    verbs: list[tuple[str, dict[str, Any]]] = [
        ("shifts/check-in", a_check_in() | {"id": shift}),
        ("supervisions/name", {"officer": zhao.id, "id": naming}),
        ("supervisions/end", {"supervision": naming}),
        ("shifts/check-out", {"shift": shift}),
    ]
    items = []
    for (verb, fields), minutes, skew in zip(verbs, (50, 40, 20, 10), skews, strict=True):
        at = ago(minutes=minutes)
        proof = by_uptime(booted, at, boot) if uptime else {}
        items.append(lin.item(verb, **fields, at=at + (skews[0] if one else skew), **proof))
    results = await lin.sync(*items, **(by_uptime(booted, now(), boot) if uptime else {}))
    assert {"recorded"} >= set(statuses(results)) - {"waiting"}, results
    again = await lin.sync(*items)
    assert {"replayed"} == set(statuses(again)), again
    if one or uptime:
        told = [await value("SELECT entry FROM journal WHERE entry_id = $1", item["id"]) for item in items]
        times = [msgspec.json.decode(line)["facts"]["occurred_at"] for line in told]
        assert sorted(times) == times


async def test_an_end_before_its_start_is_a_wrong_clock(app: Litestar) -> None:
    """Checked in by the right clock, checked out by one a day behind: it ends when it was received."""
    lin, _, shift, naming = await a_led_patrol(app)
    activity = recorded(await lin.starts("10.4", at=ago(minutes=20)))["id"]
    for answer in (
        await lin.finishes(activity, at=ago(days=1)),
        await lin.answer("end", naming, at=ago(days=1)),
        await lin.check_out(shift, at=ago(days=1)),
    ):
        assert "clock_doubtful" in codes(recorded(answer)["findings"])


async def test_an_officer_whose_clock_is_behind_confirms_from_the_naming(app: Litestar) -> None:
    """An answer cannot come before its question: one of the two clocks was wrong."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=30)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=20)))
    for leads_from in (None, now() + HOUR, "9999-12-31T23:59:59-12:00"):
        answer = recorded(await zhao.answer("confirm", naming["id"], at=ago(hours=2), leads_from=leads_from))
        assert naming["supervision"]["started_at"] == answer["supervision"]["leads_from"]
        assert "clock_doubtful" in codes(answer["findings"])


CLOCKS = ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "a month ahead"]


@pytest.mark.parametrize("started", CLOCKS)
async def test_a_camera_whose_clock_is_wrong_refuses_no_footage(app: Litestar, started: str) -> None:
    """It was filmed before it was declared; the camera's own time is kept where it is one."""
    lin = await a_duty_auxiliary(app)
    started = str(now() + timedelta(days=30)) if started == "a month ahead" else started
    receipt = recorded(await lin.declare(started_at=started, ended_at=None))
    assert "clock_doubtful" in codes(receipt["findings"])
    row = (await lin.get(f"/v1/recordings/{receipt['id']}")).json()
    assert datetime.fromisoformat(row["started_at"]) <= now()


async def test_a_camera_set_while_it_filmed_has_a_start_and_no_end(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    footage = some_footage()
    receipt = recorded(await lin.declare(**footage | {"ended_at": footage["started_at"] - HOUR}))
    assert ["clock_doubtful"] == codes(receipt["findings"])
    assert (await lin.get(f"/v1/recordings/{receipt['id']}")).json()["ended_at"] is None


# -- places


NO_PLACES: list[tuple[Any, str]] = [
    (PLACE | {"accuracy_m": -1}, "place_doubtful"),
    (PLACE | {"accuracy_m": 200_000}, "place_doubtful"),
    (PLACE | {"lat": 91}, "place_doubtful"),
    (PLACE | {"lat": 0, "lon": 0.0}, "place_doubtful"),
    ({"lat": 30.2, "lon": 120.1, "datum": "WGS84"}, "place_doubtful"),
    (PLACE | {"accuracy_m": None}, "place_doubtful"),
    (PLACE | {"datum": "BD09"}, "place_doubtful"),
    (PLACE | {"lat": 120.1551, "lon": 30.2741}, "place_exchanged"),
    (PLACE | {"lat": 75.9, "lon": 39.4}, "place_exchanged"),
    ("somewhere", "place_doubtful"),
    ([], "place_doubtful"),
]


@pytest.mark.parametrize(("place", "kind"), NO_PLACES)
async def test_a_place_that_cannot_be_refuses_no_call_for_help(app: Litestar, place: Any, kind: str) -> None:
    """Those called hear it at once, and read what was told in its place; the caller is told too."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    async with listening(app, zhao) as stream:
        begun = asyncio.get_running_loop().time()
        entry = lin.entry(kind="violence", place=place)
        receipt = recorded(await lin.send("/v1/assistance/call", entry))
        await stream.until(1)
        assert asyncio.get_running_loop().time() - begun < 2
    assert [kind] == codes(receipt["findings"])
    row = (await zhao.get(f"/v1/assistance/{receipt['id']}")).json()
    assert (None, place) == (row["place"], msgspec.json.decode(row["place_told"]))
    assert [kind] == await kinds_on(receipt["id"])
    found = (await lin.get("/v1/findings")).json()["items"]
    assert (kind, receipt["id"]) in [(row["kind"], row["subject"]) for row in found]
    again = await lin.send("/v1/assistance/call", entry)
    assert (200, "replayed") == (again.status_code, again.json()["status"])
    refused(await lin.send("/v1/assistance/call", entry | {"place": PLACE}), 409, "id_reused")


async def test_the_journal_holds_only_a_digest_of_it_and_the_row_is_erased(app: Litestar) -> None:
    """As a place is: what was told is gone after the term of places."""
    lin = await a_duty_auxiliary(app)
    call = UUID(recorded(await lin.post("/v1/assistance/call", kind="other", place=PLACE | {"lat": 99.12345}))["id"])
    line = await value("SELECT entry FROM journal WHERE entry_id = $1", call)
    assert 64 == len(msgspec.json.decode(line)["facts"]["left_out"]["place"])
    assert b"99.12345" not in line
    assert "99.12345" in await value("SELECT told FROM left_out WHERE entry = $1", call)
    await erasing.erase(until(law(), "erase_places", now()) + timedelta(days=1))
    assert await value("SELECT told FROM left_out WHERE entry = $1", call) is None


async def test_mock_and_the_age_of_a_fix_are_kept_and_shown(app: Litestar) -> None:
    """What the system says of a place stands with it; one that cannot be costs the place nothing."""
    lin = await a_duty_auxiliary(app)
    told = PLACE | {"mock": True, "fix_age_ms": 900}
    call = recorded(await lin.post("/v1/assistance/call", kind="other", place=told))
    assert told == (await lin.get(f"/v1/assistance/{call['id']}")).json()["place"]
    assert [] == call["findings"]
    for extra in ({"fix_age_ms": -1}, {"mock": "no"}, {"altitude": 12}):
        call = recorded(await lin.post("/v1/assistance/call", kind="other", place=PLACE | extra))
        assert PLACE == (await lin.get(f"/v1/assistance/{call['id']}")).json()["place"]
        assert ["value_doubtful"] == codes(call["findings"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["lat", "lon", "accuracy_m", "datum", "mock", "fix_age_ms", "x"]), inner, max_size=7),
    max_leaves=12,
)  # fmt: skip


@given(place=JSON, by_sync=st.booleans())
@HEALTH
async def test_for_any_place_an_entry_is_taken(app: Litestar, place: Any, by_sync: bool) -> None:
    """Whatever JSON stands in its field; sent again it is the same entry."""
    lin = SENDERS.get(id(app)) or SENDERS.setdefault(id(app), await a_duty_auxiliary(app))
    if by_sync:
        item = lin.item("assistance/call", kind="other", place=place)
        assert ["recorded"] == statuses(await lin.sync(item))
        assert ["replayed"] == statuses(await lin.sync(item))
    else:
        recorded(await lin.post("/v1/assistance/call", kind="other", place=place))


SENDERS: dict[int, Someone] = {}


async def test_a_number_beyond_all_numbers_refuses_no_call_for_help(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(kind="violence", place=PLACE | {"lat": "HERE"})
    body = msgspec.json.encode(entry).replace(b'"HERE"', b"1e999")
    answer = await lin.ask("POST", "/v1/assistance/call", content=body, headers={"Content-Type": "application/json"})
    assert ["place_doubtful"] == codes(recorded(answer)["findings"])


async def test_half_a_character_refuses_no_call_for_help(app: Litestar) -> None:
    """A phone cut the words in the middle of a character: 🆘 is two halves in JSON. Sent again it is the same entry."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    body = msgspec.json.encode(lin.entry(kind="violence", words="HERE")).replace(b"HERE", rb"\u6551\ud83c")
    answers = [
        await lin.ask("POST", "/v1/assistance/call", content=body, headers={"Content-Type": "application/json"})
        for _ in range(2)
    ]
    receipt = recorded(answers[0])
    assert ["value_doubtful"] == codes(receipt["findings"])
    assert "救?" == (await zhao.get(f"/v1/assistance/{receipt['id']}")).json()["words"]
    assert '"救?"' == await value("SELECT told FROM left_out WHERE entry = $1", UUID(receipt["id"]))
    assert "replayed" == answers[1].json()["status"]


# -- other optional data


@pytest.mark.parametrize(
    ("verb", "fields", "wrong"),
    [
        ("assistance/call", {"kind": "other"}, {"words": ""}),
        ("assistance/call", {"kind": "other"}, {"words": "字" * 3000, "place": PLACE | {"accuracy_m": -1}}),
        ("assistance/call", {"kind": "other"}, {"boot_id": "7", "uptime_ms": -3}),
        ("shifts/check-in", a_check_in(), {"vehicle": "", "dress_reason": "", "uptime_ms": 1.5}),
        ("shifts/check-in", a_check_in(), {"equipment": ["执法记录仪"] * 41}),
        ("recordings/declare", some_footage(), {"camera_offset_ms": 10**20}),
    ],
)
async def test_optional_data_that_cannot_be_refuses_nothing(
    app: Litestar, verb: str, fields: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """On its own route and by sync; what was told is kept."""
    lin = await a_duty_auxiliary(app)
    receipt = recorded(await lin.post(f"/v1/{verb}", **(fields | wrong)))
    assert "value_doubtful" in codes(receipt["findings"])
    (result,) = await lin.sync(lin.item(verb, **(fields | wrong)))
    assert "recorded" == result["status"]
    kept = await fetch("SELECT field, told FROM left_out WHERE entry = $1", UUID(receipt["id"]))
    assert set(wrong) == {row["field"] for row in kept}


async def test_what_waits_is_read_without_it_too(app: Litestar) -> None:
    """A check-out that comes before its check-in, with a place that is none and a text with a NUL."""
    lin, shift = await with_a_handheld(app), uuid4()
    out = lin.item("shifts/check-out", shift=shift, at=ago(minutes=5), place={"lat": "\x00", "lon": -1})
    assert ["waiting"] == statuses(await lin.sync(out))
    assert ["recorded"] == statuses(
        await lin.sync(lin.item("shifts/check-in", **a_check_in(), id=shift, at=ago(hours=1)))
    )
    assert ["replayed"] == statuses(await lin.sync(out))
    assert ["place_doubtful"] == await kinds_on(out["id"])


# Optional fields of what comes from the field that are read strictly, and why.
STRICT = {
    "despite": "answers for a broken rule",
    "ordered_by": "who ordered it answers for it", "reported_to": "a person", "colleague": "a person",
    "person": "left out it would mean oneself", "wearer": "left out it would mean oneself",
    "leads_from": "a time: see the clock", "started_at": "a time: see the clock", "ended_at": "a time: see the clock",
    "restraints": "who restrained whom", "case_kind": "decides which rules hold", "case_ref": "decides who is recused",
    "case_asked": "decides which rules hold", "emergency": "decides which rules hold",
    "recording": "decides which rules hold", "work": "what is corrected", "gap": "which gap is meant",
    "spoken": "a truth", "key_mark": "a truth that keeps footage", "oral": "a truth",
    "bytes": "what the receipt is about", "sha256": "what the receipt is about", "activity": "what it belongs to",
    "witnesses": "whose footage is held", "papers": "what belongs to it", "costs": "money", "separate": "a truth",
    "time_source": "left out it would mean the camera's clock",
    "complainant": "decides whether it is anonymous", "contact": "belongs to the complainant",
    "shift": "what it is about", "category": "what it keeps for ever",
    "place": "of a complaint: what it is about", "radius_m": "what it is about", "against": "whom it is kept from",
    "of_relative": "a truth", "recordings": "what belongs to it", "words": "of a restriction: its reason",
    "mediation": "decides who is recused", "incident_ref": "decides who is recused", "kind": "decides which terms run",
}  # fmt: skip


def test_every_optional_field_is_left_out_or_strict_for_a_reason() -> None:
    """A new optional field of an entry from the field must be put into one of the two lists."""
    strict = {
        field.name
        for verb in VERBS if verb.field
        for field in msgspec.structs.fields(verb.entry)
        if not field.required and field.name not in doubtful.fields_of(verb.entry)
    }  # fmt: skip
    assert set(STRICT) == strict


@pytest.mark.parametrize("clock", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", None])
async def test_what_waits_by_a_clock_beyond_reason_is_recorded_too(app: Litestar, clock: str, sent: str | None) -> None:
    """Both the act and the call by such a clock: nothing is `again` for ever."""
    lin, shift = await with_a_handheld(app), uuid4()
    call = {"sent_at": sent} if sent else {}
    out = lin.item("shifts/check-out", shift=shift, occurred_at=clock)
    assert ["waiting"] == statuses(await lin.sync(out, **call))
    come = lin.item("shifts/check-in", **a_check_in(), id=shift, at=ago(hours=1))
    footage = lin.item(
        "recordings/declare", **some_footage() | {"started_at": clock, "ended_at": clock}, occurred_at=clock
    )
    assert ["recorded", "recorded"] == statuses(await lin.sync(come, footage, **call))
    assert ["replayed", "replayed", "replayed"] == statuses(await lin.sync(out, come, footage))


async def test_a_complaint_that_waits_by_a_clock_beyond_reason_is_kept(app: Litestar) -> None:
    zhou = await an_officer(app)
    item = zhou.item("complaints/receive", channel="phone", words="x", complainant="王某", shift=uuid4())
    assert ["waiting"] == statuses(await zhou.sync(item | {"occurred_at": "9999-12-31T23:59:59-12:00"}))


@pytest.mark.parametrize("wrong", [{"boot_id": 7, "uptime_ms": -1}, {"uptime_ms": 10**30}, {"cursor": 7},
                                   {"cursor": "x" * 600},
                                   {"boot_id": None, "uptime_ms": None, "cursor": None}])  # fmt: skip
async def test_what_is_beside_the_entries_refuses_no_call(app: Litestar, wrong: dict[str, Any]) -> None:
    """A boot, an uptime or a cursor that cannot be: as if it were not there."""
    lin = await with_a_handheld(app)
    assert ["recorded"] == statuses(await lin.sync(lin.item("assistance/call", kind="other"), **wrong))


async def test_a_clock_that_says_long_ago_takes_no_role_away(app: Litestar) -> None:
    """Who one was is asked of the corrected moment: the phone says 2019, when nobody served yet."""
    lin = await with_a_handheld(app)
    recorded(await lin.check_in(at="2019-01-01T00:00:00Z", sent_at="2019-01-01T00:00:05Z"))
