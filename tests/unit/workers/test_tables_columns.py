"""Which column fills which field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from workers.opening.tables.columns import FIELDS, choose


def test_usual_names_are_understood_and_the_rest_is_metadata() -> None:
    found = choose(["SKU", "Image Path", "Name", "Description", "Keywords", "Price", ""], {})
    assert found.by_field == {
        "key": "SKU",
        "path": "Image Path",
        "title": "Name",
        "text": "Description",
        "tags": "Keywords",
    }
    assert found.metadata == {"Price": "Price"}


def test_chinese_names_are_understood() -> None:
    found = choose(["图片", "标题", "标签", "价格"], {})
    assert found.by_field == {"path": "图片", "title": "标题", "tags": "标签"}
    assert found.metadata == {"价格": "价格"}


def test_an_id_tells_items_apart_and_is_no_key() -> None:
    found = choose(["id", "title"], {})
    assert found.by_field == {"key_column": "id", "title": "title"}
    assert found.metadata == {"id": "id"}
    assert choose(["id", "title"], {"key": "id"}).by_field == {"key": "id", "title": "title"}
    assert choose(["key_column", "title"], {}).metadata == {}


def test_a_name_beside_a_title_names_the_line() -> None:
    assert choose(["name", "title"], {}).by_field == {"title": "title", "name": "name"}


def test_what_is_asked_for_goes_before_the_usual_names() -> None:
    found = choose(["title", "产品", "note", "x"], {"title": "产品", "metadata.remark": "note", "text": "-"})
    assert found.by_field == {"title": "产品"}
    assert found.metadata == {"title": "title", "note": "remark", "x": "x"}


def test_an_address_is_the_picture_unless_pictures_are_named_otherwise() -> None:
    assert choose(["url", "caption"], {}).by_field == {"url": "url", "text": "caption"}
    assert choose(["url", "path"], {}).by_field == {"path": "path", "source_uri": "url"}
    assert choose(["url", "path", "source_uri"], {}).by_field == {"path": "path", "source_uri": "source_uri"}
    assert choose(["url", "path", "source_uri"], {}).metadata == {"url": "url"}
    assert choose(["url", "path"], {"url": "url"}).by_field == {"url": "url", "path": "path"}


def test_a_column_of_bytes_is_the_picture_and_one_of_words_a_path() -> None:
    assert choose(["image", "text"], {}, frozenset({"image"})).by_field == {"image": "image", "text": "text"}
    assert choose(["image", "text"], {}).by_field == {"path": "image", "text": "text"}


@pytest.mark.parametrize(
    ("columns", "asked", "words"),
    [
        (["a", "b"], {}, "The table has: 'a', 'b'."),
        (["title", "title"], {}, "stands there twice"),
        (["title"], {"titel": "title"}, "There is no field 'titel'. Fields are path, url"),
        (["title"], {"title": "Titel"}, "There is no column 'Titel'. The table has: 'title'."),
        ([f"c{number}" for number in range(50)], {}, "'c39' and 10 more."),
        (["title"], {"title": "-"}, "No column names a picture or holds words"),
    ],
)
def test_what_cannot_be_is_explained(columns: list[str], asked: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        choose(columns, asked)
    assert words in raised.value.message


@given(st.lists(st.sampled_from([*FIELDS, "Name", "ID", "x", "图片", "image url"]), unique=True))
def test_no_column_is_lost_and_none_fills_two_fields(columns: list[str]) -> None:
    try:
        found = choose(columns, {})
    except InvalidRequestError:
        return
    assert set(found.by_field.values()) | set(found.metadata) == set(columns)
    assert len(set(found.by_field.values())) == len(found.by_field)
    twice = set(found.by_field.values()) & set(found.metadata)
    assert twice <= {found.by_field.get("key_column")}
