"""Databases of the tests beside the house's own: empty ones, and a process that migrates them."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from backend.core.settings import Settings
from backend.proof import known_store
from storage.embedded.postgres import postgres_binaries
from storage.evidence_store import EvidenceStore

OWNER: list[str] = []  # the URL of the owner of the house's tables


async def by_owner(sql: str, *values: Any) -> str:
    """Run a statement as the owner of the tables: what an older program wrote, or time that passed. No line tells of
    it, so the role that serves requests may not (docs/adr/0055)."""
    connection = await asyncpg.connect(OWNER[-1])
    try:
        return str(await connection.execute(sql, *values))
    finally:
        await connection.close()


def superuser_url(house: Settings, database: str) -> str:
    password = (house.data_dir / "postgres" / "superuser.password").read_text(encoding="utf-8")
    return f"postgresql://postgres:{quote(password, safe='')}@/{database}?{urlsplit(str(house.migrate_url)).query}"


def taken_for_ours(store: EvidenceStore) -> EvidenceStore:
    """A bucket of a database that is no house: nothing is written into its journal to know the bucket by."""
    look = known_store._LOOKS[store] = known_store._Look()
    look.ours, look.at = True, float("inf")
    return store


@asynccontextmanager
async def an_empty_database(house: Settings) -> AsyncIterator[str]:
    """The owner's URL of a database with nothing in it."""
    name = f"empty_{uuid4().hex}"
    root = await asyncpg.connect(superuser_url(house, "postgres"))
    await root.execute(f"CREATE DATABASE {name} OWNER fujing_owner")
    inside = await asyncpg.connect(superuser_url(house, name))
    await inside.execute("CREATE EXTENSION btree_gist")
    await inside.close()
    yield str(house.migrate_url).replace("@/fujing?", f"@/{name}?")
    await root.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await root.close()


MIGRATE = "import asyncio, sys; from migrations.apply import migrate; asyncio.run(migrate(*sys.argv[1:]))"


def migrating(url: str, role: str = "fujing_app") -> subprocess.Popen[str]:
    environment = {key: text for key, text in os.environ.items() if not key.startswith("FUJING_")}
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATE, url, role], env=environment, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def client(name: str, url: str, *words: str, given: bytes = b"") -> bytes:
    """Run one of PostgreSQL's programs and return its output. The password goes by environment."""
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    return subprocess.run(
        [str(postgres_binaries() / name), f"--dbname={address}", *words], input=given, capture_output=True, check=True,
        env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
    ).stdout  # fmt: skip


def dumped(url: str, *words: str) -> bytes:
    """The database as SQL, the same bytes for the same database."""
    dump = client("pg_dump", url, "--no-owner", "--no-privileges", "--no-comments", *words)
    return b"".join(line for line in dump.splitlines(True) if not line.startswith((b"\\restrict", b"\\unrestrict")))
