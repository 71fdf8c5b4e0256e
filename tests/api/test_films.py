"""What a film proves: the stretches that show a picture. A pause, a sound, zeros and ciphers prove no act (R.32)."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend.core.database import execute, fetch, first, tx, value
from backend.core.journal import utc
from backend.evidence import films as kept
from backend.evidence import probing_anew, sealing
from backend.evidence.probing import Probe, ProbedTrack
from backend.evidence.refresh import lock_concerned, refresh_findings
from backend.evidence.starts.service import Probed
from migrations.apply import VERSIONS
from storage.evidence_store import StoreUnavailable
from storage.probe import VERSION
from tests import films
from tests.builders import Someone, a_duty_auxiliary, a_led_patrol, ago, an_officer, now, recorded, trained
from tests.databases import by_owner
from tests.devices import sealed
from tests.films_with_codes import film_showing

FINDINGS = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL ORDER BY kind"
PROVED = "SELECT lower(s) AS starts, upper(s) AS ends FROM recording r, unnest(r.proved) s WHERE r.id = $1 ORDER BY 1"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def findings_of(subject: str) -> list[str]:
    return [row["kind"] for row in await fetch(FINDINGS, UUID(subject))]


async def filmed(app: Litestar, someone: Someone, content: bytes, began: datetime, seconds: float) -> str:
    """Sealed footage of this content, declared for so many seconds; its id."""
    return await sealed(app, someone, content, started_at=began, ended_at=began + seconds * SECOND)


async def proved(upload: str, began: datetime) -> list[tuple[float, float]]:
    """The seconds from its start for which footage proves something."""
    rows = await fetch(PROVED, UUID(upload))
    return [((row["starts"] - began) / SECOND, (row["ends"] - began) / SECOND) for row in rows]


async def an_act(lin: Someone, began: datetime, seconds: float) -> str:
    """A led work 10.3 of so many seconds, told late; its id."""
    act = recorded(await lin.starts("10.3.question", at=began))["id"]
    recorded(await lin.finishes(act, at=began + seconds * SECOND))
    return str(act)


async def a_patrol_filmed(app: Litestar, content: bytes, seconds: float) -> tuple[Someone, str, datetime]:
    """Lin, half an hour ago on a led patrol, and their sealed footage: Lin, its id, when it began."""
    lin, _, _, _ = await a_led_patrol(app, minutes=90)
    await trained(lin)
    began = ago(minutes=60)
    return lin, await filmed(app, lin, content, began, seconds), began


# -- what counts


async def test_an_act_in_the_pause_of_a_film_is_not_recorded(app: Litestar) -> None:
    """Of three acts only the one in the ten minutes between two stretches of three seconds has a finding."""
    lin, upload, began = await a_patrol_filmed(app, films.paused(), 606)
    in_pause = await an_act(lin, began + 100 * SECOND, 60)
    after = await an_act(lin, began + 603 * SECOND, 2)
    first_one = await an_act(lin, began, 3)
    assert [pytest.approx((0, 3), abs=0.1), pytest.approx((603, 606), abs=0.1)] == await proved(upload, began)
    assert "unrecorded" in await findings_of(in_pause)
    assert "unrecorded" not in [*await findings_of(after), *await findings_of(first_one)]
    assert [] == await findings_of(upload)


@pytest.mark.parametrize(
    ("content", "seconds", "picture", "finding"),
    [
        pytest.param(films.mostly_sound, 30, [(0, 2)], "sound_only", id="sound-behind-a-picture"),
        pytest.param(lambda: films.mux("wav", sound=20, sound_codec="pcm_s16le"), 20, [], "sound_only", id="sound"),
        pytest.param(films.hollow, 20, [(0, 8)], "undecodable", id="zeros"),
        pytest.param(films.encrypted, 4, [], None, id="encrypted-for-less-than-the-tolerance"),
        pytest.param(lambda: 3 * films.joined("mpegts"), 24, [(0, 24)], "film_clock_jumped", id="joined"),
        pytest.param(films.photo, 20, [], "not_media", id="a-photo"),
        pytest.param(films.with_segment_index, 20, [(0, 20)], None, id="segment-index"),
    ],
)
async def test_what_does_not_count_has_a_finding(
    app: Litestar, content: Any, seconds: float, picture: list[tuple[float, float]], finding: str | None
) -> None:
    """The file is sealed as it is, and says what it is worth."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=60)
    upload = await filmed(app, lin, content(), began, seconds)
    assert ([] if finding is None else [finding]) == await findings_of(upload)
    assert [pytest.approx(stretch, abs=1.2) for stretch in picture] == await proved(upload, began)
    row = await first("SELECT * FROM finding WHERE subject = $1", UUID(upload))
    assert row is None or (lin.id == row["person"], row["against_organ"]) == (True, False)


async def test_an_act_with_sound_alone_is_not_recorded(app: Litestar) -> None:
    """公通字〔2016〕14号 asks for 视音频: what only the microphone knows is kept, and the gap stands."""
    lin, upload, began = await a_patrol_filmed(app, films.mostly_sound(), 30)
    act = await an_act(lin, began + 5 * SECOND, 20)
    assert "unrecorded" in await findings_of(act)
    kinds = await fetch("SELECT kind, codec FROM film WHERE upload = $1 ORDER BY track", UUID(upload))
    assert [("video", "h264"), ("audio", "aac")] == [tuple(row) for row in kinds]


async def test_the_seal_says_how_long_there_is_picture_and_sound(app: Litestar) -> None:
    """In the journal, so that what counts today can be asked for in ten years."""
    _, upload, _ = await a_patrol_filmed(app, films.paused(), 606)
    line = await value("SELECT entry FROM journal WHERE verb = 'evidence/seal' AND $1 = ANY (subjects)", UUID(upload))
    assert b'"picture_ms":6000' in bytes(line)
    assert f'"probe_version":{VERSION}'.encode() in bytes(line)


async def test_a_film_longer_than_declared_proves_what_it_shows(app: Litestar) -> None:
    """The frames prove, not the declaration; that the two disagree is a finding."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=60)
    upload = await filmed(app, lin, films.whole(), began, 10)
    assert [pytest.approx((0, 20), abs=0.1)] == await proved(upload, began)
    assert ["duration_disagrees"] == await findings_of(upload)
    during = await value("SELECT upper(during) FROM recording WHERE id = $1", UUID(upload))
    assert pytest.approx(20, abs=0.1) == (during - began) / SECOND


async def test_who_led_while_a_film_without_a_declared_end_went_on_sees_it(app: Litestar) -> None:
    """Its own end tells; it used to be visible to whom led when it began, and to nobody else."""
    lin, first_officer, _, naming = await a_led_patrol(app, minutes=90)
    del first_officer, naming
    began, qian = ago(minutes=60), await an_officer(app)
    recorded(await qian.answer("confirm", recorded(await lin.names(qian, at=began + 300 * SECOND))["id"]))
    upload = await sealed(app, lin, films.paused(), started_at=began, ended_at=None)
    assert "end_unknown" in await findings_of(upload)
    assert 200 == (await qian.get(f"/v1/recordings/{upload}")).status_code


async def test_a_handover_misses_the_pause(app: Litestar) -> None:
    """The report of a wearer's shift names the ten minutes between the two stretches."""
    lin, _, began = await a_patrol_filmed(app, films.paused(), 606)
    query = {"wearer": str(lin.id), "from": (began - SECOND).isoformat(), "to": (began + 700 * SECOND).isoformat()}
    report = (await lin.get("/v1/handovers", **query)).json()
    missing = [
        tuple((datetime.fromisoformat(row[name]) - began) / SECOND for name in ("started_at", "ended_at"))
        for row in report["missing"]
    ]
    assert pytest.approx((3, 603), abs=0.2) in missing


async def test_rows_of_a_probe_are_never_altered(app: Litestar, owner: asyncpg.Connection) -> None:
    """By nobody: what was proved when somebody decided can be looked up."""
    _, upload, _ = await a_patrol_filmed(app, films.paused(), 606)
    for sql in ("UPDATE film SET proved = '{}' WHERE upload = $1", "DELETE FROM film WHERE upload = $1"):
        with pytest.raises(asyncpg.PostgresError):
            await owner.execute(sql, UUID(upload))


MILLISECONDS = st.integers(0, 600_000)
DRAWN = st.lists(
    st.lists(st.tuples(MILLISECONDS, MILLISECONDS).map(lambda two: (min(two), max(two))), max_size=4), max_size=4
)


@settings(
    max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(pictures=DRAWN, sound=st.lists(st.tuples(st.just(0), MILLISECONDS), max_size=1), lost=DRAWN)
async def test_what_is_proved_is_what_some_picture_shows(
    app: Litestar,
    pictures: list[list[tuple[int, int]]],
    sound: list[tuple[int, int]],
    lost: list[list[tuple[int, int]]],
) -> None:
    """For any answer of a probe, a hostile one too: millisecond by millisecond, and never what only sounds."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=60)
    upload = UUID(recorded(await lin.declare(started_at=began, ended_at=began + 600 * SECOND))["id"])
    lost = [*lost, *([] for _ in pictures)]
    tracks = [
        ProbedTrack("video", "h264", shown, undecoded) for shown, undecoded in zip(pictures, lost, strict=False)
    ]  # fmt: skip
    tracks.append(ProbedTrack("audio", "aac", sound))
    row = await first(
        "SELECT u.*, r.started_at, r.ended_at FROM upload u JOIN recording r USING (id) WHERE id = $1", upload
    )
    async with tx():
        filmed_as = await kept.keep(row, Probe(True, 600_000, "h264", tracks=tracks), now())
        await sealing.append_line(row, "evidence/probe", now(), filmed_as)
    shown = {second for track in pictures for start, end in track for second in range(start // 1000, end // 1000)}
    inside = {
        second
        for start, end in await proved(str(upload), began)
        for second in range(round(start * 1000) // 1000, round(end * 1000) // 1000)
    }
    assert shown <= inside
    assert sum(end - start for start, end in await proved(str(upload), began)) == pytest.approx(
        len({ms for track in pictures for start, end in track for ms in range(start, end)}) / 1000
    )


# -- films sealed before


async def probe_version_of(upload: str) -> int | None:
    return await value("SELECT probe_version FROM recording WHERE id = $1", UUID(upload))


async def sealed_before(upload: str, owner: asyncpg.Connection) -> None:
    """Make footage look as if it had been sealed before 0043, and run what the migration does with it."""
    await owner.execute("ALTER TABLE film DISABLE TRIGGER film_stays")
    await owner.execute("DELETE FROM film WHERE upload = $1", UUID(upload))
    await owner.execute("ALTER TABLE film ENABLE TRIGGER film_stays")
    sql = (VERSIONS / "fujing_0043_film.sql").read_text(encoding="utf-8")
    start = sql.index("INSERT INTO film ")
    insert = sql[start : sql.index(";", start)]
    await owner.execute(insert.replace("u.state = 'sealed'", f"u.state = 'sealed' AND u.id = '{UUID(upload)}'"))
    await owner.execute("SELECT place_film($1)", UUID(upload))


@pytest.fixture
async def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has nothing else to do; other tests leave jobs behind."""

    async def nothing() -> bool:
        return False

    monkeypatch.setattr(probing_anew, "is_busy", nothing)


async def test_a_film_sealed_before_is_probed_anew(app: Litestar, owner: asyncpg.Connection, idle: None) -> None:
    """Until then it proves its length; then what it shows, and the finding tells whom it touches."""
    lin, upload, began = await a_patrol_filmed(app, films.paused(), 606)
    act = await an_act(lin, began + 100 * SECOND, 60)
    await sealed_before(upload, owner)
    async with tx():
        await lock_concerned(lin.id, [UUID(upload)])
        await refresh_findings(UUID(upload), now())
    assert [pytest.approx((0, 606), abs=0.1)] == await proved(upload, began)
    assert "unrecorded" not in await findings_of(act)
    await probing_anew.run(app.state.store, app.state.key_rings)
    assert [pytest.approx((0, 3), abs=0.1), pytest.approx((603, 606), abs=0.1)] == await proved(upload, began)
    assert "unrecorded" in await findings_of(act)
    line = await first("SELECT * FROM journal WHERE verb = 'evidence/probe' AND $1 = ANY (subjects)", UUID(upload))
    assert {UUID(upload), lin.id, UUID(act)} <= set(line["subjects"])
    versions = await fetch("SELECT DISTINCT probe_version FROM film WHERE upload = $1 ORDER BY 1", UUID(upload))
    assert [0, VERSION] == [row["probe_version"] for row in versions]


async def test_what_an_older_program_sealed_after_the_migration_is_probed_too(
    app: Litestar, owner: asyncpg.Connection, idle: None
) -> None:
    """It ran for another hour, and kept nothing of what a film shows."""
    _, upload, began = await a_patrol_filmed(app, films.paused(), 606)
    await owner.execute("ALTER TABLE film DISABLE TRIGGER film_stays")
    await owner.execute("DELETE FROM film WHERE upload = $1", UUID(upload))
    await owner.execute("ALTER TABLE film ENABLE TRIGGER film_stays")
    await owner.execute("SELECT place_film($1)", UUID(upload))
    assert (None, []) == (await probe_version_of(upload), await proved(upload, began))
    await probing_anew.run(app.state.store, app.state.key_rings)
    assert (VERSION, 2) == (await probe_version_of(upload), len(await proved(upload, began)))


async def sealed_unread(
    app: Litestar, someone: Someone, content: bytes, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch,
    **camera: Any,
) -> str:  # fmt: skip
    """Footage as an older program sealed it, which read no times in a film and looked for no codes. Its id."""
    with monkeypatch.context() as older:
        older.setattr(sealing, "told_by", lambda probe: Probed(duration_ms=probe.duration_ms))
        upload = await sealed(app, someone, content, **camera)
    await sealed_before(upload, owner)
    return upload


async def start_of(someone: Someone, upload: str) -> dict[str, Any]:
    return (await someone.get(f"/v1/recordings/{upload}")).json()["start"]


async def test_a_film_sealed_before_is_searched_for_time_codes(
    app: Litestar, owner: asyncpg.Connection, idle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its camera is three hours slow, as the code says that it shows: the act of then loses its film, and is told."""
    lin, _, _, _ = await a_led_patrol(app, hours=4)
    await trained(lin)
    code, early = (await lin.get("/v1/timecode")).json(), now() - 180 * MINUTE
    camera = {"started_at": early, "ended_at": early + 10 * SECOND, "camera_serial": "C-anew"}
    upload = await sealed_unread(app, lin, film_showing(code["text"], seconds=10), owner, monkeypatch, **camera)
    act = await an_act(lin, early, 9)
    assert ("clock", []) == ((await start_of(lin, upload))["source"], (await start_of(lin, upload))["timecodes"])
    assert "unrecorded" not in await findings_of(act)
    await probing_anew.run(app.state.store, app.state.key_rings)
    start = await start_of(lin, upload)
    assert ("timecode", False, ["proves"]) == (
        start["source"], start["doubtful"], [each["standing"] for each in start["timecodes"]],
    )  # fmt: skip
    assert "unrecorded" in await findings_of(act)
    line = await first("SELECT * FROM journal WHERE verb = 'evidence/probe' AND $1 = ANY (subjects)", UUID(upload))
    assert UUID(act) in line["subjects"]


async def test_what_somebody_corrected_stays_when_a_film_is_probed_anew(
    app: Litestar, owner: asyncpg.Connection, idle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata say another day; the wearer knew better, and a code says nothing."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=60)
    recorded(await lin.check_in(at=ago(minutes=90)))
    content = film_showing(None, began=began - timedelta(days=2))
    upload = await sealed_unread(
        app, lin, content, owner, monkeypatch, started_at=began - 120 * MINUTE, ended_at=began - 119 * MINUTE
    )
    recorded(await lin.post("/v1/recordings/correct-time", recording=upload, started_at=began, why="记录仪慢两小时"))
    await probing_anew.run(app.state.store, app.state.key_rings)
    start = await start_of(lin, upload)
    assert ("corrected", False, utc(began)) == (start["source"], start["doubtful"], start["value"])


async def test_a_finding_that_a_new_probe_does_not_make_is_withdrawn(app: Litestar, owner: asyncpg.Connection) -> None:
    """A film that the probe of yesterday could not decode, and that of today can."""
    lin, began = await a_duty_auxiliary(app), ago(minutes=60)
    upload = await filmed(app, lin, films.hollow(), began, 20)
    assert ["undecodable"] == await findings_of(upload)
    await by_owner("UPDATE recording SET probe_version = 0 WHERE id = $1", UUID(upload))
    await owner.execute("ALTER TABLE film DISABLE TRIGGER film_stays")
    await owner.execute("UPDATE film SET probe_version = 0 WHERE upload = $1", UUID(upload))
    await owner.execute("ALTER TABLE film ENABLE TRIGGER film_stays")
    whole = Probe(True, 20_000, "h264", tracks=[ProbedTrack("video", "h264", [(0, 20_000)])])
    row = await first("SELECT id, wearer AS owner, probe_version FROM recording WHERE id = $1", UUID(upload))
    assert await probing_anew.keep_anew(app.state.key_rings, row, whole)
    assert [] == await findings_of(upload)
    assert not await probing_anew.keep_anew(app.state.key_rings, row, whole)


async def test_two_runs_at_once_keep_one_answer(app: Litestar, owner: asyncpg.Connection, idle: None) -> None:
    """Two workers of a large house."""
    _, upload, _ = await a_patrol_filmed(app, films.paused(), 606)
    await sealed_before(upload, owner)
    await asyncio.gather(*(probing_anew.run(app.state.store, app.state.key_rings) for _ in range(2)))
    lines = "SELECT count(*) FROM journal WHERE verb = 'evidence/probe' AND $1 = ANY (subjects)"
    assert 1 == await value(lines, UUID(upload))


async def test_a_film_that_the_store_does_not_give_stays_as_it_is(
    app: Litestar, owner: asyncpg.Connection, idle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is away for an hour: nothing that was proved is lost by that."""
    _, upload, began = await a_patrol_filmed(app, films.paused(), 606)
    await sealed_before(upload, owner)
    unsigned = app.state.store.sign_read
    monkeypatch.setattr(
        app.state.store, "sign_read", lambda *of, **more: unsigned(*of, **more).replace("http", "htt", 1)
    )
    assert 1 <= (await probing_anew.run(app.state.store, app.state.key_rings)).failed
    assert [pytest.approx((0, 606), abs=0.1)] == await proved(upload, began)
    monkeypatch.undo()


async def test_sealing_waits_for_a_store_that_does_not_give_the_film(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nobody could look inside is no proof that there is nothing."""
    lin, unsigned = await a_duty_auxiliary(app), app.state.store.sign_read
    monkeypatch.setattr(app.state.store, "sign_read", lambda *of, **more: f"{unsigned(*of, **more)}x")
    with pytest.raises(StoreUnavailable):
        await filmed(app, lin, films.paused(), ago(minutes=60), 606)
    monkeypatch.undo()


async def test_nothing_is_probed_anew_while_footage_waits(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor while the processors have enough to do."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    await execute("DELETE FROM pgqueuer")
    assert not await probing_anew.is_busy()
    monkeypatch.setattr("os.getloadavg", lambda: (64.0, 0.0, 0.0))
    assert await probing_anew.is_busy()
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    await execute("INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'seal', $1, 'queued')", b"x")
    assert await probing_anew.is_busy()
    await execute("DELETE FROM pgqueuer")
