"""One byte of one file is damaged on the store's disk: every other file goes on, and this one is put back."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pytest
import urllib3

from mobile_api.client.api import Client
from tests.devices import some_bytes
from tests.faults.test_backup import claimed, objects, services, sign
from tests.handhelds import rows
from tests.houses import LIN, Place, serving, succeeded
from tests.prepared import Templates

MIB = 1024 * 1024
BYTES = 24 * MIB  # three pieces of the embedded store
DAMAGED = 12 * MIB


def damage(place: Place, content: bytes, at: int) -> None:
    """Flip one byte of a file on the disk of the embedded store."""
    piece = content[at : at + 64]
    for volume in (place.data / "s3").rglob("*.dat"):
        stored = volume.read_bytes()
        if (found := stored.find(piece)) >= 0:
            with volume.open("r+b") as file:
                file.seek(found)
                file.write(bytes([stored[found] ^ 1]))
            return
    raise AssertionError("the file is in no volume")


def paper_sent(lin: Client, file: Path) -> str:
    """A document that its owner may read again, sealed."""
    known = {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    told = {"title": "诊断证明", "file_name": file.name, "media_type": "application/pdf"}
    upload = lin.entry("documents/declare", **told, **known)["id"]
    lin.bring(upload, file)
    return str(lin.receipt(upload, **known)["id"])


def read_of(lin: Client, path: str) -> tuple[bytes, str]:
    """What a client that speaks plain HTTP gets of an answer, and the error that its connection ends with."""
    lin.get("/v1/me")  # a fresh nonce: the store takes a quarter of a minute to say that it cannot read
    headers, given = lin._credentials("GET", path, lin._access, None), bytearray()
    answer = lin._http.request("GET", lin.url + path, headers=headers, preload_content=False)
    assert 200 == answer.status, answer.data
    try:
        while piece := answer.read(65536):
            given += piece
    except urllib3.exceptions.HTTPError as error:
        return bytes(given), type(error).__name__
    return bytes(given), ""


@pytest.mark.long
def test_a_damaged_file_is_named_and_put_back(tmp_path: Path, templates: Templates) -> None:
    """`verify` and `backup` say how far it reads and exit 1, nobody takes a part for the whole, `heal` takes exactly
    the sealed bytes, and its line names the operator."""
    place, passwords = templates.place(tmp_path / "damaged")
    files, folder = [tmp_path / f"{number}.pdf" for number in range(2)], tmp_path / "backup"
    with serving(place) as house:
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        for number, file in enumerate(files):
            file.write_bytes(some_bytes(BYTES + number, str(number)))
        paper, film = paper_sent(lin, files[0]), str(lin.send(files[1], **claimed())["id"])
        fingerprint = succeeded(place.run("fingerprint")).split()[0]
        sign(place)
        damage(place, files[0].read_bytes(), DAMAGED)
        given, error = read_of(lin, f"/v1/documents/{paper}/content")
        assert error
        assert DAMAGED - 8 * MIB <= len(given) < BYTES
        verified = place.run("verify", "--trust", fingerprint, "--deep")
        assert (1, "") == (verified.returncode, verified.stderr)
        assert f"the bytes of upload {paper} cannot be read beyond byte " in verified.stdout
        assert "damaged: not everything could be verified" in verified.stdout
        assert film not in verified.stdout
        it_is_named_by_a_backup(place, folder, paper, film)
        assert "is back" in succeeded(place.run("heal", paper, "--from", str(files[0])))
        succeeded(place.run("verify", "--trust", fingerprint, "--deep"))
        assert (files[0].read_bytes(), "") == read_of(lin, f"/v1/documents/{paper}/content")
        succeeded(place.run("backup", str(folder)))
        its_line_names_the_operator(place)


def it_is_named_by_a_backup(place: Place, folder: Path, paper: str, film: str) -> None:
    """All else is saved."""
    done = place.run("backup", str(folder))
    assert (1, "") == (done.returncode, done.stderr)
    assert f"{paper} cannot be read beyond byte " in done.stdout
    assert [film] == [each["id"] for each in objects(folder) if each["of"] == "upload"]
    assert [paper] == [key.rpartition("/")[2] for key in json.loads((folder / "manifest.json").read_text())["missing"]]


def its_line_names_the_operator(place: Place) -> None:
    told = "SELECT entry FROM journal WHERE verb = 'evidence/heal'"
    ((entry,),) = asyncio.run(rows(services(place)["database_url"], told))
    facts = json.loads(entry)["facts"]
    assert ("file", os.getuid(), "heal") == (facts["from"], facts["operator"]["uid"], facts["operator"]["command"])
