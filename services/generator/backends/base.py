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
        language_tag: What the caller asked for, BCP 47, unchecked; empty: the question's language.
        image: The picture it came with, encoded, if the caller sent it along.
    """

    question: str
    sources: tuple[Source, ...]
    language: Language
    asked_with_image: bool
    language_tag: str = ""
    image: bytes | None = None


@dataclass(frozen=True)
class Declined:
    """The writer holds that the sources do not answer the question. Nothing follows."""


class AnswerBackend(Protocol):
    """Writes answers that may be shown as they are.

    Every sentence of them cites a source, and none holds a link or markup: a backend that lets a model write sees
    to that itself, for only it knows what the model was told. The service checks the citations once more.
    """

    @property
    def model(self) -> str:
        """What callers are told wrote the answer."""

    @property
    def reads_images(self) -> bool:
        """Whether it looks at `Source.image`."""

    def write(self, task: Task) -> AsyncGenerator[str | Declined, None]:
        """Yield the answer in pieces, in order, sources cited as `[number]`; nothing, if none could be grounded.

        Raises:
            UnavailableError: What it depends on does not answer.
            DeadlineError: It does not answer in time.
            ModelRefusedError: It does not accept the call; a person has to change a setting.
        """
