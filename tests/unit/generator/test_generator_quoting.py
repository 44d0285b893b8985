"""Retrieved text cannot act."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.quoting import as_data, shorten

HOSTILE = st.text(st.sampled_from("[]()<>`!/:wW.@ab1\x1b\u202e\u200b\n\x00") | st.characters(), max_size=60)


@given(HOSTILE)
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = as_data(text)
    assert not set("[]<>`") & set(shown)
    assert not [character for character in shown if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}]
    assert "://" not in shown
    assert not re.search(r"\bwww\.|[a-z0-9]@[a-z0-9]", shown, re.IGNORECASE)


@given(HOSTILE)
def test_applying_it_twice_changes_nothing(text: str) -> None:
    assert as_data(as_data(text)) == as_data(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A tabby cat, 3 years old.", "A tabby cat, 3 years old."),
        ("黑猫在沙发上。", "黑猫在沙发上。"),
        ("see [7] for more", "see (7) for more"),
        ("![x](https://evil.example/?q=1)", "!(x)(https:/ /evil.example/?q=1)"),
        ("<img src=x>", "‹img src=x›"),
        ("red\x1b[31m", "red (31m"),
        ("one\r\n\ttwo", "one two"),
    ],
)
def test_how_it_looks(text: str, shown: str) -> None:
    assert as_data(text) == shown


@given(st.text(max_size=80), st.integers(1, 50))
def test_shortened_text_fits(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or short.endswith("…")


def test_it_is_cut_after_a_word_where_there_are_words() -> None:
    assert shorten("a tabby cat on a sofa", 14) == "a tabby cat…"
    assert shorten("黑猫在沙发上睡觉", 5) == "黑猫在沙…"
