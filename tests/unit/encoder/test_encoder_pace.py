"""What is learned of how long batches take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.encoder.batching.pace import Pace, Workload
from services.encoder.kinds import Kind

WORK = Workload(Kind.IMAGE, 1, 1)
SECONDS = st.floats(1e-5, 10)


def learned(*batches: tuple[int, float], times: int = 1) -> Pace:
    pace = Pace()
    for items, seconds in batches:
        for _ in range(times):
            pace.learn(WORK, items, seconds)
    return pace


def test_nothing_known_is_one_input_and_no_time() -> None:
    assert Pace().items_within(WORK, 1, most=32) == 1
    assert Pace().seconds(WORK, 5) == 0


@given(st.lists(st.tuples(st.integers(1, 64), SECONDS), max_size=30), SECONDS, st.integers(1, 64))
def test_a_batch_is_at_least_one_at_most_what_is_allowed_and_within_its_time(
    batches: list[tuple[int, float]], limit_s: float, most: int
) -> None:
    pace = learned(*batches)
    items = pace.items_within(WORK, limit_s, most)
    assert 1 <= items <= most
    assert items == 1 or pace.seconds(WORK, items) <= limit_s


@given(st.integers(1, 64))
def test_it_grows_to_twice_what_was_seen(items: int) -> None:
    largest = 1 << (items - 1).bit_length()
    assert learned((items, 1e-6)).items_within(WORK, 1, most=1000) == 2 * largest


def test_batches_that_are_cheaper_together_become_larger() -> None:
    pace = learned((1, 0.03), (2, 0.035), (4, 0.045), (8, 0.06))
    assert pace.items_within(WORK, 0.06, most=32) == 8
    assert pace.items_within(WORK, 0.035, most=32) == 3


def test_a_model_that_is_slower_in_large_batches_gets_small_ones() -> None:
    pace = learned((4, 0.1), (32, 1.4))
    assert pace.items_within(WORK, 0.45, most=32) == 16


@given(st.floats(2, 1000))
def test_one_bad_measurement_costs_little_and_is_forgotten(factor: float) -> None:
    pace = learned(*[(size, 0.01 * size) for size in (1, 2, 4, 8)], times=3)
    before = pace.items_within(WORK, 0.08, most=8)
    pace.learn(WORK, 8, 0.08 * factor)
    assert before == 8
    assert pace.items_within(WORK, 0.08, most=8) >= 4
    turns = 0
    while pace.items_within(WORK, 0.08 * 1.05, most=8) < 8:
        size = pace.items_within(WORK, 0.08, most=8)
        pace.learn(WORK, size, 0.01 * size)
        turns += 1
    assert turns <= 60


def test_a_first_batch_that_had_to_wake_everything_up_is_forgotten() -> None:
    pace = learned((1, 5.0))
    for _ in range(40):
        pace.learn(WORK, 1, 0.01)
    assert pace.items_within(WORK, 0.06, most=32) == 2


def test_workloads_do_not_speak_for_one_another() -> None:
    pace = learned((8, 0.008))
    assert pace.items_within(Workload.of(Kind.IMAGE, 0, 2), 1, most=32) == 1
    assert Workload.of(Kind.QUERY, 17, 1) == Workload.of(Kind.QUERY, 32, 1)
