"""The commands behind the figures still run; what they measure in so short a time is no figure."""

import subprocess
import sys
from pathlib import Path

FIGURES = (
    "fleet_p50", "fleet_p99", "fleet_errors", "fleet_rss_growth",
    "checkin_vs_bare", "upload_vs_sdk", "upload_api_cpu", "verify_rows", "seal_vs_read", "sync_vs_single",
    "workers_scaling", "timeline_growth", "findings_growth", "recordings_growth", "verdict_growth", "changes_growth",
    "entry_growth", "line_bytes",
)  # fmt: skip
BY_BENCH_ALONE = {"checkin_vs_fastapi", "upload_vs_tus"}  # what these are compared with is installed by `make bench`
SHORT = (
    "--rounds", "1", "--seconds", "0.2", "--mib", "16", "--rows", "500", "--entries", "20", "--recordings", "1000",
    "--asked", "10", "--phones", "10", "--fleet-seconds", "4",
)  # fmt: skip


def test_every_figure_is_measured(repository: Path) -> None:
    """Each is a line with its value; check-ins are compared with the bare ones, statement by statement, before; nothing
    that ten handhelds say is answered otherwise than it should be."""
    done = subprocess.run(
        [sys.executable, "tests/bench/run.py", *SHORT, "--no-json"],
        cwd=repository, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr[-4000:]
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("bench ")]
    told = {name: None if value == "-" else float(value) for _, name, value, *_ in lines}
    assert set(FIGURES) | BY_BENCH_ALONE == set(told)
    assert 0 == told.pop("fleet_errors"), done.stderr[-4000:]
    assert told.pop("upload_api_cpu") >= 0, "the clock ticks a hundred times a second"
    assert {name for name, value in told.items() if value is None} <= BY_BENCH_ALONE
    assert all(value > 0 for value in told.values() if value is not None)
