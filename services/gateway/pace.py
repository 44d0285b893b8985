"""How fast something goes, and when it will be done. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_S = 30.0
"""Looked back: long enough for a steady number, short enough to notice a stop."""


class Pace:
    """Takes in how much was done when; a rate is known from the second look on."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, at_s: float, done: int) -> None:
        """So much was done at that time; times only grow."""
        self._looks.append((at_s, done))
        while len(self._looks) > 2 and at_s - self._looks[1][0] >= self._window_s:
            self._looks.popleft()

    def rate_per_s(self) -> float | None:
        """Done in a second, over the window; None before it is known, 0 if nothing was."""
        if len(self._looks) < 2:
            return None
        (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
        return max(0, last - first) / (last_s - first_s) if last_s > first_s else None

    def eta_s(self, left: int) -> float | None:
        """Seconds until so much more is done; None if nothing moves or it is not known."""
        if left == 0:
            return 0.0
        rate = self.rate_per_s()
        return left / rate if rate else None
