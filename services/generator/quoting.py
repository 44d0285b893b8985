"""Retrieved text as data: nothing in it can act as markup, as a link, or as a citation of ours.

Texts of items are written by anyone. Every character that a terminal, a Markdown or HTML renderer or our own
citation parser would act on is replaced by one that only looks like it; the text stays readable.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
_LOOKALIKES = str.maketrans({"[": "(", "]": ")", "<": "‹", ">": "›", "`": "'"})
_ACTING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional overrides, zero width), private, unassigned; line and paragraph separators."""
_LINK = re.compile(r"/(?=/)|\bwww(?=\.)|(?<=[a-z0-9])@(?=[a-z0-9])", re.IGNORECASE)


def as_data(text: str) -> str:
    """`text` on one line without anything that acts; applying it twice changes nothing more."""
    plain = "".join(" " if unicodedata.category(character) in _ACTING else character for character in text)
    defused = _LINK.sub(lambda match: f"{match[0]} ", plain.translate(_LOOKALIKES))
    return " ".join(defused.split())


def shorten(text: str, limit_chars: int) -> str:
    """`text` in at most `limit_chars` characters, cut after a word and marked with an ellipsis."""
    if len(text) <= limit_chars:
        return text
    kept = text[: max(limit_chars - 1, 0)]
    at_word = kept.rsplit(" ", 1)[0]
    # A script without spaces, or one endless word: cut where the limit is.
    chosen = at_word if len(at_word) * 2 >= len(kept) else kept
    return chosen.rstrip(" ,;:，；：、") + ELLIPSIS
