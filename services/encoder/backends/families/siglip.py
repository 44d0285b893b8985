"""SigLIP (Zhai et al., 2023) and the SigLIP 2 checkpoints of fixed resolution (Tschannen et al., 2025)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from transformers import Siglip2Tokenizer, SiglipModel

from services.encoder.backends.families import cards, tokens
from services.encoder.backends.families.checkpoint import Checkpoint, hash_weights
from services.encoder.backends.families.features import at_scales, image_features_at, pooled
from services.encoder.backends.families.pictures import SIGLIP, preprocessing_of
from services.encoder.backends.families.reference import pipeline
from services.encoder.backends.towers import Towers

# Every SigLIP 2 checkpoint names this one, which keeps capitals; the model was trained without any (section 2.1).
_SIGLIP2_TOKENIZERS = frozenset({"GemmaTokenizer", "GemmaTokenizerFast", "Siglip2Tokenizer"})


def load(checkpoint: Checkpoint, scales: Sequence[int]) -> Towers:
    """Load a SigLIP; arguments and errors as in `load_towers`."""
    model = checkpoint.model(SiglipModel)
    usual = replace(SIGLIP, side_px=int(model.config.vision_config.image_size))
    preprocessing = preprocessing_of(checkpoint.image_processor_config(), usual)
    scaled = at_scales(preprocessing, scales, int(model.config.vision_config.patch_size))
    is_second = _is_second(checkpoint)
    load_tokenizer: Callable[[], Any] = (
        partial(checkpoint.tokenizer, Siglip2Tokenizer) if is_second else checkpoint.tokenizer
    )
    tokenizer = load_tokenizer()
    limit = int(model.config.text_config.max_position_embeddings)
    options = {
        "padding": "max_length",
        "max_length": limit,
        "padding_side": "right",
        "return_attention_mask": False,
    }
    return Towers(
        name=checkpoint.title,
        module=model.eval(),
        weights=hash_weights(model.state_dict()),
        preprocessing=scaled,
        dim=int(model.config.text_config.projection_size),
        card=cards.SIGLIP2 if is_second else cards.SIGLIP,
        max_text_tokens=limit,
        tokenize=tokens.tokens_of(tokenizer, limit),
        pad_id=int(tokenizer.pad_token_id),
        pads_to=limit,
        image_features=image_features_at(scaled),
        text_features=_text_features,
        pipeline=None if scales else pipeline(checkpoint.image_processor, load_tokenizer, options),
    )


def _is_second(checkpoint: Checkpoint) -> bool:
    return checkpoint.contents("tokenizer_config.json").get("tokenizer_class") in _SIGLIP2_TOKENIZERS


def _text_features(module: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    # Trained without a mask: padding is looked at, and the vector is that of the last place, padding or not.
    return pooled(module.get_text_features(input_ids=input_ids))
