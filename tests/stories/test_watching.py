"""Footage in a real browser: what recorders write is watched in Chromium, and the journal has which time was.

Debian's Chromium by its own chromedriver; without them the tests are skipped, and the last lines of the run say so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyotp
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

from mobile_api.client.api import DeskClient, digest_of
from tests.chromium import FLAGS
from tests.films import mux
from tests.houses import CHEN, STATION, Serving
from tests.photos import photo
from tests.recorder_films import hikvision, recorded_film
from tests.stories.test_ingest import ingest, uploads_of

pytestmark = pytest.mark.web

ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ6201,林小川,duty_auxiliary,{STATION},2024-03-01,
person,P6201,吴督察,officer,330102000000,2015-07-01,
role,P6201,,inspector,330102000000,2026-01-01,
device,HH-0621,手持终端,handheld,{STATION},,
"""
SECONDS = 40
CHINA = timezone(timedelta(hours=8))
LENGTH = 4  # seconds of each film
STATE = """
const film = document.getElementById("film");
return {at: film.currentTime, width: film.videoWidth, height: film.videoHeight, ready: film.readyState,
  length: film.duration, src: film.src.slice(0, 5), paused: film.paused, error: film.error && film.error.code,
  told: document.getElementById("told").hidden ? "" : document.getElementById("told").innerText,
  copy: !document.getElementById("copy").hidden,
  frames: film.getVideoPlaybackQuality().totalVideoFrames, rate: film.playbackRate};
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser with a new profile and a record of its console."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium here (apt-get install chromium chromium-driver): nobody watched in a browser")
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, "--window-size=1280,1000", f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options=options, service=ChromeService(executable_path=driver))
    yield window
    window.quit()


@pytest.fixture(scope="module")
def people(running: Serving) -> tuple[Any, DeskClient]:
    """An auxiliary on a handheld, and an inspector at a desk."""
    passwords = running.place.bring_in_people(ROSTER)
    lin = running.handheld("HH-0621")
    lin.sign_in("FJ6201", passwords["FJ6201"])
    wu = DeskClient(running.url)
    wu.sign_in("P6201", passwords["P6201"])
    wu.confirm_factor(pyotp.TOTP(pyotp.parse_uri(wu.set_up_factor(passwords["P6201"])).secret).now())
    return lin, wu


def kept(lin: Any, folder: Path, name: str, content: bytes, minutes_ago: float = 10) -> str:
    """Declare a film, send it, and wait for its receipt. Its id."""
    file = folder / name
    file.write_bytes(content)
    began = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    upload = lin.declare(
        file, camera_serial="DSJ-0621", media_type="video/mp4", started_at=began,
        ended_at=began + timedelta(seconds=LENGTH),
    )  # fmt: skip
    lin.upload(upload, file)
    lin.complete(upload)
    size, sha256 = digest_of(file)
    lin.receipt(upload, bytes=size, sha256=sha256)
    return str(upload)


class Watching:
    """The page of a review, as the inspector uses it."""

    def __init__(self, chromium: Chrome, running: Serving, wu: DeskClient, recording: str) -> None:
        self.chromium, self.wu = chromium, wu
        fields = {"recording": recording, "purpose": "case", "number": "杭公受案字〔2026〕62号"}
        self.review = str(wu.entry("reviews/open", **fields)["id"])
        chromium.get(f"{running.url}/docs")
        for name, text in wu._cookies.items():
            chromium.add_cookie({"name": name, "value": text, "path": "/"})
        chromium.get_log("browser")
        chromium.get(f"{running.url}/v1/reviews/{self.review}/watch")

    def state(self) -> dict[str, Any]:
        return dict(self.chromium.execute_script(STATE))

    def until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The state once it holds."""
        deadline = time.monotonic() + SECONDS
        while not holds(state := self.state()):
            assert time.monotonic() < deadline, (what, state, self.console())
            time.sleep(0.1)
        return state

    def console(self) -> list[str]:
        return [line["message"] for line in self.chromium.get_log("browser")]

    def ready(self) -> dict[str, Any]:
        return self.until(lambda state: state["ready"] >= 2, "the first picture")

    def play_to_the_end(self) -> None:
        self.chromium.execute_script("document.getElementById('film').play()")
        self.until(lambda state: state["at"] > LENGTH - 0.5 and state["paused"], "the end")

    def seek(self, seconds: float) -> None:
        self.chromium.execute_script(f"document.getElementById('film').currentTime = {seconds}")

    def watched(self, least: int) -> list[dict[str, int]]:
        """What the journal has of it, once it has `least` milliseconds."""
        deadline = time.monotonic() + SECONDS
        while True:
            watched = self.wu.get(f"/v1/reviews/{self.review}")["watched"]
            if sum(each["to_ms"] - each["from_ms"] for each in watched) >= least:
                return list(watched)
            assert time.monotonic() < deadline, watched
            time.sleep(0.1)


MADE = {
    "0001.ts": lambda: recorded_film("ts"),
    "0002.mts": lambda: recorded_film("mts"),
    "0003.mp4": lambda: hikvision(recorded_film("mpg", sound="mp2")),
    "0004.avi": lambda: recorded_film("avi", "mjpeg", "pcm_alaw"),
    "0005.mp4": lambda: recorded_film("mp4", "libx265"),
    "0006.mp4": lambda: recorded_film("mp4"),
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_recorder_wrote_is_watched(
    name: str, running: Serving, people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """A picture runs to the end, a jump lands, one request brought the first picture, and the journal has the time."""
    lin, wu = people
    page = Watching(chromium, running, wu, kept(lin, tmp_path, name, MADE[name]()))
    first = page.ready()
    as_it_is = name == "0006.mp4"
    assert (160, 120, not as_it_is, "http:" if as_it_is else "blob:") == (
        first["width"], first["height"], first["copy"], first["src"],
    )  # fmt: skip
    assert abs(first["length"] - LENGTH) < 0.3
    viewings = wu.get(f"/v1/reviews/{page.review}")["viewings"]
    assert 1 == sum(each["what"] in ("view", "content") for each in viewings)
    page.play_to_the_end()
    (stretch, *_) = page.watched(least=3000)
    assert stretch["from_ms"] < 400
    assert stretch["to_ms"] > 3000
    page.seek(2.05)
    assert page.until(lambda state: state["ready"] >= 2 and abs(state["at"] - 2.05) < 0.2, "the jump")["width"] == 160
    assert page.state()["frames"] > 5
    assert [] == [line for line in page.console() if "409 (Conflict)" not in line]  # while a copy was being made


def test_a_gap_is_marked_and_leapt_over_and_a_note_stands_at_its_moment(
    running: Serving, people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """Two seconds, a pause of twenty, two more: it plays to the end in a few seconds, and no gap counts as watched."""
    lin, wu = people
    page = Watching(chromium, running, wu, kept(lin, tmp_path, "0007.ts", recorded_film("ts", pause=20, sound=None)))
    page.ready()
    assert 1 == len(chromium.find_elements(By.CSS_SELECTOR, "#strip i.gap"))
    chromium.execute_script("document.getElementById('film').play()")
    page.until(lambda state: state["at"] > 23.3 and state["paused"], "the end behind the gap")
    watched = page.watched(least=2500)
    assert sum(each["to_ms"] - each["from_ms"] for each in watched) < 4500
    page.seek(12)
    page.until(lambda state: abs(state["at"] - 22) < 0.3 and state["ready"] >= 2, "the end of the gap")
    page.seek(22.5)
    page.until(lambda state: abs(state["at"] - 22.5) < 0.2, "the moment")
    chromium.find_element(By.ID, "words").send_keys("更换电池")
    chromium.find_element(By.CSS_SELECTOR, "#note button").click()
    page.until(lambda _: len(chromium.find_elements(By.CSS_SELECTOR, "#strip i.note")) == 1, "the note")
    (note,) = wu.get(f"/v1/reviews/{page.review}")["notes"]
    wu.entry("reviews/close", review=page.review, found=["interrupted"], words="中途更换电池")
    chromium.find_element(By.ID, "words").send_keys("再看一次")
    chromium.find_element(By.CSS_SELECTOR, "#note button").click()
    said = "const said = document.getElementById('said'); return said.hidden ? '' : said.textContent"
    page.until(lambda _: "review_closed" in chromium.execute_script(said), "why there is no second note")
    assert "" == page.state()["told"], "the film is not covered by it"
    assert (True, "更换电池") == (abs(note["at_ms"] - 22_500) < 200, note["words"])


def test_a_film_with_a_hole_is_watched_on_both_sides_of_it(
    running: Serving, people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """A card lost the middle of an AVI: the page goes on behind it, and does not ask for it again and again."""
    lin, wu = people
    whole = mux("avi", picture=20, sound=20, sound_codec="pcm_s16le")
    begin, end = (round(len(whole) * share) for share in (0.3, 0.6))
    film = whole[:begin] + bytes(end - begin) + whole[end:]
    page = Watching(chromium, running, wu, kept(lin, tmp_path, "0010.avi", film))
    page.ready()
    page.seek(5)
    chromium.execute_script("document.getElementById('film').play()")
    page.until(lambda state: state["at"] > 13, "what is behind the hole")
    chromium.execute_script("document.getElementById('film').pause()")
    watched = page.watched(least=1500)
    assert sum(each["to_ms"] - each["from_ms"] for each in watched) < 5000
    assert len(wu.get(f"/v1/reviews/{page.review}")["viewings"]) < 10


def test_single_frames_speed_and_who_watches(
    running: Serving, people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """A step is a frame; badge and time run over the picture; the copy says that it is one, and of what."""
    lin, wu = people
    page = Watching(chromium, running, wu, kept(lin, tmp_path, "0008.ts", recorded_film("ts", seconds=3)))
    page.ready()
    for _ in range(3):
        chromium.find_element(By.ID, "on").click()
        page.until(lambda state: state["ready"] >= 2, "a frame")
    assert abs(page.state()["at"] - 0.35) < 0.06
    chromium.execute_script(
        "const s = document.getElementById('speed'); s.value = '2'; s.dispatchEvent(new Event('change'));"
    )
    assert 2 == page.state()["rate"]
    first = chromium.find_element(By.CSS_SELECTOR, "#marks span").text
    page.until(lambda _: chromium.find_element(By.CSS_SELECTOR, "#marks span").text != first, "the time running")
    assert first.startswith("P6201 20")
    said = chromium.find_element(By.ID, "copy").text
    sha256 = digest_of(tmp_path / "0008.ts")[1]
    assert "观看副本，非证据" in said
    assert sha256[:16] in said
    assert sha256 in chromium.find_element(By.CSS_SELECTOR, "dl").text


def test_what_nobody_can_play_says_its_codec_and_how_to_take_it_out(
    running: Serving, people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """HEVC whose frames are gone: never sound over a frozen picture."""
    lin, wu = people
    film = recorded_film("mp4", "libx265")
    begin, end = film.index(b"mdat") + 4, film.index(b"moov") - 4
    broken = film[:begin] + bytes(end - begin) + film[end:]
    page = Watching(chromium, running, wu, kept(lin, tmp_path, "0009.mp4", broken))
    told = page.until(lambda state: "hevc" in state["told"] and "%" not in state["told"], "the codec")
    assert "hevc + aac" in told["told"]
    assert (0, 0) == (told["frames"], told["at"])
    assert "/package?review=" in chromium.find_element(By.CSS_SELECTOR, "#told a").get_attribute("href")
    assert not chromium.find_element(By.ID, "controls").is_displayed()
    phone = {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    fits = "const told = document.getElementById('told'); return told.scrollHeight <= told.clientHeight"
    page.until(lambda _: bool(chromium.execute_script(fits)), "the sentences fit a phone")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


IN_400_DAYS = """
from datetime import UTC, datetime, timedelta
from backend.evidence.retention import disposal
from mobile_api.cli.house import existing_house, in_database
async def due():
    print(*[row["id"] for row in await disposal.due(datetime.now(UTC) + timedelta(days=400))])
in_database(existing_house(), due)
"""


def due_in_400_days(running: Serving) -> set[str]:
    """The footage that would be disposed of by then."""
    done = subprocess.run(
        [sys.executable, "-c", IN_400_DAYS], env=running.place.environment(), capture_output=True, text=True, check=True
    )  # fmt: skip
    return set(done.stdout.split())


def a_card_of_a_case(card: Path, began: datetime) -> None:
    """What a recorder left of an hour: a film whose end the battery cut, one with a pause of ten minutes, a photo, a
    TS; and a film of the evening before, of no case."""
    china = began.astimezone(CHINA)
    whole = recorded_film("mov", sound=None)
    at = whole.index(b"moov") - 4
    zone = f"{china:%z}"
    shot = photo(taken=f"{china + timedelta(minutes=30):%Y:%m:%d %H:%M:%S}", zone=f"{zone[:3]}:{zone[3:]}")
    for minutes, ending, content in (
        (5, "mp4", whole[:at]), (10, "mp4", recorded_film("mp4", pause=600, sound=None)), (30, "jpg", shot),
        (35, "ts", recorded_film("ts")), (-600, "mp4", recorded_film("mp4", sound=None)),
    ):  # fmt: skip
        moment = china + timedelta(minutes=minutes)
        file = card / f"DSJ0621_{moment:%Y%m%d_%H%M%S}.{ending}"
        file.write_bytes(content)
        ended = (moment + timedelta(seconds=604 if minutes == 10 else LENGTH)).timestamp()
        os.utime(file, (ended, ended))


def test_a_card_goes_in_whole_and_all_of_it_is_watched_and_nothing_of_the_case_is_disposed_of(
    running: Serving, passwords: dict[str, str], people: tuple[Any, DeskClient], chromium: Chrome, tmp_path: Path
) -> None:
    """A report of a crime is taken; the dock takes the card; the inspector looks at every file; 400 days go by."""
    wu, chen, began = people[1], running.handheld(), datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    chen.sign_in(CHEN, passwords[CHEN])
    act = chen.entry(
        "activities/start", occurred_at=began, work="10.4", case_kind="criminal", case_ref="A3301022026110062",
        officers_present=2,
    )["id"]  # fmt: skip
    chen.entry("activities/finish", occurred_at=began + timedelta(minutes=45), activity=act)
    a_card_of_a_case(tmp_path, began)
    done = ingest(running, passwords, tmp_path)
    assert (0, True) == (done.returncode, "nothing stays on the card" in done.stdout), done.stdout + done.stderr

    rows = uploads_of(chen, *tmp_path.iterdir())
    before, cut, paused, shot, ts = (rows[name] for name in sorted(rows))
    assert {"sealed"} == {row["state"] for row in rows.values()}
    assert 2 == len(paused["filmed"])
    page = Watching(chromium, running, wu, str(cut["id"]))
    told = page.until(lambda state: bool(state["told"]) and "%" not in state["told"], "what can be done")
    assert 0 == told["frames"]
    assert "/package?review=" in chromium.find_element(By.CSS_SELECTOR, "#told a").get_attribute("href")
    page = Watching(chromium, running, wu, str(paused["id"]))
    assert abs(page.ready()["length"] - 604) < 2
    assert 1 == len(chromium.find_elements(By.CSS_SELECTOR, "#strip i.gap"))
    page.seek(602.5)
    page.until(lambda state: state["ready"] >= 2 and abs(state["at"] - 602.5) < 0.2, "the moment after the pause")
    page = Watching(chromium, running, wu, str(ts["id"]))
    assert page.ready()["copy"]
    page.play_to_the_end()
    assert page.watched(least=3000)
    page = Watching(chromium, running, wu, str(shot["id"]))
    shown = "return [...document.images].some(each => each.complete && each.naturalWidth > 1)"
    page.until(lambda _: bool(chromium.execute_script(shown)), "the photo")

    assert {str(row["id"]) for row in rows.values()} & due_in_400_days(running) == {str(before["id"])}
