"""Fills a house for development: people, devices, two duties and footage, through the public API as devices do."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mobile_api.cli.commands.people import counted
from mobile_api.cli.demo_film import film
from mobile_api.cli.demo_people import PASSWORD, bring_in_people, codes_for, enrolled
from mobile_api.cli.serving import House
from mobile_api.cli.terminal import say
from mobile_api.client.api import Client

NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}
PLACE = {"lat": 30.2592, "lon": 120.1640, "accuracy_m": 6.0, "datum": "WGS84"}
SECONDS = 20  # that a film lasts


def seed(house: House) -> None:
    """Bring in the people of the demonstration, enrol their devices, and play an hour of duty.

    The devices' keys are kept in the data directory, in `devices`. Raises Problem, Unreachable.
    """
    zh, en = counted(asyncio.run(bring_in_people(house.settings)))
    say(f"名册：{zh}", f"roster: {en}")
    keys = house.settings.data_dir / "devices"
    codes = asyncio.run(codes_for(house.settings))
    lin, zhao, chen = (enrolled(house.url, code, keys / f"{serial}.pem") for serial, code in codes.items())
    for device, badge in ((lin, "FJ1001"), (zhao, "100234"), (chen, "FJ1002")):
        device.sign_in(badge, PASSWORD)
    officer = zhao.get("/v1/me")["id"]
    _patrol_of_an_hour(lin, zhao, officer, keys)
    _patrol_that_goes_on(chen, officer)
    say("两个班次、一段有缺口的录像已建立", "two shifts, and footage with a gap, are there")


def _patrol_of_an_hour(lin: Client, zhao: Client, officer: str, folder: Path) -> None:
    """An hour that ended just now: a led patrol, a stop filmed with a gap, both films sealed."""
    began = datetime.now(UTC) - timedelta(hours=1)

    def at(minutes: float) -> datetime:
        return began + timedelta(minutes=minutes)

    shift = lin.entry("shifts/check-in", occurred_at=at(0), **_check_in(officer))["id"]
    naming = lin.entry("supervisions/name", occurred_at=at(1), officer=officer)["id"]
    zhao.entry("supervisions/confirm", occurred_at=at(2), supervision=naming)
    patrol = lin.entry("activities/start", occurred_at=at(3), work="9.6")["id"]
    stop = lin.entry(
        "activities/start", occurred_at=at(30), work="10.3.question", officers_present=2, recording=True,
        public_notice=NOTICE,
    )["id"]  # fmt: skip
    lin.entry("activities/finish", occurred_at=at(31), activity=stop)
    lin.entry("activities/finish", occurred_at=at(58), activity=patrol)
    for number, minutes in enumerate((30, 30.6), 1):
        made = film(
            folder / f"DSJ0042_FJ1001_{number:04}.mp4", seconds=SECONDS,
            ago=(datetime.now(UTC) - at(minutes)).total_seconds(),
        )  # fmt: skip
        lin.send(
            made.path, camera_serial="DSJ-0042", media_type="video/mp4", started_at=made.started_at,
            ended_at=made.ended_at,
        )  # fmt: skip
        made.path.unlink()
    lin.entry("shifts/check-out", shift=shift)


def _patrol_that_goes_on(chen: Client, officer: str) -> None:
    """A shift that has not ended, with a named officer who has not answered yet."""
    chen.entry("shifts/check-in", **_check_in(officer))
    chen.entry("supervisions/name", officer=officer)
    chen.entry("activities/start", work="9.6")


def _check_in(officer: str) -> dict[str, Any]:
    return {
        "duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "ordered_by": officer, "place": PLACE,
        "equipment": ["执法记录仪", "防刺背心", "对讲机"],
    }  # fmt: skip
