"""Schemas of the contract: msgspec's own, made such that generators of clients and validators read them rightly.

msgspec checks what it publishes; the framework's schemas lose bounds inside lists and optionals. Patterns are written
for Python and published for ECMA 262, the dialect of JSON Schema.
"""

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

REF = "#/components/schemas/{name}"
GENERIC = re.compile(r"^Page_(\w+)_$")  # msgspec's name of Page[Row]
SURROGATES = r"\ud800-\udfff"  # they cannot stand in JSON text; Rust's patterns do not know them


def schemas_of(structs: Iterable[Any]) -> dict[str, Any]:
    """The schema of each struct and of all that it holds, by name."""
    _, found = msgspec.json.schema_components(list(structs), ref_template=REF)
    schemas = _renamed({name_of_generic(name): schema for name, schema in found.items()})
    for name, schema in schemas.items():
        schema["title"] = name
        _tidy(schema)
    return dict(sorted(schemas.items()))  # the same document from every start


def reference_to(kind: Any) -> dict[str, str]:
    """A reference to the schema of this struct."""
    name = kind.__name__ if isinstance(kind, type) else f"{get_args(kind)[0].__name__}Page"
    return {"$ref": REF.format(name=name)}


def name_of_generic(name: str) -> str:
    """`ShiftRowPage` for the `Page_ShiftRow_` of msgspec."""
    return GENERIC.sub(r"\1Page", name)


def published(pattern: str) -> str:
    r"""A pattern of Python in ECMA 262: the end is `$` there and `\Z` here, where `$` lets a closing line feed pass."""
    return re.sub(r"\\Z$", "$", pattern).replace(SURROGATES, "")


def schema_of_parameter(kind: Any, default: Any) -> dict[str, Any]:
    """The schema of a parameter of the query."""
    schema = msgspec.json.schema(kind)
    schema.pop("description", None)
    _tidy(schema)
    return schema if default is None else schema | {"default": default}


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        prefix, _, name = str(node.get("$ref", "")).rpartition("/")
        renamed = {key: _renamed(inner) for key, inner in node.items()}
        return renamed | ({"$ref": f"{prefix}/{name_of_generic(name)}"} if name else {})
    return [_renamed(inner) for inner in node] if isinstance(node, list) else node


def _tidy(node: Any) -> None:
    """The whole schema, inner ones included."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = inspect.cleandoc(node["description"])
        if isinstance(node.get("pattern"), str):
            node["pattern"] = published(node["pattern"])
        if node.get("type") == "object" and not node.keys() & {"properties", "additionalProperties"}:
            node["additionalProperties"] = True  # any fields, where generators would take it for none
        if "prefixItems" in node and node.get("items") is False:
            _bound_tuple(node)
        for name, field in list(node.get("properties", {}).items()):
            if field.get("not") == {}:  # no value is right: read only to be refused
                del node["properties"][name]
            _describe(field)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _tidy(inner)


def _bound_tuple(schema: dict[str, Any]) -> None:
    """A tuple is as long as its items. msgspec says so by `items: false`, which generators of clients cannot read."""
    del schema["items"]
    schema |= {"minItems": len(schema["prefixItems"]), "maxItems": len(schema["prefixItems"])}


def _describe(field: dict[str, Any]) -> None:
    """A description on the property itself, and a default in words: generators take a field with a default for one
    that is always there."""
    inner = next((choice["description"] for choice in field.get("anyOf", ()) if "description" in choice), None)
    words = field.get("description") or inner
    if words is not None:
        field["description"] = words
    if "default" in field:
        default = field.pop("default")
        if default not in (None, [], {}) and words is not None:
            field["description"] = f"{words}; if absent: {json.dumps(default, ensure_ascii=False)}"
