"""What can go wrong with the object store, and the sentences that say what to do about it."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError

from storage.calls import CALLS
from storage.language import SentenceError

_ADDRESS, _TLS, _REGION, _KEYS = (
    "FUJING_S3_ENDPOINT", "FUJING_S3_SECURE", "FUJING_S3_REGION", "FUJING_S3_ACCESS_KEY, FUJING_S3_SECRET_KEY",
)  # fmt: skip
_OF_REGION = {
    "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "IllegalLocationConstraintException",
}  # fmt: skip
_OF_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity"}
_OF_RIGHTS = {"AccessDenied", "AllAccessDisabled", "AccountProblem"}
_WANTS_TLS = re.compile(r"HTTP request .{0,40}HTTPS", re.IGNORECASE)  # Go's servers and nginx say so, each in its words
_NAME_UNKNOWN = ("Name or service not known", "nodename nor servname", "No address associated", "name resolution")


class StoreUnavailable(SentenceError):
    """The store did not answer, or it failed: try again later."""


class StoreAway(StoreUnavailable):
    """There was no answer at all, in time."""


class StoreNonsense(StoreUnavailable):
    """The answer cannot be a store's, or two answers contradict each other: try again, and conclude nothing."""


class StoreRefused(StoreUnavailable):
    """The store refused, and trying again will not help: keys, rights or the bucket are wrong."""


class UploadUnknown(Exception):
    """The store does not know this upload: it was completed, aborted or swept."""


class ObjectUnknown(Exception):
    """There is no such object, or no such version of it."""


class ObjectUnreadable(SentenceError):
    """The store answers, and does not give this object: its copy is damaged, and waiting does not help.

    `key`, `version` ("": the newest) of the object; `read_to`: the byte up to which it was read.
    """

    def __init__(self, key: str, version: str, read_to: int = 0) -> None:
        super().__init__(
            f"存储应答正常，但读不出 {key}：先后用两个连接读取，均止于第 {read_to} 字节。",
            f"The store answers, but does not give {key}: read twice, over two connections, up to byte {read_to}.",
        )
        self.key, self.version, self.read_to = key, version, read_to


class ObjectLocked(Exception):
    """The version is under retention or legal hold, so it cannot be removed."""


class LockNotKept(SentenceError):
    """The store does not enforce locks or legal holds; the text says what to do."""

    def __init__(self, why_zh: str, why_en: str) -> None:
        super().__init__(
            f"对象存储没有守住已锁定的视音频：{why_zh}。"
            "请指定启用对象锁定的存储桶，且其服务器强制执行 COMPLIANCE 保留和冻结；否则 Fujing 不运行。",
            f"The object store does not keep locked footage: {why_en}. Name a bucket made with object lock, on a "
            "server that enforces COMPLIANCE retention and legal holds; Fujing does not run without it.",
        )


class MayNotDelete(LockNotKept):
    """The keys may not delete versions, so that a refusal proves no lock."""

    def __init__(self, code: str) -> None:
        SentenceError.__init__(
            self,
            f"无法证明对象存储守住锁定：访问密钥连未锁定的版本也不能删除（{code}）。"
            "请为它授予该存储桶的 s3:DeleteObjectVersion 权限。",
            "It cannot be proved that the object store keeps locked footage: the keys may not even delete a version "
            f"that is not locked ({code}). Give them the right s3:DeleteObjectVersion on the bucket.",
        )


class StoreSwapped(StoreRefused):
    """The store answers, and it is not the one of this house: its known object is not there, or is another."""

    def __init__(self, bucket: str) -> None:
        super().__init__(
            f"存储桶 {bucket} 不是本系统的：其中没有数据库所记的标记对象。上传、封存、到期处理和修复均已停止；"
            "请核对 FUJING_S3_ENDPOINT 和 FUJING_S3_BUCKET，或从备份恢复。",
            f"The bucket {bucket} is not the one of this house: the object by which the database knows it is not "
            "there. Uploads, sealing, disposal and repair have stopped: look at FUJING_S3_ENDPOINT and "
            "FUJING_S3_BUCKET, or restore a backup.",
        )


class StoreFull(StoreUnavailable):
    """The store answers, and has no room left for what is written. `code`: what it said."""

    def __init__(self, code: str) -> None:
        super().__init__(f"存储已满（{code}）。", f"The store is full ({code}).")
        self.code = code


class StoreReadOnly(StoreUnavailable):
    """The store answers, and takes no writes for now. `code`: what it said."""

    def __init__(self, code: str) -> None:
        super().__init__(f"存储暂不可写（{code}）。", f"The store takes no writes for now ({code}).")
        self.code = code


class _Why(NamedTuple):
    zh: str
    en: str


def no_answer(error: Exception) -> StoreUnavailable:
    """The exception for an answer that never came, or that no store gives."""
    status = status_of(error)
    if status >= 500:
        return StoreUnavailable(f"对象存储出错：HTTP {status}", f"The object store failed: HTTP {status}")
    if isinstance(error, InvalidResponseError):
        why = _why_no_store(error)
        return StoreNonsense(why.zh, why.en)
    why = _why_no_connection(error)
    return StoreAway(f"对象存储没有应答：{why.zh}", f"The object store does not answer: {why.en}")


def status_of(error: Exception) -> int:
    """The HTTP status of an answer that is no answer of S3; 0 where there was none."""
    is_answer = isinstance(error, InvalidResponseError | ServerError)
    return int(getattr(error, "_code", getattr(error, "status_code", 0))) if is_answer else 0


def no_store(what: str) -> StoreNonsense:
    """The exception for an answer that is readable and no store's; `what` it is."""
    return StoreNonsense(
        f"{_ADDRESS} 所指的不是 S3 存储（它答的是：{what[:40]}）。请检查该地址。",
        f"{_ADDRESS} leads to something that is no S3 store (it answered with: {what[:40]}). Check the address.",
    )


def refused(error: S3Error) -> StoreUnavailable:
    """The exception for an error that the store itself told."""
    if error.response.status >= 500:
        return StoreUnavailable(f"对象存储出错：{error.code}", f"The object store failed: {error.code}")
    why = _why_refused(error)
    return StoreRefused(f"对象存储拒绝：{why.zh}", f"The object store refused: {why.en}")


def _why_no_store(error: InvalidResponseError) -> _Why:
    if _WANTS_TLS.search(str(error)):
        return _Why(f"存储只接受 TLS 连接：请设 {_TLS}=true。", f"The object store speaks TLS only: set {_TLS}=true.")
    told = no_store(str(getattr(error, "_body", "") or error).strip())
    return _Why(told.zh, told.en)


def _why_no_connection(error: Exception) -> _Why:
    text = str(error)
    if _is_of_tls(error):
        return _why_tls(text)
    if any(words in text for words in _NAME_UNKNOWN):
        return _Why(f"找不到这台主机，请检查 {_ADDRESS}（{text}）", f"no such host; check {_ADDRESS} ({text})")
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return _Why(f"无法建立连接，请检查 {_ADDRESS}（{text}）", f"no connection; check {_ADDRESS} ({text})")
    return _Why(text, text)


def _is_of_tls(error: Exception) -> bool:
    return isinstance(error, urllib3.exceptions.SSLError | ssl.SSLError)


def _why_tls(text: str) -> _Why:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return _Why(
            f"其证书不受信任或与主机名不符；请用 SSL_CERT_FILE 指定 CA 文件（{text}）",
            f"its certificate is not trusted, or is for another name; SSL_CERT_FILE names the file of the CA ({text})",
        )
    return _Why(
        f"TLS 连接失败；若存储不使用 TLS，请设 {_TLS}=false（{text}）",
        f"TLS fails; where the store speaks none, set {_TLS}=false ({text})",
    )


def _why_refused(error: S3Error) -> _Why:
    code = str(error.code)
    told = f"{code}，{error.message}", f"{code}, {error.message}"
    apart = seconds_apart(error.response)
    if code == "RequestTimeTooSkewed" or (abs(apart) >= CALLS.clock_apart and error.response.status in (400, 403)):
        return _why_clock(code, apart)
    if code in _OF_REGION:
        return _Why(f"地区不对，请检查 {_REGION}（{told[0]}）", f"another region; check {_REGION} ({told[1]})")
    if code in _OF_KEYS:
        return _Why(f"密钥不对，请检查 {_KEYS}（{told[0]}）", f"the keys are wrong; check {_KEYS} ({told[1]})")
    if code == "NoSuchBucket":
        return _Why(
            f"没有这个存储桶，请检查 FUJING_S3_BUCKET（{told[0]}）",
            f"no such bucket; check FUJING_S3_BUCKET ({told[1]})",
        )
    if code in _OF_RIGHTS:
        return _Why(
            f"密钥缺少权限，deploy/s3-policy.json 列出所需权限（{told[0]}）",
            f"the keys lack a right; deploy/s3-policy.json lists what is needed ({told[1]})",
        )
    return _Why(*told)


def _why_clock(code: str, apart: float) -> _Why:
    minutes = round(abs(apart) / 60)
    zh, en = ("快", "ahead of") if apart > 0 else ("慢", "behind")
    return _Why(
        f"存储的时钟比本机{zh} {minutes} 分钟；请用 NTP 校准两者的时钟（{code}）",
        f"the store's clock is {minutes} minutes {en} this machine's; set both by NTP ({code})",
    )


def seconds_apart(response: Any) -> float:
    """By how many seconds the store's clock is ahead of ours, by the Date of its answer; 0 where it tells none."""
    try:
        told = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return (told.replace(tzinfo=told.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
