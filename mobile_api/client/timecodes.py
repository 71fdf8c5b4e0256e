"""A handheld's time code (对时码): asked of the server, or signed by the device itself where no server answers.

Guarantees: what a device knows of the server's time is kept in a file for its owner alone, with whom and which shift it
is for; its own code tells how old that is. A device that never heard its server makes none.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from backend.evidence.starts.timecodes import Timecode, read
from mobile_api.client.api import Client, Unreachable
from mobile_api.client.device_key import DeviceKey
from storage.language import SentenceError
from storage.private_files import write_private


class NoServerTime(SentenceError):
    """This device has not heard its server yet, so it cannot tell the time."""


class ServerTime(msgspec.Struct, frozen=True):
    """The last time that the server told, and when that was by the device's own clock. `wearer`, `shift`: for whom."""

    server: datetime
    device: datetime
    wearer: UUID
    shift: UUID | None = None

    def at(self, now: datetime) -> datetime:
        """The server's time, as this device reckons it from its own clock."""
        return self.server + (now - self.device)

    def code(self, key: DeviceKey, now: datetime) -> str:
        """The text of a code signed by this device."""
        return key.timecode(at=self.at(now), wearer=self.wearer, shift=self.shift, age=max(now - self.device, ZERO))


ZERO = timedelta()


def fetch(client: Client, kept: Path) -> str:
    """Ask the server for a code, and keep its time. The code's text. Raises Problem, Unreachable."""
    told = client.get("/v1/timecode")
    shift = None if told["shift"] is None else UUID(told["shift"])
    heard = ServerTime(datetime.fromisoformat(told["at"]), client.clock(), UUID(told["wearer"]), shift)
    kept.unlink(missing_ok=True)
    write_private(kept, msgspec.json.encode(heard))
    return str(told["text"])


def sign(key: DeviceKey, kept: Path, now: datetime | None = None) -> str:
    """A code signed by this device, from the server's time that it kept. Raises NoServerTime."""
    try:
        heard = msgspec.json.decode(kept.read_bytes(), type=ServerTime)
    except (OSError, msgspec.MsgspecError) as error:
        raise NoServerTime(
            "本设备还没有从服务器得到过时间，请先联网显示一次对时码。",
            "this device has no time of the server yet: show a time code once with a network.",
        ) from error
    return heard.code(key, now or datetime.now(UTC))


def fetch_or_sign(client: Client, kept: Path) -> str:
    """A code of the server; where it does not answer, one of this device. Raises Problem, NoServerTime."""
    try:
        return fetch(client, kept)
    except Unreachable:
        return sign(client.key, kept, client.clock())


def said_by(text: str) -> Timecode:
    """What a code of ours says, to be told beside the picture."""
    code = read(text)
    if code is None:
        raise ValueError(text)
    return code
