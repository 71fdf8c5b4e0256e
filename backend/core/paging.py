"""Lists in pages: the rows that the viewer may see, newest first. And parameters of a query.

Guarantees: a page has a bounded size. All pages together are the whole list, each row once, in a stable order. The
cost of a page does not grow with the table, unless another condition leaves few rows. Each index path needs an index on
its column and the list's time. See docs/adr/0033.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, tx
from backend.core.described import NextPage
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import ME, OVERSEEING, AccessFilter, IndexPath, viewer
from backend.law.catalogue import law

GENERIC_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan"
Row = TypeVar("Row", bound=msgspec.Struct)
SAMPLE = 4  # newest rows of each key value, read to find how far back a page reaches


class PageCursor(msgspec.Struct, frozen=True):
    """The position after the last row of a page: its time and id."""

    at: datetime
    id: UUID

    def cursor(self) -> str:
        """As text, for the client."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def after(cls, cursor: str | None) -> "PageCursor | None":
        """Read a cursor from the client; None is the first page. Raises Refusal `invalid`."""
        if cursor is None:
            return None
        try:
            page = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=cls)
            moment_parameter("cursor", page.at)
            return page
        except (ValueError, OverflowError, msgspec.MsgspecError):
            raise invalid_parameter("cursor", "not one of ours") from None


class Page(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """One page of a list: its rows, and the cursor of the next page."""

    items: Annotated[list[Row], msgspec.Meta(description="the rows of this page, in the order of the list")]
    next: NextPage


class ListQuery(NamedTuple):
    """The query of a list.

    `select`: SQL up to its WHERE. `table`: table and alias. `visible`: who may see which rows. `where`: another
    condition. `by`: the column of the row's time. Conditions use that table only; their own values begin at $3.
    """

    select: str
    table: str
    visible: AccessFilter
    where: str = "true"
    by: str = "started_at"

    @property
    def at(self) -> str:
        return f"{self._alias}.{self.by}"

    @property
    def id(self) -> str:
        return f"{self._alias}.id"

    @property
    def _alias(self) -> str:
        return self.table.rpartition(" ")[2]


async def rows_of_page(
    query: ListQuery, actor: Actor, cursor: str | None, limit: int, *more: Any, roles: frozenset[str] = OVERSEEING
) -> Sequence[Record]:
    """The rows of one page, and one more where there is a next page. `more`: the values of `where`, from $3 on."""
    page, values = PageCursor.after(cursor), (*viewer(actor, roles), *more)
    if page is not None:
        after = f"({query.at}, {query.id}) < (${len(values) + 1}::timestamptz, ${len(values) + 2}::uuid)"
        query, values = query._replace(where=f"({query.where}) AND {after}"), (*values, page.at, page.id)
    async with generic_plan():
        rows = await fetch(_page(query, _rows_to_read(limit) + 1), *values)
    return rows[: limit + 1]


@asynccontextmanager
async def generic_plan() -> AsyncIterator[None]:
    """Run statements with a plan that the connection keeps.

    For statements that take longer to plan than to run, and whose plan is good for every value.
    """
    async with tx(readonly=True):
        await execute(GENERIC_PLAN)
        yield


def _rows_to_read(limit: int) -> int:
    """One of two numbers: each number is a statement that connections keep, and a caller may ask for any limit."""
    usual = law().count("page_size")
    return usual if limit <= usual else law().count("page_ceiling")


def _page(query: ListQuery, limit: int) -> str:
    """The SQL of one page.

    `limit` is part of the text: as a parameter, the generic plan would assume a tenth of the table. The ids are an
    array, because the planner assumes ten elements for an array, whatever it estimates for the paths.
    """
    paths = " UNION ".join(_rows_on(query, path, limit) for path in query.visible.paths)
    return f"""
    {query.select} WHERE {query.id} = ANY (ARRAY(
        SELECT x.id FROM ({paths}) x ORDER BY x.at DESC, x.id DESC LIMIT {limit}
    )) ORDER BY {query.at} DESC, {query.id} DESC"""  # noqa: S608 - constants and a number, here and below


def _rows_on(query: ListQuery, path: IndexPath, limit: int) -> str:
    """SQL of the newest rows on this path."""
    if path.values != ME:
        query = query._replace(where=f"({query.where}) AND {query.at} >= {_oldest_time(query, path, limit)}")
    newest = _newest(query, path, limit)
    return f"(SELECT f.at, f.id FROM {newest} ORDER BY f.at DESC, f.id DESC LIMIT {limit})"  # noqa: S608


def _oldest_time(query: ListQuery, path: IndexPath, limit: int) -> str:
    """SQL of the oldest time that this page can reach.

    Where the newest few rows of all key values fill a page, no older row is in it. So forty organs cost some two
    hundred rows, not forty pages.
    """
    sample = _newest(query, path, SAMPLE)
    oldest = f"SELECT f.at FROM {sample} ORDER BY f.at DESC OFFSET {limit - 1} LIMIT 1"  # noqa: S608
    return f"coalesce(({oldest}), '-infinity')"


def _newest(query: ListQuery, path: IndexPath, limit: int) -> str:
    """SQL of the newest `limit` rows of each key value, in the order of the index on the path's column and the time."""
    return f"""({path.values}) w CROSS JOIN LATERAL (
        SELECT {query.at} AS at, {query.id} AS id FROM {query.table}
        WHERE {path.column} = w.value AND {path.within} AND {query.visible.condition} AND ({query.where})
        ORDER BY {query.at} DESC, {query.id} DESC LIMIT {limit}
    ) f"""  # noqa: S608


def next_page(rows: Sequence[Record], limit: int, by: str = "started_at") -> str | None:
    """The cursor of the next page; None where `rows` are the last ones. `by`: the column of the row's time."""
    return PageCursor(rows[limit - 1][by], rows[limit - 1]["id"]).cursor() if len(rows) > limit else None


def moment_parameter(name: str, moment: datetime) -> datetime:
    """A moment from the query, in UTC. Raises Refusal `invalid` where it has no offset or is at the calendar's edge."""
    if moment.tzinfo is None:
        raise invalid_parameter(name, "needs its offset, such as +08:00")
    if not 1900 <= moment.year < 9000:
        raise invalid_parameter(name, "out of range")
    return moment.astimezone(UTC)


def invalid_parameter(name: str, why: str) -> Refusal:
    """The refusal of a query parameter that is not usable."""
    return Refusal("invalid", extra={"errors": [{"pointer": f"?{name}", "message": why}]})


def page_limit(limit: int | None) -> int:
    """The limit from the query, or the default page size."""
    return law().count("page_size") if limit is None else limit


def as_row(kind: type[Row], row: Any) -> Row:
    """A database row as this struct; every field takes the column of its name."""
    return kind(**{field: row[field] for field in kind.__struct_fields__})
