"""The proof that a bucket keeps what is locked or held: small objects that must not go, and one that must.

Guarantees: a refusal counts as a lock only where a version that is neither locked nor held goes, so keys that may not
delete prove nothing. Lock and legal hold are proved alone and together, at once and by probes of days before: a lock is
over by then, and its hold must still keep the version. Each proof has keys of its own, so many may run at once.

Runs in the threads of the evidence store; raises what the SDK raises, and LockNotKept.
"""

from __future__ import annotations

import contextlib
import io
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error
from minio.retention import Retention

from storage import locks
from storage.store_errors import LockNotKept, MayNotDelete

FOLDER = "probe/"
NAME = re.compile(r"probe/[0-9a-z-]+/[0-9a-z-]+")  # nothing that leads elsewhere once an address is made of it
CONTENT = b"Fujing proves that a version that is locked or held stays."
AT_ONCE = timedelta(minutes=1)  # a shorter lock is already past for a store whose clock runs ahead
DISTURBS_NOBODY = timedelta(minutes=20)  # age of a probe that no proof uses; a store's clock is 15 min off at most
FORGOTTEN = timedelta(days=1)  # age of a held probe that nobody looks at: its process was killed
MOST_LEFT = 12  # probes; where a default retention keeps them for years, no more are left
ONCE = 1000  # objects removed by one tidying
GONE = {"NoSuchKey", "NoSuchVersion", "ResourceNotFound"}
Kind = Literal["locked", "held", "both"]


@dataclass(frozen=True)
class Probe:
    """One version that was left. `locked_until`: the end of its lock; None: it has none, or the bucket's default.

    Its hold is lifted and it is removed, so it is never another object than a probe, whoever names it: ValueError.
    """

    kind: Kind
    key: str
    version: str
    locked_until: datetime | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.key) or not self.version:
            raise ValueError(f"no probe: {self.key[:80]}")


@dataclass(frozen=True)
class LockFound:
    """What a proof found. `by_default`: until when the bucket's own rule keeps a new object; None: it has no such rule.

    Then nobody can tell a lock from a missing right at once: the probes of days before do.
    """

    by_default: datetime | None


class LockProof:
    """Proofs over one bucket. `lock`: how long a version is locked that is to be looked at after its lock."""

    def __init__(self, client: Minio, bucket: str, lock: timedelta = AT_ONCE) -> None:
        self._client, self._bucket, self._lock_for = client, bucket, lock

    def prove(self) -> LockFound:
        """Prove versions, lock and hold, each alone and together. Raises LockNotKept, MayNotDelete."""
        if self._client.get_bucket_versioning(self._bucket).status != "Enabled":
            raise LockNotKept("存储桶不保留版本", "the bucket keeps no versions")
        free = self._put(f"once/{secrets.token_hex(8)}")
        by_default = self._must_go(free)
        for kinds in (("locked",), ("held",), ("held", "locked")):
            self._prove(free if by_default else self._put(f"once/{secrets.token_hex(8)}"), kinds, by_default)
        return LockFound(by_default)

    def _prove(self, probe: Probe, kinds: tuple[str, ...], by_default: datetime | None) -> None:
        """Lock or hold a version, or both, and try to remove it; a hold is lifted afterwards."""
        if "locked" in kinds:
            self._lock(probe, _whole_second(self._now() + self._lock_for))
        if "held" in kinds:
            self._hold(probe, True)
        self._must_stay(probe, *_words(kinds))
        if "held" not in kinds:
            return
        self._hold(probe, False)
        if "locked" in kinds:
            self._must_stay(probe, *_words(("locked",)))
        elif by_default is None and (code := self._refused(probe)) is not None:
            raise LockNotKept(
                f"冻结解除后仍不能删除（{code}）", f"a version cannot be removed after its hold was lifted ({code})"
            )

    def leave(self, day: str, until: datetime) -> list[Probe]:
        """Leave three versions to be looked at later: locked until `until`, held, and held behind a lock that ends in
        a minute."""
        locked, held, both = (self._put(f"{day}/{secrets.token_hex(4)}-{kind}") for kind in ("locked", "held", "both"))
        self._lock(locked, until)
        self._lock(both, _whole_second(self._now() + self._lock_for))
        self._hold(held, True)
        self._hold(both, True)
        return [
            Probe("locked", locked.key, locked.version, until),
            Probe("held", held.key, held.version),
            Probe("both", both.key, both.version),
        ]

    def look(self, left: Sequence[Probe]) -> None:
        """That what was left is there, is refused, and is held as it was. Raises LockNotKept."""
        for probe in left:
            if not self._is_there(probe):
                raise LockNotKept(*_set_back("此前留下的版本已不在", "a version that was left before is gone"))
            if probe.kind == "locked":
                self._look_at_lock(probe)
            elif not self._is_held(probe):
                raise LockNotKept(*_set_back("此前设置的冻结已不在", "a legal hold that was set before is gone"))
            else:
                self._must_stay(probe, *_words(("held",) if probe.kind == "held" else ("held", "over")))

    def gone(self, left: Sequence[Probe]) -> set[str]:
        """The versions of these that are not there."""
        return {probe.version for probe in left if not self._is_there(probe)}

    def _look_at_lock(self, probe: Probe) -> None:
        if probe.locked_until is None or probe.locked_until <= self._now() + AT_ONCE:
            return
        kept = self._retention(probe)
        if kept is None or kept < probe.locked_until:
            raise LockNotKept("此前设置的锁定变短或消失", "a lock that was set before is shorter now, or gone")
        self._must_stay(probe, *_words(("locked",)))

    def tidy(self, keep: Collection[str], let_go: Sequence[Probe]) -> None:
        """Lift the holds of `let_go`, and remove every probe that nothing keeps. `keep`: versions that stay.

        Probes of a proof under way stay.
        """
        for probe in let_go:
            with contextlib.suppress(S3Error):
                self._client.disable_object_legal_hold(self._bucket, probe.key, probe.version)
            self._remove_quietly(probe.key, probe.version)
        now = self._now()
        listed = self._client.list_objects(self._bucket, prefix=FOLDER, recursive=True, include_version=True)
        for _, each in zip(range(ONCE), listed, strict=False):
            age = now - (each.last_modified or now)
            version = each.version_id or ""
            if version in keep or age < DISTURBS_NOBODY:
                continue
            if age > FORGOTTEN and not each.is_delete_marker:
                with contextlib.suppress(S3Error):
                    self._client.disable_object_legal_hold(self._bucket, str(each.object_name), version)
            self._remove_quietly(str(each.object_name), version)

    def _remove_quietly(self, key: str, version: str) -> None:
        """Remove a probe; one that is still locked goes another day."""
        try:
            self._client.remove_object(self._bucket, key, version)
        except S3Error as error:
            if _is_fault(error):
                raise

    # -- one version

    def _now(self) -> datetime:
        """The time of this machine. A lock is a minute, so a store that is ahead by seconds does no harm."""
        return datetime.now(UTC)

    def _put(self, name: str) -> Probe:
        key = FOLDER + name
        put = self._client.put_object(self._bucket, key, io.BytesIO(CONTENT), len(CONTENT), "text/plain")
        if not put.version_id:
            raise LockNotKept("新对象没有版本号", "a new object has no version")
        return Probe("held", key, put.version_id)

    def _refused(self, probe: Probe) -> str | None:
        """Try to remove the version. The code of the refusal, or None where the store says that it is gone."""
        try:
            self._client.remove_object(self._bucket, probe.key, probe.version)
        except S3Error as error:
            if _is_fault(error):
                raise
            return str(error.code)
        return None

    def _must_go(self, free: Probe) -> datetime | None:
        """Remove a version that nothing of ours keeps. Returns until when a rule of the bucket keeps it, where one
        does. Raises MayNotDelete."""
        code = self._refused(free)
        if code is None:
            if self._is_there(free):
                raise LockNotKept("它说已删除的版本仍在", "a version that it says it removed is there")
            return None
        try:
            kept = self._retention(free)
        except S3Error as error:
            if _is_fault(error):
                raise
            kept = None
        if kept is None or kept <= self._now():
            raise MayNotDelete(code)
        return kept

    def _must_stay(self, probe: Probe, zh: str, en: str) -> None:
        if self._refused(probe) is None:
            raise LockNotKept(f"{zh}的版本可以被删除", f"a version that is {en} could be deleted")
        self._read_back(probe)

    def _read_back(self, probe: Probe) -> None:
        """That the version is there with its bytes. Raises LockNotKept."""
        try:
            response = self._client.get_object(self._bucket, probe.key, version_id=probe.version)
        except S3Error as error:
            if error.code not in GONE:
                raise
            raise LockNotKept("应保留的版本已不在", "a version that was to stay is gone") from error
        try:
            if response.read() != CONTENT:
                raise LockNotKept("应保留的版本内容已变", "a version that was to stay has other bytes")
        finally:
            response.close()
            response.release_conn()

    def _is_there(self, probe: Probe) -> bool:
        try:
            self._client.stat_object(self._bucket, probe.key, version_id=probe.version)
        except S3Error as error:
            if error.code not in GONE | {"MethodNotAllowed"}:
                raise
            return False
        return True

    def _lock(self, probe: Probe, until: datetime) -> None:
        """Lock the version and read it back. A rule of the bucket may keep it for longer."""
        kept = self._retention(probe)
        if kept is None or kept < until:
            self._told(
                "锁定", "to lock", "s3:PutObjectRetention",
                lambda: self._client.set_object_retention(
                    self._bucket, probe.key, Retention(COMPLIANCE, until), probe.version
                ),
            )  # fmt: skip
            kept = self._retention(probe)
        if kept is None or kept < until:
            raise LockNotKept(f"要求保留到 {until}，它却答 {kept}", f"told to keep until {until}, it says {kept}")

    def _hold(self, probe: Probe, on: bool) -> None:
        change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
        self._told(
            "设置冻结", "to set a legal hold", "s3:PutObjectLegalHold",
            lambda: change(self._bucket, probe.key, probe.version),
        )  # fmt: skip
        if self._is_held(probe) != on:
            raise LockNotKept("它没有按要求设置或解除冻结", f"told to set a legal hold to {on}, it has it otherwise")

    def _told(self, zh: str, en: str, right: str, change: Callable[[], object]) -> None:
        """Make a change of the proof. Raises LockNotKept where it is refused."""
        try:
            change()
        except S3Error as error:
            if _is_fault(error):
                raise
            raise LockNotKept(
                f"它拒绝{zh}（{error.code}；若是权限不足，密钥须有 {right}）",
                f"it refused {en} ({error.code}; if it is for want of a right, the keys need {right})",
            ) from error

    def _retention(self, probe: Probe) -> datetime | None:
        """Until when the version is kept, in any mode; None: it never was."""
        return locks.kept_until(self._client, self._bucket, probe.key, probe.version, in_any_mode=True)

    def _is_held(self, probe: Probe) -> bool:
        try:
            return locks.is_held(self._client, self._bucket, probe.key, probe.version)
        except S3Error as error:
            if error.code in GONE:
                raise LockNotKept("应保留的版本已不在", "a version that was to stay is gone") from error
            raise


def _is_fault(error: S3Error) -> bool:
    """Whether the store failed, so that nothing is known: neither a refusal nor an answer."""
    return bool(error.response.status >= 500)


def _set_back(zh: str, en: str) -> tuple[str, str]:
    """Words for what may also follow from a database that was set back to an earlier moment."""
    return (
        f"{zh}（若数据库曾恢复到较早的时刻，请运行 fujing mark-store）",
        f"{en} (if the database was set back to an earlier moment, run `fujing mark-store`)",
    )


def _words(kinds: tuple[str, ...]) -> tuple[str, str]:
    """What keeps a version, in Chinese and in English."""
    words = {"locked": ("已锁定", "locked"), "held": ("已冻结", "held"), "over": ("锁定已到期", "past its lock")}
    chosen = [words[kind] for kind in kinds]
    return "且".join(zh for zh, _ in chosen), " and ".join(en for _, en in chosen)


def _whole_second(moment: datetime) -> datetime:
    """Round up: no lock is shorter than asked."""
    rounded = moment.replace(microsecond=0)
    return rounded if rounded == moment else rounded + timedelta(seconds=1)
