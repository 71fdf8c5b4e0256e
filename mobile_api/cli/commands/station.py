"""Commands of clients of the API: enrol-station and ingest of a docking station, outbox and timecode of a handheld."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click

from mobile_api.cli.terminal import FILE, console, errors, fail, fujing, one_sentence, read_password, say
from storage.language import by_locale

OFFSET_MS = 36500 * 86_400_000  # a hundred years: as the field of the API takes it
URL = click.option(
    "--url", envvar="FUJING_URL", default="http://127.0.0.1:8080", show_default=True,
    help=by_locale("接口地址。", "The API."),
)  # fmt: skip
KEY = click.option(
    "--key", envvar="FUJING_DOCK_KEY", type=FILE, show_default=True,
    default=Path.home() / ".local" / "share" / "fujing" / "dock-key.pem",
    help=by_locale("采集工作站的密钥；不得放在存储卡上。", "The station's key; never on a card."),
)  # fmt: skip


@fujing.command(
    "enrol-station",
    help=by_locale(
        "用管理员给的登记码登记本采集工作站；新密钥保存在只有其所有者可读的文件中。",
        "Enrol this docking station by a code of its administrator; its new key is kept in a file for its owner alone.",
    ),
)
@click.argument("code")
@URL
@KEY
def enrol_station(code: str, url: str, key: Path) -> None:
    from mobile_api.client.api import Problem, Unreachable
    from mobile_api.client.ingest import enrol

    try:
        serial = enrol(url, code, key)["serial"]
        say(f"{serial} 已登记；其密钥：{key}", f"{serial} is enrolled; its key: {key}")
    except (Problem, Unreachable, OSError, ValueError) as error:
        fail(str(error))


@fujing.command(
    help=by_locale(
        "作为采集工作站采集一个文件夹中的全部非空文件（视音频、照片及其他）；再次运行会从中断处继续。\n\n"
        "采集工作站须先用 `fujing enrol-station` 登记一次。其口令：FUJING_DOCK_PASSWORD、提示输入，或标准输入的一行。"
        "仍在卡上的逐一列明原因；只有没有遗留、每个文件都已封存且回执通过核验，退出码才为 0。",
        "Bring in every file of a folder that is not empty, as a docking station: films, photos and whatever else; run "
        "again, it goes on where it was.\n\n"
        "The station is enrolled once with `fujing enrol-station`. Its password: FUJING_DOCK_PASSWORD, a prompt, or a "
        "line on standard input. What stays on the card is named with the reason; exit code 0 only if nothing does and "
        "every receipt is verified.",
    )
)
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--camera", required=True,
    help=by_locale("拍摄这些文件的执法记录仪的序列号。", "Serial number of the recorder that the files come from."),
)  # fmt: skip
@click.option(
    "--wearer",
    help=by_locale(
        "佩戴者的警号；不写则按领用记录确定。",
        "Badge number of whoever wore it; without it, whoever had taken the recorder out.",
    ),
)
@URL
@click.option(
    "--dock",
    envvar="FUJING_DOCK",
    required=True,
    help=by_locale("本采集工作站的编号。", "This station's own badge number."),
)
@click.option(
    "--offset-ms", type=click.IntRange(-OFFSET_MS, OFFSET_MS), default=0,
    help=by_locale(
        "记录仪时钟减去本站时钟，单位毫秒。", "The recorder's clock minus this station's, in milliseconds."
    ),
)  # fmt: skip
@click.option(
    "--lanes", type=click.IntRange(1, 16), default=3, show_default=True,
    help=by_locale("同时发送的分片数。", "Parts sent at once."),
)  # fmt: skip
@KEY
def ingest(**given: Any) -> None:
    from mobile_api.client.ingest import Order, bring_in

    password = os.environ.get("FUJING_DOCK_PASSWORD") or read_password()
    with one_sentence():
        from backend.law.catalogue import law

        order = Order(
            **given, longest_frame=law().span("longest_frame"), clock_skew_tolerance=law().span("clock_skew_tolerance")
        )
    if not order.key.exists():
        fail(
            by_locale(
                f"本采集工作站在 {order.key} 没有密钥：请管理员用 `fujing enrol SERIAL` 生成登记码，"
                "再在此运行 `fujing enrol-station CODE`。",
                f"this station has no key at {order.key}: have the administrator make a code with `fujing enrol "
                "SERIAL`, then run `fujing enrol-station CODE` here.",
            )
        )
    sys.exit(bring_in(order, password, console, errors))


@fujing.command(
    help=by_locale(
        "显示一个待报箱（outbox.db）里每个人还有什么没有办完：未上报的记录、未封存的文件、卡住的文件及原因。",
        "Show what is left of each person in an outbox (outbox.db): entries, files, and stuck files with the reason.",
    )
)
@click.argument("file", type=FILE)
def outbox(file: Path) -> None:
    from contextlib import closing

    from mobile_api.client.outbox import Outbox

    if not file.exists():
        fail(by_locale(f"没有这个文件：{file}", f"there is no such file: {file}"))
    with _an_outbox(file), closing(Outbox(file)) as box:
        for person in box.persons():
            left = box.left(person)
            say(
                f"{person}：记录 {left.entries}，文件 {left.files}，卡住 {left.stuck}",
                f"{person}: entries {left.entries}, files {left.files}, stuck {left.stuck}",
            )
            for _, path, why in box.stuck(person):
                say(f"  卡住 {path}：{why}", f"  stuck {path}: {why}")


@contextmanager
def _an_outbox(file: Path) -> Iterator[None]:
    """Say in a sentence that a file is no outbox, or damaged."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        fail(by_locale(f"{file} 不是可读的待报箱：{error}", f"{file} is no outbox that can be read: {error}"))


@fujing.command(
    help=by_locale(
        "显示一个对时码，供执法记录仪拍摄：封存时由此得知拍摄何时开始、记录仪时钟差多少、由谁佩戴。\n\n"
        "用 --badge 以该人在本设备上登录并向服务器索取；服务器不应答或用 --offline 时，由本设备用自己的密钥签名，"
        "并注明所依据的服务器时间有多旧。口令：FUJING_PASSWORD、提示输入，或标准输入的一行。",
        "Show a time code for a recorder to film: at sealing it tells when the film began, how wrong the recorder's "
        "clock is, and who wore it.\n\n"
        "With --badge that person signs in on this device and asks the server; where it does not answer, or with "
        "--offline, the device signs one with its own key, which says how old its server time is. The password: "
        "FUJING_PASSWORD, a prompt, or a line on standard input.",
    )
)
@click.option("--badge", help=by_locale("佩戴人的警号。", "Badge number of the wearer."))
@URL
@click.option(
    "--key", type=FILE, required=True, help=by_locale("本设备的密钥文件。", "The key file of this device.")
)  # fmt: skip
@click.option("--offline", is_flag=True, help=by_locale("不问服务器。", "Do not ask the server."))
@click.option(
    "--output", "-o", type=FILE,
    help=by_locale("写入 .png 或 .svg 文件，不在终端显示。", "Write a .png or .svg instead of showing it here."),
)  # fmt: skip
def timecode(badge: str | None, url: str, key: Path, offline: bool, output: Path | None) -> None:
    from backend.core.days import in_china
    from mobile_api.client.api import Client, Problem, Unreachable
    from mobile_api.client.device_key import DeviceKey
    from mobile_api.client.timecodes import fetch, said_by, sign
    from storage.language import language

    if not key.exists():
        fail(by_locale(f"没有这个密钥文件：{key}", f"there is no key file {key}"))
    if not offline and badge is None:
        fail(by_locale("请用 --badge 指明佩戴人，或用 --offline", "name the wearer with --badge, or use --offline"))
    if output is not None and output.suffix.lower() not in (".png", ".svg"):
        fail(by_locale("只能写 .png 或 .svg 文件", "only .png and .svg can be written"))
    own, kept = DeviceKey.kept_in(key), key.with_name(f"{key.name}.time")
    with one_sentence():
        try:
            if offline or badge is None:
                raise Unreachable(url)
            client = Client(url, key=own, language=language())
            client.sign_in(badge, os.environ.get("FUJING_PASSWORD") or read_password())
            text = fetch(client, kept)
            client.sign_out()
        except Unreachable:
            text = sign(own, kept)
        except Problem as problem:
            fail(str(problem.body.get("detail") or problem))
    _show(text, output)
    code = said_by(text)
    age = f"{code.age.total_seconds():.0f}"
    say(
        f"{in_china(code.at).isoformat(' ', 'milliseconds')}，服务器时间已 {age} 秒未更新" if code.version == 2
        else f"{in_china(code.at).isoformat(' ', 'milliseconds')}，服务器签名",
        f"{in_china(code.at).isoformat(' ', 'milliseconds')}, server time {age} s old" if code.version == 2
        else f"{in_china(code.at).isoformat(' ', 'milliseconds')}, signed by the server",
    )  # fmt: skip


def _show(text: str, output: Path | None) -> None:
    """Draw the code on the terminal, or into a file."""
    import segno

    drawn = segno.make(text, error="m", boost_error=False)
    if output is None:
        drawn.terminal(compact=True)
    else:
        drawn.save(str(output), scale=8, border=4)
