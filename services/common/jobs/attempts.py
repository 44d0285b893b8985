"""Tries at lines, noted before their work begins: what a process took with it is still counted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection

from services.common.errors import NotFoundError
from services.common.jobs import layout
from services.common.jobs.layout import JobFolder
from services.common.jobs.messages import batch_of
from services.common.jobs.records import Attempt, Job
from services.common.objects import ObjectStore
from services.common.revision import RevisionClock


class AttemptLog:
    """The notes of all jobs. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
        clock: Orders the notes.
    """

    def __init__(self, objects: ObjectStore, clock: RevisionClock) -> None:
        self._objects, self._clock = objects, clock

    def earlier(self, job: Job, start: int, stop: int) -> int:
        """How many tries at these lines did not end in order: their own and, for a single line, its batch's."""
        folder, batch = _folder(job), batch_of(job, start)
        ranges = {(start, stop), (batch.start, batch.stop)}
        return sum(len(self._objects.list(folder.attempts(*lines))) for lines in ranges)

    def begin(self, job: Job, start: int, stop: int) -> Attempt:
        """Note a try at the lines `start` to `stop`; durable on return."""
        earlier = self.earlier(job, start, stop)
        token = layout.order_name(self._clock.next(), uuid.uuid4().hex)
        self._objects.put(f"{_folder(job).attempts(start, stop)}/{token}", b"{}")
        return Attempt(start, stop, token, earlier)

    def end(self, job: Job, attempt: Attempt) -> None:
        """Forget a try that ended in order: with outcomes, or because something it needs is down."""
        self._objects.delete(_name(job, attempt))

    def fail(self, job: Job, attempt: Attempt, code: str) -> None:
        """Keep a try that ended in an unforeseen error, with its code: it counts like a lost process."""
        self._objects.put(_name(job, attempt), json.dumps({"code": code}).encode())

    def forget(self, job: Job, lines: Collection[int]) -> None:
        """Let the tries at these lines, and at their batches, count anew."""
        batches = {batch_of(job, line) for line in lines}
        singles = {(line, line + 1) for line in lines}
        for start, stop in singles | {(batch.start, batch.stop) for batch in batches}:
            folder = _folder(job).attempts(start, stop)
            for token in self._objects.list(folder):
                self._objects.delete(f"{folder}/{token}")

    def last_failure(self, job: Job, start: int, stop: int) -> str:
        """The error code of the last such try at exactly these lines; empty if its process was lost."""
        folder = _folder(job).attempts(start, stop)
        noted = self._objects.list(folder)
        if not noted:
            return ""
        try:
            return str(json.loads(self._objects.get(f"{folder}/{noted[-1]}")).get("code", ""))
        except NotFoundError:
            return ""


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)


def _name(job: Job, attempt: Attempt) -> str:
    return f"{_folder(job).attempts(attempt.start, attempt.stop)}/{attempt.token}"
