"""The part of a text that is quoted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.generator.quoting import as_data
from services.generator.sentences import best_quote, split_sentences

TEXT = "The house is old. A black cat sleeps on the sofa. It rains in Paris. The sofa is red!"


def test_the_sentence_that_shares_words_is_quoted() -> None:
    assert (
        best_quote("Where does it rain?", "It is dry. Rain falls on Paris", sentences=1) == "Rain falls on Paris"
    )
    assert best_quote("Which cat?", TEXT) == "A black cat sleeps on the sofa."


def test_a_second_sentence_is_added_only_for_what_it_adds() -> None:
    assert best_quote("red cat", TEXT) == "A black cat sleeps on the sofa. The sofa is red!"
    assert best_quote("cat sofa", TEXT) == "A black cat sleeps on the sofa."


def test_without_a_shared_word_it_is_the_beginning() -> None:
    assert best_quote("zebra", TEXT) == "The house is old."
    assert best_quote("", TEXT) == "The house is old."


def test_chinese_sentences_are_told_apart() -> None:
    text = "房子很旧。黑猫睡在沙发上！外面在下雨。"
    assert split_sentences(text) == ["房子很旧。", "黑猫睡在沙发上！", "外面在下雨。"]
    assert best_quote("猫在哪里？", text, sentences=1) == "黑猫睡在沙发上！"


@given(st.text(max_size=40), st.text(max_size=300), st.integers(1, 3), st.integers(10, 100))
def test_a_quote_is_short_harmless_data(question: str, text: str, sentences: int, limit: int) -> None:
    quote = best_quote(question, text, sentences=sentences, limit_chars=limit)
    assert len(quote) <= limit
    assert as_data(quote) == quote
    assert bool(quote) or not as_data(text) or as_data(split_sentences(text)[0]) == ""
