"""The starter model: what it finds, and that its parts keep to their places."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from services.common.clients.encoder import TextRole
from services.common.domain import Direction, Vector
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import STARTER, Pixels
from services.encoder.backends import starter_classes
from services.encoder.backends.backend import embed_texts, unit
from services.encoder.backends.language import chinese_share
from services.encoder.backends.starter import FEATURE_DIM, SENTENCE_DIM, StarterBackend
from services.encoder.backends.starter_onnx import OnnxClassifier
from services.encoder.backends.starter_sentences import Sentences
from services.encoder.backends.starter_texts import photo_of
from tests.fixtures.photos import CAT, COFFEE, ROCKET

PHOTOS = ["cat", "coffee", "rocket"]


@pytest.fixture(scope="module")
def starter() -> StarterBackend:
    return StarterBackend(OnnxClassifier(), streams=2)


@pytest.fixture(scope="module")
def pixels() -> list[Pixels]:
    return [STARTER(decode_rgb(data, at_least_px=448)) for data in (CAT, COFFEE, ROCKET)]


@pytest.fixture(scope="module")
def pictures(starter: StarterBackend, pixels: list[Pixels]) -> Vector:
    return starter.encode_images(pixels, 1)


def scores(starter: StarterBackend, text: str, pictures: Vector) -> Vector:
    found: Vector = embed_texts(starter, [text], TextRole.QUERY)[0] @ pictures.T
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat", "cat"),
        ("猫", "cat"),
        ("rocket", "rocket"),
        ("火箭", "rocket"),
        ("a cup of coffee", "coffee"),
        ("一杯咖啡", "coffee"),
    ],
)
def test_words_find_the_picture(starter: StarterBackend, pictures: Vector, text: str, wanted: str) -> None:
    found = scores(starter, text, pictures)
    floor = starter.description.card.noise_floors[Direction.TEXT_TO_IMAGE]
    assert PHOTOS[int(found.argmax())] == wanted
    assert found.max() > floor
    assert (np.delete(found, found.argmax()) < floor).all()


@pytest.mark.parametrize(
    "text", ["quarterly tax report spreadsheet", "季度税务报表", "how do I reset my password", "人生的意义是什么"]
)
def test_what_no_picture_shows_stays_below_the_floor(starter: StarterBackend, pictures: Vector, text: str) -> None:
    floor = starter.description.card.noise_floors[Direction.TEXT_TO_IMAGE]
    assert (scores(starter, text, pictures) < floor).all()


def test_a_picture_finds_its_like(starter: StarterBackend, pictures: Vector) -> None:
    mirrored = decode_rgb(CAT).transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 200))
    query = starter.encode_images([STARTER(mirrored)], 1)[0]
    floor = starter.description.card.noise_floors[Direction.IMAGE_TO_IMAGE]
    assert [bool(score > floor) for score in pictures @ query] == [True, False, False]


@pytest.mark.parametrize(
    ("query", "passage"),
    [
        ("a cat", "A small kitten sleeps on the sofa."),
        ("猫", "一只小猫在沙发上睡觉。"),
        ("a cat", "一只小猫在沙发上睡觉。"),
    ],
)
def test_words_find_stored_words(starter: StarterBackend, query: str, passage: str) -> None:
    stored = embed_texts(starter, [passage, "The invoice is overdue.", "房贷利率计算"], TextRole.PASSAGE)
    found = embed_texts(starter, [query], TextRole.QUERY)[0] @ stored.T
    floor = starter.description.card.noise_floors[Direction.TEXT_TO_TEXT]
    assert [bool(score > floor) for score in found] == [True, False, False]


def test_a_picture_finds_stored_words(starter: StarterBackend, pictures: Vector) -> None:
    stored = embed_texts(starter, ["一只猫。", "A cup of coffee.", "A rocket."], TextRole.PASSAGE)
    found = pictures @ stored.T
    assert found.argmax(1).tolist() == [0, 1, 2]
    assert (found.max(1) > starter.description.card.noise_floors[Direction.IMAGE_TO_TEXT]).all()


def test_features_meet_pictures_alone(starter: StarterBackend, pictures: Vector) -> None:
    features = slice(SENTENCE_DIM, SENTENCE_DIM + FEATURE_DIM)
    for role in TextRole:
        texts = embed_texts(starter, ["a cat", "猫"], role)
        assert not texts[:, features].any()
        assert np.linalg.norm(texts, axis=1) == pytest.approx(1, abs=1e-5)
    assert not pictures[:, -1].any()
    assert np.linalg.norm(pictures[:, features], axis=1) ** 2 == pytest.approx(0.9, abs=1e-4)
    assert np.linalg.norm(pictures, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_vector_does_not_depend_on_its_batch(
    starter: StarterBackend, pixels: list[Pixels], pictures: Vector
) -> None:
    alone = np.concatenate([starter.encode_images([one], 1) for one in pixels])
    crowded = starter.encode_images(pixels * 7, 1)[-3:]
    assert ((alone * pictures).sum(1) > 0.9999).all()
    assert ((crowded * pictures).sum(1) > 0.9999).all()
    texts = [
        "a cat",
        "一艘帆船",
        "a much longer text about the harbour, its boats and the people who mend their nets",
    ]
    for role in TextRole:
        together = embed_texts(starter, texts, role)
        single = np.concatenate([embed_texts(starter, [text], role) for text in texts])
        assert ((together * single).sum(1) > 0.9999).all()


def test_odd_texts_have_unit_vectors(starter: StarterBackend) -> None:
    texts = ["?", "\0", "a\0b", "🐈", "x" * 20_000, "猫" * 5_000, "\u202e"]
    for role in TextRole:
        vectors = embed_texts(starter, texts, role)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)


def test_twenty_rows_of_the_shipped_table_are_as_they_are_made() -> None:
    table, names = starter_classes.load(), starter_classes.class_names()
    chosen = list(range(7, starter_classes.CLASSES, 50))
    raw = starter_classes.raw_rows(Sentences(), [names[index] for index in chosen])
    made = unit(raw - table.query_centre)
    assert len(chosen) == 20
    assert ((made * table.classes[chosen]).sum(1) > 0.9999).all()
    assert table.classes.shape == (1000, 384)


def test_the_fingerprint_names_model_weights_preprocessing_and_class(starter: StarterBackend) -> None:
    model, weights, preprocessing, precision = starter.description.fingerprint.split("-")
    assert (model, preprocessing, precision) == ("starter", STARTER.digest, "float")
    assert starter.description.weights.startswith(weights)


@pytest.mark.parametrize(
    ("text", "share"), [("a cat", 0), ("猫", 1), ("123 !", 0), ("猫cat", 0.25), ("", 0), ("кот", 0)]
)
def test_chinese_share(text: str, share: float) -> None:
    assert chinese_share(text) == share


@pytest.mark.parametrize(
    ("text", "photo"),
    [
        ("A red kangaroo.", "a photo of a red kangaroo"),
        ("NASA rocket", "a photo of NASA rocket"),
        ("猫。", "猫的照片"),
        ("", "a photo of "),
    ],
)
def test_photo_of(text: str, photo: str) -> None:
    assert photo_of(text, chinese_share(text)) == photo
