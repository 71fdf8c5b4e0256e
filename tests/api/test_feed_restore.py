"""A dump of the database is restored into another cluster, and the feed goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mobile_api.client.api import Client
from storage.embedded import PostgresAddress
from storage.embedded.postgres import postgres_binaries
from tests.api.storage_support import a_postgres
from tests.houses import LIN, Place, serving

AGED = "DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
CHECK_IN = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[tuple[PostgresAddress, PostgresAddress]]:
    """The cluster before the restore, and the one after it."""
    old, new = a_postgres(tmp_path / "old"), a_postgres(tmp_path / "new")
    try:
        yield old.start(), new.start()
    finally:
        old.stop()
        new.stop()


def run(program: str, url: str, *words: str) -> None:
    """Run a program of PostgreSQL against this database."""
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    where = {"PGHOST": options["host"], "PGPORT": options.get("port", "5432"), "PGUSER": unquote(parts.username or "")}
    secret = {"PGPASSWORD": unquote(parts.password or options.get("password", "")), "PGDATABASE": parts.path[1:]}
    done = subprocess.run(
        [str(postgres_binaries() / program), *words], env=os.environ | where | secret, capture_output=True, text=True
    )
    assert 0 == done.returncode, done.stderr


def follow(who: Client, cursor: str) -> tuple[list[str], str]:
    """The ids of the new lines, and the next cursor; no page may be a reset."""
    ids: list[str] = []
    while True:
        page = who.get("/v1/changes", after=cursor)
        assert not page["reset"]
        ids += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if not page["more"]:
            return ids, cursor


def named(address: PostgresAddress) -> dict[str, str]:
    return {"FUJING_DATABASE_URL": address.app_url, "FUJING_MIGRATE_URL": address.owner_url}


def test_the_feed_goes_on_after_a_restore(clusters: tuple[PostgresAddress, PostgresAddress], tmp_path: Path) -> None:
    """A reader behind the dump gets the lines of the dump; a reader beyond it gets a reset; both then get new lines.

    The new cluster's transaction numbers are lower than the restored ones; only the epoch tells them apart.
    """
    old, new = clusters
    place = Place(tmp_path / "house", named(old))
    password = place.bring_in_people()[LIN]
    run("psql", old.owner_url, "-q", "-X", "-c", AGED)  # it has counted further than the new one will
    with serving(place) as house:
        lin = house.handheld("HH-0001")
        lin.sign_in(LIN, password)
        begun = lin.get("/v1/changes")["cursor"]
        shift = lin.entry("shifts/check-in", **CHECK_IN)["id"]
        ids, behind = follow(lin, begun)
        assert [shift] == ids
        film = lin.entry("recordings/declare", **footage("a.mp4"))["id"]
        run("pg_dump", old.owner_url, "--no-comments", "--file", str(tmp_path / "dump.sql"))
        _, upto = follow(lin, behind)
        lost = lin.entry("recordings/declare", **footage("lost.mp4"))["id"]
        ids, beyond = follow(lin, upto)
        assert [lost] == ids
    restore(place, new, tmp_path / "dump.sql")
    with serving(place) as house:
        lin.url = house.url
        again = lin.get("/v1/changes", after=beyond)
        assert (True, []) == (again["reset"], again["items"])
        assert shift == again["bundle"]["shift"]["id"]
        assert ([film], [shift, film]) == (follow(lin, behind)[0], follow(lin, begun)[0])
        came, after = follow(lin, upto)
        assert [] == came
        fresh = lin.entry("recordings/declare", **footage("fresh.mp4"))["id"]
        assert [[fresh]] * 2 == [follow(lin, after)[0], follow(lin, again["cursor"])[0]]
        assert [shift, film, fresh] == follow(lin, begun)[0]
        assert lin.get("/v1/changes", after=beyond)["reset"]


def restore(place: Place, new: PostgresAddress, dump: Path) -> None:
    """Load the dump into the new cluster and configure it. Without a migration the server refuses to start."""
    run("psql", new.owner_url, "-v", "ON_ERROR_STOP=1", "-q", "-X", "-f", str(dump))
    place.settings["FUJING_DATABASE_URL"] = new.app_url
    del place.settings["FUJING_MIGRATE_URL"]
    refused = place.run("serve", seconds=30)
    assert (1, True) == (refused.returncode, "restored into another cluster" in refused.stderr)
    place.settings |= named(new)


def footage(name: str) -> dict[str, Any]:
    times = {"started_at": "2026-03-01T08:00:00+08:00", "ended_at": "2026-03-01T08:05:00+08:00"}
    return {"camera_serial": "DSJ-0042", "file_name": name, "media_type": "video/mp4"} | times
