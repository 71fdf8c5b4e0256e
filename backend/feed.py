"""What is new for one person: the lines of the journal that they may see, in the order of (epoch, xid, seq).

Guarantees: a line is told only when no older transaction can still commit before it, so a reader that follows its
cursor is told each line once and misses none; nobody is told more than the ordinary reads show them; one call looks at
a bounded number of lines. Where the cursor is not one that this database knows, or what the person may see is not what
it was, the answer is `reset` with the start of the shift anew. Source: DESIGN §4, §8, §9; docs/adr/0018.
"""

import asyncio
import base64
import contextlib
import hashlib
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog

from backend import bundle
from backend.activities.reads import ACTIVITY
from backend.bundle import Bundle
from backend.core import database
from backend.core.database import SESSION, Record, fetch, first, tx
from backend.core.journal import SAFE
from backend.core.paging import invalid_parameter
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_to
from backend.core.wire import Moment
from backend.evidence.reads import RECORDING_FILTER
from backend.law.catalogue import law
from backend.registry import TOLD_TO
from backend.shifts.reads import SHIFT

READERS, CONCERNED, ACTOR = (
    frozenset(name for name, told_to in TOLD_TO.items() if told_to == audience)
    for audience in ("readers", "concerned", "actor")
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
    }
)  # fmt: skip - of the canonical bytes; the rest (digests, the device's clock) is for proving, not for telling

CHANNEL = "fujing_feed"
SCAN = 5_000  # lines looked at in one call, whoever asks
COALESCE = 0.1  # seconds: a process rings once in so long
PAUSE = 1.0  # seconds until it tries again to ring
CUT = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)  # as a lost connection says
log = structlog.get_logger()


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal. `id`: of the entry; `facts`: when it happened, what became of it, codes, digests."""

    at: Moment
    verb: str
    outcome: str
    id: UUID | None = None
    subjects: list[UUID] = []
    actor: UUID | None = None
    facts: dict[str, Any] = {}


class Changes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is new since a cursor. `reset`: forget what was told before, and begin with `bundle`."""

    items: list[Change]
    cursor: str
    more: bool
    reset: bool
    bundle: Bundle | None = None


class Position(NamedTuple):
    """A place in the order of the journal."""

    epoch: int = 0
    xid: int = 0
    seq: int = 0


class Cursor(NamedTuple):
    """How far a reader has come: the line, its checksum, when that was, and the print of what they could see then.

    It opens nothing: what is told is judged anew on every call, so it needs no signature.
    """

    position: Position
    check: int
    at: datetime
    seen: bytes

    def text(self) -> str:
        micros = (self.at - EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(PACKED.pack(VERSION, *self.position, self.check, micros, self.seen)).decode()

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Raises Refusal `invalid`."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
            version, epoch, xid, seq, check, micros, seen = PACKED.unpack(raw)
            if version != VERSION or max(xid, seq) > LARGEST:
                raise ValueError(version)
            return cls(Position(epoch, xid, seq), check, EPOCH + timedelta(microseconds=micros), seen)
        except (ValueError, OverflowError, struct.error):
            raise invalid_parameter("after", "not one of ours") from None


VERSION = 1
PACKED = struct.Struct(">BIQQIQ12s")  # 45 bytes: 60 letters, no padding
LARGEST = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = bytes(12)  # the print of a cursor that only says where: as `after` it asks for a reset

HEAD = f"""
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
        )
    )
"""  # noqa: S608
NEWS = f"""
WITH stretch AS MATERIALIZED (
    SELECT j.epoch, j.xid, j.seq, j.actor, j.verb, j.outcome, j.subjects, j.organ FROM journal j
    WHERE (j.epoch, j.xid, j.seq) > ($3, $4::xid8, $5) AND {SAFE.format(j="j")}
    ORDER BY j.epoch, j.xid, j.seq LIMIT $6
)
SELECT j.epoch, j.xid, j.seq, j.entry, v.seq IS NOT NULL AS told, (SELECT count(*) FROM stretch) AS scanned
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
OUT_OF = """
SELECT DISTINCT case_key FROM recused
WHERE person = $1 AND standing IN ('standing_aside', 'granted') AND during @> now() ORDER BY 1
"""


async def concerns(actor: Actor) -> tuple[frozenset[str], frozenset[UUID]]:
    """The organs that the actor oversees now, and the auxiliaries whom they lead now."""
    organs = await fetch(ORGANS, viewer(actor)[1])
    led = await fetch(LED_NOW, actor.person)
    return frozenset(row["code"] for row in organs), frozenset(row["auxiliary"] for row in led)


async def changes(actor: Actor, after: str | None, limit: int, works: str | None = None) -> Changes:
    """What is new for this person since `after`; `works`: the ETag of the catalogue they have.

    Raises Refusal `invalid` for what is no cursor. Not inside another transaction.
    """
    cursor = None if after is None else Cursor.read(after)
    async with tx(isolation="repeatable_read", readonly=True):
        scope = await ViewerScope.of(actor, cursor)
        if cursor is None or not await _stands(cursor, scope):
            row = await first(HEAD)
            fresh = await bundle.of(actor, works, scope.now)
            return Changes(items=[], cursor=_cursor_at(row, scope).text(), more=False, reset=True, bundle=fresh)
        rows = await _news(actor, cursor.position, limit + 1)
        told = [row for row in rows if row["told"]]
        cut = len(told) > limit
        last = told[limit - 1] if cut else rows[-1] if rows else None
        return Changes(
            items=[_change(row) for row in told[:limit]],
            cursor=(cursor if last is None else _cursor_at(last, scope)).text(),
            more=cut or (bool(rows) and rows[0]["scanned"] >= SCAN),
            reset=False,
        )


async def news_since(actor: Actor, cursor: Cursor) -> bool:
    """Whether `changes` would tell anything after this cursor. One that only says where is judged by its place."""
    async with tx(isolation="repeatable_read", readonly=True):
        known = await _known(cursor)
        if not known or (cursor.seen != NOBODY and not await _stands(cursor, await ViewerScope.of(actor, cursor))):
            return True
        rows = await _news(actor, cursor.position, 1)
        return bool(rows) and (any(row["told"] for row in rows) or rows[0]["scanned"] >= SCAN)


async def _news(actor: Actor, position: Position, most: int) -> Sequence[Record]:
    """The visible lines after a position, `told`, and the last one that was looked at."""
    lists = (list(READERS | CONCERNED | ACTOR), list(READERS | CONCERNED), list(READERS))
    return await fetch(NEWS, *viewer(actor), *position, SCAN, *lists, most)


class ViewerScope:
    """What a person may see at this moment, of which a cursor carries the print.

    Organ, kind, the organs that their roles reach, the cases they are out of, and when they led whom. A print is taken
    at a cursor: namings that
    were written after it are no part of it, nor is what happened after it was made. So a new naming changes no print,
    and neither does a leading that ends now; one that was declined, contested, or ended earlier than was known does.
    """

    def __init__(self, now: datetime, constant: list[str], leadings: Sequence[Record]) -> None:
        self.now, self._constant, self._leadings = now, constant, leadings

    @classmethod
    async def of(cls, actor: Actor, cursor: Cursor | None) -> "ViewerScope":
        now = datetime.now(UTC)
        reach = await fetch(ORGANS, viewer(actor)[1])
        out_of = await fetch(OUT_OF, actor.person)
        constant = [str(actor.person), actor.kind, actor.organ, *(row["code"] for row in reach)]
        constant += [f"out of {row['case_key']}" for row in out_of]
        since = min(now, cursor.at) if cursor else now
        return cls(now, constant, await fetch(LEADINGS, actor.person, since - law().span("leading_looked_back")))

    def print_at(self, position: Position, at: datetime) -> bytes:
        told = hashlib.sha256("\n".join(self._constant).encode())
        since = at - law().span("leading_looked_back")
        for row in self._leadings:
            spans = [(max(each.lower, since), min(each.upper or at, at)) for each in row["during"]]
            spans = [span for span in spans if span[0] < span[1]]
            if _position(row) <= position and spans:
                told.update(row["supervision"].bytes + repr(spans).encode())
        return told.digest()[:12]


async def _stands(cursor: Cursor, scope: ViewerScope) -> bool:
    """Whether it can be followed: a line of this database, and the same to be seen as then."""
    return cursor.seen == scope.print_at(cursor.position, cursor.at) and await _known(cursor)


async def _known(cursor: Cursor) -> bool:
    """Whether the journal has this very line at this place: after a restore it may have another one, or none."""
    if cursor.position == Position():
        return cursor.check == 0
    row = await first(LINE, *cursor.position)
    return row is not None and zlib.crc32(row["entry"]) == cursor.check


def _position(row: Record) -> Position:
    return Position(row["epoch"], row["xid"], row["seq"])


def _cursor_at(row: Record | None, scope: ViewerScope) -> Cursor:
    if row is None:
        return Cursor(Position(), 0, scope.now, scope.print_at(Position(), scope.now))
    position = _position(row)
    return Cursor(position, zlib.crc32(row["entry"]), scope.now, scope.print_at(position, scope.now))


def _change(row: Record) -> Change:
    line = msgspec.json.decode(row["entry"])
    facts = {name: told for name, told in line.pop("facts", {}).items() if name in FACTS}
    return msgspec.convert(line | {"facts": facts}, Change)


class State(NamedTuple):
    """Where the feed stands: its last safe line, whether written ones wait, and which transaction they wait for."""

    head: Cursor
    waiting: bool
    oldest: int | None


class Line(NamedTuple):
    """What a notifier needs of a line: whose it is and where it stands."""

    cursor: Cursor
    actor: UUID | None
    verb: str
    outcome: str
    subjects: Sequence[UUID]
    organ: str | None


# `waiting` asks the newest line alone: this runs at every notice, and EXISTS was planned as a reading of every line.
STATE = f"""
SELECT h.*, s.xmin, s.xmin < s.xmax AS running, coalesce((
    SELECT (j.epoch, j.xid) >= (current_epoch(), s.xmin) FROM journal j
    ORDER BY j.epoch DESC, j.xid DESC, j.seq DESC LIMIT 1
), false) AS waiting
FROM (SELECT pg_snapshot_xmin(x) AS xmin, pg_snapshot_xmax(x) AS xmax FROM pg_current_snapshot() x) s
LEFT JOIN LATERAL ({HEAD}) h ON true
"""  # noqa: S608
LINES = f"""
SELECT j.epoch, j.xid, j.seq, j.entry, j.actor, j.verb, j.outcome, j.subjects, j.organ FROM journal j
WHERE (j.epoch, j.xid, j.seq) > ($1, $2::xid8, $3) AND {SAFE.format(j="j")}
ORDER BY j.epoch, j.xid, j.seq LIMIT $4
"""  # noqa: S608


async def state() -> State:
    """Where the feed stands now."""
    row = await first(STATE)
    if row is None or row["seq"] is None:
        return State(_place(None), bool(row and row["waiting"]), row["xmin"] if row and row["running"] else None)
    return State(_place(row), row["waiting"], row["xmin"] if row["running"] else None)


async def lines(after: Position, limit: int) -> list[Line]:
    """The safe lines after a position, whoever may see them."""
    return [
        Line(_place(row), row["actor"], row["verb"], row["outcome"], row["subjects"], row["organ"])
        for row in await fetch(LINES, *after, limit)
    ]


NOWHERE = Cursor(Position(), 0, EPOCH, NOBODY)


def _place(row: Record | None) -> Cursor:
    """A cursor that only says where."""
    if row is None:
        return NOWHERE
    return Cursor(_position(row), zlib.crc32(row["entry"]), EPOCH, NOBODY)


@asynccontextmanager
async def ringing(url: str) -> AsyncIterator[None]:
    """While the block lasts, commits of this process are told to every listener: once in `COALESCE`, after them.

    On a connection of its own, in no transaction of theirs. What is lost with a connection, the listeners' poll finds.
    """
    asked = asyncio.Event()
    ringer = asyncio.create_task(_ring(url, asked))
    database.AFTER_COMMIT.append(asked.set)
    try:
        yield
    finally:
        database.AFTER_COMMIT.remove(asked.set)
        ringer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ringer


async def _ring(url: str, asked: asyncio.Event) -> None:
    connection: asyncpg.Connection | None = None
    try:
        while True:
            await asked.wait()
            asked.clear()
            try:
                if connection is None:
                    connection = await asyncpg.connect(
                        url, timeout=5, server_settings=SESSION | {"application_name": "fujing-bell"}
                    )
                await connection.execute(f"NOTIFY {CHANNEL}", timeout=5)
            except CUT as error:
                log.info("nobody was told of a commit", error=type(error).__name__)
                if connection is not None:
                    connection.terminate()
                    connection = None
                asked.set()  # again, once it can be reached
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(COALESCE)
    finally:
        if connection is not None:
            connection.terminate()
