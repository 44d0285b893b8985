"""What an item's words are worth: which of its texts count how much, and where a query was found in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.common.domain import Item, SparseVector, TextField
from services.common.index import bm25

_STATED = (TextField.TITLE, TextField.TEXT, TextField.TAGS)
_SEEN = (TextField.CAPTION, TextField.LABELS)
_LONG = frozenset({TextField.OCR, TextField.CAPTION})

OCR_WEIGHT = 0.7
"""A word in a picture counts less than the user's own. 400 described pictures, every second one with 80 words of
prose read in it: asked by its description, such a picture comes first in .54 of the cases with all words in one
text and in 1.00 in fields; by four words in a row of what was read in it, .55 and .61. Where a description also
stands in the prose of another picture, the described one comes first in .97 with a weight of 1 and .99 with 0.7
(of prose of 20 words .69 and .88); with 0.5 what was read is found less often (.59)."""
OCR_AVERAGE_TOKENS = 60.0
"""Between a sign and a page of print. With 8, as of descriptions, four words of prose are first in .47."""
SEEN_WEIGHT = 0.7
SEEN_AVERAGE_TOKENS = 40.0
"""Of a caption in a few sentences with its keywords."""


@dataclass(frozen=True)
class WordMatch:
    """What a query and an item have in common.

    Attributes:
        words: Words of the query that stand in the item's texts.
        fields: The texts that they stand in.
        share: Of the query's terms that stand there for a reason, in [0, 1].
        whole: The query, of two words or more, stands in one of the texts as it is.
    """

    words: tuple[str, ...] = ()
    fields: tuple[TextField, ...] = ()
    share: float = 0.0
    whole: bool = False


def encode_item(item: Item) -> SparseVector | None:
    """The item's `bm25` vector; None if it has no words.

    What was read in a picture or said about it is a field of its own: in one text with the title, a page of print
    would leave a word of the title a twentieth of its weight.
    """
    texts = item.texts()
    return bm25.encode_fields(
        [
            bm25.Field(_joined(texts, _STATED)),
            bm25.Field(texts.get(TextField.OCR, ""), OCR_WEIGHT, OCR_AVERAGE_TOKENS),
            bm25.Field(_joined(texts, _SEEN), SEEN_WEIGHT, SEEN_AVERAGE_TOKENS),
        ]
    )


def match_words(query: str, item: Item) -> WordMatch:
    """Compare a query's words with the item's, text by text."""
    terms = bm25.content_terms(query)
    if not terms:
        return WordMatch()
    texts = item.texts()
    found: set[str] = set()
    for field, text in texts.items():
        found |= bm25.matched_runs(query, text) if field in _LONG else bm25.matched_terms(query, text)
    return WordMatch(
        words=bm25.matched_words(query, item.searchable_text()),
        fields=tuple(field for field, text in texts.items() if bm25.matched_words(query, text)),
        share=len(found) / len(terms),
        whole=any(bm25.stands_in(query, text) for text in texts.values()),
    )


def _joined(texts: Mapping[TextField, str], fields: tuple[TextField, ...]) -> str:
    return "\n".join(texts[field] for field in fields if field in texts)
