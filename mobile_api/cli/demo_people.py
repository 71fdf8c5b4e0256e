"""The people and devices of the demonstration, and how they come into a house: for `fujing demo` and `make seed`."""

from datetime import UTC, datetime
from pathlib import Path

from backend.core import database
from backend.core.settings import Settings
from backend.people import devices, passwords, roster, roster_files, sessions
from mobile_api.cli.house import by_operator
from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey

ROSTER = """record,code,name,kind,organ,from,until
organ,990000000000,示范市公安局,,,,
organ,990100000000,示范区公安分局,,990000000000,,
organ,990100510000,湖滨派出所,,990100000000,,
person,FJ1001,林小雨,duty_auxiliary,990100510000,2024-03-01,
person,FJ1002,陈文静,duty_auxiliary,990100510000,2024-03-01,
person,100234,赵建国,officer,990100510000,2015-07-01,
person,100007,吴敏,officer,990100000000,2008-07-01,
person,100001,孙立,officer,990100000000,2005-07-01,
person,100009,钱会计,staff,990100000000,2010-07-01,
role,100007,,inspector,990100000000,2026-01-01,
role,100001,,commander,990100000000,2026-01-01,
role,100009,,treasurer,990100000000,2026-01-01,
qualification,FJ1001,,pre_job_training,,2024-03-01,
qualification,FJ1001,,yearly_training,,2026-01-10,2036-12-31
qualification,FJ1001,,accident_insurance,,2024-03-01,
qualification,FJ1002,,pre_job_training,,2024-03-01,
qualification,FJ1002,,yearly_training,,2026-01-10,2036-12-31
qualification,FJ1002,,accident_insurance,,2024-03-01,
device,HH-0001,手持终端,handheld,990100510000,,
device,HH-0002,手持终端,handheld,990100510000,,
device,HH-0003,手持终端,handheld,990100510000,,
"""
DEVICES = ("HH-0001", "HH-0002", "HH-0003")
PASSWORD = "fujing-demo-2026"  # noqa: S105 - of made-up people
PEOPLE = {
    "FJ1001": "辅警 auxiliary",
    "FJ1002": "辅警 auxiliary",
    "100234": "带班民警 officer",
    "100007": "督察 inspector",
    "100001": "负责人 commander",
    "100009": "财务 treasurer",
}


async def bring_in_people(settings: Settings) -> dict[str, int]:
    """Import the roster and give everybody the same password, as the commands would; how many of each record changed.

    Who has a password already keeps it.
    """
    with by_operator():
        async with database.opened(str(settings.database_url)):
            changed = await roster.bring_in(roster_files.read(ROSTER))
            hashed = await sessions.hash_password(PASSWORD)
            people = await roster.first_passwords_for()
            new = [passwords.NewPassword(each["id"], each["badge"], each["organ"], hashed, False) for each in people]
            await passwords.set_all(new, datetime.now(UTC))
    return changed


async def codes_for(settings: Settings) -> dict[str, str]:
    """A code that enrols each device, by serial number, as `fujing enrol` makes it."""
    with by_operator():
        async with database.opened(str(settings.database_url)):
            return {serial: (await devices.make_code(serial, datetime.now(UTC))).code for serial in DEVICES}


def enrolled(url: str, code: str, key: Path) -> Client:
    """A client on a device that enrols itself; a phone would keep its key in hardware."""
    client = Client(url, key=DeviceKey.kept_in(key))
    client.enrol(code)
    return client
