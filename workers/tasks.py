"""The edge: Celery's messages to use cases, and their answers to retries. A task never fails: the ledger knows."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Retry

from services.common.jobs.messages import (
    INGEST_BATCH,
    INGEST_MANIFEST,
    LIST_SOURCE,
    RECONCILE,
    REQUEST_ID_HEADER,
    REQUEUE_JOB,
)
from services.common.telemetry.queue_spans import processing
from services.common.telemetry.request_id import bind_request_id
from services.common.telemetry.tracing import error_type, mark_failed, untraced
from workers import metrics
from workers.backoff import retry_wait_s
from workers.later import Later
from workers.process import Process
from workers.queueing import listing_limit_s
from workers.settings import WorkersSettings

log = structlog.get_logger(__name__)


class EdgeTask(Task):  # type: ignore[misc]  # Celery has no types
    """Carries the request id from the message into the logs, and out to the services that are called."""

    abstract = True

    def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Bind what every log line of the task shows."""
        structlog.contextvars.clear_contextvars()
        bind_request_id((self.request.headers or {}).get(REQUEST_ID_HEADER))
        shown = {name: kwargs[name] for name in ("tenant", "job_id") if name in kwargs}
        structlog.contextvars.bind_contextvars(task=self.name, **shown)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task in the trace that its message came with; the looks of the reconciler are not traced."""
        if self.name == RECONCILE:
            with untraced():
                return self.run(*args, **kwargs)
        request = self.request
        queue = (request.delivery_info or {}).get("routing_key") or ""
        with processing(self.name, queue, request.id or "", request.headers or {}) as working:
            working.set_attribute("imagerag.job_id", str(kwargs.get("job_id", "")))
            try:
                return self.run(*args, **kwargs)
            except Retry:
                working.add_event("retry")
                raise
            except Exception as error:
                mark_failed(working, error_type(error))
                raise


def register(app: Celery, process: Process, settings: WorkersSettings) -> None:
    """Give the application its tasks."""

    @app.task(name=INGEST_BATCH, base=EdgeTask, bind=True, max_retries=settings.retry_limit)  # type: ignore[untyped-decorator]
    def ingest_batch(task: Task, job_id: str, tenant: str, start: int, stop: int) -> None:
        later = process.run(process.services.batches.run(job_id, tenant, start, stop))
        if later is not None:
            _come_back(task, later, settings)

    @app.task(name=INGEST_MANIFEST, base=EdgeTask)  # type: ignore[untyped-decorator]
    def ingest_manifest(job_id: str, tenant: str, manifest_uri: str) -> None:
        process.services.manifests.take(job_id, tenant, manifest_uri)

    @app.task(  # type: ignore[untyped-decorator]
        name=LIST_SOURCE,
        base=EdgeTask,
        bind=True,
        max_retries=settings.retry_limit,
        time_limit=listing_limit_s(settings),
    )
    def list_source(task: Task, job_id: str, tenant: str) -> None:
        # In a thread: sources may ask other services through the event loop.
        later = process.run(asyncio.to_thread(process.services.listing.run, job_id, tenant))
        if later is not None:
            _come_back(task, later, settings)

    @app.task(name=REQUEUE_JOB, base=EdgeTask)  # type: ignore[untyped-decorator]
    def requeue_job(job_id: str, tenant: str) -> None:
        process.services.requeueing.run(job_id, tenant)

    @app.task(name=RECONCILE, base=EdgeTask)  # type: ignore[untyped-decorator]
    def reconcile() -> None:
        process.run(process.services.reconciler.run())
        process.services.tidying.run()
        process.services.sweeping.run()


def _come_back(task: Task, later: Later, settings: WorkersSettings) -> None:
    """Send the message again after a wait; after the last time the reconciler has it."""
    metrics.RETRIES.labels(later.code).inc()
    if task.request.retries >= settings.retry_limit:
        log.warning("left_to_the_reconciler", code=later.code)
        return
    wait_s = retry_wait_s(
        task.request.retries,
        settings.retry_base_s,
        settings.retry_cap_s,
        random.random(),  # noqa: S311 - jitter, not a secret
        later.after_s,
    )
    raise task.retry(countdown=wait_s)
