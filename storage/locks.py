"""Reading the lock and the legal hold of a version. Stores tell that there is none in many ways.

Runs in the threads of the evidence store; raises what the SDK raises.
"""

from datetime import datetime
from typing import Any
from xml.etree.ElementTree import fromstring  # nosec B405

from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error

NEVER_LOCKED = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"}
# SeaweedFS, MinIO, Ceph.
NEVER_HELD = {"NoSuchObjectLegalHold", "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}


def kept_until(client: Minio, bucket: str, key: str, version: str, *, in_any_mode: bool = False) -> datetime | None:
    """When the lock of the version ends, past dates too; None where it has none. COMPLIANCE alone, or in any mode.

    Read here and not by the SDK: Ceph tells nine decimals of a second, RustFS an empty element for no lock.
    """
    query: Any = {"retention": "", "versionId": version}
    try:
        answer = client._execute("GET", bucket, key, query_params=query)
    except S3Error as error:
        if error.code in NEVER_LOCKED:
            return None
        raise
    told = {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in fromstring(answer.data.decode())}  # noqa: S314  # nosec B314
    until = told.get("RetainUntilDate", "")
    return datetime.fromisoformat(until) if until and (in_any_mode or told.get("Mode") == COMPLIANCE) else None


def is_held(client: Minio, bucket: str, key: str, version: str) -> bool:
    """Whether the version is under legal hold."""
    try:
        return bool(client.is_object_legal_hold_enabled(bucket, key, version))
    except S3Error as error:
        if error.code in NEVER_HELD:
            return False
        raise
