"""Who may do what, to whose, from where: every route × every role × the organ, above, below and beside it.

docs/who-may-what.md has the expected answers, one row a route; a route without a row fails, and so does a row without
a route. Each question is put in a transaction that is undone, so that every one meets the same facts.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from litestar import Litestar

from backend.people import roster
from mobile_api.app import assemble
from mobile_api.cli.demo_film import film
from mobile_api.operations_server import for_operators
from tests import every_verb
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
from tests.devices import sealed

BELOW = "330102010100"
PLACES = (STATION, DISTRICT, BELOW, SIBLING)  # the organ, above, below, beside
KINDS = ("duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock")
ROLES = ("commander", "inspector", "treasurer", "administrator")
COLUMNS = (*KINDS, *ROLES)
LETTERS = {401: "a", 403: "-", 404: "0", 409: "c", 422: "u", 425: "c"}
PARAMETER = re.compile(r"\{(\w+)\}")
OBJECTS = (
    "shift", "supervision", "activity", "recording", "injury", "item", "complaint", "matter", "recusal", "call", "hold",
    "restriction", "finding", "review", "planned", "duty", "held", "time_off", "person",
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


async def other_questions(app: Litestar, shots: Path) -> AsyncIterator[Question]:
    """What is no verb: reads, and the calls that are no entries."""
    lin, zhao, shift, naming = await a_led_patrol(app, hours=2)
    wu, at = await an_inspector_of(app, STATION), now()
    activity = recorded(await lin.starts("10.4", at=ago(minutes=20)))["id"]
    span = {"started_at": ago(minutes=19), "ended_at": ago(minutes=18)}
    footage = await sealed(app, lin, film(shots / "one.mp4", seconds=1, width=160, height=96).path.read_bytes(), **span)
    open_upload = recorded(await lin.declare(bytes=10, sha256="0" * 64))["id"]
    call = recorded(await lin.post("/v1/assistance/call", kind="violence", place=every_verb.PLACE))["id"]
    what = {"how": "被推倒", "doing": "巡逻", "body_part": "右前臂", "severity": "minor", "injured_at": at}
    injury = recorded(await lin.post("/v1/injuries/report", **what))["injury"]["id"]
    received = {
        "channel": "phone",
        "words": "态度粗暴",
        "complainant": "王某",
        "person": lin.id,
        "started_at": ago(hours=1),
    }
    complaint = recorded(await zhao.post("/v1/complaints/receive", **received))["complaint"]["id"]
    matter = recorded(await lin.post("/v1/matters/raise", kind="harassment", words="被辱骂"))["id"]
    case = {"case_ref": "A3301022026030009", "case_kind": "criminal", "ground": "interest", "words": "有利害关系"}
    recusal = recorded(await lin.post("/v1/recusals/declare", **case))["id"]
    hold = recorded(await wu.post("/v1/holds/place", number="督〔2026〕9号", reason="核查", recording=footage))["id"]
    review_of = {"recording": footage, "purpose": "case", "number": "受案〔2026〕9号"}
    review = recorded(await wu.post("/v1/reviews/open", **review_of))["id"]
    finding = str(await every_verb.a_finding_about(lin))
    waits = lin.item("shifts/check-out", shift=uuid4(), at=ago(minutes=1))
    await lin.sync(waits)
    thing = {"kind": "recorder", "serial": f"DSJ-{uuid4().hex[:10]}", "person": lin.id}
    item = recorded(await (await a_clerk(app)).post("/v1/items/issue", **thing))["id"]
    begins = now() + timedelta(days=500)
    duty = {"organ": STATION, "starts_at": begins, "ends_at": begins + timedelta(days=1), "leader": zhao.id}
    chief = await a_commander_of(app, STATION)
    named = recorded(await chief.post("/v1/rosters/duty", **duty, officers=[zhao.id]))["id"]
    serial = await a_device(f"A-{uuid4().hex[:12]}")  # first in the list
    day = {"from": ago(hours=3).isoformat(), "to": now().isoformat()}

    def get(path: str, holds: Any = None, theirs: Someone | None = lin, **query: Any) -> Question:
        filled = path.format(
            activity=activity, injury=injury, call=call, complaint=complaint, hold=hold, matter=matter,
            recording=footage, recusal=recusal, review=review, shift=shift, upload=open_upload, badge=lin.badge,
        )  # fmt: skip
        return Question(f"GET {path}", str(httpx.URL(filled, params=query)), None, holds and str(holds), theirs)

    yield get("/v1/activities", activity, person=lin.id)
    yield get("/v1/activities/{activity}")
    yield get("/v1/advances/{injury}")
    yield get("/v1/advances/{injury}/undertaking")
    yield get("/v1/assistance", call)
    yield get("/v1/assistance/{call}")
    yield get("/v1/changes")
    yield get("/v1/complaints", complaint, zhao)
    yield get("/v1/complaints/counts", None, wu)
    yield get("/v1/complaints/{complaint}", None, zhao)
    yield get("/v1/devices", serial, None, limit=200)
    yield get("/v1/duty/verdict", work="10.3")
    yield get("/v1/duty/works")
    yield get("/v1/findings", finding, limit=200)
    yield get("/v1/handovers", None, None, wearer=lin.id, **day)
    yield get("/v1/held", waits["id"], None)
    yield get("/v1/holds", hold, wu)
    yield get("/v1/holds/{hold}", None, wu)
    yield get("/v1/hours", lin.id, None, person=lin.id, month=f"{now():%Y-%m}")
    yield get("/v1/injuries", injury)
    yield get("/v1/injuries/{injury}")
    yield get("/v1/items", item)
    yield get("/v1/matters", matter)
    yield get("/v1/matters/{matter}")
    yield get("/v1/me")
    yield get("/v1/me/record")
    yield get("/v1/operations", None, None)
    yield get("/v1/organs")
    yield get("/v1/people", lin.id, q=lin.badge)
    yield get("/v1/people/{badge}")
    yield get("/v1/recordings", footage, limit=200)
    yield get("/v1/recordings/{recording}")
    yield get("/v1/recordings/{recording}/content", None, wu, review=review)
    yield get("/v1/recordings/{recording}/poster", None, wu, review=review)
    yield get("/v1/recordings/{recording}/package", None, wu, review=review)
    yield get("/v1/recordings/{recording}/descriptions")
    yield get("/v1/recordings/{recording}/index")
    yield get("/v1/recordings/{recording}/journal", None, None)
    yield get("/v1/recusals", recusal)
    yield get("/v1/recusals/{recusal}")
    yield get("/v1/reviews", review, wu)
    yield get("/v1/reviews/{review}", None, wu)
    yield get("/v1/reviews/{review}/watch", None, wu)
    yield get("/v1/rosters")
    yield get("/v1/rosters/duty", named, **{"from": begins.isoformat()})
    yield get("/v1/shifts", shift, limit=200)
    yield get("/v1/shifts/{shift}")
    yield get("/v1/spot-checks", None, None)
    yield get("/v1/spot-checks/counts", None, None, **{"from": "2026-11-01", "to": "2026-11-30"})
    yield get("/v1/supervisions", naming, limit=200)
    yield get("/v1/uploads/{upload}/parts")
    yield get("/v1/uploads/{upload}/receipt")

    def post(path: str, theirs: Someone | None = None, **fields: Any) -> Question:
        filled = path.format(upload=open_upload, serial=serial, badge=lin.badge)
        return Question(f"POST {path}", filled, {"sent_at": now()} | fields, None, theirs)

    yield post("/v1/devices/codes", serial=serial)
    yield post("/v1/devices/codes/sheet", organ=STATION)
    yield post("/v1/devices/{serial}/revoke")
    yield post("/v1/devices/{serial}/reinstate")
    yield post("/v1/people/{badge}/totp/reset")
    yield replace(post("/v1/packages", kind="complaint", number=complaint), stays=True)
    yield replace(post("/v1/sync", lin, entries=[]), stays=True)
    yield post("/v1/me/password", lin, current=PASSWORD, new=f"{PASSWORD}!")
    yield post("/v1/me/totp", lin, password=PASSWORD)
    yield post("/v1/me/totp/confirm", None, code="000000")
    yield post("/v1/sessions/current/code", None, code="000000")
    yield post("/v1/uploads/{upload}/complete")
    yield Question("DELETE /v1/sessions/current", "/v1/sessions/current")


async def everybody_asks(app: Litestar, shots: Path) -> Scene:
    """Every verb is put to everybody just before whoever it is for sends it; then everything else."""
    scene = Scene(await actors_of(app))

    async def others_first(who: Someone, path: str, body: dict[str, Any]) -> None:
        await scene.ask(Question(f"POST {path}", path, body, theirs=who))

    await every_verb.answers_after(app, others_first)
    async for question in other_questions(app, shots):
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
