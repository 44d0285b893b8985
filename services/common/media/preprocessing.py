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

_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Preprocessing:
    """How one model wants its pictures.

    Attributes:
        fit: "crop" scales the shorter side to `side_px` and cuts out the centre (CLIP); "pad" scales the
            longer side and fills a white square.
        side_px: Side of the square that the model sees.
        mean: Per channel, on the scale 0 to 255.
        std: Per channel, on the scale 0 to 255.
    """

    fit: Literal["crop", "pad"]
    side_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

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
        square = _crop(image, self.side_px) if self.fit == "crop" else _pad(image, self.side_px)
        return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))

    @property
    def digest(self) -> str:
        """Version and a short hash of every constant that moves a vector, for the fingerprint."""
        numbers = ",".join(f"{value:.4f}" for value in (*self.mean, *self.std))
        constants = f"{self.fit}:{self.side_px}:{numbers}"
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


def _crop(image: Image.Image, side_px: int) -> Image.Image:
    """Scale the shorter side and cut the centre in one step, so that a 1 x 30000 strip never becomes huge.

    The box is the one that scaling first and cutting whole pixels afterwards would take.
    """
    short = min(image.size)
    scaled = tuple(side_px if side == short else int(side_px * side / short) for side in image.size)
    left, top = ((side - side_px) // 2 for side in scaled)
    across, down = image.width / scaled[0], image.height / scaled[1]
    box = (left * across, top * down, (left + side_px) * across, (top + side_px) * down)
    return image.resize((side_px, side_px), Image.Resampling.BICUBIC, box=box)


def _pad(image: Image.Image, side_px: int) -> Image.Image:
    longest = max(image.size)
    width, height = (max(1, round(side * side_px / longest)) for side in image.size)
    square = Image.new("RGB", (side_px, side_px), _WHITE)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(scaled, ((side_px - width) // 2, (side_px - height) // 2))
    return square
