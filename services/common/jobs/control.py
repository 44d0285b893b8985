"""What a person wants of a running job: that it rests, goes on, or ends. Durable marks beside its header."""

from __future__ import annotations

from datetime import UTC, datetime

from services.common.errors import ConflictError
from services.common.jobs.layout import JobFolder
from services.common.jobs.records import Job
from services.common.objects import ObjectStore


class Control:
    """Sets and reads the marks. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def pause(self, job: Job) -> None:
        """Let no further batch or reading of the source begin until `resume`; what has begun ends in order.

        Nothing happens to a closed job.

        Raises:
            ConflictError: The job was cancelled.
        """
        self.refuse_cancelled(job)
        if not self._objects.exists(_folder(job).closed):
            self._objects.put(_folder(job).paused, _now())

    def resume(self, job: Job) -> bool:
        """Let the job go on; False if it was not paused. Its messages are for the caller to send.

        Raises:
            ConflictError: The job was cancelled.
        """
        self.refuse_cancelled(job)
        was_paused = self.is_paused(job)
        self._objects.delete(_folder(job).paused)
        return was_paused

    def cancel(self, job: Job) -> None:
        """Let no further line of the job begin, ever; nothing happens to a closed one."""
        if not self._objects.exists(_folder(job).closed):
            self._objects.put(_folder(job).cancelled, _now())

    def is_paused(self, job: Job) -> bool:
        """Whether the job rests."""
        return self._objects.exists(_folder(job).paused)

    def is_cancelled(self, job: Job) -> bool:
        """Whether the job was cancelled."""
        return self._objects.exists(_folder(job).cancelled)

    def is_halted(self, job: Job) -> bool:
        """Whether nothing of the job may begin now."""
        return self.is_cancelled(job) or self.is_paused(job)

    def refuse_cancelled(self, job: Job) -> None:
        """Nothing of a cancelled job can be begun again.

        Raises:
            ConflictError: It was cancelled.
        """
        if self.is_cancelled(job):
            raise ConflictError("The job was cancelled. Submit its items again as a new job.")


def _now() -> bytes:
    return datetime.now(UTC).isoformat().encode()


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)
