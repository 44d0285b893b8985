"""Removes uploaded files that their jobs have read, every ten minutes by one process of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis

from services.common.errors import ImageragError, NotFoundError
from services.common.jobs.ledger import JobLedger
from services.common.objects import ObjectStore
from services.common.uploads.sweep import UploadSweep

log = structlog.get_logger(__name__)
_TURN = "imagerag:uploads_swept"
_EVERY_S = 600


class Sweeping:
    """Takes its turn at `UploadSweep`. All calls block.

    Args:
        objects: Where the uploads are kept.
        ledger: Knows which jobs have read theirs.
        redis: The broker's: remembers whose turn it was. Lost, it costs one more look.
        keep: See `UploadSweep`.
        grace: As there.
    """

    def __init__(
        self, objects: ObjectStore, ledger: JobLedger, redis: Redis, keep: timedelta, grace: timedelta
    ) -> None:
        self._ledger, self._redis = ledger, redis
        # Nothing goes before its grace is over, so looking much more often finds nothing more.
        self._every_s = min(_EVERY_S, max(1, int(grace.total_seconds() / 6)))
        self._sweep = UploadSweep(objects, self._is_read, keep, grace)

    def run(self) -> None:
        """Sweep, unless it was done a moment ago; a storage that is away is asked again the next time."""
        if not self._redis.set(_TURN, b"1", nx=True, ex=self._every_s):
            return
        try:
            removed = self._sweep.run(datetime.now(UTC))
        except ImageragError as error:
            log.warning("sweep_postponed", code=error.code, detail=error.message)
            return
        if removed:
            log.info("uploads_removed", files=removed)

    def _is_read(self, tenant: str, job_id: str) -> bool | None:
        try:
            job = self._ledger.job(tenant, job_id)
        except NotFoundError:
            return None
        return job.listed or self._ledger.is_cancelled(job)
