"""Who am I, and who has this badge number."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get

from backend.people import directory
from mobile_api.cookies import OWN_ACCOUNT


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


class Somebody(msgspec.Struct, frozen=True, kw_only=True):
    """A person by badge number: what a phone needs to name the leading officer, and a docking station the wearer."""

    id: UUID
    badge: str
    name: str
    kind: str
    organ: str


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


@get("/me", opt=OWN_ACCOUNT, summary="Who am I · 本人信息", tags=["Sessions · 会话"], operation_id="me")
async def me(request: Request[Any, Any, Any]) -> Me:
    """The person of this session, with organ, roles and qualifications."""
    return msgspec.convert(await directory.me(request.user), Me)


@get("/people/{badge:str}", summary="Who has this badge · 按警号查询", tags=["People · 人员"], operation_id="person")
async def person(request: Request[Any, Any, Any], badge: str) -> Somebody:
    """An officer in service, oneself, or for a docking station whoever serves under its organ."""
    return Somebody(**await directory.person(request.user, badge))


ROUTES = [me, person]
