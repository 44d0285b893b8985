"""Jobs from acceptance to the store: a real broker, store, encoder and real worker processes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from celery import Celery
from PIL import Image

from services.common.errors import ImageError
from services.common.index.ids import content_key, item_id
from services.common.jobs.messages import INGEST_MANIFEST, batches, first_messages
from services.common.jobs.records import Job, JobSource, ManifestLine, Outcome
from tests.fixtures.brokers import ValkeyProcess, free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, gradient, noise, odd_pictures
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import StoredItems, Surroundings, WorkerProcess, wait_for, wait_until_closed

LIMIT_S = 60.0


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderProcess) -> Iterator[Surroundings]:
    """A broker and a store of their own, so that no other test's messages and collections are in the way."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "pictures").mkdir()
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield Surroundings(folder / "data", broker.url, store.url, encoder.address, [folder / "pictures"])


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    """One worker with the beat inside."""
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test has."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(surroundings: Surroundings, tenant: str) -> Path:
    """A folder that jobs may read."""
    path = surroundings.roots[0] / tenant
    path.mkdir()
    return path


def submit(surroundings: Surroundings, tenant: str, lines: Sequence[ManifestLine], publish: bool = True) -> Job:
    job = surroundings.ledger().accept(tenant, lines, JobSource("upload"))
    if publish:
        surroundings.publish(list(batches(job)))
    return job


def submit_folder(surroundings: Surroundings, tenant: str, folder: Path) -> Job:
    job = surroundings.ledger().begin(tenant, JobSource("folder", str(folder)))
    surroundings.publish(list(first_messages(job)))
    return job


def uploaded(surroundings: Surroundings, tenant: str, count: int) -> list[ManifestLine]:
    media = surroundings.media()
    return [
        ManifestLine(f"{seed}.png", sha256=media.put(tenant, encode(noise(24, 18, seed), "PNG")))
        for seed in range(count)
    ]


@pytest.mark.usefixtures("worker")
def test_odd_pictures_fail_with_their_reason_and_the_others_go_in(
    surroundings: Surroundings, tenant: str, folder: Path
) -> None:
    odd = odd_pictures()
    for number, picture in enumerate(odd):
        (folder / f"{number:02d}.jpg").write_bytes(picture.data)
    for seed in range(12):
        (folder / f"good{seed:02d}.jpg").write_bytes(encode(noise(64, 48, seed), "JPEG"))
    ledger = surroundings.ledger()

    job = submit_folder(surroundings, tenant, folder)
    progress = wait_until_closed(ledger, tenant, job.id, LIMIT_S)

    outcomes = ledger.outcomes(progress.job)
    for number, picture in enumerate(odd):
        found = outcomes[number]
        if picture.error is None:
            assert found.outcome is Outcome.STORED, picture.name
        else:
            assert (found.outcome, found.code) == (Outcome.FAILED, picture.error.code), picture.name
            assert issubclass(picture.error, ImageError)
            assert found.message
    refused = sum(picture.error is not None for picture in odd)
    assert (progress.failed, progress.stored) == (refused, len(odd) - refused + 12)
    assert StoredItems(surroundings.qdrant_url).count(tenant) == progress.stored


@pytest.mark.usefixtures("worker")
def test_what_is_kept_of_a_photo_has_its_turn_and_not_its_place(
    surroundings: Surroundings, tenant: str, folder: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}
    (folder / "a.jpg").write_bytes(encode(gradient(), "JPEG", exif=exif))
    job = submit_folder(surroundings, tenant, folder)
    progress = wait_until_closed(surroundings.ledger(), tenant, job.id, LIMIT_S)

    outcome = surroundings.ledger().outcomes(progress.job)[0]
    item = StoredItems(surroundings.qdrant_url).items(tenant, [outcome.item_id])[outcome.item_id]
    assert item.media is not None
    assert (item.media.width, item.media.height, item.media.mime) == (48, 64, "image/jpeg")
    assert len(item.media.perceptual_hash) == 16
    assert item.source_uri == (folder / "a.jpg").as_uri()
    media = surroundings.media()
    with Image.open(BytesIO(media.get(tenant, item.media.sha256))) as kept:
        assert dict(kept.getexif()) == {0x0112: 6}
    with Image.open(BytesIO(media.get_thumbnail(tenant, item.media.sha256, 256))) as thumbnail:
        assert thumbnail.size == (48, 64)


@pytest.mark.usefixtures("worker")
def test_the_same_pictures_submitted_twice_at_once_are_one_item_each(
    surroundings: Surroundings, tenant: str
) -> None:
    lines = uploaded(surroundings, tenant, 20)
    ledger = surroundings.ledger()
    jobs = [submit(surroundings, tenant, [*lines, lines[0]], publish=False) for _ in range(2)]
    for job in jobs:
        surroundings.publish([*batches(job), *batches(job)])

    done = [wait_until_closed(ledger, tenant, job.id, LIMIT_S) for job in jobs]

    stored = StoredItems(surroundings.qdrant_url)
    assert stored.count(tenant) == 20
    ids = [item_id(tenant, content_key(line.sha256)) for line in lines]
    assert {found.revision for found in stored.of(tenant, ids).values()} == {jobs[1].revision}
    for progress in done:
        assert progress.stored + progress.merged + progress.superseded == 21
        assert progress.failed == progress.pending == 0


@pytest.mark.usefixtures("worker")
def test_a_plain_celery_client_queues_a_manifest(surroundings: Surroundings, tenant: str, folder: Path) -> None:
    (folder / "cat.png").write_bytes(encode(noise(30, 20), "PNG"))
    manifest = folder / "m.jsonl"
    entries: list[object] = [
        {"path": "cat.png", "key": "sku-1", "title": "红色连衣裙", "tags": ["dress"], "metadata": {"price": 300}},
        {"text": "A passage about cats."},
        {"path": "missing.png"},
        {"path": "/etc/passwd"},
    ]
    manifest.write_text("\n".join([*map(json.dumps, entries), "nonsense"]), encoding="utf-8")
    job_id = f"nightly-{tenant}"

    with Celery(broker=surroundings.broker_url, set_as_current=False) as client:
        for _ in range(2):
            client.send_task("imagerag.ingest_manifest", args=[job_id, tenant, manifest.as_uri()], queue="bulk")

    ledger = surroundings.ledger()
    wait_for(lambda: bool(ledger.jobs(tenant, 1)), LIMIT_S)
    progress = wait_until_closed(ledger, tenant, job_id, LIMIT_S)
    assert (progress.stored, progress.failed) == (2, 3)
    failed = {found.name: found.code for found in ledger.failures(tenant, job_id)}
    assert failed == {"missing.png": "not_found", "line 4": "forbidden", "line 5": "invalid_request"}
    item = StoredItems(surroundings.qdrant_url).items(tenant, [item_id(tenant, "sku-1")])[item_id(tenant, "sku-1")]
    assert (item.title, item.tags, item.metadata) == ("红色连衣裙", ("dress",), {"price": 300})


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("uri", ["file:///etc/passwd", "s3://bucket/m.jsonl", "{root}/missing.jsonl"])
def test_a_bad_manifest_is_a_job_that_says_why(surroundings: Surroundings, tenant: str, uri: str) -> None:
    job_id = f"bad-{tenant}"
    client = surroundings.client()
    client.send_task(INGEST_MANIFEST, args=[job_id, tenant, uri.format(root=surroundings.roots[0])])
    client.close()
    ledger = surroundings.ledger()
    wait_for(lambda: bool(ledger.jobs(tenant, 1)), LIMIT_S)
    wait_until_closed(ledger, tenant, job_id, LIMIT_S)
    assert [bool(found.message) for found in ledger.failures(tenant, job_id)] == [True]


def test_a_message_that_vanished_is_sent_again(
    surroundings: Surroundings, worker: WorkerProcess, tenant: str
) -> None:
    job = submit(surroundings, tenant, uploaded(surroundings, tenant, 3), publish=False)
    progress = wait_until_closed(surroundings.ledger(), tenant, job.id, LIMIT_S)
    assert (progress.stored, progress.failed) == (3, 0)
    assert '"event": "requeued"' in worker.log()


@pytest.mark.usefixtures("worker")
def test_a_cancelled_job_does_nothing_more(surroundings: Surroundings, tenant: str) -> None:
    ledger = surroundings.ledger()
    job = submit(surroundings, tenant, uploaded(surroundings, tenant, 3), publish=False)
    ledger.cancel(tenant, job.id)
    surroundings.publish(list(batches(job)))
    progress = wait_until_closed(ledger, tenant, job.id, LIMIT_S)
    assert (progress.state, progress.pending) == ("cancelled", 3)
    assert StoredItems(surroundings.qdrant_url).count(tenant) == 0


def test_nonsense_in_the_queue_is_dropped(surroundings: Surroundings, worker: WorkerProcess, tenant: str) -> None:
    client = surroundings.client()
    job = submit(surroundings, tenant, uploaded(surroundings, tenant, 1), publish=False)
    for arguments in (
        ["nothing", tenant, 0, 1],
        [job.id, "../x", 0, 1],
        [job.id, tenant, -1, 1],
        [job.id, tenant, 0, 9],
    ):
        client.send_task("imagerag.ingest_batch", args=arguments, queue="interactive")
    client.send_task(INGEST_MANIFEST, args=["../x", tenant, "m.jsonl"])
    client.close()
    wait_for(
        lambda: worker.log().count('"message_dropped"') >= 4 and '"manifest_dropped"' in worker.log(), LIMIT_S
    )
    assert worker.is_running()


def test_the_request_id_of_a_message_is_in_the_workers_log(
    surroundings: Surroundings, worker: WorkerProcess, tenant: str
) -> None:
    job = submit(surroundings, tenant, uploaded(surroundings, tenant, 1), publish=False)
    request_id = f"req-{tenant}"
    client = surroundings.client()
    message = next(iter(batches(job)))
    client.send_task(
        "imagerag.ingest_batch", kwargs=message.arguments(), queue="bulk", headers={"x-request-id": request_id}
    )
    client.close()
    wait_until_closed(surroundings.ledger(), tenant, job.id, LIMIT_S)
    done = [line for line in worker.log().splitlines() if '"batch_done"' in line and request_id in line]
    assert json.loads(done[0])["job_id"] == job.id


def test_the_parents_endpoint_adds_up_what_its_processes_count(
    surroundings: Surroundings, tenant: str, tmp_path: Path
) -> None:
    port = free_port()
    with ValkeyProcess(tmp_path / "broker") as broker:
        counted = replace(surroundings, folder=tmp_path / "data", broker_url=broker.url)
        counted.settings = counted.settings | {"IMAGERAG_WORKERS_METRICS_PORT": str(port)}
        job = submit(counted, tenant, uploaded(counted, tenant, 5))
        with WorkerProcess(counted, "counted", ["--beat"]):
            wait_until_closed(counted.ledger(), tenant, job.id, LIMIT_S)
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert 'imagerag_worker_items_total{outcome="stored"} 5.0' in text
    assert 'imagerag_build_info{service="workers"' in text
    assert 'imagerag_worker_stage_seconds_count{stage="upsert"}' in text


def test_a_killed_worker_leaves_no_process_behind(surroundings: Surroundings, tmp_path: Path) -> None:
    with ValkeyProcess(tmp_path / "broker") as broker:
        lonely = replace(surroundings, folder=tmp_path / "data", broker_url=broker.url)
        worker = WorkerProcess(lonely, "killed", ["--beat"]).start()
        wait_for(lambda: len(worker.children()) == 2, LIMIT_S)
        children = worker.children()
        worker.kill()
        wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), LIMIT_S)


def test_while_the_encoder_is_down_lines_wait_and_none_fails(
    surroundings: Surroundings, tenant: str, tmp_path: Path
) -> None:
    port = free_port()
    with ValkeyProcess(tmp_path / "broker") as broker:
        lonely = replace(
            surroundings, folder=tmp_path / "data", broker_url=broker.url, encoder_url=f"127.0.0.1:{port}"
        )
        job = submit(lonely, tenant, uploaded(lonely, tenant, 5))
        ledger = lonely.ledger()
        with WorkerProcess(lonely, "lonely", ["--beat"]) as worker:
            wait_for(lambda: worker.log().count('"batch_unfinished"') >= 2, LIMIT_S)
            assert ledger.progress(tenant, job.id).pending == 5
            settings = {"IMAGERAG_ENCODER_PORT": str(port)}
            with EncoderProcess(tmp_path / "encoder", settings):
                progress = wait_until_closed(ledger, tenant, job.id, LIMIT_S)
    assert (progress.stored, progress.failed) == (5, 0)
