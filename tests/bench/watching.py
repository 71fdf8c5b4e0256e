"""`remux_vs_ffmpeg`, `first_picture`, `seek_picture`, `transcode_vs_ffmpeg`, `view_memory`: footage made watchable.

Ours and FFmpeg's own program (`imageio-ffmpeg`) read the same object of the store by the same signed URL, in turn, and
what they write is read through a pipe and dropped. A remux is a transport stream put into fragmented MP4; the first
picture, and that after a jump, is the first fragment that arrives, measured against copying it whole. Encoding is with
the same encoder, preset and quality.
"""

import asyncio
import os
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
from storage.view_copies.fragments import BOX_HEAD, Fragments
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
ENCODED_SECONDS = 30
CPU_SECONDS = 3600
URL_LIFE = timedelta(hours=6)
JUMPS = (0.1, 0.5, 0.9)  # shares of the film
MAKING_SECONDS = 1800


def watching_figures(house: House, home: Path, rounds: int, mib: int, wanted: set[str]) -> Iterator[Figure]:
    """The figures that are wanted. Raises BenchError where a copy is not whole."""
    store = store_of(house.settings)
    try:
        yield from _beside_ffmpeg(store, home, rounds, mib, wanted)
        if "view_memory" in wanted:
            yield _memory(house, home, 2 * mib)
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


def _repeated(path: Path, size: int, muxer: str, codec: str) -> None:
    short = path.with_name("short.mp4")
    film(short, seconds=10, rate=25, crf=34)
    if codec != "libx264":
        _encoded_as(short, codec)
    with av.open(str(short)) as source, av.open(str(path), "w", format=muxer) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        length = sum(packet.duration for packet in packets)
        turn = written = 0
        while written < size:
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.duration = stream, packet.time_base, packet.duration
                again.pts, again.dts = packet.pts + turn * length, packet.dts + turn * length
                again.is_keyframe = packet.is_keyframe
                target.mux(again)
                written += packet.size
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
        stream.options = {"preset": "ultrafast", "q": "3", "x265-params": "log-level=none"}
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
        ours = asyncio.run(_whole(_order(url, stored, "remux")))
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
    begun = time.perf_counter()
    with subprocess.Popen(
        [ffmpeg, "-v", "error", "-nostdin", "-i", source, *how], stdout=subprocess.PIPE, bufsize=0
    ) as running:
        assert running.stdout is not None
        while running.stdout.read(MIB):
            pass
    if running.returncode:
        raise BenchError(f"ffmpeg ended with {running.returncode}")
    return time.perf_counter() - begun


async def _whole(order: dict[str, Any]) -> float:
    begun = time.perf_counter()
    async with children.Reading(order) as reading:
        await reading.head()
        async for _ in reading.pieces():
            pass
    return time.perf_counter() - begun


async def _first(order: dict[str, Any]) -> float:
    """Seconds until the first frames are here."""
    begun = time.perf_counter()
    async with children.Reading(order) as reading:
        await reading.head()
        async for piece in reading.pieces():
            if piece.kind == MORE and len(piece.content) > BOX_HEAD:
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
    film(path.with_suffix(".mp4"), seconds=ENCODED_SECONDS, width=1280, height=720, rate=25, crf=34)
    path.with_suffix(".mp4").rename(path)
    _encoded_as(path, "libx265")
    stored = _stored(store, path)
    ratios, seconds = [], []
    for number in range(rounds):
        say(f"transcode round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
        url = store.sign_read(stored.key, stored.version, URL_LIFE)
        theirs = _ffmpeg(ffmpeg, url, ENCODING)
        ours = asyncio.run(_whole(_order(url, stored, "transcode")))
        ratios.append(theirs / ours)
        seconds.append({"ffmpeg": theirs, "ours": ours})
        say(f"ours {ours:.2f} s, ffmpeg {theirs:.2f} s, ratio {ratios[-1]:.3f}")
    path.unlink()
    return median_figure("transcode_vs_ffmpeg", ratios, "ratio", ">= 0.8", seconds=seconds, load=os.getloadavg()[0])


def _memory(house: House, home: Path, mib: int) -> Figure:
    """The worker's most memory, its children too, making the copy of a film of `mib` MiB ÷ of one of 10 MB."""
    lin, worker = signed_in(house), child("worker")
    peaks = []
    for size in (10_000_000, mib * MIB):
        say(f"making a copy of {size // MIB} MiB")
        path = home / f"film-{size}.mkv"
        _repeated(path, size, "matroska", "mjpeg")
        upload = _sealed(lin, path)
        path.unlink()
        peaks.append(asyncio.run(_peak(house, upload, worker)))
    details = {"peak_bytes": peaks, "mib": mib, "load": os.getloadavg()[0]}
    return Figure("view_memory", peaks[1] / peaks[0], "x", "<= 1.3", [peaks[1] / peaks[0]], details)


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
            await asyncio.sleep(0.1)
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
