"""The average vector of a recommendation."""

from __future__ import annotations

import pytest
import qdrant_edge as edge
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from services.store.translate.averages import recommended_vector
from services.store.translate.vectors import EngineVector

vectors = st.lists(st.lists(st.floats(-100, 100), min_size=3, max_size=3), min_size=1, max_size=5)


def test_without_a_positive_example_there_is_nothing_to_search() -> None:
    with pytest.raises(InvalidRequestError, match="positive"):
        recommended_vector([], [[1.0]])


def test_kinds_do_not_mix() -> None:
    with pytest.raises(InvalidRequestError, match="one kind"):
        recommended_vector([[1.0]], [edge.SparseVector([1], [1.0])])


@given(vectors)
def test_positives_alone_give_their_mean(positives: list[EngineVector]) -> None:
    mean = [sum(column) / len(positives) for column in zip(*positives, strict=True)]
    assert recommended_vector(positives, []) == pytest.approx(mean)


@given(vectors, vectors)
def test_negatives_are_left_behind(positives: list[EngineVector], negatives: list[EngineVector]) -> None:
    wanted, unwanted = recommended_vector(positives, []), recommended_vector(negatives, [])
    expected = [2 * a - b for a, b in zip(wanted, unwanted, strict=True)]  # type: ignore[arg-type, operator]
    assert recommended_vector(positives, negatives) == pytest.approx(expected)


def test_sparse_examples_are_merged_by_index() -> None:
    found = recommended_vector(
        [edge.SparseVector([5, 1], [2.0, 4.0]), edge.SparseVector([1], [8.0])], [edge.SparseVector([9], [3.0])]
    )
    assert isinstance(found, edge.SparseVector)
    # 2 * mean(positives) - mean(negatives): index 1: 4 + 8, index 5: 2, index 9: -3
    assert dict(zip(found.indices, found.values, strict=True)) == {1: 12.0, 5: 2.0, 9: -3.0}
    assert found.indices == sorted(found.indices)


def test_rows_are_put_together_and_negatives_turned_round() -> None:
    assert recommended_vector([[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, -6.0]]]) == [
        [1.0, 2.0],
        [3.0, 4.0],
        [-5.0, 6.0],
    ]
