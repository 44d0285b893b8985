"""Uploaded files: kept by content, named by jobs, gone once nobody needs them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs.records import ManifestLine
from services.common.objects import LocalObjects, ObjectStore, open_objects
from services.common.uploads.layout import ROOT
from services.common.uploads.records import Upload, UploadedEntry
from services.common.uploads.store import UPLOAD, UploadStore
from services.common.uploads.sweep import UploadSweep

KEEP = timedelta(hours=24)
GRACE = timedelta(minutes=1)
SOON = timedelta(minutes=5)
LATE = KEEP + SOON
CONTENT = b"%PDF-1.7 " + b"x" * 100_000


@pytest.fixture(params=["local", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = {"local": str(tmp_path), "memory": f"memory://{tmp_path.name}"}[request.param]
    return open_objects(url)


def put(objects: ObjectStore, content: bytes = CONTENT, tenant: str = "shop") -> Upload:
    with UploadStore(objects).receive(tenant) as receiving:
        for start in range(0, len(content), 30_000):
            receiving.write(content[start : start + 30_000])
        return receiving.finish()


def entries(*uploads: Upload) -> list[UploadedEntry]:
    return [UploadedEntry(ManifestLine(f"{number}.pdf"), each.sha256) for number, each in enumerate(uploads)]


def data_folders(objects: ObjectStore) -> list[str]:
    return objects.list(f"{ROOT}/shop/data")


class Jobs:
    """Which jobs there are, and whether they have read their files."""

    def __init__(self, **read: bool) -> None:
        self.read = read

    def is_read(self, tenant: str, job_id: str) -> bool | None:
        return self.read.get(job_id)


def sweep(objects: ObjectStore, jobs: Jobs, after: timedelta = SOON) -> int:
    return UploadSweep(objects, jobs.is_read, KEEP, GRACE).run(datetime.now(UTC) + after)


def test_a_file_is_known_by_its_bytes_and_in_its_tenant_alone(objects: ObjectStore) -> None:
    upload = put(objects)
    store = UploadStore(objects)
    assert (upload.sha256, upload.size_bytes) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert store.exists("shop", upload.sha256)
    assert not store.exists("other", upload.sha256)
    with store.opened("shop", upload.sha256) as path:
        assert path.read_bytes() == CONTENT
    with pytest.raises(NotFoundError, match="PUT /v1/uploads"), store.opened("other", upload.sha256):
        pass


def test_each_opening_finds_the_same_file(objects: ObjectStore) -> None:
    upload, looks = put(objects), []
    for _ in range(2):
        with UploadStore(objects).opened("shop", upload.sha256) as path:
            status = path.stat()
            looks.append((status.st_size, status.st_mtime_ns))
    assert looks[0] == looks[1]


def test_the_same_file_twice_is_kept_once_and_counts_as_new(objects: ObjectStore) -> None:
    first, second = put(objects), put(objects)
    assert second.place == first.place
    assert second.received_at > first.received_at
    assert len(data_folders(objects)) == 1


def test_what_breaks_off_leaves_nothing(objects: ObjectStore) -> None:
    def break_off() -> None:
        with UploadStore(objects).receive("shop") as receiving:
            receiving.write(CONTENT)
            raise KeyError("the caller is gone")

    with pytest.raises(KeyError):
        break_off()
    assert data_folders(objects) == []
    assert objects.list(f"{ROOT}/shop/known") == []


def test_an_empty_file_is_refused(objects: ObjectStore) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        put(objects, b"")
    assert data_folders(objects) == []


@pytest.mark.parametrize("digest", ["", "x" * 64, "A" * 64, "../" + "a" * 61])
def test_what_is_no_digest_is_said(objects: ObjectStore, digest: str) -> None:
    with pytest.raises(InvalidRequestError, match="SHA-256"):
        UploadStore(objects).exists("shop", digest)


def test_a_set_names_what_is_there(objects: ObjectStore) -> None:
    store, upload = UploadStore(objects), put(objects)
    given = [*entries(upload), UploadedEntry(ManifestLine("a.jpg", sha256="1" * 64, tags=("x",)))]
    store.write_set("shop", "job", given)
    assert store.entries("shop", "job") == given
    missing = UploadedEntry(ManifestLine("b.zip"), "2" * 64)
    with pytest.raises(NotFoundError):
        store.write_set("shop", "other", [*given, missing])
    with pytest.raises(NotFoundError):
        store.entries("shop", "other")


def test_a_file_stays_while_its_job_reads_and_goes_after(objects: ObjectStore) -> None:
    store, upload = UploadStore(objects), put(objects)
    store.write_set("shop", "job", entries(upload))
    assert sweep(objects, Jobs(job=False), LATE) == 0
    assert store.exists("shop", upload.sha256)
    assert sweep(objects, Jobs(job=True)) == 1
    assert not store.exists("shop", upload.sha256)
    assert data_folders(objects) == []
    assert objects.list(f"{ROOT}/shop/sets") == []


def test_a_file_that_is_sent_or_asked_for_again_stays_for_another_job(objects: ObjectStore) -> None:
    """Whoever asks finds it there, and names it in a job a while later."""
    store, upload = UploadStore(objects), put(objects)
    store.write_set("shop", "job", entries(upload))
    assert sweep(objects, Jobs(job=True), timedelta()) == 0
    assert store.ask("shop", upload.sha256)
    assert sweep(objects, Jobs(job=True), GRACE / 2) == 0
    assert sweep(objects, Jobs(job=True), GRACE * 2) == 1, "it is remembered that the job has read it"
    assert not store.ask("shop", upload.sha256)


def test_asking_is_noted(objects: ObjectStore) -> None:
    upload = put(objects)
    long_ago = replace(upload, received_at=upload.received_at - timedelta(hours=1))
    objects.put(f"{ROOT}/shop/known/{upload.sha256}.json", UPLOAD.dump_json(long_ago))
    assert UploadStore(objects).ask("shop", upload.sha256)
    assert UploadStore(objects).find("shop", upload.sha256).received_at >= upload.received_at


def test_a_file_that_another_job_is_still_to_read_stays(objects: ObjectStore) -> None:
    store, upload = UploadStore(objects), put(objects)
    for job_id in ("first", "second"):
        store.write_set("shop", job_id, entries(upload))
    assert sweep(objects, Jobs(first=True, second=False), LATE) == 0
    with store.opened("shop", upload.sha256) as path:
        assert path.read_bytes() == CONTENT
    assert sweep(objects, Jobs(second=True)) == 1


def test_a_file_that_no_job_names_goes_after_its_time(objects: ObjectStore) -> None:
    put(objects)
    assert sweep(objects, Jobs()) == 0
    assert sweep(objects, Jobs(), LATE) == 1
    assert data_folders(objects) == []


def test_a_set_whose_job_is_being_accepted_keeps_its_files(objects: ObjectStore) -> None:
    upload = put(objects)
    UploadStore(objects).write_set("shop", "unborn", entries(upload))
    assert sweep(objects, Jobs()) == 0
    assert sweep(objects, Jobs(), LATE) == 1


def test_a_job_that_comes_while_its_file_is_swept_keeps_it(objects: ObjectStore) -> None:
    """The second job writes its set after the sweep has looked at the sets, and before the bytes go."""
    store, upload = UploadStore(objects), put(objects)
    store.write_set("shop", "first", entries(upload))
    came = list[bool]()

    def is_read(tenant: str, job_id: str) -> bool | None:
        if not came:
            came.append(True)
            # As the acceptance of a job does it, just before the file is forgotten.
            store.write_set("shop", "second", entries(upload))
        return job_id == "first"

    assert UploadSweep(objects, is_read, KEEP, GRACE).run(datetime.now(UTC) + SOON) == 0
    with store.opened("shop", upload.sha256) as path:
        assert path.read_bytes() == CONTENT


def test_what_an_upload_left_that_was_cut_short_goes_after_its_time(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    UploadStore(objects).receive("shop").write(b"half")  # and then the process dies
    assert len(data_folders(objects)) == 1
    sweep(objects, Jobs())
    assert len(data_folders(objects)) == 1
    sweep(objects, Jobs(), LATE)
    assert data_folders(objects) == []


def test_sweeping_twice_at_once_removes_no_more(objects: ObjectStore) -> None:
    store, read, unread = UploadStore(objects), put(objects, b"read"), put(objects, b"unread")
    store.write_set("shop", "read", entries(read))
    store.write_set("shop", "unread", entries(unread))
    jobs = Jobs(read=True, unread=False)

    def is_read(tenant: str, job_id: str) -> bool | None:
        if job_id == "unread":
            sweep(objects, jobs)
        return jobs.is_read(tenant, job_id)

    UploadSweep(objects, is_read, KEEP, GRACE).run(datetime.now(UTC) + SOON)
    assert store.exists("shop", unread.sha256)
    assert not store.exists("shop", read.sha256)
