"""The ledger: what was accepted and what became of it. The queue may lose anything; the ledger is the truth."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Literal

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs import encoding, layout
from services.common.jobs.attempts import AttemptLog
from services.common.jobs.books import Books
from services.common.jobs.cache import RecentlyUsed
from services.common.jobs.control import Control
from services.common.jobs.folding import shadowed_by_key
from services.common.jobs.layout import JobFolder
from services.common.jobs.listing import MOST_PARTS, Listing, write_known_outcomes
from services.common.jobs.records import (
    NO_OPTIONS,
    Job,
    JobOptions,
    JobProgress,
    JobSource,
    JobState,
    LineOutcome,
    ManifestLine,
    Outcome,
)
from services.common.jobs.replay import Replay
from services.common.objects import ObjectStore
from services.common.revision import RevisionClock
from services.common.telemetry.tracing import current_traceparent
from services.common.tenant import check_tenant

MAX_JOB_LINES = 200_000
"""A job is built in memory, about 1 kB a line."""
_ABANDONED_AFTER = timedelta(days=1)


class JobLedger:
    """Jobs under one data URL. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
        clock: Orders accepted writes and recorded outcomes.

    Attributes:
        attempts: Tries that are under way or were cut short.
        listing: The lines of streamed jobs.
        control: Jobs that rest or were cancelled.
        books: Outcomes and numbers of long jobs, part by part.
        replay: Failed lines that are to be done again.
    """

    def __init__(self, objects: ObjectStore, clock: RevisionClock) -> None:
        self._objects, self._clock = objects, clock
        self.attempts = AttemptLog(objects, clock)
        self.listing = Listing(objects)
        self.control = Control(objects)
        self.books = Books(objects, clock)
        self.replay = Replay(objects, self.books, self.attempts, self.control)
        self._jobs: RecentlyUsed[JobFolder, Job] = RecentlyUsed(1024)
        self._parts: RecentlyUsed[tuple[JobFolder, int], Sequence[ManifestLine]] = RecentlyUsed(8)

    def accept(
        self,
        tenant: str,
        lines: Sequence[ManifestLine],
        source: JobSource,
        *,
        job_id: str | None = None,
        queue: Literal["interactive", "bulk"] = "bulk",
        outcomes: Sequence[LineOutcome] = (),
        options: JobOptions = NO_OPTIONS,
    ) -> Job:
        """Take on a job. On return it survives a crash; a crash before leaves no job.

        Args:
            tenant: Whose items.
            lines: What to ingest. Of lines with the same client's key the last counts.
            source: Where they came from.
            job_id: The caller's own id: accepting it again changes nothing and returns the job that is there.
            queue: Where its messages go.
            outcomes: Lines that need no work, e.g. unreadable lines of a manifest.
            options: What else is to be done with the lines.

        Raises:
            InvalidRequestError: No lines, too many, a wrong job id or tenant, or text that is not Unicode.
        """
        folder = _new_folder(tenant, job_id)
        if job_id and self._objects.exists(folder.header):
            return self.job(tenant, job_id)
        _check_size(lines)
        now, trace = datetime.now(UTC), current_traceparent()
        job = Job(
            folder.job_id, tenant, self._clock.next(), len(lines), now, source, queue, trace, options=options
        )
        self._write_parts(job, lines, [*shadowed_by_key(lines), *outcomes])
        return self._written(job)

    def begin(
        self,
        tenant: str,
        source: JobSource,
        *,
        job_id: str | None = None,
        queue: Literal["interactive", "bulk"] = "bulk",
        options: JobOptions = NO_OPTIONS,
        asked: Sequence[str] = (),
    ) -> Job:
        """Take on a job whose source a worker will read: a streamed one. Durability and errors as in `accept`.

        Args:
            tenant: As there.
            source: What is to be read.
            job_id: As there.
            queue: As there.
            options: As there.
            asked: What is to be read, if the request names it one by one: URLs. None holds a line break.
        """
        folder = _new_folder(tenant, job_id)
        if job_id and self._objects.exists(folder.header):
            return self.job(tenant, job_id)
        job = Job(
            folder.job_id,
            tenant,
            self._clock.next(MOST_PARTS),
            total=0,
            created_at=datetime.now(UTC),
            source=source,
            queue=queue,
            traceparent=current_traceparent(),
            part_lines=layout.LISTED_PART_LINES,
            streamed=True,
            listed=False,
            options=options,
        )
        if asked:
            self._objects.put(folder.asked, "\n".join(asked).encode())
        return self._written(job)

    def asked(self, job: Job) -> bytes:
        """What the request named one by one, a line each; empty if it did not."""
        try:
            return self._objects.get(JobFolder(job.tenant, job.id).asked)
        except NotFoundError:
            return b""

    def job(self, tenant: str, job_id: str) -> Job:
        """The header of a job.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        if not layout.is_job_id(job_id):
            raise _no_such_job()
        folder = JobFolder(check_tenant(tenant), job_id)
        return self.listing.as_known(self._jobs.get(folder, lambda: self._read_job(folder)))

    def jobs(self, tenant: str, limit: int) -> list[Job]:
        """The tenant's jobs, newest first."""
        found: list[Job] = []
        for name in reversed(self._objects.list(layout.recent_folder(check_tenant(tenant)))):
            if len(found) == limit:
                break
            revision, _, job_id = name.partition(".")
            try:
                job = self.job(tenant, job_id)
            except NotFoundError:
                continue  # the process died while it accepted the job
            # Another revision's marker is left from an acceptance under this id that was cut short.
            if job.revision == int(revision):
                found.append(job)
        return found

    def lines(self, job: Job, start: int, stop: int) -> list[ManifestLine]:
        """Lines `start` to `stop` (exclusive) of the manifest."""
        stop = min(stop, job.total)
        found: list[ManifestLine] = []
        first, last = (layout.part_of(line, job.part_lines) for line in (start, max(start, stop - 1)))
        for part in range(first, last + 1):
            offset = part * job.part_lines
            found.extend(self._part(job, part)[max(0, start - offset) : stop - offset])
        return found

    def outcomes(self, job: Job, start: int = 0, stop: int | None = None) -> dict[int, LineOutcome]:
        """What became of the lines `start` to `stop`; lines still to be done are absent. See `books`."""
        return self.books.log(job).settled(start, job.total if stop is None else stop)

    def progress(self, tenant: str, job_id: str) -> JobProgress:
        """How far a job is.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        job = self.job(tenant, job_id)
        try:
            return encoding.PROGRESS.validate_json(self._objects.get(_folder(job).closed))
        except NotFoundError:
            return self._count(job)

    def failures(self, tenant: str, job_id: str, after: int = -1, limit: int = 100) -> list[LineOutcome]:
        """Failed lines behind line `after`, by line.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        return _first(self.books.failed(self.job(tenant, job_id), after + 1), limit)

    def duplicates(self, tenant: str, job_id: str, after: int = -1, limit: int = 100) -> list[LineOutcome]:
        """Lines behind line `after` whose picture was there before, linked and left out ones, by line.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        return _first(self.books.duplicates(self.job(tenant, job_id), after + 1), limit)

    def record(self, job: Job, outcomes: Sequence[LineOutcome]) -> None:
        """Note what became of lines; durable on return."""
        self.books.log(job).record(outcomes)

    def cancel(self, tenant: str, job_id: str) -> None:
        """Let no further line of the job begin; nothing happens to a closed one.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        self.control.cancel(self.job(tenant, job_id))

    def is_cancelled(self, job: Job) -> bool:
        """Whether the job was cancelled."""
        return self.control.is_cancelled(job)

    def is_closed(self, job: Job) -> bool:
        """Whether the job was closed."""
        return self._objects.exists(_folder(job).closed)

    def close(self, job: Job) -> JobProgress:
        """Write the final numbers and take the job from the reconciler's list.

        A job in which lines were put back meanwhile stays open.
        """
        progress = self._count(job, closed_at=datetime.now(UTC), exact=True)
        self._objects.put(_folder(job).closed, encoding.PROGRESS.dump_json(progress))
        self._objects.delete(layout.open_marker(job.tenant, job.id))
        now = self._count(job, exact=True)
        if now.pending and now.state != "cancelled":
            self.replay.open_again(job)
            return now
        return progress

    def open_jobs(self) -> list[tuple[str, str]]:
        """Tenant and id of every accepted job that is not closed."""
        names = [name.partition(".") for name in self._objects.list(layout.OPEN)]
        return [(tenant, job_id) for tenant, _, job_id in names if self._is_accepted(tenant, job_id)]

    def _is_accepted(self, tenant: str, job_id: str) -> bool:
        try:
            self.job(tenant, job_id)
        except NotFoundError:
            self._forget_abandoned(layout.open_marker(tenant, job_id))
            return False
        return True

    def _forget_abandoned(self, marker: str) -> None:
        """Remove the marker of a job whose acceptance was cut short so long ago that no one is at it any more."""
        try:
            began = datetime.fromisoformat(self._objects.get(marker).decode())
        except NotFoundError:
            return
        if datetime.now(UTC) - began > _ABANDONED_AFTER:
            self._objects.delete(marker)

    def _write_parts(self, job: Job, lines: Sequence[ManifestLine], outcomes: Sequence[LineOutcome]) -> None:
        folder = _folder(job)
        for part in layout.parts(job.total, job.part_lines):
            held = slice(part * job.part_lines, (part + 1) * job.part_lines)
            self._objects.put(folder.manifest(part), encoding.encode_lines(encoding.LINE, lines[held]))
            known = [outcome for outcome in outcomes if layout.part_of(outcome.line, job.part_lines) == part]
            write_known_outcomes(self._objects, folder, part, known)

    def _written(self, job: Job) -> Job:
        """Write the header, unless another process has just accepted a job under this id: then that is the job."""
        self._objects.put(layout.recent_marker(job.tenant, job.revision, job.id), b"")
        self._objects.put(layout.open_marker(job.tenant, job.id), job.created_at.isoformat().encode())
        accepted = self._objects.create(_folder(job).header, encoding.JOB.dump_json(job))
        return job if accepted else self.job(job.tenant, job.id)

    def _read_job(self, folder: JobFolder) -> Job:
        try:
            return encoding.JOB.validate_json(self._objects.get(folder.header))
        except NotFoundError:
            raise _no_such_job() from None

    def _part(self, job: Job, part: int) -> Sequence[ManifestLine]:
        return self._parts.get((_folder(job), part), lambda: self._read_part(job, part))

    def _read_part(self, job: Job, part: int) -> Sequence[ManifestLine]:
        if job.streamed:
            return self.listing.lines(job, part)
        return encoding.decode_lines(encoding.LINE, self._objects.get(_folder(job).manifest(part)))

    def _count(self, job: Job, closed_at: datetime | None = None, *, exact: bool = False) -> JobProgress:
        numbers = self.books.count(job, exact=exact)
        counts = numbers.counts
        pending = job.total - counts.total()
        return JobProgress(
            job=job,
            state=self._state(job, ended=job.listed and not pending),
            stored=counts[Outcome.STORED],
            merged=counts[Outcome.MERGED],
            superseded=counts[Outcome.SUPERSEDED],
            failed=counts[Outcome.FAILED],
            pending=pending,
            attempts=numbers.attempts,
            closed_at=closed_at,
            skipped=counts[Outcome.SKIPPED],
            incomplete=numbers.incomplete,
            duplicates=numbers.duplicates,
        )

    def _state(self, job: Job, *, ended: bool) -> JobState:
        if self.control.is_cancelled(job):
            return "cancelled"
        if ended:
            return "done"
        return "paused" if self.control.is_paused(job) else "running"


def _first(parts: Iterable[Sequence[LineOutcome]], limit: int) -> list[LineOutcome]:
    """The first of what is read part by part, and no further part than needed."""
    return list(islice(chain.from_iterable(parts), limit))


def _new_folder(tenant: str, job_id: str | None) -> JobFolder:
    return JobFolder(check_tenant(tenant), _checked(job_id) if job_id else uuid.uuid4().hex)


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)


def _no_such_job() -> NotFoundError:
    return NotFoundError("There is no such job.")


def _checked(job_id: str) -> str:
    if not layout.is_job_id(job_id):
        raise InvalidRequestError(
            f"{job_id[:80]!r} is not a job id: write 1 to 64 letters, digits, '-' and '_', letter or digit first."
        )
    return job_id


def _check_size(lines: Sequence[ManifestLine]) -> None:
    if not lines:
        raise InvalidRequestError("The job has no items.")
    if len(lines) > MAX_JOB_LINES:
        raise InvalidRequestError(
            f"The job has {len(lines):,} items; at most {MAX_JOB_LINES:,} are accepted. "
            "Split it into several jobs."
        )
