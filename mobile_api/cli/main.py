"""The command `fujing`."""

import asyncio
import csv
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import rich_click as click
import segno
from rich.console import Console
from rich.table import Table

from backend import erasing
from backend.backup import BackupError
from backend.core import database
from backend.core import settings as configuration
from backend.core.keys import Keys, fingerprint
from backend.core.refusals import Refusal, problem
from backend.core.settings import Settings, SettingsError
from backend.evidence.schemas import DAY_MS
from backend.hours import reads as hours_reads
from backend.injuries import reads as injury_reads
from backend.law.catalogue import LawError, law, use
from backend.oversight import expiring
from backend.oversight import timeline as timelines
from backend.people import devices, factor, roster, sessions
from backend.reviews import spot_checks
from backend.rosters import service as rosters
from migrations.apply import MigrationError
from mobile_api.cli import reports, serving
from mobile_api.cli.serving import Ended, ServingError
from mobile_api.logs import configure
from storage.embedded.processes import EmbeddedError
from storage.evidence_store import StoreUnavailable

OFFSET = 36500 * DAY_MS
FILE, DASH = click.Path(dir_okay=False, path_type=Path), Path("-")
STATION_KEY = click.option(
    "--key", envvar="FUJING_DOCK_KEY", type=FILE, show_default=True,
    default=Path.home() / ".local" / "share" / "fujing" / "dock-key.pem", help="The station's key; never on a card.",
)  # fmt: skip
NOT_ENROLLED = (
    "fujing: this station has no key at {key}: have the administrator make a code with `fujing enrol SERIAL`, then run "
    "`fujing enrol-station CODE` here."
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """What a person did wrong, or the machine lacks, is a sentence and exit code 2 or 1, never a stack."""
    try:
        yield
    except (SettingsError, LawError) as error:
        errors.print("fujing: ", style="red", end="")
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except Refusal as refusal:
        errors.print(f"[red]fujing:[/] {problem(refusal, 'en', 'cli')['detail']}", soft_wrap=True)
        sys.exit(1)
    except (ServingError, MigrationError, EmbeddedError, StoreUnavailable, BackupError) as error:
        errors.print("fujing: ", style="red", end="")
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
    except (ConnectionError, FileNotFoundError, TimeoutError) as error:
        errors.print("fujing: ", style="red", end="")
        errors.print(f"The database or the store cannot be reached: {error}", markup=False, soft_wrap=True)
        sys.exit(1)


def in_database(settings: Settings, work: Callable[[], Any]) -> Any:
    """Run an async piece of work with the services of these settings and the schema in place."""
    return in_services(settings, lambda _: work())


def in_services(settings: Settings, work: Callable[[Settings], Any]) -> Any:
    """The same, for work that needs the store too."""

    async def main(full: Settings) -> Any:
        await serving.prepare(full)
        async with database.opened(str(full.database_url)):
            return await work(full)

    with serving.until_signalled(), serving.services(settings) as full:
        return asyncio.run(main(full))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """辅警 Fujing: the back end of a field app for police auxiliaries. Settings: `fujing settings`."""


@main.command()
def serve() -> None:
    """Start everything: embedded PostgreSQL and S3 unless others are named, the API and the worker."""
    with told_in_one_sentence():
        settings = _settings()
        try:
            with serving.until_signalled(), serving.house(settings) as house:
                console.print(f"辅警 Fujing  {house.url}/docs   data: {house.settings.data_dir}   Ctrl-C ends it")
                house.wait()
        except Ended:
            console.print("ended cleanly")


@main.command()
def api() -> None:
    """Run the API alone, against the services that the settings name."""
    with told_in_one_sentence():
        serving.run_api(_external())


@main.command()
def worker() -> None:
    """Run the job worker alone, against the services that the settings name."""
    with told_in_one_sentence():
        settings = _external()
        configure(settings.log_level)
        serving.run_worker(settings)


def _settings() -> Settings:
    """The settings of the environment, and the law that they name in force. Raises SettingsError, LawError."""
    settings = configuration.load()
    use(settings.law_dir)
    return settings


def _house() -> Settings:
    """The settings of a house that has been started before: nothing is made in a place where there is none."""
    settings = _settings()
    if not settings.secrets_dir.is_dir():
        raise ServingError(
            f"There is no Fujing in {settings.data_dir}: FUJING_DATA_DIR names where it is; `fujing serve` begins one."
        )
    return settings


def _external() -> Settings:
    settings = _settings()
    for name in ("database_url", "s3_endpoint"):
        if getattr(settings, name) is None:
            raise SettingsError(f"{configuration.variable(name)} is not set; `fujing serve` starts embedded services.")
    return settings


@main.command()
def migrate() -> None:
    """Bring the schema up to date as its owner (FUJING_MIGRATE_URL), and grant to the application's role."""

    async def nothing() -> None:
        """The preparation did it."""

    with told_in_one_sentence():
        settings = _settings()
        if settings.database_url is not None and settings.migrate_url is None:
            raise SettingsError("FUJING_MIGRATE_URL is not set: the owner's URL is needed to migrate.")
        in_database(settings, nothing)
        console.print("the schema is up to date")


@main.command("import-roster")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--passwords", type=click.Path(path_type=Path), help="Write first passwords of new people to this new file (0600)."
)
def import_roster(file: Path, passwords: Path | None) -> None:
    """Bring organs, people, roles, qualifications and devices in line with a CSV file: all of it or nothing."""
    with told_in_one_sentence(), told_by_line(file):
        rows = roster.read(file.read_text(encoding="utf-8-sig"))
        if passwords is not None and (passwords.exists() or not passwords.absolute().parent.is_dir()):
            raise ServingError(f"{passwords} must be a new file in a directory that is there; nothing was imported.")
        changed, given = in_database(_settings(), lambda: _bring_in(rows, passwords))
        console.print(", ".join(f"{count} {record}" for record, count in changed.items()) + " changed")
        if passwords is not None:
            console.print(f"{given} first passwords in {passwords}: hand them out, then delete the file")


@main.command("import-plan")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_plan(file: Path) -> None:
    """Plan the shifts of a CSV file: all of them or none; the same file again plans nothing."""
    with told_in_one_sentence(), told_by_line(file):
        lines = rosters.read_plan(file.read_text(encoding="utf-8-sig"))
        made = in_database(_house(), lambda: rosters.import_plan(lines))
        console.print(f"{made} shifts planned, {len(lines) - made} were planned already")


@contextmanager
def told_by_line(file: Path) -> Iterator[None]:
    """Every bad line of a file, each with its reason."""
    try:
        yield
    except UnicodeDecodeError as error:
        errors.print(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8 and try again", markup=False)
        sys.exit(1)
    except roster.RosterError as error:
        for line, reason in error.lines:
            errors.print(f"{file}:{line}: {reason}", markup=False, soft_wrap=True)
        errors.print(f"{error}", markup=False)
        sys.exit(1)


async def _bring_in(rows: list[roster.RosterRow], passwords: Path | None) -> tuple[dict[str, int], int]:
    """What changed, and how many first passwords were given."""
    changed = await roster.bring_in(rows)
    return changed, 0 if passwords is None else await _hand_out(passwords)


async def _hand_out(path: Path) -> int:
    """First passwords for whoever has none: on the disk before they hold, and all of them or none."""
    given = [(badge, secrets.token_urlsafe(9)) for badge in await roster.without_password()]
    hashed = await asyncio.gather(*(sessions.hash_password(password) for _, password in given))
    _write_passwords(path, given)
    async with database.tx():
        for (badge, _), one in zip(given, hashed, strict=True):
            await sessions.set_hash(await roster.person_id_of(badge), one, datetime.now(UTC))
    return len(given)


def _write_passwords(path: Path, given: list[tuple[str, str]]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("badge", "password"), *given])
        file.flush()
        os.fsync(file.fileno())


@main.command("set-password")
@click.argument("badge")
def set_password(badge: str) -> None:
    """Set a person's password from standard input (or a prompt); their sessions end."""
    with told_in_one_sentence():
        settings = _house()
        password = _password()
        in_database(settings, lambda: _set_password(badge, password))
        console.print(f"password of {badge} set")


def _password() -> str:
    """From a prompt, or a line of standard input."""
    return str(click.prompt("password", hide_input=True)) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


async def _set_password(badge: str, password: str) -> None:
    person = await roster.person_id_of(badge)
    if person is None:
        raise ServingError(f"Nobody has the badge number {badge}: import the roster first.")
    hashed = await sessions.hash_password(password)
    async with database.tx():
        await sessions.set_hash(person, hashed, datetime.now(UTC))


@main.command("reset-totp")
@click.argument("badge")
def reset_totp(badge: str) -> None:
    """Take the second factor from somebody who lost it; they set up another at their next sign-in at a desk."""
    with told_in_one_sentence():
        in_database(_house(), lambda: _reset_totp(badge))
        console.print(f"second factor of {badge} reset; their desk sessions ended")


async def _reset_totp(badge: str) -> None:
    person = await roster.person_row(badge)
    if person is None:
        raise ServingError(f"Nobody has the badge number {badge}: import the roster first.")
    await factor.remove(person["id"], person["organ"], datetime.now(UTC))


@main.command("rotate-keys")
@click.argument("purpose", type=click.Choice(["session", "evidence", "refresh", "nonce", "factor"]))
def rotate_keys(purpose: str) -> None:
    """Make a new key that signs from now on; old ones still verify, so nobody is logged out."""
    with told_in_one_sentence():
        ring = getattr(Keys(_house().secrets_dir), purpose)
        console.print(ring.rotate())


@main.command("fingerprint")
def show_fingerprint() -> None:
    """Print what names the evidence keys, newest first: write one down outside this machine, for `--trust`."""
    with told_in_one_sentence():
        for key in Keys(_house().secrets_dir).evidence.public():
            console.print(fingerprint(key), key["kid"], soft_wrap=True)


def _fingerprints(_context: click.Context, _option: click.Parameter, told: tuple[str, ...]) -> tuple[str, ...]:
    for each in told:
        if not re.fullmatch("[0-9a-f]{64}", each):
            raise click.BadParameter(f"{each} is no fingerprint: it has 64 letters from 0-9 and a-f")
    return told


TRUST = click.option(
    "--trust", multiple=True, metavar="FINGERPRINT", callback=_fingerprints,
    help="A key that you trust, as you wrote it down; keys that it vouches for count too.",
)  # fmt: skip


@main.command("verify")
@TRUST
@click.option("--deep", is_flag=True, help="Read every sealed file and compare its digest, too.")
def verify_journal(trust: tuple[str, ...], deep: bool) -> None:
    """Look whether the journal, its checkpoints and what was sealed are as they were written. Changes nothing.

    Exit code 0: nothing, by keys that you trust; 1: something was altered; 3: signer unverified.
    """
    from mobile_api.cli.verify import look

    with told_in_one_sentence():
        settings = _house()
        sys.exit(in_services(settings, lambda full: look(full, trust, deep, console)))


@main.command("backup")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def back_up(folder: Path) -> None:
    """Copy the database, the keys and every sealed file into FOLDER; into the same one again, what is new.

    Exit code 1: a file that was sealed is missing in the store, and named.
    """
    from mobile_api.cli import backup

    with told_in_one_sentence():
        sys.exit(in_services(_house(), lambda full: backup.back_up(full, folder, console)))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Bring a backup back into an empty place: a new database, a new bucket, an empty data directory.

    Exit code 1: a file is missing in the backup, and named; everything else is back.
    """
    from mobile_api.cli import backup

    with told_in_one_sentence(), serving.until_signalled(), serving.services(_settings()) as full:
        sys.exit(asyncio.run(backup.restore(full, folder, console)))


def _assumed(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each assumption."""
    from mobile_api.cli.sizing import SOURCES, Assumed

    for field in reversed(fields(Assumed)):
        option = f"--{field.name.replace('_', '-')}"
        command = click.option(
            option, type=type(field.default), default=field.default, show_default=True, help=SOURCES[field.name]
        )(command)
    return command


@main.command()
@_assumed
def sizing(**told: Any) -> None:
    """Disk, database and bandwidth for so many people, from assumptions that it prints and that you may change."""
    from mobile_api.cli.sizing import Assumed, show

    with told_in_one_sentence():
        _settings()
        show(Assumed(**told), console)


@main.command("verify-package")
@TRUST
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def verify_package(trust: tuple[str, ...], path: Path) -> None:
    """Say what a package proves: a zip or its folder. Needs neither server nor network.

    Exit code 0: all of it, by a key that you trust; 1: something was altered; 3: signer unverified.
    """
    from mobile_api.cli.verify_package import check

    sys.exit(check(path, trust, console))


@main.command()
@click.option("--for-real", is_flag=True, help="Do it; left out, it is only told what would go.")
@click.option("--recording", type=click.UUID, help="Only this one; refused while it is held or within its term.")
def dispose(for_real: bool, recording: UUID | None) -> None:
    """Dispose of footage that is past its term and that nothing holds, one by one, each in the journal."""
    from mobile_api.cli.dispose import dispose_of, show_due

    with told_in_one_sentence():
        if for_real:
            in_services(_house(), lambda full: dispose_of(full, recording, console))
        else:
            in_database(_house(), lambda: show_due(recording, console))


@main.command()
@click.option("--for-real", is_flag=True, help="Do it; left out, it is only told what would be emptied.")
def erase(for_real: bool) -> None:
    """Empty free text, outsiders' names and places whose term is over; the journal verifies afterwards."""
    with told_in_one_sentence():
        now = datetime.now(UTC)
        rows = in_database(_house(), lambda: erasing.erase(now) if for_real else erasing.due(now))
        for what, count in rows.items():
            console.print(f"{count:>8}  {what}", soft_wrap=True)
        told = (
            "已清空 emptied"
            if for_real
            else "到期，未做任何改动，加 --for-real 执行 due; nothing was done: --for-real does it"
        )
        console.print(f"{sum(rows.values())} {told}", soft_wrap=True)


@main.command()
def openapi() -> None:
    """Print the API's contract as OpenAPI JSON."""
    from mobile_api.app import assemble
    from mobile_api.openapi import contract

    with told_in_one_sentence():
        _settings()
        click.echo(json.dumps(contract(assemble([])), ensure_ascii=False, indent=2))


@main.command()
@click.argument("shift", type=click.UUID)
@click.option("--svg", "picture", type=FILE, help="Write it as an SVG picture to this file (0600); - for stdout.")
@click.option("--json", "raw", type=FILE, help="Write what was drawn as JSON to this file (0600); - for stdout.")
def timeline(shift: UUID, picture: Path | None, raw: Path | None) -> None:
    """Draw a shift: duty, leading, work and footage as lanes, gaps marked, findings beneath."""
    from mobile_api.cli.drawing import draw
    from mobile_api.cli.svg import svg

    if picture == raw == DASH:
        raise click.UsageError("Only one of --svg and --json can be -.")
    with told_in_one_sentence():
        told = msgspec.to_builtins(in_database(_house(), lambda: timelines.timeline_of(shift)))
        names = {code: message.sentence("zh") for code, message in law().messages.items()}
        if raw is not None:
            _write(raw, json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        if picture is not None:
            _write(picture, svg(told, names))
        if DASH not in (picture, raw):
            console.print(draw(told, names, console.width))


def _write(path: Path, text: str) -> None:
    """To a file for its owner alone, or to standard output. Raises ServingError."""
    if path == DASH:
        click.echo(text, nl=False)
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # one that was there keeps its own mode
                os.fchmod(descriptor, 0o600)
            file.write(text)
    except OSError as error:
        raise ServingError(f"{path} cannot be written: {error.strerror}.") from error


ORGAN = click.option("--organ", metavar="CODE", help="Only this organ and all below it.")
CSV = click.option(
    "--csv", "table", type=FILE, help="Write it as CSV for a spreadsheet to this file (0600); - for stdout."
)


def _month(_context: click.Context, _option: click.Parameter, told: str) -> str:
    if re.fullmatch("2[0-9]{3}-(0[1-9]|1[0-2])", told) is None:
        raise click.BadParameter("a year and month, such as 2026-03")
    return told


@main.group()
def report() -> None:
    """Lists for whoever manages people."""


@report.command("expiring")
@click.option("--days", type=click.IntRange(0, 3650), help="So many days ahead; left out: as terms.toml says.")
@ORGAN
@CSV
def report_expiring(days: int | None, organ: str | None, table: Path | None) -> None:
    """Trainings, qualifications and insurance that expire soon, have expired or are missing (R.8, 24, 30)."""
    with told_in_one_sentence():
        settings = _house()
        ahead = expiring.notice_days() if days is None else days
        rows = in_database(settings, lambda: expiring.expiring(datetime.now(UTC), ahead, organ))
        _show(reports.of_expiring(rows, ahead), table)


@report.command("advances")
@ORGAN
@CSV
def report_advances(organ: str | None, table: Path | None) -> None:
    """Costs of injuries: asked for, approved, paid, and what is not settled yet (R.26)."""
    with told_in_one_sentence():
        _show(reports.of_advances(in_database(_house(), lambda: injury_reads.outstanding(organ))), table)


@report.command("hours")
@click.option("--month", required=True, metavar="YYYY-MM", callback=_month, help="Which month.")
@ORGAN
@CSV
def report_hours(month: str, organ: str | None, table: Path | None) -> None:
    """Hours worked, overtime, and time off owed and taken (R.25)."""
    with told_in_one_sentence():
        rows = in_database(_house(), lambda: hours_reads.report(month, organ))
        _show(reports.of_hours(rows, month), table)


@report.command("spot-checks")
@click.option("--month", required=True, metavar="YYYY-MM", callback=_month, help="Of the weeks that begin in it.")
@ORGAN
@CSV
def report_spot_checks(month: str, organ: str | None, table: Path | None) -> None:
    """How many spot checks were drawn, due and done, and in how many something was found."""
    first = date.fromisoformat(f"{month}-01")
    until = (first + timedelta(days=31)).replace(day=1)
    with told_in_one_sentence():
        rows = in_database(_house(), lambda: spot_checks.report(first, until, organ))
        _show(reports.of_spot_checks(rows, month), table)


def _show(told: reports.Report, table: Path | None) -> None:
    """On the terminal, or as CSV to a file or stdout."""
    if table is not None:
        _write(table, told.csv())
    elif told.rows:
        console.print(told.table())
    if table != DASH:
        console.print(told.sentence)


@main.command("settings")
def show_settings() -> None:
    """Print every setting and its value; secrets hidden."""
    with told_in_one_sentence():
        table = Table("variable", "value", box=None)
        for name, text in _settings().shown().items():
            table.add_row(name, text)
        console.print(table)


@main.command()
@click.argument("serial")
def enrol(serial: str) -> None:
    """Print a single-use code for a device, and as a QR for its camera. Ten minutes."""
    with told_in_one_sentence():
        settings = _house()
        made = in_database(settings, lambda: devices.make_code(serial, datetime.now(UTC)))
        url = settings.public_url or f"http://{settings.listen or '127.0.0.1:8080'}"
        uri = devices.uri_of(url, made.code)
        if sys.stdout.isatty():
            segno.make(uri, error="m").terminal(compact=True)
        console.print(
            f"{made.code}   {serial}, until {made.expires_at.astimezone().isoformat(' ', 'seconds')}, once",
            soft_wrap=True,
        )
        console.print(uri, markup=False, soft_wrap=True)


@main.command()
@click.argument("serial")
def revoke(serial: str) -> None:
    """A device was lost: from the next request on it opens nothing; what it still holds goes into quarantine."""
    with told_in_one_sentence():
        in_database(_house(), lambda: devices.revoke(serial, datetime.now(UTC)))
        console.print(f"{serial} is revoked")


@main.command()
@click.argument("serial")
def reinstate(serial: str) -> None:
    """A lost device was found: it may be enrolled anew; its former key and sessions end."""
    with told_in_one_sentence():
        in_database(_house(), lambda: devices.reinstate(serial, datetime.now(UTC)))
        console.print(f"{serial} may be enrolled anew: fujing enrol {serial}")


@main.command("enrol-station")
@click.argument("code")
@click.option("--url", envvar="FUJING_URL", default="http://127.0.0.1:8080", show_default=True, help="The API.")
@STATION_KEY
def enrol_station(code: str, url: str, key: Path) -> None:
    """Enrol this docking station by a code of its administrator; its new key is kept in a file for its owner alone."""
    from mobile_api.client.api import Problem, Unreachable
    from mobile_api.client.ingest import enrol

    try:
        console.print(f"{enrol(url, code, key)['serial']} is enrolled; its key: {key}", markup=False, soft_wrap=True)
    except (Problem, Unreachable, OSError, ValueError) as error:
        errors.print(f"fujing: {error}", markup=False, soft_wrap=True)
        sys.exit(1)


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--camera", required=True, help="Serial number of the recorder that the files come from.")
@click.option("--wearer", required=True, help="Badge number of whoever wore it.")
@click.option("--url", envvar="FUJING_URL", default="http://127.0.0.1:8080", show_default=True, help="The API.")
@click.option("--dock", envvar="FUJING_DOCK", required=True, help="This station's own badge number.")
@click.option(
    "--offset-ms",
    type=click.IntRange(-OFFSET, OFFSET),
    default=0,
    help="The recorder's clock minus this station's, in milliseconds.",
)
@click.option("--lanes", type=click.IntRange(1, 16), default=3, show_default=True, help="Parts sent at once.")
@STATION_KEY
def ingest(folder: Path, camera: str, wearer: str, url: str, dock: str, offset_ms: int, lanes: int, key: Path) -> None:
    """Bring in every video of a folder, as a docking station; run again, it goes on where it was.

    The station is enrolled once with `fujing enrol-station`. Its password: FUJING_DOCK_PASSWORD, a prompt, or a line on
    standard input. Exit code 0 only if every file is sealed and its receipt verified.
    """
    from mobile_api.client.ingest import Order, bring_in

    password = os.environ.get("FUJING_DOCK_PASSWORD") or _password()
    order = Order(
        folder=folder, camera=camera, wearer=wearer, url=url, dock=dock, offset_ms=offset_ms, lanes=lanes, key=key,
        longest_frame=law().span("longest_frame"), clock_skew_tolerance=law().span("clock_skew_tolerance"),
    )  # fmt: skip
    if not key.exists():
        errors.print(NOT_ENROLLED.format(key=key), markup=False, soft_wrap=True)
        sys.exit(1)
    sys.exit(bring_in(order, password, console, errors))


@main.command()
@click.option("--keep", is_flag=True, help="Leave it running afterwards, to look around.")
def demo(keep: bool) -> None:
    """Play a patrol from sign-in to sealed receipt, with real video and embedded services."""
    from mobile_api.cli.demo import play

    with told_in_one_sentence():
        sys.exit(play(keep))
