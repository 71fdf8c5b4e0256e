"""The store that tests use: the embedded one, or the one that `make test-store S3=URL` names.

Guarantees: on a named store nothing is touched but buckets that begin with `RUN`, a name that is new with every run. At
the end of the run all that can be removed from them is; the last lines say what stays, and until when.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from minio import Minio
from minio.error import MinioException, S3Error

from storage.embedded import S3Address

NAMED = "TEST_S3"  # in the environment: http[s]://KEY:SECRET@HOST[:PORT][?region=REGION], keys percent-encoded
RUN = f"fujing-test-{secrets.token_hex(4)}"
USED: set[str] = set()


@dataclass(frozen=True)
class NamedStore(S3Address):
    """A store that somebody else runs, and keys that may make buckets there."""

    secure: bool

    @property
    def url(self) -> str:
        """Without keys."""
        return f"{'https' if self.secure else 'http'}://{self.endpoint}"

    def settings(self, name: str) -> dict[str, str]:
        """The settings of a house that keeps its footage there, in a bucket of this run."""
        named = {
            "ENDPOINT": self.endpoint, "ACCESS_KEY": self.access_key, "SECRET_KEY": self.secret_key,
            "REGION": self.region, "SECURE": str(self.secure).lower(), "BUCKET": bucket(name),
        }  # fmt: skip
        return {f"FUJING_S3_{word}": text for word, text in named.items()}


def named_store() -> NamedStore | None:
    """The store that this run was given; None: the embedded one. Raises pytest.UsageError."""
    url = os.environ.get(NAMED, "")
    if not url:
        return None
    parts = urlsplit(url)
    access, secret = (
        unquote(told or "") or os.environ.get(f"FUJING_S3_{word}_KEY", "")
        for told, word in ((parts.username, "ACCESS"), (parts.password, "SECRET"))
    )
    if parts.scheme not in ("http", "https") or not (parts.hostname and access and secret):
        raise pytest.UsageError(f"{NAMED}: expected http://KEY:SECRET@HOST:PORT, with https where the store speaks TLS")
    region = parse_qs(parts.query).get("region", ["us-east-1"])[0]
    return NamedStore(parts.netloc.rpartition("@")[2], access, secret, region, parts.scheme == "https")


def bucket(name: str) -> str:
    """The name of this run for a bucket."""
    USED.add(f"{RUN}-{name}")
    return f"{RUN}-{name}"


def left_behind() -> Iterator[str]:
    """Remove this run's buckets from the named store. One line for each that stays."""
    store = named_store()
    if store is None:
        return
    client = Minio(store.endpoint, store.access_key, store.secret_key, secure=store.secure, region=store.region)
    for name in sorted(USED):
        try:
            yield from _emptied(client, store, name)
        except (MinioException, OSError, ValueError) as error:
            yield f"left behind in {store.url}: bucket {name}, for: {error}"


def _emptied(client: Minio, store: NamedStore, name: str) -> Iterator[str]:
    if not client.bucket_exists(name):
        return
    kept = [each for each in client.list_objects(name, recursive=True, include_version=True)
            if not _removed(client, name, each)]  # fmt: skip
    with suppress(MinioException):  # Ceph lists their keys in a form that it does not take back
        for upload in client._list_multipart_uploads(name).uploads:
            client._abort_multipart_upload(name, upload.object_name, upload.upload_id or "")
    if not kept:
        client.remove_bucket(name)
        return
    last = max((until for each in kept if (until := _locked_until(client, name, each))), default=None)
    words = f"the last until {last:%Y-%m-%d %H:%M} UTC" if last else "their locks cannot be read"
    yield f"left behind in {store.url}: bucket {name}, {len(kept)} locked versions, {words}"


def _removed(client: Minio, name: str, each: Any) -> bool:
    """Lift the hold of a version and remove it; whether it went."""
    with suppress(S3Error):  # in a bucket without object lock there is no hold
        if not each.is_delete_marker:
            client.disable_object_legal_hold(name, each.object_name, each.version_id)
    try:
        client.remove_object(name, each.object_name, each.version_id)
    except S3Error:
        return False
    return True


def _locked_until(client: Minio, name: str, each: Any) -> datetime | None:
    """Read here: Ceph tells more decimals of a second than the SDK reads."""
    with suppress(MinioException, ValueError):
        query = {"retention": "", "versionId": each.version_id}
        told = client._execute("GET", name, each.object_name, query_params=query).data.decode()
        found = re.search("<RetainUntilDate>(.+?)</RetainUntilDate>", told)
        return datetime.fromisoformat(found[1]) if found else None
    return None
