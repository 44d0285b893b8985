"""Pictures from strangers: what is read, what is refused, and with which words."""

from __future__ import annotations

import contextlib
import resource
import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from services.common.errors import ImageError, ImageTooLargeError
from services.common.media.images import (
    PILLOW_ALARM_PIXELS,
    ImageLimits,
    decode_rgb,
    read_header,
    thumbnail_webp,
)
from tests.fixtures.odd_pictures import (
    GREEN,
    WHITE,
    OddPicture,
    animation,
    encode,
    gradient,
    noise,
    odd_pictures,
    palette_with_alpha,
    png_bomb,
    rotated_jpeg,
    sixteen_bit_png,
)

PICTURES = odd_pictures()
READABLE = [picture for picture in PICTURES if picture.size]
REFUSED = [picture for picture in PICTURES if picture.error]
NAMES_OF_READABLE = [picture.name for picture in READABLE]


@pytest.mark.parametrize("picture", READABLE, ids=NAMES_OF_READABLE)
def test_odd_but_good_pictures_decode_to_rgb(picture: OddPicture) -> None:
    header, image = read_header(picture.data), decode_rgb(picture.data)
    assert (image.mode, image.size) == ("RGB", picture.size)
    assert (header.width, header.height) == picture.size
    assert image.info == {}


@pytest.mark.parametrize("picture", REFUSED, ids=[picture.name for picture in REFUSED])
def test_bad_pictures_raise_the_typed_error(picture: OddPicture) -> None:
    assert picture.error is not None
    with warnings.catch_warnings(record=True, action="always") as caught, pytest.raises(ImageError) as raised:
        decode_rgb(picture.data)
    assert issubclass(raised.type, picture.error)
    assert raised.value.message.endswith(".")
    assert caught == []


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png_bomb(13_000, 13_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageTooLargeError, match="13000 x 13000"):
        decode_rgb(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation: int) -> None:
    data = rotated_jpeg(orientation)
    upright = decode_rgb(data)
    turned = Image.open(BytesIO(data))
    turned.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(turned)
    assert np.array_equal(np.asarray(upright), np.asarray(expected))
    header = read_header(data)
    assert (header.width, header.height) == upright.size


def test_a_turned_tiff_is_turned_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(gradient(), "TIFF", exif=exif)
    header, image = read_header(data), decode_rgb(data)
    assert (header.width, header.height) == image.size == (48, 64)
    expected = gradient().transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    pixels = np.asarray(decode_rgb(sixteen_bit_png()))[..., 0].ravel()
    expected = np.linspace(0, 255, pixels.size)
    assert np.abs(pixels - expected).max() <= 1.5


@pytest.mark.parametrize("depth", ["F", "I"])
def test_deep_greyscale_keeps_its_values(depth: str) -> None:
    grey = gradient().convert("L")
    pixels = np.asarray(decode_rgb(encode(grey.convert(depth), "TIFF")))[..., 0]
    assert np.abs(pixels.astype(int) - np.asarray(grey).astype(int)).max() <= 1


def test_a_float_picture_of_nans_is_refused() -> None:
    holes = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ImageError):
        decode_rgb(encode(holes, "TIFF"))


def test_transparency_becomes_white() -> None:
    image = decode_rgb(palette_with_alpha())
    assert image.getpixel((5, 5)) == WHITE
    assert image.getpixel((60, 5)) == GREEN


def test_half_transparent_black_becomes_grey() -> None:
    image = decode_rgb(encode(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG"))
    assert image.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_used(format_name: str) -> None:
    data = animation(format_name)
    assert read_header(data).animated
    red, green, blue = np.asarray(decode_rgb(data)).reshape(-1, 3).mean(0)
    assert (red > 245, green < 10, blue < 10) == (True, True, True)


def test_the_header_names_format_and_mime() -> None:
    header = read_header(encode(gradient(), "WEBP"))
    assert (header.format, header.mime, header.animated) == ("WEBP", "image/webp", False)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_large_picture_comes_back_smaller_but_not_too_small(format_name: str) -> None:
    image = decode_rgb(encode(noise(1200, 900), format_name), at_least_px=200)
    assert 200 <= min(image.size) < 400
    assert image.width / image.height == pytest.approx(4 / 3, rel=0.02)


def test_a_small_picture_is_not_enlarged() -> None:
    assert decode_rgb(encode(gradient(), "JPEG"), at_least_px=448).size == (64, 48)


def test_a_large_picture_takes_bounded_memory() -> None:
    data = png_bomb(7_000, 7_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert min(decode_rgb(data, at_least_px=448).size) >= 448
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


def test_limits_hold() -> None:
    data = encode(gradient(), "PNG")
    with pytest.raises(ImageTooLargeError, match="bytes"):
        read_header(data, ImageLimits(max_bytes=len(data) - 1))
    with pytest.raises(ImageTooLargeError, match="64 x 48"):
        read_header(data, ImageLimits(max_pixels=64 * 48 - 1))
    with pytest.raises(ImageTooLargeError, match="64 x 48"):
        read_header(data, ImageLimits(max_side_px=63))
    with pytest.raises(ImageError, match="PNG"):
        read_header(data, ImageLimits(formats=frozenset({"JPEG"})))
    assert read_header(data, ImageLimits(max_bytes=len(data), max_pixels=64 * 48, max_side_px=64))


def test_limits_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        ImageLimits(max_pixels=PILLOW_ALARM_PIXELS + 1)
    with pytest.raises(ValueError, match="EPS"):
        ImageLimits(formats=frozenset({"EPS"}))


def test_the_refusal_says_what_it_looks_like() -> None:
    with pytest.raises(ImageError, match=r"SVG.*Convert it to one of.*JPEG"):
        read_header(b"<svg/>")
    with pytest.raises(ImageError, match="HEIC"):
        read_header(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")


def test_a_thumbnail_is_small_and_carries_no_metadata() -> None:
    turned = Image.open(BytesIO(rotated_jpeg(6)))
    thumbnail = thumbnail_webp(turned.convert("RGB"), 32)
    reread = Image.open(BytesIO(thumbnail))
    assert (reread.format, max(reread.size)) == ("WEBP", 32)
    assert dict(reread.getexif()) == {}
    assert b"EXIF" not in thumbnail
    assert thumbnail_webp(gradient(), 512)[:4] == b"RIFF"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_pictures_raise_nothing_but_typed_errors(data: st.DataObject) -> None:
    picture = bytearray(data.draw(st.sampled_from(READABLE)).data)
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, min(len(picture), 4096) - 1))
        picture[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        decode_rgb(bytes(picture), ImageLimits(max_pixels=1_000_000), at_least_px=32)
