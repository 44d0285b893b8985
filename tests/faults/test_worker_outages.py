"""What the workers need goes away while they ingest: lines wait, none fails, none is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis

from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, ManifestLine, Outcome
from tests.fixtures.brokers import ValkeyProcess, free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.proofs import prove
from tests.fixtures.site import FrontProcess
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_for,
    wait_until_closed,
)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
ITEMS = 1000
LIMIT_S = 150.0
CONSUMING_S = 60.0
HANGING_S = 60.0
REFUSED_S = 5.0
TENANT = "default"


@dataclass
class Plant:
    """Everything a job needs, on ports that stay the same over restarts."""

    surroundings: Surroundings
    broker: ValkeyProcess
    store: StoreProcess
    gateway: FrontProcess

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

    def post(self) -> httpx.Response:
        """Submit one passage as a client does."""
        items = {"items": [{"key": f"passage-{time.monotonic_ns()}", "text": "a red one"}]}
        return httpx.post(f"http://{self.gateway.address}/v1/jobs", json=items, timeout=30, trust_env=False)

    def check_refusal(self) -> None:
        """Submitting is refused soon, and says when to come back."""
        started = time.monotonic()
        answer = self.post()
        seconds = time.monotonic() - started
        print(f"\nsubmit: {answer.status_code} after {seconds:.2f} s, Retry-After {answer.headers['retry-after']}")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < REFUSED_S

    def check_consuming(self, job: Job) -> None:
        """Lines are stored again soon, and a new job is taken and done."""
        ledger, started = self.surroundings.ledger(), time.monotonic()
        before = ledger.progress(TENANT, job.id).stored
        wait_for(lambda: ledger.progress(TENANT, job.id).stored > before, CONSUMING_S)
        seconds = time.monotonic() - started
        answer = self.post()
        assert answer.status_code == 202, answer.text
        print(f"consuming again after {seconds:.1f} s, with {before} of {job.total} lines stored")
        progress = wait_until_closed(ledger, TENANT, answer.json()["job_id"], LIMIT_S)
        assert (progress.stored, progress.failed) == (1, 0)

    def wait_until_begun(self, job: Job) -> None:
        """Wait for the first stored lines."""
        ledger = self.surroundings.ledger()
        wait_for(lambda: ledger.progress(TENANT, job.id).stored > 0, LIMIT_S)
        assert ledger.progress(TENANT, job.id).state == "running", "the fault must strike while the job runs"

    def check(self, job: Job) -> None:
        """Everything goes in."""
        progress = wait_until_closed(self.surroundings.ledger(), TENANT, job.id, LIMIT_S)
        assert (progress.stored, progress.failed) == (job.total, 0)
        known = self.surroundings.ledger().job(TENANT, job.id)
        proof = prove(self.surroundings, known)
        lost = proof.lines[Outcome.PENDING] + proof.faults.total()
        print(f"\naccepted {job.total}, stored {progress.stored}, failed {progress.failed}, lost {lost}, ", end="")
        ids = {found.item_id for found in self.surroundings.ledger().outcomes(known).values()}
        print(f"duplicated {job.total - len(ids)}; {progress.attempts} tries")
        assert proof.holds(known)
        assert len(ids) == job.total


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """Broker and store of its own, an encoder that leaves the machine to the workers, and one beat."""
    store = StoreProcess(tmp_path / "store" / "data", {"IMAGERAG_STORE_PORT": str(free_port())})
    with ValkeyProcess(tmp_path / "broker") as broker, store, colours_in_background() as encoder:
        surroundings = Surroundings(tmp_path / "data", broker.url, store.url, encoder)
        told = {"IMAGERAG_DATA_URL": str(surroundings.folder), "BROKER_URL": broker.url}
        gateway = FrontProcess(tmp_path / "gateway", told)
        with gateway, WorkerProcess(surroundings, "beat", ["beat"]):
            yield Plant(surroundings, broker, store, gateway)


@contextmanager
def kept_full(broker: ValkeyProcess) -> Iterator[list[str]]:
    """Give the broker 16 MB and fill what workers free, until the block ends; gives the names of the fillers."""
    names: list[str] = []
    ended = threading.Event()

    def run() -> None:
        with broker.client() as filling:
            while not ended.wait(0.02):
                fill(filling, names)

    with broker.client() as client:
        client.config_set("maxmemory", "16mb")
        fill(client, names)
        filler = threading.Thread(target=run)
        filler.start()
        try:
            yield names
        finally:
            ended.set()
            filler.join()
            client.delete(*names)


def fill(client: redis.Redis, names: list[str]) -> None:
    """Set keys in ever smaller sizes until not even the smallest is taken; their names are added to `names`."""
    for size in (1 << 20, 1 << 16, 1 << 12, 1 << 6):
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            while True:
                client.set(f"filler-{len(names)}", b"x" * size)
                names.append(f"filler-{len(names)}")


def test_the_encoder_is_killed(plant: Plant, tmp_path: Path) -> None:
    """A service that is down is waited for: no line fails because of it."""
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
    """Q1 in small: what the store had confirmed is there, the rest comes when it is back."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.store.kill()
        wait_for(lambda: "batch_unfinished" in worker.log(), LIMIT_S)
        plant.store.start()
        plant.check(job)


def test_the_broker_is_killed(plant: Plant) -> None:
    """C4: Redis is killed; submitting answers 503, and after its restart everything goes on."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.broker.kill()
        time.sleep(2)
        plant.check_refusal()
        plant.broker.start()
        plant.check_consuming(job)
        plant.check(job)
        assert worker.is_running()


def test_the_broker_hangs(plant: Plant) -> None:
    """C4: Redis is stopped for a minute and answers nobody."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        os.kill(plant.broker.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            while time.monotonic() - stopped < HANGING_S:
                plant.check_refusal()
                time.sleep(10)
        finally:
            os.kill(plant.broker.pid, signal.SIGCONT)
        plant.check_consuming(job)
        plant.check(job)
        assert worker.is_running()


def test_the_brokers_clients_are_reset(plant: Plant) -> None:
    """C4: every connection to Redis is cut, five times."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        killed = 0
        with plant.broker.client() as client:
            for _ in range(5):
                killed += int(client.client_kill_filter(_type="normal", skipme=True))
                time.sleep(0.5)
        print(f"\n{killed} connections reset")
        assert killed >= 5
        plant.check_consuming(job)
        plant.check(job)
        assert worker.is_running()


def test_the_broker_is_full(plant: Plant) -> None:
    """C5: Redis has no memory left; submitting answers 503, and the queue drains once there is room."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        with kept_full(plant.broker) as fillers:
            for _ in range(3):
                time.sleep(5)
                plant.check_refusal()
            assert worker.is_running()
        print(f"full with {len(fillers)} fillers for 15 s")
        plant.check_consuming(job)
        plant.check(job)
        assert worker.is_running()


def test_a_task_sleeps_three_times_the_visibility_timeout(plant: Plant) -> None:
    """C2: the same message runs twice, one of them late; the state is that of a single run."""
    visibility_s = 6
    plant.surroundings.settings |= {
        "IMAGERAG_WORKERS_VISIBILITY_TIMEOUT_S": str(visibility_s),
        "IMAGERAG_WORKERS_BATCH_LIMIT_S": str(visibility_s - 1),
    }
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit(200)
        plant.wait_until_begun(job)
        (asleep,) = worker.children()
        os.kill(asleep, signal.SIGSTOP)
        with WorkerProcess(plant.surroundings, "second"):
            time.sleep(3 * visibility_s)
            ledger = plant.surroundings.ledger()
            print(f"\nwhile one sleeps the other has brought it to {ledger.progress(TENANT, job.id).stored}")
            os.kill(asleep, signal.SIGCONT)
            plant.check(job)
            assert worker.is_running()


def test_the_broker_loses_everything(plant: Plant) -> None:
    """C7 and C9: every message, lease and result is gone; the ledger knows what is still to be done."""
    with WorkerProcess(plant.surroundings, "worker"):
        job = plant.submit()
        plant.wait_until_begun(job)
        plant.broker.client().flushall()
        plant.check(job)


def test_a_worker_is_told_to_stop(plant: Plant) -> None:
    """C6: SIGTERM with work queued; what runs is finished, the rest is done by another."""
    with WorkerProcess(plant.surroundings, "worker") as worker:
        job = plant.submit()
        plant.wait_until_begun(job)
        started = time.monotonic()
        assert worker.stop() == 0
        print(f"\nstopped in {time.monotonic() - started:.1f} s")
        assert "batch_failed" not in worker.log()
    with WorkerProcess(plant.surroundings, "second"):
        plant.check(job)
