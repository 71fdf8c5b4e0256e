"""Internal affairs reviews footage on a running house: watched, broken off, exported, verified, altered."""

import http.client
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from mobile_api.client.api import DeskClient, Problem, digest_of
from tests.houses import STATION, Serving, succeeded

ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ6001,林小川,duty_auxiliary,{STATION},2024-03-01,
person,P6001,吴督察,officer,330102000000,2015-07-01,
role,P6001,,inspector,330102000000,2026-01-01,
device,HH-0601,手持终端,handheld,{STATION},,
"""
BIG = 40 * 1024**2


def inspector_at(running: Serving, badge: str, password: str) -> DeskClient:
    desk = DeskClient(running.url)
    desk.sign_in(badge, password)
    desk.confirm_factor(pyotp.TOTP(pyotp.parse_uri(desk.set_up_factor(password)).secret).now())
    return desk


def fingerprint_of(running: Serving) -> str:
    return succeeded(running.place.run("fingerprint")).split()[0]


@pytest.fixture(scope="module")
def people(running: Serving) -> tuple[Any, DeskClient]:
    """An auxiliary on a handheld, and an inspector at a desk."""
    passwords = running.place.bring_in_people(ROSTER)
    lin = running.handheld("HH-0601")
    lin.sign_in("FJ6001", passwords["FJ6001"])
    return lin, inspector_at(running, "P6001", passwords["P6001"])


@pytest.fixture(scope="module")
def footage(people: tuple[Any, DeskClient], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Forty mebibytes, sealed."""
    file = tmp_path_factory.mktemp("review") / "0001.mp4"
    file.write_bytes(random.Random("review").randbytes(BIG))  # noqa: S311 - no secret
    began = datetime.now(UTC) - timedelta(minutes=10)
    lin = people[0]
    upload = lin.declare(file, camera_serial="DSJ-0601", media_type="video/mp4", started_at=began,
        ended_at=began + timedelta(minutes=5))  # fmt: skip
    lin.upload(upload, file)
    lin.complete(upload)
    size, sha256 = digest_of(file)
    lin.receipt(upload, bytes=size, sha256=sha256)
    return str(upload), file


def opened(wu: DeskClient, recording: str) -> str:
    fields = {"recording": recording, "purpose": "case", "number": "杭公受案字〔2026〕61号"}
    return str(wu.entry("reviews/open", **fields)["id"])


def test_who_breaks_off_is_said_to_have_seen_no_more(
    running: Serving, people: tuple[Any, DeskClient], footage: tuple[str, Path]
) -> None:
    """The viewer's connection goes in the middle: the journal has all that was asked for, and less that went out.

    Meanwhile the API holds a few blocks of it, not the film.
    """
    wu, (recording, _) = people[1], footage
    review = opened(wu, recording)
    address = urlsplit(running.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    headers, path = wu._credentials("GET", "", "", None), f"/v1/recordings/{recording}/content?review={review}"
    connection.request("HEAD", path, headers=headers)  # the first look at a film starts the process that looks
    connection.getresponse().read()
    before = sum(each.memory_info().rss for each in running.api())
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert (200, BIG) == (answer.status, int(answer.headers["Content-Length"]))
    answer.read(1024**2)
    time.sleep(1)  # what the network takes without anybody reading is taken by now
    grown = sum(each.memory_info().rss for each in running.api()) - before
    connection.close()
    assert grown < BIG / 2
    viewing: dict[str, Any] = {"served": None}
    for _ in range(100):
        (viewing,) = wu.get(f"/v1/reviews/{review}")["viewings"]
        if viewing["served"] is not None:
            break
        time.sleep(0.05)
    assert (0, BIG - 1) == (viewing["first_byte"], viewing["last_byte"])
    assert 1024**2 <= viewing["served"] < BIG


def test_a_whole_film_and_its_package(
    running: Serving, people: tuple[Any, DeskClient], footage: tuple[str, Path], tmp_path: Path
) -> None:
    """The watched bytes are the filmed ones. The package verifies without a server until it is altered."""
    wu, (recording, file) = people[1], footage
    review = opened(wu, recording)
    wu.download(f"/v1/recordings/{recording}/content", tmp_path / "seen.mp4", review=review)
    assert digest_of(file) == digest_of(tmp_path / "seen.mp4")
    with pytest.raises(Problem, match="review_needed"):
        wu.download(f"/v1/recordings/{recording}/content", tmp_path / "unseen.mp4")
    assert not (tmp_path / "unseen.mp4").exists()
    package, trust = tmp_path / "package.zip", fingerprint_of(running)
    wu.download(f"/v1/recordings/{recording}/package", package, review=review)
    output = succeeded(running.place.run("verify-package", "--trust", trust, str(package)))
    assert "核验通过" in output
    assert recording in output
    alone = running.place.run("verify-package", str(package))
    assert (3, True) == (alone.returncode, "signer unverified" in alone.stdout)
    whole = bytearray(package.read_bytes())
    whole[BIG // 2] ^= 1
    package.write_bytes(bytes(whole))
    altered = running.place.run("verify-package", "--trust", trust, str(package))
    assert (1, True) == (altered.returncode, "was altered" in altered.stdout)


def test_the_operator_verifies_disposes_erases_and_counts(running: Serving, footage: tuple[str, Path]) -> None:
    """After a rotation of the evidence key on the running house: trust in the first key extends to the next."""
    place, before = running.place, fingerprint_of(running)
    succeeded(place.run("rotate-keys", "evidence"))
    assert "nothing was altered" in succeeded(place.run("verify", "--deep", "--trust", before))
    stranger = place.run("verify", "--trust", "0" * 64)
    assert (1, True) == (stranger.returncode, "not signed by a trusted key" in stranger.stdout)
    within = place.run("dispose", "--recording", footage[0], "--for-real")
    assert (1, True) == (within.returncode, "term is not over" in within.stderr)
    assert "0 past their term" in succeeded(place.run("dispose"))
    assert "nothing was done" in succeeded(place.run("erase"))
    assert "0 overdue" in succeeded(place.run("report", "spot-checks", "--month", "2026-11"))
