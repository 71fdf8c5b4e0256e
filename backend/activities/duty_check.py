"""Gathers what is known of a person at a moment and asks the law; tells phones the law for judging offline.

Guarantees: nothing is written; the facts are those at that moment by the server's clock; the server's word stands over
a phone's own.
"""

import gzip
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from backend.core.database import first
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import Law, Work, law
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
        AND q.valid_from > day.is - $4::interval AND q.valid_from <= day.is) AS trained_lately,
    ARRAY(SELECT standing FROM recused
        WHERE person = $1 AND case_key = case_key($5) AND during @> $2::timestamptz) AS standings
FROM (SELECT 1) AS one
"""
STRICTEST: tuple[RecusalStatus, ...] = ("granted", "standing_aside", "pending")
DAY = "WITH day AS (SELECT ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is)"


class DutyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the asker says of the scene. `officers`: present, with the one who leads; that one alone, if left out.
    `case_ref`: in which case."""

    emergency: bool = False
    recording: bool = False
    officers: int | None = None
    case_ref: str | None = None


def work_of(code: str) -> Work:
    """Raises Refusal `unknown_work`."""
    if code not in law().works:
        raise Refusal("unknown_work")
    return law().works[code]


async def ask(actor: Actor, code: str, asked: DutyQuestion, at: datetime) -> Verdict:
    """May this person do this work now? Raises Refusal `unknown_work`."""
    return verdict(work_of(code), await facts_at(actor, asked, at))


async def facts_at(actor: Actor, asked: DutyQuestion, at: datetime) -> Facts:
    """What the tables and the asker know of a person at a moment."""
    period = law().span("yearly_training_period")
    row = await first(f"{DAY} {FACTS}", actor.person, at, [PRE_JOB, YEARLY], period, asked.case_ref)
    if row is None:
        raise Refusal("session_ended")
    named = row["confirmed"] is not None
    return Facts(
        kind=actor.kind,  # type: ignore[arg-type]
        on_shift=row["on_shift"],
        trained=PRE_JOB in row["valid"],
        yearly_training_expired=YEARLY not in row["valid"] and not row["trained_lately"],
        qualifications=frozenset(row["valid"]),
        leader=("confirmed" if row["confirmed"] else "named") if named else "none",
        officers_present=int(named) if asked.officers is None else asked.officers,
        recusal=next((each for each in STRICTEST if each in row["standings"]), "none"),
        emergency=asked.emergency,
        recording=asked.recording,
    )


class Catalogue(msgspec.Struct, frozen=True):
    """The law as phones fetch it: JSON, the same compressed, and its ETag."""

    plain: bytes
    compressed: bytes
    etag: str


def catalogue() -> Catalogue:
    """The law in force."""
    kept = law()
    if _made.get("law") is not kept:
        plain = msgspec.json.encode(_document(kept))
        etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
        _made.update(law=kept, catalogue=Catalogue(plain, gzip.compress(plain, mtime=0), etag))
    return _made["catalogue"]  # type: ignore[no-any-return]


_made: dict[str, Any] = {}


def _document(kept: Law) -> dict[str, object]:
    terms = {
        name: {"source": term.source, "version": term.version, **term.units()} for name, term in kept.terms.items()
    }
    messages = {
        code: {"zh": message.zh, "en": message.en, **({"article": message.article} if message.article else {})}
        for code, message in kept.messages.items()
    }
    works = {code: _present(work) for code, work in kept.works.items()}
    named = {"qualifications": kept.qualifications, "equipment": kept.equipment}
    return {"works": works, **named, "terms": terms, "messages": messages}


def _present(work: Work) -> dict[str, object]:
    """A work without what it does not say."""
    told = msgspec.to_builtins(work)
    silent = msgspec.to_builtins(Work(text="-", gloss="-", kind=work.kind))
    return {name: value for name, value in told.items() if name == "kind" or value != silent[name]}
