"""Why a hit is there, and whether it is relevant at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.common.domain import Item, LegName
from services.common.index.words import match_words
from services.common.search import Hit, LegScore
from services.retriever.fusion import Fused
from services.retriever.planning import PlannedLeg

RELEVANT_WORD_SHARE = 0.5
"""Words alone make an item relevant from this share of the query's terms on: one shared word of a long question is
chance."""
WHOLE_LEAD = 1.25
"""Where the query stands in one of an item's texts as it is, `bm25` weighs so many times as much as the leg that
weighs most. Some picture always looks most like what is asked for, by chance too: a sign that says "地滑" came
behind a rocket for that."""


def explain(fused: Fused, item: Item, plan: Sequence[PlannedLeg], query_text: str) -> Hit:
    """The hit of a fused candidate, its rank still open (0)."""
    found = match_words(query_text, item)
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
        holds_query=found.whole,
    )


def lifted(hits: Sequence[Hit], plan: Sequence[PlannedLeg], k: float) -> list[Hit]:
    """The hits, best first, after those that hold the query as it is were lifted.

    They are ranked among themselves, by `bm25`: a shorter text with the same words in other places does not count.

    Args:
        hits: In the order of their fused scores.
        plan: Of the query.
        k: Of the fusion.
    """
    weight = WHOLE_LEAD * max((leg.weight for leg in plan), default=0.0)
    holding = sorted((leg.rank, number) for number, hit in enumerate(hits) for leg in _holding_legs(hit))
    raised = list(hits)
    for place, (_, number) in enumerate(holding, start=1):
        raised[number] = _with_words(hits[number], weight / (k + place))
    # Stable: candidates that no leg votes for keep their order.
    return sorted(raised, key=lambda hit: -hit.score)


def _holding_legs(hit: Hit) -> list[LegScore]:
    return [leg for leg in hit.legs if leg.leg is LegName.BM25 and leg.votes and hit.holds_query]


def _with_words(hit: Hit, contribution: float) -> Hit:
    legs = tuple(
        replace(leg, contribution=max(leg.contribution, contribution)) if leg.leg is LegName.BM25 else leg
        for leg in hit.legs
    )
    return replace(hit, legs=legs, score=sum(leg.contribution for leg in legs))
