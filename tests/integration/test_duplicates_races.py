"""Duplicates that arrive at once, and workers that die: always one first, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from services.common.jobs.layout import JobFolder
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import DuplicatePolicy
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.photos import CAT, COFFEE
from tests.fixtures.store import StoreProcess
from tests.fixtures.two_workers import Bench, changed, two_workers, words
from workers.ingest.duplicates.arrivals import Arrival


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of a broker and a store; tests keep apart by tenant."""
    folder = tmp_path_factory.mktemp("duplicates")
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield broker.url, store.url


@pytest.fixture
async def bench(tmp_path: Path, servers: tuple[str, str]) -> AsyncIterator[Bench]:
    """Two workers' services in this process."""
    async with two_workers(tmp_path, *servers) as opened:
        yield opened


@pytest.mark.parametrize("policy", ["link", "skip"])
async def test_of_many_that_come_at_once_one_is_the_first(bench: Bench, policy: DuplicatePolicy) -> None:
    """Four jobs, two workers: the same 24 pictures under other keys, and a resized one of each."""
    pictures = [encode(noise(24, 24, seed).resize((240, 240)), "PNG") for seed in range(12)]
    looks = [changed(data, quality=80) for data in pictures]
    jobs = []
    for number in range(4):
        lines = [bench.line(f"{number}.{place}", data) for place, data in enumerate((*pictures, *looks))]
        jobs.append(bench.accept(*lines, exact=policy, near=policy))
    todo = [(job, start) for start in range(0, 24, 8) for job in jobs]

    async def work(worker: int) -> None:
        while todo:
            job, start = todo.pop(0)
            if await bench.run(job, worker, start, start + 8) is not None:
                todo.append((job, start))
                await asyncio.sleep(0.05)

    await asyncio.gather(work(0), work(1), work(0), work(1))
    done = Counter(word for job in jobs for word in bench.done(job))
    linked = "linked" if policy == "link" else "skipped"
    assert done.total() == 96
    assert done["stored"] == 12, done
    assert done[f"{linked} exact"] + done[f"{linked} near"] == 84
    firsts = {outcome.item_id for job in jobs for outcome in bench.outcomes(job) if words(outcome) == "stored"}
    named = {found.duplicate_of.item_id for job in jobs for found in bench.outcomes(job) if found.duplicate_of}
    if policy == "skip":
        assert named == firsts
    collection = await bench.index.resolve()
    assert collection is not None
    assert await bench.index.count(collection, bench.tenant) == (96 if policy == "link" else 12)


async def test_a_line_whose_process_died_keeps_its_place_and_the_others_wait_for_it(bench: Bench) -> None:
    died = bench.accept(bench.line("a", CAT), exact="skip")
    later = bench.accept(bench.line("b", CAT), bench.line("c", COFFEE), exact="skip")
    sha256 = bench.ledger.lines(died, 0, 1)[0].sha256
    bench.arrivals.announce(bench.tenant, died.id, [Arrival(0, "whatever its id", sha256)])

    waits = await bench.run(later)
    assert waits is not None
    assert waits.code == "duplicate_pending"
    assert bench.done(later) == ["stored"], "the coffee waits for nobody"
    assert bench.ledger.attempts.earlier(later, 0, 2) == 0, "waiting is no failed attempt"

    assert await bench.run(died, worker=1) is None
    assert await bench.run(later) is None
    assert bench.done(died) == ["stored"]
    assert bench.done(later) == ["skipped exact", "stored"]
    assert bench.outcomes(later)[0].item_id == bench.outcomes(died)[0].item_id


@pytest.mark.parametrize("halt", ["pause", "cancel"])
async def test_a_job_that_was_halted_holds_nobody_up(bench: Bench, halt: str) -> None:
    died = bench.accept(bench.line("a", CAT), exact="skip")
    later = bench.accept(bench.line("b", CAT), exact="skip")
    sha256 = bench.ledger.lines(died, 0, 1)[0].sha256
    bench.arrivals.announce(bench.tenant, died.id, [Arrival(0, "whatever its id", sha256)])
    getattr(bench.ledger.control, halt)(died)
    assert await bench.run(later) is None
    assert bench.done(later) == ["stored"]
    if halt == "pause":
        bench.ledger.control.resume(died)
        assert await bench.run(died) is None
        assert bench.done(died) == ["skipped exact"]


async def test_what_was_decided_before_a_crash_is_decided_again(bench: Bench, tmp_path: Path) -> None:
    """A process dies after the write and before its outcomes: the next try finds its own items."""
    job = bench.accept(*(bench.line(name, CAT) for name in "abc"), exact="link")
    await bench.run(job)
    before = bench.outcomes(job)
    objects = open_objects(str(tmp_path))
    folder = JobFolder(bench.tenant, job.id).outcomes(0)
    for name in objects.list(folder):
        objects.delete(f"{folder}/{name}")
    bench.ledger = JobLedger(objects, RevisionClock())
    assert await bench.run(job, worker=1) is None
    assert bench.outcomes(job) == before


async def test_what_was_left_out_for_an_item_that_the_store_lost_is_done_again(bench: Bench) -> None:
    first = bench.accept(bench.line("a", CAT))
    await bench.run(first)
    await bench.workers[0].reconciler.run()
    job = bench.accept(bench.line("b", CAT), exact="skip")
    await bench.run(job)
    lost = bench.outcomes(job)[0].item_id
    collection = await bench.index.resolve()
    assert collection is not None
    async with httpx.AsyncClient(base_url=bench.store_url, trust_env=False) as client:
        removal = {"points": [lost]}
        await client.post(f"/collections/{collection.name}/points/delete?wait=true", json=removal)
    await bench.workers[0].reconciler.run()
    assert bench.outcomes(job) == []
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored"]


async def test_the_order_leaves_nothing_behind(bench: Bench, tmp_path: Path) -> None:
    for number in range(5):
        job = bench.accept(
            bench.line(f"a{number}", CAT), bench.line(f"b{number}", COFFEE), exact="link", near="skip"
        )
        await bench.run(job, worker=number % 2)
    objects, folder = open_objects(str(tmp_path)), f"arrivals/{bench.tenant}"
    names = objects.list(folder)
    assert len(names) <= 2
    assert [objects.get(f"{folder}/{name}") for name in names] == [b""] * len(names)


async def test_what_nobody_settled_is_settled_by_others_after_a_while(bench: Bench, tmp_path: Path) -> None:
    objects, name = open_objects(str(tmp_path)), f"arrivals/{bench.tenant}/000000000000"
    forgotten = {
        "job_id": "a-job-that-is-gone",
        "arrivals": [{"line": 0, "item_id": "x", "sha256": "0" * 64, "perceptual_hash": ""}],
        "at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
    }
    objects.put(name, json.dumps(forgotten).encode())
    job = bench.accept(bench.line("a", CAT), exact="link")
    assert await bench.run(job) is None
    assert bench.done(job) == ["stored"]
    assert not objects.exists(name)
