"""Commands about devices: enrol, revoke, reinstate."""

import sys
from datetime import UTC, datetime

import rich_click as click

from mobile_api.cli.house import existing_house, in_database
from mobile_api.cli.terminal import console, fujing, one_sentence, say, warn
from storage.language import by_locale


@fujing.command(
    help=by_locale(
        "为一台设备生成一次性登记码，并显示供其摄像头扫描的二维码。有效期十分钟。",
        "Print a single-use code for a device, and as a QR for its camera. Ten minutes.",
    )
)
@click.argument("serial")
@click.option(
    "--for",
    "badge",
    metavar="BADGE",
    help=by_locale("专用于此人的设备；不填则为公用。", "The person whose device it is alone; else it is shared."),
)
def enrol(serial: str, badge: str | None) -> None:
    with one_sentence():
        settings = existing_house()
        import segno

        from backend.core.days import in_china
        from backend.people import devices
        from mobile_api.cli.operations_addresses import address_for_devices
        from mobile_api.device_address import is_for_this_machine

        url = address_for_devices(settings)
        made = in_database(settings, lambda: devices.make_code(serial, datetime.now(UTC), badge=badge))
        uri = devices.uri_of(url, made.code)
        for_phones = not is_for_this_machine(url)
        if for_phones and sys.stdout.isatty():
            segno.make(uri, error="m").terminal(compact=True)
        until = in_china(made.expires_at).isoformat(" ", "seconds")
        say(f"{made.code}   {serial}，{until} 前有效，仅限一次", f"{made.code}   {serial}, until {until}, once")
        console.print(uri, markup=False, soft_wrap=True)
        if not for_phones:
            warn(
                f"{url} 只指本机，手机无法访问：此登记码只能供本机上的程序使用。"
                "要登记手机，请用 `fujing serve --lan 名称` 启动。",
                f"{url} is this machine alone, and no phone can reach it: this code is for programs on this machine. "
                "For phones, start with `fujing serve --lan NAME`.",
            )


@fujing.command(
    help=by_locale(
        "设备丢失：从下一个请求起不再能使用；仍在设备上的内容会被隔离。",
        "A device was lost: from the next request on it opens nothing; what it still holds goes into quarantine.",
    )
)
@click.argument("serial")
def revoke(serial: str) -> None:
    with one_sentence():
        settings = existing_house()
        from backend.people import devices

        in_database(settings, lambda: devices.revoke(serial, datetime.now(UTC)))
        say(f"{serial} 已吊销", f"{serial} is revoked")


@fujing.command(
    help=by_locale(
        "丢失的设备已找回：可重新登记；原密钥和会话随即失效。",
        "A lost device was found: it may be enrolled anew; its former key and sessions end.",
    )
)
@click.argument("serial")
def reinstate(serial: str) -> None:
    with one_sentence():
        settings = existing_house()
        from backend.people import devices

        in_database(settings, lambda: devices.reinstate(serial, datetime.now(UTC)))
        say(f"{serial} 可重新登记：fujing enrol {serial}", f"{serial} may be enrolled anew: fujing enrol {serial}")
