"""From many recorded outcomes of a line to the one that holds. Pure; the order of arrival does not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.common.domain import DuplicateKind
from services.common.jobs.records import DuplicateCounts, LineOutcome, ManifestLine, Outcome

# A line may run twice at once. What is in the store is a fact, whatever a second run reported later.
_RANK = {
    Outcome.STORED: 0,
    Outcome.MERGED: 1,
    Outcome.SUPERSEDED: 2,
    Outcome.SKIPPED: 3,
    Outcome.FAILED: 4,
}


@dataclass(frozen=True)
class Entry:
    """A recorded outcome.

    Attributes:
        order: Sorts as the recording went: time, then a random part.
    """

    order: str
    outcome: LineOutcome


def settle(entries: Sequence[Entry]) -> LineOutcome | None:
    """The outcome of one line; None if it is still to be done.

    `PENDING` takes back what was recorded before it. Of the rest the strongest holds, the earliest of equals. A
    line that was done again to complete its item, and failed then, is what it was before: the item is still there.
    """
    taken_back = max((e for e in entries if e.outcome.outcome is Outcome.PENDING), key=_order, default=None)
    if taken_back is None:
        return _strongest(entries)
    found = _strongest([e for e in entries if e.order > taken_back.order])
    if found and found.outcome is Outcome.FAILED and taken_back.outcome.incomplete:
        return settle([e for e in entries if e.order < taken_back.order]) or found
    return found


def _strongest(entries: Sequence[Entry]) -> LineOutcome | None:
    """Of two that are stored a complete one: in the store it is not replaced by one that is not."""
    standing = [e for e in entries if e.outcome.outcome is not Outcome.PENDING]
    if not standing:
        return None
    return min(standing, key=lambda e: (_RANK[e.outcome.outcome], bool(e.outcome.incomplete), e.order)).outcome


def _order(entry: Entry) -> str:
    return entry.order


def count(outcomes: Mapping[int, LineOutcome]) -> Counter[Outcome]:
    """How many lines ended which way."""
    return Counter(outcome.outcome for outcome in outcomes.values())


def count_duplicates(outcomes: Iterable[LineOutcome]) -> DuplicateCounts:
    """How many of these lines have a picture that was there before."""
    found = Counter(
        (outcome.outcome, outcome.duplicate_of.kind) for outcome in outcomes if outcome.duplicate_of is not None
    )
    return DuplicateCounts(
        linked_exact=found[Outcome.STORED, DuplicateKind.EXACT],
        linked_near=found[Outcome.STORED, DuplicateKind.NEAR],
        skipped_exact=found[Outcome.SKIPPED, DuplicateKind.EXACT],
        skipped_near=found[Outcome.SKIPPED, DuplicateKind.NEAR],
    )


def shadowed_by_key(lines: Sequence[ManifestLine]) -> list[LineOutcome]:
    """Lines whose client key a later line of the same job repeats: the later line counts, these are merged."""
    last = {line.key: number for number, line in enumerate(lines) if line.key}
    return [
        LineOutcome(number, Outcome.MERGED, line.name, attempts=0)
        for number, line in enumerate(lines)
        if line.key and last[line.key] != number
    ]
