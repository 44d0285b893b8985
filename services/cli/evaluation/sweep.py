"""The fusion's constant and weights, tried out: where do the defaults stand?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.cli.evaluation.judging import SEED, Relevant, recalls
from services.cli.evaluation.metrics import Estimate
from services.cli.evaluation.mixed import by_half, estimates
from services.cli.evaluation.questions import Answer, Options, Question
from services.cli.evaluation.results import Row, Table

CONSTANTS = (1.0, 3.0, 10.0, 60.0)
TEXT_WEIGHTS = (0.5, 0.6, 0.75, 1.0)
QUESTIONS = 150
"""Of each language: 16 combinations of two languages are 4,800 searches."""
_NOTE = (
    "recall@10. text: what the text and bm25 legs weigh together, image weighs 1; k: constant of the fusion. "
    "The intervals are those of a small sample (about +-0.08): read the trend, not the best cell."
)


@dataclass(frozen=True)
class Setting:
    """One combination.

    Attributes:
        rrf_k: Constant of the fusion.
        text_weight: What `text` and `bm25` share.
    """

    rrf_k: float
    text_weight: float

    @property
    def label(self) -> str:
        """For people."""
        return f"k {self.rrf_k:g}, text {self.text_weight:g}"

    @property
    def options(self) -> Options:
        """How to ask with it."""
        share = self.text_weight / 2
        return Options(legs={"image": 1.0, "text": share, "bm25": share}, rrf_k=self.rrf_k)


def settings() -> Iterator[Setting]:
    """Every combination, the constant outermost."""
    for rrf_k in CONSTANTS:
        for text_weight in TEXT_WEIGHTS:
            yield Setting(rrf_k, text_weight)


def draw(questions: Sequence[Question]) -> list[Question]:
    """The questions of the sweep: a random sample, always the same one."""
    if len(questions) <= QUESTIONS:
        return list(questions)
    chosen = np.random.default_rng(SEED).choice(len(questions), size=QUESTIONS, replace=False)
    return [questions[index] for index in sorted(chosen)]


def row(
    setting: Setting, answers: dict[str, list[Answer]], relevant: dict[str, Relevant], texted: frozenset[str]
) -> Row:
    """One combination over both languages and both halves.

    Args:
        setting: What was tried.
        answers: By language.
        relevant: By language.
        texted: Keys of the stamps that have text.
    """
    cells: dict[str, Estimate] = {}
    for language, of_language in answers.items():
        figures = by_half(of_language, relevant[language], texted, recalls)
        cells |= {f"{language} {part}": estimate for part, estimate in estimates(figures).items()}
    return Row(setting.label, cells)


def table(rows: Sequence[Row]) -> Table:
    """All combinations."""
    columns = tuple(rows[0].cells) if rows else ()
    return Table(
        "sweep",
        "Mixed: the fusion's constant and the text legs' weight",
        columns,
        tuple(rows),
        _NOTE,
        intervals=False,
    )
