"""Commands about keys and evidence: rotate-keys to restore, and probe."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import rich_click as click

from mobile_api.cli.house import by_operator, existing_house, in_database, in_services, read_settings
from mobile_api.cli.terminal import TRUST, console, fujing, one_sentence
from storage.language import by_locale


@fujing.command(
    "rotate-keys",
    help=by_locale(
        "生成新密钥，此后用它签名；旧密钥仍可核验，没有人会因此退出登录。",
        "Make a new key that signs from now on; old ones still verify, so nobody is logged out.",
    ),
)
@click.argument("purpose", type=click.Choice(["session", "evidence", "refresh", "nonce", "factor"]))
def rotate_keys(purpose: str) -> None:
    with one_sentence():
        settings = existing_house()
        console.print(in_database(settings, lambda: _rotate(settings.secrets_dir, purpose)))


async def _rotate(secrets_dir: Path, purpose: str) -> str:
    """Make a new key. The journal names it before it is there: no key of ours is without a line; killed in between, the
    line names a key that was never made. Returns its kid."""
    from backend.core import journal
    from backend.core.keys import Keys

    ring = getattr(Keys(secrets_dir), purpose)
    kid: str = ring.new_kid()
    facts = {"purpose": purpose, "kid": kid}
    await journal.note("keys/rotate", facts)
    ring.rotate(kid)
    await journal.note("keys/rotated", facts)
    return kid


@fujing.command(
    "fingerprint",
    help=by_locale(
        "输出证据密钥的指纹，最新的在前：请抄录一个保存在本机之外，供 `--trust` 使用。",
        "Print what names the evidence keys, newest first: write one down outside this machine, for `--trust`.",
    ),
)
def show_fingerprint() -> None:
    with one_sentence():
        settings = existing_house()
        from backend.core.keys import Keys, fingerprint

        for key in Keys(settings.secrets_dir).evidence.public():
            console.print(fingerprint(key), key["kid"], soft_wrap=True)


@fujing.command(
    "verify",
    help=by_locale(
        "检查日志、检查点、事实和封存文件是否与写入时一致。不改动任何内容。\n\n"
        "退出码 0：一致，且签名密钥受信任；1：有改动，或有内容无法读取；3：签名者未经核实。",
        "Look whether the journal, its checkpoints, the facts and what was sealed are as they were written. Changes "
        "nothing.\n\n"
        "Exit code 0: nothing was altered, by keys that you trust; 1: something was altered, or cannot be read; 3: "
        "signer unverified.",
    ),
)
@TRUST
@click.option(
    "--deep", is_flag=True,
    help=by_locale("同时读取每个封存文件并比对摘要。", "Read every sealed file and compare its digest, too."),
)  # fmt: skip
def verify_journal(trust: tuple[str, ...], deep: bool) -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli.verify import check

        sys.exit(in_services(settings, lambda full: check(full, trust, deep, console)))


@fujing.command(
    "verify-package",
    help=by_locale(
        "说明一个数据包（zip 或其文件夹）能证明什么。不需要服务器和网络。\n\n"
        "退出码 0：全部通过，且签名密钥受信任；1：有改动；3：签名者未经核实。",
        "Say what a package proves: a zip or its folder. Needs neither server nor network.\n\n"
        "Exit code 0: all of it, by a key that you trust; 1: something was altered; 3: signer unverified.",
    ),
)
@TRUST
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def verify_package(trust: tuple[str, ...], path: Path) -> None:
    from mobile_api.cli.verify_package import check

    sys.exit(check(path, trust, console))


@fujing.command(
    "probe",
    help=by_locale(
        "说明服务器会在文件中发现什么：类型、编码、时长、哪些时段有画面。不需要服务器，不改动文件。",
        "Say what the server would find in files: kind, codec, length, in which stretches there is a picture. "
        "Needs no server, and changes nothing.",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=by_locale("输出为 JSON 列表。", "Print one JSON list."))
def probe_files(files: tuple[Path, ...], as_json: bool) -> None:
    with one_sentence():
        from mobile_api.cli import probing

        found = probing.probe(files)
        if as_json:
            click.echo(probing.as_json(found))
        else:
            probing.show(found, console)


@fujing.command(
    help=by_locale(
        "处理已过保存期限且未被保全的视音频，逐件进行，每件记入日志。",
        "Dispose of footage that is past its term and that nothing holds, one by one, each in the journal.",
    )
)
@click.option(
    "--for-real", is_flag=True,
    help=by_locale("实际执行；不加则只列出将处理的内容。", "Do it; without it, what would go is only listed."),
)  # fmt: skip
@click.option(
    "--recording", type=click.UUID,
    help=by_locale(
        "只处理这一件；仍被保全或未过期限时拒绝。", "Only this one; refused while it is held or within its term."
    ),
)  # fmt: skip
def dispose(for_real: bool, recording: UUID | None) -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli.dispose import dispose_of, show_due

        if for_real:
            in_services(settings, lambda full: dispose_of(full, recording, console), writes="dispose")
        else:
            in_database(settings, lambda: show_due(recording, console))


@fujing.command(
    help=by_locale(
        "清空已过期限的自由文本、外部人员姓名和地点；之后日志仍可核验。",
        "Empty free text, outsiders' names and places whose term is over; the journal verifies afterwards.",
    )
)
@click.option(
    "--for-real", is_flag=True,
    help=by_locale("实际执行；不加则只列出将清空的内容。", "Do it; without it, what would be emptied is only listed."),
)  # fmt: skip
def erase(for_real: bool) -> None:
    with one_sentence():
        settings = existing_house()
        from backend import erasing

        now = datetime.now(UTC)
        counts = in_database(settings, lambda: erasing.erase(now) if for_real else erasing.due(now))
        for what, count in counts.items():
            console.print(f"{count:>8}  {what}", soft_wrap=True)
        summary = (
            "已清空 emptied"
            if for_real
            else "到期，未做任何改动，加 --for-real 执行 due; nothing was done: --for-real does it"
        )
        console.print(f"{sum(counts.values())} {summary}", soft_wrap=True)


@fujing.command(
    "mark-store",
    help=by_locale(
        "认定所连接的存储桶是本系统的：其中须有已封存的文件。仅在标记对象损坏或丢失、或数据库恢复到较早时刻之后使用。",
        "Take the bucket for the one of this house, where it has files that were sealed. For a marker that is damaged "
        "or gone, and for a database that was set back.",
    ),
)
def mark_store() -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli import serving

        key = in_services(settings, serving.mark_store)
        console.print(f"已认定 this is our bucket: {key}", soft_wrap=True)


@fujing.command(
    "backup",
    help=by_locale(
        "把数据库、密钥和每个封存文件复制到 FOLDER；再次备份到同一处只复制新增内容。\n\n"
        "退出码 1：存储中缺少已封存的文件，会列出其名称；2：数据库没有备份成功，上一份完整备份保持原样。",
        "Copy the database, the keys and every sealed file into FOLDER; into the same one again, what is new.\n\n"
        "Exit code 1: a file that was sealed is missing in the store, and named; 2: the database was not saved, and "
        "the last whole backup is as it was.",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def back_up(folder: Path) -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli import backup

        sys.exit(in_services(settings, lambda full: backup.back_up(full, folder, console)))


@fujing.command(
    "heal",
    help=by_locale(
        "把存储中读不出或已丢失的一份封存资料放回原处，内容取自备份、文件或设备重新发送的副本；摘要必须与封存时一致。\n\n"
        "被中断后再次运行即可继续。损坏的版本仍留在存储中。",
        "Put back one sealed file that the store lost or cannot read, from a backup, a file, or what a device sent "
        "again: exactly the bytes that were sealed.\n\n"
        "Interrupted, it goes on where it was when run again. The damaged version stays in the store.",
    ),
)
@click.argument("recording", type=click.UUID)
@click.option(
    "--from", "source", type=click.Path(exists=True, path_type=Path),
    help=by_locale(
        "备份文件夹，或原始文件；不加则用设备重新发送的副本。",
        "A backup's folder, or the file itself; without it, what a device sent again.",
    ),
)  # fmt: skip
def heal(recording: UUID, source: Path | None) -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli import heal, serving

        with by_operator(), serving.until_signalled(), serving.services(settings) as full:
            asyncio.run(heal.put_back(full, recording, source, console))


@fujing.command(
    help=by_locale(
        "把备份恢复到空的位置：新数据库、新存储桶、空数据目录。\n\n"
        "退出码 1：备份中缺少文件，会列出其名称；其余均已恢复。",
        "Bring a backup back into an empty place: a new database, a new bucket, an empty data directory.\n\n"
        "Exit code 1: a file is missing in the backup, and named; everything else is back.",
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    with one_sentence():
        settings = read_settings()
        from backend.backup import manifest_of
        from mobile_api.cli import backup, serving

        manifest_of(folder)  # before anything is made in the new place
        with by_operator(), serving.until_signalled(), serving.services(settings) as full:
            sys.exit(asyncio.run(backup.restore(full, folder, console)))
