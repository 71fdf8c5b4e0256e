"""List trainings, qualifications and insurance of people in service that expire, have expired or are missing.

R.8 last paragraph: professional qualifications. R.24: accident insurance of those who assist enforcement or do
high-risk work. R.30: training before the job, and every year, and special training for some work.

Guarantees: a renewal that begins at the latest on the day after the old one ends leaves no gap, so it is not listed.
Yearly training is judged as in the verdict (activities/duty_check.py). People who left service are not listed.
Nothing is written.
"""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from backend.activities.duty_check import YEARLY
from backend.core.database import fetch
from backend.core.described import Badge, OrganCode, OrganName, PersonName
from backend.core.refusals import Refusal
from backend.law.catalogue import Law, law
from backend.people.tables import Organ

# $1 now, $2 days ahead, $3 organ or null, $4 codes listed, $5 kinds of person and $6 the codes each must have,
# $7 kinds that train yearly, $8 trainings that count as yearly, $9 and $11 for how many years and
# days, $10 code of yearly training
EXPIRING = """
WITH day AS (SELECT ($1::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is),
serving AS (
    SELECT p.person AS id, p.badge, p.name, p.kind, p.organ FROM stint p, day WHERE p.during @> day.is
        AND ($3::text IS NULL OR p.organ IN (SELECT organs_under(ARRAY[$3::text])))
),
held AS (
    SELECT q.person, q.code, daterange(q.valid_from, q.valid_until, '[]') AS during
    FROM qualification q WHERE q.code = ANY ($4::text[])
    UNION ALL
    SELECT q.person, $10::text, daterange(
        q.valid_from, (q.valid_from + make_interval(years => $9, days => $11))::date, '[]')
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
latest AS (
    SELECT person, code, last.until FROM last FULL JOIN owed USING (person, code)
)
SELECT p.organ, n.name AS organ_name, p.badge, p.name, t.code, t.until AS valid_until,
    CASE WHEN t.until IS NULL THEN 'missing' WHEN t.until < day.is THEN 'expired' ELSE 'expires' END AS state
FROM day, latest t JOIN serving p ON p.id = t.person JOIN organ n ON n.code = p.organ
WHERE t.until IS NULL OR t.until <= day.is + $2::integer
ORDER BY t.until NULLS FIRST, p.organ, p.badge, t.code
"""


class Expiring(msgspec.Struct, frozen=True, kw_only=True):
    """A training, qualification or insurance of one person that expires, has expired or is missing."""

    organ: OrganCode
    organ_name: OrganName
    badge: Badge
    name: PersonName
    code: Annotated[str, msgspec.Meta(description="code of the training, qualification or insurance")]
    valid_until: Annotated[date | None, msgspec.Meta(description="last day on which it is valid; null: never had it")]
    state: Annotated[
        Literal["expires", "expired", "missing"],
        msgspec.Meta(description="expires 即将到期, expired 已过期, missing 缺"),
    ]

    def words(self) -> tuple[str, str]:
        """Its name in Chinese and English."""
        recorded = law().recorded[self.code]
        return recorded.zh, recorded.en


async def expiring(now: datetime, days: int, organ: str | None = None) -> list[Expiring]:
    """What expires within `days` from today, has expired or is missing, longest ago first.

    In an organ and all below it; None: in all organs. Raises Refusal `unknown_organ`.
    """
    if organ is not None and not await Organ.exists().where(Organ.code == organ):
        raise Refusal("unknown_organ")
    current = law()
    counts = current.days("yearly_training_period")
    kinds, codes = zip(*_required(current), strict=True)
    rows = await fetch(
        EXPIRING, now, days, organ, _listed(current), kinds, codes, [*current.kinds],
        [*current.trainings_before_duty(), YEARLY], counts.years, YEARLY, counts.days,
    )  # fmt: skip
    return [msgspec.convert(dict(row), Expiring) for row in rows]


def _required(current: Law) -> list[tuple[str, str]]:
    """(kind of person, code) of what each must have: what is due before duty, training, and insurance where a work
    requires it."""
    owed = []
    for kind in current.kinds:
        works = [work for work in current.works.values() if kind in work.kinds]
        insured = {code for work in works for code in current.insurances_of(kind, work)}
        owed += [(kind, code) for code in (*current.before_duty_of(kind), YEARLY, *sorted(insured))]
    return owed


def _listed(current: Law) -> list[str]:
    """The codes whose validity matters: what everybody needs, and what some work asks for beside its qualification."""
    asked = {code for work in current.works.values() for code in (*work.training, *work.prerequisites)}
    its = current.provisions
    return list(dict.fromkeys([*its.before_duty, YEARLY, *its.insurances, *current.qualifications, *sorted(asked)]))


def notice_days() -> int:
    """How many days ahead the list looks by default."""
    return law().days("expiring_notice").at_most
