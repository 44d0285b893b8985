"""The encoder's server over real gRPC, with models that cost nothing: lanes, bounds, streams, spaces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc, types_pb2
from prometheus_client import REGISTRY

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.rpc.channel import open_channel
from tests.fixtures.tiny_encoder import (
    DIM,
    PIXEL_BYTES,
    PREPROCESSING,
    SEMANTIC_DIM,
    TinyBackend,
    TinyTextBackend,
    broken_pixels,
    image_vector,
    pixels,
    serve_tiny,
    text_vector,
)

DIGEST = PREPROCESSING.digest
BULK, INTERACTIVE = encoder_pb2.LANE_BULK, encoder_pb2.LANE_INTERACTIVE
SEMANTIC = encoder_pb2.SPACE_SEMANTIC


@asynccontextmanager
async def tiny(
    backend: TinyBackend, text_backend: TinyTextBackend | None = None, **settings: Any
) -> AsyncIterator[Any]:
    """A stub for a server in this process."""
    async with serve_tiny(backend, text_backend, **settings) as address, open_channel(address) as channel:
        yield encoder_pb2_grpc.EncoderStub(channel)


def prepared(
    contents: Sequence[bytes], digest: str = DIGEST, lane: encoder_pb2.Lane.ValueType = BULK
) -> encoder_pb2.EncodeImagesRequest:
    images = encoder_pb2.PreparedImages(preprocessing=digest, pixels=contents)
    return encoder_pb2.EncodeImagesRequest(prepared=images, lane=lane)


def rows(answer: encoder_pb2.EncodeResponse) -> Vector:
    return np.frombuffer(answer.vectors.data, "<f4").reshape(tuple(answer.vectors.shape))


def inside() -> float:
    lanes = ("interactive", "bulk")
    return sum(REGISTRY.get_sample_value("imagerag_encoder_inside_items", {"lane": lane}) or 0 for lane in lanes)


async def until_empty() -> None:
    """The server notices a moment later that a caller is gone."""
    async with asyncio.timeout(10):
        while inside():
            await asyncio.sleep(0.01)


def sent(
    number: int, lane: encoder_pb2.Lane.ValueType = encoder_pb2.LANE_UNSPECIFIED
) -> encoder_pb2.EncodeStreamRequest:
    one = encoder_pb2.StreamInput(id=number, pixels=pixels(number), preprocessing=DIGEST)
    return encoder_pb2.EncodeStreamRequest(lane=lane, inputs=[one])


def vector(outcome: encoder_pb2.StreamOutcome) -> Vector:
    return np.frombuffer(outcome.vector, "<f4")


async def test_prepared_pictures_give_the_vectors_of_their_pixels() -> None:
    async with tiny(TinyBackend()) as stub:
        answer = await stub.EncodeImages(prepared([pixels(number) for number in range(20)]))
    for number, row in enumerate(rows(answer)):
        assert (row == image_vector(pixels(number))).all()


async def test_pixels_of_another_preprocessing_or_size_are_refused_with_what_to_do() -> None:
    async with tiny(TinyBackend()) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="prepare them as Describe says") as raised:
            await stub.EncodeImages(prepared([pixels(1)], digest="p1other"))
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        answer = await stub.EncodeImages(prepared([pixels(1), b"short", pixels(2)]))
        assert answer.errors.keys() == {1}
        assert answer.errors[1].code == "invalid_request"
        assert f"{PIXEL_BYTES} are needed" in answer.errors[1].message
        both = prepared([pixels(1)])
        both.images.append(b"picture")
        with pytest.raises(grpc.aio.AioRpcError, match="two calls") as raised:
            await stub.EncodeImages(both)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_spaces_have_models_and_fingerprints_of_their_own() -> None:
    async with tiny(TinyBackend(), TinyTextBackend()) as stub:
        described = await stub.Describe(encoder_pb2.DescribeRequest())
        semantic = described.semantic
        context = types_pb2.RequestContext(expected_fingerprint=semantic.fingerprint)
        request = encoder_pb2.EncodeTextsRequest(
            context=context, texts=["a", "b"], role=encoder_pb2.TEXT_ROLE_PASSAGE, space=SEMANTIC
        )
        answer = await stub.EncodeTexts(request)
        assert answer.fingerprint == semantic.fingerprint
        wanted = [text_vector(text, TextRole.PASSAGE, SEMANTIC_DIM) for text in ("a", "b")]
        assert (rows(answer) == np.stack(wanted)).all()
        request.space = encoder_pb2.SPACE_JOINT
        with pytest.raises(grpc.aio.AioRpcError, match=described.fingerprint):
            await stub.EncodeTexts(request)


async def test_a_space_that_is_not_served_says_how_to_serve_it() -> None:
    async with tiny(TinyBackend()) as stub:
        assert not (await stub.Describe(encoder_pb2.DescribeRequest())).HasField("semantic")
        with pytest.raises(grpc.aio.AioRpcError, match="IMAGERAG_ENCODER_SEMANTIC_MODEL") as raised:
            await stub.EncodeTexts(encoder_pb2.EncodeTextsRequest(texts=["a"], space=SEMANTIC))
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_describe_says_everything() -> None:
    settings = {"interactive_limit_items": 7, "bulk_limit_items": 9, "bulk_batch_ms": 35}
    async with tiny(TinyBackend(), TinyTextBackend(), **settings) as stub:
        described = await stub.Describe(encoder_pb2.DescribeRequest())
    assert dict(described.queue_limit_items) == {"interactive": 7, "bulk": 9}
    assert described.bulk_batch_s == pytest.approx(0.035)
    assert (described.preprocessing.digest, described.preprocessing.side_px) == (DIGEST, 4)
    assert (described.preprocessing.fit, described.preprocessing.resample) == ("crop", "bicubic")
    assert (described.max_text_tokens, described.max_text_chars) == (77, 16_384)
    assert (described.semantic.model, described.semantic.dim) == ("tiny-texts", SEMANTIC_DIM)
    assert described.semantic.noise_floor == pytest.approx(0.25)


async def test_g3_what_is_past_its_deadline_is_answered_at_once_and_never_computed() -> None:
    backend = TinyBackend(batch_s=0.5)
    async with tiny(backend, device_batch_items=1) as stub:
        busy = asyncio.ensure_future(stub.EncodeImages(prepared([pixels(0)])))
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.EncodeImages(prepared([pixels(number) for number in range(1, 21)]), timeout=0.05)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.perf_counter() - started < 0.3
        await busy
        await until_empty()
        await stub.EncodeImages(prepared([pixels(99)]))
    assert set(backend.computed) == {pixels(0), pixels(99)}


async def test_cancelled_texts_leave_the_preparation_too() -> None:
    backend = TinyBackend(batch_s=0.2)
    async with tiny(backend, device_batch_items=1) as stub:
        busy = asyncio.ensure_future(stub.EncodeTexts(encoder_pb2.EncodeTextsRequest(texts=["busy"])))
        await asyncio.sleep(0.05)
        calls = [
            stub.EncodeTexts(encoder_pb2.EncodeTextsRequest(texts=[f"gone {number}"], lane=BULK))
            for number in range(20)
        ]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await busy
        await until_empty()
    assert backend.computed.keys() == {"busy"}


async def test_a_full_lane_refuses_in_no_time_and_the_other_lane_is_free() -> None:
    backend = TinyBackend(batch_s=0.3)
    async with tiny(backend, device_batch_items=4, bulk_limit_items=16) as stub:
        busy = [asyncio.ensure_future(stub.EncodeImages(prepared([pixels(number)] * 4))) for number in range(4)]
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        for _ in range(20):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.EncodeImages(prepared([pixels(9)] * 4))
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            metadata = dict(raised.value.trailing_metadata() or ())
            assert any("retry" in name and float(value) > 0 for name, value in metadata.items())
        assert (time.perf_counter() - started) / 20 < 0.05
        answer = await stub.EncodeImages(prepared([pixels(7)], lane=INTERACTIVE))
        assert (rows(answer)[0] == image_vector(pixels(7))).all()
        assert not all(one.done() for one in busy)
        await asyncio.gather(*busy)


async def test_g7_one_bad_picture_in_a_batch_of_32() -> None:
    contents = [pixels(number) for number in range(32)]
    contents[11] = broken_pixels()
    async with tiny(TinyBackend(batch_s=0.01)) as stub:
        answer = await stub.EncodeImages(prepared(contents, lane=INTERACTIVE))
    assert answer.errors.keys() == {11}
    assert answer.errors[11].code == "internal"
    for number, row in enumerate(rows(answer)):
        assert (row == (image_vector(pixels(number)) if number != 11 else np.zeros(DIM))).all()


async def test_a_batch_that_did_not_fit_is_remembered() -> None:
    backend = TinyBackend(fits_items=5)
    async with tiny(backend) as stub:
        for _ in range(6):
            answer = await stub.EncodeImages(prepared([pixels(n) for n in range(32)], lane=INTERACTIVE))
            assert not answer.errors
    assert backend.sizes[0] == 32
    assert [size for size in backend.sizes if size > 5] == [32, 16, 8]
    assert max(backend.sizes[-6:]) <= 5


async def test_several_batches_run_at_once() -> None:
    backend = TinyBackend(batch_s=0.05, streams=3)
    async with tiny(backend) as stub:
        await stub.EncodeImages(prepared([pixels(number) for number in range(9)], lane=INTERACTIVE))
    assert backend.most_at_once == 3
    assert backend.sizes == [3, 3, 3]


async def test_a_stream_answers_each_input_once_under_its_id() -> None:
    texts = {1000 + number: f"text {number}" for number in range(50)}

    async def messages() -> AsyncIterator[encoder_pb2.EncodeStreamRequest]:
        for number in range(300):
            yield sent(number)
        text = encoder_pb2.TextInput
        passage = encoder_pb2.TEXT_ROLE_PASSAGE
        yield encoder_pb2.EncodeStreamRequest(
            inputs=[
                encoder_pb2.StreamInput(id=id_, text=text(text=content, role=passage))
                for id_, content in texts.items()
            ]
        )

    async with tiny(TinyBackend(batch_s=0.002)) as stub:
        answers = [answer async for answer in stub.EncodeStream(messages())]
    outcomes = [outcome for answer in answers for outcome in answer.outcomes]
    assert sorted(outcome.id for outcome in outcomes) == [*range(300), *texts]
    for outcome in outcomes:
        content = texts.get(outcome.id)
        wanted = image_vector(pixels(outcome.id)) if content is None else text_vector(content, TextRole.PASSAGE)
        assert (vector(outcome) == wanted).all()
    assert answers[0].fingerprint.startswith("tiny-")
    assert not any(answer.fingerprint for answer in answers[1:])
    assert len(answers) < len(outcomes)


async def test_bad_inputs_of_a_stream_fail_alone() -> None:
    async def messages() -> AsyncIterator[encoder_pb2.EncodeStreamRequest]:
        text = encoder_pb2.TextInput
        yield encoder_pb2.EncodeStreamRequest(
            inputs=[
                encoder_pb2.StreamInput(id=1),
                encoder_pb2.StreamInput(id=2, pixels=pixels(2), preprocessing="p1other"),
                encoder_pb2.StreamInput(id=3, pixels=b"short", preprocessing=DIGEST),
                encoder_pb2.StreamInput(id=4, text=text(text=" ")),
                encoder_pb2.StreamInput(id=5, text=text(text="a", space=SEMANTIC)),
                encoder_pb2.StreamInput(id=6, image=b"<svg/>"),
                encoder_pb2.StreamInput(id=7, image=b""),
                encoder_pb2.StreamInput(id=8, pixels=broken_pixels(), preprocessing=DIGEST),
                encoder_pb2.StreamInput(id=9, pixels=pixels(9), preprocessing=DIGEST),
            ]
        )

    async with tiny(TinyBackend()) as stub:
        outcomes = {one.id: one async for answer in stub.EncodeStream(messages()) for one in answer.outcomes}
    codes = {id_: one.error.code for id_, one in outcomes.items() if one.WhichOneof("outcome") == "error"}
    assert codes == {
        1: "invalid_request",
        2: "fingerprint_mismatch",
        3: "invalid_request",
        4: "invalid_request",
        5: "unimplemented",
        6: "image_format",
        7: "image_empty",
        8: "internal",
    }
    assert (vector(outcomes[9]) == image_vector(pixels(9))).all()
    assert inside() == 0


async def test_a_stream_that_sends_nothing_ends() -> None:
    async def nothing() -> AsyncIterator[encoder_pb2.EncodeStreamRequest]:
        return
        yield

    async with tiny(TinyBackend()) as stub:
        assert [answer async for answer in stub.EncodeStream(nothing())] == []


async def test_an_id_in_use_ends_the_stream_and_a_freed_one_does_not() -> None:
    async with tiny(TinyBackend(batch_s=0.2)) as stub:
        call = stub.EncodeStream(iter([sent(1), sent(2), sent(1)]))
        with pytest.raises(grpc.aio.AioRpcError, match="The id 1 is in use") as raised:
            [answer async for answer in call]
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        await until_empty()
        call = stub.EncodeStream()
        await call.write(encoder_pb2.EncodeStreamRequest())
        assert (await call.read()).fingerprint.startswith("tiny-"), "the call is taken on before anything is sent"
        for _ in range(3):
            await call.write(sent(1))
            assert (await call.read()).outcomes[0].id == 1
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_another_contract_ends_the_stream() -> None:
    request = sent(1)
    request.context.expected_fingerprint = "other"
    async with tiny(TinyBackend()) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="'other'") as raised:
            [answer async for answer in stub.EncodeStream(iter([request]))]
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_fast_sender_is_slowed_down_and_never_refused() -> None:
    backend, most_inside = TinyBackend(batch_s=0.01), 0.0
    backend_items, limit = 4, 32

    async def messages() -> AsyncIterator[encoder_pb2.EncodeStreamRequest]:
        nonlocal most_inside
        for number in range(400):
            most_inside = max(most_inside, inside())
            yield sent(number)

    async with tiny(backend, device_batch_items=backend_items, bulk_limit_items=limit, bulk_batch_ms=1000) as stub:
        outcomes = [one async for answer in stub.EncodeStream(messages()) for one in answer.outcomes]
    assert len(outcomes) == 400
    assert all(one.WhichOneof("outcome") == "vector" for one in outcomes)
    assert 0 < most_inside <= limit


async def test_a_reader_that_does_not_read_stops_the_computing_and_loses_nothing() -> None:
    backend, items = TinyBackend(dim=4096), 5000
    text = encoder_pb2.TextInput(text="x")
    async with tiny(backend) as stub:
        call = stub.EncodeStream()
        for start in range(0, items, 50):
            inputs = [encoder_pb2.StreamInput(id=start + number, text=text) for number in range(50)]
            await call.write(encoder_pb2.EncodeStreamRequest(inputs=inputs))
        await call.done_writing()
        await asyncio.sleep(1)
        computed = sum(backend.computed.values())
        await asyncio.sleep(0.5)
        assert computed == sum(backend.computed.values()) < items / 2
        ids = [one.id async for answer in call for one in answer.outcomes]
    assert sorted(ids) == list(range(items))


async def test_a_stream_that_is_cancelled_leaves_nothing_behind() -> None:
    backend = TinyBackend(batch_s=0.2)
    async with tiny(backend, device_batch_items=1, bulk_batch_ms=1) as stub:
        call = stub.EncodeStream()
        for number in range(30):
            await call.write(sent(number))
        await asyncio.sleep(0.3)
        assert inside() > 10
        call.cancel()
        started = time.perf_counter()
        await until_empty()
        assert time.perf_counter() - started < 2
        await asyncio.sleep(0.3)
    assert sum(backend.computed.values()) <= 5


async def test_an_interactive_stream_goes_first() -> None:
    backend = TinyBackend(batch_s=0.05)
    async with tiny(backend, device_batch_items=1) as stub:
        bulk = asyncio.ensure_future(stub.EncodeImages(prepared([pixels(n) for n in range(40)])))
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        call = stub.EncodeStream(iter([sent(100, lane=INTERACTIVE)]))
        assert [one.id async for answer in call for one in answer.outcomes] == [100]
        assert time.perf_counter() - started < 0.5
        assert not bulk.done()
        await bulk
