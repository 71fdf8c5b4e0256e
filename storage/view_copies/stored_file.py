"""A stored object as a seekable file for FFmpeg, read by ranges over a signed URL.

Where the reading goes on from block to block, blocks grow and the next one is fetched meanwhile; after a jump they are
small again. At most `KEPT_BLOCKS` are kept, so memory does not grow with the file.
"""

import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import urllib3

SMALL = 512 * 1024
LARGE = 4 * 1024 * 1024
KEPT_BLOCKS = 8
Block = tuple[int, bytes]  # where it begins, and its bytes


class StoredFile(io.RawIOBase):
    """An object of `size` bytes. Raises OSError where the store does not give what was asked for."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size, self._at = url, size, 0
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2, maxsize=2)
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Block]] | None = None
        self._length = SMALL
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
        wanted = left if wanted < 0 else min(wanted, left)
        if wanted <= 0:
            return b""
        start, block = self._kept(self._at) or self._fetched(self._at)
        piece = block[self._at - start : self._at - start + wanted]
        self._at += len(piece)
        return piece

    def _kept(self, at: int) -> Block | None:
        return next((block for block in self._blocks if block[0] <= at < block[0] + len(block[1])), None)

    def _fetched(self, at: int) -> Block:
        """The block that begins at `at`, from the thread if it was fetched already; then the next one is begun."""
        ahead, self._next = self._next, None
        goes_on = ahead is not None and ahead[0] == at
        self._length = min(self._length * 2, LARGE) if goes_on else SMALL
        block = ahead[1].result() if ahead is not None and goes_on else self._get(at, self._length)
        self._blocks.append(block)
        after = block[0] + len(block[1])
        if after < self._size and (goes_on or self._follows(block)):
            self._next = after, self._thread.submit(self._get, after, self._length)
        return block

    def _follows(self, block: Block) -> bool:
        """Whether the block before this one is kept: the reading goes on."""
        return any(start + len(content) == block[0] for start, content in self._blocks if start != block[0])

    def _get(self, at: int, length: int) -> Block:
        last = min(at + length, self._size) - 1
        answer = self._pool.request("GET", self._url, headers={"Range": f"bytes={at}-{last}"})
        if answer.status != 206 and not (answer.status == 200 and at == 0):
            raise OSError(f"the store answered {answer.status}")
        self.read_bytes += len(answer.data)
        if not answer.data:
            raise OSError("the store gave no byte")
        return at, answer.data
