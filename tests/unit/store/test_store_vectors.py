"""Every vector that could harm the engine is refused, and every other is passed on."""

from __future__ import annotations

import math

import pytest
import qdrant_edge as edge
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client.http import models as m

from services.common.errors import InvalidVectorError, UnimplementedError
from services.store.translate.vectors import VectorField, check_names, engine_vector, point_vectors

DENSE = VectorField("image", 3)
ROWS = VectorField("rows", 2, multi=True)
SPARSE = VectorField("bm25", None)
FIELDS = {field.name: field for field in (DENSE, ROWS, SPARSE)}
float32s = st.floats(-1e6, 1e6, width=32)


@given(st.lists(float32s, min_size=3, max_size=3))
def test_a_fitting_vector_is_passed_on(numbers: list[float]) -> None:
    assert engine_vector(numbers, DENSE) == numbers


@given(st.lists(float32s, max_size=8).filter(lambda numbers: len(numbers) != 3))
def test_every_other_dimension_is_refused(numbers: list[float]) -> None:
    with pytest.raises(InvalidVectorError, match=f"expected dim: 3, got {len(numbers)}"):
        engine_vector(numbers, DENSE)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e39, -1e300, 1e20])
@pytest.mark.parametrize("place", range(3))
def test_numbers_that_are_or_become_no_numbers_are_refused(number: float, place: int) -> None:
    numbers = [1.0, 2.0, 3.0]
    numbers[place] = number
    with pytest.raises(InvalidVectorError, match="too large"):
        engine_vector(numbers, DENSE)


@given(st.lists(st.lists(float32s, min_size=2, max_size=2), min_size=1, max_size=5))
def test_rows_of_a_multivector_are_passed_on(rows: list[list[float]]) -> None:
    assert engine_vector(rows, ROWS) == rows


def test_one_row_stands_for_a_multivector_of_one() -> None:
    assert engine_vector([1.0, 2.0], ROWS) == [[1.0, 2.0]]


@pytest.mark.parametrize("rows", [[], [[]], [[1.0, 2.0], [1.0]], [[1.0, 2.0], []], [[1.0, 2.0], [1.0, 2.0, 3.0]]])
def test_uneven_or_empty_rows_are_refused(rows: list[list[float]]) -> None:
    with pytest.raises(InvalidVectorError, match="expected dim: 2"):
        engine_vector(rows, ROWS)


def test_nan_in_a_later_row_is_refused() -> None:
    with pytest.raises(InvalidVectorError, match="NaN"):
        engine_vector([[1.0, 2.0], [3.0, math.nan]], ROWS)


def test_rows_for_a_single_vector_are_refused() -> None:
    with pytest.raises(InvalidVectorError, match="no multivector"):
        engine_vector([[1.0, 2.0, 3.0]], DENSE)


@given(st.dictionaries(st.integers(0, 2**32 - 1), float32s, max_size=10))
def test_a_fitting_sparse_vector_is_passed_on(weights: dict[int, float]) -> None:
    found = engine_vector(m.SparseVector(indices=list(weights), values=list(weights.values())), SPARSE)
    assert isinstance(found, edge.SparseVector)
    assert found.indices == list(weights)
    assert found.values == list(weights.values())


@pytest.mark.parametrize(
    ("indices", "values", "reason"),
    [
        ([1, 2], [1.0], "2 indices but 1 values"),
        ([1], [1.0, 2.0], "1 indices but 2 values"),
        ([7, 7], [1.0, 2.0], "unique"),
        ([-1], [1.0], "must lie in"),
        ([2**32], [1.0], "must lie in"),
        ([1], [math.nan], "NaN"),
        ([1], [math.inf], "infinite"),
        ([1], [1e300], "too large"),
    ],
)
def test_harmful_sparse_vectors_are_refused(indices: list[int], values: list[float], reason: str) -> None:
    with pytest.raises(InvalidVectorError, match=reason):
        engine_vector(m.SparseVector(indices=indices, values=values), SPARSE)


@pytest.mark.parametrize(
    ("vector", "field"),
    [(m.SparseVector(indices=[1], values=[1.0]), DENSE), ([1.0, 2.0, 3.0], SPARSE), ("a text", DENSE), (7, DENSE)],
)
def test_the_wrong_kind_is_refused(vector: object, field: VectorField) -> None:
    with pytest.raises(InvalidVectorError):
        engine_vector(vector, field)


@pytest.mark.parametrize(
    "vector",
    [
        m.Document(text="a cat", model="qdrant/bm25"),
        m.Image(image="https://example.org/cat.png", model="clip"),
        m.InferenceObject(object={}, model="clip"),
    ],
)
def test_inference_is_not_offered(vector: object) -> None:
    with pytest.raises(UnimplementedError, match="inference"):
        engine_vector(vector, DENSE)


def test_a_point_may_have_no_vectors() -> None:
    assert point_vectors({}, FIELDS) == {}


def test_a_point_keeps_its_vectors_by_name() -> None:
    assert point_vectors({"image": [1.0, 2.0, 3.0], "rows": [[1.0, 2.0]]}, FIELDS) == {
        "image": [1.0, 2.0, 3.0],
        "rows": [[1.0, 2.0]],
    }


@pytest.mark.parametrize("vectors", [{"imagE": [1.0, 2.0, 3.0]}, [1.0, 2.0, 3.0]])
def test_an_unknown_name_is_refused(vectors: m.VectorStruct) -> None:
    with pytest.raises(InvalidVectorError, match="Not existing vector name"):
        point_vectors(vectors, FIELDS)


def test_names_are_checked() -> None:
    assert check_names(["bm25", "image"], FIELDS) == ["bm25", "image"]
    with pytest.raises(InvalidVectorError, match="nope"):
        check_names(["image", "nope"], FIELDS)
