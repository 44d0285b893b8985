"""Sentences of a stream: the same ones however the text was cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.grounding.segments import SEGMENT_LIMIT_CHARS, Segmenter, split_segments

TEXTS = st.text(st.sampled_from('ab Z.!?。…\n"“”[1]2, )e.g3'), max_size=60)


def cut_into(text: str, places: list[int]) -> list[str]:
    """`text` in pieces, cut at `places` modulo its length."""
    at = sorted({place % (len(text) + 1) for place in places})
    return [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cats sleep [1]. Dogs bark [2].", ["Cats sleep [1].", " Dogs bark [2]."]),
        ("Cats sleep. [1] Dogs bark.[2]", ["Cats sleep. [1]", " Dogs bark.[2]"]),
        ("猫在睡觉[1]。狗在叫。[2]鸟", ["猫在睡觉[1]。", "狗在叫。[2]", "鸟"]),
        ("It costs 3.50 euros [1]. Yes", ["It costs 3.50 euros [1].", " Yes"]),
        ("Use e.g. a hammer [1].", ["Use e.g. a hammer [1]."]),
        ("Mr. Smith and J. Doe vs. Ann [1]. So", ["Mr. Smith and J. Doe vs. Ann [1].", " So"]),
        ("1. A red dress [1].\n2. A hat [2].", ["1. A red dress [1].", "\n", "2. A hat [2]."]),
        ("He says “One. Two.” [1]. Then", ["He says “One. Two.” [1].", " Then"]),
        ('He says "One. Two." [1]. Then', ['He says "One. Two." [1].', " Then"]),
        ('A 5" nail. A hat [1].', ['A 5" nail.', " A hat [1]."]),
        ("About approx. ten cats [1]. and more", ["About approx. ten cats [1].", " and more"]),
        ("He said so. then left [1].", ["He said so. then left [1]."]),
        ("Really?! Yes [1].", ["Really?!", " Yes [1]."]),
        ("See http://a.example/x.y now [1].", ["See http://a.example/x.y now [1]."]),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert split_segments(text) == expected


@given(TEXTS, st.lists(st.integers(0, 60), max_size=12))
def test_pieces_give_what_the_whole_gives(text: str, places: list[int]) -> None:
    segmenter = Segmenter()
    streamed = [segment for piece in cut_into(text, places) for segment in segmenter.feed(piece)]
    assert [*streamed, *segmenter.finish()] == split_segments(text)


@given(st.text(st.sampled_from('a b.!“"[1] e'), min_size=1, max_size=20), st.integers(1, 400), st.integers(11, 97))
def test_the_same_for_texts_above_the_limit(unit: str, times: int, size: int) -> None:
    text = unit * times
    segmenter = Segmenter()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    streamed = [segment for piece in pieces for segment in segmenter.feed(piece)]
    assert [*streamed, *segmenter.finish()] == split_segments(text)


@given(TEXTS)
def test_nothing_is_lost(text: str) -> None:
    assert "".join(split_segments(text)) == text


def test_what_is_held_back_is_bounded() -> None:
    segments = split_segments("x" * (SEGMENT_LIMIT_CHARS * 3 + 5))
    assert [len(segment) for segment in segments] == [SEGMENT_LIMIT_CHARS] * 3 + [5]
