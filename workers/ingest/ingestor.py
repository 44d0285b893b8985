"""The use case: lines in, outcomes out. It knows neither Celery nor Redis nor the ledger.

Reading, enriching, encoding and writing overlap: while a group is written, the lines behind it are at the encoder
and those behind them are read. Each stage takes no more than the next one takes from it, so that a full encoder or
store slows the reading of pictures down instead of failing anything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing

from services.common.clients.encoder_inputs import Encoded
from services.common.domain import IndexedItem, ItemVectors, SparseVector
from services.common.errors import ImageragError
from services.common.index.words import encode_item
from services.common.jobs.records import Job
from workers.ingest.items import NumberedLine
from workers.ingest.labelling import Labelling
from workers.ingest.meanings import meanings
from workers.ingest.ports import Encoder, ItemIndex
from workers.ingest.reading import Reading
from workers.ingest.report import Report, is_passing
from workers.ingest.target import Target, Targets
from workers.ingest.vectors import Encoding, JointVectors, encoded, lane_of
from workers.ingest.writing import ItemWriter, Ready


class Ingestor:
    """Takes the lines of one message at a time. Belongs to the event loop that its clients were opened in.

    Args:
        encoder: Makes the vectors.
        index: Takes the items.
        reading: Makes items of lines.
        labelling: Names what is seen in pictures.
        writing: Brings them into the store.
        write_items: Items are written once there are so many, or no more come.
        patience_s: Longest wait for a full encoder or store.
    """

    def __init__(
        self,
        encoder: Encoder,
        index: ItemIndex,
        reading: Reading,
        labelling: Labelling,
        writing: ItemWriter,
        *,
        write_items: int,
        patience_s: float,
    ) -> None:
        self._encoder, self._reading = encoder, reading
        self._labelling, self._writing = labelling, writing
        self._write_items, self._patience_s = write_items, patience_s
        self._targets = Targets(encoder, index)

    async def ingest(self, job: Job, lines: Sequence[NumberedLine], report: Report) -> None:
        """Bring lines into the store. A line without an outcome in the report is to be tried again.

        Args:
            job: Theirs.
            lines: In order.
            report: Takes the outcomes, each once it is certain; they hold even if this ends in an error.
        """
        try:
            await self._carry_out(job, lines, await self._targets.current(), report)
        except ImageragError as error:
            if not is_passing(error):
                raise
            report.errors.append(error)
        if report.errors:
            self._targets.forget()

    def give_up(self) -> None:
        """Leave to itself whatever hangs in the message that was just cancelled."""
        self._reading.give_up()

    async def _carry_out(self, job: Job, lines: Sequence[NumberedLine], target: Target, report: Report) -> None:
        lane = lane_of(job.queue)
        async with (
            aclosing(self._reading.chunks(job, lines, target.preparer, report)) as chunks,
            aclosing(encoded(self._encoder, chunks, target, lane)) as encodings,
        ):
            async for group in _groups(encodings, self._write_items):
                seen = await self._labelling.labelled(job.options, group, target.fingerprint)
                ready = await self._ready(job, seen, target, report)
                await self._writing.write(job, target, ready, report)

    async def _ready(self, job: Job, group: Sequence[Encoding], target: Target, report: Report) -> Sequence[Ready]:
        texts = {line.taken.numbered.number: line.taken.item.embedded_text() for line in group}
        semantic = await meanings(self._encoder, texts, target, lane_of(job.queue), self._patience_s)
        ready = []
        for line in group:
            numbered, item = line.taken.numbered, line.taken.item
            try:
                vectors = _vectors(line.vectors, encode_item(item), semantic.get(numbered.number))
                ready.append(Ready(numbered, IndexedItem(item, vectors, job.id, numbered.number)))
            except ImageragError as error:
                report.note(numbered, error)
        return ready


async def _groups(
    encodings: AsyncIterable[Sequence[Encoding]], least_items: int
) -> AsyncGenerator[Sequence[Encoding], None]:
    """Chunks put together, at least so many lines at once but for the last."""
    group: list[Encoding] = []
    async for chunk in encodings:
        group.extend(chunk)
        if len(group) >= least_items:
            yield group
            group = []
    if group:
        yield group


def _vectors(
    joint: JointVectors | ImageragError, words: SparseVector | None, semantic: Encoded | None
) -> ItemVectors:
    """All vectors of a line.

    Raises:
        ImageragError: What the encoder said about it.
    """
    if isinstance(joint, ImageragError):
        raise joint
    if isinstance(semantic, ImageragError):
        raise semantic
    return ItemVectors(image=joint.image, text=joint.text, bm25=words, semantic=semantic)
