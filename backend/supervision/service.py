"""Record that an officer is named, answers, ends the leading or hands it over: one transaction each.

Guarantees: an auxiliary has one leading officer at a time. Only the named officer answers. The earliest answer and the
earliest end count, whatever the order of arrival. Source: R.10, DESIGN §4.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.findings import Finding, Touched
from backend.core.intervals import Intervals, interval_payload, put_in_order
from backend.core.journal import utc
from backend.core.officers import officers_among, organ_of
from backend.core.refusals import DependsOnRevokedDevice, Refusal, Unknown
from backend.core.standing import Claim, Standing
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches
from backend.core.wire import Place, as_json
from backend.supervision import rules, signing
from backend.supervision.schemas import (
    ConfirmLeading,
    DeclineLeading,
    EndLeading,
    HandOverLeading,
    NameOfficer,
    ProveLeading,
)
from backend.supervision.tables import SupervisionAnswer, SupervisionEnd

SUPERVISIONS = Intervals(
    table="supervision",
    owner="auxiliary",
    own_end="""
        SELECT at, ended_by FROM (
            SELECT e.at, e.id, 'end' AS ended_by FROM supervision_end e WHERE e.supervision = t.id
            UNION ALL
            SELECT t.answered_at, t.id, 'decline' WHERE t.answer = 'declined'
        ) ends ORDER BY at, id LIMIT 1""",
    next_ends_all=True,
)
INSERT = """
INSERT INTO supervision (id, auxiliary, officer, organ, handed_over_from, started_at, ended_at, ended_by, in_force,
    place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
SIGNER = """
SELECT k.jwk, j.entry, k.end_reason = 'reinstated' OR coalesce(d.revoked_at <= $6, false) AS doubtful FROM device_key k
JOIN device d ON d.id = k.device
JOIN session s ON s.device_key = k.id
JOIN journal j ON j.entry_id = $5 AND j.outcome = 'recorded'
WHERE k.jkt = $1 AND s.id = $2 AND s.person = $3 AND s.opened_at <= $4 AND $4 < coalesce(s.ended_at, s.ends_at)
FOR SHARE OF d
"""
BOTH_ANSWERS = "SELECT count(DISTINCT answer) > 1 FROM supervision_answer WHERE supervision = $1"
ANSWERED = """
UPDATE supervision s SET answer = a.answer, answered_at = a.at, leads_from = a.leads_from
FROM (SELECT * FROM supervision_answer WHERE supervision = $1 ORDER BY at, id LIMIT 1) a
WHERE s.id = $1 RETURNING s.*
"""
ON_SHIFT = "SELECT count(*) > 0 FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz"


async def concerned(actor: Actor, entry: Any) -> Iterable[UUID]:
    """The persons whom an entry about a supervision concerns: the actor and its auxiliary, who never changes."""
    auxiliary = await value("SELECT auxiliary FROM supervision WHERE id = $1", entry.supervision)
    return [actor.person] if auxiliary is None else [actor.person, auxiliary]


async def name(occasion: Occasion, entry: NameOfficer) -> Outcome:
    """Name the officer who leads. Raises Refusal `not_an_officer`, RuleRefusal with the rules unmet."""
    auxiliary = occasion.actor.person
    await officers_among([entry.officer], occasion.at)
    on_shift = await value(ON_SHIFT, auxiliary, occasion.at)
    unmet = occasion.require(rules.unmet_at_naming(on_shift=on_shift))
    naming = Naming(entry.id, auxiliary, entry.officer, occasion.organ, place=entry.place)
    return await _begin(occasion, naming, unmet)


async def confirm(occasion: Occasion, entry: ConfirmLeading) -> Outcome:
    """The officer confirms. Raises Refusal `unknown_supervision`, `not_the_named_officer`, live `already_answered`."""
    row = await _named_officers(occasion, entry.supervision)
    leads_from = row["started_at"]
    if entry.leads_from is not None:
        leads_from = max(leads_from, occasion.corrected(entry.leads_from))
    outcome = await _answer(occasion, entry.id, row, "confirmed", leads_from, entry.place)
    if not await _flag_far_away(occasion, entry, row):
        return outcome
    return msgspec.structs.replace(outcome, findings=[*outcome.findings, "led_from_afar"])


async def prove(occasion: Occasion, entry: ProveLeading) -> Outcome:
    """Record a confirmation that the officer signed offline.

    Raises Refusal `leading_not_proved`, `unknown_supervision`, live `already_answered`; DependsOnRevokedDevice
    `signer_revoked` if the signing device was revoked before the proof arrived.
    """
    row = await _own_supervision(entry.supervision, occasion.actor.person)
    signed = signing.read(entry.signature)
    claims = signed.claims
    if (claims.naming, claims.auxiliary, claims.officer) != (row["id"], row["auxiliary"], row["officer"]):
        raise Refusal("leading_not_proved")
    came = occasion.timing.received_at
    signer = await first(SIGNER, signed.jkt, claims.sid, claims.officer, occasion.at, row["id"], came)
    if signer is None or msgspec.json.decode(signer["entry"])["facts"]["device_time"] != utc(claims.occurred_at):
        raise Refusal("leading_not_proved")
    signing.verify(signed, msgspec.json.decode(signer["jwk"]))
    if signer["doubtful"] and not occasion.admitted:
        raise DependsOnRevokedDevice("signer_revoked")
    return await _answer(occasion, entry.id, row, "confirmed", row["started_at"], entry.place, signed.jkt)


async def decline(occasion: Occasion, entry: DeclineLeading) -> Outcome:
    """The officer declines. Raises Refusal `unknown_supervision`, `not_the_named_officer`, live `already_answered`."""
    row = await _named_officers(occasion, entry.supervision)
    return await _answer(occasion, entry.id, row, "declined", None)


async def end(occasion: Occasion, entry: EndLeading) -> Outcome:
    """The officer or the auxiliary ends the leading. Raises Refusal `unknown_supervision`, live `already_ended`."""
    row = await _own_supervision(entry.supervision, occasion.actor.person)
    await _put_end(occasion, entry.id, row)
    return await _settled(row)


async def hand_over(occasion: Occasion, entry: HandOverLeading) -> Outcome:
    """Hand the leading over to another officer. Raises Refusal as `end` does, `not_the_named_officer`,
    `not_an_officer`, `handed_to_oneself`."""
    row = await _named_officers(occasion, entry.supervision)
    await officers_among([entry.officer], occasion.at)
    if entry.officer == row["officer"]:
        raise Refusal("handed_to_oneself")
    await _put_end(occasion, entry.id, row)
    organ = await organ_of(row["auxiliary"], occasion.at) or row["organ"]
    return await _begin(occasion, Naming(entry.id, row["auxiliary"], entry.officer, organ, row["id"]), ())


class Naming(NamedTuple):
    """The facts of a new supervision. `before`: id of the one that was handed over."""

    id: UUID
    auxiliary: UUID
    officer: UUID
    organ: str
    before: UUID | None = None
    place: Place | None = None


async def _begin(occasion: Occasion, naming: Naming, unmet: Iterable[str]) -> Outcome:
    """Insert a supervision and settle it among the others of the auxiliary. Raises Refusal `not_an_officer`."""
    if naming.auxiliary == naming.officer:
        raise Refusal("not_an_officer")
    claim = Claim(naming.id, occasion.at)
    standing, codes, since = await put_in_order(SUPERVISIONS, naming.auxiliary, naming.organ, claim, new=True)
    await execute(
        INSERT, naming.id, naming.auxiliary, naming.officer, naming.organ, naming.before, standing.start, standing.end,
        standing.ended_by, standing.in_force, as_json(naming.place),
    )  # fmt: skip
    row = {**naming._asdict(), "answer": None, "leads_from": None}
    return _outcome(standing, row, codes, since, unmet)


async def _answer(
    occasion: Occasion,
    entry_id: UUID,
    row: Record,
    answer: str,
    leads_from: datetime | None,
    place: Place | None = None,
    proved_by: str | None = None,
) -> Outcome:
    """Insert an answer and apply the earliest one. `proved_by`: thumbprint of the key that signed it offline.

    An answer before the naming is a wrong clock of one of the two devices: it counts from the naming.
    Raises Refusal live `already_answered`, `already_ended`.
    """
    at = occasion.not_before(row["started_at"], or_by_receipt=False)
    occasion.require_live_state(row["answer"] is None, "already_answered")
    occasion.require_live_state(row["ended_at"] is None or answer == "confirmed", "already_ended")
    await SupervisionAnswer.insert(
        SupervisionAnswer(
            id=entry_id, supervision=row["id"], answer=answer, at=at, leads_from=leads_from, place=as_json(place),
            proved_by=proved_by,
        )
    )  # fmt: skip
    answered = await first(ANSWERED, row["id"])
    if answered is None:
        raise Refusal("unknown_supervision")
    late = rules.answered_late(
        answered["started_at"], answered["answered_at"], occasion.law.span("confirmation_target")
    )
    await _flag_late(answered, late)
    await _flag_contradiction(answered)
    outcome = await _settled(answered)
    if not late:
        return outcome
    return msgspec.structs.replace(outcome, findings=[*outcome.findings, "confirmed_late"])


async def _flag_far_away(occasion: Occasion, entry: ConfirmLeading, row: Record) -> bool:
    """Add a finding if the officer confirmed soon after the naming, but from far away. Returns whether they did.

    A late confirmation does not show where the officer led.
    """
    named = msgspec.json.decode(row["place"], type=Place) if row["place"] else None
    soon = not rules.answered_late(row["started_at"], occasion.at, occasion.law.span("confirmation_target"))
    if not soon or not rules.led_from_afar(named, entry.place, occasion.law.count("leading_distance")):
        return False
    await findings.flag(
        Finding(
            kind="led_from_afar", subject=row["id"], organ=row["organ"], person=row["officer"],
            started_at=row["started_at"], ended_at=max(occasion.at, row["started_at"]),
        )
    )  # fmt: skip
    return True


async def _flag_late(row: Record, late: bool) -> None:
    """Add or withdraw the finding that the answer came late."""
    if not late:
        await findings.withdraw("confirmed_late", row["id"])
        return
    await findings.flag(
        Finding(
            kind="confirmed_late", subject=row["id"], organ=row["organ"], person=row["officer"],
            started_at=row["started_at"], ended_at=row["answered_at"],
        )
    )  # fmt: skip


async def _flag_contradiction(row: Record) -> None:
    """Add a finding if the officer both confirmed and declined. The earliest answer counts."""
    if await value(BOTH_ANSWERS, row["id"]):
        await findings.flag(
            Finding(
                kind="answered_twice", subject=row["id"], organ=row["organ"], person=row["officer"],
                started_at=row["started_at"], ended_at=row["answered_at"],
            )
        )  # fmt: skip


async def _put_end(occasion: Occasion, entry_id: UUID, row: Record) -> None:
    """Insert an end of the leading. Raises Refusal live `already_ended`."""
    at = occasion.not_before(row["started_at"])
    occasion.require_live_state(row["ended_at"] is None, "already_ended")
    await SupervisionEnd.insert(
        SupervisionEnd(id=entry_id, supervision=row["id"], by_person=occasion.actor.person, at=at)
    )


async def _settled(row: Record) -> Outcome:
    """Settle the supervision among the others of the auxiliary."""
    claim = Claim(row["id"], row["started_at"])
    standing, codes, since = await put_in_order(SUPERVISIONS, row["auxiliary"], row["organ"], claim)
    return _outcome(standing, row, codes, since)


async def _own_supervision(supervision: UUID, person: UUID) -> Record:
    """The supervision, for its officer or its auxiliary. Raises Refusal `unknown_supervision`."""
    row = await first("SELECT * FROM supervision WHERE id = $1 AND $2 IN (officer, auxiliary)", supervision, person)
    if row is None:
        raise Unknown("unknown_supervision", supervision)
    return row


async def _named_officers(occasion: Occasion, supervision: UUID) -> Record:
    """The supervision, for the officer it names. Raises Refusal `not_the_named_officer`, `unknown_supervision`."""
    row = await first("SELECT * FROM supervision WHERE id = $1", supervision)
    if row is None or row["officer"] != occasion.actor.person:
        visible = row is not None and await reaches(occasion.actor, row["organ"])
        raise Unknown("not_the_named_officer" if visible else "unknown_supervision", supervision)
    return row


def _outcome(standing: Standing, row: Any, codes: Iterable[str], since: datetime, unmet: Iterable[str] = ()) -> Outcome:
    leads_from = row["leads_from"]
    subject = interval_payload(standing) | {
        "auxiliary": str(row["auxiliary"]),
        "officer": str(row["officer"]),
        "answer": row["answer"],
        "leads_from": None if leads_from is None else utc(leads_from),
    }
    return Outcome(
        subject={"supervision": subject},
        subjects=[standing.id, row["auxiliary"], row["officer"]],
        organ=row["organ"],
        unmet=list(unmet),
        findings=list(codes),
        touches=Touched([row["auxiliary"]], since),
    )
