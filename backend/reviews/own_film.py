"""One's own film: whom a finding or a hearing concerns may watch that stretch of what they filmed themselves.

Guarantees: watched as any footage is, under a review and with each view in the journal; only that stretch, only as a
view copy, and no copy is taken. Footage that is restricted needs the commander's yes first; who is recused from its
case does not see it. Source: R.13(5), 31; 公通字〔2016〕14号.
"""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.database import first
from backend.core.days import until
from backend.core.described import RecordingId
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Occasion
from backend.core.wire import Entry
from backend.reviews import rules
from backend.reviews.tables import Review

# $1 the person, $2 the finding or hearing.
ABOUT = {
    "finding": """SELECT coalesce(f.started_at, f.found_at) AS started_at, f.ended_at FROM finding f
        WHERE f.person = $1 AND f.id = $2 AND f.withdrawn_at IS NULL""",
    "hearing": """SELECT c.started_at, c.ended_at FROM hearing h JOIN complaint c ON c.id = h.complaint
        WHERE h.person = $1 AND h.id = $2""",
}
# One's own footage of this time. $1 the person, $2 the recording, $3 and $4 from when to when.
FOOTAGE = """
SELECT r.id, r.wearer, r.organ, EXISTS (
    SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL) AS restricted
FROM recording r WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $2) AND r.wearer = $1
    AND r.during && tstzrange($3, $4) AND NOT hidden_from($1, r.wearer, r.during)
"""


class OpenOwnFilm(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask to watch one's own film of what a finding or a hearing is about: exactly one of the two.

    The id of this entry is the id of the review. No copy can be taken.
    """

    recording: RecordingId
    finding: Annotated[
        UUID | None, msgspec.Meta(description="id of the finding about you; null: a hearing is given")
    ] = None
    hearing: Annotated[UUID | None, msgspec.Meta(description="id of the hearing of you; null: a finding is given")] = (
        None
    )


async def insert(occasion: Occasion, entry: OpenOwnFilm) -> None:
    """Insert a review of one's own film. Raises Refusal `own_film_of_one`, `unknown_task`, `unknown_recording`."""
    purpose, about = _what(entry)
    row = await first(ABOUT[purpose], occasion.actor.person, about)
    if row is None:
        raise Unknown("unknown_task", about)
    stretch = rules.own_stretch(row["started_at"], row["ended_at"], occasion.law.span("own_film_around"))
    footage = await first(FOOTAGE, occasion.actor.person, entry.recording, *stretch)
    if footage is None:
        raise Unknown("unknown_recording", entry.recording)
    at = occasion.timing.as_of
    await Review.insert(
        Review(
            id=entry.id, recording=footage["id"], wearer=footage["wearer"], organ=footage["organ"],
            reviewer=occasion.actor.person, purpose=purpose, number=str(about), about=about, tasked=True,
            opened_at=at, over_at=until(occasion.law, "review_lasts", at), needs_approval=footage["restricted"],
            watch_from=stretch[0], watch_until=stretch[1],
        )
    )  # fmt: skip


def _what(entry: OpenOwnFilm) -> tuple[str, UUID]:
    """What it is about. Raises Refusal `own_film_of_one`."""
    given = [(name, about) for name in ABOUT if (about := getattr(entry, name)) is not None]
    if len(given) != 1:
        raise Refusal("own_film_of_one")
    return given[0]
