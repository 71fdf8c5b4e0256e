"""What a device's own numbers and uptime tell: entries that never came, a sequence that began anew, a clock that was
moved between two entries.

Guarantees: each follows from the set of what came, never from its order. The boot moment of an entry is its corrected
time less its uptime; all entries of one boot must agree with the moment that a sync call proved (the server's clock
less the uptime at that arrival), or, where none did, with the entry told at the highest uptime.
"""

from datetime import datetime, timedelta
from uuid import UUID

from backend.core import findings
from backend.core.database import execute, fetch, tx
from backend.core.findings import Finding
from backend.core.verb import Actor
from backend.law.catalogue import law

ANCHOR = """
INSERT INTO device_boot (device, boot_id, booted_at) VALUES ($1, $2, $3)
ON CONFLICT (device, boot_id) DO UPDATE SET booted_at = least(device_boot.booted_at, excluded.booted_at)
"""
UNREAD = """
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
MOVED = """
WITH told AS (
    SELECT * FROM device_entry WHERE device = $1 AND boot_id = $2 AND booted_at IS NOT NULL
), boot AS (
    SELECT coalesce((SELECT booted_at FROM device_boot WHERE device = $1 AND boot_id = $2),
        (SELECT booted_at FROM told ORDER BY uptime_ms DESC, entry LIMIT 1)) AS at
), judged AS (
    SELECT t.*, t.booted_at NOT BETWEEN b.at - $3::interval AND b.at + $3::interval AS moved, EXISTS (
        SELECT FROM finding f WHERE f.kind = 'clock_moved' AND f.subject = t.entry AND f.withdrawn_at IS NULL) AS stands
    FROM told t, boot b
)
SELECT entry, person, organ, moved, booted_at + uptime_ms * interval '1 millisecond' AS at FROM judged
WHERE moved <> stands
"""
BOOTS = """
SELECT DISTINCT device, boot_id FROM device_entry
WHERE NOT judged AND booted_at IS NOT NULL AND seen_at > $1::timestamptz - $2::interval
"""
DUE = """
SELECT d.id, d.entry, d.person, d.organ, d.seen_at AS at,
    NOT EXISTS (SELECT FROM device_entry p WHERE p.device = d.device AND p.seq = d.seq - 1)
        AND EXISTS (SELECT FROM device_entry p WHERE p.device = d.device AND p.seq < d.seq) AS missing,
    EXISTS (SELECT FROM device_entry o WHERE o.device = d.device AND o.seq = d.seq AND o.entry <> d.entry) AS reused
FROM device_entry d WHERE NOT d.judged AND d.seen_at < $1::timestamptz - $2::interval ORDER BY d.seen_at LIMIT 10000
"""
CAME = """
SELECT f.subject FROM finding f WHERE f.kind = 'sequence_missing' AND f.withdrawn_at IS NULL AND EXISTS (
    SELECT FROM device_entry d JOIN device_entry p ON p.device = d.device AND p.seq = d.seq - 1
    WHERE d.entry = f.subject)
"""


async def keep_unread_number(actor: Actor, entry: UUID, seq: int, at: datetime) -> None:
    """A number came with an entry that could not be read: it is not missing."""
    if actor.device is not None:
        await execute(UNREAD, actor.device, seq, entry, actor.person, actor.organ, at)


async def keep_boot_time(actor: Actor, boot_id: UUID | None, uptime_ms: int | None, received_at: datetime) -> None:
    """A call tells how long its device has been up: the strongest witness of when it started."""
    if actor.device is None or boot_id is None or uptime_ms is None:
        return
    try:
        booted_at = received_at - timedelta(milliseconds=uptime_ms)
    except OverflowError:
        return
    await execute(ANCHOR, actor.device, boot_id, booted_at)
    await check_clock(actor.device, boot_id)


async def check_clock(device: UUID, boot_id: UUID) -> None:
    """Which entries of this boot were told by a clock that was moved; those that were not lose the finding."""
    async with tx():
        for row in await fetch(MOVED, device, boot_id, law().span("clock_moved_tolerance")):
            if row["moved"]:
                await findings.flag(
                    Finding(
                        kind="clock_moved", subject=row["entry"], organ=row["organ"], person=row["person"],
                        started_at=row["at"],
                    )
                )  # fmt: skip
            else:
                await findings.withdraw("clock_moved", row["entry"])


async def check_numbers(now: datetime) -> int:
    """What only time tells: clocks of calls that came alone, numbers awaited long enough. How many were looked at."""
    for boot in await fetch(BOOTS, now, law().span("look_again_within")):
        await check_clock(boot["device"], boot["boot_id"])
    rows = await fetch(DUE, now, law().span("sequence_awaited"))
    for row in rows:
        async with tx():
            told = {"subject": row["entry"], "organ": row["organ"], "person": row["person"], "started_at": row["at"]}
            if row["missing"]:
                await findings.flag(Finding(kind="sequence_missing", **told))
            if row["reused"]:
                await findings.flag(Finding(kind="sequence_reused", **told))
            await execute("UPDATE device_entry SET judged = true WHERE id = $1", row["id"])
    for row in await fetch(CAME):
        await findings.withdraw("sequence_missing", row["subject"])
    return len(rows)
