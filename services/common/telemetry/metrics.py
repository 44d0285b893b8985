"""Prometheus metrics that every service has: calls by outcome and their seconds (RED)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from services.common.settings import SettingsError

CALLS = Counter("imagerag_calls_total", "Calls answered, by outcome.", ["transport", "method", "outcome"])
CALL_SECONDS = Histogram(
    "imagerag_call_seconds",
    "Time to answer a call, in seconds.",
    ["transport", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

BUILD_INFO = Gauge(
    "imagerag_build_info", "1, with what runs here.", ["service", "version"], multiprocess_mode="mostrecent"
)


def set_build_info(service: str) -> None:
    """Say what runs here: `absent()` of it tells that a service is down, whatever the scrape job is called."""
    BUILD_INFO.labels(service, version("imagerag")).set(1)


class Outcome:
    """What a call came to; set it before the block of `observe_call` ends."""

    def __init__(self) -> None:
        self.code = "ok"


@contextmanager
def observe_call(transport: str, method: str, *, timed: bool = True) -> Iterator[Outcome]:
    """Count one call, and time it if `timed`. An exception counts as `internal` unless the block named its code.

    A caller who went away counts as `cancelled`: that is no failure of the service.
    """
    outcome, started = Outcome(), time.perf_counter()
    try:
        yield outcome
    except (asyncio.CancelledError, GeneratorExit):
        outcome.code = "cancelled"
        raise
    except BaseException:
        if outcome.code == "ok":
            outcome.code = "internal"
        raise
    finally:
        CALLS.labels(transport, method, outcome.code).inc()
        if timed:
            CALL_SECONDS.labels(transport, method).observe(time.perf_counter() - started)


def serve_metrics(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> int:
    """Expose `/metrics` on a thread of its own.

    Returns:
        The port, for 0 the one that was free.

    Raises:
        SettingsError: The port is taken.
    """
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SettingsError(f"Metrics cannot be served on {host}:{port}: {error.strerror}") from None
    return server.server_port
