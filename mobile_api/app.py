"""The application: its routes, middleware and exception handlers, and the pools and keys that live as long as it."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.middleware import DefineMiddleware

from backend import feed
from backend.core import database, settings
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.feed_cursor import CIPHER
from backend.law import notices
from backend.law.catalogue import use
from backend.people import kinds
from backend.people.proofs import ProofReader
from backend.people.sessions import TokenReader
from backend.proof import known_store
from backend.reviews.watching import LATE_WRITES
from mobile_api import openapi, operations_server
from mobile_api.auth import SessionMiddleware
from mobile_api.logs import configure
from mobile_api.problems import HANDLERS
from mobile_api.queries import KnownParameters
from mobile_api.request_middleware import RequestMiddleware
from mobile_api.routes import (
    activities,
    assistance,
    changes,
    complaints,
    descriptions,
    desk,
    devices,
    documents,
    events,
    findings,
    handovers,
    holds,
    hours,
    injuries,
    items,
    operations,
    packages,
    people,
    recordings,
    recusals,
    reviews,
    rosters,
    sessions,
    shifts,
    supervision,
    sync,
    timecodes,
    uploads,
    verbs,
    verdict,
)
from mobile_api.stores import store_of
from mobile_api.unread_bodies import BodyReading
from storage.evidence_store import EvidenceStore
from storage.view_copies.children import CHILDREN

BODY_LIMIT = 1024 * 1024
GARBAGE_LOOKS = 10_000  # new objects between two garbage collections; Python's 700 suits scripts
FEATURES: tuple[Any, ...] = (
    sessions, devices, desk, people, verdict, verbs, shifts, supervision, activities, recordings, findings,
    descriptions, documents,
    uploads, timecodes, handovers, rosters, items, holds, reviews, packages, hours, complaints,
    injuries, recusals, assistance, changes, events, sync,
)  # fmt: skip


def build(chosen: Settings) -> Litestar:
    """The application under these settings, whose services are already running."""
    keys = Keys(chosen.secrets_dir)
    app = assemble([_connected])
    app.state.settings, app.state.key_rings, app.state.tokens = chosen, keys, TokenReader(keys)
    app.state.proofs = ProofReader(keys.nonce, chosen.public_url)
    CIPHER.secrets = keys.nonce.secrets
    return app


@asynccontextmanager
async def _connected(app: Litestar) -> AsyncIterator[None]:
    chosen = app.state.settings
    await database.when_there(lambda: database.connect(str(chosen.database_url), chosen.pool_size))
    await kinds.keep()
    app.state.store = store_of(chosen, waited_for=True)
    app.state.hub = events.Hub(chosen.listening_url)
    try:
        async with AsyncExitStack() as running:
            await running.enter_async_context(feed.notifying(chosen.listening_url))
            await running.enter_async_context(app.state.hub.running())
            await running.enter_async_context(_proving(app.state.store))
            if chosen.operations_listen is not None:
                await running.enter_async_context(operations_server.listening(app, chosen.operations_listen))
            yield
    finally:
        await LATE_WRITES.wait()
        await asyncio.to_thread(CHILDREN.close)
        app.state.store.close()
        await database.disconnect()


@asynccontextmanager
async def _proving(store: EvidenceStore) -> AsyncIterator[None]:
    """Prove the store beside what is served meanwhile."""
    proving = asyncio.create_task(known_store.prove_at_start(store, "api"))
    try:
        yield
    finally:
        proving.cancel()
        await asyncio.gather(proving, return_exceptions=True)


def assemble(lifespan: list[Any]) -> Litestar:
    """The routes and what stands before them, with nothing opened."""
    of_features = [route for feature in FEATURES for route in feature.ROUTES]
    v1 = Router("/v1", route_handlers=[*of_features, *operations.V1_ROUTES])
    return BodyReading(
        route_handlers=[v1, *operations.ROUTES, openapi.document],
        middleware=[
            RequestMiddleware,
            DefineMiddleware(SessionMiddleware, exclude_from_auth_key="public"),
            KnownParameters,
        ],
        exception_handlers=HANDLERS,
        openapi_config=openapi.CONFIG,
        lifespan=lifespan,
        request_max_body_size=BODY_LIMIT,
        logging_config=None,
        debug=False,
    )


def create() -> Litestar:
    """The application for the server, under the settings of the environment."""
    chosen = settings.load()
    use(chosen.law_dir)
    notices.keep_in(chosen.law_home)
    configure(chosen.log_level)
    app = build(chosen)
    gc.collect()
    gc.freeze()  # imported objects stay: collections need not look at them
    gc.set_threshold(GARBAGE_LOOKS, 20, 20)
    return app
