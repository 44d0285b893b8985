"""Memory after 20,000 pictures is that after 2,000: sizes, calls and threads mixed as a day would mix them."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import Lane, PictureInput
from services.common.errors import ImageragError
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.process_figures import resident_bytes
from tests.fixtures.tiny_clip import save_tiny_clip

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc"),
]
FIRST, LAST = (2_000, 2_500, 3_000), (19_000, 19_500, 20_000)
"""Readings at the beginning and the end; a single one moves by 10 % with what the allocator holds back."""
BETWEEN = (8_000, 14_000)
THREADS = 6
MOST_A_CALL = 16
SIDES_PX = (64, 1600)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderProcess]:
    folder = tmp_path_factory.mktemp("memory")
    # A model that takes next to nothing: what is watched is decoding, transport and batching.
    settings = {
        "IMAGERAG_ENCODER_MODEL": str(save_tiny_clip(folder / "model")),
        "IMAGERAG_ENCODER_PRECISION": "float32",
        "IMAGERAG_ENCODER_DECODE_THREADS": "2",
    }
    with EncoderProcess(folder / "encoder", settings) as process:
        yield process


def photos() -> list[bytes]:
    """JPEGs of three photos in 60 sizes, some progressive."""
    sizes, files = random.Random(5), list[bytes]()
    for number, data in zip(range(60), itertools.cycle((CAT, COFFEE, ROCKET)), strict=False):
        with Image.open(BytesIO(data)) as photo:
            scaled = photo.convert("RGB").resize((sizes.randint(*SIDES_PX), sizes.randint(*SIDES_PX)))
        files.append(encode(scaled, "JPEG", quality=sizes.randint(60, 95), progressive=number % 5 == 0))
    return files


def shares(count: int) -> list[int]:
    """Split among the threads."""
    return [count // THREADS + (number < count % THREADS) for number in range(THREADS)]


def send(address: str, files: Sequence[bytes], count: int, number: int) -> int:
    """From a thread with a loop and a connection of its own; every second thread by a stream."""
    return asyncio.run(_send(address, files, count, number))


async def _send(address: str, files: Sequence[bytes], count: int, number: int) -> int:
    chosen = random.Random(number).choices(files, k=count)
    async with EncoderClient(address, deadline_s=120) as client:
        if number % 2:
            return await _by_stream(client, chosen)
        return await _by_calls(client, chosen, random.Random(number))


async def _by_stream(client: EncoderClient, chosen: Sequence[bytes]) -> int:
    async def inputs() -> AsyncIterator[tuple[int, PictureInput]]:
        for key, data in enumerate(chosen):
            yield key, PictureInput(data)

    outcomes = [outcome async for _, outcome in client.encode_stream(inputs(), expected_fingerprint="")]
    return sum(not isinstance(outcome, ImageragError) for outcome in outcomes)


async def _by_calls(client: EncoderClient, chosen: Sequence[bytes], sizes: random.Random) -> int:
    done, at = 0, 0
    while at < len(chosen):
        part = chosen[at : at + sizes.randint(1, MOST_A_CALL)]
        lane = sizes.choice([Lane.BULK, Lane.INTERACTIVE])
        rows = await client.encode_images(part, lane=lane, expected_fingerprint="")
        done += sum(not isinstance(row, ImageragError) for row in rows)
        at += len(part)
    return done


def test_memory_does_not_grow_with_the_pictures_seen(encoder: EncoderProcess) -> None:
    files, began = photos(), time.monotonic()
    resident: dict[int, int] = {0: resident_bytes(encoder.pid)}
    done = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for goal in (*FIRST, *BETWEEN, *LAST):
            running = [
                pool.submit(send, encoder.address, files, count, goal + number)
                for number, count in enumerate(shares(goal - done))
            ]
            done += sum(thread.result() for thread in running)
            assert done == goal
            time.sleep(1)
            resident[done] = resident_bytes(encoder.pid)
    shown = ", ".join(f"after {count:,}: {size / 2**20:.0f} MiB" for count, size in resident.items())
    first, last = (statistics.median(resident[count] for count in counts) for counts in (FIRST, LAST))
    print(f"\n{shown}; ratio of the medians {last / first:.3f}; {time.monotonic() - began:.0f} s")
    assert last <= 1.10 * first
