"""Plays a day of the fleet in little time: check-in peak, steady work, uploads, check-out peak. A process of its own.

An order comes on standard input, what was seen goes out as JSON. Arrivals are open: each phone has its moments by the
clock, drawn before it begins, and no slow answer puts off what another phone does. One phone does one thing after the
other, as its person would; what waited for that counts as waiting. Only what cannot be known before (the naming that
an officer confirms, the next step of an upload) is due when it is known.
"""

import asyncio
import base64
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from handheld import Handheld, Measured, Wire

from mobile_api.client.api import NotVerified, read_receipt

# Moments, as shares of the day.
ARRIVING, LEAVING = (0.02, 0.23), (0.86, 0.98)
WORKING = (0.25, 0.85)
UPLOADING = (0.20, 0.80)
ANSWER = (0.005, 0.02)  # from one step to the next: bundle, check-in, naming, confirmation
# What one auxiliary does in a day beside arriving and leaving; an act is three calls. What an officer asks.
ACTS, VERDICTS, CHANGES, LOOKS = 2, 1, 2, 1
OFFICERS_CHANGES = 10
WORK, STOP = "9.6", "10.3.question"
SIZES = (64 * 1024, 256 * 1024)
POLL = 1.0  # seconds between two looks for a receipt
SEALING_SECONDS = 120.0
Act = Callable[[float], Awaitable[None]]


class Day(NamedTuple):
    """When it began and how long it is, in seconds."""

    began: float
    seconds: float

    def at(self, share: float) -> float:
        return self.began + self.seconds * share


class Auxiliary:
    """One auxiliary's duty, from check-in to check-out."""

    def __init__(self, phone: Handheld, officer: Handheld, day: Day, seen: Measured, chance: random.Random) -> None:
        self._phone, self._officer, self._day, self._seen, self._chance = phone, officer, day, seen, chance
        self._shift: str | None = None
        self._confirming: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Everything of the day in its order, each when it is due or as soon after as the phone is free."""
        for due, act in sorted(self._plan(), key=lambda each: each[0]):
            await self._seen.until(due)
            await act(due)
        if self._confirming is not None:
            await self._confirming

    def _plan(self) -> list[tuple[float, Act]]:
        begin = _peak(self._chance, ARRIVING)
        shares: list[tuple[float, Act]] = [
            (begin - self._chance.uniform(*ANSWER), self._changes),
            (begin, self._check_in),
            (begin + self._chance.uniform(*ANSWER), self._name),
            (_peak(self._chance, LEAVING), self._check_out),
        ]
        for number in range(ACTS):
            shares += self._act(number)
        for times, look in ((VERDICTS, self._ask), (CHANGES, self._changes), (LOOKS, self._look)):
            shares += [(self._chance.uniform(*WORKING), look) for _ in range(times)]
        return [(self._day.at(share), act) for share, act in shares]

    def _act(self, number: int) -> list[tuple[float, Act]]:
        """May I, I begin, I have finished: within one stretch of the working time."""
        first, last = WORKING
        length = (last - first) / ACTS
        moments = sorted(self._chance.uniform(first + number * length, first + (number + 1) * length) for _ in "123")
        act: dict[str, str | None] = {}

        async def ask(due: float) -> None:
            await self._phone.get("duty/verdict", f"/v1/duty/verdict?work={WORK}", due)

        async def start(due: float) -> None:
            act["id"] = await self._phone.entry("activities/start", due, work=WORK)

        async def finish(due: float) -> None:
            if act["id"] is not None:
                await self._phone.entry("activities/finish", due, activity=act["id"])

        return list(zip(moments, (ask, start, finish), strict=True))

    async def _check_in(self, due: float) -> None:
        self._shift = await self._phone.entry(
            "shifts/check-in", due, duty_type="patrol", dress="uniform", id_card_carried=True,
            equipment=["执法记录仪", "对讲机"], ordered_by=self._officer.id,
            place={"lat": 30.2592, "lon": 120.164, "accuracy_m": 6.0, "datum": "WGS84"},
        )  # fmt: skip

    async def _name(self, due: float) -> None:
        naming = await self._phone.entry("supervisions/name", due, officer=self._officer.id)
        if naming is not None:
            when = max(due + self._day.seconds * self._chance.uniform(*ANSWER), time.monotonic())
            self._confirming = asyncio.create_task(self._confirm(naming, when))

    async def _confirm(self, naming: str, due: float) -> None:
        await self._seen.until(due)
        await self._officer.entry("supervisions/confirm", due, supervision=naming)

    async def _check_out(self, due: float) -> None:
        if self._shift is not None:
            await self._phone.entry("shifts/check-out", due, shift=self._shift)

    async def _ask(self, due: float) -> None:
        await self._phone.get("duty/verdict", f"/v1/duty/verdict?work={STOP}&officers_present=2&recording=true", due)

    async def _changes(self, due: float) -> None:
        await self._phone.news(due)

    async def _look(self, due: float) -> None:
        if self._shift is not None:
            await self._phone.get("shifts", f"/v1/shifts/{self._shift}", due)


class Upload:
    """One film of one auxiliary, from its declaration to the receipt, beside what they do otherwise."""

    def __init__(self, phone: Handheld, film: bytes, seconds: float, keys: list[Any], seen: Measured) -> None:
        self._phone, self._content, self._keys, self._seen = phone, film, keys, seen
        self._seconds, self._sha256 = seconds, hashlib.sha256(film).hexdigest()

    async def send(self, due: float) -> None:
        await self._seen.until(due)
        ended = datetime.now(UTC) - timedelta(seconds=1)
        upload = await self._phone.entry(
            "recordings/declare", due, file_name="DSJ0042_0001.mp4", bytes=len(self._content), sha256=self._sha256,
            camera_serial="DSJ-0042", media_type="video/mp4", ended_at=ended.isoformat(),
            started_at=(ended - timedelta(seconds=self._seconds)).isoformat(),
        )  # fmt: skip
        if upload is None or not await self._put(upload):
            return
        told = await self._phone.call("uploads/complete", "POST", f"/v1/uploads/{upload}/complete", _now(), {})
        if told is not None and await self._sealed(upload):
            self._seen.sealed.append(_now() - due)

    async def _put(self, upload: str) -> bool:
        """Send what is missing, straight to the store."""
        told = await self._phone.get("uploads/parts", f"/v1/uploads/{upload}/parts", _now())
        return told is not None and all([await self._part(part) for part in told["missing"]])

    async def _part(self, part: dict[str, Any]) -> bool:
        content = self._content[part["offset"] : part["offset"] + part["bytes"]]
        checksum = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        parts, begun = urlsplit(part["url"]), _now()
        wire = Wire(part["url"], self._seen)
        head = [f"PUT {parts.path}?{parts.query} HTTP/1.1", f"Content-MD5: {checksum}"]
        try:
            answer = await wire.ask(head, content)
        except OSError as error:
            self._seen.wrong(f"store {error}", str(error))
            return False
        finally:
            wire.close()
        if answer.status != 200:
            self._seen.wrong(f"store {answer.status}", answer.body.decode(errors="replace"))
        self._seen.calls.append(("store", begun, _now() - begun))
        return answer.status == 200

    async def _sealed(self, upload: str) -> bool:
        """Ask until the receipt is there, and verify it."""
        deadline = _now() + SEALING_SECONDS
        while _now() < deadline:
            due = _now() + POLL
            await self._seen.until(due)
            told = await self._phone.get("uploads/receipt", f"/v1/uploads/{upload}/receipt", due)
            if told is None or told["state"] == "sealed":
                return told is not None and self._holds(told["receipt"])
        self._seen.wrong("uploads/receipt unsealed", upload)
        return False

    def _holds(self, receipt: str) -> bool:
        try:
            holds = bool(read_receipt(receipt, self._keys)["sha256"] == self._sha256)
        except NotVerified:
            holds = False
        if not holds:
            self._seen.wrong("uploads/receipt not verified", receipt)
        return holds


def _peak(chance: random.Random, span: tuple[float, float]) -> float:
    """A moment of the span, more often in its middle."""
    return span[0] + (span[1] - span[0]) * chance.betavariate(1.5, 1.5)


def _now() -> float:
    return time.monotonic()


def other_bytes(film: bytes, chance: random.Random) -> bytes:
    """The film with bytes of its own behind it, in a box that every player passes over."""
    size = max(16, chance.randint(*SIZES) - len(film))
    return film + size.to_bytes(4) + b"free" + os.urandom(size - 8)


async def _officers_day(phone: Handheld, day: Day, seen: Measured, chance: random.Random) -> None:
    for due in sorted(day.at(chance.random()) for _ in range(OFFICERS_CHANGES)):
        await seen.until(due)
        await phone.news(due)


async def play(order: dict[str, Any]) -> dict[str, Any]:
    """The whole day, until the last receipt."""
    seen, chance = Measured(), random.Random(order["seed"])  # noqa: S311 - when somebody begins is no secret
    officers = [Handheld(order["url"], person, seen) for person in order["officers"]]
    phones = [Handheld(order["url"], person, seen) for person in order["auxiliaries"]]
    film, bearers = base64.b64decode(order["film"]), chance.sample(phones, order["uploads"])
    day = Day(_now() + 1, order["seconds"])
    duties = [Auxiliary(phone, officers[n % len(officers)], day, seen, chance) for n, phone in enumerate(phones)]
    uploads = [Upload(each, other_bytes(film, chance), order["film_seconds"], order["keys"], seen) for each in bearers]
    await asyncio.gather(
        *(duty.serve() for duty in duties),
        *(upload.send(day.at(chance.uniform(*UPLOADING))) for upload in uploads),
        *(_officers_day(officer, day, seen, chance) for officer in officers),
    )
    for phone in (*phones, *officers):
        phone.close()
    return {"began": day.began, "ended": _now(), **vars(seen)}


def main() -> None:
    print(json.dumps(asyncio.run(play(json.loads(sys.stdin.readline())))))


if __name__ == "__main__":
    main()
