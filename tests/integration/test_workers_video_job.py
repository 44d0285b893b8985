"""Videos and mixed folders from their files to the ledger and to the store."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from redis import Redis

from services.common.domain import ItemKind
from services.common.index.ids import item_id
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, Message, first_messages
from services.common.jobs.records import Job, JobProgress, JobSource
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from tests.fixtures.videos import SMALL, Shot, plain, scene, write_video
from tests.fixtures.workers import StoredItems, Surroundings, WorkerProcess, wait_until_closed
from workers.leases import Leases
from workers.listing.service import ListingService
from workers.opening.recordings.limits import VideoLimits
from workers.sources.registry import open_source
from workers.sources.source import Source, SourceTools

TENANT = "t"
LIMIT_S = 60.0
CLOSE = VideoLimits(looks_per_s=10)


def restless(seconds: int) -> list[Shot]:
    """A change every 0.4 s."""
    return [Shot(0.4, scene(seed)) for seed in range(seconds * 10 // 4)]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with ValkeyProcess(tmp_path_factory.mktemp("videos")) as broker, Redis.from_url(broker.url) as client:
        yield client


def test_two_minutes_with_300_scenes_are_listed_in_slices_and_none_is_left_out(
    redis: Redis, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "restless.mp4", restless(120))
    objects = open_objects(str(tmp_path / "data"))
    ledger, sent = JobLedger(objects, RevisionClock()), list[Message]()

    def open_job(job: Job) -> Source:
        return open_source(job.source, SourceTools(MediaStore(objects), job.tenant, [tmp_path], video=CLOSE))

    def publish(messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        sent.extend(messages)

    # After each part another process goes on, with nothing but the cursor.
    service = ListingService(ledger, Leases(redis, 5), publish, open_job, max_attempts=3, slice_s=0.001)
    job = ledger.begin(TENANT, JobSource("video", str(path)))
    for _ in range(10):
        assert service.run(job.id, TENANT) is None
        if ledger.job(TENANT, job.id).listed:
            break

    known = ledger.job(TENANT, job.id)
    assert (known.total, known.listed) == (300, True)
    lines = ledger.lines(known, 0, known.total)
    begins = [float(line.metadata["scene_begin_s"]) for line in lines]
    assert begins == pytest.approx([0.4 * number for number in range(300)], abs=0.11)
    assert len({line.key for line in lines}) == 300
    assert sum(message.stop - message.start for message in sent if isinstance(message, BatchMessage)) == 300
    assert all(MediaStore(objects).exists(TENANT, line.sha256) for line in lines)


_MEASURE = """
import json, resource, sys
from workers.opening.video import open_parts
with open(sys.argv[1], "rb") as file:
    count = sum(1 for _ in open_parts(file, json.loads(sys.argv[2])))
print(json.dumps([count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def peak_kib(path: Path) -> tuple[int, int]:
    """Parts of a video, and the most memory that reading it took."""
    arguments = json.dumps({"limits": asdict(CLOSE), "state": None})
    told = subprocess.run([sys.executable, "-c", _MEASURE, path, arguments], capture_output=True, check=True)
    parts, peak = json.loads(told.stdout)
    return parts, peak


def test_a_longer_video_takes_no_more_memory(tmp_path: Path) -> None:
    coding = replace(SMALL, width=640, height=480)
    shots = [Shot(0.4, scene(seed, coding)) for seed in range(150)]
    short = peak_kib(write_video(tmp_path / "short.mp4", shots[:15], coding))
    long = peak_kib(write_video(tmp_path / "long.mp4", shots, coding))
    assert (short[0], long[0]) == (15 + 2, 150 + 2)
    assert long[1] - short[1] < 20 * 1024


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderProcess) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "files").mkdir()
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield Surroundings(folder / "data", broker.url, store.url, encoder.address, [folder / "files"])


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


def ingested(surroundings: Surroundings, source: JobSource) -> tuple[str, JobProgress]:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    ledger = surroundings.ledger()
    job = ledger.begin(tenant, source)
    surroundings.publish(list(first_messages(job)))
    return tenant, wait_until_closed(ledger, tenant, job.id, LIMIT_S)


def test_a_videos_moments_stand_in_the_store(surroundings: Surroundings, worker: WorkerProcess) -> None:
    shots = [Shot(2, plain((0, 0, 0))), *(Shot(3, scene(seed)) for seed in range(5))]
    path = write_video(
        surroundings.roots[0] / "clip.mp4", shots, replace(SMALL, metadata={"title": "Five things"})
    )
    tenant, progress = ingested(surroundings, JobSource("video", str(path)))
    assert (progress.stored, progress.failed) == (5, 0)

    lines = surroundings.ledger().lines(progress.job, 0, 5)
    ids = [item_id(tenant, line.key) for line in lines]
    items = StoredItems(surroundings.qdrant_url).items(tenant, ids)
    found = [items[each] for each in ids]
    assert {item.kind for item in found} == {ItemKind.MOMENT}
    assert len({item.document_id for item in found}) == 1
    assert {item.title for item in found} == {"Five things"}
    assert [int(item.position.timestamp_s or 0) // 3 for item in found if item.position] == sorted(range(5))
    assert all(item.media and (item.media.width, item.media.height) == (160, 120) for item in found)
    assert '"event": "video_read"' in worker.log()

    again, second = ingested(surroundings, JobSource("auto", str(path)))
    assert (second.stored, second.failed) == (5, 0)
    assert again != tenant


@pytest.mark.usefixtures("worker")
def test_a_mixed_folder_goes_in_and_what_cannot_is_told(surroundings: Surroundings) -> None:
    folder = surroundings.roots[0] / "mixed"
    (folder / "inner").mkdir(parents=True)
    write_video(folder / "inner" / "clip.mp4", [Shot(3, scene(seed)) for seed in range(3)])
    (folder / "a.png").write_bytes(encode(noise(64, 48, 1), "PNG"))
    (folder / "broken.jpg").write_bytes(encode(noise(64, 48, 2), "JPEG")[:60])
    (folder / "broken.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(100))
    (folder / "notes.md").write_text("# Foxes\n\nThe quick brown fox jumps over the lazy dog.\n")
    (folder / "report.docx").write_bytes(b"PK\x03\x04")

    tenant, progress = ingested(surroundings, JobSource("auto", str(folder)))

    failures = {found.name: found.message for found in surroundings.ledger().failures(tenant, progress.job.id)}
    assert sorted(failures) == ["broken.jpg", "broken.mkv", "report.docx"]
    assert all(failures.values())
    assert progress.stored == progress.job.total - 3 == 5
