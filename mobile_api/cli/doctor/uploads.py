"""A part of an upload, sent as a browser sends it: a preflight from our pages' origin, the signed PUT, its ETag.

A setting proves nothing: MinIO has no rules of a bucket and lets every origin by its environment, Ceph lets none until
a rule is set. So the store is asked what a browser would ask it.
"""

import base64
import hashlib
import json
from collections.abc import Iterator

from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.probe_upload import ProbeUpload, probe_upload
from mobile_api.cli.doctor.results import Line, unknown, well, wrong
from mobile_api.cli.doctor.store_words import meaning
from storage.s3_calls import NoAnswer, StoreAnswer, StoreCalls, ask

CONTENT = b"fujing doctor"
SENT = ("content-md5", "content-type")  # headers of a part that a browser asks leave for
METHODS, EXPOSED = ("PUT", "GET", "HEAD"), "ETag"


def part(place: Place) -> Iterator[Line]:
    """One part goes up at the address of devices, from another origin, and its ETag can be read there."""
    outside = place.outside()
    try:
        with probe_upload(place.inside()) as upload:
            if not upload.id:
                zh, en = meaning(upload.opened)
                yield unknown(
                    f"无法打开上传（{zh}），没有试发分片。", f"No upload can be opened ({en}), so no part was sent."
                )
                return
            yield from _sent(place, outside, upload)
    except NoAnswer as error:
        yield unknown(
            f"存储 {place.settings.s3_endpoint} 没有应答（{error}），没有试发分片。",
            f"The store {place.settings.s3_endpoint} does not answer ({error}), so no part was sent.",
        )


def _sent(place: Place, outside: StoreCalls, upload: ProbeUpload) -> Iterator[Line]:
    url = outside.url("PUT", upload.key, upload.part, {"content-length": str(len(CONTENT))})
    try:
        yield _preflight(place, outside, url)
        headers = {
            "Origin": place.origin, "Content-Type": "video/mp4",
            "Content-MD5": base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode(),
        }  # fmt: skip
        yield from _arrived(place, ask(outside.http, "PUT", url, CONTENT, headers))
    except NoAnswer as error:
        yield wrong(
            f"设备无法访问存储 {place.store_url}（{error}）。请检查名称、防火墙和 FUJING_S3_PUBLIC_URL。",
            f"Devices do not reach the store at {place.store_url} ({error}). Look at its name, the firewall, and "
            "FUJING_S3_PUBLIC_URL.",
        )


def _preflight(place: Place, outside: StoreCalls, url: str) -> Line:
    """What a browser asks before it sends the part."""
    asked = {
        "Origin": place.origin, "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(SENT),
    }  # fmt: skip
    answer = ask(outside.http, "OPTIONS", url, headers=asked)
    missing = _not_allowed(answer, place.origin)
    if not missing:
        return well(
            f"浏览器可以从 {place.origin} 向存储发送分片（预检通过）。",
            f"A browser may send parts from {place.origin} to the store (the preflight passes).",
        )
    return wrong(
        f"浏览器不能从 {place.origin} 向存储发送分片：预检应答 {answer.status}，未允许 {missing}。{_how(answer).zh}",
        f"A browser may not send parts from {place.origin} to the store: the preflight answers {answer.status} without "
        f"{missing}. {_how(answer).en}",
        _rule(place.origin, answer),
    )


def _not_allowed(answer: StoreAnswer, origin: str) -> str:
    """What of it is not allowed; empty where all is."""
    if not answer.is_well:
        return "Access-Control-Allow-Origin"
    if answer.headers.get("access-control-allow-origin") not in ("*", origin):
        return "Access-Control-Allow-Origin"
    if not {"PUT", "*"} & _listed(answer, "access-control-allow-methods", str.upper):
        return "Access-Control-Allow-Methods: PUT"
    allowed = _listed(answer, "access-control-allow-headers", str.lower)
    refused = [] if "*" in allowed else [name for name in SENT if name not in allowed]
    return f"Access-Control-Allow-Headers: {', '.join(refused)}" if refused else ""


def _listed(answer: StoreAnswer, name: str, spelled: object) -> set[str]:
    return {spelled(each.strip()) for each in answer.headers.get(name, "").split(",")}  # type: ignore[operator]


def _arrived(place: Place, answer: StoreAnswer) -> Iterator[Line]:
    """Whether the part is there, and whether a page may read the ETag that it is joined by."""
    if not answer.is_well:
        zh, en = meaning(answer)
        yield wrong(
            f"存储在 {place.store_url} 拒收签名的分片：{zh}。",
            f"The store refuses a signed part at {place.store_url}: {en}.",
        )
        return
    yield well(f"签名的分片送达 {place.store_url}。", f"A signed part arrives at {place.store_url}.")
    exposed = _listed(answer, "access-control-expose-headers", str.lower)
    allowed = answer.headers.get("access-control-allow-origin") in ("*", place.origin)
    if answer.headers.get("etag") and allowed and {"etag", "*"} & exposed:
        yield well("网页可以读取分片的 ETag。", "A page may read the part's ETag.")
        return
    yield wrong(
        f"网页读不到分片的 ETag，无法确认送达。{_how(answer).zh}",
        f"A page may not read the part's ETag, so it never knows that it arrived. {_how(answer).en}",
        _rule(place.origin, answer),
    )


def _how(answer: StoreAnswer) -> Line:
    """What to do: a rule of the bucket, or of MinIO's environment."""
    if _is_minio(answer):
        return wrong(
            "MinIO 没有存储桶规则，请在其环境中设置下列变量并重启。",
            "MinIO knows no rule of a bucket: set this in its environment, and restart it.",
        )
    return wrong("请为存储桶设置下列规则。", "Set this rule on the bucket.")


def _rule(origin: str, answer: StoreAnswer) -> str:
    """Word for word what is to be set: as `aws s3api put-bucket-cors --cors-configuration` takes it."""
    if _is_minio(answer):
        return f"MINIO_API_CORS_ALLOW_ORIGIN={origin}"
    rule = {
        "AllowedOrigins": [origin], "AllowedMethods": list(METHODS), "AllowedHeaders": ["Content-MD5", "Content-Type"],
        "ExposeHeaders": [EXPOSED], "MaxAgeSeconds": 3600,
    }  # fmt: skip
    return json.dumps({"CORSRules": [rule]}, indent=1)


def _is_minio(answer: StoreAnswer) -> bool:
    return "minio" in answer.headers.get("server", "").lower()
