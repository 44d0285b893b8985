"""What the reconciler does about a job. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from services.common.index.index import Stored
from services.common.jobs.messages import BatchMessage, batch_of
from services.common.jobs.records import Job, LineOutcome, Outcome

_MOST_DOUBLINGS = 6
_BUSY_FACTOR = 20
"""While messages still wait in the queue, open lines are most likely among them: be this much more patient."""


@dataclass(frozen=True)
class Queued:
    """When a batch was last queued again.

    Attributes:
        times: How often.
        at_s: When last, in seconds since the epoch.
    """

    times: int
    at_s: float


@dataclass(frozen=True)
class OpenBatch:
    """A batch with lines that are still to be done.

    Attributes:
        message: Its message.
        lines: The lines.
    """

    message: BatchMessage
    lines: tuple[int, ...]


def open_batches(job: Job, open_lines: Iterable[int]) -> Iterator[OpenBatch]:
    """The batches that hold these lines of a job; the lines in order."""
    for message, lines in groupby(open_lines, key=partial(batch_of, job)):
        yield OpenBatch(message, tuple(lines))


def is_due(queued: Queued, now_s: float, requeue_after_s: float, queue_is_empty: bool) -> bool:
    """Whether a batch that nobody works on has waited long enough to count as lost.

    Args:
        queued: When it was last queued again; zero times: when its job was accepted.
        now_s: Seconds since the epoch.
        requeue_after_s: The shortest wait; it doubles each time.
        queue_is_empty: No message waits, so none of this batch can.
    """
    wait_s = requeue_after_s * 2.0 ** min(queued.times, _MOST_DOUBLINGS)
    return now_s - queued.at_s >= (wait_s if queue_is_empty else wait_s * _BUSY_FACTOR)


def to_verify(outcomes: Iterable[LineOutcome]) -> dict[str, LineOutcome]:
    """The lines that say they are stored, by item id."""
    return {found.item_id: found for found in outcomes if found.outcome is Outcome.STORED and found.item_id}


def lost(job: Job, claimed: Mapping[str, LineOutcome], stored: Mapping[str, Stored]) -> list[LineOutcome]:
    """Lines whose item is not in the store at the line's revision or a newer one, taken back.

    A tombstone or another job's newer write is as good: the item was there, and something came after it. Where a
    later part of a streamed job wrote the item again, this line is done again too, and then says that it is
    merged.
    """
    return [
        LineOutcome(found.line, Outcome.PENDING, found.name, found.item_id, sha256=found.sha256)
        for item_id, found in claimed.items()
        if not _stands(job, found, stored.get(item_id))
    ]


def left_out(outcomes: Iterable[LineOutcome]) -> list[LineOutcome]:
    """The lines that were left out because their picture was there before, under another item."""
    return [found for found in outcomes if found.outcome is Outcome.SKIPPED and found.item_id]


def without_first(skipped: Iterable[LineOutcome], stored: Mapping[str, Stored]) -> list[LineOutcome]:
    """Lines that were left out for the sake of an item of which nothing is left, taken back.

    If that item was deleted, its mark is there, and the line stays left out: the delete came after it.
    """
    return [
        LineOutcome(found.line, Outcome.PENDING, found.name) for found in skipped if found.item_id not in stored
    ]


def _stands(job: Job, found: LineOutcome, stored: Stored | None) -> bool:
    if stored is None or stored.revision < job.revision_of(found.line):
        return False
    return stored.job_id != job.id or stored.line == found.line


def slices(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Ids in groups of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))
