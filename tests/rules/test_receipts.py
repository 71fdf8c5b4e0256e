"""The check before a device deletes a file: its receipt, signed by an evidence key that the server publishes."""

from pathlib import Path

import jwt
import pytest

from backend.core.keys import KeyRing
from mobile_api.client.api import RECEIPT_TYPE, NotVerified, read_receipt

CLAIMS = {"iss": "fujing", "id": "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001", "sha256": "0" * 64, "bytes": 7}


@pytest.fixture
def evidence(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "ours", "evidence")


def test_a_receipt_by_a_published_key_is_believed(evidence: KeyRing) -> None:
    """Old receipts verify after a rotation too."""
    receipt = evidence.sign(CLAIMS, RECEIPT_TYPE)
    evidence.rotate()
    assert CLAIMS == read_receipt(receipt, evidence.public())


def test_a_receipt_by_another_key_is_not_believed(evidence: KeyRing, tmp_path: Path) -> None:
    """A foreign key is refused even where it claims the published key's id."""
    forger = KeyRing(tmp_path / "theirs", "evidence")
    kid = evidence.public()[0]["kid"]
    forged = jwt.encode(CLAIMS, forger.newest()[1], algorithm="EdDSA", headers={"kid": kid, "typ": RECEIPT_TYPE})
    for receipt in (forger.sign(CLAIMS, RECEIPT_TYPE), forged):
        with pytest.raises(NotVerified):
            read_receipt(receipt, evidence.public())


def test_a_session_key_signs_no_receipts(tmp_path: Path) -> None:
    """A session key cannot sign receipts, and a token is no receipt."""
    sessions, evidence = KeyRing(tmp_path, "session"), KeyRing(tmp_path, "evidence")
    published = [*evidence.public(), *sessions.public()]
    for receipt in (sessions.sign(CLAIMS, RECEIPT_TYPE), evidence.sign(CLAIMS, "at+jwt")):
        with pytest.raises(NotVerified):
            read_receipt(receipt, published)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_receipt_altered_anywhere_is_not_believed(evidence: KeyRing, at: int) -> None:
    """Header, claims or signature."""
    parts = evidence.sign(CLAIMS, RECEIPT_TYPE).split(".")
    middle = len(parts[at]) // 2
    parts[at] = parts[at][:middle] + ("A" if parts[at][middle] != "A" else "B") + parts[at][middle + 1 :]
    with pytest.raises(NotVerified):
        read_receipt(".".join(parts), evidence.public())


@pytest.mark.parametrize("receipt", ["", "a.b.c", "no receipt", "…"])
def test_what_is_no_receipt_is_not_believed(evidence: KeyRing, receipt: str) -> None:
    """Anything else raises NotVerified, and no other error."""
    with pytest.raises(NotVerified):
        read_receipt(receipt, evidence.public())


def test_unsigned_is_not_believed(evidence: KeyRing) -> None:
    """alg none."""
    kid = evidence.public()[0]["kid"]
    unsigned = jwt.encode(CLAIMS, None, algorithm="none", headers={"kid": kid, "typ": RECEIPT_TYPE})
    with pytest.raises(NotVerified):
        read_receipt(unsigned, evidence.public())
