"""POST /v1/sync: each entry on its own, in any order, any number of times; held entries are recorded later."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from backend import sync
from backend.core.database import execute, fetch, first, value
from backend.held import device_sequence
from backend.law.catalogue import law
from tests.builders import (
    STATION,
    Someone,
    a_check_in,
    a_device,
    a_duty_auxiliary,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)

JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [result["status"] for result in results]


def of(results: list[dict[str, Any]]) -> list[str]:
    """The codes of the problems."""
    return [result["problem"]["code"] for result in results]


async def standing(subject: Any) -> list[str]:
    """The kinds of finding that stand beside an entry."""
    sql = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL"
    return sorted(row["kind"] for row in await fetch(sql, UUID(str(subject))))


async def state_of(entry: Any) -> str | None:
    return await value("SELECT state FROM held_entry WHERE id = $1", UUID(str(entry)))


async def with_a_handheld(app: Litestar) -> Someone:
    """Lin, signed in on a device."""
    lin = await a_duty_auxiliary(app)
    await lin.open(device=await a_device())
    return lin


def a_shift(lin: Someone, **span: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """A check-in so long ago, and its check-out an hour later."""
    begun = ago(**(span or {"hours": 5}))
    first = lin.item("shifts/check-in", at=begun, **a_check_in())
    return first, lin.item("shifts/check-out", shift=first["id"], at=begun + timedelta(hours=1))


# Results


async def test_each_entry_has_its_result_in_its_place(app: Litestar) -> None:
    """Recorded, refused, malformed and replayed side by side; none affects another."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    forbidden = lin.item("shifts/check-in", **{**a_check_in(), "roster_post": None})
    unread = lin.item("shifts/check-in", **(a_check_in() | {"dress": "pyjamas"}))
    results = await lin.sync(come, unread, 7, {"verb": "no/such", "id": uuid4()}, forbidden, go, come)
    assert ["recorded", "refused", "refused", "refused", "refused", "recorded", "replayed"] == statuses(results)
    assert ["invalid", "invalid", "invalid", "not_ordered"] == of(results[1:5])
    assert [str(come["id"]), str(unread["id"]), None] == [result["id"] for result in results[:3]]
    assert "/dress" == results[1]["problem"]["errors"][0]["pointer"]
    assert results[0]["receipt"] | {"status": "replayed"} == results[6]["receipt"]


async def test_a_single_post_and_sync_record_the_same_entry(app: Litestar) -> None:
    """The same entry by either route is the same entry, and its receipt the same."""
    lin = await a_duty_auxiliary(app)
    come, _ = a_shift(lin)
    (by_sync,) = await lin.sync(come)
    alone = {name: field for name, field in come.items() if name != "verb"} | {"sent_at": now()}
    answer = await lin.send("/v1/shifts/check-in", alone)
    assert (200, by_sync["receipt"] | {"status": "replayed"}) == (answer.status_code, answer.json())
    refused(await lin.send("/v1/shifts/check-in", alone | {"dress": "plain"}), 409, "id_reused")


async def test_the_order_within_a_call_does_not_matter(app: Litestar) -> None:
    """A phone sends its entries in reverse: they are recorded the same, and none is held."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    assert ["recorded", "recorded"] == statuses(await lin.sync(go, come))


async def test_an_entry_that_claims_anothers_act_is_not_theirs(app: Litestar) -> None:
    """Another person's shift looks exactly like an unknown one."""
    lin, zhu, wu = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_officer(app)
    shift = recorded(await lin.check_in(at=ago(hours=3)))["id"]
    naming = recorded(await lin.names(await an_officer(app), at=ago(hours=2)))["id"]
    for someone, verb, field, real in (
        (zhu, "shifts/check-out", "shift", shift),
        (wu, "supervisions/confirm", "supervision", naming),
    ):
        results = await someone.sync(
            someone.item(verb, **{field: real}, at=ago(hours=1)),
            someone.item(verb, **{field: uuid4()}, at=ago(hours=1)),
        )
        same = [{name: field for name, field in each.items() if name not in ("id", "waiting_for")} for each in results]
        assert same[0] == same[1]
        assert ["waiting", "waiting"] == statuses(results)


# Waiting


async def test_what_refers_to_something_on_its_way_waits(app: Litestar) -> None:
    """It says for what it waits and until when. Sent again it still waits. Once the shift comes, it is recorded."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    (waits,) = await lin.sync(go)
    assert ("waiting", "unknown_reference", [str(come["id"])]) == (
        waits["status"],
        waits["reason"],
        waits["waiting_for"],
    )
    assert [waits] == await lin.sync(go)
    (reused,) = await lin.sync(go | {"device_seq": 99})
    assert ("refused", "id_reused") == (reused["status"], reused["problem"]["code"])
    assert ["recorded"] == statuses(await lin.sync(come))
    assert "recorded" == await state_of(go["id"])
    assert ["replayed"] == statuses(await lin.sync(go))
    shift = await first("SELECT * FROM shift WHERE id = $1", come["id"])
    assert (go["occurred_at"], "check_out") == (shift["ended_at"], shift["ended_by"])


async def test_what_waited_keeps_the_clock_of_its_first_arrival(app: Litestar) -> None:
    """The phone's clock was ten minutes wrong when it sent the entry, and is right when the shift comes."""
    lin = await a_duty_auxiliary(app)
    wrong = timedelta(minutes=10)
    come, go = a_shift(lin)
    raw = go["occurred_at"]
    await lin.sync(go | {"occurred_at": raw - wrong}, sent_at=now() - wrong)
    sql = """UPDATE held_entry SET received_at = received_at - interval '1 hour', sent_at = sent_at - interval '1 hour',
        occurred_at = occurred_at - interval '1 hour' WHERE id = $1"""
    await execute(sql, go["id"])  # as if an hour had passed since
    await lin.sync(go | {"occurred_at": raw - wrong}, sent_at=now())
    await lin.check_in(**{name: field for name, field in come.items() if name != "verb"})
    ended = await value("SELECT ended_at FROM shift WHERE id = $1", come["id"])
    assert abs(ended - raw) < timedelta(seconds=2)


async def test_a_chain_is_recorded_by_its_first_link(app: Litestar) -> None:
    """Hand-over waits for the naming, the confirmation for the hand-over, across three phones."""
    lin, zhao, qian = await a_duty_auxiliary(app), await an_officer(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=5)))
    naming = lin.entry(officer=zhao.id, at=ago(hours=4))
    over = zhao.item("supervisions/hand-over", supervision=naming["id"], officer=qian.id, at=ago(hours=3))
    yes = qian.item("supervisions/confirm", supervision=over["id"], at=ago(hours=3))
    end = lin.item("supervisions/end", supervision=over["id"], at=ago(hours=2))
    assert ["waiting"] * 3 == [*statuses(await qian.sync(yes)), *statuses(await lin.sync(end)),
                               *statuses(await zhao.sync(over))]  # fmt: skip
    recorded(await lin.send("/v1/supervisions/name", naming))
    assert ["recorded"] * 3 == [await state_of(each["id"]) for each in (over, yes, end)]
    row = await first("SELECT * FROM supervision WHERE id = $1", over["id"])
    assert ("confirmed", "end") == (row["answer"], row["ended_by"])


async def test_an_officers_explanation_waits_for_what_makes_it_theirs(app: Litestar) -> None:
    """The activity is recorded, but not yet that they led it: the naming and the confirmation bring that."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=5)))
    act = recorded(await lin.starts("10.4", at=ago(hours=4)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=3)))
    why = zhao.item("recordings/explain", activity=act, cause="battery", words="电池耗尽", at=ago(hours=2),
                    started_at=ago(hours=4), ended_at=ago(hours=3))  # fmt: skip
    assert ["waiting"] == statuses(await zhao.sync(why))
    naming = recorded(await lin.names(zhao, at=ago(hours=4, minutes=30)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(hours=4, minutes=20)))
    assert "recorded" == await state_of(why["id"])


async def test_its_own_route_refuses_and_later_records_what_waits(app: Litestar) -> None:
    """404 at once as always; when the shift is there, the single post and the waiting entry are the same entry."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    await lin.sync(go)
    alone = {name: field for name, field in go.items() if name != "verb"} | {"sent_at": now()}
    refused(await lin.send("/v1/shifts/check-out", alone), 404, "unknown_shift")
    assert "waiting" == await state_of(go["id"])
    await lin.sync(come)
    assert 200 == (await lin.send("/v1/shifts/check-out", alone)).status_code
    assert 1 == await value("SELECT count(*) FROM check_out WHERE shift = $1", come["id"])


async def test_the_sweep_records_held_entries_that_were_left(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is killed after the commit and before it looks for held entries: the worker's sweep finds them."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    await lin.sync(go)

    async def killed(ids: Any) -> dict[UUID, Any]:
        return {}

    with monkeypatch.context() as cut:
        cut.setattr(sync, "record_held", killed)
        assert ["recorded"] == statuses(await lin.sync(come))
    assert "waiting" == await state_of(go["id"])
    await sync.sweep(now())
    assert "recorded" == await state_of(go["id"])


async def test_a_reference_and_a_waiting_entry_cannot_miss_each_other(app: Litestar) -> None:
    """Both arrive at the same moment, twenty times over, each twice: always recorded, always once."""
    lin = await a_duty_auxiliary(app)
    for hours in range(40, 60):
        come, go = a_shift(lin, hours=hours * 2)
        await asyncio.gather(lin.sync(go), lin.sync(come), lin.sync(go), lin.sync(come))
        assert 1 == await value("SELECT count(*) FROM check_out WHERE shift = $1", come["id"])
        assert await state_of(go["id"]) in (None, "recorded")


async def test_an_entry_and_the_one_it_waits_for_take_turns(app: Litestar, owner: asyncpg.Connection) -> None:
    """Two people on two phones: the lock on the reference makes one wait for the other."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=5)))
    naming = lin.entry(officer=zhao.id, at=ago(hours=4))
    yes = zhao.item("supervisions/confirm", supervision=naming["id"], at=ago(hours=3))
    async with held_up(owner, naming["id"]):
        both = [asyncio.create_task(lin.send("/v1/supervisions/name", naming)), asyncio.create_task(zhao.sync(yes))]
        done, _ = await asyncio.wait(both, timeout=0.5)
        assert not done
    recorded(await both[0])
    await both[1]
    assert await state_of(yes["id"]) in (None, "recorded")
    assert "confirmed" == await value("SELECT answer FROM supervision WHERE id = $1", naming["id"])


async def test_an_entry_that_waits_too_long_goes_to_a_person(app: Litestar) -> None:
    """After the term there is a finding. It is withdrawn when the reference comes after all."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    await lin.sync(go)
    await sync.sweep(now())
    assert [] == await standing(go["id"])
    await sync.sweep(now() + law().span("waiting_ceiling") + timedelta(minutes=1))
    assert ["waits_in_vain"] == await standing(go["id"])
    inspector = await an_inspector_of(app, STATION)
    listed = (await inspector.get("/v1/held", reason="unknown_reference", limit=200)).json()["items"]
    assert str(go["id"]) in [row["id"] for row in listed]
    await lin.sync(come)
    assert ([], "recorded") == (await standing(go["id"]), await state_of(go["id"]))


async def test_a_held_entry_that_does_not_fit_is_refused(app: Litestar) -> None:
    """An answer for a gap of no length: it is kept as unfit, and its phone learns why."""
    lin = await a_duty_auxiliary(app)
    come, _ = a_shift(lin)
    work = lin.item("activities/start", work="9.6", at=come["occurred_at"])
    early = lin.item("recordings/explain", activity=work["id"], cause="battery", words="x",
                     started_at=come["occurred_at"], ended_at=come["occurred_at"])  # fmt: skip
    await lin.sync(early)
    await lin.sync(come, work)
    assert "unfit" == await state_of(early["id"])
    (result,) = await lin.sync(early)
    assert ("refused", "no_gap") == (result["status"], result["problem"]["code"])


async def test_nobody_fills_the_house_with_what_never_comes(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server holds a limited number of entries of one device; more stay on the device."""
    lin = await a_duty_auxiliary(app)
    monkeypatch.setitem(
        law().terms, "waiting_at_once", msgspec.structs.replace(law().terms["waiting_at_once"], count=1)
    )
    items = [lin.item("shifts/check-out", shift=uuid4(), at=ago(hours=hours)) for hours in (2, 1)]
    results = await lin.sync(*items)
    assert (["waiting", "again"], "too_many_waiting") == (statuses(results), results[1]["problem"]["code"])


# What befalls a call


@asynccontextmanager
async def held_up(owner: asyncpg.Connection, held: UUID) -> AsyncIterator[None]:
    """Hold the lock of this person or entry while the block runs."""
    key = int.from_bytes(held.bytes[:8], signed=True)
    await owner.execute("SELECT pg_advisory_lock($1)", key)
    try:
        yield
    finally:
        await owner.execute("SELECT pg_advisory_unlock($1)", key)


async def until(holds: Any) -> None:
    for _ in range(200):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never came about")


async def test_a_device_revoked_during_a_sync(app: Litestar, owner: asyncpg.Connection) -> None:
    """What was recorded stays; from the next entry on everything is held for a person."""
    lin, zhu, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_officer(app)
    serial = await a_device()
    await zhao.open(device=serial)
    namings = [recorded(await each.names(zhao, at=ago(hours=3)))["id"] for each in (lin, zhu, lin)]
    items = [zhao.item("supervisions/confirm", supervision=naming, at=ago(hours=2, minutes=-minutes))
             for minutes, naming in enumerate(namings)]  # fmt: skip
    async with held_up(owner, zhu.id):
        asking = asyncio.create_task(zhao.sync(*items))
        await until(lambda: value("SELECT count(*) > 0 FROM entry WHERE id = $1", items[0]["id"]))
        await owner.execute("UPDATE device SET revoked_at = now() WHERE serial = $1", serial)
    results = await asking
    assert ["recorded", "waiting", "waiting"] == statuses(results)
    assert ["device_revoked"] * 2 == [result["reason"] for result in results[1:]]


async def test_a_revocation_under_way_is_waited_for(app: Litestar, house: Any, owner: asyncpg.Connection) -> None:
    """The entry reads the device inside its own transaction: a revocation that commits first counts."""
    lin = await with_a_handheld(app)
    device = await value("SELECT device FROM session WHERE person = $1 AND device IS NOT NULL", lin.id)
    revoking = owner.transaction()
    await revoking.start()
    await owner.execute("UPDATE device SET revoked_at = now() WHERE id = $1", device)
    asking = asyncio.create_task(sync.take_all(*await _call(lin)))
    await asyncio.sleep(0.2)
    assert not asking.done()
    await revoking.commit()
    (result,) = await asking
    assert ("waiting", "device_revoked") == (result.status, result.wait.reason)


async def _call(lin: Someone) -> tuple[Any, ...]:
    """One check-in as the route hands it over."""
    from backend.core.verb import Actor
    from mobile_api.routes.sync import _item

    row = await first("SELECT id, device FROM session WHERE person = $1 AND device IS NOT NULL", lin.id)
    actor = Actor(person=lin.id, badge=lin.badge, kind="duty_auxiliary", organ=lin.organ, session=row["id"],
                  device=row["device"])  # fmt: skip
    raw = msgspec.Raw(msgspec.json.encode(lin.item("shifts/check-in", **a_check_in())))
    return actor, [_item(raw)], now(), now()


WAITING = """SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"""


async def test_a_terminated_backend_is_retried(
    app: Litestar, owner: asyncpg.Connection, application_role: asyncpg.Connection
) -> None:
    """The entry under way is tried again, and nothing is recorded twice."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    async with held_up(owner, lin.id):
        asking = asyncio.create_task(lin.sync(come, go))
        await until(lambda: owner.fetchval(WAITING))
        pid = await owner.fetchval(WAITING)
        assert await application_role.fetchval("SELECT pg_terminate_backend($1)", pid)
    assert ["recorded", "recorded"] == statuses(await asking)


async def test_an_unexpected_failure_of_one_entry_is_answered_with_again(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`again`: neither recorded nor refused; the phone keeps it, and the others are recorded."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    real = sync.record

    async def broken(arrival: Any) -> Any:
        if arrival.verb.name == "shifts/check-in":
            raise ZeroDivisionError
        return await real(arrival)

    with monkeypatch.context() as cut:
        cut.setattr(sync, "record", broken)
        results = await lin.sync(come, go)
    assert (["again", "waiting"], 500) == (statuses(results), results[0]["problem"]["status"])
    assert ["recorded", "replayed"] == statuses(await lin.sync(come, go))


async def test_a_call_answers_in_time(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of an entry that was not reached says so; the next call records it."""
    lin = await a_duty_auxiliary(app)
    come, go = a_shift(lin)
    with monkeypatch.context() as short:
        short.setitem(law().terms, "sync_time", msgspec.structs.replace(law().terms["sync_time"], seconds=0))
        results = await lin.sync(come, go)
    assert (["again", "again"], ["not_reached"] * 2) == (statuses(results), of(results))
    assert ["recorded", "recorded"] == statuses(await lin.sync(come, go))


# Enemies


async def posted(someone: Someone, content: bytes, headers: Mapping[str, str] = JSON) -> httpx.Response:
    return await someone.ask("POST", "/v1/sync", content=content, headers=dict(headers))


SENT = b'{"sent_at": "2026-03-01T08:00:01+08:00", "entries": '


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (lambda: gzip.compress(b" " * 600_000_000, 1), GZIP, 413, "body_too_large"),
        (b"[" * 8_000_000, JSON, 400, "malformed_json"),
        (SENT + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, 400, "malformed_json"),
        (gzip.compress(SENT + b"[" * 7_000_000), GZIP, 400, "malformed_json"),
        (SENT + b"[" + b"1," * 3_999_000 + b"1]}", JSON, 422, "invalid"),
        (SENT + b"[" + b"1," * 1_000 + b"1]}", JSON, 422, "invalid"),
        (b" " * 9_000_000, JSON, 413, "body_too_large"),
        (gzip.compress(SENT + b"[]}")[:-4], GZIP, 400, "malformed_body"),
        (gzip.compress(SENT + b"[]}") + b"more", GZIP, 400, "malformed_body"),
        (b"no gzip", GZIP, 400, "malformed_body"),
        (b"{}", JSON | {"Content-Encoding": "br"}, 415, "encoding_not_supported"),
        (b"{}", JSON | {"Content-Encoding": "gzip, gzip"}, 415, "encoding_not_supported"),
    ],
    ids=range(12),
)  # fmt: skip
async def test_bombs_are_refused_and_cheap(
    app: Litestar, content: bytes | Callable[[], bytes], headers: dict[str, str], status: int, code: str
) -> None:
    """Inflated size, depth, a million items: a clean refusal within three seconds and 64 MiB."""
    lin, content = await a_duty_auxiliary(app), content() if callable(content) else content
    tracemalloc.start()
    began = time.perf_counter()
    refused(await posted(lin, content, headers), status, code)
    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 3
    assert peak < 64 * 1024 * 1024


async def test_a_deep_item_within_bounds_is_refused_alone(app: Litestar) -> None:
    """Its bounds are known, so it affects no other item."""
    lin = await a_duty_auxiliary(app)
    come, _ = a_shift(lin)
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    assert ["refused", "recorded"] == statuses(await lin.sync(come | {"id": uuid4(), "despite": deep}, come))


async def test_gzip_is_welcome_on_every_route(app: Litestar) -> None:
    """And the bound is the route's own."""
    lin = await a_duty_auxiliary(app)
    body = gzip.compress(msgspec.json.encode(lin.entry(**a_check_in())))
    recorded(await lin.ask("POST", "/v1/shifts/check-in", content=body, headers=GZIP))
    large = gzip.compress(b" " * 300_000)
    refused(await lin.ask("POST", "/v1/shifts/check-in", content=large, headers=GZIP), 413, "body_too_large")


@pytest.mark.parametrize("days", [-366, 366])
async def test_a_clock_a_year_off(app: Litestar, days: int) -> None:
    """The clock is corrected by the `sent_at` of the call, with a finding."""
    lin = await a_duty_auxiliary(app)
    off = timedelta(days=days)
    come, go = a_shift(lin)
    begun = come["occurred_at"]
    items = [each | {"occurred_at": each["occurred_at"] + off} for each in (come, go)]
    assert ["recorded", "recorded"] == statuses(await lin.sync(*items, sent_at=now() + off))
    started = await value("SELECT started_at FROM shift WHERE id = $1", come["id"])
    assert abs(started - begun) < timedelta(seconds=2)
    assert ["clock_skew"] == await standing(come["id"])


# Late is not invalid_parameter


async def test_an_entry_sent_after_more_than_a_day(app: Litestar) -> None:
    """It is recorded, with a finding that says so."""
    lin = await a_duty_auxiliary(app)
    soon, late = a_shift(lin, hours=20)[0], a_shift(lin, hours=30)[0]
    assert ["recorded", "recorded"] == statuses(await lin.sync(soon, late))
    assert "told_late" not in await standing(soon["id"])
    assert "told_late" in await standing(late["id"])


async def numbered(lin: Someone, *numbers: int) -> dict[int, Any]:
    """Entries with these numbers, sent in this order; their ids."""
    ids = {}
    for number in numbers:
        entry = lin.item("documents/declare", title="证明", file_name="a.pdf", media_type="application/pdf",
                        device_seq=number, at=ago(hours=3))  # fmt: skip
        assert ["recorded"] == statuses(await lin.sync(entry))
        ids[number] = entry["id"]
    return ids


@pytest.mark.parametrize("order", [(1, 2, 5, 6), (6, 5, 2, 1)])
async def test_sequence_numbers_that_are_missing(app: Litestar, order: tuple[int, ...]) -> None:
    """After a term the entry after the gap has a finding, until the missing numbers come."""
    lin = await with_a_handheld(app)
    ids = await numbered(lin, *order)
    await device_sequence.check_numbers(now())
    assert [[]] * 4 == [await standing(entry) for entry in ids.values()]
    later = now() + law().span("sequence_awaited") + timedelta(minutes=1)
    await device_sequence.check_numbers(later)
    assert {1: [], 2: [], 5: ["sequence_missing"], 6: []} == {n: await standing(entry) for n, entry in ids.items()}
    ids |= await numbered(lin, 3, 4)
    await device_sequence.check_numbers(later)
    assert [[]] * 6 == [await standing(entry) for entry in ids.values()]


async def test_refused_and_unreadable_entries_are_not_missing(app: Litestar) -> None:
    """They arrived, whatever their result."""
    lin = await with_a_handheld(app)
    (come,) = (await numbered(lin, 1)).values()
    forbidden = lin.item("shifts/check-in", **(a_check_in() | {"roster_post": None, "device_seq": 2}))
    denied = lin.item("shifts/check-in", **(a_check_in() | {"ordered_by": uuid4(), "device_seq": 3}))
    unread = lin.item("shifts/check-in", device_seq=4)
    waits = lin.item("shifts/check-out", shift=uuid4(), device_seq=5, at=ago(hours=1))
    assert ["refused"] * 3 + ["waiting"] == statuses(await lin.sync(forbidden, denied, unread, waits))
    ids = await numbered(lin, 6)
    await device_sequence.check_numbers(now() + timedelta(days=2))
    assert [[], []] == [await standing(entry) for entry in (come, ids[6])]


async def test_a_sequence_that_began_anew(app: Litestar) -> None:
    """Several entries with the same number: each has a finding."""
    lin = await with_a_handheld(app)
    reused = [(await numbered(lin, 7))[7] for _ in range(5)]
    assert [["sequence_reused"]] * 5 == [await standing(entry) for entry in reused]


@pytest.mark.parametrize("of_whom", ["nobody", "another"])
async def test_a_bad_cursor_does_not_stop_the_entries(app: Litestar, of_whom: str) -> None:
    """Only the phone's position in the feed is lost: there is a reset, and the entries are recorded."""
    lin, zhao = await with_a_handheld(app), await an_officer(app)
    foreign = (await zhao.get("/v1/changes")).json()["cursor"] if of_whom == "another" else "garbled"
    item = lin.item("shifts/check-in", **a_check_in())
    answer = (await lin.tell("/v1/sync", entries=[item], cursor=foreign)).json()
    assert (["recorded"], True) == (statuses(answer["results"]), answer["reset"])
    assert str(item["id"]) == answer["bundle"]["shift"]["id"]


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_an_entry_backdated_within_a_boot(app: Litestar, order: tuple[int, ...], anchored: bool) -> None:
    """The uptime says when an entry was made; the clock was set back for it and then set right again."""
    lin = await with_a_handheld(app)
    boot, booted = uuid4(), ago(hours=6)
    items = [
        lin.item("documents/declare", title="证明", file_name="a.pdf", media_type="application/pdf", boot_id=boot,
                 uptime_ms=hours * 3_600_000, at=booted + timedelta(hours=hours) - back)
        for hours, back in ((1, timedelta()), (2, timedelta(hours=1, minutes=30)), (5, timedelta()))
    ]  # fmt: skip
    for index in order:
        proof = {"boot_id": boot, "uptime_ms": round((now() - booted) / timedelta(milliseconds=1))} if anchored else {}
        assert ["recorded"] == statuses(await lin.sync(items[index], **proof))
    await device_sequence.check_numbers(now())
    assert [[], ["clock_moved"], []] == [await standing(each["id"]) for each in items]


async def test_a_call_s_own_uptime_is_the_strongest_witness(app: Litestar) -> None:
    """Even against entries that agree among themselves."""
    lin = await with_a_handheld(app)
    boot, booted = uuid4(), ago(hours=6)
    entry = lin.item("documents/declare", title="证明", file_name="a.pdf", media_type="application/pdf", boot_id=boot,
                    uptime_ms=18_000_000, at=booted + timedelta(hours=2))  # fmt: skip
    await lin.sync(entry)
    await device_sequence.check_numbers(now())
    assert [] == await standing(entry["id"])
    await lin.sync(boot_id=boot, uptime_ms=round((now() - booted) / timedelta(milliseconds=1)))
    assert ["clock_moved"] == await standing(entry["id"])


async def test_uptimes_that_cannot_be_harm_nobody(app: Litestar) -> None:
    """The largest number that is allowed."""
    lin = await with_a_handheld(app)
    entry = lin.item("shifts/check-in", **a_check_in(), boot_id=uuid4(), uptime_ms=2**63 - 1)
    assert ["recorded"] == statuses(await lin.sync(entry, boot_id=uuid4(), uptime_ms=2**63 - 1))


async def test_the_union_has_every_field_verb_and_no_other(app: Litestar) -> None:
    """oneOf with a discriminator, made from verbs.py."""
    from backend.registry import VERBS

    schemas = (await (await a_duty_auxiliary(app)).get("/openapi.json")).json()["components"]["schemas"]
    items = schemas["SyncCall"]["properties"]["entries"]["items"]
    assert "verb" == items["discriminator"]["propertyName"]
    mapping = items["discriminator"]["mapping"]
    assert {verb.name for verb in VERBS if verb.field} == set(mapping)
    assert sorted(mapping.values()) == sorted(each["$ref"] for each in items["oneOf"])
    assert 1000 == schemas["SyncCall"]["properties"]["entries"]["maxItems"]
