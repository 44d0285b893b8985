"""Uploaded files on their whole way: a real worker, encoder and store; gone once they are read."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.index.ids import item_id
from services.common.jobs.identity import key_of
from services.common.jobs.messages import first_messages
from services.common.jobs.records import JobSource, ManifestLine
from services.common.objects import open_objects
from services.common.uploads.layout import ROOT
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from tests.fixtures.archives import zipped
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.gateway import drawn_picture
from tests.fixtures.pdf_writer import PdfPage, write_pdf
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import QUICK, StoredItems, Surroundings, WorkerProcess, wait_until_closed

LIMIT_S = 90.0


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderProcess) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("uploads")
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        settings = {**QUICK, "IMAGERAG_WORKERS_UPLOADS_GRACE_S": "0"}
        yield Surroundings(folder / "data", broker.url, store.url, encoder.address, settings=settings)


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


def uploaded(store: UploadStore, tenant: str, name: str, data: bytes, **said: object) -> UploadedEntry:
    with store.receive(tenant) as receiving:
        receiving.write(data)
        return UploadedEntry(ManifestLine(name, **said), receiving.finish().sha256)  # type: ignore[arg-type]


@pytest.mark.usefixtures("worker")
def test_a_job_of_files_goes_its_whole_way_and_leaves_nothing_behind(surroundings: Surroundings) -> None:
    tenant, job_id = f"t{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    objects = open_objects(str(surroundings.folder))
    store, ledger = UploadStore(objects), surroundings.ledger()
    rows = "\n".join(json.dumps({"path": f"img/{n}.png", "title": f"Dress {n}"}) for n in (1, 2))
    entries = [
        uploaded(store, tenant, "report.pdf", write_pdf([PdfPage(["Revenue grew by a third."])]), tags=("q3",)),
        uploaded(store, tenant, "photos.zip", zipped({f"{n}.png": drawn_picture(n) for n in range(3, 8)})),
        uploaded(store, tenant, "items.jsonl", rows.encode()),
        *(
            UploadedEntry(ManifestLine(f"img/{n}.png", sha256=surroundings.media().put(tenant, drawn_picture(n))))
            for n in (1, 2)
        ),
        uploaded(store, tenant, "broken.pdf", b"%PDF-1.7 and no more"),
    ]
    store.write_set(tenant, job_id, entries)
    job = ledger.begin(tenant, JobSource("upload"), job_id=job_id)
    surroundings.publish(list(first_messages(job)))

    progress = wait_until_closed(ledger, tenant, job_id, LIMIT_S)
    assert (progress.stored, progress.failed, progress.pending) == (8, 1, 0)
    (failure,) = ledger.failures(tenant, job_id)
    assert failure.name == "broken.pdf"
    assert failure.message
    lines = ledger.lines(progress.job, 0, progress.job.total)
    ids = [item_id(tenant, key_of(line, line.sha256)) for line in lines if line.name != "broken.pdf"]
    items = StoredItems(surroundings.qdrant_url).items(tenant, ids)
    assert {item.title for item in items.values()} >= {"Dress 1", "Dress 2"}
    assert [item.tags for item in items.values() if "Revenue" in item.text] == [("q3",)]
    sources = {item.source_uri for item in items.values()}
    assert {"report.pdf#page=1", "photos.zip#3.png", "img/1.png"} <= sources

    give_up_at = time.monotonic() + LIMIT_S
    while objects.list(f"{ROOT}/{tenant}/data") and time.monotonic() < give_up_at:
        time.sleep(0.5)
    left = [str(path) for path in Path(surroundings.folder, ROOT, tenant).rglob("*") if path.is_file()]
    assert left == []
