"""`fujing demo`: a patrol from sign-in to sealed receipt, a recusal, an injury to its settlement, a review; real video.

Through the public API alone. Exit code 0 only if the law refused what it must, every file is sealed, every receipt
verified, the leading confirmed, the gap found and explained, the killed upload went on from what the store had, the
footage around the injury is held, the ledger adds up, the journal verifies, and the exported package proves itself
until a byte is changed.
`python -m mobile_api.cli.demo URL BADGE KEY UPLOAD FILE PAUSE`, password on standard input, is the phone that is
killed.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pyotp
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from backend.core import database
from backend.core.keys import Keys, fingerprint
from backend.core.settings import Settings
from backend.law.catalogue import law
from backend.people import devices, roster, sessions
from mobile_api import printing
from mobile_api.cli import serving
from mobile_api.cli.demo_film import Film, film
from mobile_api.cli.drawing import ZONE, draw
from mobile_api.cli.serving import Ended, House, ServingError
from mobile_api.client.api import Client, DeskClient, Problem, digest_of
from mobile_api.client.device_key import DeviceKey
from mobile_api.client.outbox import Outbox

ROSTER = """record,code,name,kind,organ,from,until
organ,990000000000,示范市公安局,,,,
organ,990100000000,示范区公安分局,,990000000000,,
organ,990100510000,湖滨派出所,,990100000000,,
person,FJ1001,林小雨,duty_auxiliary,990100510000,2024-03-01,
person,FJ1002,陈文静,duty_auxiliary,990100510000,2024-03-01,
person,100234,赵建国,officer,990100510000,2015-07-01,
person,100007,吴敏,officer,990100000000,2008-07-01,
person,100001,孙立,officer,990100000000,2005-07-01,
person,100009,钱会计,staff,990100000000,2010-07-01,
role,100007,,inspector,990100000000,2026-01-01,
role,100001,,commander,990100000000,2026-01-01,
role,100009,,treasurer,990100000000,2026-01-01,
qualification,FJ1001,,pre_job_training,,2024-03-01,
qualification,FJ1001,,yearly_training,,2026-01-10,2036-12-31
qualification,FJ1001,,accident_insurance,,2024-03-01,
qualification,FJ1002,,pre_job_training,,2024-03-01,
qualification,FJ1002,,yearly_training,,2026-01-10,2036-12-31
qualification,FJ1002,,accident_insurance,,2024-03-01,
device,HH-0001,手持终端,handheld,990100510000,,
device,HH-0002,手持终端,handheld,990100510000,,
device,HH-0003,手持终端,handheld,990100510000,,
"""
DEVICES = ("HH-0001", "HH-0002", "HH-0003")
PASSWORD = "fujing-demo-2026"  # noqa: S105 - of people who live for a minute in a temporary directory
PEOPLE = {
    "FJ1001": "辅警 auxiliary",
    "FJ1002": "辅警 auxiliary",
    "100234": "带班民警 officer",
    "100007": "督察 inspector",
    "100001": "负责人 commander",
    "100009": "财务 treasurer",
}
FACTORS: dict[str, str] = {}  # otpauth addresses of those who set one up
NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}
BATTERY = 7.0  # seconds in which the recorder is off: more than the tolerance
AFTER_THE_BATTERY = "DSJ0042_FJ1001_0003.mp4"
SLOW = 0.35  # seconds between parts on the bad connection
BIG = 64 * 1024**2
BROUGHT = 3  # films of the patrol: the holds cover them, and the bill besides
console = Console(highlight=False)


def play(keep: bool) -> int:
    """Run the whole demonstration. Returns the exit code."""
    home = Path(tempfile.mkdtemp(prefix="fujing-demo-"))
    try:
        with serving.until_signalled():
            return _play(home, keep)
    except Ended:
        console.print("ended")
        return 0 if keep else 130
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _play(home: Path, keep: bool) -> int:
    begun = time.monotonic()
    console.print(Panel("辅警 Fujing · a patrol, from sign-in to sealed receipt", expand=False))
    _say("starting PostgreSQL, S3, the API and the worker in a temporary directory …")
    with serving.house(Settings(data_dir=home / "data")) as house:
        _say(f"ready after {time.monotonic() - begun:.1f} s: {house.url}")
        asyncio.run(_roster(house))
        passed = _patrol(house, home)
        verdict = "[green]all true[/]" if passed else "[red]NOT all true[/]"
        console.print(f"\n{verdict} after {time.monotonic() - begun:.0f} s")
        _tell_where(house, keep)
        if keep:
            house.wait()
    return 0 if passed else 1


async def _roster(house: House) -> None:
    """People, as `fujing import-roster` and `fujing set-password` would bring them in."""
    async with database.opened(str(house.settings.database_url)):
        changed = await roster.bring_in(roster.read(ROSTER))
        for badge in await roster.without_password():
            person = await roster.person_id_of(badge)
            await sessions.set_hash(person, await sessions.hash_password(PASSWORD), datetime.now(UTC))
    _say("roster: " + ", ".join(f"{count} {record}" for record, count in changed.items()))


def _patrol(house: House, home: Path) -> bool:
    codes = asyncio.run(_codes(house))
    lin, zhao, chen = (_handheld(house, code, home / f"{serial}.pem") for serial, code in codes.items())
    _say(f"{len(codes)} devices enrolled, each with a key of its own, by codes that work once")
    lin.sign_in("FJ1001", PASSWORD)
    zhao.sign_in("100234", PASSWORD)
    officer = zhao.get("/v1/me")["id"]
    _say("林小雨 and 赵建国 signed in on their handhelds")
    shift, confirmed = _begin(lin, zhao, officer)
    told = _work(house, home, lin)
    lin.entry("shifts/check-out", shift=shift)
    _say("林小雨 checked out")
    timeline = lin.get(f"/v1/shifts/{shift}")
    console.print()
    words = {code: message.sentence("zh") for code, message in law().messages.items()}
    console.print(draw(timeline, words, console.width))
    offline = _offline(chen, zhao, officer, home / "HH-0003.db")
    helped, aside = _helped(lin, zhao), _stepped_aside(house, lin)
    inspector = _inspector(house)
    hurt = _hurt(house, home, Hurt(lin, zhao, inspector))
    looked = _looked_into(house, home, Hurt(lin, zhao, inspector), hurt.injury)
    listed = inspector.get("/v1/findings")["items"]
    return _all_true(
        timeline,
        told.films,
        {
            "the stop-and-question was refused with its article until it was as the law asks": told.refused,
            "the officer confirmed that they lead": confirmed and any(led["confirmed"] for led in timeline["leading"]),
            "the killed upload went on from what the store had": told.resumed,
            "the gap in the footage was found, and is explained": told.explained,
            "two hours without a network arrived whole, each fact once, when it happened": offline,
            "a call for help was heard at once, taken and closed": helped,
            "who stepped aside may not work on that case, but on any other": aside,
            "an injury was reported by the leading officer, and the footage around it is held": hurt.held,
            "its costs were approved, paid and settled, and the ledger adds up": hurt.adds_up,
            "the inspector sees that gap, and nothing else": [found["kind"] for found in listed] == ["unrecorded"],
            "what the inspector watched is in the journal, and the one watched may read it": looked.told,
            "the journal verifies against the fingerprint of the evidence key": looked.journal,
            "the exported package proves itself; with one byte changed it is refused": looked.package,
        },
    )


class Worked(NamedTuple):
    """What became of the work in the middle of the patrol."""

    refused: bool
    resumed: bool
    explained: bool
    films: list[Film]


def _begin(lin: Client, zhao: Client, officer: str) -> tuple[str, bool]:
    """Checked in, and led: the shift, and whether the officer's yes counted."""
    shift = lin.entry(
        "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True, ordered_by=officer,
        equipment=["执法记录仪", "防刺背心", "对讲机"],
        place={"lat": 30.2592, "lon": 120.1640, "accuracy_m": 6.0, "datum": "WGS84"},
    )["shift"]["id"]  # fmt: skip
    named = lin.entry("supervisions/name", officer=officer)["supervision"]["id"]
    _say("林小雨 checked in to a patrol and named 赵建国 as leading officer")
    confirmed = zhao.entry("supervisions/confirm", supervision=named)["supervision"]["answer"] == "confirmed"
    _say("赵建国 confirmed that they lead")
    return shift, confirmed


def _work(house: House, home: Path, lin: Client) -> Worked:
    """A patrol with a stop in it, filmed with a gap, sent and explained."""
    patrol = lin.entry("activities/start", work="9.6")["id"]
    _say("9.6 巡逻 patrol begun: at the organ's command, no more is asked")
    refused = _refused(lin)
    stop = lin.entry("activities/start", work="10.3.question", officers_present=2, recording=True, public_notice=NOTICE)
    _say("recorder on, a second officer is here: 10.3 盘查 stop-and-question allowed and begun")
    films = _record(home)
    lin.entry("activities/finish", activity=stop["id"])
    lin.entry("activities/finish", activity=patrol)
    _say("both finished")
    return Worked(refused, _upload(house, lin, films), _explained(lin, stop["id"]), films)


def _offline(chen: Client, zhao: Client, officer: str, path: Path) -> bool:
    """Two hours without a network, and the sync that follows; the officer's phone sees the network first."""
    began = datetime.now(UTC) - timedelta(hours=2)
    chen.sign_in("FJ1002", PASSWORD)
    person, outbox = chen.get("/v1/me")["id"], Outbox(path)

    def at(minute: float) -> datetime:
        return began + timedelta(minutes=minute)

    shift = outbox.add(
        person, "shifts/check-in", occurred_at=at(0), duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=officer,
    )  # fmt: skip
    named = outbox.add(person, "supervisions/name", occurred_at=at(1), officer=officer)
    patrol = outbox.add(person, "activities/start", occurred_at=at(5), work="9.6")
    outbox.add(person, "activities/finish", occurred_at=at(100), activity=patrol)
    outbox.add(person, "shifts/check-out", occurred_at=at(110), shift=shift)
    kept = outbox.left(person).entries
    _say(f"陈文静 patrolled for two hours without a network: {kept} entries in the outbox of her handheld")
    yes = {"verb": "supervisions/confirm", **zhao.told(occurred_at=at(2), supervision=named)}
    waited = zhao.sync([yes])["results"][0]["status"]
    _say(f"赵建国's phone sees the network first; his yes to her naming: {waited}, for the naming is on its way")
    outbox.sync(chen, person)
    left = outbox.left(person).entries
    outbox.close()
    told = chen.get(f"/v1/shifts/{shift}")
    led = [leading["confirmed"] for leading in told["leading"]]
    _say(f"陈文静 synced: {left} entries left, led and confirmed from {_clock(told['leading'][0]['started_at'])} on")
    far = abs(datetime.fromisoformat(told["shift"]["started_at"]) - began)
    again = zhao.sync([yes])["results"][0]["status"]
    return (kept, waited, left, led, again) == (5, "waiting", 0, [True], "replayed") and far < timedelta(seconds=5)


def _helped(lin: Client, zhao: Client) -> bool:
    """Called in the street, heard by the officers of the station, taken by one, closed in words."""
    call = lin.entry("assistance/call", kind="violence", words="一人持械，需要增援")["id"]
    heard = call in [each["id"] for each in zhao.get("/v1/assistance")["items"]]
    zhao.entry("assistance/acknowledge", call=call)
    zhao.entry("assistance/arrive", call=call)
    closed = lin.entry("assistance/close", call=call, words="已控制，无人受伤")["call"]["closed_at"]
    _say("林小雨 called for help; 赵建国 took the call, arrived, and it was closed")
    return heard and closed is not None


def _stepped_aside(house: House, lin: Client) -> bool:
    """The party is a cousin: declared, decided at the bureau, and what it means for that case and for another."""
    case: dict[str, Any] = {"case_ref": "A9901005120260001", "case_kind": "administrative"}
    told = lin.entry("recusals/declare", ground="party_or_relative", words="当事人是我表弟", **case)
    chief = DeskClient(house.url)
    chief.sign_in("100001", PASSWORD)
    decision: dict[str, Any] = {"recusal": told["id"], "version": 1, "outcome": "granted", "why": "系当事人近亲属"}
    chief.entry("recusals/decide", **decision)
    unmet, other = (
        [rule["code"] for rule in lin.get("/v1/duty/verdict", work="9.6", case_ref=ref)["unmet"]]
        for ref in (case["case_ref"], "A9901005120260002")
    )
    _say("林小雨 declared that a party is her cousin; 孙立 granted it: no work on that case, and its footage is hidden")
    return "recused" in unmet and "recused" not in other


class Hurt(NamedTuple):
    """Who was hurt, who reported it, and who looks at the footage."""

    lin: Client
    zhao: Client
    inspector: DeskClient


class Settled(NamedTuple):
    """Whether the footage is held, and the ledger adds up."""

    held: bool
    adds_up: bool
    injury: str


def _hurt(house: House, home: Path, who: Hurt) -> Settled:
    """From the injury to the settlement: reported, held, approved, paid, recognised, borne by fund and employer."""
    injury = who.zhao.entry(
        "injuries/report", person=who.lin.get("/v1/me")["id"], injured_at=datetime.now(UTC), severity="serious",
        how="制止斗殴时被推倒", doing="巡逻", body_part="右前臂", hospital="市第一人民医院",
        costs=[{"kind": "medical", "fen": 500_000, "words": "急诊押金"}],
    )["injury"]  # fmt: skip
    _say("赵建国 reported that 林小雨 was hurt: the advance is open, the footage around it held, 30 days to apply")
    bill = _bill(who.lin, home, injury["id"])
    chief, payer = DeskClient(house.url), DeskClient(house.url)
    chief.sign_in("100001", PASSWORD)
    payer.sign_in("100009", PASSWORD)
    (item,) = [each for each in chief.get(f"/v1/advances/{injury['id']}")["items"] if each["state"] == "requested"]
    item = _booked(chief, "approve", item, fen=400_000, why="按押金批准")
    _say("孙立 approved 4000.00 yuan of 5000.00; the undertaking for the hospital can be printed")
    item = _booked(payer, "pay", item, fen=400_000, receipt=bill, words="转账至医院")
    version = injury["version"]
    for step in ("apply", "accept", "recognise"):
        today = datetime.now(printing.BEIJING).date().isoformat()
        told = {"injury": injury["id"], "version": version, "step": step, "on_day": today, "words": "文书已收"}
        version = chief.entry("injuries/recognition", **told)["injury"]["version"]
    item = _booked(payer, "settle", item, payer="fund", fen=320_000, words="工伤保险基金拨付")
    _booked(payer, "settle", item, payer="employer", fen=80_000, words="目录外费用由单位承担")
    _say("钱会计 paid on the hospital's bill; recognised as a work injury; the fund bore 3200.00, the employer 800.00")
    adds_up = _adds_up(payer.get(f"/v1/advances/{injury['id']}"))
    return Settled(_is_held(who.inspector, injury["id"]), adds_up, injury["id"])


def _bill(lin: Client, home: Path, injury: str) -> str:
    """The hospital's bill, declared, sent and sealed as footage is, and attached to the injury."""
    file = home / "bill.txt"
    file.write_text("市第一人民医院 急诊押金 5000.00 元\n" * 10, encoding="utf-8")
    paper = lin.declare(file, "documents/declare", title="急诊票据", media_type="text/plain")
    lin.upload(paper, file)
    lin.complete(paper)
    lin.entry("injuries/attach", injury=injury, papers=[str(paper)])
    return str(paper)


def _booked(desk: DeskClient, verb: str, item: dict[str, Any], **told: Any) -> dict[str, Any]:
    """One decision about a cost, on its version as it was seen."""
    asked: dict[str, Any] = {"item": item["id"], "version": item["version"]}
    return desk.entry(f"advances/{verb}", **asked, **told)["item"]


def _is_held(inspector: DeskClient, injury: str) -> bool:
    """The worker tells the store; within seconds all that the holds cover stays whatever its date."""
    deadline = time.monotonic() + 20
    while True:
        holds = [hold["id"] for hold in inspector.get("/v1/holds")["items"] if hold["about"] == injury]
        covers = {each["id"]: each for hold in holds for each in inspector.get(f"/v1/holds/{hold}")["covers"]}
        kept = [each["legal_hold"] for each in covers.values()]
        if (len(kept) > BROUGHT and all(kept)) or time.monotonic() > deadline:
            _say(f"the store keeps {sum(kept)} of {len(kept)} files for it, whatever their date")
            return len(kept) > BROUGHT and all(kept)
        time.sleep(0.2)


class Looked(NamedTuple):
    """Whether the watched may read who watched, the journal verifies, and the package does until it is altered."""

    told: bool
    journal: bool
    package: bool


def _looked_into(house: House, home: Path, who: Hurt, injury: str) -> Looked:
    """An inspector finds the gap, opens a review, watches a range, places a hold, exports a package; it is checked."""
    inspector = who.inspector
    (gap,) = (found for found in inspector.get("/v1/findings")["items"] if found["kind"] == "unrecorded")
    _say(f"吴敏 finds the gap of {_clock(gap['started_at'])}, and looks at the footage after it")
    recording = inspector.get("/v1/recordings")["items"][0]
    review = inspector.entry("reviews/open", recording=recording["id"], purpose="injury", number=injury)["id"]
    watched, span = home / "watched.bin", (0, 999_999)
    size = inspector.download(f"/v1/recordings/{recording['id']}/content", watched, span=span, review=review)
    inspector.entry("reviews/note", review=review, at_ms=1000, words="恢复录制，已说明更换电池")
    inspector.entry(
        "holds/place", recording=recording["id"], number="督〔2026〕17号", reason="核查中断", category="case_evidence"
    )
    _say(f"a review opened with its purpose, {size:,} bytes watched, a note at 0:01, a permanent hold placed")
    package = home / "package.zip"
    inspector.download(f"/v1/recordings/{recording['id']}/package", package, review=review)
    inspector.entry("reviews/close", review=review, found=["interrupted"], words="更换电池，已说明")
    served = [each["served"] for each in who.lin.get("/v1/me/record")["viewings"]]
    trust = ["--trust", fingerprint(Keys(house.settings.secrets_dir).evidence.public()[-1])]
    journal = _fujing(house, "verify", *trust)
    proved = _fujing(house, "verify-package", *trust, str(package))
    with package.open("r+b") as file:
        file.seek(package.stat().st_size // 2)
        changed = bytes([file.read(1)[0] ^ 1])
        file.seek(-1, 1)
        file.write(changed)
    _say("one byte of the package is changed:")
    refused = _fujing(house, "verify-package", *trust, str(package))
    return Looked(served == [size] == [1_000_000], journal == 0, (proved, refused) == (0, 1))


def _fujing(house: House, *words: str) -> int:
    """A command as anybody runs it; its exit code."""
    _say("fujing " + " ".join(word if len(word) < 40 else f"{word[:8]}…" for word in words))
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "mobile_api.cli", *words],
        env=os.environ | {"FUJING_DATA_DIR": str(house.settings.data_dir)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    for line in done.stdout.splitlines()[-8:]:
        console.print(f"    {line}", markup=False, soft_wrap=True)
    return done.returncode


def _adds_up(ledger: dict[str, Any]) -> bool:
    """The ledger in yuan, and whether what was paid is what everybody bore."""
    sums = ledger["sums"]
    told = Table("费用 cost", "申请 asked", "批准 approved", "支付 paid", "基金 fund", "单位 employer", "未结 open")
    names = ("requested", "approved", "paid", "fund", "employer", "outstanding")
    told.add_row("医疗 medical", *(printing.yuan(sums[f"{name}_fen"]) for name in names))
    console.print(told)
    bore = sum(sums[f"{payer}_fen"] for payer in ("fund", "employer", "accident_insurer", "third_party", "recovered"))
    return sums["paid_fen"] == bore + sums["outstanding_fen"] == 400_000 and sums["outstanding_fen"] == 0


async def _codes(house: House) -> dict[str, str]:
    """A code for each device, as `fujing enrol` makes it."""
    async with database.opened(str(house.settings.database_url)):
        return {serial: (await devices.make_code(serial, datetime.now(UTC))).code for serial in DEVICES}


def _handheld(house: House, code: str, key: Path) -> Client:
    """A device that enrols itself; a phone would keep its key in hardware."""
    client = Client(house.url, key=DeviceKey.kept_in(key))
    client.enrol(code)
    return client


def _inspector(house: House) -> DeskClient:
    """Signed in at a desk for the first time: a second factor is set up before anything can be seen."""
    inspector = DeskClient(house.url)
    inspector.sign_in("100007", PASSWORD)
    uri = inspector.set_up_factor(PASSWORD)
    inspector.confirm_factor(pyotp.TOTP(pyotp.parse_uri(uri).secret).now())
    FACTORS["100007"] = uri
    _say("吴敏 signed in at a desk and set up the second factor that inspectors need")
    return inspector


def _clock(moment: str) -> str:
    """In Beijing time, as the drawing has it."""
    return f"{datetime.fromisoformat(moment).astimezone(ZONE):%H:%M:%S}"


def _refused(lin: Client) -> bool:
    """Before anything is as it should be: asked, and then tried all the same."""
    outcome = lin.get("/v1/duty/verdict", work="10.3.question")["outcome"]
    _say(f"may I stop and question now? {outcome}")
    try:
        lin.entry("activities/start", work="10.3.question")
    except Problem as problem:
        for rule in problem.told["unmet"]:
            article, english = rule["article"], law().messages[rule["code"]].en
            where = f"R.{article}" if article[0].isdigit() else article
            console.print(f"    [red]no[/] {where}  {rule['message']}\n       [dim]{english}[/]", soft_wrap=True)
        return {"too_few_officers", "not_recording"} == {rule["code"] for rule in problem.told["unmet"]}
    return False


def _explained(lin: Client, activity: str) -> bool:
    """The gap that the change of battery left: found by the server, answered for by the auxiliary."""
    gaps = lin.get(f"/v1/activities/{activity}")["activity"]["gaps"]
    for gap in gaps:
        _say(f"not recorded from {_clock(gap['started_at'])} to {_clock(gap['ended_at'])}: found by the server")
    lin.entry("recordings/explain", activity=activity, cause="battery", words="更换电池，恢复后已说明", spoken=True)
    _say("林小雨 explained it: 更换电池 (battery); it stands, explained")
    after = lin.get(f"/v1/activities/{activity}")["activity"]["gaps"]
    return [gap["kind"] for gap in gaps] == ["recording"] and [gap["explained"] for gap in after] == [True]


def _all_true(timeline: dict, films: list[Film], told: dict[str, bool]) -> bool:
    """Every sentence of the demonstration, checked against what the server says."""
    truths = told | {
        f"{len(films)} files, one over 64 MiB": max(film.path.stat().st_size for film in films) > BIG,
        "every file is sealed": ["sealed"] * len(films) == [row["state"] for row in timeline["recordings"]],
        "every receipt verified, every duration as claimed": all(
            found["kind"] == "unrecorded" for found in timeline["findings"]
        ),
    }
    console.print()
    for sentence, holds in truths.items():
        console.print(f"  [{'green' if holds else 'red'}]{'✓' if holds else '✗'}[/] {sentence}")
    return all(truths.values())


def _record(home: Path) -> list[Film]:
    """The body-worn recorder runs, in real time: two ordinary files and a big one."""
    wanted = [
        ("DSJ0042_FJ1001_0001.mp4", {"seconds": 5}),
        ("DSJ0042_FJ1001_0002.mp4", {"seconds": 5}),
        ("DSJ0042_FJ1001_0003.mp4", {"seconds": 8, "width": 1280, "height": 720, "crf": 6}),
    ]
    films = []
    with _progress("{task.percentage:>3.0f}%") as bars:
        for name, options in wanted:
            if name == AFTER_THE_BATTERY:
                time.sleep(BATTERY)
            bar = bars.add_task(f"recording {name}", total=options["seconds"])
            films.append(film(home / name, live=True, seen=partial(_reach, bars, bar), **options))
    return films


def _upload(house: House, lin: Client, films: list[Film]) -> bool:
    """Send every file; the big one by a phone that is killed half-way, then by another."""
    resumed = True
    for taken in films:
        size, sha256 = digest_of(taken.path)
        upload = lin.declare(
            taken.path, camera_serial="DSJ-0042", media_type="video/mp4", started_at=taken.started_at,
            ended_at=taken.ended_at,
        )  # fmt: skip
        if size > BIG:
            _killed_in_the_middle(house, lin, upload, taken.path)
        with _progress(DownloadColumn(), TransferSpeedColumn()) as bars:
            bar = bars.add_task(f"sending   {taken.path.name}", total=size)
            left = sum(part["bytes"] for part in lin.get(f"/v1/uploads/{upload}/parts")["missing"])
            bars.update(bar, completed=size - left)
            there = lin.upload(upload, taken.path, sent=partial(bars.advance, bar))
        if size > BIG:
            resumed = there > 0
            _say(f"another process went on: the store had {there} parts already")
        lin.complete(upload)
        lin.receipt(upload, bytes=size, sha256=sha256)
        _say(f"{taken.path.name} sealed; its receipt verified")
    return resumed


def _killed_in_the_middle(house: House, lin: Client, upload: UUID, path: Path) -> None:
    """A phone begins on a bad connection, and is killed once the store has three parts."""
    phone = subprocess.Popen(  # noqa: S603 - this very program
        [
            sys.executable,
            "-m",
            "mobile_api.cli.demo",
            house.url,
            "FJ1001",
            str(path.with_name("HH-0001.pem")),
            str(upload),
            str(path),
            str(SLOW),
        ],
        stdin=subprocess.PIPE,
    )
    try:
        assert phone.stdin is not None  # noqa: S101 - for the type checker
        phone.stdin.write(PASSWORD.encode() + b"\n")
        phone.stdin.close()
        deadline = time.monotonic() + 30
        while sum(last - first + 1 for first, last in lin.get(f"/v1/uploads/{upload}/parts")["have"]) < 3:
            if phone.poll() is not None or time.monotonic() > deadline:
                raise ServingError("the phone of the demonstration ended before it could be killed")
            time.sleep(0.1)
    finally:
        phone.send_signal(signal.SIGKILL)
        phone.wait()
    _say("the phone that was sending was killed in the middle (kill -9)")


def _phone(url: str, badge: str, key: str, upload: str, path: str, pause: str) -> None:
    """The phone that is killed: one lane, and a pause after each part."""
    client = Client(url, key=DeviceKey.kept_in(Path(key)))
    client.sign_in(badge, sys.stdin.readline().strip())
    client.upload(UUID(upload), Path(path), lanes=1, sent=lambda _: time.sleep(float(pause)))


def _tell_where(house: House, keep: bool) -> None:
    until = "Ctrl-C ends it" if keep else "ended now; `fujing demo --keep` leaves it running"
    logins = "\n".join(f"  {badge}  {who}" for badge, who in PEOPLE.items())
    logins += "".join(f"\n  {badge} at a desk, for an authenticator app: {uri}" for badge, uri in FACTORS.items())
    where = f"API in a browser: {house.url}/docs\npassword of all: {PASSWORD}\n{logins}\n{until}"
    console.print(Panel(where, expand=False))


def _reach(bars: Progress, bar: TaskID, at: float) -> None:
    bars.update(bar, completed=at)


@contextmanager
def _progress(*columns: object) -> Iterator[Progress]:
    with Progress(TextColumn("  {task.description}"), BarColumn(), *columns, console=console) as bars:  # type: ignore[arg-type]
        yield bars


def _say(sentence: str) -> None:
    console.print(f"  {sentence}")


if __name__ == "__main__":
    _phone(*sys.argv[1:])
