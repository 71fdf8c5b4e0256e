"""An upload of our own: opened under a key that no recording has, and aborted, whatever happened to its part."""

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from storage.s3_calls import NoAnswer, StoreAnswer, StoreCalls

PREFIX = "probe/doctor-"


@dataclass(frozen=True)
class ProbeUpload:
    """`opened`: what the store said to opening it; `id` is empty where it did not open one."""

    key: str
    id: str
    opened: StoreAnswer

    @property
    def part(self) -> dict[str, str]:
        """The query of its one part."""
        return {"partNumber": "1", "uploadId": self.id}


@contextmanager
def probe_upload(store: StoreCalls) -> Iterator[ProbeUpload]:
    """Open one for the length of a block. Raises NoAnswer where the store does not answer."""
    key = PREFIX + secrets.token_hex(8)
    opened = store.call("POST", key, {"uploads": ""})
    upload = ProbeUpload(key, opened.text("UploadId") if opened.is_well else "", opened)
    try:
        yield upload
    finally:
        if upload.id:
            with contextlib.suppress(NoAnswer):
                store.call("DELETE", key, {"uploadId": upload.id})
