"""An entry: the one kind of write. A verb is a frozen struct with the client's own id; it is recorded once.

Guarantees: the same id and content again answers as the first time and changes nothing; the same id with other content
is refused; a live entry that the rules forbid is refused once and for ever for that id, unless it comes again with
`despite`; a late one is never refused for its content. Everything an entry does happens in one transaction, with
the persons concerned locked in order. See docs/adr/0004 and 0005, and 0010 for the salted digest.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from backend.core import findings, journal
from backend.core.database import execute, fetch, first, tx
from backend.core.officers import officers_among
from backend.core.refusals import DependsOnRevokedDevice, Refusal, RuleRefusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome, Recorded, Timing, Verb, timing
from backend.core.wire import Entry
from backend.law.catalogue import law


class Held(Exception):
    """Not recorded and not refused: it waits for what it refers to, or for a person's decision."""

    def __init__(self, reason: str, unknown: Unknown | None = None) -> None:
        super().__init__(reason)
        self.reason, self.unknown = reason, unknown


async def record(
    verb: Verb, actor: Actor, entry: Entry, sent_at: datetime, received_at: datetime, *, holding: bool = False,
    freed: bool = False,
) -> Recorded:  # fmt: skip
    """Record one entry, once. Raises Refusal, which the journal holds before it is raised.

    Where `holding` (by sync): raises Held instead, where it refers to something unknown, or the device that sent or
    signed it is revoked by now. `freed`: it was held, and the server itself tries it again. Source: DESIGN §4. Safe to
    call again at any time with the same entry.
    """
    arrival = Arrival(verb, actor, entry, sent_at, received_at, holding, freed)
    try:
        try:
            return await _record_or_replay(arrival)
        except asyncpg.UniqueViolationError:  # the same id came twice at once, from persons locked apart
            return await _record_or_replay(arrival)
    except _AsBefore as again:
        raise again.refusal from None
    except Refusal as refusal:
        if holding and isinstance(refusal, Unknown):
            raise Held("unknown_reference", refusal) from None
        if holding and isinstance(refusal, DependsOnRevokedDevice):
            raise Held("device_revoked") from None
        await _remember(verb, actor, entry, received_at, refusal)
        raise


class Arrival(msgspec.Struct, frozen=True):
    """One entry as it came. `holding` and `freed` as in `record`."""

    verb: Verb
    actor: Actor
    entry: Entry
    sent_at: datetime
    received_at: datetime
    holding: bool = False
    freed: bool = False


class _AsBefore(Exception):
    """A refusal that the journal already holds for this id."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


async def _record_or_replay(arrival: Arrival) -> Recorded:
    verb, actor, entry = arrival.verb, arrival.actor, arrival.entry
    if actor.kind not in verb.may:
        raise Refusal("not_for_your_role")
    if verb.field and not verb.desk and actor.device is None:
        raise Refusal("device_needed")
    async with tx():
        await lock_persons([entry.id, *await verb.concerned(actor, entry)])
        earlier: Any = await first(*((EARLIER_BY, entry.id, actor.device) if arrival.holding else (EARLIER, entry.id)))
        again = earlier["outcome"] is not None
        if again and (recorded := _recorded_before(arrival, earlier)) is not None:
            return recorded
        held = earlier["state"] is not None
        timed = _timed_as_held(arrival, earlier) if held else timing(
            entry.occurred_at, arrival.sent_at, arrival.received_at, law()
        )  # fmt: skip
        admitted = held and earlier["state"] == "admitted"
        unasked = not arrival.holding or arrival.freed or admitted
        if not unasked and (actor.quarantined or earlier["revoked"]):
            raise Held("device_revoked")
        if entry.despite is not None and entry.despite.ordered_by is not None:
            await officers_among([entry.despite.ordered_by], timed.occurred_at)
        outcome = await verb.record(Occasion(actor, timed, law(), entry.despite, admitted), entry)
        noted = await _noted(entry, actor, timed, outcome)
        line = _line(verb, actor, entry, outcome, timed, noted)
        salt = earlier["salt"] if again else secrets.token_bytes(16)
        kept = await _write(arrival, line, salt, booted_at(entry, timed), again=again)
        if kept["reused"]:
            await _stand_reused(Numbered(entry.id, actor.person, outcome.organ), kept["reused"])
        if held:
            await findings.withdraw("waits_in_vain", entry.id)
    return Recorded(
        id=entry.id, received_at=timed.received_at, findings=noted, subject=outcome.subject, replayed=False,
        wakes=kept["wakes"],
    )  # fmt: skip


def _recorded_before(arrival: Arrival, earlier: Any) -> Recorded | None:
    """What an entry that came before is answered with; None where it was refused and comes again `despite`.

    Raises Refusal `id_reused`, and as before.
    """
    if not _same_content(earlier, arrival.verb, arrival.actor, arrival.entry):
        raise Refusal("id_reused")
    if earlier["outcome"] == "recorded":
        return _as_recorded(earlier)
    if arrival.entry.despite is None:
        raise _AsBefore(_as_refused(earlier))
    if earlier["salt"] is None:  # its content was erased: a new attempt takes a new id
        raise Refusal("id_reused")
    return None


def _timed_as_held(arrival: Arrival, held: Any) -> Timing:
    """The timing of an entry that waited: that of its first arrival, and late: the act is over.

    Raises Refusal `id_reused`, and as before where a person refused it; by sync Held, alone `held`, while one must
    decide.
    """
    entry = arrival.entry
    if held["held_content"] is None and held["state"] == "refused":  # erased since: its id alone tells
        raise _AsBefore(Refusal("held_refused"))
    if held["held_content"] != content_of(arrival.verb, arrival.actor, entry).decode():
        raise Refusal("id_reused")
    if held["state"] == "refused":
        raise _AsBefore(Refusal("held_refused"))
    if held["state"] == "waiting" and held["reason"] == "device_revoked":
        raise Held("device_revoked") if arrival.holding else _AsBefore(Refusal("held"))
    timed = timing(entry.occurred_at, held["held_sent_at"], held["held_received_at"], law())
    return msgspec.structs.replace(timed, late=True, held_until=max(arrival.received_at, timed.received_at))


EARLIER = """
SELECT e.salt, e.actor, e.verb, j.outcome, j.at, j.entry, h.state, h.reason, h.content AS held_content,
    h.sent_at AS held_sent_at, h.received_at AS held_received_at
FROM (SELECT $1::uuid AS id) x
LEFT JOIN (entry e JOIN journal j ON j.entry_id = e.id AND j.outcome IN ('recorded', 'refused')) ON e.id = x.id
LEFT JOIN held_entry h ON h.id = x.id
ORDER BY j.seq DESC NULLS LAST LIMIT 1
"""
# And whether the device was revoked by now; while the transaction lasts, nobody revokes it.
REVOKED = "(SELECT d.revoked_at IS NOT NULL FROM device d WHERE d.id = $2 FOR SHARE)"
EARLIER_BY = EARLIER.replace("\nFROM", f", {REVOKED} AS revoked\nFROM", 1)
KEEP_NUMBER = """
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at, boot_id, uptime_ms, booted_at)
SELECT $3, $13::bigint, $6, $2, $8, $1, $14::uuid, $15::bigint, $16::timestamptz
WHERE $3::uuid IS NOT NULL AND $8::text IS NOT NULL
ON CONFLICT DO NOTHING
"""
TRY_AT_ONCE = 100
REUSED_TOLD = 2  # where there are more with one number, it stands beside them already
KEPT = f"""
journaled AS ({journal.APPEND}),
seen AS ({KEEP_NUMBER}),
released AS (UPDATE held_entry SET state = 'recorded', content = NULL, despite = NULL
    WHERE id = $6 AND state <> 'recorded' AND $5 = 'recorded')
SELECT ARRAY(SELECT h.id FROM held_entry h WHERE h.wakes && $7 AND h.id <> $6 AND h.state IN ('waiting', 'admitted')
    ORDER BY h.received_at, h.id LIMIT {TRY_AT_ONCE}) AS wakes,
    (SELECT jsonb_agg(jsonb_build_object('id', d.entry, 'person', d.person, 'organ', d.organ)) FROM (
        SELECT * FROM device_entry o WHERE o.device = $3 AND o.seq = $13 AND o.entry <> $6 LIMIT {REUSED_TOLD}
    ) d) AS reused
"""  # noqa: S608
KEEP = f"""
WITH kept AS (INSERT INTO entry (id, actor, verb, salt, content, despite) VALUES ($6, $2, $4, $10, $11, $12)),
{KEPT}"""  # noqa: S608
KEEP_DESPITE = f"""
WITH kept AS (UPDATE entry SET despite = $12 WHERE id = $6 AND salt = $10 AND content = $11),
{KEPT}"""  # noqa: S608
LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"


def booted_at(entry: Entry, timed: Timing) -> datetime | None:
    """When the device had started, by what this entry tells; none where it tells nothing that can be."""
    if entry.boot_id is None or entry.uptime_ms is None:
        return None
    try:
        return timed.occurred_at - timedelta(milliseconds=entry.uptime_ms)
    except OverflowError:
        return None


async def lock_persons(persons: Iterable[UUID]) -> None:
    """Hold these persons until the transaction ends, in one order for everybody, so that nobody waits in a circle.

    Entries are held by their id in the same way: who waits for one and who brings it never miss each other.
    """
    keys = sorted({int.from_bytes(person.bytes[:8], signed=True) for person in persons})
    await fetch(LOCK, keys)


def content_of(verb: Verb, actor: Actor, entry: Entry) -> bytes:
    """What makes two arrivals the same entry: actor, verb and the struct without defaults, `despite` and `sent_at`."""
    told = msgspec.to_builtins(entry)
    told = {key: value for key, value in told.items() if key not in ("despite", "sent_at")}
    return msgspec.json.encode({"actor": actor.person, "verb": verb.name, "entry": told}, order="sorted")


def digest(salt: bytes, content: bytes) -> str:
    return hmac.digest(salt, content, hashlib.sha256).hex()


def _same_content(earlier: Any, verb: Verb, actor: Actor, entry: Entry) -> bool:
    if (earlier["actor"], earlier["verb"]) != (actor.person, verb.name):
        return False
    if earlier["salt"] is None:  # erased when its term ended: the id alone tells
        return True
    kept = msgspec.json.decode(earlier["entry"])["facts"]["content"]
    return hmac.compare_digest(kept, digest(earlier["salt"], content_of(verb, actor, entry)))


def _as_recorded(earlier: Any) -> Recorded:
    line = msgspec.json.decode(earlier["entry"])
    facts = line["facts"]
    return Recorded(
        id=UUID(line["id"]),
        received_at=earlier["at"],
        findings=facts.get("findings", []),
        subject=facts["subject"],
        replayed=True,
    )


def _as_refused(earlier: Any) -> Refusal:
    return RuleRefusal(msgspec.json.decode(earlier["entry"])["facts"]["unmet"])


async def _noted(entry: Entry, actor: Actor, timed: Timing, outcome: Outcome) -> list[str]:
    """The codes of every finding known now of the facts that the entry is about."""
    noted = [*outcome.findings, *await _stand(entry, actor, timed, outcome)]
    if outcome.touches is not None:
        standing = await findings.refresh(outcome.touches, timed.as_of)
        noted += [code for subject in outcome.subjects for code in standing.get(subject, ())]
    return list(dict.fromkeys(noted))


async def _stand(entry: Entry, actor: Actor, timed: Timing, outcome: Outcome) -> list[str]:
    """What is wrong with the entry itself stands beside it: rules left unmet, a clock far off, told after days."""
    far_off = abs(timed.skew) > law().span("clock_skew_tolerance")
    told_late = timed.received_at - timed.occurred_at > law().span("telling_late")
    codes = [*outcome.unmet, *(["clock_skew"] if far_off else []), *(["told_late"] if told_late else [])]
    for code in codes:
        await findings.flag(
            findings.Finding(
                kind=code, subject=entry.id, organ=outcome.organ, person=actor.person, started_at=timed.occurred_at
            )
        )
    return codes


async def _stand_reused(this: "Numbered", others: str) -> None:
    """Several entries of one device have one number: it stands beside each."""
    for each in (this, *msgspec.json.decode(others, type=list[Numbered])):
        await findings.flag(
            findings.Finding(kind="sequence_reused", subject=each.id, organ=each.organ, person=each.person)
        )


class Numbered(msgspec.Struct, frozen=True):
    """An entry that its device numbered, and whose it is."""

    id: UUID
    person: UUID
    organ: str


def _line(
    verb: Verb, actor: Actor, entry: Entry, outcome: Outcome, timed: Timing, noted: Sequence[str]
) -> journal.Line:
    facts: dict[str, Any] = {
        "occurred_at": journal.utc(timed.occurred_at),
        "device_time": journal.utc(entry.occurred_at),
        "device_seq": entry.device_seq,
        "skew_ms": round(timed.skew.total_seconds() * 1000),
        "late": timed.late,
        "findings": noted,
        "subject": outcome.subject,
    }
    if timed.held_until is not None:
        facts["held_until"] = journal.utc(timed.held_until)
    return journal.Line(
        at=timed.received_at, verb=verb.name, outcome="recorded", organ=outcome.organ, actor=actor.person,
        device=actor.device, id=entry.id, subjects=outcome.subjects, facts=facts,
    )  # fmt: skip


async def _remember(verb: Verb, actor: Actor, entry: Entry, received_at: datetime, refusal: Refusal) -> None:
    """Put a refusal into the journal. One by rules is bound to the entry's id; a denial is only told."""
    by_rules = isinstance(refusal, RuleRefusal)
    line = journal.Line(
        at=received_at, verb=verb.name, outcome="refused" if by_rules else "denied", organ=actor.organ,
        actor=actor.person, device=actor.device, id=entry.id, facts={"code": refusal.code, "unmet": refusal.unmet},
    )  # fmt: skip
    async with tx():
        if by_rules:
            await lock_persons([entry.id, actor.person])
            earlier: Any = await first(EARLIER, entry.id)
            if (earlier["outcome"], earlier["state"]) == (None, None):
                arrival = Arrival(verb, actor, entry, received_at, received_at)
                await _write(arrival, line, secrets.token_bytes(16), None, again=False)
        else:
            await journal.append(line)
            await keep_device_number(actor, entry, received_at)


async def keep_device_number(actor: Actor, entry: Entry, received_at: datetime, booted: datetime | None = None) -> None:
    """What a device numbered has come, whatever becomes of it."""
    if actor.device is not None:
        await execute(
            KEEP_NUMBER_ALONE, received_at, actor.person, actor.device, entry.id, actor.organ, entry.device_seq,
            entry.boot_id, entry.uptime_ms, booted,
        )  # fmt: skip


KEEP_NUMBER_ALONE = """
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at, boot_id, uptime_ms, booted_at)
VALUES ($3, $6, $4, $2, $5, $1, $7, $8, $9) ON CONFLICT DO NOTHING
"""


async def _write(arrival: Arrival, line: journal.Line, salt: bytes, booted: datetime | None, again: bool) -> Any:
    """Keep the entry, its line and its number; which entries held may follow now, and who had its number before."""
    entry = arrival.entry
    content = content_of(arrival.verb, arrival.actor, entry)
    sealed = {"content": digest(salt, content)}
    despite = None
    if entry.despite is not None and line.outcome == "recorded":
        despite = msgspec.json.encode(entry.despite)
        sealed |= {"despite": digest(salt, despite)}
        if entry.despite.ordered_by is not None:
            sealed |= {"ordered_by": str(entry.despite.ordered_by)}
    line = msgspec.structs.replace(line, facts={**line.facts, **sealed})
    return await first(
        KEEP_DESPITE if again else KEEP, *journal.columns(line), salt, content, despite, entry.device_seq,
        entry.boot_id, entry.uptime_ms, booted,
    )  # fmt: skip
