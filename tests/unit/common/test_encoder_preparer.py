"""A picture prepared by a caller is the same to the last bit as one that the encoder prepares."""

from __future__ import annotations

import numpy as np
import pytest
from imagerag.v1 import encoder_pb2

from services.common.clients.encoder_description import description_from_proto
from services.common.clients.encoder_inputs import Lane
from services.common.clients.encoder_preparer import Preparer, preparer
from services.common.domain import Direction
from services.common.errors import ConflictError, ImageError, ImageTooLargeError, UnimplementedError
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import CLIP, STARTER, Preprocessing
from tests.fixtures.odd_pictures import encode, noise

SIGLIP = Preprocessing("squash", 64, (127.5,) * 3, (127.5,) * 3, resample="bilinear")
SCALES = Preprocessing("crop", 96, CLIP.mean, CLIP.std, scales=(64, 96))


def preparer_of(preprocessing: Preprocessing, max_bytes: int = 0, max_pixels: int = 0) -> Preparer:
    """As a caller has it, who knows of the encoder what it tells."""
    told = encoder_pb2.Preprocessing(
        digest=preprocessing.digest,
        fit=preprocessing.fit,
        side_px=preprocessing.side_px,
        resample=preprocessing.resample,
    )
    answer = encoder_pb2.DescribeResponse(
        preprocessing=told, max_image_bytes=max_bytes, max_image_pixels=max_pixels
    )
    return preparer(description_from_proto(answer))


@pytest.mark.parametrize("preprocessing", [CLIP, STARTER, SIGLIP, SCALES])
@pytest.mark.parametrize(("width", "height", "kind"), [(500, 375, "JPEG"), (20, 300, "PNG"), (700, 701, "WEBP")])
def test_pixels_are_those_of_the_encoder(preprocessing: Preprocessing, width: int, height: int, kind: str) -> None:
    data = encode(noise(width, height, 1), kind)
    prepared = preparer_of(preprocessing)(data)
    theirs = preprocessing(decode_rgb(data, at_least_px=preprocessing.decode_px))
    assert np.array_equal(prepared.pixels, theirs)
    assert prepared.preprocessing == preprocessing.digest


@pytest.mark.parametrize(
    ("digest", "fit", "resample"),
    [
        ("p0abcdef", "crop", "bicubic"),
        ("p10abcdef", "crop", "bicubic"),
        ("", "crop", "bicubic"),
        ("p1abcdef", "stretch", "bicubic"),
        ("p1abcdef", "crop", "lanczos"),
    ],
)
def test_another_way_of_preparing_is_refused(digest: str, fit: str, resample: str) -> None:
    told = encoder_pb2.Preprocessing(digest=digest, fit=fit, side_px=224, resample=resample)
    with pytest.raises(ConflictError, match="this process knows 'p1'"):
        preparer(description_from_proto(encoder_pb2.DescribeResponse(preprocessing=told)))


def test_an_encoder_that_takes_none() -> None:
    with pytest.raises(UnimplementedError, match="send the originals"):
        preparer(description_from_proto(encoder_pb2.DescribeResponse()))


def test_pictures_are_refused_as_the_encoder_refuses_them() -> None:
    with pytest.raises(ImageTooLargeError):
        preparer_of(CLIP, max_pixels=100)(encode(noise(11, 10, 1), "PNG"))
    with pytest.raises(ImageTooLargeError):
        preparer_of(CLIP, max_bytes=100)(encode(noise(11, 10, 1), "PNG"))
    with pytest.raises(ImageError):
        preparer_of(CLIP)(b"not a picture")


def test_everything_that_is_told_is_read() -> None:
    description = description_from_proto(
        encoder_pb2.DescribeResponse(
            model="m",
            fingerprint="f",
            dim=3,
            max_batch_items=4,
            max_image_bytes=5,
            max_image_pixels=6,
            device="cuda",
            precision="int8",
            noise_floors={"text_to_image": 0.5, "smell_to_taste": 0.1},
            text_is_sentence_space=True,
            notice="n",
            max_text_tokens=7,
            max_text_chars=8,
            queue_limit_items={"interactive": 9, "bulk": 10, "astral": 11},
            bulk_batch_s=0.06,
            semantic=encoder_pb2.TextSpace(model="s", fingerprint="sf", dim=12, max_text_tokens=13, notice="sn"),
        )
    )
    assert description.noise_floors == {Direction.TEXT_TO_IMAGE: 0.5}
    assert description.queue_limit_items == {Lane.INTERACTIVE: 9, Lane.BULK: 10}
    assert (description.device, description.precision, description.bulk_batch_s) == ("cuda", "int8", 0.06)
    assert (description.max_image_bytes, description.max_image_pixels) == (5, 6)
    assert (description.max_text_tokens, description.max_text_chars) == (7, 8)
    assert description.preprocessing is None
    assert description.semantic is not None
    assert description.semantic.noise_floor is None
    assert (description.semantic.fingerprint, description.semantic.dim) == ("sf", 12)
