"""Write a BagIt bag (RFC 8493) as a zip while it is sent.

Guarantees: never more than one block is in memory, and nothing is written to disk. The form of the archive and of the
bag is that of `backend.proof`, which verifies them. The library `bagit` can only copy files into a directory, so it is
not used here; a test validates our bags with it.
"""

import hashlib
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from msgspec.structs import replace

from backend.core.days import in_china
from backend.core.journal import utc
from backend.proof.archive import LONG, Member, end_of, stamp
from backend.proof.bag import BAGIT, INFO, PAYLOAD, SIGNED, TAGS, bag_info, manifest_of, top_of

Signer = Callable[[str], str]  # from the digest of the payload manifest to the signed statement


class BagWriter:
    """Writes the bag of the package `id`: add files one after the other, then call `finish`.

    Every method returns the bytes of the zip to send next.
    """

    def __init__(self, id: str, made_at: datetime) -> None:
        self._id, self._made_at = id, made_at
        self._members: list[Member] = []
        self._digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    async def add(self, name: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Add a file of any size from a stream."""
        member = self._begin(name)
        member, digest = replace(member, form=LONG), hashlib.sha256()
        yield member.header
        async for block in blocks:
            digest.update(block)
            member = replace(member, size=member.size + len(block), crc=zlib.crc32(block, member.crc))
            yield block
        yield self._end(name, member, digest.hexdigest())

    def put(self, name: str, content: bytes) -> bytes:
        """Add a small file."""
        member = replace(self._begin(name), size=len(content), crc=zlib.crc32(content))
        return member.header + content + self._end(name, member, hashlib.sha256(content).hexdigest())

    def digest_of(self, name: str) -> str:
        """SHA-256 of a file that was added, in hex."""
        return self._digests[name]

    def finish(self, sign: Signer) -> bytes:
        """Add the tag files: bag info, both manifests, and the signed statement over the payload manifest."""
        payload = manifest_of(self._digests, data=True)
        tags = {
            "bagit.txt": BAGIT.encode(),
            INFO: bag_info(self._id, utc(self._made_at), self._sizes),
            PAYLOAD: payload,
            SIGNED: sign(hashlib.sha256(payload).hexdigest()).encode(),
        }
        pieces = [self.put(name, content) for name, content in tags.items()]
        return b"".join([*pieces, self.put(TAGS, manifest_of(self._digests, data=False)), self.close()])

    def close(self) -> bytes:
        """The central directory and the end of the archive."""
        directory = b"".join(member.entry for member in self._members)
        return directory + end_of(len(self._members), self._members[-1].ends, len(directory))

    def _begin(self, name: str) -> Member:
        offset = self._members[-1].ends if self._members else 0
        return Member(
            name=f"{top_of(self._id)}/{name}", offset=offset, size=0, crc=0, made=stamp(in_china(self._made_at))
        )

    def _end(self, name: str, member: Member, digest: str) -> bytes:
        """Keep what the manifests and the central directory say of the file. Returns what stands behind its bytes."""
        self._members.append(member)
        self._digests[name], self._sizes[name] = digest, member.size
        return member.descriptor
