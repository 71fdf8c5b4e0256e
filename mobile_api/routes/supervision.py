"""Reading namings of leading officers."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.supervision import orders, reads
from backend.supervision.orders import DeclinedRow, OrderRow, OrderStatus
from backend.supervision.reads import Status, SupervisionRow
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of


@listing("/supervisions", summary="Namings · 带班列表", tags=["Leading · 带班"], operation_id="supervisions")
async def supervisions(
    request: Request[Any, Any, Any],
    status: Annotated[Status, QueryParameter(name="status", description="only namings in this state")] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[SupervisionRow]:
    """The namings you may see, newest first."""
    return await reads.supervisions(request.user, status, cursor, page_limit(limit))


@listing("/orders", summary="Done by order · 受命先行", tags=["Leading · 带班"], operation_id="orders")
async def given(
    request: Request[Any, Any, Any],
    status: Annotated[
        OrderStatus, QueryParameter(name="status", description="open: undisputed, and the officer may dispute it yet")
    ] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[OrderRow]:
    """What was done by order (`despite.ordered_by`): orders that you are said to have given, acts of yours by order,
    and those of the organs you oversee, newest first."""
    return await orders.orders(request.user, status, language_of(request), cursor, page_limit(limit))


@listing(
    "/orders/declined", summary="Declined orders · 依法不能做", tags=["Leading · 带班"], operation_id="declined_orders"
)
async def declined(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Page[DeclinedRow]:
    """Orders that you declined, and those declined in the organs you inspect, newest first; never your own orders."""
    return await orders.declined(request.user, cursor, page_limit(limit))


ROUTES = [supervisions, given, declined]
