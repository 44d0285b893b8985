"""Protocol *Mixed*: a random half has folder and file words stored; do the legs together lose what one finds?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from services.cli.evaluation.judging import SEED, Relevant, recalls, shown_recalls
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
    "magpie'); the description is the query. hybrid: the system's defaults, hits below their noise floors behind "
    "the others; hybrid, shown: without those, as a person sees it. hybrid - best leg: over the same queries."
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
    halves = [answer.question.own in texted for answer in answers[HYBRID]]
    values = {way: recalls(of_way, relevant) for way, of_way in answers.items()}
    values[SHOWN] = shown_recalls(answers[HYBRID], relevant)
    rows = [Row(way, _estimates(of_way, halves)) for way, of_way in values.items()]
    rows.append(Row(DIFFERENCE, _estimates(_difference(values), halves)))
    return Table(name, f"Mixed, {language}: recall@10", COLUMNS, tuple(rows), _NOTE)


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


def _difference(values: Mapping[str, Sequence[float]]) -> list[float]:
    best = max(LEGS, key=lambda leg: sum(values[leg]))
    return [hybrid - leg for hybrid, leg in zip(values[HYBRID], values[best], strict=True)]


def _estimates(values: Sequence[float], in_texted: Sequence[bool]) -> dict[str, Estimate]:
    parts: dict[str, Callable[[bool], bool]] = {
        OVERALL: lambda _: True,
        BARE: lambda texted: not texted,
        TEXTED: lambda texted: texted,
    }
    chosen = {
        column: [value for value, texted in zip(values, in_texted, strict=True) if belongs(texted)]
        for column, belongs in parts.items()
    }
    return {column: bootstrap(of_column, seed=SEED) for column, of_column in chosen.items() if of_column}
