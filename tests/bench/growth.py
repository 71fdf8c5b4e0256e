"""`timeline_growth`, `findings_growth`, `recordings_growth`, `verdict_growth`, `changes_growth`, `entry_growth`,
`filters_growth` (footage, acts and shifts by badge, case, work, place, organ and period): latency in a large house ÷ in
a small one.

The same requests go to the same API, one at a time, before and after the house grows to ten times as many people and
ten times as much footage of each. The house is used for nothing else. The mass of rows is written by SQL, as entries
would leave them; the rows that the requests read (a led duty of today with its footage) came through the API. The
worker has ended, so nothing else runs. Each figure is the median of the ratios of a later round to an earlier one.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import children
import population
from figures import BenchError, Figure, say
from tidying import bring_to_rest

from backend.core import database
from backend.core.settings import Settings
from backend.people import roster, sessions
from backend.people.roster_files import RosterRow
from mobile_api.cli.serving import House
from mobile_api.client.api import Client

NAMES = (
    "timeline_growth", "findings_growth", "recordings_growth", "verdict_growth", "changes_growth", "entry_growth",
    "filters_growth",
)  # fmt: skip
STATIONS = 25  # people in each
LINES = 3  # of the journal, for each recording
BATCH = 50_000  # recordings a transaction
DAYS = 184
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
NEAR = "30.2741,120.1551,200"
PEOPLE = """
WITH made AS MATERIALIZED (SELECT gen_random_uuid() AS id, n FROM generate_series($1::int, $3::int - 1) n),
p AS (INSERT INTO person (id) SELECT id FROM made)
INSERT INTO stint (person, badge, name, kind, organ, during, source)
SELECT id, 'N-' || n, '林某', 'duty_auxiliary', '9901006' || lpad((n / $2)::text, 5, '0'), '[2020-01-01,)', 'import'
FROM made
"""
ORGANS = """
INSERT INTO organ (code, name, parent, depth)
SELECT '9901006' || lpad(n::text, 5, '0'), '派出所', $1, o.depth + 1
FROM generate_series($2::int, $3::int - 1) n, organ o WHERE o.code = $1
"""
STATION_0 = "990100600000"
# Recording `n` of each of these people, from `$1` to `$2`, spread over the days before today.
RECORDINGS = """
WITH made AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, p.id AS person, p.organ, p.number, n,
        now() - make_interval(secs => 86400 + ((n * 7919 + p.number * 31) % 100000) * 159.0) AS at
    FROM (SELECT id, organ, substr(badge, 3)::int AS number FROM person_now WHERE badge LIKE 'N-%'
        AND substr(badge, 3)::int BETWEEN $3 AND $4 - 1) p, generate_series($1::int, $2::int - 1) n
), u AS (
    INSERT INTO upload (id, kind, owner, organ, declared_by, file_name, media_type, state, bytes, digest_declared,
        sha256, part_size, object_key, version, declared_at, touched_at, received_at, sealed_at, locked_until, receipt)
    SELECT id, 'recording', person, organ, person, 'DSJ0042_0001.mp4', 'video/mp4', 'sealed', 180000000, true,
        encode(sha256(uuid_send(id)), 'hex'), 8388608, 'g/' || id, 'v', at, at, at, at, at + interval '184 days',
        repeat('x', 400) FROM made
), r AS (
    INSERT INTO recording (id, wearer, organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at,
        started_at, ended_at, key_mark, probed_ms, codec, film_ends_at, probe_version, proved)
    SELECT id, person, organ, 'DSJ-0042', 0, 0, at - interval '6 minutes', at - interval '6 minutes',
        at - interval '1 minute', false, 300000, 'h264', at - interval '1 minute', 1000,
        tstzmultirange(tstzrange(at - interval '6 minutes', at - interval '1 minute')) FROM made
), f AS (
    INSERT INTO finding (kind, subject, organ, person, started_at, ended_at, found_at)
    SELECT 'handed_over_late', id, organ, person, at - interval '6 minutes', at, at FROM made WHERE n % 20 = 0
), s AS (
    INSERT INTO shift (id, person, organ, duty_type, started_at, ended_at, ended_by, in_force, dress, id_card_carried,
        equipment)
    SELECT gen_random_uuid(), person, organ, 'patrol', at - interval '20 minutes', at, 'check_out', true, 'uniform',
        true, '{}' FROM made WHERE n % 20 = 0
), a AS (
    INSERT INTO activity (id, person, organ, work, case_kind, case_ref, emergency, started_at, ended_at, finished,
        spans, needs_leading, needs_recording, legality, notice_owed, notice_given, needs_insurance, equipment)
    SELECT id, person, organ, (ARRAY['9.6', '10.4'])[1 + n / 20 % 2], 'criminal', 'G' || number || '-' || n, false,
        at - interval '5 minutes', at, true, tstzmultirange(tstzrange(at - interval '5 minutes', at)), false, false,
        false, false, false, false, '{}' FROM made WHERE n % 20 = 0
), t AS (
    INSERT INTO activity_telling (id, activity, verb, at, live, started_at, work, needs_leading, needs_recording,
        legality, notice_owed, needs_insurance, equipment, case_kind, case_ref, notice_given)
    SELECT id, id, 'start', at, false, at - interval '5 minutes', '9.6', false, false, false, false, false, '{}',
        'criminal', 'G' || number || '-' || n, false FROM made WHERE n % 20 = 0
)
INSERT INTO journal (at, actor, device, verb, outcome, entry_id, subjects, organ, entry)
SELECT at, CASE WHEN line = 0 THEN person END, NULL,
    (ARRAY['recordings/declare', 'uploads/complete', 'evidence/seal'])[line + 1],
    CASE WHEN line = 0 THEN 'recorded' ELSE 'done' END, CASE WHEN line = 0 THEN id END, ARRAY[id, person], organ,
    convert_to(json_build_object('at', at, 'id', id, 'organ', organ, 'subjects', ARRAY[id, person],
        'facts', repeat('f', 250))::text, 'UTF8')
FROM made, generate_series(0, 2) line ORDER BY at
"""
# Indexes: dropped and made again after the rows, which is faster.
DROPPED = ("journal_subjects", "recording_during", "recording_proved")


def growth(house: House, rounds: int, recordings: int, times: int) -> Iterator[Figure]:
    """Send each request `times` times in a round. Ends the worker. Raises BenchError where an answer is wrong."""
    children.end("worker")
    small, url = max(100, recordings // 100), str(house.settings.migrate_url)
    people = max(2, int((recordings / 1000) or 2))
    few = max(1, people // 10)
    asyncio.run(_prepare(house.settings))
    questions, something_new = _questions(house)
    say(f"growing to {small:,} recordings")
    asyncio.run(_grow(url, people=(0, few), each=(0, small // few)))
    _bring_to_rest(house)
    something_new()
    before = {name: [_latency(ask, times) for _ in range(rounds)] for name, ask in questions.items()}
    say(f"growing to {recordings:,} recordings and {recordings * LINES:,} lines of the journal")
    asyncio.run(_grow(url, people=(0, few), each=(small // few, recordings // people)))
    asyncio.run(_grow(url, people=(few, people), each=(0, recordings // people)))
    _bring_to_rest(house)
    something_new()
    after = {name: [_latency(ask, times) for _ in range(rounds)] for name, ask in questions.items()}
    sizes = asyncio.run(_sizes(url))
    for name in NAMES:
        ratios = [large / small for large, small in zip(after[name], before[name], strict=True)]
        details = {"small_ms": before[name], "large_ms": after[name], **sizes}
        say(f"{name}: {statistics.median(before[name]):.2f} ms, then {statistics.median(after[name]):.2f} ms")
        yield Figure(name, statistics.median(ratios), "ratio", "<= 1.5", ratios, details)
    yield Figure("line_bytes", sizes["bytes_a_line"], "bytes", "as sizing assumes", [sizes["bytes_a_line"]], sizes)


async def _prepare(settings: Settings) -> None:
    """Import Lin and Wang, who patrol; Zhao, who leads; Sun, who commands the station."""
    async with database.opened(str(settings.database_url), size=1):
        await population.bring_in(population.BESIDE + 1)
        for code, kind, role in (("G-LEADS", "officer", ""), ("G-SUN", "officer", "commander")):
            rows = [_row("person", code, kind, population.STATION)]
            rows += [_row("role", code, role, population.STATION)] if role else []
            await roster.bring_in(rows)
            await sessions.set_hash(await roster.person_id_of(code), population.CHEAP, datetime.now(UTC))


def _row(record: str, code: str, kind: str, organ: str) -> RosterRow:
    return RosterRow(
        record=record, code=code, name="测速", kind=kind, organ=organ,
        valid_from=datetime(2020, 1, 1).date(), valid_until=None,
    )  # fmt: skip


def _questions(house: House) -> tuple[dict[str, Callable[[], None]], Callable[[], None]]:
    """The request of each figure, which checks its answer; and a function that makes something new for the feed."""
    lin, wang, zhao, sun = (
        _client(house, badge)
        for badge in (population.badge(population.PATROLLING), population.badge(population.BESIDE), "G-LEADS", "G-SUN")
    )
    shift = _a_duty(lin, wang, zhao)
    cursors: list[str] = []

    def timeline() -> None:
        _must(lin.get(f"/v1/shifts/{shift}")["shift"]["id"] == shift)

    def findings() -> None:
        _must(bool(sun.get("/v1/findings")["items"]))

    def recordings() -> None:
        _must(bool(sun.get("/v1/recordings")["items"]))

    def verdict() -> None:
        _must(lin.get("/v1/duty/verdict", work="9.6")["outcome"] in ("allowed", "conditional", "forbidden"))

    def changes() -> None:
        _must(bool(lin.get("/v1/changes", after=cursors[-1])["items"]))

    def entry() -> None:
        """Report an act after its end: its findings are refreshed twice. Of a work that no list is asked for."""
        ended = datetime.now(UTC) - timedelta(minutes=2)
        act = wang.entry("activities/start", occurred_at=ended - timedelta(seconds=1), work="9.1")["id"]
        _must(wang.entry("activities/finish", occurred_at=ended, activity=act)["status"] == "recorded")

    def something_new() -> None:
        """Keep the cursor of an up-to-date phone, then record one more entry."""
        cursors.append(lin.get("/v1/changes")["cursor"])
        lin.entry("activities/start", occurred_at=datetime.now(UTC) - timedelta(minutes=2), work="9.1")

    def filters() -> None:
        for path, wanted in _looked_for():
            _must(bool(sun.get(f"/v1/{path}", **wanted)["items"]))

    asked = (timeline, findings, recordings, verdict, changes, entry, filters)
    return dict(zip(NAMES, asked, strict=True)), something_new


def _a_duty(lin: Client, wang: Client, zhao: Client) -> str:
    """Lin's shift, two hours old, led by Zhao, with ten recordings; and Wang's, with neither."""
    began = datetime.now(UTC) - timedelta(hours=2)
    shift, _ = (
        each.entry(
            "shifts/check-in", occurred_at=began, duty_type="patrol", dress="uniform", id_card_carried=True,
            roster_post="南门",
        )["id"]
        for each in (lin, wang)
    )  # fmt: skip
    naming = lin.entry("supervisions/name", occurred_at=began, officer=zhao.get("/v1/me")["id"])["id"]
    zhao.entry("supervisions/confirm", occurred_at=began + timedelta(minutes=1), supervision=naming)
    lin.entry("activities/start", occurred_at=began + timedelta(minutes=5), work="9.6", place=PLACE)
    lin.entry("activities/start", occurred_at=began + timedelta(minutes=5), work="9.2")
    for number in range(10):
        start = began + timedelta(minutes=6 + 10 * number)
        lin.entry(
            "recordings/declare", camera_serial="DSJ-0042", file_name="a.mp4", media_type="video/mp4", started_at=start,
            ended_at=start + timedelta(minutes=9), bytes=10, sha256=f"{number:064x}",
        )  # fmt: skip
    return str(shift)


def _looked_for() -> tuple[tuple[str, dict[str, Any]], ...]:
    """What a commander looks for: a badge's footage, a case, a work, a place, four months of a station."""
    months = {"from": _days_ago(150), "to": _days_ago(30)}
    return (
        ("recordings", {"badge": "N-0", "from": _days_ago(90)}), ("recordings", {"case": "G0-0"}),
        ("activities", {"case": "G0-0"}), ("activities", {"work": "10.4", "organ": STATION_0}),
        ("recordings", {"work": "9.6"}), ("recordings", {"work": "9.2"}),
        ("recordings", {"near": NEAR}), ("activities", {"near": NEAR}),
        ("shifts", {"organ": STATION_0} | months),
    )  # fmt: skip


def _days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%FT%TZ}"


def _must(holds: bool) -> None:
    if not holds:
        raise BenchError("a request to the growing house was not answered as it should be")


def _client(house: House, badge: str) -> Client:
    async def enrolled() -> Any:
        async with database.opened(str(house.settings.database_url), size=1):
            return await population.enrolled(f"HH-{badge}")

    client = Client(house.url, key=asyncio.run(enrolled()))
    client.sign_in(badge, population.PASSWORD)
    return client


def _latency(ask: Callable[[], Any], times: int) -> float:
    """Median milliseconds of one request, sent `times` times after ten to warm up."""
    for _ in range(10):
        ask()
    milliseconds = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return statistics.median(milliseconds)


async def _grow(url: str, people: tuple[int, int], each: tuple[int, int]) -> None:
    """Insert recordings number `each` (from, to) of people number (from, to), with their uploads and journal lines."""
    connection = await asyncpg.connect(url, command_timeout=3600)
    try:
        await connection.execute(
            "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'"
        )
        await _people(connection, *people)
        made = {name: await connection.fetchval("SELECT pg_get_indexdef($1::regclass)", name) for name in DROPPED}
        for name in DROPPED:
            await connection.execute(f"DROP INDEX {name}")
        step = max(1, BATCH // max(1, people[1] - people[0]))
        for begin in range(each[0], each[1], step):
            await connection.execute(RECORDINGS, begin, min(begin + step, each[1]), *people)
        for definition in made.values():
            await connection.execute(definition)
    finally:
        await connection.close()


def _bring_to_rest(house: House) -> None:
    (sockets,) = parse_qs(urlsplit(str(house.settings.migrate_url)).query)["host"]
    asyncio.run(bring_to_rest(house.settings.data_dir, sockets))


async def _people(connection: asyncpg.Connection, begin: int, end: int) -> None:
    there = await connection.fetchval("SELECT count(*) FROM person_now WHERE badge ~ '^N-[0-9]+$'")
    if there < end:
        stations = await connection.fetchval("SELECT count(*) FROM organ WHERE code LIKE '9901006%'")
        await connection.execute(ORGANS, population.STATION, stations, max(stations, -(-end // STATIONS)))
        await connection.execute(PEOPLE, there, STATIONS, end)


async def _sizes(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    counted = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM recording) AS recordings, (SELECT count(*) FROM journal) AS lines,"
        " pg_total_relation_size('journal') + pg_total_relation_size('upload') + pg_total_relation_size('recording')"
        " AS bytes"
    )
    await connection.close()
    return {**dict(counted), "bytes_a_line": counted["bytes"] / counted["lines"]}
