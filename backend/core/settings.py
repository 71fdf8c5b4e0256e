"""Settings: each is an environment variable FUJING_*, typed, with a default that works on one machine.

Guarantees: a wrong or unknown variable gives one sentence that names it (SettingsError); no secret has a default in
the code, and none is printed.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from storage.language import SentenceError, by_locale

PREFIX = "FUJING_"
ADDRESS = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$"
LAN_NAME = r"^([0-9a-fA-F:]*:[0-9a-fA-F:]+|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)$"
HIGHEST_PORT = 65535
# `fujing ingest` and `fujing enrol-station` are clients; they read these variables
OF_A_STATION = {"FUJING_URL", "FUJING_DOCK", "FUJING_DOCK_PASSWORD", "FUJING_DOCK_KEY"}
SECRET = {"database_url", "database_direct_url", "migrate_url", "s3_access_key", "s3_secret_key"}
DATABASE_URLS = ("database_url", "database_direct_url", "migrate_url")
VERIFIED = ("verify-ca", "verify-full")  # modes in which the server's certificate is looked at
TRUSTED = "SSL_CERT_FILE"  # OpenSSL's own variable: the CAs that are trusted, of the database and of the store
TAKES = {  # what a setting takes that not every text is, in Chinese and in English
    "listen": ("主机:端口", "host:port"),
    "operations_listen": ("主机:端口", "host:port"),
    "store_listen": ("主机:端口", "host:port"),
    "lan": (
        "手机所用的域名或 IP 地址，不带协议和端口，如 fujing.lan 或 192.168.1.5",
        "the name or IP address that phones call, without scheme and port, as fujing.lan or 192.168.1.5",
    ),
    "workers": ("1 至 64 的整数", "a whole number from 1 to 64"),
    "pool_size": ("2 至 200 的整数", "a whole number from 2 to 200"),
    "s3_secure": ("true 或 false", "true or false"),
    "trust_proxy": ("true 或 false", "true or false"),
    "log_level": ("debug、info、warning 或 error", "debug, info, warning or error"),
}
PATHS = ("data_dir", "tls_cert", "tls_key")  # children have another working directory
S3_REQUIRED = ("s3_endpoint", "s3_access_key", "s3_secret_key", "s3_bucket")


class SettingsError(SentenceError):
    """A setting is not usable. The text names the variable and what it takes."""

    exit_code = 2


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a deployment; see `fujing settings`.

    A service without a URL is embedded. An external PostgreSQL has `database_url` (the application's role, which owns
    no table) and `migrate_url` (the owner's role); an external store has `s3_*`. Where `database_url` leads through a
    pooler, `database_direct_url` leads past it, as the same role: for LISTEN.
    `operations_listen`: where /metrics and /health/ready are answered, and nowhere else.
    `public_url`: the address that devices call; where it is set, their proofs must name it.
    `lan`: the name under which `serve` opens API and embedded store to phones, with TLS. `store_listen`: where the
    store then listens. `tls_cert`, `tls_key`: a certificate given for both, in place of one by the house's own CA.
    """

    data_dir: Path = Path("fujing-data")
    public_url: str | None = None
    listen: Annotated[str, msgspec.Meta(pattern=ADDRESS)] | None = None
    lan: Annotated[str, msgspec.Meta(pattern=LAN_NAME)] | None = None
    store_listen: Annotated[str, msgspec.Meta(pattern=ADDRESS)] | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    operations_listen: Annotated[str, msgspec.Meta(pattern=ADDRESS)] | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    pool_size: Annotated[int, msgspec.Meta(ge=2, le=200)] = 16
    database_url: str | None = None
    database_direct_url: str | None = None
    migrate_url: str | None = None
    s3_endpoint: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    s3_bucket: str = "fujing-evidence"
    s3_region: str = "us-east-1"
    s3_secure: bool = True
    s3_public_url: str | None = None
    law_dir: Path | None = None
    trust_proxy: bool = False
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"

    @property
    def ca_dir(self) -> Path:
        """Where the certificate authority of this house is, if it has one."""
        return self.secrets_dir / "ca"

    @property
    def lan_file(self) -> Path:
        """What this house remembers of its network: the name and the ports that phones call."""
        return self.data_dir / "lan.json"

    @property
    def law_home(self) -> Path:
        """Where this house keeps the notices on days off that it took in."""
        return self.data_dir / "law"

    @property
    def listening_url(self) -> str:
        """The database's URL for a session that is kept: LISTEN needs one that no pooler takes away."""
        return str(self.database_direct_url or self.database_url)

    def shown(self) -> dict[str, str]:
        """Every setting by the name of its variable; secrets are hidden."""
        words = by_locale("（已设置，不显示）", "(set, hidden)")
        hidden = {name: words for name in SECRET if getattr(self, name) is not None}
        values = {name: hidden.get(name, getattr(self, name)) for name in self.__struct_fields__}
        return {variable(name): "" if value is None else str(value) for name, value in values.items()}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def host_and_port(address: str) -> tuple[str, int]:
    """The host, without the brackets of IPv6, and the port of a `host:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environment` (default: os.environ). Raises SettingsError with one sentence."""
    environment = os.environ if environment is None else environment
    ours = {key: value for key, value in environment.items() if key.startswith(PREFIX) and key not in OF_A_STATION}
    given = {key: value for key, value in ours.items() if value != ""}
    known = {variable(name): name for name in Settings.__struct_fields__}
    for key in given:
        if key not in known:
            raise SettingsError(
                f"{key} 不是 fujing 的设置；`fujing settings` 列出全部设置。",
                f"{key} is no setting of fujing; `fujing settings` lists them.",
            )
    values: dict[str, Any] = {known[key]: _read(key, known[key], value) for key, value in given.items()}
    settings = Settings(**values)
    _check_together(settings)
    urls = {name: _with_ca(url, environment) for name in DATABASE_URLS if (url := values.get(name)) is not None}
    settings = msgspec.structs.replace(settings, **urls)
    paths = {name: path.expanduser().absolute() for name in PATHS if (path := getattr(settings, name)) is not None}
    return msgspec.structs.replace(settings, **paths)


def with_setting(settings: Settings, name: str, value: str) -> Settings:
    """The settings with this one, as if its variable said so. Raises SettingsError."""
    changed = msgspec.structs.replace(settings, **{name: _read(variable(name), name, value)})
    _check_together(changed)
    return changed


def _read(key: str, name: str, value: str) -> Any:
    kind = Settings.__annotations__[name]
    if kind in (Path, Path | None):
        return Path(value)
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        zh, en = TAKES[name]
        raise SettingsError(f"{key} 无法使用：应为{zh}。", f"{key} is not usable: it takes {en}.") from error


def _scheme(url: str) -> str:
    """The scheme of a URL; empty where it is no URL."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _is_origin(url: str) -> bool:
    """Whether the URL has a host and nothing after it: a proof names our own paths."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and "@" not in parts.netloc and parts._replace(scheme="", netloc="").geturl() in ("", "/")


def _check_together(settings: Settings) -> None:
    _check_database(settings)
    _check_store(settings)
    _check_addresses(settings)


def _with_ca(url: str, environment: Mapping[str, str]) -> str:
    """The URL of a database with the file of the CA in it, where it must be verified and only SSL_CERT_FILE names one.

    The driver and pg_dump do not read that variable; the store's client does.
    """
    parts, trusted = urlsplit(url), environment.get(TRUSTED)
    query = dict(parse_qsl(parts.query))
    named = "sslrootcert" in query or "PGSSLROOTCERT" in environment
    if not trusted or named or query.get("sslmode") not in VERIFIED:
        return url
    return parts._replace(query=f"{parts.query}&{urlencode({'sslrootcert': trusted})}").geturl()


def _check_database(settings: Settings) -> None:
    for name in DATABASE_URLS:
        url = getattr(settings, name)
        if url is not None and _scheme(url) not in ("postgresql", "postgres"):
            raise SettingsError(
                f"{variable(name)} 须为以 postgresql:// 开头的地址。",
                f"{variable(name)} must be a URL that begins with postgresql://.",
            )
    if settings.migrate_url is not None and settings.database_url is None:
        raise SettingsError(
            "已设置 FUJING_MIGRATE_URL，却未设置 FUJING_DATABASE_URL：两者须同时设置，或都不设置。",
            "FUJING_MIGRATE_URL is set, but FUJING_DATABASE_URL is not: set both or neither.",
        )
    if settings.database_direct_url is not None and settings.database_url is None:
        raise SettingsError(
            "已设置 FUJING_DATABASE_DIRECT_URL，却未设置 FUJING_DATABASE_URL。",
            "FUJING_DATABASE_DIRECT_URL is set, but FUJING_DATABASE_URL is not.",
        )
    if settings.database_direct_url is not None and len(_roles(settings)) > 1:
        raise SettingsError(
            "FUJING_DATABASE_DIRECT_URL 与 FUJING_DATABASE_URL 须使用同一角色：不拥有任何表的应用角色。",
            "FUJING_DATABASE_DIRECT_URL must name the same role as FUJING_DATABASE_URL: the one that owns no table.",
        )


def _roles(settings: Settings) -> set[str | None]:
    """The roles of the application's two URLs; one where they are alike."""
    return {urlsplit(str(url)).username for url in (settings.database_url, settings.database_direct_url)}


def _check_store(settings: Settings) -> None:
    missing = [name for name in S3_REQUIRED if getattr(settings, name) is None]
    if settings.s3_endpoint is None and (settings.s3_access_key or settings.s3_secret_key):
        raise SettingsError(
            "未设置 FUJING_S3_ENDPOINT，却设置了 S3 密钥：请同时指定存储（主机:端口）。",
            "FUJING_S3_ENDPOINT is not set, but an S3 key is: name the store too (host:port).",
        )
    if settings.s3_endpoint is not None and missing:
        raise SettingsError(
            f"已设置 FUJING_S3_ENDPOINT，却未设置 {variable(missing[0])}。",
            f"{variable(missing[0])} is not set, but FUJING_S3_ENDPOINT is.",
        )
    if settings.s3_endpoint is not None and "/" in settings.s3_endpoint:
        raise SettingsError(
            "FUJING_S3_ENDPOINT 须为主机:端口，不带协议；是否使用 TLS 由 FUJING_S3_SECURE 决定。",
            "FUJING_S3_ENDPOINT takes host:port without a scheme; FUJING_S3_SECURE chooses TLS.",
        )


def _check_addresses(settings: Settings) -> None:
    _check_lan(settings)
    for name in ("listen", "operations_listen", "store_listen"):
        address = getattr(settings, name)
        if address is not None and host_and_port(address)[1] > HIGHEST_PORT:
            raise SettingsError(
                f"{variable(name)} 须为主机:端口，端口为 0 至 {HIGHEST_PORT}。",
                f"{variable(name)} takes host:port with a port from 0 to {HIGHEST_PORT}.",
            )
    both = settings.listen, settings.operations_listen
    if settings.listen is not None and both[0] == both[1] and host_and_port(settings.listen)[1] != 0:
        raise SettingsError(
            "FUJING_OPERATIONS_LISTEN 与 FUJING_LISTEN 相同：运维接口须有自己的地址。",
            "FUJING_OPERATIONS_LISTEN is the same as FUJING_LISTEN: operators need an address of their own.",
        )
    for name in ("public_url", "s3_public_url"):
        url = getattr(settings, name)
        if url is not None and _scheme(url) not in ("http", "https"):
            raise SettingsError(
                f"{variable(name)} 须以 http:// 或 https:// 开头。",
                f"{variable(name)} must begin with http:// or https://.",
            )
    if settings.s3_public_url is not None and not _is_origin(settings.s3_public_url):
        raise SettingsError(
            "FUJING_S3_PUBLIC_URL 不能带路径：签名地址里桶名紧接主机，如 https://store.example:9000。",
            "FUJING_S3_PUBLIC_URL takes no path, as signed addresses have the bucket right behind the host: "
            "scheme, host and perhaps a port, as https://store.example:9000.",
        )
    if settings.public_url is not None and not _is_origin(settings.public_url):
        raise SettingsError(
            "FUJING_PUBLIC_URL 由协议、主机和可选的端口组成，如 https://fujing.example:8443。",
            "FUJING_PUBLIC_URL takes scheme, host and perhaps a port, as https://fujing.example:8443.",
        )


def _check_lan(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "tls_key" if settings.tls_key is None else "tls_cert"
        raise SettingsError(
            f"未设置 {variable(missing)}：FUJING_TLS_CERT 与 FUJING_TLS_KEY 须同时设置，或都不设置。",
            f"{variable(missing)} is not set: set FUJING_TLS_CERT and FUJING_TLS_KEY, or neither.",
        )
    if settings.store_listen is not None and settings.store_listen == settings.listen:
        raise SettingsError(
            "FUJING_STORE_LISTEN 与 FUJING_LISTEN 相同：签名包含主机和路径，存储须有自己的端口。",
            "FUJING_STORE_LISTEN is the same as FUJING_LISTEN: the store needs a port of its own, for signatures cover "
            "host and path.",
        )
    if settings.lan is None:
        return
    if is_this_machine(settings.lan) or settings.lan in ("0.0.0.0", "::"):  # noqa: S104
        raise SettingsError(
            f"FUJING_LAN 为 {settings.lan}，只指本机，手机无法访问：请填本机在局域网中的名称或地址。",
            f"FUJING_LAN is {settings.lan}, which is this machine alone and no phone can reach: name it as the network "
            "knows it.",
        )
    for name in ("public_url", "s3_public_url", "trust_proxy"):
        if getattr(settings, name) and not (name == "s3_public_url" and settings.s3_endpoint):
            raise SettingsError(
                f"FUJING_LAN 与 {variable(name)} 不能同时设置：前者由 `fujing serve` 自己对外提供服务，"
                "后者用于代理之后。",
                f"FUJING_LAN and {variable(name)} exclude each other: with the first `fujing serve` is reached itself, "
                "the other is for a proxy before it.",
            )


def is_this_machine(host: str | None) -> bool:
    """Whether the host is a loopback address, or localhost."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return (host or "").lower().rstrip(".").rpartition(".")[2] == "localhost"
