"""What a roster makes of the histories of people: who is meant by a badge, a name and a first day."""

from datetime import date, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.people.histories import (
    BadgeHeldError,
    Histories,
    Term,
    Told,
    UnknownBeforeError,
    groups_alike,
    look_alikes,
    look_of,
)

EAST, WEST = "330102010000", "330102020000"
LIN = UUID(int=1)


def a_term(since: str = "2025-01-01", until: str | None = None, **fields: object) -> Term:
    common = {"id": uuid4(), "person": LIN, "badge": "FJ1", "name": "林小川", "kind": "duty_auxiliary", "organ": EAST}
    days = {"since": date.fromisoformat(since), "until": until and date.fromisoformat(until)}
    return Term(**(common | days | fields))  # type: ignore[arg-type]


def told(since: str = "2025-01-01", until: str | None = None, **fields: object) -> Told:
    common = {"line": 2, "badge": "FJ1", "name": "林小川", "kind": "duty_auxiliary", "organ": EAST}
    days = {"since": date.fromisoformat(since), "until": until and date.fromisoformat(until)}
    return Told(**(common | days | fields))  # type: ignore[arg-type]


def shape(histories: Histories, badge: str = "FJ1") -> list[tuple[str, str, str | None]]:
    return [(term.organ, str(term.since), term.until and str(term.until)) for term in histories.of_badge(badge)]


@pytest.mark.parametrize(
    ("known", "line", "kind", "same_person", "now"),
    [
        ([], told(), "new", False, [(EAST, "2025-01-01", None)]),
        ([a_term()], told(), None, True, [(EAST, "2025-01-01", None)]),
        (
            [a_term()], told("2026-07-01", organ=WEST), "moved", True,
            [(EAST, "2025-01-01", "2026-06-30"), (WEST, "2026-07-01", None)],
        ),
        (
            [a_term()], told("2026-07-01", kind="officer"), "moved", True,
            [(EAST, "2025-01-01", "2026-06-30"), (EAST, "2026-07-01", None)],
        ),
        (
            [a_term()], told("2026-07-01"), "continued", True,
            [(EAST, "2025-01-01", "2026-06-30"), (EAST, "2026-07-01", None)],
        ),
        (
            [a_term(until="2026-03-31")], told("2026-07-01"), "returned", True,
            [(EAST, "2025-01-01", "2026-03-31"), (EAST, "2026-07-01", None)],
        ),
        (
            [a_term(until="2026-06-30")], told("2026-07-01", organ=WEST), "returned", True,
            [(EAST, "2025-01-01", "2026-06-30"), (WEST, "2026-07-01", None)],
        ),
        (
            [a_term()], told("2026-07-01", name="孙新"), "reissued", False,
            [(EAST, "2025-01-01", "2026-06-30"), (EAST, "2026-07-01", None)],
        ),
        (
            [a_term(until="2026-03-31")], told("2026-07-01", name="孙新"), "reissued", False,
            [(EAST, "2025-01-01", "2026-03-31"), (EAST, "2026-07-01", None)],
        ),
        ([a_term()], told(name="林晓川"), "renamed", True, [(EAST, "2025-01-01", None)]),
        ([a_term()], told(organ=WEST), "corrected", True, [(WEST, "2025-01-01", None)]),
        ([a_term()], told("2024-06-01"), "corrected", True, [(EAST, "2024-06-01", None)]),
        ([a_term()], told(until="2026-06-30"), "ended", True, [(EAST, "2025-01-01", "2026-06-30")]),
        ([a_term(until="2026-06-30")], told(until="2026-03-31"), "ended", True, [(EAST, "2025-01-01", "2026-03-31")]),
        ([a_term(until="2026-06-30")], told(), "extended", True, [(EAST, "2025-01-01", None)]),
        (
            [a_term(until="2026-06-30"), a_term("2026-07-01", organ=WEST)], told(), None, True,
            [(EAST, "2025-01-01", "2026-06-30"), (WEST, "2026-07-01", None)],
        ),
        (
            [a_term("2026-07-01")], told("2024-01-01", "2024-12-31"), "new", True,
            [(EAST, "2024-01-01", "2024-12-31"), (EAST, "2026-07-01", None)],
        ),
        (
            [a_term("2026-07-01")], told("2024-01-01", "2024-12-31", name="孙旧"), "new", False,
            [(EAST, "2024-01-01", "2024-12-31"), (EAST, "2026-07-01", None)],
        ),
    ],
    ids=[
        "nobody-before", "as-known", "another-organ", "another-kind", "a-new-contract", "after-a-gap", "after-an-end",
        "another-name-while-held", "another-name-later", "another-name-same-day", "another-organ-same-day",
        "an-earlier-day", "an-end", "an-earlier-end", "no-end-any-more", "an-old-file", "an-earlier-time",
        "an-earlier-holder",
    ],
)  # fmt: skip
def test_badge_name_and_first_day_say_who_is_meant(
    known: list[Term], line: Told, kind: str | None, same_person: bool, now: list[tuple[str, str, str | None]]
) -> None:
    """One change of that kind, the same person or another, and the stints as they stand then."""
    histories = Histories(known)
    person = histories.take(line)
    assert ([kind] if kind else []) == [change.kind for change in histories.changes]
    assert same_person == (person == LIN)
    assert now == shape(histories)


def test_a_badge_is_not_given_backwards() -> None:
    """Another name with an earlier day and no end before the holder's: the file contradicts what is known."""
    with pytest.raises(BadgeHeldError):
        Histories([a_term()]).take(told("2024-01-01", name="孙旧"))


def test_a_badge_given_on_ends_the_service_and_the_roles_of_the_one_before() -> None:
    """The day before; whoever moves does not leave."""
    histories = Histories([a_term()])
    histories.take(told("2026-07-01", name="孙新"))
    assert {LIN: date(2026, 6, 30)} == histories.left()
    moved = Histories([a_term()])
    moved.take(told("2026-07-01", organ=WEST))
    assert {} == moved.left()


def test_a_former_badge_says_that_it_is_the_same_person() -> None:
    """Back after a year under a number that was Chen's: Lin's history goes on, and Chen's ends."""
    chen = UUID(int=2)
    histories = Histories([a_term(until="2025-12-31"), a_term(badge="FJ2", name="陈文静", person=chen)])
    assert LIN == histories.take(told("2026-07-01", badge="FJ2", formerly="FJ1"))
    assert ["reissued"] == [change.kind for change in histories.changes]
    assert {chen: date(2026, 6, 30)} == histories.left()
    assert LIN == histories.take(told("2026-07-01", badge="FJ2", formerly="FJ1"))
    assert 1 == len(histories.changes)


@pytest.mark.parametrize(
    ("until", "kind"), [(None, "moved"), ("2025-12-31", "returned")], ids=["while-serving", "after-an-end"]
)
def test_a_former_badge_is_given_up_for_a_new_one(until: str | None, kind: str) -> None:
    """A badge that nobody had: the stint under the one before ends."""
    histories = Histories([a_term(until=until)])
    assert LIN == histories.take(told("2026-07-01", badge="P9", formerly="FJ1", organ=WEST))
    assert [kind] == [change.kind for change in histories.changes]
    assert [(EAST, "2025-01-01", until or "2026-06-30")] == shape(histories)


@pytest.mark.parametrize("fields", [{"formerly": "FJ9"}, {"formerly": "FJ1", "name": "孙新"}], ids=["badge", "name"])
def test_a_former_badge_of_nobody_by_that_name_is_a_fault(fields: dict[str, str]) -> None:
    """A typing error makes nobody somebody else."""
    with pytest.raises(UnknownBeforeError):
        Histories([a_term()]).take(told("2026-07-01", badge="P9", **fields))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("0012", "12", True),
        ("fj3001", "FJ3001", True),
        ("FJ003001", "fj3001", True),
        ("FJ-07", "FJ-7", True),
        ("FJ3001", "FJ3010", False),
        ("10", "1", False),
        ("FJ100", "FJ10", False),
        ("0", "00", True),
    ],
)
def test_what_looks_alike(one: str, other: str, alike: bool) -> None:
    """Leading zeros and the case of letters are not seen at a glance."""
    assert alike == (look_of(one) == look_of(other))


def test_a_new_badge_that_looks_like_another_is_named() -> None:
    """Within the file, and against what is known; what is known already may stay."""
    lines = [told(line=2, badge="0012"), told(line=3, badge="12"), told(line=4, badge="fj1"), told(line=5, badge="FJ1")]
    found = {(each.line, each.other, each.other_line) for each in look_alikes(lines, ["FJ1", "7", "07"])}
    assert {(3, "0012", 2), (4, "FJ1", None)} == found
    assert [] == look_alikes([told(badge="7"), told(badge="07", line=3)], ["7", "07"])
    assert [["07", "7"]] == groups_alike(["7", "FJ1", "07", "7"])


DAYS = st.integers(0, 60).map(lambda days: date(2026, 1, 1) + timedelta(days=days))
LINES = st.builds(
    lambda since, length, name, organ: Told(
        line=2, badge="FJ1", name=name, kind="officer", organ=organ, since=since,
        until=None if length is None else since + timedelta(days=length),
    ),
    DAYS, st.none() | st.integers(0, 40), st.sampled_from(["林", "孙"]), st.sampled_from([EAST, WEST]),
)  # fmt: skip


@given(st.lists(LINES, max_size=6))
def test_stints_of_a_badge_never_overlap_whatever_comes(lines: list[Told]) -> None:
    """And each line, taken again at once, changes nothing."""
    histories = Histories([])
    for line in lines:
        try:
            person = histories.take(line)
        except BadgeHeldError:
            continue
        terms = histories.of_badge("FJ1")
        assert all(term.until is None or term.since <= term.until for term in terms)
        assert all(a.until is not None and a.until < b.since for a, b in pairwise(terms))
        before = len(histories.changes)
        assert person == histories.take(line)
        assert before == len(histories.changes), line
