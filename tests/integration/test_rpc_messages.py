"""Messages that no client of ours sends: huge, empty, cut off and garbled ones, to each gRPC service."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from imagerag.v1 import encoder_pb2, generator_pb2, retriever_pb2, types_pb2

from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.process import ServiceProcess
from tests.fixtures.site import GeneratorProcess, RetrieverProcess
from tests.fixtures.store import StoreProcess

MIB = 1024 * 1024
SMALL, LARGE = 5 * MIB, 50 * MIB
TOO_LARGE = 65 * MIB
AT_ONCE, COPIES = 4, 4
"""A message is there as it came, as bytes, as a message and, for a moment, as one of its parts."""
GROWTH_LIMIT_MIB = AT_ONCE * COPIES * LARGE // MIB
NOISE = Random(5).randbytes(LARGE)
CONTEXT = types_pb2.RequestContext(tenant="default")
REFUSALS = {StatusCode.INVALID_ARGUMENT, StatusCode.RESOURCE_EXHAUSTED}


def huge(size: int) -> dict[str, list[Any]]:
    """Well-formed requests of `size` bytes, by method."""
    text, query = "a" * size, retriever_pb2.Query
    source = generator_pb2.Source(number=1, item=types_pb2.Item(id="x"), image=NOISE[:size])
    return {
        "Encoder/EncodeImages": [encoder_pb2.EncodeImagesRequest(images=[NOISE[:size]])],
        "Encoder/EncodeTexts": [encoder_pb2.EncodeTextsRequest(texts=[text])],
        "Encoder/Describe": [],
        "Retriever/Search": [
            retriever_pb2.SearchRequest(context=CONTEXT, query=query(text=text)),
            retriever_pb2.SearchRequest(context=CONTEXT, query=query(text="a"), filter_json="[" * size),
        ],
        "Retriever/BatchSearch": [
            retriever_pb2.BatchSearchRequest(
                context=CONTEXT, searches=[retriever_pb2.SearchRequest(query=query(text=text))]
            )
        ],
        "Retriever/GetItem": [retriever_pb2.GetItemRequest(context=CONTEXT, id=text)],
        "Retriever/DeleteItem": [retriever_pb2.DeleteItemRequest(context=CONTEXT, id=text)],
        "Retriever/Facet": [retriever_pb2.FacetRequest(context=CONTEXT, field=text)],
        "Generator/Generate": [
            generator_pb2.GenerateRequest(context=CONTEXT, question=text),
            generator_pb2.GenerateRequest(context=CONTEXT, question="What?", sources=[source]),
        ],
        "Generator/DescribeGenerator": [],
    }


TOLERATED = {
    "Encoder/EncodeImages": "each picture that cannot be used has its own error in the answer",
    "Encoder/EncodeTexts": "a text is cut at what the model reads",
    "Generator/Generate": "a source without words is not cited, whatever its picture",
    "Retriever/GetItem": "there is no such item",
    "Retriever/DeleteItem": "there is nothing to delete",
    "Retriever/Facet": "nothing is stored",
}
"""Methods that may answer a well-formed request in another way than with a refusal, and why."""
METHODS = list(huge(1))


@dataclass
class Services:
    """The three services, and what they answered."""

    processes: dict[str, ServiceProcess]
    outcomes: Counter[str] = field(default_factory=Counter)

    def process(self, method: str) -> ServiceProcess:
        return self.processes[method.partition("/")[0]]

    async def send(self, method: str, data: bytes) -> StatusCode:
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(self.process(method).address, options=options) as channel:
            code, text = await _call(channel, method, data)
        self.outcomes[code.name] += 1
        assert len(text) < 300, text
        assert not any(hint in text for hint in ("Traceback", "Error parsing", ".py", "Exception")), text
        return code


async def _call(channel: grpc.aio.Channel, method: str, data: bytes) -> tuple[StatusCode, str]:
    path: Any = f"/imagerag.v1.{method}"
    try:
        if method == "Generator/Generate":
            async for _ in channel.unary_stream(path)(data, timeout=60):  # type: ignore[arg-type]
                pass
        else:
            await channel.unary_unary(path)(data, timeout=60)  # type: ignore[arg-type]
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return StatusCode.OK, ""


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, encoder: EncoderProcess, store: StoreProcess
) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    settings = {
        "QDRANT_URL": store.url,
        "IMAGERAG_ENCODER_URL": encoder.address,
        "IMAGERAG_ALIAS": "test-messages",
    }
    retriever = RetrieverProcess(folder / "retriever", settings)
    with retriever, GeneratorProcess(folder / "generator") as generator:
        yield Services({"Encoder": encoder, "Retriever": retriever, "Generator": generator})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1000, SMALL, LARGE])
async def test_garbled_messages_are_refused(services: Services, method: str, size: int) -> None:
    assert await services.send(method, NOISE[:size]) is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", METHODS)
async def test_a_message_above_the_limit_is_refused(services: Services, method: str) -> None:
    assert await services.send(method, bytes(TOO_LARGE)) is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", METHODS)
async def test_an_empty_message_is_refused_where_it_asks_nothing(services: Services, method: str) -> None:
    code = await services.send(method, b"")
    asks_nothing = method.startswith("Encoder") or method.endswith("DescribeGenerator")
    assert code is (StatusCode.OK if asks_nothing else StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_huge_and_cut_off_requests(services: Services, method: str, size: int) -> None:
    for request in huge(size)[method]:
        whole = request.SerializeToString()
        allowed = REFUSALS | ({StatusCode.OK, StatusCode.NOT_FOUND} if method in TOLERATED else set())
        assert await services.send(method, whole) in allowed
        assert await services.send(method, whole[:-3]) is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["Encoder/EncodeImages", "Retriever/Search", "Generator/Generate"])
async def test_memory_is_bounded(services: Services, method: str) -> None:
    process = services.process(method)
    before = resident_mib(process.pid)
    highest = before
    (whole, *_) = (request.SerializeToString() for request in huge(LARGE)[method])
    for data in (NOISE, whole, whole[:-3]):  # more in sum than the limit: what is kept would be noticed
        async for now in _while_sending(services, method, data, process.pid):
            highest = max(highest, now)
    print(f"\n{method}: {before} MiB before, {highest} at most, {resident_mib(process.pid)} after")
    assert highest - before < GROWTH_LIMIT_MIB


async def _while_sending(services: Services, method: str, data: bytes, pid: int) -> AsyncIterator[int]:
    sending = asyncio.gather(*(services.send(method, data) for _ in range(AT_ONCE)))
    while not sending.done():
        yield resident_mib(pid)
        await asyncio.sleep(0.02)
    await sending


def test_nothing_was_our_mistake(services: Services) -> None:
    print(f"\n{dict(services.outcomes)}")
    assert services.outcomes.keys() <= {"OK", "NOT_FOUND", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert services.outcomes.total() > 50
    for process in services.processes.values():
        assert "Traceback" not in process.log()


def resident_mib(pid: int) -> int:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // MIB
