"""Chinese-CLIP (Yang et al., 2022): a CLIP whose text tower is a Chinese BERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from transformers import ChineseCLIPModel

from services.common.media.preprocessing import CLIP
from services.encoder.backends.families import cards, tokens
from services.encoder.backends.families.checkpoint import Checkpoint, hash_weights
from services.encoder.backends.families.features import at_scales, image_features_at, pooled
from services.encoder.backends.families.pictures import preprocessing_of
from services.encoder.backends.families.reference import pipeline
from services.encoder.backends.towers import Towers

TEXT_TOKENS = 52
"""What the authors trained with; the BERT below would take 512 and was never shown them."""


def load(checkpoint: Checkpoint, scales: Sequence[int]) -> Towers:
    """Load a Chinese-CLIP; arguments and errors as in `load_towers`."""
    model = checkpoint.model(ChineseCLIPModel)
    side_px = int(model.config.vision_config.image_size)
    usual = replace(CLIP, fit="squash", side_px=side_px)
    preprocessing = preprocessing_of(checkpoint.image_processor_config(), usual)
    scaled = at_scales(preprocessing, scales, int(model.config.vision_config.patch_size))
    # Old configurations say a number where a square is meant, which transformers reads as the shorter side.
    square = {"size": {"height": side_px, "width": side_px}} if preprocessing.fit == "squash" else {}
    limit = min(TEXT_TOKENS, int(model.config.text_config.max_position_embeddings))
    tokenizer = checkpoint.tokenizer()
    return Towers(
        name=checkpoint.title,
        module=model.eval(),
        weights=hash_weights(model.state_dict()),
        preprocessing=scaled,
        dim=int(model.config.projection_dim),
        card=cards.CHINESE_CLIP,
        max_text_tokens=limit,
        tokenize=tokens.tokens_of(tokenizer, limit),
        pad_id=int(tokenizer.pad_token_id),
        pads_to=None,
        image_features=image_features_at(scaled),
        text_features=_text_features,
        pipeline=None
        if scales
        else pipeline(partial(checkpoint.image_processor, **square), checkpoint.tokenizer, {"max_length": limit}),
    )


def _text_features(module: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    return pooled(module.get_text_features(input_ids=input_ids, attention_mask=attention_mask))
