"""Which labels fit a picture: those that stand out among all labels. Pure.

A fixed score is no rule: of a thousand labels that have nothing to do with a picture, ten pass a noise floor that
keeps 99 % out. So a label is measured against the others of the same picture. Nearly all of them say nothing about
it: their mean and spread are its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.common.domain import Vector


@dataclass(frozen=True)
class LabelRule:
    """When a label is given.

    Attributes:
        least_sigmas: How far above the mean of all labels one must stand, in their standard deviations. If the
            scores are normally distributed, the highest of a thousand that mean nothing stands at 3.2.
        limit: Most labels of a picture.
        best_share: A label must also stand at this share of the best one's height.
    """

    least_sigmas: float = 3.5
    limit: int = 5
    best_share: float = 0.8


def fitting_labels(scores: Vector, floor: float, rule: LabelRule) -> list[int]:
    """Choose the labels of one picture.

    Args:
        scores: Cosine of the picture with each label, shape (m,), m >= 2.
        floor: Score that unrelated pairs of a text and a picture stay below.
        rule: When a label is given.

    Returns:
        Indices of labels, the best first; none if nothing stands out.
    """
    spread = float(scores.std())
    if not np.isfinite(spread) or spread < np.finfo(np.float32).eps:
        return []
    heights = (scores - scores.mean()) / spread
    order = np.argsort(-heights, kind="stable")[: rule.limit]
    least = max(rule.least_sigmas, rule.best_share * float(heights[order[0]]))
    return [int(index) for index in order if heights[index] >= least and scores[index] > floor]
