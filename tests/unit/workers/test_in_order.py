"""Work on threads with its results in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.sources.in_order import in_order


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 5))
def test_results_come_in_the_order_of_the_things(waits_ms: list[int], at_once: int) -> None:
    def slow(numbered: tuple[int, int]) -> int:
        time.sleep(numbered[1] / 1000)
        return numbered[0]

    assert list(in_order(slow, enumerate(waits_ms), at_once)) == list(range(len(waits_ms)))


def test_no_more_runs_or_waits_than_allowed() -> None:
    running, most = 0, 0
    taken: list[int] = []
    lock = threading.Lock()

    def things() -> Iterator[int]:
        for number in range(1, 101):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        return number

    found = in_order(work, things(), 4)
    assert next(found) == 1
    assert len(taken) <= 5
    assert list(found) == list(range(2, 101))
    assert most <= 4


def test_an_error_comes_behind_what_came_before_it() -> None:
    def things() -> Iterator[int]:
        yield from (4, 2)
        raise OSError("no more")

    found = in_order(lambda number: 8 // number, things(), 8)
    assert [next(found), next(found)] == [2, 4]
    with pytest.raises(OSError, match="no more"):
        next(found)
    divided = in_order(lambda number: 8 // number, [4, 0, 2], 8)
    assert next(divided) == 2
    with pytest.raises(ZeroDivisionError):
        next(divided)
