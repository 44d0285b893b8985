"""The stage behind the encoder: items of pictures get labels, if the job asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from services.common.domain import Item, Vector
from services.common.errors import ImageragError
from services.common.jobs.records import JobOptions
from workers import metrics
from workers.enrich.enrichment import Enrichment
from workers.enrich.labels.labeller import NAME, Labeller
from workers.ingest.vectors import Encoding

log = structlog.get_logger(__name__)


class Labelling:
    """Adds labels to items; an error marks them as incomplete and never stops them.

    Args:
        labeller: Names what is seen.
    """

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller

    async def labelled(
        self, options: JobOptions, encodings: Sequence[Encoding], fingerprint: str
    ) -> Sequence[Encoding]:
        """The lines, those of pictures with labels.

        Args:
            options: Of the job.
            encodings: Lines with their vectors.
            fingerprint: Of the vectors.
        """
        pictures = {
            line.taken.numbered.number: vector for line in encodings if (vector := _picture(line)) is not None
        }
        if not (options.tags and pictures):
            return encodings
        found = dict(zip(pictures, await self._found(list(pictures.values()), fingerprint), strict=True))
        return [_with(line, found.get(line.taken.numbered.number)) for line in encodings]

    async def _found(self, pictures: Sequence[Vector], fingerprint: str) -> Sequence[Enrichment]:
        try:
            with metrics.stage(NAME):
                labels = await self._labeller.labels(pictures, fingerprint)
        except ImageragError as error:
            log.warning("enrichment_failed", enrichment=NAME, code=error.code, pictures=len(pictures))
            metrics.FAILED_ENRICHMENTS.labels(NAME, error.code).inc(len(pictures))
            return [Enrichment(incomplete=(NAME,))] * len(pictures)
        return [Enrichment(labels=each) for each in labels]


def _picture(line: Encoding) -> Vector | None:
    return None if isinstance(line.vectors, ImageragError) else line.vectors.image


def _with(line: Encoding, found: Enrichment | None) -> Encoding:
    if found is None:
        return line
    return replace(line, taken=replace(line.taken, item=_labelled(line.taken.item, found)))


def _labelled(item: Item, found: Enrichment) -> Item:
    incomplete = tuple(dict.fromkeys((*item.incomplete, *found.incomplete)))
    return replace(item, labels=found.labels or item.labels, incomplete=incomplete)
