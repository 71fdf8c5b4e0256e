"""Record check-ins and check-outs: one transaction each.

Guarantees: at most one shift of a person is in force at any moment, whatever the order of arrival. If a check-out was
forgotten, the next check-in ends the shift, with a finding that is withdrawn when the check-out arrives after all. A
check-in is compared with the roster, which blocks nothing. A live check-in that changes no earlier shift cannot open or
close a gap, so no findings about gaps are refreshed.
"""

from datetime import datetime
from typing import Any

from backend.core import findings
from backend.core.database import execute, first, value
from backend.core.findings import MAY_BE_TOUCHED, Touched
from backend.core.intervals import Intervals, interval_payload, put_in_order
from backend.core.officers import officers_among
from backend.core.refusals import Refusal, Unknown
from backend.core.standing import Claim, Standing
from backend.core.verb import Occasion, Outcome
from backend.core.wire import as_json
from backend.shifts import rules
from backend.shifts.schemas import CheckIn, CheckOut

SHIFTS = Intervals(
    table="shift",
    owner="person",
    own_end="SELECT c.at, 'check_out' AS ended_by FROM check_out c WHERE c.shift = t.id ORDER BY c.at, c.id LIMIT 1",
    forgotten="not_checked_out",
)
# Inserts a shift; returns whether a shift was planned for this person in that time.
INSERT = """
WITH made AS (INSERT INTO shift (id, person, organ, duty_type, started_at, ended_at, ended_by, in_force, dress,
    dress_reason, id_card_carried, equipment, vehicle, ordered_by, roster_post, place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16))
SELECT EXISTS (
    SELECT FROM planned_shift p WHERE p.person = $2 AND p.withdrawn_at IS NULL AND p.during && tstzrange($5, $6)
) AS planned"""
# The same, and whether findings since $17 may change. Two texts: the usual one stays short, and each is planned once.
INSERT_AND_LOOK = INSERT + ", " + MAY_BE_TOUCHED.format(who="$2", within="tstzrange($17, NULL)") + " AS touched"
COMMANDED = "SELECT count(*) > 0 FROM duty_roster WHERE organ = $1 AND during @> $2::timestamptz"


async def check_in(occasion: Occasion, entry: CheckIn) -> Outcome:
    """Begin a shift. Raises Refusal `dress_reason_missing`, `not_an_officer`, RuleRefusal with the rules unmet."""
    if entry.dress == "plain" and entry.dress_reason is None:
        raise Refusal("dress_reason_missing")
    if entry.ordered_by is not None:
        await officers_among([entry.ordered_by], occasion.at)
    rule = occasion.law.provisions.dress
    unmet = occasion.require(
        rules.unmet_at_check_in(
            dress=entry.dress,
            id_card_carried=entry.id_card_carried,
            id_card_always=rule is not None and rule.id_card == "always",
            ordered=entry.ordered_by is not None or entry.roster_post is not None or await _commanded(occasion),
        )
    )
    actor = occasion.actor
    standing, codes, since = await put_in_order(
        SHIFTS, actor.person, occasion.organ, Claim(entry.id, occasion.at), new=True
    )
    planned, touches = await _insert(occasion, entry, standing, since)
    if planned:
        compared = await findings.judge_roster(standing.start, occasion.timing.as_of, [actor.person])
        codes = [*codes, *(kind for kinds in compared.values() for kind in kinds)]
    return Outcome(
        subject={"shift": interval_payload(standing)},
        subjects=[entry.id, actor.person],
        organ=occasion.organ,
        unmet=unmet,
        findings=codes,
        touches=touches,
    )


async def check_out(occasion: Occasion, entry: CheckOut) -> Outcome:
    """End a shift. Raises Refusal `unknown_shift`, and live `already_checked_out`."""
    shift = await first("SELECT * FROM shift WHERE id = $1 AND person = $2", entry.shift, occasion.actor.person)
    if shift is None:
        raise Unknown("unknown_shift", entry.shift)
    at = occasion.not_before(shift["started_at"])
    occasion.require_live_state(shift["ended_at"] is None, "already_checked_out")
    await execute(
        "INSERT INTO check_out (id, shift, at, place) VALUES ($1, $2, $3, $4)",
        entry.id, entry.shift, at, as_json(entry.place),
    )  # fmt: skip
    claim = Claim(entry.shift, shift["started_at"])
    standing, codes, since = await put_in_order(SHIFTS, shift["person"], shift["organ"], claim)
    return Outcome(
        subject={"shift": interval_payload(standing)},
        subjects=[entry.shift, shift["person"]],
        organ=shift["organ"],
        findings=codes,
        touches=Touched([shift["person"]], since),
    )


async def _insert(
    occasion: Occasion, entry: CheckIn, standing: Standing, since: datetime
) -> tuple[bool, Touched | None]:
    """Insert the shift. Returns whether one was planned then, and whose findings must be computed again."""
    person, columns = occasion.actor.person, _columns(occasion, entry, standing)
    if since >= standing.start and not _is_after_the_fact(occasion):
        return bool(await value(INSERT, *columns)), None
    row: Any = await first(INSERT_AND_LOOK, *columns, since)
    return row["planned"], Touched([person], since) if row["touched"] else None


async def _commanded(occasion: Occasion) -> bool:
    """Whether the daily roster names who commanded the duty of this organ then (R.7)."""
    return bool(await value(COMMANDED, occasion.organ, occasion.at))


def _is_after_the_fact(occasion: Occasion) -> bool:
    """Whether the entry is evaluated noticeably later than it happened."""
    return occasion.timing.as_of - occasion.at > occasion.law.span("skew_floor")


def _columns(occasion: Occasion, entry: CheckIn, standing: Standing) -> tuple[Any, ...]:
    """The parameters of INSERT."""
    return (
        entry.id, occasion.actor.person, occasion.organ, entry.duty_type, occasion.at, standing.end,
        standing.ended_by, standing.in_force, entry.dress, entry.dress_reason, entry.id_card_carried, entry.equipment,
        entry.vehicle, entry.ordered_by, entry.roster_post, as_json(entry.place),
    )  # fmt: skip
