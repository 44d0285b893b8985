"""Metrics of a ranked list. Pure; each takes the ranked ids, best first, and the set of relevant ones."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
"""Of the bootstrap: enough that the second decimal of an interval no longer moves."""


def hit_at(ranked: Sequence[str], relevant: Set[str], k: int) -> float:
    """1.0 if one of the first `k` is relevant, else 0.0.

    With a single relevant item this is recall@k.
    """
    return float(any(item in relevant for item in ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: Set[str]) -> float:
    """1 / rank of the first relevant item, 0.0 if there is none."""
    for rank, item in enumerate(ranked, start=1):
        if item in relevant:
            return 1.0 / rank
    return 0.0


def ndcg_at(ranked: Sequence[str], relevant: Set[str], k: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, in the usual form with
    the discount log2(1 + rank).

    Returns:
        From 0.0 to 1.0; 0.0 if nothing is relevant.
    """
    gained = sum(_discount(rank) for rank, item in enumerate(ranked[:k], start=1) if item in relevant)
    ideal = sum(_discount(rank) for rank in range(1, min(k, len(relevant)) + 1))
    return gained / ideal if ideal else 0.0


def _discount(rank: int) -> float:
    return 1.0 / math.log2(1 + rank)


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % confidence interval.

    Attributes:
        low: 2.5th percentile of the resampled means.
        high: 97.5th percentile.
        count: Queries.
    """

    mean: float
    low: float
    high: float
    count: int


def bootstrap(values: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """The mean and its interval by the percentile bootstrap over queries (Efron, 1979).

    Args:
        values: One a query; not empty.
        seed: The same seed gives the same interval.
        resamples: Number of draws with replacement.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("there is nothing to average")
    observed = np.asarray(values, dtype=np.float64)
    low, high = np.percentile(_resampled_means(observed, seed, resamples), [2.5, 97.5])
    # The mean of a constant sample may differ from it in the last bit; the interval must still hold it.
    mean = float(observed.mean())
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(values))


def _resampled_means(observed: npt.NDArray[np.float64], seed: int, resamples: int) -> npt.NDArray[np.float64]:
    chosen = np.random.default_rng(seed).integers(0, len(observed), size=(resamples, len(observed)))
    means: npt.NDArray[np.float64] = observed[chosen].mean(axis=1)
    return means
