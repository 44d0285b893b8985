"""The use case of a delete: written down, then carried out."""

from __future__ import annotations

import asyncio

from services.common.clients.retriever import RetrieverClient
from services.common.jobs.deletes import Delete, DeleteLog
from services.common.revision import RevisionClock


class Deleting:
    """Deletes items.

    Args:
        log: Keeps deletes over the loss of the store.
        retriever: Carries them out.
        clock: Gives them their revision.
    """

    def __init__(self, log: DeleteLog, retriever: RetrieverClient, clock: RevisionClock) -> None:
        self._log, self._retriever, self._clock = log, retriever, clock

    async def delete(self, tenant: str, item_id: str) -> bool:
        """Delete an item for good; False if there was nothing to delete.

        Without an answer of the store the delete stays written down: the caller wants it, and repeats it.

        Raises:
            ImageragError: The data store or the retriever does not answer.
        """
        delete = Delete(tenant, item_id, self._clock.next())
        await asyncio.to_thread(self._log.note, delete)
        deleted = await self._retriever.delete_item(tenant, item_id, delete.revision)
        if not deleted:
            # Otherwise a replay would delete what was still on its way at this moment, and was then stored.
            await asyncio.to_thread(self._log.take_back, delete)
        return deleted
