"""What the regulation requires of a check-in. Pure.

R.32: auxiliaries wear the uniform on duty; plain clothes only where the work needs it, and then they carry the work ID.
Another regulation may ask for the ID in uniform too ([dress] in regulation.toml).
R.7: an auxiliary works under the organ's command or an officer's lead, so somebody must have ordered the duty.
"""

from datetime import datetime, timedelta


def counted_until(
    started_at: datetime, ended_at: datetime | None, ended_by: str | None, now: datetime, ceiling: timedelta
) -> datetime | None:
    """Until when a shift counts in which nobody checked out in `ceiling`; None: all of it counts.

    The next check-in, which may come days later, says nothing about how long anybody worked.
    """
    last = started_at + ceiling
    return last if ended_by != "check_out" and (ended_at or now) > last else None


def unmet_at_check_in(
    *, dress: str, id_card_carried: bool, ordered: bool, id_card_always: bool = False
) -> list[str]:  # fmt: skip
    """The codes of the rules that this check-in leaves unmet; empty if it meets all."""
    unmet = []
    if dress == "plain" and not id_card_carried:
        unmet.append("plain_without_id_card")
    elif id_card_always and not id_card_carried:
        unmet.append("without_id_card")
    if not ordered:
        unmet.append("not_ordered")
    return unmet
