"""The bound on what is inside the service: callers beyond it are told at once when to come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.common.errors import ExhaustedError
from services.encoder.metrics import INSIDE_ITEMS

_FIRST_GUESS_S = 0.05
_SMOOTHING = 0.1
_RETRY_AFTER_S = (0.05, 5.0)


class Admission:
    """Counts inputs from arrival to answer. Used from one event loop.

    Args:
        limit_items: Most inputs inside at once.
    """

    def __init__(self, limit_items: int) -> None:
        self._limit_items = limit_items
        self._inside = 0
        self._seconds_per_item = _FIRST_GUESS_S

    @property
    def inside_items(self) -> int:
        """Inputs inside now."""
        return self._inside

    @contextmanager
    def admit(self, items: int) -> Iterator[None]:
        """Hold room for `items` until the block ends.

        A call larger than the whole bound is let in when nothing else is inside.

        Raises:
            ExhaustedError: There is no room; it says after which time there may be.
        """
        if self._inside and self._inside + items > self._limit_items:
            raise ExhaustedError(
                "The encoder has as much work as it can hold. Try again a little later.",
                retry_after_s=self._retry_after_s(),
            )
        self._change(items)
        started = time.perf_counter()
        try:
            yield
            self._learn((time.perf_counter() - started) / max(1, self._inside))
        finally:
            self._change(-items)

    def _change(self, items: int) -> None:
        self._inside += items
        INSIDE_ITEMS.set(self._inside)

    def _learn(self, seconds_per_item: float) -> None:
        self._seconds_per_item += _SMOOTHING * (seconds_per_item - self._seconds_per_item)

    def _retry_after_s(self) -> float:
        shortest, longest = _RETRY_AFTER_S
        return min(longest, max(shortest, self._inside * self._seconds_per_item / 2))
