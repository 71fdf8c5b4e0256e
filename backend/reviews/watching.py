"""Serve footage to a reviewer, and record who viewed which bytes, when, why and from where.

Guarantees: the journal has the request before the first byte is sent, so no viewing goes unrecorded even if the process
is killed. When sending ends, the journal also gets the number of bytes sent. Refusals are in the journal too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec
import structlog

from backend.core import journal, limits
from backend.core.database import first, tx, value
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, OVERSEEING, reaches
from backend.evidence import unreadable
from backend.evidence.removing import poster_key
from backend.people import factor
from backend.reviews.tables import Viewing
from storage.evidence_store import EvidenceStore

FootagePart = Literal["content", "poster", "view"]
ViewingKind = Literal["content", "poster", "view", "package"]
MILLISECOND = timedelta(milliseconds=1)
BLOCK = 256 * 1024  # bytes read from the store at a time
ROLES = OVERSEEING | {"administrator"}  # who holds one of them gives a second factor before they see others' footage
# Whether it is the viewer's own film, or of an auxiliary whom they led then.
OWN = """
SELECT r.wearer = $2 OR EXISTS (SELECT FROM led l WHERE l.officer = $2 AND l.auxiliary = r.wearer
    AND l.named && r.during AND l.during && r.during) FROM recording r WHERE r.id = $1
"""
REVIEW_AND_FOOTAGE = """
SELECT v.*, hidden_from($2, r.wearer, r.during) OR v.purpose = 'complaint' AND may_not_handle(v.about, $2) AS hidden,
    u.object_key, u.version, u.bytes, u.media_type, u.sha256,
    u.state, u.disposed_at, r.poster_version, r.started_at AS film_begins, EXISTS (
        SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL) AS restricted
FROM review v JOIN recording r ON r.id = v.recording JOIN upload u ON u.id = r.id
WHERE v.id = $1 AND v.reviewer = $2 AND v.recording = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3)
"""
log = structlog.get_logger()


class ViewingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to view, and from which address."""

    actor: Actor
    recording: UUID
    review: UUID | None
    what: ViewingKind
    address: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an object in the store that may be shown, and the review that allows it."""

    review: UUID
    recording: UUID
    wearer: UUID
    organ: str
    key: str
    version: str
    bytes: int
    media_type: str
    sha256: str
    stretch: tuple[int, int] | None = None  # of one's own film: what may be watched, in milliseconds; None: all of it


async def allowed(store: EvidenceStore, request: ViewingRequest) -> Source:
    """The footage to show, if the actor may view it now. A refusal is written to the journal before it is raised.

    Raises Refusal `review_needed`, `unknown_review`, `review_closed`, `review_over`, `second_factor_needed`,
    `review_unapproved`, `own_film_view_only`, `not_sealed`, `disposed`, `no_poster`.
    """
    await limits.check_requests(request.actor)
    try:
        return await _allowed(store, request)
    except Refusal as refusal:
        await limits.check_refusals(request.actor)
        subjects = [request.recording] if request.review is None else [request.review, request.recording]
        facts = {"code": refusal.code, "what": request.what, "from": request.address}
        await append_to_journal(request.actor, "recordings/view", "denied", request.actor.organ, subjects, facts)
        raise


async def _allowed(store: EvidenceStore, request: ViewingRequest) -> Source:
    if request.review is None:
        raise Refusal("review_needed")
    row = await first(REVIEW_AND_FOOTAGE, request.review, request.actor.person, request.recording)
    if row is None or row["hidden"]:
        raise Refusal("unknown_review")
    if row["closed_at"] is not None:
        raise Refusal("review_closed")
    if row["over_at"] <= datetime.now(UTC):
        raise Refusal("review_over")
    own_film = row["watch_from"] is not None
    own_right = not (own_film or row["needs_approval"]) and await reaches(request.actor, row["organ"], INSPECTING)
    await require_factor(request.actor, row["recording"], own_right)
    if not row["allowed"] and (row["restricted"] or not (own_right or own_film)):
        raise Refusal("review_unapproved")
    if own_film and request.what != "view":
        raise Refusal("own_film_view_only")
    if row["disposed_at"] is not None:
        raise Refusal("disposed")
    if row["state"] != "sealed":
        raise Refusal("not_sealed")
    return await _source(store, row, request.what)


async def require_factor(actor: Actor, recording: UUID, own_right: bool = False) -> None:
    """Require the second factor of a person who views footage by a role. `own_right`: the review is by an inspector's.

    A person's own film, or that of somebody they led then, is viewed without, unless it is by a role.
    Raises Refusal `second_factor_needed`.
    """
    by_role = any(role.role in ROLES for role in actor.roles)
    if own_right or (by_role and not await value(OWN, recording, actor.person)):
        factor.require(actor)


async def _source(store: EvidenceStore, row: Any, what: ViewingKind) -> Source:
    key, version, size, media = row["object_key"], row["version"], row["bytes"], row["media_type"]
    if what == "poster":
        if row["poster_version"] is None:
            raise Refusal("no_poster")
        key, version, media = poster_key(row["recording"]), row["poster_version"], "image/jpeg"
        size = len(await store.read(key, version))
    return Source(
        review=row["id"], recording=row["recording"], wearer=row["wearer"], organ=row["organ"], key=key,
        version=version, bytes=size, media_type=media, sha256=row["sha256"], stretch=_stretch(row),
    )  # fmt: skip


def _stretch(row: Any) -> tuple[int, int] | None:
    """The stretch of one's own film that may be watched, in milliseconds from its start; None: all of it."""
    if row["watch_from"] is None:
        return None
    first_ms, last_ms = ((row[name] - row["film_begins"]) // MILLISECOND for name in ("watch_from", "watch_until"))
    return max(0, first_ms), max(0, last_ms)


async def begin(
    request: ViewingRequest, source: Source, span: tuple[int, int] | None, from_ms: int | None = None
) -> UUID:
    """Record what is about to be sent: bytes `span`, both ends included, or a view copy of the time after `from_ms`.

    Returns the id of the viewing.
    """
    viewing, (first_byte, last_byte) = uuid4(), span or (None, None)
    asked = {"asked_from_ms": from_ms} if span is None else {"asked": list(span), "of": source.bytes}
    async with tx():
        await Viewing.insert(
            Viewing(
                id=viewing, review=source.review, what=request.what, first_byte=first_byte, last_byte=last_byte,
                began_at=datetime.now(UTC),
            )
        )  # fmt: skip
        facts = {"viewing": str(viewing), "what": request.what, **asked, "from": request.address}
        subjects = [source.review, source.recording, source.wearer]
        await append_to_journal(request.actor, "recordings/view", "done", source.organ, subjects, facts)
    return viewing


class Sent:
    """How much of a viewing was sent: bytes, and the time of the film in them, in milliseconds; None: no time."""

    def __init__(self) -> None:
        self.bytes = 0
        self.from_ms: int | None = None
        self.to_ms: int | None = None

    def add(self, size: int, from_ms: int | None = None, to_ms: int | None = None) -> None:
        self.bytes += size
        if from_ms is not None and self.from_ms is None:
            self.from_ms = from_ms
        if to_ms is not None:
            self.to_ms = max(to_ms, self.to_ms or 0)

    def stretch(self) -> tuple[int, int] | None:
        """From when to when; None where nothing of the film was sent."""
        if self.from_ms is None or self.to_ms is None:
            return None
        return self.from_ms, max(self.from_ms, self.to_ms)


def no_times(first_byte: int, last_byte: int) -> tuple[int, int] | None:
    """Of bytes that are no film."""
    return None


async def digest_of(recording: UUID) -> str:
    """The SHA-256 of the sealed original; empty while it is not known."""
    return str(await value("SELECT sha256 FROM upload WHERE id = $1", recording) or "")


async def serve(
    store: EvidenceStore, request: ViewingRequest, source: Source, viewing: UUID, span: tuple[int, int],
    times: Callable[[int, int], tuple[int, int] | None] = no_times,
) -> AsyncIterator[bytes]:  # fmt: skip
    """The bytes of `span`, block by block. `times`: from when to when these bytes are. Raises StoreUnavailable,
    ObjectUnreadable; the journal has what was sent before."""
    sent = Sent()
    try:
        async with _noting(source, request.what):
            async for block in _blocks(store, request.what, source, span):
                yield block
                sent.add(len(block))
    finally:
        if sent.bytes:
            sent.add(0, *(times(span[0], span[0] + sent.bytes - 1) or ()))
        LATE_WRITES.start(end(request, source, viewing, sent))


def _blocks(
    store: EvidenceStore, what: ViewingKind, source: Source, span: tuple[int, int]
) -> AsyncIterator[bytes]:  # fmt: skip
    """The blocks of `span`; of all the footage, to its end only where they are what was sealed."""
    blocks = store.stream(source.key, source.version, span[0], span[1] - span[0] + 1, BLOCK)
    if what == "poster" or span != (0, source.bytes - 1):
        return blocks
    return unreadable.only_whole(blocks, source.key, source.version, source.sha256)


def _noting(source: Source, what: ViewingKind) -> AbstractAsyncContextManager[None]:
    """Record that the footage cannot be read, where that is found. A poster is no evidence."""
    return nullcontext() if what == "poster" else unreadable.noting(source.recording, source.organ)


async def end(request: ViewingRequest, source: Source, viewing: UUID, sent: Sent) -> None:
    """Record how many bytes were sent, and of which time, in the viewing and in the journal."""
    stretch = sent.stretch()
    from_ms, to_ms = stretch or (None, None)
    async with tx():
        ended = await Viewing.update(
            served=sent.bytes, ended_at=datetime.now(UTC), from_ms=from_ms, to_ms=to_ms
        ).where(Viewing.id == viewing, Viewing.ended_at.is_null()).returning(Viewing.id)  # fmt: skip
        if ended:
            facts: dict[str, Any] = {"viewing": str(viewing), "served": sent.bytes}
            facts |= {} if stretch is None else {"sent_ms": list(stretch)}
            subjects = [source.review, source.recording, source.wearer]
            await append_to_journal(request.actor, "recordings/viewed", "done", source.organ, subjects, facts)


async def append_to_journal(
    actor: Actor, verb: str, outcome: str, organ: str, subjects: Sequence[UUID], facts: dict[str, Any]
) -> None:
    """Write a line about a viewing or a package to the journal."""
    await journal.append(
        journal.Line(
            at=datetime.now(UTC), verb=verb, outcome=outcome, organ=organ, actor=actor.person, device=actor.device,
            subjects=subjects, facts=facts,
        )
    )  # fmt: skip


class LateWrites:
    """Writes to the database after a download has ended.

    Each runs in a task of its own, because the tasks of the request are cancelled when the client goes away.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(write)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the end of a viewing was not recorded", error=type(error).__name__)

    async def wait(self) -> None:
        """Wait until all are done. Call it before the database pool closes."""
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


LATE_WRITES = LateWrites()
