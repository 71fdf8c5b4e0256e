"""A stored object as a seekable file for FFmpeg, read by ranges over a signed URL.

After a jump a small block is fetched, of which the last ones are kept. Where the reading goes on, ever longer runs are
asked for, and read as FFmpeg takes them: what is ahead waits in the socket. Memory does not grow with the file.
"""

import io
from collections import deque
from typing import Any

import urllib3

BLOCK, LARGEST_BLOCK = 256 * 1024, 1024 * 1024
ALIGNED = BLOCK // 2  # a search goes back a little from where it was
KEPT_BLOCKS = 16
LONGEST_RUN = 64 * 1024 * 1024
LONGER = 4  # times as much is asked for where the reading goes on
LONGEST_PIECE = 1024 * 1024
Block = tuple[int, bytes]  # where it begins, and its bytes


class StoredFile(io.RawIOBase):
    """An object of `size` bytes. Raises OSError where the store does not give what was asked for."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size, self._at = url, size, 0
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2, maxsize=2)
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._run: Any = None  # the answer that is read now
        self._next, self._length = -1, BLOCK  # where the last request has led to, and its length
        self.read_bytes = 0  # of the store, for figures

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, wanted: int = -1) -> bytes:
        left = self._size - self._at
        wanted = min(left if wanted < 0 else wanted, left, LONGEST_PIECE)
        if wanted <= 0:
            return b""
        try:
            piece = self._piece(wanted)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(type(error).__name__) from error
        self._at += len(piece)
        return piece

    def _piece(self, wanted: int) -> bytes:
        block = next((each for each in self._blocks if each[0] <= self._at < each[0] + len(each[1])), None)
        if block is None and self._run is not None and self._next == self._at:
            return self._of_run(wanted)
        if block is None:
            self._leave_run()
            self._length = min(self._length * LONGER, LONGEST_RUN) if self._next == self._at else BLOCK
            if self._length > LARGEST_BLOCK:
                return self._of_run(wanted)
            block = self._fetched()
        return block[1][self._at - block[0] : self._at - block[0] + wanted]

    def _fetched(self) -> Block:
        """The block that this place is in."""
        begin = self._at - self._at % ALIGNED if self._length == BLOCK else self._at
        answer = self._asked(begin, self._length)
        block = begin, self._counted(answer.read(self._length, decode_content=False))
        answer.close()
        self._blocks.append(block)
        self._next = begin + len(block[1])
        return block

    def _of_run(self, wanted: int) -> bytes:
        """The next bytes of the run. Asked for anew where the store let go of a reader who was slow."""
        if self._run is not None:
            try:
                return self._taken(wanted)
            except (OSError, urllib3.exceptions.HTTPError):
                self._leave_run()
        self._run = self._asked(self._at, self._length)
        return self._taken(wanted)

    def _taken(self, wanted: int) -> bytes:
        piece = self._counted(self._run.read(wanted, decode_content=False))
        self._next = self._at + len(piece)
        if self._run.length_remaining == 0:
            self._leave_run()
        return piece

    def _leave_run(self) -> None:
        """Its connection goes back to the pool where all of it was read."""
        if self._run is not None:
            self._run.close()
        self._run = None

    def _counted(self, piece: bytes) -> bytes:
        if not piece:
            raise OSError("the store gave no byte")
        self.read_bytes += len(piece)
        return piece

    def _asked(self, at: int, length: int) -> Any:
        """The answer to a request for so many bytes from a place on. Raises OSError, HTTPError."""
        headers = {"Range": f"bytes={at}-{min(at + length, self._size) - 1}"}
        answer = self._pool.request("GET", self._url, headers=headers, preload_content=False)
        if answer.status != 206 and not (answer.status == 200 and at == 0):
            answer.close()
            raise OSError(f"the store answered {answer.status}")
        return answer
