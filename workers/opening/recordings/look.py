"""What is noted of a frame that was looked at: enough to compare it with others. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOOK_PX = 256
"""Frames are looked at in this width and height, whatever their shape."""
GRID_PX = 32
_HASH_PX = 8
_LEVELS = 64
_DARK = 40.0
_PLAIN = 16.0
_STRUCTURE_SHARE = 0.7
_COLOUR_SCALE = 4.0
# The stabiliser of SSIM's structure term, (0.03 * 255)^2: below it differences are noise.
_NOISE = 58.5

Floats = NDArray[np.float32]
_BRIGHTNESS: Floats = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Look:
    """One frame, as it was seen.

    Attributes:
        grid: Brightness of its cells, shape (32, 32), 0 to 255.
        levels: Cumulative distribution of brightness and both colour differences, shape (3, 64), 0 to 1.
        sharpness: Variance of the Laplacian of its brightness.
        blank: "black", "uniform" or empty.
        perceptual_hash: 64 bits of the low frequencies.
        colour: Mean red, green and blue, 0 to 255.
    """

    grid: Floats
    levels: Floats
    sharpness: float
    blank: str
    perceptual_hash: int
    colour: tuple[int, int, int]


def look_at(rgb: NDArray[np.uint8]) -> Look:
    """Note what is compared of a frame.

    Args:
        rgb: The frame in small, shape (256, 256, 3).
    """
    pixels = rgb.astype(np.float32)
    brightness = np.asarray(pixels @ _BRIGHTNESS, np.float32)
    blue = _around_middle(pixels[..., 2] - brightness, 0.564)
    red = _around_middle(pixels[..., 0] - brightness, 0.713)
    grid = _cells(brightness, GRID_PX)
    red_mean, green_mean, blue_mean = (int(value) for value in pixels.mean(axis=(0, 1)))
    return Look(
        grid,
        np.stack([_cumulative(channel) for channel in (brightness, blue, red)]),
        _laplacian_variance(brightness),
        _blank([_cells(channel, 2 * GRID_PX) for channel in (brightness, blue, red)]),
        _perceptual_hash(grid),
        (red_mean, green_mean, blue_mean),
    )


def distance(one: Look, other: Look) -> float:
    """How different two frames are: 0 the same, 1 nothing in common.

    Seven tenths are structure, the contrast and structure terms of SSIM (Wang et al., 2004) over the grid, which
    a change of light hardly moves; three tenths are the earth mover's distance of the colours.
    """
    return distance_between(one.grid, one.levels, other.grid, other.levels)


def distance_between(grid: Floats, levels: Floats, other_grid: Floats, other_levels: Floats) -> float:
    """As `distance`, for means of several frames."""
    structure = 1.0 - max(0.0, _correlation(grid, other_grid))
    colour = min(1.0, _COLOUR_SCALE * float(np.abs(levels - other_levels).mean(axis=1).max()))
    return _STRUCTURE_SHARE * structure + (1 - _STRUCTURE_SHARE) * colour


def is_blend(middle: Floats, before: Floats, after: Floats) -> bool:
    """Whether a frame shows the one before it and the one after it at once, as a dissolve does.

    Args:
        middle: Grid of the frame.
        before: Grid of the frame before it.
        after: Grid of the frame after it.
    """
    step = (after - before).ravel()
    length = float(step @ step)
    if length < _NOISE * step.size:
        return False
    share = float((middle - before).ravel() @ step) / length
    rest = (middle - before).ravel() - share * step
    return 0.1 < share < 0.9 and float(rest @ rest) < 0.05 * length


def _around_middle(difference: Floats, scale: float) -> Floats:
    return np.asarray(np.clip(128 + np.float32(scale) * difference, 0, 255), np.float32)


def _correlation(one: Floats, other: Floats) -> float:
    left, right = one - one.mean(), other - other.mean()
    spread = float((left**2).mean() + (right**2).mean())
    return (2 * float((left * right).mean()) + _NOISE) / (spread + _NOISE)


def _cells(channel: Floats, count: int) -> Floats:
    side = LOOK_PX // count
    return np.asarray(channel.reshape(count, side, count, side).mean(axis=(1, 3)), np.float32)


def _cumulative(channel: Floats) -> Floats:
    counts, _edges = np.histogram(channel, bins=_LEVELS, range=(0, 256))
    return np.asarray(np.cumsum(counts) / channel.size, np.float32)


def _laplacian_variance(brightness: Floats) -> float:
    inner = brightness[1:-1, 1:-1]
    around = brightness[:-2, 1:-1] + brightness[2:, 1:-1] + brightness[1:-1, :-2] + brightness[1:-1, 2:]
    return float((around - 4 * inner).var())


def _blank(channels: list[Floats]) -> str:
    """Small writing on black is none: two cells of a thousand may stand out, not more."""
    low, high = zip(*(np.percentile(cells, (0.2, 99.8)) for cells in channels), strict=True)
    if high[0] < _DARK:
        return "black"
    return "uniform" if max(top - bottom for bottom, top in zip(low, high, strict=True)) < _PLAIN else ""


def _perceptual_hash(grid: Floats) -> int:
    """The signs of the lowest 8 x 8 cosines against their median, row by row (Zauner, 2010)."""
    cosines = _COSINES @ grid @ _COSINES.T
    bits = (cosines > np.median(cosines)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _cosines() -> Floats:
    """The first rows of the discrete cosine transform, shape (8, 32)."""
    places = np.arange(GRID_PX) + 0.5
    return np.asarray(np.cos(np.pi / GRID_PX * np.outer(np.arange(_HASH_PX), places)), np.float32)


_COSINES = _cosines()
