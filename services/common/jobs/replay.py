"""Lines that failed, or that an enrichment failed on, are to be done again, as if for the first time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.common.jobs import layout
from services.common.jobs.attempts import AttemptLog
from services.common.jobs.books import Books
from services.common.jobs.control import Control
from services.common.jobs.layout import JobFolder
from services.common.jobs.records import Job, LineOutcome, Outcome, Retried
from services.common.objects import ObjectStore


class Replay:
    """Puts lines back. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
        books: What became of the lines.
        attempts: The tries they took.
        control: Knows the cancelled jobs.
    """

    def __init__(self, objects: ObjectStore, books: Books, attempts: AttemptLog, control: Control) -> None:
        self._objects, self._books, self._attempts, self._control = objects, books, attempts, control

    def retry(self, job: Job, codes: Collection[str] = ()) -> Retried:
        """Put failed lines back; a closed job is open again. The messages are for the caller to send.

        Done twice it does nothing the second time; a crash leaves some lines as they were. Tries count anew, up to
        the same bound: what kills its process fails again.

        Args:
            job: Which one.
            codes: Of the failures that are meant; none: all.

        Raises:
            ConflictError: The job was cancelled.
        """
        self._control.refuse_cancelled(job)
        lines = left = 0
        for failed in self._books.failed(job):
            meant = [found for found in failed if not codes or found.code in codes]
            again = [found for found in meant if found.attempts]
            if again:
                self._put_back(job, again)
            lines += len(again)
            left += len(meant) - len(again)
        return Retried(lines, left)

    def complete(self, job: Job) -> Retried:
        """Put back stored lines that an enrichment failed on; the rest as in `retry`.

        What stands in the store stays there until the line was done again, and findings that were kept are not
        made anew.

        Raises:
            ConflictError: The job was cancelled.
        """
        self._control.refuse_cancelled(job)
        lines = 0
        for incomplete in self._books.incomplete(job):
            self._put_back(job, incomplete)
            lines += len(incomplete)
        return Retried(lines, left=0)

    def open_again(self, job: Job) -> None:
        """Give a job back to the reconciler, closed or not."""
        self._objects.put(layout.open_marker(job.tenant, job.id), job.created_at.isoformat().encode())
        self._objects.delete(JobFolder(job.tenant, job.id).closed)

    def _put_back(self, job: Job, ended: Sequence[LineOutcome]) -> None:
        # Before the lines are open, so that a crash here leaves no open line of a job nobody looks at.
        self._objects.put(layout.open_marker(job.tenant, job.id), job.created_at.isoformat().encode())
        # A line that is open before its old tries are forgotten would be given up at once.
        self._attempts.forget(job, [found.line for found in ended])
        put_back = [
            LineOutcome(
                found.line,
                Outcome.PENDING,
                found.name,
                found.item_id,
                sha256=found.sha256,
                incomplete=found.incomplete,
            )
            for found in ended
        ]
        self._books.log(job).record(put_back)
        # Once more: whoever closes the job at this moment may have taken the marker away, and looks again after.
        self.open_again(job)
