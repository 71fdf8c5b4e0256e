"""Record complaints and the steps about them: one transaction each.

Guarantees: the footage around a complaint is held in the transaction that receives it. Each step names the version that
it saw. The person complained of, the officers who led them then, and inspectors who stepped aside never handle it and
never learn who complained. A term that runs ends later only as the head approved, who is not who asked.
Source: R.34; 信访工作条例 23, 30, 31, 34; 人民警察法 46.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from backend.complaints import hearings, rules
from backend.complaints.hearings import HearPerson
from backend.complaints.schemas import (
    AcceptComplaint,
    AnswerExtension,
    ConcludeComplaint,
    ExtendComplaint,
    FeedBack,
    IdentifyPerson,
    NotifyComplainant,
    OnComplaint,
    ReceiveComplaint,
    StepAsideFromComplaint,
    TellExtension,
)
from backend.complaints.tables import Complaint, ComplaintStep
from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.days import day_of, last_moment
from backend.core.findings import Overdue
from backend.core.journal import utc
from backend.core.officers import organ_of_auxiliary
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome
from backend.core.visibility import INSPECTING, reaches
from backend.core.wire import as_json
from backend.evidence.papers import hold_in_store, own_papers
from backend.evidence.retention import legal_holds
from backend.evidence.retention.legal_holds import NewHold
from backend.law.catalogue import Law
from backend.law.matters import Told

INSERT_PERSON = (
    "INSERT INTO complaint_person (complaint, person) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING person"
)
ATTACH = """
INSERT INTO complaint_paper (complaint, document) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING
"""
MOVE = """
UPDATE complaint SET version = version + 1, noticed_at = coalesce(noticed_at, $2), end_by = coalesce($3, end_by),
    outcome = coalesce(outcome, $4), concluded_at = coalesce(concluded_at, $5), fed_back_at = coalesce(fed_back_at, $6),
    kind = coalesce($7, kind), accepted_at = coalesce(accepted_at, $8), notice_by = coalesce($9, notice_by),
    extended_from = coalesce(extended_from, $10), extension_told_at = coalesce(extension_told_at, $11)
WHERE id = $1
"""
JUDGED = "UPDATE complaint SET unheard_why = $2, appeal_to = $3 WHERE id = $1"
ASKED = """
SELECT s.by_person, s.until_at FROM complaint_step s
WHERE s.complaint = $1 AND s.step = 'extend' AND NOT EXISTS (
    SELECT FROM complaint_step a WHERE a.complaint = s.complaint AND a.version > s.version
        AND a.step IN ('approve_extension', 'refuse_extension'))
ORDER BY s.version DESC LIMIT 1
"""
SHIFT = "SELECT person, organ, started_at, coalesce(ended_at, $2) AS ended_at FROM shift WHERE id = $1"
ORGAN_CONCERNED = """
SELECT coalesce(organ_at($1, $3), (SELECT organ FROM shift WHERE id = $2))
"""
ROW = """
SELECT c.*, may_not_handle(c.id, $2) AS conflicted,
    c.outcome IS NULL AND c.taken_by <> $2 AND matter_is_about(c.id, $2) AS kept FROM complaint c WHERE c.id = $1
"""


class About(NamedTuple):
    """Which organ, time and person (if known) a complaint is about."""

    organ: str
    started_at: datetime
    ended_at: datetime
    person: UUID | None = None


class Moved(NamedTuple):
    """What a step changes in its complaint; None: as before."""

    noticed_at: datetime | None = None
    end_by: datetime | None = None
    outcome: str | None = None
    concluded_at: datetime | None = None
    fed_back_at: datetime | None = None
    kind: str | None = None
    accepted_at: datetime | None = None
    notice_by: datetime | None = None
    extended_from: datetime | None = None
    extension_told_at: datetime | None = None


NOTHING = Moved()


async def receive(occasion: Occasion, entry: ReceiveComplaint) -> Outcome:
    """Receive a complaint. Raises Refusal `complaint_about_one`, `not_an_auxiliary`, `unknown_shift`,
    `end_before_start`, `contact_without_name`, `unknown_complaint_kind`, `unknown_document`."""
    _check_kind(occasion, entry.kind)
    if entry.contact is not None and entry.complainant is None:
        raise Refusal("contact_without_name")
    about = await _about(occasion, entry)
    papers = await own_papers(occasion.actor, entry.papers)
    await _insert(occasion, entry, about)
    await execute(ATTACH, entry.id, papers)
    await hold_in_store(papers)
    if about.person is not None:
        await execute(INSERT_PERSON, entry.id, about.person)
    await _hold_footage(occasion, entry.id, about, as_json(entry.place), entry.radius_m)
    return await _outcome(entry.id)


async def notify(occasion: Occasion, entry: NotifyComplainant) -> Outcome:
    """Record that the complainant was told that it is taken up: then it is accepted at the latest.

    Raises Refusal as `_told`. What should be in writing and was not counts for nothing.
    """
    row, unmet = await _told(occasion, entry, "notice", entry.how)
    if not unmet and occasion.at <= row["notice_by"]:
        await findings.withdraw("complaint_not_noticed", row["id"])
    moved = (await _accepting(occasion, row))._replace(noticed_at=None if unmet else occasion.at)
    return await _step(occasion, entry, "notify", moved, how=entry.how, unmet=unmet)


async def accept(occasion: Occasion, entry: AcceptComplaint) -> Outcome:
    """Accept the complaint as one of a kind, whose term runs from now on.

    Raises Refusal as `_open`, and `complaint_accepted`, `unknown_complaint_kind`.
    """
    row = await _open(occasion, entry)
    if row["accepted_at"] is not None:
        raise Refusal("complaint_accepted")
    _check_kind(occasion, entry.kind)
    return await _step(occasion, entry, "accept", await _accepting(occasion, row, entry.kind), kind=entry.kind)


async def identify(occasion: Occasion, entry: IdentifyPerson) -> Outcome:
    """Identify a person complained of. Raises Refusal as `_open`, and `not_an_auxiliary`, `identified_before`."""
    row = await _open(occasion, entry)
    await organ_of_auxiliary(entry.person, row["started_at"])
    if await first(INSERT_PERSON, row["id"], entry.person) is None:
        raise Refusal("identified_before")
    about = About(row["organ"], row["started_at"], row["ended_at"], entry.person)
    await _hold_footage(occasion, row["id"], about, None, None)
    return await _step(occasion, entry, "identify")


async def step_aside(occasion: Occasion, entry: StepAsideFromComplaint) -> Outcome:
    """An inspector stops handling the complaint. Raises Refusal as `_handled`."""
    await _handled(occasion, entry)
    return await _step(occasion, entry, "step_aside")


async def extend(occasion: Occasion, entry: ExtendComplaint) -> Outcome:
    """Ask for an extension. Raises Refusal as `_open`, and `extension_not_provided`, `extended_before`,
    `extension_asked_before`, `extension_out_of_range`."""
    row = await _open(occasion, entry)
    kind = rules.kind_of(occasion.law, row["kind"])
    if kind is None or kind.extension is None or row["end_by"] is None:
        raise Refusal("extension_not_provided")
    if row["extended_from"] is not None:
        raise Refusal("extended_before")
    if await first(ASKED, row["id"]) is not None:
        raise Refusal("extension_asked_before")
    if not rules.allows_extension(occasion.law, kind.extension, entry.until, row["end_by"]):
        raise Refusal("extension_out_of_range")
    return await _step(occasion, entry, "extend", until_at=last_moment(day_of(entry.until)))


async def answer_extension(occasion: Occasion, entry: AnswerExtension) -> Outcome:
    """Approve the extension that was asked for, or not. After the end of the term it stays a finding that it was over.

    Raises Refusal as `_for_approver`, and `no_extension_asked`; `own_matter` for who asked.
    """
    row = await _for_approver(occasion, entry)
    asked = await first(ASKED, row["id"])
    if asked is None or row["extended_from"] is not None:
        raise Refusal("no_extension_asked")
    if asked["by_person"] == occasion.actor.person:
        raise Refusal("own_matter")
    if not entry.approves:
        return await _step(occasion, entry, "refuse_extension", asked_by=asked["by_person"])
    await findings.withdraw_overdue("complaint_overdue", row["id"], row["end_by"], occasion.at)
    moved = Moved(end_by=asked["until_at"], extended_from=row["end_by"])
    return await _step(
        occasion, entry, "approve_extension", moved, until_at=asked["until_at"], asked_by=asked["by_person"]
    )


async def tell_extension(occasion: Occasion, entry: TellExtension) -> Outcome:
    """Record that the complainant was told of the extension and why.

    Raises Refusal as `_told`, and `extension_not_approved`.
    """
    row, unmet = await _told(occasion, entry, "extension", entry.how)
    if row["extended_from"] is None:
        raise Refusal("extension_not_approved")
    if not unmet and occasion.at <= row["extended_from"]:
        await findings.withdraw("complaint_extension_untold", row["id"])
    moved = Moved(extension_told_at=None if unmet else occasion.at)
    return await _step(occasion, entry, "tell_extension", moved, how=entry.how, unmet=unmet)


async def conclude(occasion: Occasion, entry: ConcludeComplaint) -> Outcome:
    """Conclude the complaint: unless it was withdrawn, it is accepted at the latest then.

    Raises Refusal as `_open`, and `not_heard`, `hearing_open`, `names_complainant`, `unknown_organ`.
    """
    row = await _open(occasion, entry)
    await hearings.require_heard(row, entry.outcome, entry.unheard_why, occasion.at)
    hearings.refuse_names(row, f"{entry.words} {entry.unheard_why or ''}")
    appeal_to = await hearings.organ_of_appeal(occasion.actor, row, entry.appeal_to)
    await execute(JUDGED, row["id"], entry.unheard_why, appeal_to)
    moved = Moved() if entry.outcome == "withdrawn" else await _accepting(occasion, row)
    if row["end_by"] is not None:
        await findings.withdraw_overdue("complaint_overdue", row["id"], row["end_by"], occasion.at)
    moved = moved._replace(outcome=entry.outcome, concluded_at=occasion.at)
    return await _step(occasion, entry, "conclude", moved)


async def hear(occasion: Occasion, entry: HearPerson) -> Outcome:
    """Hear a person complained of. Raises Refusal as `_open`, and `not_complained_of`, `heard_before`,
    `names_complainant`."""
    return await hearings.hear(occasion, await _open(occasion, entry), entry)


async def feed_back(occasion: Occasion, entry: FeedBack) -> Outcome:
    """Record that the complainant was told the result. Raises Refusal as `_told`, and `complaint_not_concluded`."""
    row, unmet = await _told(occasion, entry, "result", entry.how)
    if row["outcome"] is None:
        raise Refusal("complaint_not_concluded")
    moved = Moved(fed_back_at=None if unmet else occasion.at)
    return await _step(occasion, entry, "feed_back", moved, how=entry.how, unmet=unmet)


async def concerned(actor: Actor, entry: OnComplaint) -> Iterable[UUID]:
    """The ids to lock for a step: the actor and the complaint, so that its steps are taken one at a time."""
    return (actor.person, entry.complaint)


async def kept_from_whom_it_is_about(actor: Actor, entry: ReceiveComplaint) -> HeldConcern:
    """A held complaint does not exist for the person it is about, nor for the officers who led them then."""
    started = _usable(entry.started_at) or _usable(entry.occurred_at) or datetime.now(UTC)
    organ = await value(ORGAN_CONCERNED, entry.person, entry.shift, started)
    if entry.shift is not None:
        return HeldConcern(organ=organ, fact=entry.shift, leaders=True, case_ref=entry.case_ref)
    ended = max(_usable(entry.ended_at) or started, started)
    return HeldConcern(
        organ=organ, person=entry.person, leaders=entry.person is not None, started_at=started, ended_at=ended,
        case_ref=entry.case_ref,
    )  # fmt: skip


def _usable(moment: datetime | None) -> datetime | None:
    """The moment, if the database can hold it; what is out of range is refused when the entry is recorded."""
    return moment if moment is not None and 1900 < moment.year < 9000 else None


async def _about(occasion: Occasion, entry: ReceiveComplaint) -> About:
    """What the complaint is about.

    Raises Refusal `complaint_about_one`, `unknown_shift`, `not_an_auxiliary`, `end_before_start`.
    """
    given = [one for one in (entry.person, entry.shift, entry.place) if one is not None]
    timed = entry.started_at is not None
    if len(given) != 1 or (entry.place is None) != (entry.radius_m is None) or timed == (entry.shift is not None):
        raise Refusal("complaint_about_one")
    if entry.shift is not None:
        row = await first(SHIFT, entry.shift, occasion.at)
        if row is None or entry.ended_at is not None:
            raise Unknown("unknown_shift", entry.shift)
        return About(row["organ"], row["started_at"], max(row["started_at"], row["ended_at"]), row["person"])
    started = occasion.corrected(entry.started_at or occasion.at)
    ended = started if entry.ended_at is None else occasion.corrected(entry.ended_at)
    if ended < started:
        raise Refusal("end_before_start")
    organ = occasion.organ if entry.person is None else await organ_of_auxiliary(entry.person, started)
    return About(organ, started, ended, entry.person)


async def _insert(occasion: Occasion, entry: ReceiveComplaint, about: About) -> None:
    law, at = occasion.law, occasion.at
    await Complaint.insert(
        Complaint(
            id=entry.id, organ=about.organ, channel=entry.channel, anonymous=entry.complainant is None,
            complainant=entry.complainant, contact=entry.contact, words=entry.words, case_ref=entry.case_ref,
            shift=entry.shift, place=as_json(entry.place), radius_m=entry.radius_m, started_at=about.started_at,
            ended_at=about.ended_at, taken_by=occasion.actor.person, received_at=at, kind=entry.kind,
            notice_by=rules.notice_by(law, entry.kind, at), version=1,
        )
    )  # fmt: skip


async def _hold_footage(
    occasion: Occasion, complaint: UUID, about: About, place: str | None, radius_m: int | None
) -> None:
    """Hold the footage of the person or place, for a while before and after what is complained of."""
    law = occasion.law
    around: timedelta = law.span("complaint_hold_around")
    await legal_holds.insert_hold(
        NewHold(
            uuid4(), about.organ, law.messages["hold_of_complaint"].zh, occasion.actor.person, occasion.timing.as_of,
            "complaint", complaint, about.person, place, radius_m, None if place is None else law.count("datums_apart"),
            started_at=about.started_at - around, ended_at=about.ended_at + around,
        )
    )  # fmt: skip


def _check_kind(occasion: Occasion, kind: str | None) -> None:
    """Raises Refusal `unknown_complaint_kind`."""
    if kind is not None and kind not in occasion.law.complaints.kinds:
        raise Refusal("unknown_complaint_kind")


async def _accepting(occasion: Occasion, row: Record, kind: str | None = None) -> Moved:
    """What accepting it now as this kind changes, or as what it was said to be. The notice still runs from its receipt.

    Nothing, where it was accepted or concluded before.
    """
    if row["accepted_at"] is not None or row["outcome"] is not None:
        return Moved()
    if occasion.at <= row["notice_by"]:
        await findings.withdraw("complaint_not_accepted", row["id"])
    law, at = occasion.law, max(occasion.at, row["received_at"])
    kind = kind or row["kind"] or law.complaints.taken_for
    notice = rules.notice_by(law, kind, row["received_at"])
    return Moved(kind=kind, accepted_at=at, end_by=rules.end_by(law, kind, at), notice_by=notice)


async def _told(occasion: Occasion, entry: OnComplaint, told: Told, how: str) -> tuple[Record, tuple[str, ...]]:
    """The complaint whose complainant was told, and the rules that the telling leaves unmet.

    Raises Refusal as `_handled`, and `anonymous`; live `notice_not_written`.
    """
    row = await _handled(occasion, entry)
    if row["anonymous"]:
        raise Refusal("anonymous")
    kind = rules.kind_of(occasion.law, row["kind"])
    return row, occasion.require(rules.not_written(kind, told, how, entry.papers))


async def _for_approver(occasion: Occasion, entry: OnComplaint) -> Record:
    """The complaint, while it is not concluded, for who approves that it takes longer.

    Raises Refusal as `_seen_by`, and `complaint_concluded`; `not_the_approver` for an inspector who may not.
    """
    roles = approvers(occasion.law, await value("SELECT kind FROM complaint WHERE id = $1", entry.complaint))
    row = await _seen_by(occasion, entry, INSPECTING | roles)
    if not await reaches(occasion.actor, row["organ"], roles):
        raise Refusal("not_the_approver")
    if row["outcome"] is not None:
        raise Refusal("complaint_concluded")
    return row


def approvers(law: Law, kind: str | None) -> frozenset[str]:
    """The roles that approve an extension of a complaint of this kind; none, where it has no extension."""
    known = rules.kind_of(law, kind)
    return frozenset[str]() if known is None else frozenset(known.extension_roles)


async def _handled(occasion: Occasion, entry: OnComplaint | HearPerson) -> Record:
    """The complaint, for an inspector of its organ or above who has no conflict of interest.

    Raises Refusal as `_seen_by`.
    """
    return await _seen_by(occasion, entry, INSPECTING)


async def _seen_by(occasion: Occasion, entry: OnComplaint | HearPerson, roles: frozenset[str]) -> Record:
    """The complaint, for somebody with one of these roles on its organ or above who has no conflict of interest.

    Raises Refusal `unknown_complaint`, `own_matter`; `stale` with how the complaint stands now.
    """
    row = await first(ROW, entry.complaint, occasion.actor.person)
    if row is None or row["kept"] or not await reaches(occasion.actor, row["organ"], roles):
        raise Unknown("unknown_complaint", entry.complaint)
    if row["conflicted"]:
        raise Refusal("own_matter")
    if row["version"] != entry.version:
        raise Refusal("stale", extra={"current": _standing(row)})
    return row


async def _open(occasion: Occasion, entry: OnComplaint | HearPerson) -> Record:
    """The complaint, while it is not concluded. Raises Refusal as `_handled`, and `complaint_concluded`."""
    row = await _handled(occasion, entry)
    if row["outcome"] is not None:
        raise Refusal("complaint_concluded")
    return row


async def _step(
    occasion: Occasion, entry: OnComplaint, step: str, moved: Moved = NOTHING, *, unmet: Sequence[str] = (),
    **columns: Any,
) -> Outcome:  # fmt: skip
    """Insert a step with its papers, and update the complaint. `columns`: of the step. Raises Refusal
    `unknown_document`."""
    papers = await own_papers(occasion.actor, entry.papers)
    await execute(ATTACH, entry.complaint, papers)
    await hold_in_store(papers)
    await ComplaintStep.insert(
        ComplaintStep(
            id=entry.id, complaint=entry.complaint, version=entry.version + 1, step=step,
            by_person=occasion.actor.person, at=occasion.at, words=entry.words, **columns,
        )
    )  # fmt: skip
    await execute(MOVE, entry.complaint, *moved)
    return await _outcome(entry.complaint, unmet)


async def _outcome(complaint: UUID, unmet: Sequence[str] = ()) -> Outcome:
    row: Any = await first("SELECT * FROM complaint WHERE id = $1", complaint)
    return Outcome(subject={"complaint": _standing(row)}, subjects=[complaint], organ=row["organ"], unmet=unmet)


def _standing(row: Any) -> dict[str, Any]:
    """A complaint as receipts and the journal show it."""
    times = (
        "notice_by", "end_by", "noticed_at", "concluded_at", "fed_back_at", "accepted_at", "extended_from",
        "extension_told_at",
    )  # fmt: skip
    moments = {name: row[name] and utc(row[name]) for name in times}
    return {
        "id": str(row["id"]),
        "organ": row["organ"],
        "outcome": row["outcome"],
        "kind": row["kind"],
        "version": row["version"],
        **moments,
    }


OVERDUE = (
    Overdue(
        kind="complaint_overdue",
        due="SELECT id, organ, end_by AS since FROM complaint WHERE outcome IS NULL AND end_by < $1",
    ),
    Overdue(
        kind="complaint_not_noticed",
        due="""SELECT id, organ, notice_by AS since FROM complaint
            WHERE noticed_at IS NULL AND outcome IS NULL AND NOT anonymous AND notice_by < $1""",
    ),
    Overdue(
        kind="complaint_not_accepted",
        due="""SELECT id, organ, notice_by AS since FROM complaint
            WHERE accepted_at IS NULL AND outcome IS NULL AND notice_by < $1""",
    ),
    Overdue(
        kind="complaint_extension_untold",
        due="""SELECT c.id, c.organ, c.extended_from AS since FROM complaint c
            WHERE c.extended_from < $1 AND c.extension_told_at IS NULL AND NOT c.anonymous AND EXISTS (
                SELECT FROM complaint_step s WHERE s.complaint = c.id AND s.step = 'approve_extension')""",
    ),
)
