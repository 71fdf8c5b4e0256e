"""Record calls for help and the steps about them: one transaction each.

Guarantees: everybody to be notified is a subject of the journal line that the feed reads, written with the call. One
person acknowledges a call. The worker escalates a call that nobody acknowledges in time, organ by organ. No call is
refused for being late: one that arrives after the fact is on the timeline all the same.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from backend.assistance.schemas import AcknowledgeCall, ArriveAtCall, CallForHelp, CloseCall, OnCall
from backend.assistance.tables import Assistance, AssistanceCalled, AssistanceStep
from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.officers import TODAY
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import IndexPath, commanded_while, name_of, viewer, visible_to
from backend.core.wire import as_json
from backend.core.write_path import lock_persons
from backend.law.catalogue import law

STEPS = ("acknowledge", "arrive", "close")
FIRST_STEP = """
LEFT JOIN LATERAL (
    SELECT * FROM assistance_step s WHERE s.call = h.id AND s.step = '{step}' ORDER BY s.at, s.id LIMIT 1
) {step} ON true"""
CALLS = f"""
SELECT h.*, p.badge, p.name, CASE WHEN h.place IS NULL THEN
    (SELECT x.told FROM left_out x WHERE x.entry = h.id AND x.field = 'place') END AS place_told,
    {name_of("acknowledge.by_person")} AS acknowledged_by_name, {name_of("close.by_person")} AS closed_by_name,
    acknowledge.by_person AS acknowledged_by, acknowledge.at AS acknowledged_at,
    arrive.at AS arrived_at, close.at AS closed_at, close.by_person AS closed_by, close.words AS outcome,
    ARRAY(SELECT x.person FROM assistance_called x WHERE x.call = h.id AND x.first ORDER BY 1) AS called_first
FROM assistance h JOIN person_now p ON p.id = h.person{"".join(FIRST_STEP.format(step=step) for step in STEPS)}
"""  # noqa: S608 - constants
# From the call until it was closed: whoever takes over a duty sees what is still open.
OPEN = """
tstzrange(h.called_at, (SELECT min(s.at) FROM assistance_step s
    WHERE s.call = h.id AND s.step = 'close'), '[]')
"""
VISIBLE = (
    visible_to(own=["h.person"], organ="h.organ")
    .also(
        "EXISTS (SELECT FROM assistance_called x WHERE x.call = h.id AND x.person = $1)",
        IndexPath("h.id", "SELECT x.call AS value FROM assistance_called x WHERE x.person = $1"),
    )
    .also(*commanded_while(organ="h.organ", span=OPEN, began="h.called_at"))
)
ROW = f"{CALLS} WHERE h.id = $3 AND {VISIBLE.condition}"
INSERT = """
INSERT INTO assistance (id, person, organ, kind, words, place, called_at, asked_in, ask_again_at, incident_ref)
VALUES ($1, $2, $3, $4, $5, $6, $7, $3, $8, $9)
"""
# Notify an organ: first whoever commands its duty by the daily roster, wherever they serve, then its other officers and
# its commanders, as of today. `first`: they are to be rung before the others.
NOTIFY = f"""
INSERT INTO assistance_called (call, person, at, first)
SELECT $1, p.id, $3, duty.commands FROM person_now p, (SELECT {TODAY} AS is) AS day, LATERAL (
    SELECT EXISTS (
        SELECT FROM duty_command c WHERE c.person = p.id AND c.organ = $2 AND c.during @> $3::timestamptz
    ) AS commands
) duty
WHERE p.id <> $4 AND p.serves_from <= day.is AND coalesce(p.serves_until >= day.is, true) AND (
    duty.commands OR p.kind = 'officer' AND p.organ = $2 OR EXISTS (
        SELECT FROM role_grant g WHERE g.person = p.id AND g.role = 'commander' AND g.organ = $2
            AND g.valid_from <= day.is AND coalesce(g.valid_until >= day.is, true)))
ON CONFLICT (call, person) DO UPDATE SET first = true WHERE excluded.first AND NOT assistance_called.first
RETURNING person
"""  # noqa: S608
log = structlog.get_logger()


async def call(occasion: Occasion, entry: CallForHelp) -> Outcome:
    """Call for help. The officers and commanders of the organ are notified in the same transaction."""
    actor = occasion.actor
    again = occasion.timing.as_of + occasion.law.span("assistance_answered")
    await execute(
        INSERT,
        entry.id,
        actor.person,
        occasion.organ,
        entry.kind,
        entry.words,
        as_json(entry.place),
        occasion.at,
        again,
        entry.incident_ref,
    )
    called = await fetch(NOTIFY, entry.id, occasion.organ, occasion.timing.as_of, actor.person)
    return await _outcome(occasion, entry.id, [row["person"] for row in called])


async def acknowledge(occasion: Occasion, entry: AcknowledgeCall) -> Outcome:
    """Take the call. Raises Refusal `unknown_call`, `own_matter`, live `call_acknowledged`, `call_closed`."""
    row = await _visible_call(occasion, entry)
    if row["person"] == occasion.actor.person:
        raise Refusal("own_matter")
    occasion.require_live_state(row["acknowledged_by"] is None, "call_acknowledged")
    return await _step(occasion, entry, row, "acknowledge")


async def arrive(occasion: Occasion, entry: ArriveAtCall) -> Outcome:
    """Help has arrived. Raises Refusal `unknown_call`, live `call_closed`."""
    return await _step(occasion, entry, await _visible_call(occasion, entry), "arrive")


async def close(occasion: Occasion, entry: CloseCall) -> Outcome:
    """Close the call. Raises Refusal `unknown_call`, live `call_closed`."""
    return await _step(occasion, entry, await _visible_call(occasion, entry), "close", entry.words)


async def concerned(actor: Actor, entry: OnCall) -> Iterable[UUID]:
    """The ids to lock for a step: the actor and the call, so that its steps are taken one at a time."""
    return (actor.person, entry.call)


async def _visible_call(occasion: Occasion, entry: OnCall) -> Record:
    """The call, if the actor may see it. Raises Refusal `unknown_call`."""
    row = await first(ROW, *viewer(occasion.actor), entry.call)
    if row is None:
        raise Unknown("unknown_call", entry.call)
    return row


async def _step(occasion: Occasion, entry: OnCall, row: Record, step: str, words: str | None = None) -> Outcome:
    """Insert a step; the call is not escalated any more. Raises Refusal live `call_closed`."""
    occasion.require_live_state(row["closed_at"] is None, "call_closed")
    at = max(occasion.at, row["called_at"])
    await AssistanceStep.insert(
        AssistanceStep(id=entry.id, call=row["id"], step=step, by_person=occasion.actor.person, at=at, words=words)
    )
    await Assistance.update({Assistance.ask_again_at: None}).where(Assistance.id == row["id"])
    called = AssistanceCalled.select(AssistanceCalled.person).where(AssistanceCalled.call == row["id"])
    return await _outcome(occasion, row["id"], await called.output(as_list=True))


async def _outcome(occasion: Occasion, call_id: UUID, called: list[UUID]) -> Outcome:
    row: Any = await first(f"{CALLS} WHERE h.id = $1", call_id)
    ids = ("id", "person", "acknowledged_by")
    times = ("called_at", "acknowledged_at", "arrived_at", "closed_at")
    standing = {"kind": row["kind"], "asked_in": row["asked_in"]}
    standing |= {name: row[name] and str(row[name]) for name in ids}
    standing |= {name: row[name] and utc(row[name]) for name in times}
    standing |= {"called_first": [str(person) for person in row["called_first"]]}
    subjects = [row["id"], row["person"], *sorted({*called, occasion.actor.person} - {row["person"]})]
    return Outcome(subject={"call": standing}, subjects=subjects, organ=row["organ"])


async def escalate_unanswered(now: datetime) -> int:
    """Call the organ above for each call that nobody acknowledged in its term. Returns how many were escalated."""
    escalated = 0
    unanswered = Assistance.select(Assistance.id).where(Assistance.ask_again_at < now)
    for call_id in await unanswered.order_by(Assistance.ask_again_at).limit(100).output(as_list=True):
        try:
            async with tx():
                await lock_persons([call_id])
                escalated += await _escalate(call_id, now)
        except Exception as error:
            log.error("a call was not escalated", error=type(error).__name__)
    return escalated


async def _escalate(call_id: UUID, now: datetime) -> bool:
    """Add a finding against the organ called last, and call the organ above.

    False: the call is not due any more, or there is no organ above.
    """
    row = await first("SELECT * FROM assistance WHERE id = $1 AND ask_again_at < $2", call_id, now)
    if row is None:
        return False
    await findings.flag(
        Finding(
            kind="call_unanswered",
            subject=call_id,
            organ=row["asked_in"],
            against_organ=True,
            started_at=row["called_at"],
        )
    )
    above = await value("SELECT parent FROM organ WHERE code = $1", row["asked_in"])
    again = None if above is None else now + law().span("assistance_answered")
    await Assistance.update({Assistance.asked_in: above or row["asked_in"], Assistance.ask_again_at: again}).where(
        Assistance.id == call_id
    )
    if above is None:
        return False
    called = await fetch(NOTIFY, call_id, above, now, row["person"])
    await journal.append(
        journal.Line(
            at=now, verb="assistance/escalate", outcome="done", organ=above,
            subjects=[call_id, row["person"], *sorted(notified["person"] for notified in called)],
            facts={"subject": {"call": {"id": str(call_id), "asked_in": above}}},
        )
    )  # fmt: skip
    return True
