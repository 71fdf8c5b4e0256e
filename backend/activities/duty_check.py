"""Answer whether a person may do a work now, and give phones the law so that they can answer it offline.

Guarantees: nothing is written. The facts are those at the moment, by the server's clock. The server's verdict overrides
a phone's own.
"""

import gzip
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from backend.core.database import first
from backend.core.days import day_of, first_day
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import Law, Term, Work, law
from backend.law.verdict import Facts, RecusalStatus, Verdict, verdict

PRE_JOB, YEARLY = "pre_job_training", "yearly_training"
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
            AND (case_key($5) IN (case_key, incident_key) OR shift IS NOT NULL)) AS standings
FROM (SELECT 1) AS one
"""
STRICTEST: tuple[RecusalStatus, ...] = ("granted", "standing_aside", "pending")
DAY = "WITH day AS (SELECT ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is)"


class DutyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the person says about the scene.

    `officers`: number of officers present, the leading one included; None: only a leading officer who is named.
    `case_ref`: number of the case.
    """

    emergency: bool = False
    recording: bool = False
    officers: int | None = None
    case_ref: str | None = None


def work_of(code: str) -> Work:
    """The work with this code. Raises Refusal `unknown_work`."""
    if code not in law().works:
        raise Refusal("unknown_work")
    return law().works[code]


async def verdict_on(actor: Actor, code: str, question: DutyQuestion, at: datetime) -> Verdict:
    """May this person do this work now? Raises Refusal `unknown_work`."""
    return verdict(work_of(code), await facts_at(actor, question, at))


async def facts_at(actor: Actor, question: DutyQuestion, at: datetime) -> Facts:
    """The facts about a person at a moment, from the tables and from the question."""
    trained_since = first_day(law(), "yearly_training_period", day_of(at))
    row = await first(f"{DAY} {FACTS}", actor.person, at, [PRE_JOB, YEARLY], trained_since, question.case_ref)
    if row is None:
        raise Refusal("session_ended")
    named = row["confirmed"] is not None  # null: nobody is named
    return Facts(
        kind=actor.kind_at(at),  # type: ignore[arg-type]
        on_shift=row["on_shift"],
        trained=PRE_JOB in row["valid"],
        yearly_training_expired=YEARLY not in row["valid"] and not row["trained_lately"],
        qualifications=frozenset(row["valid"]),
        leader=("confirmed" if row["confirmed"] else "named") if named else "none",
        officers_present=int(named) if question.officers is None else question.officers,
        recusal=next((standing for standing in STRICTEST if standing in row["standings"]), "none"),
        emergency=question.emergency,
        recording=question.recording,
    )


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
    names = {"qualifications": current.qualifications, "equipment": current.equipment, "items": current.items}
    lists = {"recusals": current.recusals, "complaints": current.complaints}
    return {"works": works, **names, "terms": terms, "messages": messages, **_without_sources(lists)}


def _counted(term: Term) -> dict[str, str]:
    """How the last day of a term in days counts; nothing of any other term."""
    return {} if term.counts is None else {"counts": term.counts}


def _without_sources(lists: object) -> dict[str, object]:
    """What a screen offers of recusals and complaints: codes, names and terms, and nothing that is not given."""
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
