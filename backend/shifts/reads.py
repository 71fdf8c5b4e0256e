"""Read shifts.

Guarantees: a shift that the reader may not see is not there (404); the order is newest first and stable.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core.described import (
    Badge,
    BeganAt,
    DutyType,
    EndedAt,
    InForce,
    OrganCode,
    OrganName,
    PersonName,
)
from backend.core.visibility import commanded_while, visible_while_led
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.shifts import rules

SHIFT = visible_while_led(auxiliary="s.person", organ="s.organ", span="s.during", began="s.started_at").also(
    *commanded_while(organ="s.organ", span="s.during", began="s.started_at")
)
SHIFTS = """
SELECT s.*, p.badge, p.name, o.name AS organ_name
FROM shift s JOIN person_now p ON p.id = s.person JOIN organ o ON o.code = s.organ
"""


class ShiftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A shift in a list."""

    id: Annotated[UUID, msgspec.Meta(description="id of the shift: that of its check-in")]
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary on duty")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    organ_name: OrganName
    duty_type: DutyType
    started_at: BeganAt
    ended_at: EndedAt
    ended_by: Annotated[
        Literal["check_out", "next"] | None,
        msgspec.Meta(
            description="what ended it: check_out 签退, next 下次签到 the next check-in, as nobody checked out; "
            "null: not ended"
        ),
    ]
    in_force: InForce
    counted_until: Annotated[
        Moment | None,
        msgspec.Meta(
            description="until when it counts as worked, as nobody checked out: `unfinished_shift_ceiling` after its "
            "start; null: all of it counts"
        ),
    ] = None


def shift_row(row: Any) -> ShiftRow:
    """A row of SHIFTS, with the moment until which it counts."""
    columns = {field: row[field] for field in ShiftRow.__struct_fields__ if field != "counted_until"}
    until = rules.counted_until(
        row["started_at"], row["ended_at"], row["ended_by"], datetime.now(UTC), law().span("unfinished_shift_ceiling")
    )
    return ShiftRow(**columns, counted_until=until)
