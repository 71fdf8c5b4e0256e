"""Decides whether a person may do a work now, and what is missing. Pure: the same work and facts give the same answer.

Sources: R.12, work that no auxiliary may do. R.8 to 11, whose work it is, whether the organ's command is enough or an
officer must lead, and whether it needs an emergency. R.30, training. R.33, recusal. 程序规定 52, officers present.
R.32, full recording and public notice. 程序规定 58, means of restraint. works.toml says which of these a work needs;
messages.toml says which article each code rests on.

Guarantees:
- A fact that gets worse never makes the outcome better, and never takes a code out of `unmet`. Only R.32 para 3 binds
  because somebody leads: without a leader there is no such duty.
- For work that is never refused (rescue, stopping a crime in progress) every missing thing is a warning: R.30 binds the
  organ, R.33 is about impartiality, and nobody waits while somebody is being hurt. Means of restraint stay refused.
- What was not told is neither met nor broken: a warning says what to tell, where it could matter.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from backend.law.catalogue import Work
from backend.law.works import Crew, CrewRule

Leader = Literal["none", "named", "confirmed"]
RecusalStatus = Literal["none", "pending", "standing_aside", "granted"]
VerdictOutcome = Literal["allowed", "conditional", "forbidden"]
UNKNOWN = "unknown"  # of a fact that nobody told


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a person at one moment.

    `kind`: of person, as on the roster. `on_shift`: a shift is open, which is the command of R.7. `qualifications`:
    codes valid today, trainings and certificates too. `trained`: every training before the first duty is valid;
    `prepared`: and whatever else the law asks for before it. `leader`: none, named without an answer, or confirmed.
    `officers_present`: with the leading one. `auxiliaries_present`: with the person. `place_kind`, `light`,
    `case_kind`, `restrained` (who is restrained): "unknown" where nobody told. `recusal`: in the case of this work.
    `recording`: the recorder of the auxiliary or of the leading officer runs. `notice_given`: the public notice.
    `means`: of restraint, to be used; `self_protection`: only to protect oneself.
    """

    kind: str
    on_shift: bool
    trained: bool
    prepared: bool = True
    yearly_training_expired: bool = False
    qualifications: frozenset[str] = frozenset()
    leader: Leader = "none"
    officers_present: int = 0
    auxiliaries_present: int = 1
    place_kind: str = UNKNOWN
    light: str = UNKNOWN
    case_kind: str = UNKNOWN
    recusal: RecusalStatus = "none"
    emergency: bool = False
    recording: bool = False
    notice_given: bool = False
    means: frozenset[str] = frozenset()
    restrained: str = UNKNOWN
    self_protection: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """The answer. `unmet`: every rule not met, the forbidding ones first. `warnings`: codes that refuse nothing."""

    outcome: VerdictOutcome
    unmet: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def verdict(work: Work, facts: Facts) -> Verdict:
    """Decide whether `facts` allow `work`. Conditional: allowed as soon as the unmet rules are met."""
    if work.kind == "none":
        return Verdict("forbidden", ("forbidden_work",))
    forbidding, lacking_lead = _forbidding(work, facts), _lacking_lead(work, facts)
    circumstance, warnings = _lacking_circumstance(work, facts), _warnings(work, facts)
    shift, means = _lacking_shift(facts), unmet_by_means(work, facts.means, facts.restrained, facts.self_protection)
    if work.never_refused:
        warnings = [*forbidding, *shift, *lacking_lead, *circumstance, *warnings]
        forbidding, shift, lacking_lead, circumstance = [], [], [], []
    elif work.never_waits_for_leader:
        lacking_lead, warnings = [], [*lacking_lead, *warnings]
    missing = [*shift, *lacking_lead, *circumstance, *means]
    outcome: VerdictOutcome = "forbidden" if forbidding else "conditional" if missing else "allowed"
    return Verdict(outcome, (*forbidding, *missing), tuple(warnings))


def unmet_by_means(work: Work, means: Iterable[str], restrained: str, self_protection: bool) -> list[str]:
    """The codes of the rules that these means of restraint leave unmet, used on this person (R.11, 程序规定 58)."""
    used = {*means}
    allowed = {*work.restraints, *(work.self_protection if self_protection else ())}
    return _broken(
        {
            "restraint_not_allowed": not used <= allowed,
            "not_on_this_person": not used.isdisjoint(work.never_on.get(restrained, ())),
        }
    )


def _forbidding(work: Work, facts: Facts) -> list[str]:
    """Rules that this person cannot meet on the spot."""
    unqualified = _unqualified(work, facts)
    return _broken(
        {
            "not_your_kind": facts.kind not in work.kinds,
            "untrained": not facts.trained,
            "prerequisite_missing": not (facts.prepared and facts.qualifications.issuperset(work.prerequisites)),
            "unqualified": unqualified and work.qualification_rule == "law",
            "unlicensed": unqualified and work.qualification_rule == "licence",
            "recused": facts.recusal in ("standing_aside", "granted"),
        }
    )


def _unqualified(work: Work, facts: Facts) -> bool:
    return work.qualification is not None and work.qualification not in facts.qualifications


def _lacking_shift(facts: Facts) -> list[str]:
    return _broken({"not_on_shift": not facts.on_shift})


def _lacking_lead(work: Work, facts: Facts) -> list[str]:
    return _broken(
        {
            "not_led": work.leadership == "led" and facts.leader == "none",
            "too_few_officers": facts.officers_present < work.officers,
            "too_few_people": any(_holds(rule, facts) for rule in _short(work, facts)),
        }
    )


def _lacking_circumstance(work: Work, facts: Facts) -> list[str]:
    return _broken(
        {
            "no_emergency": work.emergency_only and not facts.emergency,
            "not_recording": work.recording == "required" and not facts.recording,
            "led_not_recording": _bound_while_led(work, facts) and work.recording == "not" and not facts.recording,
            "case_kind_unfit": facts.case_kind not in (UNKNOWN, *work.cases),
        }
    )


def _bound_while_led(work: Work, facts: Facts) -> bool:
    """Whether R.32 para 3 binds work for which command is enough, because an officer leads it."""
    return work.enforcement and work.leadership == "command" and facts.leader != "none"


def _warnings(work: Work, facts: Facts) -> list[str]:
    perhaps = [rule for rule in _short(work, facts) if not _holds(rule, facts) and _might_hold(rule, facts)]
    return _broken(
        {
            "leader_unconfirmed": work.leadership == "led" and facts.leader == "named",
            "recusal_pending": facts.recusal == "pending",
            "yearly_training_expired": facts.yearly_training_expired,
            "qualification_advised": _unqualified(work, facts) and work.qualification_rule == "advised",
            "special_training_missing": not facts.qualifications.issuperset(work.training),
            "place_not_told": facts.place_kind == UNKNOWN and any(rule.places for rule in perhaps),
            "light_not_told": facts.light == UNKNOWN and any(rule.lights for rule in perhaps),
            "led_notice_owed": _bound_while_led(work, facts) and not facts.notice_given,
            "case_kind_not_told": work.legality and facts.case_kind == UNKNOWN,
            "restrained_not_told": facts.restrained == UNKNOWN
            and any(not facts.means.isdisjoint(means) for means in work.never_on.values()),
        }
    )


# Least numbers of people


def _short(work: Work, facts: Facts) -> list[CrewRule]:
    """The rules about numbers whose numbers are not present, wherever they hold."""
    return [rule for rule in work.crews if not any(_is_enough(crew, facts) for crew in rule.least)]


def _is_enough(crew: Crew, facts: Facts) -> bool:
    return facts.officers_present >= crew.officers and facts.auxiliaries_present >= crew.auxiliaries


def _holds(rule: CrewRule, facts: Facts) -> bool:
    """Whether the rule binds at this place, in this light, with this leader."""
    return (
        (not rule.places or facts.place_kind in rule.places)
        and (not rule.lights or facts.light in rule.lights)
        and not (rule.unled and facts.leader != "none")
    )


def _might_hold(rule: CrewRule, facts: Facts) -> bool:
    """Whether the rule may bind, by what was told."""
    return (
        (not rule.places or facts.place_kind in (UNKNOWN, *rule.places))
        and (not rule.lights or facts.light in (UNKNOWN, *rule.lights))
        and not (rule.unled and facts.leader != "none")
    )


def people_lacking(work: Work, facts: Facts) -> tuple[Crew, ...]:
    """Each way to be enough for all rules that hold: so many more officers and auxiliaries. Empty: there are enough.

    A way that asks for more than another one is left out.
    """
    ways = {(work.officers, 0)}
    for rule in (rule for rule in work.crews if _holds(rule, facts)):
        ways = {
            (max(officers, crew.officers), max(auxiliaries, crew.auxiliaries))
            for officers, auxiliaries in ways
            for crew in rule.least
        }
    more = {(max(o - facts.officers_present, 0), max(a - facts.auxiliaries_present, 0)) for o, a in ways}
    least = [one for one in more if not any(o <= one[0] and a <= one[1] for o, a in more - {one})]
    return () if (0, 0) in more else tuple(Crew(officers=o, auxiliaries=a) for o, a in sorted(least))


def _broken(rules: dict[str, bool]) -> list[str]:
    """The codes of the rules that are broken, in the order they are written."""
    return [code for code, broken in rules.items() if broken]
