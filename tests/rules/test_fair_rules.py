"""Heard before judged, findings decided, one's own stretch of film: the rules as tables."""

from datetime import UTC, datetime, timedelta
from typing import get_args, get_type_hints
from uuid import UUID

import pytest

from backend.activities.schemas import ExplainGap
from backend.complaints import rules as complaints
from backend.complaints.rules import Heard
from backend.core import orders
from backend.evidence.view_copies import Copy
from backend.law.catalogue import law
from backend.reviews import rules as reviews
from backend.reviews.schemas import PurposeShown
from mobile_api.watch_page import PURPOSES
from tests.rules.test_verdict import UNMET

LIN, CHEN = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANSWERED, SILENT, PENDING = (
    Heard(LIN, NOON + HOUR, True), Heard(LIN, NOON - HOUR, False), Heard(LIN, NOON + HOUR, False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "persons", "heard", "why", "lacks"),
    [
        ("founded", [LIN], [], None, "not_heard"),
        ("partly", [LIN], [], None, "not_heard"),
        ("founded", [LIN], [PENDING], None, "hearing_open"),
        ("founded", [LIN], [ANSWERED], None, None),
        ("founded", [LIN], [SILENT], None, None),  # they had their term
        ("founded", [LIN, CHEN], [ANSWERED], None, "not_heard"),
        ("founded", [LIN, CHEN], [ANSWERED, Heard(CHEN, NOON + HOUR, False)], None, "hearing_open"),
        ("partly", [LIN], [], "本人已离职", None),
        ("partly", [LIN], [PENDING], "本人放弃陈述", None),
        ("founded", [], [], None, None),  # nobody is known: nobody can be heard
        ("unfounded", [LIN], [], None, None),
        ("withdrawn", [LIN], [PENDING], None, None),
    ],
)
def test_nothing_is_founded_against_somebody_who_was_not_heard(
    outcome: str, persons: list[UUID], heard: list[Heard], why: str | None, lacks: str | None
) -> None:
    """R.13(5), 34: told and answered, or the term is over; or a reason why not."""
    assert lacks == complaints.conclusion_lacks(outcome, persons, heard, why, NOON)


@pytest.mark.parametrize(
    ("words", "secret", "found"),
    [
        ("王秀英反映您态度粗暴", "王秀英", True),
        ("王 秀·英反映您态度粗暴", "王秀英", True),
        ("电话 0571-8700 1234", "057187001234", True),
        ("群众反映您态度粗暴", "王秀英", False),
        ("群众反映您态度粗暴", None, False),
        ("王某反映", "王", False),  # one letter is in many words
    ],
)
def test_words_that_name_the_complainant_are_found(words: str, secret: str | None, found: bool) -> None:
    """However they are spaced."""
    assert found == complaints.names(words, secret)


@pytest.mark.parametrize(
    ("answer_by", "replied_at", "decided_at", "lacks"),
    [
        (None, None, None, "finding_not_told"),
        (NOON + HOUR, None, None, "finding_unanswered"),
        (NOON - HOUR, None, None, None),
        (NOON + HOUR, NOON - HOUR, None, None),
        (None, NOON - HOUR, None, None),  # whoever replies knows of it
        (NOON + HOUR, NOON - 2 * HOUR, NOON - HOUR, "finding_decided"),
        (NOON - HOUR, None, NOON - HOUR, "finding_decided"),
        (NOON + HOUR, NOON - HOUR, NOON - 2 * HOUR, None),  # a new reply since
    ],
)
def test_a_finding_is_decided_once_it_was_told_and_could_be_answered(
    answer_by: datetime | None, replied_at: datetime | None, decided_at: datetime | None, lacks: str | None
) -> None:
    """R.31: and once more where its person says something new."""
    assert lacks == reviews.decision_lacks(answer_by, replied_at, decided_at, NOON)


@pytest.mark.parametrize(
    ("asked", "begins"), [(0, 60_000), (60_000, 60_000), (90_000, 90_000), (119_999, 119_999), (120_000, None)]
)
def test_of_ones_own_film_only_the_stretch_is_sent(asked: int, begins: int | None) -> None:
    assert begins == reviews.within(asked, (60_000, 120_000))


@pytest.mark.parametrize(("at_ms", "ends"), [(0, 100), (1, 200), (1000, 200), (1999, 300), (2000, 300), (2001, 900)])
def test_a_copy_made_before_is_sent_until_the_stretch_ends(at_ms: int, ends: int) -> None:
    """By whole fragments: that in which it ends is the last."""
    fragments = [(0, 100), (1000, 200), (2000, 300)]
    copy = Copy("made", 100, "v", bytes=900, init_bytes=100, codecs="avc1", fragments=fragments)
    assert ends == copy.end_of(at_ms)


def test_the_stretch_of_a_moment_is_some_minutes_around_it() -> None:
    """A finding may have a start only."""
    assert (NOON - HOUR, NOON + HOUR) == reviews.own_stretch(NOON, None, HOUR)
    assert (NOON - HOUR, NOON + 3 * HOUR) == reviews.own_stretch(NOON, NOON + 2 * HOUR, HOUR)


def test_every_kind_with_an_answer_is_a_finding_with_a_sentence() -> None:
    """Also what it brings with it; and each names its source."""
    findings = law().answers.findings
    kinds = {*findings, *(kind for row in findings.values() for kind in row.brings)}
    assert set() == kinds - set(law().messages)
    assert all(len(row.source) > 3 for row in findings.values())


def test_what_others_owe_never_counts_against_an_auxiliary() -> None:
    """Training, insurance, equipment, hours, an officer's answer."""
    owed = {"untrained", "unqualified", "uninsured", "unequipped", "overtime_limit", "confirmed_late", "led_from_afar"}
    assert set() == owed & set(law().answers.counted())
    assert {"unrecorded", "led_gap", "no_public_notice"} <= set(law().answers.counted())
    kept = {"untrained", "special_training_missing", "uninsured", "overtime_limit", "overtime_day", "no_weekly_rest"}
    assert kept <= set(law().answers.kept_from_leaders())


def test_of_every_rule_that_a_verdict_finds_unmet_somebody_said_who_answers() -> None:
    """Left out by mistake, what follows from an order would count against whoever obeyed it."""
    assert set() == set(UNMET) - law().answers.findings.keys()


def test_the_objective_causes_are_those_that_a_phone_may_name_but_other() -> None:
    """公通字〔2016〕14号: only objective causes may interrupt a recording."""
    hints = get_type_hints(ExplainGap)  # without what is said of a field
    assert {*get_args(hints["cause"])} - {"other"} == {*law().answers.objective_causes}


def test_an_order_answers_for_what_follows_from_it() -> None:
    """To work unled brings the gap in leading; training is the organ's, and no officer learns of it."""
    assert ["led_gap", "not_led"] == orders.follows(law(), ["not_led", "untrained"])
    assert ["legality_defect", "not_recording", "unrecorded"] == orders.follows(law(), ["not_recording"])
    assert ["led_not_recording", "unrecorded"] == orders.follows(law(), ["led_not_recording"])
    assert [] == orders.follows(law(), [])


def test_the_page_on_which_footage_is_watched_has_words_for_every_purpose() -> None:
    """Whoever watches their own film for a finding or a hearing sees the same page."""
    (purposes, _) = get_args(PurposeShown)
    assert set(get_args(purposes)) == set(PURPOSES)
