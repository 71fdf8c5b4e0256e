"""The OpenAPI document is the contract, and what the house tells about itself: health, keys, problems, figures."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_origin

import jwt
import msgspec
import pytest
from litestar import Litestar

from backend.core import described, wire
from backend.core.verb import Verb
from backend.law.catalogue import law
from backend.registry import VERBS
from mobile_api.app import assemble
from mobile_api.openapi import answer_of, handlers_of
from mobile_api.operations_server import for_operators
from mobile_api.request_middleware import REQUESTS
from mobile_api.routes.verbs import sent
from tests.builders import Client, a_duty_auxiliary, refused
from tests.contract_problems import DOCUMENT, OPERATIONS, PROBLEM_JSON, unlisted


def properties(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, inner objects included."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{where}.{name}", inner
        for key, inner in schema.items():
            yield from properties(inner, f"{where}.{key}" if key != "properties" else where)
    elif isinstance(schema, list):
        for inner in schema:
            yield from properties(inner, where)


def descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["description"]] if isinstance(node.get("description"), str) else [])
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from descriptions(inner)


def structs_in(node: Any, found: dict[type, None]) -> dict[type, None]:
    """The structs of these types and of all that they hold."""
    if isinstance(node, list | tuple):
        for inner in node:
            structs_in(inner, found)
        return found
    struct = get_origin(getattr(node, "cls", None)) or getattr(node, "cls", None)
    if isinstance(node, msgspec.inspect.StructType) and (struct not in found or struct is not node.cls):
        found[struct] = None
        bases = [base for base in struct.__mro__[1:] if fields_of(base)]
        structs_in([*msgspec.inspect.multi_type_info(bases), *(field.type for field in node.fields)], found)
    return structs_in([getattr(node, name) for name in HOLDING if hasattr(node, name)], found)


def fields_of(kind: Any) -> tuple[str, ...]:
    """Of a struct that has any."""
    names = getattr(kind, "__struct_fields__", ())
    return names if isinstance(names, tuple) else ()


def own_descriptions(struct: Any) -> Iterator[tuple[str, str]]:
    """The fields that a struct declares itself, and what it says of each."""
    inherited = {name for base in struct.__mro__[1:] for name in fields_of(base)}
    _, schemas = msgspec.json.schema_components([struct])
    for schema in schemas.values():
        if schema["title"] == struct.__name__:
            for name, field in schema["properties"].items():
                choices = [field, *field.get("anyOf", ())]
                words = next((each["description"] for each in choices if "description" in each), None)
                if name not in inherited and words is not None:
                    yield name, words


def feature_of(struct: type) -> str:
    """The package in which a struct stands."""
    package, _, rest = struct.__module__.partition(".")
    return rest.partition(".")[0] if package == "backend" else package


def words_of_aliases() -> set[str]:
    """What the aliases of core say of the fields that they are for."""
    metas = [
        meta
        for module in (described, wire)
        for alias in vars(module).values()
        for meta in getattr(alias, "__metadata__", ())
    ]
    return {meta.description for meta in metas if getattr(meta, "description", None)}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_its_path_and_an_example_that_is_accepted(verb: Verb) -> None:
    """What a developer copies from the page is decoded by the very struct that the route decodes."""
    operation = OPERATIONS[f"POST /v1/{verb.name}"]
    (content,) = operation["requestBody"]["content"].values()
    assert verb.example == content["example"]
    call = msgspec.json.decode(json.dumps(content["example"]), type=sent(verb))
    assert str(call.id) == verb.example["id"]
    assert {"200", "201"} <= set(operation["responses"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_lists_its_problems(name: str) -> None:
    """As problem+json, with a sample of each code under its own status."""
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["operationId"]
    assert operation["tags"]
    bad = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert bad
    for status, answer in bad.items():
        assert [PROBLEM_JSON] == list(answer["content"])
        for code, example in answer["content"][PROBLEM_JSON]["examples"].items():
            assert (int(status), code) == (law().messages[code].status, example["value"]["code"])


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "requestBody" in OPERATIONS[name]])
def test_every_body_has_an_example(name: str) -> None:
    """One that a developer can send."""
    (content,) = OPERATIONS[name]["requestBody"]["content"].values()
    assert content["example"]["sent_at"]


SCHEMAS = DOCUMENT["components"]["schemas"]
HOLDING = ("type", "types", "item_type", "item_types", "value_type")  # where msgspec says what a type holds
ALIASES = words_of_aliases()
KINDS = [
    kind
    for handler in handlers_of(assemble([]))
    for kind in (handler.opt.get("body"), answer_of(handler))
    if kind is not None
]
STRUCTS = structs_in(msgspec.inspect.multi_type_info(KINDS), {})


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_is_described(name: str) -> None:
    """Nobody has to guess what a field means."""
    bare = [where for where, field in properties(SCHEMAS[name], name) if not field.get("description")]
    assert [] == bare


def test_every_schema_says_what_it_is() -> None:
    """A sentence, from the struct itself."""
    assert set() == {name for name, schema in SCHEMAS.items() if "enum" not in schema and not schema.get("description")}


def values_of(field: dict[str, Any]) -> set[str]:
    """The values of an enumeration, be it optional or in a list."""
    inner = [*field.get("anyOf", ()), *([field["items"]] if isinstance(field.get("items"), dict) else ())]
    return set(map(str, field.get("enum", ()))).union(*map(values_of, inner))


def listed_in(description: str) -> set[str]:
    """The values that a description tells apart: `one: …; other: …`, or `one 一, other 二`."""
    return set(re.findall(r"(?:^|[;,(:] )([a-z][a-z0-9_]*)(?=:| [一-鿿])", description)) - {
        "null",
        "true",
        "false",
        "empty",
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_description_that_lists_values_lists_those_of_its_field(name: str) -> None:
    """All of them and no others."""
    for where, field in properties(SCHEMAS[name], name):
        values, listed = values_of(field), listed_in(field.get("description", "").partition("; if absent")[0])
        assert not values or not listed or values == listed, where


def test_no_two_features_share_a_description_by_accident() -> None:
    """A meaning that several share has an alias in core; a name that several share is described on each struct."""
    features: dict[str, set[str]] = {}
    for struct in STRUCTS:
        for _, words in own_descriptions(struct):
            features.setdefault(words, set()).add(feature_of(struct))
    shared = {words: found for words, found in features.items() if len(found) > 1 and words not in ALIASES}
    assert {} == shared


def test_two_features_with_the_same_words_would_be_seen() -> None:
    """This test's own test: nothing is compared where no struct is found."""
    assert len(STRUCTS) > 150
    assert {"shifts", "evidence", "recusals", "mobile_api", "core"} <= set(map(feature_of, STRUCTS))
    assert sum(len(list(own_descriptions(struct))) for struct in STRUCTS) > 500
    assert "badge number" in ALIASES


def test_paragraphs_are_no_code() -> None:
    """A second paragraph that is indented would be a block of code on the page."""
    for words in descriptions(DOCUMENT):
        assert not re.search(r"^(    |\t)", words, re.MULTILINE), words
    assert sum("\n\n" in words for words in descriptions(DOCUMENT)) > 5


def test_every_parameter_is_described() -> None:
    """In the query and on the path; what a path's id is, its name says."""
    for name, operation in OPERATIONS.items():
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "path" or parameter.get("description"), (name, parameter["name"])


def test_every_reference_leads_somewhere() -> None:
    """A generator of clients stops at the first that does not."""
    known = {f"#/components/schemas/{name}" for name in SCHEMAS}
    assert set() == set(references(DOCUMENT)) - known


def test_operation_ids_are_unique() -> None:
    """Generated clients name their methods by them."""
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(set(ids)) == sorted(ids)


def test_what_needs_a_session_says_so() -> None:
    """Public is the exception."""
    public = {name for name, operation in OPERATIONS.items() if operation.get("security") == []}
    opening = {"POST /v1/devices/enrol", "POST /v1/sessions", "POST /v1/sessions/refresh", "POST /v1/desk/sessions"}
    assert opening == {name for name in public if " /v1/" in name}
    assert [{"session": []}, {"desk": [], "csrf": []}] == DOCUMENT["security"]


async def test_what_says_that_it_needs_a_session_is_closed_without_one(app: Litestar) -> None:
    """The document and the doors agree."""
    stranger = Client(app)
    for name, operation in OPERATIONS.items():
        method, path = name.split(" ")
        real = re.sub(r"\{[^}]+\}", "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001", path)
        answer = await stranger.ask(method, real, headers={"Content-Type": "application/json"})
        closed = answer.status_code == 401 and answer.json()["code"] == "token_missing"
        assert closed == (operation.get("security") != []), name


async def test_the_document_is_served(app: Litestar) -> None:
    """The one that `fujing openapi` prints."""
    answer = await Client(app).get("/openapi.json")
    assert 200 == answer.status_code
    assert set(DOCUMENT["paths"]) == set(answer.json()["paths"])
    assert answer.json()["openapi"].startswith("3.1")


async def test_the_page_needs_nothing_from_elsewhere(app: Litestar) -> None:
    """A station's network reaches no CDN: every address in the page is this server's, and answers."""
    stranger = Client(app)
    page = await stranger.get("/docs")
    assert (200, True) == (page.status_code, page.headers["content-type"].startswith("text/html"))
    assert not re.search(r"(https?:)?//\w", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) >= 3
    for asset in assets:
        answer = await stranger.get(asset)
        assert 200 == answer.status_code, asset
        assert len(answer.content) > 20
    start = await stranger.get("/docs/assets/start.js")
    assert '"/openapi.json"' in start.text
    assert "http" not in start.text


@pytest.mark.parametrize("name", ["../operations.py", "..%2f..%2foperations.py", "index.html", "start.js.map"])
async def test_the_page_serves_no_other_file(app: Litestar, name: str) -> None:
    """Its assets are a list, not a directory."""
    assert 404 == (await Client(app).get(f"/docs/assets/{name}")).status_code


async def test_the_keys_are_published(app: Litestar) -> None:
    """Both purposes, public halves only, and they verify what was signed."""
    lin = await a_duty_auxiliary(app)
    keys = (await Client(app).get("/.well-known/jwks.json")).json()["keys"]
    assert {"evidence", "session"} == {key["kid"].split("-")[0] for key in keys}
    assert not any("d" in key for key in keys)
    kid = jwt.get_unverified_header(lin.token)["kid"]
    (key,) = [jwt.PyJWK(key) for key in keys if key["kid"] == kid]
    assert str(lin.id) == jwt.decode(lin.token, key.key, algorithms=["EdDSA"], audience="fujing")["sub"]


async def test_it_says_that_it_lives_and_is_ready(app: Litestar) -> None:
    """For whoever restarts it at night."""
    live = await Client(app).get("/health/live")
    assert (200, {"status": "ok"}) == (live.status_code, live.json())
    ready = await Client(for_operators(app)).get("/health/ready")
    told = {"status": "ok", "database": "ok", "store": "ok", "store_write": "unknown", "store_why": None}
    assert (200, told) == (ready.status_code, ready.json())


@pytest.mark.parametrize("path", ["/health/ready", "/metrics"])
async def test_the_public_address_tells_operators_nothing(app: Litestar, path: str) -> None:
    """Answered as what does not exist, with a session or without; and it is not in the contract."""
    lin = await a_duty_auxiliary(app)
    for who in (Client(app), lin):
        refused(await who.get(path), 404, "not_found")
    assert path not in DOCUMENT["paths"]
    assert 404 == (await Client(for_operators(app)).get("/v1/me")).status_code


async def test_it_counts_by_route_and_never_by_person(app: Litestar) -> None:
    """/metrics groups paths: no id of a shift becomes a label."""
    lin = await a_duty_auxiliary(app)
    await lin.get(f"/v1/shifts/{lin.id}")
    figures = await Client(for_operators(app)).get("/metrics")
    assert 200 == figures.status_code
    assert "fujing_requests" in figures.text
    assert str(lin.id) not in figures.text


def counted(path: str) -> dict[int, float]:
    """How often each status was answered on this route to a GET, as /metrics has it."""
    return {
        int(sample.labels["status"]): sample.value
        for family in REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and (sample.labels["method"], sample.labels["path"]) == ("GET", path)
    }


async def test_what_is_refused_at_the_door_is_counted_as_what_it_is(app: Litestar) -> None:
    """401s are counted as 401s, not as faults of the server."""
    lin = await a_duty_auxiliary(app)
    before = counted("/v1/me")
    for _ in range(3):
        answer = await Client(app).get("/v1/me")
        refused(answer, 401, "token_missing")
        assert ("nosniff", "no-referrer") == (
            answer.headers["x-content-type-options"], answer.headers["referrer-policy"],
        )  # fmt: skip
    stale = lin.proof("GET", "http://fujing.test/v1/me", {"Authorization": f"DPoP {lin.token}"}, nonce="stale")
    answer = await lin.ask("GET", "/v1/me", headers={"DPoP": stale})
    assert 1 == len(answer.headers.get_list("dpop-nonce"))
    grown = {status: count - before.get(status, 0) for status, count in counted("/v1/me").items()}
    assert {401: 4} == {status: count for status, count in grown.items() if count}


@pytest.mark.parametrize("code", sorted(law().messages))
async def test_every_problem_is_explained_at_its_address(app: Litestar, code: str) -> None:
    """The `type` of a problem leads to its words."""
    answer = await Client(app).get(f"/problems/{code}")
    message = law().messages[code]
    assert (200, message.zh, message.en) == (answer.status_code, answer.json()["zh"], answer.json()["en"])


async def test_a_problem_nobody_knows_is_not_explained(app: Litestar) -> None:
    """404, as problem+json itself."""
    answer = await Client(app).get("/problems/no_such_problem")
    assert (404, "not_found") == (answer.status_code, answer.json()["code"])


def test_a_problem_that_the_contract_does_not_list_is_found() -> None:
    """What the end of the run asks of every answer that any test had."""
    assert set() == unlisted([("POST", "/v1/shifts/check-in", 403, "not_for_your_role")])
    problem = ("POST", "/v1/shifts/check-in", 403, "unknown_review")
    assert {("POST /v1/shifts/check-in", 403, "unknown_review")} == unlisted([problem])


A_PERSON = re.compile(r"id of the (person|officer|auxiliary|inspector|commander)\b(?!'s)")
WITHOUT_NAMES = {  # lists of one thing's parts, and the feed, which has ids, codes and times alone
    "/v1/recordings/{recording}/descriptions", "/v1/advances/{injury}", "/v1/changes",
}  # fmt: skip


def rows_of_lists() -> Iterator[tuple[str, str]]:
    """The route of each list, and the schema of its rows."""
    for path, ways in DOCUMENT["paths"].items():
        body = ways.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
        page = SCHEMAS.get(body.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        row = page.get("properties", {}).get("items", {}).get("items", {}).get("$ref", "").rpartition("/")[2]
        if row:
            yield path, row


def test_rows_of_lists_carry_names_beside_ids() -> None:
    """Whoever is named by an id in a row of a list is named by their name there too."""
    listed = dict(rows_of_lists())
    assert listed.keys() > WITHOUT_NAMES | {"/v1/holds", "/v1/reviews", "/v1/shifts"}
    for path, row in listed.items():
        fields = SCHEMAS[row]["properties"]
        persons = {name for name, field in fields.items() if A_PERSON.match(field.get("description", ""))} - {"id"}
        named = {name.removesuffix("_name") for name in fields if name.endswith("_name")}
        nameless = {person for person in persons if not {person, person.removesuffix("_by")} & named}
        assert path in WITHOUT_NAMES or len(nameless) <= ("name" in fields), (path, nameless)
