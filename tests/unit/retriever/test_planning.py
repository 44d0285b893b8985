"""Which legs a query asks."""

from __future__ import annotations

import pytest

from services.common.domain import Direction, LegName
from services.common.errors import InvalidRequestError
from services.common.search import SearchQuery
from services.retriever.planning import IMAGE_WEIGHT, NO_FLOOR, TEXT_GROUP_WEIGHT, plan


def _weights(query: SearchQuery) -> dict[Direction, float]:
    return {leg.direction: leg.weight for leg in plan(query, {})}


def test_the_text_legs_share_one_weight_that_is_not_above_the_picture_legs() -> None:
    weights = _weights(SearchQuery("t", text="cat"))
    assert weights[Direction.TEXT_TO_IMAGE] == IMAGE_WEIGHT >= TEXT_GROUP_WEIGHT
    assert weights[Direction.TEXT_TO_TEXT] + weights[Direction.TEXT_TO_WORDS] == TEXT_GROUP_WEIGHT


def test_words_and_a_picture_share_the_weight_of_the_vector_they_both_search() -> None:
    weights = _weights(SearchQuery("t", text="cat", image=b"x"))
    assert weights[Direction.TEXT_TO_IMAGE] == weights[Direction.IMAGE_TO_IMAGE] == IMAGE_WEIGHT / 2
    assert sum(weights.values()) == IMAGE_WEIGHT + TEXT_GROUP_WEIGHT


def test_the_second_text_encoder_joins_the_text_legs_and_their_one_weight() -> None:
    legs = {leg.name: leg for leg in plan(SearchQuery("t", text="cat"), {}, 0.3)}
    assert set(legs) == set(LegName)
    assert legs[LegName.IMAGE].weight == IMAGE_WEIGHT
    shared = [legs[name].weight for name in (LegName.TEXT, LegName.SEMANTIC, LegName.BM25)]
    assert shared == pytest.approx([TEXT_GROUP_WEIGHT / 3] * 3)
    assert (legs[LegName.SEMANTIC].direction, legs[LegName.SEMANTIC].floor) == (Direction.TEXT_TO_TEXT, 0.3)


def test_the_floor_of_one_text_space_is_not_that_of_the_other() -> None:
    query = SearchQuery("t", text="cat", image=b"x")
    floors = {leg.name: leg.floor for leg in plan(query, {Direction.TEXT_TO_TEXT: 0.7}, NO_FLOOR)}
    assert floors[LegName.SEMANTIC] == NO_FLOOR
    asked = [leg for leg in plan(query, {Direction.TEXT_TO_TEXT: 0.7}, 0.3) if leg.name is LegName.TEXT]
    assert [(leg.direction, leg.floor) for leg in asked] == [
        (Direction.TEXT_TO_TEXT, 0.7),
        (Direction.IMAGE_TO_TEXT, NO_FLOOR),
    ]


def test_a_picture_alone_is_not_asked_of_a_text_space() -> None:
    assert {leg.name for leg in plan(SearchQuery("t", image=b"x"), {}, 0.3)} == {LegName.IMAGE, LegName.TEXT}


def test_the_semantic_leg_is_asked_alone_where_there_are_such_vectors() -> None:
    query = SearchQuery("t", text="cat", legs={LegName.SEMANTIC: 1.0})
    assert [leg.name for leg in plan(query, {}, 0.3)] == [LegName.SEMANTIC]
    with pytest.raises(InvalidRequestError, match="without a second text encoder"):
        plan(query, {})
    with pytest.raises(InvalidRequestError, match="IMAGERAG_ENCODER_SEMANTIC_MODEL"):
        plan(SearchQuery("t", text="cat", legs={LegName.SEMANTIC: 1.0, LegName.IMAGE: 1.0}), {})
    unasked = SearchQuery("t", text="cat", legs={LegName.SEMANTIC: 0.0, LegName.IMAGE: 1.0})
    assert [leg.name for leg in plan(unasked, {})] == [LegName.IMAGE]


def test_chosen_legs_alone_are_asked() -> None:
    query = SearchQuery("t", text="cat", legs={LegName.IMAGE: 2.0, LegName.BM25: 0.0})
    assert [(leg.name, leg.weight) for leg in plan(query, {})] == [(LegName.IMAGE, 2.0)]


def test_a_measured_floor_is_used_and_without_one_everything_votes() -> None:
    legs = {leg.direction: leg.floor for leg in plan(SearchQuery("t", text="cat"), {Direction.TEXT_TO_IMAGE: 0.2})}
    assert legs == {Direction.TEXT_TO_IMAGE: 0.2, Direction.TEXT_TO_TEXT: NO_FLOOR, Direction.TEXT_TO_WORDS: 0.0}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (SearchQuery("t"), "empty"),
        (SearchQuery("t", text="  \n"), "empty"),
        (SearchQuery("t", text="x", limit=0), "limit"),
        (SearchQuery("t", text="x", limit=101), "limit"),
        (SearchQuery("t", text="x", rrf_k=-1), "rrf_k"),
        (SearchQuery("t", text="x", rrf_k=float("nan")), "rrf_k"),
        (SearchQuery("t", text="x", legs={LegName.IMAGE: -1}), "weight"),
        (SearchQuery("t", text="x", legs={LegName.IMAGE: float("inf")}), "weight"),
        (SearchQuery("t", text="x", legs={LegName.IMAGE: 0}), "chosen legs"),
        (SearchQuery("t", image=b"x", legs={LegName.BM25: 1}), "chosen legs"),
    ],
)
def test_what_cannot_be_asked_says_why(query: SearchQuery, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        plan(query, {})
