"""What an error of the database means to a person: settings that are wrong, a server that is away, a damaged file.

Guarantees: a sentence names the variable that is wrong, and never a password or a row's value.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from storage.language import SentenceError

VARIABLES = ("FUJING_DATABASE_URL", "FUJING_MIGRATE_URL", "FUJING_DATABASE_DIRECT_URL")
DAMAGED_STATES = {
    "XX001",  # data_corrupted: a checksum that is wrong, a page that ends too early, a piece of a long value missing
    "XX002",  # index_corrupted
    "58P01",  # undefined_file: a file of a table is gone
}
UNREADABLE_STATES = DAMAGED_STATES | {"58030"}  # io_error: the disk does not give the page
FAILED_CONNECTION = (
    OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


class DatabaseUnusable(SentenceError):
    """The database cannot be used under these settings. `lasting`: waiting does not help, a person must act."""

    exit_code = 2

    def __init__(self, zh: str, en: str, *, lasting: bool) -> None:
        super().__init__(zh, en)
        self.lasting = lasting


class DatabaseDamaged(SentenceError):
    """Something in the database's files cannot be read."""

    exit_code = 2


class Reason(NamedTuple):
    """Why a connection failed, in Chinese and in English; `lasting`: waiting does not help."""

    zh: str
    en: str
    lasting: bool = True


def is_damage(error: BaseException) -> bool:
    """Whether the database says that its files are damaged."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in DAMAGED_STATES


def is_unreadable(error: BaseException) -> bool:
    """Whether the database cannot read a page: its files are damaged, or the disk fails."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in UNREADABLE_STATES


def damaged(error: BaseException) -> DatabaseDamaged:
    """The error of a damaged file as sentences, with what the server said of the page."""
    why = first_line(error)
    return DatabaseDamaged(
        f"数据库文件已损坏，有内容无法读取（{why}）。请停止写入，保留原文件，"
        "按 docs/operating.zh.md 中“数据库损坏”处理。",
        f"The files of the database are damaged, and something in them cannot be read ({why}). Stop what writes, keep "
        "the files as they are, and go on by “A damaged database” in docs/operating.md.",
    )


@contextmanager
def connecting(url: str) -> Iterator[None]:
    """Turn what goes wrong while a connection to `url` is opened into DatabaseUnusable."""
    try:
        yield
    except FAILED_CONNECTION as error:
        raise unusable(error, url) from error


def unusable(error: BaseException, url: str) -> DatabaseUnusable:
    """The error of a connection to `url` as sentences that name the variable and where it leads."""
    variable, where = _variable(url), _where(url)
    reason = _reason(error, is_socket="@/" in where)
    zh, en = (words.replace(_password(url) or "\0", "***") for words in (reason.zh, reason.en))
    return DatabaseUnusable(
        f"无法连接数据库 {where}：{zh}。请检查 {variable}。",
        f"The database {where} cannot be used: {en}. Check {variable}.",
        lasting=reason.lasting,
    )


def first_line(error: BaseException) -> str:
    """The first line of what an error says: without DETAIL, which quotes rows."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _reason(error: BaseException, is_socket: bool) -> Reason:
    if isinstance(error, ssl.SSLError):
        return _reason_of_tls(error)
    if isinstance(error, asyncpg.PostgresError):
        return _reason_of_server(error)
    if isinstance(error, socket.gaierror):
        return Reason("找不到该主机名", "there is no host of this name", lasting=False)
    if isinstance(error, TimeoutError):
        return Reason("没有及时应答", "it does not answer in time", lasting=False)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return _reason_of_url(error)
    if isinstance(error, ConnectionError) and "SSL" in str(error):
        return Reason("该服务器不支持 TLS，而地址要求 TLS", "it speaks no TLS, and the URL asks for TLS")
    if isinstance(error, FileNotFoundError | PermissionError) and not is_socket:
        return Reason(
            "sslrootcert 或 SSL_CERT_FILE 指定的 CA 文件不存在或无法读取",
            "the file of the CA that sslrootcert or SSL_CERT_FILE names is not there, or cannot be read",
        )
    if isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return Reason(
            f"该地址没有数据库应答（{first_line(error)}）", f"no database answers there ({first_line(error)})", False
        )
    return Reason(f"地址无法使用（{first_line(error)}）", f"the URL is not usable ({first_line(error)})")


def _reason_of_tls(error: ssl.SSLError) -> Reason:
    if not isinstance(error, ssl.SSLCertVerificationError):
        why = error.reason or first_line(error)
        return Reason(
            f"TLS 失败（{why}）；CA 文件可能不是 PEM 格式", f"TLS fails ({why}); is the file of the CA in PEM form?"
        )
    if error.verify_code in OTHER_NAME:
        return Reason("服务器证书与主机名不符", "its certificate is for another host name")
    why = error.verify_message
    return Reason(
        f"服务器证书不受信任（{why}）；在地址中用 sslrootcert=… 或用 SSL_CERT_FILE 指定 CA 文件",
        f"its certificate is not trusted ({why}); sslrootcert=… in the URL or SSL_CERT_FILE names the file of the CA",
    )


def _reason_of_url(error: asyncpg.ClientConfigurationError) -> Reason:
    if "root certificate" in str(error):
        return Reason(
            "要核验证书却没有 CA 文件：在地址中用 sslrootcert=… 或用 SSL_CERT_FILE 指定",
            "no CA is known to verify it by: sslrootcert=… in the URL or SSL_CERT_FILE names the file of the CA",
        )
    return Reason(f"地址无法使用（{first_line(error)}）", f"the URL is not usable ({first_line(error)})")


def _reason_of_server(error: asyncpg.PostgresError) -> Reason:
    if isinstance(error, asyncpg.InvalidPasswordError):
        return Reason("角色名或口令不对", "the name of the role or its password is wrong")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return Reason("服务器上没有该名称的数据库", "there is no database of this name")
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return Reason(
            f"服务器不允许该角色从这里登录（{first_line(error)}）",
            f"the server does not let this role in from here ({first_line(error)})",
        )
    if "startup parameter" in str(error):
        return Reason(
            f"连接池拒绝了会话设置（{first_line(error)}）；见 docs/operating.zh.md 中的 PgBouncer",
            f"a pooler refuses settings of the session ({first_line(error)}); see PgBouncer in docs/operating.md",
        )
    lasting = not isinstance(error, (
        asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
    ))  # fmt: skip
    return Reason(f"服务器拒绝连接（{first_line(error)}）", f"it refuses ({first_line(error)})", lasting)


def _variable(url: str) -> str:
    """The variable that holds this URL; where none does, that of the application."""
    bare = url.partition("?")[0]  # what we add stands behind it
    return next((name for name in VARIABLES if os.environ.get(name, "").partition("?")[0] == bare), VARIABLES[0])


def _where(url: str) -> str:
    """Role, host and database of a URL, without the password."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", []))
        return f"{unquote(parts.username or '')}@{host}{unquote(parts.path)}"
    except ValueError:
        return "(?)"


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
