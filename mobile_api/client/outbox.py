"""The outbox of a handheld: what happened without a network, kept in one SQLite file until the server has it.

Guarantees: an entry and its number are on the disk before `add` returns; it is sent with the same id until the server
answered it; a refused one stays until the person who wrote it has seen it; a file is deleted only after its receipt was
verified and kept. Killed at any line, the next start goes on where this one was. A device has one outbox, whoever is
signed in: a number is used once on the device, and a sync sends one person's entries under that person's session.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from mobile_api.client.api import Client, Lanes, NotVerified, Problem, Unreachable, digest_of, read_receipt

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL,
    verb TEXT NOT NULL,
    told BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'waiting', 'recorded', 'refused', 'seen')),
    answer BLOB
);
CREATE INDEX IF NOT EXISTS entry_open ON entry (person, seq) WHERE state IN ('queued', 'waiting');
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY REFERENCES entry (id),
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'sent', 'sealed', 'gone', 'stuck')),
    receipt TEXT,
    why TEXT,
    CHECK (state NOT IN ('sealed', 'gone') OR receipt IS NOT NULL)
);
CREATE TABLE IF NOT EXISTS reader (
    person TEXT PRIMARY KEY,
    cursor TEXT,
    bundle BLOB
);
CREATE TABLE IF NOT EXISTS news (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    person TEXT NOT NULL,
    item BLOB NOT NULL
);
"""
URGENT = "assistance/call"  # goes before anything else, in a call of its own
AT_ONCE = 1000  # entries in one call; the server's bound
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 300.0  # seconds between attempts while nothing goes through
CHANGED = "the file is not as it was declared"
LOOK_AGAIN = 30.0  # seconds between looks for receipts and for what waits, while all went well


@dataclass(frozen=True)
class Refused:
    """An entry that the server refused, with its problem: for the person to read, and to put right or to let be."""

    id: UUID
    verb: str
    told: dict[str, Any]
    problem: dict[str, Any]


@dataclass(frozen=True)
class Left:
    """What the outbox still holds for one person. `stuck` files need a person; they are never deleted."""

    entries: int
    files: int
    stuck: int

    def __bool__(self) -> bool:
        return bool(self.entries or self.files or self.stuck)


class Outbox:
    """One device's outbox. Safe to use from several threads. `clock` is the device's own.

    `boot`: gives the id of this start of the device and the milliseconds since; none where the device cannot tell.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        boot: Callable[[], tuple[UUID, int] | None] = lambda: None,
    ) -> None:
        self.clock, self._boot = clock, boot
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._lock = threading.RLock()
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(SCHEMA)
        self.stirred = threading.Event()

    def close(self) -> None:
        """Let go of the file; nothing is lost."""
        with self._lock:
            self._connection.close()

    # What the person does.

    def add(
        self, person: str, verb: str, /, *, occurred_at: datetime | None = None, id: UUID | None = None, **told: Any
    ) -> UUID:
        """Keep an entry; it is on the disk when this returns. Its id is the id of what it creates."""
        with self._transaction():
            return self._add(person, verb, occurred_at, id, told)

    def add_file(
        self, person: str, file: Path, verb: str = "recordings/declare", /, *, occurred_at: datetime | None = None,
        id: UUID | None = None, **told: Any,
    ) -> UUID:  # fmt: skip
        """Keep a finished file, and the entry that declares it with its size and digest. Returns the upload's id."""
        size, sha256 = digest_of(file)
        with self._transaction():
            upload = self._add(person, verb, occurred_at, id, told | _declared(file, size, sha256))
            self._run(
                "INSERT INTO file (id, path, bytes, sha256) VALUES (?, ?, ?, ?)",
                str(upload), str(file.absolute()), size, sha256,
            )  # fmt: skip
        return upload

    def knows(self, entry: UUID) -> bool:
        """Whether this entry was kept here before."""
        return self._first("SELECT 1 FROM entry WHERE id = ?", str(entry)) is not None

    def refused(self, person: str) -> list[Refused]:
        """What was refused and nobody has looked at yet."""
        rows = self._all("SELECT * FROM entry WHERE person = ? AND state = 'refused' ORDER BY seq", person)
        return [Refused(UUID(r["id"]), r["verb"], _read(r["told"]), _read(r["answer"])) for r in rows]

    def seen(self, entry: UUID) -> None:
        """The person has read the refusal; the file that it declared, if any, stays where it is."""
        with self._transaction():
            self._run("UPDATE entry SET state = 'seen' WHERE id = ? AND state = 'refused'", str(entry))

    def despite(self, entry: UUID, why: str, ordered_by: UUID | None = None) -> None:
        """Send a refused entry again, with why it was done all the same."""
        with self._transaction():
            row = self._first("SELECT told FROM entry WHERE id = ? AND state = 'refused'", str(entry))
            if row is None:
                raise KeyError(entry)
            ordered = {"ordered_by": ordered_by} if ordered_by else {}
            told = _read(row["told"]) | {"despite": {"why": why, **ordered}}
            self._run("UPDATE entry SET state = 'queued', told = ? WHERE id = ?", _written(told), str(entry))

    def left(self, person: str) -> Left:
        """What is not done yet: nothing left means that all was answered, and every file deleted after its receipt."""
        entries = self._first(
            "SELECT count(*) AS n FROM entry WHERE person = ? AND state IN ('queued', 'waiting', 'refused')", person
        )
        files = self._first(
            "SELECT count(*) FILTER (WHERE f.state IN ('kept', 'sent', 'sealed')) AS n, "
            "count(*) FILTER (WHERE f.state = 'stuck') AS stuck "
            "FROM file f JOIN entry e USING (id) WHERE e.person = ?",
            person,
        )
        assert entries is not None and files is not None  # noqa: S101, PT018 - counts always answer
        return Left(entries["n"], files["n"], files["stuck"])

    def news(self, person: str) -> Iterator[dict[str, Any]]:
        """What the server told since; each is forgotten once the next is asked for."""
        while (row := self._first("SELECT * FROM news WHERE person = ? ORDER BY number LIMIT 1", person)) is not None:
            yield _read(row["item"])
            with self._transaction():
                self._run("DELETE FROM news WHERE number = ?", row["number"])

    def bundle(self, person: str) -> dict[str, Any] | None:
        """What the phone needs for a shift without a network, as it was told last."""
        row = self._first("SELECT bundle FROM reader WHERE person = ?", person)
        return _read(row["bundle"]) if row is not None and row["bundle"] else None

    # What the phone does by itself.

    def sync(self, client: Client, person: str) -> None:
        """Send what this person told, calls for help first, and hear what is new, until nothing is left to do.

        Raises Unreachable, Problem (the session). What was answered before that stays answered.
        """
        self._sync(client, person, URGENT, more=False)
        self._sync(client, person, None, more=True)

    def _sync(self, client: Client, person: str, verb: str | None, *, more: bool) -> None:
        size, sent = AT_ONCE, 0
        while True:
            rows = self._open(person, sent, size, verb)
            if not rows and not more:
                return
            try:
                answer = client.sync([_item(row) for row in rows], self._cursor(person), self._boot())
            except Problem as problem:
                if problem.code != "body_too_large" or not rows:
                    raise
                if len(rows) > 1:
                    size = len(rows) // 2
                    continue
                answer = {"results": [{"status": "refused", "problem": problem.told}], "more": True}
            self._keep(person, rows, answer)
            sent, more = max((row["seq"] for row in rows), default=sent), bool(answer.get("more"))

    def carry_files(self, client: Client, person: str, lanes: Lanes | None = None) -> None:
        """Bring each declared file into the store, one after the other, and delete those whose receipt is here.

        Raises Unreachable, Problem (the session).
        """
        lanes = lanes or Lanes()
        for row in self._files(person, "kept"):
            with self._told_of(row):
                self._send(client, row, lanes)
        keys: list[dict[str, str]] = []
        for row in self._files(person, "sent"):
            keys = keys or client.published_keys()
            with self._told_of(row):
                self._ask_receipt(client, row, keys)
        self._delete_sealed()

    def _send(self, client: Client, row: sqlite3.Row, lanes: Lanes) -> None:
        """Upload and complete one file. A file that is not what was declared is never sent half."""
        path = Path(row["path"])
        if path.stat().st_size != row["bytes"]:
            raise OSError(CHANGED)
        client.upload(UUID(row["id"]), path, lanes=lanes)
        client.complete(UUID(row["id"]))
        self._file_is(row["id"], "sent")

    def _ask_receipt(self, client: Client, row: sqlite3.Row, keys: Iterable[dict[str, str]]) -> None:
        """Keep the receipt once it is there and proves this file."""
        told = client.get(f"/v1/uploads/{row['id']}/receipt")
        if told["state"] == "mismatch" and digest_of(Path(row["path"])) != (row["bytes"], row["sha256"]):
            raise OSError(CHANGED)
        if told["state"] in ("mismatch", "abandoned", "declared", "receiving"):
            self._file_is(row["id"], "kept")
        elif told["state"] == "sealed":
            claims = read_receipt(told["receipt"], keys)
            if (claims["sha256"], claims["bytes"]) != (row["sha256"], row["bytes"]):
                raise NotVerified("the receipt is for other bytes")
            with self._transaction():
                self._run(
                    "UPDATE file SET state = 'sealed', receipt = ? WHERE id = ? AND state = 'sent'",
                    told["receipt"], row["id"],
                )  # fmt: skip

    def _delete_sealed(self) -> None:
        """Delete what the server has sealed. Killed between the two lines, the next start says it again."""
        for row in self._all("SELECT * FROM file WHERE state = 'sealed'"):
            Path(row["path"]).unlink(missing_ok=True)
            self._file_is(row["id"], "gone")

    @contextmanager
    def _told_of(self, row: sqlite3.Row) -> Iterator[None]:
        """One file's trouble is written beside it and holds up no other; it is kept, and a person looks."""
        try:
            yield
        except (OSError, NotVerified) as error:
            self._stuck(row["id"], str(error))
        except Problem as problem:
            if problem.status in (401, 403, 429) or problem.status >= 500:
                raise
            self._stuck(row["id"], str(problem))

    def _stuck(self, upload: str, why: str) -> None:
        with self._transaction():
            self._run("UPDATE file SET state = 'stuck', why = ? WHERE id = ?", why, upload)

    def try_again(self, upload: UUID) -> None:
        """A person looked at a stuck file: take it up again."""
        with self._transaction():
            self._run("UPDATE file SET state = 'kept', why = NULL WHERE id = ? AND state = 'stuck'", str(upload))

    def stuck(self, person: str) -> list[tuple[UUID, Path, str]]:
        """Files that do not go through, and why."""
        rows = self._all(
            "SELECT f.* FROM file f JOIN entry e USING (id) WHERE e.person = ? AND f.state = 'stuck'", person
        )
        return [(UUID(row["id"]), Path(row["path"]), row["why"]) for row in rows]

    # How it is kept.

    def _add(self, person: str, verb: str, occurred_at: datetime | None, id: UUID | None, told: dict[str, Any]) -> UUID:
        id, boot = id or uuid4(), self._boot()
        common: dict[str, Any] = {"occurred_at": occurred_at or self.clock()}
        if boot is not None and occurred_at is None:
            common |= {"boot_id": boot[0], "uptime_ms": boot[1]}
        self._run(
            "INSERT INTO entry (id, person, verb, told) VALUES (?, ?, ?, ?)",
            str(id), person, verb, _written(common | told),
        )  # fmt: skip
        self.stirred.set()
        return id

    def _open(self, person: str, after: int, limit: int, verb: str | None) -> list[sqlite3.Row]:
        return self._all(
            "SELECT * FROM entry WHERE person = ? AND state IN ('queued', 'waiting') AND seq > ? "
            "AND verb = ifnull(?, verb) ORDER BY seq LIMIT ?",
            person, after, verb, limit,
        )  # fmt: skip

    def _files(self, person: str, state: str) -> list[sqlite3.Row]:
        return self._all(
            "SELECT f.* FROM file f JOIN entry e USING (id) "
            "WHERE e.person = ? AND e.state = 'recorded' AND f.state = ? ORDER BY e.seq",
            person, state,
        )  # fmt: skip

    def _file_is(self, upload: str, state: str) -> None:
        with self._transaction():
            self._run("UPDATE file SET state = ? WHERE id = ?", state, upload)

    def _cursor(self, person: str) -> str | None:
        row = self._first("SELECT cursor FROM reader WHERE person = ?", person)
        return None if row is None else row["cursor"]

    def _keep(self, person: str, rows: list[sqlite3.Row], answer: dict[str, Any]) -> None:
        """One answer, whole or not at all: results, news and the place in the feed."""
        with self._transaction():
            for row, result in zip(rows, answer["results"], strict=True):
                state = _state_after(result)
                if state is not None:
                    told = result.get("receipt") or result.get("problem") or result
                    self._run("UPDATE entry SET state = ?, answer = ? WHERE id = ?", state, _written(told), row["id"])
            for item in answer.get("changes", ()):
                self._run("INSERT INTO news (person, item) VALUES (?, ?)", person, _written(item))
            if answer.get("cursor"):
                self._run(
                    "INSERT INTO reader (person, cursor, bundle) VALUES (?, ?, ?) ON CONFLICT (person) DO UPDATE "
                    "SET cursor = excluded.cursor, bundle = coalesce(excluded.bundle, bundle)",
                    person, answer["cursor"], _written(answer["bundle"]) if answer.get("bundle") else None,
                )  # fmt: skip

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _run(self, sql: str, *values: Any) -> None:
        self._connection.execute(sql, values)

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _first(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None


def carry(outbox: Outbox, client: Client, person: str, stop: threading.Event) -> None:
    """In the background until `stop`: entries before files, at once when something is added, patient when nothing
    goes through. A pause that the server asks for is kept to. Raises Problem where the session no longer holds."""
    lanes, failures = Lanes(), 0
    while not stop.is_set():
        outbox.stirred.clear()
        try:
            outbox.sync(client, person)
            outbox.carry_files(client, person, lanes)
            failures, pause = 0, LOOK_AGAIN if not outbox.left(person).files else FIRST_PAUSE
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status != 429 and error.status < 500:
                raise
            failures += 1
            pause = max(error.retry_after or 0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures) * _jitter())
        _wait(outbox, stop, pause, heed=failures == 0)


def _wait(outbox: Outbox, stop: threading.Event, pause: float, *, heed: bool) -> None:
    """Wait so long; where `heed`, only until something is added."""
    until = time.monotonic() + pause
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        if heed and outbox.stirred.is_set():
            return
        stop.wait(min(left, 0.2))


def _jitter() -> float:
    return random.uniform(0.7, 1.0)  # noqa: S311 - no secret


def _declared(file: Path, size: int, sha256: str) -> dict[str, Any]:
    return {"file_name": file.name, "bytes": size, "sha256": sha256}


def _item(row: sqlite3.Row) -> dict[str, Any]:
    """A row as /v1/sync takes it."""
    return {"verb": row["verb"], "id": row["id"], "device_seq": row["seq"], **_read(row["told"])}


def _state_after(result: dict[str, Any]) -> str | None:
    """What a result makes of an entry; nothing where the server asks for it again."""
    if result["status"] in ("recorded", "replayed"):
        return "recorded"
    if result["status"] == "refused":
        return None if int(result["problem"].get("status", 0)) >= 500 else "refused"
    return "waiting" if result["status"] == "waiting" else None


def _written(told: Any) -> bytes:
    return msgspec.json.encode(told)


def _read(told: bytes) -> Any:
    return msgspec.json.decode(told)
