"""A colleague reports an injury offline, two days late; the camera of the injured comes by dock later, and is held.

From there to the settlement: approved, paid, recognised, borne by who has to bear it.
"""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, DeskClient, digest_of
from mobile_api.client.outbox import Outbox
from tests.houses import DOCK, STATION, Serving

HAN, KONG, OFFICER, CHIEF, PAYER, INSPECTOR, SERIAL = "FJ1941", "FJ1942", "P2942", "P2941", "P2943", "P2944", "HH-1941"
BUREAU, TWO_DAYS = "330102000000", 2 * 86_400
ROSTER = f"""record,code,name,kind,organ,from,until
person,{HAN},韩松,duty_auxiliary,{STATION},2024-03-01,
person,{KONG},孔一鸣,duty_auxiliary,{STATION},2024-03-01,
person,{OFFICER},贺立,officer,{STATION},2012-07-01,
person,{CHIEF},郑局,officer,{BUREAU},2010-07-01,
person,{PAYER},钱会计,staff,{BUREAU},2018-07-01,
person,{INSPECTOR},吴督察,officer,{BUREAU},2011-07-01,
role,{CHIEF},,commander,{BUREAU},2026-01-01,
role,{PAYER},,treasurer,{BUREAU},2026-01-01,
role,{INSPECTOR},,inspector,{BUREAU},2026-01-01,
device,{SERIAL},手持终端,handheld,{STATION},,
"""


@pytest.fixture(scope="module")
def first_passwords(running: Serving, passwords: dict[str, str]) -> dict[str, str]:
    return passwords | running.place.bring_in_people(ROSTER)


def at_desk(running: Serving, badge: str, password: str) -> DeskClient:
    desk = DeskClient(running.url)
    desk.sign_in(badge, password)
    return desk


def an_inspector(running: Serving, password: str) -> DeskClient:
    desk = at_desk(running, INSPECTOR, password)
    desk.confirm_factor(pyotp.TOTP(pyotp.parse_uri(desk.set_up_factor(password)).secret).now())
    return desk


def reported(running: Serving, phone: Client, injured: str, me: str, path: Path) -> str:
    """Kong saw it; his phone had no network for two days. The hospital's bill came with the report."""
    happened = datetime.now(UTC) - timedelta(seconds=TWO_DAYS)
    bill = path / "bill.txt"
    bill.write_text("急诊押金 5000.00 元\n" * 20)
    with closing(Outbox(path / "outbox.db")) as box:
        paper = box.add_file(me, bill, "documents/declare", title="急诊票据", media_type="text/plain")
        box.add(
            me, "injuries/report", occurred_at=happened + timedelta(minutes=5), person=injured, injured_at=happened,
            how="制止斗殴时被推倒", doing="巡逻", body_part="右前臂", severity="serious", hospital="市第一人民医院",
            papers=[paper], costs=[{"kind": "medical", "fen": 500_000, "words": "急诊押金"}],
        )  # fmt: skip
        box.sync(phone, me)  # the report happened before the bill was kept, so it waits for it
        box.carry_files(phone, me)
        box.sync(phone, me)
        assert not box.left(me).entries, box.refused(me)
    (injury,) = phone.get("/v1/injuries")["items"]
    return str(injury["id"])


def brought_in(running: Serving, password: str, card: Path) -> str:
    """The card of the injured, read by the docking station when it comes back; the file's digest."""
    card.mkdir()
    taken = film(card / "0001.mp4", seconds=3, width=160, height=96, ago=TWO_DAYS + 2).path
    running.enrol_station()
    words = ["--camera", "DSJ-1941", "--wearer", HAN, "--dock", DOCK, "--url", running.url]
    done = running.place.run("ingest", str(card), *words, given=password + "\n", seconds=120)
    assert 0 == done.returncode, done.stdout + done.stderr
    return digest_of(taken)[1]


def decides(desk: DeskClient, verb: str, item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return dict(desk.entry(f"advances/{verb}", item=item["id"], version=item["version"], **fields)["item"])


def test_reported_two_days_late_held_and_settled(
    running: Serving, first_passwords: dict[str, str], tmp_path: Path
) -> None:
    phone = running.handheld(SERIAL)
    phone.sign_in(HAN, first_passwords[HAN])
    injured = phone.get("/v1/me")["id"]
    phone.sign_out()
    phone.sign_in(KONG, first_passwords[KONG])
    injury = reported(running, phone, injured, phone.get("/v1/me")["id"], tmp_path)
    inspector = an_inspector(running, first_passwords[INSPECTOR])
    digest = brought_in(running, first_passwords[DOCK], tmp_path / "卡")
    assert {"recording", "document"} == held(inspector, injury, digest)
    ledger = settled(running, first_passwords, injury)
    sums = ledger["sums"]
    assert (500_000, 400_000, 400_000, 0) == tuple(
        sums[name] for name in ("requested_fen", "approved_fen", "paid_fen", "outstanding_fen")
    )
    assert sums["paid_fen"] == sum(sums[f"{payer}_fen"] for payer in ("fund", "employer", "third_party", "recovered"))
    (item,) = [item for item in ledger["items"] if item["kind"] == "medical"]
    assert "settled" == item["state"]
    the_operator_reports(running, tmp_path / "工时.csv")
    the_operator_takes_a_notice_in(running, inspector, tmp_path / "放假安排.toml")


def the_operator_takes_a_notice_in(running: Serving, inspector: DeskClient, file: Path) -> None:
    """Hours of a year that nobody announced are told; the notice is in the next answer of the servers that run."""

    def saturday() -> tuple[bool, str]:
        told = inspector.get("/v1/hours?month=2031-05")
        return told["announced"], told["items"][0]["days"][9]["kind"]

    assert (False, "rest") == saturday()
    file.write_text('["2031"]\nrest = [2031-05-05]\nwork = [2031-05-10]\nsource = "通知"\n', encoding="utf-8")
    taken = running.place.run("calendar", "2031", "--from", str(file))
    assert (0, True) == (taken.returncode, "05-10" in taken.stdout), taken.stderr
    assert (True, "work") == saturday()
    file.write_text('["2031"]\nrest = []\nwork = [2031-05-09]\nsource = "通知"\n', encoding="utf-8")
    wrong = running.place.run("calendar", "2031", "--from", str(file))
    assert (2, True) == (wrong.returncode, "no day of a weekend" in wrong.stderr)


def the_operator_reports(running: Serving, file: Path) -> None:
    """The report comes as a table and as CSV; a wrong call is answered with a sentence."""
    advances = running.place.run("report", "advances", "--organ", STATION)
    assert (0, True) == (advances.returncode, "韩松" in advances.stdout), advances.stderr
    hours = running.place.run("report", "hours", "--month", "2026-10", "--csv", str(file))
    assert (0, True) == (hours.returncode, "0 over the limit" in hours.stdout), hours.stderr
    assert file.read_text(encoding="utf-8-sig").startswith("organ,badge,name,worked")
    assert 2 == running.place.run("report", "hours", "--month", "2026-13").returncode
    assert "not announced" in running.place.run("report", "hours", "--month", "2031-05").stdout


def held(inspector: DeskClient, injury: str, digest: str) -> set[str]:
    """The files held for this injury: the footage of the injured, and the bill that came with the report."""
    deadline = time.monotonic() + 20
    recordings = {row["sha256"]: row["id"] for row in inspector.get("/v1/recordings")["items"]}
    kinds: set[str] = set()
    while len(kinds) < 2 and time.monotonic() < deadline:
        holds = [row["id"] for row in inspector.get("/v1/holds")["items"] if row["about"] == injury]
        covers = [each for hold in holds for each in inspector.get(f"/v1/holds/{hold}")["covers"]]
        kinds = {each["kind"] for each in covers if each["legal_hold"]}
        assert recordings[digest] in [each["id"] for each in covers]
    return kinds


def settled(running: Serving, passwords: dict[str, str], injury: str) -> dict[str, Any]:
    """Approved for less, paid on the hospital's bill, recognised, borne by the fund and the employer: the ledger."""
    chief, payer = at_desk(running, CHIEF, passwords[CHIEF]), at_desk(running, PAYER, passwords[PAYER])
    case = chief.get(f"/v1/injuries/{injury}")
    (item,) = [item for item in chief.get(f"/v1/advances/{injury}")["items"] if item["state"] == "requested"]
    item = decides(chief, "approve", item, fen=400_000, why="按押金批准")
    item = decides(payer, "pay", item, fen=400_000, receipt=case["papers"][0]["id"], words="转账至医院")
    version = case["injury"]["version"]
    for step in ("apply", "accept", "recognise"):
        day = datetime.now(UTC).date().isoformat()
        answer = payer.entry(
            "injuries/recognition", injury=injury, version=version, step=step, on_day=day, words="文书已收"
        )
        version = answer["injury"]["version"]
    item = decides(payer, "settle", item, payer="fund", fen=320_000, words="基金拨付")
    decides(payer, "settle", item, payer="employer", fen=80_000, words="目录外费用由单位承担")
    return dict(payer.get(f"/v1/advances/{injury}"))


def test_the_operator_plans_shifts_from_a_file(
    running: Serving, first_passwords: dict[str, str], tmp_path: Path
) -> None:
    """A bad file names every mistake by line and plans nothing; a good one plans all; again, it adds nothing."""
    head = "badge,post,officer,duty_type,starts_at,ends_at,lat,lon,datum,radius_m\n"
    line = f"{KONG},南门,{OFFICER},post,2027-03-01T08:00:00+08:00,2027-03-01T16:00:00+08:00,,,,\n"
    bad, good = tmp_path / "bad.csv", tmp_path / "排班.csv"
    bad.write_text(head + line + line.replace("2027-03-01T16", "2027-03-01T06"))
    good.write_text(head + line)
    wrong = running.place.run("import-plan", str(bad))
    assert (1, True) == (wrong.returncode, f"{bad}:3:" in wrong.stderr), wrong.stderr
    assert "1 shifts planned, 0 were planned already" in running.place.run("import-plan", str(good)).stdout
    assert "0 shifts planned, 1 were planned already" in running.place.run("import-plan", str(good)).stdout
