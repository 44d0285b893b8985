"""Pictures and texts made ready beside the model: enough of them that it never waits, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

from services.common.errors import DeadlineError, ImageragError, InternalError
from services.encoder.batching.item import Item
from services.encoder.inputs import Prepared, Text
from services.encoder.metrics import PRE_SECONDS

_TEXTS_AT_ONCE = 16
"""A text takes less time than handing it to a thread and back."""

Prepare = Callable[[Any], Prepared | ImageragError]
Outcome = tuple[Prepared | ImageragError, float] | None
"""What became of an input and in how many seconds; None: nobody waited for it any more."""


class Preparation:
    """A queue with threads of its own. Used from one event loop.

    Args:
        prepare: Runs on the threads.
        executor: With `threads` threads.
        threads: Inputs, or groups of texts, prepared at once.
        has_room: Whether more prepared inputs are wanted; while not, those that come wait as they were sent.
        deliver: Takes inputs that are ready.
    """

    def __init__(
        self,
        prepare: Prepare,
        executor: Executor,
        threads: int,
        has_room: Callable[[], bool],
        deliver: Callable[[Sequence[Item]], None],
    ) -> None:
        self._prepare, self._executor, self._threads = prepare, executor, threads
        self._has_room, self._deliver = has_room, deliver
        # A dictionary is a queue that gives up any of its members at once.
        self._queue: dict[Item, None] = {}
        self._running: set[asyncio.Future[list[Outcome]]] = set()

    def put(self, items: Iterable[Item]) -> None:
        """Queue inputs."""
        self._queue.update(dict.fromkeys(items))
        self.move()

    def remove(self, item: Item) -> bool:
        """Take an input out; False if it does not wait here. One that a thread has not begun is skipped there."""
        if item not in self._queue:
            return False
        del self._queue[item]
        return True

    def move(self) -> None:
        """Give work to the threads, as far as there is work and room for what comes of it.

        One piece more than there are threads: a thread that is done does not wait for the event loop.
        """
        while self._queue and len(self._running) <= self._threads and self._has_room():
            items = self._next()
            payloads = [item.payload for item in items]
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._work, items, payloads)
            self._running.add(future)
            future.add_done_callback(lambda done, items=items: self._end(done, items))  # type: ignore[misc]

    def _next(self) -> list[Item]:
        items: list[Item] = []
        for item in self._queue:
            if items and not isinstance(item.payload, Text):
                break
            items.append(item)
            if len(items) == _TEXTS_AT_ONCE or not isinstance(item.payload, Text):
                break
        for item in items:
            del self._queue[item]
        return items

    def _work(self, items: Sequence[Item], payloads: Sequence[Any]) -> list[Outcome]:
        return [
            None if item.gone or item.expires_s <= time.monotonic() else self._timed(item, payload)
            for item, payload in zip(items, payloads, strict=True)
        ]

    def _timed(self, item: Item, payload: Any) -> Outcome:
        started = time.perf_counter()
        outcome = self._prepare(payload)
        return outcome, time.perf_counter() - started

    def _end(self, future: asyncio.Future[list[Outcome]], items: Sequence[Item]) -> None:
        self._running.discard(future)
        if future.cancelled() or future.exception() is not None:
            for item in items:
                item.finish(InternalError())
            return
        ready = [item for item, outcome in zip(items, future.result(), strict=True) if _is_ready(item, outcome)]
        self._deliver(ready)
        self.move()


def _is_ready(item: Item, outcome: Outcome) -> bool:
    """Take over what became of an input; False: it goes no further."""
    if outcome is None:
        item.finish(DeadlineError("The deadline of the call passed while this input waited."))
        return False
    prepared, seconds = outcome
    PRE_SECONDS.labels(item.kind.value, item.lane.name.lower()).observe(seconds)
    if isinstance(prepared, ImageragError):
        item.finish(prepared)
        return False
    if item.gone:
        return False
    item.payload, item.length, item.preparing_s = prepared.payload, prepared.length, seconds
    return True
