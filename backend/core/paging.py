"""Lists in pages, of what one may see, the newest first; and what a query asks.

Guarantees: a page is bounded; all pages together are the whole list, each row once, in an order that is stable; what
a page costs does not grow with the table, but for what else is asked of a row and few rows fulfil. Each way has an
index on its column and the list's time.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, tx
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import ME, OVERSEEING, AccessFilter, IndexPath, viewer
from backend.law.catalogue import law

KEPT = "SET LOCAL plan_cache_mode = force_generic_plan"
T = TypeVar("T", bound=msgspec.Struct)
FIRST = 4  # rows of each value of a way


class PageCursor(msgspec.Struct, frozen=True):
    """How far a reader has come: the last row's time and id."""

    at: datetime
    id: UUID

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def after(cls, cursor: str | None) -> "PageCursor | None":
        if cursor is None:
            return None
        try:
            page = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=cls)
            moment_parameter("cursor", page.at)
            return page
        except (ValueError, OverflowError, msgspec.MsgspecError):
            raise invalid_parameter("cursor", "not one of ours") from None


class ListQuery(NamedTuple):
    """A list: `select` up to its WHERE; the table and its alias; who sees what; what else is asked of a row; and its
    time. Conditions speak of that table alone. What they ask of more than the viewer stands from $3 on."""

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
    listed: ListQuery, actor: Actor, cursor: str | None, limit: int, *more: Any, roles: frozenset[str] = OVERSEEING
) -> Sequence[Record]:
    """One row more than asked for, which tells whether there is a next page."""
    page, values = PageCursor.after(cursor), (*viewer(actor, roles), *more)
    if page is not None:
        after = f"({listed.at}, {listed.id}) < (${len(values) + 1}::timestamptz, ${len(values) + 2}::uuid)"
        listed, values = listed._replace(where=f"({listed.where}) AND {after}"), (*values, page.at, page.id)
    async with generic_plan():
        rows = await fetch(_page(listed, _read(limit) + 1), *values)
    return rows[: limit + 1]


@asynccontextmanager
async def generic_plan() -> AsyncIterator[None]:
    """For statements that take longer to plan than to run, and whose plan is the same for everybody."""
    async with tx(readonly=True):
        await execute(KEPT)
        yield


def _read(limit: int) -> int:
    """How many rows are read: each number is a statement that connections keep, and a caller may ask for any."""
    usual = law().count("page_size")
    return usual if limit <= usual else law().count("page_ceiling")


def _page(listed: ListQuery, limit: int) -> str:
    """Why `limit` is no parameter: a plan kept for later would reckon with a tenth of the table. Why the array: it is
    reckoned with as ten keys, whatever is thought of the ways."""
    paths = " UNION ".join(_rows_on(listed, path, limit) for path in listed.visible.paths)
    return f"""
    {listed.select} WHERE {listed.id} = ANY (ARRAY(
        SELECT x.id FROM ({paths}) x ORDER BY x.at DESC, x.id DESC LIMIT {limit}
    )) ORDER BY {listed.at} DESC, {listed.id} DESC"""  # noqa: S608 - constants and a number, here and below


def _rows_on(listed: ListQuery, path: IndexPath, limit: int) -> str:
    """The newest rows on this path."""
    if path.values != ME:
        listed = listed._replace(where=f"({listed.where}) AND {listed.at} >= {_floor(listed, path, limit)}")
    newest = _newest(listed, path, limit)
    return f"(SELECT f.at, f.id FROM {newest} ORDER BY f.at DESC, f.id DESC LIMIT {limit})"  # noqa: S608


def _floor(listed: ListQuery, path: IndexPath, limit: int) -> str:
    """How far back a page reaches at most, from the first few rows of each value: where they fill one, no older row is
    in it. So forty organs cost some two hundred rows, not forty pages."""
    first = _newest(listed, path, FIRST)
    oldest = f"SELECT f.at FROM {first} ORDER BY f.at DESC OFFSET {limit - 1} LIMIT 1"  # noqa: S608
    return f"coalesce(({oldest}), '-infinity')"


def _newest(listed: ListQuery, path: IndexPath, limit: int) -> str:
    """So many rows of each value, in the order of the index on the way's column and the time."""
    return f"""({path.values}) w CROSS JOIN LATERAL (
        SELECT {listed.at} AS at, {listed.id} AS id FROM {listed.table}
        WHERE {path.column} = w.value AND {path.within} AND {listed.visible.condition} AND ({listed.where})
        ORDER BY {listed.at} DESC, {listed.id} DESC LIMIT {limit}
    ) f"""  # noqa: S608


def next_page(rows: Sequence[Record], limit: int, by: str = "started_at") -> str | None:
    return PageCursor(rows[limit - 1][by], rows[limit - 1]["id"]).cursor() if len(rows) > limit else None


def moment_parameter(name: str, moment: datetime) -> datetime:
    """A moment of a query, in UTC. Raises Refusal `invalid` where it is naive or at the edge of the calendar."""
    if moment.tzinfo is None:
        raise invalid_parameter(name, "needs its offset, such as +08:00")
    if not 1900 <= moment.year < 9000:
        raise invalid_parameter(name, "out of range")
    return moment.astimezone(UTC)


def invalid_parameter(name: str, why: str) -> Refusal:
    """A parameter of the query that is not as it should be."""
    return Refusal("invalid", extra={"errors": [{"pointer": f"?{name}", "message": why}]})


def page_limit(asked: int | None) -> int:
    return law().count("page_size") if asked is None else asked


def as_row(kind: type[T], row: Any) -> T:
    return kind(**{field: row[field] for field in kind.__struct_fields__})
