"""Old data under the new program: each released schema is migrated and keeps every row."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from litestar import Litestar
from rich.console import Console

from backend.complaints.service import OVERDUE
from backend.core.database import value
from backend.core.settings import Settings
from backend.proof.trust import KeySet
from backend.proof.verifying import Flaw, JournalReport, verify
from backend.registry import MAY_CHANGE_BY_LINE
from mobile_api.cli import verify as on_terminal
from mobile_api.cli.serving import environment
from tests.api.test_verified_facts import instead
from tests.databases import an_empty_database, client, dumped, migrating
from tests.houses import succeeded

SCHEMAS = {
    path.name.partition(".")[0]: gzip.decompress(path.read_bytes())
    for path in (Path(__file__).parents[1] / "data" / "schemas").glob("*.sql.gz")
}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
JOURNAL = """
SELECT md5(string_agg(entry::text, '' ORDER BY epoch, xid, seq)) FROM journal WHERE verb <> 'house/baseline'
"""


async def counted(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    tables = [row["tablename"] for row in await connection.fetch(TABLES)]
    counts = {table: await connection.fetchval(f'SELECT count(*) FROM "{table}"') for table in tables}  # noqa: S608
    await connection.close()
    return counts


async def journal_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    digest = await connection.fetchval(JOURNAL)
    await connection.close()
    return str(digest)


def migrated(url: str, processes: int) -> None:
    """Migrate the database with `processes` processes at once."""
    started = [migrating(url) for _ in range(processes)]
    errors = [process.communicate(timeout=60)[1] for process in started]
    assert [0] * processes == [process.returncode for process in started], errors


@pytest.fixture(scope="module")
async def newest(app: Litestar, house: Settings) -> list[str]:
    """The schema of an empty database after its migrations."""
    async with an_empty_database(house) as fresh:
        migrated(fresh, 1)
        return schema(fresh)


def test_schemas_were_kept() -> None:
    assert len(SCHEMAS) >= 2


@pytest.mark.parametrize("release", sorted(SCHEMAS))
async def test_a_released_schema_comes_up_to_date(house: Settings, newest: list[str], release: str) -> None:
    """Four processes migrate it at once: no row is lost, no journal line changes, and the schema is the same as that of
    an empty database after its migrations."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS[release])
        rows, lines = await counted(old), await journal_of(old)
        assert rows["journal"] > 50
        migrated(old, 4)
        now = await counted(old)
        same = rows.keys() - {"migration", "journal_epoch", "journal"}
        assert {table: rows[table] for table in same} == {table: now[table] for table in same}
        assert now["journal"] == rows["journal"] + (release < "0059"), "the line of the facts of before"
        assert now["journal_epoch"] == rows["journal_epoch"] + 1, "it was restored into another cluster"
        assert lines == await journal_of(old)
        assert newest == schema(old)


async def test_the_facts_of_before_are_kept_under_one_root(app: Litestar, house: Settings) -> None:
    """Each with its digest, in a table of the owner; the last line tells their number and their root."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0058"])
        migrated(old, 1)
        connection = await asyncpg.connect(old)
        kept = {row["key"]: row["digest"] for row in await connection.fetch("SELECT * FROM fact_baseline")}
        facts = {row["key"]: row["digest"] for row in await connection.fetch("SELECT * FROM fact_row")}
        verb, entry = await connection.fetchrow("SELECT verb, entry FROM journal WHERE verb = 'house/baseline'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute("DELETE FROM fact_baseline")
        await connection.close()
    assert len(kept) > 50
    assert (kept, "house/baseline") == (facts, verb)
    told = "".join(f"{key} {kept[key]}\n" for key in sorted(kept)).encode()
    root = hashlib.sha256(hashlib.sha256(told).digest()).hexdigest()
    assert {"rows": len(kept), "root": root} == json.loads(entry)["facts"]


async def compared(app: Litestar, url: str) -> tuple[JournalReport, list[Flaw]]:
    """What verifying says of the facts in this database."""
    ring = app.state.key_rings.evidence
    known = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    async with instead(url):
        report = await verify(app.state.store, known, [], MAY_CHANGE_BY_LINE, lambda done, total: None)
    return report, [flaw for flaw in report.flaws if flaw.code.startswith(("fact_", "baseline_", "row_"))]


async def test_the_facts_of_before_are_compared_with_what_was_signed(app: Litestar, house: Settings) -> None:
    """As they were at the upgrade. Since when they can be compared is told, and no flaw."""
    printed = io.StringIO()
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0058"])
        migrated(old, 1)
        report, untouched = await compared(app, old)
        async with instead(old):
            assert report.facts == await value("SELECT count(*) FROM fact_row")
            shift = await value(
                "UPDATE shift SET roster_post = 'x' WHERE id = (SELECT min(id::text)::uuid FROM shift) RETURNING id"
            )
        _, (altered,) = await compared(app, old)
    assert [] == untouched
    assert report.baseline is not None
    assert report.facts == report.baseline.rows > 50
    assert ("fact_altered", f"shift/{shift}") == (altered.code, altered.what)
    assert "the baseline" in altered.sentence("en")
    on_terminal.report(Console(file=printed), report, [])
    assert "not comparable before" in printed.getvalue()
    assert "nothing was altered" in printed.getvalue()


TWICE = """
INSERT INTO journal (at, verb, outcome, subjects, entry) SELECT now(), 'evidence/seal', 'done', ARRAY[u.id, u.owner],
    convert_to('{}', 'UTF8')
FROM upload u, generate_series(1, $1) WHERE u.id = (SELECT id FROM upload ORDER BY id LIMIT 1)
"""


async def test_a_house_that_sealed_an_upload_twice_comes_up_to_date(app: Litestar, house: Settings) -> None:
    """The two lines stay, for proof to name; no third one comes, and no other upload gets a second."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0058"])
        connection = await asyncpg.connect(old)
        await connection.execute(TWICE, 3)
        before = await connection.fetchval("SELECT count(*) FROM journal WHERE verb = 'evidence/seal'")
        migrated(old, 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(TWICE, 1)
        assert before == await connection.fetchval("SELECT count(*) FROM journal WHERE verb = 'evidence/seal'")
        await connection.close()


async def test_an_upgrade_says_who_ran_it(app: Litestar, house: Settings) -> None:
    """`fujing migrate` writes a line where it changed the schema; run again, it changes nothing and writes none."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0049"])
        lines = "SELECT entry FROM journal WHERE verb = 'house/migrate'"
        connection = await asyncpg.connect(old)
        for _ in range(2):
            succeeded(migrated_by_an_operator(house, old))
        (line,) = await connection.fetch(lines)
        await connection.close()
    facts = json.loads(line["entry"])["facts"]
    assert facts["before"] < facts["after"]
    assert ("zhang.wei", "migrate") == (facts["operator"]["sudo_user"], facts["operator"]["command"])


def migrated_by_an_operator(house: Settings, owner_url: str) -> subprocess.CompletedProcess[str]:
    """`fujing migrate` of this database, by sudo."""
    application = str(house.database_url).replace("@/fujing?", f"@/{urlsplit(owner_url).path.lstrip('/')}?")
    urls = {"FUJING_DATABASE_URL": application, "FUJING_MIGRATE_URL": owner_url, "SUDO_USER": "zhang.wei"}
    return subprocess.run(
        [sys.executable, "-m", "mobile_api.cli", "migrate"], env=environment(house) | urls, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip


async def test_everybody_has_one_stint_after_the_upgrade(app: Litestar, house: Settings) -> None:
    """With the badge, name, kind, organ and days that the columns said; and person_now shows them as before."""
    shown = "SELECT id, badge, name, kind, organ, serves_from, serves_until FROM {} ORDER BY id"
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0036"])
        connection = await asyncpg.connect(old)
        before = [tuple(row) for row in await connection.fetch(shown.format("person"))]
        await connection.close()
        migrated(old, 1)
        connection = await asyncpg.connect(old)
        after = [tuple(row) for row in await connection.fetch(shown.format("person_now"))]
        stints = await connection.fetchval("SELECT count(*) FROM stint WHERE source = 'import'")
        await connection.close()
    assert len(before) > 5
    assert (before, len(before)) == (after, stints)


async def test_terms_that_ran_before_keep_their_ends(app: Litestar, house: Settings) -> None:
    """A complaint was a petition from its receipt on, an extension counted at once; recusals keep theirs."""
    ends = "SELECT id, received_at, notice_by, end_by FROM complaint ORDER BY id"
    dues = "SELECT id, case_ref, case_kind, ground, due_at FROM recusal ORDER BY id"
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0049"])
        connection = await asyncpg.connect(old)
        before = [await connection.fetch(sql) for sql in (ends, dues)]
        await connection.close()
        migrated(old, 1)
        connection = await asyncpg.connect(old)
        after = [await connection.fetch(sql) for sql in (ends, dues)]
        (complaint,) = await connection.fetch("SELECT * FROM complaint")
        untold = await connection.fetch(next(term.due for term in OVERDUE if term.kind.endswith("untold")), NEVER)
        await connection.close()
    assert before == after
    assert ("petition", complaint["received_at"], complaint["end_by"]) == (
        complaint["kind"], complaint["accepted_at"], complaint["extended_from"],
    )  # fmt: skip
    assert [] == untold


SEALED_BEFORE = """
WITH chosen AS (SELECT id FROM recording ORDER BY id LIMIT 1),
sealed AS (
    UPDATE upload SET state = 'sealed', same_as = NULL, bytes = 1, sha256 = repeat('7', 64), version = 'v',
        receipt = 'r', sealed_at = now(), locked_until = now() WHERE id IN (SELECT id FROM chosen)
)
UPDATE recording SET probed_ms = 606000, ended_at = NULL WHERE id IN (SELECT id FROM chosen) RETURNING id, started_at
"""


async def test_footage_sealed_before_proves_its_length_until_it_is_probed_anew(app: Litestar, house: Settings) -> None:
    """As version 0; footage that is not sealed proves nothing, as before."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0042"])
        connection = await asyncpg.connect(old)
        before = await connection.fetchrow(SEALED_BEFORE)
        await connection.close()
        migrated(old, 1)
        connection = await asyncpg.connect(old)
        rows = {row["id"]: row for row in await connection.fetch("SELECT * FROM recording")}
        await connection.execute("SELECT place_film($1)", before["id"])
        placed = await connection.fetchrow("SELECT * FROM recording WHERE id = $1", before["id"])
        await connection.close()
    row, ended = rows.pop(before["id"]), before["started_at"] + timedelta(seconds=606)
    assert (0, [(before["started_at"], ended)], ended, ended) == (
        row["probe_version"], [(x.lower, x.upper) for x in row["proved"]], row["film_ends_at"], row["during"].upper,
    )  # fmt: skip
    assert row == placed
    assert [(None, [])] * len(rows) == [(each["probe_version"], each["proved"]) for each in rows.values()]


PAST_TERM = """
UPDATE upload SET state = 'sealed', bytes = 1, sha256 = encode(sha256(id::text::bytea), 'hex'), version = 'v',
    declared_at = '2025-01-02', touched_at = '2025-01-02', received_at = '2025-01-02', sealed_at = '2025-01-02',
    locked_until = '2025-08-01', receipt = 'x'
WHERE id = ANY ($1)
"""
OF_THE_ACT = """
UPDATE recording r SET wearer = a.person, started_at = a.started_at, ended_at = a.started_at + interval '1 minute'
FROM activity a JOIN activity_telling t ON t.activity = a.id AND t.id = a.id WHERE r.id = $1 AND t.work = '10.4'
"""
DUE = """
import asyncio, sys
from datetime import UTC, datetime
from backend.core.database import opened
from backend.evidence.retention import disposal
async def due():
    async with opened(sys.argv[1]):
        print(*[row["id"] for row in await disposal.due(datetime.now(UTC))])
asyncio.run(due())
"""


@pytest.mark.parametrize("release", sorted(release for release in SCHEMAS if release < "0045"))  # of before categories
async def test_footage_of_before_is_judged_before_the_first_disposal(
    app: Litestar, house: Settings, release: str
) -> None:
    """Past its term already when the upgrade comes: what is of a case or marked stays, what is neither falls due."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS[release])
        connection = await asyncpg.connect(old)
        films = [row["id"] for row in await connection.fetch("SELECT id FROM recording ORDER BY id LIMIT 3")]
        neither, of_case, marked = [*films, None][:3]  # the oldest schema has two
        await connection.execute(PAST_TERM, films)
        await connection.execute("UPDATE recording SET key_mark = id IS NOT DISTINCT FROM $1", marked)
        await connection.execute("UPDATE recording SET started_at = '2025-01-01', ended_at = '2025-01-01'")
        await connection.execute("UPDATE hold SET released_at = now(), released_by = placed_by, released_why = '-'")
        await connection.execute(
            "UPDATE activity_telling SET case_kind = 'criminal', case_ref = 'A1' WHERE work = '10.4' AND id = activity"
        )
        await connection.execute(OF_THE_ACT, of_case)
        migrated(old, 1)
        await connection.execute("UPDATE review SET over_at = '2025-02-01'")
        await connection.close()
        told = subprocess.run(  # noqa: ASYNC221
            [sys.executable, "-c", DUE, old], capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
    assert {str(neither)} == set(told.split())


def schema(url: str) -> list[str]:
    """The schema as a sorted list of statements: columns added later stand at the end of a table, so order differs.

    Without the parentheses of a trigger's condition: of (a OR b) OR c, a restored database keeps no inner ones.
    """
    text = dumped(url, "--schema-only").decode()
    lines = (line.strip().rstrip(",") for line in text.splitlines() if line and not line.startswith("--"))
    return sorted(re.sub(r"[()]", "", line) if "TRIGGER fact_" in line else line for line in lines)


OLD_HELD = """
INSERT INTO held_entry (id, actor, organ, session, verb, content, sent_at, received_at, occurred_at, reason,
    waiting_for, wakes, state)
SELECT $1, $2, organ, gen_random_uuid(), $3, $4, now(), now(), now(), 'device_revoked', '{}', '{}', 'waiting'
FROM person WHERE id = $2
"""


async def test_what_was_held_before_obeys_the_rule_of_its_verb_too(app: Litestar, house: Settings) -> None:
    """An appeal, a complaint and an injury that wait since before: whom they are kept from, and who finds them."""
    async with an_empty_database(house) as old:
        client("psql", old, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", given=SCHEMAS["0032"])
        connection = await asyncpg.connect(old)
        lin, sun, *_ = [row["id"] for row in await connection.fetch("SELECT id FROM person WHERE kind <> 'dock'")]
        entries = {
            "matters/raise": {"kind": "appeal", "words": "不公", "against": str(sun)},
            "complaints/receive": {"channel": "phone", "words": "粗暴", "person": str(sun)},
            "injuries/report": {"body_part": "右前臂"},
        }
        ids = {verb: uuid4() for verb in entries}
        for verb, fields in entries.items():
            content = json.dumps({"actor": str(lin), "verb": verb, "entry": fields})
            await connection.execute(OLD_HELD, ids[verb], lin, verb, content)
        migrated(old, 1)
        kept = {verb: await connection.fetchval("SELECT kept_from($1, $2)", ids[verb], sun) for verb in entries}
        found = {
            row["verb"]: set(row["listed_to"])
            for row in await connection.fetch("SELECT * FROM held_entry WHERE id = ANY ($1)", list(ids.values()))
        }
        await connection.close()
    assert {"matters/raise": True, "complaints/receive": True, "injuries/report": False} == kept
    assert {
        "matters/raise": {"commander", "inspector"},
        "complaints/receive": {"inspector"},
        "injuries/report": {"commander", "treasurer"},
    } == found


async def test_a_program_that_is_older_than_the_schema_ends_with_a_sentence(house: Settings) -> None:
    """It would answer entries with 500, and take a newer line for altered (tried); so it says what to do."""
    async with an_empty_database(house) as url:
        migrated(url, 1)
        connection = await asyncpg.connect(url)
        await connection.execute(
            "INSERT INTO migration (name, app_name, ran_on) VALUES ('2099-01-01T00:00:00:000000', 'fujing', now())"
        )
        process = migrating(url)
        said = process.communicate(timeout=60)[1]
        kept = await connection.fetchval("SELECT count(*) FROM migration WHERE name LIKE '2099%'")
        await connection.close()
    assert (1, 1) == (process.returncode, kept)
    assert "The schema is of a newer Fujing (2099-01-01T00:00:00:000000), and this program is older" in said
