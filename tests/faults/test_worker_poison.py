"""One picture that kills every process that decodes it, among many that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.jobs.messages import batches
from services.common.jobs.records import JobSource, ManifestLine
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.poisoned_workers import DEATHS_PATH, POISON_SHA256
from tests.fixtures.proofs import count as counted
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_until_closed,
)

pytestmark = pytest.mark.faults
ITEMS, POISONED, MAX_ATTEMPTS = 500, 217, 4


@pytest.mark.timeout(500)
def test_the_poison_is_listed_with_its_reason_and_the_others_go_in(tmp_path: Path) -> None:
    """C3: at most four tries, then it is a failure that says what to do; tried again on demand, as often again."""
    deaths = tmp_path / "deaths"
    store = StoreProcess(tmp_path / "store" / "data")
    with ValkeyProcess(tmp_path / "broker") as broker, store, colours_in_background() as encoder:
        surroundings = Surroundings(tmp_path / "data", broker.url, store.url, encoder)
        media = surroundings.media()
        pictures = [encode(noise(32, 24, seed), "PNG") for seed in range(ITEMS)]
        lines = [ManifestLine(f"{n}.png", sha256=media.put("default", data)) for n, data in enumerate(pictures)]
        # A PNG without metadata is kept byte by byte: the digest is that of what the worker reads.
        assert media.get("default", lines[POISONED].sha256) == pictures[POISONED]
        surroundings.settings |= {POISON_SHA256: lines[POISONED].sha256, DEATHS_PATH: str(deaths)}
        ledger = surroundings.ledger()
        job = ledger.accept("default", lines, JobSource("upload"))
        surroundings.publish(list(batches(job)))
        with WorkerProcess(surroundings, "worker", ["--beat"], module="tests.fixtures.poisoned_workers"):
            progress = wait_until_closed(ledger, "default", job.id, limit_s=200)
            died_first = len(deaths.read_text(encoding="utf-8").split())
            assert ledger.replay.retry(job).lines == 1
            again = wait_until_closed(ledger, "default", job.id, limit_s=200)
        counts = counted(surroundings, "default", job.id)
        count = StoredItems(store.url).count("default")

    died = len(deaths.read_text(encoding="utf-8").split())
    failures = ledger.failures("default", job.id)
    print(f"\n{counts}; {died_first} processes died, and {died - died_first} after the retry; {failures}")
    assert 2 <= died_first <= MAX_ATTEMPTS
    assert 1 <= died - died_first <= MAX_ATTEMPTS
    assert (again.stored, again.failed, counts.duplicated, counts.lost) == (ITEMS - 1, 1, 0, 0)
    assert (progress.stored, progress.failed, count) == (ITEMS - 1, 1, ITEMS - 1)
    assert [(found.line, found.code, found.attempts) for found in failures] == [
        (POISONED, "image_worker_lost", MAX_ATTEMPTS)
    ]
    assert "export it anew" in failures[0].message
