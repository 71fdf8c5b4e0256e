"""Held entries: they cannot be recorded yet. A reference is unknown, their device is revoked, or their person left.

Guarantees: an entry is kept whole from its first arrival, and keeps the times of that arrival. The same id with other
content is refused. A held entry obeys the rule of its verb (core/verb.py, HeldRule): who finds it, who reads its words,
who decides; for a person from whom it is kept it does not exist. Nobody decides in their own matter. Only what a
revoked device sent or signed, or somebody who left sent, can be refused by a person. A decision is journalled and only
opens the way: backend/sync.py records what was admitted, after the commit or in its sweep. See docs/adr/0017, 0034 and
0038.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.described import Badge, OrganCode, PersonName
from backend.core.findings import Finding
from backend.core.paging import Page, PageCursor, next_page
from backend.core.refusals import Refusal
from backend.core.stints import STINTS
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome, Timing
from backend.core.wire import Entry, Moment, Receipt, Words
from backend.core.write_path import Arrival, Held, booted_at, keep_device_number, lock_persons, timing_of
from backend.held.tables import HeldEntry
from backend.law.catalogue import law

HeldReason = Literal["unknown_reference", "device_revoked", "after_service"]
HeldState = Literal["waiting", "admitted", "refused", "unfit", "recorded"]
HeldId = Annotated[UUID, msgspec.Meta(description="id of the held entry")]
HeldStateField = Annotated[
    HeldState,
    msgspec.Meta(
        description="waiting; admitted or refused by a person; recorded; or unfit: its reference came, and it is"
        " refused all the same"
    ),
]


class AdmitHeld(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person admits a held entry: it is recorded as late, as soon as what it refers to is recorded."""

    held: HeldId
    why: Annotated[Words, msgspec.Meta(description="reason for admitting it")]


class RefuseHeld(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person refuses a held entry: it is kept and never recorded, and its device gets this answer."""

    held: HeldId
    why: Annotated[Words, msgspec.Meta(description="reason for refusing it")]


class HeldStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A held entry after the decision."""

    id: HeldId
    state: HeldStateField


class HeldReceipt(Receipt, kw_only=True):
    """The answer to a decision about a held entry."""

    held: Annotated[HeldStanding, msgspec.Meta(description="the held entry after the decision")]


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is or was held."""

    id: HeldId
    verb: Annotated[str, msgspec.Meta(description="verb of the entry, such as `shifts/check-in`")]
    person: Annotated[UUID, msgspec.Meta(description="who made the entry")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    device: Annotated[UUID | None, msgspec.Meta(description="id of the device that sent it; null: sent from a desk")]
    occurred_at: Annotated[
        Moment | None, msgspec.Meta(description="when it happened, in corrected time; null: not known")
    ]
    received_at: Annotated[Moment, msgspec.Meta(description="when the server first received it")]
    reason: Annotated[
        HeldReason,
        msgspec.Meta(
            description="unknown_reference: what it refers to has not come; device_revoked: the device that sent or"
            " signed it is revoked, and a person decides; after_service: who sent it had left when it happened, or left"
            " too long ago, and a person decides"
        ),
    ]
    waiting_for: Annotated[list[UUID], msgspec.Meta(description="ids that it refers to and that have not come")]
    until: Annotated[
        Moment | None,
        msgspec.Meta(
            description="after this time a person looks at it, and it still waits; null: a person must decide"
        ),
    ]
    state: HeldStateField
    code: Annotated[str | None, msgspec.Meta(description="code of the refusal, where it is unfit; otherwise null")]
    decided_by: Annotated[UUID | None, msgspec.Meta(description="who admitted or refused it; null: nobody yet")]
    decided_at: Annotated[Moment | None, msgspec.Meta(description="when a person decided; null: not decided")]
    why: Annotated[str | None, msgspec.Meta(description="reason of the decision; null: not decided")]
    content: Annotated[
        dict[str, Any] | None,
        msgspec.Meta(
            description="the entry as it came; null once recorded or erased, and for readers who may not read the fact"
            " itself"
        ),
    ]


class RecordedMeanwhile(Exception):
    """The entry was recorded meanwhile: the caller must record it again, which replays it."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry waits: part of the answer to its device. `new`: it is held since this call."""

    reason: HeldReason
    waiting_for: list[UUID]
    until: datetime | None
    new: bool


INSERT_HELD = """
INSERT INTO held_entry (id, actor, organ, session, device, verb, content, despite, occurred_at, sent_at, received_at,
    reason, waiting_for, wakes, until, state, listed_to, shown_to, decided_by_roles, concerned)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'waiting', $16, $17, $18, $19)
ON CONFLICT (id) DO NOTHING RETURNING id
"""
INSERT_CONCERN = """
INSERT INTO matter_concerns (entry, person, fact, leaders, started_at, ended_at, case_ref)
SELECT $1, (SELECT id FROM person WHERE id = $2), $3, $4, $5, $6, $7
WHERE num_nonnulls((SELECT id FROM person WHERE id = $2), $3::uuid, $7::text) > 0
"""
IS_RECORDED = "SELECT count(*) > 0 FROM journal WHERE entry_id = $1 AND outcome = 'recorded'"
DECIDE_HELD = """
UPDATE held_entry SET state = $2, decided_by = $3, decided_at = $4, why = $5, wakes = wakes || id WHERE id = $1
"""
# $1: the viewer. Their roles are looked up in the database: each verb says which of them count.
HELD_PAGE = """
SELECT h.*, h.actor AS person, p.badge, p.name,
    h.actor = $1 OR held_open_to(h, $1, h.shown_to) AS shown
FROM held_entry h JOIN person_now p ON p.id = h.actor
WHERE held_open_to(h, $1, h.listed_to)
    AND ($4::text IS NULL OR h.state = $4) AND ($5::text IS NULL OR h.reason = $5)
    AND ($2::timestamptz IS NULL OR (h.received_at, h.id) < ($2, $3))
ORDER BY h.received_at DESC, h.id DESC LIMIT $6
"""
HELD_TO_DECIDE = """
SELECT h.*, $2 = h.actor OR $2 = ANY (h.concerned) AS own FROM held_entry h
WHERE h.id = $1 AND held_open_to(h, $2, h.decided_by_roles) FOR UPDATE OF h
"""
COUNT_WAITING = "SELECT count(*) FROM held_entry WHERE actor = $1 AND state IN ('waiting', 'admitted')"


async def hold(arrival: Arrival, why: Held) -> Wait:
    """Keep an entry until it can be recorded.

    Raises Refusal `id_reused`, `too_many_waiting`; RecordedMeanwhile.

    Whoever records what it waits for takes the same locks. So either they see this entry, or the caller, who tries
    again after the commit, sees what they recorded.
    """
    actor, entry, received_at = arrival.actor, arrival.entry, arrival.received_at
    timed = timing_of(arrival)
    wakes = [] if why.unknown is None else await waits_for(arrival, why)
    until = None if why.unknown is None else received_at + law().span("waiting_ceiling")
    awaits = [] if why.unknown is None else [why.unknown.reference]
    despite = None if entry.despite is None else msgspec.json.encode(entry.despite).decode()
    content = arrival.content.decode()
    about = await arrival.verb.held.about(actor, entry)
    concerned = sorted({*await arrival.verb.concerned(actor, entry), *_named(arrival)})
    async with tx():
        await lock_persons([entry.id, actor.person, *wakes])
        kept = await first("SELECT * FROM held_entry WHERE id = $1", entry.id)
        if kept is not None:
            if kept["content"] != content:
                raise Refusal("id_reused")
            return _wait(kept, new=False)
        if await value(IS_RECORDED, entry.id):
            raise RecordedMeanwhile
        if await value(COUNT_WAITING, actor.person) >= law().count("waiting_at_once"):
            raise Refusal("too_many_waiting")
        organ, rule = about.organ or actor.organ_at(timed.occurred_at), arrival.verb.held
        await execute(
            INSERT_HELD, entry.id, actor.person, organ, actor.session, actor.device, arrival.verb.name, content,
            despite, timed.occurred_at, _usable(arrival.sent_at, received_at), received_at, why.reason, awaits, wakes,
            until,
            *(sorted(roles) for roles in (rule.listed_to, rule.shown_to, rule.decided_by)), concerned,
        )  # fmt: skip
        await _keep_from(entry.id, about)
        await keep_device_number(arrival, timed.occurred_at, booted_at(entry, timed))
        await _journal_keeping(arrival, timed, why.reason, awaits)
    return Wait(reason=_reason(why.reason), waiting_for=awaits, until=until, new=True)


async def _journal_keeping(arrival: Arrival, timed: Timing, reason: str, awaits: list[UUID]) -> None:
    actor = arrival.actor
    await journal.append(
        journal.Line(
            at=arrival.received_at, verb="held/keep", outcome="done", organ=actor.organ_at(timed.occurred_at),
            actor=actor.person, device=actor.device, subjects=[arrival.entry.id],
            facts={"reason": reason, "waiting_for": awaits, "verb": arrival.verb.name},
        )
    )  # fmt: skip


def _named(arrival: Arrival) -> list[UUID]:
    """The officers whom an entry names as leading, or as the one who ordered it: they answer for it."""
    ordered = arrival.entry.despite and arrival.entry.despite.ordered_by
    return [*arrival.verb.held.named(arrival.entry), *([ordered] if ordered else [])]


async def _keep_from(held: UUID, about: HeldConcern) -> None:
    """Keep whom the entry is kept from. A person who is not on the roster is nobody."""
    await execute(
        INSERT_CONCERN, held, about.person, about.fact, about.leaders, about.started_at, about.ended_at, about.case_ref
    )


def _usable(sent_at: datetime, received_at: datetime) -> datetime:
    """The time of sending, if the database can hold it; otherwise the moment found when it came is what counts."""
    return sent_at if 1900 < sent_at.year < 9000 else received_at


async def waits_for(arrival: Arrival, why: Held) -> list[UUID]:
    """The ids whose next entry is a reason to try this one again: its reference, and the other persons concerned."""
    assert why.unknown is not None  # noqa: S101 - for the type checker
    concerned = set(await arrival.verb.concerned(arrival.actor, arrival.entry)) - {arrival.actor.person}
    return [why.unknown.reference, *sorted(concerned)]


def _wait(row: Record, *, new: bool) -> Wait:
    return Wait(reason=row["reason"], waiting_for=row["waiting_for"], until=row["until"], new=new)


def _reason(reason: str) -> HeldReason:
    known: HeldReason = msgspec.convert(reason, HeldReason)
    return known


async def whose_decision(actor: Actor, entry: Any) -> Iterable[UUID]:
    """The ids to lock: who decides, and the held entry, so that nobody records it meanwhile."""
    return (actor.person, entry.held)


async def admit(occasion: Occasion, entry: AdmitHeld) -> Outcome:
    """Admit a held entry. Raises Refusal `unknown_held`, `own_matter`, `already_decided`."""
    row = await _to_decide(occasion.actor, entry.held)
    return await _decide(occasion, row, "admitted", entry.why)


async def refuse(occasion: Occasion, entry: RefuseHeld) -> Outcome:
    """Refuse a held entry from a revoked device, or of somebody who left.

    Raises Refusal `unknown_held`, `own_matter`, `already_decided`; `waits_for_reference` where it only waits.
    """
    row = await _to_decide(occasion.actor, entry.held)
    if row["reason"] == "unknown_reference":
        raise Refusal("waits_for_reference")
    return await _decide(occasion, row, "refused", entry.why)


async def _to_decide(actor: Actor, held: UUID) -> Record:
    """A waiting entry about which the actor may decide. Raises Refusal as `admit`."""
    row = await first(HELD_TO_DECIDE, held, actor.person)
    if row is None:
        raise Refusal("unknown_held")
    if row["own"]:
        raise Refusal("own_matter")
    if row["state"] != "waiting":
        raise Refusal("already_decided")
    return row


async def _decide(occasion: Occasion, row: Record, state: HeldState, why: str) -> Outcome:
    held = row["id"]
    await execute(DECIDE_HELD, held, state, occasion.actor.person, occasion.at, why)
    await findings.withdraw("waits_in_vain", held)
    return Outcome(
        subject={"held": {"id": str(held), "state": state}}, subjects=[held, row["actor"]], organ=row["organ"]
    )


async def flag_overdue_waits(now: datetime) -> int:
    """Flag entries that waited longer than their term, for a person to decide. Returns how many."""
    rows = await fetch(
        """SELECT h.id, h.organ, h.actor, h.occurred_at FROM held_entry h WHERE h.state = 'waiting' AND h.until < $1
        AND NOT EXISTS (SELECT FROM finding f WHERE f.kind = 'waits_in_vain' AND f.subject = h.id
            AND f.withdrawn_at IS NULL)""",
        now,
    )
    for row in rows:
        async with tx():
            await lock_persons([row["id"]])
            if await HeldEntry.exists().where(HeldEntry.id == row["id"], HeldEntry.state == "waiting"):
                await findings.flag(
                    Finding(
                        kind="waits_in_vain", subject=row["id"], organ=row["organ"], person=row["actor"],
                        started_at=row["occurred_at"],
                    )
                )  # fmt: skip
    return len(rows)


async def held_entries(
    actor: Actor, state: HeldState | None, reason: HeldReason | None, cursor: str | None, limit: int
) -> Page[HeldRow]:
    """A page of held entries, newest first, as far as the rules of their verbs let the actor see them."""
    after = PageCursor.after(cursor)
    rows = await fetch(HELD_PAGE, actor.person, after and after.at, after and after.id, state, reason, limit + 1)
    return Page(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "received_at"))


def _row(row: Record) -> HeldRow:
    content = original_content(row) if row["shown"] and row["content"] is not None else None
    fields = {field: row[field] for field in HeldRow.__struct_fields__ if field != "content"}
    return HeldRow(**fields, content=content)


def original_content(row: Record) -> dict[str, Any]:
    """The fields of the entry as they came."""
    fields: dict[str, Any] = msgspec.json.decode(row["content"])["entry"]
    if row["despite"] is not None:
        fields["despite"] = msgspec.json.decode(row["despite"])
    return fields


TO_RETRY = f"""
SELECT h.*, p.badge, p.kind, p.organ AS serves_in, {STINTS.format(person="p.id")} AS stints
FROM held_entry h JOIN person_now p ON p.id = h.actor
WHERE h.id = ANY ($1) AND (h.state = 'admitted' OR h.state = 'waiting' AND h.reason = 'unknown_reference')
ORDER BY h.occurred_at, h.id
"""  # noqa: S608 - constants


async def entries_to_retry(ids: Sequence[UUID]) -> Sequence[Record]:
    """Those of these held entries that may be recorded now, each with its person as they are today."""
    return await fetch(TO_RETRY, list(ids))
