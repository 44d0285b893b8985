"""An archive and a prefix through a real worker: broker, store, encoder, sandbox and bucket are processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from services.common.index.ids import content_key, item_id
from services.common.jobs.messages import first_messages
from services.common.jobs.records import JobProgress, JobSource, Outcome
from services.common.objects import open_objects
from tests.fixtures.archives import picture, tarred
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.bucket import BucketServer
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_until_closed,
)

TENANT = "shop"
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with BucketServer(tmp_path_factory.mktemp("bucket")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield running
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, bucket: BucketServer) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("archives")
    (folder / "in").mkdir()
    with (
        ValkeyProcess(folder / "broker") as broker,
        StoreProcess(folder / "store" / "data") as store,
        colours_in_background() as encoder,
    ):
        own = Surroundings(folder / "data", broker.url, store.url, encoder, [folder / "in"])
        own.settings["IMAGERAG_SOURCE_PREFIXES"] = allowed_bucket(bucket)
        with WorkerProcess(own, "worker", ["--beat"]):
            yield own


def allowed_bucket(bucket: BucketServer) -> str:
    """A bucket with three pictures and a document."""
    url = bucket.make_bucket()
    objects = open_objects(url)
    for number in range(3):
        objects.put(f"photos/{number}.png", picture(100 + number))
    objects.put("photos/readme.pdf", b"%PDF-1.7")
    return url


def ingest(surroundings: Surroundings, source: JobSource) -> JobProgress:
    ledger = surroundings.ledger()
    job = ledger.begin(TENANT, source)
    surroundings.publish(list(first_messages(job)))
    return wait_until_closed(ledger, TENANT, job.id, LIMIT_S)


def test_a_webdataset_shard_goes_in_with_its_descriptions(surroundings: Surroundings, tmp_path: Path) -> None:
    members: dict[str, bytes] = {"../evil.png": picture(9)}
    for number in range(40):
        members[f"{number:04d}.png"] = picture(number)
        members[f"{number:04d}.json"] = f'{{"title": "No {number}", "width": 8}}'.encode()
        members[f"{number:04d}.txt"] = f"红色 picture {number}".encode()
    path = surroundings.roots[0] / "shard-000.tar.gz"
    path.write_bytes(tarred(members, "gz"))

    progress = ingest(surroundings, JobSource("archive", str(path)))

    assert (progress.job.total, progress.stored, progress.failed) == (41, 40, 1)
    path.unlink()
    outcomes = surroundings.ledger().outcomes(progress.job)
    stored = [each.item_id for each in outcomes.values() if each.outcome is Outcome.STORED]
    items = StoredItems(surroundings.qdrant_url).items(TENANT, stored)
    (seven,) = (item for item in items.values() if item.title == "No 7")
    assert (seven.text, seven.metadata, seven.document_id) == ("红色 picture 7", {"width": 8}, "")
    assert seven.source_uri == f"{path.as_uri()}#0007.png"
    assert seven.media
    assert surroundings.media().exists(TENANT, seven.media.sha256)
    assert seven.id == item_id(TENANT, content_key(seven.media.sha256, ""))


def test_a_prefix_goes_in_and_one_that_is_not_allowed_does_not(surroundings: Surroundings) -> None:
    url = surroundings.settings["IMAGERAG_SOURCE_PREFIXES"]
    progress = ingest(surroundings, JobSource("prefix", f"{url}/photos"))
    assert (progress.job.total, progress.stored, progress.failed) == (4, 3, 1)
    (failure,) = surroundings.ledger().failures(TENANT, progress.job.id)
    assert (failure.name, failure.code) == ("readme.pdf", "image_format")

    refused = ingest(surroundings, JobSource("prefix", "s3://another-bucket"))
    (failure,) = surroundings.ledger().failures(TENANT, refused.job.id)
    assert failure.code == "forbidden"
