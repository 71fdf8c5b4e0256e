"""The process that makes view copies: a server that forks a bounded child for each order.

`python -m storage.view_copies.child FD`: each message on the socket FD is an order in JSON, with the writing end of a
pipe beside it. The child writes its answer there, in messages (see `messages`), and ends. Whoever closes the reading
end ends the child with its next write. The server ends when the other end of its socket is closed.
"""

import array
import json
import os
import resource
import signal
import socket
import sys
from typing import Any

import av

from storage.ffmpeg_log import silence
from storage.view_copies.fragments import Fragments, codecs_of
from storage.view_copies.messages import END, FAILED, HEAD, LOOK, MESSAGE, ORDER_BYTES
from storage.view_copies.opening import look
from storage.view_copies.remuxing import remux
from storage.view_copies.stored_file import StoredFile
from storage.view_copies.transcoding import PRESET, transcode

SILENT_SECONDS = 900  # without a message; to find a time in 64 GiB without a usable clock takes some minutes
MEMORY = 3 * 1024**3  # address space, of which an encoder of 1080p uses a tenth
UNREADABLE = (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, KeyError, MemoryError)


def serve(descriptor: int) -> None:
    """Fork a child for every order until the socket is closed."""
    silence()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: the kernel clears it away
    orders = socket.socket(fileno=descriptor)
    while True:
        message, descriptors = _next_order(orders)
        if not descriptors:
            return
        if os.fork() == 0:
            orders.close()
            _run(json.loads(message), descriptors[0])
        os.close(descriptors[0])


def _next_order(orders: socket.socket) -> tuple[bytes, list[int]]:
    """An order and the pipe for its answer; no pipe where the socket is closed."""
    message, beside, _, _ = orders.recvmsg(ORDER_BYTES, socket.CMSG_LEN(4))
    pipes = array.array("i")
    for _, _, content in beside:
        pipes.frombytes(content[: len(content) - len(content) % pipes.itemsize])
    return message, list(pipes)


def _run(order: dict[str, Any], writing: int) -> None:
    """In the child: limit memory and time, do what is asked, exit."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu_seconds"], order["cpu_seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order["nice"]:
        os.nice(order["nice"])
    signal.alarm(SILENT_SECONDS)
    answer = Answer(writing)
    try:
        answer.send(*_done(order, StoredFile(order["url"], order["bytes"]), answer))
    except UNREADABLE as error:
        answer.send(FAILED, type(error).__name__.encode(), 0)
    except OSError:
        pass  # the store: an answer without an end says so
    finally:
        os._exit(0)


def _done(order: dict[str, Any], file: Any, answer: "Answer") -> tuple[bytes, bytes, int]:
    if order["task"] == "look":
        return LOOK, json.dumps(look(file)).encode(), 0
    sink = Fragments(answer.send_piece)
    if order["task"] == "remux":
        remux(file, sink, order["from_ms"], order["broken_clock"], order["note"])
    else:
        transcode(file, sink, order["note"], order.get("preset", PRESET))
    return END, b"", 0


class Answer:
    """Writes messages into the pipe. Ends the child where nobody reads any more."""

    def __init__(self, writing: int) -> None:
        self._pipe, self._headed = writing, False

    def send_piece(self, kind: bytes, content: Any, at: int) -> None:
        if not self._headed:
            self._headed = True
            self.send(HEAD, json.dumps({"codecs": codecs_of(content)}).encode(), at)
        self.send(kind, content, at)

    def send(self, kind: bytes, content: Any, at: int) -> None:
        signal.alarm(SILENT_SECONDS)  # whatever hangs, the system ends it
        left = [memoryview(MESSAGE.pack(kind, len(content), at)), memoryview(content)]
        while left:
            try:
                written = os.writev(self._pipe, left)
            except BrokenPipeError:  # nobody reads any more, and nothing is worth clearing away
                os._exit(0)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
