"""What a list takes in its query: a cursor and how many rows."""

from typing import Annotated

from litestar.params import QueryParameter

from backend.law.catalogue import law

PAGE_CEILING = law().count("page_ceiling")
Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=200, description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", ge=1, le=PAGE_CEILING, description="rows a page")]
