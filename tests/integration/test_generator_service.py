"""The generator over a real port: the client, the wire, the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc, types_pb2

from services.common.answer import Completion, Source
from services.common.clients.generator import GeneratorClient
from services.common.domain import Box, Item, ItemKind, Media, Position
from services.common.errors import InvalidRequestError, PayloadTooLargeError, UnavailableError, UnimplementedError
from services.generator.app import SERVICE_NAME, compose
from services.generator.settings import GeneratorSettings

POSITION = Position(page=2, box=Box(0.0, 0.25, 0.5, 1.0))


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with compose(GeneratorSettings(port=0)) as server:
        yield await server.start()
        await server.stop(0.0)


@pytest.fixture
async def client(address: str) -> AsyncIterator[GeneratorClient]:
    async with GeneratorClient(address, deadline_s=10.0) as opened:
        yield opened


def sources() -> list[Source]:
    media = Media("0" * 64, "image/jpeg", 8, 8)
    cat = Item("id-1", "shop", ItemKind.IMAGE, 5, datetime.now(UTC), title="cat.jpg", media=media)
    page = Item(
        "id-2", "shop", ItemKind.PAGE, 6, datetime.now(UTC), title="Cats", text="Cats sleep.", position=POSITION
    )
    noise = Item("id-3", "shop", ItemKind.TEXT, 7, datetime.now(UTC), text="A dog.")
    return [
        Source(1, cat, relevant=True, score=0.2, image=b"bytes"),
        Source(2, page, relevant=True, score=0.1, matched_words=("cats",)),
        Source(3, noise, relevant=False, score=0.05),
    ]


async def collect(events: AsyncIterator[str | Completion]) -> tuple[list[str], Completion]:
    received = [event async for event in events]
    completion = received[-1]
    assert isinstance(completion, Completion)
    return [event for event in received if isinstance(event, str)], completion


async def test_an_answer_streams_and_ends_with_its_citations(client: GeneratorClient) -> None:
    pieces, completion = await collect(
        client.generate(tenant="shop", question="Where are cats?", sources=sources())
    )
    assert len(pieces) == 2
    assert "".join(pieces) == completion.answer
    assert completion.answer.endswith("Page 2 of 'Cats' says: “Cats sleep.” [2].")
    assert [citation.item_id for citation in completion.citations] == ["id-1", "id-2"]
    assert completion.citations[1].position == POSITION
    assert completion.citations[0].quote == ""
    assert (completion.model, completion.nothing_relevant) == ("extractive", False)


async def test_the_language_can_be_asked_for(client: GeneratorClient) -> None:
    call = client.generate(tenant="shop", question="cats", sources=sources()[2:], language="zh-Hans")
    _, completion = await collect(call)
    assert completion == Completion(
        "没有找到与这个问题相关的内容。", (), nothing_relevant=True, model="extractive"
    )


async def test_errors_keep_their_class_and_text(client: GeneratorClient) -> None:
    with pytest.raises(InvalidRequestError, match="Write a question"):
        await collect(client.generate(tenant="shop", question="", sources=[]))
    with pytest.raises(PayloadTooLargeError, match="2000 characters"):
        await collect(client.generate(tenant="shop", question="x" * 2001, sources=[]))
    with pytest.raises(InvalidRequestError, match="tenant"):
        await collect(client.generate(tenant="Not A Tenant", question="cats", sources=[]))


async def test_a_reserved_field_is_refused_by_name(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        request = generator_pb2.GenerateRequest(
            context=types_pb2.RequestContext(tenant="shop"), question="cats", response_schema_json="{}"
        )
        call = generator_pb2_grpc.GeneratorStub(channel).Generate(request, timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "response_schema_json" in (caught.value.details() or "")
    assert UnimplementedError.code in {value for _, value in caught.value.trailing_metadata() or ()}


async def test_it_says_what_it_is_and_that_it_is_well(client: GeneratorClient, address: str) -> None:
    description = await client.describe()
    assert (description.model, description.reads_images) == ("extractive", False)
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE_NAME), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_generator_that_is_gone_is_unavailable() -> None:
    async with GeneratorClient("127.0.0.1:1", deadline_s=10.0) as client:
        with pytest.raises(UnavailableError):
            await client.describe()
