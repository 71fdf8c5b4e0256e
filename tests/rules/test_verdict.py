"""May I do this now? R.7 to 12, 30, 32, 33, 程序规定 52, 58, 执勤规范 70, 72, as a table of cases and as properties."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.activities.duty_check import catalogue
from backend.law.catalogue import Case, Work, law
from backend.law.verdict import Facts, Leader, RecusalStatus, Verdict, people_lacking, verdict
from backend.law.works import Crew, CrewRule, Light, PlaceKind

RANKS = {"allowed": 0, "conditional": 1, "forbidden": 2}
UNMET = (
    "forbidden_work", "not_your_kind", "untrained", "prerequisite_missing", "unqualified", "unlicensed", "recused",
    "not_on_shift", "not_led", "too_few_officers", "too_few_people", "no_emergency", "not_recording",
    "led_not_recording", "case_kind_unfit", "restraint_not_allowed", "not_on_this_person",
)  # fmt: skip
FORBIDDING = set(UNMET[:7])
# Of work that is never refused each unmet rule is a warning, in the same order, before those that only ever warn.
ONLY_WARNINGS = (
    "leader_unconfirmed", "recusal_pending", "yearly_training_expired", "qualification_advised",
    "special_training_missing", "place_not_told", "light_not_told", "led_notice_owed", "case_kind_not_told",
    "restrained_not_told",
)  # fmt: skip
WARNINGS = (*UNMET, *ONLY_WARNINGS)
BY_MEANS = {"restraint_not_allowed", "not_on_this_person"}
PERSON_KINDS = ("duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock")

# From best to worst; a fact that is not here (whose kind one is, the kind of case) has no worse. What nobody told is
# worse than what asks for nothing and better than what asks for most.
WORSE: dict[str, tuple[Any, ...]] = {
    "on_shift": (True, False),
    "trained": (True, False),
    "prepared": (True, False),
    "yearly_training_expired": (False, True),
    "leader": ("confirmed", "named", "none"),
    "officers_present": (3, 2, 1, 0),
    "recusal": ("none", "pending", "standing_aside", "granted"),
    "emergency": (True, False),
    "recording": (True, False),
    "notice_given": (True, False),
    "auxiliaries_present": (3, 2, 1),
    "place_kind": ("other", "unknown", "expressway"),
    "light": ("day", "unknown", "night"),
    "restrained": ("other", "unknown", "drunk"),
    "means": (frozenset(), frozenset({"restraint_belt"}), frozenset({"restraint_belt", "handcuffs"})),
    "self_protection": (True, False),
}
NO_WORSE = {"kind", "case_kind", "qualifications"}  # of the last any may be missing


def a_duty_auxiliary(**facts: Any) -> Facts:
    """Lin, on shift, trained, alone."""
    return Facts(**({"kind": "duty_auxiliary", "on_shift": True, "trained": True} | facts))


def a_led_patrol(**facts: Any) -> Facts:
    """Lin with Officers Zhao and Chen, Zhao leading, the recorder running; trained for restraint, in no case."""
    trained = {"qualifications": frozenset({"restraint_training"}), "case_kind": "none"}
    led = {"leader": "confirmed", "officers_present": 2, "recording": True, **trained}
    return a_duty_auxiliary(**(led | facts))


def a_traffic_post(**facts: Any) -> Facts:
    """Lin and Officer Zhao, who leads, by day on a main road, the recorder running."""
    return a_led_patrol(**({"officers_present": 1, "place_kind": "main_road", "light": "day"} | facts))


def with_cuffs(**facts: Any) -> Facts:
    """Lin, led, in an emergency, about to use handcuffs."""
    return a_led_patrol(**({"emergency": True, "means": frozenset({"handcuffs"}), "restrained": "drunk"} | facts))


def a_civilian_auxiliary(**facts: Any) -> Facts:
    """Su at the window."""
    return a_duty_auxiliary(**({"kind": "civilian_auxiliary"} | facts))


qualifications = st.frozensets(st.sampled_from(sorted(law().recorded)))


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    chosen = {name: draw(st.sampled_from(values)) for name, values in WORSE.items()}
    kind, case = draw(st.sampled_from(PERSON_KINDS)), draw(st.sampled_from(["unknown", *get_args(Case)]))
    return Facts(kind=kind, case_kind=case, qualifications=draw(qualifications), **chosen)


@st.composite
def facts_and_worse(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """The same situation, with no fact better and some facts perhaps worse."""
    facts = draw(any_facts())
    worse = {
        name: draw(st.sampled_from(values[values.index(getattr(facts, name)) :])) for name, values in WORSE.items()
    }
    lost = draw(qualifications)
    return facts, msgspec.structs.replace(facts, qualifications=facts.qualifications - lost, **worse)


crews = st.lists(
    st.builds(Crew, officers=st.integers(0, 3), auxiliaries=st.integers(0, 3)), min_size=1, max_size=2
)  # fmt: skip
crew_rules = st.builds(
    CrewRule, least=crews.map(tuple), source=st.just("执勤规范"), places=st.sampled_from([(), ("expressway",)]),
    lights=st.sampled_from([(), ("night",)]), unled=st.booleans(),
)  # fmt: skip
some_codes = st.sets(st.sampled_from(sorted(law().recorded)), max_size=2).map(tuple)
some_means = st.sets(st.sampled_from(["restraint_belt", "handcuffs"])).map(tuple)


@st.composite
def any_work(draw: st.DrawFn) -> Work:
    """A work of the regulation, or one with another combination of conditions."""
    made = st.builds(
        Work,
        text=st.just("工作"), gloss=st.just("work"), kind=st.sampled_from(["civilian", "duty", "none"]),
        kinds=st.sets(st.sampled_from(PERSON_KINDS)).map(tuple), crews=st.lists(crew_rules, max_size=2).map(tuple),
        leadership=st.sampled_from(["command", "led"]), officers=st.integers(0, 3),
        recording=st.sampled_from(["required", "not"]), emergency_only=st.booleans(),
        never_waits_for_leader=st.booleans(), qualification=st.none() | st.sampled_from(sorted(law().qualifications)),
        qualification_rule=st.sampled_from(["law", "licence", "advised"]), never_refused=st.booleans(),
        enforcement=st.booleans(), legality=st.booleans(), training=some_codes, prerequisites=some_codes,
        restraints=some_means, self_protection=some_means, cases=st.sets(st.sampled_from(get_args(Case))).map(tuple),
        never_on=st.dictionaries(st.just("drunk"), some_means),
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
            a_duty_auxiliary(emergency=True, recording=True, qualifications=frozenset({"restraint_training"})),
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
        # R.32 para 3: while an officer leads, work that assists enforcement is recorded, and public notice given.
        ("9.3", a_duty_auxiliary(), Verdict("allowed")),
        ("9.3", a_led_patrol(notice_given=True), Verdict("allowed")),
        ("9.3", a_led_patrol(), Verdict("allowed", (), ("led_notice_owed",))),
        (
            "9.3",
            a_led_patrol(recording=False),
            Verdict("conditional", ("led_not_recording",), ("led_notice_owed",)),
        ),
        (
            "9.3",
            a_led_patrol(leader="named", recording=False),
            Verdict("conditional", ("led_not_recording",), ("led_notice_owed",)),
        ),
        ("9.7", a_led_patrol(recording=False), Verdict("allowed", (), ("led_not_recording", "led_notice_owed"))),
        ("9.6", a_led_patrol(recording=False), Verdict("allowed")),
        # Rescue and stopping a crime: R.30 binds the organ, R.33 is about impartiality. Nothing is refused.
        *(
            (code, facts, Verdict("allowed", (), warnings))
            for code in ("9.4", "9.7")
            for facts, warnings in (
                (a_duty_auxiliary(), ()),
                (a_duty_auxiliary(on_shift=False), ("not_on_shift",)),
                (a_duty_auxiliary(trained=False), ("untrained",)),
                (a_civilian_auxiliary(), ("not_your_kind",)),
                (a_duty_auxiliary(recusal="granted"), ("recused",)),
                (a_duty_auxiliary(recusal="standing_aside"), ("recused",)),
                (
                    a_civilian_auxiliary(on_shift=False, trained=False, recusal="granted"),
                    ("not_your_kind", "untrained", "recused", "not_on_shift"),
                ),
            )
        ),
        ("9.6", a_duty_auxiliary(trained=False), Verdict("forbidden", ("untrained",))),
        # 执勤规范 70, 72: on the large roads two officers, or one with two auxiliaries; more at night and in fog.
        *(
            ("10.2", a_traffic_post(place_kind=road), Verdict("conditional", ("too_few_people",)))
            for road in ("expressway", "main_road", "highway")
        ),
        ("10.2", a_traffic_post(place_kind="other"), Verdict("allowed")),
        ("10.2", a_traffic_post(place_kind="other", light="night"), Verdict("allowed")),
        ("10.2", a_traffic_post(officers_present=2), Verdict("allowed")),
        ("10.2", a_traffic_post(auxiliaries_present=2), Verdict("allowed")),
        ("10.2", a_traffic_post(auxiliaries_present=2, light="night"), Verdict("conditional", ("too_few_people",))),
        ("10.2", a_traffic_post(auxiliaries_present=2, light="fog"), Verdict("conditional", ("too_few_people",))),
        ("10.2", a_traffic_post(auxiliaries_present=3, light="fog"), Verdict("allowed")),
        ("10.2", a_traffic_post(officers_present=2, light="night"), Verdict("allowed")),
        ("10.2", a_traffic_post(place_kind="unknown"), Verdict("allowed", (), ("place_not_told",))),
        (
            "10.2",
            a_traffic_post(place_kind="unknown", light="unknown"),
            Verdict("allowed", (), ("place_not_told", "light_not_told")),
        ),
        (
            "10.2",
            a_traffic_post(auxiliaries_present=2, light="unknown"),
            Verdict("allowed", (), ("light_not_told",)),
        ),
        ("10.2", a_traffic_post(auxiliaries_present=3, light="unknown"), Verdict("allowed")),
        # 程序规定 58 protects the person, in an emergency too.
        ("11.restraint", with_cuffs(), Verdict("conditional", ("not_on_this_person",))),
        ("11.restraint", with_cuffs(means=frozenset({"leg_cuffs"})), Verdict("conditional", ("not_on_this_person",))),
        *(
            ("11.restraint", with_cuffs(means=frozenset({means})), Verdict("allowed"))
            for means in ("restraint_belt", "police_rope", "other_soft")
        ),
        ("11.restraint", with_cuffs(restrained="other"), Verdict("allowed")),
        ("11.restraint", with_cuffs(restrained="unknown"), Verdict("allowed", (), ("restrained_not_told",))),
        ("10.5", with_cuffs(restrained="other"), Verdict("conditional", ("restraint_not_allowed",))),
        ("10.5", with_cuffs(means=frozenset({"other_soft"})), Verdict("allowed")),
        ("9.7", with_cuffs(notice_given=True), Verdict("conditional", ("restraint_not_allowed",))),
        ("11.restraint", with_cuffs(restrained="other", qualifications=frozenset()),
         Verdict("allowed", (), ("special_training_missing",))),
        # 行政强制法 18(2), 程序规定 52: two officers.
        ("10.5", a_led_patrol(officers_present=1), Verdict("conditional", ("too_few_officers",))),
        # R.8 last paragraph: a qualification only where a law asks for one.
        ("8.2.translation", a_civilian_auxiliary(), Verdict("allowed", (), ("qualification_advised",))),
        ("8.2.counselling", a_civilian_auxiliary(), Verdict("allowed", (), ("qualification_advised",))),
        (
            "8.2.translation",
            a_civilian_auxiliary(qualifications=frozenset({"translation"})),
            Verdict("allowed"),
        ),
        # 道路交通安全法 19 and not R.8.
        ("11.vehicle", a_duty_auxiliary(), Verdict("forbidden", ("unlicensed",))),
        ("11.vehicle.vessel", a_duty_auxiliary(), Verdict("forbidden", ("unlicensed",))),
        ("11.vehicle", a_duty_auxiliary(qualifications=frozenset({"driving_licence"})), Verdict("allowed")),
        # 程序规定 52 para 2: the kind is asked, not assumed.
        (
            "10.4",
            a_led_patrol(officers_present=1, case_kind="unknown"),
            Verdict("allowed", (), ("case_kind_not_told",)),
        ),
        ("10.4", a_led_patrol(officers_present=1, case_kind="administrative"), Verdict("allowed")),
        ("9.2", a_duty_auxiliary(case_kind="criminal"), Verdict("conditional", ("case_kind_unfit",))),
    ],
)  # fmt: skip
def test_what_the_regulation_says_of_a_case(code: str, facts: Facts, expected: Verdict) -> None:
    """All unmet rules are given at once, the forbidding ones before those that are only missing."""
    assert expected == verdict(law().works[code], facts)


@given(any_work(), facts_and_worse())
def test_a_worse_fact_never_makes_it_better(work: Work, both: tuple[Facts, Facts]) -> None:
    """The outcome gets no better, and no unmet rule disappears.

    R.32 para 3 binds only while somebody leads: that duty alone may go with the leader, and never with another fact.
    """
    better, worse = both
    if work.leadership == "command" and work.enforcement:
        worse = msgspec.structs.replace(worse, leader=better.leader)
    assert_no_better(verdict(work, better), verdict(work, worse))


@given(any_work(), facts_and_worse())
def test_without_a_leader_only_the_duties_of_the_led_are_gone(work: Work, both: tuple[Facts, Facts]) -> None:
    """All other rules hold on, whatever else gets worse with it."""
    better, worse = (verdict(work, facts) for facts in both)
    unmet = [code for code in better.unmet if code != "led_not_recording"]
    assert set(unmet) <= set(worse.unmet)
    assert not FORBIDDING & set(unmet) or worse.outcome == "forbidden"
    assert not unmet or worse.outcome != "allowed"


def assert_no_better(better: Verdict, worse: Verdict) -> None:
    assert RANKS[better.outcome] <= RANKS[worse.outcome]
    assert set(better.unmet) <= set(worse.unmet)


@given(any_work(), any_facts())
def test_the_same_facts_give_the_same_answer(work: Work, facts: Facts) -> None:
    """A phone that judges offline by the same catalogue comes to the same verdict."""
    again = msgspec.convert(msgspec.to_builtins(work), Work), msgspec.convert(msgspec.to_builtins(facts), Facts)
    assert verdict(work, facts) == verdict(*again)


@given(st.sampled_from(sorted(law().works)), any_facts())
def test_the_catalogue_of_phones_gives_the_same_answer(code: str, facts: Facts) -> None:
    """Every condition of a work is in the catalogue that phones keep; a field left out has its default."""
    work = msgspec.convert(msgspec.json.decode(catalogue().plain)["works"][code], Work)
    assert verdict(law().works[code], facts) == verdict(work, facts)


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


@given(st.sampled_from(["9.4", "9.7"]), any_facts())
def test_rescue_is_never_refused_at_all(code: str, facts: Facts) -> None:
    """Whoever they are and whatever is missing; only means of restraint keep their own rules (R.11)."""
    answer = verdict(law().works[code], facts)
    assert set(answer.unmet) <= BY_MEANS
    assert "allowed" == verdict(law().works[code], msgspec.structs.replace(facts, means=frozenset())).outcome


@given(any_work(), any_facts())
def test_too_few_people_and_what_would_be_enough_agree(work: Work, facts: Facts) -> None:
    """Whoever is missing is told; and with these people more, no rule about numbers is broken."""
    answer, ways = verdict(work, facts), people_lacking(work, facts)
    short = {"too_few_officers", "too_few_people"} & {*answer.unmet, *answer.warnings}
    assert bool(short) == bool(ways) or work.kind == "none"
    for way in ways:
        more = msgspec.structs.replace(
            facts, officers_present=facts.officers_present + way.officers,
            auxiliaries_present=facts.auxiliaries_present + way.auxiliaries,
        )  # fmt: skip
        assert () == people_lacking(work, more)


@pytest.mark.parametrize(
    ("facts", "ways"),
    [
        (a_traffic_post(), [(0, 1), (1, 0)]),
        (a_traffic_post(light="night"), [(0, 2), (1, 0)]),
        (a_traffic_post(officers_present=0), [(1, 1), (2, 0)]),
        (a_traffic_post(place_kind="other", officers_present=0), [(1, 0)]),
        (a_traffic_post(place_kind="other"), []),
    ],
)
def test_who_is_missing_at_a_traffic_post_is_counted(facts: Facts, ways: list[tuple[int, int]]) -> None:
    """So many more officers and auxiliaries: any of the ways is enough."""
    lacking = people_lacking(law().works["10.2"], facts)
    assert ways == [(way.officers, way.auxiliaries) for way in lacking]


def test_unled_work_may_ask_for_more_people() -> None:
    """As another regulation has it: a patrol that nobody leads has at least two auxiliaries."""
    two = CrewRule(least=(Crew(auxiliaries=2),), unled=True, source="其条例")
    patrol = msgspec.structs.replace(law().works["9.6"], crews=(two,))
    assert Verdict("conditional", ("too_few_people",)) == verdict(patrol, a_duty_auxiliary())
    assert Verdict("allowed") == verdict(patrol, a_duty_auxiliary(auxiliaries_present=2))
    assert Verdict("allowed") == verdict(patrol, a_led_patrol())


def test_implements_may_be_for_self_protection_only() -> None:
    """As another regulation has it: allowed in this work to protect oneself, and for nothing else."""
    patrol = msgspec.structs.replace(law().works["9.6"], self_protection=("police_rope",))
    rope = {"means": frozenset({"police_rope"}), "restrained": "other"}
    assert Verdict("conditional", ("restraint_not_allowed",)) == verdict(patrol, a_duty_auxiliary(**rope))
    assert Verdict("allowed") == verdict(patrol, a_duty_auxiliary(**rope, self_protection=True))


def test_a_work_may_ask_for_several_trainings_and_certificates() -> None:
    """A training that is missing warns, since the organ owes it (R.30); a prerequisite forbids."""
    asking = msgspec.structs.replace(
        law().works["9.6"], training=("first_aid", "restraint_training"), prerequisites=("oath", "health_check")
    )
    every = {"first_aid", "restraint_training", "oath", "health_check"}
    for missing in sorted(every):
        answer = verdict(asking, a_duty_auxiliary(qualifications=frozenset(every - {missing})))
        forbids = missing in asking.prerequisites
        assert ("prerequisite_missing" in answer.unmet, "special_training_missing" in answer.warnings) == (
            forbids, not forbids,
        )  # fmt: skip
    assert Verdict("allowed") == verdict(asking, a_duty_auxiliary(qualifications=frozenset(every)))


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
    work = law().works[code]
    best = {name: values[0] for name, values in WORSE.items()}
    facts = Facts(kind=work.kinds[0], qualifications=frozenset(law().recorded), case_kind=work.cases[0], **best)
    assert Verdict("allowed") == verdict(work, facts)


def test_every_code_is_reached_by_some_work_of_the_regulation() -> None:
    """Each has a sentence, and each that refuses has a status."""
    cases = [
        a_led_patrol(**{name: value}) for name, values in WORSE.items() for value in values
    ] + [a_civilian_auxiliary(), a_traffic_post(), a_traffic_post(place_kind="unknown", light="unknown"),
         with_cuffs(), with_cuffs(restrained="unknown"), a_led_patrol(case_kind="unknown", qualifications=frozenset()),
         a_led_patrol(case_kind="criminal")]  # fmt: skip
    answers = [verdict(work, facts) for work in law().works.values() for facts in cases]
    assert set(UNMET) == {code for one in answers for code in one.unmet}
    assert set(ONLY_WARNINGS) <= {code for one in answers for code in one.warnings}
    assert all(law().messages[code].status == 409 for code in UNMET)
    assert all(law().messages[code].article for code in WARNINGS)


def test_every_word_for_a_fact_has_its_place_in_the_order() -> None:
    """A new word for leading or recusal is placed, or the property above would not see it."""
    assert set(get_args(Leader)) == set(WORSE["leader"])
    assert set(get_args(RecusalStatus)) == set(WORSE["recusal"])
    assert {*Facts.__struct_fields__} == {*WORSE, *NO_WORSE}
    assert {"expressway", "other"} < set(get_args(PlaceKind))
    assert {"day", "night"} < set(get_args(Light))
