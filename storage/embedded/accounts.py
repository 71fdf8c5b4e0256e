"""The account that PostgreSQL runs under, because it refuses to run as root.

Guarantees: an ordinary user runs it under their own account. For root, where the kernel allows it, a user namespace
maps uid 0 to an unprivileged account: the files stay root's, 0700, and no other local user can read them. Where it
does not, the directory, and nothing else, is given to a real account.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storage.embedded.processes import EmbeddedError

AsRoot = Literal["namespace", "user"]
_CLONE_NEWUSER = 0x10000000
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


@dataclass(frozen=True)
class Account:
    """The account of a server. `become` runs in the child before exec; `owner` and `group` own its files."""

    owner: int
    group: int
    become: Callable[[], None] | None

    def take(self, directory: Path) -> None:
        """Give the directory and all in it to `owner`. Costs one `stat` where it is theirs already."""
        if self._owns(directory):
            return
        for parent, names, files in os.walk(directory):
            for name in [*names, *files]:
                os.chown(os.path.join(parent, name), self.owner, self.group, follow_symlinks=False)
        os.chown(directory, self.owner, self.group)  # last: its owner shows that the walk was finished

    def _owns(self, directory: Path) -> bool:
        return os.stat(directory).st_uid == self.owner


def account_for(binary: Path, directory: Path, as_root: AsRoot | None) -> Account:
    """The account under which `binary` runs over `directory`. Raises EmbeddedError where no account can."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), None)
    if as_root != "user" and _can_run(binary, _namespaced()):
        return _checked(Account(0, 0, _namespaced()), binary, directory)
    if as_root == "namespace":
        raise EmbeddedError(
            "内核拒绝为 root 建立用户命名空间：请以普通用户运行 fujing，或使用 as_root='user'。",
            "The kernel refuses a user namespace to root here: run fujing as an ordinary user, or with as_root='user'.",
        )
    entry = _unprivileged("postgres", "nobody")
    return _checked(Account(entry.pw_uid, entry.pw_gid, _as_user(entry)), binary, directory)


def _checked(account: Account, binary: Path, directory: Path) -> Account:
    """Give the directory to the account, and check that it reaches the directory and the binary."""
    account.take(directory)
    become = account.become
    assert become is not None  # noqa: S101 - root always changes its account

    def become_and_enter() -> None:
        become()
        os.chdir(directory)

    for change, target in ((become, binary), (become_and_enter, directory)):
        if not _can_run(binary, change):
            raise EmbeddedError(
                f"PostgreSQL 不以 root 运行，而它使用的账号无法访问 {target}：请把 FUJING_DATA_DIR（及 Python 环境）"
                "设在所有用户都能进入的位置，如 /var/lib 或 /srv，或以普通用户运行 fujing。",
                f"PostgreSQL does not run as root, and the account it runs under cannot reach {target}: "
                "set FUJING_DATA_DIR (and the Python environment) to a place every user may enter, "
                "such as /var/lib or /srv, or run fujing as an ordinary user.",
            )
    return account


def _can_run(binary: Path, become: Callable[[], None]) -> bool:
    """Whether a child can execute the binary after `become`."""
    try:
        return (
            subprocess.run(
                [binary, "--version"], preexec_fn=become, cwd="/", capture_output=True, timeout=20
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def _unprivileged(*preferred: str) -> pwd.struct_passwd:
    for name in preferred:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError(
        "PostgreSQL 不以 root 运行，而系统没有用户 `nobody`：请以普通用户运行 fujing。",
        "PostgreSQL does not run as root and there is no user `nobody`: run fujing as an ordinary user.",
    )


def _namespaced() -> Callable[[], None]:
    inside = _unprivileged("nobody", "postgres")

    def become() -> None:
        if _LIBC.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{inside.pw_uid} 0 1"),
            ("gid_map", f"{inside.pw_gid} 0 1"),
        ):
            with open(f"/proc/self/{file}", "w") as kernel:
                kernel.write(text)

    return become


def _as_user(entry: pwd.struct_passwd) -> Callable[[], None]:
    def become() -> None:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return become
