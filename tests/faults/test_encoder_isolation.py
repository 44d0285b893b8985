"""G7: a bad picture fails alone, and every caller gets its own vectors, whatever they were computed with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import Encoded, Lane, PictureInput
from services.common.errors import ImageError, ImageragError
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise, odd_pictures
from tests.fixtures.tiny_clip import save_tiny_clip

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
BATCH, CALLERS, CALLS = 32, 32, 6
SAME = 0.9999


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderProcess]:
    folder = tmp_path_factory.mktemp("isolation")
    model = save_tiny_clip(folder / "model", patch_size=16, hidden_size=64)
    with EncoderProcess(folder / "encoder", {"IMAGERAG_ENCODER_MODEL": str(model)}) as process:
        yield process


@pytest.fixture
async def client(encoder: EncoderProcess) -> AsyncIterator[EncoderClient]:
    async with EncoderClient(encoder.address, deadline_s=60) as opened:
        yield opened


PICTURES = [encode(noise(60 + number, 48 + number % 7, number), "JPEG") for number in range(BATCH)]
BAD = [odd.data for odd in odd_pictures() if odd.error is not None]


async def alone(client: EncoderClient) -> np.ndarray:
    """The vector of each picture in a call of its own, one after the other: float32 [n, dim]."""
    rows = [await encode_call(client, [picture]) for picture in PICTURES]
    return np.stack([row for (row,) in rows if not isinstance(row, ImageragError)])


async def encode_call(client: EncoderClient, pictures: list[bytes], lane: Lane = Lane.BULK) -> list[Encoded]:
    return await client.encode_images(pictures, lane=lane, expected_fingerprint="")


def is_like(row: Encoded, wanted: np.ndarray) -> bool:
    return not isinstance(row, ImageragError) and float(row @ wanted) >= SAME


async def test_one_bad_picture_in_32(client: EncoderClient) -> None:
    wanted = await alone(client)
    # No two pictures are taken for one another.
    closest = (wanted @ wanted.T - 2 * np.eye(BATCH)).max()
    assert closest < SAME
    lowest = 1.0
    for number, bad in enumerate(BAD):
        place = number * 5 % BATCH
        rows = await encode_call(client, [*PICTURES[:place], bad, *PICTURES[place + 1 :]])
        assert isinstance(rows[place], ImageError)
        for index, row in enumerate(rows):
            if index != place:
                assert not isinstance(row, ImageragError)
                lowest = min(lowest, float(row @ wanted[index]))
    print(f"\n{len(BAD)} bad pictures among 31 good ones: lowest cosine to the picture alone {lowest:.6f}")
    assert lowest >= SAME


async def test_every_caller_gets_its_own(client: EncoderClient) -> None:
    """Callers of both lanes and a stream at once, each with pictures and bad ones in an order of its own."""
    wanted, chance = await alone(client), random.Random(3)
    wrong: list[str] = []

    async def caller(number: int) -> int:
        for _ in range(CALLS):
            order = [chance.randrange(-4, BATCH) for _ in range(chance.randint(1, 12))]
            sent = [BAD[index] if index < 0 else PICTURES[index] for index in order]
            rows = await encode_call(client, sent, chance.choice([Lane.BULK, Lane.INTERACTIVE]))
            wrong.extend(_mistakes(f"caller {number}", order, rows, wanted))
        return CALLS

    async def stream() -> int:
        keys = [chance.randrange(-4, BATCH) for _ in range(400)]

        async def inputs() -> AsyncIterator[tuple[int, PictureInput]]:
            for index in keys:
                yield index, PictureInput(BAD[index] if index < 0 else PICTURES[index])

        answered = [entry async for entry in client.encode_stream(inputs(), expected_fingerprint="")]
        wrong.extend(_mistakes("stream", [key for key, _ in answered], [row for _, row in answered], wanted))
        assert sorted(key for key, _ in answered) == sorted(keys)
        return len(answered)

    calls = await asyncio.gather(*(caller(number) for number in range(CALLERS)), stream())
    print(
        f"\n{sum(calls[:-1])} calls of {CALLERS} callers and {calls[-1]} inputs of a stream: {len(wrong)} mistakes"
    )
    assert wrong == []


def _mistakes(who: str, order: list[int], rows: list[Encoded], wanted: np.ndarray) -> list[str]:
    return [
        f"{who}: {index}"
        for index, row in zip(order, rows, strict=True)
        if not (isinstance(row, ImageError) if index < 0 else is_like(row, wanted[index]))
    ]
