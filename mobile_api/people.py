"""Who am I."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get

from backend.people import directory


class OrganName(msgspec.Struct, frozen=True):
    """An organ (公安机关) by code and name."""

    code: str
    name: str


class RoleOn(msgspec.Struct, frozen=True):
    """A role on an organ and all below it."""

    role: str
    organ: str


class Qualified(msgspec.Struct, frozen=True):
    """A qualification and its validity; both days included."""

    code: str
    valid_from: date
    valid_until: date | None


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The person of this session."""

    id: UUID
    badge: str
    name: str
    kind: str
    organ: OrganName
    roles: list[RoleOn]
    qualifications: list[Qualified]
    device: UUID | None


@get("/me", summary="Who am I · 本人信息", tags=["Sessions · 会话"], operation_id="me")
async def me(request: Request[Any, Any, Any]) -> Me:
    """The person of this session, with organ, roles and qualifications."""
    return msgspec.convert(await directory.me(request.user), Me)


ROUTES = [me]
