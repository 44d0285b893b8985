"""What becomes of a picture on its way through the world, and what no longer is the same picture. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Change = Callable[[Image.Image], Image.Image]
_WHITE = (255, 255, 255)


def saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    """Saved with loss and opened again."""
    buffer = BytesIO()
    image.save(buffer, kind, quality=quality)
    return Image.open(BytesIO(buffer.getvalue())).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """Another size."""
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BICUBIC)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without so much of each edge."""
    dx, dy = round(image.width * share), round(image.height * share)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def marked(image: Image.Image, *, large: bool) -> Image.Image:
    """With a translucent line of words: in a corner, or across all of it."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    height = max(8, round(min(image.size) * (0.14 if large else 0.05)))
    font = ImageFont.load_default(height)
    words = "EXAMPLE AGENCY"
    if large:
        place = (image.width * 0.08, image.height * 0.5 - height / 2)
        draw.text(place, words, (255, 255, 255, 110), font, stroke_width=1, stroke_fill=(0, 0, 0, 110))
        layer = layer.rotate(25, Image.Resampling.BICUBIC)
    else:
        place = (image.width * 0.6, image.height - 1.6 * height)
        draw.text(place, words, (255, 255, 255, 200), font, stroke_width=1, stroke_fill=(0, 0, 0, 200))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turned a little, on white."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_WHITE)


def captioned(image: Image.Image) -> Image.Image:
    """With a bar of words below it."""
    bar = max(10, round(image.height * 0.12))
    taller = Image.new("RGB", (image.width, image.height + bar), _WHITE)
    taller.paste(image)
    font = ImageFont.load_default(round(bar * 0.6))
    ImageDraw.Draw(taller).text((bar * 0.3, image.height + bar * 0.15), "Shared by a friend", (0, 0, 0), font)
    return taller


def warm(image: Image.Image) -> Image.Image:
    """With another white balance."""
    red, green, blue = image.split()
    return Image.merge("RGB", (red.point(lambda v: min(255, v * 1.12)), green, blue.point(lambda v: v * 0.88)))


def grey(image: Image.Image) -> Image.Image:
    """Without colour."""
    return ImageOps.grayscale(image).convert("RGB")


def bordered(image: Image.Image) -> Image.Image:
    """With a white frame of 4 % of its shorter side."""
    return ImageOps.expand(image, round(min(image.size) * 0.04), _WHITE)


def _enhanced(kind: Callable[[Image.Image], Any], factor: float, image: Image.Image) -> Image.Image:
    enhanced: Image.Image = kind(image).enhance(factor)
    return enhanced


SAME: dict[str, Change] = {
    "JPEG, quality 90": partial(saved, kind="JPEG", quality=90),
    "JPEG, quality 50": partial(saved, kind="JPEG", quality=50),
    "JPEG, quality 25": partial(saved, kind="JPEG", quality=25),
    "WebP, quality 60": partial(saved, kind="WEBP", quality=60),
    "half the size": partial(scaled, factor=0.5),
    "a quarter of the size": partial(scaled, factor=0.25),
    "half as large again": partial(scaled, factor=1.5),
    "brighter by 15 %": partial(_enhanced, ImageEnhance.Brightness, 1.15),
    "darker by 15 %": partial(_enhanced, ImageEnhance.Brightness, 0.85),
    "contrast +20 %": partial(_enhanced, ImageEnhance.Contrast, 1.2),
    "half the saturation": partial(_enhanced, ImageEnhance.Color, 0.5),
    "warmer": warm,
    "without colour": grey,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(1.0, min(image.size) / 250))),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 120)),
    "small watermark": partial(marked, large=False),
    "large watermark": partial(marked, large=True),
    "cropped by 1 % an edge": partial(cropped, share=0.01),
    "cropped by 3 % an edge": partial(cropped, share=0.03),
    "turned by 1 degree": partial(turned, degrees=1),
    "white frame": bordered,
}
"""The same picture to a person."""

CHANGED: dict[str, Change] = {
    "cropped by 10 % an edge": partial(cropped, share=0.10),
    "turned by 5 degrees": partial(turned, degrees=5),
    "caption below": captioned,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}
"""Made of another picture, and not the same any more."""
