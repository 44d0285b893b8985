"""The use case of a question: search, then an answer that rests on what was found."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from services.common.answer import Completion, Source
from services.common.clients.generator import GeneratorClient
from services.common.clients.retriever import RetrieverClient
from services.common.errors import InternalError
from services.common.search import Hit, SearchQuery, SearchResult

MAX_SOURCES = 10
"""Hits that an answer may rest on; more of them dilute it."""

AnswerEvent = SearchResult | str | Completion


class Asking:
    """Answers questions.

    Args:
        retriever: Finds.
        generator: Writes.
    """

    def __init__(self, retriever: RetrieverClient, generator: GeneratorClient) -> None:
        self._retriever, self._generator = retriever, generator

    async def answer(self, query: SearchQuery, language: str) -> AsyncGenerator[AnswerEvent, None]:
        """Answer `query.text` from what the query finds.

        Yields:
            The search result, then pieces of the answer in order, then its completion.

        Raises:
            ImageragError: A service refused or did not answer.
        """
        result = await self._retriever.search(query)
        yield result
        pieces = self._generator.generate(
            tenant=query.tenant,
            question=query.text,
            sources=sources_of(result.hits),
            language=language,
            asked_with_image=query.image is not None,
        )
        async for piece in pieces:
            yield piece

    async def whole_answer(self, query: SearchQuery, language: str) -> tuple[SearchResult, Completion]:
        """The result and the completion together; errors as in `answer`."""
        result: SearchResult | None = None
        async for event in self.answer(query, language):
            if isinstance(event, SearchResult):
                result = event
            elif isinstance(event, Completion) and result is not None:
                return result, event
        raise InternalError


def sources_of(hits: Sequence[Hit]) -> list[Source]:
    """Number the hits as the answer will cite them: by rank, so that `[2]` is the second hit."""
    return [
        Source(
            number=hit.rank,
            item=hit.item,
            relevant=hit.relevant,
            score=hit.score,
            matched_words=hit.matched_words,
        )
        for hit in hits[:MAX_SOURCES]
    ]
