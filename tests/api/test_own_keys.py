"""Attacks with the application's own database role: the facts that proof rests on, and the journal, do not let it.

Each attack is one that the issue tells. What the role may still do, it does under a line of its own, which stays.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from litestar import Litestar

from backend.core import journal
from backend.core.database import fetch, first, value
from tests.api.test_holds import content, place_hold
from tests.builders import DISTRICT, a_duty_auxiliary, a_led_patrol, ago, an_inspector_of, recorded, trained
from tests.devices import row_of, sealed

Role = asyncpg.Connection
Attack = Callable[[Role, UUID], Awaitable[None]]
DENIED = asyncpg.InsufficientPrivilegeError
LINE_OF = """
SELECT convert_from(entry, 'UTF8') FROM journal WHERE $1 = ANY (subjects) AND verb = $2
    OR entry_id = $1 AND outcome = 'recorded' AND $2 = ''
"""
DIGEST = "SELECT digest FROM fact_row WHERE key = $1"


async def rows_of_line(subject: str, verb: str = "") -> dict[str, str]:
    """The facts that the line of this entry names, or the line of this verb about it."""
    entry = await value(LINE_OF, UUID(subject), verb)
    return dict(msgspec.json.decode(entry).get("rows", {}))


def a_line(verb: str = "evidence/repair", subjects: Sequence[UUID] = ()) -> tuple[Any, ...]:
    """What journal.APPEND takes, of a line that somebody makes up."""
    return journal.columns(journal.Line(at=datetime.now(UTC), verb=verb, outcome="done", subjects=subjects))


async def forge(role: Role, change: str, *values: Any, before: str = "", verb: str = "evidence/repair") -> None:
    """Make a change and write a line for it, as the program would. `before`: done between the two."""
    async with role.transaction():
        await role.execute(change, *values)
        if before:
            await role.execute(before)
        await role.execute(journal.APPEND, *a_line(verb))


# What honest lines say


async def test_a_line_names_the_facts_that_it_changed(app: Litestar) -> None:
    """A check-in names its shift as it is; the next one names the shift that it closed too."""
    lin = await a_duty_auxiliary(app)
    one = recorded(await lin.check_in(occurred_at=ago(hours=3)))["id"]
    assert {f"shift/{one}": await value(DIGEST, f"shift/{one}")} == await rows_of_line(one)
    two = recorded(await lin.check_in())["id"]
    named = await rows_of_line(two)
    assert {f"shift/{one}", f"shift/{two}"} == set(named)
    assert [await value(DIGEST, key) for key in sorted(named)] == [named[key] for key in sorted(named)]


async def test_a_line_stays_canonical(app: Litestar) -> None:
    """The facts stand in it sorted, without a space, between its outcome and its subjects."""
    lin = await a_duty_auxiliary(app)
    recorded(await lin.check_in(occurred_at=ago(hours=3)))
    two = recorded(await lin.check_in())["id"]
    entry = await value(LINE_OF, UUID(two), "")
    assert entry == msgspec.json.encode(msgspec.json.decode(entry), order="sorted").decode()


async def test_the_line_of_a_sealing_names_the_file_and_its_film(app: Litestar) -> None:
    """Everything that proof takes from a film: its bytes and its stretches."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    named = await rows_of_line(film, "evidence/seal")
    assert {f"upload/{film}", f"recording/{film}"} <= set(named)
    assert "film" in {key.partition("/")[0] for key in named}
    assert named == {key: await value(DIGEST, key) for key in named}


async def test_no_setting_of_a_session_changes_a_digest(app: Litestar, owner: Role) -> None:
    """Its time zone, its way to write dates, its path."""
    await a_led_patrol(app)
    await sealed(app, await a_duty_auxiliary(app), content())
    before = {row["key"]: row["digest"] for row in await fetch("SELECT * FROM fact_row")}
    await owner.execute("SET timezone = 'Asia/Shanghai'; SET datestyle = 'German'; SET extra_float_digits = -3")
    after = {row["key"]: row["digest"] for row in await owner.fetch("SELECT * FROM fact_row")}
    assert before == after


# Facts


CHANGES = {
    "a shift that ends earlier": "UPDATE shift SET ended_at = started_at, ended_by = 'check_out' WHERE person = $1",
    "a shift that does not count": "UPDATE shift SET in_force = false WHERE person = $1",
    "leading that was never confirmed": "UPDATE supervision SET answer = 'confirmed', answered_at = now(), "
    "leads_from = started_at WHERE auxiliary = $1",
    "an act that is over": "UPDATE activity SET finished = true, ended_at = started_at WHERE person = $1",
    "footage of other hours": "UPDATE recording SET started_at = started_at - interval '2 hours' WHERE wearer = $1",
    "footage that proves more": "UPDATE recording SET proved = '{(,)}' WHERE wearer = $1",
    "a term that is longer": "UPDATE upload SET locked_until = locked_until + interval '1 day' WHERE owner = $1",
    "a hold that is over": "UPDATE hold SET released_at = now(), released_by = placed_by, released_why = '-' "
    "WHERE person = $1",
    "a check-out that nobody made": "INSERT INTO check_out (id, shift, at) "
    "SELECT gen_random_uuid(), id, started_at FROM shift WHERE person = $1",
    "a hold that nobody placed": "INSERT INTO hold (id, organ, origin, person, started_at, permanent, reason, "
    "placed_by, placed_at) SELECT gen_random_uuid(), '330102010000', 'placed', $1, now(), false, '-', $1, now()",
}


@pytest.fixture(scope="module")
async def known(app: Litestar) -> UUID:
    """Somebody with a led shift, an act, sealed footage and a hold on it."""
    lin, _, _, _ = await a_led_patrol(app)
    await trained(lin)
    recorded(await lin.starts("9.6"))
    await sealed(app, lin, content())
    await place_hold(await an_inspector_of(app, DISTRICT), person=str(lin.id), started_at=ago(days=1))
    return lin.id


@pytest.mark.parametrize("change", CHANGES)
async def test_no_fact_changes_without_a_line(known: UUID, application_role: Role, change: str) -> None:
    """The database refuses the transaction, and the fact is as it was."""
    before = await first("SELECT array_agg(fact_row ORDER BY key) AS facts FROM fact_row")
    with pytest.raises(DENIED, match="no line of this transaction tells of"):
        await application_role.execute(CHANGES[change], known)
    assert before == await first("SELECT array_agg(fact_row ORDER BY key) AS facts FROM fact_row")


FORGED = {
    "the note is emptied": "SELECT set_config('fujing.rows', '', true)",
    "the note names another state": "SELECT set_config('fujing.rows', regexp_replace(current_setting('fujing.rows'), "
    "'1:.', '1:x'), true)",
    "the note names another fact": "SELECT set_config('fujing.rows', ',\"shift/x\":\"1:x\"', true)",
}


@pytest.mark.parametrize("before", FORGED)
async def test_a_forged_note_ties_nothing(known: UUID, application_role: Role, before: str) -> None:
    """What the transaction noted is a setting, which anybody may set: the line must name the fact as it is."""
    with pytest.raises(DENIED, match="tells of shift/"):
        await forge(application_role, CHANGES["a shift that does not count"], known, before=FORGED[before])


async def tell_elsewhere(role: Role, known: UUID) -> None:
    async with role.transaction():
        await role.execute(CHANGES["a shift that does not count"], known)
        noted = await role.fetchval("SELECT convert_from(take_rows(), 'UTF8')")
        rows = msgspec.json.decode("{" + noted[1:] + "}")["rows"]
        line = journal.Line(at=datetime.now(UTC), verb="evidence/repair", outcome="done", facts={"rows": rows})
        await role.execute(journal.APPEND, *journal.columns(line))


async def take_a_line_back(role: Role, known: UUID) -> None:
    """Written in a savepoint, looked at there, and rolled back: at commit it is looked for again."""
    async with role.transaction():
        await role.execute(CHANGES["a shift that does not count"], known)
        savepoint = role.transaction()
        await savepoint.start()
        await role.execute(journal.APPEND, *a_line())
        await role.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await savepoint.rollback()


async def change_once_more(role: Role, known: UUID) -> None:
    """The line names what it was then."""
    async with role.transaction():
        await role.execute(CHANGES["a shift that does not count"], known)
        await role.execute(journal.APPEND, *a_line())
        await role.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        await role.execute(CHANGES["a shift that ends earlier"], known)


@pytest.mark.parametrize("attack", [tell_elsewhere, take_a_line_back, change_once_more])
async def test_only_a_line_that_stays_tells_of_a_fact(known: UUID, application_role: Role, attack: Attack) -> None:
    """Not the same words in the facts of a line, where the program puts what it likes, nor a line of before or gone."""
    with pytest.raises(DENIED, match="tells of shift/"):
        await attack(application_role, known)


async def test_a_line_of_another_transaction_ties_nothing(known: UUID, application_role: Role) -> None:
    """The same change again, whose line of before names the same digest."""
    change, back = CHANGES["a shift that does not count"], "UPDATE shift SET in_force = true WHERE person = $1"
    await forge(application_role, change, known, verb="x")
    await forge(application_role, back, known, verb="x")
    with pytest.raises(DENIED):
        await application_role.execute(change, known)


async def test_the_role_makes_no_table_to_be_taken_for_ours(application_role: Role) -> None:
    """A temporary one would come before the journal on its session's path; the tie has a path of its own besides."""
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute("CREATE TEMPORARY TABLE journal (LIKE public.journal)")
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute("CREATE TABLE public.journal_2 (LIKE public.journal)")
    ties = "SELECT proconfig FROM pg_proc WHERE proname = ANY ($1) AND prosecdef"
    guards = await fetch(ties, ["tie_fact", "upload_stands", "hold_stands", "owner_writes"])
    assert [["search_path=public, pg_temp"]] * 4 == [row["proconfig"] for row in guards]


FIXED = ("UPDATE shift SET started_at = started_at - interval '2 hours'", "UPDATE shift SET person = ordered_by",
         "UPDATE supervision SET officer = auxiliary", "UPDATE recording SET wearer = $1", "UPDATE film SET jumps = 0",
         "UPDATE upload SET object_key = 'x'", "UPDATE upload SET owner = $1", "UPDATE hold SET person = $1",
         "UPDATE ruling SET stands = 'contested'", "UPDATE activity_telling SET at = now()",
         "UPDATE gap_account SET gap = 'leading'", "UPDATE recusal_step SET step = 'refuse'",
         "UPDATE check_out SET at = now()", "UPDATE supervision_answer SET answer = 'confirmed'",
         "DELETE FROM shift", "DELETE FROM hold", "DELETE FROM film_start")  # fmt: skip


@pytest.mark.parametrize("change", FIXED)
async def test_what_never_changes_cannot_be_changed(known: UUID, application_role: Role, change: str) -> None:
    """Not with any line: the role has no right to these columns, nor to remove a row."""
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute(change, *([known] if "$1" in change else []))


# Sealed footage


SEALED = {
    "other bytes under it": "version = 'another'",
    "another digest": "sha256 = repeat('0', 64)",
    "sealed no longer": "state = 'received', receipt = NULL",
    "a shorter term": "locked_until = locked_until - interval '1 day'",
    "gone without disposal": "removed_at = now()",
    "disposed of within its term": "disposed_at = now(), removed_at = now()",
    "disposed of in the year that its term ends": "disposed_at = locked_until + interval '1 day'",
}


@pytest.mark.parametrize("change", SEALED)
async def test_sealed_footage_stays(app: Litestar, application_role: Role, change: str) -> None:
    """Whatever line is written for it: no role of ours has a reason to do this. The footage is held."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    await place_hold(await an_inspector_of(app, DISTRICT), recording=film)
    before = await row_of(film)
    sql = f"UPDATE upload SET {SEALED[change]} WHERE id = $1"  # noqa: S608
    with pytest.raises(asyncpg.CheckViolationError):
        await forge(application_role, sql, UUID(film))
    assert before == await row_of(film)


async def test_footage_is_not_disposed_of_in_the_future(app: Litestar, application_role: Role) -> None:
    """Within its term, at a time after it, of footage that nothing holds: the database has a clock too."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    early = "UPDATE upload SET disposed_at = locked_until + interval '1 day' WHERE id = $1"
    with pytest.raises(asyncpg.CheckViolationError, match="is not disposed of yet"):
        await forge(application_role, early, UUID(film))


async def test_footage_is_declared_before_it_is_sealed(app: Litestar, application_role: Role) -> None:
    """A row that says of itself that it was sealed, or disposed of."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    copied = [f for f in dict(await row_of(film)) if f not in ("id", "object_key", "sha256")]
    sql = f"""INSERT INTO upload (id, object_key, sha256, {", ".join(copied)})
        SELECT $2, 'x', encode(sha256('x'), 'hex'), {", ".join(copied)} FROM upload WHERE id = $1"""  # noqa: S608
    with pytest.raises(asyncpg.CheckViolationError, match="is not declared first"):
        await forge(application_role, sql, UUID(film), uuid4())


HOLDS = {
    "taken back": "released_at = NULL, released_by = NULL, released_why = NULL",
    "of fewer hours": "started_at = started_at + interval '1 hour'",
    "with an end": "ended_at = started_at",
}


@pytest.mark.parametrize("change", HOLDS)
async def test_a_hold_stands(app: Litestar, application_role: Role, change: str) -> None:
    """It only grows, and its release is not taken back."""
    wu, lin = await an_inspector_of(app, DISTRICT), await a_duty_auxiliary(app)
    hold = UUID(await place_hold(wu, person=str(lin.id), started_at=ago(days=1)))
    if change == "taken back":
        over = "UPDATE hold SET released_at = now(), released_by = placed_by, released_why = '-' WHERE id = $1"
        await forge(application_role, over, hold, verb="x")
    sql = f"UPDATE hold SET {HOLDS[change]} WHERE id = $1"  # noqa: S608
    with pytest.raises(asyncpg.CheckViolationError, match="stands"):
        await forge(application_role, sql, hold)


# The journal


COLUMNS = {"epoch": "1", "xid": "'3'::xid8", "seq": "1"}


@pytest.mark.parametrize("column", COLUMNS)
async def test_nobody_chooses_where_a_line_stands(application_role: Role, column: str) -> None:
    """Of an epoch that is over, of an old transaction, between two others."""
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute(
            f"INSERT INTO journal ({column}, at, verb, outcome, subjects, entry) OVERRIDING SYSTEM VALUE "  # noqa: S608
            f"VALUES ({COLUMNS[column]}, now(), 'x', 'done', '{{}}', 'x')"
        )


@pytest.mark.parametrize("verb", ["evidence/restore", "house/baseline"])
async def test_lines_that_the_owner_alone_writes(application_role: Role, verb: str) -> None:
    """A file of a backup has another version in the store: only a restore says so."""
    with pytest.raises(DENIED, match="is written by the owner"):
        await application_role.execute(journal.APPEND, *a_line(verb))


async def test_a_restore_has_an_epoch_of_its_own(app: Litestar, owner: Role, application_role: Role) -> None:
    """The owner too writes such a line only where a restore began, and the application begins none."""
    with pytest.raises(DENIED, match="no restore began epoch"):
        await owner.execute(journal.APPEND, *a_line("evidence/restore"))
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute("UPDATE journal_epoch SET restored = true")
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute(
            "INSERT INTO journal_epoch (epoch, system_identifier, restored) VALUES (9, 9, true)"
        )


async def test_the_baseline_is_the_owners(application_role: Role) -> None:
    """What was before the upgrade cannot be told anew."""
    with pytest.raises(DENIED, match="permission denied"):
        await application_role.execute("INSERT INTO fact_baseline VALUES ('shift/x', '1:x')")


async def test_an_upload_is_sealed_once(app: Litestar, application_role: Role) -> None:
    """A second line of a sealing, with other bytes, is refused by the database."""
    film = await sealed(app, await a_duty_auxiliary(app), content())
    with pytest.raises(asyncpg.UniqueViolationError):
        await application_role.execute(journal.APPEND, *a_line("evidence/seal", [UUID(film)]))
    assert timedelta() < (await row_of(film))["locked_until"] - datetime.now(UTC)
