"""Settle when footage began: at its declaration, at its sealing, and when somebody corrects it.

Guarantees: a telling is never altered, the newest chosen one counts, and the first stays beside it. A start that moved
moves the end with it and what the film proves, and gaps are found anew in the time that it left and in the one that it
has now. What is in doubt has the finding `time_doubtful`, until a telling without doubt comes. A time code that is
contested counts for nothing until a person decides. Only an inspector moves a start that a time code proves.
The words of a correction are in their table only; the journal holds a salted digest of them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core import findings, journal
from backend.core.database import Record, fetch, first, value
from backend.core.findings import Finding, Touched
from backend.core.keys import Keys
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import INSPECTING, reaches, viewer
from backend.core.wire import EARLIEST
from backend.evidence import films, refresh
from backend.evidence.reads import RECORDING_FILTER
from backend.evidence.refresh import Span
from backend.evidence.starts import proving, rules
from backend.evidence.starts.proving import CodeFound
from backend.evidence.starts.readings import FileFacts, StartSource
from backend.evidence.starts.rules import Candidate, Circumstances, Limits, Shift, Weighed
from backend.evidence.starts.schemas import CorrectTime
from backend.evidence.starts.tables import FilmStart, TimeCorrection
from backend.evidence.starts.timecodes import FoundCode
from backend.items.wearers import judge
from backend.law.catalogue import law
from backend.people.directory import DOCK

RECORDING = """
SELECT r.*, u.file_name, u.declared_at, u.received_at, (
    SELECT doubtful FROM film_start WHERE upload = r.id ORDER BY id LIMIT 1) AS told_doubtful
FROM recording r JOIN upload u ON u.id = r.id WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $1)
"""
OTHER_OFFSET = "SELECT started_at FROM recording WHERE id = $1 AND camera_offset_ms <> $2"
NEWEST = """
SELECT f.id, f.value, f.source, f.doubtful, coalesce((
    SELECT c.by_person <> r.wearer AND p.kind <> 'dock' FROM time_correction c JOIN person_now p ON p.id = c.by_person
    WHERE c.recording = r.id AND c.value = f.value ORDER BY c.at DESC LIMIT 1
), false) AND f.source = 'corrected' AS by_inspector
FROM film_start f JOIN recording r ON r.id = f.upload WHERE f.upload = $1 AND f.chosen ORDER BY f.id DESC LIMIT 1
"""
PROVED = "SELECT value FROM film_start WHERE upload = $1 AND source = 'timecode' ORDER BY id DESC LIMIT 1"
CANDIDATES = "SELECT candidates FROM film_start WHERE upload = $1 AND candidates <> '[]' ORDER BY id DESC LIMIT 1"
SHIFTS = """
SELECT started_at, ended_at FROM shift
WHERE person = $1 AND in_force AND during && tstzrange($2::timestamptz - $3::interval, $2)
"""
IS_UNDER = "SELECT $1 IN (SELECT organs_under(ARRAY[$2::text]))"
BEYOND = 9000  # a year that no clock tells


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe found that tells of time: the film's length, its container's tags, and the codes it shows."""

    duration_ms: int = 0
    container: str = ""
    tags: dict[str, str] = {}
    codes: Sequence[FoundCode] = ()


class Settling(msgspec.Struct, frozen=True, kw_only=True):
    """What will be recorded of a film's start. `before`: the time that it has until now; `after`: from then on.

    `beside`: the id of the telling that counts until now; None: there is none.
    """

    recording: Any
    weighed: Weighed
    codes: tuple[CodeFound, ...]
    before: Span
    after: Span
    place: rules.Place
    beside: int | None


class ToldMeanwhile(Exception):
    """Somebody corrected the start while it was weighed. Weigh it again."""


def limits() -> Limits:
    """The terms of the law in force by which starts are weighed."""
    return Limits(tolerance=law().span("start_tolerance"), old=law().span("start_long_ago"))


async def told(upload: UUID, start: datetime, source: StartSource, *, doubtful: bool, at: datetime) -> None:
    """Record the start that a declaration tells; a clock that cannot be right leaves it in doubt."""
    why: rules.Why = "clock_doubtful" if doubtful else "told"
    await _tell(upload, Weighed(value=start, source=source, doubtful=doubtful, why=why), start, at)
    if doubtful:
        row: Any = await first(RECORDING, upload)
        await _flag(row, _span(row, start), doubtful=True)


async def told_otherwise(upload: UUID, offset_ms: int) -> datetime | None:
    """The start that counts of footage that is declared again with another offset of the camera; None: the same."""
    started: datetime | None = await value(OTHER_OFFSET, upload, offset_ms)
    return started


# -- at its sealing


async def weigh(keys: Keys, upload: UUID, probed: Probed) -> Settling | None:
    """Weigh what a film gives of its start. Writes nothing. None for a paper."""
    row = await first(RECORDING, upload)
    if row is None:
        return None
    facts, around = _facts(row, probed), await _around(row)
    weighed = rules.weigh(facts, around)
    codes = await proving.judge(keys, row, probed.codes, weighed, around)
    weighed = proving.with_codes(weighed, codes, around)
    newest: Any = await first(NEWEST, row["id"])
    kept = None if newest is None else rules.Kept(*(newest[each] for each in rules.Kept._fields))
    place = rules.place_of(kept, weighed, limits())
    start = weighed.value if place.is_news and place.counts and weighed.value else row["started_at"]
    return Settling(
        recording=row, weighed=weighed, codes=tuple(codes), before=_span(row, row["started_at"]),
        after=_span(row, start, probed.duration_ms), place=place, beside=None if newest is None else newest["id"],
    )  # fmt: skip


async def settle(settling: Settling, now: datetime) -> journal.Line | None:
    """Record what was weighed, in the transaction that keeps the probe; the persons concerned are locked.

    Returns the line that tells of it, where the start is news: to be written after the line of the probe, which names
    all facts that changed. Raises ToldMeanwhile.
    """
    row, weighed, place = settling.recording, settling.weighed, settling.place
    newest: Any = await first(NEWEST, row["id"])
    if settling.beside != (None if newest is None else newest["id"]):
        raise ToldMeanwhile(str(row["id"]))
    await proving.keep(row, settling.codes, now)
    if not place.is_news:
        return None
    told = msgspec.structs.replace(weighed, doubtful=place.doubtful)
    await _tell(row["id"], told, weighed.value or row["started_at"], now, chosen=place.counts)
    await films.place(row["id"], now)
    await judge(row["camera_serial"], settling.after[0], settling.after[0], now)
    await _flag(row, settling.after, doubtful=place.doubtful)
    if settling.before != settling.after:
        await refresh.refresh_span(row["wearer"], settling.before, now)
    return _line_of_start(settling, told, now)


def _line_of_start(settling: Settling, told: Weighed, now: datetime) -> journal.Line:
    row = settling.recording
    facts = {
        "started_at": journal.utc(settling.after[0]), "before": journal.utc(row["started_at"]), "source": told.source,
        "doubtful": told.doubtful, "why": told.why, "timecodes": [proving.fact(each) for each in settling.codes],
    }  # fmt: skip
    if not settling.place.counts:
        facts["told"] = journal.utc(told.value or row["started_at"])
    return journal.Line(
        at=now, verb="evidence/start", outcome="done", organ=row["organ"], subjects=[row["id"], row["wearer"]],
        facts=facts,
    )  # fmt: skip


def _facts(row: Record, probed: Probed) -> FileFacts:
    """What the file gives, and what was told of it."""
    modified = row["file_modified_at"]
    if modified is None and row["time_source"] == "file_time":
        modified = row["camera_started_at"] + timedelta(milliseconds=probed.duration_ms)
    return FileFacts(
        name=row["file_name"], duration_ms=probed.duration_ms, tags=probed.tags, container=probed.container,
        modified=modified, told=None if row["time_source"] == "file_time" else row["camera_started_at"],
        told_source=row["time_source"],
    )  # fmt: skip


async def _around(row: Record) -> Circumstances:
    """What the server knows besides the file. A correction that was made up for a clock in doubt is none."""
    correction = timedelta(milliseconds=row["correction_ms"])
    offset = timedelta(milliseconds=row["camera_offset_ms"]) if row["told_doubtful"] else -correction
    latest = (row["received_at"] or row["declared_at"]) + law().span("clock_skew_tolerance")
    return Circumstances(offset=offset, latest=latest, shifts=await _shifts(row["wearer"], latest), limits=limits())


async def _shifts(wearer: UUID, latest: datetime) -> list[Shift]:
    """The wearer's shifts, as long ago as footage may be."""
    rows = await fetch(SHIFTS, wearer, latest, law().span("start_long_ago"))
    return [Shift(row["started_at"], row["ended_at"]) for row in rows]


def _span(row: Record, start: datetime, probed_ms: int = 0) -> Span:
    """The time that a film covers which begins then; one without an end, as far as it may reach."""
    ends = [end - row["started_at"] for end in (row["ended_at"], row["film_ends_at"]) if end is not None]
    length = max(ends) if row["ended_at"] is not None else law().span("open_recording_ceiling")
    return start, start + max(length, timedelta(milliseconds=probed_ms or row["probed_ms"] or 0))


async def _tell(upload: UUID, weighed: Weighed, start: datetime, at: datetime, *, chosen: bool = True) -> None:
    candidates = msgspec.json.encode(weighed.candidates).decode()
    await FilmStart.insert(
        FilmStart(upload=upload, value=start, source=weighed.source, doubtful=weighed.doubtful, chosen=chosen,
                  why=weighed.why, candidates=candidates, at=at)
    )  # fmt: skip


async def _flag(row: Record, span: Span, *, doubtful: bool) -> None:
    """The finding `time_doubtful` stands while the start is in doubt."""
    if not doubtful:
        await findings.withdraw("time_doubtful", row["id"])
        return
    await findings.flag(
        Finding(kind="time_doubtful", subject=row["id"], organ=row["organ"], person=row["wearer"], started_at=span[0],
                ended_at=span[1])
    )  # fmt: skip


# -- when somebody corrects it


async def concerned_by_correcting(actor: Actor, entry: CorrectTime) -> Iterable[UUID]:
    """The actor, the wearer, and whoever named the wearer as leading in the time left or taken."""
    row = await first(RECORDING, entry.recording)
    if row is None:
        return {actor.person}
    concerned = {actor.person, row["wearer"], *await refresh.led_then(row["wearer"], _span(row, row["started_at"]))}
    if entry.started_at >= EARLIEST and entry.started_at.year < BEYOND:  # others are refused when they are recorded
        concerned |= set(await refresh.led_then(row["wearer"], _span(row, entry.started_at)))
    return concerned


async def correct(occasion: Occasion, entry: CorrectTime) -> Outcome:
    """Record a correction; the tellings before it stay. An inspector's counts; that of the wearer or a dock counts
    unless a time code proves another start, and is in doubt while nothing speaks for it.

    Raises Refusal `unknown_recording`, `not_the_wearer`, `time_out_of_range`.
    """
    row = await _correctable(occasion.actor, entry.recording)
    start = occasion.stated(entry.started_at)
    length = row["ended_at"] - row["started_at"] if row["ended_at"] is not None else timedelta()
    if start is None or start + length > occasion.timing.received_at + occasion.law.span("clock_skew_tolerance"):
        raise Refusal("time_out_of_range")
    weighed, counts = await _judged(occasion, row, start)
    await TimeCorrection.insert(
        TimeCorrection(id=entry.id, recording=row["id"], by_person=occasion.actor.person, at=occasion.at, value=start,
                       words=entry.why)
    )  # fmt: skip
    await _tell(row["id"], weighed, start, occasion.timing.as_of, chosen=counts)
    await films.place(row["id"], occasion.timing.as_of)
    before, after = _span(row, row["started_at"]), _span(row, start if counts else row["started_at"])
    await _flag(row, after, doubtful=weighed.doubtful)
    if before != after:
        await refresh.refresh_span(row["wearer"], before, occasion.timing.as_of)
    contradicted = await judge(row["camera_serial"], after[0], after[0], occasion.timing.as_of)
    codes = ["time_doubtful"] * weighed.doubtful + ["worn_by_another"] * (row["id"] in contradicted)
    return _outcome(row, weighed, after[0], counts, codes)


async def _correctable(actor: Actor, recording: UUID) -> Any:
    """The recording, where the actor wore its camera, is a dock of its organ or above, or inspects there."""
    row = await first(RECORDING, recording)
    if row is None:
        raise Unknown("unknown_recording", recording)
    if row["wearer"] == actor.person or (actor.kind == DOCK and await value(IS_UNDER, row["organ"], actor.organ)):
        return row
    seen = f"SELECT count(*) > 0 FROM recording r WHERE r.id = $3 AND {RECORDING_FILTER.condition}"  # noqa: S608
    if not await value(seen, *viewer(actor), row["id"]):
        raise Unknown("unknown_recording", recording)
    if not await reaches(actor, row["organ"], INSPECTING):
        raise Refusal("not_the_wearer")
    return row


async def _judged(occasion: Occasion, row: Any, start: datetime) -> tuple[Weighed, bool]:
    """The correction as it is kept, and whether it counts."""
    if row["wearer"] != occasion.actor.person and occasion.actor.kind != DOCK:
        return Weighed(value=start, source="corrected", doubtful=False, why="corrected"), True
    listed = await value(CANDIDATES, row["id"])
    candidates: Sequence[Candidate] = msgspec.json.decode(listed, type=list[Candidate]) if listed else ()
    shifts = await _shifts(row["wearer"], occasion.timing.received_at)
    proved = await value(PROVED, row["id"])
    doubtful, why = rules.judge_correction(
        start, proved=proved, candidates=candidates, shifts=shifts, limits=limits()
    )  # fmt: skip
    counts = why != "correction_against_timecode"
    return Weighed(value=start, source="corrected", doubtful=doubtful, why=why), counts


def _outcome(row: Any, weighed: Weighed, start: datetime, counts: bool, codes: Sequence[str]) -> Outcome:
    standing = {
        "recording": str(row["id"]), "started_at": journal.utc(start), "before": journal.utc(row["started_at"]),
        "told": journal.utc(weighed.value or start), "counts": counts, "doubtful": weighed.doubtful, "why": weighed.why,
    }  # fmt: skip
    span = _span(row, start)
    return Outcome(
        subject={"start": standing}, subjects=[row["id"], row["wearer"]], organ=row["organ"],
        findings=codes, touches=Touched([row["wearer"]], *span),
    )  # fmt: skip
