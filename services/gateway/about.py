"""What is running here: version, model, its notice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from services.common.clients.encoder import EncoderClient
from services.common.clients.generator import GeneratorClient
from services.common.errors import ImageragError

_KEPT_S = 30.0


@dataclass(frozen=True)
class Models:
    """Names for people; empty where the service does not answer.

    Attributes:
        model: The encoder's model.
        semantic: Its second text encoder; empty: it has none.
        notice: What it is and what it is not good at.
        generator: Who writes the answers.
    """

    model: str = ""
    notice: str = ""
    generator: str = ""
    semantic: str = ""

    def complete(self) -> bool:
        """Whether every service answered."""
        return bool(self.model and self.generator)


class About:
    """Asks the services who they are, and remembers it for a while.

    Args:
        encoder: Named by its model.
        generator: Named by its model.
        deadline_s: Longest wait for each.
    """

    def __init__(self, encoder: EncoderClient, generator: GeneratorClient, deadline_s: float) -> None:
        self._encoder, self._generator, self._deadline_s = encoder, generator, deadline_s
        self._models = Models()
        self._asked_at = float("-inf")

    async def models(self) -> Models:
        """Who is running; never an error."""
        if not self._models.complete() or time.monotonic() - self._asked_at > _KEPT_S:
            model, notice, semantic = await self._ask_encoder()
            self._models = Models(model, notice, await self._ask_generator(), semantic)
            self._asked_at = time.monotonic()
        return self._models

    async def _ask_encoder(self) -> tuple[str, str, str]:
        try:
            description = await self._encoder.describe(deadline_s=self._deadline_s)
        except ImageragError:
            return self._models.model, self._models.notice, self._models.semantic
        return description.model, description.notice, description.semantic.model if description.semantic else ""

    async def _ask_generator(self) -> str:
        try:
            return (await self._generator.describe(deadline_s=self._deadline_s)).model
        except ImageragError:
            return self._models.generator


def own_version() -> str:
    """The installed version of this distribution."""
    try:
        return version("imagerag")
    except PackageNotFoundError:
        return "unknown"
