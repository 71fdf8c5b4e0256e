"""Queries about reviews, the journal of one recording, and a person's own record.

Guarantees: the wearer of footage can read who viewed it, when, how much and why. A viewing, a package or praise for a
complaint appears only after the complaint is concluded, because before that the person complained of must not learn of
it; one for a matter never to whom that is against, for whom there is none. The number of the complaint never appears.
Footage counts as held where a category or an injury keeps it, and as disposed of when its term is over: no other hold
may be known to its wearer.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core import operators
from backend.core.database import fetch, first
from backend.core.described import Badge, NameBeside, OrganCode, PersonName, RecordingId, WearerId
from backend.core.paging import ListQuery, Page, PageCursor, as_row, invalid_parameter, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, ME, IndexPath, name_of, viewer, visible_to
from backend.core.wire import BIGINT, Moment
from backend.law.catalogue import Language, law
from backend.people import verbs as people
from backend.reviews.schemas import (
    Approved,
    ClosedAt,
    LiftedAt,
    MarkedAt,
    NeedsApproval,
    Observations,
    OpenedAt,
    OverAt,
    PurposeShown,
    RestrictionCategory,
    RestrictionRef,
    ReviewRef,
    Tasked,
)
from backend.reviews.tables import Restriction, ReviewNote, Viewing
from backend.reviews.watching import FootagePart

ACTS = {event.name: event for event in people.EVENTS if event.told_to == "administrators"}
ReviewStatus = Literal["open", "to_decide", "closed", "all"]
STATUSES: dict[ReviewStatus, str] = {
    "open": "v.closed_at IS NULL AND v.over_at > now()",
    "to_decide": "v.needs_approval AND v.allowed IS NULL AND v.closed_at IS NULL AND $1 NOT IN (v.reviewer, v.wearer)",
    "closed": "v.closed_at IS NOT NULL",
    "all": "true",
}
REVIEWS = f"""
SELECT v.*, p.badge AS reviewer_badge, p.name AS reviewer_name, {name_of("v.wearer")} AS wearer_name,
    {name_of("v.decided_by")} AS decided_by_name, ARRAY(
    SELECT category FROM restriction x WHERE x.recording = v.recording AND x.lifted_at IS NULL ORDER BY 1
) AS restricted FROM review v JOIN person_now p ON p.id = v.reviewer
"""  # noqa: S608 - constants
VISIBLE = (
    visible_to(own=[], organ="v.organ")
    .only("v.wearer <> $1 AND NOT review_kept_from(v.purpose, v.about, $1)")
    .also("v.reviewer = $1", IndexPath("v.reviewer", ME))
)
# One's own footage that a category or an injury keeps, as the view `held_footage` has it: by what one wore, by whom one
# led, and by itself. Not of a matter that somebody else raised.
KNOWN = """h.released_at IS NULL AND h.origin IN ('category', 'injury')
    AND NOT EXISTS (SELECT FROM matter m WHERE m.id = h.about AND m.person <> $1)"""
HELD = f"""
SELECT r.id FROM recording r JOIN hold h ON h.person = r.wearer AND h.during && r.during
WHERE r.wearer = $1 AND {KNOWN}
UNION SELECT r.id FROM supervision s JOIN recording r ON r.wearer = s.officer AND r.during && s.during
    JOIN hold h ON h.person = s.auxiliary AND h.during && (r.during * s.during) WHERE s.officer = $1 AND {KNOWN}
UNION SELECT coalesce(u.same_as, u.id) FROM upload u JOIN hold h ON h.upload = u.id WHERE u.owner = $1 AND {KNOWN}
"""  # noqa: S608 - constants, here and below
FOOTAGE_TOTALS = f"""
SELECT count(*) AS recordings, count(*) FILTER (WHERE u.locked_until < now()) AS disposed,
    count(*) FILTER (WHERE u.state = 'sealed' AND u.id IN ({HELD})) AS held,
    min(r.started_at) AS first_at, max(r.started_at) AS last_at, max(u.locked_until) AS kept_until
FROM recording r JOIN upload u ON u.id = r.id WHERE r.wearer = $1 AND u.state <> 'same_as'
"""  # noqa: S608 - constants
# Whether the wearer $1 may know of a review `v`: of one for a complaint once that is concluded, of one for a matter
# unless that is against them.
TOLD_TO_WEARER = """(v.purpose <> 'complaint' OR EXISTS (
        SELECT FROM complaint c WHERE c.id = v.about AND c.outcome IS NOT NULL))
    AND NOT EXISTS (SELECT FROM matter m WHERE m.id = v.about AND m.against = $1)"""
VIEWINGS_OF_WEARER = f"""
SELECT w.id, w.what, v.recording, v.purpose, v.organ, w.began_at, w.first_byte, w.last_byte, w.served, w.from_ms,
    w.to_ms, u.bytes AS of_bytes, p.badge AS reviewer_badge, p.name AS reviewer_name
FROM viewing w JOIN review v ON v.id = w.review JOIN person_now p ON p.id = v.reviewer
JOIN upload u ON u.id = v.recording
WHERE v.wearer = $1 AND v.reviewer <> $1 AND {TOLD_TO_WEARER}
    AND ($2::timestamptz IS NULL OR (w.began_at, w.id) < ($2, $3))
ORDER BY w.began_at DESC, w.id DESC LIMIT $4
"""  # noqa: S608 - constants
EXPORTS_OF_WEARER = f"""
SELECT j.at, j.entry, p.badge AS reviewer_badge, p.name AS reviewer_name
FROM journal j JOIN person_now p ON p.id = j.actor
WHERE j.subjects @> ARRAY[$1::uuid] AND j.verb = 'packages/export' AND j.outcome = 'done' AND j.actor <> $1
    AND NOT EXISTS (SELECT FROM complaint c WHERE c.outcome IS NULL AND c.id = ANY (j.subjects))
    AND NOT EXISTS (SELECT FROM matter m WHERE m.against = $1 AND m.id = ANY (j.subjects))
    AND NOT EXISTS (SELECT FROM review v WHERE v.id = ANY (j.subjects) AND NOT ({TOLD_TO_WEARER}))
ORDER BY j.seq DESC LIMIT 200
"""  # noqa: S608 - constants
READABLE_RECORDING = """
SELECT r.id FROM recording r WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $2)
    AND r.organ IN (SELECT organs_under($1::text[])) AND r.wearer <> $3 AND NOT hidden_from($3, r.wearer, r.during)
"""
# Without the store's own holds: their times would tell of a hold that is kept from the reader.
RECORDING_HISTORY = """
SELECT j.seq, j.at, j.verb, j.outcome, j.entry, p.badge AS actor_badge, d.serial, (
    SELECT c.number FROM checkpoint c WHERE (c.epoch, c.xid, c.seq) >= (j.epoch, j.xid, j.seq)
    ORDER BY c.epoch, c.xid, c.seq LIMIT 1) AS checkpoint
FROM journal j LEFT JOIN person_now p ON p.id = j.actor LEFT JOIN device d ON d.id = j.device
WHERE j.subjects @> ARRAY[$1::uuid] AND ($3::timestamptz IS NULL OR (j.at, j.seq) < ($3, $4))
    AND j.verb NOT IN ('evidence/hold', 'evidence/repair') AND NOT line_kept_from(j.subjects, $2)
ORDER BY j.at DESC, j.seq DESC LIMIT $5
"""
WATCHED = """
SELECT lower(x.stretch) AS from_ms, upper(x.stretch) AS to_ms FROM (
    SELECT unnest(range_agg(int8range(s.from_ms, s.to_ms))) AS stretch FROM watched_stretch s WHERE s.review = $1
) x ORDER BY 1
"""
FINDINGS_WITH_REPLIES = """
SELECT f.id, f.kind, f.started_at, f.ended_at, f.found_at, f.explained, coalesce((
    SELECT jsonb_agg(jsonb_build_object('id', y.id, 'at', y.at, 'words', y.words) ORDER BY y.at)
    FROM finding_reply y WHERE y.finding = f.id AND y.by_person = $1), '[]') AS replies,
    t.at AS told_at, t.answer_by, d.accepted, d.why AS decided_why, d.at AS decided_at,
    excuses(f, $2, $3) AS excuses
FROM finding f LEFT JOIN finding_told t ON t.finding = f.id LEFT JOIN LATERAL (
    SELECT x.* FROM finding_decision x WHERE x.finding = f.id ORDER BY x.at DESC, x.id DESC LIMIT 1) d ON true
WHERE f.person = $1 AND f.withdrawn_at IS NULL ORDER BY f.found_at DESC, f.id DESC LIMIT 200
"""
PRAISED = f"""
SELECT v.id AS review, v.recording, v.closed_at AS at, v.praise AS words, p.badge AS by_badge, p.name AS by_name
FROM review v JOIN person_now p ON p.id = v.reviewer WHERE v.wearer = $1 AND v.praise IS NOT NULL AND {TOLD_TO_WEARER}
ORDER BY v.closed_at DESC, v.id DESC LIMIT 200
"""  # noqa: S608 - constants

# What others did to one's account, and what operators of the server changed about oneself.
ACTS_ON_ME = """
SELECT j.at, j.verb, j.entry, p.badge AS by_badge, p.name AS by_name
FROM journal j LEFT JOIN person_now p ON p.id = j.actor
WHERE j.subjects @> ARRAY[$1::uuid] AND j.verb = ANY ($2) AND j.outcome = 'done' AND j.actor IS DISTINCT FROM $1
ORDER BY j.seq DESC LIMIT 200
"""

FirstByte = Annotated[
    int | None, msgspec.Meta(description="first byte of the range, counted from 0; null: a view copy, by time")
]
LastByte = Annotated[
    int | None, msgspec.Meta(description="last byte of the range; it is part of the range; null: a view copy, by time")
]
SentFrom = Annotated[
    int | None,
    msgspec.Meta(
        description="start of the time in the film that was sent, in milliseconds; null: not known, or no film"
    ),
]
SentTo = Annotated[
    int | None, msgspec.Meta(description="end of the time in the film that was sent, in milliseconds; null: not known")
]
Served = Annotated[
    int | None, msgspec.Meta(description="bytes sent; null: not recorded, so all of the range may have been seen")
]
FootageName = Annotated[
    FootagePart,
    msgspec.Meta(description="content: the footage; poster: its still frame; view: a view copy 观看副本 of it"),
]


class ReviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """A review in a list."""

    id: ReviewRef
    recording: RecordingId
    wearer: WearerId
    wearer_name: NameBeside = None
    organ: OrganCode
    reviewer: Annotated[UUID, msgspec.Meta(description="id of the person who asked to view the footage")]
    reviewer_badge: Badge
    reviewer_name: PersonName
    purpose: PurposeShown
    number: Annotated[str, msgspec.Meta(description="number given for the purpose: an id, or the case number")]
    tasked: Tasked
    restricted: Annotated[
        list[RestrictionCategory], msgspec.Meta(description="why the footage is restricted now; empty: it is not")
    ]
    opened_at: OpenedAt
    over_at: OverAt
    needs_approval: NeedsApproval
    decided_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the commander who approved or refused; null: nobody has")
    ]
    decided_by_name: NameBeside = None
    decided_at: Annotated[Moment | None, msgspec.Meta(description="when the commander decided; null: nobody has")]
    allowed: Approved
    decided_why: Annotated[
        str | None, msgspec.Meta(description="why the commander decided so; null: nobody has decided")
    ]
    closed_at: ClosedAt
    found: Observations
    words: Annotated[str | None, msgspec.Meta(description="the result in words; null: not finished yet")]
    praise: Annotated[str | None, msgspec.Meta(description="what the wearer did well; null: no praise")] = None
    watch_from: Annotated[
        Moment | None, msgspec.Meta(description="one's own film may be watched from then on; null: all of the footage")
    ] = None
    watch_until: Annotated[
        Moment | None, msgspec.Meta(description="one's own film may be watched until then; null: all of the footage")
    ] = None


class ReviewNoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A note about one moment of the footage."""

    id: Annotated[UUID, msgspec.Meta(description="id of the note")]
    at_ms: Annotated[int, msgspec.Meta(description="milliseconds from the start of the footage")]
    words: Annotated[str, msgspec.Meta(description="what the footage shows at this moment")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who wrote the note")]
    at: Annotated[Moment, msgspec.Meta(description="when the note was written")]


class ViewingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One requested range of bytes, or a view copy, and how much of it was sent."""

    id: Annotated[UUID, msgspec.Meta(description="id of the viewing")]
    what: FootageName
    first_byte: FirstByte
    last_byte: LastByte
    served: Served
    began_at: Annotated[Moment, msgspec.Meta(description="when sending began")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="when sending ended; null: not recorded")]
    from_ms: SentFrom = None
    to_ms: SentTo = None


class WatchedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the film that ran before the reviewer's eyes; what ran several times counts once."""

    from_ms: Annotated[int, msgspec.Meta(description="start, in milliseconds from that of the footage")]
    to_ms: Annotated[int, msgspec.Meta(description="end, in milliseconds from the start of the footage")]


class RestrictionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A restriction of the footage, in force or lifted."""

    id: RestrictionRef
    category: RestrictionCategory
    words: Annotated[str | None, msgspec.Meta(description="what the footage shows, in words; null: nothing was said")]
    marked_by: Annotated[UUID, msgspec.Meta(description="id of the person who restricted the footage")]
    marked_at: MarkedAt
    lifted_at: LiftedAt


class ReviewDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A review with its notes, its viewings and the restrictions of the footage."""

    review: Annotated[ReviewRow, msgspec.Meta(description="the review itself")]
    notes: Annotated[list[ReviewNoteRow], msgspec.Meta(description="notes in the order of the footage")]
    viewings: Annotated[list[ViewingRow], msgspec.Meta(description="what was sent under this review, oldest first")]
    restrictions: Annotated[
        list[RestrictionRow], msgspec.Meta(description="restrictions of the footage, oldest first; lifted ones too")
    ]
    watched: Annotated[
        list[WatchedRow],
        msgspec.Meta(description="the time of the film that was watched, as the page told, in order; joined"),
    ]


class FootageTotals(msgspec.Struct, frozen=True, kw_only=True):
    """A person's own footage in numbers."""

    recordings: Annotated[int, msgspec.Meta(description="number of recordings")]
    disposed: Annotated[
        int, msgspec.Meta(description="number of these whose term is over: disposed of, unless something keeps them")
    ]
    held: Annotated[
        int, msgspec.Meta(description="number of these that a category or an injury keeps beyond their term")
    ]
    first_at: Annotated[Moment | None, msgspec.Meta(description="start of the earliest; null: there are none")]
    last_at: Annotated[Moment | None, msgspec.Meta(description="start of the latest; null: there are none")]
    kept_until: Annotated[
        Moment | None,
        msgspec.Meta(description="latest end of retention among them; a hold keeps longer; null: none is locked"),
    ]


class ViewingOfMe(msgspec.Struct, frozen=True, kw_only=True):
    """One viewing of a person's own footage by somebody else."""

    id: Annotated[UUID, msgspec.Meta(description="id of the viewing")]
    recording: RecordingId
    what: FootageName
    purpose: PurposeShown
    organ: OrganCode
    reviewer_badge: Badge
    reviewer_name: PersonName
    began_at: Annotated[Moment, msgspec.Meta(description="when sending began")]
    first_byte: FirstByte
    last_byte: LastByte
    served: Served
    of_bytes: Annotated[int, msgspec.Meta(description="size of the whole footage in bytes")]
    from_ms: SentFrom = None
    to_ms: SentTo = None


class MyReply(msgspec.Struct, frozen=True):
    """A person's own reply to a finding."""

    id: Annotated[UUID, msgspec.Meta(description="id of the reply")]
    at: Annotated[datetime, msgspec.Meta(description="when the reply was recorded")]
    words: Annotated[str, msgspec.Meta(description="the reply")]


class MyFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding about a person, with their own replies."""

    id: Annotated[UUID, msgspec.Meta(description="id of the finding about oneself")]
    kind: Annotated[str, msgspec.Meta(description="code of the finding, as in the catalogue")]
    message: Annotated[str, msgspec.Meta(description="what was found, a sentence in the reader's language")]
    started_at: Annotated[Moment | None, msgspec.Meta(description="start of the time it is about; null: no interval")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the time it is about; null: no interval")]
    found_at: Annotated[Moment, msgspec.Meta(description="when the server found it")]
    explained: Annotated[bool, msgspec.Meta(description="an explanation covers all of it; the finding stays")]
    replies: Annotated[list[MyReply], msgspec.Meta(description="one's own replies, oldest first")]
    told_at: Annotated[Moment | None, msgspec.Meta(description="when it was told to you; null: not yet")] = None
    answer_by: Annotated[
        Moment | None, msgspec.Meta(description="until then it is not decided without your reply; null: not told yet")
    ] = None
    accepted: Annotated[
        bool | None, msgspec.Meta(description="true: your reply is accepted 采纳; false: 不采纳; null: not decided")
    ] = None
    decided_why: Annotated[str | None, msgspec.Meta(description="why it was decided so; null: not decided")] = None
    decided_at: Annotated[Moment | None, msgspec.Meta(description="when it was decided; null: not yet")] = None
    excuses: Annotated[
        list[Literal["objective_cause", "officer_silent", "ordered"]],
        msgspec.Meta(
            description="why it never counts against you: objective_cause 客观原因, officer_silent 民警未答复, "
            "ordered 受命"
        ),
    ] = msgspec.field(default_factory=list)


class Praise(msgspec.Struct, frozen=True, kw_only=True):
    """What a review of one's own footage praises (R.6)."""

    review: ReviewRef
    recording: RecordingId
    at: Annotated[Moment, msgspec.Meta(description="when the review was closed")]
    words: Annotated[str, msgspec.Meta(description="what was done well")]
    by_badge: Annotated[str, msgspec.Meta(description="badge number of the reviewer")]
    by_name: Annotated[str, msgspec.Meta(description="name of the reviewer")]


class ActOnMe(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody else did to one's account, or an operator of the server changed about oneself."""

    at: Annotated[Moment, msgspec.Meta(description="when it was done")]
    verb: Annotated[str, msgspec.Meta(description="what was done, such as people/password")]
    what: Annotated[str, msgspec.Meta(description="the same as words, in the reader's language")]
    by_badge: Annotated[
        str | None, msgspec.Meta(description="badge number of who did it; null: an operator of the server")
    ]
    by_name: Annotated[str | None, msgspec.Meta(description="name of who did it; null: an operator of the server")]
    operator: Annotated[
        str | None,
        msgspec.Meta(description="account on the server of the operator who did it; null: nobody by a command there"),
    ]


class ExportOfMe(msgspec.Struct, frozen=True, kw_only=True):
    """One package with a person's own footage in it that somebody else took."""

    at: Annotated[Moment, msgspec.Meta(description="when the package was made")]
    kind: Annotated[
        Literal["recording", "case", "complaint", "injury", "matter"],
        msgspec.Meta(description="what the package is of: recording, case, complaint, injury or matter"),
    ]
    reviewer_badge: Badge
    reviewer_name: PersonName


class MyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept about a person: footage, viewings and packages by others, findings."""

    kept: Annotated[FootageTotals, msgspec.Meta(description="one's own footage in numbers")]
    viewings: Annotated[list[ViewingOfMe], msgspec.Meta(description="viewings by others, newest first, in pages")]
    exports: Annotated[
        list[ExportOfMe], msgspec.Meta(description="packages taken by others, newest first, at most 200")
    ]
    findings: Annotated[list[MyFinding], msgspec.Meta(description="findings, newest first, at most 200")]
    next: Annotated[str | None, msgspec.Meta(description="cursor of the next page of viewings; null on the last one")]
    praise: Annotated[
        list[Praise], msgspec.Meta(description="what reviews of one's footage praise, newest first, at most 200")
    ] = msgspec.field(default_factory=list)
    acts: Annotated[
        list[ActOnMe],
        msgspec.Meta(
            description="what others did to one's account, and what operators of the server changed about oneself, "
            "newest first, at most 200"
        ),
    ] = msgspec.field(default_factory=list)


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal about one recording."""

    seq: Annotated[int, msgspec.Meta(description="number of the line in the journal")]
    at: Annotated[Moment, msgspec.Meta(description="when the line was written")]
    verb: Annotated[str, msgspec.Meta(description="what was done, such as recordings/view or evidence/seal")]
    outcome: Annotated[str, msgspec.Meta(description="recorded, done, denied or refused")]
    actor_badge: Annotated[
        str | None, msgspec.Meta(description="badge number of the person who did it; null: the server did")
    ]
    serial: Annotated[str | None, msgspec.Meta(description="serial number of the device; null: no device")]
    facts: Annotated[dict[str, Any], msgspec.Meta(description="details: only ids, codes, times, numbers and digests")]
    checkpoint: Annotated[
        int | None, msgspec.Meta(description="number of the checkpoint that proves the line; null: not proved yet")
    ]


async def reviews(actor: Actor, status: ReviewStatus, cursor: str | None, limit: int) -> Page[ReviewRow]:
    """List one's own reviews and those of footage of the organs that one oversees, newest first.

    The reviews of one's own footage are left out, unless one opened them oneself.
    """
    listed = ListQuery(REVIEWS, "review v", VISIBLE, STATUSES[status], by="opened_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Page(items=[as_row(ReviewRow, row) for row in rows[:limit]], next=next_page(rows, limit, "opened_at"))


async def review(actor: Actor, id: UUID) -> ReviewDetail:
    """Read one review with everything under it. Raises Refusal `unknown_review`."""
    row = await first(f"{REVIEWS} WHERE v.id = $3 AND {VISIBLE.condition}", *viewer(actor), id)
    if row is None:
        raise Refusal("unknown_review")
    notes = (
        await ReviewNote.select()
        .where(ReviewNote.review == id)
        .order_by(ReviewNote.at_ms, ReviewNote.at, ReviewNote.id)
    )
    viewings = await Viewing.select().where(Viewing.review == id).order_by(Viewing.began_at, Viewing.id)
    restrictions = (
        await Restriction.select()
        .where(Restriction.recording == row["recording"])
        .order_by(Restriction.marked_at, Restriction.id)
    )
    watched = await fetch(WATCHED, id)
    return ReviewDetail(
        review=as_row(ReviewRow, row),
        notes=[as_row(ReviewNoteRow, note) for note in notes],
        viewings=[as_row(ViewingRow, viewing) for viewing in viewings],
        restrictions=[as_row(RestrictionRow, restriction) for restriction in restrictions],
        watched=[as_row(WatchedRow, stretch) for stretch in watched],
    )


async def my_record(actor: Actor, language: Language, cursor: str | None, limit: int) -> MyRecord:
    """Read what is kept about the actor. Raises Refusal `invalid`."""
    page = PageCursor.after(cursor)
    totals: Any = await first(FOOTAGE_TOTALS, actor.person)
    rows = await fetch(VIEWINGS_OF_WEARER, actor.person, page and page.at, page and page.id, limit + 1)
    return MyRecord(
        kept=as_row(FootageTotals, totals),
        viewings=[as_row(ViewingOfMe, row) for row in rows[:limit]],
        exports=[_export(row) for row in await fetch(EXPORTS_OF_WEARER, actor.person)],
        findings=[_my_finding(row, language) for row in await fetch(FINDINGS_WITH_REPLIES, *_excused(actor))],
        praise=[as_row(Praise, row) for row in await fetch(PRAISED, actor.person)],
        acts=[_act(row, language) for row in await fetch(ACTS_ON_ME, actor.person, list(ACTS))],
        next=next_page(rows, limit, "began_at"),
    )


def _excused(actor: Actor) -> tuple[UUID, list[str], object]:
    """The values of FINDINGS_WITH_REPLIES: the person, the objective causes, the shortest gap that counts."""
    return actor.person, law().answers.objective_causes, law().span("gap_tolerance")


def _export(row: Any) -> ExportOfMe:
    columns = {name: row[name] for name in ("at", "reviewer_badge", "reviewer_name")}
    return ExportOfMe(**columns, kind=msgspec.json.decode(row["entry"])["facts"]["kind"])


def _act(row: Any, language: Language) -> ActOnMe:
    operator = msgspec.json.decode(row["entry"]).get("facts", {}).get("operator")
    event = ACTS[row["verb"]]
    return ActOnMe(
        at=row["at"], verb=row["verb"], what=event.zh if language == "zh" else event.en, by_badge=row["by_badge"],
        by_name=row["by_name"], operator=None if operator is None else operators.shown(operator),
    )  # fmt: skip


def _my_finding(row: Any, language: Language) -> MyFinding:
    columns = {name: row[name] for name in MyFinding.__struct_fields__ if name not in ("message", "replies")}
    replies = msgspec.json.decode(row["replies"], type=list[MyReply])
    return MyFinding(**columns, message=law().messages[row["kind"]].sentence(language), replies=replies)


async def history(actor: Actor, recording: UUID, cursor: str | None, limit: int) -> Page[HistoryLine]:
    """List the journal lines about one recording, newest first. Raises Refusal `unknown_recording`, `invalid`.

    Only inspectors of the recording's organ may read it, and never the person who wore the camera. Lines about a
    complaint that the inspector may not handle are left out, and of a matter against them; so are those of the store's
    own holds, which stand in the list of holds.
    """
    page = PageCursor.after(cursor)
    if page is not None and page.id.int > BIGINT:
        raise invalid_parameter("cursor", "not one of ours")
    row = await first(READABLE_RECORDING, viewer(actor, INSPECTING)[1], recording, actor.person)
    if row is None:
        raise Refusal("unknown_recording")
    rows = await fetch(RECORDING_HISTORY, row["id"], actor.person, page and page.at, page and page.id.int, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=[_history_line(line) for line in rows[:limit]],
        next=last and PageCursor(last["at"], UUID(int=last["seq"])).cursor(),
    )


def _history_line(row: Any) -> HistoryLine:
    facts = msgspec.json.decode(row["entry"]).get("facts", {})
    columns = {name: row[name] for name in HistoryLine.__struct_fields__ if name != "facts"}
    return HistoryLine(**columns, facts=facts)
