"""Checkpoints: each signs a tree root over the journal rows since the last one, and is kept in locked storage.

Guarantees: each row is covered exactly once, in the order of (epoch, xid, seq), within the time that terms.toml allows
after its transaction ended. Each checkpoint has the digest of the one before it. A checkpoint is saved in the database
first and copied to the store afterwards, so a process that is killed at any point never signs a second history.
docs/journal.md describes the bytes.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from backend.core import clocks, journal
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.days import until
from backend.core.journal import Position, position
from backend.core.keys import KeyRing
from backend.law.catalogue import law
from backend.proof import known_store
from backend.proof.tree import leaf_hash, root
from storage.evidence_store import EvidenceStore

VERSION = 1
TYPE = "fujing-checkpoint+jwt"
ISSUER = "fujing"
FOLDER = "journal/"  # in the store
SIGNED, LEAVES = ".jwt", ".leaves"  # endings of the two files of a checkpoint
LEAF = struct.Struct(">Q32s")  # one row in the leaves file: seq and leaf hash
LAST = "SELECT * FROM checkpoint ORDER BY number DESC LIMIT 1"
UNCOVERED = f"""
SELECT j.epoch, j.xid, j.seq, j.entry FROM journal j
WHERE (j.epoch, j.xid, j.seq) > ($1, $2::xid8, $3) AND {journal.SAFE.format(j="j")}
ORDER BY j.epoch, j.xid, j.seq LIMIT $4
"""  # noqa: S608
INSERT = """
INSERT INTO checkpoint (number, epoch, xid, seq, rows, total, at, signed, leaves)
VALUES ($1, $2, $3::xid8, $4, $5, $6, $7, $8, $9)
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing checkpoint'))"
NOT_STORED = "SELECT number, signed, leaves FROM checkpoint WHERE version IS NULL ORDER BY number LIMIT 20"
MARK_STORED = (
    "UPDATE checkpoint SET version = $2, leaves_version = $3, leaves = NULL WHERE number = $1 AND version IS NULL"
)


class CheckpointClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The signed content of a checkpoint.

    It covers the rows after `after` up to and including `last`. `rows`: how many these are; `total`: with all before.
    `root`: the RFC 6962 root, in hex. `leaves`: SHA-256 of the leaves file. `previous`: SHA-256 of the signed text of
    the checkpoint before; empty for the first.
    """

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
    """Make the checkpoints that are due and copy them to the store. Returns how many rows they cover.

    A checkpoint is due when enough rows for a full one are there, or when there is any row and the last checkpoint is
    old enough. With `at_once` one is due as soon as there is any row.

    Raises ClocksDiffer before anything is signed, StoreUnavailable.
    """
    covered = 0
    await clocks.must_agree()
    while rows := await _sign_next(ring, now, at_once):
        covered += rows
    await copy_to_store(store)
    return covered


async def _sign_next(ring: KeyRing, now: datetime, at_once: bool) -> int:
    """Sign the next checkpoint and save it in the database. Returns how many rows it covers; 0: none is due."""
    most = law().count("checkpoint_rows")
    async with tx():
        await execute(LOCK)
        last = await first(LAST)
        after = position(last) if last else Position()
        rows = await fetch(UNCOVERED, after.epoch, after.xid, after.seq, most)
        old = last is None or now - last["at"] >= law().span("checkpoint_every")
        if not rows or not (len(rows) == most or old or at_once):
            return 0
        leaves = [(row["seq"], leaf_hash(row["entry"])) for row in rows]
        claims = _claims(last, after, position(rows[-1]), leaves, now)
        signed = ring.sign(msgspec.to_builtins(claims), TYPE)
        await execute(
            INSERT, claims.number, claims.last.epoch, claims.last.xid, claims.last.seq, claims.rows, claims.total,
            now, signed, pack_leaves(leaves),
        )  # fmt: skip
    return claims.rows


def _claims(
    last: Record | None, after: Position, until: Position, leaves: Sequence[tuple[int, bytes]], now: datetime
) -> CheckpointClaims:
    return CheckpointClaims(
        v=VERSION,
        iss=ISSUER,
        number=last["number"] + 1 if last else 1,
        after=after,
        last=until,
        rows=len(leaves),
        total=(last["total"] if last else 0) + len(leaves),
        root=root([leaf for _, leaf in leaves]).hex(),
        leaves=hashlib.sha256(pack_leaves(leaves)).hexdigest(),
        previous=digest_of(last["signed"]) if last else "",
        at=journal.utc(now),
    )


async def copy_to_store(store: EvidenceStore) -> int:
    """Copy signed checkpoints to the store and lock them there, by the database's clock. Returns how many.

    Raises ClocksDiffer, StoreUnavailable, StoreSwapped.
    """
    copied = 0
    await known_store.must_be_ours(store)
    locked_until = until(law(), "checkpoint_lock", await clocks.must_agree())
    while waiting := await fetch(NOT_STORED):
        for row in waiting:
            versions = []
            for content, ending in ((row["leaves"], LEAVES), (row["signed"].encode(), SIGNED)):
                put = await store.put(key_of(row["number"], row["signed"], ending), content, "application/octet-stream")
                await store.lock(put.key, put.version, locked_until)
                versions.append(put.version)
            await execute(MARK_STORED, row["number"], versions[1], versions[0])
            copied += 1
    return copied


def key_of(number: int, signed: str, ending: str) -> str:
    """The key of a file of this checkpoint in the store.

    It contains the digest of the signed text, so two different checkpoints never share a key.
    """
    return f"{FOLDER}{number:012}-{digest_of(signed)[:32]}{ending}"


def digest_of(signed: str) -> str:
    return hashlib.sha256(signed.encode()).hexdigest()


def pack_leaves(leaves: Iterable[tuple[int, bytes]]) -> bytes:
    """The leaves file of these rows: seq and leaf hash of each."""
    return b"".join(LEAF.pack(seq, leaf) for seq, leaf in leaves)


def unpack_leaves(content: bytes) -> list[tuple[int, bytes]]:
    """Read a leaves file. Raises struct.error if it does not contain a whole number of rows."""
    return [(seq, leaf) for seq, leaf in LEAF.iter_unpack(content)]
