"""Probe files, each in a child process with limited memory and time: a hostile file can only kill that child.

`python -m storage.probe` is a server: it reads one order a line (signed URL, size, longest frame) and writes one
answer a line. It forks a child for each file, so only the start of the server pays for the imports.

The child writes what it found before it makes a poster. That first line stays valid, whatever comes of the poster. Then
the child has a minute, no way to the caller but through the server, and only a picture and time codes are accepted.
"""

import base64
import json
import os
import resource
import select
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from storage.ffmpeg_log import silence
from storage.probe.film import Answer, poster, read_film
from storage.probe.sources import LocalFile, Source, SourceFailed, StoredFile
from storage.timecode_search import LONGEST_TEXT, search

MEMORY = 2 * 1024**3
CPU_SECONDS = 300
PICTURE_SECONDS = 60
LOCAL_SECONDS = 600
ANSWER_CEILING = 2 * 1024 * 1024  # bytes
MOST_CODES, LONGEST_FILM_MS, MOST_FRAMES = 64, 366 * 86_400_000, 2**53  # what backend/evidence/probing.py believes


def serve() -> None:
    """Answer orders until standard input closes, which happens when the parent process ends."""
    for line in sys.stdin.buffer:
        order = json.loads(line)
        written = _in_child(lambda: StoredFile(order["url"], order["bytes"]), order["longest_frame"])  # noqa: B023
        _write_line(sys.stdout.fileno(), parse_answer(written))


def probe_file(path: Path, longest_frame: float) -> Answer:
    """Probe a file of this machine, in a child process too. Without a poster. Raises OSError where it cannot be read.

    Takes LOCAL_SECONDS at most; a file that takes longer is of unknown kind.
    """
    file = LocalFile(path)
    try:
        return parse_answer(_in_child(lambda: file, longest_frame, with_poster=False, within=LOCAL_SECONDS))
    finally:
        file.close()


def _in_child(source: Any, longest_frame: float, *, with_poster: bool = True, within: float | None = None) -> bytes:
    """Probe the file in a child process. What it wrote."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(source, longest_frame, writing, with_poster)
    os.close(writing)
    try:
        return _read_answer(reading, within)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _run_child(source: Any, longest_frame: float, writing: int, with_poster: bool) -> None:
    """In the child: limit memory and time, probe the file, write the answer, exit."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_RDWR)
        for inherited in (0, 1, 2):
            os.dup2(nothing, inherited)
        silence()
        file: Source = source()
        try:
            answer = read_film(file, longest_frame)
        except SourceFailed:
            answer = {"media": False, "failed": True}
        _write_line(writing, answer)
        if with_poster and (answer["media"] or answer["kind"] == "photo"):
            _write_line(writing, poster(file))
            _write_line(writing, {"codes": search(file)})
    finally:
        os._exit(0)


def _read_answer(reading: int, within: float | None = None) -> bytes:
    """Read what the child writes until it ends, writes too much, or takes too long over the picture."""
    written, deadline = b"", None if within is None else monotonic() + within
    while len(written) < ANSWER_CEILING:
        if not select.select([reading], [], [], None if deadline is None else max(0.0, deadline - monotonic()))[0]:
            break
        if not (piece := os.read(reading, ANSWER_CEILING)):
            break
        written += piece
        if deadline is None and b"\n" in written:
            deadline = monotonic() + PICTURE_SECONDS
    return written


def parse_answer(written: bytes) -> Answer:
    """The first line, the picture of the second and the codes of the third. Lines that are cut off do not count;
    without a first: no media."""
    lines = [line for line in written.splitlines(keepends=True) if line.endswith(b"\n")]
    first, second, third, *_ = [*lines, b"", b"", b""]
    answer, picture = _json_object(first), _json_object(second).get("poster")
    codes = _codes(_json_object(third).get("codes"))
    answer |= {"poster": picture} if _is_base64(picture) else {}
    return {"media": False, **answer, **({"codes": codes} if codes else {})}


def _codes(found: object) -> list[Answer]:
    """Those that can be codes of a film. What somebody holds before a camera must not cost the film its answer."""
    return [each for each in found if _is_code(each)][:MOST_CODES] if isinstance(found, list) else []


def _is_code(each: object) -> bool:
    if not isinstance(each, dict) or not isinstance(each.get("text"), str) or len(each["text"]) > LONGEST_TEXT:
        return False
    numbers = (each.get("at_ms"), LONGEST_FILM_MS), (each.get("frame"), MOST_FRAMES)
    return all(isinstance(number, int) and 0 <= number <= most for number, most in numbers)


def _json_object(line: bytes) -> Answer:
    """The line as a JSON object; empty where it is none."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_base64(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _write_line(descriptor: int, answer: Answer) -> None:
    line = memoryview(json.dumps(answer).encode() + b"\n")
    while line:
        line = line[os.write(descriptor, line) :]
