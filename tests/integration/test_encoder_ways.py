"""One picture, one vector: over a unary call, prepared by the caller, and over a stream, of the starter model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from services.common.clients.encoder import EncoderClient, Lane, TextRole
from services.common.clients.encoder_inputs import EncoderInput, PictureInput, PixelsInput, TextInput
from services.common.clients.encoder_preparer import preparer
from services.common.domain import Vector
from services.common.errors import FingerprintMismatchError, ImageFormatError
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.photos import CAT, COFFEE, ROCKET

LEAST_COSINE = 0.9999
PHOTOS = [CAT, COFFEE, ROCKET]
WORDS = ["a cup of coffee", "ein Raumschiff", "一只猫"]


@pytest.fixture
async def client(encoder: EncoderProcess) -> AsyncIterator[EncoderClient]:
    async with EncoderClient(encoder.address, deadline_s=60) as opened:
        yield opened


async def streamed(client: EncoderClient, inputs: dict[str, EncoderInput], fingerprint: str) -> dict[str, object]:
    """The outcomes of a stream, by key."""

    async def source() -> AsyncIterator[tuple[str, EncoderInput]]:
        for key, content in inputs.items():
            yield key, content

    return {
        key: outcome async for key, outcome in client.encode_stream(source(), expected_fingerprint=fingerprint)
    }


async def test_every_way_gives_the_same_vectors(client: EncoderClient) -> None:
    served = await client.describe()
    prepare = preparer(served)
    fingerprint = served.fingerprint
    pixels = [prepare(photo) for photo in PHOTOS]
    pictures = await client.encode_images(PHOTOS, lane=Lane.BULK, expected_fingerprint=fingerprint)
    prepared = await client.encode_prepared(
        [each.pixels for each in pixels],
        preprocessing=prepare.digest,
        lane=Lane.BULK,
        expected_fingerprint=fingerprint,
    )
    texts = await client.encode_texts(
        WORDS, role=TextRole.PASSAGE, lane=Lane.BULK, expected_fingerprint=fingerprint
    )
    inputs: dict[str, EncoderInput] = {}
    for place in range(3):
        inputs[f"picture {place}"] = PictureInput(PHOTOS[place])
        inputs[f"pixels {place}"] = pixels[place]
        inputs[f"text {place}"] = TextInput(WORDS[place])
    outcomes = await streamed(client, inputs, fingerprint)
    for place in range(3):
        assert cosine(prepared[place], pictures[place]) >= LEAST_COSINE
        assert cosine(outcomes[f"picture {place}"], pictures[place]) >= LEAST_COSINE
        assert cosine(outcomes[f"pixels {place}"], pictures[place]) >= LEAST_COSINE
        assert cosine(outcomes[f"text {place}"], texts[place]) >= LEAST_COSINE


def cosine(one: object, other: object) -> float:
    """Of two unit vectors."""
    assert isinstance(one, np.ndarray), one
    assert isinstance(other, np.ndarray), other
    first: Vector = one
    return float(first @ other)


async def test_pixels_of_another_preprocessing_and_bad_pictures_fail_alone(client: EncoderClient) -> None:
    served = await client.describe()
    foreign = PixelsInput(np.zeros((3, 224, 224), np.uint8), "p1abcdef")
    inputs: dict[str, EncoderInput] = {
        "foreign": foreign,
        "bad": PictureInput(b"no picture"),
        "good": PictureInput(PHOTOS[0]),
    }
    outcomes = await streamed(client, inputs, served.fingerprint)
    assert isinstance(outcomes["foreign"], FingerprintMismatchError)
    assert isinstance(outcomes["bad"], ImageFormatError)
    assert isinstance(outcomes["good"], np.ndarray)


async def test_a_stream_of_another_contract_is_refused_by_both_names(client: EncoderClient) -> None:
    served = await client.describe()
    with pytest.raises(FingerprintMismatchError, match="'other@1'") as caught:
        await streamed(client, {"": PictureInput(PHOTOS[0])}, "other@1")
    assert served.fingerprint in caught.value.message
