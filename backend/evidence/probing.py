"""Probing footage in the store, by servers of its own (storage/probe): a hostile file can only kill a child there.

Guarantees: of an answer only what has the shape below is believed. A server that dies, or does not answer in time, is
replaced once for each file; then the file is no media.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from backend.evidence.starts.timecodes import FoundCode
from backend.law.catalogue import law
from storage.evidence_store import EvidenceStore, StoredObject, StoreUnavailable

PROBE_SECONDS = 600
LONGEST_FILM_MS = 366 * 86_400_000  # a file that claims more was made to deceive

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=LONGEST_FILM_MS)]
Stretches = list[tuple[Milliseconds, Milliseconds]]


class ProbedTrack(msgspec.Struct, frozen=True):
    """One picture or sound of a film: where it can be decoded, and where it cannot. From the file's first frame."""

    kind: Literal["video", "audio"]
    codec: str | None = None
    stretches: Stretches = []
    undecoded: Stretches = []


class Probe(msgspec.Struct, frozen=True):
    """Answer of the probing child. `media` is false for a file that is none, or that made the child fail.

    `duration_ms`: from its first frame to the end of its last. `jumps`: how often its clock began anew.
    `container`, `tags`: its format, and the texts that it says of itself. `codes`: the time codes that it shows.
    `index_lost`: no media, but the film of an MP4 whose index was never written.
    """

    media: bool
    duration_ms: Milliseconds | None = None
    codec: str | None = None
    poster: bytes | None = None  # the first frame, as a JPEG
    tracks: Annotated[list[ProbedTrack], msgspec.Meta(max_length=16)] = []
    jumps: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    index_lost: bool = False
    failed: bool = False  # the store did not give the file
    container: str = ""
    tags: dict[str, str] = {}
    codes: Annotated[list[FoundCode], msgspec.Meta(max_length=64)] = []


async def probe(store: EvidenceStore, stored: StoredObject) -> Probe:
    """Probe this version of an object. Raises StoreUnavailable."""
    url = store.sign_read(stored.key, stored.version, timedelta(seconds=2 * PROBE_SECONDS))  # for two attempts
    found = await asyncio.to_thread(PROBERS.probe, url, stored.bytes)
    if found.failed:
        raise StoreUnavailable(f"存储未能给出 {stored.key}。", f"The store does not give {stored.key}.")
    return found


class Probers:
    """Idle probing servers; another one is started where all are busy. They end with this process."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []

    def probe(self, url: str, size: int) -> Probe:
        """Probe the file at this URL. Answers "no media" where two servers give no answer.

        A server that dies, or does not answer in time, is replaced once for each file.
        """
        longest = law().span("longest_frame").total_seconds()
        order = json.dumps({"url": url, "bytes": size, "longest_frame": longest}).encode() + b"\n"
        for choose in (self._take, _start_prober):
            server = choose()
            probe = _send_order(server, order)
            if probe is not None:
                self._idle.append(server)
                return probe
            _end(server)
        return Probe(media=False)

    def _take(self) -> subprocess.Popen[bytes]:
        return self._idle.pop() if self._idle else _start_prober()


PROBERS = Probers()


def _start_prober() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "storage.probe"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True,
    )  # fmt: skip


def _end(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _send_order(server: subprocess.Popen[bytes], order: bytes) -> Probe | None:
    """The answer of the server to the order; None where it dies or is silent for too long."""
    if server.stdin is None or server.stdout is None:
        return None
    try:
        server.stdin.write(order)
        if not select.select([server.stdout], [], [], PROBE_SECONDS)[0]:
            return None
        return msgspec.json.decode(server.stdout.readline(), type=Probe)
    except (OSError, msgspec.DecodeError):
        return None
