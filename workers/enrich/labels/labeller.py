"""Labels for pictures whose vectors are there already: a comparison with a list of words, and nothing else.

They come after the encoder and not before it, so that a picture is encoded once. That they are no part of the
`text` vector is meant: what a model sees in a picture says nothing in its own space that the picture does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from services.common.domain import Vector
from workers.enrich.labels.words import Encoder, Vocabulary, Words
from workers.enrich.labels.zero_shot import LabelRule, fitting_labels

NAME = "tags"
_SIGMAS = LabelRule().least_sigmas
_SENTENCE_SPACE_SIGMAS = 7.0
"""The starter's scores have heavy tails: its pictures are mixtures of a few classes. On 538 pictures with
descriptions, labels that stand in the description by the least height: 4 18 %, 5 27 %, 6 38 %, 7 55 %, 8 64 %;
pictures with labels at all: 85 %, 61 %, 42 %, 27 %, 17 %. Of 60 labels at 7, 42 were right by eye."""


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
        limit: Most labels of a picture.
        least_sigmas: See `LabelRule`; None: what was measured for models of this kind.
    """

    def __init__(
        self, encoder: Encoder, labels: Sequence[str], *, limit: int, least_sigmas: float | None = None
    ) -> None:
        self._labels, self._limit, self._least_sigmas = labels, limit, least_sigmas
        self._vocabulary = Vocabulary(encoder, labels)

    async def labels(self, pictures: Sequence[Vector], fingerprint: str) -> list[tuple[str, ...]]:
        """See `Labeller.labels`."""
        words = await self._vocabulary.words(fingerprint)
        rule = LabelRule(self._least_sigmas or _usual_sigmas(words), self._limit)
        # All at once: one by one they would each read the whole vocabulary from memory.
        scores = np.stack(pictures) @ words.rows.T
        fitting = (fitting_labels(of_one, words.floor, rule) for of_one in scores)
        return [tuple(self._labels[index] for index in indices) for indices in fitting]


def _usual_sigmas(words: Words) -> float:
    return _SENTENCE_SPACE_SIGMAS if words.is_sentence_space else _SIGMAS
