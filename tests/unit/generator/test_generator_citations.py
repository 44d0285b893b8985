"""Only allowed citations survive, whole or in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.citations import CitationFilter, checked, cited_numbers, cut

# Brackets, digits, commas and blanks dense enough that nested and broken citations appear by themselves.
TEXTS = st.text(st.sampled_from("[][] 0123,,ab.\n！"), max_size=40)
ALLOWED = st.sets(st.integers(0, 30), max_size=6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat [1].", "A cat [1]."),
        ("A dog [7].", "A dog."),
        ("Both [1, 7].", "Both [1]."),
        ("Both [2,1].", "Both [2][1]."),
        ("Twice [1, 1].", "Twice [1]."),
        ("Zero [0]", "Zero"),
        ("[01]", "[1]"),
        ("[[9]1]", "(1)"),
        ("[x](http://a)", "(x)(http://a)"),
        ("![1](http://a)", "![1](http://a)"),
        (f"[{'9' * 5000}]", ""),
        ("", ""),
    ],
)
def test_what_becomes_of_a_citation(text: str, expected: str) -> None:
    assert checked(text, {1, 2}) == expected


@given(TEXTS, ALLOWED)
def test_only_allowed_numbers_stay(text: str, allowed: set[int]) -> None:
    assert set(cited_numbers(checked(text, allowed))) <= allowed


@given(TEXTS, ALLOWED)
def test_checking_twice_changes_nothing(text: str, allowed: set[int]) -> None:
    once = checked(text, allowed)
    assert checked(once, allowed) == once


@given(TEXTS, ALLOWED)
def test_every_bracket_left_belongs_to_a_citation(text: str, allowed: set[int]) -> None:
    without = checked(text, allowed)
    for number in allowed:
        without = without.replace(f"[{number}]", "")
    assert not set("[]") & set(without)


@given(st.text(st.characters(exclude_characters="[]")), ALLOWED)
def test_text_without_brackets_is_left_alone(text: str, allowed: set[int]) -> None:
    assert checked(text, allowed) == text


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_allowed_citations_are_found_in_order(numbers: list[int]) -> None:
    text = " ".join(f"word [{number}]." for number in numbers)
    assert checked(text, set(numbers)) == text
    assert cited_numbers(text) == tuple(dict.fromkeys(numbers))


@given(st.lists(TEXTS, max_size=8), ALLOWED)
def test_pieces_give_what_the_whole_gives(pieces: list[str], allowed: set[int]) -> None:
    citations = CitationFilter(allowed)
    streamed = "".join([citations.feed(piece) for piece in pieces] + [citations.finish()])
    assert streamed == checked("".join(pieces), allowed)


@given(TEXTS, ALLOWED, st.integers(0, 40))
def test_a_cut_text_is_a_checked_prefix(text: str, allowed: set[int], limit: int) -> None:
    whole = checked(text, allowed)
    kept = cut(whole, limit)
    assert whole.startswith(kept)
    assert len(kept) <= limit or kept == whole
    assert checked(kept, allowed) == kept
