"""How long a passage may be: the encoder's text tower tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.common.clients.encoder_description import EncoderDescription

USUAL_LIMIT_TOKENS = 77
"""CLIP's, for an encoder that does not tell."""


class TextTower:
    """Asks the encoder, from another thread than the one whose event loop its client belongs to.

    Args:
        describe: The client's.
        loop: Runs while it is asked.
    """

    def __init__(
        self, describe: Callable[[], Awaitable[EncoderDescription]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._describe, self._loop = describe, loop

    def limit_tokens(self) -> int:
        """What the joint space's text tower takes; what is beyond it does not see. Blocks.

        Raises:
            ImageragError: The encoder does not answer.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(), self._loop).result()

    async def _ask(self) -> int:
        described = await self._describe()
        return described.max_text_tokens or USUAL_LIMIT_TOKENS
