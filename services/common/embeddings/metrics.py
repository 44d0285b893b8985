"""What the embedding cache counts, in every service that has one."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

LOOKUPS = Counter(
    "imagerag_embedding_cache_total",
    "Embeddings looked up, by tier (memory: of this process; redis: of all) and outcome (hit, miss, error).",
    ["tier", "outcome"],
)
SECONDS = Histogram(
    "imagerag_embedding_cache_seconds",
    "Time until the cache server answered, for all embeddings of a call together, in seconds.",
    ["operation"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
)


def begin(tier: str) -> None:
    """Show a tier's look-ups as none so far: the rate of what is not there yet is unknown, not 0."""
    for outcome in ("hit", "miss", "error"):
        LOOKUPS.labels(tier, outcome)


def count(tier: str, *, hits: int = 0, misses: int = 0, errors: int = 0) -> None:
    """Count look-ups of one tier."""
    for outcome, number in (("hit", hits), ("miss", misses), ("error", errors)):
        LOOKUPS.labels(tier, outcome).inc(number)
