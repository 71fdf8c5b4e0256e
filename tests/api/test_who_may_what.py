"""Who may do what, to whose, from where: every route × every role × the organ, above, below and beside it.

docs/who-may-what.md has the expected answers, one row a route; a route without a row fails, and so does a row without
a route. Each question is put in a transaction that is undone, so that every one meets the same facts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
from litestar import Litestar

from backend.core.database import value
from backend.people import roster
from mobile_api.app import assemble
from mobile_api.cli.demo_film import film
from mobile_api.operations_server import for_operators
from tests import every_verb
from tests.api.test_documents import brought, content
from tests.builders import (
    DISTRICT,
    PASSWORD,
    SIBLING,
    STATION,
    Client,
    Someone,
    a_clerk,
    a_commander_of,
    a_device,
    a_led_patrol,
    ago,
    an_inspector_of,
    now,
    organ_row,
    recorded,
    refused,
    somebody,
)
from tests.databases import by_owner
from tests.devices import sealed, some_bytes

BELOW = "330102010100"
PLACES = (STATION, DISTRICT, BELOW, SIBLING)  # the organ, above, below, beside
KINDS = ("duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock")
ROLES = ("commander", "inspector", "treasurer", "administrator")
COLUMNS = (*KINDS, *ROLES)
LETTERS = {401: "a", 403: "-", 404: "0", 409: "c", 422: "u", 425: "c"}
PARAMETER = re.compile(r"\{(\w+)\}")
OBJECTS = (
    "shift", "supervision", "activity", "recording", "injury", "item", "complaint", "matter", "recusal", "call", "hold",
    "restriction", "finding", "review", "planned", "duty", "held", "time_off", "hearing",
    "order", "person",
)  # fmt: skip
ROW = re.compile(r"^\| `((?:GET|POST|DELETE) [^`]+)` \|(.*)\|$", re.MULTILINE)


@dataclass
class Question:
    """One request: what is asked and, where it is a list, what would have to be in it."""

    route: str
    path: str
    body: dict[str, Any] | None = None
    holds: str | None = None  # in the answer's text
    theirs: Someone | None = None  # who may for sure
    stays: bool = False  # it changes nothing, and cannot be put inside another transaction


@dataclass
class Scene:
    """Whoever may come, by column and place, and how each route answered them."""

    actors: dict[tuple[str, str], Someone]
    found: dict[str, list[str]] = field(default_factory=dict)

    async def ask(self, question: Question) -> None:
        """Put it to everybody, and to whoever is refused once more about what is not there at all."""
        if question.theirs is not None:
            assert "+" == letter(await tried(question.theirs, question), question), question.route
        absent, row = about_nothing(question), []
        for column in COLUMNS:
            letters = ""
            for place in PLACES:
                answer = await tried(self.actors[column, place], question)
                mark = letter(answer, question)
                if absent is not None and mark in "-0" and answer.status_code >= 400:
                    other = await tried(self.actors[column, place], absent)
                    mark = mark if same_words(answer) == same_words(other) else "x"
                letters += mark
            row.append(letters)
        self.found[question.route] = row


def about_nothing(question: Question) -> Question | None:
    """The same question about a thing that does not exist; none where it is about no thing."""
    if question.body is not None:
        named = next((name for name in OBJECTS if question.body.get(name) is not None), None)
        if named is not None:
            return replace(question, body=question.body | {named: uuid4()})
    *_, parameter = [None, *PARAMETER.findall(question.route)]
    if parameter is None:
        return None
    before = question.route.partition(" ")[2].partition("{")[0]
    thing = question.path.removeprefix(before).partition("/")[0].partition("?")[0]
    return replace(question, path=question.path.replace(thing, str(uuid4()), 1))


def same_words(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def tried(who: Someone, question: Question) -> httpx.Response:
    """The answer; nothing of it lasts."""
    if question.body is None:
        method, path = question.route.partition(" ")[0], httpx.URL(question.path)
        answer = await who.ask(method, str(path))
        while question.holds is not None and answer.is_success and question.holds not in answer.text:
            following = answer.json().get("next")
            if following is None:
                break
            answer = await who.ask(method, str(path.copy_set_param("cursor", following)))
        return answer
    if question.stays:
        return await who.send(question.path, question.body)
    body = question.body | ({"id": uuid4()} if "id" in question.body else {})
    answer, _ = await every_verb.undone(who, question.path, msgspec.json.encode(body))
    return answer


def letter(answer: httpx.Response, question: Question) -> str:
    """`+` done or shown, `-` not for them, `0` as though it were not there."""
    if answer.status_code >= 400:
        return LETTERS.get(answer.status_code, "?")
    return "0" if question.holds is not None and question.holds not in answer.text else "+"


async def actors_of(app: Litestar) -> dict[tuple[str, str], Someone]:
    """One of each kind and role in each place."""
    await roster.bring_in([organ_row(BELOW, "城关警务室", STATION)])
    found = {}
    for place in PLACES:
        for kind in KINDS:
            found[kind, place] = await somebody(app, kind, place)
        for role in ROLES:
            found[role, place] = await somebody(app, "officer", place, roles=[(role, place)])
    return found


@dataclass(frozen=True)
class Facts:
    """One thing of each kind, all of them about Lin, whom Zhao leads and Wu inspects."""

    lin: Someone
    zhao: Someone
    wu: Someone
    things: dict[str, str]  # the id of each by its name in a path; a device and Lin by serial and badge number
    duty_begins: datetime

    def get(self, path: str, holds: str | None = None, theirs: Someone | None = None, **query: Any) -> Question:
        """A GET. `holds`: the name of the thing that must be in the answer."""
        filled = str(httpx.URL(path.format(**self.things), params=query))
        return Question(f"GET {path}", filled, None, self.things[holds] if holds else None, theirs)

    def post(self, path: str, theirs: Someone | None = None, **fields: Any) -> Question:
        """A POST that is no entry."""
        return Question(f"POST {path}", path.format(**self.things), {"sent_at": now()} | fields, None, theirs)


async def facts_of(app: Litestar, shots: Path) -> Facts:
    lin, zhao, shift, naming = await a_led_patrol(app, hours=2)
    wu, begins = await an_inspector_of(app, STATION), now() + timedelta(days=500)
    things = {"shift": shift, "naming": naming, "lin": str(lin.id), "badge": lin.badge}
    things |= await told_in_the_street(app, lin, shots)
    things |= await told_of_lin(app, lin, zhao)
    things |= await looked_into(wu, things["recording"])
    things |= await named_at_the_desk(app, lin, zhao, begins)
    things["finding"] = str(await every_verb.a_finding_about(lin))
    things |= await judged_fairly(lin, zhao, wu, things)
    things["serial"] = await a_device(f"A-{uuid4().hex[:12]}")  # first in the list
    return Facts(lin, zhao, wu, things, begins)


async def told_in_the_street(app: Litestar, lin: Someone, shots: Path) -> dict[str, str]:
    """An act with its footage, an upload that goes on, a call for help, and what waits for something unknown."""
    activity = recorded(await lin.starts("10.4", at=ago(minutes=20)))["id"]
    span = {"started_at": ago(minutes=19), "ended_at": ago(minutes=18)}
    footage = await sealed(app, lin, film(shots / "one.mp4", seconds=1, width=160, height=96).path.read_bytes(), **span)
    upload = recorded(await lin.declare(bytes=10, sha256="0" * 64))["id"]
    due = await sealed(app, lin, some_bytes(2000, "soon due"), started_at=ago(days=9), ended_at=ago(days=9))
    await by_owner("UPDATE upload SET locked_until = now() + interval '1 hour' WHERE id = $1", UUID(due))
    call = recorded(await lin.post("/v1/assistance/call", kind="violence", place=every_verb.PLACE))["id"]
    waits = lin.item("shifts/check-out", shift=uuid4(), at=ago(minutes=1))
    await lin.sync(waits)
    things = {"activity": activity, "recording": str(footage), "upload": upload, "call": call, "due": due}
    return things | {"held": str(waits["id"])}


async def told_of_lin(app: Litestar, lin: Someone, zhao: Someone) -> dict[str, str]:
    """An injury with a certificate, a complaint, a harassment and a recusal."""
    paper = await brought(app, lin, content())
    hurt = {"how": "被推倒", "doing": "巡逻", "body_part": "右前臂", "severity": "minor", "injured_at": now()}
    hurt |= {"papers": [paper]}
    rude = {"channel": "phone", "words": "态度粗暴", "complainant": "王某", "person": lin.id}
    complaint = await zhao.post("/v1/complaints/receive", **rude, started_at=ago(hours=1))
    case = {"case_ref": "A3301022026030009", "case_kind": "criminal", "ground": "interest", "words": "有利害关系"}
    return {
        "document": paper,
        "injury": recorded(await lin.post("/v1/injuries/report", **hurt))["injury"]["id"],
        "complaint": recorded(complaint)["complaint"]["id"],
        "matter": recorded(await lin.post("/v1/matters/raise", kind="harassment", words="被辱骂"))["id"],
        "recusal": recorded(await lin.post("/v1/recusals/declare", **case))["id"],
    }


async def judged_fairly(lin: Someone, zhao: Someone, wu: Someone, things: dict[str, str]) -> dict[str, str]:
    """A hearing, what was ordered, what was declined, and a finding that counts in an assessment."""
    hearing = {"complaint": things["complaint"], "version": 1, "person": lin.id, "substance": "请陈述当时情况"}
    ordered = await lin.starts("10.1", at=ago(minutes=3), despite={"why": "受命", "ordered_by": zhao.id})
    dress = "SELECT id FROM finding WHERE person = $1 AND kind = 'plain_without_id_card'"
    assessed = str(await value(dress, lin.id))
    recorded(await lin.post("/v1/findings/reply", finding=assessed, words="说明"))
    recorded(await wu.post("/v1/findings/decide", finding=assessed, accepted=False, why="不采纳"))
    return {
        "assessed": assessed,
        "hearing": recorded(await wu.post("/v1/complaints/hear", **hearing))["id"],
        "order": recorded(ordered)["id"],
        "declined": recorded(await lin.post("/v1/orders/decline", officer=zhao.id, work="12.3"))["id"],
    }


async def looked_into(wu: Someone, footage: str) -> dict[str, str]:
    """A hold and a review of this footage."""
    kept = {"number": "督〔2026〕9号", "reason": "核查", "recording": footage}
    watched = {"number": "受案〔2026〕9号", "purpose": "case", "recording": footage}
    return {
        "hold": recorded(await wu.post("/v1/holds/place", **kept))["id"],
        "review": recorded(await wu.post("/v1/reviews/open", **watched))["id"],
    }


async def named_at_the_desk(app: Litestar, lin: Someone, zhao: Someone, begins: datetime) -> dict[str, str]:
    """A recorder in Lin's hands, a uniform seen off duty, and a duty of a day that Zhao leads."""
    thing = {"kind": "recorder", "serial": f"DSJ-{uuid4().hex[:10]}", "person": lin.id}
    duty = {"organ": STATION, "starts_at": begins, "ends_at": begins + timedelta(days=1), "leader": zhao.id}
    clerk, chief = await a_clerk(app), await a_commander_of(app, STATION)
    seen = {"person": lin.id, "seen_at": ago(days=2), "words": "在商场着制服"}
    return {
        "item": recorded(await clerk.post("/v1/items/issue", **thing))["id"],
        "sighting": recorded(await chief.post("/v1/uniforms/report", **seen))["id"],
        "duty": recorded(await chief.post("/v1/rosters/duty", **duty, officers=[zhao.id]))["id"],
    }


def lists(f: Facts) -> Iterator[Question]:
    """Lists, and what counts: who finds the thing in them."""
    lin, day = f.lin, {"from": ago(hours=3).isoformat(), "to": now().isoformat()}
    yield f.get("/v1/activities", "activity", lin, person=lin.id)
    yield f.get("/v1/assessments/findings", "assessed", lin, limit=200)
    yield f.get("/v1/assistance", "call", lin)
    yield f.get("/v1/changes", None, lin)
    yield f.get("/v1/complaints", "complaint", f.zhao)
    yield f.get("/v1/complaints/counts", None, f.wu)
    yield f.get("/v1/devices", "serial", limit=200)
    yield f.get("/v1/findings", "finding", lin, limit=200)
    yield f.get("/v1/handovers", wearer=lin.id, **day)
    yield f.get("/v1/hearings", "hearing", lin)
    yield f.get("/v1/held", "held")
    yield f.get("/v1/holds", "hold", f.wu)
    yield f.get("/v1/hours", "lin", person=lin.id, month=f"{now():%Y-%m}")
    yield f.get("/v1/injuries", "injury", lin)
    yield f.get("/v1/items", "item", lin)
    yield f.get("/v1/matters", "matter", lin)
    yield f.get("/v1/operations")
    yield f.get("/v1/orders", "order", lin)
    yield f.get("/v1/orders/declined", "declined", lin)
    yield f.get("/v1/organs", None, lin)
    yield f.get("/v1/timecode", None, lin)
    yield f.get("/v1/uniforms", "sighting", lin)
    yield f.get("/v1/people", "lin", lin, q=lin.badge)
    yield f.get("/v1/recordings", "recording", lin, limit=200)
    yield f.get("/v1/recordings/falling-due", "due", f.wu)
    yield f.get("/v1/recusals", "recusal", lin)
    yield f.get("/v1/reviews", "review", f.wu)
    yield f.get("/v1/rosters", None, lin)
    yield f.get("/v1/rosters/duty", "duty", lin, **{"from": f.duty_begins.isoformat()})
    yield f.get("/v1/shifts", "shift", lin, limit=200)
    yield f.get("/v1/spot-checks")
    yield f.get("/v1/spot-checks/counts", **{"from": "2026-11-01", "to": "2026-11-30"})
    yield f.get("/v1/supervisions", "naming", lin, limit=200)


def single_things(f: Facts) -> Iterator[Question]:
    """One thing by its id, oneself, and the law."""
    for path in (
        "/v1/activities/{activity}", "/v1/advances/{injury}", "/v1/advances/{injury}/undertaking",
        "/v1/assistance/{call}", "/v1/documents/{document}", "/v1/documents/{document}/content", "/v1/duty/works",
        "/v1/injuries/{injury}", "/v1/matters/{matter}", "/v1/me",
        "/v1/me/record", "/v1/people/{badge}", "/v1/recordings/{recording}", "/v1/recordings/{recording}/descriptions",
        "/v1/recordings/{recording}/index", "/v1/recusals/{recusal}", "/v1/shifts/{shift}",
        "/v1/uploads/{upload}/parts", "/v1/uploads/{upload}/receipt",
    ):  # fmt: skip
        yield f.get(path, None, f.lin)
    for path in (
        "/v1/holds/{hold}",
        "/v1/reviews/{review}",
        "/v1/reviews/{review}/viewing",
        "/v1/reviews/{review}/watch",
    ):
        yield f.get(path, None, f.wu)
    for part in ("content", "poster", "view", "package"):
        yield f.get(f"/v1/recordings/{{recording}}/{part}", None, f.wu, review=f.things["review"])
    yield f.get("/v1/complaints/{complaint}", None, f.zhao)
    yield f.get("/v1/duty/verdict", None, f.lin, work="10.3")
    yield f.get("/v1/recordings/{recording}/journal")


def calls(f: Facts) -> Iterator[Question]:
    """The calls that change something and are no entries."""
    yield f.post("/v1/devices/codes", serial=f.things["serial"])
    yield f.post("/v1/devices/codes/sheet", organ=STATION)
    yield f.post("/v1/devices/{serial}/revoke")
    yield f.post("/v1/devices/{serial}/reinstate")
    yield f.post("/v1/people/{badge}/totp/reset")
    yield replace(f.post("/v1/packages", kind="complaint", number=f.things["complaint"]), stays=True)
    yield replace(f.post("/v1/sync", f.lin, entries=[]), stays=True)
    yield f.post("/v1/me/password", f.lin, current=PASSWORD, new=f"{PASSWORD}!")
    yield f.post("/v1/me/totp", f.lin, password=PASSWORD)
    yield f.post("/v1/me/totp/confirm", code="000000")
    yield f.post("/v1/sessions/current/code", code="000000")
    yield f.post("/v1/uploads/{upload}/complete")
    yield f.post("/v1/uploads/{upload}/abort")
    yield Question("DELETE /v1/sessions/current", "/v1/sessions/current")


async def everybody_asks(app: Litestar, shots: Path) -> Scene:
    """Every verb is put to everybody just before whoever it is for sends it; then everything else."""
    scene = Scene(await actors_of(app))

    async def others_first(who: Someone, path: str, body: dict[str, Any]) -> None:
        await scene.ask(Question(f"POST {path}", path, body, theirs=who))

    await every_verb.answers_after(app, others_first)
    facts = await facts_of(app, shots)
    for question in chain(lists(facts), single_things(facts), calls(facts)):
        await scene.ask(question)
    return scene


def stated(page: str) -> dict[str, list[str]]:
    """The rows of docs/who-may-what.md."""
    return {route: cells.replace(" ", "").split("|") for route, cells in ROW.findall(page)}


def as_row(route: str, cells: list[str]) -> str:
    return f"| `{route}` | {' | '.join(cells)} |"


async def test_everybody_is_answered_as_the_table_says(app: Litestar, repository: Path, tmp_path: Path) -> None:
    """And whoever may not know of a thing is answered as if it were not there."""
    scene = await everybody_asks(app, tmp_path)
    expected = {
        route: cells for route, cells in stated((repository / "docs" / "who-may-what.md").read_text()).items()
        if len(cells) > 1
    }  # fmt: skip
    differ = [as_row(route, cells) for route, cells in sorted(scene.found.items()) if expected.get(route) != cells]
    assert [] == differ, "\n".join(differ)
    assert set(expected) == set(scene.found)


def routes_of(application: Litestar) -> Iterator[tuple[str, Any]]:
    """Every method and path template, with its handler."""
    for route in application.routes:
        for method in route.methods - {"OPTIONS", "HEAD"}:
            yield f"{method} {re.sub(r':[a-z]+}', '}', route.path)}", route.route_handler_map[method][0]


async def test_every_route_has_a_row(app: Litestar, repository: Path) -> None:
    """A new route says who may, or the build fails; what needs no session says so."""
    rows = stated((repository / "docs" / "who-may-what.md").read_text())
    routes = {name: bool(handler.opt.get("public")) for name, handler in routes_of(assemble([]))}
    inside = {name for name, _ in routes_of(for_operators(app))}
    assert inside - set(routes) == {name for name, cells in rows.items() if cells == ["operators"]}
    assert set(routes) | inside == set(rows)
    assert {route for route, public in routes.items() if public} == {
        route for route, cells in rows.items() if cells == ["public"]
    }
    stranger = Client(app)
    for route in (route for route, public in routes.items() if not public):
        method, _, path = route.partition(" ")
        refused(await stranger.ask(method, re.sub("{[^}]+}", str(uuid4()), path)), 401, "token_missing")
