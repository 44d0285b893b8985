"""Answers one question: only relevant sources reach the backend, only their citations leave it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from services.common.answer import Citation, Completion, Source
from services.common.errors import (
    DeadlineError,
    InvalidRequestError,
    OverloadedError,
    PayloadTooLargeError,
    UnavailableError,
)
from services.generator.backends.base import AnswerBackend, Declined, Task
from services.generator.citations import CitationFilter, cited_numbers, cut
from services.generator.language import answer_language
from services.generator.sentences import quote_of
from services.generator.wording import wording

log = structlog.get_logger(__name__)


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
        image: The encoded picture that was asked with, if the caller sent it along.
    """

    text: str
    sources: Sequence[Source]
    language: str = ""
    asked_with_image: bool = False
    image: bytes | None = None


@dataclass
class Draft:
    """An answer while it is written.

    Attributes:
        limit_chars: Longest answer.
        pieces: What has been passed on.
        model: Who writes; empty before anyone does.
        declined: The writer holds that the sources do not answer the question.
        is_full: The limit is reached.
    """

    limit_chars: int
    pieces: list[str] = field(default_factory=list)
    model: str = ""
    declined: bool = False
    is_full: bool = False

    def add(self, text: str) -> str:
        """Note `text`; return what of it is still within the limit."""
        left_chars = self.limit_chars - sum(map(len, self.pieces))
        self.is_full = self.is_full or len(text) >= left_chars
        kept = cut(text, left_chars)
        if kept:
            self.pieces.append(kept)
        return kept


class AnswerService:
    """The use case.

    Args:
        backend: Writes the answers.
        limits: See `AnswerLimits`.
        stand_in: Writes instead if the backend does not answer at all, or wrote nothing that could be grounded;
            it must need nothing. None: then an outage is an error.
    """

    def __init__(
        self, backend: AnswerBackend, limits: AnswerLimits, stand_in: AnswerBackend | None = None
    ) -> None:
        self._backend, self._limits, self._stand_in = backend, limits, stand_in

    @property
    def model(self) -> str:
        """What writes the answers."""
        return self._backend.model

    @property
    def reads_images(self) -> bool:
        """Whether pictures of sources are looked at."""
        return self._backend.reads_images

    async def answer(self, question: Question) -> AsyncGenerator[str | Completion, None]:
        """Yield the answer in pieces and its completion last; the completion names who wrote it.

        Raises:
            InvalidRequestError: Neither words nor a picture, or source numbers that are not distinct and positive.
            PayloadTooLargeError: A question or list of sources above its limit.
            UnavailableError: The backend does not answer, and nobody stands in.
            OverloadedError: It has too much to do; nobody stands in for that, it passes.
            DeadlineError: As UnavailableError, after a wait.
            ModelRefusedError: A setting of the backend is wrong; nobody stands in, or it would stay unnoticed.
        """
        self._check(question)
        task = _task(question)
        draft = Draft(self._limits.answer_chars)
        if task.sources:
            async for piece in self._drafted(task, draft):
                yield piece
        if draft.pieces:
            answer = "".join(draft.pieces)
            yield Completion(answer, _citations(task, answer), nothing_relevant=False, model=draft.model)
            return
        words = wording(task.language)
        nothing = words.unanswered if task.sources else words.nothing
        yield nothing
        yield Completion(nothing, (), nothing_relevant=True, model=draft.model or self.model)

    async def _drafted(self, task: Task, draft: Draft) -> AsyncGenerator[str, None]:
        """The answer's pieces, of the backend or of who stands in for it."""
        try:
            async with aclosing(_written(self._backend, task, draft)) as pieces:
                async for piece in pieces:
                    yield piece
        except OverloadedError:
            raise
        except (UnavailableError, DeadlineError) as error:
            # Nobody finishes the sentences of another.
            if self._stand_in is None or draft.pieces:
                raise
            log.warning("stand_in_answers", code=error.code)
        if self._stand_in is not None and not draft.pieces and not draft.declined:
            async with aclosing(_written(self._stand_in, task, draft)) as pieces:
                async for piece in pieces:
                    yield piece

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


async def _written(backend: AnswerBackend, task: Task, draft: Draft) -> AsyncGenerator[str, None]:
    """The pieces of `backend` with checked citations, ended at the limit; noted in `draft`."""
    draft.model = backend.model
    citations = CitationFilter({source.number for source in task.sources})
    async with aclosing(backend.write(task)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Declined):
                draft.declined = True
                return
            if kept := draft.add(citations.feed(piece)):
                yield kept
            if draft.is_full:
                return
    if kept := draft.add(citations.finish()):
        yield kept


def _task(question: Question) -> Task:
    return Task(
        question=question.text,
        sources=tuple(source for source in question.sources if source.relevant),
        language=answer_language(question.language, question.text),
        asked_with_image=question.asked_with_image,
        language_tag=question.language,
        image=question.image,
    )


def _citations(task: Task, answer: str) -> tuple[Citation, ...]:
    by_number = {source.number: source for source in task.sources}
    cited = [by_number[number] for number in cited_numbers(answer)]
    return tuple(
        Citation(
            number=source.number,
            item_id=source.item.id,
            quote=quote_of(source.item, task.question).text,
            position=source.item.position,
        )
        for source in cited
    )
