"""Lists of URLs: what counts as one, and places in them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import UrlError
from services.common.jobs.records import ManifestLine
from workers.sources.source import Listed
from workers.sources.url_list import UrlCursor, entries, shown


def urls(data: bytes, at: int = 0) -> list[str]:
    return [entry.url for entry in entries(io.BytesIO(data), at)]


def test_a_line_is_a_url_unless_it_is_empty_or_a_remark() -> None:
    text = "\ufeffhttps://a.b/1\r\n\n  # more\n\t https://a.b/2 \n#\nhttps://a.b/写\nlast"
    assert urls(text.encode()) == ["https://a.b/1", "https://a.b/2", "https://a.b/写", "last"]
    assert urls(b"") == []
    assert urls(b"\n\n") == []


def test_a_line_without_end_is_one_url_that_is_too_long() -> None:
    found = urls(b"http://a.b/" + b"x" * 100_000 + b"\nhttps://a.b/2\n")
    assert found[1:] == ["https://a.b/2"]
    assert 4096 < len(found[0]) < 100_000


def test_bytes_that_are_no_text_are_told_and_not_fetched() -> None:
    (entry,) = entries(io.BytesIO(b"http://a.b/\xff\n"), 0)
    listed = entry.failed(UrlError("No URL."))
    assert listed.line == ManifestLine("http://a.b/\\udcff")
    listed.line.name.encode()


def test_what_failed_can_be_tried_again() -> None:
    (entry,) = entries(io.BytesIO(b"HTTP://A.b/x#y\n"), 0)
    listed = entry.failed(UrlError("Not there."))
    assert listed.line == ManifestLine("HTTP://A.b/x#y", url="http://a.b/x", source_uri="http://a.b/x")


@given(st.lists(st.sampled_from(["https://a.b/1", "x" * 30_000, "", "# no", "https://a.b/ü"]), max_size=8))
def test_a_list_is_read_on_from_behind_any_of_its_urls(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    whole = list(entries(io.BytesIO(data), 0))
    for number, entry in enumerate(whole):
        done = UrlCursor.parse(entry.listed(ManifestLine("x")).cursor)
        assert done.inner is None
        assert list(entries(io.BytesIO(data), done.at)) == whole[number + 1 :]
        inside = UrlCursor.parse(entry.inside(Listed(ManifestLine("x"), '{"page":3}')).cursor)
        assert inside.inner == '{"page":3}'
        assert next(entries(io.BytesIO(data), inside.at)) == entry


def test_the_beginning_is_no_cursor() -> None:
    assert UrlCursor.parse("") == UrlCursor(0)


@pytest.mark.parametrize("url", ["https://a.b/", "写" * 600, "\udcff"])
def test_names_are_text_of_a_length(url: str) -> None:
    assert len(shown(url)) <= 512
    shown(url).encode()
