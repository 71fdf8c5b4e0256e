"""Disposal after the term, never of what is held; and the comparison of locks and holds with the store."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from litestar import Litestar

from backend.core import journal
from backend.core.database import execute, first, value
from backend.core.keys import fingerprint
from backend.core.refusals import Refusal
from backend.evidence import removing
from backend.evidence.retention import disposal, integrity_audit, legal_holds, reconcile
from backend.law.catalogue import use
from backend.proof.trust import KeySet
from storage.evidence_store import ObjectLocked, ObjectUnknown
from tests.api.test_holds import content, place_hold, release
from tests.builders import DISTRICT, Someone, a_duty_auxiliary, ago, an_inspector_of, now, recorded, refused
from tests.databases import by_owner
from tests.devices import declare, row_of, sealed, standing_of

pytestmark = pytest.mark.usefixtures("no_place_of_another_test")
SHORT = """[sealed_retention_floor]
seconds = 1
source = "a test"
version = "1"

[footage_retention]
seconds = 1
source = "a test"
version = "1"
"""
LINES = "SELECT array_agg(verb ORDER BY seq) FROM journal WHERE $1 = ANY (subjects) AND verb LIKE 'evidence/%'"
STANDING = "SELECT array_agg(kind) FROM finding WHERE subject = $1 AND kind <> 'not_media' AND withdrawn_at IS NULL"


@contextmanager
def short_terms(folder: Path) -> Iterator[None]:
    """Footage that is sealed meanwhile is locked for a second or two: no told clock makes its term shorter."""
    (folder / "terms.toml").write_text(SHORT)
    use(folder)
    try:
        yield
    finally:
        use(None)


@pytest.fixture
def short_floor(tmp_path: Path) -> Iterator[None]:
    """All footage of a test is locked for a second or two."""
    with short_terms(tmp_path):
        yield


async def old(app: Litestar, who: Someone, **fields: Any) -> str:
    """Footage of a year ago, sealed now."""
    times = {"started_at": ago(days=365, hours=1), "ended_at": ago(days=365)}
    return await sealed(app, who, content(), **(times | fields))


async def past_its_term(upload: str) -> Any:
    row = await row_of(upload)
    await asyncio.sleep(max(0.0, (row["locked_until"] - now()).total_seconds()) + 1.2)
    return row


async def test_footage_past_its_term_is_removed_and_its_proof_stays(app: Litestar, tmp_path: Path) -> None:
    """The bytes are removed; receipt, digest and the journal stay; a second run does nothing."""
    lin = await a_duty_auxiliary(app)
    stays = await sealed(app, lin, content())
    with short_terms(tmp_path):
        gone = await old(app, lin)
        row = await past_its_term(gone)
        await its_proof_stays(app, lin, gone, stays, row)


async def its_proof_stays(app: Litestar, lin: Someone, gone: str, stays: str, row: Any) -> None:
    """Footage past its term goes, and of it the bytes alone. Its wearer reads that the term is over, not whether it
    went: else what a complaint keeps would stand out."""
    assert {UUID(gone)} <= {row["id"] for row in await disposal.due(now())}
    assert UUID(stays) not in {row["id"] for row in await disposal.due(now())}
    before = (await lin.get("/v1/changes")).json()["cursor"]
    assert 1 <= (await disposal.dispose(app.state.store, now())).decided
    with pytest.raises(ObjectUnknown):
        await app.state.store.digest(row["object_key"], row["version"])
    assert ["evidence/seal", "evidence/start", "evidence/dispose", "evidence/remove"] == await value(LINES, UUID(gone))
    assert "sealed" == (await standing_of(lin, gone))["state"]
    wu = await an_inspector_of(app, DISTRICT)
    assert (await wu.get(f"/v1/recordings/{gone}")).json()["disposed_at"]
    assert (await lin.get(f"/v1/recordings/{gone}")).json()["disposed_at"] is None
    assert 1 == (await lin.get("/v1/me/record")).json()["kept"]["disposed"]
    assert "evidence/dispose" not in (await lin.get("/v1/changes", after=before)).text
    assert (0, 0) == (await disposal.dispose(app.state.store, now()))[::2]
    await app.state.store.digest((await row_of(stays))["object_key"], (await row_of(stays))["version"])


async def test_the_poster_is_removed_with_its_film(app: Litestar, short_floor: None) -> None:
    """Also one that no row names."""
    lin = await a_duty_auxiliary(app)
    upload = await old(app, lin)
    poster = removing.poster_key(UUID(upload))
    await app.state.store.put(poster, b"a poster of a killed worker", "image/jpeg")
    await past_its_term(upload)
    await disposal.dispose(app.state.store, now())
    assert [] == await app.state.store.versions(poster)


async def test_nothing_held_is_disposed_of_even_by_name(app: Litestar, short_floor: None) -> None:
    """Whether the store has the legal hold yet or not; the database refuses too."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await old(app, lin)
    hold = await place_hold(wu, recording=film, category="case_evidence")
    row = await past_its_term(film)
    assert UUID(film) not in {row["id"] for row in await disposal.due(now())}
    with pytest.raises(Refusal) as held:
        await disposal.dispose_one(app.state.store, UUID(film), now())
    assert "still_held" == held.value.code
    assert not await disposal._set_disposed(UUID(film), now())
    await legal_holds.update_store(app.state.store)
    with pytest.raises(asyncpg.CheckViolationError):
        await execute("UPDATE upload SET disposed_at = now() WHERE id = $1", UUID(film))
    with pytest.raises(ObjectLocked):
        await app.state.store.remove(row["object_key"], row["version"])
    refused(await release(wu, hold), 409, "hold_permanent")
    recorded(await release(wu, hold, mistaken=True))
    await legal_holds.update_store(app.state.store)
    await disposal.dispose_one(app.state.store, UUID(film), now())
    assert (await row_of(film))["removed_at"]
    with pytest.raises(Refusal) as again:
        await disposal.dispose_one(app.state.store, UUID(film), now())
    assert "disposed" == again.value.code


async def test_a_hold_with_a_category_is_permanent(app: Litestar) -> None:
    """公通字〔2016〕14号: four kinds of footage are kept for ever."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    hold = await place_hold(wu, recording=await sealed(app, lin, content()), category="obstruction")
    row = (await wu.get(f"/v1/holds/{hold}")).json()["hold"]
    assert ("obstruction", True) == (row["category"], row["permanent"])


async def test_nothing_is_disposed_of_within_its_term(app: Litestar) -> None:
    """The program refuses, and so does the database."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    with pytest.raises(Refusal) as refusal:
        await disposal.dispose_one(app.state.store, UUID(film), now())
    assert "within_term" == refusal.value.code
    with pytest.raises(asyncpg.CheckViolationError):
        await execute("UPDATE upload SET disposed_at = now() WHERE id = $1", UUID(film))


async def test_a_hold_placed_at_the_same_moment(app: Litestar, short_floor: None, house: Any) -> None:
    """Disposal waits for the transaction that places a hold, and then sees the hold."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await old(app, lin)
    await past_its_term(film)
    placing = await asyncpg.connect(house.database_url)
    try:
        transaction = placing.transaction()
        await transaction.start()
        await placing.execute(legal_holds.LOCK_OUT_DISPOSAL)
        deciding = asyncio.create_task(disposal._set_disposed(UUID(film), now()))
        await asyncio.sleep(0.2)
        assert not deciding.done()
        await placing.execute(
            "INSERT INTO hold (id, organ, origin, upload, permanent, reason, placed_by, placed_at) "
            "SELECT gen_random_uuid(), organ, 'placed', id, false, 'x', $2, now() FROM upload WHERE id = $1",
            UUID(film), wu.id,
        )  # fmt: skip
        line = journal.Line(at=now(), verb="holds/place", outcome="done", subjects=[UUID(film)])
        await placing.execute(journal.APPEND, *journal.columns(line))
        await transaction.commit()
        assert not await deciding
    finally:
        await placing.close()


async def test_a_run_killed_between_the_decision_and_the_removal(app: Litestar, short_floor: None) -> None:
    """The next run removes the bytes. A phone that declares them again later is answered with the sealed upload."""
    lin, same = await a_duty_auxiliary(app), content()
    film = await sealed(app, lin, same, started_at=ago(days=365, hours=1), ended_at=ago(days=365))
    await past_its_term(film)
    assert await disposal._set_disposed(UUID(film), now())
    assert (await row_of(film))["removed_at"] is None
    assert 1 <= await disposal.remove_disposed(app.state.store, now())
    assert (await row_of(film))["removed_at"]
    again = await declare(lin, same)
    assert ("sealed", film) == (again["state"], again["same_as"])


async def test_what_the_store_keeps_longer_gets_a_finding(app: Litestar, short_floor: None) -> None:
    """Somebody placed a legal hold in the store: a finding stands until the removal succeeds."""
    film = await old(app, await a_duty_auxiliary(app))
    row = await past_its_term(film)
    await app.state.store.hold(row["object_key"], row["version"], True)
    assert await disposal._set_disposed(UUID(film), now())
    await disposal.remove_disposed(app.state.store, now())
    assert "disposal_kept" in await value(STANDING, UUID(film))
    await app.state.store.hold(row["object_key"], row["version"], False)
    await disposal.remove_disposed(app.state.store, now())
    assert "disposal_kept" not in (await value(STANDING, UUID(film)) or [])
    assert (await row_of(film))["removed_at"]


async def test_locks_and_holds_that_differ_are_repaired(app: Litestar) -> None:
    """Somebody with keys to the store lifted the hold, and the database has a longer term."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, content())
    await place_hold(wu, recording=film)
    await legal_holds.update_store(app.state.store)
    row = await row_of(film)
    await app.state.store.hold(row["object_key"], row["version"], False)
    await by_owner("UPDATE upload SET locked_until = locked_until + interval '5 days' WHERE id = $1", UUID(film))
    counts = await reconcile.reconcile(app.state.store, now(), UUID(film))
    assert 2 <= counts["repaired"]
    assert await app.state.store.is_held(row["object_key"], row["version"])
    assert (await row_of(film))["locked_until"] == await app.state.store.locked_until(row["object_key"], row["version"])
    repaired = await first(
        "SELECT entry FROM journal WHERE verb = 'evidence/repair' AND $1 = ANY (subjects)", UUID(film)
    )
    assert b'"repaired":["lock","hold"]' in repaired["entry"]
    assert 0 == (await reconcile.reconcile(app.state.store, now(), UUID(film)))["repaired"]


async def flaws(app: Litestar, upload: str, *, deep: bool = False) -> list[str]:
    ring = app.state.key_rings.evidence
    known = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    all_flaws = await integrity_audit.audit(
        app.state.store,
        known,
        [fingerprint(ring.public()[-1])],
        deep=deep,
        progress=lambda done, total: None,
        only=UUID(upload),
    )
    return [flaw.code for flaw in all_flaws if flaw.what == upload]


async def test_an_object_replaced_by_a_new_version(app: Litestar) -> None:
    """The original is locked beneath it; the audit and the nightly comparison report it until it is removed."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    row = await row_of(film)
    assert [] == await flaws(app, film, deep=True)
    over = await app.state.store.put(row["object_key"], b"another film", "video/mp4")
    assert ["object_covered"] == await flaws(app, film)
    assert 1 <= (await reconcile.reconcile(app.state.store, now(), UUID(film)))["covered"]
    assert "evidence_covered" in await value(STANDING, UUID(film))
    assert (row["sha256"], row["bytes"]) == await app.state.store.digest(row["object_key"], row["version"])
    await app.state.store.remove(row["object_key"], over.version)
    await reconcile.reconcile(app.state.store, now(), UUID(film))
    assert [] == (await value(STANDING, UUID(film)) or [])


async def test_a_deletion_over_an_object(app: Litestar) -> None:
    """The sealed version is still there, under a delete marker."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    row = await row_of(film)
    await app.state.store.remove(row["object_key"], "")
    assert ["object_covered"] == await flaws(app, film)


ALTERED = {
    "another receipt": ("receipt = (SELECT receipt FROM upload WHERE state = 'sealed' AND id <> $1 LIMIT 1)",
        ["receipt_differs"]),
    "another digest": ("sha256 = repeat('0', 64)", ["seal_columns", "receipt_differs"]),
    "another version": ("version = 'gone'", ["seal_columns", "object_missing"]),
}  # fmt: skip


@pytest.mark.parametrize("change", ALTERED)
async def test_a_row_of_an_upload_altered(app: Litestar, change: str) -> None:
    """Another receipt, digest or version differs from what the journal says."""
    lin = await a_duty_auxiliary(app)
    film, _ = await sealed(app, lin, content()), await sealed(app, lin, content())
    before = await row_of(film)
    assignment, expected = ALTERED[change]
    await by_owner(f"UPDATE upload SET {assignment} WHERE id = $1", UUID(film))  # noqa: S608
    try:
        assert expected == await flaws(app, film)
    finally:
        await by_owner(
            "UPDATE upload SET receipt = $2, sha256 = $3, version = $4 WHERE id = $1", UUID(film), before["receipt"],
            before["sha256"], before["version"],
        )  # fmt: skip


async def test_other_bytes_in_the_place_of_the_sealed_ones(app: Litestar) -> None:
    """The deep audit finds them, although length and all else are the same."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    row = await row_of(film)
    altered = bytearray(await app.state.store.read(row["object_key"], row["version"]))
    altered[1000] ^= 1
    other = await app.state.store.put(f"{row['object_key']}-flipped", bytes(altered), "video/mp4")
    move = "UPDATE upload SET object_key = $2, version = $3 WHERE id = $1"
    await by_owner(move, UUID(film), other.key, other.version)
    try:
        assert ["seal_columns", "object_differs"] == await flaws(app, film, deep=True)
    finally:
        await by_owner(move, UUID(film), row["object_key"], row["version"])
