"""The answers that the extractive backend composes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.answer import Source
from services.common.domain import Caption, Item, ItemKind, Media, Position
from services.generator.backends.base import Task
from services.generator.backends.extractive import ExtractiveBackend
from services.generator.language import Language
from services.generator.selection import supporting

MEDIA = Media("0" * 64, "image/jpeg", 10, 10)


def source(number: int, **fields: Any) -> Source:
    kind = ItemKind.IMAGE if fields.get("media") else ItemKind.TEXT
    item = Item(f"id-{number}", "default", kind, 1, datetime.now(UTC))
    return Source(number, replace(item, **fields), relevant=True, score=1.0)


def answer(*sources: Source, question: str = "cat?", language: Language = Language.EN, image: bool = False) -> str:
    backend = ExtractiveBackend(cited_limit=4, answer_limit_chars=1_500)
    return "".join(backend.compose(Task(question, sources, language, image)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"title": "cat.jpg", "media": MEDIA}, "The picture 'cat.jpg' matches the question [1]."),
        ({"source_uri": "file:///a/cat.jpg", "media": MEDIA}, "The picture 'cat.jpg' matches the question [1]."),
        ({"key": "sha256:00", "media": MEDIA}, "A picture without a name matches the question [1]."),
        ({"title": "T", "text": "A cat.", "media": MEDIA}, "The picture 'T' is described as: “A cat.” [1]."),
        ({"title": "T", "text": "A cat."}, "'T' says: “A cat.” [1]."),
        ({"text": "A cat."}, "“A cat.” [1]."),
        ({"tags": ("cat",)}, "A text without a name matches the question [1]."),
        ({"title": "T", "text": "A cat.", "position": Position(page=3)}, "Page 3 of 'T' says: “A cat.” [1]."),
        (
            {"title": "T", "media": MEDIA, "position": Position(timestamp_s=3725.5)},
            "'T' at 1:02:05 matches the question [1].",
        ),
        ({"title": "T", "ocr_text": "CAT", "media": MEDIA}, "The picture 'T' reads: “CAT” [1]."),
        (
            {"title": "T", "text": "A shop.", "ocr_text": "A CAT", "media": MEDIA},
            "The picture 'T' reads: “A CAT” [1].",
        ),
        (
            {"title": "T", "text": "A cat.", "ocr_text": "NO CAT", "media": MEDIA},
            "The picture 'T' is described as: “A cat.” [1].",
        ),
        (
            {"title": "T", "ocr_text": "OPEN", "caption": Caption("A cat sits in a window."), "media": MEDIA},
            "The picture 'T' is described as: “A cat sits in a window.” [1].",
        ),
    ],
)
def test_a_sentence_for_each_sort_of_source(fields: dict[str, Any], sentence: str) -> None:
    assert answer(source(1, **fields)) == sentence


def test_chinese() -> None:
    text = answer(
        source(1, title="猫.jpg", media=MEDIA), source(2, title="家", text="房子很旧。黑猫睡在沙发上。"),
        question="猫在哪里？", language=Language.ZH,
    )  # fmt: skip
    assert text == "图片“猫.jpg”与问题相符 [1]。《家》中写道：“黑猫睡在沙发上。” [2]。"


def test_a_picture_is_said_to_look_like_the_one_asked_with() -> None:
    assert "looks like" in answer(source(1, title="cat.jpg", media=MEDIA), question="", image=True)


def test_what_we_do_not_speak_is_answered_in_english() -> None:
    assert answer(source(1, text="кошка"), language=Language.OTHER) == "“кошка” [1]."


def test_no_more_sources_than_allowed_are_cited() -> None:
    text = answer(*(source(number, text=f"cat {number}") for number in range(1, 9)))
    assert re.findall(r"\[(\d+)\]", text) == ["1", "2", "3", "4"]


def test_a_long_answer_ends_after_a_whole_sentence() -> None:
    backend = ExtractiveBackend(cited_limit=50, answer_limit_chars=400)
    sources = tuple(source(number, text="cat " * 100) for number in range(1, 20))
    text = "".join(backend.compose(Task("cat", sources, Language.EN, False)))
    assert len(text) <= 400
    assert text.endswith("[1].")


WILD = st.text(st.sampled_from("[]17<>`“” ./:w猫cat\n{}") | st.characters(), max_size=60)


@given(st.lists(st.tuples(WILD, WILD, st.booleans()), min_size=1, max_size=4), WILD, st.sampled_from(Language))
def test_every_sentence_ends_with_its_own_citation(
    parts: list[tuple[str, str, bool]], question: str, language: Language
) -> None:
    sources = [
        source(number, title=title, text=text, media=MEDIA if pictured else None)
        for number, (title, text, pictured) in enumerate(parts, 1)
    ]
    text = answer(*sources, question=question, language=language)
    cited = [int(number) for number in re.findall(r"\[(\d+)\]", text)]
    assert cited == [entry.number for entry in supporting(question, sources)]
    assert re.search(r"\[\d+\][.。]$", text)
    assert "\n" not in text
