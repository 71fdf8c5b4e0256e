"""May I do this work now, and what is missing? Pure: the same work and facts give the same answer.

R.12: what no auxiliary may do. R.8 to 11: whose work it is, whether command is enough or an officer must lead, and
that an emergency is needed. R.30: training. R.33: recusal. 程序规定 52: officers present. R.32: full recording.
Which of these a work asks for stands in works.toml; which article each names, in messages.toml.

Guarantees: a fact that gets worse never makes the outcome better nor takes a code out of `unmet`; work that never
waits for a leader (rescue, stopping a crime under way) is told that an officer is missing and not refused for it.
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
    """What is known of a person at one moment.

    `on_shift`: a shift is open, which is the command of R.7. `qualifications`: codes valid today. `trained`: pre-job
    training is valid. `leader`: named and unanswered, or confirmed. `officers_present`: with the one who leads.
    `recusal`: on the case in question. `recording`: the auxiliary's recorder or the leading officer's is running.
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
    """`unmet`: every rule that is not met, those that forbid first; `warnings` refuse nothing. In the order below."""

    outcome: VerdictOutcome
    unmet: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def verdict(work: Work, facts: Facts) -> Verdict:
    """Whether `facts` allow `work`. Conditional: it would be allowed once what is unmet is put right."""
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
    """What this person cannot put right on the spot."""
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
