"""The embedded store's port for phones: TLS outside, the store's plain loopback port inside. A process of its own.

`python -m storage.embedded.front FRONT` takes a Front as JSON. `weed mini` binds all its ports to one
address, so what stands outside is this, and its inner ports stay on loopback (docs/adr/0060).
Guarantees: bytes go through unchanged, Host too, which signatures cover. A request in plain HTTP is answered here and
never reaches the store: with the public certificate of the house's CA at /ca.crt, for phones that do not trust it yet,
or with a sentence. SIGHUP loads the certificate anew; where that fails, the one before stays.
"""

import asyncio
import contextlib
import resource
import signal
import socket
import ssl
import sys
from pathlib import Path

import msgspec

from storage.house_ca import der

CA_PATH = "/ca.crt"
PATIENCE = 10.0  # seconds for the first byte, for the TLS handshake, and for the head of a plain request
FAREWELL = 60.0  # seconds for a slow client to take the last bytes of an answer
LINGER = 2.0  # seconds to go on reading from a client that is still sending when the store has answered and closed
BLOCK = 256 * 1024
HEAD = 8192  # bytes of a plain request that are looked at
TLS_HANDSHAKE = b"\x16"  # the first byte of every TLS connection (RFC 8446, 5.1)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
TEXT = "text/plain; charset=utf-8"
SPEAKS_TLS = "本端口使用 HTTPS。\nThis port speaks HTTPS.\n"


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and where the store is (host, port); the files to show. `ca`: what /ca.crt gives, if any."""

    listen: tuple[str, int]
    store: tuple[str, int]
    certificate: str
    key: str
    ca: str | None = None


class _Port:
    """The listening port and its connections."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.set_alpn_protocols(["http/1.1"])
        self._connections: set[asyncio.Task[None]] = set()
        self._load()

    async def serve(self) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._load_anew)
        with _listening(*self._front.listen) as listening:
            while True:
                try:
                    client, _ = await loop.sock_accept(listening)
                except OSError as error:  # too many open files: those there are go on
                    print(f"accept: {error}", file=sys.stderr, flush=True)
                    await asyncio.sleep(0.5)
                    continue
                task = loop.create_task(self._answer(client))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

    def _load(self) -> None:
        self._tls.load_cert_chain(self._front.certificate, self._front.key)

    def _load_anew(self) -> None:
        try:
            self._load()
        except OSError as error:  # ssl.SSLError is one
            print(f"the certificate stays: {error}", file=sys.stderr, flush=True)

    async def _answer(self, client: socket.socket) -> None:
        """One connection, to its end. What the other side does wrong ends it without a word."""
        with contextlib.suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError), client:
            client.setblocking(False)
            first = await asyncio.wait_for(_first_byte(client), PATIENCE)
            if first == TLS_HANDSHAKE:
                await self._pass_on(client)
            elif first:
                await asyncio.wait_for(self._answer_plainly(client), PATIENCE)

    async def _pass_on(self, client: socket.socket) -> None:
        reader, writer = await _streams(client, self._tls)
        try:
            await _between(reader, writer, self._front.store)
        finally:
            await _closed(writer)

    async def _answer_plainly(self, client: socket.socket) -> None:
        reader, writer = await _streams(client, None)
        try:
            method, path = _asked(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._plain_answer(method, path))
            await writer.drain()
        finally:
            await _closed(writer)

    def _plain_answer(self, method: str, path: str) -> bytes:
        ca = self._front.ca
        if ca is None or path != CA_PATH or method not in ("GET", "HEAD"):
            return _http("400 Bad Request", TEXT, SPEAKS_TLS.encode())
        named = 'Content-Disposition: attachment; filename="fujing-ca.crt"\r\n'
        return _http("200 OK", "application/x-x509-ca-cert", der(Path(ca)), named, head=method == "HEAD")


async def _between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, store: tuple[str, int]) -> None:
    """Carry bytes both ways until one side has ended."""
    inner, outer = await asyncio.open_connection(*store, limit=BLOCK)
    sending = asyncio.create_task(_upward(reader, outer))
    try:
        await _copy(inner, writer)
        # The store may answer before it has read all. A close with bytes unread would lose its answer on the way.
        await asyncio.wait({sending}, timeout=LINGER)
    finally:
        sending.cancel()
        outer.close()


async def _upward(reader: asyncio.StreamReader, store: asyncio.StreamWriter) -> None:
    """From the client to the store; what comes after the store closed is read and dropped."""
    with contextlib.suppress(OSError):
        await _copy(reader, store)
        store.close()  # the client has gone
        return
    with contextlib.suppress(OSError):
        while await reader.read(BLOCK):
            pass


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close, once all that was written has been sent."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while block := await source.read(BLOCK):
        target.write(block)
        await target.drain()


async def _streams(client: socket.socket, tls: ssl.SSLContext | None) -> Streams:
    """Reader and writer over an accepted connection, after the handshake where there is one."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BLOCK if tls is not None else HEAD)
    protocol = asyncio.StreamReaderProtocol(reader)
    patience = {} if tls is None else {"ssl_handshake_timeout": PATIENCE, "ssl_shutdown_timeout": FAREWELL}
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=tls, **patience)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _first_byte(client: socket.socket) -> bytes:
    """The first byte that the client sends, which stays to be read; empty where it sends none."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)
    return client.recv(1, socket.MSG_PEEK)


def _asked(head: bytes) -> tuple[str, str]:
    """Method and path of a request."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return words[0], words[1].partition("?")[0] if len(words) > 1 else ""


def _http(status: str, kind: str, body: bytes, more: str = "", *, head: bool = False) -> bytes:
    """An answer in HTTP/1.1, after which the connection ends."""
    lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"{lines}Cache-Control: no-store\r\n{more}\r\n".encode() + (b"" if head else body)


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket; `serve` has reserved its port (SO_REUSEPORT)."""
    family, both = socket.AF_INET6 if ":" in host else socket.AF_INET, host == "::"
    listening = socket.create_server((host, port), family=family, backlog=1024, reuse_port=True, dualstack_ipv6=both)
    listening.setblocking(False)
    return listening


def main() -> None:
    front = msgspec.json.decode(sys.argv[1], type=Front)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each connection
    asyncio.run(_Port(front).serve())


if __name__ == "__main__":
    main()
