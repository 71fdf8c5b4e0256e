"""Erase free text, outsiders' names and places when their term ends. Ids, codes, times and the journal stay.

Guarantees: what an open matter or a hold still needs is kept. The journal lists every erased row by its id. The journal
still verifies afterwards, because it holds only salted digests, and the salts are erased too (ADR 10). A text column
that may not be null says that it was erased. Nothing is erased while this process's clock is minutes from the
database's. CATALOGUE and docs/privacy.md name the same columns. Source: PIPL 19, 47; DOMAIN §7.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.core import clocks, journal
from backend.core.database import fetch, tx, value
from backend.core.days import since
from backend.core.erased import ERASED
from backend.law.catalogue import law

ROWS_AT_ONCE = 500
NO_PLACE = '{"lat": 0, "lon": 0, "accuracy_m": 100000, "datum": "WGS84"}'


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a table that are erased after a term.

    `term`: its code in terms.toml. `since`: SQL for the start of the term. `while_needed`: SQL condition under which
    the row is kept longer. The columns in `to_null` become NULL, those in `to_words` the text ERASED, those in
    `to_nowhere` the place NO_PLACE.
    """

    table: str
    term: str
    since: str
    to_null: Sequence[str] = ()
    to_words: Sequence[str] = ()
    to_nowhere: Sequence[str] = ()
    while_needed: str = "false"

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.to_null, *self.to_words, *self.to_nowhere)


# Terms in terms.toml.
PLACES, WORDS, OUTSIDERS, LOOSE = "erase_places", "erase_words", "erase_outsiders", "erase_loose_papers"
ACTIVITY_NEEDED = "EXISTS (SELECT FROM activity a WHERE a.id = t.activity AND kept_about(a.person, t.at))"
ENTRY_NEEDED = """EXISTS (SELECT FROM journal j JOIN open_matter m ON m.id = ANY (j.subjects) WHERE j.entry_id = t.id)
    OR t.verb = 'recordings/declare' AND NOT EXISTS (
        SELECT FROM upload u WHERE u.id = t.id AND u.disposed_at IS NOT NULL)"""
FOOTAGE_REMOVED_AT = """(SELECT u.removed_at FROM upload u JOIN recording_description d ON d.recording = u.id
    WHERE d.id = t.description)"""
# A paper goes with the last matter that it belonged to, and one of no matter some time after it was declared; a receipt
# of a payment is a voucher, and stays.
PAPER_SINCE = """(SELECT max(m.at) FROM (
    SELECT c.concluded_at AS at FROM complaint_paper p JOIN complaint c ON c.id = p.complaint WHERE p.document = {0}
    UNION ALL SELECT p.at FROM injury_paper p WHERE p.document = {0}
    UNION ALL SELECT m.answered_at FROM matter_paper p JOIN matter m ON m.id = p.matter WHERE p.document = {0}
    UNION ALL SELECT s.at FROM recusal_paper p JOIN recusal_step s ON s.recusal = p.recusal
        WHERE p.document = {0}) m)"""
PAPER_NEEDED = """EXISTS (SELECT FROM complaint_paper p JOIN open_matter m ON m.id = p.complaint WHERE p.document = {0})
    OR EXISTS (SELECT FROM injury_paper p JOIN open_matter m ON m.id = p.injury WHERE p.document = {0})
    OR EXISTS (SELECT FROM matter_paper p JOIN open_matter m ON m.id = p.matter WHERE p.document = {0})
    OR EXISTS (SELECT FROM recusal_paper p JOIN recusal r ON r.id = p.recusal
        WHERE p.document = {0} AND r.state = 'pending')
    OR EXISTS (SELECT FROM advance_payment y WHERE y.receipt = {0})"""
PAPER_BELONGS = """EXISTS (SELECT FROM complaint_paper p WHERE p.document = {0})
    OR EXISTS (SELECT FROM injury_paper p WHERE p.document = {0})
    OR EXISTS (SELECT FROM matter_paper p WHERE p.document = {0})
    OR EXISTS (SELECT FROM recusal_paper p WHERE p.document = {0})
    OR EXISTS (SELECT FROM advance_payment y WHERE y.receipt = {0})
    OR EXISTS (SELECT FROM held_entry h WHERE {0} = ANY (h.waiting_for) AND h.state IN ('waiting', 'admitted'))"""
STORED = "coalesce(t.same_as, t.id)"
ENTRY_AT = "(SELECT max(j.at) FROM journal j WHERE j.entry_id = t.id)"
IN_OPEN_MATTER = "t.{} IN (SELECT id FROM open_matter)"
CASE_GOES_ON = """EXISTS (SELECT FROM (
    SELECT k.state FROM matter_case k WHERE k.matter = {} ORDER BY k.at DESC, k.id DESC LIMIT 1) l
    WHERE l.state IN ('reported', 'accepted'))"""
CATALOGUE = (
    Erasure(table="entry", term=WORDS, since=ENTRY_AT, to_null=("salt", "content", "despite"),
            while_needed=ENTRY_NEEDED),
    Erasure(table="held_entry", term=WORDS, since="t.received_at", to_null=("content", "despite"), to_words=("why",),
            while_needed="t.state IN ('waiting', 'admitted')"),
    Erasure(table="shift", term=PLACES, since="t.started_at", to_null=("place",),
            while_needed="kept_about(t.person, t.started_at)"),
    Erasure(table="shift", term=WORDS, since="t.started_at", to_null=("vehicle",)),
    Erasure(table="check_out", term=PLACES, since="t.at", to_null=("place",), while_needed=
            "EXISTS (SELECT FROM shift s WHERE s.id = t.shift AND kept_about(s.person, t.at))"),
    Erasure(table="supervision", term=PLACES, since="t.started_at", to_null=("place",),
            while_needed="kept_about(t.auxiliary, t.started_at)"),
    Erasure(table="supervision_answer", term=PLACES, since="t.at", to_null=("place",)),
    Erasure(table="activity_telling", term=PLACES, since="t.at", to_null=("place",), while_needed=ACTIVITY_NEEDED),
    Erasure(table="activity_telling", term=WORDS, since="t.at", to_null=("notes",), while_needed=ACTIVITY_NEEDED),
    Erasure(table="gap_account", term=WORDS, since="t.at", to_words=("words",), while_needed=ACTIVITY_NEEDED),
    Erasure(table="left_out", term=PLACES, since="t.at", to_null=("told",), while_needed="kept_about(t.person, t.at)"),
    Erasure(table="assistance", term=PLACES, since="t.called_at", to_null=("place",),
            while_needed="kept_about(t.person, t.called_at)"),
    Erasure(table="assistance", term=WORDS, since="t.called_at", to_null=("words",),
            while_needed="kept_about(t.person, t.called_at)"),
    Erasure(table="assistance_step", term=WORDS, since="t.at", to_words=("words",)),
    Erasure(table="recording_key_content", term=WORDS, since=FOOTAGE_REMOVED_AT, to_words=("words",)),
    Erasure(table="time_correction", term=WORDS, to_words=("words",),
            since="(SELECT u.removed_at FROM upload u WHERE u.id = t.recording)"),
    Erasure(table="complaint", term=OUTSIDERS, since="t.concluded_at", to_null=("contact", "place", "radius_m"),
            to_words=("complainant", "words"), while_needed=IN_OPEN_MATTER.format("id")),
    Erasure(table="document", term=OUTSIDERS, since=PAPER_SINCE.format("t.id"), to_words=("title",),
            while_needed=PAPER_NEEDED.format("t.id")),
    Erasure(table="upload", term=OUTSIDERS, to_words=("file_name",), while_needed=PAPER_NEEDED.format(STORED),
            since=f"CASE WHEN t.kind = 'document' THEN {PAPER_SINCE.format(STORED)} END"),
    Erasure(table="document", term=LOOSE, since="(SELECT u.declared_at FROM upload u WHERE u.id = t.id)",
            to_words=("title",), while_needed=PAPER_BELONGS.format("t.id")),
    Erasure(table="upload", term=LOOSE, since="CASE WHEN t.kind = 'document' THEN t.declared_at END",
            to_words=("file_name",), while_needed=PAPER_BELONGS.format(STORED)),
    Erasure(table="complaint_step", term=OUTSIDERS, since="t.at", to_words=("words",),
            while_needed=IN_OPEN_MATTER.format("complaint")),
    Erasure(table="complaint", term=WORDS, since="t.concluded_at", to_words=("unheard_why",),
            while_needed=IN_OPEN_MATTER.format("id")),
    Erasure(table="hearing", term=OUTSIDERS, since="(SELECT c.concluded_at FROM complaint c WHERE c.id = t.complaint)",
            to_words=("substance",), while_needed=IN_OPEN_MATTER.format("complaint")),
    Erasure(table="hearing_statement", term=OUTSIDERS, since="t.at", to_words=("words",), while_needed=
            "EXISTS (SELECT FROM hearing h JOIN open_matter m ON m.id = h.complaint WHERE h.id = t.hearing)"),
    Erasure(table="matter", term=OUTSIDERS, since="t.answered_at", to_words=("answer", "words"),
            while_needed=IN_OPEN_MATTER.format("id") + f" OR {CASE_GOES_ON.format('t.id')}"),
    Erasure(table="matter_case", term=OUTSIDERS, since="t.at", to_words=("words",),
            while_needed=CASE_GOES_ON.format("t.matter")),
    Erasure(table="recusal", term=OUTSIDERS, since="t.asked_at", to_words=("applicant", "words"),
            while_needed="t.state = 'pending'"),
    Erasure(table="recusal_step", term=OUTSIDERS, since="t.at", to_words=("words",)),
    Erasure(table="recusal_act", term=OUTSIDERS, to_words=("words",),
            since="(SELECT s.at FROM recusal_step s WHERE s.id = t.step)"),
    Erasure(table="injury_report", term=OUTSIDERS, since="t.at", to_null=("place", "hospital", "outsiders"),
            to_words=("how", "doing", "body_part"), while_needed=IN_OPEN_MATTER.format("injury")),
    Erasure(table="injury_step", term=OUTSIDERS, since="t.at", to_words=("words",),
            while_needed=IN_OPEN_MATTER.format("injury")),
    Erasure(table="survivor_item", term=OUTSIDERS, since="t.done_at", to_null=(), to_words=("words",),
            while_needed=IN_OPEN_MATTER.format("injury")),
    Erasure(table="hold", term=OUTSIDERS, since="t.released_at", to_words=("reason", "released_why", "asked_why"),
            to_nowhere=("place",)),
    Erasure(table="restriction", term=WORDS, since="t.lifted_at", to_null=("words",), to_words=("lifted_why",)),
    Erasure(table="review", term=WORDS, since="t.closed_at", to_words=("words", "decided_why", "praise")),
    Erasure(table="review_note", term=WORDS, since="(SELECT v.closed_at FROM review v WHERE v.id = t.review)",
            to_words=("words",)),
    Erasure(table="finding_reply", term=WORDS, since="t.at", to_words=("words",)),
    Erasure(table="finding_decision", term=WORDS, since="t.at", to_words=("why",)),
    Erasure(table="order_dispute", term=WORDS, since="t.at", to_words=("words",)),
    Erasure(table="declined_order", term=WORDS, since="t.at", to_null=("words",)),
    Erasure(table="declined_order", term=PLACES, since="t.at", to_null=("place",)),
    Erasure(table="uniform_sighting", term=WORDS, since="t.seen_at", to_words=("words",)),
    Erasure(table="time_off", term=WORDS, since="t.at", to_words=("words", "withdrawn_why")),
)  # fmt: skip
IS_DUE = "coalesce({since} < $1, false) AND ({filled}) AND NOT coalesce(({needed}), false)"
ERASE = """
UPDATE {table} x SET {emptied} WHERE x.id IN (SELECT t.id FROM {table} t WHERE {due} ORDER BY t.id LIMIT {batch})
RETURNING x.id::text
"""


def _before(term: str, now: datetime) -> datetime:
    """What began before this moment is over now. Each term is named literally, because a test reads the code for the
    terms in use."""
    return {
        PLACES: since(law(), "erase_places", now),
        WORDS: since(law(), "erase_words", now),
        OUTSIDERS: since(law(), "erase_outsiders", now),
        LOOSE: since(law(), "erase_loose_papers", now),
    }[term]


def _due(rule: Erasure) -> str:
    filled = [f"t.{name} IS NOT NULL" for name in rule.to_null]
    filled += [f"t.{name} <> '{ERASED}'" for name in rule.to_words]
    filled += [f"t.{name} <> '{NO_PLACE}'::jsonb" for name in rule.to_nowhere]
    return IS_DUE.format(since=rule.since, filled=" OR ".join(filled), needed=rule.while_needed)


def _emptied(rule: Erasure) -> str:
    changes = [f"{name} = NULL" for name in rule.to_null]
    changes += [f"{name} = CASE WHEN x.{name} IS NOT NULL THEN '{ERASED}' END" for name in rule.to_words]
    changes += [f"{name} = CASE WHEN x.{name} IS NOT NULL THEN '{NO_PLACE}'::jsonb END" for name in rule.to_nowhere]
    return ", ".join(changes)


async def due(now: datetime) -> dict[str, int]:
    """Count the rows that are due for erasure, by table and columns. Erases nothing."""
    counts: dict[str, int] = {}
    for rule in CATALOGUE:
        sql = f"SELECT count(*) FROM {rule.table} t WHERE {_due(rule)}"  # noqa: S608 - from the catalogue
        count = await value(sql, _before(rule.term, now))
        if count:
            counts[f"{rule.table}: {', '.join(rule.columns)}"] = count
    return counts


async def erase(now: datetime) -> dict[str, int]:
    """Erase what is due. Returns the number of rows, by table and columns. Raises ClocksDiffer."""
    await clocks.must_agree()
    counts: dict[str, int] = {}
    for rule in CATALOGUE:
        sql = ERASE.format(table=rule.table, emptied=_emptied(rule), due=_due(rule), batch=ROWS_AT_ONCE)
        while True:
            async with tx():
                rows = await fetch(sql, _before(rule.term, now))
                if rows:
                    await _append_to_journal(rule, [row["id"] for row in rows], now)
            if not rows:
                break
            key = f"{rule.table}: {', '.join(rule.columns)}"
            counts[key] = counts.get(key, 0) + len(rows)
    return counts


async def _append_to_journal(rule: Erasure, ids: Sequence[Any], now: datetime) -> None:
    """Write the ids of the erased rows to the journal. Ids that are numbers go into its facts."""
    subjects = [UUID(id) for id in ids if "-" in id]
    facts: dict[str, Any] = {"table": rule.table, "columns": list(rule.columns), "term": rule.term}
    if not subjects:
        facts["numbers"] = [int(id) for id in ids]
    await journal.append(journal.Line(at=now, verb="erasure/erase", outcome="done", subjects=subjects, facts=facts))
