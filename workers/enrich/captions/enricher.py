"""Captions as an enrichment: what is kept is not asked for again, and so many pictures are asked about at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from services.common.domain import Caption
from services.common.errors import ImageragError
from workers.enrich.enrichment import Enrichment, SeenPicture
from workers.enrich.kept import KeptFindings

NAME = "captions"


class Writer(Protocol):
    """Describes pictures; see `workers.enrich.captions.writer.CaptionWriter`."""

    async def write(self, picture: bytes) -> Caption:
        """Describe one."""


class CaptionEnricher:
    """See `workers.enrich.enrichment.Enricher`. Belongs to one event loop.

    Args:
        writer: Describes a picture.
        kept: What was written before.
        concurrent: Pictures that are asked about at once.
    """

    def __init__(self, writer: Writer, kept: KeptFindings[Caption], concurrent: int) -> None:
        self._writer, self._kept = writer, kept
        self._free = asyncio.Semaphore(concurrent)

    async def enrich(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        """A caption or error for each picture, in order; the same picture twice is described once."""
        by_content = {(picture.tenant, picture.sha256): picture for picture in pictures}
        captions = dict(zip(by_content, await self._captions(list(by_content.values())), strict=True))
        return [_as_enrichment(captions[picture.tenant, picture.sha256]) for picture in pictures]

    async def _captions(self, pictures: Sequence[SeenPicture]) -> list[Caption | ImageragError]:
        known = await self._kept.find(pictures)

        async def one(picture: SeenPicture, caption: Caption | None) -> Caption | ImageragError:
            return caption or await self._written(picture)

        return list(await asyncio.gather(*map(one, pictures, known)))

    async def _written(self, picture: SeenPicture) -> Caption | ImageragError:
        try:
            async with self._free:
                caption = await self._writer.write(picture.data)
        except ImageragError as error:
            return error
        await self._kept.keep(picture, caption)
        return caption


def _as_enrichment(found: Caption | ImageragError) -> Enrichment | ImageragError:
    return found if isinstance(found, ImageragError) else Enrichment(caption=found)
