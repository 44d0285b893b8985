"""Feature vectors from the models of transformers, and from several resolutions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional

from services.common.media.preprocessing import Preprocessing
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.towers import ImageFeatures


def pooled(output: Any) -> torch.Tensor:
    """The vectors of an output: transformers 5.23 wraps them, older versions return a tensor."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def image_features(module: Any, pixels: torch.Tensor) -> torch.Tensor:
    """See `Towers.image_features`."""
    return pooled(module.get_image_features(pixel_values=pixels))


def at_scales(preprocessing: Preprocessing, scales: Sequence[int], patch_px: int) -> Preprocessing:
    """Pictures for several resolutions: one square at the largest, the smaller ones are made from it.

    Args:
        preprocessing: For the model's own resolution.
        scales: Sides in pixels; empty: the model's own alone.
        patch_px: Side of a patch of the image tower.

    Raises:
        UnsupportedModelError: A side is not a whole number of patches.
    """
    if not scales:
        return preprocessing
    # The model's own side need not be even: 384 px in patches of 14 leave a rim that is not seen.
    uneven = [side for side in scales if side != preprocessing.side_px and (side < patch_px or side % patch_px)]
    if uneven:
        own = preprocessing.side_px
        raise UnsupportedModelError(
            f"IMAGERAG_ENCODER_SCALES has {', '.join(map(str, uneven))}: each must be a multiple of its patch, "
            f"{patch_px} px; write for example {own},{2 * own // patch_px * patch_px}"
        )
    sides = tuple(sorted(set(scales)))
    return replace(preprocessing, side_px=sides[-1], scales=sides)


def image_features_at(preprocessing: Preprocessing) -> ImageFeatures:
    """The image features that a preprocessing is made for.

    With several scales they are the mean of the unit vectors at each: the small ones see the whole, the large ones
    the details. Position embeddings are interpolated (Dosovitskiy et al., 2021, section 3.2), pictures are scaled
    down with anti-aliasing.
    """
    if not preprocessing.scales:
        return image_features

    def mean_of_scales(module: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        units = [_unit_at(module, pixels, side_px) for side_px in preprocessing.scales]
        return torch.stack(units).mean(0)

    return mean_of_scales


def _unit_at(module: Any, pixels: torch.Tensor, side_px: int) -> torch.Tensor:
    if side_px != pixels.shape[-1]:
        # In float32: torch has no anti-aliasing in bfloat16 on a CPU.
        small = functional.interpolate(
            pixels.float(), size=(side_px, side_px), mode="bicubic", antialias=True, align_corners=False
        )
        pixels = small.to(pixels.dtype)
    features = pooled(module.get_image_features(pixel_values=pixels, interpolate_pos_encoding=True))
    return functional.normalize(features.float(), dim=-1)
