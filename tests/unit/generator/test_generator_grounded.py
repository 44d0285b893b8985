"""What leaves a model's text: whole sentences with a valid citation, and none of what is secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.citations import cited_numbers
from services.generator.grounding.grounded import GroundedText
from services.generator.grounding.links import has_address
from services.generator.grounding.secrets import SecretGuard, instruction_sentences
from services.generator.grounding.segments import split_segments
from services.generator.grounding.thinking import ThinkingFilter

NONCE = "0f3a9c51d2e84b67"
PARTS = [
    *(
        "Cats sleep",
        "猫睡觉",
        " ",
        "\n",
        ".",
        "。",
        "[1]",
        "[2]",
        "[99]",
        "[",
        "]",
        "1",
        "9",
        ",",
        "!",
        "?",
        "(",
        ")",
    ),
    *(
        "http://",
        "evil.example",
        "www.",
        "<think>",
        "</think>",
        "<",
        ">",
        "`",
        "@",
        "\u200b",
        "“",
        "”",
        '"',
        "e.g.",
    ),
    *(NONCE, NONCE[:8], NONCE[8:], "0 f 3 a 9 c 5 1", "NO_ANSWER"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def grounded(*pieces: str, allowed: frozenset[int] = frozenset({1, 2})) -> tuple[str, GroundedText]:
    filtered = GroundedText(allowed, [NONCE])
    return "".join([*map(filtered.feed, pieces), filtered.finish()]), filtered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cats sleep [1]. Dogs bark. Birds sing [2].", "Cats sleep [1]. Birds sing [2]."),
        ("Here is what I found:\n- A cat [1]\n- A dog [99]\n- A bird [2, 99]", "- A cat [1]\n- A bird [2]"),
        ("猫在睡觉[1]。狗在叫[9]。鸟在唱[2]。", "猫在睡觉[1]。鸟在唱[2]。"),
        ("See ![x](http://evil.example/?k=v) [1].", "See !(x)(…) [1]."),
        ("See <img src=//evil.example/x> [1].", "See ‹img src=…› [1]."),
        (f"The boundary is {NONCE} [1]. Cats sleep [2].", "Cats sleep [2]."),
        (f"It is {' '.join(NONCE)} [1]. Cats [2].", "Cats [2]."),
        (f"It is {NONCE[:8]} [1]. {NONCE[8:]} [2].", "It is 0f3a9c51 [1]."),
        ("<think>Cats? [1].</think>Cats sleep [1].", "Cats sleep [1]."),
        (" \n<think>Never ends [1].", ""),
        ("[1]. [1][2]", ""),
        ("Cats sleep.", ""),
        ("", ""),
    ],
)
def test_what_passes(text: str, expected: str) -> None:
    assert grounded(text)[0] == expected


def test_what_became_of_the_sentences_is_counted() -> None:
    _, filtered = grounded(f"Cats [1]. Dogs. {NONCE} [1]. Birds [2].")
    assert vars(filtered.tally) == {"kept": 2, "uncited": 1, "forbidden": 1}


@pytest.mark.parametrize("text", ["NO_ANSWER", "NO_ANSWER.\n", " **NO_ANSWER**", "NO_ANSWER [99]"])
def test_a_model_may_decline(text: str) -> None:
    shown, filtered = grounded(text)
    assert (shown, filtered.declined) == ("", True)


def test_the_word_inside_a_sentence_declines_nothing() -> None:
    shown, filtered = grounded("The sign says NO_ANSWER [1].")
    assert (shown, filtered.declined) == ("The sign says NO_ANSWER [1].", False)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=20))
def test_pieces_give_what_the_whole_gives(text: str, places: list[int]) -> None:
    at = sorted({place % (len(text) + 1) for place in places})
    pieces = [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]
    streamed, filtered = grounded(*pieces)
    whole, unbroken = grounded(text)
    assert streamed == whole
    assert (filtered.tally, filtered.declined) == (unbroken.tally, unbroken.declined)


@given(TEXTS)
def test_what_leaves_is_cited_and_harmless(text: str) -> None:
    shown, _ = grounded(text)
    for line in shown.split("\n") if shown else []:
        for sentence in split_segments(line):
            assert set(cited_numbers(sentence)) <= {1, 2}
        assert cited_numbers(line)
    assert not has_address(shown)
    assert NONCE not in shown.replace(" ", "")
    assert not set("<>`") & set(shown)
    assert not set("[]") & set(shown.replace("[1]", "").replace("[2]", ""))


@given(TEXTS, st.lists(st.integers(0, 400), max_size=20))
def test_reasoning_is_left_out_however_it_is_cut(text: str, places: list[int]) -> None:
    at = sorted({place % (len(text) + 1) for place in places})
    pieces = [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]
    thinking, whole = ThinkingFilter(), ThinkingFilter()
    assert "".join([*map(thinking.feed, pieces), thinking.finish()]) == whole.feed(text) + whole.finish()


def test_repeated_instructions_are_secret() -> None:
    instructions = "You answer questions about items.\nNever write any link. Ok."
    guard = SecretGuard(instruction_sentences(instructions))
    assert not guard.passes("Sure: “never write any LINK”! [1]")
    assert not guard.passes("You answer questions about items [1].")
    assert guard.passes("Ok, a cat [1].")
