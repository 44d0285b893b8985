"""The language of a question, by its script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.language import Language, answer_language, question_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is on the table?", Language.EN),
        ("12-34?", Language.EN),
        ("", Language.EN),
        ("Où est le chat ?", Language.EN),
        ("猫在哪里？", Language.ZH),
        ("貓在哪裡？", Language.ZH),
        ("AM4 主板", Language.ZH),
        ("有没有 Redmi Note 的手机壳？", Language.ZH),
        ("What does the character 猫 mean in this picture?", Language.EN),
        ("猫はどこですか", Language.OTHER),
        ("고양이는 어디에 있나요", Language.OTHER),
        ("Где кошка?", Language.OTHER),
        ("ＡＢＣ", Language.EN),
    ],
)
def test_script_decides(text: str, language: Language) -> None:
    assert question_language(text) is language


@pytest.mark.parametrize(
    ("requested", "language"),
    [
        ("en-GB", Language.EN),
        ("ZH_hans", Language.ZH),
        ("fr", Language.OTHER),
        ("other", Language.OTHER),
        ("", Language.ZH),
    ],
)
def test_a_requested_language_wins(requested: str, language: Language) -> None:
    assert answer_language(requested, "猫在哪里？") is language


@given(st.text(), st.text())
def test_any_text_has_a_language(requested: str, question: str) -> None:
    assert answer_language(requested, question) in Language
