"""What the law allows about an injury: the steps to recognition, and the sums of an advance. Pure.

R.26; 工伤保险条例 17, 18, 20 (application, missing papers, decision), 55 (review and litigation).
"""

from collections.abc import Mapping

TRANSITIONS: Mapping[str, tuple[frozenset[str], str | None]] = {
    "extend": (frozenset({"reported"}), None),
    "apply": (frozenset({"reported"}), "applied"),
    "papers_missing": (frozenset({"applied", "papers_missing"}), "papers_missing"),
    "accept": (frozenset({"applied", "papers_missing", "in_review"}), "accepted"),
    "not_accept": (frozenset({"applied", "papers_missing"}), "not_accepted"),
    "suspend": (frozenset({"accepted"}), "suspended"),
    "resume": (frozenset({"suspended"}), "accepted"),
    "recognise": (frozenset({"accepted", "in_review"}), "recognised"),
    "treat_as": (frozenset({"accepted", "in_review"}), "treated_as"),
    "not_recognise": (frozenset({"accepted", "in_review"}), "not_recognised"),
    "review": (frozenset({"not_accepted", "recognised", "treated_as", "not_recognised"}), "in_review"),
}
"""For each step: the states in which it is allowed, and the state after it; None: the state stays."""

# After a death: R.26 para 2 (martyrs and their survivors), para 3 (dependants, orphans); 工伤保险条例 39.
SURVIVORS = ("martyr_rating", "martyr_benefits", "work_death_benefits", "destitute_support", "orphan_support")
REFUSING_STEPS = frozenset({"not_accept", "not_recognise"})  # after these the commander decides on each cost


def after(state: str, step: str) -> str | None:
    """The state after a step; None: the step is not allowed in this state."""
    allowed, then = TRANSITIONS[step]
    return None if state not in allowed else then or state


def payable(approved: int, paid: int) -> int:
    """The amount that may still be paid, in fen."""
    return approved - paid


def unsettled(paid: int, settled: int) -> int:
    """The amount paid that nobody has borne and that was not recovered yet, in fen."""
    return paid - settled


def needs_second(fen: int, second_above_fen: int | None) -> bool:
    """Whether an approval of this amount needs a second person."""
    return second_above_fen is not None and fen > second_above_fen
