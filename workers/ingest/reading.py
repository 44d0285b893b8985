"""From lines to items: pictures are read, decoded and kept on threads, and enriched, a few chunks ahead."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from services.common.clients.encoder_inputs import EncoderInput
from services.common.clients.encoder_preparer import Preparer
from services.common.domain import Item
from services.common.errors import ImageragError
from services.common.jobs.records import Job
from workers.enrich.enrichment import SeenPicture
from workers.enrich.stage import EnrichmentStage
from workers.ingest.ahead import ahead
from workers.ingest.items import NumberedLine, build_item
from workers.ingest.pictures import Picture, PictureIntake
from workers.ingest.report import Report
from workers.metrics import stage

_ONE_MORE = 1
"""A chunk beyond those that the threads are at: it is enriched, or waits for the encoder, meanwhile."""


@dataclass(frozen=True)
class Taken:
    """A line that was read.

    Attributes:
        numbered: The line.
        item: What is stored of it.
        content: Its picture for the encoder; None if it has none.
    """

    numbered: NumberedLine
    item: Item
    content: EncoderInput | None


@dataclass(frozen=True)
class _Read:
    numbered: NumberedLine
    item: Item
    picture: Picture | None


class Reading:
    """The first stage of ingest. Belongs to one event loop.

    Args:
        intake: Reads and keeps the pictures.
        enriching: Finds out more about them, as far as a job asks for it.
        threads: Chunks read at once.
        chunk_items: Lines of a chunk.
    """

    def __init__(
        self, intake: PictureIntake, enriching: EnrichmentStage, *, threads: int, chunk_items: int
    ) -> None:
        self._intake, self._enriching = intake, enriching
        self._threads, self._chunk_items = threads, chunk_items
        self._executor = self._opened()

    async def chunks(
        self, job: Job, lines: Sequence[NumberedLine], preparer: Preparer | None, report: Report
    ) -> AsyncGenerator[Sequence[Taken], None]:
        """Read lines, no faster than chunks are taken away.

        Args:
            job: Theirs.
            lines: What to read.
            preparer: See `PictureIntake.take`.
            report: Takes note of lines that cannot be read.

        Yields:
            The lines of each chunk that could be read, in order.
        """

        async def one(chunk: Sequence[NumberedLine]) -> Sequence[Taken]:
            context = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            work = partial(context.run, self._read, job, chunk, preparer, report)
            return await self._enriched(job, await loop.run_in_executor(self._executor, work))

        most = self._threads + _ONE_MORE
        async with aclosing(ahead(one, _chunks(lines, self._chunk_items), most)) as chunks:
            async for chunk in chunks:
                yield chunk

    def give_up(self) -> None:
        """Leave what is being read to itself: a thread that hangs in a decoder must not hold up later messages."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._opened()

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _opened(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="read")

    def _read(
        self, job: Job, chunk: Sequence[NumberedLine], preparer: Preparer | None, report: Report
    ) -> Sequence[_Read]:
        found = []
        with stage("decode"):
            for numbered in chunk:
                try:
                    picture = self._intake.take(job.tenant, numbered.line, preparer)
                    item = build_item(job, numbered, picture.media if picture else None, datetime.now(UTC))
                    found.append(_Read(numbered, item, picture))
                except ImageragError as error:
                    report.note(numbered, error)
        return found

    async def _enriched(self, job: Job, read: Sequence[_Read]) -> Sequence[Taken]:
        pictures = {
            line.numbered.number: SeenPicture(job.tenant, line.picture.media.sha256, line.picture.data, line.item)
            for line in read
            if line.picture
        }
        found = dict(
            zip(pictures, await self._enriching.enrich(list(pictures.values()), job.options), strict=True)
        )
        return [
            Taken(
                line.numbered,
                found[line.numbered.number].applied_to(line.item) if line.picture else line.item,
                line.picture.content if line.picture else None,
            )
            for line in read
        ]


def _chunks(lines: Sequence[NumberedLine], size: int) -> Iterator[Sequence[NumberedLine]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))
