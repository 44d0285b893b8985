"""When a failed call is made again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.chat.refusals import Refusal


@dataclass(frozen=True)
class Retries:
    """The policy: only what may pass by itself, doubling waits, the endpoint's own wish respected.

    Attributes:
        limit: Calls after the first one.
        base_s: The first wait; it doubles each time.
        cap_s: Longest wait. An endpoint that wants a longer one is not asked again: its wish is passed on.
    """

    limit: int
    base_s: float = 0.5
    cap_s: float = 8.0

    def wait_s(self, attempt: int, refusal: Refusal, left_s: float, jitter: float) -> float | None:
        """How long to wait before the next call; None: give up.

        Args:
            attempt: Calls made so far, from 1.
            refusal: How the last one failed.
            left_s: Time left for the whole answer.
            jitter: In [0, 1]; spreads callers that failed together over half of the wait.
        """
        if attempt > self.limit or not refusal.may_pass:
            return None
        wished_s = refusal.retry_after_s
        if wished_s is not None and wished_s > self.cap_s:
            return None
        backoff_s = min(self.base_s * 2.0 ** (attempt - 1), self.cap_s) * (0.5 + 0.5 * jitter)
        wait_s = max(backoff_s, wished_s or 0.0)
        return wait_s if wait_s < left_s else None
