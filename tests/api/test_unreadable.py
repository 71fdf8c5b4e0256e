"""One object that the store does not give, while it gives others: that file's fault, and every other goes on."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from litestar import Litestar
from litestar.exceptions import LitestarException
from msgspec.structs import replace

from backend import backup
from backend.backup import BackupFile
from backend.core import database, journal
from backend.core.database import DB, fetch, first, value
from backend.core.keys import fingerprint
from backend.core.settings import Settings
from backend.evidence import excess, healing, resending, sealing, unreadable, view_copies
from backend.evidence.retention import disposal, integrity_audit, legal_holds, reconcile
from backend.evidence.service import OPEN_UPLOADS
from backend.law.catalogue import law
from backend.proof.trust import KeySet
from backend.reviews import watching
from mobile_api.cli.demo_film import film as filmed
from mobile_api.cli.verify import last_line
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreRefused, StoreUnavailable
from tests.api.test_disposal import short_terms
from tests.api.test_holds import content, place_hold
from tests.api.test_reviews import lines, opened, watch
from tests.api.test_watching import view
from tests.builders import DISTRICT, Someone, a_duty_auxiliary, ago, an_inspector_of, now, recorded, refused
from tests.databases import by_owner
from tests.devices import (
    MIB,
    completed,
    declare,
    parts_of,
    received,
    row_of,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
    some_bytes,
    standing_of,
)
from tests.nonsense import Nonsense, nonsense
from tests.recorder_films import recorded_film

FILM = some_bytes(3 * MIB, "a film that breaks")
HALF = MIB + 5
STANDING = "SELECT count(*) FROM finding WHERE kind = 'evidence_unreadable' AND subject = $1 AND withdrawn_at IS NULL"
LINES = "SELECT verb, entry FROM journal WHERE $1 = ANY (subjects) AND verb = ANY ($2) ORDER BY seq"


@pytest.fixture
def damage(house: Settings) -> Iterator[Nonsense]:
    """A proxy before the real store, which damages the objects that it is told of."""
    with nonsense(str(house.s3_endpoint)) as proxy:
        yield proxy


@pytest.fixture
async def store(house: Settings, damage: Nonsense, app: Litestar) -> AsyncIterator[EvidenceStore]:
    """The real store, through the proxy."""
    store = store_of(replace(house, s3_endpoint=damage.endpoint))
    yield store
    store.close()


def different() -> bytes:
    """A film like FILM that no other test has."""
    return content() + FILM


async def stands(upload: Any) -> bool:
    return bool(await value(STANDING, UUID(str(upload))))


async def told(upload: Any, *verbs: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row["entry"]) for row in await fetch(LINES, UUID(str(upload)), list(verbs))]


# -- the store itself


async def test_a_body_that_ends_in_the_middle_is_the_objects_fault(store: EvidenceStore, damage: Nonsense) -> None:
    """How far it reads is told, by two tries over two connections; what lies beside it is given."""
    broken = await store.put("broken/middle", FILM, "video/mp4")
    beside = await store.put("broken/beside", FILM, "video/mp4")
    damage.broken = {broken.key: HALF}
    with pytest.raises(ObjectUnreadable) as raised:
        await store.digest(broken.key, broken.version)
    assert (broken.key, broken.version, MIB) == (raised.value.key, raised.value.version, raised.value.read_to)
    with pytest.raises(ObjectUnreadable):
        await store.read(broken.key, broken.version)
    assert len(FILM) == (await store.find(broken.key)).bytes  # HEAD says nothing of it
    assert (sha256_of(FILM), len(FILM)) == await store.digest(beside.key, beside.version)


async def test_a_stream_gives_what_there_is_and_then_says_so(store: EvidenceStore, damage: Nonsense) -> None:
    """Every byte before the damage is given once; what begins behind it is given nothing of."""
    put = await store.put("broken/stream", FILM, "video/mp4")
    damage.broken = {put.key: HALF}
    given = bytearray()

    async def take() -> None:
        async for piece in store.stream(put.key, put.version, 10, len(FILM) - 10, 65536):
            given.extend(piece)

    with pytest.raises(ObjectUnreadable) as raised:
        await take()
    assert bytes(given) == FILM[10 : 10 + len(given)]
    assert 10 + len(given) == raised.value.read_to
    assert HALF - 65536 < raised.value.read_to <= HALF
    with pytest.raises(ObjectUnreadable):
        async for _ in store.stream(put.key, put.version, 2 * MIB, 10, 65536):
            pass
    assert FILM[:MIB] == b"".join([piece async for piece in store.stream(put.key, put.version, 0, MIB, 65536)])


async def test_a_stream_that_broke_off_once_goes_on(store: EvidenceStore, damage: Nonsense) -> None:
    """A connection that is lost is no damage: the rest comes over another one, each byte once."""
    put = await store.put("broken/once", FILM, "video/mp4")
    damage.lies = [("cut", "GET", put.key)]
    pieces = [piece async for piece in store.stream(put.key, put.version, 0, len(FILM), 65536)]
    assert FILM == b"".join(pieces)
    assert 1 == damage.done["cut"]


async def test_damaged_metadata_is_the_objects_fault(store: EvidenceStore, damage: Nonsense) -> None:
    put = await store.put("broken/metadata", FILM, "video/mp4")
    damage.broken = {put.key: None}
    for call in (store.find(put.key), store.find(put.key, put.version), store.digest(put.key, put.version)):
        with pytest.raises(ObjectUnreadable) as raised:
            await call
        assert 0 == raised.value.read_to


async def test_where_nothing_is_given_no_object_is_at_fault(store: EvidenceStore, damage: Nonsense) -> None:
    """The whole store fails: nothing is concluded of any object."""
    put = await store.put("broken/whole", FILM, "video/mp4")
    damage.broken = {"": None}
    for call in (store.find(put.key), store.digest(put.key, put.version)):
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_name_that_the_store_cannot_read_is_no_version(store: EvidenceStore, damage: Nonsense) -> None:
    """Reading: there is no such version; removing: nothing was removed, and that is said."""
    put = await store.put("broken/names", FILM, "video/mp4")
    damage.unparsed = r"versionId=no-version"
    for call in (
        store.find(put.key, "no-version"), store.read(put.key, "no-version"), store.digest(put.key, "no-version"),
    ):  # fmt: skip
        with pytest.raises(ObjectUnknown):
            await call
    with pytest.raises(ObjectUnknown):
        async for _ in store.stream(put.key, "no-version", 0, 1, 1):
            pass
    with pytest.raises(StoreRefused):
        await store.remove(put.key, "no-version")
    assert FILM == await store.read(put.key, put.version)


# -- verify


async def flaws_of(app: Litestar, store: EvidenceStore, *, deep: bool, only: Any = None) -> list[Any]:
    ring = app.state.key_rings.evidence
    known = KeySet(keys=ring.public(), endorsements=ring.endorsements())
    return await integrity_audit.audit(
        store, known, [fingerprint(ring.public()[-1])], deep=deep, progress=lambda done, total: None, only=only
    )


@pytest.mark.parametrize(("given", "deep"), [(HALF, True), (None, True), (None, False)])
async def test_verify_names_the_film_and_goes_on(
    app: Litestar, store: EvidenceStore, damage: Nonsense, given: int | None, deep: bool
) -> None:  # fmt: skip
    """It is damage, not alteration; of the film beside it nothing is said."""
    lin = await a_duty_auxiliary(app)
    film, beside = await sealed(app, lin, different()), await sealed(app, lin, content())
    damage.broken = {film: given}
    found = {each: await flaws_of(app, store, deep=deep, only=UUID(each)) for each in (film, beside)}
    assert [] == found[beside]
    (flaw,) = found[film]
    assert ("evidence_unreadable", film) == (flaw.code, flaw.what)
    assert flaw.read_to == (0 if given is None else MIB)
    assert f"cannot be read beyond byte {flaw.read_to}" in flaw.sentence("en")
    assert f"读到第 {flaw.read_to} 字节为止" in flaw.sentence("zh")
    assert "damaged" in last_line([flaw])
    assert "altered" not in last_line([flaw])


# -- backup


async def copied_out(store: EvidenceStore, folder: Path, uploads: list[str], known: list[BackupFile]) -> Any:
    rows = [await row_of(upload) for upload in uploads]
    wanted = [
        BackupFile(
            of="upload", id=str(row["id"]), key=row["object_key"], version=row["version"], media_type="video/mp4",
            sha256=row["sha256"], bytes=row["bytes"],
        )
        for row in rows
    ]  # fmt: skip
    return await backup._copy_files_out(store, folder, wanted, {file.key: file for file in known}, lambda *_: None)


async def test_a_backup_saves_all_else(app: Litestar, store: EvidenceStore, damage: Nonsense, tmp_path: Path) -> None:
    """It names the file and how far it reads, and leaves nothing of it behind."""
    lin = await a_duty_auxiliary(app)
    film, beside = await sealed(app, lin, different()), await sealed(app, lin, content())
    damage.broken = {film: HALF}
    out = await copied_out(store, tmp_path, [film, beside], [])
    key = (await row_of(film))["object_key"]
    assert ([beside], [key], 1) == ([file.id for file in out.present], out.missing, out.copied)
    assert HALF - MIB <= out.unreadable[key] <= HALF
    assert [beside] == sorted(os.listdir(tmp_path / "objects" / key.rpartition("/")[0]))


async def test_a_backup_keeps_the_good_copy_that_it_has(
    app: Litestar, store: EvidenceStore, damage: Nonsense, tmp_path: Path
) -> None:  # fmt: skip
    """Of the same digest, under an older version: neither removed nor overwritten, and it counts as saved."""
    film = await sealed(app, await a_duty_auxiliary(app), bytes_of_it := different())
    saved = await copied_out(store, tmp_path, [film], [])
    older = [replace(saved.present[0], version="older")]
    damage.broken = {film: HALF}
    out = await copied_out(store, tmp_path, [film], older)
    key = (await row_of(film))["object_key"]
    assert ([key], [], [film]) == (out.kept, out.missing, [file.id for file in out.present])
    assert bytes_of_it == (tmp_path / "objects" / key).read_bytes()
    (tmp_path / "objects" / key).write_bytes(bytes_of_it[:-1] + b"x")
    out = await copied_out(store, tmp_path, [film], older)
    assert ([], [key]) == (out.kept, out.missing)


# -- locks, holds, terms, disposal


async def test_the_nightly_comparison_goes_on_behind_it(app: Litestar, store: EvidenceStore, damage: Nonsense) -> None:
    """The film gets a finding, those behind it are compared; read again, the finding goes."""
    lin = await a_duty_auxiliary(app)
    films = sorted([await sealed(app, lin, content()) for _ in range(2)])
    damage.broken = {films[0]: None}
    await app.state.store.hold(*await place_of(films[1]), True)  # which nobody asked for
    counts = await reconcile.reconcile(store, now())
    assert (1, [True, False]) == (counts["unreadable"], [await stands(film) for film in films])
    assert not await app.state.store.is_held(*await place_of(films[1]))
    since = await unreadable.since(UUID(films[0]))
    await reconcile.reconcile(store, now(), UUID(films[0]))
    assert since == await unreadable.since(UUID(films[0]))  # the same finding, since the same moment
    damage.broken = {}
    assert 0 == (await reconcile.reconcile(store, now(), UUID(films[0])))["unreadable"]
    assert not await stands(films[0])


async def place_of(upload: Any) -> tuple[str, str]:
    row = await row_of(upload)
    return row["object_key"], row["version"]


async def test_a_damaged_body_stays_a_finding_until_all_of_it_is_read(
    app: Litestar, store: EvidenceStore, damage: Nonsense
) -> None:  # fmt: skip
    """Locks and holds of such a film answer as ever: that is no proof that it can be read."""
    film = await sealed(app, await a_duty_auxiliary(app), different())
    damage.broken = {film: HALF}
    await unreadable.note(UUID(film), DISTRICT, now())
    assert 1 == (await reconcile.reconcile(store, now(), UUID(film)))["unreadable"]
    assert await stands(film)
    damage.broken = {}
    await reconcile.reconcile(store, now(), UUID(film))
    assert not await stands(film)


async def test_holds_are_set_behind_it(app: Litestar, store: EvidenceStore, damage: Nonsense) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    films = sorted([await sealed(app, lin, content()) for _ in range(2)])
    damage.broken = {films[0]: None}
    await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    await legal_holds.update_store(store)
    assert [False, True] == [(await row_of(film))["legal_hold"] for film in films]
    assert [True, False] == [await stands(film) for film in films]
    damage.broken = {}
    await legal_holds.update_store(store)
    assert (await row_of(films[0]))["legal_hold"]


async def test_disposal_goes_on_behind_it(
    app: Litestar, store: EvidenceStore, damage: Nonsense, tmp_path: Path
) -> None:  # fmt: skip
    lin = await a_duty_auxiliary(app)
    with short_terms(tmp_path):
        times = {"started_at": ago(days=365, hours=1), "ended_at": ago(days=365)}
        films = sorted([await sealed(app, lin, content(), **times) for _ in range(2)])
        await asyncio.sleep(3.5)
        damage.broken = {films[0]: None}
        await disposal.dispose(store, now())
        assert [None, True] == [(await row_of(film))["removed_at"] and True for film in films]
        damage.broken = {}
        await disposal.dispose(store, now())
        assert (await row_of(films[0]))["removed_at"]


async def test_a_store_that_takes_no_writes_damages_no_film(
    app: Litestar, store: EvidenceStore, damage: Nonsense
) -> None:  # fmt: skip
    """A hold that cannot be set is no sign that the film cannot be read."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, content())
    await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    damage.broken = {rf"{film}\?.*legal-hold": None}
    with pytest.raises(StoreUnavailable):
        await legal_holds.update_for(store, UUID(film))
    assert not await stands(film)


# -- watching, packages, documents


@pytest.fixture
def served(app: Litestar, store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> EvidenceStore:
    """The API over the store that is damaged."""
    monkeypatch.setattr(app.state, "store", store)
    return store


async def test_watching_it_is_a_sentence(app: Litestar, damage: Nonsense, served: EvidenceStore) -> None:
    """A stable code that asks nobody to try again, in both languages; the finding stands, and nothing was served."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, different())
    review = (await opened(wu, film))["id"]
    assert 206 == (await watch(wu, film, review, span="bytes=0-9")).status_code
    damage.broken = {film: 0}
    answer = await watch(wu, film, review)
    problem = refused(answer, 409, "evidence_unreadable")
    assert "fujing heal" in problem["detail"]
    assert "Retry-After" not in answer.headers
    assert await stands(film)
    assert [10, 0] == [line["facts"]["served"] for line in await lines(film) if line["verb"] == "recordings/viewed"]


async def test_a_film_that_breaks_off_is_never_ended_well(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """What lies before the damage is served, and the journal has exactly that; the rest is an error."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, different())
    review = (await opened(wu, film))["id"]
    await watch(wu, film, review, span="bytes=0-9")
    damage.broken = {film: HALF}
    assert 206 == (await watch(wu, film, review, span="bytes=0-1000")).status_code
    await breaks_off(wu, film, review)
    refused(await watch(wu, film, review, span=f"bytes={2 * MIB}-"), 409, "evidence_unreadable")
    sent = [line["facts"]["served"] for line in await lines(film) if line["verb"] == "recordings/viewed"]
    assert ([10, 1001], 0) == (sent[:2], sent[3])
    assert HALF - 2 * watching.BLOCK < sent[2] <= HALF  # the last block waits for the digest
    assert await stands(film)


async def test_a_whole_film_of_other_bytes_is_never_ended_well(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """A store that gives a damaged piece as if it were whole: the last bytes are not sent, and the finding stands."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, different())
    review = (await opened(wu, film))["id"]
    await watch(wu, film, review, span="bytes=0-9")
    damage.lies = [("other_bytes", "GET", rf"{film}\?versionId=\w+$")]
    await breaks_off(wu, film, review)
    assert await stands(film)
    sent = [line["facts"]["served"] for line in await lines(film) if line["verb"] == "recordings/viewed"]
    assert sent[1] < (await row_of(film))["bytes"]
    assert 200 == (await watch(wu, film, review)).status_code


async def breaks_off(who: Someone, film: str, review: str, what: str = "content") -> None:
    """Watch it; the answer has begun when it breaks, so that the server can only cut the connection."""
    with pytest.raises(LitestarException, match="after response started"):
        await watch(who, film, review, what=what)


async def test_a_package_of_it_is_refused_with_its_name(app: Litestar, damage: Nonsense, served: EvidenceStore) -> None:
    """The first time it may break off; known, it is refused before anything is sent; whole again, it is given."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, different())
    review = (await opened(wu, film))["id"]
    damage.broken = {film: HALF}
    await breaks_off(wu, film, review, what="package")
    problem = refused(await watch(wu, film, review, what="package"), 409, "evidence_unreadable")
    assert [film] == problem["recordings"]
    damage.broken = {}
    assert 200 == (await watch(wu, film, review, what="package")).status_code
    assert not await stands(film)


async def test_a_package_of_a_film_of_which_nothing_is_given(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, different())
    review = (await opened(wu, film))["id"]
    damage.broken = {film: None}
    refused(await watch(wu, film, review, what="package"), 409, "evidence_unreadable")


async def test_a_document_and_a_poster_that_cannot_be_read(
    app: Litestar, damage: Nonsense, served: EvidenceStore, tmp_path: Path
) -> None:  # fmt: skip
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    paper = some_bytes(5000, str(tmp_path))
    declared = {"file_name": "x.pdf", "media_type": "application/pdf", "bytes": 5000, "sha256": sha256_of(paper)}
    document = recorded(await lin.post("/v1/documents/declare", title="诊断证明", **declared))["upload"]["id"]
    await send_missing(lin, document, paper)
    await completed(lin, document)
    await run_seal(app, document)
    made = filmed(tmp_path / "film.mp4", seconds=1, width=160, height=96).path.read_bytes()
    film = await sealed(app, lin, made)
    review = (await opened(wu, film))["id"]
    damage.broken = {document: None, f"poster/{film}": None}
    refused(await lin.get(f"/v1/documents/{document}/content"), 409, "evidence_unreadable")
    refused(await watch(wu, film, review, what="poster"), 409, "evidence_unreadable")
    assert [True, False] == [await stands(document), await stands(film)]  # a poster is no evidence


async def test_what_a_film_is_is_not_concluded_from_a_damaged_one(
    app: Litestar, damage: Nonsense, served: EvidenceStore, tmp_path: Path
) -> None:  # fmt: skip
    """The child that looks at it fails: nothing is kept of that, and once it is whole again it is looked at."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    made = filmed(tmp_path / "film.mp4", seconds=3, width=320, height=192).path.read_bytes()
    film = await sealed(app, lin, made)
    review = (await opened(wu, film))["id"]
    damage.broken = {film: len(made) // 2}
    answer = await wu.get(f"/v1/reviews/{review}/viewing")
    if answer.status_code != 200:  # its index may lie before the damage
        refused(answer, 409, "evidence_unreadable")
    damage.broken = {}
    assert "video" == (await wu.get(f"/v1/reviews/{review}/viewing")).json()["kind"]


async def test_a_view_copy_that_cannot_be_read_is_made_again(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """It is no evidence, so nothing is said of the film."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await sealed(app, lin, recorded_film("mp4", "libx265"), media_type="video/mp4")
    review = (await opened(wu, film))["id"]
    refused(await view(wu, film, review), 409, "view_copy_not_ready")
    await view_copies.make(served, UUID(film))
    damage.broken = {f"view/{film}": 0}
    refused(await view(wu, film, review), 503, "store_unavailable")
    damage.broken = {}
    refused(await view(wu, film, review), 409, "view_copy_not_ready")
    assert not await stands(film)


# -- sealing


async def an_hour_later(upload: Any) -> None:
    before = law().span("unreadable_tried") + timedelta(seconds=1)
    sql = "UPDATE finding SET started_at = started_at - $3::interval WHERE subject = $1 AND kind = $2"
    await by_owner(sql, UUID(str(upload)), unreadable.KIND, before)


async def seal(app: Litestar, store: EvidenceStore, upload: Any) -> None:
    await sealing.seal(store, app.state.key_rings, UUID(str(upload)))


@pytest.mark.parametrize("given", [HALF, None])
async def test_what_arrived_and_cannot_be_read_is_asked_for_again(
    app: Litestar, store: EvidenceStore, damage: Nonsense, given: int | None
) -> None:  # fmt: skip
    """For an hour it is tried; then the device hears that it is to send again. Nothing is removed or taken for it."""
    lin, film = await a_duty_auxiliary(app), different()
    upload = await received(lin, film)
    key = (await row_of(upload))["object_key"]
    there = await app.state.store.find(key)
    damage.broken = {rf"{upload}(\?|$)": given}
    with pytest.raises(ObjectUnreadable):
        await seal(app, store, upload)
    assert ("received", True) == ((await standing_of(lin, upload))["state"], await stands(upload))
    await an_hour_later(upload)
    await seal(app, store, upload)
    assert "receiving" == (await standing_of(lin, upload))["state"]
    (line,) = await told(upload, "evidence/unreadable")
    assert {"read_to": 0 if given is None else MIB, "version": there.version} == line["facts"]
    assert there == await app.state.store.find(key)
    assert there.version in await excess.refused(UUID(upload))
    assert 0 == await excess.remove_refused(app.state.store, now() + timedelta(days=400))
    assert len(film) == (await first(OPEN_UPLOADS, lin.id))["bytes"]  # it counts once: that is no fault of theirs
    assert 1 == await send_missing(lin, upload, film)
    assert "received" == await completed(lin, upload)
    await seal(app, store, upload)
    row = await row_of(upload)
    assert ("sealed", f"{key}.again") == (row["state"], row["object_key"])
    assert 0 == await sealing.try_unreadable_again(app.state.store)
    assert not await stands(upload)
    await excess.remove_refused(app.state.store, now() + timedelta(days=400))
    assert [row["version"]] == [each.version for each in await app.state.store.versions(key)]
    with pytest.raises(ObjectUnknown):
        await app.state.store.find(key, there.version)


async def test_a_key_is_changed_of_what_is_on_its_way_alone(app: Litestar) -> None:
    """Neither of what is sealed, nor to a key of another upload."""
    lin = await a_duty_auxiliary(app)
    film, upload = await sealed(app, lin, content()), (await declare(lin, content()))["id"]
    await parts_of(lin, upload)
    for which, key in ((film, (await row_of(film))["object_key"] + ".x"), (upload, (await row_of(film))["object_key"])):
        assert not await value("SELECT send_elsewhere($1, $2)", UUID(which), key)


async def test_what_is_read_after_all_is_sealed_without_its_device(
    app: Litestar, store: EvidenceStore, damage: Nonsense
) -> None:  # fmt: skip
    """The phone is lost, and the disk comes back: the version that was kept is sealed."""
    lin = await a_duty_auxiliary(app)
    upload = await received(lin, different())
    damage.broken = {upload: HALF}
    with pytest.raises(ObjectUnreadable):
        await seal(app, store, upload)
    await an_hour_later(upload)
    await seal(app, store, upload)
    assert 0 == await sealing.try_unreadable_again(store)
    damage.broken = {}
    assert 1 <= await sealing.try_unreadable_again(store)
    assert "received" == (await standing_of(lin, upload))["state"]
    await seal(app, store, upload)
    assert "sealed" == (await standing_of(lin, upload))["state"]
    assert not await stands(upload)


# -- put back


class AsOwner:
    """For the length of a block, the database as the owner of the tables."""

    def __init__(self, house: Settings) -> None:
        self._url = str(house.migrate_url)

    async def __aenter__(self) -> None:
        self._pool, DB.pool = DB.pool, None
        await database.connect(self._url, 2)

    async def __aexit__(self, *_: object) -> None:
        await database.disconnect()
        DB.pool = self._pool


async def broken_film(app: Litestar, damage: Nonsense, given: int | None = HALF) -> tuple[Someone, str, bytes, Any]:
    """A sealed film whose sealed version is damaged: its wearer, id, bytes and row."""
    lin, film = await a_duty_auxiliary(app), different()
    upload = await sealed(app, lin, film)
    row = await row_of(upload)
    damage.broken = {rf"{upload}.*{row['version']}": given}
    await unreadable.note(UUID(upload), row["organ"], now())
    return lin, upload, film, row


async def put_back(house: Settings, store: EvidenceStore, upload: str, source: bytes | None) -> str | None:
    async with AsOwner(house):
        row = await healing.sealed_file(UUID(upload))
        origin = "file" if source is not None else "device"
        return await healing.heal(store, row, origin, io.BytesIO(source) if source is not None else None)


@pytest.mark.parametrize("given", [HALF, None])
async def test_exactly_the_sealed_bytes_are_put_back(
    app: Litestar, house: Settings, store: EvidenceStore, damage: Nonsense, given: int | None
) -> None:  # fmt: skip
    """A new version, locked and held as before; the broken one stays; verify reads it, deep or not, and is content."""
    lin, upload, film, before = await broken_film(app, damage, given)
    await place_hold(await an_inspector_of(app, DISTRICT), person=lin.id, started_at=ago(hours=3), ended_at=now())
    await legal_holds.update_store(app.state.store)
    version = await put_back(house, store, upload, film)
    row = await row_of(upload)
    assert (version, True) == (row["version"], version != before["version"])
    assert row["locked_until"] == await app.state.store.locked_until(row["object_key"], row["version"])
    assert await app.state.store.is_held(row["object_key"], row["version"])
    assert (before["sha256"], before["bytes"]) == await store.digest(row["object_key"], row["version"])
    assert (before["sha256"], before["bytes"]) == await app.state.store.digest(row["object_key"], before["version"])
    (line,) = await told(upload, "evidence/heal")
    expected = {
        "sha256": row["sha256"], "bytes": row["bytes"], "key": row["object_key"], "version": version,
        "replaced_key": before["object_key"], "replaced": before["version"],
    }  # fmt: skip
    assert expected | {"from": "file"} == {name: line["facts"][name] for name in (*expected, "from")}
    assert not await stands(upload)
    for deep in (False, True):
        assert [] == await flaws_of(app, store, deep=deep, only=UUID(upload))
    assert None is await put_back(house, store, upload, film)
    assert 0 == (await reconcile.reconcile(store, now(), UUID(upload)))["repaired"]


async def test_where_the_store_takes_nothing_more_it_is_put_beside(
    app: Litestar, house: Settings, store: EvidenceStore, damage: Nonsense, tmp_path: Path
) -> None:  # fmt: skip
    """MinIO, with damaged metadata: every call about that key fails, a new version too."""
    lin, film = await a_duty_auxiliary(app), different()
    with short_terms(tmp_path):
        upload = await sealed(app, lin, film, started_at=ago(days=365, hours=1), ended_at=ago(days=365))
        before = await row_of(upload)
        damage.broken = {rf"{upload}(\?|$)": None}
        await reconcile.reconcile(store, now(), UUID(upload))
        assert await stands(upload)
        version = await put_back(house, store, upload, film)
        row = await row_of(upload)
        assert (f"{before['object_key']}.healed", version) == (row["object_key"], row["version"])
        assert [] == await flaws_of(app, store, deep=True, only=UUID(upload))
        assert None is await put_back(house, store, upload, film)
        damage.broken = {}
        await asyncio.sleep(3.5)
        await disposal.dispose(app.state.store, now())
    assert (await row_of(upload))["removed_at"]
    assert [] == await app.state.store.versions(before["object_key"])


OTHERS = {
    "other bytes": lambda film: film[::-1], "cut": lambda film: film[:-1], "longer": lambda film: film + b"x",
    "nothing": lambda film: b"",
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
async def test_other_bytes_are_never_put_back(
    app: Litestar, house: Settings, store: EvidenceStore, damage: Nonsense, other: str
) -> None:  # fmt: skip
    """A sentence, and nothing was stored."""
    _, upload, film, before = await broken_film(app, damage)
    with pytest.raises(healing.NotHealed, match="Nothing was stored"):
        await put_back(house, store, upload, OTHERS[other](film))
    assert before["version"] == (await row_of(upload))["version"]
    listed = [each.version for each in await app.state.store.versions(before["object_key"])]
    assert [before["version"]] == listed
    assert await stands(upload)


@pytest.mark.parametrize("at", ["lock", "hold", "_move"])
async def test_killed_in_between_it_goes_on(
    app: Litestar, house: Settings, store: EvidenceStore, damage: Nonsense, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:  # fmt: skip
    """What was put already is taken up; there is one new version, and one line."""
    lin, upload, film, before = await broken_film(app, damage)
    await place_hold(await an_inspector_of(app, DISTRICT), person=lin.id, started_at=ago(hours=3), ended_at=now())
    await legal_holds.update_store(app.state.store)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(healing if at == "_move" else store, at, killed)
        with pytest.raises(KeyboardInterrupt):
            await put_back(house, store, upload, film)
    assert before["version"] == (await row_of(upload))["version"]
    version = await put_back(house, store, upload, film)
    listed = [each.version for each in await app.state.store.versions(before["object_key"])]
    assert {before["version"], version} == set(listed)
    assert 2 == len(listed)
    assert 1 == len(await told(upload, "evidence/heal"))
    assert await app.state.store.is_held(before["object_key"], str(version))


async def test_a_film_that_the_store_lost_is_put_back(app: Litestar, house: Settings, store: EvidenceStore) -> None:
    lin, film = await a_duty_auxiliary(app), different()
    upload = await sealed(app, lin, film)
    await by_owner("UPDATE upload SET version = 'gone' WHERE id = $1", UUID(upload))
    assert await put_back(house, store, upload, film)
    assert "object_missing" not in [flaw.code for flaw in await flaws_of(app, store, deep=True, only=UUID(upload))]


async def test_only_the_owner_says_that_a_film_was_put_back(app: Litestar, house: Settings, damage: Nonsense) -> None:
    """Neither the version nor the line is the application's; and no line tells of other bytes than were sealed."""
    _, upload, _, row = await broken_film(app, damage)
    with pytest.raises(asyncpg.CheckViolationError, match="is sealed"):
        await database.execute("UPDATE upload SET version = 'other' WHERE id = $1", UUID(upload))
    facts = facts_of(row, row["version"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="owner of the tables"):
        await say_healed(row, facts)
    async with AsOwner(house):
        for wrong in ({"sha256": "0" * 64}, {"bytes": 1}, {"version": "other"}, {"key": "other"}):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="other bytes than were sealed"):
                await say_healed(row, facts | wrong)


def facts_of(row: Any, version: str) -> dict[str, Any]:
    return {
        "sha256": row["sha256"], "bytes": row["bytes"], "key": row["object_key"], "version": version,
        "replaced_key": row["object_key"], "replaced": row["version"], "from": "file",
    }  # fmt: skip


async def say_healed(row: Any, facts: dict[str, Any]) -> None:
    line = journal.Line(
        at=now(), verb="evidence/heal", outcome="done", organ=row["organ"], subjects=[row["id"]], facts=facts
    )  # fmt: skip
    await journal.append(line)


async def test_other_bytes_under_a_line_that_the_owner_made_up(
    app: Litestar, house: Settings, damage: Nonsense, store: EvidenceStore
) -> None:  # fmt: skip
    """The digest of the sealing in the line, and other bytes in the store: verify reads them, deep or not."""
    _, upload, film, row = await broken_film(app, damage)
    over = await app.state.store.put(row["object_key"], film[::-1], "video/mp4")
    async with AsOwner(house), database.tx():
        await database.execute("UPDATE upload SET version = $2 WHERE id = $1", UUID(upload), over.version)
        await say_healed(row, facts_of(row, over.version))
    try:
        assert ["object_differs"] == [flaw.code for flaw in await flaws_of(app, store, deep=False, only=UUID(upload))]
    finally:
        await put_back(house, app.state.store, upload, film)


async def test_a_film_that_was_put_back_goes_whole_after_its_term(
    app: Litestar, house: Settings, store: EvidenceStore, damage: Nonsense, tmp_path: Path
) -> None:  # fmt: skip
    """The broken version goes with it."""
    lin, film = await a_duty_auxiliary(app), different()
    with short_terms(tmp_path):
        times = {"started_at": ago(days=365, hours=1), "ended_at": ago(days=365)}
        upload = await sealed(app, lin, film, **times)
        row = await row_of(upload)
        damage.broken = {rf"{upload}.*{row['version']}": HALF}
        assert await put_back(house, store, upload, film)
        damage.broken = {}
        await asyncio.sleep(3.5)
        await disposal.dispose(app.state.store, now())
    assert (await row_of(upload))["removed_at"]
    assert [] == await app.state.store.versions(row["object_key"])


# -- a device that still has it


async def test_a_device_that_has_it_is_asked_for_it(
    app: Litestar, house: Settings, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """Nobody hears "sealed" while the copy cannot be read: the phone that sent it, or a dock that declares it anew."""
    lin, upload, film, before = await broken_film(app, damage)
    answer = await standing_of(lin, upload, english=True)
    assert ("receiving", None) == (answer["state"], answer["receipt"])
    assert "send it again" in answer["advice"]
    again = await declare(lin, film)
    assert (upload, "receiving") == (again["same_as"], again["state"])
    assert 1 == await send_missing(lin, again["id"], film)
    assert "received" == await completed(lin, again["id"])
    assert ["received"] * 2 == [(await standing_of(lin, each))["state"] for each in (upload, again["id"])]
    await sealing.compare(served, UUID(upload))
    assert [] == [flaw.code for flaw in await flaws_of(app, app.state.store, deep=False, only=UUID(upload))]
    assert (before["version"], "sealed") == ((await row_of(upload))["version"], (await row_of(upload))["state"])
    assert await put_back(house, served, upload, None)
    assert ["sealed"] * 2 == [(await standing_of(lin, each))["state"] for each in (upload, again["id"])]
    assert before["receipt"] == (await standing_of(lin, upload))["receipt"]
    assert [] == await served.versions(resending.key_of(UUID(upload)))
    assert ["device"] == [line["facts"]["from"] for line in await told(upload, "evidence/heal")]


async def test_a_device_that_sends_other_bytes_is_asked_once_more(
    app: Litestar, house: Settings, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """They lie beside the sealed film, never over it, and go at once."""
    lin, upload, film, before = await broken_film(app, damage)
    await send_missing(lin, upload, film[::-1])
    assert "received" == await completed(lin, upload, bytes=len(film), sha256=before["sha256"])
    with pytest.raises(healing.NotHealed):
        await put_back(house, served, upload, None)
    await sealing.compare(served, UUID(upload))
    assert "receiving" == (await standing_of(lin, upload))["state"]
    assert [] == await served.versions(resending.key_of(UUID(upload)))
    assert 1 == await send_missing(lin, upload, film)
    assert "received" == await completed(lin, upload)
    assert await put_back(house, served, upload, None)
    assert "sealed" == (await standing_of(lin, upload))["state"]


async def test_what_is_begun_again_and_left_is_swept(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    lin, upload, _, _ = await broken_film(app, damage)
    await parts_of(lin, upload)
    assert 0 == await resending.close_left(served, now())
    assert 1 == await resending.close_left(served, now() + timedelta(days=400))
    assert None is (await row_of(upload))["store_upload"]
    assert 1 == len((await parts_of(lin, upload))["missing"])


async def test_a_film_that_is_read_again_is_sealed_as_before(
    app: Litestar, damage: Nonsense, served: EvidenceStore
) -> None:  # fmt: skip
    """The disk came back before anybody sent anything: the night's comparison says so, and the receipt is given."""
    lin, upload, _, _ = await broken_film(app, damage)
    damage.broken = {}
    await reconcile.reconcile(served, now(), UUID(upload))
    assert "sealed" == (await standing_of(lin, upload))["state"]
