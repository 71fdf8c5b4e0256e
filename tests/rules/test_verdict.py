"""May I do this now? R.7 to 12, 30, 32, 33 and 程序规定 52, as a table of cases and as properties."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.law.catalogue import Work, law
from backend.law.verdict import Facts, Leader, PersonKind, RecusalStatus, Verdict, verdict

RANKS = {"allowed": 0, "conditional": 1, "forbidden": 2}
UNMET = (
    "forbidden_work", "not_your_kind", "untrained", "unqualified", "recused",
    "not_on_shift", "not_led", "too_few_officers", "no_emergency", "not_recording",
)  # fmt: skip
FORBIDDING = set(UNMET[:5])
WARNINGS = ("not_led", "too_few_officers", "leader_unconfirmed", "recusal_pending", "yearly_training_expired")

# From best to worst; a fact that is not here (whose kind one is) has no worse.
WORSE: dict[str, tuple[Any, ...]] = {
    "on_shift": (True, False),
    "trained": (True, False),
    "yearly_training_expired": (False, True),
    "leader": ("confirmed", "named", "none"),
    "officers_present": (3, 2, 1, 0),
    "recusal": ("none", "pending", "standing_aside", "granted"),
    "emergency": (True, False),
    "recording": (True, False),
}


def a_duty_auxiliary(**facts: Any) -> Facts:
    """Lin, on shift, trained, alone."""
    return Facts(**({"kind": "duty_auxiliary", "on_shift": True, "trained": True} | facts))


def a_led_patrol(**facts: Any) -> Facts:
    """Lin with Officers Zhao and Chen, Zhao leading, the recorder running."""
    led = {"leader": "confirmed", "officers_present": 2, "recording": True}
    return a_duty_auxiliary(**(led | facts))


def a_civilian_auxiliary(**facts: Any) -> Facts:
    """Su at the window."""
    return a_duty_auxiliary(**({"kind": "civilian_auxiliary"} | facts))


qualifications = st.frozensets(st.sampled_from(sorted(law().qualifications)))


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    chosen = {name: draw(st.sampled_from(values)) for name, values in WORSE.items()}
    return Facts(kind=draw(st.sampled_from(get_args(PersonKind))), qualifications=draw(qualifications), **chosen)


@st.composite
def facts_and_worse(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """The same situation, with no fact better and some facts perhaps worse."""
    facts = draw(any_facts())
    worse = {
        name: draw(st.sampled_from(values[values.index(getattr(facts, name)) :])) for name, values in WORSE.items()
    }
    lost = draw(qualifications)
    return facts, msgspec.structs.replace(facts, qualifications=facts.qualifications - lost, **worse)


@st.composite
def any_work(draw: st.DrawFn) -> Work:
    """A work of the regulation, or one with another combination of conditions."""
    made = st.builds(
        Work,
        text=st.just("工作"), gloss=st.just("work"), kind=st.sampled_from(["civilian", "duty", "none"]),
        leadership=st.sampled_from(["command", "led"]), officers=st.integers(0, 3),
        recording=st.sampled_from(["required", "not"]), emergency_only=st.booleans(),
        never_waits_for_leader=st.booleans(), qualification=st.none() | st.sampled_from(sorted(law().qualifications)),
    )  # fmt: skip
    return draw(st.sampled_from(list(law().works.values())) | made)


@pytest.mark.parametrize(
    ("code", "facts", "expected"),
    [
        ("9.6", a_duty_auxiliary(), Verdict("allowed")),
        ("9.6", a_duty_auxiliary(on_shift=False), Verdict("conditional", ("not_on_shift",))),
        ("9.6", a_civilian_auxiliary(), Verdict("forbidden", ("not_your_kind",))),
        ("9.6", a_duty_auxiliary(leader="named"), Verdict("allowed")),
        ("8.1", a_civilian_auxiliary(), Verdict("allowed")),
        ("8.1", a_duty_auxiliary(), Verdict("forbidden", ("not_your_kind",))),
        ("8.1", a_duty_auxiliary(kind="officer"), Verdict("forbidden", ("not_your_kind",))),
        ("8.2", a_civilian_auxiliary(), Verdict("forbidden", ("unqualified",))),
        ("8.2.networks", a_civilian_auxiliary(), Verdict("allowed")),
        ("8.2.medicine", a_civilian_auxiliary(), Verdict("forbidden", ("unqualified",))),
        (
            "8.2.medicine",
            a_civilian_auxiliary(qualifications=frozenset({"translation"})),
            Verdict("forbidden", ("unqualified",)),
        ),
        ("8.2.medicine", a_civilian_auxiliary(qualifications=frozenset({"medicine"})), Verdict("allowed")),
        ("10.3", a_led_patrol(), Verdict("allowed")),
        ("10.3", a_duty_auxiliary(), Verdict("conditional", ("not_led", "too_few_officers", "not_recording"))),
        ("10.3", a_led_patrol(officers_present=1), Verdict("conditional", ("too_few_officers",))),
        ("10.3", a_led_patrol(leader="named"), Verdict("allowed", (), ("leader_unconfirmed",))),
        ("10.3", a_led_patrol(recusal="pending"), Verdict("allowed", (), ("recusal_pending",))),
        ("10.3", a_led_patrol(recusal="standing_aside"), Verdict("forbidden", ("recused",))),
        ("10.3", a_led_patrol(recusal="granted"), Verdict("forbidden", ("recused",))),
        ("10.3", a_led_patrol(trained=False), Verdict("forbidden", ("untrained",))),
        ("10.3", a_led_patrol(yearly_training_expired=True), Verdict("allowed", (), ("yearly_training_expired",))),
        ("10.3.watch", a_led_patrol(officers_present=1), Verdict("allowed")),
        ("10.4", a_led_patrol(officers_present=1), Verdict("allowed")),
        ("10.4", a_led_patrol(officers_present=1, recording=False), Verdict("conditional", ("not_recording",))),
        ("10.7", a_led_patrol(recording=False), Verdict("allowed")),
        ("11.restraint", a_led_patrol(), Verdict("conditional", ("no_emergency",))),
        ("11.restraint", a_led_patrol(emergency=True), Verdict("allowed")),
        (
            "11.restraint",
            a_duty_auxiliary(emergency=True, recording=True),
            Verdict("conditional", ("not_led", "too_few_officers")),
        ),
        ("12.3", a_led_patrol(emergency=True), Verdict("forbidden", ("forbidden_work",))),
        (
            "10.3",
            a_civilian_auxiliary(on_shift=False, trained=False, recusal="granted"),
            Verdict(
                "forbidden",
                (
                    "not_your_kind", "untrained", "recused",
                    "not_on_shift", "not_led", "too_few_officers", "not_recording",
                ),
            ),
        ),
    ],
)  # fmt: skip
def test_what_the_regulation_says_of_a_case(code: str, facts: Facts, expected: Verdict) -> None:
    """All unmet rules are given at once, the forbidding ones before those that are only missing."""
    assert expected == verdict(law().works[code], facts)


@given(any_work(), facts_and_worse())
def test_a_worse_fact_never_makes_it_better(work: Work, both: tuple[Facts, Facts]) -> None:
    """The outcome gets no better, and no unmet rule disappears."""
    better, worse = (verdict(work, facts) for facts in both)
    assert RANKS[better.outcome] <= RANKS[worse.outcome]
    assert set(better.unmet) <= set(worse.unmet)


@given(any_work(), any_facts())
def test_the_same_facts_give_the_same_answer(work: Work, facts: Facts) -> None:
    """A phone that judges offline by the same catalogue comes to the same verdict."""
    again = msgspec.convert(msgspec.to_builtins(work), Work), msgspec.convert(msgspec.to_builtins(facts), Facts)
    assert verdict(work, facts) == verdict(*again)


@given(any_work(), any_facts())
def test_the_outcome_follows_from_what_is_unmet(work: Work, facts: Facts) -> None:
    """Allowed leaves nothing unmet; forbidden has a reason that forbids; warnings refuse nothing."""
    answer = verdict(work, facts)
    expected = "forbidden" if FORBIDDING & set(answer.unmet) else "conditional" if answer.unmet else "allowed"
    assert expected == answer.outcome
    assert not set(answer.unmet) & set(answer.warnings)


@given(any_work(), any_facts())
def test_the_order_of_what_is_unmet_is_always_the_same(work: Work, facts: Facts) -> None:
    """Unmet rules have a fixed order; the first code names the problem."""
    answer = verdict(work, facts)
    assert [code for code in UNMET if code in answer.unmet] == list(answer.unmet)
    assert [code for code in WARNINGS if code in answer.warnings] == list(answer.warnings)


@given(st.sampled_from(["9.4", "9.7"]), any_facts())
def test_rescue_is_never_refused_for_want_of_a_leader(code: str, facts: Facts) -> None:
    """Nor is stopping a crime in progress, in this regulation or in one that requires it to be led."""
    ours = law().works[code]
    for work in (ours, msgspec.structs.replace(ours, leadership="led", officers=2)):
        assert not {"not_led", "too_few_officers"} & set(verdict(work, facts).unmet)
    assert "allowed" == verdict(work, a_duty_auxiliary(officers_present=0)).outcome


def test_a_missing_leader_at_a_rescue_is_a_warning() -> None:
    """It is not refused, but there is a warning."""
    led = msgspec.structs.replace(law().works["9.4"], leadership="led", officers=1)
    assert Verdict("allowed", (), ("not_led", "too_few_officers")) == verdict(led, a_duty_auxiliary())


@pytest.mark.parametrize("code", sorted(code for code, work in law().works.items() if work.kind == "none"))
@given(facts=any_facts())
def test_nothing_of_article_12_is_ever_allowed(code: str, facts: Facts) -> None:
    """R.12: forbidden to everybody, in all circumstances."""
    assert Verdict("forbidden", ("forbidden_work",)) == verdict(law().works[code], facts)


@pytest.mark.parametrize("code", sorted(code for code, work in law().works.items() if work.kind != "none"))
def test_everything_else_is_allowed_to_somebody(code: str) -> None:
    """Every other work can be started in some situation."""
    kind = {"duty": "duty_auxiliary", "civilian": "civilian_auxiliary"}[law().works[code].kind]
    best = {name: values[0] for name, values in WORSE.items()}
    facts = Facts(kind=kind, qualifications=frozenset(law().qualifications), **best)
    assert Verdict("allowed") == verdict(law().works[code], facts)


def test_every_code_is_reached_by_some_work_of_the_regulation() -> None:
    """Each has a sentence, and each that refuses has a status."""
    cases = [
        a_led_patrol(**{name: value}) for name, values in WORSE.items() for value in values
    ] + [a_civilian_auxiliary()]  # fmt: skip
    answers = [verdict(work, facts) for work in law().works.values() for facts in cases]
    assert set(UNMET) == {code for one in answers for code in one.unmet}
    assert set(WARNINGS[2:]) == {code for one in answers for code in one.warnings}
    assert all(law().messages[code].status == 409 for code in UNMET)
    assert all(law().messages[code].article for code in (*UNMET, *WARNINGS))


def test_every_word_for_a_fact_has_its_place_in_the_order() -> None:
    """A new word for leading or recusal is placed, or the property above would not see it."""
    assert set(get_args(Leader)) == set(WORSE["leader"])
    assert set(get_args(RecusalStatus)) == set(WORSE["recusal"])
    assert {*Facts.__struct_fields__} == {*WORSE, "kind", "qualifications"}
