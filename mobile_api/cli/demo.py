"""`fujing demo`: a patrol from sign-in to sealed receipt, a recusal, an injury and its costs, a review; real video.

It uses the public API alone, and stands on settings of its own, whatever FUJING_* say of another house. Exit code 0
only if every sentence of the list at its end is true.
`python -m mobile_api.cli.demo URL BADGE KEY UPLOAD FILE PAUSE`, password on standard input, is the phone that is
killed in the middle of an upload.
"""

import asyncio
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

from backend.core.keys import Keys, fingerprint
from backend.core.settings import Settings
from backend.law.catalogue import law
from mobile_api import printing
from mobile_api.cli import serving
from mobile_api.cli.commands.people import counted
from mobile_api.cli.demo_film import Film, film
from mobile_api.cli.demo_people import PASSWORD, PEOPLE, bring_in_people, codes_for, enrolled
from mobile_api.cli.drawing import ZONE, draw
from mobile_api.cli.serving import Ended, House, ServingError
from mobile_api.client.api import Client, DeskClient, Problem, digest_of
from mobile_api.client.device_key import DeviceKey
from mobile_api.client.outbox import Outbox
from storage.language import by_locale

FACTORS: dict[str, str] = {}  # otpauth addresses of those who set a second factor up, by badge
NOTICE = {"id_shown": True, "told": "向被盘查人表明身份，说明依据", "recusal_right_told": True}
BATTERY = 7.0  # seconds that the recorder is off: more than the tolerance
AFTER_THE_BATTERY = "DSJ0042_FJ1001_0003.mp4"
SLOW = 0.35  # seconds between parts on the bad connection
BIG = 64 * 1024**2
PATIENCE = 300.0  # seconds for whatever is waited for: a busy machine is slow, and nothing else
BROUGHT = 3  # films of the patrol: the holds cover them and the bill
CLAIMS = (  # what the demonstration shows, in the order of _patrol
    (
        "盘查在符合规定之前被拒绝，并指出条款",
        "the stop-and-question was refused with its article until it was as the law asks",
    ),
    ("带班民警确认带班", "the officer confirmed that they lead"),
    ("被中断的上传从存储已有的部分继续", "the killed upload went on from what the store had"),
    ("录像缺口被发现，并已说明", "the gap in the footage was found, and is explained"),
    (
        "断网两小时的记录完整到达，各一次，时间不变",
        "two hours without a network arrived whole, each fact once, when it happened",
    ),
    ("求助立即送达，有人接应并结束", "a call for help was heard at once, taken and closed"),
    ("回避的人不得参与该案，其他案件不受影响", "who stepped aside may not work on that case, but on any other"),
    (
        "带班民警上报负伤，前后录像已保全",
        "an injury was reported by the leading officer, and the footage around it is held",
    ),
    ("费用已批准、支付、结清，账目相符", "its costs were approved, paid and settled, and the ledger adds up"),
    ("督察看到该缺口，没有其他问题", "the inspector sees that gap, and nothing else"),
    (
        "督察看过什么记入日志，被看的人可以查阅",
        "what the inspector watched is in the journal, and the one watched may read it",
    ),
    ("日志以证据密钥的指纹核验通过", "the journal verifies against the fingerprint of the evidence key"),
    (
        "导出的数据包自证其真；改动一个字节即被拒绝",
        "the exported package proves itself; with one byte changed it is refused",
    ),
)
console = Console(highlight=False, emoji=False)


def play(keep: bool) -> int:
    """Run the whole demonstration. Returns the exit code."""
    home = Path(tempfile.mkdtemp(prefix="fujing-demo-"))
    try:
        with serving.until_signalled():
            return _play(home, keep)
    except Ended:
        console.print(by_locale("已结束", "ended"))
        return 0 if keep else 130
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _play(home: Path, keep: bool) -> int:
    begun = time.monotonic()
    title = by_locale("一次巡逻，从登录到封存回执", "a patrol, from sign-in to sealed receipt")
    console.print(Panel(f"辅警 Fujing · {title}", expand=False))
    _say(
        "正在临时目录中启动 PostgreSQL、S3、接口和后台任务……",
        "starting PostgreSQL, S3, the API and the worker in a temporary directory …",
    )
    with serving.house(Settings(data_dir=home / "data")) as house:
        took = time.monotonic() - begun
        _say(f"{took:.1f} 秒后就绪：{house.url}", f"ready after {took:.1f} s: {house.url}")
        zh, en = counted(asyncio.run(bring_in_people(house.settings)))
        _say(f"名册已导入：{zh}", f"roster: {en}")
        passed = _patrol(house, home)
        verdict = by_locale("全部属实", "all true") if passed else by_locale("并非全部属实", "NOT all true")
        took = time.monotonic() - begun
        verdict = by_locale(f"{verdict}，用时 {took:.0f} 秒", f"{verdict} after {took:.0f} s")
        console.print(f"\n[{'green' if passed else 'red'}]{verdict}[/]")
        _print_logins(house, keep)
        if keep:
            house.wait()
    return 0 if passed else 1


def _handhelds(house: House, home: Path) -> list[Client]:
    """Enrol the devices; each has its own key."""
    codes = asyncio.run(codes_for(house.settings))
    _say(
        f"{len(codes)} 台设备用一次性登记码登记，各有自己的密钥",
        f"{len(codes)} devices enrolled, each with a key of its own, by codes that work once",
    )
    return [enrolled(house.url, code, home / f"{serial}.pem") for serial, code in codes.items()]


def _patrol(house: House, home: Path) -> bool:
    """Play the whole day. Returns whether every claim was borne out."""
    lin, zhao, chen = _handhelds(house, home)
    lin.sign_in("FJ1001", PASSWORD)
    zhao.sign_in("100234", PASSWORD)
    officer = zhao.get("/v1/me")["id"]
    _say("林小雨和赵建国在手持终端上登录", "林小雨 and 赵建国 signed in on their handhelds")
    shift, confirmed = _begin(lin, zhao, officer)
    work = _work(house, home, lin)
    lin.entry("shifts/check-out", shift=shift)
    _say("林小雨签退", "林小雨 checked out")
    timeline = lin.get(f"/v1/shifts/{shift}")
    console.print()
    words = {code: message.sentence("zh") for code, message in law().messages.items()}
    console.print(draw(timeline, words, console.width))
    offline = _offline(chen, zhao, officer, home / "HH-0003.db")
    helped, aside = _helped(lin, zhao), _stepped_aside(house, lin)
    inspector = _inspector(house)
    hurt = _hurt(house, home, Hurt(lin, zhao, inspector))
    review = _review(house, home, Hurt(lin, zhao, inspector), hurt.injury)
    listed = inspector.get("/v1/findings")["items"]
    return _all_true(
        timeline,
        work.films,
        [
            work.refused,
            confirmed and any(leading["confirmed"] for leading in timeline["leading"]),
            work.resumed,
            work.explained,
            offline,
            helped,
            aside,
            hurt.held,
            hurt.adds_up,
            [finding["kind"] for finding in listed] == ["unrecorded"],
            review.is_known,
            review.journal,
            review.package,
        ],
    )


class Worked(NamedTuple):
    """The work of the patrol: what was refused, resumed and explained, and its films."""

    refused: bool
    resumed: bool
    explained: bool
    films: list[Film]


def _begin(lin: Client, zhao: Client, officer: str) -> tuple[str, bool]:
    """Check in and name the leading officer. Returns the shift, and whether the officer's yes counted."""
    shift = lin.entry(
        "shifts/check-in", duty_type="patrol", dress="uniform", id_card_carried=True, ordered_by=officer,
        equipment=["执法记录仪", "防刺背心", "对讲机"],
        place={"lat": 30.2592, "lon": 120.1640, "accuracy_m": 6.0, "datum": "WGS84"},
    )["shift"]["id"]  # fmt: skip
    named = lin.entry("supervisions/name", officer=officer)["supervision"]["id"]
    _say("林小雨签到巡逻，并指明赵建国带班", "林小雨 checked in to a patrol and named 赵建国 as leading officer")
    confirmed = zhao.entry("supervisions/confirm", supervision=named)["supervision"]["answer"] == "confirmed"
    _say("赵建国确认带班", "赵建国 confirmed that they lead")
    return shift, confirmed


def _work(house: House, home: Path, lin: Client) -> Worked:
    """A patrol with a stop in it: filmed with a gap, sent, and the gap explained."""
    patrol = lin.entry("activities/start", work="9.6")["id"]
    _say("开始 9.6 巡逻：由单位指挥即可", "9.6 巡逻 patrol begun: at the organ's command, no more is asked")
    refused = _refused(lin)
    stop = lin.entry("activities/start", work="10.3.question", officers_present=2, recording=True, public_notice=NOTICE)
    _say(
        "记录仪已开，第二名民警到场：10.3 盘查获准，开始",
        "recorder on, a second officer is here: 10.3 盘查 stop-and-question allowed and begun",
    )
    films = _record(home)
    lin.entry("activities/finish", activity=stop["id"])
    lin.entry("activities/finish", activity=patrol)
    _say("两项工作均已结束", "both finished")
    return Worked(refused, _upload(house, lin, films), _explained(lin, stop["id"]), films)


def _offline(chen: Client, zhao: Client, officer: str, path: Path) -> bool:
    """Two hours without a network, then the sync; the officer's phone gets the network back first."""
    began = datetime.now(UTC) - timedelta(hours=2)
    chen.sign_in("FJ1002", PASSWORD)
    person, outbox = chen.get("/v1/me")["id"], Outbox(path)
    shift, named = _patrol_offline(outbox, person, officer, began)
    queued = outbox.left(person).entries
    _say(
        f"陈文静在断网中巡逻两小时：手持终端待发 {queued} 条记录",
        f"陈文静 patrolled for two hours without a network: {queued} entries in the outbox of her handheld",
    )
    yes = {
        "verb": "supervisions/confirm",
        **zhao.new_entry(occurred_at=began + timedelta(minutes=2), supervision=named),
    }
    waited = zhao.sync([yes])["results"][0]["status"]
    _say(
        f"赵建国的手机先恢复网络；他对带班的确认：{waited}，因为指明带班的记录还没到",
        f"赵建国's phone sees the network first; his yes to her naming: {waited}, for the naming is on its way",
    )
    asked = time.monotonic()
    outbox.sync(chen, person)
    took = timedelta(seconds=time.monotonic() - asked)  # what an answer waits for is taken for the phone's clock
    left = outbox.left(person).entries
    outbox.close()
    timeline = chen.get(f"/v1/shifts/{shift}")
    confirmed = [leading["confirmed"] for leading in timeline["leading"]]
    since = _clock(timeline["leading"][0]["started_at"])
    _say(
        f"陈文静已同步：剩余 {left} 条，自 {since} 起带班并已确认",
        f"陈文静 synced: {left} entries left, led and confirmed from {since} on",
    )
    off = abs(datetime.fromisoformat(timeline["shift"]["started_at"]) - began)
    again = zhao.sync([yes])["results"][0]["status"]
    outcome = (queued, waited, left, confirmed, again)
    return outcome == (5, "waiting", 0, [True], "replayed") and off < timedelta(seconds=5) + took


def _patrol_offline(outbox: Outbox, person: str, officer: str, began: datetime) -> tuple[UUID, UUID]:
    """Put a patrol of nearly two hours into the outbox. Returns the shift and the naming."""

    def at(minute: float) -> datetime:
        return began + timedelta(minutes=minute)

    shift = outbox.add(
        person, "shifts/check-in", occurred_at=at(0), duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=officer, equipment=["执法记录仪", "对讲机"],
    )  # fmt: skip
    named = outbox.add(person, "supervisions/name", occurred_at=at(1), officer=officer)
    patrol = outbox.add(person, "activities/start", occurred_at=at(5), work="9.6")
    outbox.add(person, "activities/finish", occurred_at=at(100), activity=patrol)
    outbox.add(person, "shifts/check-out", occurred_at=at(110), shift=shift)
    return shift, named


def _helped(lin: Client, zhao: Client) -> bool:
    """A call for help: the officers of the station hear it, one takes it, it is closed with words."""
    call = lin.entry("assistance/call", kind="violence", words="一人持械，需要增援")["id"]
    heard = call in [each["id"] for each in zhao.get("/v1/assistance")["items"]]
    zhao.entry("assistance/acknowledge", call=call)
    zhao.entry("assistance/arrive", call=call)
    closed = lin.entry("assistance/close", call=call, words="已控制，无人受伤")["call"]["closed_at"]
    _say(
        "林小雨求助；赵建国接应、到场，求助结束",
        "林小雨 called for help; 赵建国 took the call, arrived, and it was closed",
    )
    return heard and closed is not None


def _stepped_aside(house: House, lin: Client) -> bool:
    """A party is a cousin: declared, granted at the bureau; it binds for that case and for no other."""
    case: dict[str, Any] = {"case_ref": "A9901005120260001", "case_kind": "administrative"}
    recusal = lin.entry("recusals/declare", ground="party_or_relative", words="当事人是我表弟", **case)
    chief = DeskClient(house.url)
    chief.sign_in("100001", PASSWORD)
    decision: dict[str, Any] = {"recusal": recusal["id"], "version": 1, "outcome": "granted", "why": "系当事人近亲属"}
    chief.entry("recusals/decide", **decision)
    unmet, other = (
        [rule["code"] for rule in lin.get("/v1/duty/verdict", work="9.6", case_ref=ref)["unmet"]]
        for ref in (case["case_ref"], "A9901005120260002")
    )
    _say(
        "林小雨申报当事人是其表弟；孙立批准回避：不得参与该案，也看不到其录像",
        "林小雨 declared that a party is her cousin; 孙立 granted it: no work on that case, and its footage is hidden",
    )
    return "recused" in unmet and "recused" not in other


class Hurt(NamedTuple):
    """Who was hurt, who reported it, and who looks at the footage."""

    lin: Client
    zhao: Client
    inspector: DeskClient


class Settled(NamedTuple):
    """Whether the footage is held and the ledger adds up; the injury's id."""

    held: bool
    adds_up: bool
    injury: str


def _hurt(house: House, home: Path, who: Hurt) -> Settled:
    """An injury from report to settlement: held, approved, paid, recognised, borne by fund and employer."""
    injury = who.zhao.entry(
        "injuries/report", person=who.lin.get("/v1/me")["id"], injured_at=datetime.now(UTC), severity="serious",
        how="制止斗殴时被推倒", doing="巡逻", body_part="右前臂", hospital="市第一人民医院",
        costs=[{"kind": "medical", "fen": 500_000, "words": "急诊押金"}],
    )["injury"]  # fmt: skip
    _say(
        "赵建国上报林小雨负伤：已立案垫付，前后录像已保全，三十日内申请认定",
        "赵建国 reported that 林小雨 was hurt: the advance is open, the footage around it held, 30 days to apply",
    )
    bill = _bill(who.lin, home, injury["id"])
    chief, payer = DeskClient(house.url), DeskClient(house.url)
    chief.sign_in("100001", PASSWORD)
    payer.sign_in("100009", PASSWORD)
    (item,) = [each for each in chief.get(f"/v1/advances/{injury['id']}")["items"] if each["state"] == "requested"]
    item = _booked(chief, "approve", item, fen=400_000, why="按押金批准")
    _say(
        "孙立批准 5000.00 元中的 4000.00 元；可打印给医院的承诺书",
        "孙立 approved 4000.00 yuan of 5000.00; the undertaking for the hospital can be printed",
    )
    item = _booked(payer, "pay", item, fen=400_000, receipt=bill, words="转账至医院")
    version = injury["version"]
    for step in ("apply", "accept", "recognise"):
        today = datetime.now(printing.BEIJING).date().isoformat()
        step_taken = {"injury": injury["id"], "version": version, "step": step, "on_day": today, "words": "文书已收"}
        version = chief.entry("injuries/recognition", **step_taken)["injury"]["version"]
    item = _booked(payer, "settle", item, payer="fund", fen=320_000, words="工伤保险基金拨付")
    _booked(payer, "settle", item, payer="employer", fen=80_000, words="目录外费用由单位承担")
    _say(
        "钱会计凭医院票据支付；认定为工伤；基金承担 3200.00 元，单位承担 800.00 元",
        "钱会计 paid on the hospital's bill; recognised as a work injury; the fund bore 3200.00, the employer 800.00",
    )
    adds_up = _adds_up(payer.get(f"/v1/advances/{injury['id']}"))
    return Settled(_is_held(who.inspector, injury["id"]), adds_up, injury["id"])


def _bill(lin: Client, home: Path, injury: str) -> str:
    """The hospital's bill: declared and sent as footage is, and attached to the injury."""
    file = home / "bill.txt"
    file.write_text("市第一人民医院 急诊押金 5000.00 元\n" * 10, encoding="utf-8")
    paper = lin.declare(file, "documents/declare", title="急诊票据", media_type="text/plain")
    lin.upload(paper, file)
    lin.complete(paper)
    lin.entry("injuries/attach", injury=injury, papers=[str(paper)])
    return str(paper)


def _booked(desk: DeskClient, verb: str, item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Record a decision about a cost, for the version that was read. Returns the cost as it is then."""
    target: dict[str, Any] = {"item": item["id"], "version": item["version"]}
    return desk.entry(f"advances/{verb}", **target, **fields)["item"]


def _is_held(inspector: DeskClient, injury: str) -> bool:
    """Wait until the store holds every file that the holds cover, which the worker tells it within seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        holds = [hold["id"] for hold in inspector.get("/v1/holds")["items"] if hold["about"] == injury]
        covers = {each["id"]: each for hold in holds for each in inspector.get(f"/v1/holds/{hold}")["covers"]}
        held = [each["legal_hold"] for each in covers.values()]
        if (len(held) > BROUGHT and all(held)) or time.monotonic() > deadline:
            _say(
                f"存储为此保全 {len(held)} 个文件中的 {sum(held)} 个，不论其期限",
                f"the store keeps {sum(held)} of {len(held)} files for it, whatever their date",
            )
            return len(held) > BROUGHT and all(held)
        time.sleep(0.2)


class Review(NamedTuple):
    """Whether the auxiliary can read who watched, the journal verifies, and the package does until it is altered."""

    is_known: bool
    journal: bool
    package: bool


def _review(house: House, home: Path, who: Hurt, injury: str) -> Review:
    """An inspector finds the gap, watches under a review, places a hold and exports a package, which is checked."""
    inspector = who.inspector
    (gap,) = (each for each in inspector.get("/v1/findings")["items"] if each["kind"] == "unrecorded")
    began = _clock(gap["started_at"])
    _say(
        f"吴敏发现 {began} 的缺口，调阅其后的录像", f"吴敏 finds the gap of {began}, and looks at the footage after it"
    )
    recording = inspector.get("/v1/recordings")["items"][0]
    review = inspector.entry("reviews/open", recording=recording["id"], purpose="injury", number=injury)["id"]
    watched, span = home / "watched.bin", (0, 999_999)
    size = inspector.download(f"/v1/recordings/{recording['id']}/content", watched, span=span, review=review)
    inspector.entry("reviews/note", review=review, at_ms=1000, words="恢复录制，已说明更换电池")
    inspector.entry(
        "holds/place", recording=recording["id"], number="督〔2026〕17号", reason="核查中断", category="case_evidence"
    )
    _say(
        f"已注明事由调阅，看了 {size:,} 字节，在 0:01 加注，并永久保全",
        f"a review opened with its purpose, {size:,} bytes watched, a note at 0:01, a permanent hold placed",
    )
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
    _say("改动数据包的一个字节：", "one byte of the package is changed:")
    refused = _fujing(house, "verify-package", *trust, str(package))
    return Review(served == [size] == [1_000_000], journal == 0, (proved, refused) == (0, 1))


def _fujing(house: House, *words: str) -> int:
    """Run a command as anybody does, and print its last lines. Returns its exit code."""
    console.print("  fujing " + " ".join(word if len(word) < 40 else f"{word[:8]}…" for word in words))
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "mobile_api.cli", *words],
        env=serving.environment(house.settings), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    for line in done.stdout.splitlines()[-8:]:
        console.print(f"    {line}", markup=False, soft_wrap=True)
    return done.returncode


def _adds_up(ledger: dict[str, Any]) -> bool:
    """Print the ledger in yuan. Returns whether the payers together bore what was paid."""
    sums = ledger["sums"]
    table = Table("费用 cost", "申请 asked", "批准 approved", "支付 paid", "基金 fund", "单位 employer", "未结 open")
    names = ("requested", "approved", "paid", "fund", "employer", "outstanding")
    table.add_row("医疗 medical", *(printing.yuan(sums[f"{name}_fen"]) for name in names))
    console.print(table)
    bore = sum(sums[f"{payer}_fen"] for payer in ("fund", "employer", "accident_insurer", "third_party", "recovered"))
    return sums["paid_fen"] == bore + sums["outstanding_fen"] == 400_000 and sums["outstanding_fen"] == 0


def _inspector(house: House) -> DeskClient:
    """An inspector at a desk for the first time: a second factor must be set up before anything is shown."""
    inspector = DeskClient(house.url)
    inspector.sign_in("100007", PASSWORD)
    uri = inspector.set_up_factor(PASSWORD)
    inspector.confirm_factor(pyotp.TOTP(pyotp.parse_uri(uri).secret).now())
    FACTORS["100007"] = uri
    _say(
        "吴敏在办公电脑登录，并设置督察必须使用的第二因素",
        "吴敏 signed in at a desk and set up the second factor that inspectors need",
    )
    return inspector


def _clock(moment: str) -> str:
    """The time of day in Beijing, as the drawing shows it."""
    return f"{datetime.fromisoformat(moment).astimezone(ZONE):%H:%M:%S}"


def _refused(lin: Client) -> bool:
    """Ask for a verdict before the conditions hold, then try it all the same. Returns whether both rules refused."""
    outcome = lin.get("/v1/duty/verdict", work="10.3.question")["outcome"]
    _say(f"现在可以盘查吗？{outcome}", f"may I stop and question now? {outcome}")
    try:
        lin.entry("activities/start", work="10.3.question")
    except Problem as problem:
        for rule in problem.body["unmet"]:
            article, english = rule["article"], law().messages[rule["code"]].en
            where = f"R.{article}" if article[0].isdigit() else article
            no = by_locale("不可", "no")
            console.print(f"    [red]{no}[/] {where}  {rule['message']}\n       [dim]{english}[/]", soft_wrap=True)
        return {"too_few_officers", "not_recording"} == {rule["code"] for rule in problem.body["unmet"]}
    return False


def _explained(lin: Client, activity: str) -> bool:
    """The gap of the change of battery: the server finds it, the auxiliary explains it. Returns whether both."""
    gaps = lin.get(f"/v1/activities/{activity}")["activity"]["gaps"]
    for gap in gaps:
        start, end = _clock(gap["started_at"]), _clock(gap["ended_at"])
        _say(f"{start} 至 {end} 没有录像：由服务器发现", f"not recorded from {start} to {end}: found by the server")
    lin.entry("recordings/explain", activity=activity, cause="battery", words="更换电池，恢复后已说明", spoken=True)
    _say(
        "林小雨说明原因：更换电池；缺口保留，标为已说明",
        "林小雨 explained it: 更换电池 (battery); it stands, explained",
    )
    after = lin.get(f"/v1/activities/{activity}")["activity"]["gaps"]
    return [gap["kind"] for gap in gaps] == ["recording"] and [gap["explained"] for gap in after] == [True]


def _all_true(timeline: dict, films: list[Film], outcomes: list[bool]) -> bool:
    """Print every claim of the demonstration and whether the server bears it out. Returns whether all are true."""
    claims = [(by_locale(*claim), is_true) for claim, is_true in zip(CLAIMS, outcomes, strict=True)]
    has_big = max(film.path.stat().st_size for film in films) > BIG
    are_sealed = ["sealed"] * len(films) == [row["state"] for row in timeline["recordings"]]
    as_claimed = all(finding["kind"] == "unrecorded" for finding in timeline["findings"])
    claims += [
        (by_locale(f"{len(films)} 个文件，其中一个超过 64 MiB", f"{len(films)} files, one over 64 MiB"), has_big),
        (by_locale("每个文件均已封存", "every file is sealed"), are_sealed),
        (
            by_locale("每份回执核验通过，时长与申报相符", "every receipt verified, every duration as claimed"),
            as_claimed,
        ),
    ]
    console.print()
    for sentence, is_true in claims:
        console.print(f"  [{'green' if is_true else 'red'}]{'✓' if is_true else '✗'}[/] {sentence}")
    return all(is_true for _, is_true in claims)


def _record(home: Path) -> list[Film]:
    """Record in real time, as a body-worn recorder: two ordinary files and a big one."""
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
            bar = bars.add_task(by_locale(f"录制 {name}", f"recording {name}"), total=options["seconds"])
            films.append(film(home / name, live=True, progress=partial(_reach, bars, bar), **options))
    return films


def _upload(house: House, lin: Client, films: list[Film]) -> bool:
    """Send every file; the big one from a phone that is killed half-way, then from another.

    Returns whether the other went on from what was there.
    """
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
            bar = bars.add_task(by_locale(f"发送 {taken.path.name}", f"sending   {taken.path.name}"), total=size)
            left = sum(part["bytes"] for part in lin.get(f"/v1/uploads/{upload}/parts")["missing"])
            bars.update(bar, completed=size - left)
            there = lin.upload(upload, taken.path, sent=partial(bars.advance, bar))
        if size > BIG:
            resumed = there > 0
            _say(
                f"另一进程接着发送：存储已有 {there} 个分片",
                f"another process went on: the store had {there} parts already",
            )
        lin.complete(upload)
        lin.receipt(upload, bytes=size, sha256=sha256, wait=PATIENCE)
        _say(f"{taken.path.name} 已封存，回执核验通过", f"{taken.path.name} sealed; its receipt verified")
    return resumed


def _killed_in_the_middle(house: House, lin: Client, upload: UUID, path: Path) -> None:
    """Start the upload from a phone on a bad connection; kill it once the store has three parts."""
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
        env=serving.environment(house.settings),
        stdin=subprocess.PIPE,
    )
    try:
        assert phone.stdin is not None  # noqa: S101 - for the type checker
        phone.stdin.write(PASSWORD.encode() + b"\n")
        phone.stdin.close()
        deadline = time.monotonic() + PATIENCE
        while sum(last - first + 1 for first, last in lin.get(f"/v1/uploads/{upload}/parts")["have"]) < 3:
            if phone.poll() is not None or time.monotonic() > deadline:
                raise ServingError(
                    "演示用的手机在被终止之前已退出", "the phone of the demonstration ended before it could be killed"
                )
            time.sleep(0.1)
    finally:
        phone.send_signal(signal.SIGKILL)
        phone.wait()
    _say("正在发送的手机中途被强行终止（kill -9）", "the phone that was sending was killed in the middle (kill -9)")


def _phone(url: str, badge: str, key: str, upload: str, path: str, pause: str) -> None:
    """The phone that is killed: one lane, and a pause after each part."""
    client = Client(url, key=DeviceKey.kept_in(Path(key)))
    client.sign_in(badge, sys.stdin.readline().strip())
    client.upload(UUID(upload), Path(path), lanes=1, sent=lambda _: time.sleep(float(pause)))


def _print_logins(house: House, keep: bool) -> None:
    """Where the API is, and who may sign in."""
    if keep:
        until = by_locale("按 Ctrl-C 结束", "Ctrl-C ends it")
    else:
        until = by_locale(
            "已结束；`fujing demo --keep` 会保持运行", "ended now; `fujing demo --keep` leaves it running"
        )
    logins = "\n".join(f"  {badge}  {who}" for badge, who in PEOPLE.items())
    desk = by_locale("办公电脑登录用的验证器地址：", "at a desk, for an authenticator app: ")
    logins += "".join(f"\n  {badge} {desk}{uri}" for badge, uri in FACTORS.items())
    where = by_locale(
        f"浏览器中的接口文档：{house.url}/docs\n所有人的口令：{PASSWORD}",
        f"API in a browser: {house.url}/docs\npassword of all: {PASSWORD}",
    )
    console.print(Panel(f"{where}\n{logins}\n{until}", expand=False))


def _reach(bars: Progress, bar: TaskID, at: float) -> None:
    bars.update(bar, completed=at)


@contextmanager
def _progress(*columns: object) -> Iterator[Progress]:
    with Progress(TextColumn("  {task.description}"), BarColumn(), *columns, console=console) as bars:  # type: ignore[arg-type]
        yield bars


def _say(zh: str, en: str) -> None:
    console.print(f"  {by_locale(zh, en)}")


if __name__ == "__main__":
    _phone(*sys.argv[1:])
