"""Checkpoints: a signed tree head over the rows of the journal since the last one, chained, in locked storage.

Guarantees: every row is covered once, in the order of (epoch, xid, seq), by the time that terms.toml allows after its
transaction ended; what was signed is decided in the database first and follows into the store, so a process killed
anywhere signs no second history. docs/journal.md has the bytes.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from backend.core import journal
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.keys import KeyRing
from backend.law.catalogue import law
from backend.proof.tree import leaf, root
from storage.evidence_store import EvidenceStore

VERSION = 1
TYPE = "fujing-checkpoint+jwt"
ISSUER = "fujing"
FOLDER = "journal/"
SIGNED, LEAVES = ".jwt", ".leaves"
LEAF = struct.Struct(">Q32s")  # of the leaves' file: a row's seq and its leaf hash
LAST = "SELECT * FROM checkpoint ORDER BY number DESC LIMIT 1"
UNCOVERED = f"""
SELECT j.epoch, j.xid, j.seq, j.entry FROM journal j
WHERE (j.epoch, j.xid, j.seq) > ($1, $2::xid8, $3) AND {journal.SAFE.format(j="j")}
ORDER BY j.epoch, j.xid, j.seq LIMIT $4
"""  # noqa: S608
DECIDE = """
INSERT INTO checkpoint (number, epoch, xid, seq, rows, total, at, signed, leaves)
VALUES ($1, $2, $3::xid8, $4, $5, $6, $7, $8, $9)
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing checkpoint'))"
PENDING = "SELECT number, signed, leaves FROM checkpoint WHERE version IS NULL ORDER BY number LIMIT 20"
STORED = "UPDATE checkpoint SET version = $2, leaves_version = $3, leaves = NULL WHERE number = $1 AND version IS NULL"


class Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A row's place in the order of the journal."""

    epoch: int = 0
    xid: int = 0
    seq: int = 0


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. `after` (exclusive) to `last` (inclusive) is what it covers; `root` the RFC 6962 head, hex;
    `previous` the SHA-256 of the checkpoint before it as it was signed, `leaves` that of the leaves' file."""

    v: int
    iss: str
    number: int
    after: Position
    last: Position
    rows: int
    total: int
    root: str
    leaves: str
    previous: str
    at: str


async def make(store: EvidenceStore, ring: KeyRing, now: datetime, *, at_once: bool = False) -> int:
    """Cover what is due and take it to the store. How many rows were covered. Raises StoreUnavailable.

    Due is a full checkpoint's worth, or anything once the last is old enough; `at_once`: anything.
    """
    covered = 0
    while rows := await _decide(ring, now, at_once):
        covered += rows
    await follow(store, now)
    return covered


async def _decide(ring: KeyRing, now: datetime, at_once: bool) -> int:
    """Sign the next checkpoint, in the database alone. Its rows, or 0 where none is due."""
    most = law().count("checkpoint_rows")
    async with tx():
        await execute(LOCK)
        last = await first(LAST)
        after = position(last) if last else Position()
        rows = await fetch(UNCOVERED, after.epoch, after.xid, after.seq, most)
        old = last is None or now - last["at"] >= law().span("checkpoint_every")
        if not rows or not (len(rows) == most or old or at_once):
            return 0
        leaves = [(row["seq"], leaf(row["entry"])) for row in rows]
        claims = _claims(last, after, position(rows[-1]), leaves, now)
        signed = ring.sign(msgspec.to_builtins(claims), TYPE)
        await execute(
            DECIDE, claims.number, claims.last.epoch, claims.last.xid, claims.last.seq, claims.rows, claims.total,
            now, signed, packed(leaves),
        )  # fmt: skip
    return claims.rows


def _claims(
    last: Record | None, after: Position, until: Position, leaves: Sequence[tuple[int, bytes]], now: datetime
) -> Claims:
    return Claims(
        v=VERSION,
        iss=ISSUER,
        number=last["number"] + 1 if last else 1,
        after=after,
        last=until,
        rows=len(leaves),
        total=(last["total"] if last else 0) + len(leaves),
        root=root([hashed for _, hashed in leaves]).hex(),
        leaves=hashlib.sha256(packed(leaves)).hexdigest(),
        previous=digest_of(last["signed"]) if last else "",
        at=journal.utc(now),
    )


async def follow(store: EvidenceStore, now: datetime) -> int:
    """Take to the locked store what was signed. How many. Raises StoreUnavailable."""
    taken = 0
    until = now + law().span("checkpoint_lock")
    while pending := await fetch(PENDING):
        for row in pending:
            versions = []
            for content, ending in ((row["leaves"], LEAVES), (row["signed"].encode(), SIGNED)):
                put = await store.put(key_of(row["number"], row["signed"], ending), content, "application/octet-stream")
                await store.lock(put.key, put.version, until)
                versions.append(put.version)
            await execute(STORED, row["number"], versions[1], versions[0])
            taken += 1
    return taken


def key_of(number: int, signed: str, ending: str) -> str:
    """Where the store has it. The name tells the content, so two histories never hide behind one name."""
    return f"{FOLDER}{number:012}-{digest_of(signed)[:32]}{ending}"


def digest_of(signed: str) -> str:
    return hashlib.sha256(signed.encode()).hexdigest()


def packed(leaves: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(LEAF.pack(seq, hashed) for seq, hashed in leaves)


def unpacked(content: bytes) -> list[tuple[int, bytes]]:
    """Raises struct.error for what is no whole number of rows."""
    return [(seq, hashed) for seq, hashed in LEAF.iter_unpack(content)]


def position(row: Any) -> Position:
    return Position(row["epoch"], row["xid"], row["seq"])
