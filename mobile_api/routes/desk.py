"""Signing in at a desk, and the second factor of inspectors and administrators."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post

from backend.core.refusals import Refusal
from backend.core.wire import WHOLE, Moment
from backend.law.catalogue import law
from backend.people import desk, directory, factor
from backend.people.desk import SecondFactorStatus
from backend.people.factor import NewFactor
from mobile_api import cookies
from mobile_api.auth import PUBLIC
from mobile_api.bodies import read, takes
from mobile_api.cookies import OWN_ACCOUNT
from mobile_api.routes.people import Me
from mobile_api.routes.sessions import BODY_LIMIT, NO_STORE, Badge, Secret, address_of

TAGS = ["Desk · 桌面"]
Code = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{6}" + WHOLE, description="of the authenticator app: six digits, taken once")
]


class DeskSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A badge number and a password, and whoever has a second factor its code."""

    sent_at: Moment
    badge: Badge
    password: Secret
    code: Code | None = None


class DeskOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A session at a desk. The cookie came beside it; every call that is no GET sends `csrf_token` in X-CSRF-Token."""

    csrf_token: str
    person: Annotated[Me, msgspec.Meta(description="who is signed in")]
    second_factor: SecondFactorStatus
    idle_seconds: int
    session_ends_at: datetime


class FactorBegin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password once more: a desk that was left alone sets up nothing."""

    sent_at: Moment
    password: Secret


class FactorConfirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first code that the authenticator app shows."""

    sent_at: Moment
    code: Code


class FactorReset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing but the time."""

    sent_at: Moment


@post(
    "/desk/sessions", opt=PUBLIC | takes(DeskSignIn), summary="Sign in at a desk · 桌面登录", tags=TAGS,
    operation_id="desk_open", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def sign_in(request: Request[Any, Any, Any]) -> Response[DeskOpened]:
    """Open a session without a device, in an httpOnly cookie. Field entries need a device; decisions and reading
    don't. Over plain HTTP from another machine it is refused."""
    data = await read(request, DeskSignIn)
    cookies.from_here(request)
    cookies.kept(request, "")
    secret, opened = await desk.sign_in(
        request.app.state.key_rings, data.badge, data.password, data.code, address_of(request), datetime.now(UTC),
        cookies.secret_of(request),
    )  # fmt: skip
    return Response(await _told(opened, secret), headers=NO_STORE, cookies=[cookies.kept(request, secret)])


@get(
    "/desk/sessions/current",
    opt=OWN_ACCOUNT,
    summary="This desk session · 当前会话",
    tags=TAGS,
    operation_id="desk_session",
)
async def current(request: Request[Any, Any, Any]) -> Response[DeskOpened]:
    """The same again, for a page that was loaded anew or another tab. 404 for a session that is no desk's."""
    secret = cookies.secret_of(request)
    if secret is None:
        raise Refusal("not_found")
    return Response(await _told(await desk.open_session(secret), secret), headers=NO_STORE)


async def _told(session: desk.AtDesk, secret: str) -> DeskOpened:
    return DeskOpened(
        csrf_token=cookies.csrf_token(secret),
        person=msgspec.convert(await directory.me(session.actor), Me),
        second_factor=session.second_factor,
        idle_seconds=int(law().span("desk_idle").total_seconds()),
        session_ends_at=session.ends_at,
    )


@post(
    "/me/totp", opt=OWN_ACCOUNT | takes(FactorBegin), summary="Begin a second factor · 设置第二因素", tags=TAGS,
    operation_id="me_totp", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def begin(request: Request[Any, Any, Any]) -> Response[NewFactor]:
    """A new secret for an authenticator app, as address and QR code; it counts once it is confirmed."""
    data = await read(request, FactorBegin)
    told = await factor.begin(request.app.state.key_rings, request.user, data.password, datetime.now(UTC))
    return Response(told, headers=NO_STORE)


@post(
    "/me/totp/confirm", opt=OWN_ACCOUNT | takes(FactorConfirm), status_code=204,
    summary="Confirm the second factor · 确认第二因素", tags=TAGS, operation_id="me_totp_confirm",
    request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def confirm(request: Request[Any, Any, Any]) -> None:
    """The first code. From now on every sign-in at a desk asks for one; one's other desk sessions end."""
    data = await read(request, FactorConfirm)
    await factor.confirm(request.app.state.key_rings, request.user, data.code, datetime.now(UTC))


@post(
    "/people/{badge:str}/totp/reset", opt=takes(FactorReset), status_code=204,
    summary="Reset a second factor · 重置第二因素", tags=TAGS, operation_id="person_totp_reset",
    request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def reset(request: Request[Any, Any, Any], badge: str) -> None:
    """For an administrator over that person's organ, and never their own: the person sets up another one."""
    await read(request, FactorReset)
    await factor.reset(request.user, badge, datetime.now(UTC))


ROUTES = [sign_in, current, begin, confirm, reset]
