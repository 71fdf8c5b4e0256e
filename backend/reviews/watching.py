"""The bytes of footage on their way to an eye: who, why, when, from where, and which of them.

Guarantees: before the first byte goes out the journal has what was asked for, so nothing is seen unseen, whatever is
killed; how much went out stands beside it when it ended; a refusal is in the journal too.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec
import structlog

from backend.core import journal
from backend.core.database import execute, first, rows_touched, tx
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, reaches
from backend.evidence.sealing import poster_key
from storage.evidence_store import EvidenceStore

What = Literal["content", "poster"]
Use = Literal["content", "poster", "package"]
BLOCK = 256 * 1024
ROW = """
SELECT v.*, hidden_from($2, r.wearer, r.during) OR v.purpose = 'complaint' AND may_not_handle(v.about, $2) AS hidden,
    u.object_key, u.version, u.bytes, u.media_type, u.sha256,
    u.state, u.disposed_at, r.poster_version, EXISTS (
        SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL) AS restricted
FROM review v JOIN recording r ON r.id = v.recording JOIN upload u ON u.id = r.id
WHERE v.id = $1 AND v.reviewer = $2 AND v.recording = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3)
"""
BEGIN = """
INSERT INTO viewing (id, review, what, first_byte, last_byte, began_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
log = structlog.get_logger()
END = "UPDATE viewing SET served = $2, ended_at = $3 WHERE id = $1 AND ended_at IS NULL"


class ViewingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to see, and from where."""

    actor: Actor
    recording: UUID
    review: UUID | None
    what: Use
    address: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown: one version in the store, and the review under which it is."""

    review: UUID
    recording: UUID
    wearer: UUID
    organ: str
    key: str
    version: str
    bytes: int
    media_type: str
    sha256: str


async def allowed(store: EvidenceStore, asked: ViewingRequest) -> Source:
    """Whether they may see it now. Raises Refusal `review_needed`, `unknown_review`, `review_closed`, `review_over`,
    `review_unapproved`, `not_sealed`, `disposed`, `no_poster`, which the journal holds before it is raised."""
    try:
        return await _allowed(store, asked)
    except Refusal as refusal:
        subjects = [asked.recording] if asked.review is None else [asked.review, asked.recording]
        told = {"code": refusal.code, "what": asked.what, "from": asked.address}
        await tell(asked.actor, "recordings/view", "denied", asked.actor.organ, subjects, told)
        raise


async def _allowed(store: EvidenceStore, asked: ViewingRequest) -> Source:
    if asked.review is None:
        raise Refusal("review_needed")
    row = await first(ROW, asked.review, asked.actor.person, asked.recording)
    if row is None or row["hidden"]:
        raise Refusal("unknown_review")
    if row["closed_at"] is not None:
        raise Refusal("review_closed")
    if row["over_at"] <= datetime.now(UTC):
        raise Refusal("review_over")
    of_right = not row["needs_approval"] and await reaches(asked.actor, row["organ"], INSPECTING)
    if not row["allowed"] and (row["restricted"] or not of_right):
        raise Refusal("review_unapproved")
    if row["disposed_at"] is not None:
        raise Refusal("disposed")
    if row["state"] != "sealed":
        raise Refusal("not_sealed")
    return await _source(store, row, asked.what)


async def _source(store: EvidenceStore, row: Any, what: Use) -> Source:
    key, version, size, media = row["object_key"], row["version"], row["bytes"], row["media_type"]
    if what == "poster":
        if row["poster_version"] is None:
            raise Refusal("no_poster")
        key, version, media = poster_key(row["recording"]), row["poster_version"], "image/jpeg"
        size = len(await store.read(key, version))
    return Source(
        review=row["id"], recording=row["recording"], wearer=row["wearer"], organ=row["organ"], key=key,
        version=version, bytes=size, media_type=media, sha256=row["sha256"],
    )  # fmt: skip


async def begin(asked: ViewingRequest, source: Source, span: tuple[int, int]) -> UUID:
    """Put into the journal what is about to be shown; the id of the viewing."""
    viewing, now = uuid4(), datetime.now(UTC)
    async with tx():
        await execute(BEGIN, viewing, source.review, asked.what, *span, now)
        facts = {
            "viewing": str(viewing),
            "what": asked.what,
            "asked": list(span),
            "of": source.bytes,
            "from": asked.address,
        }
        subjects = [source.review, source.recording, source.wearer]
        await tell(asked.actor, "recordings/view", "done", source.organ, subjects, facts)
    return viewing


async def serve(
    store: EvidenceStore, asked: ViewingRequest, source: Source, viewing: UUID, span: tuple[int, int]
) -> AsyncIterator[bytes]:
    """The bytes from the first to the last, block by block. Raises StoreUnavailable."""
    served = 0
    try:
        async for block in store.stream(source.key, source.version, span[0], span[1] - span[0] + 1, BLOCK):
            yield block
            served += len(block)
    finally:
        ENDINGS.begin(_end(asked, source, viewing, served))


async def _end(asked: ViewingRequest, source: Source, viewing: UUID, served: int) -> None:
    """How much went out. Beside what was asked for, in the journal too."""
    async with tx():
        if rows_touched(await execute(END, viewing, served, datetime.now(UTC))):
            facts = {"viewing": str(viewing), "served": served}
            subjects = [source.review, source.recording, source.wearer]
            await tell(asked.actor, "recordings/viewed", "done", source.organ, subjects, facts)


async def tell(
    actor: Actor, verb: str, outcome: str, organ: str, subjects: Sequence[UUID], facts: dict[str, Any]
) -> None:
    """A line of the journal about what somebody watched or took along."""
    await journal.append(
        journal.Line(
            at=datetime.now(UTC), verb=verb, outcome=outcome, organ=organ, actor=actor.person, device=actor.device,
            subjects=subjects, facts=facts,
        )
    )  # fmt: skip


class Endings:
    """What is written when a viewer has gone: by tasks of their own, for the request's are cancelled with it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a viewing's end was not written", error=type(error).__name__)

    async def wait(self) -> None:
        """Until each was written, before the pool closes."""
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


ENDINGS = Endings()
