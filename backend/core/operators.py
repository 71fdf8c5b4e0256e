"""Who runs a command on the server: the machine's operating user, in every journal line that the command writes.

An operator is no person of the house, so a line of theirs has no actor. It has the fact `operator` instead: uid and
account name of whoever runs the process, what sudo and the kernel's audit say of who that was before, the host, and the
command. Guarantees: only numbers and names of the machine get into it, never free text: a name of another form is left
out. `sudo_user` is what the environment says, and whoever runs the process can set it; `login_uid` is the kernel's.
Source: DESIGN §7; 数据安全法 27; 网络安全法 21. See docs/adr/0057.
"""

import os
import pwd
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+\\-]{0,63}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252})")
COMMAND = re.compile(r"[a-z][a-z-]{0,39}( [a-z][a-z-]{0,39})?")
LOGIN_UID = Path("/proc/self/loginuid")
NO_LOGIN = 2**32 - 1  # the kernel's word for: nobody logged in, a service began it


class Operator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The operating user of the machine. `uid`: the real one. Names are None where the machine has none of that form.

    `sudo_user`: who asked sudo, as it says. `login_uid`: who logged in, by the kernel's audit. `command`: of `fujing`.
    """

    uid: int
    user: str | None = None
    sudo_user: str | None = None
    login_uid: int | None = None
    login_user: str | None = None
    host: str | None = None
    command: str | None = None


_ACTING: ContextVar[Operator | None] = ContextVar("operator", default=None)


def of_this_process(command: str | None = None, environment: Mapping[str, str] = os.environ) -> Operator:
    """Who runs this process. `command`: what of `fujing` it runs."""
    uid, login_uid = os.getuid(), _login_uid()
    return Operator(
        uid=uid, user=_account(uid), sudo_user=_of_form(ACCOUNT, environment.get("SUDO_USER")), login_uid=login_uid,
        login_user=None if login_uid is None else _account(login_uid), host=_of_form(HOST, socket.gethostname()),
        command=_of_form(COMMAND, command),
    )  # fmt: skip


@contextmanager
def acting(operator: Operator) -> Iterator[None]:
    """Name this operator in every journal line that is written inside the block."""
    before = _ACTING.set(operator)
    try:
        yield
    finally:
        _ACTING.reset(before)


def facts() -> dict[str, Any]:
    """The fact `operator` of a journal line; nothing where no command of an operator runs."""
    operator = _ACTING.get()
    return {} if operator is None else {"operator": msgspec.to_builtins(operator)}


def shown(fact: Mapping[str, Any]) -> str:
    """The account that a reader of the feed sees: who asked sudo, who logged in, or else who runs the process."""
    names = (fact.get(name) for name in ("sudo_user", "login_user", "user"))
    return next((str(name) for name in names if name is not None), str(fact.get("uid")))


def _account(uid: int) -> str | None:
    try:
        return _of_form(ACCOUNT, pwd.getpwuid(uid).pw_name)
    except KeyError:
        return None


def _login_uid() -> int | None:
    """The audit login uid; None where the kernel knows none."""
    try:
        uid = int(LOGIN_UID.read_text())
    except (OSError, ValueError):
        return None
    return None if uid == NO_LOGIN else uid


def _of_form(form: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and form.fullmatch(text) else None
