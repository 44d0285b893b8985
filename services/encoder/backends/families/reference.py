"""The pipeline of transformers itself: its image processor, its tokenizer, one input at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from PIL import Image

from services.encoder.backends.families.features import pooled
from services.encoder.backends.towers import Pipeline


def pipeline(
    image_processor: Callable[[], Any], tokenizer: Callable[[], Any], text_options: Mapping[str, Any]
) -> Pipeline:
    """Put the pipeline of a model together.

    Args:
        image_processor: Loads it; on the first use.
        tokenizer: Loads it; on the first use. It must be nobody else's: its truncation is changed.
        text_options: For the tokenizer, as the model's authors call it.
    """
    processor_once, tokenizer_once = cache(image_processor), cache(tokenizer)

    def embed_image(module: Any, image: Image.Image) -> torch.Tensor:
        inputs = processor_once()(image, return_tensors="pt")
        return pooled(module.get_image_features(pixel_values=inputs["pixel_values"]))

    def embed_text(module: Any, text: str) -> torch.Tensor:
        inputs = tokenizer_once()(text, return_tensors="pt", truncation=True, **text_options)
        known = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
        return pooled(module.get_text_features(**known))

    return Pipeline(embed_image, embed_text)
