#!/bin/sh
# minio 7.2.20 (Python SDK) never tells the next upload-id marker of a list of open uploads: it puts it under another name.
#
# Expected: `ListMultipartUploadsResult.next_upload_id_marker` is the text of <NextUploadIdMarker>, as S3 documents it, so that
#   the next page goes on behind the last upload of the same key.
# What happens: it is None in every answer; the text is in an attribute whose name is "self._next_upload_id_marker", with
#   the dot. `next_part_number_marker` of a list of parts is right. A loop by next_key_marker and next_upload_id_marker goes on by
#   the key alone: S3 then leaves out all further uploads of that key.
# Versions: minio 7.2.20, the newest of 2026-11.
# Why a field system cares: whoever sweeps uploads that nobody completes never sees those behind the first page of one key,
#   and their parts fill the disk. Take key and id of the last upload in the page instead.
set -eu

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" --quiet --disable-pip-version-check install minio==7.2.20
"$home/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from types import SimpleNamespace

from minio.datatypes import ListMultipartUploadsResult

ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
<NextKeyMarker>film</NextKeyMarker><NextUploadIdMarker>second</NextUploadIdMarker><MaxUploads>2</MaxUploads>
<IsTruncated>true</IsTruncated>
<Upload><Key>film</Key><UploadId>first</UploadId><Initiated>2026-11-30T20:00:00.000Z</Initiated></Upload>
<Upload><Key>film</Key><UploadId>second</UploadId><Initiated>2026-11-30T20:00:01.000Z</Initiated></Upload>
</ListMultipartUploadsResult>"""
page = ListMultipartUploadsResult(SimpleNamespace(data=ANSWER.encode()))
print("minio", version("minio"))
print("  uploads:", [each.upload_id for each in page.uploads], "truncated:", page.is_truncated)
print("  next_key_marker:", page.next_key_marker)
print("  next_upload_id_marker:", page.next_upload_id_marker)
print("  under its odd name:", getattr(page, "self._next_upload_id_marker", "not there"))
told = page.next_key_marker, page.next_upload_id_marker, getattr(page, "self._next_upload_id_marker", None)
sys.exit("minio tells the marker otherwise now" if told != ("film", None, "second") else 0)
PYTHON
echo "as described: the next upload-id marker is always None"
