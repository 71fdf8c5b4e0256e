"""Record that an activity is started, finished or amended, and that a gap is answered for: one transaction each.

Guarantees: every entry about an activity (a telling) is a row of its own, and none is changed. The database derives the
activity from all of them (settle_activity), so their order of arrival does not matter. No amendment removes a gap or a
finding. Source: R.7 to 12, R.32, DESIGN §5, §6.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.activities import duty_check, rules
from backend.activities.duty_check import DutyQuestion
from backend.activities.schemas import (
    ActivityEntry,
    AmendActivity,
    CoverGap,
    ExplainGap,
    FinishActivity,
    Restraint,
    StartActivity,
)
from backend.activities.tables import GapAccount
from backend.core.database import Record, execute, fetch, first, value
from backend.core.findings import Touched, tolerances
from backend.core.journal import utc
from backend.core.officers import officers_among
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import CLOCK_DOUBTFUL, Actor, Occasion, Outcome
from backend.core.wire import Entry, as_json
from backend.law.catalogue import Law, Work, law_at
from backend.law.verdict import Facts, Verdict, verdict

BEGIN = """
INSERT INTO activity (id, person, organ, work, case_kind, case_ref, emergency, started_at, finished, spans,
    needs_leading, needs_recording, legality, notice_owed, notice_given, needs_insurance, equipment, case_asked,
    never_refused)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false, tstzmultirange(tstzrange($8, NULL)), false, false, false, false, false,
    false, '{}', false, false)
"""
TELL = """
INSERT INTO activity_telling (id, activity, verb, at, started_at, ended_at, work, needs_leading, needs_recording,
    legality, notice_owed, needs_insurance, equipment, insurances, never_refused, case_kind, case_ref, case_asked,
    officers_present, auxiliaries_present, place_kind, light, emergency, recording, notice_given, notice_told, place,
    notes, why, live, incident_ref)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31)
"""
RESTRAIN = """
INSERT INTO restraint (restraint, telling, position, activity, means, ordered_by, watcher, restrained, self_protection,
    started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
RESTRAINED = """
SELECT restraint FROM restraint WHERE activity = $1 GROUP BY restraint HAVING bool_and(ended_at IS NULL)
"""
SETTLE = "SELECT *, lower(reach) AS begun, upper(reach) AS until FROM settle_activity($1)"
OWN_ACTIVITY = "SELECT *, lower(reach) AS begun FROM activity WHERE id = $1 AND person = $2"
ANSWERABLE = """
SELECT a.id, a.person, a.organ, lower(p.spans) AS begun, upper(p.spans) AS until,
    (CASE $3 WHEN 'leading' THEN p.led_gaps ELSE p.unrecorded_gaps END) && tstzrange($4, $5) AS gap
FROM activity a, full_process(ARRAY[a.id], $6, $7, $8) p
WHERE a.id = $1 AND (a.person = $2 OR EXISTS (
    SELECT FROM led l WHERE l.officer = $2 AND l.auxiliary = a.person AND l.named && acted(a) AND l.during && acted(a)))
"""


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What the law requires of a work, in the order of the columns of activity_telling."""

    needs_leading: bool = False
    needs_recording: bool = False
    legality: bool = False
    notice_owed: bool = False
    needs_insurance: bool = False
    equipment: Sequence[str] = ()
    insurances: Sequence[str] = ()
    never_refused: bool = False


class StatedTime(msgspec.Struct, frozen=True):
    """Start and end that an entry states; None: not stated."""

    started_at: datetime | None = None
    ended_at: datetime | None = None


async def start(occasion: Occasion, entry: StartActivity) -> Outcome:
    """Begin a work. Raises Refusal `unknown_work`, `case_ref_without_case`, RuleRefusal with the rules unmet."""
    actor, at = occasion.actor, occasion.at
    _require_case_kind(entry.case_kind, entry.case_ref)
    work = _work(occasion, entry.work)
    restraints = await _restraints(occasion, entry.restraints)
    facts = await duty_check.facts_at(actor, _question_of(entry), at)
    judged = _judged(work, facts)
    unmet = occasion.require([*judged.unmet, *_unmet(work, None, entry.restraints)])
    await execute(
        BEGIN, entry.id, actor.person, occasion.organ, entry.work, entry.case_kind, entry.case_ref, entry.emergency, at
    )
    entry = msgspec.structs.replace(entry, officers_present=facts.officers_present)
    row = await _tell(occasion, entry, entry.id, "start", StatedTime(started_at=at), work, restraints)
    return _outcome(row, unmet, [*judged.warnings, *_warned(occasion, work, entry.restraints)])


def _question_of(entry: StartActivity) -> DutyQuestion:
    """What a start tells about the scene. The means of restraint are judged one by one, not here."""
    told = entry.case_kind != "none" or entry.case_asked
    return DutyQuestion(
        emergency=entry.emergency, recording=entry.recording, officers=entry.officers_present,
        auxiliaries=entry.auxiliaries_present, place_kind=entry.place_kind, light=entry.light,
        case_kind=entry.case_kind if told else None, case_ref=entry.case_ref, notice_given=_is_noticed(entry),
        incident_ref=entry.incident_ref,
    )  # fmt: skip


async def finish(occasion: Occasion, entry: FinishActivity) -> Outcome:
    """End a work. Raises Refusal `unknown_activity`, live `already_finished`, `not_released`."""
    row = await _own_activity(occasion, entry.activity)
    occasion = _by_law_of(occasion, row["begun"])
    at = occasion.not_before(row["begun"])
    occasion.require_live_state(not row["finished"], "already_finished")
    work = occasion.law.works.get(row["work"])
    restraints = await _restraints(occasion, entry.restraints)
    still = {restraint["restraint"] for restraint in await fetch(RESTRAINED, row["id"])}
    still |= {restraint.id for restraint in restraints if restraint.ended_at is None}
    still -= {restraint.id for restraint in restraints if restraint.ended_at is not None}
    unmet = _unmet(work, None, restraints)
    # A person not released is a finding of refresh_findings, so it is not returned here.
    occasion.require([*unmet, *rules.unmet_at_finish(restrained=bool(still))])
    row = await _tell(occasion, entry, row["id"], "finish", StatedTime(ended_at=at), None, restraints)
    return _outcome(row, unmet, _warned(occasion, work, restraints))


async def amend(occasion: Occasion, entry: AmendActivity) -> Outcome:
    """Correct an activity. Raises Refusal `unknown_activity`, `nothing_amended`, `unknown_work`,
    `end_before_start`, `case_ref_without_case`, RuleRefusal with the rules that the amended work leaves unmet."""
    row = await _own_activity(occasion, entry.activity)
    occasion = _by_law_of(occasion, row["begun"])
    if not _amends(entry):
        raise Refusal("nothing_amended")
    _require_case_kind(entry.case_kind or "none", entry.case_ref)
    work = None if entry.work is None else _work(occasion, entry.work)
    span = _stated(occasion, entry.started_at, entry.ended_at)
    _require_order(span.started_at or row["started_at"], span.ended_at or row["ended_at"])
    restraints = await _restraints(occasion, entry.restraints)
    unmet = occasion.require(await _unmet_by_amendment(occasion, entry, row, work))
    row = await _tell(occasion, entry, row["id"], "amend", span, work, restraints)
    return _outcome(row, unmet)


async def explain(occasion: Occasion, entry: ExplainGap) -> Outcome:
    """Explain a gap. Raises Refusal `unknown_activity`, `not_an_officer`, `end_before_start`, `no_gap`."""
    if entry.reported_to is not None:
        await officers_among([entry.reported_to], occasion.at)
    row, span = await _gap(occasion, entry.activity, entry.gap, entry.started_at, entry.ended_at)
    occasion.require_live_state(row["gap"], "no_gap")
    answer = {
        "cause": entry.cause, "spoken": entry.spoken, "reported_to": entry.reported_to, "words": entry.words,
    }  # fmt: skip
    return await _account(occasion, entry.id, row, entry.gap, span, answer)


async def cover(occasion: Occasion, entry: CoverGap) -> Outcome:
    """Name another source that recorded a gap. Raises Refusal `unknown_activity`, `unknown_person`,
    `colleague_unfit`, `end_before_start`, `no_gap`."""
    if entry.colleague is not None and entry.covered_by != "colleague":
        raise Refusal("colleague_unfit")
    await _require_on_roster([entry.colleague])
    row, span = await _gap(occasion, entry.activity, "recording", entry.started_at, entry.ended_at)
    occasion.require_live_state(row["gap"], "no_gap")
    answer = {"covered_by": entry.covered_by, "source": entry.source, "colleague": entry.colleague}
    return await _account(occasion, entry.id, row, "recording", span, answer)


async def concerned(actor: Actor, entry: ExplainGap | CoverGap) -> Iterable[UUID]:
    """The persons whom an answer for a gap concerns: the actor and the person who did the work."""
    person = await value("SELECT person FROM activity WHERE id = $1", entry.activity)
    return [actor.person] if person is None else [actor.person, person]


def _by_law_of(occasion: Occasion, begun: datetime) -> Occasion:
    """The occasion with the law that was in force when the act began: it judges the whole act."""
    return msgspec.structs.replace(occasion, law=law_at(begun))


def _work(occasion: Occasion, code: str) -> Work | None:
    """The work of the catalogue; None if a late entry names an unknown one. Raises Refusal `unknown_work` if live."""
    work = occasion.law.works.get(code)
    if work is None and not occasion.timing.late:
        raise Refusal("unknown_work")
    return work


def _judged(work: Work | None, facts: Facts) -> Verdict:
    return Verdict("forbidden", ("unknown_work",)) if work is None else verdict(work, facts)


def _unmet(work: Work | None, case_kind: str | None, restraints: Sequence[Restraint]) -> list[str]:
    if work is None:
        return []
    by_case = [] if case_kind is None else rules.unmet_by_case(work, case_kind)
    return [*by_case, *rules.unmet_by_restraints(work, restraints)]


async def _unmet_by_amendment(occasion: Occasion, entry: AmendActivity, row: Record, work: Work | None) -> list[str]:
    """The codes of the rules that the amended work leaves unmet.

    Shift, leading and recording count as given: findings judge them by the tables.
    """
    case_kind = entry.case_kind or row["case_kind"]
    if entry.work is None:
        return _unmet(occasion.law.works.get(row["work"]), entry.case_kind, entry.restraints)
    emergency = row["emergency"] if entry.emergency is None else entry.emergency
    officers = row["officers_present"] if entry.officers_present is None else entry.officers_present
    question = DutyQuestion(
        emergency=emergency, officers=officers, case_ref=entry.case_ref or row["case_ref"], case_kind=case_kind,
        auxiliaries=entry.auxiliaries_present or row["auxiliaries_present"],
        place_kind=entry.place_kind or row["place_kind"], light=entry.light or row["light"],
        incident_ref=entry.incident_ref or row["incident_ref"],
    )  # fmt: skip
    facts = await duty_check.facts_at(occasion.actor, question, row["begun"])
    facts = msgspec.structs.replace(facts, on_shift=True, leader="confirmed", recording=True)
    return [*_judged(work, facts).unmet, *_unmet(work, None, entry.restraints)]


def _warned(occasion: Occasion, work: Work | None, restraints: Sequence[Restraint]) -> list[str]:
    return [] if work is None else rules.warned_by_restraints(work, restraints, occasion.law.restrained)


def _is_noticed(entry: ActivityEntry) -> bool:
    """Whether the entry tells a complete public notice."""
    notice = entry.public_notice
    return notice is not None and notice.id_shown and notice.recusal_right_told


def _require_case_kind(case_kind: str, case_ref: str | None) -> None:
    """Raises Refusal `case_ref_without_case`."""
    if case_ref is not None and case_kind == "none":
        raise Refusal("case_ref_without_case")


def _amends(entry: AmendActivity) -> bool:
    """Whether the entry changes anything."""
    return bool(msgspec.to_builtins(entry).keys() - {*Entry.__struct_fields__, "sent_at", "activity", "why"})


async def _own_activity(occasion: Occasion, activity: UUID) -> Record:
    """The actor's activity. Raises Refusal `unknown_activity`."""
    row = await first(OWN_ACTIVITY, activity, occasion.actor.person)
    if row is None:
        raise Unknown("unknown_activity", activity)
    return row


def _stated(occasion: Occasion, started_at: datetime | None, ended_at: datetime | None) -> StatedTime:
    """Start and end by the server's clock; a time that cannot be is not stated. Raises Refusal `end_before_start`."""
    started, ended = (None if moment is None else occasion.stated(moment) for moment in (started_at, ended_at))
    _require_order(started, ended)
    return StatedTime(started, ended)


def _require_order(started: datetime | None, ended: datetime | None) -> None:
    if started is not None and ended is not None and ended < started:
        raise Refusal("end_before_start")


async def _restraints(occasion: Occasion, stated: Sequence[Restraint]) -> list[Restraint]:
    """The restraints with their times by the server's clock. Raises Refusal `not_an_officer`, `unknown_person`."""
    if not stated:
        return []
    await officers_among([restraint.ordered_by for restraint in stated], occasion.at)
    await _require_on_roster([restraint.watcher for restraint in stated])
    return [_restraint(occasion, restraint) for restraint in stated]


def _restraint(occasion: Occasion, stated: Restraint) -> Restraint:
    """A restraint with its times by the server's clock. One that ends before it began was timed by a clock that was
    set meanwhile: it ends when it began, with a finding."""
    started = occasion.corrected(stated.started_at)
    ended = None if stated.ended_at is None else occasion.corrected(stated.ended_at)
    if ended is not None and ended < started:
        occasion.doubts.add(CLOCK_DOUBTFUL)
        ended = started
    return msgspec.structs.replace(stated, started_at=started, ended_at=ended)


async def _require_on_roster(persons: Sequence[UUID | None]) -> None:
    """Raises Refusal `unknown_person` unless each is on the roster."""
    named = {person for person in persons if person is not None}
    if named and await value("SELECT count(*) FROM person WHERE id = ANY ($1)", list(named)) < len(named):
        raise Refusal("unknown_person")


def requirements_of(work: Work | None, law: Law, kind: str) -> Requirements:
    """What the law of the moment requires of a work done by somebody of this kind.

    It is stored with the entry: a later law does not change it.
    """
    if work is None:
        return Requirements()
    insurances = law.insurances_of(kind, work)
    return Requirements(
        needs_leading=work.leadership == "led" and not (work.never_refused or work.never_waits_for_leader),
        needs_recording=work.recording == "required",
        legality=work.legality,
        notice_owed=work.enforcement,
        needs_insurance=bool(insurances),
        equipment=rules.names_of(work.equipment, law.equipment),
        insurances=insurances,
        never_refused=work.never_refused,
    )


async def _tell(
    occasion: Occasion, entry: ActivityEntry, activity: UUID, verb: str, stated: StatedTime, work: Work | None,
    restraints: Sequence[Restraint],
) -> Record:  # fmt: skip
    """Insert one telling and its restraints, then derive the activity from all tellings. Returns its row."""
    at = stated.ended_at if verb == "finish" else occasion.at
    needs = requirements_of(work, occasion.law, occasion.actor.kind_at(occasion.at))
    notice = entry.public_notice
    await execute(
        TELL, entry.id, activity, verb, at, stated.started_at, stated.ended_at, getattr(entry, "work", None),
        *msgspec.structs.astuple(needs), getattr(entry, "case_kind", None), getattr(entry, "case_ref", None),
        getattr(entry, "case_asked", False), entry.officers_present, entry.auxiliaries_present, entry.place_kind,
        entry.light, getattr(entry, "emergency", None), getattr(entry, "recording", None), _is_noticed(entry),
        notice and notice.told,
        as_json(entry.place), entry.notes, getattr(entry, "why", None), not occasion.timing.late,
        entry.incident_ref,
    )  # fmt: skip
    for position, restraint in enumerate(restraints):
        await execute(
            RESTRAIN, restraint.id, entry.id, position, activity, restraint.means, restraint.ordered_by,
            restraint.watcher, restraint.restrained, restraint.self_protection, restraint.started_at,
            restraint.ended_at,
        )  # fmt: skip
    row = await first(SETTLE, activity)
    if row is None:
        raise Refusal("unknown_activity")
    return row


def _outcome(row: Record, unmet: Sequence[str], warnings: Sequence[str] = ()) -> Outcome:
    standing = {
        "id": str(row["id"]),
        "work": row["work"],
        "case_kind": row["case_kind"],
        "started_at": utc(row["started_at"]),
        "ended_at": row["ended_at"] and utc(row["ended_at"]),
    }
    return Outcome(
        subject={"activity": standing, "warnings": list(warnings)},
        subjects=[row["id"], row["person"]],
        organ=row["organ"],
        unmet=unmet,
        touches=Touched([row["person"]], row["begun"], row["until"]),
    )


async def _gap(
    occasion: Occasion, activity: UUID, gap: str, started_at: datetime | None, ended_at: datetime | None
) -> tuple[Record, StatedTime]:
    """The activity and the time answered for: the whole activity where no time is stated.

    Raises Refusal `unknown_activity`, `end_before_start`, `no_gap`.
    """
    span = _stated(occasion, started_at, ended_at)
    person, now = occasion.actor.person, occasion.timing.as_of
    row = await first(ANSWERABLE, activity, person, gap, span.started_at, span.ended_at, now, *tolerances())
    if row is None:
        raise Unknown("unknown_activity", activity)
    span = StatedTime(span.started_at or row["begun"], span.ended_at or row["until"])
    _require_order(span.started_at, span.ended_at)
    if span.started_at == span.ended_at:
        raise Refusal("no_gap")
    return row, span


async def _account(
    occasion: Occasion, entry_id: UUID, row: Record, gap: str, span: StatedTime, answer: dict[str, Any]
) -> Outcome:
    """Insert the answer for a gap. `answer`: the columns that differ between explanation and cover."""
    await GapAccount.insert(
        GapAccount(
            id=entry_id, activity=row["id"], by_person=occasion.actor.person, at=occasion.at, gap=gap,
            started_at=span.started_at, ended_at=span.ended_at, **answer,
        )
    )  # fmt: skip
    assert span.started_at is not None and span.ended_at is not None  # noqa: S101, PT018 - for the type checker
    standing = {
        "activity": str(row["id"]),
        "gap": gap,
        "started_at": utc(span.started_at),
        "ended_at": utc(span.ended_at),
    }
    return Outcome(
        subject={"account": standing},
        subjects=[row["id"], row["person"]],
        organ=row["organ"],
        touches=Touched([row["person"]], span.started_at, span.ended_at),
    )
