"""Fair to the auxiliary, and to whoever complains: heard before judged; ordered and not chosen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest

from mobile_api.client.api import Client, DeskClient, Problem
from tests.houses import STATION, Serving

MA, OFFICER, CLERK, INSPECTOR = "FJ1953", "P2956", "P2957", "P2958"
BUREAU, NAME = "330102000000", "李桂兰"
ROSTER = f"""record,code,name,kind,organ,from,until
organ,{BUREAU},上城区分局,,,,
organ,{STATION},城关派出所,,{BUREAU},,
person,{MA},马兰,duty_auxiliary,{STATION},2024-03-01,
person,{OFFICER},贺立,officer,{STATION},2012-07-01,
person,{CLERK},周敏,staff,{STATION},2018-07-01,
person,{INSPECTOR},吴督察,officer,{BUREAU},2011-07-01,
role,{INSPECTOR},,inspector,{BUREAU},2026-01-01,
qualification,{MA},,pre_job_training,,2024-03-01,
device,HH-1953,手持终端,handheld,{STATION},,
device,HH-1954,手持终端,handheld,{STATION},,
"""


@pytest.fixture(scope="module")
def people(running: Serving) -> tuple[Client, Client, DeskClient, DeskClient]:
    """Ma and her leading officer on handhelds, a clerk and an inspector at desks."""
    passwords = running.place.bring_in_people(ROSTER)
    ma, officer = running.handheld("HH-1953"), running.handheld("HH-1954")
    ma.sign_in(MA, passwords[MA])
    officer.sign_in(OFFICER, passwords[OFFICER])
    clerk, wu = DeskClient(running.url), DeskClient(running.url)
    clerk.sign_in(CLERK, passwords[CLERK])
    wu.sign_in(INSPECTOR, passwords[INSPECTOR])
    wu.confirm_factor(pyotp.TOTP(pyotp.parse_uri(wu.set_up_factor(passwords[INSPECTOR])).secret).now())
    return ma, officer, clerk, wu


def on_patrol(ma: Client, officer: Client, hours: int) -> str:
    since = datetime.now(UTC) - timedelta(hours=hours)
    shift = ma.entry(
        "shifts/check-in", occurred_at=since, duty_type="patrol", dress="uniform", id_card_carried=True,
        roster_post="南门岗亭",
    )["id"]  # fmt: skip
    naming = ma.entry("supervisions/name", occurred_at=since, officer=officer.get("/v1/me")["id"])["id"]
    officer.entry("supervisions/confirm", occurred_at=since + timedelta(minutes=1), supervision=naming)
    return str(shift)


def test_a_complaint_is_heard_before_it_is_judged(people: tuple[Client, Client, DeskClient, DeskClient]) -> None:
    """Ma learns what is said of her, never by whom; she answers; then it is concluded, and says where to appeal."""
    ma, officer, clerk, wu = people
    shift = on_patrol(ma, officer, 3)
    cursor = ma.get("/v1/changes")["cursor"]
    complaint: dict[str, Any] = clerk.entry(
        "complaints/receive", channel="desk", words="盘查时语言粗暴", complainant=NAME, contact="0571-87001953",
        shift=shift,
    )["complaint"]  # fmt: skip
    about = {"complaint": complaint["id"]}
    judged = {"outcome": "founded", "words": "语言生硬属实"}
    with pytest.raises(Problem, match="not_heard"):
        wu.entry("complaints/conclude", **about, version=1, **judged)
    me = {"person": ma.get("/v1/me")["id"]}
    with pytest.raises(Problem, match="names_complainant"):
        wu.entry("complaints/hear", **about, **me, version=1, substance=f"{NAME}反映语言粗暴")
    assert [] == ma.get("/v1/hearings")["items"]
    hearing = wu.entry("complaints/hear", **about, **me, version=1, substance="反映盘查时语言粗暴，请陈述")["hearing"]
    with pytest.raises(Problem, match="hearing_open"):
        wu.entry("complaints/conclude", **about, version=2, **judged)
    told = ma.get("/v1/changes", after=cursor)
    assert ["hearings/told"] == [line["verb"] for line in told["items"]]
    ma.entry("hearings/answer", hearing=hearing["id"], words="对方推搡，语气确实急")
    (handled,) = wu.get(f"/v1/complaints/{complaint['id']}")["hearings"]
    assert ["对方推搡，语气确实急"] == [each["words"] for each in handled["statements"]]
    wu.entry("complaints/conclude", **about, version=2, outcome="partly", words="语言生硬属实，无粗暴行为")
    (mine,) = ma.get("/v1/hearings")["items"]
    assert ("partly", BUREAU) == (mine["outcome"], mine["appeal_to"])
    everything = str(told) + str(mine) + str(ma.get("/v1/me/record")) + str(ma.get("/v1/complaints", status="all"))
    assert NAME not in everything
    assert "87001953" not in everything
    assert complaint["id"] not in str(told) + str(mine)


def test_an_order_is_declined_and_another_one_disputed(
    people: tuple[Client, Client, DeskClient, DeskClient],
) -> None:
    """What the law forbids she declines, and the inspector reads it; what she did by order is not hers."""
    ma, officer, _, wu = people
    boss = officer.get("/v1/me")["id"]
    ma.entry("orders/decline", officer=boss, work="12.3", words="要求单独执行拘传")
    assert ["12.3"] == [row["work"] for row in wu.get("/v1/orders/declined")["items"] if row["officer"] == boss]
    assert [] == officer.get("/v1/orders/declined")["items"]
    ordered = ma.entry(
        "activities/start", work="10.2", officers_present=1, despite={"why": "民警要求", "ordered_by": boss}
    )
    (order,) = [row for row in officer.get("/v1/orders")["items"] if row["id"] == ordered["id"]]
    assert ("民警要求", None) == (order["why"], order["disputed_at"])
    mine = {row["kind"]: row["excuses"] for row in ma.get("/v1/me/record")["findings"]}
    assert "ordered" in str(mine), mine
    officer.entry("orders/dispute", order=ordered["id"], words="当时在所内，未下令")
    (disputed,) = [row for row in wu.get("/v1/orders", status="disputed")["items"] if row["id"] == ordered["id"]]
    assert "当时在所内，未下令" == disputed["dispute"]
    assert "ordered" not in str([row["excuses"] for row in ma.get("/v1/me/record")["findings"]])
    ma.entry("activities/finish", activity=ordered["id"])
