"""Whatever happens to calls beside it, a caller gets the vectors of what it sent, in the order it sent it."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import grpc
import numpy as np
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc

from services.common.clients.encoder import TextRole
from services.common.rpc.channel import open_channel
from tests.fixtures.tiny_encoder import (
    PREPROCESSING,
    TinyBackend,
    broken_pixels,
    image_vector,
    pixels,
    serve_tiny,
    text_vector,
)

CALLS, CALLERS = 3000, 100
_TOO_SHORT_S = 0.005
_LATE = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
DIGEST = PREPROCESSING.digest
_ROLES = {encoder_pb2.TEXT_ROLE_QUERY: TextRole.QUERY, encoder_pb2.TEXT_ROLE_PASSAGE: TextRole.PASSAGE}


async def test_thousands_of_calls_with_cancellations_and_failures_get_their_own_vectors() -> None:
    backend = TinyBackend(batch_s=0.001, item_s=0.0001, fits_items=20, streams=3)
    settings: dict[str, Any] = {"bulk_limit_items": 4096, "interactive_limit_items": 4096, "bulk_batch_ms": 5}
    fates: Counter[str] = Counter()
    async with serve_tiny(backend, **settings) as address, open_channel(address) as channel:
        stub: Any = encoder_pb2_grpc.EncoderStub(channel)
        numbers = iter(range(CALLS))

        async def caller() -> None:
            for number in numbers:
                fates[await one_call(stub, number)] += 1

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    assert sum(fates.values()) == CALLS
    assert fates["right"] > CALLS / 2
    assert fates["gone"] > CALLS / 50
    assert backend.most_at_once == 3


async def one_call(stub: Any, number: int) -> str:
    """One call of a random sort; says what became of it, and fails if a vector is not the input's own."""
    rng = Random(number)
    lane = rng.choice([encoder_pb2.LANE_INTERACTIVE, encoder_pb2.LANE_BULK])
    deadline_s = rng.choice([_TOO_SHORT_S, 30, 30, 30])
    items = rng.randint(1, 8)
    try:
        if rng.random() < 0.4:
            await texts(stub, number, items, lane, deadline_s)
        else:
            await pictures(stub, rng, number, items, lane, deadline_s)
    except grpc.aio.AioRpcError as error:
        # Too short a deadline is found out before or after the inputs have begun to wait.
        if deadline_s == _TOO_SHORT_S and error.code() in _LATE:
            return "gone"
        raise
    return "right"


async def texts(stub: Any, number: int, items: int, lane: Any, deadline_s: float) -> None:
    role = encoder_pb2.TEXT_ROLE_QUERY if number % 2 else encoder_pb2.TEXT_ROLE_PASSAGE
    contents = [f"{number}/{index}" for index in range(items)]
    request = encoder_pb2.EncodeTextsRequest(texts=contents, role=role, lane=lane)
    answer = await stub.EncodeTexts(request, timeout=deadline_s)
    wanted = np.stack([text_vector(content, _ROLES[role]) for content in contents])
    assert (rows(answer) == wanted).all()


async def pictures(stub: Any, rng: Random, number: int, items: int, lane: Any, deadline_s: float) -> None:
    contents = [pixels(number * 10 + index) for index in range(items)]
    broken = {index for index in range(items) if rng.random() < 0.02}
    sent = [broken_pixels() if index in broken else content for index, content in enumerate(contents)]
    images = encoder_pb2.PreparedImages(preprocessing=DIGEST, pixels=sent)
    answer = await stub.EncodeImages(
        encoder_pb2.EncodeImagesRequest(prepared=images, lane=lane), timeout=deadline_s
    )
    assert answer.errors.keys() == broken
    for index, row in enumerate(rows(answer)):
        assert (row == (np.zeros_like(row) if index in broken else image_vector(contents[index]))).all()


def rows(answer: encoder_pb2.EncodeResponse) -> Any:
    return np.frombuffer(answer.vectors.data, "<f4").reshape(tuple(answer.vectors.shape))
