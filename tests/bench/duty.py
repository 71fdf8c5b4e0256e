"""Play a day of the fleet in a short time: check-in peak, steady work, uploads, check-out peak. A process of its own.

The order comes on standard input; the measurements go to standard output as JSON. Arrivals are open: the moments of
each phone are drawn before the day begins, so that a slow answer delays no other phone. One phone makes one call after
the other; a call that waits for the one before counts from when it was due. Only calls that depend on an answer (the
confirmation of a naming, the next step of an upload) are due when that answer is there.
"""

import asyncio
import base64
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from handheld import Handheld, HttpConnection, Measured

from mobile_api.client.api import NotVerified, read_receipt

# Periods, as shares of the day.
ARRIVING, LEAVING = (0.02, 0.23), (0.86, 0.98)
WORKING = (0.25, 0.85)
UPLOADING = (0.20, 0.80)
ANSWER = (0.005, 0.02)  # pause between two steps: bundle, check-in, naming, confirmation
# Calls of one auxiliary in a day beside arriving and leaving (an act is three calls), and calls of an officer.
ACTS, VERDICTS, CHANGES, LOOKS = 2, 1, 2, 1
OFFICERS_CHANGES = 10
WORK, STOP = "9.6", "10.3.question"
SIZES = (64 * 1024, 256 * 1024)
POLL = 1.0  # seconds between two requests for a receipt
SEALING_SECONDS = 120.0
TRIES, AGAIN = 20, 5.0  # to send a film where the store hangs, and seconds between two of them
Step = Callable[[float], Awaitable[None]]


class Day(NamedTuple):
    """When the day began (time.monotonic) and how long it is, in seconds."""

    began: float
    seconds: float

    def at(self, share: float) -> float:
        return self.began + self.seconds * share


class Auxiliary:
    """One auxiliary's duty, from check-in to check-out."""

    def __init__(self, phone: Handheld, officer: Handheld, day: Day, measured: Measured, chance: random.Random) -> None:
        self._phone, self._officer, self._day, self._measured, self._chance = phone, officer, day, measured, chance
        self._shift: str | None = None
        self._confirming: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Play all steps in order, each when it is due or as soon after as the phone is free."""
        for due, act in sorted(self._plan(), key=lambda each: each[0]):
            await self._measured.until(due)
            await act(due)
        if self._confirming is not None:
            await self._confirming

    def _plan(self) -> list[tuple[float, Step]]:
        begin = _peak(self._chance, ARRIVING)
        shares: list[tuple[float, Step]] = [
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

    def _act(self, number: int) -> list[tuple[float, Step]]:
        """Three calls within one stretch of the working time: verdict, start, finish."""
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
        await self._measured.until(due)
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
    """One film of one auxiliary, from declaration to receipt, beside their other calls."""

    def __init__(
        self, phone: Handheld, film: bytes, seconds: float, keys: list[Any], measured: Measured, tries: int
    ) -> None:
        self._phone, self._content, self._keys, self._measured, self._tries = phone, film, keys, measured, tries
        self._seconds, self._sha256 = seconds, hashlib.sha256(film).hexdigest()

    async def send(self, due: float) -> None:
        await self._measured.until(due)
        ended = datetime.now(UTC) - timedelta(seconds=1)
        upload = await self._phone.entry(
            "recordings/declare", due, file_name="DSJ0042_0001.mp4", bytes=len(self._content), sha256=self._sha256,
            camera_serial="DSJ-0042", media_type="video/mp4", ended_at=ended.isoformat(),
            started_at=(ended - timedelta(seconds=self._seconds)).isoformat(),
        )  # fmt: skip
        if upload is None or not await self._sent(upload):
            return
        if await self._sealed(upload):
            self._measured.sealed.append(_now() - due)

    async def _sent(self, upload: str) -> bool:
        """Send what is missing and complete the upload; again where the store does not take it, as often as may be."""
        for tries_left in reversed(range(self._tries)):
            if await self._put(upload):
                done = await self._phone.call("uploads/complete", "POST", f"/v1/uploads/{upload}/complete", _now(), {})
                if done is not None:
                    return True
            if tries_left:
                await asyncio.sleep(AGAIN)
        return False

    async def _put(self, upload: str) -> bool:
        """Send the missing parts straight to the store. Whether all arrived."""
        answer = await self._phone.get("uploads/parts", f"/v1/uploads/{upload}/parts", _now())
        return answer is not None and all([await self._part(part) for part in answer["missing"]])

    async def _part(self, part: dict[str, Any]) -> bool:
        content = self._content[part["offset"] : part["offset"] + part["bytes"]]
        checksum = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        parts, begun = urlsplit(part["url"]), _now()
        wire = HttpConnection(part["url"], self._measured)
        head = [f"PUT {parts.path}?{parts.query} HTTP/1.1", f"Content-MD5: {checksum}"]
        try:
            answer = await wire.ask(head, content)
        except OSError as error:
            self._measured.wrong(f"store {error}", str(error))
            return False
        finally:
            wire.close()
        if answer.status != 200:
            self._measured.wrong(f"store {answer.status}", answer.body.decode(errors="replace"))
        self._measured.calls.append(("store", begun, _now() - begun))
        return answer.status == 200

    async def _sealed(self, upload: str) -> bool:
        """Poll until the receipt is there, and verify it."""
        deadline = _now() + SEALING_SECONDS
        while _now() < deadline:
            due = _now() + POLL
            await self._measured.until(due)
            answer = await self._phone.get("uploads/receipt", f"/v1/uploads/{upload}/receipt", due)
            if answer is None or answer["state"] == "sealed":
                return answer is not None and self._is_proved(answer["receipt"])
        self._measured.wrong("uploads/receipt unsealed", upload)
        return False

    def _is_proved(self, receipt: str) -> bool:
        try:
            holds = bool(read_receipt(receipt, self._keys)["sha256"] == self._sha256)
        except NotVerified:
            holds = False
        if not holds:
            self._measured.wrong("uploads/receipt not verified", receipt)
        return holds


def _peak(chance: random.Random, span: tuple[float, float]) -> float:
    """A random moment of the span, more often in its middle."""
    return span[0] + (span[1] - span[0]) * chance.betavariate(1.5, 1.5)


def _now() -> float:
    return time.monotonic()


def other_bytes(film: bytes, chance: random.Random) -> bytes:
    """The film, made unique by random bytes in an MP4 box that players skip."""
    size = max(16, chance.randint(*SIZES) - len(film))
    return film + size.to_bytes(4) + b"free" + os.urandom(size - 8)


async def _officers_day(phone: Handheld, day: Day, measured: Measured, chance: random.Random) -> None:
    for due in sorted(day.at(chance.random()) for _ in range(OFFICERS_CHANGES)):
        await measured.until(due)
        await phone.news(due)


async def _frozen(day: Day, measured: Measured, freeze: dict[str, Any]) -> None:
    """Stop the store in the middle of the day, as a machine that hangs, and let it go on."""
    await measured.until(day.began + freeze["from"])
    os.kill(freeze["pid"], signal.SIGSTOP)
    try:
        await measured.until(day.began + freeze["until"])
    finally:
        os.kill(freeze["pid"], signal.SIGCONT)


async def play(order: dict[str, Any]) -> dict[str, Any]:
    """Play the whole day, until the last receipt. The measurements."""
    measured, chance = Measured(), random.Random(order["seed"])  # noqa: S311 - start times are no secret
    officers = [Handheld(order["url"], person, measured) for person in order["officers"]]
    phones = [Handheld(order["url"], person, measured) for person in order["auxiliaries"]]
    film, bearers = base64.b64decode(order["film"]), chance.sample(phones, order["uploads"])
    day, freeze = Day(_now() + 1, order["seconds"]), order.get("freeze")
    duties = [Auxiliary(phone, officers[n % len(officers)], day, measured, chance) for n, phone in enumerate(phones)]
    uploads = [
        Upload(each, other_bytes(film, chance), order["film_seconds"], order["keys"], measured, TRIES if freeze else 1)
        for each in bearers
    ]
    await asyncio.gather(
        *(duty.serve() for duty in duties),
        *(upload.send(day.at(chance.uniform(*UPLOADING))) for upload in uploads),
        *(_officers_day(officer, day, measured, chance) for officer in officers),
        *([_frozen(day, measured, freeze)] if freeze else ()),
    )
    for phone in (*phones, *officers):
        phone.close()
    return {"began": day.began, "ended": _now(), **vars(measured)}


def main() -> None:
    print(json.dumps(asyncio.run(play(json.loads(sys.stdin.readline())))))


if __name__ == "__main__":
    main()
