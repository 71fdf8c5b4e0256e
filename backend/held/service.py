"""Entries that came and cannot be recorded yet: what they refer to is not known, or their device is revoked.

Guarantees: an entry is kept whole from its first arrival, whose times stay its times; the same id with other content is
refused; nobody decides in their own matter. A decision is journalled and only opens the way: backend/sync.py records
what was admitted, after the commit or when it sweeps. See docs/adr/0017.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.findings import Finding
from backend.core.paging import PageCursor
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Occasion, Outcome, timing
from backend.core.visibility import OVERSEEING, reaches
from backend.core.wire import Entry, Moment, Receipt, Words
from backend.core.write_path import Arrival, Held, booted_at, content_of, keep_device_number, lock_persons
from backend.law.catalogue import law

Reason = Literal["unknown_reference", "device_revoked"]
State = Literal["waiting", "admitted", "refused", "unfit", "recorded"]
READERS = OVERSEEING | {"administrator"}


class AdmitHeld(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person admits an entry that is held: it is recorded as late, as soon as what it refers to is there."""

    held: UUID
    why: Words


class RefuseHeld(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person refuses an entry that is held: it is kept, never recorded, and its phone is told so."""

    held: UUID
    why: Words


class HeldStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A held entry after the decision."""

    id: UUID
    state: State


class HeldReceipt(Receipt, kw_only=True):
    """The answer to a decision about a held entry."""

    held: HeldStanding


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is held, or was. `content`: as it came; null once it is recorded."""

    id: UUID
    verb: str
    person: UUID
    badge: str
    name: str
    organ: str
    device: UUID | None
    occurred_at: Moment | None
    received_at: Moment
    reason: Reason
    waiting_for: list[UUID]
    until: Moment | None
    state: State
    code: str | None
    decided_by: UUID | None
    decided_at: Moment | None
    why: str | None
    content: dict[str, Any] | None


class HeldList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of held entries."""

    items: list[HeldRow]
    next: str | None


class RecordedMeanwhile(Exception):
    """The same entry was recorded meanwhile: take it again."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry waits, as its phone is told."""

    reason: Reason
    waiting_for: list[UUID]
    until: datetime | None
    new: bool


HOLD = """
INSERT INTO held_entry (id, actor, organ, session, device, verb, content, despite, occurred_at, sent_at, received_at,
    reason, waiting_for, wakes, until, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'waiting')
ON CONFLICT (id) DO NOTHING RETURNING id
"""
RECORDED = "SELECT count(*) > 0 FROM journal WHERE entry_id = $1 AND outcome = 'recorded'"
DECIDE = """
UPDATE held_entry SET state = $2, decided_by = $3, decided_at = $4, why = $5, wakes = wakes || id WHERE id = $1
"""
LISTED = """
SELECT h.*, h.actor AS person, p.badge, p.name FROM held_entry h JOIN person p ON p.id = h.actor
WHERE h.organ IN (SELECT organs_under($1::text[]))
    AND ($4::text IS NULL OR h.state = $4) AND ($5::text IS NULL OR h.reason = $5)
    AND ($2::timestamptz IS NULL OR (h.received_at, h.id) < ($2, $3))
ORDER BY h.received_at DESC, h.id DESC LIMIT $6
"""
WAITING = "SELECT count(*) FROM held_entry WHERE actor = $1 AND state IN ('waiting', 'admitted')"


async def hold(arrival: Arrival, why: Held) -> Wait:
    """Keep an entry until it can be recorded.

    Raises Refusal `id_reused`, `time_ahead`, `too_many_waiting`; RecordedMeanwhile.

    Whoever brings what it waits for holds the same locks: either they see it, or the caller, who looks again after
    this commit, sees what they brought.
    """
    actor, entry, received_at = arrival.actor, arrival.entry, arrival.received_at
    timed = timing(entry.occurred_at, arrival.sent_at, received_at, law())
    wakes = [] if why.unknown is None else await waits_for(arrival, why)
    until = None if why.unknown is None else received_at + law().span("waiting_ceiling")
    awaits = [] if why.unknown is None else [why.unknown.reference]
    despite = None if entry.despite is None else msgspec.json.encode(entry.despite).decode()
    content = content_of(arrival.verb, actor, entry).decode()
    async with tx():
        await lock_persons([entry.id, actor.person, *wakes])
        kept = await first("SELECT * FROM held_entry WHERE id = $1", entry.id)
        if kept is not None:
            if kept["content"] != content:
                raise Refusal("id_reused")
            return _wait(kept, new=False)
        if await value(RECORDED, entry.id):
            raise RecordedMeanwhile
        if await value(WAITING, actor.person) >= law().count("waiting_at_once"):
            raise Refusal("too_many_waiting")
        await execute(
            HOLD, entry.id, actor.person, actor.organ, actor.session, actor.device, arrival.verb.name, content,
            despite, timed.occurred_at, arrival.sent_at, received_at, why.reason, awaits, wakes, until,
        )  # fmt: skip
        await keep_device_number(actor, entry, received_at, booted_at(entry, timed))
        await journal.append(
            journal.Line(
                at=received_at, verb="held/keep", outcome="done", organ=actor.organ, actor=actor.person,
                device=actor.device, subjects=[entry.id],
                facts={"reason": why.reason, "waiting_for": awaits, "verb": arrival.verb.name},
            )
        )  # fmt: skip
    return Wait(reason=_reason(why.reason), waiting_for=awaits, until=until, new=True)


async def waits_for(arrival: Arrival, why: Held) -> list[UUID]:
    """Whose arrival is a reason to try again: what it refers to, and everybody else whom that concerns by now."""
    assert why.unknown is not None  # noqa: S101 - for the type checker
    concerned = set(await arrival.verb.concerned(arrival.actor, arrival.entry)) - {arrival.actor.person}
    return [why.unknown.reference, *sorted(concerned)]


def _wait(row: Record, *, new: bool) -> Wait:
    return Wait(reason=row["reason"], waiting_for=row["waiting_for"], until=row["until"], new=new)


def _reason(reason: str) -> Reason:
    return "unknown_reference" if reason == "unknown_reference" else "device_revoked"


async def whose_decision(actor: Actor, entry: Any) -> Iterable[UUID]:
    """Whom a decision concerns: who decides, and the entry, which nobody records meanwhile."""
    return (actor.person, entry.held)


async def admit(occasion: Occasion, entry: AdmitHeld) -> Outcome:
    """Let it be recorded. Raises Refusal `unknown_held`, `own_matter`, `already_decided`."""
    return await _decide(occasion, entry.held, "admitted", entry.why)


async def refuse(occasion: Occasion, entry: RefuseHeld) -> Outcome:
    """Let it never be recorded. Raises Refusal `unknown_held`, `own_matter`, `already_decided`."""
    return await _decide(occasion, entry.held, "refused", entry.why)


async def _decide(occasion: Occasion, held: UUID, state: State, why: str) -> Outcome:
    actor = occasion.actor
    row = await first("SELECT * FROM held_entry WHERE id = $1 FOR UPDATE", held)
    if row is None or not await reaches(actor, row["organ"]):
        raise Refusal("unknown_held")
    if row["actor"] == actor.person:
        raise Refusal("own_matter")
    if row["state"] != "waiting":
        raise Refusal("already_decided")
    await execute(DECIDE, held, state, actor.person, occasion.at, why)
    await findings.withdraw("waits_in_vain", held)
    return Outcome(
        subject={"held": {"id": str(held), "state": state}}, subjects=[held, row["actor"]], organ=row["organ"]
    )


async def flag_overdue_waits(now: datetime) -> int:
    """What waited longer than its term goes to a person: a finding stands until it is decided or recorded."""
    rows = await fetch(
        """SELECT h.id, h.organ, h.actor, h.occurred_at FROM held_entry h WHERE h.state = 'waiting' AND h.until < $1
        AND NOT EXISTS (SELECT FROM finding f WHERE f.kind = 'waits_in_vain' AND f.subject = h.id
            AND f.withdrawn_at IS NULL)""",
        now,
    )
    for row in rows:
        async with tx():
            await lock_persons([row["id"]])
            if await value("SELECT state = 'waiting' FROM held_entry WHERE id = $1", row["id"]):
                await findings.flag(
                    Finding(
                        kind="waits_in_vain", subject=row["id"], organ=row["organ"], person=row["actor"],
                        started_at=row["occurred_at"],
                    )
                )  # fmt: skip
    return len(rows)


async def held_entries(
    actor: Actor, state: State | None, reason: Reason | None, cursor: str | None, limit: int
) -> HeldList:
    """What is held or was, the newest first, in the organs that one commands, inspects or administers."""
    organs = [role.organ for role in actor.roles if role.role in READERS]
    page = PageCursor.after(cursor)
    rows = await fetch(LISTED, organs, page and page.at, page and page.id, state, reason, limit + 1)
    more = PageCursor(rows[limit - 1]["received_at"], rows[limit - 1]["id"]).cursor() if len(rows) > limit else None
    return HeldList(items=[_row(row) for row in rows[:limit]], next=more)


def _row(row: Record) -> HeldRow:
    content = None if row["content"] is None else msgspec.json.decode(row["content"])["entry"]
    if content is not None and row["despite"] is not None:
        content["despite"] = msgspec.json.decode(row["despite"])
    told = {field: row[field] for field in HeldRow.__struct_fields__ if field != "content"}
    return HeldRow(**told, content=content)


def original_content(row: Record) -> dict[str, Any]:
    """The entry's fields as they came."""
    told: dict[str, Any] = msgspec.json.decode(row["content"])["entry"]
    if row["despite"] is not None:
        told["despite"] = msgspec.json.decode(row["despite"])
    return told


async def entries_to_retry(ids: Sequence[UUID]) -> Sequence[Record]:
    """Those of these entries that may be tried now, with their persons."""
    return await fetch(
        """SELECT h.*, p.badge, p.kind FROM held_entry h JOIN person p ON p.id = h.actor
        WHERE h.id = ANY ($1) AND (h.state = 'admitted' OR h.state = 'waiting' AND h.reason = 'unknown_reference')
        ORDER BY h.occurred_at, h.id""",
        list(ids),
    )
