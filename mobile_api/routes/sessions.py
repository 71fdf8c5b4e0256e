"""Signing in, refreshing, signing out, one's own password."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, post

from backend.core.wire import WHOLE, Moment
from backend.people import sessions
from backend.people.sessions import Tokens
from mobile_api.auth import PUBLIC, QUARANTINED, read_proof
from mobile_api.bodies import read, takes
from mobile_api.cookies import OWN_ACCOUNT, forgotten

TAGS = ["Sessions · 会话"]
BODY_LIMIT = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Badge = Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9-]+" + WHOLE)]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A badge number and a password; the device is known by the key of its proof."""

    sent_at: Moment
    badge: Badge
    password: Secret


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The refresh token; the answer's is the next one. Sent twice, the answer is the same until the next is used."""

    sent_at: Moment
    refresh_token: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One's own password, old and new; every other session ends."""

    sent_at: Moment
    current: Secret
    new: Secret


def address_of(request: Request[Any, Any, Any]) -> str:
    """Where a request comes from; behind a trusted proxy, what that proxy added last."""
    if request.app.state.settings.trust_proxy:
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:64]
    return request.client.host if request.client else "unknown"


@post(
    "/sessions", opt=PUBLIC | takes(SignIn), summary="Sign in · 登录", tags=TAGS, operation_id="sessions_open",
    request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def sign_in(request: Request[Any, Any, Any]) -> Response[Tokens]:
    """Open a session with badge number and password on an enrolled device. Too many failures, by account or address,
    are 429."""
    proof = read_proof(request, missing="device_key_required")
    data = await read(request, SignIn)
    tokens = await sessions.sign_in(
        request.app.state.key_rings, proof, data.badge, data.password, address_of(request), datetime.now(UTC)
    )
    return Response(tokens, headers=NO_STORE)


@post(
    "/sessions/refresh", opt=PUBLIC | takes(Refresh), status_code=200, summary="Next tokens · 刷新令牌", tags=TAGS,
    operation_id="sessions_refresh", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def refresh(request: Request[Any, Any, Any]) -> Response[Tokens]:
    """Spend a refresh token, with a proof by the device's key. One that was spent before, or another key, ends the
    session."""
    proof = read_proof(request)
    data = await read(request, Refresh)
    tokens = await sessions.refresh(request.app.state.key_rings, proof, data.refresh_token, datetime.now(UTC))
    return Response(tokens, headers=NO_STORE)


@delete(
    "/sessions/current",
    opt=QUARANTINED | OWN_ACCOUNT,
    summary="Sign out · 退出",
    tags=TAGS,
    operation_id="sessions_close",
)
async def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
    """End this session at once, on every server."""
    await sessions.sign_out(request.user, datetime.now(UTC))
    return Response(None, status_code=204, cookies=forgotten(request))


@post(
    "/me/password", opt=OWN_ACCOUNT | takes(NewPassword), status_code=204, summary="Change one's password · 修改口令",
    tags=TAGS, operation_id="me_password", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def change_password(request: Request[Any, Any, Any]) -> None:
    """Set one's own password; every other session ends."""
    data = await read(request, NewPassword)
    await sessions.change_password(request.user, data.current, data.new, datetime.now(UTC))


ROUTES = [sign_in, refresh, sign_out, change_password]
