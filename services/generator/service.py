"""Answers one question: only relevant sources reach the backend, only their citations leave it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.common.answer import Citation, Completion, Source
from services.common.errors import InvalidRequestError, PayloadTooLargeError
from services.generator.backends.base import AnswerBackend, Task
from services.generator.citations import CitationFilter, cited_numbers, cut
from services.generator.language import answer_language
from services.generator.sentences import best_quote, quotable_text
from services.generator.wording import wording


@dataclass(frozen=True)
class AnswerLimits:
    """What one question may bring and its answer may hold."""

    question_chars: int
    sources: int
    answer_chars: int


@dataclass(frozen=True)
class Question:
    """What a caller asks.

    Attributes:
        text: May be empty only if a picture was asked with.
        sources: What retrieval found, best first.
        language: BCP 47; empty: the question's own.
    """

    text: str
    sources: Sequence[Source]
    language: str = ""
    asked_with_image: bool = False


class AnswerService:
    """The use case.

    Args:
        backend: Writes the answers.
        limits: See `AnswerLimits`.
    """

    def __init__(self, backend: AnswerBackend, limits: AnswerLimits) -> None:
        self._backend, self._limits = backend, limits

    @property
    def model(self) -> str:
        """What writes the answers."""
        return self._backend.model

    @property
    def reads_images(self) -> bool:
        """Whether pictures of sources are looked at."""
        return self._backend.reads_images

    async def answer(self, question: Question) -> AsyncIterator[str | Completion]:
        """Yield the answer in pieces and its completion last.

        Raises:
            InvalidRequestError: Neither words nor a picture, or source numbers that are not distinct and positive.
            PayloadTooLargeError: A question or list of sources above its limit.
        """
        self._check(question)
        task = _task(question)
        if not task.sources:
            nothing = wording(task.language).nothing
            yield nothing
            yield Completion(nothing, (), nothing_relevant=True, model=self.model)
            return
        pieces: list[str] = []
        async for piece in self._written(task):
            pieces.append(piece)
            yield piece
        answer = "".join(pieces)
        yield Completion(answer, _citations(task, answer), nothing_relevant=False, model=self.model)

    async def _written(self, task: Task) -> AsyncIterator[str]:
        """The backend's pieces with checked citations, ended at the limit."""
        citations = CitationFilter({source.number for source in task.sources})
        left_chars = self._limits.answer_chars
        async with aclosing(self._backend.write(task)) as pieces:
            async for piece in pieces:
                decided = citations.feed(piece)
                if decided:
                    yield cut(decided, left_chars)
                left_chars -= len(decided)
                if left_chars <= 0:
                    return
        last = citations.finish()
        if last:
            yield cut(last, left_chars)

    def _check(self, question: Question) -> None:
        if not question.text.strip() and not question.asked_with_image:
            raise InvalidRequestError("Write a question, or ask with a picture.")
        if len(question.text) > self._limits.question_chars:
            raise PayloadTooLargeError(f"A question has at most {self._limits.question_chars} characters.")
        if len(question.sources) > self._limits.sources:
            raise PayloadTooLargeError(f"A question has at most {self._limits.sources} sources.")
        numbers = [source.number for source in question.sources]
        if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
            raise InvalidRequestError("Number the sources 1, 2, 3, ...: each number once.")


def _task(question: Question) -> Task:
    return Task(
        question=question.text,
        sources=tuple(source for source in question.sources if source.relevant),
        language=answer_language(question.language, question.text),
        asked_with_image=question.asked_with_image,
    )


def _citations(task: Task, answer: str) -> tuple[Citation, ...]:
    by_number = {source.number: source for source in task.sources}
    cited = [by_number[number] for number in cited_numbers(answer)]
    return tuple(
        Citation(
            number=source.number,
            item_id=source.item.id,
            quote=best_quote(task.question, quotable_text(source.item)),
            position=source.item.position,
        )
        for source in cited
    )
