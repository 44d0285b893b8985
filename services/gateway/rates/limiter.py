"""What one key may ask for: so many requests a second, and so many at once."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.common.errors import RateLimitedError
from services.gateway.keys import Caller
from services.gateway.policy import UNITS_PER_REQUEST
from services.gateway.rates.cells import Rate, Verdict
from services.gateway.rates.counters import Counter

BURST_S = 10.0
"""What a key may ask for in ten seconds may come at once: a person's page loads in bursts."""
_TRY_AGAIN_S = 1.0


@dataclass(frozen=True)
class Charge:
    """What counting a request came to.

    Attributes:
        headers: Tell the caller how it stands; none for a caller without limits.
        refusal: Why it is refused; None if it is not.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: RateLimitedError | None = None


class Limiter:
    """Holds callers to their rates.

    Args:
        counter: Keeps the buckets.
        requests_per_s: Of keys that name no rate of their own.
        concurrent: Of keys that name no bound of their own.
    """

    def __init__(self, counter: Counter, requests_per_s: float, concurrent: int) -> None:
        self._counter = counter
        self._requests_per_s, self._concurrent = requests_per_s, concurrent
        self._running: Tally[str] = Tally()

    async def charge(self, caller: Caller, cost: int) -> Charge:
        """Count a request against its caller's rate."""
        if not caller.id or not cost:
            return Charge()
        rate = self.rate_of(caller)
        verdict = await self._counter.take(caller.id, rate, cost)
        if verdict.allowed:
            return Charge(headers_of(rate, verdict))
        per_s = caller.requests_per_s or self._requests_per_s
        refusal = RateLimitedError(
            f"This key may send {per_s:g} requests a second. Wait a moment and send it again.",
            retry_after_s=verdict.retry_after_s,
        )
        return Charge(headers_of(rate, verdict), refusal)

    def rate_of(self, caller: Caller) -> Rate:
        """What a caller may ask for, in units. However low the rate, a question still fits."""
        per_s = caller.requests_per_s or self._requests_per_s
        return Rate.per_second(per_s * UNITS_PER_REQUEST, max(BURST_S, 5 / per_s))

    @contextmanager
    def running(self, caller: Caller) -> Iterator[None]:
        """Count a request as running while the block lasts. In this process only: it needs no tidying up
        after a crash.

        Raises:
            RateLimitedError: The caller has too many running.
        """
        if not caller.id:
            yield
            return
        bound = caller.concurrent or self._concurrent
        if self._running[caller.id] >= bound:
            raise RateLimitedError(
                f"This key may have {bound} requests running at once. Wait for one to end.",
                retry_after_s=_TRY_AGAIN_S,
            )
        self._running[caller.id] += 1
        try:
            yield
        finally:
            self._running[caller.id] -= 1
            if not self._running[caller.id]:
                del self._running[caller.id]


def headers_of(rate: Rate, verdict: Verdict) -> dict[str, str]:
    """`RateLimit-*` as of draft-ietf-httpapi-ratelimit-headers-06, in whole requests."""
    quota = rate.burst_units // UNITS_PER_REQUEST
    window_s = max(1, round(rate.burst_us / 1_000_000))
    return {
        "ratelimit-limit": str(quota),
        "ratelimit-policy": f"{quota};w={window_s}",
        "ratelimit-remaining": str(verdict.remaining_units // UNITS_PER_REQUEST),
        "ratelimit-reset": str(math.ceil(verdict.reset_s)),
    }
