"""Whatever a vision model writes is read as a caption or as nothing, and never as more than a caption holds."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.domain import Caption
from workers.enrich.captions import reading
from workers.enrich.captions.loose_json import find_object, without_thoughts
from workers.enrich.captions.reading import read_caption

CAPTION = Caption(
    brief="A cat sleeps on a red chair.",
    detailed="A tabby cat sleeps on a red chair. Light falls in from the left.",
    keywords=("cat", "chair", "sleep"),
    text_content="ROOM 12\nquiet please",
    data_points=("2023: 41 %", "2024: 44 %"),
    model="m",
)
ANSWER = json.dumps(
    {
        "brief": CAPTION.brief,
        "detailed": CAPTION.detailed,
        "keywords": list(CAPTION.keywords),
        "text_content": CAPTION.text_content,
        "data_points": list(CAPTION.data_points),
    }
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        f"```json\n{ANSWER}\n```",
        f"Here is the description you asked for:\n{ANSWER}\nI hope it helps.",
        f"<think>The user wants {{JSON}}. A cat?</think>\n{ANSWER}",
        f'{{"note": "no caption"}} {ANSWER}',
        json.dumps(json.loads(ANSWER) | {"confidence": 0.9}),
        ANSWER.replace("\\n", "\n"),
    ],
    ids=["plain", "fenced", "talkative", "thinking", "second object", "more fields", "raw line breaks"],
)
def test_a_caption_is_found_whatever_stands_around_it(answer: str) -> None:
    assert read_caption(answer, "m") == CAPTION


@settings(deadline=None)
@given(st.integers(0, len(ANSWER)))
def test_an_answer_that_breaks_off_counts_as_far_as_it_goes(length: int) -> None:
    caption = read_caption(ANSWER[:length], "m")
    if caption is None:
        assert length < len('{"brief": "A')
        return
    assert CAPTION.brief.startswith(caption.brief.removesuffix("…"))
    assert CAPTION.detailed.startswith(caption.detailed)
    assert CAPTION.text_content.startswith(caption.text_content)
    for known, found in ((CAPTION.keywords, caption.keywords), (CAPTION.data_points, caption.data_points)):
        assert found[:-1] == known[: max(len(found) - 1, 0)]
        assert all(known[len(found) - 1].startswith(found[-1]) for _ in found[-1:])


@pytest.mark.parametrize(
    "answer", ["", " \n", "{}", "[]", "{", '{"brief": ""}', '{"brief": null}', "```\n```", "...", "<think>a cat"]
)
def test_no_description_is_no_caption(answer: str) -> None:
    assert read_caption(answer, "m") is None


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot describe this image.",
        "Sorry, this picture shows a person.",
        "抱歉，我无法描述这张图片。",
        '{"brief": "I am unable to describe people.", "keywords": []}',
    ],
)
def test_a_model_that_declines_has_described_nothing(answer: str) -> None:
    assert read_caption(answer, "m") is None


def test_prose_is_a_description_too() -> None:
    caption = read_caption("A cat sleeps on a chair. It is red.", "m")
    assert caption == Caption("A cat sleeps on a chair.", "A cat sleeps on a chair. It is red.", model="m")
    chinese = read_caption("一只猫睡在椅子上。椅子是红色的。", "m")
    assert chinese is not None
    assert chinese.brief == "一只猫睡在椅子上。"


def test_fields_of_other_types_are_read_as_they_are_meant() -> None:
    answer = {
        "brief": ["A chart."],
        "keywords": "chart, bars; 图表、year",
        "text_content": None,
        "data_points": {"2023": 41, "2024": {"share": "44 %"}},
    }
    caption = read_caption(json.dumps(answer), "m")
    assert caption == Caption(
        "A chart.",
        keywords=("chart", "bars", "图表", "year"),
        data_points=("2023: 41", "2024: share: 44 %"),
        model="m",
    )


def test_what_acts_on_a_reader_is_taken_out() -> None:
    caption = read_caption(
        json.dumps({"brief": "a\u202ecat\u200b \x1b[31mred\u2028x", "keywords": ["a\x00b"]}), "m"
    )
    assert caption is not None
    assert (caption.brief, caption.keywords) == ("a cat [31mred x", ("a b",))


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("brief", "detailed", "keywords", "text_content", "data_points"), ANY_JSON)
    )
)
def test_every_field_keeps_its_bounds(fields: dict[str, Any]) -> None:
    caption = read_caption(json.dumps(fields), "m")
    if caption is None:
        return
    assert caption.brief
    _check_bounds(caption)


@settings(deadline=None)
@given(st.text(max_size=400) | st.text('{}[]",:\\ abrief', max_size=200))
def test_nothing_that_a_model_writes_fails(answer: str) -> None:
    caption = read_caption(answer, "m")
    if caption is not None:
        _check_bounds(caption)


def _check_bounds(caption: Caption) -> None:
    assert len(caption.brief) <= reading.BRIEF_CHARS
    assert len(caption.detailed) <= reading.DETAILED_CHARS
    assert len(caption.text_content) <= reading.TEXT_CHARS
    assert len(caption.keywords) <= reading.KEYWORDS
    assert len(set(caption.keywords)) == len(caption.keywords)
    assert len(caption.data_points) <= reading.DATA_POINTS
    texts = [caption.brief, caption.detailed, *caption.text_content.split("\n"), *caption.keywords]
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Zl"} for text in texts for letter in text)


def test_long_answers_are_cut() -> None:
    caption = read_caption(json.dumps({"brief": "word " * 200, "keywords": [str(n) for n in range(99)]}), "m")
    assert caption is not None
    assert caption.brief.endswith("…")
    _check_bounds(caption)


@pytest.mark.parametrize("text", ["[" * 50_000, '{"brief":' * 5_000, "{" * 20_000, '{"brief": "' + "\\" * 20_000])
def test_hostile_nesting_ends_quickly(text: str) -> None:
    assert read_caption(text, "m") is None


def test_an_object_needs_a_known_field() -> None:
    assert find_object('{"a": 1} {"b": 2}', frozenset({"b"})) == {"b": 2}
    assert find_object('{"a": {"b": 2}}', frozenset({"b"})) == {"b": 2}
    assert find_object('{"a": 1}', frozenset({"b"})) is None


def test_thoughts_go() -> None:
    assert without_thoughts("<think>x</think> y") == " y"
    assert without_thoughts("y <think>x</think>") == "y <think>x</think>"
