"""Sends messages to the broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Protocol

from celery import Celery

from services.common.jobs.messages import Message
from services.common.telemetry.queue_spans import sending


class Publish(Protocol):
    """Sends messages to the workers."""

    def __call__(self, messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        """Send them, in order.

        Args:
            messages: Whatever is to be done.
            links: `traceparent` values of the traces that they were first sent in, if they are sent again.
        """


def celery_publisher(app: Celery) -> Publish:
    """A function that sends messages through `app`, with this context's request id and trace."""

    def publish(messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        with app.producer_or_acquire() as producer:
            for queue, found in groupby(messages, lambda message: message.queue):
                batch = list(found)
                with sending(queue, len(batch), links) as headers:
                    for message in batch:
                        app.send_task(
                            message.task,
                            kwargs=message.arguments(),
                            queue=queue,
                            headers=headers,
                            producer=producer,
                        )

    return publish
