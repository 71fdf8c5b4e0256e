"""Enrolling devices, and revoking them: for administrators, and for the device itself."""

import io
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import segno
from litestar import Request, Response, get, post
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.core.wire import WHOLE, Moment
from backend.people import devices
from backend.people.devices import DeviceRow, Devices, Enrolled
from backend.people.proofs import Jwk
from mobile_api.auth import PUBLIC, read_proof
from mobile_api.bodies import read, takes
from mobile_api.paging import Limit

TAGS = ["Devices · 设备"]
BODY_LIMIT = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}
SERIAL = r"^[A-Za-z0-9._-]+" + WHOLE
Serial = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=SERIAL)]
After = Annotated[
    str | None, QueryParameter(name="cursor", max_length=40, pattern=SERIAL, description="`next` of the page before")
]


class CodeFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which device is to be enrolled."""

    sent_at: Moment
    serial: Serial


class EnrolmentCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code for one device, once; show the QR to the device, or read the code to whoever types it."""

    code: Annotated[str, msgspec.Meta(description="sixteen letters and figures; case, dashes, O/0 and I/L/1 are alike")]
    expires_at: Moment
    qr: str
    uri: str


class Enrol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code and the public key that stands for this device from now on; the proof is by that very key."""

    sent_at: Moment
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="as shown, scanned or typed")]
    jwk: Jwk


class Now(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing but when it was sent."""

    sent_at: Moment


def address_of(request: Request[Any, Any, Any]) -> str:
    """By which address devices call this server: as the settings say, else as this request called it."""
    return str(request.app.state.settings.public_url or request.base_url).rstrip("/")


def svg_of(uri: str) -> str:
    """The QR as an SVG picture."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="svg", scale=6, xmldecl=False)
    return out.getvalue().decode()


@post(
    "/devices/codes", opt=takes(CodeFor), summary="A code for a device · 生成登记码", tags=TAGS,
    operation_id="devices_codes", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def make_code(request: Request[Any, Any, Any]) -> Response[EnrolmentCode]:
    """A single-use code, for ten minutes; an earlier one for this device is over. Administrators of its organ."""
    data = await read(request, CodeFor)
    made = await devices.make_code(data.serial, datetime.now(UTC), request.user)
    uri = devices.uri_of(address_of(request), made.code)
    told = EnrolmentCode(code=made.code, expires_at=made.expires_at, qr=svg_of(uri), uri=uri)
    return Response(told, headers=NO_STORE)


@post(
    "/devices/enrol", opt=PUBLIC | takes(Enrol), status_code=200, summary="Enrol this device · 登记本机", tags=TAGS,
    operation_id="devices_enrol", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def enrol(request: Request[Any, Any, Any]) -> Response[Enrolled]:
    """Register this device's key by a code. Sent again with the same key, the answer is the same while the code lives.
    The device's former key, if any, ends with its sessions."""
    proof = read_proof(request)
    data = await read(request, Enrol)
    return Response(await devices.enrol(proof, data.code, data.jwk, datetime.now(UTC)), headers=NO_STORE)


@post(
    "/devices/{serial:str}/revoke", opt=takes(Now), status_code=200, summary="Revoke a device · 吊销设备", tags=TAGS,
    operation_id="device_revoke", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def revoke(request: Request[Any, Any, Any], serial: str) -> DeviceRow:
    """It was lost: from the next request on it opens nothing. What it still holds can be synced, for a person to
    decide. Administrators of its organ."""
    await read(request, Now)
    return await devices.revoke(serial, datetime.now(UTC), request.user)


@post(
    "/devices/{serial:str}/reinstate", opt=takes(Now), status_code=200, summary="Reinstate a device · 恢复设备",
    tags=TAGS, operation_id="device_reinstate", request_max_body_size=BODY_LIMIT,
)  # fmt: skip
async def reinstate(request: Request[Any, Any, Any], serial: str) -> DeviceRow:
    """It was found: it may be enrolled anew. Its key ends, for nobody knows who had it. Administrators of its organ."""
    await read(request, Now)
    return await devices.reinstate(serial, datetime.now(UTC), request.user)


@get("/devices", summary="Devices · 设备列表", tags=TAGS, operation_id="devices")
async def listed(request: Request[Any, Any, Any], cursor: After = None, limit: Limit = None) -> Devices:
    """The devices of the organs that one administers, by serial number, with the key in force."""
    return await devices.listed(request.user, cursor, page_limit(limit))


ROUTES = [make_code, enrol, revoke, reinstate, listed]
