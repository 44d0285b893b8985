"""From the files that real models come with to our preprocessing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.common.media.preprocessing import CLIP
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.families.pictures import SIGLIP, preprocessing_of

CLIP_CONSTANTS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
SQUARE = {"height": 224, "width": 224}
CHINESE = replace(CLIP, fit="squash")
# As the files were on the hub.
OPENAI_CLIP = CLIP_CONSTANTS | {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "resample": 3,
    "size": 224,
}
NEW_CLIP = OPENAI_CLIP | {
    "crop_size": SQUARE,
    "size": {"shortest_edge": 224},
    "rescale_factor": 0.00392156862745098,
}
SIGLIP_1 = HALVES | {"do_rescale": True, "do_resize": True, "resample": 3, "size": SQUARE}
SIGLIP_2 = SIGLIP_1 | {"resample": 2, "do_convert_rgb": None}
CHINESE_CLIP = CLIP_CONSTANTS | {"do_center_crop": False, "do_resize": True, "resample": 3, "size": SQUARE}
OLD_CHINESE_CLIP = CHINESE_CLIP | {"size": 224}


@pytest.mark.parametrize(
    ("processor", "usual", "expected"),
    [
        (OPENAI_CLIP, CLIP, CLIP),
        (NEW_CLIP, CLIP, CLIP),
        ({}, CLIP, CLIP),
        (SIGLIP_1, SIGLIP, SIGLIP),
        (SIGLIP_2, SIGLIP, replace(SIGLIP, resample="bilinear")),
        (CHINESE_CLIP, CHINESE, CHINESE),
        (OLD_CHINESE_CLIP, CHINESE, CHINESE),
        (SIGLIP_1, CLIP, SIGLIP),
        (HALVES, CLIP, replace(CLIP, mean=(127.5,) * 3, std=(127.5,) * 3)),
        ({"do_normalize": False}, CLIP, replace(CLIP, mean=(0.0,) * 3, std=(255.0,) * 3)),
    ],
)
def test_real_files_are_read_as_their_authors_mean_them(processor: Any, usual: Any, expected: Any) -> None:
    assert preprocessing_of(processor, usual) == expected


@pytest.mark.parametrize(
    ("processor", "text"),
    [
        ({"do_resize": False}, "do_resize"),
        ({"do_rescale": False}, "do_rescale"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor"),
        ({"resample": 0}, "resample"),
        ({"size": {"shortest_edge": 256}, "crop_size": 224}, "256"),
        ({"size": {"shortest_edge": 224}, "crop_size": 192}, "192"),
        ({"size": {"shortest_edge": 224}, "do_center_crop": False}, "without a crop"),
        ({"size": {"height": 224, "width": 448}}, "448"),
        ({"size": {"height": 384, "width": 384}}, "384"),
    ],
)
def test_what_is_not_done_here_is_refused(processor: dict[str, Any], text: str) -> None:
    with pytest.raises(UnsupportedModelError, match=text):
        preprocessing_of(processor, CLIP)
