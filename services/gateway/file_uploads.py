"""Files of any kind on their way in: kept as they come, and never whole in memory."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import BinaryIO

from services.common.uploads.records import Upload
from services.common.uploads.store import UploadStore

_BLOCK_BYTES = 1024 * 1024
"""Written at a time: each write is a step of another thread."""


class FileUploads:
    """Receives files. What was received survives any crash, for as long as a job needs it.

    Args:
        store: Keeps them.
    """

    def __init__(self, store: UploadStore) -> None:
        self._store = store

    async def receive(self, tenant: str, chunks: AsyncIterator[bytes]) -> Upload:
        """Keep what comes, in whatever pieces; if it breaks off nothing is kept.

        Raises:
            InvalidRequestError: Nothing came.
            UnavailableError: The storage does not answer, or is full.
        """
        receiving = await asyncio.to_thread(self._store.receive, tenant)
        try:
            async for block in _blocks(chunks):
                await asyncio.to_thread(receiving.write, block)
            return await asyncio.to_thread(receiving.finish)
        finally:
            await asyncio.to_thread(receiving.discard)

    async def keep(self, tenant: str, file: BinaryIO) -> Upload:
        """Keep a file that has arrived; errors as in `receive`."""
        return await asyncio.to_thread(self._keep, tenant, file)

    async def exists(self, tenant: str, sha256: str) -> bool:
        """Whether the tenant has uploaded a file with this digest; if so it stays for a while."""
        return await asyncio.to_thread(self._store.ask, tenant, sha256)

    def _keep(self, tenant: str, file: BinaryIO) -> Upload:
        with self._store.receive(tenant) as receiving:
            shutil.copyfileobj(file, receiving, _BLOCK_BYTES)
            return receiving.finish()


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
