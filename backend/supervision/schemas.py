"""Naming a leading officer, and their answers, on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import BeganAt, DevicePlace, EndedAt, InForce, LeadingOfficerId, LedAuxiliaryId
from backend.core.wire import WHOLE, Entry, Moment, Receipt

SupervisionId = Annotated[UUID, msgspec.Meta(description="id of the supervision: that of the entry which named")]
LeadsFrom = Annotated[
    Moment | None, msgspec.Meta(description="start of the confirmed leading, in corrected time; null: not confirmed")
]
Answer = Annotated[
    Literal["confirmed", "declined"] | None,
    msgspec.Meta(description="the officer's answer: confirmed 确认, declined 否认; null: no answer yet"),
]


class NameOfficer(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary names the officer who leads from now on; an earlier naming ends. Its id is the supervision's id."""

    officer: LeadingOfficerId
    place: DevicePlace = None


class ConfirmLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The named officer confirms. The leading begins at the naming, or at `leads_from` if that is later."""

    supervision: SupervisionId
    leads_from: Annotated[
        Moment | None,
        msgspec.Meta(
            description="when the leading began, by the device's clock; not before the naming, not ahead; "
            "null: at the naming"
        ),
    ] = None
    place: DevicePlace = None


class ProveLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Submit a confirmation that was made without a network: the officer's device signed the naming with its key.

    The auxiliary or the officer may submit it. It counts as the officer's own confirmation.
    """

    supervision: SupervisionId
    signature: Annotated[
        str,
        msgspec.Meta(
            max_length=2000,
            pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+" + WHOLE,
            description="compact JWS (ES256, `typ` fujing-leading+jwt, `kid` the key's thumbprint) over the claims "
            "`naming`, `auxiliary`, `officer`, `occurred_at` (of the naming) and `sid` (the officer's session)",
        ),
    ]
    place: DevicePlace = None


class DeclineLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The named officer says that they do not lead."""

    supervision: SupervisionId


class EndLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The officer or the auxiliary ends the leading."""

    supervision: SupervisionId


class HandOverLeading(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The leading officer hands over to another, who confirms. Its id is the new supervision's id."""

    supervision: SupervisionId
    officer: Annotated[UUID, msgspec.Meta(description="id of the officer who leads from now on")]


class SupervisionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A naming as it stands."""

    id: SupervisionId
    auxiliary: LedAuxiliaryId
    officer: Annotated[UUID, msgspec.Meta(description="id of the officer named")]
    started_at: BeganAt
    ended_at: EndedAt
    in_force: InForce
    answer: Answer
    leads_from: LeadsFrom


class SupervisionReceipt(Receipt, kw_only=True):
    """The answer to each verb of a supervision."""

    supervision: Annotated[SupervisionStanding, msgspec.Meta(description="the naming as it stands now")]
