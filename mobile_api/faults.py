"""Every fault of a body or a query at once: where it is, and what would be right there.

The decoder of msgspec stops at its first fault. What it refused is then looked at field by field. Guarantees: no value
of the sender's is repeated; the decoder's own fault is always included; at most MOST faults are returned, and at most
ITEMS items of a list are looked at.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from litestar.params import QueryParameter

from backend.core.wire import ONE_LINE, PRINTABLE
from backend.law.catalogue import Language
from mobile_api.schemas import published

MOST = 20
ITEMS = 1000
CEILING = 500  # characters: a name that nobody declared may be as long as a body
ONE_OF = "Expected one of: "
TEXT = "Expected text, not only spaces, without control characters"
FREE_TEXT = {PRINTABLE, ONE_LINE}
VALUE = re.compile(r"^Invalid (?:enum )?value .*", re.DOTALL)
MATCHING = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
POINTER = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `(.*?)`", re.DOTALL)
MISSING, UNKNOWN = "Object missing required field `{}`", "Object contains unknown field `{}`"
TYPES = {
    "str": "文本", "int": "整数", "float": "数字", "bool": "true 或 false", "array": "数组", "object": "对象",
    "null": "null", "uuid": "UUID", "datetime": "带时区的时间（RFC 3339）", "date": "日期",
}  # fmt: skip
# msgspec's sentences, and those of the query's own checks, in Chinese. `{0}` is the first group.
CHINESE = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Object missing required field `(.*)`", "缺少字段 {0}"),
        (r"Object contains unknown field `(.*)`", "没有这个字段：{0}"),
        (r"Expected one of: (.*)", "应为下列之一：{0}"),
        (r"Expected `str` matching (.*)", "格式应符合 {0}"),
        (TEXT, "应为文本，不能只有空格，不能有控制字符"),
        (r"Expected `str` of length >= (\d+)", "至少 {0} 个字符"),
        (r"Expected `str` of length <= (\d+)", "至多 {0} 个字符"),
        (r"Expected `array` of length >= (\d+)", "至少 {0} 项"),
        (r"Expected `array` of length <= (\d+)", "至多 {0} 项"),
        (r"Expected `(?:int|float)` >= (\S+)", "不得小于 {0}"),
        (r"Expected `(?:int|float)` <= (\S+)", "不得大于 {0}"),
        (r"Expected `datetime` with a timezone component", "时间必须带时区，例如 +08:00"),
        (r"Invalid RFC3339 encoded datetime", "不是带时区的时间（RFC 3339）"),
        (r"Invalid RFC3339 encoded date", "不是日期，应为 2026-03-01 这样的格式"),
        (r"Invalid UUID", "不是 UUID"),
        (r"Invalid value", "不是允许的值"),
        (r"(?:Integer value|Number) out of range", "数值超出范围"),
        (r"missing", "缺少这个参数"),
        (r"no such parameter", "没有这个参数"),
        (r"needs its offset, such as \+08:00", "必须带时区，例如 +08:00"),
        (r"needs latitude,longitude or latitude,longitude,metres", "应为 纬度,经度 或 纬度,经度,米"),
        (r"out of range", "超出范围"),
        (r"no such kind of person", "没有这类人员，类别见目录中的 kinds"),
        (r"not one of ours", "不是本系统给出的值"),
        (r"must be after from", "必须晚于 from"),
        (r"at most (\d+) days after from", "最多比 from 晚 {0} 天"),
    )
]
EXPECTED = re.compile(r"Expected `(.*?)`(?:, got `(.*)`)?")


class FieldAtFault(msgspec.Struct):
    """A field of the body or a parameter of the query that is not as it should be."""

    pointer: Annotated[
        str,
        msgspec.Meta(
            description="which field, as a JSON pointer (RFC 6901), empty for the whole body; `?name` is a parameter"
        ),
    ]
    message: Annotated[str, msgspec.Meta(description="what would be right there, in the reader's language")]


class Parameter(NamedTuple):
    """A parameter of the query, as a handler declares it."""

    kind: Any
    required: bool
    default: Any


def of_body(value: Any, kind: Any, first: str) -> list[dict[str, str]]:
    """The faults of a value that is not of this kind; `first` is what the decoder said of it."""
    decoders = _from_msgspec(first, "")
    found = list(islice(_faults(value, kind, ""), MOST))
    if decoders["pointer"] in {fault["pointer"] for fault in found}:
        return found
    return [decoders, *found[: MOST - 1]]


def of_query(handler: Any, query: Mapping[str, Any]) -> list[dict[str, str]]:
    """The faults of these parameters: unknown, missing, or not as the handler declares them."""
    known = parameters_of(handler)
    faults = [_fault(f"?{name}", "no such parameter") for name in query if name not in known]
    for name, parameter in known.items():
        if name in query:
            faults += _faults(query[name], parameter.kind, f"?{name}", strict=False)
        elif parameter.required:
            faults.append(_fault(f"?{name}", "missing"))
    return faults[:MOST]


@cache
def parameters_of(handler: Any) -> dict[str, Parameter]:
    """What a handler and its dependencies take in a query, by the name in the address."""
    return {
        field.kwarg_definition.name or name: Parameter(
            _present(one.signature_model.__annotations__[name]),
            field.is_required,
            None if field.is_required else field.default,
        )
        for one in (handler, *handler.resolve_dependencies().values())
        for name, field in one.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }


def _present(kind: Any) -> Any:
    """The kind of a parameter that is there: never null."""
    if not _is_union(kind):
        return kind
    return Union[tuple(choice for choice in get_args(kind) if choice is not NoneType)]  # noqa: UP007 - made at run time


def in_language(faults: list[dict[str, str]], language: Language) -> list[dict[str, str]]:
    """The same faults in the reader's language."""
    if language == "en":
        return faults
    return [fault | {"message": _chinese(fault["message"])} for fault in faults]


def _chinese(message: str) -> str:
    for pattern, words in CHINESE:
        if (match := pattern.fullmatch(message)) is not None:
            return words.format(*match.groups())
    match = EXPECTED.fullmatch(message)
    if match is None:
        return message
    right, got = (
        "、".join(TYPES.get(name, name) for name in group.split(" | ")) for group in (match[1], match[2] or "")
    )
    return f"应为{right}，而不是{got}" if got else f"应为{right}"


def _faults(value: Any, kind: Any, at: str, *, strict: bool = True) -> Iterator[dict[str, str]]:
    """The faults inside a value; itself, where no part of it is at fault."""
    try:
        msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        inside = False
        for fault in _inside(value, kind, at):
            inside = True
            yield fault
        if not inside:
            yield _leaf(value, kind, at, str(error))


def _leaf(value: Any, kind: Any, at: str, error: str) -> dict[str, str]:
    """The fault of a value that has no parts; of an enumeration, with the values that it allows."""
    bare = _bare(kind, value)
    if get_origin(bare) is Literal:
        return _fault(at, ONE_OF + ", ".join(map(str, get_args(bare))))
    tagged = [choice.__struct_config__ for choice in get_args(bare) if _is_struct(choice)] if _is_union(bare) else []
    if tagged and isinstance(value, dict):
        return _fault(f"{at}/{tagged[0].tag_field}", ONE_OF + ", ".join(str(config.tag) for config in tagged))
    return _from_msgspec(error, at)


def _inside(value: Any, kind: Any, at: str) -> Iterator[dict[str, str]]:
    kind = _bare(kind, value)
    if _is_struct(kind) and isinstance(value, dict):
        yield from _in_struct(value, kind, at)
    elif get_origin(kind) is list and isinstance(value, list):
        (item,) = get_args(kind)
        for number, inner in enumerate(value[:ITEMS]):
            yield from _faults(inner, item, f"{at}/{number}")


def _in_struct(value: dict[str, Any], kind: type[msgspec.Struct], at: str) -> Iterator[dict[str, str]]:
    config, fields = kind.__struct_config__, _fields(kind)
    for name, field in fields.items():
        if name in value:
            if not _is_array_like(field.type):
                yield from _faults(value[name], field.type, f"{at}/{_escaped(name)}")
        elif field.required:
            yield _fault(f"{at}/{_escaped(name)}", MISSING.format(name))
    if config.forbid_unknown_fields:
        for name in value.keys() - fields.keys() - {config.tag_field}:
            yield _fault(f"{at}/{_escaped(name)}", UNKNOWN.format(name))


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by their names on the wire: to find them takes longer than to look at a body."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _is_array_like(kind: Any) -> bool:
    """A struct that is read from an array is not looked into: its items are read one by one elsewhere."""
    return _is_struct(kind) and bool(kind.__struct_config__.array_like)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _bare(kind: Any, value: Any) -> Any:
    """The kind without its constraints, and of a union the one that this value is meant to be."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0], value)
    if not _is_union(kind):
        return kind
    choices = [choice for choice in get_args(kind) if choice is not NoneType]
    if len(choices) == 1:
        return _bare(choices[0], value)
    return next((choice for choice in choices if _is_tagged(choice, value)), kind)


def _is_tagged(kind: Any, value: Any) -> bool:
    if not _is_struct(kind) or not isinstance(value, dict):
        return False
    config = kind.__struct_config__
    return config.tag is not None and value.get(config.tag_field) == config.tag


def _from_msgspec(text: str, at: str) -> dict[str, str]:
    """Where and what: msgspec names the path and the type that it expected, and of some values the value."""
    found, named = POINTER.search(text), NAMED.search(text)
    path = found.group(1).replace("[", ".").replace("]", "").split(".") if found else []
    steps = [*path, *([_escaped(named.group(1))] if named else [])]
    message = VALUE.sub("Invalid value", text[: found.start()] if found else text)
    return _fault(at + "".join(f"/{step}" for step in steps if step), _readable(message))


def _readable(message: str) -> str:
    """A pattern as the contract has it; those of all free text in words."""
    match = MATCHING.fullmatch(message)
    if match is None:
        return message
    pattern = ast.literal_eval(match.group(1))
    return TEXT if pattern in FREE_TEXT else f"Expected `str` matching {published(pattern)}"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _fault(pointer: str, message: str) -> dict[str, str]:
    return {"pointer": pointer[:CEILING], "message": message[:CEILING]}
