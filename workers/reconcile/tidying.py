"""Housekeeping of the data store, once a day by one process of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis

from services.common.jobs.deletes import DeleteLog

log = structlog.get_logger(__name__)
_TURN = "imagerag:tidied"
_DAY_S = 24 * 3600


class Tidying:
    """Keeps the log of deletes small. All calls block.

    Args:
        deletes: The log.
        redis: The broker's: remembers whose turn it was. Lost, it costs one more look.
        keep: Older deletes go: longer than the oldest snapshot that anyone would restore.
    """

    def __init__(self, deletes: DeleteLog, redis: Redis, keep: timedelta) -> None:
        self._deletes, self._redis, self._keep = deletes, redis, keep

    def run(self) -> None:
        """Tidy up, unless it was done within the last day."""
        if not self._redis.set(_TURN, b"1", nx=True, ex=_DAY_S):
            return
        dropped = self._deletes.tidy(datetime.now(UTC), self._keep)
        log.info("deletes_tidied", days_dropped=dropped)
