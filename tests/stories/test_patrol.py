"""A whole duty: Lin patrols, Zhao leads and hands over to Qian, the recorder runs, the evidence is sealed.

Played twice: once with a phone that is online; once with a phone that was offline for two days, has a wrong clock,
sends every request three times, and is killed in the middle of the upload. The facts must be the same.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, digest_of, read_receipt
from storage.private_files import write_private
from tests.houses import LIN, QIAN, ZHAO, Serving

PLACE = {"lat": 30.2592, "lon": 120.1640, "accuracy_m": 6.0, "datum": "WGS84"}
CLOCK_AHEAD = timedelta(minutes=10)
FACTS = {
    "shift": (0, 30, "check_out", True),
    "leading": [("赵立", True, 1, 20), ("钱进", True, 20, 30)],
    "recordings": [("sealed", 5, 8, 3000, "h264"), ("sealed", 10, 13, 3000, "h264")],
}


class Phones(msgspec.Struct):
    """Three people, each on a device, signed in."""

    lin: Client
    zhao: Client
    qian: Client


class Patrol(msgspec.Struct):
    """A patrol: its times, its people, and `send`, which sends one entry."""

    began: datetime
    send: Callable[..., Any]

    def at(self, second: float) -> datetime:
        return self.began + timedelta(seconds=second)


def phones(running: Serving, passwords: dict[str, str], ahead: timedelta = timedelta()) -> Phones:
    """`ahead`: how wrong Lin's clock is."""
    lin = running.handheld("HH-0001", clock=lambda: datetime.now(UTC) + ahead)
    zhao, qian = running.handheld("HH-0002"), running.handheld("HH-0003")
    for client, badge in ((lin, LIN), (zhao, ZHAO), (qian, QIAN)):
        client.sign_in(badge, passwords[badge])
    return Phones(lin=lin, zhao=zhao, qian=qian)


def once(client: Client, verb: str, **fields: Any) -> Any:
    return client.entry(verb, **fields)


def thrice(client: Client, verb: str, **fields: Any) -> Any:
    """Send the same entry three times, as if the answer was lost twice: recorded once, answered the same."""
    same = {"id": uuid4(), "device_seq": time.monotonic_ns()} | fields
    answers = [client.entry(verb, **same) for _ in range(3)]
    assert ["recorded", "replayed", "replayed"] == [answer.pop("status") for answer in answers]
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


def films(directory: Path, name: str) -> list[Path]:
    """Two films of three seconds, the second of several parts."""
    return [
        film(directory / f"{name}-1.mp4", seconds=3, width=320, height=180).path,
        film(directory / f"{name}-2.mp4", seconds=3, width=1280, height=720, crf=6).path,
    ]


def declare_films(patrol: Patrol, lin: Client, taken: list[Path], ahead: timedelta) -> list[str]:
    """The recorder's times are those of the phone it hangs on."""
    declared = []
    for path, second in zip(taken, (5, 10), strict=True):
        size, sha256 = digest_of(path)
        times = {"started_at": patrol.at(second) + ahead, "ended_at": patrol.at(second + 3) + ahead}
        answer = patrol.send(
            lin, "recordings/declare", occurred_at=patrol.at(second + 4) + ahead, file_name=path.name, bytes=size,
            sha256=sha256, camera_serial="DSJ-0042", media_type="video/mp4", **times,
        )  # fmt: skip
        declared.append(answer["id"])
    return declared


def verified(lin: Client, upload: str, path: Path) -> bool:
    """Whether the receipt is for this very file, by the published keys."""
    size, sha256 = digest_of(path)
    claims = lin.receipt(UUID(upload), bytes=size, sha256=sha256)
    return (upload, sha256, size) == (claims["id"], claims["sha256"], claims["bytes"])


def facts_of(lin: Client, shift: str, patrol: Patrol) -> dict[str, Any]:
    """The timeline, with times in whole seconds since the patrol began."""
    timeline = lin.get(f"/v1/shifts/{shift}")
    duty = timeline["shift"]

    def second(moment: str) -> int:
        return round((datetime.fromisoformat(moment) - patrol.began).total_seconds())

    def span(row: dict[str, Any]) -> tuple[int, int]:
        return second(row["started_at"]), second(row["ended_at"])

    return {
        "shift": (*span(duty), duty["ended_by"], duty["in_force"]),
        "leading": [(led["officer_name"], led["confirmed"], *span(led)) for led in timeline["leading"]],
        "recordings": [
            (row["state"], *span(row), round(row["probed_ms"], -2), row["codec"]) for row in timeline["recordings"]
        ],
    }


def findings_of(lin: Client, shift: str) -> set[str]:
    return {finding["kind"] for finding in lin.get(f"/v1/shifts/{shift}")["findings"]}


def test_a_patrol_from_check_in_to_sealed_receipts(running: Serving, passwords: dict[str, str], tmp_path: Path) -> None:
    """Everybody is online: each step is answered as it happens, and there is no finding."""
    now = phones(running, passwords)
    lin, zhao, qian = now.lin, now.zhao, now.qian
    patrol = Patrol(datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=35), once)
    taken = films(tmp_path, "online")
    officer = {client: client.get("/v1/me")["id"] for client in (zhao, qian)}
    shift = lin.entry(
        "shifts/check-in", occurred_at=patrol.at(0), duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=officer[zhao], equipment=["执法记录仪", "对讲机"], place=PLACE,
    )["id"]  # fmt: skip
    naming = lin.entry("supervisions/name", occurred_at=patrol.at(1), officer=officer[zhao])["id"]
    assert [naming] == [row["id"] for row in zhao.get("/v1/supervisions", status="unanswered")["items"]]
    confirmed = zhao.entry("supervisions/confirm", occurred_at=patrol.at(3), supervision=naming)
    assert ("confirmed", []) == (confirmed["supervision"]["answer"], confirmed["findings"])
    uploads = declare_films(patrol, lin, taken, timedelta())
    handed = zhao.entry(
        "supervisions/hand-over", occurred_at=patrol.at(20), supervision=naming, officer=officer[qian]
    )["id"]  # fmt: skip
    qian.entry("supervisions/confirm", occurred_at=patrol.at(22), supervision=handed)
    lin.entry("shifts/check-out", occurred_at=patrol.at(30), shift=shift)
    for upload, path in zip(uploads, taken, strict=True):
        lin.upload(UUID(upload), path)
        assert "received" == lin.complete(UUID(upload))
    assert all(verified(lin, upload, path) for upload, path in zip(uploads, taken, strict=True))
    assert facts_of(lin, shift, patrol) == FACTS
    assert set() == findings_of(lin, shift)
    assert shift in {row["id"] for row in qian.get("/v1/shifts")["items"]}


def killed_while_sending(running: Serving, password: str, upload: str, path: Path, lin: Client) -> None:
    """A process of Lin's phone sends slowly, and is killed once the store has a part."""
    key = path.with_name("key.pem")
    write_private(key, lin.key.pem())
    phone = subprocess.Popen(
        [sys.executable, "-m", "mobile_api.cli.demo", running.url, LIN, str(key), upload, str(path), "0.4"],
        stdin=subprocess.PIPE,
    )
    try:
        phone.stdin.write(password.encode() + b"\n")
        phone.stdin.close()
        deadline = time.monotonic() + 20
        while not lin.get(f"/v1/uploads/{upload}/parts")["have"]:
            assert phone.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        phone.send_signal(signal.SIGKILL)
        phone.wait()


def test_the_same_patrol_with_a_phone_that_was_offline_for_two_days(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """Late, ten minutes ahead, everything three times, the upload killed: the same facts; clock and delay are found."""
    later = phones(running, passwords, CLOCK_AHEAD)
    lin, zhao, qian = later.lin, later.zhao, later.qian
    patrol = Patrol(datetime.now(UTC).replace(microsecond=0) - timedelta(days=2), thrice)
    taken = films(tmp_path, "offline")
    officer = {client: client.get("/v1/me")["id"] for client in (zhao, qian)}

    # Lin's outbox, by Lin's clock: the check-out is home before the officers have said a word
    shift = thrice(
        lin, "shifts/check-in", occurred_at=patrol.at(0) + CLOCK_AHEAD, duty_type="patrol", dress="uniform",
        id_card_carried=True, ordered_by=officer[zhao], equipment=["执法记录仪", "对讲机"], place=PLACE,
    )["id"]  # fmt: skip
    naming = thrice(lin, "supervisions/name", occurred_at=patrol.at(1) + CLOCK_AHEAD, officer=officer[zhao])["id"]
    thrice(lin, "shifts/check-out", occurred_at=patrol.at(30) + CLOCK_AHEAD, shift=shift)
    uploads = declare_films(patrol, lin, taken, CLOCK_AHEAD)

    # the officers' phones come home after it
    thrice(zhao, "supervisions/confirm", occurred_at=patrol.at(3), supervision=naming)
    handed = thrice(
        zhao, "supervisions/hand-over", occurred_at=patrol.at(20), supervision=naming, officer=officer[qian]
    )["id"]  # fmt: skip
    thrice(qian, "supervisions/confirm", occurred_at=patrol.at(22), supervision=handed)

    killed_while_sending(running, passwords[LIN], uploads[1], taken[1], lin)
    lin.upload(UUID(uploads[0]), taken[0])
    assert lin.upload(UUID(uploads[1]), taken[1]) > 0  # the store had some already
    for upload, path in zip(uploads, taken, strict=True):
        assert {"received", "sealed"} >= {lin.complete(UUID(upload)) for _ in range(3)}
        assert verified(lin, upload, path)
        assert read_receipt(lin.get(f"/v1/uploads/{upload}/receipt")["receipt"], zhao.published_keys())
    assert facts_of(lin, shift, patrol) == FACTS
    assert {"clock_skew", "handed_over_late", "told_late"} == findings_of(lin, shift)
