"""The filter language: what it says, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from services.common.errors import InvalidFilterError
from services.common.index.filters import MAX_DEPTH, MAX_TERMS, field_path, parse_filter


def _only(condition: models.Filter | None) -> Any:
    assert condition is not None
    assert isinstance(condition.must, list)
    (part,) = condition.must
    return part


def test_an_empty_filter_is_none() -> None:
    assert parse_filter({}) is None
    assert parse_filter(None) is None


def test_text_is_matched_and_own_fields_are_not_metadata() -> None:
    assert _only(parse_filter({"category": "dress"})).key == "metadata.category"
    assert _only(parse_filter({"metadata.category": "dress"})).key == "metadata.category"
    assert _only(parse_filter({"tags": "red"})).key == "tags"
    assert _only(parse_filter({"labels": "cat"})).key == "labels"
    assert _only(parse_filter({"incomplete": "captions"})).key == "incomplete"


def test_a_number_is_found_whether_it_was_stored_as_300_or_300_0() -> None:
    part = _only(parse_filter({"price": 300}))
    assert part.match is None
    assert (part.range.gte, part.range.lte) == (300.0, 300.0)


def test_true_is_not_one() -> None:
    assert _only(parse_filter({"sold": True})).match == models.MatchValue(value=True)


def test_bounds_of_numbers_and_dates() -> None:
    (number,) = _only(parse_filter({"price": {"gt": 1, "lte": 300}})).must
    assert (number.range.gt, number.range.lte) == (1.0, 300.0)
    (date,) = _only(parse_filter({"ingested_at": {"gte": "2026-01-31"}})).must
    assert isinstance(date.range, models.DatetimeRange)


def test_an_empty_list_never_reaches_the_store_as_an_empty_should() -> None:
    with pytest.raises(InvalidFilterError, match="at least one"):
        parse_filter({"or": []})
    with pytest.raises(InvalidFilterError):
        parse_filter({"tags": {"any": []}})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"price": {"lt": "300", "gt": 3}}, "not mixed"),
        ({"price": {"below": 3}}, 'unknown operator "below"'),
        ({"price": {}}, "no operator"),
        ({"price": [1, 2]}, "list"),
        ({"price": None}, "NoneType"),
        ({"price": float("nan")}, "not finite"),
        ({"price": {"lte": 10**400}}, "not finite"),
        ({"price": {"lte": True}}, "numbers"),
        ({"when": {"gte": "yesterday"}}, "ISO 8601"),
        ({"tags": {"exists": "yes"}}, "true or false"),
        ({"not": ["x"]}, "JSON object"),
        ({"tags": {"any": ["x"] * 1001}}, "1 to 1000"),
        ({"tenant": "other"}, "not a field"),
        ({"deleted": True}, "not a field"),
        ({"metadata.tenant": "other"}, "not a field"),
    ],
)
def test_what_is_refused_says_why(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidFilterError, match=says):
        parse_filter(bad)


def test_depth_and_terms_are_bounded() -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH + 1):
        deep = {"not": deep}
    with pytest.raises(InvalidFilterError, match="deep"):
        parse_filter(deep)
    with pytest.raises(InvalidFilterError, match="terms"):
        parse_filter({f"field{number}": 1 for number in range(MAX_TERMS + 1)})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["a", "tags", "and", "or", "not", "tenant", "price", ""]), _json, max_size=4)
)
def test_any_json_gives_a_filter_or_a_typed_error(condition: dict[str, Any]) -> None:
    try:
        parsed = parse_filter(condition)
    except InvalidFilterError:
        return
    assert (parsed is None) == (not condition)
    if parsed is not None:
        models.Filter.model_validate_json(parsed.model_dump_json(exclude_none=True))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("colour", "metadata.colour"),
        ("a.b-c_d", "metadata.a.b-c_d"),
        ("shoe size", 'metadata."shoe size"'),
        ("颜色.深", 'metadata."颜色"."深"'),
        ("S\t", 'metadata."S\t"'),
    ],
)
def test_odd_names_are_quoted(name: str, path: str) -> None:
    assert field_path(name) == field_path(f"metadata.{name}") == path


@pytest.mark.parametrize("name", ["", "metadata.", "tenant", "a[]", 'a"b', "a..b", ".a", "a.", "x" * 201])
def test_field_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidFilterError):
        field_path(name)
