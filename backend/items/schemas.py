"""Things handed out, on the wire."""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.wire import WHOLE, Entry, Moment, Receipt, Words

KIND = r"^[a-z_]{1,40}" + WHOLE
SERIAL = r"^[0-9A-Za-z\u4e00-\u9fff〔〕._-]{1,40}" + WHOLE
ItemKindCode = Annotated[
    str,
    msgspec.Meta(
        pattern=KIND,
        description="kind of thing, one of `items` in `GET /v1/duty/works`: recorder 执法记录仪, handheld 手持终端, "
        "uniform 制服, insignia 标识, id 工作证件",
    ),
]
ItemSerial = Annotated[
    str,
    msgspec.Meta(
        pattern=SERIAL,
        description="its number: letters, digits, Chinese characters, 〔 〕 . _ -; capital and small letters are one",
    ),
]
ItemId = Annotated[UUID, msgspec.Meta(description="id of this handing out: that of the entry `items/issue`")]
HolderId = Annotated[UUID, msgspec.Meta(description="id of the person who has or had it")]
IssuedAt = Annotated[Moment, msgspec.Meta(description="since when the person has it")]
ReturnedAt = Annotated[Moment | None, msgspec.Meta(description="when it was given back; null: they still have it")]


class IssueItem(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Hand a thing out to a person (领用). Its id is the id of this handing out."""

    kind: ItemKindCode
    serial: ItemSerial
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary or officer who gets it")]
    issued_at: Annotated[Moment | None, msgspec.Meta(description="when it was handed out, if earlier; null: now")] = (
        None
    )


class ReturnItem(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Take a thing back from a person (归还)."""

    item: ItemId
    returned_at: Annotated[Moment | None, msgspec.Meta(description="when it was given back, if earlier; null: now")] = (
        None
    )


SightingId = Annotated[UUID, msgspec.Meta(description="id of the sighting: that of the entry `uniforms/report`")]
SeenAt = Annotated[Moment, msgspec.Meta(description="when the person was seen, in corrected time")]


class ReportUniform(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Report that somebody wore the uniform or the insignia while off duty (R.32). Its id is that of the sighting."""

    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who was seen")]
    seen_at: Annotated[Moment, msgspec.Meta(description="when they were seen")]
    words: Annotated[Words, msgspec.Meta(description="where they were seen, and in what")]


class SightingStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A sighting, as it stands."""

    id: SightingId
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who was seen")]
    seen_at: SeenAt


class SightingReceipt(Receipt, kw_only=True):
    """The answer to reporting a uniform off duty."""

    sighting: Annotated[SightingStanding, msgspec.Meta(description="the sighting as it stands now")]


class ItemStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A thing handed out, as it stands."""

    id: ItemId
    kind: ItemKindCode
    person: HolderId
    issued_at: IssuedAt
    returned_at: ReturnedAt


class ItemReceipt(Receipt, kw_only=True):
    """The answer to issuing and returning."""

    item: Annotated[ItemStanding, msgspec.Meta(description="the thing as it stands now")]
