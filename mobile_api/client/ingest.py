"""`fujing ingest`: the job of a docking station. It sends every file of a folder and waits until each is sealed.

Guarantees: a file that is sealed already is not sent again; one that is half sent is continued, whoever began it. A
file that cannot be taken is reported and stops no other. What stays on the card is named, each with the reason, and the
exit code is 0 only if nothing does: every file has a verified receipt. Nothing is deleted here: the person who reads
the table does that. It uses the public API as any device does.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from mobile_api.client import camera_files, card
from mobile_api.client.api import Client, NotVerified, Problem, StoreAway, Unreachable, digest_of
from mobile_api.client.camera_files import CHINA, MediaFile, Start
from mobile_api.client.card import Left
from mobile_api.client.device_key import DeviceKey
from storage.language import by_locale, language

Fate = Literal["sealed", "sealed_before", "not_sealed", "failed"]
FATES: dict[Fate, tuple[str, str]] = {
    "sealed": ("已封存 sealed", "green"),
    "sealed_before": ("此前已封存，跳过 already sealed, skipped", "green"),
    "not_sealed": ("尚未封存 not sealed yet", "yellow"),
    "failed": ("未采集 not taken", "red"),
}
SENT: dict[Fate, str] = {"not_sealed": "已送达 sent", "sealed_before": FATES["sealed_before"][0]}
TAKEN = ("sealed", "sealed_before")
KINDS = {
    "video": "录像 video", "audio": "录音 audio", "photo": "照片 photo", "document": "文书 document",
    "unknown": "其他 other",
}  # fmt: skip
DOUBTFUL = "起始时间存疑，可用 --offset-ms 校正 its start is in doubt: --offset-ms corrects the recorder's clock"
INDEX_LOST = (
    "索引缺失（断电等）：内容已原样封存；可在卡外的副本上修复后另行申报，勿动原件 index lost (battery?): sealed as it "
    "is; repair a copy elsewhere and declare that too, never the original"
)
CHANGED = "采集期间文件有变化，请再次运行 it changed meanwhile: run again"
PATIENCE = 120.0  # seconds to wait for the seals, besides the time that the size needs
SEALED_A_SECOND = 10 * 1024**2  # bytes, in a slow store
IN_A_LOG = 400  # columns of a table in a log: one line a file
LONGEST_REPORT = timedelta(days=31)
DAY = timedelta(days=1)
SAME_START = timedelta(seconds=2)  # of two dock runs; the clocks of a station and a server differ by so much


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One job: which folder, of whose camera, sent where and as which station.

    `wearer`: their badge number; None: whoever had taken the recorder out when a film began, as the server knows.
    `offset_ms`: the camera's clock minus this station's. The last two are terms of the law in force (terms.toml).
    """

    folder: Path
    camera: str
    wearer: str | None
    url: str
    dock: str
    offset_ms: int = 0
    lanes: int = 3
    key: Path
    longest_frame: timedelta
    clock_skew_tolerance: timedelta


class Footage(msgspec.Struct, kw_only=True):
    """One file and its fate. `words`: why it was not sealed. `advice`: what to know of one that was taken. `wearer`: id
    of the person whose footage it is. `modified`, `modified_ns`: its time on the card when it was looked at.
    `moved`: what this run's offset would change of a start that is kept already.
    """

    path: Path
    label: str
    bytes: int = 0
    sha256: str = ""
    media: MediaFile | None = None
    start: Start | None = None
    upload: UUID | None = None
    wearer: str | None = None
    fate: Fate = "failed"
    words: str = ""
    moved: str = ""
    modified: datetime | None = None
    advice: str = ""
    modified_ns: int = 0

    @property
    def ended_at(self) -> datetime | None:
        if self.start is None or self.media is None or self.media.index_lost:
            return None
        return self.start.at + timedelta(milliseconds=self.media.duration_ms)


def bring_in(order: Order, password: str, console: Console, errors: Console) -> int:
    """Do the job. Returns the exit code; an error before it begins is printed as one sentence."""
    if not console.is_terminal:
        console.width = IN_A_LOG
    try:
        return Station(order, console).run(password)
    except (Problem, Unreachable, OSError, ValueError) as error:
        errors.print(Text(f"fujing: {_sentence_of(error)}"), soft_wrap=True)
        return 1


def enrol(url: str, code: str, path: Path) -> dict[str, Any]:
    """Enrol this station with a code and a new key, which moves to `path` once the server has it. Returns the device.

    The new key is kept in a draft first, so that the same code can be tried again after a lost answer.
    Raises Problem, Unreachable, OSError.
    """
    draft = path.with_name(f"{path.name}.new")
    device: dict[str, Any] = Client(url, key=DeviceKey.kept_in(draft), language=language()).enrol(code)
    draft.replace(path)
    return device


class Station:
    """A docking station at work on one order."""

    def __init__(self, order: Order, console: Console) -> None:
        self._order, self._console = order, console
        self._client = Client(order.url, key=DeviceKey.kept_in(order.key), language=language())
        self._away: Unreachable | None = None  # why nothing more is sent: the other files wait for the next run

    def run(self, password: str) -> int:
        """Do the whole job. Returns the exit code; raises Problem or Unreachable where it cannot begin."""
        self._client.sign_in(self._order.dock, password)
        files, left = self._survey()
        wearer = self._named_wearer(files)
        self._send_all(files, wearer)
        self._wait_for_seals(files)
        for file in files:
            self._look_again(file)
        self._console.print(_table(files))
        self._tell_what_stays(files, left)
        for each in dict.fromkeys(file.wearer for file in files if file.wearer is not None):
            self._report([file for file in files if file.wearer == each], each)
        self._end()
        return 0 if not left and all(file.fate in TAKEN for file in files) else 1

    def _named_wearer(self, files: list[Footage]) -> str | None:
        """The id of the wearer whom the order names: whose badge it was when the first file was filmed; without a file,
        whose it is. None: the order names nobody. Raises Problem where there is nobody of that number."""
        words = f"{self._order.camera} · {self._order.folder}"
        if self._order.wearer is None:
            self._say(f"佩戴人按领用记录 whoever had taken the recorder out · {words}")
            return None
        began = min((file.start.at for file in files if file.start is not None), default=None)
        query = {} if began is None else {"at": began.isoformat()}
        found: dict[str, Any] = self._client.get(f"/v1/people/{quote(self._order.wearer, safe='')}", **query)
        self._say(f"{found['name']} {found['badge']} · {words}")
        return str(found["id"])

    def _survey(self) -> tuple[list[Footage], list[Left]]:
        """Look through the card and into every file. Returns the files, and what stays on the card."""
        found = card.look_through(self._order.folder)
        files = [Footage(path=path, label=self._label(path)) for path in found.files]
        kinds: Counter[str] = Counter()
        for file in files:
            self._look(file)
            kinds["unknown" if file.media is None else file.media.kind] += 1
        counts = "   ".join(f"{KINDS[kind]}: {kinds[kind]}" for kind in KINDS if kinds[kind])
        self._say(f"文件 files: {len(files)}   {counts}")
        return files, found.left

    def _look(self, file: Footage) -> None:
        """Find out what the file is and when it began."""
        try:
            status = file.path.stat()
            file.media = camera_files.look(file.path, self._order.longest_frame)
        except OSError as error:
            file.words = _sentence_of(error)
            return
        now = datetime.now(UTC)
        file.bytes, file.modified_ns = status.st_size, status.st_mtime_ns
        file.modified = camera_files.moment_of(status.st_mtime)
        file.start = camera_files.start_of(
            file.media, file.path.name, status.st_mtime, offset=timedelta(milliseconds=self._order.offset_ms),
            latest=now + self._order.clock_skew_tolerance,
        )  # fmt: skip
        if file.start is None:
            file.start, file.advice = camera_files.doubtful_start(status.st_mtime, now), DOUBTFUL
        if file.media.index_lost:
            file.advice = INDEX_LOST

    def _look_again(self, file: Footage) -> None:
        """A file that changed meanwhile was taken as it was; what was added since stays on the card."""
        try:
            status = file.path.stat()
        except OSError as error:
            file.fate, file.words = "failed", _sentence_of(error)
            return
        if file.fate in TAKEN and (status.st_size, status.st_mtime_ns) != (file.bytes, file.modified_ns):
            file.fate, file.words = "not_sealed", CHANGED

    def _tell_what_stays(self, files: list[Footage], left: list[Left]) -> None:
        """Name everything that is on the card alone."""
        stays = [(each.path, each.why) for each in left]
        stays += [(file.path, file.words) for file in files if file.fate not in TAKEN]
        if not stays:
            self._say("卡上没有遗留 nothing stays on the card")
            return
        self._say(f"仍在卡上 stays on the card: {len(stays)}")
        for path, why in sorted(stays):
            self._say(f"  {self._label(path)}  {why}")

    def _label(self, path: Path) -> str:
        """The path within the folder, fit for a terminal."""
        parts = path.relative_to(self._order.folder.resolve()).parts
        return "/".join(camera_files.safe_name(part) for part in parts) or "."

    def _send_all(self, files: list[Footage], wearer: str | None) -> None:
        """Send one file after the other; a file's error is kept with it."""
        usable = [file for file in files if file.start is not None and not file.words]
        with self._bars() as bars:
            whole = bars.add_task("合计 all", total=sum(file.bytes for file in usable))
            for file in usable:
                bar = bars.add_task(file.label, total=None)
                with self._errors_of(file):
                    self._send(file, wearer, bars, (bar, whole))
                bars.remove_task(bar)
                said = file.words or file.moved or SENT[file.fate]
                bars.console.print(Text(f"  {file.label}  {said}"), soft_wrap=True)

    def _send(self, file: Footage, wearer: str | None, bars: Progress, both: tuple[TaskID, TaskID]) -> None:
        """Declare the file, and send the parts that the store does not have."""
        if self._away is not None:
            raise self._away
        file.modified_ns = file.path.stat().st_mtime_ns
        file.bytes, file.sha256 = digest_of(file.path)  # as it is now, if it grew since it was looked at
        bars.update(both[0], total=file.bytes)
        answer = self._client.entry("recordings/declare", **self._declaration(file, wearer))
        file.upload, state = UUID(answer["id"]), answer["upload"]["state"]
        file.wearer = wearer or answer["upload"]["wearer"]
        if state in ("sealed", "received"):
            file.fate = "sealed_before" if state == "sealed" else "not_sealed"
            file.moved = self._would_move(file, answer["upload"].get("started_at"))
            _advance(bars, both, file.bytes)
            return
        file.fate = "not_sealed"
        _advance(bars, both, self._bytes_there(file.upload, file.bytes))
        self._client.upload(file.upload, file.path, lanes=self._order.lanes, sent=partial(_advance, bars, both))
        self._client.complete(file.upload)

    def _would_move(self, file: Footage, kept: str | None) -> str:
        """What this run's offset would change of a start that is kept already; empty: nothing."""
        if kept is None or file.start is None:
            return ""
        told = file.start.at - timedelta(milliseconds=self._order.offset_ms)
        by = told - datetime.fromisoformat(kept)
        if abs(by) < SAME_START:
            return ""
        began, would = (f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}" for at in (datetime.fromisoformat(kept), told))
        return (
            f"此前已封存，起始时间 {began}；按本次偏差应为 {would}（相差 {_signed(by)}），未更改："
            f"如有依据，请用 recordings/correct-time 更正 · sealed before, beginning at {began}; by this offset it "
            f"would be {would} ({_signed(by)}). Nothing was changed: correct it by recordings/correct-time"
        )

    def _declaration(self, file: Footage, wearer: str | None) -> dict[str, Any]:
        assert file.start is not None and file.media is not None  # noqa: S101, PT018 - for the type checker
        return {
            **({} if wearer is None else {"wearer": wearer}),
            "camera_serial": self._order.camera,
            "camera_offset_ms": self._order.offset_ms,
            "file_name": camera_files.safe_name(file.path.name),
            "media_type": file.media.media_type,
            "started_at": file.start.at,
            "ended_at": file.ended_at,
            "time_source": file.start.source,
            **({} if file.modified is None else {"file_modified_at": file.modified}),
            "bytes": file.bytes,
            "sha256": file.sha256,
        }

    def _bytes_there(self, upload: UUID, size: int) -> int:
        """The bytes that the store has already."""
        parts = self._client.get(f"/v1/uploads/{upload}/parts")
        return min(size, sum(last - first + 1 for first, last in parts["have"]) * parts["part_size"])

    def _wait_for_seals(self, files: list[Footage]) -> None:
        """Wait for the verified receipt of every file that was sent, or was sealed before."""
        waiting = [file for file in files if file.fate in ("not_sealed", "sealed_before")]
        patience = PATIENCE + sum(file.bytes for file in waiting) / SEALED_A_SECOND
        deadline = time.monotonic() + patience
        with Progress(TextColumn("  {task.description}"), BarColumn(), console=self._console) as bars:
            for file in bars.track(waiting, description="等待封存 waiting for the seals"):
                if not file.words:
                    with self._errors_of(file):
                        self._verify(file, max(0.0, deadline - time.monotonic()))

    def _verify(self, file: Footage, wait: float) -> None:
        assert file.upload is not None  # noqa: S101 - for the type checker
        before, file.fate = file.fate, "not_sealed"
        self._client.receipt(file.upload, bytes=file.bytes, sha256=file.sha256, wait=wait)
        file.fate = "sealed_before" if before == "sealed_before" else "sealed"

    @contextmanager
    def _errors_of(self, file: Footage) -> Iterator[None]:
        """Keep an error with its file, so that the next file is taken."""
        try:
            yield
        except (Problem, Unreachable, NotVerified, TimeoutError, OSError) as error:
            self._away = self._away or (error if isinstance(error, Unreachable) else None)
            file.words = _sentence_of(error)

    def _report(self, files: list[Footage], wearer: str) -> None:
        """Print the server's handover report: the footage of these days against the wearer's shifts."""
        offset = timedelta(milliseconds=self._order.offset_ms)
        declared = [(file.start, file.ended_at) for file in files if file.upload is not None]
        spans = [(start.at - offset, end - offset) for start, end in declared if start is not None and end is not None]
        try:
            for start, end in periods(spans):
                query = {"wearer": wearer, "from": start.isoformat(), "to": end.isoformat()}
                self._print_handover(self._client.get("/v1/handovers", **query))
        except (Problem, Unreachable) as error:
            self._say(f"没有移交清单 no handover report: {_sentence_of(error)}")

    def _print_handover(self, report: dict[str, Any]) -> None:
        names = {row["id"]: row["file_name"] for row in report["recordings"]}
        shifts = {row["id"]: row for row in report["shifts"]}
        pairs = ((names[row["first"]], names[row["second"]], _span(row)) for row in report["overlaps"])
        lines = [f"重叠 overlap  {first} ↔ {second}  {span}" for first, second, span in pairs]
        lines += [f"缺少 missing  {_span(row)}  班次 shift {_span(shifts[row['shift']])}" for row in report["missing"]]
        lines += [f"不在班次内 in no shift  {names[row]}" for row in report["outside"]]
        counts = f"班次 shifts: {len(shifts)}   资料 recordings: {len(names)}"
        for line in [counts, *(lines or ["没有重叠，没有缺失 nothing overlaps, nothing is missing"])]:
            self._say(line)

    def _bars(self) -> Progress:
        name = TextColumn("  {task.description}", markup=False)
        return Progress(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=self._console)

    def _end(self) -> None:
        """End the session; one that cannot be ended now ends by itself."""
        if self._away is None or isinstance(self._away, StoreAway):
            try:
                self._client.sign_out()
            except (Problem, Unreachable):
                return

    def _say(self, sentence: str) -> None:
        self._console.print(Text(f"  {sentence}"), soft_wrap=True)


def periods(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The days in China that these spans touch, joined into periods no longer than one report may be. Pure."""
    days = sorted({day for start, end in spans for day in _days(start, end)})
    joined: list[tuple[datetime, datetime]] = []
    for day in days:
        if joined and joined[-1][1] == day and day + DAY - joined[-1][0] <= LONGEST_REPORT:
            joined[-1] = (joined[-1][0], day + DAY)
        else:
            joined.append((day, day + DAY))
    return joined


def _days(start: datetime, end: datetime) -> Iterator[datetime]:
    day = start.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= end:
        yield day
        day += DAY


def _table(files: list[Footage]) -> Table:
    table = Table("文件 file", "开始 began", "依据 read from", "结果 result", box=None)
    for file in files:
        words, colour = FATES[file.fate]
        words = file.moved or words
        began = f"{file.start.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}" if file.start else ""
        fate = Text("  ".join([words if not file.words else f"{words}: {file.words}", file.advice]).rstrip(), colour)
        table.add_row(Text(file.label), began, file.start.source if file.start else "", fate)
    return table


def _signed(by: timedelta) -> str:
    """A difference with its sign, as hours, minutes and seconds."""
    seconds = round(abs(by).total_seconds())
    sign = "+" if by > timedelta() else "-"
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _span(row: dict[str, Any]) -> str:
    """From when to when, in China's time."""
    return f"{_clock(row['started_at'])} – {_clock(row['ended_at'])}"


def _clock(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(CHINA):%m-%d %H:%M:%S}" if moment is not None else "…"


def _sentence_of(error: Exception) -> str:
    if isinstance(error, Problem):
        faults = ", ".join(f"{each['pointer']}: {each['message']}" for each in error.body.get("errors", []))
        return f"{error.body.get('detail') or error} {faults}".rstrip()
    if isinstance(error, StoreAway):
        return str(error)
    if isinstance(error, Unreachable):
        return by_locale("服务器没有应答，请稍后重新运行", "the server does not answer: run it again later")
    if isinstance(error, TimeoutError) and error.args:
        return str(error)
    if isinstance(error, UnicodeError):
        return by_locale("口令、编号和文件夹名须为 UTF-8 文本", "password, numbers and folder must be text in UTF-8")
    if isinstance(error, OSError):
        return card.unreadable(error)
    return str(error)


def _advance(bars: Progress, both: tuple[TaskID, TaskID], count: int) -> None:
    for bar in both:
        bars.advance(bar, count)
