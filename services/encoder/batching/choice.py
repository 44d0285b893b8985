"""Which inputs a stream that is free computes next."""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.common.clients.encoder import Lane
from services.encoder.batching.capacity import Capacity
from services.encoder.batching.item import Item
from services.encoder.batching.lanes import Lanes
from services.encoder.batching.pace import Pace, Workload

FILL_SHARE = 0.25
"""Of the length of a bulk batch: by this much bulk may lengthen the batch of a person."""
PATIENCE_BATCHES = 16
"""Bulk work that people have kept waiting for so many lengths of a bulk batch gets the next turn. So it never
stands still, and people who never pause give up about a seventeenth of the device."""
ALONE_AFTER_S = 10.0
"""Bulk work counts as alone once nobody has asked anything for so long."""
ALONE_BATCHES = 4
"""Its batches may then take so many times as long. A ViT-B/32 on one core of a CPU has two pictures in a batch of
60 ms and seven in one of 240 ms, and computes a fifth more of them a second."""


@dataclass(frozen=True)
class Batch:
    """Inputs of one kind.

    Attributes:
        lane: Whose turn it is.
        items: Not empty; bulk inputs may fill up the batch of a person.
        workload: What it is compared with.
    """

    lane: Lane
    items: tuple[Item, ...]
    workload: Workload


class Chooser:
    """Takes batches out of the lanes.

    * Interactive before bulk, but see `PATIENCE_BATCHES`.
    * In a lane, the kind of the input that has been ready for longest; that input is always taken.
    * Several streams that are free share what waits, down to `least_items` a batch.
    * Bulk is bounded in time, interactive in number only. While nobody asks anything, the bound is a wide one: the
      first to ask after that may wait for a long batch, those who follow do not.

    Args:
        lanes: What is ready.
        capacity: Bounds in number.
        pace: Learned times.
        bulk_batch_s: How long a batch of bulk work may keep a stream from a person.
        least_items: Below this a batch is not split between streams: 1 where each has cores of its own, more on a
            device that computes several inputs in the time of one.
    """

    def __init__(
        self, lanes: Lanes, capacity: Capacity, pace: Pace, bulk_batch_s: float, least_items: int = 1
    ) -> None:
        self._lanes, self._capacity, self._pace = lanes, capacity, pace
        self._bulk_batch_s = bulk_batch_s
        self._least_items = least_items
        self._bulk_served_s = self._person_served_s = -math.inf

    def take(self, now_s: float, free_streams: int, threads: int) -> Batch | None:
        """Take the next batch out of the lanes.

        Args:
            now_s: By `time.monotonic`.
            free_streams: Streams without a batch, this one included.
            threads: CPU threads that the batch will be computed on.
        """
        head = self._first(now_s)
        if head is None:
            return None
        if head.lane is Lane.BULK:
            self._bulk_served_s = now_s
            items = self._bulk(head, free_streams, threads, self._bulk_limit_s(now_s))
        else:
            self._person_served_s = now_s
            items = self._interactive(head, free_streams, threads)
        for item in items:
            self._lanes.remove(item)
        return Batch(head.lane, tuple(items), self._workload(items, threads))

    def _first(self, now_s: float) -> Item | None:
        person, bulk = self._lanes.oldest(Lane.INTERACTIVE), self._lanes.oldest(Lane.BULK)
        if person is None or bulk is None:
            return person or bulk
        kept_waiting_s = now_s - max(self._bulk_served_s, bulk.ready_s)
        return bulk if kept_waiting_s >= PATIENCE_BATCHES * self._bulk_batch_s else person

    def _interactive(self, head: Item, free_streams: int, threads: int) -> list[Item]:
        most = self._capacity.items(head.kind)
        items = self._shared(self._lanes.alike(Lane.INTERACTIVE, head, most * free_streams), free_streams, most)
        if free_streams > 1 or len(items) < self._lanes.items(Lane.INTERACTIVE):
            return items
        workload = self._workload(items, threads)
        limit_s = self._pace.seconds(workload, len(items)) + FILL_SHARE * self._bulk_batch_s
        room = self._pace.items_within(workload, limit_s, most) - len(items)
        return items + self._lanes.alike(Lane.BULK, head, max(0, room))

    def _bulk_limit_s(self, now_s: float) -> float:
        is_alone = now_s - self._person_served_s >= ALONE_AFTER_S
        return self._bulk_batch_s * (ALONE_BATCHES if is_alone else 1)

    def _bulk(self, head: Item, free_streams: int, threads: int, limit_s: float) -> list[Item]:
        most = self._capacity.items(head.kind)
        items = self._shared(self._lanes.alike(Lane.BULK, head, most * free_streams), free_streams, most)
        within = self._pace.items_within(self._workload(items, threads), limit_s, most)
        return items[:within]

    def _shared(self, waiting: list[Item], free_streams: int, most: int) -> list[Item]:
        share = max(self._least_items, math.ceil(len(waiting) / free_streams))
        return waiting[: min(most, share)]

    def _workload(self, items: list[Item], threads: int) -> Workload:
        return Workload.of(items[0].kind, max(item.length for item in items), threads)
