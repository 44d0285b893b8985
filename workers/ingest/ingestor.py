"""The use case: lines in, outcomes out. It knows neither Celery nor Redis nor the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from services.common.clients.encoder import Space
from services.common.domain import IndexedItem, Item, ItemVectors, SparseVector, Vector
from services.common.errors import FingerprintMismatchError, ImageragError, InternalError
from services.common.index.bm25 import encode_document
from services.common.jobs.records import Job, LineOutcome, Outcome
from workers.enrich.enrichment import SeenPicture
from workers.enrich.stage import EnrichmentStage
from workers.ingest.items import NumberedLine, build_item, outcome_of
from workers.ingest.pictures import Picture, PictureIntake
from workers.ingest.ports import Encoder, ItemIndex
from workers.ingest.target import Target, Targets
from workers.ingest.vectors import Encoded, encode_images, encode_texts, lane_of
from workers.metrics import stage

log = structlog.get_logger(__name__)
_CHUNKS_IN_FLIGHT = 2
"""One is prepared while the other is at the encoder; more would only fill memory."""


@dataclass(frozen=True)
class Ready:
    """An item with its vectors, ready to be written."""

    numbered: NumberedLine
    indexed: IndexedItem


@dataclass(frozen=True)
class _Prepared:
    """An item that waits for its vectors."""

    numbered: NumberedLine
    item: Item
    picture: Picture | None


@dataclass
class Report:
    """What became of a batch.

    Attributes:
        outcomes: Lines that came to an end.
        errors: Why the other lines did not; something they need is down.
    """

    outcomes: list[LineOutcome] = field(default_factory=list)
    errors: list[ImageragError] = field(default_factory=list)


def is_passing(error: ImageragError) -> bool:
    """Whether the line may go in later as it is: an outage, or a model that the operator has to put right."""
    return error.retryable or isinstance(error, FingerprintMismatchError)


class Ingestor:
    """Takes the lines of one batch at a time. Belongs to the event loop that its clients were opened in.

    Args:
        encoder: Makes the vectors.
        index: Takes the items.
        intake: Reads and keeps the pictures.
        enriching: Finds out more about pictures, as far as a job asks for it.
        chunk_items: Lines that are prepared together.
    """

    def __init__(
        self,
        encoder: Encoder,
        index: ItemIndex,
        intake: PictureIntake,
        enriching: EnrichmentStage,
        chunk_items: int,
    ) -> None:
        self._encoder, self._index, self._intake = encoder, index, intake
        self._enriching, self._chunk_items = enriching, chunk_items
        self._targets = Targets(encoder, index)

    async def ingest(self, job: Job, lines: Sequence[NumberedLine]) -> Report:
        """Bring lines into the store.

        Returns:
            An outcome for each line that came to an end. A line that did not is to be tried again.
        """
        report = Report()
        try:
            target = await self._targets.current()
            ready = await self._prepare(job, lines, target, report)
            await self._write(job, target, ready, report)
        except ImageragError as error:
            if not is_passing(error):
                raise
            report.errors.append(error)
        if report.errors:
            self._targets.forget()
        return report

    async def _prepare(
        self, job: Job, lines: Sequence[NumberedLine], target: Target, report: Report
    ) -> list[Ready]:
        """Read and encode chunk by chunk: while one is at the encoder, the next is read."""
        in_flight, reading = asyncio.Semaphore(_CHUNKS_IN_FLIGHT), asyncio.Lock()

        async def one(chunk: Sequence[NumberedLine]) -> list[Ready]:
            async with in_flight:
                async with reading:
                    prepared = await asyncio.to_thread(self._take, job, chunk, report)
                prepared = await self._enrich(job, prepared)
                return await self._encode(job, prepared, target, report)

        done = await asyncio.gather(*(one(chunk) for chunk in _chunks(lines, self._chunk_items)))
        return [ready for chunk in done for ready in chunk]

    def _take(self, job: Job, chunk: Sequence[NumberedLine], report: Report) -> Sequence[_Prepared]:
        prepared = []
        with stage("decode"):
            for numbered in chunk:
                try:
                    picture = self._intake.take(job.tenant, numbered.line)
                    item = build_item(job, numbered, picture.media if picture else None, datetime.now(UTC))
                    prepared.append(_Prepared(numbered, item, picture))
                except ImageragError as error:
                    _note(report, numbered, error)
        return prepared

    async def _enrich(self, job: Job, prepared: Sequence[_Prepared]) -> Sequence[_Prepared]:
        seen = {
            line.numbered.number: SeenPicture(job.tenant, line.picture.media.sha256, line.picture.data, line.item)
            for line in prepared
            if line.picture
        }
        found = dict(zip(seen, await self._enriching.enrich(list(seen.values()), job.options), strict=True))
        return [
            replace(line, item=found[line.numbered.number].applied_to(line.item)) if line.picture else line
            for line in prepared
        ]

    async def _encode(
        self, job: Job, prepared: Sequence[_Prepared], target: Target, report: Report
    ) -> list[Ready]:
        try:
            with stage("encode"):
                images = await self._encode_images(job, prepared, target)
                texts, meanings = await asyncio.gather(
                    *(self._encode_texts(job, prepared, target, space) for space in (Space.JOINT, Space.SEMANTIC))
                )
        except ImageragError as error:
            if not is_passing(error):
                raise
            report.errors.append(error)
            return []
        ready = []
        for line in prepared:
            try:
                vectors = ItemVectors(
                    image=_vector(images, line),
                    text=_vector(texts, line),
                    bm25=_words(line.item),
                    semantic=_vector(meanings, line),
                )
                indexed = IndexedItem(line.item, vectors, job.id, line.numbered.number)
                ready.append(Ready(line.numbered, indexed))
            except ImageragError as error:
                _note(report, line.numbered, error)
        return ready

    async def _encode_images(self, job: Job, prepared: Sequence[_Prepared], target: Target) -> dict[int, Encoded]:
        pictures = {line.numbered.number: line.picture.data for line in prepared if line.picture}
        found = await encode_images(
            self._encoder,
            list(pictures.values()),
            lane_of(job.queue),
            target.fingerprint,
            target.max_call_items,
        )
        return dict(zip(pictures, found, strict=True))

    async def _encode_texts(
        self, job: Job, prepared: Sequence[_Prepared], target: Target, space: Space
    ) -> dict[int, Encoded]:
        fingerprint = target.fingerprint_of(space)
        if fingerprint is None:
            return {}
        texts = {line.numbered.number: line.item.searchable_text() for line in prepared}
        texts = {number: text for number, text in texts.items() if text.strip()}
        found = await encode_texts(
            self._encoder, list(texts.values()), lane_of(job.queue), fingerprint, target.max_call_items, space
        )
        return dict(zip(texts, found, strict=True))

    async def _write(self, job: Job, target: Target, ready: Sequence[Ready], report: Report) -> None:
        if not ready:
            return
        try:
            with stage("upsert"):
                stored = await self._index.upsert(target.collection, job.tenant, [line.indexed for line in ready])
        except ImageragError as error:
            if is_passing(error) or isinstance(error, InternalError):
                raise
            await self._write_singly(job, target, ready, error, report)
            return
        for line in ready:
            item = line.indexed.item
            outcome = outcome_of(line.numbered, item, stored.get(item.id), job)
            if outcome:
                report.outcomes.append(outcome)

    async def _write_singly(
        self, job: Job, target: Target, ready: Sequence[Ready], error: ImageragError, report: Report
    ) -> None:
        """One item that the store must not take stops the whole call: find it, and let the others in."""
        if len(ready) == 1:
            _note(report, ready[0].numbered, error)
            return
        for line in ready:
            await self._write(job, target, [line], report)


def _chunks(lines: Sequence[NumberedLine], size: int) -> Iterator[Sequence[NumberedLine]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))


def _vector(encoded: dict[int, Encoded], line: _Prepared) -> Vector | None:
    """The line's vector; None if it has nothing to make it from.

    Raises:
        ImageragError: What the encoder said about this line.
    """
    found = encoded.get(line.numbered.number)
    if isinstance(found, ImageragError):
        raise found
    return found


def _words(item: Item) -> SparseVector | None:
    return encode_document(item.searchable_text())


def _note(report: Report, numbered: NumberedLine, error: ImageragError) -> None:
    if is_passing(error):
        report.errors.append(error)
        return
    log.info("line_failed", line=numbered.number, code=error.code)
    report.outcomes.append(
        LineOutcome(numbered.number, Outcome.FAILED, numbered.line.name, code=error.code, message=error.message)
    )
