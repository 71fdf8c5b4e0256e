"""Naming and leading on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import WHOLE, Entry, Moment, Place, Receipt


class NameOfficer(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary names the officer who leads from now on; an earlier naming ends. Its id is the supervision's id."""

    officer: UUID
    place: Place | None = None


class ConfirmLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The named officer confirms: leading runs from the naming, or from `leads_from` where that is later."""

    supervision: UUID
    leads_from: (
        Annotated[Moment, msgspec.Meta(description="by the device's clock; not before the naming, not ahead")] | None
    ) = None
    place: Place | None = None


class ProveLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Without a network the officer confirmed by signing the naming with the key of the device they were signed in on.

    Either of the two brings it home; it counts as the officer's own confirmation.
    """

    supervision: UUID
    signature: Annotated[
        str,
        msgspec.Meta(
            max_length=2000,
            pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+" + WHOLE,
            description="a compact JWS (ES256, `typ` fujing-leading+jwt, `kid` the key's thumbprint) over `naming`, "
            "`auxiliary`, `officer`, `occurred_at` of the naming and `sid`, the officer's session",
        ),
    ]
    place: Place | None = None


class DeclineLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The named officer says that they do not lead."""

    supervision: UUID


class EndLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The officer or the auxiliary ends the leading."""

    supervision: UUID


class HandOverLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The leading officer hands over to another, who confirms. Its id is the new supervision's id."""

    supervision: UUID
    officer: UUID


class SupervisionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A naming as it stands; `answer` is null while the officer has not answered."""

    id: UUID
    auxiliary: UUID
    officer: UUID
    started_at: Moment
    ended_at: Moment | None
    in_force: bool
    answer: Literal["confirmed", "declined"] | None
    leads_from: Moment | None


class SupervisionReceipt(Receipt, kw_only=True):
    """The answer to each verb of a supervision."""

    supervision: SupervisionStanding
