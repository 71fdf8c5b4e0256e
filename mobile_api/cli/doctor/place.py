"""What the checks are about: one house, its addresses, and clients that look at it from outside."""

import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import urllib3

from backend.core.settings import Settings, SettingsError, host_and_port
from mobile_api.cli.lan import Reach, reach
from mobile_api.cli.operations_addresses import addresses, answering
from mobile_api.cli.serving import running_services
from storage.presigning import Signer
from storage.s3_calls import StoreCalls


@dataclass(frozen=True)
class Place:
    """A house as `fujing doctor` finds it. `settings` name its services; one that is embedded and not running is None.

    `api_url`, `store_url`: where devices reach the API and the store; None where the house runs nowhere. `ca`: the file
    of the house's own CA, where it has one. `operators`: where each running API answers operators.
    """

    settings: Settings
    api_url: str | None
    store_url: str | None
    ca: Path | None
    operators: list[str]

    @property
    def has_store(self) -> bool:
        return self.settings.s3_endpoint is not None

    @property
    def has_database(self) -> bool:
        return self.settings.database_url is not None

    @property
    def origin(self) -> str:
        """The origin of our own pages, from which a browser sends parts to the store: another than the store's."""
        return self.api_url or "https://fujing.example"

    def inside(self) -> StoreCalls:
        """The store as the API and the worker reach it."""
        scheme = "https" if self.settings.s3_secure else "http"
        return self._calls(f"{scheme}://{self.settings.s3_endpoint}")

    def outside(self) -> StoreCalls:
        """The store as devices reach it."""
        return self._calls(str(self.store_url))

    def _calls(self, address: str) -> StoreCalls:
        chosen = self.settings
        signer = Signer(address, str(chosen.s3_access_key), str(chosen.s3_secret_key), chosen.s3_region)
        return StoreCalls(signer, chosen.s3_bucket, any_certificate())


def place_of(settings: Settings) -> Place:
    """The house of these settings, with the addresses of what runs. Starts nothing and writes nothing."""
    running = running_services(settings.data_dir)
    full = settings if running is None else _with_services(settings, running)
    found = _reach(settings)
    inside = f"{'https' if full.s3_secure else 'http'}://{full.s3_endpoint}" if full.s3_endpoint is not None else None
    return Place(
        settings=full,
        api_url=full.public_url or (found.api_url if found is not None else told_to_devices(full)),
        store_url=full.s3_public_url or (found.store_url if found is not None else None) or inside,
        ca=found.ca if found is not None else None,
        operators=addresses(full.data_dir),
    )


def _reach(settings: Settings) -> Reach | None:
    """How phones of the network reach the house; None where it is open to none, or never was started."""
    try:
        return reach(settings)
    except SettingsError:
        return None


def _with_services(settings: Settings, running: dict[str, str]) -> Settings:
    """The settings with the services that `fujing serve` runs, where they name none. The embedded store has no TLS."""
    own = {"database_url": settings.database_url, "s3_endpoint": settings.s3_endpoint}
    kinds = {name for name in own if own[name] is None}
    missing = {name: text for name, text in running.items() if _service_of(name) in kinds}
    secure = settings.s3_secure and "s3_endpoint" not in missing
    return msgspec.structs.replace(settings, **missing, s3_secure=secure)


def _service_of(name: str) -> str:
    """The setting that says whether the service of this setting is named."""
    return "s3_endpoint" if name.startswith("s3_") else "database_url"


def told_to_devices(settings: Settings) -> str | None:
    """The address of the API that devices are told; None where none is set and no API runs."""
    running = list(answering(settings.data_dir))
    named = settings.public_url or next((one["public_url"] for one in running if one["public_url"]), None)
    given = settings.listen if settings.listen and host_and_port(settings.listen)[1] != 0 else None
    listens = next((one["listen"] for one in running if one["listen"]), given)
    return named or (f"http://{listens}" if listens else None)


def any_certificate() -> urllib3.PoolManager:
    """A client that takes every certificate: one check judges them, the others say what they find all the same."""
    warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return urllib3.PoolManager(ssl_context=context, assert_hostname=False)


def host_of(url: str) -> tuple[str, int]:
    """The host and the port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
