"""The tokenizer of the random model."""

from __future__ import annotations

from itertools import pairwise

from benchmarks.model import whole_words
from benchmarks.words import WORDS


def merged(word: str, merges: list[str]) -> list[str]:
    """Byte-pair encoding by its definition: the earliest merge first, as often as it applies."""
    parts = [*word[:-1], f"{word[-1]}</w>"]
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
    while True:
        pairs = [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]
        if not pairs:
            return parts
        at = min(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def test_every_word_is_one_token() -> None:
    vocabulary, merges = whole_words(WORDS)
    for word in WORDS:
        assert merged(word, merges) == [f"{word}</w>"]
        assert f"{word}</w>" in vocabulary
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_other_words_still_have_tokens() -> None:
    vocabulary, merges = whole_words(WORDS)
    assert all(part in vocabulary for part in merged("xylophone-12", merges))
