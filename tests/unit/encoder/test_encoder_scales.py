"""Several resolutions in one vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from services.common.domain import Vector
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import Preprocessing, to_square
from services.common.settings import SettingsError
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.families.features import at_scales
from services.encoder.backends.towers import Towers, load_towers
from services.encoder.settings import EncoderSettings
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_models import FAMILIES
from tests.fixtures.towers import image_vectors, pixels_of

PICTURES = [CAT, COFFEE, ROCKET]


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp("models") / request.param)


def scaled(folder: Path, *scales: int) -> Towers:
    return load_towers(str(folder), scales=scales)


def by_hand(towers: Towers, side_px: int, data: bytes) -> Vector:
    """The unit vector at one resolution, from the square of the largest that Pillow scales down."""
    own = towers.preprocessing
    square = Image.fromarray(to_square(decode_rgb(data), own.fit, own.side_px, own.resample).transpose(1, 2, 0))
    pixels = to_square(square, "squash", side_px).astype(np.float32)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (own.mean, own.std))
    model: Any = towers.module
    with torch.inference_mode():
        output = model.get_image_features(
            pixel_values=torch.from_numpy((pixels - mean) / std)[None], interpolate_pos_encoding=True
        )
    row: Vector = output.pooler_output[0].numpy()
    return row / np.linalg.norm(row)


def test_the_vector_is_the_mean_over_the_scales(folder: Path) -> None:
    towers = scaled(folder, 224, 320)
    assert towers.preprocessing.side_px == 320
    for data, row in zip(PICTURES, image_vectors(towers, pixels_of(towers, PICTURES)), strict=True):
        mean = by_hand(towers, 224, data) + by_hand(towers, 320, data)
        assert row @ mean / np.linalg.norm(mean) > 0.9999


def test_the_models_own_side_alone_changes_nothing_but_the_name(folder: Path) -> None:
    plain, alone = load_towers(str(folder)), scaled(folder, 224)
    ours, theirs = (image_vectors(towers, pixels_of(towers, PICTURES)) for towers in (alone, plain))
    assert (ours * theirs).sum(1) == pytest.approx(1, abs=1e-5)
    assert alone.preprocessing.digest != plain.preprocessing.digest


def test_every_scale_has_its_say(folder: Path) -> None:
    rows = [
        image_vectors(towers, pixels_of(towers, PICTURES))
        for towers in (scaled(folder, 224), scaled(folder, 320), scaled(folder, 224, 320))
    ]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (rows[first] * rows[second]).sum(1).max() < 0.9999


def test_fine_stripes_do_not_alias_on_the_way_down(folder: Path) -> None:
    """One pixel on, one off at 448 is grey at 224; without anti-aliasing it would be black or white."""
    columns = np.arange(448) % 2 * 255
    stripes = Image.fromarray(np.broadcast_to(columns[None, :, None], (448, 448, 3)).astype(np.uint8))
    grey = Image.new("RGB", (448, 448), (128, 128, 128))
    towers = scaled(folder, 224, 448)
    seen: list[torch.Tensor] = []

    class Watching(torch.nn.Module):
        def get_image_features(self, pixel_values: torch.Tensor, **_: Any) -> torch.Tensor:
            seen.append(pixel_values)
            return pixel_values.flatten(1)[:, :8]

    pixels = np.stack([towers.preprocessing(picture) for picture in (stripes, grey)])
    towers.image_features(Watching(), torch.from_numpy(pixels).float())
    assert seen[0].shape[-1] == 224
    inner = seen[0][:, :, 4:-4, 4:-4]
    assert (inner[0] - inner[1]).abs().max() < 8


def test_bfloat16_agrees(folder: Path) -> None:
    towers = scaled(folder, 224, 320)
    pixels = torch.from_numpy(np.stack(pixels_of(towers, PICTURES))).float() / 128 - 1
    with torch.inference_mode():
        whole = towers.image_features(towers.module, pixels)
        half = towers.image_features(towers.module.to(torch.bfloat16), pixels.to(torch.bfloat16))
    assert torch.cosine_similarity(whole, half.float()).min() > 0.999


def test_a_side_that_is_no_whole_number_of_patches_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"IMAGERAG_ENCODER_SCALES has 330.*32 px"):
        scaled(folder, 224, 330)


def test_the_models_own_side_may_leave_a_rim() -> None:
    own = Preprocessing("squash", 384, (127.5,) * 3, (127.5,) * 3)
    assert at_scales(own, (384, 560), 14).scales == (384, 560)
    with pytest.raises(UnsupportedModelError, match="385"):
        at_scales(own, (384, 385), 14)
    assert at_scales(own, (), 14) == own


def test_the_setting_is_read() -> None:
    assert EncoderSettings(scales="336,224").scales_px() == (336, 224)
    assert EncoderSettings().scales_px() == ()
    for wrong in ("224;336", "0", "224,", "224, 336", "-224"):
        with pytest.raises(ValidationError):
            EncoderSettings(scales=wrong)
