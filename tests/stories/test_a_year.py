"""A year passes at two stations: Lin moves, leaves, and comes back under a badge that was somebody else's.

Every file of HR is imported by the command, every fact comes by HTTP, and each stays with its person and its organ.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.core.sheets import xlsx
from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, Problem
from tests.houses import Place, Serving, serving

DISTRICT, EAST, WEST = "330102000000", "330102010000", "330102020000"
HEADER = "record,code,name,kind,organ,from,until,formerly"
HOUR = timedelta(hours=1)
TODAY = (datetime.now(UTC) + 8 * HOUR).date()  # in China; the same one, should midnight pass


def day(days_ago: int) -> date:
    """A day in China."""
    return TODAY - timedelta(days=days_ago)


def noon(days_ago: int) -> datetime:
    """Noon of that day in China."""
    at = day(days_ago)
    return datetime(at.year, at.month, at.day, 4, tzinfo=UTC)


HOUSE = f"""organ,{DISTRICT},上城区分局,,,,,
organ,{EAST},城关派出所,,{DISTRICT},,,
organ,{WEST},湖滨派出所,,{DISTRICT},,,
person,FJ1001,林小川,duty_auxiliary,{EAST},{day(400)},,
person,FJ1002,陈文静,duty_auxiliary,{EAST},{day(400)},,
person,P2001,赵立,officer,{EAST},{day(4000)},,
person,P2002,钱进,officer,{WEST},{day(4000)},,
role,P2001,,commander,{EAST},{day(4000)},,
role,P2002,,commander,{WEST},{day(4000)},,
person,DOCK-01,采集工作站,dock,{EAST},{day(400)},,
device,HH-0001,手持终端,handheld,{EAST},,,
device,HH-0002,手持终端,handheld,{EAST},,,
device,HH-0003,手持终端,handheld,{EAST},,,
device,HH-0004,手持终端,handheld,{EAST},,,
device,CJ-0001,采集工作站,dock,{EAST},,,
"""
BACK = f"person,FJ1002,林小川,duty_auxiliary,{EAST},{day(0)},,FJ1001"
DRESSED = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Serving]:
    """A house of its own: what HR tells here would change the people of the other stories."""
    with serving(Place(tmp_path / "year")) as house:
        yield house


def hr_tells(house: Serving, *lines: str, words: tuple[str, ...] = (), code: int = 0) -> tuple[str, dict[str, str]]:
    """Import these lines. What the command printed, and the first passwords of new people."""
    return imported(house, "hr.csv", "\n".join([HEADER, *lines, ""]).encode(), words, code)


def hr_sends(house: Serving, *rows: tuple[Any, ...]) -> str:
    """Import a workbook as HR keeps it: headings and kinds in Chinese, organs by name. What the command printed."""
    headings = ["警号", "姓名", "类别", "所属单位", "任职日期", "离职日期"]
    return imported(house, "花名册.xlsx", xlsx("人员", headings, rows), (), 0)[0]


def imported(
    house: Serving, name: str, content: bytes, words: tuple[str, ...], code: int
) -> tuple[str, dict[str, str]]:
    file = house.place.home / name
    passwords = house.place.home / f"passwords-{datetime.now(UTC).timestamp()}.csv"
    file.write_bytes(content)
    done = house.place.run("import-roster", str(file), "--passwords", str(passwords), *words)
    assert code == done.returncode, done.stderr + done.stdout
    given = passwords.read_text(encoding="utf-8").splitlines()[1:] if passwords.exists() else []
    house.place.secrets |= {line.partition(",")[2] for line in given}
    return done.stdout, dict(line.split(",", 1) for line in given)


def begin(phone: Client, badge: str, first_password: str) -> str:
    """Sign in for the first time, and change the first password. The new one."""
    phone.sign_in(badge, first_password)
    refused_with("password_change_needed", phone.get, "/v1/me")
    mine = f"{badge} 自己的口令"
    phone.change_password(first_password, mine)
    return mine


def a_duty(phone: Client, days_ago: int, hours: int = 4) -> str:
    """A shift from noon on; its id."""
    shift = phone.entry("shifts/check-in", occurred_at=noon(days_ago), **DRESSED)["id"]
    phone.entry("shifts/check-out", occurred_at=noon(days_ago) + hours * HOUR, shift=shift)
    return str(shift)


def seen(chief: Client, shift: str) -> Any:
    """The shift as this commander sees it; None: it does not exist for them."""
    with suppress(Problem):
        return chief.get(f"/v1/shifts/{shift}")["shift"]
    return None


def refused_with(code: str, call: Any, *words: Any, **fields: Any) -> None:
    with pytest.raises(Problem) as error:
        call(*words, **fields)
    assert code == error.value.code


@dataclass
class Story:
    """Who has which phone, and what they did so far."""

    house: Serving
    phone: Client  # Lin's
    chen: Client
    east: Client  # the commanders of both stations
    west: Client
    dock: Client  # East's
    lin: str  # an id
    passwords: dict[str, str]  # each person's own, by the badge they had first
    shifts: list[str] = field(default_factory=list)  # Lin's

    def works(self, days_ago: int) -> str:
        """A duty of Lin; the id of the shift."""
        self.shifts.append(a_duty(self.phone, days_ago))
        return self.shifts[-1]


def a_story(house: Serving) -> Story:
    """Both stations begin: HR's file comes in, and everybody changes the first password."""
    _, passwords = hr_tells(house, *HOUSE.splitlines())
    phone, east, west, chen = (house.handheld(f"HH-000{number}") for number in range(1, 5))
    dock = house.handheld("CJ-0001")
    dock.sign_in("DOCK-01", passwords["DOCK-01"])
    for client, badge in ((phone, "FJ1001"), (chen, "FJ1002"), (east, "P2001"), (west, "P2002")):
        passwords[badge] = begin(client, badge, passwords[badge])
    return Story(house, phone, chen, east, west, dock, phone.get("/v1/me")["id"], passwords)


def lin_moves(story: Story, films: Path) -> None:
    """Spring, to West. What comes late stays in East: the shift by phone, the film by East's dock."""
    spring = story.works(100)
    assert "moved: 1" in hr_sends(story.house, ("FJ1001", "林小川", "勤务辅警", "湖滨派出所", day(60), None))
    late, here = story.works(70), story.works(40)
    east, west = story.east, story.west
    for shift, chief, other in ((spring, east, west), (late, east, west), (here, west, east)):
        assert story.lin == seen(chief, shift)["person"]
        assert seen(other, shift) is None
    footage = film(films / "film.mp4", seconds=2, width=320, height=180).path
    wearer = story.dock.get("/v1/people/FJ1001", at=noon(70).isoformat())["id"]
    span = {"started_at": noon(70) + HOUR, "ended_at": noon(70) + HOUR + timedelta(seconds=2)}
    story.dock.send(footage, wearer=wearer, camera_serial="DSJ-0042", media_type="video/mp4", **span)
    assert [story.lin] == [row["wearer"] for row in east.get("/v1/recordings")["items"]]
    assert [] == west.get("/v1/recordings")["items"]


def lin_leaves(story: Story) -> None:
    """Summer. The phone still holds the last day, and brings it home; nothing else is open."""
    hr_tells(story.house, f"person,FJ1001,林小川,duty_auxiliary,{WEST},{day(60)},{day(10)},")
    refused_with("bring_home_only", story.phone.get, "/v1/me")
    assert story.lin == seen(story.west, story.works(10))["person"]
    held = story.phone.sync([story.phone.new_entry(verb="assistance/call", kind="other")])["results"][0]
    assert ("waiting", "after_service") == (held["status"], held["reason"])


def the_badge_goes_to_sun(story: Story) -> None:
    """Shown first, and written after a yes. Lin's password opens nothing any more; Lin's shifts stay Lin's."""
    sun = f"person,FJ1001,孙新,duty_auxiliary,{EAST},{day(5)},,"
    shown, given = hr_tells(story.house, sun, code=2)
    assert "FJ1001 林小川 → 孙新" in shown
    assert {} == given
    _, given = hr_tells(story.house, sun, words=("--confirm",))
    successor = story.house.handheld("HH-0004")
    refused_with("sign_in_refused", successor.sign_in, "FJ1001", story.passwords["FJ1001"])
    begin(successor, "FJ1001", given["FJ1001"])
    assert story.lin != successor.get("/v1/me")["id"]
    assert [] == successor.get("/v1/shifts")["items"]
    last = seen(story.west, story.shifts[-1])
    assert ("林小川", story.lin) == (last["name"], last["person"])
    assert story.lin == seen(story.west, story.works(11))["person"]


def lin_returns_under_chens_badge(story: Story, chens: str) -> None:
    """Autumn: Chen leaves, and Lin is back in East under Chen's number. The history goes on; Chen's shift is Chen's."""
    hr_tells(story.house, f"person,FJ1002,陈文静,duty_auxiliary,{EAST},{day(400)},{day(3)},")
    _, given = hr_tells(story.house, BACK, words=("--confirm",))
    assert {} == given  # the same person keeps the password
    refused_with("sign_in_refused", story.chen.sign_in, "FJ1002", story.passwords["FJ1002"])
    story.phone.sign_in("FJ1002", story.passwords["FJ1001"])
    me = story.phone.get("/v1/me")
    assert (story.lin, "FJ1002", EAST) == (me["id"], me["badge"], me["organ"]["code"])
    assert set(story.shifts) == {row["id"] for row in story.phone.get("/v1/shifts")["items"]}
    assert ("陈文静", EAST) == (seen(story.east, chens)["name"], seen(story.east, chens)["organ"])
    today = story.phone.entry("shifts/check-in", **(DRESSED | {"roster_post": "门岗"}))
    assert EAST == seen(story.east, str(today["id"]))["organ"]


def lin_calls_for_help(story: Story) -> None:
    """The phone's clock was an hour fast, and put right before the call went out; it had no fix."""
    nowhere = {"lat": 0.0, "lon": 0.0, "accuracy_m": -1.0, "datum": "WGS84"}
    call = story.phone.entry("assistance/call", occurred_at=datetime.now(UTC) + HOUR, kind="other", place=nowhere)
    assert {"clock_doubtful", "place_doubtful"} == {finding["code"] for finding in call["findings"]}
    assert [call["id"]] == [row["id"] for row in story.east.get("/v1/assistance")["items"]]


def test_a_year_at_a_station(year: Serving, tmp_path: Path) -> None:
    """Moved, left, the badge given on, returned under a badge that was Chen's."""
    story = a_story(year)
    chens = a_duty(story.chen, 50)
    lin_moves(story, tmp_path)
    lin_leaves(story)
    the_badge_goes_to_sun(story)
    lin_returns_under_chens_badge(story, chens)
    lin_calls_for_help(story)
    assert "0 person" in hr_tells(year, BACK)[0]  # the same file again changes nothing
    year.place.verify()
    assert [] == year.place.betrayed()
