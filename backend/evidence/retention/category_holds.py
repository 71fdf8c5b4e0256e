"""Hold the footage that the law keeps for ever, from the facts that ask for it: case, violence, harassment, mark.

公通字〔2016〕14号 names the categories; [keeps] of regulation.toml says which facts are of them, and SQL which facts
there are (the view `footage_fact`). The law in force at the moment of a fact decides. Guarantees: a hold is a condition
on a person and a time, so footage declared before or after the fact is covered, and so is that of the officer who led.
A fact that grows widens its hold. What two people let go stays let go for the same ground; another case, or an act told
to last longer is another ground. Facts of before are judged when a worker starts (so an upgrade shows its holds at
once), every night, and before each disposal. What stands stays, whatever the law says later. Source: docs/adr/0045.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from backend.core import journal
from backend.core.database import execute, fetch, tx
from backend.law.catalogue import Law, laws_by_time

# Disposal takes this lock exclusively, placing a hold takes it shared: each sees the result of the other.
LOCK = "hashtext('fujing holds')"
LOCK_OUT_DISPOSAL = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
LOCK_OUT_HOLDS = f"SELECT pg_advisory_xact_lock({LOCK})"
TAKE_TIME = "SET LOCAL statement_timeout = '15min'"  # all facts of all years
TAKE_MOVED = """
DELETE FROM moved_ground WHERE about IN (SELECT about FROM moved_ground LIMIT $1 FOR UPDATE) RETURNING about
"""
# $1 to $7: the rules, a column each (KeepingRule); $8 the facts of which any value counts; $9 now; $10 these facts. A
# rule without a category takes the fact's value. `fact` is a constant in each part of the view, so what no rule names
# is not looked for, and other values are left out before anything is asked about them. `LIMIT 1`: a value has one rule
# at a moment, and the planner knows so; it thought of one fact in all, and compared each with every hold.
ASKED = """
WITH rule AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::interval[], $6::timestamptz[],
        $7::timestamptz[]) AS r (fact, value, category, reason, around, since, until)
)
SELECT coalesce(k.category, g.value) AS category, g.about, g.ground, g.number, g.organ, g.by_person, g.person, g.upload,
    k.reason, lower(g.during) - k.around AS started_at, upper(g.during) + k.around AS ended_at
FROM {facts} CROSS JOIN LATERAL (
    SELECT * FROM rule r WHERE r.fact = g.fact AND (r.value IS NULL OR r.value = g.value)
        AND (r.since IS NULL OR r.since <= g.at) AND (r.until IS NULL OR r.until > g.at) LIMIT 1
) k
WHERE g.fact = ANY ($1::text[]) AND (g.fact = ANY ($8::text[]) OR g.value = ANY ($2::text[]))
"""
IS_WIDER = """h.origin = 'category' AND h.released_at IS NULL AND h.about = a.about AND h.ground = a.ground
        AND h.person = a.person AND (h.started_at > a.started_at OR h.ended_at < a.ended_at
            OR (h.ended_at IS NULL) <> (a.ended_at IS NULL))"""
# A hold that was released covers the same ground, unless the ground is wider than it was.
COVERS = """h.origin = 'category' AND h.about = a.about AND h.ground = a.ground
            AND coalesce(h.person, h.upload) = coalesce(a.person, a.upload)
            AND (h.released_at IS NULL OR h.upload IS NOT NULL
                OR h.started_at <= a.started_at AND coalesce(h.ended_at >= a.ended_at, h.ended_at IS NULL))"""
ASKED_BY_ALL = ASKED.format(facts="footage_fact g")
# The facts whose footage is not held as they ask.
UNHELD = f"""
WITH asked AS ({ASKED_BY_ALL})
SELECT a.about FROM asked a WHERE NOT EXISTS (SELECT FROM hold h WHERE {COVERS})
UNION SELECT a.about FROM asked a JOIN hold h ON {IS_WIDER}
"""  # noqa: S608
# `OFFSET 0`: fact by fact, by their keys; else the planner reads all facts of all years.
OF_THESE = """(SELECT f.* FROM unnest($10::uuid[]) AS m (about),
    LATERAL (SELECT * FROM footage_fact x WHERE x.about = m.about AND x.fact = ANY ($1::text[]) OFFSET 0) f) g"""
# Holds as these facts, $10, ask for; $9 now.
JUDGE = f"""
WITH asked AS ({ASKED.format(facts=OF_THESE)}),
wider AS (
    UPDATE hold h SET started_at = least(h.started_at, a.started_at),
        ended_at = CASE WHEN h.ended_at > a.ended_at THEN h.ended_at ELSE a.ended_at END
    FROM asked a WHERE h.about = ANY ($10::uuid[]) AND {IS_WIDER} RETURNING h.id
),
fresh AS (
    INSERT INTO hold (id, organ, origin, about, ground, category, permanent, person, upload, started_at, ended_at,
        number, reason, placed_by, placed_at)
    SELECT gen_random_uuid(), a.organ, 'category', a.about, a.ground, a.category, true, a.person, a.upload,
        a.started_at, a.ended_at, a.number, a.reason, a.by_person, $9::timestamptz
    FROM asked a WHERE NOT EXISTS (SELECT FROM hold h WHERE {COVERS})
    ON CONFLICT DO NOTHING RETURNING id
)
SELECT id FROM wider UNION ALL SELECT id FROM fresh
"""  # noqa: S608
AT_ONCE = 200  # facts: each line names the holds of no more, and no transaction waits for more


class KeepingRule(NamedTuple):
    """One value of a fact that keeps footage, from the moment `since` and before `until`. None: any value, no limit."""

    fact: str
    value: str | None
    category: str | None
    reason: str
    around: timedelta
    since: datetime | None
    until: datetime | None


async def judge_all(now: datetime) -> list[UUID]:
    """Hold what any fact asks to keep, however old. Returns the holds that are new or wider."""
    return [*await judge_before(now), *await judge_moved(now)]


async def judge_before(now: datetime) -> list[UUID]:
    """The same, but for facts that changed a moment ago: `judge_moved` comes to these, and no writer waits for this."""
    async with tx():
        await execute(TAKE_TIME)
        unheld = [row["about"] for row in await fetch(UNHELD, *arguments(rules()))]
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
    holds = [row["id"] for row in await fetch(JUDGE, *arguments(rules()), now, facts)] if facts else []
    if holds:
        await journal.append(journal.Line(at=now, verb="evidence/keep", outcome="done", subjects=holds))
    return holds


def rules() -> list[KeepingRule]:
    """Every value of a fact that keeps footage, by the laws of all times."""
    return [
        KeepingRule(rule.fact, value, rule.category, rule.zh, _around(its, rule.around), since, until)
        for its, since, until in laws_by_time()
        for rule in its.keeping()
        for value in rule.values or (None,)
    ]


def arguments(found: Sequence[KeepingRule]) -> list[list[object]]:
    """The rules as the statements take them: $1 to $8."""
    columns: list[list[object]] = [[rule[number] for rule in found] for number in range(len(KeepingRule._fields))]
    return [*columns, [rule.fact for rule in found if rule.value is None]]


def _around(its: Law, term: str | None) -> timedelta:
    """How long before and after the fact footage is kept."""
    return timedelta() if term is None else its.span(term)
