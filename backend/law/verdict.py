"""Decides whether a person may do a work now, and what is missing. Pure: the same work and facts give the same answer.

Sources: R.12, work that no auxiliary may do. R.8 to 11, whose work it is, whether the organ's command is enough or an
officer must lead, and whether it needs an emergency. R.30, training. R.33, recusal. 程序规定 52, officers present.
R.32, full recording. works.toml says which of these a work needs; messages.toml says which article each code rests on.

Guarantees: a fact that gets worse never makes the outcome better, and never takes a code out of `unmet`. For work that
never waits for a leader (rescue, stopping a crime in progress), a missing officer is a warning and not a refusal.
"""

from typing import Literal

import msgspec

from backend.law.catalogue import Work

PersonKind = Literal["duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock"]
Leader = Literal["none", "named", "confirmed"]
RecusalStatus = Literal["none", "pending", "standing_aside", "granted"]
VerdictOutcome = Literal["allowed", "conditional", "forbidden"]

WHOSE_WORK = {"duty": "duty_auxiliary", "civilian": "civilian_auxiliary"}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a person at one moment.

    `on_shift`: a shift is open, which is the command of R.7. `qualifications`: codes valid today. `trained`: pre-job
    training is valid. `leader`: none, named without an answer, or confirmed. `officers_present`: with the leading one.
    `recusal`: in the case of this work. `recording`: the recorder of the auxiliary or of the leading officer runs.
    """

    kind: PersonKind
    on_shift: bool
    trained: bool
    yearly_training_expired: bool = False
    qualifications: frozenset[str] = frozenset()
    leader: Leader = "none"
    officers_present: int = 0
    recusal: RecusalStatus = "none"
    emergency: bool = False
    recording: bool = False


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
    warnings = _warnings(work, facts)
    if work.never_waits_for_leader:
        lacking_lead, warnings = [], [*lacking_lead, *warnings]
    missing = [*_lacking_shift(facts), *lacking_lead, *_lacking_circumstance(work, facts)]
    outcome: VerdictOutcome = "forbidden" if forbidding else "conditional" if missing else "allowed"
    return Verdict(outcome, (*forbidding, *missing), tuple(warnings))


def _forbidding(work: Work, facts: Facts) -> list[str]:
    """Rules that this person cannot meet on the spot."""
    return _broken(
        {
            "not_your_kind": facts.kind != WHOSE_WORK[work.kind],
            "untrained": not facts.trained,
            "unqualified": work.qualification is not None and work.qualification not in facts.qualifications,
            "recused": facts.recusal in ("standing_aside", "granted"),
        }
    )


def _lacking_shift(facts: Facts) -> list[str]:
    return _broken({"not_on_shift": not facts.on_shift})


def _lacking_lead(work: Work, facts: Facts) -> list[str]:
    return _broken(
        {
            "not_led": work.leadership == "led" and facts.leader == "none",
            "too_few_officers": facts.officers_present < work.officers,
        }
    )


def _lacking_circumstance(work: Work, facts: Facts) -> list[str]:
    return _broken(
        {
            "no_emergency": work.emergency_only and not facts.emergency,
            "not_recording": work.recording == "required" and not facts.recording,
        }
    )


def _warnings(work: Work, facts: Facts) -> list[str]:
    return _broken(
        {
            "leader_unconfirmed": work.leadership == "led" and facts.leader == "named",
            "recusal_pending": facts.recusal == "pending",
            "yearly_training_expired": facts.yearly_training_expired,
        }
    )


def _broken(rules: dict[str, bool]) -> list[str]:
    """The codes of the rules that are broken, in the order they are written."""
    return [code for code, broken in rules.items() if broken]
