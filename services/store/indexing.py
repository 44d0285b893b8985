"""Builds a collection's HNSW index in a child process, on a copy, while reads and writes go on.

The engine keeps Python's global lock for the whole of `optimize()`: minutes in which the store would not answer.
So:

1. On the engine's thread: flush, copy the shard (holes kept), begin to record every write.
2. A child process opens the copy, optimises it, flushes, and ends.
3. On the engine's thread, in short pieces between other calls: the recorded writes are applied to the copy. They
   give the same state there: an operation depends on nothing but the points and itself.
4. When none is left, in one piece: flush the copy, write its name into `collection.json` (temporary file, fsync,
   rename), and use it. The old shard is removed.

A crash at any point leaves `collection.json` naming a shard that has every confirmed write; the other folder is
removed at the next start. Reads are exact and slower until the swap; nothing is ever missing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import qdrant_edge as edge
import structlog
from prometheus_client import Counter

from services.common.errors import ImageragError
from services.store import optimising
from services.store.collection import Collection, Recording, new_shard_name
from services.store.copying import copy_sparse
from services.store.engine import EngineThread, engine_errors

log = structlog.get_logger(__name__)

BUILDS = Counter("imagerag_store_index_builds_total", "Index builds, by how they ended.", ["outcome"])
_PIECE_S = 0.05
"""Longest time that replaying keeps the engine's thread at a stretch."""


class IndexBuilder:
    """Builds the index of one collection at a time.

    Args:
        engine: The thread that owns the shards.
        backlog_points: Points that may be written during a build before it is given up.
    """

    def __init__(self, engine: EngineThread, backlog_points: int) -> None:
        self._engine, self._backlog_points = engine, backlog_points

    async def build(self, collection: Collection) -> bool:
        """Build and swap.

        Returns:
            False if it was given up: the child failed, or more was written meanwhile than is kept in memory.
        """
        started = time.perf_counter()
        build = _Build(collection, self._backlog_points)
        try:
            await self._engine.run_own(build.begin)
            outcome = await self._finish(build)
        finally:
            await asyncio.shield(self._engine.run_own(build.end))
        BUILDS.labels(outcome).inc()
        log.info("index_build", collection=collection.name, outcome=outcome, seconds=time.perf_counter() - started)
        return outcome in ("built", "nothing_to_do")

    async def _finish(self, build: _Build) -> str:
        status = await _optimise_in_child(build.folder)
        if status == optimising.NOTHING_TO_DO:
            await self._engine.run_own(build.note)
            return "nothing_to_do"
        if status != 0:
            return "child_failed"
        while not await self._engine.run_own(build.advance):
            pass
        return "built" if build.swapped else "overtaken"


class _Build:
    """The state of one build. Every method runs on the engine's thread."""

    def __init__(self, collection: Collection, backlog_points: int) -> None:
        self._collection, self._recording = collection, Recording(backlog_points)
        self.folder = collection.folder / new_shard_name()
        self.swapped = False
        self._shard: edge.EdgeShard | None = None
        self._replayed = 0
        self._points_at_start = 0
        self._written_at_start = 0

    def begin(self) -> None:
        """Copy the shard and record from now on."""
        collection = self._collection
        self._points_at_start = collection.shard.info().points_count
        self._written_at_start = collection.written_points
        collection.flush()
        copy_sparse(collection.folder / collection.description.shard, self.folder)
        collection.recording = self._recording

    def advance(self) -> bool:
        """Replay for a short while; swap when all is replayed.

        Returns:
            Whether the build is over.
        """
        if self._collection.closed or self._recording.overtaken:
            return True
        writes = self._recording.writes
        if self._shard is None:
            with engine_errors():
                self._shard = edge.EdgeShard.load(str(self.folder))
        deadline = time.perf_counter() + _PIECE_S
        while self._replayed < len(writes):
            if time.perf_counter() >= deadline:
                return False
            self._replay_one(self._shard, writes[self._replayed].operation)
            self._replayed += 1
        self._swap(self._shard)
        return True

    def _replay_one(self, shard: edge.EdgeShard, operation: edge.UpdateOperation) -> None:
        # What was refused the first time is refused again, with the same part of it applied.
        with suppress(ImageragError), engine_errors():
            shard.update(operation)

    def _swap(self, shard: edge.EdgeShard) -> None:
        collection = self._collection
        with engine_errors():
            shard.flush()
        old_shard, old_folder = collection.shard, collection.folder / collection.description.shard
        collection.describe(collection.description.with_shard(self.folder.name, self._points_at_start))
        collection.shard, self._shard, self.swapped = shard, None, True
        collection.written_points -= self._written_at_start
        old_shard.close()
        shutil.rmtree(old_folder, ignore_errors=True)

    def note(self) -> None:
        """The engine found nothing to optimise: do not ask again until more is written."""
        self._collection.written_points -= self._written_at_start
        if not self._collection.closed:
            description = self._collection.description
            self._collection.describe(description.with_shard(description.shard, self._points_at_start))

    def end(self) -> None:
        """Stop recording; remove the copy unless it is in use now."""
        self._collection.recording = None
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        if not self.swapped:
            shutil.rmtree(self.folder, ignore_errors=True)


async def _optimise_in_child(folder: Path) -> int:
    """Run this module on `folder`; the child is killed if this is cancelled.

    Returns:
        The child's exit status.
    """
    command = [sys.executable, "-m", optimising.__name__, str(folder), str(os.getpid())]
    child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        _, errors = await child.communicate()
        status = await child.wait()
        if status not in (0, optimising.NOTHING_TO_DO):
            # Among the reasons: the collection has been deleted meanwhile, and its folder with it.
            log.warning("index_child_failed", status=status, last_words=errors[-500:].decode(errors="replace"))
        return status
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
