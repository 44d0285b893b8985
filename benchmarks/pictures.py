"""Pictures with structure, made from a seed: edges, gradients and texture, so that a codec has its usual work."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

_SHAPES = 24
_NOISE = 10


def draw(seed: int, width: int, height: int) -> Image.Image:
    """An RGB picture: shapes of many sizes over a gradient, with a little noise as from a sensor."""
    random = np.random.default_rng(seed)
    across = np.linspace(0, 1, width)[None, :, None]
    down = np.linspace(0, 1, height)[:, None, None]
    corners = random.integers(0, 256, size=(3, 3))
    gradient = corners[0] + across * (corners[1] - corners[0]) + down * (corners[2] - corners[0])
    image = Image.fromarray(np.clip(gradient, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    for _ in range(_SHAPES):
        left, top = random.integers(-width // 4, width), random.integers(-height // 4, height)
        box = (left, top, left + random.integers(8, width // 2), top + random.integers(8, height // 2))
        colour = tuple(int(part) for part in random.integers(0, 256, size=3))
        shape = canvas.ellipse if random.random() < 0.5 else canvas.rectangle
        shape([int(part) for part in box], fill=colour)
    grain = random.integers(-_NOISE, _NOISE + 1, size=(height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image, np.int16) + grain, 0, 255).astype(np.uint8))


def encoded(seed: int, width: int, height: int, kind: Literal["JPEG", "PNG"]) -> bytes:
    """The same as a file."""
    buffer = io.BytesIO()
    options = {"quality": 88} if kind == "JPEG" else {"compress_level": 6}
    draw(seed, width, height).save(buffer, kind, **options)
    return buffer.getvalue()


def many(count: int, width: int, height: int, kind: Literal["JPEG", "PNG"], *, first_seed: int) -> Iterator[bytes]:
    """Pictures, no two the same."""
    for seed in range(first_seed, first_seed + count):
        yield encoded(seed, width, height, kind)
