from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import LegName
from services.common.errors import InvalidRequestError
from services.gateway.schemas.answers import AskRequest
from services.gateway.schemas.base import parse
from services.gateway.schemas.items import ItemDraft
from services.gateway.schemas.jobs import JobItem, JobRequest
from services.gateway.schemas.search import SearchRequest


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (SearchRequest, {"text": "x", "limit": 10**9}),
        (SearchRequest, {"text": "x", "limit": 0}),
        (SearchRequest, {"text": "x", "limit": "10"}),
        (SearchRequest, {"text": "x", "limit": 1.5}),
        (SearchRequest, {"text": "x", "limt": 1}),
        (SearchRequest, {"text": "x" * 2001}),
        (SearchRequest, {"text": "x", "legs": {"pixels": 1.0}}),
        (SearchRequest, {"text": "x", "legs": {"image": -1}}),
        (SearchRequest, {"text": "x", "legs": {"image": 1e999}}),
        (SearchRequest, {"text": "x", "rrf_k": -1}),
        (SearchRequest, {"text": "x", "filter": []}),
        (SearchRequest, {"text": None}),
        (AskRequest, {"question": "x", "language": "not a language"}),
        (ItemDraft, {"tags": "red"}),
        (ItemDraft, {"tags": [""]}),
        (ItemDraft, {"metadata": {"x": "y" * 70_000}}),
        (ItemDraft, {"key": "k" * 513}),
        (JobItem, {"sha256": "../../etc/passwd"}),
        (JobItem, {"sha256": "A" * 64}),
        (JobItem, {"sha256": "a" * 64 + "\n"}),
        (JobRequest, {"items": []}),
        (JobRequest, {"source": {"type": "url", "path": "http://127.0.0.1/"}}),
        (JobRequest, "text"),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, value: Any) -> None:
    with pytest.raises(RequestValidationError):
        parse(model, value)


def test_a_query_needs_something_to_look_for() -> None:
    asked = parse(SearchRequest, {"text": "  "})
    with pytest.raises(InvalidRequestError, match="nothing to look for"):
        asked.to_query("default", asked.text, None)
    assert asked.to_query("default", asked.text, b"picture").image == b"picture"


def test_options_reach_the_query() -> None:
    asked = parse(
        SearchRequest,
        {"text": " a cat ", "limit": 3, "legs": {"image": 1, "bm25": 0.5}, "rrf_k": 10, "filter": {"a": 1}},
    )
    query = asked.to_query("shop", asked.text, None)
    assert (query.tenant, query.text, query.limit, query.rrf_k) == ("shop", "a cat", 3, 10)
    assert query.legs == {LegName.IMAGE: 1, LegName.BM25: 0.5}
    assert query.filter == {"a": 1}


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=8), max_size=3))
def test_a_line_carries_what_the_draft_says(title: str, tags: list[str]) -> None:
    line = ItemDraft(title=title, tags=tags, metadata={"n": 1}).to_line("name", "a" * 64)
    assert line.source_uri == "name"
    assert (line.title, line.tags, line.metadata, line.name) == (title, tuple(tags), {"n": 1}, "name")
