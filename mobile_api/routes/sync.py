"""Many entries in one call: each is read on its own, so that one which cannot be read keeps no other waiting.

The union of the field verbs is made from backend/registry.py. The list itself is read into a bounded struct, so that a
million items cost no more than a thousand.
"""

from typing import Annotated, Any, Literal, Union
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter

from backend import feed, sync
from backend.bundle import Bundle
from backend.core.paging import page_limit
from backend.core.refusals import Refusal, problem
from backend.core.verb import Actor, Verb
from backend.core.wire import Count, Entry, Moment
from backend.feed import Change
from backend.held import device_sequence
from backend.held import service as holding
from backend.held.service import HeldList, HeldReason, HeldState
from backend.law.catalogue import Language
from backend.registry import VERBS
from backend.sync import SyncItem, SyncResult
from mobile_api.bodies import decode, read, takes
from mobile_api.metrics import ENTRIES
from mobile_api.openapi import Problem
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of, read_failure
from mobile_api.request_middleware import received_at
from mobile_api.routes.changes import packed
from mobile_api.routes.verbs import receipt

ENTRIES_CEILING = 1000
BODY_LIMIT = 8 * 1024 * 1024
PATH = "/v1/sync"
TAG = "Sync · 同步"
FIELD_VERBS = [verb for verb in VERBS if verb.field]


def tagged(verb: Verb) -> type[Any]:
    """The verb's struct as it travels among others: with its verb's name."""
    return msgspec.defstruct(
        f"{verb.entry.__name__}Item", [], bases=(verb.entry,), tag_field="verb", tag=verb.name,
        namespace={"__doc__": verb.entry.__doc__}, frozen=True, kw_only=True, omit_defaults=True,
        forbid_unknown_fields=True,
    )  # fmt: skip


KINDS = {tagged(verb): verb for verb in FIELD_VERBS}
ANY_ENTRY: Any = Union[tuple(KINDS)]  # noqa: UP007 - made at run time


class SyncCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of one person from one device, the oldest first. `sent_at` is the device's clock at this attempt."""

    sent_at: Moment
    entries: Annotated[list[ANY_ENTRY], msgspec.Meta(max_length=ENTRIES_CEILING)]
    boot_id: UUID | None = None
    uptime_ms: (
        Annotated[Count, msgspec.Meta(description="milliseconds since the device started, at sent_at")] | None
    ) = None
    cursor: Annotated[str, msgspec.Meta(max_length=500)] | None = None


class EntryResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one entry. `recorded`, `replayed` and `refused` are final; keep what is `waiting`, and send what
    is `again` once more: nothing became of it, through no fault of its own."""

    id: UUID | None
    status: Literal["recorded", "replayed", "refused", "waiting", "again"]
    receipt: Annotated[dict[str, Any], msgspec.Meta(description="as the verb's own route answers")] | None = None
    problem: Problem | None = None
    waiting_for: list[UUID] | None = None
    until: Moment | None = None
    reason: HeldReason | None = None


class SyncAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One result for each entry, in the order of the call; then what is new, as GET /v1/changes tells it.

    A revoked device is told nothing new.
    """

    results: list[EntryResult]
    changes: list[Change] | None = None
    cursor: str | None = None
    more: bool | None = None
    reset: bool | None = None
    bundle: Bundle | None = None


NOTHING = msgspec.Raw(b"")
Items = msgspec.defstruct(
    "Items", [(f"item_{number}", msgspec.Raw, NOTHING) for number in range(ENTRIES_CEILING)], frozen=True,
    array_like=True, forbid_unknown_fields=True,
)  # fmt: skip


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SyncCall whose entries are not read yet."""

    sent_at: Moment
    entries: Items  # type: ignore[valid-type]
    boot_id: UUID | None = None
    uptime_ms: Count | None = None
    cursor: Annotated[str, msgspec.Meta(max_length=500)] | None = None


class Glimpse(msgspec.Struct, frozen=True):
    """What an answer needs of an entry that cannot be read otherwise."""

    id: UUID


class Number(msgspec.Struct, frozen=True):
    """Its device's number, where that much can be read."""

    device_seq: Count


@post(
    "/sync", summary="Many entries at once · 批量同步", tags=[TAG], operation_id="sync", status_code=200,
    opt=takes(SyncCall) | {"quarantined": True}, request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def synced(request: Request[Any, Any, Any]) -> Response[SyncAnswer]:
    """Up to 1,000 entries, gzip welcome. Each is recorded, refused or kept waiting for itself, as by its own route."""
    call: Any = await read(request, Envelope)
    at = received_at(request)
    items = [_item(raw) for raw in msgspec.structs.astuple(call.entries) if raw is not NOTHING]
    results = await sync.take_all(request.user, items, call.sent_at, at)
    for item, result in zip(items, results, strict=True):
        ENTRIES.labels(item.verb.name if item.verb else "none", result.status).inc()
    await device_sequence.keep_boot_time(request.user, call.boot_id, call.uptime_ms, at)
    language = language_of(request)
    told = {"results": [_told(result, language) for result in results], **await _news(request.user, call.cursor)}
    return packed(request, msgspec.json.encode(told))


async def _news(actor: Actor, cursor: str | None) -> dict[str, Any]:
    """What is new since the cursor; one that is none of ours begins anew, for the entries are recorded by now."""
    if actor.quarantined:
        return {}
    try:
        new = await feed.changes(actor, cursor, page_limit(None))
    except Refusal:
        new = await feed.changes(actor, None, page_limit(None))
    told = msgspec.structs.asdict(new)
    begun = {"bundle": told.pop("bundle")} if new.bundle is not None else {}
    return {"changes": told.pop("items"), **told, **begun}


def _item(raw: msgspec.Raw) -> SyncItem:
    try:
        told = decode(raw, ANY_ENTRY)
    except Refusal as refusal:
        glimpse, number = _glimpse(raw, Glimpse), _glimpse(raw, Number)
        return SyncItem(None, refusal=refusal, id=glimpse and glimpse.id, device_seq=number and number.device_seq)
    verb = KINDS[type(told)]
    return SyncItem(_plain(verb.entry, told), verb, id=told.id)


def _plain(kind: type[Entry], told: Any) -> Entry:
    """Without its tag: the very struct that its own route reads."""
    return kind(**{field: getattr(told, field) for field in kind.__struct_fields__})


def _glimpse(raw: msgspec.Raw, kind: Any) -> Any:
    try:
        return decode(raw, kind)
    except Refusal:
        return None


def _told(result: SyncResult, language: Language) -> dict[str, Any]:
    told: dict[str, Any] = {"id": result.id, "status": result.status}
    refusal = result.refusal
    if result.failure is not None:
        refusal = read_failure(result.failure, PATH)
    if result.recorded is not None:
        told["receipt"] = msgspec.Raw(receipt(result.recorded, language))
    if refusal is not None:
        told["problem"] = problem(refusal, language, PATH)
    if result.wait is not None:
        wait = result.wait
        told |= {"reason": wait.reason, "waiting_for": wait.waiting_for, "until": wait.until}
    return told


@get("/held", summary="Entries that are held · 待处理记录", tags=[TAG], operation_id="held")
async def held(
    request: Request[Any, Any, Any],
    standing: Annotated[HeldState | None, QueryParameter(name="state", description="how it stands with them")] = None,
    reason: Annotated[HeldReason | None, QueryParameter(name="reason", description="why they are held")] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> HeldList:
    """What came by sync and is not recorded yet, newest first, for those who command, inspect or administer."""
    return await holding.held_entries(request.user, standing, reason, cursor, page_limit(limit))


ROUTES = [synced, held]
