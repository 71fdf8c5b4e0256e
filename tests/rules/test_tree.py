"""Merkle trees of RFC 6962: known roots, and the path of every leaf to the root."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.proof.tree import inclusion_path, leaf_hash, root, root_from_path

# From the tests of certificate-transparency (google/certificate-transparency, merkletree).
DATA = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(data: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as it is written there."""
    if not data:
        return hashlib.sha256().digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    half = 1 << (len(data) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_definition(data[:half]) + by_definition(data[half:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert ROOTS[size - 1] == root([leaf_hash(each) for each in DATA[:size]]).hex()


def test_the_root_without_leaves() -> None:
    assert hashlib.sha256().digest() == root([])


@given(st.lists(st.binary(max_size=3), max_size=70))
def test_roots_are_as_defined(data: list[bytes]) -> None:
    assert by_definition(data) == root([leaf_hash(each) for each in data])


@given(st.integers(1, 70), st.data())
def test_every_leaf_leads_to_the_root_and_no_other_does(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, index)
    assert root(leaves) == root_from_path(leaves[index], index, size, path)
    assert root(leaves) != root_from_path(leaf_hash(b"another"), index, size, path)
    assert root_from_path(leaves[index], index, size, [*path, leaf_hash(b"more")]) is None
    assert size == 1 or root_from_path(leaves[index], index, size, path[1:]) is None
    assert root_from_path(leaves[index], size, size, path) is None


def test_a_leaf_that_is_not_there_has_no_path() -> None:
    with pytest.raises(IndexError):
        inclusion_path([leaf_hash(b"")], 1)
