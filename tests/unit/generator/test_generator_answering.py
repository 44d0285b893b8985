"""The use case: what may reach a backend, and what may leave it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from services.common.answer import Completion, Source
from services.common.domain import Item, ItemKind, Position
from services.common.errors import InvalidRequestError, PayloadTooLargeError
from services.generator.backends.base import Task
from services.generator.backends.extractive import ExtractiveBackend
from services.generator.service import AnswerLimits, AnswerService, Question

LIMITS = AnswerLimits(question_chars=100, sources=5, answer_chars=200)


class ObedientBackend:
    """Writes what it is given, in pieces of one character: a model that does all that a hostile source says."""

    model = "obedient"
    reads_images = True

    def __init__(self, text: str) -> None:
        self._text = text
        self.closed = False

    async def write(self, task: Task) -> AsyncGenerator[str, None]:
        try:
            for character in self._text:
                yield character
        finally:
            self.closed = True


def sources(*relevant: bool) -> list[Source]:
    return [
        Source(number, _item(number), relevant=is_relevant, score=1.0)
        for number, is_relevant in enumerate(relevant, 1)
    ]


def _item(number: int) -> Item:
    return Item(
        f"id-{number}", "default", ItemKind.TEXT, 1, datetime.now(UTC), text=f"Cat number {number}.",
        position=Position(page=number),
    )  # fmt: skip


async def ask(service: AnswerService, question: Question) -> tuple[str, Completion]:
    events = [event async for event in service.answer(question)]
    *pieces, completion = events
    assert isinstance(completion, Completion)
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    assert text == completion.answer
    return text, completion


@pytest.mark.parametrize(("text", "says"), [("Which cat?", "Nothing relevant"), ("哪只猫？", "没有找到")])
async def test_nothing_relevant_is_an_answer_without_citations(text: str, says: str) -> None:
    backend = ObedientBackend("never asked [1]")
    answer, completion = await ask(AnswerService(backend, LIMITS), Question(text, sources(False, False)))
    assert answer.startswith(says)
    assert completion.nothing_relevant
    assert completion.citations == ()


async def test_citations_name_only_relevant_sources() -> None:
    backend = ObedientBackend("Yes [2][1]. No [3], [99]. [click](http://evil.example) ")
    answer, completion = await ask(AnswerService(backend, LIMITS), Question("cat", sources(True, True, False)))
    assert answer == "Yes [2][1]. No,. (click)(http://evil.example) "
    assert [(citation.number, citation.item_id) for citation in completion.citations] == [(2, "id-2"), (1, "id-1")]
    assert completion.citations[0].quote == "Cat number 2."
    assert completion.citations[0].position == Position(page=2)
    assert completion.model == "obedient"


async def test_an_endless_answer_is_ended_and_its_backend_closed() -> None:
    backend = ObedientBackend("ab [1] " * 1000)
    answer, completion = await ask(AnswerService(backend, LIMITS), Question("cat", sources(True)))
    assert len(answer) <= LIMITS.answer_chars
    assert backend.closed
    assert [citation.number for citation in completion.citations] == [1]


async def test_the_extractive_backend_answers() -> None:
    service = AnswerService(ExtractiveBackend(cited_limit=4, answer_limit_chars=1_500), LIMITS)
    answer, completion = await ask(service, Question("cat", sources(False, True)))
    assert "“Cat number 2.” [2]." in answer
    assert [citation.number for citation in completion.citations] == [2]


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (Question(" ", sources(True)), InvalidRequestError),
        (Question("x" * 101, sources(True)), PayloadTooLargeError),
        (Question("cat", sources(*[True] * 6)), PayloadTooLargeError),
        (Question("cat", sources(True) * 2), InvalidRequestError),
        (Question("cat", [Source(0, _item(0), relevant=True, score=1.0)]), InvalidRequestError),
    ],
)
async def test_what_is_refused(question: Question, error: type[Exception]) -> None:
    with pytest.raises(error):
        await ask(AnswerService(ObedientBackend("x"), LIMITS), question)


async def test_a_picture_alone_is_a_question() -> None:
    service = AnswerService(ExtractiveBackend(cited_limit=4, answer_limit_chars=1_500), LIMITS)
    _, completion = await ask(service, Question("", sources(True), asked_with_image=True))
    assert not completion.nothing_relevant
