"""The store's port for phones, alone: no byte is lost where one side is slow, silent or early."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.embedded import front
from storage.embedded.front import Front
from storage.embedded.processes import free_port
from storage.house_ca import HouseCA, Pair

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
pytestmark = pytest.mark.anyio
CONTENT = os.urandom(2 * 2**20)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Path]:
    """A certificate for 127.0.0.1, and its CA."""
    home, now = tmp_path_factory.mktemp("front"), datetime.now(UTC)
    ca, pair = HouseCA(home / "ca", "here", now), Pair(home / "house.crt", home / "house.key")
    ca.keep_current(pair, ["127.0.0.1"], now)
    return pair, ca.files.certificate


@contextlib.asynccontextmanager
async def fronted(certificate: tuple[Pair, Path], store: Answering) -> AsyncIterator[int]:
    """The port before a store that answers like this."""
    inner = await asyncio.start_server(store, "127.0.0.1", 0)
    port, (pair, ca) = free_port(), certificate
    at = Front(
        listen=("127.0.0.1", port), store=("127.0.0.1", inner.sockets[0].getsockname()[1]),
        certificate=str(pair.certificate), key=str(pair.key), ca=str(ca),
    )  # fmt: skip
    serving = asyncio.create_task(front._Port(at).serve())
    try:
        await asyncio.sleep(0.1)
        yield port
    finally:
        serving.cancel()
        inner.close()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def phone(certificate: tuple[Pair, Path], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose other side cannot send ahead of what it reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
    trusting = ssl.create_default_context(cafile=str(certificate[1]))
    return await asyncio.open_connection(sock=narrow, ssl=trusting, server_hostname="127.0.0.1", limit=4096)


async def test_a_slow_phone_gets_the_last_bytes_too(
    certificate: tuple[Pair, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has answered and gone; the phone still has most of it to read."""
    monkeypatch.setattr(front, "LINGER", 0.0)

    async def store(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT * 6)  # more than the buffers of a connection hold
        await writer.drain()
        writer.close()

    async with fronted(certificate, store) as port:
        reader, writer = await phone(certificate, port)
        got = bytearray()
        while block := await reader.read(65_536):
            got += block
            await asyncio.sleep(0.002)
        writer.close()
    assert bytes(got) == CONTENT * 6


async def test_an_answer_that_comes_before_all_was_sent_arrives(certificate: tuple[Pair, Path]) -> None:
    """A refused part: the store says 403 and closes while the phone is sending, half at first, as Go's server does."""

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.write_eof()
        await asyncio.sleep(0.5)
        writer.close()

    async with fronted(certificate, store) as port:
        for _ in range(5):
            reader, writer = await phone(certificate, port)
            writer.write(CONTENT)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            assert b"HTTP/1.1 403 Forbidden\r\n\r\n" == await asyncio.wait_for(reader.read(), 10)
            writer.close()


async def test_a_store_that_is_away_ends_the_connection_and_not_the_port(certificate: tuple[Pair, Path]) -> None:
    """While the store starts again phones are cut off, and call again."""

    async def store(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with fronted(certificate, store) as port:
        for _ in range(3):
            reader, writer = await phone(certificate, port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"" == await asyncio.wait_for(reader.read(), 10)
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET /ca.crt HTTP/1.1\r\n", b"PUT "])
async def test_who_says_nothing_more_is_let_go(
    certificate: tuple[Pair, Path], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """No byte, half a handshake, half a head: each would keep two open files for ever."""
    monkeypatch.setattr(front, "PATIENCE", 0.3)

    async def store(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing of it reaches the store")

    async with fronted(certificate, store) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            assert b"" == await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_a_certificate_that_cannot_be_loaded_leaves_the_one_before(
    certificate: tuple[Pair, Path], tmp_path: Path
) -> None:
    """Half written, or a wrong one given: phones are served on."""
    pair, ca = certificate
    own = Pair(tmp_path / "own.crt", tmp_path / "own.key")
    for path, source in ((own.certificate, pair.certificate), (own.key, pair.key)):
        path.write_bytes(source.read_bytes())

    async def store(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async with fronted((own, ca), store) as port:
        own.certificate.write_text("no certificate")
        os.kill(os.getpid(), front.signal.SIGHUP)
        await asyncio.sleep(0.1)
        reader, writer = await phone(certificate, port)
        assert b"here" == await asyncio.wait_for(reader.read(), 5)
        writer.close()
