"""The stage of ingest that enriches: a failing enrichment marks the item and never loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set

import structlog

from services.common.errors import ImageragError, UnimplementedError
from services.common.jobs.records import JobOptions
from workers import metrics
from workers.enrich.enrichment import Enricher, Enrichment, SeenPicture, wanted

log = structlog.get_logger(__name__)
_NOTHING = Enrichment()


class EnrichmentStage:
    """Carries out what a job asks for, each enrichment beside the others.

    Args:
        enrichers: By name: `ocr`, `captions`.
        always: Names of those that are carried out for every job.
    """

    def __init__(self, enrichers: Mapping[str, Enricher], always: Set[str] = frozenset()) -> None:
        self._enrichers, self._always = enrichers, always

    async def enrich(self, pictures: Sequence[SeenPicture], options: JobOptions) -> list[Enrichment]:
        """What was found out, one entry a picture, in order. Never raises for what an enrichment does."""
        asked = wanted(options, self._enrichers, self._always)
        found = await asyncio.gather(*(_carry_out(name, enricher, pictures) for name, enricher in asked.items()))
        joined = [_NOTHING] * len(pictures)
        for of_one in found:
            joined = [first.joined(second) for first, second in zip(joined, of_one, strict=True)]
        return joined


async def _carry_out(name: str, enricher: Enricher | None, pictures: Sequence[SeenPicture]) -> list[Enrichment]:
    failed = Enrichment(incomplete=(name,))
    if enricher is None:
        metrics.FAILED_ENRICHMENTS.labels(name, UnimplementedError.code).inc(len(pictures))
        return [failed] * len(pictures)
    try:
        with metrics.stage(name):
            found = await enricher.enrich(pictures)
    except ImageragError as error:
        log.warning("enrichment_failed", enrichment=name, code=error.code, pictures=len(pictures))
        metrics.FAILED_ENRICHMENTS.labels(name, error.code).inc(len(pictures))
        return [failed] * len(pictures)
    except Exception:
        log.exception("enrichment_failed", enrichment=name, pictures=len(pictures))
        metrics.FAILED_ENRICHMENTS.labels(name, "internal").inc(len(pictures))
        return [failed] * len(pictures)
    return [_of(name, each, failed) for each in found]


def _of(name: str, found: Enrichment | ImageragError, failed: Enrichment) -> Enrichment:
    if not isinstance(found, ImageragError):
        return found
    log.info("picture_not_enriched", enrichment=name, code=found.code)
    metrics.FAILED_ENRICHMENTS.labels(name, found.code).inc()
    return failed
