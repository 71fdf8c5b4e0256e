"""Verify a package: footage and everything that proves it, as a BagIt bag (RFC 8493). Needs no server and no network.

Guarantees: a reader who trusts one fingerprint learns which device declared these bytes and when, that they are
unaltered since they were sealed, and who viewed or took them. Every change inside is named, and everything that our own
packages do not have. Only what is signed is believed. Nothing is written to disk. docs/journal.md describes the format.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.core.days import in_china
from backend.proof.archive import NotABag, stamp
from backend.proof.bag import (
    BAGIT,
    INFO,
    PAYLOAD,
    SIGNED,
    TAG_FILES,
    TAGS,
    Bag,
    Digests,
    bag_info,
    manifest_of,
    top_of,
)
from backend.proof.checkpoints import TYPE as CHECKPOINT_TYPE
from backend.proof.checkpoints import CheckpointClaims
from backend.proof.tree import leaf_hash, root_from_path
from backend.proof.trust import BadSignature, KeySet, PublicJwk, by_kid, claims_of, trusted_keys

VERSION = 1
PACKAGE_TYPE = "fujing-package+jwt"
RECEIPT_TYPE = "fujing-receipt+jwt"
ROWS, KEYS, ABOUT, PEOPLE = "data/rows.jsonl", "data/keys.json", "data/package.json", "data/people.json"
HOW_TO_CHECK = "data/HOW-TO-CHECK.html"
SUFFIXES = {
    "video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov", "video/mp2t": ".ts", "video/mp2p": ".mpg",
    "video/x-msvideo": ".avi", "audio/wav": ".wav", "audio/amr": ".amr", "audio/mpeg": ".mp3", "image/jpeg": ".jpg",
    "image/png": ".png", "image/heic": ".heic", "text/plain": ".txt", "application/pdf": ".pdf",
}  # fmt: skip
OTHER = ".bin"  # the ending of footage of any other type

UNREADABLE = (  # what content made by a forger may raise
    NotABag, msgspec.MsgspecError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError,
)  # fmt: skip
SENTENCES = {
    "not_a_bag": ("这不是一个数据包：{what}", "this is no package: {what}"),
    "unreadable": ("数据包内容无法读取：{what}", "what is in the package cannot be read: {what}"),
    "file_missing": ("缺少文件 {what}", "the file {what} is missing"),
    "file_altered": ("文件 {what} 被改动", "the file {what} was altered"),
    "file_unknown": ("文件 {what} 不属于数据包", "the file {what} is none that a package has"),
    "no_file": ("{what} 是链接、特殊文件或空文件夹", "{what} is a link, a special file or an empty folder"),
    "other_archive": ("压缩包的文件夹名或时间不是本数据包的", "folder or time in the archive are of another package"),
    "file_unlisted": ("文件 {what} 不在清单中", "the file {what} is in no manifest"),
    "nobody_trusted": ("包内没有与所给指纹相符的密钥", "no key in the package has the fingerprint that you trust"),
    "package_signature": ("数据包的签名不成立：{what}", "the package is not signed by a trusted key: {what}"),
    "checkpoint_signature": ("检查点 {what} 的签名不成立", "checkpoint {what} is not signed by a trusted key"),
    "row_not_proved": ("日志第 {what} 行与检查点不符", "row {what} is not under its checkpoint"),
    "receipt_differs": ("{what} 的封存回执与文件不符", "the receipt of {what} is for other bytes, or not ours"),
    "seal_differs": ("日志中 {what} 封存的不是这些字节", "the journal says that other bytes of {what} were sealed"),
    "seal_missing": ("日志中没有 {what} 的封存记录", "the journal in the package has no sealing of {what}"),
    "declared_otherwise": ("{what} 的申报内容被改动", "what was declared of {what} was altered"),
    "start_differs": ("{what} 的起始时间与日志不符", "the journal says that {what} began at another time"),
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


class PackagedTelling(msgspec.Struct, frozen=True):
    """One telling of when footage began. `counts`: it is the one that counts."""

    value: str
    source: str
    at: str
    counts: bool = False


class PackagedStart(msgspec.Struct, frozen=True):
    """When footage began, and every telling of it, the first one first."""

    value: str
    source: str
    doubtful: bool
    tellings: list[PackagedTelling] = []


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
    """The result of verifying a package. `trusted`: it has a key that the reader trusts, or one endorsed by such.

    A forger may have written words in the sentences: show them by `bag.printable`.
    """

    trusted: bool = False
    proved: list[Sentence] = []
    flaws: list[Sentence] = []

    def add_flaw(self, code: str, what: object = "") -> None:
        zh, en = SENTENCES[code]
        self.flaws.append(Sentence(zh.format(what=what), en.format(what=what)))

    def add_no_bag(self, error: NotABag) -> None:
        zh, en = SENTENCES["not_a_bag"]
        self.flaws.append(Sentence(zh.format(what=error.zh), en.format(what=error.en)))

    def add_proof(self, zh: str, en: str) -> None:
        self.proved.append(Sentence(zh, en))


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
        listed = [msgspec.json.decode(line, type=PackageRow) for line in bag.read(ROWS).splitlines()]
        _check_form(bag, info, listed, digests, report)
        rows = _proved_rows(bag, listed, keys, report)
        people = msgspec.json.decode(bag.read(PEOPLE), type=dict[str, PackagePerson])
        for upload in info.uploads:
            _check_upload(bag, info.id, upload, keys, rows, people, digests, report)
    except NotABag as error:
        report.add_no_bag(error)
    except UNREADABLE as error:
        report.add_flaw("unreadable", f"{type(error).__name__}: {error}")
    return report


def _check_manifests(bag: Bag, report: PackageReport) -> Digests:
    """Compare every file with its manifest. Returns the real digest and size of each file, by name."""
    digests = bag.digests()
    for stray in bag.strays:
        report.add_flaw("no_file", stray)
    if bag.read("bagit.txt") != BAGIT.encode():
        report.add_flaw("file_altered", "bagit.txt")
    for manifest, is_payload in ((PAYLOAD, True), (TAGS, False)):
        there = {name: digest for name, (digest, _) in digests.items() if name.startswith("data/") == is_payload}
        told = bag.read(manifest)
        if told != manifest_of(there, data=is_payload):
            _name_differences(manifest, told, there, report)
    return digests


def _name_differences(manifest: str, told: bytes, there: Mapping[str, str], report: PackageReport) -> None:
    """Say which files are not as their manifest tells; the manifest itself, if it is only written otherwise."""
    before = len(report.flaws)
    listed = {name: digest for digest, name in (line.split(maxsplit=1) for line in told.decode().splitlines() if line)}
    for name in sorted(set(there) - set(listed) - {TAGS}):
        report.add_flaw("file_unlisted", name)
    for name, digest in listed.items():
        if there.get(name) != digest:
            report.add_flaw("file_altered" if name in there else "file_missing", name)
    if len(report.flaws) == before:
        report.add_flaw("file_altered", manifest)


def _check_form(
    bag: Bag, info: PackageInfo, rows: Sequence[PackageRow], digests: Digests, report: PackageReport
) -> None:
    """Name every file that our own packages do not have, and whatever else in them is not signed and not ours."""
    for name in sorted(set(bag.names) - _names_of(info, rows)):
        report.add_flaw("file_unknown", name)
    made, sizes = datetime.fromisoformat(info.made_at), {name: size for name, (_, size) in digests.items()}
    early = bag.read(INFO) == bag_info(info.id, info.made_at, sizes, utc_day=True)  # as it was until 0.4
    if not early and bag.read(INFO) != bag_info(info.id, info.made_at, sizes):
        report.add_flaw("file_altered", INFO)
    stamps = [{stamp(in_china(made))}, *([{stamp(made)}] if early else [])]
    if bag.top is not None and (bag.top != top_of(info.id) or bag.made not in stamps):
        report.add_flaw("other_archive")


def _names_of(info: PackageInfo, rows: Sequence[PackageRow]) -> set[str]:
    """The files that a package with these uploads and rows may have."""
    names = TAG_FILES | {ROWS, KEYS, ABOUT, PEOPLE, HOW_TO_CHECK}
    for upload in info.uploads:
        id = UUID(upload.id)  # in its usual spelling, whatever the package says
        names |= {upload.path} & {f"data/originals/{id}{suffix}" for suffix in (*SUFFIXES.values(), OTHER)}
        names |= {f"data/index/{id}.html", f"data/declared/{id}.json", f"data/starts/{id}.json"}
    return names | {_path_of(row.checkpoint) for row in rows if row.checkpoint is not None}


def _path_of(checkpoint: int) -> str:
    return f"data/checkpoints/{checkpoint:012}.jwt"


def _check_statement(bag: Bag, keys: Mapping[str, PublicJwk], info: PackageInfo, report: PackageReport) -> None:
    try:
        claims = claims_of(bag.read(SIGNED).decode(), keys, PACKAGE_TYPE)
    except BadSignature as error:
        report.add_flaw("package_signature", error)
        return
    if (claims.get("id"), claims.get("manifest")) != (info.id, hashlib.sha256(bag.read(PAYLOAD)).hexdigest()):
        report.add_flaw("package_signature", "it is of other files")


def _proved_rows(
    bag: Bag, rows: Sequence[PackageRow], keys: Mapping[str, PublicJwk], report: PackageReport
) -> list[tuple[PackageRow, RowContent]]:
    """The rows that a checkpoint signed by one of the keys proves. Rows that are not proved yet are left out."""
    checkpoints: dict[int, CheckpointClaims | None] = {}
    proved: list[tuple[PackageRow, RowContent]] = []
    unproved = 0
    for row in rows:
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
        token = bag.read(_path_of(number)).decode()
        claims = msgspec.convert(claims_of(token, keys, CHECKPOINT_TYPE), CheckpointClaims)
    except (BadSignature, NotABag, msgspec.ValidationError):
        report.add_flaw("checkpoint_signature", number)
        return None
    if claims.number != number:
        report.add_flaw("checkpoint_signature", number)
        return None
    return claims


def _check_upload(
    bag: Bag, package: str, upload: PackagedUpload, keys: Mapping[str, PublicJwk],
    rows: list[tuple[PackageRow, RowContent]], people: Mapping[str, PackagePerson], digests: Digests,
    report: PackageReport,
) -> None:  # fmt: skip
    """Check that these bytes were declared and sealed and are unaltered, and say who viewed or took them."""
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
    began = _check_start(bag, upload, lines, report)
    if len(report.flaws) > flaws:
        return
    report.add_proof(
        f"{upload.id}：{size:,} 字节，SHA-256 {actual[1]}；{declared_zh}于 {line.at} 封存，日志第 {row.seq} 行由检查点 "
        f"{row.checkpoint} 证明，此后未被改动",
        f"{upload.id}: {size:,} bytes, SHA-256 {actual[1]}; {declared_en}sealed at {line.at}; row {row.seq} is under "
        f"checkpoint {row.checkpoint}: unaltered since",
    )
    if began is not None:
        report.add_proof(began.zh, began.en)
    _report_viewings(package, upload, lines, people, report)


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


def _check_start(bag: Bag, upload: PackagedUpload, lines: list[RowContent], report: PackageReport) -> Sentence | None:
    """Compare the start that counts with the last one in the journal. Returns when it began, by which source, and
    whether the journal proves it; None for a package of before, which does not tell.
    """
    path = f"data/starts/{upload.id}.json"
    if path not in bag.names:
        return None
    start = msgspec.json.decode(bag.read(path), type=PackagedStart)
    value, proved = _moment(start.value), False
    counting = [_moment(each.at) for each in start.tellings if each.counts]
    if not counting:
        report.add_flaw("start_differs", upload.id)
        return None
    for line in lines:
        moved = _start_in(line)
        if moved is not None:
            proved = _moment(moved) == value
            if not proved and _moment(line.at) >= counting[0]:
                report.add_flaw("start_differs", upload.id)
    doubt_zh, doubt_en = ("，存疑", ", in doubt") if start.doubtful else ("", "")
    if proved:
        by_zh, by_en = "日志已证明", "as the journal proves"
    elif start.tellings[0].counts:
        by_zh, by_en = "如申报时所述", "as it was declared"
    else:
        by_zh, by_en = "打包时日志尚未证明", "which the journal did not prove yet when it was packed"
    return Sentence(
        f"{upload.id}：始于 {start.value}（{start.source}{doubt_zh}），{by_zh}",
        f"{upload.id}: began at {start.value} ({start.source}{doubt_en}), {by_en}",
    )


def _start_in(line: RowContent) -> str | None:
    """The start that counts from this line on; None: it says nothing of one, or one that does not count."""
    if line.verb == "evidence/start" and "told" not in line.facts:
        return str(line.facts.get("started_at"))
    if line.verb == "recordings/correct-time" and line.outcome == "recorded":
        return str(line.facts["subject"]["start"]["started_at"])
    return None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _report_viewings(
    package: str, upload: PackagedUpload, lines: list[RowContent], people: Mapping[str, PackagePerson],
    report: PackageReport,
) -> None:  # fmt: skip
    """Say who viewed the footage and who took it in another package, how often and when, and what was denied.

    A package that was made before the sealing has nothing of this footage in it.
    """
    sealed = next(n for n, line in enumerate(lines) if line.verb == "evidence/seal" and line.subjects[0] == upload.id)
    views = [line for line in lines if line.verb == "recordings/view" and line.outcome == "done"]
    denied = [line for line in lines if line.verb == "recordings/view" and line.outcome == "denied"]
    exports = [line for line in lines[sealed:] if line.verb == "packages/export" and line.outcome == "done"]
    taken = [line for line in exports if line.facts.get("package") != package]
    for did_zh, did_en, unit, acts in (("调阅", "watched", "views", views), ("导出", "taken", "packages", taken)):
        for actor in dict.fromkeys(line.actor for line in acts):
            who, times = people.get(actor, PackagePerson()), [line.at for line in acts if line.actor == actor]
            report.add_proof(
                f"{upload.id}：{who.name}（{who.badge}）{did_zh} {len(times)} 次，{times[0]} 至 {times[-1]}",
                f"{upload.id}: {did_en} by {who.name} ({who.badge}), {len(times)} {unit}, {times[0]} to {times[-1]}",
            )
    if not views and not taken:
        report.add_proof(
            f"{upload.id}：打包前无人调阅或导出", f"{upload.id}: watched or taken by nobody before this package"
        )
    if denied:
        report.add_proof(
            f"{upload.id}：拒绝调阅 {len(denied)} 次", f"{upload.id}: {len(denied)} requests to watch were refused"
        )
