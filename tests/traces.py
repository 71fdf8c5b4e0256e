"""Ask every read of the API for one person, so that two answers can be compared.

The reads come from the application's own route table, with their parameters from its contract. A new read is asked by
itself; one with a parameter that is not known here fails. Of an answer everything is compared, but for what changes
honestly with time: VARYING lists it, each with its reason.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
from litestar import Litestar

from backend.proof.package import ABOUT, PEOPLE, ROWS
from tests.builders import Someone
from tests.contract_problems import OPERATIONS

PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
PAGES = ("/openapi", "/openapi/{path:str}", "/openapi/openapi.json")  # made of the code alone, for nobody in particular
WATCHING = {f"/v1/recordings/{{recording}}/{part}" for part in ("content", "poster", "view", "package")}
EXPORTED = "packages/exported"
# A page of one line would be the line of this reader's own last look.
NO_SMALL_PAGE = {"/v1/recordings/{recording}/journal"}
ASKED_OTHERWISE = {"/v1/events"}  # a stream: it is listened to while the matters arise
# What is left out of a list's narrowing: each only takes rows away from the whole list.
NARROWING = frozenset({
    "badge", "organ", "case", "work", "near", "incident", "q", "kind", "role", "on_duty", "serial", "within", "reason",
    "state", "at", "bytes", "part", "person", "from", "to", "incident_ref",
})  # fmt: skip
ALSO = frozenset({"review"})  # not required, and without it there is nothing to see
# Of headers: the request's own number; the nonce of a proof of possession, which is made of the clock; and the name of
# a file, which has the day in it.
HEADERS_VARYING = frozenset({"x-request-id", "dpop-nonce", "content-disposition"})
# Fields that change with time, by read; each with the reason.
VARYING: Mapping[str, Mapping[str, str]] = {
    "/v1/changes": {
        "cursor": "it is sealed anew in each answer: only its length is told (see test_changes)",
        "server_time": "the clock, in the bundle",
    },
    "/v1/sync": {"cursor": "as in /v1/changes", "server_time": "the clock, in the bundle"},
    "/v1/uploads/{upload}/parts": {"url": "it is signed with the clock", "expires_at": "the clock"},
    "/v1/recordings/{recording}/journal": {"checkpoint": "a checkpoint is made every minute, over all lines"},
    "/v1/operations": {
        "checkpoint_age": "the clock", "clock_apart": "the clock", "oldest_job": "the clock",
        "sealing_lag": "the clock", "parts_age": "the clock",
        "database_bytes": "it grows with whatever anybody writes, and by whole pages",
        "free": "the disk of the server, which others use too",
        "jobs": "how many wait at this moment for whatever happened in the whole house",
    },
    "/v1/timecode": {"text": "the clock", "svg": "the clock", "at": "the clock"},
    "/v1/desk/sessions/current": {"expires_at": "the clock"},
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """One read: its template, and a path to ask, in which each id of `named` stands for the name of a thing."""

    template: str
    path: str
    named: tuple[tuple[str, str], ...] = ()  # id in the path, its name
    variant: bool = False  # the smallest page of a list, or its workbook

    @property
    def is_workbook(self) -> bool:
        return "format=xlsx" in self.path

    @property
    def key(self) -> str:
        """The path with names in place of ids: the same before and after."""
        return _renamed(self.path, self.named)


@dataclass(frozen=True)
class Seen:
    """What a reader notices of an answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Any


@dataclass
class Things:
    """What may be asked about: the ids of each kind by the parameter that names it."""

    ids: dict[str, list[str]]
    query: dict[str, str] = field(default_factory=dict)  # values of parameters that a read needs, by name


def reads_of(app: Litestar) -> Iterator[tuple[str, bool, bool]]:
    """The template of every GET that needs a session; whether it is a list; whether it answers a workbook too."""
    for route in sorted(app.routes, key=lambda each: each.path):
        if "GET" not in route.methods or route.path in PAGES:
            continue
        handler: Any = route.route_handler_map["GET"][0]  # type: ignore[union-attr]
        if not handler.opt.get("public"):
            template = PARAMETER.sub(r"{\1}", route.path)
            names = {each["name"] for each in parameters_of(template)}
            yield template, "limit" in names, bool(handler.opt.get("sheet"))


def parameters_of(template: str) -> list[dict[str, Any]]:
    return [each for each in OPERATIONS[f"GET {template}"].get("parameters", ()) if each["in"] == "query"]


def questions(app: Litestar, things: Things) -> Iterator[Read]:
    """Every read about every thing; lists also by the smallest page, and as a workbook."""
    for template, pages, sheet in reads_of(app):
        if template in ASKED_OTHERWISE:
            continue
        query = query_of(template, parameters_of(template), things) | ({"limit": "200"} if pages else {})
        for path, named in paths(template, things):
            yield Read(template, _with(path, query), named)
            if pages and template not in NO_SMALL_PAGE:
                yield Read(template, _with(path, query | {"limit": "1"}), named, True)
            if sheet and template not in NO_SMALL_PAGE:
                yield Read(template, _with(path, query | {"format": "xlsx"}), named, True)


def paths(template: str, things: Things) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """The template filled with each thing of its kind. A kind that is not known is a KeyError: say what to ask."""
    names = PARAMETER.findall(template)
    if not names:
        yield template, ()
        return
    (name,) = names
    for number, id in enumerate(things.ids[name][: 2 if template in WATCHING else None]):
        yield template.replace(f"{{{name}}}", id), ((id, f"<{name} {number}>"),)


def query_of(template: str, parameters: Sequence[Mapping[str, Any]], things: Things) -> dict[str, str]:
    """The parameters of a read: whatever shows most. One that is not known fails: say what to ask."""
    query = {}
    for parameter in parameters:
        name, choices = parameter["name"], parameter["schema"].get("enum", ())
        if name in ("cursor", "limit", "format", "after", "works"):
            continue
        if parameter.get("required") or name in ALSO:
            of_day = parameter["schema"].get("format") == "date"
            query[name] = things.query[name].partition("T")[0] if of_day else things.query[name]
        elif "all" in choices:
            query[name] = "all"
        else:
            assert name in NARROWING or template in NARROWED_ELSEWHERE, f"{template}: what to ask with {name}?"
    return query


NARROWED_ELSEWHERE = {"/v1/duty/verdict"}  # its parameters describe an act; the person's own facts are not among them


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


async def seen_by(who: Someone, asked: Sequence[Read], askers: Set[str]) -> dict[str, Seen]:
    """What this person sees of each read, by its key. `askers`: badge numbers and ids of all who ask."""
    return {read.key: seen(await who.ask("GET", read.path), read, askers) for read in asked}


def seen(answer: httpx.Response, read: Read, askers: Set[str]) -> Seen:
    """What is compared of an answer. One that says that it was asked wrongly shows nothing."""
    assert answer.status_code not in (400, 401, 422, 429, 500, 503), f"{read.path}: {answer.text}"
    headers = tuple(sorted(
        (name, _renamed(text, read.named)) for name, text in answer.headers.items() if name not in HEADERS_VARYING
    ))  # fmt: skip
    body = body_of(answer, askers)
    if isinstance(body, bytes):
        return Seen(answer.status_code, headers, body)
    varying = VARYING.get(read.template, {})
    if varying or read.is_workbook:  # a workbook is packed with the time at which it was made
        headers = tuple(each for each in headers if each[0] != "content-length")
    text = msgspec.json.encode(_without(body, varying)).decode()
    return Seen(answer.status_code, headers, _renamed(text, read.named))


def body_of(answer: httpx.Response, askers: Set[str]) -> Any:
    """JSON decoded, without the lines that asking wrote; a workbook's cells; a page as it is."""
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        return _without_asking(msgspec.json.decode(answer.content), askers)
    if "spreadsheet" in kind:
        return sheets_in(answer.content)
    return answer.text if kind.startswith("text/") else answer.content


def package_seen(answer: httpx.Response, who: Someone) -> Seen:
    """What is compared of a package: its files, whom it names, what is left out, and the lines that others wrote.

    Not when it was made, nor its checkpoints: a package makes one. Nor the lines of this reader's own packages.
    """
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bag:
        files = {name.partition("/")[2]: bag.read(name) for name in bag.namelist()}
    rows = [msgspec.json.decode(line) for line in files[ROWS].splitlines()]
    lines = [row["entry"] for row in rows if str(who.id) not in row["entry"]]
    about = msgspec.json.decode(files[ABOUT])
    names = sorted(name for name in files if not name.startswith("data/checkpoints/"))
    body = {"files": names, "people": files[PEOPLE].decode(), "left_out": about["left_out"], "lines": lines}
    return Seen(200, (), msgspec.json.encode(body).decode())


def sheets_in(content: bytes) -> dict[str, str]:
    """The parts of a workbook, without the one that says when it was made."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name).decode() for name in file.namelist() if not name.startswith("docProps")}


def _without_asking(body: Any, askers: Set[str]) -> Any:
    """Without lines of the journal that say that an asker was refused to watch, or packed the footage of a case."""
    if not isinstance(body, dict) or not isinstance(body.get("items"), list):
        return body
    kept = [
        each
        for each in body["items"]
        if not isinstance(each, dict)
        or askers.isdisjoint((each.get("actor_badge"), each.get("actor")))
        or not (each["outcome"] == "denied" or each["facts"].get("kind") == "case" or each["verb"] == EXPORTED)
    ]
    return body | {"items": kept}


def _without(node: Any, names: Mapping[str, str]) -> Any:
    """The same without fields of these names: of a text, its length stays."""
    if isinstance(node, dict):
        return {name: _length(name, inner) if name in names else _without(inner, names) for name, inner in node.items()}
    if isinstance(node, list):
        return [_without(inner, names) for inner in node]
    return node


def _length(name: str, value: Any) -> str:
    return f"{len(value)} characters" if name in ("cursor", "url") else "…"


def _renamed(text: str, named: Sequence[tuple[str, str]]) -> str:
    for id, name in named:
        text = text.replace(id, name)
    return text


def differences(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[str]:
    """What differs, one line a read. What was not asked before is compared with the same read about nothing."""
    found = []
    for key, now_seen in after.items():
        was = before.get(key) or about_nothing(before, key)
        if was != now_seen:
            found.append(f"{key}: {told(was, now_seen)}")
    return found


def about_nothing(before: Mapping[str, Seen], key: str) -> Seen:
    """The answer before about the first thing of this kind, which was not there then, under this one's name."""
    (name,) = set(re.findall(r"<(\w+) \d+>", key))
    (numbered,) = set(re.findall(r"<\w+ \d+>", key))
    first = before[key.replace(numbered, f"<{name} 0>")]
    headers = tuple((each, text.replace(f"<{name} 0>", numbered)) for each, text in first.headers)
    return Seen(first.status, headers, first.body.replace(f"<{name} 0>", numbered))


def told(was: Seen, is_now: Seen) -> str:
    """The difference in a line."""
    if was.status != is_now.status:
        return f"status {was.status} → {is_now.status}: {is_now.body}"
    if was.headers != is_now.headers and was.body == is_now.body:
        return f"headers {sorted(set(was.headers) ^ set(is_now.headers))}"
    return f"{_apart(was.body, is_now.body)}"


def _apart(was: Any, is_now: Any) -> str:
    """Around the first character that differs."""
    if not isinstance(was, str) or not isinstance(is_now, str):
        return f"{was!r:.200} → {is_now!r:.200}"
    place = next((n for n, (a, b) in enumerate(zip(was, is_now, strict=False)) if a != b), min(len(was), len(is_now)))
    start = max(0, place - 80)
    return f"{len(was)} → {len(is_now)} characters: …{was[start : place + 160]} → …{is_now[start : place + 400]}"
