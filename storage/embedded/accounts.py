"""The account PostgreSQL runs under, because it refuses to run as root.

Guarantees: whoever is not root stays themselves. Root gets, where the kernel allows it, a user namespace in
which outside uid 0 appears as an unprivileged account: the files stay root's, 0700, and no other local user,
that account included, can touch them. Otherwise the directory, and only it, is handed to a real account.
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
    """Who the server is. `become` runs in the child before exec; `owner` owns the files outside."""

    owner: int
    group: int
    become: Callable[[], None] | None

    def take(self, directory: Path) -> None:
        """Makes the directory, and only it, belong to `owner`. Costs one look when it does already."""
        if self._owns(directory):
            return
        for parent, names, files in os.walk(directory):
            for name in [*names, *files]:
                os.chown(os.path.join(parent, name), self.owner, self.group, follow_symlinks=False)
        os.chown(directory, self.owner, self.group)  # last: tells that the walk was finished

    def _owns(self, directory: Path) -> bool:
        return os.stat(directory).st_uid == self.owner


def account_for(binary: Path, directory: Path, as_root: AsRoot | None) -> Account:
    """The account to run `binary` over `directory` with. Raises EmbeddedError when there is none that can."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), None)
    if as_root != "user" and _can_run(binary, _namespaced()):
        return _checked(Account(0, 0, _namespaced()), binary, directory)
    if as_root == "namespace":
        raise EmbeddedError(
            "The kernel refuses a user namespace to root here: run fujing as an ordinary user, or with as_root='user'."
        )
    entry = _unprivileged("postgres", "nobody")
    return _checked(Account(entry.pw_uid, entry.pw_gid, _as_user(entry)), binary, directory)


def _checked(account: Account, binary: Path, directory: Path) -> Account:
    """Hands the directory over and proves that the account reaches it and the binaries."""
    account.take(directory)
    become = account.become
    assert become is not None  # noqa: S101 - accounts of root always change

    def become_and_enter() -> None:
        become()
        os.chdir(directory)

    for way, target in ((become, binary), (become_and_enter, directory)):
        if not _can_run(binary, way):
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and the account it runs under cannot reach {target}: "
                "set FUJING_DATA_DIR (and the Python environment) to a place every user may enter, "
                "such as /var/lib or /srv, or run fujing as an ordinary user."
            )
    return account


def _can_run(binary: Path, become: Callable[[], None]) -> bool:
    """Whether a child that became so can execute the binary at all."""
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
        "PostgreSQL does not run as root and there is no user `nobody`: run fujing as an ordinary user."
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
