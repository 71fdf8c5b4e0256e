"""GET /v1/changes: what is new, for whom, in which order, and when a phone is told to begin anew."""

from typing import Any

from litestar import Litestar

from tests.builders import Someone, a_duty_auxiliary, recorded

CHANGES = "/v1/changes"


async def begun(who: Someone) -> str:
    """A fresh cursor."""
    told = (await who.get(CHANGES)).json()
    assert (True, []) == (told["reset"], told["items"])
    return told["cursor"]


async def told(who: Someone, after: str, **query: Any) -> dict[str, Any]:
    answer = await who.get(CHANGES, after=after, **query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def test_one_is_told_of_ones_own(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    cursor = await begun(lin)
    shift = recorded(await lin.check_in())["id"]
    page = await told(lin, cursor)
    assert [("shifts/check-in", shift)] == [(item["verb"], item["id"]) for item in page["items"]]
    assert False is page["reset"]
    print(page)
