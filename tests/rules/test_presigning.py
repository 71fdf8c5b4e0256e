"""The presigner signs as the SDK does where both can, and signs headers besides."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio import Minio

from storage.presigning import Signer


def may_be_a_key(key: str) -> bool:
    """The SDK refuses white space alone, and the store takes no empty or dotted steps."""
    return bool(key.strip()) and key.strip("/") == key and "//" not in key and not {".", ".."} & set(key.split("/"))


KEY = st.text(
    st.one_of(st.sampled_from("abcXYZ019/-_.~ +%&=?#*'()林"), st.characters(codec="utf-8", exclude_characters="\x00")),
    min_size=1, max_size=40,
).filter(may_be_a_key)  # fmt: skip
SECRET = "a key of the station"
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
ADDRESSES = ("http://127.0.0.1:8333", "http://evidence.example.cn:80", "https://evidence.example.cn:443",
             "https://evidence.example.cn", "https://evidence.example.cn:9000")  # fmt: skip


def signed(address: str, key: str, headers: dict[str, str], **query: str) -> str:
    signer = Signer(address, "station", SECRET, "cn-east-1")
    return signer.url("PUT", f"/evidence/{key}", query, headers, NOW, timedelta(hours=1))


@given(KEY, st.integers(1, 10_000), st.text("0123456789abcdef-_+/=", min_size=1), st.sampled_from(ADDRESSES))
def test_it_signs_as_the_sdk_does(key: str, number: int, upload: str, address: str) -> None:
    """Any key, any upload, any address: the same signature, where no header but the host is signed."""
    host, secure = urlsplit(address).netloc, address.startswith("https")
    sdk = Minio(host, "station", SECRET, secure=secure, region="cn-east-1")
    query = {"partNumber": str(number), "uploadId": upload}
    expected = sdk.get_presigned_url(
        "PUT", "evidence", key, timedelta(hours=1), request_date=NOW, extra_query_params=dict(query)
    )
    ours = signed(address, key, {}, **query)
    assert parse_qs(urlsplit(expected).query) == parse_qs(urlsplit(ours).query)
    assert urlsplit(expected)[:3] == urlsplit(ours)[:3]


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_another_length_is_another_signature(size: int, other: int) -> None:
    """A URL for one length is of no use for another."""
    (one,), (two,) = (
        parse_qs(urlsplit(signed(ADDRESSES[0], "film", {"content-length": str(length)})).query)["X-Amz-Signature"]
        for length in (size, other)
    )
    assert (size == other) == (one == two)


def test_it_says_which_headers_were_signed() -> None:
    """The store checks those and no others."""
    query = parse_qs(urlsplit(signed(ADDRESSES[0], "film", {"content-length": "5"})).query)
    assert ["content-length;host"] == query["X-Amz-SignedHeaders"]


@pytest.mark.parametrize("life", [timedelta(), timedelta(days=7, seconds=1), -timedelta(hours=1)])
def test_no_url_is_for_ever(life: timedelta) -> None:
    """Seven days at most, as the stores have it."""
    with pytest.raises(ValueError, match="7 days"):
        Signer(ADDRESSES[0], "a", "b", "c").url("PUT", "/a/b", {}, {}, NOW, life)
