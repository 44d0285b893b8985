"""Which words are given to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.domain import Vector
from services.common.settings import SettingsError
from workers.enrich.labels.vocabulary import as_query, load_vocabulary, parse
from workers.enrich.labels.zero_shot import LabelRule, fitting_labels

DIM = 64


def unit(rows: Any) -> Vector:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


def random_rows(count: int, seed: int) -> Vector:
    return unit(np.random.default_rng(seed).standard_normal((count, DIM)))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 499))
def test_the_label_that_a_picture_is_made_of_comes_first(seed: int, chosen: int) -> None:
    labels = random_rows(500, seed)
    picture = unit(labels[chosen] + 0.5 * random_rows(1, seed + 1)[0])
    found = fitting_labels(labels @ picture, floor=0.1, rule=LabelRule())
    assert found[0] == chosen
    assert len(found) <= LabelRule().limit


def test_a_picture_that_has_nothing_to_do_with_the_labels_gets_hardly_any() -> None:
    labels, rule = random_rows(900, 1), LabelRule(limit=5, least_sigmas=4.0)
    given_labels = sum(len(fitting_labels(labels @ picture, -1.0, rule)) for picture in random_rows(200, 2))
    # Of 180,000 comparisons a normal distribution leaves 6 above four standard deviations.
    assert given_labels <= 20


def test_nothing_below_the_noise_floor_is_given() -> None:
    labels = random_rows(500, 3)
    assert fitting_labels(labels @ labels[7], 0.5, LabelRule()) == [7]
    assert fitting_labels(labels @ labels[7], 1.1, LabelRule()) == []


def test_labels_much_weaker_than_the_best_are_left_out() -> None:
    labels = np.eye(DIM, dtype=np.float32)
    picture = unit(labels[1] + labels[2] + 0.6 * labels[3])
    assert fitting_labels(labels @ picture, 0.0, LabelRule(least_sigmas=2.0, best_share=0.8)) == [
        1,
        2,
    ]
    assert fitting_labels(labels @ picture, 0.0, LabelRule(least_sigmas=2.0, best_share=0.1)) == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("labels", [np.ones((4, DIM), np.float32) / 8, np.zeros((4, DIM), np.float32)])
def test_labels_that_are_all_the_same_tell_nothing(labels: Vector) -> None:
    assert fitting_labels(labels @ labels[0], -1.0, LabelRule(least_sigmas=0.1)) == []


def test_a_list_is_read_line_by_line() -> None:
    assert parse("# animals\ncat\n\n  polar   bear \ncat\n猫\n") == ("cat", "polar bear", "猫")


def test_what_ships_is_a_list_of_plain_words() -> None:
    labels = load_vocabulary(None)
    assert len(labels) > 900
    assert len({label.casefold() for label in labels}) == len(labels)
    assert {"cat", "coffee", "rocket", "motorcycle", "handwriting"} <= set(labels)
    assert max(map(len, labels)) < 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds 0 labels"),
        (b"# nothing\none\n", "holds 1 labels"),
        (b"\xff\xfe\x00c", "not UTF-8"),
        (b"a\n" + b"b" * 100, "longer than 80"),
        ("\n".join(map(str, range(6000))).encode(), "2 to 5000"),
    ],
)
def test_a_list_that_cannot_be_used_stops_the_start(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        load_vocabulary(path)


def test_a_list_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_WORKERS_TAGS_PATH"):
        load_vocabulary(tmp_path / "none.txt")


def test_a_label_is_asked_for_as_a_photo_of_it() -> None:
    assert as_query("cat") == "a photo of a cat"
    assert as_query("猫") == "一张猫的照片"
