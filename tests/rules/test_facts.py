"""What the journal says of each fact, compared with the rows of now: which differs is named, however many there are."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.proof.facts import BASELINE, RESTORE, BaselineFacts, Digests, LastDigests, ToldFacts, compare
from backend.proof.verifying import SENTENCES, Flaw

SHIFT, LEADING = "shift/1f0c", "supervision/7a31"
MAY_CHANGE = {("shifts/check-in", "recorded"): {"shift"}, ("supervisions/end", "recorded"): {"supervision"}}
Told = tuple[str, str | None, int | None]
rows = st.dictionaries(st.sampled_from([f"shift/{number}" for number in range(12)]), st.sampled_from("abc"))
lines = st.lists(rows, max_size=12)


def flaws_of(said: Sequence[tuple[int, Digests]], present: Sequence[Digests], waiting: int = 100) -> list[Told]:
    """What is told where lines of these seqs said this, and these pages of rows are there."""
    told, flaws = LastDigests(waiting), []

    def tell(code: str, *, what: str | None = None, seq: int | None = None) -> None:
        flaws.append((code, what, seq))

    for seq, digests in said:
        told.note(digests, seq)
    compare(told, present, tell)
    told.close()
    return sorted(flaws)


CASES: dict[str, tuple[Sequence[tuple[int, Digests]], Sequence[Digests], list[Told]]] = {
    "as it was said": ([(1, {SHIFT: "a"})], [{SHIFT: "a"}], []),
    "the last line counts": ([(1, {SHIFT: "a"}), (2, {SHIFT: "b"})], [{SHIFT: "b"}], []),
    "put back to what it was before": (
        [(1, {SHIFT: "a"}), (2, {SHIFT: "b"})], [{SHIFT: "a"}], [("fact_altered", SHIFT, 2)],
    ),
    "a transaction that began before and changed it after": (
        [(7, {SHIFT: "b"}), (5, {SHIFT: "a"})], [{SHIFT: "b"}], [],
    ),
    "altered": ([(1, {SHIFT: "a"})], [{SHIFT: "x"}], [("fact_altered", SHIFT, 1)]),
    "altered since the baseline": ([(0, {SHIFT: "a"})], [{SHIFT: "x"}], [("fact_altered", SHIFT, None)]),
    "removed": ([(3, {SHIFT: "a", LEADING: "b"})], [{SHIFT: "a"}], [("fact_removed", LEADING, 3)]),
    "inserted": ([(3, {SHIFT: "a"})], [{SHIFT: "a"}, {LEADING: "b"}], [("fact_without_line", LEADING, None)]),
    "nothing at all": ([], [], []),
}  # fmt: skip


@pytest.mark.parametrize("waiting", [100, 0])
@pytest.mark.parametrize("case", CASES)
def test_a_row_is_what_the_last_line_said(case: str, waiting: int) -> None:
    """Whether the digests wait in memory or in files."""
    said, present, expected = CASES[case]
    assert expected == flaws_of(said, present, waiting)


@given(lines, st.lists(rows, max_size=4, unique_by=lambda page: tuple(sorted(page))), st.integers(0, 6))
def test_files_say_what_memory_says(said: list[Digests], pages: list[Digests], waiting: int) -> None:
    """A database of any size is compared in the same way."""
    present: Digests = {row: digest for page in pages for row, digest in page.items()}
    numbered = list(enumerate(said, 1))
    assert flaws_of(numbered, [present]) == flaws_of(numbered, [present], waiting)


@given(lines.filter(any), st.data())
def test_exactly_the_row_that_was_changed_is_named(said: list[Digests], data: st.DataObject) -> None:
    """Whatever was recorded, in whatever order."""
    present: Digests = {}
    for digests in said:
        present |= digests
    row = data.draw(st.sampled_from(sorted(present)))
    last = max(seq for seq, digests in enumerate(said, 1) if row in digests)
    altered = present | {row: present[row] + "!"}
    assert [("fact_altered", row, last)] == flaws_of(list(enumerate(said, 1)), [altered])


def told_by(*taken: tuple[str, tuple[Any, ...]], expected: BaselineFacts | None = None) -> list[tuple[str, Any]]:
    """What lines tell when they are taken, one by one: the name of the step and its arguments."""
    flaws: list[tuple[str, Any]] = []
    told = ToldFacts(MAY_CHANGE, {2}, lambda code, **where: flaws.append((code, where.get("seq"))))
    told.expected = expected or told.expected
    for step, arguments in taken:
        getattr(told, step)(*arguments)
    told.last.newest.clear()
    told.end([])
    return flaws


def test_a_line_of_another_kind_of_entry_does_not_change_a_fact() -> None:
    """The last line about a shift is that of an entry that never touches one; nor does a refusal."""
    assert [] == told_by(("take", (1, "shifts/check-in", "recorded", {SHIFT: "a"})))
    for verb, outcome in (("supervisions/end", "recorded"), ("views/open", "done"), ("shifts/check-in", "denied")):
        assert [("fact_by_wrong_verb", 5)] == told_by(("take", (5, verb, outcome, {SHIFT: "a"})))


def test_a_restore_is_told_of_where_there_was_one() -> None:
    assert [] == told_by(("take_of_the_owner", (9, 2, RESTORE, None, b"")))
    assert [("restore_not_admitted", 9)] == told_by(("take_of_the_owner", (9, 1, RESTORE, None, b"")))


BASE = BaselineFacts(3, "ab")
LINE = b'{"root":"ab","rows":3}'
BASELINES: dict[str, tuple[list[bytes], BaselineFacts, list[tuple[str, int | None]]]] = {
    "as it was signed": ([LINE], BASE, []),
    "a row more than was signed": ([LINE], BaselineFacts(4, "ab"), [("baseline_differs", 1)]),
    "another content": ([LINE], BaselineFacts(3, "cd"), [("baseline_differs", 1)]),
    "told of by no line": ([], BASE, [("baseline_differs", None)]),
    "told of twice": ([LINE, LINE], BASE, [("baseline_differs", 2)]),
    "told of in other words": ([b"[]"], BASE, [("baseline_differs", 1)]),
}


@pytest.mark.parametrize("case", BASELINES)
def test_the_baseline_is_what_its_line_says(case: str) -> None:
    """It was signed with the rows of its day; whoever adds to it later is found."""
    told, present, expected = BASELINES[case]
    steps = [("take_of_the_owner", (seq, 1, BASELINE, None, facts)) for seq, facts in enumerate(told, 1)]
    assert expected == told_by(*steps, expected=present)


@pytest.mark.parametrize("code", SENTENCES)
def test_every_flaw_is_a_sentence_in_both_languages(code: str) -> None:
    for flaw in (Flaw(code=code, seq=5, number=3, what=SHIFT), Flaw(code=code, what=SHIFT)):
        zh, en = flaw.sentence("zh"), flaw.sentence("en")
        assert zh != en
        assert "{" not in zh + en
