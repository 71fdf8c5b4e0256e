"""What may be decided about a finding, and which stretch of one's own film may be watched. Pure.

Source: R.13, 31; 公通字〔2016〕14号.
"""

from datetime import datetime, timedelta


def decision_lacks(
    answer_by: datetime | None, replied_at: datetime | None, decided_at: datetime | None, at: datetime
) -> str | None:
    """What a decision about a finding lacks; None: nothing. `answer_by`: until when its person may reply; None: it was
    not told.

    finding_not_told: nobody told it, and the person did not reply by themselves. finding_unanswered: the term to reply
    is not over. finding_decided: it was decided, and no reply came since.
    """
    if decided_at is not None and (replied_at is None or replied_at <= decided_at):
        return "finding_decided"
    if replied_at is not None:
        return None
    if answer_by is None:
        return "finding_not_told"
    return "finding_unanswered" if at <= answer_by else None


def own_stretch(started_at: datetime, ended_at: datetime | None, around: timedelta) -> tuple[datetime, datetime]:
    """From when to when one may watch one's own film of what a finding or a hearing is about.

    Some time before and after it too: `around`.
    """
    return started_at - around, (ended_at or started_at) + around


def within(from_ms: int, stretch: tuple[int, int]) -> int | None:
    """From where a film is sent to whoever asks for it from `from_ms` and may watch this stretch; None: it is over.

    In milliseconds from the start of the film.
    """
    first, last = stretch
    begin = max(from_ms, first)
    return None if begin >= last else begin
