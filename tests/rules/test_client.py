"""The Python client among others than its server: what did not arrive whole, and what a page on the way says, is no
answer; and when a pause is asked for, it is kept."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mobile_api.client import api
from mobile_api.client.api import Client, Problem, Unreachable
from mobile_api.client.outbox import Outbox, carry

BODY = b'{"code":"token_invalid","detail":"no"}'
HEAD = b"content-type: application/problem+json\r\ndpop-nonce: n\r\ncontent-length: %d\r\n\r\n" % len(BODY)


@contextmanager
def answering(*answers: bytes, asked: list[bytes] | None = None) -> Iterator[str]:
    """A server that says these bytes to whoever asks, one after the other and the last for ever, and hangs up. Its
    address; `asked` gathers the requests."""
    turns = itertools.chain(answers, itertools.repeat(answers[-1]))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    request = one.recv(65536)
                    if asked is not None:
                        asked.append(request)
                    one.sendall(next(turns))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that never change need no second try."""
    monkeypatch.setattr(api, "ATTEMPTS", 1)


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


PAGE = b"content-type: text/html; charset=utf-8\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nOK"


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"401 Unauthorized", b"403 Forbidden", b"511 Sign in"])
def test_a_page_of_another_server_is_no_answer(status: bytes) -> None:
    """A hotel's sign-in page neither records an entry nor ends a session."""
    with answering(b"HTTP/1.1 " + status + b"\r\n" + PAGE) as url, pytest.raises(Unreachable):
        Client(url).sync([{"verb": "shifts/check-in"}])


def test_a_gateway_that_takes_no_such_body_is_understood() -> None:
    """It stands before the server and says 413 in words of its own: the outbox sends less at once."""
    large = b"HTTP/1.1 413 Content Too Large\r\n" + PAGE
    with answering(large) as url, pytest.raises(Problem, match="body_too_large"):
        Client(url).sync([])


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
def test_the_outbox_keeps_to_the_pause_that_is_asked_for(status: bytes, tmp_path: Path) -> None:
    """However much there is to send, and whatever is added meanwhile."""
    asked: list[bytes] = []
    pause = b"HTTP/1.1 " + status + b"\r\nretry-after: 60\r\n" + HEAD + BODY
    with answering(pause, asked=asked) as url, closing(Outbox(tmp_path / "outbox.db")) as box:
        stop = threading.Event()
        carrier = threading.Thread(target=carry, args=(box, Client(url), "lin", stop), daemon=True)
        carrier.start()
        for _ in range(8):
            box.add("lin", "shifts/check-in")
            stop.wait(0.15)
        stop.set()
        carrier.join(5)
        assert (1, 8) == (len(asked), box.left("lin").entries)


def test_a_proof_asked_for_anew_after_a_long_absence_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server was away for all but the last try, and began again with other nonces: the phone goes on by itself."""
    monkeypatch.setattr(api, "ATTEMPTS", 3)
    monkeypatch.setattr(Client, "_pause", lambda *_: None)
    away = b"HTTP/1.1 503 Service Unavailable\r\n" + HEAD.replace(b"%d", b"0") + BODY
    told = b'{"code":"use_dpop_nonce","detail":"again"}'
    anew = b"HTTP/1.1 401 Unauthorized\r\n" + HEAD.replace(str(len(BODY)).encode(), str(len(told)).encode()) + told
    good = b"HTTP/1.1 200 OK\r\n" + HEAD + BODY
    with answering(away, away, anew, good) as url:
        assert Client(url).get("/v1/me")["code"] == "token_invalid"
    with answering(anew) as url, pytest.raises(Problem, match="use_dpop_nonce"):
        Client(url).get("/v1/me")
