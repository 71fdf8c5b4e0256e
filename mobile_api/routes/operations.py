"""For operators and developers: liveness, readiness, public keys, problems in words, and the page /docs.

Readiness is answered on the address for operators alone (mobile_api/operations_server.py).
"""

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.response import File

from backend.core.database import is_reachable
from backend.core.refusals import Refusal
from backend.law.catalogue import law
from backend.oversight.alarms import Alarm, ringing
from backend.people.devices import administered
from backend.proof import known_store
from backend.proof.trust import KeySet
from mobile_api import metrics
from mobile_api.auth import PUBLIC
from mobile_api.problems import refuses
from storage.evidence_store import EvidenceStore

READY_SECONDS = 3.0
UI = Path(str(files("swagger_ui"))) / "static"
ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "favicon-32x32.png": "image/png"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
PAGE = """<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<title>辅警 Fujing · API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null,
  defaultModelsExpandDepth: 0, docExpansion: "list", displayRequestDuration: true,
  requestInterceptor: async (request) => {  // with a desk session: the CSRF token
    const signsIn = request.url.endsWith("/v1/desk/sessions");
    if (!request.loadSpec && request.method !== "GET" && !request.headers.Authorization && !signsIn) {
      const desk = await fetch("/v1/desk/sessions/current");
      if (desk.ok) request.headers["X-CSRF-Token"] = (await desk.json()).csrf_token;
    }
    return request;
  }
});
"""


class Live(msgspec.Struct, frozen=True):
    """That the process runs."""

    status: Annotated[str, msgspec.Meta(description="ok")] = "ok"


class Health(msgspec.Struct, frozen=True):
    """Whether the services that the process needs answer."""

    status: Annotated[str, msgspec.Meta(description="ok, or away where a service does not answer")]
    database: Annotated[str, msgspec.Meta(description="whether the database answers: ok or away")] = "ok"
    store: Annotated[str, msgspec.Meta(description="whether the evidence store can be read: ok or away")] = "ok"
    store_write: Annotated[
        str, msgspec.Meta(description="whether it takes writes, tried every minute by a worker: ok, away or unknown")
    ] = "unknown"
    store_why: Annotated[
        str | None, msgspec.Meta(description="what is wrong with it: full, read_only, swapped, lock_not_kept")
    ] = None


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the worker or for a device. Ages in seconds, 0 where nothing waits."""

    to_seal: Annotated[int, msgspec.Meta(description="files that were received and are not sealed yet")]
    sealing_lag: Annotated[float, msgspec.Meta(description="seconds for which the oldest of them has waited")]
    unfinished: Annotated[int, msgspec.Meta(description="uploads whose parts are not all there")]
    parts_age: Annotated[float, msgspec.Meta(description="seconds for which one of them has received nothing at most")]
    jobs: Annotated[int, msgspec.Meta(description="jobs in the queue, those given up included")]
    jobs_given_up: Annotated[int, msgspec.Meta(description="jobs that failed for good and wait for a person")]
    oldest_job: Annotated[float, msgspec.Meta(description="seconds for which the oldest job has waited")]


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of this server."""

    total: Annotated[int, msgspec.Meta(description="its size in bytes")]
    free: Annotated[int, msgspec.Meta(description="bytes of it that are free")]


class OperationsNow(msgspec.Struct, frozen=True, kw_only=True):
    """How the house stands, for those who keep it running. Numbers only; they are at most five seconds old."""

    queues: Annotated[Queues, msgspec.Meta(description="what waits")]
    checkpoint_age: Annotated[
        float, msgspec.Meta(description="age in seconds of the oldest line of the journal under no checkpoint")
    ]
    clock_apart: Annotated[float, msgspec.Meta(description="seconds between the clocks of the server and the database")]
    database_bytes: Annotated[int, msgspec.Meta(description="size of the database in bytes")]
    data_disk: Annotated[Disk, msgspec.Meta(description="the disk of the data directory")]
    store_disk: Annotated[
        Disk | None, msgspec.Meta(description="the disk of the embedded store; null: the store is another's")
    ]
    alarms: Annotated[list[Alarm], msgspec.Meta(description="what asks for a person now")]


class ProblemWords(msgspec.Struct, frozen=True, kw_only=True):
    """A code of a problem or finding in words."""

    code: Annotated[str, msgspec.Meta(description="the stable code")]
    status: Annotated[int | None, msgspec.Meta(description="the HTTP status of the problem; null: it is a finding")]
    article: Annotated[str | None, msgspec.Meta(description="article of the regulation; null: none is behind it")]
    zh: Annotated[str, msgspec.Meta(description="the sentence in Chinese")]
    en: Annotated[str, msgspec.Meta(description="the sentence in English")]


@get(
    "/health/live",
    opt=PUBLIC,
    summary="The process runs",
    tags=["Operations"],
    operation_id="health_live",
    sync_to_thread=False,
)
def live() -> Live:
    """Answer as long as the process runs."""
    return Live()


@get("/health/ready", opt=PUBLIC, include_in_schema=False)
async def ready(request: Request[Any, Any, Any]) -> Response[Health]:
    """200 where the database answers and the store can be read; else 503 with the name of the one that is away.

    A store that takes no writes is 200: entries go on, and devices keep their footage.
    """
    database, store = await asyncio.gather(_state_of(is_reachable()), _standing(request.app.state.store))
    reads = "ok" if store.reads else "away"
    well = database == reads == "ok"
    writes = {True: "ok", False: "away", None: "unknown"}[store.writes]
    answer = Health("ok" if well else "away", database, reads, writes, store.why)
    return Response(answer, status_code=200 if well else 503)


async def _standing(store: EvidenceStore) -> known_store.Standing:
    try:
        return await asyncio.wait_for(known_store.how_it_stands(store), READY_SECONDS)
    except Exception:  # whatever the error: it cannot be read
        return known_store.NOTHING_TOLD


async def _state_of(service: Any) -> str:
    try:
        await asyncio.wait_for(service, READY_SECONDS)
    except Exception:  # whatever the error: the service does not answer
        return "away"
    return "ok"


@get(
    "/operations",
    opt=refuses("not_for_your_role"),
    summary="How the house stands · 运行状况",
    tags=["Operations"],
    operation_id="operations",
)
async def operations_now(request: Request[Any, Any, Any]) -> Response[OperationsNow]:
    """Queues, disks, the age of the last checkpoint, clocks and alarms. For administrators.

    Held entries are not counted: one of them may be about the administrator."""
    administered(request.user)
    told = await metrics.DATABASE_GAUGES.refresh()
    if told is None:
        raise Refusal("database_damaged" if metrics.DATABASE_GAUGES.damaged else "database_unavailable")
    home, waiting = request.app.state.settings.data_dir, told.waiting
    store = await metrics.STORE_GAUGE.refresh(request.app.state.store)
    found = {name: Disk(total=disk.total, free=disk.free) for name, disk in metrics.disks(home).items()}
    answer = OperationsNow(
        queues=msgspec.convert({name: waiting[name] for name in Queues.__struct_fields__}, Queues, strict=False),
        checkpoint_age=waiting["checkpoint_age"],
        clock_apart=waiting["clock_apart"],
        database_bytes=int(waiting["database_bytes"]),
        data_disk=found["data"],
        store_disk=found.get("store"),
        alarms=ringing(metrics.figures(told, home, store)),
    )
    return Response(answer, headers={"Cache-Control": "no-store"})


@get("/.well-known/jwks.json", opt=PUBLIC, summary="Public keys · 公钥", tags=["Operations"], operation_id="jwks")
async def jwks(request: Request[Any, Any, Any]) -> KeySet:
    """Public keys (RFC 7517), past ones too: `session-…` verify tokens, `evidence-…` receipts and checkpoints."""
    keys = request.app.state.key_rings
    return KeySet(keys=keys.evidence.public() + keys.session.public(), endorsements=keys.evidence.endorsements())


@get(
    "/problems/{code:str}",
    opt=PUBLIC | refuses("not_found"),
    summary="A problem in words · 问题说明",
    tags=["Operations"],
    operation_id="problem",
)
async def problem_words(code: str) -> ProblemWords:
    """The sentences of a code. The `type` of every problem is this address."""
    message = law().messages.get(code)
    if message is None:
        raise Refusal("not_found")
    return ProblemWords(code=code, status=message.status, article=message.article, zh=message.zh, en=message.en)


@get("/docs", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs() -> Response[str]:
    """The API as a page; all it needs comes from this server."""
    return Response(PAGE, media_type=MediaType.HTML, headers={"Content-Security-Policy": POLICY})


@get("/docs/assets/{name:str}", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def asset(name: str) -> Response[Any]:
    """The files of the page /docs, from the wheel of Swagger UI."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in ASSETS:
        raise Refusal("not_found")
    headers = {"Cache-Control": "no-cache"}
    return File(UI / name, media_type=ASSETS[name], content_disposition_type="inline", headers=headers)


V1_ROUTES = [operations_now]
ROUTES = [live, jwks, problem_words, docs, asset]
