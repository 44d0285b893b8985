"""Pictures as they are sent to a model: small JPEGs in `data:` URLs, whatever came in."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image

from services.common.media.images import ImageLimits, decode_rgb

JPEG_QUALITY = 85


def picture_url(data: bytes, limits: ImageLimits, side_px: int) -> str:
    """The `data:` URL of a picture. Decodes: call it in a thread.

    It is encoded anew, as JPEG, because llama.cpp's server reads no WebP, and because what is sent is then a
    picture and nothing else.

    Args:
        data: Encoded bytes.
        limits: What is decoded at all.
        side_px: Longest side of what is sent; a smaller picture stays as small.

    Raises:
        ImageError: It cannot be read.
    """
    small = decode_rgb(data, limits, at_least_px=side_px)
    small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
