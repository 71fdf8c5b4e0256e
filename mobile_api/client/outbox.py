"""The outbox of a handheld: one SQLite file keeps entries and files until the server has them.

Guarantees: an entry and its number are on the disk before `add` returns. It is sent with the same id until the server
answers. A refused entry stays until its author has seen the refusal; a file that it declared is stuck then, and costs
no calls. A file is deleted only after its receipt was verified and kept. Killed at any line, the next start goes on
from there. A device has one outbox, whoever is signed in: each number is used once on the device, and a sync sends one
person's entries under that person's session.
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

from mobile_api.client.api import (
    Client,
    Lanes,
    NotVerified,
    Problem,
    StoreAway,
    Unreachable,
    check_claims,
    digest_of,
    read_receipt,
)  # fmt: skip

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
URGENT = "assistance/call"  # is sent before anything else, in a sync of its own
AT_ONCE = 1000  # entries in one sync; the server's limit
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 300.0  # seconds between attempts while nothing goes through
CHANGED = "文件与申报时不一致 the file is not as it was declared"
LOOK_AGAIN = 30.0  # seconds between syncs while all goes well
TAKES_ANY_CLOCK = 1  # version of an outbox whose refusals for a clock or a place were sent again
CLOCK_REFUSALS = {
    "time_ahead", "time_out_of_range", "end_before_start", "answered_before_naming", "leads_from_out_of_range",
}  # fmt: skip


@dataclass(frozen=True)
class Refused:
    """An entry that the server refused, with its fields and the problem: for its author to read and to decide."""

    id: UUID
    verb: str
    fields: dict[str, Any]
    problem: dict[str, Any]


@dataclass(frozen=True)
class Left:
    """How much of one person is still in the outbox, and true while something waits for the server or for its author.

    `stuck` files need a person; they are never deleted, and keep nobody from signing out.
    """

    entries: int
    files: int
    stuck: int

    def __bool__(self) -> bool:
        return bool(self.entries or self.files)


class Outbox:
    """One device's outbox. Safe to use from several threads.

    `clock`: the device's own. `boot` gives the id of this start of the device and the milliseconds since, or None
    where the device does not know.
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
        self.added = threading.Event()  # an entry was added since it was last cleared
        self._not_before: dict[str, float] = {}  # entries to send again, and when by this process's own clock
        self._queue_what_is_taken_now()

    def close(self) -> None:
        """Close the file; nothing is lost."""
        with self._lock:
            self._connection.close()

    # For the person.

    def add(
        self, person: str, verb: str, /, *, occurred_at: datetime | None = None, id: UUID | None = None, **fields: Any
    ) -> UUID:
        """Add an entry; it is on the disk when this returns. Returns its id, which is the id of what it creates."""
        with self._transaction():
            return self._add(person, verb, occurred_at, id, fields)

    def add_file(
        self, person: str, file: Path, verb: str = "recordings/declare", /, *, occurred_at: datetime | None = None,
        id: UUID | None = None, **fields: Any,
    ) -> UUID:  # fmt: skip
        """Add a finished file, and the entry that declares its size and digest. Returns the upload's id."""
        size, sha256 = digest_of(file)
        declared = {"file_name": file.name, "bytes": size, "sha256": sha256}
        with self._transaction():
            upload = self._add(person, verb, occurred_at, id, fields | declared)
            self._run(
                "INSERT INTO file (id, path, bytes, sha256) VALUES (?, ?, ?, ?)",
                str(upload), str(file.absolute()), size, sha256,
            )  # fmt: skip
        return upload

    def knows(self, entry: UUID) -> bool:
        """Whether this entry was added here before."""
        return self._first("SELECT 1 FROM entry WHERE id = ?", str(entry)) is not None

    def refused(self, person: str) -> list[Refused]:
        """The refused entries that this person has not seen yet."""
        rows = self._all("SELECT * FROM entry WHERE person = ? AND state = 'refused' ORDER BY seq", person)
        return [Refused(UUID(r["id"]), r["verb"], _decoded(r["told"]), _decoded(r["answer"])) for r in rows]

    def mark_seen(self, entry: UUID) -> None:
        """Note that the person has read the refusal; a file that the entry declared stays where it is."""
        with self._transaction():
            self._run("UPDATE entry SET state = 'seen' WHERE id = ? AND state = 'refused'", str(entry))

    def despite(self, entry: UUID, why: str, ordered_by: UUID | None = None) -> None:
        """Send a refused entry again, with why it was done all the same. Raises KeyError if it is not refused."""
        with self._transaction():
            row = self._first("SELECT told FROM entry WHERE id = ? AND state = 'refused'", str(entry))
            if row is None:
                raise KeyError(entry)
            ordered = {"ordered_by": ordered_by} if ordered_by else {}
            fields = _decoded(row["told"]) | {"despite": {"why": why, **ordered}}
            self._run("UPDATE entry SET told = ? WHERE id = ?", _encoded(fields), str(entry))
            self._queue_again(str(entry))

    def send_again(self, entry: UUID) -> None:
        """Send a refused entry again as it is, for example where the server takes it now. Raises KeyError if it is not
        refused."""
        with self._transaction():
            if self._first("SELECT 1 FROM entry WHERE id = ? AND state IN ('refused', 'seen')", str(entry)) is None:
                raise KeyError(entry)
            self._queue_again(str(entry))

    def persons(self) -> list[str]:
        """Everybody who has something in this outbox."""
        return [row["person"] for row in self._all("SELECT DISTINCT person FROM entry ORDER BY person")]

    def left(self, person: str) -> Left:
        """How much is not done yet: nothing means that all was answered, and every file sealed and deleted."""
        entries = self._first(
            "SELECT count(*) AS n FROM entry WHERE person = ? AND state IN ('queued', 'waiting', 'refused')", person
        )
        files = self._first(
            "SELECT count(*) FILTER (WHERE f.state IN ('kept', 'sent', 'sealed')) AS n, "
            "count(*) FILTER (WHERE f.state = 'stuck') AS stuck "
            "FROM file f JOIN entry e USING (id) WHERE e.person = ?",
            person,
        )
        assert entries is not None and files is not None  # noqa: S101, PT018 - a count is always one row
        return Left(entries["n"], files["n"], files["stuck"])

    def news(self, person: str) -> Iterator[dict[str, Any]]:
        """The changes that syncs have brought; each is deleted when the next one is taken."""
        while (row := self._first("SELECT * FROM news WHERE person = ? ORDER BY number LIMIT 1", person)) is not None:
            yield _decoded(row["item"])
            with self._transaction():
                self._run("DELETE FROM news WHERE number = ?", row["number"])

    def bundle(self, person: str) -> dict[str, Any] | None:
        """The last bundle: what the phone needs for a shift without a network."""
        row = self._first("SELECT bundle FROM reader WHERE person = ?", person)
        return _decoded(row["bundle"]) if row is not None and row["bundle"] else None

    # For the phone.

    def sync(self, client: Client, person: str, *, only_due: bool = False) -> None:
        """Send this person's entries, calls for help first, and fetch changes, until nothing is left to do.

        `only_due`: not those that the server asked to send again later. Raises Unreachable, Problem (the session).
        What was answered before that stays answered.
        """
        now = time.monotonic()
        self._not_before = {id: due for id, due in self._not_before.items() if only_due and due > now}
        self._sync(client, person, URGENT, more=False)
        self._sync(client, person, None, more=True)

    def _sync(self, client: Client, person: str, verb: str | None, *, more: bool) -> None:
        size, sent = AT_ONCE, 0
        while True:
            found = self._open(person, sent, size, verb)
            rows = [row for row in found if row["id"] not in self._not_before]
            if not rows and not more:
                if len(found) < size:
                    return
                sent = found[-1]["seq"]
                continue
            try:
                answer = client.sync([_item(row) for row in rows], self._cursor(person), self._boot())
            except Problem as problem:
                if problem.code != "body_too_large" or not rows:
                    raise
                if len(rows) > 1:
                    size = max(1, len(found) // 2)
                    continue
                answer = {"results": [{"status": "refused", "problem": problem.body}], "more": True}
            self._keep(person, rows, answer)
            sent, more = max((row["seq"] for row in found), default=sent), bool(answer.get("more"))

    def carry_files(self, client: Client, person: str, lanes: Lanes | None = None) -> None:
        """Send each declared file to the store, one after the other, and delete those with a verified receipt.

        Raises Unreachable, Problem (the session).
        """
        lanes = lanes or Lanes()
        for row in self._files(person, "kept"):
            with self._errors_of(row):
                self._send(client, row, lanes)
        keys: list[dict[str, str]] = []
        for row in self._files(person, "sent"):
            keys = keys or client.published_keys()
            with self._errors_of(row):
                self._fetch_receipt(client, row, keys)
        self._delete_sealed()

    def _send(self, client: Client, row: sqlite3.Row, lanes: Lanes) -> None:
        """Upload and complete one file. Raises OSError, before sending, where it is not as declared."""
        path = Path(row["path"])
        if path.stat().st_size != row["bytes"]:
            raise OSError(CHANGED)
        client.bring(UUID(row["id"]), path, lanes=lanes)
        self._set_file_state(row["id"], "sent")

    def _fetch_receipt(self, client: Client, row: sqlite3.Row, keys: Iterable[dict[str, str]]) -> None:
        """Keep the receipt once it is there and proves this file."""
        answer = client.get(f"/v1/uploads/{row['id']}/receipt")
        if answer["state"] == "mismatch" and digest_of(Path(row["path"])) != (row["bytes"], row["sha256"]):
            raise OSError(CHANGED)
        if answer["state"] in ("mismatch", "abandoned", "declared", "receiving"):
            self._set_file_state(row["id"], "kept")
        elif answer["state"] == "sealed":
            check_claims(read_receipt(answer["receipt"], keys), bytes=row["bytes"], sha256=row["sha256"])
            with self._transaction():
                self._run(
                    "UPDATE file SET state = 'sealed', receipt = ? WHERE id = ? AND state = 'sent'",
                    answer["receipt"], row["id"],
                )  # fmt: skip

    def _delete_sealed(self) -> None:
        """Delete the files that the server has sealed. Killed between the two lines, the next start repeats them."""
        for row in self._all("SELECT * FROM file WHERE state = 'sealed'"):
            Path(row["path"]).unlink(missing_ok=True)
            self._set_file_state(row["id"], "gone")

    @contextmanager
    def _errors_of(self, row: sqlite3.Row) -> Iterator[None]:
        """Keep an error with its file, which is then stuck, so that it holds up no other."""
        try:
            yield
        except (OSError, NotVerified) as error:
            self._set_stuck(row["id"], str(error))
        except Problem as problem:
            if problem.status in (401, 403, 429) or problem.status >= 500:
                raise
            self._set_stuck(row["id"], str(problem))

    def _set_stuck(self, upload: str, why: str) -> None:
        with self._transaction():
            self._run("UPDATE file SET state = 'stuck', why = ? WHERE id = ?", why, upload)

    def try_again(self, upload: UUID) -> None:
        """Send a stuck file again, after a person looked at it, and its declaration where that was refused."""
        with self._transaction():
            self._queue_again(str(upload))

    def stuck(self, person: str) -> list[tuple[UUID, Path, str]]:
        """This person's stuck files: upload, path, and why."""
        rows = self._all(
            "SELECT f.* FROM file f JOIN entry e USING (id) WHERE e.person = ? AND f.state = 'stuck'", person
        )
        return [(UUID(row["id"]), Path(row["path"]), row["why"]) for row in rows]

    def can_carry(self, person: str) -> bool:
        """Whether a file of this person can go on now: it is declared on the server, and has no receipt yet."""
        return bool(self._files(person, "kept") or self._files(person, "sent"))

    # Storage.

    def _queue_what_is_taken_now(self) -> None:
        """Once in the life of an outbox: queue again what a server of before 0.4 refused for a clock or a place."""
        with self._transaction():
            if self._first("PRAGMA user_version")["user_version"] >= TAKES_ANY_CLOCK:  # type: ignore[index]
                return
            for row in self._all("SELECT id, answer FROM entry WHERE state IN ('refused', 'seen')"):
                if _is_taken_now(_decoded(row["answer"])):
                    self._queue_again(row["id"])
            self._run(f"PRAGMA user_version = {TAKES_ANY_CLOCK}")

    def _queue_again(self, entry: str) -> None:
        """Queue an entry where it was refused, and free the file that it declared."""
        self._run("UPDATE entry SET state = 'queued' WHERE id = ? AND state IN ('refused', 'seen')", entry)
        self._run("UPDATE file SET state = 'kept', why = NULL WHERE id = ? AND state = 'stuck'", entry)
        self.added.set()

    def _add(
        self, person: str, verb: str, occurred_at: datetime | None, id: UUID | None, fields: dict[str, Any]
    ) -> UUID:
        id, boot = id or uuid4(), self._boot()
        common: dict[str, Any] = {"occurred_at": occurred_at or self.clock()}
        if boot is not None and occurred_at is None:
            common |= {"boot_id": boot[0], "uptime_ms": boot[1]}
        self._run(
            "INSERT INTO entry (id, person, verb, told) VALUES (?, ?, ?, ?)",
            str(id), person, verb, _encoded(common | fields),
        )  # fmt: skip
        self.added.set()
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

    def _set_file_state(self, upload: str, state: str) -> None:
        with self._transaction():
            self._run("UPDATE file SET state = ? WHERE id = ?", state, upload)

    def _cursor(self, person: str) -> str | None:
        row = self._first("SELECT cursor FROM reader WHERE person = ?", person)
        return None if row is None else row["cursor"]

    def _keep(self, person: str, rows: list[sqlite3.Row], answer: dict[str, Any]) -> None:
        """Keep an answer in one transaction: results, changes, bundle and cursor."""
        with self._transaction():
            for row, result in zip(rows, answer["results"], strict=True):
                state = _state_after(result)
                if state is not None:
                    kept = result.get("receipt") or result.get("problem") or result
                    self._run("UPDATE entry SET state = ?, answer = ? WHERE id = ?", state, _encoded(kept), row["id"])
                if state == "refused":
                    self._run(
                        "UPDATE file SET state = 'stuck', why = ? WHERE id = ? AND state = 'kept'",
                        _why(result["problem"]), row["id"],
                    )  # fmt: skip
                elif state is None:
                    self._not_before[row["id"]] = time.monotonic() + (result.get("retry_after") or LOOK_AGAIN)
            for item in answer.get("changes", ()):
                self._run("INSERT INTO news (person, item) VALUES (?, ?)", person, _encoded(item))
            if answer.get("cursor"):
                self._run(
                    "INSERT INTO reader (person, cursor, bundle) VALUES (?, ?, ?) ON CONFLICT (person) DO UPDATE "
                    "SET cursor = excluded.cursor, bundle = coalesce(excluded.bundle, bundle)",
                    person, answer["cursor"], _encoded(answer["bundle"]) if answer.get("bundle") else None,
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
    """Sync entries and then files, in the background, until `stop`.

    An added entry is sent at once. While nothing goes through, the pauses grow; a pause that the server asks for is
    kept. Raises Problem where the session no longer holds.
    """
    lanes, failures = Lanes(), 0
    while not stop.is_set():
        outbox.added.clear()
        try:
            outbox.sync(client, person, only_due=True)
            outbox.carry_files(client, person, lanes)
            failures, pause = 0, FIRST_PAUSE if outbox.can_carry(person) else LOOK_AGAIN
        except StoreAway as error:  # entries go on meanwhile
            failures, pause = 0, max(error.retry_after or 0.0, LOOK_AGAIN)
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status != 429 and error.status < 500:
                raise
            failures += 1
            pause = max(error.retry_after or 0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures) * _jitter())
        _wait(outbox, stop, pause, until_added=failures == 0)


def _wait(outbox: Outbox, stop: threading.Event, pause: float, *, until_added: bool) -> None:
    """Wait so many seconds; with `until_added`, only until an entry is added."""
    until = time.monotonic() + pause
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        if until_added and outbox.added.is_set():
            return
        stop.wait(min(left, 0.2))


def _jitter() -> float:
    return random.uniform(0.7, 1.0)  # noqa: S311 - no secret


def _item(row: sqlite3.Row) -> dict[str, Any]:
    """The row as an entry of POST /v1/sync."""
    return {"verb": row["verb"], "id": row["id"], "device_seq": row["seq"], **_decoded(row["told"])}


def _state_after(result: dict[str, Any]) -> str | None:
    """The state of an entry after this result; None where it must be sent again."""
    if result["status"] in ("recorded", "replayed"):
        return "recorded"
    if result["status"] == "refused":
        return None if int(result["problem"].get("status", 0)) >= 500 else "refused"
    return "waiting" if result["status"] == "waiting" else None


def _why(problem: dict[str, Any]) -> str:
    """Why a declaration was refused, for its author."""
    return f"{problem.get('code')}: {problem.get('detail', '')}"


def _is_taken_now(problem: dict[str, Any]) -> bool:
    """Whether the server refused it for what it takes now: a clock, or only a place."""
    pointers = [fault.get("pointer", "") for fault in problem.get("errors", ())]
    only_place = bool(pointers) and all(pointer.startswith("/place") for pointer in pointers)
    return problem.get("code") in CLOCK_REFUSALS or (problem.get("code") == "invalid" and only_place)


def _encoded(fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def _decoded(content: bytes) -> Any:
    return msgspec.json.decode(content)
