"""An encoder killed under load and started again: callers are told at once, and then get the same vectors."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.common.clients.encoder import EncoderClient
from services.common.clients.encoder_inputs import Lane
from services.common.domain import Vector
from services.common.errors import ImageragError, UnavailableError
from tests.fixtures.brokers import free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.open_loop import percentile
from tests.fixtures.tiny_clip import save_tiny_clip

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
CALLERS = 8
DEADLINE_S = 20.0
SOON_S = 5.0
PICTURE = encode(noise(64, 64), "JPEG")


@pytest.fixture
def encoder(tmp_path: Path) -> Iterator[EncoderProcess]:
    settings = {
        "IMAGERAG_ENCODER_MODEL": str(save_tiny_clip(tmp_path / "model")),
        "IMAGERAG_ENCODER_PORT": str(free_port()),
    }
    with EncoderProcess(tmp_path / "encoder", settings) as process:
        yield process


class Callers:
    """Ask in a loop until told to stop; each failure is noted with the time it took."""

    def __init__(self, client: EncoderClient) -> None:
        self._client = client
        self.stopped = False
        self.vectors: list[tuple[float, Vector]] = []
        self.failures: list[tuple[float, ImageragError]] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._ask() for _ in range(CALLERS)))

    async def _ask(self) -> None:
        while not self.stopped:
            began = time.monotonic()
            try:
                (row,) = await self._client.encode_images([PICTURE], lane=Lane.BULK, expected_fingerprint="")
            except ImageragError as error:
                self.failures.append((time.monotonic() - began, error))
                await asyncio.sleep(0.1)
            else:
                assert not isinstance(row, ImageragError)
                self.vectors.append((time.monotonic(), row))
            await asyncio.sleep(0.01)


async def test_killed_under_load_and_started_again(encoder: EncoderProcess) -> None:
    async with EncoderClient(encoder.address, deadline_s=DEADLINE_S) as client:
        fingerprint = (await client.describe()).fingerprint
        callers = Callers(client)
        running = asyncio.create_task(callers.run())
        await asyncio.sleep(3)
        before = len(callers.vectors)
        await asyncio.to_thread(encoder.kill)
        await asyncio.sleep(4)
        down = list(callers.failures)
        await asyncio.to_thread(encoder.start)
        started = time.monotonic()
        await asyncio.sleep(2 * SOON_S)
        callers.stopped = True
        await running
        assert (await client.describe()).fingerprint == fingerprint

    back = [at - started for at, _ in callers.vectors[before:] if at >= started]
    told_s = [seconds for seconds, _ in callers.failures]
    kinds = Counter(type(error).__name__ for _, error in callers.failures)
    lowest = min(float(row @ callers.vectors[0][1]) for _, row in callers.vectors)
    print(
        f"\n{before} vectors before; down for 4 s and the start: {len(callers.failures)} failures {dict(kinds)}, "
        f"told after p95 {percentile(told_s, 0.95):.2f} s; the first vector {min(back):.2f} s after the start, "
        f"{len(back)} since; lowest cosine to the first {lowest:.6f}"
    )
    assert before > 20
    assert down
    assert all(isinstance(error, UnavailableError) and error.retryable for _, error in callers.failures)
    assert percentile(told_s, 0.95) < SOON_S
    assert min(back) < SOON_S
    assert np.isclose(lowest, 1.0, atol=1e-4)
