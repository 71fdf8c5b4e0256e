"""Start, watch and end one server as a child process.

Guarantees: the child ends with its parent, even after `kill -9`; a process left over from an earlier run is recognised
by pid *and* start time, so another process that reuses the pid is never touched; one directory serves one parent at a
time; every failure is an EmbeddedError that says what to do and quotes the last log lines.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from storage.language import SentenceError, by_locale
from storage.private_files import make_private, write_private

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 8 * 1024 * 1024
_POLL_SECONDS = 0.03
_LONGEST_SOCKET_PATH = 90
LOOPBACK = "127.0.0.1"
INSTALL = "pip install 'fujing[embedded]'"

# Loaded before any fork: the child must not take the import lock between fork and exec.
_LIBC = ctypes.CDLL(None, use_errno=True)


class EmbeddedError(SentenceError):
    """An embedded server does not work; the text says what to do."""


def psutil() -> Any:
    """The psutil module, which comes with the extra `embedded`. Raises EmbeddedError where it is not installed."""
    try:
        import psutil as module  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise EmbeddedError(
            f"未安装 psutil：请执行 {INSTALL}，或在设置中指定外部服务。",
            f"psutil is not installed: {INSTALL}, or name external services in the settings.",
        ) from error
    return module


def end_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """In the child: have the kernel end it when its parent ends. Call after a change of account, which clears this."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)


def free_port(low: int = 20_000, high: int = 32_000, above: int = 0, host: str = LOOPBACK) -> int:
    """A free port of this host's address whose neighbour `above` it is free too.

    Below 32,768, where the ports for outgoing connections begin.
    """
    for _ in range(200):
        port = random.randrange(low, high)  # noqa: S311 - no secret
        if is_free(port, host) and is_free(port + above, host):
            return port
    raise EmbeddedError(
        f"{host} 上 {low} 至 {high} 之间没有空闲端口：请先结束占用端口的程序。",
        f"No free port between {low} and {high} on {host}: end what occupies them.",
    )


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether this port of this machine's address can be bound now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:  # an address that is not this machine's is no matter of the port
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


class SocketDirectory:
    """A 0700 directory for Unix sockets whose path is short enough for the kernel (107 bytes).

    It is `<directory>/run` where that is short enough, otherwise a new one in XDG_RUNTIME_DIR or the temporary
    directory. A file in `directory` records it, so `remove()`, or the next `make()` after a crash, removes it.
    """

    def __init__(self, directory: Path, longest_name: str) -> None:
        self._inside = directory / "run"
        self._record = directory / "sockets-elsewhere"
        self._longest_name = longest_name

    def make(self) -> Path:
        """Make the directory, empty."""
        self.remove()
        if len(os.fsencode(self._inside / self._longest_name)) <= _LONGEST_SOCKET_PATH:
            return make_private(self._inside)
        elsewhere = Path(tempfile.mkdtemp(prefix="fujing-", dir=self._short_base()))
        write_private(self._record, str(elsewhere).encode(), replace=True)
        return elsewhere

    def _short_base(self) -> str:
        """The first directory for temporary files whose path is short enough."""
        bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp, 0700
        longest = _LONGEST_SOCKET_PATH - len("/fujing-12345678/" + self._longest_name)
        fitting = [base for base in bases if os.path.isdir(base) and len(os.fsencode(base)) <= longest]
        return fitting[0] if fitting else bases[-1]

    def remove(self) -> None:
        """Remove it, wherever it is. Elsewhere, only a directory named `fujing-…` is removed."""
        shutil.rmtree(self._inside, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            recorded = Path(self._record.read_text(encoding="utf-8"))
            if recorded.name.startswith("fujing-") and not recorded.is_symlink():
                shutil.rmtree(recorded, ignore_errors=True)
            self._record.unlink()


class ServedDirectory:
    """A lock on a directory, so two parents never run servers over the same files."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._file: IO[str] | None = None

    def claim(self) -> None:
        """Take the lock. Raises EmbeddedError where another living process has it."""
        if self._file is not None:
            raise EmbeddedError(
                f"{self._path.parent} 已由本进程使用：请先调用 stop()。",
                f"{self._path.parent} is served by this process already: stop() it first.",
            )
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise EmbeddedError(
                f"{self._path.parent} 正由另一个 fujing 使用：请先停止它，或把 FUJING_DATA_DIR 设为其他目录。",
                f"{self._path.parent} is in use by another fujing: stop that one, or name another FUJING_DATA_DIR.",
            ) from error
        self._file = file

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def release(self) -> None:
        """Release the lock. Does nothing where it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


class ServerProcess:
    """A server as our child. `end_signal` asks it to finish, quickly and cleanly.

    `orphan_signal`: sent by the kernel when the parent was killed, for a server that `end_signal` ends too slowly.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        end_signal: signal.Signals,
        orphan_signal: signal.Signals | None = None,
    ) -> None:
        self._orphan_signal = orphan_signal or end_signal
        self.name = name
        self._directory = directory
        self._log = directory / f"{name}.log"
        self._pid_file = directory / f"{name}.pid"
        self._end_signal = end_signal
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], become: Callable[[], None] | None = None
    ) -> None:
        """Start the child; `become` runs in it before exec, to change its account.

        Main thread only: for the kernel, the parent of the child is the *thread* that started it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedError(
                f"{self.name} 必须从主线程启动，并随主线程结束。",
                f"{self.name} must be started from the main thread, with which it ends.",
            )
        parent = os.getpid()

        def before_exec() -> None:
            if become is not None:
                become()
            end_with_parent(parent, self._orphan_signal)

        with self._open_log() as log:
            try:
                self._child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                    env=dict(environment),
                    umask=0o077,
                    start_new_session=True,
                    preexec_fn=before_exec,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise EmbeddedError(
                    f"{self.name} 无法从 {argv[0]} 启动：{error}",
                    f"{self.name} could not be started from {argv[0]}: {error}",
                ) from error
        self._write_pid_file(self._child.pid)

    def exited(self) -> bool:
        """Whether the child has ended by itself, or was never started."""
        return self._child is None or self._child.poll() is not None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()` is true. Raises EmbeddedError where the child ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exited():
                last = self.last_words()
                raise EmbeddedError(f"{self.name} 在启动时退出。{last}", f"{self.name} ended while starting.{last}")
            if time.monotonic() > deadline:
                last = self.last_words()
                raise EmbeddedError(
                    f"{self.name} 在 {seconds:.0f} 秒后仍未就绪。{last}",
                    f"{self.name} was not ready after {seconds:.0f} s.{last}",
                )
            time.sleep(_POLL_SECONDS)

    def last_words(self, lines: int = 12) -> str:
        """The last log lines of this child, with the path of the log."""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - 8192))
            tail = log.read().decode("utf-8", "replace").splitlines()[-lines:]
            return by_locale(f"{self._log} 的末尾：\n", f" The end of {self._log}:\n") + "\n".join(tail)
        return ""

    def signal_end(self) -> None:
        """Ask the child to end, without waiting, so several children end at the same time; then call `stop`."""
        self.send(self._end_signal)

    def send(self, number: signal.Signals) -> None:
        """Send the child a signal; one that has ended gets none."""
        process = psutil_process(self._child.pid) if self._child is not None else None
        if process is not None:
            with contextlib.suppress(psutil().NoSuchProcess):
                process.send_signal(number)

    def stop(self, grace: float) -> None:
        """End the child and all its descendants, by force after `grace` seconds. Safe to call twice."""
        if self._child is not None:
            self._end(psutil_process(self._child.pid), grace)
            self._child.wait()
            self._end_orphans(self._child.pid)
            self._child = None
            self._pid_file.unlink(missing_ok=True)

    def end_left_over(self, grace: float) -> None:
        """End the process that an earlier parent left running here, and no other."""
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            recorded = json.loads(self._pid_file.read_text(encoding="utf-8"))
            process = psutil_process(recorded["pid"])
            if process is not None and abs(process.create_time() - recorded["created"]) < 0.1:
                self._end(process, grace)
        self._pid_file.unlink(missing_ok=True)

    def _write_pid_file(self, pid: int) -> None:
        process = psutil_process(pid)
        if process is not None:
            write_private(
                self._pid_file, json.dumps({"pid": pid, "created": process.create_time()}).encode(), replace=True
            )

    def _end(self, process: Any, grace: float) -> None:
        """Signal, wait, then kill; also the descendants, which may have left the process group."""
        if process is None:
            return
        family: list[Any] = []
        with contextlib.suppress(psutil().NoSuchProcess):
            family = process.children(recursive=True)
            process.send_signal(self._end_signal)
        _, alive = psutil().wait_procs([process], timeout=grace)
        if alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        for member in [*alive, *family]:
            with contextlib.suppress(psutil().NoSuchProcess):
                member.kill()
        psutil().wait_procs([process, *family], timeout=5)

    def _end_orphans(self, pid: int) -> None:
        """End what a killed child left in its process group. While that has members, no other process gets its pid."""
        if psutil_process(pid) is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def _open_log(self) -> Iterator[IO[bytes]]:
        """Open the log for appending (0600); a long one is renamed to `.1` first."""
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_name(self._log.name + ".1"))
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            self._log_start = log.seek(0, os.SEEK_END)
            yield log


def psutil_process(pid: int) -> Any:
    """The living process, or None; a zombie counts as none."""
    try:
        process = psutil().Process(pid)
        return None if process.status() == psutil().STATUS_ZOMBIE else process
    except psutil().NoSuchProcess:
        return None


def owned_by(path: Path) -> int:
    """The uid that owns the path; links are not followed."""
    return os.lstat(path)[stat.ST_UID]
