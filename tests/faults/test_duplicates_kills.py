"""Workers killed while they sort out duplicates: of every picture there is one first, and nothing is lost."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from services.common.index.ids import item_id
from services.common.jobs.messages import batches
from services.common.jobs.records import DuplicatePolicy, Job, JobOptions, JobSource, LineOutcome, ManifestLine
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from tests.fixtures.two_workers import words
from tests.fixtures.workers import StoredItems, Surroundings, WorkerProcess, colours_in_background, wait_for

pytestmark = pytest.mark.faults
PICTURES = 60
COPIES = 6
"""Of each picture: three with its bytes, three saved anew."""
KILLS = 6
TENANT = "default"
KILL_EVERY_S = 3.0
LIMIT_S = 400.0
PICTURE_S = 0.01


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    """Servers of its own."""
    with (
        ValkeyProcess(tmp_path / "broker") as broker,
        StoreProcess(tmp_path / "store" / "data") as store,
        colours_in_background(PICTURE_S) as encoder,
    ):
        yield Surroundings(tmp_path / "data", broker.url, store.url, encoder)


def copies(surroundings: Surroundings) -> dict[str, list[ManifestLine]]:
    """By picture, its copies with keys of their own."""
    media = surroundings.media()
    found: defaultdict[str, list[ManifestLine]] = defaultdict(list)
    for seed in range(PICTURES):
        image = noise(16, 16, seed).resize((160, 160), Image.Resampling.BICUBIC)
        digests = [media.put(TENANT, encode(image, "JPEG", quality=quality)) for quality in (95, 80)]
        for copy in range(COPIES):
            name = f"{seed}-{copy}"
            found[str(seed)].append(ManifestLine(name, key=name, sha256=digests[copy % 2]))
    return found


def submit(surroundings: Surroundings, lines: list[ManifestLine], policy: DuplicatePolicy) -> Job:
    options = JobOptions(duplicates=policy, near_duplicates=policy)
    job = surroundings.ledger().accept(TENANT, lines, JobSource("upload"), options=options)
    surroundings.publish(list(batches(job)))
    return job


@pytest.mark.timeout(500)
@pytest.mark.parametrize("policy", ["link", "skip"])
def test_of_every_picture_one_is_the_first(surroundings: Surroundings, policy: DuplicatePolicy) -> None:
    by_picture = copies(surroundings)
    lines = [line for some in by_picture.values() for line in some]
    dice = random.Random(20260714)
    dice.shuffle(lines)
    ledger = surroundings.ledger()
    workers = [WorkerProcess(surroundings, f"worker{number}") for number in range(2)]
    killed, next_s = Counter[str](), 0.0
    with WorkerProcess(surroundings, "beat", ["beat"]), workers[0], workers[1]:
        started = time.monotonic()
        half = len(lines) // 2
        jobs = [submit(surroundings, some, policy) for some in (lines[:half], lines[half:])]

        def closed() -> bool:
            nonlocal next_s
            if killed.total() < KILLS and time.monotonic() > next_s:
                next_s = time.monotonic() + KILL_EVERY_S
                worker = dice.choice(workers)
                if worker.is_running() and dice.random() < 0.7:
                    killed["pool processes"] += worker.kill_child()
                else:
                    worker.kill()
                    killed["workers"] += 1
                    worker.start()
            return all(ledger.progress(TENANT, job.id).closed_at for job in jobs)

        wait_for(closed, LIMIT_S, every_s=0.25)
        took_s = time.monotonic() - started

    outcomes = {found.name: found for job in jobs for found in ledger.outcomes(job).values()}
    counts = Counter(words(found) for found in outcomes.values())
    print(f"\n{policy}: {len(lines)} accepted in {took_s:.0f} s, killed {dict(killed)}; {dict(counts)}")
    assert killed.total() >= 2
    assert len(outcomes) == len(lines)
    assert counts["stored"] == PICTURES
    assert counts.total() - counts["stored"] == PICTURES * (COPIES - 1)
    for some in by_picture.values():
        check([outcomes[line.name] for line in some])
    expected = len(lines) if policy == "link" else PICTURES
    assert StoredItems(surroundings.qdrant_url).count(TENANT) == expected


def check(group: list[LineOutcome]) -> None:
    """One is the first of its picture; every other one leads to it, or to the first of its own bytes."""
    (first,) = (found for found in group if found.duplicate_of is None)
    ids = {item_id(TENANT, found.name) for found in group}
    assert first.item_id in ids
    for found in group:
        if found.duplicate_of is not None:
            assert found.duplicate_of.item_id in ids
            assert found.duplicate_of.item_id != item_id(TENANT, found.name)
