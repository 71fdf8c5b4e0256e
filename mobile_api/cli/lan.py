"""How phones of a station's own network reach the house: one name, two ports that are kept, one certificate.

`reach` tells it to other commands, whether the house runs or not. The name is FUJING_LAN (or `serve --lan NAME`), or
follows from FUJING_LISTEN on an address that is not this machine's alone, where the store is the embedded one. The
ports are chosen once and kept in lan.json of the data directory, because phones remember them.
"""

import hashlib
import ipaddress
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from backend.core.settings import Settings, SettingsError, host_and_port, is_this_machine, variable
from storage.embedded.processes import free_port, is_free, psutil
from storage.house_ca import CERTIFICATE, CertificateError, HouseCA, Pair, check_given
from storage.language import SentenceError
from storage.private_files import write_private

EVERYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - phones call from outside
ANY_PORT = "0.0.0.0:0"
PREFERRED = {"listen": 8443, "store_listen": 9443}  # ports, where they are free at the first start
CA_PATH = "/ca.crt"  # on the store's port, in plain HTTP (storage/embedded/front.py)


class PortTaken(SentenceError):
    """Another program has the port that phones know."""


@dataclass(frozen=True)
class Reach:
    """How a house is reached. `listen`, `store_listen`: the addresses that it listens on.

    `store_url` and `store_listen` are None where the store is not the embedded one; `ca` is None where a certificate
    was given: then whoever calls trusts it by other means.
    """

    name: str
    api_url: str
    store_url: str | None
    ca: Path | None
    certificate: Path
    key: Path
    listen: str
    store_listen: str | None

    @property
    def ca_url(self) -> str | None:
        """Where a phone that does not trust the CA yet gets its certificate."""
        return None if self.store_url is None or self.ca is None else f"http{self.store_url[5:]}{CA_PATH}"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a house remembers of its network. `opened`: whether the last `serve` was open to it."""

    name: str
    listen: str
    store_listen: str | None = None
    opened: bool = True


def kept(settings: Settings) -> Kept | None:
    """What this data directory remembers; None where it never was open to a network."""
    try:
        return msgspec.json.decode(settings.lan_file.read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None


def keep(settings: Settings, now: Kept) -> None:
    """Remember this from now on."""
    if now != kept(settings):
        write_private(settings.lan_file, msgspec.json.encode(now), replace=True)


def keep_closed(settings: Settings) -> None:
    """Remember that the house is not open to a network now; its ports stay."""
    before = kept(settings)
    if before is not None:
        keep(settings, msgspec.structs.replace(before, opened=False))


def reach(settings: Settings) -> Reach | None:
    """How phones reach the house of this data directory; None where it is not open to a network.

    Before its first start only ports that a setting names are known. Raises SettingsError where the API's is not.
    """
    before = kept(settings)
    name = name_of(settings) or (before.name if before is not None and before.opened else None)
    if name is None:
        return None
    if before is None:
        before = Kept(name=name, listen=settings.listen or ANY_PORT, store_listen=settings.store_listen)
    if host_and_port(before.listen)[1] == 0:
        raise SettingsError(
            "接口的端口在第一次启动时才选定：请先运行 `fujing serve`。",
            "The port of the API is chosen at the first start: run `fujing serve` first.",
        )
    return reach_at(settings, name, before.listen, before.store_listen)


def reach_at(settings: Settings, name: str, listen: str, store_listen: str | None) -> Reach:
    """How phones reach a house by this name at these ports."""
    own = settings.tls_cert is None
    pair = shown_pair(settings)
    return Reach(
        name=name, api_url=_url(name, listen), store_url=None if store_listen is None else _url(name, store_listen),
        ca=settings.ca_dir / CERTIFICATE if own else None, certificate=pair.certificate, key=pair.key,
        listen=listen, store_listen=store_listen,
    )  # fmt: skip


def shown_pair(settings: Settings) -> Pair:
    """The certificate that both ports show: the given one, or one by the house's own CA."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        return Pair(settings.tls_cert, settings.tls_key)
    folder = settings.data_dir / "tls"
    return Pair(folder / "house.crt", folder / "house.key")


def name_of(settings: Settings) -> str | None:
    """The name that phones call, in the form in which browsers send it; None where no phone is meant to.

    Raises SettingsError where the house listens everywhere and this machine has no address.
    """
    if settings.lan is not None:
        return str(_address(settings.lan) or settings.lan.lower())
    if settings.listen is None or settings.public_url or settings.trust_proxy or settings.s3_endpoint:
        return None
    host, _ = host_and_port(settings.listen)
    if is_this_machine(host):
        return None
    return own_address() if host in EVERYWHERE.values() else str(_address(host) or host.lower())


def name_without_one(settings: Settings) -> str:
    """The name for `--lan` alone: the setting's, the one of before where it still leads here, or an address.

    Raises SettingsError where this machine has no address.
    """
    before = kept(settings)
    if settings.lan is not None:
        return settings.lan
    if before is not None and (_address(before.name) is None or before.name in own_addresses()):
        return before.name
    return own_address()


def own_addresses() -> list[str]:
    """The addresses of this machine by which others may reach it (IPv4, sorted)."""
    of_cards = (one for card in psutil().net_if_addrs().values() for one in card if one.family == socket.AF_INET)
    found = {str(one.address) for one in of_cards}
    return sorted(one for one in found if not _is_local(ipaddress.ip_address(one)))


def own_address() -> str:
    """The address by which this machine's network knows it. Raises SettingsError where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody's; nothing is sent, the kernel chooses the way
            chosen = str(probe.getsockname()[0])
        except OSError:
            chosen = "127.0.0.1"
    found = own_addresses()
    if chosen not in found and not found:
        raise SettingsError(
            "本机没有局域网地址：请先接入网络，或用 FUJING_LAN（`fujing serve --lan 名称`）写明手机所用的名称。",
            "This machine has no address in a network: connect it, or name what phones call by FUJING_LAN "
            "(`fujing serve --lan NAME`).",
        )
    return chosen if chosen in found else found[0]


def _is_local(address: Any) -> bool:
    return bool(address.is_loopback or address.is_link_local or address.is_unspecified)


def chosen(settings: Settings, setting: str) -> tuple[str, int]:
    """The host and port for `listen` or `store_listen` of a house that is open to a network.

    A port that no setting names is the one of before, else a preferred or free one. Raises PortTaken.
    """
    host, port = _host_of(settings, setting), 0
    given = getattr(settings, setting)
    if given is not None:
        host, port = host_and_port(given)
    before = kept(settings)
    remembered = None if before is None else getattr(before, setting)
    if port == 0 and remembered is not None:
        port = host_and_port(remembered)[1]
    if port == 0:
        preferred = PREFERRED[setting]
        return host, preferred if is_free(preferred, host) else free_port(host=host)
    if not is_free(port, host):
        what_zh, what_en = ("接口", "API") if setting == "listen" else ("存储", "store")
        name = variable(setting)
        raise PortTaken(
            f"{what_zh}的端口 {port} 已被其他程序占用。手机记着这个端口，所以不另选：请结束占用它的程序；"
            f"确要更换，用 {name} 指定主机:端口，设备须重新登记。",
            f"Port {port} of the {what_en} is taken by another program. Phones remember it, so no other is chosen: end "
            f"that program. To change it for good, name host:port by {name}, and enrol the devices anew.",
        )
    return host, port


def _host_of(settings: Settings, setting: str) -> str:
    """The address to listen on where the setting names none: the API's, else every one of the name's kind."""
    if setting == "store_listen" and settings.listen is not None:
        return host_and_port(settings.listen)[0]
    address = _address(str(name_of(settings)))
    return EVERYWHERE[4 if address is None else address.version]


def _address(name: str) -> Any:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _url(name: str, listen: str) -> str:
    """The origin as a browser writes it: without the port that HTTPS has anyway."""
    host, port = f"[{name}]" if ":" in name else name, host_and_port(listen)[1]
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"


class ShownCertificate:
    """The certificate that the ports of a house show, kept current. `reach`: how phones reach these.

    Raises CertificateError where it cannot be used.
    """

    def __init__(self, settings: Settings, found: Reach) -> None:
        self.reach, self._pair = found, Pair(found.certificate, found.key)
        self._ca: HouseCA | None = None
        self._digest: str | None = None
        if found.ca is not None:
            self._ca = HouseCA(settings.ca_dir, found.name, datetime.now(UTC))
        self.look()

    @property
    def ca(self) -> HouseCA | None:
        return self._ca

    def look(self) -> bool:
        """Make it anew where it ends soon, or a name or address is not in it. Whether there is another one now."""
        now = datetime.now(UTC)
        if self._ca is not None:
            return self._ca.keep_current(self._pair, self._names(), now)
        before, self._digest = self._digest, self._digest_now()
        if before == self._digest:
            return False
        check_given(self._pair, self.reach.name, now)
        return before is not None

    def _names(self) -> list[str]:
        """The name, and every address by which a phone may call."""
        hosts = {host_and_port(each)[0] for each in (self.reach.listen, self.reach.store_listen) if each is not None}
        given = {host for host in hosts if _address(host) is not None and host not in EVERYWHERE.values()}
        return [self.reach.name, *given, *own_addresses()]

    def _digest_now(self) -> str:
        try:
            return hashlib.sha256(self._pair.certificate.read_bytes() + self._pair.key.read_bytes()).hexdigest()
        except OSError as error:
            raise CertificateError(
                f"无法读取证书 {self._pair.certificate} 或其密钥 {self._pair.key}：{error.strerror}。",
                f"The certificate {self._pair.certificate} or its key {self._pair.key} cannot be read: "
                f"{error.strerror}.",
            ) from error
