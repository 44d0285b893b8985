"""What the ledger says about lines that others wait for."""

from __future__ import annotations

from enum import Enum

from services.common.errors import NotFoundError
from services.common.jobs.ledger import JobLedger


class LineState(Enum):
    """Whether a line may still be written."""

    OPEN = "open"
    RESTING = "resting"
    """Its job is paused: what has begun is finished, and the rest stands still."""
    CANCELLED = "cancelled"
    """Likewise, for good."""
    ENDED = "ended"
    """It has an outcome, or there is no such job."""


class LedgerLines:
    """Looks lines up. All calls block; thread-safe.

    Args:
        ledger: What was accepted and what became of it.
    """

    def __init__(self, ledger: JobLedger) -> None:
        self._ledger = ledger

    def state(self, tenant: str, job_id: str, line: int) -> LineState:
        """What may become of a line."""
        try:
            job = self._ledger.job(tenant, job_id)
        except NotFoundError:
            return LineState.ENDED
        if self._ledger.outcomes(job, line, line + 1):
            return LineState.ENDED
        if self._ledger.control.is_cancelled(job):
            return LineState.CANCELLED
        return LineState.RESTING if self._ledger.control.is_paused(job) else LineState.OPEN
