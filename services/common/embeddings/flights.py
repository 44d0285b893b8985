"""Work that several callers want at once is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Fetch = Callable[[Sequence[str]], Coroutine[Any, Any, Mapping[str, T]]]
"""Takes keys, returns a result for each of them."""


@dataclass(eq=False)
class _Flight(Generic[T]):
    keys: Sequence[str]
    task: asyncio.Task[Mapping[str, T]]
    waiting: int = 0


class Flights(Generic[T]):
    """Results that are on their way, by key. Belongs to one event loop."""

    def __init__(self) -> None:
        self._running: dict[str, _Flight[T]] = {}

    async def results(self, keys: Sequence[str], fetch: Fetch[T]) -> dict[str, T]:
        """A result for each key: what is on its way is waited for, the rest is fetched in one go.

        A caller that is cancelled leaves the others their work; with the last one the work is cancelled too.

        Args:
            keys: No two the same.
            fetch: Called with the keys that nobody fetches yet.

        Raises:
            Exception: What `fetch` raised, here or for the caller that began.
        """
        if not keys:
            return {}
        self._begin([key for key in keys if key not in self._running], fetch)
        flights = {key: self._running[key] for key in keys}
        joined = set(flights.values())
        for flight in joined:
            flight.waiting += 1
        try:
            await asyncio.wait([flight.task for flight in joined])  # cancels none of them
        finally:
            for flight in joined:
                self._leave(flight)
        return {key: flight.task.result()[key] for key, flight in flights.items()}

    def _begin(self, keys: Sequence[str], fetch: Fetch[T]) -> None:
        if not keys:
            return
        flight = _Flight(keys, asyncio.create_task(fetch(keys)))
        self._running.update(dict.fromkeys(keys, flight))
        flight.task.add_done_callback(partial(self._land, flight))

    def _leave(self, flight: _Flight[T]) -> None:
        flight.waiting -= 1
        if flight.waiting == 0 and not flight.task.done():
            flight.task.cancel()
            self._forget(flight)  # at once: who comes now must not wait for what was cancelled

    def _land(self, flight: _Flight[T], task: asyncio.Task[Mapping[str, T]]) -> None:
        self._forget(flight)
        if not task.cancelled():
            task.exception()  # noted as seen, for its callers may all have left

    def _forget(self, flight: _Flight[T]) -> None:
        for key in flight.keys:
            if self._running.get(key) is flight:
                del self._running[key]
