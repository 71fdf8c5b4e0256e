"""Lengthen locks that are shorter than the term asks for; none is ever shortened.

Footage sealed by an older version had its term from the camera's clock: one reset to 2016 locked it for thirty days.
And a deployment may lengthen `footage_retention`. Guarantees: the store is told first, then the row; a run that is
killed between the two is repeated, as the same lock again changes nothing. A lock that an older version made too long,
for a clock of 2099, stays: nobody can shorten it (COMPLIANCE). Source: 公通字〔2016〕14号; docs/adr/0045.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from backend.core import findings
from backend.core.database import Record, execute, fetch, rows_touched, tx
from backend.core.days import A_DAY
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.evidence import unreadable
from backend.evidence.removing import poster_key
from backend.evidence.sealing import append_line
from backend.law.catalogue import law
from backend.proof import known_store
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreUnavailable

# The same rule as rules.term_begins, for all files at once; a test compares the two. A lock of the last day stands.
BEGINS = "least(greatest(u.declared_at, r.ended_at, r.started_at), u.received_at)"
ENDS = f"coalesce({BEGINS} + $4::interval, end_of_term({BEGINS}, $1, $3))"
TOO_SHORT = f"""
SELECT u.id, u.owner, u.organ, u.object_key, u.version, u.locked_until, r.poster_version, {ENDS} AS until
FROM upload u LEFT JOIN recording r ON r.id = u.id
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND u.locked_until < {ENDS} - $5::interval
    AND ($2::uuid IS NULL OR u.id > $2)
ORDER BY u.id LIMIT 500
"""  # noqa: S608
LENGTHEN = """
UPDATE upload SET locked_until = $2, due_told = NULL
WHERE id = $1 AND locked_until < $2 AND disposed_at IS NULL AND version = $3
"""


async def lengthen(store: EvidenceStore, now: datetime) -> int:
    """Lock every file until its term is over. Returns how many locks were lengthened. Raises StoreUnavailable."""
    lengthened, last, term = 0, None, law().days("footage_retention")
    clock = law().by_clock("footage_retention")
    slack = A_DAY if clock is None else timedelta()
    await known_store.must_be_ours(store)
    while rows := await fetch(TOO_SHORT, term.years, last, term.days, clock, slack):
        last = rows[-1]["id"]
        for row in rows:
            lengthened += await _lengthen(store, row, now)
    return lengthened


async def _lengthen(store: EvidenceStore, row: Record, now: datetime) -> int:
    """Lock one file and its poster longer. Returns 1, or 0 where it is gone or not given: then there is a finding."""
    until = row["until"].replace(microsecond=0) + timedelta(seconds=1)
    try:
        await _lock(store, row, until)
    except ObjectUnreadable:
        await unreadable.note(row["id"], row["organ"], now)
        return 0
    except ObjectUnknown:
        await findings.flag(Finding(kind="evidence_missing", subject=row["id"], organ=row["organ"]))
        return 0
    async with tx():
        if not rows_touched(await execute(LENGTHEN, row["id"], until, row["version"])):
            return 0
        await append_line(row, "evidence/extend", now, {"locked_until": utc(until)})
    return 1


async def _lock(store: EvidenceStore, row: Record, until: datetime) -> None:
    """Lock the file, then its poster, which may be lost: it can be made again. Raises ObjectUnknown, ObjectUnreadable,
    StoreUnavailable."""
    try:
        await store.lock(row["object_key"], row["version"], until)
    except StoreUnavailable as error:
        raise await unreadable.apart(store, row, error) from error
    if row["poster_version"] is None:
        return
    key, version = poster_key(row["id"]), row["poster_version"]
    try:
        await store.lock(key, version, until)
    except StoreUnavailable:
        with suppress(ObjectUnreadable):
            await store.find(key, version)
            raise
