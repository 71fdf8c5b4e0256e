"""Where each running API of a data directory answers operators.

operations/api-X.json   the address, as Prometheus reads it (file_sd_configs)
operations/api-X/       the counts of its processes, and where devices reach it; locked for as long as the API runs

What an API left that was killed is removed when the next one starts.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import urllib3

from backend.core.settings import Settings, SettingsError
from mobile_api.cli import lan
from mobile_api.device_address import DEFAULT, is_for_phones
from storage.private_files import make_private, write_private

FOLDER = "operations"
FOR_DEVICES = "devices.json"  # in the folder of an API: where it listens for devices, and what address they are told
PATIENCE = 5.0  # seconds to wait for an answer


@contextmanager
def published(home: Path, address: str, devices: Mapping[str, str | None] = {}) -> Iterator[Path]:
    """Keep the address in the data directory for the length of a block; gives the folder for the counts.

    `devices`: where the API listens for devices, and the address that they are told, if one is set.
    """
    folder = make_private(home / FOLDER)
    with _locked(folder):
        _remove_ended(folder)
        own = Path(tempfile.mkdtemp(prefix="api-", dir=folder))
        lock = os.open(own, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        write_private(own / FOR_DEVICES, json.dumps(dict(devices)).encode())
        write_private(_file_of(own), json.dumps([{"targets": [address]}]).encode())
        yield own
    finally:
        _remove(own)
        os.close(lock)


def addresses(home: Path) -> list[str]:
    """The addresses of the APIs that run over this data directory."""
    found = []
    for own in sorted((home / FOLDER).glob("api-*/")):
        if is_locked(own) and _file_of(own).exists():
            found += [target for group in json.loads(_file_of(own).read_text()) for target in group["targets"]]
    return found


def address_for_devices(settings: Settings) -> str:
    """The URL under which a phone reaches the API. Raises SettingsError where none is known that it can reach."""
    running = list(answering(settings.data_dir)) or [_not_running(settings)]
    listens = [one["listen"] or DEFAULT for one in running]
    url = settings.public_url or next((one["public_url"] for one in running if one["public_url"]), None)
    url = url or f"http://{listens[0]}"
    if not is_for_phones(url, listens):
        raise SettingsError(
            f"手机无法访问 {url}：请用 `fujing serve --lan 名称` 启动；在代理之后则用 FUJING_PUBLIC_URL 指明手机所用的"
            "地址，如 https://fujing.example:8443。",
            f"A phone cannot reach {url}: start with `fujing serve --lan NAME`, or, behind a proxy, name the address "
            "that phones call by FUJING_PUBLIC_URL, such as https://fujing.example:8443.",
        )
    return url


def _not_running(settings: Settings) -> dict[str, str | None]:
    """The same of a house that does not run: as `fujing serve` would start it."""
    found = None if settings.public_url else lan.reach(settings)
    if found is None:
        return {"listen": settings.listen or DEFAULT, "public_url": None}
    return {"listen": found.listen, "public_url": found.api_url}


def answering(home: Path) -> Iterator[dict[str, str | None]]:
    """What each API that runs over this data directory says of devices."""
    for own in sorted((home / FOLDER).glob("api-*/")):
        if is_locked(own) and (own / FOR_DEVICES).exists():
            yield {"listen": None, "public_url": None} | json.loads((own / FOR_DEVICES).read_text())


def health(address: str) -> dict[str, str | None]:
    """What the API of this address says of itself: `status` is ok, or away where something does not answer."""
    try:
        answer = urllib3.request("GET", f"http://{address}/health/ready", timeout=PATIENCE, retries=False)
        return dict(answer.json())
    except (urllib3.exceptions.HTTPError, ValueError):
        return {"status": "away"}


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of this file or folder."""
    if not path.exists():
        return False
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time: a folder that was just made is not locked yet."""
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def _remove_ended(folder: Path) -> None:
    for own in folder.glob("api-*/"):
        if not is_locked(own):
            _remove(own)


def _remove(own: Path) -> None:
    _file_of(own).unlink(missing_ok=True)
    shutil.rmtree(own, ignore_errors=True)


def _file_of(own: Path) -> Path:
    return own.with_name(f"{own.name}.json")
