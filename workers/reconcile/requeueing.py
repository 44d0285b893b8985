"""Queues at once what of a job is to be done: after a pause, or after failed lines were put back."""

from __future__ import annotations

from itertools import chain

import structlog

from services.common.errors import ImageragError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import ListMessage
from workers.publishing import Publish
from workers.reconcile.plan import open_batches

log = structlog.get_logger(__name__)


class Requeueing:
    """Carries out `REQUEUE_JOB`. All calls block.

    What is queued already is queued once more: a second message finds its lines done.

    Args:
        ledger: Knows what is open.
        publish: Queues it.
    """

    def __init__(self, ledger: JobLedger, publish: Publish) -> None:
        self._ledger, self._publish = ledger, publish

    def run(self, job_id: str, tenant: str) -> None:
        """Queue what is open of a job that is neither paused nor cancelled."""
        try:
            job = self._ledger.job(tenant, job_id)
        except ImageragError as error:
            log.warning("message_dropped", code=error.code)
            return
        if self._ledger.control.is_halted(job):
            return
        if not job.listed:
            self._publish([ListMessage(job.id, job.tenant, job.queue)], links=[job.traceparent])
        open_lines = chain.from_iterable(self._ledger.books.open_lines(job))
        self._publish((batch.message for batch in open_batches(job, open_lines)), links=[job.traceparent])
        log.info("job_requeued", job_id=job.id)
