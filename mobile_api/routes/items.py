"""Reading things handed out."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.core.wire import WHOLE
from backend.items import reads
from backend.items.reads import ItemRow, ItemsFilter, ItemStatus, SightingRow
from backend.items.schemas import KIND, SERIAL
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit


@listing("/items", summary="Things handed out · 领用物品", tags=["Items · 领用归还"], operation_id="items")
async def items(
    request: Request[Any, Any, Any],
    kind: Annotated[
        str | None, QueryParameter(name="kind", pattern=KIND, description="kind of thing, such as recorder")
    ] = None,
    serial: Annotated[
        str | None, QueryParameter(name="serial", pattern=SERIAL, description="its number, in capital or small letters")
    ] = None,
    person: Annotated[UUID | None, QueryParameter(name="person", description="id of who has or had it")] = None,
    organ: Annotated[
        str | None,
        QueryParameter(
            name="organ",
            pattern=r"^[0-9]{12}" + WHOLE,
            description="handed out to people of this organ and all below it; absent: all you may see",
        ),
    ] = None,
    status: Annotated[
        ItemStatus,
        QueryParameter(
            name="status",
            description="out: not given back yet; unreturned: nor by somebody who has left; returned: given back",
        ),
    ] = "out",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[ItemRow]:
    """Who has what: your own things, and those of the organs where you hand out or oversee, the latest first."""
    wanted = ItemsFilter(kind=kind, serial=serial, person=person, organ=organ, status=status)
    return await reads.items(request.user, wanted, cursor, page_limit(limit))


@listing("/uniforms", summary="Uniforms off duty · 非履职着装", tags=["Items · 领用归还"], operation_id="uniforms")
async def uniforms(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Page[SightingRow]:
    """When you were seen in uniform off duty, and who was in the organs you oversee, the latest first.

    Whether it stands is the finding `uniform_off_duty`.
    """
    return await reads.sightings(request.user, cursor, page_limit(limit))


ROUTES = [items, uniforms]
