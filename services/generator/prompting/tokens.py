"""How many tokens a text takes, counted without the model's tokenizer and rather too high than too low."""

from __future__ import annotations

import math
from collections import Counter

_LETTERS_PER_TOKEN = 3
"""English takes 4 to 5 letters a token; names, codes and other languages of Latin script fewer."""
_BLANK_TOKENS = 0.5
"""A blank mostly belongs to the token of the word behind it."""
_WIDE_TOKENS = 1.5
"""A Chinese character takes 0.6 to 1.3 tokens in the vocabularies of today's models."""
_EUROPEAN_TOKENS = 1.0
"""Letters with marks, Greek, Cyrillic."""
_OTHER_TOKENS = 2.0
"""Rarer scripts and emoji fall apart into bytes."""
_FIRST_RARER = "\u0530"
_PATCH_PX = 16
"""The densest pictures of the known open models: a token for each 16 x 16 pixels, one more for each row."""
MESSAGE_TOKENS = 16
"""What a chat template puts around a message."""


def estimated_tokens(text: str) -> int:
    """An upper bound for ordinary text in English, Chinese and code; no bound for text written to defeat it.

    Letters of ASCII count a third, digits and signs one each, Chinese one and a half, rarer scripts two.
    """
    return math.ceil(sum(_weight(character) * times for character, times in Counter(text).items()))


def picture_tokens(side_px: int) -> int:
    """What a square picture takes."""
    patches = math.ceil(side_px / _PATCH_PX)
    return patches * (patches + 1)


def cut_to_tokens(text: str, limit_tokens: int) -> str:
    """The longest beginning of `text` that takes at most `limit_tokens`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if estimated_tokens(text[:middle]) <= limit_tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def _weight(character: str) -> float:
    if character == " ":
        return _BLANK_TOKENS
    if character.isascii():
        return 1 / _LETTERS_PER_TOKEN if character.isalpha() else 1.0
    if character < _FIRST_RARER:
        return _EUROPEAN_TOKENS
    is_wide = "\u2e80" <= character <= "\uffef" or "\U00020000" <= character <= "\U0003ffff"
    return _WIDE_TOKENS if is_wide else _OTHER_TOKENS
