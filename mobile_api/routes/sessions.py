"""Signing in on a device, refreshing, signing out, changing the password."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, post

from backend.core.described import SentAt
from backend.core.examples import SENT_AT
from backend.core.wire import WHOLE
from backend.people import factor, sessions
from backend.people.sessions import Tokens
from mobile_api.auth import BY_KEY, FIRST_PASSWORD, QUARANTINED, read_proof
from mobile_api.bodies import read, takes
from mobile_api.cookies import OWN_ACCOUNT, expired_cookies
from mobile_api.problems import refuses

TAGS = ["Sessions · 会话"]
BODY_LIMIT = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Password = Annotated[Secret, msgspec.Meta(description="the person's password; never logged")]
Badge = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9-]+" + WHOLE, description="your badge number"),
]
NOT_A_PROOF = ("proof_invalid", "proof_elsewhere", "proof_replayed", "use_dpop_nonce")

Code = Annotated[
    str,
    msgspec.Meta(
        max_length=24,
        pattern="^([ \u00a0\u3000-]*[0-9０-９]){6}[ \u00a0\u3000-]*" + WHOLE,
        description="the six digits that the authenticator app shows; each code is accepted once. Spaces, dashes and "
        "full-width digits do not matter",
    ),
]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A badge number and a password; the device is known by the key of its proof. `code`: what weighs most asks for it,
    and it may be given later."""

    sent_at: SentAt
    badge: Badge
    password: Password
    code: Code | None = None


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refresh token; the answer holds the next one. Sent twice, the answer is the same until the next one is used."""

    sent_at: SentAt
    refresh_token: Annotated[
        str, msgspec.Meta(min_length=1, max_length=400, description="the refresh token of the last answer")
    ]


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Your password, old and new."""

    sent_at: SentAt
    current: Annotated[Secret, msgspec.Meta(description="the password until now")]
    new: Annotated[Secret, msgspec.Meta(description="the password from now on, ten characters or more")]


def address_of(request: Request[Any, Any, Any]) -> str:
    """The client's address; behind a trusted proxy, the last one in X-Forwarded-For."""
    if request.app.state.settings.trust_proxy:
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:64]
    return request.client.host if request.client else "unknown"


@post(
    "/sessions",
    opt=BY_KEY
    | takes(SignIn, {"sent_at": SENT_AT, "badge": "FJ1001", "password": "…"})
    | refuses(
        "device_key_required", *NOT_A_PROOF, "device_revoked", "sign_in_refused", "too_many_attempts", "code_refused"
    ),
    summary="Sign in · 登录",
    tags=TAGS,
    operation_id="sessions_open",
    request_max_body_size=BODY_LIMIT,
)
async def sign_in(request: Request[Any, Any, Any]) -> Response[Tokens]:
    """Open a session with badge number and password on an enrolled device. Too many failures of an account or an
    address are answered 429."""
    proof = read_proof(request, missing="device_key_required")
    data = await read(request, SignIn)
    tokens = await sessions.sign_in(
        request.app.state.key_rings, proof, data.badge, data.password, address_of(request), datetime.now(UTC),
        data.code,
    )  # fmt: skip
    return Response(tokens, headers=NO_STORE)


@post(
    "/sessions/refresh",
    opt=BY_KEY
    | takes(Refresh, {"sent_at": SENT_AT, "refresh_token": "refresh-20260301T000000000000-1a2b3c.….1.…"})
    | refuses("token_invalid", "session_ended", "token_reused", "proof_missing", *NOT_A_PROOF),
    status_code=200,
    summary="Next tokens · 刷新令牌",
    tags=TAGS,
    operation_id="sessions_refresh",
    request_max_body_size=BODY_LIMIT,
)
async def refresh(request: Request[Any, Any, Any]) -> Response[Tokens]:
    """Exchange a refresh token for new tokens, with a proof by the device's key.

    A token that was exchanged before, or a proof by another key, ends the session."""
    proof = read_proof(request)
    data = await read(request, Refresh)
    tokens = await sessions.refresh(request.app.state.key_rings, proof, data.refresh_token, datetime.now(UTC))
    return Response(tokens, headers=NO_STORE)


class GivenCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code of the second factor, in a session that is open."""

    sent_at: SentAt
    code: Code


@post(
    "/sessions/current/code",
    opt=OWN_ACCOUNT
    | takes(GivenCode, {"sent_at": SENT_AT, "code": "492039"})
    | refuses("too_many_requests", "too_many_attempts", "no_factor", "code_refused"),
    status_code=204,
    summary="Give the second factor · 验证第二因素",
    tags=TAGS,
    operation_id="sessions_code",
    request_max_body_size=BODY_LIMIT,
)
async def give_code(request: Request[Any, Any, Any]) -> None:
    """Give the code of your authenticator: for twelve hours this session may do what asks for it."""
    data = await read(request, GivenCode)
    await factor.give(request.app.state.key_rings, request.user, data.code, datetime.now(UTC))


@delete(
    "/sessions/current",
    opt=QUARANTINED | OWN_ACCOUNT | FIRST_PASSWORD,
    summary="Sign out · 退出",
    tags=TAGS,
    operation_id="sessions_close",
)
async def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
    """End this session at once, on every server."""
    await sessions.sign_out(request.user, datetime.now(UTC))
    return Response(None, status_code=204, cookies=expired_cookies(request))


@post(
    "/me/password",
    opt=OWN_ACCOUNT
    | FIRST_PASSWORD
    | takes(NewPassword, {"sent_at": SENT_AT, "current": "…", "new": "……………………………"})
    | refuses("sign_in_refused", "too_many_attempts", "password_too_short", "password_unchanged"),
    status_code=204,
    summary="Change your password · 修改口令",
    tags=TAGS,
    operation_id="me_password",
    request_max_body_size=BODY_LIMIT,
)
async def change_password(request: Request[Any, Any, Any]) -> None:
    """Change your own password. Your other sessions end. Whoever has a first password does this before anything else:
    until then every other call is 403 `password_change_needed`."""
    data = await read(request, NewPassword)
    await sessions.change_password(request.user, data.current, data.new, datetime.now(UTC))


ROUTES = [sign_in, refresh, give_code, sign_out, change_password]
