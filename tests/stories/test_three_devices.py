"""A day of three handhelds on a bad network: requests dropped, delayed, doubled and cut, phones and server killed.

At the end the server holds what happened, fact by fact and file by file, each once; every outbox is empty; and no file
was deleted from a phone before its receipt was there.
"""

import asyncio
import json
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bad_network import BadNetwork, bad_network
from tests.handhelds import MIB, Day, Duty, Phone, a_duty, compare, film, nothing_left, people_of
from tests.houses import CHEN, LIN, ZHAO, Place, Serving
from tests.phone import Plan
from tests.prepared import Templates

SEED = 20260301
PATIENCE = 150.0
DEVICES = {LIN: ("HH-0001", 600.0), CHEN: ("HH-0002", -420.0), ZHAO: ("HH-0003", 0.0)}  # how wrong the clock is


def a_day(people: dict[str, str]) -> Day:
    """Two auxiliaries on patrol, one officer who leads both, and the recordings."""
    day = Day(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=14), people)
    for badge, start in ((LIN, 0.0), (CHEN, 0.5)):
        a_duty(day, Duty(badge, ZHAO, start))
    film(day, ZHAO, "what Zhao recorded", 1.0, 1.2, 9 * MIB)
    return day


@pytest.fixture
def peopled(tmp_path: Path, templates: Templates) -> tuple[Place, dict[str, str]]:
    return templates.place(tmp_path / "house")


def database_of(place: Place) -> str:
    return str(json.loads((place.data / "services.json").read_text())["database_url"])


def port_of(house: Serving) -> int:
    return int(house.url.rsplit(":", 1)[1])


def store_port(place: Place) -> int:
    return int(json.loads((place.data / "s3" / "ports.json").read_text())["s3.port"])


def test_a_day_on_a_bad_network_is_whole_at_its_end(peopled: tuple[Place, dict[str, str]], tmp_path: Path) -> None:
    """Three devices, seeded mishaps."""
    place, passwords = peopled
    houses: list[Serving] = []
    ports: list[int] = []
    chance = random.Random(SEED)  # noqa: S311 - a test's dice

    with bad_network(lambda: store_port(place), SEED + 1) as store, bad_network(lambda: ports[-1], SEED) as api:
        place.settings["FUJING_S3_PUBLIC_URL"] = f"http://127.0.0.1:{store.port}"
        houses.append(Serving(place))
        try:
            houses[-1].wait_ready()
            ports.append(port_of(houses[-1]))
            people = asyncio.run(people_of(database_of(place)))
            day = a_day(people)
            phones = [a_phone(place, tmp_path, api, badge, passwords[badge], day) for badge in DEVICES]
            live_through(place, houses, ports, phones, chance)
            assert {"drop", "lose_answer", "duplicate", "cut_request"} <= {*api.done, *store.done}
            asyncio.run(compare(database_of(place), day))
            for phone in phones:
                nothing_left(phone, houses[-1].url)
        finally:
            houses[-1].end()


def a_phone(place: Place, tmp_path: Path, api: BadNetwork, badge: str, password: str, day: Day) -> Phone:
    serial, ahead = DEVICES[badge]
    home = tmp_path / badge
    home.mkdir()
    plan = Plan(
        url=f"http://127.0.0.1:{api.port}", badge=badge, password=password, home=str(home), acts=day.acts[badge],
        code=place.code_for(serial), ahead=ahead,
    )  # fmt: skip
    return Phone(plan)


def live_through(
    place: Place, houses: list[Serving], ports: list[int], phones: list[Phone], chance: random.Random
) -> None:
    """Start all phones; kill some now and then, and the server twice, until every phone is done."""
    begun, server_kills = time.monotonic(), 0
    next_kill, whole = begun + 2, sum(len(phone.plan.acts) for phone in phones)
    for phone in phones:
        phone.start()
    while server_kills < 2 or not all(phone.done() for phone in phones):
        assert time.monotonic() < begun + PATIENCE, [phone.rows("SELECT verb, state FROM entry") for phone in phones]
        for phone in phones:
            phone.watch()
        if time.monotonic() > next_kill and time.monotonic() < begun + 20:
            victim = chance.choice(phones)
            if not victim.done():
                victim.kill()
                victim.start()
            next_kill = time.monotonic() + chance.uniform(1, 3)
        if server_kills < 2 and sum(phone.got_through() for phone in phones) >= whole * (server_kills + 1) / 3:
            houses[-1].kill()
            again = Serving(place)
            again.wait_ready()
            houses.append(again)
            ports.append(port_of(again))
            server_kills += 1
        time.sleep(0.05)
