"""No address survives: neither as markup nor bare, hidden or in other letters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.grounding.grounded import clean
from services.generator.grounding.links import has_address, without_addresses

PARTS = [
    *(
        "http",
        "https",
        ":",
        "/",
        "//",
        "://",
        "www.",
        "evil",
        "example",
        ".com",
        ".example",
        "@",
        "data:",
        "mailto:",
    ),
    *(
        "javascript:",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "![",
        "](",
        "1",
        "9",
        " ",
        ".",
        "?",
        "#",
        "xn--",
        "\\",
        "\n",
        "-",
    ),
    *("\u200b", "\u00ad", "\u202e", "：", "／", "．", "&#x68;", "`", "x", "猫", "。", "_", "%2f", "ſ"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=24).map("".join)
ADDRESSES = [
    "http://evil.example/?q=1",
    "HTTPS://EVIL.EXAMPLE",
    "hTTp:/\\evil.example",
    "https: //evil.example/x",
    "ftp://evil.example",
    "//evil.example/x.png",
    "www.evil.example",
    "evil.example/collect?k=v",
    "evil.com",
    "sub.evil.io:8080/x",
    "strange.zip/x",
    "10.0.0.1:8080/x",
    "a@evil.example",
    "mailto:a@evil.example",
    "data:text/html;base64,PHNjcmlwdD4=",
    "javascript:alert(1)",
    "ｈｔｔｐ：／／ｅｖｉｌ．ｃｏｍ",
    "http\u200b://evil.exam\u00adple",
    "h\u202ettp://evil.example",
    "xn--80ak6aa92e.com",
    "例子.com/x",
    "http://[::1]/x",
]
FRAMES = [
    "{}",
    "See {} now.",
    "[click]({})",
    "![x]({})",
    "<a href='{}'>x</a>",
    '<img src="{}">',
    "<{}>",
    "[x]: {}",
    "`{}`",
    "猫{}猫",
    "({})",
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_taken_out(address: str, frame: str) -> None:
    written = clean(frame.format(address) + " [1]", {1})
    assert written.endswith("[1]")
    assert not has_address(written)
    for trace in ("evil", "http", "base64", "alert", "://", "80ak6aa92e", "<", "](", "`", "::1"):
        assert trace not in written.casefold()


@pytest.mark.parametrize(
    "text",
    [
        "The cat sleeps at 3.50 euros, see cat.jpg and clip.mov (page 2/3) [1].",
        "Mr. Smith: a ratio of 16:9, 50% and C++ & AT&T, and/or e.g. this [1].",
        "价格是300元，尺寸：10×20厘米[1]。",
        "AM4 board, v1.2.3, Node.js, 2024-01-31 12:30 [1].",
        "About: time. Data: none. File: yes [1].",
        "“Cats sleep.” [1].",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert clean(text, {1}) == text


@given(TEXTS)
def test_nothing_that_acts_is_left(text: str) -> None:
    written = clean(text, {1})
    assert not has_address(written)
    assert not set("<>`\n") & set(written)
    assert not set("[]") & set(written.replace("[1]", ""))


@given(TEXTS)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text, {1})
    assert clean(once, {1}) == once


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_can_be_cleaned(text: str) -> None:
    assert not has_address(clean(text, {1}))


@pytest.mark.parametrize(
    "unit", ["a", "a.", "a-", "1.", ":", "/", "@", "a@", "www.", "http:", "[", "&#", " /", "-."]
)
def test_a_long_text_is_cleaned_in_bounded_time(unit: str) -> None:
    text = unit * (1_200 // len(unit))
    began = time.perf_counter()
    without_addresses(text)
    clean(text, {1})
    assert time.perf_counter() - began < 0.5
