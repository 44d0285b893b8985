"""Which URLs of object storage jobs may read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ForbiddenError, ImageragError, InvalidRequestError
from services.common.jobs.prefixes import allowed_url, parse_prefixes
from workers.settings import WorkersSettings

PREFIXES = ("s3://shop/photos", "gs://other")


@pytest.mark.parametrize("text", ["s3://shop/photos, gs://other/", '["s3://shop/photos/", "gs://other"]'])
def test_a_setting_is_a_list_of_urls(text: str) -> None:
    assert parse_prefixes(text) == PREFIXES
    assert parse_prefixes("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "memory://x",
        "file:///data",
        "local://x",
        "http://host/x",
        "simplecache::s3://b",
        "zip://a::s3://b",
        "s3://",
        "shop/photos",
        "s3://b/../c",
        "s3://b/*",
        "s3://key:secret@b",
        "s3:///b",
        "sftp://host/x",
        "S3://b",
    ],
)
def test_a_setting_that_leads_elsewhere_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="not the URL of a bucket"):
        parse_prefixes(text)
    monkeypatch.setenv("IMAGERAG_SOURCE_PREFIXES", text)
    with pytest.raises(ValueError, match="not the URL of a bucket"):
        WorkersSettings()


@pytest.mark.parametrize(
    "url", ["s3://shop/photos", "s3://shop/photos/", "s3://shop/photos/2024/x", "gs://other/x"]
)
def test_what_lies_below_an_allowed_url_is_allowed(url: str) -> None:
    assert allowed_url(url, PREFIXES) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://shop", ForbiddenError),
        ("s3://shop/photos-private", ForbiddenError),
        ("s3://shop2/photos", ForbiddenError),
        ("s3://other", ForbiddenError),
        ("memory://shop/photos", ForbiddenError),
        ("s3://shop/photos/../private", InvalidRequestError),
        ("s3://shop/photos//x", InvalidRequestError),
        ("s3://shop/photos/%2e%2e/private", InvalidRequestError),
        ("s3://shop/photos?x", InvalidRequestError),
        ("s3://shop/photos::file:///etc", InvalidRequestError),
        ("simplecache::s3://shop/photos", InvalidRequestError),
        ("s3://key:secret@shop/photos", InvalidRequestError),
        ("s3://shop/photos/a\0b", InvalidRequestError),
        ("/etc", InvalidRequestError),
        ("", InvalidRequestError),
    ],
)
def test_anything_else_is_refused(url: str, error: type[ImageragError]) -> None:
    with pytest.raises(error):
        allowed_url(url, PREFIXES)


def test_nothing_is_allowed_until_it_is_set() -> None:
    assert WorkersSettings().source_prefixes == ()
    with pytest.raises(ForbiddenError, match="IMAGERAG_SOURCE_PREFIXES"):
        allowed_url("s3://shop/photos", ())


@given(st.text(max_size=30))
def test_whatever_is_allowed_stays_below_its_prefix(tail: str) -> None:
    try:
        url = allowed_url(f"s3://shop/photos{tail}", PREFIXES)
    except ImageragError:
        return
    assert url == "s3://shop/photos" or url.startswith("s3://shop/photos/")
    assert ".." not in url.split("/")
