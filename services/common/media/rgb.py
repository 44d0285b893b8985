"""Any Pillow mode to 8-bit RGB: alpha on white, deep greyscale scaled and not clipped."""

from __future__ import annotations

import math

from PIL import Image, ImageChops

_WHITE = (255, 255, 255, 255)


def to_rgb(image: Image.Image, at_least_px: int | None = None) -> Image.Image:
    """Convert to RGB.

    Args:
        image: A loaded picture of any mode. It may be changed.
        at_least_px: If given, the picture is box-averaged by a whole factor on the way, as long as its
            shorter side keeps this many pixels. It bounds memory: a full-size copy is made only for alpha.

    Returns:
        A new RGB image.

    Raises:
        ValueError: The pixel values are not numbers.
    """
    factor = 1 if at_least_px is None else max(1, min(image.size) // at_least_px)
    opaque = _on_white(image) if _has_alpha(image) else _eight_bit(image)
    if factor > 1:
        opaque = opaque.reduce(factor)
    return opaque.convert("RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else _eight_bit(image).convert("RGBA")
    rgba.paste(_WHITE, mask=ImageChops.invert(rgba.getchannel("A")))
    return rgba.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale deep greyscale to L; give palettes and bitmaps a mode that can be averaged."""
    if image.mode in ("P", "RGBa", "La", "PA"):
        return image.convert("RGBA" if _has_alpha(image) else "RGB")
    if image.mode == "1":
        return image.convert("L")
    if not image.mode.startswith(("I", "F")):
        return image
    sixteen_bit = image.mode.startswith("I;16")
    wide = image.convert("I") if sixteen_bit else image
    low, top = (0.0, 65535.0) if sixteen_bit else _value_range(wide)
    scale = 255.0 / (top - low)
    return wide.point(lambda value: value * scale - low * scale).convert("L")


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Black and white of greyscale without a fixed depth: the smallest usual range that holds it."""
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("pixel values are not finite")
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    top = next((candidate for candidate in usual if high <= candidate), None)
    if low >= 0 and top is not None:
        return 0.0, top
    return low, max(high, low + 1.0)
