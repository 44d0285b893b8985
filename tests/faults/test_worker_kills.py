"""Workers killed at random while they ingest: what was accepted is stored, once, at its newest revision."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.index.ids import content_key, item_id
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import batch_of, batches
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.proofs import count
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_for,
)

pytestmark = pytest.mark.faults
ITEMS = 2000
TWICE = 100
TENANT = "default"
KILL_EVERY_S = 5.0
KILL_SHARE = 0.3
LIMIT_S = 900.0
PICTURE_S = 0.04
"""At the encoder: keeps two workers busy with 2,000 pictures for about 40 s."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ValkeyProcess]:
    """A broker of its own."""
    with ValkeyProcess(tmp_path / "broker") as process:
        yield process


@pytest.fixture
def surroundings(tmp_path: Path, broker: ValkeyProcess) -> Iterator[Surroundings]:
    """A store of its own, and an encoder that leaves the machine to the workers."""
    with StoreProcess(tmp_path / "store" / "data") as store, colours_in_background(PICTURE_S) as encoder:
        yield Surroundings(tmp_path / "data", broker.url, store.url, encoder)


@dataclass
class Killer:
    """Kills a pool process or a whole worker now and then, in turn, and starts again what is gone."""

    workers: Sequence[WorkerProcess]
    dice: random.Random
    next_s: float = 0.0
    children: int = 0
    parents: int = 0

    def tick(self) -> None:
        """Called often; acts every `KILL_EVERY_S`."""
        if time.monotonic() < self.next_s:
            return
        self.next_s = time.monotonic() + KILL_EVERY_S
        for worker in self.workers:
            if not worker.is_running():
                worker.start(wait=False)
            elif self.dice.random() < KILL_SHARE:
                self._strike(worker)

    def _strike(self, worker: WorkerProcess) -> None:
        if self.children <= self.parents:
            self.children += worker.kill_child()
            return
        worker.kill()
        self.parents += 1
        worker.start(wait=False)


def upload(surroundings: Surroundings, count: int) -> list[ManifestLine]:
    media = surroundings.media()
    return [
        ManifestLine(f"{seed}.jpg", sha256=media.put(TENANT, encode(noise(64, 48, seed), "JPEG")))
        for seed in range(count)
    ]


def ids_of(lines: Sequence[ManifestLine]) -> list[str]:
    return [item_id(TENANT, content_key(line.sha256)) for line in lines]


def submit(surroundings: Surroundings, lines: Sequence[ManifestLine]) -> Job:
    job = surroundings.ledger().accept(TENANT, lines, JobSource("upload"))
    surroundings.publish(list(batches(job)))
    return job


def stored_lines(ledger: JobLedger, job: Job) -> list[LineOutcome]:
    """Lines that are stored already, from the part that is submitted once."""
    found = ledger.outcomes(job, TWICE).values()
    return [outcome for outcome in found if outcome.outcome is Outcome.STORED]


@pytest.mark.timeout(1200)
def test_every_accepted_item_is_stored_once_at_its_newest_revision(
    surroundings: Surroundings, broker: ValkeyProcess
) -> None:
    """C1, with a message deleted by hand (C7), a part submitted twice (C8), and a delete that races."""
    lines = upload(surroundings, ITEMS)
    ledger, stored = surroundings.ledger(), StoredItems(surroundings.qdrant_url)
    workers = [WorkerProcess(surroundings, f"worker{number}") for number in range(2)]
    killer = Killer(workers, random.Random(20260131))
    with WorkerProcess(surroundings, "beat", ["beat"]), workers[0], workers[1]:
        started = time.monotonic()
        first = submit(surroundings, lines)
        assert broker.client().lpop("bulk") is not None, "a message is deleted by hand"
        second = submit(surroundings, lines[:TWICE])
        wait_for(lambda: bool(stored_lines(ledger, first)), LIMIT_S)
        line = stored_lines(ledger, first)[0]
        deleted = line.item_id
        assert stored.delete(TENANT, deleted)
        surroundings.publish([batch_of(first, line.line)])

        def closed() -> bool:
            killer.tick()
            return all(ledger.progress(TENANT, job.id).closed_at for job in (first, second))

        wait_for(closed, LIMIT_S, every_s=0.25)
        took_s = time.monotonic() - started
        # Stragglers may still run; they must not bring anything back.
        surroundings.publish(list(batches(first)))
        wait_for(lambda: broker.client().llen("bulk") == 0, LIMIT_S)

    assert any('"requeued"' in worker.log() for worker in workers), (
        "nothing else restores what was deleted by hand"
    )
    progress = [ledger.progress(TENANT, job.id) for job in (first, second)]
    print(f"\nkilled {killer.children} pool processes and {killer.parents} workers in {took_s:.0f} s; {progress}")
    assert killer.children >= 1
    assert killer.parents >= 1
    assert [found.failed + found.pending for found in progress] == [0, 0]
    found = stored.of(TENANT, ids_of(lines))
    assert len(found) == ITEMS
    assert [name for name, item in found.items() if item.deleted] == [deleted]
    newest = dict.fromkeys(ids_of(lines), first.revision) | dict.fromkeys(ids_of(lines[:TWICE]), second.revision)
    assert {name: item.revision for name, item in found.items() if name != deleted} == {
        name: revision for name, revision in newest.items() if name != deleted
    }
    assert stored.count(TENANT) == ITEMS - 1
    counts = count(surroundings, TENANT, first.id, second.id, deleted=1)
    print(counts)
    assert (counts.accepted, counts.duplicated, counts.lost) == (ITEMS + TWICE, 0, 0)
