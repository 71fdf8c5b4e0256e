"""Entries of a revoked device, and entries that wait too long: kept, listed, and decided by a person of the organ."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend import sync
from backend.core.database import execute, first, value
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_check_in,
    a_commander_of,
    a_duty_auxiliary,
    ago,
    an_enrolled_key,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
    somebody,
)

REVOKED = "UPDATE device d SET revoked_at = {at} FROM device_key k WHERE k.device = d.id AND k.jkt = $1"


async def revoke(someone: Someone) -> None:
    """Their device was lost."""
    assert someone.key is not None
    await execute(REVOKED.format(at="now()"), someone.key.jkt)


async def give_back(someone: Someone) -> None:
    """It was found, as if it had never been lost."""
    assert someone.key is not None
    await execute(REVOKED.format(at="NULL"), someone.key.jkt)


async def held_shift(app: Litestar) -> tuple[Someone, dict[str, Any], dict[str, Any]]:
    """Lin's check-in and check-out from a revoked device, held."""
    lin = await a_duty_auxiliary(app)
    await revoke(lin)
    come = lin.item("shifts/check-in", at=ago(hours=3), **a_check_in())
    go = lin.item("shifts/check-out", shift=come["id"], at=ago(hours=2))
    results = await lin.sync(come, go)
    assert [("waiting", "device_revoked")] * 2 == [(each["status"], each["reason"]) for each in results]
    return lin, come, go


async def decide(someone: Someone, verb: str, held: Any, **fields: Any) -> Any:
    return await someone.post(f"/v1/held/{verb}", **({"held": held, "why": "经本人当面核实"} | fields))


async def state_of(entry: Any) -> str | None:
    return await value("SELECT state FROM held_entry WHERE id = $1", entry)


async def test_what_is_admitted_is_recorded_as_it_came(app: Litestar) -> None:
    """With its own actor and time, as late. A check-out waits until its shift is admitted."""
    lin, come, go = await held_shift(app)
    sun = await a_commander_of(app, STATION)
    assert 0 == await value("SELECT count(*) FROM shift WHERE person = $1", lin.id)
    assert "admitted" == recorded(await decide(sun, "admit", go["id"]))["held"]["state"]
    assert "admitted" == await state_of(go["id"])
    recorded(await decide(sun, "admit", come["id"]))
    assert ["recorded", "recorded"] == [await state_of(each["id"]) for each in (come, go)]
    shift = await first("SELECT * FROM shift WHERE person = $1", lin.id)
    assert (come["occurred_at"], go["occurred_at"], "check_out") == (
        shift["started_at"], shift["ended_at"], shift["ended_by"],
    )  # fmt: skip
    line = await first("SELECT actor, at FROM journal WHERE entry_id = $1 AND outcome = 'recorded'", come["id"])
    assert (lin.id, True) == (line["actor"], line["at"] < now())
    assert ["replayed", "replayed"] == [each["status"] for each in await lin.sync(come, go)]
    assert (None, None) == tuple(await first("SELECT content, despite FROM held_entry WHERE id = $1", come["id"]))


async def test_what_is_admitted_is_never_refused_by_rules(app: Litestar) -> None:
    """It came within the minute, but the act is over when a person decides: it is recorded with findings."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    await revoke(lin)
    entry = lin.item("shifts/check-in", **(a_check_in() | {"roster_post": None}))
    await lin.sync(entry)
    recorded(await decide(sun, "admit", entry["id"]))
    assert "recorded" == await state_of(entry["id"])
    sql = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL"
    assert "not_ordered" == await value(sql, entry["id"])


async def test_what_is_refused_is_kept_and_its_phone_gets_the_refusal(app: Litestar) -> None:
    """For ever, by its own route and by sync; nothing of it is recorded."""
    lin, come, _ = await held_shift(app)
    inspector = await an_inspector_of(app, DISTRICT)
    recorded(await decide(inspector, "refuse", come["id"]))
    (result,) = await lin.sync(come)
    assert ("refused", "held_refused") == (result["status"], result["problem"]["code"])
    await give_back(lin)
    alone = {name: what for name, what in come.items() if name != "verb"} | {"sent_at": now()}
    refused(await lin.send("/v1/shifts/check-in", alone), 409, "held_refused")
    refused(await decide(inspector, "admit", come["id"]), 409, "already_decided")
    listed = (await inspector.get("/v1/held", state="refused", limit=200)).json()["items"]
    (row,) = [each for each in listed if each["id"] == str(come["id"])]
    assert (str(inspector.id), "经本人当面核实") == (row["decided_by"], row["why"])
    assert "patrol" == row["content"]["duty_type"]
    assert 0 == await value("SELECT count(*) FROM shift WHERE person = $1", lin.id)


async def test_what_is_held_by_its_own_route(app: Litestar) -> None:
    """Another device does not get round the decision."""
    lin, come, _ = await held_shift(app)
    await give_back(lin)
    alone = {name: what for name, what in come.items() if name != "verb"} | {"sent_at": now()}
    refused(await lin.send("/v1/shifts/check-in", alone), 409, "held")
    refused(await lin.send("/v1/shifts/check-in", alone | {"dress": "plain"}), 409, "id_reused")
    assert ["waiting"] == [each["status"] for each in await lin.sync(come)]


async def test_what_was_recorded_before_the_revocation_is_replayed(app: Litestar) -> None:
    """The phone gets the receipt, and may delete the entry."""
    lin = await a_duty_auxiliary(app)
    come = lin.item("shifts/check-in", at=ago(hours=3), **a_check_in())
    await lin.sync(come)
    await revoke(lin)
    assert ["replayed"] == [each["status"] for each in await lin.sync(come)]


async def test_only_who_oversees_the_organ_decides(app: Litestar) -> None:
    """In other organs it is not found; without the role nobody decides; the list has the same limits."""
    lin, come, _ = await held_shift(app)
    elsewhere = await a_commander_of(app, OTHER_DISTRICT)
    for someone in (elsewhere, await an_officer(app)):
        refused(await decide(someone, "admit", come["id"]), 404, "unknown_held")
        assert [] == [row for row in (await someone.get("/v1/held", limit=200)).json()["items"]
                      if row["id"] == str(come["id"])]  # fmt: skip
    refused(await decide(lin, "admit", come["id"]), 403, "device_revoked")
    refused(await decide(await a_duty_auxiliary(app), "admit", come["id"]), 403, "not_for_your_role")
    refused(await decide(elsewhere, "refuse", uuid4()), 404, "unknown_held")
    administrator = await somebody(app, "staff", roles=[("administrator", STATION)])
    assert str(come["id"]) in [row["id"] for row in (await administrator.get("/v1/held", limit=200)).json()["items"]]
    refused(await decide(administrator, "admit", come["id"]), 404, "unknown_held")
    assert "waiting" == await state_of(come["id"])


async def test_nobody_decides_in_their_own_matter(app: Litestar) -> None:
    """A commander whose own device is revoked."""
    sun = await a_commander_of(app, STATION)
    await revoke(sun)
    entry = sun.item("documents/declare", title="证明", file_name="a.pdf", media_type="application/pdf")
    assert ["waiting"] == [each["status"] for each in await sun.sync(entry)]
    await give_back(sun)
    refused(await decide(sun, "admit", entry["id"]), 403, "own_matter")


async def test_a_person_also_decides_about_what_waits_too_long(app: Litestar) -> None:
    """Admitted, it waits without a term; refused, it is never recorded."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    come = lin.item("shifts/check-in", at=ago(hours=3), **a_check_in())
    go, other = (lin.item("shifts/check-out", shift=come["id"], at=ago(hours=2)) for _ in range(2))
    await lin.sync(go, other)
    recorded(await decide(sun, "admit", go["id"]))
    recorded(await decide(sun, "refuse", other["id"]))
    await lin.sync(come)
    assert ["recorded", "refused"] == [await state_of(each["id"]) for each in (go, other)]
    assert 1 == await value("SELECT count(*) FROM check_out WHERE shift = $1", come["id"])


async def test_the_sweep_records_an_admitted_entry_that_no_call_recorded(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after the decision."""
    _, come, _ = await held_shift(app)
    sun = await a_commander_of(app, STATION)

    async def killed(ids: Any) -> dict[UUID, Any]:
        return {}

    with monkeypatch.context() as cut:
        cut.setattr(sync, "record_held", killed)
        recorded(await decide(sun, "admit", come["id"]))
    assert "admitted" == await state_of(come["id"])
    await sync.sweep(now())
    assert "recorded" == await state_of(come["id"])


async def test_an_entry_received_before_the_revocation_needs_no_decision(app: Litestar) -> None:
    """It waited only for its reference, and is recorded when that arrives."""
    lin = await a_duty_auxiliary(app)
    come = lin.item("shifts/check-in", at=ago(hours=3), **a_check_in())
    go = lin.item("shifts/check-out", shift=come["id"], at=ago(hours=2))
    await lin.sync(go)
    await revoke(lin)
    lin.key = await an_enrolled_key()
    await lin.open()
    await lin.sync(come)
    assert "recorded" == await state_of(go["id"])


async def test_the_list_is_paged(app: Litestar) -> None:
    """Newest first, nothing twice."""
    _, come, go = await held_shift(app)
    inspector = await an_inspector_of(app, STATION)
    seen: list[str] = []
    cursor = {}
    while True:
        page = (await inspector.get("/v1/held", reason="device_revoked", limit=1, **cursor)).json()
        seen += [row["id"] for row in page["items"]]
        if page["next"] is None or {str(come["id"]), str(go["id"])} <= set(seen):
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen))
    assert {str(come["id"]), str(go["id"])} <= set(seen)
