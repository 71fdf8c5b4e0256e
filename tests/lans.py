"""A house that is open to a network: a name that leads to 127.0.0.2 in this process, and nothing trusted but its CA."""

import contextlib
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from tests.houses import Place, Serving

NAME, ADDRESS = "fujing.test", "127.0.0.2"  # RFC 6761: nobody's name; an address of this machine that is not 127.0.0.1
OPEN = {"FUJING_LAN": NAME, "FUJING_LISTEN": f"{ADDRESS}:0"}
_resolve = socket.getaddrinfo


def _resolved(host: Any, *more: Any, **named: Any) -> Any:
    return _resolve(ADDRESS if str(host).endswith(".test") else host, *more, **named)


@contextlib.contextmanager
def trusting(ca: Path) -> Iterator[None]:
    """Names in .test lead to the house, and clients of this process trust this CA alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _resolved)
        patch.setenv("SSL_CERT_FILE", str(ca))
        patch.setenv("SSL_CERT_DIR", os.devnull)
        yield


def ca_of(place: Place) -> Path:
    return place.data / "secrets" / "ca" / "ca.crt"


def ports(place: Place) -> tuple[int, int]:
    """The ports of API and store that this house keeps."""
    import json

    kept = json.loads((place.data / "lan.json").read_text())
    return int(kept["listen"].rpartition(":")[2]), int(kept["store_listen"].rpartition(":")[2])


def serial_at(port: int) -> int:
    """The serial number of the certificate that is shown there."""
    from cryptography import x509

    pem = ssl.get_server_certificate((ADDRESS, port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def listening(house: Serving) -> set[tuple[str, int]]:
    """Every address on which a process of the house listens."""
    every = (each for process in house.family() for each in process.net_connections("inet"))
    return {(each.laddr.ip, each.laddr.port) for each in every if each.status == psutil.CONN_LISTEN}


def fetched(method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
    """One request over a connection of its own, without tries."""
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request(method, url, **more)


def certutil() -> str:
    """Debian's certutil. Skips the test where it is not installed."""
    found = shutil.which("certutil")
    if found is None:
        pytest.skip("certutil is not installed (apt-get install libnss3-tools): no browser trusted the house's CA")
    return found
