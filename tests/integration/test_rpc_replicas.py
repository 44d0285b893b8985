"""Several replicas behind one target: passed over when they say so, left when they die, refused if they differ."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from services.common.clients.encoder import EncoderClient, Lane, TextRole
from services.common.clients.retriever import RetrieverClient
from services.common.errors import FingerprintMismatchError, ImageragError
from services.common.index.contract import EmbeddingContract
from services.common.index.index import Index
from services.common.rpc.server import RpcServer
from services.common.search import SearchQuery
from services.retriever.app import compose
from services.retriever.settings import RetrieverSettings
from tests.fixtures.colour_encoder import ColourEncoder, colour_server, serve_colours
from tests.fixtures.store import StoreProcess

PICTURE_S = 1.0
REPOSITORY = Path(__file__).parents[2]
_PROCESS = f"""
import asyncio
from tests.fixtures.colour_encoder import serve_colours
from tests.fixtures.workers import PatientEncoder

async def serve():
    async with serve_colours(PatientEncoder({PICTURE_S})) as address:
        print(address, flush=True)
        await asyncio.Event().wait()

asyncio.run(serve())
"""


def target(*addresses: str) -> str:
    """One gRPC target of several addresses."""
    return "ipv4:" + ",".join(addresses)


@contextmanager
def patient_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An encoder as a process that takes a second for a picture, and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROCESS], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def test_a_call_whose_replica_is_killed_is_carried_out_by_another() -> None:
    with patient_process() as (first, first_address), patient_process() as (_, second_address):
        async with EncoderClient(target(first_address, second_address), deadline_s=15) as client:
            await asyncio.gather(*(client.describe() for _ in range(4)))
            calls = [asyncio.create_task(encode(client, large_picture(seed))) for seed in range(4)]
            await asyncio.sleep(PICTURE_S / 2)
            first.kill()
            vectors = await asyncio.gather(*calls)
    assert not any(isinstance(vector, ImageragError) for vector in vectors)


async def encode(client: EncoderClient, picture: bytes) -> object:
    """The vector of a picture."""
    (part,) = await client.encode_images([picture], lane=Lane.BULK, expected_fingerprint="colour@1")
    return part


def large_picture(seed: int) -> bytes:
    """A PNG above 256 KiB: by default gRPC does not try such a call again."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (400, 400), Random(seed).randbytes(400 * 400 * 3)).save(buffer, "PNG")
    assert buffer.tell() > 256 * 1024
    return buffer.getvalue()


@asynccontextmanager
async def two_replicas() -> AsyncIterator[tuple[list[ColourEncoder], list[RpcServer], str]]:
    """Two encoders in this process."""
    encoders = [ColourEncoder(), ColourEncoder()]
    servers = [colour_server(encoder) for encoder in encoders]
    addresses = [await server.start() for server in servers]
    try:
        yield encoders, servers, target(*addresses)
    finally:
        for server in servers:
            await server.stop(0)


async def test_a_replica_that_says_no_is_passed_over() -> None:
    async with two_replicas() as (encoders, servers, both), EncoderClient(both) as client:

        async def calls() -> list[int]:
            before = [encoder.text_calls for encoder in encoders]
            for _ in range(10):
                await client.encode_texts(
                    ["red"], role=TextRole.QUERY, lane=Lane.BULK, expected_fingerprint="colour@1"
                )
            return [encoder.text_calls - count for encoder, count in zip(encoders, before, strict=True)]

        await asyncio.sleep(0.5)
        assert min(await calls()) >= 4
        await servers[0].set_health(EncoderClient.health_name, False)
        await asyncio.sleep(0.5)
        assert await calls() == [0, 10]
        await servers[0].set_health(EncoderClient.health_name, True)
        await asyncio.sleep(0.5)
        assert min(await calls()) >= 4


async def test_a_mixed_fleet_is_refused_by_name(store: StoreProcess, collection_name: str) -> None:
    """Each search tries twice at most; what fails names both models."""
    async with AsyncExitStack() as stack:
        ours, other = ColourEncoder(), ColourEncoder("colour@2")
        addresses = [await stack.enter_async_context(serve_colours(encoder)) for encoder in (ours, other)]
        index = await stack.enter_async_context(Index(store.url, alias=collection_name))
        await index.ensure(EmbeddingContract("colour@1", 3))
        settings = RetrieverSettings(
            port=0, qdrant_url=store.url, encoder_url=target(*addresses), alias=collection_name
        )
        outcomes = await _search_many(stack, settings, 30)
    print(f"\n{dict(outcomes)}")
    assert outcomes["found"] >= 5
    assert outcomes["refused"] + outcomes["found"] == 30


async def _search_many(stack: AsyncExitStack, settings: RetrieverSettings, times: int) -> Counter[str]:
    server = await stack.enter_async_context(compose(settings))
    address = await server.start()
    stack.push_async_callback(server.stop, 0)
    client = await stack.enter_async_context(RetrieverClient(address, deadline_s=5))
    outcomes: Counter[str] = Counter()
    for number in range(times):
        started = asyncio.get_running_loop().time()
        try:
            await client.search(SearchQuery("shop", text=f"red {number}"))
            outcomes["found"] += 1
        except FingerprintMismatchError as error:
            names_both = "'colour@1'" in error.message and "'colour@2'" in error.message
            outcomes["refused" if names_both else error.message] += 1
        assert asyncio.get_running_loop().time() - started < 2
    return outcomes


@pytest.mark.parametrize("scheme", ["ipv4:127.0.0.1:9", "127.0.0.1:9"])
async def test_nobody_there_is_said_at_once(scheme: str) -> None:
    async with EncoderClient(scheme, deadline_s=10) as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(ImageragError):
            await client.describe()
        assert asyncio.get_running_loop().time() - started < 5
