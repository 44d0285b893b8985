"""The sentences of a text that best fit a question, by the words they share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.common.domain import Item, TextField
from services.common.index.bm25 import content_terms, tokenize
from services.generator.quoting import as_data, shorten

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；…])|\n+")
_TEXT_LIMIT_CHARS = 20_000
"""Later text of one item is not looked at: a whole book would hold up the answer."""
_QUOTED = (TextField.TEXT, TextField.OCR, TextField.CAPTION)


@dataclass(frozen=True)
class Quote:
    """What an item says about a question.

    Attributes:
        text: Harmless data; empty if there is nothing to quote.
        field: Whose words they are: the user's, the picture's own or a vision model's.
    """

    text: str = ""
    field: TextField = TextField.TEXT


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`, in order, blanks trimmed, empty ones left out."""
    return [part.strip() for part in _END.split(text[:_TEXT_LIMIT_CHARS]) if part.strip()]


def best_quote(question: str, text: str, *, sentences: int = 2, limit_chars: int = 280) -> str:
    """The part of `text` to quote for `question`, as harmless data; empty if there is no text.

    The sentence with the largest share of the question's terms; then further ones as long as each adds a term
    that is not yet covered. Without any shared term it is the first sentence. They keep the order of the text.
    """
    found = split_sentences(text)
    if not found:
        return ""
    chosen = _covering(set(content_terms(question)), [set(tokenize(sentence)) for sentence in found], sentences)
    return shorten(as_data(" ".join(found[index] for index in sorted(chosen))), limit_chars)


def quotable_texts(item: Item) -> dict[TextField, str]:
    """What an item says, apart from its name and its tags."""
    texts = item.texts()
    return {field: texts[field] for field in _QUOTED if field in texts}


def quote_of(item: Item, question: str) -> Quote:
    """The words of an item to quote for a question: of the text that shares most terms with it, else the first."""
    wanted = set(content_terms(question))
    best, most = Quote(), -1
    for field, text in quotable_texts(item).items():
        quote = best_quote(question, text)
        shared = len(wanted & set(tokenize(quote)))
        if quote and shared > most:
            best, most = Quote(quote, field), shared
    return best


def _covering(wanted: set[str], offered: list[set[str]], limit: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < limit:
        gains = [len(wanted & terms) for terms in offered]
        best = max(range(len(offered)), key=gains.__getitem__)
        if gains[best] == 0:
            break
        chosen.append(best)
        wanted = wanted - offered[best]
    return chosen or [0]
