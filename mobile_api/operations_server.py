"""The server for operators: /metrics and /health/ready, on an address of its own (FUJING_OPERATIONS_LISTEN).

Every API process listens there beside the public address, and the kernel gives a connection to one of them
(SO_REUSEPORT). Whichever answers adds up the counts of all. The public address answers 404 for these paths, whatever a
proxy does with them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from backend.core.settings import host_and_port
from mobile_api import metrics
from mobile_api.head import HeadAnswering
from mobile_api.problems import HANDLERS
from mobile_api.queries import KnownParameters
from mobile_api.request_middleware import RequestMiddleware
from mobile_api.routes import operations

HEADERS_MS = 10_000  # for the head of a request
log = structlog.get_logger()


def for_operators(app: Litestar) -> Litestar:
    """The routes for operators, over the services of this application, which are open."""
    ours = HeadAnswering(
        route_handlers=[operations.live, operations.ready, *metrics.ROUTES],
        middleware=[RequestMiddleware, KnownParameters],
        exception_handlers=HANDLERS,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    ours.state.store, ours.state.settings = app.state.store, app.state.settings
    return ours


@asynccontextmanager
async def listening(app: Litestar, address: str) -> AsyncIterator[None]:
    """Answer operators on this `host:port` for the length of a block. Raises what the server raises at its start."""
    host, port = host_and_port(address)
    server = Server(
        for_operators(app),
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_MS),
        websockets=False,
    )
    answering = asyncio.create_task(server.serve())
    await asyncio.sleep(0)  # it binds before it first waits
    if answering.done():
        await answering
    telling = asyncio.create_task(metrics.tell_the_others())
    try:
        yield
    finally:
        telling.cancel()
        server.stop()
        await answering
