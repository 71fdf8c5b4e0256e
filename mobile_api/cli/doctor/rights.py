"""Each right that our keys need of the store, tried one by one; the missing one is named (deploy/s3-policy.json).

Nothing is changed: an upload under a key of its own is opened and aborted, a probe of the lock is read and locked until
when it is locked anyway, everything else is asked of an object that is not there. MinIO says 404 for that one before it
asks for some rights (tried with a MinIO of 2026-02): without a probe these are told as not known.
"""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4
from xml.etree.ElementTree import Element  # nosec B405

from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.probe_upload import probe_upload
from mobile_api.cli.doctor.results import Line, unknown, well, wrong
from mobile_api.cli.doctor.store_words import is_denied, meaning
from storage.s3_calls import NoAnswer, StoreAnswer, StoreCalls, named

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HOLD = f"<LegalHold {XMLNS}><Status>ON</Status></LegalHold>".encode()
LOCKED_IN, LOOKED_AT = ("probe/", "house/marker/"), 20  # where the house leaves what is locked and holds no footage
OF_BUCKET = {
    "s3:ListBucket": {"list-type": "2", "max-keys": "1"},
    "s3:GetBucketVersioning": {"versioning": ""},
    "s3:GetBucketObjectLockConfiguration": {"object-lock": ""},
    "s3:GetLifecycleConfiguration": {"lifecycle": ""},
    "s3:ListBucketVersions": {"versions": "", "max-keys": "1"},
    "s3:ListBucketMultipartUploads": {"uploads": "", "max-uploads": "1"},
}
OF_ABSENT = (  # right, method, what is asked of an object that is not there, body
    ("s3:GetObjectRetention", "GET", "retention", b""),
    ("s3:GetObjectLegalHold", "GET", "legal-hold", b""),
    ("s3:PutObjectLegalHold", "PUT", "legal-hold", HOLD),
    ("s3:DeleteObjectVersion, s3:DeleteObject", "DELETE", "", b""),
)
OF_PROBE = ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObjectRetention")
OF_UPLOAD = ("s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
RIGHTS = (*OF_BUCKET, *OF_UPLOAD, *(each[0] for each in OF_ABSENT), *OF_PROBE)
Tried = tuple[str, StoreAnswer | None]  # a right, and what the store said; None: it could not be tried


def each(place: Place) -> Iterator[Line]:
    """All that we need, or what is missing or not known."""
    store = place.inside()
    try:
        tried = [*_of_bucket(store), *_of_upload(store), *_of_absent(store), *_of_probe(store)]
    except NoAnswer as error:
        yield unknown(
            f"存储没有应答（{error}），不知道密钥有哪些权限。",
            f"The store does not answer ({error}), so the rights of our keys are not known.",
        )
        return
    lines = [line for right, answer in tried if answer is not None and (line := _judged(right, answer)) is not None]
    yield from lines
    untried = ", ".join(right for right, answer in tried if answer is None)
    if untried:
        yield unknown(
            f"无法试用权限 {untried}：没有锁定的试探文件。启动一次系统，即会证实。",
            f"The rights {untried} could not be tried: there is no locked probe. A start of the house makes one.",
        )
    elif not lines:
        yield well(f"所需的 {len(RIGHTS)} 项权限都有。", f"Our keys have all {len(RIGHTS)} rights that they need.")


def _of_bucket(store: StoreCalls) -> Iterator[Tried]:
    for right, query in OF_BUCKET.items():
        yield right, store.call("GET", query=query)


def _of_upload(store: StoreCalls) -> Iterator[Tried]:
    with probe_upload(store) as upload:
        yield "s3:PutObject", upload.opened
        if upload.id:
            yield "s3:ListMultipartUploadParts", store.call("GET", upload.key, {"uploadId": upload.id})
            yield "s3:AbortMultipartUpload", store.call("DELETE", upload.key, {"uploadId": upload.id})


def _of_absent(store: StoreCalls) -> Iterator[Tried]:
    key, version = f"probe/doctor-absent-{uuid4().hex}", str(uuid4())
    for right, method, about, body in OF_ABSENT:
        query = {"versionId": version} | ({about: ""} if about else {})
        yield right, store.call(method, key, query, body)


def _of_probe(store: StoreCalls) -> Iterator[Tried]:
    """Of a version that an earlier proof of the lock left in the store."""
    found = [each for prefix in LOCKED_IN for each in _versions(store, prefix)]
    if not found:
        yield from ((right, None) for right in OF_PROBE)
        return
    key, version = found[0]
    yield "s3:GetObject", store.call("GET", key)
    yield "s3:GetObjectVersion", store.call("GET", key, {"versionId": version})
    yield "s3:PutObjectRetention", next(filter(None, (_locked_again(store, *each) for each in found)), None)


def _versions(store: StoreCalls, prefix: str) -> list[tuple[str, str]]:
    """Key and version of some objects below this prefix."""
    listed = store.call("GET", query={"versions": "", "prefix": prefix, "max-keys": str(LOOKED_AT)})
    return [(_text(each, "Key"), _text(each, "VersionId")) for each in listed.elements("Version")]


def _locked_again(store: StoreCalls, key: str, version: str) -> StoreAnswer | None:
    """What the store says to locking it until when it is locked anyway; None where its lock is over, or unknown."""
    about = {"retention": "", "versionId": version}
    told = store.call("GET", key, about)
    mode, until = told.text("Mode"), told.text("RetainUntilDate")
    if not told.is_well or not until or not _is_ahead(until):
        return None
    body = f"<Retention {XMLNS}><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>".encode()
    checked = {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
    return store.call("PUT", key, about, body, checked)


def _is_ahead(moment: str) -> bool:
    try:
        return datetime.fromisoformat(moment) > datetime.now(UTC)
    except (ValueError, TypeError):
        return False


def _text(element: Element, name: str) -> str:
    return next(((found.text or "") for found in named(element, name)), "")


def _judged(right: str, answer: StoreAnswer) -> Line | None:
    """What is to be said of one right; None where our keys have it."""
    if is_denied(answer):
        return wrong(
            f"密钥缺少权限 {right}。请按 deploy/s3-policy.json 补上。",
            f"Our keys lack the right {right}. Grant it as deploy/s3-policy.json has it.",
        )
    if (answer.status >= 500 and answer.status != 501) or answer.status in (401, 403):
        zh, en = meaning(answer)
        return unknown(f"权限 {right} 不明：{zh}。", f"The right {right} is not known: {en}.")
    return None
