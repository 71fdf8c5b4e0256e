"""The query parameters by which lists are filtered: person, badge, organ, period, case, incident, work, place.

A route takes them as dependencies, in `of_rows` or `of_people_and_periods`: they are declared here alone, and are part
of the route's contract like its own parameters.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.di import Provide
from litestar.params import QueryParameter

from backend.core.wire import ONE_LINE, WHOLE
from backend.oversight.filters import ListFilter
from mobile_api.paging import Under


def _written(name: str, pattern: str, description: str) -> QueryParameter:
    """The parameter of a text that is wholly of this pattern."""
    return QueryParameter(name=name, pattern=pattern + WHOLE, description=description)


OfPerson = Annotated[UUID | None, QueryParameter(name="person", description="id of the person whom it is of")]
OfBadge = Annotated[
    str | None,
    _written(
        "badge", r"^[A-Za-z0-9-]{1,20}", "badge number: of everybody who had it when it happened, or has it now"
    ),
]  # fmt: skip
Since = Annotated[
    datetime | None, QueryParameter(name="from", description="only what happened from this moment on, or went on then")
]
Until = Annotated[datetime | None, QueryParameter(name="to", description="only what began before this moment")]
OfCase = Annotated[
    str | None,
    QueryParameter(
        name="case", min_length=1, max_length=120, pattern=ONE_LINE,
        description="number of the case, however it is typed: by the acts on it that you may see",
    ),
]  # fmt: skip
OfIncident = Annotated[
    str | None,
    QueryParameter(
        name="incident", min_length=1, max_length=120, pattern=ONE_LINE,
        description="number of the incident 接处警编号, however it is typed: by what names it and you may see",
    ),
]  # fmt: skip
OfWork = Annotated[
    str | None,
    _written("work", r"^[A-Za-z0-9._-]{1,40}", "code of the work, such as 10.3: by the acts that you may see"),
]
Near = Annotated[
    str | None,
    _written(
        "near", r"^-?[0-9]{1,2}(\.[0-9]{1,9})?,-?[0-9]{1,3}(\.[0-9]{1,9})?(,[0-9]{1,5})?",
        "what may have been near a place: `latitude,longitude` in degrees, and `,metres` (else 200)",
    ),
]  # fmt: skip


def of_rows(
    badge: OfBadge = None, organ: Under = None, until: Until = None, case: OfCase = None, work: OfWork = None,
    near: Near = None, incident: OfIncident = None,
) -> ListFilter:  # fmt: skip
    """The filters that mean the same in every list."""
    return ListFilter(badge=badge, organ=organ, until=until, case=case, work=work, near=near, incident=incident)


def of_people_and_periods(rows: ListFilter, person: OfPerson = None, since: Since = None) -> ListFilter:
    """The filters of a list of what people did, which takes its time."""
    return msgspec.structs.replace(rows, person=person, since=since)


OF_ROWS = {"rows": Provide(of_rows, sync_to_thread=False)}
FILTERED = OF_ROWS | {"wanted": Provide(of_people_and_periods, sync_to_thread=False)}
