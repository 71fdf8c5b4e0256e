"""Commands about people: import-roster, import-plan, import-items, set-password, reset-totp."""

import asyncio
import csv
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import rich_click as click

from mobile_api.cli import roster_changes
from mobile_api.cli.house import existing_house, in_database, read_settings
from mobile_api.cli.terminal import ORGAN, check_month, errors, fujing, one_sentence, read_password, say
from storage.language import SentenceError, by_locale

if TYPE_CHECKING:
    from rich.console import RenderableType

    from backend.core.columns import Fault
    from backend.core.database import Record

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
TEMPLATE = click.option(
    "--template", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.xlsx",
    help=by_locale("写出一份可填写的模板到这个新文件。", "Write a workbook to fill in to this new file."),
)  # fmt: skip


@fujing.command(
    "import-roster",
    help=by_locale(
        "按名册文件（.xlsx，或 UTF-8、GB18030 的 CSV）更新单位、人员、角色、资质和设备：全部导入，或一行也不导入。\n\n"
        "--template 不导入，而是写出一份可填写的 .xlsx，带下拉列表和说明。",
        "Bring organs, people, roles, qualifications and devices in line with a file (.xlsx, or CSV in UTF-8 or "
        "GB18030): all of it or nothing.\n\n--template imports nothing: it writes an .xlsx to fill in, with drop-downs "
        "and notes.",
    ),
)
@click.argument("file", type=EXISTING, required=False)
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    help=by_locale(
        "把新人员的初始口令写入这个新文件（0600）：.html 为每人一张的口令条，可打印；其他为 CSV。首次登录须修改。",
        "Write first passwords of new people to this new file (0600): .html has a slip for each to print, anything "
        "else is CSV. They must be changed at the first sign-in.",
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
        "终止文件中不再出现的人员和角色（限文件所列单位）。",
        "End people and roles that the file no longer names, in the organs that it names.",
    ),
)  # fmt: skip
@TEMPLATE
def import_roster(
    file: Path | None, passwords: Path | None, dry_run: bool, confirm: bool, end_missing: bool, template: Path | None
) -> None:
    with one_sentence(), faults_by_line(file):
        if template is not None:
            _write_new(template, in_database(existing_house(), _roster_template))
        if file is None:
            return _needs_file(template)
        content = file.read_bytes()
        if passwords is not None and (passwords.exists() or not passwords.absolute().parent.is_dir()):
            raise SentenceError(
                f"{passwords} 必须是新文件，且所在目录已存在；未导入任何内容。",
                f"{passwords} must be a new file in a directory that is there; nothing was imported.",
            )
        wanted = Wanted(passwords, dry_run, confirm, end_missing)
        changed, count, ignored = in_database(read_settings(), lambda: _bring_in(content, wanted))
        if ignored:
            columns = "、".join(ignored)
            say(f"未读取的列：{columns}", f"columns that were not read: {columns}")
        if dry_run:
            say("试运行：未写入任何内容", "dry run: nothing was written")
            return
        zh, en = counted(changed)
        say(f"已变更：{zh}", f"{en} changed")
        if passwords is not None:
            say(
                f"{count} 个初始口令写入 {passwords}：分发后请删除该文件；首次登录须修改",
                f"{count} first passwords in {passwords}: hand them out, then delete the file; "
                "the first sign-in changes them",
            )


@fujing.command(
    "import-plan",
    help=by_locale(
        "按文件排班（.xlsx 或 CSV；可为一月的排班表：人员为行，日期为列，格内填岗位代码）：全部排入，或一行也不排；"
        "同一文件再次导入不会重复。",
        "Plan the shifts of a file (.xlsx or CSV; a month as a grid too: people down, days across, codes of posts in "
        "the cells): all of them or none; the same file again plans nothing.",
    ),
)
@click.argument("file", type=EXISTING, required=False)
@click.option(
    "--month", metavar="YYYY-MM", callback=check_month,
    help=by_locale("排班表的月份，表中未写明时。", "The month of a grid that does not say it; and of the template."),
)  # fmt: skip
@ORGAN
@TEMPLATE
def import_plan(file: Path | None, month: str | None, organ: str | None, template: Path | None) -> None:
    with one_sentence(), faults_by_line(file):
        if template is not None:
            _write_new(template, in_database(existing_house(), lambda: _plan_template(month, organ)))
        if file is None:
            return _needs_file(template)
        from backend.rosters import plan_files, service

        read = plan_files.read_file(file.read_bytes(), month)
        made = in_database(existing_house(), lambda: service.import_plan(read, datetime.now(UTC)))
        known = len(read.good) - made
        say(f"新排 {made} 班，{known} 班此前已排", f"{made} shifts planned, {known} were planned already")


@fujing.command(
    "import-items",
    help=by_locale(
        "按文件登记领用和归还（.xlsx 或 CSV；列：警号、物品、编号、领用日期、归还日期）：全部登记，或一行也不登记；"
        "同一文件再次导入不会重复。",
        "Hand out and take back what a file says (.xlsx or CSV; columns badge, kind, serial, issued, returned): all of "
        "it or none; the same file again changes nothing.",
    ),
)
@click.argument("file", type=EXISTING)
def import_items(file: Path) -> None:
    with one_sentence(), faults_by_line(file):
        settings = existing_house()
        from backend.items import item_files

        read = item_files.read_file(file.read_bytes())
        changed = in_database(settings, lambda: item_files.bring_in(read, datetime.now(UTC)))
        known = len(read.good) - changed
        say(f"登记 {changed} 条，{known} 条此前已登记", f"{changed} lines brought in, {known} were known already")


def _needs_file(template: Path | None) -> None:
    """Without a template there must be a file to import."""
    if template is None:
        raise click.UsageError(
            by_locale("请指明要导入的文件，或用 --template。", "Name the file to import, or --template.")
        )


def _write_new(path: Path, content: bytes) -> None:
    """Write a template to a new file. Raises SentenceError."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise SentenceError(
            f"无法新建 {path}：{error.strerror}。", f"{path} cannot be made: {error.strerror}."
        ) from error
    say(f"模板已写入 {path}", f"the template is in {path}")


async def _roster_template() -> bytes:
    from backend.people import roster
    from mobile_api.cli import templates

    return templates.roster(await roster.organ_names(), await roster.organ_parents())


async def _plan_template(month: str | None, organ: str | None) -> bytes:
    """For the month given or the next one, with the auxiliaries of an organ and all below it."""
    from backend.core.days import day_of
    from backend.rosters import service
    from mobile_api.cli import templates

    next_month = (day_of(datetime.now(UTC)).replace(day=1) + timedelta(days=32)).strftime("%Y-%m")
    return templates.plan(month or next_month, await service.auxiliaries(organ))


def counted(changed: dict[str, int]) -> tuple[str, str]:
    """How many of each record, in Chinese and in English."""
    from backend.people.roster_words import RECORDS

    zh = "、".join(f"{RECORDS[record][0]} {count}" for record, count in changed.items())
    return zh, ", ".join(f"{count} {record}" for record, count in changed.items())


@contextmanager
def faults_by_line(file: Path | None) -> Iterator[None]:
    """Print every fault of the file with its place and reason, and end with exit code 1."""
    from backend.core.columns import FaultyFile

    try:
        yield
    except FaultyFile as error:
        if errors.is_terminal:
            errors.print(fault_table(error.faults))
        else:
            for fault in error.faults:
                place = ":".join(filter(None, (str(file), fault.sheet, str(fault.line))))
                column = f"{fault.column}: " if fault.column else ""
                errors.print(f"{place}: {column}{fault.reason}", markup=False, soft_wrap=True)
        errors.print(f"{error}", markup=False)
        sys.exit(1)


def fault_table(faults: Sequence["Fault"]) -> "RenderableType":
    """The faults of a file as a table: sheet where there are several, line, column, reason."""
    from rich.table import Table
    from rich.text import Text

    sheets = any(fault.sheet for fault in faults)
    heads = [("工作表", "sheet")] * sheets + [("行", "line"), ("列", "column"), ("原因", "reason")]
    table = Table(*(by_locale(*head) for head in heads), box=None)
    for column in table.columns:
        column.overflow = "fold"
    for fault in faults:
        cells = [fault.sheet] * sheets + [str(fault.line), fault.column, fault.reason]
        table.add_row(*map(Text, cells))
    return table


class Wanted(NamedTuple):
    """What is asked of an import."""

    passwords: Path | None
    dry_run: bool
    confirmed: bool
    end_missing: bool


async def _bring_in(content: bytes, wanted: Wanted) -> tuple[dict[str, int], int, Sequence[str]]:
    """How many of each record were changed, how many first passwords were given, and which columns were not read.

    Shows what changes, and asks at a terminal for a yes, before anything is written.
    """
    from backend.people import roster, roster_files

    read = roster_files.read_file(content, await roster.organ_names())
    preview = await roster.preview(read, end_missing=wanted.end_missing)
    for line in roster_changes.told(preview, everything=wanted.dry_run):
        say(line, line)
    if wanted.dry_run:
        return {}, 0, read.ignored
    confirmed = wanted.confirmed or _is_confirmed(len(preview.to_confirm))
    digest = hashlib.sha256(content).hexdigest()
    changed = await roster.bring_in(read.rows(), confirmed=confirmed, end_missing=wanted.end_missing, file=digest)
    return changed, 0 if wanted.passwords is None else await _give_passwords(wanted.passwords), read.ignored


def _is_confirmed(count: int) -> bool:
    """Whether a person at the terminal types yes; nobody is asked where there is nothing to confirm."""
    if not count or not sys.stdin.isatty():
        return False
    return str(click.prompt(roster_changes.question(count), default="", show_default=False)).strip() == "yes"


async def _give_passwords(path: Path) -> int:
    """Give a first password to everybody who has none; how many.

    They are on the disk before they count, and count all at once. A person must change it at the first sign-in; a
    docking station keeps it.
    """
    from backend.people import passwords, roster, sessions

    people = await roster.first_passwords_for()
    given = [_first_password() for _ in people]
    hashes = await asyncio.gather(*map(sessions.hash_password, given))
    _write_passwords(path, people, given)
    new = [
        passwords.NewPassword(each["id"], each["badge"], each["organ"], hashed, each["kind"] != "dock")
        for each, hashed in zip(people, hashes, strict=True)
    ]
    await passwords.set_all(new, datetime.now(UTC))
    return len(given)


def _first_password() -> str:
    """About 59 bits in letters that are told apart in print: no i, l, o, u, 0, 1."""
    letters = "".join(secrets.choice("23456789abcdefghjkmnpqrstvwxyz") for _ in range(12))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def _write_passwords(path: Path, people: Sequence["Record"], given: Sequence[str]) -> None:
    """As slips to print where the file is called .html, else as CSV."""
    from mobile_api.printing import Slip, slips

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as file:
        if path.suffix.lower() in (".html", ".htm"):
            file.write(
                slips(
                    Slip(p["organ_name"], p["name"], p["badge"], word, stays=p["kind"] == "dock")
                    for p, word in zip(people, given, strict=True)
                )
            )
        else:
            rows = [(p["badge"], word) for p, word in zip(people, given, strict=True)]
            csv.writer(file, lineterminator="\n").writerows([("badge", "password"), *rows])
        file.flush()
        os.fsync(file.fileno())


@fujing.command(
    "set-password",
    help=by_locale(
        "从标准输入（或提示）设置某人的口令；其会话随即结束，因多次输错口令而锁定的账号随即解锁。记入日志，本人可见。",
        "Set a person's password from standard input (or a prompt); their sessions end, and an account that wrong "
        "tries closed is open at once. It stands in the journal, and they see it.",
    ),
)
@click.argument("badge")
@click.option(
    "--first", is_flag=True,
    help=by_locale("作为初始口令：首次登录须修改。", "As a first password: the next sign-in must change it."),
)  # fmt: skip
def set_password(badge: str, first: bool) -> None:
    with one_sentence():
        settings = existing_house()
        password = read_password()
        in_database(settings, lambda: _set_password(badge, password, first))
        say(f"已设置 {badge} 的口令", f"password of {badge} set")


async def _set_password(badge: str, password: str, first: bool) -> None:
    from backend.people import passwords, roster, sessions

    person = await roster.person_row(badge)
    if person is None:
        raise nobody(badge)
    hashed = await sessions.hash_password(password)
    new = passwords.NewPassword(person["id"], badge, person["organ"], hashed, first)
    await passwords.set_all([new], datetime.now(UTC))


@fujing.command(
    "reset-totp",
    help=by_locale(
        "为丢失动态验证码设备的人重置动态验证码；下次在办公电脑登录时重新设置。",
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
