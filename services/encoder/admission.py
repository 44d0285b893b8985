"""The bounds on what is inside the service, lane by lane: callers beyond them are refused at once, or wait."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common.clients.encoder import Lane
from services.common.errors import ExhaustedError
from services.encoder.metrics import INSIDE_ITEMS, REFUSED_ITEMS

_WINDOW_S = 0.5
"""Answers come in bursts, a batch at a time: their pace is that of half a second and more."""
_SMOOTHING = 0.3
_MOST_RISE = 4.0
"""A pause of the whole machine says nothing about the pace: a window counts for at most four times the average."""
_FIRST_GUESS_S = 0.05
_RETRY_AFTER_S = (0.05, 5.0)


@dataclass(frozen=True)
class LaneLimits:
    """What a lane holds, waiting or running.

    Attributes:
        items: Most inputs.
        size_bytes: Most bytes of inputs as they were sent.
    """

    items: int
    size_bytes: int


class LaneRoom:
    """Counts the inputs of one lane from arrival to answer. Used from one event loop.

    Args:
        lane: For the metrics.
        limits: See `LaneLimits`.
        clock: Seconds that only grow.
    """

    def __init__(self, lane: Lane, limits: LaneLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = lane.name.lower()
        self._clock = clock
        self._limits = limits
        self._items = self._bytes = 0
        self._seconds_per_item: float | None = None
        self._window_s = 0.0
        self._window_items = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        INSIDE_ITEMS.labels(self._label).set(0)

    @property
    def items(self) -> int:
        """Inputs inside now."""
        return self._items

    def enter(self, items: int, size_bytes: int, within_s: float = math.inf) -> None:
        """Take room for a call, or refuse it.

        A call larger than the whole bound is let in when nothing else is inside.

        Args:
            items: Inputs of the call.
            size_bytes: Their bytes, together.
            within_s: The caller's patience. A call that those inside would keep waiting for longer is refused at
                once: it would only be in the way of others.

        Raises:
            ExhaustedError: There is no room; it says after which time there may be.
        """
        if self._fits(items, size_bytes) and not self._is_hopeless(items, within_s):
            self._change(items, size_bytes)
            return
        REFUSED_ITEMS.labels(self._label).inc(items)
        raise ExhaustedError(
            "The encoder has as much work as it can hold. Try again a little later.",
            retry_after_s=self._retry_after_s(items, within_s),
        )

    async def wait_and_enter(self, size_bytes: int) -> None:
        """Take room for one input, after those that asked before; waits as long as it takes."""
        if self._waiting or not self._fits(1, size_bytes):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((turn, size_bytes))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.leave(size_bytes, answered=False)
                raise
            return
        self._change(1, size_bytes)

    def leave(self, size_bytes: int, *, answered: bool) -> None:
        """One input is answered, or given up; those that wait go in."""
        if answered:
            self._learn()
        self._change(-1, -size_bytes)
        while self._waiting:
            turn, wanted_bytes = self._waiting[0]
            if not turn.done() and not self._fits(1, wanted_bytes):
                return
            self._waiting.popleft()
            if not turn.done():
                self._change(1, wanted_bytes)
                turn.set_result(None)

    def _fits(self, items: int, size_bytes: int) -> bool:
        if not self._items:
            return True
        return self._items + items <= self._limits.items and self._bytes + size_bytes <= self._limits.size_bytes

    def _is_hopeless(self, items: int, within_s: float) -> bool:
        """Whether the call would be in time if nobody else were inside, but is not as things are."""
        per_item_s = self._seconds_per_item or 0.0
        return items * per_item_s <= within_s < (self._items + items) * per_item_s

    def _change(self, items: int, size_bytes: int) -> None:
        if not self._items:
            self._window_s, self._window_items = self._clock(), 0
        self._items += items
        self._bytes += size_bytes
        INSIDE_ITEMS.labels(self._label).set(self._items)

    def _learn(self) -> None:
        self._window_items += 1
        now_s = self._clock()
        elapsed_s = now_s - self._window_s
        if elapsed_s < _WINDOW_S:
            return
        measured_s, before_s = elapsed_s / self._window_items, self._seconds_per_item
        self._window_s, self._window_items = now_s, 0
        if before_s is None:
            self._seconds_per_item = measured_s
        else:
            news_s = min(measured_s, before_s * _MOST_RISE) - before_s
            self._seconds_per_item = before_s + _SMOOTHING * news_s

    def _retry_after_s(self, items: int, within_s: float) -> float:
        """When there may be room: inputs over the bound, or too many for the caller's time, must leave first."""
        per_item_s = self._seconds_per_item or _FIRST_GUESS_S
        over = max(1, self._items + items - self._limits.items)
        over_s = max(over * per_item_s, (self._items + items) * per_item_s - within_s)
        shortest, longest = _RETRY_AFTER_S
        return min(longest, max(shortest, over_s))


class Admission:
    """The rooms of all lanes.

    Args:
        limits: By lane.
    """

    def __init__(self, limits: Mapping[Lane, LaneLimits]) -> None:
        self.limits = dict(limits)
        self._rooms = {lane: LaneRoom(lane, bound) for lane, bound in limits.items()}

    def __getitem__(self, lane: Lane) -> LaneRoom:
        return self._rooms[lane]
