"""Passages: nothing is lost, none is too long, and the order is the text's."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.opening.documents.passages import SMALLEST_LIMIT_TOKENS, Paragraph, Passage, cut
from workers.opening.documents.tokens import count_tokens, shorten

WORDS = st.sampled_from(
    [
        "the",
        "cat",
        "sat",
        "photograph",
        "3.14",
        "foo-bar",
        "红色",
        "连衣裙",
        "x" * 200,
        "1234567890" * 30,
        "e.g.",
        "à",
    ]
)
ENDS = st.sampled_from([" ", ". ", "。", "！", "? ", "\n", ", ", "\n- ", '." '])
TEXTS = st.lists(st.tuples(WORDS, ENDS), max_size=60).map(lambda found: "".join(w + e for w, e in found))
PARAGRAPHS = st.lists(st.builds(Paragraph, TEXTS, st.booleans()), max_size=6)
LIMITS = st.integers(SMALLEST_LIMIT_TOKENS, 120)


def passages(text: str, limit: int) -> list[Passage]:
    return list(cut([Paragraph(part) for part in text.split("\n\n")], limit))


@given(PARAGRAPHS, LIMITS)
def test_every_character_that_is_printed_is_in_a_passage(paragraphs: list[Paragraph], limit: int) -> None:
    covered: set[tuple[int, int]] = set()
    for passage in cut(paragraphs, limit):
        for piece in passage.pieces:
            covered.update((piece.paragraph, place) for place in range(piece.start, piece.end))
    for number, paragraph in enumerate(paragraphs):
        for place, character in enumerate(paragraph.text):
            assert character.isspace() or (number, place) in covered


@given(PARAGRAPHS, LIMITS)
def test_no_passage_is_longer_than_the_limit_or_empty(paragraphs: list[Paragraph], limit: int) -> None:
    for passage in cut(paragraphs, limit):
        assert 0 < count_tokens(passage.text) <= limit
        assert passage.text.strip()


@given(PARAGRAPHS, LIMITS)
def test_passages_come_in_the_order_of_the_text_and_say_where_they_stand(
    paragraphs: list[Paragraph], limit: int
) -> None:
    found = list(cut(paragraphs, limit))
    for passage in found:
        parts = [paragraphs[piece.paragraph].text[piece.start : piece.end] for piece in passage.pieces]
        assert "\n\n".join(parts) == passage.text
        assert [piece.paragraph for piece in passage.pieces] == sorted({each.paragraph for each in passage.pieces})
    starts = [(passage.pieces[0].paragraph, passage.pieces[0].start) for passage in found]
    assert starts == sorted(set(starts))


@given(TEXTS, LIMITS)
def test_only_words_of_a_sentence_that_is_too_long_are_repeated(text: str, limit: int) -> None:
    found = list(cut([Paragraph(text)], limit))
    for before, after in pairwise(found):
        shared = before.pieces[-1].end - after.pieces[0].start
        if shared > 0:
            assert count_tokens(text[after.pieces[0].start : before.pieces[-1].end]) <= limit // 8
            sentence = text[before.pieces[0].start : after.pieces[-1].end]
            assert count_tokens(sentence) > limit


def test_short_paragraphs_share_a_passage_and_a_long_one_begins_its_own() -> None:
    short, long = "One two three.", "Four five six seven eight nine ten."
    found = passages(f"{short}\n\n{short}\n\n{long}", 12)
    assert [passage.text for passage in found] == [f"{short}\n\n{short}", long]


def test_a_passage_ends_with_a_sentence() -> None:
    sentences = [f"This is sentence number {number} of them." for number in range(9)]
    found = passages(" ".join(sentences), 30)
    assert len(found) > 2
    assert all(passage.text.endswith(".") for passage in found)
    assert Counter(" ".join(passage.text for passage in found).split()) == Counter(" ".join(sentences).split())


def test_chinese_sentences_end_without_a_space() -> None:
    found = passages("北京是首都。上海是港口！「你好吗？」他问。", 8)
    assert [passage.text for passage in found] == ["北京是首都。", "上海是港口！", "「你好吗？」", "他问。"]


def test_a_list_is_cut_between_its_entries() -> None:
    entries = [f"- entry {number} without an end" for number in range(6)]
    found = passages("\n".join(entries), 20)
    assert all(line in entries for passage in found for line in passage.text.splitlines())


def test_a_cut_sentence_is_repeated_a_little() -> None:
    words = [f"w{number:02d}" for number in range(100)]
    found = passages(" ".join(words), 24)
    first, second = found[0].text.split(), found[1].text.split()
    assert 0 < len(set(first) & set(second)) <= 3
    assert list(dict.fromkeys(" ".join(passage.text for passage in found).split())) == words


def test_code_is_cut_between_lines_and_keeps_its_indent() -> None:
    code = "def f():\n" + "\n".join(f"    step_{number}(x)" for number in range(20))
    found = list(cut([Paragraph(code, verbatim=True)], 40))
    assert len(found) > 1
    assert "\n".join(passage.text for passage in found) == code


@given(TEXTS, st.integers(2, 50))
def test_a_shortened_text_fits_and_is_the_beginning(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert count_tokens(short) <= limit
    assert text.startswith(short.removesuffix("…"))


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a cat, 2024", 7), ("photograph", 3), ("红色 dress", 4)])
def test_what_counts_as_a_token(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens
