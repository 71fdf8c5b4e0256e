"""Reading about oneself, listing people and organs, and looking up a badge number."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from backend.core import described
from backend.core.described import Badge, KindOfPerson, OrganCode, PersonId, PersonName, RoleName
from backend.core.paging import Page, page_limit
from backend.core.verb import Actor
from backend.core.wire import WHOLE
from backend.items.reads import ItemInHand, in_hand
from backend.people import directory, lists
from backend.people.lists import OrganRow, PeopleFilter, PersonRow, Serving
from backend.people.schemas import RoleKind
from mobile_api.cookies import OWN_ACCOUNT
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit, Under
from mobile_api.problems import refuses


class OrganName(msgspec.Struct, frozen=True):
    """An organ (公安机关) by code and name."""

    code: OrganCode
    name: described.OrganName


class RoleOn(msgspec.Struct, frozen=True):
    """A role on an organ and all below it."""

    role: RoleName
    organ: OrganCode


class Qualified(msgspec.Struct, frozen=True):
    """A qualification and its validity."""

    code: Annotated[str, msgspec.Meta(description="code of the qualification, such as pre_job_training")]
    valid_from: Annotated[date, msgspec.Meta(description="first day on which it is valid")]
    valid_until: Annotated[date | None, msgspec.Meta(description="last day on which it is valid; null: no end")]


class Somebody(msgspec.Struct, frozen=True, kw_only=True):
    """A person found by badge number: a phone names the leading officer by it, a docking station the wearer."""

    id: PersonId
    badge: Badge
    name: PersonName
    kind: KindOfPerson
    organ: OrganCode


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The person of this session."""

    id: PersonId
    badge: Badge
    name: PersonName
    kind: KindOfPerson
    organ: Annotated[OrganName, msgspec.Meta(description="the organ in which the person serves")]
    roles: Annotated[list[RoleOn], msgspec.Meta(description="roles held now, each on an organ and all below it")]
    qualifications: Annotated[list[Qualified], msgspec.Meta(description="qualifications, also those that ran out")]
    items: Annotated[list[ItemInHand], msgspec.Meta(description="things that were handed out to the person (领用)")]
    device: Annotated[UUID | None, msgspec.Meta(description="id of this session's device; null at a desk")]


@get("/me", opt=OWN_ACCOUNT, summary="Who am I · 本人信息", tags=["Sessions · 会话"], operation_id="me")
async def me(request: Request[Any, Any, Any]) -> Me:
    """The person of this session, with organ, roles, qualifications and the things in their hands."""
    return await account_of(request.user)


async def account_of(actor: Actor) -> Me:
    """The person of a session as `GET /v1/me` tells it."""
    return msgspec.convert(await directory.me(actor) | {"items": await in_hand(actor)}, Me, from_attributes=True)


@get(
    "/people/{badge:str}", summary="Who has this badge · 按警号查询", tags=["People · 人员"], operation_id="person",
    opt=refuses("unknown_person"),
)  # fmt: skip
async def person(
    request: Request[Any, Any, Any],
    badge: str,
    at: Annotated[
        datetime | None,
        QueryParameter(name="at", description="of a docking station: whose badge it was then, such as when it filmed"),
    ] = None,
) -> Somebody:
    """An officer in service, or yourself; in the organs that you oversee or administer, everybody who serves or served
    there. A docking station finds everybody who serves in its organ or below, and for a while those who left it."""
    return Somebody(**await directory.person(request.user, badge, at))


@listing("/people", summary="People · 人员列表", tags=["People · 人员"], operation_id="people")
async def people(
    request: Request[Any, Any, Any],
    q: Annotated[
        str | None,
        QueryParameter(
            name="q",
            min_length=1,
            max_length=120,
            description="part of the name, initials of the name in pinyin (林思: ls), or the beginning of the badge",
        ),
    ] = None,
    organ: Under = None,
    kind: Annotated[
        KindOfPerson | None,
        QueryParameter(name="kind", description="kind of person: officer, staff, dock, or one of the law"),
    ] = None,
    role: Annotated[
        RoleKind | None, QueryParameter(name="role", description="who has this role today, in your organs")
    ] = None,
    on_duty: Annotated[
        bool | None, QueryParameter(name="on_duty", description="true: on duty now 在岗; false: not on duty")
    ] = None,
    serving: Annotated[
        Serving, QueryParameter(name="serving", description="today: who serves today; all: who left or moved too")
    ] = "today",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[PersonRow]:
    """People by badge number: of the organs that you oversee or administer, everybody; else yourself, and an officer in
    service by the whole badge number."""
    wanted = PeopleFilter(q=q, organ=organ, kind=kind, role=role, on_duty=on_duty, serving=serving)
    return await lists.people(request.user, wanted, cursor, page_limit(limit))


@listing("/organs", summary="Organs · 单位列表", tags=["People · 人员"], operation_id="organs")
async def organs(
    request: Request[Any, Any, Any],
    cursor: Annotated[
        str | None,
        QueryParameter(name="cursor", pattern=r"^[0-9]{12}" + WHOLE, description="`next` of the previous page"),
    ] = None,
    limit: Limit = None,
) -> Page[OrganRow]:
    """The tree of organs, by code: your own with all above it, and all below your roles."""
    return await lists.organs(request.user, cursor, page_limit(limit))


ROUTES = [me, people, organs, person]
