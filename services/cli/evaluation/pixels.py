"""Protocol *Pixels*: no text is stored; what is found is found by the picture alone."""

from __future__ import annotations

from collections.abc import Sequence

from services.cli.evaluation.judging import (
    SEED,
    TEXT_COLUMNS,
    TEXT_NOTE,
    judge_neighbours,
    judge_text,
    same_description,
)
from services.cli.evaluation.metrics import Estimate, bootstrap
from services.cli.evaluation.questions import KEY_PREFIX, MARK, Answer, Options, Question
from services.cli.evaluation.results import Check, Row, Table
from services.cli.evaluation.stamps import Stamp
from services.cli.ingestion.entries import Entry

ENGLISH, CHINESE = "English words", "Chinese words"
FOLDER, CATEGORY, TOP = "same folder", "same category", "same top folder"
P_AT_1 = "P@1"
WORDS = Options(legs={"image": 1.0}, limit=10)
PICTURES = Options(legs={"image": 1.0}, limit=11)
"""One more: the picture that is asked with is stored too."""

ENGLISH_TARGET, CHINESE_TARGET, FOLDER_TARGET = 0.42, 0.28, 0.60


def entries(stamps: Sequence[Stamp]) -> list[Entry]:
    """The items: pictures without a word."""
    return [
        Entry(stamp.key, stamp.path, {"key": KEY_PREFIX + stamp.key, "metadata": {MARK: True}}) for stamp in stamps
    ]


def english(stamps: Sequence[Stamp]) -> list[Question]:
    """One question a description."""
    return [Question(stamp.key, text=stamp.english) for stamp in stamps]


def chinese(stamps: Sequence[Stamp]) -> list[Question]:
    """One question a Chinese description."""
    return [Question(stamp.key, text=stamp.chinese) for stamp in stamps if stamp.chinese]


def pictures(stamps: Sequence[Stamp]) -> list[Question]:
    """One question a picture."""
    return [Question(stamp.key, picture=stamp.path) for stamp in stamps]


def words_table(
    stamps: Sequence[Stamp], asked_english: Sequence[Answer], asked_chinese: Sequence[Answer]
) -> Table:
    """Words to pictures."""
    rows = [Row(ENGLISH, judge_text(asked_english, same_description(stamps, english_of)))]
    if asked_chinese:
        rows.append(Row(CHINESE, judge_text(asked_chinese, same_description(stamps, chinese_of))))
    return Table("pixels_words", "Pixels: words find pictures", TEXT_COLUMNS, tuple(rows), TEXT_NOTE)


def pictures_table(stamps: Sequence[Stamp], asked: Sequence[Answer]) -> Table:
    """Pictures to pictures: is the nearest other one of the same kind?"""
    groups = {
        FOLDER: {stamp.key: stamp.folder for stamp in stamps},
        CATEGORY: {stamp.key: stamp.category(2) for stamp in stamps},
        TOP: {stamp.key: stamp.category(1) for stamp in stamps},
    }
    judged = {name: judge_neighbours(asked, group_of) for name, group_of in groups.items()}
    rows = tuple(Row(name, {P_AT_1: bootstrap(values, seed=SEED)}) for name, values in judged.items() if values)
    note = (
        "The picture itself left out. folder: what holds the file, e.g. animals/mammals/cats; category: its "
        "first two levels, e.g. animals/mammals; a picture that is alone in its group is not asked."
    )
    return Table("pixels_pictures", "Pixels: a picture finds its like", (P_AT_1,), rows, note)


def checks(words: Table, found: Table) -> list[Check]:
    """The targets of this protocol."""
    return [
        _check("Pixels, English words, recall@10", words.cell(ENGLISH, "recall@10"), ENGLISH_TARGET),
        _check("Pixels, Chinese words, recall@10", words.cell(CHINESE, "recall@10"), CHINESE_TARGET),
        _check("Pixels, picture to picture, same-folder P@1", found.cell(FOLDER, P_AT_1), FOLDER_TARGET),
    ]


def _check(name: str, estimate: Estimate, target: float) -> Check:
    return Check(name, estimate.mean, target)


def english_of(stamp: Stamp) -> str:
    """What an English question asks for."""
    return stamp.english


def chinese_of(stamp: Stamp) -> str:
    """What a Chinese question asks for; empty if there is none."""
    return stamp.chinese
