"""A complaint about a patrol whose footage has a gap: held at once, investigated, answered; complainant hidden."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, DeskClient, Problem
from tests.houses import STATION, Serving

DING, OFFICER, CLERK, INSPECTOR, SERIAL = "FJ1951", "P2952", "P2953", "P2954", "HH-1951"
BUREAU, NAME = "330102000000", "王秀英"
NOTICE = {"id_shown": True, "told": "表明身份，说明依据", "recusal_right_told": True}
ROSTER = f"""record,code,name,kind,organ,from,until
person,{DING},丁一,duty_auxiliary,{STATION},2024-03-01,
qualification,{DING},,pre_job_training,,2024-03-01,
person,{OFFICER},贺立,officer,{STATION},2012-07-01,
person,{CLERK},周敏,staff,{STATION},2018-07-01,
person,{INSPECTOR},吴督察,officer,{BUREAU},2011-07-01,
role,{INSPECTOR},,inspector,{BUREAU},2026-01-01,
device,{SERIAL},手持终端,handheld,{STATION},,
"""


@pytest.fixture(scope="module")
def first_passwords(running: Serving, passwords: dict[str, str]) -> dict[str, str]:
    return passwords | running.place.bring_in_people(ROSTER)


def a_patrol_with_a_gap(phone: Client, folder: Path) -> tuple[str, list[str]]:
    """Record a stop of one minute whose middle was not filmed. The shift and its footage."""
    began = datetime.now(UTC) - timedelta(seconds=600)
    officer = phone.get(f"/v1/people/{OFFICER}")["id"]
    shift = phone.entry(
        "shifts/check-in", occurred_at=began, duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=officer,
    )["id"]  # fmt: skip
    phone.entry("supervisions/name", occurred_at=began + timedelta(seconds=5), officer=officer)
    stop = phone.entry(
        "activities/start", occurred_at=began + timedelta(seconds=60), work="10.3.question", officers_present=2,
        recording=True, public_notice=NOTICE,
    )["id"]  # fmt: skip
    phone.entry("activities/finish", occurred_at=began + timedelta(seconds=120), activity=stop)
    phone.entry("shifts/check-out", occurred_at=began + timedelta(seconds=300), shift=shift)
    films = []
    for number, (after, seconds) in enumerate(((58, 12), (100, 22))):
        ago = (datetime.now(UTC) - began).total_seconds() - after
        taken = film(folder / f"{number}.mp4", seconds=seconds, width=160, height=96, rate=5, ago=ago)
        fields = {"camera_serial": "DSJ-1951", "media_type": "video/mp4"}
        receipt = phone.send(taken.path, started_at=taken.started_at, ended_at=taken.ended_at, **fields)
        films.append(str(receipt["id"]))
    return str(shift), films


def an_inspector(running: Serving, password: str) -> DeskClient:
    desk = DeskClient(running.url)
    desk.sign_in(INSPECTOR, password)
    desk.confirm_factor(pyotp.TOTP(pyotp.parse_uri(desk.set_up_factor(password)).secret).now())
    return desk


def test_a_complaint_about_a_shift_whose_footage_has_a_gap(
    running: Serving, first_passwords: dict[str, str], tmp_path: Path
) -> None:
    phone, clerk = running.handheld(SERIAL), DeskClient(running.url)
    phone.sign_in(DING, first_passwords[DING])
    shift, films = a_patrol_with_a_gap(phone, tmp_path)
    clerk.sign_in(CLERK, first_passwords[CLERK])
    fields = {"channel": "phone", "words": "盘查时态度粗暴", "complainant": NAME, "contact": "0571-00000000"}
    complaint = clerk.entry("complaints/receive", shift=shift, **fields)["complaint"]
    inspector = an_inspector(running, first_passwords[INSPECTOR])
    assert sorted(films) == sorted(held_files(inspector, complaint["id"], len(films)))
    gaps = [row for row in inspector.get("/v1/findings")["items"] if row["kind"] == "unrecorded"]
    assert [row for row in gaps if row["person"] == phone.get("/v1/me")["id"]]
    with pytest.raises(Problem, match="unknown_complaint"):
        phone.get(f"/v1/complaints/{complaint['id']}")
    complaint = step(inspector, "notify", complaint, how="letter", words="已受理")
    heard = {"complaint": complaint["id"], "version": complaint["version"], "person": phone.get("/v1/me")["id"]}
    told = inspector.entry("complaints/hear", **heard, substance="反映盘查时态度粗暴，且录像中断，请陈述")["hearing"]
    phone.entry("hearings/answer", hearing=told["id"], words="更换电池，未及说明")
    complaint |= {"version": complaint["version"] + 1}
    complaint = step(
        inspector, "conclude", complaint, outcome="partly", words="盘查中断录制二十余秒，未能还原；已责令说明"
    )
    step(inspector, "feed-back", complaint, how="telephone", words="已告知结果")
    answer = phone.get(f"/v1/complaints/{complaint['id']}")
    assert ("partly", None) == (answer["complaint"]["outcome"], answer["complaint"]["complainant"])
    assert NAME not in str(answer) + str(phone.get("/v1/changes"))
    (row,) = [row for row in inspector.get("/v1/complaints/counts")["items"] if row["organ"] == STATION]
    assert row["partly"] >= 1


def step(inspector: DeskClient, verb: str, complaint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    current = {"complaint": complaint["id"], "version": complaint["version"]}
    return dict(inspector.entry(f"complaints/{verb}", **current, **fields)["complaint"])


def held_files(inspector: DeskClient, complaint: str, count: int) -> list[str]:
    """Ids of the files under this complaint's legal hold in the store, once the worker has placed `count` of them."""
    (hold,) = [row["id"] for row in inspector.get("/v1/holds")["items"] if row["about"] == complaint]
    deadline, covers = time.monotonic() + 20, []
    while time.monotonic() < deadline:
        covers = [each for each in inspector.get(f"/v1/holds/{hold}")["covers"] if each["legal_hold"]]
        if len(covers) == count:
            break
        time.sleep(0.2)
    return [each["id"] for each in covers]
