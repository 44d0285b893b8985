"""Text as strangers write it, as text that can be stored and shown. Pure."""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = str.maketrans({code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)})
# Controls but tab and line feed, halves of surrogate pairs, and what is no character at all.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def clean(text: str) -> str:
    """Line ends become line feeds, "ﬁ" two letters; what cannot be printed goes."""
    return _UNPRINTABLE.sub("", _LINE_ENDS.sub("\n", text).translate(_LIGATURES))


def one_line(text: str) -> str:
    """`text` without line breaks, for a title."""
    return " ".join(clean(text).split())
