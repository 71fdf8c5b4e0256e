"""Where the frames behind a hole of an AVI lie.

The format has no times, and a reader counts the frames that it finds: those behind a hole come too early. The index at
the end of the file tells how many were there. Used by the probe and by view copies, so that both have one time line.
"""

from typing import Any

CHUNK_HEAD, LARGEST_CHUNK = 8, 1024**2  # bytes: before each frame; of what else may stand between two frames


class AviPlaces:
    """Tells of each packet, in their order, by how much it lies later than it is counted.

    `picture`: the stream of the picture, before anything was read; None: there is none, then nothing is known.
    `holes`: where bytes were passed over and no index tells how much they lasted: the parts stand one after another.
    """

    def __init__(self, picture: Any) -> None:
        entries = [] if picture is None else picture.index_entries
        self._listed = {entry.pos + CHUNK_HEAD: entry.timestamp for entry in entries}
        self._picture = None if picture is None else picture.index
        self._later = 0.0
        self._reached: int | None = None  # the end of the packet before
        self._passed_over = False  # bytes since the picture before
        self.holes = 0

    def later(self, packet: Any) -> float:
        """By how many seconds this packet lies later than it is counted."""
        if packet.pos is None:
            return self._later
        self._passed_over |= self._reached is not None and packet.pos - self._reached > LARGEST_CHUNK
        self._reached = packet.pos + packet.size
        if packet.stream_index == self._picture and packet.dts is not None:
            if packet.pos in self._listed:
                self._later = max(self._later, float((self._listed[packet.pos] - packet.dts) * packet.time_base))
            elif self._passed_over:
                self.holes += 1
            self._passed_over = False
        return self._later
