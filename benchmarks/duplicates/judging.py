"""From hashes and vectors to what is found and what is mistaken. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.duplicates.measuring import Seen
from workers.ingest.duplicates.closer_look import shows_the_same

Named = Mapping[tuple[str, str], Seen]


@dataclass(frozen=True)
class Limits:
    """As `workers.ingest.duplicates.choice.NearLimits`."""

    bits: int
    cosine: float

    @property
    def label(self) -> str:
        """For the head of a column."""
        return f"{self.bits} {self.cosine:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure for each pair of limits.

    Attributes:
        figures: Shares in [0, 1], or numbers of pairs.
        of: Out of how many pictures or pairs.
    """

    group: str
    name: str
    figures: tuple[float, ...]
    of: int


def rows(seen: Named, limits: Sequence[Limits]) -> Iterator[Row]:
    """Shares of changed pictures that are found, then pairs of different pictures taken for the same."""
    originals = seen["originals", ""]
    for (group, name), others in seen.items():
        if group in ("same", "changed"):
            found = tuple(share_found(originals, others, each) for each in limits)
            yield Row(group, name, found, len(originals.hashes))
    for (group, name), some in seen.items():
        if group in ("originals", "family"):
            count = len(some.hashes)
            mistaken = tuple(float(len(mistaken_pairs(some, each))) for each in limits)
            yield Row("mistaken", name or "the originals", mistaken, count * (count - 1) // 2)


def share_found(originals: Seen, others: Seen, limits: Limits) -> float:
    """Share of the originals whose changed copy counts as the same."""
    close = (originals.bits_to(others) <= limits.bits) & (originals.cosines_to(others) >= limits.cosine)
    same = [shows_the_same(originals.cells[place], others.cells[place]) for place in np.flatnonzero(close)]
    return sum(same) / len(close)


def mistaken_pairs(seen: Seen, limits: Limits) -> list[tuple[int, int]]:
    """Pairs of different pictures that count as the same."""
    pairs = seen.pairs_within(limits.bits)
    cosines = np.einsum("nd,nd->n", seen.vectors[pairs[:, 0]], seen.vectors[pairs[:, 1]])
    return [
        (int(one), int(other))
        for one, other in pairs[cosines >= limits.cosine]
        if shows_the_same(seen.cells[one], seen.cells[other])
    ]


def precision(table: Sequence[Row], column: int) -> float:
    """Of all that counts as the same, the share that is: found copies against mistaken pairs of the originals."""
    found = sum(row.figures[column] * row.of for row in table if row.group == "same")
    mistaken = sum(row.figures[column] for row in table if row.name == "the originals")
    return found / (found + mistaken) if found + mistaken else 1.0


def recall(table: Sequence[Row], column: int) -> float:
    """Mean over the changes after which it is the same picture to a person."""
    return float(np.mean([row.figures[column] for row in table if row.group == "same"]))
