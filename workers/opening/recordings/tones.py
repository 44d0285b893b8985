"""From high dynamic range to what a common screen shows. Pure."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

_WHITE_NITS = 203.0
"""Of diffuse white in high dynamic range (ITU-R BT.2408)."""
_PEAK_NITS = 1000.0
# BT.2020 to BT.709 primaries (ITU-R BT.2087).
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class Transfer(Enum):
    """How light is written as numbers."""

    PQ = "pq"
    HLG = "hlg"


def to_standard_range(rgb: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """Bring a BT.2100 picture to sRGB: the highlights are compressed, not cut off.

    The curve is Reinhard's with a white point (Reinhard et al., 2002, equation 4), over the brightest channel, so
    that colours keep their hue.

    Args:
        rgb: Shape (height, width, 3), 0 to 65535.
        transfer: Of the picture.

    Returns:
        Shape (height, width, 3), 0 to 255.
    """
    signal = np.asarray(rgb / np.float32(65535), np.float32)
    light = (_pq_nits(signal) if transfer is Transfer.PQ else _hlg_nits(signal)) / _WHITE_NITS
    peak = _PEAK_NITS / _WHITE_NITS
    brightest = np.maximum(light.max(axis=-1, keepdims=True), np.float32(1e-6))
    shown = brightest * (1 + brightest / peak**2) / (1 + brightest)
    linear = np.clip((light * (np.minimum(shown, 1) / brightest)) @ _TO_709.T, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * coded), np.uint8)


def _pq_nits(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """SMPTE ST 2084."""
    root = signal ** np.float32(1 / 78.84375)
    ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.asarray(10_000 * ratio ** (1 / 0.1593017578125), np.float32)


def _hlg_nits(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """ITU-R BT.2100 on a screen of 1000 nits, its system gamma of 1.2 taken channel by channel."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return np.asarray(_PEAK_NITS * scene**1.2, np.float32)
