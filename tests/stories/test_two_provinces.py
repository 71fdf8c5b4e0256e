"""One day of duty under two other regulations: the same questions, other answers, and not a line of code between them.

The laws are the examples in examples/law/; `fujing law check` finds nothing unconfirmed in them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar

from backend.core.database import value
from backend.law.catalogue import use
from backend.law.checking import check
from tests.builders import Someone, a_civilian_auxiliary, a_day, an_officer, recorded, refused, somebody, trained

LAWS = Path(__file__).parents[2] / "examples" / "law"
MONGOLIA, JIANGXI = LAWS / "inner-mongolia", LAWS / "jiangxi"
ON_PATROL = {MONGOLIA: "duty_auxiliary", JIANGXI: "community_auxiliary"}
UNINSURED = "SELECT count(*) FROM finding WHERE subject = $1 AND kind = 'uninsured' AND withdrawn_at IS NULL"


@pytest.fixture(params=[MONGOLIA, JIANGXI], ids=lambda directory: directory.name)
def province(app: Litestar, request: pytest.FixtureRequest) -> Any:
    """One of the two laws, in force until the end of the test."""
    use(request.param)
    yield request.param
    use(None)


async def asked(who: Someone, work: str, **facts: Any) -> tuple[str, list[str]]:
    """The verdict on a work: the outcome, and what is not met."""
    answer = (await who.get("/v1/duty/verdict", work=work, **facts)).json()
    return answer["outcome"], [note["code"] for note in answer["unmet"]]


@pytest.mark.parametrize("directory", [MONGOLIA, JIANGXI], ids=lambda directory: directory.name)
def test_an_example_confirms_what_it_keeps_and_dates_what_it_says(directory: Path) -> None:
    """Otherwise it would not load; and nothing in it is past its review while it is young."""
    (found,) = check(directory, a_day())
    assert found.usable
    assert [] == found.undated
    assert {"regulation.toml", "works.toml", "messages.toml", "sources.toml"} == {
        each.file for each in found.differences
    }


async def test_a_civilian_at_the_window(app: Litestar, province: Path) -> None:
    """Alone: in one province an officer has to lead this too; in the other the organ's command is enough."""
    su, zhao = await a_civilian_auxiliary(app), await an_officer(app)
    await trained(su)
    recorded(await su.check_in())
    alone = ("conditional", ["not_led", "too_few_officers"]) if province == MONGOLIA else ("allowed", [])
    assert alone == await asked(su, "civilian.administration")
    recorded(await su.names(zhao))
    assert ("allowed", []) == await asked(su, "civilian.administration")
    assert "not_your_kind" in (await asked(su, "duty.patrol"))[1]


async def test_a_patrol_without_an_officer(app: Litestar, province: Path) -> None:
    """Led in one; commanded in the other, where it is the work of two kinds of duty auxiliaries."""
    lin = await somebody(app, ON_PATROL[province], name="林小川")
    await trained(lin)
    recorded(await lin.check_in())
    if province == MONGOLIA:
        assert ("conditional", ["not_led", "too_few_officers"]) == await asked(lin, "duty.patrol")
        refused(await lin.starts("duty.patrol"), 409, "not_led")
        return
    assert ("forbidden", ["prerequisite_missing"]) == await asked(lin, "duty.patrol")
    await trained(lin, "oath,,2024-03-01,")
    patrol = recorded(await lin.starts("duty.patrol"))["id"]
    assert 0 == await value(UNINSURED, patrol), "only the other kind is insured by this law"


async def test_assisting_enforcement(app: Litestar, province: Path) -> None:
    """One kind of duty auxiliary alone may, and only with a rank, where the regulation has them."""
    lin, zhao = await somebody(app, ON_PATROL[province], name="林小川"), await an_officer(app)
    await trained(lin, "pre_job_training,,2026-06-01,", *(["oath,,2024-03-01,"] if province == JIANGXI else []))
    recorded(await lin.check_in())
    recorded(await lin.names(zhao))
    outcome, unmet = await asked(lin, "duty.enforcement", recording=True)
    if province == MONGOLIA:
        assert ("allowed", []) == (outcome, unmet)
        assert 1 == await value(UNINSURED, recorded(await lin.starts("duty.enforcement", recording=True))["id"])
        return
    assert ("forbidden", ["not_your_kind", "prerequisite_missing"]) == (outcome, unmet)
    he = await somebody(app, "enforcement_auxiliary", name="何小舟")
    await trained(he, "pre_job_training,,2026-06-01,", "oath,,2024-03-01,", "trainee,,2024-03-01,2026-05-31")
    recorded(await he.check_in())
    recorded(await he.names(zhao))
    assert ("forbidden", ["prerequisite_missing"]) == await asked(he, "duty.enforcement", recording=True)
    await trained(he, "third,,2026-06-01,")
    act = recorded(await he.starts("duty.enforcement", recording=True))["id"]
    assert 1 == await value(UNINSURED, act)


async def test_the_work_id_in_uniform(app: Litestar, province: Path) -> None:
    """Carried in uniform too in one; in plain clothes alone in the other."""
    lin = await somebody(app, ON_PATROL[province], name="林小川")
    answer = await lin.check_in(id_card_carried=False)
    if province == MONGOLIA:
        recorded(answer)
    else:
        refused(answer, 409, "without_id_card")


async def test_enforcing_alone_is_forbidden_in_both(app: Litestar, province: Path) -> None:
    """To every kind."""
    lin = await somebody(app, ON_PATROL[province], name="林小川")
    assert ("forbidden", ["forbidden_work"]) == await asked(lin, "never.alone")


@pytest.fixture(autouse=True)
def the_law_after() -> Iterator[None]:
    """The built-in law is in force for whoever comes next, whatever went wrong here."""
    yield
    use(None)
