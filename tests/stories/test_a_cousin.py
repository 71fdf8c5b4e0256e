"""The party is a cousin: recusal is declared offline in the field and decided at the bureau; the case afterwards."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mobile_api.client.api import DeskClient, Problem
from mobile_api.client.outbox import Outbox
from tests.houses import STATION, Serving

SHEN, OFFICER, CHIEF, SERIAL, CASE = "FJ1921", "P2922", "P2921", "HH-1921", "A3301022026110021"
ON_IT: dict[str, Any] = {"case_ref": CASE, "case_kind": "administrative"}
ROSTER = f"""record,code,name,kind,organ,from,until
person,{SHEN},沈一帆,duty_auxiliary,{STATION},2024-03-01,
qualification,{SHEN},,pre_job_training,,2024-03-01,
person,{OFFICER},贺立,officer,{STATION},2012-07-01,
person,{CHIEF},郑局,officer,330102000000,2010-07-01,
role,{CHIEF},,commander,330102000000,2026-01-01,
device,{SERIAL},手持终端,handheld,{STATION},,
"""


@pytest.fixture(scope="module")
def first_passwords(running: Serving, passwords: dict[str, str]) -> dict[str, str]:
    return passwords | running.place.bring_in_people(ROSTER)


def two_hours_offline(box: Outbox, me: str, officer: str) -> tuple[UUID, UUID]:
    """Put into the outbox a patrol with work on the case and a recusal. The ids of the act and the recusal."""
    began = datetime.now(UTC) - timedelta(hours=2)

    def at(minute: float) -> datetime:
        return began + timedelta(minutes=minute)

    fields = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "ordered_by": officer}
    box.add(me, "shifts/check-in", occurred_at=at(0), **fields)
    box.add(me, "supervisions/name", occurred_at=at(1), officer=officer)
    act = box.add(me, "activities/start", occurred_at=at(10), work="9.6", **ON_IT)
    recusal = box.add(
        me, "recusals/declare", occurred_at=at(15), ground="party_or_relative", words="当事人是我表弟", **ON_IT
    )
    box.add(me, "activities/finish", occurred_at=at(40), activity=act)
    return act, recusal


def test_the_party_is_a_cousin(running: Serving, first_passwords: dict[str, str], tmp_path: Path) -> None:
    """Two hours without a network, then the bureau."""
    shen, chief = running.handheld(SERIAL), DeskClient(running.url)
    shen.sign_in(SHEN, first_passwords[SHEN])
    chief.sign_in(CHIEF, first_passwords[CHIEF])
    me, officer = shen.get("/v1/me")["id"], shen.get(f"/v1/people/{OFFICER}")["id"]
    with closing(Outbox(tmp_path / "outbox.db")) as box:
        act, recusal = two_hours_offline(box, me, officer)
        box.sync(shen, me)
        assert not box.left(me), box.refused(me)
        assert [(CASE, "pending")] == recusals_in(box, shen, me)
        assert "recusal_pending" in codes(shen.get("/v1/duty/verdict", work="9.6", case_ref=CASE)["warnings"])
        decides(chief, "stand-aside", recusal=recusal, version=1, why="关系明确，先行暂停参与")
        assert [(CASE, "standing_aside")] == recusals_in(box, shen, me)
        with pytest.raises(Problem, match="recused"):
            shen.entry("activities/start", work="9.6", **ON_IT)
        with pytest.raises(Problem, match="stale"):
            decides(chief, "decide", recusal=recusal, version=1, outcome="granted", why="系近亲属")
        decides(chief, "decide", recusal=recusal, version=2, outcome="granted", why="系当事人近亲属")
        acts = [{"activity": act, "stands": True, "why": "仅维持秩序"}]
        decides(chief, "judge", recusal=recusal, version=3, acts=acts)
        box.sync(shen, me)
        heard = [item["facts"]["subject"]["recusal"]["state"] for item in box.news(me) if "recusals/" in item["verb"]]
        assert ["granted", "granted"] == heard[-2:]
    answer = shen.get(f"/v1/recusals/{recusal}")
    assert ["stand_aside", "grant", "judge"] == [step["step"] for step in answer["steps"]]
    assert [(str(act), True)] == [(one["activity"], one["stands"]) for one in answer["acts"]]


def decides(chief: DeskClient, verb: str, **fields: Any) -> None:
    chief.entry(f"recusals/{verb}", **fields)


def codes(notes: list[dict[str, Any]]) -> list[str]:
    return [note["code"] for note in notes]


def recusals_in(box: Outbox, client: Any, person: str) -> list[tuple[str, str]]:
    """The recusals in the phone's stored bundle, which it reads offline."""
    box.sync(client, person)
    bundle = box.bundle(person)
    assert bundle is not None
    return [(one["case_ref"], one["standing"]) for one in bundle["recusals"]]
