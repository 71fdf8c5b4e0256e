"""Who asks: the access token is read, then the session is looked up, on every request that is not public.

A desk session comes by its cookie; beside an Authorization header no cookie counts.
A route is public by `opt={"public": True}`, never by a pattern on its path.
"""

from datetime import UTC, datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from backend.people.sessions import actor_of
from backend.refusals import Refusal
from mobile_api import cookies

PUBLIC = {"public": True}


class SessionMiddleware(AbstractAuthenticationMiddleware):
    """Puts the Actor into `request.user`. Raises Refusal 401 with what to do."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        secret = cookies.secret_of(connection)
        if secret is not None:
            return AuthenticationResult(user=await cookies.actor_of(connection, secret), auth=None)
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal("token_missing")
        claims = connection.app.state.tokens.read(token, datetime.now(UTC))
        return AuthenticationResult(user=await actor_of(claims.session), auth=claims)
