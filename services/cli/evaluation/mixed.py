"""Protocol *Mixed*: a random half has folder and file words stored; do the legs together lose what one finds?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from services.cli.evaluation.judging import SEED, Relevant, recalls, shown_recalls, within
from services.cli.evaluation.metrics import Estimate, bootstrap
from services.cli.evaluation.questions import KEY_PREFIX, MARK, Answer, Options
from services.cli.evaluation.results import Check, Row, Table
from services.cli.evaluation.stamps import Stamp
from services.cli.ingestion.entries import Entry

OVERALL, BARE, TEXTED = "overall", "bare half", "texted half"
COLUMNS = (OVERALL, BARE, TEXTED)
IMAGE, TEXT, BM25, HYBRID = "image leg", "text leg", "bm25 leg", "hybrid"
SHOWN = "hybrid, shown"
DIFFERENCE = "hybrid - best leg"
WAYS: Mapping[str, Options] = {
    IMAGE: Options(legs={"image": 1.0}),
    TEXT: Options(legs={"text": 1.0}),
    BM25: Options(legs={"bm25": 1.0}),
    HYBRID: Options(),
}
LEGS = (IMAGE, TEXT, BM25)
LOSS_ALLOWED = 0.01
BARE_SHARE = 0.9
_NOTE = (
    "recall@10 as in Pixels. Half of the stamps have their folder and file words stored as title ('animals birds "
    "magpie'); the description is the query, and of a half only its own items are right. hybrid: the system's "
    "defaults, hits below their noise floors behind the others; hybrid, shown: without those, as a person sees "
    "it. hybrid - best leg: over the same queries."
)


def texted_half(stamps: Sequence[Stamp]) -> frozenset[str]:
    """The keys of a random half: always the same one for the same stamps."""
    order = np.random.default_rng(SEED).permutation(len(stamps))
    return frozenset(stamps[index].key for index in order[: len(stamps) // 2])


def entries(stamps: Sequence[Stamp], texted: frozenset[str]) -> list[Entry]:
    """The items: every picture, half of them with a title."""
    return [Entry(stamp.key, stamp.path, _fields(stamp, texted)) for stamp in stamps]


def table(
    name: str, language: str, answers: Mapping[str, Sequence[Answer]], relevant: Relevant, texted: frozenset[str]
) -> Table:
    """Every way beside the others.

    Args:
        name: Of the table, for programs.
        language: For people.
        answers: By way; the same questions in the same order for each.
        relevant: See `judging`.
        texted: Keys of the stamps that have text.
    """
    figures = {way: by_half(of_way, relevant, texted, recalls) for way, of_way in answers.items()}
    figures[SHOWN] = by_half(answers[HYBRID], relevant, texted, shown_recalls)
    figures[DIFFERENCE] = _differences(figures)
    rows = tuple(Row(way, estimates(of_way)) for way, of_way in figures.items())
    return Table(name, f"Mixed, {language}: recall@10", COLUMNS, rows, _NOTE)


def by_half(
    answers: Sequence[Answer],
    relevant: Relevant,
    texted: frozenset[str],
    judge: Callable[[Sequence[Answer], Relevant], list[float]],
) -> dict[str, list[float]]:
    """The figures of the questions: of all, of those about bare items, of those about items with text.

    Of a half, only items of that half are right.
    """
    chosen = {
        BARE: [answer for answer in answers if answer.question.own not in texted],
        TEXTED: [answer for answer in answers if answer.question.own in texted],
    }
    own_half = within(relevant, texted)
    return {OVERALL: judge(answers, relevant), **{half: judge(part, own_half) for half, part in chosen.items()}}


def estimates(figures: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    """Their means with intervals; a column without questions is left out."""
    return {column: bootstrap(values, seed=SEED) for column, values in figures.items() if values}


def checks(language: str, found: Table) -> list[Check]:
    """The targets of this protocol in one language."""
    best = max(found.cell(leg, OVERALL).mean for leg in LEGS)
    return [
        Check(
            f"Mixed, {language}, hybrid recall@10 overall (best single leg - {LOSS_ALLOWED})",
            found.cell(HYBRID, OVERALL).mean,
            best - LOSS_ALLOWED,
        ),
        Check(
            f"Mixed, {language}, hybrid recall@10 on the bare half ({BARE_SHARE} x image leg)",
            found.cell(HYBRID, BARE).mean,
            BARE_SHARE * found.cell(IMAGE, BARE).mean,
        ),
    ]


def _fields(stamp: Stamp, texted: frozenset[str]) -> dict[str, object]:
    fields: dict[str, object] = {"key": KEY_PREFIX + stamp.key, "metadata": {MARK: True}}
    return {**fields, "title": stamp.words} if stamp.key in texted else fields


def _differences(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Hybrid less the leg that is best overall, question by question."""
    best = max(LEGS, key=lambda leg: sum(figures[leg][OVERALL]))
    return {
        column: [hybrid - leg for hybrid, leg in zip(figures[HYBRID][column], figures[best][column], strict=True)]
        for column in COLUMNS
    }
