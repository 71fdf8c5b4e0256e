"""Signing in at a desk, and the second factor for inspectors and administrators."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post

from backend.core.described import PasswordChangeNeeded, SentAt
from backend.core.examples import SENT_AT
from backend.core.refusals import Refusal
from backend.law.catalogue import law
from backend.people import browsers, desk, factor
from backend.people.desk import SecondFactorStatus
from backend.people.factor import NewFactor
from mobile_api import cookies
from mobile_api.auth import FIRST_PASSWORD, PUBLIC
from mobile_api.bodies import read, takes
from mobile_api.cookies import OWN_ACCOUNT
from mobile_api.printing import factor_page
from mobile_api.problems import refuses
from mobile_api.routes.people import Me, account_of
from mobile_api.routes.sessions import BODY_LIMIT, NO_STORE, Badge, Code, Password, address_of

TAGS = ["Desk · 桌面"]


class DeskSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A badge number and a password; and the code, where the person has a second factor."""

    sent_at: SentAt
    badge: Badge
    password: Password
    code: Code | None = None


class DeskOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A session at a desk. Its cookie is set by the same answer; every call that is no GET sends the CSRF token."""

    csrf_token: Annotated[
        str, msgspec.Meta(description="for the X-CSRF-Token header of every call that is neither GET nor HEAD")
    ]
    person: Annotated[Me, msgspec.Meta(description="who is signed in")]
    second_factor: Annotated[
        SecondFactorStatus,
        msgspec.Meta(
            description="given: signed in with it; not_needed: this person needs none; to_set_up: set one up first, "
            "nothing else is allowed"
        ),
    ]
    idle_seconds: Annotated[int, msgspec.Meta(description="the session ends after so many seconds without a call")]
    session_ends_at: Annotated[datetime, msgspec.Meta(description="when the session ends in any case")]
    password_change_needed: PasswordChangeNeeded = False


class FactorToSetUp(NewFactor, frozen=True):
    """A secret for the authenticator app, and a page that shows it. It is shown this once."""

    page: Annotated[
        str, msgspec.Meta(description="key and QR code as an HTML page for a frame or a new tab; it loads nothing")
    ]


class FactorBegin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password once more, so that nobody sets up a factor at a desk that was left alone."""

    sent_at: SentAt
    password: Password


class FactorConfirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first code that the authenticator app shows."""

    sent_at: SentAt
    code: Code


class FactorReset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a reset: nothing but the time."""

    sent_at: SentAt


@post(
    "/desk/sessions",
    opt=PUBLIC
    | takes(DeskSignIn, {"sent_at": SENT_AT, "badge": "P2001", "password": "…", "code": "492039"})
    | refuses(
        "sign_in_refused",
        "too_many_attempts",
        "code_needed",
        "code_refused",
        "not_for_your_role",
        "csrf_refused",
        "https_needed",
    ),
    summary="Sign in at a desk · 桌面登录",
    tags=TAGS,
    operation_id="desk_open",
    request_max_body_size=BODY_LIMIT,
)
async def sign_in(request: Request[Any, Any, Any]) -> Response[DeskOpened]:
    """Open a session without a device, in an httpOnly cookie. Over plain HTTP it is allowed on this machine alone.

    Field entries need a device; reading and decisions do not."""
    data = await read(request, DeskSignIn)
    cookies.require_own_origin(request)
    cookies.session_cookie(request, "")
    keys, now, browser = request.app.state.key_rings, datetime.now(UTC), cookies.browser_of(request)
    secret, opened = await desk.sign_in(
        keys, data.badge, data.password, data.code, address_of(request), now, cookies.secret_of(request),
        browsers.familiar(keys, browser, data.badge, now),
    )  # fmt: skip
    known = browsers.remembered(keys, browser, data.badge, now)
    both = [cookies.session_cookie(request, secret), cookies.kept_browser(request, known)]
    return Response(await _opened(opened, secret), headers=NO_STORE, cookies=both)


@get(
    "/desk/sessions/current",
    opt=OWN_ACCOUNT | FIRST_PASSWORD | refuses("not_found"),
    summary="This desk session · 当前会话",
    tags=TAGS,
    operation_id="desk_session",
)
async def current(request: Request[Any, Any, Any]) -> Response[DeskOpened]:
    """This desk session again, for a page that was loaded anew or another tab. 404 for a session of a device."""
    secret = cookies.secret_of(request)
    if secret is None:
        raise Refusal("not_found")
    return Response(await _opened(await desk.open_session(secret), secret), headers=NO_STORE)


async def _opened(session: desk.AtDesk, secret: str) -> DeskOpened:
    return DeskOpened(
        csrf_token=cookies.csrf_token(secret),
        person=await account_of(session.actor),
        second_factor=session.second_factor,
        idle_seconds=int(law().span("desk_idle").total_seconds()),
        session_ends_at=session.ends_at,
        password_change_needed=session.actor.must_change_password,
    )


@post(
    "/me/totp",
    opt=OWN_ACCOUNT
    | takes(FactorBegin, {"sent_at": SENT_AT, "password": "…"})
    | refuses("too_many_requests", "sign_in_refused", "too_many_attempts", "factor_stands"),
    summary="Begin a second factor · 设置第二因素",
    tags=TAGS,
    operation_id="me_totp",
    request_max_body_size=BODY_LIMIT,
)
async def begin(request: Request[Any, Any, Any]) -> Response[FactorToSetUp]:
    """A new secret for an authenticator app, as address, QR code and page. It counts once it is confirmed."""
    data = await read(request, FactorBegin)
    new = await factor.begin(request.app.state.key_rings, request.user, data.password, datetime.now(UTC))
    page = factor_page(request.user.badge, new.otpauth_uri, new.qr_svg)
    return Response(FactorToSetUp(new.otpauth_uri, new.qr_svg, page), headers=NO_STORE)


@post(
    "/me/totp/confirm",
    opt=OWN_ACCOUNT
    | takes(FactorConfirm, {"sent_at": SENT_AT, "code": "492039"})
    | refuses("too_many_attempts", "no_factor_begun", "factor_stands", "code_refused"),
    status_code=204,
    summary="Confirm the second factor · 确认第二因素",
    tags=TAGS,
    operation_id="me_totp_confirm",
    request_max_body_size=BODY_LIMIT,
)
async def confirm(request: Request[Any, Any, Any]) -> None:
    """Confirm with the first code. From now on each sign-in at a desk asks for a code; your other desk sessions end."""
    data = await read(request, FactorConfirm)
    await factor.confirm(request.app.state.key_rings, request.user, data.code, datetime.now(UTC))


@post(
    "/people/{badge:str}/totp/reset",
    opt=takes(FactorReset, {"sent_at": SENT_AT}) | refuses("not_for_your_role", "own_matter", "unknown_person"),
    status_code=204,
    summary="Reset a second factor · 重置第二因素",
    tags=TAGS,
    operation_id="person_totp_reset",
    request_max_body_size=BODY_LIMIT,
)
async def reset(request: Request[Any, Any, Any], badge: str) -> None:
    """Remove a person's second factor; they set up another one. For administrators of that person's organ, never for
    their own."""
    await read(request, FactorReset)
    await factor.reset(request.user, badge, datetime.now(UTC))


ROUTES = [sign_in, current, begin, confirm, reset]
