"""How a load generator sends: unary calls, streaming calls, or another server's REST."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import grpc
from imagerag.v1 import encoder_pb2

from benchmarks.encoder.load import Load

INFINITY_MODEL = "clip"
_MESSAGE_BYTES = 64 * 1024 * 1024
_METHOD = "/imagerag.v1.Encoder/"
_OPTIONS = [("grpc.max_send_message_length", _MESSAGE_BYTES), ("grpc.max_receive_message_length", _MESSAGE_BYTES)]


class Entry(NamedTuple):
    """One request, or one input of a stream."""

    took_s: float
    items: int
    failed: int


Send: TypeAlias = Callable[[Callable[[], bool]], Awaitable[list[Entry]]]
"""Sends one request after the other for as long as it is told that there are more."""
_Call: TypeAlias = Callable[[], Awaitable[tuple[int, int]]]


@asynccontextmanager
async def open_sender(load: Load, payloads: Sequence[bytes]) -> AsyncIterator[Send]:
    """Connect and make the requests."""
    if load.way == "infinity":
        yield _looped(load, _rest_call(load, payloads), per_caller=True)
        return
    # One connection for all callers: that is what a client of ours has.
    async with grpc.aio.insecure_channel(load.target, options=_OPTIONS) as channel:
        await channel.channel_ready()
        if load.way == "stream":
            yield _stream(load, channel, payloads)
        else:
            yield _looped(load, _unary_call(load, channel, payloads))


def _looped(load: Load, make: Callable[[], _Call] | _Call, *, per_caller: bool = False) -> Send:
    async def send(more: Callable[[], bool]) -> list[Entry]:
        call: Any = make() if per_caller else make
        entries: list[Entry] = []
        while more():
            if load.pause_s:
                # Random, so that a caller does not fall into step with the batches.
                await asyncio.sleep(random.expovariate(1 / load.pause_s))
            began = time.perf_counter()
            items, failed = await call()
            entries.append(Entry(time.perf_counter() - began, items, failed))
        return entries

    return send


def _unary_call(load: Load, channel: grpc.aio.Channel, payloads: Sequence[bytes]) -> _Call:
    name = "EncodeTexts" if load.kind == "text" else "EncodeImages"
    ask: Any = channel.unary_unary(
        _METHOD + name, request_serializer=bytes, response_deserializer=encoder_pb2.EncodeResponse.FromString
    )
    requests = itertools.cycle(_request(load, group).SerializeToString() for group in _groups(load, payloads))

    async def call() -> tuple[int, int]:
        try:
            answer = await ask(next(requests))
        except grpc.aio.AioRpcError:
            return 0, load.items
        return load.items - len(answer.errors), len(answer.errors)

    return call


def _groups(load: Load, payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As many requests as there are payloads, each beginning one further on."""
    doubled = [*payloads] * (1 + load.items // len(payloads) + 1)
    return (doubled[at : at + load.items] for at in range(len(payloads)))


def _request(load: Load, group: Sequence[bytes]) -> Any:
    lane = encoder_pb2.LANE_INTERACTIVE if load.interactive else encoder_pb2.LANE_BULK
    if load.kind == "text":
        texts = [text.decode() for text in group]
        return encoder_pb2.EncodeTextsRequest(texts=texts, role=encoder_pb2.TEXT_ROLE_QUERY, lane=lane)
    if load.kind == "pixels":
        prepared = encoder_pb2.PreparedImages(preprocessing=load.preprocessing, pixels=group)
        return encoder_pb2.EncodeImagesRequest(prepared=prepared, lane=lane)
    return encoder_pb2.EncodeImagesRequest(images=group, lane=lane)


def _stream(load: Load, channel: grpc.aio.Channel, payloads: Sequence[bytes]) -> Send:
    """Writes as fast as flow control lets it; ids count up, so none is in use twice."""
    open_call: Any = channel.stream_stream(
        _METHOD + "EncodeStream",
        request_serializer=encoder_pb2.EncodeStreamRequest.SerializeToString,
        response_deserializer=encoder_pb2.EncodeStreamResponse.FromString,
    )

    async def send(more: Callable[[], bool]) -> list[Entry]:
        sent_s: dict[int, float] = {}
        ids, inputs = itertools.count(), itertools.cycle(payloads)

        async def messages() -> AsyncIterator[Any]:
            while more():
                message = encoder_pb2.EncodeStreamRequest(lane=encoder_pb2.LANE_BULK)
                for number, payload in zip(itertools.islice(ids, load.items), inputs, strict=False):
                    message.inputs.append(_stream_input(load, number, payload))
                    sent_s[number] = time.perf_counter()
                yield message

        entries: list[Entry] = []
        try:
            async for answer in open_call(messages()):
                now = time.perf_counter()
                for outcome in answer.outcomes:
                    good = outcome.WhichOneof("outcome") == "vector"
                    entries.append(Entry(now - sent_s.pop(outcome.id), int(good), int(not good)))
        except grpc.aio.AioRpcError:
            pass
        # What was sent and never answered has failed.
        return [*entries, *(Entry(0.0, 0, 1) for _ in sent_s)]

    return send


def _stream_input(load: Load, number: int, payload: bytes) -> Any:
    if load.kind == "pixels":
        return encoder_pb2.StreamInput(id=number, pixels=payload, preprocessing=load.preprocessing)
    if load.kind == "text":
        text = encoder_pb2.TextInput(text=payload.decode(), role=encoder_pb2.TEXT_ROLE_QUERY)
        return encoder_pb2.StreamInput(id=number, text=text)
    return encoder_pb2.StreamInput(id=number, image=payload)


def _rest_call(load: Load, payloads: Sequence[bytes]) -> Callable[[], _Call]:
    """Each caller has a connection of its own that is kept."""
    host, _, port = load.target.rpartition(":")
    requests = itertools.cycle([_rest_request(load, group) for group in _groups(load, payloads)])

    def make() -> _Call:
        connection: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def call() -> tuple[int, int]:
            if not connection:
                connection.append(await asyncio.open_connection(host, int(port)))
            reader, writer = connection[0]
            writer.write(next(requests))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
            await reader.readexactly(length)
            good = head.split(" ", 2)[1] == "200"
            return (load.items, 0) if good else (0, load.items)

        return call

    return make


def _rest_request(load: Load, group: Sequence[bytes]) -> bytes:
    modality = "text" if load.kind == "text" else "image"
    inputs = [_rest_input(load, payload) for payload in group]
    # base64 is the quicker of its two forms.
    document = {"model": INFINITY_MODEL, "encoding_format": "base64", "modality": modality, "input": inputs}
    body = json.dumps(document).encode()
    head = "POST /embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _rest_input(load: Load, payload: bytes) -> str:
    if load.kind == "text":
        return payload.decode()
    return f"data:image/jpeg;base64,{base64.b64encode(payload).decode()}"
