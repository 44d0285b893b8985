"""The one way from a picture to model input; whatever embeds a picture goes through here.

A change that moves a vector must change `PREPROCESSING_VERSION`: it is part of the fingerprint, and vectors of
two versions never mix.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

PREPROCESSING_VERSION = "p1"
Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "pad", "squash"]
Resample = Literal["bicubic", "bilinear"]

_WHITE = (255, 255, 255)
# Pillow widens both filters when it makes a picture smaller, so neither aliases.
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Preprocessing:
    """How one model wants its pictures.

    Attributes:
        fit: "crop" scales the shorter side to `side_px` and cuts out the centre (CLIP); "pad" scales the
            longer side and fills a white square; "squash" scales both sides, whatever their ratio (SigLIP).
        side_px: Side of the square that is delivered.
        mean: Per channel, on the scale 0 to 255.
        std: Per channel, on the scale 0 to 255.
        resample: The filter that the model was trained with.
        scales: Sides at which the model sees the square, which it scales down itself; empty: `side_px` alone.
    """

    fit: Fit
    side_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: Resample = "bicubic"
    scales: tuple[int, ...] = ()

    @property
    def decode_px(self) -> int:
        """Shorter side that decoding must keep: twice the target leaves the anti-aliasing to one filter.

        `draft(448)` + bicubic takes 5.9 ms for a 1000 px JPEG where a full decode takes 17.5 ms (2-core CPU).
        """
        return 2 * self.side_px

    def __call__(self, image: Image.Image) -> Pixels:
        """Scale `image` and make it square.

        Args:
            image: RGB, of any size.

        Returns:
            uint8, shape [3, side_px, side_px]. The device normalises: one byte a value crosses the bus.
        """
        return to_square(image, self.fit, self.side_px, self.resample)

    @property
    def digest(self) -> str:
        """Version and a short hash of every constant that moves a vector, for the fingerprint."""
        numbers = ",".join(f"{value:.4f}" for value in (*self.mean, *self.std))
        constants = f"{self.fit}:{self.side_px}:{numbers}"
        # What came later is named only where it is used: collections stand under the digests of before.
        if self.resample != "bicubic":
            constants += f":{self.resample}"
        if self.scales:
            constants += f":scales={','.join(map(str, self.scales))}"
        return f"{PREPROCESSING_VERSION}{hashlib.sha256(constants.encode()).hexdigest()[:6]}"


CLIP = Preprocessing(
    fit="crop",
    side_px=224,
    mean=(0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255),
    std=(0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255),
)
"""Radford et al., 2021: the constants of OpenAI's CLIP, which its descendants kept."""

STARTER = Preprocessing(fit="pad", side_px=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
"""EfficientNet-Lite's constants; a white square instead of a crop keeps the whole object in view."""


def to_square(image: Image.Image, fit: Fit, side_px: int, resample: Resample = "bicubic") -> Pixels:
    """Scale a picture and make it square, as `Preprocessing` does.

    Args:
        image: RGB, of any size.
        fit: See `Preprocessing`.
        side_px: See `Preprocessing`.
        resample: See `Preprocessing`.

    Returns:
        uint8, shape [3, side_px, side_px].
    """
    resampling = _FILTERS[resample]
    if fit == "crop":
        square = _crop(image, side_px, resampling)
    elif fit == "pad":
        square = _pad(image, side_px, resampling)
    else:
        square = image.resize((side_px, side_px), resampling)
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))


def _crop(image: Image.Image, side_px: int, resampling: Image.Resampling) -> Image.Image:
    """Scale the shorter side and cut the centre in one step, so that a 1 x 30000 strip never becomes huge.

    The box is the one that scaling first and cutting whole pixels afterwards would take.
    """
    short = min(image.size)
    scaled = tuple(side_px if side == short else int(side_px * side / short) for side in image.size)
    left, top = ((side - side_px) // 2 for side in scaled)
    across, down = image.width / scaled[0], image.height / scaled[1]
    box = (left * across, top * down, (left + side_px) * across, (top + side_px) * down)
    return image.resize((side_px, side_px), resampling, box=box)


def _pad(image: Image.Image, side_px: int, resampling: Image.Resampling) -> Image.Image:
    longest = max(image.size)
    width, height = (max(1, round(side * side_px / longest)) for side in image.size)
    square = Image.new("RGB", (side_px, side_px), _WHITE)
    scaled = image.resize((width, height), resampling)
    square.paste(scaled, ((side_px - width) // 2, (side_px - height) // 2))
    return square
