"""Queries and writes: what is refused before the engine is asked."""

from __future__ import annotations

import pytest
import qdrant_edge as edge
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError, InvalidVectorError, UnimplementedError
from services.store.translate.formulas import engine_expression
from services.store.translate.ids import PointId
from services.store.translate.limits import PREFETCH_DEPTH, OutOfRangeError
from services.store.translate.queries import QueryTranslator
from services.store.translate.results import facet_json, vector_json
from services.store.translate.vectors import EngineVector, VectorField
from services.store.translate.writes import operation_of, upsert

FIELDS = {"image": VectorField("image", 2), "bm25": VectorField("bm25", None)}
STORED: dict[PointId, EngineVector] = {7: [3.0, 4.0]}


def stored(identifier: PointId, using: str | None, elsewhere: m.LookupLocation | None) -> EngineVector:
    assert using == "image"
    assert elsewhere is None or elsewhere.collection == "other"
    return STORED[identifier]


TRANSLATOR = QueryTranslator(FIELDS, stored)


def test_defaults_are_those_of_the_server() -> None:
    request = TRANSLATOR.query(m.QueryRequest(query=[1.0, 2.0], using="image"))
    assert (request.limit, request.offset, request.with_vector, request.with_payload) == (10, 0, False, False)
    assert request.filter is None


def test_an_id_becomes_its_vector_and_is_excluded() -> None:
    request = TRANSLATOR.query(m.QueryRequest(query=7, using="image"))
    assert "3" in repr(request.query)
    assert request.filter is not None
    assert "7" in repr(request.filter.must_not)


def test_an_example_from_elsewhere_is_not_excluded() -> None:
    lookup = m.LookupLocation(collection="other")
    assert TRANSLATOR.query(m.QueryRequest(query=7, using="image", lookup_from=lookup)).filter is None


def prefetch(levels: int) -> m.Prefetch:
    source = m.Prefetch(query=[1.0, 2.0], using="image")
    for _ in range(levels - 1):
        source = m.Prefetch(prefetch=source, query=[1.0, 2.0], using="image")
    return source


def test_prefetches_are_nested_a_few_levels_only() -> None:
    fusion = m.FusionQuery(fusion=m.Fusion.RRF)
    TRANSLATOR.query(m.QueryRequest(prefetch=[prefetch(PREFETCH_DEPTH)], query=fusion))
    with pytest.raises(InvalidRequestError, match="deeper"):
        TRANSLATOR.query(m.QueryRequest(prefetch=[prefetch(PREFETCH_DEPTH + 1)], query=fusion))


@pytest.mark.parametrize(
    "request_",
    [
        m.QueryRequest(limit=0),
        m.QueryRequest(limit=2**33),
        m.QueryRequest(offset=-1),
        m.QueryRequest(prefetch=m.Prefetch(limit=0)),
        m.QueryRequest(query=m.RrfQuery(rrf=m.Rrf(k=0))),
        m.QueryRequest(query=[1.0, 2.0], using="image", params=m.SearchParams(hnsw_ef=-1)),
    ],
)
def test_numbers_out_of_range_are_refused(request_: m.QueryRequest) -> None:
    with pytest.raises(OutOfRangeError):
        TRANSLATOR.query(request_)


@pytest.mark.parametrize("using", [None, "nope"])
def test_a_vector_that_the_collection_has_not_is_refused(using: str | None) -> None:
    with pytest.raises(InvalidVectorError, match="Not existing vector name"):
        TRANSLATOR.query(m.QueryRequest(query=[1.0, 2.0], using=using))


def test_text_scoring_is_not_offered() -> None:
    with pytest.raises(UnimplementedError, match="Text scoring"):
        TRANSLATOR.query(m.QueryRequest(query=m.TextQuery(text="a cat"), using="title"))


@given(st.integers(1, 14))
def test_formulas_nest(levels: int) -> None:
    formula: m.Expression = 1.0
    for _ in range(levels):
        formula = m.SumExpression(sum=[formula, "$score"])
    assert isinstance(engine_expression(formula), edge.Expression)


def test_formulas_do_not_nest_for_ever() -> None:
    formula: m.Expression = "$score"
    for _ in range(20):
        formula = m.NegExpression(neg=formula)
    with pytest.raises(InvalidRequestError, match="deeper"):
        engine_expression(formula)


def test_an_upsert_counts_its_points_and_other_writes_none() -> None:
    points = [m.PointStruct(id=number, vector={}) for number in range(3)]
    assert upsert(m.PointsList(points=points), FIELDS).points == 3
    assert upsert(m.PointsBatch(batch=m.Batch(ids=[1, 2], vectors={})), FIELDS).points == 2
    delete = m.DeleteOperation(delete=m.PointIdsList(points=[1]))
    assert operation_of(delete, FIELDS).points == 0


def test_a_write_needs_ids_or_a_filter() -> None:
    operation = m.SetPayloadOperation(set_payload=m.SetPayload(payload={"a": 1}))
    with pytest.raises(InvalidRequestError, match="Either list of ids or filter"):
        operation_of(operation, FIELDS)


def test_vectors_to_json() -> None:
    sparse = edge.SparseVector([3, 1], [0.5, 2.0])
    assert vector_json({"bm25": sparse, "image": [1.0]}) == {
        "bm25": {"indices": [3, 1], "values": [0.5, 2.0]},
        "image": [1.0],
    }


class Hit:
    """A value with its count; the engine's own cannot be constructed."""

    def __init__(self, value: object, count: int) -> None:
        self.value, self.count = value, count


def test_facets_are_ordered_by_count_then_value() -> None:
    hits = [Hit("b", 2), Hit(3, 2), Hit("a", 2), Hit("c", 9), Hit(True, 1)]
    found = facet_json(hits, limit=4)  # type: ignore[arg-type]
    assert [hit["value"] for hit in found["hits"]] == ["c", 3, "a", "b"]
