"""Answers that are sent while they are read: what fails before the first byte is a problem, what fails later cuts the
connection, so that no client takes a part for the whole."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any


async def begun(pieces: AsyncIterator[bytes], read: int = 1) -> AsyncIterator[bytes]:
    """The same pieces, of which the first, or the first `read`, were read already.

    Raises what reading them raises: no answer has begun then.
    """
    first = [piece for _ in range(read) if (piece := await anext(pieces, None)) is not None]
    return _all_of(first, pieces)


async def _all_of(first: list[bytes], pieces: Any) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        for piece in first:
            yield piece
        async for piece in pieces:
            yield piece
