"""Workers killed while they read and ingest uploaded files, which are swept away as often as can be meanwhile."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.jobs.messages import first_messages
from services.common.jobs.records import JobSource, ManifestLine
from services.common.objects import ObjectStore, open_objects
from services.common.uploads.layout import ROOT
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from tests.fixtures.archives import zipped
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.pdf_writer import PdfPage, write_pdf
from tests.fixtures.proofs import count
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import QUICK, Surroundings, WorkerProcess, colours_in_background, wait_for

pytestmark = pytest.mark.faults
TENANT = "default"
ZIPS, PICTURES, PAGES = 3, 300, 20
LIMIT_S = 600.0
KILL_EVERY_S = 4.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ValkeyProcess]:
    with ValkeyProcess(tmp_path / "broker") as process:
        yield process


@pytest.fixture
def surroundings(tmp_path: Path, broker: ValkeyProcess) -> Iterator[Surroundings]:
    # Without a grace files are swept at each look of the reconciler, once a second.
    settings = {**QUICK, "IMAGERAG_WORKERS_UPLOADS_GRACE_S": "0"}
    with StoreProcess(tmp_path / "store" / "data") as store, colours_in_background(0.02) as encoder:
        yield Surroundings(tmp_path / "data", broker.url, store.url, encoder, settings=settings)


def uploaded(objects: ObjectStore, name: str, data: bytes) -> UploadedEntry:
    with UploadStore(objects).receive(TENANT) as receiving:
        receiving.write(data)
        return UploadedEntry(ManifestLine(name), receiving.finish().sha256)


def files(objects: ObjectStore) -> list[UploadedEntry]:
    def pictures(first: int) -> bytes:
        seeds = range(first, first + PICTURES)
        return zipped({f"{seed}.jpg": encode(noise(48, 32, seed), "JPEG") for seed in seeds})

    archives = [uploaded(objects, f"{n}.zip", pictures(n * PICTURES)) for n in range(ZIPS)]
    report = write_pdf([PdfPage([f"Page {number} of the report."]) for number in range(PAGES)])
    broken = uploaded(objects, "broken.zip", b"PK\x03\x04 \0 and no more")
    return [*archives[:-1], uploaded(objects, "report.pdf", report), broken, archives[-1]]


@pytest.mark.timeout(900)
def test_uploaded_files_survive_kills_and_sweeps_until_they_are_read(surroundings: Surroundings) -> None:
    objects, ledger = open_objects(str(surroundings.folder)), surroundings.ledger()
    job_id = uuid.uuid4().hex
    UploadStore(objects).write_set(TENANT, job_id, files(objects))
    workers = [WorkerProcess(surroundings, f"worker{number}") for number in range(2)]
    dice, kills, next_s = random.Random(20260131), 0, time.monotonic() + KILL_EVERY_S

    def closed() -> bool:
        nonlocal kills, next_s
        if time.monotonic() > next_s and kills < 8:
            next_s, victim = time.monotonic() + KILL_EVERY_S, dice.choice(workers)
            kills += victim.kill_child()
        return ledger.progress(TENANT, job_id).closed_at is not None

    with WorkerProcess(surroundings, "beat", ["beat"]), workers[0], workers[1]:
        job = ledger.begin(TENANT, JobSource("upload"), job_id=job_id)
        surroundings.publish(list(first_messages(job)))
        wait_for(closed, LIMIT_S, every_s=0.2)
        wait_for(lambda: not objects.list(f"{ROOT}/{TENANT}/data"), 60)

    counts = count(surroundings, TENANT, job_id)
    print(f"\nkilled {kills} pool processes; {counts}")
    assert kills >= 2
    whole = ZIPS * PICTURES + PAGES + 1
    assert (counts.accepted, counts.stored, counts.failed) == (whole, whole - 1, 1)
    assert (counts.duplicated, counts.lost) == (0, 0)
    assert [failure.name for failure in ledger.failures(TENANT, job_id)] == ["broken.zip"]
