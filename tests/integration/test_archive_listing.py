"""A ZIP of 5,000 files through the real listing service into a real ledger, with its time and memory."""

from __future__ import annotations

import random
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, Message
from services.common.jobs.records import Job, JobSource
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.archives import deflate_bomb, picture, tarred, zipped
from tests.fixtures.brokers import ValkeyProcess
from workers.leases import Leases
from workers.listing.service import ListingService
from workers.sources.registry import open_source
from workers.sources.source import Source, SourceTools

TENANT = "shop"
FILES = 5000
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with (
        ValkeyProcess(tmp_path_factory.mktemp("archives")) as broker,
        Redis.from_url(broker.url) as client,
    ):
        yield client


class Site:
    """A ledger, a media store, and a listing service over the real sources."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self.folder = folder
        objects = open_objects(str(folder / "data"))
        self.ledger, self.media = JobLedger(objects, RevisionClock()), MediaStore(objects)
        self.leases, self.sent = Leases(redis, 60), list[Message]()

    def open_job(self, job: Job) -> Source:
        return open_source(job.source, SourceTools(self.media, job.tenant, [self.folder]))

    def list(self, archive: bytes, name: str, slice_s: float = 120) -> Job:
        path = self.folder / name
        path.write_bytes(archive)
        job = self.ledger.begin(TENANT, JobSource("archive", str(path)))
        service = ListingService(
            self.ledger,
            self.leases,
            lambda messages, **_: self.sent.extend(messages),
            self.open_job,
            max_attempts=3,
            slice_s=slice_s,
        )
        while not self.ledger.job(TENANT, job.id).listed:
            assert service.run(job.id, TENANT) is None
        return self.ledger.job(TENANT, job.id)


class Children:
    """The largest memory of this process's children while it is open, in bytes, sampled."""

    def __enter__(self) -> Children:
        self._stop, self.peak_bytes = threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, sum(_children_bytes()))

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _children_bytes() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        try:
            for pid in (task / "children").read_text().split():
                if b"workers.sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    yield int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            continue


def photo_like(number: int) -> bytes:
    """A picture's bytes with 100 KB that do not compress behind them, as a photo has."""
    return picture(number) + random.Random(number).randbytes(100_000)


def test_a_zip_of_5000_files_is_listed_within_bounds(
    tmp_path: Path, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, redis)
    archive = zipped({f"set {number % 7}/{number:05d}.png": photo_like(number) for number in range(FILES)}, 0)
    before = _own_bytes()
    begun = time.monotonic()
    with Children() as children:
        job = site.list(archive, "photos.zip")
    took_s = time.monotonic() - begun
    grown = _own_bytes() - before
    with capsys.disabled():
        print(
            f"\nZIP of {FILES:,} files, {len(archive) / MIB:.0f} MiB: listed in {took_s:.1f} s "
            f"({FILES / took_s:.0f} files/s); worker +{grown / MIB:.0f} MiB, "
            f"sandbox {children.peak_bytes / MIB:.0f} MiB"
        )
    assert (job.total, job.listed) == (FILES, True)
    assert site.ledger.failures(TENANT, job.id) == []
    lines = list(site.ledger.lines(job, 0, FILES))
    assert [line.name for line in lines] == [f"set {number % 7}/{number:05d}.png" for number in range(FILES)]
    assert len({line.sha256 for line in lines}) == FILES
    assert site.media.exists(TENANT, lines[-1].sha256)
    ranges = [(sent.start, sent.stop) for sent in site.sent if isinstance(sent, BatchMessage)]
    assert ranges == [(start, min(start + 64, FILES)) for start in range(0, FILES, 64)]
    assert grown < 150 * MIB
    assert children.peak_bytes < 200 * MIB


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_listing_in_many_slices_has_every_member_once(tmp_path: Path, redis: Redis, kind: str) -> None:
    site = Site(tmp_path, redis)
    members = {f"{number:04d}.png": picture(number) for number in range(600)}
    members["0100.png"] = b""
    members["../0101.png"] = picture(1)
    job = site.list(zipped(members) if kind == "zip" else tarred(members, "gz"), f"a.{kind}", slice_s=0.05)
    lines = list(site.ledger.lines(job, 0, 700))
    assert sorted(line.name for line in lines) == sorted(members)
    failures = site.ledger.failures(TENANT, job.id)
    assert {(each.name, each.code) for each in failures} == {
        ("0100.png", "image_empty"),
        ("../0101.png", "archive_unsafe"),
    }


def test_a_bomb_is_one_failure_in_a_short_time_and_little_memory(tmp_path: Path, redis: Redis) -> None:
    site = Site(tmp_path, redis)
    bomb = zipped({f"{number}.bmp": bytes(30_000_000) for number in range(20)})
    begun = time.monotonic()
    with Children() as children:
        job = site.list(bomb, "bomb.zip")
    assert time.monotonic() - begun < 20
    (failure,) = site.ledger.failures(TENANT, job.id)
    assert failure.code == "archive_unsafe"
    assert "200 times" in failure.message
    assert children.peak_bytes < 200 * MIB
    assert not (tmp_path / "data" / "media").exists()
    assert len(deflate_bomb(30_000_000)) < 40_000


def _own_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
