"""When frames are, as stretches; and one time line for a film whose clock jumps. Pure; times in seconds.

Guarantees: a stretch ends with its last frame. Where the next frame is further away than a frame may last, nothing is
filmed between the two. Stretches are in order and do not touch.
"""

from collections.abc import Iterable, Mapping

Stretch = tuple[float, float]
ONE_FRAME = 0.04  # seconds that a single frame counts for: GA/T 947-2015 asks for 25 frames a second
SHORTEST_FRAME = 0.001  # seconds
BACK = 1.0  # seconds: a time stamp that goes back further is that of another clock
FORWARD = 3600.0  # seconds: of a film whose clock may be set anew, a longer step forward is no pause
MOST_STRETCHES = 4096  # of a track; the frames beyond them do not count


class Stretches:
    """The stretches of one track, from the times of its frames, in order.

    `step`: how long a frame lasts where the film itself does not tell.
    """

    def __init__(self, longest_frame: float, step: float = ONE_FRAME) -> None:
        self._longest = longest_frame
        self._step = min(step, longest_frame)
        self._closed: list[Stretch] = []
        self._first = self._last = 0.0
        self._stamped = 0  # the last frame of this stretch that has a time, counted from 1; 0: no frame yet
        self._behind = 0  # frames behind it that have none

    @property
    def start(self) -> float | None:
        return self._closed[0][0] if self._closed else self._first if self._stamped else None

    @property
    def last(self) -> float:
        """The time of the last frame that has one."""
        return self._last

    @property
    def end(self) -> float | None:
        """When the last frame ends so far; None: there is no frame."""
        return self._last + self.step * (1 + self._behind) if self._stamped else None

    @property
    def step(self) -> float:
        """How long a frame of this stretch lasts on average; in one of a single frame, one of the stretch before."""
        if self._stamped > 1 and self._last > self._first:
            return max((self._last - self._first) / (self._stamped - 1), SHORTEST_FRAME)
        return self._step

    def add(self, at: float | None) -> None:
        """A frame at this time; None: it has no time and follows the frame before. One that lies before the last frame
        is shown with it."""
        if at is None:
            self._behind += bool(self._stamped)
            return
        if not self._stamped:
            self._first = self._last = at
        elif at - self._last > max(self._longest, self.step * (1 + self._behind)):
            self._close()
            self._first = self._last = at
        self._last = max(self._last, at)
        self._stamped, self._behind = self._stamped + self._behind + 1, 0

    def all(self) -> list[Stretch]:
        """The stretches so far."""
        return join([*self._closed, *([] if self.end is None else [(self._first, self.end)])])[:MOST_STRETCHES]

    def _close(self) -> None:
        end = self.end
        if end is not None and len(self._closed) < MOST_STRETCHES:
            self._closed.append((self._first, end))
        self._step = self.step
        self._stamped = self._behind = 0


class Clock:
    """Puts the time stamps of all tracks of a file on one line that goes forward.

    A clock that goes back, of any track, began anew: its time goes on where the film has come to. So it is after a step
    forward of more than FORWARD where `may_jump`, as in MPEG streams; elsewhere that is a pause. Nobody knows how
    long it was between the two parts.
    """

    def __init__(self, tracks: Mapping[int, Stretches], may_jump: bool) -> None:
        self._tracks, self._may_jump = tracks, may_jump
        self._added: dict[int, float] = {}  # what is added to the time stamps of a track
        self._last: dict[int, float] = {}  # where a track has come to
        self._newest = 0.0
        self.jumps = 0

    def place(self, track: int, stamp: float) -> float:
        """Where this time stamp of this track lies."""
        at = stamp + self._added.setdefault(track, self._newest)
        if track in self._last and self._is_another_clock(track, at):
            at = stamp + self._change(track, stamp)
        self._last[track] = max(at, self._last.get(track, at))
        return at

    def _is_another_clock(self, track: int, at: float) -> bool:
        step = at - self._last[track]
        return step < -BACK or (self._may_jump and step > FORWARD)

    def _change(self, track: int, stamp: float) -> float:
        """The track goes on by the clock that another track has changed to already, or else by a new one."""
        if self._added[track] == self._newest or self._is_another_clock(track, stamp + self._newest):
            self._newest = max(each.end for each in self._tracks.values() if each.end is not None) - stamp
            self.jumps += 1
        self._added[track] = self._newest
        return self._newest


def join(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The union: in order, none touching the next."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    return joined


def without(stretches: Iterable[Stretch], lost: Iterable[Stretch]) -> list[Stretch]:
    """What is left of the stretches."""
    left = join(stretches)
    for start, end in join(lost):
        left = [piece for a, b in left for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
    return left


def common(some: Iterable[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """What lies in both."""
    some = join(some)
    return without(some, without(some, others))


def in_milliseconds(stretches: Iterable[Stretch], begin: float) -> list[list[int]]:
    """Whole milliseconds from `begin`; what lies before it is left out."""
    rounded = [(round((start - begin) * 1000), round((end - begin) * 1000)) for start, end in stretches]
    return [[int(start), int(end)] for start, end in join((max(0, start), max(0, end)) for start, end in rounded)]
