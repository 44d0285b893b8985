"""The sources that an extractive answer is built on."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.common.answer import Source
from services.common.domain import Item, ItemKind, Media
from services.generator.selection import supporting

MEDIA = Media("0" * 64, "image/jpeg", 10, 10)


def source(number: int, text: str) -> Source:
    item = Item(
        f"id-{number}", "default", ItemKind.IMAGE, 1, datetime.now(UTC), title="x.jpg", text=text, media=MEDIA
    )
    return Source(number, item, relevant=True, score=1.0)


def chosen(question: str, *texts: str) -> list[int]:
    sources = [source(number, text) for number, text in enumerate(texts, 1)]
    return [entry.number for entry in supporting(question, sources)]


def test_a_text_that_shares_one_common_character_is_left_out() -> None:
    assert chosen("火箭在哪里？", "猎鹰九号火箭矗立在发射台上", "红色摩托车停在车库里", "A clock") == [1]


def test_texts_that_share_as_much_stay_together() -> None:
    assert chosen("red dress", "A red dress.", "A dress in red.", "A blue car.") == [1, 2]


def test_a_picture_without_text_stays() -> None:
    assert chosen("red dress", "A red dress.", "", "A blue car.") == [1, 2]


def test_without_a_shared_word_all_stay() -> None:
    assert chosen("cat", "虎斑猫", "黑猫") == [1, 2]


@given(st.text(max_size=20), st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_something_always_stays_in_order(question: str, texts: list[str]) -> None:
    found = chosen(question, *texts)
    assert found
    assert found == sorted(found)
