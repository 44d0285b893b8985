"""Odd pictures get the vector of their plainly converted twins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from services.common.media.images import decode_rgb
from services.encoder.backends.towers import Towers, load_towers
from tests.fixtures.odd_pictures import ORIENTATION, encode
from tests.fixtures.photos import CAT, ROCKET
from tests.fixtures.tiny_models import FAMILIES
from tests.fixtures.towers import image_vectors, pixels_of

PHOTO = decode_rgb(CAT)
Twins = tuple[bytes, Image.Image]


@pytest.fixture(scope="module", params=["clip", "siglip2"])
def towers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Towers:
    return load_towers(str(FAMILIES[request.param](tmp_path_factory.mktemp("models") / request.param)))


def lying(orientation: int) -> Twins:
    """A picture that is stored turned, with the note how to turn it back."""
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(PHOTO.transpose(back[orientation]), "PNG", exif=exif), PHOTO


def palette() -> Twins:
    few = PHOTO.quantize(64)
    return encode(few, "PNG"), few.convert("RGB")


def cmyk() -> Twins:
    inks = PHOTO.convert("CMYK")
    return encode(inks, "TIFF"), inks.convert("RGB")


def sixteen_bit() -> Twins:
    grey = np.asarray(PHOTO.convert("L"), np.uint16)
    return encode(Image.fromarray(grey * 257), "PNG"), Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def alpha() -> Twins:
    mask = Image.linear_gradient("L").resize(PHOTO.size)
    see_through = PHOTO.copy()
    see_through.putalpha(mask)
    return encode(see_through, "PNG"), Image.composite(PHOTO, Image.new("RGB", PHOTO.size, "white"), mask)


def palette_with_alpha() -> Twins:
    few = PHOTO.quantize(64)
    opaque = np.array(few.convert("RGB"))
    opaque[np.asarray(few) == 0] = 255
    return encode(few, "PNG", transparency=0), Image.fromarray(opaque)


def animated(format_name: str) -> Twins:
    first = PHOTO.quantize(64)
    others = [Image.new("RGB", PHOTO.size, colour).quantize(2) for colour in ("red", "blue")]
    if format_name != "GIF":
        first, others = PHOTO, [other.convert("RGB") for other in others]
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = encode(first, format_name, save_all=True, append_images=others, duration=50, **options)
    return data, first.convert("RGB")


def grey() -> Twins:
    return encode(PHOTO.convert("L"), "PNG"), PHOTO.convert("L").convert("RGB")


def with_profile() -> Twins:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encode(PHOTO, "PNG", icc_profile=profile), PHOTO


def large_jpeg() -> Twins:
    """Decoded at a fraction of its size."""
    data = encode(decode_rgb(ROCKET).resize((2560, 1708), Image.Resampling.BICUBIC), "JPEG", quality=92)
    return data, decode_rgb(data)


TWINS: dict[str, Callable[[], Twins]] = {
    "upside down": lambda: lying(3),
    "on its side": lambda: lying(6),
    "on its other side": lambda: lying(8),
    "palette": palette,
    "palette with alpha": palette_with_alpha,
    "CMYK": cmyk,
    "16 bit": sixteen_bit,
    "grey": grey,
    "alpha": alpha,
    "animated GIF": lambda: animated("GIF"),
    "animated WebP": lambda: animated("WEBP"),
    "animated PNG": lambda: animated("PNG"),
    "pages of a TIFF": lambda: animated("TIFF"),
    "colour profile": with_profile,
    "large JPEG": large_jpeg,
}


@pytest.mark.parametrize("name", TWINS)
def test_an_odd_picture_and_its_plain_twin_are_one(towers: Towers, name: str) -> None:
    data, twin = TWINS[name]()
    odd = image_vectors(towers, pixels_of(towers, [data]))[0]
    plain = image_vectors(towers, [towers.preprocessing(twin)])[0]
    assert odd @ plain > 0.9999


def test_what_is_not_handled_would_be_noticed(towers: Towers) -> None:
    wrong = [
        PHOTO.transpose(Image.Transpose.ROTATE_90),
        Image.new("RGB", PHOTO.size, "red"),
        Image.composite(PHOTO, Image.new("RGB", PHOTO.size), Image.linear_gradient("L").resize(PHOTO.size)),
    ]
    photo, *others = image_vectors(towers, [towers.preprocessing(picture) for picture in (PHOTO, *wrong)])
    assert max(photo @ other for other in others) < 0.9995


@pytest.mark.parametrize("size", [2, 3, 7, 16])
def test_a_picture_is_the_same_in_every_place(towers: Towers, size: int) -> None:
    pixel_rows = pixels_of(towers, [CAT, ROCKET, encode(PHOTO.convert("L"), "PNG")])
    alone = image_vectors(towers, pixel_rows[:1])[0]
    for place in range(size):
        crowd = (pixel_rows[1:] * size)[:size]
        crowd[place] = pixel_rows[0]
        assert image_vectors(towers, crowd)[place] @ alone > 0.9999
