"""Composes a cited answer from what was retrieved, without any model: it quotes, it never invents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from services.common.answer import Source
from services.common.domain import Item, TextField
from services.generator.backends.base import Declined, Task
from services.generator.selection import supporting
from services.generator.sentences import Quote, quote_of
from services.generator.wording import Wording, describe_item, item_name, wording


class ExtractiveBackend:
    """One sentence a source: the part of its text that fits the question, or the name of the picture.

    Args:
        cited_limit: Most sources of one answer; the first that support it are taken.
        answer_limit_chars: A sentence that would make the answer longer ends it.
    """

    model = "extractive"
    reads_images = False

    def __init__(self, *, cited_limit: int, answer_limit_chars: int) -> None:
        self._cited_limit = cited_limit
        self._answer_limit_chars = answer_limit_chars

    async def write(self, task: Task) -> AsyncGenerator[str | Declined, None]:
        """See `AnswerBackend.write`; one piece is one sentence."""
        for piece in self.compose(task):
            yield piece

    def compose(self, task: Task) -> Iterator[str]:
        """The sentences of the answer, each with its citation; at least one."""
        words = wording(task.language)
        length = 0
        for source in supporting(task.question, task.sources)[: self._cited_limit]:
            sentence = (words.between if length else "") + _sentence(task, source, words)
            length += len(sentence)
            if length > self._answer_limit_chars and length > len(sentence):
                return
            yield sentence


def _sentence(task: Task, source: Source, words: Wording) -> str:
    item = source.item
    quote = quote_of(item, task.question)
    template = _template(item, words, quote, asked_with_image=task.asked_with_image)
    return template.format(name=describe_item(item, words), quote=_unquoted(quote.text), cite=f"[{source.number}]")


def _template(item: Item, words: Wording, quote: Quote, *, asked_with_image: bool) -> str:
    shown = item.media is not None
    if not quote.text:
        return words.pictured_like if asked_with_image and shown else words.pictured
    if quote.field is TextField.OCR:
        return words.read
    if shown:
        return words.described
    return words.said if item_name(item) else words.said_unnamed


def _unquoted(quote: str) -> str:
    """Without quotation marks of its own kind, so that a reader sees where the quote ends."""
    return quote.replace("“", "‘").replace("”", "’")
