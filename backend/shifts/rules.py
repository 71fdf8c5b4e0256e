"""What the regulation asks of a check-in. Pure.

R.32: on duty the uniform is worn; plain clothes only where needed, and then the work ID is carried.
R.7: an auxiliary works under the organ's command or an officer's lead, so a duty has somebody who ordered it.
"""


def unmet_at_check_in(*, dress: str, id_card_carried: bool, ordered: bool) -> list[str]:
    """The codes of the rules that this check-in leaves unmet; none means that it is as it should be."""
    unmet = []
    if dress == "plain" and not id_card_carried:
        unmet.append("plain_without_id_card")
    if not ordered:
        unmet.append("not_ordered")
    return unmet
