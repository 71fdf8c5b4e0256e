"""`fujing serve --lan`: phones of a station's network reach API and store by one name, over TLS, at ports that stay."""

import contextlib
import io
import json
import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from cryptography import x509
from minio import Minio

from mobile_api.cli.demo_film import Film, film
from mobile_api.client.api import Client
from storage.house_ca import fingerprint
from tests.houses import LIN, Place, Serving, gone, serving, succeeded
from tests.lans import ADDRESS, NAME, OPEN, ca_of, fetched, listening, ports, serial_at, trusting
from tests.prepared import Templates

SENT = {"camera_serial": "DSJ-0042", "media_type": "video/mp4"}


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> tuple[Place, dict[str, str]]:
    place, passwords = templates.place(tmp_path_factory.mktemp("lan"))
    place.settings |= OPEN
    return place, passwords


@pytest.fixture(scope="module")
def opened(peopled: tuple[Place, dict[str, str]]) -> Iterator[Serving]:
    """A house that is open to its network; this process trusts nothing but its CA."""
    place, _ = peopled
    with serving(place) as house, trusting(ca_of(place)):
        deadline = time.monotonic() + 10
        while "fingerprint" not in house.said():  # the last line of a start
            assert time.monotonic() < deadline, house.said()
            time.sleep(0.02)
        yield house


@pytest.fixture
def short(tmp_path: Path) -> Film:
    return film(tmp_path / "0001.mp4", seconds=1, width=160, height=96)


def lin_at(house: Serving, passwords: dict[str, str]) -> Client:
    lin = house.handheld()
    lin.sign_in(LIN, passwords[LIN])
    return lin


def declared(lin: Client, made: Film) -> str:
    return str(lin.declare(made.path, started_at=made.started_at, ended_at=made.ended_at, **SENT))


def test_a_part_goes_up_over_tls_from_a_page_of_the_house_and_of_no_other(
    opened: Serving, peopled: tuple[Place, dict[str, str]], short: Film
) -> None:
    """The signed URL bears the name; the preflight lets the API's origin alone; the ETag may be read; it is sealed."""
    lin = lin_at(opened, peopled[1])
    upload = declared(lin, short)
    (part,) = lin.get(f"/v1/uploads/{upload}/parts")["missing"]
    api, store = (f"https://{NAME}:{port}" for port in ports(opened.place))
    assert (api, store) == (opened.url, "{0.scheme}://{0.netloc}".format(urlsplit(part["url"])))
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-md5,content-type"}
    for origin, status in ((api, 200), ("https://elsewhere.test", 403), (f"http://{NAME}", 403)):
        preflight = fetched("OPTIONS", part["url"], headers=asks | {"Origin": origin})
        allowed = preflight.headers.get("Access-Control-Allow-Origin")
        assert (status, origin if status == 200 else None) == (preflight.status, allowed)
    sent = fetched("PUT", part["url"], body=short.path.read_bytes(), headers={"Origin": api})
    exposed = {each.strip() for each in sent.headers["Access-Control-Expose-Headers"].split(",")}
    assert (200, api) == (sent.status, sent.headers["Access-Control-Allow-Origin"])
    assert {"ETag"} <= exposed & set(sent.headers)
    assert lin.send(short.path, started_at=short.started_at, ended_at=short.ended_at, **SENT)["sha256"]


def test_a_refused_part_says_why_over_tls_too(
    opened: Serving, peopled: tuple[Place, dict[str, str]], short: Film
) -> None:
    """The store answers 403 and closes while bytes are still on their way: the answer must not be lost in the front."""
    lin = lin_at(opened, peopled[1])
    (part,) = lin.get(f"/v1/uploads/{declared(lin, short)}/parts")["missing"]
    wrong = part["url"].replace("X-Amz-Signature=", "X-Amz-Signature=0")
    for _ in range(5):
        assert 403 == fetched("PUT", wrong, body=bytes(4 * 2**20)).status


def test_a_slow_reader_gets_all_of_an_answer(opened: Serving) -> None:
    """The store has sent all and closed; a phone far from the antenna still has it to read."""
    addresses = json.loads((opened.place.data / "services.json").read_text())
    keys, content = (addresses["s3_access_key"], addresses["s3_secret_key"]), os.urandom(3 * 2**20)
    inside = Minio(addresses["s3_endpoint"], *keys, secure=False, region="us-east-1")
    inside.put_object("fujing-evidence", "probe/slow", io.BytesIO(content), len(content))
    outside = Minio(f"{NAME}:{ports(opened.place)[1]}", *keys, region="us-east-1")
    url = outside.get_presigned_url("GET", "fujing-evidence", "probe/slow")
    context = ssl.create_default_context()
    with context.wrap_socket(socket.create_connection((NAME, ports(opened.place)[1])), server_hostname=NAME) as phone:
        head = f"Host: {urlsplit(url).netloc}\r\nConnection: close\r\n\r\n"
        phone.sendall(f"GET {urlsplit(url).path}?{urlsplit(url).query} HTTP/1.1\r\n{head}".encode())
        time.sleep(2)
        said = b"".join(iter(lambda: phone.recv(65_536), b""))
    assert content == said.partition(b"\r\n\r\n")[2]


def test_only_the_ca_makes_it_trusted_and_any_address_of_the_machine_may_be_called(
    opened: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a client refuses; by an address that stands in the certificate it does not."""
    for port in ports(opened.place):
        assert fetched("GET", f"https://{ADDRESS}:{port}/").status in (403, 404)
    monkeypatch.delenv("SSL_CERT_FILE")
    for port in ports(opened.place):
        with pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetched("GET", f"https://{NAME}:{port}/")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_ports_speak_tls_from_1_2_on(opened: Serving, version: ssl.TLSVersion) -> None:
    """Android before 10 has 1.2 alone; what is older is not safe."""
    context = ssl.create_default_context(cafile=str(ca_of(opened.place)))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    for port in ports(opened.place):
        with socket.create_connection((ADDRESS, port), timeout=5) as plain:
            if version == ssl.TLSVersion.TLSv1_1:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname=NAME)
            else:
                assert context.wrap_socket(plain, server_hostname=NAME).version()


def test_a_phone_that_trusts_nothing_yet_gets_the_ca_and_nothing_else(opened: Serving) -> None:
    """In plain HTTP on the store's port: the public certificate, of the fingerprint that the operator reads out."""
    store = f"http://{NAME}:{ports(opened.place)[1]}"
    answer = fetched("GET", f"{store}/ca.crt")
    assert (200, "application/x-x509-ca-cert") == (answer.status, answer.headers["Content-Type"])
    from cryptography.hazmat.primitives import hashes

    told = x509.load_der_x509_certificate(answer.data).fingerprint(hashes.SHA256()).hex(":").upper()
    assert told == fingerprint(ca_of(opened.place))
    assert told in opened.said()
    assert b"" == fetched("HEAD", f"{store}/ca.crt").data
    for method, path in (("GET", "/"), ("GET", "/ca.key"), ("GET", "/ca.crt/../ca.key"), ("PUT", "/ca.crt")):
        refused = fetched(method, store + path)
        assert (400, True) == (refused.status, b"HTTPS" in refused.data), path
    for nonsense in (b"\n", b"GET\r\n\r\n", b"\xff" * 9000 + b"\r\n\r\n", b"\x16\x03\x01\xff\xff" * 90):
        with (
            socket.create_connection((ADDRESS, ports(opened.place)[1]), timeout=15) as raw,
            contextlib.suppress(ConnectionError),
        ):
            raw.sendall(nonsense)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert 200 == fetched("GET", f"{store}/ca.crt").status


def test_nothing_but_api_and_store_listens_outside_this_machine(opened: Serving) -> None:
    """PostgreSQL has no port; the store's inner servers, its gRPC and the operators' address stay on loopback."""
    outside = {(ADDRESS, port) for port in ports(opened.place)}
    inside = listening(opened) - outside
    assert outside == listening(opened) - inside
    assert {"127.0.0.1"} == {address for address, _ in inside}
    assert len(inside) >= 9
    for _, port in inside:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ADDRESS, port), timeout=5)


def test_the_operator_is_told_how_phones_reach_it_and_how_they_come_to_trust_it(opened: Serving) -> None:
    """In both languages; the code that a phone scans names what it can reach, so nothing is warned of."""
    place, (api, store) = opened.place, ports(opened.place)
    assert f"https://{NAME}:{store}" in opened.said()
    code = place.run("enrol", "HH-0002")
    assert f"url=https%3A%2F%2F{NAME}%3A{api}" in succeeded(code)
    assert "" == code.stderr
    for locale, word in (("C.UTF-8", "Compare it"), ("zh_CN.UTF-8", "核对")):
        place.settings["LC_ALL"] = locale
        said = succeeded(place.run("serve", "--ca"))
        del place.settings["LC_ALL"]
        assert all(each in said for each in (fingerprint(ca_of(place)), f"http://{NAME}:{store}/ca.crt", word))
        assert all(each in said for each in ("Android", "HarmonyOS", "iPhone", "Windows")), said


def test_a_running_house_shows_a_new_certificate_without_ending(
    opened: Serving, peopled: tuple[Place, dict[str, str]]
) -> None:
    """It looks every few minutes, or when it is asked; both ports take it up, and what was sealed goes on being served.

    A phone that is in the middle of a request sends it again, as after any lost connection."""
    place, lin = opened.place, lin_at(opened, peopled[1])
    before, ca = {serial_at(port) for port in ports(place)}, fingerprint(ca_of(place))
    (place.data / "tls" / "house.crt").unlink()
    opened.process.send_signal(signal.SIGUSR1)
    deadline, shown = time.monotonic() + 90, before
    while shown & before:  # for some seconds the API's processes of before answer too
        assert time.monotonic() < deadline, opened.said()
        time.sleep(0.5)
        shown = {serial_at(port) for _ in range(10) for port in ports(place)}
    assert 1 == len(shown)
    assert (ca, LIN) == (fingerprint(ca_of(place)), lin.get("/v1/me")["badge"])
    assert "the certificate was renewed" in opened.said()
    opened.process.send_signal(signal.SIGUSR1)
    time.sleep(1)
    assert 1 == opened.said().count("the certificate was renewed"), "nothing changed: nothing is made"


# -- over starts


@pytest.fixture
def away(tmp_path: Path, templates: Templates) -> Place:
    """A house that nobody serves yet."""
    place, _ = templates.place(tmp_path / "away")
    place.settings |= OPEN
    return place


def test_ports_and_ca_stay_when_everything_is_killed(away: Place) -> None:
    """Phones remember them. What was killed holds no port when it starts again."""
    for _ in range(2):
        house = Serving(away)
        house.wait_ready()
        seen = house.url, ports(away), fingerprint(ca_of(away)), serial_at(ports(away)[0])
        family = house.family()
        house.kill()
    with serving(away) as again:
        assert seen == (again.url, ports(away), fingerprint(ca_of(away)), serial_at(ports(away)[0]))
        assert [] == gone(family)


def test_a_port_that_another_program_has_is_one_sentence(away: Place) -> None:
    """No other port is chosen behind the phones' back; the sentence says which setting changes it."""
    with serving(away):
        kept = ports(away)
    for port, setting in zip(kept, ("FUJING_LISTEN", "FUJING_STORE_LISTEN"), strict=True):
        with socket.create_server((ADDRESS, port)):
            done = away.run("serve")
        said = done.stderr.strip()
        assert (1, 1) == (done.returncode, len(said.splitlines())), said
        assert re.search(rf"^fujing: Port {port} .* taken by another program.* {setting}", said), said
    assert kept == ports(away)
    assert [] == away.processes()


def test_another_name_has_another_certificate_by_the_same_ca(away: Place) -> None:
    """The phones keep the CA, and the ports."""
    with serving(away):
        before = fingerprint(ca_of(away)), ports(away), serial_at(ports(away)[0])
    away.settings["FUJING_LAN"] = "湖滨.test"
    assert (2, True) == ((done := away.run("serve")).returncode, "FUJING_LAN" in done.stderr)
    away.settings["FUJING_LAN"] = "hubin.test"
    with serving(away) as house, trusting(ca_of(away)):
        assert before[:2] == (fingerprint(ca_of(away)), ports(away))
        assert before[2] != serial_at(ports(away)[0])
        assert f"https://hubin.test:{before[1][0]}" == house.url
        assert 200 == fetched("GET", f"{house.url}/docs").status
        with pytest.raises(urllib3.exceptions.SSLError):
            fetched("GET", f"https://{NAME}:{before[1][0]}/docs")


def test_a_given_certificate_is_shown_and_no_ca_is_made(away: Place, tmp_path: Path) -> None:
    """A county that has a CA of its own gives its files; a wrong one is a sentence."""
    from datetime import UTC, datetime

    from storage.house_ca import HouseCA, Pair

    given, now = Pair(tmp_path / "given.crt", tmp_path / "given.key"), datetime.now(UTC)
    county = HouseCA(tmp_path / "county", "county", now)
    county.keep_current(given, [NAME], now)
    away.settings |= {"FUJING_TLS_CERT": str(given.certificate)}
    assert (2, True) == ((done := away.run("serve")).returncode, "FUJING_TLS_KEY" in done.stderr)
    away.settings |= {"FUJING_TLS_KEY": str(given.key)}
    with serving(away) as house, trusting(county.files.certificate):
        assert 200 == fetched("GET", f"{house.url}/docs").status
        assert 403 == fetched("GET", f"https://{NAME}:{ports(away)[1]}/").status
        assert 400 == fetched("GET", f"http://{NAME}:{ports(away)[1]}/ca.crt").status
        assert "has no CA of its own" in away.run("serve", "--ca").stderr
    assert not ca_of(away).exists()
    away.settings["FUJING_LAN"] = "another.test"
    done = away.run("serve")
    assert (2, True) == (done.returncode, "not for another.test" in done.stderr), done.stderr
    assert NAME == json.loads((away.data / "lan.json").read_text())["name"], "what did not start is not remembered"


def test_it_opens_by_a_flag_too_and_closes_without(away: Place) -> None:
    """`serve --lan NAME` is FUJING_LAN; a start without either is for this machine alone, and says so to phones."""
    del away.settings["FUJING_LAN"]
    away.settings["FUJING_LISTEN"] = "127.0.0.1:0"
    with serving(away) as house:
        assert "http://127.0.0.1" in house.url
        code = away.run("enrol", "HH-0002")
        assert "no phone can reach it" in code.stderr
        assert "serve --lan" in code.stderr
        assert "There is no CA" in away.run("serve", "--ca").stderr
    for wrong in ("localhost", "127.0.0.1", "::", "https://fujing.test", "fujing.test:8443"):
        done = away.run("serve", "--lan", wrong)
        assert (2, 1, True) == (done.returncode, len(done.stderr.splitlines()), "FUJING_LAN" in done.stderr), wrong
    for elsewhere in ("192.0.2.77:8443", "no-such-name.invalid:8443"):
        away.settings["FUJING_LISTEN"] = elsewhere
        done = away.run("serve", "--lan", NAME)
        assert (2, 1, True) == (done.returncode, len(done.stderr.splitlines()), "FUJING_LISTEN" in done.stderr), done
    away.settings["FUJING_LISTEN"] = "127.0.0.1:0"
    proxied = {"FUJING_PUBLIC_URL": "https://fujing.example"}
    away.settings |= proxied
    done = away.run("serve", "--lan", NAME)
    assert (2, True) == (done.returncode, "exclude each other" in done.stderr)


def test_the_name_of_before_is_taken_where_none_is_named(away: Place) -> None:
    """`serve --lan` alone after `serve --lan NAME`."""
    with serving(away) as house:
        url = house.url
    del away.settings["FUJING_LAN"]
    away.flags = ("--lan",)
    with serving(away) as house:
        assert url == house.url


# -- backup


def test_the_ca_and_the_ports_are_in_the_backup_and_come_back(away: Place, tmp_path: Path) -> None:
    """The machine is lost: phones go on with the CA that they have, at the address that they know."""
    folder = tmp_path / "backup"
    with serving(away):
        succeeded(away.run("backup", str(folder)))
        before = fingerprint(ca_of(away)), ports(away)
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"secrets/ca/ca.crt", "secrets/ca/ca.key", "lan.json"} <= kept
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    elsewhere = Place(tmp_path / "elsewhere", settings=dict(away.settings))
    succeeded(elsewhere.run("restore", str(folder)))
    with serving(elsewhere) as house, trusting(ca_of(away)):
        assert before == (fingerprint(ca_of(elsewhere)), ports(elsewhere))
        assert 200 == fetched("GET", f"{house.url}/docs").status
    assert json.loads((away.data / "lan.json").read_text()) == json.loads((elsewhere.data / "lan.json").read_text())
