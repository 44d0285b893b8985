"""Takes out of a picture what it says about people and places, and leaves the pixels as they are."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from services.common.errors import ImageError
from services.common.media.containers import gif, jpeg, png, webp
from services.common.media.containers.structure import OddStructureError
from services.common.media.images import (
    DEFAULT_LIMITS,
    ImageHeader,
    ImageLimits,
    decode_rgb,
    read_header,
    read_orientation,
)

_STRIPPERS: dict[str, Callable[[bytes, int], bytes]] = {
    "JPEG": jpeg.strip,
    "PNG": png.strip,
    "WEBP": webp.strip,
    "GIF": gif.strip,
}


def strip_metadata(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """Remove EXIF, XMP, IPTC, GPS, comments, embedded thumbnails and trailing data.

    JPEG, PNG, WebP and GIF are edited without decoding: the same pixels, frames and colour profile. The EXIF
    orientation stays as the one tag of a new EXIF block, so that the picture is shown, and its vector made,
    as before. BMP carries no metadata and stays as it is. TIFF mixes its metadata with what describes the
    pixels: its first page is kept as a PNG of the pixels that are shown, and so is a file whose structure is
    odd.

    Args:
        data: The encoded picture, its content in one of the accepted formats.
        limits: What is accepted.

    Returns:
        The encoded picture without metadata.

    Raises:
        ImageError: As in `read_header`; for a TIFF or an odd file also as in `decode_rgb`.
    """
    header = read_header(data, limits)
    if header.format == "BMP":
        return data
    strip = _STRIPPERS.get(header.format)
    if strip is None:
        return _as_png(data, limits)
    orientation = read_orientation(data, limits)
    try:
        stripped = strip(data, orientation)
    except OddStructureError:
        return _as_png(data, limits)
    return stripped if _shows(stripped, header, orientation, limits) else _as_png(data, limits)


def _shows(stripped: bytes, header: ImageHeader, orientation: int, limits: ImageLimits) -> bool:
    """Whether a reader still sees the same format, size and turn; a crafted file may fool the editing."""
    try:
        return read_header(stripped, limits) == header and read_orientation(stripped, limits) == orientation
    except ImageError:
        return False


def _as_png(data: bytes, limits: ImageLimits) -> bytes:
    buffer = BytesIO()
    decode_rgb(data, limits).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
