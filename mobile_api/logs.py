"""Logs: one JSON object a line, with the request's id and the entry's where there is one.

Guarantees: no body, no token, no row's value: of an error its kind and where it came from, never its words, since the
database's quote rows and a library's quote what they were given.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

FRAMES = 12  # of a stack, the innermost


def configure(level: str) -> None:
    """Send structured logs to standard error from here on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Wordless("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_words,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_words(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """An error that is told with `exc_info`, by its kind and its stack."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    return {**event, **told(error)} if isinstance(error, BaseException) else event


def told(error: BaseException) -> dict[str, Any]:
    """The kinds of an error and of what caused it, and where the innermost was raised."""
    kinds, cause = [], error
    while True:
        kinds.append(type(cause).__name__)
        deeper = cause.__cause__ or cause.__context__
        if deeper is None:
            break
        cause = deeper
    found = {"error": " < ".join(kinds)}
    if (state := getattr(cause, "sqlstate", None)) is not None:
        found["sqlstate"] = state
    stack = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(cause.__traceback__)]
    return found | {"stack": stack[-FRAMES:]}


class Wordless(logging.Formatter):
    """What libraries log, with an error's kind and stack in the place of its words."""

    def formatException(self, ei: Any) -> str:
        found = told(ei[1])
        return "\n".join([found["error"], *found["stack"]])
