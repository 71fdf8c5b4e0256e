"""The systemd units of a station's one server: `fujing serve`, and a backup every night. Pure: texts from a plan.

They are closed as the units in deploy/ are (tests/rules/test_install.py compares them), but for what embedded servers
need: /proc/stat, by which a process knows its own children again, and a netlink socket, by which weed lists addresses.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SERVICE, BACKUP, TIMER = "fujing.service", "fujing-backup.service", "fujing-backup.timer"
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
CLOSED = """\
UMask=0077
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
DevicePolicy=closed
KeyringMode=private
LockPersonality=true
PrivateDevices=true
PrivateTmp=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
LimitNOFILE=65536
"""
WRITTEN = (
    "# Written by `fujing install`: run it again to change this. 由 `fujing install` 写成，更改请再次运行该命令。\n"
)
SETTINGS = """\
# Settings of this house, one a line, as FUJING_WORKERS=2; docs/settings.md lists them. Then: systemctl restart fujing
# 本系统的设置，每行一项，如 FUJING_WORKERS=2；全部设置见 docs/settings.md。更改后运行：systemctl restart fujing
"""


@dataclass(frozen=True)
class Plan:
    """What is to run: `program` is this clone's command, `lan` the name for phones (None: this machine alone)."""

    program: Path
    data: Path
    backup: Path
    user: str
    lan: str | None


def units(plan: Plan) -> dict[str, str]:
    """The text of each unit by its name."""
    return {SERVICE: _service(plan), BACKUP: _backup(plan), TIMER: _timer()}


def _service(plan: Plan) -> str:
    words = ["serve", "--lan", plan.lan] if plan.lan is not None else ["serve"]
    return (
        f"{WRITTEN}[Unit]\nDescription=Fujing\n{_documentation(plan)}After=network-online.target\n"
        "Wants=network-online.target\n\n[Service]\nType=exec\n"
        f"{_running(plan, words)}Restart=always\nRestartSec=2\nTimeoutStopSec=30\nKillMode=mixed\n"
        f"{CLOSED}{_homes(plan)}ReadWritePaths={quoted(plan.data)}\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def _backup(plan: Plan) -> str:
    """Beside a house that runs: it needs its servers. Nice, for sealing and watching go first."""
    return (
        f"{WRITTEN}[Unit]\nDescription=Backup of Fujing\n{_documentation(plan)}After={SERVICE}\nRequisite={SERVICE}\n\n"
        f"[Service]\nType=oneshot\n{_running(plan, ['backup', str(plan.backup)])}Nice=10\nIOSchedulingClass=idle\n"
        f"{CLOSED}{_homes(plan)}ReadWritePaths={quoted(plan.data)} {quoted(plan.backup)}\n"
    )


def _timer() -> str:
    """Every night, before the worker disposes of what is due (03:31 in China); after a night off, at the next start."""
    return (
        f"{WRITTEN}[Unit]\nDescription=Backup of Fujing, every night\n\n[Timer]\n"
        f"OnCalendar=*-*-* 01:30:00 Asia/Shanghai\nRandomizedDelaySec=20min\nPersistent=true\n"
        f"Unit={BACKUP}\n\n[Install]\nWantedBy=timers.target\n"
    )


def _running(plan: Plan, words: list[str]) -> str:
    command = " ".join([quoted(plan.program), *(quoted(word, is_argument=True) for word in words)])
    return (
        f"User={plan.user}\nGroup={plan.user}\nEnvironment={quoted(f'FUJING_DATA_DIR={plan.data}')}\n"
        "Environment=PYTHONUNBUFFERED=1\n"
        f"EnvironmentFile=-/etc/fujing/fujing.env\nExecStart={command}\n"
    )


def _documentation(plan: Plan) -> str:
    """The guide of this clone, where there is one: a bundle has none."""
    guide = clone_of(plan.program) / "docs" / "operating.md"
    return f"Documentation=file:{quote(str(guide)).replace('%', '%%')}\n" if guide.is_file() else ""


def clone_of(program: Path) -> Path:
    """The folder above the environment that this command belongs to: CLONE/.venv/bin/fujing."""
    return program.parent.parent.parent


def _homes(plan: Plan) -> str:
    """Homes are closed, unless this clone lies in one."""
    in_home = any(plan.program.is_relative_to(home) for home in HOMES)
    return f"ProtectHome={'read-only' if in_home else 'true'}\n"


def quoted(word: str | Path, *, is_argument: bool = False) -> str:
    """A word as systemd reads it: one word, in which % and, of a command's argument, $ mean nothing.

    Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers" and "Quoting".
    """
    text = str(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = text.replace("$", "$$") if is_argument else text
    plain = all(letter.isalnum() or letter in "/.-_=:@+,%$" for letter in text)
    return text if plain else f'"{text}"'
