"""CLIP (Radford et al., 2021): any model of the `clip` type of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import CLIPModel

from services.common.media.preprocessing import CLIP, Preprocessing
from services.encoder.backends.backend import ModelCard
from services.encoder.backends.families import cards, tokens
from services.encoder.backends.families.checkpoint import Checkpoint, hash_weights
from services.encoder.backends.families.features import at_scales, image_features_at, pooled
from services.encoder.backends.families.pictures import preprocessing_of
from services.encoder.backends.families.reference import pipeline
from services.encoder.backends.towers import Pipeline, Towers


def load(checkpoint: Checkpoint, scales: Sequence[int]) -> Towers:
    """Load a CLIP; arguments and errors as in `load_towers`."""
    model = checkpoint.model(CLIPModel)
    usual = replace(CLIP, side_px=int(model.config.vision_config.image_size))
    preprocessing = preprocessing_of(checkpoint.image_processor_config(), usual)
    limit = int(model.config.text_config.max_position_embeddings)
    reference = pipeline(checkpoint.image_processor, checkpoint.tokenizer, {"max_length": limit})
    return towers(checkpoint, model, checkpoint.tokenizer(), preprocessing, scales, cards.CLIP, reference)


def towers(
    checkpoint: Checkpoint,
    model: Any,
    tokenizer: Any,
    preprocessing: Preprocessing,
    scales: Sequence[int],
    card: ModelCard,
    reference: Pipeline,
) -> Towers:
    """The towers of a `CLIPModel`, wherever its weights are from.

    Args:
        checkpoint: Its name.
        model: In float32, on the CPU.
        tokenizer: For it alone.
        preprocessing: For the model's own resolution.
        scales: As in `load_towers`.
        card: Of its family.
        reference: See `Towers.pipeline`.
    """
    limit = int(model.config.text_config.max_position_embeddings)
    scaled = at_scales(preprocessing, scales, int(model.config.vision_config.patch_size))
    return Towers(
        name=checkpoint.title,
        module=model.eval(),
        weights=hash_weights(model.state_dict()),
        preprocessing=scaled,
        dim=int(model.config.projection_dim),
        card=card,
        max_text_tokens=limit,
        tokenize=tokens.tokens_of(tokenizer, limit),
        # Not the tokenizer's padding: with the end token the first end, or the highest token, is always the end.
        pad_id=int(tokenizer.eos_token_id),
        pads_to=None,
        image_features=image_features_at(scaled),
        text_features=_text_features,
        pipeline=None if scales else reference,
    )


def _text_features(module: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    # Padding follows the end token, which looks back only: without a mask torch takes its faster causal kernel.
    return pooled(module.get_text_features(input_ids=input_ids))
