"""The canonical bytes of a journal row. A change here breaks every proof made before."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.journal import Line, canonical, utc
from backend.core.write_path import digest
from backend.proof.tree import leaf_hash

AT = datetime(2026, 3, 1, 0, 0, 1, 500000, tzinfo=UTC)
LIN = UUID("0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001")
SHIFT = UUID("0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0002")
VECTORS = {
    "the least": (
        Line(at=AT, verb="sessions/close", outcome="done"),
        b'{"at":"2026-03-01T00:00:01.500000Z","outcome":"done","v":1,"verb":"sessions/close"}',
    ),
    "everything": (
        Line(
            at=AT.astimezone(timezone(timedelta(hours=8))),
            verb="shifts/check-in",
            outcome="recorded",
            organ="330102010000",
            actor=LIN,
            device=LIN,
            id=SHIFT,
            subjects=(SHIFT, LIN),
            facts={"skew_ms": 0, "late": False, "findings": ["not_ordered"], "device_seq": 7, "content": "00ff"},
        ),
        b'{"actor":"0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001","at":"2026-03-01T00:00:01.500000Z",'
        b'"device":"0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001",'
        b'"facts":{"content":"00ff","device_seq":7,"findings":["not_ordered"],"late":false,"skew_ms":0},'
        b'"id":"0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0002","organ":"330102010000","outcome":"recorded",'
        b'"subjects":["0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0002","0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001"],'
        b'"v":1,"verb":"shifts/check-in"}',
    ),
    "what is null inside the facts stays": (
        Line(at=AT, verb="x", outcome="recorded", facts={"subject": {"shift": {"ended_at": None}}, "findings": []}),
        b'{"at":"2026-03-01T00:00:01.500000Z","facts":{"findings":[],"subject":{"shift":{"ended_at":null}}},'
        b'"outcome":"recorded","v":1,"verb":"x"}',
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_line_has_always_had_these_bytes(name: str) -> None:
    """Version 1 is JSON with sorted keys, without spaces, without what is not there."""
    line, expected = VECTORS[name]
    assert expected == canonical(line)


def test_a_leaf_has_always_been_this() -> None:
    """The leaf hash of the smallest row, as docs/journal.md shows it."""
    page = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    line, encoded = VECTORS["the least"]
    hashed = leaf_hash(canonical(line)).hex()
    assert "40d0a16b7e42d4c30939525de92fe9e95d06f0d2ac3c58a56b0a087a5bde2296" == hashed
    assert encoded.decode() in page
    assert hashed in page


def test_a_digest_has_always_been_this() -> None:
    """HMAC-SHA256 of the content under the entry's own salt (ADR 10)."""
    expected = "2cc732a9b86e2ff403e8c0e07ee82e69dcb1820e424d465efe69c63eacb0ee95"  # openssl says the same
    assert expected == digest(bytes(16), b"content")


@pytest.mark.parametrize(
    ("moment", "spelling"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00.000000Z"),
        (datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2026-03-01T00:00:00.000000Z"),
        (datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC), "2026-03-01T00:00:00.000001Z"),
    ],
)
def test_one_moment_has_one_spelling(moment: datetime, spelling: str) -> None:
    """UTC, six digits, Z."""
    assert spelling == utc(moment)


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.none(), min_size=1), st.randoms())
def test_the_order_of_the_facts_changes_no_byte(facts: dict[str, object], chance: object) -> None:
    """Two servers that record the same facts write the same bytes."""
    shuffled = list(facts.items())
    chance.shuffle(shuffled)
    lines = [Line(at=AT, verb="x", outcome="done", facts=order) for order in (facts, dict(shuffled))]
    assert canonical(lines[0]) == canonical(lines[1])
    assert list(msgspec.json.decode(canonical(lines[0]))) == sorted(msgspec.json.decode(canonical(lines[0])))
