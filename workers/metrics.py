"""What the workers count. Every pool process has its own numbers; the parent's endpoint adds them up."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

ITEMS = Counter("imagerag_worker_items_total", "Lines that came to an end, by outcome.", ["outcome"])
RETRIES = Counter("imagerag_worker_retries_total", "Messages tried again, by the error's code.", ["code"])
SPLITS = Counter("imagerag_worker_splits_total", "Batches split because a process was lost on them.")
REQUEUED = Counter("imagerag_reconciler_requeued_total", "Messages that the reconciler queued again.")
TAKEN_BACK = Counter("imagerag_reconciler_taken_back_total", "Lines recorded as stored and no longer found.")
BATCH_SECONDS = Histogram(
    "imagerag_worker_batch_seconds",
    "Time for one message, in seconds.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
QUEUE_LENGTH = Gauge("imagerag_queue_messages", "Messages waiting.", ["queue"], multiprocess_mode="mostrecent")
OPEN_JOBS = Gauge("imagerag_open_jobs", "Jobs that are not closed.", multiprocess_mode="mostrecent")
OLDEST_OPEN_S = Gauge(
    "imagerag_oldest_open_job_seconds", "Age of the oldest open job.", multiprocess_mode="mostrecent"
)


def serve(host: str, port: int) -> None:
    """Expose the sum over all pool processes at `/metrics`, on a thread of its own."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(port, addr=host, registry=registry)
