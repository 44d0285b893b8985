"""The streams in front of the model: batches form, lanes overtake, the gone leave, threads are shared."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from services.common.clients.encoder import Lane
from services.common.domain import Vector
from services.common.errors import DeadlineError
from services.encoder.batching.batcher import Batcher, Streams
from services.encoder.batching.capacity import Capacity
from services.encoder.batching.item import Item, Result
from services.encoder.kinds import Kind


class Gate:
    """A computation that waits until it is let through; a row is the payload itself."""

    def __init__(self) -> None:
        self.batches: list[tuple[Kind, list[Any]]] = []
        self.threads: list[int] = []
        self.entered = threading.Semaphore(0)
        self.passes = threading.Semaphore(0)

    def __call__(self, kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        self.batches.append((kind, list(payloads)))
        self.threads.append(threads)
        self.entered.release()
        assert self.passes.acquire(timeout=10)
        return np.array(payloads, np.float32)[:, None]

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)

    def open(self, batches: int = 100) -> None:
        self.passes.release(batches)


@asynccontextmanager
async def running(
    gate: Gate, batch_items: int = 32, streams: int = 1, threads: int = 1, bulk_batch_s: float = 100.0
) -> AsyncIterator[Batcher]:
    with ThreadPoolExecutor(streams) as executor:
        capacity = Capacity(dict.fromkeys(Kind, batch_items))
        batcher = Batcher(gate, Streams(executor, streams, threads), capacity, bulk_batch_s)
        try:
            yield batcher
        finally:
            gate.open()
            await batcher.stop()


class Asked:
    """An input and the answer it got."""

    def __init__(self, batcher: Batcher, payload: int, lane: Lane, kind: Kind, expires_s: float) -> None:
        self.answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.item = Item(kind, lane, payload, self.answer.set_result, expires_s=expires_s)
        batcher.offer([self.item])

    async def row(self) -> float:
        result = await asyncio.wait_for(self.answer, 10)
        assert isinstance(result, np.ndarray)
        return float(result[0])


def ask(
    batcher: Batcher,
    payload: int,
    lane: Lane = Lane.INTERACTIVE,
    kind: Kind = Kind.IMAGE,
    expires_s: float = float("inf"),
) -> Asked:
    return Asked(batcher, payload, lane, kind, expires_s)


async def test_a_free_stream_starts_at_once_and_batches_form_while_it_is_busy() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        asked = [ask(batcher, 0)]
        await gate.wait_entered()
        asked += [ask(batcher, number) for number in range(1, 20)]
        gate.open()
        assert [await one.row() for one in asked] == list(range(20))
    assert [len(payloads) for _, payloads in gate.batches] == [1, 19]


async def test_inputs_of_one_turn_of_the_loop_go_together() -> None:
    gate = Gate()
    gate.open()
    async with running(gate, batch_items=8) as batcher:
        asked = [ask(batcher, number) for number in range(20)]
        assert [await one.row() for one in asked] == list(range(20))
    assert [len(payloads) for _, payloads in gate.batches] == [8, 8, 4]


async def test_several_batches_are_in_flight_and_share_the_threads() -> None:
    gate = Gate()
    async with running(gate, streams=2, threads=4) as batcher:
        first = ask(batcher, 0)
        await gate.wait_entered()
        second = ask(batcher, 1)
        await gate.wait_entered()
        third = ask(batcher, 2)
        await asyncio.sleep(0.01)
        assert len(gate.batches) == 2
        assert gate.threads == [4, 2]
        gate.open()
        assert [await one.row() for one in (first, second, third)] == [0, 1, 2]


async def test_a_query_overtakes_bulk_whichever_stream_is_free() -> None:
    gate = Gate()
    async with running(gate, streams=2, batch_items=1) as batcher:
        running_now = [ask(batcher, number, Lane.BULK) for number in (0, 1)]
        await gate.wait_entered()
        await gate.wait_entered()
        bulk = [ask(batcher, number, Lane.BULK) for number in (2, 3)]
        query = ask(batcher, 4, kind=Kind.QUERY)
        gate.open(1)
        await gate.wait_entered()
        gate.open()
        await asyncio.gather(*(one.answer for one in (*running_now, *bulk, query)))
    assert gate.batches[2] == (Kind.QUERY, [4])


async def test_the_gone_and_the_expired_leave_the_queue_uncomputed() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        kept = ask(batcher, 0)
        await gate.wait_entered()
        gone, expired = ask(batcher, 1), ask(batcher, 2, expires_s=0.0)
        assert batcher.ready_items(Lane.INTERACTIVE) == 2
        assert batcher.remove(gone.item)
        assert not batcher.remove(gone.item)
        gate.open()
        await kept.row()
        assert isinstance(await expired.answer, DeadlineError)
        await ask(batcher, 3).row()
    assert gate.batches == [(Kind.IMAGE, [0]), (Kind.IMAGE, [3])]


async def test_one_that_leaves_while_it_is_computed_harms_nobody() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        gone = ask(batcher, 0)
        await gate.wait_entered()
        gone.item.give_up()
        gate.open()
        assert await ask(batcher, 1).row() == 1
        assert not gone.answer.done()


async def test_stopping_gives_up_what_waits_and_answers_what_runs() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        runs = ask(batcher, 0)
        await gate.wait_entered()
        waits = ask(batcher, 1)
        gate.open()
        await batcher.stop()
        assert await runs.row() == 0
        assert waits.item.gone
        assert not waits.answer.done()
