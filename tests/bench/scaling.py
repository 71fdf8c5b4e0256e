"""`workers_scaling`: check-ins a second with two API workers ÷ with one, over the same database, load and machine.

Each server is a `fujing api` beside the house's own; both have the same number of database connections in all.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import checkins
import msgspec
import psutil
from children import serving
from figures import Figure, median_figure, say

from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.people.proofs import Nonces
from mobile_api.cli.serving import House, environment
from storage.embedded.processes import free_port

POOL = 16


def workers_scaling(house: House, rounds: int, seconds: float) -> Iterator[Figure]:
    """Check-ins a second with two workers ÷ with one. Raises BenchError where a check-in was not recorded."""
    order = asyncio.run(checkins.prepared(house.settings)) | {"seconds": seconds}
    url, ratios, rates = house.settings.database_url, [], []
    with ExitStack() as stack:
        servers = {count: stack.enter_context(_api(house.settings, count)) for count in (1, 2)}
        for number in range(rounds):
            say(f"workers round {number + 1} of {rounds}")
            order["nonce"] = Nonces(Keys(house.settings.secrets_dir).nonce).fresh(datetime.now(UTC))
            by_workers = {count: checkins.rate(url, order, port, process) for count, (port, process) in servers.items()}
            ratios.append(by_workers[2]["rate"] / by_workers[1]["rate"])
            rates.append({"one": by_workers[1], "two": by_workers[2]})
            say(f"one {by_workers[1]['rate']:.0f}/s, two {by_workers[2]['rate']:.0f}/s, ratio {ratios[-1]:.3f}")
    yield median_figure("workers_scaling", ratios, "ratio", "as the cores allow", rounds=rates)


@contextmanager
def _api(settings: Settings, workers: int) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    variables = environment(
        msgspec.structs.replace(
            settings, listen=f"127.0.0.1:{port}", workers=workers, pool_size=POOL // workers,
            data_dir=settings.data_dir,
        )
    )  # fmt: skip
    argv = [sys.executable, "-m", "mobile_api.cli", "api"]
    with serving(settings, f"api-{workers}", argv, variables, port) as process:
        yield port, process
