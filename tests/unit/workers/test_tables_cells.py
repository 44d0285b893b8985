"""What cells become."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.opening.tables.cells import CellError, fields_of, to_json, typed_cell
from workers.opening.tables.columns import Columns


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("299", 299),
        ("-3", -3),
        ("0", 0),
        ("2.50", 2.5),
        ("true", True),
        ("FALSE", False),
        ("007", "007"),
        ("1e5", "1e5"),
        ("-0", "-0"),
        ("1,5", "1,5"),
        ("4006381333931", 4006381333931),
        ("1234567890123456", "1234567890123456"),
        (" 3", " 3"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_only_what_is_plainly_a_number_is_one(text: str, value: object) -> None:
    found = typed_cell(text)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(10**14), 10**14) | st.booleans())
def test_what_a_program_writes_is_read_back(value: int | bool) -> None:
    assert typed_cell(str(value)) == value


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("red, summer", ["red", "summer"]),
        ("red dress|summer, hot", ["red dress", "summer, hot"]),
        ('["a,b", "c"]', ["a,b", "c"]),
        ("红色、连衣裙", ["红色", "连衣裙"]),
        ("one", ["one"]),
        (",,", []),
        (["a", None, " b "], ["a", "b"]),
        ([1, 2], ["1", "2"]),
    ],
)
def test_tags_in_every_usual_writing(cell: Any, tags: list[str]) -> None:
    assert fields_of({"t": cell}, Columns({"tags": "t"})) == {"tags": tags}


def test_a_row_becomes_fields_and_metadata() -> None:
    columns = Columns(
        {"title": "t", "page": "p", "timestamp_s": "s", "metadata": "m", "text": "empty"},
        {"price": "price", "gone": "gone", "raw": "raw", "empty": "empty"},
    )
    cells = {
        "t": 12,
        "p": "4",
        "s": 1,
        "m": '{"a": [1]}',
        "price": Decimal("2.50"),
        "gone": float("nan"),
        "raw": b"\xff",
        "empty": "",
    }
    assert fields_of(cells, columns) == {
        "title": "12",
        "position": {"page": 4, "timestamp_s": 1.0},
        "metadata": {"price": 2.5, "a": [1]},
    }


@pytest.mark.parametrize(
    ("place", "cell", "words"),
    [
        ("title", ["a"], "a list"),
        ("title", True, "true or false"),
        ("title", b"x", "bytes"),
        ("page", "four", "whole number"),
        ("page", 1.5, "whole number"),
        ("timestamp_s", "soon", "A number"),
        ("metadata", "red", "no JSON"),
        ("metadata", "[1]", "JSON object"),
        ("metadata", "[" * 100_000, "no JSON"),
        ("tags", "[1", "no JSON"),
        ("tags", {"a": 1}, "Tags are a list"),
    ],
)
def test_a_cell_that_does_not_fit_names_its_column(place: str, cell: Any, words: str) -> None:
    with pytest.raises(CellError) as raised:
        fields_of({"the column": cell}, Columns({place: "the column"}))
    assert raised.value.message.startswith("column 'the column': ")
    assert words in raised.value.message


def test_too_deep_a_value_names_its_column() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(CellError, match="nested"):
        fields_of({"d": deep}, Columns({}, {"d": "d"}))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (timedelta(minutes=1), 60.0),
        (Decimal("3"), 3),
        (Decimal("1e400"), None),
        (2**64, str(2**64)),
        (float("inf"), None),
        ({1: (2, b"x")}, {"1": [2, None]}),
    ],
)
def test_values_become_json(value: Any, plain: Any) -> None:
    assert to_json(value) == plain


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES)
def test_every_value_is_json_in_the_end(value: Any) -> None:
    json.dumps(to_json(value), allow_nan=False)
