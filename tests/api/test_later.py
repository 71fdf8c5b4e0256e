"""What is only later is not refused: `again` in a sync, `Retry-After` on its own route; all else is final."""

import re
from pathlib import Path

import pytest
from litestar import Litestar

from backend.core.refusals import Refusal
from backend.law.catalogue import law
from mobile_api.problems import RETRYABLE_STATUS
from tests.api.test_sync import statuses
from tests.builders import a_duty_auxiliary, refused, some_footage

PAGE = (Path(__file__).parents[2] / "docs" / "mobile.md").read_text(encoding="utf-8")
LATER = {code for code, message in law().messages.items() if message.retry_after is not None}


def test_the_page_lists_what_is_only_later() -> None:
    """docs/mobile.md and messages.toml name the same codes; whatever is not among them is final."""
    (listed,) = re.findall(r"^Only later 稍后再发: (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", listed)) == LATER


def test_what_the_server_cannot_do_now_is_only_later() -> None:
    """Every code whose status says so, and no other that answers an entry."""
    by_status = {code for code, message in law().messages.items() if message.status in RETRYABLE_STATUS}
    assert by_status <= LATER
    assert LATER - by_status == {"body_cut", "not_sealed", "view_copy_not_ready"}


@pytest.mark.parametrize("code", sorted(LATER))
def test_each_of_them_passes(code: str) -> None:
    assert Refusal(code).passes
    assert Refusal(code).wait_seconds


async def test_a_full_quota_is_again_in_a_sync(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The phone keeps the declaration and sends it when there is room; alone it is 429 with Retry-After."""
    from msgspec.structs import replace

    lin = await a_duty_auxiliary(app)
    item = lin.item("recordings/declare", **some_footage())
    with monkeypatch.context() as full:
        full.setitem(law().terms, "open_uploads_ceiling", replace(law().terms["open_uploads_ceiling"], count=0))
        alone = await lin.declare()
        refused(alone, 429, "too_many_uploads")
        assert "60" == alone.headers["retry-after"]
        (result,) = await lin.sync(item)
        assert ("again", 60) == (result["status"], result["retry_after"])
        assert "too_many_uploads" == result["problem"]["code"]
    assert ["recorded"] == statuses(await lin.sync(item))
