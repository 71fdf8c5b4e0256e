"""Record injuries on duty, their papers, the steps to recognition and the help for survivors: one transaction each.

Guarantees: a report does all of this or nothing: it opens the advance with its items, holds the footage, starts the
term to apply for recognition, and makes everybody to be notified a subject of the journal line that the feed reads.
One accident is one case, however many people report it and in any order. Source: R.26, 工伤保险条例; docs/adr/0024.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from backend.core import findings
from backend.core.database import Record, execute, fetch, first, value
from backend.core.days import day_of, last_day, last_moment, until
from backend.core.findings import Finding, Overdue
from backend.core.journal import utc
from backend.core.officers import TODAY, organ_of, organ_of_auxiliary
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome
from backend.core.visibility import HANDLING, IndexPath, reaches, viewer, visible_to
from backend.core.wire import as_json
from backend.evidence.papers import hold_in_store, own_papers
from backend.evidence.retention import legal_holds
from backend.evidence.retention.legal_holds import NewHold
from backend.injuries import rules
from backend.injuries.schemas import AttachPapers, CareForSurvivors, Cost, ReportInjury, StepRecognition
from backend.injuries.tables import Injury, InjuryReport, InjuryStep

INSERT = """
INSERT INTO injury (id, person, organ, handled_in, injured_at, reported_at, fatal, recognition, apply_by, window_until,
    version)
VALUES ($1, $2, $3, organ_that_decides($3, $8), $4, $5, false, 'reported', $6, $7, 1)
"""
SAME_ACCIDENT = """
SELECT id FROM injury WHERE person = $1 AND injured_at BETWEEN $2::timestamptz - $3::interval AND $2 + $3
ORDER BY abs(extract(epoch FROM injured_at - $2)), id LIMIT 1
"""
WITNESSES = "INSERT INTO injury_witness (report, person) SELECT $1, unnest($2::uuid[])"
PAPERS = """
INSERT INTO injury_paper (injury, document, entry, by_person, at) SELECT $1, unnest($2::uuid[]), $3, $4, $5
ON CONFLICT DO NOTHING
"""
INSERT_ITEM = """
INSERT INTO advance_item (id, injury, kind, requested_by, requested_at, requested_fen, words)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
FILL_OPEN_ITEM = """
UPDATE advance_item SET requested_by = $3, requested_at = $4, requested_fen = $5, words = $6, version = version + 1
WHERE id = (SELECT id FROM advance_item WHERE injury = $1 AND kind = $2 AND state = 'open' ORDER BY id LIMIT 1)
RETURNING id
"""
KINDS = ("medical", "transport", "nursing", "other")
MAKE_HOLDS_PERMANENT = """
UPDATE hold SET permanent = true
WHERE about = $1 AND released_at IS NULL AND (SELECT fatal FROM injury WHERE id = $1)
"""
OPEN_SURVIVOR_ITEMS = "INSERT INTO survivor_item (injury, item) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
IS_HELD = "SELECT count(*) > 0 FROM hold WHERE about = $1 AND person = $2 AND during @> tstzrange($3, $4, '[]')"
VISIBLE = visible_to(own=["i.person"], organ="i.organ").also(
    "EXISTS (SELECT FROM injury_report x WHERE x.injury = i.id AND x.by_person = $1)",
    IndexPath("i.id", "SELECT DISTINCT x.injury AS value FROM injury_report x WHERE x.by_person = $1"),
)
ROW = f"SELECT i.* FROM injury i WHERE i.id = $3 AND {VISIBLE.condition}"  # noqa: S608 - constants, here and below
# Reporters, and commanders and treasurers of the organs from the injured person's own up to the deciding one.
TO_NOTIFY = f"""
WITH RECURSIVE up AS (
    SELECT o.code, o.parent FROM organ o JOIN injury i ON o.code = i.organ WHERE i.id = $1
    UNION SELECT o.code, o.parent FROM organ o JOIN up u ON o.code = u.parent
    WHERE u.code <> (SELECT handled_in FROM injury WHERE id = $1)
)
SELECT by_person AS person FROM injury_report WHERE injury = $1
UNION SELECT g.person FROM role_grant g JOIN up u ON g.organ = u.code, (SELECT {TODAY} AS is) AS day
WHERE g.role IN ('commander', 'treasurer') AND g.valid_from <= day.is AND coalesce(g.valid_until >= day.is, true)
"""  # noqa: S608
UNDECIDED = """
SELECT id FROM advance_item WHERE injury = $1 AND state IN ('approved', 'paid', 'settling') AND then_what IS NULL
"""
ORGAN_OF_INJURY = "SELECT organ FROM injury WHERE id = $1"
MARK_DONE = """
UPDATE survivor_item SET done_by = $3, done_at = $4, words = $5 WHERE injury = $1 AND item = $2 AND done_at IS NULL
RETURNING item
"""


async def report(occasion: Occasion, entry: ReportInjury) -> Outcome:
    """Report an injury. Raises Refusal `not_an_auxiliary`, `unknown_person`, `unknown_activity`,
    `unknown_document`."""
    actor, person = occasion.actor, entry.person or occasion.actor.person
    injured_at = occasion.corrected(entry.injured_at)
    organ = await organ_of_auxiliary(person, injured_at)
    await _require_known(entry, person)
    papers = await own_papers(actor, entry.papers)
    near = occasion.law.span("same_accident")
    injury = None if entry.separate else await value(SAME_ACCIDENT, person, injured_at, near)
    if injury is None:
        injury = entry.id
        await _open(occasion, entry, person, organ, injured_at)
    await _insert_report(occasion, entry, injury, injured_at)
    await attach_papers(occasion, injury, entry.id, papers)
    for cost in entry.costs:
        await request_item(occasion, injury, uuid4(), cost)
    await _hold_footage(occasion, injury, organ, injured_at, {person, actor.person, *entry.witnesses})
    if entry.severity == "fatal":
        await _record_death(injury)
    await execute(MAKE_HOLDS_PERMANENT, injury)
    return await outcome(injury)


async def attach(occasion: Occasion, entry: AttachPapers) -> Outcome:
    """Attach papers to an injury. Raises Refusal `unknown_injury`, `unknown_document`."""
    row = await visible_injury(occasion.actor, entry.injury)
    await attach_papers(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    return await outcome(row["id"])


async def record_step(occasion: Occasion, entry: StepRecognition) -> Outcome:
    """Record a step of recognition. Raises Refusal `unknown_injury`, `stale`, `not_the_handler`, `own_matter`,
    `recognition_out_of_order`, `not_an_extension`, `time_ahead`, `unknown_document`."""
    row = await _handled(occasion.actor, entry.injury)
    if row["version"] != entry.version:
        raise Refusal("stale", extra={"current": standing(row)})
    state = rules.after(row["recognition"], entry.step)
    if state is None:
        raise Refusal("recognition_out_of_order", extra={"current": standing(row)})
    if entry.on_day > day_of(occasion.timing.as_of):
        raise Refusal("time_ahead")
    until = None if entry.until_day is None else last_moment(entry.until_day)
    if (entry.step == "extend") != (until is not None) or (until is not None and until <= row["apply_by"]):
        raise Refusal("not_an_extension")
    await attach_papers(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    await _insert_step(occasion, entry, row, state, until)
    await _refresh_findings(row, entry, until)
    return await outcome(row["id"])


async def care_for_survivors(occasion: Occasion, entry: CareForSurvivors) -> Outcome:
    """Record that something owed to survivors was done. Raises Refusal `unknown_injury`, `not_the_handler`,
    `own_matter`, `not_fatal`, `survivor_item_done`."""
    row = await _handled(occasion.actor, entry.injury)
    if not row["fatal"]:
        raise Refusal("not_fatal")
    done = await first(MARK_DONE, row["id"], entry.item, occasion.actor.person, occasion.at, entry.words)
    if done is None:
        raise Refusal("survivor_item_done")
    return await outcome(row["id"])


async def concerned(actor: Actor, entry: Any) -> Iterable[UUID]:
    """The persons whom an entry about an injury concerns: the actor and the injured person, who never changes."""
    if isinstance(entry, ReportInjury):
        person = entry.person
    else:
        person = await value("SELECT person FROM injury WHERE id = $1", entry.injury)
    return [actor.person] if person is None else [actor.person, person]


async def organ_of_the_injured(actor: Actor, entry: Any) -> HeldConcern:
    """A held entry about an injury belongs to the organ of the injury: where the person who was hurt served then."""
    *_, person = await concerned(actor, entry)
    known = None if isinstance(entry, ReportInjury) else await value(ORGAN_OF_INJURY, entry.injury)
    return HeldConcern(organ=known or await organ_of(person, entry.occurred_at))


async def visible_injury(actor: Actor, injury: UUID) -> Record:
    """The injury, if the actor may see it. Raises Refusal `unknown_injury`."""
    row = await first(ROW, *viewer(actor, HANDLING), injury)
    if row is None:
        raise Unknown("unknown_injury", injury)
    return row


async def attach_papers(occasion: Occasion, injury: UUID, entry: UUID, papers: Sequence[UUID]) -> None:
    """Attach documents to the case."""
    await execute(PAPERS, injury, list(dict.fromkeys(papers)), entry, occasion.actor.person, occasion.at)
    await hold_in_store(papers)


async def request_item(occasion: Occasion, injury: UUID, new: UUID, cost: Cost) -> UUID:
    """Request a cost: fill an open item of its kind, or insert an item with the id `new`. Returns the item's id."""
    request = (occasion.actor.person, occasion.at, cost.fen, cost.words)
    filled = await value(FILL_OPEN_ITEM, injury, cost.kind, *request)
    if filled is None:
        await execute(INSERT_ITEM, new, injury, cost.kind, *request)
    return filled or new


async def to_notify(injury: UUID) -> list[UUID]:
    """The persons notified of each change of the case, besides the injured person."""
    return [row["person"] for row in await fetch(TO_NOTIFY, injury)]


async def outcome(injury: UUID) -> Outcome:
    """The outcome of an entry about an injury: how it stands now, and whom to notify."""
    row: Any = await first("SELECT * FROM injury WHERE id = $1", injury)
    others = sorted({*await to_notify(injury)} - {row["person"]})
    return Outcome(subject={"injury": standing(row)}, subjects=[injury, row["person"], *others], organ=row["organ"])


def standing(row: Any) -> dict[str, Any]:
    """An injury as receipts and the journal show it."""
    return {
        "id": str(row["id"]),
        "person": str(row["person"]),
        "handled_in": row["handled_in"],
        "recognition": row["recognition"],
        "apply_by": utc(row["apply_by"]),
        "decide_by": row["decide_by"] and utc(row["decide_by"]),
        "fatal": row["fatal"],
        "version": row["version"],
    }


async def _handled(actor: Actor, injury: UUID) -> Record:
    """The injury, if the actor decides or pays for the organ that handles it, and is not the injured person.

    Raises Refusal `unknown_injury`, `not_the_handler`, `own_matter`.
    """
    row = await visible_injury(actor, injury)
    if not await reaches(actor, row["handled_in"], HANDLING):
        raise Refusal("not_the_handler")
    if actor.person == row["person"]:
        raise Refusal("own_matter")
    return row


async def _require_known(entry: ReportInjury, person: UUID) -> None:
    """Raises Refusal `unknown_person`, `unknown_activity`."""
    witnesses = set(entry.witnesses)
    if await value("SELECT count(*) FROM person WHERE id = ANY ($1)", list(witnesses)) < len(witnesses):
        raise Refusal("unknown_person")
    theirs = "SELECT count(*) FROM activity WHERE id = $1 AND person = $2"
    if entry.activity is not None and not await value(theirs, entry.activity, person):
        raise Unknown("unknown_activity", entry.activity)


async def _open(occasion: Occasion, entry: ReportInjury, person: UUID, organ: str, injured_at: datetime) -> None:
    """Insert the case and the open items of its advance."""
    law = occasion.law
    apply_by = until(law, "recognition_application", injured_at)
    window = until(law, "recognition_window", injured_at)
    level = law.decision("injury").level
    await execute(INSERT, entry.id, person, organ, injured_at, occasion.timing.received_at, apply_by, window, level)
    for kind in KINDS:
        await execute(INSERT_ITEM, uuid4(), entry.id, kind, None, None, None, None)


async def _insert_report(occasion: Occasion, entry: ReportInjury, injury: UUID, injured_at: datetime) -> None:
    await InjuryReport.insert(
        InjuryReport(
            id=entry.id, injury=injury, by_person=occasion.actor.person, at=occasion.at, injured_at=injured_at,
            place=as_json(entry.place), how=entry.how, doing=entry.doing, activity=entry.activity,
            body_part=entry.body_part, severity=entry.severity, hospital=entry.hospital, outsiders=entry.outsiders,
        )
    )  # fmt: skip
    await execute(WITNESSES, entry.id, list(dict.fromkeys(entry.witnesses)))


async def _insert_step(
    occasion: Occasion, entry: StepRecognition, row: Record, state: str, until: datetime | None
) -> None:
    """Insert a step of recognition and update the injury. `until`: new end of the term to apply."""
    version = row["version"] + 1
    decide_by = None
    if state == "accepted":
        decide_by = last_moment(last_day(occasion.law, "recognition_decision", entry.on_day))
    await InjuryStep.insert(
        InjuryStep(
            id=entry.id, injury=row["id"], version=version, step=entry.step, by_person=occasion.actor.person,
            at=occasion.at, on_day=entry.on_day, until_day=entry.until_day, words=entry.words,
        )
    )  # fmt: skip
    await Injury.update(
        {
            Injury.version: version,
            Injury.recognition: state,
            Injury.apply_by: until or row["apply_by"],
            Injury.decide_by: decide_by,
        }
    ).where(Injury.id == row["id"])


async def _hold_footage(occasion: Occasion, injury: UUID, organ: str, at: datetime, persons: set[UUID]) -> None:
    """Hold the footage of these persons around the accident: the injured, witnesses, reporters. A hold covers the
    leading officer's footage too.

    Several reports may differ by minutes: an existing hold that covers half of the time around is enough.
    """
    around = occasion.law.span("injury_hold_around")
    since, until = at - around, at + around
    reason, by = occasion.law.messages["hold_of_injury"].zh, occasion.actor.person
    for person in sorted(persons):
        if not await value(IS_HELD, injury, person, at - around / 2, at + around / 2):
            hold = NewHold(uuid4(), organ, reason, by, occasion.timing.as_of, "injury", injury, person)
            await legal_holds.insert_hold(hold._replace(started_at=since, ended_at=until))


async def _record_death(injury: UUID) -> None:
    """Mark the injury as fatal and open the items owed to survivors."""
    await Injury.update({Injury.fatal: True, Injury.version: Injury.version + 1}).where(
        Injury.id == injury, Injury.fatal.eq(False)
    )
    await execute(OPEN_SURVIVOR_ITEMS, injury, list(rules.SURVIVORS))


async def _refresh_findings(row: Record, entry: StepRecognition, until: datetime | None) -> None:
    """Add and withdraw the findings that follow from this step."""
    in_time = entry.step == "apply" and entry.on_day <= day_of(row["apply_by"])
    if in_time or until is not None:
        await findings.withdraw("recognition_not_applied", row["id"])
    if entry.step in rules.REFUSING_STEPS:
        for item in await fetch(UNDECIDED, row["id"]):
            await findings.flag(
                Finding(kind="advance_undecided", subject=item["id"], organ=row["organ"], against_organ=True)
            )


OVERDUE = (
    Overdue(
        kind="recognition_not_applied",
        due="SELECT id, organ, apply_by AS since FROM injury WHERE recognition = 'reported' AND apply_by < $1",
    ),
)
