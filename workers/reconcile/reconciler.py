"""One look at all open jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

import structlog
from redis import Redis

from services.common.errors import ImageragError
from services.common.index.catalogue import Collection
from services.common.index.index import Stored
from services.common.jobs import layout
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import ListMessage
from services.common.jobs.records import Job, LineOutcome
from workers import metrics
from workers.ingest.ports import ItemIndex
from workers.leases import Leases, lines_name, listing_name
from workers.publishing import Publish
from workers.reconcile.hints import RequeueHints
from workers.reconcile.plan import (
    OpenBatch,
    Queued,
    is_due,
    left_out,
    lost,
    open_batches,
    slices,
    to_verify,
    without_first,
)

log = structlog.get_logger(__name__)
_VERIFY_IDS = 256
_LISTING = -1
"""Stands for the reading of the source among the hints, which go by a batch's first line."""


class Reconciler:
    """Compares ledger, queue and store. Belongs to the event loop of its index.

    Args:
        ledger: What was accepted and what became of it.
        index: What is stored.
        leases: Who works on what.
        hints: When what was queued again.
        redis: The broker's, for the length of its queues.
        publish: Queues again.
        requeue_after_s: See `workers.reconcile.plan.is_due`.
        slice_s: After so long the finished jobs that are not compared with the store yet wait for the next look.
    """

    def __init__(
        self,
        ledger: JobLedger,
        index: ItemIndex,
        leases: Leases,
        hints: RequeueHints,
        redis: Redis,
        publish: Publish,
        *,
        requeue_after_s: float,
        slice_s: float,
    ) -> None:
        self._ledger, self._index, self._leases, self._hints = ledger, index, leases, hints
        self._redis, self._publish, self._requeue_after_s = redis, publish, requeue_after_s
        self._slice_s, self._give_up_at = slice_s, 0.0

    async def run(self) -> None:
        """Look at every open job; nothing happens while another process does.

        A job that cannot be looked at now, because the store or the broker is down, waits for the next look.
        """
        with self._leases.hold("reconcile") as held:
            if held:
                return
            self._give_up_at = time.monotonic() + self._slice_s
            jobs = [self._ledger.job(tenant, job_id) for tenant, job_id in self._ledger.open_jobs()]
            for job in jobs:
                try:
                    await self._look_at(job)
                except ImageragError as error:
                    log.warning("reconcile_postponed", job_id=job.id, code=error.code, detail=error.message)

    async def _look_at(self, job: Job) -> None:
        if self._ledger.is_cancelled(job):
            if not any(map(self._is_leased, self._open_batches(job))):
                self._close(job)
            return
        resting = self._ledger.control.is_paused(job)
        if not job.listed and not resting:
            self._relist(job)
        any_open = self._requeue(job, resting=resting)
        self._ledger.books.save_tally(job)
        if job.listed and not any_open and await self._verify(job):
            self._close(job)

    def _open_batches(self, job: Job) -> Iterator[OpenBatch]:
        return open_batches(job, chain.from_iterable(self._ledger.books.open_lines(job)))

    def _relist(self, job: Job) -> None:
        """Queue the reading of the source again, unless someone is at it."""
        queued = self._hints.read(job).get(_LISTING, Queued(0, job.created_at.timestamp()))
        now_s = time.time()
        if any(self._leases.taken([listing_name(job.tenant, job.id)])):
            return
        # However long the queue is: this is one message, and without it a job stands still.
        if is_due(queued, now_s, self._requeue_after_s, queue_is_empty=True):
            self._hints.write(job, _LISTING, Queued(queued.times + 1, now_s))
            self._publish([ListMessage(job.id, job.tenant, job.queue)], links=[job.traceparent])
            metrics.REQUEUED.inc()
            log.warning("listing_requeued", job_id=job.id, lines=job.total)

    def _requeue(self, job: Job, *, resting: bool) -> bool:
        """Queue lost batches again, unless the job rests; whether any line is still to be done."""
        known, now_s, empty = self._hints.read(job), time.time(), self._length(job.queue) == 0
        accepted = Queued(0, job.created_at.timestamp())
        any_open = False
        for batch in self._open_batches(job):
            any_open = True
            if resting:
                break
            queued = known.get(batch.message.start, accepted)
            if not is_due(queued, now_s, self._requeue_after_s, empty) or self._is_leased(batch):
                continue
            # Noted first: if the message cannot be sent, the next look comes later, not never.
            self._hints.write(job, batch.message.start, Queued(queued.times + 1, now_s))
            self._publish([batch.message], links=[job.traceparent])
            metrics.REQUEUED.inc()
            log.warning("requeued", job_id=job.id, start=batch.message.start, lines=len(batch.lines))
        return any_open

    def _is_leased(self, batch: OpenBatch) -> bool:
        """Whether someone works on a batch or on one of its open lines."""
        tenant, job_id = batch.message.tenant, batch.message.job_id
        ranges = [(batch.message.start, batch.message.stop), *((n, n + 1) for n in batch.lines)]
        return any(self._leases.taken([lines_name(tenant, job_id, *lines) for lines in ranges]))

    async def _verify(self, job: Job) -> bool:
        """Whether everything recorded as stored still stands in the store; what does not is to be done again.

        A long job takes several looks: each goes on behind the parts that were found in order.
        """
        collection = await self._index.resolve()
        first, missing = self._hints.verified_parts(job), 0
        for part in layout.parts(job.total, job.part_lines)[first:]:
            if time.monotonic() > self._give_up_at:
                return False
            gone = await self._lost(job, part, collection)
            missing += len(gone)
            if gone:
                self._ledger.record(job, gone)
            elif not missing:
                self._hints.note_verified(job, part + 1)
        if missing:
            log.error("stored_lines_lost", job_id=job.id, lines=missing)
            metrics.TAKEN_BACK.inc(missing)
        return not missing

    async def _lost(self, job: Job, part: int, collection: Collection | None) -> list[LineOutcome]:
        settled = self._ledger.books.log(job).settled_part(part).values()
        claimed, skipped = to_verify(settled), left_out(settled)
        stored: dict[str, Stored] = {}
        for ids in slices(sorted({*claimed, *(found.item_id for found in skipped)}), _VERIFY_IDS):
            stored |= await self._index.stored(collection, job.tenant, ids) if collection else {}
        return [*lost(job, claimed, stored), *without_first(skipped, stored)]

    def _close(self, job: Job) -> None:
        progress = self._ledger.close(job)
        self._hints.forget(job)
        log.info("job_closed", job_id=job.id, stored=progress.stored, failed=progress.failed)

    def _length(self, queue: str) -> int:
        return int(self._redis.llen(queue))
