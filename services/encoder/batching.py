"""Micro-batching across callers: whatever waits when the model is free goes through it together.

There is no timer: an input that finds the model idle is computed at once, and batches form by themselves while the
model is busy.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import structlog

from services.common.clients.encoder import Lane
from services.common.domain import Vector
from services.common.errors import ExhaustedError, ImageragError, InternalError
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.metrics import BATCH_ITEMS, CORE_SECONDS, QUEUE_WAIT_SECONDS, SPLIT_BATCHES

log = structlog.get_logger(__name__)

Result = Vector | ImageragError
Compute = Callable[[str, Sequence[Any]], Vector]
"""Takes a kind and its payloads, returns one row for each; runs on the executor's thread."""


@dataclass(eq=False)
class _Waiting:
    kind: str
    payload: Any
    lane: Lane
    future: asyncio.Future[Result]
    since_s: float = field(default_factory=time.perf_counter)


class _Batch(NamedTuple):
    kind: str
    items: list[_Waiting]


class Batcher:
    """Two lanes in front of one model.

    Args:
        compute: Only inputs of one kind are computed together.
        executor: Runs `compute`; one thread, for a model is not to be entered twice.
        batch_items: Most inputs computed at once.
    """

    def __init__(self, compute: Compute, executor: Executor, batch_items: int) -> None:
        self._compute = compute
        self._executor = executor
        self._batch_items = batch_items
        self._lanes: dict[Lane, deque[_Waiting]] = {Lane.INTERACTIVE: deque(), Lane.BULK: deque()}
        self._arrived = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to compute; call it inside the event loop."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop computing; what still waits is cancelled."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for lane in self._lanes.values():
            for waiting in lane:
                waiting.future.cancel()
            lane.clear()

    @property
    def waiting_items(self) -> int:
        """Inputs that wait for the model."""
        return sum(len(lane) for lane in self._lanes.values())

    async def submit(self, kind: str, payload: Any, lane: Lane) -> Result:
        """Wait for one input's row; a caller that goes away takes its input out of the queue.

        Args:
            kind: What it is computed together with.
            payload: Passed to `compute`.
            lane: An interactive input overtakes bulk ones.

        Returns:
            The row, float32 [dim], or the error of this input alone.
        """
        waiting = _Waiting(kind, payload, lane, asyncio.get_running_loop().create_future())
        self._lanes[lane].append(waiting)
        self._arrived.set()
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if waiting in self._lanes[lane]:
                self._lanes[lane].remove(waiting)
            raise

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            # Callers whose decoding ended in the same turn of the loop come along.
            await asyncio.sleep(0)
            batch = self._take()
            if batch is None:
                self._arrived.clear()
                continue
            payloads = [waiting.payload for waiting in batch.items]
            rows = await loop.run_in_executor(self._executor, self._compute_timed, batch.kind, payloads)
            for waiting, row in zip(batch.items, rows, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(row)

    def _take(self) -> _Batch | None:
        """The next batch: the kind of the first in line, filled up from both lanes."""
        first = next((lane[0] for lane in self._lanes.values() if lane), None)
        if first is None:
            return None
        taken: list[_Waiting] = []
        for name, lane in self._lanes.items():
            same = [waiting for waiting in lane if waiting.kind == first.kind]
            same = same[: self._batch_items - len(taken)]
            taken.extend(same)
            chosen = set(map(id, same))
            self._lanes[name] = deque(waiting for waiting in lane if id(waiting) not in chosen)
        now = time.perf_counter()
        for waiting in taken:
            QUEUE_WAIT_SECONDS.labels(waiting.lane.name.lower()).observe(now - waiting.since_s)
        BATCH_ITEMS.labels(first.kind).observe(len(taken))
        return _Batch(first.kind, taken)

    def _compute_timed(self, kind: str, payloads: Sequence[Any]) -> list[Result]:
        with CORE_SECONDS.labels(kind).time():
            return compute_split(self._compute, kind, payloads)


def compute_split(compute: Compute, kind: str, payloads: Sequence[Any]) -> list[Result]:
    """Compute a batch; one that fails is halved until the inputs at fault stand alone.

    Halving serves two failures: a batch too large for the device, and one input that breaks the others' batch.

    Returns:
        For each payload its row, or its own error.
    """
    try:
        rows = compute(kind, payloads)
        return [row if np.isfinite(row).all() else InternalError() for row in rows]
    except Exception as error:
        if len(payloads) == 1:
            return [_lone_failure(kind, error)]
    # Outside the handler, so that the errors of the halves do not carry this one along.
    SPLIT_BATCHES.inc()
    half = len(payloads) // 2
    parts = (payloads[:half], payloads[half:])
    return [row for part in parts for row in compute_split(compute, kind, part)]


def _lone_failure(kind: str, error: Exception) -> ImageragError:
    if isinstance(error, ImageragError):
        return error
    if isinstance(error, DeviceMemoryError):
        return ExhaustedError("The device has no memory left for this input. Try again later.", retry_after_s=1.0)
    log.error("encoding_failed", kind=kind, exc_info=error)
    return InternalError()
