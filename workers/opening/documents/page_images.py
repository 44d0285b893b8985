"""Pixels to the bytes of a picture: PNG where it is exact and small, else JPEG."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops

JPEG_QUALITY = 88
MOST_PNG_COLOURS = 1024
"""Print and line art stay below, with the in-between shades of their edges; a photograph never does."""


def encode_picture(image: Image.Image) -> bytes:
    """Encode a picture in the format that suits it.

    Args:
        image: Of any mode that converts to RGB; what is transparent becomes white.

    Returns:
        A PNG (grey where there is no colour) or a JPEG.
    """
    rgb = _on_white(image)
    few_colours = rgb.getcolors(MOST_PNG_COLOURS) is not None
    buffer = BytesIO()
    if few_colours:
        (rgb.getchannel(0) if _is_grey(rgb) else rgb).save(buffer, "PNG", compress_level=4)
    else:
        rgb.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _is_grey(rgb: Image.Image) -> bool:
    red, green, blue = rgb.split()
    return ImageChops.difference(red, green).getbbox() is None and (
        ImageChops.difference(red, blue).getbbox() is None
    )
