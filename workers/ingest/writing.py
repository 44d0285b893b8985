"""The third phase, at the store: items are written together, read back and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from services.common.domain import IndexedItem
from services.common.errors import ImageragError, InternalError
from services.common.jobs.records import Job
from workers.ingest.items import NumberedLine, outcome_of
from workers.ingest.patience import patiently
from workers.ingest.ports import ItemIndex
from workers.ingest.report import Report, is_passing
from workers.ingest.target import Target
from workers.metrics import stage


@dataclass(frozen=True)
class Ready:
    """An item with its vectors, ready to be written."""

    numbered: NumberedLine
    indexed: IndexedItem


class ItemWriter(Protocol):
    """Brings items into the store."""

    async def write(self, job: Job, target: Target, ready: Sequence[Ready], report: Report) -> None:
        """Write lines of one message and note what became of each, as it was read back.

        Raises:
            ImageragError: The store cannot work now, or refused all of it for a reason that is not theirs.
        """


class Writing:
    """The last stage of ingest.

    Args:
        index: Takes the items.
        patience_s: Longest wait for a full store.
    """

    def __init__(self, index: ItemIndex, patience_s: float) -> None:
        self._index, self._patience_s = index, patience_s

    async def write(self, job: Job, target: Target, ready: Sequence[Ready], report: Report) -> None:
        """Write lines of one message and note what became of each, as it was read back.

        Raises:
            ImageragError: The store cannot work now, or refused all of it for a reason that is not theirs.
        """
        if not ready:
            return
        items = [line.indexed for line in ready]
        try:
            with stage("upsert"):
                stored = await patiently(
                    partial(self._index.upsert, target.collection, job.tenant, items), self._patience_s
                )
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
            report.note(ready[0].numbered, error)
            return
        for line in ready:
            await self.write(job, target, [line], report)
