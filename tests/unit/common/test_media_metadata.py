from __future__ import annotations

import io
import struct
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from services.common.errors import ImageError, ImageTruncatedError
from services.common.media.containers.structure import orientation_exif
from services.common.media.images import decode_rgb, read_header, read_orientation
from services.common.media.metadata import strip_metadata
from tests.fixtures.odd_pictures import OddPicture, odd_pictures

SECRET = b"SECRET-PLACE"
LATITUDE = (48.0, 51.0, 29.599)


def pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(decode_rgb(data))


def picture(width: int = 37, height: int = 22, mode: str = "RGB") -> Image.Image:
    grid = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)
    colours = np.stack([grid % 256, (grid * 2) % 256, (grid * 3) % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(colours).convert(mode)


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    block[ExifTags.Base.Artist] = SECRET.decode()
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = LATITUDE
    return block


def encoded(format_name: str, orientation: int = 1, **options: object) -> bytes:
    buffer = io.BytesIO()
    if format_name == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode(), zip=True)
        options["pnginfo"] = text
    else:
        options |= {"xmp": SECRET, "comment": SECRET}
    picture().save(buffer, format_name, exif=exif(orientation), icc_profile=b"a profile" * 9, **options)
    return buffer.getvalue()


def metadata_free(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        block = opened.getexif()
        told = {"xmp", "comment", "Comment", "XML:com.adobe.xmp", "photoshop"} & opened.info.keys()
        return SECRET not in data and not told and set(block) <= {ExifTags.Base.Orientation}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_place_and_words_go_while_turn_pixels_and_profile_stay(format_name: str, orientation: int) -> None:
    data = encoded(format_name, orientation)
    assert not metadata_free(data)

    stripped = strip_metadata(data)

    assert metadata_free(stripped)
    assert read_orientation(stripped) == orientation
    assert read_header(stripped) == read_header(data)
    assert np.array_equal(pixels(stripped), pixels(data))
    with Image.open(io.BytesIO(stripped)) as opened:
        assert opened.info["icc_profile"] == b"a profile" * 9


def test_upright_pictures_carry_no_exif_at_all() -> None:
    assert b"Exif" not in strip_metadata(encoded("JPEG"))


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"restart_marker_rows": 1}, {"quality": 100, "subsampling": 0}]
)
def test_every_kind_of_jpeg_scan_is_copied(options: dict[str, object]) -> None:
    data = encoded("JPEG", 6, **options)
    stripped = strip_metadata(data)
    assert metadata_free(stripped)
    assert np.array_equal(pixels(stripped), pixels(data))


def test_cmyk_jpegs_keep_the_marker_that_says_how_their_colours_are_stored() -> None:
    buffer = io.BytesIO()
    picture(mode="CMYK").save(buffer, "JPEG", exif=exif(1))
    stripped = strip_metadata(buffer.getvalue())
    assert b"Adobe" in stripped
    assert np.array_equal(pixels(stripped), pixels(buffer.getvalue()))


def test_what_follows_the_end_of_a_picture_goes() -> None:
    for format_name in ("JPEG", "PNG", "WEBP"):
        assert SECRET not in strip_metadata(strip_metadata(encoded(format_name)) + b"\xff\xe1" + SECRET)


def test_the_thumbnail_inside_a_jfif_header_goes() -> None:
    data = strip_metadata(encoded("JPEG"))
    assert data[6:11] == b"JFIF\x00"
    thumbnail = b"\x01\x01" + SECRET[:3]
    told = data[:4] + (16 + 3).to_bytes(2, "big") + data[6:18] + thumbnail + data[20:]
    assert SECRET[:3] in told
    assert strip_metadata(told) == data


def test_gif_keeps_its_frames_and_loop_and_loses_its_comment() -> None:
    buffer = io.BytesIO()
    frames = [picture(), picture().rotate(90), picture().rotate(180)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], loop=3, duration=120, comment=SECRET)
    assert SECRET in buffer.getvalue()

    stripped = strip_metadata(buffer.getvalue())

    assert SECRET not in stripped
    with Image.open(io.BytesIO(stripped)) as opened:
        assert (getattr(opened, "n_frames", 0), opened.info["loop"], opened.info["duration"]) == (3, 3, 120)
    assert np.array_equal(pixels(stripped), pixels(buffer.getvalue()))


def test_animated_webp_keeps_its_frames() -> None:
    buffer = io.BytesIO()
    frames = [picture(), picture().rotate(90)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], exif=exif(1), lossless=True)
    stripped = strip_metadata(buffer.getvalue())
    assert metadata_free(stripped)
    assert read_header(stripped).animated


def test_tiff_becomes_a_png_of_the_pixels_that_are_shown() -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "TIFF", exif=exif(6))
    stripped = strip_metadata(buffer.getvalue())
    assert read_header(stripped).format == "PNG"
    assert metadata_free(stripped)
    assert np.array_equal(pixels(stripped), pixels(buffer.getvalue()))


def test_bmp_has_none_and_stays() -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "BMP")
    assert strip_metadata(buffer.getvalue()) == buffer.getvalue()


def test_an_odd_jpeg_is_kept_as_a_png_of_its_pixels() -> None:
    plain = strip_metadata(encoded("JPEG"))
    odd = plain[:20] + b"\x00\x01\x02" + plain[20:]
    stripped = strip_metadata(odd)
    assert read_header(stripped).format == "PNG"
    assert np.array_equal(pixels(stripped), pixels(plain))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_cut_picture_stays_cut(format_name: str) -> None:
    data = encoded(format_name)
    with pytest.raises(ImageTruncatedError):
        decode_rgb(strip_metadata(data[: len(data) * 3 // 4]))


def test_the_orientation_block_is_what_readers_expect() -> None:
    block = Image.Exif()
    block.load(b"Exif\x00\x00" + orientation_exif(8))
    assert dict(block) == {ExifTags.Base.Orientation: 8}
    assert struct.unpack_from("<H", orientation_exif(8), 8) == (1,)


SEEDS = [encoded(name, 6) for name in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 10**6),
)
def test_mutated_files_are_stripped_or_refused_by_a_typed_error(
    seed: bytes, edits: list[tuple[int, int]], cut: int
) -> None:
    mutated = bytearray(seed)
    for position, value in edits:
        mutated[position % len(mutated)] = value
    data = bytes(mutated[: len(mutated) - cut % (len(mutated) // 2)])
    try:
        stripped = strip_metadata(data)
    except ImageError:
        return
    assert read_header(stripped).width == read_header(data).width


@pytest.mark.parametrize("odd", [odd for odd in odd_pictures() if odd.size], ids=attrgetter("name"))
def test_odd_but_good_pictures_keep_their_pixels(odd: OddPicture) -> None:
    assert np.array_equal(pixels(strip_metadata(odd.data)), pixels(odd.data))


@pytest.mark.parametrize("odd", [odd for odd in odd_pictures() if odd.error], ids=attrgetter("name"))
def test_bad_pictures_are_refused_at_once_or_when_they_are_decoded(odd: OddPicture) -> None:
    assert odd.error is not None
    with pytest.raises(odd.error):
        decode_rgb(strip_metadata(odd.data))
