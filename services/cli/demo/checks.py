"""What the demonstration asks, and what it holds for right. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """One thing asked, and the photo that must come first or be cited first.

    Attributes:
        asked: As a person reads it.
        expected: File names of the photos that are right.
    """

    asked: str
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What came of a question.

    Attributes:
        found: Key of the photo; empty if there was none.
        detail: Score or answer, for a person.
        wrong: What is not as it must be; empty if all is.
    """

    question: Question
    found: str
    detail: str
    wrong: str = ""


WORDS = (
    Question("a cat", ("chelsea.png",)),
    Question("猫", ("chelsea.png",)),
    Question("rocket", ("rocket.jpg",)),
    Question("a cup of coffee", ("coffee.png",)),
)
PICTURES = (
    Question("chelsea.png", ("chelsea.png",)),
    Question("motorcycle_left.png", ("motorcycle_left.png", "motorcycle_right.png")),
)
"""Asked with a cropped, mirrored copy of the photo; the motorcycle was taken twice, from almost the same place."""
ANSWERS = (
    Question("What colour are the eyes of the tabby cat?", ("chelsea.png",)),
    Question("火箭在哪里？", ("rocket.jpg",)),
)


def judge_search(question: Question, expected_keys: Set[str], answer: Json) -> Finding:
    """Whether the expected photo comes first, and by its pixels alone.

    Args:
        question: What was asked.
        expected_keys: Keys of the photos of which one must come first.
        answer: Of `POST /v1/search`.
    """
    if not answer["hits"]:
        return Finding(question, "", "", "nothing was found")
    first = answer["hits"][0]
    item, why = first["item"], first["why"]
    detail = f"{why['legs'][0]['score']:.2f}" if why["legs"] else ""
    return Finding(question, item["key"], detail, _wrong_hit(item, why, expected_keys))


def judge_answer(question: Question, expected_ids: Set[str], answer: Json) -> Finding:
    """Whether the answer rests on the expected photo and says so.

    Args:
        question: What was asked.
        expected_ids: Ids of the items of which one must be cited first.
        answer: Of `POST /v1/ask`.
    """
    text, citations = str(answer["answer"]), answer["citations"]
    wrong = ""
    if answer["nothing_relevant"] or not citations:
        wrong = "the answer cites nothing"
    elif citations[0]["item_id"] not in expected_ids:
        wrong = "another photo is cited first"
    elif f"[{citations[0]['number']}]" not in text or not citations[0]["quote"]:
        wrong = "the citation is not in the answer"
    return Finding(question, "", text, wrong)


def _wrong_hit(item: Json, why: Json, expected_keys: Set[str]) -> str:
    if item["key"] not in expected_keys:
        return "another photo came first"
    if item["title"] or item["text"] or item["ocr_text"] or item["tags"]:
        return "text is stored, so it was not found by its pixels alone"
    if any(leg["leg"] != "image" for leg in why["legs"]) or why["matched_words"]:
        return "another leg than the image leg found it"
    return ""
