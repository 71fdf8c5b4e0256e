"""An ordinary multipart client over Fujing: create, put part, list parts, abort, complete. See docs/mobile.md.

FUJING_URL=… FUJING_CODE=… FUJING_BADGE=… FUJING_PASSWORD=… python multipart.py FOLDER FILE

FOLDER holds the phone's key and outbox. Signing in and calling are those of phone.py beside it.
"""

import base64
import hashlib
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from phone import Phone, now

PART = 5 * 1024 * 1024  # the store takes no smaller part but the last


# [multipart]
class Multipart:
    """One file in numbered parts, as S3 clients send it. Size and digest may be known at the end only."""

    def __init__(self, phone: Phone, id: str) -> None:
        self.phone, self.path = phone, f"/v1/uploads/{id}"

    def put(self, number: int, content: bytes, size: int | None = None) -> str:
        """Send part `number`, also one that is there already, and return its ETag. `size`: with the last part."""
        whole = f"&bytes={size}" if size else ""
        part = self.phone.call("GET", f"{self.path}/parts?limit=1&part={number}{whole}")["part"]
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        answer = self.phone.http.request("PUT", part["url"], body=content, headers={"Content-MD5": md5})
        if answer.status != 200:
            raise ConnectionError(f"part {number} did not arrive: {answer.status}")
        return str(answer.headers["ETag"])

    def stored(self) -> dict[int, Any]:
        """The parts that the store has, with `bytes` and `etag`: all of them, a thousand at a time."""
        found: dict[int, Any] = {}
        while page := self.phone.call("GET", f"{self.path}/parts?limit=1&from={max(found, default=0) + 1}")["stored"]:
            found |= {part["number"]: part for part in page}
        return found

    def abort(self) -> None:
        """Give it up. What was sent stays for a month: asking for the parts goes on with it."""
        self.phone.call("POST", f"{self.path}/abort", {})

    def complete(self, size: int, sha256: str, etags: dict[int, str]) -> None:
        parts = [{"number": number, "etag": etag} for number, etag in etags.items()]
        self.phone.call("POST", f"{self.path}/complete", {"bytes": size, "sha256": sha256, "parts": parts})


# [/multipart]


def main(folder: Path, file: Path) -> None:
    environment = os.environ
    phone = Phone(environment["FUJING_URL"], folder)
    phone.enrol(environment["FUJING_CODE"])
    phone.sign_in(environment["FUJING_BADGE"], environment["FUJING_PASSWORD"])
    began = now() - timedelta(minutes=20)
    id = phone.add(
        "recordings/declare", now(), camera_serial="DSJ-0042", file_name=file.name, media_type="video/mp4",
        started_at=began.isoformat(), ended_at=(began + timedelta(minutes=9)).isoformat(), part_size=PART,
    )  # fmt: skip
    phone.sync()
    content = file.read_bytes()
    pieces = {at // PART + 1: content[at : at + PART] for at in range(0, len(content), PART)}
    upload, etags, last = Multipart(phone, id), {}, max(pieces)
    for number in sorted(pieces, reverse=True):  # in any order; the first twice
        etags[number] = upload.put(number, pieces[number], len(content) if number == last else None)
    etags[1] = upload.put(1, pieces[1])
    upload.abort()
    stored = upload.stored()  # takes it up again, with all that was sent
    if {number: part["etag"] for number, part in stored.items()} != {n: tag.strip('"') for n, tag in etags.items()}:
        raise RuntimeError("the store has other parts than were sent")
    upload.complete(len(content), hashlib.sha256(content).hexdigest(), etags)
    receipt = phone.receipt(id, file)
    file.unlink()  # in this order: verify, store, delete
    print("sealed", id, receipt, "in", len(stored), "parts")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
