"""The way into the store for jobs that do not want duplicates: look first, then link, leave out or write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from services.common.domain import DuplicateKind, DuplicateOf
from services.common.errors import DuplicatePendingError
from services.common.jobs.records import Job, LineOutcome, Outcome
from workers import metrics
from workers.ingest.duplicates.arrivals import Arrival
from workers.ingest.duplicates.choice import NearLimits, Wanted, is_comparable
from workers.ingest.duplicates.firsts import Firsts, Found
from workers.ingest.duplicates.order import Comer, Held
from workers.ingest.duplicates.waiting import Announced, Waiting
from workers.ingest.report import Report
from workers.ingest.target import Target
from workers.ingest.writing import ItemWriter, Ready

log = structlog.get_logger(__name__)
PATIENCE_S = 2.0
"""Others write their lines within a fraction of this; whoever takes longer has most likely died."""
_PAUSE_S = 0.05
_RETRY_AFTER_S = 2.0


@dataclass(frozen=True)
class _Entry:
    """A picture that waits to be let in."""

    ready: Ready
    comer: Comer


class DuplicateGate:
    """Writes items, after duplicates among their pictures were found and dealt with.

    Every picture gets a place in an order that all workers share. It is compared with what is stored once nothing
    that stands before it, and may be the same, is still on its way. Of any number of equal pictures that arrive at
    once one becomes the first, and the others find it, whichever process dies on the way: a line that is tried
    again keeps its place.

    Args:
        writing: Brings items into the store.
        firsts: Finds what is there.
        waiting: The order.
        limits: What may look the same.
        patience_s: How long one message waits for others before it is put back.
    """

    def __init__(
        self,
        writing: ItemWriter,
        firsts: Firsts,
        waiting: Waiting,
        limits: NearLimits,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._writing, self._firsts, self._waiting = writing, firsts, waiting
        self._limits, self._patience_s = limits, patience_s

    async def write(self, job: Job, target: Target, ready: Sequence[Ready], report: Report) -> None:
        """As `ItemWriter.write`; a line that has to wait for another one gets no outcome yet.

        Raises:
            ImageragError: Store or object storage cannot work now.
        """
        wanted = Wanted.of(job.options)
        arrivals = {line.numbered.number: _arrival(line) for line in ready if wanted and _takes_part(line)}
        if not arrivals:
            await self._writing.write(job, target, ready, report)
            return
        announced = await asyncio.to_thread(self._waiting.announce, job, wanted, list(arrivals.values()))
        entries = [
            _Entry(line, Comer(arrivals[number], announced.places[number], line.indexed.vectors.image))
            for line in ready
            if (number := line.numbered.number) in arrivals
        ]
        others = [line for line in ready if line.numbered.number not in arrivals]
        await self._let_in(announced, target, entries, others, report)
        await asyncio.to_thread(self._waiting.settle, announced, report)

    async def _let_in(
        self,
        announced: Announced,
        target: Target,
        entries: Sequence[_Entry],
        others: Sequence[Ready],
        report: Report,
    ) -> None:
        """Round by round: each lets in what has nothing to wait for, and those who waited for that find it."""
        job, wanted = announced.job, announced.wanted
        give_up_at = time.monotonic() + self._patience_s
        while entries or others:
            is_late = time.monotonic() > give_up_at
            comers = [entry.comer for entry in entries]
            # Waiting is looked at first: what ends between the two looks is found by the second.
            held = await asyncio.to_thread(self._waiting.held, announced, comers, report, is_late=is_late)
            with metrics.stage("duplicates"):
                found = await self._firsts.find(job, target.collection, comers, wanted, self._limits)
            free = [entry for entry in entries if _is_free(found[_line(entry)], held[_line(entry)])]
            await self._carry_out(announced, target, free, others, found, report)
            done = {_line(entry) for entry in free}
            entries, others = [entry for entry in entries if _line(entry) not in done], []
            if free or not entries:
                continue
            if is_late:
                log.info("duplicates_awaited", job_id=job.id, lines=len(entries))
                report.errors.append(_pending(len(entries)))
                return
            await asyncio.sleep(_PAUSE_S)

    async def _carry_out(
        self,
        announced: Announced,
        target: Target,
        free: Sequence[_Entry],
        others: Sequence[Ready],
        found: Mapping[int, Found],
        report: Report,
    ) -> None:
        written, skipped = list(others), list[LineOutcome]()
        for entry in free:
            known = found[_line(entry)]
            if known.first and _is_left_out(known, announced.wanted):
                skipped.append(_skipped(entry.ready, known.first))
            else:
                written.append(_linked(entry.ready, known.first))
        if written:
            await self._writing.write(announced.job, target, written, report)
        report.outcomes.extend(skipped)
        for entry in free:
            _count(found[_line(entry)], announced.wanted)


def _arrival(line: Ready) -> Arrival:
    item = line.indexed.item
    media = item.media
    assert media is not None
    return Arrival(line.numbered.number, item.id, media.sha256, media.perceptual_hash)


def _takes_part(line: Ready) -> bool:
    item = line.indexed.item
    return item.media is not None and is_comparable(item.media.perceptual_hash, item.position)


def _is_free(found: Found, held: frozenset[Held]) -> bool:
    """Nothing can change what becomes of the line any more."""
    if found.written or not held:
        return True
    first = found.first
    # Two items that are updated at once must not be linked to one another.
    if first is None or any(first.item_id == other.item_id for other in held):
        return False
    # What looks the same may turn out to have the same bytes as something that is still on its way.
    return first.kind is DuplicateKind.EXACT or all(other.kind is DuplicateKind.NEAR for other in held)


def _is_left_out(found: Found, wanted: Wanted) -> bool:
    """An item that is there already is updated, and never left out."""
    return found.first is not None and found.own is None and wanted.policy(found.first.kind) == "skip"


def _linked(ready: Ready, first: DuplicateOf | None) -> Ready:
    if first is None:
        return ready
    return replace(ready, indexed=replace(ready.indexed, item=replace(ready.indexed.item, duplicate_of=first)))


def _skipped(ready: Ready, first: DuplicateOf) -> LineOutcome:
    return LineOutcome(
        ready.numbered.number, Outcome.SKIPPED, ready.numbered.line.name, first.item_id, duplicate_of=first
    )


def _pending(lines: int) -> DuplicatePendingError:
    return DuplicatePendingError(
        f"{lines} pictures wait for others that may be the same and are still on their way.",
        retry_after_s=_RETRY_AFTER_S,
    )


def _line(entry: _Entry) -> int:
    return entry.comer.arrival.line


def _count(found: Found, wanted: Wanted) -> None:
    if found.first and not found.written:
        done = "skipped" if _is_left_out(found, wanted) else "linked"
        metrics.DUPLICATES.labels(found.first.kind.value, done).inc()
