"""Signed URLs whose headers are signed too, which the SDK's presigner cannot do (it signs `host` alone).

A signed `content-length` lets a URL take exactly so many bytes: a longer body is answered 403 before it is stored.
Pure: no I/O. Source: AWS Signature Version 4, query parameters, unsigned payload.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_LONGEST = timedelta(days=7)


@dataclass(frozen=True)
class Signer:
    """Signs for one address (scheme://host[:port]) with one pair of keys."""

    address: str
    access_key: str
    secret_key: str
    region: str

    def url(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], now: datetime,
        expires: timedelta,
    ) -> str:  # fmt: skip
        """A URL for `method` on `path` (/bucket/key, not quoted), valid for `expires` (at most 7 days) from `now`.

        Whoever uses it must send `headers` (names in lower case) with exactly these values.
        """
        if not timedelta() < expires <= _LONGEST:
            raise ValueError("a signed URL is valid for more than nothing and at most 7 days")
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        signed = {"host": _host(self.address), **headers}
        names = ";".join(sorted(signed))
        parameters = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(expires.total_seconds())),
            "X-Amz-SignedHeaders": names,
        }
        asked = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parameters.items()))
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        target = quote(path, safe="/-_.~")
        request = "\n".join([method, target, asked, lines, names, "UNSIGNED-PAYLOAD"])
        text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
        scheme, host = urlsplit(self.address).scheme, signed["host"]
        return f"{scheme}://{host}{target}?{asked}&X-Amz-Signature={self._signature(scope, text)}"

    def _signature(self, scope: str, text: str) -> str:
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), hashlib.sha256)
        return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def _host(address: str) -> str:
    """What a client sends as `Host`: without the port that its scheme has anyway."""
    parts = urlsplit(address)
    return parts.netloc.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
