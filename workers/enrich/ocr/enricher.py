"""The enrichment `ocr`: reads the text inside pictures, and remembers it by their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from services.common.domain import Item, ItemKind
from services.common.errors import ImageragError
from workers import metrics
from workers.enrich.enrichment import Enrichment, SeenPicture
from workers.enrich.kept import KeptFindings
from workers.enrich.ocr.found import FoundText

log = structlog.get_logger(__name__)
NAME = "ocr"
PAGE_TEXT_CHARS = 64
"""A page whose file says more than that has its words from there; a scan says nothing, or who scanned it."""
Read = Callable[[bytes], FoundText]
"""The text inside an encoded picture. Blocks; raises ImageragError."""


class OcrEnricher:
    """Reads pictures one after the other: the process that reads takes one at a time.

    Args:
        read: Reads a picture that is not known yet.
        kept: What was read before.
    """

    def __init__(self, read: Read, kept: KeptFindings[FoundText]) -> None:
        self._read, self._kept = read, kept

    async def enrich(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        """See `Enricher.enrich`."""
        unread = [picture for picture in pictures if not has_its_words(picture.item)]
        known = dict(zip(map(id, unread), await self._kept.find(unread), strict=True))
        found: dict[str, Enrichment | ImageragError] = {}
        answers: list[Enrichment | ImageragError] = []
        for picture in pictures:
            if id(picture) not in known:
                metrics.OCR_PICTURES.labels("has_words").inc()
                answers.append(Enrichment())
                continue
            if picture.sha256 not in found:  # the same picture twice in one batch
                found[picture.sha256] = await self._text_of(picture, known[id(picture)])
            answers.append(found[picture.sha256])
        return answers

    async def _text_of(self, picture: SeenPicture, known: FoundText | None) -> Enrichment | ImageragError:
        if known is not None:
            metrics.OCR_PICTURES.labels("known").inc()
            return _enrichment(known)
        try:
            found = await asyncio.to_thread(self._read, picture.data)
        except ImageragError as error:
            log.info("picture_not_read", sha256=picture.sha256, code=error.code, detail=error.message)
            metrics.OCR_PICTURES.labels("failed").inc()
            return error
        metrics.OCR_PICTURES.labels("read" if found.text else "no_text").inc()
        await self._kept.keep(picture, found)
        return _enrichment(found)


def _enrichment(found: FoundText) -> Enrichment:
    return Enrichment(ocr_text=found.text, incomplete=() if found.complete else (NAME,))


def has_its_words(item: Item) -> bool:
    """Whether the item is a page of a document that told its words itself, better than any reading could."""
    return item.kind is ItemKind.PAGE and len(item.text.strip()) > PAGE_TEXT_CHARS
