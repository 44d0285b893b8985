"""Reasons and relevance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.common.domain import Direction, Item, ItemKind, LegName, TextField
from services.common.search import Hit
from services.retriever.explanation import WHOLE_LEAD, explain, lifted
from services.retriever.fusion import Fused, LegPart
from services.retriever.planning import PlannedLeg

IMAGE = PlannedLeg(LegName.IMAGE, Direction.TEXT_TO_IMAGE, 1.0, 0.2)
WORDS = PlannedLeg(LegName.BM25, Direction.TEXT_TO_WORDS, 0.5, 0.0)
ITEM = Item("id", "t", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC), text="a red dress with white dots")


def _part(*, votes: bool) -> LegPart:
    return LegPart(rank=3, score=0.3, votes=votes, contribution=0.01 if votes else 0.0)


def test_each_leg_that_found_the_item_is_named() -> None:
    hit = explain(Fused("id", 0.01, (_part(votes=True), None)), ITEM, [IMAGE, WORDS], "dress")
    (leg,) = hit.legs
    assert (leg.leg, leg.rank, leg.noise_floor, leg.contribution) == (LegName.IMAGE, 3, 0.2, 0.01)
    assert hit.matched_words == ("dress",)
    assert hit.matched_in == (TextField.TEXT,)


def test_words_read_in_the_picture_are_told_from_the_users_own() -> None:
    fused = Fused("id", 0.01, (None, _part(votes=True)))
    hit = explain(fused, replace(ITEM, ocr_text="SALE: red dress 30 %"), [IMAGE, WORDS], "sale dress")
    assert (hit.relevant, hit.matched_words) == (True, ("sale", "dress"))
    assert hit.matched_in == (TextField.TEXT, TextField.OCR)


def test_who_holds_the_query_as_it_is_rises_above_the_best_picture() -> None:
    def hit(name: str, text: str, rank: int, votes: bool = True) -> Hit:
        part = LegPart(rank, 0.3, votes, 0.5 / (1 + rank) if votes else 0.0)
        item = replace(ITEM, id=name, text=text)
        return explain(Fused(name, part.contribution, (None, part)), item, [IMAGE, WORDS], "the red dress")

    picture = explain(Fused("p", 0.5, (LegPart(1, 0.3, True, 0.5), None)), ITEM, [IMAGE, WORDS], "the red dress")
    found = [
        replace(picture, holds_query=False),
        hit("other place", "a dress, red", 1),
        hit("second", "Dots on a red dress", 3),
        hit("first", "A red dress with white dots", 2),
        hit("no vote", "red dress", 4, votes=False),
    ]
    raised = lifted(found, [IMAGE, WORDS], 1.0)
    assert [each.item.id for each in raised] == ["first", "id", "second", "other place", "no vote"]
    assert [each.score for each in raised[:3]] == pytest.approx([WHOLE_LEAD / 2, 0.5, WHOLE_LEAD / 3])
    assert all(each.score == pytest.approx(sum(leg.contribution for leg in each.legs)) for each in raised)
    assert raised[0].legs[0].rank == 2, "the rank is the leg's own"


@pytest.mark.parametrize(
    ("image_votes", "words_vote", "query", "relevant"),
    [
        (True, False, "anything", True),
        (False, False, "red dress", False),
        (False, True, "red dress", True),
        (False, True, "quarterly report on the red sea trade routes", False),
    ],
)
def test_relevance_takes_a_vector_or_enough_words(
    image_votes: bool, words_vote: bool, query: str, relevant: bool
) -> None:
    fused = Fused("id", 0.0, (_part(votes=image_votes), _part(votes=words_vote)))
    assert explain(fused, ITEM, [IMAGE, WORDS], query).relevant is relevant
