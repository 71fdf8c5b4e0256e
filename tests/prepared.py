"""Houses that are made once a run, and copies of them: not every test pays for initdb and all migrations.

`bare` has the schema and the bucket; `peopled` has the people of houses.ROSTER too, who may sign in. A copy makes its
own passwords and keys when it is first served, as any house. Its PostgreSQL runs without fsync: after `kill -9` the
kernel still has what was written, and no test cuts the power. What tests a first start begins with nothing instead.
"""

import asyncio
import fcntl
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.core import settings
from mobile_api.cli import serving
from storage.private_files import make_private
from tests.houses import Place

NO_FSYNC = "\nfsync = off\nfull_page_writes = off\n"
KEPT = {"postgres": ("cluster", "superuser.password"), "s3": ("objects",)}  # of a server; the rest is of one run
PASSWORDS = "passwords.json"


@dataclass(frozen=True)
class Templates:
    """The houses of this run, made in `folder` by whichever process first needs them."""

    folder: Path

    def bare(self, data: Path) -> None:
        """Put a house that nobody serves in into this data directory."""
        _copy(_once(self.folder / "bare", _make_bare), data)

    def place(self, home: Path) -> tuple[Place, dict[str, str]]:
        """A place with a house in it, and the first password of everybody in houses.ROSTER, by badge number."""
        place = Place(home)
        peopled = _once(self.folder / "peopled", self._make_peopled)
        _copy(peopled, place.data)
        passwords: dict[str, str] = json.loads((peopled / PASSWORDS).read_text())
        place.secrets |= set(passwords.values())
        return place, passwords

    def _make_peopled(self, folder: Path) -> None:
        place = Place(folder)
        self.bare(place.data)
        passwords = place.bring_in_people()
        (folder / PASSWORDS).write_text(json.dumps(passwords))


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, whole: made by the first who asks, while the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def _make_bare(folder: Path) -> None:
    """As `fujing serve` makes it the first time."""
    data = folder / "data"
    with serving.services(settings.load({"FUJING_DATA_DIR": str(data)})) as full:
        asyncio.run(serving.prepare(full))
    with (data / "postgres" / "cluster" / "postgresql.conf").open("a") as file:
        file.write(NO_FSYNC)


def _copy(made: Path, data: Path) -> None:
    """The files of the two servers, without what they know of the place where they ran."""
    make_private(data)
    make_private(data / "secrets")  # empty: that there is a house, whose keys are made when it is served
    for server, names in KEPT.items():
        make_private(data / server)
        for name in names:
            source, to = made / "data" / server / name, data / server / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, to)
