"""The commands that measure the figures still run. In so short a time their values mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

FIGURES = (
    "fleet_p50", "fleet_p99", "fleet_errors", "fleet_rss_growth",
    "frozen_unanswered", "frozen_entries",
    "checkin_vs_bare", "upload_vs_sdk", "upload_api_cpu", "verify_rows", "seal_vs_read", "sync_vs_single",
    "workers_scaling", "timeline_growth", "findings_growth", "recordings_growth", "verdict_growth", "changes_growth",
    "entry_growth", "filters_growth", "line_bytes", "view_memory",
)  # fmt: skip
BY_BENCH_ALONE = {  # `make bench` installs the programs that these compare with
    "checkin_vs_fastapi", "upload_vs_tus", "remux_vs_ffmpeg", "first_picture", "seek_picture", "transcode_vs_ffmpeg",
}  # fmt: skip
SHORT = (
    "--rounds", "1", "--seconds", "0.2", "--mib", "16", "--rows", "500", "--entries", "20", "--recordings", "1000",
    "--asked", "10", "--phones", "10", "--fleet-seconds", "4",
)  # fmt: skip


def test_every_figure_is_measured(repository: Path) -> None:
    """Each figure prints one line with its value. The bench first compares the statements of a check-in with those
    of the bare application. Ten handhelds get no wrong answer."""
    done = subprocess.run(
        [sys.executable, "tests/bench/run.py", *SHORT, "--no-json"],
        cwd=repository, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr[-4000:]
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("bench ")]
    values = {name: None if value == "-" else float(value) for _, name, value, *_ in lines}
    assert set(FIGURES) | BY_BENCH_ALONE == set(values)
    assert 0 == values.pop("fleet_errors"), done.stderr[-4000:]
    assert 0 == values.pop("frozen_unanswered"), done.stderr[-4000:]
    assert values.pop("frozen_entries") >= 0, "six handhelds may send no entry within the second in which it hangs"
    assert values.pop("upload_api_cpu") >= 0, "the clock ticks a hundred times a second"
    assert {name for name, value in values.items() if value is None} <= BY_BENCH_ALONE
    assert all(value > 0 for value in values.values() if value is not None)
