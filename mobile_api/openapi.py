"""The OpenAPI document, which is the contract: every route with its structs, an example of its body, its problems.

It is made from the routes. A route's options say what the framework cannot know: the struct and example of its body
(`takes`), the codes of its own refusals (`refuses`), whether it is public.
"""

import inspect
import json
from typing import Any, get_origin

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from backend.law.catalogue import law
from backend.registry import VERBS
from mobile_api.auth import PUBLIC
from mobile_api.cookies import CSRF_HEADER, PLAIN, SECURE
from mobile_api.faults import parameters_of
from mobile_api.listing import XLSX
from mobile_api.problems import PROBLEM_JSON, Problem
from mobile_api.ranges import BYTES
from mobile_api.schemas import REF, reference_to, schema_of_parameter, schemas_of

DESCRIPTION = """辅警现场应用后端。The back end of a field app for police auxiliaries.

Every write is an *entry* with an id made by the client: sent twice, it is recorded once. `sent_at` is the device's
clock at this attempt; the server corrects `occurred_at` by the difference. Every refusal is problem+json with a stable
`code` and a sentence in Chinese or English (Accept-Language). File bytes go straight to the store by signed part URLs.

`HEAD` answers wherever `GET` does. A parameter of the query that an operation does not list is refused, as is a field
of a body that its schema does not list.
"""
BODY = (
    "malformed_json", "not_json", "invalid", "body_too_large", "body_too_slow", "body_cut", "encoding_not_supported",
    "malformed_body",
)  # fmt: skip
AT_DESK = ("csrf_refused", "second_factor_needed", "desk_reads_only")
PROOF = ("proof_missing", "proof_invalid", "proof_elsewhere", "proof_replayed", "use_dpop_nonce")
SIGNED_IN = (
    "token_missing", "token_invalid", "token_expired", "session_ended", *PROOF, "key_differs", "device_revoked",
    "bring_home_only", "password_change_needed", *AT_DESK,
)  # fmt: skip
ENTRY = (
    "device_needed", "not_for_your_role", "id_reused", "held", "held_refused", "too_many_refusals", "conflict",
    "constraint",
)  # fmt: skip
ALWAYS = ("database_unavailable", "database_damaged", "internal")
SUCCESS = {
    "200": ("The answer", "The same entry again: nothing changed"),
    "201": ("Made", "Recorded"),
    "204": ("Done", "Done"),
}
DPOP = {
    "name": "DPoP", "in": "header", "schema": {"type": "string"},
    "description": "A proof by the device's key (RFC 9449): a JWS with `typ: dpop+jwt`, `alg: ES256` and the public "
    "`jwk`; claims `htm`, `htu`, `iat` (any clock), `jti`, `nonce` (of the last DPoP-Nonce), `ath` where a token is "
    "sent, and `body_sha256`: base64url of the SHA-256 of the body's bytes as sent, absent without a body.",
}  # fmt: skip
WITH_A_SESSION = "Needed beside `Authorization: DPoP`; a desk session has none. "
NONCE = {
    "DPoP-Nonce": {
        "description": "With `use_dpop_nonce`: put it into a new proof and send again. Any answer may bring a fresh "
        "one when that of the proof gets old.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": '`DPoP error=…, algs="ES256"`', "schema": {"type": "string"}},
}
FILES = {BYTES, "application/zip", "image/jpeg", "video/mp4"}
RANGE = {
    "name": "Range", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "One range, as `bytes=0-1048575`; several, or none that can be read, are answered with the whole.",
}  # fmt: skip
VERBS_BY_OPERATION = {verb.operation: verb for verb in VERBS}
SCHEME = (
    "`Authorization: DPoP <access token>` (RFC 9449), always with the header `DPoP`: a token opens nothing without a "
    "proof by the key that it is bound to (`cnf.jkt`)."
)
CONFIG = OpenAPIConfig(
    title="辅警 Fujing",
    version="1",
    description=DESCRIPTION,
    path="/openapi",
    render_plugins=[],
    enabled_endpoints=set(),
    components=Components(
        security_schemes={
            "session": SecurityScheme(type="http", scheme="DPoP", description=SCHEME),
            "desk": SecurityScheme(
                type="apiKey",
                name=SECURE,
                security_scheme_in="cookie",
                description=f"set by POST /v1/desk/sessions; `{PLAIN}` over plain HTTP on this machine's own loopback",
            ),
            "csrf": SecurityScheme(
                type="apiKey",
                name=CSRF_HEADER,
                security_scheme_in="header",
                description="`csrf_token`, beside the cookie on every call that is no GET; this page adds it by itself",
            ),
        }
    ),
    security=[{"session": []}, {"desk": [], "csrf": []}],
)


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, media_type=MediaType.JSON, sync_to_thread=False)
def document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The contract."""
    state = request.app.state
    if "openapi" not in state:
        state.openapi = json.dumps(contract(request.app), ensure_ascii=False).encode()
    return Response(state.openapi, media_type=MediaType.JSON)


def contract(app: Any) -> dict[str, Any]:
    """The whole document: what the routes say, plus words, examples and problems."""
    content: dict[str, Any] = app.openapi_schema.to_schema()
    handlers = {handler.operation_id: handler for handler in handlers_of(app)}
    operations = [operation for path in content["paths"].values() for operation in path.values()]
    schemas = content["components"]["schemas"] = _schemas(handlers.values())
    _narrow_sync(schemas)
    for operation in operations:
        _complete(operation, handlers[operation["operationId"]])
    content["tags"] = _tags(operations)
    return content


def handlers_of(app: Any) -> list[Any]:
    """Every handler of the application."""
    return [handler for route in app.routes for handler in getattr(route, "route_handlers", ())]


def _schemas(handlers: Any) -> dict[str, Any]:
    bodies = [handler.opt["body"] for handler in handlers if "body" in handler.opt]
    answers = [answer for answer in map(answer_of, handlers) if answer is not None]
    return schemas_of([*bodies, *answers, Problem])


def answer_of(handler: Any) -> Any:
    """The struct of a handler's answer, out of a Response where it is in one; None where it is no struct."""
    field = handler.parsed_fn_signature.return_type
    for kind in (field.annotation, *(inner.annotation for inner in field.inner_types)):
        origin = get_origin(kind) or kind
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            return kind
    return None


def _narrow_sync(schemas: dict[str, Any]) -> None:
    """Each entry of a sync is of exactly one verb, named in `verb`; its receipt is that of the verb's own route."""
    items = schemas["SyncCall"]["properties"]["entries"]["items"]
    items["oneOf"] = items.pop("anyOf")
    for item in items["oneOf"]:
        tag = schemas[item["$ref"].rpartition("/")[2]]["properties"]["verb"]
        tag["description"] = "name of the verb: the path of its own route under /v1"
    receipts = sorted({verb.receipt.__name__ for verb in VERBS if verb.field})
    receipt = schemas["EntryResult"]["properties"]["receipt"]
    schemas["EntryResult"]["properties"]["receipt"] = {
        "description": receipt["description"],
        "anyOf": [{"$ref": REF.format(name=name)} for name in receipts],
    }


def _tags(operations: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Make each tag English alone: generators name folders by tags. Its Chinese is its description, shown in /docs."""
    tags: dict[str, str] = {}
    for operation in operations:
        parts = [tag.partition(" · ") for tag in operation["tags"]]
        operation["tags"] = [english for english, _, _ in parts]
        tags |= {english: chinese for english, _, chinese in parts}
    return [{"name": name, "description": chinese} for name, chinese in sorted(tags.items())]


def _complete(operation: dict[str, Any], handler: Any) -> None:
    """What the framework cannot know of an operation."""
    entry, public = operation["operationId"] in VERBS_BY_OPERATION, bool(handler.opt.get("public"))
    if "description" in operation:
        operation["description"] = inspect.cleandoc(operation["description"])
    if public:
        operation["security"] = []
    if "body" in handler.opt:
        operation["requestBody"] = _request_body(handler)
    problems = _problems(operation, handler)
    parameters = [*_parameters(operation, handler), *_headers(handler)]
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = _answers(operation["responses"], handler, entry) | problems


def _parameters(operation: dict[str, Any], handler: Any) -> list[dict[str, Any]]:
    """Parameters of the path and the query; those of the query as msgspec checks them."""
    known, parameters = parameters_of(handler), operation.get("parameters", [])
    for parameter in parameters:
        if parameter["schema"].get("deprecated"):
            parameter["deprecated"] = True
        for name in [name for name in ("allowEmptyValue", "allowReserved", "deprecated") if not parameter.get(name)]:
            parameter.pop(name, None)
        if parameter["in"] == "query":
            declared = known[parameter["name"]]
            parameter["schema"] = schema_of_parameter(declared.kind, declared.default)
    return list(parameters)


def _request_body(handler: Any) -> dict[str, Any]:
    content = {"schema": reference_to(handler.opt["body"]), "example": handler.opt["example"]}
    return {"required": True, "content": {"application/json": content}}


def _headers(handler: Any) -> list[dict[str, Any]]:
    """Headers that no handler reads by itself: the proof, and the range of what is served in ranges."""
    headers = [RANGE | {"schema": dict(RANGE["schema"])}] if handler.opt.get("ranged") else []  # type: ignore[call-overload]
    schema = {"schema": {"type": "string"}}
    if handler.opt.get("by_key"):
        return [*headers, DPOP | schema | {"required": True}]
    if handler.opt.get("public"):
        return headers
    return [*headers, DPOP | schema | {"required": False, "description": WITH_A_SESSION + str(DPOP["description"])}]


def _answers(responses: dict[str, Any], handler: Any, entry: bool) -> dict[str, Any]:
    """What is answered where nothing is refused."""
    answers = {status: answer for status, answer in responses.items() if int(status) < 400}
    struct = answer_of(handler)
    for status, answer in answers.items():
        if status in SUCCESS:
            answer["description"] = SUCCESS[status][entry]
        for kind, content in list(answer.get("content", {}).items()):
            if kind in FILES:
                content["schema"] = {"type": "string", "format": "binary"}
                answer["content"][BYTES] = content  # for whoever accepts that alone
            elif struct is not None and kind == "application/json":
                content["schema"] = reference_to(struct)
    if handler.opt.get("sheet"):
        answers["200"]["content"][XLSX] = {"schema": {"type": "string", "format": "binary"}}
    answers.get("204", {}).pop("content", None)  # the framework says JSON of an answer that has no body
    if handler.opt.get("ranged"):
        answers["206"] = answers["200"] | {"description": "The bytes of the range; Content-Range says which"}
    return answers


def _problems(operation: dict[str, Any], handler: Any) -> dict[str, Any]:
    """Every problem that it may answer, by status, with a sample of each code."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(_codes(operation, handler)):
        by_status.setdefault(law().messages[code].status or 500, []).append(code)
    return {str(status): _problem(codes) for status, codes in sorted(by_status.items())}


def _codes(operation: dict[str, Any], handler: Any) -> list[str]:
    verb, body = VERBS_BY_OPERATION.get(operation["operationId"]), "body" in handler.opt
    codes = [*(verb.codes if verb else handler.opt.get("codes", ())), *ALWAYS, "invalid"]
    codes += BODY if body else ()
    codes += () if handler.opt.get("public") else SIGNED_IN
    return codes + list(ENTRY if verb else ())


def _problem(codes: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {
            PROBLEM_JSON: {
                "schema": reference_to(Problem), "examples": {code: {"value": _sample(code)} for code in codes},
            }
        },
    }  # fmt: skip
    return answer | ({"headers": NONCE} if "use_dpop_nonce" in codes else {})


def _sample(code: str) -> dict[str, Any]:
    message = law().messages[code]
    words = {"type": f"/problems/{code}", "title": message.title_zh, "status": message.status, "detail": message.zh}
    return {**words, "code": code, "instance": "/v1/…"}
