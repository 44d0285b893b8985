"""How high texts score that have nothing to do with one another, in a space of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.encoder.backends.backend import TextBackend, embed_texts
from services.encoder.background_texts import ABSTRACT, THINGS

QUANTILE = 0.99
"""As of the other noise floors, see `services.encoder.calibration`."""
BACKGROUND = (*ABSTRACT, *THINGS)
_BATCH_ITEMS = 16


def meanings() -> list[int]:
    """A number for what each background text says: each list is English, then the same in Chinese."""
    numbers: list[int] = []
    for texts in (ABSTRACT, THINGS):
        first, half = max(numbers, default=-1) + 1, len(texts) // 2
        numbers += [first + place % half for place in range(len(texts))]
    return numbers


def floor_of(queries: Vector, passages: Vector, says: Sequence[int]) -> float:
    """The score that unrelated pairs stay below.

    Args:
        queries: Unit rows, float32 [n, dim].
        passages: Unit rows of the same texts, float32 [n, dim].
        says: What each text says; texts that say the same are related, whatever their language.

    Returns:
        The `QUANTILE` of the scores of all other pairs.
    """
    labels = np.asarray(says)
    unrelated = (queries @ passages.T)[labels[:, None] != labels[None, :]]
    return round(float(np.quantile(unrelated, QUANTILE)), 4)


def measure(backend: TextBackend, threads: int = 1) -> float:
    """The floor of a model: the background texts in both roles, 280 short texts."""
    return floor_of(
        embed_background(backend, TextRole.QUERY, threads),
        embed_background(backend, TextRole.PASSAGE, threads),
        meanings(),
    )


def embed_background(backend: TextBackend, role: TextRole, threads: int = 1) -> Vector:
    """The background texts in one role, float32 [140, dim]."""
    starts = range(0, len(BACKGROUND), _BATCH_ITEMS)
    return np.concatenate(
        [embed_texts(backend, BACKGROUND[start : start + _BATCH_ITEMS], role, threads) for start in starts]
    )
