"""How a picture looks, in 64 bits: two pictures that look the same differ in few of them. Pure.

The hash is pHash (Zauner, 2010): the lowest 8 x 8 cosines of the picture's brightness in 32 x 32 cells, each above
their median or not. Its bits are those of the `imagehash` package's `phash`, without its dependency on scipy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GRID_PX = 32
_HASH_PX = 8
_CELLS_PX = 64
_DARK = 40.0
_PLAIN = 16.0
_STANDING_OUT_PERCENT = 0.2
_LEVELS = 16
_FEW_BITS = 0.5

Floats = NDArray[np.float64]


def perceptual_hash(image: Image.Image) -> str:
    """The hash as 16 hex digits; empty for a picture that is too plain to have one.

    What is black, of one colour or nearly so has no structure to hash: its bits are those of noise, and everything
    else of that sort has similar ones.

    Args:
        image: An upright RGB picture; small copies serve as well.
    """
    if is_plain(image):
        return ""
    grey = image.convert("L").resize((_GRID_PX, _GRID_PX), Image.Resampling.LANCZOS)
    low = _COSINES @ np.asarray(grey, np.float64) @ _COSINES.T
    bits = (low > np.median(low)).ravel()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def is_plain(image: Image.Image) -> bool:
    """Whether a picture is black, of one colour, or nearly all of one brightness.

    Two of a thousand cells may stand out: a page number on an empty page, a channel's logo on a black frame.
    """
    cells = image.convert("YCbCr").resize((_CELLS_PX, _CELLS_PX), Image.Resampling.BOX)
    channels = np.asarray(cells, np.float64).reshape(-1, 3)
    low, high = np.percentile(channels, (_STANDING_OUT_PERCENT, 100 - _STANDING_OUT_PERCENT), axis=0)
    if high[0] < _DARK or float((high - low).max()) < _PLAIN:
        return True
    return _entropy_bits(channels[:, 0]) < _FEW_BITS and float((high - low)[1:].max()) < _PLAIN


def _entropy_bits(brightness: Floats) -> float:
    counts, _edges = np.histogram(brightness, bins=_LEVELS, range=(0, 256))
    shares = counts[counts > 0] / brightness.size
    return float(-(shares * np.log2(shares)).sum())


def _cosines() -> Floats:
    """The first rows of the discrete cosine transform (type II), shape (8, 32)."""
    places = np.arange(_GRID_PX) + 0.5
    return np.asarray(np.cos(np.pi / _GRID_PX * np.outer(np.arange(_HASH_PX), places)), np.float64)


_COSINES = _cosines()
