"""Golden cases of the tokenizer, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.index import bm25


@pytest.mark.parametrize(
    ("query", "stored"),
    [
        ("连衣裙", "红色连衣裙"),
        ("猫", "黑猫"),
        ("连衣裙", "連衣裙"),
        ("連衣裙", "一条红色连衣裙"),
        ("300", "under 300 euros"),
        ("３００", "300"),
        ("AM4", "Socket am4 board"),
        ("12-34", "part no. 12-34, steel"),
        ("T-Shirt", "a blue t-shirt"),
        ("shirt", "a blue T-shirt"),
        ("CAFÉ", "café"),
    ],
)
def test_every_term_of_the_query_stands_in_the_text(query: str, stored: str) -> None:
    assert bm25.matched_share(query, stored) == 1.0


@pytest.mark.parametrize(
    ("query", "stored"), [("30", "300"), ("猫", "狗"), ("am", "am4"), ("裙连", "连衣裙"), ("2-3", "12-34")]
)
def test_a_part_of_a_word_is_no_word(query: str, stored: str) -> None:
    assert bm25.matched_share(query, stored) < 1.0


def test_tokens_are_written_down() -> None:
    assert bm25.tokenize("连衣裙 12-34") == ["连", "衣", "裙", "连衣", "衣裙", "12-34"]


def test_a_character_is_simplified_whatever_stands_beside_it() -> None:
    assert bm25.normalise("乾隆") == bm25.normalise("乾") + bm25.normalise("隆")


def test_stop_words_are_not_asked_for_unless_there_is_nothing_else() -> None:
    assert bm25.content_terms("show me a picture of the cat") == ["cat"]
    assert bm25.content_terms("what is it") == ["what", "is", "it"]


def test_longer_texts_weigh_a_term_less() -> None:
    short, long = bm25.encode_document("cat"), bm25.encode_document("cat " + "dog " * 50)
    assert short is not None
    assert long is not None
    weight = dict(zip(long.indices, long.values, strict=True))
    assert weight[short.indices[0]] < short.values[0]


def test_matched_words_are_for_people() -> None:
    assert bm25.matched_words("找一件红色连衣裙 300", "这件連衣裙是红色的, 300") == ("红色", "连衣裙", "300")
    assert bm25.matched_words("the cat of the house", "a cat and the dog") == ("cat",)


@pytest.mark.parametrize(
    ("query", "text", "stands"),
    [
        ("mind the gap", "Please MIND THE GAP!", True),
        ("the gap", "mind the gap", False),
        ("gap mind", "mind the gap", False),
        ("region-based segmentation", "A page: region-based\nsegmentation", True),
        ("地滑", "小心地滑", True),
        ("滑", "小心地滑", False),
        ("請勿奔跑", "请勿奔跑。", True),
        ("red dress", "a red dressing gown", False),
        ("", "anything", False),
        ("of the", "of the", False),
    ],
)
def test_a_query_stands_in_a_text_as_it_is(query: str, text: str, stands: bool) -> None:
    assert bm25.stands_in(query, text) is stands


@given(st.text(max_size=200))
def test_a_document_vector_is_well_formed(text: str) -> None:
    vector = bm25.encode_document(text)
    if vector is None:
        assert bm25.tokenize(text) == []
        return
    assert len(vector.indices) == len(vector.values) == len(set(vector.indices))
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(value > 0 for value in vector.values)


@given(
    st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=30), st.data()
)
def test_every_chinese_substring_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert bm25.matched_share(text[start:end], text) == 1.0


@given(st.text(max_size=100))
def test_a_text_matches_itself(text: str) -> None:
    assert bm25.matched_share(text, text) == (1.0 if bm25.tokenize(text) else 0.0)
