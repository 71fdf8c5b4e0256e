"""Server-sent events: one open stream for each reader, and one hub in each process that follows the journal.

Guarantees: a stream says only that there is something new, never what. It holds no connection of the pool. A slow
reader is not waited for: many notices become one. A stream ends when its session ends, when what the person may see
changes, and when the process ends. Nothing depends on a notice: the hub also polls the journal.
"""

import asyncio
import contextlib
import random
import signal
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import structlog
from asyncpg_listen import ListenPolicy, Notification, NotificationListener, NotificationOrTimeout
from litestar import Request, Response, get
from litestar.params import HeaderParameter
from litestar.types import Receive, Scope, Send
from prometheus_client import Gauge

from backend import feed
from backend.core.database import SESSION, for_driver
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.feed import FeedCursor, FeedLine
from backend.law.catalogue import law
from backend.people.sessions import still_acting
from mobile_api.auth import PUBLIC
from mobile_api.head import only_head
from mobile_api.problems import AWAY
from mobile_api.routes.changes import AFTER

LINES_AT_ONCE = 1000
PROBE_PAUSE = 1.8  # seconds: `fujing doctor` must hear its two words apart
PROBES_AT_ONCE = 16  # of one process, since nobody signs in for them; one more ends at once
GAP = 0.05  # least seconds between two reads of the journal
LAG = Gauge(
    "fujing_feed_lag_seconds", "How long the oldest running transaction has kept newer lines from the feed",
    multiprocess_mode="livemax",
)  # fmt: skip
STREAMS = Gauge("fujing_feed_streams", "Open streams of /v1/events", multiprocess_mode="livesum")
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx sends each event at once
]
UNREACHABLE = (*AWAY, asyncpg.PostgresError)
log = structlog.get_logger()
_probes = 0  # that are open in this process


class Stream:
    """One reader: the person, what concerns them now, and the notice that waits to be sent."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.organs: frozenset[str] = frozenset()
        self.led: frozenset[UUID] = frozenset()
        self.notice: str | None = None
        self.doubted = self.ended = False
        self.stirred = asyncio.Event()

    def notify(self, cursor: FeedCursor) -> None:
        self.notice = cursor.text()
        self.stirred.set()

    def doubt(self) -> None:
        """Ask the stream to look up the session and the led persons again."""
        self.doubted = True
        self.stirred.set()

    def end(self) -> None:
        self.ended = True
        self.stirred.set()


class Hub:
    """The streams of this process, and the position up to which the journal was read for them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._by_person: dict[UUID, list[Stream]] = defaultdict(list)
        self._by_led: dict[UUID, set[Stream]] = defaultdict(set)
        self._by_organ: dict[str, set[Stream]] = defaultdict(set)
        self._at: FeedCursor | None = None
        self._woken = asyncio.Event()
        self._since: tuple[int | None, float] = (None, 0.0)
        self._closed = False
        self._listening: asyncpg.Connection | None = None

    # -- streams

    async def join(self, actor: Actor) -> Stream:
        """Open a stream for this person; beyond the limit the oldest one ends."""
        stream = Stream(actor)
        theirs = self._by_person[actor.person]
        theirs.append(stream)
        STREAMS.inc()
        if self._closed:
            stream.end()
        for surplus in theirs[: -law().count("streams_per_person")]:
            surplus.end()
        try:
            await self.place(stream)
        except BaseException:
            self.leave(stream)
            raise
        return stream

    async def place(self, stream: Stream) -> None:
        """Look up what concerns the person now."""
        organs, led = await feed.overseen(stream.actor)
        self._put(stream, organs, led)

    def _put(self, stream: Stream, organs: frozenset[str], led: frozenset[UUID]) -> None:
        sides: Any = ((self._by_organ, stream.organs, organs), (self._by_led, stream.led, led))
        for index, before, after in sides:
            for key in before - after:
                index[key].discard(stream)
                if not index[key]:
                    del index[key]
            for key in after - before:
                index[key].add(stream)
        stream.organs, stream.led = organs, led

    def leave(self, stream: Stream) -> None:
        self._put(stream, frozenset(), frozenset())
        theirs = self._by_person[stream.actor.person]
        theirs.remove(stream)
        if not theirs:
            del self._by_person[stream.actor.person]
        STREAMS.dec()

    def _all(self) -> list[Stream]:
        return [stream for theirs in self._by_person.values() for stream in theirs]

    def close(self) -> None:
        """End every stream, and every later one at once: the process is ending."""
        self._closed = True
        for stream in self._all():
            stream.end()

    # -- the journal

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the journal while the block runs."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._listen())]
        try:
            with _ending(self.close):
                yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._listening is not None:
                self._listening.terminate()

    async def _listen(self) -> None:
        """Wake up at each notification of the database. A lost connection is made again; meanwhile the poll serves."""

        async def connect() -> asyncpg.Connection:
            settings = SESSION | {"application_name": "fujing-listen"}
            self._listening = await asyncpg.connect(**for_driver(self._url), timeout=5, server_settings=settings)
            self._woken.set()  # notifications sent meanwhile were lost
            return self._listening

        async def heard(message: NotificationOrTimeout) -> None:
            if isinstance(message, Notification):
                self._woken.set()

        poll = law().span("feed_poll").total_seconds()
        listener = NotificationListener(connect, reconnect_delay=0.5)
        await listener.run({feed.CHANNEL: heard}, policy=ListenPolicy.LAST, notification_timeout=poll)

    async def _follow(self) -> None:
        poll = pause = law().span("feed_poll").total_seconds()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
                    pause = GAP
            self._woken.clear()
            try:
                waiting = await self.look()
                pause = min(pause * 2, poll) if waiting else poll
            except UNREACHABLE as error:
                log.info("the journal was not looked at", error=type(error).__name__)
                pause = poll
            except Exception as error:
                log.error("the journal was not looked at", exc_info=error)
                pause = poll
            await asyncio.sleep(GAP)

    async def look(self) -> bool:
        """Notify the streams of new lines. Returns whether lines wait for an older transaction."""
        state = await feed.state()
        self._measure(state.oldest)
        if self._at is None or state.head.position < self._at.position:  # a restored database: begin at its head
            for stream in self._all() if self._at is not None else ():
                stream.notify(state.head)
            self._at = state.head
        while self._at.position < state.head.position and self._by_person:
            lines = await feed.lines(self._at.position, LINES_AT_ONCE)
            if not lines:
                break
            self._notify(lines)
            self._at = lines[-1].cursor
        if not self._by_person:
            self._at = state.head
        return state.waiting

    def _measure(self, oldest: int | None) -> None:
        now = monotonic()
        if oldest is None or oldest != self._since[0]:
            self._since = (oldest, now)
        LAG.set(now - self._since[1])

    def _notify(self, lines: Iterable[FeedLine]) -> None:
        for line in lines:
            for stream in self._concerned(line):
                stream.notify(line.cursor)

    def _concerned(self, line: FeedLine) -> set[Stream]:
        """Streams whose person a line may concern. GET /v1/changes decides what they may see of it."""
        persons = {*line.subjects, *([line.actor] if line.actor is not None else ())}
        theirs = {stream for person in persons if person in self._by_person for stream in self._by_person[person]}
        noun = line.verb.partition("/")[0]
        if noun in ("sessions", "devices", "supervisions", "shifts"):
            for stream in theirs.union(*(self._by_led.get(person, set()) for person in persons)):
                stream.doubt()
        if noun in ("sessions", "devices"):  # the subject may be a session or a device
            for stream in self._all():
                if {stream.actor.session, stream.actor.device} & persons:
                    stream.doubt()
        if line.verb not in feed.READERS | feed.CONCERNED | feed.ACTOR | feed.ADMINISTRATORS:
            return set()
        if line.outcome in ("refused", "denied") or line.verb in feed.ACTOR:
            return {stream for stream in theirs if stream.actor.person == line.actor}
        if line.verb in feed.CONCERNED:
            return theirs
        if line.verb in feed.ADMINISTRATORS and line.organ is None:
            return theirs | {stream for stream in self._all() if feed.answers_for(stream.actor)}
        above = self._by_organ.get(line.organ, set()) if line.organ is not None else set()
        return theirs.union(above, *(self._by_led.get(person, set()) for person in persons))


@contextlib.contextmanager
def _ending(close: Any) -> Any:
    """Close the streams at SIGTERM and Ctrl-C, beside the handlers that are there: open streams would keep the server
    from ending."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(number: int, frame: Any) -> Any:
        loop.call_soon_threadsafe(close)
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            return earlier(number, frame)
        if earlier == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        return None

    for number in before:
        signal.signal(number, end)
        signal.siginterrupt(number, False)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class EventStream(Response[bytes]):
    """The answer that stays open for one stream."""

    def __init__(self, hub: Hub, stream: Stream) -> None:
        super().__init__(b"", media_type="text/event-stream")
        self._hub, self._stream = hub, stream

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending, leaving = asyncio.create_task(self._send(send)), asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and sending.exception() is not None:
                log.info("a stream broke off", error=type(sending.exception()).__name__)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._hub.leave(self._stream)

    async def _send(self, send: Send) -> None:
        stream, beat = self._stream, law().span("heartbeat") / timedelta(seconds=1)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send(_body(b": hello\n\n"))
        due = monotonic() + beat * random.uniform(0.5, 1)  # noqa: S311 - spreads the heartbeats of streams
        while not stream.ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - monotonic())):
                    await stream.stirred.wait()
            stream.stirred.clear()
            beating = monotonic() >= due
            if beating or stream.doubted:
                await self._look_again()
            if (notice := stream.notice) is not None:
                stream.notice = None
                await send(_body(f"event: changes\nid: {notice}\ndata: {notice}\n\n".encode()))
            elif beating:
                await send(_body(b": beat\n\n"))
            if beating:
                due = monotonic() + beat
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _look_again(self) -> None:
        """End where the session ended or the person may see other things now; else look up whom they lead now."""
        stream = self._stream
        stream.doubted = False
        try:
            actor, organs, led = await still_acting(stream.actor.session), stream.organs, stream.led
            stream.actor, before = actor, stream.actor
            await self._hub.place(stream)
        except Refusal:
            stream.end()
            return
        except UNREACHABLE:
            return
        moved = (before.organ, before.kind, before.roles, organs) != (
            actor.organ, actor.kind, actor.roles, stream.organs,
        )  # fmt: skip
        if moved or led - stream.led:
            stream.notice = stream.notice or feed.START.text()
        if moved:
            stream.end()


class ProbeStream(Response[bytes]):
    """A stream of two comments, PROBE_PAUSE seconds apart: whoever hears both at once is behind a proxy that waits."""

    def __init__(self) -> None:
        super().__init__(b"", media_type="text/event-stream")

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        global _probes
        is_one_too_many = _probes >= PROBES_AT_ONCE
        _probes += 1
        try:
            await send({"type": "http.response.start", "status": 503 if is_one_too_many else 200, "headers": HEADERS})
            await send(_body(b": hello\n\n"))
            if not is_one_too_many:
                await asyncio.sleep(PROBE_PAUSE)
            await send({"type": "http.response.body", "body": b": bye\n\n", "more_body": False})
        finally:
            _probes -= 1


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(content: bytes) -> Any:
    return {"type": "http.response.body", "body": content, "more_body": True}


@get(
    "/events", summary="There is something new · 有新变化", tags=["Offline · 离线"], operation_id="events",
    media_type="text/event-stream",
)  # fmt: skip
async def events(
    request: Request[Any, Any, Any],
    after: Annotated[str | None, AFTER] = None,
    last_event: Annotated[
        str | None, HeaderParameter(name="Last-Event-ID", max_length=200, description="`id` of the last event received")
    ] = None,
) -> Response[bytes]:
    """Server-sent events: `event: changes` says that `GET /v1/changes` has something new. `id` and `data` are a cursor.

    Comment lines say that the stream lives. With `after` or Last-Event-ID, an event comes at once if there is anything
    since. The stream ends with the session: connect again, and ask for the changes in any case."""
    position = after or last_event
    cursor = None if position is None else FeedCursor.read(position)
    if only_head(request):
        return Response(b"", headers={name.decode(): text.decode() for name, text in HEADERS})
    hub: Hub = request.app.state.hub
    stream = await hub.join(request.user)
    try:
        if cursor is not None and await feed.news_since(request.user, cursor):
            stream.notify((await feed.state()).head)
    except BaseException:
        hub.leave(stream)
        raise
    return EventStream(hub, stream)


@get("/events/probe", opt=PUBLIC, include_in_schema=False)
async def probe() -> Response[bytes]:
    """A stream without a person, for `fujing doctor`: it tells nothing, and ends by itself after two seconds."""
    return ProbeStream()


ROUTES = [events, probe]
