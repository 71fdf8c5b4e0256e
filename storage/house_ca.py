"""The certificate authority of one house, and the certificate that its two ports show.

Guarantees: the authority is made once, and its key is for its owner alone (0600); it signs certificates of servers and
no other authority. A certificate is made anew before it ends, and where a name or an address is not in it; the
authority stays, so phones that have it need nothing. Every period is data (house_ca.toml).
"""

import ipaddress
import ssl
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.language import SentenceError
from storage.private_files import make_private, write_private

CERTIFICATE, KEY = "ca.crt", "ca.key"  # of the authority, in its folder
_Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class CertificateError(SentenceError):
    """A certificate cannot be used; the text says which and what to do."""

    exit_code = 2


class _Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    life_days: _Days
    warn_before_days: _Days
    source: str


class _Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    life_days: _Days
    source: str


class _Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    before_days: _Days
    backdated_days: _Days
    look_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    source: str


class Periods(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long each lives, when it is renewed, and how often that is looked at. `source` says why."""

    authority: _Authority
    certificate: _Certificate
    renewal: _Renewal


PERIODS = msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), Periods)


@dataclass(frozen=True)
class Pair:
    """The files of a certificate (PEM, perhaps with what leads to its authority) and of its key."""

    certificate: Path
    key: Path


class HouseCA:
    """The authority in `folder`. `name` stands in its certificate where it has to be made: what phones show of it.

    Raises CertificateError where its files cannot be used or its time is over.
    """

    def __init__(self, folder: Path, name: str, now: datetime) -> None:
        self.files = Pair(folder / CERTIFICATE, folder / KEY)
        if not self.files.certificate.exists():
            self._make(name, now)
        self._certificate, self._key = _loaded(self.files)
        if not self._certificate.not_valid_before_utc <= now < self._certificate.not_valid_after_utc:
            self._fail_for_its_time(now)

    @property
    def ends_soon(self) -> bool:
        """Whether it is time to bring the next authority onto the phones."""
        return self._certificate.not_valid_after_utc - datetime.now(UTC) < _days(PERIODS.authority.warn_before_days)

    def keep_current(self, pair: Pair, names: Iterable[str], now: datetime) -> bool:
        """See that `pair` is signed by this authority, is for these names and addresses, and does not end soon.

        The first of them stands in it as its name. Whether it was made anew.
        """
        wanted = list(dict.fromkeys(names))
        if self._is_current(pair, wanted, now):
            return False
        self._issue(pair, wanted, now)
        return True

    def _make(self, name: str, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(f"Fujing CA {now:%Y-%m} {name}"[:64])  # the next authority has another name
        builder = _begun(subject, subject, key, now, now + _days(PERIODS.authority.life_days))
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(own, critical=False)
            .sign(key, hashes.SHA256())
        )
        make_private(self.files.key.parent)
        _write(self.files, certificate, key)

    def _is_current(self, pair: Pair, names: list[str], now: datetime) -> bool:
        try:
            certificate, _ = _loaded(pair)
            certificate.verify_directly_issued_by(self._certificate)
        except (CertificateError, InvalidSignature, ValueError, TypeError):  # missing, damaged, or of another CA
            return False
        ends = certificate.not_valid_after_utc
        lasts = ends >= self._certificate.not_valid_after_utc or ends - now > _days(PERIODS.renewal.before_days)
        return lasts and certificate.not_valid_before_utc <= now < ends and set(names) <= names_of(certificate)

    def _issue(self, pair: Pair, names: list[str], now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        ends = min(now + _days(PERIODS.certificate.life_days), self._certificate.not_valid_after_utc)
        builder = _begun(_named(names[0][:64]), self._certificate.subject, key, now, ends)
        own = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        make_private(pair.certificate.parent)
        _write(pair, certificate, key)

    def _fail_for_its_time(self, now: datetime) -> None:
        begins, ends = self._certificate.not_valid_before_utc, self._certificate.not_valid_after_utc
        folder = self.files.certificate.parent
        raise CertificateError(
            f"本站 CA 的有效期为 {begins:%Y-%m-%d} 至 {ends:%Y-%m-%d}，而本机时钟为 {now:%Y-%m-%d}：请校准时钟；"
            f"若 CA 确已到期，移走 {folder}，`fujing serve --lan` 会新建，再装到每部手机上。",
            f"The CA of this house is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, and the clock here says "
            f"{now:%Y-%m-%d}: set the clock. If the CA is over, move {folder} away: `fujing serve --lan` makes a new "
            "one, which every phone needs.",
        )


def check_given(pair: Pair, name: str | None, now: datetime) -> None:
    """Check that a given certificate fits its key, is in its time and, where `name` is told, is for that name.

    Raises CertificateError.
    """
    certificate, _ = _loaded(pair)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now < ends:
        raise CertificateError(
            f"证书 {pair.certificate} 的有效期为 {begins:%Y-%m-%d} 至 {ends:%Y-%m-%d}，现在是 "
            f"{now:%Y-%m-%d}：请更换证书或校准时钟。",
            f"The certificate {pair.certificate} is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, and it is "
            f"{now:%Y-%m-%d} here: renew it, or set the clock.",
        )
    if name is not None and not is_for(certificate, name):
        shown = ", ".join(sorted(names_of(certificate))) or "-"
        raise CertificateError(
            f"证书 {pair.certificate} 不含名称 {name}，只含：{shown}。请更换证书，或用 FUJING_LAN 写明其中的名称。",
            f"The certificate {pair.certificate} is not for {name}, but for: {shown}. Give another one, or set "
            "FUJING_LAN to a name in it.",
        )


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a client that calls this name takes the certificate; `*.` stands for one label."""
    _, _, domain = name.partition(".")
    return bool({name, f"*.{domain}"} & names_of(certificate))


def names_of(certificate: x509.Certificate) -> set[str]:
    """The names and addresses that the certificate is for, in lower case."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    of_hosts = names.get_values_for_type(x509.DNSName)
    return {each.lower() for each in of_hosts} | {str(each) for each in names.get_values_for_type(x509.IPAddress)}


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the certificate, as phones and browsers show it: pairs of hex digits with colons."""
    return _read(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def ends_at(certificate: Path) -> datetime:
    """When the certificate ends."""
    return _read(certificate).not_valid_after_utc


def der(certificate: Path) -> bytes:
    """The certificate as phones take it: DER, without what else is in the file."""
    return _read(certificate).public_bytes(serialization.Encoding.DER)


def _read(path: Path) -> x509.Certificate:
    """The first certificate of a file. Raises CertificateError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(
            f"无法读取证书 {path}：应为 PEM 格式的证书文件。", f"{path} is no certificate in PEM that can be read."
        ) from error


def _loaded(pair: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and its key, as a server would load them. Raises CertificateError."""
    certificate = _read(pair.certificate)
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)  # before OpenSSL asks for a password
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"密钥 {pair.key} 无法使用：须为 PEM 格式、无口令，且与证书 {pair.certificate} 配对。",
            f"The key {pair.key} cannot be used: it must be PEM, without a password, and belong to {pair.certificate}.",
        ) from error
    return certificate, key  # type: ignore[return-value]


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _days(PERIODS.renewal.backdated_days))
        .not_valid_after(ends)
    )


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write both, the certificate last: where it is there, its key is."""
    pair.certificate.unlink(missing_ok=True)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_private(pair.key, key.private_bytes(serialization.Encoding.PEM, *plain), replace=True)
    write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), replace=True)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _days(count: int) -> timedelta:
    return timedelta(days=count)
