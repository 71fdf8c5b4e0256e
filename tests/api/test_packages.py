"""Packages: what they prove, who may take them, and that every change inside is found."""

import hashlib
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import bagit
import jwt
import msgspec
import pytest
from litestar import Litestar
from litestar.exceptions import LitestarException
from rich.console import Console

from backend.core.database import fetch, value
from backend.core.journal import utc
from backend.core.keys import ALGORITHM, KeyRing, fingerprint
from backend.evidence.retention import legal_holds
from backend.packages.bags import BagWriter
from backend.proof import checkpoints
from backend.proof.bag import INFO, PAYLOAD, SIGNED, TAGS, manifest_of, open_bag
from backend.proof.package import ABOUT, PEOPLE, PackageReport, verify
from backend.reviews import watching
from mobile_api.cli.verify_package import check
from tests.api.test_holds import content, covered
from tests.api.test_reviews import a_complaint_about, watch
from tests.api.test_reviews import opened as reviewed
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)
from tests.databases import by_owner
from tests.devices import received, row_of, run_seal, sealed

Files = dict[str, bytes]


def ours(app: Litestar) -> str:
    return fingerprint(app.state.key_rings.evidence.public()[-1])


def unzipped(whole: bytes) -> Files:
    """The files of the bag by name, without the top folder."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, path: Path) -> Path:
    """An archive of these files in our own form: what is wrong is in the files."""
    about = files.get(ABOUT, b"")
    id, made_at = (
        re.search(rb'"id": ?"([0-9a-f-]{36})", ?"kind"', about),
        re.search(rb'"made_at": ?"([0-9T:.-]{26}Z)"', about),
    )
    writer = BagWriter(
        id[1].decode() if id else str(uuid4()), datetime.fromisoformat(made_at[1].decode() if made_at else utc(now()))
    )
    path.write_bytes(b"".join(writer.put(name, file_bytes) for name, file_bytes in files.items()) + writer.close())
    return path


def rebagged(files: Files) -> Files:
    """The same files with new manifests and sizes, as a forger who changed one would write them."""
    files = {name: file_bytes for name, file_bytes in files.items() if name != TAGS}
    if INFO in files:
        payload = [len(each) for name, each in files.items() if name.startswith("data/")]
        files[INFO] = re.sub(rb"Oxum: [\d.]+", f"Oxum: {sum(payload)}.{len(payload)}".encode(), files[INFO])
    for manifest, data in ((PAYLOAD, True), (TAGS, False)):
        digests = {name: hashlib.sha256(each).hexdigest() for name, each in files.items() if name != manifest}
        files[manifest] = manifest_of(digests, data=data)
    return files


def verified(files: Files, path: Path, *trust: str) -> PackageReport:
    with open_bag(zipped(files, path / "package.zip")) as bag:
        return verify(bag, trust)


def flaws_of(report: PackageReport) -> str:
    return " | ".join(flaw.en for flaw in report.flaws)


@pytest.fixture(scope="module")
async def package(app: Litestar) -> tuple[Files, bytes, str, Someone]:
    """A package of one recording that an inspector viewed: its files, the footage, its id, and the inspector."""
    lin, wu, whole = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), content()
    footage = await sealed(app, lin, whole)
    review = (await reviewed(wu, footage))["id"]
    assert 206 == (await watch(wu, footage, review, "bytes=0-99")).status_code
    await watching.LATE_WRITES.wait()
    answer = await wu.get(f"/v1/recordings/{footage}/package", review=review)
    assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
    return unzipped(answer.content), whole, footage, wu


async def test_it_proves_the_bytes_the_device_and_who_watched(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """It says so in words. Without a fingerprint the signer is unverified."""
    files, whole, footage, wu = package
    report = verified(files, tmp_path, ours(app))
    assert [] == report.flaws, flaws_of(report)
    assert report.trusted
    words = " | ".join(sentence.en for sentence in report.proved)
    assert f"{footage}: 50,000 bytes, SHA-256 {hashlib.sha256(whole).hexdigest()}" in words
    assert "unaltered since" in words
    assert f"watched by {wu.name} ({wu.badge}), 1 views" in words
    assert "DSJ-" in words
    assert "declared on device" in words
    assert files[f"data/originals/{footage}.mp4"] == whole
    assert footage.encode() in files[f"data/index/{footage}.html"]
    assert "核验说明" in files["data/HOW-TO-CHECK.html"].decode()
    untrusted = verified(files, tmp_path)
    assert ([], False) == (untrusted.flaws, untrusted.trusted)


async def test_it_verifies_as_it_was_sent(app: Litestar, tmp_path: Path) -> None:
    """Every byte of the answer, with a second person's package before it: who took one is said, and nobody else is."""
    lin, wu, li = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
    )
    footage = await sealed(app, lin, content())
    said = []
    for who in (wu, li, li):
        review = (await reviewed(who, footage))["id"]
        answer = await who.get(f"/v1/recordings/{footage}/package", review=review)
        await watching.LATE_WRITES.wait()
        (tmp_path / "sent.zip").write_bytes(answer.content)
        with open_bag(tmp_path / "sent.zip") as bag:
            report = verify(bag, [ours(app)])
        assert [] == report.flaws, flaws_of(report)
        said.append(" | ".join(sentence.en for sentence in report.proved))
    first, second, third = said
    assert f"{footage}: watched or taken by nobody before this package" in first
    assert "by nobody" not in second + third
    assert f"{footage}: taken by {wu.name} ({wu.badge}), 1 packages" in second
    assert f"taken by {li.name} ({li.badge})" not in second, "a package does not name itself"
    assert f"{footage}: taken by {li.name} ({li.badge}), 1 packages" in third
    exports = (await lin.get("/v1/me/record")).json()["exports"]
    assert [li.badge, li.badge, wu.badge] == [each["reviewer_badge"] for each in exports]
    history = (await wu.get(f"/v1/recordings/{footage}/journal")).json()["items"]
    taken = [line["actor_badge"] for line in history if line["verb"] == "packages/export"]
    assert [li.badge, li.badge, wu.badge] == taken


async def test_a_package_made_before_the_footage_was_sealed_has_nothing_of_it(app: Litestar, tmp_path: Path) -> None:
    """A matter's package names the footage that it left out; who took it saw none of that."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    times = {"started_at": ago(minutes=40), "ended_at": ago(minutes=20)}
    first = await sealed(app, lin, content(), **times)
    later = await received(lin, content(), **times)
    raised = {"kind": "harassment", "words": "跟踪辱骂", "recordings": [first, later]}
    matter = recorded(await lin.post("/v1/matters/raise", **raised))["id"]
    files = unzipped((await ask(wu, "matter", matter)).content)
    assert [later] == list(json.loads(files[ABOUT])["left_out"])
    await watching.LATE_WRITES.wait()
    await run_seal(app, later)
    report = verified(unzipped((await ask(wu, "matter", matter)).content), tmp_path, ours(app))
    assert [] == report.flaws, flaws_of(report)
    said = " | ".join(sentence.en for sentence in report.proved)
    assert f"{first}: taken by {wu.name} ({wu.badge}), 1 packages" in said
    assert f"{later}: watched or taken by nobody before this package" in said


async def test_what_is_printed_obeys_nobody(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """A name that clears the screen, turns the reading or writes a second line is shown as it is spelled."""
    files, said = dict(package[0]), io.StringIO()
    people = json.loads(files[PEOPLE])
    for person in people.values():
        person["name"] = "\x1b[2J\u202e✓ 核验通过\r\n:smile:[red]"
    files[PEOPLE] = json.dumps(people).encode()
    path = zipped(signed_again(files, app.state.key_rings.evidence), tmp_path / "package.zip")
    assert 0 == check(path, [ours(app)], Console(file=said, width=10_000))
    assert r"\x1b[2J\u202e✓ 核验通过\r\n:smile:[red]" in said.getvalue()
    assert all(character.isprintable() for line in said.getvalue().splitlines() for character in line)


async def test_footage_that_no_upload_of_the_package_is(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """Under our own signature too: a film, a page or a checkpoint that the package does not speak of."""
    for name in (
        f"originals/{uuid4()}.mp4",
        f"originals/{package[2]}.webm",
        f"index/{uuid4()}.html",
        "checkpoints/x.jwt",
    ):
        files = signed_again(package[0] | {f"data/{name}": b"film"}, app.state.key_rings.evidence)
        flaws = flaws_of(verified(files, tmp_path, ours(app)))
        assert f"the file data/{name} is none that a package has" == flaws


async def test_an_unpacked_one_verifies_too(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    for name, file_bytes in package[0].items():
        path = tmp_path / "bag" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_bytes)
    with open_bag(tmp_path / "bag") as bag:
        assert [] == verify(bag, [ours(app)]).flaws


async def test_the_library_of_congress_takes_it_for_a_bag(
    package: tuple[Files, bytes, str, Someone], tmp_path: Path
) -> None:
    """Their own library judges: complete, valid, with the right Oxum."""
    for name, file_bytes in package[0].items():
        path = tmp_path / "bag" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_bytes)
    bag = bagit.Bag(str(tmp_path / "bag"))
    assert bag.validate()
    assert bag.is_valid(fast=True)


def flipped(name: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        whole = bytearray(files[name])
        whole[len(whole) // 2] ^= 1
        files[name] = bytes(whole)

    return change


FLIPPED = ["data/rows.jsonl", "data/keys.json", "data/people.json", "data/package.json", SIGNED, PAYLOAD, TAGS,
    "bag-info.txt", "bagit.txt", "data/HOW-TO-CHECK.html"]  # fmt: skip


@pytest.mark.parametrize("name", [*FLIPPED, "original", "checkpoint", "declared", "index"])
async def test_a_byte_flipped_anywhere_is_found(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path, name: str
) -> None:
    files = dict(package[0])
    folder = {"original": "data/originals/", "checkpoint": "data/checkpoints/", "declared": "data/declared/",
        "index": "data/index/"}  # fmt: skip
    target = next(each for each in files if each.startswith(folder.get(name, name)))
    flipped(target)(files)
    assert verified(files, tmp_path, ours(app)).flaws


async def test_a_byte_flipped_in_the_zip_itself(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """As on a damaged disk: the checksum in the zip differs."""
    path = zipped(package[0], tmp_path / "package.zip")
    whole = bytearray(path.read_bytes())
    at = whole.index(package[1][20_000:20_050])
    whole[at] ^= 1
    path.write_bytes(bytes(whole))
    with open_bag(path) as bag:
        report = verify(bag, [ours(app)])
    assert "was altered" in flaws_of(report)


@pytest.mark.parametrize("name", ["original", "data/rows.jsonl", SIGNED, "data/keys.json", PAYLOAD])
async def test_a_file_taken_away_or_added_is_found(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path, name: str
) -> None:
    files = dict(package[0])
    del files[next(each for each in files if each.startswith("data/originals/" if name == "original" else name))]
    assert verified(files, tmp_path, ours(app)).flaws
    added = package[0] | {"data/originals/more.mp4": b"more"}
    assert "is in no manifest" in flaws_of(verified(added, tmp_path, ours(app)))


def signed_again(files: Files, ring: KeyRing) -> Files:
    """The same files with new manifests and a new statement, signed with this key."""
    claims = jwt.decode(files[SIGNED], options={"verify_signature": False})
    files = rebagged(files)
    claims["manifest"] = hashlib.sha256(files[PAYLOAD]).hexdigest()
    kid, key = ring.newest()
    files[SIGNED] = jwt.encode(
        claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": "fujing-package+jwt"}
    ).encode()
    return rebagged(files)


def resigned(token: bytes | str, ring: KeyRing, **changed: Any) -> str:
    kid, key = ring.newest()
    claims = jwt.decode(token, options={"verify_signature": False}) | changed
    headers = {"kid": kid, "typ": jwt.get_unverified_header(token)["typ"]}
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers=headers)


async def test_keys_swapped_inside(package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path) -> None:
    """A forger signs everything again with their own keys: the package is consistent, but nobody trusts it."""
    ring, files = KeyRing(tmp_path / "theirs", "evidence"), dict(package[0])
    files["data/keys.json"] = json.dumps({"keys": ring.public(), "endorsements": []}).encode()
    for name in [name for name in files if name.startswith("data/checkpoints/")]:
        files[name] = resigned(files[name], ring).encode()
    about = json.loads(files["data/package.json"])
    for upload in about["uploads"]:
        upload["receipt"] = resigned(upload["receipt"], ring)
    files["data/package.json"] = json.dumps(about).encode()
    files = signed_again(files, ring)
    alone = verified(files, tmp_path)
    assert ([], False) == (alone.flaws, alone.trusted), flaws_of(alone)
    trusted = verified(files, tmp_path, ours(app))
    assert "no key in the package has the fingerprint" in flaws_of(trusted)


async def test_other_footage_under_a_receipt_for_other_bytes(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """Even with our key for the bag: the receipt and the journal are for other bytes."""
    files, ring = dict(package[0]), app.state.key_rings.evidence
    flipped(f"data/originals/{package[2]}.mp4")(files)
    flaws = flaws_of(verified(signed_again(files, ring), tmp_path, ours(app)))
    assert "is for other bytes" in flaws
    assert "other bytes of" in flaws


async def test_a_row_altered_under_our_own_signature(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    files, ring = dict(package[0]), app.state.key_rings.evidence
    files["data/rows.jsonl"] = files["data/rows.jsonl"].replace(b"evidence/seal", b"evidence/sealX", 1)
    assert "is not under its checkpoint" in flaws_of(verified(signed_again(files, ring), tmp_path, ours(app)))


async def test_what_was_declared_altered_under_our_own_signature(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """Another camera is named: the digest in the journal differs."""
    files, ring = dict(package[0]), app.state.key_rings.evidence
    name = f"data/declared/{package[2]}.json"
    declared = json.loads(files[name])
    declared["content"] = bytes.fromhex(declared["content"]).replace(b"DSJ-", b"DSX-").hex()
    files[name] = json.dumps(declared).encode()
    assert "what was declared of" in flaws_of(verified(signed_again(files, ring), tmp_path, ours(app)))


async def test_it_says_which_start_counted_and_everything_that_was_told_of_it(app: Litestar, tmp_path: Path) -> None:
    """The declared time, and the one to which an inspector corrected it: who told it, why, and that it is proved."""
    lin, wu, corrected = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), ago(hours=1)
    footage = await sealed(app, lin, content(), camera_serial="C-package")
    why = {"recording": footage, "started_at": corrected, "why": "已核对监控"}
    recorded(await wu.post("/v1/recordings/correct-time", **why))
    review = (await reviewed(wu, footage))["id"]
    files = unzipped((await wu.get(f"/v1/recordings/{footage}/package", review=review)).content)
    name = f"data/starts/{footage}.json"
    start = json.loads(files[name])
    assert [("clock", False), ("corrected", True)] == [(each["source"], each["counts"]) for each in start["tellings"]]
    assert (wu.badge, "已核对监控") == (start["corrections"][0]["badge"], start["corrections"][0]["words"])
    report = verified(files, tmp_path, ours(app))
    assert [] == report.flaws, flaws_of(report)
    said = f"{footage}: began at {start['value']} (corrected), as the journal proves"
    assert said in [sentence.en for sentence in report.proved]
    moved = utc(corrected - timedelta(hours=1))
    files[name] = files[name].replace(start["value"].encode(), moved.encode())
    forged = verified(signed_again(files, app.state.key_rings.evidence), tmp_path, ours(app))
    assert f"the journal says that {footage} began at another time" == flaws_of(forged)
    files[name] = msgspec.json.encode(start | {"tellings": [each | {"counts": False} for each in start["tellings"]]})
    none_counts = verified(signed_again(files, app.state.key_rings.evidence), tmp_path, ours(app))
    assert f"the journal says that {footage} began at another time" == flaws_of(none_counts)
    del files[name]
    assert [] == verified(signed_again(files, app.state.key_rings.evidence), tmp_path, ours(app)).flaws


@pytest.mark.parametrize("garbage", [b"", b"PK", b"x" * 1000])
async def test_a_file_that_is_no_package_is_reported(garbage: bytes, app: Litestar, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(garbage)
    assert 1 == check(path, [ours(app)], Console(file=io.StringIO()))
    (tmp_path / "empty").mkdir()
    assert 1 == check(tmp_path / "empty", [ours(app)], Console(file=io.StringIO()))


async def ask(who: Someone, kind: str, number: Any) -> Any:
    return await who.tell("/v1/packages", kind=kind, number=str(number))


async def test_a_case_with_all_its_footage(app: Litestar, tmp_path: Path) -> None:
    """Footage of all who recorded work on the case. Restricted footage needs the commander's approval. People without
    rights learn nothing."""
    lin, zhao, _, _ = await a_led_patrol(app)
    wu, sun, case = (
        await an_inspector_of(app, DISTRICT),
        await a_commander_of(app, STATION),
        f"受案〔2026〕{uuid4().hex}",
    )
    times = {"started_at": ago(minutes=3), "ended_at": ago(minutes=1)}
    mine, officers = await sealed(app, lin, content(), **times), await sealed(app, zhao, content(), **times)
    recorded(await lin.starts("10.4", at=ago(minutes=2), case_ref=case, case_kind="administrative", officers_present=1,
        recording=True, despite={"why": "补报"}))  # fmt: skip
    answer = await ask(wu, "case", case)
    files = unzipped(answer.content)
    assert {mine, officers} == {
        name.split("/")[-1].split(".")[0] for name in files if name.startswith("data/originals")
    }
    report = verified(files, tmp_path, ours(app))
    assert [] == report.flaws, flaws_of(report)
    recorded(await zhao.post("/v1/recordings/restrict", recording=officers, category="minor"))
    problem = refused(await ask(wu, "case", case), 403, "package_needs_reviews")
    assert [officers] == problem["recordings"]
    review = (await reviewed(wu, officers, number=case))["id"]
    recorded(await sun.post("/v1/reviews/approve", review=review, why="同意"))
    assert 200 == (await ask(wu, "case", case)).status_code
    refused(await ask(await an_officer(app), "case", case), 404, "nothing_to_pack")
    far = await an_inspector_of(app, OTHER_DISTRICT)
    refused(await ask(far, "case", case), 403, "package_needs_reviews")
    refused(await ask(lin, "case", case), 403, "not_for_your_role")


async def test_a_complaint_without_the_complainant(app: Litestar, tmp_path: Path) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content(), started_at=ago(hours=1.5), ended_at=ago(hours=1))
    complaint = await a_complaint_about(app, lin)
    answer = await ask(wu, "complaint", complaint)
    files = unzipped(answer.content)
    assert f"data/originals/{footage}.mp4" in files
    assert not any(
        "王某".encode() in file_bytes or "王某".encode().hex().encode() in file_bytes for file_bytes in files.values()
    )
    assert [] == verified(files, tmp_path, ours(app)).flaws
    refused(await ask(wu, "complaint", uuid4()), 404, "unknown_task")
    refused(await ask(wu, "injury", "x"), 404, "unknown_task")


async def test_harassment_and_an_injury_with_the_footage_that_shows_it(app: Litestar, tmp_path: Path) -> None:
    """The linked footage, and the footage held around the time."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    times = {"started_at": ago(minutes=40), "ended_at": ago(minutes=20)}
    footage, other = await sealed(app, lin, content(), **times), await sealed(app, lin, content())
    raised = {"kind": "harassment", "words": "跟踪辱骂", "recordings": [footage]}
    matter = recorded(await lin.post("/v1/matters/raise", **raised))["id"]
    hurt = {"how": "被推倒", "doing": "巡逻", "body_part": "右前臂", "severity": "minor", "injured_at": ago(minutes=30)}
    injury = recorded(await lin.post("/v1/injuries/report", **hurt))["injury"]["id"]
    for kind, number, inside in (("matter", matter, {footage}), ("injury", injury, {footage, other})):
        files = unzipped((await ask(wu, kind, number)).content)
        assert inside == {name.split("/")[-1].split(".")[0] for name in files if name.startswith("data/originals")}
        assert [] == verified(files, tmp_path, ours(app)).flaws
        assert not any(
            "右前臂".encode() in file_bytes or "跟踪".encode() in file_bytes for file_bytes in files.values()
        )


async def test_a_package_of_a_case_hides_a_complaint_from_those_who_may_not_handle_it(
    app: Litestar, tmp_path: Path
) -> None:
    """And from those who may: whoever reads it is not known. The viewing itself is still proved, but in no package that
    somebody takes for whom there is no complaint."""
    lin, zhao = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=3)))
    recorded(await zhao.answer("confirm", recorded(await lin.names(zhao, at=ago(hours=2.9)))["id"]))
    wu, li, case = (
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
        f"受案〔2026〕{uuid4().hex}",
    )
    footage = await sealed(app, lin, content(), started_at=ago(minutes=3), ended_at=ago(minutes=1))
    recorded(await lin.starts("10.4", at=ago(minutes=2), case_ref=case, case_kind="administrative", officers_present=1,
        recording=True, despite={"why": "补报"}))  # fmt: skip
    complaint = await a_complaint_about(app, lin)
    review = (await reviewed(wu, footage, purpose="complaint", number=complaint))["id"]
    assert 200 == (await watch(wu, footage, review)).status_code
    recorded(await li.post("/v1/complaints/step-aside", complaint=complaint, version=1, words="与当事人相识"))
    for who, watched in ((wu, True), (li, True), (zhao, False)):
        files = unzipped((await ask(who, "case", case)).content)
        assert b"reviews/open" not in files["data/rows.jsonl"]
        assert complaint.encode() not in files["data/rows.jsonl"]
        report = verified(files, tmp_path, ours(app))
        assert [] == report.flaws
        assert watched == any("watched by" in sentence.en for sentence in report.proved)


async def test_a_package_of_a_case_tells_of_no_other_footage_and_no_other_matter(app: Litestar, tmp_path: Path) -> None:
    """Not by the line of an earlier package, nor by when the store was told to hold it. Who took this footage alone is
    said."""
    lin, wu, case = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), f"受案〔2026〕{uuid4().hex}"
    recorded(await lin.check_in(at=ago(hours=3)))
    other, footage = [
        await sealed(app, lin, content(), started_at=ago(hours=at), ended_at=ago(hours=at - 0.1)) for at in (2, 1)
    ]
    recorded(await lin.starts("10.4", at=ago(hours=1), case_ref=case, case_kind="administrative", officers_present=1,
        recording=True, despite={"why": "补报"}))  # fmt: skip
    complaint = await a_complaint_about(app, lin)
    hold = await value("SELECT id FROM hold WHERE about = $1", UUID(complaint))
    assert {other, footage} <= await covered(wu, str(hold))
    await legal_holds.update_new(app.state.store, now())
    review = (await reviewed(wu, footage))["id"]
    assert 200 == (await wu.get(f"/v1/recordings/{footage}/package", review=review)).status_code
    of_complaint = await ask(wu, "complaint", complaint)
    await watching.LATE_WRITES.wait()
    files = unzipped((await ask(wu, "case", case)).content)
    rows = [json.loads(json.loads(row)["entry"]) for row in files["data/rows.jsonl"].splitlines()]
    assert ["recording", "case"] == [row["facts"]["kind"] for row in rows if row["verb"] == "packages/export"]
    assert "evidence/seal" in {row["verb"] for row in rows}
    assert not {"evidence/hold", "evidence/repair"} & {row["verb"] for row in rows}
    told = files["data/rows.jsonl"].decode()
    assert (True, False, False) == tuple(id in told for id in (footage, other, complaint))
    assert [] == verified(files, tmp_path, ours(app)).flaws
    assert complaint in unzipped(of_complaint.content)["data/rows.jsonl"].decode()


async def test_the_journal_has_who_took_it(app: Litestar) -> None:
    """The journal says before the first byte who takes it, afterwards that all was sent, and every denial."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content())
    refused(await wu.get(f"/v1/recordings/{footage}/package"), 403, "review_needed")
    review = (await reviewed(wu, footage))["id"]
    assert 200 == (await wu.get(f"/v1/recordings/{footage}/package", review=review)).status_code
    await watching.LATE_WRITES.wait()
    sql = "SELECT verb, outcome FROM journal WHERE $1 = ANY (subjects) AND actor = $2 AND entry_id IS NULL ORDER BY seq"
    lines = [tuple(row) for row in await fetch(sql, UUID(footage), wu.id)]
    assert [("recordings/view", "denied"), ("packages/export", "done"), ("packages/exported", "done")] == lines
    taken = await fetch("SELECT kind, number, review, whole FROM package WHERE by_person = $1", wu.id)
    assert [("recording", footage, UUID(review), True)] == [tuple(row) for row in taken]
    (export,) = (await lin.get("/v1/me/record")).json()["exports"]
    assert ("recording", wu.badge) == (export["kind"], export["reviewer_badge"])


async def test_a_package_of_a_complaint_is_shown_once_the_complaint_is_concluded(app: Litestar) -> None:
    """To the person complained of, whether it was taken of the complaint or of the recording."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content(), started_at=ago(hours=1.5), ended_at=ago(hours=1))
    complaint = await a_complaint_about(app, lin)
    assert 200 == (await ask(wu, "complaint", complaint)).status_code
    review = (await reviewed(wu, footage, purpose="complaint", number=complaint))["id"]
    assert 200 == (await wu.get(f"/v1/recordings/{footage}/package", review=review)).status_code
    assert [] == (await lin.get("/v1/me/record")).json()["exports"]
    ended = {"complaint": complaint, "version": 1, "words": "不属实", "outcome": "unfounded"}
    recorded(await wu.post("/v1/complaints/conclude", **ended))
    exports = (await lin.get("/v1/me/record")).json()["exports"]
    assert ["recording", "complaint"] == [each["kind"] for each in exports]


async def test_bytes_that_are_not_those_sealed_stop_the_package(app: Litestar) -> None:
    """Nobody gets a complete package with them."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    footage = await sealed(app, lin, content())
    review = (await reviewed(wu, footage))["id"]
    row = await row_of(footage)
    other = await app.state.store.put(f"{row['object_key']}-x", b"y" * row["bytes"], "video/mp4")
    change = "UPDATE upload SET object_key = $2, version = $3 WHERE id = $1"
    await by_owner(change, UUID(footage), other.key, other.version)
    try:
        with pytest.raises(LitestarException):
            await wu.get(f"/v1/recordings/{footage}/package", review=review)
    finally:
        await by_owner(change, UUID(footage), row["object_key"], row["version"])
    await watching.LATE_WRITES.wait()
    whole = "SELECT convert_from(entry, 'UTF8')::json->'facts'->>'whole' FROM journal WHERE verb = 'packages/exported' AND $1 = ANY (subjects)"  # noqa: E501
    assert "false" == await value(whole, UUID(footage))


async def test_what_is_not_proved_yet_is_put_under_a_checkpoint(app: Litestar) -> None:
    """A package made one second after the facts does not wait for the next checkpoint."""
    before = await value("SELECT coalesce(max(number), 0) FROM checkpoint")
    await checkpoints.make(app.state.store, app.state.key_rings.evidence, datetime.now(UTC), at_once=True)
    assert before <= await value("SELECT max(number) FROM checkpoint")


async def test_whatever_a_forger_writes_is_reported_and_raises_nothing(
    package: tuple[Files, bytes, str, Someone], app: Litestar, tmp_path: Path
) -> None:
    """Random changes in every file, with manifests that agree: each time there is a flaw in words."""
    dice, names = random.Random(20261124), [name for name in package[0] if "originals" not in name]  # noqa: S311
    for _ in range(120):
        files, name = dict(package[0]), dice.choice(names)
        changed = bytearray(files[name])
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(changed) + 1)
            piece = dice.choice(
                [b"", b"[]", b"null", b"{}", b'"\xff"', b"[" * 5000, b"9" * 50, bytes([dice.randrange(256)])]
            )
            changed[at : at + dice.randrange(9)] = piece
        files[name] = bytes(changed)
        if name not in (PAYLOAD, TAGS) and dice.random() < 0.8:
            files = rebagged(files)
        for trust in ([ours(app)], []):
            report = verified(files, tmp_path, *trust)
            assert report.flaws or not trust or files == package[0], name
