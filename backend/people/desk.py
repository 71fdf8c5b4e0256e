"""Sessions at a desk: a browser or a script that is no enrolled device, with a cookie instead of tokens.

Guarantees: the cookie is a new secret of 256 bits at every sign-in; the database has only its digest. One statement
finds the actor and checks the idle time and the end of the session. An inspector or administrator without a second
factor can only set one up. Auxiliaries can only read. See docs/adr/0016.
"""

import contextlib
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

import msgspec

from backend.core import journal
from backend.core.database import execute, first, tx
from backend.core.keys import Keys
from backend.core.refusals import Refusal
from backend.core.verb import AUXILIARIES, Actor, part_of
from backend.law.catalogue import law
from backend.people import factor
from backend.people.attempts import Proven, forget_failures, lock_password, prove
from backend.people.directory import DOCK
from backend.people.sessions import ACTING, as_actor, sign_out
from backend.people.tables import Session

TOUCH_AGAIN_AFTER = timedelta(minutes=1)  # between two updates of `seen_at`
SecondFactorStatus = Literal["given", "not_needed", "to_set_up"]

DESK_ACTOR = f"""
SELECT a.*, w.session, w.factor_given, w.seen_at < now() - $3::interval AS stale,
    (SELECT ends_at FROM session WHERE id = w.session) AS ends_at
FROM desk_session w, LATERAL ({ACTING.format(session="w.session")}) a
WHERE w.cookie_sha256 = $1 AND w.seen_at > now() - $2::interval AND a.device IS NULL
"""  # noqa: S608 - constants
OPEN_DESK = "INSERT INTO desk_session (session, cookie_sha256, factor_given, seen_at) VALUES ($1, $2, $3, now())"
TOUCH = "UPDATE desk_session SET seen_at = now() WHERE session = $1 AND seen_at < now() - $2::interval"


class AtDesk(msgspec.Struct, frozen=True, kw_only=True):
    """An open desk session: the actor, when it ends at the latest, and the second factor.

    `stale`: `seen_at` must be updated.
    """

    actor: Actor
    ends_at: datetime
    second_factor: SecondFactorStatus
    stale: bool


async def sign_in(
    keys: Keys,
    badge: str,
    password: str,
    code: str | None,
    address: str,
    now: datetime,
    earlier: str | None = None,
    familiar: str | None = None,
) -> tuple[str, AtDesk]:
    """Open a session. Returns the cookie's secret. The session of the browser's `earlier` cookie ends.

    `familiar`: the number of a browser in which this person signed in before (browsers.py).
    Raises Refusal `sign_in_refused`, `too_many_attempts`, `code_needed`, `code_refused`; `not_for_your_role` for a
    docking station.
    """
    proven = await prove(badge, password, address, familiar)
    secret, session = secrets.token_urlsafe(32), uuid4()
    async with tx():
        await lock_password(proven)
        given = await factor.take(keys, proven.person, code, now)
        await forget_failures(proven.account)
        ends_at = now + law().span("desk_session_life")
        await Session.insert(
            Session(
                id=session, person=proven.person, opened_at=now, ends_at=ends_at, factor_at=now if given else None
            )
        )  # fmt: skip
        await execute(OPEN_DESK, session, _digest(secret), given)
        opened = await open_session(secret)
        if opened.actor.kind == DOCK:
            raise Refusal("not_for_your_role")
        await _journal_opening(proven, session, now)
        if earlier is not None:
            with contextlib.suppress(Refusal):
                await sign_out((await open_session(earlier)).actor, now)
    return secret, opened


async def _journal_opening(proven: Proven, session: UUID, now: datetime) -> None:
    await journal.append(
        journal.Line(
            at=now, verb="sessions/open", outcome="done", organ=proven.organ, actor=proven.person, subjects=[session]
        )
    )


async def open_session(secret: str) -> AtDesk:
    """The open session of this cookie. Raises Refusal `session_ended`."""
    row = await first(DESK_ACTOR, _digest(secret), law().span("desk_idle"), TOUCH_AGAIN_AFTER)
    if row is None:
        raise Refusal("session_ended")
    actor = as_actor(row, row["session"])
    not_given: SecondFactorStatus = "to_set_up" if factor.is_required(actor) else "not_needed"
    return AtDesk(
        actor=actor,
        ends_at=row["ends_at"].astimezone(UTC),
        second_factor="given" if row["factor_given"] else not_given,
        stale=row["stale"],
    )


async def acting(secret: str, *, reads: bool, own_account: bool) -> Actor:
    """The actor of this cookie, if they may make this request. The session's idle time begins again.

    `reads`: the request changes nothing. `own_account`: it is about the actor's own account.
    Raises Refusal `session_ended`; `second_factor_needed` and `desk_reads_only` unless `own_account`.
    """
    session = await open_session(secret)
    first_password = session.actor.must_change_password  # the caller refuses it, whatever else is missing
    if not own_account and session.second_factor == "to_set_up" and not first_password:
        raise Refusal("second_factor_needed")
    if not own_account and not reads and part_of(session.actor.kind) in AUXILIARIES:
        raise Refusal("desk_reads_only")
    if session.stale:
        await execute(TOUCH, session.actor.session, TOUCH_AGAIN_AFTER)
    return session.actor


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
