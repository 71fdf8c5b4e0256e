"""When footage began: weighed at its sealing, proved by a time code, corrected by people; gaps are found anew."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, first, value
from backend.core.journal import utc
from backend.evidence.starts import timecodes
from backend.evidence.starts.readings import CHINA
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    ELSEWHERE,
    STATION,
    Someone,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    codes,
    now,
    recorded,
    refused,
    trained,
)
from tests.devices import completed, declare, declare_while_recording, run_seal, sealed, send_missing, sha256_of
from tests.films_with_codes import film_showing
from tests.photos import photo

CORRECT = "/v1/recordings/correct-time"
FINDINGS = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL ORDER BY kind"
SINCE_YESTERDAY = "UPDATE session SET opened_at = opened_at - interval '1 day' WHERE person = $1"
THREE_HOURS = timedelta(hours=3)
LOOKED_AT = timedelta(seconds=0.4)  # two frames that are looked at are so far apart
NEAR = timedelta(seconds=30)  # the machine may be slow


async def start_of(someone: Someone, recording: Any) -> dict[str, Any]:
    """What everybody who may see it is told of its start."""
    answer = await someone.get(f"/v1/recordings/{recording}")
    assert 200 == answer.status_code, answer.text
    assert answer.json()["started_at"] == answer.json()["start"]["value"]
    return answer.json()["start"]


async def findings_of(subject: Any) -> list[str]:
    return [row["kind"] for row in await fetch(FINDINGS, UUID(str(subject)))]


def about(moment: datetime, text: str) -> bool:
    """Whether this is the same moment, but for seconds."""
    return abs(datetime.fromisoformat(text) - moment) < NEAR


def by_clock(began: datetime, seconds: float = 3) -> dict[str, Any]:
    """What is declared of a film by the camera's clock; each test has a camera of its own."""
    return {"started_at": began, "ended_at": began + timedelta(seconds=seconds), "camera_serial": f"C-{uuid4()}"}


async def shown_to(someone: Someone) -> dict[str, Any]:
    """A code that their handheld asks for."""
    answer = await someone.get("/v1/timecode")
    assert 200 == answer.status_code, answer.text
    return answer.json()


# -- a time code


async def test_a_time_code_proves_when_a_film_began(app: Litestar) -> None:
    """The camera is three hours slow. A second into the film it sees the code that Lin's handheld shows."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in())["id"]
    code = await shown_to(lin)
    assert (str(lin.id), shift) == (code["wearer"], code["shift"])
    assert code["text"].isascii()
    film = await sealed(app, lin, film_showing(code["text"]), **by_clock(now() - THREE_HOURS))
    start, began = await start_of(lin, film), datetime.fromisoformat(code["at"]) - timedelta(seconds=1)
    assert ("timecode", False, "timecode") == (start["source"], start["doubtful"], start["why"])
    assert timedelta() <= began - datetime.fromisoformat(start["value"]) <= LOOKED_AT
    (seen,) = start["timecodes"]
    assert ("server", 0, "proves") == tuple(seen[name] for name in ("signer", "age_s", "standing"))
    assert seen["position_ms"] == 100 * seen["frame"]
    assert datetime.fromisoformat(code["at"]) == datetime.fromisoformat(start["value"]) + timedelta(
        milliseconds=seen["position_ms"]
    )
    assert (str(lin.id), shift, code["at"]) == (seen["wearer"], seen["shift"], seen["shown_at"])
    assert abs(timedelta(milliseconds=seen["offset_ms"]) + THREE_HOURS) < NEAR
    assert ["clock", "timecode"] == [each["source"] for each in start["tellings"]]
    assert "time_doubtful" not in await findings_of(film)


async def test_the_journal_says_what_a_time_code_proves(app: Litestar) -> None:
    """Offset, wearer, shift and frame: ids, times and numbers."""
    lin = await a_duty_auxiliary(app)
    code = await shown_to(lin)
    film = await sealed(app, lin, film_showing(code["text"]), **by_clock(now() - THREE_HOURS))
    line = await value("SELECT entry FROM journal WHERE verb = 'evidence/start' AND $1 = ANY(subjects)", UUID(film))
    for word in ('"standing":"proves"', '"frame":1', f'"wearer":"{lin.id}"', '"source":"timecode"'):
        assert word in bytes(line).decode()
    assert code["text"] not in bytes(line).decode()


async def test_a_film_that_moved_closes_the_gap_where_it_is_and_opens_the_one_where_it_was(app: Litestar) -> None:
    """An act of now, and one of three hours ago, which the slow camera seemed to show."""
    lin, _, _, _ = await a_led_patrol(app, hours=4)
    await trained(lin)
    began = now() - timedelta(seconds=8)
    early = recorded(await lin.starts("10.4", at=began - THREE_HOURS, case_kind="administrative", case_ref="甲1"))["id"]
    recorded(await lin.finishes(early, at=began - THREE_HOURS + timedelta(seconds=7)))
    what = {"case_kind": "administrative", "case_ref": "甲1", "despite": {"why": "记录仪看似没有开启"}}
    act = recorded(await lin.starts("10.4", at=began, **what))["id"]
    recorded(await lin.finishes(act, at=began + timedelta(seconds=7)))
    camera = by_clock(began - THREE_HOURS, 10) | {"camera_serial": "C-gap"}
    content = film_showing((await shown_to(lin))["text"], seconds=10, at=8)
    upload = await declare(lin, content, **camera)
    assert ("unrecorded" in await findings_of(act), "unrecorded" in await findings_of(early)) == (True, False)
    assert upload["id"] == await sealed_again(app, lin, upload["id"], content)
    assert ("unrecorded" in await findings_of(act), "unrecorded" in await findings_of(early)) == (False, True)


async def sealed_again(app: Litestar, someone: Someone, upload: Any, content: bytes) -> str:
    """Send and seal what was declared."""
    await send_missing(someone, upload, content)
    assert "received" == await completed(someone, upload)
    await run_seal(app, upload)
    return str(upload)


def signed_by(key: DeviceKey | None, lin: Someone, **other: Any) -> str:
    """A code that a device signs offline."""
    assert key is not None
    return key.timecode(**({"at": now(), "wearer": lin.id, "age": timedelta(minutes=5)} | other))


async def test_a_device_signs_a_code_without_a_network(app: Litestar) -> None:
    """By its own key, with the age of its last server time."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in())["id"]
    text = signed_by(lin.key, lin, shift=UUID(shift), age=timedelta(hours=2))
    film = await sealed(app, lin, film_showing(text), **by_clock(now() - THREE_HOURS))
    start = await start_of(lin, film)
    assert ("timecode", False) == (start["source"], start["doubtful"])
    (seen,) = start["timecodes"]
    assert ("device", 7200, "proves", shift) == (seen["signer"], seen["age_s"], seen["standing"], seen["shift"])


async def test_a_code_that_nobody_of_ours_signed_changes_nothing(app: Litestar) -> None:
    """Anybody can draw one: by a key that nobody enrolled, by another's device in Lin's name, or altered."""
    lin, other = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    code = timecodes.read((await shown_to(lin))["text"])
    later = timecodes.payload(timecodes.SERVER, now() - timedelta(hours=1), lin.id, None, code.mark)
    for text in (
        signed_by(DeviceKey(), lin), signed_by(other.key, lin), timecodes.text_of(later, code.signature),
    ):  # fmt: skip
        camera = by_clock(now() - THREE_HOURS)
        film = await sealed(app, lin, film_showing(text), **camera)
        start = await start_of(lin, film)
        assert (utc(camera["started_at"]), "clock", False) == (
            utc(datetime.fromisoformat(start["value"])), start["source"], start["doubtful"],
        )  # fmt: skip
        assert ["timecode_forged"] == [each["standing"] for each in start["timecodes"]]


async def test_a_code_of_a_revoked_device_moves_nothing_and_is_asked_about(app: Litestar) -> None:
    """Whoever stole a phone can sign any time with it."""
    lin = await a_duty_auxiliary(app)
    text = signed_by(lin.key, lin)
    revoked = "UPDATE device SET revoked_at = now() WHERE id = (SELECT device FROM device_key WHERE jkt = $1)"
    content, camera = film_showing(text), by_clock(now() - THREE_HOURS)
    upload = (await declare(lin, content, **camera))["id"]
    await send_missing(lin, upload, content)
    await completed(lin, upload)
    await execute(revoked, lin.key.jkt)
    await run_seal(app, upload)
    row = await first("SELECT * FROM film_start WHERE upload = $1 ORDER BY id DESC LIMIT 1", UUID(upload))
    assert ("clock", True, "timecode_doubtful") == (row["source"], row["doubtful"], row["why"])
    assert "time_doubtful" in await findings_of(upload)
    standing = await value("SELECT standing FROM film_timecode WHERE upload = $1", UUID(upload))
    assert "timecode_revoked" == standing


async def test_a_code_of_another_wearer_proves_nothing(app: Litestar) -> None:
    """A colleague's code, filmed in the same room: it raises a doubt only where it tells another time."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    text = (await shown_to(chen))["text"]
    slow = await start_of(lin, await sealed(app, lin, film_showing(text), **by_clock(now() - THREE_HOURS)))
    assert ("clock", True) == (slow["source"], slow["doubtful"])
    assert ["timecode_of_another"] == [each["standing"] for each in slow["timecodes"]]
    right = await start_of(lin, await sealed(app, lin, film_showing(text, at=0.5), **by_clock(now())))
    assert ("clock", False) == (right["source"], right["doubtful"])


@pytest.mark.parametrize(
    ("other", "standing"),
    [({"age": timedelta(days=4)}, "timecode_stale"), ({"at": now() + timedelta(hours=5)}, "timecode_ahead")],
)
async def test_a_code_that_is_stale_or_to_come_proves_nothing(app: Litestar, other: Any, standing: str) -> None:
    """A phone that heard no server for days, and one that was set ahead."""
    lin = await a_duty_auxiliary(app)
    await execute(SINCE_YESTERDAY, lin.id)
    text = signed_by(lin.key, lin, **({"at": now() - timedelta(hours=1)} | other))
    start = await start_of(lin, await sealed(app, lin, film_showing(text), **by_clock(now() - THREE_HOURS)))
    assert ("clock", True) == (start["source"], start["doubtful"])
    assert [standing] == [each["standing"] for each in start["timecodes"]]


async def test_a_code_that_is_filmed_again_later_moves_nothing(app: Litestar) -> None:
    """A photograph of the morning's code, shown to the same camera at noon, would make the film one of the morning."""
    lin = await a_duty_auxiliary(app)
    at = now() - THREE_HOURS
    text, camera = signed_by(lin.key, lin, at=at), f"C-{uuid4()}"
    await execute(SINCE_YESTERDAY, lin.id)
    honest = by_clock(at - timedelta(seconds=1)) | {"camera_serial": camera}
    assert "timecode" == (await start_of(lin, await sealed(app, lin, film_showing(text), **honest)))["source"]
    again = by_clock(now()) | {"camera_serial": camera}
    start = await start_of(lin, await sealed(app, lin, film_showing(text, seconds=4), **again))
    assert ("clock", True, "timecode_doubtful") == (start["source"], start["doubtful"], start["why"])
    assert ["timecode_replayed"] == [each["standing"] for each in start["timecodes"]]
    assert about(again["started_at"], start["value"])


async def test_a_code_against_a_clock_that_was_proved_is_contested(app: Litestar) -> None:
    """The camera's clock was right an hour ago; now another code makes it three hours wrong."""
    lin = await a_duty_auxiliary(app)
    await execute(SINCE_YESTERDAY, lin.id)
    camera = f"C-{uuid4()}"
    hour_ago = now() - timedelta(hours=1)
    honest = by_clock(hour_ago) | {"camera_serial": camera}
    await sealed(app, lin, film_showing(signed_by(lin.key, lin, at=hour_ago)), **honest)
    camera_now = by_clock(now()) | {"camera_serial": camera}
    old = signed_by(lin.key, lin, at=now() - THREE_HOURS)
    start = await start_of(lin, await sealed(app, lin, film_showing(old), **camera_now))
    assert ("clock", True) == (start["source"], start["doubtful"])
    assert ["timecode_contested"] == [each["standing"] for each in start["timecodes"]]
    right = signed_by(lin.key, lin)
    start = await start_of(lin, await sealed(app, lin, film_showing(right, seconds=4), **camera_now))
    assert ("timecode", False) == (start["source"], start["doubtful"])


async def test_a_film_that_was_split_while_the_code_was_shown_is_proved_twice(app: Litestar) -> None:
    """The camera's clock ran on: both parts show the code at the same moment."""
    lin = await a_duty_auxiliary(app)
    code = await shown_to(lin)
    at, camera = datetime.fromisoformat(code["at"]), {"camera_serial": f"C-{uuid4()}"}
    first_part = by_clock(at - timedelta(seconds=2) - THREE_HOURS) | camera
    second = by_clock(at - THREE_HOURS) | camera
    for content, part in ((film_showing(code["text"], at=2), first_part), (film_showing(code["text"], at=0), second)):
        assert "timecode" == (await start_of(lin, await sealed(app, lin, content, **part)))["source"]


async def test_a_film_that_was_declared_without_an_end_moves_too(app: Litestar) -> None:
    """Its end is that of its last frame."""
    lin = await a_duty_auxiliary(app)
    for hours in (-3, -9):
        content = film_showing((await shown_to(lin))["text"], seconds=3)
        camera = {"started_at": now() + timedelta(hours=hours), "camera_serial": f"C-{uuid4()}"}
        known = {"bytes": len(content), "sha256": sha256_of(content)}
        upload = (await declare_while_recording(lin, **camera, **known))["id"]
        await send_missing(lin, upload, content)
        assert "received" == await completed(lin, upload)
        await run_seal(app, upload)
        row = await first("SELECT * FROM recording WHERE id = $1", UUID(upload))
        assert ("timecode", None) == ((await start_of(lin, upload))["source"], row["ended_at"])
        assert timedelta(seconds=3) == row["film_ends_at"] - row["started_at"]


# -- what the file says


async def test_local_time_written_as_utc_is_put_right_at_its_sealing(app: Litestar) -> None:
    """A dock of an older version told what the container says; name and shift say eight hours less."""
    dock, (lin, *_) = await a_dock(app), await a_led_patrol(app, hours=2)
    began = now().replace(microsecond=0) - timedelta(hours=1)
    wrong = began + timedelta(hours=8)
    file = {"file_name": f"DSJ_FJ_{began.astimezone(CHINA):%Y%m%d%H%M%S}_0001.mp4", "time_source": "metadata"}
    declared = by_clock(wrong - timedelta(days=1)) | file  # a day ago, as it may not be in the future
    film = await sealed(app, dock, film_showing(None, began=wrong), wearer=lin.id, **declared)
    start = await start_of(lin, film)
    assert (utc(began), "file_name", False, "local_as_utc") == (
        utc(datetime.fromisoformat(start["value"])), start["source"], start["doubtful"], start["why"],
    )  # fmt: skip
    assert {"local_as_utc", "as_written"} == {each["how"] for each in start["candidates"]}


async def test_disagreement_that_stays_is_a_finding_with_all_candidates(app: Litestar) -> None:
    """The name says half an hour ago, the container two hours ago, and nothing else speaks."""
    lin, at = await a_duty_auxiliary(app), now().replace(microsecond=0)
    name = f"VID_{at - timedelta(minutes=30):%Y%m%d}_{(at - timedelta(minutes=30)).astimezone(CHINA):%H%M%S}.mp4"
    name = f"VID_{(at - timedelta(minutes=30)).astimezone(CHINA):%Y%m%d_%H%M%S}.mp4"
    camera = by_clock(at - timedelta(minutes=30)) | {"file_name": name, "time_source": "file_name"}
    film = await sealed(app, lin, film_showing(None, began=at - timedelta(hours=2)), **camera)
    start = await start_of(lin, film)
    assert (True, "sources_disagree") == (start["doubtful"], start["why"])
    assert {"file_name", "metadata"} == {each["source"] for each in start["candidates"]}
    assert "time_doubtful" in await findings_of(film)


async def test_a_modification_time_alone_is_a_finding(app: Litestar) -> None:
    """It may be the time of copying, whatever else is known."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    film = await sealed(
        app, dock, film_showing(None), wearer=lin.id, time_source="file_time", **by_clock(ago(minutes=20))
    )
    start = await start_of(lin, film)
    assert (True, "file_time_alone") == (start["doubtful"], start["why"])
    assert "time_doubtful" in await findings_of(film)


async def test_a_photo_of_a_camera_without_a_zone_is_of_local_time(app: Litestar) -> None:
    """EXIF names no zone, as most cameras write it; a dock read nothing but the time of the copy."""
    dock, lin = await a_dock(app), await a_duty_auxiliary(app)
    taken = now().replace(microsecond=0) - timedelta(hours=1)
    content = photo(taken=f"{taken.astimezone(CHINA):%Y:%m:%d %H:%M:%S}")
    copied = taken + timedelta(minutes=30)
    told = {"started_at": copied, "ended_at": copied, "camera_serial": f"C-{uuid4()}", "time_source": "file_time"}
    file = await sealed(app, dock, content, wearer=lin.id, media_type="image/jpeg", file_name="IMG_1.jpg", **told)
    start = await start_of(lin, file)
    assert (utc(taken), "metadata", False) == (
        utc(datetime.fromisoformat(start["value"])),
        start["source"],
        start["doubtful"],
    )


async def test_a_film_of_a_clock_ahead_is_in_doubt_from_the_beginning(app: Litestar) -> None:
    """It is taken all the same."""
    lin = await a_duty_auxiliary(app)
    film = (await declare(lin, film_showing(None, seconds=1), **by_clock(now() + timedelta(days=400), 1)))["id"]
    assert {"clock_doubtful", "time_doubtful"} <= set(await findings_of(film))
    start = await start_of(lin, film)
    assert (True, "clock_doubtful") == (start["doubtful"], start["why"])


async def test_a_film_whose_sources_agree_is_told_once(app: Litestar) -> None:
    """Nothing is added where nothing is new."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=20).replace(microsecond=0)
    film = await sealed(app, lin, film_showing(None, began=began), **by_clock(began))
    start = await start_of(lin, film)
    assert ["told"] == [each["why"] for each in start["tellings"]]
    assert not start["doubtful"]


# -- a correction


async def test_the_wearer_corrects_the_time_and_the_first_telling_stays(app: Litestar) -> None:
    """Within a shift of theirs it is believed; who corrected it, and why, is told with it."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    began = ago(hours=1)
    film = await sealed(app, lin, film_showing(None, seconds=2), **by_clock(ago(hours=30), 2))
    answer = recorded(await lin.post(CORRECT, recording=film, started_at=began, why="记录仪日期错了一天"))
    assert (True, False, "corrected") == tuple(answer["start"][name] for name in ("counts", "doubtful", "why"))
    start = await start_of(zhao, film)
    assert (utc(began), "corrected") == (utc(datetime.fromisoformat(start["value"])), start["source"])
    assert ["clock", "corrected"] == [each["source"] for each in start["tellings"]]
    assert [(lin.badge, "记录仪日期错了一天")] == [(each["badge"], each["words"]) for each in start["corrections"]]
    row = await first("SELECT * FROM recording WHERE id = $1", UUID(film))
    assert timedelta(seconds=2) == row["ended_at"] - row["started_at"]


async def test_a_correction_finds_gaps_anew(app: Litestar) -> None:
    """In the time that the film left, and in the one that it has now."""
    lin, *_ = await a_led_patrol(app, hours=2)
    began = ago(hours=1)
    act = recorded(await lin.starts("10.4", at=began, case_kind="administrative", case_ref="甲2"))["id"]
    recorded(await lin.finishes(act, at=began + timedelta(seconds=20)))
    film = (await declare(lin, film_showing(None), **by_clock(began - timedelta(minutes=30), 20)))["id"]
    assert "unrecorded" in await findings_of(act)
    recorded(await lin.post(CORRECT, recording=film, started_at=began, why="时钟慢三十分钟"))
    assert "unrecorded" not in await findings_of(act)
    recorded(await lin.post(CORRECT, recording=film, started_at=began - timedelta(minutes=9), why="看错了"))
    assert "unrecorded" in await findings_of(act)


async def test_a_correction_that_nothing_speaks_for_is_in_doubt_until_an_inspector_decides(app: Litestar) -> None:
    """It counts, and is asked about."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    film = (await declare(lin, film_showing(None), **by_clock(ago(hours=1))))["id"]
    answer = recorded(await lin.post(CORRECT, recording=film, started_at=ago(hours=7), why="记错了"))
    assert ["time_doubtful"] == codes(answer["findings"])
    assert "correction_unsupported" == answer["start"]["why"]
    assert "time_doubtful" in await findings_of(film)
    recorded(await wu.post(CORRECT, recording=film, started_at=ago(hours=7), why="已核对监控"))
    assert "time_doubtful" not in await findings_of(film)
    assert not (await start_of(wu, film))["doubtful"]


async def test_only_an_inspector_moves_a_start_that_a_time_code_proves(app: Litestar) -> None:
    """The wearer's word is kept beside it, and asked about."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    film = await sealed(app, lin, film_showing((await shown_to(lin))["text"]), **by_clock(now()))
    before = (await start_of(lin, film))["value"]
    answer = recorded(await lin.post(CORRECT, recording=film, started_at=ago(hours=2), why="当时在执勤"))
    assert (False, True) == (answer["start"]["counts"], answer["start"]["doubtful"])
    start = await start_of(lin, film)
    assert (before, "timecode", True) == (start["value"], start["source"], start["doubtful"])
    recorded(await wu.post(CORRECT, recording=film, started_at=ago(hours=2), why="对时码为翻拍"))
    start = await start_of(lin, film)
    assert ("corrected", False) == (start["source"], start["doubtful"])


async def corrected_before_its_sealing(app: Litestar, lin: Someone, someone: Someone) -> dict[str, Any]:
    """The start of a film of now, whose code proves it, that somebody corrected to an hour ago before it came."""
    content = film_showing((await shown_to(lin))["text"])
    upload = (await declare(lin, content, **by_clock(now() - THREE_HOURS)))["id"]
    recorded(await someone.post(CORRECT, recording=upload, started_at=ago(minutes=60), why="记录仪慢两小时"))
    return await start_of(lin, await sealed_again(app, lin, upload, content))


async def test_what_was_corrected_before_its_sealing_stays_unless_a_time_code_proves_another(app: Litestar) -> None:
    """The file says what it said before; only a code is news. Against an inspector it stands beside, in doubt."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    recorded(await lin.check_in(at=ago(minutes=90)))
    camera, told = by_clock(now() - THREE_HOURS), ago(minutes=60)
    upload = (await declare(lin, content := film_showing(None), **camera))["id"]
    recorded(await lin.post(CORRECT, recording=upload, started_at=told, why="记录仪慢两小时"))
    start = await start_of(lin, await sealed_again(app, lin, upload, content))
    assert ("corrected", False, utc(told)) == (start["source"], start["doubtful"], start["value"])
    by_wearer = await corrected_before_its_sealing(app, lin, lin)
    assert ("timecode", False) == (by_wearer["source"], by_wearer["doubtful"])
    by_inspector = await corrected_before_its_sealing(app, lin, wu)
    assert ("corrected", True) == (by_inspector["source"], by_inspector["doubtful"])
    assert ["timecode"] == [each["source"] for each in by_inspector["tellings"] if not each["counts"]][-1:]


async def test_a_dock_corrects_what_its_organ_wore_and_nobody_else_does(app: Litestar) -> None:
    """A dock of elsewhere and a colleague do not know the recording; an officer who led may see it, not correct it."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    film = (await declare(lin, film_showing(None), **by_clock(ago(hours=1))))["id"]
    told = {"recording": film, "started_at": ago(minutes=50), "why": "与工作站时钟核对"}
    refused(await (await a_dock(app, ELSEWHERE)).post(CORRECT, **told), 404, "unknown_recording")
    refused(await (await a_duty_auxiliary(app)).post(CORRECT, **told), 404, "unknown_recording")
    refused(await zhao.post(CORRECT, **told), 403, "not_the_wearer")
    recorded(await (await a_dock(app)).post(CORRECT, **told))
    refused(await lin.post(CORRECT, **(told | {"started_at": now() + timedelta(days=1)})), 422, "time_out_of_range")
    refused(await lin.post(CORRECT, **(told | {"recording": uuid4()})), 404, "unknown_recording")
    for absurd in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1999-12-31T00:00:00Z"):
        refused(await lin.post(CORRECT, **(told | {"started_at": absurd})), 422, "time_out_of_range")


async def test_tellings_are_never_altered(application_role: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    """Neither by the application's role nor by the owner's slip; the words of a correction can be erased."""
    for table in ("film_start", "film_timecode"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application_role.execute(f"UPDATE {table} SET at = now()")  # noqa: S608
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application_role.execute("UPDATE time_correction SET value = now()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application_role.execute("DELETE FROM film_start")
    await application_role.execute("UPDATE time_correction SET words = '〔到期删除〕' WHERE false")
    if not await owner.fetchval("SELECT count(*) FROM film_start"):
        pytest.fail("no test before this one declared footage")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("UPDATE film_start SET value = now()")


async def test_a_dock_that_brings_the_same_bytes_again_is_told_the_start_that_counts(app: Litestar) -> None:
    """So it can say what another offset would change."""
    dock, lin = await a_dock(app), await an_officer(app)
    content, began = film_showing(None, seconds=1), ago(hours=3)
    camera = by_clock(began, 1)
    await sealed(app, dock, content, wearer=lin.id, **camera)
    again = await declare(dock, content, wearer=lin.id, camera_offset_ms=3_600_000, **camera)
    assert ("sealed", utc(began)) == (again["state"], again["started_at"])
    same = await declare(dock, content, wearer=lin.id, **camera)
    other = await declare(dock, content + b"\x00", wearer=lin.id, **camera)
    assert [None, None] == [same.get("started_at"), other.get("started_at")]
