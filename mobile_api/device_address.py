"""Whether a phone can reach an address that we would print for it. Pure."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from backend.core.settings import host_and_port, is_this_machine

DEFAULT = "127.0.0.1:8080"  # where `fujing serve` and `fujing api` listen unless they are told otherwise


def is_for_phones(url: str, listens: Iterable[str | None]) -> bool:
    """Whether a phone can reach this URL of an API that listens there; None: on the default address.

    A loopback address counts where nothing listens elsewhere: then the phone is a program of the same machine.
    """
    parts = urlsplit(url)
    elsewhere = any(not is_this_machine(host_and_port(each or DEFAULT)[0]) for each in listens)
    nowhere = _is_unspecified(parts.hostname) or parts.port == 0
    return not nowhere and not (elsewhere and is_this_machine(parts.hostname))


def is_for_this_machine(url: str) -> bool:
    """Whether only programs of the machine itself reach this URL."""
    return is_this_machine(urlsplit(url).hostname)


def _is_unspecified(host: str | None) -> bool:
    """Whether the host is an address for listening everywhere, which nobody can call."""
    try:
        return ipaddress.ip_address(host or "").is_unspecified
    except ValueError:
        return False
