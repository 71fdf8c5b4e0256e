"""Organs, roles, qualifications and devices as they stand, and what differs after a change."""

from collections.abc import Mapping
from datetime import date

import msgspec

from backend.core.database import fetch

STANDING = """
SELECT 'organ' AS record, code AS key, code, name, '' AS kind, coalesce(parent, '') AS organ,
    NULL::date AS valid_from, NULL::date AS valid_until FROM organ
UNION ALL SELECT 'role', concat_ws(' ', p.id, g.role, g.organ, g.valid_from), p.badge, p.name, g.role, g.organ,
    g.valid_from, g.valid_until FROM role_grant g JOIN person_now p ON p.id = g.person
UNION ALL SELECT 'qualification', concat_ws(' ', p.id, q.code, q.valid_from), p.badge, p.name, q.code, '',
    q.valid_from, q.valid_until FROM qualification q JOIN person_now p ON p.id = q.person
UNION ALL SELECT 'device', serial, serial, name, kind, organ, NULL, NULL FROM device
ORDER BY 1, 3, 2
"""
# What an import may change; everything else of a record says which one it is.
CHANGING = {
    "organ": ("name", "organ"),
    "role": ("valid_until",),
    "qualification": ("valid_until",),
    "device": ("name", "kind", "organ"),
}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A record. `code`, `name`: of the organ or device, else badge and name of the person; `organ`: of an organ, the
    one above it; `kind`: of a device, else the role or the qualification."""

    record: str
    key: str
    code: str
    name: str
    kind: str
    organ: str
    valid_from: date | None
    valid_until: date | None


class RecordChange(msgspec.Struct, frozen=True):
    """A record that changed. `before`: None where it is new."""

    before: Standing | None
    after: Standing

    @property
    def differing(self) -> list[str]:
        """The fields that changed; none where the record is new."""
        if self.before is None:
            return []
        fields = CHANGING[self.after.record]
        return [name for name in fields if getattr(self.before, name) != getattr(self.after, name)]


Records = Mapping[tuple[str, str], Standing]


async def read() -> Records:
    """All records, by kind and key."""
    return {(row["record"], row["key"]): Standing(**row) for row in await fetch(STANDING)}


def compare(before: Records, after: Records) -> list[RecordChange]:
    """What is new, and what differs. An import removes nothing. Pure."""
    changes = (RecordChange(before.get(key), record) for key, record in after.items())
    return [change for change in changes if change.before is None or change.differing]
