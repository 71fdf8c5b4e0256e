"""A server is lost and restored from its backup in another place: complete, verified, and locked as before."""

import asyncio
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client
from tests import forked
from tests.handhelds import rows
from tests.houses import LIN, Place, serving, succeeded
from tests.prepared import Templates


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> tuple[Place, str, Path, dict[str, Any]]:
    """A server with a shift, two sealed films and signed checkpoints; its fingerprint; a backup made in two runs."""
    place, passwords = templates.place(tmp_path_factory.mktemp("lived"))
    folder = tmp_path_factory.mktemp("backup") / "备份 one"
    with serving(place) as house:
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        shift = lin.entry(
            "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True, roster_post="南门"
        )
        expected = {"passwords": passwords, "shift": shift["id"], "receipts": [filmed(lin, place.home, 1)]}
        fingerprint = succeeded(place.run("fingerprint")).split()[0]
        sign(place)
        output = succeeded(place.run("backup", str(folder)))
        assert "4 of them new" in output, output  # the film, its still, and a checkpoint in two files
        expected["receipts"].append(filmed(lin, place.home, 2))
        lin.declare(film(place.home / "open.mp4", seconds=1, width=160, height=96).path, **claimed())
        sign(place)
        notice = place.home / "notice.toml"
        notice.write_text('["2031"]\nrest = []\nwork = []\nsource = "test"\n')
        succeeded(place.run("calendar", "2031", "--from", str(notice)))
        output = succeeded(place.run("backup", str(folder)))
        assert "4 of them new" in output, output  # the second film, its still, and another checkpoint
        assert "1 uploads were not sealed" in output
        assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    return place, fingerprint, folder, expected


def claimed() -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {"camera_serial": "DSJ-0042", "media_type": "video/mp4", "started_at": now, "ended_at": now}


def filmed(lin: Client, home: Path, number: int) -> dict[str, Any]:
    made = film(home / f"film-{number}.mp4", seconds=number, width=160, height=96)
    return lin.send(made.path, **claimed() | {"started_at": made.started_at, "ended_at": made.ended_at})


def services(place: Place) -> dict[str, str]:
    return json.loads((place.data / "services.json").read_text())


SIGN = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from backend.core import database
from backend.core.keys import Keys
from backend.proof import checkpoints
from backend.core.settings import Settings
from mobile_api.cli.serving import services
from mobile_api.stores import store_of

async def main(full):
    async with database.opened(str(full.database_url)):
        await checkpoints.make(store_of(full), Keys(full.secrets_dir).evidence, datetime.now(UTC), at_once=True)

with services(Settings(data_dir=Path(sys.argv[1]))) as full:
    asyncio.run(main(full))
"""


def sign(place: Place) -> None:
    """Make a checkpoint now, as the worker does every minute if there are new rows."""
    succeeded(forked.run([str(place.data)], place.environment(), code=SIGN))


def objects(folder: Path) -> list[dict[str, Any]]:
    (listed,) = folder.glob("objects-*.jsonl")
    return [json.loads(line) for line in listed.read_text().splitlines()]


def test_it_comes_back_in_another_place(lived: tuple[Any, ...], tmp_path: Path) -> None:
    """Passwords, devices, shifts, receipts and proofs are back; locks hold; phones go on working."""
    before, fingerprint, folder, expected = lived
    place = Place(tmp_path / "elsewhere", keys=dict(before.keys), numbers=dict(before.numbers))
    assert "files are back" in succeeded(place.run("restore", str(folder)))
    assert "not empty" in place.run("restore", str(folder)).stderr
    assert "not announced" not in succeeded(place.run("calendar", "2031"))
    with serving(place) as house:
        assert fingerprint == succeeded(place.run("fingerprint")).split()[0]
        lin = house.handheld()
        lin.sign_in(LIN, expected["passwords"][LIN])
        assert expected["shift"] == lin.get(f"/v1/shifts/{expected['shift']}")["shift"]["id"]
        for receipt in expected["receipts"]:
            assert (
                receipt["sha256"]
                == lin.receipt(receipt["id"], bytes=receipt["bytes"], sha256=receipt["sha256"])["sha256"]
            )
        succeeded(place.run("verify", "--trust", fingerprint, "--deep"))
        nobody_removes(place, folder)
        again = filmed(lin, place.home, 3)
        assert "sealed" == lin.get(f"/v1/uploads/{again['id']}/receipt")["state"]
        sign(place)
        succeeded(place.run("verify", "--trust", fingerprint, "--deep"))
        two = asyncio.run(rows(services(place)["database_url"], "SELECT count(*) FROM journal_epoch"))
        assert 2 == two[0][0]
        its_journal_says_who_backed_up_and_who_restored(place, folder)
    assert [] == place.betrayed()


def its_journal_says_who_backed_up_and_who_restored(place: Place, folder: Path) -> None:
    """The line of a backup is in the backup itself; that of the restore is the first one of the new epoch."""
    told = "SELECT verb, epoch, entry FROM journal WHERE epoch = 2 OR verb LIKE 'house/%' ORDER BY epoch, xid, seq"
    lines = asyncio.run(rows(services(place)["database_url"], told))
    expected = ["mark-store", "backup", "backed-up", "backup", "restore", "mark-store"]
    told = [line for line in lines if line["verb"].startswith("house/")]
    assert [f"house/{name}" for name in expected] == [line["verb"] for line in told]
    facts = json.loads(told[4]["entry"])["facts"]
    assert (2, os.getuid(), "restore") == (told[4]["epoch"], facts["operator"]["uid"], facts["operator"]["command"])
    assert lines[4]["epoch"] == 2, "it is the first of its epoch"
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == facts["manifest_sha256"]


def nobody_removes(place: Place, folder: Path) -> None:
    addresses = services(place)
    sdk = Minio(
        addresses["s3_endpoint"],
        addresses["s3_access_key"],
        addresses["s3_secret_key"],
        secure=False,
        region="us-east-1",
    )
    for key in (each["key"] for each in objects(folder) if each["of"] in ("upload", "poster")):
        (version,) = sdk.list_objects("fujing-evidence", prefix=key, include_version=True)
        with pytest.raises(S3Error):
            sdk.remove_object("fujing-evidence", key, version.version_id)


def test_missing_files_are_named(lived: tuple[Any, ...], tmp_path: Path) -> None:
    """One file is gone from the backup, one is cut off, one was lost in the store before: all are named, everything
    else is restored, and `verify` finds them. Files left by a killed backup change nothing."""
    _, fingerprint, folder, _ = lived
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    films = [each["key"] for each in objects(folder) if each["of"] == "upload"]
    (broken / "database-20990101T000000000000.dump").write_bytes(b"of a backup that was killed")
    (broken / "objects-20990101T000000000000.jsonl").write_bytes(b'{"of": "upload"')
    (broken / "objects" / films[0]).unlink()
    (broken / "objects" / films[1]).write_bytes(b"cut off")
    manifest = json.loads((broken / "manifest.json").read_text())
    (broken / "manifest.json").write_text(json.dumps(manifest | {"missing": ["recording/2026/lost-before"]}))
    place = Place(tmp_path / "elsewhere")
    done = place.run("restore", str(broken))
    assert 1 == done.returncode
    assert 3 == done.stdout.count("✗ missing"), done.stdout
    assert all(key in done.stdout for key in (*films, "recording/2026/lost-before"))
    verified = place.run("verify", "--trust", fingerprint)
    assert 1 == verified.returncode
    assert "no longer has the bytes" in verified.stdout


def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    """It is refused with a sentence, and nothing is created in the new place."""
    place = Place(tmp_path / "elsewhere")
    done = place.run("restore", str(tmp_path))
    assert 1 == done.returncode
    assert "no whole backup" in done.stderr
    assert not place.data.exists()


@pytest.mark.long
def test_a_damaged_database_spoils_no_backup(lived: tuple[Any, ...], tmp_path: Path) -> None:
    """One byte of the journal's file flipped: every command says so, in a sentence; the last whole backup stays as it
    is, and a film that was lost from it is saved again."""
    place, fingerprint, kept, _ = lived
    folder = tmp_path / "backup"
    shutil.copytree(kept, folder)
    (film_key, *_) = (each["key"] for each in objects(folder) if each["of"] == "upload")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with serving(place):
        database = services(place)["database_url"]
        ((file,),) = asyncio.run(rows(database, "SELECT pg_relation_filepath('journal')"))
    flip(place.data / "postgres" / "cluster" / file)
    (folder / "objects" / film_key).unlink()
    done = place.run("backup", str(folder))
    assert (2, "") == (done.returncode, done.stdout.strip()), done.stdout
    assert "The database was NOT saved" in done.stderr
    assert "invalid page" in done.stderr
    assert "8/8 of its files are there" in done.stderr, done.stderr
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    verified = place.run("verify", "--trust", fingerprint)
    assert (1, "") == (verified.returncode, verified.stderr), verified.stderr
    assert "rows cannot be read" in verified.stdout
    assert 2 == verified.stdout.count("only its bytes in the store were looked at"), verified.stdout
    empty = tmp_path / "first"
    assert "no earlier backup" in place.run("backup", str(empty)).stderr
    assert [] == [path for path in empty.rglob("*") if path.is_file()]


def flip(file: Path) -> None:
    """Flip one byte in the middle of the first page."""
    with file.open("r+b") as page:
        page.seek(4000)
        (byte,) = page.read(1)
        page.seek(4000)
        page.write(bytes([byte ^ 1]))
