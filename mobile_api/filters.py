"""The query parameters by which lists are filtered: person, badge, organ, period, case, work, place."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from backend.core.wire import ONE_LINE, WHOLE

OfPerson = Annotated[UUID | None, QueryParameter(name="person", description="id of the person whom it is of")]
OfBadge = Annotated[
    str | None,
    QueryParameter(
        name="badge", pattern=r"^[A-Za-z0-9-]{1,20}" + WHOLE,
        description="badge number: of everybody who had it when it happened, or has it now",
    ),
]  # fmt: skip
OfOrgan = Annotated[
    str | None,
    QueryParameter(
        name="organ", pattern=r"^[0-9]{12}" + WHOLE,
        description="this organ and all below it; absent: all you may see",
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
OfWork = Annotated[
    str | None,
    QueryParameter(
        name="work", pattern=r"^[A-Za-z0-9._-]{1,40}" + WHOLE,
        description="code of the work, such as 10.3: by the acts that you may see",
    ),
]  # fmt: skip
Near = Annotated[
    str | None,
    QueryParameter(
        name="near", pattern=r"^-?[0-9]{1,2}(\.[0-9]{1,9})?,-?[0-9]{1,3}(\.[0-9]{1,9})?(,[0-9]{1,5})?" + WHOLE,
        description="what may have been near a place: `latitude,longitude` in degrees, and `,metres` (else 200)",
    ),
]  # fmt: skip
