"""The Python client on a connection that is cut: what did not arrive whole was not said."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mobile_api import client
from mobile_api.client import Client, Problem, Unreachable

BODY = b'{"code":"token_invalid","detail":"no"}'
HEAD = b"content-type: application/problem+json\r\ndpop-nonce: n\r\ncontent-length: %d\r\n\r\n" % len(BODY)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says these bytes to whoever asks, and hangs up. Its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    one.recv(65536)
                    one.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that never change need no second try."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized"])
def test_an_answer_cut_at_any_byte_is_none(status: bytes) -> None:
    """Neither a success without its body nor a refusal without its reason."""
    whole = b"HTTP/1.1 " + status + b"\r\n" + HEAD + BODY
    for end in range(len(whole)):
        with answering(whole[:end]) as url, pytest.raises(Unreachable):
            Client(url).get("/v1/me")


def test_a_whole_answer_counts() -> None:
    """The same bytes, all of them; and an answer that has no body."""
    with answering(b"HTTP/1.1 200 OK\r\n" + HEAD + BODY) as url:
        assert Client(url).get("/v1/me")["code"] == "token_invalid"
    no = b"HTTP/1.1 401 Unauthorized\r\n" + HEAD + BODY
    with answering(no) as url, pytest.raises(Problem, match="token_invalid"):
        Client(url).get("/v1/me")
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as url:
        assert Client(url).get("/v1/me") is None
