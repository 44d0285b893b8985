"""What the workers need goes away while they ingest: lines wait, none fails, none is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, ManifestLine
from tests.fixtures.brokers import ValkeyProcess, free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_for,
    wait_until_closed,
)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
ITEMS = 1000
LIMIT_S = 150.0
TENANT = "default"


@dataclass
class Plant:
    """Everything a job needs, on ports that stay the same over restarts."""

    surroundings: Surroundings
    broker: ValkeyProcess
    store: StoreProcess

    def submit(self, items: int = ITEMS) -> Job:
        """Accept and queue a job."""
        media = self.surroundings.media()
        lines = [
            ManifestLine(f"{seed}.jpg", sha256=media.put(TENANT, encode(noise(160, 120, seed), "JPEG")))
            for seed in range(items)
        ]
        job = self.surroundings.ledger().accept(TENANT, lines, JobSource("upload"))
        self.surroundings.publish(list(batches(job)))
        return job

    def wait_until_begun(self, job: Job) -> None:
        """Wait for the first stored lines."""
        ledger = self.surroundings.ledger()
        wait_for(lambda: ledger.progress(TENANT, job.id).stored > 0, LIMIT_S)
        assert ledger.progress(TENANT, job.id).state == "running", "the fault must strike while the job runs"

    def check(self, job: Job) -> None:
        """Everything goes in."""
        progress = wait_until_closed(self.surroundings.ledger(), TENANT, job.id, LIMIT_S)
        print(f"\n{progress}")
        assert (progress.stored, progress.failed) == (job.total, 0)
        assert StoredItems(self.surroundings.qdrant_url).count(TENANT) == job.total


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """Broker and store of its own, an encoder that leaves the machine to the workers, and one beat."""
    store = StoreProcess(tmp_path / "store" / "data", {"IMAGERAG_STORE_PORT": str(free_port())})
    with ValkeyProcess(tmp_path / "broker") as broker, store, colours_in_background() as encoder:
        surroundings = Surroundings(tmp_path / "data", broker.url, store.url, encoder)
        with WorkerProcess(surroundings, "beat", ["beat"]):
            yield Plant(surroundings, broker, store)


def test_the_encoder_is_killed(plant: Plant, tmp_path: Path) -> None:
    encoder = EncoderProcess(tmp_path / "encoder", {"IMAGERAG_ENCODER_PORT": str(free_port())})
    with encoder:
        plant.surroundings.encoder_url = encoder.address
        with WorkerProcess(plant.surroundings, "worker") as worker:
            job = plant.submit(200)
            plant.wait_until_begun(job)
            encoder.kill()
            wait_for(lambda: "batch_unfinished" in worker.log(), LIMIT_S)
            encoder.start()
            plant.check(job)


def test_the_store_is_killed(plant: Plant) -> None:
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.store.kill()
        wait_for(lambda: "batch_unfinished" in worker.log(), LIMIT_S)
        plant.store.start()
        plant.check(job)


def test_the_broker_is_killed(plant: Plant) -> None:
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.broker.kill()
        time.sleep(5)
        plant.broker.start()
        plant.check(job)
        assert worker.is_running()


def test_the_broker_hangs(plant: Plant) -> None:
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        os.kill(plant.broker.pid, signal.SIGSTOP)
        time.sleep(25)
        os.kill(plant.broker.pid, signal.SIGCONT)
        plant.check(job)
        assert worker.is_running()


def test_the_broker_loses_everything(plant: Plant) -> None:
    with WorkerProcess(plant.surroundings, "worker"):
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.broker.client().flushall()
        plant.check(job)


def test_a_worker_is_told_to_stop(plant: Plant) -> None:
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        started = time.monotonic()
        assert worker.stop() == 0
        print(f"\nstopped in {time.monotonic() - started:.1f} s")
        assert "batch_failed" not in worker.log()
    with WorkerProcess(plant.surroundings, "second"):
        plant.check(job)
