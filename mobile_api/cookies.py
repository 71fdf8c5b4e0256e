"""The cookie of a desk session, and the protection against pages of other origins.

Guarantees: over HTTPS only the `__Host-` cookie is set and read, so neither a sibling host nor plain HTTP can plant
one. Over plain HTTP a cookie is set and read on this machine's own loopback alone, under another name. A page of
another origin can make the browser neither write nor read. See docs/adr/0016.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law
from backend.people import desk

Connection = ASGIConnection[Any, Any, Any, Any]
SECURE, PLAIN = "__Host-fujing", "fujing"
BROWSER = "-browser"  # behind the name of the session's cookie
CSRF_HEADER = "X-CSRF-Token"
OWN_ACCOUNT = {"own_account": True}  # open to every desk session, with or without its second factor
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
READS = {"GET", "HEAD", "OPTIONS"}
OWN_ORIGIN = {"same-origin", "none"}  # `same-site` may be another host of the domain


def csrf_token(secret: str) -> str:
    """The CSRF token, derived from the cookie's secret: the same in every tab, stored nowhere."""
    return hmac.digest(secret.encode(), b"fujing csrf", hashlib.sha256).hex()


def secret_of(connection: Connection) -> str | None:
    """The secret in the session cookie; None beside an Authorization header."""
    if "authorization" in connection.headers:
        return None
    name = _name(connection)
    return None if name is None else connection.cookies.get(name)


def session_cookie(connection: Connection, secret: str) -> Cookie:
    """The cookie that keeps this secret. Raises Refusal `https_needed`."""
    name = _name(connection)
    if name is None:
        raise Refusal("https_needed")
    return Cookie(key=name, value=secret, path="/", httponly=True, secure=name == SECURE, samesite="strict")


def browser_of(connection: Connection) -> str | None:
    """What this browser says of who signed in with it before."""
    name = _name(connection)
    return None if name is None else connection.cookies.get(name + BROWSER)


def kept_browser(connection: Connection, told: str) -> Cookie:
    """The cookie by which a browser is known again; it opens nothing."""
    cookie = session_cookie(connection, told)
    cookie.key += BROWSER
    cookie.max_age = int(law().span("browser_familiar").total_seconds())
    return cookie


def expired_cookies(connection: Connection) -> list[Cookie]:
    """The cookie that removes the session cookie, where the request had one."""
    if secret_of(connection) is None:
        return []
    cookie = session_cookie(connection, "")
    cookie.max_age = 0
    return [cookie]


def require_own_origin(connection: Connection) -> None:
    """Refuse a browser's request from a page of another origin. Raises Refusal `csrf_refused`.

    A client that sends neither Sec-Fetch-Site nor Origin is no browser."""
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None and site not in OWN_ORIGIN:
        raise Refusal("csrf_refused")
    if origin is not None and origin.lower() != f"{_scheme(connection)}://{connection.headers.get('host', '')}".lower():
        raise Refusal("csrf_refused")


async def actor_of(connection: Connection, secret: str) -> Actor:
    """The person of this cookie. Raises Refusal `csrf_refused`, and what `desk.acting` raises."""
    require_own_origin(connection)
    scope: Any = connection.scope
    reads = scope["method"] in READS
    token = connection.headers.get(CSRF_HEADER, "")
    if not reads and not hmac.compare_digest(token.encode(), csrf_token(secret).encode()):
        raise Refusal("csrf_refused")
    own = bool(scope["route_handler"].opt.get("own_account"))
    return await desk.acting(secret, reads=reads, own_account=own)


def _scheme(connection: Connection) -> str:
    """http or https, as the browser sees it; behind a trusted proxy, the last one in X-Forwarded-Proto."""
    if connection.app.state.settings.trust_proxy:
        forwarded = connection.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if forwarded:
            return forwarded
    return str(connection.scope["scheme"])


def _name(connection: Connection) -> str | None:
    """The cookie's name; None over plain HTTP from another machine, where others could read the session."""
    if _scheme(connection) == "https":
        return SECURE
    try:
        host = urlsplit(f"//{connection.headers.get('host', '')}").hostname
    except ValueError:
        return None
    return PLAIN if host in LOOPBACK else None
