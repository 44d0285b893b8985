"""Tensors, searches and results keep their meaning over the wire."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from imagerag.v1 import retriever_pb2, types_pb2

from services.common.domain import Direction, Item, ItemKind, LegName, TextField, Vector
from services.common.errors import InvalidFilterError, InvalidRequestError, InvalidVectorError
from services.common.revision import RevisionClock
from services.common.rpc.searches import (
    filter_from_json,
    query_from_proto,
    query_to_proto,
    result_from_proto,
    result_to_proto,
)
from services.common.rpc.tensors import tensor_from_proto, tensor_to_proto
from services.common.search import Hit, LegScore, SearchQuery, SearchResult

_float32 = st.floats(width=32, allow_nan=False)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=4), elements=_float32))
def test_a_tensor_comes_back(vectors: Vector) -> None:
    back = tensor_from_proto(tensor_to_proto(vectors))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, vectors)


def test_a_tensor_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InvalidVectorError):
        tensor_from_proto(types_pb2.FloatTensor(data=b"\0" * 7, shape=[2]))


@given(
    st.builds(
        SearchQuery,
        tenant=st.just("shop"),
        text=st.text(max_size=20),
        image=st.none() | st.binary(min_size=1, max_size=8),
        limit=st.integers(1, 100),
        filter=st.just({}) | st.just({"price": {"lte": 300}, "name": "裙"}),
        legs=st.none() | st.just({LegName.IMAGE: 1.0, LegName.BM25: 0.0}),
        rrf_k=st.none() | st.floats(0, 100, width=32),
        include_irrelevant=st.booleans(),
    )
)
def test_a_query_comes_back(query: SearchQuery) -> None:
    message = retriever_pb2.SearchRequest.FromString(query_to_proto(query).SerializeToString())
    assert query_from_proto("shop", message) == query


def test_a_result_comes_back() -> None:
    item = Item("id", "shop", ItemKind.IMAGE, 7, datetime(2026, 1, 2, tzinfo=UTC), metadata={"price": 300})
    leg = LegScore(LegName.IMAGE, Direction.TEXT_TO_IMAGE, 1, 0.5, 0.25, True, 0.0625)
    result = SearchResult(
        (Hit(item, 1, 0.0625, (leg,), ("cat",), True, (TextField.TITLE, TextField.OCR), True),),
        False,
        "fp",
        "c",
        {"total": 1.5},
    )
    message = retriever_pb2.SearchResponse.FromString(result_to_proto(result).SerializeToString())
    assert result_from_proto("shop", message) == result


@pytest.mark.parametrize("text", ["[1]", "nonsense", "1", "[" * 100_000])
def test_a_filter_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilterError):
        filter_from_json(text)


def test_unknown_legs_and_audio_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="Leg"):
        query_from_proto("shop", retriever_pb2.SearchRequest(legs=[retriever_pb2.LegSetting()]))
    with pytest.raises(InvalidRequestError, match="Spoken"):
        query_from_proto("shop", retriever_pb2.SearchRequest(query=retriever_pb2.Query(audio=b"x")))


def test_revisions_rise_and_fit_into_a_float() -> None:
    clock = RevisionClock()
    revisions = [clock.next() for _ in range(10_000)]
    assert revisions == sorted(set(revisions))
    assert float(revisions[-1]) == revisions[-1] < 2**53
