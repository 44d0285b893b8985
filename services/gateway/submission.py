"""Hands accepted jobs to the workers: the only module here that knows Celery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog
from celery import Celery

from services.common.errors import UnavailableError
from services.common.jobs.messages import APP_NAME, Message, RequeueMessage, client_settings, first_messages
from services.common.jobs.records import Job
from services.common.telemetry.queue_spans import sending

log = structlog.get_logger(__name__)
_RETRY_AFTER_S = 10.0
_PROBE_KEY = "imagerag:gateway:probe"


class Submission(Protocol):
    """A way to the workers. All calls block."""

    def check(self) -> None:
        """Find out whether a job could be submitted now.

        Raises:
            UnavailableError: The broker does not answer or takes nothing more.
        """

    def publish(self, job: Job) -> None:
        """Queue the first messages of an accepted job.

        A failure is logged and no more: the ledger is the truth, and the reconciler queues what is missing.
        """

    def requeue(self, job: Job) -> None:
        """Have whatever is open of a job queued at once; failures as in `publish`."""


class CelerySubmission:
    """Publishes with a plain Celery producer.

    Args:
        broker_url: Where the workers listen.
        deadline_s: Longest wait for the broker.
    """

    def __init__(self, broker_url: str, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._app = Celery(APP_NAME, broker=broker_url, set_as_current=False)
        self._app.conf.update(
            client_settings(),
            broker_connection_timeout=deadline_s,
            broker_transport_options={
                "socket_timeout": deadline_s,
                "socket_connect_timeout": deadline_s,
                "retry_on_timeout": False,
                # kombu would look for a lost broker for ever.
                "max_retries": 1,
                "interval_start": 0,
            },
        )

    def check(self) -> None:
        """See `Submission.check`. Writes a short-lived key: a broker without memory still answers a ping."""
        try:
            with self._app.pool.acquire(block=True, timeout=self._deadline_s) as connection:
                connection.ensure_connection(max_retries=1, timeout=self._deadline_s)
                client = getattr(connection.default_channel, "client", None)
                if client is not None:
                    client.set(_PROBE_KEY, b"1", ex=1)
        except Exception as error:
            log.warning("broker_unavailable", detail=type(error).__name__)
            raise UnavailableError(
                "The job queue does not take jobs right now; nothing was stored. Try again.",
                retry_after_s=_RETRY_AFTER_S,
            ) from error

    def publish(self, job: Job) -> None:
        """See `Submission.publish`."""
        self._send(job, list(first_messages(job)))

    def requeue(self, job: Job) -> None:
        """See `Submission.requeue`."""
        self._send(job, [RequeueMessage(job.id, job.tenant)])

    def _send(self, job: Job, messages: Sequence[Message]) -> None:
        try:
            with (
                sending(messages[0].queue, len(messages)) as headers,
                self._app.producer_pool.acquire(block=True, timeout=self._deadline_s) as producer,
            ):
                for message in messages:
                    self._app.send_task(
                        message.task,
                        kwargs=message.arguments(),
                        queue=message.queue,
                        headers=headers,
                        producer=producer,
                        retry=False,
                    )
        except Exception as error:
            log.error("publish_failed", job_id=job.id, tenant=job.tenant, exc_info=error)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()
