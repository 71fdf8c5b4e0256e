"""Weigh the times that a file gives of its start, and judge what somebody corrects. Pure.

Sources are weighed, not believed in order. Each source has one vote. A moment's votes are those of the sources that say
it as they are written, then of those that say it by a mistake that recorders are known to make. The shift of the wearer
votes for a moment within it. The majority counts. A time code that was proved counts before everything.
What stays in doubt is told with all candidates (finding `time_doubtful`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec

from backend.core.wire import EARLIEST, Moment
from backend.evidence.starts.readings import CHINA, FileFacts, Reading, StartSource, readings

SHORTEST_NEWS = timedelta(milliseconds=500)  # a start that moves by less is the same
Why = Literal[
    "agreed", "only_source", "majority", "local_as_utc", "utc_as_local", "at_the_stop", "file_time_alone",
    "sources_disagree", "clock_ahead", "long_ago", "mistake_assumed", "no_time", "timecode", "timecode_doubtful",
    "told", "clock_doubtful", "corrected", "correction_unsupported", "correction_against_timecode",
]  # fmt: skip


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Terms of the law in force: `tolerance`: two sources this near agree. `old`: nobody brings in footage this late
    (terms.toml, start_tolerance and start_long_ago)."""

    tolerance: timedelta = timedelta(seconds=60)
    old: timedelta = timedelta(days=180)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a source gives for the start."""

    at: Annotated[Moment, msgspec.Meta(description="the start that it gives as it is written, by the server's clock")]
    source: Annotated[StartSource, msgspec.Meta(description="where it was read")]
    read_from: Annotated[str, msgspec.Meta(description="the tag of the container, or the characters of the name")]
    how: Annotated[str, msgspec.Meta(description="as_written, or the recorder's mistake by which it agrees")]
    agrees: Annotated[bool, msgspec.Meta(description="true: it agrees with the start that counts")]


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """The start that counts. `value`: by the server's clock; None: no source gives a time that can be.

    `by_camera`: the same by the camera's clock.
    """

    value: datetime | None
    source: StartSource
    doubtful: bool
    why: Why
    candidates: tuple[Candidate, ...] = ()
    by_camera: datetime | None = None


class Shift(NamedTuple):
    """A shift of the wearer; `ended` None: it is open."""

    started: datetime
    ended: datetime | None

    def holds(self, at: datetime, margin: timedelta) -> bool:
        """Whether the moment lies within the shift, or as near to it as `margin`."""
        return self.started - margin <= at and (self.ended is None or at <= self.ended + margin)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knows besides the file.

    `offset`: the camera's clock minus the server's. `latest`: the film had ended by then. `shifts`: of the wearer.
    """

    latest: datetime
    offset: timedelta = timedelta()
    shifts: Sequence[Shift] = ()
    limits: Limits = Limits()

    def real(self, at: datetime) -> datetime | None:
        """A time of the camera's clock by the server's; None where that is no time."""
        try:
            return (at - self.offset).astimezone(UTC)
        except OverflowError:
            return None


class Camp(NamedTuple):
    """The sources that say one moment. `votes`: the best reading of each of them; `in_shift`: so does the shift."""

    at: datetime
    votes: tuple[Reading, ...]
    in_shift: bool

    @property
    def plain(self) -> int:
        """Votes as they are written, the shift's too."""
        return sum(each.plain for each in self.votes) + self.in_shift

    @property
    def order(self) -> tuple[int, int, bool, bool, int]:
        """The larger, the better: plain votes, votes, the mistake that most recorders make, the best one's rank.

        Of votes, one that needs two mistakes at once counts for nothing.
        """
        best = min(self.votes, key=_by_rank)
        usual = any(each.how == "local_as_utc" for each in self.votes)
        votes = sum(each.how != "local_as_utc_at_the_stop" for each in self.votes)
        return (self.plain, votes, best.plain and usual, best.plain, -best.rank)

    @property
    def has_a_ground(self) -> bool:
        """Whether more speaks for it than the file's own time, read with a mistake."""
        return any(each.plain or each.voter != "file_time" for each in self.votes)

    @property
    def voters(self) -> set[str]:
        return {each.voter for each in self.votes}


def weigh(facts: FileFacts, around: Circumstances) -> Weighed:
    """The start that the sources agree on, or the most of them; doubtful where their disagreement stays."""
    found = readings(facts)
    possible = [each for each in found if _can_be(each, facts.duration, around)]
    camps = [camp for each in possible if (camp := _camp(each, possible, around)).has_a_ground]
    if not camps:
        return Weighed(value=None, source="clock", doubtful=True, why="no_time",
                       candidates=_candidates(found, None, around))  # fmt: skip
    chosen = max(camps, key=lambda camp: camp.order)
    best = min(chosen.votes, key=_by_rank)
    why, doubtful = _judge(chosen, camps, found, facts, around)
    return Weighed(
        value=around.real(best.at), source=best.source, doubtful=doubtful, why=why, by_camera=best.at,
        candidates=_candidates(found, chosen, around),
    )  # fmt: skip


def _by_rank(reading: Reading) -> tuple[bool, int]:
    return (not reading.plain, reading.rank)


def _can_be(reading: Reading, duration: timedelta, around: Circumstances) -> bool:
    """Whether a film of this length can have begun then."""
    at = around.real(reading.at)
    try:
        return at is not None and at >= EARLIEST and at + duration <= around.latest
    except OverflowError:
        return False


def _camp(centre: Reading, possible: Sequence[Reading], around: Circumstances) -> Camp:
    """The camp of one reading: of each source the best reading that is near it."""
    near: dict[str, Reading] = {}
    for each in sorted(possible, key=lambda each: (_by_rank(each), abs(each.at - centre.at))):
        if abs(each.at - centre.at) <= around.limits.tolerance:
            near.setdefault(each.voter, each)
    real = around.real(centre.at)
    in_shift = real is not None and any(shift.holds(real, 30 * around.limits.tolerance) for shift in around.shifts)
    return Camp(centre.at, tuple(near.values()), in_shift and not _is_later_copy(centre, set(near), possible, around))


def _is_later_copy(centre: Reading, voters: set[str], possible: Sequence[Reading], around: Circumstances) -> bool:
    """Whether only the file's own time says it, and the camera, whose clock was not reset, wrote an earlier time."""
    if voters != {"file_time"}:
        return False
    earliest = around.latest - around.limits.old
    return any(
        each.plain and each.voter != "file_time" and each.at < centre.at - around.limits.tolerance
        and (real := around.real(each.at)) is not None and real >= earliest
        for each in possible
    )  # fmt: skip


def _judge(
    chosen: Camp, camps: Sequence[Camp], found: Sequence[Reading], facts: FileFacts, around: Circumstances
) -> tuple[Why, bool]:
    """Why this camp counts, and whether doubt stays."""
    real = around.real(chosen.at)
    if not any(each.plain for each in chosen.votes):
        return "mistake_assumed", True
    if real is not None and real < around.latest - around.limits.old:
        return "long_ago", True
    if chosen.voters == {"file_time"}:
        return "file_time_alone", True
    if _is_ahead(chosen, found, around):
        return "clock_ahead", True
    others = [
        camp for camp in camps
        if abs(camp.at - chosen.at) > around.limits.tolerance and not _is_of_a_copy(camp, chosen)
    ]  # fmt: skip
    against = _against(chosen, found, facts, around)
    if against or _is_tied(chosen, others):
        clear = all(chosen.plain - camp.plain >= 2 for camp in others)
        return ("majority", False) if clear else ("sources_disagree", True)
    mistakes = [each.how for each in chosen.votes if not each.plain]
    if mistakes:
        return ("at_the_stop" if mistakes[0] == "at_the_stop" else _zone(mistakes[0])), False
    return ("agreed" if len(chosen.votes) > 1 else "only_source"), False


def _zone(how: str) -> Why:
    return "utc_as_local" if how == "utc_as_local" else "local_as_utc"


def _is_tied(chosen: Camp, others: Sequence[Camp]) -> bool:
    """Whether another camp has as many votes, and another source speaks there as it is written."""
    plain = {each.voter for each in chosen.votes if each.plain}
    return any(
        camp.plain >= chosen.plain
        and len(camp.votes) >= len(chosen.votes)
        and {each.voter for each in camp.votes if each.plain} - plain
        for camp in others
    )


def _is_of_a_copy(camp: Camp, chosen: Camp) -> bool:
    """Whether only what a copy or an export writes says it, and says it was later: then that was written."""
    return camp.at > chosen.at and {each.voter for each in camp.votes if each.plain} <= _written_anew(chosen)


def _written_anew(chosen: Camp) -> set[str]:
    """The sources that a copy writes anew; where somebody saw the camera run, or the film names its zone, also what an
    export writes."""
    saw_it = any(each.voter in ("clock", "zoned") and each.plain for each in chosen.votes)
    return {"file_time", "metadata"} if saw_it else {"file_time"}


def _against(chosen: Camp, found: Sequence[Reading], facts: FileFacts, around: Circumstances) -> set[str]:
    """The sources that do not say this moment, not even by a mistake. A later time may be that of a copy."""
    against = set()
    for each in found:
        real = around.real(each.at)
        if not each.plain or each.voter in chosen.voters or real is None or real < EARLIEST:
            continue
        if each.voter not in _written_anew(chosen) or each.at < chosen.at:
            against.add(each.voter)
    return against


def _is_ahead(chosen: Camp, found: Sequence[Reading], around: Circumstances) -> bool:
    """Whether the camera told, as it is written, a time that was still to come."""
    return any(
        each.plain and each.source in ("clock", "metadata") and each.voter not in chosen.voters
        and (real := around.real(each.at)) is not None and real > around.latest
        for each in found
    )  # fmt: skip


def _candidates(found: Sequence[Reading], chosen: Camp | None, around: Circumstances) -> tuple[Candidate, ...]:
    """What each source says as it is written, and by which mistake it agrees where it does."""
    votes = {} if chosen is None else {(each.voter, each.read_from): each.how for each in chosen.votes}
    listed = []
    for each in found:
        how = votes.get((each.voter, each.read_from))
        if each.plain and (real := around.real(each.at)) is not None:
            listed.append(
                Candidate(
                    at=real, source=each.source, read_from=each.read_from, how=how or each.how, agrees=how is not None
                )
            )
    return tuple(listed)


class Kept(NamedTuple):
    """The start that counts until now. `by_inspector`: an inspector corrected it."""

    value: datetime
    source: StartSource
    doubtful: bool
    by_inspector: bool = False


class Place(NamedTuple):
    """What becomes of a start that was weighed: whether it is told at all, whether it counts, and is in doubt."""

    is_news: bool
    counts: bool
    doubtful: bool


def place_of(kept: Kept | None, weighed: Weighed, limits: Limits) -> Place:
    """What becomes of a start that was weighed, beside the one that counts until now.

    What somebody corrected stays: of the file only a time code speaks against it, and the word of an inspector counts
    against that too. Then the two stand beside each other, in doubt where they differ.
    """
    if kept is None:
        return Place(True, True, weighed.doubtful)
    apart = abs((weighed.value or kept.value) - kept.value)
    proves = weighed.source == "timecode"
    if kept.source == "corrected":
        if not kept.by_inspector or not proves:
            return Place(proves, proves, weighed.doubtful)
        return Place(True, False, apart > limits.tolerance)
    is_news = apart >= SHORTEST_NEWS or (kept.doubtful, kept.source == "timecode") != (weighed.doubtful, proves)
    return Place(is_news, True, weighed.doubtful)


def judge_correction(
    value: datetime, *, proved: datetime | None, candidates: Sequence[Candidate], shifts: Sequence[Shift],
    limits: Limits,
) -> tuple[bool, Why]:  # fmt: skip
    """Whether a correction by the wearer or a dock is doubtful, and why.

    `proved`: the start by a time code; None: none was filmed. One that a source of the file says too, or that lies in a
    shift of the wearer, is believed.
    """
    if proved is not None and abs(value - proved) > limits.tolerance:
        return True, "correction_against_timecode"
    supported = any(abs(each.at - value) <= limits.tolerance for each in candidates)
    supported = supported or any(shift.holds(value, 30 * limits.tolerance) for shift in shifts)
    return (False, "corrected") if supported else (True, "correction_unsupported")


class StartedAt(msgspec.Struct, frozen=True, kw_only=True):
    """When a file began, as `fujing probe` prints it."""

    value: str | None
    source: str | None
    doubtful: bool
    candidates: list[dict[str, object]]


def started_at(facts: FileFacts, latest: datetime, limits: Limits = Limits()) -> StartedAt:  # noqa: B008 - frozen
    """When a file began by what it gives itself. For `fujing probe`; times in China's zone."""
    weighed = weigh(facts, Circumstances(latest=latest, limits=limits))
    listed = [
        {"value": _in_china(each.at), "source": each.source, "read_from": each.read_from,
         "how": each.how, "agrees": each.agrees} for each in weighed.candidates
    ]  # fmt: skip
    value = None if weighed.value is None else _in_china(weighed.value)
    source = None if value is None else weighed.source
    return StartedAt(value=value, source=source, doubtful=weighed.doubtful, candidates=listed)


def _in_china(at: datetime) -> str:
    try:
        return at.astimezone(CHINA).isoformat()
    except OverflowError:
        return at.isoformat()
