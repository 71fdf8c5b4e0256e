"""A store that answers nonsense: nothing is sealed, refused or removed by one answer, and nothing is stuck by it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from msgspec.structs import replace

from backend.core.database import execute, fetch, first, value
from backend.core.settings import Settings
from backend.evidence import excess, sealing
from backend.evidence.service import OPEN_UPLOADS
from backend.law.catalogue import law
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, LockNotKept, StoreNonsense, StoreUnavailable
from tests.builders import a_duty_auxiliary, now, refused
from tests.devices import (
    MIB,
    complete,
    completed,
    declare,
    opened_in_store,
    parts_of,
    put_past_its_url,
    received,
    row_of,
    run_seal,
    send_missing,
    sha256_of,
    some_bytes,
    standing_of,
)
from tests.nonsense import Nonsense, nonsense

SMALL = some_bytes(300_000, "a store that lies")
LIES = [
    (kind, method)
    for method, kinds in {
        "HEAD": ("empty", "unasked", "page", "wrong_length", "unnamed"),
        "GET": ("empty", "unasked", "page", "short", "wrong_length", "unnamed", "other_bytes"),
    }.items()
    for kind in kinds
]
REFUSED = "SELECT version, bytes, removed_at FROM refused_version WHERE upload = $1"


@pytest.fixture
def liar(house: Settings) -> Iterator[Nonsense]:
    """A proxy before the real store, quiet until it is told to lie."""
    with nonsense(str(house.s3_endpoint)) as proxy:
        yield proxy


@pytest.fixture
async def store(house: Settings, liar: Nonsense, app: Litestar) -> AsyncIterator[EvidenceStore]:
    """The real store, through the proxy."""
    store = store_of(replace(house, s3_endpoint=liar.endpoint))
    yield store
    store.close()


async def seal(app: Litestar, store: EvidenceStore, upload: Any) -> None:
    await sealing.seal(store, app.state.key_rings, UUID(str(upload)))


async def wrongly_sent(app: Litestar) -> tuple[Any, str]:
    """Somebody whose bytes arrived other than declared, and the upload, waiting to be sealed."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    await send_missing(lin, upload, SMALL[::-1])
    assert "received" == await completed(lin, upload)
    return lin, upload


# -- sealing


@pytest.mark.parametrize(("kind", "method"), LIES, ids=["-".join(lie) for lie in LIES])
async def test_one_lie_neither_seals_nor_refuses(
    app: Litestar, store: EvidenceStore, liar: Nonsense, kind: str, method: str
) -> None:
    """The job is tried again, the bytes stay, and what is sealed then is the version that is there."""
    upload = await received(await a_duty_auxiliary(app), SMALL)
    row = await row_of(upload)
    there = await app.state.store.find(row["object_key"])
    # Of the GETs the one that reads back for the digest: the probe's address goes on with its signature.
    liar.lies = [(kind, method, rf"{upload}\?versionId=[^&]+$" if method == "GET" else upload)]
    with pytest.raises(StoreUnavailable):
        await seal(app, store, upload)
    assert ([], 1) == (liar.lies, liar.done[kind])
    assert ("received", None) == ((await row_of(upload))["state"], (await row_of(upload))["version"])
    await seal(app, store, upload)
    row = await row_of(upload)
    assert ("sealed", there.version, there.bytes) == (row["state"], row["version"], row["bytes"])
    assert [] == await fetch(REFUSED, UUID(upload))


async def test_a_mismatch_is_believed_when_it_was_read_twice(
    app: Litestar, store: EvidenceStore, liar: Nonsense
) -> None:
    """Two readings that differ from each other prove nothing; two that agree do, the second over a new connection."""
    upload = await received(await a_duty_auxiliary(app), SMALL)
    liar.lies = [("other_bytes", "GET", upload), ("other_bytes", "GET", upload)]
    with pytest.raises(StoreNonsense):
        await seal(app, store, upload)
    assert 2 == liar.done["other_bytes"]
    assert "received" == (await row_of(upload))["state"]
    lin, other = await wrongly_sent(app)
    await seal(app, store, other)
    assert "mismatch" == (await standing_of(lin, other))["state"]


async def test_a_file_that_is_not_there_is_believed_when_two_answers_and_the_list_say_so(
    app: Litestar, store: EvidenceStore
) -> None:
    """The object is behind a delete marker that somebody put there: HEAD says no, and so does the list."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    row = await row_of(upload)
    await app.state.store.remove(row["object_key"], "")
    await seal(app, store, upload)
    assert "mismatch" == (await standing_of(lin, upload))["state"]
    assert 1 == await send_missing(lin, upload, SMALL)
    assert "received" == await completed(lin, upload)
    await seal(app, store, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_a_lie_about_a_removal_or_a_hold_is_seen(app: Litestar, store: EvidenceStore, liar: Nonsense) -> None:
    """An empty 200 from somebody who never asked the store: the version is there, and under no hold."""
    put = await store.put("nonsense/removal", b"still here", "text/plain")
    liar.lies = [("unasked", "DELETE", put.key)]
    with pytest.raises(StoreNonsense):
        await store.remove(put.key, put.version)
    liar.lies = [("unasked", "PUT", put.key)]
    with pytest.raises(StoreNonsense):
        await store.hold(put.key, put.version, on=True)
    assert b"still here" == await store.read(put.key, put.version)
    await store.remove(put.key, put.version)


@pytest.mark.parametrize("kind", ["unasked", "unnamed", "page", "empty"])
async def test_nothing_is_put_without_a_version(store: EvidenceStore, liar: Nonsense, kind: str) -> None:
    """A checkpoint or a poster whose place nobody knows is put again."""
    liar.lies = [(kind, "PUT", "nonsense/put")]
    with pytest.raises(StoreUnavailable):
        await store.put("nonsense/put", b"a checkpoint", "text/plain")


@pytest.mark.parametrize("kind", ["empty", "unasked", "page", "unnamed", "short", "wrong_length"])
async def test_nothing_is_shown_or_packed_that_is_not_the_version(
    app: Litestar, store: EvidenceStore, liar: Nonsense, kind: str
) -> None:
    """A stretch of another length, or of nobody knows which version, is an error and no footage."""
    put = await app.state.store.put("nonsense/shown", SMALL, "video/mp4")
    liar.lies = [(kind, "GET", put.key)]
    with pytest.raises(StoreUnavailable):
        async for _ in store.stream(put.key, put.version, 1000, 200_000, MIB):
            pass
    if kind in ("page", "unnamed", "empty", "unasked"):
        liar.lies = [(kind, "GET", put.key)]
        with pytest.raises(StoreUnavailable):
            await store.read(put.key, put.version)
    shown = [piece async for piece in store.stream(put.key, put.version, 1000, 200_000, MIB)]
    assert (SMALL[1000:201_000], SMALL) == (b"".join(shown), await store.read(put.key, put.version))


@pytest.mark.parametrize("kind", ["empty", "unasked", "page", "short"])
async def test_a_page_is_no_list(app: Litestar, store: EvidenceStore, liar: Nonsense, kind: str) -> None:
    """A list that is none says nothing: neither that no part is there, nor that no version is."""
    upload = (await declare(await a_duty_auxiliary(app), SMALL))["id"]
    key = (await row_of(upload))["object_key"]
    opened = await store.open_upload(key, "video/mp4")
    for ask in (lambda: store.parts(key, opened), lambda: store.versions("recording/")):
        liar.lies = [(kind, "GET", "")]
        with pytest.raises(StoreUnavailable):
            await ask()
        assert [] == liar.lies
    await store.abort_upload(key, opened)


async def test_whatever_it_answers_everything_ends_sealed(
    app: Litestar, store: EvidenceStore, liar: Nonsense, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of all answers are nonsense, for the API and the worker: no wrong state, no state but the right one."""
    lin = await a_duty_auxiliary(app)
    uploads = {(await declare(lin, content))["id"]: content for content in (SMALL, SMALL[::-1], SMALL[1:])}
    monkeypatch.setattr(app.state, "store", store)
    liar.rate = 0.33
    for upload, content in uploads.items():
        for _ in range(200):
            answer = await lin.get(f"/v1/uploads/{upload}/parts")
            assert answer.status_code in (200, 503)
            if answer.status_code == 200 and answer.json()["missing"]:
                await send_quietly(app, upload, content)
            elif answer.status_code == 200 and (await complete(lin, upload)).status_code == 200:
                break
        for _ in range(200):
            try:
                await seal(app, store, upload)
            except (StoreUnavailable, LockNotKept):  # the second: a lock that was answered and is not there
                continue
            break
    liar.rate = 0.0
    assert sum(liar.done.values()) > 10
    for upload, content in uploads.items():
        row = await row_of(upload)
        assert ("sealed", sha256_of(content)) == (row["state"], row["sha256"])
        assert (sha256_of(content), len(content)) == await store.digest(row["object_key"], row["version"])
    assert 0 == await value("SELECT count(*) FROM refused_version r JOIN upload u ON u.id = r.upload "
                            "WHERE u.owner = $1", lin.id)  # fmt: skip


async def send_quietly(app: Litestar, upload: str, content: bytes) -> None:
    if (await row_of(upload))["store_upload"] is not None:
        await put_past_its_url(app, upload, 1, content)


# -- versions that were refused


async def test_a_refused_version_is_not_taken_for_the_file(app: Litestar) -> None:
    """It has the size of the file and lies under its key; the device is told to send everything all the same."""
    lin, upload = await wrongly_sent(app)
    await run_seal(app, upload)
    assert [1] == [part["number"] for part in (await parts_of(lin, upload))["missing"]]
    row = await row_of(upload)
    await app.state.store.abort_upload(row["object_key"], row["store_upload"])
    assert [1] == refused(await complete(lin, upload), 409, "parts_missing")["missing"]
    assert [1] == [part["number"] for part in (await parts_of(lin, upload))["missing"]]
    assert "receiving" == (await row_of(upload))["state"]


async def test_a_version_that_is_sealed_after_all_is_never_swept(app: Litestar) -> None:
    """The store had lied twice in the same way: what was refused is read again, is right, and stays."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, SMALL)
    row, store = await row_of(upload), app.state.store
    there = await store.find(row["object_key"])
    await excess.refuse(UUID(upload), there, now() - timedelta(days=14))
    assert 0 == await removed_of(app, upload)  # it waits to be sealed
    await run_seal(app, upload)
    assert 0 == await removed_of(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    assert len(SMALL) == (await store.digest(there.key, there.version))[1]
    assert all(row["removed_at"] for row in await fetch(REFUSED, UUID(upload)))  # it counts in no quota either


async def removed_of(app: Litestar, upload: str) -> int:
    """How many versions of this key the sweep removes now."""
    key = (await row_of(upload))["object_key"]
    before = len(await app.state.store.versions(key))
    await excess.remove_refused(app.state.store, now())
    return before - len(await app.state.store.versions(key))


# -- what exceeds its slot


async def test_what_exceeds_its_slot_is_counted_and_swept(app: Litestar) -> None:
    """A store that takes what was not signed: 9 MiB into a slot of a thousand bytes, three times."""
    lin, tiny = await a_duty_auxiliary(app), some_bytes(1000, "tiny")
    upload, bystander = [(await declare(lin, content))["id"] for content in (tiny, SMALL)]
    for each in (upload, bystander):
        await parts_of(lin, each)
    for seed in "abc":
        await put_past_its_url(app, upload, 1, some_bytes(9 * MIB, seed))
    await put_past_its_url(app, bystander, 1, SMALL)
    await parts_of(lin, upload)
    there = await in_the_store(app, upload)
    assert there in (9 * MIB, 27 * MIB)  # SeaweedFS keeps all of one number, other stores the last
    assert there == (await row_of(upload))["stored_bytes"]
    assert there + len(SMALL) == (await first(OPEN_UPLOADS, lin.id))["bytes"]
    assert (await sealing.sweep(app.state.store, now()))["exceeded"] >= 1
    assert ([], 1) == (await opened_in_store(app, upload), len(await opened_in_store(app, bystander)))
    assert len(tiny) + len(SMALL) == (await first(OPEN_UPLOADS, lin.id))["bytes"]
    line = "SELECT count(*) FROM journal WHERE verb = 'evidence/exceed' AND $1 = ANY (subjects)"
    assert [1, 0] == [await value(line, UUID(each)) for each in (upload, bystander)]
    assert 1 == await send_missing(lin, upload, tiny)
    assert "received" == await completed(lin, upload)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def in_the_store(app: Litestar, upload: str) -> int:
    """The bytes of all parts that the store holds of it."""
    row = await row_of(upload)
    return sum(part.bytes for part in await app.state.store.parts(row["object_key"], row["store_upload"]))


async def test_bytes_that_nobody_told_of_are_found_by_the_sweep(app: Litestar) -> None:
    """The last URL lives for an hour: until it is over an upload is weighed again and again, and once more after it."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, some_bytes(9 * MIB, "two parts")))["id"]
    await parts_of(lin, upload)
    await put_past_its_url(app, upload, 2, SMALL)
    await sealing.sweep(app.state.store, now())
    assert len(SMALL) == (await row_of(upload))["stored_bytes"]
    await put_past_its_url(app, upload, 1, SMALL)
    late = now() + law().span("part_url_life") + timedelta(seconds=5)
    await excess.weigh(app.state.store, late)
    assert 2 * len(SMALL) == (await row_of(upload))["stored_bytes"]
    await put_past_its_url(app, upload, 1, SMALL[:1000])  # no URL is good for it any more
    await excess.weigh(app.state.store, late + timedelta(hours=1))
    assert 2 * len(SMALL) == (await row_of(upload))["stored_bytes"]


async def test_refused_bytes_count_in_the_quota(app: Litestar) -> None:
    """Who sends wrong bytes again and again fills their own quota, until the sweep has removed them."""
    lin, upload = await wrongly_sent(app)
    await run_seal(app, upload)
    assert 2 * len(SMALL) == (await first(OPEN_UPLOADS, lin.id))["bytes"]
    await excess.remove_refused(app.state.store, now() + timedelta(days=8))
    assert len(SMALL) == (await first(OPEN_UPLOADS, lin.id))["bytes"]
    assert [len(SMALL)] == [row["bytes"] for row in await fetch(REFUSED, UUID(upload)) if row["removed_at"]]


async def test_a_person_whose_store_is_full_declares_nothing_more(app: Litestar) -> None:
    """What lies in the store counts, not only what was told: a film of unknown size has none to tell."""
    lin = await a_duty_auxiliary(app)
    upload = (await declare(lin, SMALL))["id"]
    ceiling = law().count("unsealed_bytes_ceiling")
    await execute("UPDATE upload SET stored_bytes = $2 WHERE id = $1", UUID(upload), ceiling)
    refused(await lin.declare(bytes=5, sha256=sha256_of(b"one more")), 429, "too_many_uploads")
    await asyncio.sleep(0)
