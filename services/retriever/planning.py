"""Which legs a query asks, and what each one weighs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from services.common.domain import Direction, LegName
from services.common.errors import InvalidRequestError
from services.common.search import MAX_LIMIT, SearchQuery

IMAGE_WEIGHT = 1.0
TEXT_GROUP_WEIGHT = 0.5
"""`text`, `semantic` and `bm25` share it: each of them with the weight of `image` would bury every item without
text (recall@10 0.000 against 0.464 for the image leg alone on such items, measured). With k = 1 and a weight of 1,
Chinese queries keep .84 of the picture leg's recall on items without text, with 0.5 .90; see `fusion`."""
MAX_QUERY_CHARS = 16_384
"""More than a model reads; cutting megabytes into words would hold up every other search."""
NO_FLOOR = -1.0
"""The lowest cosine: every candidate votes."""

_ASKED_WITH_TEXT = (
    (LegName.IMAGE, Direction.TEXT_TO_IMAGE),
    (LegName.TEXT, Direction.TEXT_TO_TEXT),
    (LegName.SEMANTIC, Direction.TEXT_TO_TEXT),
    (LegName.BM25, Direction.TEXT_TO_WORDS),
)
_ASKED_WITH_IMAGE = (
    (LegName.IMAGE, Direction.IMAGE_TO_IMAGE),
    (LegName.TEXT, Direction.IMAGE_TO_TEXT),
)


@dataclass(frozen=True)
class PlannedLeg:
    """A leg to ask.

    Attributes:
        direction: Says whether the query's text or its picture is asked with.
        weight: Its factor in the fusion.
        floor: Raw score below which it does not vote.
    """

    name: LegName
    direction: Direction
    weight: float
    floor: float


def plan(
    query: SearchQuery, floors: Mapping[Direction, float], semantic_floor: float | None = None
) -> list[PlannedLeg]:
    """The legs of a query.

    Args:
        query: Checked here: it must ask something.
        floors: The joint encoder's noise floors; a direction without one always votes.
        semantic_floor: The second text encoder's, `NO_FLOOR` if it was not measured; None: the collection has no
            `semantic` vectors, and the leg is not asked.

    Raises:
        InvalidRequestError: Nothing is asked, the limit or a weight is out of range, or the legs that were
            chosen cannot be asked with this query or of this collection.
    """
    _check(query)
    possible = (*(_ASKED_WITH_TEXT if query.text.strip() else ()), *(_ASKED_WITH_IMAGE if query.image else ()))
    if semantic_floor is None:
        _check_without_semantic(query)
        possible = tuple(leg for leg in possible if leg[0] is not LegName.SEMANTIC)
    weights = query.legs if query.legs is not None else _default_weights({name for name, _ in possible})
    chosen = [(name, direction) for name, direction in possible if weights.get(name, 0.0) > 0]
    if not chosen:
        raise InvalidRequestError(
            "None of the chosen legs can be asked with this query: bm25 needs text, and a weight must be above 0."
        )
    # Asked with words and a picture, one named vector is searched twice and keeps its weight in total.
    times = Counter(name for name, _ in chosen)
    return [
        PlannedLeg(name, direction, weights[name] / times[name], _floor(name, direction, floors, semantic_floor))
        for name, direction in chosen
    ]


def _default_weights(names: set[LegName]) -> dict[LegName, float]:
    group = names - {LegName.IMAGE}
    return {LegName.IMAGE: IMAGE_WEIGHT, **{name: TEXT_GROUP_WEIGHT / len(group) for name in group}}


def _floor(
    name: LegName, direction: Direction, floors: Mapping[Direction, float], semantic_floor: float | None
) -> float:
    if name is LegName.SEMANTIC:
        return NO_FLOOR if semantic_floor is None else semantic_floor
    return floors.get(direction, 0.0 if direction is Direction.TEXT_TO_WORDS else NO_FLOOR)


def _check_without_semantic(query: SearchQuery) -> None:
    if query.legs is not None and query.legs.get(LegName.SEMANTIC, 0.0) > 0:
        raise InvalidRequestError(
            "The leg semantic cannot be asked: these items were stored without a second text encoder. Leave it "
            "out, or store them anew with IMAGERAG_ENCODER_SEMANTIC_MODEL set."
        )


def _check(query: SearchQuery) -> None:
    if not query.text.strip() and not query.image:
        raise InvalidRequestError("The query is empty: give text, a picture, or both.")
    if len(query.text) > MAX_QUERY_CHARS:
        raise InvalidRequestError(f"The text has {len(query.text)} characters; at most {MAX_QUERY_CHARS}.")
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidRequestError(f"limit is {query.limit}; it must be from 1 to {MAX_LIMIT}.")
    if query.rrf_k is not None and not 0 <= query.rrf_k <= 10_000:
        raise InvalidRequestError(f"rrf_k is {query.rrf_k}; it must be from 0 to 10000.")
    if query.legs is not None and any(not 0 <= weight <= 1000 for weight in query.legs.values()):
        raise InvalidRequestError("A leg's weight must be from 0 to 1000.")
