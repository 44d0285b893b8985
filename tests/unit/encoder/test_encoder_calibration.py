"""Noise floors from scores."""

from __future__ import annotations

import numpy as np
import pytest

from services.common.domain import Direction, Vector
from services.encoder.backends.backend import unit
from services.encoder.calibration import QUANTILE, Texts, floors


def unit_rows(seed: int, count: int) -> Vector:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return unit(rows)


def test_a_floor_is_the_quantile_of_unrelated_pairs() -> None:
    pictures, abstract, things = unit_rows(1, 30), unit_rows(2, 40), unit_rows(3, 20)
    groups = [str(number // 10) for number in range(30)]
    measured = floors(pictures, groups, Texts(abstract, abstract), Texts(things, things))
    scores = abstract @ pictures.T
    assert measured[Direction.TEXT_TO_IMAGE] == pytest.approx(float(np.quantile(scores, QUANTILE)), abs=1e-4)
    assert measured.keys() == set(Direction) - {Direction.TEXT_TO_WORDS}


def test_pictures_of_one_group_are_no_noise() -> None:
    twins = np.repeat(np.eye(4, 16, dtype=np.float32), 5, axis=0)
    texts = Texts(unit_rows(4, 8), unit_rows(4, 8))
    groups = [str(number // 5) for number in range(20)]
    assert floors(twins, groups, texts, texts)[Direction.IMAGE_TO_IMAGE] == 0
    assert Direction.IMAGE_TO_IMAGE not in floors(twins, ["one"] * 20, texts, texts)
