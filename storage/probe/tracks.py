"""The tracks of an open film: when their frames are, and which of them cannot be decoded.

A film with an index of all frames (MP4) is not read whole: frames are picked from the index, and the border between
those that can be decoded and those that cannot is searched for by halving. Entries beyond the end of the file do not
count. Any other film is read from beginning to end, and a key frame is decoded now and then.
"""

from array import array
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, pairwise
from typing import Any

import av

from storage.avi_places import AviPlaces
from storage.probe import packets
from storage.probe.decoding import Decoder
from storage.probe.sources import Source
from storage.probe.timeline import ONE_FRAME, Clock, Stretch, Stretches

MOST_TRACKS = 16
A_MINUTE = 60.0  # seconds: a frame of each is decoded at least, as far as the budget goes
FEWEST_POINTS, MOST_POINTS, POINTS_OF_SOUND = 16, 100, 6
LARGEST_FRAME = 64 * 1024**2  # bytes
TRIAL_PACKETS, TRIAL_BYTES = 12, 16 * 1024**2  # a key frame, and what may be needed to show a clean picture after it
SHARES = 64  # a film that is read whole: a key frame of each share of its bytes is decoded
LONGEST_DELAY = 1.0  # seconds
FOREVER = float("inf")
ALWAYS = (-FOREVER, FOREVER)
FIRST_PACKETS, CIPHER = 64, "encryption_info"


class Track:
    """One picture or sound of a film. `stretches`: where frames are; `lost`: where they cannot be decoded. Seconds by
    the clock of the file."""

    def __init__(self, stream: Any, longest_frame: float) -> None:
        self.stream, self.kind = stream, stream.type
        self.codec = stream.codec_context.codec.canonical_name
        rate = _rate_of(stream) if stream.type == "video" else None
        self.frames = Stretches(longest_frame, float(1 / rate) if rate else ONE_FRAME)
        self.lost: list[Stretch] = []
        self.delay: float | None = None  # seconds by which its first frame is shown later than decoded


def _rate_of(stream: Any) -> Any:
    """Frames a second; None: unknown. Of a bare stream, whose packets have no times, the average is made up (25)."""
    return stream.guessed_rate if stream.start_time is None else stream.average_rate


def tracks_of(container: Any, file: Source, longest_frame: float) -> tuple[list[Track], int]:
    """The tracks that have frames, and how often the clock of the film jumped."""
    streams = [each for each in container.streams if each.type in ("video", "audio") and not _is_cover(each)]
    tracks = [Track(stream, longest_frame) for stream in streams[:MOST_TRACKS]]
    decoder = Decoder([track.stream for track in tracks])
    try:
        if container.format.name.startswith("mov"):
            if _has_segment_index(file):  # then the index is whole only after everything was read
                _read_all(container)
            _by_index(container, tracks, file, decoder)
            jumps = 0
        else:
            jumps = _by_packets(container, tracks, file, decoder)
    finally:
        decoder.end()
    return [track for track in tracks if track.frames.start is not None], jumps


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _has_segment_index(file: Source) -> bool:
    """Whether an MP4 has a `sidx` box before its first fragment."""
    at = 0
    for _ in range(64):
        box = file.piece(at, 16)
        size, kind = int.from_bytes(box[:4]), box[4:8]
        if kind in (b"sidx", b"moof"):
            return kind == b"sidx"
        size = int.from_bytes(box[8:16]) if size == 1 else size
        if size < 8:
            return False
        at += size
    return False


def _read_all(container: Any) -> None:
    with suppress(av.error.FFmpegError):
        for _ in container.demux():
            pass


# -- by the index


def _by_index(container: Any, tracks: list[Track], file: Source, decoder: Decoder) -> None:
    encrypted = _encrypted(container, [track.stream for track in tracks], file)
    for track in tracks:
        frames = IndexedFrames(track, file, decoder)
        for at in frames.times:
            track.frames.add(at)
        track.lost = [ALWAYS] if track.stream.index in encrypted else frames.lost()


def _encrypted(container: Any, streams: list[Any], file: Source) -> set[int]:
    """The streams whose frames say that they are encrypted. Noise may look like a frame, so this is asked first."""
    said = set()
    first = sorted((entry.pos, entry.size) for each in streams for entry in islice(each.index_entries, FIRST_PACKETS))
    file.expect(first[:FIRST_PACKETS])
    with suppress(av.error.FFmpegError):
        for packet in islice(container.demux(streams), FIRST_PACKETS):
            if packet.has_sidedata(CIPHER):
                said.add(packet.stream.index)
    return said


class IndexedFrames:
    """The frames of one track whose bytes are in the file, by its index, in order of time."""

    def __init__(self, track: Track, file: Source, decoder: Decoder) -> None:
        self._track, self._file, self._decoder = track, file, decoder
        self._nal_length = packets.nal_length(track.codec, track.stream.codec_context.extradata)
        self.times, self._places, self._sizes = array("d"), array("q"), array("q")
        self._keys = bytearray()
        self._verdicts: dict[int, bool | None] = {}
        if track.stream.time_base is not None:
            self._load(float(track.stream.time_base))

    def _load(self, unit: float) -> None:
        latest, later = -FOREVER, None
        for entry in self._track.stream.index_entries:
            if entry.pos + entry.size > self._file.size or entry.size <= 0:
                continue
            if later is None:
                later = _delay(self._track.kind, self._track.stream.start_time, entry.timestamp, unit)
            latest = max(latest, entry.timestamp * unit + later)
            self.times.append(latest)
            self._places.append(entry.pos)
            self._sizes.append(entry.size)
            self._keys.append(entry.is_keyframe)

    def lost(self) -> list[Stretch]:
        """Where frames cannot be decoded."""
        points = self._points()
        self._file.expect((self._places[number], self._sizes[number]) for number in points)
        for number in points:
            self._decodes(number)
        known = sorted(number for number, verdict in self._verdicts.items() if verdict is not None)
        for earlier, later in pairwise(known):
            self._find_border(earlier, later)
        return self._lost_stretches()

    def _points(self) -> list[int]:
        """The frames to try first: evenly spread, a key frame where there is one near."""
        count = len(self.times)
        if not count:
            return []
        wanted = round((self.times[-1] - self.times[0]) / A_MINUTE)
        wanted = min(max(wanted, FEWEST_POINTS), MOST_POINTS) if self._track.kind == "video" else POINTS_OF_SOUND
        spread = {round(number * (count - 1) / max(1, wanted - 1)) for number in range(wanted)}
        reach = count // (2 * wanted)
        return sorted({self._key_near(number, reach) for number in spread})

    def _key_near(self, number: int, reach: int) -> int:
        after = self._keys.find(1, number, number + reach + 1)
        before = self._keys.rfind(1, max(0, number - reach), number + 1)
        return after if after >= 0 else before if before >= 0 else number

    def _find_border(self, earlier: int, later: int) -> None:
        """Between a frame that can be decoded and one that cannot, find two neighbours."""
        first, last = self._verdicts[earlier], self._verdicts[later]
        while first != last and later - earlier > 1:
            between = (earlier + later) // 2
            verdict = self._decodes(between)
            if verdict is None:
                return
            earlier, later = (between, later) if verdict == first else (earlier, between)

    def _lost_stretches(self) -> list[Stretch]:
        known = sorted((number, verdict) for number, verdict in self._verdicts.items() if verdict is not None)
        lost: list[Stretch] = []
        since: float | None = None
        for number, verdict in known:
            if not verdict and since is None:
                since = self.times[number] if number != known[0][0] else self.times[0]
            if verdict and since is not None:
                lost.append((since, self.times[number]))
                since = None
        return lost if since is None else [*lost, (since, FOREVER)]

    def _decodes(self, number: int) -> bool | None:
        """Whether this frame can be decoded; None: the budget is used up.

        A key frame is decoded. Another one needs the key frame before it and content that can be its own.
        """
        if number not in self._verdicts:
            decodes = self._key_decodes if self._keys[number] else self._follows
            self._verdicts[number] = self._sizes[number] <= LARGEST_FRAME and decodes(number)
        return self._verdicts[number]

    def _key_decodes(self, number: int) -> bool | None:
        """Whether a clean picture comes of this key frame, alone or with those before the next one."""
        alone = self._decoder.shows(self._track.stream.index, [self._content(number)])
        if alone is not False:
            return alone
        after = self._keys.find(1, number + 1)
        trial = self._contents(number, TRIAL_PACKETS if after < 0 else min(TRIAL_PACKETS, after - number))
        return self._decoder.shows(self._track.stream.index, trial) if len(trial) > 1 else False

    def _contents(self, number: int, most: int) -> list[bytes]:
        """The content of so many frames from this one on, or of fewer where they are large."""
        contents, size = [], 0
        for each in range(number, min(number + most, len(self.times))):
            size += self._sizes[each]
            if size > TRIAL_BYTES:
                break
            contents.append(self._content(each))
        return contents

    def _content(self, number: int) -> bytes:
        return self._file.piece(self._places[number], self._sizes[number])

    def _follows(self, number: int) -> bool | None:
        if not packets.can_be(self._content(number), self._nal_length):
            return False
        key = self._keys.rfind(1, 0, number)
        return self._decodes(key) if key >= 0 else True


def _delay(kind: str, shown: int | None, decoded: int | None, unit: float) -> float:
    """By how many seconds a picture is shown later than it is decoded, in a film whose frames are reordered."""
    if kind != "video" or shown is None or decoded is None:
        return 0.0
    later = (shown - decoded) * unit
    return later if 0 < later < LONGEST_DELAY else 0.0


# -- by the packets


def _by_packets(container: Any, tracks: list[Track], file: Source, decoder: Decoder) -> int:
    """Read the whole file. Returns how often its clock jumped."""
    by_index = {track.stream.index: track for track in tracks}
    flags = av.format.Flags
    clock = Clock(
        {index: track.frames for index, track in by_index.items()},
        may_jump=bool(container.format.flags & flags.ts_discont.value),
    )
    counted = bool(container.format.flags & flags.no_timestamps.value)
    trials = {index: Trials(index, file.size // SHARES, decoder) for index in by_index}
    places = AviPlaces(_first_picture(tracks)) if container.format.name == "avi" else None
    for packet in _all_packets(container, [track.stream for track in tracks], file):
        if packet.size:
            track = by_index[packet.stream.index]
            at = _time_of(packet, track, counted)
            if places is not None and at is not None:
                at += places.later(packet)
            track.frames.add(None if at is None else clock.place(packet.stream.index, at))
            trials[packet.stream.index].see(packet, track.frames.last)
    for index, track in by_index.items():
        track.lost = trials[index].lost()
    return clock.jumps + (0 if places is None else places.holes)


def _first_picture(tracks: list[Track]) -> Any:
    return next((track.stream for track in tracks if track.kind == "video"), None)


def _all_packets(container: Any, streams: list[Any], file: Source) -> Iterator[Any]:
    """Every packet, also those behind a hole: the reader gives up after some bytes without one, and is sent on."""
    reached = -1
    while file.tell() > reached:
        reached = file.tell()
        try:
            yield from container.demux(streams)
        except av.error.FFmpegError:
            continue
        return


def _time_of(packet: Any, track: Track, counted: bool) -> float | None:
    """The packet's time stamp in seconds; in a format without any, when the packet before ends."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    if stamp is not None and packet.time_base is not None:
        if track.delay is None:
            track.delay = _delay(track.kind, packet.pts, packet.dts, float(packet.time_base))
        return float(stamp * packet.time_base) + track.delay
    return (track.frames.end or 0.0) if counted else None


class Trials:
    """Decodes a key frame of a track now and then, while its packets go by.

    After one that cannot be decoded the next one is tried too, so that little is lost with it.
    """

    def __init__(self, track: int, share: int, decoder: Decoder) -> None:
        self._track, self._share, self._decoder = track, share, decoder
        self._next = 0  # the place in the file from which a key frame is tried
        self._trial: list[bytes] = []
        self._place = self._size = 0
        self._at = 0.0
        self._verdicts: list[tuple[float, bool]] = []

    def see(self, packet: Any, at: float) -> None:
        """A packet of the frame at this time."""
        if self._trial and (packet.is_keyframe or len(self._trial) >= TRIAL_PACKETS or self._size > TRIAL_BYTES):
            self._judge()
        place = packet.pos or 0
        if packet.has_sidedata(CIPHER) or packet.size > LARGEST_FRAME:
            self._verdicts.append((at, False))
        elif not self._trial and packet.is_keyframe and place >= self._next:
            self._at, self._place, self._size = at, place, 0
            self._trial = [bytes(packet)]
        elif self._trial:
            self._size += packet.size
            self._trial.append(bytes(packet))

    def lost(self) -> list[Stretch]:
        """Where frames cannot be decoded."""
        if self._trial:
            self._judge()
        lost: list[Stretch] = []
        since: float | None = None
        for at, verdict in self._verdicts:
            if not verdict and since is None:
                since = at if lost or self._verdicts[0][1] else float("-inf")
            if verdict and since is not None:
                lost.append((since, at))
                since = None
        return lost if since is None else [*lost, (since, FOREVER)]

    def _judge(self) -> None:
        verdict = self._decoder.shows(self._track, self._trial)
        self._trial = []
        if verdict is not None:
            self._verdicts.append((self._at, verdict))
        self._next = self._place + (self._share if verdict is not False else 0)
