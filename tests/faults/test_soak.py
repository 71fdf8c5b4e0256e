"""Everything that can go wrong with servers, at random moments under load; at the end nothing is lost, nothing doubled,
no finding is wrong, and the journal and every file verify.

`make soak FOR=300 SEED=7` does the same for longer, with as many more people and duties.
"""

import asyncio
import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bad_network import bad_network
from tests.faults.pieces import Pieces, in_pieces, soaking
from tests.handhelds import MIB, Day, Duty, Phone, a_duty, compare, nothing_left, people_of
from tests.houses import STATION, Place, succeeded
from tests.phone import Plan
from tests.prepared import Templates

pytestmark = pytest.mark.long

SEED = int(os.environ.get("SEED") or 20261124)
FOR = soaking()
PATIENCE = 120 + FOR
COUPLES = 2 if FOR < 60 else 4  # an auxiliary and their officer
DUTIES = max(1, int(FOR / 12))  # of each
HOURS = 12.0  # of the day, in which they lie side by side
MISHAPS = (
    (Pieces.kill_an_api, 5), (Pieces.kill_a_worker, 3), (Pieces.kill_postgres, 3), (Pieces.kill_the_store, 3),
    (Pieces.cut_every_connection, 3), (Pieces.slow_store, 2), (Pieces.slow_postgres, 2), (Pieces.slow_api, 1),
    (Pieces.slow_worker, 1), (Pieces.lying_store, 4),
)  # fmt: skip


def people() -> list[tuple[str, str, str, str]]:
    """Auxiliary, officer, and the handheld of each."""
    return [(f"FJ{n:04}", f"P{n:04}", f"HH-A{n:03}", f"HH-P{n:03}") for n in range(1, COUPLES + 1)]


def roster() -> str:
    lines = ["record,code,name,kind,organ,from,until", f"organ,{STATION},城关派出所,,,,"]
    for auxiliary, officer, *devices in people():
        lines += [
            f"person,{auxiliary},林小川,duty_auxiliary,{STATION},2024-03-01,",
            f"person,{officer},赵立,officer,{STATION},2015-07-01,",
            *(f"device,{serial},手持终端,handheld,{STATION},," for serial in devices),
        ]
    return "\n".join(lines) + "\n"


def a_day(ids: dict[str, str]) -> Day:
    day = Day(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=HOURS + 1), ids)
    each = HOURS / DUTIES
    for auxiliary, officer, *_ in people():
        for number in range(DUTIES):
            start = round(number * each, 3)
            a_duty(day, Duty(auxiliary, officer, start, scale=min(1.0, 0.9 * each / 4.1), sizes=(9 * MIB + 5, MIB + 1)))
    return day


def phones_of(place: Place, home: Path, port: int, passwords: dict[str, str], day: Day) -> list[Phone]:
    found = []
    for auxiliary, officer, *devices in people():
        for badge, serial in zip((auxiliary, officer), devices, strict=True):
            own = home / badge
            own.mkdir()
            acts = day.acts[badge]
            plan = Plan(
                url=f"http://127.0.0.1:{port}", badge=badge, password=passwords[badge], home=str(own), acts=acts,
                code=place.code_for(serial), ahead=0.0, pace=FOR / len(acts),
            )  # fmt: skip
            found.append(Phone(plan))
    return found


def live_through(pieces: Pieces, phones: list[Phone], chance: random.Random) -> list[str]:
    """Mishap after mishap, each kind at least once, for as long as is asked, then peace until every phone has nothing
    left; what happened."""
    happened, begun, (kinds, weights) = [], time.monotonic(), zip(*MISHAPS, strict=True)
    first = chance.sample(kinds, len(kinds))
    while first or time.monotonic() < begun + FOR:
        time.sleep(chance.uniform(0.3, 1.5))
        mishap = first.pop() if first else chance.choices(kinds, weights)[0]
        happened.append(mishap.__name__)
        mishap(pieces, chance)
        if chance.random() < 0.3:
            phone = chance.choice(phones)
            if not phone.done():
                phone.kill()
                phone.start()
        pieces.tend()
        for phone in phones:
            phone.watch()
    while not all(phone.done() for phone in phones):
        assert time.monotonic() < begun + FOR + PATIENCE, [
            phone.rows("SELECT verb, state FROM entry WHERE state <> 'recorded'") for phone in phones
        ]
        pieces.tend()
        time.sleep(0.1)
    return happened


def test_nothing_is_lost_nothing_doubled(tmp_path: Path, templates: Templates) -> None:
    """Killed and frozen, one piece after the other and several at once, while four handhelds live through their day."""
    chance, elsewhere = random.Random(SEED), random.Random(SEED + 1)  # noqa: S311 - a test's dice; one for each thread
    with in_pieces(templates, roster(), SEED) as (pieces, passwords):
        place = pieces.place
        day = a_day(asyncio.run(people_of(pieces.database)))
        with bad_network(lambda: elsewhere.choice(pieces.ports), SEED) as network:
            network.quiet = True
            phones = phones_of(place, tmp_path, network.port, passwords, day)
            fingerprint = succeeded(place.run("fingerprint")).split()[0]
            try:
                for phone in phones:
                    phone.start()
                happened = live_through(pieces, phones, chance)
            finally:
                for phone in phones:
                    phone.kill()
        assert pieces.liar is not None
        print(f"seed {SEED}, {FOR:.0f} s, {len(day.all())} entries: {' '.join(happened)}", file=sys.stderr)
        print(f"nonsense: {dict(pieces.liar.done)}", file=sys.stderr)
        pieces.wait(lambda: all(pieces.ready(port) == 200 for port in pieces.ports))
        asyncio.run(compare(pieces.database, day))
        for phone in phones:
            nothing_left(phone, f"http://127.0.0.1:{pieces.ports[0]}")
        succeeded(place.run("verify", "--trust", fingerprint, "--deep", seconds=300))
