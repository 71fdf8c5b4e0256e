"""The steps of a handheld with a file: declare it, send parts to the store's signed URLs, complete it.

Bytes go straight to the store, as in the field, never through the application under test.
"""

import asyncio
import hashlib
import random
from base64 import b64encode
from typing import Any
from uuid import UUID

import httpx
import urllib3
from litestar import Litestar

from backend.core.database import first
from backend.evidence.sealing import seal
from tests.builders import Someone, now, recorded, some_footage

MIB = 1024 * 1024
PART = 8 * MIB
_http = urllib3.PoolManager(maxsize=8, retries=False, timeout=30)


def some_bytes(size: int, seed: str) -> bytes:
    """Bytes that are no media; the same for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(part: dict[str, Any], content: bytes, *, md5_of: bytes | None = None) -> int:
    """PUT a part to its signed URL, with the Content-MD5 of these or of other bytes. The store's status."""
    md5 = hashlib.md5(content if md5_of is None else md5_of, usedforsecurity=False).digest()
    headers = {"Content-MD5": b64encode(md5).decode()}
    return _http.request("PUT", part["url"], body=content, headers=headers).status


async def put_past_its_url(app: Litestar, upload: Any, number: int, content: bytes) -> str:
    """What a store that does not keep to the signed length takes for this part: its ETag."""
    row, store = await row_of(upload), app.state.store
    arguments = (row["object_key"], content, {}, row["store_upload"], number)
    return await asyncio.to_thread(store._client._upload_part, store._bucket, *arguments)


def piece_of(content: bytes, part: dict[str, Any]) -> bytes:
    return content[part["offset"] : part["offset"] + part["bytes"]]


async def declare(someone: Someone, content: bytes, **fields: Any) -> dict[str, Any]:
    """Declare footage with its size and digest. The upload."""
    known = {"bytes": len(content), "sha256": sha256_of(content)}
    return recorded(await someone.declare(**(known | fields)))["upload"]


async def declare_while_recording(someone: Someone, **fields: Any) -> dict[str, Any]:
    """Declare footage while the camera runs: no size, no digest, no end. The upload."""
    running = {name: what for name, what in some_footage().items() if name != "ended_at"} | fields
    return recorded(await someone.post("/v1/recordings/declare", **running))["upload"]


async def parts_of(someone: Someone, upload: Any, **query: Any) -> dict[str, Any]:
    answer = await someone.get(f"/v1/uploads/{upload}/parts", **query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def send_missing(someone: Someone, upload: Any, content: bytes) -> int:
    """Send the missing parts until the store has all. How many parts were sent."""
    sent = 0
    for _ in range(8):
        missing = (await parts_of(someone, upload))["missing"]
        if not missing:
            return sent
        for part in missing:
            assert 200 == await asyncio.to_thread(put, part, piece_of(content, part))
            sent += 1
        await asyncio.sleep(0.1 * (sent > len(missing)))
    raise AssertionError(f"still missing: {missing}")


async def complete(someone: Someone, upload: Any, **fields: Any) -> httpx.Response:
    return await someone.tell(f"/v1/uploads/{upload}/complete", **fields)


async def completed(someone: Someone, upload: Any, **fields: Any) -> str:
    """Complete the upload. Its state."""
    answer = await complete(someone, upload, **fields)
    assert 200 == answer.status_code, answer.text
    assert str(upload) == answer.json()["id"]
    return answer.json()["state"]


async def received(someone: Someone, content: bytes, **fields: Any) -> str:
    """Declare, send and complete footage, so that it waits to be sealed. Its id."""
    upload = (await declare(someone, content, **fields))["id"]
    await send_missing(someone, upload, content)
    assert "received" == await completed(someone, upload)
    return upload


async def run_seal(app: Litestar, upload: Any) -> None:
    """Seal one upload, as the worker does."""
    await seal(app.state.store, app.state.key_rings, UUID(str(upload)))


async def sealed(app: Litestar, someone: Someone, content: bytes, **fields: Any) -> str:
    """Declare, send, complete and seal footage. Its id."""
    upload = await received(someone, content, **fields)
    await run_seal(app, upload)
    assert "sealed" == (await standing_of(someone, upload))["state"]
    return upload


async def standing_of(someone: Someone, upload: Any, *, english: bool = False) -> dict[str, Any]:
    """The answer of the receipt route: state, receipt, advice."""
    answer = await someone.get(f"/v1/uploads/{upload}/receipt", english=english)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def row_of(upload: Any) -> Any:
    return await first("SELECT * FROM upload WHERE id = $1", UUID(str(upload)))


async def opened_in_store(app: Litestar, upload: Any) -> list[str]:
    """The multipart uploads that the store has open for this id."""
    later = now().replace(year=now().year + 1)
    return [opened for key, opened in await app.state.store.open_uploads(later) if key.endswith(str(upload))]
