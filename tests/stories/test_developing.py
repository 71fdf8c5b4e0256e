"""`make dev`, `make seed` and `make psql`: what a developer starts from."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from mobile_api.cli.demo_people import PASSWORD
from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey
from tests.houses import Place, gone


def developing(place: Place, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mobile_api.cli.developing", *words],
        env=place.environment(), input=given, capture_output=True, text=True, timeout=90,
    )  # fmt: skip


def until(log: Path, words: str, seconds: float = 90) -> str:
    """What was said, once these words are there."""
    deadline = time.monotonic() + seconds
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text()


def test_a_seeded_house_is_served_and_starts_again_when_a_file_changes(tmp_path: Path, repository: Path) -> None:
    """People sign in, a shift has its gap and sealed footage, psql is the application; Ctrl-C leaves nothing."""
    place = Place(tmp_path)
    assert "No house runs in" in developing(place, "psql").stderr
    log = place.home / "dev.log"
    with log.open("wb") as file:
        dev = subprocess.Popen(
            [sys.executable, "-m", "mobile_api.cli.developing", "dev"],
            env=place.environment(),
            stdout=file,
            stderr=file,
        )
    try:
        said = until(log, "/docs")
        url = next(word for word in said.split() if word.startswith("http")).removesuffix("/docs")
        lin = Client(url, key=DeviceKey.kept_in(place.data / "devices" / "HH-0001.pem"))
        lin.sign_in("FJ1001", PASSWORD)
        (shift,) = lin.get("/v1/shifts")["items"]
        timeline = lin.get(f"/v1/shifts/{shift['id']}")
        assert ["sealed", "sealed"] == [row["state"] for row in timeline["recordings"]]
        assert ["unrecorded"] == [finding["kind"] for finding in timeline["findings"]]
        assert "fujing_app" in developing(place, "psql", given="SELECT current_user").stdout
        os.utime(repository / "mobile_api" / "cli" / "demo_film.py")
        until(log, "ready again")
        assert "mobile_api/cli/demo_film.py changed" in log.read_text()
        assert shift["id"] == lin.get("/v1/shifts")["items"][0]["id"]
    finally:
        family = [psutil.Process(dev.pid), *psutil.Process(dev.pid).children(recursive=True)]
        dev.terminate()
        dev.wait(20)
    assert [] == gone(family)
    assert "has people already" in developing(place, "seed").stderr
