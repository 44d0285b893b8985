"""A batch through the model: what is at fault stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.common.domain import Vector
from services.common.errors import ExhaustedError, InternalError, InvalidRequestError
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.batching.computing import Compute, Computed, compute_batch
from services.encoder.kinds import Kind


def rows(_kind: Kind, payloads: Sequence[Any], _threads: int) -> Vector:
    return np.array(payloads, np.float32)[:, None]


def run(compute: Compute, payloads: Sequence[Any]) -> Computed:
    return compute_batch(compute, Kind.IMAGE, payloads, 1)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_only_the_inputs_at_fault_fail(good: list[bool]) -> None:
    def compute(kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        if not all(good[number] for number in payloads):
            raise ArithmeticError
        return rows(kind, payloads, threads)

    with capture_logs() as logs:
        computed = run(compute, range(len(good)))
    assert len(logs) == good.count(False)
    assert computed.whole == all(good)
    assert computed.did_not_fit == 0
    for number, result in enumerate(computed.results):
        if good[number]:
            assert not isinstance(result, Exception)
            assert result[0] == number
        else:
            assert isinstance(result, InternalError)


@given(st.integers(1, 40), st.integers(1, 8))
def test_a_batch_too_large_for_the_device_is_split_and_says_so(items: int, fits: int) -> None:
    def compute(kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        if len(payloads) > fits:
            raise DeviceMemoryError
        return rows(kind, payloads, threads)

    computed = run(compute, range(items))
    assert [result[0] for result in computed.results if not isinstance(result, Exception)] == list(range(items))
    assert (computed.did_not_fit > fits) if items > fits else (computed.did_not_fit == 0)


def test_what_never_fits_is_refused_for_now() -> None:
    def compute(kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        raise DeviceMemoryError

    (result,) = run(compute, [1]).results
    assert isinstance(result, ExhaustedError)
    assert result.retryable


def test_a_typed_error_is_kept_and_a_nan_is_none_of_the_callers_business() -> None:
    def compute(kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        if payloads[0] == 0:
            raise InvalidRequestError("no")
        return np.full((len(payloads), 1), np.nan, np.float32)

    assert isinstance(run(compute, [0]).results[0], InvalidRequestError)
    assert isinstance(run(compute, [1]).results[0], InternalError)


def test_a_row_too_few_is_never_somebody_elses() -> None:
    def compute(kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        return rows(kind, payloads[:-1] or payloads, threads)

    with capture_logs():
        results = run(compute, [0, 1, 2, 3]).results
    assert [result[0] for result in results if not isinstance(result, Exception)] == [0, 1, 2, 3]
