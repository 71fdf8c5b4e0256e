"""Reading a JSON body, strictly: what is not JSON or not as its struct says is refused, with every fault's place.

The framework's own reading is lenient (a 1 for a true, a "7" for a 7). A handler names its struct with `takes` and
reads it with `read`; the contract finds struct and example in the handler's options.
"""

import asyncio
import json
import zlib
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from backend.core import doubtful
from backend.core.refusals import Refusal
from backend.people.proofs import Proof
from mobile_api import faults
from mobile_api.auth import PROOF

T = TypeVar("T")
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
GZIP = 31  # zlib's window bits for gzip alone
DEFAULT_BOUND = 1024 * 1024
LONGEST = 8 * 1024 * 1024  # bytes of a sync, the longest body that any route takes
SECONDS = 120.0  # for a whole body: enough for a sync over 2G, and a bound for a sender who trickles bytes
DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def takes(kind: Any, example: Mapping[str, Any]) -> dict[str, Any]:
    """The handler's options that name the struct of its body, and an example of it for the contract."""
    return {"body": kind, "example": dict(example)}


async def read(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The body as `kind`. Raises Refusal as read_body and decode do."""
    return decode(await read_body(request), kind)


async def read_entry(request: Request[Any, Any, Any], kind: type[T]) -> tuple[T, dict[str, Any]]:
    """The body as an entry, and what was left out of it. Raises Refusal as read_body and decode_entry do."""
    return decode_entry(await read_body(request), kind, lambda _: kind)


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """The bytes of the body. The device's proof is compared with them as sent, before they are inflated.

    Raises Refusal `not_json`, `body_too_slow`, `body_cut`, `proof_elsewhere`, and what `inflated` raises.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("not_json")
    try:
        async with asyncio.timeout(SECONDS):
            body = await request.body()
    except TimeoutError:
        raise Refusal("body_too_slow") from None
    except InternalServerException:  # what the framework says of a sender who went away
        raise Refusal("body_cut") from None
    proof: Proof | None = request.scope.get(PROOF)  # type: ignore[assignment]
    if proof is not None:
        proof.covers(body)
    return inflated(request, body)


def decode(body: bytes | msgspec.Raw, kind: Any) -> Any:
    """These bytes as `kind`. Raises Refusal `malformed_json`, `invalid` with a pointer to each field."""
    decoder = DECODERS.get(kind) or DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        value = _well_formed(body)  # a field at fault may stand before the place where the JSON breaks off
        raise Refusal("invalid", extra={"errors": faults.of_body(value, kind, str(error))}) from error
    except BROKEN as error:
        raise Refusal("malformed_json") from error


def decode_entry(
    body: bytes | msgspec.Raw, kind: Any, kind_told: Callable[[dict[str, Any]], Any]
) -> tuple[Any, dict[str, Any]]:
    """These bytes as an entry, without the optional data that cannot be, and those as they were told.

    `kind_told`: the struct that the fields are meant to be. Raises Refusal as decode does.
    """
    refusal = None
    try:
        entry = decode(body, kind)
        if doubtful.is_right(entry):
            return entry, {}
    except Refusal as error:
        refusal = error
    told = _told(body) if refusal is None or refusal.code in ("invalid", "malformed_json") else None
    struct = kind_told(told) if isinstance(told, dict) else None
    mended = _without_faults(told, struct, kind) if isinstance(told, dict) and struct is not None else None
    if mended is not None:
        return mended
    raise refusal or Refusal("invalid")


def _without_faults(told: dict[str, Any], struct: Any, kind: Any) -> tuple[Any, dict[str, Any]] | None:
    """The entry without what was left out, and that; None where other fields are at fault too."""
    fields, left_out = doubtful.read_without(told, struct)
    try:
        return (decode(msgspec.json.encode(fields), kind), _without_halves(left_out)) if left_out else None
    except (Refusal, UnicodeEncodeError, RecursionError):  # the second: half a character in another field
        return None


def _without_halves(left_out: dict[str, Any]) -> dict[str, Any]:
    """The same with a ? for each half of a character, which cannot be kept."""
    told: dict[str, Any] = json.loads(json.dumps(left_out, ensure_ascii=False).encode("utf-8", "replace"))
    return told


def _told(body: bytes | msgspec.Raw) -> Any:
    """The body as plain objects, a number beyond all numbers as text; None where it is no JSON."""
    try:
        return json.loads(bytes(body), parse_float=_number, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> float | str:
    return number if isfinite(number := float(text)) else text


def _no_json(text: str) -> Any:
    raise ValueError(text)


def inflated(request: Request[Any, Any, Any], body: bytes) -> bytes:
    """The body without its compression. The handler's limit holds for it compressed and inflated.

    Raises Refusal `encoding_not_supported`, `body_too_large`, `malformed_body`.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Refusal("encoding_not_supported")
    bound = request.route_handler.resolve_request_max_body_size() or DEFAULT_BOUND
    reader = zlib.decompressobj(GZIP)
    try:
        content = reader.decompress(body, bound + 1)
    except zlib.error as error:
        raise Refusal("malformed_body") from error
    if len(content) > bound:
        raise Refusal("body_too_large")
    if not reader.eof or reader.unused_data:
        raise Refusal("malformed_body")
    return content


def _well_formed(body: bytes | msgspec.Raw) -> Any:
    """The body as plain objects. Raises Refusal `malformed_json`."""
    try:
        return msgspec.json.decode(body)
    except BROKEN as error:
        raise Refusal("malformed_json") from error
