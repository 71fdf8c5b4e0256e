"""The change feed: the journal lines that one person may see, in the order of (epoch, xid, seq).

Guarantees: a line is sent only when no older transaction can commit before it any more. So a reader who follows the
cursor gets each line exactly once. The feed shows nobody more than the ordinary reads do. One call reads a bounded
number of lines. The answer is `reset` with a new start-of-shift bundle when this database does not know the cursor, and
when the person may see other things than before. Source: DESIGN §4, §8, §9; docs/adr/0018.
"""

import asyncio
import contextlib
import hashlib
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog

from backend import bundle
from backend.activities.reads import ACTIVITY
from backend.bundle import Bundle
from backend.core import database, days, operators
from backend.core.database import SESSION, Record, fetch, first, for_driver, tx
from backend.core.findings import KEPT
from backend.core.journal import SAFE, Position, position
from backend.core.roles import ADMINISTERING, INSPECTING, OVERSEEING
from backend.core.verb import AUXILIARIES, Actor, part_of
from backend.core.visibility import viewer, visible_to
from backend.core.wire import Moment
from backend.evidence.reads import RECORDING_FILTER
from backend.feed_cursor import EPOCH
from backend.feed_cursor import FeedCursor as FeedCursor
from backend.law.catalogue import law
from backend.registry import TOLD_TO
from backend.shifts.reads import SHIFT

READERS, CONCERNED, ACTOR, ADMINISTRATORS = (
    frozenset(name for name, told_to in TOLD_TO.items() if told_to == audience)
    for audience in ("readers", "concerned", "actor", "administrators")
)
FACTS = frozenset(
    {
        "occurred_at",
        "late",
        "findings",
        "subject",
        "code",
        "unmet",
        "bytes",
        "sha256",
        "locked_until",
        "operator",
    }
)  # fmt: skip - the facts that the feed shows; the others (digests, the device's clock) only serve as proof

CHANNEL = "fujing_feed"
SCAN = 5_000  # lines read in one call at most
COALESCE = 0.1  # seconds: at most one notice of this process in this time
PAUSE = 1.0  # seconds before a failed notice is sent again
CONNECTION_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
log = structlog.get_logger()


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal."""

    at: Annotated[Moment, msgspec.Meta(description="when the server wrote the line")]
    verb: Annotated[str, msgspec.Meta(description="what was done, such as shifts/check-in")]
    outcome: Annotated[
        str,
        msgspec.Meta(
            description="recorded; refused by the rules, for ever for this id; denied; done: no entry, but done"
        ),
    ]
    id: Annotated[UUID | None, msgspec.Meta(description="id of the entry; absent: the line is of no entry")] = None
    subjects: Annotated[list[UUID], msgspec.Meta(description="ids of the facts and persons that it is about")] = []
    actor: Annotated[UUID | None, msgspec.Meta(description="id of the person who did it; absent: the server")] = None
    facts: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="time, lateness, findings, codes, size and digest, and the subject as it then was; `operator`: "
            "the account on the server of whoever did it by a command there"
        ),
    ] = {}


class Changes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is new since a cursor."""

    items: Annotated[list[Change], msgspec.Meta(description="new lines in the order of the journal")]
    cursor: Annotated[str, msgspec.Meta(description="send it as `after` in the next call")]
    more: Annotated[bool, msgspec.Meta(description="there are more lines: call again at once")]
    reset: Annotated[bool, msgspec.Meta(description="delete everything read before and start from `bundle`")]
    bundle: Annotated[Bundle | None, msgspec.Meta(description="the start-of-shift data; only with `reset`")] = None


NO_SCOPE = bytes(12)  # the print of a cursor that is only a position; sent as `after` it leads to a reset

NEWEST = f"""
SELECT j.epoch, j.xid, j.seq, j.entry FROM journal j WHERE {SAFE.format(j="j")}
ORDER BY j.epoch DESC, j.xid DESC, j.seq DESC LIMIT 1
"""  # noqa: S608 - constants, here and below
LINE = f"SELECT j.entry FROM journal j WHERE j.seq = $3 AND (j.epoch, j.xid) = ($1, $2::xid8) AND {SAFE.format(j='j')}"  # noqa: S608
READABLE = f"""
    EXISTS (SELECT FROM shift s WHERE s.id = ANY (w.subjects) AND {SHIFT.condition})
    OR EXISTS (SELECT FROM activity a WHERE a.id = ANY (w.subjects) AND {ACTIVITY.condition})
    OR EXISTS (SELECT FROM recording r WHERE r.id = ANY (w.subjects) AND {RECORDING_FILTER.condition})
"""  # noqa: S608
PAPER = "EXISTS (SELECT FROM upload u WHERE u.id = ANY (w.subjects) AND u.kind = 'document')"
VISIBLE = f"""
    w.actor = $1 AND w.verb = ANY ($7)
    OR w.outcome IN ('recorded', 'done') AND (
        $1 = ANY (w.subjects) AND w.verb = ANY ($8)
        OR w.verb = ANY ($9) AND (
            {visible_to(own=[], organ="w.organ").condition} AND NOT {PAPER}
            OR w.subjects && (SELECT coalesce(array_agg(DISTINCT v.auxiliary), '{{}}') FROM supervision v
                WHERE v.officer = $1) AND ({READABLE})
            OR w.organ IN (SELECT c.organ FROM duty_command c WHERE c.person = $1) AND ({READABLE})
        )
        OR w.verb = ANY ($11) AND CASE WHEN w.organ IS NULL THEN cardinality($12::text[]) > 0
            ELSE w.organ IN (SELECT organs_under($12::text[])) END
    )
"""  # noqa: S608
NEWS = f"""
WITH stretch AS MATERIALIZED (
    SELECT j.epoch, j.xid, j.seq, j.actor, j.verb, j.outcome, j.subjects, j.organ FROM journal j
    WHERE (j.epoch, j.xid, j.seq) > ($3, $4::xid8, $5) AND {SAFE.format(j="j")}
    ORDER BY j.epoch, j.xid, j.seq LIMIT $6
)
SELECT j.epoch, j.xid, j.seq, j.entry, v.seq IS NOT NULL AS visible, (SELECT count(*) FROM stretch) AS scanned,
    coalesce(j.actor = $1, false) OR {visible_to(own=[], organ="j.organ").condition} AS in_full
FROM (
    (SELECT w.seq FROM stretch w WHERE {VISIBLE} ORDER BY w.epoch, w.xid, w.seq LIMIT $10)
) v FULL JOIN (
    SELECT w.seq FROM stretch w ORDER BY w.epoch DESC, w.xid DESC, w.seq DESC LIMIT 1
) last ON last.seq = v.seq
JOIN journal j ON j.seq = coalesce(v.seq, last.seq)
ORDER BY j.epoch, j.xid, j.seq
"""  # noqa: S608
LEADINGS = """
SELECT l.supervision, l.during, coalesce(j.epoch, 0) AS epoch, coalesce(j.xid, '0') AS xid, coalesce(j.seq, 0) AS seq
FROM supervision s JOIN led l ON l.supervision = s.id
LEFT JOIN journal j ON j.entry_id = s.id AND j.outcome = 'recorded'
WHERE s.officer = $1 AND s.started_at > $2 ORDER BY l.supervision
"""
ORGANS = "SELECT organs_under($1::text[]) AS code ORDER BY 1"
LED_NOW = "SELECT l.auxiliary FROM led l WHERE l.officer = $1 AND l.named @> now() AND l.during @> now()"
COMMANDED_NOW = """
SELECT c.organ, lower(c.during) AS since FROM duty_command c WHERE c.person = $1 AND c.during @> now() ORDER BY 1
"""
RECUSED_NOW = """
SELECT DISTINCT concat_ws(' ', case_key(coalesce(r.case_ref, r.mediation)), r.shift, r.activity,
    case_key(r.incident_ref)) AS key FROM recusal r
WHERE r.person = $1 AND (SELECT t.step IN ('stand_aside', 'grant') FROM recusal_step t WHERE t.recusal = r.id
    AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider') ORDER BY t.version DESC LIMIT 1) ORDER BY 1
"""


async def overseen(actor: Actor) -> tuple[frozenset[str], frozenset[UUID]]:
    """The organs that the actor oversees or administers, or whose duty they command now, and whom they lead now."""
    organs = await fetch(ORGANS, viewer(actor, OVERSEEING | ADMINISTERING)[1])
    led = await fetch(LED_NOW, actor.person)
    commanded = await fetch(COMMANDED_NOW, actor.person)
    codes = {*(row["code"] for row in organs), *(row["organ"] for row in commanded)}
    return frozenset(codes), frozenset(row["auxiliary"] for row in led)


async def changes(actor: Actor, after: str | None, limit: int, works: str | None = None) -> Changes:
    """The lines that this person may see since the cursor `after`. `works`: ETag of the catalogue they have.

    Raises Refusal `invalid` if `after` is no cursor. Must not run inside another transaction.
    """
    cursor = None if after is None else FeedCursor.read(after)
    async with tx(isolation="repeatable_read", readonly=True):
        scope = await ViewerScope.of(actor, cursor)
        if cursor is None or not await _still_valid(cursor, scope):
            newest = await first(NEWEST)
            fresh = await bundle.of(actor, works, scope.now)
            return Changes(items=[], cursor=_cursor_at(newest, scope).text(), more=False, reset=True, bundle=fresh)
        rows = await _scan(actor, cursor.position, limit + 1)
        visible = [row for row in rows if row["visible"]]
        cut = len(visible) > limit
        last = visible[limit - 1] if cut else rows[-1] if rows else None
        return Changes(
            items=[_change(row, actor) for row in visible[:limit]],
            cursor=(cursor if last is None else _cursor_at(last, scope)).text(),
            more=cut or (bool(rows) and rows[0]["scanned"] >= SCAN),
            reset=False,
        )


async def news_since(actor: Actor, cursor: FeedCursor) -> bool:
    """Whether `changes` would return anything after this cursor. Of a cursor without scope only the position counts."""
    async with tx(isolation="repeatable_read", readonly=True):
        known = await _known(cursor)
        if not known or (
            cursor.scope_print != NO_SCOPE and not await _still_valid(cursor, await ViewerScope.of(actor, cursor))
        ):
            return True
        rows = await _scan(actor, cursor.position, 1)
        return bool(rows) and (any(row["visible"] for row in rows) or rows[0]["scanned"] >= SCAN)


async def _scan(actor: Actor, after: Position, most: int) -> Sequence[Record]:
    """At most `most` visible lines after a position, and the last line that was read, visible or not."""
    concerned = READERS | CONCERNED | ADMINISTRATORS
    lists = (list(concerned | ACTOR), list(concerned), list(READERS))
    return await fetch(NEWS, *viewer(actor), *after, SCAN, *lists, most, list(ADMINISTRATORS), answers_for(actor))


def answers_for(actor: Actor) -> list[str]:
    """The organs whose administrator or inspector the actor is: they are told what operators of the server do there."""
    organs: list[str] = viewer(actor, ADMINISTERING | INSPECTING)[1]
    return organs


class ViewerScope:
    """What a person may see at this moment. A cursor carries a digest of it, the print.

    It is made of the person's organ and kind, the organs that their roles reach, those that they administer, those
    whose duty they command, the cases they are recused from, and the times when they led somebody. A print at a cursor
    ignores namings that were written after the cursor's position, and everything after the cursor's time. So these do
    not change it: a new naming, a leading that ends now. These do: a naming that was declined or contested, a leading
    that ended earlier than was known, a duty that began or ended.
    """

    def __init__(self, now: datetime, constant: list[str], leadings: Sequence[Record]) -> None:
        self.now, self._constant, self._leadings = now, constant, leadings

    @classmethod
    async def of(cls, actor: Actor, cursor: FeedCursor | None) -> "ViewerScope":
        now = datetime.now(UTC)
        organs = await fetch(ORGANS, viewer(actor)[1])
        recused = await fetch(RECUSED_NOW, actor.person)
        constant = [str(actor.person), actor.kind, actor.organ, *(row["code"] for row in organs)]
        administered = viewer(actor, ADMINISTERING)[1]
        if administered:  # nobody else asks the database for it
            constant += [f"administers {row['code']}" for row in await fetch(ORGANS, administered)]
        constant += [f"out of {row['key']}" for row in recused]
        constant += [
            f"commands {row['organ']} since {row['since']}" for row in await fetch(COMMANDED_NOW, actor.person)
        ]
        since = min(now, cursor.at) if cursor else now
        return cls(now, constant, await fetch(LEADINGS, actor.person, days.since(law(), "leading_looked_back", since)))

    def print_at(self, place: Position, at: datetime) -> bytes:
        """The print for a cursor at this position and time, 12 bytes."""
        digest = hashlib.sha256("\n".join(self._constant).encode())
        since = days.since(law(), "leading_looked_back", at)
        for row in self._leadings:
            spans = [(max(led.lower, since), min(led.upper or at, at)) for led in row["during"]]
            spans = [span for span in spans if span[0] < span[1]]
            if position(row) <= place and spans:
                digest.update(row["supervision"].bytes + repr(spans).encode())
        return digest.digest()[:12]


async def _still_valid(cursor: FeedCursor, scope: ViewerScope) -> bool:
    """Whether the cursor is of this database, and the person may see the same things as then."""
    return cursor.scope_print == scope.print_at(cursor.position, cursor.at) and await _known(cursor)


async def _known(cursor: FeedCursor) -> bool:
    """Whether the journal has this very line at this position. After a restore it may have another one, or none."""
    if cursor.position == Position():
        return cursor.check == 0
    row = await first(LINE, *cursor.position)
    return row is not None and zlib.crc32(row["entry"]) == cursor.check


def _cursor_at(row: Record | None, scope: ViewerScope) -> FeedCursor:
    """A cursor at this line, or at the start of an empty journal."""
    if row is None:
        return FeedCursor(Position(), 0, scope.now, scope.print_at(Position(), scope.now))
    place = position(row)
    return FeedCursor(place, zlib.crc32(row["entry"]), scope.now, scope.print_at(place, scope.now))


def _change(row: Record, actor: Actor) -> Change:
    """The line as this person may see it: an officer who only led learns nothing of training, insurance or hours."""
    line = msgspec.json.decode(row["entry"])
    facts = {name: fact for name, fact in line.pop("facts", {}).items() if name in FACTS}
    if "operator" in facts:
        facts["operator"] = operators.shown(facts["operator"])
    if not row["in_full"] and part_of(actor.kind) not in AUXILIARIES:
        facts = _without_kept(facts)
    return msgspec.convert(line | {"facts": facts}, Change)


def _without_kept(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without the findings and warnings that are kept from officers who led."""
    for lists in (facts, facts.get("subject")):
        if isinstance(lists, dict):
            lists |= {name: _shown(lists[name]) for name in ("findings", "warnings") if name in lists}
    return facts


def _shown(codes: list[str]) -> list[str]:
    return [code for code in codes if code not in KEPT]


class FeedState(NamedTuple):
    """How far the feed can be read now.

    `head`: the newest safe line. `waiting`: newer lines were committed but are not safe yet. `oldest`: the oldest
    running transaction, for which they wait; None: none is running.
    """

    head: FeedCursor
    waiting: bool
    oldest: int | None


class FeedLine(NamedTuple):
    """What the notifier needs of a journal line, to decide whom it concerns."""

    cursor: FeedCursor
    actor: UUID | None
    verb: str
    outcome: str
    subjects: Sequence[UUID]
    organ: str | None


# `waiting` looks only at the newest line. This runs at every notice, and PostgreSQL planned EXISTS as a full scan.
STATE = f"""
SELECT h.*, s.xmin, s.xmin < s.xmax AS running, coalesce((
    SELECT (j.epoch, j.xid) >= (current_epoch(), s.xmin) FROM journal j
    ORDER BY j.epoch DESC, j.xid DESC, j.seq DESC LIMIT 1
), false) AS waiting
FROM (SELECT pg_snapshot_xmin(x) AS xmin, pg_snapshot_xmax(x) AS xmax FROM pg_current_snapshot() x) s
LEFT JOIN LATERAL ({NEWEST}) h ON true
"""  # noqa: S608
LINES = f"""
SELECT j.epoch, j.xid, j.seq, j.entry, j.actor, j.verb, j.outcome, j.subjects, j.organ FROM journal j
WHERE (j.epoch, j.xid, j.seq) > ($1, $2::xid8, $3) AND {SAFE.format(j="j")}
ORDER BY j.epoch, j.xid, j.seq LIMIT $4
"""  # noqa: S608


async def state() -> FeedState:
    """How far the feed can be read now."""
    row = await first(STATE)
    if row is None or row["seq"] is None:
        return FeedState(START, bool(row and row["waiting"]), row["xmin"] if row and row["running"] else None)
    return FeedState(_cursor_without_scope(row), row["waiting"], row["xmin"] if row["running"] else None)


async def lines(after: Position, limit: int) -> list[FeedLine]:
    """The safe lines after a position, for all viewers."""
    return [
        FeedLine(_cursor_without_scope(row), row["actor"], row["verb"], row["outcome"], row["subjects"], row["organ"])
        for row in await fetch(LINES, *after, limit)
    ]


START = FeedCursor(Position(), 0, EPOCH, NO_SCOPE)  # before the first line


def _cursor_without_scope(row: Record) -> FeedCursor:
    return FeedCursor(position(row), zlib.crc32(row["entry"]), EPOCH, NO_SCOPE)


@asynccontextmanager
async def notifying(url: str) -> AsyncIterator[None]:
    """Notify all listeners of commits of this process while the block runs, at most once in `COALESCE` seconds.

    The notice is sent after the commit, on a connection of its own. If that connection is lost, listeners find the
    change when they poll.
    """
    committed = asyncio.Event()
    notifier = asyncio.create_task(_notify(url, committed))
    database.AFTER_COMMIT.append(committed.set)
    try:
        yield
    finally:
        database.AFTER_COMMIT.remove(committed.set)
        notifier.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await notifier


async def _notify(url: str, committed: asyncio.Event) -> None:
    connection: asyncpg.Connection | None = None
    try:
        while True:
            await committed.wait()
            committed.clear()
            try:
                if connection is None:
                    connection = await asyncpg.connect(
                        **for_driver(url), timeout=5, server_settings=SESSION | {"application_name": "fujing-bell"}
                    )
                await connection.execute(f"NOTIFY {CHANNEL}", timeout=5)
            except CONNECTION_ERRORS as error:
                log.info("listeners were not notified of a commit", error=type(error).__name__)
                if connection is not None:
                    connection.terminate()
                    connection = None
                committed.set()  # send the notice again
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(COALESCE)
    finally:
        if connection is not None:
            connection.terminate()
