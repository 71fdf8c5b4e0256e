"""Things handed out. The constraints are in migrations/versions/fujing_0039_things.sql."""

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class IssuedItem(Table, db=DB):
    """One thing in one person's hands, from its issue to its return. `kind`: a code of [items.…] in works.toml."""

    id = UUID(primary_key=True, default=None)
    kind = Text(null=False, default=None)
    serial = Text(null=False, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    issued_at = Timestamptz(null=False, default=None)
    returned_at = Timestamptz(null=True, default=None)
    issued_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    returned_to = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    source = Text(null=False, default=None)


class UniformSighting(Table, db=DB):
    """That somebody was seen in uniform or with insignia off duty. Constraints: fujing_0052_uniforms_and_cases.sql."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    seen_at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
