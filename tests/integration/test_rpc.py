"""The gRPC edge over a real socket: errors, request ids, health, limits, drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from imagerag.v1 import retriever_pb2, retriever_pb2_grpc

from services.common.clients.retriever import RetrieverClient
from services.common.errors import (
    DeadlineError,
    ExhaustedError,
    FingerprintMismatchError,
    ImageragError,
    InternalError,
    UnavailableError,
)
from services.common.rpc.server import LIVENESS, RpcLimits, RpcServer
from services.common.telemetry.request_id import bind_request_id, current_request_id

NAME = "imagerag.v1.Retriever"
Behaviour = Callable[[], Awaitable[None]]


class _Servicer(retriever_pb2_grpc.RetrieverServicer):
    """Deletes after doing what the test says; the answer's revision tells nothing, the id is echoed in logs."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def DeleteItem(self, request: Any, context: Any) -> retriever_pb2.DeleteItemResponse:  # noqa: N802
        await self._behaviour()
        return retriever_pb2.DeleteItemResponse(deleted=True)

    async def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    BatchSearch = GetItem = InspectItems = Facet = Search


@asynccontextmanager
async def _serving(
    behaviour: Behaviour, limits: RpcLimits | None = None, deadline_s: float = 5.0
) -> AsyncIterator[tuple[RetrieverClient, RpcServer, str]]:
    def register(server: grpc.aio.Server) -> None:
        retriever_pb2_grpc.add_RetrieverServicer_to_server(_Servicer(behaviour), server)

    server = RpcServer("127.0.0.1", 0, [NAME], register, limits)
    address = await server.start()
    try:
        async with RetrieverClient(address, deadline_s=deadline_s) as client:
            yield client, server, address
    finally:
        await server.stop(0)


def _raises(error: Exception) -> Behaviour:
    async def behaviour() -> None:
        raise error

    return behaviour


@pytest.mark.parametrize(
    "error",
    [
        FingerprintMismatchError.between("a", "b"),
        ExhaustedError("The queue is full.", retry_after_s=1.5),
    ],
)
async def test_a_domain_error_arrives_as_itself(error: ImageragError) -> None:
    async with _serving(_raises(error)) as (client, _, _):
        with pytest.raises(type(error)) as caught:
            await client.delete_item("t", "x")
    assert (caught.value.message, caught.value.retry_after_s) == (error.message, error.retry_after_s)


async def test_an_unknown_error_never_leaks_its_text() -> None:
    async with _serving(_raises(ValueError("password=hunter2"))) as (client, _, _):
        with pytest.raises(InternalError) as caught:
            await client.delete_item("t", "x")
    assert "hunter2" not in caught.value.message


async def test_the_request_id_crosses_the_call() -> None:
    seen: list[str] = []

    async def behaviour() -> None:
        seen.append(current_request_id())

    async with _serving(behaviour) as (client, _, _):
        bind_request_id("from-the-edge")
        await client.delete_item("t", "x")
    assert seen == ["from-the-edge"]


async def test_a_deadline_is_kept() -> None:
    async with _serving(lambda: asyncio.sleep(5), deadline_s=0.2) as (client, _, _):
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineError):
            await client.delete_item("t", "x")
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_service_that_lacks_something_is_not_asked_again() -> None:
    calls: list[int] = []

    async def behaviour() -> None:
        calls.append(1)
        raise UnavailableError("not now")

    async with _serving(behaviour) as (client, _, _):
        with pytest.raises(UnavailableError, match="not now"):
            await client.delete_item("t", "x")
    assert len(calls) == 1, "tries at every level would multiply"


async def test_a_garbled_message_is_the_callers_mistake() -> None:
    async with _serving(_raises(ValueError())) as (_, _, address), grpc.aio.insecure_channel(address) as channel:
        for garbled in (b"\xff" * 100, b"\x0a\x05ab", b"\x12\x02\xff\xfe"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{NAME}/DeleteItem")(garbled, timeout=5)  # type: ignore[arg-type]
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details() == f"The message is not a request of {NAME}/DeleteItem."


async def test_nobody_there_is_unavailable_within_the_deadline() -> None:
    async with RetrieverClient("127.0.0.1:9", deadline_s=2) as client:
        with pytest.raises((UnavailableError, DeadlineError)):
            await client.delete_item("t", "x")


async def test_more_calls_than_allowed_are_shed_at_once() -> None:
    release = asyncio.Event()

    async def behaviour() -> None:
        await release.wait()

    async with _serving(behaviour, RpcLimits(concurrent_calls=2)) as (client, _, _):
        running = [asyncio.create_task(client.delete_item("t", "x")) for _ in range(2)]
        await asyncio.sleep(0.3)
        with pytest.raises(ExhaustedError):
            await client.delete_item("t", "x")
        release.set()
        assert await asyncio.gather(*running) == [True, True]


async def test_a_running_call_ends_before_the_server_does() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def behaviour() -> None:
        started.set()
        await release.wait()

    async with _serving(behaviour) as (client, server, _):
        call = asyncio.create_task(client.delete_item("t", "x"))
        await started.wait()
        stopping = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        release.set()
        assert await call
        await stopping


async def test_liveness_outlives_a_dependency() -> None:
    async with (
        _serving(_raises(ValueError())) as (_, server, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        await server.set_serving(False)
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=LIVENESS))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_and_reflection() -> None:
    async with (
        _serving(_raises(ValueError())) as (_, server, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=NAME))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await server.set_health(NAME, False)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=NAME))
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = [s.name async for part in call for s in part.list_services_response.service]
    assert NAME in names
