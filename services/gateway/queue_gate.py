"""Asks the broker once for everyone who wants to know."""

from __future__ import annotations

import asyncio
import time

from services.common.errors import UnavailableError
from services.gateway.submission import Submission

_KEPT_S = 0.5


class QueueGate:
    """Shares one check of the broker among all who come within half a second.

    A broker that hangs then holds one thread, not one for each waiting client.

    Args:
        submission: The way to the workers.
    """

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._lock = asyncio.Lock()
        self._refusal: UnavailableError | None = None
        self._asked_at = float("-inf")

    async def check(self) -> None:
        """Find out whether a job could be submitted now.

        Raises:
            UnavailableError: The broker does not take jobs.
        """
        async with self._lock:
            if time.monotonic() - self._asked_at > _KEPT_S:
                self._refusal = await self._ask()
                self._asked_at = time.monotonic()
            if self._refusal is not None:
                raise UnavailableError(self._refusal.message, retry_after_s=self._refusal.retry_after_s)

    async def _ask(self) -> UnavailableError | None:
        try:
            await asyncio.to_thread(self._submission.check)
        except UnavailableError as refusal:
            return refusal
        return None
