"""People of the tests: each comes fresh from the roster, signed in, and speaks plain HTTP.

A person fills in what every entry carries (id, occurred_at, device_seq, sent_at); a test says only what it is about,
and may contradict any of it.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import jwt
import msgspec
from argon2 import PasswordHasher
from litestar import Litestar

from backend.core.columns import SheetLine
from backend.core.database import DB, execute, value
from backend.core.days import day_of
from backend.people import roster, roster_files, sessions
from backend.people.roster_files import RosterRow
from mobile_api.client.device_key import DeviceKey

CITY, DISTRICT, OTHER_DISTRICT = "330100000000", "330102000000", "330106000000"
STATION, SIBLING, ELSEWHERE = "330102010000", "330102020000", "330106010000"
ORGANS = (
    (CITY, "杭州市公安局", ""),
    (DISTRICT, "上城区分局", CITY),
    (OTHER_DISTRICT, "西湖区分局", CITY),
    (STATION, "城关派出所", DISTRICT),
    (SIBLING, "湖滨派出所", DISTRICT),
    (ELSEWHERE, "灵隐派出所", OTHER_DISTRICT),
)
PASSWORD = "a password of the street 口令"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # argon2id, and quick to check
IN_SERVICE = date(2020, 1, 1)
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
SURNAMES = "林赵吴陈周徐孙马朱胡"
ROSTER_HEADER = "record,code,name,kind,organ,from,until\n"
ENDED = """
WITH ended AS (UPDATE device_key SET ended_at = now(), end_reason = 're_enrolled'
    WHERE device = $1 AND ended_at IS NULL RETURNING id)
UPDATE session SET ended_at = now(), end_reason = 're_enrolled'
WHERE ended_at IS NULL AND device_key IN (SELECT id FROM ended)
"""
MET: set[tuple[str, str, int, str]] = set()
_numbers = itertools.count(1001)


@dataclass
class Client:
    """Somebody who speaks to the application, signed in or not."""

    app: Litestar
    address: str = "127.0.0.1"
    token: str | None = None
    key: DeviceKey | None = None  # of the device in their hand
    host: str = "http://fujing.test"  # the origin that they call
    http: httpx.AsyncClient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.transport = httpx.ASGITransport(app=self.app, client=(self.address, 40000))
        self.http = httpx.AsyncClient(transport=self.transport, base_url=self.host, trust_env=False)

    async def ask(self, method: str, path: str, *, english: bool = False, **options: Any) -> httpx.Response:
        headers = httpx.Headers(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"DPoP {self.token}")
        if english:
            headers["Accept-Language"] = "en"
        request = self.http.build_request(method, path, headers=headers, **options)
        if self.key is not None and "DPoP" not in headers:
            request.headers["DPoP"] = self.proof(method, str(request.url), request.headers, request.read())
        answer = await self.transport.handle_async_request(
            request
        )  # half of the time of http.send, which also redirects
        answer.request, answer.elapsed = request, timedelta()
        await answer.aread()
        if "set-cookie" in answer.headers:
            self.http.cookies.extract_cookies(answer)
        if answer.content and answer.headers.get("content-type", "").startswith("application/problem+json"):
            MET.add((method, path.partition("?")[0], answer.status_code, answer.json()["code"]))
        return answer

    def proof(self, method: str, url: str, headers: Mapping[str, str] = {}, body: bytes = b"", **claims: Any) -> str:
        """A proof by the device's key, with the server's nonce, for the token in these headers."""
        assert self.key is not None
        token = headers.get("Authorization", "").partition(" ")[2] or None
        claims = {"nonce": self.app.state.proofs.nonces.fresh(now())} | claims
        return self.key.proof(method, url, token=token, body=body, **claims)

    async def get(self, path: str, *, english: bool = False, **query: Any) -> httpx.Response:
        return await self.ask("GET", path, english=english, params=query)

    async def send(self, path: str, body: Mapping[str, Any], *, english: bool = False) -> httpx.Response:
        """Exactly this body, as JSON."""
        headers = {"Content-Type": "application/json"}
        return await self.ask("POST", path, english=english, content=msgspec.json.encode(body), headers=headers)

    async def tell(self, path: str, *, english: bool = False, **fields: Any) -> httpx.Response:
        """A call that is no entry: only `sent_at` is filled in."""
        return await self.send(path, {"sent_at": now()} | fields, english=english)

    async def sign_in(self, badge: str, password: str = PASSWORD, **fields: Any) -> httpx.Response:
        """On the device in hand; on a new one where there is none, or on the one whose serial number is given."""
        serial = fields.pop("device", None)
        if serial is not None or self.key is None:
            self.key = await an_enrolled_key(serial)
        return await self.tell("/v1/sessions", badge=badge, password=password, **fields)

    async def refresh(self, token: str) -> httpx.Response:
        return await self.tell("/v1/sessions/refresh", refresh_token=token)


@dataclass
class Someone(Client):
    """A person of the roster with an open session."""

    id: UUID = field(default_factory=uuid4)
    badge: str = ""
    name: str = ""
    organ: str = STATION
    refresh_token: str = ""
    seq: itertools.count = field(default_factory=lambda: itertools.count(1), repr=False)

    def entry(self, **fields: Any) -> dict[str, Any]:
        """What an entry carries, unless the test says otherwise; `at` is short for when it happened."""
        at = fields.pop("at", None) or now()
        common = {"sent_at": now(), "id": uuid4(), "occurred_at": at, "device_seq": next(self.seq)}
        return common | fields

    async def post(self, path: str, *, english: bool = False, **fields: Any) -> httpx.Response:
        """An entry."""
        return await self.send(path, self.entry(**fields), english=english)

    def item(self, verb: str, **fields: Any) -> dict[str, Any]:
        """An entry among others."""
        entry = self.entry(**fields) | {"verb": verb}
        del entry["sent_at"]
        return entry

    async def sync(self, *items: Mapping[str, Any], english: bool = False, **fields: Any) -> list[dict[str, Any]]:
        """What became of each of these entries."""
        answer = await self.tell("/v1/sync", english=english, **({"entries": items} | fields))
        assert 200 == answer.status_code, answer.text
        return answer.json()["results"]

    async def check_in(self, *, english: bool = False, **fields: Any) -> httpx.Response:
        return await self.post("/v1/shifts/check-in", english=english, **(a_check_in() | fields))

    async def check_out(self, shift: Any, **fields: Any) -> httpx.Response:
        return await self.post("/v1/shifts/check-out", shift=shift, **fields)

    async def names(self, officer: "Someone", **fields: Any) -> httpx.Response:
        return await self.post("/v1/supervisions/name", officer=officer.id, **fields)

    async def answer(self, verb: str, supervision: Any, **fields: Any) -> httpx.Response:
        """confirm, decline, end or hand-over."""
        return await self.post(f"/v1/supervisions/{verb}", supervision=supervision, **fields)

    async def hand_over(self, supervision: Any, officer: "Someone", **fields: Any) -> httpx.Response:
        return await self.answer("hand-over", supervision, officer=officer.id, **fields)

    async def starts(self, work: str, **fields: Any) -> httpx.Response:
        return await self.post("/v1/activities/start", work=work, **fields)

    async def finishes(self, activity: Any, **fields: Any) -> httpx.Response:
        return await self.post("/v1/activities/finish", activity=activity, **fields)

    async def amends(self, activity: Any, **fields: Any) -> httpx.Response:
        return await self.post("/v1/activities/amend", **({"activity": activity, "why": "补正"} | fields))

    async def explains(self, activity: Any, **fields: Any) -> httpx.Response:
        explanation = {"activity": activity, "cause": "battery", "words": "电池耗尽，更换后继续"}
        return await self.post("/v1/recordings/explain", **(explanation | fields))

    async def covers(self, activity: Any, **fields: Any) -> httpx.Response:
        cover = {"activity": activity, "covered_by": "fixed_camera", "source": "南门卡口 3 号球机"}
        return await self.post("/v1/recordings/cover", **(cover | fields))

    async def declare(self, **fields: Any) -> httpx.Response:
        return await self.post("/v1/recordings/declare", **(some_footage() | fields))

    async def open(self, **fields: Any) -> None:
        """A new session of this person."""
        tokens = (await self.sign_in(self.badge, **fields)).json()
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]


def now() -> datetime:
    return datetime.now(UTC)


def ago(**span: float) -> datetime:
    """So long ago; more than a minute ago is late."""
    return now() - timedelta(**span)


def moment(text: str) -> datetime:
    """A time as an answer tells it."""
    return datetime.fromisoformat(text)


def a_check_in() -> dict[str, Any]:
    return {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}


def some_footage() -> dict[str, Any]:
    return {
        "camera_serial": "DSJ-0042",
        "file_name": "DSJ0042_0001.mp4",
        "media_type": "video/mp4",
        "started_at": ago(minutes=10),
        "ended_at": ago(minutes=5),
    }


def a_badge(letters: str = "FJ") -> str:
    return f"{letters}{next(_numbers)}"


def organ_row(code: str, name: str, parent: str = "", line: int = 2) -> RosterRow:
    return a_row(record="organ", code=code, name=name, organ=parent, valid_from=None, line=line)


def a_row(**cells: Any) -> RosterRow:
    cells["line"] = SheetLine(cells.get("line", 2))
    common = {"name": "", "kind": "", "organ": "", "valid_from": IN_SERVICE, "valid_until": None}
    return RosterRow(**(common | cells))


def rows_of(
    badge: str, name: str, kind: str, organ: str, roles: Iterable[tuple[str, str]], **dates: Any
) -> list[RosterRow]:
    """A person and their roles as a roster tells them."""
    person = a_row(record="person", code=badge, name=name, kind=kind, organ=organ, **dates)
    return [person, *(a_row(record="role", code=badge, kind=role, organ=on) for role, on in roles)]


class Newcomer(NamedTuple):
    """A person whom the roster brought in, with a password, who never signed in."""

    id: UUID
    badge: str
    name: str


async def newcomers(
    count: int, kind: str, organ: str, name: str, roles: Iterable[tuple[str, str]] = (), **dates: Any
) -> list[Newcomer]:
    """So many people of this kind, brought in at once."""
    badges = [a_badge("P" if kind == "officer" else "FJ") for _ in range(count)]
    names = {badge: name or f"{SURNAMES[int(badge[-1])]}某" for badge in badges}
    rows = [rows_of(badge, names[badge], kind, organ, roles, **dates) for badge in badges]
    await roster.bring_in(list(itertools.chain.from_iterable(rows)))
    found = [Newcomer(await roster.person_id_of(badge), badge, names[badge]) for badge in badges]
    for newcomer in found:
        await sessions.set_hash(newcomer.id, CHEAP, now())
    return found


async def one_of_many(kind: str, organ: str, name: str) -> Newcomer:
    """A newcomer whom no test has met.

    An import reads the whole roster. So what is often asked for is brought in by twos, fours, at last by sixteen.
    """
    waiting = _waiting[DB.config["dsn"], kind, organ, name]
    if not waiting.people:
        waiting.people = await newcomers(waiting.next_time, kind, organ, name)
        waiting.next_time = min(2 * waiting.next_time, 16)
    return waiting.people.pop()


@dataclass
class Waiting:
    """Newcomers of one kind, organ and name who wait for a test; how many are brought in when none is left."""

    people: list[Newcomer] = field(default_factory=list)
    next_time: int = 1


_waiting: dict[tuple[str, ...], Waiting] = defaultdict(Waiting)


async def somebody(
    app: Litestar, kind: str, organ: str = STATION, name: str = "", roles: Iterable[tuple[str, str]] = (), **dates: Any
) -> Someone:
    """A fresh person of this kind with a password, signed in."""
    if roles or dates or DB.current_transaction.get() is not None:
        (newcomer,) = await newcomers(1, kind, organ, name, roles, **dates)
    else:
        newcomer = await one_of_many(kind, organ, name)
    someone = Someone(app, id=newcomer.id, badge=newcomer.badge, name=newcomer.name, organ=organ)
    if roles:  # a device of their own: what weighs most is open to them without a code
        someone.key = await an_enrolled_key(organ=organ, person=newcomer.id)
    await someone.open()
    return someone


async def a_duty_auxiliary(app: Litestar, organ: str = STATION, name: str = "林小川") -> Someone:
    return await somebody(app, "duty_auxiliary", organ, name)


async def a_civilian_auxiliary(app: Litestar, organ: str = STATION, name: str = "陈文静") -> Someone:
    return await somebody(app, "civilian_auxiliary", organ, name)


async def an_officer(app: Litestar, organ: str = STATION, name: str = "赵立") -> Someone:
    return await somebody(app, "officer", organ, name)


async def a_clerk(app: Litestar, organ: str = STATION, name: str = "周敏") -> Someone:
    return await somebody(app, "staff", organ, name)


async def a_commander_of(app: Litestar, organ: str, name: str = "孙所长") -> Someone:
    return await somebody(app, "officer", organ, name, roles=[("commander", organ)])


async def an_inspector_of(app: Litestar, organ: str, name: str = "吴督察") -> Someone:
    return await somebody(app, "officer", organ, name, roles=[("inspector", organ)])


async def a_treasurer_of(app: Litestar, organ: str, name: str = "钱会计") -> Someone:
    return await somebody(app, "staff", organ, name, roles=[("treasurer", organ)])


async def a_dock(app: Litestar, organ: str = STATION, name: str = "采集工作站") -> Someone:
    """A docking station, which is a principal like any person."""
    return await somebody(app, "dock", organ, name)


def a_day(days_ago: int = 0) -> date:
    """A day by the calendar of China; 0: today, 1: yesterday, -1: tomorrow."""
    return day_of(now()) - timedelta(days=days_ago)


async def leaves(someone: Someone, days_ago: int = 1) -> None:
    """Their service ended that many days ago, by the roster."""
    await execute(
        "UPDATE stint SET during = daterange(lower(during), $2, '[]') WHERE person = $1 AND upper_inf(during)",
        someone.id, a_day(days_ago),
    )  # fmt: skip


async def moves(someone: Someone, organ: str, days_ago: int = 0) -> None:
    """They have served in another organ since that many days ago, by the roster."""
    kind = await value("SELECT kind FROM person_now WHERE id = $1", someone.id)
    row = a_row(
        record="person", code=someone.badge, name=someone.name, kind=kind, organ=organ, valid_from=a_day(days_ago)
    )  # fmt: skip
    await roster.bring_in([row])


async def a_device(serial: str | None = None) -> str:
    """A registered handheld; its serial."""
    serial = serial or f"HH-{uuid4().hex[:12]}"
    await roster.bring_in([a_row(record="device", code=serial, name="手持终端", kind="handheld", organ=STATION)])
    return serial


async def a_phone(app: Litestar) -> Client:
    """An enrolled device in a stranger's hand."""
    return Client(app, key=await an_enrolled_key())


async def an_administrator_of(app: Litestar, organ: str, name: str = "管理员") -> Someone:
    return await somebody(app, "staff", organ, name, roles=[("administrator", organ)])


async def an_enrolled_key(serial: str | None = None, organ: str = STATION, person: UUID | None = None) -> DeviceKey:
    """A key in force on this device, or on a new one, straight into the database; an earlier one ends.

    `person`: for whom alone the device is registered; None: it is shared.
    """
    key, device = DeviceKey(), "SELECT id FROM device WHERE serial = $1"
    if serial is None:
        device = "INSERT INTO device (serial, name, kind, organ) VALUES ($1, '手持终端', 'handheld', $2) RETURNING id"
    found = await value(device, *([f"HH-{uuid4().hex[:12]}", organ] if serial is None else [serial]))
    await execute(ENDED, found)
    await execute(
        "INSERT INTO device_key (device, jkt, jwk, enrolled_at, person) VALUES ($1, $2, $3, now(), $4)",
        found, key.jkt, msgspec.json.encode(key.jwk).decode(), person,
    )  # fmt: skip
    return key


async def trained(someone: Someone, *rows: str) -> None:
    """Trained before the job this year, or whatever `rows` (kind, from, until) say."""
    lines = [f"qualification,{someone.badge},,{row}" for row in rows or ["pre_job_training,,2026-06-01,"]]
    await roster.bring_in(roster_files.read(ROSTER_HEADER + "\n".join(lines) + "\n"))


async def a_led_patrol(app: Litestar, **span: float) -> tuple[Someone, Someone, str, str]:
    """Lin on shift since `span` ago, led by Zhao, who confirmed: (Lin, Zhao, shift, supervision)."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    since = ago(**(span or {"minutes": 30}))
    shift = recorded(await lin.check_in(at=since))["id"]
    naming = recorded(await lin.names(zhao, at=since + timedelta(minutes=1)))["id"]
    recorded(await zhao.answer("confirm", naming, at=since + timedelta(minutes=2)))
    return lin, zhao, shift, naming


def session_of(someone: Someone) -> UUID:
    """The id of the session that is open on their device, as the token says it."""
    return UUID(jwt.decode(someone.token or "", options={"verify_signature": False})["sid"])


def a_yes(officer: Someone, auxiliary: Someone, naming: Any, at: datetime) -> str:
    """The officer's device signs a naming made at `at`."""
    assert officer.key is not None
    return officer.key.leading(
        naming=naming, auxiliary=auxiliary.id, officer=officer.id, occurred_at=at, session=session_of(officer)
    )


def recorded(answer: httpx.Response) -> dict[str, Any]:
    """The receipt of an entry that was recorded for the first time."""
    assert (201, "recorded") == (answer.status_code, answer.json().get("status")), answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of a refusal with this status and code."""
    assert (status, code) == (answer.status_code, answer.json().get("code")), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.json()


def codes(notes: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted(note["code"] for note in notes)


def matches(template: str, path: str) -> bool:
    """Whether a path is of this template of the contract."""
    return _pattern(template).fullmatch(path) is not None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template))
