"""Our bucket is known by an object in it; another one takes nothing, and everybody is told."""

import asyncio
import contextlib
import hashlib
import json
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar
from msgspec.structs import replace

from backend.core.database import execute, fetch, first, value
from backend.core.settings import Settings
from backend.evidence import sealing
from backend.evidence.retention import disposal, legal_holds, reconcile
from backend.oversight.alarms import ringing
from backend.people import roster
from backend.proof import checkpoints, known_store
from backend.proof.known_store import StoreNotProved
from mobile_api import metrics
from mobile_api.operations_server import for_operators
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, LockNotKept, ObjectLocked, StoreSwapped, StoreUnavailable
from storage.lock_proof import Probe
from tests.api.test_proof import renamed
from tests.api.test_verified_facts import instead
from tests.builders import ORGANS, Client, a_duty_auxiliary, now, organ_row, recorded, refused
from tests.databases import an_empty_database, migrating
from tests.devices import complete, declare, parts_of, received, row_of, run_seal, sealed, some_bytes, standing_of
from tests.stubborn import FULL, Stubborn, stubborn

FILM = some_bytes(200_000, "a film in our bucket")
MARKERS = "SELECT * FROM store_marker ORDER BY number"
LEFT = "SELECT left_there FROM store_check WHERE kind = 'lock'"
LINES = "SELECT entry FROM journal WHERE verb = 'house/mark-store'"


@pytest.fixture
async def other(house: Settings) -> AsyncIterator[EvidenceStore]:
    """Another bucket on the same server: what the setting names after a mistake, or a disk that was exchanged."""
    store = store_of(replace(house, s3_bucket=f"other-{uuid4().hex[:12]}"))
    await store.prepare()
    yield store
    store.close()


@pytest.fixture
async def ours(house: Settings, app: Litestar) -> AsyncIterator[EvidenceStore]:
    """A client of our bucket, as another process has one."""
    store = store_of(house)
    yield store
    store.close()


@pytest.fixture
async def proxy(house: Settings) -> AsyncIterator[Stubborn]:
    with stubborn(str(house.s3_endpoint)) as proxy:
        yield proxy


@pytest.fixture
async def checks() -> AsyncIterator[None]:
    """What was found of the store is as before at the end."""
    before = await fetch("SELECT kind, at, state, code, facts::text FROM store_check")
    yield
    for row in before:
        put = "UPDATE store_check SET at = $2, state = $3, code = $4, facts = $5::jsonb WHERE kind = $1"
        await execute(put, *row.values())
    metrics.STORE_GAUGE._at = 0.0


async def ready(app: Litestar) -> tuple[int, dict[str, Any]]:
    answer = await Client(for_operators(app)).get("/health/ready")
    return answer.status_code, answer.json()


async def rings(app: Litestar, house: Settings) -> set[str]:
    """The alarms about the store that ring now."""
    metrics.STORE_GAUGE._at = 0.0
    told = await metrics.DATABASE_GAUGES.refresh()
    assert told is not None
    store = await metrics.STORE_GAUGE.refresh(app.state.store)
    found = {alarm.name for alarm in ringing(metrics.figures(told, house.data_dir, store))}
    return found & {"FujingStoreAway", "FujingStoreUnwritable", "FujingStoreSwapped", "FujingLockNotProved"}


# -- the object


async def test_the_bucket_is_known_by_an_object_that_nobody_removes(ours: EvidenceStore) -> None:
    """Locked for as long as a checkpoint; its place, version and digest are in the database, and a line tells them."""
    (row,) = await fetch(MARKERS)
    content = await ours.read(row["key"], row["version"])
    assert (row["sha256"], row["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    until = await ours.locked_until(row["key"], row["version"])
    assert until is not None
    assert until > now() + timedelta(days=3600)
    with pytest.raises(ObjectLocked):
        await ours.remove(row["key"], row["version"])
    (line,) = [json.loads(each["entry"]) for each in await fetch(LINES)]
    assert (row["key"], row["version"], row["sha256"]) == tuple(
        line["facts"][name] for name in ("key", "version", "sha256")
    )
    assert [f"store_marker/{row['id']}"] == list(line["rows"])


async def test_the_applications_role_cannot_name_another(
    application_role: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    """An enemy with our own role would make another bucket ours; not even the owner alters the row."""
    copied = (
        "INSERT INTO store_marker SELECT gen_random_uuid(), $1, bucket, key, 'v', 1, sha256, now() FROM store_marker"
    )
    for number in (2, 7):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the store of this house is known"):
            await application_role.execute(copied, number)
    with pytest.raises(asyncpg.UniqueViolationError):
        await application_role.execute(copied, 1)
    for statement in ("UPDATE store_marker SET version = 'v'", "DELETE FROM store_marker", "TRUNCATE store_marker"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application_role.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(statement)


@contextlib.asynccontextmanager
async def another_house(house: Settings) -> AsyncIterator[Settings]:
    """A database with our schema and nothing in it, and a bucket that nobody made."""
    async with an_empty_database(house) as url:
        process = migrating(url)
        assert 0 == process.wait(60)
        process.stderr.close()
        name = url.rpartition("/")[2].partition("?")[0]
        settings = replace(renamed(house, name), s3_bucket=f"house-{uuid4().hex[:12]}")
        async with instead(str(settings.database_url)):
            yield settings


async def test_many_that_start_together_name_one_object(app: Litestar, house: Settings) -> None:
    """Two APIs and a worker at the first start: one bucket, one object, one line, one set of probes."""
    async with another_house(house) as settings:
        stores = [store_of(settings) for _ in range(4)]
        await asyncio.gather(*(known_store.at_start(store, "api") for store in stores))
        assert 1 == len(await fetch(MARKERS)) == len(await fetch(LINES))
        assert 1 == len(await stores[0].versions(known_store.FOLDER))
        told, left = await known_store.told(), json.loads(await value(LEFT))
        assert ("kept", 3) == (told.lock, len(left))
        proofs = len([each for each in await stores[0].versions("probe/once") if not each.deletion])
        await known_store.at_start(stores[1], "api")
        assert proofs == len([each for each in await stores[0].versions("probe/once") if not each.deletion])
        for store in stores:
            store.close()


async def test_a_house_of_before_knows_its_bucket_by_what_it_sealed(
    app: Litestar, house: Settings, other: EvidenceStore
) -> None:
    """After the upgrade: one of its newest sealed files must be in the bucket; in another one nothing is made."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await store.prepare()
        put = await store.put("recording/of-before", FILM, "video/mp4")
        owner = await asyncpg.connect(settings.migrate_url)
        person, sql = await owner.fetchval("INSERT INTO person DEFAULT VALUES RETURNING id"), SEALED_BEFORE
        await roster.bring_in([organ_row(*organ) for organ in ORGANS])
        await owner.execute(sql, uuid4(), person, "gone", "v0", 5, now())
        await owner.execute(sql, uuid4(), person, put.key, put.version, put.bytes, now() - timedelta(days=1))
        await owner.close()
        for call in (known_store.at_start(other, "serve"), known_store.must_be_ours(other)):
            with pytest.raises(StoreSwapped, match="not the one of this house"):
                await call
        assert ([], []) == (await fetch(MARKERS), await other.versions(""))
        nowhere = store_of(replace(house, s3_bucket=f"nowhere-{uuid4().hex[:12]}"))
        with pytest.raises(StoreSwapped):
            await known_store.at_start(nowhere, "serve")
        nowhere.close()
        await known_store.at_start(store, "serve")
        assert 1 == len(await fetch(MARKERS))
        store.close()


SEALED_BEFORE = """
INSERT INTO upload (id, kind, owner, organ, declared_by, file_name, media_type, state, bytes, sha256, part_size,
    object_key, version, declared_at, touched_at, received_at, sealed_at, locked_until, receipt)
VALUES ($1, 'recording', $2, '330102010000', $2, 'a.mp4', 'video/mp4', 'sealed', $5, md5($3) || md5($3), 8388608, $3,
    $4, $6, $6, $6, $6, $6, 'a receipt')
"""


# -- a bucket that is not ours


async def test_in_another_bucket_nothing_is_sealed_locked_held_or_removed(
    app: Litestar, house: Settings, other: EvidenceStore, checks: None
) -> None:
    """The worker stops, and says why; what waits goes on when the right one is there."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, FILM)
    calls = (
        sealing.seal(other, app.state.key_rings, UUID(upload)), sealing.sweep(other, now()),
        reconcile.reconcile(other, now()), disposal.dispose(other, now()),
        checkpoints.copy_to_store(other), known_store.prove_again(other, "worker"),
        known_store.at_start(other, "worker"),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(StoreSwapped, match="FUJING_S3_BUCKET"):
            await call
    assert [] == await other.versions("")
    assert "received" == (await row_of(upload))["state"]
    assert "swapped" == await known_store.try_writing(other)
    await run_seal(app, upload)
    assert "sealed" == (await row_of(upload))["state"]
    assert await legal_holds.update_store(app.state.store) >= 0


async def test_phones_are_told_of_another_bucket_and_keep_everything(
    app: Litestar, house: Settings, other: EvidenceStore, monkeypatch: pytest.MonkeyPatch, checks: None
) -> None:
    """No part is sent into it. Check-ins go on; the operator and the administrator are told."""
    lin = await a_duty_auxiliary(app)
    upload, before = (await declare(lin, FILM))["id"], await sealed(app, lin, FILM[1:])
    assert set() == await rings(app, house)
    monkeypatch.setattr(app.state, "store", other)
    answer = await lin.get(f"/v1/uploads/{upload}/parts")
    assert "不是本系统的" in refused(answer, 503, "store_swapped")["detail"]
    assert "300" == answer.headers["retry-after"]
    refused(await complete(lin, upload, bytes=len(FILM)), 503, "store_swapped")
    assert "sealed" == (await standing_of(lin, before))["state"]
    recorded(await lin.check_in())
    assert (503, "away", "swapped") == picked(await ready(app), "store", "store_why")
    assert {"FujingStoreAway", "FujingStoreSwapped"} == await rings(app, house)


def picked(told: tuple[int, dict[str, Any]], *names: str) -> tuple[Any, ...]:
    return (told[0], *(told[1][name] for name in names))


async def test_an_object_with_other_bytes_is_not_ours(
    house: Settings, ours: EvidenceStore, proxy: Stubborn
) -> None:  # fmt: skip
    """The same key and version, and one bit is another."""
    store = store_of(replace(house, s3_endpoint=proxy.endpoint))
    proxy.lies = [("other_bytes", "GET", "house/marker")]
    assert await known_store.look(store) is False
    assert await known_store.look(store) is True
    store.close()


async def test_a_store_that_does_not_answer_is_not_another_one(
    house: Settings, app: Litestar, proxy: Stubborn
) -> None:  # fmt: skip
    """Nobody can tell: nothing is sealed, and no phone hears that the store was exchanged."""
    store = store_of(replace(house, s3_endpoint=proxy.endpoint))
    proxy.refuses = [("GET|HEAD", "house/marker", 503, "SlowDown")]
    with pytest.raises(StoreUnavailable) as away:
        await known_store.must_be_ours(store)
    assert not isinstance(away.value, StoreSwapped)
    with pytest.raises(StoreUnavailable):
        await known_store.standing(store)
    assert await known_store.standing(store) is None, "others do not wait for it, too"
    store.close()


# -- the proof


async def test_a_proof_that_failed_stops_uploads_and_sealing_until_one_is_good(
    app: Litestar, house: Settings, proxy: Stubborn, checks: None
) -> None:
    """A store that was changed in the night for one that forgets holds."""
    lin = await a_duty_auxiliary(app)
    upload, waiting = (await declare(lin, FILM))["id"], await received(lin, FILM[2:])
    store = store_of(replace(house, s3_endpoint=proxy.endpoint))
    proxy.refuses = [("PUT", "legal-hold", 400, "InvalidRequest")]
    with pytest.raises(LockNotKept):
        await known_store.prove(store, "worker", 0)
    refused(await lin.get(f"/v1/uploads/{upload}/parts"), 503, "store_unavailable")
    known_store.forget(app.state.store)
    with pytest.raises(StoreNotProved, match="legal hold"):
        await run_seal(app, waiting)
    assert (200, "lock_not_kept") == picked(await ready(app), "store_why")
    assert {"FujingLockNotProved"} == await rings(app, house)
    proxy.refuses = []
    await known_store.prove_again(store, "worker")
    await run_seal(app, waiting)
    assert set() == await rings(app, house)
    assert [1] == [part["number"] for part in (await parts_of(lin, upload))["missing"]]
    store.close()


async def test_one_answer_that_is_nonsense_is_no_proof_that_failed(
    house: Settings, app: Litestar, proxy: Stubborn, checks: None
) -> None:
    """A hold that was answered and never asked of the store: proved once more, it is there."""
    store = store_of(replace(house, s3_endpoint=proxy.endpoint))
    proxy.lies = [("unasked", "PUT", "legal-hold")]
    assert await known_store.prove(store, "worker", 0)
    assert (1, "kept") == (proxy.done["unasked"], (await known_store.told()).lock)
    store.close()


async def test_probes_of_days_before_are_looked_at_and_removed(app: Litestar, house: Settings) -> None:
    """Twice a day for a week, and by a process that is killed: their number stays what it is."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await known_store.at_start(store, "serve")
        for _ in range(4):
            await a_day_passes()
            await known_store.prove_again(store, "worker")
            await known_store.prove_again(store, "worker")
        left = json.loads(await value(LEFT))
        kinds = [each["probe"]["kind"] for each in left]
        assert (1, 1) == (kinds.count("held"), kinds.count("both"))
        assert kinds.count("locked") <= 5
        # Of those behind a lock of a minute it is not over yet.
        versions = {each["probe"]["version"] for each in left if each["probe"]["kind"] != "both"}
        assert versions == {each.version for each in await store.versions("probe/2") if "both" not in each.key}
        store.close()


async def a_day_passes() -> None:
    """What was left was left a day earlier; the last proof was made a day earlier, too."""
    left = json.loads(await value(LEFT))
    for each in left:
        each["left_at"] = (datetime.fromisoformat(each["left_at"]) - timedelta(days=1)).isoformat()
    sql = "UPDATE store_check SET left_there = $1::jsonb, at = at - interval '1 day' WHERE kind = 'lock'"
    await execute(sql, json.dumps(left))


async def test_a_process_killed_while_it_looked_disturbs_nobody(
    app: Litestar, house: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was told what goes before it went; the next process goes on when the claim is over."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await known_store.at_start(store, "serve")
        await a_day_passes()
        with monkeypatch.context() as killed:
            killed.setattr(known_store, "LET_GO", "SELECT $1::uuid")
            killed.setattr(store, "leave_probes", dies)
            with pytest.raises(Killed):
                await known_store.look_at_what_was_left(store, "worker", tidy=True)
        await known_store.look_at_what_was_left(store, "api", tidy=True)  # the claim still stands
        await execute("UPDATE store_check SET claimed_at = now() - interval '10 minutes' WHERE kind = 'lock'")
        await known_store.look_at_what_was_left(store, "api", tidy=True)
        left = json.loads(await value(LEFT))
        await store.look_at_probes([known_store._decode_probes(json.dumps([each]))[0].probe for each in left])
        store.close()


async def test_what_a_power_cut_took_is_lost_once(app: Litestar, house: Settings, other: EvidenceStore) -> None:
    """A store need not write at once, and a station starts after a power cut; one that loses more is refused."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await known_store.at_start(store, "serve")
        await lose(store, "held", seen=False)
        await known_store.look_at_what_was_left(store, "worker")
        assert "kept" == (await known_store.told()).lock
        await a_day_passes()
        await known_store.look_at_what_was_left(store, "worker")
        await lose(store, "held", seen=False)
        with pytest.raises(LockNotKept, match="left before is gone"):
            await known_store.look_at_what_was_left(store, "worker")
        assert "not_kept" == (await known_store.told()).lock
        store.close()


async def test_it_is_told_why_a_proof_failed_first(app: Litestar, checks: None) -> None:
    """What versitygw lets go at the first try is only missing at the second, and that is not the cause."""
    found = iter([LockNotKept("已冻结的版本可以被删除", "held could be deleted"), LockNotKept("不在", "gone")])

    async def proof() -> None:
        raise next(found)

    with pytest.raises(LockNotKept, match="held could be deleted"):
        await known_store._recorded("worker", proof)
    told = await known_store.told()
    assert ("not_kept", True) == (told.lock, "held could be deleted" in told.lock_facts["en"])


async def test_a_probe_that_was_seen_stays(app: Litestar, house: Settings) -> None:
    """A version that was there yesterday, under a hold, is not there today."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await known_store.at_start(store, "serve")
        await lose(store, "held", seen=True)
        with pytest.raises(LockNotKept, match="left before is gone"):
            await known_store.look_at_what_was_left(store, "worker")
        store.close()


@pytest.mark.parametrize("key", ["{}", "probe/../{}", "probe/a/../../{}", "/probe/a/{}"])
async def test_a_film_is_never_taken_for_a_probe(app: Litestar, house: Settings, key: str) -> None:
    """An enemy with the database's role names a sealed film under hold as what was left: it is not even looked at."""
    async with another_house(house) as settings:
        store = store_of(settings)
        await known_store.at_start(store, "serve")
        film = await store.put("recording/held", FILM, "video/mp4")
        await store.hold(film.key, film.version, on=True)
        named = {"kind": "held", "key": key.format(film.key), "version": film.version, "locked_until": None}
        left = [{"probe": named, "left_at": "2026-01-01T00:00:00Z", "seen": True, "lost": False}]
        await execute("UPDATE store_check SET left_there = $1::jsonb WHERE kind = 'lock'", json.dumps(left))
        await known_store.look_at_what_was_left(store, "worker", tidy=True)
        assert await store.is_held(film.key, film.version)
        with pytest.raises(ValueError, match="no probe"):
            Probe("held", named["key"], film.version)
        store.close()


async def lose(store: EvidenceStore, kind: str, *, seen: bool) -> None:
    """Take the newest probe of this kind away, as the store would; it was left an hour ago."""
    left = json.loads(await value(LEFT))
    taken = [each for each in left if each["probe"]["kind"] == kind and not each["lost"]][-1]
    await store.hold(taken["probe"]["key"], taken["probe"]["version"], on=False)
    await store.remove(taken["probe"]["key"], taken["probe"]["version"])
    taken |= {"seen": seen, "left_at": (now() - timedelta(hours=1)).isoformat()}
    await execute("UPDATE store_check SET left_there = $1::jsonb WHERE kind = 'lock'", json.dumps(left))


class Killed(Exception):
    """As far as the database knows."""


async def dies(*_: Any) -> None:
    raise Killed


# -- whether it takes writes


@pytest.mark.parametrize(
    ("state", "why", "code", "words"),
    [("full", "full", "store_full", "存储已满"), ("read_only", "read_only", "store_read_only", "存储暂不可写")],
)
async def test_a_store_that_takes_no_writes_is_told_and_check_ins_go_on(
    app: Litestar, house: Settings, state: known_store.Write, why: str, code: str, words: str, checks: None
) -> None:
    """200 for the balancer, an alarm for the operator, a sentence for the phone."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, FILM))["id"]
    await known_store._record("write", state, "XMinioStorageFull")
    assert (200, "ok", "away", why) == picked(await ready(app), "store", "store_write", "store_why")
    assert words in refused(await lin.get(f"/v1/uploads/{upload}/parts"), 503, code)["detail"]
    assert {"FujingStoreUnwritable"} == await rings(app, house)
    recorded(await lin.check_in())
    await known_store._record("write", "ok", None)
    assert (200, "ok", "ok", None) == picked(await ready(app), "store", "store_write", "store_why")
    assert 1 == len((await parts_of(lin, upload))["missing"])
    assert set() == await rings(app, house)


async def test_what_a_worker_found_long_ago_is_unknown(app: Litestar, house: Settings, checks: None) -> None:
    """Its own death rings another alarm; phones go on trying."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, FILM))["id"]
    await known_store._record("write", "full", None)
    await execute("UPDATE store_check SET at = now() - interval '6 minutes' WHERE kind = 'write'")
    assert (200, "unknown", None) == picked(await ready(app), "store_write", "store_why")
    assert 1 == len((await parts_of(lin, upload))["missing"])
    assert set() == await rings(app, house)
    assert math.isnan(next(each.samples[0].value for each in metrics.STORE_GAUGE.collect() if "writable" in each.name))


async def test_the_worker_records_what_it_found(
    house: Settings, app: Litestar, proxy: Stubborn, checks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, as MinIO says it and as the embedded store does not: then its disk is looked at."""
    store = store_of(replace(house, s3_endpoint=proxy.endpoint))
    assert "ok" == await known_store.try_writing(store)
    proxy.refuses = [FULL]
    assert "full" == await known_store.try_writing(store)
    told = await known_store.told()
    assert ("full", "XMinioStorageFull") == (told.write, told.write_code)
    proxy.refuses = [("PUT|POST", "", 500, "InternalError")]
    assert "read_only" == await known_store.try_writing(store, tmp_path)
    monkeypatch.setattr(known_store, "ROOM", 2**62)
    assert "full" == await known_store.try_writing(store, tmp_path)
    proxy.refuses = [("GET|PUT|POST|HEAD", "", 503, "SlowDown")]
    assert "away" == await known_store.try_writing(store)
    store.close()


async def test_marking_a_bucket_anew_is_the_owners(app: Litestar, house: Settings, other: EvidenceStore) -> None:
    """For a marker that is damaged. In a bucket without anything that was sealed it is refused."""
    await sealed(app, await a_duty_auxiliary(app), FILM[5:])
    with pytest.raises(StoreSwapped):
        await known_store.mark_anew(other, "mark-store")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await known_store.name(other, await known_store.put_marker(other))
    assert 1 == (await first("SELECT count(*) FROM store_marker"))["count"]
