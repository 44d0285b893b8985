"""From many recorded outcomes of a line to the one that holds. Pure; the order of arrival does not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.common.jobs.records import LineOutcome, ManifestLine, Outcome

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

    `PENDING` takes back what was recorded before it. Of the rest the strongest holds, the earliest of equals.
    """
    taken_back = max((e.order for e in entries if e.outcome.outcome is Outcome.PENDING), default="")
    standing = [e for e in entries if e.outcome.outcome is not Outcome.PENDING and e.order > taken_back]
    if not standing:
        return None
    return min(standing, key=lambda e: (_RANK[e.outcome.outcome], e.order)).outcome


def count(outcomes: Mapping[int, LineOutcome]) -> Counter[Outcome]:
    """How many lines ended which way."""
    return Counter(outcome.outcome for outcome in outcomes.values())


def shadowed_by_key(lines: Sequence[ManifestLine]) -> list[LineOutcome]:
    """Lines whose client key a later line of the same job repeats: the later line counts, these are merged."""
    last = {line.key: number for number, line in enumerate(lines) if line.key}
    return [
        LineOutcome(number, Outcome.MERGED, line.name, attempts=0)
        for number, line in enumerate(lines)
        if line.key and last[line.key] != number
    ]
