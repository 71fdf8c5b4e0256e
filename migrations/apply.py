"""Brings the schema up to date, and gives the application's role exactly the rights it needs.

Guarantees: all steps run in one transaction under an advisory lock, or none does, however many processes start at once.
The role that serves requests can read the journal and add to it, nothing else.
"""

import contextlib
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg

from backend.core import journal, operators
from backend.core.database import execute, fetch, opened, tx, value
from backend.people import kinds
from storage.language import SentenceError

CURRENT = Path(__file__).parent / "current"
VERSIONS = Path(__file__).parent / "versions"
ID = re.compile(r'^ID = "(.+)"$', re.MULTILINE)
LOCK_MIGRATIONS = "SELECT pg_advisory_xact_lock(hashtext('fujing migrations'))"
OLDEST_SERVER = 150_000
EXTENSION = "CREATE EXTENSION IF NOT EXISTS btree_gist"
NEW_EPOCH = """
INSERT INTO journal_epoch (epoch, system_identifier)
SELECT coalesce((SELECT max(epoch) FROM journal_epoch), 0) + 1, c.system_identifier FROM pg_control_system() c
WHERE c.system_identifier IS DISTINCT FROM
    (SELECT system_identifier FROM journal_epoch ORDER BY epoch DESC LIMIT 1)
"""
GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
GRANT DELETE ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics, sign_in_attempt, proof_seen TO {role};
GRANT DELETE ON moved_ground TO {role};
REVOKE INSERT ON journal FROM {role};
GRANT INSERT (at, actor, device, verb, outcome, entry_id, subjects, organ, entry) ON journal TO {role};
REVOKE UPDATE ON journal, journal_epoch, checkpoint, ruling, matter_concerns FROM {role};
REVOKE INSERT, UPDATE ON fact_baseline, fact_row FROM {role};
REVOKE UPDATE ON store_marker FROM {role};
GRANT UPDATE (version, leaves_version, leaves) ON checkpoint TO {role};
REVOKE UPDATE ON shift, check_out, supervision, supervision_answer, supervision_end, activity_telling, restraint,
    gap_account, upload, recording, film, film_start, film_timecode, time_correction, recording_description, hold,
    restriction, recusal, recusal_step, recusal_act FROM {role};
GRANT UPDATE (ended_at, ended_by, in_force, set_aside, vehicle, place) ON shift TO {role};
GRANT UPDATE (ended_at, ended_by, in_force, set_aside, answer, answered_at, leads_from, place) ON supervision TO {role};
GRANT UPDATE (place) ON check_out, supervision_answer TO {role};
GRANT UPDATE (place, notes) ON activity_telling TO {role};
GRANT UPDATE (words) ON gap_account, time_correction, recusal_step, recusal_act TO {role};
GRANT UPDATE (state, store_upload, bytes, told_bytes, stored_bytes, weighed_at, sha256, version, same_as, touched_at,
    received_at, sealed_at, locked_until, due_told, receipt, legal_hold, disposed_at, removed_at, file_name,
    versions_before, resent_at) ON upload TO {role};
GRANT UPDATE (started_at, ended_at, film_ends_at, key_mark, probed_ms, codec, probe_version, proved, poster_version)
    ON recording TO {role};
GRANT UPDATE (started_at, ended_at, permanent, place, reason, asked_by, asked_at, asked_why, released_by, released_at,
    released_why) ON hold TO {role};
GRANT UPDATE (words, lifted_by, lifted_at, lifted_why) ON restriction TO {role};
GRANT UPDATE (version, state, due_at, decided_in, applicant, words) ON recusal TO {role};
REVOKE INSERT ON journal_epoch FROM {role};
REVOKE INSERT, UPDATE ON person_now FROM {role};
REVOKE UPDATE ON device_key FROM {role};
GRANT UPDATE (ended_at, end_reason) ON device_key TO {role};
REVOKE UPDATE, INSERT ON migration FROM {role};
"""


class MigrationError(SentenceError):
    """The schema cannot be brought up to date. The text says what to do."""


def role_of(url: str) -> str:
    """The database role in a URL."""
    return unquote(urlsplit(url).username or "")


async def migrate(owner_url: str, app_role: str) -> None:
    """Run all missing steps as the owner, and grant rights to `app_role`. Raises MigrationError."""
    if app_role in ("", role_of(owner_url)):
        raise MigrationError(
            "FUJING_DATABASE_URL 与 FUJING_MIGRATE_URL 使用同一角色：请为应用单设一个角色，使它无法改动日志。",
            "FUJING_DATABASE_URL and FUJING_MIGRATE_URL name the same role: give the application a role of its own, "
            "so that it cannot alter the journal.",
        )
    async with opened(owner_url, size=2), tx():
        await execute(LOCK_MIGRATIONS)
        await _check_server()
        await _check_is_no_newer()
        if await value("SELECT to_regclass('journal_epoch')") is not None:
            await execute(NEW_EPOCH)  # before a migration writes a line
        before = await _newest_version()
        await _run_versions()
        await _run_current()
        await execute(NEW_EPOCH)
        await _journal_upgrade(before)
        await kinds.keep()
        await execute(GRANTS.format(role=_quoted(app_role)))


async def _check_server() -> None:
    if int(await value("SHOW server_version_num")) < OLDEST_SERVER:
        raise MigrationError(
            "需要 PostgreSQL 15 或更高版本：FUJING_DATABASE_URL 指向的服务器版本过低。",
            "PostgreSQL 15 or newer is needed: FUJING_DATABASE_URL names an older server.",
        )
    if await value("SELECT count(*) FROM pg_extension WHERE extname = 'btree_gist'"):
        return
    try:
        async with tx():
            await execute(EXTENSION)
    except asyncpg.InsufficientPrivilegeError:
        raise MigrationError(
            f"须由超级用户在该数据库中执行一次 `{EXTENSION}`。",
            f"A superuser must run `{EXTENSION}` in the database once.",
        ) from None


async def _check_is_no_newer() -> None:
    """An older program would take what a newer one wrote for altered, and fail at entries. Raises MigrationError."""
    newer = await _known() - _here()
    if newer:
        raise MigrationError(
            f"数据库结构来自更新的版本（{max(newer)}），本程序较旧：请运行更新的版本；要退回，"
            "请用本版本恢复升级之前的备份。",
            f"The schema is of a newer Fujing ({max(newer)}), and this program is older: run the newer one, or go back "
            "by restoring, with this one, the backup from before the upgrade.",
        )


async def _run_versions() -> None:
    if await _all_have_run():
        return
    from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager  # slow, and seldom needed

    with contextlib.redirect_stdout(io.StringIO()):  # Piccolo prints its progress
        result: Any = await ForwardsMigrationManager(app_name="fujing").run()
    if not result.success:
        raise MigrationError(f"迁移失败：{result.message}", f"A migration failed: {result.message}")


async def _all_have_run() -> bool:
    """Whether the database knows every migration that is here."""
    return await _known() >= _here()


async def _known() -> set[str]:
    """The migrations that the database has seen."""
    if await value("SELECT to_regclass('migration')") is None:
        return set()
    return {row["name"] for row in await fetch("SELECT name FROM migration WHERE app_name = 'fujing'")}


def _here() -> set[str]:
    """The migrations that this program has."""
    found = [ID.findall(path.read_text(encoding="utf-8")) for path in VERSIONS.glob("fujing_*.py")]
    return {each for names in found for each in names}


async def _newest_version() -> str | None:
    """The newest migration that the database knows; None where it has no schema yet."""
    known = await value("SELECT to_regclass('migration')") is not None
    return await value("SELECT max(name) FROM migration WHERE app_name = 'fujing'") if known else None


async def _journal_upgrade(before: str | None) -> None:
    """Write down that a command of an operator brought the schema of a house up to date."""
    after = await _newest_version()
    if operators.facts() and before not in (None, after):
        await journal.note("house/migrate", {"before": before, "after": after})


async def _run_current() -> None:
    """Create database functions in their current form, each written once, in current/."""
    for script in sorted(CURRENT.glob("*.sql")):
        await execute(script.read_text(encoding="utf-8"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
