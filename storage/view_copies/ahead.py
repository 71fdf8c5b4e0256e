"""Let a thread work ahead, so that two steps of a film that leave the GIL alone run on two cores."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
LEAVING_SECONDS = 0.05


def ahead(items: Iterator[Item], most: int) -> Generator[Item, None, None]:
    """The same items, taken by a thread that is `most` ahead at most. What they raise is raised here, after them.

    Close it before what the items are taken from: that waits for the thread.
    """
    taken: Queue[tuple[Item | None, BaseException | None]] = Queue(most)
    left = Event()
    thread = Thread(target=_take, args=(items, taken, left), daemon=True)
    thread.start()
    try:
        while True:
            item, error = taken.get()
            if error is not None:
                break
            yield item  # type: ignore[misc]
        if not isinstance(error, StopIteration):
            raise error
    finally:
        left.set()
        while thread.is_alive():
            with suppress(Empty):
                taken.get(timeout=LEAVING_SECONDS)


def _take(items: Iterator[Item], taken: "Queue[tuple[Item | None, BaseException | None]]", left: Event) -> None:
    try:
        while not left.is_set():
            taken.put((next(items), None))
    except BaseException as error:  # also the end of the items
        taken.put((None, error))
