"""A closer look at two pictures that may be the same."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from services.common.errors import NotFoundError
from services.common.media.images import DEFAULT_LIMITS, decode_rgb, scaled_down, to_webp
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from tests.fixtures.photos import CAT, COFFEE, PAGE, ROCKET
from workers.ingest.duplicates.closer_look import cells_of, colour_difference, shows_the_same, structure
from workers.ingest.duplicates.stored_looks import StoredLooks

PHOTOS = {"cat": CAT, "coffee": COFFEE, "page": PAGE, "rocket": ROCKET}


def small(data: bytes) -> Image.Image:
    """As its thumbnail is kept."""
    webp = to_webp(scaled_down(decode_rgb(data), 256))
    return Image.open(io.BytesIO(webp)).convert("RGB")


def saved(image: Image.Image) -> Image.Image:
    """As a poor JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def cropped(image: Image.Image) -> Image.Image:
    """Without one percent of each edge."""
    dx, dy = image.width // 100, image.height // 100
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def printed(seed: int) -> Image.Image:
    """A page of print; all have the same layout."""
    page, dice = Image.new("RGB", (850, 1100), (250, 250, 250)), random.Random(seed)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(17)
    for line in range(42):
        words = " ".join("".join(dice.choices("abcdefghilmnorstuv", k=dice.randint(2, 9))) for _ in range(14))
        draw.text((80, 80 + 22 * line), words[:78], (20, 20, 20), font)
    return page


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved": saved,
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.7),
    "smaller": lambda image: image.resize((image.width * 2 // 3, image.height * 2 // 3)),
    "cropped": cropped,
    "turned": lambda image: image.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["cat", "coffee", "rocket"])
def test_a_changed_photo_shows_the_same(name: str, change: str) -> None:
    changed = scaled_down(CHANGES[change](decode_rgb(PHOTOS[name])), 256)
    assert shows_the_same(cells_of(small(PHOTOS[name])), cells_of(changed))


def test_different_photos_do_not() -> None:
    cells = [cells_of(small(data)) for data in PHOTOS.values()]
    for place, one in enumerate(cells):
        assert structure(one, one) == pytest.approx(1)
        for other in cells[place + 1 :]:
            assert not shows_the_same(one, other)
            assert structure(one, other) == structure(other, one)


def test_different_pages_of_print_do_not() -> None:
    cells = [cells_of(scaled_down(printed(seed), 256)) for seed in range(5)]
    assert max(structure(cells[0], other) for other in cells[1:]) < 0.92


def test_a_mirrored_photo_does_not() -> None:
    cat = small(CAT)
    assert not shows_the_same(cells_of(cat), cells_of(cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))


def test_the_same_shape_in_another_colour_does_not() -> None:
    flags = []
    for colour in ((200, 30, 30), (30, 30, 200)):
        flag = Image.new("RGB", (256, 160), (230, 230, 230))
        ImageDraw.Draw(flag).rectangle((40, 30, 216, 130), fill=colour)
        flags.append(cells_of(flag))
    assert colour_difference(*flags) > 30
    assert not shows_the_same(*flags)


def test_a_picture_of_one_colour_is_like_no_other() -> None:
    plain = np.full((64, 64, 3), 128, np.uint8)
    assert structure(plain, plain) == 1
    assert structure(plain, cells_of(small(CAT))) == 0


def test_kept_pictures_are_compared_with_and_without_thumbnails(tmp_path: Path) -> None:
    media = MediaStore(LocalObjects(tmp_path))
    buffer = io.BytesIO()
    decode_rgb(CAT).save(buffer, "JPEG", quality=60)
    cat, jpeg, coffee = (media.put("t", data) for data in (CAT, buffer.getvalue(), COFFEE))
    media.put_thumbnail("t", cat, 256, to_webp(scaled_down(decode_rgb(CAT), 256)))
    looks = StoredLooks(media, DEFAULT_LIMITS)
    assert looks.same("t", cat, jpeg)
    assert not looks.same("t", cat, coffee)
    with pytest.raises(NotFoundError):
        media.get("other", cat)
    assert not looks.same("other", cat, jpeg), "what is not there is not the same"
