"""The parameters of a query: an unknown one is refused by name, as an unknown field of a body is.

This is a middleware and no guard: the framework copies the route's handler for every guard of every request, and runs a
guard that is a plain function in another thread, which cost a check-in 9 % more CPU.
"""

from collections.abc import Awaitable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Send

from backend.core.refusals import Refusal
from mobile_api import faults


class KnownParameters:
    """Refuses a query with an unknown parameter, or without one that is required; after the session is known."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == ScopeType.HTTP:
            only_known_parameters(scope)
        return self.app(scope, receive, send)


def only_known_parameters(scope: Any) -> None:
    """Raises Refusal `invalid` with every fault of the query where it has an unknown parameter or lacks one.

    Values that are not as declared are refused later, when the framework reads them. Routes outside the contract (the
    documentation's own files) take any query.
    """
    handler = scope["route_handler"]
    if not getattr(handler, "include_in_schema", False):
        return
    known = faults.parameters_of(handler)
    if not known and not scope["query_string"]:
        return
    query = ASGIConnection[Any, Any, Any, Any](scope).query_params
    if query.keys() - known.keys() or any(each.required and name not in query for name, each in known.items()):
        raise Refusal("invalid", extra={"errors": faults.of_query(handler, query)})
