"""Several batches in flight: a stream that becomes free takes the next batch at once.

There is no timer: an input that finds a stream free is computed at once, and batches form by themselves while the
streams are busy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from services.common.clients.encoder import Lane
from services.common.errors import DeadlineError, InternalError
from services.encoder.batching.capacity import Capacity
from services.encoder.batching.choice import Batch, Chooser
from services.encoder.batching.computing import Compute, Computed, compute_batch
from services.encoder.batching.item import Item
from services.encoder.batching.lanes import Lanes
from services.encoder.batching.pace import Pace
from services.encoder.metrics import BATCH_ITEMS, CORE_SECONDS, POST_SECONDS, QUEUE_WAIT_SECONDS


@dataclass(frozen=True)
class Streams:
    """What computes.

    Attributes:
        executor: With a thread for each stream.
        number: Batches at once.
        threads: CPU threads of the model, which the batches in flight share.
        least_items: See `Chooser`.
    """

    executor: Executor
    number: int = 1
    threads: int = 1
    least_items: int = 1


class Batcher:
    """Two lanes in front of one model. Used from one event loop.

    Args:
        compute: Runs on the streams.
        streams: See `Streams`.
        capacity: Bounds on batches, by kind.
        bulk_batch_s: See `Chooser`.
        on_taken: Called when inputs have left the lanes.
    """

    def __init__(
        self,
        compute: Compute,
        streams: Streams,
        capacity: Capacity,
        bulk_batch_s: float,
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._compute, self._streams, self._capacity = compute, streams, capacity
        self._lanes, self._pace = Lanes(), Pace()
        self._chooser = Chooser(self._lanes, capacity, self._pace, bulk_batch_s, streams.least_items)
        self._in_flight: dict[asyncio.Future[Computed], Batch] = {}
        self._dispatching = False
        self._stopped = False
        self.on_taken = on_taken

    def ready_items(self, lane: Lane) -> int:
        """Inputs that wait for a stream."""
        return self._lanes.items(lane)

    def offer(self, items: Sequence[Item]) -> None:
        """Queue inputs that are prepared."""
        now_s = time.monotonic()
        for item in items:
            item.ready_s = now_s
            self._lanes.add(item)
        if not self._dispatching:
            self._dispatching = True
            # At the end of this turn of the loop: inputs that become ready in the same turn come along.
            asyncio.get_running_loop().call_soon(self._dispatch_offered)

    def remove(self, item: Item) -> bool:
        """Take an input out that nobody waits for any more; False if it does not wait here."""
        return self._lanes.remove(item)

    async def stop(self) -> None:
        """Give up what waits, and wait for the batches in flight."""
        self._stopped = True
        for item in list(self._lanes):
            self._lanes.remove(item)
            item.give_up()
        while self._in_flight:
            await asyncio.wait(list(self._in_flight))
            await asyncio.sleep(0)

    def _dispatch_offered(self) -> None:
        self._dispatching = False
        self._dispatch()

    def _dispatch(self) -> None:
        """Give every free stream a batch."""
        threads = self._threads_each()
        taken = False
        while not self._stopped and len(self._in_flight) < self._streams.number:
            free = self._streams.number - len(self._in_flight)
            batch = self._chooser.take(time.monotonic(), free, threads)
            if batch is None:
                break
            taken = True
            self._begin(batch, threads)
        if taken:
            self.on_taken()

    def _threads_each(self) -> int:
        """CPU threads of a batch that begins now: streams that will find work share them evenly."""
        waiting = sum(self._lanes.items(lane) for lane in Lane)
        busy = min(self._streams.number, len(self._in_flight) + waiting)
        return max(1, self._streams.threads // max(1, busy))

    def _begin(self, batch: Batch, threads: int) -> None:
        now_s = time.monotonic()
        items = tuple(item for item in batch.items if not _expired(item, now_s))
        if not items:
            return
        for item in items:
            waited_s = now_s - item.arrived_s - item.preparing_s
            QUEUE_WAIT_SECONDS.labels(item.lane.name.lower()).observe(max(0.0, waited_s))
        BATCH_ITEMS.labels(items[0].kind.value).observe(len(items))
        future = asyncio.get_running_loop().run_in_executor(
            self._streams.executor,
            compute_batch,
            self._compute,
            items[0].kind,
            [item.payload for item in items],
            threads,
        )
        self._in_flight[future] = Batch(batch.lane, items, batch.workload)
        future.add_done_callback(self._end)

    def _end(self, future: asyncio.Future[Computed]) -> None:
        """Learn, give the stream its next batch, and only then answer."""
        batch = self._in_flight.pop(future)
        kind, lane = batch.workload.kind, batch.lane.name.lower()
        failure = asyncio.CancelledError() if future.cancelled() else future.exception()
        if failure is None:
            self._learn(batch, future.result())
        self._dispatch()
        with POST_SECONDS.labels(kind.value, lane).time():
            if failure is not None:
                for item in batch.items:
                    item.finish(InternalError())
                return
            computed = future.result()
            CORE_SECONDS.labels(kind.value, lane).observe(computed.seconds)
            for item, result in zip(batch.items, computed.results, strict=True):
                item.finish(result)

    def _learn(self, batch: Batch, computed: Computed) -> None:
        kind, items = batch.workload.kind, len(batch.items)
        if computed.did_not_fit:
            self._capacity.did_not_fit(kind, computed.did_not_fit)
        elif computed.whole:
            self._capacity.fitted(kind, items)
            self._pace.learn(batch.workload, items, computed.seconds)


def _expired(item: Item, now_s: float) -> bool:
    if item.expires_s <= now_s:
        item.finish(DeadlineError("The deadline of the call passed while this input waited."))
    return item.gone
