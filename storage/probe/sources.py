"""Files to probe, here or in the store: seekable, read in blocks that grow while the reading goes on without a jump.

A request costs the store about as much as a mebibyte of content, so what is known beforehand is asked for together.
"""

import errno
import io
import os
import stat
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import urllib3

SMALLEST_BLOCK = 128 * 1024
LARGEST_BLOCK = 4 * 1024 * 1024
CACHED_BYTES = 16 * 1024 * 1024
JOINED = 512 * 1024  # bytes between two expected pieces that are fetched together
READ_AHEAD = 32 * 1024  # bytes that FFmpeg reads behind what it needs


class SourceFailed(OSError):
    """The store does not give the file: nothing is known of what is in it."""


class Source(io.RawIOBase):
    """A seekable file of `size` bytes. Caches the last blocks: a probe jumps between the start of a film and its end,
    where the index is, then from frame to frame, and comes back to some of them for the poster and the time codes."""

    def __init__(self, size: int) -> None:
        self.size, self._at = size, 0
        self._next, self._block = 0, SMALLEST_BLOCK
        self._blocks: deque[tuple[int, bytes]] = deque()
        self._cached_bytes = 0
        self._expected: list[tuple[int, int]] = []  # where runs begin and end, in order

    def expect(self, pieces: Iterable[tuple[int, int]]) -> None:
        """These pieces (place, length) are read next: when one is, its neighbours are fetched by the same request."""
        runs: list[tuple[int, int]] = []
        for start, length in sorted(pieces):
            end = min(start + length + READ_AHEAD, self.size)
            if runs and start <= runs[-1][1] + JOINED and end - runs[-1][0] <= LARGEST_BLOCK:
                runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
            elif 0 <= start < end:
                runs.append((start, end))
        self._expected = runs

    def fetch(self, at: int, length: int) -> tuple[int, bytes]:
        """Read about `length` bytes at this place. Returns where the answer begins, and the answer."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, wanted: int = -1) -> bytes:
        piece = self._some(self._at, self.size if wanted < 0 else wanted)
        self._at += len(piece)
        return piece

    def piece(self, at: int, wanted: int) -> bytes:
        """So many bytes at this place, whatever the position; fewer only at the end."""
        found = b""
        while len(found) < wanted and (some := self._some(at + len(found), wanted - len(found))):
            found += some
        return found

    def _some(self, at: int, wanted: int) -> bytes:
        """Up to so many bytes at this place; empty at the end."""
        wanted = min(wanted, self.size - at)
        if wanted <= 0:
            return b""
        start, block = self._cached(at) or self._fetch_block(at, wanted)
        return block[at - start : at - start + wanted]

    def _cached(self, at: int) -> tuple[int, bytes] | None:
        covering = ((start, block) for start, block in self._blocks if start <= at < start + len(block))
        return next(covering, None)

    def _fetch_block(self, at: int, wanted: int) -> tuple[int, bytes]:
        self._block = min(2 * self._block, LARGEST_BLOCK) if at == self._next else SMALLEST_BLOCK
        length = max(wanted, self._expected_from(at) or self._block)
        start, block = self.fetch(at, self._missing(at, min(at + length, self.size)) - at)
        self._next = start + len(block)
        self._blocks.appendleft((start, block))
        self._cached_bytes += len(block)
        while self._cached_bytes > CACHED_BYTES and len(self._blocks) > 1:
            self._cached_bytes -= len(self._blocks.pop()[1])
        return start, block

    def _missing(self, at: int, end: int) -> int:
        """Where to stop: before a cached block that is large enough to save a request, or that reaches the end."""
        there = (
            start
            for start, block in self._blocks
            if at < start < end and (len(block) >= JOINED or start + len(block) >= end)
        )
        return min(there, default=end)

    def _expected_from(self, at: int) -> int:
        """How many bytes are expected to be read from this place on, LARGEST_BLOCK at most."""
        run = bisect_right(self._expected, (at, self.size)) - 1
        return max(0, min(self._expected[run][1] - at, LARGEST_BLOCK)) if run >= 0 else 0


class StoredFile(Source):
    """An object of the store, by a signed URL."""

    def __init__(self, url: str, size: int) -> None:
        super().__init__(size)
        self._url = url
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2)

    def fetch(self, at: int, length: int) -> tuple[int, bytes]:
        try:
            answer = self._pool.request("GET", self._url, headers={"Range": f"bytes={at}-{at + length - 1}"})
        except urllib3.exceptions.HTTPError as error:
            raise SourceFailed(type(error).__name__) from error
        if answer.status not in (200, 206):
            raise SourceFailed(f"the store answered {answer.status}")
        return (at if answer.status == 206 else 0), answer.data


class LocalFile(Source):
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, also for a pipe or a device, which would be waited for."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._descriptor)
            raise OSError(errno.EINVAL, "不是普通文件 no ordinary file", str(path))
        super().__init__(status.st_size)

    def fetch(self, at: int, length: int) -> tuple[int, bytes]:
        return at, os.pread(self._descriptor, length, at)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
