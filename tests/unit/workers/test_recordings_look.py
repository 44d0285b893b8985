"""What two frames have in common, on pictures whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from workers.opening.recordings.look import LOOK_PX, Look, distance, is_blend, look_at
from workers.opening.recordings.tones import Transfer, to_standard_range

Pixels = NDArray[np.uint8]


def patches(seed: int) -> Pixels:
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((LOOK_PX, LOOK_PX), Image.Resampling.BICUBIC))


def flat(red: int, green: int, blue: int) -> Pixels:
    return np.full((LOOK_PX, LOOK_PX, 3), (red, green, blue), np.uint8)


def bits_apart(one: Look, other: Look) -> int:
    return (one.perceptual_hash ^ other.perceptual_hash).bit_count()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_distance_is_the_same_both_ways_and_nothing_is_like_itself(one: int, other: int) -> None:
    left, right = look_at(patches(one)), look_at(patches(other))
    assert distance(left, left) == pytest.approx(0, abs=1e-6)
    assert distance(left, right) == pytest.approx(distance(right, left), abs=1e-6)
    assert 0 <= distance(left, right) <= 1 + 1e-6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_another_scene_is_far_and_noise_brightness_and_small_motion_are_near(seed: int) -> None:
    pixels = patches(seed)
    look = look_at(pixels)
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    noisy = look_at(np.clip(pixels + noise, 0, 255).astype(np.uint8))
    darker = look_at((pixels * 0.8).astype(np.uint8))
    moved = look_at(np.roll(pixels, 3, axis=1))
    other = look_at(patches(seed + 1))
    assert max(distance(look, noisy), distance(look, moved)) < 0.1
    assert distance(look, darker) < 0.25
    assert distance(look, other) > 0.4
    assert bits_apart(look, noisy) <= 4
    assert bits_apart(look, darker) <= 4
    assert bits_apart(look, other) > 10


@pytest.mark.parametrize(
    ("pixels", "blank"),
    [
        (flat(0, 0, 0), "black"),
        (flat(18, 18, 18), "black"),
        (flat(200, 30, 30), "uniform"),
        (flat(255, 255, 255), "uniform"),
        (patches(1), ""),
    ],
)
def test_frames_with_nothing_on_them_are_told(pixels: Pixels, blank: str) -> None:
    assert look_at(pixels).blank == blank


def test_a_dark_frame_with_grain_is_black_and_small_writing_on_black_is_not() -> None:
    grain = np.random.default_rng(1).integers(0, 22, (LOOK_PX, LOOK_PX, 3), dtype=np.uint8)
    assert look_at(grain).blank == "black"
    written = flat(0, 0, 0).copy()
    written[120:132, 100:150] = 230
    assert look_at(written).blank == ""


def test_what_is_blurred_is_less_sharp() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (LOOK_PX, LOOK_PX, 3), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(pixels).resize((64, 64)).resize((LOOK_PX, LOOK_PX)))
    assert look_at(blurred).sharpness < look_at(pixels).sharpness / 4


@given(st.integers(0, 10_000), st.floats(0.2, 0.8))
def test_a_dissolve_is_between_its_ends_and_a_third_scene_is_not(seed: int, share: float) -> None:
    before, after = look_at(patches(seed)).grid, look_at(patches(seed + 1)).grid
    assert is_blend((1 - share) * before + share * after, before, after)
    assert not is_blend(look_at(patches(seed + 2)).grid, before, after)
    assert not is_blend(before, before, after)
    assert not is_blend(before, before, before)


@pytest.mark.parametrize("transfer", list(Transfer))
def test_high_dynamic_range_keeps_black_order_and_greys_and_burns_nothing_out(transfer: Transfer) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    shown = to_standard_range(np.repeat(ramp[None, :, None], 3, axis=2), transfer)[0]
    assert shown[0].tolist() == [0, 0, 0]
    assert np.ptp(shown.astype(int), axis=1).max() <= 1
    levels = shown[:, 1].astype(int)
    assert (np.diff(levels) >= 0).all()
    # Diffuse white is 0.58 of PQ's signal and 0.75 of HLG's (ITU-R BT.2408).
    white = levels[148] if transfer is Transfer.PQ else levels[191]
    assert 150 < white < 235
