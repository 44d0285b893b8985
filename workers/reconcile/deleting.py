"""Deletes that a store forgot, because it was set back to a snapshot, carried out once more."""

from __future__ import annotations

from datetime import datetime

from services.common.errors import UnavailableError
from services.common.index.index import Index
from services.common.jobs.deletes import DeleteLog


async def delete_again(index: Index, log: DeleteLog, since: datetime) -> int:
    """Leave the mark of every delete since then; what was written after a delete stays.

    May be repeated.

    Args:
        index: Restored already.
        log: What was deleted.
        since: Aware.

    Returns:
        How many deletes.

    Raises:
        ImageragError: The store does not answer, or nothing was restored to it yet.
    """
    count, collection = 0, await index.resolve()
    for delete in log.since(since):
        if collection is None:
            raise UnavailableError("There is no collection yet: restore the snapshot first.")
        await index.bury(collection, delete.tenant, delete.item_id, delete.revision)
        count += 1
    return count
