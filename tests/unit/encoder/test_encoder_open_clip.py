"""open_clip's checkpoints: the same vectors as its own architecture gives, and nothing that cannot be mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import Vector
from services.common.media.preprocessing import CLIP
from services.common.settings import SettingsError
from services.encoder.backends.backend import unit
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.families.open_clip_config import clip_config, preprocessing_of
from services.encoder.backends.families.open_clip_weights import clip_weights
from services.encoder.backends.towers import Towers, load_towers
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_clip import tiny_clip_tokenizer
from tests.fixtures.tiny_models import clip_model
from tests.fixtures.tiny_open_clip import OpenClip, save_tiny_open_clip, settings
from tests.fixtures.towers import image_vectors, pixels_of, text_vectors

TEXTS = ["a cat", "dog", "A CAT and a dog", "cat and dog " * 60]


def rows(features: torch.Tensor) -> Vector:
    return unit(features.detach().numpy())


def padded(text: str) -> torch.Tensor:
    """As open_clip's tokenizer fills: with zeros up to 77, the end token kept."""
    tokenizer: Any = tiny_clip_tokenizer()
    ids = tokenizer(text)["input_ids"]
    if len(ids) > 77:
        ids = [*ids[:76], ids[-1]]
    return torch.tensor([ids + [0] * (77 - len(ids))])


def original_texts(model: OpenClip) -> Vector:
    return rows(torch.cat([model.encode_text(padded(text)) for text in TEXTS]))


def normal(towers: Towers) -> torch.Tensor:
    pixels = torch.stack([torch.from_numpy(picture) for picture in pixels_of(towers, [CAT, COFFEE, ROCKET])])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP.mean, CLIP.std))
    return (pixels.float() - mean) / std


@pytest.mark.parametrize("quick", [False, True])
def test_vectors_are_those_of_the_architecture(tmp_path: Path, quick: bool) -> None:
    model = save_tiny_open_clip(tmp_path / "tiny", quick=quick)
    towers = load_towers(str(tmp_path / "tiny"))
    assert towers.preprocessing == CLIP
    ours = image_vectors(towers, pixels_of(towers, [CAT, COFFEE, ROCKET]))
    # The activations differ by 1e-4 in a unit vector: a cosine would not tell one from the other.
    assert ours == pytest.approx(rows(model.visual(normal(towers))), abs=1e-5)
    assert text_vectors(towers, TEXTS) == pytest.approx(original_texts(model), abs=1e-5)


def test_the_other_activation_would_be_noticed(tmp_path: Path) -> None:
    model = save_tiny_open_clip(tmp_path / "tiny", quick=True)
    (tmp_path / "tiny" / "open_clip_config.json").write_text(json.dumps(settings()), encoding="utf-8")
    wrong = load_towers(str(tmp_path / "tiny"))
    assert abs(text_vectors(wrong, TEXTS) - original_texts(model)).max() > 1e-4


def test_a_pickle_in_half_precision_with_prefixes(tmp_path: Path) -> None:
    model = save_tiny_open_clip(tmp_path / "tiny")
    (tmp_path / "tiny" / "open_clip_model.safetensors").unlink()
    state = {f"module.{name}": tensor.half() for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "tiny" / "open_clip_pytorch_model.bin")
    towers = load_towers(str(tmp_path / "tiny"))
    assert (text_vectors(towers, TEXTS) * original_texts(model)).sum(1) == pytest.approx(1, abs=1e-4)


def test_there_and_back_from_a_clip_of_transformers() -> None:
    original = clip_model(seed=3).state_dict()
    returned = clip_weights(_as_open_clip(original))
    assert returned.keys() == original.keys()
    assert all(torch.equal(returned[name], original[name]) for name in original)


@pytest.mark.parametrize("prefix", ["", "text."])
def test_a_text_tower_of_its_own_has_the_same_weights(prefix: str) -> None:
    plain = OpenClip().state_dict()
    visual = {
        name: tensor for name, tensor in plain.items() if name.startswith("visual.") or name == "logit_scale"
    }
    text = {f"{prefix}{name}": tensor for name, tensor in plain.items() if name not in visual}
    assert clip_weights(visual | text).keys() == clip_weights(plain).keys()


@pytest.mark.parametrize(
    ("part", "changed", "text"),
    [
        ("vision_cfg", {"timm_model_name": "convnext_base", "timm_pool": ""}, "timm_model_name"),
        ("vision_cfg", {"layers": [3, 4, 6, 3]}, "ResNet"),
        ("vision_cfg", {"attentional_pool": True}, "attentional_pool"),
        ("vision_cfg", {"pool_type": "avg"}, "pool_type"),
        ("vision_cfg", {"no_ln_pre": True}, "no_ln_pre"),
        ("vision_cfg", {"image_size": [224, 448]}, "squares"),
        ("text_cfg", {"hf_model_name": "xlm-roberta-base"}, "hf_model_name"),
        ("text_cfg", {"no_causal_mask": True}, "no_causal_mask"),
        ("text_cfg", {"act_kwargs": {"approximate": "tanh"}}, "act_kwargs"),
        ("model_cfg", {"multimodal_cfg": {"width": 768}}, "multimodal_cfg"),
        ("model_cfg", {"something_new": 1}, "something_new"),
    ],
)
def test_what_is_no_plain_clip_is_refused_by_name(part: str, changed: dict[str, Any], text: str) -> None:
    model = settings()["model_cfg"]
    (model if part == "model_cfg" else model[part]).update(changed)
    with pytest.raises(UnsupportedModelError, match=text):
        clip_config(model)


def test_what_changes_nothing_is_accepted() -> None:
    model = settings()["model_cfg"]
    expected = clip_config(model)
    model["custom_text"] = True
    model["vision_cfg"] |= {"timm_model_name": None, "timm_pool": "avg", "patch_dropout": 0.5, "pool_type": "tok"}
    model["text_cfg"] |= {"hf_tokenizer_name": "openai/clip-vit-base-patch32", "pool_type": "argmax"}
    assert clip_config(model) == expected


@given(st.text(max_size=30))
def test_a_foreign_weight_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedModelError):
        clip_weights({f"visual.trunk.{name}": torch.zeros(1)})


def test_pictures_are_those_of_the_configuration() -> None:
    assert preprocessing_of({}, 224) == CLIP
    squashed = preprocessing_of({"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.5] * 3}, 378)
    assert (squashed.fit, squashed.resample, squashed.side_px, squashed.mean) == (
        "squash",
        "bilinear",
        378,
        (127.5,) * 3,
    )
    for unknown in ({"resize_mode": "longest"}, {"interpolation": "random"}, {"size": 256}):
        with pytest.raises(UnsupportedModelError, match="pictures"):
            preprocessing_of(unknown, 224)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    save_tiny_open_clip(folder)
    for name in ("tokenizer.json", "vocab.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(SettingsError, match=r"merges\.txt"):
        load_towers(str(folder))
    tiny_clip_tokenizer().save_pretrained(folder)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(SettingsError, match=r"open_clip_model\.safetensors"):
        load_towers(str(folder))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_tiny_open_clip(tmp_path / "tiny")
    written = settings()
    written["model_cfg"]["vision_cfg"]["layers"] = 3
    (tmp_path / "tiny" / "open_clip_config.json").write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(SettingsError, match="do not agree"):
        load_towers(str(tmp_path / "tiny"))


def _as_open_clip(clip: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The way back, written down by itself."""
    plain = {
        "logit_scale": "logit_scale",
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
        "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
        "vision_model.post_layernorm.weight": "visual.ln_post.weight",
        "vision_model.post_layernorm.bias": "visual.ln_post.bias",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    }
    found = {there: clip[here] for here, there in plain.items()}
    found["visual.proj"] = clip["visual_projection.weight"].T
    found["text_projection"] = clip["text_projection.weight"].T
    inner = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    for tower, there in (("vision_model", "visual.transformer"), ("text_model", "transformer")):
        for layer in range(2):
            here, block = f"{tower}.encoder.layers.{layer}", f"{there}.resblocks.{layer}"
            for kind in ("weight", "bias"):
                for name, short in inner.items():
                    found[f"{block}.{short}.{kind}"] = clip[f"{here}.{name}.{kind}"]
                found[f"{block}.attn.out_proj.{kind}"] = clip[f"{here}.self_attn.out_proj.{kind}"]
                parts = [clip[f"{here}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                found[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
    return found
