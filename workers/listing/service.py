"""Reads the source of a streamed job, part by part, and queues each part as soon as it is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from services.common.errors import ImageragError, InternalError, InvalidRequestError, rebuild
from services.common.jobs import listing
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import ListMessage, batches
from services.common.jobs.records import Job, LineOutcome, ManifestLine, Outcome
from workers import metrics
from workers.later import Later
from workers.leases import Leases, listing_name
from workers.publishing import Publish
from workers.sources.registry import OpenJob
from workers.sources.source import Listed

log = structlog.get_logger(__name__)
NEXT_SLICE = Later("next_slice")
"""There is more; it is for the next message."""


class ListingService:
    """Carries out `LIST_SOURCE`. All calls block.

    A listing may be cut short anywhere: the next one goes on behind the last part that was written, or behind the
    lines of the next one that were set aside in good order. Beside a part's own lines nothing is held in memory.

    Args:
        ledger: Where the lines go.
        leases: One process lists a job at a time.
        publish: Queues what is listed.
        open_job: Opens what a job names.
        max_attempts: Most tries at one part, if the process or an unforeseen error ends them.
        slice_s: After so long the message is sent again once a part is full, so that others get their turn.
        part_s: After so long, full or not: what was found is set aside. Longer than any source takes for its first
            line, or reading would begin anew for each line.
    """

    def __init__(
        self,
        ledger: JobLedger,
        leases: Leases,
        publish: Publish,
        open_job: OpenJob,
        *,
        max_attempts: int,
        slice_s: float,
        part_s: float = 420.0,
    ) -> None:
        self._ledger, self._leases, self._publish, self._open = ledger, leases, publish, open_job
        self._max_attempts, self._slice_s, self._part_s = max_attempts, slice_s, part_s

    def run(self, job_id: str, tenant: str) -> Later | None:
        """List what is not listed yet; returns when to come back, if it did not get to the end."""
        with self._leases.hold(listing_name(tenant, job_id)) as held:
            if held:
                # Someone is at it, or died at it a moment ago: the lease decides.
                return Later("leased", held.for_s)
            try:
                job = self._ledger.job(tenant, job_id)
            except ImageragError as error:
                log.warning("message_dropped", code=error.code)
                return None
            later = self.list(job)
        if later is NEXT_SLICE:
            # After the lease is free: a worker that is quick would find it taken.
            self._publish([ListMessage(job.id, job.tenant, job.queue)])
            return None
        return later

    def list(self, job: Job) -> Later | None:
        """As `run`, for the holder of the lease; `NEXT_SLICE` if its time is over.

        Whoever lost the lease without noticing finds the next part written by someone else, and leaves it at that.
        """
        reading: _Reading | None = None
        began = time.monotonic()
        while not job.listed and not self._ledger.control.is_halted(job):
            if time.monotonic() > began + self._slice_s:
                return NEXT_SLICE
            attempt = self._ledger.attempts.begin(job, job.total, job.total)
            if attempt.earlier >= self._max_attempts:
                log.error("listing_given_up", lines=job.total, attempts=attempt.earlier)
                self._complete_with(job, (), _given_up(attempt.earlier))
                return None
            try:
                reading = reading or self._from_where_it_stands(job)
                job = self._next_part(job, reading, began + self._part_s)
            except ImageragError as error:
                self._ledger.attempts.end(job, attempt)
                log.warning("listing_interrupted", code=error.code, detail=error.message)
                return Later(error.code, error.retry_after_s)
            except Exception:
                # The attempt's note stays: it counts like a lost process.
                log.exception("listing_failed", lines=job.total)
                return Later(InternalError.code)
            self._ledger.attempts.end(job, attempt)
        return None

    def _from_where_it_stands(self, job: Job) -> _Reading:
        part, lines = self._ledger.listing.taken_up(job)
        errors = {found.line: rebuild(found.code, found.message) for found in part.known}
        cursor = part.extent.cursor
        aside = [Listed(line, cursor, errors.get(number)) for number, line in enumerate(lines, start=job.total)]
        return _Reading(aside, self._behind(job, cursor))

    def _behind(self, job: Job, cursor: str) -> Iterator[Listed]:
        yield from self._open(job).lines(cursor)

    def _next_part(self, job: Job, reading: _Reading, give_up_at: float) -> Job:
        """Take one part from the source, or as much of it as there is time for: that is set aside.

        Raises:
            ImageragError: Not now.
        """
        part = reading.part
        try:
            for listed in islice(reading.found, job.part_lines - len(part)):
                part.append(listed)
                if len(part) < job.part_lines and time.monotonic() > give_up_at:
                    self._set_aside(job, part)
                    return job
        except ImageragError as error:
            if error.retryable:
                self._set_aside(job, part)
                raise
            log.info("source_unreadable", code=error.code, detail=error.message)
            return self._complete_with(job, part, error)
        reading.part = []
        return self._extend(job, part)

    def _set_aside(self, job: Job, part: Sequence[Listed]) -> None:
        if part:
            lines = [listed.line for listed in part]
            self._ledger.listing.set_aside(job, lines, list(_rejected(job, part)), part[-1].cursor)

    def _extend(self, job: Job, found: Sequence[Listed]) -> Job:
        if job.total + len(found) > listing.MAX_LISTED_LINES:
            return self._complete_with(job, (), _too_many())
        complete = len(found) < job.part_lines
        if complete and not job.total and not found:
            return self._complete_with(job, (), _nothing())
        cursor = found[-1].cursor if found else ""
        lines, wrong = [listed.line for listed in found], list(_rejected(job, found))
        return self._write(job, lines, wrong, cursor=cursor, complete=complete)

    def _complete_with(self, job: Job, found: Sequence[Listed], error: ImageragError) -> Job:
        """End the listing: what was found so far, and one line that says why there is no more."""
        kept = list(found)[: job.part_lines - 1]
        reason = Listed(ManifestLine(job.source.path or job.source.type), "", error)
        lines = [listed.line for listed in (*kept, reason)]
        return self._write(job, lines, list(_rejected(job, (*kept, reason))), complete=True)

    def _write(
        self,
        job: Job,
        lines: Sequence[ManifestLine],
        wrong: Sequence[LineOutcome],
        *,
        cursor: str = "",
        complete: bool = False,
    ) -> Job:
        known = self._ledger.listing.extend(job, lines, wrong, cursor=cursor, complete=complete)
        self._publish(batches(known, job.total))
        metrics.count_listed(job.source.type, len(lines), len(wrong))
        log.info("part_listed", lines=known.total, rejected=len(wrong), complete=complete)
        return known


@dataclass
class _Reading:
    """A source that is being read.

    Attributes:
        part: What was found of a part that is not full yet.
        found: What comes behind it.
    """

    part: list[Listed]
    found: Iterator[Listed]


def _rejected(job: Job, found: Sequence[Listed]) -> Iterator[LineOutcome]:
    for number, listed in enumerate(found, start=job.total):
        if listed.error:
            yield LineOutcome(
                number,
                Outcome.FAILED,
                listed.line.name,
                code=listed.error.code,
                message=listed.error.message,
                # What can be fetched later counts as tried, so that it can be done again.
                attempts=1 if listed.line.url else 0,
            )


def _given_up(attempts: int) -> ImageragError:
    return InvalidRequestError(
        f"Reading the source ended unexpectedly {attempts} times at the same place, so it is not read any "
        "further. What was found before is ingested. See the workers' log."
    )


def _too_many() -> ImageragError:
    return InvalidRequestError(
        f"The source holds more than {listing.MAX_LISTED_LINES:,} items; the others are left out. Split it into "
        "several jobs."
    )


def _nothing() -> ImageragError:
    return InvalidRequestError("There is nothing to ingest in it.")
