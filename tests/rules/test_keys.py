"""Keys: the newest signs, all verify, and only their owner reads the files."""

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from backend.core.keys import ALGORITHM, KeyRing, Keys, secret
from storage.private_files import write_private


def verified(ring: KeyRing, token: str) -> dict[str, object]:
    key = ring.get(jwt.get_unverified_header(token)["kid"])
    return jwt.decode(token, key.public_key(), algorithms=[ALGORITHM])


def test_the_first_start_makes_a_key_of_each_purpose(tmp_path: Path) -> None:
    """Secrets are generated, and are never defaults in code."""
    keys = Keys(tmp_path / "secrets")
    made = sorted(each.name for each in (tmp_path / "secrets").iterdir())
    assert ["evidence", "factor", "nonce", "refresh", "session"] == made
    assert keys.session.newest()[0].startswith("session-")


def test_nobody_else_reads_them(tmp_path: Path) -> None:
    """Directories 0700, files 0600, whatever the umask."""
    Keys(tmp_path / "secrets")
    secret(tmp_path / "secrets" / "postgres-app")
    paths = [tmp_path / "secrets", *(tmp_path / "secrets").rglob("*")]
    assert {0o700} == {path.stat().st_mode & 0o777 for path in paths if path.is_dir()}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in paths if path.is_file()}


def test_a_directory_of_somebody_else_keeps_its_mode(tmp_path: Path) -> None:
    """A phone's key in /tmp shuts nobody out of /tmp; a directory that is made for it is its owner's alone."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    theirs.chmod(0o755)
    for folder in (theirs, ours):
        write_private(folder / "key.pem", b"x")
    assert (0o755, 0o700) == tuple(folder.stat().st_mode & 0o777 for folder in (theirs, ours))
    assert {0o600} == {folder.joinpath("key.pem").stat().st_mode & 0o777 for folder in (theirs, ours)}


def test_another_process_finds_the_same_keys(tmp_path: Path) -> None:
    """Keys survive a restart, so nobody is signed out."""
    assert Keys(tmp_path).session.newest()[0] == Keys(tmp_path).session.newest()[0]


def test_a_new_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    """After a rotation nobody is signed out, and old receipts still verify."""
    ring = KeyRing(tmp_path, "evidence")
    before = ring.sign({"id": 1}, "receipt")
    kid = ring.rotate()
    after = ring.sign({"id": 2}, "receipt")
    assert kid == jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    assert ({"id": 1}, {"id": 2}) == (verified(ring, before), verified(ring, after))
    assert [kid, jwt.get_unverified_header(before)["kid"]] == [key["kid"] for key in ring.public()]


def test_a_key_made_by_another_process_is_found(tmp_path: Path) -> None:
    """A running server picks up keys that `fujing rotate-keys` made."""
    server, command = KeyRing(tmp_path, "session"), KeyRing(tmp_path, "session")
    kid = command.rotate()
    assert kid in [key["kid"] for key in server.public()]
    assert kid == server.newest()[0]


def test_what_is_published_is_public(tmp_path: Path) -> None:
    """A JWK of ours has x and no d."""
    for key in KeyRing(tmp_path, "session").public():
        assert {"kty", "crv", "use", "alg", "kid", "x"} == set(key)
        assert jwt.PyJWK(key).key is not None


@pytest.mark.parametrize("kid", ["", "..", "../evidence", "session-unknown", "a" * 5000])
def test_a_kid_that_is_none_of_ours_finds_nothing(tmp_path: Path, kid: str) -> None:
    """A kid comes from outside, so it is never used as a path."""
    assert KeyRing(tmp_path, "session").get(kid) is None


def test_of_two_that_write_one_secret_the_first_stands(tmp_path: Path) -> None:
    """Two processes that start at once agree on the secret."""
    write_private(tmp_path / "one", b"first")
    write_private(tmp_path / "one", b"second")
    assert b"first" == (tmp_path / "one").read_bytes()
    assert ["one"] == [path.name for path in tmp_path.iterdir()]


def test_four_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Workers of one server start together on an empty directory: each must verify what any of them signs."""
    script = (
        "import json, sys; from pathlib import Path; from backend.core.keys import Keys, secret\n"
        "keys = Keys(Path(sys.argv[1])); shared = secret(Path(sys.argv[1]) / 'shared')\n"
        "print(json.dumps([keys.session.sign({}, 'x'), shared]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(4)
    ]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    ring = Keys(tmp_path).session
    assert [{}] * 4 == [verified(ring, token) for token, _ in answers]
    assert 1 == len({shared for _, shared in answers})
