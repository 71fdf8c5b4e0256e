"""Write a BagIt bag (RFC 8493) as a zip while it is sent.

Guarantees: never more than one block is in memory, and nothing is written to disk. The library `bagit` can only copy
files into a directory, so it is not used here; a test validates our bags with it.
"""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from backend.proof.package import BAGIT, PAYLOAD, SIGNED, TAGS

Signer = Callable[[str], str]  # from the digest of the payload manifest to the signed statement


class _Sink(io.RawIOBase):
    """The file object that the zip is written to. It cannot seek, so the sizes follow each file."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self._written.append(bytes(block))
        return len(block)

    def take(self) -> bytes:
        """What was written since the last call."""
        piece = b"".join(self._written)
        self._written.clear()
        return piece


class BagWriter:
    """Writes one bag under the folder `top`: add files one after the other, then call `finish`.

    Every method returns the bytes of the zip to send next.
    """

    def __init__(self, top: str, made_at: datetime) -> None:
        self._sink, self._top = _Sink(), top
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._made_at = made_at
        self._digests: dict[str, str] = {}
        self._payload = self._files = 0

    async def add(self, name: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Add a file from a stream."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(self._info(name), "w", force_zip64=True) as file:
            async for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
                yield self._sink.take()
        self._note(name, digest.hexdigest(), size)
        yield self._sink.take()

    def put(self, name: str, content: bytes) -> bytes:
        """Add a small file."""
        with self._archive.open(self._info(name), "w") as file:
            file.write(content)
        self._note(name, hashlib.sha256(content).hexdigest(), len(content))
        return self._sink.take()

    def digest_of(self, name: str) -> str:
        """SHA-256 of a file that was added, in hex."""
        return self._digests[name]

    def finish(self, info: dict[str, str], sign: Signer) -> bytes:
        """Add the tag files: bag info, both manifests, and the signed statement over the payload manifest."""
        payload = _manifest(self._digests, data=True)
        bag_info = info | {"Payload-Oxum": f"{self._payload}.{self._files}"}
        tags = {
            "bagit.txt": BAGIT.encode(),
            "bag-info.txt": "".join(f"{name}: {text}\n" for name, text in bag_info.items()).encode(),
            PAYLOAD: payload,
            SIGNED: sign(hashlib.sha256(payload).hexdigest()).encode(),
        }
        pieces = [self.put(name, content) for name, content in tags.items()]
        pieces.append(self.put(TAGS, _manifest(self._digests, data=False)))
        self._archive.close()
        return b"".join([*pieces, self._sink.take()])

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
    """The manifest of the payload (`data`) or of the tag files, sorted by name."""
    lines = [f"{digest}  {name}\n" for name, digest in digests.items() if name.startswith("data/") == data]
    return "".join(sorted(lines, key=lambda line: line.split(maxsplit=1)[1])).encode()
