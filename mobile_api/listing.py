"""Lists as answers: in pages of JSON, or whole as a workbook (`?format=xlsx`).

`listing` is the `get` of every route that answers a Page. Guarantees: a workbook holds what the pages hold, no row more
and no field less; its columns are those of the row's struct, with the organ's name beside its code; text stays text. It
ends at `sheet_rows` rows, and its last line says so.
"""

import asyncio
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from backend.core import sheets
from backend.core.days import CHINA, day_of
from backend.core.paging import Page
from backend.core.sheets import Value
from backend.law.catalogue import Language, law
from backend.people.lists import organ_names
from mobile_api.paging import PAGE_CEILING
from mobile_api.problems import language_of
from mobile_api.sheet_words import CODE, CODES_IN, FIELDS, NAME, ORGANS, codes

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Format = Annotated[
    Literal["json", "xlsx"],
    QueryParameter(
        name="format",
        description="xlsx: the whole list as a workbook, from `cursor` on, whatever `limit` says; "
        f"at most {law().count('sheet_rows')} rows",
    ),
]
YES = {"zh": {True: "是", False: "否"}, "en": {True: "yes", False: "no"}}
CODE_AND_WORD = re.compile(r"\b([a-z][a-z0-9_]*) ([\u4e00-\u9fff][^\s,;]*)")
BETWEEN = {"zh": "；", "en": "; "}
CUT = {
    "zh": "只列出前 {rows} 行，后面还有；请按单位、时间等条件缩小范围后分次导出。",
    "en": "Only the first {rows} rows; there are more: narrow the list by organ or time and export it in parts.",
}
Listed = Callable[..., Awaitable[Page[Any]]]


class Column(NamedTuple):
    """A column: its headings, the fields that lead to its value, and Chinese words for the codes in it.

    `is_name`: the organ's name stands there, in place of its code.
    """

    zh: str
    en: str
    path: tuple[str, ...]
    words: Mapping[str, str]
    is_name: bool = False

    def heading(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


def listing(path: str, **options: Any) -> Callable[[Listed], Any]:
    """The decorator of a route that answers a Page: `get`, and the parameter `format` beside those of the function."""
    options["opt"] = options.get("opt", {}) | {"sheet": True}
    return lambda listed: get(path, **options)(_with_format(listed, options["summary"]))


def _with_format(listed: Listed, summary: str) -> Listed:
    signature = inspect.signature(listed)
    (row,) = get_args(signature.return_annotation)
    english, _, chinese = summary.partition(" · ")
    titles: dict[Language, str] = {"zh": chinese, "en": english}

    @functools.wraps(listed)
    async def answered(*, format: str, **query: Any) -> Any:
        if format == "json":
            return await listed(**query)
        language = language_of(query["request"])
        rows, cut = await _rows(listed, query)
        return await _workbook(row, rows, titles[language], language, cut)

    parameter = inspect.Parameter("format", inspect.Parameter.KEYWORD_ONLY, default="json", annotation=Format)
    answered.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), parameter]
    )
    answered.__annotations__ = listed.__annotations__ | {"format": Format}
    return answered


async def _rows(listed: Listed, query: dict[str, Any]) -> tuple[list[Any], bool]:
    """The rows of all pages, and whether there are more than a workbook takes."""
    most, rows = law().count("sheet_rows"), list[Any]()
    query = query | {"limit": PAGE_CEILING}
    while True:
        page = await listed(**query)
        rows += page.items
        if page.next is None or len(rows) > most:
            return rows[:most], len(rows) > most or page.next is not None
        query["cursor"] = page.next


async def _workbook(kind: Any, rows: Sequence[Any], title: str, language: Language, cut: bool) -> Response[bytes]:
    columns = columns_of(kind)
    codes = {_value(row, column.path) for column in columns if column.is_name for row in rows}
    names = await organ_names(code for code in codes if code is not None)
    lines: list[list[Value]] = [[_cell(row, column, names, language) for column in columns] for row in rows]
    if cut:
        lines.append([CUT[language].format(rows=len(rows))])
    headings = [column.heading(language) for column in columns]
    content = await asyncio.to_thread(sheets.xlsx, title, headings, lines)
    name = quote(f"{title}-{day_of(datetime.now(UTC))}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Cache-Control": "no-store"}
    return Response(content, media_type=XLSX, headers=headers)


@functools.cache
def columns_of(kind: Any) -> tuple[Column, ...]:
    """The columns of a row's struct, those of structs within it too."""
    return tuple(_columns(kind, Column("", "", (), {})))


def _columns(kind: Any, before: Column) -> Iterator[Column]:
    fields = msgspec.structs.fields(kind)
    names = {field.name for field in fields}
    for field in fields:
        column = _column(kind, field, before)
        inner = _struct_in(field.type)
        if inner is not None:
            yield from _columns(inner, column)
            continue
        yield column
        if field.name in ORGANS and f"{field.name}_name" not in names:
            yield column._replace(zh=column.zh.replace(CODE, NAME), en=f"{column.en} name", is_name=True)


def _column(kind: Any, field: Any, before: Column) -> Column:
    place = f"{kind.__name__}.{field.name}"
    zh = FIELDS.get(place) or FIELDS.get(field.name, field.name)
    en = f"{before.en} {field.name.replace('_', ' ')}".strip()
    words = codes() if place in CODES_IN else _codes_in(field.type)
    return Column(before.zh + zh, en, (*before.path, field.name), words)


def _codes_in(kind: Any) -> dict[str, str]:
    """The words for the codes of a field, where its description lists them: `patrol 巡逻, post 值守`."""
    said = " ".join(_descriptions(kind))
    words = dict(CODE_AND_WORD.findall(said))
    return words if len(words) > 1 else {}


def _descriptions(kind: Any) -> Iterator[str]:
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            yield meta.description
    for inner in get_args(kind):
        if get_origin(kind) is not Literal:
            yield from _descriptions(inner)


def _struct_in(kind: Any) -> Any:
    """The struct that a field holds, or holds where it is not null; None: it holds no struct, or several."""
    if get_origin(kind) is Annotated:
        return _struct_in(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    present = [choice for choice in get_args(kind) if choice is not type(None)]
    is_optional = len(present) == 1 and len(get_args(kind)) == 2
    return _struct_in(present[0]) if is_optional else None


def _value(row: Any, path: Sequence[str]) -> Any:
    for field in path:
        row = None if row is None else getattr(row, field)
    return row


def _cell(row: Any, column: Column, names: Mapping[str, str], language: Language) -> Value:
    value = _value(row, column.path)
    if column.is_name:
        return names.get(value)
    return as_cell(value, language, column.words if language == "zh" else {})


def as_cell(value: Any, language: Language, words: Mapping[str, str] = {}) -> Value:
    """A value of a row as a cell takes it: numbers and times as they are, the rest as text. `words`: for codes."""
    if isinstance(value, bool):
        return YES[language][value]
    if isinstance(value, str):
        return words.get(value, value)
    if value is None or isinstance(value, int | float | date):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return BETWEEN[language].join(_text(each, language, words) for each in value) or None
    if isinstance(value, msgspec.Struct):
        return _text(value, language, words)
    return msgspec.json.encode(value).decode()


def _text(value: Any, language: Language, words: Mapping[str, str]) -> str:
    """A value within a cell; the fields of a struct with spaces between."""
    if isinstance(value, msgspec.Struct):
        parts = (_text(getattr(value, field), language, words) for field in value.__struct_fields__)
        return " ".join(part for part in parts if part)
    if isinstance(value, datetime):
        return f"{value.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    cell = as_cell(value, language, words)
    return "" if cell is None else str(cell)
