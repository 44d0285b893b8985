"""Words of an item by field: what they weigh, where a query was found, and what is chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import Caption, Item, ItemKind, TextField
from services.common.index import bm25
from services.common.index.words import encode_item, match_words

ITEM = Item("id", "t", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC))
PAGE = (
    "本店所有商品均为正品，如有质量问题可在七天内退换。购物满三百元免运费，请保留小票。营业时间为每天上午九点到晚上十点，"
    "节假日照常营业。店内请勿吸烟，谢谢合作。小孩须由大人陪同，贵重物品请自行保管，遗失概不负责。"
)


def weights(item: Item) -> dict[int, float]:
    vector = encode_item(item)
    return dict(zip(vector.indices, vector.values, strict=True)) if vector else {}


def weight(item: Item, word: str) -> float:
    vector = bm25.encode_document(word)
    assert vector is not None
    return weights(item).get(vector.indices[0], 0.0)


def test_without_models_words_it_is_the_plain_vector() -> None:
    item = replace(ITEM, title="Red dress", text="Cotton, three buttons.", tags=("summer", "sale"))
    plain = bm25.encode_document(item.searchable_text())
    assert plain is not None
    assert weights(item) == pytest.approx(dict(zip(plain.indices, plain.values, strict=True)))


def test_a_page_of_print_leaves_the_title_its_weight() -> None:
    titled = replace(ITEM, title="Red dress")
    printed = replace(titled, ocr_text=" ".join(f"word{number}" for number in range(400)))
    assert weight(printed, "dress") == pytest.approx(weight(titled, "dress"))
    in_one_text = bm25.encode_document(printed.searchable_text())
    assert in_one_text is not None
    assert weight(printed, "dress") > 5 * max(in_one_text.values)


def test_the_title_counts_more_than_a_mention_in_a_picture() -> None:
    mention = " ".join(["dress", *(f"word{number}" for number in range(99))])
    assert weight(replace(ITEM, title="Red dress"), "dress") > 2 * weight(replace(ITEM, ocr_text=mention), "dress")
    assert weight(replace(ITEM, ocr_text="EXIT"), "exit") > 0.9


def test_matches_say_where() -> None:
    item = replace(
        ITEM,
        title="Station",
        tags=("london",),
        ocr_text="MIND THE GAP",
        caption=Caption("A platform with a yellow line.", data_points=("2023: 1.2 million",)),
        labels=("train",),
    )
    found = match_words("the gap at a london station", item)
    assert found.fields == (TextField.TITLE, TextField.TAGS, TextField.OCR)
    assert found.words == ("gap", "london", "station")
    assert found.share == 1.0
    assert match_words("yellow train 2023", item).fields == (TextField.CAPTION, TextField.LABELS)
    assert match_words("", item).fields == ()


@pytest.mark.parametrize(
    ("query", "in_page"),
    [("小狗陪我购物", False), ("七天内退换", True), ("保管小人", False), ("满三百元免运费吗", True), ("烟", True)],
)
def test_the_characters_of_a_page_in_chinese_are_no_words_by_themselves(query: str, in_page: bool) -> None:
    share = match_words(query, replace(ITEM, ocr_text=PAGE)).share
    assert (share >= 0.5) is in_page
    assert bm25.matched_share(query, PAGE) >= share


@given(
    st.builds(
        lambda title, ocr, tags: replace(ITEM, title=title, ocr_text=ocr, tags=tuple(tags)),
        st.text(max_size=40),
        st.text(max_size=80),
        st.lists(st.text(max_size=8), max_size=3),
    )
)
def test_every_word_of_an_item_finds_it(item: Item) -> None:
    vector = encode_item(item)
    tokens = set(bm25.tokenize(item.searchable_text()))
    if vector is None:
        assert not tokens
        return
    assert len(vector.indices) == len(set(vector.indices)) <= len(tokens)
    assert all(value > 0 for value in vector.values)
    for text in (item.title, item.ocr_text):
        found = match_words(text, item)
        assert found.share == pytest.approx(1.0 if bm25.content_terms(text) else 0.0)
