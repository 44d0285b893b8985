"""The composition root: the data folder, the engine's thread, the upkeep, the HTTP application."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from services.common.errors import NotFoundError
from services.common.settings import SettingsError
from services.common.web.server import HttpServer
from services.store.engine import EngineThread
from services.store.indexing import IndexBuilder
from services.store.keeper import Keeper
from services.store.reads import StoreReads
from services.store.registry import FolderLock, Registry
from services.store.routes.collections import CollectionRoutes
from services.store.routes.health import health_routes
from services.store.routes.keys import KeyCheck
from services.store.routes.points import PointRoutes
from services.store.routes.search import SearchRoutes
from services.store.routes.snapshots import SnapshotRoutes
from services.store.routes.unsupported import unsupported_endpoints
from services.store.routes.wire import Wire, failure
from services.store.service import StoreService
from services.store.settings import StoreSettings
from services.store.snapshots.service import SnapshotService


@asynccontextmanager
async def compose(settings: StoreSettings) -> AsyncIterator[HttpServer]:
    """Open the data folder, replay what a crash left in the logs, and yield the server.

    Raises:
        SettingsError: Another process has the folder, or the store would be open to the network without a key.
    """
    _check_exposure(settings)
    async with AsyncExitStack() as stack:
        lock = FolderLock(settings.data_path)
        stack.callback(lock.release)
        engine = EngineThread(settings.queue_limit)
        stack.callback(engine.close)
        registry = Registry(settings.data_path)
        await engine.run_own(registry.open)
        stack.push_async_callback(engine.run_own, registry.close)
        builder = IndexBuilder(engine, settings.index_backlog_points)
        await stack.enter_async_context(Keeper(settings, engine, registry, builder).running())
        yield HttpServer(application(settings, engine, registry), settings.host, settings.port)


def application(settings: StoreSettings, engine: EngineThread, registry: Registry) -> Starlette:
    """The HTTP application over an open registry."""
    wire = Wire(engine, settings.body_limit_bytes)
    endpoints = [
        *CollectionRoutes(StoreService(registry)).endpoints(),
        *PointRoutes(StoreService(registry)).endpoints(),
        *unsupported_endpoints(),
        *SearchRoutes(StoreReads(registry)).endpoints(),
    ]
    snapshots = SnapshotRoutes(SnapshotService(engine, registry, settings.snapshot_limit_bytes))
    key = settings.api_key
    return Starlette(
        routes=[*health_routes(), *snapshots.routes(), *[wire.route(endpoint) for endpoint in endpoints]],
        middleware=[] if key is None else [Middleware(KeyCheck, key=key.get_secret_value())],
        exception_handlers={404: _no_such_path},
    )


async def _no_such_path(request: Request, _error: Exception) -> Response:
    return failure(NotFoundError(f"There is no {request.method} {request.url.path}"))


def _check_exposure(settings: StoreSettings) -> None:
    if settings.api_key is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"IMAGERAG_STORE_HOST: {settings.host} can be reached from other machines. "
            "Set IMAGERAG_STORE_API_KEY, or listen on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
