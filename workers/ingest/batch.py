"""One message: what of it is still to be done, who does it, how often it was tried, what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from services.common.errors import (
    DeadlineError,
    ImageragError,
    ImageWorkerLostError,
    InternalError,
    NotFoundError,
)
from services.common.jobs.layout import part_of
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage
from services.common.jobs.records import BATCH_ITEMS, Attempt, Job, LineOutcome, Outcome
from workers import metrics
from workers.ingest.decision import Action, decide
from workers.ingest.ingestor import Ingestor
from workers.ingest.items import NumberedLine
from workers.ingest.report import Report
from workers.later import Later
from workers.leases import Held, Leases, lines_name
from workers.publishing import Publish

log = structlog.get_logger(__name__)
NEXT_SLICE = Later("next_slice")
"""There is more; it is for the next message."""


class BatchService:
    """Carries out messages. Belongs to the event loop of its ingestor.

    Args:
        ledger: What was accepted and what became of it.
        leases: Who works on what.
        ingestor: Does the work.
        publish: Sends the single lines of a batch that a process was lost on.
        max_attempts: Most tries at a line that takes its process with it.
        limit_s: Longest time for one message.
    """

    def __init__(
        self,
        ledger: JobLedger,
        leases: Leases,
        ingestor: Ingestor,
        publish: Publish,
        *,
        max_attempts: int,
        limit_s: float,
    ) -> None:
        self._ledger, self._leases, self._ingestor = ledger, leases, ingestor
        self._publish, self._max_attempts, self._limit_s = publish, max_attempts, limit_s

    async def run(self, job_id: str, tenant: str, start: int, stop: int) -> Later | None:
        """Work on the lines `start` to `stop` of a job, as far as they are still to be done."""
        started = time.perf_counter()
        try:
            job = self._ledger.job(tenant, job_id)
        except ImageragError as error:
            log.warning("message_dropped", code=error.code)
            return None
        if not 0 <= start < stop <= min(job.total, start + BATCH_ITEMS):
            log.warning("message_dropped", code="invalid_request", start=start, stop=stop)
            return None
        message = BatchMessage(job.id, job.tenant, start, stop, job.queue)
        with self._leases.hold(lines_name(tenant, job_id, start, stop)) as held:
            later = self._wait(held) if held else await self._carry_out(job, message)
        took_s = time.perf_counter() - started
        metrics.BATCH_SECONDS.observe(took_s)
        log.info("batch_done", start=start, stop=stop, took_s=round(took_s, 3), later=later.code if later else "")
        if later is NEXT_SLICE:
            # After the lease is free: a worker that is quick would find it taken.
            self._publish([message])
            return None
        return later

    def _wait(self, held: Held) -> Later:
        """Another process has these lines, or died with them a moment ago: its lease decides."""
        return Later("leased", held.for_s)

    async def _carry_out(self, job: Job, message: BatchMessage) -> Later | None:
        if self._ledger.control.is_halted(job):
            return None
        done = self._ledger.outcomes(job, message.start, message.stop)
        open_lines = [number for number in range(message.start, message.stop) if number not in done]
        lines = self._without_known(job, open_lines)
        earlier = self._ledger.attempts.earlier(job, message.start, message.stop)
        match decide(lines, message.stop - message.start, earlier, self._max_attempts):
            case Action.SKIP:
                return None
            case Action.SPLIT:
                self._split(message, lines)
                return None
            case Action.GIVE_UP:
                self._give_up(job, message, earlier)
                return None
        return await self._work(job, message, lines)

    def _without_known(self, job: Job, lines: Sequence[int]) -> Sequence[int]:
        """Leave out what needed no work when it was listed, although a crash kept it from the outcomes."""
        if not (job.streamed and lines):
            return lines
        part = self._ledger.listing.known_outcomes(job, part_of(lines[0], job.part_lines))
        # What was tried then, and is open now, is to be tried again.
        known = [found for found in part if found.line in lines and not found.attempts]
        if known:
            self._ledger.record(job, known)
        ended = {found.line for found in known}
        return [line for line in lines if line not in ended]

    def _split(self, message: BatchMessage, lines: Sequence[int]) -> None:
        wanted = set(lines)
        log.warning("batch_split", start=message.start, stop=message.stop, lines=len(lines))
        metrics.SPLITS.inc()
        self._publish([single for single in message.singles() if single.start in wanted])

    def _give_up(self, job: Job, message: BatchMessage, earlier: int) -> None:
        name = self._ledger.lines(job, message.start, message.stop)[0].name
        error = self._reason(job, message, earlier)
        log.error("line_given_up", line=message.start, code=error.code, attempts=earlier)
        outcome = LineOutcome(
            message.start, Outcome.FAILED, name, code=error.code, message=error.message, attempts=earlier
        )
        self._record(job, [outcome])

    def _reason(self, job: Job, message: BatchMessage, earlier: int) -> ImageragError:
        code = self._ledger.attempts.last_failure(job, message.start, message.stop)
        if code == InternalError.code:
            return InternalError()
        if code == DeadlineError.code:
            return DeadlineError(f"This was not done within {self._limit_s:g} s, {earlier} times.")
        return ImageWorkerLostError(
            f"The process died each of the {earlier} times this was worked on, so it is not tried again. "
            "Open the picture in an editor and export it anew."
        )

    async def _work(self, job: Job, message: BatchMessage, lines: Sequence[int]) -> Later | None:
        attempt = self._ledger.attempts.begin(job, message.start, message.stop)
        numbered = self._numbered(job, message, lines)
        report = Report()
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                await self._ingestor.ingest(job, numbered, report)
        except Exception:
            if limit.expired():
                self._ingestor.give_up()
                return self._overdue(job, attempt, report)
            log.exception("batch_failed", start=message.start, stop=message.stop)
            self._record_ended(job, attempt, report)
            self._ledger.attempts.fail(job, attempt, InternalError.code)
            return Later(InternalError.code)
        return self._settle(job, attempt, report, len(lines))

    def _overdue(self, job: Job, attempt: Attempt, report: Report) -> Later:
        """The time of one message is over: whoever got lines done goes on; without any, a line hangs."""
        if report.outcomes:
            self._record_ended(job, attempt, report)
            self._ledger.attempts.end(job, attempt)
            return NEXT_SLICE
        self._ledger.attempts.fail(job, attempt, DeadlineError.code)
        return Later(DeadlineError.code)

    def _numbered(self, job: Job, message: BatchMessage, lines: Sequence[int]) -> list[NumberedLine]:
        manifest = self._ledger.lines(job, message.start, message.stop)
        pictures: Mapping[int, str] = {}
        if job.options.enriches:
            # Of a line that is done again to complete it the picture was kept; its file may be gone by now.
            pictures = self._ledger.books.log(job).pictures(message.start, message.stop)
        known = {number: manifest[number - message.start] for number in lines}
        return [
            NumberedLine(number, replace(line, sha256=pictures.get(number, line.sha256)))
            for number, line in known.items()
        ]

    def _settle(self, job: Job, attempt: Attempt, report: Report, lines: int) -> Later | None:
        self._record_ended(job, attempt, report)
        self._ledger.attempts.end(job, attempt)
        if len(report.outcomes) == lines:
            return None
        if not report.errors:
            return Later(NotFoundError.code)
        first = report.errors[0]
        log.warning("batch_unfinished", code=first.code, detail=first.message, open=lines - len(report.outcomes))
        return Later(first.code, first.retry_after_s)

    def _record_ended(self, job: Job, attempt: Attempt, report: Report) -> None:
        tried = attempt.earlier + 1
        self._record(job, [replace(outcome, attempts=tried) for outcome in report.outcomes])

    def _record(self, job: Job, outcomes: Sequence[LineOutcome]) -> None:
        self._ledger.record(job, outcomes)
        for outcome in outcomes:
            metrics.count_outcome(outcome)
