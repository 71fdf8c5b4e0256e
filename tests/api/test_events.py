"""GET /v1/events: a notice of news, for those whom it concerns, while they may read it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from litestar import Litestar

from backend import feed
from backend.core import journal
from backend.core.database import execute, fetch, tx, value
from backend.core.settings import Settings
from backend.law.catalogue import law
from backend.people import roster
from mobile_api.client.api import Client
from mobile_api.routes.events import LAG, Hub
from tests.builders import (
    SIBLING,
    STATION,
    Someone,
    a_commander_of,
    a_device,
    a_duty_auxiliary,
    a_led_patrol,
    a_row,
    ago,
    an_administrator_of,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)
from tests.houses import LIN, Serving, gone, serving
from tests.prepared import Templates

EVENTS = "/v1/events"
SOON = 3.0  # seconds


class Listening:
    """An open stream, read as it comes."""

    def __init__(self, app: Litestar, who: Someone, query: str = "", **headers: str) -> None:
        sent = {"authorization": f"DPoP {who.token}", "host": "fujing.test"} | headers
        if who.token is not None:
            sent["dpop"] = who.proof("GET", f"http://fujing.test{EVENTS}", {"Authorization": sent["authorization"]})
        scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": EVENTS, "raw_path": EVENTS.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
            "client": ("127.0.0.1", 40000), "server": ("fujing.test", 80), "state": {}, "extensions": {},
        }  # fmt: skip
        self.status, self.said, self.reading = 0, b"", asyncio.Event()
        self.reading.set()
        self._more, self._left = asyncio.Event(), asyncio.Event()
        self._asked = False
        self.task = asyncio.create_task(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.said += message.get("body", b"")
        self._more.set()

    def events(self) -> list[str]:
        """The ids of the events so far."""
        return [line[4:] for line in self.said.decode().splitlines() if line.startswith("id: ")]

    async def until(self, count: int, seconds: float = SOON) -> list[str]:
        """Wait for so many events; 0: wait until the stream begins."""
        async with asyncio.timeout(seconds):
            while len(self.events()) < count or not self.said:
                self._more.clear()
                await self._more.wait()
        return self.events()

    async def stays_silent(self, seconds: float = 0.5) -> bool:
        before = len(self.events())
        await asyncio.sleep(seconds)
        return before == len(self.events()) and not self.task.done()

    async def over(self, seconds: float = SOON) -> bool:
        return bool((await asyncio.wait([self.task], timeout=seconds))[0])

    async def leave(self) -> None:
        self._left.set()
        self.reading.set()
        await asyncio.wait([self.task], timeout=SOON)


@asynccontextmanager
async def listening(app: Litestar, who: Someone, query: str = "", **headers: str) -> AsyncIterator[Listening]:
    stream = Listening(app, who, query, **headers)
    try:
        await stream.until(0)
        await asyncio.sleep(0.2)  # notices of what was there before have come
        stream.said = b":"
        yield stream
    finally:
        await stream.leave()


@pytest.fixture
def hub(app: Litestar) -> Hub:
    return app.state.hub


# -- to whom


async def test_one_hears_of_ones_own_and_only_that_there_is_something(app: Litestar) -> None:
    """Within moments; nothing in it tells what."""
    lin = await a_duty_auxiliary(app)
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    async with listening(app, lin) as stream:
        shift = recorded(await lin.check_in())["id"]
        (event,) = await stream.until(1)
        assert f":event: changes\nid: {event}\ndata: {event}\n\n" == stream.said.decode()
        assert shift not in stream.said.decode()
        assert 200 == stream.status
        changes = (await lin.get("/v1/changes", after=cursor)).json()
        assert [shift] == [item["id"] for item in changes["items"]]
        assert (await lin.get("/v1/changes", after=event)).json()["reset"]  # it is a place, not what one has read


async def test_it_is_told_to_those_whom_it_concerns(app: Litestar) -> None:
    """Above, leading, named; not to a colleague, another station or another officer."""
    lin, zhao, _, naming = await a_led_patrol(app)
    zhu, qian = await a_duty_auxiliary(app, name="朱新"), await an_officer(app)
    chief, other = await a_commander_of(app, STATION), await an_inspector_of(app, SIBLING)
    async with contextlib.AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(listening(app, who)) for who in (lin, zhao, chief)]
        deaf = [await stack.enter_async_context(listening(app, who)) for who in (zhu, qian, other)]
        recorded(await lin.declare())
        for stream in heard:
            await stream.until(1)
        for stream in deaf:
            assert await stream.stays_silent(0.2)
        recorded(await zhao.answer("end", naming))
        await asyncio.sleep(0.3)
        count = len(heard[1].events())
        recorded(await lin.declare(file_name="another.mp4"))
        await asyncio.sleep(0.5)
        assert count == len(heard[1].events()), "who leads no more hears no more"


async def test_what_the_worker_or_another_process_writes_is_heard(app: Litestar) -> None:
    """By the poll, where nobody rings."""
    lin = await a_duty_auxiliary(app)
    async with listening(app, lin) as stream:
        line = journal.Line(at=now(), verb="evidence/probe", outcome="done", organ=STATION, subjects=[lin.id])
        await execute(journal.APPEND, *journal.columns(line))  # no transaction of ours: nobody rings
        await stream.until(1, 2 + law().span("feed_poll").total_seconds())


async def test_a_hundred_commits_ring_a_few_times(app: Litestar) -> None:
    """One notice in a process and 100 ms, and the last commit is heard all the same."""
    lin, heard = await a_duty_auxiliary(app), []
    url = str(app.state.settings.database_url)
    listener = await asyncpg.connect(url)
    await listener.add_listener(feed.CHANNEL, lambda *notice: heard.append(notice))
    await asyncio.sleep(0.3)
    heard.clear()
    begun = time.monotonic()
    async with listening(app, lin) as stream:
        for _ in range(100):
            async with tx():
                line = journal.Line(at=now(), verb="evidence/probe", outcome="done", subjects=[lin.id])
                await journal.append(line)
        head = await value("SELECT max(seq) FROM journal WHERE $1 = ANY (subjects)", lin.id)
        took = time.monotonic() - begun
        async with asyncio.timeout(SOON):
            while not stream.events() or feed.FeedCursor.read(stream.events()[-1]).position.seq < head:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert 1 <= len(heard) <= 3 + took / feed.COALESCE
        assert len(stream.events()) < 60
    await listener.close()


async def test_reading_rings_nobody(app: Litestar) -> None:
    lin, heard = await a_duty_auxiliary(app), []
    listener = await asyncpg.connect(str(app.state.settings.database_url))
    await asyncio.sleep(0.3)
    await listener.add_listener(feed.CHANNEL, lambda *notice: heard.append(notice))
    await lin.get("/v1/changes")
    with contextlib.suppress(ZeroDivisionError):
        async with tx():
            raise ZeroDivisionError
    await asyncio.sleep(0.3)
    assert [] == heard
    await listener.close()


# -- when one comes back


async def test_what_came_meanwhile_is_told_at_once(app: Litestar) -> None:
    """By the last event's id, by a cursor of /v1/changes; nothing where nothing came."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    async with listening(app, lin) as stream:
        shift = recorded(await lin.check_in())["id"]
        (event,) = await stream.until(1)
    recorded(await zhu.check_in())
    silent = Listening(app, lin, **{"last-event-id": event})
    await silent.until(0)
    assert await silent.stays_silent()
    assert [] == silent.events()
    await silent.leave()
    recorded(await lin.check_out(shift))
    for query, headers in (("", {"last-event-id": event}), (f"after={cursor}", {})):
        stream = Listening(app, lin, query, **headers)
        assert 1 == len(await stream.until(1))
        await stream.leave()


async def test_a_place_that_is_not_known_is_news(app: Litestar) -> None:
    """The changes will say `reset`. What is no cursor is refused before the stream begins."""
    lin = await a_duty_auxiliary(app)
    cursor = feed.FeedCursor.read((await lin.get("/v1/changes")).json()["cursor"])
    stream = Listening(app, lin, f"after={cursor._replace(check=cursor.check ^ 1).text()}")
    assert 1 == len(await stream.until(1))
    await stream.leave()
    refused(await lin.get(EVENTS, after="nonsense"), 422, "invalid")
    assert 0 == len(app.state.hub._by_person.get(lin.id, ()))


async def test_nobody_listens_without_a_session(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    lin.token = None
    refused(await lin.get(EVENTS), 401, "token_missing")


# -- how long it lasts


async def test_it_ends_with_the_session(app: Litestar) -> None:
    """Signing out is heard at once; another session of the same person goes on."""
    lin = await a_duty_auxiliary(app)
    first = Listening(app, lin)
    await first.until(0)
    await lin.open()
    async with listening(app, lin) as second:
        token, other = lin.token, await value("SELECT id FROM session WHERE person = $1 ORDER BY opened_at", lin.id)
        await execute("UPDATE session SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", other)
        line = journal.Line(at=now(), verb="devices/revoke", outcome="done", subjects=[other])
        async with tx():
            await journal.append(line)
        assert await first.over()
        assert not second.task.done()
        assert token == lin.token
        assert 204 == (await lin.ask("DELETE", "/v1/sessions/current")).status_code
        assert await second.over()


async def test_it_ends_when_the_device_is_revoked(app: Litestar) -> None:
    """Whoever found the phone gets no notice; its session is left for what the phone still holds."""
    lin, zhao, admin = await a_duty_auxiliary(app), await an_officer(app), await an_administrator_of(app, STATION)
    serial = await a_device()
    await lin.open(device=serial)
    async with listening(app, lin) as lost, listening(app, zhao) as other:
        assert 200 == (await admin.tell(f"/v1/devices/{serial}/revoke")).status_code
        assert await lost.over()
        assert not other.task.done()
    refused(await lin.get(EVENTS), 403, "device_revoked")


async def test_without_a_word_in_the_journal_the_heartbeat_finds_it(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that ended on the roster: one more notice, then the stream ends, so that the phone begins anew."""
    monkeypatch.setitem(law().terms, "heartbeat", law().terms["token_leeway"].__class__(
        **{name: getattr(law().terms["heartbeat"], name) for name in law().terms["heartbeat"].__struct_fields__}
        | {"seconds": 1}))  # fmt: skip
    sun, lin = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    async with listening(app, sun) as above, listening(app, lin) as own:
        await asyncio.sleep(1.5)
        assert b": beat" in above.said
        ended = a_row(record="role", code=sun.badge, kind="commander", organ=STATION, valid_until=ago(days=2).date())
        await roster.bring_in([ended])
        assert await above.over()
        assert above.events()
        await execute("UPDATE session SET ended_at = now(), end_reason = 'revoked' WHERE person = $1", lin.id)
        assert await own.over()


async def test_the_bell_rings_on_whatever_its_connection_says(
    app: Litestar, house: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ends in the middle leaves asyncpg with words of its own: who rings asks for another connection."""
    left, heard = [asyncpg.InternalClientError("another operation is in progress")] * 3, asyncio.Event()
    execute_it = asyncpg.Connection.execute

    async def execute_or_fail(self: Any, query: str, *values: Any, **options: Any) -> Any:
        if query.startswith("NOTIFY") and left:
            raise left.pop()
        return await execute_it(self, query, *values, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", execute_or_fail)
    monkeypatch.setattr(feed, "PAUSE", 0.05)
    listening = await asyncpg.connect(str(house.database_url))
    await listening.add_listener(feed.CHANNEL, lambda *_: heard.set())
    async with feed.notifying(str(house.database_url)):
        async with tx():
            await fetch("SELECT 1")
        await asyncio.wait_for(heard.wait(), SOON)
    await listening.close()
    assert not left


async def test_one_person_holds_so_many_and_the_oldest_gives_way(app: Litestar, hub: Hub) -> None:
    lin = await a_duty_auxiliary(app)
    most = law().count("streams_per_person")
    streams = [Listening(app, lin)]
    for _ in range(most):
        await streams[-1].until(0)
        streams.append(Listening(app, lin))
    assert await streams[0].over()
    await streams[-1].until(0)
    assert most == len(hub._by_person[lin.id])
    for stream in streams:
        await stream.leave()
    assert lin.id not in hub._by_person


async def test_who_does_not_read_holds_nobody_back(app: Litestar, hub: Hub) -> None:
    """And finds one notice for all that came."""
    lin = await a_duty_auxiliary(app)
    chief = await a_commander_of(app, STATION)
    async with listening(app, lin) as slow, listening(app, chief) as quick:
        slow.reading.clear()
        for _ in range(5):
            recorded(await lin.declare(file_name="a.mp4"))
            count = len(quick.events())
            await quick.until(count + 1)
        assert [] == slow.events()
        slow.reading.set()
        await slow.until(1)
        await asyncio.sleep(0.3)
        assert len(slow.events()) <= 2
    assert {lin.id, chief.id}.isdisjoint(hub._by_person)
    assert not any(hub._by_organ.values())


async def test_an_open_stream_holds_no_connection(app: Litestar) -> None:
    """More streams than the pool has connections, and the pool is idle."""
    people = [await a_duty_auxiliary(app) for _ in range(8)]
    async with contextlib.AsyncExitStack() as stack:
        for who in people * 4:
            await stack.enter_async_context(listening(app, who))
        busy = await fetch("SELECT state FROM pg_stat_activity WHERE application_name = 'fujing' AND state <> 'idle' "
                           "AND pid <> pg_backend_pid()")  # fmt: skip
        assert [] == busy


# -- when things break


async def test_the_listener_that_was_killed_listens_again(app: Litestar) -> None:
    """Within moments by itself, and the poll fills the time between."""
    lin = await a_duty_auxiliary(app)
    killed = "SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity WHERE application_name = 'fujing-listen'"
    ringers = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fujing-bell'"
    async with listening(app, lin) as stream:
        (before,) = await fetch(killed)
        await fetch(ringers)
        recorded(await lin.declare())
        await stream.until(1, 2 + law().span("feed_poll").total_seconds())
        async with asyncio.timeout(10):
            while True:
                rows = await fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'fujing-listen'")
                if rows and rows[0]["pid"] != before["pid"]:
                    break
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        count, begun = len(stream.events()), time.monotonic()
        recorded(await lin.declare(file_name="b.mp4"))
        await stream.until(count + 1)
        assert time.monotonic() - begun < 1


async def test_a_line_that_an_older_transaction_holds_back_is_told_when_it_ends(
    app: Litestar, application_role: asyncpg.Connection
) -> None:
    """Neither the notice nor the changes run ahead of it; how long it lasts is a figure."""
    lin = await a_duty_auxiliary(app)
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    async with listening(app, lin) as stream:
        transaction = application_role.transaction()
        await transaction.start()
        await application_role.execute("SELECT pg_current_xact_id()")
        try:
            recorded(await lin.check_in())
            assert await stream.stays_silent(1.0)
            assert [] == (await lin.get("/v1/changes", after=cursor)).json()["items"]
            assert 0.3 < LAG._value.get() < 10
        finally:
            await transaction.rollback()
        await stream.until(1, 2 + law().span("feed_poll").total_seconds())
        async with asyncio.timeout(2 + law().span("feed_poll").total_seconds()):
            while LAG._value.get():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert 1 == len((await lin.get("/v1/changes", after=cursor)).json()["items"])


# -- a real server


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[tuple[Serving, Client]]:
    """A house where one person may hold five hundred streams, with Lin signed in."""
    home = tmp_path_factory.mktemp("busy")
    law_dir = home / "law"
    law_dir.mkdir()
    (law_dir / "terms.toml").write_text(
        '[streams_per_person]\ncount = 600\nsource = "a test of many streams"\nversion = "1"\n'
        '[heartbeat]\nseconds = 2\nsource = "a test of many streams"\nversion = "1"\n',
        encoding="utf-8",
    )
    place, passwords = templates.place(home / "house")
    place.settings["FUJING_LAW_DIR"] = str(law_dir)
    with serving(place) as house:
        lin = house.handheld("HH-0001")
        lin.sign_in(LIN, passwords[LIN])
        yield house, lin


async def opened(house: Serving, lin: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = house.url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    shown = lin._credentials("GET", EVENTS, lin._access, None)
    head = "".join(f"{name}: {text}\r\n" for name, text in shown.items())
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode())
    head = await reader.readuntil(b": hello\n\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return reader, writer


CHECK_IN = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


async def test_five_hundred_streams_in_one_worker(busy: tuple[Serving, Client]) -> None:
    """All hear within seconds and beat; a backend killed under it is got over; SIGTERM ends it all, cleanly."""
    house, lin = busy
    begun = time.monotonic()
    streams = []
    for _ in range(10):
        streams += await asyncio.gather(*(opened(house, lin) for _ in range(50)))
    took = time.monotonic() - begun
    begun = time.monotonic()
    shift = (await asyncio.to_thread(lin.entry, "shifts/check-in", **CHECK_IN))["id"]
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.readuntil(b"event: changes\n") for reader, _ in streams))
    heard = time.monotonic() - begun
    async with asyncio.timeout(10):
        await asyncio.gather(*(reader.readuntil(b": beat\n") for reader, _ in streams))
    begun = time.monotonic()
    await asyncio.to_thread(lin.get, "/v1/me")
    beside = time.monotonic() - begun
    print(f"500 streams open in {took:.2f} s, all notified in {heard:.2f} s, a call beside them {beside:.3f} s")
    assert heard < 10

    victims = [each for each in house.family() if any("fujing_app" in word for word in each.cmdline())]
    assert victims
    victims[0].send_signal(signal.SIGKILL)  # PostgreSQL cuts every connection and recovers
    await asyncio.sleep(1)
    await asyncio.to_thread(lin.entry, "shifts/check-out", shift=shift)
    async with asyncio.timeout(15):
        await asyncio.gather(*(reader.readuntil(b"event: changes\n") for reader, _ in streams))

    family = house.family()
    lasted = house.end(signal.SIGTERM)
    assert lasted < 5
    assert 0 == house.process.returncode
    ends = await asyncio.gather(*(asyncio.wait_for(reader.read(), 5) for reader, _ in streams))
    assert all(end.endswith(b"0\r\n\r\n") for end in ends), "cut off, not ended"
    assert [] == gone(family, 0.5)
    for _, writer in streams:
        writer.close()
