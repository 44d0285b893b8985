"""A closer look at two small pictures that may be the same. Pure.

Hash and vector see what a picture is on the whole: two pages of print, or two slides, are one thing to both. Here
they are compared block by block, each with its surroundings in the other picture, so that a picture may be cropped
or turned a little, and may be brighter, but must show the same in each place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELLS_PX = 64
_BLOCK_PX = 16
_REACH_PX = 2
_BLOCKS = CELLS_PX // _BLOCK_PX
# Variance that is the noise of saving a picture.
_NOISE = 9.0
LEAST_STRUCTURE = 0.92
"""Different pages of print come to 0.90 at most, slides to 0.92 (two of a hundred above), charts to 0.88."""
MOST_COLOUR = 30.0
"""Of 255 and of both colour differences together. A warmer white balance comes to 25, half the saturation to 32 in
one picture of twenty; flags of the same shape in other colours to 40."""

Cells = NDArray[np.uint8]
"""Brightness and both colour differences of a picture's cells, shape (64, 64, 3)."""
Floats = NDArray[np.float64]


def cells_of(image: Image.Image) -> Cells:
    """What is compared of a picture, whatever its shape.

    Args:
        image: RGB, at least some 200 pixels large.
    """
    small = image.convert("YCbCr").resize((CELLS_PX, CELLS_PX), Image.Resampling.BOX)
    return np.asarray(small, np.uint8)


def shows_the_same(one: Cells, other: Cells) -> bool:
    """Whether two pictures show the same in each place, in about the same colours."""
    return colour_difference(one, other) <= MOST_COLOUR and structure(one, other) >= LEAST_STRUCTURE


def structure(one: Cells, other: Cells) -> float:
    """How alike the blocks of two pictures are: mean of their best correlations, weighted by contrast; up to 1.

    The lower of both directions counts: nothing of either picture may be missing in the other.
    """
    brightness = [np.asarray(cells[..., 0], np.float64) for cells in (one, other)]
    return min(_one_way(*brightness), _one_way(*reversed(brightness)))


def colour_difference(one: Cells, other: Cells) -> float:
    """Mean difference of the colours of an eighth of the picture by an eighth, 0 to 510."""
    coarse = [
        np.asarray(cells[..., 1:], np.float64).reshape(8, CELLS_PX // 8, 8, CELLS_PX // 8, 2).mean(axis=(1, 3))
        for cells in (one, other)
    ]
    return float(np.abs(coarse[0] - coarse[1]).sum(axis=-1).mean())


def _one_way(from_: Floats, to: Floats) -> float:
    """Each block of one picture against all places near by in the other."""
    blocks = _centred(_blocks(from_))
    contrast = blocks.std(axis=1)
    if not contrast.any():
        return 1.0 if float(to.std()) <= _NOISE**0.5 else 0.0
    surroundings = np.pad(to, _REACH_PX, mode="edge")
    best = np.full(len(blocks), -1.0)
    for down in range(2 * _REACH_PX + 1):
        for across in range(2 * _REACH_PX + 1):
            moved = surroundings[down : down + CELLS_PX, across : across + CELLS_PX]
            best = np.maximum(best, _correlations(blocks, _centred(_blocks(moved))))
    return float((best * contrast).sum() / contrast.sum())


def _blocks(channel: Floats) -> Floats:
    """Shape (16, 256)."""
    square = channel.reshape(_BLOCKS, _BLOCK_PX, _BLOCKS, _BLOCK_PX)
    return square.swapaxes(1, 2).reshape(_BLOCKS * _BLOCKS, _BLOCK_PX * _BLOCK_PX)


def _centred(blocks: Floats) -> Floats:
    return np.asarray(blocks - blocks.mean(axis=1, keepdims=True), np.float64)


def _correlations(blocks: Floats, others: Floats) -> Floats:
    shared = (blocks * others).mean(axis=1)
    spread = np.sqrt((blocks**2).mean(axis=1) * (others**2).mean(axis=1))
    return np.asarray((shared + _NOISE) / (spread + _NOISE), np.float64)
