"""A phone of the station's network: its browser trusts the house's CA, uploads a film in parts, goes on after the house
was killed, and an inspector's browser watches it.

The name leads to 127.0.0.2. The CA is in the browser's own store (NSS, by certutil); no certificate error is ignored.
Debian's Chromium by its own chromedriver; without them or certutil the test is skipped, and the last lines say so.
"""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pyotp
import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

from mobile_api.client.api import digest_of
from storage.house_ca import fingerprint
from tests.chromium import FLAGS
from tests.houses import STATION, Place, Serving, gone
from tests.lans import ADDRESS, NAME, OPEN, ca_of, certutil, ports
from tests.prepared import Templates
from tests.recorder_films import recorded_film

pytestmark = pytest.mark.web

ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ2301,林小川,duty_auxiliary,{STATION},2024-03-01,
person,P2301,吴督察,officer,330102000000,2015-07-01,
role,P2301,,inspector,330102000000,2026-01-01,
device,HH-2301,手持终端,handheld,{STATION},,
"""
IN_THE_NETWORK = (*FLAGS, f"--host-resolver-rules=MAP {NAME} {ADDRESS}")
SECONDS = 60
MIB = 2**20
PHONE = """
const coded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\\+/g, "-").replace(/\\//g, "_")
  .replace(/=+$/, "");
const utf8 = (text) => new TextEncoder().encode(text);
const digest = async (content) => coded(await crypto.subtle.digest("SHA-256", content));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const told = {sent: 0, etags: []};
window.phone = {
  told, nonce: "", access: "", csrf: "",
  async start() {
    this.pair = await crypto.subtle.generateKey({name: "ECDSA", namedCurve: "P-256"}, false, ["sign", "verify"]);
    const {x, y} = await crypto.subtle.exportKey("jwk", this.pair.publicKey);
    this.jwk = {kty: "EC", crv: "P-256", x, y};
  },
  async proof(method, path, body) {
    const claims = {htm: method, htu: location.origin + path.split("?")[0], jti: crypto.randomUUID(),
      iat: Math.floor(Date.now() / 1000), nonce: this.nonce};
    if (this.access) claims.ath = await digest(utf8(this.access));
    if (body) claims.body_sha256 = await digest(body);
    const head = {typ: "dpop+jwt", alg: "ES256", jwk: this.jwk};
    const text = [head, claims].map((each) => coded(utf8(JSON.stringify(each)))).join(".");
    const how = {name: "ECDSA", hash: "SHA-256"};
    return text + "." + coded(await crypto.subtle.sign(how, this.pair.privateKey, utf8(text)));
  },
  async call(method, path, payload) {
    for (let attempt = 0; attempt < 60; attempt++) {
      const headers = {"Accept-Language": "en"};
      const body = payload && utf8(JSON.stringify({...payload, sent_at: new Date().toISOString()}));
      if (body) headers["Content-Type"] = "application/json";
      if (this.access) headers.Authorization = `DPoP ${this.access}`;
      headers.DPoP = await this.proof(method, path, body);
      const answer = await fetch(path, {method, headers, body, credentials: "omit"}).catch(() => undefined);
      this.nonce = answer?.headers.get("DPoP-Nonce") ?? this.nonce;
      const said = await answer?.json().catch(() => undefined);
      if (answer?.ok && said) return said;
      if (answer && answer.status < 500 && !["use_dpop_nonce", "proof_replayed"].includes(said?.code))
        throw new Error(JSON.stringify(said));
      await sleep(500);
    }
    throw new Error(`no answer to ${method} ${path}`);
  },
  async upload(id) {
    const file = document.getElementById("film").files[0], etags = {};
    for (;;) {
      const {missing} = await this.call("GET", `/v1/uploads/${id}/parts`);
      if (!missing.length) break;
      const part = missing[0], body = file.slice(part.offset, part.offset + part.bytes);
      const arrived = await fetch(part.url, {method: "PUT", body, credentials: "omit"}).catch(() => undefined);
      const etag = arrived?.ok && arrived.headers.get("ETag");
      if (etag) { etags[part.number] = etag; told.etags.push(etag); told.sent += 1; }
      told.origin = new URL(part.url).origin;
      await sleep(400);
    }
    const parts = Object.entries(etags).map(([number, etag]) => ({number: Number(number), etag}));
    return await this.call("POST", `/v1/uploads/${id}/complete`, {parts});
  },
  async desk(method, path, payload) {
    const headers = {"Content-Type": "application/json", "X-CSRF-Token": this.csrf};
    const body = payload && JSON.stringify({...payload, sent_at: new Date().toISOString()});
    const answer = await fetch(path, {method, headers, body});
    const said = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(said));
    this.csrf = said?.csrf_token ?? this.csrf;
    return said;
  },
};
const input = Object.assign(document.createElement("input"), {type: "file", id: "film"});
document.body.replaceChildren(input);
"""
RUN = """
const done = arguments[arguments.length - 1], [name, ...more] = arguments[0];
phone[name](...more).then((said) => done({said}), (error) => done({error: String(error)}));
"""
STATE = """
const film = document.getElementById("film");
return {at: film.currentTime, ready: film.readyState, paused: film.paused, width: film.videoWidth,
  told: document.getElementById("told").hidden ? "" : document.getElementById("told").innerText};
"""


@contextlib.contextmanager
def browser(home: Path, ca: Path | None) -> Iterator[Chrome]:
    """A browser with a profile of its own, whose store has this CA or none."""
    chromium, driver, tool = shutil.which("chromium"), shutil.which("chromedriver"), certutil()
    if chromium is None or driver is None:
        pytest.skip("no Chromium here (apt-get install chromium chromium-driver): no phone called by the network")
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run([tool, "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
    if ca is not None:
        subprocess.run([tool, "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "house", "-i", str(ca)], check=True)
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*IN_THE_NETWORK, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(flag)
    environment = os.environ | {"HOME": str(home)}
    window = Chrome(options=options, service=ChromeService(executable_path=driver, env=environment))
    window.set_script_timeout(SECONDS)
    try:
        yield window
    finally:
        window.quit()


class Page:
    """A page of the house's origin, with a phone in it."""

    def __init__(self, window: Chrome, url: str) -> None:
        self.window = window
        window.get(f"{url}/.well-known/jwks.json")
        window.execute_script(PHONE)

    def run(self, *words: Any) -> Any:
        """Call a function of the phone and wait for what it gives."""
        answer = self.window.execute_async_script(RUN, words)
        assert "error" not in answer, answer
        return answer["said"]

    def told(self) -> dict[str, Any]:
        return dict(self.window.execute_script("return phone.told"))


@pytest.fixture
def place(tmp_path: Path, templates: Templates) -> Place:
    place, _ = templates.place(tmp_path / "station")
    place.settings |= OPEN
    return place


def a_film(folder: Path) -> Path:
    """A film that plays, of 5 parts."""
    file, filling = folder / "0001.mp4", 33 * MIB
    file.write_bytes(recorded_film("mp4") + struct.pack(">I4s", filling, b"free") + os.urandom(filling - 8))
    return file


def kill_everything(house: Serving) -> None:
    """SIGKILL to each process of the house: nothing is cleaned up."""
    family = house.family()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # the kernel ends some of them with their parent
            process.send_signal(signal.SIGKILL)
    house.process.wait()
    assert [] == gone(family)


def until(holds: Any, what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def test_a_browser_that_was_not_given_the_ca_refuses(place: Place, tmp_path: Path) -> None:
    """So what follows is not green because nobody looked."""
    house = Serving(place)
    try:
        house.wait_ready()
        with browser(tmp_path / "stranger", None) as window:
            with contextlib.suppress(WebDriverException):  # some versions of the driver raise it, others show it
                window.get(f"{house.url}/docs")
            until(lambda: "ERR_CERT_AUTHORITY_INVALID" in window.page_source, window.page_source[:400])
            assert "swagger" not in window.page_source
    finally:
        house.end()


def test_a_phone_uploads_from_the_network_and_goes_on_after_everything_was_killed(place: Place, tmp_path: Path) -> None:
    """Enrolled with a key that cannot be taken out, killed in the middle of a film; sealed, and watched over HTTPS."""
    house, film = Serving(place), a_film(tmp_path)
    house.wait_ready()
    try:
        passwords = place.bring_in_people(ROSTER)
        with browser(tmp_path / "phone", ca_of(place)) as window:
            page = Page(window, house.url)
            assert window.execute_script("return isSecureContext && !!navigator.mediaDevices && !!crypto.subtle")
            upload = declared(page, place, film, passwords)
            window.execute_script("phone.sending = phone.upload(arguments[0])", upload)
            until(lambda: page.told()["sent"] >= 1, "the first part")
            url, trusted = house.url, fingerprint(ca_of(place))
            kill_everything(house)
            assert page.told()["sent"] < 5, "it was killed too late to show anything"
            time.sleep(1)
            house = Serving(place)
            house.wait_ready()
            assert (url, trusted) == (house.url, fingerprint(ca_of(place)))
            told = sealed(page, upload)
            assert len(told["etags"]) >= 4
            assert f"https://{NAME}:{ports(place)[1]}" == told["origin"]
            watched(page, house, upload, passwords)
    finally:
        if house.process.poll() is None:
            house.end()
    assert [] == place.betrayed()


def declared(page: Page, place: Place, film: Path, passwords: dict[str, str]) -> str:
    """Enrol the phone, sign in, and declare the film. The upload's id."""
    page.run("start")
    code = place.code_for("HH-2301")
    jwk = page.window.execute_script("return phone.jwk")
    assert "HH-2301" == page.run("call", "POST", "/v1/devices/enrol", {"code": code, "jwk": jwk})["device"]["serial"]
    tokens = page.run("call", "POST", "/v1/sessions", {"badge": "FJ2301", "password": passwords["FJ2301"]})
    page.window.execute_script("phone.access = arguments[0]", tokens["access_token"])
    page.window.find_element(By.ID, "film").send_keys(str(film))
    size, sha256 = digest_of(film)
    now = time.time()
    began, ended = (time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - ago)) for ago in (60, 56))
    entry = {
        "id": str(uuid4()), "occurred_at": ended, "device_seq": 1, "camera_serial": "DSJ-2301", "file_name": film.name,
        "media_type": "video/mp4", "bytes": size, "sha256": sha256, "started_at": began, "ended_at": ended,
    }  # fmt: skip
    return str(page.run("call", "POST", "/v1/recordings/declare", entry)["id"])


def sealed(page: Page, upload: str) -> dict[str, Any]:
    """Wait until the page has sent all and the house has sealed it. What the page saw of the store."""
    page.window.execute_async_script(
        "const done = arguments[0]; phone.sending.then(() => done(null), (error) => done(String(error)));"
    )
    receipt = f"/v1/uploads/{upload}/receipt"
    until(lambda: page.run("call", "GET", receipt)["state"] == "sealed", "the receipt")
    return page.told()


def watched(page: Page, house: Serving, upload: str, passwords: dict[str, str]) -> None:
    """An inspector signs in by cookie in the same browser, opens a review and watches to the end."""
    page.run("desk", "POST", "/v1/desk/sessions", {"badge": "P2301", "password": passwords["P2301"]})
    factor = page.run("desk", "POST", "/v1/me/totp", {"password": passwords["P2301"]})["otpauth_uri"]
    page.run("desk", "POST", "/v1/me/totp/confirm", {"code": pyotp.TOTP(pyotp.parse_uri(factor).secret).now()})
    opened = {
        "recording": upload,
        "purpose": "case",
        "number": "杭公受案字〔2026〕23号",
        "id": str(uuid4()),
        "device_seq": 1,
    }
    opened |= {"occurred_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())}
    review = page.run("desk", "POST", "/v1/reviews/open", opened)["id"]
    (cookie,) = (each for each in page.window.get_cookies() if each["name"] == "__Host-fujing")
    assert (True, True, "Strict") == (cookie["secure"], cookie["httpOnly"], cookie["sameSite"])
    page.window.get(f"{house.url}/v1/reviews/{review}/watch")

    def state() -> dict[str, Any]:
        return dict(page.window.execute_script(STATE))

    until(lambda: state()["ready"] >= 2, "the first picture")
    page.window.execute_script("document.getElementById('film').play()")
    until(lambda: state()["at"] > 3.4 and state()["paused"], "the end")
    assert (160, "") == (state()["width"], state()["told"])
