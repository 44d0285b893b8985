"""Checkpoints of open_clip (Ilharco et al., 2021), without its package: a plain ViT is transformers' CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from services.common.media.preprocessing import Preprocessing
from services.encoder.backends.families import cards, clip
from services.encoder.backends.families.checkpoint import Checkpoint, UnsupportedModelError
from services.encoder.backends.families.open_clip_config import clip_config, preprocessing_of
from services.encoder.backends.families.open_clip_weights import clip_weights
from services.encoder.backends.families.reference import pipeline
from services.encoder.backends.towers import Towers

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZER = "openai/clip-vit-base-patch32"
"""Its vocabulary is that of all plain checkpoints; open_clip carries it in its package, not beside the weights."""


def load(checkpoint: Checkpoint, scales: Sequence[int]) -> Towers:
    """Load an open_clip checkpoint; arguments and errors as in `load_towers`."""
    written = checkpoint.contents(CONFIG)
    config = CLIPConfig(**clip_config(written.get("model_cfg", {})))
    settings: Any = config
    preprocessing = preprocessing_of(written.get("preprocess_cfg", {}), int(settings.vision_config.image_size))
    tokenizer = _tokenizer(checkpoint)
    end = int(settings.text_config.eos_token_id)
    if tokenizer.eos_token_id != end:
        raise UnsupportedModelError(
            f"its tokenizer ends texts with {tokenizer.eos_token_id}, its text tower with {end}"
        )
    limit = int(settings.text_config.max_position_embeddings)
    reference = pipeline(
        partial(_image_processor, preprocessing), partial(_tokenizer, checkpoint), {"max_length": limit}
    )
    model = _model(config, _weights(checkpoint))
    return clip.towers(checkpoint, model, tokenizer, preprocessing, scales, cards.OPEN_CLIP, reference)


def _model(config: CLIPConfig, weights: dict[str, torch.Tensor]) -> CLIPModel:
    model: Any = CLIPModel(config)
    try:
        found = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UnsupportedModelError("its weights have other shapes than its open_clip_config.json says") from error
    if found.missing_keys or found.unexpected_keys:
        names = ", ".join([*found.missing_keys, *found.unexpected_keys][:3])
        raise UnsupportedModelError(f"its weights and its open_clip_config.json do not agree on {names}")
    whole: CLIPModel = model
    return whole


def _weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    path = checkpoint.file(*WEIGHTS)
    if path is None:
        raise UnsupportedModelError(f"beside {CONFIG} there is none of {', '.join(WEIGHTS)}")
    return clip_weights(load_file(path) if path.suffix == ".safetensors" else _unpickled(path))


def _unpickled(path: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    weights: dict[str, torch.Tensor] = loaded.get("state_dict", loaded)
    return weights


def _tokenizer(checkpoint: Checkpoint) -> Any:
    if checkpoint.file("tokenizer.json", "vocab.json"):
        return checkpoint.tokenizer(CLIPTokenizer)
    if checkpoint.is_folder:
        raise UnsupportedModelError(
            f"the folder has no tokenizer: put vocab.json and merges.txt of {_TOKENIZER} into it"
        )
    return AutoTokenizer.from_pretrained(_TOKENIZER)


def _image_processor(preprocessing: Preprocessing) -> Any:
    side_px, crops = preprocessing.side_px, preprocessing.fit == "crop"
    square = {"height": side_px, "width": side_px}
    return CLIPImageProcessorPil(
        size={"shortest_edge": side_px} if crops else square,
        crop_size=square,
        do_center_crop=crops,
        resample=Image.Resampling[preprocessing.resample.upper()],
        image_mean=[value / 255 for value in preprocessing.mean],
        image_std=[value / 255 for value in preprocessing.std],
    )
