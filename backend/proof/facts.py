"""What the journal says of each fact, compared with the tables: which row was changed, removed or added beside it.

A line names every fact row that its transaction changed, with the digest of that row after it (`rows`). The last line
that names a row must agree with the row of now. Rows of before that begin at the signed baseline.

Guarantees: of each row the last digest is kept, WAITING of them in memory, the others in temporary files, in PARTS
parts: a million rows take 150 MB of memory and 400 MB of disk in all. Nothing of them stays.
"""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO
from zlib import crc32

import msgspec

WAITING = 300_000  # rows
PARTS = 64
SEQ = 16  # hex digits of a line's seq, which stand before what it says of a row
Digests = dict[str, str]  # "shift/UUID" to the digest of the row
Told = tuple[int, str]  # the seq of a line, 0 for the baseline, and the digest that it told
BASELINE, RESTORE = "house/baseline", "evidence/restore"
OF_THE_OWNER = frozenset({BASELINE, RESTORE})  # verbs of lines that the owner of the database alone writes
MayChange = Mapping[tuple[str, str], Collection[str]]  # verb and outcome of a line to the tables that it may change
Tell = Callable[..., None]  # takes the code of a flaw, and where it is
decode_digests = msgspec.json.Decoder(Digests).decode


class LastDigests:
    """The last digest of each row, behind the seq of the line that told it. `waiting`: how many stay in memory.

    The last line is that of the highest seq, not the last one in the order of the journal: of two transactions that
    change one row the second waits for the first, but its number may be the lower one.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self.newest: dict[str, Told] = {}
        self._waiting = waiting
        self._files: list[IO[bytes]] = []

    def note(self, digests: Mapping[str, str], seq: int = 0) -> None:
        """Take what a line says of rows. The baseline and the rows of now come before every line."""
        newest = self.newest
        for row, digest in digests.items():
            told = seq, digest
            if newest.setdefault(row, told) < told:
                newest[row] = told
        if len(newest) > self._waiting:
            self.put_down()

    @property
    def is_in_memory(self) -> bool:
        return not self._files

    def put_down(self) -> None:
        """Write what is in memory into the files, each row into the file of its part."""
        if self.is_in_memory:
            self._files = [tempfile.TemporaryFile() for _ in range(PARTS)]  # noqa: SIM115 - until `close`
        parts: list[Digests] = [{} for _ in range(PARTS)]
        for row, (seq, digest) in self.newest.items():
            parts[crc32(row.encode()) % PARTS][row] = f"{seq:016x}{digest}"
        for file, part in zip(self._files, parts, strict=True):
            file.write(msgspec.json.encode(part) + b"\n")
        self.newest = {}

    def parts(self) -> Iterator[dict[str, Told]]:
        """The rows of each part, after `put_down`. Each row is in the same part whoever noted it."""
        for file in self._files:
            part: Digests = {}
            file.seek(0)
            for content in file:
                for row, told in decode_digests(content).items():
                    if part.setdefault(row, told) < told:
                        part[row] = told
            yield {row: (int(told[:SEQ], 16), told[SEQ:]) for row, told in part.items()}

    def close(self) -> None:
        for file in self._files:
            file.close()


def compare(told: LastDigests, pages: Iterable[Digests], tell: Tell) -> int:
    """Compare what lines told of each row with the rows of now, page by page. Returns how many agree.

    Tells `fact_altered` and `fact_removed` with the line that told of the row last, and `fact_without_line`; each with
    its row as `what`.
    """
    if told.is_in_memory:
        return _compare_all(told.newest, pages, tell)
    told.put_down()
    present = LastDigests()
    try:
        for page in pages:
            present.note(page)
        present.put_down()
        parts = zip(told.parts(), present.parts(), strict=True)
        return sum(_compare_all(one, [{row: told[1] for row, told in other.items()}], tell) for one, other in parts)
    finally:
        present.close()


def _compare_all(told: dict[str, Told], pages: Iterable[Digests], tell: Tell) -> int:
    """As `compare`. `told` is empty afterwards."""
    take, agreeing, nothing = told.pop, 0, (0, "")
    for page in pages:
        for row, digest in page.items():
            expected = take(row, nothing)
            if expected[1] == digest:
                agreeing += 1
            elif expected is nothing:
                tell("fact_without_line", what=row)
            else:
                tell("fact_altered", what=row, seq=expected[0] or None)
    for row in sorted(told):
        tell("fact_removed", what=row, seq=told[row][0] or None)
    told.clear()
    return agreeing


class BaselineFacts(msgspec.Struct, frozen=True):
    """The facts of the line of the baseline: how many rows it has, and their root."""

    rows: int
    root: str


class Baseline(msgspec.Struct, frozen=True):
    """The facts of before lines named their rows: when they were taken as they were, and how many."""

    at: datetime
    rows: int


decode_baseline = msgspec.json.Decoder(BaselineFacts).decode


class ToldFacts:
    """What the lines tell of facts, line by line in the order of the journal.

    `may_change`: the tables whose rows a line may name, by its verb and outcome. `admitted`: the epochs that began with
    a restore. `expected`: what the line of the baseline must say.
    """

    def __init__(self, may_change: MayChange, admitted: Collection[int], tell: Tell) -> None:
        self.last = LastDigests()
        self.baseline: Baseline | None = None
        self.expected = BaselineFacts(0, hashlib.sha256().hexdigest())
        self._prefixes = {line: tuple(f"{table}/" for table in tables) for line, tables in may_change.items()}
        self._admitted, self._tell = admitted, tell

    def take(self, seq: int, verb: str, outcome: str, rows: Mapping[str, str]) -> None:
        """Take the rows that a line names. Tells `fact_by_wrong_verb`."""
        self.last.note(rows, seq)
        prefixes = self._prefixes.get((verb, outcome), ())
        for row in rows:
            if not row.startswith(prefixes):
                self._tell("fact_by_wrong_verb", seq=seq, what=row)

    def take_of_the_owner(self, seq: int, epoch: int, verb: str, at: datetime, facts: bytes) -> None:
        """Take a line that the owner of the database alone writes. Tells `restore_not_admitted`, `baseline_differs`."""
        if verb == BASELINE:
            self._take_baseline(seq, at, facts)
        elif epoch not in self._admitted:
            self._tell("restore_not_admitted", seq=seq)

    def _take_baseline(self, seq: int, at: datetime, facts: bytes) -> None:
        """The first line of a baseline counts, and there is no other."""
        try:
            told = decode_baseline(facts)
        except msgspec.MsgspecError:
            told = None
        if self.baseline is not None or told != self.expected:
            self._tell("baseline_differs", seq=seq)
        self.baseline = self.baseline or Baseline(at, self.expected.rows)

    def end(self, pages: Iterable[Digests]) -> int:
        """Compare the facts with the last lines. Returns how many agree. Tells what `compare` tells."""
        if self.expected.rows and self.baseline is None:
            self._tell("baseline_differs")
        return compare(self.last, pages, self._tell)

    def close(self) -> None:
        self.last.close()


class FactPages:
    """The facts of now, kept until they are compared: some in memory, the others in a temporary file."""

    IN_MEMORY, PAGE = 16 * 2**20, 2**19  # bytes

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(self.IN_MEMORY)  # noqa: SIM115 - closed by `close`

    async def add(self, content: bytes) -> None:
        """Keep what comes next. Altogether it is lines as they stand in JSON: "row":"digest"."""
        self._file.write(content)

    def __iter__(self) -> Iterator[Digests]:
        self._file.seek(0)
        rest = b""
        while content := self._file.read(self.PAGE):
            whole, _, rest = (rest + content).rpartition(b"\n")
            yield decode_digests(b"{" + whole.replace(b"\n", b",") + b"}")

    def close(self) -> None:
        self._file.close()
