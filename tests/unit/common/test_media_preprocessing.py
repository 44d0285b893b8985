"""Preprocessing against the reference implementation and against values written down once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from services.common.media.images import decode_rgb
from services.common.media.preprocessing import CLIP, STARTER, Preprocessing, Resample
from tests.fixtures.odd_pictures import encode
from tests.fixtures.photos import CAT, COFFEE, ROCKET

SIGLIP = Preprocessing("squash", 224, (127.5,) * 3, (127.5,) * 3)
SIGLIP2 = replace(SIGLIP, resample="bilinear")
STYLES = [CLIP, STARTER]
ALL_STYLES = [*STYLES, SIGLIP, SIGLIP2]
NAMES = ["crop", "pad", "squash", "squash, bilinear"]


def normalised(pixels: NDArray[np.uint8], style: Preprocessing) -> NDArray[np.float64]:
    mean, std = (np.array(constants)[:, None, None] for constants in (style.mean, style.std))
    scaled: NDArray[np.float64] = (pixels.astype(np.float64) - mean) / std
    return scaled


def cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(first.ravel() @ second.ravel() / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("size", [(224, 224), (640, 480), (333, 777), (1000, 225), (100, 60), (225, 224)])
def test_clip_is_the_reference(size: tuple[int, int]) -> None:
    picture = decode_rgb(COFFEE).resize(size, Image.Resampling.BICUBIC)
    reference = CLIPImageProcessorPil()(picture, return_tensors="np")["pixel_values"][0]
    ours = normalised(CLIP(picture), CLIP)
    assert cosine(ours, reference) > 0.99999
    assert np.abs(ours - reference).max() < 2 / 255 / 0.26


@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(224, 224), (640, 480), (333, 777), (1000, 225), (100, 60)])
def test_squashing_is_the_reference(size: tuple[int, int], resample: Resample) -> None:
    picture = decode_rgb(COFFEE).resize(size, Image.Resampling.BICUBIC)
    processor = SiglipImageProcessorPil(resample=Image.Resampling[resample.upper()])
    reference = processor(picture, return_tensors="np")["pixel_values"][0]
    style = replace(SIGLIP, resample=resample)
    assert np.abs(normalised(style(picture), style) - reference).max() < 1e-5


# Channel means and three pixels (y, x) of the starter's and CLIP's view of the cat, written down with Pillow 13.
GOLDEN = {
    "crop": (
        [148.26, 108.93, 79.80],
        {(10, 20): (169, 131, 108), (112, 112): (191, 149, 124), (200, 60): (154, 117, 95)},
    ),
    "pad": (
        [183.61, 159.51, 143.11],
        {(10, 20): (255, 255, 255), (112, 112): (182, 140, 113), (140, 60): (170, 131, 113)},
    ),
}


@pytest.mark.parametrize("style", STYLES, ids=["crop", "pad"])
def test_golden_values(style: Preprocessing) -> None:
    pixels = style(decode_rgb(CAT))
    means, points = GOLDEN[style.fit]
    assert pixels.mean((1, 2)) == pytest.approx(means, abs=0.1)
    for (y, x), colour in points.items():
        assert pixels[:, y, x].tolist() == pytest.approx(colour, abs=2)


@pytest.mark.parametrize("style", ALL_STYLES, ids=NAMES)
def test_decoding_at_a_fraction_keeps_the_picture(style: Preprocessing) -> None:
    large = decode_rgb(ROCKET).resize((2400, 1602), Image.Resampling.BICUBIC)
    data = encode(large, "JPEG", quality=90)
    whole, fraction = decode_rgb(data), decode_rgb(data, at_least_px=style.decode_px)
    assert fraction.width < whole.width
    assert cosine(*(normalised(style(image), style) for image in (whole, fraction))) > 0.9999


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("style", ALL_STYLES, ids=NAMES)
def test_strips_and_dots_have_the_right_shape(style: Preprocessing, size: tuple[int, int]) -> None:
    assert style(Image.new("RGB", size)).shape == (3, 224, 224)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_stays_one_colour(width: int, height: int, colour: tuple[int, int, int]) -> None:
    pixels = CLIP(Image.new("RGB", (width, height), colour))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 224, 224)
    assert (pixels == np.array(colour, np.uint8)[:, None, None]).all()


def test_padding_is_white_and_centred() -> None:
    pixels = STARTER(Image.new("RGB", (200, 100)))
    assert (pixels[:, :56] == 255).all()
    assert (pixels[:, 56:168] == 0).all()
    assert (pixels[:, 168:] == 255).all()


def test_every_constant_is_in_the_digest() -> None:
    others = [
        replace(CLIP, fit="pad"),
        replace(CLIP, side_px=336),
        replace(CLIP, mean=(0.0, 0.0, 0.0)),
        replace(CLIP, std=(1.0, 1.0, 1.0)),
        replace(CLIP, fit="squash"),
        replace(CLIP, resample="bilinear"),
        replace(CLIP, scales=(224,)),
        replace(CLIP, side_px=336, scales=(224, 336)),
        replace(CLIP, side_px=336, scales=(336,)),
    ]
    assert len({style.digest for style in (CLIP, *others)}) == 10


def test_collections_stand_under_these_digests() -> None:
    """A change here makes every vector that is stored one of another model."""
    assert (CLIP.digest, STARTER.digest) == ("p1421135", "p1523a0a")
    assert replace(CLIP, side_px=336).digest == "p178d126"
    assert (SIGLIP.digest, SIGLIP2.digest) == ("p1eabc5b", "p19042f5")
