"""What the law names is data: kinds of auxiliaries, insurances, the work ID, who decides, editions. Nothing is in the
code or in a constraint of the database."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from litestar import Litestar

from backend.core.database import fetch, value
from backend.evidence.retention import category_holds
from backend.law.catalogue import load, use
from backend.oversight.overdue_findings import refresh_due
from backend.people import kinds
from tests.builders import (
    DISTRICT,
    STATION,
    Someone,
    a_badge,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    ago,
    an_administrator_of,
    an_officer,
    now,
    recorded,
    refused,
    somebody,
    trained,
)

Puts = Callable[[str], None]
KINDS = """
[kinds.duty_auxiliary]
zh = "勤务辅警"
en = "Duty auxiliary"
source = "R.2"

[kinds.civilian_auxiliary]
zh = "文职辅警"
en = "Civilian auxiliary"
source = "R.2"

[kinds.patrol_auxiliary]
zh = "巡防辅警"
en = "Patrol auxiliary"
words = ["巡防"]
source = "R.2"
"""
INSURANCES = """
[insurances.accident_insurance]
zh = "人身意外伤害保险"
en = "Accident insurance"
source = "R.24"

[insurances.third_party_liability]
zh = "第三者责任险"
en = "Third-party liability"
works = "every"
kinds = ["duty_auxiliary"]
source = "R.24"
"""


@pytest.fixture
def in_force(tmp_path: Path) -> Iterator[Puts]:
    """Puts a regulation.toml into force, on top of the built-in law, until the end of the test."""

    def put(regulation: str) -> None:
        (tmp_path / "regulation.toml").write_text(regulation, encoding="utf-8")
        use(tmp_path)

    yield put
    use(None)


async def standing(subject: str) -> set[str]:
    rows = await fetch("SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", UUID(subject))
    return {row["kind"] for row in rows}


async def test_a_kind_of_auxiliary_comes_with_the_law(app: Litestar, in_force: Puts) -> None:
    """Entered, found in the list by it, and on duty; before the law names it, nobody knows it."""
    admin, chief = await an_administrator_of(app, DISTRICT), await a_commander_of(app, DISTRICT)
    new = {"badge": a_badge(), "name": "杨帆", "kind": "patrol_auxiliary", "organ": STATION, "serves_from": a_day()}
    refused(await admin.post("/v1/people/enter", **new), 422, "unknown_kind")
    refused(await chief.get("/v1/people", kind="patrol_auxiliary"), 422, "invalid")
    in_force(KINDS)
    await kinds.keep()
    recorded(await admin.post("/v1/people/enter", **new))
    listed = (await chief.get("/v1/people", kind="patrol_auxiliary", q=new["badge"])).json()["items"]
    assert [("杨帆", "patrol_auxiliary")] == [(row["name"], row["kind"]) for row in listed]
    lin = await somebody(app, "patrol_auxiliary", name="林小川")
    recorded(await lin.check_in())
    refused(await lin.post("/v1/supervisions/confirm", supervision=str(UUID(int=1))), 403, "not_for_your_role")


async def test_no_constraint_names_a_kind_or_an_insurance(app: Litestar) -> None:
    """The database takes what the law names."""
    texts = await fetch("SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE contype = 'c'")
    bodies = await fetch(
        "SELECT prosrc AS text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'"
    )
    built_in = load()
    its = built_in.provisions
    names = [*its.kinds, *its.insurances, *its.before_duty, *its.retention]
    assert {"duty_auxiliary", "accident_insurance"} < set(names)
    assert [] == [name for name in names for row in (*texts, *bodies) if name in row["text"]]
    assert await value("SELECT count(*) FROM kind_of_person WHERE code = ANY ($1) AND auxiliary", [*built_in.kinds])


async def test_each_insurance_that_the_law_names_is_owed(app: Litestar, in_force: Puts) -> None:
    """By kind and by work; what was owed when the act was told stays owed."""
    in_force(INSURANCES)
    lin = await a_duty_auxiliary(app)
    await trained(lin)
    recorded(await lin.check_in(at=ago(minutes=50)))
    patrol = recorded(await lin.starts("9.6", at=ago(minutes=40)))["id"]
    recorded(await lin.finishes(patrol, at=ago(minutes=35)))
    service = recorded(await lin.starts("9.5", at=ago(minutes=30)))["id"]
    recorded(await lin.finishes(service, at=ago(minutes=25)))
    assert [True, True] == ["uninsured" in await standing(act) for act in (patrol, service)]
    await trained(lin, "third_party_liability,,2024-03-01,")
    use(None)
    await refresh_due(now())
    assert [True, False] == ["uninsured" in await standing(act) for act in (patrol, service)]
    await trained(lin, "accident_insurance,,2024-03-01,")
    await refresh_due(now())
    assert "uninsured" not in await standing(patrol)


async def test_where_the_law_says_so_the_work_id_is_carried_in_uniform_too(app: Litestar, in_force: Puts) -> None:
    """Built in: in plain clothes only."""
    lin = await a_duty_auxiliary(app)
    in_force('[dress]\nid_card = "always"\nsource = "R.32"\n')
    refused(await lin.check_in(id_card_carried=False), 409, "without_id_card")
    use(None)
    recorded(await lin.check_in(id_card_carried=False))


async def test_a_large_advance_is_approved_by_two(app: Litestar, in_force: Puts) -> None:
    """The first approval is kept; the same person is not the second; the second gives no more than the first."""
    in_force(
        '[decisions.recusal]\nlevel = "county"\nsource = "R.33"\n'
        '[decisions.injury]\nlevel = "county"\nsecond_above_fen = 100000\nsource = "R.26"\n'
    )
    lin, chief, other = (
        await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT), await a_commander_of(app, DISTRICT)
    )  # fmt: skip
    injury = recorded(await hurt(lin))["injury"]["id"]
    asked = {"injury": injury, "kind": "medical", "fen": 300_000, "words": "住院押金"}
    item = recorded(await lin.post("/v1/advances/request", **asked))["item"]

    def approval(fen: int) -> dict[str, object]:
        return {"item": item["id"], "version": item["version"], "fen": fen, "why": "伤情属实"}

    item = recorded(await chief.post("/v1/advances/approve", **approval(200_000)))["item"]
    assert ("requested", 200_000, None) == (item["state"], item["first_fen"], item["approved_fen"])
    refused(await chief.post("/v1/advances/approve", **approval(200_000)), 409, "second_person_needed")
    refused(await other.post("/v1/advances/approve", **approval(200_001)), 422, "beyond_first_approval")
    item = recorded(await other.post("/v1/advances/approve", **approval(150_000)))["item"]
    assert ("approved", 150_000) == (item["state"], item["approved_fen"])


async def hurt(lin: Someone) -> object:
    return await lin.post(
        "/v1/injuries/report", injured_at=ago(minutes=10), how="制止斗殴时被推倒", doing="巡逻", body_part="右前臂",
        severity="serious",
    )  # fmt: skip


@pytest.mark.parametrize(("level", "organ"), [("station", STATION), ("county", DISTRICT)])
async def test_the_level_that_decides_is_data(app: Litestar, in_force: Puts, level: str, organ: str) -> None:
    """A station decides itself where the regulation leaves it to it."""
    decides = f'level = "{level}"\nsource = "R.33"\n'
    in_force(f"[decisions.recusal]\n{decides}[decisions.injury]\n{decides}")
    lin = await a_duty_auxiliary(app)
    declared = await lin.post(
        "/v1/recusals/declare", case_ref=f"A{a_badge()}", case_kind="administrative", ground="interest", words="亲属"
    )
    assert organ == recorded(declared)["recusal"]["decided_in"]


async def test_a_phone_hears_of_an_edition_before_its_day(app: Litestar, in_force: Puts) -> None:
    """It judges offline by today's law, and knows when to fetch the next one."""
    lin, articles = await a_duty_auxiliary(app), "".join(f"{number} = '{number}'\n" for number in range(1, 44))
    assert {} == (await lin.get("/v1/duty/works")).json().get("upcoming", {})
    in_force(
        "[regulation]\nzh = '修订后的条例'\nen = 'As revised'\nin_force_from = 2090-07-01\nsource = 'R.43'\n"
        f"follows_built_in = true\n[articles]\n{articles}"
    )
    catalogue = (await lin.get("/v1/duty/works")).json()
    assert "2021-03-01" == catalogue["regulation"]["in_force_from"]
    assert {"2090-07-01": "修订后的条例"} == {day: each["zh"] for day, each in catalogue["upcoming"].items()}


async def test_an_act_is_judged_by_the_law_of_its_moment(app: Litestar, tmp_path: Path) -> None:
    """An edition asks for the work ID from yesterday on: what was done before is not found fault with."""
    lin, officer = await a_duty_auxiliary(app), await an_officer(app)
    since = datetime.now(UTC) + timedelta(hours=8) - timedelta(days=1)
    articles = "".join(f"{number} = '{number}'\n" for number in range(1, 44))
    (tmp_path / "regulation.toml").write_text(
        f"[regulation]\nzh = '修订后的条例'\nen = 'As revised'\nin_force_from = {since:%Y-%m-%d}\nsource = 'R.43'\n"
        f"follows_built_in = true\n[articles]\n{articles}[dress]\nid_card = 'always'\nsource = 'R.32'\n",
        encoding="utf-8",
    )
    use(tmp_path)
    try:
        fields = {"id_card_carried": False, "ordered_by": officer.id}
        before = recorded(await lin.check_in(at=ago(hours=60), **fields))
        recorded(await lin.check_out(before["id"], at=ago(hours=55)))
        after = recorded(await lin.check_in(at=ago(minutes=30), **fields))
    finally:
        use(None)
    found = [{note["code"] for note in receipt["findings"]} for receipt in (before, after)]
    assert ["without_id_card" in codes for codes in found] == [False, True]


async def test_a_category_of_footage_is_kept_because_the_law_names_it(app: Litestar, in_force: Puts) -> None:
    """Described as such, it is held for ever; where the law names no such category, nobody describes it so."""
    lin = await a_duty_auxiliary(app)
    upload = recorded(await lin.declare(started_at=ago(minutes=30), ended_at=ago(minutes=20)))["id"]
    content = [{"from_ms": 0, "to_ms": 1000, "words": "劝阻野外用火"}]
    described = {"recording": upload, "content": content, "category": "forest_fire"}
    refused(await lin.post("/v1/recordings/describe", **described), 422, "unknown_category")
    in_force('[retention.forest_fire]\nzh = "森林草原防火"\nen = "Forest fires"\nsource = "its own circular"\n')
    recorded(await lin.post("/v1/recordings/describe", **described))
    await category_holds.judge_moved(now())
    assert "forest_fire" == await value("SELECT category FROM hold WHERE upload = $1 AND permanent", UUID(upload))
