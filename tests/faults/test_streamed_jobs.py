"""Jobs whose source a worker reads, with everything killed that can be: nothing is lost, nothing is twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.jobs.messages import RequeueMessage
from services.common.jobs.records import Job, JobProgress, JobSource
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.colour_process import ColourProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.plant import LIMIT_S, TENANT, Plant, meanwhile, running_plant
from tests.fixtures.proofs import scrolled
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import StoredItems, WorkerProcess, wait_for, wait_until_closed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
LINES, PICTURES = 20_000, 5_000
MOST_KILLS = 20
"""A restart takes long on a machine that is busy otherwise."""
AWAY_S = 3.0
"""So long what was killed stays away."""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with running_plant(tmp_path) as plant:
        yield plant


def manifest(plant: Plant, lines: int) -> JobSource:
    path = plant.surroundings.roots[0] / "manifest.jsonl"
    entries = (json.dumps({"key": f"k{number}", "text": f"passage {number}"}) for number in range(lines))
    path.write_text("\n".join(entries), encoding="utf-8")
    return JobSource("manifest", str(path))


def folder(plant: Plant, pictures: int) -> JobSource:
    path = plant.surroundings.roots[0] / "pictures"
    path.mkdir()
    for seed in range(pictures):
        (path / f"{seed:05d}.jpg").write_bytes(encode(noise(32, 24, seed), "JPEG"))
    return JobSource("folder", str(path))


def described(plant: Plant, pictures: int) -> JobSource:
    """Pictures with a title each, so that every item has both vectors."""
    path = Path(folder(plant, pictures).path)
    manifest = path.with_suffix(".jsonl")
    entries = ({"path": f"{path.name}/{n:05d}.jpg", "title": f"Picture {n}"} for n in range(pictures))
    manifest.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    return JobSource("manifest", str(manifest))


@dataclass
class Killer:
    """Kills a pool process or a whole worker, in turn, and starts again what is gone."""

    workers: Sequence[WorkerProcess]
    dice: random.Random
    children: int = 0
    parents: int = 0
    reached: int = 0

    def strike(self, reached: int) -> None:
        """Act once, if anything was reached since the last time: four times in vain at one place are its end."""
        for worker in self.workers:
            if not worker.is_running():
                worker.start(wait=False)
        if reached <= self.reached:
            return
        self.reached = reached
        worker = self.dice.choice(self.workers)
        if self.children <= 2 * self.parents:
            self.children += worker.kill_child()
            return
        worker.kill()
        self.parents += 1
        worker.start(wait=False)


def test_a_listing_is_killed_at_random(plant: Plant) -> None:
    """C1 of a streamed job: pool processes and workers are killed while 20,000 lines are listed and ingested."""
    killer = Killer(plant.workers, random.Random(20261121))
    started = time.monotonic()
    job = plant.submit(manifest(plant, LINES))
    with meanwhile(lambda: killer.strike(plant.ledger.job(TENANT, job.id).total), every_s=1.5):
        wait_for(lambda: plant.ledger.job(TENANT, job.id).listed, LIMIT_S)
    listed_s, while_listed = time.monotonic() - started, killer.children + killer.parents
    killer.reached = 0
    with meanwhile(lambda: killer.strike(plant.ledger.progress(TENANT, job.id).stored), every_s=5):
        wait_until_closed(plant.ledger, TENANT, job.id, LIMIT_S)
    plant.check(job, items=LINES)
    took_s = time.monotonic() - started
    struck = f"{killer.children} pool processes and {killer.parents} workers killed, {while_listed} while listing"
    print(f"{struck}; listed after {listed_s:.1f} s, closed after {took_s:.0f} s")
    assert while_listed >= 1
    assert killer.children >= 1
    assert killer.parents >= 1


def test_a_listing_sleeps_while_another_takes_over(plant: Plant) -> None:
    """A worker is stopped in the middle of a listing for longer than its lease, and goes on when it is woken."""
    job = plant.submit(manifest(plant, LINES))
    wait_for(lambda: any(map(_is_listing, plant.workers)), LIMIT_S, every_s=0.01)
    asleep = [child for worker in plant.workers for child in worker.children() if _is_listing(worker)]
    for child in asleep:
        os.kill(child, signal.SIGSTOP)
    before = plant.ledger.job(TENANT, job.id).total
    wait_for(lambda: plant.ledger.job(TENANT, job.id).listed, LIMIT_S)
    for child in asleep:
        os.kill(child, signal.SIGCONT)
    print(f"\nstopped with {before} lines listed; another listed the rest")
    assert asleep
    assert before < LINES
    plant.check(job, items=LINES)


def _is_listing(worker: WorkerProcess) -> bool:
    return '"part_listed"' in worker.log()


def test_one_folder_is_submitted_twice_at_once(plant: Plant) -> None:
    """C8: the same folder twice at the same time is one item a picture, and both jobs account for all of it."""
    source = folder(plant, 500)
    plant.check(*(plant.submit(source) for _ in range(2)), items=500)


def test_everything_in_redis_is_flushed_while_a_source_is_read(plant: Plant) -> None:
    """C9: results, leases and messages go while a job is listed; the ledger knows its state, and it goes on."""
    job = plant.submit(manifest(plant, 5_000))
    wait_for(lambda: plant.ledger.job(TENANT, job.id).total > 0, LIMIT_S, every_s=0.01)
    before = plant.ledger.progress(TENANT, job.id)
    plant.broker.client().flushall()
    after = plant.ledger.progress(TENANT, job.id)
    assert after.job.total >= before.job.total
    assert after.stored >= before.stored
    plant.check(job, items=5_000)


def test_a_paused_job_rests_and_goes_on_at_once(plant: Plant) -> None:
    """No batch begins while a job is paused, and its messages are back at once when it is resumed."""
    job = plant.submit(manifest(plant, PICTURES))
    wait_for(lambda: plant.ledger.progress(TENANT, job.id).stored > 0, LIMIT_S)
    plant.ledger.control.pause(job)
    wait_for(lambda: plant.broker.client().llen("bulk") == 0, LIMIT_S)
    time.sleep(2)
    resting = plant.ledger.progress(TENANT, job.id)
    time.sleep(10)
    assert plant.ledger.progress(TENANT, job.id) == resting
    assert (resting.state, resting.stored < PICTURES) == ("paused", True)
    started = time.monotonic()
    plant.ledger.control.resume(job)
    plant.surroundings.publish([RequeueMessage(job.id, TENANT)])
    wait_for(lambda: plant.ledger.progress(TENANT, job.id).stored > resting.stored, LIMIT_S, every_s=0.05)
    print(f"\nrested at {resting.stored} stored lines, went on after {time.monotonic() - started:.1f} s")
    plant.check(job, items=PICTURES)


def test_the_store_is_killed_at_the_crashers_rhythm(plant: Plant) -> None:
    """Q1: SIGKILL with p = 0.3 every 5 s while 5,000 items go in: what was confirmed is there, whole, once."""
    dice, kills = random.Random(7), [0]

    def strike() -> None:
        if kills[0] < MOST_KILLS and (dice.random() < 0.3 or not kills[0]):
            plant.store.kill()
            plant.store.start()
            kills[0] += 1

    job = plant.submit(described(plant, PICTURES))
    with meanwhile(strike, every_s=5):
        wait_until_closed(plant.ledger, TENANT, job.id, LIMIT_S)
    print(f"\nthe store was killed {kills[0]} times")
    assert kills[0] >= 2
    plant.check(job, items=PICTURES)
    points = scrolled(plant.surroundings, TENANT)
    whole = [point for point in points if {"image", "text", "bm25"} <= point.vectors and point.title]
    counted = StoredItems(plant.surroundings.qdrant_url).count(TENANT)
    print(f"scrolled {len(points)}, counted {counted}, with all vectors and payload {len(whole)}")
    assert len({point.id for point in points}) == len(points) == len(whole) == counted == PICTURES


def test_worker_encoder_store_and_redis_are_each_killed_once(plant: Plant) -> None:
    """5,000 items survive the death of each thing they need, one after the other, while they go in."""
    with ColourProcess() as encoder:
        plant.surroundings.encoder_url = encoder.address
        for worker in plant.workers:
            worker.kill()
            worker.start()

        def worker_dies() -> None:
            plant.workers[0].kill()
            plant.workers[0].start(wait=False)

        def dies(part: ColourProcess | StoreProcess | ValkeyProcess) -> Callable[[], None]:
            def die() -> None:
                part.kill()
                time.sleep(AWAY_S)
                part.start()

            return die

        job = plant.submit(described(plant, PICTURES))
        for share, die in (
            (0.1, worker_dies),
            (0.3, dies(encoder)),
            (0.5, dies(plant.store)),
            (0.7, dies(plant.broker)),
        ):
            struck = wait_until_stored(plant, job, share)
            die()
            print(f"\nstruck at {struck.stored} of {PICTURES}", end="")
        plant.check(job, items=PICTURES)


def wait_until_stored(plant: Plant, job: Job, share: float) -> JobProgress:
    ledger = plant.ledger
    wait_for(lambda: ledger.progress(TENANT, job.id).stored >= share * PICTURES, LIMIT_S)
    found = ledger.progress(TENANT, job.id)
    assert found.state == "running", "the fault must strike while the job runs"
    return found
