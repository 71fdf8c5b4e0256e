"""Optional data of an entry that cannot be: it is left out, kept as it was told, and never refuses the entry. Pure.

Which fields these are stands on the structs (`extra=LEFT_OUT_IF_WRONG`). All others are read strictly, as what an entry
tells would change without them. Source: DESIGN §11.4, docs/adr/0041.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeGuard, get_args, get_origin

import msgspec

from backend.core.wire import LEFT_OUT_IF_WRONG, Place
from backend.law.catalogue import law

PLACE_DOUBTFUL, PLACE_EXCHANGED, VALUE_DOUBTFUL = "place_doubtful", "place_exchanged", "value_doubtful"
MARK = next(iter(LEFT_OUT_IF_WRONG))


@cache
def fields_of(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """The types of the fields of this struct that are left out if they are wrong, by name."""
    fields = msgspec.structs.fields(kind)
    return {field.name: field.type for field in fields if not field.required and _is_marked(field.type)}


def _is_marked(kind: Any) -> bool:
    if get_origin(kind) is not Annotated:
        return False
    inner, *metas = get_args(kind)
    return any(MARK in (getattr(meta, "extra", None) or {}) for meta in metas) or _is_marked(inner)


def read_without(told: Any, kind: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of an entry without what cannot be, and those at fault as they were told."""
    fields, left_out = dict(told), {}
    for name, field in fields_of(kind).items():
        if name not in fields or _is_right(fields[name], field):
            continue
        left_out[name] = fields.pop(name)
        if (mended := _mended(left_out[name], field)) is not None:
            fields[name] = mended
    return fields, left_out


def is_right(entry: msgspec.Struct) -> bool:
    """Whether what was read has no place that cannot be one."""
    place = getattr(entry, "place", None)
    return place is None or "place" not in fields_of(type(entry)) or fault_of(place) is None


def _is_right(value: Any, kind: Any) -> bool:
    read = _read(value, kind)
    return read is not msgspec.UNSET and not (isinstance(read, Place) and fault_of(read))


def _read(value: Any, kind: Any) -> Any:
    """The value as this kind; UNSET where it is none."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the second: half a character
        return msgspec.UNSET


def _mended(told: Any, kind: Any) -> Any:
    """A text with a ? for half a character, or a place without what is wrong beside it; None where neither helps."""
    if isinstance(told, str):
        return text if (text := told.encode("utf-8", "replace").decode()) != told and _is_right(text, kind) else None
    if not isinstance(told, dict):
        return None
    required = {field.name for field in msgspec.structs.fields(Place) if field.required}
    place = {name: value for name, value in told.items() if name in required}
    helps = len(place) < len(told) and isinstance(_read(place, kind), Place) and _is_right(place, kind)
    return place if helps else None


def fault_of(place: Place) -> str | None:
    """Why this cannot be a place: the code of the finding. None: it can be one."""
    if place.lat == 0 and place.lon == 0:
        return PLACE_DOUBTFUL
    return PLACE_EXCHANGED if _is_exchanged(place.lat, place.lon) else None


def _is_exchanged(lat: float, lon: float) -> bool:
    """Whether latitude and longitude stand in each other's place: no place of the country lies so far north."""
    west, north = law().count("territory_west"), law().count("territory_north")
    return lat >= west and 0 < lon <= north


def codes_of(left_out: Mapping[str, Any], entry: msgspec.Struct) -> list[str]:
    """The codes of the findings about what was left out, each once."""
    return list(dict.fromkeys(_codes(left_out, entry)))


def _codes(left_out: Mapping[str, Any], entry: msgspec.Struct) -> Iterator[str]:
    for name, told in left_out.items():
        if name != "place" or getattr(entry, name, None) is not None:
            yield VALUE_DOUBTFUL
        else:
            yield PLACE_EXCHANGED if _tells_exchanged(told) else PLACE_DOUBTFUL


def _tells_exchanged(told: Any) -> bool:
    lat, lon = (told.get("lat"), told.get("lon")) if isinstance(told, dict) else (None, None)
    if not (_is_number(lat) and _is_number(lon)):
        return False
    return (90 < abs(lat) <= 180 and 0 < abs(lon) <= 90) or _is_exchanged(lat, lon)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
