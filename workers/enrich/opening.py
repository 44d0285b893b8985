"""The enrichments that the settings describe, by name."""

from __future__ import annotations

from contextlib import AsyncExitStack

from services.common.media.images import ImageLimits
from services.common.objects import ObjectStore
from services.common.settings import SettingsError
from workers.enrich.captions.enricher import NAME as CAPTIONS
from workers.enrich.captions.enricher import CaptionEnricher
from workers.enrich.enrichment import Enricher
from workers.enrich.ocr.enricher import NAME as OCR
from workers.enrich.ocr.opening import open_ocr
from workers.enrich.ocr.reader import is_installed
from workers.settings import WorkersSettings


async def open_enrichers(
    settings: WorkersSettings, objects: ObjectStore, limits: ImageLimits, stack: AsyncExitStack
) -> dict[str, Enricher]:
    """Open what is configured; a job that asks for something else gets its items marked.

    Args:
        settings: Say what there is.
        objects: Where findings are kept.
        limits: Pictures that are decoded at all.
        stack: Closes what is opened.

    Raises:
        SettingsError: Something that is configured cannot be opened.
    """
    found: dict[str, Enricher] = {}
    if settings.ocr != "off" and _has_ocr(settings):
        found[OCR] = open_ocr(settings, objects, limits, stack)
    if settings.caption_base_url:
        found[CAPTIONS] = await _captions(settings, objects, limits, stack)
    return found


def always_carried_out(settings: WorkersSettings) -> frozenset[str]:
    """Names of the enrichments that no job has to ask for."""
    return frozenset({OCR} if settings.ocr == "always" else ())


def _has_ocr(settings: WorkersSettings) -> bool:
    if not is_installed() and settings.ocr == "always":
        raise SettingsError("IMAGERAG_WORKERS_OCR=always: reading pictures needs: pip install 'imagerag[ocr]'")
    return is_installed()


async def _captions(
    settings: WorkersSettings, objects: ObjectStore, limits: ImageLimits, stack: AsyncExitStack
) -> CaptionEnricher:
    try:
        # Here, because the client takes 0.6 s and 40 MB to import.
        from workers.enrich.captions.opening import open_captions
    except ImportError:
        raise SettingsError(
            "IMAGERAG_WORKERS_CAPTION_BASE_URL: captions need a client: pip install 'imagerag[captions]'"
        ) from None
    return await open_captions(settings, objects, limits, stack)
