"""The encoder over its real interface: a process of its own, or a server in this one to watch its queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc
from prometheus_client import REGISTRY

from services.common.clients.encoder import EncoderClient, Lane, TextRole
from services.common.domain import Direction
from services.common.errors import (
    ExhaustedError,
    FingerprintMismatchError,
    ImageEmptyError,
    ImageFormatError,
    ImageragError,
    ImageTooLargeError,
    ImageTruncatedError,
    InvalidRequestError,
    PayloadTooLargeError,
)
from services.common.rpc.channel import open_channel, unary
from services.common.settings import SettingsError
from services.encoder.app import compose
from services.encoder.settings import EncoderSettings
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import odd_pictures, png_bomb
from tests.fixtures.photos import CAT, COFFEE, ROCKET

DEADLINE_S = 60.0


@pytest.fixture
async def client(encoder: EncoderProcess) -> AsyncIterator[EncoderClient]:
    async with EncoderClient(encoder.address, deadline_s=DEADLINE_S) as opened:
        yield opened


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[EncoderClient]:
    """A server in this process, on a free port."""
    chosen = EncoderSettings(port=0, threads=1, decode_threads=1, **settings)
    async with compose(chosen) as server:
        address = await server.start()
        try:
            async with EncoderClient(address, deadline_s=DEADLINE_S) as opened:
                yield opened
        finally:
            await server.stop(0)


async def images(client: EncoderClient, pictures: list[bytes], **options: Any) -> list[Any]:
    chosen: dict[str, Any] = {"lane": Lane.BULK, "expected_fingerprint": ""} | options
    return list(await client.encode_images(pictures, **chosen))


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_it_is_healthy_and_says_what_it_serves(encoder: EncoderProcess, client: EncoderClient) -> None:
    served = await client.describe()
    assert served.model == "starter"
    assert served.text_is_sentence_space
    assert "no CLIP" in served.notice
    assert served.noise_floors.keys() == set(Direction) - {Direction.TEXT_TO_WORDS}
    async with open_channel(encoder.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "imagerag.v1.Encoder"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_words_and_pictures_share_a_space(client: EncoderClient) -> None:
    served = await client.describe()
    pictures = np.stack(await images(client, [CAT, COFFEE, ROCKET]))
    asked: list[Any] = await client.encode_texts(
        ["猫", "a cup of coffee", "rocket"],
        role=TextRole.QUERY,
        lane=Lane.INTERACTIVE,
        expected_fingerprint=served.fingerprint,
    )
    texts = np.stack(asked)
    assert pictures.shape == texts.shape == (3, served.dim)
    assert (texts @ pictures.T).argmax(1).tolist() == [0, 1, 2]
    assert np.diag(texts @ pictures.T).min() > served.noise_floors[Direction.TEXT_TO_IMAGE]


async def test_one_bad_picture_fails_alone(client: EncoderClient) -> None:
    pictures = [CAT] * 32
    pictures[7] = CAT[: len(CAT) // 2]
    results = await images(client, pictures)
    assert isinstance(results[7], ImageTruncatedError)
    vectors = np.stack(results[:7] + results[8:])
    assert (vectors @ vectors[0] > 0.9999).all()


async def test_each_odd_picture_gets_its_own_fate(client: EncoderClient) -> None:
    odd = odd_pictures()
    results = await images(client, [picture.data for picture in odd])
    for picture, result in zip(odd, results, strict=True):
        if picture.error is None:
            assert isinstance(result, np.ndarray), picture.name
        else:
            assert isinstance(result, picture.error), picture.name
    assert isinstance((await images(client, [CAT]))[0], np.ndarray)


async def test_bad_inputs_are_named(client: EncoderClient) -> None:
    results = await images(client, [b"", b"<svg/>", png_bomb(13_000, 13_000)])
    assert [type(result) for result in results] == [ImageEmptyError, ImageFormatError, ImageTooLargeError]
    texts = await client.encode_texts(
        ["", " \n", "a cat", "x" * 20_000], role=TextRole.PASSAGE, lane=Lane.BULK, expected_fingerprint=""
    )
    assert [isinstance(text, InvalidRequestError) for text in texts] == [True, True, False, True]


async def test_an_empty_call_has_an_empty_answer(client: EncoderClient) -> None:
    assert await images(client, []) == []


async def test_another_contract_is_refused(client: EncoderClient) -> None:
    served = await client.describe()
    with pytest.raises(FingerprintMismatchError, match=served.fingerprint):
        await images(client, [CAT], expected_fingerprint="clip-vit-b-32-0000-p1-float")


async def test_too_many_inputs_are_refused(client: EncoderClient) -> None:
    served = await client.describe()
    with pytest.raises(PayloadTooLargeError, match="Split"):
        await images(client, [b"x"] * (served.max_batch_items + 1))


async def test_a_vector_is_the_same_alone_in_a_batch_and_for_any_caller(client: EncoderClient) -> None:
    alone = (await images(client, [CAT], lane=Lane.INTERACTIVE))[0]
    callers = await asyncio.gather(*[images(client, [COFFEE, CAT, ROCKET]) for _ in range(6)])
    assert isinstance(alone, np.ndarray)
    assert all(alone @ answers[1] > 0.9999 for answers in callers)


async def test_a_garbled_message_is_refused_and_the_next_one_works(
    encoder: EncoderProcess, client: EncoderClient
) -> None:
    async with open_channel(encoder.address) as channel:
        raw: Any = channel.unary_unary("/imagerag.v1.Encoder/EncodeImages")
        with pytest.raises(ImageragError):
            await unary("encoder", raw(b"\x12\xff\xff\xff\x07cut", timeout=10))
        with pytest.raises(ImageragError):
            await unary("encoder", raw(bytes(70 * 1024 * 1024), timeout=30))
    assert isinstance((await images(client, [CAT]))[0], np.ndarray)


async def test_callers_share_batches() -> None:
    async with serving() as client:
        batches = counted("imagerag_encoder_batch_items_count", kind="image")
        await asyncio.gather(*[images(client, [CAT], lane=Lane.INTERACTIVE) for _ in range(24)])
        assert counted("imagerag_encoder_batch_items_count", kind="image") - batches < 24


async def test_a_full_service_refuses_at_once_and_recovers() -> None:
    async with serving(bulk_limit_items=40) as client:
        calls = [images(client, [ROCKET] * 16) for _ in range(12)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ExhaustedError)]
        assert 0 < len(refused) < len(answers)
        assert all(error.retry_after_s for error in refused)
        assert counted("imagerag_encoder_inside_items", lane="bulk") == 0
        assert isinstance((await images(client, [CAT]))[0], np.ndarray)


async def test_what_is_past_its_deadline_leaves_uncomputed() -> None:
    async with serving(device_batch_items=1) as client:
        busy = asyncio.create_task(images(client, [CAT] * 20))
        while counted("imagerag_encoder_inside_items", lane="bulk") < 20:
            await asyncio.sleep(0.001)
        before = counted("imagerag_encoder_batch_items_sum", kind="image")
        started = time.perf_counter()
        with pytest.raises(ImageragError) as raised:
            await images(client, [ROCKET] * 20, deadline_s=0.05)
        assert raised.value.code == "deadline_exceeded"
        assert time.perf_counter() - started < 1
        await busy
        await asyncio.sleep(0.1)
        assert counted("imagerag_encoder_inside_items", lane="bulk") == 0
        assert counted("imagerag_encoder_batch_items_sum", kind="image") - before <= 21


async def test_the_wire_form_has_zero_rows_for_failed_inputs(encoder: EncoderProcess) -> None:
    async with open_channel(encoder.address) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        answer = await stub.EncodeImages(encoder_pb2.EncodeImagesRequest(images=[b"", CAT]))
    rows = np.frombuffer(answer.vectors.data, "<f4").reshape(answer.vectors.shape)
    assert not rows[0].any()
    assert np.linalg.norm(rows[1]) == pytest.approx(1, abs=1e-5)
    assert answer.errors[0].code == "image_empty"
    assert not answer.errors[0].retryable
    assert answer.fingerprint.startswith("starter-")


async def test_a_model_that_cannot_be_loaded_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_MODEL"):
        async with compose(EncoderSettings(model=str(tmp_path))):
            pass


def test_it_starts_and_stops_cleanly(tmp_path: Path) -> None:
    with EncoderProcess(tmp_path) as process:
        address = process.address
        assert process.stop() == 0
        assert "Traceback" not in process.log()

    async def refused() -> None:
        channel = grpc.aio.insecure_channel(address)
        with pytest.raises(grpc.aio.AioRpcError):
            await encoder_pb2_grpc.EncoderStub(channel).Describe(encoder_pb2.DescribeRequest(), timeout=2)
        await channel.close()

    asyncio.run(refused())
