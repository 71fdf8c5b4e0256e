"""A BagIt bag as a zip that is made while it is sent: never more than a block of it in memory, nothing on the disk.

The library `bagit` makes bags in a directory, of copies; ours are made of streams. A test has it validate them.
"""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from backend.proof.package import BAGIT, PAYLOAD, SIGNED, TAGS

Signer = Callable[[str], str]  # the statement over a payload manifest's digest


class _Sink(io.RawIOBase):
    """What the archive writes to, taken away as it comes; it cannot be sought, so sizes follow the files."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self._written.append(bytes(block))
        return len(block)

    def taken(self) -> bytes:
        piece = b"".join(self._written)
        self._written.clear()
        return piece


class BagWriter:
    """One bag under the folder `top`. Files are added one after the other; `finish` adds manifests and signature."""

    def __init__(self, top: str, made_at: datetime) -> None:
        self._sink, self._top = _Sink(), top
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._made_at = made_at
        self._digests: dict[str, str] = {}
        self._payload = self._files = 0

    async def add(self, name: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A file from a stream."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(self._info(name), "w", force_zip64=True) as file:
            async for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
                yield self._sink.taken()
        self._note(name, digest.hexdigest(), size)
        yield self._sink.taken()

    def put(self, name: str, content: bytes) -> bytes:
        """A small file, whole."""
        with self._archive.open(self._info(name), "w") as file:
            file.write(content)
        self._note(name, hashlib.sha256(content).hexdigest(), len(content))
        return self._sink.taken()

    def digest_of(self, name: str) -> str:
        return self._digests[name]

    def finish(self, info: dict[str, str], signed: Signer) -> bytes:
        """The tags: what the bag is, its manifests, and the statement over the payload's."""
        payload = _manifest(self._digests, data=True)
        told = info | {"Payload-Oxum": f"{self._payload}.{self._files}"}
        tags = {
            "bagit.txt": BAGIT.encode(),
            "bag-info.txt": "".join(f"{name}: {text}\n" for name, text in told.items()).encode(),
            PAYLOAD: payload,
            SIGNED: signed(hashlib.sha256(payload).hexdigest()).encode(),
        }
        pieces = [self.put(name, content) for name, content in tags.items()]
        pieces.append(self.put(TAGS, _manifest(self._digests, data=False)))
        self._archive.close()
        return b"".join([*pieces, self._sink.taken()])

    def _info(self, name: str) -> zipfile.ZipInfo:
        made = self._made_at
        info = zipfile.ZipInfo(f"{self._top}/{name}", (made.year, made.month, made.day, made.hour, made.minute, 0))
        info.external_attr = 0o600 << 16
        return info

    def _note(self, name: str, digest: str, size: int) -> None:
        self._digests[name] = digest
        if name.startswith("data/"):
            self._payload, self._files = self._payload + size, self._files + 1


def _manifest(digests: dict[str, str], *, data: bool) -> bytes:
    lines = [f"{digest}  {name}\n" for name, digest in digests.items() if name.startswith("data/") == data]
    return "".join(sorted(lines, key=lambda line: line.split(maxsplit=1)[1])).encode()
