"""What the retriever counts and times."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from services.common.embeddings.memory import RecentVectors
from services.common.search import SearchResult

SEARCHES = Counter(
    "imagerag_searches_total", "Searches answered, by whether something relevant was found.", ["outcome"]
)
STAGE_SECONDS = Histogram(
    "imagerag_search_stage_seconds",
    "Time of each stage of a search, in seconds: encode the query, ask all legs, retrieve what is shown.",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
MEMORY_BYTES = Gauge(
    "imagerag_embedding_cache_memory_bytes", "What this process holds of the embeddings used last, in bytes."
)


def count_search(result: SearchResult) -> None:
    """Count one search that was answered."""
    SEARCHES.labels("nothing_relevant" if result.nothing_relevant else "found").inc()
    for stage, took_ms in result.timings_ms.items():
        if stage != "total":
            STAGE_SECONDS.labels(stage).observe(took_ms / 1000)


def show_memory(memory: RecentVectors) -> None:
    """Let the gauge show what `memory` holds, read when it is asked."""
    MEMORY_BYTES.set_function(lambda: memory.size_bytes)
