"""How a batch gets to the device and its rows come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from services.common.domain import Vector
from services.encoder.metrics import DEVICE_MEMORY_BYTES

Rows = Sequence[npt.NDArray[Any]]
"""Arrays of one shape and dtype, one an input."""
Compute = Callable[..., torch.Tensor]
"""From the stacked rows of each part, on the device, to float32 [n, dim] there."""


class Execution(Protocol):
    """Runs batches on one device; from several threads at once."""

    def run(self, compute: Compute, parts: Sequence[Rows], threads: int) -> Vector:
        """Stack each part, take it to the device, compute, and bring the result back.

        Args:
            compute: Called with one tensor a part.
            parts: Of one batch.
            threads: CPU threads to compute on; without meaning on CUDA.

        Returns:
            float32, shape [n, dim].
        """


class CpuExecution:
    """There is no way to go."""

    def run(self, compute: Compute, parts: Sequence[Rows], threads: int) -> Vector:
        """See `Execution.run`."""
        # OpenMP's count is this thread's own, that of MKL the process's: it is set each time.
        torch.set_num_threads(threads)
        with torch.inference_mode():
            rows: Vector = compute(*(torch.from_numpy(np.stack(part)) for part in parts)).numpy()
        return rows


class Staging:
    """Buffers of one thread that are used again for every batch; pinned ones can be copied while others compute.

    Args:
        pinned: Whether the device reads and writes them itself.
    """

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._buffers: dict[tuple[str, torch.dtype], torch.Tensor] = {}

    def take(self, use: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """A tensor of this shape, not initialised; the next one for the same use overwrites it.

        Args:
            use: Buffers of different uses are different ones.
            shape: Of the tensor.
            dtype: Of the tensor.
        """
        needed = int(np.prod(shape))
        buffer = self._buffers.get((use, dtype))
        if buffer is None or buffer.numel() < needed:
            # Batches grow and shrink: a power of two is allocated a few times and then never again.
            size = 1 << max(0, needed - 1).bit_length()
            buffer = torch.empty(size, dtype=dtype, pin_memory=self._pinned)
            self._buffers[use, dtype] = buffer
        return buffer[:needed].view(*shape)

    def stack(self, use: str, rows: Rows) -> torch.Tensor:
        """Stack arrays in a buffer, with one copy."""
        first = rows[0]
        dtype = torch.from_numpy(np.empty(0, first.dtype)).dtype
        stacked = self.take(use, (len(rows), *first.shape), dtype)
        np.stack(rows, out=stacked.numpy())
        return stacked


class _Lane(threading.local):
    """What each thread has for itself: its stream on the device, and its buffers."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.staging = Staging(pinned=True)


class CudaExecution:
    """Each calling thread has a stream: while the batch of one is computed, that of another is copied.

    Everything that batches read must have been put on the device before: these streams do not wait for the default
    one.
    """

    def __init__(self) -> None:
        torch.cuda.synchronize()
        self._device = torch.device("cuda")
        self._lane = _Lane()
        DEVICE_MEMORY_BYTES.labels("allocated").set_function(torch.cuda.memory_allocated)
        DEVICE_MEMORY_BYTES.labels("reserved").set_function(torch.cuda.memory_reserved)

    def run(self, compute: Compute, parts: Sequence[Rows], threads: int) -> Vector:
        """See `Execution.run`."""
        lane = self._lane
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            staged = [lane.staging.stack(str(number), part) for number, part in enumerate(parts)]
            rows = compute(*(part.to(self._device, non_blocking=True) for part in staged))
            answer = lane.staging.take("rows", rows.shape, rows.dtype)
            answer.copy_(rows, non_blocking=True)
            # One wait a batch, asleep: a thread that spins takes a core from those that decode.
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record(lane.stream)
        done.synchronize()
        # The buffer is the next batch's.
        copied: Vector = answer.numpy().copy()
        return copied


def execution_on(device: str) -> Execution:
    """The way to run batches on "cpu" or "cuda"."""
    return CudaExecution() if device == "cuda" else CpuExecution()
