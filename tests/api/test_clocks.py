"""The clocks of servers: seconds apart they serve each other's sessions; minutes apart, nothing is destroyed."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend import erasing
from backend.core import clocks
from backend.core.database import fetch, value
from backend.core.days import until
from backend.core.refusals import Refusal
from backend.core.settings import Settings
from backend.evidence import sealing
from backend.evidence.retention import disposal
from backend.law.catalogue import law
from backend.people.sessions import TokenReader, _tokens
from backend.proof import checkpoints
from mobile_api.cli.serving import environment
from tests.api.test_operating import figures
from tests.builders import a_check_in, a_duty_auxiliary, now, recorded
from tests.devices import completed, declare, opened_in_store, parts_of, row_of, send_missing, some_bytes

STANDS = "SELECT count(*) FROM finding WHERE kind = 'clocks_differ' AND withdrawn_at IS NULL"
AHEAD = """
import datetime as standard, sys
ahead = standard.timedelta(seconds=float(sys.argv.pop(1)))
class Ahead(standard.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + ahead
standard.datetime = Ahead
"""
DESTROY = """
import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4
from backend import erasing
from backend.core import settings
from backend.core.database import opened
from backend.core.refusals import Refusal
from backend.evidence import sealing
from backend.evidence.retention import disposal
from mobile_api.stores import store_of
async def main():
    full = settings.load()
    store = store_of(full)
    async with opened(full.database_url):
        for destroy in (
            lambda: erasing.erase(datetime.now(UTC)), lambda: disposal.dispose(store, datetime.now(UTC)),
            lambda: disposal.dispose_one(store, uuid4(), datetime.now(UTC)),
            lambda: sealing.sweep(store, datetime.now(UTC)),
        ):
            try:
                await destroy()
                print("done")
            except Refusal as refusal:
                print(refusal.code)
    store.close()
asyncio.run(main())
"""


def run_ahead(house: Settings, program: str, ahead: timedelta, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of its own whose clock is so far ahead."""
    return subprocess.run(
        [sys.executable, "-c", AHEAD + program, str(ahead.total_seconds()), *words],
        env=environment(house), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("ahead", [timedelta(days=1200), timedelta(minutes=10), -timedelta(minutes=10)],
                         ids=["1200-days", "ten-minutes", "ten-minutes-behind"])  # fmt: skip
async def test_a_process_with_another_clock_destroys_nothing(app: Litestar, house: Settings, ahead: timedelta) -> None:
    """Erasure, disposal and the sweep compare with the database first: they stop, and an alarm stands."""
    lin = await a_duty_auxiliary(app)
    recorded(await lin.check_in(**a_check_in()))
    upload = (await declare(lin, some_bytes(1000, "clocks")))["id"]
    await parts_of(lin, upload)
    due = await erasing.due(now() + timedelta(days=1200))
    assert due
    ran = await asyncio.to_thread(run_ahead, house, DESTROY, ahead)
    assert ["clocks_differ"] * 4 == [line for line in ran.stdout.splitlines() if " " not in line], ran
    assert (due, 1) == (await erasing.due(now() + timedelta(days=1200)), len(await opened_in_store(app, upload)))
    assert 1 == await value(STANDS)
    assert 1 == (await figures(app))['fujing_findings{kind="clocks_differ"}']
    await clocks.must_agree()
    assert 0 == await value(STANDS)


async def test_the_command_says_why_it_erases_nothing(app: Litestar, house: Settings) -> None:
    """One sentence in both languages, and exit code 1."""
    program = "from mobile_api.cli.main import main\nmain()"
    ran = await asyncio.to_thread(run_ahead, house, program, timedelta(minutes=10), "erase", "--for-real")
    assert (1, True) == (ran.returncode, "NTP" in ran.stdout + ran.stderr), ran
    assert "Traceback" not in ran.stderr
    await clocks.must_agree()


async def test_servers_seconds_apart_destroy_what_is_due(app: Litestar, house: Settings) -> None:
    """A minute is no alarm."""
    ran = await asyncio.to_thread(run_ahead, house, DESTROY, timedelta(minutes=1))
    assert ["done", "done", "unknown_recording", "done"] == [
        line for line in ran.stdout.splitlines() if " " not in line
    ], ran
    assert 0 == await value(STANDS)


async def test_each_thing_that_destroys_asks_first(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever time it is told: the process's own clock is what is compared."""
    monkeypatch.setattr(clocks, "own_now", lambda: now() + timedelta(hours=1))
    store = app.state.store
    for destroy in (
        erasing.erase(now()), disposal.dispose(store, now()), disposal.dispose_one(store, uuid4(), now()),
        sealing.sweep(store, now()),
    ):  # fmt: skip
        with pytest.raises(clocks.ClocksDiffer):
            await destroy
    rows: list[Any] = await fetch("SELECT organ, against_organ FROM finding WHERE kind = 'clocks_differ'")
    assert [True] == [row["against_organ"] for row in rows]
    monkeypatch.undo()
    await clocks.must_agree()


async def test_the_house_tells_how_far_its_clock_is_from_the_databases(app: Litestar) -> None:
    """On one machine, nothing."""
    assert (await figures(app))["fujing_clock_apart_seconds"] < 1


# -- tokens


@pytest.mark.parametrize(("behind", "reads"), [(0, True), (3, True), (4.5, True), (7, False), (3600, False)])
async def test_a_token_of_a_server_whose_clock_is_ahead(app: Litestar, behind: float, reads: bool) -> None:
    """Seconds are leeway (terms.toml); a token from far in the future is no token."""
    made = now()
    keys, session = app.state.key_rings, uuid4()
    tokens = _tokens(keys, session, uuid4(), uuid4(), "jkt", 1, made + timedelta(days=1), made)
    reader = TokenReader(keys)
    here = made - timedelta(seconds=behind)
    if reads:
        assert session == reader.read(tokens.access_token, here).session
        assert session == reader.read(tokens.access_token, made + law().span("access_token_life")).session
    else:
        with pytest.raises(Refusal, match="token_invalid"):
            reader.read(tokens.access_token, here)


async def test_a_token_without_its_time_is_no_token(app: Litestar) -> None:
    """Ours all have one."""
    claims = {"iss": "fujing", "aud": "fujing", "sub": str(uuid4()), "sid": str(uuid4()), "cnf": {"jkt": "x"}}
    claims |= {"exp": int(now().timestamp()) + 60}
    with pytest.raises(Refusal, match="token_invalid"):
        TokenReader(app.state.key_rings).read(app.state.key_rings.session.sign(claims, "at+jwt"), now())


async def test_a_worker_with_another_clock_locks_nothing(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of 1,230 days could never be shortened: the file is sealed when the clocks agree, for its own term."""
    lin, store, keys = await a_duty_auxiliary(app), app.state.store, app.state.key_rings
    film = some_bytes(1000, "clocks that lock")
    upload = (await declare(lin, film))["id"]
    await send_missing(lin, upload, film)
    assert "received" == await completed(lin, upload)
    last = await value("SELECT count(*) FROM checkpoint")
    monkeypatch.setattr(clocks, "own_now", lambda: now() + timedelta(days=1200))
    with pytest.raises(clocks.ClocksDiffer):
        await sealing.seal(store, keys, UUID(upload))
    with pytest.raises(clocks.ClocksDiffer):
        await checkpoints.make(store, keys.evidence, now() + timedelta(days=1200), at_once=True)
    with pytest.raises(clocks.ClocksDiffer):
        await checkpoints.copy_to_store(store)
    row = await row_of(upload)
    assert ("received", None, 1) == (row["state"], row["locked_until"], await value(STANDS))
    assert last == await value("SELECT count(*) FROM checkpoint")
    for each in await store.versions(row["object_key"]):
        await store.remove(each.key, each.version)
        await store.put(each.key, film, "video/mp4")
    monkeypatch.undo()
    await sealing.seal(store, keys, UUID(upload))
    row = await row_of(upload)
    assert ("sealed", 0) == (row["state"], await value(STANDS))
    assert row["locked_until"] < until(law(), "footage_retention", now()) + timedelta(days=1)
