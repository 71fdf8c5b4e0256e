"""Enrolling devices and revoking them."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any

import msgspec
import segno
from litestar import MediaType, Request, Response, post
from litestar.params import QueryParameter

from backend.core.described import SERIAL, DeviceSerial, SentAt
from backend.core.examples import SENT_AT
from backend.core.paging import Page, page_limit
from backend.core.refusals import Refusal
from backend.core.wire import Moment
from backend.people import devices
from backend.people.devices import Card, CodeSheet, DeviceRow, Enrolled
from backend.people.proofs import Jwk
from backend.people.schemas import OrganGiven
from mobile_api.auth import BY_KEY, read_proof
from mobile_api.bodies import read, takes
from mobile_api.device_address import is_for_phones
from mobile_api.listing import listing
from mobile_api.paging import Limit
from mobile_api.printing import HEADERS, clock, fact, missing, printed
from mobile_api.problems import refuses
from mobile_api.routes.sessions import NOT_A_PROOF, Badge

JWK = {
    "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # fmt: skip
TAGS = ["Devices · 设备"]
BODY_LIMIT = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}
After = Annotated[
    str | None, QueryParameter(name="cursor", max_length=40, pattern=SERIAL, description="`next` of the page before")
]


class CodeFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device that is to be enrolled."""

    sent_at: SentAt
    serial: DeviceSerial
    badge: Annotated[Badge | None, msgspec.Meta(description="whose device it is alone; none: it is shared")] = None


class SheetFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The organ whose devices are to be enrolled, those below it too."""

    sent_at: SentAt
    organ: OrganGiven
    again: Annotated[
        bool, msgspec.Meta(description="also devices that are enrolled: a new key replaces theirs when they use it")
    ] = False
    after: Annotated[
        DeviceSerial | None,
        msgspec.Meta(description="only serial numbers after this one: the last of the sheet before"),
    ] = None


class EnrolmentCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that enrols one device, once. Show the QR code to the device, or type the code into it."""

    code: Annotated[
        str,
        msgspec.Meta(description="sixteen letters and digits; case and dashes do not matter, O is 0, I and L are 1"),
    ]
    expires_at: Annotated[Moment, msgspec.Meta(description="the code can be used until then")]
    qr: Annotated[str, msgspec.Meta(description="the address in `uri` as a QR code, an SVG picture")]
    uri: Annotated[str, msgspec.Meta(description="what the QR code holds: `fujing://enrol?url=…&code=…`")]


class Enrol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code, and the public key by which this device is known from now on; the proof is by that key."""

    sent_at: SentAt
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="the code, as scanned or typed")]
    jwk: Annotated[Jwk, msgspec.Meta(description="this device's public key: P-256, as a JSON Web Key (RFC 7517)")]


class DeviceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a revocation or reinstatement: nothing but the time."""

    sent_at: SentAt


def url_for_devices(request: Request[Any, Any, Any]) -> str:
    """The URL under which devices call this server: of the settings, else of this request.

    Raises Refusal `address_for_this_machine_only`.
    """
    settings = request.app.state.settings
    url = str(settings.public_url or request.base_url).rstrip("/")
    if not is_for_phones(url, [settings.listen]):
        raise Refusal("address_for_this_machine_only")
    return url


def svg_of(uri: str) -> str:
    """The QR as an SVG picture."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="svg", scale=6, xmldecl=False)
    return out.getvalue().decode()


@post(
    "/devices/codes",
    opt=takes(CodeFor, {"sent_at": SENT_AT, "serial": "HH-0001"})
    | refuses(
        "not_for_your_role",
        "unknown_device",
        "reinstate_first",
        "unknown_person",
        "too_many_requests",
        "address_for_this_machine_only",
    ),
    summary="A code for a device · 生成登记码",
    tags=TAGS,
    operation_id="devices_codes",
    request_max_body_size=BODY_LIMIT,
)
async def make_code(request: Request[Any, Any, Any]) -> Response[EnrolmentCode]:
    """Make a code for one device: it works once, for ten minutes, and ends an earlier one. For administrators of the
    device's organ, with their second factor."""
    data = await read(request, CodeFor)
    url = url_for_devices(request)  # first: a code that cannot be used is not made
    made = await devices.make_code(data.serial, datetime.now(UTC), request.user, data.badge)
    uri = devices.uri_of(url, made.code)
    answer = EnrolmentCode(code=made.code, expires_at=made.expires_at, qr=svg_of(uri), uri=uri)
    return Response(answer, headers=NO_STORE)


@post(
    "/devices/codes/sheet",
    opt=takes(SheetFor, {"sent_at": SENT_AT, "organ": "330102010000"})
    | refuses(
        "not_for_your_role", "unknown_organ", "no_device_to_enrol", "too_many_requests", "address_for_this_machine_only"
    ),
    summary="A sheet of cards for an organ · 整个单位的登记卡",
    tags=TAGS,
    operation_id="devices_codes_sheet",
    request_max_body_size=BODY_LIMIT,
    media_type=MediaType.HTML,
)
async def make_sheet(request: Request[Any, Any, Any]) -> Response[str]:
    """Make a code for each device of an organ and below, and answer a page of cards to print: a QR code and the code in
    letters for each. A code works once, for 24 hours, and ends an earlier one of its device. For administrators of the
    organ, with their second factor."""
    data, url = await read(request, SheetFor), url_for_devices(request)
    sheet = await devices.make_sheet(request.user, data.organ, datetime.now(UTC), again=data.again, after=data.after)
    return Response(_page(sheet, url), media_type=MediaType.HTML, headers=HEADERS)


CARD = """<div class="card">{qr}<div>
<p>{name}<small>{serial}</small></p><p><small>{organ}</small></p><p class="code">{code}</p>
<p><small>有效期至 Good until {until}</small></p>
</div></div>"""
SHEET_SIGNED = ("制卡人 Made by", "日期 Date")


def _page(sheet: CodeSheet, url: str) -> str:
    cards = "\n".join(_card(card, url, clock(sheet.expires_at)) for card in sheet.cards)
    rest = "" if sheet.more_after is None else missing("more_cards")
    return printed("enrolment_sheet", _sheet_facts(sheet, url), f'<div class="cards">{cards}</div>{rest}', SHEET_SIGNED)


def _sheet_facts(sheet: CodeSheet, url: str) -> Iterable[str]:
    yield fact("单位", "Organ", f"{sheet.organ_name} ({sheet.organ})")
    yield fact("服务器地址", "Server", url)
    yield fact("制卡时间", "Made at", clock(sheet.made_at))
    yield fact("有效期至", "Good until", clock(sheet.expires_at))
    yield fact("张数", "Cards", str(len(sheet.cards)))


def _card(card: Card, url: str, until: str) -> str:
    qr = segno.make(devices.uri_of(url, card.code), error="m").svg_inline(border=1, omitsize=True)
    texts = {"name": card.name, "serial": card.serial, "organ": card.organ_name, "code": card.code}
    return CARD.format(qr=qr, until=until, **{name: f"<bdi>{escape(text)}</bdi>" for name, text in texts.items()})


@post(
    "/devices/enrol",
    opt=BY_KEY
    | takes(Enrol, {"sent_at": SENT_AT, "code": "7YQ2-M4XK-0C9T-WHR3", "jwk": JWK})
    | refuses("enrolment_refused", "key_unfit", "key_differs", "key_taken", "proof_missing", *NOT_A_PROOF),
    status_code=200,
    summary="Enrol this device · 登记本机",
    tags=TAGS,
    operation_id="devices_enrol",
    request_max_body_size=BODY_LIMIT,
)
async def enrol(request: Request[Any, Any, Any]) -> Response[Enrolled]:
    """Register this device's key with a code. The device's former key ends, with its sessions.

    Sent again with the same key, the answer is the same until the code expires."""
    proof = read_proof(request)
    data = await read(request, Enrol)
    return Response(await devices.enrol(proof, data.code, data.jwk, datetime.now(UTC)), headers=NO_STORE)


@post(
    "/devices/{serial:str}/revoke",
    opt=takes(DeviceChange, {"sent_at": SENT_AT}) | refuses("not_for_your_role", "unknown_device"),
    status_code=200,
    summary="Revoke a device · 吊销设备",
    tags=TAGS,
    operation_id="device_revoke",
    request_max_body_size=BODY_LIMIT,
)
async def revoke(request: Request[Any, Any, Any], serial: str) -> DeviceRow:
    """Revoke a lost device: from its next request on, it is let in nowhere but to sync and sign out.

    What it syncs is held until a person decides. For administrators of the device's organ."""
    await read(request, DeviceChange)
    return await devices.revoke(serial, datetime.now(UTC), request.user)


@post(
    "/devices/{serial:str}/reinstate",
    opt=takes(DeviceChange, {"sent_at": SENT_AT}) | refuses("not_for_your_role", "unknown_device"),
    status_code=200,
    summary="Reinstate a device · 恢复设备",
    tags=TAGS,
    operation_id="device_reinstate",
    request_max_body_size=BODY_LIMIT,
)
async def reinstate(request: Request[Any, Any, Any], serial: str) -> DeviceRow:
    """Allow a device that was found to be enrolled anew. Its key ends: nobody knows who had it.

    For administrators of the device's organ."""
    await read(request, DeviceChange)
    return await devices.reinstate(serial, datetime.now(UTC), request.user)


@listing("/devices", summary="Devices · 设备列表", tags=TAGS, operation_id="devices", opt=refuses("not_for_your_role"))
async def listed(request: Request[Any, Any, Any], cursor: After = None, limit: Limit = None) -> Page[DeviceRow]:
    """The devices of the organs you administer, by serial number, each with its key in force."""
    return await devices.listed(request.user, cursor, page_limit(limit))


ROUTES = [make_code, make_sheet, enrol, revoke, reinstate, listed]
