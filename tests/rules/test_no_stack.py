"""Whatever goes wrong, a person at a terminal reads a sentence: no library's stack."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from backend.core.database_errors import DatabaseUnusable
from mobile_api.cli.main import fujing
from mobile_api.cli.terminal import FAULT

KEY = "-----BEGIN PRIVATE KEY-----\nnot one\n-----END PRIVATE KEY-----\n"


def said(*words: str, **environment: str) -> Result:
    """The command, run to its end."""
    result = CliRunner().invoke(fujing, words, env={"FUJING_DOCK_PASSWORD": "x", "LC_ALL": "C.UTF-8"} | environment)
    assert "Traceback" not in result.output + result.stderr
    return result


def ingests(folder: Path, key: Path, *more: str, **environment: str) -> Result:
    to = ["--camera", "C", "--dock", "D", "--url", "http://127.0.0.1:1", "--key", str(key)]
    return said("ingest", str(folder), *to, *more, **environment)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe\x00", KEY.encode()])
def test_a_damaged_key_of_a_station_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    """By name of its file; at enrolling too, where a draft of it was left."""
    key = tmp_path / "key.pem"
    key.write_bytes(content)
    result = ingests(tmp_path, key)
    assert (1, True) == (result.exit_code, f"{key} holds no P-256 key" in result.stderr), result.stderr
    (tmp_path / "key.pem.new").write_bytes(content)
    result = said("enrol-station", "CODE", "--url", "http://127.0.0.1:1", "--key", str(key))
    assert (1, True) == (result.exit_code, "holds no P-256 key" in result.stderr), result.stderr


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    """A password with half a character in it."""
    from mobile_api.client.device_key import DeviceKey

    DeviceKey.kept_in(tmp_path / "key.pem")
    result = ingests(tmp_path, tmp_path / "key.pem", FUJING_DOCK_PASSWORD="\udcff")
    assert (1, True) == (result.exit_code, "UTF-8" in result.stderr), result.stderr


def test_a_file_that_is_no_outbox_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 100)
    result = said("outbox", str(tmp_path / "outbox.db"))
    assert (1, True) == (result.exit_code, "is no outbox" in result.stderr), result.stderr


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("of ours"),
        AssertionError(),
        KeyError("x"),
        RecursionError(),
        sqlite3.Error("x"),
        UnicodeError("\udcff"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_ours_is_one_sentence_and_a_file(error: Exception, monkeypatch: Any, tmp_path: Path) -> None:
    """The stack is in a file for its owner alone, whose name is told."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @fujing.command("breaks", hidden=True)
    def breaks() -> None:
        raise error

    try:
        result = said("breaks")
    finally:
        del fujing.commands["breaks"]
    (kept,) = tmp_path.glob("fujing-fault-*.txt")
    assert FAULT == result.exit_code
    assert str(kept) in result.stderr.replace("\n", "")
    assert "in breaks" in kept.read_text()
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (asyncpg.InvalidPasswordError("password authentication failed"), "The database refused: password"),
        (asyncpg.UniqueViolationError("of a key\nDETAIL:  Key (name)=(林小川)"), "The database refused: of a key\n"),
        (asyncpg.InterfaceError("connection is closed"), "The database refused: connection is closed"),
        (asyncpg.InternalClientError("got result for unknown protocol state"), "The database refused: got"),
        (asyncpg.DataCorruptedError("invalid page in block 7 of relation base/5/16402"), "damaged"),
        (asyncpg.IndexCorruptedError('index "journal_order" contains unexpected zero page'), "docs/operating.md"),
        (ExceptionGroup("lanes", [asyncpg.DataCorruptedError("invalid page in block 7")]), "invalid page in block 7"),
        (DatabaseUnusable("x", "The database x@y/z cannot be used", lasting=True), "cannot be used"),
        (ConnectionRefusedError("nobody listens"), "cannot be reached: nobody listens"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_the_database_says_is_one_sentence(error: Exception, words: str) -> None:
    """A wrong password, a lost connection, a damaged page: no fault of the program, and nothing of a row."""

    @fujing.command("refused", hidden=True)
    def refused() -> None:
        raise error

    try:
        result = said("refused")
    finally:
        del fujing.commands["refused"]
    assert (2, True) == (result.exit_code, words in result.stderr), result.stderr
    assert "林小川" not in result.stderr
