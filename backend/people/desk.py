"""Sessions at a desk: a browser or a script that is nobody's device, with a cookie instead of tokens.

Guarantees: the cookie is a fresh secret of 256 bits at every sign-in, and the database holds its digest only; the same
look that says who acts says that neither the idle time nor the session is over; an inspector or administrator who has
not given a second factor can do nothing but set one up; an auxiliary reads. See docs/adr/0016.
"""

import contextlib
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import msgspec

from backend.core import journal
from backend.core.database import execute, first, tx
from backend.core.keys import Keys
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law
from backend.people import factor
from backend.people.directory import DOCK
from backend.people.sessions import ACTING, as_actor, prove, sign_out, still_right

TOUCH_AGAIN_AFTER = timedelta(minutes=1)  # between two writes of when a session was last heard of
READERS = frozenset({"duty_auxiliary", "civilian_auxiliary"})
SecondFactorStatus = Literal["given", "not_needed", "to_set_up"]

AT_DESK = f"""
SELECT a.*, w.session, w.factor_given, w.seen_at < now() - $3::interval AS stale,
    (SELECT ends_at FROM session WHERE id = w.session) AS ends_at
FROM desk_session w, LATERAL ({ACTING.format(session="w.session")}) a
WHERE w.cookie_sha256 = $1 AND w.seen_at > now() - $2::interval AND a.device IS NULL
"""  # noqa: S608 - constants
OPEN = "INSERT INTO session (id, person, opened_at, ends_at) VALUES ($1, $2, $3, $4)"
OPEN_DESK = "INSERT INTO desk_session (session, cookie_sha256, factor_given, seen_at) VALUES ($1, $2, $3, now())"
TOUCH = "UPDATE desk_session SET seen_at = now() WHERE session = $1 AND seen_at < now() - $2::interval"


class AtDesk(msgspec.Struct, frozen=True, kw_only=True):
    """A desk session that stands: who acts, until when at most, and whether a second factor was given or is owed."""

    actor: Actor
    ends_at: datetime
    second_factor: SecondFactorStatus
    stale: bool


async def sign_in(
    keys: Keys, badge: str, password: str, code: str | None, address: str, now: datetime, earlier: str | None = None
) -> tuple[str, AtDesk]:
    """Open a session; returns the cookie's secret. The session of the browser's `earlier` cookie ends.

    Raises Refusal `sign_in_refused`, `too_many_attempts`, `code_needed`, `code_refused`, and `not_for_your_role` for a
    docking station.
    """
    proven = await prove(badge, password, address)
    secret, session = secrets.token_urlsafe(32), uuid4()
    async with tx():
        await still_right(proven)
        given = await factor.take(keys, proven.person, code, now)
        await execute("DELETE FROM sign_in_attempt WHERE badge = $1", badge)
        await execute(OPEN, session, proven.person, now, now + law().span("desk_session_life"))
        await execute(OPEN_DESK, session, _digest(secret), given)
        opened = await standing(secret)
        if opened.actor.kind == DOCK:
            raise Refusal("not_for_your_role")
        await journal.append(
            journal.Line(
                at=now, verb="sessions/open", outcome="done", organ=proven.organ, actor=proven.person,
                subjects=[session],
            )
        )  # fmt: skip
        if earlier is not None:
            with contextlib.suppress(Refusal):
                await sign_out((await standing(earlier)).actor, now)
    return secret, opened


async def standing(secret: str) -> AtDesk:
    """The session of this cookie. Raises Refusal `session_ended`."""
    row = await first(AT_DESK, _digest(secret), law().span("desk_idle"), TOUCH_AGAIN_AFTER)
    if row is None:
        raise Refusal("session_ended")
    actor = as_actor(row, row["session"])
    owed: SecondFactorStatus = "to_set_up" if factor.asked_of(actor) else "not_needed"
    return AtDesk(
        actor=actor,
        ends_at=row["ends_at"].astimezone(UTC),
        second_factor="given" if row["factor_given"] else owed,
        stale=row["stale"],
    )


async def acting(secret: str, *, reads: bool, own_account: bool) -> Actor:
    """Who acts by this cookie now, and may. The session counts as heard of.

    Raises Refusal `session_ended`; `second_factor_needed` and `desk_reads_only` unless it is about one's own account.
    """
    found = await standing(secret)
    if not own_account and found.second_factor == "to_set_up":
        raise Refusal("second_factor_needed")
    if not own_account and not reads and found.actor.kind in READERS:
        raise Refusal("desk_reads_only")
    if found.stale:
        await execute(TOUCH, found.actor.session, TOUCH_AGAIN_AFTER)
    return found.actor


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
