"""A handheld in a process of its own, for the stories: `python -m tests.phone PLAN`, where PLAN is a JSON file.

It plays the plan's acts in order and keeps each in its outbox before the next. A thread sends them in the background.
The process ends with 0 when nothing is left. Killed at any line and started again, it goes on where it was.
"""

import random
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from mobile_api.client.api import Client, Unreachable
from mobile_api.client.device_key import DeviceKey
from mobile_api.client.outbox import Outbox, carry


class Act(msgspec.Struct, frozen=True):
    """One entry, or a file when `size` is given. `fields`: the other fields of the entry."""

    id: UUID
    at: datetime
    verb: str
    fields: dict[str, Any]
    size: int = 0


class Plan(msgspec.Struct, frozen=True):
    """`ahead`: seconds by which the device's clock is wrong; `pace`: real seconds between acts."""

    url: str
    badge: str
    password: str
    home: str
    acts: list[Act]
    code: str
    ahead: float = 0.0
    pace: float = 0.2


def some_bytes(act: Act) -> bytes:
    """The bytes that the camera recorded, the same each time the act is played."""
    return random.Random(act.id.int).randbytes(act.size)  # noqa: S311 - no secret


def live(plan: Plan) -> None:
    """Play the plan to its end."""
    ahead = timedelta(seconds=plan.ahead)

    def clock() -> datetime:
        return datetime.now(UTC) + ahead

    outbox = Outbox(Path(plan.home) / "outbox.db", clock=clock)
    person, client = sign_in(plan, clock)
    stop = threading.Event()
    worker = threading.Thread(target=carry, args=(outbox, client, person, stop), daemon=True)
    worker.start()
    for act in plan.acts:
        if not outbox.knows(act.id):
            play(outbox, person, Path(plan.home), act, ahead)
            time.sleep(plan.pace)
    while outbox.left(person):
        if not worker.is_alive():
            raise SystemExit("the carrier ended")
        time.sleep(0.1)
    stop.set()


def sign_in(plan: Plan, clock: Callable[[], datetime]) -> tuple[str, Client]:
    """Enrol this device and sign in, unless the session of an earlier process is still valid.

    Tries again until the network lets it through; enrolling twice with one key is allowed.
    """
    home = Path(plan.home)
    client = Client(plan.url, key=DeviceKey.kept_in(home / "key.pem"), session=home / "session", clock=clock)
    while True:
        try:
            if not client.signed_in:
                client.enrol(plan.code)
                client.sign_in(plan.badge, plan.password)
            return str(client.get("/v1/me")["id"]), client
        except Unreachable:
            continue


def play(outbox: Outbox, person: str, home: Path, act: Act, ahead: timedelta) -> None:
    """Put one act into the outbox, with its times by the device's clock."""
    when = act.at + ahead
    if not act.size:
        outbox.add(person, act.verb, id=act.id, occurred_at=when, **act.fields)
        return
    taken = home / f"{act.id}.mp4"
    taken.write_bytes(some_bytes(act))
    fields = {name: _by_device_clock(what, ahead) for name, what in act.fields.items()}
    outbox.add_file(person, taken, act.verb, id=act.id, occurred_at=when, **fields)


def _by_device_clock(what: Any, ahead: timedelta) -> Any:
    """A time of the plan by the device's clock; other values unchanged."""
    try:
        return datetime.fromisoformat(what) + ahead
    except (TypeError, ValueError):
        return what


def main() -> None:
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    live(plan)


if __name__ == "__main__":
    main()
