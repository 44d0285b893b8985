"""Upkeep in the background: flushes what was written, and starts an index build when enough has come together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
from prometheus_client import Histogram

from services.store.collection import Collection
from services.store.engine import EngineThread
from services.store.indexing import IndexBuilder
from services.store.registry import Registry
from services.store.settings import StoreSettings

log = structlog.get_logger(__name__)

FLUSH_SECONDS = Histogram("imagerag_store_flush_seconds", "Time of one flush of a collection, in seconds.")


class Keeper:
    """The background task.

    Args:
        settings: Intervals and thresholds.
        engine: The thread that flushes run on.
        registry: The collections.
        builder: Builds indexes.
    """

    def __init__(
        self, settings: StoreSettings, engine: EngineThread, registry: Registry, builder: IndexBuilder
    ) -> None:
        self._settings, self._engine, self._registry, self._builder = settings, engine, registry, builder
        self._paused_until: dict[str, float] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the store until the block ends; a build under way is given up then."""
        tasks = [asyncio.create_task(self._keep_flushed()), asyncio.create_task(self._keep_indexed())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _keep_flushed(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_interval_s)
            for collection in self._registry.collections():
                try:
                    await self._engine.run_own(partial(_flush, collection))
                except Exception:
                    log.exception("flush_failed", collection=collection.name)

    async def _keep_indexed(self) -> None:
        if self._settings.index_after_points == 0:
            return
        while True:
            await asyncio.sleep(min(1.0, self._settings.flush_interval_s))
            for collection in self._registry.collections():
                if self._due(collection):
                    await self._build(collection)

    def _due(self, collection: Collection) -> bool:
        rested = time.monotonic() >= self._paused_until.get(collection.name, 0.0)
        return rested and collection.written_points >= self._settings.index_after_points

    async def _build(self, collection: Collection) -> None:
        try:
            built = await self._builder.build(collection)
        except Exception:
            log.exception("index_build_failed", collection=collection.name)
            built = False
        if not built:
            self._paused_until[collection.name] = time.monotonic() + self._settings.index_pause_s


def _flush(collection: Collection) -> None:
    if collection.dirty and not collection.closed:
        with FLUSH_SECONDS.time():
            collection.flush()
