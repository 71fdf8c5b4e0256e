"""Logs: one JSON object a line, with the request's id and the entry's where there is one.

Guarantees: no body, no token, no row's value. Of an error only its type and its stack are logged, never its message:
a message of the database quotes rows, one of a library quotes its input.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

FRAMES = 12  # of a stack: the innermost ones


def configure(level: str) -> None:
    """Send structured logs to standard error from here on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MessagelessFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_messages,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_messages(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace `exc_info` by the type and the stack of the error."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    return {**event, **described_error(error)} if isinstance(error, BaseException) else event


def described_error(error: BaseException) -> dict[str, Any]:
    """The types of an error and of its causes, and the stack of the innermost cause."""
    kinds, cause = [], error
    while True:
        kinds.append(type(cause).__name__)
        deeper = cause.__cause__ or cause.__context__
        if deeper is None:
            break
        cause = deeper
    description = {"error": " < ".join(kinds)}
    if (state := getattr(cause, "sqlstate", None)) is not None:
        description["sqlstate"] = state
    stack = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(cause.__traceback__)]
    return description | {"stack": stack[-FRAMES:]}


class MessagelessFormatter(logging.Formatter):
    """Formats records of libraries: an error by its type and stack, without its message."""

    def formatException(self, ei: Any) -> str:
        error = described_error(ei[1])
        return "\n".join([error["error"], *error["stack"]])
