"""The pictures of sources and questions, as they are sent along."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.common.answer import Source
from services.common.chat.pictures import picture_url
from services.common.errors import ImageError
from services.common.media.images import ImageLimits

log = structlog.get_logger(__name__)
_LIMITS = ImageLimits(max_bytes=8 * 1024 * 1024, max_pixels=16_000_000)


def picture_urls(sources: Sequence[Source], *, limit: int, side_px: int) -> dict[int, str]:
    """`data:` URLs of the first `limit` pictures by source number. Decodes: call it in a thread.

    One that cannot be read is left out.

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
            urls[source.number] = picture_url(source.image, _LIMITS, side_px)
        except ImageError as error:
            log.warning("picture_left_out", source=source.number, code=error.code)
    return urls


def question_picture_url(data: bytes | None, side_px: int) -> str | None:
    """`data:` URL of the picture that was asked with; None if there is none, or none that can be read."""
    if data is None:
        return None
    try:
        return picture_url(data, _LIMITS, side_px)
    except ImageError as error:
        log.warning("question_picture_left_out", code=error.code)
        return None
