"""What goes into a package, and who may take it.

Guarantees: a package is taken by who may watch every piece of it, or not at all; the journal has who took what before
the first byte goes out, and whether all of it went; the complainant is in none. What can be proved is put under a
checkpoint before it is made.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec

from backend.core import journal
from backend.core.database import Record, execute, fetch, tx, value
from backend.core.keys import KeyRing
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, viewer
from backend.packages.bags import BagWriter
from backend.proof import checkpoints
from backend.proof.package import (
    ABOUT,
    KEYS,
    PACKAGE_TYPE,
    PEOPLE,
    ROWS,
    VERSION,
    About,
    Declared,
    Packed,
    Person,
    Row,
)
from backend.proof.tree import inclusion
from backend.proof.trust import KeySet
from backend.reviews.service import TASKS
from backend.reviews.watching import BLOCK, ENDINGS, Source, ViewingRequest, tell
from storage.evidence_store import EvidenceStore

Kind = Literal["recording", "case", "complaint", "injury", "matter"]
IndexPage = Callable[[UUID], Awaitable[str | None]]
# $1 the person, $2 the organs that they inspect, $3 the recordings.
MAY = """
SELECT r.id, u.state, u.disposed_at IS NOT NULL AS disposed, u.object_key, u.version, u.bytes, u.sha256, u.receipt,
    u.media_type, r.wearer, NOT hidden_from($1, r.wearer, r.during) AND (
        r.wearer <> $1 AND r.organ IN (SELECT organs_under($2::text[]))
            AND NOT EXISTS (SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL)
        OR EXISTS (SELECT FROM review v WHERE v.recording = r.id AND v.reviewer = $1 AND v.allowed
            AND v.closed_at IS NULL AND v.over_at > now())) AS may
FROM recording r JOIN upload u ON u.id = r.id WHERE r.id = ANY ($3) AND u.state <> 'same_as' ORDER BY r.started_at, r.id
"""
OF_CASE = """
SELECT DISTINCT r.id FROM activity_telling t JOIN activity a ON a.id = t.activity
JOIN recording r ON acted(a) && r.during AND (r.wearer = a.person OR EXISTS (
    SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = r.wearer AND l.during && (r.during * acted(a))))
WHERE case_key(t.case_ref) = case_key($1)
"""
OF_MATTER = """
SELECT k.upload AS id FROM held k JOIN hold h ON h.id = k.hold JOIN recording r ON r.id = k.upload WHERE h.about = $1
UNION SELECT v.recording FROM review v WHERE v.about = $1 AND v.tasked
UNION SELECT m.recording FROM matter_recording m WHERE m.matter = $1
"""
# Who watched stands in lines of its own; that it was for a complaint is not told to who may not handle it.
LINES = f"""
SELECT j.epoch, j.xid, j.seq, j.actor, j.device, j.entry, c.number FROM journal j LEFT JOIN LATERAL (
    SELECT c.number FROM checkpoint c WHERE (c.epoch, c.xid, c.seq) >= (j.epoch, j.xid, j.seq)
    ORDER BY c.epoch, c.xid, c.seq LIMIT 1
) c ON true WHERE j.subjects && $1 AND {journal.SAFE.format(j="j")} AND NOT (
    j.verb LIKE 'reviews/%' AND EXISTS (SELECT FROM review v WHERE v.id = ANY (j.subjects)
        AND v.purpose = 'complaint' AND may_not_handle(v.about, $2))
) ORDER BY j.epoch, j.xid, j.seq
"""  # noqa: S608
CHECKPOINTS = "SELECT number, signed, leaves, leaves_version FROM checkpoint WHERE number = ANY ($1) ORDER BY number"
# Of the footage alone: the entry of a complaint names who complained.
ENTRIES = "SELECT id, salt, content FROM entry WHERE id = ANY ($1) AND salt IS NOT NULL"
NAMES = """
SELECT id, badge, name, NULL AS serial FROM person WHERE id = ANY ($1)
UNION ALL SELECT id, NULL, NULL, serial FROM device WHERE id = ANY ($1)
"""
TAKEN = """
INSERT INTO package (id, kind, number, review, by_person, made_at, files) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
HOW_TO_CHECK = Path(__file__).parent / "how_to_check.html"
ENDINGS_OF = {"video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov", "video/mp2t": ".ts"}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes a package of what. `number` as it was typed."""

    actor: Actor
    kind: Kind
    number: str
    address: str
    about: UUID | None = None
    review: UUID | None = None


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that may be taken, and everything small that goes into it."""

    id: UUID
    order: Order
    made_at: datetime
    uploads: Sequence[Record]
    left_out: dict[str, str]
    rows: list[Row]
    checkpoints: dict[int, str]
    people: dict[str, Person]
    entries: Sequence[Record]


async def of_recording(store: EvidenceStore, ring: KeyRing, asked: ViewingRequest, source: Source) -> Package:
    """Of one recording, which the review lets them watch."""
    actor = asked.actor
    order = Order(actor=actor, kind="recording", number=str(source.recording), address=asked.address,
                  review=source.review)  # fmt: skip
    uploads = await fetch(MAY, actor.person, viewer(actor, INSPECTING)[1], [source.recording])
    return await _made(store, ring, order, uploads)


async def of_matter(store: EvidenceStore, ring: KeyRing, order: Order) -> Package:
    """Of a case, complaint, injury or matter. Raises Refusal `unknown_task`, `nothing_to_pack`,
    `package_needs_reviews` with the recordings; the journal has it before it is raised."""
    try:
        return await _made(store, ring, order, await _taken(order))
    except Refusal as refusal:
        about = [order.about] if order.about else []
        told = {"code": refusal.code, "kind": order.kind, "from": order.address}
        await tell(order.actor, "packages/export", "denied", order.actor.organ, about, told)
        raise


async def _taken(order: Order) -> Sequence[Record]:
    actor = order.actor
    if order.kind == "case":
        found = await fetch(OF_CASE, order.number)
    else:
        if not await value(TASKS[order.kind], order.about, actor.person):
            raise Unknown("unknown_task", order.about or UUID(int=0))
        found = await fetch(OF_MATTER, order.about)
    uploads = await fetch(MAY, actor.person, viewer(actor, INSPECTING)[1], [row["id"] for row in found])
    if not uploads:
        raise Refusal("nothing_to_pack")
    missing = [str(row["id"]) for row in uploads if not row["may"]]
    if len(missing) == len(uploads) and not viewer(actor, INSPECTING)[1]:
        raise Refusal("nothing_to_pack")  # of footage that they may not know of, nothing is told
    if missing:
        raise Refusal("package_needs_reviews", extra={"recordings": missing})
    return uploads


async def _made(store: EvidenceStore, ring: KeyRing, order: Order, uploads: Sequence[Record]) -> Package:
    """Everything small, from one moment on; and the journal says who takes it."""
    now = datetime.now(UTC)
    inside = [row for row in uploads if row["state"] == "sealed" and not row["disposed"]]
    left_out = {str(row["id"]): "disposed" if row["disposed"] else row["state"] for row in uploads if row not in inside}
    ids = [row["id"] for row in uploads] + ([order.about] if order.about else [])
    package, under = uuid4(), [order.review] if order.review else []
    facts = {"package": str(package), "kind": order.kind, "files": len(inside), "from": order.address}
    organ = order.actor.organ
    kept = (package, order.kind, order.number, order.review, order.actor.person, now, len(inside))
    async with tx():
        await execute(TAKEN, *kept)
        await tell(order.actor, "packages/export", "done", organ, [package, *under, *ids, *_wearers(uploads)], facts)
    await checkpoints.make(store, ring, now, at_once=True)
    lines = await fetch(LINES, ids, order.actor.person)
    rows, signed = await _proved(store, lines)
    named = {who for line in lines for who in (line["actor"], line["device"]) if who} | set(_wearers(uploads))
    people = {str(row["id"]): _person(row) for row in await fetch(NAMES, list(named))}
    return Package(
        id=package, order=order, made_at=now, uploads=inside, left_out=left_out, rows=rows, checkpoints=signed,
        people=people, entries=await fetch(ENTRIES, [row["id"] for row in inside]),
    )  # fmt: skip


async def _proved(store: EvidenceStore, lines: Sequence[Record]) -> tuple[list[Row], dict[int, str]]:
    """The rows with their way to a checkpoint's head, and the checkpoints as they were signed."""
    numbers = sorted({line["number"] for line in lines if line["number"] is not None})
    signed: dict[int, str] = {}
    ways: dict[int, tuple[int, list[str]]] = {}
    for row in await fetch(CHECKPOINTS, numbers):
        signed[row["number"]] = row["signed"]
        key = checkpoints.key_of(row["number"], row["signed"], checkpoints.LEAVES)
        content = row["leaves"] or await store.read(key, row["leaves_version"])
        leaves = checkpoints.unpacked(content)
        places = {seq: index for index, (seq, _) in enumerate(leaves)}
        hashes = [hashed for _, hashed in leaves]
        for line in lines:
            if line["number"] == row["number"] and line["seq"] in places:
                index = places[line["seq"]]
                ways[line["seq"]] = index, [node.hex() for node in inclusion(hashes, index)]
    return [_row(line, ways.get(line["seq"])) for line in lines], signed


def _row(line: Record, way: tuple[int, list[str]] | None) -> Row:
    told = line["entry"].decode()
    if way is None:
        return Row(seq=line["seq"], entry=told)
    return Row(seq=line["seq"], entry=told, checkpoint=line["number"], index=way[0], path=way[1])


def _wearers(uploads: Sequence[Record]) -> list[UUID]:
    return list({row["wearer"] for row in uploads})


def _person(row: Record) -> Person:
    return Person(badge=row["badge"] or "", name=row["name"] or "", serial=row["serial"] or "")


async def stream(store: EvidenceStore, ring: KeyRing, package: Package, index: IndexPage) -> AsyncIterator[bytes]:
    """The bag as a zip, block by block. Raises StoreUnavailable, and Altered where the store has other bytes."""
    writer, whole = BagWriter(f"fujing-{package.id}", package.made_at), False
    try:
        for row in package.uploads:
            blocks = store.stream(row["object_key"], row["version"], 0, row["bytes"], BLOCK)
            async for piece in writer.add(path_of(row), blocks):
                yield piece
            if writer.digest_of(path_of(row)) != row["sha256"]:
                raise Altered(str(row["id"]))
            page = await index(row["id"])
            if page is not None:
                yield writer.put(f"data/index/{row['id']}.html", page.encode())
        yield _small(writer, ring, package)
        yield writer.finish(_info(package), lambda manifest: _statement(ring, package, manifest))
        whole = True
    finally:
        ids = [package.id, *(row["id"] for row in package.uploads)]
        ENDINGS.begin(_end(package, ids, whole))


async def _end(package: Package, ids: Sequence[UUID], whole: bool) -> None:
    """Whether all of it went out."""
    actor = package.order.actor
    async with tx():
        await execute("UPDATE package SET whole = $2 WHERE id = $1", package.id, whole)
        await tell(actor, "packages/exported", "done", actor.organ, ids, {"whole": whole})


class Altered(Exception):
    """The store has other bytes than were sealed: the package is broken off."""


def path_of(row: Record) -> str:
    return f"data/originals/{row['id']}{ENDINGS_OF.get(row['media_type'], '.bin')}"


def _small(writer: BagWriter, ring: KeyRing, package: Package) -> bytes:
    """Lists, keys, checkpoints, and how to check all of it."""
    encode, pieces = msgspec.json.encode, []
    for number, signed in package.checkpoints.items():
        pieces.append(writer.put(f"data/checkpoints/{number:012}.jwt", signed.encode()))
    for row in package.entries:
        declared = Declared(salt=row["salt"].hex(), content=row["content"].hex())
        pieces.append(writer.put(f"data/declared/{row['id']}.json", encode(declared)))
    known = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    about = About(
        v=VERSION, id=str(package.id), kind=package.order.kind, number=package.order.number,
        made_at=journal.utc(package.made_at), made_by=package.order.actor.badge, left_out=package.left_out,
        uploads=[
            Packed(
                id=str(row["id"]), path=path_of(row), bytes=row["bytes"], sha256=row["sha256"], receipt=row["receipt"]
            )
            for row in package.uploads
        ],
    )  # fmt: skip
    files: list[tuple[str, Any]] = [(KEYS, known), (PEOPLE, package.people), (ABOUT, about)]
    pieces += [writer.put(name, encode(content)) for name, content in files]
    pieces.append(writer.put(ROWS, b"".join(encode(row) + b"\n" for row in package.rows)))
    pieces.append(writer.put("data/HOW-TO-CHECK.html", HOW_TO_CHECK.read_bytes()))
    return b"".join(pieces)


def _info(package: Package) -> dict[str, str]:
    return {
        "Source-Organization": "Fujing 辅警",
        "External-Identifier": str(package.id),
        "Bagging-Date": package.made_at.date().isoformat(),
        "Bag-Software-Agent": "fujing",
    }


def _statement(ring: KeyRing, package: Package, manifest: str) -> str:
    claims = {
        "iss": checkpoints.ISSUER,
        "id": str(package.id),
        "at": journal.utc(package.made_at),
        "manifest": manifest,
    }
    return ring.sign(claims, PACKAGE_TYPE)
