"""Names and certificates: whether a device that knows our addresses comes to this house, and with TLS it trusts."""

import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from mobile_api.cli.doctor.place import Place, any_certificate, host_of
from mobile_api.cli.doctor.results import Line, unknown, warning, well, wrong
from mobile_api.cli.doctor.thresholds import THRESHOLDS
from mobile_api.device_address import is_for_phones
from storage.s3_calls import NoAnswer, ask

CONNECT_SECONDS = 3.0
KEYS = "/.well-known/jwks.json"
OTHER_NAME, OVER, NOT_YET = {62, 64}, 10, 9  # X509_V_ERR_…: hostname or address mismatch, expired, not valid yet


def urls(place: Place) -> list[str]:
    """The addresses that devices are told, the API's first; each host and port once."""
    given = [url for url in (place.api_url, place.store_url) if url is not None]
    return list({host_of(url): url for url in given}.values())


def names(place: Place) -> Iterator[Line]:
    """Each name resolves, and the API that answers there has this house's keys."""
    lines = {url: _resolved(url) for url in urls(place)}
    yield from {line.en: line for line in lines.values() if line is not None}.values()
    here_alone = [url for url, line in lines.items() if line is None]
    if here_alone:
        yield warning(
            f"{'、'.join(here_alone)} 只能从本机访问。要让手机访问，请用 `fujing serve --lan`，或在代理后设置 "
            "FUJING_PUBLIC_URL 和 FUJING_S3_PUBLIC_URL。",
            f"Only this machine reaches {', '.join(here_alone)}. For phones: `fujing serve --lan`, or "
            "FUJING_PUBLIC_URL and FUJING_S3_PUBLIC_URL behind a proxy.",
        )
    if place.api_url is None:
        yield unknown(
            "没有运行接口，也未设置 FUJING_PUBLIC_URL，不知道设备应访问哪个地址。",
            "No API runs and FUJING_PUBLIC_URL is not set, so nobody knows which address devices call.",
        )
        return
    yield _leads_here(place, place.api_url)


def _resolved(url: str) -> Line | None:
    """What its name leads to; None where that is this machine alone."""
    host, port = host_of(url)
    try:
        found = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (socket.gaierror, UnicodeError) as error:
        return wrong(
            f"名称 {host} 无法解析（{error}）。请在局域网的 DNS 或路由器中登记该名称，指向本机地址。",
            f"The name {host} does not resolve ({error}). Enter it in the network's DNS or router, with the address of "
            "this machine.",
        )
    if all(ipaddress.ip_address(each.partition("%")[0]).is_loopback for each in found):
        return None
    if not is_for_phones(url, [None]):
        return wrong(
            f"手机无法访问 {url}：请用 `fujing serve --lan 名称` 启动，或用 FUJING_PUBLIC_URL 指明手机所用的地址。",
            f"A phone cannot reach {url}: start with `fujing serve --lan NAME`, or name the address that phones call "
            "by FUJING_PUBLIC_URL.",
        )
    return well(f"{host} 解析为 {'、'.join(found)}。", f"{host} resolves to {', '.join(found)}.")


def _leads_here(place: Place, url: str) -> Line:
    """Whether the keys that are published there are ours."""
    ours = own_keys(place.settings.secrets_dir)
    try:
        told = {str(key["kid"]) for key in json.loads(ask(any_certificate(), "GET", url + KEYS).body)["keys"]}
    except NoAnswer as error:
        return wrong(
            f"{url} 没有应答（{error}）。接口在运行吗？名称是否指向本机，防火墙是否放行该端口？",
            f"{url} does not answer ({error}). Does the API run, does the name lead to this machine, does a firewall "
            "let the port through?",
        )
    except (ValueError, KeyError, TypeError):
        return wrong(
            f"{url} 的应答不是 Fujing：该名称指向别的服务。",
            f"What answers at {url} is no Fujing: the name leads elsewhere.",
        )
    if told & ours:
        return well(f"{url} 通到本系统。", f"{url} leads to this house.")
    return wrong(
        f"{url} 应答的是另一套 Fujing：密钥与 {place.settings.data_dir} 中的不同。请改正名称或代理的指向。",
        f"Another Fujing answers at {url}: its keys are not those in {place.settings.data_dir}. Correct where the name "
        "or the proxy leads.",
    )


def own_keys(secrets_dir: Path) -> set[str]:
    """The names of the keys of this house that are published. Reads file names alone, and makes none."""
    return {path.name for kind in ("session", "evidence") for path in secrets_dir.glob(f"{kind}/{kind}-*")}


def certificates(place: Place) -> Iterator[Line]:
    """Each address has a certificate that devices trust, for its name, and for long enough."""
    if not urls(place):
        yield unknown("不知道设备访问的地址，无法查看证书。", "Nobody knows which addresses devices call.")
    for url in urls(place):
        yield _plain(url) if urlsplit(url).scheme == "http" else _certificate(url, place.ca)


def _plain(url: str) -> Line:
    host = host_of(url)[0]
    if _is_loopback(host):
        return well(f"{url}：仅限本机，无需证书。", f"{url}: for this machine alone, which needs no certificate.")
    return warning(
        f"{url} 没有 TLS：口令和录像明文传输，浏览器也不提供摄像头、密钥和离线功能。"
        "请用 `fujing serve --lan` 或代理启用 TLS。",
        f"{url} has no TLS: passwords and footage travel in the clear, and browsers give no camera, keys or "
        "offline use. `fujing serve --lan`, or a proxy, gives it.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificate(url: str, ca: Path | None) -> Line:
    host, port = host_of(url)
    try:
        shown = _shown(host, port)
    except (OSError, ValueError) as error:
        return wrong(
            f"{host}:{port} 没有以 TLS 应答（{error}）。服务在运行吗？该端口是否为 TLS？",
            f"{host}:{port} does not answer in TLS ({error}). Does it run, and is this the port with TLS?",
        )
    days = (shown.not_valid_after_utc - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)
    fault = _fault(host, port, ca)
    return _unfit(host, shown, fault) if fault is not None else _lasting(host, days)


def _lasting(host: str, days: float) -> Line:
    mark = THRESHOLDS["certificate_days"].judge(days)
    return Line(
        mark=mark,
        zh=f"{host} 的证书受信任，还有 {days:.0f} 天到期" + ("。" if mark == "well" else "，请尽快更换。"),
        en=f"The certificate of {host} is trusted, for another {days:.0f} days"
        + ("." if mark == "well" else ": have it renewed now."),
    )


def _shown(host: str, port: int) -> x509.Certificate:
    """The certificate that is shown there, whatever it is. Raises OSError, ValueError."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _connected(host, port, context) as session:
        return x509.load_der_x509_certificate(session.getpeercert(True) or b"")


def _fault(host: str, port: int, ca: Path | None) -> int | str | None:
    """Why a device would not trust it: OpenSSL's number or words; None where it would."""
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    try:
        _connected(host, port, context).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_code or str(error.verify_message)
    except OSError as error:
        return str(error)
    return None


def _connected(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _unfit(host: str, shown: x509.Certificate, fault: int | str) -> Line:
    if fault in OTHER_NAME:
        named = "、".join(_named_in(shown)) or "—"
        return wrong(
            f"证书不是 {host} 的，而是 {named} 的。请为 {host} 签发证书（`fujing serve --lan {host}` 会重新签发）。",
            f"The certificate is not for {host} but for {named}. Have one issued for {host} "
            f"(`fujing serve --lan {host}` makes one).",
        )
    if fault in (OVER, NOT_YET):
        ends = shown.not_valid_after_utc.date()
        return wrong(
            f"{host} 的证书不在有效期内（至 {ends}）。请更换证书，并核对本机时钟。",
            f"The certificate of {host} is not valid now (until {ends}). Renew it, and look at this machine's clock.",
        )
    return wrong(
        f"{host} 的证书不受信任（签发者：{_issuer(shown)}）。请换用受信任的证书，或用 SSL_CERT_FILE 指定其 CA 文件。",
        f"The certificate of {host} is not trusted (issued by {_issuer(shown)}). Take one that devices trust, or name "
        "the file of its CA by SSL_CERT_FILE.",
    )


def _named_in(shown: x509.Certificate) -> list[str]:
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _issuer(shown: x509.Certificate) -> str:
    return shown.issuer.rfc4514_string() or "—"
