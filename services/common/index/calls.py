"""One call to the store: traced, counted and timed, with domain errors instead of the client's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram

from services.common.index.connection import StoreExistsError, StoreNotFoundError, store_errors
from services.common.telemetry.request_id import HEADER, current_request_id
from services.common.telemetry.tracing import Attributes, error_type, headers_of, mark_failed, span

CALLS = Counter("imagerag_qdrant_calls_total", "Calls to the vector store, by outcome.", ["operation", "outcome"])
CALL_SECONDS = Histogram(
    "imagerag_qdrant_call_seconds",
    "Time until the vector store answered, in seconds.",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_EXPECTED = (StoreNotFoundError, StoreExistsError)
"""Answers that callers ask for: whether something is there."""


@contextmanager
def store_call(operation: str, collection: str = "", items: int = 1) -> Iterator[None]:
    """Around one call of the client.

    Args:
        operation: The client's method.
        collection: Collection or alias it is about.
        items: Points written or queries asked in this call.

    Raises:
        ImageragError: See `store_errors`.
        StoreNotFoundError: See `store_errors`.
        StoreExistsError: See `store_errors`.
    """
    name = f"{operation} {collection}".rstrip()
    started, outcome = time.perf_counter(), "ok"
    with span(name, SpanKind.CLIENT, _attributes(operation, collection, items), exceptions_fail=False) as calling:
        try:
            with store_errors():
                yield
        except _EXPECTED:
            raise
        except BaseException as error:
            outcome = error_type(error)
            mark_failed(calling, outcome)
            raise
        finally:
            CALLS.labels(operation, outcome).inc()
            CALL_SECONDS.labels(operation).observe(time.perf_counter() - started)


async def carry_context(request: httpx.Request) -> None:
    """Hook of the HTTP client: the request id and the trace go along to the store."""
    request.headers.update(headers_of())
    if request_id := current_request_id():
        request.headers[HEADER] = request_id


def _attributes(operation: str, collection: str, items: int) -> Attributes:
    attributes: dict[str, str | int] = {"db.system.name": "qdrant", "db.operation.name": operation}
    if collection:
        attributes["db.collection.name"] = collection
    if items > 1:
        attributes["db.operation.batch.size"] = items
    return attributes
