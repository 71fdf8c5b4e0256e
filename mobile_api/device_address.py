"""Whether a phone can reach an address that we would print for it. Pure."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from backend.core.settings import host_and_port

DEFAULT = "127.0.0.1:8080"  # where `fujing serve` and `fujing api` listen unless they are told otherwise


def is_for_phones(url: str, listens: Iterable[str | None]) -> bool:
    """Whether a phone can reach this URL of an API that listens there; None: on the default address.

    A loopback address counts where nothing listens elsewhere: then the phone is a program of the same machine.
    """
    parts = urlsplit(url)
    elsewhere = any(not _is(host_and_port(each or DEFAULT)[0], "is_loopback") for each in listens)
    nowhere = _is(parts.hostname, "is_unspecified") or parts.port == 0
    return not nowhere and not (elsewhere and _is(parts.hostname, "is_loopback"))


def _is(host: str | None, kind: str) -> bool:
    """Whether the host is an address of this kind: is_loopback, is_unspecified. A name is neither but for localhost."""
    try:
        return bool(getattr(ipaddress.ip_address(host or ""), kind))
    except ValueError:
        return kind == "is_loopback" and (host or "").lower().rstrip(".") == "localhost"
