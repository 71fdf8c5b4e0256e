"""A browser is known again by marks that only this server makes. No database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.core.keys import Keys
from backend.people.browsers import MARKS, familiar, remembered

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def test_a_browser_is_familiar_to_whoever_signed_in_with_it(keys: Keys) -> None:
    """And to nobody else; its number stays the same."""
    cookie = remembered(keys, remembered(keys, None, "P1", NOW), "P2", NOW)
    assert familiar(keys, cookie, "P1", NOW) == familiar(keys, cookie, "P2", NOW) == cookie[:32]
    assert familiar(keys, cookie, "P3", NOW) is None
    assert "P1" not in cookie


def test_a_mark_ends_after_its_term(keys: Keys) -> None:
    cookie = remembered(keys, None, "P1", NOW)
    assert familiar(keys, cookie, "P1", NOW + timedelta(days=30)) is not None
    assert familiar(keys, cookie, "P1", NOW + timedelta(days=30, seconds=1)) is None


def test_a_mark_of_another_browser_or_another_server_is_none(keys: Keys, tmp_path: Path) -> None:
    """Moved to another number, changed in its time, or made by keys that are not ours."""
    one, other = remembered(keys, None, "P1", NOW), remembered(keys, None, "P2", NOW)
    kid, at, mac = one.partition(".")[2].split("~")
    forged = [
        f"{other[:32]}.{one[33:]}", f"{one[:32]}.{kid}~{int(at) + 1}~{mac}", f"{one[:32]}.{kid}~{at}~{'0' * 64}",
        remembered(Keys(tmp_path), None, "P1", NOW), "", ".", "x", one[:32], "é" * 40,
    ]  # fmt: skip
    assert [None] * len(forged) == [familiar(keys, cookie, "P1", NOW) for cookie in forged]


def test_what_is_no_cookie_of_ours_begins_anew(keys: Keys) -> None:
    """And a browser remembers a bounded number of people."""
    assert familiar(keys, remembered(keys, "nonsense", "P1", NOW), "P1", NOW) is not None
    cookie = None
    for number in range(MARKS + 5):
        cookie = remembered(keys, cookie, f"P{number}", NOW)
    assert cookie is not None
    assert len(cookie) < 4096
    assert familiar(keys, cookie, "P0", NOW) is None
    assert familiar(keys, cookie, f"P{MARKS + 4}", NOW) is not None
