"""The query parameters of every list: cursor and limit."""

from typing import Annotated

from litestar.params import QueryParameter

from backend.core.wire import WHOLE
from backend.law.catalogue import law

PAGE_CEILING = law().count("page_ceiling")
Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=200, description="`next` of the previous page")]
Limit = Annotated[int | None, QueryParameter(name="limit", ge=1, le=PAGE_CEILING, description="rows on a page")]
Under = Annotated[
    str | None,
    QueryParameter(
        name="organ", pattern=r"^[0-9]{12}" + WHOLE, description="this organ and all below it; absent: all you may see"
    ),
]
