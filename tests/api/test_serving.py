"""`fujing` as its operator runs it: started, stopped, killed, started again, twice on one machine, misconfigured."""

import asyncio
import contextlib
import io
import json
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
import urllib3
from minio import Minio

from mobile_api.cli.operations_addresses import addresses
from mobile_api.cli.restarts import LIMIT
from mobile_api.client.api import Client, Problem
from mobile_api.client.device_key import DeviceKey
from storage.embedded import PostgresAddress, S3Address
from tests.api.storage_support import a_postgres, an_s3
from tests.houses import LIN, ROSTER, ZHAO, Place, Serving, gone, serving, succeeded
from tests.prepared import Templates

PASSWORD = "a password of the street 口令"
CHECK_IN = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A data directory in a path with spaces and Chinese, initialised by the commands while nothing serves."""
    place = Place(tmp_path_factory.mktemp("station") / "城关 派出所 one", starts_anew=True)
    place.bring_in_people()
    succeeded(place.run("set-password", LIN, given=PASSWORD + "\n"))
    place.starts_anew = False
    assert [] == place.processes()
    return place


@pytest.fixture(scope="module")
def served(station: Place) -> Iterator[Serving]:
    """That station, serving."""
    house = Serving(station)
    house.ready_after = house.wait_ready()
    yield house
    if house.process.poll() is None:
        house.end()


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[Serving]:
    """Another station on the same machine, serving its own data."""
    place, _ = templates.place(tmp_path_factory.mktemp("neighbour") / "湖滨 派出所 two")
    with serving(place) as house:
        yield house


def ready(house: Serving) -> tuple[int, bytes]:
    answer = urllib3.request("GET", f"{house.operations_url}/health/ready", timeout=5, retries=False)
    return answer.status, answer.data


def lin_at(house: Serving) -> Client:
    client = house.handheld()
    client.sign_in(LIN, PASSWORD)
    return client


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """What was said to the person who started it: one sentence, no stack."""
    said = done.stderr.strip()
    assert said.startswith("fujing: "), done.stdout + done.stderr
    assert 1 == len(said.splitlines()), said
    assert "Traceback" not in done.stdout + done.stderr
    return said


def test_what_it_logs_betrays_nobody(served: Serving) -> None:
    """Neither what was typed, nor a token, nor a key, in whatever it and its servers log, refusals and failures too."""
    place, words = served.place, "只有本人知道的一句话"
    place.secrets |= {PASSWORD, words, "not-my-password"}
    phone = served.handheld()
    with pytest.raises(Problem):
        phone.sign_in(LIN, "not-my-password")
    lin = lin_at(served)
    with pytest.raises(Problem):
        lin.entry("shifts/check-in", **CHECK_IN | {"roster_post": words, "dress": words})
    with pytest.raises(Problem):
        lin.get(f"/v1/people/{words}")
    lin.entry("shifts/check-in", **CHECK_IN | {"roster_post": words})
    logs = (place.data / "logs" / "api.log").read_text()
    assert '"event": "answered"' in logs
    assert '"request": "' in logs
    assert list(place.data.rglob("*postgres*.log*"))
    assert [] == place.betrayed()
    (place.data / "logs" / "api.log").open("a").write(words)
    assert 1 == len(place.betrayed()), "this test's own test"
    (place.data / "logs" / "api.log").write_text(logs)


# -- one house


def test_what_was_made_while_nothing_ran_is_there(served: Serving) -> None:
    """`import-roster` and `set-password` start what they need, and end it."""
    assert LIN == lin_at(served).get("/v1/me")["badge"]


def test_it_is_ready_and_says_so(served: Serving) -> None:
    """The answer names both dependencies; /docs opens."""
    status, said = ready(served)
    told = json.loads(said)
    well = [told[name] for name in ("status", "database", "store", "store_why")]
    assert (200, ["ok", "ok", "ok", None]) == (status, well)
    assert told["store_write"] in ("ok", "unknown")  # until the worker has tried
    assert 200 == urllib3.request("GET", f"{served.url}/docs").status


def test_only_the_address_for_operators_answers_them(served: Serving) -> None:
    """The public address has no figures, whatever a proxy lets through; what lives may be asked everywhere."""
    at = urlsplit(served.operations_url)
    assert ("127.0.0.1", True) == (at.hostname, f"{served.operations_url}/metrics" in served.said())
    for path in ("/metrics", "/health/ready", "//metrics", "/metrics/", "/v1/../metrics"):
        assert 404 == urllib3.request("GET", f"{served.url}{path}", retries=False).status, path
    assert 200 == urllib3.request("GET", f"{served.operations_url}/metrics").status
    for path in ("/v1/me", "/openapi.json", "/docs"):
        assert 404 == urllib3.request("GET", f"{served.operations_url}{path}", retries=False).status, path
    for url in (served.url, served.operations_url):
        answer = urllib3.request("GET", f"{url}/health/live")
        assert (200, b'{"status":"ok"}') == (answer.status, answer.data)


def test_prometheus_finds_the_address_in_the_data_directory(served: Serving) -> None:
    """In the form of its file_sd_configs, for the owner alone; what a killed API left is no running one."""
    folder = served.place.data / "operations"
    (file,) = folder.glob("*.json")
    assert [{"targets": [urlsplit(served.operations_url).netloc]}] == json.loads(file.read_text())
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    told = f"{urlsplit(served.operations_url).netloc}  status=ok  database=ok  store=ok  store_write="
    assert succeeded(served.place.run("health")).startswith(told)
    (folder / "api-killed").mkdir()
    (folder / "api-killed.json").write_text('[{"targets": ["127.0.0.1:1"]}]')
    assert [urlsplit(served.operations_url).netloc] == addresses(served.place.data)


def figures(house: Serving) -> dict[str, float]:
    """Every sample of /metrics by its name and labels."""
    text = urllib3.request("GET", f"{house.operations_url}/metrics").data.decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(number) for name, _, number in lines}


def test_several_processes_are_told_as_one(tmp_path: Path, templates: Templates) -> None:
    """Whichever is asked tells of all, and forgets the pool of one that died, but not what it had counted."""
    place, _ = templates.place(tmp_path / "three")
    place.settings["FUJING_WORKERS"] = "3"

    def pool(house: Serving) -> float:
        return sum(number for name, number in figures(house).items() if name.startswith("fujing_pool_connections"))

    def asked(house: Serving) -> float:
        return figures(house)['fujing_requests_total{method="GET",path="/docs",status="200"}']

    with serving(place) as house:
        for _ in range(40):
            with urllib3.HTTPConnectionPool("127.0.0.1", urlsplit(house.url).port) as each:
                assert 200 == each.request("GET", "/docs").status
        eventually(lambda: pool(house) == 48)  # all three are up
        assert [40] * 10 == [asked(house) for _ in range(10)]
        assert [48] * 10 == [pool(house) for _ in range(10)]
        house.api()[1].kill()
        eventually(lambda: len(house.api()) == 4 and pool(house) == 48)
        assert 40 == asked(house)
    assert [] == list((place.data / "operations").iterdir())


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Until it holds; an answer that did not come is none."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib3.exceptions.HTTPError, psutil.Error, ValueError):
            if holds():
                return
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.1)


def test_only_its_owner_can_read_what_it_keeps(served: Serving) -> None:
    """The data directory is 0700, every secret 0600: another local user reads nothing."""
    data = served.place.data
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [data, *(data / "secrets").rglob("*")]}
    assert {0o700} == {mode for path, mode in modes.items() if path.is_dir()}
    assert {0o600} == {mode for path, mode in modes.items() if path.is_file()}
    assert 0o600 == stat.S_IMODE((data / "services.json").stat().st_mode)
    assert 5 <= sum(path.is_file() for path in modes)


def test_who_dribbles_holds_nobody_up(served: Serving) -> None:
    """Two hundred heads that never end, and bodies sent byte by byte: the others are answered at once, and whoever does
    not finish a head is cut off."""
    host, port = "127.0.0.1", urlsplit(served.url).port
    heads = [socket.create_connection((host, port), 5) for _ in range(200)]
    for each in heads[:100]:
        each.sendall(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for each in heads[100:]:
        each.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        each.sendall(b"Content-Length: 5000\r\n\r\n{")
    begun = time.monotonic()
    assert 200 == ready(served)[0]
    assert "recorded" == lin_at(served).entry("shifts/check-in", **CHECK_IN)["status"]
    assert time.monotonic() < begun + 3
    heads[0].settimeout(15)
    heads[0].recv(4096)  # an answer that says so, or the end: no waiting for ever
    assert 5 < time.monotonic() - begun < 15
    for each in heads:
        each.close()


def a_head(path: str, size: int, *more: str) -> bytes:
    """The head of a POST of JSON, by somebody who is not signed in."""
    lines = (f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {size}", *more)
    return "\r\n".join((*lines, "", "")).encode()


def an_answer(connection: socket.socket) -> tuple[int, bytes]:
    """The next answer that comes whole on this connection: its status and its head."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(65536) or pytest.fail("the connection ended without an answer")
    head, _, body = came.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return int(head.split()[1]), head.lower()


def test_a_refusal_waits_for_the_body_and_the_connection_stays(served: Serving) -> None:
    """A phone whose body comes after its refusal could be given sends the next request on the same connection."""
    with socket.create_connection(("127.0.0.1", urlsplit(served.url).port or 0), 10) as phone:
        for path, status in (("/v1/shifts/check-in", 401), ("/v1/nowhere", 404), ("/v1/sessions", 401)) * 2:
            phone.sendall(a_head(path, 5000))
            time.sleep(0.05)
            phone.sendall(b"{" + b" " * 4999)
            told, head = an_answer(phone)
            assert (status, False) == (told, b"connection: close" in head)


def test_a_whole_sync_hears_its_refusal(served: Serving) -> None:
    """A phone that was without a network for days sends much at once, and learns the new nonce by the refusal."""
    size = 5_000_000
    with socket.create_connection(("127.0.0.1", urlsplit(served.url).port or 0), 10) as phone:
        phone.sendall(a_head("/v1/sync", size))
        phone.sendall(b" " * size)
        status, head = an_answer(phone)
        assert (401, False) == (status, b"connection: close" in head)


@pytest.mark.parametrize("more", [(), ("Expect: 100-continue",)])
def test_a_body_that_nobody_waits_for_is_said_to_end_the_connection(served: Serving, more: tuple[str, ...]) -> None:
    """It is longer than any body of ours, or its sender waits to be asked for it: the answer comes at once."""
    with socket.create_connection(("127.0.0.1", urlsplit(served.url).port or 0), 10) as phone:
        begun = time.monotonic()
        phone.sendall(a_head("/v1/shifts/check-in", 20 if more else 9_000_000, *more))
        status, head = an_answer(phone)
        assert (401, True) == (status, b"connection: close" in head)
        assert time.monotonic() < begun + 5
        assert b"" == phone.recv(1)


def test_a_body_cut_on_its_way_is_counted_as_such(served: Serving) -> None:
    """The phone lost its network in the middle: 400 in the counts of the running server, and no stack in its log."""
    phone = lin_at(served)
    before, cut = refused_at(served), b'{"sent_at": "2026'
    for _ in range(3):
        phone.get("/v1/me")  # the newest nonce
        head = a_head("/v1/sessions", 500, *(f"{name}: {text}" for name, text in signed(phone, cut).items()))
        with socket.create_connection(("127.0.0.1", urlsplit(served.url).port or 0), 10) as connection:
            connection.sendall(head + cut)
            time.sleep(0.1)
    until = time.monotonic() + 5
    while refused_at(served) < before + 3:
        assert time.monotonic() < until, "a cut body was not counted"
        time.sleep(0.05)
    log = (served.place.data / "logs" / "api.log").read_text()
    assert "Traceback" not in log
    assert '"event": "failed"' not in log


def signed(phone: Client, body: bytes) -> dict[str, str]:
    return {"DPoP": phone.key.proof("POST", f"{phone.url}/v1/sessions", nonce=phone._nonce, token=None, body=body)}


def refused_at(house: Serving) -> float:
    """How many requests to sign in were answered 400."""
    said = urllib3.request("GET", f"{house.operations_url}/metrics").data.decode()
    lines = (line for line in said.splitlines() if line.startswith("fujing_requests_total{"))
    wanted = (line for line in lines if 'path="/v1/sessions"' in line and 'status="400"' in line)
    return sum(float(line.split()[-1]) for line in wanted)


def test_the_roster_and_a_password_come_in_while_it_serves(served: Serving) -> None:
    """An administrator stops nothing: the commands find the services that run."""
    file = served.place.home / "more.csv"
    file.write_text(ROSTER + "person,FJ1009,陈文静,civilian_auxiliary,330102010000,2025-01-01,\n")
    assert "1 person" in succeeded(served.place.run("import-roster", str(file)))
    succeeded(served.place.run("set-password", "FJ1009", given=PASSWORD + "\n"))
    chen = served.handheld("HH-0002")
    chen.sign_in("FJ1009", PASSWORD)
    assert "陈文静" == chen.get("/v1/me")["name"]
    assert served.process.poll() is None


class Repeating(DeviceKey):
    """A device whose network, once, brings a request that was answered already in the place of the next."""

    used: str | None = None
    again = False

    def proof(self, *about: Any, **more: Any) -> str:
        proof = self.used if self.again and self.used else super().proof(*about, **more)
        self.used, self.again = proof, False
        return proof


def test_a_client_proves_anew_what_was_taken_or_is_too_old(served: Serving) -> None:
    """`proof_replayed` and `use_dpop_nonce` are not for a person: a new proof, and it goes on, in a read as in an
    entry, which is recorded once."""
    lin = lin_at(served)
    key = Repeating(lin.key.private)
    phone = Client(served.url, key=key)
    phone.sign_in(LIN, PASSWORD)  # without any nonce yet
    assert LIN == phone.get("/v1/me")["badge"]
    taken, key.again = key.used, True
    assert LIN == phone.get("/v1/me")["badge"]
    assert taken != key.used
    phone._nonce = "of another day"
    shift = phone.entry("shifts/check-in", **CHECK_IN)
    assert "recorded" == shift["status"]
    assert "recorded" == phone.entry("shifts/check-out", shift=shift["id"])["status"]


def test_a_lost_handheld_is_revoked_and_a_found_one_enrolled_anew(served: Serving) -> None:
    """By the operator, while it serves; what cannot be done is a sentence."""
    phone = served.handheld("HH-0003")
    phone.sign_in(LIN, PASSWORD)
    succeeded(served.place.run("revoke", "HH-0003"))
    with pytest.raises(Problem, match="device_revoked"):
        phone.get("/v1/me")
    assert "reinstate" in complaint(served.place.run("enrol", "HH-0003"))
    succeeded(served.place.run("reinstate", "HH-0003"))
    del served.place.keys["HH-0003"]
    again = served.handheld("HH-0003")
    again.sign_in(LIN, PASSWORD)
    assert LIN == again.get("/v1/me")["badge"]
    assert "HH-9999" not in complaint(served.place.run("revoke", "HH-9999"))


def test_a_password_for_nobody_is_a_sentence(served: Serving) -> None:
    """It names the badge number and what to do."""
    done = served.place.run("set-password", "FJ9999", given=PASSWORD + "\n")
    assert 1 == done.returncode
    assert "FJ9999" in complaint(done)


def test_where_nothing_serves_nothing_is_healthy(tmp_path: Path) -> None:
    """One sentence, and an exit code for whoever watches."""
    done = Place(tmp_path).run("health")
    assert 1 == done.returncode
    assert "No API runs" in complaint(done)


@pytest.mark.parametrize("words", ["verify", "fingerprint", "rotate-keys session", "report expiring", "enrol HH-0001"])
def test_where_there_is_no_house_none_is_made(tmp_path: Path, words: str) -> None:
    """A fingerprint of a key that was made just now, or a journal without a line that verifies, would deceive."""
    place = Place(tmp_path)
    assert "There is no Fujing in" in complaint(place.run(*words.split()))
    assert not place.data.exists()


def test_half_a_fingerprint_accuses_nobody(station: Place) -> None:
    """It is no fingerprint, and says nothing of the journal."""
    done = station.run("verify", "--trust", "ec52b837")
    assert (2, "") == (done.returncode, done.stdout)
    assert "is no fingerprint" in done.stderr


def test_two_houses_stand_side_by_side(served: Serving, neighbour: Serving) -> None:
    """Each has its own ports, people and keys; what one knows, the other does not."""
    assert served.url != neighbour.url
    assert {200} == {ready(served)[0], ready(neighbour)[0]}
    assert LIN == lin_at(served).get("/v1/me")["badge"]
    with pytest.raises(Problem) as refusal:
        Client(neighbour.url, key=served.place.keys["HH-0001"]).sign_in(LIN, PASSWORD)
    assert "device_key_required" == refusal.value.code
    keys = [{key["kid"] for key in Client(house.url).published_keys()} for house in (served, neighbour)]
    assert keys[0].isdisjoint(keys[1])


def test_a_second_house_over_the_same_data_is_told_to_go(neighbour: Serving) -> None:
    """One sentence that names the directory; the first one serves on, undisturbed."""
    family = {each.pid for each in neighbour.api()}
    done = neighbour.place.run("serve", seconds=20)
    assert 1 == done.returncode
    assert str(neighbour.place.data) in complaint(done)
    assert None is neighbour.process.poll()
    assert family == {each.pid for each in neighbour.api()}
    assert 200 == ready(neighbour)[0]


# -- begun and ended


def test_killed_it_comes_back_with_everything_that_was_answered(station: Place, served: Serving) -> None:
    """kill -9 of the parent: the next start cleans up and recovers; the shift that was recorded is there.

    SIGTERM then ends that one within 5 s and leaves no process, no socket, no file outside its data directory.
    """
    shift = lin_at(served).entry("shifts/check-in", **CHECK_IN)["id"]
    killed = served.family()
    served.kill()
    house = Serving(station)
    served.ready_after = min(served.ready_after, house.wait_ready())
    kept = lin_at(house).get(f"/v1/shifts/{shift}")["shift"]
    assert (shift, None) == (kept["id"], kept["ended_at"])
    assert [] == gone(killed, 1)
    family, sockets = house.family(), station.sockets()
    assert {each.pid for each in station.processes()} <= {each.pid for each in family}
    assert house.end(signal.SIGTERM) < 5
    assert 0 == house.process.returncode
    assert [] == gone(family, 0.5)
    assert [] == station.processes()
    assert [] == [path for path in sockets if path.exists()]
    assert [] == station.left_in_temporary()
    assert not (station.data / "services.json").exists()


def test_it_is_ready_within_eight_seconds(served: Serving) -> None:
    """Once initialised, from the command to the sentence that says where; the better of two, on a busy machine."""
    assert served.ready_after < 8


# -- children that end by themselves


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[Serving]:
    """A station whose children are killed."""
    place, passwords = templates.place(tmp_path_factory.mktemp("mended") / "派出所")
    with serving(place) as house:
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        house.lin = lin
        yield house


@pytest.mark.parametrize("name", ["api", "worker", "postgres", "weed"])
def test_a_child_that_dies_is_started_again(mended: Serving, name: str) -> None:
    """By itself, saying so; nothing of the one that died is left, and the phones go on.

    The others stay as they are, but for API and worker where the database came back at another address.
    """
    died, services = mended.child(name), mended.place.data / "services.json"
    addresses = services.read_text()
    left = [died, *died.children(recursive=True)]
    others = {each: mended.child(each).pid for each in ("api", "worker", "postgres", "weed") if each != name}
    died.kill()
    eventually(lambda: mended.child(name).pid != died.pid and ready(mended)[0] == 200, 40)
    assert f"{name} ended by itself: starting it again in 1 s" in mended.said()
    assert [] == gone(left, 5)
    moved = {"api", "worker"} if services.read_text() != addresses else set()
    assert name == "postgres" or not moved
    assert {each: others[each] for each in others.keys() - moved} == {
        each: mended.child(each).pid for each in others.keys() - moved
    }
    eventually(lambda: mended.lin.entry("shifts/check-in", **CHECK_IN)["status"] == "recorded")


def test_a_database_that_comes_back_at_another_address_is_found(tmp_path: Path, templates: Templates) -> None:
    """In a path too long for a socket it lies elsewhere, and each time in another place: API, worker and commands are
    told where."""
    place, passwords = templates.place(tmp_path / ("long" * 20))
    with serving(place) as house:
        lin, before = house.handheld(), (place.data / "services.json").read_text()
        lin.sign_in(LIN, passwords[LIN])
        house.child("postgres").kill()
        eventually(lambda: (place.data / "services.json").read_text() != before and ready(house)[0] == 200, 40)
        assert "recorded" == lin.entry("shifts/check-in", **CHECK_IN)["status"]
        succeeded(place.run("set-password", ZHAO, given=PASSWORD + "\n"))


def test_asked_to_end_while_a_child_waits_for_its_restart_it_ends(mended: Serving) -> None:
    """Cleanly, at once, with nothing left."""
    family, said = mended.family(), "api ended by itself"
    before = mended.said().count(said)
    mended.child("api").kill()
    eventually(lambda: mended.said().count(said) == before + 1)
    assert mended.end(signal.SIGTERM) < 5
    assert (0, True) == (mended.process.returncode, mended.said().endswith("ended cleanly\n"))
    assert [] == gone(family, 0.5)
    assert [] == mended.place.processes()


def test_a_child_that_always_dies_is_given_up(tmp_path: Path, templates: Templates) -> None:
    """A sentence that names it with the last lines of its log, exit code 1, nothing left."""
    place, _ = templates.place(tmp_path / "hopeless")
    with serving(place) as house:
        family = house.family()
        until = time.monotonic() + 120
        while house.process.poll() is None and time.monotonic() < until:
            family += house.family()
            with contextlib.suppress(psutil.Error):
                house.child("worker").kill()
            time.sleep(0.2)
        assert (1, LIMIT.times + 1) == (house.process.returncode, house.said().count("worker ended"))
        assert f"worker ended {LIMIT.times + 1} times within 10 minutes" in house.said()
        assert "Traceback" not in house.said()
        assert [] == gone(family, 1)
        assert [] == place.processes()
        assert not (place.data / "services.json").exists()


# -- told wrong things


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FUJING_LISTEN", "eight thousand"),
        ("FUJING_LISTEN", "127.0.0.1:70000"),
        ("FUJING_DATABASE_URL", "mysql://somewhere/fujing"),
        ("FUJING_S3_SECRET_KEY", "a key without a store"),
        ("FUJING_LISTENS", "127.0.0.1:0"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(tmp_path: Path, name: str, text: str) -> None:
    """Exit code 2, nothing begun, nothing made."""
    place = Place(tmp_path, {name: text})
    done = place.run("serve", seconds=20)
    assert 2 == done.returncode
    named = complaint(done)
    assert (name if name != "FUJING_S3_SECRET_KEY" else "FUJING_S3_ENDPOINT") in named
    assert text not in named or name.endswith("LISTEN")
    assert not place.data.exists()


# -- services of others


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresAddress, S3Address]]:
    """A PostgreSQL and an S3 server that somebody else runs."""
    home = tmp_path_factory.mktemp("elsewhere")
    s3, postgres = an_s3(home / "s3"), a_postgres(home / "postgres")
    s3.launch()
    try:
        yield postgres.start(), s3.wait_ready()
    finally:
        postgres.stop()
        s3.stop()


def _named(elsewhere: tuple[PostgresAddress, S3Address], bucket: str) -> dict[str, str]:
    postgres, s3 = elsewhere
    return {
        "FUJING_DATABASE_URL": postgres.app_url,
        "FUJING_MIGRATE_URL": postgres.owner_url,
        "FUJING_S3_ENDPOINT": s3.endpoint,
        "FUJING_S3_ACCESS_KEY": s3.access_key,
        "FUJING_S3_SECRET_KEY": s3.secret_key,
        "FUJING_S3_BUCKET": bucket,
        "FUJING_S3_SECURE": "false",
    }


def test_services_that_are_named_are_used_and_none_is_started(
    elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path
) -> None:
    """Production: another's PostgreSQL and S3, by settings alone."""
    place = Place(tmp_path / "county", _named(elsewhere, "county-evidence"))
    with serving(place) as house:
        assert 200 == ready(house)[0]
        passwords = place.bring_in_people()
        zhao = house.handheld("HH-0002")
        zhao.sign_in(ZHAO, passwords[ZHAO])
        assert "officer" == zhao.get("/v1/me")["kind"]
        assert not {"postgres", "weed"} & {each.name() for each in house.family()}
        assert {"lock", "logs", "operations", "secrets"} == {path.name for path in place.data.iterdir()}
        family = house.family()
        assert house.end(signal.SIGINT) < 5  # Ctrl-C
        assert (0, True) == (house.process.returncode, "ended cleanly" in house.said())
    assert [] == gone(family, 0.5)
    client = Minio(elsewhere[1].endpoint, elsewhere[1].access_key, elsewhere[1].secret_key, secure=False)
    assert client.bucket_exists("county-evidence")


def test_a_bucket_that_cannot_lock_is_refused(elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path) -> None:
    """Evidence that anybody could delete is none: it does not run, and says what to do."""
    s3 = elsewhere[1]
    client = Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region=s3.region)
    client.make_bucket("without-lock")
    client.put_object("without-lock", "kept", io.BytesIO(b"as it was"), 9)
    place = Place(tmp_path / "county", _named(elsewhere, "without-lock"))
    succeeded(place.run("migrate"))
    asyncio.run(_forget_the_bucket(elsewhere[0].owner_url))
    done = place.run("serve", seconds=30)
    assert 1 == done.returncode
    said = complaint(done)
    assert "does not keep locked footage" in said
    assert "Name a bucket made with object lock" in said
    assert b"as it was" == client.get_object("without-lock", "kept").data


async def _forget_the_bucket(owner_url: str) -> None:
    """As a house that never started: the one of another test has a bucket, and would run without it."""
    owner = await asyncpg.connect(owner_url)
    if await owner.fetchval("SELECT to_regclass('store_marker') IS NOT NULL"):
        await owner.execute("ALTER TABLE store_marker DISABLE TRIGGER USER")
        await owner.execute("DELETE FROM store_marker")
        await owner.execute("ALTER TABLE store_marker ENABLE TRIGGER USER")
        await owner.execute("UPDATE store_check SET state = NULL, at = NULL, left_there = '[]'")
    await owner.close()


def test_a_house_whose_bucket_was_exchanged_serves_and_says_so(
    elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path
) -> None:
    """Check-ins go on; nothing is made in the other bucket, and nothing is put there."""
    place = Place(tmp_path / "county", _named(elsewhere, "county-before"))
    asyncio.run(_forget_the_bucket(elsewhere[0].owner_url))
    with serving(place):
        pass
    place = Place(tmp_path / "county", _named(elsewhere, "county-exchanged"))
    with serving(place) as house:
        status, said = ready(house)
        assert (503, "ok", "away", "swapped") == (
            status, *(json.loads(said)[name] for name in ("database", "store", "store_why"))
        )  # fmt: skip
        assert "not the one of this house" in house.said()
    client = Minio(elsewhere[1].endpoint, elsewhere[1].access_key, elsewhere[1].secret_key, secure=False)
    assert not client.bucket_exists("county-exchanged")


def test_a_database_that_is_away_is_one_sentence(elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path) -> None:
    """Not a stack, and no password in it."""
    named = _named(elsewhere, "county-evidence")
    nowhere = f"postgresql://fujing:secret-word@/fujing?host={tmp_path}"
    place = Place(tmp_path / "county", named | {"FUJING_DATABASE_URL": nowhere, "FUJING_MIGRATE_URL": nowhere})
    done = place.run("serve", seconds=30)
    assert 1 == done.returncode
    assert "secret-word" not in complaint(done) + done.stdout


def test_the_owner_of_the_journal_may_not_serve(elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path) -> None:
    """A role that could alter the journal is refused by name of the setting."""
    named = _named(elsewhere, "county-evidence")
    place = Place(tmp_path / "county", named | {"FUJING_DATABASE_URL": named["FUJING_MIGRATE_URL"]})
    done = place.run("serve", seconds=30)
    assert 1 == done.returncode
    assert "FUJING_DATABASE_URL" in complaint(done)
    password = parse_qs(urlsplit(named["FUJING_MIGRATE_URL"]).query).get("password", ["owner's"])[0]
    assert password not in done.stdout + done.stderr


def test_a_port_that_is_taken_is_one_sentence(elsewhere: tuple[PostgresAddress, S3Address], tmp_path: Path) -> None:
    """Named explicitly, it is not quietly exchanged for another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        named = _named(elsewhere, "county-evidence") | {"FUJING_LISTEN": f"127.0.0.1:{port}"}
        done = Place(tmp_path / "county", named).run("serve", seconds=30)
    assert 2 == done.returncode
    assert f"FUJING_LISTEN names port {port}" in complaint(done)
