"""PgBouncer between the house and its database, by the documented recipe, in either mode."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.core.settings import load
from mobile_api.cli.demo_film import film
from mobile_api.cli.doctor import database
from mobile_api.cli.doctor.place import place_of
from mobile_api.client.api import Client
from tests.engines import APP, TlsPostgres, pgbouncer, tls_postgres
from tests.faults.through import first_event
from tests.houses import CHEN, LIN, Place, serving, succeeded

pytestmark = pytest.mark.long
POLL = 3.0  # seconds: `feed_poll`, how late news is that nobody rang for
READS = (
    "/v1/me",
    "/v1/shifts",
    "/v1/recordings",
    "/v1/duty/works",
    "/v1/findings",
    "/v1/me/record",
    "/v1/supervisions",
)


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TlsPostgres]:
    """A server whose roles have the settings that the page tells."""
    page = (repository / "docs" / "operating.md").read_text()
    (recipe,) = re.findall(r"```sql\n(ALTER ROLE .*?)```", page, re.DOTALL)
    with tls_postgres() as running:
        running.as_superuser(recipe)
        yield running


@pytest.fixture(scope="module")
def migrated(server: TlsPostgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, str]]:
    """A house with people, made past the pooler."""
    place = Place(tmp_path_factory.mktemp("migrated"), settings=dict(server.settings))
    succeeded(place.run("migrate"))
    return place, place.bring_in_people()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_house_works_through_a_pooler(
    server: TlsPostgres, migrated: tuple[Place, dict[str, str]], repository: Path, mode: str, tmp_path: Path
) -> None:
    """A shift, a sealed film, news at once, many reads at the same time, and the proof: all through PgBouncer."""
    place, passwords = migrated
    with pgbouncer(server, repository / "deploy" / "pgbouncer.ini", mode) as pooler:
        by_transaction = {"statement_cache_size": "0"} if mode == "transaction" else {}
        place.settings["FUJING_DATABASE_URL"] = pooler.url(**by_transaction)
        if mode == "transaction":
            place.settings["FUJING_DATABASE_DIRECT_URL"] = server.url(APP)
        with serving(place) as house:
            assert "30s" == settings_of_a_session(pooler.url())
            before = pooler.transactions()
            lin, chen = house.handheld("HH-0001"), house.handheld("HH-0002")
            lin.sign_in(LIN, passwords[LIN])
            chen.sign_in(CHEN, passwords[CHEN])
            heard = a_shift_is_heard_of(lin)
            assert heard < POLL - 1, f"{heard:.1f} s: nobody rang"
            sent = film(tmp_path / "film.mp4", seconds=1, width=160, height=96)
            times = {"started_at": sent.started_at, "ended_at": sent.ended_at}
            lin.send(sent.path, camera_serial="DSJ-0042", media_type="video/mp4", **times)
            with ThreadPoolExecutor(8) as side_by_side:
                answers = list(side_by_side.map(lambda number: asked(lin, chen, number), range(160)))
            assert {LIN, CHEN} == set(answers) - {""}
            assert pooler.transactions() - before > 300
        place.verify()


def test_doctor_hears_nothing_through_a_pooler_that_changes_sessions(
    server: TlsPostgres, migrated: tuple[Place, dict[str, str]], repository: Path
) -> None:
    """It names the setting; with the URL that leads past the pooler all is well."""
    place, _ = migrated
    with pgbouncer(server, repository / "deploy" / "pgbouncer.ini", "transaction") as pooler:
        url = pooler.url(statement_cache_size="0")
        place.settings |= {"FUJING_DATABASE_URL": url, "FUJING_DATABASE_DIRECT_URL": ""}
        (line,) = database.listens(place_of(load({"FUJING_DATA_DIR": str(place.data)} | place.settings)))
        assert ("wrong", True) == (line.mark, "FUJING_DATABASE_DIRECT_URL" in line.en), line
        place.settings["FUJING_DATABASE_DIRECT_URL"] = server.url(APP)
        looked_at = place_of(load({"FUJING_DATA_DIR": str(place.data)} | place.settings))
        assert ["well"] == [line.mark for line in database.listens(looked_at)]
        told = {line.mark for line in database.configured(looked_at) if "is off" not in line.en}
        assert {"well"} == told


def settings_of_a_session(url: str) -> str:
    """The time limit of a statement in a session that the pooler gives."""
    import asyncio

    import asyncpg

    async def ask() -> str:
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            return str(await connection.fetchval("SHOW statement_timeout"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def a_shift_is_heard_of(lin: Client) -> float:
    """The seconds from a check-in and a check-out until an open stream hears of it."""
    with first_event(lin) as wait:
        begun = time.monotonic()
        words = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门"}
        lin.entry("shifts/check-out", shift=lin.entry("shifts/check-in", **words)["id"])
        wait()
        return time.monotonic() - begun


def asked(lin: Client, chen: Client, number: int) -> str:
    """A read of one of two people; the badge where it tells whose it is: a mixed up answer would tell another."""
    client, path = (lin, chen)[number % 2], READS[number % len(READS)]
    answer = client.get(path)
    if path != "/v1/me":
        return ""
    assert (LIN, CHEN)[number % 2] == answer["badge"]
    return str(answer["badge"])
