"""Metrics against their definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.evaluation.metrics import bootstrap, hit_at, ndcg_at, reciprocal_rank

NAMES = st.text("abcdefghij", min_size=1, max_size=2)
RANKED = st.lists(NAMES, unique=True, max_size=15)
RELEVANT = st.frozensets(NAMES, max_size=6)
DEPTH = st.integers(1, 12)


def test_known_values() -> None:
    ranked = ["x", "a", "y", "b"]
    assert hit_at(ranked, {"a"}, 1) == 0.0
    assert hit_at(ranked, {"a"}, 2) == 1.0
    assert reciprocal_rank(ranked, {"b", "a"}) == 0.5
    assert reciprocal_rank(ranked, {"z"}) == 0.0
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    assert ndcg_at(ranked, {"a", "b"}, 10) == pytest.approx(gained / (1 + 1 / math.log2(3)))
    assert ndcg_at(ranked, set(), 10) == 0.0


@given(RANKED, RELEVANT, DEPTH)
def test_a_hit_is_a_relevant_item_among_the_first(ranked: list[str], relevant: frozenset[str], k: int) -> None:
    first = next((rank for rank, item in enumerate(ranked, 1) if item in relevant), None)
    assert hit_at(ranked, relevant, k) == float(first is not None and first <= k)
    assert reciprocal_rank(ranked, relevant) == (0.0 if first is None else 1 / first)


@given(RANKED, RELEVANT, DEPTH)
def test_ndcg_lies_between_nothing_and_the_ideal_order(
    ranked: list[str], relevant: frozenset[str], k: int
) -> None:
    value = ndcg_at(ranked, relevant, k)
    assert 0.0 <= value <= 1.0 + 1e-12
    assert (value > 0) == bool(hit_at(ranked, relevant, k))
    if relevant:
        ideal = [*sorted(relevant), *(item for item in ranked if item not in relevant)]
        assert ndcg_at(ideal, relevant, k) == pytest.approx(1.0)


@given(RANKED, RELEVANT, st.integers(1, 11))
def test_deeper_lists_find_no_less(ranked: list[str], relevant: frozenset[str], k: int) -> None:
    assert hit_at(ranked, relevant, k) <= hit_at(ranked, relevant, k + 1)


@given(st.permutations(["a", "b", "c", "d"]))
def test_moving_the_right_item_up_never_hurts(ranked: list[str]) -> None:
    better = sorted(ranked, key="a".__ne__)
    assert ndcg_at(better, {"a"}, 4) >= ndcg_at(ranked, {"a"}, 4)
    assert reciprocal_rank(better, {"a"}) >= reciprocal_rank(ranked, {"a"})


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(0, 5))
@settings(deadline=None)
def test_the_interval_holds_the_mean_and_is_reproducible(values: list[float], seed: int) -> None:
    estimate = bootstrap(values, seed=seed, resamples=200)
    assert estimate.low <= estimate.mean <= estimate.high
    assert min(values) - 1e-9 <= estimate.low
    assert estimate.high <= max(values) + 1e-9
    assert estimate.count == len(values)
    assert estimate == bootstrap(values, seed=seed, resamples=200)


def test_the_interval_of_a_fair_coin_is_the_one_of_the_textbook() -> None:
    estimate = bootstrap([0.0, 1.0] * 200, seed=1)
    assert estimate.mean == 0.5
    half = 1.96 * math.sqrt(0.25 / 400)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.1)


def test_nothing_to_average_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        bootstrap([], seed=1)
