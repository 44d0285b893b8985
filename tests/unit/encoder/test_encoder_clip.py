"""CLIP against transformers' own pipeline, on a tiny model of random weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import CLIP, Pixels
from services.common.settings import SettingsError
from services.encoder.backends.backend import embed_texts, unit
from services.encoder.backends.clip import ClipBackend, preprocessing_of
from services.encoder.backends.devices import Placement
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_clip import save_tiny_clip

ON_CPU = Placement("cpu", "float32", 1)
TEXTS = ["a cat", "dog", "cat and dog " * 60, "a rather long sentence about a dog that met a cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture(scope="module")
def clip(folder: Path) -> ClipBackend:
    return ClipBackend.load(str(folder), ON_CPU)


@pytest.fixture(scope="module")
def pixels(clip: ClipBackend) -> Pixels:
    return np.stack([clip.description.preprocessing(decode_rgb(data)) for data in (CAT, COFFEE, ROCKET)])


def tensor(features: Any) -> Vector:
    return unit(getattr(features, "pooler_output", features).numpy())


def test_pictures_are_as_transformers_embeds_them(folder: Path, clip: ClipBackend, pixels: Pixels) -> None:
    model = CLIPModel.from_pretrained(folder)
    inputs = CLIPImageProcessorPil()([decode_rgb(data) for data in (CAT, COFFEE, ROCKET)], return_tensors="pt")
    with torch.inference_mode():
        expected = tensor(model.get_image_features(**inputs))
    ours = clip.encode_images(pixels, 1)
    assert (ours * expected).sum(1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("role", TextRole)
def test_texts_are_as_transformers_embeds_them_one_by_one(folder: Path, clip: ClipBackend, role: TextRole) -> None:
    model, tokenizer = CLIPModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ours = embed_texts(clip, TEXTS, role)
    for text, row in zip(TEXTS, ours, strict=True):
        tokens = tokenizer(text, truncation=True, max_length=77, return_tensors="pt")
        with torch.inference_mode():
            expected = tensor(model.get_text_features(**tokens))[0]
        assert row @ expected == pytest.approx(1, abs=1e-5)


def test_a_text_is_cut_before_its_end_token(folder: Path, clip: ClipBackend) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(TEXTS[2], truncation=True, max_length=77)["input_ids"]
    assert len(tokens) == 77
    assert tokens[-1] == tokenizer.eos_token_id
    longer = embed_texts(clip, [TEXTS[2] + "dog"], TextRole.QUERY)
    assert longer[0] @ embed_texts(clip, [TEXTS[2]], TextRole.QUERY)[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_does_not_depend_on_its_batch(folder: Path, pixels: Pixels, precision: str) -> None:
    backend = ClipBackend.load(str(folder), Placement("cpu", precision, 1))
    alone = np.concatenate([backend.encode_images(pixels[index : index + 1], 1) for index in range(3)])
    crowded = backend.encode_images(np.concatenate([pixels] * 5), 1)[-3:]
    assert ((alone * crowded).sum(1) > 0.9999).all()
    texts = np.concatenate([embed_texts(backend, [text], TextRole.QUERY) for text in TEXTS])
    assert ((embed_texts(backend, TEXTS, TextRole.QUERY) * texts).sum(1) > 0.9999).all()


def test_both_precisions_are_one_class(folder: Path, clip: ClipBackend, pixels: Pixels) -> None:
    half = ClipBackend.load(str(folder), Placement("cpu", "bfloat16", 1))
    assert half.description.fingerprint == clip.description.fingerprint
    assert half.description.precision == "bfloat16"
    assert ((half.encode_images(pixels, 1) * clip.encode_images(pixels, 1)).sum(1) > 0.999).all()


def test_the_fingerprint_follows_the_weights_and_not_the_path(
    folder: Path, clip: ClipBackend, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)
    assert ClipBackend.load(str(copy), ON_CPU).description.fingerprint == clip.description.fingerprint
    other = save_tiny_clip(tmp_path / folder.name, seed=1)
    assert ClipBackend.load(str(other), ON_CPU).description.fingerprint != clip.description.fingerprint
    assert clip.description.fingerprint.startswith("tiny-clip-")
    assert clip.description.dim == 24


def test_the_processor_decides_the_constants() -> None:
    own = preprocessing_of({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}, 336)
    assert (own.side_px, own.mean, own.std) == (336, (127.5,) * 3, (127.5,) * 3)
    assert preprocessing_of({}, 224) == CLIP


def test_an_unmeasured_model_has_no_floors(clip: ClipBackend) -> None:
    card = clip.description.card
    assert card.noise_floors == {}
    assert not card.text_is_sentence_space


def test_what_cannot_be_served_names_the_setting(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_MODEL"):
        ClipBackend.load(str(tmp_path / "nothing"), ON_CPU)
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(SettingsError, match="bert"):
        ClipBackend.load(str(tmp_path / "bert"), ON_CPU)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_MODEL"):
        ClipBackend.load(str(broken), ON_CPU)
