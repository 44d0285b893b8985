"""What crosses the broker: names of tasks and queues, and messages that hold ids alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from services.common.jobs.records import BATCH_ITEMS, Job

APP_NAME = "imagerag"
QUEUE_INTERACTIVE: Literal["interactive"] = "interactive"
"""A person waits."""
QUEUE_BULK: Literal["bulk"] = "bulk"

INGEST_BATCH = "imagerag.ingest_batch"
"""Works on lines `start` to `stop` of an accepted job: (job_id, tenant, start, stop)."""
INGEST_MANIFEST = "imagerag.ingest_manifest"
"""Public contract, version 1: (job_id, tenant, manifest_uri) to the queue `bulk`, from any Celery client."""
LIST_SOURCE = "imagerag.list_source"
"""Reads the source of a streamed job and queues its lines as they become known: (job_id, tenant)."""
REQUEUE_JOB = "imagerag.requeue_job"
"""Queues at once whatever of a job is still to be done, e.g. after a pause: (job_id, tenant)."""
RECONCILE = "imagerag.reconcile"
"""Restores what the queue lost; sent by the one beat process."""

REQUEST_ID_HEADER = "x-request-id"


@dataclass(frozen=True)
class ListMessage:
    """One message of `LIST_SOURCE`.

    Attributes:
        queue: Where it is sent.
    """

    job_id: str
    tenant: str
    queue: Literal["interactive", "bulk"]
    task = LIST_SOURCE

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the task."""
        return {"job_id": self.job_id, "tenant": self.tenant}


@dataclass(frozen=True)
class RequeueMessage:
    """One message of `REQUEUE_JOB`. A person waits for its effect."""

    job_id: str
    tenant: str
    queue: Literal["interactive", "bulk"] = QUEUE_INTERACTIVE
    task = REQUEUE_JOB

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the task."""
        return {"job_id": self.job_id, "tenant": self.tenant}


@dataclass(frozen=True)
class BatchMessage:
    """One message of `INGEST_BATCH`.

    Attributes:
        start: First line.
        stop: Line behind the last one.
        queue: Where it is sent.
    """

    job_id: str
    tenant: str
    start: int
    stop: int
    queue: Literal["interactive", "bulk"]
    task = INGEST_BATCH

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the task."""
        return {"job_id": self.job_id, "tenant": self.tenant, "start": self.start, "stop": self.stop}

    def singles(self) -> Iterator[BatchMessage]:
        """One message a line."""
        for line in range(self.start, self.stop):
            yield BatchMessage(self.job_id, self.tenant, line, line + 1, self.queue)


Message = BatchMessage | ListMessage | RequeueMessage


def first_messages(job: Job) -> Iterator[Message]:
    """What is sent when a job is accepted: to read its source, or to work on its lines."""
    if job.listed:
        yield from batches(job)
    else:
        yield ListMessage(job.id, job.tenant, job.queue)


def batches(job: Job, start: int = 0) -> Iterator[BatchMessage]:
    """The messages of a job's lines from `start` on, in order."""
    for line in range(start, job.total, BATCH_ITEMS):
        yield batch_of(job, line)


def batch_of(job: Job, line: int) -> BatchMessage:
    """The message whose range holds a line."""
    start = line - line % BATCH_ITEMS
    return BatchMessage(job.id, job.tenant, start, min(start + BATCH_ITEMS, job.total), job.queue)


def client_settings() -> dict[str, Any]:
    """Celery settings that producers and workers share: JSON alone, no results, quick to notice a dead broker."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_default_queue": QUEUE_BULK,
        "task_routes": {
            INGEST_BATCH: {"queue": QUEUE_BULK},
            INGEST_MANIFEST: {"queue": QUEUE_BULK},
            LIST_SOURCE: {"queue": QUEUE_BULK},
            REQUEUE_JOB: {"queue": QUEUE_INTERACTIVE},
            RECONCILE: {"queue": QUEUE_INTERACTIVE},
        },
        "broker_connection_timeout": 3.0,
    }
