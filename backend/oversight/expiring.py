"""What runs out: trainings, qualifications and insurance of people in service, for whoever renews them in time.

R.8 last paragraph: professional qualifications. R.24: accident insurance of those who assist enforcement or do
high-risk work. R.30: training before the job, and every year.

Guarantees: a renewal that begins no later than the day after the old one ends is no running out; yearly training is
judged as the verdict judges it (activities/asking.py); whoever left service is not told of; nothing is written.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from backend.activities.duty_check import PRE_JOB, YEARLY
from backend.core.database import fetch, value
from backend.core.refusals import Refusal
from backend.law.catalogue import Law, law
from backend.law.verdict import WHOSE_WORK

INSURANCE = "accident_insurance"  # the roster's code of the insurance of R.24
WORDS = {
    PRE_JOB: ("岗前培训", "Training before the job"),
    YEARLY: ("年度培训", "Yearly training"),
    INSURANCE: ("人身意外伤害保险", "Accident insurance"),
}
# $1 now, $2 days ahead, $3 organ or none, $4 codes told of, $5 kinds and $6 codes that are owed, $7 who trains yearly,
# $8 the training that counts for the year, $9 how long, $10 the code of yearly training
EXPIRING = """
WITH day AS (SELECT ($1::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is),
serving AS (
    SELECT p.* FROM person p, day WHERE daterange(p.serves_from, p.serves_until, '[]') @> day.is
        AND ($3::text IS NULL OR p.organ IN (SELECT organs_under(ARRAY[$3::text])))
),
held AS (
    SELECT q.person, q.code, daterange(q.valid_from, q.valid_until, '[]') AS during
    FROM qualification q WHERE q.code = ANY ($4::text[])
    UNION ALL
    SELECT q.person, $10::text, daterange(q.valid_from, (q.valid_from + $9::interval)::date)
    FROM qualification q JOIN serving p ON p.id = q.person
    WHERE q.code = ANY ($8::text[]) AND p.kind = ANY ($7::text[])
),
stretch AS (
    SELECT person, code, unnest(range_agg(during)) AS during FROM held GROUP BY person, code
),
last AS (
    SELECT s.person, s.code, max(coalesce(upper(s.during), 'infinity') - 1) AS until
    FROM stretch s, day WHERE lower(s.during) <= day.is GROUP BY s.person, s.code
),
owed AS (
    SELECT p.id AS person, o.code FROM serving p JOIN unnest($5::text[], $6::text[]) AS o (kind, code) USING (kind)
),
told AS (
    SELECT person, code, last.until FROM last FULL JOIN owed USING (person, code)
)
SELECT p.organ, n.name AS organ_name, p.badge, p.name, t.code, t.until AS valid_until,
    CASE WHEN t.until IS NULL THEN 'missing' WHEN t.until < day.is THEN 'expired' ELSE 'expires' END AS state
FROM day, told t JOIN serving p ON p.id = t.person JOIN organ n ON n.code = p.organ
WHERE t.until IS NULL OR t.until <= day.is + $2::integer
ORDER BY t.until NULLS FIRST, p.organ, p.badge, t.code
"""


class Expiring(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's training, qualification or insurance. `valid_until`: the last day; none where there never was one."""

    organ: str
    organ_name: str
    badge: str
    name: str
    code: str
    valid_until: date | None
    state: Literal["expires", "expired", "missing"]

    def words(self) -> tuple[str, str]:
        """What it is, in Chinese and English."""
        if self.code in WORDS:
            return WORDS[self.code]
        named = law().qualifications[self.code]
        return named.zh, named.en


async def expiring(now: datetime, days: int, organ: str | None = None) -> list[Expiring]:
    """What expires by `days` from today, has expired or is missing, longest ago first, in an organ and all below it.

    Raises Refusal `unknown_organ`.
    """
    if organ is not None and not await value("SELECT count(*) FROM organ WHERE code = $1", organ):
        raise Refusal("unknown_organ")
    kept = law()
    kinds, codes = zip(*_owed(kept), strict=True)
    rows = await fetch(
        EXPIRING, now, days, organ, [*WORDS, *kept.qualifications], kinds, codes, [*WHOSE_WORK.values()],
        [PRE_JOB, YEARLY], kept.span("yearly_training_period"), YEARLY,
    )  # fmt: skip
    return [msgspec.convert(dict(row), Expiring) for row in rows]


def _owed(kept: Law) -> list[tuple[str, str]]:
    """Who must have what: training every auxiliary, insurance those whose works ask for it."""
    insured = {WHOSE_WORK[work.kind] for work in kept.works.values() if work.insurance}
    trained = [(kind, code) for kind in WHOSE_WORK.values() for code in (PRE_JOB, YEARLY)]
    return [*trained, *((kind, INSURANCE) for kind in sorted(insured))]


def notice_days() -> int:
    """How many days ahead one looks unless told otherwise."""
    return law().span("expiring_notice").days
