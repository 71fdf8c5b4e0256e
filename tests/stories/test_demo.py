"""`fujing demo`: the first thing a newcomer runs."""

import subprocess
import sys
import time
from pathlib import Path

import av

from mobile_api.cli.demo_film import film
from tests.endpoint import named_store
from tests.houses import Place

# Of another house, and of none that is there: where a command of the demonstration read them, it would find nothing.
ANOTHER_HOUSE = {
    "FUJING_S3_ENDPOINT": "127.0.0.1:9", "FUJING_S3_ACCESS_KEY": "theirs", "FUJING_S3_SECRET_KEY": "theirs, too",
    "FUJING_S3_BUCKET": "theirs", "FUJING_S3_SECURE": "false", "FUJING_DATABASE_URL": "postgresql://x@127.0.0.1:9/x",
    "FUJING_PUBLIC_URL": "https://theirs.example.cn",
}  # fmt: skip
ON_NAMED_STORE = """
import functools, os, sys
from backend.core import settings
from mobile_api.cli import demo
theirs = settings.load(dict(os.environ))
fields = {name: getattr(theirs, name) for name in theirs.__struct_fields__ if name.startswith("s3_")}
demo.Settings = functools.partial(demo.Settings, **fields)
sys.exit(demo.play(False))
"""


def test_the_demonstration_is_all_true_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Exit 0, on a busy machine too, and whatever house the environment names; no temporary file stays."""
    place = Place(tmp_path, ANOTHER_HOUSE, starts_anew=True)
    done = demonstrated(place)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "/docs" in done.stdout
    assert "all true" in done.stdout
    assert [] == [line for line in done.stdout.splitlines() if line.startswith("  ✗")]  # of what is claimed
    assert [] == place.left_in_temporary()
    assert not place.data.exists()


def demonstrated(place: Place) -> subprocess.CompletedProcess[str]:
    """The demonstration, played to its end; on the store that `make test-store` names, where it names one."""
    named = named_store()
    if named is None:
        return place.run("demo", seconds=900)
    place.settings = named.settings("demo")
    return subprocess.run(
        [sys.executable, "-c", ON_NAMED_STORE], env=place.environment(), capture_output=True, text=True, timeout=900
    )


def test_a_film_of_a_slow_machine_is_as_long_as_it_took(tmp_path: Path) -> None:
    """The recorder of the demonstration runs in real time: nothing of it is missing where the machine is busy."""
    taken = film(tmp_path / "slow.mp4", seconds=1, live=True, progress=lambda _: time.sleep(0.3))
    with av.open(str(taken.path)) as container:
        length = (container.duration or 0) / av.time_base
    took = (taken.ended_at - taken.started_at).total_seconds()
    assert 10 * 0.3 <= took
    assert abs(took - length) < 1
