"""Why a hit is there, and whether it is relevant at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.domain import Item, LegName
from services.common.index.words import match_words
from services.common.search import Hit, LegScore
from services.retriever.fusion import Fused
from services.retriever.planning import PlannedLeg

RELEVANT_WORD_SHARE = 0.5
"""Words alone make an item relevant from this share of the query's terms on: one shared word of a long question is
chance."""


def explain(fused: Fused, item: Item, plan: Sequence[PlannedLeg], query_text: str) -> Hit:
    """The hit of a fused candidate, its rank still open (0)."""
    legs = tuple(
        LegScore(
            leg=planned.name,
            direction=planned.direction,
            rank=part.rank,
            score=part.score,
            noise_floor=planned.floor,
            votes=part.votes,
            contribution=part.contribution,
        )
        for planned, part in zip(plan, fused.parts, strict=True)
        if part is not None
    )
    found = match_words(query_text, item)
    by_vector = any(leg.votes for leg in legs if leg.leg is not LegName.BM25)
    by_words = any(leg.votes for leg in legs if leg.leg is LegName.BM25) and (found.share >= RELEVANT_WORD_SHARE)
    return Hit(
        item=item,
        rank=0,
        score=fused.score,
        legs=legs,
        matched_words=found.words,
        matched_in=found.fields,
        relevant=by_vector or by_words,
    )
