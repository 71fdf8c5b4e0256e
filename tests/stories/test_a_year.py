"""A year passes at two stations: Lin moves, leaves, and comes back under a badge that was somebody else's.

Every file of HR is imported by the command, every fact comes by HTTP, and each stays with its person and its organ.
"""

from collections.abc import Iterator
from contextlib import suppress
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


def day(days_ago: int) -> date:
    """A day in China."""
    return (datetime.now(UTC) + 8 * HOUR).date() - timedelta(days=days_ago)


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
    dress = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}
    shift = phone.entry("shifts/check-in", occurred_at=noon(days_ago), **dress)["id"]
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


def test_a_year_at_a_station(year: Serving, tmp_path: Path) -> None:
    """Moved, left, the badge given on, returned under a badge that was Chen's."""
    _, passwords = hr_tells(year, *HOUSE.splitlines())
    phone, east, west, dock = (year.handheld(serial) for serial in ("HH-0001", "HH-0002", "HH-0003", "CJ-0001"))
    dock.sign_in("DOCK-01", passwords["DOCK-01"])
    for client, badge in ((phone, "FJ1001"), (east, "P2001"), (west, "P2002")):
        passwords[badge] = begin(client, badge, passwords[badge])
    lin = phone.get("/v1/me")["id"]
    chen = year.handheld("HH-0004")
    passwords["FJ1002"] = begin(chen, "FJ1002", passwords["FJ1002"])
    chens = a_duty(chen, 50)

    # Spring: Lin moves to West. What comes late stays in East: the shift by phone, the film by East's dock.
    spring = a_duty(phone, 100)
    assert "moved: 1" in hr_sends(year, ("FJ1001", "林小川", "勤务辅警", "湖滨派出所", day(60), None))
    late, here = a_duty(phone, 70), a_duty(phone, 40)
    for shift, chief, other in ((spring, east, west), (late, east, west), (here, west, east)):
        assert lin == seen(chief, shift)["person"]
        assert seen(other, shift) is None
    footage = film(tmp_path / "film.mp4", seconds=2, width=320, height=180).path
    wearer = dock.get("/v1/people/FJ1001", at=noon(70).isoformat())["id"]
    span = {"started_at": noon(70) + HOUR, "ended_at": noon(70) + HOUR + timedelta(seconds=2)}
    dock.send(footage, wearer=wearer, camera_serial="DSJ-0042", media_type="video/mp4", **span)
    assert [lin] == [row["wearer"] for row in east.get("/v1/recordings")["items"]]
    assert [] == west.get("/v1/recordings")["items"]

    # Summer: Lin leaves. The phone still holds the last day, and brings it home; nothing else is open.
    hr_tells(year, f"person,FJ1001,林小川,duty_auxiliary,{WEST},{day(60)},{day(10)},")
    refused_with("bring_home_only", phone.get, "/v1/me")
    last = a_duty(phone, 10)
    assert lin == seen(west, last)["person"]
    held = phone.sync([phone.new_entry(verb="assistance/call", kind="other")])["results"][0]
    assert ("waiting", "after_service") == (held["status"], held["reason"])

    # The badge goes to Sun: shown first, and written after a yes. Lin's password opens nothing any more.
    sun = f"person,FJ1001,孙新,duty_auxiliary,{EAST},{day(5)},,"
    shown, given = hr_tells(year, sun, code=2)
    assert "FJ1001 林小川 → 孙新" in shown
    assert {} == given
    _, given = hr_tells(year, sun, words=("--confirm",))
    successor = year.handheld("HH-0004")
    refused_with("sign_in_refused", successor.sign_in, "FJ1001", passwords["FJ1001"])
    begin(successor, "FJ1001", given["FJ1001"])
    assert lin != successor.get("/v1/me")["id"]
    assert [] == successor.get("/v1/shifts")["items"]
    assert ("林小川", lin) == (seen(west, last)["name"], seen(west, last)["person"])
    recovered = a_duty(phone, 11)
    assert lin == seen(west, recovered)["person"]

    # Autumn: Chen leaves, and Lin is back in East under Chen's number. The history goes on; Chen's shift is Chen's.
    hr_tells(year, f"person,FJ1002,陈文静,duty_auxiliary,{EAST},{day(400)},{day(3)},")
    back = f"person,FJ1002,林小川,duty_auxiliary,{EAST},{day(0)},,FJ1001"
    _, given = hr_tells(year, back, words=("--confirm",))
    assert {} == given  # the same person keeps the password
    refused_with("sign_in_refused", chen.sign_in, "FJ1002", passwords["FJ1002"])
    phone.sign_in("FJ1002", passwords["FJ1001"])
    me = phone.get("/v1/me")
    assert (lin, "FJ1002", EAST) == (me["id"], me["badge"], me["organ"]["code"])
    own = {row["id"] for row in phone.get("/v1/shifts")["items"]}
    assert {spring, late, here, last, recovered} == own
    assert ("陈文静", EAST) == (seen(east, chens)["name"], seen(east, chens)["organ"])
    today = phone.entry(
        "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True, roster_post="门岗"
    )
    assert EAST == seen(east, str(today["id"]))["organ"]

    # Lin calls for help. The phone's clock was an hour fast, and put right before the call went out; it had no fix.
    nowhere = {"lat": 0.0, "lon": 0.0, "accuracy_m": -1.0, "datum": "WGS84"}
    call = phone.entry("assistance/call", occurred_at=datetime.now(UTC) + HOUR, kind="other", place=nowhere)
    assert {"clock_doubtful", "place_doubtful"} == {finding["code"] for finding in call["findings"]}
    assert [call["id"]] == [row["id"] for row in east.get("/v1/assistance")["items"]]

    # The file of the last import again changes nothing, and the journal proves it all.
    assert "0 person" in hr_tells(year, back)[0]
    year.place.verify()
    assert [] == year.place.betrayed()
