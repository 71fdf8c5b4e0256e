"""Houses that are made once a run, and copies of them: not every test pays for initdb and all migrations.

`bare` has the schema and the bucket. `peopled` has the people of houses.ROSTER too, who may sign in, and their enrolled
handhelds. A copy makes its own passwords and keys when it is first served, as any house. Its PostgreSQL runs without
fsync: after `kill -9` the kernel still has what was written, and no test cuts the power. It runs without autovacuum,
too: what that found in a table whose rows a test had just undone is "empty", and every plan made for the next rows
read whole tables. What tests a first start begins with nothing instead.
"""

import asyncio
import csv
import fcntl
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from backend.core import database, settings
from backend.core.settings import Settings
from backend.people import devices
from backend.people.proofs import Jwk, Proof
from mobile_api.cli import serving
from mobile_api.client.device_key import DeviceKey
from storage.private_files import make_private
from tests.houses import Place

CHEAP = "\nfsync = off\nfull_page_writes = off\nautovacuum = off\n"
KEPT = {"postgres": ("cluster", "superuser.password"), "s3": ("objects",)}  # of a server; the rest is of one run
REPOSITORY = Path(__file__).parents[1]
MAKER = (sys.executable, "-m", "tests.prepared")
PASSWORDS, HANDHELDS = "passwords.csv", ("HH-0001", "HH-0002", "HH-0003")


@dataclass(frozen=True)
class Templates:
    """The houses of this run, made in `folder` by whichever process first needs them."""

    folder: Path

    def begin(self) -> subprocess.Popen[bytes]:
        """Make them now, in the background; who needs one before it is there waits for it."""
        return subprocess.Popen([*MAKER, "begin", str(self.folder)], cwd=REPOSITORY, stdin=subprocess.DEVNULL)

    def bare(self, data: Path) -> None:
        """Put a house that nobody serves into this data directory."""
        _copy(self.once("bare"), data)

    def place(self, home: Path) -> tuple[Place, dict[str, str]]:
        """A place with a peopled house in it, and everybody's first password by badge number."""
        peopled, place = self.once("peopled"), Place(home)
        _copy(peopled, place.data)
        with (peopled / PASSWORDS).open(newline="") as file:
            passwords = {row["badge"]: row["password"] for row in csv.DictReader(file)}
        place.secrets |= set(passwords.values())
        place.keys |= {serial: DeviceKey(DeviceKey.kept_in(peopled / f"{serial}.pem").private) for serial in HANDHELDS}
        return place, passwords

    def once(self, kind: str) -> Path:
        """The house of this kind, whole: made by the first who asks, in a process of its own; the others wait."""
        made, unfinished = self.folder / kind, self.folder / f"{kind}.unfinished"
        if kind == "peopled":
            self.once("bare")
        with (self.folder / f"{kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                words = [*MAKER, kind, str(unfinished), str(self.folder / "bare")]
                subprocess.run(words, cwd=REPOSITORY, check=True)
                unfinished.rename(made)
        return made


def _copy(made: Path, data: Path) -> None:
    """The files of the two servers, without what they know of the place where they ran."""
    make_private(data)
    make_private(data / "secrets")  # empty: there is a house, whose keys are made when it is served
    for server, names in KEPT.items():
        make_private(data / server)
        for name in names:
            source, to = made / "data" / server / name, data / server / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, to)


def make_bare(folder: Path) -> None:
    """As `fujing serve` makes it the first time."""
    with serving.services(settings.load({"FUJING_DATA_DIR": str(folder / "data")})) as full:
        asyncio.run(serving.prepare(full))
    with (folder / "data" / "postgres" / "cluster" / "postgresql.conf").open("a") as file:
        file.write(CHEAP)


def make_peopled(folder: Path, bare: Path) -> None:
    """A bare house with people, by the command that brings them in, and their devices."""
    place = Place(folder)
    _copy(bare, place.data)
    with serving.services(settings.load({"FUJING_DATA_DIR": str(place.data)})) as full:
        place.bring_in_people()
        asyncio.run(_enrol(folder, full))
    next(folder.glob("passwords-*.csv")).rename(folder / PASSWORDS)


async def _enrol(folder: Path, full: Settings) -> None:
    """Each handheld by a code, with the key in its file."""
    async with database.opened(str(full.database_url), size=1):
        for serial in HANDHELDS:
            key, now = DeviceKey.kept_in(folder / f"{serial}.pem"), datetime.now(UTC)
            made = await devices.make_code(serial, now)
            proof = Proof(jkt=key.jkt, jti=uuid4().hex, body_sha256=None, aging=False)
            await devices.enrol(proof, made.code, Jwk(**key.jwk), now)


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        Templates(Path(sys.argv[2])).once("peopled")
    elif sys.argv[1] == "bare":
        make_bare(Path(sys.argv[2]))
    else:
        make_peopled(Path(sys.argv[2]), Path(sys.argv[3]))
