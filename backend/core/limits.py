"""Limits on journal rows that record no fact: refusals, and what a person only looks at or asks for.

Guarantees: an entry that records a fact is never limited, because only refusals and lines without an entry are counted
and only they are answered 429. The count is the journal's own, so all servers share it. See docs/adr/0036.
"""

from datetime import timedelta
from typing import Any

from backend.core.database import first
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law

REFUSALS = ("denied", "refused")
WITHOUT_ENTRY = ("done",)
# The newest rows, up to the limit, of one person or one device; and how long until the oldest of them counts no more.
RECENT = """
SELECT count(*) AS rows, extract(epoch FROM min(x.at) + $3::interval - now())::float8 AS wait FROM (
    SELECT j.at FROM journal j WHERE j.{column} = $1 AND j.at > now() - $3::interval AND j.outcome = ANY ($2)
        AND j.outcome IN ('denied', 'refused', 'done')
    ORDER BY j.at DESC LIMIT $4
) x
"""


async def check_refusals(actor: Actor) -> None:
    """Check before a refusal is put into the journal. Raises Refusal `too_many_refusals` 429."""
    limits = law().count("refusals_per_person"), law().count("refusals_per_device")
    await _check(actor, REFUSALS, limits, "too_many_refusals")


async def check_requests(actor: Actor) -> None:
    """Check before a line without an entry is put into the journal. Raises Refusal `too_many_requests` 429."""
    limits = law().count("requests_per_person"), law().count("requests_per_device")
    await _check(actor, WITHOUT_ENTRY, limits, "too_many_requests")


async def _check(actor: Actor, outcomes: tuple[str, ...], limits: tuple[int, int], code: str) -> None:
    """`limits`: of a person, and of a device."""
    window = law().span("journal_window")
    for column, value, limit in (("actor", actor.person, limits[0]), ("device", actor.device, limits[1])):
        if value is not None and (wait := await _wait(column, value, outcomes, window, limit)) is not None:
            raise Refusal(code, retry_after=wait)


async def _wait(column: str, value: Any, outcomes: tuple[str, ...], window: timedelta, limit: int) -> int | None:
    """Seconds until the next row may come; None where it may come now."""
    recent = await first(RECENT.format(column=column), value, list(outcomes), window, limit)
    if recent is None or recent["rows"] < limit:
        return None
    return max(1, int(recent["wait"]) + 1)
