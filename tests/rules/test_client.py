"""The Python client behind proxies and portals: a cut answer or another server's page is no answer, and a requested
pause is kept."""

import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from mobile_api.client import api
from mobile_api.client.api import Client, Problem, StoreAway, Unreachable
from mobile_api.client.outbox import Outbox, carry

BODY = b'{"code":"token_invalid","detail":"no"}'
HEAD = b"content-type: application/problem+json\r\ndpop-nonce: n\r\nconnection: close\r\n"
HEAD += b"content-length: %d\r\n\r\n" % len(BODY)


@contextmanager
def answering(*answers: bytes, requests: list[bytes] | None = None) -> Iterator[str]:
    """Serve these answers one after the other, the last one for ever, each on its own connection. The server's address.

    `requests`: a list to which each request is added.
    """
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
                    if requests is not None:
                        requests.append(request)
                    one.sendall(next(turns))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try once only: the answers of these tests never change."""
    monkeypatch.setattr(api, "ATTEMPTS", 1)


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized"])
def test_an_answer_cut_at_any_byte_is_none(status: bytes) -> None:
    """An answer without its whole body is neither a success nor a refusal."""
    whole = b"HTTP/1.1 " + status + b"\r\n" + HEAD + BODY
    for end in range(len(whole)):
        with answering(whole[:end]) as url, pytest.raises(Unreachable):
            Client(url).get("/v1/me")


def test_a_whole_answer_counts() -> None:
    """The whole answer counts, and so does an answer that has no body."""
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
    """A proxy before the server answers 413 with its own page: the outbox sends less at once."""
    large = b"HTTP/1.1 413 Content Too Large\r\n" + PAGE
    with answering(large) as url, pytest.raises(Problem, match="body_too_large"):
        Client(url).sync([])


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
def test_the_outbox_keeps_to_the_pause_that_is_asked_for(status: bytes, tmp_path: Path) -> None:
    """The pause is kept, however much there is to send or is added meanwhile."""
    requests: list[bytes] = []
    pause = b"HTTP/1.1 " + status + b"\r\nretry-after: 60\r\n" + HEAD + BODY
    with answering(pause, requests=requests) as url, closing(Outbox(tmp_path / "outbox.db")) as box:
        stop = threading.Event()
        carrier = threading.Thread(target=carry, args=(box, Client(url), "lin", stop), daemon=True)
        carrier.start()
        for _ in range(8):
            box.add("lin", "shifts/check-in")
            stop.wait(0.15)
        stop.set()
        carrier.join(5)
        assert (1, 8) == (len(requests), box.left("lin").entries)


def test_a_proof_asked_for_anew_after_a_long_absence_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is away until the last try and comes back with new nonces: the client still gets its answer."""
    monkeypatch.setattr(api, "ATTEMPTS", 3)
    monkeypatch.setattr(Client, "_pause", lambda *_: None)
    away = b"HTTP/1.1 503 Service Unavailable\r\n" + HEAD.replace(b"%d", b"0") + BODY
    ask = b'{"code":"use_dpop_nonce","detail":"again"}'
    anew = b"HTTP/1.1 401 Unauthorized\r\n" + HEAD.replace(str(len(BODY)).encode(), str(len(ask)).encode()) + ask
    good = b"HTTP/1.1 200 OK\r\n" + HEAD + BODY
    with answering(away, away, anew, good) as url:
        assert Client(url).get("/v1/me")["code"] == "token_invalid"
    with answering(anew) as url, pytest.raises(Problem, match="use_dpop_nonce"):
        Client(url).get("/v1/me")


def test_the_command_line_shows_what_is_left_in_an_outbox(tmp_path: Path) -> None:
    """A stuck file stands there with its path and the reason."""
    empty, box = tmp_path / "empty.mp4", tmp_path / "outbox.db"
    empty.touch()
    with closing(Outbox(box)) as made:
        upload = made.add_file("lin", empty)
        made._set_stuck(str(upload), "invalid")
    done = subprocess.run(
        [sys.executable, "-m", "mobile_api.cli", "outbox", str(box)], capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    assert ["lin: entries 1, files 0, stuck 1", f"stuck {empty}: invalid"] == [
        line.strip() for line in done.stdout.splitlines()
    ]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (b"507 Insufficient Storage", b"<Error/>", "存储已满"),
        (b"400 Bad Request", b"<Error><Code>XMinioStorageFull</Code></Error>", "存储已满"),
        (b"500 Internal Server Error", b"<Error><Code>InternalError</Code></Error>", "存储暂不可写"),
        (b"403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>", None),
    ],
)
def test_a_store_that_refuses_a_part_is_named(status: bytes, body: bytes, words: str | None, tmp_path: Path) -> None:
    """Before the server knows: not a server that does not answer. A URL that is over is asked for again."""
    (tmp_path / "film").write_bytes(b"film")
    refused = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with answering(refused) as store:
        part = {"number": 1, "offset": 0, "bytes": 4, "url": f"{store}/part"}
        parts = msgspec.json.encode({"parts": 1, "have": [], "missing": [part]})
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n"
        told = head + b"content-length: %d\r\n\r\n" % len(parts) + parts
        with answering(told) as url, pytest.raises(Unreachable) as away:
            Client(url).upload(uuid4(), tmp_path / "film", lanes=1)
    assert (words is not None) == isinstance(away.value, StoreAway)
    assert (words or "服务器没有应答") in away.value.zh


def test_a_server_that_says_that_its_store_is_full_is_heard_at_once() -> None:
    """It asks for a minute's patience, in its own words, and no entry waits for that."""
    body = '{"code":"store_full","detail":"存储已满。","status":503}'.encode()
    head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 60\r\n"
    told = head + b"content-length: %d\r\n\r\n" % len(body) + body
    with answering(told) as url, pytest.raises(StoreAway, match="存储已满") as away:
        Client(url).get("/v1/uploads/x/parts")
    assert ("store_full", 60) == (away.value.code, away.value.retry_after)
