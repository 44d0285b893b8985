"""Streams over several replicas: spread, resumed where one dies or hangs, refused where models differ."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import Encoded, EncoderInput, PictureInput
from services.common.clients.stream_window import StreamBounds
from services.common.errors import FingerprintMismatchError
from tests.fixtures.hash_encoder import HashEncoder, hash_vector, serve_hashes

REPOSITORY = Path(__file__).parents[2]
COUNT = 2_000
_PROCESS = """
import asyncio
from tests.fixtures.hash_encoder import HashEncoder, serve_hashes

async def serve():
    async with serve_hashes(HashEncoder(item_s=0.001, ahead_items=100)) as address:
        print(address, flush=True)
        await asyncio.Event().wait()

asyncio.run(serve())
"""


def target(*addresses: str) -> str:
    """One gRPC target of several addresses."""
    return "ipv4:" + ",".join(addresses)


@contextmanager
def replica() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An encoder as a process, and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROCESS], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def pictures(count: int = COUNT) -> AsyncIterator[tuple[int, EncoderInput]]:
    """As many different ones, of 10 kB."""
    for number in range(count):
        yield number, PictureInput(number.to_bytes(4, "big") * 2_500)


def check(found: list[tuple[int, Encoded]]) -> None:
    """Every input is answered once, with its own vector."""
    assert Counter(number for number, _ in found) == dict.fromkeys(range(COUNT), 1)
    for number, vector in found:
        assert isinstance(vector, np.ndarray), vector
        assert np.array_equal(vector, hash_vector(number.to_bytes(4, "big") * 2_500))


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_a_replica_that_goes_in_the_midst_of_a_stream_costs_no_input(fault: signal.Signals) -> None:
    """Whichever serves the stream is killed, hangs for good, or dies of SIGTERM, after a quarter of the inputs."""
    with replica() as first, replica() as second:
        replicas = dict((first, second))
        async with EncoderClient(target(*replicas.values()), deadline_s=15) as client:
            found: list[tuple[int, Encoded]] = []
            async for outcome in client.encode_stream(pictures(), expected_fingerprint="hash@1"):
                found.append(outcome)
                if len(found) == COUNT // 4:
                    os.kill(busiest(list(replicas)), fault)
    check(found)


def busiest(processes: list[subprocess.Popen[str]]) -> int:
    """The process that had the most CPU time."""

    def ticks(pid: int) -> int:
        return sum(int(word) for word in Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[11:13])

    return max((process.pid for process in processes), key=ticks)


async def test_replicas_die_one_after_the_other_and_come_again() -> None:
    """A rolling restart, the hard way: whatever is left of the fleet carries the stream."""
    with replica() as first, replica() as second, replica() as third:
        addresses = [address for _, address in (first, second, third)]
        async with EncoderClient(target(*addresses), deadline_s=15) as client:
            found: list[tuple[int, Encoded]] = []
            stream = client.encode_stream(
                pictures(), expected_fingerprint="hash@1", bounds=StreamBounds(renew_s=0.4)
            )
            async for outcome in stream:
                found.append(outcome)
                if len(found) in (COUNT // 4, COUNT // 2):
                    (first if len(found) == COUNT // 4 else second)[0].kill()
    check(found)


async def test_two_streams_are_spread_over_two_replicas() -> None:
    async with AsyncExitStack() as stack:
        encoders = [HashEncoder(item_s=0.001) for _ in range(2)]
        addresses = [await stack.enter_async_context(serve_hashes(encoder)) for encoder in encoders]
        client = await stack.enter_async_context(EncoderClient(target(*addresses)))
        # Round robin goes over the connections that are there.
        async with asyncio.timeout(5):
            while not all([await reached(client, encoder) for encoder in encoders]):
                await asyncio.sleep(0.05)
        before = [encoder.computed.total() for encoder in encoders]
        await asyncio.gather(*(drained(client, 300) for _ in range(2)))
        shares = [encoder.computed.total() - count for encoder, count in zip(encoders, before, strict=True)]
    assert shares == [300, 300]


async def reached(client: EncoderClient, encoder: HashEncoder) -> bool:
    """Whether a replica has had a call."""
    await drained(client, 1)
    return encoder.calls > 0


async def drained(client: EncoderClient, count: int) -> None:
    """A whole stream."""
    stream = client.encode_stream(pictures(count), expected_fingerprint="hash@1")
    assert len([outcome async for outcome in stream]) == count


@pytest.mark.parametrize("expected", ["hash@1", ""])
async def test_a_mixed_fleet_is_refused_by_both_names(expected: str) -> None:
    """A stream that is renewed comes to the other replica, and no vector of it ever reaches the caller."""
    async with AsyncExitStack() as stack:
        encoders = [HashEncoder(name, item_s=0.002) for name in ("hash@1", "hash@2")]
        addresses = [await stack.enter_async_context(serve_hashes(encoder)) for encoder in encoders]
        client = await stack.enter_async_context(EncoderClient(target(*addresses)))
        stream = client.encode_stream(
            pictures(), expected_fingerprint=expected, bounds=StreamBounds(renew_s=0.2), progress_s=5
        )
        with pytest.raises(FingerprintMismatchError) as caught:
            await _all(stream)
    assert "'hash@1'" in caught.value.message
    assert "'hash@2'" in caught.value.message
    if expected:
        assert not encoders[1].computed
    else:
        assert not (encoders[0].computed and encoders[1].computed)


async def _all(stream: AsyncIterator[tuple[int, Encoded]]) -> None:
    async for _ in stream:
        pass
