"""What the beat exposes about the backlog, and that nothing stops it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis

from services.common.errors import UnavailableError
from services.common.jobs.backlog import BacklogCount
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobSource, ManifestLine
from services.common.objects import LocalObjects
from services.common.revision import RevisionClock
from workers.backlog import BacklogCollector, BacklogWatch

NO_BROKER = "redis://127.0.0.1:1/0"


class Moody(LocalObjects):
    """A store that can be down."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.down: Exception | None = None

    def list(self, prefix: str) -> list[str]:
        if self.down:
            raise self.down
        return super().list(prefix)


@pytest.fixture
def objects(tmp_path: Path) -> Moody:
    return Moody(tmp_path)


def watch_of(objects: Moody) -> tuple[BacklogWatch, CollectorRegistry]:
    def open_count() -> BacklogCount:
        if objects.down:
            raise objects.down
        return BacklogCount(JobLedger(objects, RevisionClock()), objects)

    watch = BacklogWatch(open_count, Redis.from_url(NO_BROKER, socket_connect_timeout=0.2), 60.0)
    registry = CollectorRegistry()
    registry.register(BacklogCollector(watch.measured))
    return watch, registry


def test_nothing_is_exposed_before_it_is_known(objects: Moody) -> None:
    watch, registry = watch_of(objects)
    objects.down = OSError("no such bucket")
    watch.look()
    assert registry.get_sample_value("imagerag_backlog_items") is None
    assert registry.get_sample_value("imagerag_queue_messages", {"queue": "bulk"}) is None
    objects.down = None
    watch.look()
    assert registry.get_sample_value("imagerag_backlog_items") == 0
    assert registry.get_sample_value("imagerag_backlog_queue_items", {"queue": "bulk"}) == 0


@pytest.mark.parametrize("outage", [UnavailableError("down"), OSError("down"), RuntimeError("a driver's own")])
def test_the_last_numbers_stay_while_the_data_store_is_down(objects: Moody, outage: Exception) -> None:
    ledger = JobLedger(objects, RevisionClock())
    ledger.accept("a", [ManifestLine("x"), ManifestLine("y")], JobSource("upload"))
    watch, registry = watch_of(objects)
    watch.look()
    measured = registry.get_sample_value("imagerag_backlog_measured_timestamp_seconds")
    objects.down = outage
    watch.look()
    assert registry.get_sample_value("imagerag_backlog_items") == 2
    assert registry.get_sample_value("imagerag_backlog_measured_timestamp_seconds") == measured


def test_the_age_grows_between_looks(objects: Moody, monkeypatch: pytest.MonkeyPatch) -> None:
    JobLedger(objects, RevisionClock()).accept("a", [ManifestLine("x")], JobSource("upload"))
    watch, registry = watch_of(objects)
    watch.look()
    later = datetime.now(UTC) + timedelta(minutes=10)
    monkeypatch.setattr("workers.backlog.time.time", later.timestamp)
    age_s = registry.get_sample_value("imagerag_backlog_age_seconds")
    assert age_s is not None
    assert 600 <= age_s < 630


def test_jobs_whose_source_is_to_be_read_are_counted_unless_they_rest(objects: Moody) -> None:
    ledger = JobLedger(objects, RevisionClock())
    jobs = [ledger.begin("a", JobSource("folder", "/photos")) for _ in range(4)]
    ledger.accept("a", [ManifestLine("x")], JobSource("upload"))
    ledger.control.pause(jobs[0])
    ledger.control.cancel(jobs[1])
    ledger.listing.extend(jobs[2], [ManifestLine("x")], [], complete=True)
    watch, registry = watch_of(objects)
    watch.look()
    assert registry.get_sample_value("imagerag_unread_jobs") == 1
    assert registry.get_sample_value("imagerag_open_jobs") == 5
