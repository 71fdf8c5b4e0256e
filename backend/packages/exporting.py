"""Decide who may take a package, collect its content, and send it as a zip.

Guarantees: only a person who may view every recording in a package can take it. The journal says who took what before
the first byte is sent, and afterwards whether all of it was sent. No package names a complainant, and none tells of a
complaint or matter that it was not made for, of other footage, or of what the store holds: it goes to others, perhaps
to whom that is about. A checkpoint is made first, so that the journal lines in the package are proved.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec

from backend.core import journal, limits
from backend.core.database import Record, fetch, tx, value
from backend.core.keys import KeyRing
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, viewer
from backend.evidence import unreadable
from backend.evidence.starts.reads import start_of
from backend.evidence.starts.schemas import RecordingStart
from backend.packages.bags import BagWriter
from backend.proof import checkpoints
from backend.proof.package import (
    ABOUT,
    KEYS,
    OTHER,
    PACKAGE_TYPE,
    PEOPLE,
    ROWS,
    SUFFIXES,
    VERSION,
    DeclaredContent,
    PackagedUpload,
    PackageInfo,
    PackagePerson,
    PackageRow,
)
from backend.proof.tree import inclusion_path
from backend.proof.trust import KeySet
from backend.reviews.service import TASKS
from backend.reviews.tables import Package
from backend.reviews.watching import BLOCK, LATE_WRITES, Source, ViewingRequest, append_to_journal
from storage.evidence_store import EvidenceStore

PackageKind = Literal["recording", "case", "complaint", "injury", "matter"]
IndexPage = Callable[[UUID], Awaitable[str | None]]  # the printable index of a recording, or None
# The footage, and whether the person may view it. $1 the person, $2 the organs that they inspect, $3 the recordings.
UPLOADS = """
SELECT r.id, u.state, u.organ, u.disposed_at IS NOT NULL AS disposed, u.object_key, u.version, u.bytes, u.sha256,
    u.receipt, u.media_type, r.wearer, NOT hidden_from($1, r.wearer, r.during) AND (
        r.wearer <> $1 AND r.organ IN (SELECT organs_under($2::text[]))
            AND NOT EXISTS (SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL)
        OR EXISTS (SELECT FROM review v WHERE v.recording = r.id AND v.reviewer = $1 AND v.allowed
            AND v.watch_from IS NULL AND v.closed_at IS NULL AND v.over_at > now())) AS may
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
# A review `v` of another complaint, hearing or matter than that of the package ($3).
OF_OTHERS = "v.purpose IN ('complaint', 'hearing', 'matter') AND v.about IS DISTINCT FROM $3"
# Journal lines about these subjects ($1). That footage was watched is said in every case, but not to a person ($2) for
# whom there is no such complaint or matter. $4 the number of the package.
JOURNAL_LINES = f"""
SELECT j.epoch, j.xid, j.seq, j.actor, j.device, j.entry, c.number FROM journal j LEFT JOIN LATERAL (
    SELECT c.number FROM checkpoint c WHERE (c.epoch, c.xid, c.seq) >= (j.epoch, j.xid, j.seq)
    ORDER BY c.epoch, c.xid, c.seq LIMIT 1
) c ON true WHERE j.subjects && $1 AND {journal.SAFE.format(j="j")}
AND j.verb NOT IN ('evidence/hold', 'evidence/repair')
AND NOT EXISTS (SELECT FROM review v WHERE v.id = ANY (j.subjects) AND (
    matter_is_about(coalesce((SELECT h.complaint FROM hearing h WHERE h.id = v.about), v.about), $2)
    OR j.verb NOT LIKE 'recordings/view%' AND {OF_OTHERS}))
AND NOT (j.verb LIKE 'packages/%' AND (
    EXISTS (SELECT FROM upload u WHERE u.id = ANY (j.subjects) AND u.id <> ALL ($1))
    OR EXISTS (SELECT FROM package p LEFT JOIN review v ON v.id = p.review AND {OF_OTHERS} WHERE p.id = ANY (j.subjects)
        AND (v.id IS NOT NULL OR p.kind IN ('complaint', 'matter') AND p.number <> $4))
)) ORDER BY j.epoch, j.xid, j.seq
"""  # noqa: S608
ABOUT_OF_REVIEW = "SELECT about FROM review WHERE id = $1"
CHECKPOINTS = "SELECT number, signed, leaves, leaves_version FROM checkpoint WHERE number = ANY ($1) ORDER BY number"
# Only the entries that declared footage: the entry of a complaint names the complainant.
ENTRIES = "SELECT id, salt, content FROM entry WHERE id = ANY ($1) AND salt IS NOT NULL"
NAMES = """
SELECT id, badge, name, NULL AS serial FROM person_now WHERE id = ANY ($1)
UNION ALL SELECT id, NULL, NULL, serial FROM device WHERE id = ANY ($1)
"""
HOW_TO_CHECK = Path(__file__).parent / "how_to_check.html"


class PackageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a package of what, from which address.

    `number`: as the person typed it. `about`: the complaint, injury or matter, also that of the review. `review`: only
    for one recording.
    """

    actor: Actor
    kind: PackageKind
    number: str
    address: str
    about: UUID | None = None
    review: UUID | None = None


class PreparedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that may be sent: the rows of its footage, and all other content.

    `left_out`: state of the footage that is not in it, by id. `checkpoints`: signed text by number. `starts`: when
    each recording began and every telling of it, by id.
    """

    id: UUID
    request: PackageRequest
    made_at: datetime
    uploads: Sequence[Record]
    left_out: dict[str, str]
    rows: list[PackageRow]
    checkpoints: dict[int, str]
    people: dict[str, PackagePerson]
    entries: Sequence[Record]
    starts: dict[str, RecordingStart]


async def of_recording(store: EvidenceStore, ring: KeyRing, viewing: ViewingRequest, source: Source) -> PreparedPackage:
    """Prepare a package of one recording that the review of `source` allows the actor to view."""
    actor = viewing.actor
    request = PackageRequest(
        actor=actor, kind="recording", number=str(source.recording), address=viewing.address, review=source.review,
        about=await value(ABOUT_OF_REVIEW, source.review),
    )  # fmt: skip
    uploads = await fetch(UPLOADS, actor.person, viewer(actor, INSPECTING)[1], [source.recording])
    return await _prepare(store, ring, request, uploads)


async def of_matter(store: EvidenceStore, ring: KeyRing, request: PackageRequest) -> PreparedPackage:
    """Prepare a package of a case, complaint, injury or matter.

    Raises Refusal `unknown_task`, `nothing_to_pack`, `package_needs_reviews` with the recordings. The refusal is
    written to the journal before it is raised.
    """
    await limits.check_requests(request.actor)
    try:
        return await _prepare(store, ring, request, await _uploads_of_matter(request))
    except Refusal as refusal:
        await limits.check_refusals(request.actor)
        about = [request.about] if request.about else []
        facts = {"code": refusal.code, "kind": request.kind, "from": request.address}
        await append_to_journal(request.actor, "packages/export", "denied", request.actor.organ, about, facts)
        raise


async def _uploads_of_matter(request: PackageRequest) -> Sequence[Record]:
    actor = request.actor
    if request.kind == "case":
        recordings = await fetch(OF_CASE, request.number)
    else:
        if not await value(TASKS[request.kind], request.about, actor.person):
            raise Unknown("unknown_task", request.about or UUID(int=0))
        recordings = await fetch(OF_MATTER, request.about)
    uploads = await fetch(UPLOADS, actor.person, viewer(actor, INSPECTING)[1], [row["id"] for row in recordings])
    if not uploads:
        raise Refusal("nothing_to_pack")
    missing = [str(row["id"]) for row in uploads if not row["may"]]
    if len(missing) == len(uploads) and not viewer(actor, INSPECTING)[1]:
        raise Refusal("nothing_to_pack")  # do not reveal that there is footage they may not know of
    if missing:
        raise Refusal("package_needs_reviews", extra={"recordings": missing})
    return uploads


async def _prepare(
    store: EvidenceStore, ring: KeyRing, request: PackageRequest, uploads: Sequence[Record]
) -> PreparedPackage:
    """Record who takes what, make a checkpoint, and collect all content but the footage.

    Raises Refusal `evidence_unreadable` with the recordings that were not read before, and are not now.
    """
    now = datetime.now(UTC)
    inside = [row for row in uploads if row["state"] == "sealed" and not row["disposed"]]
    await _require_readable(store, inside)
    left_out = {str(row["id"]): "disposed" if row["disposed"] else row["state"] for row in uploads if row not in inside}
    about = [request.about] if request.about and request.kind != "recording" else []
    subjects = [row["id"] for row in uploads] + about
    package = await _record_taking(request, now, len(inside), [*subjects, *_wearers(uploads)])
    starts = {str(row["id"]): start for row in inside if (start := await start_of(row["id"])) is not None}
    await checkpoints.make(store, ring, now, at_once=True)
    lines = await fetch(JOURNAL_LINES, subjects, request.actor.person, request.about, request.number)
    rows, signed = await _with_paths(store, lines)
    actors = {id for line in lines for id in (line["actor"], line["device"]) if id} | set(_wearers(uploads))
    people = {str(row["id"]): _person(row) for row in await fetch(NAMES, list(actors))}
    return PreparedPackage(
        id=package, request=request, made_at=now, uploads=inside, left_out=left_out, rows=rows, checkpoints=signed,
        people=people, entries=await fetch(ENTRIES, [row["id"] for row in inside]), starts=starts,
    )  # fmt: skip


async def _require_readable(store: EvidenceStore, uploads: Sequence[Record]) -> None:
    """Read again what could not be read before: a package that breaks off in the middle helps nobody."""
    broken = [str(row["id"]) for row in uploads if not await unreadable.is_readable_again(store, row)]
    if broken:
        raise Refusal("evidence_unreadable", extra={"recordings": broken})


async def _record_taking(request: PackageRequest, now: datetime, files: int, subjects: Sequence[UUID]) -> UUID:
    """Write the row and the journal line of a new package. Returns its id."""
    package, review = uuid4(), [request.review] if request.review else []
    facts = {"package": str(package), "kind": request.kind, "files": files, "from": request.address}
    actor = request.actor
    async with tx():
        await Package.insert(
            Package(
                id=package, kind=request.kind, number=request.number, review=request.review, by_person=actor.person,
                made_at=now, files=files,
            )
        )  # fmt: skip
        await append_to_journal(actor, "packages/export", "done", actor.organ, [package, *review, *subjects], facts)
    return package


async def _with_paths(store: EvidenceStore, lines: Sequence[Record]) -> tuple[list[PackageRow], dict[int, str]]:
    """The rows with their paths to the root of their checkpoint, and these checkpoints as signed, by number."""
    numbers = sorted({line["number"] for line in lines if line["number"] is not None})
    signed: dict[int, str] = {}
    paths: dict[int, tuple[int, list[str]]] = {}
    for row in await fetch(CHECKPOINTS, numbers):
        signed[row["number"]] = row["signed"]
        seqs = {line["seq"] for line in lines if line["number"] == row["number"]}
        paths |= _paths(await _leaves(store, row), seqs)
    return [_row(line, paths.get(line["seq"])) for line in lines], signed


async def _leaves(store: EvidenceStore, row: Record) -> list[tuple[int, bytes]]:
    key = checkpoints.key_of(row["number"], row["signed"], checkpoints.LEAVES)
    return checkpoints.unpack_leaves(row["leaves"] or await store.read(key, row["leaves_version"]))


def _paths(leaves: list[tuple[int, bytes]], seqs: Collection[int]) -> dict[int, tuple[int, list[str]]]:
    """For each of these rows its index in the tree and its inclusion path in hex, by seq."""
    hashes = [leaf for _, leaf in leaves]
    return {
        seq: (index, [node.hex() for node in inclusion_path(hashes, index)])
        for index, (seq, _) in enumerate(leaves)
        if seq in seqs
    }


def _row(line: Record, path: tuple[int, list[str]] | None) -> PackageRow:
    entry = line["entry"].decode()
    if path is None:
        return PackageRow(seq=line["seq"], entry=entry)
    return PackageRow(seq=line["seq"], entry=entry, checkpoint=line["number"], index=path[0], path=path[1])


def _wearers(uploads: Sequence[Record]) -> list[UUID]:
    return list({row["wearer"] for row in uploads})


def _person(row: Record) -> PackagePerson:
    return PackagePerson(badge=row["badge"] or "", name=row["name"] or "", serial=row["serial"] or "")


async def stream(
    store: EvidenceStore, ring: KeyRing, package: PreparedPackage, index: IndexPage
) -> AsyncIterator[bytes]:
    """The bag as a zip, block by block.

    Raises StoreUnavailable, ObjectUnreadable, and FootageAltered when the store returns other bytes than were sealed.
    """
    writer, whole = BagWriter(str(package.id), package.made_at), False
    try:
        for row in package.uploads:
            async with unreadable.noting(row["id"], row["organ"]):
                blocks = store.stream(row["object_key"], row["version"], 0, row["bytes"], BLOCK)
                async for piece in writer.add(path_of(row), blocks):
                    yield piece
            if writer.digest_of(path_of(row)) != row["sha256"]:
                raise FootageAltered(str(row["id"]))
            page = await index(row["id"])
            if page is not None:
                yield writer.put(f"data/index/{row['id']}.html", page.encode())
        yield _add_documents(writer, ring, package)
        yield writer.finish(lambda manifest: _statement(ring, package, manifest))
        whole = True
    finally:
        ids = [package.id, *(row["id"] for row in package.uploads)]
        LATE_WRITES.start(_end(package, ids, whole))


async def _end(package: PreparedPackage, ids: Sequence[UUID], whole: bool) -> None:
    """Record whether all of the package was sent."""
    actor = package.request.actor
    async with tx():
        await Package.update(whole=whole).where(Package.id == package.id)
        await append_to_journal(actor, "packages/exported", "done", actor.organ, ids, {"whole": whole})


class FootageAltered(Exception):
    """The store returned other bytes than were sealed. Sending stops, so the zip is incomplete."""


def path_of(row: Record) -> str:
    """Path of the footage inside the bag."""
    return f"data/originals/{row['id']}{SUFFIXES.get(row['media_type'], OTHER)}"


def _add_documents(writer: BagWriter, ring: KeyRing, package: PreparedPackage) -> bytes:
    """Add everything but the footage: checkpoints, declared content, starts, keys, people, rows, how to check."""
    encode, pieces = msgspec.json.encode, []
    for number, signed in package.checkpoints.items():
        pieces.append(writer.put(f"data/checkpoints/{number:012}.jwt", signed.encode()))
    for row in package.entries:
        declared = DeclaredContent(salt=row["salt"].hex(), content=row["content"].hex())
        pieces.append(writer.put(f"data/declared/{row['id']}.json", encode(declared)))
    pieces += [writer.put(f"data/starts/{id}.json", encode(start)) for id, start in package.starts.items()]
    keys = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    files: list[tuple[str, Any]] = [(KEYS, keys), (PEOPLE, package.people), (ABOUT, _package_info(package))]
    pieces += [writer.put(name, encode(content)) for name, content in files]
    pieces.append(writer.put(ROWS, b"".join(encode(row) + b"\n" for row in package.rows)))
    pieces.append(writer.put("data/HOW-TO-CHECK.html", HOW_TO_CHECK.read_bytes()))
    return b"".join(pieces)


def _package_info(package: PreparedPackage) -> PackageInfo:
    request = package.request
    uploads = [
        PackagedUpload(
            id=str(row["id"]), path=path_of(row), bytes=row["bytes"], sha256=row["sha256"], receipt=row["receipt"]
        )
        for row in package.uploads
    ]
    return PackageInfo(
        v=VERSION, id=str(package.id), kind=request.kind, number=request.number, made_at=journal.utc(package.made_at),
        made_by=request.actor.badge, left_out=package.left_out, uploads=uploads,
    )  # fmt: skip


def _statement(ring: KeyRing, package: PreparedPackage, manifest: str) -> str:
    """Sign the digest of the payload manifest."""
    claims = {
        "iss": checkpoints.ISSUER,
        "id": str(package.id),
        "at": journal.utc(package.made_at),
        "manifest": manifest,
    }
    return ring.sign(claims, PACKAGE_TYPE)
