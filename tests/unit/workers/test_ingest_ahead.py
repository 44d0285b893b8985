from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ExhaustedError, UnavailableError
from workers.ingest.ahead import ahead
from workers.ingest.patience import patiently


@given(waits=st.lists(st.integers(0, 3), max_size=20), most=st.integers(1, 5))
def test_results_come_in_order_and_no_more_than_allowed_are_under_way(waits: list[int], most: int) -> None:
    under_way, highest = 0, 0

    async def work(pair: tuple[int, int]) -> int:
        nonlocal under_way, highest
        number, turns = pair
        under_way += 1
        highest = max(highest, under_way)
        for _ in range(turns):
            await asyncio.sleep(0)
        under_way -= 1
        return number

    async def run() -> list[int]:
        return [number async for number in ahead(work, enumerate(waits), most)]

    assert asyncio.run(run()) == list(range(len(waits)))
    assert highest <= most


async def test_inputs_are_taken_no_faster_than_results() -> None:
    taken: list[int] = []

    async def work(number: int) -> int:
        return number

    def noted() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    results = ahead(work, noted(), 3)
    assert await anext(results) == 0
    assert taken == [0, 1, 2]
    assert await anext(results) == 1
    assert taken == [0, 1, 2, 3]
    await results.aclose()


async def test_an_error_ends_the_rest() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("no")
        try:
            await asyncio.sleep(60 if number > 1 else 0)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    results = ahead(work, range(9), 3)
    assert await anext(results) == 0
    with pytest.raises(ValueError, match="no"):
        await anext(results)
    assert cancelled == [2]  # the one behind it had not begun


async def test_who_is_full_is_asked_again_and_other_errors_are_told_at_once() -> None:
    tries = 0

    async def full_twice() -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ExhaustedError("full", retry_after_s=0.01)
        return "done"

    assert await patiently(full_twice, 5) == "done"
    assert tries == 3

    async def away() -> str:
        nonlocal tries
        tries += 1
        raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        await patiently(away, 5)
    assert tries == 4


async def test_patience_ends() -> None:
    async def full() -> str:
        raise ExhaustedError("full", retry_after_s=7.0)

    with pytest.raises(ExhaustedError) as raised:
        await patiently(full, 0.05)
    assert raised.value.retry_after_s == 7.0
