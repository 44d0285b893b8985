"""Every family against transformers' own pipeline, on tiny models of random weights."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BertConfig, Siglip2Config

from services.common.media.images import decode_rgb
from services.common.media.preprocessing import CLIP
from services.common.settings import SettingsError
from services.encoder.backends.registry import load_backend
from services.encoder.backends.towers import Towers, load_towers
from services.encoder.settings import EncoderSettings
from tests.fixtures.odd_pictures import encode
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_models import FAMILIES, save_shaken_clip
from tests.fixtures.towers import Reference, image_vectors, pixels_of, text_vectors

PICTURES = [CAT, COFFEE, ROCKET, encode(decode_rgb(COFFEE).resize((90, 400)), "PNG")]
TEXTS = [
    "a cat",
    "dogs",
    "A Photo of a CAT, on a red chair!",
    "a cat and two dogs beside the lazy fox " * 12,
    "一只黑色的猫睡在红椅子上",
    "海边灯塔照亮夜里船" * 20,
    ".",
    "300 W, isn't it?",
]
OPTIONS: dict[str, dict[str, Any]] = {
    "clip": {"max_length": 77},
    "siglip": {"padding": "max_length", "max_length": 64},
    "siglip2": {"padding": "max_length", "max_length": 64},
    "chinese_clip": {"max_length": 52},
}


@dataclass(frozen=True)
class Case:
    """A model, as we load it and as transformers does."""

    family: str
    folder: Path
    towers: Towers
    reference: Reference


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    family: str = request.param
    folder = FAMILIES[family](tmp_path_factory.mktemp("models") / f"tiny-{family}")
    return Case(family, folder, load_towers(str(folder)), Reference(folder, **OPTIONS[family]))


def expected_text(case: Case, text: str) -> Any:
    # What AutoProcessor takes for SigLIP 2 keeps capitals; the model was trained without.
    return case.reference.text(text.lower() if case.family == "siglip2" else text)


def test_pictures_are_as_transformers_embeds_them(case: Case) -> None:
    ours = image_vectors(case.towers, pixels_of(case.towers, PICTURES))
    for data, row in zip(PICTURES, ours, strict=True):
        assert row @ case.reference.image(data) > 0.9999
    # The fourth is the second in another shape, which squashing takes away.
    assert (ours[:3] @ ours[:3].T)[~np.eye(3, dtype=bool)].max() < 0.99


def test_a_large_photo_that_is_decoded_at_a_fraction_is_near_the_reference(case: Case) -> None:
    large = encode(decode_rgb(ROCKET).resize((2560, 1708), Image.Resampling.BICUBIC), "JPEG", quality=92)
    ours = image_vectors(case.towers, pixels_of(case.towers, [large]))[0]
    assert ours @ case.reference.image(large) > 0.999


def test_texts_are_as_transformers_embeds_them_one_by_one(case: Case) -> None:
    ours = text_vectors(case.towers, TEXTS)
    for text, row in zip(TEXTS, ours, strict=True):
        assert row @ expected_text(case, text) > 0.9999, text


def test_each_text_alone_is_what_it_is_in_a_batch(case: Case) -> None:
    together = text_vectors(case.towers, TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        assert row @ text_vectors(case.towers, [text])[0] > 0.99999, text


def test_the_same_picture_in_every_place_of_a_batch(case: Case) -> None:
    pixels = pixels_of(case.towers, PICTURES)
    alone = image_vectors(case.towers, pixels[:1])[0]
    for place in range(5):
        crowd = [*pixels, *pixels][:5]
        crowd[place] = pixels[0]
        assert image_vectors(case.towers, crowd)[place] @ alone > 0.99999


def test_the_kept_pipeline_is_the_reference(case: Case) -> None:
    assert case.towers.pipeline is not None
    for text in TEXTS:
        features = case.towers.pipeline.text(case.towers.module, text)[0].detach().numpy()
        assert features @ expected_text(case, text) / np.linalg.norm(features) > 0.9999, text


def test_a_long_text_keeps_its_end(case: Case) -> None:
    short, long = (case.towers.tokenize(text) for text in ("a cat", "a cat and two dogs " * 60))
    assert len(long) == case.towers.max_text_tokens == OPTIONS[case.family]["max_length"]
    assert long[-1] == short[-1]


def test_case_makes_no_difference(case: Case) -> None:
    upper, lower = text_vectors(case.towers, ["A PHOTO OF A CAT", "a photo of a cat"])
    assert upper @ lower > 0.99999


def test_wrong_padding_would_be_noticed(case: Case) -> None:
    """What the parity tests above must be able to see."""
    towers = case.towers
    wrong = replace(towers, pads_to=None) if towers.pads_to else replace(towers, text_features=_unmasked)
    if case.family == "clip":
        # The end token is found wherever it stands: what spoils a CLIP is to lose it.
        wrong = replace(towers, tokenize=lambda text: [*towers.tokenize(text)[:-1], 0])
    ours = text_vectors(wrong, ["a cat", "a cat and two dogs"])
    assert ours[0] @ expected_text(case, "a cat") < 0.999


def _unmasked(module: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    output = module.get_text_features(input_ids=input_ids, attention_mask=torch.ones_like(attention_mask))
    features: torch.Tensor = output.pooler_output
    return features


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("scales", ["", "224,320"])
def test_every_family_passes_the_golden_gate(case: Case, precision: str, scales: str) -> None:
    settings = EncoderSettings.model_validate(
        {"model": str(case.folder), "precision": precision, "scales": scales, "device": "cpu", "threads": 1}
    )
    served = load_backend(settings).description
    assert served.weights == case.towers.weights
    assert served.preprocessing.scales == settings.scales_px()


def test_every_model_says_what_it_is(case: Case) -> None:
    card, towers = case.towers.card, case.towers
    assert str(towers.max_text_tokens) in card.notice
    assert "Chinese" in card.notice or "English" in card.notice
    assert card.noise_floors == {}
    assert not card.text_is_sentence_space
    assert towers.dim == image_vectors(towers, pixels_of(towers, [CAT])).shape[1]
    assert towers.name == case.folder.name


def test_the_weights_decide_and_not_the_path(tmp_path: Path) -> None:
    folder = save_shaken_clip(tmp_path / "tiny")
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "tiny")
    other = save_shaken_clip(tmp_path / "other", seed=1)
    first, second, third = (load_towers(str(path)) for path in (folder, copy, other))
    assert first.weights == second.weights != third.weights
    assert first.preprocessing == CLIP


def test_what_cannot_be_served_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_MODEL"):
        load_towers(str(tmp_path / "nothing"))
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(SettingsError, match=r"IMAGERAG_ENCODER_MODEL.*bert"):
        load_towers(str(tmp_path / "bert"))
    broken = save_shaken_clip(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_MODEL"):
        load_towers(str(broken))


def test_pictures_of_any_shape_are_refused_with_what_to_take(tmp_path: Path) -> None:
    Siglip2Config().save_pretrained(tmp_path / "naflex")
    with pytest.raises(SettingsError, match="google/siglip2-base-patch16-224"):
        load_towers(str(tmp_path / "naflex"))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    folder = save_shaken_clip(tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(SettingsError, match=r"no weights for text_projection\.weight"):
        load_towers(str(folder))


def test_many_threads_tokenize_at_once(case: Case) -> None:
    expected = [case.towers.tokenize(text) for text in TEXTS]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(case.towers.tokenize, TEXTS * 50)) == expected * 50
