"""Watching by time: view copies under a review, what the journal has of them, and when they are made and removed."""

import io
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import httpx
import pytest
from litestar import Litestar

from backend.core.database import execute, value
from backend.evidence import view_copies
from backend.evidence.retention import disposal
from backend.law.catalogue import law, use
from backend.reviews import view_streams, watching
from tests.api.test_disposal import old, past_its_term, short_floor  # noqa: F401 - a fixture
from tests.api.test_reviews import lines, opened, watch
from tests.builders import (
    DISTRICT,
    STATION,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    now,
    recorded,
    refused,
)
from tests.devices import sealed
from tests.recorder_films import HEIGHT, WIDTH, recorded_film

JOBS = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'view' AND payload = uuid_send($1)"


async def view(who: Any, recording: Any, review: Any, since: float = 0) -> httpx.Response:
    answer = await who.ask("GET", f"/v1/recordings/{recording}/view", params={"review": review, "from": since})
    await watching.LATE_WRITES.wait()
    return answer


async def viewing(who: Any, review: Any) -> dict[str, Any]:
    answer = await who.get(f"/v1/reviews/{review}/viewing")
    assert 200 == answer.status_code, answer.text
    return dict(answer.json())


async def test_a_transport_stream_is_put_together_while_it_is_sent(app: Litestar) -> None:
    """One answer from a time on: init and media. The journal has the time that was asked for and the time sent."""
    lin, wu, film = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), recorded_film("ts")
    footage = await sealed(app, lin, film, media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    how = await viewing(wu, review)
    assert ("remux", "video/mp2t", "h264", "aac", None) == tuple(
        how[name] for name in ("way", "media_type", "codec", "sound", "copy")
    )
    whole, late = await view(wu, footage, review), await view(wu, footage, review, 2.5)
    assert 'video/mp4; codecs="avc1.42c00a,mp4a.40.2"' == whole.headers["content-type"]
    assert (200, b"ftyp", b"ftyp") == (whole.status_code, whole.content[4:8], late.content[4:8])
    assert ("no-store", "nosniff") == (whole.headers["cache-control"], whole.headers["x-content-type-options"])
    assert len(late.content) < len(whole.content)
    asked, sent = (await lines(footage))[-2:]
    assert (2500, "view") == (asked["facts"]["asked_from_ms"], asked["facts"]["what"])
    (begin, end), served = sent["facts"]["sent_ms"], sent["facts"]["served"]
    assert (len(late.content), True, True) == (served, 1500 < begin <= 2500, 3900 < end < 4200)
    kept = (await wu.get(f"/v1/reviews/{review}")).json()["viewings"][-1]
    assert (None, None, begin, end) == (kept["first_byte"], kept["last_byte"], kept["from_ms"], kept["to_ms"])
    seen = (await lin.get("/v1/me/record")).json()["viewings"][0]
    assert ("view", begin, end) == (seen["what"], seen["from_ms"], seen["to_ms"])


@pytest.mark.parametrize(
    ("film", "media_type"),
    [(("ts",), "video/mp2t"), (("mp4",), "video/mp4"), (("avi", "mjpeg", "pcm_alaw"), "video/x-msvideo")],
)
async def test_the_footage_says_what_it_is_and_its_bytes_which_time_they_are(
    app: Litestar, film: tuple[str, ...], media_type: str
) -> None:
    """By its content, whatever was declared; and a client that wants plain bytes gets plain bytes."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    content = recorded_film(*film)
    footage = await sealed(app, lin, content, media_type="video/quicktime")
    review = (await opened(wu, footage))["id"]
    answer = await watch(wu, footage, review)
    assert (media_type, "nosniff", content) == (
        answer.headers["content-type"], answer.headers["x-content-type-options"], answer.content,
    )  # fmt: skip
    half = len(content) // 2
    await watch(wu, footage, review, f"bytes={half}-{half + 99}")
    whole, part = sorted(line["facts"]["sent_ms"] for line in await lines(footage) if "sent_ms" in line["facts"])
    assert (0, True) == (whole[0], 3900 <= whole[1] <= 4200)
    assert whole[0] <= part[0] <= part[1] <= whole[1]
    plain = await wu.ask(
        "GET", f"/v1/recordings/{footage}/content", params={"review": review},
        headers={"Accept": "application/octet-stream"},
    )  # fmt: skip
    assert "application/octet-stream" == plain.headers["content-type"]


async def test_what_must_be_encoded_is_made_once_and_kept(app: Litestar) -> None:
    """Asked for: a job, and how far it is. Made: unlocked, under view/, sent from any time; asked again: no new job."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("avi", "mjpeg", "pcm_alaw"), media_type="video/mp4")
    review, store = (await opened(wu, footage))["id"], app.state.store
    assert {"state": "none", "percent": 0} == (await viewing(wu, review))["copy"]
    for _ in range(2):
        problem = refused(await view(wu, footage, review), 409, "view_copy_not_ready")
        assert 0 == problem["percent"]
    assert 1 == await value(JOBS, UUID(footage))
    await view_copies.make(store, UUID(footage))
    assert {"state": "made", "percent": 100} == (await viewing(wu, review))["copy"]
    (kept,) = await store.versions(view_copies.view_key(UUID(footage)))
    assert None is await store.locked_until(kept.key, kept.version)
    whole, late = await view(wu, footage, review), await view(wu, footage, review, 2.5)
    assert (200, b"ftyp") == (late.status_code, late.content[4:8])
    assert 1000 < len(late.content) < len(whole.content)
    (begin, end) = (await lines(footage))[-1]["facts"]["sent_ms"]
    assert (True, 4000) == (1500 < begin <= 2500, end)
    await view_copies.make(store, UUID(footage))  # a job that ran twice
    assert [kept] == await store.versions(view_copies.view_key(UUID(footage)))


async def test_a_pause_in_the_film_is_a_gap_between_stretches(app: Litestar) -> None:
    """Two seconds, a pause of twenty, two more, by the probe. A jump into the pause finds the picture before."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = recorded_film("ts", sound=None, pause=20)
    footage = await sealed(app, lin, film, media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    before, after = (await viewing(wu, review))["stretches"]
    assert (0, 22_000) == (before["from_ms"], after["from_ms"])
    assert (True, True) == (abs(before["to_ms"] - 2000) <= 110, abs(after["to_ms"] - 24_000) <= 110)
    await view(wu, footage, review, 12)
    begin, end = (await lines(footage))[-1]["facts"]["sent_ms"]
    assert (True, True) == (900 <= begin <= 2000, 23_800 <= end <= 24_200)


async def test_a_time_behind_the_end_is_the_end(app: Litestar) -> None:
    """And one that is no time is refused."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("ts"), media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    assert 200 == (await view(wu, footage, review, 3600)).status_code
    begin, end = (await lines(footage))[-1]["facts"]["sent_ms"]
    assert (True, True) == (2500 < begin <= 3600, 3900 < end < 4200)
    for since in ("-1", "x", "nan", "99999999"):
        answer = await wu.ask("GET", f"/v1/recordings/{footage}/view", params={"review": review, "from": since})
        refused(answer, 422, "invalid")


async def test_two_films_joined_are_one_and_as_long(app: Litestar) -> None:
    """Their clocks both begin at 0: the second is found by the film's own time, and the journal has that time."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("ts", sound=None) * 2, media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    how = await viewing(wu, review)
    assert abs(how["duration_ms"] - 8000) < 250
    await view(wu, footage, review, 6.5)
    begin, end = (await lines(footage))[-1]["facts"]["sent_ms"]
    assert (True, True) == (5000 < begin <= 6600, 7700 < end < 8300)


async def test_a_still_is_turned_as_the_film_says(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("mp4", "libx264", None, 1, 90), media_type="video/mp4")
    answer = await watch(wu, footage, (await opened(wu, footage))["id"], what="poster")
    with av.open(io.BytesIO(answer.content)) as still:
        assert (HEIGHT, WIDTH) == (still.streams.video[0].width, still.streams.video[0].height)


async def test_a_copy_that_the_store_lost_is_made_again(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("mp4", "libx265"), media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    refused(await view(wu, footage, review), 409, "view_copy_not_ready")
    await view_copies.make(app.state.store, UUID(footage))
    for each in await app.state.store.versions(view_copies.view_key(UUID(footage))):
        await app.state.store.remove(each.key, each.version)
    refused(await view(wu, footage, review), 409, "view_copy_not_ready")
    await view_copies.make(app.state.store, UUID(footage))
    assert 200 == (await view(wu, footage, review)).status_code


async def test_of_a_file_that_nobody_can_read_the_codec_is_said(app: Litestar) -> None:
    """One that is no film at once; one whose frames cannot be decoded once it was tried."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    junk = await sealed(app, lin, b"no film" * 9000, media_type="video/mp4")
    review = (await opened(wu, junk))["id"]
    how = await viewing(wu, review)
    assert ("none", "unknown") == (how["way"], how["kind"])
    assert None is refused(await view(wu, junk, review), 409, "no_view_copy")["codec"]
    film = recorded_film("mp4", "libx265")
    begin, end = film.index(b"mdat") + 4, film.index(b"moov") - 4
    broken = await sealed(app, lin, film[:begin] + bytes(end - begin) + film[end:], media_type="video/mp4")
    review = (await opened(wu, broken))["id"]
    refused(await view(wu, broken, review), 409, "view_copy_not_ready")
    await view_copies.make(app.state.store, UUID(broken))
    problem = refused(await view(wu, broken, review), 409, "no_view_copy")
    assert ("hevc", "mov") == (problem["codec"], problem["container"])
    assert "failed" == (await viewing(wu, review))["copy"]["state"]


async def test_a_view_copy_has_the_rights_of_its_original(app: Litestar) -> None:
    """No review, somebody else's, an unapproved one of restricted footage, a closed one: no byte; all is journalled."""
    lin, zhao, _, _ = await a_led_patrol(app)
    wu, sun = await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    times = {"started_at": ago(minutes=3), "ended_at": ago(minutes=2)}
    footage = await sealed(app, lin, recorded_film("ts"), media_type="video/mp4", **times)
    recorded(await zhao.post("/v1/recordings/restrict", recording=footage, category="minor"))
    review = (await opened(wu, footage))["id"]
    refused(await wu.ask("GET", f"/v1/recordings/{footage}/view"), 403, "review_needed")
    refused(await view(sun, footage, review), 404, "unknown_review")
    refused(await view(wu, footage, review), 403, "review_unapproved")
    refused(await wu.get(f"/v1/reviews/{review}/viewing"), 403, "review_unapproved")
    stretch = [{"from_ms": 0, "to_ms": 10}]
    refused(await wu.post("/v1/reviews/watched", review=review, stretches=stretch), 403, "review_unapproved")
    recorded(await sun.post("/v1/reviews/approve", review=review, why="办案需要"))
    assert 200 == (await view(wu, footage, review)).status_code
    recorded(await wu.post("/v1/reviews/close", review=review, found=["nothing_found"], words="x"))
    refused(await view(wu, footage, review), 409, "review_closed")
    codes = [line["facts"]["code"] for line in await lines(footage) if line["outcome"] == "denied"]
    assert ["review_needed", "unknown_review", "review_unapproved", "review_unapproved", "review_closed"] == codes


async def test_what_ran_before_the_eyes_is_joined(app: Litestar) -> None:
    """The page tells stretches as they run; what ran twice counts once. None may end before it begins."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("mp4"), media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    told = [{"from_ms": 0, "to_ms": 1500}, {"from_ms": 1400, "to_ms": 2000}, {"from_ms": 3000, "to_ms": 3500}]
    recorded(await wu.post("/v1/reviews/watched", review=review, stretches=told[:2]))
    recorded(await wu.post("/v1/reviews/watched", review=review, stretches=told[2:]))
    watched = (await wu.get(f"/v1/reviews/{review}")).json()["watched"]
    assert [{"from_ms": 0, "to_ms": 2000}, {"from_ms": 3000, "to_ms": 3500}] == watched
    backwards = [{"from_ms": 9, "to_ms": 9}]
    refused(await wu.post("/v1/reviews/watched", review=review, stretches=backwards), 422, "end_before_start")
    li = await an_inspector_of(app, DISTRICT)
    refused(await li.post("/v1/reviews/watched", review=review, stretches=told), 404, "unknown_review")


async def test_a_copy_goes_with_its_footage(app: Litestar, short_floor: None) -> None:  # noqa: F811 - the fixture
    """Also one that no row names."""
    lin, store = await a_duty_auxiliary(app), app.state.store
    upload = await old(app, lin)
    key = view_copies.view_key(UUID(upload))
    await store.put(key, b"a copy of a killed worker", "video/mp4")
    await past_its_term(upload)
    await disposal.dispose(store, now())
    assert [] == await store.versions(key)


@pytest.mark.parametrize("limit", ["view_copies_ceiling]\nbytes = 1", "view_copy_unused]\nseconds = 1"])
async def test_copies_beyond_the_limit_are_removed_and_made_again(app: Litestar, tmp_path: Path, limit: str) -> None:
    """By room, and by how long nobody used them."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("avi", "mjpeg", "pcm_alaw"), media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    refused(await view(wu, footage, review), 409, "view_copy_not_ready")
    await view_copies.make(app.state.store, UUID(footage))
    assert 0 == await view_copies.trim(app.state.store, now())
    await execute("UPDATE view_copy SET used_at = used_at - interval '5 seconds' WHERE recording = $1", UUID(footage))
    (tmp_path / "terms.toml").write_text(f'[{limit}\nsource = "a test"\nversion = "1"\n')
    use(tmp_path)
    try:
        assert 1 <= await view_copies.trim(app.state.store, now())
    finally:
        use(None)
    assert [] == await app.state.store.versions(view_copies.view_key(UUID(footage)))
    refused(await view(wu, footage, review), 409, "view_copy_not_ready")


async def test_so_many_films_are_put_together_at_once_and_no_more(app: Litestar) -> None:
    """Beyond the ceiling the answer is 503 and says when to ask again; a place that is left, once or twice, is free."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, recorded_film("ts"), media_type="video/mp4")
    review = (await opened(wu, footage))["id"]
    streams = [view_streams._Live({}) for _ in range(law().count("view_streams_ceiling"))]
    busy = await view(wu, footage, review)
    refused(busy, 503, "too_many_views")
    assert "10" == busy.headers["retry-after"]
    for stream in (*streams, *streams):
        stream.leave()
    assert 0 == view_streams.STREAMS.open
    assert 200 == (await view(wu, footage, review)).status_code
    assert 0 == view_streams.STREAMS.open


async def test_what_lies_beside_it_in_time_is_shown(app: Litestar) -> None:
    """The wearer's file before and after it, and the film of the officer who led then; own reviews by their id."""
    lin, zhao, _, _ = await a_led_patrol(app)
    wu, film = await an_inspector_of(app, DISTRICT), recorded_film("mp4")
    spans = [(ago(minutes=9), ago(minutes=8)), (ago(minutes=3), ago(minutes=2)), (ago(minutes=1), now())]
    before, here, after = [
        await sealed(app, lin, film + bytes([number]), media_type="video/mp4", started_at=begin, ended_at=end)
        for number, (begin, end) in enumerate(spans)
    ]
    beside = await sealed(
        app, zhao, film + b"9", media_type="video/mp4", started_at=ago(minutes=3), ended_at=ago(minutes=2)
    )
    review, other = (await opened(wu, here))["id"], (await opened(wu, after))["id"]
    near = {each["place"]: (each["id"], each["review"]) for each in (await viewing(wu, review))["neighbours"]}
    assert {"before": (before, None), "after": (after, other), "same_moment": (beside, None)} == near
