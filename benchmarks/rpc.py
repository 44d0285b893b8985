"""What a call between two services costs on top of gRPC itself: deadlines, errors, counting, and tracing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.measuring import Ratio, interleave
from benchmarks.site import Advance, Site
from services.common.clients.generator import GeneratorClient
from services.common.rpc.server import RpcServer
from services.common.telemetry.tracing import use_tracer

_CALLS = 1_000
_BARE, _OURS, _TRACED = "bare gRPC", "call between services", "call between services, every trace recorded"
WAYS = 3


class _Silent(generator_pb2_grpc.GeneratorServicer):
    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 (the contract's name)
        yield generator_pb2.GenerateResponse()

    async def DescribeGenerator(self, request: Any, context: Any) -> Any:  # noqa: N802 (the contract's name)
        return generator_pb2.DescribeGeneratorResponse(model="none")


class _Dropping(SpanExporter):
    """A collector that costs nothing."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


async def run(site: Site, advance: Advance) -> list[Ratio]:
    """Measure calls one after the other, client and server in one process; the cluster of the others is idle."""
    del site
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Dropping()))
    use_tracer(provider.get_tracer("benchmark"))
    try:
        async with _ours() as traced:
            use_tracer(None)
            async with _ours() as ours, _bare() as bare:
                ways: dict[str, Callable[[int], Awaitable[float]]] = {
                    _BARE: partial(_timed, bare),
                    _OURS: partial(_timed, ours),
                    _TRACED: partial(_timed_traced, traced, provider),
                }
                series = await interleave(ways, advance=advance)
    finally:
        use_tracer(None)
        provider.shutdown()
    meaning = f"{_CALLS} empty calls, one after the other, against grpc.aio alone with no options."
    return [
        Ratio(f"{name} / bare", meaning, "us", "lower", series[name], series[_BARE]) for name in (_OURS, _TRACED)
    ]


async def _timed(call: Callable[[], Awaitable[object]], _: int) -> float:
    """Microseconds a call."""
    started = time.perf_counter()
    for _number in range(_CALLS):
        await call()
    return (time.perf_counter() - started) / _CALLS * 1e6


async def _timed_traced(call: Callable[[], Awaitable[object]], provider: TracerProvider, number: int) -> float:
    use_tracer(provider.get_tracer("benchmark"))
    try:
        return await _timed(call, number)
    finally:
        use_tracer(None)


@asynccontextmanager
async def _ours() -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """A call as services make it. What the channel and the server wrap around it is decided when they open."""
    name = generator_pb2.DESCRIPTOR.services_by_name["Generator"].full_name
    add = partial(generator_pb2_grpc.add_GeneratorServicer_to_server, _Silent())
    server = RpcServer("127.0.0.1", 0, [name], add)
    async with GeneratorClient(await server.start()) as client:
        await client.describe()
        yield client.describe
    await server.stop(0)


@asynccontextmanager
async def _bare() -> AsyncIterator[Callable[[], Awaitable[object]]]:
    server = grpc.aio.server()
    generator_pb2_grpc.add_GeneratorServicer_to_server(_Silent(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: generator_pb2_grpc.GeneratorAsyncStub = generator_pb2_grpc.GeneratorStub(channel)
        await stub.DescribeGenerator(generator_pb2.DescribeGeneratorRequest())

        async def call() -> object:
            return await stub.DescribeGenerator(generator_pb2.DescribeGeneratorRequest())

        yield call
    await server.stop(0)
