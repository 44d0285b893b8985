"""I4: hostile archives through the real listing, sandbox and media store; nothing of what is refused is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from services.common.errors import error_classes
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobSource, LineOutcome
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.odd_archives import LIMITS, ONE_BAD, WHOLE
from workers.leases import Leases
from workers.listing.service import ListingService
from workers.sources.registry import open_source
from workers.sources.source import SourceTools

pytestmark = pytest.mark.faults
TENANT = "shop"
SLOWEST_S = 20.0


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    with ValkeyProcess(tmp_path / "broker") as broker, Redis.from_url(broker.url) as client:
        yield Leases(client, 60)


def take_in(folder: Path, leases: Leases, archive: bytes) -> tuple[list[LineOutcome], int, float]:
    """The failures, the number of written pictures, and the time."""
    folder.mkdir()
    (folder / "archive").write_bytes(archive)
    objects = open_objects(str(folder / "data"))
    ledger, tools = (
        JobLedger(objects, RevisionClock()),
        SourceTools(MediaStore(objects), TENANT, [folder], archives=LIMITS),
    )
    job = ledger.begin(TENANT, JobSource("archive", str(folder / "archive")))
    service = ListingService(
        ledger,
        leases,
        lambda *_, **__: None,
        lambda job: open_source(job.source, tools),
        max_attempts=3,
        slice_s=60,
    )
    begun = time.monotonic()
    assert service.run(job.id, TENANT) is None
    took_s = time.monotonic() - begun
    assert ledger.job(TENANT, job.id).listed
    written = [path for path in (folder / "data").glob("media/**/*") if path.is_file()]
    return list(ledger.failures(TENANT, job.id)), len(written), took_s


@pytest.mark.timeout(600)
def test_hostile_archives_are_refused_before_anything_is_written(
    tmp_path: Path, leases: Leases, capsys: pytest.CaptureFixture[str]
) -> None:
    slowest_s, pictures = 0.0, 0
    for number, (name, (make, error)) in enumerate(WHOLE.items()):
        failures, written, took_s = take_in(tmp_path / f"whole{number}", leases, make())
        assert (len(failures), written) == (1, 0), name
        assert issubclass(error_classes()[failures[0].code], error), name
        slowest_s = max(slowest_s, took_s)
    for number, (name, (archive, code)) in enumerate(ONE_BAD.items()):
        failures, written, took_s = take_in(tmp_path / f"one{number}", leases, archive)
        assert [(each.name, each.code) for each in failures] == [(name, code)]
        assert written == 1, name
        pictures += written
        slowest_s = max(slowest_s, took_s)
    assert slowest_s < SLOWEST_S
    with capsys.disabled():
        print(
            f"\nI4: {len(WHOLE)} archives refused as a whole, 0 files written; {len(ONE_BAD)} with a bad member: "
            f"{len(ONE_BAD)} refused, {pictures} sound neighbours taken in; slowest {slowest_s:.1f} s"
        )
