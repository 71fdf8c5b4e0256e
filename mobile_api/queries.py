"""The parameters of a query: an unknown one is refused by name, as an unknown field of a body is."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from backend.core.refusals import Refusal
from mobile_api import faults

Connection = ASGIConnection[Any, Any, Any, Any]


def only_known_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """Raises Refusal `invalid` with every fault of the query where it has an unknown parameter or lacks one.

    Values that are not as declared are refused later, when the framework reads them. Routes outside the contract (the
    documentation's own files) take any query.
    """
    if not getattr(handler, "include_in_schema", False):
        return
    known = faults.parameters_of(handler)
    if not known and not connection.scope["query_string"]:
        return
    query = connection.query_params
    if query.keys() - known.keys() or any(each.required and name not in query for name, each in known.items()):
        raise Refusal("invalid", extra={"errors": faults.of_query(handler, query)})
