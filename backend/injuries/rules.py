"""What the law allows of an injury: the way to recognition, and the sums of an advance. Pure.

R.26; 工伤保险条例 17, 18, 20 (application, missing papers, decision), 55 (review and litigation).
"""

from collections.abc import Mapping

STEPS: Mapping[str, tuple[frozenset[str], str | None]] = {
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
"""Each step: from which states, and to which; none: the state stays."""

# Of a death: R.26 para 2 (martyrs and their survivors), para 3 (those they supported, orphans); 工伤保险条例 39.
SURVIVORS = ("martyr_rating", "martyr_benefits", "work_death_benefits", "destitute_support", "orphan_support")
ASKS = frozenset({"not_accept", "not_recognise"})  # after these a person says what happens to each cost


def after(state: str, step: str) -> str | None:
    """The state after a step; none where it does not follow."""
    allowed, then = STEPS[step]
    return None if state not in allowed else then or state


def payable(approved: int, paid: int) -> int:
    """What may still be paid, in fen."""
    return approved - paid


def unsettled(paid: int, settled: int) -> int:
    """What was paid and nobody has borne or given back yet, in fen."""
    return paid - settled
