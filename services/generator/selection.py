"""Which of the relevant sources an extractive answer rests on."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.answer import Source
from services.common.index.bm25 import content_terms, tokenize
from services.generator.sentences import quotable_texts

_TEXT_LIMIT_CHARS = 20_000
SUPPORT_SHARE = 0.5
"""Of the best source's shared terms: with fewer, a source only shares a common word or character."""


def supporting(question: str, sources: Sequence[Source]) -> list[Source]:
    """The sources to build an answer on, in their order.

    Retrieval may hold a text for relevant by its pixels or by one common character. Where some text does share
    terms with the question, texts that share less than half as many are left out. Pictures that have no more than
    a name stay: there is nothing to compare. Without a shared term anywhere, all stay.
    """
    wanted = set(content_terms(question))
    shared = {source.number: _shared_terms(wanted, source) for source in sources}
    needed = max((count for count in shared.values() if count is not None), default=0) * SUPPORT_SHARE
    return [source for source in sources if _is_supported(shared[source.number], needed)]


def _shared_terms(wanted: set[str], source: Source) -> int | None:
    """How many terms source and question share; None for a picture that has no more text than its name."""
    if source.item.media is not None and not quotable_texts(source.item):
        return None
    return len(wanted & set(tokenize(source.item.searchable_text()[:_TEXT_LIMIT_CHARS])))


def _is_supported(count: int | None, needed: float) -> bool:
    return count is None or count >= needed
