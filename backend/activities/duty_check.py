"""Answer whether a person may do a work now, and give phones the law so that they can answer it offline.

Guarantees: nothing is written. The facts are those at the moment, by the server's clock. The server's verdict overrides
a phone's own.
"""

import gzip
import hashlib
from collections.abc import Container
from datetime import datetime
from typing import Any

import msgspec

from backend.core.database import first
from backend.core.days import day_of, first_day
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import Law, Term, Work, law, law_at, laws
from backend.law.verdict import UNKNOWN, Facts, RecusalStatus, Verdict, people_lacking, verdict
from backend.law.works import Crew

YEARLY = "yearly_training"
FACTS = """
SELECT
    EXISTS (SELECT FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz) AS on_shift,
    (SELECT bool_or(confirmed) FROM led
        WHERE auxiliary = $1 AND named @> $2::timestamptz AND during @> $2::timestamptz) AS confirmed,
    ARRAY(SELECT q.code FROM qualification q, day WHERE q.person = $1
        AND q.valid_from <= day.is AND coalesce(q.valid_until >= day.is, true)) AS valid,
    EXISTS (SELECT FROM qualification q, day WHERE q.person = $1 AND q.code = ANY ($3)
        AND q.valid_from >= $4 AND q.valid_from <= day.is) AS trained_lately,
    ARRAY(SELECT standing FROM recused
        WHERE person = $1 AND during @> $2::timestamptz
            AND (ARRAY[case_key($5), case_key($6)] && ARRAY[case_key, incident_key] OR shift IS NOT NULL)) AS standings
FROM (SELECT 1) AS one
"""
STRICTEST: tuple[RecusalStatus, ...] = ("granted", "standing_aside", "pending")
DAY = "WITH day AS (SELECT ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is)"


class DutyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the person says about the scene.

    `officers`: number of officers present, the leading one included; None: only a leading officer who is named.
    `auxiliaries`: number of auxiliaries present, oneself included; None: only oneself. `place_kind`, `light`,
    `case_kind`, `restrained`: None where nobody told. `case_ref`, `incident_ref`: numbers of the case and of the
    incident. `notice_given`: the public notice. `means`: of restraint, to be used; `self_protection`: only to protect
    oneself.
    """

    emergency: bool = False
    recording: bool = False
    officers: int | None = None
    auxiliaries: int | None = None
    place_kind: str | None = None
    light: str | None = None
    case_kind: str | None = None
    case_ref: str | None = None
    incident_ref: str | None = None
    notice_given: bool = False
    means: frozenset[str] = frozenset()
    restrained: str | None = None
    self_protection: bool = False


def work_of(code: str, at: datetime) -> Work:
    """The work with this code in the law of the moment. Raises Refusal `unknown_work`."""
    works = law_at(at).works
    if code not in works:
        raise Refusal("unknown_work")
    return works[code]


class Judged(msgspec.Struct, frozen=True):
    """A work, the verdict on it, and each way to make up for people who are missing."""

    work: Work
    verdict: Verdict
    lacking: tuple[Crew, ...]


async def verdict_on(actor: Actor, code: str, question: DutyQuestion, at: datetime) -> Judged:
    """May this person do this work now? Raises Refusal `unknown_work`."""
    work = work_of(code, at)
    facts = await facts_at(actor, question, at)
    return Judged(work, verdict(work, facts), people_lacking(work, facts))


def source_of(work: Work, code: str) -> str | None:
    """Where the condition of the work comes from that this code of a verdict is about; None: from its article alone."""
    kinds = law().qualifications
    sources = {
        "too_few_officers": work.officers_source,
        "not_recording": work.recording_source,
        "led_not_recording": work.recording_source,
        "led_notice_owed": work.enforcement_source,
        "case_kind_unfit": work.cases_source,
        "case_kind_not_told": work.officers_source,
        "restraint_not_allowed": work.restraint_source,
        "not_on_this_person": work.never_on_source,
        "restrained_not_told": work.never_on_source,
        "special_training_missing": work.training_source,
        "prerequisite_missing": work.prerequisites_source,
    }
    sources |= dict.fromkeys(
        ("too_few_people", "place_not_told", "light_not_told"), "; ".join(rule.source for rule in work.crews) or None
    )
    if work.qualification in kinds:
        sources |= dict.fromkeys(
            ("unqualified", "unlicensed", "qualification_advised"), kinds[work.qualification].source
        )
    return sources.get(code)


async def facts_at(actor: Actor, question: DutyQuestion, at: datetime) -> Facts:
    """The facts about a person at a moment, from the tables and from the question."""
    in_force, kind = law_at(at), actor.kind_at(at)
    before, trained_since = in_force.before_duty_of(kind), first_day(in_force, "yearly_training_period", day_of(at))
    first_trainings = in_force.trainings_before_duty()
    trainings = [*first_trainings, YEARLY]
    numbers = (question.case_ref, question.incident_ref)
    row = await first(f"{DAY} {FACTS}", actor.person, at, trainings, trained_since, *numbers)
    if row is None:
        raise Refusal("session_ended")
    named = row["confirmed"] is not None  # null: nobody is named
    return Facts(
        kind=kind,
        on_shift=row["on_shift"],
        trained={*before} & {*first_trainings} <= {*row["valid"]},
        prepared={*before} - {*first_trainings} <= {*row["valid"]},
        yearly_training_expired=YEARLY not in row["valid"] and not row["trained_lately"],
        qualifications=in_force.with_lower_ranks(row["valid"]),
        leader=("confirmed" if row["confirmed"] else "named") if named else "none",
        officers_present=int(named) if question.officers is None else question.officers,
        auxiliaries_present=1 if question.auxiliaries is None else question.auxiliaries,
        place_kind=question.place_kind or UNKNOWN,
        light=question.light or UNKNOWN,
        case_kind=question.case_kind or UNKNOWN,
        recusal=next((standing for standing in STRICTEST if standing in row["standings"]), "none"),
        emergency=question.emergency,
        recording=question.recording,
        notice_given=question.notice_given,
        means=question.means,
        restrained=_known(question.restrained, in_force.restrained),
        self_protection=question.self_protection,
    )


def _known(code: str | None, known: Container[str]) -> str:
    """The code where the law knows it; any other tells nothing."""
    return code if code is not None and code in known else UNKNOWN


class EncodedLaw(msgspec.Struct, frozen=True):
    """The law as phones fetch it: JSON, the same JSON compressed, and its ETag."""

    plain: bytes
    compressed: bytes
    etag: str


def catalogue() -> EncodedLaw:
    """The law in force; encoded once for each law that is loaded."""
    current = law()
    if _encoded.get("law") is not current:
        plain = msgspec.json.encode(_document(current))
        etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
        _encoded.update(law=current, catalogue=EncodedLaw(plain, gzip.compress(plain, mtime=0), etag))
    return _encoded["catalogue"]  # type: ignore[no-any-return]


_encoded: dict[str, Any] = {}


def _document(current: Law) -> dict[str, object]:
    terms = {
        name: {"source": term.source, "version": term.version, **term.units(), **_counted(term)}
        for name, term in current.terms.items()
    }
    messages = {
        code: {"zh": message.zh, "en": message.en, **({"article": message.article} if message.article else {})}
        for code, message in current.messages.items()
    }
    works = {code: _without_defaults(work) for code, work in current.works.items()}
    names = {
        "qualifications": current.qualifications, "equipment": current.equipment, "items": current.items,
        "certificates": current.certificates, "means": current.means, "restrained": current.restrained,
        "manners": current.manners, "whose": current.whose,
    }  # fmt: skip
    its = current.provisions
    lists: dict[str, object] = {
        "recusals": current.recusals, "complaints": current.complaints, "regulation": its.regulation,
        "kinds": its.kinds, "ranks": its.ranks, "insurances": its.insurances, "before_duty": its.before_duty,
        "dress": its.dress, "retention": its.retention,
    }  # fmt: skip
    every = laws()
    later = [each.regulation for each in every[every.index(current) + 1 :]]
    lists["upcoming"] = {str(each.in_force_from): each for each in later if each is not None}
    return {"works": works, **names, "terms": terms, "messages": messages, **_without_sources(lists)}


def _counted(term: Term) -> dict[str, str]:
    """How the last day of a term in days counts; nothing of any other term."""
    return {} if term.counts is None else {"counts": term.counts}


def _without_sources(lists: object) -> dict[str, object]:
    """What a screen offers of these lists of the law: codes, names and terms, and nothing that is not given."""
    return {
        name: _without_sources(value) if isinstance(value, dict) else value
        for name, value in msgspec.to_builtins(lists).items()
        if name != "source" and value not in (None, (), [])
    }


def _without_defaults(work: Work) -> dict[str, object]:
    """A work with its kind and the fields that differ from their defaults."""
    fields = msgspec.to_builtins(work)
    defaults = msgspec.to_builtins(Work(text="-", gloss="-", kind=work.kind))
    return {name: value for name, value in fields.items() if name == "kind" or value != defaults[name]}
