"""Recusals, read: which wait for a decision, which are overdue, what was decided and why, and which acts stand.

Who asked, and in which words, is hidden from the person it is asked of: it may be a neighbour's word.
"""

from typing import Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.paging import ListQuery, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Moment
from backend.recusals.schemas import CaseKind, Ground, State
from backend.recusals.service import RECUSALS, VISIBLE

Sort = Literal["pending", "overdue", "granted", "refused", "untold", "all"]
SORTS = {
    "pending": "r.state = 'pending'",
    "overdue": "r.state = 'pending' AND r.due_at < now()",
    "granted": "r.state = 'granted'",
    "refused": "r.state = 'refused'",
    "untold": """r.state <> 'pending' AND r.capacity <> 'self' AND (
        SELECT t.step FROM recusal_step t WHERE t.recusal = r.id AND t.step IN ('grant', 'refuse', 'tell')
        ORDER BY t.version DESC LIMIT 1) <> 'tell'""",
    "all": "true",
}
STEPS = """
SELECT s.step, s.by_person, p.name AS by_name, s.at, s.words, s.how, s.organ FROM recusal_step s
JOIN person p ON p.id = s.by_person WHERE s.recusal = $1 ORDER BY s.version
"""
ACTS = """
SELECT a.id AS activity, a.work, a.started_at, j.stands, j.words FROM activity a
LEFT JOIN LATERAL (
    SELECT c.stands, c.words FROM recusal_act c JOIN recusal_step s ON s.id = c.step
    WHERE c.activity = a.id AND s.recusal = $1 ORDER BY s.version DESC LIMIT 1
) j ON true
WHERE a.person = $2 AND a.id IN (SELECT t.activity FROM activity_telling t WHERE case_key(t.case_ref) = case_key($3))
ORDER BY a.started_at, a.id
"""


class RecusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recusal in a list. `applicant`, `words`: null for the person concerned where somebody else asked."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    case_ref: str
    case_kind: CaseKind
    capacity: Literal["self", "party", "legal_representative"]
    applicant: str | None
    oral: bool
    ground: Ground
    words: str | None
    taken_by: UUID
    asked_at: Moment
    decided_in: str
    state: State
    standing_aside: bool
    due_at: Moment | None
    told_at: Moment | None
    version: int


class RecusalStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided or done about it, by whom and why. `organ`: to which it was passed on."""

    step: Literal["stand_aside", "go_on", "grant", "refuse", "pass_on", "reconsider", "tell", "judge"]
    by_person: UUID
    by_name: str
    at: Moment
    words: str
    how: Literal["in_person", "telephone", "letter", "message"] | None
    organ: str | None


class ActOnCase(msgspec.Struct, frozen=True, kw_only=True):
    """What the person did on the case; `stands` is null while nobody judged it."""

    activity: UUID
    work: str
    started_at: Moment
    stands: bool | None
    words: str | None


class RecusalDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One recusal with its steps, and what was done on the case."""

    recusal: RecusalRow
    steps: list[RecusalStepRow]
    acts: list[ActOnCase]


class Recusals(msgspec.Struct, frozen=True, kw_only=True):
    """A page of recusals."""

    items: list[RecusalRow]
    next: str | None


async def recusals(actor: Actor, sort: Sort, cursor: str | None, limit: int) -> Recusals:
    """Those one may see, newest first: one's own, those one took down, those of the organs one oversees."""
    listed = ListQuery(RECUSALS, "recusal r", VISIBLE, SORTS[sort], by="asked_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Recusals(items=[_row(actor, row) for row in rows[:limit]], next=next_page(rows, limit, "asked_at"))


async def recusal(actor: Actor, asked: UUID) -> RecusalDetail:
    """Raises Refusal `unknown_recusal`."""
    row = await first(f"{RECUSALS} WHERE r.id = $3 AND {VISIBLE.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_recusal")
    steps = [as_row(RecusalStepRow, step) for step in await fetch(STEPS, asked)]
    if _is_shielded(actor, row):
        steps = [step if step.step != "reconsider" else msgspec.structs.replace(step, words="") for step in steps]
    acts = [as_row(ActOnCase, act) for act in await fetch(ACTS, asked, row["person"], row["case_ref"])]
    return RecusalDetail(recusal=_row(actor, row), steps=steps, acts=acts)


def _is_shielded(actor: Actor, row: Record) -> bool:
    return bool(row["capacity"] != "self" and actor.person == row["person"])


def _row(actor: Actor, row: Record) -> RecusalRow:
    told = as_row(RecusalRow, row)
    return msgspec.structs.replace(told, applicant=None, words=None) if _is_shielded(actor, row) else told
