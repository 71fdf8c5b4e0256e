"""A proof is valid for one request by one key; anything else is refused. No database."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from backend.core.keys import KeyRing
from backend.core.refusals import Refusal
from backend.law.catalogue import law
from backend.people.devices import LETTERS, new_code, read_code, uri_of
from backend.people.proofs import Jwk, Nonces, ProofReader
from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey, encoded

METHOD, PATH, URL, TOKEN = "POST", "/v1/shifts/check-in", "https://fujing.test/v1/shifts/check-in", "a.b.c"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = DeviceKey()


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing(tmp_path_factory.mktemp("keys"), "nonce")


@pytest.fixture
def reader(ring: KeyRing) -> ProofReader:
    return ProofReader(ring)


def refusal_of(reader: ProofReader, proof: str, **other: Any) -> str | None:
    request = {"method": METHOD, "path": PATH, "now": NOW, "token": TOKEN} | other
    try:
        reader.read(proof, **request)
    except Refusal as refusal:
        return refusal.code
    return None


def made(reader: ProofReader, key: DeviceKey = KEY, **claims: Any) -> str:
    fields = {"nonce": reader.nonces.fresh(NOW), "token": TOKEN, "method": METHOD, "url": URL} | claims
    return key.proof(fields.pop("method"), fields.pop("url"), **fields)


def signed(reader: ProofReader, header: dict[str, Any], key: Any = None, algorithm: str = "ES256") -> str:
    """A proof with the header of the test."""
    claims = jwt.decode(made(reader), options={"verify_signature": False})
    headers = {"typ": "dpop+jwt", "jwk": KEY.jwk} | header
    return jwt.encode(claims, None if algorithm == "none" else key or KEY.private, algorithm, headers=headers)


def test_a_proof_holds(reader: ProofReader) -> None:
    """It names the key (RFC 7638) and the body."""
    proof = reader.read(made(reader, body=b"{}", jti="one"), METHOD, PATH, NOW, TOKEN)
    assert (KEY.jkt, "one", False) == (proof.jkt, proof.jti, proof.aging)
    proof.covers(b"{}")
    with pytest.raises(Refusal, match="proof_elsewhere"):
        proof.covers(b"{ }")


def test_the_thumbprint_is_that_of_the_standard() -> None:
    """RFC 7638 applied to the key of RFC 7515 A.3; the expected value comes from another library."""
    members = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}  # fmt: skip
    assert "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U" == Jwk(**members).thumbprint


def test_no_body_and_a_digest_do_not_fit(reader: ProofReader) -> None:
    """A body without a digest is refused."""
    bare = reader.read(made(reader), METHOD, PATH, NOW, TOKEN)
    bare.covers(b"")
    with pytest.raises(Refusal, match="proof_elsewhere"):
        bare.covers(b"{}")
    with pytest.raises(Refusal, match="proof_elsewhere"):
        reader.read(made(reader, body=b"{}"), METHOD, PATH, NOW, TOKEN).covers(b"")


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("proof_elsewhere", {"method": "DELETE"}),
        ("proof_elsewhere", {"htm": "post"}),
        ("proof_elsewhere", {"url": "https://fujing.test/v1/shifts/check-out"}),
        ("proof_elsewhere", {"url": "https://fujing.test/v1/shifts/check-in/"}),
        ("proof_elsewhere", {"url": "https://fujing.test/x/../v1/shifts/check-in"}),
        ("proof_elsewhere", {"htu": ""}),
        ("proof_invalid", {"htu": "http://["}),
        ("proof_invalid", {"htu": None}),
        ("proof_invalid", {"htm": None}),
        ("proof_invalid", {"iat": None}),
        ("proof_invalid", {"iat": "now"}),
        ("proof_invalid", {"jti": None}),
        ("proof_invalid", {"jti": ""}),
        ("proof_invalid", {"jti": "x" * 129}),
        ("proof_invalid", {"jti": 7}),
        ("proof_invalid", {"ath": None}),
        ("proof_invalid", {"token": "another.token.here"}),
        ("proof_invalid", {"padding": "x" * 100_000}),
        ("use_dpop_nonce", {"nonce": None}),
        ("use_dpop_nonce", {"nonce": "made up"}),
        ("use_dpop_nonce", {"nonce": "nonce-1.99999999999999999999999.é"}),
    ],
)
def test_a_proof_for_something_else_is_refused(reader: ProofReader, code: str, other: dict[str, Any]) -> None:
    """A proof with any wrong claim is refused."""
    assert code == refusal_of(reader, made(reader, **other))


@pytest.mark.parametrize("days", [-365, 365])
def test_the_clock_of_the_device_does_not_matter(reader: ProofReader, days: int) -> None:
    """`iat` is not checked, so a wrong clock locks nobody out; only the nonce limits the age."""
    assert refusal_of(reader, made(reader, at=NOW + timedelta(days=days))) is None


def test_the_query_and_the_host_are_not_compared(reader: ProofReader, ring: KeyRing) -> None:
    """Behind a proxy the server does not know its name; where the settings tell it, both are compared."""
    elsewhere = "http://10.0.0.7:8080/v1/shifts/check-in?x=1#y"
    assert refusal_of(reader, made(reader, url=elsewhere)) is None
    known = ProofReader(ring, "https://fujing.test/")
    assert "proof_elsewhere" == refusal_of(known, made(known, url=elsewhere))
    assert refusal_of(known, made(known, url="https://FUJING.test:443/v1/shifts/check-in")) is None


def test_a_path_is_compared_decoded(reader: ProofReader) -> None:
    """The path counts as the same, percent-encoded or not."""
    url = "https://fujing.test/v1/people/%E8%AD%A6-1"
    assert refusal_of(reader, made(reader, url=url), path="/v1/people/警-1") is None


def forged(reader: ProofReader, how: str) -> str:
    head, body, signature = made(reader).split(".")
    curve = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    other = DeviceKey()
    if how == "alg none":
        return signed(reader, {}, algorithm="none")
    if how == "hs256 by the public key":
        return signed(reader, {}, key=KEY.jwk["x"] + KEY.jwk["y"], algorithm="HS256")
    if how == "another type":
        return signed(reader, {"typ": "JWT"})
    if how == "no key":
        return signed(reader, {"jwk": None})
    if how == "a private key":
        number = KEY.private.private_numbers().private_value
        return signed(reader, {"jwk": KEY.jwk | {"d": encoded(number.to_bytes(32))}})
    if how == "another curve":
        x, y = (encoded(number.to_bytes(48)) for number in (curve.x, curve.y))
        return signed(reader, {"jwk": {"kty": "EC", "crv": "P-384", "x": x, "y": y}})
    if how == "no point of the curve":
        return signed(reader, {"jwk": KEY.jwk | {"y": KEY.jwk["x"]}})
    if how == "a secret as key":
        return signed(reader, {"jwk": {"kty": "oct", "k": "c2VjcmV0"}})
    if how == "a critical extension":
        return signed(reader, {"crit": ["exp"]})
    if how == "a huge coordinate":
        return signed(reader, {"jwk": KEY.jwk | {"x": "A" * 2000}})
    return {
        "another key's signature": ".".join([head, body, made(reader, other).split(".")[2]]),
        "another key's header": ".".join([made(reader, other).split(".")[0], body, signature]),
        "no signature": f"{head}.{body}.",
        "a short signature": f"{head}.{body}.{signature[:40]}",
        "two parts": f"{head}.{body}",
        "four parts": f"{head}.{body}.{signature}.x",
        "nothing": "",
        "characters": "é.é.é",
        "padding": f"{head}.{body}.{signature}==",
        "a list": f"{encoded(b'[]')}.{encoded(b'[]')}.{signature}",
        "depth": f"{encoded(b'[' * 2000)}.{body}.{signature}",
    }[how]


FORGED = [
    "alg none", "hs256 by the public key", "another type", "no key", "a private key", "another curve",
    "no point of the curve", "a secret as key", "a critical extension", "a huge coordinate", "another key's signature",
    "another key's header", "no signature", "a short signature", "two parts", "four parts", "nothing", "characters",
    "padding", "a list", "depth",
]  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_what_is_no_proof_is_refused(reader: ProofReader, how: str) -> None:
    """Unsigned, of another algorithm, by another key, or of another shape."""
    assert refusal_of(reader, made(reader)) is None
    assert "proof_invalid" == refusal_of(reader, forged(reader, how))


def test_the_key_is_that_of_the_header_and_no_kid_counts(reader: ProofReader) -> None:
    """The `kid` of the header is ignored; the proof is by the key in `jwk`."""
    proof = reader.read(signed(reader, {"kid": DeviceKey().jkt}), METHOD, PATH, NOW, TOKEN)
    assert KEY.jkt == proof.jkt


def test_a_bomb_is_refused_at_once(reader: ProofReader) -> None:
    """A proof of 150 KB is refused at once."""
    begun = time.perf_counter()
    assert "proof_invalid" == refusal_of(reader, ".".join(["A" * 50_000] * 3))
    assert time.perf_counter() - begun < 0.1


def test_a_nonce_lives_for_minutes(ring: KeyRing) -> None:
    """In its own window and the next; for a server whose clock is ahead, in the one before."""
    nonces = Nonces(ring)
    nonce = nonces.fresh(NOW)
    ages = [nonces.age(nonce, NOW + timedelta(seconds=150 * number)) for number in (-2, -1, 0, 1, 2)]
    assert [None, -1, 0, 1, None] == ages
    kid, window, mac = nonce.split(".")
    for spoilt in (f"{kid}.{int(window) + 1}.{mac}", f"x.{window}.{mac}", f"{kid}.{window}.{mac[:-1]}", "", ".."):
        assert nonces.age(spoilt, NOW) is None


@pytest.mark.parametrize(("ahead", "least", "most"), [(0, 150, 300), (150, 300, 450), (-150, 0, 150)])
def test_how_long_a_nonce_lives_is_as_the_record_says(ring: KeyRing, ahead: int, least: int, most: int) -> None:
    """ADR 15: up to five minutes, and seven and a half where the clock of the server that gave it was ahead."""
    nonces, lives = Nonces(ring), []
    for given in range(0, 150, 10):
        nonce = nonces.fresh(NOW + timedelta(seconds=given + ahead))
        lived = [age for age in range(600) if nonces.age(nonce, NOW + timedelta(seconds=given + age)) is not None]
        lives.append(len(lived))
    assert (least, most) == (min(lives) - min(lives) % 150, max(lives))
    assert most < 3 * law().span("proof_nonce_life").total_seconds(), "no proof is forgotten while it could be used"


def test_another_server_knows_the_nonce_and_a_new_secret_does_not_end_it(ring: KeyRing) -> None:
    """Two servers share only the secrets directory."""
    nonce = Nonces(ring).fresh(NOW)
    ring.rotate()
    other = Nonces(KeyRing(ring.directory.parent, "nonce"))
    assert 0 == other.age(nonce, NOW)
    assert nonce != other.fresh(NOW)


def test_an_aging_nonce_is_reported(reader: ProofReader) -> None:
    """So that the answer brings the next one."""
    proof = made(reader)
    assert [False, True] == [
        reader.read(proof, METHOD, PATH, NOW + timedelta(seconds=later), TOKEN).aging for later in (0, 150)
    ]


@pytest.mark.parametrize(
    "members",
    [
        KEY.jwk | {"crv": "P-384"}, KEY.jwk | {"kty": "RSA"}, KEY.jwk | {"d": "x"}, KEY.jwk | {"y": KEY.jwk["x"]},
        KEY.jwk | {"x": KEY.jwk["x"][:-1]}, KEY.jwk | {"x": KEY.jwk["x"] + "="}, KEY.jwk | {"x": "é" * 43},
        KEY.jwk | {"x": "A" * 43, "y": "A" * 43}, KEY.jwk | {"x": "_" * 42 + "8"},
    ],
)  # fmt: skip
def test_another_kind_of_key_is_unfit(members: dict[str, str]) -> None:
    """Another curve, a private key, a point that is not on the curve, a spelling that is not the one."""
    with pytest.raises(Refusal, match="key_unfit"):
        Jwk(**members).public_key()


def test_a_code_is_read_as_people_type() -> None:
    """Case, dashes, spaces, O and 0, I, L and 1 are alike; 80 random bits, never twice the same."""
    assert "0111ABCDEFGHJKMN" == read_code("oIl1-abcd efgh-jkmn") == read_code("0111abcdefghjkmn")
    codes = {new_code() for _ in range(100)}
    assert 100 == len(codes)
    assert {LETTERS} == {len(read_code(code) or "") for code in codes}
    for none in ("", "0111-ABCD-EFGH", "0111-ABCD-EFGH-JKMNP", "U111-ABCD-EFGH-JKMN", "0111-ABCD-EFGH-JKM\n", "٠" * 16):
        assert read_code(none) is None


def test_the_uri_holds_address_and_code() -> None:
    """What the phone's camera reads."""
    assert "fujing://enrol?url=https%3A%2F%2Ffujing.test&code=0111-ABCD" == uri_of("https://fujing.test", "0111-ABCD")


def test_a_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """A station's key file is made once, 0600, and found again."""
    path = tmp_path / "inner" / "dock-key.pem"
    first, again = DeviceKey.kept_in(path), DeviceKey.kept_in(path)
    assert (first.jkt, 0o600) == (again.jkt, path.stat().st_mode & 0o777)


def test_no_program_of_a_device_gives_a_number_twice(tmp_path: Path) -> None:
    """Numbers are kept with the key: a second script goes on where the first one ended."""
    path = tmp_path / "dock-key.pem"
    phones = [Client("http://127.0.0.1:1", key=DeviceKey.kept_in(path)) for _ in range(2)]
    assert [1, 2, 3] == [phones[number % 2].new_entry()["device_seq"] for number in range(3)]
