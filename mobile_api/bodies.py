"""Reading a JSON body, strictly: what is not JSON, not well-formed or not as the struct says is refused, and where.

The framework's own reading is lenient (a 1 for a true, a "7" for a 7), so handlers name their struct with `takes` and
read it with `read`; the contract finds it there too.
"""

import asyncio
import re
import zlib
from typing import Any, TypeVar

import msgspec
from litestar import Request

from backend.core.refusals import Refusal
from backend.people.proofs import Proof
from mobile_api.auth import PROOF

T = TypeVar("T")
POINTER = re.compile(r" - at `\$\.?(.*)`$")
NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `(.*?)`")
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
GZIP = 31  # what zlib calls a gzip header and no other
DEFAULT_BOUND = 1024 * 1024
SECONDS = 120.0  # for a body: a whole sync over 2G; who sends a byte now and then holds nothing for longer
DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def takes(kind: Any) -> dict[str, Any]:
    """The handler's option that names the struct of its body."""
    return {"body": kind}


async def read(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The body as `kind`, and as the proof says it was sent, before anything is inflated.

    Raises Refusal `not_json`, `body_too_slow`, `proof_elsewhere`, and what `inflated` and `decode` raise.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("not_json")
    try:
        async with asyncio.timeout(SECONDS):
            body = await request.body()
    except TimeoutError:
        raise Refusal("body_too_slow") from None
    proof: Proof | None = request.scope.get(PROOF)  # type: ignore[assignment]
    if proof is not None:
        proof.covers(body)
    return decode(inflated(request, body), kind)


def decode(body: bytes | msgspec.Raw, kind: Any) -> Any:
    """These bytes as `kind`. Raises Refusal `malformed_json`, `invalid` with a pointer to each field."""
    decoder = DECODERS.get(kind) or DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        _well_formed(body)  # a field at fault may stand before the place where the JSON breaks off
        raise Refusal("invalid", extra={"errors": [_where(str(error))]}) from error
    except BROKEN as error:
        raise Refusal("malformed_json") from error


def inflated(request: Request[Any, Any, Any], body: bytes) -> bytes:
    """The body without its compression, never more than the handler takes, compressed or not.

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
        told = reader.decompress(body, bound + 1)
    except zlib.error as error:
        raise Refusal("malformed_body") from error
    if len(told) > bound:
        raise Refusal("body_too_large")
    if not reader.eof or reader.unused_data:
        raise Refusal("malformed_body")
    return told


def _well_formed(body: bytes | msgspec.Raw) -> None:
    try:
        msgspec.json.decode(body)
    except BROKEN as error:
        raise Refusal("malformed_json") from error


def _where(text: str) -> dict[str, str]:
    """Where and what, without the value: msgspec names the path and the type expected."""
    found, named = POINTER.search(text), NAMED.search(text)
    path = found.group(1).replace("[", ".").replace("]", "").split(".") if found else []
    steps = [*path, *(named.groups() if named else ())]
    return {
        "pointer": "".join(f"/{step}" for step in steps if step),
        "message": text[: found.start()] if found else text,
    }
