"""Runs a `fujing` command as a process forked from one that has imported the command line already.

It is a process of its own, as always: its words, environment, folder, standard streams and exit code. The start of
Python and the imports are two thirds of a command's CPU; here they are paid once for all commands of a test process.
What depends on the start itself (another locale, another Python path) is started anew: `can_fork` says so.
"""

import atexit
import contextlib
import gc
import importlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

import msgspec

REPOSITORY = Path(__file__).parents[1]
LONGEST = 1 << 20  # bytes of a request: all words and the environment
# What commands import when they run, beside what each of them imports.
IMPORTED = (
    "mobile_api.cli.main", "mobile_api.cli.serving", "mobile_api.cli.reports", "mobile_api.cli.verify",
    "mobile_api.cli.verify_package", "mobile_api.cli.dispose", "mobile_api.cli.backup", "backend.registry",
)  # fmt: skip
OF_A_COMMAND = ("FUJING_", "XDG_", "TMPDIR", "PYTHONUNBUFFERED", "PYTEST_CURRENT_TEST")  # read when it runs, not before
_made: list[subprocess.Popen[bytes]] = []  # kept, for it ends after us


class Asked(msgspec.Struct):
    """What a command is started with."""

    words: list[str]
    environment: dict[str, str]
    folder: str
    code: str = ""  # Python, to be run in the place of the command line


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a command under this environment imports what every command imports, in the same way."""
    return _at_import(environment) == _environment()


@cache
def _environment() -> dict[str, str]:
    """What the process that forks is started with."""
    return _at_import(os.environ)


def _at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if not name.startswith(OF_A_COMMAND)}


def run(
    words: Sequence[str], environment: Mapping[str, str], given: str = "", seconds: float = 60, code: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `fujing WORDS` to its end, or this code, as subprocess.run does. Raises subprocess.TimeoutExpired."""
    asked = Asked([*words], {**environment}, str(Path.cwd()), code)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(given.encode())
        streams[0].seek(0)
        answer = stack.enter_context(_send(asked, streams))
        answer.settimeout(seconds)
        pid = int(answer.recv(32))
        try:
            told = answer.recv(32)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([*words], seconds) from None
        code = int(told) if told else -signal.SIGKILL  # it ended without a word: killed
        said = [stream.seek(0) or stream.read().decode() for stream in streams[1:]]
    return subprocess.CompletedProcess(["fujing", *words], code, *said)


def _send(asked: Asked, streams: Sequence[IO[bytes]]) -> socket.socket:
    """Ask for a command. The connection tells its pid, then its exit code."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        handed = [theirs.fileno(), *(stream.fileno() for stream in streams)]
        socket.send_fds(_maker(), [msgspec.json.encode(asked)], handed)
    return ours


@cache
def _maker() -> socket.socket:
    """A connection to the process that forks, which is started the first time, and ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    with theirs:
        _made.append(subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            cwd=REPOSITORY, env=_environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        ))  # fmt: skip
    return ours


def fork_commands(asking: socket.socket) -> None:
    """Fork a process for each command that is asked for, until nobody can ask any more."""
    for module in IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that a look for garbage in a child copies no page
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets those that ended
    while True:
        request, handed, _, _ = socket.recv_fds(asking, LONGEST, 4)
        if not request:
            return
        if os.fork() == 0:
            asking.close()
            be_command(msgspec.json.decode(request, type=Asked), socket.socket(fileno=handed[0]), handed[1:])
        for descriptor in handed:
            os.close(descriptor)


def be_command(asked: Asked, answer: socket.socket, streams: Sequence[int]) -> NoReturn:
    """In the child: run the command as if it had just been started, tell its exit code, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update({"PICCOLO_CONF": "migrations.piccolo_conf"} | asked.environment)
    os.chdir(asked.folder)
    tempfile.tempdir = None  # chosen anew, by this environment
    random.seed()  # ports are chosen by it
    answer.send(str(os.getpid()).encode())
    sys.argv = ["fujing", *asked.words]
    code = code_of(asked.code)
    answer.send(str(code).encode())
    os._exit(code)


def code_of(given: str) -> int:
    """Run the command line, or the code that was given, to its end. Its exit code."""
    from mobile_api.cli.main import main

    code = 1
    try:
        exec(given, {"__name__": "__main__"}) if given else main()  # noqa: S102 - a test's own
        code = 0
    except SystemExit as end:
        code = int(end.code) if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # as Python ends: threads, what was registered, what is still to be written
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    fork_commands(socket.socket(fileno=int(sys.argv[1])))
