"""Findings from a device's own numbers and uptime: missing entries, reused numbers, a clock that was moved.

Guarantees: each finding follows from the set of entries that came, never from their order. The boot moment of an entry
is its corrected time minus its uptime. All entries of one boot must agree with the boot moment of a sync call (the
server's clock minus the uptime in the call), or, where no call gave one, with the entry of the highest uptime.
"""

from datetime import datetime, timedelta
from uuid import UUID

from backend.core import findings
from backend.core.database import execute, fetch, tx
from backend.core.findings import Finding
from backend.core.verb import Actor
from backend.law.catalogue import law

KEEP_BOOT = """
INSERT INTO device_boot (device, boot_id, booted_at) VALUES ($1, $2, $3)
ON CONFLICT (device, boot_id) DO UPDATE SET booted_at = least(device_boot.booted_at, excluded.booted_at)
"""
KEEP_NUMBER = """
INSERT INTO device_entry (device, seq, entry, person, organ, seen_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
CLOCK_CHANGES = """
WITH timed AS (
    SELECT * FROM device_entry WHERE device = $1 AND boot_id = $2 AND booted_at IS NOT NULL
), boot AS (
    SELECT coalesce((SELECT booted_at FROM device_boot WHERE device = $1 AND boot_id = $2),
        (SELECT booted_at FROM timed ORDER BY uptime_ms DESC, entry LIMIT 1)) AS at
), judged AS (
    SELECT t.*, t.booted_at NOT BETWEEN b.at - $3::interval AND b.at + $3::interval AS moved, EXISTS (
        SELECT FROM finding f WHERE f.kind = 'clock_moved' AND f.subject = t.entry AND f.withdrawn_at IS NULL) AS stands
    FROM timed t, boot b
)
SELECT entry, person, organ, moved, booted_at + uptime_ms * interval '1 millisecond' AS at FROM judged
WHERE moved <> stands
"""
UNCHECKED_BOOTS = """
SELECT DISTINCT device, boot_id FROM device_entry
WHERE NOT judged AND booted_at IS NOT NULL AND seen_at > $1::timestamptz - $2::interval
"""
UNCHECKED_NUMBERS = """
SELECT d.id, d.entry, d.person, d.organ, d.seen_at AS at,
    NOT EXISTS (SELECT FROM device_entry p WHERE p.device = d.device AND p.seq = d.seq - 1)
        AND EXISTS (SELECT FROM device_entry p WHERE p.device = d.device AND p.seq < d.seq) AS missing,
    EXISTS (SELECT FROM device_entry o WHERE o.device = d.device AND o.seq = d.seq AND o.entry <> d.entry) AS reused
FROM device_entry d WHERE NOT d.judged AND d.seen_at < $1::timestamptz - $2::interval ORDER BY d.seen_at LIMIT 10000
"""
NO_LONGER_MISSING = """
SELECT f.subject FROM finding f WHERE f.kind = 'sequence_missing' AND f.withdrawn_at IS NULL AND EXISTS (
    SELECT FROM device_entry d JOIN device_entry p ON p.device = d.device AND p.seq = d.seq - 1
    WHERE d.entry = f.subject)
"""


async def keep_unread_number(actor: Actor, entry: UUID, seq: int, at: datetime) -> None:
    """Keep the number of an entry that could not be read, so that it is not missing."""
    if actor.device is not None:
        await execute(KEEP_NUMBER, actor.device, seq, entry, actor.person, actor.organ, at)


async def keep_boot_time(actor: Actor, boot_id: UUID | None, uptime_ms: int | None, received_at: datetime) -> None:
    """Keep the boot moment from the uptime in a call. The server's own clock makes it the best evidence.

    Before the call's entries are recorded, which take their time by it where their clock was moved.
    """
    if actor.device is None or boot_id is None or uptime_ms is None:
        return
    try:
        booted_at = received_at - timedelta(milliseconds=uptime_ms)
    except OverflowError:
        return
    await execute(KEEP_BOOT, actor.device, boot_id, booted_at)


async def check_clock(device: UUID, boot_id: UUID) -> None:
    """Flag the entries of this boot that were made with a moved clock; withdraw the finding of the others."""
    async with tx():
        for row in await fetch(CLOCK_CHANGES, device, boot_id, law().span("clock_moved_tolerance")):
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
    """Check clocks of recent boots, and numbers that are old enough. Returns how many numbers were checked."""
    for boot in await fetch(UNCHECKED_BOOTS, now, law().span("look_again_within")):
        await check_clock(boot["device"], boot["boot_id"])
    rows = await fetch(UNCHECKED_NUMBERS, now, law().span("sequence_awaited"))
    for row in rows:
        async with tx():
            fields = {"subject": row["entry"], "organ": row["organ"], "person": row["person"], "started_at": row["at"]}
            if row["missing"]:
                await findings.flag(Finding(kind="sequence_missing", **fields))
            if row["reused"]:
                await findings.flag(Finding(kind="sequence_reused", **fields))
            await execute("UPDATE device_entry SET judged = true WHERE id = $1", row["id"])
    for row in await fetch(NO_LONGER_MISSING):
        await findings.withdraw("sequence_missing", row["subject"])
    return len(rows)
