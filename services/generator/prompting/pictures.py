"""Pictures as they are sent to a model: small JPEGs in `data:` URLs, whatever came in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import structlog
from PIL import Image

from services.common.answer import Source
from services.common.errors import ImageError
from services.common.media.images import ImageLimits, decode_rgb

log = structlog.get_logger(__name__)
JPEG_QUALITY = 85
_LIMITS = ImageLimits(max_bytes=8 * 1024 * 1024, max_pixels=16_000_000)


def picture_urls(sources: Sequence[Source], *, limit: int, side_px: int) -> dict[int, str]:
    """`data:` URLs of the first `limit` pictures by source number. Decodes: call it in a thread.

    They are encoded anew, as JPEG, because llama.cpp's server reads no WebP, and because what is sent is then a
    picture and nothing else. One that cannot be read is left out.

    Args:
        sources: Best first.
        limit: Most pictures.
        side_px: Longest side of each.
    """
    urls: dict[int, str] = {}
    for source in sources:
        if len(urls) >= limit:
            break
        if source.image is None:
            continue
        try:
            urls[source.number] = _data_url(source.image, side_px)
        except ImageError as error:
            log.warning("picture_left_out", source=source.number, code=error.code)
    return urls


def question_picture_url(data: bytes | None, side_px: int) -> str | None:
    """`data:` URL of the picture that was asked with; None if there is none, or none that can be read."""
    if data is None:
        return None
    try:
        return _data_url(data, side_px)
    except ImageError as error:
        log.warning("question_picture_left_out", code=error.code)
        return None


def _data_url(data: bytes, side_px: int) -> str:
    small = decode_rgb(data, _LIMITS, at_least_px=side_px)
    small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
