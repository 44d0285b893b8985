"""The encoder behind its cache: a real encoder service over gRPC, and real cache servers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagerag.v1 import encoder_pb2
from prometheus_client import REGISTRY
from redis import Redis

from services.common.clients.encoder import EncoderClient, Lane, TextRole
from services.common.clients.encoder_inputs import Encoded, PictureInput
from services.common.domain import Vector
from services.common.embeddings.cached_encoder import CachedEncoder
from services.common.embeddings.cached_stream import Sought
from services.common.embeddings.keys import image_key
from services.common.embeddings.memory import RecentVectors
from services.common.embeddings.shared import SharedVectors
from services.common.embeddings.values import pack
from services.common.errors import FingerprintMismatchError, ImageFormatError, ImageragError, UnavailableError
from services.common.rpc.tensors import tensor_to_proto
from tests.fixtures.brokers import CACHE_OPTIONS, ValkeyProcess
from tests.fixtures.colour_encoder import ColourEncoder, colour_server, image_vector, picture, text_vector

RED, GREEN, BLUE = (picture(colour) for colour in ("red", "green", "blue"))
NO_PICTURE = b"<svg/>"


@dataclass
class NotingEncoder(ColourEncoder):
    """Notes what it is asked for; holds its answers back while `gate` is closed; may answer with what is wrong."""

    asked: list[Any] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    wrong: Vector | None = None

    async def EncodeImages(self, request: Any, context: Any) -> encoder_pb2.EncodeResponse:  # noqa: N802
        self.asked.extend(request.images)
        await self.gate.wait()
        if self.wrong is not None:
            return encoder_pb2.EncodeResponse(vectors=tensor_to_proto(self.wrong[None]))
        return await super().EncodeImages(request, context)

    async def EncodeTexts(self, request: Any, context: Any) -> encoder_pb2.EncodeResponse:  # noqa: N802
        self.asked.extend(request.texts)
        await self.gate.wait()
        return await super().EncodeTexts(request, context)

    def forget(self) -> None:
        self.asked.clear()


@dataclass
class _Bench:
    service: NotingEncoder
    cached: CachedEncoder
    stack: AsyncExitStack

    async def images(self, *images: bytes, lane: Lane = Lane.BULK) -> list[Encoded]:
        return await self.cached.encode_images(
            images, lane=lane, expected_fingerprint=self.service.fingerprint, deadline_s=5
        )

    async def streamed(self, groups: Sequence[Sequence[bytes]]) -> list[Encoded]:
        """As `images`, in one stream; in the order of the pictures."""

        async def sought() -> AsyncIterator[list[Sought[int]]]:
            number = 0
            for group in groups:
                keys = range(number, number + len(group))
                number += len(group)
                yield [
                    Sought(key, image_key(self.service.fingerprint, data), PictureInput(data))
                    for key, data in zip(keys, group, strict=True)
                ]

        stream = self.cached.encode_stream(sought(), expected_fingerprint=self.service.fingerprint, lane=Lane.BULK)
        found = {key: encoded async for key, encoded in stream}
        return [found[key] for key in sorted(found)]

    async def question(self, text: str, role: TextRole = TextRole.QUERY) -> Vector:
        (part,) = await self.cached.encode_texts(
            [text], role=role, lane=Lane.INTERACTIVE, expected_fingerprint=self.service.fingerprint, deadline_s=5
        )
        assert not isinstance(part, ImageragError)
        return part


@asynccontextmanager
async def _bench(cache_url: str | None, *, memory_bytes: int | None = None) -> AsyncIterator[_Bench]:
    """A contract that no other test has, and an encoder whose answers are not held back."""
    async with AsyncExitStack() as stack:
        service = NotingEncoder(f"colour@{uuid.uuid4().hex[:8]}")
        service.gate.set()
        server = colour_server(service)
        address = await server.start()
        stack.push_async_callback(server.stop, 0)
        client = await stack.enter_async_context(EncoderClient(address))
        shared = SharedVectors(cache_url, ttl_s=100) if cache_url else None
        if shared:
            await stack.enter_async_context(shared)
        memory = RecentVectors(memory_bytes) if memory_bytes else None
        cached = CachedEncoder(client, memory=memory, shared=shared)
        await cached.describe()
        yield _Bench(service, cached, stack)


@pytest.fixture
async def bench(cache_url: str) -> AsyncIterator[_Bench]:
    async with _bench(cache_url) as ready:
        yield ready


@pytest.fixture
def own_cache(tmp_path: Path) -> Iterator[ValkeyProcess]:
    """A cache that a test may stop."""
    with ValkeyProcess(tmp_path / "cache", CACHE_OPTIONS) as server:
        yield server


def _lookups(tier: str, outcome: str) -> float:
    labels = {"tier": tier, "outcome": outcome}
    return REGISTRY.get_sample_value("imagerag_embedding_cache_total", labels) or 0.0


def _assert_right(parts: list[Encoded], *images: bytes) -> None:
    for part, image in zip(parts, images, strict=True):
        assert not isinstance(part, ImageragError)
        np.testing.assert_array_equal(part, image_vector(image))


async def test_a_batch_of_known_new_broken_and_repeated_pictures_keeps_its_order(bench: _Bench) -> None:
    await bench.images(RED)
    bench.service.forget()
    parts = await bench.images(GREEN, RED, NO_PICTURE, GREEN, BLUE, RED)
    assert bench.service.asked == [GREEN, NO_PICTURE, BLUE]
    assert isinstance(parts.pop(2), ImageFormatError)
    _assert_right(parts, GREEN, RED, GREEN, BLUE, RED)


async def test_an_error_is_not_remembered(bench: _Bench) -> None:
    for _ in range(2):
        (part,) = await bench.images(NO_PICTURE)
        assert isinstance(part, ImageFormatError)
    assert bench.service.asked == [NO_PICTURE] * 2


async def test_a_picture_known_to_one_process_is_known_to_all(bench: _Bench, cache_url: str) -> None:
    await bench.images(RED)
    async with _bench(cache_url) as another:
        another.service.fingerprint = bench.service.fingerprint
        _assert_right(await another.images(RED), RED)
        assert another.service.asked == []


async def test_a_stream_asks_for_what_is_new_and_keeps_it_for_all(bench: _Bench, cache_url: str) -> None:
    await bench.images(RED)
    bench.service.forget()
    first = await bench.streamed([[GREEN, RED], [NO_PICTURE, GREEN], [], [BLUE, RED, NO_PICTURE]])
    assert sorted(bench.service.asked) == sorted([GREEN, NO_PICTURE, BLUE])
    assert [isinstance(part, ImageFormatError) for part in first] == [
        False,
        False,
        True,
        False,
        False,
        False,
        True,
    ]
    _assert_right([part for part in first if not isinstance(part, ImageragError)], GREEN, RED, GREEN, BLUE, RED)

    async with _bench(cache_url) as another:
        another.service.fingerprint = bench.service.fingerprint
        _assert_right(await another.streamed([[RED, BLUE], [GREEN]]), RED, BLUE, GREEN)
        assert another.service.asked == []
        assert isinstance((await another.streamed([[NO_PICTURE]]))[0], ImageFormatError)
        assert another.service.asked == [NO_PICTURE], "an error is not remembered"


async def test_look_ups_are_counted_by_input(bench: _Bench) -> None:
    before = [_lookups("redis", outcome) for outcome in ("hit", "miss", "error")]
    await bench.images(RED, GREEN)
    await bench.images(RED, GREEN, BLUE)
    after = [_lookups("redis", outcome) for outcome in ("hit", "miss", "error")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 3, 0]


async def test_nothing_old_is_used_under_another_contract(bench: _Bench) -> None:
    old = bench.service.fingerprint
    await bench.images(RED)
    bench.service.fingerprint = f"{old}-next"
    bench.service.forget()
    await bench.images(RED)
    assert bench.service.asked == [RED]
    with pytest.raises(FingerprintMismatchError):
        await bench.cached.encode_images([BLUE], lane=Lane.BULK, expected_fingerprint=old)


async def test_whoever_names_no_contract_gets_nothing_that_was_kept(bench: _Bench) -> None:
    await bench.images(RED)
    for _ in range(2):
        await bench.cached.encode_images([RED], lane=Lane.BULK, expected_fingerprint="")
    assert bench.service.asked == [RED, RED, RED]


async def test_a_question_and_a_passage_are_not_one(bench: _Bench) -> None:
    for role in (TextRole.QUERY, TextRole.PASSAGE, TextRole.QUERY):
        np.testing.assert_array_equal(await bench.question("red", role), text_vector("red"))
    assert bench.service.asked == ["red", "red"]


async def test_one_text_in_several_spellings_is_encoded_once_and_as_it_is_named(bench: _Bench) -> None:
    for spelling in ("  rot café ", "rot café", "rot café\n"):
        await bench.question(spelling)
    assert bench.service.asked == ["rot café"]


async def test_what_is_known_needs_no_encoder(cache_url: str) -> None:
    async with _bench(cache_url) as bench:
        await bench.images(RED)
        fingerprint = bench.service.fingerprint
    async with EncoderClient("127.0.0.1:9") as nobody, SharedVectors(cache_url, ttl_s=100) as shared:
        cached = CachedEncoder(nobody, shared=shared)
        _assert_right(await cached.encode_images([RED], lane=Lane.BULK, expected_fingerprint=fingerprint), RED)
        with pytest.raises(UnavailableError):
            await cached.encode_images([RED, BLUE], lane=Lane.BULK, expected_fingerprint=fingerprint, deadline_s=1)


async def test_a_spoilt_value_is_made_anew_and_never_used(bench: _Bench, cache_url: str) -> None:
    fingerprint = bench.service.fingerprint
    key = image_key(fingerprint, RED)
    green = pack(image_key(fingerprint, GREEN), image_vector(GREEN))
    right = pack(key, image_vector(RED))
    longer = pack(key, np.ones(4, np.float32))
    with Redis.from_url(cache_url) as redis:
        for spoilt in (b"", b"x", right[:-1], green, longer, image_vector(GREEN).tobytes()):
            redis.set(key, spoilt)
            bench.service.forget()
            _assert_right(await bench.images(RED), RED)
            assert bench.service.asked == [RED]
            assert redis.get(key) == right
        redis.delete(key)
        redis.rpush(key, "not even a string")
        _assert_right(await bench.images(RED), RED)


@pytest.mark.parametrize("wrong", [np.full(3, np.nan, np.float32), np.ones(4, np.float32)], ids=["nan", "longer"])
async def test_an_answer_that_cannot_be_right_is_not_kept(bench: _Bench, cache_url: str, wrong: Vector) -> None:
    bench.service.wrong = wrong
    await bench.images(RED)
    with Redis.from_url(cache_url) as redis:
        assert not redis.exists(image_key(bench.service.fingerprint, RED))
    bench.service.wrong = None
    _assert_right(await bench.images(RED), RED)


async def test_what_is_kept_goes_by_itself(bench: _Bench, cache_url: str) -> None:
    await bench.images(RED)
    with Redis.from_url(cache_url) as redis:
        assert 90 < int(str(redis.ttl(image_key(bench.service.fingerprint, RED)))) <= 100


async def test_a_full_cache_evicts_and_stays_right(tmp_path: Path) -> None:
    bounded = (*CACHE_OPTIONS[:4], "--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru")
    vectors = {f"k{number}": np.full(768, number, np.float32) for number in range(3_000)}
    names = list(vectors)
    with ValkeyProcess(tmp_path / "cache", bounded) as server:
        async with SharedVectors(server.url, ttl_s=100) as shared:
            for start in range(0, len(names), 100):
                await shared.put({name: vectors[name] for name in names[start : start + 100]})
            found = await shared.get(names, 768)
        with server.client() as client:
            info: Any = client.info()
    assert info["evicted_keys"] > 0
    assert 100 < len(found) < len(names)
    for name, vector in found.items():
        np.testing.assert_array_equal(vector, vectors[name])


async def test_many_who_ask_the_same_at_once_are_answered_by_one_encoding(bench: _Bench) -> None:
    bench.service.gate.clear()
    before = _lookups("redis", "miss")
    asking = [asyncio.create_task(bench.question("red")) for _ in range(50)]
    await asyncio.sleep(0.2)
    bench.service.gate.set()
    for vector in await asyncio.gather(*asking):
        np.testing.assert_array_equal(vector, text_vector("red"))
    assert bench.service.asked == ["red"]
    assert _lookups("redis", "miss") - before == 1


async def test_one_who_gives_up_does_not_take_the_answer_from_another(bench: _Bench) -> None:
    bench.service.gate.clear()
    impatient = asyncio.create_task(bench.question("red"))
    await asyncio.sleep(0.1)
    patient = asyncio.create_task(bench.question("red"))
    await asyncio.sleep(0.1)
    impatient.cancel()
    await asyncio.sleep(0.1)
    bench.service.gate.set()
    np.testing.assert_array_equal(await patient, text_vector("red"))
    assert bench.service.asked == ["red"]


async def test_a_query_does_not_wait_for_a_bulk_batch_with_its_picture(bench: _Bench) -> None:
    bench.service.gate.clear()
    bulk = asyncio.create_task(bench.images(RED, lane=Lane.BULK))
    await asyncio.sleep(0.1)
    query = asyncio.create_task(bench.images(RED, lane=Lane.INTERACTIVE))
    await asyncio.sleep(0.1)
    assert bench.service.asked == [RED, RED]
    bench.service.gate.set()
    await asyncio.gather(bulk, query)


async def test_what_a_process_used_last_needs_neither_cache_nor_encoder(own_cache: ValkeyProcess) -> None:
    async with _bench(own_cache.url, memory_bytes=1 << 20) as bench:
        await bench.question("red")
        own_cache.kill()
        before = [_lookups("memory", "hit"), _lookups("redis", "error")]
        for _ in range(3):
            np.testing.assert_array_equal(await bench.question("red"), text_vector("red"))
        assert [_lookups("memory", "hit"), _lookups("redis", "error")] == [before[0] + 3, before[1]]
        assert bench.service.asked == ["red"]


async def test_what_the_cache_server_knew_is_kept_in_memory_too(own_cache: ValkeyProcess) -> None:
    async with _bench(own_cache.url) as one:
        await one.images(RED)
        async with _bench(own_cache.url, memory_bytes=1 << 20) as other:
            other.service.fingerprint = one.service.fingerprint
            await other.images(RED)
            own_cache.kill()
            _assert_right(await other.images(RED), RED)
            assert other.service.asked == []


async def test_memory_alone_is_a_cache() -> None:
    async with _bench(None, memory_bytes=1 << 20) as bench:
        for _ in range(2):
            _assert_right(await bench.images(RED, GREEN, RED), RED, GREEN, RED)
        assert bench.service.asked == [RED, GREEN]


async def test_without_any_cache_a_batch_still_sends_a_picture_once() -> None:
    async with _bench(None) as bench:
        _assert_right(await bench.images(RED, RED), RED, RED)
        await bench.images(RED)
        assert bench.service.asked == [RED, RED]


async def test_a_killed_cache_is_not_missed_and_its_return_is_noticed(own_cache: ValkeyProcess) -> None:
    async with _bench(own_cache.url) as bench:
        await bench.images(RED)
        own_cache.kill()
        before, started = _lookups("redis", "error"), time.monotonic()
        for _ in range(20):
            _assert_right(await bench.images(RED, BLUE), RED, BLUE)
        assert time.monotonic() - started < 3
        assert _lookups("redis", "error") - before == 40
        own_cache.start()
        await _known_again(bench)


async def test_a_cache_that_hangs_costs_one_short_wait_and_then_nothing(own_cache: ValkeyProcess) -> None:
    async with _bench(own_cache.url) as bench:
        await bench.images(RED)
        os.kill(own_cache.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            for _ in range(20):
                _assert_right(await bench.images(RED), RED)
            # Each of them waiting would be 5 s.
            assert 0.25 <= time.monotonic() - started < 2.5
        finally:
            os.kill(own_cache.pid, signal.SIGCONT)
        await _known_again(bench)


async def test_a_restarted_cache_is_used_at_once_over_a_new_connection(own_cache: ValkeyProcess) -> None:
    async with _bench(own_cache.url) as bench:
        await bench.images(RED)
        own_cache.kill()
        own_cache.start()
        before = _lookups("redis", "error")
        await bench.images(RED)
        await bench.images(RED)
        assert _lookups("redis", "error") == before
        assert bench.service.asked == [RED, RED]


async def _known_again(bench: _Bench) -> None:
    """Within the time that a server is left alone after a failure."""
    async with asyncio.timeout(15):
        while True:
            bench.service.forget()
            await bench.images(GREEN)
            if not bench.service.asked:
                return
            await asyncio.sleep(0.2)


async def test_a_cache_that_refuses_is_no_error(own_cache: ValkeyProcess) -> None:
    """Full, and told not to evict: what it has is used, the rest is made."""
    async with _bench(own_cache.url) as bench:
        await bench.images(RED)
        with own_cache.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
        bench.service.forget()
        for _ in range(2):
            _assert_right(await bench.images(RED, BLUE), RED, BLUE)
        assert bench.service.asked == [BLUE, BLUE]
