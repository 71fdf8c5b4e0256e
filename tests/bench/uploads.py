"""`upload_vs_sdk` and `upload_api_cpu`: how fast footage goes up through us, and what that costs the API.

Ours takes the steps of a device: declare, ask for the parts, PUT them to the store, complete. The digest is known: a
device computes it while it records. The other is the SDK's `put_object` to the same bucket with the same parts and
lanes. Before the next upload begins, the last one is sealed and dirty pages are written to disk.
"""

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import content
import population
from children import child, cpu_seconds
from figures import BenchError, Figure, median_figure, say
from minio import Minio

from backend.core import database
from backend.core.settings import Settings
from backend.law.catalogue import law
from mobile_api.cli.serving import House
from mobile_api.client.api import Client, digest_of
from mobile_api.client.device_key import DeviceKey

LANES = 3
SEALING_SECONDS = 300
NUMBERS = itertools.count(1)  # device_seq of the one device, which is enrolled again for each figure


def upload_figures(house: House, home: Path, rounds: int, mib: int) -> Iterator[Figure]:
    """Measure both figures over the same uploads."""
    file, lin, sdk, api = home / "DSJ0042_0001.mp4", signed_in(house), sdk_of(house.settings), child("api")
    content.noise(file, mib * content.MIB)
    ratios, costs, rates = [], [], []
    for number in range(rounds):
        say(f"upload round {number + 1} of {rounds}")
        mine, cpu = ours(lin, file, api)
        theirs = _theirs(sdk, house.settings.s3_bucket, file, number)
        ratios.append(theirs / mine)
        costs.append(cpu * 1024 / mib)
        rates.append({"ours": mib / mine, "sdk": mib / theirs})
        say(
            f"ours {mib / mine:.0f} MiB/s, SDK {mib / theirs:.0f} MiB/s, ratio {ratios[-1]:.3f}, "
            f"API {costs[-1]:.3f} s/GiB"
        )
    file.unlink()
    common = {"mib": mib, "lanes": LANES, "mib_per_second": rates}
    yield median_figure("upload_vs_sdk", ratios, "ratio", ">= 0.95", **common)
    # CPU time has a resolution of 10 ms, so the rounds are added up.
    yield Figure("upload_api_cpu", sum(costs) / rounds, "s/GiB", "<= 0.3", costs, {"mib": mib})


def signed_in(house: House) -> Client:
    """Sign in an auxiliary who may declare footage."""
    client = Client(house.url, key=asyncio.run(_bring_in(house.settings)), numbers=NUMBERS)
    client.sign_in(population.badge(population.FILMING), population.PASSWORD)
    return client


def sdk_of(settings: Settings) -> Minio:
    """The minio SDK with default settings, on the house's store."""
    return Minio(
        settings.s3_endpoint, settings.s3_access_key, settings.s3_secret_key, secure=settings.s3_secure,
        region=settings.s3_region,
    )  # fmt: skip


def digest_in_store(sdk: Minio, bucket: str, key: str) -> tuple[int, str]:
    """Size and SHA-256 of the object, read a MiB at a time, the fastest way with the SDK."""
    size, digest = 0, hashlib.sha256()
    answer = sdk.get_object(bucket, key)
    try:
        for block in answer.stream(content.MIB):
            size += len(block)
            digest.update(block)
    finally:
        answer.close()
        answer.release_conn()
    return size, digest.hexdigest()


async def _bring_in(settings: Settings) -> DeviceKey:
    async with database.opened(str(settings.database_url), size=1):
        await population.bring_in(population.FILMING + 1)
        return await population.enrolled("HH-uploads")


def ours(lin: Client, file: Path, api: object) -> tuple[float, float]:
    """Seconds from declare to the answer to complete, and CPU seconds of the API meanwhile."""
    content.renew(file, at_end=False)
    size, sha256 = digest_of(file)  # this also reads the file into the page cache
    os.sync()
    ended = datetime.now(UTC)
    cpu, begun = cpu_seconds(api), time.perf_counter()
    answer = lin.entry(
        "recordings/declare", file_name=file.name, bytes=size, sha256=sha256, camera_serial="DSJ-0042",
        media_type="video/mp4", started_at=ended - timedelta(minutes=10), ended_at=ended,
    )  # fmt: skip
    lin.upload(answer["id"], file, lanes=LANES)
    state = lin.complete(answer["id"])
    seconds, cpu = time.perf_counter() - begun, cpu_seconds(api) - cpu
    if state != "received":
        raise BenchError(f"the upload should have been received, and is {state}")
    lin.receipt(answer["id"], bytes=size, sha256=sha256, wait=SEALING_SECONDS)
    return seconds, cpu


def _theirs(sdk: Minio, bucket: str, file: Path, number: int) -> float:
    """Seconds of one `put_object` of the same bytes."""
    size, _ = digest_of(file)
    os.sync()
    begun = time.perf_counter()
    with file.open("rb") as source:
        sdk.put_object(
            bucket, f"bench/sdk-{number}", source, size, "video/mp4", part_size=law().count("part_floor"),
            num_parallel_uploads=LANES,
        )  # fmt: skip
    return time.perf_counter() - begun
