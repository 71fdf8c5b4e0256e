#!/bin/sh
# minio 7.2.20 (Python SDK) cannot read a time of a store that has more than six decimals: Ceph's locks are unreadable with it.
#
# Expected: a retention until 2026-11-30T19:45:13.975000000Z is read. It is valid ISO 8601 and RFC 3339, and what Ceph RGW
#   16.2.15 answers to GET ?retention; versitygw 1.8.0 tells a delete marker's LastModified so. Python's own
#   `datetime.fromisoformat` reads it from 3.11 on.
# What happens: the SDK tries two fixed formats of strptime, %f takes six digits at most, and a bare ValueError leaves
#   `get_object_retention` or `list_objects(include_version=True)`, which document S3Error and its like. Six decimals or three pass.
# Versions: minio 7.2.20, the newest of 2026-11; Python 3.11.
# Why a field system cares: it must read back until when a film is locked before it tells a phone that it may delete it. A
#   store that keeps its word is refused for the way it writes zeros. Read that answer yourself.
set -eu

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" --quiet --disable-pip-version-check install minio==7.2.20
"$home/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime
from importlib.metadata import version

from minio.retention import Retention
from minio.xml import unmarshal


def read(decimals):
    """Until when a version is locked, as the SDK reads it."""
    until = "2026-11-30T19:45:13" + decimals + "Z"
    answer = f"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
    try:
        return until, str(unmarshal(Retention, answer).retain_until_date)
    except ValueError as error:
        return until, f"ValueError: {error}"


print("minio", version("minio"))
told = [read(decimals) for decimals in ("", ".975", ".975000", ".975000000")]
for until, said in told:
    print(f"  {until}: {said}; Python: {datetime.fromisoformat(until)}")
as_described = [said.startswith("2026-11-30 19:45:13") for _, said in told] == [True, True, True, False]
sys.exit(0 if as_described and told[3][1].startswith("ValueError") else "minio reads nine decimals otherwise now")
PYTHON
echo "as described: seven decimals or more are a ValueError"
