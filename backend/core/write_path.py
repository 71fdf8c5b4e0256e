"""The write path: records each entry once, in one transaction.

An entry is the only kind of write. Its verb says what it does; the client makes its id.

Guarantees:
- The same id with the same content gets the first answer again, and nothing changes.
- The same id with other content is refused (`id_reused`).
- A live entry that breaks a rule is refused. The refusal is kept for its id: the same entry gets it again, unless it
  comes with `despite`.
- A late entry is never refused for breaking a rule; the broken rules are kept as findings.
- All changes of one entry are in one transaction. The persons concerned are locked in sorted order.
- An entry is never refused for a clock, nor for optional data that cannot be: it is recorded with a finding.

See docs/adr/0004, 0005, 0010 for the salted digest, and 0041 for clocks and optional data.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from backend.core import doubtful, findings, journal, limits, orders
from backend.core.database import execute, fetch, first, tx
from backend.core.officers import officers_among
from backend.core.refusals import DependsOnRevokedDevice, Refusal, RuleRefusal, Unknown
from backend.core.verb import (
    CLOCK_DOUBTFUL,
    CLOCK_MOVED,
    Actor,
    Occasion,
    Outcome,
    Recorded,
    Timing,
    Verb,
    part_of,
    timing,
)
from backend.core.wire import Despite, Entry
from backend.law.catalogue import law, law_at


class Arrival(msgspec.Struct, frozen=True):
    """One entry as it arrived.

    `may_hold`: it came by sync, so it may be held instead of refused. `is_retry`: it was held before, and the server
    tries it again by itself. `by_uptime`, `latest`: see verb.timing. `left_out`: fields as they were told that cannot
    be, without which the entry was read. `moment`: when a held entry happened, as it was found when it came.
    """

    verb: Verb
    actor: Actor
    entry: Entry
    sent_at: datetime
    received_at: datetime
    may_hold: bool = False
    is_retry: bool = False
    by_uptime: datetime | None = None
    latest: datetime | None = None
    left_out: Mapping[str, Any] = {}
    moment: datetime | None = None

    @property
    def at(self) -> datetime:
        """When it happened, as far as it tells itself: decides in which service its actor was."""
        return self.moment or timing_of(self).occurred_at

    @property
    def content(self) -> bytes:
        """The entry as it came: see content_of."""
        return content_of(self.verb, self.actor, self.entry, self.left_out)


class Held(Exception):
    """The entry is neither recorded nor refused: it waits for an entry that it refers to, or for a person's decision.

    `reason`: unknown_reference, device_revoked or after_service. `unknown`: the refusal that names the reference.
    """

    def __init__(self, reason: str, unknown: Unknown | None = None) -> None:
        super().__init__(reason)
        self.reason, self.unknown = reason, unknown


class _RefusedBefore(Exception):
    """A refusal that is already kept for this id: it is given again and not journalled again."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


async def record(arrival: Arrival) -> Recorded:
    """Record one entry, once. The same entry may be sent again at any time. Source: DESIGN §4.

    Raises Refusal; it is in the journal by then. With `may_hold` raises Held instead, where the entry refers to
    something unknown, where the device that sent or signed it is revoked, or where who sent it served no longer.
    """
    try:
        try:
            return await _record_or_replay(arrival)
        except asyncpg.UniqueViolationError:  # another arrival of this id was faster; now it is a replay
            return await _record_or_replay(arrival)
    except _RefusedBefore as before:
        raise before.refusal from None
    except Refusal as refusal:
        if arrival.may_hold and isinstance(refusal, Unknown):
            raise Held("unknown_reference", refusal) from None
        if arrival.may_hold and isinstance(refusal, DependsOnRevokedDevice):
            raise Held("device_revoked") from None
        await _journal_refusal(arrival, refusal)
        raise


async def _record_or_replay(arrival: Arrival) -> Recorded:
    """Answer an entry that was recorded before as the first time; record any other."""
    _check_actor(arrival)
    async with tx():
        await lock_persons([arrival.entry.id, *await arrival.verb.concerned(arrival.actor, arrival.entry)])
        earlier = await _earlier(arrival)
        if _came_before(earlier) and (recorded := _replay(arrival, earlier)) is not None:
            return recorded
        return await _record_now(arrival, earlier)


def _check_actor(arrival: Arrival) -> None:
    """Raises Refusal `not_for_your_role`, `device_needed`; `bring_home_only` where somebody who left decides."""
    verb, actor = arrival.verb, arrival.actor
    if actor.brings_home and not verb.field:
        raise Refusal("bring_home_only")
    if part_of(actor.kind_at(arrival.at) if verb.field else actor.kind) not in verb.may:
        raise Refusal("not_for_your_role")
    if verb.field and not verb.desk and actor.device is None:
        raise Refusal("device_needed")


async def _record_now(arrival: Arrival, earlier: Any) -> Recorded:
    """Run the verb; write the entry, its findings and its journal row."""
    actor, entry = arrival.actor, arrival.entry
    was_held = earlier["state"] is not None
    timed = _timing_of_held(arrival, earlier) if was_held else timing_of(arrival)
    admitted = was_held and earlier["state"] == "admitted"
    if arrival.may_hold and not (arrival.is_retry or admitted) and (actor.quarantined or earlier["revoked"]):
        raise Held("device_revoked")
    if not admitted:
        _check_service(arrival, timed)
    await _check_ordering_officer(entry.despite, timed)
    occasion = Occasion(actor, timed, law_at(timed.occurred_at), entry.despite, admitted)
    outcome = await arrival.verb.record(occasion, entry)
    codes = await _flag_findings(arrival, occasion, outcome)
    await _keep_left_out(arrival, timed, outcome)
    line = _recorded_line(arrival, timed, outcome, codes)
    salt = earlier["salt"] if _came_before(earlier) else secrets.token_bytes(16)
    written = await _write(arrival, line, salt, booted_at(entry, timed), again=_came_before(earlier))
    await orders.keep(occasion, entry, arrival.verb, outcome)  # with a line of its own, after that of the entry
    if written["reused"]:
        await _flag_reused_number(NumberedEntry(entry.id, actor.person, outcome.organ), written["reused"])
    if was_held:
        await findings.withdraw("waits_in_vain", entry.id)
    return Recorded(
        id=entry.id, received_at=timed.received_at, findings=codes, subject=outcome.subject, replayed=False,
        wakes=written["wakes"],
    )  # fmt: skip


def _check_service(arrival: Arrival, timed: Timing) -> None:
    """What somebody who left did while they served is taken; about anything else a person decides.

    Raises Held where the arrival may be held, else Refusal `bring_home_only`.
    """
    if not arrival.actor.brings_home:
        return
    try:
        at = timed.occurred_at + (arrival.verb.happened(arrival.entry) - arrival.entry.occurred_at)
    except OverflowError:
        at = timed.received_at
    if not arrival.actor.may_tell_of(at, law().days("bring_home").at_most):
        raise Held("after_service") if arrival.may_hold else Refusal("bring_home_only")


async def _check_ordering_officer(despite: Despite | None, timed: Timing) -> None:
    """Raises Refusal `not_an_officer` where the person who ordered it was no officer in service then."""
    if despite is not None and despite.ordered_by is not None:
        await officers_among([despite.ordered_by], timed.occurred_at)


# Locks, and what came with this id before


LOCK_KEYS = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"


async def lock_persons(persons: Iterable[UUID]) -> None:
    """Lock these persons until the transaction ends, in sorted order, to avoid deadlocks.

    The ids of entries are locked in the same way, so that recording an entry and holding one that refers to it never
    run at the same time.
    """
    keys = sorted({int.from_bytes(person.bytes[:8], signed=True) for person in persons})
    await fetch(LOCK_KEYS, keys)


# Always one row: the entry with this id, its journal row, and the held entry with this id; null where there is none.
EARLIER = """
SELECT e.salt, e.actor, e.verb, j.outcome, j.at, j.entry, h.state, h.reason, h.content AS held_content,
    h.sent_at AS held_sent_at, h.received_at AS held_received_at, h.occurred_at AS held_occurred_at
FROM (SELECT $1::uuid AS id) x
LEFT JOIN (entry e JOIN journal j ON j.entry_id = e.id AND j.outcome IN ('recorded', 'refused')) ON e.id = x.id
LEFT JOIN held_entry h ON h.id = x.id
ORDER BY j.seq DESC NULLS LAST LIMIT 1
"""
# The same, and whether the device is revoked. Until the transaction ends, nobody can revoke it.
REVOKED = "(SELECT d.revoked_at IS NOT NULL FROM device d WHERE d.id = $2 FOR SHARE)"
EARLIER_AND_REVOKED = EARLIER.replace("\nFROM", f", {REVOKED} AS revoked\nFROM", 1)


async def _earlier(arrival: Arrival) -> Any:
    """The row of EARLIER for this entry."""
    if arrival.may_hold:
        return await first(EARLIER_AND_REVOKED, arrival.entry.id, arrival.actor.device)
    return await first(EARLIER, arrival.entry.id)


def _came_before(earlier: Any) -> bool:
    """Whether an entry with this id was recorded, or refused by rules."""
    return earlier["outcome"] is not None


def _replay(arrival: Arrival, earlier: Any) -> Recorded | None:
    """The first answer to this entry; None where it was refused and now comes with `despite`.

    Raises Refusal `id_reused`; _RefusedBefore.
    """
    if not _same_content(arrival, earlier):
        raise Refusal("id_reused")
    if earlier["outcome"] == "recorded":
        return _first_receipt(earlier)
    if arrival.entry.despite is None:
        raise _RefusedBefore(_first_refusal(earlier))
    if earlier["salt"] is None:  # the content was erased: a new attempt needs a new id
        raise Refusal("id_reused")
    return None


def _same_content(arrival: Arrival, earlier: Any) -> bool:
    if (earlier["actor"], earlier["verb"]) != (arrival.actor.person, arrival.verb.name):
        return False
    if earlier["salt"] is None:  # the content was erased when its term ended: the id decides alone
        return True
    content = arrival.content
    return hmac.compare_digest(_facts(earlier)["content"], digest(earlier["salt"], content))


def _facts(earlier: Any) -> Any:
    """The facts in the journal row of the earlier entry."""
    return msgspec.json.decode(earlier["entry"])["facts"]


def _first_receipt(earlier: Any) -> Recorded:
    line = msgspec.json.decode(earlier["entry"])
    facts = line["facts"]
    return Recorded(
        id=UUID(line["id"]),
        received_at=earlier["at"],
        findings=facts.get("findings", []),
        subject=facts["subject"],
        replayed=True,
    )


def _first_refusal(earlier: Any) -> Refusal:
    return RuleRefusal(_facts(earlier)["unmet"])


def content_of(verb: Verb, actor: Actor, entry: Entry, left_out: Mapping[str, Any] = {}) -> bytes:
    """The bytes that say whether two arrivals are the same entry: actor, verb and fields, as JSON with sorted keys.

    Without fields that have their default, and without `despite` and `sent_at`. Fields that were left out are there as
    they came.
    """
    fields = {key: value for key, value in msgspec.to_builtins(entry).items() if key not in ("despite", "sent_at")}
    content = {"actor": actor.person, "verb": verb.name, "entry": {**fields, **left_out}}
    return msgspec.json.encode(content, order="sorted")


def digest(salt: bytes, content: bytes) -> str:
    """HMAC-SHA-256 of the content by its salt, in hex."""
    return hmac.digest(salt, content, hashlib.sha256).hex()


# Time


def timing_of(arrival: Arrival) -> Timing:
    """When an arrival happened and whether it is late, by what it tells itself. See verb.timing."""
    return timing(
        arrival.entry.occurred_at, arrival.sent_at, arrival.received_at, law(), by_uptime=arrival.by_uptime,
        latest=arrival.latest,
    )  # fmt: skip


def _timing_of_held(arrival: Arrival, held: Any) -> Timing:
    """The timing of an entry that was held: by the times of its first arrival, and always late.

    Raises Refusal `id_reused`; _RefusedBefore `held_refused` where a person refused it. While a person must still
    decide: Held where the arrival may be held, else _RefusedBefore `held`.
    """
    if held["held_content"] is None and held["state"] == "refused":  # the content was erased: the id decides alone
        raise _RefusedBefore(Refusal("held_refused"))
    if held["held_content"] != arrival.content.decode():
        raise Refusal("id_reused")
    if held["state"] == "refused":
        raise _RefusedBefore(Refusal("held_refused"))
    if held["state"] == "waiting" and held["reason"] != "unknown_reference":
        raise Held(held["reason"]) if arrival.may_hold else _RefusedBefore(Refusal("held"))
    came, found = held["held_received_at"], held["held_occurred_at"]
    timed = timing(
        arrival.entry.occurred_at, held["held_sent_at"], came, law(),
        by_uptime=arrival.by_uptime and (found or arrival.by_uptime),  # a start of the device told since moves nothing
        latest=found,
    )  # fmt: skip
    return msgspec.structs.replace(timed, late=True, held_until=max(arrival.received_at, came), latest=came)


def booted_at(entry: Entry, timed: Timing) -> datetime | None:
    """When the device started: the told time minus the uptime. None where one of them is missing or impossible."""
    if entry.boot_id is None or entry.uptime_ms is None or timed.told is None:
        return None
    try:
        booted = timed.told - timedelta(milliseconds=entry.uptime_ms)
    except OverflowError:
        return None
    return booted if booted.year < LAST_YEAR else None


# Findings


KEEP_LEFT_OUT = """
INSERT INTO left_out (entry, field, told, person, organ, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
LEFT_OUT_CHARACTERS = 4000  # of what was told; the whole entry is kept as any other
LAST_YEAR = 9000  # beyond it PostgreSQL and Python disagree about what is a time


async def _flag_findings(arrival: Arrival, occasion: Occasion, outcome: Outcome) -> list[str]:
    """Flag what is wrong. Returns the codes of all findings on the entry and on its subjects, each once."""
    codes = [*outcome.findings, *await _flag_entry(arrival, occasion, outcome)]
    if outcome.touches is not None:
        by_subject = await findings.refresh(outcome.touches, occasion.timing.as_of)
        kept = () if arrival.actor.person in outcome.touches.persons else findings.KEPT
        codes += [code for subject in outcome.subjects for code in by_subject.get(subject, ()) if code not in kept]
    return list(dict.fromkeys(codes))


async def _flag_entry(arrival: Arrival, occasion: Occasion, outcome: Outcome) -> list[str]:
    """Flag what is wrong with the entry itself: broken rules, its times, optional data that cannot be."""
    codes = [*outcome.unmet, *_codes_of_times(occasion), *doubtful.codes_of(arrival.left_out, arrival.entry)]
    for code in codes:
        await findings.flag(
            findings.Finding(
                kind=code, subject=arrival.entry.id, organ=outcome.organ, person=arrival.actor.person,
                started_at=occasion.at,
            )
        )  # fmt: skip
    return codes


def _codes_of_times(occasion: Occasion) -> list[str]:
    """A clock far off, an entry sent days later, a clock that was moved, and times that cannot be."""
    timed = occasion.timing
    clock_skew = abs(timed.skew) > law().span("clock_skew_tolerance")
    told_late = timed.received_at - timed.occurred_at > law().span("telling_late")
    by_source = {"uptime": {CLOCK_MOVED}, "receipt": {CLOCK_DOUBTFUL}}.get(timed.source, set())
    return [
        *(["clock_skew"] if clock_skew else []),
        *(["told_late"] if told_late else []),
        *sorted(by_source | occasion.doubts),
    ]


async def _keep_left_out(arrival: Arrival, timed: Timing, outcome: Outcome) -> None:
    """Keep what was told and cannot be, as it came, beside the entry: it is erased as a place is."""
    for field, told in arrival.left_out.items():
        await execute(
            KEEP_LEFT_OUT, arrival.entry.id, field, msgspec.json.encode(told).decode()[:LEFT_OUT_CHARACTERS],
            arrival.actor.person, outcome.organ, timed.occurred_at,
        )  # fmt: skip


class NumberedEntry(msgspec.Struct, frozen=True):
    """An entry that has a device's number, and its person and organ."""

    id: UUID
    person: UUID
    organ: str


async def _flag_reused_number(this: NumberedEntry, others: str) -> None:
    """Flag each of several entries to which one device gave the same number. `others`: JSON."""
    for entry in (this, *msgspec.json.decode(others, type=list[NumberedEntry])):
        await findings.flag(
            findings.Finding(kind="sequence_reused", subject=entry.id, organ=entry.organ, person=entry.person)
        )


# The journal, and the one statement that writes an entry


def _recorded_line(arrival: Arrival, timed: Timing, outcome: Outcome, codes: Sequence[str]) -> journal.Line:
    actor, entry = arrival.actor, arrival.entry
    facts: dict[str, Any] = {
        "occurred_at": journal.utc(timed.occurred_at),
        "device_time": journal.utc(entry.occurred_at),
        "device_seq": entry.device_seq,
        "skew_ms": round(timed.skew.total_seconds() * 1000),
        "late": timed.late,
        "findings": codes,
        "subject": outcome.subject,
    }
    if timed.source != "clock":
        facts["time_by"] = timed.source
    if timed.held_until is not None:
        facts["held_until"] = journal.utc(timed.held_until)
    return journal.Line(
        at=timed.received_at, verb=arrival.verb.name, outcome="recorded", organ=outcome.organ, actor=actor.person,
        device=actor.device, id=entry.id, subjects=outcome.subjects, facts=facts,
    )  # fmt: skip


async def _journal_refusal(arrival: Arrival, refusal: Refusal) -> None:
    """Put a refusal into the journal. One by rules is kept for the entry's id; any other is only noted (`denied`).

    Raises Refusal `too_many_refusals` instead, where this person or device was refused too often lately. Not for what
    the server tries again by itself.
    """
    if not (arrival.verb.urgent or arrival.is_retry):
        await limits.check_refusals(arrival.actor)
    actor, entry = arrival.actor, arrival.entry
    by_rules = isinstance(refusal, RuleRefusal)
    line = journal.Line(
        at=arrival.received_at, verb=arrival.verb.name, outcome="refused" if by_rules else "denied",
        organ=actor.organ_at(arrival.at), actor=actor.person, device=actor.device, id=entry.id,
        facts={"code": refusal.code, "unmet": refusal.unmet},
    )  # fmt: skip
    async with tx():
        if not by_rules:
            await journal.append(line)
            await keep_device_number(arrival, arrival.at)
            return
        await lock_persons([entry.id, actor.person])
        earlier: Any = await first(EARLIER, entry.id)
        if (earlier["outcome"], earlier["state"]) == (None, None):
            await _write(arrival, line, secrets.token_bytes(16), None, again=False)


async def keep_device_number(arrival: Arrival, at: datetime, booted: datetime | None = None) -> None:
    """Keep the number that the device gave to an entry, also where the entry is not recorded: it is not missing.

    `at`: when the entry happened.
    """
    actor, entry = arrival.actor, arrival.entry
    if actor.device is not None:
        await execute(
            INSERT_NUMBER, arrival.received_at, actor.person, actor.device, entry.id, actor.organ_at(at),
            entry.device_seq, entry.boot_id, entry.uptime_ms, booted,
        )  # fmt: skip


INSERT_NUMBER = """
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at, boot_id, uptime_ms, booted_at)
VALUES ($3, $6, $4, $2, $5, $1, $7, $8, $9) ON CONFLICT DO NOTHING
"""
WAKE_LIMIT = 100  # held entries to try at once; the worker's sweep tries the others
REUSED_LIMIT = 2  # where more entries have this number, they were flagged when they came
# One statement, one round trip. $1 to $10 are journal.columns; $11 salt, $12 content, $13 despite; $14 the device's
# number, $15 boot, $16 uptime in ms, $17 the device's start.
# Answers `wakes`: held entries that may be recorded now; `reused`: other entries with the same number, as JSON.
JOURNAL_AND_WAKES = f"""
journaled AS ({journal.APPEND}),
seen AS (
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at, boot_id, uptime_ms, booted_at)
SELECT $3, $14::bigint, $6, $2, $8, $1, $15::uuid, $16::bigint, $17::timestamptz
WHERE $3::uuid IS NOT NULL AND $8::text IS NOT NULL
ON CONFLICT DO NOTHING
),
released AS (UPDATE held_entry SET state = 'recorded', content = NULL, despite = NULL
    WHERE id = $6 AND state <> 'recorded' AND $5 = 'recorded')
SELECT ARRAY(SELECT h.id FROM held_entry h WHERE h.wakes && $7 AND h.id <> $6 AND h.state IN ('waiting', 'admitted')
    ORDER BY h.received_at, h.id LIMIT {WAKE_LIMIT}) AS wakes,
    (SELECT jsonb_agg(jsonb_build_object('id', d.entry, 'person', d.person, 'organ', d.organ)) FROM (
        SELECT * FROM device_entry o WHERE o.device = $3 AND o.seq = $14 AND o.entry <> $6 LIMIT {REUSED_LIMIT}
    ) d) AS reused
"""  # noqa: S608
INSERT_ENTRY = f"""
WITH kept AS (INSERT INTO entry (id, actor, verb, salt, content, despite) VALUES ($6, $2, $4, $11, $12, $13)),
{JOURNAL_AND_WAKES}"""  # noqa: S608
ADD_DESPITE = f"""
WITH kept AS (UPDATE entry SET despite = $13 WHERE id = $6 AND salt = $11 AND content = $12),
{JOURNAL_AND_WAKES}"""  # noqa: S608


async def _write(arrival: Arrival, line: journal.Line, salt: bytes, booted: datetime | None, *, again: bool) -> Any:
    """Write the entry, its journal row and its device's number. Returns the row with `wakes` and `reused`.

    `again`: the entry was refused before and comes with `despite`.
    """
    entry = arrival.entry
    content = arrival.content
    digests: dict[str, Any] = {"content": digest(salt, content)}
    if arrival.left_out:
        digests["left_out"] = {
            field: digest(salt, msgspec.json.encode(told, order="sorted")) for field, told in arrival.left_out.items()
        }
    despite = None
    if entry.despite is not None and line.outcome == "recorded":
        despite = msgspec.json.encode(entry.despite)
        digests |= {"despite": digest(salt, despite)}
        if entry.despite.ordered_by is not None:
            digests |= {"ordered_by": str(entry.despite.ordered_by)}
    line = msgspec.structs.replace(line, facts={**line.facts, **digests})
    return await first(
        ADD_DESPITE if again else INSERT_ENTRY, *journal.columns(line), salt, content, despite, entry.device_seq,
        entry.boot_id, entry.uptime_ms, booted,
    )  # fmt: skip
