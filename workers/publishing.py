"""Sends messages to the broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from celery import Celery

from services.common.jobs.messages import INGEST_BATCH, REQUEST_ID_HEADER, BatchMessage
from services.common.telemetry.request_id import current_request_id

Publish = Callable[[Iterable[BatchMessage]], None]


def celery_publisher(app: Celery) -> Publish:
    """A function that sends batch messages through `app`, with this context's request id."""

    def publish(messages: Iterable[BatchMessage]) -> None:
        with app.producer_or_acquire() as producer:
            for message in messages:
                app.send_task(
                    INGEST_BATCH,
                    kwargs=message.arguments(),
                    queue=message.queue,
                    headers={REQUEST_ID_HEADER: current_request_id()},
                    producer=producer,
                )

    return publish
