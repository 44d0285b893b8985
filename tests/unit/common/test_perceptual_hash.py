"""The perceptual hash of pictures."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from services.common.media.hash_bands import distance_bits
from services.common.media.images import decode_rgb
from services.common.media.perceptual import is_plain, perceptual_hash
from tests.fixtures.photos import CAT, COFFEE, PAGE, ROCKET

PHOTOS = {"cat": CAT, "coffee": COFFEE, "page": PAGE, "rocket": ROCKET}


def saved(image: Image.Image, quality: int) -> Image.Image:
    """The same picture as a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def frame(level: int, noise: int, seed: int) -> Image.Image:
    """A frame of one brightness, as a camera records it."""
    values = np.random.default_rng(seed).integers(level, level + noise + 1, (180, 320, 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize("name", PHOTOS)
def test_it_is_the_hash_that_imagehash_makes(name: str) -> None:
    image = decode_rgb(PHOTOS[name])
    assert distance_bits(perceptual_hash(image), str(imagehash.phash(image))) == 0


@pytest.mark.parametrize("name", PHOTOS)
def test_saving_and_scaling_hardly_change_it(name: str) -> None:
    image = decode_rgb(PHOTOS[name])
    smaller = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    for changed in (saved(image, 50), smaller):
        assert distance_bits(perceptual_hash(image), perceptual_hash(changed)) <= 4


def test_different_photos_differ_in_many_bits() -> None:
    hashes = [perceptual_hash(decode_rgb(data)) for data in PHOTOS.values()]
    pairs = [(one, other) for place, one in enumerate(hashes) for other in hashes[place + 1 :]]
    assert min(distance_bits(one, other) for one, other in pairs) >= 18


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), (255, 255, 255)),
        Image.new("RGB", (64, 48), (200, 30, 30)),
        frame(0, 14, seed=1),
        frame(120, 6, seed=2),
        Image.new("RGB", (4000, 10), (3, 3, 3)),
    ],
)
def test_what_is_black_or_of_one_colour_has_none(image: Image.Image) -> None:
    assert is_plain(image)
    assert perceptual_hash(image) == ""


def test_a_page_with_nothing_but_its_number_has_none() -> None:
    page = Image.new("RGB", (850, 1100), (250, 249, 246))
    ImageDraw.Draw(page).text((410, 1040), "17", (40, 40, 40), ImageFont.load_default(20))
    assert perceptual_hash(page) == ""


def test_a_drawing_on_white_has_one() -> None:
    drawing = Image.new("RGB", (300, 300), (255, 255, 255))
    ImageDraw.Draw(drawing).ellipse((110, 110, 190, 190), fill=(200, 40, 40))
    assert len(perceptual_hash(drawing)) == 16
