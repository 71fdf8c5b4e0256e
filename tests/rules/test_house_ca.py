"""The certificate authority of a house: made once, and what it signs is renewed by itself."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from backend.core.settings import Settings
from mobile_api.cli import lan
from mobile_api.cli.lan import ShownCertificate
from storage.house_ca import PERIODS, CertificateError, HouseCA, Pair, check_given, ends_at, fingerprint, names_of

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ["fujing.lan", "10.20.0.5", "fd00::5"]
LEAF, BEFORE = (timedelta(days=days) for days in (PERIODS.certificate.life_days, PERIODS.renewal.before_days))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Where the certificate goes."""
    return Pair(tmp_path / "tls" / "house.crt", tmp_path / "tls" / "house.key")


@pytest.fixture
def ca(tmp_path: Path) -> HouseCA:
    return HouseCA(tmp_path / "ca", "fujing.lan", NOW)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_is_made_once_and_its_key_is_its_owners_alone(ca: HouseCA, tmp_path: Path) -> None:
    """Phones are given it by hand: it must be the same one at every start."""
    first = fingerprint(ca.files.certificate)
    assert first == fingerprint(HouseCA(tmp_path / "ca", "another.lan", NOW + timedelta(days=300)).files.certificate)
    assert 0o600 == stat.S_IMODE(ca.files.key.stat().st_mode)
    assert 32 * 3 - 1 == len(first)


def test_it_signs_servers_and_no_other_authority(ca: HouseCA, pair: Pair) -> None:
    """What every phone trusts must be able to do as little as it can."""
    ca.keep_current(pair, NAMES, NOW)
    root, leaf = read(ca.files.certificate), read(pair.certificate)
    limits = [each.extensions.get_extension_for_class(x509.BasicConstraints).value for each in (root, leaf)]
    assert [(True, 0), (False, None)] == [(each.ca, each.path_length) for each in limits]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [x509.ExtendedKeyUsageOID.SERVER_AUTH] == list(usage)
    assert set(NAMES) == names_of(leaf)
    assert 0o600 == stat.S_IMODE(pair.key.stat().st_mode)


def test_a_certificate_lives_no_longer_than_phones_allow(ca: HouseCA, pair: Pair) -> None:
    """Apple: 825 days at most; some browsers 398, counted from the day it is valid from."""
    ca.keep_current(pair, NAMES, NOW)
    leaf = read(pair.certificate)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=400)
    assert leaf.not_valid_before_utc < NOW - timedelta(days=1), "a phone's clock may be slow"


def test_it_is_made_anew_before_it_ends_and_not_sooner(ca: HouseCA, pair: Pair) -> None:
    assert ca.keep_current(pair, NAMES, NOW)
    assert not ca.keep_current(pair, NAMES, NOW + LEAF - BEFORE - timedelta(hours=1))
    assert ca.keep_current(pair, NAMES, NOW + LEAF - BEFORE + timedelta(hours=1))
    assert ends_at(pair.certificate) > NOW + LEAF


@pytest.mark.parametrize("names", [["another.lan", *NAMES[1:]], [NAMES[0], "10.20.0.6"], [*NAMES, "192.168.7.7"]])
def test_another_name_or_address_has_it_made_anew(ca: HouseCA, pair: Pair, names: list[str]) -> None:
    """DHCP gave another address, the machine was renamed: the phones keep the CA."""
    ca.keep_current(pair, NAMES, NOW)
    before = fingerprint(ca.files.certificate)
    assert ca.keep_current(pair, names, NOW)
    assert (set(names), before) == (names_of(read(pair.certificate)), fingerprint(ca.files.certificate))


def test_an_address_that_is_gone_is_no_reason(ca: HouseCA, pair: Pair) -> None:
    """A cable pulled for a minute must not end the connections of all phones."""
    ca.keep_current(pair, NAMES, NOW)
    assert not ca.keep_current(pair, NAMES[:1], NOW)


def spoilt(what: str, pair: Pair, folder: Path) -> None:
    if what == "the key is gone":
        pair.key.unlink()
    elif what == "the certificate is cut":
        pair.certificate.write_bytes(pair.certificate.read_bytes()[:200])
    elif what == "the key is another":
        other = Pair(folder / "other.crt", folder / "other.key")
        HouseCA(folder / "ca", "fujing.lan", NOW).keep_current(other, NAMES, NOW)
        pair.key.write_bytes(other.key.read_bytes())
    elif what == "another authority made it":
        HouseCA(folder / "another", "fujing.lan", NOW).keep_current(pair, NAMES, NOW)


@pytest.mark.parametrize(
    "what", ["the key is gone", "the certificate is cut", "the key is another", "another authority made it"]
)
def test_what_is_damaged_is_made_anew(ca: HouseCA, pair: Pair, tmp_path: Path, what: str) -> None:
    """Killed between two files, or restored beside an old one: the next look mends it."""
    ca.keep_current(pair, NAMES, NOW)
    spoilt(what, pair, tmp_path)
    assert ca.keep_current(pair, NAMES, NOW)
    assert not ca.keep_current(pair, NAMES, NOW)


def test_nothing_outlives_the_authority_and_nothing_is_made_in_vain(ca: HouseCA, pair: Pair) -> None:
    """In its last month a certificate ends with it, and is not made again at every look."""
    late = ends_at(ca.files.certificate) - timedelta(days=3)
    assert ca.keep_current(pair, NAMES, late)
    assert ends_at(ca.files.certificate) == ends_at(pair.certificate)
    assert not ca.keep_current(pair, NAMES, late + timedelta(days=1))


@pytest.mark.parametrize("days", [-3, PERIODS.authority.life_days + 1])
def test_a_clock_that_is_wrong_or_an_authority_that_is_over_is_a_sentence(
    ca: HouseCA, tmp_path: Path, days: int
) -> None:
    """It says what to look at, and makes no second authority behind the phones' back."""
    with pytest.raises(CertificateError, match="set the clock"):
        HouseCA(tmp_path / "ca", "fujing.lan", NOW + timedelta(days=days))


def test_an_authority_without_its_key_is_a_sentence(ca: HouseCA, tmp_path: Path) -> None:
    """It is not replaced in silence: every phone would have to be given another one."""
    ca.files.key.unlink()
    with pytest.raises(CertificateError, match=r"ca\.key"):
        HouseCA(tmp_path / "ca", "fujing.lan", NOW)


# -- a given certificate


@pytest.mark.parametrize(
    ("name", "now", "spoil", "said"),
    [
        ("fujing.lan", NOW, None, None),
        (None, NOW, None, None),
        ("another.lan", NOW, None, "not for another.lan, but for: 10.20.0.5, fd00::5, fujing.lan"),
        ("fujing.lan", NOW + LEAF + timedelta(days=1), None, "renew it"),
        ("fujing.lan", NOW, lambda pair: pair.certificate.write_text("no certificate"), "no certificate in PEM"),
        ("fujing.lan", NOW, lambda pair: pair.key.write_text("no key"), "cannot be used"),
    ],
)
def test_a_given_certificate_is_looked_at_before_phones_do(
    ca: HouseCA, pair: Pair, name: str | None, now: datetime, spoil: Callable[[Pair], object] | None, said: str | None
) -> None:
    """Wrong name, over, damaged: the person who starts the house hears of it, not each phone."""
    ca.keep_current(pair, NAMES, NOW)
    if spoil is not None:
        spoil(pair)
    if said is None:
        return check_given(pair, name, now)
    with pytest.raises(CertificateError, match=said):
        check_given(pair, name, now)
    return None


def test_a_star_stands_for_one_label(tmp_path: Path, pair: Pair) -> None:
    HouseCA(tmp_path / "ca", "x", NOW).keep_current(pair, ["*.county.lan"], NOW)
    check_given(pair, "fujing.county.lan", NOW)
    for name in ("county.lan", "a.fujing.county.lan"):
        with pytest.raises(CertificateError):
            check_given(pair, name, NOW)


# -- what a running house looks at


def a_house(home: Path, **more: object) -> Settings:
    return Settings(data_dir=home, lan="fujing.lan", listen="10.20.0.5:8443", **more)  # type: ignore[arg-type]


def test_a_running_house_sees_that_its_address_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name, the address that it listens on and those of the machine are in it, after each look."""
    monkeypatch.setattr(lan, "own_addresses", lambda: ["10.20.0.5", "10.30.0.1"])
    found = lan.reach(a_house(tmp_path))
    assert found is not None
    shown = ShownCertificate(a_house(tmp_path), found)
    assert {"fujing.lan", "10.20.0.5", "10.30.0.1"} == names_of(read(found.certificate))
    assert not shown.look()
    monkeypatch.setattr(lan, "own_addresses", lambda: ["10.20.0.5", "10.30.0.2"])
    assert shown.look()
    assert not shown.look()
    assert {"fujing.lan", "10.20.0.5", "10.30.0.2"} == names_of(read(found.certificate))


def test_a_running_house_takes_a_given_certificate_that_was_renewed(tmp_path: Path, pair: Pair) -> None:
    """Whatever renews it writes two files; between them they do not fit, and the house goes on with what it has."""
    issuer = HouseCA(tmp_path / "county", "county", NOW)
    issuer.keep_current(pair, ["fujing.lan"], NOW)
    settings = a_house(tmp_path, tls_cert=pair.certificate, tls_key=pair.key)
    found = lan.reach(settings)
    assert found is not None
    shown = ShownCertificate(settings, found)
    assert (None, None, False) == (found.ca, shown.ca, shown.look())
    assert not settings.ca_dir.exists()
    next_one = Pair(tmp_path / "next.crt", tmp_path / "next.key")
    issuer.keep_current(next_one, ["fujing.lan"], NOW)
    pair.certificate.write_bytes(next_one.certificate.read_bytes())
    with pytest.raises(CertificateError):
        shown.look()
    pair.key.write_bytes(next_one.key.read_bytes())
    assert shown.look()
    assert not shown.look()


def test_an_elliptic_key_is_small_enough_for_old_phones(ca: HouseCA, pair: Pair) -> None:
    """P-256: known to every phone since Android 4.4 and iOS 9."""
    ca.keep_current(pair, NAMES, NOW)
    assert isinstance(read(pair.certificate).public_key(), ec.EllipticCurvePublicKey)


# -- the name and the ports


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"lan": "Fujing.LAN"}, "fujing.lan"), ({"lan": "FD00:0::5"}, "fd00::5"), ({}, None),
        ({"listen": "127.0.0.1:8080"}, None), ({"listen": "localhost:8080"}, None),
        ({"listen": "10.0.0.5:8080"}, "10.0.0.5"), ({"listen": "[fd00:0::5]:8080"}, "fd00::5"),
        ({"listen": "0.0.0.0:8080"}, "10.20.0.5"), ({"listen": "[::]:8080"}, "10.20.0.5"),
        ({"listen": "0.0.0.0:8080", "trust_proxy": True}, None),
        ({"listen": "0.0.0.0:8080", "public_url": "https://fujing.example"}, None),
        ({"listen": "0.0.0.0:8080", "s3_endpoint": "store:9000"}, None),
    ],
)  # fmt: skip
def test_the_name_that_phones_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], name: str | None
) -> None:
    """As a browser writes it, for signatures cover it; none behind a proxy, or for this machine alone."""
    monkeypatch.setattr(lan, "own_address", lambda: "10.20.0.5")
    assert name == lan.name_of(Settings(data_dir=tmp_path, **given))  # type: ignore[arg-type]


def test_without_a_name_the_one_of_before_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name stays; an address stays as long as it leads here."""
    monkeypatch.setattr(lan, "own_address", lambda: "10.20.0.5")
    monkeypatch.setattr(lan, "own_addresses", lambda: ["10.20.0.5", "10.20.0.6"])
    settings = Settings(data_dir=tmp_path)
    assert "10.20.0.5" == lan.name_without_one(settings)
    for before, now in (("fujing.lan", "fujing.lan"), ("10.20.0.6", "10.20.0.6"), ("10.20.0.9", "10.20.0.5")):
        lan.keep(settings, lan.Kept(name=before, listen="0.0.0.0:8443"))
        assert now == lan.name_without_one(settings)


def test_what_was_closed_keeps_its_ports_and_is_told_no_more(tmp_path: Path) -> None:
    """`serve` without --lan closes it; with --lan again, phones call the same ports."""
    settings = Settings(data_dir=tmp_path)
    lan.keep(settings, lan.Kept(name="fujing.lan", listen="127.0.0.2:21443", store_listen="127.0.0.2:21444"))
    found = lan.reach(settings)
    assert found is not None
    assert ("https://fujing.lan:21443", "https://fujing.lan:21444") == (found.api_url, found.store_url)
    assert "http://fujing.lan:21444/ca.crt" == found.ca_url
    lan.keep_closed(settings)
    assert None is lan.reach(settings)
    opened = Settings(data_dir=tmp_path, lan="fujing.lan", listen="127.0.0.2:0")
    assert [("127.0.0.2", 21443), ("127.0.0.2", 21444)] == [
        lan.chosen(opened, setting) for setting in ("listen", "store_listen")
    ]
