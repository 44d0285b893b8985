"""Batches on their way to the device; what needs no CUDA device of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.encoder.backends.execution import CpuExecution, CudaExecution, Staging, execution_on

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def doubled(pixels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return 2.0 * pixels.float() + mask.float()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_a_buffer_that_grew_serves_every_size(sizes: list[int]) -> None:
    staging = Staging(pinned=False)
    for size in sizes:
        rows = [np.full((2, 3), number, np.uint8) for number in range(size)]
        stacked = staging.stack("0", rows)
        assert stacked.dtype == torch.uint8
        assert np.array_equal(stacked.numpy(), np.stack(rows))


def test_the_buffer_is_used_again() -> None:
    staging = Staging(pinned=False)
    first = staging.stack("0", [np.ones(4, np.uint8)] * 8)
    second = staging.stack("0", [np.zeros(4, np.uint8)] * 3)
    assert first.data_ptr() == second.data_ptr()
    assert staging.stack("1", [np.ones(4, np.uint8)]).data_ptr() != second.data_ptr()
    assert staging.stack("0", [np.ones(4, np.int64)]).dtype == torch.int64


def test_rows_come_back_from_the_cpu() -> None:
    parts: list[list[npt.NDArray[Any]]] = [
        [np.full(3, number, np.uint8) for number in range(5)],
        [np.ones(3, np.int64)] * 5,
    ]
    rows = CpuExecution().run(doubled, parts, 1)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, 2.0 * np.arange(5)[:, None] + np.ones((5, 3)))


def test_each_batch_says_on_how_many_threads() -> None:
    seen = []

    def count(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return pixels.float()

    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as executor:
            for threads in (1, 2, 1):
                executor.submit(CpuExecution().run, count, [[np.ones(1, np.uint8)]], threads).result()
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2, 1]


def test_the_device_decides() -> None:
    assert isinstance(execution_on("cpu"), CpuExecution)


@needs_cuda
def test_rows_come_back_from_cuda_on_every_thread() -> None:
    execution = CudaExecution()

    def once(seed: int) -> bool:
        pixels = list(np.random.default_rng(seed).integers(0, 256, (1 + seed % 17, 3, 64, 64), np.uint8))
        mask = [np.ones((3, 64, 64), np.int64)] * len(pixels)
        return bool(np.array_equal(execution.run(doubled, [pixels, mask], 1), 2.0 * np.stack(pixels) + 1))

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(once, range(200)))
