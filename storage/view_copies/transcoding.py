"""Encode a film anew as H.264 and AAC in fragmented MP4: for the eye, never as evidence.

Guarantees: memory is that of a few frames, whatever the length. A picture is turned as the film says. What cannot be
decoded is left out; where nothing of the picture can be, there is no copy.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from typing import Any

import av

from storage.turning import Turning, degrees
from storage.view_copies.ahead import ahead
from storage.view_copies.fragments import Fragments
from storage.view_copies.opening import MICROSECONDS, FilmClock, opened, packets_of, picture_of, sound_of
from storage.view_copies.remuxing import FLUSH, MUX, MUX_BUFFER, SHIFT, Encoded
from storage.view_copies.ways import WITHOUT_CLOCK

PRESET, QUALITY, KEY_SECONDS = "veryfast", "26", 2
RATE, TICKS = 25, 90_000
GAP = 2 * TICKS  # more between two frames is a pause of the camera
FIRST_PACKETS = 200
FRAMES_AHEAD = 8  # that are decoded while others are encoded
FULL = 2  # AVCOL_RANGE_JPEG: black is 0, and not 16
MUX_AT_KEYS = {name: value for name, value in MUX.items() if name != "frag_duration"}  # each can be begun with
WIDEST = 4096  # a picture of more is no recorder's


def transcode(file: Any, sink: Fragments, note: str, preset: str = PRESET) -> None:
    """Write the whole film anew. Raises av.error.FFmpegError, ValueError: nothing of it can be decoded."""
    first = _first_frame(file)
    file.seek(0)
    with opened(file) as source:
        picture, sound = picture_of(source), sound_of(source)
        if picture is not None and first is None:
            raise ValueError("no picture can be decoded")
        if sound is not None and sound.codec_context.codec is None:
            sound = None
        options = MUX if picture is None else MUX_AT_KEYS
        with av.open(sink, "w", format="mp4", options=options, buffer_size=MUX_BUFFER) as target:
            target.flags |= FLUSH
            target.metadata["comment"] = note
            writers: dict[int, Any] = {}
            if picture is not None:
                writers[picture.index] = _Picture(picture, first, target, preset)
            if sound is not None:
                writers[sound.index] = Encoded(sound, target)
            wanted = [stream for stream in (picture, sound) if stream is not None]
            with closing(ahead(_decoded(_timed(source, wanted), picture), FRAMES_AHEAD)) as pieces:
                for stream, piece, at in pieces:
                    writers[stream].write(piece, at)
            for writer in writers.values():
                writer.finish()


def _first_frame(file: Any) -> Any:
    """The first frame that can be decoded: its size, and how it is turned. None: there is none near the beginning."""
    with opened(file) as source:
        picture = picture_of(source)
        if picture is None:
            return None
        for _, packet in zip(range(FIRST_PACKETS), source.demux(picture), strict=False):
            with suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return frame
    return None


def _timed(source: Any, wanted: list[Any]) -> Iterator[tuple[Any, int]]:
    """The packets in the film's time; of a stream without a clock as they are."""
    clock = FilmClock(source)
    for packet in packets_of(source, wanted):
        at = clock.set(packet)
        if packet.size and (at is not None or source.format.name in WITHOUT_CLOCK):
            yield packet, at or 0


def _decoded(packets: Iterator[tuple[Any, int]], picture: Any) -> Iterator[tuple[int, Any, int]]:
    """The frames of the picture and the packets of the sound, each with its stream and its packet's time."""
    if picture is not None:
        picture.thread_type = "AUTO"
    at = 0
    for packet, at in packets:
        if picture is None or packet.stream_index != picture.index:
            yield packet.stream_index, packet, at
            continue
        with suppress(av.error.FFmpegError):
            for frame in packet.decode():
                yield picture.index, frame, at
    if picture is not None:
        with suppress(av.error.FFmpegError):
            for frame in picture.codec_context.decode(None):
                yield picture.index, frame, at


class _Picture:
    """Encodes one picture stream, in the film's time."""

    def __init__(self, source: Any, first: Any, target: Any, preset: str) -> None:
        self._source, self._target, self._last, self._number = source, target, -1, 0
        self._turning = Turning()
        width, height = (first.height, first.width) if degrees(first) in (90, 270) else (first.width, first.height)
        if not (0 < width <= WIDEST and 0 < height <= WIDEST):
            raise ValueError("no picture of a recorder")
        rate = _rate_of(source)
        self._encoder: Any = target.add_stream("libx264", rate=rate)
        self._encoder.width, self._encoder.height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        self._encoder.pix_fmt = "yuv420p"
        self._encoder.codec_context.time_base = Fraction(1, TICKS)
        self._encoder.codec_context.thread_type = "FRAME"  # by slices, as PyAV would, cores wait for each other
        keys = str(round(float(rate) * KEY_SECONDS))
        self._encoder.options = {"preset": preset, "crf": QUALITY, "g": keys, "bf": "0", "forced-idr": "1"}

    def write(self, frame: Any, _packet_at: int) -> None:
        at = self._time_of(frame)
        if at is None or at <= self._last:
            return
        after_a_gap, self._last = at - self._last > GAP, at
        frame = self._turning.upright(frame)
        width, height = self._encoder.width, self._encoder.height
        if (frame.width, frame.height, frame.format.name) != (width, height, "yuv420p") or frame.color_range == FULL:
            frame = frame.reformat(width, height, "yuv420p", dst_color_range="MPEG")
        frame.pts, frame.time_base = at, Fraction(1, TICKS)
        frame.pict_type = av.video.frame.PictureType.I if after_a_gap else 0  # a fragment ends where a gap begins
        self._target.mux(self._encoder.encode(frame))

    def _time_of(self, frame: Any) -> int | None:
        """When the frame is shown, in ticks of the copy; without a clock, by its number."""
        if self._source.container.format.name in WITHOUT_CLOCK:
            self._number += 1
            return round((self._number - 1) / _rate_of(self._source) * TICKS) + SHIFT * TICKS // MICROSECONDS
        base = frame.time_base or self._source.time_base  # what the decoder kept back to the end has none
        if frame.pts is None or not base:
            return None
        return int(round(frame.pts * base * TICKS) + SHIFT * TICKS // MICROSECONDS)

    def finish(self) -> None:
        self._target.mux(self._encoder.encode(None))


def _rate_of(stream: Any) -> Fraction:
    rate = stream.guessed_rate or stream.average_rate
    return Fraction(rate) if rate and 1 <= rate <= 120 else Fraction(RATE)
