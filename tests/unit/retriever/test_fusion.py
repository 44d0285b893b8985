"""Fusion against an independent reference, and what must hold for any legs."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retriever.fusion import Fused, RankedLeg, reciprocal_rank_fusion
from services.retriever.planning import IMAGE_WEIGHT, TEXT_GROUP_WEIGHT

_ids = st.sampled_from("abcdefgh")
_scores = st.dictionaries(_ids, st.floats(-1, 1), max_size=8).map(
    lambda found: sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
)
_legs = st.lists(
    st.builds(
        RankedLeg, weight=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), floor=st.floats(-1, 1), scores=_scores
    ),
    max_size=4,
)
_ks = st.sampled_from([0.0, 1.0, 2.0, 60.0])


def _reference(legs: list[RankedLeg], k: float) -> dict[str, Fraction]:
    """The formula word by word, in exact arithmetic."""
    total: dict[str, Fraction] = {}
    for leg in legs:
        for position, (candidate, score) in enumerate(leg.scores):
            counts = score >= leg.floor
            part = Fraction(leg.weight) / (Fraction(k) + position + 1) if counts else Fraction(0)
            total[candidate] = total.get(candidate, Fraction(0)) + part
    return total


@given(_legs, _ks)
def test_scores_equal_the_reference(legs: list[RankedLeg], k: float) -> None:
    fused = reciprocal_rank_fusion(legs, k)
    reference = _reference(legs, k)
    assert {f.id for f in fused} == set(reference)
    for candidate in fused:
        assert candidate.score == pytest.approx(float(reference[candidate.id]), abs=1e-12)
        assert candidate.score == pytest.approx(sum(p.contribution for p in candidate.parts if p))


@given(_legs, _ks)
def test_the_order_is_by_score_and_does_not_depend_on_the_order_of_the_legs(
    legs: list[RankedLeg], k: float
) -> None:
    fused = reciprocal_rank_fusion(legs, k)
    assert [f.score for f in fused] == sorted((f.score for f in fused), reverse=True)
    # Sums of floats depend on their order: the ids are compared where the scores are clearly apart.
    apart = {round(f.score, 9): f.id for f in fused if f.score > 0}
    turned = {round(f.score, 9): f.id for f in reciprocal_rank_fusion(legs[::-1], k) if f.score > 0}
    if len(apart) == sum(f.score > 0 for f in fused):
        assert apart == turned


def test_ties_are_broken_by_id() -> None:
    legs = [RankedLeg(1, -1, [("b", 0.9)]), RankedLeg(1, -1, [("a", 0.9)])]
    assert [f.id for f in reciprocal_rank_fusion(legs)] == ["a", "b"]


def test_below_the_floor_there_is_no_vote_but_an_order() -> None:
    legs = [RankedLeg(1, 0.5, [("x", 0.9), ("y", 0.4), ("z", 0.3)])]
    fused = reciprocal_rank_fusion(legs)
    assert [f.id for f in fused] == ["x", "y", "z"]
    assert [f.score > 0 for f in fused] == [True, False, False]
    assert [part.votes for f in fused for part in f.parts if part] == [True, False, False]


def test_a_shared_text_weight_does_not_bury_items_without_text() -> None:
    """Twenty captioned items stand in three legs each, the best picture without a caption in one."""
    captioned = [(f"c{n:02}", 0.5) for n in range(20)]
    image = RankedLeg(IMAGE_WEIGHT, -1, [("bare", 0.9), *captioned])
    words = [RankedLeg(TEXT_GROUP_WEIGHT / 2, -1, captioned) for _ in range(2)]
    places = {f.id: place for place, f in enumerate(reciprocal_rank_fusion([image, *words]), start=1)}
    assert places["bare"] <= 2
    with_60 = reciprocal_rank_fusion([image, *words], k=60)
    assert [f.id for f in with_60].index("bare") > 2


def test_k_that_divides_by_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above -1"):
        reciprocal_rank_fusion([], -1)


def test_parts_stand_in_the_order_of_the_legs() -> None:
    first: Fused = reciprocal_rank_fusion([RankedLeg(1, 0, []), RankedLeg(1, 0, [("a", 1.0)])])[0]
    assert first.parts[0] is None
    assert first.parts[1] is not None
    assert first.parts[1].rank == 1
