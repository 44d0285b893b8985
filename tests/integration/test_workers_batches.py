"""One message at a time through the worker's own composition, over a real broker, store and gRPC encoder."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from imagerag.v1 import encoder_pb2
from redis import Redis

from services.common.domain import ItemKind
from services.common.errors import ExhaustedError
from services.common.index.contract import SemanticContract
from services.common.index.index import Index
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, Message
from services.common.jobs.records import Job, JobSource, ManifestLine, Outcome
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from services.common.rpc.tensors import tensor_to_proto
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.colour_encoder import ColourEncoder, meaning_vector, serve_colours, text_vector
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import client_of
from workers.app import compose
from workers.later import Later
from workers.leases import Leases, lines_name
from workers.process import Services
from workers.settings import WorkersSettings


@dataclass
class MoodyEncoder(ColourEncoder):
    """The colour space, with faults on demand."""

    crash: bool = False
    exhausted: bool = False
    long_vector_at: int = -1

    async def EncodeImages(self, request: Any, context: Any) -> encoder_pb2.EncodeResponse:  # noqa: N802
        """Encode, or misbehave."""
        if self.crash:
            raise ZeroDivisionError
        if self.exhausted:
            raise ExhaustedError("The queue is full.", retry_after_s=7.0)
        answer = await super().EncodeImages(request, context)
        if 0 <= self.long_vector_at < len(request.images):
            rows = np.ones((len(request.images), 3), np.float32) / np.sqrt(np.float32(3))
            rows[self.long_vector_at] *= 2
            answer.vectors.CopyFrom(tensor_to_proto(rows))
        return answer


@dataclass
class Bench:
    """A worker's services with everything they need."""

    tenant: str
    store_url: str
    services: Services
    ledger: JobLedger
    media: MediaStore
    encoder: MoodyEncoder
    index: Index
    leases: Leases
    published: list[BatchMessage] = field(default_factory=list)

    def accept(self, *lines: ManifestLine) -> Job:
        """Accept a job."""
        return self.ledger.accept(self.tenant, lines, JobSource("upload"))

    def pictures(self, count: int) -> list[ManifestLine]:
        """Uploaded pictures."""
        data = [encode(noise(8, 8, seed), "PNG") for seed in range(count)]
        return [ManifestLine(f"{n}.png", sha256=self.media.put(self.tenant, each)) for n, each in enumerate(data)]

    async def run(self, job: Job, start: int = 0, stop: int | None = None) -> Later | None:
        """Carry out one message."""
        return await self.services.batches.run(job.id, self.tenant, start, job.total if stop is None else stop)

    def outcomes(self, job: Job) -> list[str]:
        """What became of the lines, as `outcome` or `failed:code`."""
        found = sorted(self.ledger.outcomes(job).items())
        return [f"failed:{o.code}" if o.outcome is Outcome.FAILED else o.outcome.value for _, o in found]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of a broker and a store of their own; tests keep apart by tenant."""
    folder = tmp_path_factory.mktemp("batches")
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield broker.url, store.url


@pytest.fixture
async def worker(tmp_path: Path, servers: tuple[str, str]) -> AsyncIterator[Bench]:
    """A worker's services in this process, with an encoder of its own."""
    async with _worker(tmp_path, *servers) as bench:
        yield bench


@asynccontextmanager
async def _worker(
    tmp_path: Path, broker_url: str, store_url: str, encoder_deadline_s: float = 60.0
) -> AsyncIterator[Bench]:
    encoder, published = MoodyEncoder(), list[BatchMessage]()

    def publish(messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        published.extend(message for message in messages if isinstance(message, BatchMessage))

    async with serve_colours(encoder) as address:
        settings = WorkersSettings(
            broker_url=broker_url,
            qdrant_url=store_url,
            data_url=str(tmp_path),
            encoder_url=address,
            encoder_deadline_s=encoder_deadline_s,
        )
        objects = open_objects(str(tmp_path))
        async with compose(settings, publish) as services, Index(store_url) as index:
            with Redis.from_url(broker_url) as redis:
                yield Bench(
                    tenant=f"t{uuid.uuid4().hex[:8]}",
                    store_url=store_url,
                    services=services,
                    ledger=JobLedger(objects, RevisionClock()),
                    media=MediaStore(objects),
                    encoder=encoder,
                    index=index,
                    leases=Leases(redis, 5),
                    published=published,
                )


async def test_pictures_texts_and_both_are_stored_with_what_they_can_be_found_by(worker: Bench) -> None:
    picture = worker.pictures(1)[0]
    both = ManifestLine("b", key="both", sha256=picture.sha256, text="red", tags=("x",), metadata={"n": 1})
    job = worker.accept(picture, both, ManifestLine("t", key="words", text="blue"))

    assert await worker.run(job) is None

    assert worker.outcomes(job) == ["stored"] * 3
    collection = await worker.index.resolve()
    assert collection is not None
    ids = [outcome.item_id for _, outcome in sorted(worker.ledger.outcomes(job).items())]
    found = await worker.index.items(collection, worker.tenant, ids)
    assert [found[name].kind for name in ids] == [ItemKind.IMAGE, ItemKind.IMAGE, ItemKind.TEXT]
    assert found[ids[1]].metadata == {"n": 1}
    assert found[ids[0]].media == found[ids[1]].media
    assert {item.revision for item in found.values()} == {job.revision}


async def test_passages_go_into_both_text_spaces(tmp_path: Path) -> None:
    """On a store of its own: the collection of the other tests has no second encoder."""
    with StoreProcess(tmp_path / "store" / "data") as store, ValkeyProcess(tmp_path / "broker") as broker:
        async with _worker(tmp_path, broker.url, store.url) as worker:
            worker.encoder.semantic = "meanings@1"
            picture = worker.pictures(1)[0]
            both = ManifestLine("b", key="both", sha256=picture.sha256, text="rouge")
            job = worker.accept(picture, both, ManifestLine("t", key="words", text="red vert"))
            assert await worker.run(job) is None
            assert worker.outcomes(job) == ["stored"] * 3
            collection = await worker.index.resolve()
            assert collection is not None
            assert collection.contract.semantic == SemanticContract("meanings@1", 4)
            ids = [outcome.item_id for _, outcome in sorted(worker.ledger.outcomes(job).items())]
            with client_of(store.url) as client:
                points = {
                    str(point.id): point for point in client.retrieve(collection.name, ids, with_vectors=True)
                }
            vectors = [points[name].vector for name in ids]
            assert [set(each) for each in vectors if isinstance(each, dict)] == [
                {"image"},
                {"image", "text", "semantic", "bm25"},
                {"text", "semantic", "bm25"},
            ]
            assert isinstance(vectors[2], dict)
            assert vectors[2]["semantic"] == pytest.approx(meaning_vector("vert").tolist(), abs=1e-6)
            assert vectors[2]["text"] == pytest.approx(text_vector("red").tolist(), abs=1e-6)

            worker.encoder.semantic = "meanings@2"
            late = worker.accept(ManifestLine("t", key="late", text="rouge"))
            refused = await worker.run(late)
            assert refused is not None
            assert refused.code == "fingerprint_mismatch"
            assert worker.outcomes(late) == []


async def test_a_message_that_comes_again_costs_nothing(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(3))
    await worker.run(job)
    calls = worker.encoder.image_calls
    assert await worker.run(job) is None
    assert worker.encoder.image_calls == calls
    assert worker.outcomes(job) == ["stored"] * 3


async def test_the_same_bytes_in_one_job_are_merged(worker: Bench) -> None:
    lines = worker.pictures(2)
    job = worker.accept(*lines, lines[0], ManifestLine("y", sha256=lines[0].sha256, key_column="red"))
    await worker.run(job)
    assert worker.outcomes(job) == ["stored", "stored", "merged", "stored"]


async def test_an_older_job_that_comes_late_does_not_overwrite_a_newer_one(worker: Bench) -> None:
    lines = worker.pictures(2)
    older, newer = worker.accept(*lines), worker.accept(*lines)
    await worker.run(newer)
    await worker.run(older)
    assert worker.outcomes(older) == ["superseded"] * 2
    assert worker.outcomes(newer) == ["stored"] * 2


async def test_one_vector_that_the_store_must_not_take_fails_alone(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(5))
    worker.encoder.long_vector_at = 2
    assert await worker.run(job) is None
    assert worker.outcomes(job) == ["stored", "stored", "failed:invalid_vector", "stored", "stored"]


async def test_an_encoder_that_stays_full_fails_no_line_and_counts_as_no_attempt(
    tmp_path: Path, servers: tuple[str, str]
) -> None:
    async with _worker(tmp_path, *servers, encoder_deadline_s=3.0) as worker:
        job = worker.accept(*worker.pictures(2))
        worker.encoder.exhausted = True
        for _ in range(3):
            assert await worker.run(job) == Later("exhausted", 7.0)
        assert worker.ledger.attempts.earlier(job, 0, 2) == 0
        worker.encoder.exhausted = False
        assert await worker.run(job) is None
        assert worker.outcomes(job) == ["stored", "stored"]


async def test_another_model_fails_no_line(worker: Bench) -> None:
    await worker.run(worker.accept(*worker.pictures(1)))
    job = worker.accept(*worker.pictures(2))
    before, worker.encoder.fingerprint = worker.encoder.fingerprint, "colour@2"
    for _ in range(2):
        later = await worker.run(job)
        assert later is not None
        assert later.code == "fingerprint_mismatch"
    worker.encoder.fingerprint = before
    assert await worker.run(job) is None
    assert worker.outcomes(job) == ["stored", "stored"]


async def test_an_error_nobody_foresaw_splits_the_batch_and_ends_after_four_attempts(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(2))
    worker.encoder.crash = True
    assert await worker.run(job) == Later("internal")
    assert await worker.run(job) is None
    assert [(message.start, message.stop) for message in worker.published] == [(0, 1), (1, 2)]

    for _ in range(3):
        assert await worker.run(job, 0, 1) == Later("internal")
    assert await worker.run(job, 0, 1) is None
    failed = worker.ledger.outcomes(job)[0]
    assert (failed.code, failed.attempts) == ("internal", 4)
    assert "division" not in failed.message

    worker.encoder.crash = False
    assert await worker.run(job, 1, 2) is None
    assert worker.outcomes(job) == ["failed:internal", "stored"]


async def test_a_process_that_died_with_a_batch_splits_it(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(3))
    worker.ledger.attempts.begin(job, 0, 3)
    assert await worker.run(job) is None
    assert [message.start for message in worker.published] == [0, 1, 2]
    for line in range(3):
        assert await worker.run(job, line, line + 1) is None
    assert worker.outcomes(job) == ["stored"] * 3
    assert worker.ledger.outcomes(job)[0].attempts == 2


async def test_lines_that_someone_else_works_on_are_left_alone(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(1))
    with worker.leases.hold(lines_name(worker.tenant, job.id, 0, 1)):
        later = await worker.run(job)
    assert later is not None
    assert later.code == "leased"
    assert worker.encoder.image_calls == 0


async def test_the_reconciler_takes_back_what_the_store_lost(worker: Bench) -> None:
    job = worker.accept(*worker.pictures(3))
    await worker.run(job)
    lost = worker.ledger.outcomes(job)[1]
    collection = await worker.index.resolve()
    assert collection is not None
    async with httpx.AsyncClient(base_url=worker.store_url, trust_env=False) as client:
        removal = {"points": [lost.item_id]}
        await client.post(f"/collections/{collection.name}/points/delete?wait=true", json=removal)

    await worker.services.reconciler.run()
    assert sorted(worker.ledger.outcomes(job)) == [0, 2]
    assert worker.ledger.progress(worker.tenant, job.id).closed_at is None

    assert await worker.run(job) is None
    await worker.services.reconciler.run()
    progress = worker.ledger.progress(worker.tenant, job.id)
    assert (progress.stored, progress.closed_at is not None) == (3, True)
    assert worker.ledger.open_jobs() == []
