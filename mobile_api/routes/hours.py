"""Reading hours."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.core.wire import WHOLE
from backend.hours import reads as hours_reads
from backend.hours.reads import Hours
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of, refuses

Month = Annotated[
    str,
    QueryParameter(
        name="month", pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])" + WHOLE, description="year and month, such as 2026-03"
    ),
]


@get(
    "/hours", summary="Hours of a month · 工时", tags=["Hours · 工时"], operation_id="hours",
    opt=refuses("unknown_person", "unknown_organ"),
)  # fmt: skip
async def hours(
    request: Request[Any, Any, Any],
    month: Month,
    person: Annotated[
        UUID | None, QueryParameter(name="person", description="id of the person; absent: yourself")
    ] = None,
    organ: Annotated[
        str | None,
        QueryParameter(
            name="organ", max_length=12, description="everybody in this organ and below; `all`: everybody you oversee"
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Hours:
    """Hours worked, on watch and on standby, overtime, time off owed and taken; late corrections are included.

    A duty is judged as one, on the day and in the week in which it begins. `announced` is false while the State Council
    has not announced the days off of that year; `note` says the same.
    """
    language = language_of(request)
    if organ is None:
        return await hours_reads.of_person(request.user, month, person or request.user.person, language)
    of = None if organ == "all" else organ
    return await hours_reads.of_organ(request.user, month, of, cursor, page_limit(limit), language)


ROUTES = [hours]
