"""Measure all figures on real services in a temporary directory, one line each: `bench NAME VALUE UNIT`.

Standard output holds only the figures; progress and spreads go to standard error, everything to bench-results.json, and
a picture to bench-results.png. It fails only where something is wrong, never because the machine is slow.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import chart
from checkins import checkin_vs_bare, checkin_vs_fastapi
from figures import BenchError, Figure, say
from fleet import FROZEN, fleet, frozen
from fleet import NAMES as FLEET
from growth import NAMES as GROWTH
from growth import growth
from scaling import workers_scaling
from sealing import seal_vs_read
from syncing import sync_vs_single
from tus_uploads import upload_vs_tus
from uploads import upload_figures
from verifying import verify_rows
from watching import NAMES as WATCHING
from watching import watching_figures

from backend.core.settings import Settings
from mobile_api.cli import serving
from mobile_api.cli.serving import Ended, House, ServingError
from mobile_api.client.api import NotVerified, Problem, Unreachable
from storage.embedded.processes import EmbeddedError
from storage.evidence_store import StoreUnavailable

NAMES = (
    *FLEET, *FROZEN, "verify_rows", "checkin_vs_bare", "checkin_vs_fastapi", "sync_vs_single", "workers_scaling",
    "upload_vs_sdk", "upload_api_cpu", "upload_vs_tus", *WATCHING, "seal_vs_read", *GROWTH, "line_bytes",
)  # fmt: skip
RESULTS = Path("bench-results.json")
WRONG = (
    BenchError, ServingError, EmbeddedError, StoreUnavailable, Problem, Unreachable, NotVerified, OSError,
    subprocess.TimeoutExpired,
)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Fujing against what it stands on.")
    parser.add_argument("--rounds", type=int, default=5, help="A B pairs for each figure (%(default)s)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the uploaded and sealed file (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each run of check-ins (%(default)s)")
    parser.add_argument("--rows", type=int, default=200_000, help="of the verified journal (%(default)s)")
    parser.add_argument("--entries", type=int, default=500, help="in one call of sync (%(default)s)")
    parser.add_argument(
        "--recordings", type=int, default=1_000_000, help="of the house once it has grown (%(default)s)"
    )
    parser.add_argument("--asked", type=int, default=150, help="requests of a kind to the growing house (%(default)s)")
    parser.add_argument("--phones", type=int, default=1000, help="handhelds in the fleet (%(default)s)")
    parser.add_argument("--fleet-seconds", type=float, default=120, help="seconds of the fleet's day (%(default)s)")
    parser.add_argument(
        "--only", choices=("fleet", "frozen", *NAMES), action="append", help="this figure; may be given again"
    )
    parser.add_argument("--no-json", action="store_true", help=f"write no {RESULTS} and no picture")
    return parser.parse_args()


def figures(house: House, home: Path, options: argparse.Namespace, wanted: set[str]) -> Iterator[Figure]:
    """The figures of one house, in this order: the fleet first, because it measures memory; verifying next, because the
    bare application's journal lines do not verify; sealing last, because it ends the worker."""
    if wanted & {*FLEET}:
        yield from fleet(house, home, options.phones, options.fleet_seconds)
    if wanted & {*FROZEN}:
        yield from frozen(house, home, options.phones, options.fleet_seconds)
    if "verify_rows" in wanted:
        yield from verify_rows(house, options.rounds, options.rows)
    if "checkin_vs_bare" in wanted:
        yield from checkin_vs_bare(house, options.rounds, options.seconds)
    if "checkin_vs_fastapi" in wanted:
        yield from checkin_vs_fastapi(house, options.rounds, options.seconds)
    if "workers_scaling" in wanted:
        yield from workers_scaling(house, options.rounds, options.seconds)
    if "sync_vs_single" in wanted:
        yield from sync_vs_single(house, options.rounds, options.entries)
    if wanted & {"upload_vs_sdk", "upload_api_cpu"}:
        yield from upload_figures(house, home, options.rounds, options.mib)
    if "upload_vs_tus" in wanted:
        yield from upload_vs_tus(house, home, options.rounds, options.mib)
    if wanted & {*WATCHING}:
        yield from watching_figures(house, home, options.rounds, options.mib, wanted)
    if "seal_vs_read" in wanted:
        yield from seal_vs_read(house, home, options.rounds, options.mib)


def measured(home: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Measure the wanted figures and yield each as soon as it is known."""
    wanted, growing = set(options.only or NAMES), {*GROWTH, "line_bytes"}
    wanted |= {name for day, names in (("fleet", FLEET), ("frozen", FROZEN)) if day in wanted for name in names}
    if wanted - growing:
        with a_house(home / "data") as house:
            yield from (figure for figure in figures(house, home, options, wanted) if figure.name in wanted)
    if wanted & growing:  # in its own house, which begins small
        with a_house(home / "growing") as house:
            grown = growth(house, options.rounds, options.recordings, options.asked)
            yield from (figure for figure in grown if figure.name in wanted)


@contextmanager
def a_house(place: Path) -> Iterator[House]:
    with serving.house(Settings(data_dir=place, listen="127.0.0.1:0")) as house:
        say(f"measuring at {house.url}, everything in {place}")
        yield house


def write(results: list[Figure]) -> None:
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "figures": [figure.as_json() for figure in results],
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def main() -> int:
    options, results, code = arguments(), [], 0
    home = Path(tempfile.mkdtemp(prefix="fujing-bench-"))
    try:
        with serving.until_signalled():
            for figure in measured(home, options):
                print(figure.line, flush=True)
                say(figure.spread)
                results.append(figure)
    except Ended:
        say("ended")
        code = 130
    except WRONG as error:
        say(f"no further figure: {error}")
        code = 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if results and not options.no_json:
        write(results)
        chart.draw(RESULTS)
    return code


if __name__ == "__main__":
    sys.exit(main())
