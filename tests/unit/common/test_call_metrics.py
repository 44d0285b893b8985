"""What a call counts as."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from prometheus_client import REGISTRY

from services.common.settings import SettingsError
from services.common.telemetry.metrics import observe_call, serve_metrics


def count(method: str, outcome: str) -> float:
    labels = {"transport": "grpc", "method": method, "outcome": outcome}
    return REGISTRY.get_sample_value("imagerag_calls_total", labels) or 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ValueError(), "internal"), (asyncio.CancelledError(), "cancelled"), (GeneratorExit(), "cancelled")],
)
def test_a_call_that_raises_counts_by_whose_fault_it_is(error: BaseException, outcome: str) -> None:
    method = f"/test/{type(error).__name__}"
    with pytest.raises(type(error)), observe_call("grpc", method):
        raise error
    assert count(method, outcome) == 1


def test_the_code_that_the_block_names_stays() -> None:
    with contextlib.suppress(ValueError), observe_call("grpc", "/test/named") as call:
        call.code = "unavailable"
        raise ValueError
    assert count("/test/named", "unavailable") == 1


def test_a_port_that_is_taken_is_a_wrong_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="Metrics cannot be"):
        serve_metrics("127.0.0.1", taken.getsockname()[1])
