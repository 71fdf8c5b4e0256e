"""`fujing install`: one server of a station as systemd services, with its account, data directory and nightly backup.

Guarantees: run again with the same words it changes nothing; with others it changes what differs, and restarts what
ran under the old words. Nothing that an administrator wrote (/etc/fujing/fujing.env) is written over, and no file of a
house is removed. Where it cannot install (no root, no systemd) it prints what it would write.
"""

import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess  # nosec B404
import sys
from dataclasses import dataclass
from pathlib import Path

from mobile_api.cli.terminal import say
from mobile_api.cli.units import SERVICE, SETTINGS, TIMER, Plan, clone_of, units
from storage.language import SentenceError

UNITS, ENVIRONMENT = Path("etc/systemd/system"), Path("etc/fujing/fujing.env")
RUNNING = Path("/run/systemd/system")  # there where systemd is in charge: sd_booted(3)
ACCOUNT = re.compile("[a-z_][a-z0-9_-]{0,30}")
NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")
OPEN = 0o005  # others may enter and read


class NotInstalled(SentenceError):
    """It cannot be installed like this; the text says what to do."""

    exit_code = 2


@dataclass(frozen=True)
class Machine:
    """Where it is installed: `root` is / or the folder of a system that does not run (an image that is being made)."""

    root: Path

    @property
    def runs(self) -> bool:
        return self.root == Path("/")

    def at(self, path: Path) -> Path:
        return self.root / path.relative_to("/") if path.is_absolute() else self.root / path


def program() -> Path:
    """The command `fujing` of the Python that runs: it stays this clone's, whatever PATH says."""
    return Path(sys.prefix) / "bin" / "fujing"


def check(plan: Plan) -> None:
    """Raises NotInstalled where the words make no unit."""
    if not ACCOUNT.fullmatch(plan.user):
        raise NotInstalled(f"账号名无法使用：{plan.user}。", f"{plan.user} cannot be the name of an account.")
    if plan.lan is not None and not NAME.fullmatch(plan.lan):
        raise NotInstalled(
            f"{plan.lan} 不是局域网中的名称：应为主机名或 IP 地址，如 fujing.lan。",
            f"{plan.lan} is no name in a network: it takes a host name or an IP address, as fujing.lan.",
        )
    if {'"', "'", "\\"} & set(str(plan.program)):
        raise NotInstalled(
            f"systemd 不能运行路径中有引号或反斜杠的程序：{plan.program}。请把本目录移到别处。",
            f"systemd runs no program whose path has a quote or a backslash: {plan.program}. Move this clone.",
        )
    for path in (plan.data, plan.backup, plan.program):
        if "\n" in str(path) or not path.is_absolute():
            raise NotInstalled(f"路径须为绝对路径：{path}。", f"The path must be absolute: {path}.")


def show(plan: Plan) -> None:
    """Print every file that would be written."""
    for name, text in {f"/{UNITS}/{name}": text for name, text in units(plan).items()}.items():
        say(f"── {name}", f"── {name}")
        say(text, text)
    say(
        f"另外：系统账号 {plan.user}，目录 {plan.data} 和 {plan.backup}（0700，属该账号），"
        f"设置文件 /{ENVIRONMENT}（如尚无）。",
        f"Besides: the system account {plan.user}, the folders {plan.data} and {plan.backup} (0700, its own), and the "
        f"file of settings /{ENVIRONMENT}, where there is none.",
    )


def must_be_possible() -> None:
    """Raises NotInstalled where nobody may write units, or nothing would run them."""
    if os.geteuid() != 0:
        raise NotInstalled(
            "需要 root 才能写入系统服务，什么也没有写入：请用 sudo 再次运行。以上是将要写入的内容。",
            "Only root writes system services, and nothing was written: run it again by sudo. Above is what it would "
            "write.",
        )
    if not RUNNING.is_dir():
        raise NotInstalled(
            "本机没有运行 systemd，什么也没有写入。以上是将要写入的内容；也可以直接运行 `fujing serve`。",
            "No systemd runs here, and nothing was written. Above is what it would write; `fujing serve` needs none.",
        )


def install(plan: Plan, machine: Machine) -> None:
    """Write what is missing or differs, and run it. Raises NotInstalled."""
    if machine.runs:
        _account(plan.user)
        must_be_readable(plan)
    for folder in (plan.data, plan.backup):
        _own_folder(machine, folder, plan.user)
    _settings(machine, plan.user)
    changed = [name for name, text in units(plan).items() if _written(machine.at(UNITS / name), text)]
    _enabled(machine, changed)
    _said(plan, machine, changed)


def _said(plan: Plan, machine: Machine, changed: list[str]) -> None:
    if not changed:
        say("没有变化，服务照常运行。", "Nothing differs: the services run as before.")
        return
    say(f"已写入：{', '.join(changed)}", f"written: {', '.join(changed)}")
    if machine.runs:
        words = ["sudo", "-u", plan.user, f"FUJING_DATA_DIR={plan.data}", str(plan.program), "doctor"]
        say(
            f"运行日志：journalctl -u fujing；检查：{shlex.join(words)}",
            f"its log: journalctl -u fujing; try it: {shlex.join(words)}",
        )
    say(
        f"每夜备份到 {plan.backup}：请挂载另一块磁盘，或另行复制。",
        f"Every night it is saved to {plan.backup}: mount another disk there, or carry it on.",
    )


def _account(user: str) -> None:
    """A system account without a login and a home."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        nologin = shutil.which("nologin", path="/usr/sbin:/sbin") or "/bin/false"
        _run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
             "--shell", nologin, user)  # fmt: skip
    try:
        grp.getgrnam(user)
    except KeyError:
        raise NotInstalled(
            f"账号 {user} 没有同名的组：请另选账号，或运行 groupadd {user}。",
            f"The account {user} has no group of its name: choose another, or run groupadd {user}.",
        ) from None


def must_be_readable(plan: Plan) -> None:
    """Raises NotInstalled where the account cannot enter the folders of this clone and of its Python."""
    interpreter = (plan.program.parent / "python").resolve()
    for path in (clone_of(plan.program), plan.program.parent, interpreter):
        closed = next((each for each in (path, *path.parents) if not each.stat().st_mode & 0o001), None)
        if closed is not None:
            raise NotInstalled(
                f"账号 {plan.user} 不能进入 {closed}，无法运行其中的程序。请把本目录移到 /opt 下（如 /opt/fujing），"
                "再运行 make env 和 fujing install。",
                f"The account {plan.user} cannot enter {closed}, and so cannot run what lies there. Move this clone to "
                "/opt (as /opt/fujing), then run make env and fujing install again.",
            )


def _own_folder(machine: Machine, folder: Path, user: str) -> None:
    """A folder for the account alone. One that is there must be its own; raises NotInstalled."""
    there = machine.at(folder)
    if there.is_dir():
        if machine.runs and there.stat().st_uid != pwd.getpwnam(user).pw_uid:
            raise NotInstalled(
                f"{folder} 不属于账号 {user}，其中的系统无法运行。请停止使用它的程序，再运行："
                f"chown -R {user}: {folder}",
                f"{folder} does not belong to the account {user}, so nothing in it would run. Stop what uses it, then: "
                f"chown -R {user}: {folder}",
            )
        return
    there.mkdir(mode=0o700, parents=True)
    there.chmod(0o700)
    if machine.runs:
        shutil.chown(there, user, user)


def _settings(machine: Machine, user: str) -> None:
    """The file of settings, which is the administrator's: secrets may come to stand in it."""
    path = machine.at(ENVIRONMENT)
    if path.exists():
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(SETTINGS)
    if machine.runs:
        shutil.chown(path, "root", user)


def _written(path: Path, text: str) -> bool:
    """Write a file where it differs; whole or not at all. Whether it did."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)
    return True


def _enabled(machine: Machine, changed: list[str]) -> None:
    """Started now and at every start of the machine; what ran under other words is restarted."""
    if not machine.runs:
        _run("systemctl", f"--root={machine.root}", "enable", SERVICE, TIMER)
        return
    if changed:
        _run("systemctl", "daemon-reload")
    _run("systemctl", "enable", "--now", TIMER)
    _run("systemctl", "enable", SERVICE)
    _run("systemctl", "restart" if SERVICE in changed else "start", SERVICE)


def _run(*words: str) -> None:
    """Raises NotInstalled with the words of what failed."""
    found = shutil.which(words[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NotInstalled(f"找不到命令 {words[0]}。", f"There is no command {words[0]}.")
    done = subprocess.run([found, *words[1:]], capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]
        raise NotInstalled(f"{' '.join(words)} 失败：{said}", f"{' '.join(words)} failed: {said}")
