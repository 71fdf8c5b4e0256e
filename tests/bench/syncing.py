"""`sync_vs_single`: entries a second in calls of 500 ÷ the same entries one by one over one connection that stays open.

The entries are starts and finishes of acts of one auxiliary on shift, sent an hour later, as by a phone that was
offline. No entry is sent twice.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from figures import BenchError, Figure, median_figure, say
from uploads import signed_in

from mobile_api.cli.serving import House
from mobile_api.client.api import Client

AT_ONCE = 500


def sync_vs_single(house: House, rounds: int, entries: int = AT_ONCE) -> Iterator[Figure]:
    """Entries a second in one call ÷ one by one. Raises BenchError where an entry was not recorded."""
    lin, ratios, rates = signed_in(house), [], []
    begun = datetime.now(UTC) - timedelta(hours=11)
    lin.entry(
        "shifts/check-in", occurred_at=begun, duty_type="patrol", dress="uniform", id_card_carried=True,
        roster_post="南门",
    )  # fmt: skip
    for number in range(rounds):
        say(f"sync round {number + 1} of {rounds}")
        single = one_by_one(lin, act_entries(lin, begun + timedelta(minutes=30 + 60 * number), entries))
        batch = in_one_call(lin, act_entries(lin, begun + timedelta(minutes=60 + 60 * number), entries))
        ratios.append(batch / single)
        rates.append({"single": single, "batch": batch})
        say(f"one by one {single:.0f}/s, at once {batch:.0f}/s, ratio {ratios[-1]:.3f}")
    yield median_figure("sync_vs_single", ratios, "ratio", ">= 1.5", entries=entries, rounds=rates)


def act_entries(lin: Client, at: datetime, count: int) -> list[tuple[str, dict[str, Any]]]:
    """`count` entries: starts and finishes of acts, a second apart."""
    entries = []
    for number in range(count // 2):
        act, when = uuid4(), at + timedelta(seconds=2 * number)
        entries.append(("activities/start", lin.new_entry(id=act, occurred_at=when, work="9.6")))
        entries.append(("activities/finish", lin.new_entry(occurred_at=when + timedelta(seconds=1), activity=act)))
    return entries


def one_by_one(lin: Client, acts: list[tuple[str, dict[str, Any]]]) -> float:
    begun = time.perf_counter()
    for verb, entry in acts:
        lin._call("POST", f"/v1/{verb}", entry)
    return len(acts) / (time.perf_counter() - begun)


def in_one_call(lin: Client, acts: list[tuple[str, dict[str, Any]]]) -> float:
    begun = time.perf_counter()
    answer = lin.sync([{"verb": verb, **entry} for verb, entry in acts])
    rate = len(acts) / (time.perf_counter() - begun)
    if {"recorded"} != {each["status"] for each in answer["results"]}:
        raise BenchError(f"not every entry was recorded: {answer['results'][:1]}")
    return rate
