"""What happens when somebody calls for help: one transaction each.

Guarantees: everybody who is to hear of it stands in the journal line that the feed tells, written with the call; one
acknowledges; what nobody answers within its term goes up, organ by organ, by the worker. Nothing is refused for being
late: a call that comes after the fact is on the timeline all the same.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from backend.assistance.schemas import AcknowledgeCall, ArriveAtCall, CallForHelp, CloseCall, OnCall
from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.officers import TODAY
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import IndexPath, viewer, visible_to
from backend.core.wire import as_json
from backend.core.write_path import lock_persons
from backend.law.catalogue import law

STEPS = ("acknowledge", "arrive", "close")
FIRST = """
LEFT JOIN LATERAL (
    SELECT * FROM assistance_step s WHERE s.call = h.id AND s.step = '{step}' ORDER BY s.at, s.id LIMIT 1
) {step} ON true"""
CALLS = f"""
SELECT h.*, p.badge, p.name, acknowledge.by_person AS acknowledged_by, acknowledge.at AS acknowledged_at,
    arrive.at AS arrived_at, close.at AS closed_at, close.by_person AS closed_by, close.words AS outcome
FROM assistance h JOIN person p ON p.id = h.person{"".join(FIRST.format(step=step) for step in STEPS)}
"""  # noqa: S608 - constants
VISIBLE = visible_to(own=["h.person"], organ="h.organ").also(
    "EXISTS (SELECT FROM assistance_called x WHERE x.call = h.id AND x.person = $1)",
    IndexPath("h.id", "SELECT x.call AS value FROM assistance_called x WHERE x.person = $1"),
)
ROW = f"{CALLS} WHERE h.id = $3 AND {VISIBLE.condition}"
ASK = """
INSERT INTO assistance (id, person, organ, kind, words, place, called_at, asked_in, ask_again_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $3, $8)
"""
# The officers of an organ and whoever commands it, today.
TELL = f"""
INSERT INTO assistance_called (call, person, at)
SELECT $1, p.id, $3 FROM person p, (SELECT {TODAY} AS is) AS day
WHERE p.id <> $4 AND p.serves_from <= day.is AND coalesce(p.serves_until >= day.is, true) AND (
    p.kind = 'officer' AND p.organ = $2 OR EXISTS (
        SELECT FROM role_grant g WHERE g.person = p.id AND g.role = 'commander' AND g.organ = $2
            AND g.valid_from <= day.is AND coalesce(g.valid_until >= day.is, true)))
ON CONFLICT DO NOTHING RETURNING person
"""  # noqa: S608
STEP = "INSERT INTO assistance_step (id, call, step, by_person, at, words) VALUES ($1, $2, $3, $4, $5, $6)"
log = structlog.get_logger()


async def call(occasion: Occasion, entry: CallForHelp) -> Outcome:
    """Call for help: the officers and the commander of the organ get notice with this very commit."""
    actor = occasion.actor
    again = occasion.timing.as_of + occasion.law.span("assistance_answered")
    await execute(
        ASK, entry.id, actor.person, actor.organ, entry.kind, entry.words, as_json(entry.place), occasion.at, again
    )
    called = await fetch(TELL, entry.id, actor.organ, occasion.timing.as_of, actor.person)
    return await _outcome(occasion, entry.id, [row["person"] for row in called])


async def acknowledge(occasion: Occasion, entry: AcknowledgeCall) -> Outcome:
    """Take the call. Raises Refusal `unknown_call`, live `call_acknowledged`, `call_closed`."""
    row = await _known(occasion, entry)
    if row["person"] == occasion.actor.person:
        raise Refusal("own_matter")
    occasion.require_live_state(row["acknowledged_by"] is None, "call_acknowledged")
    return await _step(occasion, entry, row, "acknowledge")


async def arrive(occasion: Occasion, entry: ArriveAtCall) -> Outcome:
    """Somebody is there. Raises Refusal `unknown_call`, live `call_closed`."""
    return await _step(occasion, entry, await _known(occasion, entry), "arrive")


async def close(occasion: Occasion, entry: CloseCall) -> Outcome:
    """It is over. Raises Refusal `unknown_call`, live `call_closed`."""
    return await _step(occasion, entry, await _known(occasion, entry), "close", entry.words)


async def whose_call(actor: Actor, entry: Any) -> Iterable[UUID]:
    """Whom a step concerns: the actor and the call itself, of which one step is taken at a time."""
    return (actor.person, entry.call)


async def _known(occasion: Occasion, entry: OnCall) -> Record:
    row = await first(ROW, *viewer(occasion.actor), entry.call)
    if row is None:
        raise Unknown("unknown_call", entry.call)
    return row


async def _step(occasion: Occasion, entry: OnCall, row: Record, step: str, words: str | None = None) -> Outcome:
    occasion.require_live_state(row["closed_at"] is None, "call_closed")
    at = max(occasion.at, row["called_at"])
    await execute(STEP, entry.id, row["id"], step, occasion.actor.person, at, words)
    await execute("UPDATE assistance SET ask_again_at = NULL WHERE id = $1", row["id"])
    called = await fetch("SELECT person FROM assistance_called WHERE call = $1", row["id"])
    return await _outcome(occasion, row["id"], [each["person"] for each in called])


async def _outcome(occasion: Occasion, asked: UUID, called: list[UUID]) -> Outcome:
    row: Any = await first(f"{CALLS} WHERE h.id = $1", asked)
    ids = ("id", "person", "acknowledged_by")
    times = ("called_at", "acknowledged_at", "arrived_at", "closed_at")
    standing = {"kind": row["kind"], "asked_in": row["asked_in"]}
    standing |= {name: row[name] and str(row[name]) for name in ids}
    standing |= {name: row[name] and utc(row[name]) for name in times}
    subjects = [row["id"], row["person"], *sorted({*called, occasion.actor.person} - {row["person"]})]
    return Outcome(subject={"call": standing}, subjects=subjects, organ=row["organ"])


UNANSWERED = "SELECT id FROM assistance WHERE ask_again_at < $1 ORDER BY ask_again_at LIMIT 100"


async def look(now: datetime) -> int:
    """Call the organ above for what nobody answered in its term. How many went up."""
    went = 0
    for row in await fetch(UNANSWERED, now):
        try:
            async with tx():
                await lock_persons([row["id"]])
                went += await _go_up(row["id"], now)
        except Exception as error:
            log.error("a call did not go up", error=type(error).__name__)
    return went


async def _go_up(asked: UUID, now: datetime) -> bool:
    row = await first("SELECT * FROM assistance WHERE id = $1 AND ask_again_at < $2", asked, now)
    if row is None:
        return False
    await findings.flag(
        Finding(
            kind="call_unanswered",
            subject=asked,
            organ=row["asked_in"],
            against_organ=True,
            started_at=row["called_at"],
        )
    )
    above = await value("SELECT parent FROM organ WHERE code = $1", row["asked_in"])
    again = None if above is None else now + law().span("assistance_answered")
    await execute(
        "UPDATE assistance SET asked_in = coalesce($2, asked_in), ask_again_at = $3 WHERE id = $1", asked, above, again
    )
    if above is None:
        return False
    called = await fetch(TELL, asked, above, now, row["person"])
    await journal.append(
        journal.Line(
            at=now, verb="assistance/escalate", outcome="done", organ=above,
            subjects=[asked, row["person"], *sorted(each["person"] for each in called)],
            facts={"subject": {"call": {"id": str(asked), "asked_in": above}}},
        )
    )  # fmt: skip
    return True
