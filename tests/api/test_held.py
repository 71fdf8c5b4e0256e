"""Entries of a revoked device, and entries that wait too long: kept, listed, and decided by a person of the organ."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar

from backend import sync
from backend.core.database import execute, first, value
from backend.held.service import flag_overdue_waits
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_check_in,
    a_clerk,
    a_commander_of,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    a_treasurer_of,
    ago,
    an_administrator_of,
    an_enrolled_key,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
    some_footage,
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


async def test_what_waits_for_a_reference_can_be_admitted_and_never_refused(app: Litestar) -> None:
    """Admitted, it waits without a term. Refusing it would destroy a fact that only came before another one."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    come = lin.item("shifts/check-in", at=ago(hours=3), **a_check_in())
    go, other = (lin.item("shifts/check-out", shift=come["id"], at=ago(hours=2)) for _ in range(2))
    await lin.sync(go, other)
    recorded(await decide(sun, "admit", go["id"]))
    refused(await decide(sun, "refuse", other["id"]), 409, "waits_for_reference")
    await lin.sync(come)
    assert ["recorded", "recorded"] == [await state_of(each["id"]) for each in (go, other)]
    assert 2 == await value("SELECT count(*) FROM check_out WHERE shift = $1", come["id"])


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


# What is held obeys the rule of its verb


async def seen_by(someone: Someone, held: Any) -> dict[str, Any] | None:
    """The row of a held entry in this person's list, page by page; None where it is not in it."""
    cursor: dict[str, Any] = {}
    while True:
        page = (await someone.get("/v1/held", limit=200, **cursor)).json()
        found = [row for row in page["items"] if row["id"] == str(held)]
        if found or page["next"] is None:
            return found[0] if found else None
        cursor = {"cursor": page["next"]}


async def waits(someone: Someone, verb: str, **fields: Any) -> Any:
    """The id of an entry that waits for a reference."""
    entry = someone.item(verb, **fields)
    assert [("waiting", "unknown_reference")] == [
        (each["status"], each.get("reason")) for each in await someone.sync(entry)
    ]
    return entry["id"]


async def an_appeal(lin: Someone, against: Someone) -> Any:
    """An appeal that waits for the recording it names."""
    fields = {"kind": "appeal", "words": "考核扣分不公", "against": against.id, "recordings": [uuid4()]}
    return await waits(lin, "matters/raise", **fields)


async def test_an_appeal_that_waits_does_not_exist_for_whom_it_is_against(app: Litestar) -> None:
    """Neither in the list nor for a decision. Another commander reads it, and an administrator has no part in it."""
    lin, sun, wu = await a_duty_auxiliary(app), await a_commander_of(app, STATION), await an_inspector_of(app, DISTRICT)
    appeal = await an_appeal(lin, sun)
    assert await seen_by(sun, appeal) is None
    for verb in ("admit", "refuse"):
        refused(await decide(sun, verb, appeal), 404, "unknown_held")
    assert (await decide(sun, "admit", appeal)).json()["detail"] == (await decide(sun, "admit", uuid4())).json()[
        "detail"
    ]
    assert await seen_by(await an_administrator_of(app, DISTRICT), appeal) is None
    row = await seen_by(wu, appeal)
    assert row is not None
    assert "考核扣分不公" == row["content"]["words"]
    refused(await decide(wu, "refuse", appeal), 409, "waits_for_reference")
    recorded(await decide(wu, "admit", appeal))


async def test_an_appeal_stays_secret_when_it_is_recorded_or_refused(app: Litestar) -> None:
    """Its row stays in the list, and who it is against still does not find it there."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    appeal = lin.item("matters/raise", kind="appeal", words="不公", against=sun.id)
    await revoke(lin)
    await lin.sync(appeal)
    wu = await an_inspector_of(app, STATION)
    assert await seen_by(sun, appeal["id"]) is None
    recorded(await decide(wu, "admit", appeal["id"]))
    assert "recorded" == await state_of(appeal["id"])
    assert await seen_by(sun, appeal["id"]) is None
    assert await seen_by(wu, appeal["id"]) is not None


async def test_footage_linked_to_a_secret_matter_is_kept_from_the_same_person(app: Litestar) -> None:
    """The matter may be recorded already, or held itself."""
    lin, sun, wu = await a_duty_auxiliary(app), await a_commander_of(app, STATION), await an_inspector_of(app, STATION)
    held = await an_appeal(lin, sun)
    matter = recorded(await lin.post("/v1/matters/raise", kind="appeal", words="不公", against=sun.id))["id"]
    for each in (held, matter):
        link = await waits(lin, "matters/link", matter=each, recordings=[uuid4()])
        assert await seen_by(sun, link) is None
        assert await seen_by(wu, link) is not None


async def test_decisions_and_long_waits_leave_no_line_for_whom_it_is_kept_from(app: Litestar) -> None:
    """No finding, no line in the feed, no count: the accused learns nothing from what is beside the entry."""
    lin, sun, wu = await a_duty_auxiliary(app), await a_commander_of(app, STATION), await an_inspector_of(app, STATION)
    cursors = {who.id: (await who.get("/v1/changes")).json()["cursor"] for who in (sun, wu)}
    appeal, ordinary = await an_appeal(lin, sun), await waits(lin, "shifts/check-out", shift=uuid4())
    await execute("UPDATE held_entry SET until = now() - interval '1 hour' WHERE id = ANY ($1)", [appeal, ordinary])
    await flag_overdue_waits(now())
    found = {}
    for who in (sun, wu):
        asked = {"kind": "waits_in_vain", "person": lin.id, "limit": 200}
        found[who.id] = {row["subject"] for row in (await who.get("/v1/findings", **asked)).json()["items"]}
    assert {str(ordinary)} == found[sun.id]
    assert {str(ordinary), str(appeal)} == found[wu.id]
    recorded(await decide(wu, "admit", appeal))
    for who in (sun, wu):
        items = (await who.get("/v1/changes", after=cursors[who.id], limit=200)).json()["items"]
        assert (who is wu) == (str(appeal) in str(items))


async def test_the_findings_of_a_shift_tell_nothing_of_a_secret_that_waits(app: Litestar) -> None:
    """The timeline shows what was found about a person during the shift; not that an appeal of theirs waits."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    shift = recorded(await lin.check_in(at=ago(hours=2)))["id"]
    appeal = await an_appeal(lin, sun)
    await execute("UPDATE held_entry SET until = now() - interval '1 hour' WHERE id = $1", appeal)
    await flag_overdue_waits(now())
    kinds = {
        who.id: {row["kind"] for row in (await who.get(f"/v1/shifts/{shift}")).json()["findings"]} for who in (lin, sun)
    }
    assert ("waits_in_vain" in kinds[lin.id], "waits_in_vain" in kinds[sun.id]) == (True, False)


async def test_a_complaint_that_waits_is_for_inspectors_who_may_handle_it(app: Litestar) -> None:
    """Name and telephone of the complainant are read by no commander, no administrator, and nobody who led then."""
    lin, zhao, shift, _ = await a_led_patrol(app, hours=2)
    zhou = await a_clerk(app)
    await execute("INSERT INTO role_grant (person, role, organ, valid_from, source) "
                  "VALUES ($1, 'inspector', $2, '2026-01-01', 'import')",
                  zhao.id, STATION)  # fmt: skip
    fields = {"channel": "phone", "words": "态度粗暴", "complainant": "王某", "contact": "13800000000", "shift": shift}
    complaint = zhou.item("complaints/receive", **fields)
    await revoke(zhou)
    await zhou.sync(complaint)
    blind = [await a_commander_of(app, DISTRICT), await an_administrator_of(app, DISTRICT), zhao]
    for someone in blind:
        assert await seen_by(someone, complaint["id"]) is None
        refused(await decide(someone, "admit", complaint["id"]), 404, "unknown_held")
    wu = await an_inspector_of(app, STATION)
    row = await seen_by(wu, complaint["id"])
    assert row is not None
    assert "13800000000" == row["content"]["contact"]
    recorded(await decide(wu, "admit", complaint["id"]))
    assert "recorded" == await state_of(complaint["id"])
    assert lin.id == await value("SELECT person FROM complaint_person WHERE complaint = $1", complaint["id"])


async def test_a_complaint_about_a_person_is_held_for_the_organ_of_that_person(app: Litestar) -> None:
    """It was taken down elsewhere: the inspector there has no part in it, and who leads that person later has."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    zhou = await a_clerk(app, OTHER_DISTRICT)
    fields = {
        "channel": "phone",
        "words": "态度粗暴",
        "complainant": "王某",
        "person": lin.id,
        "started_at": ago(hours=1),
    }
    complaint = zhou.item("complaints/receive", **fields)
    await revoke(zhou)
    await zhou.sync(complaint)
    assert await seen_by(await an_inspector_of(app, OTHER_DISTRICT), complaint["id"]) is None
    assert await seen_by(await an_inspector_of(app, STATION), complaint["id"]) is not None
    assert await value("SELECT kept_from($1, $2)", complaint["id"], zhao.id)
    assert await value("SELECT kept_from($1, $2)", complaint["id"], lin.id)


async def test_an_injury_that_waits_is_for_those_who_handle_injuries(app: Litestar) -> None:
    """The body part is medical. An inspector and an administrator do not find it; a treasurer reads and decides not."""
    lin = await a_duty_auxiliary(app)
    fields = {
        "how": "被推倒",
        "doing": "巡逻",
        "body_part": "右前臂",
        "severity": "minor",
        "injured_at": ago(minutes=5),
    }
    entry = lin.item("injuries/report", **fields)
    await revoke(lin)
    await lin.sync(entry)
    for someone in (await an_inspector_of(app, STATION), await an_administrator_of(app, STATION)):
        assert await seen_by(someone, entry["id"]) is None
        refused(await decide(someone, "refuse", entry["id"]), 404, "unknown_held")
    treasurer = await a_treasurer_of(app, STATION)
    for someone in (treasurer, await a_commander_of(app, STATION)):
        row = await seen_by(someone, entry["id"])
        assert row is not None
        assert "右前臂" == row["content"]["body_part"]
    refused(await decide(treasurer, "refuse", entry["id"]), 404, "unknown_held")
    assert "waiting" == await state_of(entry["id"])


async def test_the_words_of_a_paper_that_is_held_are_shown_to_nobody_else(app: Litestar) -> None:
    """A title may be a diagnosis. That a paper is held is seen, and a person can decide."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    entry = lin.item("documents/declare", title="诊断证明", file_name="a.pdf", media_type="application/pdf")
    await revoke(lin)
    await lin.sync(entry)
    row = await seen_by(sun, entry["id"])
    assert row is not None
    assert (None, "documents/declare") == (row["content"], row["verb"])
    recorded(await decide(sun, "admit", entry["id"]))


async def test_an_administrator_sees_that_an_entry_is_held_and_not_its_words(app: Litestar) -> None:
    """As they see no shift; a commander reads it."""
    _, come, _ = await held_shift(app)
    row = await seen_by(await an_administrator_of(app, STATION), come["id"])
    assert row is not None
    assert (None, "shifts/check-in") == (row["content"], row["verb"])
    row = await seen_by(await a_commander_of(app, STATION), come["id"])
    assert row is not None
    assert "patrol" == row["content"]["duty_type"]


async def test_pages_and_cursors_tell_nothing_of_what_is_kept_from_the_reader(app: Litestar) -> None:
    """Pages are full of what the reader may see: a secret entry leaves no gap, and is never a page's last row."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    first_id = await waits(lin, "shifts/check-out", shift=uuid4())
    appeals = [await an_appeal(lin, sun) for _ in range(3)]
    last_id = await waits(lin, "shifts/check-out", shift=uuid4())
    page = (await sun.get("/v1/held", limit=1)).json()
    assert [str(last_id)] == [row["id"] for row in page["items"]]
    page = (await sun.get("/v1/held", limit=1, cursor=page["next"])).json()
    assert [str(first_id)] == [row["id"] for row in page["items"]]
    assert not [appeal for appeal in appeals if str(appeal) in str(page)]


async def test_the_wearer_does_not_decide_about_their_own_footage(app: Litestar) -> None:
    """A docking station brought in a commander's film, and was revoked: the matter is the commander's own."""
    sun, other = await a_commander_of(app, STATION), await a_commander_of(app, STATION)
    dock = await a_dock(app)
    entry = dock.item("recordings/declare", wearer=sun.id, **some_footage())
    await revoke(dock)
    assert ["waiting"] == [each["status"] for each in await dock.sync(entry)]
    refused(await decide(sun, "refuse", entry["id"]), 403, "own_matter")
    recorded(await decide(other, "refuse", entry["id"]))


@pytest.mark.parametrize("verb", ["supervisions/name", "shifts/check-in"])
async def test_an_officer_whom_it_names_does_not_decide_about_it(app: Litestar, verb: str) -> None:
    """The commander is said to have led, or to have ordered the duty, by a phone that was lost: another one decides."""
    lin, sun, other = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, STATION)
    await execute("INSERT INTO role_grant (person, role, organ, valid_from, source) "
                  "VALUES ($1, 'commander', $2, '2026-01-01', 'import')",
                  sun.id, STATION)  # fmt: skip
    fields = {"officer": sun.id} if verb == "supervisions/name" else a_check_in() | {"ordered_by": sun.id}
    await revoke(lin)
    entry = lin.item(verb, at=ago(hours=1), **fields)
    assert ["waiting"] == [each["status"] for each in await lin.sync(entry)]
    for decision in ("admit", "refuse"):
        refused(await decide(sun, decision, entry["id"]), 403, "own_matter")
    recorded(await decide(other, "refuse", entry["id"]))


async def test_an_officer_who_ordered_it_does_not_decide_about_it(app: Litestar) -> None:
    """Whoever answers for an act against the rules does not let it in or out of the record."""
    lin, sun, other = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, STATION)
    await execute("INSERT INTO role_grant (person, role, organ, valid_from, source) "
                  "VALUES ($1, 'commander', $2, '2026-01-01', 'import')",
                  sun.id, STATION)  # fmt: skip
    await revoke(lin)
    why = {"why": "现场紧急", "ordered_by": str(sun.id)}
    entry = lin.item("shifts/check-in", at=ago(hours=1), **a_check_in(), despite=why)
    assert ["waiting"] == [each["status"] for each in await lin.sync(entry)]
    refused(await decide(sun, "admit", entry["id"]), 403, "own_matter")
    recorded(await decide(other, "admit", entry["id"]))


async def test_a_complaint_about_a_place_is_held_for_whom_it_will_be_recorded(app: Litestar) -> None:
    """It names nobody: the inspectors of the organ read it while it waits, and the same ones afterwards."""
    zhou, wu = await a_clerk(app), await an_inspector_of(app, STATION)
    crowd = [wu, *[await an_inspector_of(app, each) for each in (DISTRICT, OTHER_DISTRICT)]]
    crowd += [await a_commander_of(app, STATION), await an_administrator_of(app, STATION), await a_duty_auxiliary(app)]
    complaint = zhou.item("complaints/receive", channel="phone", words="执法粗暴", complainant="王某", place=PLACE,
                          radius_m=50, started_at=ago(hours=502), ended_at=ago(hours=501))  # fmt: skip
    await revoke(zhou)
    assert ["waiting"] == [each["status"] for each in await zhou.sync(complaint)]
    rows = [await seen_by(each, complaint["id"]) for each in crowd]
    held = [row is not None and row["content"] is not None for row in rows]
    recorded(await decide(wu, "admit", complaint["id"]))
    assert "recorded" == await state_of(complaint["id"])
    answers = [await each.get(f"/v1/complaints/{complaint['id']}") for each in crowd]
    in_full = [answer.status_code == 200 and '"in_full":true' in answer.text for answer in answers]
    assert [True, True, False, False, False, False] == held == in_full


async def test_a_rule_names_roles_that_may_read_what_they_decide(app: Litestar) -> None:
    """The database refuses a rule by which somebody decides about what they cannot find."""
    _, come, _ = await held_shift(app)
    with pytest.raises(asyncpg.CheckViolationError):
        await execute("UPDATE held_entry SET listed_to = '{treasurer}' WHERE id = $1", come["id"])
