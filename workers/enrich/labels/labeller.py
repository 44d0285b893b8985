"""Labels for pictures whose vectors are there already: a comparison with a list of words, and nothing else.

They come after the encoder and not before it, so that a picture is encoded once. That they are no part of the
`text` vector is meant: what a model sees in a picture says nothing in its own space that the picture does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.common.domain import Vector
from workers.enrich.labels.words import Encoder, Vocabulary
from workers.enrich.labels.zero_shot import LabelRule, fitting_labels

NAME = "tags"


class Labeller(Protocol):
    """Names what is seen."""

    async def labels(self, pictures: Sequence[Vector], fingerprint: str) -> list[tuple[str, ...]]:
        """Labels for each picture, in order; none where nothing stands out.

        Args:
            pictures: Unit vectors, shape (dim,) float32 each.
            fingerprint: Of their space.

        Raises:
            ImageragError: The labels cannot be compared with them now.
        """


class ZeroShotLabeller:
    """See `Labeller`. Belongs to one event loop.

    Args:
        encoder: Of the joint space.
        labels: The words, at least two.
        rule: When a word is given.
    """

    def __init__(self, encoder: Encoder, labels: Sequence[str], rule: LabelRule) -> None:
        self._labels, self._rule = labels, rule
        self._vocabulary = Vocabulary(encoder, labels)

    async def labels(self, pictures: Sequence[Vector], fingerprint: str) -> list[tuple[str, ...]]:
        """See `Labeller.labels`."""
        words = await self._vocabulary.words(fingerprint)
        fitting = (fitting_labels(picture, words.rows, words.floor, self._rule) for picture in pictures)
        return [tuple(self._labels[index] for index in indices) for indices in fitting]
