"""The cookie of a desk session, and what a browser must show beside it.

Guarantees: over HTTPS only the `__Host-` cookie is set and read, so neither a sibling host nor plain HTTP can put one
there; over plain HTTP one is set and read on this machine's own loopback alone, under another name; a page elsewhere
can make the browser neither write nor read. See docs/adr/0016.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.people import desk

Connection = ASGIConnection[Any, Any, Any, Any]
SECURE, PLAIN = "__Host-fujing", "fujing"
CSRF_HEADER = "X-CSRF-Token"
OWN_ACCOUNT = {"own_account": True}  # handlers open to whoever's desk session stands, whatever it may not do besides
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
READS = {"GET", "HEAD", "OPTIONS"}
FROM_HERE = {"same-origin", "none"}  # `same-site` is a sibling host, and a stranger


def csrf_token(secret: str) -> str:
    """Derived from the cookie's secret: the same for every tab, no use without the cookie, and kept nowhere."""
    return hmac.digest(secret.encode(), b"fujing csrf", hashlib.sha256).hex()


def secret_of(connection: Connection) -> str | None:
    """The secret in the cookie that counts on this connection; beside an Authorization header none does."""
    name = _name(connection)
    return None if name is None or "authorization" in connection.headers else connection.cookies.get(name)


def kept(connection: Connection, secret: str) -> Cookie:
    """The cookie to set. Raises Refusal `https_needed`."""
    name = _name(connection)
    if name is None:
        raise Refusal("https_needed")
    return Cookie(key=name, value=secret, path="/", httponly=True, secure=name == SECURE, samesite="strict")


def forgotten(connection: Connection) -> list[Cookie]:
    """The cookie to take back, where one counted."""
    if secret_of(connection) is None:
        return []
    cookie = kept(connection, "")
    cookie.max_age = 0
    return [cookie]


def from_here(connection: Connection) -> None:
    """What a browser says about who asks, where it says it. Raises Refusal `csrf_refused`."""
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None and site not in FROM_HERE:
        raise Refusal("csrf_refused")
    if origin is not None and origin.lower() != f"{_scheme(connection)}://{connection.headers.get('host', '')}".lower():
        raise Refusal("csrf_refused")


async def actor_of(connection: Connection, secret: str) -> Actor:
    """Who acts by this cookie. Raises Refusal `csrf_refused`, and what `desk.acting` raises."""
    from_here(connection)
    scope: Any = connection.scope
    reads = scope["method"] in READS
    shown = connection.headers.get(CSRF_HEADER, "")
    if not reads and not hmac.compare_digest(shown.encode(), csrf_token(secret).encode()):
        raise Refusal("csrf_refused")
    own = bool(scope["route_handler"].opt.get("own_account"))
    return await desk.acting(secret, reads=reads, own_account=own)


def _scheme(connection: Connection) -> str:
    """As the browser sees it; behind a trusted proxy, what that proxy added last."""
    if connection.app.state.settings.trust_proxy:
        forwarded = connection.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if forwarded:
            return forwarded
    return str(connection.scope["scheme"])


def _name(connection: Connection) -> str | None:
    """None over plain HTTP from elsewhere: whoever listens there would have the session."""
    if _scheme(connection) == "https":
        return SECURE
    try:
        host = urlsplit(f"//{connection.headers.get('host', '')}").hostname
    except ValueError:
        return None
    return PLAIN if host in LOOPBACK else None
