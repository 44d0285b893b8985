"""The enrichments that the settings describe, by name."""

from __future__ import annotations

from contextlib import AsyncExitStack

from services.common.media.images import ImageLimits
from services.common.objects import ObjectStore
from services.common.settings import SettingsError
from workers.enrich.captions.enricher import NAME as CAPTIONS
from workers.enrich.captions.enricher import CaptionEnricher
from workers.enrich.enrichment import Enricher
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
    if settings.caption_base_url:
        found[CAPTIONS] = await _captions(settings, objects, limits, stack)
    return found


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
