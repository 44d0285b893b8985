"""A picture and words in one query: both the one like the picture and the one of the words should be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.cli.evaluation.judging import SEED
from services.cli.evaluation.metrics import bootstrap
from services.cli.evaluation.questions import Answer, Question
from services.cli.evaluation.results import Row, Table
from services.cli.evaluation.stamps import Stamp

PAIRS = 100
_COLUMNS = ("share of queries",)


@dataclass(frozen=True)
class Pair:
    """A query: the picture of one stamp with the description of another one."""

    pictured: Stamp
    described: Stamp

    @property
    def question(self) -> Question:
        """The query."""
        return Question(self.pictured.key, self.described.english, self.pictured.path)


def pairs(stamps: Sequence[Stamp]) -> list[Pair]:
    """Random pairs with different descriptions, always the same ones."""
    random = np.random.default_rng(SEED)
    drawn = (random.choice(len(stamps), size=2, replace=False) for _ in range(min(PAIRS, len(stamps) // 2)))
    both = (Pair(stamps[first], stamps[second]) for first, second in drawn)
    return [pair for pair in both if pair.pictured.english != pair.described.english]


def table(asked: Sequence[Pair], answers: Sequence[Answer], words_alone: Sequence[Answer]) -> Table:
    """What came of them.

    Args:
        asked: The queries.
        answers: To the picture with the words.
        words_alone: To the words without the picture.
    """
    joined = list(zip(asked, answers, words_alone, strict=True))
    found = {
        "the picture's own item is found": [pair.pictured.key in both.ranked for pair, both, _ in joined],
        "the described item is found": [pair.described.key in both.ranked for pair, both, _ in joined],
        "the described item is found by the words alone": [
            pair.described.key in words.ranked for pair, _, words in joined
        ],
    }
    rows = tuple(
        Row(label, {_COLUMNS[0]: bootstrap([float(hit) for hit in hits], seed=SEED)})
        for label, hits in found.items()
    )
    note = "In the first ten, by the system's defaults, on the Mixed items. A check of sanity, not a target."
    return Table("composed", "A picture and words of another stamp in one query", _COLUMNS, rows, note)
