"""`upload_vs_tus`: seconds of a file through @tus/server and @tus/s3-store ÷ seconds of the same file through us.

Theirs is the usual choice: tus-js-client sends to a tus server on loopback, which writes to the house's own bucket with
the same parts and lanes as ours. There is no figure unless the store then holds exactly the file's bytes. The packages
are listed in tus/, and `make bench` installs them where npm is installed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import content
import psutil
from children import child, cpu_seconds, serving
from figures import BenchError, Figure, median_figure, say, unmeasured
from minio import Minio
from uploads import LANES, digest_in_store, ours, sdk_of, signed_in

from backend.core.settings import Settings
from backend.law.catalogue import law
from mobile_api.cli.serving import House
from mobile_api.client.api import digest_of
from storage.embedded.processes import free_port

HERE = Path(__file__).parent / "tus"
SENDING_SECONDS = 600
WISH = ">= 2"


@dataclass(frozen=True)
class TusServer:
    """Where it listens, and its process."""

    endpoint: str
    process: psutil.Process


def upload_vs_tus(house: House, home: Path, rounds: int, mib: int) -> Iterator[Figure]:
    """Seconds through tus ÷ seconds through us; unmeasured where Node or the packages are missing.

    Raises BenchError where the store holds other bytes.
    """
    if not shutil.which("node") or not (HERE / "node_modules/@tus/s3-store").is_dir():
        yield unmeasured("upload_vs_tus", WISH, "the tus packages are not installed: `make bench`, where Node is")
        return
    file, lin, sdk, api = home / "DSJ0042_0003.mp4", signed_in(house), sdk_of(house.settings), child("api")
    content.noise(file, mib * content.MIB)
    ratios, costs = [], []
    with _serving(house.settings, home) as server:
        for number in range(rounds):
            say(f"upload_vs_tus round {number + 1} of {rounds}")
            mine, theirs = ours(lin, file, api), _theirs(sdk, house.settings.s3_bucket, file, server)
            ratios.append(theirs[0] / mine[0])
            costs.append({"ours": _costs("ours", *mine, mib), "tus": _costs("tus", *theirs, mib)})
            say(f"ratio {ratios[-1]:.3f}")
    file.unlink()
    yield median_figure("upload_vs_tus", ratios, "ratio", WISH, mib=mib, lanes=LANES, rounds=costs)


def _costs(name: str, seconds: float, cpu: float, mib: int) -> dict[str, float]:
    """MiB a second, and CPU seconds of the upload server for each GiB, without the store; prints both."""
    rate, each = mib / seconds, cpu * 1024 / mib
    say(f"{name} {rate:.0f} MiB/s, its server {each:.2f} s/GiB")
    return {"mib_per_second": rate, "cpu_per_gib": each}


@contextmanager
def _serving(settings: Settings, home: Path) -> Iterator[TusServer]:
    """Run the tus server; it buffers parts in files below `home`."""
    port, parts = free_port(), home / "tus"
    parts.mkdir()
    argv, variables = ["node", str(HERE / "server.mjs")], _environment(settings, port, parts)
    with serving(settings, "tus", argv, variables, port) as process:
        yield TusServer(f"http://127.0.0.1:{port}/files", process)


def _environment(settings: Settings, port: int, parts: Path) -> dict[str, str]:
    """Environment of server.mjs: its order, and no AWS settings of this machine."""
    s3 = {
        "bucket": settings.s3_bucket,
        "endpoint": f"{'https' if settings.s3_secure else 'http'}://{settings.s3_endpoint}",
        "region": settings.s3_region,
        "credentials": {"accessKeyId": settings.s3_access_key, "secretAccessKey": settings.s3_secret_key},
    }
    order = {"port": port, "part_size": law().count("part_floor"), "lanes": LANES, "s3": s3}
    return {"PATH": os.environ["PATH"], "HOME": str(parts), "TMPDIR": str(parts), "TUS": json.dumps(order)}


def _theirs(sdk: Minio, bucket: str, file: Path, server: TusServer) -> tuple[float, float]:
    """Seconds of one upload, measured by its client, and CPU seconds of the tus server meanwhile."""
    whole = digest_of(file)
    os.sync()
    cpu = cpu_seconds(server.process)
    answer = _send(server.endpoint, file)
    cpu = cpu_seconds(server.process) - cpu
    key = answer["url"].rpartition("/")[2]
    try:
        if digest_in_store(sdk, bucket, key) != whole:
            raise BenchError("what tus put into the store is not the file")
    finally:
        _remove(sdk, bucket, key)
    return answer["seconds"], cpu


def _send(endpoint: str, file: Path) -> dict[str, float | str]:
    done = subprocess.run(
        ["node", str(HERE / "client.mjs"), endpoint, str(file)],
        stdout=subprocess.PIPE, text=True, timeout=SENDING_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError("the upload over tus did not succeed")
    return json.loads(done.stdout)


def _remove(sdk: Minio, bucket: str, key: str) -> None:
    """Remove every version of the object and of the tus server's files beside it."""
    for each in sdk.list_objects(bucket, key, include_version=True):
        sdk.remove_object(bucket, each.object_name, each.version_id)
