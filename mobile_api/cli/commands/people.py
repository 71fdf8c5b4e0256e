"""Commands about people: import-roster, import-plan, set-password, reset-totp."""

import asyncio
import csv
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import rich_click as click

from mobile_api.cli import roster_changes
from mobile_api.cli.house import existing_house, in_database, read_settings
from mobile_api.cli.terminal import errors, fujing, one_sentence, read_password, say
from storage.language import SentenceError, by_locale

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
RECORDS = {"organ": "机构", "person": "人员", "role": "职务", "qualification": "资质", "device": "设备"}


@fujing.command(
    "import-roster",
    help=by_locale(
        "按 CSV 文件更新机构、人员、职务、资质和设备：全部导入，或一行也不导入。",
        "Bring organs, people, roles, qualifications and devices in line with a CSV file: all of it or nothing.",
    ),
)
@click.argument("file", type=EXISTING)
@click.option(
    "--passwords", type=click.Path(path_type=Path),
    help=by_locale(
        "把新人员的初始口令写入这个新文件（0600）。", "Write first passwords of new people to this new file (0600)."
    ),
)  # fmt: skip
@click.option(
    "--dry-run", is_flag=True,
    help=by_locale("只列出将有的变更，不写入。", "Print what would change, and write nothing."),
)  # fmt: skip
@click.option(
    "--confirm", is_flag=True,
    help=by_locale(
        "已核对改名者和改发他人的警号。", "You have seen who is renamed and which badges go to somebody else."
    ),
)  # fmt: skip
@click.option(
    "--end-missing", is_flag=True,
    help=by_locale(
        "终止文件中不再出现的人员和职务（限文件所列机构）。",
        "End people and roles that the file no longer names, in the organs that it names.",
    ),
)  # fmt: skip
def import_roster(file: Path, passwords: Path | None, dry_run: bool, confirm: bool, end_missing: bool) -> None:
    with one_sentence(), faults_by_line(file):
        from backend.people import roster

        rows = roster.read(file.read_text(encoding="utf-8-sig"))
        if passwords is not None and (passwords.exists() or not passwords.absolute().parent.is_dir()):
            raise SentenceError(
                f"{passwords} 必须是新文件，且所在目录已存在；未导入任何内容。",
                f"{passwords} must be a new file in a directory that is there; nothing was imported.",
            )
        wanted = Wanted(passwords, dry_run, confirm, end_missing)
        changed, count = in_database(read_settings(), lambda: _bring_in(rows, wanted))
        if dry_run:
            say("试运行：未写入任何内容", "dry run: nothing was written")
            return
        zh, en = counted(changed)
        say(f"已变更：{zh}", f"{en} changed")
        if passwords is not None:
            say(
                f"{count} 个初始口令写入 {passwords}：分发后请删除该文件",
                f"{count} first passwords in {passwords}: hand them out, then delete the file",
            )


@fujing.command(
    "import-plan",
    help=by_locale(
        "按 CSV 文件排班：全部排入，或一行也不排；同一文件再次导入不会重复。",
        "Plan the shifts of a CSV file: all of them or none; the same file again plans nothing.",
    ),
)
@click.argument("file", type=EXISTING)
def import_plan(file: Path) -> None:
    with one_sentence(), faults_by_line(file):
        from backend.rosters import service

        lines = service.read_plan(file.read_text(encoding="utf-8-sig"))
        made = in_database(existing_house(), lambda: service.import_plan(lines))
        known = len(lines) - made
        say(f"新排 {made} 班，{known} 班此前已排", f"{made} shifts planned, {known} were planned already")


def counted(changed: dict[str, int]) -> tuple[str, str]:
    """How many of each record, in Chinese and in English."""
    zh = "、".join(f"{RECORDS[record]} {count}" for record, count in changed.items())
    return zh, ", ".join(f"{count} {record}" for record, count in changed.items())


@contextmanager
def faults_by_line(file: Path) -> Iterator[None]:
    """Print every bad line of the file with its reason, and end with exit code 1."""
    from backend.people.roster import RosterError

    try:
        yield
    except UnicodeDecodeError as error:
        zh = f"{file}: 第 {error.start} 字节起不是 UTF-8；请存为 UTF-8 后重试"
        en = f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8 and try again"
        errors.print(by_locale(zh, en), markup=False)
        sys.exit(1)
    except RosterError as error:
        for line, reason in error.lines:
            errors.print(f"{file}:{line}: {reason}", markup=False, soft_wrap=True)
        errors.print(f"{error}", markup=False)
        sys.exit(1)


class Wanted(NamedTuple):
    """What is asked of an import."""

    passwords: Path | None
    dry_run: bool
    confirmed: bool
    end_missing: bool


async def _bring_in(rows: Sequence[Any], wanted: Wanted) -> tuple[dict[str, int], int]:
    """How many of each record were changed, and how many first passwords were given.

    Shows what changes in the histories of people, and asks at a terminal for a yes, before anything is written.
    """
    from backend.people import roster

    preview = await roster.preview(rows)
    roster_changes.show(preview, everybody=wanted.dry_run)
    if wanted.dry_run:
        return {}, 0
    confirmed = wanted.confirmed or _is_confirmed(len(preview.to_confirm))
    changed = await roster.bring_in(rows, confirmed=confirmed, end_missing=wanted.end_missing)
    return changed, 0 if wanted.passwords is None else await _give_passwords(wanted.passwords)


def _is_confirmed(count: int) -> bool:
    """Whether a person at the terminal types yes; nobody is asked where there is nothing to confirm."""
    if not count or not sys.stdin.isatty():
        return False
    return str(click.prompt(roster_changes.question(count), default="", show_default=False)).strip() == "yes"


async def _give_passwords(path: Path) -> int:
    """Give a first password to everybody who has none; how many.

    They are on the disk before they count, and count all at once.
    """
    from backend.core import database
    from backend.people import roster, sessions

    given = [(badge, secrets.token_urlsafe(9)) for badge in await roster.without_password()]
    hashes = await asyncio.gather(*(sessions.hash_password(password) for _, password in given))
    _write_passwords(path, given)
    async with database.tx():
        for (badge, _), hashed in zip(given, hashes, strict=True):
            await sessions.set_hash(await roster.person_id_of(badge), hashed, datetime.now(UTC))
    return len(given)


def _write_passwords(path: Path, given: Sequence[tuple[str, str]]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("badge", "password"), *given])
        file.flush()
        os.fsync(file.fileno())


@fujing.command(
    "set-password",
    help=by_locale(
        "从标准输入（或提示）设置某人的口令；其会话随即结束。",
        "Set a person's password from standard input (or a prompt); their sessions end.",
    ),
)
@click.argument("badge")
def set_password(badge: str) -> None:
    with one_sentence():
        settings = existing_house()
        password = read_password()
        in_database(settings, lambda: _set_password(badge, password))
        say(f"已设置 {badge} 的口令", f"password of {badge} set")


async def _set_password(badge: str, password: str) -> None:
    from backend.core import database
    from backend.people import roster, sessions

    person = await roster.person_id_of(badge)
    if person is None:
        raise nobody(badge)
    hashed = await sessions.hash_password(password)
    async with database.tx():
        await sessions.set_hash(person, hashed, datetime.now(UTC))


@fujing.command(
    "reset-totp",
    help=by_locale(
        "为丢失动态验证码的人取消第二因素；下次在办公电脑登录时重新设置。",
        "Take the second factor from somebody who lost it; they set up another at their next sign-in at a desk.",
    ),
)
@click.argument("badge")
def reset_totp(badge: str) -> None:
    with one_sentence():
        in_database(existing_house(), lambda: take_second_factor(badge))
        say(
            f"已取消 {badge} 的第二因素；其办公电脑会话已结束",
            f"second factor of {badge} reset; their desk sessions ended",
        )


async def take_second_factor(badge: str) -> None:
    """Remove the second factor of the person with this badge. Raises SentenceError where there is nobody."""
    from backend.people import factor, roster

    person = await roster.person_row(badge)
    if person is None:
        raise nobody(badge)
    await factor.remove(person["id"], person["organ"], datetime.now(UTC))


def nobody(badge: str) -> SentenceError:
    return SentenceError(
        f"没有警号为 {badge} 的人：请先导入名册。", f"Nobody has the badge number {badge}: import the roster first."
    )
