"""Engines that a station has and Fujing does not bring: Debian's PostgreSQL with TLS, PgBouncer, nginx, Caddy, and
versitygw.

Each runs on a free port of loopback, in a folder of its own directly under /tmp, which its own account can read, and is
ended by its pid. One that is not installed skips the test, and the last lines of the run say so.
"""

import configparser
import contextlib
import datetime
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from storage.embedded import S3Address
from storage.embedded.processes import free_port

OWNER, APP = "fujing_owner", "fujing_app"
PASSWORDS = {OWNER: "owner-äß/:@", APP: "app-geheim", "postgres": "root"}  # signs that a URL must quote
READY_SECONDS = 40.0
BUILD_SECONDS = 900.0
MODE_OF_A_KEY = 0o600
HOST = re.compile(rb"\r\nHost: ([^\r]+)\r\n", re.IGNORECASE)


def program(name: str, *places: str) -> str:
    """The path of an installed program, the newest of several; else the test is skipped."""
    there = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    found = [str(path) for place in places for path in Path("/").glob(f"{place.lstrip('/')}/{name}")]
    path = max(found, key=lambda each: [int(part) for part in each.split("/") if part.isdigit()], default=there)
    if path is None:
        pytest.skip(f"{name} is not installed (apt install {'postgresql' if places else name})")
    return path


@contextmanager
def folder_of(account: str | None) -> Iterator[Path]:
    """A folder that this account owns, where root makes it; removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    if account is not None:
        shutil.chown(home, account, account)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def account_of(name: str) -> str | None:
    """The account that an engine runs as, where root may not; None: as whoever runs the tests."""
    return name if os.getuid() == 0 else None


@contextmanager
def running(
    words: Sequence[str], log: Path, port: int, account: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it listens on this port when the block begins."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=log.parent, user=account, group=account,
            start_new_session=True,
        )  # fmt: skip
    try:
        until_open(port, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < ends, log.read_text(errors="replace")
        time.sleep(0.05)


class Authority:
    """A CA of a test, and certificates for names on loopback that it signed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = self._begun(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        certificate = built.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """The files of a certificate for these host names and addresses, and of its key."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
        alternatives = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        built = self._begun(subject, key).add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        certificate = built.sign(self._key, hashes.SHA256())
        files = folder / f"{names[0]}.crt", folder / f"{names[0]}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].touch(MODE_OF_A_KEY)
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return x509.CertificateBuilder(
            self._name, subject, key.public_key(), x509.random_serial_number(),
            now - datetime.timedelta(hours=1), now + datetime.timedelta(days=2),
        )  # fmt: skip


class TlsPostgres:
    """Debian's PostgreSQL, which lets in over TLS alone, by the name localhost. Two empty databases: fujing, other."""

    def __init__(self, home: Path, bin_directory: Path, port: int) -> None:
        self.home, self._bin, self.port = home, bin_directory, port
        self.ca, self.stranger = Authority(home, "ca"), Authority(home, "stranger")

    def url(self, role: str, database: str = "fujing", **query: str) -> str:
        """The URL of this role, as verify-full asks unless told otherwise."""
        from urllib.parse import quote, urlencode

        asked = {"sslmode": "verify-full", "sslrootcert": str(self.ca.file)} | query
        given = urlencode({name: text for name, text in asked.items() if text})
        return f"postgresql://{role}:{quote(PASSWORDS[role], safe='')}@localhost:{self.port}/{database}?{given}"

    @property
    def settings(self) -> dict[str, str]:
        return {"FUJING_DATABASE_URL": self.url(APP), "FUJING_MIGRATE_URL": self.url(OWNER)}

    def make_cluster(self, account: str | None) -> list[str]:
        """Make the cluster; the words that run it."""
        password = self.home / "password"
        password.write_text(PASSWORDS["postgres"])
        certificate, key = self.ca.issue(self.home, "localhost", "127.0.0.1")
        for file in self.home.iterdir():
            if account is not None:
                shutil.chown(file, account, account)
        cluster = self.home / "cluster"
        subprocess.run(
            [
                self._bin / "initdb", "--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-sync", f"--pgdata={cluster}",
            ],
            check=True, stdout=subprocess.DEVNULL, user=account, group=account, cwd=self.home,
        )  # fmt: skip
        (cluster / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 scram-sha-256\n")
        settings = {
            "listen_addresses": "127.0.0.1,127.0.0.2", "port": self.port, "unix_socket_directories": self.home,
            "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "fsync": "off", "full_page_writes": "off",
        }  # fmt: skip
        options = [word for name, text in settings.items() for word in ("-c", f"{name}={text}")]
        return [str(self._bin / "postgres"), "-D", str(cluster), *options]

    def wait_ready(self) -> None:
        """Until it lets in: it listens before that."""
        asking, ends = [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], time.monotonic() + 40
        while subprocess.run(asking).returncode:
            assert time.monotonic() < ends, "it does not let in"
            time.sleep(0.05)

    def make_roles(self) -> None:
        """The two roles, and two empty databases with the extension."""
        script = "".join(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORDS[role]}';\n" for role in (OWNER, APP))
        for name in ("fujing", "other"):
            script += f"CREATE DATABASE {name} OWNER {OWNER};\n\\connect {name}\nCREATE EXTENSION btree_gist;\n"
        self.as_superuser(script)

    def as_superuser(self, script: str) -> str:
        """Run this script of psql, with the password by environment. What it printed."""
        address = f"host=localhost port={self.port} user=postgres dbname=postgres sslmode=require"
        words = [self._bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", address]
        done = subprocess.run(
            words,
            input=script.encode(), capture_output=True, env=os.environ | {"PGPASSWORD": PASSWORDS["postgres"]},
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr.decode()
        return done.stdout.decode()


@contextmanager
def tls_postgres() -> Iterator[TlsPostgres]:
    """Run one for the length of a block."""
    directory, account = Path(program("postgres", "/usr/lib/postgresql/*/bin")).parent, account_of("postgres")
    with folder_of(account) as home:
        server = TlsPostgres(home, directory, free_port())
        words = server.make_cluster(account)
        with running(words, home / "postgres.log", server.port, account):
            server.wait_ready()
            server.make_roles()
            yield server


class PgBouncer:
    """Debian's PgBouncer under the shipped configuration, in front of a TlsPostgres."""

    def __init__(self, home: Path, server: TlsPostgres, mode: str) -> None:
        self.home, self.port, self._server, self._mode = home, free_port(), server, mode
        self.log = home / "pgbouncer.log"

    def configure(self, shipped: Path, account: str | None) -> Path:
        """The shipped file with the addresses and paths of here, and with this mode."""
        certificate, key = self._server.ca.issue(self.home, "localhost", "127.0.0.1")
        (self.home / "ca.crt").write_bytes(self._server.ca.file.read_bytes())
        (self.home / "userlist.txt").write_text(f'"{APP}" "{PASSWORDS[APP]}"\n')
        read = configparser.ConfigParser(interpolation=None)
        read.read(shipped)
        read["databases"]["fujing"] = f"host=localhost port={self._server.port} dbname=fujing"
        read["pgbouncer"].update({
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "auth_file": str(self.home / "userlist.txt"),
            "server_tls_ca_file": str(self.home / "ca.crt"), "client_tls_cert_file": str(certificate),
            "client_tls_key_file": str(key), "unix_socket_dir": str(self.home), "pool_mode": self._mode,
            "stats_users": APP, "pidfile": str(self.home / "pid"),
        })  # fmt: skip
        file = self.home / "pgbouncer.ini"
        with file.open("w") as text:
            read.write(text)
        for each in self.home.iterdir():
            if account is not None:
                shutil.chown(each, account, account)
        return file

    def url(self, **query: str) -> str:
        """The application's URL through it."""
        return self._server.url(APP, **query).replace(f":{self._server.port}/", f":{self.port}/")

    def transactions(self) -> int:
        """How many transactions it has led to the database."""
        address = f"host=localhost port={self.port} user={APP} dbname=pgbouncer sslmode=require"
        done = subprocess.run(
            ["psql", "-X", "-A", "-t", "-c", "SHOW TOTALS", address], capture_output=True, text=True,
            env=os.environ | {"PGPASSWORD": PASSWORDS[APP]},
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        return next(int(line.split("|")[1]) for line in done.stdout.splitlines() if "xact_count|" in line)


@contextmanager
def pgbouncer(server: TlsPostgres, shipped: Path, mode: str) -> Iterator[PgBouncer]:
    """Run one for the length of a block."""
    words, account = [program("pgbouncer")], account_of("postgres")
    with folder_of(account) as home:
        pooler = PgBouncer(home, server, mode)
        words.append(str(pooler.configure(shipped, account)))
        with running(words, pooler.log, pooler.port, account):
            yield pooler


class TlsFront:
    """TLS for a plain server on loopback, as a store with a certificate has it. `hosts`: what it was called."""

    def __init__(self, plain: str, files: tuple[Path, Path]) -> None:
        host, _, port = plain.rpartition(":")
        self._to, self._context = (host, int(port)), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port, self.hosts = int(self._listening.getsockname()[1]), set[str]()

    def __enter__(self) -> "TlsFront":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listening.accept()[0],), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(caller, server_side=True) as device:
            device.settimeout(0.02)  # one thread speaks both ways: TLS may want to read before it writes
            with socket.create_connection(self._to) as store:
                store.settimeout(0.02)
                while self._passed(device, store) and self._passed(store, device):
                    pass

    def _passed(self, source: socket.socket, target: socket.socket) -> bool:
        """Pass on what is there; whether the source may still send."""
        try:
            piece = source.recv(1 << 18)
        except TimeoutError:
            return True
        self.hosts |= {each.decode() for each in HOST.findall(piece)}
        target.settimeout(30)
        target.sendall(piece)
        target.settimeout(0.02)
        return bool(piece)


@contextmanager
def caddy(binary: str, shipped: Path, home: Path, log: Path, names: dict[str, str], port: int) -> Iterator[None]:
    """Run this Caddy under the shipped file, which is told names and addresses by its environment."""
    older = version_of(binary, "version").startswith("2.6")
    file = home / "Caddyfile"
    file.write_text(shipped.read_text().replace("{\n", "{\n\tdefault_bind 127.0.0.1\n", 1))
    words = names | ({"CADDY_TRUST": "tls_trusted_ca_certs"} if older else {})
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CADDY_ADMIN": "off"} | words
    command = [binary, "run", "--config", str(file), "--adapter", "caddyfile"]
    with running(["env", "-i", *(f"{name}={text}" for name, text in environment.items()), *command], log, port):
        yield


@contextmanager
def nginx(shipped: Path, home: Path, changes: dict[str, str], port: int) -> Iterator[None]:
    """Run Debian's nginx with the shipped file among its own, with other names and addresses."""
    text = shipped.read_text()
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    (home / "fujing.conf").write_text(text)
    kept = "".join(
        f"{kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"{'user root;' if os.getuid() == 0 else ''}\ndaemon off;\npid {home}/pid;\nerror_log {home}/error.log;\n"
        "worker_processes 1;\nevents {}\n"
        f"http {{\naccess_log off;\n{kept}include {home}/fujing.conf;\n}}\n"
    )
    words = [program("nginx"), "-c", str(home / "nginx.conf"), "-p", str(home)]
    with running(words, home / "nginx.log", port):
        yield


def version_of(binary: str, *words: str) -> str:
    done = subprocess.run([binary, *words], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


@contextmanager
def versitygw(binary: Path) -> Iterator[S3Address]:
    """Run a versitygw over plain files for the length of a block: a real S3 server that is no store for evidence."""
    keys = "versity", os.urandom(16).hex()
    with folder_of(None) as home:
        films, versions, port = home / "films", home / "versions", free_port()
        films.mkdir(), versions.mkdir()
        words = [str(binary), "--port", f"127.0.0.1:{port}", "posix", "--versioning-dir", str(versions), str(films)]
        named = [
            f"ROOT_ACCESS_KEY={keys[0]}",
            f"ROOT_SECRET_KEY={keys[1]}",
            f"HOME={home}",
            f"PATH={os.environ['PATH']}",
        ]
        with running(["env", "-i", *named, *words], home / "versitygw.log", port):
            yield S3Address(f"127.0.0.1:{port}", *keys, "us-east-1")


def built_by_go(package: str, version: str, folder: Path) -> Path:
    """The program of a Go module, built once a clone into this folder, where it alone stays.

    Where it cannot be built the test is skipped: Fujing needs none of these.
    """
    built, go = folder / package.rpartition("/")[2], shutil.which("go")
    if go is None:
        pytest.skip(f"{built.name} {version}: Go is not installed (Fujing does not need it)")
    if built.exists() and version in version_of(go, "version", "-m", str(built)):
        return built
    environment = os.environ | {"GOBIN": str(folder), "GOPATH": str(folder / "go"), "GOFLAGS": "-modcacherw"}
    words = [go, "install", f"{package}@{version}"]
    try:
        subprocess.run(words, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=True)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        pytest.skip(f"{built.name} {version} could not be built (Fujing does not need it): {said[:120]}")
    finally:
        shutil.rmtree(folder / "go", ignore_errors=True)
    return built
