"""`checkin_vs_bare`: check-ins a second of the real API ÷ those of bare.py, on the same server and database.

Both have one granian worker and the same pool. 64 people check in again and again from a third process, each on their
own connection. Every check-in closes the shift before it. There is no figure unless every answer is 201 and each table
grows by exactly one row for each check-in.
"""

import asyncio
import difflib
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import bare
import jwt
import load
import msgspec
import population
import psutil
from children import child, cpu_seconds, serving
from figures import BenchError, Figure, median_figure, say, unmeasured

from backend.core import database
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.core.write_path import Arrival, record
from backend.people.proofs import Nonces
from backend.people.sessions import actor_of
from mobile_api.cli.serving import House, environment
from storage.embedded.processes import free_port

HERE = Path(__file__).parent
CONNECTIONS = population.CROWD
TABLES = ("shift", "journal", "entry", "device_entry", "proof_seen")  # each check-in leaves a row in each
ROWS = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)  # noqa: S608


def checkin_vs_bare(house: House, rounds: int, seconds: float) -> Iterator[Figure]:
    """Check-ins a second, ours ÷ the bare application's. Raises BenchError where their statements differ."""
    yield _compared(house, rounds, seconds, "checkin_vs_bare", "bare", ">= 0.7")


def checkin_vs_fastapi(house: House, rounds: int, seconds: float) -> Iterator[Figure]:
    """Check-ins a second, ours ÷ FastAPI's; unmeasured where FastAPI or SQLAlchemy is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("fastapi", "sqlalchemy")):
        yield unmeasured("checkin_vs_fastapi", ">= 3", "FastAPI and SQLAlchemy are not installed: `make bench`")
        return
    yield _compared(house, rounds, seconds, "checkin_vs_fastapi", "conventional", ">= 3")


def _compared(house: House, rounds: int, seconds: float, name: str, other: str, wish: str) -> Figure:
    """Ours ÷ theirs, round by round; theirs is the server of `other`.py."""
    order = asyncio.run(prepared(house.settings)) | {"seconds": seconds}
    url, api, ratios, rates = house.settings.database_url, child("api"), [], []
    with _serving(house.settings, other) as (port, process):
        for number in range(rounds):
            say(f"{name} round {number + 1} of {rounds}")
            order["nonce"] = Nonces(Keys(house.settings.secrets_dir).nonce).fresh(datetime.now(UTC))
            ours = rate(url, order, urlsplit(house.url).port, api)
            theirs = rate(url, order, port, process)
            ratios.append(ours["rate"] / theirs["rate"])
            rates.append({"ours": ours, other: theirs})
            say(
                f"ours {ours['rate']:.0f}/s ({ours['cpu_ms']:.2f} ms CPU each), "
                f"{other} {theirs['rate']:.0f}/s ({theirs['cpu_ms']:.2f} ms), ratio {ratios[-1]:.3f}"
            )
    return median_figure(name, ratios, "ratio", wish, connections=CONNECTIONS, rounds=rates)


async def prepared(settings: Settings) -> dict[str, Any]:
    """Sign the people in, and check that both applications send the same statements."""
    async with database.opened(str(settings.database_url), size=1):
        officer = await population.bring_in(CONNECTIONS)
        people = await population.sign_in(settings, range(CONNECTIONS))
        await _compare(people[0], str(officer))
    phones = [{"token": person.token, "key": person.key.pem().decode()} for person in people]
    return {"people": phones, "officer": str(officer)}


async def _compare(person: population.Person, officer: str) -> None:
    """Compare the statements of a person's second check-in in both. Raises BenchError where they differ."""
    session = UUID(jwt.decode(person.token, options={"verify_signature": False})["sid"])
    body = load.body_for(officer)
    numbers = itertools.count(time.time_ns() // 1_000_000)  # device_seq: above every earlier one

    async def product() -> None:
        call = bare.DECODER.decode(load.filled(body, next(numbers)))
        actor = await actor_of(session, population.proof_by(person.key))
        await record(Arrival(bare.VERB, actor, call, call.sent_at, datetime.now(UTC)))

    async def minimal() -> None:
        await bare.check_in(database.pool(), session, uuid4(), bare.DECODER.decode(load.filled(body, next(numbers))))

    for _ in range(2):  # the first closes no shift; the second has asyncpg look up the types it meets
        await product()
    ours, theirs = await _statements(product), await _statements(minimal)
    if ours != theirs:
        difference = "\n".join(difflib.unified_diff(theirs, ours, "bare.py", "the product", lineterm=""))
        raise BenchError(f"bare.py no longer sends what a check-in sends; bring it in line:\n{difference}")
    say(f"a check-in is {len(ours)} statements, the same in both")


async def _statements(work: Callable[[], Awaitable[None]]) -> list[str]:
    """The statements that `work` sends on the pool's only connection."""
    sent: list[str] = []
    async with database.pool().acquire() as connection:
        logged = connection._con  # the pool's wrapper ends with this block
        logged.add_query_logger(lambda query: sent.append(query.query.strip()))
    await work()
    await asyncio.sleep(0)
    logged._query_loggers.clear()
    return sent


@contextmanager
def _serving(settings: Settings, other: str) -> Iterator[tuple[int, psutil.Process]]:
    """Serve `other`.py as a child process, like `fujing api`: its port and process."""
    port = free_port()
    variables = environment(msgspec.structs.replace(settings, listen=f"127.0.0.1:{port}"))
    with serving(settings, other, [sys.executable, str(HERE / f"{other}.py")], variables, port) as process:
        yield port, process


def rate(url: str | None, order: dict[str, Any], port: int | None, server: psutil.Process) -> dict[str, float]:
    """Check-ins a second, and the server's CPU for each. Raises BenchError where one was not recorded."""
    before, spent = asyncio.run(_rows(url)), cpu_seconds(server)
    tally = _load(order | {"host": "127.0.0.1", "port": port})
    spent = cpu_seconds(server) - spent
    if tally["created"] != tally["answers"]:
        raise BenchError(f"{tally['answers'] - tally['created']} answers were not 201; the first: {tally['refused']}")
    grown = {table: count - before[table] for table, count in asyncio.run(_rows(url)).items()}
    if set(grown.values()) != {tally["answers"]}:
        raise BenchError(f"{tally['answers']} were answered with 201, but the tables grew by {grown}")
    return {"rate": tally["counted"] / tally["seconds"], "cpu_ms": 1000 * spent / tally["answers"]}


def _load(order: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")], input=json.dumps(order) + "\n", stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError("the load could not be sent")
    return json.loads(done.stdout)


async def _rows(url: str | None) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return dict(await connection.fetchrow(ROWS))
    finally:
        await connection.close()
