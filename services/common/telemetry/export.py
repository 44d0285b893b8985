"""Turns tracing on: finished spans go in batches, by OTLP over gRPC, to a collector.

Call `start_tracing` after a fork: neither its thread nor its channel lives through one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from services.common.telemetry.tracing import use_tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_DELAY_MS = 1_000
"""Longest time a finished span waits for others; what a killed process loses."""
_QUEUE_SPANS = 4_096
"""Spans that wait at most; with a slow collector the ones beyond are dropped, and no call waits."""
_EXPORT_TIMEOUT_S = 5.0
_FLUSH_S = 1.0
"""Longest wait for the collector at the end of a process."""
_provider: TracerProvider | None = None


def start_tracing(service: str, endpoint: str | None, ratio: float) -> None:
    """Send spans to `endpoint`; nothing happens without one, and nothing is imported.

    Args:
        service: `service.name` of the spans.
        endpoint: `http://host:port` or `https://host:port` of a collector's OTLP gRPC receiver.
        ratio: Share of the traces that begin here that is recorded; a trace that began elsewhere keeps what was
            decided there.
    """
    global _provider  # one for the process, like the logs' configuration
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    _quieten()
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "imagerag",
            "service.version": version("imagerag"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    exporter = OTLPSpanExporter(
        endpoint=endpoint,
        timeout=_EXPORT_TIMEOUT_S,
        # An environment proxy has no business between services of one cluster.
        channel_options=(("grpc.enable_http_proxy", 0),),  # type: ignore[arg-type]  # annotated as two texts
    )
    # The provider's own hook at exit would wait for a collector that is not there.
    provider = TracerProvider(ParentBasedTraceIdRatio(ratio), resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=_QUEUE_SPANS, schedule_delay_millis=_DELAY_MS)
    )
    _provider = provider
    use_tracer(provider.get_tracer("imagerag", version("imagerag")))


def stop_tracing() -> None:
    """Send what waits, for at most a second, and turn tracing off."""
    global _provider
    provider, _provider = _provider, None
    use_tracer(None)
    if provider is None:
        return
    # The SDK's own shutdown has no limit while a collector does not answer.
    sending = threading.Thread(target=provider.shutdown, name="flush-traces", daemon=True)
    sending.start()
    sending.join(_FLUSH_S)


@contextmanager
def tracing(service: str, endpoint: str | None, ratio: float) -> Iterator[None]:
    """Trace in the block; arguments as in `start_tracing`."""
    start_tracing(service, endpoint, ratio)
    try:
        yield
    finally:
        stop_tracing()


def _quieten() -> None:
    # A stream whose reader went away is closed in another context; the API logs that with a traceback.
    logging.getLogger("opentelemetry.context").setLevel(logging.CRITICAL)
