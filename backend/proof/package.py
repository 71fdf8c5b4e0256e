"""Verify a package: footage and everything that proves it, as a BagIt bag (RFC 8493). Needs no server and no network.

Guarantees: a reader who trusts one fingerprint learns which device declared these bytes and when, that they are
unaltered since they were sealed, and who viewed them. Every change inside is named. Only what is signed is believed.
Nothing is written to disk. docs/journal.md describes the format.
"""

import hashlib
import hmac
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from backend.proof.checkpoints import TYPE as CHECKPOINT_TYPE
from backend.proof.checkpoints import CheckpointClaims
from backend.proof.tree import leaf_hash, root_from_path
from backend.proof.trust import BadSignature, KeySet, PublicJwk, by_kid, claims_of, trusted_keys


class NotABag(Exception):
    """This is no package. The text names the file that is missing or cannot be read."""


VERSION = 1
PACKAGE_TYPE = "fujing-package+jwt"
RECEIPT_TYPE = "fujing-receipt+jwt"
BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
ROWS, KEYS, ABOUT, PEOPLE = "data/rows.jsonl", "data/keys.json", "data/package.json", "data/people.json"
SIGNED = "package.jwt"
BLOCK = 1024 * 1024
SMALL = 64 * 1024 * 1024  # bytes: the largest file that is read into memory; footage never is

UNREADABLE = (  # what content made by a forger may raise
    NotABag, msgspec.MsgspecError, zipfile.BadZipFile, zlib.error, OSError, ValueError, LookupError, EOFError,
    TypeError, AttributeError, RuntimeError,
)  # fmt: skip
SENTENCES = {
    "not_a_bag": ("这不是一个数据包：{what}", "this is no package: {what}"),
    "file_missing": ("缺少文件 {what}", "the file {what} is missing"),
    "file_altered": ("文件 {what} 被改动", "the file {what} was altered"),
    "file_unlisted": ("文件 {what} 不在清单中", "the file {what} is in no manifest"),
    "nobody_trusted": ("包内没有与所给指纹相符的密钥", "no key in the package has the fingerprint that you trust"),
    "package_signature": ("数据包的签名不成立：{what}", "the package is not signed by a trusted key: {what}"),
    "checkpoint_signature": ("检查点 {what} 的签名不成立", "checkpoint {what} is not signed by a trusted key"),
    "row_not_proved": ("日志第 {what} 行与检查点不符", "row {what} is not under its checkpoint"),
    "receipt_differs": ("{what} 的封存回执与文件不符", "the receipt of {what} is for other bytes, or not ours"),
    "seal_differs": ("日志中 {what} 封存的不是这些字节", "the journal says that other bytes of {what} were sealed"),
    "seal_missing": ("日志中没有 {what} 的封存记录", "the journal in the package has no sealing of {what}"),
    "declared_otherwise": ("{what} 的申报内容被改动", "what was declared of {what} was altered"),
}  # fmt: skip


class PackageRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journal row as it was hashed, and its path in the tree of a checkpoint.

    `checkpoint`: its number; none: the row is not proved yet. `index`: of the leaf. `path`: inclusion path, in hex.
    """

    seq: int
    entry: str
    checkpoint: int | None = None
    index: int = 0
    path: list[str] = []


class PackagedUpload(msgspec.Struct, frozen=True, kw_only=True):
    """One upload in a package."""

    id: str
    path: str
    bytes: int
    sha256: str
    receipt: str


class DeclaredContent(msgspec.Struct, frozen=True, kw_only=True):
    """The entry by which a device declared an upload, and the salt of its digest in the journal, both in hex."""

    salt: str
    content: str


class PackageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a package says about itself; the signature over the manifest covers it.

    `left_out`: footage that belongs to the matter but is not in the package: its state by id.
    """

    v: int
    id: str
    kind: str
    number: str
    made_at: str
    made_by: str
    uploads: list[PackagedUpload]
    left_out: dict[str, str] = {}


class PackagePerson(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The person or device behind an id in the journal, as the server that made the package says."""

    badge: str = ""
    name: str = ""
    serial: str = ""


class RowContent(msgspec.Struct, frozen=True):
    """The fields of a journal row that are used here, decoded from its bytes."""

    at: str
    verb: str
    outcome: str
    actor: str = ""
    device: str = ""
    id: str = ""
    subjects: list[str] = []
    facts: dict[str, Any] = {}


class Sentence(msgspec.Struct, frozen=True):
    """Something that was proved or is wrong, in Chinese and English."""

    zh: str
    en: str


class PackageReport(msgspec.Struct, kw_only=True):
    """The result of verifying a package. `trusted`: it has a key that the reader trusts, or one endorsed by such."""

    trusted: bool = False
    proved: list[Sentence] = []
    flaws: list[Sentence] = []

    def add_flaw(self, code: str, what: object = "") -> None:
        zh, en = SENTENCES[code]
        self.flaws.append(Sentence(zh.format(what=what), en.format(what=what)))

    def add_proof(self, zh: str, en: str) -> None:
        self.proved.append(Sentence(zh, en))


class Bag:
    """The files of a bag, from a zip or from a directory. `open_file` opens one by its name inside the bag."""

    def __init__(self, names: Iterable[str], open_file: Callable[[str], IO[bytes]]) -> None:
        self.names, self.open = list(names), open_file

    def read(self, name: str) -> bytes:
        """The content of a small file. Raises NotABag."""
        if name not in self.names:
            raise NotABag(name)
        with self.open(name) as file:
            content = file.read(SMALL + 1)
        if len(content) > SMALL:
            raise NotABag(f"{name} is too large")
        return content


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open the package at this path, a zip or a directory. Raises NotABag, OSError."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
        yield Bag((file.relative_to(path).as_posix() for file in files), lambda name: (path / name).open("rb"))
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise NotABag(str(error)) from error
    with archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        top = _top_of(names)
        yield Bag((name.removeprefix(top) for name in names), lambda name: archive.open(top + name))


def _top_of(names: list[str]) -> str:
    """The folder inside the zip that holds the bag: the outermost one with a bagit.txt."""
    folders = [name.removesuffix("bagit.txt") for name in names if name.split("/")[-1] == "bagit.txt"]
    if not folders:
        raise NotABag("bagit.txt")
    return min(folders, key=len)


def verify(bag: Bag, fingerprints: Collection[str]) -> PackageReport:
    """Verify a package: what it proves, and what was altered.

    Without `fingerprints` every key in the package counts, and `trusted` of the report is false.
    """
    report = PackageReport(proved=[], flaws=[])
    try:
        digests = _check_manifests(bag, report)
        known = msgspec.json.decode(bag.read(KEYS), type=KeySet)
        info = msgspec.json.decode(bag.read(ABOUT), type=PackageInfo)
        keys = trusted_keys(known, fingerprints) if fingerprints else by_kid(known.keys)
        report.trusted = bool(fingerprints) and bool(keys)
        if fingerprints and not keys:
            report.add_flaw("nobody_trusted")
        _check_statement(bag, keys, info, report)
        rows = _proved_rows(bag, keys, report)
        people = msgspec.json.decode(bag.read(PEOPLE), type=dict[str, PackagePerson])
        for upload in info.uploads:
            _check_upload(bag, upload, keys, rows, people, digests, report)
    except UNREADABLE as error:
        report.add_flaw("not_a_bag", f"{type(error).__name__}: {error}")
    return report


def _check_manifests(bag: Bag, report: PackageReport) -> dict[str, tuple[str, int]]:
    """Compare every file with its manifest. Returns the real digest and size of each file, by name."""
    if bag.read("bagit.txt").decode() != BAGIT:
        report.add_flaw("file_altered", "bagit.txt")
    digests: dict[str, tuple[str, int]] = {}
    for manifest, is_payload in ((PAYLOAD, True), (TAGS, False)):
        listed = _read_manifest(bag.read(manifest))
        there = {name for name in bag.names if name.startswith("data/") == is_payload and name != TAGS}
        for name in sorted(there - set(listed)):
            report.add_flaw("file_unlisted", name)
        for name, digest in listed.items():
            if name not in there:
                report.add_flaw("file_missing", name)
                continue
            digests[name] = _digest(bag, name)
            if digests[name][0] != digest:
                report.add_flaw("file_altered", name)
    if len(set(bag.names)) != len(bag.names):
        report.add_flaw("file_unlisted", next(name for name in bag.names if bag.names.count(name) > 1))
    return digests


def _read_manifest(content: bytes) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in content.decode().splitlines() if line]
    return {name: digest for digest, name in lines}


def _digest(bag: Bag, name: str) -> tuple[str, int]:
    """SHA-256 and size of a file; an empty digest if the zip itself says that the file is damaged."""
    digest, size = hashlib.sha256(), 0
    try:
        with bag.open(name) as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
    except zipfile.BadZipFile:  # the checksum in the zip differs
        return "", size
    return digest.hexdigest(), size


def _check_statement(bag: Bag, keys: Mapping[str, PublicJwk], info: PackageInfo, report: PackageReport) -> None:
    try:
        claims = claims_of(bag.read(SIGNED).decode(), keys, PACKAGE_TYPE)
    except BadSignature as error:
        report.add_flaw("package_signature", error)
        return
    if (claims.get("id"), claims.get("manifest")) != (info.id, hashlib.sha256(bag.read(PAYLOAD)).hexdigest()):
        report.add_flaw("package_signature", "it is of other files")


def _proved_rows(bag: Bag, keys: Mapping[str, PublicJwk], report: PackageReport) -> list[tuple[PackageRow, RowContent]]:
    """The rows that a checkpoint signed by one of the keys proves. Rows that are not proved yet are left out."""
    checkpoints: dict[int, CheckpointClaims | None] = {}
    proved: list[tuple[PackageRow, RowContent]] = []
    unproved = 0
    for text in bag.read(ROWS).splitlines():
        row = msgspec.json.decode(text, type=PackageRow)
        if row.checkpoint is None:
            unproved += 1
            continue
        if row.checkpoint not in checkpoints:
            checkpoints[row.checkpoint] = _checkpoint(bag, row.checkpoint, keys, report)
        claims = checkpoints[row.checkpoint]
        if claims is None:
            continue
        path = [bytes.fromhex(node) for node in row.path]
        root = root_from_path(leaf_hash(row.entry.encode()), row.index, claims.rows, path)
        if root is None or root.hex() != claims.root:
            report.add_flaw("row_not_proved", row.seq)
            continue
        proved.append((row, msgspec.json.decode(row.entry, type=RowContent)))
    if unproved:
        report.add_proof(f"{unproved} 行日志在打包时尚未证明", f"{unproved} rows were not proved yet when it was made")
    return proved


def _checkpoint(bag: Bag, number: int, keys: Mapping[str, PublicJwk], report: PackageReport) -> CheckpointClaims | None:
    try:
        token = bag.read(f"data/checkpoints/{number:012}.jwt").decode()
        claims = msgspec.convert(claims_of(token, keys, CHECKPOINT_TYPE), CheckpointClaims)
    except (BadSignature, NotABag, msgspec.ValidationError):
        report.add_flaw("checkpoint_signature", number)
        return None
    if claims.number != number:
        report.add_flaw("checkpoint_signature", number)
        return None
    return claims


def _check_upload(
    bag: Bag, upload: PackagedUpload, keys: Mapping[str, PublicJwk], rows: list[tuple[PackageRow, RowContent]],
    people: Mapping[str, PackagePerson], digests: Mapping[str, tuple[str, int]], report: PackageReport,
) -> None:  # fmt: skip
    """Check that these bytes were declared and sealed and are unaltered, and say who viewed them."""
    flaws = len(report.flaws)
    try:
        claims = claims_of(upload.receipt, keys, RECEIPT_TYPE)
    except BadSignature:
        claims = {}
    digest, size = digests.get(upload.path, ("", 0))
    actual = (upload.id, digest, size)
    if (claims.get("id"), claims.get("sha256"), claims.get("bytes")) != actual:
        report.add_flaw("receipt_differs", upload.id)
    about_it = [(row, line) for row, line in rows if upload.id in line.subjects]
    sealing = [(row, line) for row, line in about_it if line.verb == "evidence/seal" and line.subjects[0] == upload.id]
    if not sealing:
        report.add_flaw("seal_missing", upload.id)
        return
    row, line = sealing[0]
    if (line.facts.get("sha256"), line.facts.get("bytes")) != actual[1:]:
        report.add_flaw("seal_differs", upload.id)
    lines = [line for _, line in about_it]
    declared_zh, declared_en = _check_declared(bag, upload, lines, people, report)
    if len(report.flaws) > flaws:
        return
    report.add_proof(
        f"{upload.id}：{size:,} 字节，SHA-256 {actual[1]}；{declared_zh}于 {line.at} 封存，日志第 {row.seq} 行由检查点 "
        f"{row.checkpoint} 证明，此后未被改动",
        f"{upload.id}: {size:,} bytes, SHA-256 {actual[1]}; {declared_en}sealed at {line.at}; row {row.seq} is under "
        f"checkpoint {row.checkpoint}: unaltered since",
    )
    _report_viewings(upload, lines, people, report)


def _check_declared(
    bag: Bag, upload: PackagedUpload, lines: list[RowContent], people: Mapping[str, PackagePerson],
    report: PackageReport,
) -> tuple[str, str]:  # fmt: skip
    """Check the declared content against its digest in the journal.

    Returns, in Chinese and English, on which device, by whom and when the footage was declared, and when it began.
    """
    path = f"data/declared/{upload.id}.json"
    line = next((line for line in lines if line.id == upload.id and line.outcome == "recorded"), None)
    if line is None:
        return "", ""
    device = people.get(line.device, PackagePerson()).serial or line.device
    who = people.get(line.actor, PackagePerson())
    times = f"{line.facts.get('occurred_at')}"
    footage = ""
    if path in bag.names:
        declared = msgspec.json.decode(bag.read(path), type=DeclaredContent)
        content = bytes.fromhex(declared.content)
        digest = hmac.digest(bytes.fromhex(declared.salt), content, hashlib.sha256).hex()
        if not hmac.compare_digest(digest, str(line.facts.get("content"))):
            report.add_flaw("declared_otherwise", upload.id)
        entry = msgspec.json.decode(content, type=dict[str, Any])["entry"]
        footage = f"{entry.get('started_at', '')} {entry.get('camera_serial', '')}".strip()
    zh = f"设备 {device} 上由 {who.name}（{who.badge}）于 {times} 申报，记录始于 {footage}；"
    en = f"declared on device {device} by {who.name} ({who.badge}) at {times}, recorded from {footage}; "
    return zh, en


def _report_viewings(
    upload: PackagedUpload, lines: list[RowContent], people: Mapping[str, PackagePerson], report: PackageReport
) -> None:
    """Say who viewed the footage how often and when, and how many requests were denied."""
    views = [line for line in lines if line.verb == "recordings/view" and line.outcome == "done"]
    denied = [line for line in lines if line.verb == "recordings/view" and line.outcome == "denied"]
    for actor in dict.fromkeys(line.actor for line in views):
        who, times = people.get(actor, PackagePerson()), [line.at for line in views if line.actor == actor]
        report.add_proof(
            f"{upload.id}：{who.name}（{who.badge}）调阅 {len(times)} 次，{times[0]} 至 {times[-1]}",
            f"{upload.id}: watched by {who.name} ({who.badge}), {len(times)} views, {times[0]} to {times[-1]}",
        )
    if not views:
        report.add_proof(f"{upload.id}：打包前无人调阅", f"{upload.id}: watched by nobody before this package")
    if denied:
        report.add_proof(
            f"{upload.id}：拒绝调阅 {len(denied)} 次", f"{upload.id}: {len(denied)} requests to watch were refused"
        )
