"""The stages of ingest side by side: an encoder that holds its answers back until it sees what it waits for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from imagerag.v1 import encoder_pb2

from services.common.errors import ExhaustedError
from services.common.index.index import Index
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, Message
from services.common.jobs.records import Job, JobSource, ManifestLine, Outcome
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.colour_encoder import ColourEncoder, serve_colours
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from workers.app import compose
from workers.ingest.batch import BatchService
from workers.settings import WorkersSettings

ITEMS, CHUNK, WRITTEN = 24, 4, 8
LIMIT_S = 20.0


@dataclass
class HoldingEncoder(ColourEncoder):
    """Answers an input of a stream once `may_answer` says so; may be full for some calls.

    Attributes:
        seen: Inputs that came so far.
        may_answer: Told how many inputs were answered before.
        full_calls: Calls to refuse.
    """

    seen: int = 0
    answered: int = 0
    full_calls: int = 0
    may_answer: Callable[[int], bool] = field(default=lambda _answered: True)

    async def EncodeStream(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Read everything that comes, and answer one input after the other as far as that is allowed."""
        if self.full_calls:
            self.full_calls -= 1
            raise ExhaustedError("Full.", retry_after_s=0.05)
        waiting: asyncio.Queue[Any] = asyncio.Queue()
        reading = asyncio.create_task(self._read(request, waiting))
        head = await waiting.get()
        yield encoder_pb2.EncodeStreamResponse(fingerprint=self.fingerprint)
        while (sent := await waiting.get()) is not None:
            while not self.may_answer(self.answered):
                await asyncio.sleep(0.01)
            outcomes = await self.answer(head, [sent], context)
            self.answered += 1
            yield encoder_pb2.EncodeStreamResponse(outcomes=outcomes)
        await reading

    async def _read(self, messages: Any, waiting: asyncio.Queue[Any]) -> None:
        async for message in messages:
            if not message.inputs:
                waiting.put_nowait(message)
            for sent in message.inputs:
                self.seen += 1
                waiting.put_nowait(sent)
        waiting.put_nowait(None)


@dataclass
class Bench:
    tenant: str
    batches: BatchService
    ledger: JobLedger
    media: MediaStore
    encoder: HoldingEncoder
    index: Index
    published: list[BatchMessage]

    def accept(self, count: int = ITEMS) -> Job:
        lines = [
            ManifestLine(f"{seed}.png", sha256=self.media.put(self.tenant, encode(noise(8, 8, seed), "PNG")))
            for seed in range(count)
        ]
        return self.ledger.accept(self.tenant, lines, JobSource("upload"))

    async def stored(self) -> int:
        collection = await self.index.resolve()
        return await self.index.count(collection, self.tenant) if collection else 0

    def assert_all_stored(self, job: Job) -> None:
        outcomes = self.ledger.outcomes(job).values()
        assert [found.outcome for found in outcomes] == [Outcome.STORED] * job.total
        assert self.ledger.attempts.earlier(job, 0, job.total) == 0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("overlap")
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield broker.url, store.url


@asynccontextmanager
async def _bench(folder: Path, servers: tuple[str, str], **settings: Any) -> AsyncIterator[Bench]:
    encoder, published, objects = HoldingEncoder(), list[BatchMessage](), open_objects(str(folder))

    def publish(messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        published.extend(message for message in messages if isinstance(message, BatchMessage))

    async with serve_colours(encoder) as address:
        told = WorkersSettings(
            broker_url=servers[0],
            qdrant_url=servers[1],
            data_url=str(folder),
            encoder_url=address,
            chunk_items=CHUNK,
            write_items=WRITTEN,
            **settings,
        )
        async with compose(told, publish) as services, Index(servers[1]) as index:
            ledger, tenant = JobLedger(objects, RevisionClock()), f"t{uuid.uuid4().hex[:8]}"
            yield Bench(tenant, services.batches, ledger, MediaStore(objects), encoder, index, published)


async def test_later_pictures_are_read_while_earlier_ones_are_at_the_encoder(
    tmp_path: Path, servers: tuple[str, str]
) -> None:
    async with _bench(tmp_path, servers) as bench:
        job = bench.accept()
        # Nothing is answered before everything is there: who read chunk by chunk would wait for ever.
        bench.encoder.may_answer = lambda _: bench.encoder.seen == ITEMS
        async with asyncio.timeout(LIMIT_S):
            assert await bench.batches.run(job.id, bench.tenant, 0, ITEMS) is None
        bench.assert_all_stored(job)


async def test_items_are_written_while_later_ones_are_at_the_encoder(
    tmp_path: Path, servers: tuple[str, str]
) -> None:
    async with _bench(tmp_path, servers) as bench:
        job, stored = bench.accept(), 0
        # The third of three groups is held back until the first stands in the store.
        bench.encoder.may_answer = lambda answered: answered < 2 * WRITTEN or stored >= WRITTEN
        running = asyncio.create_task(bench.batches.run(job.id, bench.tenant, 0, ITEMS))
        async with asyncio.timeout(LIMIT_S):
            while stored < WRITTEN:
                stored = await bench.stored()
                await asyncio.sleep(0.02)
            assert bench.ledger.outcomes(job) == {}, "an outcome is noted when the message ends"
            assert await running is None
        bench.assert_all_stored(job)


async def test_a_full_encoder_slows_down_and_fails_nothing(tmp_path: Path, servers: tuple[str, str]) -> None:
    async with _bench(tmp_path, servers) as bench:
        job = bench.accept()
        bench.encoder.full_calls = 4
        async with asyncio.timeout(LIMIT_S):
            assert await bench.batches.run(job.id, bench.tenant, 0, ITEMS) is None
        assert bench.encoder.full_calls == 0
        bench.assert_all_stored(job)


async def test_a_message_whose_time_is_over_keeps_what_is_done_and_goes_on_with_the_rest(
    tmp_path: Path, servers: tuple[str, str]
) -> None:
    async with _bench(tmp_path, servers, batch_limit_s=4.0) as bench:
        job = bench.accept()
        bench.encoder.may_answer = lambda answered: answered < WRITTEN
        assert await bench.batches.run(job.id, bench.tenant, 0, ITEMS) is None
        assert sorted(bench.ledger.outcomes(job)) == list(range(WRITTEN))
        assert [(each.start, each.stop) for each in bench.published] == [(0, ITEMS)]
        assert bench.ledger.attempts.earlier(job, 0, ITEMS) == 0

        bench.encoder.may_answer = lambda _: True
        assert await bench.batches.run(job.id, bench.tenant, 0, ITEMS) is None
        bench.assert_all_stored(job)


async def test_a_message_that_gets_nothing_done_in_its_time_counts_as_a_try(
    tmp_path: Path, servers: tuple[str, str]
) -> None:
    async with _bench(tmp_path, servers, batch_limit_s=1.0) as bench:
        job = bench.accept(2)
        bench.encoder.may_answer = lambda _: False
        later = await bench.batches.run(job.id, bench.tenant, 0, 2)
        assert later is not None
        assert later.code == "deadline_exceeded"
        assert bench.ledger.attempts.earlier(job, 0, 2) == 1
