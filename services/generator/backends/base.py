"""What the service asks of a backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from services.common.answer import Source
from services.generator.language import Language


@dataclass(frozen=True)
class Task:
    """One question with the sources that it may be answered from.

    Attributes:
        sources: The relevant ones only, best first, at least one.
        language: To answer in.
        asked_with_image: The question came with a picture; `question` may then be empty.
    """

    question: str
    sources: tuple[Source, ...]
    language: Language
    asked_with_image: bool


class AnswerBackend(Protocol):
    """Writes answers. Its citations are checked by the service, whatever it is."""

    @property
    def model(self) -> str:
        """What callers are told wrote the answer."""

    @property
    def reads_images(self) -> bool:
        """Whether it looks at `Source.image`."""

    def write(self, task: Task) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces, in order, sources cited as `[number]`.

        Raises:
            UnavailableError: What it depends on does not answer.
        """
