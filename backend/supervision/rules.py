"""What the regulation asks of naming and leading. Pure.

R.7: an auxiliary works under command or lead while on duty; R.10: a named officer leads.
"""

from datetime import datetime, timedelta


def unmet_at_naming(*, on_shift: bool) -> list[str]:
    """The codes of the rules that a naming leaves unmet: who is not on duty is led by nobody."""
    return [] if on_shift else ["not_on_shift"]


def answered_late(named_at: datetime, answered_at: datetime, target: timedelta) -> bool:
    """Whether the answer came after the target; it counts all the same."""
    return answered_at - named_at > target
