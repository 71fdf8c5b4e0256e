"""Papers and photos that were declared, seen again: what is known of one, and its bytes.

Guarantees: whoever declared a document sees it, and whoever handles the matter that it belongs to, by that matter's own
rules; to anybody else it does not exist (404). A letter of a complaint does not exist for whom the complaint is about,
nor for anybody else who may not handle it, whoever declared it and whatever else it belongs to; nor does a paper of a
matter for whom that is against. The matter is the
purpose of looking: no review is opened as for footage (DESIGN §7). The journal has the request, with the matters,
before the first byte is sent, and afterwards the number of bytes; refusals too. What was erased with its matter is
given to nobody.
"""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import msgspec

from backend.complaints import reads as complaints
from backend.core import limits
from backend.core.database import Record, first, tx
from backend.core.erased import ERASED
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Event
from backend.evidence import unreadable
from backend.evidence.papers import DocumentRow, MatterOfPaper
from backend.injuries import reads as injuries
from backend.people import factor
from backend.recusals import reads as recusals
from backend.reviews.watching import BLOCK, LATE_WRITES, ROLES, append_to_journal
from storage.evidence_store import EvidenceStore

EVENTS = (Event("documents/view", told_to="nobody"), Event("documents/viewed", told_to="nobody"))
DOCUMENT = """
SELECT d.id, d.title, u.owner, p.badge, p.name, u.organ, u.file_name, u.media_type, u.state, u.bytes, u.sha256,
    u.declared_at, u.sealed_at, u.locked_until, u.object_key, u.version, $2 IN (given.owner, given.declared_by) AS own
FROM upload given JOIN upload u ON u.id = coalesce(given.same_as, given.id) JOIN document d ON d.id = u.id
    JOIN person_now p ON p.id = u.owner
WHERE given.id = $1
"""


class PaperRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for the bytes of which document, and from which address."""

    actor: Actor
    document: UUID
    address: str


class PaperSource(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed version of a document that may be shown, and the matters for which it is."""

    document: UUID
    organ: str
    key: str
    version: str
    bytes: int
    sha256: str
    media_type: str
    file_name: str
    matters: Sequence[MatterOfPaper]


async def document(actor: Actor, wanted: UUID) -> DocumentRow:
    """One document, if the actor may see it. Raises Refusal `unknown_document`."""
    row, matters = await _visible(actor, wanted)
    columns = {field: row[field] for field in DocumentRow.__struct_fields__ if field != "matters"}
    return DocumentRow(**columns, matters=matters)


async def allowed(request: PaperRequest) -> PaperSource:
    """The bytes to show, if the actor may see them now. A refusal is written to the journal before it is raised.

    Raises Refusal `unknown_document`, `second_factor_needed`, `not_sealed`, `document_erased`.
    """
    await limits.check_requests(request.actor)
    try:
        return await _allowed(request)
    except Refusal as refusal:
        await limits.check_refusals(request.actor)
        facts = {"code": refusal.code, "from": request.address}
        await append_to_journal(
            request.actor, "documents/view", "denied", request.actor.organ, [request.document], facts
        )
        raise


async def begin(request: PaperRequest, source: PaperSource, span: tuple[int, int]) -> UUID:
    """Record what is about to be sent: bytes `span`, both ends included. Returns the id of the viewing."""
    viewing = uuid4()
    facts = {"viewing": str(viewing), "asked": list(span), "of": source.bytes, "from": request.address}
    async with tx():
        await append_to_journal(request.actor, "documents/view", "done", source.organ, _subjects(source), facts)
    return viewing


async def serve(
    store: EvidenceStore, request: PaperRequest, source: PaperSource, viewing: UUID, span: tuple[int, int]
) -> AsyncIterator[bytes]:
    """The bytes of `span`, block by block. Raises StoreUnavailable, ObjectUnreadable."""
    served = 0
    try:
        async with unreadable.noting(source.document, source.organ):
            blocks = store.stream(source.key, source.version, span[0], span[1] - span[0] + 1, BLOCK)
            if span == (0, source.bytes - 1):
                blocks = unreadable.only_whole(blocks, source.key, source.version, source.sha256)
            async for block in blocks:
                yield block
                served += len(block)
    finally:
        LATE_WRITES.start(_end(request, source, viewing, served))


async def _end(request: PaperRequest, source: PaperSource, viewing: UUID, served: int) -> None:
    facts = {"viewing": str(viewing), "served": served}
    async with tx():
        await append_to_journal(request.actor, "documents/viewed", "done", source.organ, _subjects(source), facts)


def _subjects(source: PaperSource) -> list[UUID]:
    return list(dict.fromkeys([source.document, *(matter.id for matter in source.matters)]))


async def _visible(actor: Actor, wanted: UUID) -> tuple[Record, list[MatterOfPaper]]:
    """The document and the matters for which the actor sees it; none: as its owner. Raises Refusal."""
    row = await first(DOCUMENT, wanted, actor.person)
    if row is None:
        raise Refusal("unknown_document")
    of_complaints = await complaints.matters_of_paper(actor, row["id"])
    if of_complaints is None:
        raise Refusal("unknown_document")
    of_others = [*await injuries.matters_of_paper(actor, row["id"]), *await recusals.matters_of_paper(actor, row["id"])]
    matters = [*of_others, *of_complaints]
    if not row["own"] and not matters:
        raise Refusal("unknown_document")
    return row, matters


async def _allowed(request: PaperRequest) -> PaperSource:
    actor = request.actor
    row, matters = await _visible(actor, request.document)
    if not row["own"] and any(role.role in ROLES for role in actor.roles):
        factor.require(actor)
    if row["title"] == ERASED:
        raise Refusal("document_erased")
    if row["state"] != "sealed":
        raise Refusal("not_sealed")
    return PaperSource(
        document=row["id"], organ=row["organ"], key=row["object_key"], version=row["version"], bytes=row["bytes"],
        sha256=row["sha256"], media_type=row["media_type"], file_name=row["file_name"], matters=matters,
    )  # fmt: skip
