"""Makes, keeps and restores snapshots while reads and writes go on.

Making one, as an index build begins: on the engine's thread, flush and copy the shard (holes kept); every write
answered before is in it, none is half in it. The copy is then put into the archive on another thread.

Restoring one: unpack beside the collection, open it once in a child process, and then, on the engine's thread in
one piece, open it, write its name into `collection.json` (temporary file, fsync, rename) and use it. A crash
before the rename leaves the old collection, one after it the restored one; the next start removes the other.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from functools import partial
from pathlib import Path

import structlog

from services.common.errors import InvalidRequestError, PayloadTooLargeError, UnavailableError
from services.store.collection import Collection, new_shard_name
from services.store.copying import copy_sparse
from services.store.engine import EngineThread
from services.store.registry import Registry
from services.store.snapshots.archive import Header, StoppedError, read_header, unpack_shard, write_archive
from services.store.snapshots.checking import points_in_child
from services.store.snapshots.compatibility import check_replacement, check_shard
from services.store.snapshots.shelf import Shelf
from services.store.translate.results import Json

log = structlog.get_logger(__name__)
_RESERVE_BYTES = 256 << 20
"""Stays free on the disk: the engine's log must always find room."""


class SnapshotService:
    """The use cases around snapshots. Runs on the event loop; one snapshot is made or restored at a time.

    Args:
        engine: The thread that owns the shards.
        registry: The collections.
        limit_bytes: Largest snapshot, unpacked.
    """

    def __init__(self, engine: EngineThread, registry: Registry, limit_bytes: int) -> None:
        self._engine, self._registry, self.limit_bytes = engine, registry, limit_bytes
        self._one_at_a_time = asyncio.Lock()

    async def create(self, name: str) -> Json:
        """Make a snapshot; it holds every write that was answered before this call.

        Raises:
            NotFoundError: No such collection.
            UnavailableError: The disk has no room, or the collection went away meanwhile.
        """
        async with self._one_at_a_time:
            collection = await self._engine.run(partial(self._registry.get, name))
            copy = collection.folder / new_shard_name()
            try:
                header = await self._engine.run(partial(_copy_shard, collection, copy))
                return await self._put(collection, copy, header)
            finally:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True))

    async def _put(self, collection: Collection, copy: Path, header: Header) -> Json:
        stop = threading.Event()

        def put() -> Json:
            return Shelf(collection.folder).put(
                collection.name, lambda target: write_archive(copy, header, target, stop)
            )

        try:
            return await asyncio.to_thread(put)
        except (FileNotFoundError, StoppedError):
            raise UnavailableError(f"Collection `{collection.name}` went away during its snapshot.") from None
        finally:
            stop.set()  # a thread cannot be cancelled; it sees this at its next write

    async def list(self, name: str) -> list[Json]:
        """The snapshots of a collection."""
        return (await self._shelf(name)).list()

    async def path(self, name: str, snapshot: str) -> Path:
        """The file of a snapshot.

        Raises:
            NotFoundError: No such collection or snapshot.
        """
        return (await self._shelf(name)).path(snapshot)

    async def remove(self, name: str, snapshot: str) -> bool:
        """Delete a snapshot; errors as in `path`."""
        (await self._shelf(name)).remove(snapshot)
        return True

    async def _shelf(self, name: str) -> Shelf:
        return Shelf((await self._engine.run(partial(self._registry.get, name))).folder)

    def check_room(self, size_bytes: int) -> None:
        """Refuse an upload that the disk or the limit has no room for, twice over: packed and unpacked.

        Raises:
            PayloadTooLargeError: It is too large.
        """
        free = shutil.disk_usage(self._registry.upload_folder()).free - _RESERVE_BYTES
        if size_bytes > self.limit_bytes or 2 * size_bytes > free:
            raise PayloadTooLargeError(
                f"A snapshot of {size_bytes} bytes does not fit (limit {self.limit_bytes}, free {max(0, free)})."
            )

    def upload_path(self) -> Path:
        """A file name for an upload; what a crash leaves there is removed at the next start."""
        return self._registry.upload_folder() / new_shard_name()

    async def restore(self, name: str, archive: Path) -> bool:
        """Make a collection what it was in the snapshot; made if it is not there, replaced as a whole if it is.

        Raises:
            InvalidRequestError: The file is no snapshot, is damaged, or has other vectors.
            ConflictError: It has other metadata, or the collection was changed meanwhile.
        """
        async with self._one_at_a_time:
            header = await asyncio.to_thread(read_header, archive)
            place = await self._engine.run(partial(self._registry.place_for, name))
            if place.current is not None:
                check_replacement(place.current, header.description)
            shard = place.folder / new_shard_name()
            try:
                await self._unpack(archive, shard, header)
                await self._engine.run(partial(self._registry.restore, place, header.description, shard))
            finally:
                await self._engine.run_own(partial(self._registry.leave, place, shard))
            log.info("snapshot_restored", collection=place.name, points=header.points)
            return True

    async def _unpack(self, archive: Path, shard: Path, header: Header) -> None:
        await asyncio.to_thread(unpack_shard, archive, shard, self.limit_bytes)
        check_shard(header.description, shard)
        points = await points_in_child(shard)
        if points != header.points:
            raise InvalidRequestError(f"The snapshot holds {points} points and should hold {header.points}.")


def _copy_shard(collection: Collection, target: Path) -> Header:
    collection.flush()
    source = collection.folder / collection.description.shard
    needed = sum(path.stat().st_blocks * 512 for path in source.rglob("*"))
    free = shutil.disk_usage(collection.folder).free
    if 2 * needed + _RESERVE_BYTES > free:
        raise UnavailableError(f"A snapshot needs {2 * needed} bytes on the disk; {free} are free.")
    header = Header(points=collection.shard.info().points_count, description=collection.description)
    copy_sparse(source, target)
    return header
