"""Spans of queue messages: where they are sent, and where they are worked on; the context is in their headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from services.common.telemetry.request_id import HEADER, current_request_id
from services.common.telemetry.tracing import headers_of, span

_SYSTEM = "celery"


@contextmanager
def sending(queue: str, messages: int, links: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """The span of sending messages to a queue; a job's messages share one.

    Args:
        queue: Where they go.
        messages: How many.
        links: `traceparent` values of the traces that these messages were first sent in. Given: a trace of its
            own begins here, linked to those.

    Yields:
        Headers for each message: request id and trace context.
    """
    attributes: dict[str, str | int] = {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": queue,
    }
    if messages != 1:
        attributes["messaging.batch.message_count"] = messages
    parent: Mapping[str, str] | None = {} if links else None
    with span(f"send {queue}", SpanKind.PRODUCER, attributes, parent=parent, links=links):
        yield {HEADER: current_request_id(), **headers_of()}


@contextmanager
def processing(task: str, queue: str, message_id: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """The span of working on one message; it continues the trace of whoever sent it.

    Args:
        task: Name of the Celery task.
        queue: Where the message came from.
        message_id: Celery's.
        headers: Of the message.
    """
    attributes = {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "process",
        "messaging.operation.name": task,
        "messaging.destination.name": queue,
        "messaging.message.id": message_id,
    }
    with span(f"process {queue}", SpanKind.CONSUMER, attributes, parent=headers, exceptions_fail=False) as working:
        yield working
