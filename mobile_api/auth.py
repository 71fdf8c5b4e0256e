"""Authentication: on every route that is not public, the access token and the device's proof, or the desk's cookie.

A route is public by `opt=PUBLIC`, never by a pattern on its path. `opt=QUARANTINED` lets in the session of a revoked
device, and `opt=BRINGS_HOME` that of somebody who left. Beside an Authorization header no cookie counts.
"""

from datetime import UTC, datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.people.proofs import Proof
from backend.people.sessions import actor_of
from mobile_api import cookies
from mobile_api.head import method_of
from mobile_api.problems import FRESH_NONCE

PUBLIC = {"public": True}
BY_KEY = PUBLIC | {"by_key": True}  # no session, but a proof by the device's key
BRINGS_HOME = {"brings_home": True}
QUARANTINED = {"quarantined": True} | BRINGS_HOME
FIRST_PASSWORD = {"first_password": True}  # open to a person who must change their password first
SCHEME = "dpop"
PROOF = "fujing.proof"  # key in the scope, for bodies.read
Connection = ASGIConnection[Any, Any, Any, Any]


class SessionMiddleware(AbstractAuthenticationMiddleware):
    """Puts the Actor into `request.user`. Raises Refusal 401 with what to do, or 403 `device_revoked`,
    `bring_home_only`."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        secret = cookies.secret_of(connection)
        if secret is not None:
            result = AuthenticationResult(user=await cookies.actor_of(connection, secret), auth=None)
        else:
            result = await by_device(connection)
            only_what_is_left_to(connection, result.user)
        password_first(connection, result.user)
        return result


async def by_device(connection: Connection) -> AuthenticationResult:
    """The person of the access token; the proof is by the key that the token is bound to."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != SCHEME or not token:
        raise Refusal("token_missing")
    claims = connection.app.state.tokens.read(token, datetime.now(UTC))
    proof = read_proof(connection, token, bound_to=claims.jkt)
    if proof.jkt != claims.jkt:
        raise Refusal("key_differs")
    return AuthenticationResult(user=await actor_of(claims.session, proof), auth=claims)


def read_proof(
    connection: Connection, token: str | None = None, missing: str = "proof_missing", bound_to: str | None = None
) -> Proof:
    """The proof of this request, checked but not marked as used; `bodies.read` compares the body with it.

    Raises Refusal 401 `missing`, and what `ProofReader.read` raises.
    """
    sent = connection.headers.getall("dpop", [])
    if not sent:
        raise Refusal(missing)
    if len(sent) > 1:
        raise Refusal("proof_invalid")
    now, reader = datetime.now(UTC), connection.app.state.proofs
    scope: Any = connection.scope
    try:
        proof: Proof = reader.read(sent[0], method_of(scope), scope["path"], now, token, bound_to)
    except Refusal as refusal:
        if refusal.code == "use_dpop_nonce":
            scope[FRESH_NONCE] = reader.nonces.fresh(now)
        raise
    if proof.aging:
        scope[FRESH_NONCE] = reader.nonces.fresh(now)
    scope[PROOF] = proof
    return proof


def password_first(connection: Connection, actor: Actor) -> None:
    """Raises Refusal `password_change_needed` where a first password is to be changed, and not by this route.

    Who left is asked for nothing more.
    """
    if actor.brings_home:
        return
    if actor.must_change_password and not connection.scope["route_handler"].opt.get("first_password"):
        raise Refusal("password_change_needed")


def only_what_is_left_to(connection: Connection, actor: Actor) -> None:
    """Raises Refusal `device_revoked` where a revoked device asks for a route that is not left to it, `bring_home_only`
    where somebody who left does."""
    opt = connection.scope["route_handler"].opt
    if actor.quarantined and not opt.get("quarantined"):
        raise Refusal("device_revoked")
    if actor.brings_home and not opt.get("brings_home"):
        raise Refusal("bring_home_only")
