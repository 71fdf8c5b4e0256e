"""A package: footage with everything that proves it, as a BagIt bag (RFC 8493), checked without server or network.

Guarantees: whoever trusts one fingerprint learns whether these bytes were declared then by that device, are unaltered
since they were sealed, and who watched them; whatever was changed inside is named. Nothing of a package is believed
that is not signed, and nothing is written to the disk while it is checked. docs/journal.md has the format.
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
from backend.proof.checkpoints import Claims
from backend.proof.tree import head_of, leaf
from backend.proof.trust import BadSignature, Jwk, KeySet, read, trusted


class NotABag(Exception):
    """Nothing can be checked: what is missing or cannot be read."""


VERSION = 1
PACKAGE_TYPE = "fujing-package+jwt"
RECEIPT_TYPE = "fujing-receipt+jwt"
BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
ROWS, KEYS, ABOUT, PEOPLE = "data/rows.jsonl", "data/keys.json", "data/package.json", "data/people.json"
SIGNED = "package.jwt"
BLOCK = 1024 * 1024
SMALL = 64 * 1024 * 1024  # what is read whole: lists, never footage

UNREADABLE = (  # whatever a forger may put there
    NotABag, msgspec.MsgspecError, zipfile.BadZipFile, zlib.error, OSError, ValueError, LookupError, EOFError,
    TypeError, AttributeError, RuntimeError,
)  # fmt: skip
WORDS = {
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


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal as it was hashed, and how it hangs under a checkpoint; none where it is not proved yet."""

    seq: int
    entry: str
    checkpoint: int | None = None
    index: int = 0
    path: list[str] = []


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """One upload in a package."""

    id: str
    path: str
    bytes: int
    sha256: str
    receipt: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the device told of an upload, and the salt of its digest in the journal, both in hex."""

    salt: str
    content: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a package says of itself, checked by the signature over the manifest. `left_out`: footage that belongs to it
    and is not in it, by its state."""

    v: int
    id: str
    kind: str
    number: str
    made_at: str
    made_by: str
    uploads: list[Packed]
    left_out: dict[str, str] = {}


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who or which device an id of the journal is, as the server that made the package says."""

    badge: str = ""
    name: str = ""
    serial: str = ""


class Line(msgspec.Struct, frozen=True):
    """What is read of a row's bytes."""

    at: str
    verb: str
    outcome: str
    actor: str = ""
    device: str = ""
    id: str = ""
    subjects: list[str] = []
    facts: dict[str, Any] = {}


class Sentence(msgspec.Struct, frozen=True):
    """Something proved or wrong, in words."""

    zh: str
    en: str


class Checked(msgspec.Struct, kw_only=True):
    """What was found. `signer`: whether a key that the reader trusts signed it."""

    signer: bool = False
    proved: list[Sentence] = []
    flaws: list[Sentence] = []

    def flaw(self, code: str, what: object = "") -> None:
        zh, en = WORDS[code]
        self.flaws.append(Sentence(zh.format(what=what), en.format(what=what)))

    def prove(self, zh: str, en: str) -> None:
        self.proved.append(Sentence(zh, en))


class Bag:
    """The files of a bag, in a zip or in a directory."""

    def __init__(self, names: Iterable[str], opened: Callable[[str], IO[bytes]]) -> None:
        self.names, self._opened = list(names), opened

    def open(self, name: str) -> IO[bytes]:
        return self._opened(name)

    def whole(self, name: str) -> bytes:
        """A small file. Raises NotABag."""
        if name not in self.names:
            raise NotABag(name)
        with self.open(name) as file:
            content = file.read(SMALL + 1)
        if len(content) > SMALL:
            raise NotABag(f"{name} is too large")
        return content


@contextmanager
def opened(path: Path) -> Iterator[Bag]:
    """Raises NotABag, OSError."""
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
    """The folder that a zip's bag lies in."""
    found = [name.removesuffix("bagit.txt") for name in names if name.split("/")[-1] == "bagit.txt"]
    if not found:
        raise NotABag("bagit.txt")
    return min(found, key=len)


def verify(bag: Bag, fingerprints: Collection[str]) -> Checked:
    """Everything that can be proved of it, and everything that is not as it was made."""
    seen = Checked(proved=[], flaws=[])
    try:
        digests = _manifests(bag, seen)
        known = msgspec.json.decode(bag.whole(KEYS), type=KeySet)
        about = msgspec.json.decode(bag.whole(ABOUT), type=About)
        keys = trusted(known, fingerprints) if fingerprints else {key["kid"]: key for key in known.keys}
        seen.signer = bool(fingerprints) and bool(keys)
        if fingerprints and not keys:
            seen.flaw("nobody_trusted")
        _statement(bag, keys, about, seen)
        rows = _rows(bag, keys, seen)
        people = msgspec.json.decode(bag.whole(PEOPLE), type=dict[str, Person])
        for upload in about.uploads:
            _upload(bag, upload, keys, rows, people, digests, seen)
    except UNREADABLE as error:
        seen.flaw("not_a_bag", f"{type(error).__name__}: {error}")
    return seen


def _manifests(bag: Bag, seen: Checked) -> dict[str, tuple[str, int]]:
    """Digest and size of every file as it is; whatever a manifest says otherwise is a flaw."""
    if bag.whole("bagit.txt").decode() != BAGIT:
        seen.flaw("file_altered", "bagit.txt")
    found: dict[str, tuple[str, int]] = {}
    for manifest, belongs in ((PAYLOAD, True), (TAGS, False)):
        listed = _listed(bag.whole(manifest))
        there = {name for name in bag.names if name.startswith("data/") == belongs and name != TAGS}
        for name in sorted(there - set(listed)):
            seen.flaw("file_unlisted", name)
        for name, digest in listed.items():
            if name not in there:
                seen.flaw("file_missing", name)
                continue
            found[name] = _digest(bag, name)
            if found[name][0] != digest:
                seen.flaw("file_altered", name)
    if len(set(bag.names)) != len(bag.names):
        seen.flaw("file_unlisted", next(name for name in bag.names if bag.names.count(name) > 1))
    return found


def _listed(content: bytes) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in content.decode().splitlines() if line]
    return {name: digest for digest, name in lines}


def _digest(bag: Bag, name: str) -> tuple[str, int]:
    whole, size = hashlib.sha256(), 0
    try:
        with bag.open(name) as file:
            while block := file.read(BLOCK):
                whole.update(block)
                size += len(block)
    except zipfile.BadZipFile:  # its own checksum differs too
        return "", size
    return whole.hexdigest(), size


def _statement(bag: Bag, keys: Mapping[str, Jwk], about: About, seen: Checked) -> None:
    try:
        claims = read(bag.whole(SIGNED).decode(), keys, PACKAGE_TYPE)
    except BadSignature as error:
        seen.flaw("package_signature", error)
        return
    if (claims.get("id"), claims.get("manifest")) != (about.id, hashlib.sha256(bag.whole(PAYLOAD)).hexdigest()):
        seen.flaw("package_signature", "it is of other files")


def _rows(bag: Bag, keys: Mapping[str, Jwk], seen: Checked) -> list[tuple[Row, Line]]:
    """The rows that hang under a checkpoint of a trusted key; those not proved yet are left out."""
    heads: dict[int, Claims | None] = {}
    proved: list[tuple[Row, Line]] = []
    later = 0
    for text in bag.whole(ROWS).splitlines():
        row = msgspec.json.decode(text, type=Row)
        if row.checkpoint is None:
            later += 1
            continue
        if row.checkpoint not in heads:
            heads[row.checkpoint] = _head(bag, row.checkpoint, keys, seen)
        claims = heads[row.checkpoint]
        if claims is None:
            continue
        path = [bytes.fromhex(node) for node in row.path]
        head = head_of(leaf(row.entry.encode()), row.index, claims.rows, path)
        if head is None or head.hex() != claims.root:
            seen.flaw("row_not_proved", row.seq)
            continue
        proved.append((row, msgspec.json.decode(row.entry, type=Line)))
    if later:
        seen.prove(f"{later} 行日志在打包时尚未证明", f"{later} rows were not proved yet when it was made")
    return proved


def _head(bag: Bag, number: int, keys: Mapping[str, Jwk], seen: Checked) -> Claims | None:
    try:
        token = bag.whole(f"data/checkpoints/{number:012}.jwt").decode()
        claims = msgspec.convert(read(token, keys, CHECKPOINT_TYPE), Claims)
    except (BadSignature, NotABag, msgspec.ValidationError):
        seen.flaw("checkpoint_signature", number)
        return None
    if claims.number != number:
        seen.flaw("checkpoint_signature", number)
        return None
    return claims


def _upload(
    bag: Bag, upload: Packed, keys: Mapping[str, Jwk], rows: list[tuple[Row, Line]], people: Mapping[str, Person],
    digests: Mapping[str, tuple[str, int]], seen: Checked,
) -> None:  # fmt: skip
    """That these bytes were declared, sealed and kept; and who watched them."""
    flaws = len(seen.flaws)
    try:
        claims = read(upload.receipt, keys, RECEIPT_TYPE)
    except BadSignature:
        claims = {}
    digest, size = digests.get(upload.path, ("", 0))
    actual = (upload.id, digest, size)
    if (claims.get("id"), claims.get("sha256"), claims.get("bytes")) != actual:
        seen.flaw("receipt_differs", upload.id)
    own = [(row, line) for row, line in rows if upload.id in line.subjects]
    sealing = [(row, line) for row, line in own if line.verb == "evidence/seal" and line.subjects[0] == upload.id]
    if not sealing:
        seen.flaw("seal_missing", upload.id)
        return
    row, line = sealing[0]
    if (line.facts.get("sha256"), line.facts.get("bytes")) != actual[1:]:
        seen.flaw("seal_differs", upload.id)
    told = _declared(bag, upload, own, people, seen)
    if len(seen.flaws) > flaws:
        return
    seen.prove(
        f"{upload.id}：{size:,} 字节，SHA-256 {actual[1]}；{told[0]}于 {line.at} 封存，日志第 {row.seq} 行由检查点 "
        f"{row.checkpoint} 证明，此后未被改动",
        f"{upload.id}: {size:,} bytes, SHA-256 {actual[1]}; {told[1]}sealed at {line.at}; row {row.seq} is under "
        f"checkpoint {row.checkpoint}: unaltered since",
    )
    _watched(upload, own, people, seen)


def _declared(
    bag: Bag, upload: Packed, own: list[tuple[Row, Line]], people: Mapping[str, Person], seen: Checked
) -> tuple[str, str]:
    """By which device, by whom and when it was declared, and for when; in words."""
    path = f"data/declared/{upload.id}.json"
    rows = [line for _, line in own if line.id == upload.id and line.outcome == "recorded"]
    if not rows:
        return "", ""
    line = rows[0]
    device = people.get(line.device, Person()).serial or line.device
    who = people.get(line.actor, Person())
    times = f"{line.facts.get('occurred_at')}"
    footage = ""
    if path in bag.names:
        kept = msgspec.json.decode(bag.whole(path), type=Declared)
        content = bytes.fromhex(kept.content)
        made = hmac.digest(bytes.fromhex(kept.salt), content, hashlib.sha256).hex()
        if not hmac.compare_digest(made, str(line.facts.get("content"))):
            seen.flaw("declared_otherwise", upload.id)
        entry = msgspec.json.decode(content, type=dict[str, Any])["entry"]
        footage = f"{entry.get('started_at', '')} {entry.get('camera_serial', '')}".strip()
    zh = f"设备 {device} 上由 {who.name}（{who.badge}）于 {times} 申报，记录始于 {footage}；"
    en = f"declared on device {device} by {who.name} ({who.badge}) at {times}, recorded from {footage}; "
    return zh, en


def _watched(upload: Packed, own: list[tuple[Row, Line]], people: Mapping[str, Person], seen: Checked) -> None:
    views = [line for _, line in own if line.verb == "recordings/view" and line.outcome == "done"]
    denied = [line for _, line in own if line.verb == "recordings/view" and line.outcome == "denied"]
    for actor in dict.fromkeys(line.actor for line in views):
        who, times = people.get(actor, Person()), [line.at for line in views if line.actor == actor]
        seen.prove(
            f"{upload.id}：{who.name}（{who.badge}）调阅 {len(times)} 次，{times[0]} 至 {times[-1]}",
            f"{upload.id}: watched by {who.name} ({who.badge}), {len(times)} views, {times[0]} to {times[-1]}",
        )
    if not views:
        seen.prove(f"{upload.id}：打包前无人调阅", f"{upload.id}: watched by nobody before this package")
    if denied:
        seen.prove(
            f"{upload.id}：拒绝调阅 {len(denied)} 次", f"{upload.id}: {len(denied)} requests to watch were refused"
        )
