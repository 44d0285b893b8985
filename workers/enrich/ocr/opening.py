"""The enrichment `ocr` as the settings describe it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib.metadata import version

from services.common.media.images import ImageLimits
from services.common.objects import ObjectStore
from workers.enrich.kept import KeptFindings
from workers.enrich.ocr.enricher import NAME, OcrEnricher
from workers.enrich.ocr.found import FoundText
from workers.enrich.ocr.picture import READING
from workers.enrich.ocr.reader import PictureReader
from workers.ocr_settings import OcrSettings


def open_ocr(
    settings: OcrSettings, objects: ObjectStore, limits: ImageLimits, stack: AsyncExitStack
) -> OcrEnricher:
    """Open it; the process that reads is started with the first picture.

    Args:
        settings: How much a picture may take.
        objects: Where what was read is kept.
        limits: Of the pictures.
        stack: Ends the process.
    """
    reader = PictureReader(limits, settings.ocr_bounds(limits.max_bytes))
    stack.callback(reader.close)
    made_by = {"rapidocr": version("rapidocr"), "reading": READING}
    return OcrEnricher(reader.read, KeptFindings(objects, NAME, made_by, FoundText))
