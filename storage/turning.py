"""Turn a picture as its film says: a camera held upright, or worn on its side, writes the picture lying."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import av

TURNS: dict[int, tuple[tuple[str, str], ...]] = {  # degrees against the clock, as the film says: filters
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}


class Turning:
    """Turns the frames of one film, which are all alike."""

    def __init__(self) -> None:
        self._graph: Any = None

    def upright(self, frame: Any) -> Any:
        """The frame as it is to be shown. Raises av.error.FFmpegError."""
        filters = TURNS.get(degrees(frame))
        if not filters:
            return frame
        if self._graph is None:
            self._graph = _graph(frame, filters)
        self._graph.push(frame)
        return self._graph.pull()


def degrees(frame: Any) -> int:
    """Degrees against the clock by which the film says that this picture is turned, 0 to 359."""
    return round(frame.rotation or 0) % 360


def _graph(frame: Any, filters: tuple[tuple[str, str], ...]) -> Any:
    graph = av.filter.Graph()
    base = frame.time_base or Fraction(1, 1000)
    nodes = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base),
        *(graph.add(name, arguments) for name, arguments in filters),
        graph.add("buffersink"),
    ]
    for one, following in pairwise(nodes):
        one.link_to(following)
    graph.configure()
    return graph
