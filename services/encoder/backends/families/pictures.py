"""From the constants that a model comes with to our preprocessing. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.common.media.preprocessing import Fit, Preprocessing, Resample
from services.encoder.backends.families.checkpoint import UnsupportedModelError

SIGLIP = Preprocessing("squash", 224, (127.5,) * 3, (127.5,) * 3)
"""Zhai et al., 2023: pictures from -1 to 1, both sides scaled whatever their ratio."""

# Pillow's numbers for its filters, as preprocessor_config.json has them.
_RESAMPLES: dict[int, Resample] = {2: "bilinear", 3: "bicubic"}


def preprocessing_of(processor: Mapping[str, Any], usual: Preprocessing) -> Preprocessing:
    """The preprocessing that a model's `preprocessor_config.json` asks for.

    Args:
        processor: Its contents; constants on the scale 0 to 1.
        usual: That of the family at the side that the image tower takes; stands for what is not said.

    Raises:
        UnsupportedModelError: It asks for something that is not done here.
    """
    for step in ("do_resize", "do_rescale"):
        if processor.get(step) is False:
            raise UnsupportedModelError(f"its preprocessor_config.json switches {step} off")
    factor = float(processor.get("rescale_factor") or 1 / 255)
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise UnsupportedModelError(f"its preprocessor_config.json has rescale_factor {factor}, not 1/255")
    mean, std = usual.mean, usual.std
    if processor.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    elif processor.get("image_mean") and processor.get("image_std"):
        mean, std = scaled(processor["image_mean"]), scaled(processor["image_std"])
    return replace(usual, fit=_fit(processor, usual), mean=mean, std=std, resample=_resample(processor, usual))


def scaled(constants: Sequence[float]) -> tuple[float, float, float]:
    """Constants of three channels, from the scale 0 to 1 to that of bytes."""
    red, green, blue = (float(value) * 255 for value in constants)
    return red, green, blue


def _resample(processor: Mapping[str, Any], usual: Preprocessing) -> Resample:
    number = processor.get("resample")
    if number is None:
        return usual.resample
    if number not in _RESAMPLES:
        raise UnsupportedModelError(
            f"its preprocessor_config.json has resample {number}; 2 (bilinear) and 3 (bicubic) are known"
        )
    return _RESAMPLES[number]


def _fit(processor: Mapping[str, Any], usual: Preprocessing) -> Fit:
    size = processor.get("size")
    crops = processor.get("do_center_crop")
    if crops is None:
        crops = usual.fit == "crop"
    if size is None:
        _expect_side(_sides(processor.get("crop_size")), usual.side_px)
        return usual.fit
    if isinstance(size, Mapping) and "shortest_edge" not in size:
        _expect_side(_sides(size), usual.side_px)
        return "squash"
    _expect_side(_sides(size), usual.side_px)
    if not crops:
        if isinstance(size, Mapping):
            raise UnsupportedModelError("its preprocessor_config.json keeps the ratio of the sides without a crop")
        # Chinese-CLIP before its sizes were written in full: a number without a crop meant a square.
        return "squash"
    _expect_side(_sides(processor.get("crop_size")), usual.side_px)
    return "crop"


def _sides(size: Any) -> set[int]:
    if size is None:
        return set()
    if isinstance(size, Mapping):
        return {int(side) for side in size.values() if side is not None}
    return {int(size)}


def _expect_side(sides: set[int], side_px: int) -> None:
    if sides - {side_px}:
        raise UnsupportedModelError(
            f"its preprocessor_config.json says {sorted(sides)} px, but its image tower takes {side_px} px"
        )
