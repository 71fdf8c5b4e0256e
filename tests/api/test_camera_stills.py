"""A photo, or any other file of a camera, is footage of a moment: it belongs to its wearer, its time and its act.

Who sees it, holds, reviews, packages and disposal are those of film; only time it proves none.
"""

import asyncio
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from PIL import Image

from backend.core.database import fetch, value
from backend.people import roster
from backend.reviews import spot_checks
from tests import films
from tests.api.test_holds import covered, place_hold
from tests.api.test_packages import ask, ours, unzipped, verified
from tests.api.test_recusals import a_case, an_act_on, decides, declared
from tests.api.test_reviews import opened, watch
from tests.builders import (
    CITY,
    DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    now,
    organ_row,
    recorded,
    refused,
)
from tests.devices import (
    completed,
    declare,
    declare_while_recording,
    parts_of,
    put,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
)
from tests.photos import HEIC, photo

FINDINGS = "SELECT array_agg(kind ORDER BY kind) FROM finding WHERE subject = $1 AND withdrawn_at IS NULL"
SPAN = "SELECT ended_at - started_at FROM recording WHERE id = $1"
TAKEN = datetime(2026, 11, 29, 0, 0, 5, tzinfo=UTC)  # as the HEIC says
SHOT = {"media_type": "image/jpeg", "file_name": "IMG_1.jpg"}


def a_photo() -> bytes:
    """A photo that nobody took before, whose camera wrote no time."""
    return photo(orientation=6) + uuid4().bytes


async def shot(app: Litestar, who: Someone, at: datetime, **fields: Any) -> str:
    """A sealed photo of that moment."""
    return await sealed(app, who, a_photo(), **(SHOT | {"started_at": at, "ended_at": at} | fields))


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/heic", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("hours", [None, 0, 3])
async def test_it_lasts_a_moment_whatever_is_told(app: Litestar, media_type: str, hours: float | None) -> None:
    """By phone and by dock alike: without an end it claims no shift, with one no hours."""
    lin, dock = await a_duty_auxiliary(app), await a_dock(app)
    at = ago(hours=5)
    times = {"started_at": at, "ended_at": None if hours is None else at + timedelta(hours=hours)}
    for who, more in ((lin, {}), (dock, {"wearer": lin.id})):
        content = uuid4().bytes
        upload = await declare(who, content, media_type=media_type, **times, **more)
        assert timedelta(milliseconds=1) == await value(SPAN, UUID(upload["id"]))


async def test_what_no_camera_writes_is_refused(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    for media_type in ("application/x-msdownload", "image", "image/", "multipart/form-data", "IMAGE/JPEG"):
        refused(await lin.declare(media_type=media_type, bytes=1, sha256=sha256_of(b"x")), 422, "invalid")


async def test_a_film_that_ends_when_it_begins_lasts_a_moment_too(app: Litestar) -> None:
    """A time of no length would be covered by no hold and hidden from nobody; told at the end, too."""
    lin, at, content = await a_duty_auxiliary(app), ago(minutes=5), uuid4().bytes
    assert timedelta(milliseconds=1) == await value(
        SPAN, UUID((await declare(lin, content, started_at=at, ended_at=at))["id"])
    )
    upload = (await declare_while_recording(lin, started_at=at))["id"]
    content = uuid4().bytes
    await send_missing_of(lin, upload, content)
    assert "received" == await completed(lin, upload, bytes=16, sha256=sha256_of(content), ended_at=at)
    assert timedelta(milliseconds=1) == await value(SPAN, UUID(upload))


async def send_missing_of(who: Someone, upload: str, content: bytes) -> None:
    """Send a file whose size was not declared."""
    (part,) = (await parts_of(who, upload, bytes=len(content)))["missing"]
    assert 200 == await asyncio.to_thread(put, part, content)


async def test_a_photo_proves_no_time_and_is_no_fault(app: Litestar) -> None:
    """An act with a photo alone is not recorded; the photo itself has no finding, nor has a text or an unknown file."""
    lin, _, _, _ = await a_led_patrol(app, hours=1)
    act = recorded(
        await lin.starts("10.4", at=ago(minutes=30), recording=True, officers_present=1, despite={"why": "x"})
    )
    recorded(await lin.finishes(act["id"], at=ago(minutes=20)))
    others = {"image/heic": HEIC, "text/plain": "巡逻".encode(), "application/octet-stream": b"\x00\x01"}
    uploads = [await shot(app, lin, ago(minutes=25))]
    for media_type, start in others.items():
        content = start + uuid4().hex.encode()
        at = TAKEN if start == HEIC else ago(minutes=25)
        uploads.append(await sealed(app, lin, content, media_type=media_type, started_at=at))
    late = ["handed_over_late"]  # the HEIC, of two days ago
    found = [await value(FINDINGS, UUID(upload)) for upload in uploads]
    assert [None, late, None, None] == found
    assert "unrecorded" in await value(FINDINGS, UUID(act["id"]))


async def test_a_film_without_its_index_says_so(app: Litestar) -> None:
    """It is sealed as the film it is, and what can be done is told; what is no film at all is no lost index."""
    lin, whole = await a_duty_auxiliary(app), films.mux(picture=1)
    at = whole.index(b"mdat") - 4
    cut = whole[:at] + bytes(4) + whole[at + 4 : whole.index(b"moov") - 4] + uuid4().bytes
    assert ["index_lost"] == await value(FINDINGS, UUID(await sealed(app, lin, cut)))
    assert ["not_media"] == await value(FINDINGS, UUID(await sealed(app, lin, b"no film" + uuid4().bytes)))
    row = await value("SELECT u.state FROM upload u WHERE u.sha256 = $1", sha256_of(cut))
    assert "sealed" == row


async def test_a_photo_of_a_case_is_hidden_from_whoever_stepped_aside(app: Litestar) -> None:
    """Also one's own."""
    lin, _, shift, _ = await a_led_patrol(app, hours=3)
    chief, case = await a_commander_of(app, DISTRICT), a_case()
    act = recorded(await an_act_on(lin, case, at=ago(hours=2)))["id"]
    recorded(await lin.finishes(act, at=ago(hours=1)))
    on_it, after = await shot(app, lin, ago(minutes=90)), await shot(app, lin, ago(minutes=40))
    recorded(await decides(chief, await declared(lin, case), 1))
    assert [after] == [row["id"] for row in (await lin.get("/v1/recordings")).json()["items"]]
    refused(await lin.get(f"/v1/recordings/{on_it}"), 404, "unknown_recording")
    assert [after] == [row["id"] for row in (await lin.get(f"/v1/shifts/{shift}")).json()["recordings"]]


async def test_a_hold_on_its_wearer_covers_a_photo(app: Litestar) -> None:
    """Of the time around, and not of another."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    within, without = await shot(app, lin, ago(minutes=50)), await shot(app, lin, ago(hours=5))
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=1), ended_at=ago(minutes=30))
    assert {within} == await covered(wu, hold)
    assert without


async def test_a_photo_is_seen_under_a_review_and_taken_out_with_the_case(app: Litestar, tmp_path: Path) -> None:
    """Upright in its still; in the package under an ending that opens it, and the package verifies."""
    lin, wu, case = (await a_led_patrol(app))[0], await an_inspector_of(app, DISTRICT), f"受案〔2026〕{uuid4().hex}"
    recorded(await lin.starts("10.4", at=ago(minutes=2), case_ref=case, case_kind="administrative", officers_present=1,
        recording=True, despite={"why": "补报"}))  # fmt: skip
    one = await shot(app, lin, ago(minutes=1))
    refused(await watch(wu, one), 403, "review_needed")
    review = (await opened(wu, one))["id"]
    assert 200 == (await watch(wu, one, review)).status_code
    still = await watch(wu, one, review, what="poster")
    with Image.open(io.BytesIO(still.content)) as picture:
        assert (32, 64) == picture.size  # it was held upright
    files = unzipped((await ask(wu, "case", case)).content)
    assert f"data/originals/{one}.jpg" in {name.partition("/")[2] for name in files} | set(files)
    assert [] == verified(files, tmp_path, ours(app)).flaws


@pytest.mark.parametrize(("form", "way"), [("JPEG", "as_is"), ("PNG", "as_is"), ("HEIC", "none"), ("TIFF", "none")])
async def test_how_a_photo_is_watched(app: Litestar, form: str, way: str) -> None:
    """As it is; of one that no browser shows, the still: the whole picture, large enough to read a number plate by."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    content = (HEIC if form == "HEIC" else photo(form)) + uuid4().bytes
    one = await sealed(app, lin, content, started_at=ago(minutes=5), media_type=f"image/{form.lower()}")
    review = (await opened(wu, one))["id"]
    how = (await wu.get(f"/v1/reviews/{review}/viewing")).json()
    assert ("photo", way, f"image/{form.lower()}") == (how["kind"], how["way"], how["media_type"])
    with Image.open(io.BytesIO((await watch(wu, one, review, what="poster")).content)) as still:
        assert ("JPEG", (64, 32)) == (still.format, still.size)


async def test_a_spot_check_is_of_a_film(app: Litestar) -> None:
    """Whether it was recorded, and without a break, cannot be seen in a photo."""
    organ = f"3308{uuid4().int % 10**8:08}"
    await roster.bring_in([organ_row(organ, "抽查所", CITY)])
    lin = await a_duty_auxiliary(app, organ)
    one, film = await shot(app, lin, ago(minutes=5)), await sealed(app, lin, films.mux(picture=1) + uuid4().bytes)
    await spot_checks.draw(now() + timedelta(days=7))
    drawn = {str(row["recording"]) for row in await fetch("SELECT recording FROM spot_check WHERE organ = $1", organ)}
    assert ({film}, True) == (drawn, one not in drawn)


async def test_the_handover_lists_photos_and_finds_no_overlap_in_them(app: Litestar) -> None:
    """A photo taken while the film ran is no second film of that time."""
    lin = await a_duty_auxiliary(app)
    await sealed(app, lin, films.mux(picture=1) + uuid4().bytes, started_at=ago(minutes=60), ended_at=ago(minutes=50))
    one = await shot(app, lin, ago(minutes=55))
    day = {"wearer": lin.id, "from": ago(hours=3).isoformat(), "to": now().isoformat()}
    report = (await lin.get("/v1/handovers", **day)).json()
    assert one in {row["id"] for row in report["recordings"]}
    assert [] == report["overlaps"]


async def test_the_phone_and_the_dock_bring_the_same_photo(app: Litestar) -> None:
    """One recording, of the wearer, as whoever came first declared it."""
    lin, dock, content = await a_duty_auxiliary(app), await a_dock(app), a_photo()
    first = (await declare(lin, content, **SHOT))["id"]
    again = await declare(dock, content, wearer=lin.id, **SHOT)
    assert first == again["same_as"]
    await send_missing(dock, again["id"], content)
    assert "received" == await completed(dock, again["id"])
    await run_seal(app, first)
    assert STATION == (await lin.get(f"/v1/recordings/{first}")).json()["organ"]
