"""What became of the lines of each job: outcomes and numbers, part by part."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.jobs import layout
from services.common.jobs.cache import RecentlyUsed
from services.common.jobs.layout import JobFolder
from services.common.jobs.outcomes import OutcomeLog
from services.common.jobs.records import Job, LineOutcome, Outcome
from services.common.jobs.tally import JobNumbers, Tally, add_up
from services.common.objects import ObjectStore
from services.common.revision import RevisionClock


class Books:
    """Logs and tallies of the jobs that were asked for last. All calls block; thread-safe.

    However long a job is, a few parts of it are in memory at a time.

    Args:
        objects: Where the ledger is kept.
        clock: Orders recorded outcomes.
    """

    def __init__(self, objects: ObjectStore, clock: RevisionClock) -> None:
        self._objects, self._clock = objects, clock
        self._logs: RecentlyUsed[JobFolder, OutcomeLog] = RecentlyUsed(16)
        self._tallies: RecentlyUsed[JobFolder, Tally] = RecentlyUsed(256)

    def log(self, job: Job) -> OutcomeLog:
        """The outcomes of a job."""
        folder = _folder(job)
        return self._logs.get(folder, lambda: OutcomeLog(self._objects, self._clock, folder, job.part_lines))

    def settled_parts(self, job: Job) -> Iterator[tuple[range, dict[int, LineOutcome]]]:
        """The lines of each part, and the outcomes that hold."""
        for part in layout.parts(job.total, job.part_lines):
            yield layout.lines_of(part, job.total, job.part_lines), self.log(job).settled_part(part)

    def open_lines(self, job: Job) -> Iterator[list[int]]:
        """Lines that are still to be done, in order; the parts that have none are left out."""
        for part in self._tally(job).open_parts(job):
            settled = self.log(job).settled_part(part)
            yield [line for line in layout.lines_of(part, job.total, job.part_lines) if line not in settled]

    def failed(self, job: Job, start: int = 0) -> Iterator[list[LineOutcome]]:
        """Failed lines from `start` on, in order; the parts that have none are left out."""
        for part, numbers in enumerate(self._tally(job).parts(job)):
            lines = layout.lines_of(part, job.total, job.part_lines)
            if numbers.counts.get(Outcome.FAILED) and lines.stop > start:
                settled = self.log(job).settled_part(part).items()
                yield [found for line, found in settled if line >= start and found.outcome is Outcome.FAILED]

    def incomplete(self, job: Job) -> Iterator[list[LineOutcome]]:
        """Stored lines that an enrichment failed on, in order; the parts that have none are left out."""
        for part, numbers in enumerate(self._tally(job).parts(job)):
            if numbers.incomplete:
                settled = self.log(job).settled_part(part).values()
                yield [found for found in settled if found.incomplete]

    def duplicates(self, job: Job, start: int = 0) -> Iterator[list[LineOutcome]]:
        """Lines from `start` on whose picture was there before, in order; as in `failed`."""
        for part, numbers in enumerate(self._tally(job).parts(job)):
            lines = layout.lines_of(part, job.total, job.part_lines)
            if numbers.duplicates.total and lines.stop > start:
                settled = self.log(job).settled_part(part).items()
                yield [found for line, found in settled if line >= start and found.duplicate_of]

    def count(self, job: Job, *, exact: bool = False) -> JobNumbers:
        """The job's numbers; `exact` as in `Tally.parts`."""
        return add_up(self._tally(job).parts(job, exact=exact))

    def save_tally(self, job: Job) -> None:
        """Spare other processes the counting of what has come to an end. By one process at a time."""
        self._tally(job).save(job)

    def _tally(self, job: Job) -> Tally:
        folder = _folder(job)
        return self._tallies.get(folder, lambda: Tally(self._objects, folder, lambda: self.log(job)))


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)
