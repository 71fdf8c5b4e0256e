"""Verifying the journal: every change is found and named, and the owner of the database cannot hide one."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import jwt
import pytest
from litestar import Litestar

from backend import erasing
from backend.core import database, journal
from backend.core.database import DB
from backend.core.keys import ALGORITHM, KeyRing, fingerprint
from backend.core.settings import Settings
from backend.proof import checkpoints
from backend.proof.tree import leaf_hash
from backend.proof.trust import KeySet
from backend.proof.verifying import JournalReport, verify
from backend.registry import MAY_CHANGE_BY_LINE
from migrations.apply import migrate
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, ObjectLocked
from tests.databases import taken_for_ours
from tests.endpoint import bucket

ROWS = 12  # under three checkpoints, and two more that are not proved yet
NUMBERS = itertools.count()
ALTER = "ALTER TABLE journal DISABLE TRIGGER USER"
ALTER_CHECKPOINTS = "ALTER TABLE checkpoint DISABLE TRIGGER USER"
Owner = asyncpg.Connection


@dataclass(frozen=True)
class Witness:
    """A journal with a history of its own: twelve rows under three checkpoints, and two without."""

    settings: Settings
    store: EvidenceStore
    ring: KeyRing

    @property
    def known(self) -> KeySet:
        return KeySet(keys=self.ring.public(), endorsements=self.ring.endorsements())

    @property
    def trust(self) -> str:
        return fingerprint(self.ring.public()[-1])

    async def look(self, *trust: str) -> JournalReport:
        async with instead(str(self.settings.database_url)):
            return await verify(
                self.store, self.known, trust or [self.trust], MAY_CHANGE_BY_LINE, lambda done, total: None
            )

    async def as_owner(self, *statements: str) -> None:
        owner = await asyncpg.connect(self.settings.migrate_url)
        try:
            for statement in statements:
                await owner.execute(statement)
        finally:
            await owner.close()


@asynccontextmanager
async def instead(url: str) -> AsyncIterator[None]:
    """Use another database instead of that of the test run, while the block runs."""
    pool, DB.pool = DB.pool, None
    try:
        async with database.opened(url, size=3):
            yield
    finally:
        DB.pool = pool


def renamed(settings: Settings, name: str) -> Settings:
    """The same server, another database."""
    urls = {
        each: urlsplit(str(getattr(settings, each)))._replace(path=f"/{name}").geturl()
        for each in ("database_url", "migrate_url")
    }
    return replace_settings(settings, **urls, s3_bucket=bucket(f"proof-{name.replace('_', '-')}"))


def replace_settings(settings: Settings, **fields: Any) -> Settings:
    from msgspec.structs import replace as changed

    return changed(settings, **fields)


async def as_superuser(settings: Settings, name: str = "postgres") -> asyncpg.Connection:
    """A connection as superuser of the whole server."""
    password = (settings.data_dir / "postgres" / "superuser.password").read_text()
    query = urlsplit(str(settings.migrate_url)).query
    return await asyncpg.connect(f"postgresql://postgres@/{name}?{query}", password=password)


async def rows(count: int) -> None:
    for number in range(count):
        at = datetime(2026, 3, 1, 8, tzinfo=UTC) + timedelta(minutes=number)
        async with database.tx():
            await journal.append(
                journal.Line(
                    at=at, verb="shifts/check-in", outcome="recorded", organ="330102010000", actor=uuid4(), id=uuid4(),
                    subjects=[uuid4()], facts={"device_seq": number},
                )
            )  # fmt: skip


@pytest.fixture(scope="module")
async def template(house: Settings, app: Litestar, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database with the history. Nobody is connected to it, because each test copies it."""
    server = await as_superuser(house)
    await server.execute("CREATE DATABASE proof OWNER fujing_owner")
    await server.close()
    server = await as_superuser(house, "proof")
    await server.execute("CREATE EXTENSION btree_gist")
    await server.close()
    settings = renamed(house, "proof")
    settings = replace_settings(settings, data_dir=tmp_path_factory.mktemp("proof"))
    pool, DB.pool = DB.pool, None
    try:
        await migrate(str(settings.migrate_url), urlsplit(str(settings.database_url)).username or "")
    finally:
        DB.pool = pool
    store = taken_for_ours(store_of(settings))
    await store.prepare()
    ring = KeyRing(settings.secrets_dir, "evidence")
    async with instead(str(settings.database_url)):
        for _ in range(3):
            await rows(ROWS // 3)
            assert ROWS // 3 == await checkpoints.make(store, ring, datetime.now(UTC), at_once=True)
            ring.rotate()
        await rows(2)
    store.close()
    return settings


@pytest.fixture
async def witness(house: Settings, template: Settings) -> AsyncIterator[Witness]:
    name = f"proof_{next(NUMBERS)}"
    server = await as_superuser(house)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE proof OWNER fujing_owner")
    settings = replace_settings(renamed(template, name), s3_bucket=template.s3_bucket)
    store = taken_for_ours(store_of(settings))
    before = await store.versions("")
    yield Witness(settings, store, KeyRing(settings.secrets_dir, "evidence"))
    there = {(each.key, each.version) for each in before}
    for each in await store.versions(""):
        if (each.key, each.version) not in there:
            with contextlib.suppress(ObjectLocked):
                await store.remove(each.key, each.version)
    store.close()
    await server.execute(f"DROP DATABASE {name} (FORCE)")
    await server.close()


@pytest.fixture
async def apart(witness: Witness) -> AsyncIterator[Witness]:
    """The same with its own bucket, for checkpoints that are signed in the test and stay locked there."""
    settings = replace_settings(witness.settings, s3_bucket=bucket(f"apart-{next(NUMBERS)}"))
    store = taken_for_ours(store_of(settings))
    await store.prepare()
    for each in await witness.store.versions(checkpoints.FOLDER):
        await store.put(each.key, await witness.store.read(each.key, each.version), "application/octet-stream")
    yield Witness(settings, store, witness.ring)
    store.close()


async def test_a_journal_that_nobody_touched_verifies(witness: Witness) -> None:
    """Rows under checkpoints are proved, later ones are not proved yet, across two rotations of the key."""
    report = await witness.look()
    assert ([], ROWS, 2, 3, True) == (report.flaws, report.proved, report.unproved, report.checkpoints, report.trusted)


async def test_trust_in_the_newest_key_reaches_back(witness: Witness) -> None:
    assert [] == (await witness.look(fingerprint(witness.ring.public()[0]))).flaws


async def test_a_key_that_nobody_vouches_for_is_not_trusted(witness: Witness, tmp_path: Path) -> None:
    other = KeyRing(tmp_path, "evidence")
    report = await witness.look(fingerprint(other.public()[0]))
    assert ["checkpoint_signature"] * 3 == [flaw.code for flaw in report.flaws]
    assert (0, ROWS + 2) == (report.proved, report.unproved)


async def test_without_trust_the_signer_is_unverified(witness: Witness) -> None:
    async with instead(str(witness.settings.database_url)):
        report = await verify(witness.store, witness.known, [], MAY_CHANGE_BY_LINE, lambda done, total: None)
    assert (False, []) == (report.trusted, report.flaws)


ENTRY = "convert_to(replace(convert_from(entry, 'UTF8'), '\"device_seq\":1', '\"device_seq\":7'), 'UTF8')"
OTHER_ORGAN = "convert_to(replace(convert_from(entry, 'UTF8'), '330102010000', '330102020000'), 'UTF8')"
COPIED = """INSERT INTO journal (epoch, xid, at, actor, verb, outcome, subjects, organ, entry)
    SELECT epoch, xid, at, actor, verb, 'done', subjects, organ,
        convert_to(replace(replace(convert_from(entry, 'UTF8'), '"recorded"', '"done"'),
            '"id":"' || entry_id || '",', ''), 'UTF8')
    FROM journal WHERE seq = 6"""
SWAPPED = """UPDATE journal j SET at = o.at, actor = o.actor, entry_id = NULL, subjects = o.subjects, entry = o.entry,
    outcome = 'done' FROM journal o WHERE o.seq = 11 - j.seq AND j.seq IN (5, 6)"""
SWAPPED_WHOLE = (
    "ALTER TABLE journal ALTER COLUMN seq DROP IDENTITY",
    "UPDATE journal SET seq = -seq WHERE seq IN (5, 6)",
    "UPDATE journal SET seq = 11 + seq WHERE seq < 0",
)
EDITED = f"UPDATE journal SET entry = {ENTRY} WHERE seq = 6"  # noqa: S608
AGREEING = f"UPDATE journal SET organ = '330102020000', entry = {OTHER_ORGAN} WHERE seq = 6"  # noqa: S608
REWRITTEN = f"UPDATE journal SET entry = {ENTRY}"  # noqa: S608
TAMPERED: dict[str, tuple[tuple[str, ...], str, int | None]] = {
    "a column edited": (("UPDATE journal SET organ = '330102020000' WHERE seq = 6",), "row_columns", 6),
    "the bytes edited": ((EDITED,), "row_altered", 6),
    "bytes and columns made to agree": ((AGREEING,), "row_altered", 6),
    "the bytes made no line at all": (("UPDATE journal SET entry = 'x' WHERE seq = 6",), "row_unreadable", 6),
    "a row deleted": (("DELETE FROM journal WHERE seq = 6",), "row_removed", 6),
    "the last one under a checkpoint deleted": (("DELETE FROM journal WHERE seq = 12",), "row_removed", 12),
    "a whole checkpoint's rows deleted": (("DELETE FROM journal WHERE seq BETWEEN 5 AND 8",), "row_removed", 5),
    "a row inserted": ((COPIED,), "row_inserted", 15),
    "two rows swapped": (SWAPPED_WHOLE, "row_moved", 5),
    "a row moved to another place": (("UPDATE journal SET xid = '1' WHERE seq = 6",), "row_inserted", 6),
    "everything truncated": (("ALTER TABLE journal DISABLE TRIGGER journal_no_truncate", "TRUNCATE journal"),
        "row_removed", 1),
}  # fmt: skip


@pytest.mark.parametrize("way", TAMPERED)
async def test_a_row_that_was_tampered_with_is_named(witness: Witness, way: str) -> None:
    statements, code, seq = TAMPERED[way]
    await witness.as_owner(ALTER, *statements)
    first = (await witness.look()).flaws[0]
    assert (code, seq) == (first.code, first.seq), first
    assert str(seq) in first.sentence("zh")
    assert str(seq) in first.sentence("en")


async def test_the_contents_of_two_rows_swapped(witness: Witness) -> None:
    await witness.as_owner(ALTER, "DROP INDEX journal_entry_once", SWAPPED)
    report = await witness.look()
    assert {("row_moved", 5), ("row_moved", 6)} <= {(flaw.code, flaw.seq) for flaw in report.flaws}


async def test_what_is_not_proved_yet_is_compared_with_its_columns(witness: Witness) -> None:
    await witness.as_owner(ALTER, "UPDATE journal SET organ = NULL WHERE seq = 14")
    assert ("row_columns", 14) == (lambda flaw: (flaw.code, flaw.seq))((await witness.look()).flaws[0])


async def test_a_checkpoint_taken_away_is_in_the_store_still(witness: Witness) -> None:
    await witness.as_owner(ALTER_CHECKPOINTS, "DELETE FROM checkpoint WHERE number = 3")
    assert ["copy_unknown"] == [flaw.code for flaw in (await witness.look()).flaws]


async def test_a_checkpoint_taken_out_of_the_middle(witness: Witness) -> None:
    """The next one does not follow the one before it, and the store still has what is missing."""
    await witness.as_owner(ALTER_CHECKPOINTS, "DELETE FROM checkpoint WHERE number = 2")
    codes = [flaw.code for flaw in (await witness.look()).flaws]
    assert {"checkpoint_chain", "copy_unknown", "row_inserted"} == set(codes)


async def test_a_checkpoint_altered(witness: Witness) -> None:
    await witness.as_owner(ALTER_CHECKPOINTS, "UPDATE checkpoint SET total = 99 WHERE number = 2")
    assert ["checkpoint_columns"] == [flaw.code for flaw in (await witness.look()).flaws]


async def test_a_checkpoint_signed_by_another_key(witness: Witness, tmp_path: Path) -> None:
    """Somebody writes another history and signs it with their own key."""
    await forge(witness, KeyRing(tmp_path, "evidence"))
    codes = [flaw.code for flaw in (await witness.look()).flaws]
    assert "checkpoint_signature" in codes
    assert "copy_unknown" in codes


async def test_a_whole_history_rebuilt_by_the_owner_with_the_key_itself(witness: Witness) -> None:
    """The locked store still has what was signed before."""
    await forge(witness, witness.ring)
    codes = {flaw.code for flaw in (await witness.look()).flaws}
    assert "copy_unknown" in codes


async def forge(witness: Witness, ring: KeyRing) -> None:
    """Another history, every row and column in order, under checkpoints of its own that are in the store too."""
    await witness.as_owner(
        ALTER, ALTER_CHECKPOINTS, "ALTER TABLE journal DISABLE TRIGGER journal_no_truncate",
        "ALTER TABLE checkpoint DISABLE TRIGGER checkpoint_no_truncate", REWRITTEN,
        "TRUNCATE checkpoint",
    )  # fmt: skip
    async with instead(str(witness.settings.database_url)):
        for number in (4, 8, 12):
            await forged(ring, number)


async def forged(ring: KeyRing, until: int) -> None:
    last = await database.first(checkpoints.LAST)
    after = journal.position(last) if last else journal.Position()
    covered = await database.fetch("SELECT * FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq", after.seq, until)
    leaves = [(row["seq"], leaf_hash(row["entry"])) for row in covered]
    now = datetime.now(UTC)
    claims = checkpoints._claims(last, after, journal.position(covered[-1]), leaves, now)
    signed = ring.sign(checkpoints.msgspec.to_builtins(claims), checkpoints.TYPE)
    await database.execute(
        checkpoints.INSERT, claims.number, claims.last.epoch, claims.last.xid, claims.last.seq, claims.rows,
        claims.total, now, signed, checkpoints.pack_leaves(leaves),
    )  # fmt: skip


COVERED: dict[str, Callable[[EvidenceStore, str], Awaitable[Any]]] = {
    "by a new version": lambda store, key: store.put(key, b"another", "text/plain"),
    "by a deletion": lambda store, key: store.remove(key, ""),
}


@pytest.mark.parametrize("ending", [checkpoints.SIGNED, checkpoints.LEAVES])
@pytest.mark.parametrize("way", COVERED)
async def test_a_copy_in_the_store_covered(witness: Witness, way: str, ending: str) -> None:
    key = next(each.key for each in await witness.store.versions(checkpoints.FOLDER) if each.key.endswith(ending))
    await COVERED[way](witness.store, key)
    expected = "copy_differs" if "version" in way else "copy_covered"
    assert [expected] == [flaw.code for flaw in (await witness.look()).flaws]


@pytest.mark.parametrize("way", ["put again", "the deletion taken away"])
async def test_the_alarm_for_a_covered_copy_ends_when_it_was_made_good(witness: Witness, way: str) -> None:
    """A deletion that is no longer the newest covers nothing."""
    store = witness.store
    key = next(each.key for each in await store.versions(checkpoints.FOLDER) if each.key.endswith(checkpoints.SIGNED))
    (kept,) = await store.versions(key)
    await store.remove(key, "")
    assert ["copy_covered"] == [flaw.code for flaw in (await witness.look()).flaws]
    if way == "put again":
        await store.put(key, await store.read(key, kept.version), "application/jwt")
    else:
        (deletion,) = [each for each in await store.versions(key) if each.deletion]
        await store.remove(key, deletion.version)
    assert [] == (await witness.look()).flaws


async def test_nobody_removes_a_copy(witness: Witness) -> None:
    """COMPLIANCE: not this program either."""
    each = (await witness.store.versions(checkpoints.FOLDER))[0]
    with pytest.raises(ObjectLocked):
        await witness.store.remove(each.key, each.version)


async def test_a_checkpoint_is_due_by_time_or_by_number(apart: Witness) -> None:
    """Two rows wait for five minutes to pass; then they are covered, and nothing is covered twice."""
    async with instead(str(apart.settings.database_url)):
        now = datetime.now(UTC)
        assert 0 == await checkpoints.make(apart.store, apart.ring, now)
        late = now + timedelta(minutes=5)
        assert 2 == await checkpoints.make(apart.store, apart.ring, late)
        assert 0 == await checkpoints.make(apart.store, apart.ring, late + timedelta(minutes=10))


async def test_a_worker_killed_before_the_store_had_it(apart: Witness) -> None:
    """What was signed is taken there by the next one, and no second history is signed."""
    async with instead(str(apart.settings.database_url)):
        assert 2 == await checkpoints._sign_next(apart.ring, datetime.now(UTC), True)
    report = await apart.look()
    assert ([], ROWS + 2) == (report.flaws, report.proved)
    async with instead(str(apart.settings.database_url)):
        assert 1 == await checkpoints.copy_to_store(apart.store)
        assert 0 == await checkpoints.copy_to_store(apart.store)
    assert [] == (await apart.look()).flaws


async def test_the_journal_verifies_after_erasure(apart: Witness) -> None:
    """The content of an entry is gone with its salt, and every row is proved as before."""
    entry = uuid4()
    async with instead(str(apart.settings.database_url)):
        await database.execute("INSERT INTO organ (code, name, depth) VALUES ('330102010000', '城关', 0)")
        person = await database.value("INSERT INTO person DEFAULT VALUES RETURNING id")
        line = journal.Line(at=datetime.now(UTC), verb="shifts/check-in", outcome="recorded", id=entry, actor=person)
        await database.execute(journal.APPEND, *journal.columns(line))
        await database.execute(
            "INSERT INTO entry (id, actor, verb, salt, content) VALUES ($1, $2, 'shifts/check-in', $3, 'words')",
            entry, person, bytes(16),
        )  # fmt: skip
        await checkpoints.make(apart.store, apart.ring, datetime.now(UTC), at_once=True)
        assert {"entry: salt, content, despite": 1} == await erasing.erase(datetime.now(UTC) + timedelta(days=1100))
        assert await database.value("SELECT salt IS NULL AND content IS NULL FROM entry WHERE id = $1", entry)
        await checkpoints.make(apart.store, apart.ring, datetime.now(UTC), at_once=True)
    report = await apart.look()
    assert ([], ROWS + 4, 0) == (report.flaws, report.proved, report.unproved)


async def test_the_application_cannot_alter_a_checkpoint(witness: Witness) -> None:
    async with instead(str(witness.settings.database_url)):
        for statement in ("UPDATE checkpoint SET total = 9", "DELETE FROM checkpoint", "TRUNCATE checkpoint",
            "UPDATE checkpoint SET version = 'x'"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.execute(statement)


async def test_a_transaction_under_way_holds_later_rows_back(apart: Witness) -> None:
    """A row whose place is before another's is never left out because it was committed after it."""
    slow = await asyncpg.connect(apart.settings.database_url)
    running = slow.transaction()
    await running.start()
    await slow.execute(journal.APPEND, *journal.columns(journal.Line(at=datetime.now(UTC), verb="x", outcome="done")))
    async with instead(str(apart.settings.database_url)):
        await rows(1)
        assert 2 == await checkpoints.make(apart.store, apart.ring, datetime.now(UTC), at_once=True)
        await running.commit()
        await slow.close()
        assert 2 == await checkpoints.make(apart.store, apart.ring, datetime.now(UTC), at_once=True)
    report = await apart.look()
    assert ([], ROWS + 4, 0) == (report.flaws, report.proved, report.unproved)


def test_an_endorsement_by_a_stranger_counts_for_nothing(tmp_path: Path) -> None:
    """A key set in which a stranger's key says that ours vouches for it."""
    from backend.proof.trust import trusted_keys

    ours, theirs = KeyRing(tmp_path / "ours", "evidence"), KeyRing(tmp_path / "theirs", "evidence")
    claims = {"keys": [fingerprint(ours.public()[0]), fingerprint(theirs.public()[0])]}
    kid, key = theirs.newest()
    token = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": "fujing-key+jwt"})
    known = KeySet(keys=[*ours.public(), *theirs.public()], endorsements=[token])
    assert list(trusted_keys(known, [fingerprint(ours.public()[0])])) == [ours.newest()[0]]
