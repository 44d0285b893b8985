"""Searches in JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from services.common.domain import LegName
from services.common.errors import InvalidRequestError
from services.common.search import DEFAULT_LIMIT, MAX_LIMIT, Facet, Hit, LegScore, SearchQuery, SearchResult
from services.gateway.schemas.base import RequestModel, ResponseModel
from services.gateway.schemas.items import ItemModel, item_model
from services.gateway.strict_json import count_parts

TEXT_LIMIT_CHARS = 2000
MAX_FILTER_PARTS = 5000
"""Members and list entries of a filter, at all depths; the retriever has its own, narrower rules."""
Leg = Literal["image", "text", "bm25", "semantic"]
MatchedIn = Literal["title", "text", "tags", "ocr", "caption", "labels"]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class SearchOptions(RequestModel):
    """How to search."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    """Most hits."""
    filter: dict[str, Any] = Field(default_factory=dict)
    """Plain JSON, e.g. {"price": {"lte": 300}, "tags": {"any": ["red", "blue"]}, "not": {"sold": true}}."""
    legs: dict[Leg, Weight] | None = None
    """Weight of each leg to ask; without it every leg that the query can ask."""
    rrf_k: float | None = Field(default=None, ge=0, le=10_000, allow_inf_nan=False)
    """Constant of reciprocal rank fusion."""
    include_irrelevant: bool = False
    """Also return hits below the noise floor, marked as not relevant."""

    @field_validator("filter")
    @classmethod
    def _check_size(cls, condition: dict[str, Any]) -> dict[str, Any]:
        if count_parts(condition, MAX_FILTER_PARTS) > MAX_FILTER_PARTS:
            raise PydanticCustomError("filter_size", f"it has more than {MAX_FILTER_PARTS} parts")
        return condition

    @field_validator("legs", mode="before")
    @classmethod
    def _few_legs(cls, legs: Any) -> Any:
        if isinstance(legs, dict) and len(legs) > len(LegName):
            raise PydanticCustomError("legs", f"there are {len(LegName)} legs at most")
        return legs

    def to_query(self, tenant: str, text: str, picture: bytes | None) -> SearchQuery:
        """The query that these options and this text and picture make.

        Raises:
            InvalidRequestError: Neither words nor a picture.
        """
        if not text.strip() and picture is None:
            raise InvalidRequestError("There is nothing to look for: send words, a picture, or both.")
        legs = None if self.legs is None else {LegName(leg): weight for leg, weight in self.legs.items()}
        return SearchQuery(
            tenant=tenant,
            text=text.strip(),
            image=picture,
            limit=self.limit,
            filter=self.filter,
            legs=legs,
            rrf_k=self.rrf_k,
            include_irrelevant=self.include_irrelevant,
        )


class SearchRequest(SearchOptions):
    """A search by words; with a picture, the `query` part of a multipart body."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "a cat", "limit": 10},
                {"text": "红色连衣裙", "filter": {"price": {"lte": 300}}, "legs": {"image": 1.0, "text": 0.5}},
            ]
        }
    )

    text: str = Field(default="", max_length=TEXT_LIMIT_CHARS)


class LegModel(ResponseModel):
    """What one leg of the query said about a hit."""

    leg: Leg
    direction: str
    rank: int
    score: float
    noise_floor: float
    votes: bool
    contribution: float


class WhyModel(ResponseModel):
    """Why a hit is there."""

    legs: list[LegModel]
    matched_words: list[str]
    """Words of the query that stand in the item's texts."""
    matched_in: list[MatchedIn]
    """The texts that they stand in; `ocr` was read inside the picture, `caption` and `labels` come from models."""
    holds_query: bool
    """The query, of two words or more, stands in one of the texts as it is."""


class HitModel(ResponseModel):
    """An item that was found."""

    rank: int
    score: float
    relevant: bool
    item: ItemModel
    why: WhyModel


class SearchResponse(ResponseModel):
    """Hits, best first."""

    hits: list[HitModel]
    nothing_relevant: bool
    """Items are stored, but none is relevant."""
    timings_ms: dict[str, float]
    fingerprint: str
    collection: str


class FacetModel(ResponseModel):
    """A distinct value and how many items have it."""

    value: str
    count: int


class FacetsResponse(ResponseModel):
    """Distinct values, most frequent first."""

    values: list[FacetModel]


def search_response(result: SearchResult) -> SearchResponse:
    """The JSON form of `result`."""
    return SearchResponse(
        hits=[hit_model(hit) for hit in result.hits],
        nothing_relevant=result.nothing_relevant,
        timings_ms={stage: round(took_ms, 3) for stage, took_ms in result.timings_ms.items()},
        fingerprint=result.fingerprint,
        collection=result.collection,
    )


def hit_model(hit: Hit) -> HitModel:
    """The JSON form of `hit`."""
    return HitModel(
        rank=hit.rank,
        score=hit.score,
        relevant=hit.relevant,
        item=item_model(hit.item),
        why=WhyModel(
            legs=[_leg_model(leg) for leg in hit.legs],
            matched_words=list(hit.matched_words),
            matched_in=[field.value for field in hit.matched_in],
            holds_query=hit.holds_query,
        ),
    )


def facets_response(facets: list[Facet]) -> FacetsResponse:
    """The JSON form of `facets`."""
    return FacetsResponse(values=[FacetModel(value=facet.value, count=facet.count) for facet in facets])


def _leg_model(leg: LegScore) -> LegModel:
    return LegModel(
        leg=leg.leg.value,
        direction=leg.direction.value,
        rank=leg.rank,
        score=leg.score,
        noise_floor=leg.noise_floor,
        votes=leg.votes,
        contribution=leg.contribution,
    )
