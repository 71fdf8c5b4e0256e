"""Many entries in one call, and the list of entries that are held.

Each entry is read on its own: one that cannot be read does not stop the others. The union of the field verbs is made
from backend/registry.py. The list is read into a struct of bounded length, so that a million items cost no more than
a thousand.
"""

from typing import Annotated, Any, Literal, Union
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.params import QueryParameter

from backend import feed, sync
from backend.bundle import Bundle
from backend.core.described import SentAt
from backend.core.examples import OTHER, SENT_AT
from backend.core.paging import Page, page_limit
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Verb
from backend.core.wire import Count, Entry, Moment
from backend.feed import Change
from backend.held import device_sequence
from backend.held import service as holding
from backend.held.service import HeldReason, HeldRow, HeldState
from backend.law.catalogue import Language
from backend.registry import VERBS
from backend.sync import SyncItem, SyncResult
from mobile_api.auth import QUARANTINED
from mobile_api.bodies import LONGEST, decode, decode_entry, read, takes
from mobile_api.listing import listing
from mobile_api.metrics import ENTRIES
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import Problem, as_problem, language_of, read_failure
from mobile_api.request_middleware import received_at
from mobile_api.routes.changes import compressed
from mobile_api.routes.verbs import receipt

ENTRIES_CEILING = 1000
PATH = "/v1/sync"
RETRY_SOON = 30  # seconds, after a failure of which nobody knows how long it lasts
TAG = "Sync · 同步"
FIELD_VERBS = [verb for verb in VERBS if verb.field]


def tagged(verb: Verb) -> type[Any]:
    """The verb's struct as a sync takes it: tagged with the verb's name, without `sent_at`."""
    return msgspec.defstruct(
        f"{verb.entry.__name__}Item", [], bases=(verb.entry,), tag_field="verb", tag=verb.name,
        namespace={"__doc__": verb.entry.__doc__}, frozen=True, kw_only=True, omit_defaults=True,
        forbid_unknown_fields=True,
    )  # fmt: skip


KINDS = {tagged(verb): verb for verb in FIELD_VERBS}
BY_TAG = {verb.name: kind for kind, verb in KINDS.items()}
ANY_ENTRY: Any = Union[tuple(KINDS)]  # noqa: UP007 - made at run time


class SyncCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of one person from one device, the oldest first."""

    sent_at: SentAt
    entries: Annotated[
        list[ANY_ENTRY],
        msgspec.Meta(
            max_length=ENTRIES_CEILING,
            description="entries as their own routes take them, with `verb` and without `sent_at`",
        ),
    ]
    boot_id: Annotated[UUID | None, msgspec.Meta(description="changes when the device restarts; at sent_at")] = None
    uptime_ms: (
        Annotated[Count, msgspec.Meta(description="milliseconds since the device started, at sent_at")] | None
    ) = None
    cursor: (
        Annotated[
            str, msgspec.Meta(max_length=500, description="`cursor` of the last answer of a sync or of GET /v1/changes")
        ]
        | None
    ) = None


class EntryResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one entry. `recorded`, `replayed` and `refused` are final. Keep an entry that is `waiting`. Send
    one that is `again` once more: the server failed, and nothing of it is recorded."""

    id: Annotated[UUID | None, msgspec.Meta(description="id of the entry; null where it could not be read")]
    status: Annotated[
        Literal["recorded", "replayed", "refused", "waiting", "again"],
        msgspec.Meta(
            description="recorded: for the first time; replayed: it had been recorded before; refused: see `problem`; "
            "waiting: held, see `reason`; again: send it once more, after `retry_after`"
        ),
    ]
    receipt: Annotated[
        dict[str, Any] | None, msgspec.Meta(description="if it is recorded or replayed: the answer of the verb's route")
    ] = None
    problem: Annotated[Problem | None, msgspec.Meta(description="if it is refused or to be sent again: the reason")] = (
        None
    )
    retry_after: Annotated[
        int | None, msgspec.Meta(description="if it is to be sent again: after at least so many seconds")
    ] = None
    waiting_for: Annotated[
        list[UUID] | None, msgspec.Meta(description="if it waits: ids that it refers to and that have not come yet")
    ] = None
    until: Annotated[
        Moment | None, msgspec.Meta(description="if it waits: after that a person looks at it; it goes on waiting")
    ] = None
    reason: Annotated[HeldReason | None, msgspec.Meta(description="if it waits: why it is held")] = None


class SyncAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One result for each entry; then what is new, as GET /v1/changes answers it, but not for a revoked device,
    nor for somebody who left."""

    results: Annotated[list[EntryResult], msgspec.Meta(description="one for each entry, in the order of the call")]
    changes: Annotated[list[Change] | None, msgspec.Meta(description="what is new since the cursor, in order")] = None
    cursor: Annotated[str | None, msgspec.Meta(description="send it with the next call")] = None
    more: Annotated[bool | None, msgspec.Meta(description="true: there are more changes; ask again at once")] = None
    reset: Annotated[
        bool | None,
        msgspec.Meta(description="true: earlier answers no longer hold; forget them and begin with the bundle"),
    ] = None
    bundle: Annotated[
        Bundle | None, msgspec.Meta(description="what a phone needs at the start of a shift, where it begins anew")
    ] = None


NO_ITEM = msgspec.Raw(b"")
Items = msgspec.defstruct(
    "Items", [(f"item_{number}", msgspec.Raw, NO_ITEM) for number in range(ENTRIES_CEILING)], frozen=True,
    array_like=True, forbid_unknown_fields=True,
)  # fmt: skip


CURSOR = Annotated[str, msgspec.Meta(max_length=500)]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SyncCall whose entries are not read yet, nor what may be wrong without refusing the call."""

    sent_at: Moment
    entries: Items  # type: ignore[valid-type]
    boot_id: msgspec.Raw = NO_ITEM
    uptime_ms: msgspec.Raw = NO_ITEM
    cursor: msgspec.Raw = NO_ITEM


class EntryId(msgspec.Struct, frozen=True):
    """The id of an entry, which is read even where the rest is at fault."""

    id: UUID


class Number(msgspec.Struct, frozen=True):
    """The device's number of an entry, which is read even where the rest is at fault."""

    device_seq: Count


def _example() -> dict[str, Any]:
    """A check-in and its check-out in one call: each entry has an id and a number of its own."""
    first, second = ({"verb": verb.name, **verb.example} for verb in VERBS[:2])
    second |= {"id": OTHER, "shift": first["id"], "device_seq": first["device_seq"] + 1}
    entries = [{name: value for name, value in entry.items() if name != "sent_at"} for entry in (first, second)]
    return {"sent_at": SENT_AT, "entries": entries}


@post(
    "/sync", summary="Many entries at once · 批量同步", tags=[TAG], operation_id="sync", status_code=200,
    opt=takes(SyncCall, _example()) | QUARANTINED, request_max_body_size=LONGEST,
)  # fmt: skip
async def synced(request: Request[Any, Any, Any]) -> Response[SyncAnswer]:
    """Send up to 1,000 entries at once, compressed by gzip if you like.

    Each is recorded, refused or held on its own, as by its own route."""
    call: Any = await read(request, Envelope)
    at = received_at(request)
    items = [_item(raw) for raw in msgspec.structs.astuple(call.entries) if raw is not NO_ITEM]
    boot_id = _read_or_none(call.boot_id, UUID)
    await device_sequence.keep_boot_time(request.user, boot_id, _read_or_none(call.uptime_ms, Count), at)
    results = await sync.take_all(request.user, items, call.sent_at, at)
    for item, result in zip(items, results, strict=True):
        ENTRIES.labels(item.verb.name if item.verb else "none", result.status).inc()
    if request.user.device is not None and boot_id is not None:
        await device_sequence.check_clock(request.user.device, boot_id)
    language = language_of(request)
    answers = [_answer_to(result, language) for result in results]
    answer = {"results": answers, **await _changes(request.user, _read_or_none(call.cursor, CURSOR))}
    return compressed(request, msgspec.json.encode(answer))


async def _changes(actor: Actor, cursor: str | None) -> dict[str, Any]:
    """What is new since the cursor. An invalid cursor begins anew: the entries are recorded already."""
    if actor.quarantined or actor.brings_home:
        return {}
    try:
        new = await feed.changes(actor, cursor, page_limit(None))
    except Refusal:
        new = await feed.changes(actor, None, page_limit(None))
    answer = msgspec.structs.asdict(new)
    bundle = {"bundle": answer.pop("bundle")} if new.bundle is not None else {}
    return {"changes": answer.pop("items"), **answer, **bundle}


def _item(raw: msgspec.Raw) -> SyncItem:
    try:
        tagged_entry, left_out = decode_entry(raw, ANY_ENTRY, _kind_told)
    except Refusal as refusal:
        glimpse, number = _part_of(raw, EntryId), _part_of(raw, Number)
        return SyncItem(None, refusal=refusal, id=glimpse and glimpse.id, device_seq=number and number.device_seq)
    verb = KINDS[type(tagged_entry)]
    return SyncItem(_without_tag(verb.entry, tagged_entry), verb, id=tagged_entry.id, left_out=left_out)


def _kind_told(told: dict[str, Any]) -> Any:
    """The struct of the verb that an item names; None where it names none."""
    return BY_TAG.get(told["verb"]) if isinstance(told.get("verb"), str) else None


def _without_tag(kind: type[Entry], tagged_entry: Any) -> Entry:
    """The struct that the verb's own route reads."""
    return kind(**{field: getattr(tagged_entry, field) for field in kind.__struct_fields__})


def _read_or_none(raw: msgspec.Raw, kind: Any) -> Any:
    """A field of the call that refuses nothing; None where it is missing or wrong."""
    return None if raw is NO_ITEM else _part_of(raw, kind)


def _part_of(raw: msgspec.Raw, kind: Any) -> Any:
    try:
        return decode(raw, kind)
    except Refusal:
        return None


def _answer_to(result: SyncResult, language: Language) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": result.id, "status": result.status}
    refusal = result.refusal
    if result.failure is not None:
        refusal = read_failure(result.failure, PATH)
    if result.recorded is not None:
        answer["receipt"] = msgspec.Raw(receipt(result.recorded, language))
    if refusal is not None:
        answer["problem"] = as_problem(refusal, language, PATH)
    if result.status == "again" and refusal is not None:
        answer["retry_after"] = refusal.wait_seconds or RETRY_SOON
    if result.wait is not None:
        wait = result.wait
        answer |= {"reason": wait.reason, "waiting_for": wait.waiting_for, "until": wait.until}
    return answer


@listing("/held", summary="Entries that are held · 待处理记录", tags=[TAG], operation_id="held")
async def held(
    request: Request[Any, Any, Any],
    standing: Annotated[
        HeldState | None, QueryParameter(name="state", description="only entries in this state")
    ] = None,
    reason: Annotated[
        HeldReason | None, QueryParameter(name="reason", description="only entries held for this reason")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[HeldRow]:
    """Entries that came by sync and are not recorded yet, newest first.

    For commanders, inspectors and administrators: each entry as the rule of its verb says, and its words for those who
    may read the fact itself."""
    return await holding.held_entries(request.user, standing, reason, cursor, page_limit(limit))


ROUTES = [synced, held]
