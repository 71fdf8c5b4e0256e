"""Declare footage and papers, and describe the key content of footage. Each verb is one transaction.

Guarantees: the same bytes of one person are one recording, whatever device brings them; a file that is known already
is answered at once; quotas are checked before any byte is received. Nobody declares footage of another person but a
docking station, for wearers who serve in its organ or below, or served there when it was filmed. Footage is of the
organ in which its wearer served when the camera ran.
A docking station that names no wearer declares for whoever had the camera when the film began (items/issue). A wearer
who did not have the camera is taken as told, with the finding `worn_by_another`.

Only the wearer and the officers who led the wearer while the camera ran describe footage. No stretch lies beyond the
footage, as far as its end is known. A description is never altered; a later one stands beside it. Its words are in
their table only; the journal holds a salted digest of them.

Source: 公安机关办理行政案件程序规定 55, 86: footage may replace a written record if its key content and time spans are
described.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, first, value
from backend.core.days import in_china
from backend.core.findings import Touched
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import CLOCK_DOUBTFUL, Actor, Occasion, Outcome
from backend.evidence import resending, rules
from backend.evidence.schemas import DeclareDocument, DeclareRecording, DescribeRecording
from backend.evidence.starts import service as starts
from backend.evidence.tables import SHOWN, Document, Recording, RecordingDescription, RecordingKeyContent, Upload
from backend.items.wearers import holder, holders_around, judge
from backend.law.catalogue import Law
from backend.people.directory import DOCK, wearer_under

# In SQL, because without a digest it must find nothing; Piccolo turns `== None` into IS NULL.
SAME_BYTES = (
    "SELECT id, state, part_size, disposed_at, resent_at FROM upload "
    "WHERE owner = $1 AND kind = $2 AND sha256 = $3 AND same_as IS NULL"
)
# What the store was seen to hold counts where it is more than declared, and so do bytes that were refused.
OPEN_UPLOADS = """
SELECT count(*) AS uploads, coalesce(sum(greatest(bytes, stored_bytes)), 0) + (
    SELECT coalesce(sum(r.bytes), 0) FROM refused_version r JOIN upload u ON u.id = r.upload
    WHERE u.owner = $1 AND r.removed_at IS NULL AND NOT r.unreadable
) AS bytes FROM upload
WHERE owner = $1 AND (state IN ('declared', 'receiving', 'received', 'mismatch') OR store_upload IS NOT NULL)
"""  # of one that was given up, the store keeps the parts until the sweep
LED = "SELECT DISTINCT auxiliary FROM supervision WHERE officer = ANY ($1) AND during && tstzrange($2, $3)"
MARK = "UPDATE recording SET key_mark = true WHERE id = $1 AND NOT key_mark"  # the same bytes came without it before
STORED_UNDER = "SELECT coalesce(same_as, id) FROM upload WHERE id = $1"
WEARER = f"SELECT wearer FROM recording WHERE id = ({STORED_UNDER})"  # noqa: S608
DESCRIBABLE = f"""
SELECT r.* FROM recording r,
    LATERAL (SELECT {SHOWN} AS during) f
WHERE r.id = ({STORED_UNDER}) AND (r.wearer = $2 OR EXISTS (
    SELECT FROM led l WHERE l.auxiliary = r.wearer AND l.officer = $2
        AND l.named && f.during AND l.during && f.during
))
"""  # noqa: S608


A_DAY = timedelta(days=1)


class Owner(msgspec.Struct, frozen=True):
    """The person whose bytes these are, and the organ that answers for them."""

    person: UUID
    organ: str


# -- declare


async def concerned_by_declaring(actor: Actor, entry: DeclareRecording) -> Iterable[UUID]:
    """The actor, the wearer, and the auxiliaries who named the wearer as leading while the camera ran.

    All who named them, not only those whom they led: a shift that arrives at the same time may change that.
    """
    if actor.kind not in (DOCK, "officer"):
        return {actor.person}
    started, ended = _usable_span(entry)
    wearers = await _possible_wearers(actor, entry, started)
    led = await fetch(LED, wearers, started, ended)
    return {actor.person, *wearers, *(row["auxiliary"] for row in led)}


async def _possible_wearers(actor: Actor, entry: DeclareRecording, started: datetime) -> list[UUID]:
    """Who may turn out to be the wearer: of a dock that names nobody, whoever had the camera around that time."""
    if actor.kind != DOCK:
        return [actor.person]
    if entry.wearer is not None:
        return [entry.wearer]
    return await holders_around(entry.camera_serial, started)


def when_filmed(entry: DeclareRecording) -> datetime:
    """When the camera ran, by the device's clock: a phone may declare its footage much later."""
    return entry.started_at - timedelta(milliseconds=entry.camera_offset_ms)


async def declare_recording(occasion: Occasion, entry: DeclareRecording) -> Outcome:
    """Record that there is footage. Its id is the upload's id.

    A camera whose clock cannot be right refuses no footage: see rules.times_of_film; a finding says so.
    Raises Refusal `not_the_wearer`, of a dock `wearer_missing`, `unknown_wearer`; `file_too_large`,
    `too_many_uploads`.
    """
    correction = occasion.timing.correction - timedelta(milliseconds=entry.camera_offset_ms)
    latest = occasion.timing.received_at + occasion.law.span("clock_skew_tolerance")
    film = rules.times_of_film(entry.started_at, entry.ended_at, correction, occasion.at, latest)
    film = rules.lasting(film, entry.media_type)
    if film.doubtful and occasion.actor.kind == DOCK and entry.wearer is None:
        raise Refusal("wearer_missing")  # nobody knows who had the camera at a time that nobody knows
    owner = await _owner_of_footage(occasion.actor, entry, film.started)
    outcome, is_new = await _declare(occasion, entry, "recording", owner)
    if occasion.actor.kind == DOCK and entry.wearer is None:
        upload = outcome.subject["upload"] | {"wearer": str(owner.person)}
        outcome = msgspec.structs.replace(outcome, subject={"upload": upload})
    if not is_new:
        if entry.key_mark:
            await execute(MARK, UUID(outcome.subject["upload"]["same_as"]))
        kept = await starts.told_otherwise(UUID(outcome.subject["upload"]["same_as"]), entry.camera_offset_ms)
        return outcome if kept is None else _with_start(outcome, kept)
    if film.doubtful:
        occasion.doubts.add(CLOCK_DOUBTFUL)
    await Recording.insert(
        Recording(
            id=entry.id, wearer=owner.person, organ=owner.organ, camera_serial=entry.camera_serial,
            camera_offset_ms=entry.camera_offset_ms, correction_ms=round(film.correction / timedelta(milliseconds=1)),
            camera_started_at=film.camera_started, started_at=film.started, ended_at=film.ended,
            key_mark=entry.key_mark,
            time_source=entry.time_source, file_modified_at=entry.file_modified_at, incident_ref=entry.incident_ref,
        )
    )  # fmt: skip
    await starts.told(
        entry.id, film.started, entry.time_source, doubtful=film.doubtful, at=occasion.timing.received_at
    )  # fmt: skip
    contradicted = await judge(entry.camera_serial, film.started, film.started, occasion.timing.as_of)
    codes = ["worn_by_another"] if entry.id in contradicted else []
    return msgspec.structs.replace(outcome, findings=codes, touches=Touched([owner.person], film.started, film.ended))


def _with_start(outcome: Outcome, kept: datetime) -> Outcome:
    """The answer, with the start of the footage that is kept already."""
    upload = outcome.subject["upload"] | {"started_at": utc(kept)}
    return msgspec.structs.replace(outcome, subject={"upload": upload})


async def declare_document(occasion: Occasion, entry: DeclareDocument) -> Outcome:
    """Record that there is a paper or photo. Raises Refusal `file_too_large`, `too_many_uploads`."""
    owner = Owner(occasion.actor.person, occasion.organ)
    outcome, is_new = await _declare(occasion, entry, "document", owner)
    if is_new:
        await Document.insert(Document(id=entry.id, person=owner.person, title=entry.title))
    return outcome


async def _owner_of_footage(actor: Actor, entry: DeclareRecording, started: datetime) -> Owner:
    """The actor; of a docking station the wearer whom it names, or else who had the camera then. Raises Refusal."""
    if actor.kind != DOCK:
        if entry.wearer not in (None, actor.person):
            raise Refusal("not_the_wearer")
        return Owner(actor.person, actor.organ_at(started))
    wearer = entry.wearer or await holder(entry.camera_serial, started)
    person = None if wearer is None else await wearer_under(actor.organ, wearer, started)
    if person is None:
        raise Refusal("wearer_missing" if entry.wearer is None else "unknown_wearer")
    return Owner(person["id"], person["organ"])


def _usable_span(entry: DeclareRecording) -> tuple[datetime, datetime]:
    """About when the camera ran: as told, or at the declaration where that cannot be (see rules.times_of_film)."""
    started, ended = entry.started_at, entry.ended_at or entry.started_at
    if 2000 <= started.year < 9000 and started - entry.occurred_at < A_DAY:
        return started, ended if started <= ended and ended.year < 9000 else started
    at = entry.occurred_at if 2000 <= entry.occurred_at.year < 9000 else datetime.now(UTC)
    return at, at


async def _declare(
    occasion: Occasion, entry: DeclareRecording | DeclareDocument, kind: str, owner: Owner
) -> tuple[Outcome, bool]:
    """Insert the upload. The second value: whether these bytes are new."""
    law, actor, received = occasion.law, occasion.actor, occasion.timing.received_at
    if entry.bytes is not None and entry.bytes > law.count("file_ceiling"):
        raise Refusal("file_too_large")
    known = await first(SAME_BYTES, owner.person, kind, entry.sha256)
    if known is None:
        await _check_quota(occasion, owner.person, entry.bytes or 0)
    part_size = rules.part_size(entry.bytes, entry.part_size, law)
    await Upload.insert(
        Upload(
            id=entry.id, kind=kind, owner=owner.person, organ=owner.organ, declared_by=actor.person,
            device=actor.device, file_name=entry.file_name, media_type=entry.media_type,
            state="same_as" if known else "declared", bytes=entry.bytes, digest_declared=entry.sha256 is not None,
            sha256=entry.sha256, part_size=part_size, object_key=f"{kind}/{in_china(received):%Y/%m}/{entry.id}",
            same_as=known and known["id"], declared_at=received, touched_at=received, legal_hold=False,
        )
    )  # fmt: skip
    upload = {
        "id": str(entry.id),
        "state": await resending.state_of(known) if known else "declared",
        "part_size": known["part_size"] if known else part_size,
        "same_as": str(known["id"]) if known else None,
    }
    subjects = [entry.id, owner.person, *([known["id"]] if known else [])]
    return Outcome(subject={"upload": upload}, subjects=subjects, organ=owner.organ), known is None


async def _check_quota(occasion: Occasion, owner: UUID, size: int) -> None:
    """Raises Refusal `too_many_uploads` where another file of `size` bytes exceeds the owner's quota."""
    row: Any = await first(OPEN_UPLOADS, owner)
    law = occasion.law
    too_many = row["uploads"] >= law.count("open_uploads_ceiling")
    if too_many or row["bytes"] + size > law.count("unsealed_bytes_ceiling"):
        raise Refusal("too_many_uploads")


# -- describe


async def concerned_by_describing(actor: Actor, entry: DescribeRecording) -> Iterable[UUID]:
    """The actor and the wearer, who never changes."""
    wearer = await value(WEARER, entry.recording)
    return [actor.person] if wearer is None else [actor.person, wearer]


async def describe(occasion: Occasion, entry: DescribeRecording) -> Outcome:
    """Record a description. Raises Refusal `unknown_recording`, `end_before_start`, `beyond_the_footage`,
    `unknown_category`, also for a late entry.
    """
    actor = occasion.actor
    if not rules.is_category(occasion.law, entry.category):
        raise Refusal("unknown_category")
    recording = await first(DESCRIBABLE, entry.recording, actor.person)
    if recording is None:
        raise Unknown("unknown_recording", entry.recording)
    _check_spans(entry, _length(recording), occasion.law)
    await RecordingDescription.insert(
        RecordingDescription(
            id=entry.id, recording=recording["id"], by_person=actor.person, at=occasion.at, category=entry.category
        )
    )  # fmt: skip
    await RecordingKeyContent.insert(
        *(
            RecordingKeyContent(
                description=entry.id, position=position, from_ms=piece.from_ms, to_ms=piece.to_ms, words=piece.words
            )
            for position, piece in enumerate(entry.content, start=1)
        )
    )
    described = {"recording": str(recording["id"]), "stretches": len(entry.content)}
    subjects = list(dict.fromkeys([entry.id, recording["id"], recording["wearer"]]))
    return Outcome(subject={"described": described}, subjects=subjects, organ=recording["organ"])


def _check_spans(entry: DescribeRecording, length: timedelta | None, law: Law) -> None:
    if any(piece.to_ms <= piece.from_ms for piece in entry.content):
        raise Refusal("end_before_start")
    if length is None:
        return
    last = timedelta(milliseconds=max(piece.to_ms for piece in entry.content))
    if last > length + law.span("duration_tolerance"):
        raise Refusal("beyond_the_footage")


def _length(recording: Record) -> timedelta | None:
    """The duration of the file itself, else the declared one; None while neither is known."""
    if recording["probed_ms"] is not None:
        return timedelta(milliseconds=recording["probed_ms"])
    return None if recording["ended_at"] is None else recording["ended_at"] - recording["started_at"]
