"""Pictures and ledgers in a bucket, over the S3 protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import s3fs

from services.common.errors import ConflictError, NotFoundError, UnavailableError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobSource, LineOutcome, ManifestLine, Outcome
from services.common.media.store import MediaStore
from services.common.objects import ObjectStore, RemoteObjects, open_objects
from services.common.revision import RevisionClock
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from services.common.uploads.sweep import UploadSweep
from tests.fixtures.bucket import BucketServer
from tests.fixtures.photos import ROCKET


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with BucketServer(tmp_path_factory.mktemp("bucket")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def objects(server: BucketServer) -> ObjectStore:
    opened = open_objects(f"{server.make_bucket()}/prefix")
    assert isinstance(opened, RemoteObjects)
    return opened


def test_put_get_replace_list_delete(objects: ObjectStore) -> None:
    for name in ("x/2", "x/1", "x/y/3"):
        objects.put(name, b"one")
    objects.put("x/1", b"two")
    assert objects.get("x/1") == b"two"
    assert objects.list("x") == ["1", "2", "y"]
    assert (objects.exists("x/1"), objects.exists("x"), objects.exists("x/9")) == (True, False, False)
    objects.delete("x/1")
    objects.delete("x/1")
    assert objects.list("x") == ["2", "y"]
    assert objects.list("nowhere") == []
    with pytest.raises(NotFoundError):
        objects.get("x/1")


def test_what_is_there_is_not_created_again(server: BucketServer) -> None:
    url = server.make_bucket()
    assert open_objects(url).create("a/b", b"first")
    assert not open_objects(url).create("a/b", b"later")
    assert open_objects(url).get("a/b") == b"first"
    assert open_objects(url).create("a/b", b"first"), "the first try had arrived although its answer had not"


def test_of_two_listings_one_writes_a_part(objects: ObjectStore) -> None:
    first, second = (JobLedger(objects, RevisionClock()) for _ in range(2))
    job = first.begin("shop", JobSource("folder", "/photos"))
    known = first.listing.extend(job, [ManifestLine("a"), ManifestLine("b")], [], complete=True)
    with pytest.raises(ConflictError):
        second.listing.extend(job, [ManifestLine("x")], [], complete=True)
    assert [line.name for line in second.lines(second.job("shop", job.id), 0, 9)] == ["a", "b"]
    assert second.job("shop", job.id) == known


def test_what_another_process_wrote_is_seen_at_once(server: BucketServer) -> None:
    url = server.make_bucket()
    mine, theirs = open_objects(url), open_objects(f"{url}/")
    assert mine.list("jobs") == []
    theirs.put("jobs/1", b"")
    assert mine.exists("jobs/1")
    assert mine.list("jobs") == ["1"]


def test_a_job_goes_its_whole_way(objects: ObjectStore) -> None:
    ledger = JobLedger(objects, RevisionClock())
    manifest = [ManifestLine(f"{number}.jpg", sha256=f"{number:064x}") for number in range(100)]
    job = ledger.accept("shop", manifest, JobSource("upload"))
    other = JobLedger(objects, RevisionClock())
    assert other.lines(other.job("shop", job.id), 0, 100) == manifest
    assert ledger.open_jobs() == [("shop", job.id)]
    ledger.record(job, [LineOutcome(n, Outcome.STORED, line.name, f"id-{n}") for n, line in enumerate(manifest)])
    progress = other.progress("shop", job.id)
    assert (progress.stored, progress.pending) == (100, 0)
    other.close(job)
    assert ledger.open_jobs() == []


def test_a_picture_is_kept_by_its_content(objects: ObjectStore) -> None:
    media = MediaStore(objects)
    digest = media.put("shop", ROCKET)
    assert media.exists("shop", digest)
    assert not media.exists("other", digest)
    assert media.get("shop", digest)[:3] == ROCKET[:3]


def test_an_uploaded_file_of_several_parts(objects: ObjectStore) -> None:
    content = bytes(range(256)) * 160_000  # 41 MB: three parts of a multipart upload
    store = UploadStore(objects)
    with store.receive("shop") as receiving:
        for start in range(0, len(content), 1_000_000):
            receiving.write(content[start : start + 1_000_000])
        upload = receiving.finish()
    stamps = []
    for _ in range(2):
        with store.opened("shop", upload.sha256) as path:
            assert path.read_bytes() == content
            stamps.append(path.stat().st_mtime_ns)
    assert stamps[0] == stamps[1]
    assert not path.exists(), "the copy goes with the block"


def test_an_upload_that_breaks_off_leaves_nothing_in_the_bucket(objects: ObjectStore) -> None:
    for size in (1000, 20_000_000):
        with UploadStore(objects).receive("shop") as receiving:
            receiving.write(b"x" * size)
        assert objects.list("uploads/shop/data") == []
    assert objects.list("uploads/shop/known") == []


def test_uploads_are_swept_from_the_bucket(objects: ObjectStore) -> None:
    store = UploadStore(objects)
    with store.receive("shop") as receiving:
        receiving.write(b"read by its job")
        upload = receiving.finish()
    store.write_set("shop", "job", [UploadedEntry(ManifestLine("a.pdf"), upload.sha256)])
    day = timedelta(days=1)
    assert UploadSweep(objects, lambda *_: False, day, timedelta()).run(datetime.now(UTC)) == 0
    assert UploadSweep(objects, lambda *_: True, day, timedelta()).run(datetime.now(UTC)) == 1
    assert [objects.list(f"uploads/shop/{folder}") for folder in ("data", "known", "sets")] == [[], [], []]


def written(objects: ObjectStore) -> None:
    with objects.writing("uploads/shop/data/x/file") as writer:
        writer.write(b"2")


def test_an_outage_is_not_taken_for_a_missing_object(server: BucketServer) -> None:
    url = server.make_bucket()
    objects = open_objects(url)
    objects.put("a", b"1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
        s3fs.S3FileSystem.clear_instance_cache()
        cut_off = open_objects(url)
        calls: list[Callable[[], object]] = [
            lambda: cut_off.exists("a"),
            lambda: cut_off.list(""),
            lambda: cut_off.put("a", b"2"),
            lambda: UploadStore(cut_off).find("shop", "0" * 64),
            lambda: written(cut_off),
        ]
        for call in calls:
            with pytest.raises(UnavailableError, match="object storage"):
                call()
        s3fs.S3FileSystem.clear_instance_cache()
    assert objects.get("a") == b"1"


def test_no_bucket_is_unavailable(server: BucketServer) -> None:
    with pytest.raises(UnavailableError):
        open_objects(f"{server.make_bucket()}-not-made").put("a", b"")
