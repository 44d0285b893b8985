"""A server that failed is left alone for a while, so that each call does not wait for it anew."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Closed after a failure, for a fixed time; then one call tries whether it is over.

    Args:
        pause_s: How long nobody asks after a failure.
        clock_s: A clock that never goes back, in seconds.
    """

    def __init__(self, pause_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._pause_s, self._clock_s = pause_s, clock_s
        self._failing = False
        self._until_s = 0.0

    @property
    def is_failing(self) -> bool:
        """The last call failed: one that is let through tries whether it is over."""
        return self._failing

    def lets_through(self) -> bool:
        """Whether to ask now. While the one that tries is under way, the others stay away."""
        if not self._failing:
            return True
        if self._clock_s() < self._until_s:
            return False
        self._until_s = self._clock_s() + self._pause_s
        return True

    def failed(self) -> None:
        """It did not answer."""
        self._failing = True
        self._until_s = self._clock_s() + self._pause_s

    def succeeded(self) -> None:
        """It answered."""
        self._failing = False
