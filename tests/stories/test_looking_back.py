"""The morning after: a timeline with a gap and its explanation; and a stop that is refused while live."""

import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mobile_api.client.api import Client, Problem
from tests.houses import CHEN, ZHAO, Serving, succeeded

SVG = "{http://www.w3.org/2000/svg}svg"
NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}


def a_duty(running: Serving, passwords: dict[str, str]) -> tuple[Client, str, str]:
    """Chen's patrol an hour ago, with a stop of ten minutes of which three were not filmed: phone, shift, stop."""
    chen, zhao = running.handheld("HH-0001"), running.handheld("HH-0002")
    chen.sign_in(CHEN, passwords[CHEN])
    zhao.sign_in(ZHAO, passwords[ZHAO])
    officer = zhao.get("/v1/me")["id"]
    began = datetime.now(UTC) - timedelta(hours=1)

    def at(minute: float) -> datetime:
        return began + timedelta(minutes=minute)

    fields = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "ordered_by": officer}
    shift = chen.entry("shifts/check-in", occurred_at=at(0), **fields)["id"]
    naming = chen.entry("supervisions/name", occurred_at=at(1), officer=officer)["id"]
    zhao.entry("supervisions/confirm", occurred_at=at(2), supervision=naming)
    patrol = chen.entry("activities/start", occurred_at=at(3), work="9.6")["id"]
    stop = chen.entry(
        "activities/start", occurred_at=at(10), work="10.3.question", officers_present=2, recording=True,
        public_notice=NOTICE,
    )["id"]  # fmt: skip
    chen.entry("activities/finish", occurred_at=at(20), activity=stop)
    chen.entry("activities/finish", occurred_at=at(30), activity=patrol)
    for start, end in ((9, 14), (17, 21)):
        chen.entry(
            "recordings/declare", camera_serial="DSJ-0042", file_name=f"{start}.mp4", media_type="video/mp4",
            started_at=at(start), ended_at=at(end),
        )  # fmt: skip
    chen.entry("shifts/check-out", occurred_at=at(40), shift=shift)
    return chen, shift, stop


def test_a_duty_is_drawn_with_its_gap(running: Serving, passwords: dict[str, str], tmp_path: Path) -> None:
    """The timeline in the terminal, as a picture and as data. An explained gap is still shown."""
    chen, shift, stop = a_duty(running, passwords)
    picture, data = tmp_path / "duty.svg", tmp_path / "duty.json"
    done = running.place.run("timeline", shift, "--svg", str(picture), "--json", str(data))
    assert 0 == done.returncode, done.stderr
    assert "10.3.question" in done.stdout
    assert "没有申报任何视音频资料" in done.stdout
    timeline = json.loads(data.read_text(encoding="utf-8"))
    (gap,) = [gap for act in timeline["activities"] if act["id"] == stop for gap in act["gaps"]]
    assert ("recording", False) == (gap["kind"], gap["explained"])
    assert timedelta(minutes=3) == pytest.approx(
        datetime.fromisoformat(gap["ended_at"]) - datetime.fromisoformat(gap["started_at"]), abs=timedelta(seconds=1)
    )
    ElementTree.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - our own picture
    chen.entry("recordings/explain", activity=stop, cause="battery", words="更换电池", spoken=True)
    explained = {one["kind"]: one["explained"] for one in chen.get(f"/v1/shifts/{shift}")["findings"]}
    assert explained["unrecorded"] is True


def test_a_shift_that_nobody_has_is_a_sentence(running: Serving) -> None:
    """The server's own command line shows it too."""
    done = running.place.run("timeline", "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001")
    assert 1 == done.returncode
    assert "no such shift" in done.stderr


def test_the_command_writes_for_its_owner_alone(running: Serving, passwords: dict[str, str], tmp_path: Path) -> None:
    """A timeline names people, so the file is readable by its owner only, even if it existed before."""
    chen, shift, _ = a_duty(running, passwords)
    picture, raw = tmp_path / "shift.svg", tmp_path / "shift.json"
    picture.write_text("older and longer" * 9000)
    picture.chmod(0o644)
    succeeded(running.place.run("timeline", shift, "--svg", str(picture), "--json", str(raw)))
    assert [0o600, 0o600] == [file.stat().st_mode & 0o777 for file in (picture, raw)]
    assert chen.get(f"/v1/shifts/{shift}")["shift"] == json.loads(raw.read_text())["shift"]
    assert SVG == ElementTree.fromstring(picture.read_text(encoding="utf-8")).tag  # noqa: S314 - our own picture


def test_the_command_prints_one_thing_and_nothing_else(running: Serving, passwords: dict[str, str]) -> None:
    """`fujing timeline SHIFT --svg - > file` is a picture."""
    _, shift, _ = a_duty(running, passwords)
    picture = succeeded(running.place.run("timeline", shift, "--svg", "-"))
    assert SVG == ElementTree.fromstring(picture).tag  # noqa: S314 - our own picture
    assert shift == json.loads(succeeded(running.place.run("timeline", shift, "--json", "-")))["shift"]["id"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("{shift}", "--svg", "-", "--json", "-"), 2, "Only one"),
        (("not-a-shift",), 2, "not a valid UUID"),
        (("{shift}", "--svg", "/nowhere/shift.svg"), 1, "cannot be written"),
    ],
)
def test_the_command_says_what_is_wrong(
    running: Serving, passwords: dict[str, str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    """A sentence and an exit code, never a stack."""
    _, shift, _ = a_duty(running, passwords)
    done = running.place.run("timeline", *(word.format(shift=shift) for word in arguments))
    output = " ".join((done.stdout + done.stderr).split())
    assert (code, True, False) == (done.returncode, words in output, "Traceback" in output), output


def test_a_live_stop_without_a_leader_is_refused_with_its_articles(running: Serving, passwords: dict[str, str]) -> None:
    """The phone shows the unmet conditions before anybody is stopped."""
    chen = running.handheld()
    chen.sign_in(CHEN, passwords[CHEN])
    with pytest.raises(Problem) as refusal:
        chen.entry("activities/start", work="10.3.question")
    assert 409 == refusal.value.status
    assert {"10, 11", "程序规定 52", "32"} <= {rule["article"] for rule in refusal.value.body["unmet"]}
