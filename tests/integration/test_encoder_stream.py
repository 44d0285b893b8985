"""A stream's caller against real servers that answer as they like, refuse, break off and fall silent."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import Encoded, EncoderInput, PictureInput, PixelsInput, TextInput
from services.common.clients.stream_window import StreamBounds
from services.common.errors import (
    DeadlineError,
    ExhaustedError,
    FingerprintMismatchError,
    ImageFormatError,
    ImageragError,
    InternalError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnavailableError,
)
from services.common.rpc.server import RpcLimits
from tests.fixtures.hash_encoder import BAD, HashEncoder, expected_vector, hash_server, serve_hashes

HASH = "hash@1"
Inputs = list[EncoderInput]


def mixed(count: int, seed: int = 0) -> Inputs:
    """Pictures, prepared ones and texts, of very different sizes; no two are equal."""
    rng = Random(seed)

    def one(number: int) -> EncoderInput:
        size = rng.choice([1, 30, 2_000])
        if number % 3 == 0:
            return TextInput(f"{number} " + "词" * size)
        if number % 3 == 1:
            return PictureInput(f"{number}:".encode() + rng.randbytes(size))
        side = 4 + number % 5
        pixels = np.frombuffer(f"{number:012d}".encode() + rng.randbytes(3 * side * side - 12), np.uint8)
        return PixelsInput(pixels.reshape(3, side, side), "p1abcdef")

    return [one(number) for number in range(count)]


async def source_of(inputs: Inputs) -> AsyncIterator[tuple[int, EncoderInput]]:
    """Each under its place."""
    for place, content in enumerate(inputs):
        yield place, content


async def outcomes_of(
    client: EncoderClient, inputs: Inputs, bounds: StreamBounds | None = None, progress_s: float = 10.0
) -> list[tuple[int, Encoded]]:
    """The whole stream."""
    stream = client.encode_stream(
        source_of(inputs), expected_fingerprint=HASH, progress_s=progress_s, bounds=bounds or StreamBounds()
    )
    return [outcome async for outcome in stream]


def check(inputs: Inputs, outcomes: list[tuple[int, Encoded]]) -> None:
    """Each input has one outcome, its own."""
    assert sorted(place for place, _ in outcomes) == list(range(len(inputs)))
    for place, outcome in outcomes:
        assert isinstance(outcome, np.ndarray), outcome
        assert np.array_equal(outcome, expected_vector(inputs[place]))


async def test_every_input_has_its_own_outcome_in_whatever_order() -> None:
    inputs = mixed(500)
    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        outcomes = await outcomes_of(client, inputs)
    check(inputs, outcomes)
    assert [place for place, _ in outcomes] != sorted(place for place, _ in outcomes)


async def test_a_bad_input_fails_alone() -> None:
    inputs: Inputs = [PictureInput(BAD + bytes([n])) if n == 3 else PictureInput(bytes([n])) for n in range(9)]
    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        outcomes = dict(await outcomes_of(client, inputs))
    failed = outcomes.pop(3)
    assert isinstance(failed, ImageFormatError)
    assert all(isinstance(outcome, np.ndarray) for outcome in outcomes.values())


async def test_a_stream_of_nothing_makes_no_call() -> None:
    encoder = HashEncoder()
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        assert await outcomes_of(client, []) == []
    assert encoder.calls == 0


def breaking(seed: int, most: int) -> Callable[[int, Any], Any]:
    """A connection that breaks every now and then, mostly in the midst of work, as a killed replica's does."""
    rng = Random(seed)

    async def fault(answered: int, context: Any) -> None:
        nonlocal most
        if most and rng.random() < 0.1:
            most -= 1
            kind = rng.randrange(3)
            if kind == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
            if kind == 1:
                raise ExhaustedError("The queue is full.", retry_after_s=0.05)
            raise UnavailableError("Not now.", retry_after_s=0.01)

    return fault


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 300),
    breaks=st.integers(0, 3),
    window_items=st.integers(1, 80),
    window_bytes=st.sampled_from([1, 5_000, 1 << 20]),
    message_items=st.integers(1, 40),
    message_bytes=st.sampled_from([1, 3_000, 1 << 20]),
    renew_s=st.sampled_from([0.01, 0.05, 60]),
    ahead_items=st.integers(1, 50),
)
@settings(max_examples=40, deadline=None)
def test_exactly_once_whatever_happens_to_the_calls(
    seed: int,
    count: int,
    breaks: int,
    window_items: int,
    window_bytes: int,
    message_items: int,
    message_bytes: int,
    renew_s: float,
    ahead_items: int,
) -> None:
    async def stream() -> None:
        encoder = HashEncoder(seed=seed, ahead_items=ahead_items, fault=breaking(seed, breaks))
        async with serve_hashes(encoder) as address, EncoderClient(address) as client:
            check(inputs, await outcomes_of(client, inputs, bounds))

    inputs = mixed(count, seed)
    bounds = StreamBounds(window_items, window_bytes, message_items, message_bytes, renew_s)
    asyncio.run(stream())


async def test_a_slow_encoder_slows_the_source_down() -> None:
    taken, given_back = 0, 0

    async def source() -> AsyncIterator[tuple[int, EncoderInput]]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield number, PictureInput(str(number).encode())

    encoder = HashEncoder(item_s=0.001, ahead_items=10)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        bounds = StreamBounds(items=20)
        async for _ in client.encode_stream(source(), expected_fingerprint=HASH, bounds=bounds):
            assert taken - given_back <= 20
            given_back += 1
    assert given_back == 300


async def test_a_slow_caller_slows_the_source_down_and_is_no_lack_of_progress() -> None:
    taken = 0

    async def source() -> AsyncIterator[tuple[int, EncoderInput]]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number, PictureInput(str(number).encode())

    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        stream = client.encode_stream(
            source(), expected_fingerprint=HASH, bounds=StreamBounds(items=8), progress_s=0.3
        )
        async with aclosing(stream):
            await anext(stream)
            await asyncio.sleep(0.8)
            assert taken <= 10
            assert len([None async for _ in stream]) == 59


async def test_a_source_in_no_hurry_is_no_lack_of_progress() -> None:
    async def source() -> AsyncIterator[tuple[int, EncoderInput]]:
        yield 0, PictureInput(b"0")
        await asyncio.sleep(0.8)
        yield 1, PictureInput(b"1")

    encoder = HashEncoder()
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        stream = client.encode_stream(source(), expected_fingerprint=HASH, progress_s=0.3)
        assert [key async for key, _ in stream] == [0, 1]
    assert encoder.calls == 1


async def test_the_callers_memory_is_bounded() -> None:
    """Of 2,000 pictures of 10 kB no more are alive than the window holds, broken calls or not."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    class Picture(PictureInput):
        __hash__ = object.__hash__

    async def source() -> AsyncIterator[tuple[int, EncoderInput]]:
        for number in range(2_000):
            picture = Picture(number.to_bytes(4, "big") + bytes(10_000))
            alive.add(picture)
            yield number, picture
            del picture

    encoder = HashEncoder(fault=breaking(1, 3))
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        bounds = StreamBounds(size_bytes=500_000)
        async for _ in client.encode_stream(source(), expected_fingerprint=HASH, bounds=bounds):
            most = max(most, len(alive))
    print(f"\nat most {most} of 2,000 pictures alive; the window holds 50")
    assert 20 < most <= 60


async def test_silence_is_a_deadline_and_not_before() -> None:
    async def silent_after_30(answered: int, context: Any) -> None:
        await asyncio.sleep(0.05 if answered < 30 else 60)

    encoder = HashEncoder(fault=silent_after_30, ahead_items=5)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        times_s: list[float] = []

        async def consume() -> None:
            stream = client.encode_stream(source_of(mixed(99)), expected_fingerprint=HASH, progress_s=0.4)
            while True:
                await anext(stream)
                times_s.append(asyncio.get_running_loop().time())

        with pytest.raises(DeadlineError, match=r"no outcome for 0\.4 s"):
            await consume()
        assert len(times_s) >= 30
        assert 0.35 < asyncio.get_running_loop().time() - times_s[-1] < 2


@pytest.mark.parametrize("way", ["cancelled", "closed", "left", "broken source"])
async def test_a_caller_that_goes_away_ends_the_call_at_the_encoder(way: str) -> None:
    encoder = HashEncoder(item_s=0.005)

    async def source() -> AsyncIterator[tuple[int, EncoderInput]]:
        for number in range(10_000):
            if way == "broken source" and number == 300:
                raise KeyError("page 7")
            yield number, PictureInput(str(number).encode())

    async def consume() -> None:
        count = 0
        stream = client.encode_stream(source(), expected_fingerprint=HASH)
        async for _ in stream:
            count += 1
            if way == "left" and count == 5:
                return
            if way == "closed" and count == 5:
                await stream.aclose()

    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        task = asyncio.create_task(consume())
        if way == "cancelled":
            while not encoder.computed:
                await asyncio.sleep(0.01)
            assert encoder.open_calls == 1
            task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        kinds = {"cancelled": asyncio.CancelledError, "broken source": KeyError}
        assert isinstance(result, kinds.get(way, type(None)))
        await until(lambda: encoder.open_calls == 0)
        computed = encoder.computed.total()
        await asyncio.sleep(0.2)
        assert encoder.computed.total() == computed < 1_000
        assert len(asyncio.all_tasks()) < 20


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_refusal_is_asked_again_when_it_says_so() -> None:
    refusals = 3

    async def fault(answered: int, context: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise ExhaustedError("The queue is full.", retry_after_s=0.3)

    inputs = mixed(50)
    encoder = HashEncoder(fault=fault)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        started = asyncio.get_running_loop().time()
        check(inputs, await outcomes_of(client, inputs))
        assert asyncio.get_running_loop().time() - started > 0.85
    assert encoder.calls == 4


async def test_a_server_that_takes_no_more_calls_is_asked_again_with_pauses() -> None:
    """Refused before anything was sent."""
    encoder = HashEncoder(item_s=0.002)
    async with (
        serve_hashes(encoder, RpcLimits(concurrent_calls=1)) as address,
        EncoderClient(address) as first,
        EncoderClient(address) as second,
    ):
        other = asyncio.create_task(outcomes_of(first, mixed(700)))
        await until(lambda: encoder.open_calls == 1)
        check(mixed(50), await outcomes_of(second, mixed(50)))
        check(mixed(700), await other)
    assert encoder.calls == 2


async def test_refusals_are_not_asked_for_ever() -> None:
    async def fault(answered: int, context: Any) -> None:
        raise ExhaustedError("The queue is full.", retry_after_s=0.2)

    encoder = HashEncoder(fault=fault)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        with pytest.raises(ExhaustedError, match="The queue is full") as caught:
            await outcomes_of(client, mixed(50), progress_s=1.0)
    assert caught.value.retry_after_s == 0.2
    assert 3 <= encoder.calls <= 7


async def test_nobody_there_is_said_in_time() -> None:
    async with EncoderClient("127.0.0.1:9") as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError):
            await outcomes_of(client, mixed(3), progress_s=3.0)
        assert 2.9 < asyncio.get_running_loop().time() - started < 5


@pytest.mark.parametrize("error", [InvalidRequestError("Twice the same number."), InternalError()])
async def test_what_does_not_pass_is_not_asked_again(error: ImageragError) -> None:
    async def fault(answered: int, context: Any) -> None:
        raise error

    encoder = HashEncoder(fault=fault)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        with pytest.raises(type(error), match=error.message):
            await outcomes_of(client, mixed(50))
    assert encoder.calls == 1


async def test_an_input_that_breaks_every_call_is_given_up_and_the_others_are_not() -> None:
    """A picture that kills whoever decodes it."""
    poison = PictureInput(b"poison")
    inputs = [*mixed(40), poison, *mixed(40, seed=1)]
    encoder = HashEncoder(ahead_items=8, deadly=poison.data)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        outcomes = await outcomes_of(client, inputs, StreamBounds(items=10))
    failed = {place for place, outcome in outcomes if isinstance(outcome, UnavailableError)}
    assert sorted(place for place, _ in outcomes) == list(range(81))
    assert 40 in failed
    assert len(failed) <= 10, "at most what was under way beside it"
    assert encoder.calls == 5


async def test_another_contract_is_refused_by_both_names() -> None:
    async with serve_hashes(HashEncoder("hash@2")) as address, EncoderClient(address) as client:
        with pytest.raises(FingerprintMismatchError, match=r"'hash@1'.*'hash@2'"):
            await outcomes_of(client, mixed(3))


async def test_a_stream_that_expects_nothing_is_held_to_its_first_answer() -> None:
    """The encoder changes its model between two calls of one stream."""
    encoder = HashEncoder(item_s=0.002)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        stream = client.encode_stream(
            source_of(mixed(2_000)), expected_fingerprint="", bounds=StreamBounds(renew_s=0.3)
        )
        await anext(stream)
        encoder.fingerprint = "hash@2"
        with pytest.raises(FingerprintMismatchError, match=r"'hash@1'.*'hash@2'"):
            async for _ in stream:
                pass


async def test_an_input_that_fits_into_no_message_fails_alone() -> None:
    inputs: Inputs = [PictureInput(b"a"), PictureInput(bytes(64 * 1024 * 1024)), PictureInput(b"b")]
    async with serve_hashes(HashEncoder()) as address, EncoderClient(address) as client:
        outcomes = dict(await outcomes_of(client, inputs))
    assert isinstance(outcomes[1], PayloadTooLargeError)
    assert isinstance(outcomes[0], np.ndarray)
    assert isinstance(outcomes[2], np.ndarray)


async def test_a_mistake_of_the_callers_is_told_and_not_repeated() -> None:
    encoder = HashEncoder()
    wrong: Any = [PictureInput("text"), PictureInput(b"x")]  # type: ignore[arg-type]
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        with pytest.raises(TypeError):
            await outcomes_of(client, wrong)


async def test_calls_are_renewed_while_inputs_flow() -> None:
    inputs = mixed(300)
    encoder = HashEncoder(item_s=0.002, ahead_items=10)
    async with serve_hashes(encoder) as address, EncoderClient(address) as client:
        check(inputs, await outcomes_of(client, inputs, StreamBounds(items=40, renew_s=0.1)))
    assert encoder.calls >= 4
    assert set(encoder.computed.values()) == {1}, "a call that is renewed answers what it took"


async def test_connections_that_come_of_age_cost_no_input() -> None:
    inputs = mixed(300)
    encoder = HashEncoder(item_s=0.01, ahead_items=10)
    limits = RpcLimits(connection_age_s=0.3)
    async with serve_hashes(encoder, limits) as address, EncoderClient(address) as client:
        check(inputs, await outcomes_of(client, inputs, StreamBounds(items=40, renew_s=0.5)))
    assert set(encoder.computed.values()) == {1}


async def test_a_server_that_stops_answers_what_it_has_and_the_rest_goes_elsewhere() -> None:
    inputs = mixed(400)
    encoders = [HashEncoder(item_s=0.004, ahead_items=16) for _ in range(2)]
    servers = [hash_server(encoder) for encoder in encoders]
    addresses = [await server.start() for server in servers]
    try:
        async with EncoderClient("ipv4:" + ",".join(addresses)) as client:
            running = asyncio.create_task(outcomes_of(client, inputs, StreamBounds(items=60)))
            await until(lambda: max(encoder.computed.total() for encoder in encoders) > 40)
            leaving = max(range(2), key=lambda place: encoders[place].computed.total())
            started = asyncio.get_running_loop().time()
            await servers[leaving].stop(20)
            assert asyncio.get_running_loop().time() - started < 2, "the stream does not take up the time to drain"
            check(inputs, await running)
    finally:
        for server in servers:
            await server.stop(0)
    assert max((encoders[0].computed + encoders[1].computed).values()) == 1, "nothing was computed in vain"
