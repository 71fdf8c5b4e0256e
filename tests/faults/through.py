"""What a device does through a proxy or a pooler: an open stream of news."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import urllib3

from mobile_api.client.api import Client

PATIENCE = 15.0  # seconds for an event


@contextmanager
def first_event(client: Client) -> Iterator[Callable[[], None]]:
    """Open the stream of news; gives a function that waits for the first event after that."""
    answer = opened_stream(client)
    begun, heard = threading.Event(), threading.Event()

    def listen() -> None:
        for piece in answer.read_chunked():
            begun.set()
            if b"event:" in piece or b"data:" in piece:
                heard.set()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()

    def wait() -> None:
        assert heard.wait(PATIENCE), "no event came"

    try:
        assert begun.wait(PATIENCE), "the stream is held back"
        yield wait
    finally:
        answer.close()


def opened_stream(client: Client) -> urllib3.BaseHTTPResponse:
    """The answer of /v1/events, not read yet."""
    path = "/v1/events"
    for _ in range(3):
        headers = client._credentials("GET", path, client._access, None)
        answer = client._http.request("GET", client.url + path, headers=headers, preload_content=False)
        client._nonce = answer.headers.get("DPoP-Nonce", client._nonce)
        if answer.status == 200:
            return answer
        answer.drain_conn()
    raise AssertionError(f"{answer.status} for {path}")
