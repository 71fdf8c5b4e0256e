"""One byte of the journal's file is another: every row that can be read is proved, and what cannot is named."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from litestar import Litestar

from backend.core import database, journal
from backend.core.database import DB, fetch
from backend.core.database_errors import is_damage
from backend.core.keys import KeyRing
from backend.core.settings import Settings
from backend.oversight import gauges
from backend.oversight.alarms import ringing
from backend.proof import checkpoints, damaged
from backend.proof.verifying import Flaw, JournalReport
from migrations.apply import migrate, role_of
from mobile_api import metrics
from mobile_api.cli.verify import last_line
from mobile_api.problems import DAMAGE, read_failure
from mobile_api.stores import store_of
from tests.api.test_proof import Witness, as_superuser, instead, renamed, replace_settings, rows
from tests.databases import taken_for_ours
from tests.rules.test_alarms import WELL

COVERED, NOT_YET = 120, 40  # rows under three checkpoints, and after them
LONG = 70  # of them, one with an entry that lies outside its page
PAGE = 8192
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
async def made(house: Settings, app: Litestar, tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """A database with a journal of several pages, which nobody is connected to: each test copies its files."""
    server = await as_superuser(house)
    await server.execute("CREATE DATABASE whole OWNER fujing_owner")
    await server.close()
    server = await as_superuser(house, "whole")
    await server.execute("CREATE EXTENSION btree_gist")
    await server.close()
    settings = replace_settings(renamed(house, "whole"), data_dir=tmp_path_factory.mktemp("whole"))
    pool, DB.pool = DB.pool, None
    try:
        await migrate(str(settings.migrate_url), role_of(str(settings.database_url)))
    finally:
        DB.pool = pool
    store, ring = taken_for_ours(store_of(settings)), KeyRing(settings.secrets_dir, "evidence")
    await store.prepare()
    async with instead(str(settings.database_url)):
        for part in range(3):
            await rows(COVERED // 3 - (part == 1))
            if part == 1:
                await a_long_row()
            assert COVERED // 3 == await checkpoints.make(store, ring, datetime.now(UTC), at_once=True)
        await rows(NOT_YET)
    return Witness(settings, store, ring)


async def a_long_row() -> None:
    facts = {"words": [uuid4().hex for _ in range(400)]}
    async with database.tx():
        await journal.append(journal.Line(at=datetime.now(UTC), verb="x", outcome="done", facts=facts))


class Copy:
    """A copy of that database whose files nobody has read yet, so that a byte can be flipped in one of them."""

    def __init__(self, whole: Witness, cluster: Path, name: str) -> None:
        settings = replace_settings(renamed(whole.settings, name), s3_bucket=whole.settings.s3_bucket)
        self.witness, self._cluster, self._name = Witness(settings, whole.store, whole.ring), cluster, name

    def flip(self, path: str, page: int) -> None:
        """Flip one byte of this page of a relation's file."""
        with (self._cluster / path).open("r+b") as file:
            file.seek(page * PAGE + 4000)
            (byte,) = file.read(1)
            file.seek(page * PAGE + 4000)
            file.write(bytes([byte ^ 1]))

    async def look(self) -> JournalReport:
        return await self.witness.look()


@pytest.fixture
async def copy(made: Witness, house: Settings) -> AsyncIterator[Copy]:
    server, name = await as_superuser(house), f"damaged_{next(NUMBERS)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE whole STRATEGY file_copy OWNER fujing_owner")
    yield Copy(made, house.data_dir / "postgres" / "cluster", name)
    await server.execute(f"DROP DATABASE {name} (FORCE)")
    await server.close()


async def places(made: Witness, house: Settings, name: str) -> dict[str, str]:
    """The file of each relation of the journal, for the database of this name; the map of a copy is the template's."""
    server = await as_superuser(house, "whole")
    listed = await server.fetch(
        """
        SELECT c.relname, pg_relation_filenode(c.oid) AS node FROM pg_class c
        WHERE c.relname IN ('journal', 'journal_order', 'journal_subjects')
            OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'journal')
        """
    )
    oid = await server.fetchval("SELECT oid FROM pg_database WHERE datname = $1", name)
    await server.close()
    return {"toast" if "toast" in row["relname"] else row["relname"]: f"base/{oid}/{row['node']}" for row in listed}


async def pages_of_rows(house: Settings) -> dict[int, list[int]]:
    """The numbers of the rows on each page of the journal."""
    server = await as_superuser(house, "whole")
    found: dict[int, list[int]] = {}
    for row in await server.fetch("SELECT (ctid::text::point)[0]::int AS page, seq FROM journal ORDER BY seq"):
        found.setdefault(row["page"], []).append(row["seq"])
    await server.close()
    return found


async def test_the_rows_of_a_damaged_page_are_named_and_the_rest_is_proved(
    made: Witness, house: Settings, copy: Copy
) -> None:  # fmt: skip
    """A page under a checkpoint: from which row to which; every other row is proved as before."""
    files, pages = await places(made, house, copy._name), await pages_of_rows(house)
    lost = pages[1]
    assert len(pages) > 4
    copy.flip(files["journal"], 1)
    report = await copy.look()
    (flaw,) = report.flaws
    assert ("rows_unreadable", lost[0], lost[-1], str(len(lost))) == (flaw.code, flaw.seq, flaw.until, flaw.what)
    assert (COVERED - len(lost), NOT_YET, 3) == (report.proved, report.unproved, report.checkpoints)
    assert f"from row {lost[0]} to row {lost[-1]}, {len(lost)} rows cannot be read" in flaw.sentence("en")


async def test_rows_that_no_checkpoint_covers_are_named_too(made: Witness, house: Settings, copy: Copy) -> None:
    """The last page: its numbers are told by the sequence that gave them."""
    files, pages = await places(made, house, copy._name), await pages_of_rows(house)
    last = max(pages)
    assert min(pages[last]) > COVERED
    copy.flip(files["journal"], last)
    report = await copy.look()
    (flaw,) = report.flaws
    assert (pages[last][0], pages[last][-1]) == (flaw.seq, flaw.until)
    assert (COVERED, NOT_YET - len(pages[last])) == (report.proved, report.unproved)


async def test_a_row_that_was_removed_is_not_taken_for_lost(
    made: Witness, house: Settings, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Far from the damaged page a missing row was removed, and is told so."""
    files, pages = await places(made, house, copy._name), await pages_of_rows(house)
    copy.flip(files["journal"], max(pages))
    await copy.witness.as_owner("ALTER TABLE journal DISABLE TRIGGER USER", "DELETE FROM journal WHERE seq = 3")
    monkeypatch.setattr(damaged, "NEAR", 1)  # the journal has few pages
    found = [(flaw.code, flaw.seq) for flaw in (await copy.look()).flaws]
    assert [("row_removed", 3), ("rows_unreadable", pages[max(pages)][0])] == found


async def test_a_long_row_is_lost_alone(made: Witness, house: Settings, copy: Copy) -> None:
    """What lies outside the page: only the row whose bytes are there is lost."""
    files = await places(made, house, copy._name)
    copy.flip(files["toast"], 0)
    report = await copy.look()
    (flaw,) = report.flaws
    assert ("rows_unreadable", "1") == (flaw.code, flaw.what)
    assert (COVERED - 1, NOT_YET) == (report.proved, report.unproved)


async def test_a_damaged_index_loses_no_row(made: Witness, house: Settings, copy: Copy) -> None:
    """The order of the rows is read another way: all are proved, and the index is named as what to make anew."""
    files = await places(made, house, copy._name)
    copy.flip(files["journal_order"], 1)
    server = await as_superuser(house)
    await server.execute(f"ALTER DATABASE {copy._name} SET enable_seqscan = off")  # as it is for a long journal
    await server.close()
    report = await copy.look()
    assert ["index_damaged"] == [flaw.code for flaw in report.flaws]
    assert (COVERED, NOT_YET) == (report.proved, report.unproved)
    assert "damaged" in last_line(report.flaws)
    assert "altered" not in last_line(report.flaws)


def test_damage_hides_no_alteration() -> None:
    """Whoever alters a row and damages another still reads that something was altered."""
    altered, damaged = Flaw(code="row_altered", seq=1), Flaw(code="rows_unreadable", seq=2)
    assert "✗ 有改动 altered" == last_line([damaged, altered])
    assert "damaged" in last_line([damaged])
    assert "nothing was altered" in last_line([])


async def test_a_damaged_page_is_a_problem_of_its_own_and_an_alarm(
    made: Witness, house: Settings, copy: Copy
) -> None:  # fmt: skip
    """No 500: 503 `database_damaged`, to be sent again later; who keeps the house running is alarmed."""
    files = await places(made, house, copy._name)
    copy.flip(files["journal"], 0)
    before = DAMAGE._value.get()
    async with instead(str(copy.witness.settings.database_url)):
        assert 0 == await gauges.damaged_pages()
        with pytest.raises(asyncpg.PostgresError) as raised:
            await fetch("SELECT entry FROM journal")
        assert is_damage(raised.value)
        refusal = read_failure(raised.value, "/v1/changes")
        assert ("database_damaged", 503, 300) == (refusal.code, refusal.status, refusal.wait_seconds)
        seen = await damage_told()
        assert seen > 0
    assert before + 1 == DAMAGE._value.get()
    assert ["FujingDatabaseDamaged"] == [alarm.name for alarm in ringing(WELL | {"database_damaged": seen})]
    DAMAGE.reset()


async def damage_told() -> float:
    """What the gauges tell once the server has counted the failure."""
    asked: Any = metrics.DatabaseGauges()
    for _ in range(50):
        await asked.refresh()
        if asked.damaged:
            break
        asked._at = 0.0
        await asyncio.sleep(0.1)
    return float(asked.damaged)
