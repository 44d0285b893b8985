"""G3: callers whose time is up while the model is busy are told at once, and their inputs are never computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from services.common.clients.encoder import EncoderClient, Lane
from services.common.errors import DeadlineError, ImageragError
from tests.fixtures.brokers import free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.open_loop import percentile
from tests.fixtures.process_figures import metric
from tests.fixtures.tiny_clip import save_tiny_clip

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
DEADLINE_S = 0.05
CALLERS, PICTURES = 20, 4
BATCH = 8
COMPUTED = "imagerag_encoder_batch_items_sum"


@dataclass(frozen=True)
class SlowEncoder:
    """An encoder whose model takes about half a second for a batch of `BATCH` pictures on one thread."""

    process: EncoderProcess
    metrics_port: int

    def computed(self) -> float:
        """Inputs that went through the model so far."""
        return metric(self.metrics_port, COMPUTED)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowEncoder]:
    folder = tmp_path_factory.mktemp("slow")
    # 785 patches of 8 px: the work of a large model without its weights.
    model = save_tiny_clip(
        folder / "model", patch_size=8, hidden_size=128, intermediate_size=512, num_hidden_layers=8
    )
    port = free_port()
    settings = {
        "IMAGERAG_ENCODER_MODEL": str(model),
        "IMAGERAG_ENCODER_PRECISION": "float32",
        "IMAGERAG_ENCODER_STREAMS": "1",
        "IMAGERAG_ENCODER_DEVICE_BATCH_ITEMS": str(BATCH),
        "IMAGERAG_ENCODER_METRICS_PORT": str(port),
    }
    with EncoderProcess(folder / "encoder", settings) as process:
        yield SlowEncoder(process, port)


@pytest.fixture
async def client(slow: SlowEncoder) -> AsyncIterator[EncoderClient]:
    async with EncoderClient(slow.process.address, deadline_s=60) as opened:
        await encode_batch(opened, seed=0)
        yield opened


async def encode_batch(client: EncoderClient, seed: int, pictures: int = BATCH, deadline_s: float = 60) -> float:
    """Seconds until the answer, or until the deadline's error."""
    images = [encode(noise(32, 32, seed * 100 + number), "JPEG") for number in range(pictures)]
    began = time.perf_counter()
    try:
        rows = await client.encode_images(
            images, lane=Lane.INTERACTIVE, expected_fingerprint="", deadline_s=deadline_s
        )
        assert not any(isinstance(row, ImageragError) for row in rows)
    except DeadlineError:
        return time.perf_counter() - began
    assert deadline_s > 1, "a batch that takes half a second was answered within the deadline"
    return time.perf_counter() - began


async def test_expired_calls_end_at_once_and_are_not_computed(slow: SlowEncoder, client: EncoderClient) -> None:
    alone_s = await encode_batch(client, seed=1)
    before = slow.computed()
    busy = asyncio.create_task(encode_batch(client, seed=2))
    await asyncio.sleep(0.1)
    ended_s = await asyncio.gather(
        *(encode_batch(client, 10 + caller, PICTURES, DEADLINE_S) for caller in range(CALLERS))
    )
    busy_s = await busy
    # Whatever had been left in the queue would be computed now, before this one.
    next_s = await encode_batch(client, seed=3)
    computed = slow.computed() - before
    print(
        f"\na batch takes {alone_s * 1000:.0f} ms; {CALLERS} calls of {PICTURES} pictures with a deadline of "
        f"{DEADLINE_S * 1000:.0f} ms ended after p50 {percentile(ended_s, 0.5) * 1000:.0f} ms, at most "
        f"{max(ended_s) * 1000:.0f} ms; computed {computed:.0f} of {CALLERS * PICTURES + 2 * BATCH} pictures; "
        f"the call before them took {busy_s * 1000:.0f} ms, the next one {next_s * 1000:.0f} ms"
    )
    assert alone_s > 5 * DEADLINE_S
    assert max(ended_s) < DEADLINE_S + 0.25
    # The busy call and the next one; the model is not interrupted, so one batch more may have been begun.
    assert computed <= 3 * BATCH
    assert next_s < 3 * alone_s


async def test_a_call_that_is_cancelled_is_not_computed(slow: SlowEncoder, client: EncoderClient) -> None:
    before = slow.computed()
    busy = asyncio.create_task(encode_batch(client, seed=20))
    await asyncio.sleep(0.1)
    waiting = [asyncio.create_task(encode_batch(client, 30 + caller, PICTURES)) for caller in range(CALLERS)]
    await asyncio.sleep(0.2)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await busy
    await encode_batch(client, seed=21)
    computed = slow.computed() - before
    print(f"\ncancelled: computed {computed:.0f} of {CALLERS * PICTURES + 2 * BATCH} pictures")
    assert computed <= 3 * BATCH
