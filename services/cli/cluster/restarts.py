"""When a process that ended is started again, and when that is given up."""

from __future__ import annotations

from dataclasses import dataclass

QUICK_S = 20.0
"""A process that lived longer did start: its end counts as the first again."""
LIMIT = 6
"""Quick ends in a row after which something is wrong that another start does not mend."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
WRONG_SETTINGS = 2
"""Status of a deployable that was told something wrong; it would be told the same again."""


@dataclass(frozen=True)
class Restarts:
    """How often in a row a process ended soon after its start."""

    quick_ends: int = 0

    def after(self, uptime_s: float) -> Restarts:
        """The state after one more end."""
        return Restarts(self.quick_ends + 1 if uptime_s < QUICK_S else 1)

    def delay_s(self) -> float:
        """How long to wait before the next start: doubles with each quick end, up to a limit."""
        return float(min(FIRST_DELAY_S * 2 ** max(self.quick_ends - 1, 0), LONGEST_DELAY_S))

    def is_hopeless(self, status: int) -> bool:
        """Whether to give up after an end with this exit status."""
        return status == WRONG_SETTINGS or self.quick_ends >= LIMIT
