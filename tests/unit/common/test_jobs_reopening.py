from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobSource, LineOutcome, ManifestLine, Outcome
from services.common.jobs.reopening import reopen
from services.common.objects import LocalObjects
from services.common.revision import RevisionClock


def finished_job(ledger: JobLedger, job_id: str, tenant: str = "shop") -> None:
    job = ledger.accept(tenant, [ManifestLine("a.jpg", sha256="0" * 64)], JobSource("upload"), job_id=job_id)
    ledger.record(job, [LineOutcome(0, Outcome.STORED, item_id="1")])
    ledger.close(job)


def test_jobs_closed_since_are_open_again_and_the_others_stay(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    ledger = JobLedger(objects, RevisionClock())
    finished_job(ledger, "before")
    moment = datetime.now(UTC)
    finished_job(ledger, "after")
    finished_job(ledger, "others", tenant="other")
    ledger.accept("shop", [ManifestLine("b.jpg", sha256="1" * 64)], JobSource("upload"), job_id="running")
    assert sorted(reopen(objects, moment)) == ["after", "others"]
    again = JobLedger(objects, RevisionClock())
    assert sorted(again.open_jobs()) == [("other", "others"), ("shop", "after"), ("shop", "running")]
    assert again.progress("shop", "after").closed_at is None
    assert again.progress("shop", "after").stored == 1
    assert again.progress("shop", "before").closed_at is not None
    assert reopen(objects, moment) == []


def test_nothing_was_closed_since_then(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    assert reopen(objects, datetime.now(UTC)) == []
    finished_job(JobLedger(objects, RevisionClock()), "before")
    assert reopen(objects, datetime.now(UTC) + timedelta(seconds=1)) == []
