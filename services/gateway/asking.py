"""The use case of a question: search, then an answer that rests on what was found."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from services.common.answer import Completion, Source
from services.common.clients.generator import GeneratorClient
from services.common.clients.retriever import RetrieverClient
from services.common.errors import InternalError
from services.common.search import Hit, SearchQuery, SearchResult
from services.gateway.source_pictures import SourcePictures

MAX_SOURCES = 10
"""Hits that an answer may rest on; more of them dilute it."""

AnswerEvent = SearchResult | str | Completion


class Asking:
    """Answers questions.

    Args:
        retriever: Finds.
        generator: Writes.
        pictures: Adds the pictures of sources, for a generator that looks at them.
    """

    def __init__(self, retriever: RetrieverClient, generator: GeneratorClient, pictures: SourcePictures) -> None:
        self._retriever, self._generator, self._pictures = retriever, generator, pictures

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
            sources=await self._pictures.attached(query.tenant, sources_of(result.hits)),
            language=language,
            asked_with_image=query.image is not None,
            question_image=await self._pictures.of_question(query.image),
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def whole_answer(self, query: SearchQuery, language: str) -> tuple[SearchResult, Completion]:
        """The result and the completion together; errors as in `answer`."""
        result: SearchResult | None = None
        async with aclosing(self.answer(query, language)) as events:
            async for event in events:
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
