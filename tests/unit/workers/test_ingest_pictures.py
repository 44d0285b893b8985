from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.common.clients.encoder_description import EncoderDescription, PreprocessingDescription
from services.common.clients.encoder_inputs import PictureInput, PixelsInput
from services.common.clients.encoder_preparer import Preparer, preparer
from services.common.errors import NotFoundError
from services.common.jobs.records import ManifestLine
from services.common.media.images import DEFAULT_LIMITS
from services.common.media.preprocessing import CLIP, STARTER, Preprocessing
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from tests.fixtures.odd_pictures import encode, gradient, noise
from workers.ingest.pictures import Picture, PictureIntake

TENANT, SIZES = "shop", (256, 512)


def _preparer(preprocessing: Preprocessing) -> Preparer:
    told = PreprocessingDescription(
        preprocessing.digest, preprocessing.fit, preprocessing.side_px, preprocessing.resample
    )
    return preparer(EncoderDescription("m", "f", 3, 64, {}, True, "", preprocessing=told))


class _Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.media = MediaStore(LocalObjects(folder / "data"))
        self._intake = PictureIntake(self.media, [folder], DEFAULT_LIMITS, SIZES)

    def take(self, data: bytes, preparing: Preparer | None = None) -> Picture:
        path = self.folder / "picture"
        path.write_bytes(data)
        found = self._intake.take(TENANT, ManifestLine("p", path=str(path)), preparing)
        assert found is not None
        return found

    def thumbnail(self, picture: Picture, size_px: int) -> Image.Image:
        return Image.open(BytesIO(self.media.get_thumbnail(TENANT, picture.media.sha256, size_px)))


@pytest.fixture
def desk(tmp_path: Path) -> _Desk:
    return _Desk(tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@given(
    width=st.integers(1, 1400), height=st.integers(1, 1400), preprocessing=st.sampled_from([CLIP, STARTER, None])
)
@settings(max_examples=25, deadline=None)
def test_thumbnails_have_their_size_and_the_model_sees_what_the_encoder_would_make(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    width: int,
    height: int,
    preprocessing: Preprocessing | None,
) -> None:
    desk = _Desk(tmp_path_factory.mktemp("desk"))
    data = encode(gradient(width, height), kind)
    preparing = _preparer(preprocessing) if preprocessing else None

    picture = desk.take(data, preparing)

    assert (picture.media.width, picture.media.height) == (width, height)
    for size_px in SIZES:
        assert max(desk.thumbnail(picture, size_px).size) == min(size_px, max(width, height))
    if preparing is None:
        assert picture.content == PictureInput(data)
    else:
        assert isinstance(picture.content, PixelsInput)
        expected = preparing(data)
        assert picture.content.preprocessing == expected.preprocessing
        assert np.array_equal(picture.content.pixels, expected.pixels)


def test_thumbnails_that_are_there_are_not_made_again(desk: _Desk) -> None:
    data = encode(noise(600, 400), "JPEG")
    picture = desk.take(data)
    path = desk.folder / "data" / "media" / TENANT / picture.media.sha256[:2]
    (thumbnail,) = path.glob("*.512.webp")
    os.utime(thumbnail, (1, 1))
    again = desk.take(data)
    assert again.media == picture.media
    assert thumbnail.stat().st_mtime == 1


def test_a_thumbnail_that_a_crash_cut_short_counts_as_missing(desk: _Desk) -> None:
    picture = desk.take(encode(noise(600, 400), "JPEG"))
    whole = desk.media.get_thumbnail(TENANT, picture.media.sha256, 256)
    for torn in (b"", whole[:7], whole[: len(whole) // 2], bytes(len(whole))):
        desk.media.put_thumbnail(TENANT, picture.media.sha256, 256, torn)
        with pytest.raises(NotFoundError):
            desk.media.get_thumbnail(TENANT, picture.media.sha256, 256)


def test_a_line_without_a_picture_has_none(desk: _Desk) -> None:
    intake = PictureIntake(desk.media, [desk.folder], DEFAULT_LIMITS, SIZES)
    assert intake.take(TENANT, ManifestLine("words", text="hello")) is None


def test_what_was_stored_before_is_read_by_its_digest(desk: _Desk) -> None:
    data = encode(noise(40, 30), "PNG")
    digest = desk.media.put(TENANT, data)
    intake = PictureIntake(desk.media, [], DEFAULT_LIMITS, SIZES)
    picture = intake.take(TENANT, ManifestLine("p", sha256=digest))
    assert picture is not None
    assert picture.media.sha256 == digest
