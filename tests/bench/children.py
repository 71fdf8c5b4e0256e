"""The house's child processes, found by command line, and servers beside them: CPU time, start and end."""

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from figures import BenchError, say

from backend.core.settings import Settings
from storage.embedded.processes import ServerProcess

READY_SECONDS = 30.0


def child(name: str) -> psutil.Process:
    """The house's `fujing api` or `fujing worker`. Raises BenchError where it does not run."""
    for process in psutil.Process().children():
        if process.cmdline()[-2:] == ["mobile_api.cli", name]:
            return process
    raise BenchError(f"the house runs no {name}")


def child_of_store() -> psutil.Process:
    """The house's embedded store. Raises BenchError where it does not run."""
    for process in psutil.Process().children():
        if Path(process.cmdline()[0]).name == "weed":
            return process
    raise BenchError("the house runs no store of its own")


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time so far, in seconds, of the process and its children."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


@contextmanager
def serving(
    settings: Settings, name: str, argv: Sequence[str], variables: Mapping[str, str], port: int
) -> Iterator[psutil.Process]:
    """Run a server as a child process, like `fujing api`; yields once it listens on that loopback port."""
    server, before = ServerProcess(name, settings.data_dir / "logs", signal.SIGTERM), psutil.Process().children()
    try:
        server.start(argv, variables)
        (process,) = (each for each in psutil.Process().children() if each not in before)
        server.wait_until(lambda: _listens(port), READY_SECONDS)
        yield process
    except BenchError:
        say(server.last_words())
        raise
    finally:
        server.stop(5)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def end(name: str) -> None:
    """End this child with SIGTERM, if it still runs. It is not started again."""
    try:
        process = child(name)
    except BenchError:
        return
    process.terminate()
    process.wait(10)
