"""Hold the footage that the law keeps for ever, from the facts that ask for it: case, violence, harassment, mark.

公通字〔2016〕14号 names the categories; terms.toml says which this house keeps (`kept_…`), and SQL which facts are of
them (the view `ground`). Guarantees: a hold is a condition on a person and a time, so footage declared before or after
the fact is covered, and so is that of the officer who led. A fact that grows widens its hold. What two people let go
stays let go for the same ground; another case, or an act told to last longer is another ground. Facts of
before are judged when a worker starts (so an upgrade shows its holds at once), every night, and before each disposal.
Source: docs/adr/0045.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.core import journal
from backend.core.database import execute, fetch, tx
from backend.law.catalogue import law

REASONS = {  # by the term that says whether this house keeps it: the message that says why it is held
    "kept_case": "hold_of_case",
    "kept_violence": "hold_of_violence",
    "kept_harassment": "hold_of_harassment",
    "kept_key_mark": "hold_of_key_mark",
    "kept_described": "hold_of_described",
}
# Disposal takes this lock exclusively, placing a hold takes it shared: each sees the result of the other.
LOCK = "hashtext('fujing holds')"
LOCK_OUT_DISPOSAL = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
LOCK_OUT_HOLDS = f"SELECT pg_advisory_xact_lock({LOCK})"
TAKE_TIME = "SET LOCAL statement_timeout = '15min'"  # all facts of all years
TAKE_MOVED = """
DELETE FROM moved_ground WHERE about IN (SELECT about FROM moved_ground LIMIT $1 FOR UPDATE) RETURNING about
"""
# $1 kinds that are kept, $2 the reason of each, $3 how long before and after.
ASKED = """
    SELECT g.category, g.about, g.ground, g.number, g.organ, g.by_person, g.person, g.upload, k.reason,
        lower(g.during) - CASE WHEN g.around THEN $3::interval ELSE '0' END AS started_at,
        upper(g.during) + CASE WHEN g.around THEN $3::interval ELSE '0' END AS ended_at
    FROM {grounds} JOIN unnest($1::text[], $2::text[]) AS k (kind, reason) ON k.kind = g.kind
"""
IS_WIDER = """h.origin = 'category' AND h.released_at IS NULL AND h.about = a.about AND h.ground = a.ground
        AND h.person = a.person AND (h.started_at > a.started_at OR h.ended_at < a.ended_at
            OR (h.ended_at IS NULL) <> (a.ended_at IS NULL))"""
# A hold that was released covers the same ground, unless the ground is wider than it was.
COVERS = """h.origin = 'category' AND h.about = a.about AND h.ground = a.ground
            AND coalesce(h.person, h.upload) = coalesce(a.person, a.upload)
            AND (h.released_at IS NULL OR h.upload IS NOT NULL
                OR h.started_at <= a.started_at AND coalesce(h.ended_at >= a.ended_at, h.ended_at IS NULL))"""
# The facts whose footage is not held as they ask.
UNHELD = f"""
WITH asked AS ({ASKED.format(grounds="ground g")})
SELECT a.about FROM asked a WHERE NOT EXISTS (SELECT FROM hold h WHERE {COVERS})
UNION SELECT a.about FROM asked a JOIN hold h ON {IS_WIDER}
"""  # noqa: S608
# `OFFSET 0`: fact by fact, by their keys; else the planner reads all facts of all years.
OF_THESE = "unnest($5::uuid[]) AS m (about), LATERAL (SELECT * FROM ground x WHERE x.about = m.about OFFSET 0) g"
# Holds as these facts, $5, ask for; $4 now.
JUDGE = f"""
WITH asked AS ({ASKED.format(grounds=OF_THESE)}),
wider AS (
    UPDATE hold h SET started_at = least(h.started_at, a.started_at),
        ended_at = CASE WHEN h.ended_at > a.ended_at THEN h.ended_at ELSE a.ended_at END
    FROM asked a WHERE h.about = ANY ($5::uuid[]) AND {IS_WIDER}
    RETURNING h.id
),
fresh AS (
    INSERT INTO hold (id, organ, origin, about, ground, category, permanent, person, upload, started_at, ended_at,
        number, reason, placed_by, placed_at)
    SELECT gen_random_uuid(), a.organ, 'category', a.about, a.ground, a.category, true, a.person, a.upload,
        a.started_at, a.ended_at, a.number, a.reason, a.by_person, $4::timestamptz
    FROM asked a WHERE NOT EXISTS (SELECT FROM hold h WHERE {COVERS})
    ON CONFLICT DO NOTHING RETURNING id
)
SELECT id FROM wider UNION ALL SELECT id FROM fresh
"""  # noqa: S608
AT_ONCE = 200  # facts: each line names the holds of no more, and no transaction waits for more


async def judge_all(now: datetime) -> list[UUID]:
    """Hold what any fact asks to keep, however old. Returns the holds that are new or wider."""
    return [*await judge_before(now), *await judge_moved(now)]


async def judge_before(now: datetime) -> list[UUID]:
    """The same, but for facts that changed a moment ago: `judge_moved` comes to these, and no writer waits for this."""
    async with tx():
        await execute(TAKE_TIME)
        unheld = [row["about"] for row in await fetch(UNHELD, *_kept())]
    holds: list[UUID] = []
    for begin in range(0, len(unheld), AT_ONCE):
        async with tx():
            await execute(LOCK_OUT_DISPOSAL)
            holds += await _hold(unheld[begin : begin + AT_ONCE], now)
    return holds


async def judge_moved(now: datetime) -> list[UUID]:
    """Hold what the facts that are new or changed ask to keep. Returns the holds that are new or wider."""
    holds: list[UUID] = []
    while True:
        async with tx():
            await execute(LOCK_OUT_DISPOSAL)
            moved = [row["about"] for row in await fetch(TAKE_MOVED, AT_ONCE)]
            holds += await _hold(moved, now)
        if len(moved) < AT_ONCE:
            return holds


async def _hold(facts: Sequence[UUID], now: datetime) -> list[UUID]:
    """Hold what these facts ask to keep, with a line that names the holds. Must be called inside `database.tx`."""
    holds = [row["id"] for row in await fetch(JUDGE, *_kept(), now, facts)] if facts else []
    if holds:
        await journal.append(journal.Line(at=now, verb="evidence/keep", outcome="done", subjects=holds))
    return holds


def _kept() -> tuple[Sequence[str], Sequence[str], object]:
    """The kinds of grounds that this house keeps, the reason of each, and how long before and after."""
    current = law()
    is_kept = {  # each is named literally, because a test reads the code for the terms in use
        "kept_case": current.is_permanent("kept_case"),
        "kept_violence": current.is_permanent("kept_violence"),
        "kept_harassment": current.is_permanent("kept_harassment"),
        "kept_key_mark": current.is_permanent("kept_key_mark"),
        "kept_described": current.is_permanent("kept_described"),
    }
    kinds = [kind for kind, kept in is_kept.items() if kept]
    return kinds, [current.messages[REASONS[kind]].zh for kind in kinds], current.span("kept_around")
