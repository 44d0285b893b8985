"""What the workers count. Every pool process has its own numbers; the parent's endpoint adds them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector

from services.common.jobs.records import LineOutcome, Outcome
from services.common.telemetry.metrics import serve_metrics, set_build_info
from services.common.telemetry.tracing import span

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
ITEMS = Counter("imagerag_worker_items_total", "Lines that came to an end, by outcome.", ["outcome"])
RETRIES = Counter("imagerag_worker_retries_total", "Messages tried again, by the error's code.", ["code"])
SPLITS = Counter("imagerag_worker_splits_total", "Batches split because a process was lost on them.")
REQUEUED = Counter("imagerag_reconciler_requeued_total", "Messages that the reconciler queued again.")
TAKEN_BACK = Counter("imagerag_reconciler_taken_back_total", "Lines recorded as stored and no longer found.")
BATCH_SECONDS = Histogram(
    "imagerag_worker_batch_seconds",
    "Time for one message, in seconds.",
    buckets=_SECONDS,
)
STAGE_SECONDS = Histogram(
    "imagerag_worker_stage_seconds",
    "Time of each stage of ingest for a group of items, in seconds: decode, ocr, captions, tags, encode, upsert.",
    ["stage"],
    buckets=_SECONDS,
)
FAILED_ENRICHMENTS = Counter(
    "imagerag_worker_failed_enrichments_total",
    "Pictures that an enrichment failed on, by its name and the error's code.",
    ["enrichment", "code"],
)
CAPTION_TOKENS = Counter(
    "imagerag_worker_caption_tokens_total",
    "Tokens that the model of captions read and wrote, as its endpoint counts them: prompt, answer.",
    ["kind"],
)
FETCHED_URLS = Counter(
    "imagerag_worker_fetched_urls_total", "URLs fetched from the web, by the error's code or ok.", ["code"]
)
FETCHED_BYTES = Counter("imagerag_worker_fetched_bytes_total", "Bytes taken in from the web.")
OCR_PICTURES = Counter(
    "imagerag_worker_ocr_pictures_total",
    "Pictures whose text was asked for: read, no_text, known (from before), has_words (a page), failed.",
    ["result"],
)
DUPLICATES = Counter(
    "imagerag_worker_duplicates_total",
    "Pictures that were there before, by kind (exact, near) and by what was done with them (linked, skipped).",
    ["kind", "done"],
)
LISTED = Counter(
    "imagerag_worker_listed_items_total",
    "Items that sources gave, by the source's type, and whether they are `accepted` or `refused` at once.",
    ["source", "outcome"],
)
FAILED_ITEMS = Counter("imagerag_worker_failed_items_total", "Lines given up, by the error's code.", ["code"])


def count_outcome(outcome: LineOutcome) -> None:
    """Count a line that came to an end."""
    ITEMS.labels(outcome.outcome.value).inc()
    if outcome.outcome is Outcome.FAILED:
        FAILED_ITEMS.labels(outcome.code).inc()


def count_caption_tokens(prompt: int, answer: int) -> None:
    """Count what one call for a caption cost."""
    CAPTION_TOKENS.labels("prompt").inc(prompt)
    CAPTION_TOKENS.labels("answer").inc(answer)


def count_listed(source: str, lines: int, refused: int) -> None:
    """Count lines of a source that were written down."""
    LISTED.labels(source, "accepted").inc(lines - refused)
    LISTED.labels(source, "refused").inc(refused)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time the block as a stage, and show it in the trace."""
    with STAGE_SECONDS.labels(name).time(), span(name):
        yield


def serve_sum(host: str, port: int) -> None:
    """Expose the sum over all pool processes at `/metrics`, on a thread of its own.

    Raises:
        SettingsError: The port is taken.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    ProcessCollector(registry=registry)
    set_build_info("workers")
    serve_metrics(host, port, registry)
