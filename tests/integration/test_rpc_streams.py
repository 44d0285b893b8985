"""The gRPC edge for streams in both directions: errors, limits, counting, traces, request ids."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import EncoderInput, PictureInput
from services.common.errors import FingerprintMismatchError, InternalError
from services.common.rpc.server import RpcLimits
from services.common.telemetry import tracing
from services.common.telemetry.request_id import bind_request_id, current_request_id
from tests.fixtures.hash_encoder import HashEncoder, hash_server, serve_hashes

METHOD = "/imagerag.v1.Encoder/EncodeStream"
Request = encoder_pb2.EncodeStreamRequest


@pytest.fixture
def made() -> Iterator[InMemorySpanExporter]:
    """The finished spans of a test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use_tracer(provider.get_tracer("test"))
    yield exporter
    tracing.use_tracer(None)


def counted(outcome: str) -> float:
    """Streams that ended so."""
    labels = {"transport": "grpc", "method": METHOD, "outcome": outcome}
    return REGISTRY.get_sample_value("imagerag_calls_total", labels) or 0


def timed() -> float:
    """Streams whose seconds were taken."""
    return REGISTRY.get_sample_value("imagerag_call_seconds_count", {"transport": "grpc", "method": METHOD}) or 0


async def pictures(count: int) -> AsyncIterator[tuple[int, EncoderInput]]:
    """As many different ones."""
    for number in range(count):
        yield number, PictureInput(str(number).encode())


async def send(client: EncoderClient, count: int = 5, fingerprint: str = "hash@1") -> int:
    """The number of outcomes."""
    stream = client.encode_stream(pictures(count), expected_fingerprint=fingerprint, progress_s=5)
    return len([outcome async for outcome in stream])


async def test_each_call_of_a_stream_is_counted_once_by_its_outcome_and_not_timed() -> None:
    before = {outcome: counted(outcome) for outcome in ("ok", "fingerprint_mismatch", "cancelled")}
    timed_before = timed()
    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        assert await send(client) == 5
        with pytest.raises(FingerprintMismatchError):
            await send(client, fingerprint="hash@2")
        stream = client.encode_stream(pictures(10**6), expected_fingerprint="hash@1")
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0.2)
    assert {outcome: counted(outcome) - count for outcome, count in before.items()} == dict.fromkeys(before, 1)
    assert timed() == timed_before, "how long a caller goes on sending is no answering time"


async def test_refused_calls_are_counted_once() -> None:
    before = counted("exhausted")
    encoder = HashEncoder()
    async with (
        serve_hashes(encoder, RpcLimits(concurrent_calls=1)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub: encoder_pb2_grpc.EncoderAsyncStub = encoder_pb2_grpc.EncoderStub(channel)
        first = stub.EncodeStream()
        await first.write(Request())
        assert await first.read() is not grpc.aio.EOF
        second = stub.EncodeStream()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second.read()
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()
    assert counted("exhausted") - before == 1


async def test_an_unknown_error_never_leaks_its_text() -> None:
    async def fault(answered: int, context: Any) -> None:
        raise ValueError("password=hunter2")

    async with serve_hashes(HashEncoder(fault=fault)) as address, EncoderClient(address) as client:
        with pytest.raises(InternalError) as caught:
            await send(client)
    assert "hunter2" not in caught.value.message


async def test_a_garbled_message_in_the_midst_is_the_callers_mistake() -> None:
    async def messages() -> AsyncIterator[bytes]:
        yield Request().SerializeToString()
        yield b"\xff" * 100
        await asyncio.sleep(5)

    async with serve_hashes(HashEncoder()) as address, grpc.aio.insecure_channel(address) as channel:
        send_raw: Any = channel.stream_stream(METHOD)
        call = send_raw(messages(), timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "The message is not a request of imagerag.v1.Encoder/EncodeStream."


async def test_a_stream_is_one_span_at_each_end_in_one_trace(made: InMemorySpanExporter) -> None:
    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        with tracing.span("job"):
            assert await send(client) == 5
        await asyncio.sleep(0.1)
    spans = {span.kind: span for span in made.get_finished_spans() if span.name == METHOD.lstrip("/")}
    assert len(made.get_finished_spans()) == 3
    client_span, server_span = spans[SpanKind.CLIENT], spans[SpanKind.SERVER]
    assert client_span.context is not None
    assert server_span.parent is not None
    assert server_span.parent.span_id == client_span.context.span_id
    for span in spans.values():
        assert (span.attributes or {})["rpc.response.status_code"] == "OK"


async def test_a_traced_stream_survives_and_ends_like_any_other(made: InMemorySpanExporter) -> None:
    """gRPC wraps the calls of a channel with interceptors in objects of another kind."""
    encoder = HashEncoder(item_s=0.002)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        assert await send(client, 300) == 300
        stream = client.encode_stream(pictures(10**6), expected_fingerprint="hash@1")
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(5):
            while encoder.open_calls:
                await asyncio.sleep(0.01)
        with pytest.raises(FingerprintMismatchError):
            await send(client, fingerprint="hash@2")


async def test_the_request_id_crosses_the_call() -> None:
    seen: list[str] = []

    async def fault(answered: int, context: Any) -> None:
        seen.append(current_request_id())

    async with serve_hashes(HashEncoder(fault=fault)) as address, EncoderClient(address) as client:
        bind_request_id("from-the-edge")
        await send(client)
    assert set(seen) == {"from-the-edge"}


async def test_an_idle_stream_ends_when_the_server_stops() -> None:
    server = hash_server(HashEncoder())
    async with grpc.aio.insecure_channel(await server.start()) as channel:
        stub: encoder_pb2_grpc.EncoderAsyncStub = encoder_pb2_grpc.EncoderStub(channel)
        call = stub.EncodeStream()
        await call.write(Request())
        assert await call.read() is not grpc.aio.EOF
        started = asyncio.get_running_loop().time()
        await server.stop(30)
        assert asyncio.get_running_loop().time() - started < 2
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK
