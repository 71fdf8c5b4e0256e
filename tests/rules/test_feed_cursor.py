"""A cursor of the feed tells nobody how many lines others wrote."""

import base64
from datetime import UTC, datetime

import pytest

from backend.core.journal import Position
from backend.core.refusals import Refusal
from backend.feed_cursor import CIPHER, PACKED, VERSION, CursorCipher, FeedCursor

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
CURSOR = FeedCursor(Position(1, 7_000, 42), 0xCAFE, AT, b"scope print.")


def bits(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)


def test_a_cursor_comes_back_as_it_was() -> None:
    """What a phone keeps for weeks says where it had read to."""
    assert CURSOR == FeedCursor.read(CURSOR.text())


def test_a_cursor_is_never_the_same_twice_and_always_as_long() -> None:
    """Else whoever asks again sees whether anybody wrote a line meanwhile, and how many."""
    others = [CURSOR._replace(position=Position(1, 7_000, seq)) for seq in (0, 42, 43, 2**40)]
    texts = [each.text() for each in (CURSOR, CURSOR, *others)]
    assert len(texts) == len(set(texts))
    assert {100} == {len(text) for text in texts}
    assert not [text for text in texts if "=" in text]


def test_nothing_of_a_cursor_is_read_without_the_key() -> None:
    """Neither the number of the line nor the time; and neighbours differ all over, not in one byte."""
    plain = PACKED.pack(VERSION, *CURSOR.position, CURSOR.check, 0, CURSOR.scope_print)
    encrypted = bits(CURSOR.text())
    next_encrypted = bits(CURSOR._replace(position=Position(1, 7_000, 43)).text())
    assert not [
        start
        for start in range(len(plain) - 7)
        if plain[start : start + 8] in encrypted and any(plain[start : start + 8])
    ]
    assert sum(a == b for a, b in zip(encrypted[2:], next_encrypted[2:], strict=True)) < 12


def test_a_cursor_that_an_older_program_sent_is_read() -> None:
    """A phone that was away for weeks keeps its place over an upgrade."""
    plain = PACKED.pack(VERSION, *CURSOR.position, CURSOR.check, 1_772_352_000_000_000, CURSOR.scope_print)
    assert CURSOR == FeedCursor.read(base64.urlsafe_b64encode(plain).decode())


def test_a_cursor_of_another_house_is_of_a_line_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """So its phone begins anew; an error would stop it for ever."""
    foreign = CURSOR.text()
    monkeypatch.setattr(CIPHER, "secrets", CursorCipher().secrets)
    read = FeedCursor.read(foreign)
    assert (Position(), 1) == (read.position, read.check)


def test_a_key_that_was_replaced_still_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fujing rotate-keys` sends no phone back to the start."""
    before = CIPHER.secrets()
    text = CURSOR.text()
    monkeypatch.setattr(CIPHER, "secrets", lambda: (bytes(32), *before))
    assert CURSOR == FeedCursor.read(text)
    assert CURSOR == FeedCursor.read(CURSOR.text())


@pytest.mark.parametrize("text", ["x", "A" * 60, "A" * 100, "é" * 100])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="invalid"):
        FeedCursor.read(text)
