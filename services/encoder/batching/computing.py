"""One batch through the model: what fails is halved until the inputs at fault stand alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from services.common.domain import Vector
from services.common.errors import ExhaustedError, ImageragError, InternalError
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.batching.item import Result
from services.encoder.kinds import Kind
from services.encoder.metrics import SPLIT_BATCHES

log = structlog.get_logger(__name__)
_MEMORY_RETRY_S = 1.0

Compute = Callable[[Kind, Sequence[Any], int], Vector]
"""Takes a kind, its payloads and a number of CPU threads; returns one row for each payload."""


@dataclass(frozen=True)
class Computed:
    """A batch that was computed.

    Attributes:
        results: One for each payload.
        seconds: In the model.
        whole: It went through in one piece, so that its time says something.
        did_not_fit: The smallest number of inputs that ran out of memory; 0: none did.
    """

    results: Sequence[Result]
    seconds: float
    whole: bool
    did_not_fit: int


def compute_batch(compute: Compute, kind: Kind, payloads: Sequence[Any], threads: int) -> Computed:
    """Run a batch; blocks, and raises nothing that a batch can cause.

    Halving serves two failures: a batch too large for the device, and one input that breaks the others' batch.
    """
    started = time.perf_counter()
    failed: list[int] = []  # sizes that ran out of memory; 0 for any other failure
    results = _halving(compute, kind, payloads, threads, failed)
    seconds = time.perf_counter() - started
    whole = not any(isinstance(result, ImageragError) for result in results) and not failed
    return Computed(results, seconds, whole, min((size for size in failed if size), default=0))


def _halving(
    compute: Compute, kind: Kind, payloads: Sequence[Any], threads: int, failed: list[int]
) -> list[Result]:
    if len(payloads) > 1 and any(0 < size <= len(payloads) for size in failed):
        return _halves(compute, kind, payloads, threads, failed)
    try:
        return _checked(compute(kind, payloads, threads), len(payloads))
    except Exception as error:
        failed.append(len(payloads) if isinstance(error, DeviceMemoryError) else 0)
        if len(payloads) == 1:
            return [_lone_failure(kind, error)]
    # Outside the handler, so that the errors of the halves do not carry this one along.
    return _halves(compute, kind, payloads, threads, failed)


def _halves(
    compute: Compute, kind: Kind, payloads: Sequence[Any], threads: int, failed: list[int]
) -> list[Result]:
    SPLIT_BATCHES.inc()
    half = len(payloads) // 2
    parts = (payloads[:half], payloads[half:])
    return [row for part in parts for row in _halving(compute, kind, part, threads, failed)]


def _checked(rows: Vector, items: int) -> list[Result]:
    """Rows of finite numbers; another number of rows than inputs must never reach a caller."""
    if len(rows) != items:
        raise RuntimeError(f"{items} inputs went into the model and {len(rows)} rows came out")
    return [row if np.isfinite(row).all() else InternalError() for row in rows]


def _lone_failure(kind: Kind, error: Exception) -> ImageragError:
    if isinstance(error, ImageragError):
        return error
    if isinstance(error, DeviceMemoryError):
        return ExhaustedError(
            "The device has no memory left for this input. Try again later.", retry_after_s=_MEMORY_RETRY_S
        )
    log.error("encoding_failed", kind=kind.value, exc_info=error)
    return InternalError()
