"""How soon work that was lost goes on: with its process, with its machine, with its message."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, ManifestLine
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.proofs import count
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import Surroundings, WorkerProcess, colours_in_background, wait_for, wait_until_closed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
TENANT = "default"
ITEMS, PICTURE_S = 8, 0.4
"""One message, at the encoder for some three seconds."""
VISIBILITY_S, MARGIN_S = 20, 10
NEVER_S = 3600
LIMIT_S = 120.0


@dataclass
class Line:
    """Everything but workers; the test starts them."""

    surroundings: Surroundings
    broker: ValkeyProcess

    @property
    def ledger(self) -> JobLedger:
        """As another process has it."""
        return self.surroundings.ledger()

    def submit(self, first_seed: int) -> Job:
        """A job of one message."""
        media = self.surroundings.media()
        pictures = [encode(noise(32, 24, seed), "JPEG") for seed in range(first_seed, first_seed + ITEMS)]
        lines = [ManifestLine(f"{n}.jpg", sha256=media.put(TENANT, data)) for n, data in enumerate(pictures)]
        job = self.ledger.accept(TENANT, lines, JobSource("upload"))
        self.surroundings.publish(list(batches(job)))
        return job

    def wait_until_begun(self, job: Job) -> None:
        """Until a process works on it."""
        wait_for(lambda: self.ledger.attempts.earlier(job, 0, ITEMS) == 1, LIMIT_S, every_s=0.02)

    def seconds_until_stored(self, job: Job) -> float:
        """From now until every line is in the store."""
        started = time.monotonic()
        wait_for(lambda: self.ledger.progress(TENANT, job.id).stored == ITEMS, LIMIT_S, every_s=0.05)
        return time.monotonic() - started

    def check(self, *jobs: Job) -> str:
        """Nothing is lost or twice; the numbers."""
        for job in jobs:
            wait_until_closed(self.ledger, TENANT, job.id, LIMIT_S)
        counts = count(self.surroundings, TENANT, *(job.id for job in jobs))
        assert (counts.stored, counts.failed) == (ITEMS * len(jobs), 0)
        assert (counts.duplicated, counts.lost) == (0, 0)
        return str(counts)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    store = StoreProcess(tmp_path / "store" / "data")
    with ValkeyProcess(tmp_path / "broker") as broker, store, colours_in_background(PICTURE_S) as encoder:
        yield Line(Surroundings(tmp_path / "data", broker.url, store.url, encoder), broker)


def by_the_queue_alone(surroundings: Surroundings) -> None:
    """The reconciler only closes jobs; lost messages are for the broker to hand out again."""
    surroundings.settings |= {
        "IMAGERAG_WORKERS_REQUEUE_AFTER_S": str(NEVER_S),
        "IMAGERAG_WORKERS_VISIBILITY_TIMEOUT_S": str(VISIBILITY_S),
        "IMAGERAG_WORKERS_BATCH_LIMIT_S": str(VISIBILITY_S - 1),
    }


def test_a_killed_process_is_followed_by_another_at_once(line: Line) -> None:
    """C1: SIGKILL to the pool process that has the task."""
    by_the_queue_alone(line.surroundings)
    with WorkerProcess(line.surroundings, "worker", ["--beat"]) as worker:
        job = line.submit(0)
        line.wait_until_begun(job)
        assert worker.kill_child()
        took_s = line.seconds_until_stored(job)
        counts = line.check(job)
    print(f"\n{counts}; stored {took_s:.1f} s after the kill")
    assert took_s < VISIBILITY_S, "it is redelivered at once, not after the visibility timeout"


def test_a_dead_machines_task_recovers_within_the_visibility_timeout(line: Line) -> None:
    """C1: a worker and its pool are killed at one blow; visibility timeout + 10 s is the bound."""
    by_the_queue_alone(line.surroundings)
    first = WorkerProcess(line.surroundings, "first").start()
    with WorkerProcess(line.surroundings, "second", ["--beat"]) as second:
        os.kill(second.pid, signal.SIGSTOP)  # so that the other one takes it
        job = line.submit(0)
        line.wait_until_begun(job)
        pool = first.children()
        first.kill()
        for child in pool:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.kill(second.pid, signal.SIGCONT)
        took_s = line.seconds_until_stored(job)
        counts = line.check(job)
    print(f"\n{counts}; stored {took_s:.1f} s after the kill, with a visibility timeout of {VISIBILITY_S} s")
    assert pool
    assert took_s < VISIBILITY_S + MARGIN_S


def test_a_message_deleted_by_hand_is_restored(line: Line) -> None:
    """C7: the reconciler misses it `requeue_after_s` after its job was accepted, at its next look."""
    settings = line.surroundings.settings
    after_s = float(settings["IMAGERAG_WORKERS_REQUEUE_AFTER_S"])
    interval_s = float(settings["IMAGERAG_WORKERS_RECONCILE_INTERVAL_S"])
    beat = WorkerProcess(line.surroundings, "beat", ["beat"])
    with beat, WorkerProcess(line.surroundings, "worker") as worker:
        first = line.submit(0)
        line.wait_until_begun(first)
        second = line.submit(ITEMS)
        accepted = time.monotonic()
        assert line.broker.client().llen("bulk") == 1
        deleted = line.broker.client().lpop("bulk")
        assert isinstance(deleted, bytes)
        assert b"ingest_batch" in deleted
        wait_for(lambda: '"requeued"' in worker.log(), LIMIT_S, every_s=0.02)
        restored_s = time.monotonic() - accepted
        line.seconds_until_stored(second)
        counts = line.check(first, second)
    print(f"\n{counts}; the message was back {restored_s:.1f} s after its job was accepted")
    # The one worker is busy with the first job for a while; a look waits behind it.
    assert after_s <= restored_s < after_s + 2 * interval_s + ITEMS * PICTURE_S + 2


def test_the_same_messages_are_there_many_times(line: Line) -> None:
    """C8: one batch in the hands of several processes at once is one item a picture, and is counted once."""
    first = WorkerProcess(line.surroundings, "first", ["--beat"])
    with first, WorkerProcess(line.surroundings, "second"):
        jobs = [line.submit(0), line.submit(0), line.submit(ITEMS)]
        for _ in range(3):
            for job in jobs:
                line.surroundings.publish(list(batches(job)))
        for job in jobs:
            wait_until_closed(line.ledger, TENANT, job.id, LIMIT_S)
        counts = count(line.surroundings, TENANT, *(job.id for job in jobs))
        progress = [line.ledger.progress(TENANT, job.id) for job in jobs]
    print(f"\n{counts}")
    assert [found.stored + found.superseded for found in progress] == [ITEMS] * 3
    assert [found.stored for found in progress[1:]] == [ITEMS] * 2, "the later job of two counts"
    assert (counts.failed, counts.duplicated, counts.lost) == (0, 0, 0)
