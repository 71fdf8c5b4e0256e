"""What the regulation requires of a check-in. Pure.

R.32: auxiliaries wear the uniform on duty; plain clothes only where the work needs it, and then they carry the work ID.
R.7: an auxiliary works under the organ's command or an officer's lead, so somebody must have ordered the duty.
"""


def unmet_at_check_in(*, dress: str, id_card_carried: bool, ordered: bool) -> list[str]:
    """The codes of the rules that this check-in leaves unmet; empty if it meets all."""
    unmet = []
    if dress == "plain" and not id_card_carried:
        unmet.append("plain_without_id_card")
    if not ordered:
        unmet.append("not_ordered")
    return unmet
