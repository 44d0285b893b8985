"""How many tokens a text takes, counted without the model's tokenizer and rather too high than too low."""

from __future__ import annotations

import math

_LETTERS_PER_TOKEN = 3
"""English takes 4 to 5 letters a token; names, codes and other languages of Latin script fewer."""
_WIDE_TOKENS = 1.5
"""A Chinese character takes 0.6 to 1.3 tokens in the vocabularies of today's models."""
_OTHER_TOKENS = 2.0
"""Rare scripts and emoji fall apart into bytes."""
_PATCH_PX = 16
"""The densest pictures of the known open models: a token for each 16 x 16 pixels, one more for each row."""
MESSAGE_TOKENS = 16
"""What a chat template puts around a message."""


def estimated_tokens(text: str) -> int:
    """An upper bound for ordinary text in English, Chinese and code; no bound for text written to defeat it.

    Letters of ASCII count a third, digits and signs one each, Chinese one and a half, all else two.
    """
    letters = sum(character.isascii() and character.isalpha() for character in text)
    blanks = text.count(" ")
    ascii_others = sum(map(str.isascii, text)) - letters - blanks
    wide = sum(_is_wide(character) for character in text)
    others = len(text) - letters - blanks - ascii_others - wide
    # A blank mostly belongs to the token of the word behind it.
    words = letters / _LETTERS_PER_TOKEN + blanks / 2
    return math.ceil(words + ascii_others + wide * _WIDE_TOKENS + others * _OTHER_TOKENS)


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


def _is_wide(character: str) -> bool:
    return "\u2e80" <= character <= "\uffef" or "\U00020000" <= character <= "\U0003ffff"
