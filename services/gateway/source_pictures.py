"""The pictures of a question and of its sources, for a generator that looks at them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from services.common.answer import Source
from services.common.clients.generator import GeneratorClient
from services.common.errors import ImageragError
from services.gateway.pictures import Pictures

LIMIT = 8
"""Most pictures of one question; the generator sends its model as many of them as it is set to."""
SIZE_PX = 512
_KEPT_S = 30.0


class SourcePictures:
    """Puts thumbnails into the best sources, if the generator reads pictures.

    Args:
        pictures: Makes the thumbnails.
        generator: Says whether it reads pictures; asked every 30 s at most.
        deadline_s: Longest wait for its answer, and for the thumbnails. What is late is left out.
    """

    def __init__(self, pictures: Pictures, generator: GeneratorClient, deadline_s: float) -> None:
        self._pictures, self._generator, self._deadline_s = pictures, generator, deadline_s
        self._wanted, self._asked_at = False, float("-inf")

    async def attached(self, tenant: str, sources: Sequence[Source]) -> list[Source]:
        """The sources, the first relevant ones with their picture. Never an error: an answer needs no picture."""
        shown = [source for source in sources if source.relevant and source.item.media is not None][:LIMIT]
        if not shown or not await self._are_wanted():
            return list(sources)
        thumbnails = await asyncio.gather(*(self._thumbnail(tenant, source) for source in shown))
        by_number = dict(zip((source.number for source in shown), thumbnails, strict=True))
        return [replace(source, image=by_number.get(source.number)) for source in sources]

    async def of_question(self, image: bytes | None) -> bytes | None:
        """A thumbnail of the picture that was asked with; None if there is none or nobody looks at it."""
        if image is None or not await self._are_wanted():
            return None
        try:
            return await self._pictures.small(image, SIZE_PX)
        except ImageragError:
            return None

    async def _are_wanted(self) -> bool:
        if time.monotonic() - self._asked_at > _KEPT_S:
            try:
                description = await self._generator.describe(deadline_s=self._deadline_s)
            except ImageragError:
                return False
            self._wanted, self._asked_at = description.reads_images, time.monotonic()
        return self._wanted

    async def _thumbnail(self, tenant: str, source: Source) -> bytes | None:
        try:
            async with asyncio.timeout(self._deadline_s):
                return (await self._pictures.show(tenant, source.item, SIZE_PX)).data
        except (ImageragError, TimeoutError):
            return None
