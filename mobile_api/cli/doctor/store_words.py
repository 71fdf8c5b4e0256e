"""What an answer of a store means that is not what was asked for, in a few words of both languages."""

from typing import NamedTuple

from storage.s3_calls import StoreAnswer

DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem"}


class Words(NamedTuple):
    """A part of a sentence in Chinese and in English."""

    zh: str
    en: str


MEANT = {
    "RequestTimeTooSkewed": Words("两边时钟相差太多，请启用 NTP", "the clocks differ too much: run NTP on both"),
    "SignatureDoesNotMatch": Words(
        "签名不符：私有密钥有误，或代理改了 Host", "the signature is wrong: the secret key is, or a proxy changes Host"
    ),
    "InvalidAccessKeyId": Words(
        "不认识该访问密钥，请检查 FUJING_S3_ACCESS_KEY", "it does not know the key: look at FUJING_S3_ACCESS_KEY"
    ),
    "NoSuchBucket": Words("没有该存储桶，请检查 FUJING_S3_BUCKET", "it has no such bucket: look at FUJING_S3_BUCKET"),
    "AuthorizationHeaderMalformed": Words(
        "区域不符，请检查 FUJING_S3_REGION", "it is of another region: look at FUJING_S3_REGION"
    ),
    "AuthorizationQueryParametersError": Words(
        "区域不符，请检查 FUJING_S3_REGION", "it is of another region: look at FUJING_S3_REGION"
    ),
}


def is_denied(answer: StoreAnswer) -> bool:
    """Whether a right is missing, and not a key, a clock or a signature wrong."""
    return answer.status in (401, 403) and (answer.code in DENIED or not answer.code)


def meaning(answer: StoreAnswer) -> Words:
    """Why the store did not do what was asked."""
    if answer.code in MEANT:
        return MEANT[answer.code]
    said = f"{answer.status} {answer.code}".strip()
    if is_denied(answer):
        return Words(f"拒绝（{said}），缺少权限", f"it refuses ({said}): a right is missing")
    if answer.xml is None and not answer.is_well:
        return Words(f"{said}，不像对象存储的应答", f"{said}, which is no answer of a store")
    return Words(said, said)
