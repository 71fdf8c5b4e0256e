"""Reads every time that a file gives of its own start: container metadata, name, modification time. Pure.

A time is read as it is written, and once more for each mistake that recorders are known to make: local time written
as UTC, UTC written as local time, the time of the stop instead of the start. Source: DOMAIN §9, recorders' times.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import msgspec

from backend.evidence.starts.names import is_in_utc, stamps

CHINA_OFFSET = timedelta(hours=8)
CHINA = timezone(CHINA_OFFSET)  # the one legal time, which file names are written in
StartSource = Literal["clock", "metadata", "file_name", "file_time", "timecode", "corrected"]
How = Literal["as_written", "local_as_utc", "utc_as_local", "at_the_stop", "local_as_utc_at_the_stop"]
ZONED_TAGS = ("com.apple.quicktime.creationdate", "com.apple.quicktime.creation_date")
LOCAL_TAGS = ("IDIT", "ICRD", "creationdate")
PLAIN_TAGS = ("creation_time", "DateTimeOriginal", "date")
PHOTOS = {"jpeg", "png", "heic", "webp", "tiff", "avif"}
LOCAL_CONTAINERS = {"avi", "wav"} | PHOTOS  # their dates have no zone, and are local (IDIT, bext, EXIF)
FORMS = ("%a %b %d %H:%M:%S %Y", "%Y:%m:%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S")
ZONE_WITHOUT_COLON = re.compile(r"([+-]\d{2})(\d{2})$")
BEST_FIRST = ("clock", "zoned", "metadata", "file_name", "file_time")  # where two agree, whose seconds are taken


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a file gives. `tags`: text metadata of the container by name. `container`: its format's short name.

    `modified`: its time in the file system; None: not known. `told`: the start by the camera's clock, told by whoever
    saw it run (`told_source` clock), or by a program that read it in the file.
    """

    name: str = ""
    duration_ms: int = 0
    tags: Mapping[str, str] = {}
    container: str = ""
    modified: datetime | None = None
    told: datetime | None = None
    told_source: StartSource = "clock"

    @property
    def duration(self) -> timedelta:
        return timedelta(milliseconds=self.duration_ms)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One time that may be the start, by the camera's clock.

    `voter`: whose vote it is: a source has one, however many times it gives. `rank`: the lower, the better its seconds.
    `read_from`: the tag, or the characters of the name.
    """

    at: datetime
    source: StartSource
    voter: str
    rank: int
    read_from: str
    how: How = "as_written"

    @property
    def plain(self) -> bool:
        """Whether it was read as it is written."""
        return self.how == "as_written"


def readings(facts: FileFacts) -> list[Reading]:
    """Every reading of every time that the file gives; times that no calendar has are left out."""
    plain = list(_plain(facts))
    if facts.told is not None and not any(each.source == facts.told_source for each in plain):
        plain.insert(0, _reading(facts.told, facts.told_source, facts.told_source, "told"))
    return [reading for each in plain for reading in (each, *_mistaken(each, facts))]


def _plain(facts: FileFacts) -> Iterator[Reading]:
    yield from _of_metadata(facts)
    for stamp in stamps(facts.name):
        zone = UTC if is_in_utc(facts.name) else CHINA
        yield _reading(stamp.at.replace(tzinfo=zone), "file_name", "file_name", stamp.text)
    if facts.modified is not None and (start := _moved(facts.modified, -facts.duration)) is not None:
        yield _reading(start, "file_time", "file_time", "modified")


def _of_metadata(facts: FileFacts) -> Iterator[Reading]:
    """The times of the container's tags: one with its zone counts as a source of its own."""
    tags = {name.lower(): text for name, text in facts.tags.items()}
    zoned = next((at for tag in ZONED_TAGS if (at := parsed(tags.get(tag, ""))) and at.tzinfo), None)
    if zoned is not None:
        yield _reading(zoned, "metadata", "zoned", ZONED_TAGS[0])
    for tag in (*PLAIN_TAGS, *LOCAL_TAGS):
        at = parsed(_text_of(tags, tag.lower()))
        if at is not None:
            local = tag in LOCAL_TAGS or facts.container.split(",")[0] in LOCAL_CONTAINERS
            at = at if at.tzinfo else at.replace(tzinfo=CHINA if local else UTC)
            yield _reading(at, "metadata", "metadata", tag)
            return


def _text_of(tags: Mapping[str, str], tag: str) -> str:
    """A tag's text. A sound recorder's `creation_time` is the hour alone, and its `date` the day (bext)."""
    text = tags.get(tag, "")
    return f"{tags['date']} {text}" if re.fullmatch(r"\d{2}[:.-]\d{2}[:.-]\d{2}", text) and "date" in tags else text


def parsed(text: str) -> datetime | None:
    """The time in a tag, with its zone where it has one; None where it is no time of a day."""
    text = text.strip("\x00 \n\r\t").replace("/ ", " ")
    if len(text) < 14:
        return None
    try:
        return datetime.fromisoformat(ZONE_WITHOUT_COLON.sub(r"\1:\2", text) if text[-3:-2] != ":" else text)
    except ValueError:
        pass
    for form in FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _mistaken(plain: Reading, facts: FileFacts) -> Iterator[Reading]:
    """The same time, read with each mistake that its source is known to make."""
    if plain.source == "clock":
        return
    if plain.source == "metadata":
        yield from _changed(plain, -facts.duration, "at_the_stop")
    if plain.voter == "zoned":
        return
    if plain.source == "file_time" or plain.at.utcoffset() == CHINA_OFFSET:
        yield from _changed(plain, CHINA_OFFSET, "utc_as_local")
    if plain.source == "file_time" or plain.at.utcoffset() != CHINA_OFFSET:
        yield from _changed(plain, -CHINA_OFFSET, "local_as_utc")
    if plain.source == "metadata" and plain.at.utcoffset() != CHINA_OFFSET:
        yield from _changed(plain, -CHINA_OFFSET - facts.duration, "local_as_utc_at_the_stop")


def _changed(plain: Reading, by: timedelta, how: How) -> Iterator[Reading]:
    at = _moved(plain.at, by)
    if at is not None and by:
        yield msgspec.structs.replace(plain, at=at, how=how)


def _reading(at: datetime, source: StartSource, voter: str, read_from: str) -> Reading:
    return Reading(at=at, source=source, voter=voter, rank=BEST_FIRST.index(voter), read_from=read_from[:80])


def _moved(at: datetime, by: timedelta) -> datetime | None:
    try:
        return at + by
    except OverflowError:
        return None
