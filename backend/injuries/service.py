"""What happens when somebody is hurt on duty: one transaction each.

Guarantees: a report opens the advance with its items, places the holds, starts the clock of the application and names
everybody who is to hear of it in the journal line that the feed tells, or does none of it; one accident is one case,
however many report it, in whatever order. Source: R.26, 工伤保险条例; docs/adr/0024.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from backend.core import findings
from backend.core.database import Record, execute, fetch, first, value
from backend.core.findings import Finding, Overdue
from backend.core.journal import utc
from backend.core.officers import TODAY, organ_of_auxiliary
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import HANDLING, IndexPath, reaches, viewer, visible_to
from backend.core.wire import as_json
from backend.evidence.retention import legal_holds
from backend.evidence.retention.legal_holds import NewHold
from backend.injuries import rules
from backend.injuries.schemas import AttachPapers, CareForSurvivors, Cost, ReportInjury, StepRecognition

CHINA = ZoneInfo("Asia/Shanghai")  # China has one legal time
INSERT = """
INSERT INTO injury (id, person, organ, handled_in, injured_at, reported_at, fatal, recognition, apply_by, window_until,
    version)
VALUES ($1, $2, $3, deciding_organ($3), $4, $5, false, 'reported', $6, $7, 1)
"""
SAME = """
SELECT id FROM injury WHERE person = $1 AND injured_at BETWEEN $2::timestamptz - $3::interval AND $2 + $3
ORDER BY abs(extract(epoch FROM injured_at - $2)), id LIMIT 1
"""
TELL = """
INSERT INTO injury_report (id, injury, by_person, at, injured_at, place, how, doing, activity, body_part, severity,
    hospital, outsiders)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
WITNESSES = "INSERT INTO injury_witness (report, person) SELECT $1, unnest($2::uuid[])"
PAPERS = """
INSERT INTO injury_paper (injury, document, entry, by_person, at) SELECT $1, unnest($2::uuid[]), $3, $4, $5
ON CONFLICT DO NOTHING
"""
OWN_PAPERS = """
SELECT u.id AS told, coalesce(u.same_as, u.id) AS id FROM upload u
WHERE u.id = ANY ($1) AND u.owner = $2 AND u.kind = 'document'
"""
ITEM = """
INSERT INTO advance_item (id, injury, kind, requested_by, requested_at, requested_fen, words)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
FILL = """
UPDATE advance_item SET requested_by = $3, requested_at = $4, requested_fen = $5, words = $6, version = version + 1
WHERE id = (SELECT id FROM advance_item WHERE injury = $1 AND kind = $2 AND state = 'open' ORDER BY id LIMIT 1)
RETURNING id
"""
KINDS = ("medical", "transport", "nursing", "other")
FATAL = "UPDATE injury SET fatal = true, version = version + 1 WHERE id = $1 AND NOT fatal"
FOR_EVER = """
UPDATE hold SET permanent = true
WHERE about = $1 AND released_at IS NULL AND (SELECT fatal FROM injury WHERE id = $1)
"""
OWED = "INSERT INTO survivor_item (injury, item) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
KEPT = "SELECT count(*) > 0 FROM hold WHERE about = $1 AND person = $2 AND during @> tstzrange($3, $4, '[]')"
VISIBLE = visible_to(own=["i.person"], organ="i.organ").also(
    "EXISTS (SELECT FROM injury_report x WHERE x.injury = i.id AND x.by_person = $1)",
    IndexPath("i.id", "SELECT DISTINCT x.injury AS value FROM injury_report x WHERE x.by_person = $1"),
)
ROW = f"SELECT i.* FROM injury i WHERE i.id = $3 AND {VISIBLE.condition}"  # noqa: S608 - constants, here and below
# Who reported it, and who decides and pays for the organ, from its own up to the one that decides.
CONCERNED = f"""
WITH RECURSIVE up AS (
    SELECT o.code, o.parent FROM organ o JOIN injury i ON o.code = i.organ WHERE i.id = $1
    UNION SELECT o.code, o.parent FROM organ o JOIN up u ON o.code = u.parent
    WHERE u.code <> (SELECT handled_in FROM injury WHERE id = $1)
)
SELECT by_person AS person FROM injury_report WHERE injury = $1
UNION SELECT g.person FROM role_grant g JOIN up u ON g.organ = u.code, (SELECT {TODAY} AS is) AS day
WHERE g.role IN ('commander', 'treasurer') AND g.valid_from <= day.is AND coalesce(g.valid_until >= day.is, true)
"""  # noqa: S608
STEP = """
INSERT INTO injury_step (id, injury, version, step, by_person, at, on_day, until_day, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
MOVE = """
UPDATE injury SET version = $2, recognition = $3, apply_by = $4, decide_by = $5 WHERE id = $1
"""
UNDECIDED = """
SELECT id FROM advance_item WHERE injury = $1 AND state IN ('approved', 'paid', 'settling') AND then_what IS NULL
"""
DONE = """
UPDATE survivor_item SET done_by = $3, done_at = $4, words = $5 WHERE injury = $1 AND item = $2 AND done_at IS NULL
RETURNING item
"""


async def report(occasion: Occasion, entry: ReportInjury) -> Outcome:
    """Raises Refusal `not_an_auxiliary`, `unknown_person`, `unknown_activity`, `unknown_document`, `time_ahead`,
    `time_out_of_range`."""
    actor, person = occasion.actor, entry.person or occasion.actor.person
    organ = await organ_of_auxiliary(person)
    injured_at = occasion.corrected(entry.injured_at)
    await _must_be_known(entry, person)
    papers = await own_papers(actor, entry.papers)
    near = occasion.law.span("same_accident")
    injury = None if entry.separate else await value(SAME, person, injured_at, near)
    if injury is None:
        injury = entry.id
        await _open(occasion, entry, person, organ, injured_at)
    await execute(
        TELL, entry.id, injury, actor.person, occasion.at, injured_at, as_json(entry.place), entry.how, entry.doing,
        entry.activity, entry.body_part, entry.severity, entry.hospital, entry.outsiders,
    )  # fmt: skip
    await execute(WITNESSES, entry.id, list(dict.fromkeys(entry.witnesses)))
    await attached(occasion, injury, entry.id, papers)
    for cost in entry.costs:
        await asked(occasion, injury, uuid4(), cost)
    await _keep(occasion, injury, organ, injured_at, {person, actor.person, *entry.witnesses})
    if entry.severity == "fatal":
        await _died(injury)
    await execute(FOR_EVER, injury)
    return await outcome(injury)


async def attach(occasion: Occasion, entry: AttachPapers) -> Outcome:
    """Raises Refusal `unknown_injury`, `unknown_document`."""
    row = await known(occasion.actor, entry.injury)
    await attached(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    return await outcome(row["id"])


async def step(occasion: Occasion, entry: StepRecognition) -> Outcome:
    """Raises Refusal `unknown_injury`, `stale`, `not_the_handler`, `own_matter`, `recognition_out_of_order`,
    `not_an_extension`, `time_ahead`, `unknown_document`."""
    row = await _handled(occasion.actor, entry.injury)
    if row["version"] != entry.version:
        raise Refusal("stale", extra={"current": standing(row)})
    state = rules.after(row["recognition"], entry.step)
    if state is None:
        raise Refusal("recognition_out_of_order", extra={"current": standing(row)})
    if entry.on_day > occasion.timing.as_of.astimezone(CHINA).date():
        raise Refusal("time_ahead")
    until = None if entry.until_day is None else ends(entry.until_day)
    if (entry.step == "extend") != (until is not None) or (until is not None and until <= row["apply_by"]):
        raise Refusal("not_an_extension")
    await attached(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    version = row["version"] + 1
    decides = ends(entry.on_day) + occasion.law.span("recognition_decision") if state == "accepted" else None
    await execute(
        STEP, entry.id, row["id"], version, entry.step, occasion.actor.person, occasion.at, entry.on_day,
        entry.until_day, entry.words,
    )  # fmt: skip
    await execute(MOVE, row["id"], version, state, until or row["apply_by"], decides)
    await _note(row, entry, until)
    return await outcome(row["id"])


async def care(occasion: Occasion, entry: CareForSurvivors) -> Outcome:
    """Raises Refusal `unknown_injury`, `not_the_handler`, `own_matter`, `not_fatal`, `survivor_item_done`."""
    row = await _handled(occasion.actor, entry.injury)
    if not row["fatal"]:
        raise Refusal("not_fatal")
    done = await first(DONE, row["id"], entry.item, occasion.actor.person, occasion.at, entry.words)
    if done is None:
        raise Refusal("survivor_item_done")
    return await outcome(row["id"])


async def the_injured(actor: Actor, entry: Any) -> Iterable[UUID]:
    """Whom an entry about an injury concerns: the actor, and who was hurt, who never changes."""
    if isinstance(entry, ReportInjury):
        person = entry.person
    else:
        person = await value("SELECT person FROM injury WHERE id = $1", entry.injury)
    return [actor.person] if person is None else [actor.person, person]


async def known(actor: Actor, injury: UUID) -> Record:
    """Raises Refusal `unknown_injury`."""
    row = await first(ROW, *viewer(actor, HANDLING), injury)
    if row is None:
        raise Unknown("unknown_injury", injury)
    return row


async def attached(occasion: Occasion, injury: UUID, entry: UUID, papers: Sequence[UUID]) -> None:
    """Papers that belong to the case from now on."""
    await execute(PAPERS, injury, list(dict.fromkeys(papers)), entry, occasion.actor.person, occasion.at)


async def asked(occasion: Occasion, injury: UUID, new: UUID, cost: Cost) -> UUID:
    """A cost that is asked for; it takes the place of an item of its kind that stands open. Its item."""
    asks = (occasion.actor.person, occasion.at, cost.fen, cost.words)
    filled = await value(FILL, injury, cost.kind, *asks)
    if filled is None:
        await execute(ITEM, new, injury, cost.kind, *asks)
    return filled or new


async def concerned(injury: UUID) -> list[UUID]:
    """Who hears of what happens to it, besides the injured."""
    return [row["person"] for row in await fetch(CONCERNED, injury)]


async def own_papers(actor: Actor, papers: Sequence[UUID]) -> list[UUID]:
    """One attaches one's own papers; known bytes go by the id they had first. Raises Refusal `unknown_document`."""
    own = {row["told"]: row["id"] for row in await fetch(OWN_PAPERS, list(papers), actor.person)}
    for paper in papers:
        if paper not in own:
            raise Unknown("unknown_document", paper)
    return [own[paper] for paper in papers]


async def outcome(injury: UUID) -> Outcome:
    row: Any = await first("SELECT * FROM injury WHERE id = $1", injury)
    others = sorted({*await concerned(injury)} - {row["person"]})
    return Outcome(subject={"injury": standing(row)}, subjects=[injury, row["person"], *others], organ=row["organ"])


def standing(row: Any) -> dict[str, Any]:
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


def ends(day: date) -> datetime:
    """When a day is over."""
    return datetime.combine(day + timedelta(days=1), time(), CHINA).astimezone(UTC)


async def _handled(actor: Actor, injury: UUID) -> Record:
    """The injury, if one decides or pays for the organ that handles it, and it is not one's own."""
    row = await known(actor, injury)
    if not await reaches(actor, row["handled_in"], HANDLING):
        raise Refusal("not_the_handler")
    if actor.person == row["person"]:
        raise Refusal("own_matter")
    return row


async def _must_be_known(entry: ReportInjury, person: UUID) -> None:
    """Raises Refusal `unknown_person`, `unknown_activity`."""
    witnesses = set(entry.witnesses)
    if await value("SELECT count(*) FROM person WHERE id = ANY ($1)", list(witnesses)) < len(witnesses):
        raise Refusal("unknown_person")
    theirs = "SELECT count(*) FROM activity WHERE id = $1 AND person = $2"
    if entry.activity is not None and not await value(theirs, entry.activity, person):
        raise Unknown("unknown_activity", entry.activity)


async def _open(occasion: Occasion, entry: ReportInjury, person: UUID, organ: str, injured_at: datetime) -> None:
    """The case and the items of its advance."""
    law = occasion.law
    apply_by = injured_at + law.span("recognition_application")
    window = injured_at + law.span("recognition_window")
    await execute(INSERT, entry.id, person, organ, injured_at, occasion.timing.received_at, apply_by, window)
    for kind in KINDS:
        await execute(ITEM, uuid4(), entry.id, kind, None, None, None, None)


async def _keep(occasion: Occasion, injury: UUID, organ: str, at: datetime, persons: set[UUID]) -> None:
    """Footage around it: of the injured and whoever they named as leading, of witnesses, of who reported it.

    Where several tell of it minutes apart, a hold that stands and reaches half as far is enough.
    """
    around = occasion.law.span("injury_hold_around")
    since, until = at - around, at + around
    reason, by = occasion.law.messages["hold_of_injury"].zh, occasion.actor.person
    for person in sorted(persons):
        if not await value(KEPT, injury, person, at - around / 2, at + around / 2):
            what = NewHold(uuid4(), organ, reason, by, occasion.timing.as_of, "injury", injury, person)
            await legal_holds.insert_hold(what._replace(started_at=since, ended_at=until))


async def _died(injury: UUID) -> None:
    """What survivors are owed is opened."""
    await execute(FATAL, injury)
    await execute(OWED, injury, list(rules.SURVIVORS))


async def _note(row: Record, entry: StepRecognition, until: datetime | None) -> None:
    """What is found by this step, or no longer holds."""
    in_time = entry.step == "apply" and ends(entry.on_day) - timedelta(days=1) <= row["apply_by"]
    if in_time or until is not None:
        await findings.withdraw("recognition_not_applied", row["id"])
    if entry.step in rules.ASKS:
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
