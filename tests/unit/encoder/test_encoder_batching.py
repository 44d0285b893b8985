"""The queue in front of the model: batches form, lanes overtake, the gone leave, one bad input stands alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.common.clients.encoder import Lane
from services.common.domain import Vector
from services.common.errors import ExhaustedError, InternalError, InvalidRequestError
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.batching import Batcher, compute_split


class Gate:
    """A computation that waits until it is let through; a row is the payload itself."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Any]]] = []
        self.entered = threading.Semaphore(0)
        self.passes = threading.Semaphore(0)

    def __call__(self, kind: str, payloads: Sequence[Any]) -> Vector:
        self.batches.append((kind, list(payloads)))
        self.entered.release()
        assert self.passes.acquire(timeout=10)
        return rows(kind, payloads)

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)

    def open(self, batches: int = 100) -> None:
        self.passes.release(batches)


def rows(_kind: str, payloads: Sequence[Any]) -> Vector:
    return np.array(payloads, np.float32)[:, None]


@asynccontextmanager
async def running(gate: Gate, batch_items: int = 32) -> AsyncIterator[Batcher]:
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(gate, executor, batch_items)
        batcher.start()
        try:
            yield batcher
        finally:
            gate.open()
            await batcher.stop()


def ask(batcher: Batcher, payload: int, lane: Lane = Lane.BULK, kind: str = "image") -> asyncio.Task[Any]:
    return asyncio.create_task(batcher.submit(kind, payload, lane))


async def test_an_idle_model_starts_at_once_and_batches_form_while_it_is_busy() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        first = ask(batcher, 0)
        await gate.wait_entered()
        others = [ask(batcher, number) for number in range(1, 20)]
        await asyncio.sleep(0)
        gate.open()
        answers = await asyncio.gather(first, *others)
    assert [row[0] for row in answers] == list(range(20))
    assert [len(payloads) for _, payloads in gate.batches] == [1, 19]


async def test_a_batch_is_never_larger_than_allowed() -> None:
    gate = Gate()
    gate.open()
    async with running(gate, batch_items=8) as batcher:
        await asyncio.gather(*[ask(batcher, number) for number in range(50)])
    assert max(len(payloads) for _, payloads in gate.batches) == 8


async def test_a_query_overtakes_bulk() -> None:
    gate = Gate()
    async with running(gate, batch_items=2) as batcher:
        tasks = [ask(batcher, 0)]
        await gate.wait_entered()
        tasks += [ask(batcher, number) for number in (1, 2, 3)]
        tasks += [ask(batcher, 4, Lane.INTERACTIVE), ask(batcher, 5, Lane.INTERACTIVE, "query")]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(*tasks)
    assert gate.batches[1:] == [("image", [4, 1]), ("query", [5]), ("image", [2, 3])]


async def test_the_gone_leave_the_queue_uncomputed() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        kept = ask(batcher, 0)
        await gate.wait_entered()
        gone = ask(batcher, 1)
        await asyncio.sleep(0)
        assert batcher.waiting_items == 1
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert batcher.waiting_items == 0
        gate.open()
        await kept
        last = ask(batcher, 2)
        await last
    assert gate.batches == [("image", [0]), ("image", [2])]


async def test_one_that_leaves_while_it_is_computed_harms_nobody() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        gone = ask(batcher, 0)
        await gate.wait_entered()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        gate.open()
        assert (await ask(batcher, 1))[0] == 1


async def test_stopping_cancels_what_waits() -> None:
    gate = Gate()
    async with running(gate) as batcher:
        running_task = ask(batcher, 0)
        await gate.wait_entered()
        waiting = ask(batcher, 1)
        await asyncio.sleep(0)
        gate.open()
        await batcher.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        running_task.cancel()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_only_the_inputs_at_fault_fail(good: list[bool]) -> None:
    def compute(kind: str, payloads: Sequence[Any]) -> Vector:
        if not all(good[number] for number in payloads):
            raise ArithmeticError
        return rows(kind, payloads)

    with capture_logs() as logs:
        results = compute_split(compute, "image", range(len(good)))
    assert len(logs) == good.count(False)
    for number, result in enumerate(results):
        if good[number]:
            assert not isinstance(result, Exception)
            assert result[0] == number
        else:
            assert isinstance(result, InternalError)


@given(st.integers(1, 40), st.integers(1, 8))
def test_a_batch_too_large_for_the_device_is_split(items: int, fits: int) -> None:
    def compute(kind: str, payloads: Sequence[Any]) -> Vector:
        if len(payloads) > fits:
            raise DeviceMemoryError
        return rows(kind, payloads)

    results = compute_split(compute, "image", range(items))
    assert [result[0] for result in results if not isinstance(result, Exception)] == list(range(items))


def test_what_never_fits_is_refused_for_now() -> None:
    def compute(kind: str, payloads: Sequence[Any]) -> Vector:
        raise DeviceMemoryError

    (result,) = compute_split(compute, "image", [1])
    assert isinstance(result, ExhaustedError)
    assert result.retryable


def test_a_typed_error_is_kept_and_a_nan_is_none_of_the_callers_business() -> None:
    def compute(kind: str, payloads: Sequence[Any]) -> Vector:
        if payloads[0] == 0:
            raise InvalidRequestError("no")
        return np.full((len(payloads), 1), np.nan, np.float32)

    assert isinstance(compute_split(compute, "image", [0])[0], InvalidRequestError)
    assert isinstance(compute_split(compute, "image", [1])[0], InternalError)
