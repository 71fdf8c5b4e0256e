"""Nothing tells that a matter exists to whom it is about: every read, asked before and after.

Three small stations of their own. In one Lin is complained of, who was led by Sun, who holds every role there, and then
by Zhao. In another Wei is harassed by Qin, who holds every role there and led Wei, and appeals against Qin. In the
third Tang appeals against Qian, and Ma serves, whose impartiality is doubted. Chen has nothing to do with any of it.
For Wu, an inspector above who handles all of it, it exists.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar import Litestar

from backend.core import findings
from backend.core.database import execute, fetch
from backend.core.verb import Verb
from backend.evidence.retention import category_holds, falling_due, legal_holds
from backend.held.service import flag_overdue_waits
from backend.people import roster
from backend.registry import VERBS
from backend.worker import OVERDUE
from tests import every_verb, traces
from tests.api.test_documents import brought, content
from tests.api.test_events import listening
from tests.api.test_held import revoke
from tests.builders import Someone, a_day, ago, now, organ_row, recorded, somebody
from tests.contract_problems import OPERATIONS
from tests.databases import by_owner
from tests.devices import sealed, some_bytes
from tests.traces import Read, Seen, Things, differences, questions, seen_by

CITY, BUREAU = "330100000000", "330177000000"
SOUTH, NORTH, EAST = "330177010000", "330177020000", "330177030000"
EVERY_ROLE = ("commander", "inspector", "treasurer", "administrator")
# Calls that answer what somebody may see, and are no reads by their method: asked like them.
READS_BY_POST = {"POST /v1/sync", "POST /v1/packages"}
# Calls that answer with what was done just now, by whoever calls.
DOES = {
    "POST /v1/sessions", "POST /v1/sessions/refresh", "POST /v1/sessions/current/code", "POST /v1/me/password",
    "POST /v1/devices/codes", "POST /v1/devices/codes/sheet", "POST /v1/devices/enrol", "POST /v1/desk/sessions",
    "POST /v1/devices/{serial}/revoke", "POST /v1/devices/{serial}/reinstate", "POST /v1/me/totp",
    "POST /v1/me/totp/confirm", "POST /v1/people/{badge}/totp/reset", "POST /v1/uploads/{upload}/complete",
    "POST /v1/uploads/{upload}/abort",
}  # fmt: skip


@dataclass
class Stations:
    """The people, the ids of their facts, and the ids that the matters will have."""

    app: Litestar
    people: dict[str, Someone]
    shifts: list[str] = field(default_factory=list)  # Lin's, Wei's
    films: dict[str, str] = field(default_factory=dict)  # by the wearer's badge, and how many hours ago
    acts: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)  # of the server's own
    papers: dict[str, str] = field(default_factory=dict)
    span: dict[str, str] = field(
        default_factory=lambda: {"from": f"{a_day(2)}T00:00:00+08:00", "to": now().isoformat()}
    )
    later: dict[str, UUID] = field(default_factory=lambda: {name: uuid4() for name in LATER})

    def __getattr__(self, name: str) -> Someone:
        return self.people[name]

    @property
    def askers(self) -> set[str]:
        """The ids and badge numbers of those who ask: a look at footage that is refused them leaves a line."""
        return {word for name in (*ABOUT, "wu") for word in (self.people[name].badge, str(self.people[name].id))}

    def film(self, name: str, hours: int = 19) -> str:
        return self.films[f"{self.people[name].badge} {hours}"]


COMPLAINTS = ("complaint_live", "complaint_late", "complaint_held", "complaint_ended")
MATTERS = ("appeal_live", "appeal_late", "appeal_held", "appeal_qin", "harassment")
REVIEWS = ("review_complaint", "review_leader", "review_matter", "review_opponent", "review_own")
RECUSALS = ("recusal_held", "recusal_waits", "recusal_live")
WAITING = ("complaint_waits", "appeal_waits", "appeal_qin_held", "harassment_waits", "link")
LATER = (*COMPLAINTS, *MATTERS, *REVIEWS, *RECUSALS, *WAITING, "hold_placed")


async def the_stations(app: Litestar) -> Stations:
    """People, shifts of yesterday, films, papers and acts; nothing of it goes on."""
    organs = ((BUREAU, "钱塘分局", CITY), (SOUTH, "南站派出所", BUREAU), (NORTH, "北站派出所", BUREAU))
    await roster.bring_in([organ_row(*organ) for organ in (*organs, (EAST, "东站派出所", BUREAU))])
    kinds = {
        "duty_auxiliary": {"lin": SOUTH, "chen": SOUTH, "wei": NORTH, "tang": EAST, "hao": EAST, "ma": EAST},
        "officer": {"zhao": SOUTH, "sun": SOUTH, "qin": NORTH, "qian": EAST, "he": BUREAU, "fu": BUREAU, "wu": BUREAU},
        "staff": {"zhou": SOUTH, "xu": SOUTH},
    }
    roles = {"sun": EVERY_ROLE, "qin": EVERY_ROLE, "wu": ("inspector", "commander")}
    people = {
        name: await somebody(app, kind, organ, f"{name}某", [(role, organ) for role in roles.get(name, ())])
        for kind, served in kinds.items() for name, organ in served.items()
    }  # fmt: skip
    stations = Stations(app, people)
    await worked(stations)
    return stations


async def worked(stations: Stations) -> None:
    """Yesterday Lin was led by Sun and then by Zhao, Wei by Qin and then by Fu. They wore cameras."""
    lin, wei, sun, zhao, qin, fu = (stations.people[name] for name in ("lin", "wei", "sun", "zhao", "qin", "fu"))
    for who, first, then in ((lin, sun, zhao), (wei, qin, fu)):
        shift = recorded(await who.check_in(at=ago(hours=20)))["id"]
        stations.shifts.append(shift)
        await led(who, first, 19.9, 17)
        await acted(stations, who, 19.5, case_kind="none")
        await led(who, then, 16.9, 14)
        await acted(stations, who, 16.5, case_kind="criminal", case_ref=case_of(who))
        recorded(await who.check_out(shift, at=ago(hours=14)))
    morning, noon = ((who, 19) for who in (lin, wei, sun, qin)), ((who, 16) for who in (lin, wei, zhao))
    for who, hours in (*morning, *noon, (stations.chen, 19)):
        span = {"started_at": ago(hours=hours), "ended_at": ago(hours=hours - 0.2)}
        film = await sealed(stations.app, who, some_bytes(2000, uuid4().hex), **span)
        stations.films[f"{who.badge} {hours}"] = film
        await by_owner("UPDATE upload SET locked_until = now() + interval '1 hour' WHERE id = $1", UUID(film))
    for who in (stations.zhou, stations.tang):
        stations.papers[who.badge] = await brought(stations.app, who, content())


async def led(who: Someone, officer: Someone, since: float, until: float) -> None:
    """From so many hours ago until so many."""
    naming = recorded(await who.names(officer, at=ago(hours=since)))["id"]
    recorded(await officer.answer("confirm", naming, at=ago(hours=since - 0.1)))
    recorded(await officer.answer("end", naming, at=ago(hours=until)))


async def acted(stations: Stations, who: Someone, since: float, **fields: Any) -> None:
    """An act of an hour."""
    act = recorded(await who.starts("10.4", at=ago(hours=since), officers_present=2, **fields))["id"]
    recorded(await who.finishes(act, at=ago(hours=since - 1)))
    stations.acts.append(act)


def things(stations: Stations, holds: list[str]) -> Things:
    """What is asked about: what is there from the start, and what the matters bring."""
    later = {name: str(id) for name, id in stations.later.items()}
    films = [stations.film(*whose) for whose in (("lin",), ("wei",), ("sun",), ("qin",), ("zhao", 16))]
    ids = {
        "activity": stations.acts[::2], "shift": stations.shifts, "upload": films[:1], "recording": films,
        "document": list(stations.papers.values()), "badge": [stations.lin.badge, stations.sun.badge],
        "complaint": [later[name] for name in COMPLAINTS], "matter": [later[name] for name in MATTERS],
        "review": [later[name] for name in REVIEWS], "recusal": [later[name] for name in RECUSALS],
        "hold": [later["hold_placed"], *holds], "injury": [str(uuid4())], "call": [str(uuid4())],
    }  # fmt: skip
    query = {"wearer": str(stations.lin.id), "month": f"{now():%Y-%m}", "work": "10.3"}
    return Things(ids, stations.span | query | {"review": later["review_complaint"]})


def case_of(who: Someone) -> str:
    return f"杭公（钱）受案字〔2026〕{who.badge.strip('FJ')}号"


# -- the matters


async def live(stations: Stations) -> None:
    """Complained of at the desk, appealed against, harassed."""
    rude = {"channel": "phone", "words": "态度粗暴", "complainant": "王某", "contact": "13800000000"}
    shift = {"shift": stations.shifts[0], "papers": [stations.papers[stations.zhou.badge]]}
    for name in ("complaint_live", "complaint_ended"):
        recorded(await stations.zhou.post("/v1/complaints/receive", id=stations.later[name], **rude, **shift))
    wei, tang, film = stations.wei, stations.tang, stations.film("wei")
    appeal = {"kind": "appeal", "words": "考核扣分不公"}
    against_qian = {"against": stations.qian.id, "papers": [stations.papers[tang.badge]]}
    recorded(await tang.post("/v1/matters/raise", id=stations.later["appeal_live"], **appeal, **against_qian))
    against_qin = {"against": stations.qin.id, "recordings": [film]}
    recorded(await wei.post("/v1/matters/raise", id=stations.later["appeal_qin"], **appeal, **against_qin))
    harassed = {"kind": "harassment", "words": "被尾随辱骂", "against": stations.qin.id}
    harassed |= {"recordings": [film, stations.film("wei", 16)]}
    recorded(await wei.post("/v1/matters/raise", id=stations.later["harassment"], **harassed))


async def late(stations: Stations) -> None:
    """The same from handhelds that were offline for hours, with wrong clocks: there are findings about them."""
    rude = {"channel": "phone", "words": "推搡", "complainant": "李某", "person": stations.lin.id}
    complaint = stations.zhou.item(
        "complaints/receive", id=stations.later["complaint_late"], at=ago(hours=14), started_at=ago(hours=18), **rude
    )
    appeal = stations.tang.item(
        "matters/raise", id=stations.later["appeal_late"], at=ago(hours=14), kind="appeal", words="不公",
        against=stations.qian.id,
    )  # fmt: skip
    for who, item in ((stations.zhou, complaint), (stations.tang, appeal)):
        assert ["recorded"] == [each["status"] for each in await who.sync(item, sent_at=ago(minutes=15))]


async def held(stations: Stations) -> None:
    """The same waiting for something unknown, and from devices that were revoked."""
    rude = {"channel": "phone", "words": "辱骂", "complainant": "赵某", "person": stations.lin.id}
    rude |= {"started_at": ago(hours=18)}
    doubted = doubts_about(stations.ma)
    waits, later = {"papers": [uuid4()]}, stations.later
    qian, qin = ({"kind": "appeal", "words": "不公", "against": each.id} for each in (stations.qian, stations.qin))
    for who, verb, name, fields in (
        (stations.zhou, "complaints/receive", "complaint_waits", rude | waits),
        (stations.tang, "matters/raise", "appeal_waits", qian | waits),
        (stations.wei, "matters/raise", "harassment_waits", qin | {"kind": "harassment"} | waits),
        (stations.he, "recusals/apply", "recusal_waits", doubted | waits),
        (stations.wei, "matters/link", "link", {"matter": later["appeal_qin"], "recordings": [uuid4()]}),
    ):
        await waiting(who, who.item(verb, id=later[name], at=ago(hours=1), **fields))
    for who in (stations.xu, stations.hao, stations.he):
        await revoke(who)
    for who, verb, name, fields in (
        (stations.xu, "complaints/receive", "complaint_held", rude),
        (stations.hao, "matters/raise", "appeal_held", qian),
        (stations.hao, "matters/raise", "appeal_qin_held", qin),
        (stations.he, "recusals/apply", "recusal_held", doubted),
    ):
        await waiting(who, who.item(verb, id=later[name], at=ago(hours=1), **fields))
    overdue = "UPDATE held_entry SET until = now() - interval '1 hour' WHERE until IS NOT NULL AND id = ANY ($1)"
    await by_owner(overdue, list(later.values()))


def doubts_about(who: Someone) -> dict[str, Any]:
    """What a party says when they ask for somebody's recusal."""
    doubts = {
        "ground": "interest",
        "words": "与对方合伙经营",
        "person": who.id,
        "applicant": "孙某",
        "capacity": "party",
    }
    return doubts | {"case_ref": "A3301772026030077", "case_kind": "criminal"}


async def waiting(who: Someone, item: dict[str, Any]) -> None:
    (result,) = await who.sync(item)
    assert "waiting" == result["status"], result


async def looked_into(stations: Stations) -> None:
    """Footage is watched for the matters, held by hand, and packed."""
    wu, later = stations.wu, stations.later
    films = {name: stations.film(name) for name in ("lin", "sun", "wei", "qin")}
    for name, purpose, about, film in (
        ("review_complaint", "complaint", "complaint_live", films["lin"]),
        ("review_leader", "complaint", "complaint_live", films["sun"]),
        ("review_matter", "matter", "appeal_qin", films["wei"]),
        ("review_opponent", "matter", "harassment", films["qin"]),
    ):
        task = {"recording": film, "purpose": purpose, "number": str(later[about])}
        recorded(await wu.post("/v1/reviews/open", id=later[name], **task))
        answer = await wu.get(f"/v1/recordings/{film}/content", review=later[name])
        assert 200 == answer.status_code, answer.text
    recorded(await wu.post("/v1/reviews/close", review=later["review_complaint"], found=["other"], words="已看"))
    placed = {"number": str(later["complaint_live"]), "reason": "投诉核查", "person": stations.lin.id}
    placed |= {"started_at": ago(hours=20), "ended_at": ago(hours=14)}
    recorded(await wu.post("/v1/holds/place", id=later["hold_placed"], **placed))
    for kind, about in (("complaint", "complaint_live"), ("matter", "appeal_qin")):
        answer = await wu.tell("/v1/packages", kind=kind, number=str(later[about]))
        assert 200 == answer.status_code, answer.text


async def worker_works(stations: Stations) -> None:
    """What the worker does within minutes: it holds in the store, and finds what is overdue."""
    ids = list(stations.later.values())
    for table, terms in (("complaint", "notice_by"), ("matter", "answer_by")):
        over = f"UPDATE {table} SET {terms} = now() - interval '1 hour' WHERE id = ANY ($1) AND {terms} > now()"  # noqa: S608
        await by_owner(over, ids)
    await findings.find_overdue(now(), OVERDUE)
    await flag_overdue_waits(now())
    await category_holds.judge_moved(now())
    for hold in await fetch("SELECT id FROM hold WHERE organ = ANY ($1)", [SOUTH, NORTH]):
        await legal_holds.update_for(stations.app.state.store, hold["id"])


ONE_OF_EACH = """
SELECT DISTINCT ON (organ, origin, category) id FROM hold WHERE organ = ANY ($1) AND id <> ALL ($2)
ORDER BY organ, origin, category, placed_at, id
"""


async def holds_of(stations: Stations) -> list[str]:
    """The holds that the server placed itself, one of each origin and category: those seen before come first."""
    rows = await fetch(ONE_OF_EACH, [SOUTH, NORTH], list(stations.later.values()))
    stations.holds += [str(row["id"]) for row in rows if str(row["id"]) not in stations.holds]
    return stations.holds


async def heard_and_ended(stations: Stations) -> None:
    """Lin is heard in one complaint, watches a film for it and answers late; one is withdrawn, one founded unheard. The
    appeals are answered, unheard too. An application for Ma's recusal is on record."""
    wu, later = stations.wu, stations.later
    told = {"person": stations.lin.id, "substance": "群众反映态度生硬，请陈述当时情况"}
    hearing = recorded(await wu.post("/v1/complaints/hear", complaint=later["complaint_live"], version=1, **told))["id"]
    own = {"recording": stations.film("lin"), "hearing": hearing}
    recorded(await stations.lin.post("/v1/reviews/open-own", id=later["review_own"], **own))
    statement = stations.lin.item("hearings/answer", hearing=hearing, at=ago(minutes=20), words="语气稍急")
    assert ["recorded"] == [each["status"] for each in await stations.lin.sync(statement, sent_at=ago(minutes=15))]
    ended = {"version": 1, "words": "已办"}
    for name, outcome in (
        ("complaint_ended", {"outcome": "withdrawn"}),
        ("complaint_late", {"outcome": "founded", "unheard_why": "本人住院"}),
    ):
        recorded(await wu.post("/v1/complaints/conclude", complaint=later[name], **ended, **outcome))
    for name in ("appeal_live", "appeal_qin", "harassment"):
        recorded(await wu.post("/v1/matters/answer", matter=later[name], words="已复核"))
    recorded(await stations.fu.post("/v1/recusals/apply", id=later["recusal_live"], **doubts_about(stations.ma)))


# -- looking


ABOUT = ("lin", "zhao", "sun", "qian", "qin", "ma", "chen")  # Chen besides: nothing of it concerns Chen either
THOROUGH = {"lin", "sun", "qin"}  # who asks each list by its smallest page and as a workbook too


@dataclass
class Scene:
    """What each person saw at three moments, and which events came between them."""

    stations: Stations
    looks: list[dict[str, dict[str, Seen]]] = field(default_factory=list)
    events: list[dict[str, list[str]]] = field(default_factory=list)
    packages: list[dict[str, dict[str, Seen]]] = field(default_factory=list)
    probes: list[dict[str, dict[str, Seen]]] = field(default_factory=list)

    def changed(self, name: str, since: int, until: int) -> list[str]:
        return differences(self.looks[since][name], self.looks[until][name])


async def look(stations: Stations, cursors: dict[str, str], *, at_end: bool = False) -> dict[str, dict[str, Seen]]:
    """Everybody asks everything, all at once; Wu nothing that leaves a line about footage. At the end Wu does not ask,
    and each list is asked once."""
    asked = list(questions(stations.app, things(stations, await holds_of(stations))))
    plain = [read for read in asked if not read.variant]
    reads = {name: asked if name in THOROUGH and not at_end else plain for name in ABOUT}
    if not at_end:
        reads["wu"] = [read for read in plain if read.template not in traces.WATCHING]
    answers = await asyncio.gather(*(everything(stations, name, reads[name], cursors[name]) for name in reads))
    return dict(zip(reads, answers, strict=True))


async def everything(stations: Stations, name: str, asked: list[Read], cursor: str) -> dict[str, Seen]:
    """Every read, and what is new since the beginning."""
    who = stations.people[name]
    feed = Read("/v1/changes", f"/v1/changes?after={cursor}", ((cursor, "<cursor>"),))
    seen = await seen_by(who, [*asked, feed], stations.askers)
    answer = await who.tell("/v1/sync", entries=[], cursor=cursor)
    return seen | {"/v1/sync": traces.seen(answer, Read("/v1/sync", "/v1/sync"), stations.askers)}


async def packed(stations: Stations) -> dict[str, dict[str, Seen]]:
    """What is in packages of the cases in which Sun and Qin wore no camera themselves."""
    seen: dict[str, dict[str, Seen]] = {"sun": {}, "qin": {}}
    for name, worker in (("sun", stations.lin), ("qin", stations.wei)):
        who, read = stations.people[name], Read("/v1/packages", "/v1/packages")
        answer = await who.tell("/v1/packages", kind="case", number=case_of(worker))
        assert 200 == answer.status_code, answer.text
        seen[name][read.key] = traces.package_seen(answer, who)
    return seen


async def probed(stations: Stations) -> dict[str, dict[str, Seen]]:
    """What those with roles, and those whom it is about, are answered who send each verb about each of these things."""
    later = {name: str(id) for name, id in stations.later.items()}
    known = {
        "complaint": [later["complaint_live"], later["complaint_held"]],
        "matter": [later["appeal_qin"], later["appeal_live"]],
        "review": [later[name] for name in REVIEWS],
        "hold": [later["hold_placed"], *await holds_of(stations)],
        "held": [later["complaint_held"], later["appeal_qin_held"], later["recusal_held"]],
        "recusal": [later["recusal_held"]],
    }
    asked = [
        (verb, name, id)
        for verb in VERBS for name, ids in known.items() if name in verb.entry.__struct_fields__ for id in ids
    ]  # fmt: skip
    return {
        who: {
            f"{verb.name} <{name} {known[name].index(id)}>": await tried(stations.people[who], verb, name, id)
            for verb, name, id in asked
        }
        for who in ("lin", "sun", "qin", "ma")
    }


async def tried(who: Someone, verb: Verb, name: str, id: str) -> Seen:
    """The answer to this verb about this thing; nothing of it lasts."""
    body = verb.example | who.entry() | {name: id}
    answer, _ = await every_verb.undone(who, f"/v1/{verb.name}", msgspec.json.encode(body))
    return Seen(answer.status_code, (), answer.text if answer.status_code >= 400 else "")


async def heard_meanwhile(stations: Stations, *happen: Callable[[Stations], Awaitable[None]]) -> dict[str, list[str]]:
    """The events on everybody's stream while these things happen. Fu's own entry comes last: then all are in."""
    async with AsyncExitStack() as streams:
        people = {name: stations.people[name] for name in (*ABOUT, "fu")}
        heard = {name: await streams.enter_async_context(listening(stations.app, who)) for name, who in people.items()}
        for each in happen:
            await each(stations)
        recorded(await stations.fu.post("/v1/matters/raise", kind="suggestion", words="增加夜间照明"))
        await heard["fu"].until(1)
        return {name: heard[name].events() for name in ABOUT}


@pytest.fixture(scope="module")
async def scene(app: Litestar) -> Scene:
    """Before any matter; when they had arisen live, late and held; when some had ended."""
    stations = await the_stations(app)
    await worker_works(stations)
    packages = [await packed(stations)]
    cursors = {name: (await who.get("/v1/changes")).json()["cursor"] for name, who in stations.people.items()}
    made = Scene(stations, [await look(stations, cursors)], packages=packages, probes=[await probed(stations)])
    made.events.append(await heard_meanwhile(stations, live, late, held, looked_into, worker_works))
    made.looks.append(await look(stations, cursors))
    made.probes.append(await probed(stations))
    made.events.append(await heard_meanwhile(stations, heard_and_ended, worker_works))
    made.looks.append(await look(stations, cursors, at_end=True))
    packages.append(await packed(stations))
    return made


@pytest.mark.parametrize("name", ABOUT)
async def test_nothing_tells_of_a_matter_to_whom_it_is_about(scene: Scene, name: str) -> None:
    """R.13(5), 33, 34. No status, length, count, cursor, header, line or workbook differs from before."""
    lines = scene.changed(name, 0, 1)
    assert [] == lines, f"{len(lines)} traces\n" + "\n".join(lines)


@pytest.mark.parametrize("name", ["lin", "sun", "qin", "ma"])
async def test_no_refusal_tells_of_a_matter_to_whom_it_is_about(scene: Scene, name: str) -> None:
    """Whatever verb they send about it, by its very id: the answer is the one from before there was any."""
    before, after = scene.probes
    lines = differences(before[name], after[name])
    assert [] == lines, "\n".join(lines)


@pytest.mark.parametrize("name", ["sun", "qin"])
async def test_no_package_of_a_case_has_a_line_of_a_matter(scene: Scene, name: str) -> None:
    """Whoever inspects packs the footage of a case: not one line more, and nobody named who only handled the matter."""
    before, after = scene.packages
    assert [] == differences(before[name], after[name])


async def test_no_event_tells_of_a_matter_to_whom_it_is_about(scene: Scene) -> None:
    """A stream says only that there is something new, and for them there is not."""
    assert {name: [] for name in ABOUT} == scene.events[0]


async def test_footage_that_only_a_secret_holds_is_told_to_fall_due(scene: Scene) -> None:
    """Else whoever oversees the organ would see that the line does not come."""
    sun, film = scene.stations.sun, UUID(scene.stations.film("lin"))
    await falling_due.tell(now())
    cursor = (await sun.get("/v1/changes")).json()["cursor"]
    await execute("UPDATE upload SET due_told = NULL WHERE id = $1", film)
    await falling_due.tell(now())
    lines = (await sun.get("/v1/changes", after=cursor)).json()["items"]
    assert {"evidence/falling-due"} == {line["verb"] for line in lines}


async def test_who_handles_the_matters_sees_them(scene: Scene) -> None:
    """Else the other tests could pass by hiding everything."""
    templates = {line.partition("?")[0].partition(":")[0] for line in scene.changed("wu", 0, 1)}
    assert WU_SEES <= templates, WU_SEES - templates


WU_SEES = {
    "/v1/complaints", "/v1/complaints/<complaint 0>", "/v1/complaints/counts", "/v1/matters", "/v1/matters/<matter 0>",
    "/v1/findings", "/v1/held", "/v1/holds", "/v1/holds/<hold 0>", "/v1/reviews", "/v1/reviews/<review 0>",
    "/v1/recordings/falling-due", "/v1/recordings/<recording 0>/journal", "/v1/documents/<document 0>",
}  # fmt: skip


async def test_the_person_learns_of_it_when_they_are_heard_and_when_it_is_decided(scene: Scene) -> None:
    """R.34: from then on it is visible, and the stream says that there is something new. A withdrawn one too."""
    assert scene.events[1]["lin"]
    lines = scene.changed("lin", 1, 2)
    kinds = {line.partition("?")[0].partition(":")[0] for line in lines}
    late, ended = (COMPLAINTS.index(each) for each in ("complaint_late", "complaint_ended"))
    concluded = {f"/v1/complaints/<complaint {number}>" for number in (late, ended)}
    own = {f"/v1/reviews/<review {REVIEWS.index('review_own')}>{part}" for part in ("", "/watch", "/viewing")}
    assert {*LIN_IS_TOLD, *concluded, *own} == kinds, lines


LIN_IS_TOLD = (
    "/v1/hearings",
    "/v1/changes",
    "/v1/sync",
    "/v1/complaints",
    "/v1/reviews",
    "/v1/findings",
    "/v1/me/record",
)


async def test_whose_impartiality_is_doubted_learns_of_it_once_it_is_on_record(scene: Scene) -> None:
    """R.33: they may have to stand aside. Nothing of who asks for it, and what they say."""
    assert scene.events[1]["ma"]
    kinds = {line.partition("?")[0].partition(":")[0] for line in scene.changed("ma", 1, 2)}
    number = RECUSALS.index("recusal_live")
    assert {"/v1/changes", "/v1/sync", "/v1/recusals", f"/v1/recusals/<recusal {number}>"} == kinds
    assert not [words for words in ("孙某", "与对方合伙经营") if words in str(scene.looks[2]["ma"])]


@pytest.mark.parametrize("name", ["zhao", "qian", "qin", "chen"])
async def test_what_ends_unheard_leaves_no_trace_either(scene: Scene, name: str) -> None:
    """Who led, who is appealed against: nobody tells them, however it ended."""
    lines = scene.changed(name, 1, 2)
    assert [] == lines, "\n".join(lines)
    assert [] == scene.events[1][name]


async def test_who_led_and_oversees_sees_of_a_concluded_complaint_only_how_it_ended(scene: Scene) -> None:
    """In the lists of complaints, without a name; nothing of what goes on."""
    lines = scene.changed("sun", 1, 2)
    assert {"complaints"} == {line.split("/")[2].partition("?")[0] for line in lines}, "\n".join(lines)
    assert [] == scene.events[1]["sun"]
    assert "王某" not in str(scene.looks[2]["sun"])


def test_a_read_that_nobody_can_ask_fails() -> None:
    """A new read about a new kind of thing, or with a new parameter, is not passed over in silence."""
    with pytest.raises(KeyError):
        list(traces.paths("/v1/secrets/{secret}", Things({})))
    parameters = [{"name": "whom", "in": "query", "schema": {"type": "string"}}]
    with pytest.raises(AssertionError, match="what to ask with whom"):
        traces.query_of("/v1/secrets", parameters, Things({}))


def test_what_may_vary_is_said_of_reads_that_there_are(app: Litestar) -> None:
    """A row that is left over would hide a trace in a read of the same name one day."""
    assert set(traces.VARYING) - {"/v1/sync"} <= {template for template, _, _ in traces.reads_of(app)}


def test_every_call_that_is_no_entry_is_a_read_or_does_something(app: Litestar) -> None:
    """A new one is put into one of the two lists; what answers facts is asked above."""
    calls = {name for name in OPERATIONS if name.startswith("POST ")} - {f"POST /v1/{verb.name}" for verb in VERBS}
    assert READS_BY_POST | DOES == calls
