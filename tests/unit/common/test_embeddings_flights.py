"""Work that several callers want at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence

import pytest

from services.common.embeddings.flights import Flights
from services.common.errors import UnavailableError


class _Work:
    """Returns each key in capitals once it is let go."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(keys))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {key: key.upper() for key in keys}


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_on_its_way_is_not_fetched_again() -> None:
    flights, work = Flights[str](), _Work()
    first = asyncio.create_task(flights.results(["a", "b"], work))
    await _turn()
    second = asyncio.create_task(flights.results(["c", "b", "a"], work))
    third = asyncio.create_task(flights.results(["a"], work))
    await _turn()
    assert work.asked == [["a", "b"], ["c"]]
    work.go.set()
    assert await first == {"a": "A", "b": "B"}
    assert await second == {"c": "C", "b": "B", "a": "A"}
    assert await third == {"a": "A"}
    assert await flights.results(["a"], work) == {"a": "A"}
    assert work.asked[2:] == [["a"]]


async def test_nothing_wanted_is_nothing_done() -> None:
    assert await Flights[str]().results([], _Work()) == {}


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    flights, work = Flights[str](), _Work()
    first = asyncio.create_task(flights.results(["a"], work))
    await _turn()
    second = asyncio.create_task(flights.results(["a"], work))
    await _turn()
    first.cancel()
    await _turn()
    assert first.cancelled()
    assert work.cancelled == 0
    work.go.set()
    assert await second == {"a": "A"}


@pytest.mark.parametrize("turns", range(5))
async def test_with_the_last_one_the_work_ends_and_the_next_begins_anew(turns: int) -> None:
    """Whoever comes while the work is ending, too."""
    flights, work = Flights[str](), _Work()
    callers = [asyncio.create_task(flights.results(["a"], work)) for _ in range(2)]
    await _turn()
    for caller in callers:
        caller.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    late = asyncio.create_task(flights.results(["a"], work))
    await _turn()
    assert work.cancelled == 1
    work.go.set()
    assert await late == {"a": "A"}
    assert work.asked == [["a"], ["a"]]


async def test_a_failure_is_everyones_and_is_not_remembered() -> None:
    flights, failing = Flights[str](), [True]

    async def work(keys: Sequence[str]) -> Mapping[str, str]:
        await asyncio.sleep(0.01)
        if failing[0]:
            raise UnavailableError("The encoder does not answer.")
        return {key: key.upper() for key in keys}

    callers = [flights.results(["a"], work) for _ in range(3)]
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 3
    failing[0] = False
    assert await flights.results(["a"], work) == {"a": "A"}


async def test_a_failure_that_nobody_waits_for_is_not_complained_of() -> None:
    flights, complaints = Flights[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def work(keys: Sequence[str]) -> Mapping[str, str]:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise UnavailableError(f"{keys} were given up.") from None
        return {}

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.results(["a"], work), 0.01)
    await _turn()
    gc.collect()  # this is when asyncio would
    assert complaints == []
