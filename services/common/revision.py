"""Revisions: the order of accepted writes, one integer each."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

_COUNTER_BITS = 12
_LIMIT = 1 << 53
"""Range filters compare 64-bit floats: above 2^53 neighbours become equal. Reached in the year 2039."""


class RevisionClock:
    """Hands out strictly increasing revisions: milliseconds since the epoch << 12 | counter.

    Two processes may hand out the same number in the same millisecond; neither write is then older, and the
    one that reaches the store first stays. Thread-safe.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, span: int = 1) -> int:
        """A revision above every earlier one of this clock, and with it the `span` - 1 that follow it."""
        with self._lock:
            now = int(time.time() * 1000) << _COUNTER_BITS
            first = max(self._last + 1, now)
            self._last = first + span - 1
            if self._last >= _LIMIT:
                raise OverflowError("revisions no longer fit into 53 bits; the counter needs fewer of them")
            return first


def moment_of(revision: int) -> datetime:
    """When a revision was handed out, by the clock that did."""
    return datetime.fromtimestamp((revision >> _COUNTER_BITS) / 1000, UTC)


def revision_at(moment: datetime) -> int:
    """The first revision of a moment (aware)."""
    return int(moment.timestamp() * 1000) << _COUNTER_BITS
