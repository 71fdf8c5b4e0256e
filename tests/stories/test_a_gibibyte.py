"""The API process never holds file bytes, however many are uploaded."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from mobile_api.client.api import digest_of
from tests.devices import MIB, some_bytes
from tests.houses import LIN, Serving

pytestmark = pytest.mark.long

GIB = 1024 * MIB


class Scales(threading.Thread):
    """Measure the memory of the API's processes during a block: the most, in bytes."""

    def __init__(self, house: Serving) -> None:
        super().__init__(daemon=True)
        self._processes, self._done = house.api(), threading.Event()
        self.least = self.most = self._weigh()

    def _weigh(self) -> int:
        return sum(each.memory_info().rss for each in self._processes if psutil.pid_exists(each.pid))

    def run(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, self._weigh())

    def __enter__(self) -> "Scales":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


def test_the_api_holds_no_bytes_while_a_gibibyte_goes_up(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """Bytes never go up through Python: the API's memory stays within 20 MB, from declaration to receipt."""
    footage, warm_up = tmp_path / "夜巡.mp4", tmp_path / "warm-up.mp4"
    warm_up.write_bytes(some_bytes(9 * MIB, "warm-up"))
    with footage.open("wb") as file:
        file.write(some_bytes(MIB, "gibibyte"))
        file.truncate(GIB)
    size, sha256 = digest_of(footage)
    times = {"started_at": datetime.now(UTC) - timedelta(hours=1), "ended_at": datetime.now(UTC)}
    metadata = {"camera_serial": "DSJ-0042", "media_type": "video/mp4", **times}
    lin = running.handheld()
    lin.sign_in(LIN, passwords[LIN])
    lin.send(warm_up, **metadata)
    with Scales(running) as scales:
        declared = lin.entry("recordings/declare", file_name=footage.name, bytes=size, sha256=sha256, **metadata)
        upload = UUID(declared["id"])
        lin.upload(upload, footage)
        lin.complete(upload)
        assert GIB == lin.receipt(upload, bytes=size, sha256=sha256)["bytes"]
    footage.unlink()
    assert scales.most - scales.least <= 20e6
