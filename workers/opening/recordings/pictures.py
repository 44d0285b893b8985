"""From a decoded frame to an upright picture of bounded size, as JPEG."""

from __future__ import annotations

import struct
from fractions import Fraction
from io import BytesIO
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray
from PIL import Image

from workers.opening.recordings.tones import Transfer, to_standard_range

QUALITY = 90
_HD_LINES = 720
_UNSPECIFIED = 2
_TRANSFERS = {int(ColorTrc.SMPTE2084): Transfer.PQ, int(ColorTrc.ARIB_STD_B67): Transfer.HLG}


def to_jpeg(frame: VideoFrame, shape: Fraction | None, max_side_px: int) -> bytes:
    """Encode a frame as it is meant to be seen.

    Args:
        frame: Of any pixel format.
        shape: Width of one of its pixels by its height; None: square.
        max_side_px: Longest side of the picture; a smaller one is not enlarged.
    """
    image = Image.fromarray(_upright(_pixels(frame, _size(frame, shape, max_side_px)), frame))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _size(frame: VideoFrame, shape: Fraction | None, max_side_px: int) -> tuple[int, int]:
    """Width and height of the picture before it is turned."""
    stretch = float(shape) if shape and 0.1 < shape < 10 else 1.0
    width, height = frame.width * stretch, float(frame.height)
    scale = min(1.0, max_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _pixels(frame: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Red, green and blue, shape (height, width, 3)."""
    transfer = _TRANSFERS.get(frame.color_trc)
    if transfer:
        deep = _reformatted(frame, size, "rgb48le").view(np.uint16)
        return to_standard_range(deep, transfer)
    if any(component.is_alpha for component in frame.format.components):
        return _on_white(_reformatted(frame, size, "rgba"))
    if frame.interlaced_frame and frame.height > 1:
        # Its two halves were taken at different times: one of them, or what moves has combs.
        half = _reformatted(frame, (frame.width, frame.height), "rgb24")[::2]
        return np.asarray(Image.fromarray(np.ascontiguousarray(half)).resize(size, Image.Resampling.BICUBIC))
    return _reformatted(frame, size, "rgb24")


def _reformatted(frame: VideoFrame, size: tuple[int, int], name: str) -> NDArray[np.uint8]:
    # What does not say its colours is by custom BT.709 if it is large, and BT.601 otherwise.
    untold = frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb and frame.height >= _HD_LINES
    converted = frame.reformat(
        *size, name, src_colorspace=Colorspace.ITU709 if untold else None, interpolation=Interpolation.BICUBIC
    )
    return cast(NDArray[np.uint8], converted.to_ndarray())


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _upright(pixels: NDArray[np.uint8], frame: VideoFrame) -> NDArray[np.uint8]:
    """Turn and mirror as the display matrix says: x' = ax + cy, y' = bx + dy (ISO/IEC 14496-12, 6.2.2)."""
    matrix = cast(SideDataContainer, frame.side_data).get(Type.DISPLAYMATRIX)
    if matrix is None:
        return pixels
    a, b, _u, c, d = struct.unpack_from("<5i", bytes(matrix))
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels[::-1] if d < 0 else pixels)
