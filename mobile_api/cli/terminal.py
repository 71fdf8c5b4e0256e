"""What every command shares: the two consoles, errors as one sentence, and help in the language of the terminal.

Nothing heavy is imported here: `fujing --help` must be there at once. A command imports what it needs when it runs.
"""

import errno
import os
import re
import stat
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import rich_click as click
from click.exceptions import Exit
from rich.console import Console
from rich.text import Text

from mobile_api.cli import click_words
from storage.language import SentenceError, by_locale, language

if language() == "zh":
    click_words.speak_chinese()

FILE, DASH = click.Path(dir_okay=False, path_type=Path), Path("-")
FINGERPRINT = re.compile("[0-9a-f]{64}")
OF_A_FILE = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
AWAY = (ConnectionError, FileNotFoundError, TimeoutError)
FAULT = 70  # exit code of a fault of ours: EX_SOFTWARE of sysexits.h
MONTH = re.compile("2[0-9]{3}-(0[1-9]|1[0-2])")
console = Console(highlight=False, emoji=False)  # ":CD:" of a fingerprint is no picture
errors = Console(stderr=True, highlight=False, emoji=False)


class Formatter(click.RichHelpFormatter):
    """Writes help and usage errors with the word "Usage" in the language of the terminal."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or by_locale("用法：", "Usage:"))

    def rich_text(self, text: Any, style: Any = "") -> Any:
        shown = super().rich_text(text, style)
        if isinstance(shown, Text):
            shown.overflow = "fold"  # Chinese has no spaces to break at, and would be cut
        return shown


class Context(click.RichContext):
    formatter_class = Formatter


class Command(click.RichCommand):
    context_class = Context


class Group(click.RichGroup):
    """A group of commands. Whatever one of them raises becomes a sentence; a stack goes to a file."""

    context_class = Context
    command_class = Command
    group_class = type

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, Exit):
            raise
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has gone
                raise
            _fail_of(error)
        except Exception as error:
            _fail_of(error)


CHINESE_HELP = {
    "options_panel_title": "选项",
    "commands_panel_title": "命令",
    "arguments_panel_title": "参数",
    "errors_panel_title": "错误",
    "errors_suggestion": "用 --help 查看帮助",
    "aborted_text": "已中止。",
    "default_string": "\\[默认：{}]",
    "envvar_string": "\\[环境变量：{}]",
    "required_long_string": "\\[必填]",
}


@click.group(
    cls=Group,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "rich_help_config": CHINESE_HELP if language() == "zh" else {},
    },
    help=by_locale(
        "辅警 Fujing：辅警外勤应用的后端。设置：`fujing settings`。",
        "辅警 Fujing: the back end of a field app for police auxiliaries. Settings: `fujing settings`.",
    ),
)
def fujing() -> None:
    pass


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what a person did wrong, or the machine lacks, into a sentence and an exit code: never a stack."""
    try:
        yield
    except Exception as error:
        _fail_of(error)


def _fail_of(error: Exception) -> NoReturn:
    """Say what is wrong, and end. Of a fault of ours the stack is kept in a file for its owner alone."""
    while isinstance(error, ExceptionGroup):  # of tasks that ran side by side, the first that failed
        error = error.exceptions[0]
    error = _of_the_database(error) or error
    sentence = _sentence_of(error)
    if sentence is not None:
        fail(sentence, _code_of(error))
    kept, name = _keep(error), f"{type(error).__name__}: {error}".splitlines()[0][:200]
    zh = f"程序出错（{name}）。详情在 {kept}，请交给维护人员。"
    en = f"this is a fault of the program ({name}). Its details are in {kept}: hand them to whoever maintains it."
    fail(by_locale(zh, en), FAULT)


def _keep(error: Exception) -> str:
    """Write the stack to a file. Returns its name."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="fujing-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError as full:
        return str(full.strerror)
    return path


def _sentence_of(error: Exception) -> str | None:
    """What to say of the error; None where it is a fault of ours."""
    if isinstance(error, SentenceError):
        return str(error)
    if _is_of_a_file(error):
        path, why = error.filename, error.strerror  # type: ignore[attr-defined]
        zh = f"无法使用 {path}：{why}。请检查目录是否存在、可写（FUJING_DATA_DIR 指定数据目录）。"
        en = f"{path} cannot be used: {why}. Is it there, and writable? FUJING_DATA_DIR names the data directory."
        return by_locale(zh, en)
    if isinstance(error, AWAY):
        return by_locale(f"无法连接数据库或存储：{error}", f"The database or the store cannot be reached: {error}")
    from backend.core.refusals import Refusal, problem

    return str(problem(error, language(), "cli")["detail"]) if isinstance(error, Refusal) else None


def _code_of(error: Exception) -> int:
    """The exit code: 2 where a service, a file or a setting is in the way, 1 where what was asked for is refused."""
    if isinstance(error, SentenceError):
        return error.exit_code
    return 2 if _is_of_a_file(error) or isinstance(error, AWAY) else 1


def _of_the_database(error: Exception) -> SentenceError | None:
    """What the database said, as a sentence with exit code 2; None where the error is none of its."""
    if isinstance(error, SentenceError):
        return None
    import asyncpg

    from backend.core.database_errors import DatabaseUnusable, damaged, first_line, is_damage

    if is_damage(error):
        return damaged(error)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        why = first_line(error)
        return DatabaseUnusable(f"数据库拒绝了：{why}", f"The database refused: {why}", lasting=False)
    return None


def _is_of_a_file(error: Exception) -> bool:
    """Whether a file or directory is missing, not permitted, on a read-only or a full disk."""
    return isinstance(error, OSError) and error.filename is not None and error.errno in OF_A_FILE


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Say what is wrong on standard error, and end with this exit code."""
    errors.print("fujing: ", style="red", end="")
    errors.print(sentence, markup=False, soft_wrap=True)
    sys.exit(code)


def say(zh: str, en: str) -> None:
    """One line on standard output, in the language of the terminal; names in it are no markup."""
    console.print(by_locale(zh, en), markup=False, soft_wrap=True)


def warn(zh: str, en: str) -> None:
    """The same on standard error, for what a person should know and a program need not read."""
    errors.print(by_locale(zh, en), style="yellow", markup=False, soft_wrap=True)


def read_password() -> str:
    """A password from a prompt, or a line of standard input, which a Windows editor may have ended with CR LF."""
    if sys.stdin.isatty():
        return str(click.prompt(by_locale("口令", "password"), hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


def write(path: Path, content: str | bytes) -> None:
    """Write a text or bytes to a file for its owner alone, or to standard output for -. Raises SentenceError."""
    if path == DASH:
        click.echo(content, nl=False)
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a file that was there keeps its own mode
                os.fchmod(descriptor, 0o600)
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise SentenceError(
            f"无法写入 {path}：{error.strerror}。", f"{path} cannot be written: {error.strerror}."
        ) from error


def _check_fingerprints(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        if not FINGERPRINT.fullmatch(text):
            raise click.BadParameter(
                by_locale(
                    f"{text} 不是指纹：指纹由 64 个 0-9 和 a-f 的字符组成",
                    f"{text} is no fingerprint: it has 64 letters from 0-9 and a-f",
                )
            )
    return given


def check_month(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """A month as 2026-03, or none. Raises BadParameter."""
    if given is not None and not MONTH.fullmatch(given):
        raise click.BadParameter(by_locale("须为年月，如 2026-03", "a year and month, such as 2026-03"))
    return given


TRUST = click.option(
    "--trust", multiple=True, metavar="FINGERPRINT", callback=_check_fingerprints,
    help=by_locale(
        "信任的密钥，即您记下的指纹；由它担保的密钥也算。",
        "A key that you trust, as you wrote it down; keys that it vouches for count too.",
    ),
)  # fmt: skip
ORGAN = click.option(
    "--organ", metavar="CODE", help=by_locale("只含该单位及其下级。", "Only this organ and all below it.")
)
CSV = click.option(
    "--csv", "table", type=FILE,
    help=by_locale(
        "以 CSV 写入该文件（0600），供电子表格使用；- 为标准输出。",
        "Write it as CSV for a spreadsheet to this file (0600); - for stdout.",
    ),
)  # fmt: skip

XLSX = click.option(
    "--xlsx", "workbook", type=FILE,
    help=by_locale("以 .xlsx 写入该文件（0600）。", "Write it as .xlsx to this file (0600)."),
)  # fmt: skip


def month_option(zh: str, en: str) -> Any:
    """The option --month, with what it means to a report."""
    return click.option("--month", required=True, metavar="YYYY-MM", callback=check_month, help=by_locale(zh, en))
