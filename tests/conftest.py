"""One house for the whole run: real PostgreSQL and real S3, started once, and the application over them.

Guarantees: everything lives in pytest's own temporary directory, on loopback and private sockets, and ends with the
run. Tests and async fixtures share one event loop. Nothing is truncated: every test makes its own people.
"""

import asyncio
import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import psutil
import pytest
import structlog
from litestar import Litestar

from backend.core import settings
from backend.core.database import fetch
from backend.core.settings import Settings
from backend.evidence.sealing import seal
from backend.people import roster
from backend.registry import MAY_CHANGE, TOLD_TO
from mobile_api.app import GARBAGE_LOOKS, build
from mobile_api.cli import serving
from mobile_api.logs import without_messages
from tests.builders import MET, ORGANS, organ_row
from tests.databases import OWNER, by_owner
from tests.endpoint import left_behind, named_store
from tests.prepared import Templates

os.environ["LC_ALL"] = "C.UTF-8"  # sentences of the terminal are compared in English
MEMORY, ROOM = "/dev/shm", 12 * 2**30  # noqa: S108 - a directory of our own in it; bytes
IN_MEMORY = pytest.StashKey[Path]()
BEGUN = pytest.StashKey[subprocess.Popen[bytes]]()
MADE_UP = {"views/open", "x"}  # lines that tests write themselves
# The tables whose facts the lines of each verb changed (docs/adr/0055).
CHANGED = """
WITH told AS MATERIALIZED (SELECT verb, entry FROM journal WHERE position('"rows":{'::bytea IN entry) > 0)
SELECT DISTINCT verb, split_part(key, '/', 1) AS name
FROM told, jsonb_object_keys(convert_from(entry, 'UTF8')::jsonb -> 'rows') key
"""

LONG = (  # longest first, by `make test ARGS=--durations=0`
    "test_soak", "test_figures", "test_a_gibibyte", "test_serving", "test_three_devices", "test_any_request",
    "test_no_trace",
    "test_who_may_what", "test_free_text", "test_demo", "test_a_year", "test_backup", "test_feed_restore",
    "test_ingest", "test_away", "test_embedded", "test_upgrade", "test_sealing", "test_uploads", "test_hurt_on_duty",
    "test_events", "test_developing", "test_watching", "test_kept_footage", "test_timecode", "test_workbooks",
    "test_sync", "test_lists", "test_examples", "test_a_review", "test_disposal", "test_outbox", "test_looking_back",
    "test_lan", "test_a_phone_in_the_network", "test_commands", "test_roster", "test_proof",
)  # fmt: skip
# What holds on any store: its contract, and the main job. `make test-store` runs these.
ON_ANY_STORE = (
    "test_evidence_store", "test_rights", "test_store_nonsense", "test_uploads", "test_sealing", "test_watching",
    "test_holds", "test_disposal", "test_proof", "test_demo",
)  # fmt: skip
REST = ("faults", "stories", "api", "rules")  # of the other files: those whose tests start servers of their own first


@pytest.hookimpl(tryfirst=True)  # before pytest chooses its temporary directory
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore::litestar.exceptions.LitestarDeprecationWarning")
    hypothesis.settings.register_profile("fujing", deadline=None)  # a busy machine is no fault of an example
    hypothesis.settings.load_profile("fujing")
    named_store()  # one that cannot be is told before anything starts
    log_as_served()
    gc.set_threshold(GARBAGE_LOOKS, 20, 20)
    gc.disable()  # what is imported and collected stays
    if config.option.basetemp is None and has_memory_to_spare():
        config.stash[IN_MEMORY] = Path(tempfile.mkdtemp(prefix="fujing-tests-", dir=MEMORY))
        config.option.basetemp = str(config.stash[IN_MEMORY] / "run")
    if is_first_of_all(config):
        config.stash[BEGUN] = Templates(Path(config.option.basetemp).parent).begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if BEGUN in config.stash:
        config.stash[BEGUN].wait()
    if IN_MEMORY in config.stash:
        shutil.rmtree(config.stash[IN_MEMORY], ignore_errors=True)


def has_memory_to_spare() -> bool:
    """Whether the files of a run fit into memory. There a PostgreSQL of 1900 files is copied in a fifth of the time.

    They are removed at the end of the run; with --basetemp=PATH they are on disk, and stay.
    """
    if not os.access(MEMORY, os.W_OK):
        return False
    return min(psutil.virtual_memory().available, shutil.disk_usage(MEMORY).free) > ROOM


def is_first_of_all(config: pytest.Config) -> bool:
    """Whether this is the first of several processes that run all tests: it has houses made while all collect."""
    is_first = getattr(config, "workerinput", {}).get("workerid") == "gw0"
    return is_first and not config.option.keyword and config.args == config.getini("testpaths")


def log_as_served() -> None:
    """JSON lines, as in production: structlog's coloured lines take a tenth of the time of a request."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            without_messages,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """On a store that was named, what holds on any store is all that runs."""
    is_test = collection_path.suffix == ".py" and collection_path.stem.startswith("test_")
    return True if is_test and named_store() and collection_path.stem not in ON_ANY_STORE else None


def pytest_collection_finish() -> None:
    """As the served application does: what was imported and collected is not looked at again for garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that all processes end at about the same time."""
    order = {name: number for number, name in enumerate((*LONG, *REST))}
    items.sort(key=lambda item: order.get(item.path.stem, order.get(item.path.parent.name, len(order))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tried on this machine, and why: a green run says only what it ran."""
    reasons = {
        report.longrepr[2] for report in terminalreporter.getreports("skipped") if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(f"not run: {reason.removeprefix('Skipped: ')}", yellow=True)
    for line in left_behind():
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Houses to copy, the same ones for all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return Templates(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[Settings]:
    """The settings of a house whose services run and whose schema is in place."""
    home = tmp_path_factory.mktemp("house") / "data"
    named = named_store()
    elsewhere = named.settings("house") if named else {}
    if not named:  # a house that was made knows the bucket that it was made with
        templates.bare(home)
    chosen = settings.load({"FUJING_DATA_DIR": str(home), "FUJING_POOL_SIZE": "16"} | elsewhere)
    with serving.services(chosen) as full:
        asyncio.run(serving.prepare(full))
        yield full
    shutil.rmtree(home)


@pytest.fixture(scope="session")
async def app(house: Settings) -> AsyncIterator[Litestar]:
    """The application, its pools open, with the organs that the tests' people serve in."""
    application = build(house)
    OWNER.append(str(house.migrate_url))
    async with application.lifespan():
        await roster.bring_in([organ_row(*organ) for organ in ORGANS])
        yield application
        written = {row["verb"] for row in await fetch("SELECT DISTINCT verb FROM journal")}
        changed = {(row["verb"], row["name"]) for row in await fetch(CHANGED)}
    allowed = {(verb, name) for verb, names in MAY_CHANGE.items() for name in names}
    assert set() == changed - allowed - {(made_up, name) for made_up in MADE_UP for _, name in changed}, (
        "see Verb.changes"
    )
    assert set() == written - set(TOLD_TO) - MADE_UP, "the journal holds lines that the registry does not list"
    from tests.contract_problems import (
        unlisted,  # it imports the application, which must come after pytest's filters for warnings
    )

    assert set() == unlisted(MET), "a test was answered a problem that the contract does not list"


@pytest.fixture(scope="session")
def seal_all(app: Litestar) -> Callable[[], Awaitable[int]]:
    """Seals every upload that was received, as the worker does; returns how many."""

    async def all_received() -> int:
        rows = await fetch("SELECT id FROM upload WHERE state = 'received' ORDER BY received_at")
        for row in rows:
            await seal(app.state.store, app.state.key_rings, row["id"])
        return len(rows)

    return all_received


@pytest.fixture
async def no_place_of_another_test(app: Litestar) -> None:
    """A hold on a place covers footage of which nobody can say where it was filmed: those of other tests are over."""
    await by_owner(
        "UPDATE hold SET released_at = now(), released_by = placed_by, released_why = 'another test' "
        "WHERE released_at IS NULL AND place IS NOT NULL"
    )


@pytest.fixture
async def owner(house: Settings, app: Litestar) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that owns the tables."""
    connection = await asyncpg.connect(house.migrate_url)
    yield connection
    await connection.close()


@pytest.fixture
async def application_role(house: Settings, app: Litestar) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that serves requests."""
    connection = await asyncpg.connect(house.database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]
