"""`remux_vs_ffmpeg`, `first_picture`, `seek_picture`, `transcode_vs_ffmpeg`, `view_memory`: footage made watchable.

Ours and FFmpeg's own program (`imageio-ffmpeg`) read the same object of the store by the same signed URL, in turn, and
what they write is read through a pipe and dropped. A remux is a transport stream put into fragmented MP4; the first
picture, and that after a jump, is the first fragment that arrives, measured against copying it whole. Encoding is with
the same encoder, preset, quality and threads: what x264 writes about itself into both films is compared.

The films are short enough to end: twenty seconds are encoded for the speed; and in the two GiB whose copy must take no
more memory than that of 10 MB, each picture stands for a fifth of a second.
"""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import av
import psutil
from children import child
from content import MIB
from figures import BenchError, Figure, median_figure, say, unmeasured
from uploads import SEALING_SECONDS, signed_in

from backend.core import database
from backend.evidence import view_copies
from mobile_api.cli.demo_film import film
from mobile_api.cli.serving import House
from mobile_api.client.api import Client, digest_of
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, StoredObject
from storage.view_copies import children
from storage.view_copies.fragments import Fragments
from storage.view_copies.messages import MORE
from storage.view_copies.remuxing import remux
from storage.view_copies.stored_file import StoredFile
from storage.view_copies.transcoding import PRESET, QUALITY

BESIDE_FFMPEG = ("remux_vs_ffmpeg", "first_picture", "seek_picture", "transcode_vs_ffmpeg")
NAMES = (*BESIDE_FFMPEG, "view_memory")
COPYING = ("-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1")
ENCODING = (
    "-c:v", "libx264", "-preset", PRESET, "-crf", QUALITY, "-g", "50", "-bf", "0", "-pix_fmt", "yuv420p",
    "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1",
)  # fmt: skip
FASTEST = {  # to make the films with
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}, "mjpeg": {"qmin": "1", "qmax": "1"},
}  # fmt: skip
ENCODED_SECONDS = 20
HELD = 5  # frames in a row that are the same picture: as many bytes to read and decode, less to encode
SETTINGS = re.compile(rb"x264 - core[^\x00]*? - options: ([ -~]+)")  # what x264 writes into the first frame
ALIKE = ("threads", "sliced_threads", "ref", "me", "subme", "rc", "crf", "keyint", "bframes", "rc_lookahead")
HEAD_BYTES = MIB  # of a copy, in which its first frame begins
CPU_SECONDS = 3600
URL_LIFE = timedelta(hours=6)
JUMPS = (0.1, 0.5, 0.9)  # shares of the film
MAKING_SECONDS = 1800
LOOKED_AGAIN = 0.02  # seconds between two looks at memory


def watching_figures(house: House, home: Path, rounds: int, mib: int, wanted: set[str]) -> Iterator[Figure]:
    """The figures that are wanted. Raises BenchError where a copy is not whole."""
    store = store_of(house.settings)
    try:
        yield from _beside_ffmpeg(store, home, rounds, mib, wanted)
        if "view_memory" in wanted:
            yield _memory(house, store, home, 2 * mib)
    finally:
        children.CHILDREN.close()
        store.close()


def _beside_ffmpeg(store: EvidenceStore, home: Path, rounds: int, mib: int, wanted: set[str]) -> Iterator[Figure]:
    try:
        import imageio_ffmpeg
    except ImportError:
        yield from (unmeasured(name, "", "imageio-ffmpeg is not installed") for name in BESIDE_FFMPEG if name in wanted)
        return
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    if wanted & {*BESIDE_FFMPEG[:3]}:
        yield from _remuxing(ffmpeg, store, home, rounds, mib)
    if "transcode_vs_ffmpeg" in wanted:
        yield _transcoding(ffmpeg, store, home, rounds)


def stream_of(path: Path, size: int) -> None:
    """H.264 in a transport stream of about this size: ten seconds are encoded, and their packets repeated."""
    _repeated(path, size, "mpegts", "libx264")


def _repeated(path: Path, size: int, muxer: str, codec: str, held: int = 1) -> None:
    short = path.with_name("short.mp4")
    film(short, seconds=10, rate=25, crf=34)
    if codec != "libx264":
        _encoded_as(short, codec)
    with av.open(str(short)) as source, av.open(str(path), "w", format=muxer) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        shown = [bytes(packets[number - number % held]) for number in range(len(packets))]
        length = sum(packet.duration for packet in packets)
        turn = written = 0
        while written < size:
            for packet, content in zip(packets, shown, strict=True):
                again = av.Packet(content)
                again.stream, again.time_base, again.duration = stream, packet.time_base, packet.duration
                again.pts, again.dts = packet.pts + turn * length, packet.dts + turn * length
                again.is_keyframe = packet.is_keyframe
                target.mux(again)
                written += len(content)
            turn += 1
    short.unlink()


def _encoded_as(path: Path, codec: str) -> None:
    """The film in another codec, in place."""
    other = path.with_suffix(".other")
    with av.open(str(path)) as source, av.open(str(other), "w", format="matroska") as target:
        stream = target.add_stream(codec, rate=25)
        first = source.streams.video[0]
        stream.width, stream.height = first.width, first.height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = FASTEST[codec]
        for number, frame in enumerate(source.decode(video=0)):
            made = frame.reformat(format=stream.pix_fmt)
            made.pts, made.time_base, made.pict_type = number, Fraction(1, 25), 0
            target.mux(stream.encode(made))
        target.mux(stream.encode(None))
    other.replace(path)


def _stored(store: EvidenceStore, path: Path) -> StoredObject:
    with path.open("rb") as file:
        return asyncio.run(store.put_stream(f"bench/{uuid4()}", file, "application/octet-stream"))


def _remuxing(ffmpeg: str, store: EvidenceStore, home: Path, rounds: int, mib: int) -> Iterator[Figure]:
    say("making a transport stream")
    path = home / "stream.ts"
    stream_of(path, mib * MIB)
    stored = _stored(store, path)
    length_ms = asyncio.run(children.look(store.sign_read(stored.key, stored.version, URL_LIFE), stored.bytes))[
        "duration_ms"
    ]
    ratios, firsts, seeks, seconds = [], [], [], []
    for number in range(rounds):
        say(f"remux round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
        url = store.sign_read(stored.key, stored.version, URL_LIFE)
        theirs, local = _ffmpeg(ffmpeg, url, COPYING), _ffmpeg(ffmpeg, str(path), COPYING)
        ours, _ = asyncio.run(_whole(_order(url, stored, "remux")))
        first = asyncio.run(_first(_order(url, stored, "remux")))
        jumps = [asyncio.run(_first(_order(url, stored, "remux", round(length_ms * share)))) for share in JUMPS]
        ratios.append(theirs / ours)
        firsts.append(first / theirs)
        seeks.append(max(jumps) / theirs)
        seconds.append({"ffmpeg": theirs, "ffmpeg_from_disk": local, "ours": ours, "first": first, "jumps": jumps})
        say(f"ours {ours:.2f} s, ffmpeg {theirs:.2f} s (from disk {local:.2f} s)")
        say(f"first picture {first:.3f} s, after a jump {max(jumps):.3f} s")
    common = {"bytes": stored.bytes, "seconds": seconds, "load": os.getloadavg()[0]}
    read = {"read_bytes": [_read_bytes(store, stored, round(length_ms * share)) for share in (0, *JUMPS)]}
    if max(read["read_bytes"]) > stored.bytes / 4:
        raise BenchError(f"a first picture read {max(read['read_bytes'])} of {stored.bytes} bytes")
    path.unlink()
    yield median_figure("remux_vs_ffmpeg", ratios, "ratio", ">= 0.8", **common)
    yield median_figure("first_picture", firsts, "x", "<= 0.15", **common, **read)
    yield median_figure("seek_picture", seeks, "x", "<= 0.15", **common, **read)


def _order(url: str, stored: StoredObject, task: str, from_ms: int = 0) -> dict[str, Any]:
    return {
        "task": task, "url": url, "bytes": stored.bytes, "from_ms": from_ms, "broken_clock": False, "note": "bench",
        "cpu_seconds": CPU_SECONDS,
    }  # fmt: skip


def _ffmpeg(ffmpeg: str, source: str, how: tuple[str, ...]) -> float:
    """Seconds of FFmpeg's own program; what it writes is read and dropped."""
    return _ffmpeg_with_head(ffmpeg, source, how)[0]


def _ffmpeg_with_head(ffmpeg: str, source: str, how: tuple[str, ...]) -> tuple[float, bytes]:
    begun, head = time.perf_counter(), b""
    with subprocess.Popen(
        [ffmpeg, "-v", "error", "-nostdin", "-i", source, *how], stdout=subprocess.PIPE, bufsize=0
    ) as running:
        assert running.stdout is not None
        while piece := running.stdout.read(MIB):
            head += piece if len(head) < HEAD_BYTES else b""
    if running.returncode:
        raise BenchError(f"ffmpeg ended with {running.returncode}")
    return time.perf_counter() - begun, head


async def _whole(order: dict[str, Any]) -> tuple[float, bytes]:
    """Seconds to have the whole copy, and its beginning."""
    begun, head = time.perf_counter(), b""
    async with children.Reading(order) as reading:
        await reading.head()
        async for piece in reading.pieces():
            head += piece.content if len(head) < HEAD_BYTES else b""
    return time.perf_counter() - begun, head


async def _first(order: dict[str, Any]) -> float:
    """Seconds until the first frames are here."""
    begun = time.perf_counter()
    async with children.Reading(order) as reading:
        await reading.head()
        async for piece in reading.pieces():
            if piece.kind == MORE:
                return time.perf_counter() - begun
    raise BenchError("no fragment came")


class _Enough(Exception):
    """The first fragment is there."""


def _read_bytes(store: EvidenceStore, stored: StoredObject, from_ms: int) -> int:
    """How many bytes of the store the first fragment from this time takes."""

    def stop_at_media(kind: bytes, content: Any, at: int) -> None:
        if kind == MORE:
            raise _Enough

    file = StoredFile(store.sign_read(stored.key, stored.version, URL_LIFE), stored.bytes)
    try:
        remux(file, Fragments(stop_at_media), from_ms, False, "bench")
    except _Enough:
        return file.read_bytes
    raise BenchError("no fragment came")


def _transcoding(ffmpeg: str, store: EvidenceStore, home: Path, rounds: int) -> Figure:
    say("making an HEVC film")
    path = home / "film.mkv"
    film(path.with_suffix(".mp4"), seconds=ENCODED_SECONDS, rate=25, crf=34)
    path.with_suffix(".mp4").rename(path)
    _encoded_as(path, "libx265")
    stored = _stored(store, path)
    ratios, seconds = [], []
    for number in range(rounds):
        say(f"transcode round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
        url = store.sign_read(stored.key, stored.version, URL_LIFE)
        theirs, their_head = _ffmpeg_with_head(ffmpeg, url, ENCODING)
        ours, our_head = asyncio.run(_whole(_order(url, stored, "transcode")))
        if _settings(our_head) != _settings(their_head):
            raise BenchError(f"encoded otherwise: {_settings(our_head)}, ffmpeg {_settings(their_head)}")
        ratios.append(theirs / ours)
        seconds.append({"ffmpeg": theirs, "ours": ours})
        say(f"ours {ours:.2f} s, ffmpeg {theirs:.2f} s, ratio {ratios[-1]:.3f}")
    path.unlink()
    return median_figure("transcode_vs_ffmpeg", ratios, "ratio", ">= 0.8", seconds=seconds, load=os.getloadavg()[0])


def _settings(head: bytes) -> dict[str, str]:
    """How x264 encoded a film, by its own words. Raises BenchError where it says nothing."""
    said = SETTINGS.search(head)
    if said is None:
        raise BenchError("x264 does not say how it encoded")
    options = dict(option.partition("=")[::2] for option in said[1].decode().split())
    return {name: options.get(name, "") for name in ALIKE}


def _memory(house: House, store: EvidenceStore, home: Path, mib: int) -> Figure:
    """The most memory over a film of `mib` MiB ÷ over one of 10 MB: of the worker with its children, which encode a
    copy, or of those that remux; whichever grows more."""
    sizes, ratios, details = (10_000_000, mib * MIB), [], {"mib": mib, "load": os.getloadavg()[0]}
    for way, peaks in (
        ("remux", [_peak_of_remux(store, home, size) for size in sizes]),
        ("transcode", _peaks_of_worker(house, home, sizes)),
    ):
        ratios.append(peaks[1] / peaks[0])
        details[way] = {"peak_bytes": peaks}
        say(f"{way}: {peaks[0] // MIB} MiB, then {peaks[1] // MIB} MiB, {ratios[-1]:.3f}")
    return Figure("view_memory", max(ratios), "x", "<= 1.3", [max(ratios)], details)


def _peak_of_remux(store: EvidenceStore, home: Path, size: int) -> int:
    path = home / "stream.ts"
    stream_of(path, size)
    stored = _stored(store, path)
    path.unlink()
    return asyncio.run(_peak_of(_order(store.sign_read(stored.key, stored.version, URL_LIFE), stored, "remux")))


async def _peak_of(order: dict[str, Any]) -> int:
    """The most memory in bytes of the processes that make view copies for this one, while they follow the order."""
    copying, most = asyncio.create_task(_whole(order)), 0
    while not copying.done():
        await asyncio.sleep(LOOKED_AGAIN)
        servers = (each for each in psutil.Process().children() if "storage.view_copies.child" in each.cmdline())
        most = max(most, sum(_resident(server) for server in servers))
    await copying
    return most


def _peaks_of_worker(house: House, home: Path, sizes: tuple[int, int]) -> list[int]:
    lin, worker = signed_in(house), child("worker")
    peaks = []
    for size in sizes:
        say(f"making a copy of {size // MIB} MiB")
        path = home / f"film-{size}.mkv"
        _repeated(path, size, "matroska", "mjpeg", HELD)
        upload = _sealed(lin, path)
        path.unlink()
        peaks.append(asyncio.run(_peak(house, upload, worker)))
    return peaks


def _sealed(lin: Client, path: Path) -> UUID:
    """Send a film and wait for its receipt. Its id."""
    ended = datetime.now(UTC)
    upload = lin.declare(
        path, camera_serial="DSJ-0042", media_type="video/x-matroska", started_at=ended - timedelta(hours=1),
        ended_at=ended,
    )  # fmt: skip
    lin.bring(upload, path)
    size, sha256 = digest_of(path)
    lin.receipt(upload, bytes=size, sha256=sha256, wait=SEALING_SECONDS)
    return upload


async def _peak(house: House, upload: UUID, worker: psutil.Process) -> int:
    """The most memory in bytes that the worker and its children have while they make this copy."""
    store, most = store_of(house.settings), 0
    async with database.opened(str(house.settings.database_url)):
        await view_copies.look_of(store, upload)
        await view_copies.ask(upload)
        deadline = time.monotonic() + MAKING_SECONDS
        while (state := (await view_copies.copy_of(upload)).state) == "asked":
            if time.monotonic() > deadline:
                raise BenchError("the copy was not made in time")
            most = max(most, _resident(worker))
            await asyncio.sleep(LOOKED_AGAIN)
    store.close()
    if state != "made":
        raise BenchError(f"the copy is {state}")
    return most


def _resident(process: psutil.Process) -> int:
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.Error:
            continue
    return total
