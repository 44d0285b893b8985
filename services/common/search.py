"""Searches and their results, in plain frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.common.domain import Direction, Item, JsonObject, LegName, TextField

DEFAULT_LIMIT = 10
MAX_LIMIT = 100


@dataclass(frozen=True)
class SearchQuery:
    """What is looked for.

    Attributes:
        tenant: Among whose items.
        text: Words; empty if only a picture is asked with.
        image: Encoded picture; None if only words are asked with.
        limit: Most hits to return, 1 to 100.
        filter: The filter language of `services.common.index.filters`.
        legs: Weight of each leg that is to be asked; None: every leg that the query can ask, by default weights.
        rrf_k: Constant of reciprocal rank fusion; None: the default.
        include_irrelevant: Return hits below their noise floors too, marked as such.
    """

    tenant: str
    text: str = ""
    image: bytes | None = None
    limit: int = DEFAULT_LIMIT
    filter: JsonObject = field(default_factory=dict)
    legs: Mapping[LegName, float] | None = None
    rrf_k: float | None = None
    include_irrelevant: bool = False


@dataclass(frozen=True)
class LegScore:
    """What one leg said about a hit.

    Attributes:
        rank: In the leg, from 1.
        score: Raw: cosine, or BM25.
        noise_floor: The score that the leg needs to vote.
        votes: The score is above the floor.
        contribution: weight / (k + rank), the leg's part of the fused score; 0 without a vote. Of `bm25` it
            is more where the query stands in one of the item's texts as it is.
    """

    leg: LegName
    direction: Direction
    rank: int
    score: float
    noise_floor: float
    votes: bool
    contribution: float


@dataclass(frozen=True)
class Hit:
    """An item that was found, and why.

    Attributes:
        rank: From 1.
        score: Fused: the sum of the contributions.
        matched_words: Words of the query that stand in the item's texts.
        matched_in: The texts that they stand in.
        holds_query: The query, of two words or more, stands in one of the texts as it is.
        relevant: A leg of vectors rose above its noise floor, or enough of the query's words match.
    """

    item: Item
    rank: int
    score: float
    legs: tuple[LegScore, ...]
    matched_words: tuple[str, ...]
    relevant: bool
    matched_in: tuple[TextField, ...] = ()
    holds_query: bool = False


@dataclass(frozen=True)
class SearchResult:
    """Hits, best first.

    Attributes:
        nothing_relevant: No hit is relevant.
        fingerprint: The embedding contract that was searched under; empty while nothing is stored.
        collection: The physical collection; empty while nothing is stored.
        timings_ms: Milliseconds by stage: encode, query, retrieve, total.
    """

    hits: tuple[Hit, ...]
    nothing_relevant: bool
    fingerprint: str
    collection: str
    timings_ms: Mapping[str, float]


@dataclass(frozen=True)
class Facet:
    """A distinct value of a field and the number of items that have it."""

    value: str
    count: int
