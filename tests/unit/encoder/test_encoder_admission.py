"""The bounds on what is inside a lane."""

from __future__ import annotations

import asyncio

import pytest

from services.common.clients.encoder import Lane
from services.common.errors import ExhaustedError
from services.encoder.admission import LaneLimits, LaneRoom

MIB = 1 << 20


def room(items: int = 10, size_bytes: int = MIB) -> LaneRoom:
    return LaneRoom(Lane.BULK, LaneLimits(items, size_bytes))


def leave(inside: LaneRoom, items: int, size_bytes: int = 0) -> None:
    for _ in range(items):
        inside.leave(size_bytes, answered=True)


def test_beyond_the_bound_callers_are_told_when_to_come_back() -> None:
    inside = room()
    inside.enter(6, 0)
    inside.enter(4, 0)
    with pytest.raises(ExhaustedError) as raised:
        inside.enter(1, 0)
    assert raised.value.retry_after_s is not None
    assert 0 < raised.value.retry_after_s <= 5
    assert inside.items == 10
    leave(inside, 1)
    inside.enter(1, 0)


def test_bytes_are_bounded_too() -> None:
    inside = room(size_bytes=100)
    inside.enter(1, 60)
    with pytest.raises(ExhaustedError):
        inside.enter(1, 60)
    leave(inside, 1, 60)
    inside.enter(1, 60)


def test_a_call_above_the_whole_bound_waits_for_nobody() -> None:
    inside = room(items=4, size_bytes=10)
    inside.enter(8, 20)
    with pytest.raises(ExhaustedError):
        inside.enter(1, 0)


def paced(seconds_per_item: float) -> LaneRoom:
    """A lane that is empty after inputs have left it every so often."""
    now_s = [0.0]
    inside = LaneRoom(Lane.BULK, LaneLimits(1000, MIB), clock=lambda: now_s[0])
    inside.enter(20, 0)
    for _ in range(20):
        now_s[0] += seconds_per_item
        inside.leave(0, answered=True)
    return inside


def test_a_hint_is_the_time_until_there_is_room() -> None:
    inside = paced(0.1)
    inside.enter(1000, 0)
    with pytest.raises(ExhaustedError) as raised:
        inside.enter(20, 0)
    assert raised.value.retry_after_s == pytest.approx(2.0)


def test_a_call_that_would_come_too_late_is_refused_at_once_but_one_that_never_could_is_not() -> None:
    inside = paced(0.1)
    inside.enter(10, 0)
    with pytest.raises(ExhaustedError) as raised:
        inside.enter(1, 0, within_s=0.5)
    assert raised.value.retry_after_s == pytest.approx(0.6)
    inside.enter(1, 0, within_s=2.0)
    inside.enter(1, 0, within_s=0.05)


def test_a_pause_of_the_machine_is_not_taken_for_the_pace() -> None:
    now_s = [0.0]
    inside = LaneRoom(Lane.BULK, LaneLimits(100, MIB), clock=lambda: now_s[0])
    for pause_s in (1.0, 60.0):
        inside.enter(1, 0)
        now_s[0] += pause_s
        inside.leave(0, answered=True)
    inside.enter(2, 0)
    inside.enter(1, 0, within_s=6.0)


async def test_those_that_wait_go_in_in_their_order() -> None:
    inside, order = room(items=2), list[int]()

    async def enter(number: int) -> None:
        await inside.wait_and_enter(0)
        order.append(number)

    inside.enter(2, 0)
    waiting = [asyncio.create_task(enter(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert order == []
    for left in range(1, 6):
        leave(inside, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == list(range(left))
    assert inside.items == 2
    await asyncio.gather(*waiting)


async def test_one_that_stops_waiting_takes_no_room() -> None:
    inside = room(items=1)
    inside.enter(1, 0)
    first, second = (asyncio.create_task(inside.wait_and_enter(0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    leave(inside, 1)
    await second
    assert inside.items == 1
    third = asyncio.create_task(inside.wait_and_enter(0))
    await asyncio.sleep(0)
    leave(inside, 1)
    # It has been let in, and is cancelled before it notices.
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    assert inside.items == 0
