"""Which inputs go together: none is lost or taken twice, people go first, bulk is bounded and never forgotten."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.common.clients.encoder import Lane
from services.encoder.batching.capacity import Capacity
from services.encoder.batching.choice import (
    ALONE_AFTER_S,
    ALONE_BATCHES,
    FILL_SHARE,
    PATIENCE_BATCHES,
    Batch,
    Chooser,
)
from services.encoder.batching.item import Item
from services.encoder.batching.lanes import Lanes, like_length
from services.encoder.batching.pace import Pace, Workload
from services.encoder.kinds import Kind

BULK_BATCH_S = 0.1
ITEM_S = 0.02
LENGTHS = st.sampled_from([0, 5, 16, 17, 40, 300])
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(list(Kind)), st.sampled_from(list(Lane)), LENGTHS), min_size=1, max_size=60
)


def item(kind: Kind = Kind.IMAGE, lane: Lane = Lane.BULK, length: int = 0, ready_s: float = 0.0) -> Item:
    made = Item(kind, lane, object(), answer=lambda result: None, length=0 if kind is Kind.IMAGE else length)
    made.ready_s = ready_s
    return made


def known_pace() -> Pace:
    """Every workload takes `ITEM_S` an input."""
    pace = Pace()
    for kind in Kind:
        for bits in range(10):
            for size in (1, 2, 4, 8, 16, 32):
                pace.learn(Workload(kind, 1 << bits, 1), size, size * ITEM_S)
    return pace


class Queue:
    """Lanes, and what takes batches out of them."""

    def __init__(self, most_items: int = 8, least_items: int = 1) -> None:
        self.lanes = Lanes()
        self.pace = known_pace()
        capacity = Capacity(dict.fromkeys(Kind, most_items))
        self.chooser = Chooser(self.lanes, capacity, self.pace, BULK_BATCH_S, least_items)

    def add(self, *items: Item) -> None:
        for one in items:
            self.lanes.add(one)

    def take(self, now_s: float = 0.0, free_streams: int = 1) -> Batch | None:
        return self.chooser.take(now_s, free_streams, threads=1)

    def take_all(self, free_streams: int = 1) -> list[Batch]:
        batches = []
        while (batch := self.take(free_streams=free_streams)) is not None:
            batches.append(batch)
        return batches


def arrive(arrivals: list[tuple[Kind, Lane, int]]) -> list[Item]:
    return [
        item(kind, lane, length, ready_s=-1 + number / 1000)
        for number, (kind, lane, length) in enumerate(arrivals)
    ]


@given(ARRIVALS, st.integers(1, 8), st.integers(1, 3), st.integers(1, 8))
def test_nothing_is_lost_or_taken_twice(arrivals: Any, most: int, streams: int, least: int) -> None:
    queue, items = Queue(most, least), arrive(arrivals)
    queue.add(*items)
    taken = [one for batch in queue.take_all(streams) for one in batch.items]
    assert len(taken) == len(items)
    assert set(map(id, taken)) == set(map(id, items))
    assert queue.lanes.items(Lane.BULK) == queue.lanes.items(Lane.INTERACTIVE) == 0


@given(ARRIVALS, st.integers(1, 8), st.integers(1, 3))
def test_a_batch_is_of_one_kind_of_like_lengths_and_within_its_bounds(
    arrivals: Any, most: int, streams: int
) -> None:
    queue = Queue(most)
    queue.add(*arrive(arrivals))
    is_alone = all(lane is Lane.BULK for _, lane, _ in arrivals)
    limit_s = BULK_BATCH_S * (ALONE_BATCHES if is_alone else 1)
    for batch in queue.take_all(streams):
        assert {one.kind for one in batch.items} == {batch.workload.kind}
        assert all(like_length(one.length, batch.items[0].length) for one in batch.items)
        assert len(batch.items) <= most
        bulk = sum(one.lane is Lane.BULK for one in batch.items)
        added_s = bulk * ITEM_S
        if batch.lane is Lane.BULK:
            assert len(batch.items) == 1 or added_s <= limit_s + 1e-9
        else:
            assert added_s <= FILL_SHARE * BULK_BATCH_S + 1e-9


@given(ARRIVALS, st.integers(1, 3))
def test_order_holds_inside_a_lane_and_kind(arrivals: Any, streams: int) -> None:
    queue, items = Queue(), arrive(arrivals)
    queue.add(*items)
    taken = [one for batch in queue.take_all(streams) for one in batch.items]
    for kind in Kind:
        for lane in Lane:
            for length in (0, 5, 16, 17, 40, 300):
                ours = [one for one in taken if (one.kind, one.lane, one.length) == (kind, lane, length)]
                assert ours == sorted(ours, key=lambda one: one.ready_s)


@given(ARRIVALS, st.integers(1, 3))
def test_people_go_first_and_the_oldest_of_a_lane_is_always_taken(arrivals: Any, streams: int) -> None:
    queue, waiting = Queue(), arrive(arrivals)
    queue.add(*waiting)
    for batch in queue.take_all(streams):
        people = [one for one in waiting if one.lane is Lane.INTERACTIVE]
        assert batch.lane is (Lane.INTERACTIVE if people else Lane.BULK)
        oldest = min((one for one in waiting if one.lane is batch.lane), key=lambda one: one.ready_s)
        assert oldest in batch.items
        waiting = [one for one in waiting if one not in batch.items]


@given(st.integers(1, 64), st.integers(1, 4))
def test_a_burst_is_spread_over_the_streams_that_are_free(items: int, streams: int) -> None:
    queue = Queue(most_items=64)
    queue.add(*(item(lane=Lane.INTERACTIVE) for _ in range(items)))
    sizes = [
        len(batch.items) for free in range(streams, 0, -1) if (batch := queue.take(free_streams=free)) is not None
    ]
    assert len(sizes) == min(items, streams)
    assert sum(sizes) == items
    assert max(sizes) - min(sizes) <= 1


def test_a_device_that_likes_batches_gets_them_whole() -> None:
    queue = Queue(most_items=64, least_items=8)
    queue.add(*(item(lane=Lane.INTERACTIVE) for _ in range(10)))
    batches = [queue.take(free_streams=free) for free in (2, 1)]
    assert [len(batch.items) for batch in batches if batch] == [8, 2]


def test_bulk_does_not_fill_up_a_batch_while_another_stream_is_free_or_another_person_waits() -> None:
    queue = Queue()
    queue.add(item(), item(), item(lane=Lane.INTERACTIVE))
    first = queue.take(free_streams=2)
    assert first is not None
    assert len(first.items) == 1
    queue.add(item(lane=Lane.INTERACTIVE), item(Kind.QUERY, Lane.INTERACTIVE, ready_s=1))
    second = queue.take()
    assert second is not None
    assert len(second.items) == 1


def test_bulk_gets_a_seventeenth_of_the_turns_of_people_who_never_pause() -> None:
    queue = Queue()
    queue.add(*(item() for _ in range(100)))
    lanes = []
    for turn in range(170):
        now_s = turn * BULK_BATCH_S
        queue.add(item(Kind.QUERY, Lane.INTERACTIVE, ready_s=now_s))
        batch = queue.take(now_s=now_s)
        assert batch is not None
        lanes.append(batch.lane)
    assert 9 <= lanes.count(Lane.BULK) <= 11
    gaps = [turn for turn, lane in enumerate(lanes) if lane is Lane.BULK]
    assert max(later - earlier for earlier, later in pairwise(gaps)) <= PATIENCE_BATCHES + 1


def test_batches_of_bulk_are_long_while_nobody_asks() -> None:
    queue = Queue(most_items=64)
    queue.add(*(item() for _ in range(200)))

    def bulk(now_s: float) -> int:
        batch = queue.take(now_s)
        assert batch is not None
        assert batch.lane is Lane.BULK
        return len(batch.items)

    short, long = round(BULK_BATCH_S / ITEM_S), round(ALONE_BATCHES * BULK_BATCH_S / ITEM_S)
    assert bulk(0.0) == long
    queue.add(item(Kind.QUERY, Lane.INTERACTIVE))
    asked = queue.take(1.0)
    assert asked is not None
    assert asked.lane is Lane.INTERACTIVE
    assert [bulk(1.0 + wait) for wait in (0.0, ALONE_AFTER_S / 2, ALONE_AFTER_S)] == [short, short, long]


def test_an_unknown_model_is_felt_out_from_one_input() -> None:
    queue = Queue(most_items=32)
    queue.chooser = Chooser(queue.lanes, Capacity(dict.fromkeys(Kind, 32)), pace := Pace(), BULK_BATCH_S)
    queue.add(item(Kind.QUERY, Lane.INTERACTIVE))
    queue.take()
    queue.add(*(item() for _ in range(64)))
    sizes = []
    for _ in range(8):
        batch = queue.take()
        assert batch is not None
        sizes.append(len(batch.items))
        pace.learn(batch.workload, len(batch.items), 0.01 * len(batch.items))
    assert sizes == [1, 2, 4, 8, 10, 10, 10, 10]
