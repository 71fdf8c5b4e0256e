"""`seal_vs_read`: a plain read of the object with SHA-256 ÷ sealing it.

The bench calls the function that the worker calls. The worker has ended, so that it does not take the job and the
queue's pauses are not measured: the figure compares sealing with the reading that it needs at least. All steps of
sealing are included: finding the version, the digest, the probe in its child process, the lock, the signature and the
transaction. The film is a real one, so that the probe has an index of thousands of packets to read.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import children
import content
from figures import BenchError, Figure, median_figure, say
from minio import Minio
from uploads import LANES, digest_in_store, sdk_of, signed_in

from backend.core import database
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.evidence.sealing import seal
from mobile_api.cli.demo_film import Film
from mobile_api.cli.serving import House
from mobile_api.client.api import Client, digest_of
from mobile_api.stores import store_of

ROW = "SELECT u.object_key, u.state, r.probed_ms FROM upload u JOIN recording r ON r.id = u.id WHERE u.id = $1"
FINDINGS = "SELECT count(*) FROM finding WHERE subject = $1"


def seal_vs_read(house: House, home: Path, rounds: int, mib: int) -> Iterator[Figure]:
    """Seconds of reading ÷ seconds of sealing. Ends the worker. Raises BenchError where one is not sealed properly."""
    say("making a film")
    film, lin = content.long_film(home / "DSJ0042_0002.mp4", mib * content.MIB), signed_in(house)
    children.end("worker")
    ratios, rates = [], []
    for number in range(rounds):
        say(f"seal round {number + 1} of {rounds}")
        read, sealed = asyncio.run(_round(house.settings, _received(lin, film)))
        ratios.append(read / sealed)
        rates.append({"read_seconds": read, "seal_seconds": sealed})
        say(f"read {read:.2f} s, sealed {sealed:.2f} s, ratio {ratios[-1]:.3f}")
    size = film.path.stat().st_size
    film.path.unlink()
    yield median_figure("seal_vs_read", ratios, "ratio", ">= 0.9", bytes=size, rounds=rates)


def _received(lin: Client, film: Film) -> UUID:
    """Upload a new film that waits to be sealed. Its id."""
    content.renew(film.path, at_end=True)
    size, sha256 = digest_of(film.path)
    upload = UUID(
        lin.entry(
            "recordings/declare", file_name=film.path.name, bytes=size, sha256=sha256, camera_serial="DSJ-0042",
            media_type="video/mp4", started_at=film.started_at, ended_at=film.ended_at,
        )["id"]
    )  # fmt: skip
    lin.upload(upload, film.path, lanes=LANES)
    lin.complete(upload)
    os.sync()  # so that no measured step waits for the disk
    return upload


async def _round(settings: Settings, upload: UUID) -> tuple[float, float]:
    """Seconds to read the object, and to seal it; it is in the page cache for both."""
    store, keys, sdk = store_of(settings), Keys(settings.secrets_dir), sdk_of(settings)
    async with database.opened(str(settings.database_url)):
        row = await database.first(ROW, upload)
        _read(sdk, settings.s3_bucket, row["object_key"])
        read = _read(sdk, settings.s3_bucket, row["object_key"])
        begun = time.perf_counter()
        await seal(store, keys, upload)
        sealed = time.perf_counter() - begun
        row = await database.first(ROW, upload)
        if row["state"] != "sealed" or not row["probed_ms"] or await database.value(FINDINGS, upload):
            raise BenchError(f"the film is not sealed without a finding: {dict(row)}")
    store.close()
    return read, sealed


def _read(sdk: Minio, bucket: str, key: str) -> float:
    """Seconds to read the object and compute its digest."""
    begun = time.perf_counter()
    digest_in_store(sdk, bucket, key)
    return time.perf_counter() - begun
